/*
** plan.c - the transactions of plan.h.
*/
#include "plan.h"

#include <stdio.h>
#include <string.h>

#define OPERATIONS_MOST 12

const char *const plan_setup[] = {
    "CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=0, l1_ttl=0)",
    "CREATE VIRTUAL TABLE small USING hybrid_cache(ttl=0, l1_ttl=0, l2_entries=20, l1_entries=10, eviction=s3fifo)",
    "CREATE TABLE app(key INTEGER PRIMARY KEY, value)",
    "CREATE TRIGGER app_insert AFTER INSERT ON app BEGIN"
    "  INSERT OR REPLACE INTO cache(key, value) VALUES(new.key, new.value); END",
    "CREATE TRIGGER app_update AFTER UPDATE ON app BEGIN"
    "  UPDATE cache SET value = new.value WHERE key = old.key; END",
    "CREATE TRIGGER app_delete AFTER DELETE ON app BEGIN DELETE FROM cache WHERE key = old.key; END",
    NULL};

uint64_t plan_random(uint64_t seed, uint64_t a, uint64_t b) {
    uint64_t x = seed * 0x9e3779b97f4a7c15u + a * 0xbf58476d1ce4e5b9u + b * 0x94d049bb133111ebu;
    for (int i = 0; i < 2; i++) {
        x ^= x >> 31;
        x *= 0xd6e8feb86659fd93u;
    }
    return x ^ x >> 32;
}

void plan_value(uint64_t seed, unsigned key, unsigned n, char out[VALUE_MOST]) {
    uint64_t r = plan_random(seed, n, 1000 + key);
    int filler = (int)(r % 10 == 0 ? 2000 + r / 10 % 1500 : r / 10 % 100);
    int at = snprintf(out, VALUE_MOST, "%u:%u:", key, n);
    memset(out + at, 'a' + (int)(r % 26), (size_t)filler);
    out[at + filler] = 0;
}

typedef enum { PUT, UPDATE, DELETE, EXPIRED } Kind;

typedef struct {
    Kind kind;
    unsigned key;
    int undone; /* by ROLLBACK TO */
} Operation;

typedef struct {
    int single, rolled_back;
    int count;
    Operation operations[OPERATIONS_MOST];
    const char *command; /* after the operations; NULL: none */
} Plan;

static Plan plan_of(uint64_t seed, unsigned n) {
    uint64_t r = plan_random(seed, n, 0);
    Plan plan = {.single = r % 10 < 4, .rolled_back = r % 10 == 9, .count = 1};
    if (!plan.single)
        plan.count = 2 + (int)(r / 10 % (OPERATIONS_MOST - 1));
    for (int i = 0; i < plan.count; i++) {
        uint64_t o = plan_random(seed, n, (uint64_t)i + 1);
        static const Kind kinds[] = {PUT, PUT, PUT, PUT, UPDATE, UPDATE, DELETE, EXPIRED};
        Operation *operation = &plan.operations[i];
        operation->kind = kinds[o % 8];
        operation->key = (unsigned)(o / 8 % KEYS);
        operation->undone = !plan.single && o / 1024 % 8 == 0;
        if (operation->kind == EXPIRED && operation->key < KEYS_APP)
            operation->kind = PUT;
    }
    if (!plan.single && r / 1000 % 12 == 0)
        plan.command =
            r / 100000 % 2 ? "INSERT INTO cache(cache) VALUES('purge')" : "INSERT INTO small(small) VALUES('clear')";
    return plan;
}

static int clears(const Plan *plan) {
    return plan->command != NULL && strstr(plan->command, "clear") != NULL;
}

void plan_apply(uint64_t seed, unsigned n, PlanState *state) {
    Plan plan = plan_of(seed, n);
    if (plan.rolled_back)
        return;
    for (int i = 0; i < plan.count; i++) {
        const Operation *operation = &plan.operations[i];
        unsigned *main = &state->main[operation->key], *small = &state->small[operation->key];
        if (operation->undone)
            continue;
        if (operation->kind == PUT || (operation->kind == UPDATE && *main != 0))
            *main = n;
        else if (operation->kind != UPDATE)
            *main = 0;
        if (!plan.single)
            *small = operation->kind == PUT || operation->kind == UPDATE ? n : 0;
    }
    if (clears(&plan))
        memset(state->small, 0, sizeof state->small);
}

static int run(sqlite3 *db, char *sql) {
    int rc = sql != NULL ? sqlite3_exec(db, sql, NULL, NULL, NULL) : SQLITE_NOMEM;
    sqlite3_free(sql);
    return rc;
}

static int run_operation(sqlite3 *db, uint64_t seed, unsigned n, const Operation *operation) {
    char value[VALUE_MOST];
    int app = operation->key < KEYS_APP;
    plan_value(seed, operation->key, n, value);
    switch (operation->kind) {
    case PUT:
        return run(db, app ? sqlite3_mprintf("INSERT INTO app VALUES(%u, %Q) ON CONFLICT(key) DO UPDATE SET"
                                             " value = excluded.value",
                                             operation->key, value)
                           : sqlite3_mprintf("REPLACE INTO cache(key, value) VALUES(%u, %Q)", operation->key, value));
    case UPDATE:
        return run(db, sqlite3_mprintf("UPDATE %s SET value = %Q WHERE key = %u", app ? "app" : "cache", value,
                                       operation->key));
    case DELETE:
        return run(db, sqlite3_mprintf("DELETE FROM %s WHERE key = %u", app ? "app" : "cache", operation->key));
    default:
        return run(
            db, sqlite3_mprintf("REPLACE INTO cache(key, value, expires) VALUES(%u, %Q, 1000)", operation->key, value));
    }
}

/* The same in the cache that evicts. */
static int run_small(sqlite3 *db, uint64_t seed, unsigned n, const Operation *operation) {
    char value[VALUE_MOST];
    plan_value(seed, operation->key, n, value);
    if (operation->kind == PUT || operation->kind == UPDATE)
        return run(db, sqlite3_mprintf("REPLACE INTO small(key, value) VALUES(%u, %Q)", operation->key, value));
    return run(db, sqlite3_mprintf("DELETE FROM small WHERE key = %u", operation->key));
}

int plan_run(sqlite3 *db, uint64_t seed, unsigned n) {
    Plan plan = plan_of(seed, n);
    if (plan.single)
        return run_operation(db, seed, n, &plan.operations[0]);
    int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    for (int i = 0; rc == SQLITE_OK && i < plan.count; i++) {
        const Operation *operation = &plan.operations[i];
        if (operation->undone)
            rc = sqlite3_exec(db, "SAVEPOINT s", NULL, NULL, NULL);
        if (rc == SQLITE_OK)
            rc = run_operation(db, seed, n, operation);
        if (rc == SQLITE_OK)
            rc = run_small(db, seed, n, operation);
        if (rc == SQLITE_OK && operation->undone)
            rc = sqlite3_exec(db, "ROLLBACK TO s; RELEASE s", NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK && plan.command != NULL)
        rc = sqlite3_exec(db, plan.command, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, plan.rolled_back ? "ROLLBACK" : "COMMIT", NULL, NULL, NULL);
    return rc;
}
