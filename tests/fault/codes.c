/*
** codes.c - every condition that makes a statement fail, on a cache and on a plain table.
**
**     codes --extension dist/hybrid_cache [--condition C] [--verbose yes]
**
** The twins go through the same steps: a context (autocommit, a transaction that has written, one
** that has read, a savepoint), then the condition, a statement, a look at the rows, COMMIT, the
** condition gone, COMMIT again if that is still to do, and the rows as a fresh connection
** sees them. After each step the result code, whether a transaction is open, and the rows have
** to be those of the plain table. Beside that a cache has its L1 in line with its rows, its look-up
** functions have given no error but counted what they could not read, and no message names a shadow table.
** A third one, with on_error=degrade, says what the plain table says or SQLITE_OK; then it has counted an error,
** and its rows are those of the plain table or those without the statement.
**
** Then a SELECT between whose rows a transaction begins or ends (--condition rows), statements that are a transaction by
** themselves (--condition statement), and an authorizer denies each question that SQLite asks it, in turn, and each action
** that there is. SOAK=1, or --condition: all pairs of contexts and statements; otherwise one in ONE_OF.
*/
#include "inject.h"
#include "memfs.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_NAME "/codes.db"
#define STORY 4000
#define ONE_OF 13 /* in the bounded form */

typedef struct {
    const char *name;
    const char *journal; /* the only mode in which it can be met; NULL: any */
    int flags;           /* of sqlite3_open_v2() */
    const char *before;  /* by another connection, before the context */
    const char *between; /* by another connection, after it */
    const char *mine;    /* by this connection, after it */
    const char *undo;    /* by this connection, in the end */
    const char *gone;    /* by the other connection: the condition is gone */
    const char *fault;   /* from now on; gone with the condition */
    int limit;           /* on the length of a value; 0: none */
    int code;            /* that must show somewhere; 0: none need */
    int alone;           /* the cache alone meets it: it says so, or what the plain table says */
    int prepared;        /* the statement is, before the condition: by sqlite3_prepare() or ..._v2(); 0: by neither */
    const char *held;    /* a query of this connection that is being read meanwhile */
} Condition;

#define OPEN_ORDINARY (SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)
#define OPEN_SHARED (OPEN_ORDINARY | SQLITE_OPEN_SHAREDCACHE)
#define WRITE "REPLACE INTO %t(key, value) VALUES('other', 'new')"

#define REMAKE "DROP TABLE %t; %c; INSERT INTO %t(key, value) VALUES('k1', 'other')"

static const Condition conditions[] = {
    {.name = "none", .flags = OPEN_ORDINARY},
    {.name = "BUSY: a writer",
     .flags = OPEN_ORDINARY,
     .before = "BEGIN IMMEDIATE",
     .gone = "ROLLBACK",
     .code = SQLITE_BUSY},
    {.name = "BUSY: a writer later",
     .flags = OPEN_ORDINARY,
     .between = "BEGIN IMMEDIATE;" WRITE,
     .gone = "COMMIT",
     .code = SQLITE_BUSY},
    {.name = "BUSY: exclusive",
     .journal = "delete",
     .flags = OPEN_ORDINARY,
     .before = "BEGIN EXCLUSIVE",
     .gone = "ROLLBACK",
     .code = SQLITE_BUSY},
    {.name = "BUSY: a reader",
     .journal = "delete",
     .flags = OPEN_ORDINARY,
     .before = "BEGIN; SELECT count(*) FROM %t",
     .gone = "COMMIT",
     .code = SQLITE_BUSY},
    {.name = "BUSY_SNAPSHOT", .journal = "wal", .flags = OPEN_ORDINARY, .between = WRITE, .code = SQLITE_BUSY_SNAPSHOT},
    {.name = "BUSY_SNAPSHOT: schema",
     .journal = "wal",
     .flags = OPEN_ORDINARY,
     .between = REMAKE,
     .code = SQLITE_BUSY_SNAPSHOT},
    {.name = "BUSY_SNAPSHOT: prepared",
     .journal = "wal",
     .flags = OPEN_ORDINARY,
     .between = WRITE,
     .code = SQLITE_BUSY_SNAPSHOT,
     .prepared = 2},
    {.name = "BUSY: every lock", .flags = OPEN_ORDINARY, .fault = "busy+", .code = SQLITE_BUSY},
    {.name = "LOCKED: a writer",
     .flags = OPEN_SHARED,
     .before = "BEGIN;" WRITE,
     .gone = "ROLLBACK",
     .code = SQLITE_LOCKED},
    {.name = "LOCKED: the schema",
     .flags = OPEN_SHARED,
     .before = "BEGIN; CREATE TABLE more(x)",
     .gone = "ROLLBACK",
     .code = SQLITE_LOCKED},
    {.name = "LOCKED: a query of mine", .flags = OPEN_ORDINARY, .code = SQLITE_LOCKED, .held = "SELECT key FROM %t"},
    {.name = "READONLY", .flags = SQLITE_OPEN_READONLY, .code = SQLITE_READONLY},
    {.name = "READONLY: query_only",
     .flags = OPEN_ORDINARY,
     .mine = "PRAGMA query_only = 1",
     .undo = "PRAGMA query_only = 0",
     .code = SQLITE_READONLY},
    {.name = "SCHEMA: a new table", .flags = OPEN_ORDINARY, .between = "CREATE TABLE more(x)"},
    {.name = "SCHEMA: our own", .flags = OPEN_ORDINARY, .mine = "CREATE TABLE IF NOT EXISTS more(x)"},
    {.name = "SCHEMA: made anew", .flags = OPEN_ORDINARY, .between = REMAKE},
    {.name = "SCHEMA: VACUUM", .flags = OPEN_ORDINARY, .between = "VACUUM"},
    {.name = "SCHEMA: prepared",
     .flags = OPEN_ORDINARY,
     .between = "CREATE TABLE more(x)",
     .code = SQLITE_SCHEMA,
     .prepared = 1},
    {.name = "SCHEMA: prepared, anew", .flags = OPEN_ORDINARY, .between = REMAKE, .code = SQLITE_SCHEMA, .prepared = 1},
    {.name = "SCHEMA: prepared, own",
     .flags = OPEN_ORDINARY,
     .mine = "CREATE TABLE IF NOT EXISTS more(x)",
     .code = SQLITE_SCHEMA,
     .prepared = 1},
    {.name = "SCHEMA: prepared v2", .flags = OPEN_ORDINARY, .between = REMAKE, .prepared = 2},
    {.name = "TOOBIG", .flags = OPEN_ORDINARY, .limit = 5000, .code = SQLITE_TOOBIG},
    {.name = "TOOBIG: prepared", .flags = OPEN_ORDINARY, .limit = 5000, .code = SQLITE_TOOBIG, .prepared = 2},
    /* Of the counters, too: what makes a row of the plain table too big is more than that. */
    {.name = "TOOBIG: the counters", .flags = OPEN_ORDINARY, .limit = 1700, .code = SQLITE_TOOBIG, .alone = 1},
    {.name = "FULL", .flags = OPEN_ORDINARY, .fault = "full+", .code = SQLITE_FULL},
    {.name = "IOERR: write", .flags = OPEN_ORDINARY, .fault = "write+", .code = SQLITE_IOERR},
    {.name = "IOERR: sync", .flags = OPEN_ORDINARY, .fault = "sync+", .code = SQLITE_IOERR},
    {.name = "IOERR: lock", .flags = OPEN_ORDINARY, .fault = "lock+"},
    {.name = "CANTOPEN", .journal = "delete", .flags = OPEN_ORDINARY, .fault = "open+", .code = SQLITE_CANTOPEN},
    {.name = "INTERRUPT", .flags = OPEN_ORDINARY, .fault = "interrupt+", .code = SQLITE_INTERRUPT},
};
#define CONDITIONS ((int)(sizeof conditions / sizeof conditions[0]))

/* What is open when the condition comes. */
static const char *const contexts[] = {NULL,
                                       "BEGIN",
                                       "BEGIN; INSERT INTO %t(key, value) VALUES('first', 'new')",
                                       "BEGIN; SELECT count(*) FROM %t",
                                       "BEGIN; SELECT value FROM %t WHERE key = 'k1'", /* of a cache, from the L1 */
                                       "BEGIN IMMEDIATE",
                                       "SAVEPOINT s; INSERT INTO %t(key, value) VALUES('first', 'new'); SAVEPOINT t"};
#define CONTEXTS ((int)(sizeof contexts / sizeof contexts[0]))

static const char lock[] = "UPDATE %t SET value = value WHERE key = 'k1'"; /* writes no page */
static const char touch[] = "UPDATE %t SET value = value || 'x' WHERE key = 'large'";

typedef struct {
    const char *sql, *plain; /* plain: what is like it on a plain table; NULL: the same */
} Statement;

static const Statement statements[] = {
    {"INSERT INTO %t(key, value) VALUES('new', 'new')", NULL},
    {"INSERT INTO %t(key, value) VALUES('new', 'new'), ('new2', 'new'), ('k2', 'bad')", NULL},
    {"INSERT OR IGNORE INTO %t(key, value) VALUES('k1', 'bad'), ('new', 'new')", NULL},
    {"REPLACE INTO %t(key, value) VALUES('k1', 'new')", NULL},
    {"REPLACE INTO %t(key, value) VALUES('k1', printf('%%.*c', 4900, 'x') || 'k'), (printf('%%.*c', 4990, 'y'), 'z' || "
     "printf('%%.*c', 4900, 'x'))",
     NULL},
    {"UPDATE %t SET value = 'new' WHERE key = 'k2'", NULL},
    {"UPDATE %t SET value = value || '+'", NULL},
    {"UPDATE %t SET key = 'moved' WHERE key = 'k3'", NULL},
    {"UPDATE OR REPLACE %t SET key = 'k2' WHERE key = 'k3'", NULL},
    {"DELETE FROM %t WHERE key = 'k1'", NULL},
    {"DELETE FROM %t", NULL},
    {"SELECT value FROM %t WHERE key = 'k1'", NULL},
    {"SELECT length(value) FROM %t WHERE key = 'large'", NULL},
    {"SELECT value FROM %t WHERE key = 'large'", NULL},
    {"SELECT count(*) FROM %t", NULL},
    /* What a cache does beside is for a plain table a write that no look at the rows shows. */
    {"INSERT INTO %t(%t) VALUES('purge')", lock},
    {"INSERT INTO %t(%t) VALUES('check')", lock},
    {"INSERT INTO %t(%t) VALUES('rebuild')", touch},
    {"INSERT INTO %t(%t, value) VALUES('grace', 5)", touch},
    {"CREATE VIRTUAL TABLE extra USING hybrid_cache", "CREATE TABLE extra(key, value)"},
    {"SAVEPOINT u; DROP TABLE %t; ROLLBACK TO u; RELEASE u", NULL},
    {"SAVEPOINT u; ALTER TABLE %t RENAME TO moved; ROLLBACK TO u; RELEASE u", NULL},
};
#define STATEMENTS ((int)(sizeof statements / sizeof statements[0]))

static struct {
    const char *extension;
    int verbose, all;
} bench;

static char problem[2 * STORY];

__attribute__((format(printf, 1, 2))) static void complain(const char *format, ...) {
    va_list arguments;
    if (problem[0] != 0)
        return;
    va_start(arguments, format);
    vsnprintf(problem, sizeof problem, format, arguments);
    va_end(arguments);
}

static sqlite3 *open_database(int flags) {
    sqlite3 *db = NULL;
    char *message = NULL;
    if (sqlite3_open_v2(FILE_NAME, &db, flags, NULL) != SQLITE_OK)
        complain("open: %s", sqlite3_errmsg(db));
    sqlite3_extended_result_codes(db, 1);
    sqlite3_enable_load_extension(db, 1);
    if (sqlite3_load_extension(db, bench.extension, NULL, &message) != SQLITE_OK)
        complain("load: %s", message != NULL ? message : "");
    sqlite3_free(message);
    return db;
}

#define CREATE_CACHE "CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=0)"
#define CREATE_DEGRADING "CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=0, on_error=degrade)"
#define CREATE_PLAIN "CREATE TABLE plain(key NOT NULL UNIQUE, value)"
static int degrading; /* the cache is made so */

static const char *create_cache(void) {
    return degrading ? CREATE_DEGRADING : CREATE_CACHE;
}

/* `sql` with the name of the table for %t, the statement that makes it for %c, and % for %%. */
static void expand(const char *sql, const char *table, char *out, size_t room) {
    size_t n = 0;
    const char *created = strcmp(table, "plain") == 0 ? CREATE_PLAIN : create_cache();
    for (; *sql != 0 && n + strlen(created) + 1 < room; sql++) {
        if (sql[0] == '%' && (sql[1] == 't' || sql[1] == 'c')) {
            const char *text = sql[1] == 't' ? table : created;
            memcpy(out + n, text, strlen(text));
            n += strlen(text);
            sql++;
        } else {
            out[n++] = *sql;
            sql += sql[0] == '%' && sql[1] == '%';
        }
    }
    out[n] = 0;
}

static void check_message(sqlite3 *db, int rc, const char *sql) {
    const char *message = sqlite3_errmsg(db);
    if (rc != SQLITE_OK && (strstr(message, "_data") != NULL || strstr(message, "_meta") != NULL || message[0] == 0))
        complain("%s: the message is \"%s\"", sql, message);
}

static int run(sqlite3 *db, const char *sql, const char *table) {
    char text[1000];
    if (sql == NULL)
        return SQLITE_OK;
    expand(sql, table, text, sizeof text);
    int rc = sqlite3_exec(db, text, NULL, NULL, NULL);
    check_message(db, rc, text);
    return rc;
}

/* By sqlite3_prepare(), `version` 1, or sqlite3_prepare_v2(); NULL: neither of them, or it failed. */
static sqlite3_stmt *prepare(sqlite3 *db, int version, const char *sql, const char *table) {
    char text[1000];
    sqlite3_stmt *stmt = NULL;
    if (version == 0 || sql == NULL)
        return NULL;
    expand(sql, table, text, sizeof text);
    if (version == 1)
        sqlite3_prepare(db, text, -1, &stmt, NULL);
    else
        sqlite3_prepare_v2(db, text, -1, &stmt, NULL);
    return stmt;
}

static int run_prepared(sqlite3 *db, sqlite3_stmt *stmt) {
    while (sqlite3_step(stmt) == SQLITE_ROW)
        ;
    int rc = sqlite3_reset(stmt);
    check_message(db, rc, sqlite3_sql(stmt) != NULL ? sqlite3_sql(stmt) : "a prepared statement");
    return rc;
}

static void tell(char *story, const char *format, ...) {
    va_list arguments;
    size_t n = strlen(story);
    va_start(arguments, format);
    vsnprintf(story + n, STORY - n, format, arguments);
    va_end(arguments);
}

static void tell_rows(char *story, sqlite3 *db, const char *table) {
    char text[200];
    sqlite3_stmt *stmt = NULL;
    expand("SELECT group_concat(key || '=' || substr(value, 1, 5), ' ') FROM (SELECT * FROM %t ORDER BY key)", table,
           text, sizeof text);
    int rc = sqlite3_prepare_v2(db, text, -1, &stmt, NULL);
    if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
        tell(story, " [%.300s]", (const char *)sqlite3_column_text(stmt, 0));
    rc = sqlite3_finalize(stmt);
    if (rc != SQLITE_OK)
        tell(story, " [error %d]", sqlite3_errcode(db) & 0xff);
}

/* Errors that the cache has counted; -1: it cannot be asked now. */
static long errors_of(sqlite3 *db) {
    sqlite3_stmt *stmt = NULL;
    long errors = -1;
    if (sqlite3_prepare_v2(db, "SELECT l2_errors + corrupt FROM hybrid_cache_stats('cache')", -1, &stmt, NULL) ==
            SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        errors = (long)sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return errors;
}

/*
** A look-up function fails for no condition but an interrupt, and what is longer than this connection may read: it
** misses. What SQLite refuses to prepare is
** its own affair. Returns whether one of two has missed what a SELECT finds, or cannot say.
*/
static int look_up(sqlite3 *db, int limit) {
    sqlite3_stmt *stmt = NULL;
    char got[16] = "";
    if (sqlite3_prepare_v2(db, "SELECT hybrid_cache_get('cache', 'k1'), hybrid_cache_has('cache', 'none')", -1, &stmt,
                           NULL) != SQLITE_OK)
        return 0;
    int rc = sqlite3_step(stmt);
    if (rc != SQLITE_ROW && rc != SQLITE_INTERRUPT && !(rc == SQLITE_TOOBIG && limit > 0))
        complain("a look-up failed: error %d, %s", rc, sqlite3_errmsg(db));
    int missed = rc == SQLITE_ROW && sqlite3_column_type(stmt, 0) == SQLITE_NULL;
    if (rc == SQLITE_ROW && !missed)
        snprintf(got, sizeof got, "%s", (const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    if (rc != SQLITE_ROW || sqlite3_prepare_v2(db, "SELECT value FROM cache WHERE key = 'k1'", -1, &stmt, NULL))
        return 0;
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW && !missed && strncmp(got, (const char *)sqlite3_column_text(stmt, 0), sizeof got - 1) != 0)
        complain("get says %s, SELECT %.15s", got, (const char *)sqlite3_column_text(stmt, 0));
    if (rc == SQLITE_DONE && !missed)
        complain("get says %s, SELECT nothing", got);
    sqlite3_finalize(stmt);
    return missed && rc != SQLITE_DONE;
}

/* The L1 says what the rows say. */
static void check_cache(sqlite3 *db, const char *where) {
    sqlite3_stmt *stmt = NULL;
    int wrong = 0;
    int rc = sqlite3_prepare_v2(db, "SELECT d.key, hybrid_cache_get('cache', d.key) IS d.value FROM cache_data d", -1,
                                &stmt, NULL);
    while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
        wrong += !sqlite3_column_int(stmt, 1);
    sqlite3_finalize(stmt);
    if (rc != SQLITE_OK || wrong > 0)
        complain("%s: the L1 is not in line with the rows (%d, error %d)", where, wrong, rc);
    static const char *const keys[] = {"k1", "k2", "k3", "new", "new2", "first", "other", "moved"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        char *sql = sqlite3_mprintf("SELECT hybrid_cache_get('cache', %Q) IS (SELECT value FROM cache_data"
                                    " WHERE key = %Q)",
                                    keys[i], keys[i]);
        if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK || sqlite3_step(stmt) != SQLITE_ROW ||
            sqlite3_column_int(stmt, 0) != 1)
            complain("%s: the L1 is not in line with the row of %s: %s", where, keys[i], sqlite3_errmsg(db));
        sqlite3_finalize(stmt);
        sqlite3_free(sql);
    }
}

static void make_database(const char *journal) {
    char sql[100];
    memfs_clear();
    sqlite3 *db = open_database(OPEN_ORDINARY);
    snprintf(sql, sizeof sql, "PRAGMA journal_mode = %s", journal);
    if (run(db, sql, "") != SQLITE_OK || run(db, create_cache(), "") || run(db, CREATE_PLAIN, "") ||
        run(db,
            "INSERT INTO cache(key, value) VALUES('k1', 'old'), ('k2', 'old'), ('k3', 'old'), ('large', 'l' || "
            "hex(zeroblob(800)))",
            "") ||
        run(db, "INSERT INTO plain SELECT key, value FROM cache", ""))
        complain("setup: %s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

static const InjectFault *fault_of(const char *name) {
    const InjectFault *fault = inject_faults;
    while (fault->name != NULL && strcmp(fault->name, name) != 0)
        fault++;
    return fault;
}

typedef struct {
    char story[STORY]; /* all that has to be the same for the twins */
    char rows[STORY];  /* as a fresh connection sees them in the end */
    int rc;            /* of the statement */
    int met;           /* the statement or COMMIT gave the code of the condition */
    long errors;       /* that the cache has counted */
} Life;

static void live(const Condition *condition, const char *journal, int context, const Statement *statement,
                 const char *table, Life *life) {
    int is_cache = strcmp(table, "cache") == 0, missed = 0, rc;
    char *story = life->story;
    const char *sql = !is_cache && statement->plain != NULL ? statement->plain : statement->sql;
    sqlite3_int64 memory = sqlite3_memory_used();
    memset(life, 0, sizeof *life);
    make_database(journal);
    /* In WAL mode somebody has to keep the WAL open, for who may only read. */
    sqlite3 *other = open_database(condition->flags == SQLITE_OPEN_READONLY ? OPEN_ORDINARY : condition->flags);
    run(other, "SELECT count(*) FROM %t", table);
    sqlite3 *db = open_database(condition->flags);
    sqlite3_exec(db, "SELECT hybrid_cache_get('cache', key) FROM plain", NULL, NULL, NULL);
    run(db, "SELECT count(*) FROM %t WHERE key = 'k1'", table);
    long errors = is_cache ? errors_of(db) : 0;
    if (run(other, condition->before, table) != SQLITE_OK)
        complain("before: %s", sqlite3_errmsg(other));
    tell(story, "begin %d", run(db, contexts[context], table) & 0xff);
    sqlite3_stmt *prepared = prepare(db, strchr(sql, ';') == NULL ? condition->prepared : 0, sql, table);
    sqlite3_stmt *held = prepare(db, 2, condition->held, table);
    if (held != NULL && sqlite3_step(held) != SQLITE_ROW)
        complain("held: %s", sqlite3_errmsg(db));
    run(other, condition->between, table);
    tell(story, ", mine %d", run(db, condition->mine, table) & 0xff);
    if (condition->limit > 0)
        sqlite3_limit(db, SQLITE_LIMIT_LENGTH, condition->limit);
    if (condition->fault != NULL)
        inject_arm(fault_of(condition->fault), 1, db);

    rc = life->rc = prepared != NULL ? run_prepared(db, prepared) : run(db, sql, table);
    life->met = rc == condition->code || (rc & 0xff) == condition->code;
    tell(story, ", statement %d, autocommit %d, changes %d", rc, sqlite3_get_autocommit(db),
         rc == SQLITE_OK && statement->plain == NULL ? sqlite3_changes(db) : 0);
    if (is_cache)
        missed = look_up(db, condition->limit);
    if (condition->limit > 0)
        sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 1000000000);
    if (condition->fault == NULL)
        tell_rows(story, db, table);
    sqlite3_finalize(prepared);
    if (!sqlite3_get_autocommit(db)) {
        rc = run(db, "COMMIT", table);
        life->met |= rc == condition->code || (rc & 0xff) == condition->code;
        tell(story, ", commit %d", rc & 0xff);
    }
    tell(story, ", autocommit %d", sqlite3_get_autocommit(db));
    inject_disarm();
    sqlite3_finalize(held);
    run(other, condition->gone, table);
    run(db, condition->undo, table);
    if (is_cache) {
        life->errors = errors_of(db) - errors;
        if (missed && life->errors <= 0 && errors >= 0)
            complain("a look-up has missed what is there, and counted no error");
    }
    tell_rows(story, db, table);
    if (!sqlite3_get_autocommit(db)) {
        if (is_cache && !degrading)
            check_cache(db, "inside");
        tell(story, ", commit %d", run(db, "COMMIT", table) & 0xff);
        tell(story, ", rollback %d", run(db, sqlite3_get_autocommit(db) ? NULL : "ROLLBACK", table));
    }
    if (!degrading)
        tell_rows(story, db, table);
    sqlite3 *fresh = open_database(OPEN_ORDINARY);
    tell_rows(life->rows, fresh, table);
    tell(story, "%s", life->rows);
    if (is_cache) {
        if (!degrading)
            check_cache(db, "after");
        check_cache(other, "other");
        check_cache(fresh, "fresh");
        if (run(fresh, "INSERT INTO cache(cache) VALUES('check')", table) != SQLITE_OK)
            complain("check: %s", sqlite3_errmsg(fresh));
    }
    tell(story, ", later %d", run(db, "REPLACE INTO %t(key, value) VALUES('later', 'new')", table));
    if (is_cache && run(fresh, "SELECT 1 / (value = 'new') FROM %t WHERE key = 'later'", table) != SQLITE_OK)
        complain("later: %s", sqlite3_errmsg(fresh));
    if (sqlite3_close(db) != SQLITE_OK || sqlite3_close(other) != SQLITE_OK || sqlite3_close(fresh) != SQLITE_OK)
        complain("close");
    if (sqlite3_memory_used() != memory)
        complain("%lld bytes leaked", sqlite3_memory_used() - memory);
}

static long passed, failed;

static void judge(const char *what, const char *journal, int context, const char *statement) {
    if (problem[0] == 0) {
        passed++;
        return;
    }
    if (failed++ < 40)
        printf("FAILED %s, %s, context \"%s\", %.70s\n       %s\n", what, journal,
               contexts[context] ? contexts[context] : "", statement, problem);
}

/*
** Where the cache may differ. A disk that fails in a statement of a virtual table ends the whole
** transaction, since the statement inside has no journal of its own, and it can fail there where a plain
** table meets it in COMMIT: then nothing of the transaction may be left. And what the L1 has, it
** gives while others hold locks.
*/
static int excused(const Condition *condition, int context, const Statement *statement, const char *cache,
                   const char *plain) {
    const char *rows = strrchr(cache, '['), *first = strstr(cache, "first=");
    int disk = condition->code == SQLITE_FULL || condition->code == SQLITE_IOERR;
    if (condition->flags == OPEN_SHARED)
        return (strncmp(statement->sql, "SELECT", 6) == 0 && strstr(cache, "statement 0,") != NULL) ||
               (contexts[context] != NULL && strstr(contexts[context], "SELECT") != NULL &&
                strcmp(strchr(cache, ','), strchr(plain, ',')) == 0);
    return disk && strstr(plain, "autocommit 0") != NULL && strstr(cache, "autocommit 0") == NULL && first == NULL &&
           rows != NULL && strncmp(rows, "[k1=old k2=old k3=old large=l0000]", 34) == 0;
}

/*
** What a cache may say and leave that does not behave as the plain table does: the same, or the code of the condition
** and the rows as they were. With on_error=degrade it may say SQLITE_OK instead, and has counted an error then.
*/
static void check_apart(const Condition *condition, const char *journal, int context, const Statement *statement,
                        const Life *cache, const Life *plain) {
    static const Statement nothing = {"SELECT 1", NULL};
    const char *how = degrading ? "degrade" : "alone";
    Life without;
    int bad = strstr(statement->sql, "'bad'") != NULL; /* of a key that the L1 knows, whatever L2 can do */
    live(condition, journal, context, &nothing, "plain", &without);
    if ((cache->rc != SQLITE_OK || plain->rc == SQLITE_OK) && (cache->rc & 0xff) != (plain->rc & 0xff) &&
        (cache->rc & 0xff) != (condition->code & 0xff) && !(bad && cache->rc == SQLITE_CONSTRAINT_UNIQUE))
        complain("%s: error %d; plain: %d", how, cache->rc, plain->rc);
    if (cache->rc == SQLITE_OK && plain->rc != SQLITE_OK && (!degrading || cache->errors <= 0))
        complain("%s: no error was counted where a plain table says %d", how, plain->rc);
    if (strcmp(cache->rows, plain->rows) != 0 && strcmp(cache->rows, without.rows) != 0)
        complain("%s:%s\n       plain:%s\n       without it:%s", how, cache->rows, plain->rows, without.rows);
}

static void run_condition(const Condition *condition) {
    static const char *const journals[] = {"wal", "delete"};
    long met = 0, pairs = 0;
    for (int mode = 0; mode < 2; mode++) {
        if (condition->journal != NULL && strcmp(condition->journal, journals[mode]) != 0)
            continue;
        for (int context = 0; context < CONTEXTS; context++) {
            for (int i = 0; i < STATEMENTS; i++) {
                static int turn;
                const Statement *statement = &statements[i];
                if (!bench.all && turn++ % ONE_OF != 0)
                    continue;
                Life cache, degraded, plain;
                problem[0] = 0;
                live(condition, journals[mode], context, statement, "cache", &cache);
                live(condition, journals[mode], context, statement, "plain", &plain);
                if (condition->alone)
                    check_apart(condition, journals[mode], context, statement, &cache, &plain);
                else if (strcmp(cache.story, plain.story) != 0 &&
                         !excused(condition, context, statement, cache.story, plain.story))
                    complain("cache: %s\n       plain: %s", cache.story, plain.story);
                judge(condition->name, journals[mode], context, statement->sql);
                problem[0] = 0;
                degrading = 1;
                live(condition, journals[mode], context, statement, "cache", &degraded);
                check_apart(condition, journals[mode], context, statement, &degraded, &plain);
                degrading = 0;
                pairs++;
                met += condition->code != 0 && cache.met;
                if (bench.verbose)
                    printf("%s | %d | %s | %s\n", condition->name, context, statement->sql, cache.story);
                judge(condition->name, journals[mode], context, statement->sql);
            }
        }
    }
    printf("%-24s %5ld twins, %5ld in which the cache met it\n", condition->name, pairs, met);
    if (condition->code != 0 && met == 0 && bench.all) {
        printf("FAILED %s was not met\n", condition->name);
        failed++;
    }
}

/* ------------------------------------------------------------- authorizer */

static struct {
    long n, asked; /* the nth question is denied */
    int code;      /* all questions of that action are; 0: none */
    int answer;    /* SQLITE_DENY or SQLITE_IGNORE */
} guard;

static int on_question(void *unused, int action, const char *a, const char *b, const char *c, const char *d) {
    (void)unused, (void)a, (void)b, (void)c, (void)d;
    guard.asked++;
    return guard.asked == guard.n || (guard.code != 0 && action == guard.code) ? guard.answer : SQLITE_OK;
}

/* A denied statement has done nothing, has left the transaction alone, and the next one works. */
static void run_denied(int context, int statement, const char *sql) {
    char text[1000], message[400], before[STORY] = "", after[STORY] = "", fresh_rows[STORY] = "";
    sqlite3_int64 memory = sqlite3_memory_used();
    problem[0] = 0;
    make_database(statement % 2 ? "wal" : "delete");
    sqlite3 *db = open_database(OPEN_ORDINARY);
    if (context == 0)
        sqlite3_exec(db, "SELECT hybrid_cache_get('cache', key) FROM plain", NULL, NULL, NULL);
    run(db, contexts[context], "cache");
    tell_rows(before, db, "cache");
    int autocommit = sqlite3_get_autocommit(db);
    guard.asked = 0;
    sqlite3_set_authorizer(db, on_question, NULL);
    expand(sql, "cache", text, sizeof text);
    int rc = run(db, text, "cache");
    snprintf(message, sizeof message, "%s", sqlite3_errmsg(db));
    sqlite3_set_authorizer(db, NULL, NULL);
    if (rc != SQLITE_OK && strncmp(sql, "SAVEPOINT", 9) == 0)
        sqlite3_exec(db, "ROLLBACK TO u; RELEASE u", NULL, NULL, NULL);
    tell_rows(after, db, "cache");
    if (rc != SQLITE_OK && rc != SQLITE_AUTH && rc != SQLITE_ERROR && rc != SQLITE_CONSTRAINT_UNIQUE)
        complain("question %ld, action %d: error %d, %s", guard.n, guard.code, rc, message);
    if (rc != SQLITE_OK && strcmp(before, after) != 0)
        complain("denied (%d), and yet: %s became %s", rc, before, after);
    if (sqlite3_get_autocommit(db) != autocommit)
        complain("the transaction has gone");
    check_cache(db, "after a denial");
    if (!autocommit && run(db, "COMMIT", "cache") != SQLITE_OK)
        complain("commit: %s", sqlite3_errmsg(db));
    sqlite3 *fresh = open_database(OPEN_ORDINARY);
    tell_rows(fresh_rows, fresh, "cache");
    if (strcmp(after, fresh_rows) != 0)
        complain("%s was committed as %s", after, fresh_rows);
    check_cache(fresh, "fresh");
    if (run(fresh, "INSERT INTO cache(cache) VALUES('check')", "") != SQLITE_OK ||
        run(db, "REPLACE INTO cache(key, value) VALUES('k1', 'later')", "") != SQLITE_OK)
        complain("later: %s; %s", sqlite3_errmsg(fresh), sqlite3_errmsg(db));
    if (sqlite3_close(db) != SQLITE_OK || sqlite3_close(fresh) != SQLITE_OK)
        complain("close");
    if (sqlite3_memory_used() != memory)
        complain("%lld bytes leaked", sqlite3_memory_used() - memory);
    judge("AUTH", guard.answer == SQLITE_DENY ? "deny" : "ignore", context, text);
}

static void run_authorizer(void) {
    static const char *const more[] = {"SELECT hybrid_cache_get('cache', 'k1')", "SELECT * FROM hybrid_cache_stats",
                                       "SELECT * FROM hybrid_cache_mrc('cache')",
                                       "SELECT hybrid_cache_option('cache', 'ttl')"};
    long denials = 0, most = 0;
    for (int context = 0; context < CONTEXTS; context += 2) {
        for (int i = 0; i < STATEMENTS + (int)(sizeof more / sizeof more[0]); i++) {
            const char *sql = i < STATEMENTS ? statements[i].sql : more[i - STATEMENTS];
            static int turn;
            int all = bench.all || strstr(sql, "rebuild") != NULL; /* which asks a question of every kind */
            guard.answer = SQLITE_DENY;
            guard.code = 0;
            for (guard.n = 1;; guard.n++) {
                if (!all && guard.n > 1 && turn++ % ONE_OF != 0)
                    continue;
                run_denied(context, i, sql);
                if (guard.asked < guard.n)
                    break;
                denials++;
                most = guard.n > most ? guard.n : most;
            }
            guard.n = 0;
            for (guard.code = 1; guard.code <= SQLITE_RECURSIVE; guard.code++) {
                if (!all && turn++ % ONE_OF != 0)
                    continue;
                run_denied(context, i, sql);
                denials++;
            }
        }
    }
    printf("%-22s %5ld denials, of up to %ld questions of a statement\n", "AUTH", denials, most);
}

/*
** A row cannot be read, and SQLite ends the transaction: with on_error=degrade too that is an error where there was a
** transaction to lose, even one that has begun between two rows; and the end of the rows where there no longer is one.
*/
static void run_between_rows(void) {
    static const char *const stories[][3] = {
        /* before the first row, before the second, what shows it */
        {"SELECT 1", "BEGIN; INSERT INTO plain VALUES('mine', 1)", "begun"},
        {"BEGIN; INSERT INTO plain VALUES('mine', 1)", "COMMIT", "ended"},
    };
    for (int i = 0; i < 2; i++) {
        problem[0] = 0;
        degrading = 1;
        make_database("delete");
        sqlite3 *db = open_database(OPEN_ORDINARY);
        run(db,
            "PRAGMA cache_size = 1; INSERT INTO cache(key, value) SELECT key || key, hex(zeroblob(9000)) FROM cache",
            "");
        run(db, stories[i][0], "");
        sqlite3_stmt *stmt = prepare(db, 2, "SELECT key FROM cache", "");
        int rc = sqlite3_step(stmt);
        run(db, stories[i][1], "");
        inject_arm(fault_of("read+"), 1, db);
        while (rc == SQLITE_ROW)
            rc = sqlite3_step(stmt);
        long met = inject_failed();
        inject_disarm();
        if (met == 0)
            complain("no read has failed");
        if ((rc & 0xff) != (i == 0 ? SQLITE_IOERR : SQLITE_DONE) || !sqlite3_get_autocommit(db))
            complain("a transaction %s between two rows: %d (%s)", stories[i][2], rc, sqlite3_errmsg(db));
        sqlite3_finalize(stmt);
        sqlite3_close(db);
        degrading = 0;
        failed += problem[0] != 0;
        passed += problem[0] == 0;
        if (problem[0] != 0)
            printf("FAILED: %s\n", problem);
    }
}

/*
** A statement that is a transaction by itself looks entries up, and one of its reads fails, the Nth in turn: what it
** says it has stored has to be there.
*/
static void run_lost_statement(const char *sql) {
    long met = 1;
    problem[0] = 0;
    for (long n = 1; met > 0 && problem[0] == 0; n++) {
        make_database("delete");
        sqlite3 *db = open_database(OPEN_ORDINARY);
        run(db,
            "PRAGMA cache_size = 1; CREATE TABLE target(i);"
            "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 40) "
            "INSERT INTO cache(key, value) SELECT i, hex(zeroblob(9000)) FROM r;"
            "SELECT hybrid_cache_clear_l1('cache')",
            "");
        inject_arm(fault_of("read"), n, db);
        int rc = run(db, sql, "");
        met = inject_failed();
        inject_disarm();
        sqlite3_stmt *stmt = prepare(db, 2, "SELECT count(*) FROM target", "");
        int changes = sqlite3_changes(db), stored = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int(stmt, 0) : -1;
        sqlite3_finalize(stmt);
        if (stored != (rc == SQLITE_OK ? changes : 0))
            complain("read %ld: %s: result %d, %d changes, %d rows", n, sql, rc, changes, stored);
        if (met == 0 && n < 5)
            complain("%s: it has read %ld times only", sql, n - 1);
        sqlite3_close(db);
    }
    failed += problem[0] != 0;
    passed += problem[0] == 0;
    if (problem[0] != 0)
        printf("FAILED: %s\n", problem);
}

int main(int argc, char **argv) {
    const char *wanted = NULL, *soak = getenv("SOAK");
    bench.all = soak != NULL && soak[0] != 0;
    bench.extension = "dist/hybrid_cache";
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--extension") == 0)
            bench.extension = value;
        else if (strcmp(argv[i], "--condition") == 0)
            wanted = value, bench.all = 1;
        else if (strcmp(argv[i], "--verbose") == 0)
            bench.verbose = 1;
        else
            return fprintf(stderr, "codes: unknown argument %s\n", argv[i]), 2;
    }
    if (inject_install() != SQLITE_OK)
        return fprintf(stderr, "codes: cannot install the faults\n"), 2;
    make_database("delete");
    sqlite3 *holder = open_database(OPEN_ORDINARY);
    for (int i = 0; i < CONDITIONS; i++) {
        if (wanted == NULL || strncmp(wanted, conditions[i].name, strlen(wanted)) == 0)
            run_condition(&conditions[i]);
    }
    if (wanted == NULL || strcmp(wanted, "AUTH") == 0)
        run_authorizer();
    if (wanted == NULL || strcmp(wanted, "rows") == 0)
        run_between_rows();
    if (wanted == NULL || strcmp(wanted, "statement") == 0) {
#define SOME                                                                                                           \
    "INSERT INTO target SELECT i FROM (SELECT 1 AS i UNION ALL SELECT 2 UNION ALL SELECT 20 UNION ALL SELECT 40) "
        run_lost_statement(SOME "WHERE hybrid_cache_has('cache', i)");
        run_lost_statement(SOME "WHERE i < 3 OR hybrid_cache_get('cache', i) IS NOT NULL");
        run_lost_statement(SOME "WHERE i < 3 OR (SELECT l2_count FROM hybrid_cache_stats('cache')) = -1");
        run_lost_statement(SOME "WHERE i < 3 OR hybrid_cache_stats('cache') IS NULL");
        run_lost_statement(SOME "WHERE i < 3 OR hybrid_cache_option('cache', 'ttl') IS NULL");
        run_lost_statement(SOME "WHERE i < 3 OR (SELECT count(*) FROM hybrid_cache_mrc('cache')) = -1");
        degrading = 1;
        run_lost_statement(SOME "WHERE EXISTS (SELECT 1 FROM cache WHERE key = i)");
        degrading = 0;
    }
    sqlite3_close(holder);
    memfs_clear();
    printf("%ld passed, %ld failed\n", passed, failed);
    return failed != 0;
}
