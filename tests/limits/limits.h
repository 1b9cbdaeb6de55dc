/*
** limits.h: what the programs of this folder share: connections with the extension, SQL in one call.
*/
#ifndef LIMITS_H
#define LIMITS_H

#include "../unit/unit.h"

#include <stdarg.h>
#include <time.h>

/*
** TIMED(test) is RUN(test), and the long form tells what it took: seconds, and the most memory that SQLite and we held.
** Arguments of the program, if there are any, name the tests to run.
*/
static int limits_soak;
static char **limits_only;

static inline void limits_begin(char **argv) {
    const char *text = getenv("SOAK");
    limits_soak = text && *text;
    limits_only = argv[1] ? argv + 1 : NULL;
    unit_begin();
}

static inline void limits_run(const char *name, void (*test)(void)) {
    struct timespec from, to;
    char **only = limits_only;
    while (only && *only && strcmp(*only, name) != 0)
        only++;
    if (only && !*only)
        return;
    sqlite3_memory_highwater(1);
    timespec_get(&from, TIME_UTC);
    unit_run(name, test);
    timespec_get(&to, TIME_UTC);
    if (limits_soak)
        printf("%-24s %6ld s %8lld MB\n", name, (long)(to.tv_sec - from.tv_sec),
               (long long)(sqlite3_memory_highwater(0) >> 20));
    fflush(stdout);
}
#define TIMED(test) limits_run(#test, test)

static inline sqlite3 *open_db(const char *file) {
    sqlite3 *db = unit_open(file);
    char *message = NULL;
    const char *extension = getenv("HC_EXTENSION");
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
    if (sqlite3_load_extension(db, extension ? extension : "dist/hybrid_cache", NULL, &message) != SQLITE_OK) {
        printf("%s\n", message);
        exit(2);
    }
    sqlite3_exec(db, "PRAGMA synchronous = OFF", NULL, NULL, NULL);
    return db;
}

static inline int run(sqlite3 *db, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *sql = sqlite3_vmprintf(format, arguments);
    va_end(arguments);
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    sqlite3_free(sql);
    return rc;
}

/* It has to succeed. */
static inline void must(sqlite3 *db, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *sql = sqlite3_vmprintf(format, arguments);
    va_end(arguments);
    unit_exec(db, sql);
    sqlite3_free(sql);
}

/* The first number of a query; -1 where it fails or is NULL. */
static inline sqlite3_int64 number(sqlite3 *db, const char *format, ...) {
    va_list arguments;
    sqlite3_stmt *stmt = NULL;
    sqlite3_int64 result = -1;
    va_start(arguments, format);
    char *sql = sqlite3_vmprintf(format, arguments);
    va_end(arguments);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW &&
        sqlite3_column_type(stmt, 0) != SQLITE_NULL)
        result = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_free(sql);
    return result;
}

#endif
