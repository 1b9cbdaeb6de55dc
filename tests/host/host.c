/*
** host.c - the extension in hosts whose routines fail, or are missing, or are older.
**
** Short statements, while the Nth call of one routine fails: each routine, each N. Where memory runs out inside of SQLite
** (tests/fault) much of it cannot be met at all: a conversion of what was converted a moment ago, a bind that needs no
** memory, an answer that a VFS refuses. The answer is right or the error is clean, nothing is left behind, the same
** statement then succeeds, and both tiers agree.
*/
#define _GNU_SOURCE /* mkdtemp */
#include "routines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MADE                                                                                                           \
    "CREATE VIRTUAL TABLE cache USING hybrid_cache(l2_entries=40, grace=5, ttl=0);"                                    \
    "INSERT INTO cache(key, value, tag) VALUES('a', 'one', 'red'), ('b', 'two', NULL), (3, x'0304', 'red'),"           \
    "  (4.5, 'text', NULL);"                                                                                           \
    "INSERT INTO cache(key, value, expires) VALUES('old', 'gone', 1000), ('later', 'gone', 2000);"                     \
    "INSERT INTO cache(key, value, ttl) VALUES('hour', 'x', 3600);"
#define WAL "PRAGMA journal_mode = WAL;" MADE
#define UTF16 "PRAGMA encoding = 'UTF-16le';" MADE
#define DEGRADE MADE "INSERT INTO cache(cache, value) VALUES('on_error', 'degrade');"
#define MANY                                                                                                           \
    "CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=0);"                                                            \
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10010)"                                  \
    "  INSERT INTO cache(key, value) SELECT i, i FROM n;"
#define WARM "SELECT hybrid_cache_get('cache', key) FROM cache_data"

typedef struct {
    const char *made;   /* the file: on a connection that is closed before; "@name": SQL in that file */
    const char *before; /* on the connection that meets the fault, without one; NULL: the extension is not loaded yet */
    const char *sql;    /* meets the fault; NULL: loading does */
    const char *answer; /* its only row if there is no fault, the columns with '|' between; NULL: it has none */
    const char *miss;   /* what it may say instead, where a failure of L2 is a miss */
    int apart;          /* damage, or on_error=degrade: the tiers need not agree before the statement has succeeded */
    int error;          /* the code of the statement without a fault: a mistake whose message may not find memory */
} Case;

/* Statements that can be given twice. */
static const Case cases[] = {
    {MADE, NULL, NULL, NULL, NULL, 0, 0},
    {WAL, NULL, NULL, NULL, NULL, 0, 0},
    {MADE, "", "SELECT hybrid_cache_get('cache', 'a')", "one", "NULL", 0, 0},
    {MADE, WARM, "SELECT hybrid_cache_get('cache', 'a')", "one", "NULL", 0, 0},
    {MADE, WARM, "SELECT hybrid_cache_get('main.cache', 'a')", "one", "NULL", 0, 0},
    {WAL, WARM, "SELECT hybrid_cache_get('cache', 'a', 'none')", "one", "none", 0, 0},
    {WAL, "", "SELECT hybrid_cache_stale('cache', 'a')", "one", "NULL", 0, 0},
    {UTF16, WARM, "SELECT hybrid_cache_get('cache', 'a')", "one", "NULL", 0, 0},
    {UTF16, "", "SELECT hybrid_cache_get('cache', char(65279) || 'a')", "NULL", "NULL", 0, 0},
    {WAL, WARM, "SELECT hybrid_cache_tier('cache', 'a')", "1", "NULL", 0, 0},
    {MADE, WARM, "SELECT hybrid_cache_ttl('cache', 'a')", "0.0", "NULL", 0, 0},
    {MADE, "", "SELECT hybrid_cache_has('cache', 'a')", "1", "0", 0, 0},
    {MADE, "", "SELECT hybrid_cache_option('cache', 'grace')", "5", NULL, 0, 0},
    {MADE, "", "SELECT json_extract(hybrid_cache_stats('cache'), '$.l2_count')", "5", "0", 0, 0},
    {MADE, "", "SELECT schema, name, l2_count >= 0 FROM hybrid_cache_stats", "main|cache|1", "", 0, 0},
    {MADE, "", "SELECT name, l2_count, cache FROM hybrid_cache_stats('cache')", "cache|5|cache", "cache|0|cache", 0, 0},
    {MADE, "ATTACH ':memory:' AS side", "SELECT count(*) FROM hybrid_cache_mrc('main.cache')", "22", NULL, 0, 0},
    {MADE, "", "SELECT hybrid_cache_memory_limit('9M')", "9437184", NULL, 0, 0},
    {MADE, "", "SELECT hybrid_cache_clear_l1('cache') >= 0", "1", NULL, 0, 0},
    {MADE, "", "SELECT value, ttl, tag FROM cache WHERE key = 'a'", "one|0|red", NULL, 0, 0},
    {UTF16, "", "SELECT value, ttl, tag FROM cache WHERE key = 'a'", "one|0|red", NULL, 0, 0},
    {MADE, "", "SELECT count(*), max(value) FROM cache WHERE key > 'A'", "3|x", NULL, 0, 0},
    {UTF16, "", "SELECT count(*), max(value) FROM cache WHERE key > 'A'", "3|x", NULL, 0, 0},
    {MADE, "", "SELECT count(*) FROM cache WHERE key LIKE 'A%'", "1", NULL, 0, 0},
    {MADE, "", "SELECT count(*) FROM cache WHERE key LIKE '4%'", "1", NULL, 0, 0},
    {MADE, "", "SELECT count(*) FROM cache WHERE key GLOB 'b*'", "1", NULL, 0, 0},
    {MADE, "", "SELECT count(*) FROM cache WHERE tag = 'red'", "2", NULL, 0, 0},
    {MADE, "", "SELECT count(*) FROM cache WHERE expires < 3000", "0", NULL, 0, 0},
    {MADE, WARM, "INSERT OR IGNORE INTO cache(key, value, ttl) VALUES('n', 'new', 5)", NULL, NULL, 0, 0},
    {WAL, WARM, "REPLACE INTO cache(key, value, tag) VALUES('a', 'new', 'blue')", NULL, NULL, 0, 0},
    {UTF16, WARM, "REPLACE INTO cache(key, value, tag) VALUES(char(65279) || 'a', char(65279) || 'b', 'blue')", NULL,
     NULL, 0, 0},
    {MADE, WARM, "UPDATE cache SET ttl = 60 WHERE key = 'a'", NULL, NULL, 0, 0},
    {MADE, WARM, "UPDATE cache SET value = value || 'x', tag = 'blue'", NULL, NULL, 0, 0},
    {UTF16, WARM, "UPDATE cache SET value = 'x', tag = 'blue' WHERE key = 'a'", NULL, NULL, 0, 0},
    {MADE, WARM, "UPDATE OR REPLACE cache SET key = 'b' WHERE key = 'a'", NULL, NULL, 0, 0},
    {MADE "CREATE TABLE m AS SELECT 'a' AS k, 1 AS v UNION SELECT 'b', 'two'", WARM,
     "UPDATE cache SET value = m.v FROM m WHERE m.k = cache.key", NULL, NULL, 0, 0},
    {UTF16 "CREATE TABLE m AS SELECT 'a' AS k, 'z' AS v UNION SELECT 'b', 'two'", WARM,
     "UPDATE cache SET value = m.v, tag = m.v FROM m WHERE m.k = cache.key", NULL, NULL, 0, 0},
    {MADE, WARM, "DELETE FROM cache WHERE key IN ('a', 3)", NULL, NULL, 0, 0},
    {UTF16, WARM, "DELETE FROM cache WHERE key = 'a'", NULL, NULL, 0, 0},
    {DEGRADE, WARM, "UPDATE cache SET value = 'new' WHERE key = 'a'", NULL, NULL, 1, 0},
    {DEGRADE, WARM, "REPLACE INTO cache(key, value) VALUES('a', 'new')", NULL, NULL, 1, 0},
    {DEGRADE, WARM, "DELETE FROM cache WHERE key = 'a'", NULL, NULL, 1, 0},
    {MADE, WARM, "INSERT INTO cache(cache) VALUES('purge')", NULL, NULL, 0, 0},
    {MADE, WARM, "INSERT INTO cache(cache) VALUES('check')", NULL, NULL, 0, 0},
    {MADE, WARM, "INSERT INTO cache(cache) VALUES('clear')", NULL, NULL, 0, 0},
    {MANY, "", "INSERT INTO cache(cache) VALUES('clear')", NULL, NULL, 0, 0},
    {MADE, WARM, "INSERT INTO cache(cache) VALUES('rebuild')", NULL, NULL, 0, 0},
    {MADE, WARM "; BEGIN; INSERT INTO cache(key, value) VALUES('n', 1)", "INSERT INTO cache(cache) VALUES('rebuild')",
     NULL, NULL, 0, 0},
    {MADE, WARM, "INSERT INTO cache(cache, value) VALUES('l1_ttl', 60)", NULL, NULL, 0, 0},
    {MADE, WARM, "INSERT INTO cache(cache, value) VALUES('l2_entries', 3)", NULL, NULL, 0, 0},
    {MADE, WARM "; BEGIN; REPLACE INTO cache(key, value) VALUES('b', 3)", "DELETE FROM cache WHERE key = 'a'", NULL,
     NULL, 0, 0},
    {MADE, WARM "; BEGIN; REPLACE INTO cache(key, value) VALUES('b', 3)",
     "SAVEPOINT s; REPLACE INTO cache(key, value) VALUES('c', 4); ROLLBACK TO s; RELEASE s", NULL, NULL, 0, 0},
    {"", "", "CREATE VIRTUAL TABLE IF NOT EXISTS cache USING hybrid_cache(ttl=5)", NULL, NULL, 0, 0},
    {MADE, WARM, "DROP TABLE IF EXISTS cache", NULL, NULL, 0, 0},
    {MADE, WARM, "SAVEPOINT s; ALTER TABLE cache RENAME TO other; ROLLBACK TO s; RELEASE s", NULL, NULL, 0, 0},
    /* Damage: what repairs it, and what only finds it. */
    {MADE "UPDATE cache_data SET size = 1; UPDATE cache_meta SET options = 'x' WHERE id = 1", "",
     "INSERT INTO cache(cache) VALUES('rebuild')", NULL, NULL, 1, 0},
    {MADE "DROP TABLE cache_meta", "", "INSERT INTO cache(cache) VALUES('rebuild')", NULL, NULL, 1, 0},
    {"@tests/tcl/format1.sql", "", "INSERT INTO cache(cache) VALUES('rebuild')", NULL, NULL, 1, 0},
    {MADE "UPDATE cache_meta SET options = 'x' WHERE id = 1", "", "INSERT INTO cache(cache) VALUES('check')", NULL,
     NULL, 1, SQLITE_CORRUPT},
    /* On a disk that fails, L1 alone takes what the row has not. */
    {DEGRADE, WARM, "UPDATE OR REPLACE cache SET key = 'z', tag = 'blue' WHERE key = 'a'", NULL, NULL, 1, 0},
    {DEGRADE "INSERT INTO cache(cache, value) VALUES('l1_entries', 0)", "",
     "UPDATE cache SET value = 'z' WHERE key = 'a'", NULL, NULL, 1, 0},
    {DEGRADE, WARM, "SELECT value FROM cache WHERE tag = 'blue'", "", "", 1, 0},
    /* What xSavepoint writes under PRAGMA query_only. */
    {MADE, WARM "; BEGIN; INSERT INTO cache(key, value) VALUES('n', 1); PRAGMA query_only = 1",
     "SAVEPOINT s; RELEASE s", NULL, NULL, 0, 0},
    /* Names. */
    {MADE "CREATE VIRTUAL TABLE other USING hybrid_cache", WARM "; SELECT hybrid_cache_get('other', 1)",
     "SELECT hybrid_cache_get('main.cache', 'a')", "one", "NULL", 0, 0},
    {MADE, WARM, "SELECT hybrid_cache_get('maincache', 'a')", NULL, "NULL", 0, SQLITE_ERROR},
    {MADE, "", "SELECT hybrid_cache_get('nothing', 'a')", NULL, "NULL", 0, SQLITE_ERROR},
    {MADE "CREATE TABLE plain(x)", "", "SELECT hybrid_cache_get('plain', 'a')", NULL, "NULL", 0, SQLITE_ERROR},
    /* Mistakes. */
    {MADE, "", "SELECT hybrid_cache_get('cache', NULL)", NULL, "NULL", 0, SQLITE_ERROR},
    {MADE, "", "SELECT hybrid_cache_get(5, 'a')", NULL, NULL, 0, SQLITE_ERROR},
    {MADE, "", "SELECT hybrid_cache_option('cache', 'nothing')", NULL, NULL, 0, SQLITE_ERROR},
    {MADE, "", "SELECT hybrid_cache_memory_limit('much')", NULL, NULL, 0, SQLITE_ERROR},
    {MADE, "", "SELECT * FROM hybrid_cache_mrc", NULL, NULL, 0, SQLITE_ERROR},
    {MADE, WARM, "INSERT INTO cache(key, value) VALUES('a', 1)", NULL, NULL, 0, SQLITE_CONSTRAINT},
    {MADE, WARM, "INSERT INTO cache(value) VALUES(1)", NULL, NULL, 0, SQLITE_CONSTRAINT},
    {MADE, WARM, "INSERT INTO cache(key, value, ttl) VALUES('n', 1, 'soon')", NULL, NULL, 0, SQLITE_MISMATCH},
    {MADE, WARM, "INSERT INTO cache(key, value, expires) VALUES('n', 1, 'soon')", NULL, NULL, 0, SQLITE_MISMATCH},
    {MADE, WARM, "INSERT INTO cache(key, value, tag) VALUES('n', 1, 5)", NULL, NULL, 0, SQLITE_MISMATCH},
    {MADE, WARM, "INSERT INTO cache(key, value, ttl, expires) VALUES('n', 1, 5, 5)", NULL, NULL, 0, SQLITE_ERROR},
    {MADE, WARM, "UPDATE cache SET \"cache\" = 'purge'", NULL, NULL, 0, SQLITE_ERROR},
    {MADE, WARM, "INSERT INTO cache(cache, key) VALUES('purge', 1)", NULL, NULL, 0, SQLITE_ERROR},
    {MADE, WARM, "INSERT INTO cache(cache, value) VALUES('clear', 1)", NULL, NULL, 0, SQLITE_ERROR},
    {MADE, WARM, "INSERT INTO cache(cache, value) VALUES('purge', 1.5)", NULL, NULL, 0, SQLITE_ERROR},
    {MADE, WARM, "INSERT INTO cache(cache, value) VALUES('grace', 'x')", NULL, NULL, 0, SQLITE_ERROR},
    {MADE, WARM, "INSERT INTO cache(cache) VALUES('nothing')", NULL, NULL, 0, SQLITE_ERROR},
    {MADE, WARM, "INSERT INTO cache(cache) VALUES(5)", NULL, NULL, 0, SQLITE_ERROR},
    {MADE, WARM, "ALTER TABLE cache RENAME TO ttl", NULL, NULL, 0, SQLITE_ERROR},
    {MADE "CREATE TABLE other_data(x)", WARM, "ALTER TABLE cache RENAME TO other", NULL, NULL, 0, SQLITE_ERROR},
    {MADE "CREATE TABLE other_data(x)", WARM, "CREATE VIRTUAL TABLE other USING hybrid_cache", NULL, NULL, 0,
     SQLITE_ERROR},
    {"", "", "CREATE VIRTUAL TABLE c USING hybrid_cache(nothing=1)", NULL, NULL, 0, SQLITE_ERROR},
    {"", "", "CREATE VIRTUAL TABLE c USING hybrid_cache(tll=1)", NULL, NULL, 0, SQLITE_ERROR},
    {"", "", "CREATE VIRTUAL TABLE c USING hybrid_cache(ttl)", NULL, NULL, 0, SQLITE_ERROR},
    {"", "", "CREATE VIRTUAL TABLE c USING hybrid_cache(ttl=x)", NULL, NULL, 0, SQLITE_ERROR},
    {"", "", "CREATE VIRTUAL TABLE c USING hybrid_cache(ttl=1, ttl=2)", NULL, NULL, 0, SQLITE_ERROR},
    {"", "", "CREATE VIRTUAL TABLE c USING hybrid_cache(value)", NULL, NULL, 0, SQLITE_ERROR},
    {"", "", "CREATE VIRTUAL TABLE c USING hybrid_cache(key)", NULL, NULL, 0, SQLITE_ERROR},
};
#define CASES (int)(sizeof cases / sizeof cases[0])

static char directory[512], file[600];
static long passed, failed;

static struct {
    const Case *it;
    const RoutineFault *fault;
    long n;
} now;

static void complain(const char *what, const char *text) {
    failed++;
    if (now.fault)
        printf("FAILED %s: %s %d%s, call %ld: %s: %s\n", now.it->sql ? now.it->sql : "load", now.fault->routine,
               now.fault->rc, now.fault->on ? " and on" : "", now.n, what, text ? text : "");
    else
        printf("FAILED %s: %s\n", what, text ? text : "");
}

/* ----------------------------------------------------------------- databases */

/* Text of all rows: columns with '|' between, rows with ';'. */
typedef struct {
    char text[400];
    int rows;
} Answer;

static int add_row(void *context, int n, char **values, char **names) {
    Answer *answer = context;
    (void)names;
    for (int i = 0; i < n; i++) {
        size_t used = strlen(answer->text);
        snprintf(answer->text + used, sizeof answer->text - used, "%s%s",
                 i              ? "|"
                 : answer->rows ? ";"
                                : "",
                 values[i] ? values[i] : "NULL");
    }
    answer->rows++;
    return 0;
}

static int run(sqlite3 *db, const char *sql, Answer *answer) {
    memset(answer, 0, sizeof *answer);
    return sqlite3_exec(db, sql, add_row, answer, NULL);
}

static int load(sqlite3 *db) {
    char *message = NULL;
    int rc = routines_load(db, &message);
    sqlite3_free(message);
    return rc;
}

static void must(sqlite3 *db, const char *what, const char *sql) {
    Answer answer;
    if (run(db, sql, &answer) != SQLITE_OK)
        complain(what, sqlite3_errmsg(db));
}

/* What a question answers, against what it has to. */
static void expect(sqlite3 *db, const char *what, const char *sql, const char *expected) {
    Answer answer;
    if (run(db, sql, &answer) != SQLITE_OK)
        complain(what, sqlite3_errmsg(db));
    else if (strcmp(answer.text, expected) != 0)
        complain(what, answer.text);
}

static void remove_files(void) {
    static const char *const suffixes[] = {"", "-journal", "-wal", "-shm"};
    for (int i = 0; i < 4; i++) {
        char name[640];
        snprintf(name, sizeof name, "%s%s", file, suffixes[i]);
        unlink(name);
    }
}

static sqlite3 *open_file(void) {
    sqlite3 *db = NULL;
    if (sqlite3_open(file, &db) != SQLITE_OK) {
        printf("no database: %s\n", sqlite3_errmsg(db));
        exit(2);
    }
    sqlite3_exec(db, "PRAGMA synchronous = OFF", NULL, NULL, NULL);
    return db;
}

static void write_file(const void *bytes, size_t n) {
    FILE *out = fopen(file, "wb");
    if (!out || fwrite(bytes, 1, n, out) != n || fclose(out) != 0) {
        perror(file);
        exit(2);
    }
}

static void *read_file(const char *name, size_t *n) {
    FILE *in = fopen(name, "rb");
    char *bytes = malloc(1 << 20);
    if (!in || !bytes)
        exit(2);
    *n = fread(bytes, 1, (1 << 20) - 1, in);
    fclose(in);
    return bytes;
}

/* SQL out of a file. */
static void run_file(sqlite3 *db, const char *name) {
    size_t n;
    char *sql = read_file(name, &n);
    sql[n] = 0;
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
    must(db, name, sql);
    free(sql);
}

/* -------------------------------------------------------------------- faults */

/* Codes that a statement may fail with: that of the fault, or what it comes to. */
static int is_clean(int rc, const RoutineFault *fault) {
    rc &= 0xff;
    if (strcmp(fault->routine, "bind") == 0 && rc == SQLITE_MISMATCH)
        return 1; /* LIMIT NULL */
    if (rc == SQLITE_READONLY && now.it->before && strstr(now.it->before, "query_only"))
        return 1; /* not found out that it is only that */
    if (strcmp(fault->routine, "is_interrupted") == 0)
        return rc == SQLITE_INTERRUPT;
    return rc == (fault->rc & 0xff) || rc == SQLITE_NOMEM || rc == SQLITE_CORRUPT || rc == SQLITE_ERROR;
}

static void look_around(sqlite3 *db) {
    Answer answer;
    if (run(db, "SELECT 1 FROM sqlite_master WHERE name = 'cache'", &answer) != SQLITE_OK)
        complain("schema", sqlite3_errmsg(db));
    if (!answer.rows)
        return;
    must(db, "check", "INSERT INTO cache(cache) VALUES('check')");
    /* Look-up, SELECT and row; twice, so that L1 answers as well. */
    for (int i = 0; i < 2; i++) {
        expect(db, "tiers agree",
               "SELECT count(*) FROM (SELECT * FROM cache_data WHERE expires > 3000 LIMIT 50) AS d WHERE "
               "hybrid_cache_get('cache', d.key) IS NOT d.value OR "
               "(SELECT value FROM cache WHERE key = d.key) IS NOT d.value",
               "0");
        expect(db, "what has expired",
               "SELECT hybrid_cache_has('cache', 'old') + (SELECT count(*) FROM cache WHERE key = 'old')", "0");
    }
    expect(db, "the clock runs",
           "SELECT count(*) FROM cache WHERE key = 'hour' AND hybrid_cache_ttl('cache', key) NOT BETWEEN 3000 AND 3600",
           "0");
}

/* Returns whether there was a call to fail. */
static int attempt(const void *image, size_t size) {
    const Case *it = now.it;
    Answer answer, unused;
    sqlite3_int64 used = sqlite3_memory_used();
    long before = failed;
    write_file(image, size);
    sqlite3 *db = open_file();
    if (it->before) {
        if (load(db) != SQLITE_OK)
            complain("loading", sqlite3_errmsg(db));
        must(db, "before", it->before);
    }
    memset(&answer, 0, sizeof answer);
    routines_arm(now.fault, now.n);
    int rc = it->sql ? run(db, it->sql, &answer) : load(db);
    long met = routines_failed();
    routines_arm(NULL, 0);
    if ((rc & 0xff) != it->error && !(met && is_clean(rc, now.fault)) && !(met && rc == SQLITE_OK && it->miss))
        complain("error", sqlite3_errmsg(db));
    if (rc == SQLITE_OK && it->error && it->miss && strcmp(answer.text, it->miss) != 0)
        complain("answer", answer.text);
    if (rc == SQLITE_OK && it->answer && strcmp(answer.text, it->answer) != 0 &&
        !(met && it->miss && strcmp(answer.text, it->miss) == 0))
        complain("answer", answer.text);
    /* In a transaction that goes on, what has failed has done nothing: it is committed as it is, every other one. */
    if (!sqlite3_get_autocommit(db) && now.n % 2) {
        int ended = run(db, "COMMIT", &unused);
        /* SQLite lets no transaction in which it has met damage commit. */
        if (ended != SQLITE_OK && !(ended == SQLITE_CORRUPT && now.fault->rc == SQLITE_CORRUPT))
            complain("commit", sqlite3_errmsg(db));
    }
    if (!sqlite3_get_autocommit(db))
        must(db, "rollback", "ROLLBACK");
    run(db, "PRAGMA query_only = 0", &unused);
    if (it->before && !it->apart)
        look_around(db);
    rc = it->sql ? run(db, it->sql, &answer) : load(db);
    if ((rc & 0xff) != it->error)
        complain("again, without the fault", sqlite3_errmsg(db));
    if (rc == SQLITE_OK && it->answer && strcmp(answer.text, it->answer) != 0)
        complain("answer, without the fault", answer.text);
    if (!sqlite3_get_autocommit(db))
        must(db, "end", "COMMIT");
    if (!it->apart || !it->error)
        look_around(db);
    if (sqlite3_close(db) != SQLITE_OK) {
        complain("close", sqlite3_errmsg(db));
        sqlite3_close_v2(db);
    }
    if (sqlite3_memory_used() != used)
        complain("memory is left behind", NULL);
    remove_files();
    passed += failed == before;
    return met > 0;
}

static void run_case(const Case *it, const char *only) {
    size_t size;
    remove_files();
    now.fault = NULL;
    sqlite3 *db = open_file();
    if (load(db) != SQLITE_OK)
        complain("loading", sqlite3_errmsg(db));
    if (it->made[0] == '@')
        run_file(db, it->made + 1);
    else
        must(db, it->made, it->made);
    sqlite3_close(db);
    void *image = read_file(file, &size);
    remove_files();
    now.it = it;
    for (now.fault = routine_faults; now.fault->routine; now.fault++) {
        if (only && strcmp(only, now.fault->routine) != 0)
            continue;
        for (now.n = 1; attempt(image, size); now.n++)
            ;
    }
    now.fault = NULL;
    free(image);
}

/* --------------------------------------------------------------- other hosts */

static sqlite3 *open_loaded(void) {
    sqlite3 *db = open_file();
    if (load(db) != SQLITE_OK)
        complain("loading", sqlite3_errmsg(db));
    return db;
}

/* The main things, with two connections and an attached file, in either journal. */
static void try_host(const char *name, HostKind kind, const char *journal) {
    char sql[800];
    long before = failed;
    sqlite3_int64 used = sqlite3_memory_used();
    routines_become(kind);
    remove_files();
    sqlite3 *a = open_loaded(), *b = open_loaded();
    snprintf(sql, sizeof sql, "PRAGMA journal_mode = %s", journal);
    must(a, name, sql);
    must(a, name, MADE);
    for (int round = 0; round < 2; round++) {
        expect(b, name, "SELECT hybrid_cache_get('cache', 'a') || hybrid_cache_get('cache', 'b')", "onetwo");
        expect(b, name, "SELECT group_concat(key) FROM cache WHERE tag = 'red'", "a,3");
    }
    /* A foreign commit, an own one, one undone. */
    must(a, name, "UPDATE cache SET value = 'three' WHERE key = 'a'");
    expect(b, name, "SELECT hybrid_cache_get('cache', 'a')", "three");
    must(b, name, "REPLACE INTO cache(key, value) VALUES('a', 'four')");
    expect(b, name, "SELECT hybrid_cache_get('cache', 'a')", "four");
    expect(a, name, "SELECT hybrid_cache_get('cache', 'a')", "four");
    must(a, name, "BEGIN; REPLACE INTO cache(key, value) VALUES('a', 'five')");
    expect(a, name, "SELECT hybrid_cache_get('cache', 'a')", "five");
    must(a, name, "ROLLBACK");
    expect(a, name, "SELECT hybrid_cache_get('cache', 'a')", "four");
    /* In a transaction, nothing of what others do. */
    must(a, name, "BEGIN");
    expect(a, name, "SELECT hybrid_cache_get('cache', 'b')", "two");
    if (strcmp(journal, "wal") == 0)
        must(b, name, "REPLACE INTO cache(key, value) VALUES('b', 'new')");
    expect(a, name, "SELECT hybrid_cache_get('cache', 'b')", "two");
    must(a, name, "COMMIT");
    must(b, name, "REPLACE INTO cache(key, value) VALUES('b', 'new')");
    expect(a, name, "SELECT hybrid_cache_get('cache', 'b')", "new");
    /* Past the cache. */
    must(b, name, "UPDATE cache_data SET value = 'pst', sum = NULL WHERE key = 'b'");
    expect(a, name, "SELECT hybrid_cache_get('cache', 'b')", "pst");
    /* An attached file, another one under the same name, a cache in temp. */
    snprintf(sql, sizeof sql, "ATTACH '%s/side.db' AS side; PRAGMA side.journal_mode = %s", directory, journal);
    must(a, name, sql);
    must(b, name, sql);
    must(a, name,
         "CREATE VIRTUAL TABLE side.cache USING hybrid_cache; INSERT INTO side.cache(key, value) VALUES('a', 'aside')");
    for (int round = 0; round < 2; round++) {
        expect(b, name, "SELECT hybrid_cache_get('side.cache', 'a'), hybrid_cache_get('main.cache', 'a')",
               "aside|four");
        expect(b, name, "SELECT hybrid_cache_get('cache', 'a')", "four");
    }
    must(a, name, "UPDATE side.cache SET value = 'changed'");
    expect(b, name, "SELECT hybrid_cache_get('side.cache', 'a')", "changed");
    snprintf(sql, sizeof sql,
             "DETACH side; ATTACH '%s/other.db' AS side; CREATE VIRTUAL TABLE side.cache USING hybrid_cache",
             directory);
    must(b, name, sql);
    expect(b, name, "SELECT hybrid_cache_get('side.cache', 'a')", "NULL");
    must(b, name, "DROP TABLE side.cache; DETACH side");
    must(a, name, "DROP TABLE side.cache; DETACH side");
    must(b, name, "CREATE VIRTUAL TABLE temp.own USING hybrid_cache; INSERT INTO own(key, value) VALUES(1, 2)");
    expect(b, name, "SELECT hybrid_cache_get('own', 1), hybrid_cache_get('temp.own', 1)", "2|2");
    expect(b, name, "SELECT group_concat(schema || '.' || name) FROM hybrid_cache_stats WHERE l2_count > 0 ORDER BY 1",
           "temp.own,main.cache");
    must(a, name, "INSERT INTO cache(cache) VALUES('check')");
    if (sqlite3_close(a) != SQLITE_OK || sqlite3_close(b) != SQLITE_OK)
        complain(name, "close");
    if (sqlite3_memory_used() != used)
        complain(name, "memory is left behind");
    remove_files();
    snprintf(sql, sizeof sql, "%s/side.db", directory);
    unlink(sql);
    snprintf(sql, sizeof sql, "%s/other.db", directory);
    unlink(sql);
    routines_become(HOST_LIKE_THIS);
    passed += failed == before;
}

static void refuse_host(void) {
    Answer answer;
    sqlite3_int64 used = sqlite3_memory_used();
    routines_become(HOST_OF_3_30);
    sqlite3 *db = open_file();
    char *message = NULL;
    long before = failed;
    if (routines_load(db, &message) != SQLITE_ERROR || routines_load(db, NULL) != SQLITE_ERROR)
        complain("3.30", "is not refused");
    if (!message || !strstr(message, "hybrid_cache needs SQLite 3.31.0 or later, this is "))
        complain("3.30", message);
    if (run(db, "CREATE VIRTUAL TABLE cache USING hybrid_cache", &answer) == SQLITE_OK)
        complain("3.30", "is refused, and there is a module");
    passed += failed == before;
    sqlite3_free(message);
    sqlite3_close(db);
    if (sqlite3_memory_used() != used)
        complain("3.30", "memory is left behind");
    remove_files();
    routines_become(HOST_LIKE_THIS);
}

int main(int argc, char **argv) {
    const char *extension = "dist/hybrid_cache", *routine = NULL, *temporary = getenv("TMPDIR");
    int only = -1;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--extension") == 0)
            extension = argv[i + 1];
        else if (strcmp(argv[i], "--case") == 0)
            only = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--routine") == 0)
            routine = argv[i + 1];
    }
    snprintf(directory, sizeof directory, "%s/hc_host_XXXXXX", temporary && *temporary ? temporary : "/tmp");
    if (!mkdtemp(directory)) {
        perror(directory);
        return 2;
    }
    snprintf(file, sizeof file, "%s/test.db", directory);
    if (!routines_open(extension))
        return 2;
    static const char *const journals[] = {"delete", "wal"};
    for (int i = 0; only < 0 && i < 2; i++) {
        try_host("like this one", HOST_LIKE_THIS, journals[i]);
        try_host("without mutexes", HOST_WITHOUT_MUTEXES, journals[i]);
        try_host("without deprecated routines", HOST_WITHOUT_EXPIRED, journals[i]);
        try_host("3.31", HOST_OF_3_31, journals[i]);
    }
    if (only < 0)
        refuse_host();
    for (int i = 0; i < CASES; i++) {
        long p = passed, f = failed;
        if (only < 0 || only == i)
            run_case(&cases[i], routine);
        if (i == only || failed > f)
            printf("%5ld case %d: %s\n", passed - p, i, cases[i].sql ? cases[i].sql : "load");
    }
    remove_files();
    rmdir(directory);
    printf("%ld passed, %ld failed\n", passed, failed);
    return failed != 0;
}
