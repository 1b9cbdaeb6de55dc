/*
** large.c: a SQLite whose own limits are as high as they go: lengths up to 2^31-1, 125 attached databases.
**
**     build/limits/large
**
** Debian's SQLite refuses what is longer than 10^9 before anybody else sees it. This one is built for the test, of the
** amalgamation of the suite `versions`, and the extension is part of the program, with the sanitizers: an int that is
** too small stops it. A plain table stands beside the cache: what that takes the cache takes, short of a few bytes
** for its own columns. Gigabytes of memory and disk with SOAK=1.
*/
/* mkdtemp(), MAP_ANONYMOUS */
#define _DEFAULT_SOURCE
#include "limits.h"

#include "hybrid_cache.h"
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define MOST 2147483647
/* SQLite's allocator gives no more in one piece. */
#define PIECE 2147483391
/* The columns of the cache's row that a plain row has not: below the limit by so much, both take it. */
#define ROW 200

static char directory[] = "/tmp/hc-large-XXXXXX";
static char path[512];
static unsigned char *bytes; /* MOST zeros that take no memory */

static sqlite3 *open_large(const char *name) {
    snprintf(path, sizeof path, "%s/%s", directory, name);
    unlink(path);
    sqlite3 *db = unit_open(*name == ':' ? name : path);
    must(db, "PRAGMA page_size = 65536; PRAGMA synchronous = OFF");
    return db;
}

/* Runs it with a blob or text of n bytes in place of ?1. */
static int run_bound(sqlite3 *db, const char *sql, sqlite3_uint64 n, int is_text) {
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = is_text ? sqlite3_bind_text64(stmt, 1, (char *)bytes, n, SQLITE_STATIC, SQLITE_UTF8)
                     : sqlite3_bind_blob64(stmt, 1, bytes, n, SQLITE_STATIC);
    while (rc == SQLITE_OK)
        rc = sqlite3_step(stmt) == SQLITE_ROW ? SQLITE_OK : sqlite3_errcode(db);
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc & 0xff;
}

/* ----------------------------------------------------------------- lengths */

/* The blob that a query returns is the one that was bound: the length, and the ends. */
static void check_blob(sqlite3 *db, const char *sql, sqlite3_int64 n) {
    sqlite3_stmt *stmt = NULL;
    CHECK_EQ(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    if (CHECK_EQ(sqlite3_step(stmt), SQLITE_ROW)) {
        const unsigned char *blob = sqlite3_column_blob(stmt, 0);
        CHECK_EQ(sqlite3_column_bytes(stmt, 0), n);
        CHECK(blob && blob[0] == 'A' && blob[n - 1] == (unsigned char)n && blob[n / 2] == 0);
    } else {
        printf("  %s, %lld bytes: %s\n", sql, (long long)n, sqlite3_errmsg(db));
    }
    sqlite3_finalize(stmt);
}

/* One column of n bytes in both tables, then without it again. */
static void test_length_of(sqlite3 *db, const char *column, sqlite3_int64 n) {
    char insert[2][128];
    int is_value = strcmp(column, "value") == 0, is_tag = strcmp(column, "tag") == 0;
    for (int cache = 0; cache < 2; cache++)
        snprintf(insert[cache], sizeof insert[cache], "INSERT INTO %s(%s%s) VALUES(?1%s)", cache ? "c" : "plain",
                 column, is_value || is_tag ? ", key" : "", is_value || is_tag ? ", 1" : "");
    bytes[0] = is_tag ? 0 : 'A';
    bytes[n - 1] = is_tag ? 0 : (unsigned char)n;
    int plain = run_bound(db, insert[0], (sqlite3_uint64)n, is_tag);
    must(db, "DELETE FROM plain");
    int rc = run_bound(db, insert[1], (sqlite3_uint64)n, is_tag);
    printf("%s of %lld bytes: the table says %d, the cache %d\n", column, (long long)n, plain, rc);
    fflush(stdout);
    CHECK(rc == SQLITE_OK || rc == SQLITE_TOOBIG || rc == SQLITE_NOMEM);
    CHECK(rc == plain || (n > PIECE - ROW && plain == SQLITE_OK));
    CHECK_EQ(number(db, "SELECT l2_count FROM hybrid_cache_stats('c')"), rc == SQLITE_OK);
    CHECK_EQ(number(db, "SELECT l2_bytes FROM hybrid_cache_stats('c')"),
             rc == SQLITE_OK ? n + 64 + (is_tag || is_value ? 8 : 0) : 0);
    if (rc == SQLITE_OK) {
        if (is_value && n < PIECE - ROW) {
            check_blob(db, "SELECT hybrid_cache_get('c', 1)", n);
            check_blob(db, "SELECT value FROM c WHERE key = 1", n);
            check_blob(db, "SELECT value FROM c", n);
        } else if (!is_value && !is_tag && n < PIECE - ROW) {
            check_blob(db, "SELECT key FROM c", n);
            CHECK_EQ(run_bound(db, "UPDATE c SET value = 'v' WHERE key = ?1", (sqlite3_uint64)n, 0), SQLITE_OK);
            CHECK_EQ(number(db, "SELECT l2_bytes FROM hybrid_cache_stats('c')"), n + 1 + 64);
        }
        must(db, "UPDATE c SET expires = 4000000000");
        must(db, "INSERT INTO c(c) VALUES('check')");
        must(db, "DELETE FROM c");
    }
    must(db, "INSERT INTO c(c) VALUES('check')");
    bytes[n - 1] = 0;
}

static sqlite3 *open_lengths(void) {
    sqlite3 *db = open_large("lengths.db");
    must(db, "CREATE TABLE plain(key UNIQUE, tag, value); CREATE INDEX i ON plain(tag); "
             "CREATE VIRTUAL TABLE c USING hybrid_cache(ttl=0)");
    return db;
}

/* The bounded form takes the first of each, which is refused. */
static void test_values(void) {
    static const sqlite3_int64 n[] = {MOST, PIECE + 1, PIECE - 40, PIECE - ROW - 1, 1 << 30};
    sqlite3 *db = open_lengths();
    for (int i = 0; i < (limits_soak ? 5 : 1); i++)
        test_length_of(db, "value", n[i]);
    sqlite3_close(db);
}

static void test_keys(void) {
    static const sqlite3_int64 n[] = {MOST, PIECE - ROW - 1};
    sqlite3 *db = open_lengths();
    for (int i = 0; i < (limits_soak ? 2 : 1); i++)
        test_length_of(db, "key", n[i]);
    sqlite3_close(db);
}

/* Half as long: a tag is copied more often, and by SQLite into two records. */
static void test_tags(void) {
    static const sqlite3_int64 n[] = {MOST, 1 << 30};
    sqlite3 *db = open_lengths();
    for (int i = 0; i < (limits_soak ? 2 : 1); i++)
        test_length_of(db, "tag", n[i]);
    sqlite3_close(db);
}

static void test_too_long(void) {
    sqlite3 *db = open_lengths();
    /* Beyond the type: refused before anybody sees it. */
    CHECK_EQ(run_bound(db, "INSERT INTO c(key, value) VALUES(1, ?1)", (sqlite3_uint64)MOST + 1, 0), SQLITE_TOOBIG);
    CHECK(run(db, "INSERT INTO c(key, value) VALUES(1, zeroblob(2147483648))") != SQLITE_OK);
    CHECK(run(db, "INSERT INTO c(key, value) VALUES(1, zeroblob(2147483647))") != SQLITE_OK);
    /* Three parts that fit each, and not together. */
    CHECK_EQ(run_bound(db, "INSERT INTO c(key, value, tag) VALUES(?1, ?1, CAST(?1 AS TEXT))",
                       limits_soak ? 800000000 : 0, 0),
             limits_soak ? SQLITE_TOOBIG : SQLITE_OK);
    must(db, "INSERT INTO c(c) VALUES('clear'); INSERT INTO c(c) VALUES('check')");
    sqlite3_close(db);
}

/* Where a short text is meant: names, options, commands, patterns. */
static void test_long_words(void) {
    static const char *const statements[] = {
        "SELECT hybrid_cache_get(?1, 1)",
        "SELECT hybrid_cache_option('c', ?1)",
        "SELECT hybrid_cache_memory_limit(?1)",
        "SELECT count(*) FROM hybrid_cache_stats(?1)",
        "INSERT INTO c(c) VALUES(?1)",
        "INSERT INTO c(c, value) VALUES('ttl', ?1)",
        "INSERT INTO c(c, value) VALUES('eviction', ?1)",
        "INSERT INTO c(c, value) VALUES('l2_bytes', ?1)",
        "INSERT INTO c(key, value, expires) VALUES('k', 1, ?1)",
        "INSERT INTO c(key, value, ttl) VALUES('k', 1, ?1)",
        "SELECT count(*) FROM c WHERE key GLOB ?1",
        "SELECT count(*) FROM c WHERE key > ?1",
    };
    sqlite3_uint64 n = limits_soak ? MOST - 100 : 10000000;
    sqlite3 *db = open_large(":memory:");
    must(db, "CREATE VIRTUAL TABLE c USING hybrid_cache(ttl=0); INSERT INTO c(key, value) VALUES('a', 1)");
    /* A number with as many digits as a text can have, and an exponent that goes on where they end. */
    memset(bytes, '0', n);
    bytes[1] = '.';
    memcpy(bytes + n - 6, "1e-999", 6);
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        int rc = run_bound(db, statements[i], n, 1);
        printf("%s, %lld bytes: %d\n", statements[i], (long long)n, rc);
        /* Only a pattern, a bound and a number of seconds can be that long; to SQLite that number is 0. */
        int can_be = strncmp(statements[i], "SELECT count(*) FROM c ", 23) == 0 || strstr(statements[i], ", ttl)");
        CHECK(can_be || rc != SQLITE_OK);
    }
    CHECK_EQ(number(db, "SELECT count(*) FROM c WHERE value IS NOT hybrid_cache_get('c', key)"), 0);
    must(db, "INSERT INTO c(c) VALUES('check')");
    sqlite3_close(db);
}

/* ---------------------------------------------------------------- attached */

enum { ATTACHED = 125 };

/* A number from each of the caches: all the same one. */
static void expect_all(sqlite3 *db, const char *key, int right) {
    for (int i = 0; i < ATTACHED; i++) {
        if (!CHECK_EQ(number(db, "SELECT hybrid_cache_get('a%d.c', '%s')", i, key), right))
            break;
        CHECK_EQ(number(db, "SELECT value FROM a%d.c WHERE key = '%s'", i, key), right);
    }
}

static void write_all(sqlite3 *db, const char *key, int value) {
    for (int i = 0; i < ATTACHED; i++)
        must(db, "REPLACE INTO a%d.c(key, value) VALUES('%s', %d)", i, key, value);
}

static sqlite3 *attach_all(const char *journal) {
    sqlite3 *db = open_large(":memory:");
    CHECK_EQ(sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, -1), ATTACHED);
    for (int i = 0; i < ATTACHED; i++)
        must(db, "ATTACH '%s/%s%d.db' AS a%d; PRAGMA a%d.journal_mode = %s; PRAGMA a%d.synchronous = OFF", directory,
             journal, i, i, i, journal, i);
    CHECK(run(db, "ATTACH ':memory:' AS more") != SQLITE_OK);
    return db;
}

static void attached(const char *journal) {
    sqlite3 *db = attach_all(journal);
    must(db, "BEGIN");
    for (int i = 0; i < ATTACHED; i++)
        must(db, "CREATE VIRTUAL TABLE a%d.c USING hybrid_cache(ttl=0)", i);
    must(db, "COMMIT");
    sqlite3 *other = attach_all(journal);
    must(db, "BEGIN");
    write_all(db, "k", 1);
    must(db, "COMMIT");
    expect_all(db, "k", 1);
    expect_all(other, "k", 1);
    /* One transaction over all, undone in part, then as a whole. */
    must(db, "BEGIN");
    write_all(db, "k", 2);
    must(db, "SAVEPOINT s");
    write_all(db, "k", 3);
    expect_all(db, "k", 3);
    must(db, "ROLLBACK TO s");
    expect_all(db, "k", 2);
    expect_all(other, "k", 1);
    must(db, "ROLLBACK");
    expect_all(db, "k", 1);
    /* The other one commits to all at once; and then to the last alone. */
    must(other, "BEGIN");
    write_all(other, "k", 4);
    must(other, "COMMIT");
    expect_all(db, "k", 4);
    must(other, "UPDATE a%d.c SET value = 5", ATTACHED - 1);
    CHECK_EQ(number(db, "SELECT hybrid_cache_get('a%d.c', 'k')", ATTACHED - 1), 5);
    CHECK_EQ(number(db, "SELECT hybrid_cache_get('c', 'k')"), 4); /* the first that was attached */
    CHECK_EQ(number(db, "SELECT count(*) FROM hybrid_cache_stats WHERE l2_count = 1"), ATTACHED);
    for (int i = 0; i < ATTACHED; i++)
        must(db, "INSERT INTO a%d.c(c) VALUES('check')", i);
    must(db, "DETACH a0");
    CHECK_EQ(number(db, "SELECT count(*) FROM hybrid_cache_stats"), ATTACHED - 1);
    CHECK_EQ(sqlite3_close(db), SQLITE_OK);
    CHECK_EQ(sqlite3_close(other), SQLITE_OK);
}

static void test_attached(void) {
    struct rlimit files = {.rlim_cur = 4096, .rlim_max = 4096};
    getrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < 4096 && files.rlim_max >= 4096) {
        files.rlim_cur = 4096;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    attached("wal");
    attached("delete");
    printf("%d attached databases, each with a cache, WAL and DELETE\n", ATTACHED);
}

int main(int argc, char **argv) {
    (void)argc;
    bytes = mmap(NULL, MOST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (bytes == MAP_FAILED || !mkdtemp(directory))
        return 2;
    limits_begin(argv);
    sqlite3_auto_extension((void (*)(void))sqlite3_hybridcache_init);
    TIMED(test_attached);
    TIMED(test_values);
    TIMED(test_keys);
    TIMED(test_tags);
    TIMED(test_too_long);
    TIMED(test_long_words);
    char command[sizeof directory + 16];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    if (system(command) != 0)
        printf("%s stays behind\n", directory);
    return unit_end();
}
