/*
** limits.c: more of everything than anybody has: long keys, tags, caches, connections, savepoints, triggers, attached
** files, and numbers at the borders of their types. SOAK=1 goes where minutes and gigabytes are needed.
**
**     HC_EXTENSION=dist/hybrid_cache build/limits/limits
*/
/* mkdtemp() */
#define _DEFAULT_SOURCE
#include "limits.h"

#include <sys/resource.h>
#include <unistd.h>

static char directory[] = "/tmp/hc-limits-XXXXXX";
static char path[512];

static const char *file(const char *name) {
    snprintf(path, sizeof path, "%s/%s", directory, name);
    unlink(path);
    return path;
}

/* --------------------------------------------------------- long keys, values */

static void test_long_keys(void) {
    sqlite3 *db = open_db(":memory:");
    sqlite3_int64 most = limits_soak ? 1000000000 : 10000000;
    must(db, "CREATE VIRTUAL TABLE c USING hybrid_cache(ttl=0)");
    for (sqlite3_int64 n = 1; n <= most; n *= 10) {
        /* The record's limit holds for key and value together. */
        sqlite3_int64 key = n < most || !limits_soak ? n : n - 1000;
        must(db, "INSERT INTO c(key, value) VALUES(zeroblob(%lld), %lld)", key, n);
        CHECK_EQ(number(db, "SELECT hybrid_cache_get('c', zeroblob(%lld))", key), n);
        CHECK_EQ(number(db, "SELECT value FROM c WHERE key = zeroblob(%lld)", key), n);
        must(db, "UPDATE c SET value = value + 1, tag = 'long' WHERE key = zeroblob(%lld)", key);
        CHECK_EQ(number(db, "SELECT hybrid_cache_get('c', zeroblob(%lld))", key), n + 1);
        CHECK_EQ(number(db, "SELECT hybrid_cache_has('c', zeroblob(%lld))", key - 1), 0);
        if (n >= 100000000) { /* one of these at a time */
            must(db, "DELETE FROM c WHERE tag = 'long'");
            must(db, "VACUUM");
        }
    }
    must(db, "INSERT INTO c(c) VALUES('check')");
    must(db, "DELETE FROM c WHERE tag = 'long'");
    CHECK_EQ(number(db, "SELECT count(*) FROM c"), 0);
    sqlite3_close(db);
}

static void test_long_values(void) {
    sqlite3 *db = open_db(":memory:");
    sqlite3_int64 most = limits_soak ? 999999000 : 50000000;
    must(db, "CREATE VIRTUAL TABLE c USING hybrid_cache(ttl=0)");
    must(db, "INSERT INTO c(key, value) VALUES('k', zeroblob(%lld))", most);
    CHECK_EQ(number(db, "SELECT oversize FROM hybrid_cache_stats('c')"), 1);
    CHECK_EQ(number(db, "SELECT length(hybrid_cache_get('c', 'k'))"), most);
    CHECK_EQ(number(db, "SELECT l2_bytes FROM hybrid_cache_stats('c')"), most + 1 + 64);
    must(db, "UPDATE c SET expires = 4000000000"); /* a deadline that a slow machine does not meet */
    CHECK_EQ(number(db, "SELECT length(value) FROM c"), most);
    sqlite3_close(db);
}

/* Values that are past 2^32 only together: the counters of both tiers, their limits, and what these push out. */
static void test_sums(void) {
    enum { VALUES = 7 };
    sqlite3_int64 n = limits_soak ? 700000000 : 1000000, row = n + 8 + 64;
    sqlite3 *db = open_db(file("sums.db"));
    must(db, "PRAGMA page_size = 65536; CREATE VIRTUAL TABLE c USING hybrid_cache(ttl=0, l1_bytes='1048576G'); "
             "SELECT hybrid_cache_memory_limit('1048576G')");
    for (int i = 0; i < VALUES; i++)
        must(db, "INSERT INTO c(key, value) VALUES(%d, zeroblob(%lld))", i, n);
    CHECK_EQ(
        number(db, "SELECT sum(length(hybrid_cache_get('c', column1))) FROM (VALUES(0), (1), (2), (3), (4), (5), (6))"),
        VALUES * n);
    CHECK_EQ(number(db, "SELECT l2_bytes FROM hybrid_cache_stats('c')"), VALUES * row);
    sqlite3_int64 held = number(db, "SELECT l1_bytes FROM hybrid_cache_stats('c')");
    CHECK(held > VALUES * n && held < VALUES * (n + 1000));
    CHECK_EQ(number(db, "SELECT l1_count FROM hybrid_cache_stats('c')"), VALUES);
    must(db, "INSERT INTO c(c) VALUES('check')");
    /* Less memory: each is more than a tenth of it. Then less on disk. */
    must(db, "SELECT hybrid_cache_memory_limit(%lld)", 4 * n);
    CHECK_EQ(number(db, "SELECT l1_bytes FROM hybrid_cache_stats('c')"), 0);
    must(db, "INSERT INTO c(c, value) VALUES('l2_bytes', %lld)", 3 * row);
    CHECK_EQ(number(db, "SELECT l2_count FROM hybrid_cache_stats('c')"), 3);
    CHECK_EQ(number(db, "SELECT l2_bytes FROM hybrid_cache_stats('c')"), 3 * row);
    CHECK_EQ(run(db, "INSERT INTO c(key, value) VALUES('x', zeroblob(%lld))", 3 * row), SQLITE_TOOBIG);
    must(db, "INSERT INTO c(c) VALUES('check')");
    must(db, "INSERT INTO c(c) VALUES('clear')");
    CHECK_EQ(number(db, "SELECT l1_bytes + l2_bytes FROM hybrid_cache_stats('c')"), 0);
    sqlite3_close(db);
}

/* One byte more than SQLite may hold is an error, and nothing is lost or half written. */
static void test_length_limit(void) {
    sqlite3 *db = open_db(":memory:");
    must(db, "CREATE VIRTUAL TABLE c USING hybrid_cache(ttl=0)");
    must(db, "INSERT INTO c(key, value) VALUES('k', 'old')");
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 10000);
    CHECK_EQ(run(db, "REPLACE INTO c(key, value) VALUES('k', zeroblob(9900))"), SQLITE_OK);
    CHECK_EQ(run(db, "REPLACE INTO c(key, value) VALUES('k', zeroblob(10001))"), SQLITE_TOOBIG);
    CHECK_EQ(number(db, "SELECT length(hybrid_cache_get('c', 'k'))"), 9900);
    /* Each fits, the row does not. */
    CHECK_EQ(run(db, "REPLACE INTO c(key, value) VALUES(zeroblob(6000), zeroblob(6000))"), SQLITE_TOOBIG);
    CHECK_EQ(run(db, "UPDATE c SET key = zeroblob(6000) WHERE key = 'k'"), SQLITE_TOOBIG);
    CHECK_EQ(run(db, "UPDATE c SET tag = CAST(zeroblob(6000) AS TEXT)"), SQLITE_TOOBIG);
    CHECK_EQ(number(db, "SELECT length(hybrid_cache_get('c', 'k'))"), 9900);
    CHECK_EQ(number(db, "SELECT hybrid_cache_has('c', zeroblob(6000))"), 0);
    CHECK_EQ(number(db, "SELECT count(*) FROM c WHERE length(value) = 9900 AND tag IS NULL"), 1);
    must(db, "INSERT INTO c(c) VALUES('check')");
    /* Options are a text, too. */
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 100);
    run(db, "INSERT INTO c(c, value) VALUES('ttl', 60)");
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 1000000);
    must(db, "INSERT INTO c(c) VALUES('check')");
    sqlite3_close(db);
}

/* ------------------------------------------------------------ many of a kind */

static void test_tags(void) {
    int tags = limits_soak ? 1000000 : 20000;
    sqlite3 *db = open_db(file("tags.db"));
    must(db, "CREATE VIRTUAL TABLE c USING hybrid_cache(ttl=0)");
    must(db,
         "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
         "INSERT INTO c(key, value, tag) SELECT i, i, 'tag ' || i FROM n",
         tags);
    CHECK_EQ(number(db, "SELECT l2_count FROM hybrid_cache_stats('c')"), tags);
    CHECK_EQ(number(db, "SELECT value FROM c WHERE tag = 'tag %d'", tags / 2), tags / 2);
    must(db, "DELETE FROM c WHERE tag = 'tag %d'", tags / 2);
    CHECK_EQ(number(db, "SELECT hybrid_cache_has('c', %d)", tags / 2), 0);
    CHECK_EQ(number(db, "SELECT count(DISTINCT tag) FROM c"), tags - 1);
    must(db, "INSERT INTO c(c) VALUES('check')");
    sqlite3_close(db);
}

static void test_caches(void) {
    int caches = limits_soak ? 5000 : 300;
    sqlite3 *db = open_db(file("caches.db"));
    /* Each CREATE reads the whole schema, which is some megabytes in the end. */
    must(db, "PRAGMA cache_size = -200000; BEGIN");
    for (int i = 0; i < caches; i++)
        must(db,
             "CREATE VIRTUAL TABLE c%d USING hybrid_cache(ttl=0, l1_bytes='1G'); "
             "INSERT INTO c%d(key, value) VALUES('k', %d)",
             i, i, i);
    must(db, "COMMIT");
    sqlite3_close(db);
    db = open_db(path);
    must(db, "PRAGMA cache_size = -200000");
    sqlite3_int64 before = sqlite3_memory_used();
    for (int twice = 0; twice < 2; twice++) {
        for (int i = 0; i < caches; i++)
            CHECK_EQ(number(db, "SELECT hybrid_cache_get('c%d', 'k')", i), i);
    }
    CHECK_EQ(number(db, "SELECT count(*) FROM hybrid_cache_stats WHERE l1_count = 1 AND gets = 2"), caches);
    /* A quarter of the memory limit is the most that miss-ratio curves take, however many caches there are. */
    sqlite3_int64 each = (sqlite3_memory_used() - before) / caches;
    printf("%d caches in one file: %lld bytes of memory each, when all were read\n", caches, (long long)each);
    must(db, "SELECT hybrid_cache_memory_limit(0)");
    CHECK(sqlite3_memory_used() - before < each * caches);
    /* Others of them change their name or go; a second connection follows. */
    sqlite3 *other = open_db(path);
    CHECK_EQ(number(other, "SELECT hybrid_cache_get('c1', 'k')"), 1);
    for (int i = caches / 10; i < caches; i += caches / 10) {
        must(db, "DROP TABLE c%d", i - 1);
        must(db, "ALTER TABLE c%d RENAME TO renamed%d", i, i);
        CHECK_EQ(number(db, "SELECT hybrid_cache_get('renamed%d', 'k')", i), i);
        CHECK_EQ(number(other, "SELECT hybrid_cache_get('renamed%d', 'k')", i), i);
        CHECK_EQ(number(other, "SELECT hybrid_cache_get('c%d', 'k')", i), -1);
        CHECK_EQ(number(other, "SELECT hybrid_cache_get('c1', 'k')"), 1);
        must(db, "ALTER TABLE renamed%d RENAME TO c%d; CREATE VIRTUAL TABLE c%d USING hybrid_cache(ttl=0)", i, i,
             i - 1);
        CHECK_EQ(number(db, "SELECT hybrid_cache_has('c%d', 'k')", i - 1), 0);
        CHECK_EQ(number(other, "SELECT hybrid_cache_has('c%d', 'k')", i - 1), 0);
    }
    CHECK_EQ(number(other, "SELECT count(*) FROM hybrid_cache_stats"), caches);
    CHECK_EQ(number(other, "SELECT sum(l2_count) FROM hybrid_cache_stats"), caches - 9);
    sqlite3_close(other);
    for (int i = 0; i < caches; i += 2)
        must(db, "DROP TABLE c%d", i);
    CHECK_EQ(number(db, "SELECT count(*) FROM hybrid_cache_stats"), caches - (caches + 1) / 2);
    CHECK_EQ(number(db, "SELECT hybrid_cache_get('c1', 'k')"), 1);
    sqlite3_close(db);
}

static void test_connections(void) {
    int count = limits_soak ? 1000 : 100;
    sqlite3 **db = calloc((size_t)count, sizeof *db);
    struct rlimit files = {.rlim_cur = 4096, .rlim_max = 4096};
    getrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < 4096 && files.rlim_max >= 4096) {
        files.rlim_cur = 4096;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    file("connections.db");
    for (int i = 0; i < count; i++)
        db[i] = open_db(path);
    must(db[0], "PRAGMA journal_mode = WAL; CREATE VIRTUAL TABLE c USING hybrid_cache(ttl=0); "
                "INSERT INTO c(key, value) VALUES('k', 1)");
    for (int round = 1; round <= 3; round++) {
        for (int i = 0; i < count; i++)
            CHECK_EQ(number(db[i], "SELECT hybrid_cache_get('c', 'k')"), round);
        /* Each time another one writes. */
        must(db[count / round - 1], "UPDATE c SET value = %d", round + 1);
    }
    must(db[count - 1], "INSERT INTO c(c) VALUES('check')");
    for (int i = 0; i < count; i++)
        CHECK_EQ(sqlite3_close(db[i]), SQLITE_OK);
    free(db);
}

static void test_attached(void) {
    sqlite3 *db = open_db(":memory:");
    int most = sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, -1);
    for (int i = 0; i < most; i++) {
        must(db, "ATTACH ':memory:' AS a%d", i);
        must(db, "CREATE VIRTUAL TABLE a%d.c USING hybrid_cache; INSERT INTO a%d.c(key, value) VALUES('k', %d)", i, i,
             i);
    }
    CHECK(run(db, "ATTACH ':memory:' AS more") != SQLITE_OK);
    for (int i = 0; i < most; i++)
        CHECK_EQ(number(db, "SELECT hybrid_cache_get('a%d.c', 'k')", i), i);
    CHECK_EQ(number(db, "SELECT hybrid_cache_get('c', 'k')"), 0);
    CHECK_EQ(number(db, "SELECT count(*) FROM hybrid_cache_stats"), most);
    must(db, "DETACH a0");
    CHECK_EQ(number(db, "SELECT hybrid_cache_get('c', 'k')"), 1);
    printf("%d attached databases\n", most);
    sqlite3_close(db);
}

/* -------------------------------------------------------------------- depth */

static void test_savepoints(void) {
    int depth = limits_soak ? 20000 : 2000;
    sqlite3 *db = open_db(":memory:");
    must(db, "CREATE VIRTUAL TABLE c USING hybrid_cache(ttl=0, l1_entries=100000); "
             "INSERT INTO c(key, value) VALUES('k', -5)");
    must(db, "BEGIN");
    for (int i = 0; i < depth; i++)
        must(db, "SAVEPOINT s%d; REPLACE INTO c(key, value) VALUES('k', %d), (%d, %d)", i, i, i, i);
    CHECK_EQ(number(db, "SELECT hybrid_cache_get('c', 'k')"), depth - 1);
    must(db, "ROLLBACK TO s%d", depth / 2);
    CHECK_EQ(number(db, "SELECT hybrid_cache_get('c', 'k')"), depth / 2 - 1);
    CHECK_EQ(number(db, "SELECT hybrid_cache_has('c', %d)", depth / 2), 0);
    for (int i = depth / 2; i > depth / 4; i--)
        must(db, "RELEASE s%d", i);
    must(db, "ROLLBACK TO s%d", depth / 8);
    CHECK_EQ(number(db, "SELECT hybrid_cache_get('c', 'k')"), depth / 8 - 1);
    CHECK_EQ(number(db, "SELECT count(*) FROM c"), depth / 8 + 1);
    must(db, "COMMIT");
    must(db, "INSERT INTO c(c) VALUES('check')");
    CHECK_EQ(number(db, "SELECT count(*) FROM c WHERE hybrid_cache_get('c', key) = value"), depth / 8 + 1);
    sqlite3_close(db);
}

static void test_triggers(void) {
    sqlite3 *db = open_db(":memory:");
    int most = sqlite3_limit(db, SQLITE_LIMIT_TRIGGER_DEPTH, -1);
    must(db,
         "PRAGMA recursive_triggers = 1; CREATE VIRTUAL TABLE c USING hybrid_cache(ttl=0); CREATE TABLE t(n, most); "
         "CREATE TRIGGER r AFTER INSERT ON t BEGIN REPLACE INTO c(key, value) VALUES(new.n, new.n); "
         "INSERT INTO t SELECT new.n + 1, new.most WHERE new.n < new.most; END");
    must(db, "INSERT INTO t VALUES(1, %d)", most - 1);
    CHECK_EQ(number(db, "SELECT count(*) FROM c WHERE hybrid_cache_get('c', key) = value"), most - 1);
    CHECK(run(db, "INSERT INTO t VALUES(%d, %d)", most, 3 * most) != SQLITE_OK);
    CHECK_EQ(number(db, "SELECT count(*) FROM c"), most - 1);
    CHECK_EQ(number(db, "SELECT hybrid_cache_has('c', %d)", most), 0);
    must(db, "INSERT INTO c(c) VALUES('check')");
    sqlite3_close(db);
}

/* ------------------------------------------------------------------- borders */

static const char *const borders[] = {
    "0",
    "1",
    "-1",
    "2147483647",
    "2147483648",
    "-2147483648",
    "4294967295",
    "4294967296",
    "9007199254740992",
    "9007199254740993",
    "1000000000000",
    "1000000000001",
    "253402300799",
    "253402300800",
    "1125899906842624",
    "1125899906842625",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "1e18",
    "9e18",
    "1e19",
    "1e308",
    "9e999",
    "-9e999",
    "0.5",
    "-0.0",
    "1e-9",
    "1e-320",
};
enum { BORDERS = sizeof borders / sizeof borders[0] };

/* Taken or refused; afterwards the cache works. */
static void works(sqlite3 *db, const char *after) {
    int rc = run(db, "REPLACE INTO c(key, value, expires) VALUES('w', 'w', 253402300799)");
    if (!CHECK(rc == SQLITE_OK || rc == SQLITE_TOOBIG))
        printf("  after %s: %s\n", after, sqlite3_errmsg(db));
    number(db, "SELECT hybrid_cache_get('c', 'w')");
    if (!CHECK_EQ(run(db, "INSERT INTO c(c) VALUES('check')"), SQLITE_OK))
        printf("  after %s: %s\n", after, sqlite3_errmsg(db));
}

static void test_option_borders(void) {
    sqlite3 *db = open_db(":memory:");
    static const char *const options[] = {"ttl",    "l1_ttl", "l1_entries", "l1_bytes",  "l2_entries", "l2_bytes",
                                          "jitter", "grace",  "eviction",   "coherence", "on_error",   "clock"};
    int taken = 0;
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        for (int j = 0; j < BORDERS; j++) {
            must(db, "CREATE VIRTUAL TABLE c USING hybrid_cache");
            char *name = sqlite3_mprintf("%s = %s", options[i], borders[j]);
            int set = run(db, "INSERT INTO c(c, value) VALUES('%s', %s)", options[i], borders[j]) == SQLITE_OK;
            works(db, name);
            /* What the command takes, CREATE takes: the same number, as text. */
            must(db, "DROP TABLE c");
            if (run(db, "CREATE VIRTUAL TABLE c USING hybrid_cache(%s='%s')", options[i], borders[j]) == SQLITE_OK) {
                works(db, name);
                must(db, "DROP TABLE c");
            }
            taken += set;
            sqlite3_free(name);
        }
    }
    /* ttl, l1_ttl and grace take 15 of them, the counts 10 and 13 or so, jitter 3, a choice none. */
    CHECK(taken > 50 && taken < 200);
    sqlite3_close(db);
}

static void test_command_borders(void) {
    sqlite3 *db = open_db(":memory:");
    must(db, "CREATE VIRTUAL TABLE c USING hybrid_cache(grace=100)");
    for (int i = 0; i < BORDERS; i++) {
        run(db, "INSERT INTO c(c, value) VALUES('purge', %s)", borders[i]);
        works(db, borders[i]);
        run(db, "INSERT INTO c(c, value, expires) VALUES('purge', 5, %s)", borders[i]);
        works(db, borders[i]);
        CHECK_EQ(number(db, "SELECT hybrid_cache_has('c', 'w')"), 1); /* it never expires */
        run(db, "INSERT INTO c(c) VALUES(%s)", borders[i]);
        works(db, borders[i]);
    }
    sqlite3_close(db);
}

static void test_row_borders(void) {
    sqlite3 *db = open_db(":memory:");
    must(db, "CREATE VIRTUAL TABLE c USING hybrid_cache(grace=100, jitter=0.5)");
    for (int i = 0; i < BORDERS; i++) {
        for (int j = 0; j < BORDERS; j++) {
            run(db, "REPLACE INTO c(key, value, ttl) VALUES(%s, 'v', %s)", borders[i], borders[j]);
            run(db, "REPLACE INTO c(key, value, expires) VALUES(%s, %s, %s)", borders[j], borders[i], borders[i]);
            run(db, "UPDATE c SET ttl = %s WHERE key = %s", borders[i], borders[j]);
            number(db, "SELECT hybrid_cache_ttl('c', %s) + hybrid_cache_stale('c', %s)", borders[j], borders[j]);
        }
        number(db, "SELECT count(*) FROM c WHERE expires < %s AND key > %s", borders[i], borders[i]);
        works(db, borders[i]);
    }
    CHECK_EQ(number(db, "SELECT count(*) FROM c WHERE value IS NOT hybrid_cache_get('c', key)"), 0);
    sqlite3_close(db);
}

int main(int argc, char **argv) {
    (void)argc;
    if (!mkdtemp(directory))
        return 2;
    limits_begin(argv);
    TIMED(test_long_keys);
    TIMED(test_long_values);
    TIMED(test_sums);
    TIMED(test_length_limit);
    TIMED(test_tags);
    TIMED(test_caches);
    TIMED(test_connections);
    TIMED(test_attached);
    TIMED(test_savepoints);
    TIMED(test_triggers);
    TIMED(test_option_borders);
    TIMED(test_command_borders);
    TIMED(test_row_borders);
    char command[sizeof directory + 16];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    if (system(command) != 0)
        printf("%s stays behind\n", directory);
    return unit_end();
}
