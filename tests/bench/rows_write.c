/*
** rows_write.c: what one put costs.
*/
#include "bench.h"

#define HOT 1000

static const Shape wal = {0};

typedef struct Trio {
    Keys keys;
    Store ours, plain, twin;
} Trio;

static void trio_open(Trio *trio) {
    keys_make(&trio->keys, HOT, 1);
    store_create(&trio->ours, KIND_FUNCTION, "cache.db", &wal, &trio->keys);
    store_create(&trio->plain, KIND_PLAIN, "plain.db", &wal, &trio->keys);
    store_create(&trio->twin, KIND_TWIN, "twin.db", &wal, &trio->keys);
}

static void trio_close(Trio *trio) {
    store_close(&trio->ours);
    store_close(&trio->plain);
    store_close(&trio->twin);
    keys_free(&trio->keys);
}

static void row_put_wal(void) {
    Trio trio;
    trio_open(&trio);
    Side sides[] = {{.name = "", .context = &trio.ours, .op = store_put},
                    {.name = "plain table", .context = &trio.plain, .op = store_put},
                    {.name = "WITHOUT ROWID", .context = &trio.twin, .op = store_put}};
    measure_writes(sides, 3);
    report_sides("put, WAL, synchronous=NORMAL", sides, 1, RULE_COST, 1.5, 1);
    report_sides("put, WAL, synchronous=NORMAL", sides, 2, RULE_NONE, 0, 0);
    trio_close(&trio);
}

static void row_put_transaction(void) {
    Trio trio;
    trio_open(&trio);
    Side sides[] = {
        {.name = "", .context = &trio.ours, .op = store_put_transaction, .per = PUTS_PER_TRANSACTION},
        {.name = "plain table", .context = &trio.plain, .op = store_put_transaction, .per = PUTS_PER_TRANSACTION},
        {.name = "WITHOUT ROWID", .context = &trio.twin, .op = store_put_transaction, .per = PUTS_PER_TRANSACTION}};
    measure_writes(sides, 3);
    report_sides("put, 1000 in a transaction", sides, 1, RULE_COST, 1.8, 1);
    report_sides("put, 1000 in a transaction", sides, 2, RULE_NONE, 0, 0);
    trio_close(&trio);
}

const Row rows_write[] = {
    {"put-wal", "INSERT OR REPLACE, autocommit, WAL", row_put_wal},
    {"put-txn", "the same, 1000 in a transaction with its COMMIT", row_put_transaction},
    {NULL, NULL, NULL},
};
