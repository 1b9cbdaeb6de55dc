/*
** fuzz_image.c: a whole database file, any byte of it changed.
**
** SQLite's own findings ("malformed") are as they are. Ours have to be decent: no crash, no misuse, no value that
** was never stored, unless its row has lost its checksum.
*/
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static const char *const statements[] = {
    "SELECT hybrid_cache_get('cache', 'k1'), hybrid_cache_has('cache', 2), hybrid_cache_ttl('cache', 'k3')",
    "SELECT hybrid_cache_stale('cache', 'k4'), hybrid_cache_tier('cache', x'05')",
    "SELECT hybrid_cache_stats('cache'), hybrid_cache_option('cache', 'l2_entries')",
    "SELECT count(*), min(key), max(value) FROM cache",
    "SELECT key, tag, ttl FROM cache WHERE tag = 't' OR key GLOB 'k*' OR expires < 2e9 ORDER BY key",
    "BEGIN",
    "REPLACE INTO cache(key, value, tag) VALUES('k1', 'new', 't'), ('k9', zeroblob(900), NULL)",
    "SAVEPOINT s",
    "UPDATE cache SET value = 'new' WHERE key = 2",
    "UPDATE cache SET ttl = 5, tag = 'u' WHERE tag = 't'",
    "UPDATE OR REPLACE cache SET key = 'k3' WHERE key = 'k4'",
    "ROLLBACK TO s",
    "DELETE FROM cache WHERE key > 'k3'",
    "COMMIT",
    "INSERT INTO cache(cache) VALUES('check')",
    "INSERT INTO cache(cache, value) VALUES('purge', 10)",
    "INSERT INTO cache(cache, value) VALUES('l2_entries', 3)",
    "SELECT hybrid_cache_get('cache', 'k3'), hybrid_cache_get('cache', 'k4') FROM cache",
    "INSERT INTO cache(cache) VALUES('rebuild')",
    "INSERT INTO cache(cache) VALUES('check')",
    "SELECT count(*) FROM cache",
    "ALTER TABLE cache RENAME TO other",
    "INSERT INTO other(other) VALUES('clear')",
    "DROP TABLE other",
};

/* What the seeds in corpus/image hold, besides 'new'. */
static int was_stored(sqlite3_value *value) {
    int n = sqlite3_value_bytes(value);
    const char *bytes = sqlite3_value_blob(value);
    switch (sqlite3_value_type(value)) {
    case SQLITE_TEXT:
        if (n == 3 && memcmp(bytes, "new", 3) == 0)
            return 1;
        if (n < 6 || memcmp(bytes, "value", 5) != 0)
            return 0;
        for (int i = 6; i < n; i++) {
            if (bytes[i] != '.')
                return 0;
        }
        return bytes[5] >= '0' && bytes[5] <= '9' && (n == 6 || n == 606);
    case SQLITE_INTEGER:
        return sqlite3_value_int64(value) == 1234567;
    case SQLITE_FLOAT:
        return sqlite3_value_double(value) == 2.75;
    case SQLITE_BLOB:
        return n == 3 || n == 900;
    default:
        return 0;
    }
}

static int judged(sqlite3 *db, const char *sql) {
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    for (int rows = 0; rc == SQLITE_OK && rows < 200; rows++) {
        rc = sqlite3_step(stmt);
        if (rc != SQLITE_ROW)
            break;
        rc = SQLITE_OK;
        for (int i = 0; i < sqlite3_column_count(stmt); i++)
            sqlite3_column_text(stmt, i);
    }
    if (rc != SQLITE_OK && rc != SQLITE_DONE) {
        const char *message = sqlite3_errmsg(db);
        if (rc == SQLITE_MISUSE || rc == SQLITE_INTERNAL || rc == SQLITE_FORMAT)
            fuzz_wrong("%s: result code %d: %s", sql, rc, message);
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE || rc == SQLITE_OK;
}

/* The values of all keys, by the function and by a scan. A checksum of NULL is the file's word that it has none. */
static void judge_values(sqlite3 *db) {
    sqlite3_stmt *stmt = NULL;
    int unchecked = 1;
    if (sqlite3_prepare_v2(db, "SELECT count(*) FROM cache_data NOT INDEXED WHERE sum IS NULL", -1, &stmt, NULL) ==
            SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        unchecked = sqlite3_column_int(stmt, 0) > 0;
    sqlite3_finalize(stmt);
    stmt = NULL;
    if (unchecked)
        return;
    static const char *const queries[] = {
        "SELECT v.column1, hybrid_cache_get('cache', v.column1, 'new') FROM (VALUES('k1'), (2), ('k3'), (x'05')) AS v",
        "SELECT key, value FROM cache",
        "SELECT key, value FROM cache WHERE key GLOB 'k*'",
    };
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        if (sqlite3_prepare_v2(db, queries[i], -1, &stmt, NULL) != SQLITE_OK)
            continue;
        while (sqlite3_step(stmt) == SQLITE_ROW) {
            if (!was_stored(sqlite3_column_value(stmt, 1)))
                fuzz_wrong("%s: the key %s has the value %s", queries[i], sqlite3_column_text(stmt, 0),
                           sqlite3_column_text(stmt, 1));
        }
        sqlite3_finalize(stmt);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 512 || size > 65536)
        return 0;
    fuzz_start();
    sqlite3 *db = fuzz_open("image");
    unsigned char *copy = sqlite3_malloc64(size);
    memcpy(copy, data, size);
    if (sqlite3_deserialize(db, "main", copy, (sqlite3_int64)size, (sqlite3_int64)size,
                            SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE) == SQLITE_OK) {
        fuzz_patience(db, 50);
        sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, (int)(size / 512 % 2), NULL);
        if (judged(db, "SELECT * FROM sqlite_master") && judged(db, "SELECT 1 FROM cache LIMIT 0")) {
            judge_values(db);
            for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++)
                judged(db, statements[i]);
            fuzz_verify(db);
        }
    }
    fuzz_close(db);
    return 0;
}
