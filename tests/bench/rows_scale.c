/*
** rows_scale.c: many rows in L2, many entries in L1; what they cost in memory and in the file; and how soon a fresh
** connection is of use.
*/
#define _POSIX_C_SOURCE 200809L

#include "bench.h"

#include <stdio.h>
#include <string.h>

#define HOT 1000
#define SMALLEST 10000

static const Shape wal = {0};

/* An L1 that is as good as none beside so many rows: what is measured is L2. */
#define L1_SMALL "l1_entries=1000"

static Side look_up(const char *name, Store *store) {
    return (Side){.name = name, .context = store, .op = store_get};
}

/* ------------------------------------------------------------- rows in L2 */

static void stats_op(void *context, size_t i) {
    sqlite3_stmt *stmt = context;
    (void)i;
    if (sqlite3_step(stmt) != SQLITE_ROW || !sqlite3_column_text(stmt, 0))
        die("statistics: %s", sqlite3_errmsg(sqlite3_db_handle(stmt)));
    sqlite3_reset(stmt);
}

static void label(char *out, size_t room, const char *what, size_t rows) {
    int power = 0;
    for (size_t n = rows; n > 1; n /= 10)
        power++;
    snprintf(out, room, "%s, 10^%d rows", what, power);
}

/* Look-ups of keys that are there, of others, puts and statistics at one size; sizes above the smallest against it. */
static void at_size(size_t rows) {
    enum { OURS, PLAIN, SMALL };
    char what[80];
    Shape shape = {.options = L1_SMALL, .entries = rows};
    Keys keys, missing, small_keys;
    Store ours, plain, small;
    int is_smallest = rows == SMALLEST;
    const char *file = is_smallest ? "scale-small.db" : "scale.db";
    keys_make(&keys, rows, 1);
    keys_make(&missing, rows, 0);
    keys_make(&small_keys, SMALLEST, 1);
    store_create(&ours, KIND_FUNCTION, file, &shape, &keys);
    store_create(&plain, KIND_PLAIN, "plain.db", &shape, &keys);
    double ours_size = file_size(file) / (double)rows, plain_size = file_size("plain.db") / (double)rows;

    label(what, sizeof what, "L2 hit", rows);
    if (is_smallest) {
        Side sides[] = {look_up("", &ours), look_up("plain table", &plain)};
        measure(sides, 2);
        report_sides(what, sides, PLAIN, RULE_NONE, 0, 0);
    } else {
        store_open(&small, KIND_FUNCTION, "scale-small.db", &shape, &small_keys);
        Side sides[] = {look_up("", &ours), look_up("plain table", &plain), look_up("ours at 10^4", &small)};
        measure(sides, 3);
        report_sides(what, sides, PLAIN, RULE_NONE, 0, 0);
        report_sides(what, sides, SMALL, RULE_COST, 2, 0);
        store_close(&small);
    }

    Side misses[] = {{.name = "", .context = &ours, .op = store_miss},
                     {.name = "plain table", .context = &plain, .op = store_miss}};
    ours.keys = plain.keys = &missing;
    measure(misses, 2);
    ours.keys = plain.keys = &keys;
    label(what, sizeof what, "miss", rows);
    report_sides(what, misses, PLAIN, RULE_NONE, 0, 0);

    Side puts[] = {
        {.name = "", .context = &ours, .op = store_put_transaction, .per = PUTS_PER_TRANSACTION},
        {.name = "plain table", .context = &plain, .op = store_put_transaction, .per = PUTS_PER_TRANSACTION}};
    measure_writes(puts, 2);
    label(what, sizeof what, "put in a transaction", rows);
    report_sides(what, puts, PLAIN, RULE_NONE, 0, 0);

    exec(ours.db, "PRAGMA wal_checkpoint(TRUNCATE)");
    sqlite3_stmt *stats = prepare(ours.db, "SELECT hybrid_cache_stats('cache')");
    Side statistics[] = {{.name = "", .context = stats, .op = stats_op}};
    measure(statistics, 1);
    sqlite3_finalize(stats);
    label(what, sizeof what, "statistics", rows);
    report(&(Line){.what = what, .unit = "us", .ours = statistics[0].ns, .rule = RULE_AT_MOST, .target = 20});

    Figure plain_bytes = figure_single(plain_size);
    label(what, sizeof what, "file, for one entry", rows);
    report(&(Line){.what = what,
                   .unit = "B",
                   .ours = figure_single(ours_size),
                   .peer_name = "plain table",
                   .peer = &plain_bytes,
                   .rule = RULE_SHARE});
    store_close(&ours);
    store_close(&plain);
    keys_free(&keys);
    keys_free(&missing);
    keys_free(&small_keys);
    file_remove("plain.db");
}

static void row_scale(void) {
    at_size(SMALLEST);
    at_size(100000);
    at_size(1000000);
    if (settings.big)
        at_size(10000000);
    file_remove("scale.db");
    file_remove("scale-small.db");
}

/* ------------------------------------------------- purge and delete by tag */

#define EXPIRED 100000
/* As many as keep the write lock well under 10 ms here. */
#define PURGE_CHUNK 600
#define TAGGED 10000
/* In the future, so that no write purges it on the way, and before what lives on. */
#define SOON_EXPIRED "4000000000"

typedef struct Purge {
    double total_ns, longest_ns, rows;
} Purge;

/*
** Chunk after chunk until nothing is left. The checkpoints, which take no write lock, come between the chunks: they
** count for the total, and not for the lock.
*/
static void purge(sqlite3 *db, const char *sql, Purge *result) {
    sqlite3_stmt *chunk = prepare(db, sql);
    double removed;
    int chunks = 0;
    memset(result, 0, sizeof *result);
    exec(db, "PRAGMA wal_autocheckpoint=0");
    double start = clock_ns();
    do {
        double before = (double)sqlite3_total_changes(db), chunk_start = clock_ns();
        if (sqlite3_step(chunk) != SQLITE_DONE)
            die("purge: %s", sqlite3_errmsg(db));
        double ns = clock_ns() - chunk_start;
        sqlite3_reset(chunk);
        removed = strstr(sql, "'purge'") ? query(db, "SELECT hybrid_cache_stats('cache') ->> 'last_purge'")
                                         : (double)sqlite3_total_changes(db) - before;
        result->rows += removed;
        if (ns > result->longest_ns)
            result->longest_ns = ns;
        if (++chunks % 8 == 0)
            sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    } while (removed > 0);
    result->total_ns = clock_ns() - start;
    sqlite3_finalize(chunk);
    if (result->rows != EXPIRED)
        die("purged %g rows instead of %d", result->rows, EXPIRED);
}

/* 100,000 rows that were written one after the other and expire one after the other, as a TTL makes it. */
static void fill_expired(Store *store, int is_cache) {
    char sql[600];
    exec(store->db, "PRAGMA cache_size=-1000000");
    snprintf(sql, sizeof sql,
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
             "INSERT INTO %s(key, value, expires) SELECT printf('old:%%012x', i * 174440041 %% 1000000007), '%s', %s + "
             "i * 0.001 "
             "FROM n",
             EXPIRED, is_cache ? "cache" : "kv", store->value, SOON_EXPIRED);
    exec(store->db, sql);
    /* What filling leaves behind is no part of the purge: a large page cache, a large WAL. */
    exec(store->db, "PRAGMA cache_size=-2000; PRAGMA shrink_memory; PRAGMA wal_checkpoint(TRUNCATE)");
}

static void row_purge(void) {
    enum { ROUNDS = 7 };
    Shape shape = {.options = L1_SMALL, .entries = settings.quick ? 100000 : 1000000};
    Keys keys;
    Store ours, plain;
    double total[ROUNDS], longest[ROUNDS], plain_total[ROUNDS], plain_longest[ROUNDS], tags[ROUNDS];
    keys_make(&keys, shape.entries, 1);
    store_create(&ours, KIND_FUNCTION, "cache.db", &shape, &keys);
    store_create(&plain, KIND_PLAIN, "plain.db", &shape, &keys);
    /* What was filled lives on; only what is added in each round is purged. */
    exec(ours.db, "UPDATE cache SET ttl = 0");
    exec(plain.db, "UPDATE kv SET expires = 253402300799");
    for (int round = 0; round < ROUNDS; round++) {
        char sql[300];
        Purge ours_purge, plain_purge;
        progress("round %d of %d", round + 1, ROUNDS);
        fill_expired(&ours, 1);
        fill_expired(&plain, 0);
        snprintf(sql, sizeof sql, "INSERT INTO cache(cache, value, expires) VALUES('purge', %d, %s + 100)", PURGE_CHUNK,
                 SOON_EXPIRED);
        purge(ours.db, sql, &ours_purge);
        snprintf(
            sql, sizeof sql,
            "DELETE FROM kv WHERE rowid IN (SELECT rowid FROM kv WHERE expires <= %s + 100 ORDER BY expires LIMIT %d)",
            SOON_EXPIRED, PURGE_CHUNK);
        purge(plain.db, sql, &plain_purge);
        total[round] = ours_purge.total_ns / 1e9;
        longest[round] = ours_purge.longest_ns / 1e6;
        plain_total[round] = plain_purge.total_ns / 1e9;
        plain_longest[round] = plain_purge.longest_ns / 1e6;

        snprintf(sql, sizeof sql,
                 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
                 "INSERT INTO cache(key, value, ttl, tag) SELECT 'tag:' || i, 'x', 0, 'group' FROM n",
                 TAGGED);
        exec(ours.db, sql);
        double start = clock_ns();
        exec(ours.db, "DELETE FROM cache WHERE tag = 'group'");
        tags[round] = (clock_ns() - start) / 1e6;
    }
    Figure peer = figure_of(plain_total, ROUNDS);
    Line line = {.what = "purge of 100,000 rows",
                 .unit = "s",
                 .ours = figure_of(total, ROUNDS),
                 .peer_name = "plain table",
                 .peer = &peer,
                 .rule = RULE_NONE};
    report(&line);
    line.peer = NULL;
    line.rule = RULE_AT_MOST;
    line.target = 1;
    line.what = "  the same against its limit";
    report(&line);
    peer = figure_of(plain_longest, ROUNDS);
    line = (Line){.what = "  longest write lock, 600 rows",
                  .unit = "ms",
                  .ours = figure_of(longest, ROUNDS),
                  .peer_name = "plain table",
                  .peer = &peer,
                  .rule = RULE_NONE};
    report(&line);
    line.peer = NULL;
    line.rule = RULE_AT_MOST;
    line.target = 10;
    line.what = "  the same against its limit";
    report(&line);
    report(&(Line){.what = "DELETE of 10,000 by tag", .unit = "ms", .ours = figure_of(tags, ROUNDS)});
    store_close(&ours);
    store_close(&plain);
    keys_free(&keys);
    file_remove("cache.db");
    file_remove("plain.db");
}

/* ----------------------------------------------------------- entries in L1 */

static void row_l1(void) {
    for (size_t entries = 1000, power = 3; entries <= 1000000; entries *= 10, power++) {
        Shape shape = {.options = "l1_entries=2000000, l1_bytes='2G', l1_ttl=0", .entries = entries};
        char what[80];
        Keys keys;
        Store ours, plain;
        keys_make(&keys, entries, 1);
        store_create(&ours, KIND_FUNCTION, "cache.db", &shape, &keys);
        store_create(&plain, KIND_PLAIN, "plain.db", &shape, &keys);
        store_warm(&ours);
        Side sides[] = {look_up("", &ours), look_up("plain table", &plain)};
        measure(sides, 2);
        snprintf(what, sizeof what, "get hit, 10^%zu entries in L1", power);
        report_sides(what, sides, 1, RULE_NONE, 0, 0);
        if (entries == 100000) {
            double payload = (double)entries * (KEY_N + ours.value_n);
            double stated = statistic(&ours, "l1_bytes");
            double before = (double)sqlite3_memory_used();
            query(ours.db, "SELECT hybrid_cache_clear_l1('cache')");
            double freed = before - (double)sqlite3_memory_used();
            report(&(Line){.what = "memory of an entry beside its bytes",
                           .unit = "B",
                           .ours = figure_single((freed - payload) / (double)entries),
                           .rule = RULE_AT_MOST,
                           .target = 100});
            Figure measured = figure_single(freed / (double)entries);
            report(&(Line){.what = "  all of an entry, as l1_bytes has it",
                           .unit = "B",
                           .ours = figure_single(stated / (double)entries),
                           .peer_name = "memory freed",
                           .peer = &measured,
                           .rule = RULE_SHARE});
        }
        store_close(&ours);
        store_close(&plain);
        keys_free(&keys);
    }
}

/* ----------------------------------------------------------------- start-up */

typedef struct Start {
    Kind kind;
    const char *file;
    const Keys *keys;
} Start;

/* Opens, sets up, gets once, closes: the life of a connection in many a binding. */
static void start_up(void *context, size_t i) {
    const Start *start = context;
    Store store;
    store_open(&store, start->kind, start->file, &wal, start->keys);
    store_get(&store, i);
    store_close(&store);
}

static void row_start(void) {
    Keys keys;
    Store ours, plain;
    keys_make(&keys, HOT, 1);
    store_create(&ours, KIND_FUNCTION, "cache.db", &wal, &keys);
    store_create(&plain, KIND_PLAIN, "plain.db", &wal, &keys);
    Start ours_start = {KIND_FUNCTION, "cache.db", &keys}, plain_start = {KIND_PLAIN, "plain.db", &keys};
    Side sides[] = {{.name = "", .context = &ours_start, .op = start_up},
                    {.name = "plain table", .context = &plain_start, .op = start_up}};
    /* The two connections above stay open: otherwise each close would be the last one, and checkpoint. */
    measure(sides, 2);
    report_sides("open, load, first get, close", sides, 1, RULE_NONE, 0, 0);
    store_close(&ours);
    store_close(&plain);
    keys_free(&keys);
}

const Row rows_scale[] = {
    {"l1", "1,000 to 1,000,000 entries in L1, and their memory", row_l1},
    {"start", "open, load and first hit of a fresh connection", row_start},
    {"purge", "purge of 100,000 rows in chunks, DELETE by tag", row_purge},
    {"scale", "10^4 to 10^6 rows in L2 (--big: 10^7)", row_scale},
    {NULL, NULL, NULL},
};
