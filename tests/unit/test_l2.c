/*
** The disk tier: the meta row and its blob, rows and their checksum, the statements.
*/
#include "value.c"
#include "l2.c"
#include "l2_schema.c"

#include "unit.h"

static HcTally tally;

static const char *const encodings[] = {"UTF-8", "UTF-16le", "UTF-16be"};

/* A fresh cache called c in a database of that encoding. */
static sqlite3 *open_cache(HcL2 *l2, int encoding) {
    char sql[64], *message = NULL;
    sqlite3 *db = unit_open(":memory:");
    sqlite3_snprintf(sizeof sql, sql, "PRAGMA encoding = '%s'", encodings[encoding]);
    unit_exec(db, sql);
    CHECK_EQ(hc_l2_init(l2, db, &tally, "main", "c"), SQLITE_OK);
    l2->utf16 = encoding > 0;
    CHECK_EQ(hc_l2_create(l2, "ttl=300", 1, &message), SQLITE_OK);
    CHECK(message == NULL);
    return db;
}

/* Closing would refuse if a statement were left behind or not reset. */
static void close_cache(HcL2 *l2, sqlite3 *db) {
    for (sqlite3_stmt *stmt = sqlite3_next_stmt(db, NULL); stmt; stmt = sqlite3_next_stmt(db, stmt))
        CHECK(!sqlite3_stmt_busy(stmt));
    hc_l2_free(l2);
    CHECK_EQ(sqlite3_close(db), SQLITE_OK);
}

/* The first column of a query as text. Free with sqlite3_free. */
static char *query(sqlite3 *db, const char *sql) {
    sqlite3_stmt *stmt = NULL;
    char *text = NULL;
    CHECK_EQ(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    if (CHECK_EQ(sqlite3_step(stmt), SQLITE_ROW))
        text = sqlite3_mprintf("%s", sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    return text;
}

static int read_meta(HcL2 *l2, HcMeta *meta) {
    char *message = NULL;
    int rc = hc_l2_meta(l2, meta, &message);
    hc_l2_close(l2, HC_L2_META);
    sqlite3_free(message);
    return rc;
}

/* ---- the meta row */

static HcState odd_state(uint64_t salt) {
    HcState state;
    memset(&state, 0, sizeof state);
    state.version = 0xfedcba9876543210u ^ salt;
    state.entries = (1LL << 60) - 1; /* nearly the most that is accepted */
    state.bytes = 0x0102030405060708;
    state.hand = -2;
    for (int i = 0; i < HC_BUCKETS; i++)
        state.bucket[i] = hc_mix((uint64_t)i, salt);
    return state;
}

static void test_state(void) {
    for (int encoding = 0; encoding < 3; encoding++) {
        HcL2 l2;
        HcMeta meta;
        sqlite3 *db = open_cache(&l2, encoding);
        CHECK_EQ(read_meta(&l2, &meta), SQLITE_OK);
        CHECK_EQ(meta.state.entries, 0);
        CHECK_EQ(meta.state.bytes, 0);
        sqlite3_int64 store = meta.store;
        uint64_t seed = meta.seed;
        HcState state = odd_state(1);
        CHECK_EQ(hc_l2_write_state(&l2, &state), SQLITE_OK);
        CHECK_EQ(read_meta(&l2, &meta), SQLITE_OK);
        CHECK(memcmp(&meta.state, &state, sizeof state) == 0);
        CHECK(meta.store == store && meta.seed == seed);
        /* The layout of sql/schema.sql: little-endian words. */
        char *hex = query(db, "SELECT hex(substr(state, 1, 40)) || length(state) FROM c_meta");
        CHECK_TEXT(hex, "1132547698BADCFE"
                        "FFFFFFFFFFFFFF0F"
                        "0807060504030201"
                        "FEFFFFFFFFFFFFFF"
                        "0000000000000000"
                        "2112");
        sqlite3_free(hex);
        /* A rollback is a rollback. */
        HcState other = odd_state(2);
        unit_exec(db, "BEGIN");
        CHECK_EQ(hc_l2_write_state(&l2, &other), SQLITE_OK);
        CHECK_EQ(read_meta(&l2, &meta), SQLITE_OK);
        CHECK(memcmp(&meta.state, &other, sizeof state) == 0);
        unit_exec(db, "ROLLBACK");
        CHECK_EQ(read_meta(&l2, &meta), SQLITE_OK);
        CHECK(memcmp(&meta.state, &state, sizeof state) == 0);
        /* All of the row. */
        meta.options = "ttl=7";
        meta.store = -1;
        meta.seed = UINT64_MAX;
        meta.state = other;
        unit_exec(db, "DELETE FROM c_meta");
        CHECK_EQ(read_meta(&l2, &meta), SQLITE_CORRUPT_VTAB);
        CHECK_EQ(hc_l2_write_meta(&l2, &meta), SQLITE_OK);
        memset(&meta, 0, sizeof meta);
        char *message = NULL;
        CHECK_EQ(hc_l2_meta(&l2, &meta, &message), SQLITE_OK);
        CHECK_TEXT(meta.options, "ttl=7");
        CHECK(meta.store == -1 && meta.seed == UINT64_MAX);
        CHECK(memcmp(&meta.state, &other, sizeof state) == 0);
        hc_l2_close(&l2, HC_L2_META);
        CHECK_EQ(hc_l2_write_options(&l2, "ttl=8"), SQLITE_OK);
        CHECK_EQ(hc_l2_meta(&l2, &meta, &message), SQLITE_OK);
        CHECK_TEXT(meta.options, "ttl=8");
        hc_l2_close(&l2, HC_L2_META);
        close_cache(&l2, db);
    }
}

/* xSync must not leave its own count behind. */
static void test_state_and_changes(void) {
    HcL2 l2;
    sqlite3 *db = open_cache(&l2, 0);
    HcState state = odd_state(1);
    unit_exec(db, "CREATE TABLE t(x); INSERT INTO t VALUES(1), (2), (3)");
    sqlite3_set_last_insert_rowid(db, 777);
    int total = sqlite3_total_changes(db);
    CHECK_EQ(hc_l2_write_state(&l2, &state), SQLITE_OK);
    CHECK_EQ(sqlite3_changes(db), 3);
    CHECK_EQ(sqlite3_total_changes(db), total);
    CHECK_EQ(sqlite3_last_insert_rowid(db), 777);
    close_cache(&l2, db);
}

static void test_damaged_meta(void) {
    static const char *const damages[] = {
        "DELETE FROM c_meta",
        "UPDATE c_meta SET format = 0",
        "UPDATE c_meta SET format = 'x'",
        "UPDATE c_meta SET format = x''",
        "UPDATE c_meta SET store = 'x'",
        "UPDATE c_meta SET store = 1.5",
        "UPDATE c_meta SET seed = x'00'",
        "UPDATE c_meta SET options = x'00'",
        "UPDATE c_meta SET changes = 'x' WHERE id = 2",
        "UPDATE c_meta SET changes = 1.5 WHERE id = 2",
        "DELETE FROM c_meta WHERE id = 2",
        "UPDATE c_meta SET state = x''",
        "UPDATE c_meta SET state = zeroblob(2111)",
        "UPDATE c_meta SET state = zeroblob(2113)",
        "UPDATE c_meta SET state = 'text'",
        "UPDATE c_meta SET state = 5",
        /* Negative counters: words 1 and 2. */
        "UPDATE c_meta SET state = CAST(zeroblob(15) || x'80' || zeroblob(2096) AS BLOB)",
        "UPDATE c_meta SET state = CAST(zeroblob(23) || x'80' || zeroblob(2088) AS BLOB)",
        "UPDATE c_meta SET state = CAST(zeroblob(8) || x'ffffffffffffffff' || zeroblob(2096) AS BLOB)",
        "UPDATE c_meta SET state = CAST(zeroblob(16) || x'ffffffffffffffff' || zeroblob(2088) AS BLOB)",
        "DROP TABLE c_meta",
        "DROP TABLE c_meta; CREATE TABLE c_meta(other)",
        "DROP TABLE c_meta; CREATE VIEW c_meta AS SELECT 1 AS id",
    };
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        HcL2 l2;
        HcMeta meta;
        sqlite3 *db = open_cache(&l2, 0);
        CHECK_EQ(read_meta(&l2, &meta), SQLITE_OK); /* the statement is prepared already */
        unit_exec(db, damages[i]);
        if (!CHECK_EQ(read_meta(&l2, &meta), SQLITE_CORRUPT_VTAB))
            printf("  after %s\n", damages[i]);
        hc_l2_finalize(&l2);
        CHECK_EQ(read_meta(&l2, &meta), SQLITE_CORRUPT_VTAB);
        close_cache(&l2, db);
    }
    HcL2 l2;
    HcMeta meta;
    char *message = NULL;
    sqlite3 *db = open_cache(&l2, 0);
    unit_exec(db, "UPDATE c_meta SET format = 3");
    CHECK_EQ(hc_l2_meta(&l2, &meta, &message), SQLITE_CORRUPT_VTAB);
    CHECK_TEXT(message,
               "hybrid_cache: \"c\" was written by a newer version (format 3, this one knows up to 2): upgrade the "
               "extension");
    sqlite3_free(message);
    close_cache(&l2, db);
}

/* What the triggers have counted, asked for alone. */
static void test_changes(void) {
    HcL2 l2;
    uint64_t changes = 77;
    sqlite3 *db = open_cache(&l2, 0);
    CHECK_EQ(hc_l2_changes(&l2, &changes), SQLITE_OK);
    CHECK_EQ(changes, 0);
    unit_exec(db, "INSERT INTO c_data(key) VALUES(1), (2); DELETE FROM c_data WHERE key = 1");
    CHECK_EQ(hc_l2_changes(&l2, &changes), SQLITE_OK);
    CHECK_EQ(changes, 3);
    unit_exec(db, "DELETE FROM c_meta WHERE id = 2");
    CHECK_EQ(hc_l2_changes(&l2, &changes), SQLITE_CORRUPT_VTAB);
    unit_exec(db, "DROP TABLE c_meta");
    CHECK_EQ(hc_l2_changes(&l2, &changes), SQLITE_CORRUPT_VTAB);
    hc_l2_finalize(&l2);
    CHECK_EQ(hc_l2_changes(&l2, &changes), SQLITE_CORRUPT_VTAB);
    CHECK(sqlite3_get_autocommit(db) && sqlite3_next_stmt(db, NULL) == NULL);
    close_cache(&l2, db);
}

/* Names may have in them what stands for names. */
static void test_expand(void) {
    HcL2 l2;
    sqlite3 *db = unit_open(":memory:");
    CHECK_EQ(hc_l2_init(&l2, db, &tally, "a\"b", "{n}%2"), SQLITE_OK);
    char *text = hc_l2_expand(&l2, "%1 %2 %3 100% %% {name}{n} {schema} {names} {", 7);
    CHECK_TEXT(text, "\"a\"\"b\".\"{n}%2_data\" \"a\"\"b\".\"{n}%2_meta\" %3 100% %% {n}%27 a\"\"b {names} {");
    sqlite3_free(text);
    text = hc_l2_expand(&l2, "x{n}%", 0);
    CHECK_TEXT(text, "x%");
    sqlite3_free(text);
    hc_l2_free(&l2);
    sqlite3_close(db);
}

/* With clock=caller nothing is drawn: every node comes to the same store and seed. */
static void test_drawn_or_derived(void) {
    HcMeta metas[4];
    for (int i = 0; i < 4; i++) {
        HcL2 l2;
        char *message = NULL;
        sqlite3 *db = unit_open(":memory:");
        CHECK_EQ(hc_l2_init(&l2, db, &tally, "main", i == 3 ? "d" : "c"), SQLITE_OK);
        CHECK_EQ(hc_l2_create(&l2, "", i == 0, &message), SQLITE_OK);
        CHECK_EQ(read_meta(&l2, &metas[i]), SQLITE_OK);
        close_cache(&l2, db);
    }
    CHECK(metas[0].store != metas[1].store && metas[0].seed != metas[1].seed);
    CHECK(metas[1].store == metas[2].store && metas[1].seed == metas[2].seed);
    CHECK(metas[1].state.version == metas[2].state.version);
    CHECK(metas[2].store != metas[3].store && metas[2].seed != metas[3].seed);
}

/* ---- rows */

static HcValue integer(sqlite3_int64 i) {
    return (HcValue){.type = SQLITE_INTEGER, .i = i, .n = 8};
}

static HcValue real(double r) {
    return (HcValue){.type = SQLITE_FLOAT, .r = r, .n = 8};
}

static HcValue blob(const char *bytes, size_t n) {
    return (HcValue){.type = SQLITE_BLOB, .data = bytes, .n = (uint32_t)n};
}

static HcValue text(int utf16, const char *ascii) {
    static char wide[32][64]; /* more than are in use at a time */
    static int next;
    if (!utf16)
        return (HcValue){.type = SQLITE_TEXT, .data = ascii, .n = (uint32_t)strlen(ascii)};
    next = (next + 1) % 32;
    memset(wide[next], 0, sizeof wide[next]);
    for (size_t i = 0; ascii[i]; i++)
        wide[next][2 * i] = ascii[i];
    return (HcValue){.type = SQLITE_TEXT, .utf16 = 1, .data = wide[next], .n = (uint32_t)(2 * strlen(ascii))};
}

static const HcValue null = {.type = SQLITE_NULL};

static HcRow make_row(HcValue key, double expires, HcValue tag, HcValue value) {
    HcRow row;
    memset(&row, 0, sizeof row);
    row.key = key;
    row.expires = expires;
    row.tag = tag;
    row.value = value;
    row.size = hc_row_size(&row);
    row.has_sum = 1;
    row.sum = hc_row_sum(&row);
    return row;
}

/* Finds the row of that key; the statement stays open if it is there. */
static int find(HcL2 *l2, HcStatement id, const HcValue *key, HcRow *row) {
    HcKey made;
    hc_key_make(key, &made);
    return hc_l2_find(l2, id, &made, row);
}

static int same_value(const HcValue *a, const HcValue *b) {
    if (a->type != b->type || a->n != b->n)
        return 0;
    switch (a->type) {
    case SQLITE_INTEGER:
        return a->i == b->i;
    case SQLITE_FLOAT:
        return memcmp(&a->r, &b->r, sizeof a->r) == 0;
    case SQLITE_NULL:
        return 1;
    default:
        return a->n == 0 || memcmp(a->data, b->data, a->n) == 0;
    }
}

enum { ROWS = 10 };

/* Rows with every type in every place. */
static void make_rows(int utf16, HcRow *rows) {
    rows[0] = make_row(integer(1), 1700000000.0, null, null);
    rows[1] = make_row(real(2.0), 1700000000.5, text(utf16, "tag"), integer(-1));
    rows[2] = make_row(real(0.25), 253402300799.0, text(utf16, ""), real(-0.5));
    rows[3] = make_row(text(utf16, "key"), 0.0, null, text(utf16, "value"));
    rows[4] = make_row(text(utf16, ""), -1.5, text(utf16, "t"), text(utf16, ""));
    rows[5] = make_row(blob("key", 3), 1e10, null, blob("a\0b", 3));
    rows[6] = make_row(blob("", 0), 1234567890.125, null, blob("", 0));
    rows[7] = make_row(integer(INT64_MIN), 1.0, null, integer(INT64_MAX));
    rows[8] = make_row(text(utf16, "1"), 1.0, null, real(7.0));
    rows[9] = make_row(real(1e300), 1.0, null, integer(0));
}

static void test_rows(void) {
    for (int encoding = 0; encoding < 3; encoding++) {
        HcL2 l2;
        HcRow rows[ROWS], row;
        sqlite3 *db = open_cache(&l2, encoding);
        make_rows(encoding > 0, rows);
        for (int i = 0; i < ROWS; i++)
            CHECK_EQ(hc_l2_write(&l2, HC_L2_INSERT, &rows[i]), SQLITE_OK);
        for (int i = 0; i < ROWS; i++) {
            if (!CHECK_EQ(find(&l2, HC_L2_FIND, &rows[i].key, &row), SQLITE_ROW))
                continue;
            CHECK_EQ(row.id, i + 1);
            CHECK_EQ(row.damaged, 0);
            CHECK(same_value(&row.key, &rows[i].key));
            CHECK(same_value(&row.tag, &rows[i].tag));
            CHECK(same_value(&row.value, &rows[i].value));
            CHECK(row.expires == rows[i].expires);
            CHECK_EQ(row.size, rows[i].size);
            CHECK(row.has_sum && row.sum == rows[i].sum);
            hc_l2_close(&l2, HC_L2_FIND);
            CHECK_EQ(find(&l2, HC_L2_HEAD, &rows[i].key, &row), SQLITE_ROW);
            CHECK_EQ(row.damaged, 0);
            CHECK_EQ(row.value.type, 0); /* was not read */
            CHECK(hc_row_sum_head(&row) == hc_row_sum_head(&rows[i]));
            hc_l2_close(&l2, HC_L2_HEAD);
        }
        HcValue absent = integer(3);
        CHECK_EQ(find(&l2, HC_L2_FIND, &absent, &row), SQLITE_DONE);
        CHECK_EQ(hc_l2_write(&l2, HC_L2_INSERT, &rows[3]), SQLITE_CONSTRAINT_UNIQUE & 0xff);
        CHECK_EQ(hc_l2_run_id(&l2, HC_L2_DELETE, 4), SQLITE_OK);
        CHECK_EQ(find(&l2, HC_L2_FIND, &rows[3].key, &row), SQLITE_DONE);
        close_cache(&l2, db);
    }
}

/* The sums are in files that travel: numbers of another implementation, as in test_value.c. */
static void test_sum_vectors(void) {
    HcRow row = make_row(text(0, "k"), 1700000000.5, text(0, "t"), text(0, "v"));
    CHECK(row.sum == 0x56d71b1e5afeca1b);
    row = make_row(integer(7), 253402300799.0, null, real(2.25));
    CHECK(row.sum == 0xabdb0cc055d3c996);
}

static void test_sizes(void) {
    static const struct {
        HcValue key, tag, value;
        sqlite3_int64 size;
    } cases[] = {
        {{.type = SQLITE_INTEGER, .n = 8}, {.type = SQLITE_NULL}, {.type = SQLITE_NULL}, 72},
        {{.type = SQLITE_FLOAT, .n = 8}, {.type = SQLITE_NULL}, {.type = SQLITE_INTEGER, .n = 8}, 80},
        {{.type = SQLITE_TEXT, .data = "abc", .n = 3},
         {.type = SQLITE_TEXT, .data = "tag!", .n = 4},
         {.type = SQLITE_BLOB, .data = "12345", .n = 5},
         76},
        {{.type = SQLITE_TEXT, .data = "", .n = 0},
         {.type = SQLITE_NULL},
         {.type = SQLITE_TEXT, .data = "", .n = 0},
         64},
        {{.type = SQLITE_BLOB, .n = UINT32_MAX},
         {.type = SQLITE_TEXT, .n = UINT32_MAX},
         {.type = SQLITE_BLOB, .n = UINT32_MAX},
         3 * (sqlite3_int64)UINT32_MAX + 64},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        HcRow row;
        memset(&row, 0, sizeof row);
        row.key = cases[i].key;
        row.tag = cases[i].tag;
        row.value = cases[i].value;
        CHECK_EQ(hc_row_size(&row), cases[i].size);
    }
}

/* ---- the checksum */

/* Sets one column of the only row, and reads it back by whatever key it has: 1 = damaged, -1 = SQLite refused it. */
static int damaged_with(HcL2 *l2, const char *column, const HcValue *value, HcRow *row) {
    sqlite3_stmt *stmt = NULL;
    char *sql = sqlite3_mprintf("UPDATE c_data SET %s = ?1", column);
    int result = -1;
    CHECK_EQ(sqlite3_prepare_v2(l2->db, sql, -1, &stmt, NULL), SQLITE_OK);
    CHECK_EQ(hc_value_bind(stmt, 1, value), SQLITE_OK);
    sqlite3_step(stmt);
    if (sqlite3_finalize(stmt) == SQLITE_OK) {
        CHECK_EQ(hc_l2_open(l2, HC_L2_WALK, &stmt), SQLITE_OK);
        sqlite3_bind_int64(stmt, 1, 0);
        sqlite3_bind_int64(stmt, 2, 10);
        if (CHECK_EQ(hc_l2_next(l2, HC_L2_WALK, row), SQLITE_ROW))
            result = row->damaged;
        hc_l2_close(l2, HC_L2_WALK);
    }
    sqlite3_free(sql);
    return result;
}

/* Flips every bit of a value in its column; each has to be seen, and the value as it was has to be right again. */
static int flip_all(HcL2 *l2, const char *column, const HcValue *value) {
    unsigned char bytes[64];
    int flips = 0;
    HcRow row;
    for (uint32_t bit = 0; bit < value->n * 8; bit++) {
        HcValue flipped = *value;
        uint64_t mask = (uint64_t)1 << (bit & 63), word;
        if (value->type == SQLITE_INTEGER) {
            flipped.i = (sqlite3_int64)((uint64_t)value->i ^ mask);
        } else if (value->type == SQLITE_FLOAT) {
            memcpy(&word, &value->r, sizeof word);
            word ^= mask;
            memcpy(&flipped.r, &word, sizeof word);
        } else {
            memcpy(bytes, value->data, value->n);
            bytes[bit / 8] = (unsigned char)(bytes[bit / 8] ^ 1 << bit % 8);
            flipped.data = bytes;
        }
        int damaged = damaged_with(l2, column, &flipped, &row);
        if (damaged >= 0 && !CHECK_EQ(damaged, 1))
            printf("  bit %u of %s\n", bit, column);
        flips += damaged >= 0;
    }
    CHECK_EQ(damaged_with(l2, column, value, &row), 0);
    return flips;
}

static HcValue expires_value(double expires) {
    /* As it is stored. */
    return (double)(sqlite3_int64)expires == expires ? integer((sqlite3_int64)expires) : real(expires);
}

static void test_every_bit(void) {
    int flips = 0;
    for (int encoding = 0; encoding < 3; encoding++) {
        HcL2 l2;
        HcRow rows[ROWS];
        sqlite3 *db = open_cache(&l2, encoding);
        make_rows(encoding > 0, rows);
        for (int i = 0; i < ROWS; i++) {
            unit_exec(db, "DELETE FROM c_data");
            CHECK_EQ(hc_l2_write(&l2, HC_L2_INSERT, &rows[i]), SQLITE_OK);
            HcValue expires = expires_value(rows[i].expires), sum = integer((sqlite3_int64)rows[i].sum);
            flips += flip_all(&l2, "key", &rows[i].key);
            flips += flip_all(&l2, "expires", &expires);
            flips += flip_all(&l2, "tag", &rows[i].tag);
            flips += flip_all(&l2, "value", &rows[i].value);
            flips += flip_all(&l2, "sum", &sum);
        }
        close_cache(&l2, db);
    }
    CHECK(flips > 6000);
}

/* What is no flip of a bit: another type of the same bytes, a part cut off, two columns that changed places. */
static void test_other_damage(void) {
    HcL2 l2;
    HcRow row;
    sqlite3 *db = open_cache(&l2, 0);
    HcValue numbers[] = {integer(5), real(5.0), text(0, "5"), blob("5", 1), null};
    HcValue empties[] = {null, text(0, ""), blob("", 0), blob("\0", 1), integer(0)};
    for (int i = 0; i < 5; i++) {
        for (int j = 0; j < 5; j++) {
            row = make_row(text(0, "k"), 100.0, null, numbers[i]);
            unit_exec(db, "DELETE FROM c_data");
            CHECK_EQ(hc_l2_write(&l2, HC_L2_INSERT, &row), SQLITE_OK);
            CHECK_EQ(damaged_with(&l2, "value", &numbers[j], &row), i != j);
            row = make_row(text(0, "k"), 100.0, null, empties[i]);
            unit_exec(db, "DELETE FROM c_data");
            CHECK_EQ(hc_l2_write(&l2, HC_L2_INSERT, &row), SQLITE_OK);
            CHECK_EQ(damaged_with(&l2, "value", &empties[j], &row), i != j);
        }
    }
    /* Where tag and value are the same bytes, or key and value, exchanging is seen. */
    row = make_row(text(0, "a"), 100.0, text(0, "b"), text(0, "c"));
    unit_exec(db, "DELETE FROM c_data");
    CHECK_EQ(hc_l2_write(&l2, HC_L2_INSERT, &row), SQLITE_OK);
    static const char *const exchanges[] = {"key = value, value = key", "key = tag, tag = key",
                                            "value = tag, tag = value"};
    for (int i = 0; i < 3; i++) {
        char *sql = sqlite3_mprintf("UPDATE c_data SET %s", exchanges[i]);
        HcValue expires = integer(100);
        unit_exec(db, sql);
        CHECK_EQ(damaged_with(&l2, "expires", &expires, &row), 1);
        unit_exec(db, sql); /* back again */
        CHECK_EQ(damaged_with(&l2, "expires", &expires, &row), 0);
        sqlite3_free(sql);
    }
    close_cache(&l2, db);
}

/* Columns of types that they cannot have. The table has lost its constraints: damage does not ask. */
static void test_damaged_columns(void) {
    static const struct {
        const char *damage;
        int seen;
    } cases[] = {
        {"used = 0", 0},
        {"key = NULL", 1},
        {"expires = NULL", 1},
        {"expires = '100'", 1},
        {"expires = x'00'", 1},
        {"due = NULL", 1},
        {"due = '1'", 1},
        {"due = 101", 1}, /* later than the deadline: an index would not find it */
        {"due = 1.5", 0},
        {"tag = 5", 1},
        {"tag = x'74'", 1},
        {"size = NULL", 1},
        {"size = '72'", 1},
        {"size = 72.0", 1},
        {"size = -1", 1},
        {"sum = 'x'", 1},
        {"sum = 1.5", 1},
        {"sum = x''", 1},
        {"sum = NULL", 0}, /* not checked */
        {"sum = NULL, value = 'another'", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        HcL2 l2;
        HcRow row = make_row(text(0, "k"), 100.0, text(0, "t"), integer(1));
        sqlite3 *db = open_cache(&l2, 0);
        unit_exec(
            db,
            "DROP TABLE c_data; CREATE TABLE c_data(id INTEGER PRIMARY KEY, key, expires, due, tag, size, used, sum, "
            "value)");
        CHECK_EQ(hc_l2_write(&l2, HC_L2_INSERT, &row), SQLITE_OK);
        char *sql = sqlite3_mprintf("UPDATE c_data SET %s", cases[i].damage);
        HcValue used = integer(1);
        unit_exec(db, sql);
        if (!CHECK_EQ(damaged_with(&l2, "used", &used, &row), cases[i].seen))
            printf("  %s\n", sql);
        sqlite3_free(sql);
        close_cache(&l2, db);
    }
}

/* UPDATE ... SET ttl, tag, key: the head is read without the value, and the sum is carried over. */
static void test_touch(void) {
    for (int encoding = 0; encoding < 3; encoding++) {
        HcL2 l2;
        HcRow rows[ROWS], row, again;
        sqlite3 *db = open_cache(&l2, encoding);
        int utf16 = encoding > 0;
        HcValue new_key = text(utf16, "new key"), new_tag = text(utf16, "new tag");
        make_rows(utf16, rows);
        for (int damage = 0; damage <= 1; damage++) {
            for (int i = 0; i < ROWS; i++) {
                unit_exec(db, "DELETE FROM c_data");
                CHECK_EQ(hc_l2_write(&l2, HC_L2_INSERT, &rows[i]), SQLITE_OK);
                if (damage)
                    unit_exec(db, "UPDATE c_data SET value = 'damaged'");
                for (int what = 1; what < 8; what++) {
                    if (!CHECK_EQ(find(&l2, HC_L2_HEAD, what > 1 ? &again.key : &rows[i].key, &row), SQLITE_ROW))
                        break;
                    uint64_t before = hc_row_sum_head(&row);
                    if (what & 1)
                        row.expires += 0.5 * what;
                    if (what & 2)
                        row.tag = row.tag.type == SQLITE_NULL ? new_tag : null;
                    if (what & 4)
                        row.key = what & 1 ? rows[i].key : new_key;
                    row.sum ^= before ^ hc_row_sum_head(&row);
                    /* What the row borrows goes with its statement: keep what is written. */
                    HcValue *pieces[] = {&row.key, &row.tag};
                    static char kept[2][64];
                    for (int p = 0; p < 2; p++) {
                        if (pieces[p]->type == SQLITE_TEXT || pieces[p]->type == SQLITE_BLOB) {
                            memcpy(kept[p], pieces[p]->data, pieces[p]->n);
                            pieces[p]->data = kept[p];
                        }
                    }
                    hc_l2_close(&l2, HC_L2_HEAD);
                    CHECK_EQ(hc_l2_write(&l2, HC_L2_TOUCH, &row), SQLITE_OK);
                    if (!CHECK_EQ(find(&l2, HC_L2_FIND, &row.key, &again), SQLITE_ROW))
                        break;
                    /* Neither broken by the touch nor mended by it. */
                    CHECK_EQ(again.damaged, damage);
                    CHECK(again.expires == row.expires);
                    CHECK(same_value(&again.tag, &row.tag));
                    CHECK(damage || same_value(&again.value, &rows[i].value));
                    hc_l2_close(&l2, HC_L2_FIND);
                    again.key = row.key;
                }
            }
        }
        close_cache(&l2, db);
    }
}

/* ---- statements and tables */

static void test_statements(void) {
    HcL2 l2;
    sqlite3 *db = open_cache(&l2, 0);
    /* Each of them can be prepared, again after the schema has changed, and from the shadow tables alone. */
    for (int round = 0; round < 2; round++) {
        for (int id = 0; id < HC_L2_STATEMENTS; id++) {
            sqlite3_stmt *stmt, *again;
            CHECK_EQ(hc_l2_open(&l2, (HcStatement)id, &stmt), SQLITE_OK);
            CHECK(stmt != NULL);
            CHECK_EQ(hc_l2_open(&l2, (HcStatement)id, &again), SQLITE_OK);
            CHECK(stmt == again);
            hc_l2_close(&l2, (HcStatement)id);
        }
        hc_l2_finalize(&l2);
        hc_l2_finalize(&l2);
        hc_l2_close(&l2, HC_L2_FIND); /* harmless */
        CHECK(sqlite3_next_stmt(db, NULL) == NULL);
        unit_exec(db, "CREATE TABLE IF NOT EXISTS other(x)");
    }
    /* And every shape of a scan that a plan can ask for. */
    for (int shape = 0; shape < HC_SCANS; shape++) {
        int by = shape & HC_SCAN_BY, low = shape & (HC_SCAN_GT | HC_SCAN_GE), high = shape & (HC_SCAN_LT | HC_SCAN_LE);
        sqlite3_stmt *stmt = NULL;
        if (((low || high) && (by == HC_SCAN_ALL || by == HC_SCAN_TAG)) || low == (HC_SCAN_GT | HC_SCAN_GE) ||
            high == (HC_SCAN_LT | HC_SCAN_LE))
            continue;
        if (!CHECK_EQ(hc_l2_scan_open(&l2, shape, &stmt), SQLITE_OK))
            printf("  shape %d\n", shape);
        CHECK_EQ(sqlite3_column_count(stmt), 8);
        hc_l2_scan_close(&l2, shape, l2.generation, stmt);
        sqlite3_stmt *again = NULL;
        CHECK_EQ(hc_l2_scan_open(&l2, shape, &again), SQLITE_OK);
        CHECK(again == stmt); /* the spare one */
        hc_l2_scan_close(&l2, shape, l2.generation, again);
    }
    close_cache(&l2, db);
}

static void test_tables(void) {
    HcL2 l2;
    HcMeta meta;
    char *message = NULL;
    sqlite3 *db = unit_open(":memory:");
    unit_exec(db, "ATTACH ':memory:' AS \"a \"\"b\"");
    /* Names that need quotes in every place. */
    CHECK_EQ(hc_l2_init(&l2, db, &tally, "a \"b", "the \"cache\" it's 100%"), SQLITE_OK);
    CHECK_EQ(hc_l2_create(&l2, "", 1, &message), SQLITE_OK);
    HcState state = odd_state(3);
    CHECK_EQ(hc_l2_write_state(&l2, &state), SQLITE_OK);
    CHECK_EQ(read_meta(&l2, &meta), SQLITE_OK);
    CHECK_EQ(hc_l2_rename(&l2, "it's \"new\" {name} %1", &message), SQLITE_OK);
    CHECK_EQ(read_meta(&l2, &meta), SQLITE_OK);
    CHECK(memcmp(&meta.state, &state, sizeof state) == 0);
    CHECK_EQ(hc_l2_write_state(&l2, &state), SQLITE_OK);
    /* The old name is free again, though its indexes are still called after it. */
    HcL2 second;
    CHECK_EQ(hc_l2_init(&second, db, &tally, "a \"b", "the \"cache\" it's 100%"), SQLITE_OK);
    CHECK_EQ(hc_l2_create(&second, "", 1, &message), SQLITE_OK);
    /* A name that is taken: refused, in words. */
    CHECK(hc_l2_create(&second, "", 1, &message) != SQLITE_OK);
    CHECK(message && strstr(message, "already exists") != NULL);
    sqlite3_free(message);
    message = NULL;
    CHECK_EQ(hc_l2_drop(&second), SQLITE_OK);
    CHECK_EQ(hc_l2_drop(&second), SQLITE_OK); /* nothing there: fine */
    CHECK_EQ(hc_l2_drop(&l2), SQLITE_OK);
    char *left = query(db, "SELECT count(*) FROM \"a \"\"b\".sqlite_master");
    CHECK_TEXT(left, "0");
    sqlite3_free(left);
    hc_l2_free(&second);
    close_cache(&l2, db);
}

/* Every allocation fails in turn: SQLITE_NOMEM and nothing left open, or it is done. */
static void test_no_memory(void) {
    int done = 0;
    for (long n = 0; !done; n++) {
        HcL2 l2;
        HcMeta meta;
        HcRow row = make_row(text(0, "a key"), 100.5, text(0, "tag"), text(0, "value")), found;
        char *message = NULL;
        sqlite3 *db = open_cache(&l2, 1); /* UTF-16: reading converts */
        HcState state = odd_state(9);
        row.key = text(1, "a key");
        row.tag = text(1, "tag");
        row.value = text(1, "value");
        row.sum = hc_row_sum(&row);
        hc_l2_finalize(&l2);
        unit_memory_fail(n, n % 2 == 0);
        int rc = hc_l2_meta(&l2, &meta, &message);
        hc_l2_close(&l2, HC_L2_META);
        if (rc == SQLITE_OK)
            rc = hc_l2_write_state(&l2, &state);
        if (rc == SQLITE_OK)
            rc = hc_l2_write(&l2, HC_L2_INSERT, &row);
        if (rc == SQLITE_OK) {
            rc = find(&l2, HC_L2_FIND, &row.key, &found);
            if (rc == SQLITE_ROW) {
                CHECK_EQ(found.damaged, 0);
                hc_l2_close(&l2, HC_L2_FIND);
                rc = SQLITE_OK;
            }
        }
        long refused = unit_memory_restore();
        if (!CHECK(rc == SQLITE_OK || (rc & 0xff) == SQLITE_NOMEM))
            printf("  code %d where allocation %ld fails\n", rc, n);
        CHECK(refused || rc == SQLITE_OK);
        done = refused == 0;
        sqlite3_free(message);
        close_cache(&l2, db);
    }
}

int main(void) {
    unit_begin();
    RUN(test_state);
    RUN(test_state_and_changes);
    RUN(test_damaged_meta);
    RUN(test_changes);
    RUN(test_expand);
    RUN(test_drawn_or_derived);
    RUN(test_rows);
    RUN(test_sum_vectors);
    RUN(test_sizes);
    RUN(test_every_bit);
    RUN(test_other_damage);
    RUN(test_damaged_columns);
    RUN(test_touch);
    RUN(test_statements);
    RUN(test_tables);
    RUN(test_no_memory);
    return unit_end();
}
