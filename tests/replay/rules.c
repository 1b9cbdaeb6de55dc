/*
** rules.c: the rules for replicated engines, one by one, as far as they can be seen from outside.
**
**     rules --extension dist/hybrid_cache [--single-thread]
**
** R and D are numbered as in the design's notes on distributed engines; README.md here says each in a few words. The second
** form repeats everything with SQLite's mutexes off, as go-dqlite runs it (R12).
*/
#define _GNU_SOURCE
#include "testclock.c"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *extension;
static char directory[300];
static int passed, failed;

static void check(const char *rule, int right, const char *what, const char *got) {
    if (right) {
        passed++;
    } else {
        failed++;
        printf("FAILED %s: %s%s%s\n", rule, what, got ? ": " : "", got ? got : "");
    }
}

static _Noreturn void die(sqlite3 *db, const char *what) {
    fprintf(stderr, "rules: %s: %s\n", what, db ? sqlite3_errmsg(db) : "failed");
    exit(2);
}

/* ---- a VFS that counts what is done to files */

static struct { long opens, reads, writes, locks; } io;
static const sqlite3_io_methods *real_methods;
static sqlite3_io_methods counting_methods;
static sqlite3_vfs counting_vfs;

static int counting_read(sqlite3_file *file, void *to, int n, sqlite3_int64 at) {
    io.reads++;
    return real_methods->xRead(file, to, n, at);
}
static int counting_write(sqlite3_file *file, const void *from, int n, sqlite3_int64 at) {
    io.writes++;
    return real_methods->xWrite(file, from, n, at);
}
static int counting_lock(sqlite3_file *file, int level) {
    io.locks++;
    return real_methods->xLock(file, level);
}
static int counting_shm_lock(sqlite3_file *file, int offset, int n, int flags) {
    io.locks++;
    return real_methods->xShmLock(file, offset, n, flags);
}
static int counting_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out) {
    sqlite3_vfs *real = vfs->pAppData;
    int rc = real->xOpen(real, name, file, flags, out);
    io.opens++;
    if (rc == SQLITE_OK && (!real_methods || file->pMethods == real_methods)) {
        real_methods = file->pMethods;
        counting_methods = *real_methods;
        counting_methods.xRead = counting_read;
        counting_methods.xWrite = counting_write;
        counting_methods.xLock = counting_lock;
        counting_methods.xShmLock = counting_shm_lock;
        file->pMethods = &counting_methods;
    }
    return rc;
}

static void register_counting(void) {
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    counting_vfs = *real;
    counting_vfs.zName = "counting";
    counting_vfs.pNext = NULL;
    counting_vfs.pAppData = real;
    counting_vfs.xOpen = counting_open;
    if (sqlite3_vfs_register(&counting_vfs, 0) != SQLITE_OK)
        die(NULL, "sqlite3_vfs_register");
}

/* ---- connections */

static const char *path_of(const char *name) {
    static char ring[4][400];
    static int at;
    at = (at + 1) % 4;
    snprintf(ring[at], sizeof ring[at], "%s/%s", directory, name);
    return ring[at];
}

static void remove_files(const char *name) {
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    for (int i = 0; i < 4; i++) {
        char path[500];
        snprintf(path, sizeof path, "%s%s", path_of(name), suffixes[i]);
        remove(path);
    }
}

static sqlite3 *open_bare(const char *name, int flags, const char *vfs) {
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(path_of(name), &db, flags, vfs) != SQLITE_OK)
        die(db, name);
    return db;
}

static void load(sqlite3 *db) {
    char *message = NULL;
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
    if (sqlite3_load_extension(db, extension, "sqlite3_hybridcache_init", &message) != SQLITE_OK)
        die(db, message ? message : extension);
}

static sqlite3 *open_db(const char *name, int flags, const char *vfs) {
    sqlite3 *db = open_bare(name, flags, vfs);
    load(db);
    return db;
}

#define WRITABLE (SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)

static void run(sqlite3 *db, const char *sql) {
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) {
        fprintf(stderr, "rules: %s: %s\n", sql, message);
        exit(2);
    }
}

static int add_row(void *text, int columns, char **values, char **names) {
    (void)names;
    for (int i = 0; i < columns; i++)
        sqlite3_str_appendf(text, "%s%s", sqlite3_str_length(text) ? " " : "", values[i] ? values[i] : "NULL");
    return 0;
}

/* All values of a query, or the error, in a buffer that lives for three calls more. */
static const char *result(sqlite3 *db, const char *sql) {
    static char *ring[4];
    static int at;
    char *message = NULL;
    sqlite3_str *text = sqlite3_str_new(NULL);
    at = (at + 1) % 4;
    sqlite3_free(ring[at]);
    if (sqlite3_exec(db, sql, add_row, text, &message) != SQLITE_OK)
        sqlite3_str_appendf(text, "error: %s", message);
    sqlite3_free(message);
    if (!sqlite3_str_length(text))
        sqlite3_str_appendall(text, "-");
    ring[at] = sqlite3_str_finish(text);
    return ring[at];
}

static void expect(const char *rule, sqlite3 *db, const char *sql, const char *expected) {
    const char *got = result(db, sql);
    check(rule, strcmp(got, expected) == 0, sql, got);
}

/* Every function and every shape of a SELECT. */
static const char *const selects[] = {
    "SELECT hybrid_cache_get('cache', 'k1'), hybrid_cache_get('cache', 'k2', 'none')",
    "SELECT hybrid_cache_get('cache', 'absent')",
    "SELECT hybrid_cache_has('cache', 'k1'), hybrid_cache_ttl('cache', 'k1'), hybrid_cache_tier('cache', 'k1')",
    "SELECT hybrid_cache_stale('cache', 'k3')",
    "SELECT hybrid_cache_stats('cache'), hybrid_cache_option('cache', 'clock'), hybrid_cache_version()",
    "SELECT * FROM hybrid_cache_stats",
    "SELECT * FROM hybrid_cache_mrc('cache')",
    "SELECT hybrid_cache_clear_l1('cache'), hybrid_cache_reset_stats('cache')",
    "SELECT *, ttl, tag FROM cache",
    "SELECT value FROM cache WHERE key = 'k1'",
    "SELECT value FROM cache WHERE key IN ('k1', 'k4', 'absent')",
    "SELECT value FROM cache WHERE key BETWEEN 'k1' AND 'k4' ORDER BY key DESC",
    "SELECT value FROM cache WHERE key GLOB 'k*'",
    "SELECT value FROM cache WHERE tag = 'red'",
    "SELECT value FROM cache WHERE expires < 1700000002",
    "SELECT count(*) FROM cache a JOIN cache b ON a.key = b.value",
};
#define SELECTS ((int)(sizeof selects / sizeof selects[0]))

static const char *const fill =
    "CREATE VIRTUAL TABLE cache USING hybrid_cache(clock=caller);"
    "INSERT INTO cache(key, value, expires, tag) VALUES('k1', 'k2', 1700000001, 'red'), ('k2', 2, 1700000002, 'red'),"
    "('k3', NULL, 1700000003, NULL), ('k4', zeroblob(9000), NULL, 'blue'), (5, 5.5, NULL, NULL)";

static int busy_statements(sqlite3 *db) {
    int count = 0;
    for (sqlite3_stmt *stmt = sqlite3_next_stmt(db, NULL); stmt; stmt = sqlite3_next_stmt(db, stmt))
        count += sqlite3_stmt_busy(stmt);
    return count;
}

/* ---- the rules */

/* R1, D6: a SELECT writes nothing. R4: and leaves nothing open. */
static void test_selects(void) {
    for (int mode = 0; mode < 2; mode++) {
        remove_files("select.db");
        sqlite3 *db = open_db("select.db", WRITABLE, "counting");
        sqlite3 *other = open_db("select.db", WRITABLE, NULL);
        run(db, mode ? "PRAGMA journal_mode = wal" : "PRAGMA journal_mode = delete");
        run(db, fill);
        run(db, "SELECT * FROM cache");
        io.writes = 0;
        for (int i = 0; i < SELECTS; i++) {
            const char *got = result(db, selects[i]);
            check("R1", strncmp(got, "error", 5) != 0, selects[i], got);
            check("R1", io.writes == 0, "a SELECT writes to a file", selects[i]);
            check("R4", sqlite3_txn_state(db, NULL) == SQLITE_TXN_NONE, "a read transaction stays open", selects[i]);
            check("R4", busy_statements(db) == 0, "a statement is not reset", selects[i]);
            if (mode) /* would be busy if `db` held a read mark */
                expect("R4", other, "PRAGMA wal_checkpoint(TRUNCATE)", "0 0 0");
            run(other, "REPLACE INTO cache(key, value) VALUES('other', 1)");
        }
        check("R3", sqlite3_close(db) == SQLITE_OK, "sqlite3_close() after use", NULL);
        check("R3", sqlite3_close(other) == SQLITE_OK, "sqlite3_close() after use", NULL);

        sqlite3 *reader = open_db("select.db", SQLITE_OPEN_READONLY, NULL);
        for (int i = 0; i < SELECTS; i++) {
            const char *got = result(reader, selects[i]);
            check("R1", strncmp(got, "error", 5) != 0, selects[i], got);
        }
        check("R3", sqlite3_close(reader) == SQLITE_OK, "sqlite3_close() of a reader", NULL);
    }
}

static int statements_run;
static int count_statement(unsigned event, void *context, void *p, void *x) {
    (void)event;
    (void)context;
    (void)p;
    (void)x;
    statements_run++;
    return 0;
}

static int threads(void) {
    char line[200];
    int count = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        sscanf(line, "Threads: %d", &count);
    if (file)
        fclose(file);
    return count;
}

/* R2: loading is cheap and silent; the L1 takes memory at the first look-up. */
static void test_loading(void) {
    remove_files("load.db");
    sqlite3 *first = open_db("load.db", WRITABLE, NULL);
    run(first, fill);
    sqlite3 *db = open_bare("load.db", WRITABLE, "counting");
    sqlite3_trace_v2(db, SQLITE_TRACE_STMT, count_statement, NULL);
    memset(&io, 0, sizeof io);
    statements_run = 0;
    int threads_before = threads();
    sqlite3_int64 before = sqlite3_memory_used();
    load(db);
    sqlite3_int64 memory = sqlite3_memory_used() - before;
    char text[40];
    snprintf(text, sizeof text, "%lld bytes", (long long)memory);
    check("R2", io.opens + io.reads + io.writes + io.locks == 0, "loading touches a file", NULL);
    check("R2", statements_run == 0, "loading runs SQL", NULL);
    check("R2", memory < 16384, "loading takes memory", text);
    check("R2", threads() == threads_before, "loading starts a thread", NULL);
    printf("R2: a second load takes %s\n", text);
    expect("R2", db, "SELECT json_extract(hybrid_cache_stats('cache'), '$.l1_bytes')", "0");
    expect("R2", db, "SELECT hybrid_cache_get('cache', 5), json_extract(hybrid_cache_stats('cache'), '$.l1_bytes') > 0",
           "5.5 1");
    sqlite3_close(db);
    sqlite3_close(first);
}

static int forbidden;
static int authorize(void *context, int action, const char *a, const char *b, const char *c, const char *d) {
    static const char *const pragmas[] = {"journal_mode", "synchronous", "locking_mode", "busy_timeout"};
    (void)context;
    (void)b;
    (void)c;
    (void)d;
    forbidden += action == SQLITE_ATTACH || action == SQLITE_DETACH;
    for (int i = 0; action == SQLITE_PRAGMA && i < 4; i++)
        forbidden += sqlite3_stricmp(a, pragmas[i]) == 0 || sqlite3_strnicmp(a, "wal_", 4) == 0;
    return SQLITE_OK;
}

/* R5: a node that never ran CREATE has all from L2. R6: settings too. R8: declared types. R9: no ATTACH, no such pragma. */
static void test_connecting(void) {
    testclock_set(1700000000);
    remove_files("a.db");
    sqlite3 *a = open_db("a.db", WRITABLE, NULL);
    sqlite3_set_authorizer(a, authorize, NULL);
    run(a, fill);
    sqlite3 *b = open_db("a.db", WRITABLE, NULL);
    expect("R5", b, "SELECT hybrid_cache_get('cache', 5), hybrid_cache_option('cache', 'clock')", "5.5 caller");
    run(a, "INSERT INTO cache(cache, value) VALUES('l2_entries', 3)");
    expect("R6", b, "REPLACE INTO cache(key, value) VALUES('new', 1); SELECT count(*) FROM cache", "3");
    run(a,
        "INSERT INTO cache(cache, value) VALUES('clock', 'local'); INSERT INTO cache(cache, value) VALUES('ttl', 60)");
    expect("R6", b,
           "REPLACE INTO cache(key, value) VALUES('new', 1); SELECT CAST(ttl AS INTEGER) FROM cache WHERE key = 'new'",
           "60");
    expect("R8", a,
           "SELECT group_concat(DISTINCT type) FROM pragma_table_xinfo('cache') "
           "WHERE upper(type) NOT IN ('', 'TEXT', 'BLOB', 'INTEGER', 'REAL', 'HIDDEN')",
           "NULL");
    for (int i = 0; i < SELECTS; i++)
        result(a, selects[i]);
    run(a, "INSERT INTO cache(cache) VALUES('purge'); INSERT INTO cache(cache) VALUES('check');"
           "INSERT INTO cache(cache) VALUES('rebuild'); ALTER TABLE cache RENAME TO other; DROP TABLE other");
    testclock_release();
    check("R9", forbidden == 0, "an ATTACH, or a pragma of the engine, from inside", NULL);
    check("R3", sqlite3_close(a) == SQLITE_OK && sqlite3_close(b) == SQLITE_OK, "sqlite3_close()", NULL);
}

static const sqlite3_api_routines *real_api;
static int newest_module, modules, functions;
static int capture_api(sqlite3 *db, char **message, const sqlite3_api_routines *api) {
    (void)db;
    (void)message;
    real_api = api;
    return SQLITE_OK;
}
static int seen_module(sqlite3 *db, const char *name, const sqlite3_module *module, void *context,
                       void (*destroy)(void *)) {
    modules++;
    if (module->iVersion > newest_module)
        newest_module = module->iVersion;
    return sqlite3_create_module_v2(db, name, module, context, destroy);
}
static int seen_function(sqlite3 *db, const char *name, int argc, int flags, void *context,
                         void (*call)(sqlite3_context *, int, sqlite3_value **),
                         void (*step)(sqlite3_context *, int, sqlite3_value **), void (*final)(sqlite3_context *),
                         void (*destroy)(void *)) {
    functions++;
    return sqlite3_create_function_v2(db, name, argc, flags, context, call, step, final, destroy);
}

/* R10: what libSQL takes for its own extended struct begins at version 700; 4 is SQLite's newest. */
static void test_module_version(void) {
    typedef int (*Init)(sqlite3 *, char **, const sqlite3_api_routines *);
    sqlite3 *db = NULL;
    char file[400], *message = NULL;
    sqlite3_auto_extension((void (*)(void))capture_api);
    if (sqlite3_open(":memory:", &db) != SQLITE_OK || !real_api)
        die(db, "sqlite3_auto_extension");
    sqlite3_cancel_auto_extension((void (*)(void))capture_api);
    snprintf(file, sizeof file, "%s%s", extension, strstr(extension, ".so") ? "" : ".so");
    void *library = dlopen(file, RTLD_NOW);
    void *symbol = library ? dlsym(library, "sqlite3_hybridcache_init") : NULL;
    Init init = NULL;
    memcpy(&init, &symbol, sizeof init);
    if (!init)
        die(NULL, file);
    static sqlite3_api_routines api;
    api = *real_api;
    api.create_module_v2 = seen_module;
    api.create_function_v2 = seen_function;
    check("R10", init(db, &message, &api) == SQLITE_OK, "init", message);
    check("R10", modules > 0 && functions > 0, "nothing was registered", NULL);
    check("R10", newest_module <= 4, "a module's iVersion is above 4", NULL);
    sqlite3_close(db);
}

/* The rules D1 to D5, D7 and D8 under a clock, with the L1 as it comes: text of all that can be seen. */
static char *determined(double now, int warm) {
    static const char *const statements[] = {
        "INSERT INTO cache(key, value) VALUES('never', 1)",
        "INSERT INTO cache(key, value, expires) VALUES('k1', 'conflict', 1)",
        "INSERT OR IGNORE INTO cache(key, value, expires) VALUES('k1', 'ignored', 1)",
        "UPDATE cache SET value = value || 'u' WHERE key = 'k1'",
        "UPDATE OR REPLACE cache SET key = 'k2' WHERE key = 'k1'",
        "DELETE FROM cache WHERE key = 'k3'",
        "INSERT INTO cache(key, value, ttl) VALUES('t', 1, 60)",
        "UPDATE cache SET ttl = 60 WHERE key = 'k4'",
        "INSERT INTO cache(cache) VALUES('purge')",
        "INSERT INTO cache(cache, value) VALUES('purge', 5)",
        "INSERT INTO cache(key, value, expires) VALUES('p1', 1, 300), ('p2', 1, 100), ('p3', 1, 200), ('p4', 1, 200)",
        "INSERT INTO cache(cache, value, expires) VALUES('purge', 2, 1000)",
        "INSERT INTO cache(cache, value) VALUES('l2_entries', 4)",
        "REPLACE INTO cache(key, value) VALUES('e1', 1), ('e2', 2), ('e3', 3)",
        "INSERT INTO cache(cache, value) VALUES('l2_bytes', 900)",
        "REPLACE INTO cache(key, value) VALUES('big', zeroblob(2000))",
    };
    sqlite3_str *text = sqlite3_str_new(NULL);
    testclock_set(now);
    remove_files("d.db");
    sqlite3 *db = open_db("d.db", WRITABLE, NULL);
    run(db, fill);
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        for (int j = 0; warm && j < SELECTS; j++)
            result(db, selects[j]);
        const char *got = result(db, statements[i]);
        sqlite3_str_appendf(text, "%s => %s, %d\n", statements[i], got, sqlite3_changes(db));
        sqlite3_str_appendf(text, "%s\n", result(db, "SELECT * FROM cache_data ORDER BY id"));
        sqlite3_str_appendf(text, "%s\n",
                            result(db, "SELECT store, seed, options, hex(state) FROM cache_meta WHERE id = 1"));
    }
    sqlite3_close(db);
    testclock_release();
    return sqlite3_str_finish(text);
}

static void test_determined(void) {
    char *first = determined(1000, 0);
    char *others[] = {determined(1700000002.5, 0), determined(4e9, 0), determined(1000, 1), determined(4e9, 1)};
    for (int i = 0; i < 4; i++) {
        check("D8", strcmp(first, others[i]) == 0, "the same statements under another clock, with a warm L1", NULL);
        sqlite3_free(others[i]);
    }
    sqlite3_free(first);

    remove_files("d.db");
    testclock_set(4e9);
    sqlite3 *db = open_db("d.db", WRITABLE, NULL);
    run(db, fill);
    expect("D1", db, "INSERT INTO cache(key, value) VALUES('never', 1); SELECT expires FROM cache WHERE key = 'never'",
           "253402300799");
    const char *refused = result(db, "INSERT INTO cache(key, value, ttl) VALUES('t', 1, 60)");
    check("D2", strstr(refused, "unixepoch('now')") != NULL, "a ttl is refused, and the message says what to write",
          refused);
    refused = result(db, "INSERT INTO cache(cache) VALUES('purge')");
    check("D3", strstr(refused, "needs the time") != NULL, "purge without a time is refused", refused);
    expect(
        "D3", db,
        "INSERT INTO cache(key, value, expires) VALUES('p1', 1, 300), ('p2', 1, 100), ('p3', 1, 200), ('p4', 1, 200);"
        "INSERT INTO cache(cache, value, expires) VALUES('purge', 2, 1000);"
        "SELECT group_concat(key) FROM (SELECT key FROM cache WHERE key GLOB 'p*' ORDER BY key)",
        "p1,p4");
    refused = result(db, "INSERT INTO cache(key, value) VALUES('k1', 2)");
    check("D4", strstr(refused, "UNIQUE") != NULL, "what has expired by the local clock still conflicts", refused);
    expect("D4", db, "UPDATE cache SET value = 3 WHERE key = 'k1'; SELECT changes()", "1");
    expect("D4", db, "DELETE FROM cache WHERE key = 'k1'; SELECT changes()", "1");
    expect("D4", db, "SELECT count(*) FROM cache WHERE key GLOB 'k*'", "3");
    sqlite3_close(db);
    testclock_release();
}

/* D7: an UPDATE goes by L2, whatever the L1 of its connection remembers under coherence=relaxed. */
static void test_relaxed(void) {
    remove_files("relaxed.db");
    sqlite3 *a = open_db("relaxed.db", WRITABLE, NULL);
    sqlite3 *b = open_db("relaxed.db", WRITABLE, NULL);
    run(a, "CREATE VIRTUAL TABLE cache USING hybrid_cache(clock=caller, coherence=relaxed);"
           "INSERT INTO cache(key, value) VALUES('n', 1), ('gone', 1)");
    expect("D7", a, "SELECT value FROM cache WHERE key IN ('n', 'gone')", "1 1");
    run(b, "UPDATE cache SET value = 2 WHERE key = 'n'; DELETE FROM cache WHERE key = 'gone'");
    expect("D7", a, "UPDATE cache SET value = value + 1 WHERE key = 'n'; SELECT value FROM cache_data", "3");
    expect("D7", a, "UPDATE cache SET tag = 'x' WHERE key = 'gone'; SELECT changes()", "0");
    sqlite3_close(a);
    sqlite3_close(b);
}

/* D9: the order in which an UPDATE meets its rows does not follow from statistics that only some connections have. */
static void test_order(void) {
    char *states[2];
    for (int analyzed = 0; analyzed < 2; analyzed++) {
        remove_files("order.db");
        sqlite3 *db = open_db("order.db", WRITABLE, NULL);
        sqlite3 *other = open_db("order.db", WRITABLE, NULL);
        run(db, "CREATE VIRTUAL TABLE cache USING hybrid_cache(clock=caller);"
                "INSERT INTO cache(key, value, expires, tag) VALUES('z', 1, 3, 't'); ANALYZE");
        run(other, "SELECT * FROM cache"); /* learns the statistics of one row, and no later ones */
        run(db,
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60) INSERT INTO cache(key, value,"
            "expires, tag) SELECT 'k' || (i * 37 % 61), i, 1000 - i * 7 % 60, 't' FROM n; ANALYZE");
        sqlite3 *writer = analyzed ? db : other;
        run(writer, "UPDATE cache SET value = value || 'x' WHERE key > '0'");
        run(writer, "UPDATE cache SET value = value || 'x' WHERE expires > 0");
        run(writer, "UPDATE cache SET value = value || 'x' WHERE tag = 't'");
        run(writer, "UPDATE cache SET value = value || 'x'");
        states[analyzed] = sqlite3_mprintf("%s", result(db, "SELECT hex(state) FROM cache_meta WHERE id = 1"));
        sqlite3_close(db);
        sqlite3_close(other);
    }
    check("D9", strcmp(states[0], states[1]) == 0, "an UPDATE of many rows, with and without ANALYZE", NULL);
    sqlite3_free(states[0]);
    sqlite3_free(states[1]);
}

int main(int argc, char **argv) {
    static const char *const names[] = {"select.db", "load.db", "a.db", "d.db", "relaxed.db", "order.db"};
    const char *temporary = getenv("TMPDIR");
    int single = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--single-thread") == 0)
            single = 1;
        else if (strcmp(argv[i], "--extension") == 0 && i + 1 < argc)
            extension = argv[++i];
    }
    if (!extension) {
        fprintf(stderr, "usage: rules --extension FILE [--single-thread]\n");
        return 2;
    }
    if (single && sqlite3_config(SQLITE_CONFIG_SINGLETHREAD) != SQLITE_OK)
        die(NULL, "SQLITE_CONFIG_SINGLETHREAD");
    snprintf(directory, sizeof directory, "%s/rules.XXXXXX", temporary && *temporary ? temporary : "/tmp");
    if (!mkdtemp(directory) || testclock_install() != SQLITE_OK)
        die(NULL, directory);
    register_counting();
    test_selects();
    test_loading();
    test_connecting();
    test_determined();
    test_relaxed();
    test_order();
    test_module_version();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        remove_files(names[i]);
    rmdir(directory);
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}
