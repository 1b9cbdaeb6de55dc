/*
** routines.c - the table of routines of a host that fails, lacks some, or is older.
*/
#include "routines.h"

#include <dlfcn.h>
#include <sqlite3ext.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As documented, each of them: no memory, a malformed database, a lock, a file control that a VFS does not know, ... */
const RoutineFault routine_faults[] = {
    {"malloc64", 0, 0},
    {"realloc64", 0, 0},
    {"mprintf", 0, 0},
    {"str_finish", 0, 0},
    {"value_text", 0, 0},
    {"value_text16le", 0, 0},
    {"value_blob", 0, 0},
    {"column_text", 0, 0},
    {"column_blob", 0, 0},
    {"bind", SQLITE_NOMEM, 0},
    {"bind", SQLITE_TOOBIG, 0},
    {"prepare", SQLITE_NOMEM, 0},
    {"prepare", SQLITE_CORRUPT, 0},
    {"prepare", SQLITE_LOCKED, 0},
    {"prepare", SQLITE_AUTH, 0},
    {"step", SQLITE_NOMEM, 0},
    {"step", SQLITE_BUSY, 0},
    {"step", SQLITE_FULL, 0},
    {"step", SQLITE_IOERR, 0},
    {"step", SQLITE_INTERRUPT, 0},
    {"step", SQLITE_CORRUPT, 0},
    {"step", SQLITE_CORRUPT, 1},
    {"finalize", SQLITE_IOERR, 0},
    {"exec", SQLITE_NOMEM, 0},
    {"exec", SQLITE_LOCKED, 0},
    {"blob_open", SQLITE_NOMEM, 0},
    {"blob_open", SQLITE_CORRUPT, 0},
    {"blob_write", SQLITE_CORRUPT, 0},
    {"blob_close", SQLITE_IOERR, 0},
    {"file_control", SQLITE_NOTFOUND, 0},
    {"file_control", SQLITE_NOTFOUND, 1},
    {"declare_vtab", SQLITE_NOMEM, 0},
    {"vtab_config", SQLITE_MISUSE, 0},
    {"create_module_v2", SQLITE_NOMEM, 0},
    {"create_function_v2", SQLITE_NOMEM, 0},
    {"table_column_metadata", SQLITE_NOMEM, 0},
    {"table_column_metadata", SQLITE_BUSY, 0},
    {"txn_state", -1, 0},
    {"db_name", 0, 0},
    {"expired", 1, 0}, /* not a failure: a statement may expire at any time */
    {"is_interrupted", 1, 0},
    {NULL, 0, 0},
};

static sqlite3_api_routines real, table;
static int (*entry)(sqlite3 *, char **, const sqlite3_api_routines *);

/* ------------------------------------------------------------ those that fail */

static struct {
    const RoutineFault *fault;
    long n, counted, failed;
    sqlite3_stmt *stmt; /* that a call has failed for: its end reports that */
    int rc;
} armed;

static int fails(const char *routine) {
    if (!armed.fault || strcmp(routine, armed.fault->routine) != 0)
        return 0;
    armed.counted++;
    if (armed.counted != armed.n && !(armed.fault->on && armed.counted > armed.n))
        return 0;
    armed.failed++;
    return 1;
}

void routines_arm(const RoutineFault *fault, long n) {
    armed.fault = fault;
    armed.n = n;
    armed.counted = armed.failed = 0;
    armed.stmt = NULL;
}

long routines_failed(void) {
    return armed.failed;
}

/* What is handed over is destroyed by a call that fails as well. */
static int refused(void (*destroy)(void *), const void *what) {
    if (destroy != SQLITE_STATIC && destroy != SQLITE_TRANSIENT)
        destroy((void *)(size_t)what);
    return armed.fault->rc;
}

#define POINTER(type, name, parameters, arguments)                                                                     \
    static type failing_##name parameters {                                                                            \
        return fails(#name) ? NULL : real.name arguments;                                                              \
    }
#define CODE(name, routine, parameters, arguments)                                                                     \
    static int failing_##name parameters {                                                                             \
        return fails(routine) ? armed.fault->rc : real.name arguments;                                                 \
    }
#define OWNING(name, routine, destroy, what, parameters, arguments)                                                    \
    static int failing_##name parameters {                                                                             \
        return fails(routine) ? refused(destroy, what) : real.name arguments;                                          \
    }

POINTER(void *, malloc64, (sqlite3_uint64 n), (n))
POINTER(void *, realloc64, (void *block, sqlite3_uint64 n), (block, n))
POINTER(const unsigned char *, value_text, (sqlite3_value * value), (value))
POINTER(const void *, value_text16le, (sqlite3_value * value), (value))
POINTER(const void *, value_blob, (sqlite3_value * value), (value))
POINTER(const char *, db_name, (sqlite3 * db, int i), (db, i))

CODE(bind_int, "bind", (sqlite3_stmt * stmt, int i, int value), (stmt, i, value))
CODE(bind_int64, "bind", (sqlite3_stmt * stmt, int i, sqlite3_int64 value), (stmt, i, value))
CODE(bind_double, "bind", (sqlite3_stmt * stmt, int i, double value), (stmt, i, value))
CODE(bind_null, "bind", (sqlite3_stmt * stmt, int i), (stmt, i))
CODE(bind_value, "bind", (sqlite3_stmt * stmt, int i, const sqlite3_value *value), (stmt, i, value))
CODE(bind_zeroblob, "bind", (sqlite3_stmt * stmt, int i, int n), (stmt, i, n))
OWNING(bind_text, "bind", destroy, text, (sqlite3_stmt * stmt, int i, const char *text, int n, void (*destroy)(void *)),
       (stmt, i, text, n, destroy))
OWNING(bind_text64, "bind", destroy, text,
       (sqlite3_stmt * stmt, int i, const char *text, sqlite3_uint64 n, void (*destroy)(void *),
        unsigned char encoding),
       (stmt, i, text, n, destroy, encoding))
OWNING(bind_blob, "bind", destroy, blob, (sqlite3_stmt * stmt, int i, const void *blob, int n, void (*destroy)(void *)),
       (stmt, i, blob, n, destroy))
OWNING(bind_blob64, "bind", destroy, blob,
       (sqlite3_stmt * stmt, int i, const void *blob, sqlite3_uint64 n, void (*destroy)(void *)),
       (stmt, i, blob, n, destroy))
OWNING(create_module_v2, "create_module_v2", destroy, context,
       (sqlite3 * db, const char *name, const sqlite3_module *module, void *context, void (*destroy)(void *)),
       (db, name, module, context, destroy))
OWNING(create_function_v2, "create_function_v2", destroy, context,
       (sqlite3 * db, const char *name, int n, int flags, void *context,
        void (*function)(sqlite3_context *, int, sqlite3_value **),
        void (*step)(sqlite3_context *, int, sqlite3_value **), void (*final)(sqlite3_context *),
        void (*destroy)(void *)),
       (db, name, n, flags, context, function, step, final, destroy))
CODE(prepare_v2, "prepare", (sqlite3 * db, const char *sql, int n, sqlite3_stmt **stmt, const char **tail),
     (db, sql, n, stmt, tail))
CODE(prepare_v3, "prepare",
     (sqlite3 * db, const char *sql, int n, unsigned flags, sqlite3_stmt **stmt, const char **tail),
     (db, sql, n, flags, stmt, tail))
CODE(exec, "exec", (sqlite3 * db, const char *sql, sqlite3_callback row, void *context, char **message),
     (db, sql, row, context, message))
CODE(blob_open, "blob_open",
     (sqlite3 * db, const char *schema, const char *name, const char *column, sqlite3_int64 id, int flags,
      sqlite3_blob **blob),
     (db, schema, name, column, id, flags, blob))
CODE(blob_write, "blob_write", (sqlite3_blob * blob, const void *bytes, int n, int at), (blob, bytes, n, at))
CODE(file_control, "file_control", (sqlite3 * db, const char *schema, int op, void *argument),
     (db, schema, op, argument))
CODE(declare_vtab, "declare_vtab", (sqlite3 * db, const char *sql), (db, sql))
CODE(table_column_metadata, "table_column_metadata",
     (sqlite3 * db, const char *schema, const char *name, const char *column, const char **type, const char **collation,
      int *not_null, int *key, int *automatic),
     (db, schema, name, column, type, collation, not_null, key, automatic))
CODE(txn_state, "txn_state", (sqlite3 * db, const char *schema), (db, schema))
CODE(expired, "expired", (sqlite3_stmt * stmt), (stmt))
#if SQLITE_VERSION_NUMBER >= 3041000
CODE(is_interrupted, "is_interrupted", (sqlite3 * db), (db))
#endif

/* A statement that has failed says so again when it ends; and whatever the end of something says, it has ended. */
static void *failed_for(sqlite3_stmt *stmt, int rc) {
    armed.stmt = stmt;
    armed.rc = rc;
    return NULL;
}

static int ended(sqlite3_stmt *stmt, int rc) {
    if (!stmt || stmt != armed.stmt)
        return rc;
    armed.stmt = NULL;
    return armed.rc;
}

static int failing_step(sqlite3_stmt *stmt) {
    if (!fails("step"))
        return real.step(stmt);
    failed_for(stmt, armed.fault->rc);
    return armed.rc;
}

static const unsigned char *failing_column_text(sqlite3_stmt *stmt, int i) {
    return fails("column_text") ? failed_for(stmt, SQLITE_NOMEM) : real.column_text(stmt, i);
}

static const void *failing_column_blob(sqlite3_stmt *stmt, int i) {
    return fails("column_blob") ? failed_for(stmt, SQLITE_NOMEM) : real.column_blob(stmt, i);
}

static int failing_reset(sqlite3_stmt *stmt) {
    return ended(stmt, real.reset(stmt));
}

static int failing_finalize(sqlite3_stmt *stmt) {
    int rc = ended(stmt, real.finalize(stmt));
    return fails("finalize") ? armed.fault->rc : rc;
}

static int failing_blob_close(sqlite3_blob *blob) {
    int rc = real.blob_close(blob);
    return fails("blob_close") ? armed.fault->rc : rc;
}

static char *failing_str_finish(sqlite3_str *text) {
    char *result = real.str_finish(text);
    if (!fails("str_finish"))
        return result;
    sqlite3_free(result);
    return NULL;
}

static char *failing_mprintf(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *text = fails("mprintf") ? NULL : real.vmprintf(format, arguments);
    va_end(arguments);
    return text;
}

/* Those that the extension asks for have one argument. */
static int failing_vtab_config(sqlite3 *db, int op, ...) {
    va_list arguments;
    va_start(arguments, op);
    int argument = va_arg(arguments, int);
    va_end(arguments);
    return fails("vtab_config") ? armed.fault->rc : real.vtab_config(db, op, argument);
}

#define REPLACE(name) table.name = failing_##name

static void replace_all(void) {
    REPLACE(malloc64);
    REPLACE(realloc64);
    REPLACE(mprintf);
    REPLACE(str_finish);
    REPLACE(value_text);
    REPLACE(value_text16le);
    REPLACE(value_blob);
    REPLACE(column_text);
    REPLACE(column_blob);
    REPLACE(db_name);
    REPLACE(bind_int);
    REPLACE(bind_int64);
    REPLACE(bind_double);
    REPLACE(bind_null);
    REPLACE(bind_value);
    REPLACE(bind_zeroblob);
    REPLACE(bind_text);
    REPLACE(bind_text64);
    REPLACE(bind_blob);
    REPLACE(bind_blob64);
    REPLACE(create_module_v2);
    REPLACE(create_function_v2);
    REPLACE(prepare_v2);
    REPLACE(prepare_v3);
    REPLACE(step);
    REPLACE(reset);
    REPLACE(exec);
    REPLACE(blob_open);
    REPLACE(blob_write);
    REPLACE(file_control);
    REPLACE(declare_vtab);
    REPLACE(vtab_config);
    REPLACE(table_column_metadata);
    REPLACE(txn_state);
    REPLACE(expired);
#if SQLITE_VERSION_NUMBER >= 3041000
    REPLACE(is_interrupted);
#endif
    REPLACE(finalize);
    REPLACE(blob_close);
}

/* -------------------------------------------------------------- other hosts */

static int version_3_31(void) {
    return 3031000;
}

static int version_3_30(void) {
    return 3030001;
}

static void too_new(void) {
    printf("FAILED a routine was called that this host does not have\n");
    exit(1);
}

void routines_become(HostKind kind) {
    table = real;
    replace_all();
    if (kind == HOST_WITHOUT_MUTEXES) {
        table.mutex_alloc = NULL;
        table.mutex_enter = table.mutex_leave = NULL;
    } else if (kind == HOST_WITHOUT_EXPIRED) {
        table.expired = NULL;
    } else if (kind == HOST_OF_3_31 || kind == HOST_OF_3_30) {
        /* What came later lies behind; the table of the real host would end there. */
        void (*trap)(void) = too_new;
        for (size_t at = offsetof(sqlite3_api_routines, create_filename); at < sizeof table; at += sizeof trap)
            memcpy((char *)&table + at, &trap, sizeof trap);
        table.libversion_number = kind == HOST_OF_3_31 ? version_3_31 : version_3_30;
    }
}

/* ------------------------------------------------------------------ loading */

static int capture(sqlite3 *db, char **message, const sqlite3_api_routines *api) {
    (void)db;
    (void)message;
    real = *api;
    return SQLITE_OK;
}

int routines_open(const char *extension) {
    char name[1024];
    sqlite3 *db = NULL;
    /* Whoever is registered here is handed SQLite's own table. */
    sqlite3_auto_extension((void (*)(void))capture);
    sqlite3_open(":memory:", &db);
    sqlite3_close(db);
    sqlite3_reset_auto_extension();
    snprintf(name, sizeof name, "%s%s.so", strchr(extension, '/') ? "" : "./", extension);
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    void *symbol = library ? dlsym(library, "sqlite3_hybridcache_init") : NULL;
    if (!symbol)
        printf("%s\n", dlerror());
    memcpy(&entry, &symbol, sizeof entry);
    routines_become(HOST_LIKE_THIS);
    return symbol != NULL && real.malloc64 != NULL;
}

int routines_load(sqlite3 *db, char **message) {
    return entry(db, message, &table);
}
