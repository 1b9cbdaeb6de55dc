/*
** hybrid_cache from C: client EXTENSION FILE [ROUNDS PROCESSES]
**
** With -DHYBRID_CACHE_STATIC the extension is part of the program and EXTENSION is not looked at: everything is
** compiled with -DSQLITE_CORE then and linked together (suite.mk shows it).
*/
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef HYBRID_CACHE_STATIC
#include "hybrid_cache.h"
#endif

/* This program stops at the first thing that goes wrong. */
static void fail(sqlite3 *db, const char *what) {
    fprintf(stderr, "%s: %s\n", what, sqlite3_errmsg(db));
    exit(1);
}

static void execute(sqlite3 *db, const char *sql) {
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        fail(db, sql);
    }
}

static sqlite3 *connect_to(const char *file, const char *extension) {
    sqlite3 *db;
#ifdef HYBRID_CACHE_STATIC
    (void)extension;
    sqlite3_auto_extension((void (*)(void))sqlite3_hybridcache_init); /* every connection opened from now on has it */
#endif
    if (sqlite3_open(file, &db) != SQLITE_OK) {
        fail(db, file);
    }
#ifndef HYBRID_CACHE_STATIC
    /* Allows the C function below, and keeps the SQL function load_extension() forbidden. */
    char *message = NULL;
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
    if (sqlite3_load_extension(db, extension, NULL, &message) != SQLITE_OK) {
        fprintf(stderr, "%s\n", message);
        exit(1);
    }
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
#endif
    sqlite3_busy_timeout(db, 60000);
    execute(db, "PRAGMA journal_mode = WAL");
    return db;
}

enum { KEY = 1, VALUE, TTL }; /* parameters of the statements below */

/* What the program does often is prepared once. */
typedef struct Cache {
    sqlite3 *db;
    sqlite3_stmt *get, *put, *create_counter, *add_one;
} Cache;

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql) {
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) != SQLITE_OK) {
        fail(db, sql);
    }
    return statement;
}

static Cache open_cache(sqlite3 *db) {
    return (Cache){
        .db = db,
        .get = prepare(db, "SELECT hybrid_cache_get('cache', ?)"),
        .put = prepare(db, "INSERT OR REPLACE INTO cache(key, value, ttl) VALUES(?, ?, ?)"),
        .create_counter = prepare(db, "INSERT OR IGNORE INTO cache(key, value, ttl) VALUES(?, 0, 0)"),
        .add_one = prepare(db, "UPDATE cache SET value = value + 1 WHERE key = ?"),
    };
}

static void close_cache(Cache *cache) {
    sqlite3_finalize(cache->get);
    sqlite3_finalize(cache->put);
    sqlite3_finalize(cache->create_counter);
    sqlite3_finalize(cache->add_one);
}

/* The value, to be freed with sqlite3_value_free(); NULL on a miss and for a cached NULL. */
static sqlite3_value *get(Cache *cache, const char *key) {
    sqlite3_bind_text(cache->get, KEY, key, -1, SQLITE_STATIC);
    if (sqlite3_step(cache->get) != SQLITE_ROW) {
        fail(cache->db, "get");
    }
    sqlite3_value *value = NULL;
    if (sqlite3_column_type(cache->get, 0) != SQLITE_NULL) {
        value = sqlite3_value_dup(sqlite3_column_value(cache->get, 0));
    }
    sqlite3_reset(cache->get); /* lets go of the read transaction */
    return value;
}

/* Runs a statement that returns no rows, with its parameters bound. */
static void run(Cache *cache, sqlite3_stmt *statement) {
    if (sqlite3_step(statement) != SQLITE_DONE) {
        fail(cache->db, sqlite3_sql(statement));
    }
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
}

/*
** Stores what the caller has bound to VALUE of cache->put, in the type it was bound as (nothing bound: NULL). With a
** `ttl` below 0 the entry lives as long as the cache's option says.
*/
static void put(Cache *cache, const char *key, double ttl) {
    sqlite3_bind_text(cache->put, KEY, key, -1, SQLITE_STATIC);
    if (ttl >= 0) {
        sqlite3_bind_double(cache->put, TTL, ttl);
    }
    run(cache, cache->put);
}

static void put_text(Cache *cache, const char *key, const char *text, double ttl) {
    sqlite3_bind_text(cache->put, VALUE, text, -1, SQLITE_STATIC);
    put(cache, key, ttl);
}

/* Finds the value for a key and binds it to VALUE of cache->put. */
typedef void Compute(Cache *cache, const char *key);

/*
** On a hit no lock is taken. On a miss one process computes, the others wait for it and find its answer; nobody can
** change the data in between (IMMEDIATE takes the write lock at once), so no outdated answer is stored.
*/
static sqlite3_value *get_or_compute(Cache *cache, const char *key, double ttl, Compute *compute) {
    sqlite3_value *value = get(cache, key);
    if (value == NULL) {
        execute(cache->db, "BEGIN IMMEDIATE");
        value = get(cache, key); /* another process may have been faster */
        if (value == NULL) {
            compute(cache, key);
            put(cache, key, ttl);
            value = get(cache, key);
        }
        execute(cache->db, "COMMIT");
    }
    return value;
}

static int number(Cache *cache, const char *key) {
    sqlite3_value *value = get(cache, key);
    int result = sqlite3_value_int(value);
    sqlite3_value_free(value);
    return result;
}

static int increment(Cache *cache, const char *key) {
    execute(cache->db, "BEGIN IMMEDIATE");
    sqlite3_bind_text(cache->create_counter, KEY, key, -1, SQLITE_STATIC);
    run(cache, cache->create_counter);
    sqlite3_bind_text(cache->add_one, KEY, key, -1, SQLITE_STATIC);
    run(cache, cache->add_one);
    int result = number(cache, key);
    execute(cache->db, "COMMIT");
    return result;
}

/* ---- the tour */

static void print_text(const char *label, Cache *cache, const char *key) {
    sqlite3_value *value = get(cache, key);
    const char *text = value == NULL ? "null" : (const char *)sqlite3_value_text(value);
    printf("%s: %s\n", label, text);
    sqlite3_value_free(value);
}

static sqlite3_stmt *first_row(sqlite3 *db, const char *sql) {
    sqlite3_stmt *statement = prepare(db, sql);
    if (sqlite3_step(statement) != SQLITE_ROW) {
        fail(db, sql);
    }
    return statement;
}

static void sum_of_sales(Cache *cache, const char *key) {
    (void)key;
    printf("computing\n");
    sqlite3_stmt *sum = first_row(cache->db, "SELECT sum(amount) FROM sale");
    sqlite3_bind_value(cache->put, VALUE, sqlite3_column_value(sum, 0));
    sqlite3_finalize(sum);
}

static void print_total(Cache *cache) {
    sqlite3_value *total = get_or_compute(cache, "total", 60, sum_of_sales);
    printf("total: %d\n", sqlite3_value_int(total));
    sqlite3_value_free(total);
}

static void print_types(Cache *cache) {
    sqlite3_bind_int64(cache->put, VALUE, 42);
    put(cache, "type:0", -1);
    sqlite3_bind_double(cache->put, VALUE, 1.5);
    put(cache, "type:1", -1);
    sqlite3_bind_text(cache->put, VALUE, "text", -1, SQLITE_STATIC);
    put(cache, "type:2", -1);
    sqlite3_bind_blob(cache->put, VALUE, "\x00\xff", 2, SQLITE_STATIC);
    put(cache, "type:3", -1);
    sqlite3_bind_null(cache->put, VALUE);
    put(cache, "type:4", -1);

    sqlite3_stmt *types = prepare(cache->db, "SELECT typeof(value) FROM cache WHERE key GLOB 'type:*' ORDER BY key");
    printf("types:");
    while (sqlite3_step(types) == SQLITE_ROW) {
        printf(" %s", (const char *)sqlite3_column_text(types, 0));
    }
    sqlite3_finalize(types);

    sqlite3_value *blob = get(cache, "type:3");
    const unsigned char *bytes = sqlite3_value_blob(blob);
    printf("\nblob: ");
    for (int i = 0; i < sqlite3_value_bytes(blob); i++) {
        printf("%02x", (unsigned)bytes[i]);
    }
    printf("\n");
    sqlite3_value_free(blob);
}

static void print_statistics(Cache *cache) {
    execute(cache->db, "SELECT hybrid_cache_reset_stats('cache')");
    static const char *const keys[] = {"name", "total", "visits", "nobody"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        sqlite3_value_free(get(cache, keys[i]));
    }
    sqlite3_stmt *stats = first_row(cache->db, "SELECT l2_count, hit_ratio FROM hybrid_cache_stats('cache')");
    printf("statistics: %d entries, hit ratio %.2f\n", sqlite3_column_int(stats, 0), sqlite3_column_double(stats, 1));
    sqlite3_finalize(stats);
}

static void make_mistake(sqlite3 *db, const char *sql) {
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) {
        printf("error: %s\n", message);
    }
    sqlite3_free(message);
}

static void tour(sqlite3 *db) {
    sqlite3_stmt *version = first_row(db, "SELECT hybrid_cache_version()");
    printf("loaded: hybrid_cache %s\n", (const char *)sqlite3_column_text(version, 0));
    sqlite3_finalize(version);
    execute(db, "CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=300);"
                "CREATE TABLE sale(product TEXT, amount INTEGER);"
                "INSERT INTO sale VALUES('tea', 5), ('tea', 7);"
                "CREATE TRIGGER sale_added AFTER INSERT ON sale BEGIN DELETE FROM cache WHERE key = 'total'; END;");
    Cache cache = open_cache(db);

    put_text(&cache, "name", "Zoë 🦊", 60);
    print_text("put and get", &cache, "name");
    print_text("miss", &cache, "nobody");
    put(&cache, "nothing", -1);
    sqlite3_stmt *has = first_row(db, "SELECT hybrid_cache_has('cache', 'nothing')");
    printf("cached null: %s\n", sqlite3_column_int(has, 0) ? "hit" : "miss");
    sqlite3_finalize(has);
    print_types(&cache);

    print_total(&cache);
    print_total(&cache);
    execute(db, "INSERT INTO sale VALUES('cocoa', 3)"); /* the trigger removes the entry */
    print_total(&cache);

    execute(db, "BEGIN");
    put_text(&cache, "name", "Grace", -1);
    print_text("in the transaction", &cache, "name");
    execute(db, "ROLLBACK");
    print_text("after the rollback", &cache, "name");

    printf("increment: %d\n", increment(&cache, "visits"));
    printf("increment: %d\n", increment(&cache, "visits"));

    print_statistics(&cache);
    make_mistake(db, "INSERT INTO cache(key, value) VALUES('name', 'Ada')");
    make_mistake(db, "INSERT INTO cache(key, value, expires) VALUES('k', 'v', 'tomorrow')");
    close_cache(&cache);
}

/* ---- run by several processes at once, which meet in each round: no page is computed twice, no ticket drawn twice */

static void render(Cache *cache, const char *key) {
    printf("computing %s\n", key);
    sqlite3_bind_text(cache->put, VALUE, "<html>", -1, SQLITE_STATIC);
}

static void race(sqlite3 *db, int rounds, int processes) {
    Cache cache = open_cache(db);
    for (int round = 1; round <= rounds; round++) {
        char page[32];
        snprintf(page, sizeof page, "page %d", round);
        increment(&cache, "arrived");
        while (number(&cache, "arrived") < round * processes) {
            /* a hit that asks whether somebody has written costs next to nothing */
        }
        sqlite3_value_free(get_or_compute(&cache, page, 60, render));
        for (int i = 0; i < 10; i++) {
            printf("ticket %d\n", increment(&cache, "ticket"));
        }
    }
    close_cache(&cache);
}

int main(int argc, char **argv) {
    if (argc != 3 && argc != 5) {
        fprintf(stderr, "usage: %s EXTENSION FILE [ROUNDS PROCESSES]\n", argv[0]);
        return 2;
    }
    sqlite3 *db = connect_to(argv[2], argv[1]);
    if (argc > 4) {
        race(db, atoi(argv[3]), atoi(argv[4]));
    } else {
        tour(db);
    }
    if (sqlite3_close(db) != SQLITE_OK) {
        fail(db, "close");
    }
    return 0;
}
