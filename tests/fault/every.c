/*
** every.c - short statements, each with every single allocation failing in turn, and every seventh step interrupted:
** fault.c, whose scripts are long, tries a part of theirs only. SOAK=1: every step, and all allocations from the Nth on.
*/
#include "inject.h"

#include "memfs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_NAME "/every.db"

/* What is there at first. A clock that stands would let no entry expire: deadlines are given. */
#define MADE                                                                                                           \
    "CREATE VIRTUAL TABLE cache USING hybrid_cache(l2_entries=40, grace=5);"                                           \
    "INSERT INTO cache(key, value, tag) VALUES('a', 'one', 'red'), ('b', 'two', NULL), (3, x'0304', 'red'),"           \
    "  (4.5, printf('%5000s', 'text'), NULL), (printf('a%3000s', 'key'), 'v', printf('red%3000s', ''));"               \
    "INSERT INTO cache(key, value, expires) VALUES('old', 'gone', 1000)"
#define UTF16 "PRAGMA encoding = 'UTF-16be';"
#define ROWS "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30) "

/*
** Statements that can be given twice: SQLite asks for an interrupt once more behind the last step, and
** reports one when all is done and committed.
*/
typedef struct {
    const char *made;   /* the file: on a connection that is closed before */
    const char *before; /* on the connection that meets the fault, without one; NULL: the extension is not loaded yet */
    const char *sql;    /* meets the fault; NULL: loading does */
} Case;

static const Case cases[] = {
    {MADE, NULL, NULL},
    {MADE, "SELECT 1 FROM sqlite_master", "SELECT value FROM cache WHERE key = 'a'"},
    {MADE, "", "SELECT hybrid_cache_get('cache', 'a')"},
    {MADE, "SELECT 1 FROM sqlite_master", "SELECT hybrid_cache_get('main.cache', 'a')"},
    {MADE, "SELECT 1 FROM sqlite_master", "SELECT hybrid_cache_stats('cache')"},
    {MADE, "SELECT 1 FROM sqlite_master", "SELECT name, schema, gets FROM hybrid_cache_stats"},
    {MADE, "SELECT 1 FROM sqlite_master", "SELECT gets, last_error, cache FROM hybrid_cache_stats('cache')"},
    {MADE, "SELECT 1 FROM sqlite_master", "SELECT count(*) FROM hybrid_cache_mrc('cache')"},
    {MADE, "SELECT count(*) FROM cache", "SELECT key, value, expires, ttl, tag FROM cache WHERE key = 'a'"},
    {MADE, "SELECT count(*) FROM cache", "SELECT key, value FROM cache WHERE key > 'A' ORDER BY key"},
    {MADE, "SELECT count(*) FROM cache", "SELECT key, value FROM cache WHERE key LIKE 'A%'"},
    {MADE, "SELECT count(*) FROM cache", "SELECT key, value FROM cache WHERE key GLOB 'a*'"},
    {MADE, "SELECT count(*) FROM cache", "SELECT key, value FROM cache WHERE tag = 'red'"},
    {MADE, "SELECT count(*) FROM cache", "SELECT hybrid_cache_option('cache', 'ttl')"},
    {MADE, "SELECT hybrid_cache_get('cache', 'a')",
     "INSERT OR IGNORE INTO cache(key, value, ttl) VALUES('n', 'new', 5)"},
    {MADE, "SELECT hybrid_cache_get('cache', 'a')", "REPLACE INTO cache(key, value, tag) VALUES('a', 'new', 'blue')"},
    {MADE, "SELECT hybrid_cache_get('cache', 'a')", "UPDATE cache SET ttl = 60 WHERE key = 'a'"},
    {MADE, "SELECT hybrid_cache_get('cache', 'a')", "UPDATE cache SET value = value || 'x'"},
    {MADE, "SELECT hybrid_cache_get('cache', 'a')", "UPDATE OR REPLACE cache SET key = 'b' WHERE key = 'a'"},
    {MADE, "SELECT hybrid_cache_get('cache', 'a')", "DELETE FROM cache WHERE key IN ('a', 3)"},
    {MADE, "SELECT count(*) FROM cache", "INSERT INTO cache(cache) VALUES('purge')"},
    {MADE, "SELECT count(*) FROM cache", "INSERT INTO cache(cache) VALUES('check')"},
    {MADE, "SELECT count(*) FROM cache", "INSERT INTO cache(cache) VALUES('rebuild')"},
    {MADE, "SELECT count(*) FROM cache", "INSERT INTO cache(cache, value) VALUES('l1_ttl', 60)"},
    {MADE, "UPDATE cache_data SET size = 1; UPDATE cache_meta SET options = 'x' WHERE id = 1",
     "INSERT INTO cache(cache) VALUES('rebuild')"},
    {MADE, ROWS "INSERT INTO cache(key, value) SELECT i + 100, i FROM n",
     "INSERT INTO cache(cache, value) VALUES('l2_entries', 5)"},
    {"", "", "CREATE VIRTUAL TABLE IF NOT EXISTS cache USING hybrid_cache(ttl=5)"},
    {MADE, "SELECT count(*) FROM cache", "DROP TABLE IF EXISTS cache"},
    {UTF16 MADE, "SELECT count(*) FROM cache", "SELECT value, tag FROM cache WHERE key = 'a'"},
    {UTF16 MADE, "SELECT count(*) FROM cache", "SELECT value, tag FROM cache WHERE key > 'A'"},
    {UTF16 MADE, "SELECT count(*) FROM cache",
     "INSERT OR IGNORE INTO cache(key, value) VALUES(char(65279) || 'k', char(65279) || 'v');"
     "SELECT hybrid_cache_get('cache', char(65279) || 'k')"},
    {UTF16 MADE, "CREATE TABLE m(k, v); INSERT INTO m VALUES('a', 1), ('b', 'two')",
     "UPDATE cache SET value = m.v FROM m WHERE m.k = cache.key"},
    {UTF16 MADE, "SELECT count(*) FROM cache", "DELETE FROM cache WHERE tag = 'red'"},
    {UTF16 MADE, "SELECT count(*) FROM cache", "UPDATE cache SET ttl = 60 WHERE tag = 'red'"},
    {UTF16 MADE, "SELECT count(*) FROM cache", "INSERT INTO cache(cache, value) VALUES('l1_ttl', '60')"},
    {MADE, "SELECT count(*) FROM cache", "SELECT key, value FROM cache WHERE key LIKE '4%'"},
    {MADE, "SELECT count(*) FROM cache", "SAVEPOINT s; ALTER TABLE cache RENAME TO other; ROLLBACK TO s; RELEASE s"},
};
#define CASES (int)(sizeof cases / sizeof cases[0])

static const char *extension = "dist/hybrid_cache";
static long passed, failed;

static void complain(const Case *it, const char *fault, long n, const char *what, const char *text) {
    failed++;
    printf("FAILED %s, %s %ld: %s: %s\n", it->sql ? it->sql : "load", fault, n, what, text ? text : "");
}

static int run(sqlite3 *db, const char *sql) {
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static int load(sqlite3 *db) {
    char *message = NULL;
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
    int rc = sqlite3_load_extension(db, extension, NULL, &message);
    sqlite3_free(message);
    return rc;
}

static sqlite3 *open_file(void) {
    sqlite3 *db = NULL;
    if (sqlite3_open(FILE_NAME, &db) != SQLITE_OK) {
        printf("no database: %s\n", sqlite3_errmsg(db));
        exit(1);
    }
    return db;
}

/* Returns whether there was a call to fail. */
static int attempt(const Case *it, const InjectFault *fault, long n, const void *image, size_t size) {
    sqlite3_int64 used = sqlite3_memory_used();
    memfs_put(FILE_NAME, image, size);
    sqlite3 *db = open_file();
    /* Small allocations would come from the connection's own store: texts that are converted among them. */
    if (strncmp(it->made, UTF16, strlen(UTF16)) == 0)
        sqlite3_db_config(db, SQLITE_DBCONFIG_LOOKASIDE, NULL, 0, 0);
    if (it->before && (load(db) != SQLITE_OK || run(db, it->before) != SQLITE_OK))
        complain(it, fault->name, n, "before", sqlite3_errmsg(db));
    inject_arm(fault, n, db);
    int rc = it->sql ? run(db, it->sql) : load(db);
    long met = inject_failed();
    inject_disarm();
    long before = failed;
    if (rc != SQLITE_OK && !met)
        complain(it, fault->name, n, "without a fault", sqlite3_errmsg(db));
    /* Loading says SQLITE_ERROR whatever it was, and so do DDL and table-valued functions of an interrupt. */
    if (rc != SQLITE_OK && rc != SQLITE_NOMEM && rc != SQLITE_INTERRUPT && rc != SQLITE_ERROR)
        complain(it, fault->name, n, "another error", sqlite3_errmsg(db));
    if (rc != SQLITE_OK)
        run(db, "ROLLBACK");
    if (rc != SQLITE_OK && (rc = it->sql ? run(db, it->sql) : load(db)) != SQLITE_OK)
        complain(it, fault->name, n, "again, without the fault", sqlite3_errmsg(db));
    if (run(db, "SELECT 1 FROM cache LIMIT 1") == SQLITE_OK &&
        run(db, "INSERT INTO cache(cache) VALUES('check')") != SQLITE_OK &&
        !(it->before && strstr(it->before, "cache_meta")))
        complain(it, fault->name, n, "check", sqlite3_errmsg(db));
    if (sqlite3_close(db) != SQLITE_OK)
        complain(it, fault->name, n, "close", sqlite3_errmsg(db));
    if (sqlite3_memory_used() != used)
        complain(it, fault->name, n, "memory is left behind", NULL);
    memfs_clear();
    passed += failed == before;
    return met > 0;
}

static void run_case(const Case *it) {
    static const char *const names[] = {"oom", "interrupt", "oom+"};
    const char *soak = getenv("SOAK");
    int faults = soak && *soak ? 3 : 2;
    sqlite3 *db = open_file();
    size_t size;
    if (load(db) != SQLITE_OK || run(db, it->made) != SQLITE_OK)
        complain(it, "none", 0, "made", sqlite3_errmsg(db));
    sqlite3_close(db);
    const void *bytes = memfs_get(FILE_NAME, &size);
    void *image = malloc(size + 1);
    if (!image)
        exit(1);
    if (bytes)
        memcpy(image, bytes, size);
    memfs_clear();
    for (const InjectFault *fault = inject_faults; fault->name; fault++) {
        int wanted = 0;
        /* Interrupts: SQLite's own steps are most of them. */
        long stride = faults == 2 && strcmp(fault->name, "interrupt") == 0 ? 7 : 1;
        for (int i = 0; i < faults; i++)
            wanted |= strcmp(fault->name, names[i]) == 0;
        for (long n = 1; wanted && attempt(it, fault, n, image, bytes ? size : 0); n += stride)
            ;
    }
    free(image);
}

int main(int argc, char **argv) {
    int only = -1;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--extension") == 0)
            extension = argv[i + 1];
        else if (strcmp(argv[i], "--case") == 0)
            only = atoi(argv[i + 1]);
    }
    if (inject_install() != SQLITE_OK)
        return fprintf(stderr, "every: cannot install the faults\n"), 2;
    for (int i = 0; i < CASES; i++) {
        long p = passed, f = failed;
        if (only < 0 || only == i)
            run_case(&cases[i]);
        if (only < 0 || failed > f)
            printf("%5ld %s\n", passed - p, cases[i].sql ? cases[i].sql : "load");
    }
    printf("%ld passed, %ld failed\n", passed, failed);
    return failed != 0;
}
