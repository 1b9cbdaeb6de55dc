/*
** flips.c: every bit of the stored rows, flipped one at a time.
**
** The database is an image in memory whose page with the rows is known. For each bit of the part of that page which
** holds the rows, and in the long form of their overflow pages as well:
**
**   cold   the file is opened with the bit flipped. Each key has its value or is a counted miss, by function and by
**          look-up; a scan shows only rows that were stored, in all their columns; a touch changes nothing of that.
**   warm   the bit flips beneath a connection whose L1 is warm, which then touches the entries.
**
** Prints what was found for how many bits.
*/
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hybrid_cache.h"
#include "testclock.h"

#define ROWS 6

static const struct {
    const char *key, *value, *tag;
} rows[ROWS] = {
    {"'key'", "'a value'", "'tag'"},
    {"'k' || hex(zeroblob(35)) || 'zzzz'", "hex(zeroblob(4500))", "NULL"}, /* header of 12 bytes, overflow pages */
    {"7", "2.5", "'t'"},
    {"x'0102'", "x'030405'", "NULL"},
    {"1.5", "NULL", "'tag'"},
    {"''", "1234567890123", "''"},
};
/*
** The clock stands still. With this deadline a header that one bit cuts short leaves a row without a checksum whose
** other columns look right: four bytes of the key become the deadline, two of the deadline the size. (SQLite refuses
** it, since a part of the record is then left over.)
*/
#define NOW 1800000000.0
#define DEADLINE 2000000000

static unsigned char *image;
static sqlite3_int64 image_size;
static long bits, wrong, counted, harmless, refused;

static void die(const char *what, sqlite3 *db) {
    fprintf(stderr, "%s: %s\n", what, db ? sqlite3_errmsg(db) : "");
    exit(2);
}

static sqlite3 *open_image(unsigned char *bytes) {
    sqlite3 *db;
    if (sqlite3_open(":memory:", &db) != SQLITE_OK || sqlite3_hybridcache_init(db, NULL, NULL) != SQLITE_OK)
        die("open", db);
    /* Nothing of the file is kept: what is flipped is seen. */
    sqlite3_exec(db, "PRAGMA cache_size = 0; PRAGMA mmap_size = 0", NULL, NULL, NULL);
    if (bytes && sqlite3_deserialize(db, "main", bytes, image_size, image_size, 0) != SQLITE_OK)
        die("deserialize", db);
    return db;
}

static sqlite3_int64 number(sqlite3 *db, const char *sql) {
    sqlite3_stmt *stmt = NULL;
    sqlite3_int64 result = -1;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
        result = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return result;
}

static void complain(long at, int bit, const char *what, sqlite3_stmt *stmt) {
    if (wrong++ < 10) {
        printf("byte %ld bit %d: %s:", at, bit, what);
        for (int i = 0; i < sqlite3_column_count(stmt); i++)
            printf(" %.60s",
                   sqlite3_column_type(stmt, i) == SQLITE_NULL ? "NULL" : (const char *)sqlite3_column_text(stmt, i));
        printf("\n");
    }
}

/* All statements are made once: the image has the same schema each time, but a connection of its own. */
typedef struct Questions {
    sqlite3_stmt *get, *row, *scan;
} Questions;

static void prepare(sqlite3 *db, Questions *ask) {
    char *sql = sqlite3_mprintf("WITH e(n, key, value, tag) AS (VALUES");
    for (int i = 0; i < ROWS; i++)
        sql = sqlite3_mprintf("%z%s(%d, %s, %s, %s)", sql, i ? ", " : "", i, rows[i].key, rows[i].value, rows[i].tag);
    char *get = sqlite3_mprintf("%s) SELECT n, hybrid_cache_get('cache', key, x'00') IS x'00', "
                                "hybrid_cache_get('cache', key, x'00') IS value AND hybrid_cache_ttl('cache', key) > 1 "
                                "FROM e",
                                sql);
    /* The rows of the cache that are none of those stored. A touched one has another deadline. */
    char *scan =
        sqlite3_mprintf("%s) SELECT substr(key, 1, 20), substr(value, 1, 20), expires, tag FROM cache AS c WHERE "
                        "NOT EXISTS (SELECT 1 FROM e WHERE c.key IS e.key AND c.value IS e.value AND c.tag IS "
                        "e.tag AND c.expires IN (%lld, %lld))",
                        sql, (sqlite3_int64)DEADLINE, (sqlite3_int64)DEADLINE + 1);
    char *row =
        sqlite3_mprintf("%s) SELECT substr(c.key, 1, 20), substr(c.value, 1, 20), c.expires, c.tag FROM e CROSS "
                        "JOIN cache AS c ON c.key = e.key WHERE NOT (c.value IS e.value AND c.tag IS e.tag AND "
                        "c.expires IN (%lld, %lld))",
                        sql, (sqlite3_int64)DEADLINE, (sqlite3_int64)DEADLINE + 1);
    memset(ask, 0, sizeof *ask);
    sqlite3_prepare_v2(db, get, -1, &ask->get, NULL);
    sqlite3_prepare_v2(db, row, -1, &ask->row, NULL);
    sqlite3_prepare_v2(db, scan, -1, &ask->scan, NULL);
    sqlite3_free(get);
    sqlite3_free(row);
    sqlite3_free(scan);
    sqlite3_free(sql);
}

/* 0 = all answers right, 1 = some were counted misses. */
static int judge(sqlite3 *db, long at, int bit, const char *when) {
    Questions ask;
    int misses = 0;
    char what[64];
    prepare(db, &ask);
    while (ask.get && sqlite3_step(ask.get) == SQLITE_ROW) {
        snprintf(what, sizeof what, "%s, the function, row", when);
        if (sqlite3_column_int(ask.get, 1))
            misses++;
        else if (!sqlite3_column_int(ask.get, 2))
            complain(at, bit, what, ask.get);
    }
    snprintf(what, sizeof what, "%s, a look-up", when);
    while (ask.row && sqlite3_step(ask.row) == SQLITE_ROW)
        complain(at, bit, what, ask.row);
    snprintf(what, sizeof what, "%s, a scan", when);
    while (ask.scan && sqlite3_step(ask.scan) == SQLITE_ROW)
        complain(at, bit, what, ask.scan);
    if (!ask.get)
        refused++;
    else if (misses && number(db, "SELECT sum(corrupt + l2_errors) FROM hybrid_cache_stats") < 1) {
        snprintf(what, sizeof what, "%s, %d misses, none counted", when, misses);
        complain(at, bit, what, ask.get);
    }
    sqlite3_finalize(ask.get);
    sqlite3_finalize(ask.row);
    sqlite3_finalize(ask.scan);
    return misses > 0;
}

/* Writes the deadline or the value, and leaves the rest as it is. */
static void touch(sqlite3 *db, int value) {
    for (int i = 0; i < ROWS; i++) {
        char *sql = value ? sqlite3_mprintf("UPDATE cache SET value = %s WHERE key = %s", rows[i].value, rows[i].key)
                          : sqlite3_mprintf("UPDATE cache SET expires = %lld WHERE key = %s",
                                            (sqlite3_int64)DEADLINE + 1, rows[i].key);
        sqlite3_exec(db, sql, NULL, NULL, NULL);
        sqlite3_free(sql);
    }
}

static void flip(long at, int bit) {
    static unsigned char *copy;
    if (!copy && !(copy = malloc((size_t)image_size)))
        die("memory", NULL);
    bits++;
    memcpy(copy, image, (size_t)image_size);
    copy[at] ^= (unsigned char)(1 << bit);
    sqlite3 *db = open_image(copy);
    int missed = judge(db, at, bit, "cold");
    touch(db, bit & 1);
    missed |= judge(db, at, bit, "cold, touched");
    sqlite3_close(db);

    memcpy(copy, image, (size_t)image_size);
    db = open_image(copy);
    if (judge(db, at, bit, "before"))
        die("a miss before anything was flipped", db);
    copy[at] ^= (unsigned char)(1 << bit);
    sqlite3_db_release_memory(db);
    missed |= judge(db, at, bit, "warm");
    touch(db, bit & 1);
    missed |= judge(db, at, bit, "warm, touched");
    touch(db, !(bit & 1));
    missed |= judge(db, at, bit, "warm, touched twice");
    sqlite3_close(db);
    if (missed)
        counted++;
    else
        harmless++;
}

static void make_image(void) {
    sqlite3 *db = open_image(NULL);
    char *sql = sqlite3_mprintf("PRAGMA page_size = 4096; CREATE VIRTUAL TABLE cache USING hybrid_cache;");
    for (int i = 0; i < ROWS; i++)
        sql = sqlite3_mprintf("%zINSERT INTO cache(key, value, tag, expires) VALUES(%s, %s, %s, %lld);", sql,
                              rows[i].key, rows[i].value, rows[i].tag, (sqlite3_int64)DEADLINE);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        die("create", db);
    sqlite3_free(sql);
    image = sqlite3_serialize(db, "main", &image_size, 0);
    long page = (long)number(db, "SELECT rootpage FROM sqlite_master WHERE name = 'cache_data'");
    sqlite3_close(db);
    if (!image)
        die("serialize", NULL);
    unsigned char *leaf = image + (page - 1) * 4096;
    long first = leaf[5] * 256 + leaf[6];
    const char *soak = getenv("SOAK");
    int all = soak && *soak;
    for (long at = first; at < 4096; at++) {
        /* Of the long value that begins in this page, not every byte. */
        if (!all && leaf[at] == '0' && leaf[at - 1] == '0' && leaf[at - 2] == '0' && at % 64)
            continue;
        for (int bit = 0; bit < 8; bit++)
            flip((page - 1) * 4096 + at, bit);
    }
    if (all) {
        for (long at = 0; at < (long)image_size; at++) {
            if (at / 4096 + 1 != page && at >= 100)
                flip(at, (int)(at % 8));
        }
    }
}

int main(void) {
    sqlite3_initialize();
    testclock_install();
    testclock_set(NOW);
    make_image();
    sqlite3_free(image);
    printf("%ld bits: %ld made a counted miss, %ld changed no answer, %ld made SQLite refuse, %ld a wrong answer\n",
           bits, counted, harmless, refused, wrong);
    printf("%d passed, %d failed\n", wrong == 0, wrong != 0);
    return wrong != 0;
}
