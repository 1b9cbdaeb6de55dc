/*
** fault.c - scripts of SQL in which every allocation, file call and step fails in turn.
**
**     fault --extension dist/hybrid_cache [--script S] [--fault F] [--journal wal|delete] [--vfs unix|faulty] [--n N]
**
** One run: a fresh database with a warm L1, one script with the Nth call of some kind
** failing, then the fault is gone and everything has to be right:
**
**   - the L1, a SELECT by key and the shadow table say the same of every key, inside the
**     transaction that is still open and after it; so do a second connection, whose L1 was
**     warm all the time, and a fresh one;
**   - `app`, whose triggers write the same into the cache, has not come apart from it;
**   - what was acknowledged is there;
**   - `check` and integrity_check pass, no cache has half of its shadow tables;
**   - the cache can be written to; close succeeds and gives back all memory.
**
** First a run without a fault counts the calls. N then goes through all of them with
** SOAK=1 in the environment or --n; otherwise through some, spread evenly.
*/
#include "inject.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RUNS_EACH 2 /* of one script, fault and mode in the bounded form */
#define KEYS_EACH 24
#define TEXT 400

/* ---------------------------------------------------------------- scripts */

typedef struct {
    const char *sql;         /* a row whose first column is 0: a wrong answer */
    const char *acknowledge; /* if `sql` succeeds, this is true at the end */
    int error;               /* what `sql` has to fail with, where there is no fault */
} Step;

enum {
    TRANSACTION = 1, /* a failed step ends the script: what follows presumes it */
    LOSSY = 2,       /* the cache may drop what `app` has */
    RENAMING = 4,    /* the cache may have another name meanwhile */
    COLD = 8         /* loading the extension and the first reading belong to the script */
};

typedef struct {
    const char *name;
    int flags;
    Step steps[20];
} Script;

#define GET(key, value) "hybrid_cache_get('cache', '" key "') IS '" value "'"
/* A look-up may miss where L2 fails, but not lie. */
#define MAY(key, value) "SELECT ifnull(hybrid_cache_get('cache', '" key "') = '" value "', 1)"
#define ROW(key, value) "SELECT count(*) FROM cache WHERE key = '" key "' AND value = '" value "'"
#define PUT(key, value) "INSERT OR REPLACE INTO cache(key, value, ttl) VALUES('" key "', '" value "', 0)"
#define APP(key, value) "INSERT OR REPLACE INTO app VALUES('" key "', '" value "')"
#define GONE(key) "NOT hybrid_cache_has('cache', '" key "')"

static const char *const setup[] = {
    "CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=0)",
    "CREATE TABLE app(key PRIMARY KEY, value)",
    "CREATE TRIGGER app_insert AFTER INSERT ON app BEGIN"
    "  INSERT OR REPLACE INTO cache(key, value, ttl) VALUES(new.key, new.value, 0); END",
    "CREATE TRIGGER app_update AFTER UPDATE ON app BEGIN"
    "  UPDATE cache SET key = new.key, value = new.value WHERE key = old.key; END",
    "CREATE TRIGGER app_delete AFTER DELETE ON app BEGIN DELETE FROM cache WHERE key = old.key; END",
    "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12)"
    " INSERT INTO app SELECT 'a' || i, 'old' || i FROM n",
    "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12)"
    " INSERT INTO cache(key, value, tag) SELECT 'd' || i, 'old' || i, 'group' || (i / 3) FROM n",
    "INSERT INTO cache(key, value) VALUES('large', hex(zeroblob(20000)))",
    "CREATE VIRTUAL TABLE second USING hybrid_cache",
    NULL};

static const Script scripts[] = {
    {"autocommit",
     0,
     {{PUT("d1", "new1"), GET("d1", "new1"), 0},
      {"INSERT INTO cache(key, value) VALUES('d20', 'new20')", GET("d20", "new20"), 0},
      {"INSERT INTO cache(key, value) VALUES('d12', 'bad')", NULL, SQLITE_CONSTRAINT},
      {"UPDATE cache SET value = 'new2' WHERE key = 'd2'", GET("d2", "new2"), 0},
      {"UPDATE cache SET ttl = 1000 WHERE key = 'd3'", "hybrid_cache_ttl('cache', 'd3') > 0", 0},
      {"UPDATE cache SET key = 'd21' WHERE key = 'd4'", GET("d21", "old4") " AND " GONE("d4"), 0},
      {"UPDATE OR REPLACE cache SET key = 'd5' WHERE key = 'd6'", GET("d5", "old6") " AND " GONE("d6"), 0},
      {"DELETE FROM cache WHERE key = 'd7'", GONE("d7"), 0},
      {"DELETE FROM cache WHERE tag = 'group3'", GONE("d9") " AND " GONE("d11"), 0},
      {PUT("large", "small"), GET("large", "small"), 0},
      {"INSERT INTO cache(key, value) VALUES('n1', hex(zeroblob(30000)))",
       "length(hybrid_cache_get('cache', 'n1')) = 60000", 0}}},
    {"transaction",
     TRANSACTION,
     {{"BEGIN", NULL, 0},
      {APP("a1", "t1"), NULL, 0},
      {MAY("a1", "t1"), NULL, 0},
      {"SAVEPOINT one", NULL, 0},
      {APP("a2", "undone"), NULL, 0},
      {"DELETE FROM app WHERE key = 'a3'", NULL, 0},
      {"UPDATE app SET key = 'a13', value = 'undone' WHERE key = 'a4'", NULL, 0},
      {PUT("d1", "undone"), NULL, 0},
      {"INSERT INTO cache(key, value) VALUES('d2x', 'bad'), ('d13', 'bad'), ('d3', 'bad')", NULL, SQLITE_CONSTRAINT},
      {"ROLLBACK TO one", NULL, 0},
      {MAY("a2", "old2"), NULL, 0},
      {ROW("a3", "old3"), NULL, 0},
      {ROW("d1", "old1"), NULL, 0},
      {APP("a5", "t5"), NULL, 0},
      {"RELEASE one", NULL, 0},
      {"UPDATE app SET key = 'a14', value = 't14' WHERE key = 'a6'", NULL, 0},
      {"DELETE FROM app WHERE key = 'a7'", NULL, 0},
      {PUT("d1", "t1"), NULL, 0},
      {"COMMIT",
       GET("a1", "t1") " AND " GET("a2", "old2") " AND " GET("a5", "t5") " AND " GET("a14", "t14") " AND " GONE(
           "a7") " AND " GET("d1", "t1"),
       0}}},
    {"rollback",
     TRANSACTION | LOSSY, /* a cleared cache may be committed, when the fault comes after that */
     {{"BEGIN", NULL, 0},
      {APP("a1", "undone"), NULL, 0},
      {PUT("d1", "undone"), NULL, 0},
      {"DELETE FROM cache WHERE key = 'd2'", NULL, 0},
      {"UPDATE cache SET value = value || 'x' WHERE key > 'd'", NULL, 0},
      {"SAVEPOINT one", NULL, 0},
      {"SAVEPOINT two", NULL, 0},
      {PUT("d3", "undone"), NULL, 0},
      {"RELEASE two", NULL, 0},
      {PUT("d4", "undone"), NULL, 0},
      {"ROLLBACK TO one", NULL, 0},
      {ROW("d3", "old3x"), NULL, 0},
      {"INSERT INTO cache(cache) VALUES('clear')", NULL, 0},
      {PUT("d4", "undone"), NULL, 0},
      {"ROLLBACK", GET("a1", "old1") " AND " GET("d1", "old1") " AND " GET("d2", "old2") " AND " GET("d4", "old4"), 0},
      {ROW("a1", "old1"), NULL, 0},
      {MAY("d3", "old3"), NULL, 0}}},
    {"triggers",
     0,
     {{APP("a1", "new1"), GET("a1", "new1"), 0},
      {"UPDATE app SET value = 'new' WHERE key IN ('a2', 'a3', 'a4')", GET("a2", "new") " AND " GET("a4", "new"), 0},
      {"DELETE FROM app WHERE key IN ('a5', 'a6')", GONE("a5") " AND " GONE("a6"), 0},
      {"UPDATE app SET key = 'a15' WHERE key = 'a7'", GET("a15", "old7") " AND " GONE("a7"), 0},
      {"INSERT INTO app VALUES('a16', 'new'), ('a17', 'new'), ('a8', 'bad')", NULL, SQLITE_CONSTRAINT},
      {"INSERT OR FAIL INTO app VALUES('a18', 'new'), ('a9', 'bad')", NULL, SQLITE_CONSTRAINT},
      {"INSERT OR ROLLBACK INTO app VALUES('a19', 'new'), ('a10', 'bad')", NULL, SQLITE_CONSTRAINT}}},
    {"commands",
     LOSSY,
     {{"INSERT INTO cache(key, value, expires) VALUES('n2', 'past', 1000)", GONE("n2"), 0},
      {"INSERT INTO cache(cache) VALUES('purge')", NULL, 0},
      {"INSERT INTO cache(cache, value) VALUES('l1_entries', 15)", NULL, 0},
      {"INSERT INTO cache(cache, value) VALUES('eviction', 's3fifo')",
       "hybrid_cache_option('cache', 'eviction') = 's3fifo'", 0},
      {"INSERT INTO cache(cache, value) VALUES('l2_entries', 20)", NULL, 0},
      {PUT("d1", "new1"), GET("d1", "new1"), 0},
      {PUT("d22", "new22"), GET("d22", "new22"), 0},
      {"SELECT key IS NOT NULL FROM cache WHERE key > 'a' ORDER BY key", NULL, 0},
      {"INSERT INTO cache(cache) VALUES('check')", NULL, 0},
      {"INSERT INTO cache(cache) VALUES('rebuild')", NULL, 0},
      {"INSERT INTO cache(cache, value) VALUES('jitter', 7)", NULL, SQLITE_ERROR}}},
    {"clear",
     LOSSY,
     {{"INSERT INTO cache(cache) VALUES('clear')", GONE("a1") " AND " GONE("d1"), 0},
      {PUT("n1", "before"), NULL, 0},
      {"DELETE FROM cache WHERE key > 'd'", GONE("d2"), 0},
      {PUT("n1", "after"), GET("n1", "after"), 0}}},
    {"reads",
     0,
     {{MAY("a1", "old1"), NULL, 0},
      {ROW("a2", "old2"), NULL, 0},
      {"SELECT count(*) = 3 FROM cache WHERE key IN ('a3', 'a4', 'd5', 'none')", NULL, 0},
      {"SELECT ifnull(hybrid_cache_stale('cache', 'a5') = 'old5', 1)", NULL, 0},
      {"SELECT count(*) = 25 FROM cache", NULL, 0},
      {"SELECT count(*) = 3 FROM cache WHERE tag = 'group2'", NULL, 0},
      {"SELECT hybrid_cache_clear_l1('cache') >= 0", NULL, 0},
      {MAY("a1", "old1"), NULL, 0},
      {ROW("d2", "old2"), NULL, 0},
      {"SELECT ifnull(length(hybrid_cache_get('cache', 'large')) = 40000, 1)", NULL, 0},
      {"SELECT json_valid(hybrid_cache_stats('cache'))", NULL, 0},
      {"SELECT count(*) <= 2 FROM hybrid_cache_stats", NULL, 0},
      {"SELECT count(*) >= 0 FROM hybrid_cache_mrc('cache')", NULL, 0},
      {"SELECT hybrid_cache_reset_stats('cache') IS NULL", NULL, 0},
      {"SELECT 1 FROM app JOIN cache USING(key) WHERE app.value IS NOT cache.value LIMIT 0", NULL, 0}}},
    {"ddl",
     0,
     {{"CREATE VIRTUAL TABLE other USING hybrid_cache(ttl=0, l1_entries=10)", NULL, 0},
      {"INSERT INTO other(key, value) VALUES('k', 'v')", NULL, 0},
      {"SELECT ifnull(hybrid_cache_get('other', 'k') = 'v', 1) FROM sqlite_master WHERE name = 'other'", NULL, 0},
      {PUT("d1", "new1"), GET("d1", "new1"), 0},
      {"ALTER TABLE second RENAME TO third", NULL, 0},
      {"INSERT INTO third(key, value) VALUES('k', 'v')", "hybrid_cache_get('third', 'k') = 'v'", 0},
      {"DROP TABLE other", NULL, 0},
      {"CREATE VIRTUAL TABLE other USING hybrid_cache", NULL, 0},
      {MAY("d2", "old2"), NULL, 0},
      {ROW("d2", "old2"), NULL, 0},
      {"VACUUM", NULL, 0},
      {ROW("a2", "old2"), NULL, 0}}},
    {"ddl-transaction",
     TRANSACTION | RENAMING,
     {{"BEGIN", NULL, 0},
      {APP("a1", "t1"), NULL, 0},
      {"CREATE VIRTUAL TABLE other USING hybrid_cache(ttl=0)", NULL, 0},
      {"INSERT INTO other(key, value) VALUES('k', 'v')", NULL, 0},
      {"SAVEPOINT one", NULL, 0},
      {"ALTER TABLE cache RENAME TO moved", NULL, 0},
      {"INSERT OR REPLACE INTO moved(key, value) VALUES('d1', 'undone')", NULL, 0},
      {"DROP TABLE second", NULL, 0},
      {"ROLLBACK TO one", NULL, 0},
      {ROW("d1", "old1"), NULL, 0},
      {PUT("d2", "t2"), NULL, 0},
      {"DROP TABLE other", NULL, 0},
      {"COMMIT", GET("a1", "t1") " AND " GET("d1", "old1") " AND " GET("d2", "t2"), 0}}},
    {"load",
     COLD,
     {{MAY("a1", "old1"), NULL, 0},
      {ROW("d1", "old1"), NULL, 0},
      {PUT("d2", "new2"), GET("d2", "new2"), 0},
      {MAY("d3", "old3"), NULL, 0}}},
};
#define SCRIPTS ((int)(sizeof scripts / sizeof scripts[0]))

/* ------------------------------------------------------------------ a run */

static struct {
    const char *extension;
    const char *journal; /* wal, delete */
    const char *vfs;     /* NULL: the default one */
    char file[TEXT];
    unsigned char *image; /* of the database that every run begins with */
    size_t image_size;
} bench;

static char problem[2 * TEXT]; /* the first of this run; empty: none */
static char failure[TEXT];     /* the first step that the fault has made fail, and how */

__attribute__((format(printf, 1, 2))) static void complain(const char *format, ...) {
    va_list arguments;
    if (problem[0] != 0)
        return;
    va_start(arguments, format);
    sqlite3_vsnprintf((int)sizeof problem, problem, format, arguments);
    va_end(arguments);
}

static void remove_files(void) {
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char name[TEXT + 16];
        sqlite3_snprintf((int)sizeof name, name, "%s%s", bench.file, suffixes[i]);
        unlink(name);
    }
}

static void read_image(void) {
    FILE *file = fopen(bench.file, "rb");
    long size = -1;
    if (file != NULL && fseek(file, 0, SEEK_END) == 0)
        size = ftell(file);
    bench.image = size > 0 ? realloc(bench.image, (size_t)size) : NULL;
    bench.image_size = (size_t)size;
    if (bench.image == NULL || fseek(file, 0, SEEK_SET) != 0 ||
        fread(bench.image, 1, bench.image_size, file) != bench.image_size)
        complain("setup: cannot read %s", bench.file);
    if (file != NULL)
        fclose(file);
}

static void write_image(void) {
    remove_files();
    FILE *file = fopen(bench.file, "wb");
    if (file == NULL || fwrite(bench.image, 1, bench.image_size, file) != bench.image_size || fclose(file) != 0)
        complain("setup: cannot write %s", bench.file);
}

static sqlite3 *open_database(void) {
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(bench.file, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, bench.vfs) != SQLITE_OK)
        complain("open: %s", sqlite3_errmsg(db));
    sqlite3_enable_load_extension(db, 1);
    return db;
}

/* `must`: a failure counts. */
static int load(sqlite3 *db, int must) {
    char *message = NULL;
    int rc = sqlite3_load_extension(db, bench.extension, NULL, &message);
    if (rc != SQLITE_OK && must)
        complain("load: %s", message != NULL ? message : sqlite3_errmsg(db));
    sqlite3_free(message);
    return rc;
}

static sqlite3 *open_loaded(void) {
    sqlite3 *db = open_database();
    load(db, 1);
    return db;
}

/* Runs a statement to its end. *wrong: one of its rows began with 0. */
static int run_sql(sqlite3 *db, const char *sql, int *wrong) {
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        if (sqlite3_column_type(stmt, 0) == SQLITE_INTEGER && sqlite3_column_int(stmt, 0) == 0)
            *wrong = 1;
        rc = SQLITE_OK;
    }
    int finalized = sqlite3_finalize(stmt);
    if (rc == SQLITE_DONE)
        rc = finalized;
    return rc;
}

static void must_run(sqlite3 *db, const char *where, const char *sql) {
    int wrong = 0;
    int rc = run_sql(db, sql, &wrong);
    if (rc != SQLITE_OK)
        complain("%s: %s: error %d, %s", where, sql, sqlite3_extended_errcode(db), sqlite3_errmsg(db));
    else if (wrong)
        complain("%s: %s: not true", where, sql);
}

static void must_hold(sqlite3 *db, const char *where, const char *condition) {
    char *sql = sqlite3_mprintf("SELECT (%s) IS 1", condition);
    must_run(db, where, sql);
    sqlite3_free(sql);
}

/* ----------------------------------------------------------------- checks */

/* The value that a query gives of `key`, into `out`; "(none)" for none. */
static void value_of(sqlite3 *db, sqlite3_stmt *stmt, const char *key, const char *where, char *out) {
    const char *text = NULL;
    if (stmt != NULL) {
        sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
        if (sqlite3_step(stmt) == SQLITE_ROW)
            text = (const char *)sqlite3_column_text(stmt, 0);
    }
    sqlite3_snprintf(TEXT, out, "%s", text != NULL ? text : "(none)");
    if (sqlite3_reset(stmt) != SQLITE_OK || stmt == NULL)
        complain("%s: reading %s: %s", where, key, sqlite3_errmsg(db));
}

/* L1, look-up by SELECT and shadow row agree on every key. */
static void check_keys(sqlite3 *db, const char *where) {
    static const char *const queries[] = {"SELECT hybrid_cache_get('cache', ?1)",
                                          "SELECT value FROM cache WHERE key = ?1",
                                          ("SELECT value FROM cache_data WHERE key = ?1 AND"
                                           " expires > (julianday('now') - 2440587.5) * 86400.0")};
    static const char *const families[] = {"a", "d", "n"};
    sqlite3_stmt *stmts[3] = {NULL, NULL, NULL};
    for (int i = 0; i < 3; i++) {
        if (sqlite3_prepare_v2(db, queries[i], -1, &stmts[i], NULL) != SQLITE_OK)
            complain("%s: %s: %s", where, queries[i], sqlite3_errmsg(db));
    }
    for (int i = 0; i <= 3 * KEYS_EACH; i++) {
        char key[16], values[3][TEXT];
        if (i < 3 * KEYS_EACH)
            sqlite3_snprintf((int)sizeof key, key, "%s%d", families[i % 3], i / 3 + 1);
        else
            sqlite3_snprintf((int)sizeof key, key, "large");
        for (int j = 0; j < 3; j++)
            value_of(db, stmts[j], key, where, values[j]);
        if (strcmp(values[0], values[2]) != 0 || strcmp(values[1], values[2]) != 0)
            complain("%s: key %s: get says %.20s, SELECT %.20s, the shadow table %.20s", where, key, values[0],
                     values[1], values[2]);
    }
    for (int i = 0; i < 3; i++)
        sqlite3_finalize(stmts[i]);
}

static void check_mirror(sqlite3 *db, const char *where, const Script *script) {
    must_hold(
        db, where,
        script->flags & LOSSY
            ? "NOT EXISTS(SELECT key, value FROM cache_data WHERE key LIKE 'a%' EXCEPT SELECT key, value FROM app)"
            : "(SELECT group_concat(key || '=' || value) FROM (SELECT * FROM app ORDER BY key)) IS "
              "(SELECT group_concat(key || '=' || value) FROM"
              " (SELECT key, value FROM cache_data WHERE key LIKE 'a%' ORDER BY key))");
}

/* Every cache has its two tables and passes `check`; there are no others. */
static void check_tables(sqlite3 *db, const char *where) {
    sqlite3_stmt *stmt = NULL;
    must_hold(
        db, where,
        "(SELECT count(*) FROM sqlite_master s JOIN sqlite_master v ON v.sql LIKE 'CREATE VIRTUAL%' AND"
        "   s.name IN (v.name || '_data', v.name || '_meta')) ="
        " 2 * (SELECT count(*) FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL%') AND"
        " (SELECT count(*) FROM sqlite_master WHERE name LIKE '%!_data' ESCAPE '!' OR name LIKE '%!_meta' ESCAPE '!') ="
        " 2 * (SELECT count(*) FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL%')");
    if (sqlite3_prepare_v2(db,
                           "SELECT printf('INSERT INTO \"%w\"(\"%w\") VALUES(''check'')', name, name)"
                           " FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL%'",
                           -1, &stmt, NULL) != SQLITE_OK)
        complain("%s: %s", where, sqlite3_errmsg(db));
    char commands[8][TEXT];
    int count = 0;
    while (stmt != NULL && count < 8 && sqlite3_step(stmt) == SQLITE_ROW)
        sqlite3_snprintf(TEXT, commands[count++], "%s", (const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    if (count == 0)
        complain("%s: no cache left", where);
    for (int i = 0; i < count; i++)
        must_run(db, where, commands[i]);
}

static void check_file(sqlite3 *db, const char *where) {
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_ROW || strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") != 0)
        complain("%s: integrity_check: %s", where, stmt ? (const char *)sqlite3_column_text(stmt, 0) : "");
    sqlite3_finalize(stmt);
}

/* -------------------------------------------------------------- one fault */

/* An error that no fault can excuse. `first`: nothing had failed before it. */
static int is_absurd(int code, int first) {
    switch (code & 0xff) {
    case SQLITE_INTERNAL:
    case SQLITE_MISUSE:
    case SQLITE_CORRUPT:
    case SQLITE_SCHEMA:
    case SQLITE_NOTADB:
    case SQLITE_MISMATCH:
        return 1;
    case SQLITE_ERROR:
    case SQLITE_CONSTRAINT:
        return first && code != SQLITE_ERROR_RETRY;
    default:
        return 0;
    }
}

/* Runs the script under the fault. Gives the steps that succeeded as a set of 1u << index. */
static unsigned run_script(sqlite3 *db, const Script *script, int loaded) {
    unsigned succeeded = 0;
    int failures = !loaded;
    for (int i = 0; script->steps[i].sql != NULL; i++) {
        const Step *step = &script->steps[i];
        int wrong = 0;
        int rc = run_sql(db, step->sql, &wrong);
        if (wrong)
            complain("step %d: %s: a wrong answer", i + 1, step->sql);
        if (rc == SQLITE_OK && step->error != 0)
            complain("step %d: %s: no error", i + 1, step->sql);
        if (rc == SQLITE_OK || (rc & 0xff) == step->error) {
            succeeded |= rc == SQLITE_OK ? 1u << i : 0;
            continue;
        }
        int code = sqlite3_extended_errcode(db);
        if (failure[0] == 0)
            sqlite3_snprintf(TEXT, failure, "step %d: %.80s: error %d; then %s", i + 1, step->sql, code,
                             sqlite3_get_autocommit(db) ? "autocommit" : "in the transaction");
        if (inject_failed() == 0 || is_absurd(code, failures == 0))
            complain("step %d: %s: error %d, %s", i + 1, step->sql, code, sqlite3_errmsg(db));
        failures++;
        if (script->flags & TRANSACTION)
            break;
    }
    return succeeded;
}

/* What has been acknowledged; no later step of a script takes it back. */
static void check_acknowledged(sqlite3 *db, const char *where, const Script *script, unsigned succeeded) {
    for (int i = 0; script->steps[i].sql != NULL; i++) {
        if ((succeeded & 1u << i) && script->steps[i].acknowledge)
            must_hold(db, where, script->steps[i].acknowledge);
    }
}

static void warm_up(sqlite3 *db) {
    must_run(db, "warming up", "SELECT hybrid_cache_get('cache', key) IS NOT NULL FROM cache_data");
    must_run(db, "warming up", "SELECT hybrid_cache_tier('cache', key) = 1 FROM app");
}

/* One run; 0: something was wrong, see `problem`. */
static int run_one(const Script *script, const InjectFault *fault, long n) {
    int loaded = 1;
    sqlite3_int64 memory = sqlite3_memory_used();
    problem[0] = failure[0] = 0;
    write_image();
    inject_reseed();
    sqlite3 *db = script->flags & COLD ? open_database() : open_loaded();
    sqlite3 *neighbour = open_loaded();
    if (!(script->flags & COLD))
        warm_up(db);
    warm_up(neighbour);

    inject_arm(fault, n, db);
    if (script->flags & COLD)
        loaded = load(db, 0) == SQLITE_OK;
    unsigned succeeded = loaded ? run_script(db, script, loaded) : 0;
    inject_disarm();

    if (!loaded)
        load(db, 1);
    if (!sqlite3_get_autocommit(db)) {
        if (!(script->flags & RENAMING)) {
            check_keys(db, "inside");
            check_mirror(db, "inside", script);
        }
        must_run(db, "inside", n % 2 || script->flags & RENAMING ? "ROLLBACK" : "COMMIT");
        if (!sqlite3_get_autocommit(db))
            must_run(db, "inside", "ROLLBACK");
    }
    check_keys(db, "after");
    check_acknowledged(db, "after", script, succeeded);
    check_mirror(db, "after", script);

    check_keys(neighbour, "neighbour");
    sqlite3 *fresh = open_loaded();
    check_keys(fresh, "fresh");
    check_acknowledged(fresh, "fresh", script, succeeded);
    check_mirror(fresh, "fresh", script);
    check_tables(fresh, "fresh");
    check_tables(db, "after");
    check_file(fresh, "fresh");

    /* And life goes on. */
    must_run(db, "later", APP("a1", "later1"));
    must_hold(fresh, "later", GET("a1", "later1"));
    must_run(fresh, "later", APP("a1", "later2"));
    must_hold(db, "later", GET("a1", "later2"));
    check_mirror(db, "later", script);
    must_run(db, "later", "DROP TABLE cache");

    if (sqlite3_close(db) != SQLITE_OK) {
        complain("close: %s", sqlite3_errmsg(db));
        sqlite3_close_v2(db);
    }
    if (sqlite3_close(fresh) != SQLITE_OK || sqlite3_close(neighbour) != SQLITE_OK)
        complain("close of another connection");
    if (sqlite3_memory_used() != memory)
        complain("%lld bytes leaked", sqlite3_memory_used() - memory);
    return problem[0] == 0;
}

/* ---------------------------------------------------------------- driving */

static void make_image(void) {
    remove_files();
    problem[0] = 0;
    sqlite3 *db = open_loaded();
    char *sql = sqlite3_mprintf("PRAGMA journal_mode = %s", bench.journal);
    must_run(db, "setup", sql);
    sqlite3_free(sql);
    for (int i = 0; setup[i] != NULL; i++)
        must_run(db, "setup", setup[i]);
    sqlite3_close(db);
    read_image();
    if (problem[0] != 0) {
        fprintf(stderr, "%s\n", problem);
        exit(2);
    }
}

static long passed, failed;

static void judge(int ok, const Script *script, const InjectFault *fault, long n) {
    if (ok) {
        passed++;
        return;
    }
    failed++;
    printf("FAILED --script %s --fault %s --journal %s --vfs %s --n %ld\n       first %s\n       %s\n", script->name,
           fault->name, bench.journal, bench.vfs ? bench.vfs : "unix", n, failure[0] ? failure : "no step failed",
           problem);
    fflush(stdout);
}

/* One script and fault, of which the run without a fault has made so many calls: for every N, or some. */
static void run_fault(const Script *script, const InjectFault *fault, long calls, long only, int every) {
    static long phase; /* so that not every script and fault tries the same N */
    long before = passed, broken = failed, hits = 0;
    long step = every || calls <= RUNS_EACH ? 1 : (calls + RUNS_EACH - 1) / RUNS_EACH;
    for (long n = only > 0 ? only : 1 + phase++ * 7919 % step; only > 0 ? n == only : n <= calls; n += step) {
        int ok = run_one(script, fault, n);
        hits += inject_failed() > 0;
        judge(ok, script, fault, n);
    }
    if (calls > 0)
        printf("%-16s %-10s %-6s %-6s %6ld calls, %5ld failed in turn: %ld passed, %ld not\n", script->name,
               fault->name, bench.journal, bench.vfs ? bench.vfs : "unix", calls, hits, passed - before,
               failed - broken);
}

static int selected(const char *wanted, const char *name) {
    return wanted == NULL || strcmp(wanted, name) == 0;
}

int main(int argc, char **argv) {
    static const char *const journals[] = {"wal", "delete"};
    static const char *const systems[] = {"unix", "faulty"};
    const char *script = NULL, *fault = NULL, *journal = NULL, *vfs = NULL;
    const char *directory = getenv("TMPDIR"), *soak = getenv("SOAK");
    long n = 0;
    bench.extension = "dist/hybrid_cache";
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--extension") == 0)
            bench.extension = value;
        else if (strcmp(argv[i], "--script") == 0)
            script = value;
        else if (strcmp(argv[i], "--fault") == 0)
            fault = value;
        else if (strcmp(argv[i], "--journal") == 0)
            journal = value;
        else if (strcmp(argv[i], "--vfs") == 0)
            vfs = value;
        else if (strcmp(argv[i], "--n") == 0)
            n = strtol(value, NULL, 10);
        else
            return fprintf(stderr, "fault: unknown argument %s\n", argv[i]), 2;
    }
    if (inject_install() != SQLITE_OK)
        return fprintf(stderr, "fault: cannot install the faults\n"), 2;
    sqlite3_snprintf((int)sizeof bench.file, bench.file, "%s/hc-fault-%d.db",
                     directory != NULL && directory[0] != 0 ? directory : "/tmp", (int)getpid());
    /* Holds the library in memory, which otherwise is mapped and unmapped thousands of times. */
    sqlite3 *holder = open_loaded();
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++) {
            if (!selected(journal, journals[i]) || !selected(vfs, systems[j]))
                continue;
            bench.journal = journals[i];
            bench.vfs = j == 0 ? NULL : systems[j];
            make_image();
            for (int s = 0; s < SCRIPTS; s++) {
                long calls[64];
                if (!selected(script, scripts[s].name))
                    continue;
                judge(run_one(&scripts[s], inject_faults, 0), &scripts[s], inject_faults, 0);
                for (int f = 0; inject_faults[f].name != NULL; f++)
                    calls[f] = inject_counted(&inject_faults[f]);
                for (int f = 0; inject_faults[f].name != NULL; f++) {
                    if (selected(fault, inject_faults[f].name))
                        run_fault(&scripts[s], &inject_faults[f], calls[f], n, soak != NULL && soak[0] != 0);
                }
            }
        }
    }
    sqlite3_close(holder);
    remove_files();
    free(bench.image);
    printf("%ld passed, %ld failed\n", passed, failed);
    return failed != 0;
}
