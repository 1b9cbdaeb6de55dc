/*
** store.c: the databases that are compared, and one operation on each.
*/
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define MOST_KEYS ((size_t)1 << 20)
/* Rows of one transaction while a store is filled. */
#define FILL_BATCH 100000
#define DAY 86400.0

/* Whoever reads a value looks at it. */
static volatile unsigned sink;

/* -------------------------------------------------------------------- keys */

void key_text(KeyText out, uint64_t id, int present) {
    /* An odd factor is a bijection of 48 bits: different keys, and neighbours far apart. */
    uint64_t mixed = id * 0x9e3779b97f4bULL & 0xffffffffffffULL;
    snprintf(out, KEY_N + 1, "%s%012llx", present ? "key:" : "nil:", (unsigned long long)mixed);
}

static uint64_t next_random(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

void keys_make(Keys *keys, size_t total, int present) {
    uint64_t random = 88172645463325252ULL;
    keys->count = total < MOST_KEYS ? total : MOST_KEYS;
    keys->text = need(keys->count * sizeof *keys->text);
    for (size_t i = 0; i < keys->count; i++)
        key_text(keys->text[i], total > keys->count ? next_random(&random) % total : i, present);
    for (size_t i = keys->count - 1; i > 0; i--) {
        size_t j = next_random(&random) % (i + 1);
        KeyText text;
        memcpy(text, keys->text[i], sizeof text);
        memcpy(keys->text[i], keys->text[j], sizeof text);
        memcpy(keys->text[j], text, sizeof text);
    }
}

void keys_free(Keys *keys) {
    free(keys->text);
    keys->text = NULL;
}

/* ------------------------------------------------------------------ SQLite */

void exec(sqlite3 *db, const char *sql) {
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        die("%s: %s", sql, message ? message : sqlite3_errmsg(db));
}

sqlite3_stmt *prepare(sqlite3 *db, const char *sql) {
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) != SQLITE_OK)
        die("%s: %s", sql, sqlite3_errmsg(db));
    return stmt;
}

double query(sqlite3 *db, const char *sql) {
    sqlite3_stmt *stmt = prepare(db, sql);
    if (sqlite3_step(stmt) != SQLITE_ROW)
        die("%s: %s", sql, sqlite3_errmsg(db));
    double number = sqlite3_column_double(stmt, 0);
    sqlite3_finalize(stmt);
    return number;
}

double statistic(Store *store, const char *name) {
    char sql[200];
    snprintf(sql, sizeof sql, "SELECT hybrid_cache_stats('cache') ->> '%s'", name);
    return query(store->db, sql);
}

/* ------------------------------------------------------------------- files */

const char *file_path(const char *file) {
    static char paths[4][1200];
    static int at;
    char *path = paths[at++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", settings.directory, file);
    return path;
}

void file_remove(const char *file) {
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    for (int i = 0; i < 4; i++) {
        char path[1300];
        snprintf(path, sizeof path, "%s%s", file_path(file), suffixes[i]);
        remove(path);
    }
}

double file_size(const char *file) {
    struct stat status;
    return stat(file_path(file), &status) == 0 ? (double)status.st_size : 0;
}

/* ------------------------------------------------------------------ stores */

static int is_cache(Kind kind) {
    return kind == KIND_FUNCTION || kind == KIND_SELECT;
}

static void connect(Store *store, const char *file, const Shape *shape) {
    char sql[100];
    if (sqlite3_open(file_path(file), &store->db) != SQLITE_OK)
        die("%s: %s", file_path(file), sqlite3_errmsg(store->db));
    sqlite3_busy_timeout(store->db, 10000);
    snprintf(sql, sizeof sql, "PRAGMA journal_mode=%s", shape->journal ? shape->journal : "wal");
    exec(store->db, sql);
    exec(store->db, "PRAGMA synchronous=NORMAL");
    if (settings.pragma) {
        snprintf(sql, sizeof sql, "PRAGMA %s", settings.pragma);
        exec(store->db, sql);
    }
    if (is_cache(store->kind)) {
        char *message = NULL;
        sqlite3_db_config(store->db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
        if (sqlite3_load_extension(store->db, settings.extension, NULL, &message) != SQLITE_OK)
            die("%s", message ? message : "the extension cannot be loaded");
        exec(store->db, "SELECT hybrid_cache_memory_limit('4G')");
    }
}

static void prepare_all(Store *store) {
    static const char *const get[] = {
        [KIND_FUNCTION] = "SELECT hybrid_cache_get('cache', ?1)",
        [KIND_SELECT] = "SELECT value FROM cache WHERE key = ?1",
        [KIND_PLAIN] = "SELECT value FROM kv WHERE key = ?1 AND expires > ?2",
        [KIND_TWIN] = "SELECT value FROM kv WHERE key = ?1 AND expires > ?2",
        [KIND_FLOOR] = "SELECT ?1",
    };
    store->get = prepare(store->db, get[store->kind]);
    if (is_cache(store->kind))
        store->put = prepare(store->db, "INSERT OR REPLACE INTO cache(key, value) VALUES(?1, ?2)");
    else if (store->kind != KIND_FLOOR)
        store->put = prepare(store->db, "INSERT OR REPLACE INTO kv(key, value, expires) VALUES(?1, ?2, ?3)");
}

static void create_table(Store *store, const Shape *shape) {
    char sql[500];
    if (is_cache(store->kind)) {
        snprintf(sql, sizeof sql, "CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=86400%s%s)",
                 shape->options ? ", " : "", shape->options ? shape->options : "");
        exec(store->db, sql);
    } else if (store->kind != KIND_FLOOR) {
        snprintf(sql, sizeof sql, "CREATE TABLE kv(key TEXT PRIMARY KEY, value, expires REAL)%s",
                 store->kind == KIND_TWIN ? " WITHOUT ROWID" : "");
        exec(store->db, sql);
        exec(store->db, "CREATE INDEX kv_expires ON kv(expires)");
    }
}

static void bind_put(Store *store, const char *key) {
    sqlite3_bind_text(store->put, 1, key, KEY_N, SQLITE_STATIC);
    if (store->blob)
        sqlite3_bind_blob(store->put, 2, store->value, store->value_n, SQLITE_STATIC);
    else
        sqlite3_bind_text(store->put, 2, store->value, store->value_n, SQLITE_STATIC);
    if (!is_cache(store->kind)) {
        /* As the clock does for the cache: every put has a deadline of its own. */
        store->now += 1e-6;
        sqlite3_bind_double(store->put, 3, store->now + DAY);
    }
}

static void put_key(Store *store, const char *key) {
    bind_put(store, key);
    if (sqlite3_step(store->put) != SQLITE_DONE)
        die("put: %s", sqlite3_errmsg(store->db));
    sqlite3_reset(store->put);
}

static void fill(Store *store, size_t entries) {
    exec(store->db, "PRAGMA cache_size=-1000000");
    for (size_t i = 0; i < entries; i++) {
        KeyText key;
        if (i % FILL_BATCH == 0) {
            if (i)
                progress("filling, %zu of %zu rows", i, entries);
            exec(store->db, i ? "COMMIT; BEGIN" : "BEGIN");
        }
        key_text(key, i, 1);
        put_key(store, key);
    }
    exec(store->db, "COMMIT");
}

static void take_shape(Store *store, Kind kind, const Shape *shape, const Keys *keys) {
    memset(store, 0, sizeof *store);
    store->kind = kind;
    store->keys = keys;
    store->value_n = shape->value_n ? shape->value_n : 100;
    store->blob = shape->blob;
    store->now = (double)time(NULL);
    char *value = need((size_t)store->value_n + 1);
    for (int i = 0; i < store->value_n; i++)
        value[i] = (char)('a' + i % 26);
    store->value = value;
}

void store_open(Store *store, Kind kind, const char *file, const Shape *shape, const Keys *keys) {
    take_shape(store, kind, shape, keys);
    connect(store, file, shape);
    prepare_all(store);
}

void store_create(Store *store, Kind kind, const char *file, const Shape *shape, const Keys *keys) {
    take_shape(store, kind, shape, keys);
    file_remove(file);
    connect(store, file, shape);
    create_table(store, shape);
    prepare_all(store);
    if (kind != KIND_FLOOR)
        fill(store, shape->entries ? shape->entries : keys->count);
    /* A fresh connection: nobody profits from having filled the table. */
    store_close(store);
    store_open(store, kind, file, shape, keys);
}

void store_close(Store *store) {
    sqlite3_finalize(store->get);
    sqlite3_finalize(store->put);
    if (sqlite3_close(store->db) != SQLITE_OK)
        die("close: %s", sqlite3_errmsg(store->db));
    free((void *)(uintptr_t)store->value);
    memset(store, 0, sizeof *store);
}

/* -------------------------------------------------------------- operations */

static int look_up(Store *store, const char *key) {
    sqlite3_bind_text(store->get, 1, key, KEY_N, SQLITE_STATIC);
    if (store->kind == KIND_PLAIN || store->kind == KIND_TWIN)
        sqlite3_bind_double(store->get, 2, store->now);
    return sqlite3_step(store->get);
}

static const char *key_at(const Store *store, size_t i) {
    return store->keys->text[i % store->keys->count];
}

void store_get(void *context, size_t i) {
    Store *store = context;
    int want = store->kind == KIND_FLOOR ? KEY_N : store->value_n;
    int rc = look_up(store, key_at(store, i));
    if (rc != SQLITE_ROW)
        die("get: %s", rc == SQLITE_DONE ? "not there" : sqlite3_errmsg(store->db));
    const unsigned char *value = store->blob ? sqlite3_column_blob(store->get, 0) : sqlite3_column_text(store->get, 0);
    int n = sqlite3_column_bytes(store->get, 0);
    if (n != want || !value)
        die("get: %d bytes instead of %d", n, want);
    sink += value[0] + (unsigned)value[n - 1];
    sqlite3_reset(store->get);
}

void store_miss(void *context, size_t i) {
    Store *store = context;
    int rc = look_up(store, key_at(store, i));
    if (rc != SQLITE_DONE && (rc != SQLITE_ROW || sqlite3_column_type(store->get, 0) != SQLITE_NULL))
        die("miss: %s", rc == SQLITE_ROW ? "it is there" : sqlite3_errmsg(store->db));
    sqlite3_reset(store->get);
}

void store_put(void *context, size_t i) {
    Store *store = context;
    put_key(store, key_at(store, i));
}

void store_begin(void *context) {
    exec(((Store *)context)->db, "BEGIN");
}

void store_commit(void *context) {
    exec(((Store *)context)->db, "COMMIT");
}

void store_put_transaction(void *context, size_t i) {
    store_begin(context);
    for (size_t j = 0; j < PUTS_PER_TRANSACTION; j++)
        store_put(context, i * PUTS_PER_TRANSACTION + j);
    store_commit(context);
}

void store_warm(Store *store) {
    for (size_t i = 0; i < store->keys->count; i++)
        store_get(store, i);
}
