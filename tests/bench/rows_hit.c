/*
** rows_hit.c: what one look-up costs.
*/
#include "bench.h"

#include <stdio.h>
#include <string.h>

#define HOT 1000

static const Shape wal = {0};
static const Shape rollback = {.journal = "delete"};

static Side look_up(const char *name, Store *store) {
    return (Side){.name = name, .context = store, .op = store_get};
}

static Side in_transaction(Side side) {
    side.begin = store_begin;
    side.end = store_commit;
    return side;
}

/* --------------------------------------------------------------- autocommit */

static void get_autocommit(const Shape *shape, const char *what, const char *floor_what, double faster) {
    enum { OURS, PLAIN, TWIN, FLOOR, LMDB };
    Keys keys;
    Store ours, plain, twin, floor;
    keys_make(&keys, HOT, 1);
    store_create(&ours, KIND_FUNCTION, "cache.db", shape, &keys);
    store_create(&plain, KIND_PLAIN, "plain.db", shape, &keys);
    store_create(&twin, KIND_TWIN, "twin.db", shape, &keys);
    store_create(&floor, KIND_FLOOR, "floor.db", shape, &keys);
    Lmdb *lmdb = lmdb_open(&keys, ours.value, ours.value_n);
    store_warm(&ours);
    Side sides[] = {look_up("", &ours),
                    look_up("plain table", &plain),
                    look_up("WITHOUT ROWID", &twin),
                    look_up("SELECT ?1", &floor),
                    {.name = "LMDB, C API", .context = lmdb, .op = lmdb_get}};
    measure(sides, lmdb ? 5 : 4);
    report_sides(what, sides, PLAIN, RULE_FASTER, faster, 1);
    report_sides(what, sides, TWIN, RULE_NONE, 0, 0);
    report_sides(floor_what, sides, FLOOR, shape == &wal ? RULE_COST : RULE_NONE, 2, 0);
    if (lmdb) {
        report_sides(what, sides, LMDB, RULE_NONE, 0, shape == &wal);
        lmdb_close(lmdb);
    }
    store_close(&ours);
    store_close(&plain);
    store_close(&twin);
    store_close(&floor);
    keys_free(&keys);
}

static void row_get_wal(void) {
    get_autocommit(&wal, "get hit, WAL", "get hit, WAL, against the floor", 8);
}

static void row_get_rollback(void) {
    get_autocommit(&rollback, "get hit, rollback journal", "get hit, rollback, against the floor", 7);
}

static void row_select_wal(void) {
    enum { OURS, PLAIN, TWIN };
    Keys keys;
    Store ours, plain, twin;
    keys_make(&keys, HOT, 1);
    store_create(&ours, KIND_SELECT, "cache.db", &wal, &keys);
    store_create(&plain, KIND_PLAIN, "plain.db", &wal, &keys);
    store_create(&twin, KIND_TWIN, "twin.db", &wal, &keys);
    store_warm(&ours);
    Side sides[] = {look_up("", &ours), look_up("plain table", &plain), look_up("WITHOUT ROWID", &twin)};
    measure(sides, 3);
    report_sides("SELECT hit, WAL", sides, PLAIN, RULE_FASTER, 1.2, 1);
    report_sides("SELECT hit, WAL", sides, TWIN, RULE_NONE, 0, 0);
    store_close(&ours);
    store_close(&plain);
    store_close(&twin);
    keys_free(&keys);
}

/* ------------------------------------------------------- in a transaction */

static void row_transaction(void) {
    enum { FUNCTION, SELECT, PLAIN, TWIN, LMDB };
    Keys keys;
    Store function, select, plain, twin;
    keys_make(&keys, HOT, 1);
    store_create(&function, KIND_FUNCTION, "cache.db", &wal, &keys);
    store_open(&select, KIND_SELECT, "cache.db", &wal, &keys);
    store_create(&plain, KIND_PLAIN, "plain.db", &wal, &keys);
    store_create(&twin, KIND_TWIN, "twin.db", &wal, &keys);
    Lmdb *lmdb = lmdb_open(&keys, plain.value, plain.value_n);
    store_warm(&function);
    store_warm(&select);
    Side sides[] = {
        in_transaction(look_up("", &function)),
        in_transaction(look_up("", &select)),
        in_transaction(look_up("plain table", &plain)),
        in_transaction(look_up("WITHOUT ROWID", &twin)),
        {.name = "LMDB, C API", .context = lmdb, .op = lmdb_get_in_transaction, .begin = lmdb_begin, .end = lmdb_end}};
    measure(sides, lmdb ? 5 : 4);
    report_sides("get hit in a transaction", sides, PLAIN, RULE_FASTER, 2.5, 1);
    report_sides("get hit in a transaction", sides, TWIN, RULE_NONE, 0, 0);
    if (lmdb)
        report_sides("get hit in a transaction", sides, LMDB, RULE_NONE, 0, 0);
    report_sides("SELECT hit in a transaction", sides + SELECT, PLAIN - SELECT, RULE_FASTER, 1.7, 1);
    report_sides("SELECT hit in a transaction", sides + SELECT, TWIN - SELECT, RULE_NONE, 0, 0);
    if (lmdb)
        lmdb_close(lmdb);
    store_close(&function);
    store_close(&select);
    store_close(&plain);
    store_close(&twin);
    keys_free(&keys);
}

/* -------------------------------------------------------------- value sizes */

static void row_blob(void) {
    enum { LARGE, SMALL, PLAIN };
    static const Shape large = {.value_n = 100 * 1024, .blob = 1};
    static const Shape small = {.value_n = 100, .blob = 1};
    Keys keys;
    Store ours, ours_small, plain;
    keys_make(&keys, 100, 1);
    store_create(&ours, KIND_FUNCTION, "cache.db", &large, &keys);
    store_create(&ours_small, KIND_FUNCTION, "small.db", &small, &keys);
    store_create(&plain, KIND_PLAIN, "plain.db", &large, &keys);
    store_warm(&ours);
    store_warm(&ours_small);
    Side sides[] = {look_up("", &ours), look_up("get hit, 100 B blob", &ours_small), look_up("plain table", &plain)};
    measure(sides, 3);
    report_sides("get hit, 100 KB blob", sides, SMALL, RULE_COST, 1.5, 0);
    report_sides("get hit, 100 KB blob", sides, PLAIN, RULE_NONE, 0, 1);
    store_close(&ours);
    store_close(&ours_small);
    store_close(&plain);
    keys_free(&keys);
}

static void row_sizes(void) {
    static const int sizes[] = {10, 100, 1000, 10000, 100000, 1000000};
    static const char *const names[] = {"10 B", "100 B", "1 KB", "10 KB", "100 KB", "1 MB"};
    for (int i = 0; i < 6; i++) {
        Shape shape = {.value_n = sizes[i], .options = "l1_bytes='256M'"};
        char what[80];
        Keys keys;
        Store ours, plain, twin;
        keys_make(&keys, sizes[i] > 10000 ? 100 : HOT, 1);
        store_create(&ours, KIND_FUNCTION, "cache.db", &shape, &keys);
        store_create(&plain, KIND_PLAIN, "plain.db", &shape, &keys);
        store_create(&twin, KIND_TWIN, "twin.db", &shape, &keys);
        store_warm(&ours);
        Side sides[] = {look_up("", &ours), look_up("plain table", &plain), look_up("WITHOUT ROWID", &twin)};
        measure(sides, 3);
        snprintf(what, sizeof what, "get hit, text of %s", names[i]);
        report_sides(what, sides, 1, RULE_NONE, 0, 0);
        report_sides(what, sides, 2, RULE_NONE, 0, 0);
        store_close(&ours);
        store_close(&plain);
        store_close(&twin);
        keys_free(&keys);
    }
}

/* ------------------------------------------------------- L2 hit, and no hit */

/* More keys than the L1 holds, each in its turn: every look-up reads L2, promotes, and evicts. */
static void row_l2_hit(void) {
    static const Shape shape = {.options = "l1_entries=100"};
    Keys keys;
    Store ours, plain;
    keys_make(&keys, HOT, 1);
    store_create(&ours, KIND_FUNCTION, "cache.db", &shape, &keys);
    store_create(&plain, KIND_PLAIN, "plain.db", &shape, &keys);
    Side sides[] = {look_up("", &ours), look_up("plain table", &plain)};
    measure(sides, 2);
    report_sides("L2 hit with promotion", sides, 1, RULE_COST, 1.5, 1);
    Side inside[] = {in_transaction(look_up("", &ours)), in_transaction(look_up("plain table", &plain))};
    measure(inside, 2);
    report_sides("the same in a transaction", inside, 1, RULE_SHARE, 0, 0);
    /* Where a turn begins anew, a few keys may come again at once. */
    if (statistic(&ours, "l1_hits") > statistic(&ours, "gets") / 100)
        die("some look-ups were L1 hits");
    store_close(&ours);
    store_close(&plain);
    keys_free(&keys);
}

static void row_miss(void) {
    Keys stored, keys;
    Store ours, plain;
    keys_make(&stored, HOT, 1);
    keys_make(&keys, HOT, 0);
    store_create(&ours, KIND_FUNCTION, "cache.db", &wal, &stored);
    store_create(&plain, KIND_PLAIN, "plain.db", &wal, &stored);
    store_warm(&ours);
    ours.keys = plain.keys = &keys;
    Side sides[] = {{.name = "", .context = &ours, .op = store_miss},
                    {.name = "plain table", .context = &plain, .op = store_miss}};
    measure(sides, 2);
    report_sides("miss", sides, 1, RULE_COST, 1.3, 1);
    Side inside[] = {in_transaction(sides[0]), in_transaction(sides[1])};
    measure(inside, 2);
    report_sides("miss in a transaction", inside, 1, RULE_SHARE, 0, 0);
    store_close(&ours);
    store_close(&plain);
    keys_free(&keys);
    keys_free(&stored);
}

/* ------------------------------------------------------- strict and relaxed */

static void strict_and_relaxed(const Shape *shape, const char *what) {
    Shape relaxed = *shape;
    Keys keys;
    Store ours, strict;
    relaxed.options = "coherence=relaxed";
    keys_make(&keys, HOT, 1);
    store_create(&ours, KIND_FUNCTION, "cache.db", &relaxed, &keys);
    store_create(&strict, KIND_FUNCTION, "strict.db", shape, &keys);
    store_warm(&ours);
    store_warm(&strict);
    Side sides[] = {look_up("", &ours), look_up("coherence=strict", &strict)};
    measure(sides, 2);
    report_sides(what, sides, 1, RULE_NONE, 0, 0);
    store_close(&ours);
    store_close(&strict);
    keys_free(&keys);
}

static void row_relaxed(void) {
    strict_and_relaxed(&wal, "relaxed get hit, WAL");
    strict_and_relaxed(&rollback, "relaxed get hit, rollback journal");
}

const Row rows_hit[] = {
    {"get-wal", "hybrid_cache_get() hit, autocommit, WAL", row_get_wal},
    {"get-rollback", "the same with a rollback journal", row_get_rollback},
    {"txn", "hits inside a transaction, function and SELECT", row_transaction},
    {"select-wal", "SELECT hit, autocommit, WAL", row_select_wal},
    {"blob", "hit with a blob of 100 KB", row_blob},
    {"l2-hit", "hit in L2 that is promoted", row_l2_hit},
    {"miss", "a key that is not there", row_miss},
    {"sizes", "hits with values from 10 B to 1 MB", row_sizes},
    {"relaxed", "coherence=relaxed against strict", row_relaxed},
    {NULL, NULL, NULL},
};
