/*
** single.c: one operation so many times, for tools that count instead of measure (instructions.sh, perf).
*/
#include "bench.h"

#include <stdio.h>
#include <string.h>

#define HOT 1000

typedef struct Single {
    const char *name, *what;
    Kind kind;
    void (*op)(void *store, size_t i);
    int transaction; /* all in one */
    int l1_small;    /* nothing is found in L1 */
} Single;

static const Single singles[] = {
    {"get", "get hit", KIND_FUNCTION, store_get, 0, 0},
    {"get-txn", "get hit in a transaction", KIND_FUNCTION, store_get, 1, 0},
    {"select", "SELECT hit", KIND_SELECT, store_get, 0, 0},
    {"select-txn", "SELECT hit in a transaction", KIND_SELECT, store_get, 1, 0},
    {"l2", "L2 hit with promotion", KIND_FUNCTION, store_get, 0, 1},
    {"miss", "miss", KIND_FUNCTION, store_miss, 0, 0},
    {"put", "put", KIND_FUNCTION, store_put, 0, 0},
    {"put-txn", "put in a transaction", KIND_FUNCTION, store_put, 1, 0},
    {"plain-get", "plain table: hit", KIND_PLAIN, store_get, 0, 0},
    {"plain-get-txn", "plain table: hit in a transaction", KIND_PLAIN, store_get, 1, 0},
    {"plain-miss", "plain table: miss", KIND_PLAIN, store_miss, 0, 0},
    {"plain-put", "plain table: put", KIND_PLAIN, store_put, 0, 0},
    {"plain-put-txn", "plain table: put in a transaction", KIND_PLAIN, store_put, 1, 0},
    {"floor", "SELECT ?1", KIND_FLOOR, store_get, 0, 0},
};
#define SINGLES (sizeof singles / sizeof singles[0])

void single_list(void) {
    for (size_t i = 0; i < SINGLES; i++)
        printf("%s\t%s\n", singles[i].name, singles[i].what);
}

void single_run(const char *name, size_t count) {
    size_t at = 0;
    while (at < SINGLES && strcmp(singles[at].name, name) != 0)
        at++;
    if (at == SINGLES)
        die("no operation is called %s", name);
    const Single *single = &singles[at];
    Shape shape = {.options = single->l1_small ? "l1_entries=100" : NULL};
    Keys stored, missing;
    Store store;
    keys_make(&stored, HOT, 1);
    keys_make(&missing, HOT, 0);
    store_create(&store, single->kind, "single.db", &shape, &stored);
    store_warm(&store);
    if (single->op == store_miss)
        store.keys = &missing;
    if (single->transaction)
        store_begin(&store);
    for (size_t i = 0; i < count; i++)
        single->op(&store, i);
    if (single->transaction)
        store_commit(&store);
    store_close(&store);
    keys_free(&stored);
    keys_free(&missing);
}
