/*
** numbers.c: numbers at the borders of their types in every column and every word of the storage.
**
** Who can write the file can write any number. Whatever the cache then does with it, sums and differences must stay
** inside their types (the sanitizers look), and after `rebuild` the cache works: `check` passes, an entry that is put is
** read, the counters count. Each number meets an L1 that is cold, one that is warm, and one that noticed nothing,
** since the triggers of the storage were off.
*/
#include "../unit/unit.h"

#include "hybrid_cache.h"

static const char *const borders[] = {
    "0",
    "1",
    "-1",
    "2147483647",
    "2147483648",
    "4294967296",
    "1099511627776",
    "1152921504606846975",
    "1152921504606846977",
    "9223372036854775806",
    "9223372036854775807",
    "-9223372036854775807",
    "-9223372036854775807 - 1",
    "1e18",
    "9e999",
    "-9e999",
    "NULL",
    "'9223372036854775807'",
};

/* Where a number is put; in `state`, at which word. */
static const struct {
    const char *table, *column;
    int word;
} places[] = {
    {"data", "id", -1},   {"data", "expires", -1}, {"data", "due", -1},    {"data", "size", -1},
    {"data", "used", -1}, {"data", "sum", -1},     {"meta", "format", -1}, {"meta", "store", -1},
    {"meta", "seed", -1}, {"meta", "changes", -1}, {"meta", "state", 0},   {"meta", "state", 1},
    {"meta", "state", 2}, {"meta", "state", 3},    {"meta", "state", 4},   {"meta", "state", 5},
    {"meta", "state", 6}, {"meta", "state", 264},
};

static const char *const statements[] = {
    "SELECT hybrid_cache_get('c', 'a'), hybrid_cache_ttl('c', 'b'), hybrid_cache_stale('c', 'a')",
    "SELECT count(*) FROM c WHERE expires > 5",
    "UPDATE c SET tag = 'a tag that is longer than nothing' WHERE key = 'a'",
    "UPDATE c SET expires = 4e9 WHERE key = 'a'",
    "UPDATE c SET value = 'w', tag = NULL WHERE key = 'a'",
    "UPDATE OR REPLACE c SET key = 'b' WHERE key = 'a'",
    "INSERT INTO c(key, value) VALUES('n', 1)",
    "BEGIN",
    "REPLACE INTO c(key, value) VALUES('a', 'x'), ('b', 'y')",
    "SAVEPOINT s",
    "DELETE FROM c WHERE key = 'b'",
    "ROLLBACK TO s",
    "COMMIT",
    "SELECT sum(l2_count), sum(l2_bytes), sum(last_purge) FROM hybrid_cache_stats",
    "INSERT INTO c(c, value) VALUES('purge', 9223372036854775807)",
    "INSERT INTO c(c, value) VALUES('l2_bytes', 200)",
    "INSERT INTO c(key, value) VALUES('m', 1)",
    "INSERT INTO c(c, value) VALUES('l2_entries', 1)",
    "INSERT INTO c(c) VALUES('check')",
};

static long tried;

/* What does not fit may be refused. */
static void run(sqlite3 *db, const char *sql) {
    sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static sqlite3_int64 number(sqlite3 *db, const char *sql) {
    sqlite3_stmt *stmt = NULL;
    sqlite3_int64 result = -1;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
        result = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return result;
}

/* The words of `state` are little-endian. */
static void put_word(sqlite3_context *context, int argc, sqlite3_value **argv) {
    unsigned char *state = sqlite3_malloc(sqlite3_value_bytes(argv[0]));
    int n = sqlite3_value_bytes(argv[0]), at = sqlite3_value_int(argv[1]) * 8;
    sqlite3_uint64 word = (sqlite3_uint64)sqlite3_value_int64(argv[2]);
    (void)argc;
    memcpy(state, sqlite3_value_blob(argv[0]), (size_t)n);
    for (int i = 0; i < 8 && at + i < n; i++)
        state[at + i] = (unsigned char)(word >> (8 * i));
    sqlite3_result_blob(context, state, n, sqlite3_free);
}

enum { COLD, WARM, UNNOTICED, STATES };

static void put(int place, const char *border, int l1) {
    sqlite3 *db = unit_open(":memory:");
    sqlite3_hybridcache_init(db, NULL, NULL);
    sqlite3_create_function(db, "put_word", 3, SQLITE_UTF8, NULL, put_word, NULL, NULL);
    unit_exec(db, "CREATE VIRTUAL TABLE c USING hybrid_cache(ttl=0, grace=5); "
                  "INSERT INTO c(key, value, tag) VALUES('a', 'v', 't'), ('b', zeroblob(100), NULL)");
    if (l1 != COLD)
        run(db, "SELECT hybrid_cache_get('c', key) FROM c");
    else
        run(db, "SELECT hybrid_cache_clear_l1('c')");
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, l1 != UNNOTICED, NULL);
    char *sql =
        places[place].word < 0
            ? sqlite3_mprintf("UPDATE OR IGNORE c_%s SET %s = %s", places[place].table, places[place].column, border)
            : sqlite3_mprintf("UPDATE c_meta SET state = put_word(state, %d, %s) WHERE id = 1", places[place].word,
                              border);
    run(db, sql);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 1, NULL);
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++)
        run(db, statements[i]);
    if (!sqlite3_get_autocommit(db))
        run(db, "ROLLBACK");
    /* A number that no SQL can refuse is a newer format: that one stays as it is. */
    int newer = strcmp(places[place].column, "format") == 0;
    int rc = sqlite3_exec(db, "INSERT INTO c(c) VALUES('rebuild')", NULL, NULL, NULL);
    if (rc == SQLITE_OK) {
        CHECK_EQ(sqlite3_exec(
                     db,
                     "INSERT INTO c(c, value) VALUES('l2_entries', 0); INSERT INTO c(c, value) VALUES('l2_bytes', 0); "
                     "REPLACE INTO c(key, value) VALUES('a', 5); INSERT INTO c(c) VALUES('check')",
                     NULL, NULL, NULL),
                 SQLITE_OK);
        CHECK_EQ(number(db, "SELECT hybrid_cache_get('c', 'a')"), 5);
        CHECK_EQ(number(db, "SELECT (SELECT count(*) FROM c_data) = l2_count AND l2_count < 9 FROM hybrid_cache_stats"),
                 1);
    }
    if (!CHECK(rc == SQLITE_OK || newer) || unit.wrong)
        printf("  %s, L1 %d: %s\n", sql, l1, sqlite3_errmsg(db));
    CHECK_EQ(sqlite3_exec(db, "DROP TABLE c", NULL, NULL, NULL), SQLITE_OK);
    CHECK_EQ(sqlite3_close(db), SQLITE_OK);
    sqlite3_free(sql);
    tried++;
}

static void test_numbers(void) {
    for (int place = 0; place < (int)(sizeof places / sizeof places[0]); place++) {
        for (int i = 0; i < (int)(sizeof borders / sizeof borders[0]); i++) {
            for (int l1 = 0; l1 < STATES; l1++)
                put(place, borders[i], l1);
        }
    }
    printf("%ld numbers in the storage\n", tried);
}

int main(void) {
    unit_begin();
    RUN(test_numbers);
    return unit_end();
}
