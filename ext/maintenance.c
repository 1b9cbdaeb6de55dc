/*
** maintenance.c: looking for damage in L2, and mending it.
*/
#include "maintenance.h"
#include "cache_parts.h"

/* More findings than this are counted, not told. */
#define FINDINGS_TOLD 10
/* Rows read between two writes of a rebuild. */
#define BATCH 64

typedef struct Findings {
    sqlite3_str *text;
    int count;
} Findings;

static void find(Findings *findings, const char *format, ...) {
    va_list arguments;
    if (++findings->count > FINDINGS_TOLD)
        return;
    va_start(arguments, format);
    sqlite3_str_appendall(findings->text, findings->count > 1 ? "; " : "");
    sqlite3_str_vappendf(findings->text, format, arguments);
    va_end(arguments);
}

/* Walks the rows after `id`; at most `limit` of them, -1 = all. */
static int walk_open(HcCache *cache, sqlite3_int64 id, int limit) {
    sqlite3_stmt *stmt;
    int rc = hc_l2_open(&cache->l2, HC_L2_WALK, &stmt);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(stmt, 1, id);
    return rc == SQLITE_OK ? sqlite3_bind_int(stmt, 2, limit) : rc;
}

/* Indexes and triggers; a table that lacks a column cannot be read at all. */
static int check_parts(HcCache *cache, Findings *findings) {
    const char *missing;
    int rc = hc_l2_missing(&cache->l2, &missing);
    if (rc == SQLITE_OK && missing)
        find(findings, "%s is missing", missing);
    return rc;
}

static int check_rows(HcCache *cache, const HcState *state, Findings *findings) {
    HcRow row;
    sqlite3_int64 entries = 0, bytes = 0;
    int rc = walk_open(cache, HC_BELOW_ALL_IDS, -1);
    while (rc == SQLITE_OK && (rc = hc_l2_next(&cache->l2, HC_L2_WALK, &row)) == SQLITE_ROW) {
        HcRow same;
        HcKey key;
        rc = hc_host_interrupted(cache->connection->db) ? SQLITE_INTERRUPT : SQLITE_OK;
        entries++;
        bytes += hc_cache_counted_size(&row);
        if (row.damaged) {
            find(findings, "entry %lld is damaged", row.id);
            continue;
        }
        if (row.size != hc_row_size(&row))
            find(findings, "entry %lld has %lld bytes, not %lld", row.id, hc_row_size(&row), row.size);
        hc_key_make(&row.key, &key);
        int found = rc == SQLITE_OK ? hc_l2_find(&cache->l2, HC_L2_HEAD, &key, &same) : SQLITE_DONE;
        if (found != SQLITE_ROW && found != SQLITE_DONE)
            rc = found;
        else if (rc == SQLITE_OK && (found == SQLITE_DONE || same.id != row.id))
            find(findings, "entry %lld is not found by its key", row.id);
        hc_l2_close(&cache->l2, HC_L2_HEAD);
    }
    hc_l2_close(&cache->l2, HC_L2_WALK);
    if (rc != SQLITE_DONE)
        return rc;
    if (entries != state->entries)
        find(findings, "%lld entries are stored, %lld are counted", entries, state->entries);
    if (bytes != state->bytes)
        find(findings, "%lld bytes are stored, %lld are counted", bytes, state->bytes);
    return SQLITE_OK;
}

int hc_maintenance_check(HcCache *cache, char **message) {
    HcMeta meta;
    Findings findings = {sqlite3_str_new(NULL), 0};
    char *detail = NULL;
    int rc = SQLITE_OK;
    HcOptions options;
    if (cache->transaction.joined) {
        meta.state = cache->transaction.state;
        rc = check_rows(cache, &meta.state, &findings);
    } else {
        rc = hc_l2_meta(&cache->l2, &meta, &detail);
        if (rc == SQLITE_OK) {
            int parsed = hc_options_from_text(&options, meta.options, &detail);
            if (parsed == SQLITE_NOMEM)
                rc = parsed;
            else if (parsed != SQLITE_OK)
                find(&findings, "options: %s", detail);
        }
        if (rc == SQLITE_OK)
            rc = check_rows(cache, &meta.state, &findings);
        else if (rc == SQLITE_CORRUPT_VTAB && !detail)
            find(&findings, "counters and options are missing or damaged");
        /* Closed last: rows and counters are those of one snapshot. */
        hc_l2_close(&cache->l2, HC_L2_META);
    }
    if (rc == SQLITE_OK)
        rc = check_parts(cache, &findings);
    char *text = sqlite3_str_finish(findings.text);
    if (findings.count) {
        int more = findings.count - FINDINGS_TOLD;
        char *rest = more > 0 ? sqlite3_mprintf("; and %d more", more) : sqlite3_mprintf("");
        *message = sqlite3_mprintf(
            "hybrid_cache: check of \"%w\": %s%s. INSERT INTO \"%w\"(\"%w\") VALUES('rebuild') mends it", cache->name,
            text, rest, cache->name, cache->name);
        sqlite3_free(rest);
        rc = *message ? SQLITE_CORRUPT_VTAB : SQLITE_NOMEM;
    }
    sqlite3_free(text);
    if (rc == SQLITE_CORRUPT_VTAB && detail && !*message) {
        /* Another format: what to do about it is said there. */
        *message = detail;
        detail = NULL;
    }
    sqlite3_free(detail);
    return rc;
}

/* ---------------------------------------------------------------- rebuild */

static int run(HcCache *cache, const char *format) {
    char *sql = sqlite3_mprintf(format, cache->l2.schema, cache->l2.name, cache->l2.schema, cache->l2.name);
    unsigned begin = hc_tally_begin(cache->l2.db);
    int rc = sql ? sqlite3_exec(cache->l2.db, sql, NULL, NULL, NULL) : SQLITE_NOMEM;
    hc_tally_end(cache->l2.tally, cache->l2.db, begin);
    sqlite3_free(sql);
    return hc_l2_failure(&cache->l2, rc);
}

/* The indexes from the rows. Of rows with one key, which only a damaged index lets in, the newest stays. */
static int rebuild_indexes(HcCache *cache) {
    int rc = run(cache, "REINDEX \"%w\".\"%w_data\"");
    if ((rc & 0xff) == SQLITE_CONSTRAINT) {
        /* Their entries are missing from the index, which DELETE takes for corruption unless damage is being mended. */
        int was = 0;
        sqlite3_db_config(cache->l2.db, SQLITE_DBCONFIG_WRITABLE_SCHEMA, -1, &was);
        sqlite3_db_config(cache->l2.db, SQLITE_DBCONFIG_WRITABLE_SCHEMA, 1, NULL);
        rc = run(cache, "DELETE FROM \"%w\".\"%w_data\" WHERE id NOT IN "
                        "(SELECT max(id) FROM \"%w\".\"%w_data\" NOT INDEXED GROUP BY +key)");
        sqlite3_db_config(cache->l2.db, SQLITE_DBCONFIG_WRITABLE_SCHEMA, was, NULL);
        if (rc == SQLITE_OK)
            rc = run(cache, "REINDEX \"%w\".\"%w_data\"");
    }
    if (rc == SQLITE_OK)
        rc = hc_l2_failure(&cache->l2, hc_l2_mend(&cache->l2));
    /* The one id that no walk comes to, since each begins above it. No write gives it. */
    if (rc == SQLITE_OK)
        rc = run(cache, "DELETE FROM \"%w\".\"%w_data\" WHERE id = -9223372036854775807 - 1");
    if (rc == SQLITE_OK)
        /* Text and blobs are greater than any number. Without a function, whose denial would pass for damage. */
        rc = run(cache, "UPDATE \"%w\".\"%w_data\" SET due = expires WHERE due > expires OR due IS NULL");
    return rc;
}

/* Deletes damaged rows, corrects sizes, and counts. */
static int recount(HcCache *cache, HcState *state) {
    sqlite3_int64 last = HC_BELOW_ALL_IDS;
    int rc, read;
    do {
        sqlite3_int64 damaged[BATCH];
        int damaged_count = 0;
        read = 0;
        if (hc_host_interrupted(cache->connection->db))
            return SQLITE_INTERRUPT;
        HcRow row;
        rc = walk_open(cache, last, BATCH);
        while (rc == SQLITE_OK && (rc = hc_l2_next(&cache->l2, HC_L2_WALK, &row)) == SQLITE_ROW) {
            rc = SQLITE_OK;
            read++;
            last = row.id;
            int wrong_size_only = row.damaged && row.size < 0;
            if (wrong_size_only || (!row.damaged && row.size != hc_row_size(&row))) {
                row.size = hc_row_size(&row);
                if (row.has_sum && row.sum != hc_row_sum(&row)) {
                    damaged[damaged_count++] = row.id;
                    continue;
                }
                rc = hc_l2_write(&cache->l2, HC_L2_REPLACE, &row);
            } else if (row.damaged) {
                damaged[damaged_count++] = row.id;
                continue;
            }
            state->entries++;
            state->bytes += row.size;
        }
        hc_l2_close(&cache->l2, HC_L2_WALK);
        rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
        for (int i = 0; rc == SQLITE_OK && i < damaged_count; i++) {
            rc = hc_l2_run_id(&cache->l2, HC_L2_DELETE, damaged[i]);
            cache->stats.corrupt++;
        }
    } while (rc == SQLITE_OK && read == BATCH);
    return rc;
}

static int rebuild_meta(HcCache *cache, HcMeta *meta, char **message) {
    char *detail = NULL;
    char *options = NULL;
    sqlite3_int64 format = hc_l2_format(&cache->l2);
    int rc = format > 0 && format < HC_FORMAT ? hc_l2_upgrade(&cache->l2) : SQLITE_OK;
    if (rc == SQLITE_OK)
        rc = hc_l2_meta(&cache->l2, meta, &detail);
    if (rc != SQLITE_OK && detail) {
        /* A newer format: nothing to mend. */
        *message = detail;
        return rc;
    }
    if (rc == SQLITE_OK) {
        HcOptions parsed;
        rc = hc_options_from_text(&parsed, meta->options, &detail);
        if (rc == SQLITE_OK)
            cache->options = parsed;
        else if (rc != SQLITE_NOMEM)
            rc = SQLITE_CORRUPT_VTAB;
    }
    if (rc == SQLITE_CORRUPT_VTAB) {
        memset(&meta->state, 0, sizeof meta->state);
        meta->store = cache->coherence.store;
        meta->seed = cache->coherence.seed;
        if (cache->options.clock == HC_CLOCK_LOCAL) {
            sqlite3_randomness((int)sizeof meta->store, &meta->store);
            sqlite3_randomness((int)sizeof meta->seed, &meta->seed);
        }
        meta->state.version = hc_mix((uint64_t)meta->store, meta->seed);
        rc = SQLITE_OK;
    }
    hc_l2_close(&cache->l2, HC_L2_META);
    if (rc == SQLITE_OK) {
        options = hc_options_text(&cache->options);
        meta->options = options;
        rc = options ? hc_l2_write_meta(&cache->l2, meta) : SQLITE_NOMEM;
        meta->options = NULL;
    }
    sqlite3_free(options);
    sqlite3_free(detail);
    return rc;
}

int hc_maintenance_rebuild(HcCache *cache, char **message) {
    HcMeta meta = {0}; /* what cannot be read counts from 0 */
    HcTransaction *transaction = &cache->transaction;
    int rc = hc_l2_restore(&cache->l2);
    /* What this transaction has changed before is counted by the triggers, and would pass for somebody else's. */
    if (rc == SQLITE_OK && transaction->joined && hc_cache_sync(cache) == SQLITE_NOMEM)
        rc = SQLITE_NOMEM;
    if (rc == SQLITE_OK)
        rc = rebuild_meta(cache, &meta, message);
    if (rc == SQLITE_OK)
        rc = rebuild_indexes(cache);
    if ((rc & 0xff) == SQLITE_CORRUPT && !*message)
        *message = sqlite3_mprintf("hybrid_cache: the storage of \"%w\" cannot be rebuilt: DROP TABLE and "
                                   "create it anew",
                                   cache->name);
    if (rc != SQLITE_OK)
        return rc;
    /* What this transaction has not written yet must not get lost: its version goes into the new one. */
    int joined = transaction->joined;
    HcState before = joined ? transaction->state : meta.state;
    uint64_t version = hc_mix(before.version, HC_REBUILT);
    transaction->joined = 0;
    rc = hc_cache_join(cache, message);
    if (rc != SQLITE_OK && joined && transaction->open) {
        transaction->state = before;
        transaction->joined = 1;
    }
    if (rc == SQLITE_OK) {
        HcState *state = &transaction->state;
        state->entries = state->bytes = state->hand = 0;
        state->version = version;
        for (int i = 0; i < HC_BUCKETS; i++)
            state->bucket[i] = version;
        transaction->dirty = 1;
        hc_l1_clear(&cache->l1);
        rc = recount(cache, state);
        if (rc != SQLITE_OK && transaction->open) {
            /* A statement of one row is not undone in a transaction that goes on: the old counters are better than half. */
            state->entries = before.entries;
            state->bytes = before.bytes;
            state->hand = before.hand;
        }
    }
    return rc;
}
