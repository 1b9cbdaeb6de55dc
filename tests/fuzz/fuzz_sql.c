/*
** fuzz_sql.c: SQL text against two caches, with functions and commands, by two connections.
**
** A line is SQL for the first connection; one that begins with `b ` is for the second, and `+N` moves the clock by N
** seconds. The connections are DEFENSIVE: who writes into the shadow tables is the business of fuzz_shadow.c.
**
** After each line the L1 of every cache has to be consistent in itself. At the end, in whatever transaction is open,
** and again without one: the look-up functions say of each key what a scan of L2 says, on both connections and on a
** fresh one, and `check` finds nothing.
*/
#include "fuzz.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "testclock.h"

/* Besides those that the scan shows. */
#define KNOWN_KEYS "('a'), ('b'), ('k1'), ('k2'), (1), (2), (1.5), (x'61'), (''), (x'')"

static sqlite3 *template_database(void) {
    static sqlite3 *db;
    if (!db) {
        db = fuzz_open("template");
        if (fuzz_exec(db, NULL,
                      "PRAGMA page_size = 512;"
                      "CREATE VIRTUAL TABLE c USING hybrid_cache;"
                      "CREATE VIRTUAL TABLE d USING hybrid_cache(eviction=s3fifo, l1_entries=3, l2_entries=5, "
                      "grace=10, ttl=100, jitter=0.1);"
                      "CREATE TABLE t(a, b);"
                      "CREATE TRIGGER t1 AFTER INSERT ON t BEGIN DELETE FROM c WHERE key = new.a; END;"
                      "INSERT INTO c(key, value, tag) VALUES('a', 'one', 'x'), ('b', 2, 'y'), (1, x'03', NULL);"
                      "INSERT INTO d(key, value, ttl) VALUES('k1', 'v1', 5), ('k2', NULL, 0), (2, 2.5, 50);"
                      "INSERT INTO t VALUES(1, 'a'), (2, 'b')") != SQLITE_OK)
            fuzz_wrong("template: %s", sqlite3_errmsg(db));
    }
    return db;
}

static sqlite3 *connect(void) {
    sqlite3 *db = fuzz_open("sql");
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    return db;
}

/* ------------------------------------------------------------ what is true */

/* A query that may be refused; NULL then. */
static sqlite3_stmt *prepare(sqlite3 *db, const char *format, ...) {
    va_list arguments;
    sqlite3_stmt *stmt = NULL;
    va_start(arguments, format);
    char *sql = sqlite3_vmprintf(format, arguments);
    va_end(arguments);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        stmt = NULL;
    sqlite3_free(sql);
    return stmt;
}

/* Both a value and its type, as text. Free with sqlite3_free. */
static char *shown(sqlite3_stmt *stmt, int column) {
    int type = sqlite3_column_type(stmt, column), n = sqlite3_column_bytes(stmt, column);
    const unsigned char *bytes = sqlite3_column_blob(stmt, column);
    sqlite3_str *text = sqlite3_str_new(NULL);
    sqlite3_str_appendf(text, "%d:", type);
    for (int i = 0; i < n; i++)
        sqlite3_str_appendf(text, "%02x", bytes[i]);
    return sqlite3_str_finish(text);
}

/* One number, or -1 where it cannot be had. */
static int number(sqlite3 *db, const char *format, ...) {
    va_list arguments;
    sqlite3_stmt *stmt = NULL;
    int result = -1;
    va_start(arguments, format);
    char *sql = sqlite3_vmprintf(format, arguments);
    va_end(arguments);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
        result = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_free(sql);
    return result;
}

/* Each row of L2 against the function. */
static void compare_rows(sqlite3 *db, const char *name) {
    sqlite3_stmt *scan = prepare(db, "SELECT key, value FROM main.\"%w\" LIMIT 200", name);
    sqlite3_stmt *get = prepare(db, "SELECT hybrid_cache_get('main.' || ?1, ?2, x'deadbeef')");
    if (scan && get)
        sqlite3_bind_text(get, 1, name, -1, SQLITE_STATIC);
    while (scan && get && sqlite3_step(scan) == SQLITE_ROW) {
        sqlite3_bind_value(get, 2, sqlite3_column_value(scan, 0));
        if (sqlite3_step(get) == SQLITE_ROW) {
            char *expected = shown(scan, 1), *got = shown(get, 0);
            if (strcmp(expected, got) != 0)
                fuzz_wrong("%s: the key %s has %s in L2, the function says %s", name, sqlite3_column_text(scan, 0),
                           expected, got);
            sqlite3_free(expected);
            sqlite3_free(got);
        }
        sqlite3_reset(get);
    }
    sqlite3_finalize(scan);
    sqlite3_finalize(get);
}

/* The function against L2: what a scan does not show is not there. */
static void compare_keys(sqlite3 *db, const char *name) {
    sqlite3_stmt *extra = prepare(db,
                                  "WITH known(key) AS (VALUES" KNOWN_KEYS ") SELECT quote(key) FROM known AS k "
                                  "WHERE hybrid_cache_has('main.' || %Q, key) AND NOT EXISTS "
                                  "(SELECT 1 FROM main.\"%w\" AS c WHERE +c.key = k.key)",
                                  name, name);
    if (extra && sqlite3_step(extra) == SQLITE_ROW)
        fuzz_wrong("%s: the key %s is not in L2, the function says it is", name, sqlite3_column_text(extra, 0));
    sqlite3_finalize(extra);
}

static void compare(sqlite3 *db) {
    sqlite3_stmt *caches = prepare(db, "SELECT name FROM main.sqlite_master WHERE type = 'table' AND "
                                       "sql LIKE 'create virtual table%%using%%hybrid_cache%%'");
    while (caches && sqlite3_step(caches) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(caches, 0);
        /* Where the contract lets the two differ: others' commits, another clock, an L2 that failed. */
        int strict =
            number(db,
                   "SELECT hybrid_cache_option(n, 'coherence') = 'strict' AND hybrid_cache_option(n, 'clock') "
                   "= 'local' AND hybrid_cache_option(n, 'on_error') = 'fail' FROM (SELECT 'main.' || %Q AS n)",
                   name);
        if (strict == 1) {
            compare_rows(db, name);
            compare_keys(db, name);
        }
        char *message = NULL;
        int rc = fuzz_exec(db, &message, "INSERT INTO main.\"%w\"(\"%w\") VALUES('check')", name, name);
        if ((rc & 0xff) == SQLITE_CORRUPT || rc == SQLITE_MISUSE || rc == SQLITE_INTERNAL)
            fuzz_wrong("check of %s: %d %s", name, rc, message ? message : "");
        sqlite3_free(message);
    }
    sqlite3_finalize(caches);
    fuzz_verify(db);
}

/* ------------------------------------------------------------------- a run */

static void run_line(sqlite3 *db, const char *sql) {
    int statements = 0;
    while (*sql && statements++ < 20) {
        sqlite3_stmt *stmt = NULL;
        int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, &sql);
        for (int rows = 0; rc == SQLITE_OK && stmt && rows < 100 && sqlite3_step(stmt) == SQLITE_ROW; rows++)
            for (int i = 0; i < sqlite3_column_count(stmt); i++)
                sqlite3_column_text(stmt, i);
        rc = stmt ? sqlite3_finalize(stmt) : rc;
        if (rc == SQLITE_MISUSE || rc == SQLITE_INTERNAL)
            fuzz_wrong("result code %d: %s", rc, sqlite3_errmsg(db));
        if (!stmt && rc != SQLITE_OK)
            break;
    }
    fuzz_verify(db);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    sqlite3 *db[2];
    if (size > 4000)
        return 0;
    fuzz_start();
    sqlite3 *keep = fuzz_open("sql"); /* the database lives as long as somebody is connected */
    fuzz_copy(keep, template_database());
    for (int i = 0; i < 2; i++) {
        db[i] = connect();
        fuzz_patience(db[i], 20);
    }
    char *text = malloc(size + 1);
    if (size)
        memcpy(text, data, size);
    text[size] = 0;
    int lines = 0;
    for (char *line = text, *next; line && lines < 60; line = next, lines++) {
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        if (line[0] == '+')
            testclock_advance(line[1] >= '0' && line[1] <= '9' ? atoi(line + 1) % 1000 : 1);
        else if (line[0] == 'b' && line[1] == ' ')
            run_line(db[1], line + 2);
        else
            run_line(db[0], line);
    }
    free(text);
    for (int i = 0; i < 2; i++) {
        fuzz_patience(db[i], 0);
        if (!sqlite3_get_autocommit(db[i]))
            compare(db[i]);
    }
    for (int i = 0; i < 2; i++) {
        if (!sqlite3_get_autocommit(db[i]))
            fuzz_exec(db[i], NULL, size & 1 ? "COMMIT" : "ROLLBACK");
        if (!sqlite3_get_autocommit(db[i]))
            fuzz_exec(db[i], NULL, "ROLLBACK");
    }
    compare(db[0]);
    compare(db[1]);
    fuzz_close(keep);
    if (size % 4 == 0) {
        keep = connect();
        compare(keep);
        fuzz_close(keep);
    }
    fuzz_close(db[1]);
    fuzz_close(db[0]);
    return 0;
}
