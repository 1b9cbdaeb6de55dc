/*
** cache_limits.c: what leaves L2 by itself: expired rows, and those beyond its limits.
*/
#include "cache_parts.h"

/* A write purges at most so many expired rows: enough to keep up, too few to be felt. */
#define PURGE_PER_WRITE 4
/* And looks for them at least every so many writes, since other processes add rows too. */
#define PURGE_SKIPS 16
/* Rows that a purge or a sweep reads before it writes. */
#define BATCH 64
/* Rows that get their use bit by one write at most. */
#define USES_PER_WRITE 8
/* Rows with a use bit that one write's sweep spares at most: what bounds the work of a write. */
#define CHANCES 32

/* A row that was read for its removal: its statement is closed before it is written to. */
typedef struct HcVictim {
    sqlite3_int64 id, size;
    uint64_t hash;
    uint32_t l1_hash;
} HcVictim;

static void choose_victim(HcCache *cache, const HcRow *row, HcVictim *victim) {
    HcKey key;
    hc_key_make(&row->key, &key);
    victim->id = row->id;
    victim->size = hc_cache_counted_size(row);
    victim->hash = hc_key_hash(&key, cache->coherence.seed);
    victim->l1_hash = hc_l1_hash(&cache->l1, &key);
}

static int remove_victim(HcCache *cache, const HcVictim *victim) {
    return hc_cache_remove(cache, victim->id, victim->size, victim->hash, victim->l1_hash);
}

/*
** Removes up to `limit` rows that expired at or before `until`; not the row
** `keep`. *next is the deadline of the first row that stays, if one was seen.
*/
static int purge_batch(HcCache *cache, double until, int limit, sqlite3_int64 keep, int *removed, double *next) {
    HcVictim victims[BATCH];
    HcRow row;
    sqlite3_stmt *stmt;
    int count = 0;
    *removed = 0;
    *next = HC_AFTER_ALL;
    int rc = hc_l2_open(&cache->l2, HC_L2_EXPIRED, &stmt);
    if (rc != SQLITE_OK)
        return rc;
    /* Two rows more than are wanted, of any deadline: `keep` may be among them, and one tells when to look again. */
    sqlite3_bind_double(stmt, 1, HC_AFTER_ALL);
    sqlite3_bind_int(stmt, 2, limit + 2);
    while ((rc = hc_l2_next(&cache->l2, HC_L2_EXPIRED, &row)) == SQLITE_ROW) {
        if (row.expires > until || count == limit) {
            *next = row.expires;
            break;
        }
        if (row.id != keep)
            choose_victim(cache, &row, &victims[count++]);
    }
    hc_l2_close(&cache->l2, HC_L2_EXPIRED);
    rc = rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
    for (int i = 0; rc == SQLITE_OK && i < count; i++) {
        rc = remove_victim(cache, &victims[i]);
        if (rc == SQLITE_OK) {
            ++*removed;
            cache->stats.expired++;
        }
    }
    return rc;
}

int hc_cache_purge(HcCache *cache, double until, sqlite3_int64 limit, sqlite3_int64 *removed) {
    char *message = NULL;
    *removed = 0;
    int rc = hc_cache_join(cache, &message);
    sqlite3_free(message);
    while (rc == SQLITE_OK && *removed < limit) {
        int batch, want = limit - *removed < BATCH ? (int)(limit - *removed) : BATCH;
        double next;
        if (hc_host_interrupted(cache->connection->db))
            return SQLITE_INTERRUPT;
        rc = purge_batch(cache, until, want, 0, &batch, &next);
        *removed += batch;
        if (batch < want)
            break;
    }
    return rc;
}

static int is_over(const HcCache *cache) {
    const HcState *state = &cache->transaction.state;
    return (cache->options.l2_entries && state->entries > cache->options.l2_entries) ||
           (cache->options.l2_bytes && state->bytes > cache->options.l2_bytes);
}

static int was_used(HcCache *cache, const HcRow *row) {
    HcKey key;
    if (cache->options.clock == HC_CLOCK_CALLER)
        return 0; /* what this connection has read must not steer a write that others repeat */
    hc_key_make(&row->key, &key);
    HcEntry *entry = hc_l1_find(&cache->l1, &key, hc_l1_hash(&cache->l1, &key));
    int used = entry && (entry->flags & HC_ENTRY_USED);
    if (used)
        entry->flags &= (uint8_t)~HC_ENTRY_USED;
    return used;
}

/*
** What was read since the last write, as use bits. Also after a failure the bits that
** are set may stay: they say that a row was read, and it was.
*/
static int write_uses(HcCache *cache) {
    HcUse use;
    int rc = SQLITE_OK;
    for (int i = 0; rc == SQLITE_OK && i < USES_PER_WRITE && hc_uses_take(&cache->uses, &use); i++) {
        HcEntry *entry = use.id ? NULL : hc_l1_find_hash(&cache->l1, use.hash);
        HcStatement statement = use.id ? HC_L2_USE : HC_L2_USE_KEY;
        sqlite3_stmt *stmt;
        if (!use.id && !entry)
            continue; /* gone from the L1 meanwhile, and with it the key */
        rc = hc_l2_open(&cache->l2, statement, &stmt);
        if (rc == SQLITE_OK && use.id) {
            rc = sqlite3_bind_int64(stmt, 1, use.id);
        } else if (rc == SQLITE_OK) {
            HcValue key;
            hc_entry_key(entry, &key);
            rc = hc_value_bind(stmt, 1, &key);
        }
        if (rc == SQLITE_OK)
            rc = hc_l2_run(&cache->l2, statement);
    }
    return rc;
}

/*
** Brings L2 within its limits: a hand sweeps in the order of writing, spares what
** was used since it passed last, and takes the rest; never the row `keep`, and
** no more rows than it must.
*/
static int sweep(HcCache *cache, sqlite3_int64 keep) {
    int rc = SQLITE_OK, chances = CHANCES, wrapped = 0;
    while (rc == SQLITE_OK && is_over(cache)) {
        HcState *state = &cache->transaction.state;
        HcVictim victims[BATCH];
        sqlite3_int64 spared[BATCH];
        int victim_count = 0, spared_count = 0, seen = 0;
        sqlite3_int64 entries = state->entries, bytes = state->bytes;
        HcRow row;
        sqlite3_stmt *stmt;
        if (hc_host_interrupted(cache->connection->db))
            return SQLITE_INTERRUPT;
        rc = hc_l2_open(&cache->l2, HC_L2_SWEEP, &stmt);
        if (rc != SQLITE_OK)
            return rc;
        sqlite3_bind_int64(stmt, 1, state->hand);
        sqlite3_bind_int64(stmt, 2, keep);
        sqlite3_bind_int(stmt, 3, BATCH);
        while (((cache->options.l2_entries && entries > cache->options.l2_entries) ||
                (cache->options.l2_bytes && bytes > cache->options.l2_bytes)) &&
               (rc = hc_l2_next(&cache->l2, HC_L2_SWEEP, &row)) == SQLITE_ROW) {
            seen++;
            state->hand = row.id;
            state->swept++;
            int bit = sqlite3_column_int(stmt, 6) != 0;
            if (chances > 0 && (was_used(cache, &row) | bit)) {
                chances--;
                if (bit)
                    spared[spared_count++] = row.id;
                continue;
            }
            choose_victim(cache, &row, &victims[victim_count]);
            entries--;
            bytes -= victims[victim_count++].size;
        }
        hc_l2_close(&cache->l2, HC_L2_SWEEP);
        rc = rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
        for (int i = 0; rc == SQLITE_OK && i < spared_count; i++) {
            rc = hc_l2_open(&cache->l2, HC_L2_UNUSE, &stmt);
            if (rc == SQLITE_OK)
                rc = sqlite3_bind_int64(stmt, 1, spared[i]);
            if (rc == SQLITE_OK)
                rc = hc_l2_run(&cache->l2, HC_L2_UNUSE);
        }
        for (int i = 0; rc == SQLITE_OK && i < victim_count; i++) {
            rc = remove_victim(cache, &victims[i]);
            if (rc == SQLITE_OK)
                cache->stats.l2_evicted++;
        }
        cache->transaction.dirty = 1;
        if (!seen) {
            /* Past the newest row: once more from the oldest. Twice nothing means that only `keep` is left. */
            if (wrapped)
                break;
            wrapped = 1;
            state->hand = 0;
        } else {
            wrapped = 0;
        }
    }
    return rc;
}

/* A few expired rows, and when to look for them again. */
static int purge_some(HcCache *cache, double now, sqlite3_int64 keep, int *removed) {
    double next;
    int rc = purge_batch(cache, now - cache->options.grace, PURGE_PER_WRITE, keep, removed, &next);
    cache->purge_after = next + cache->options.grace;
    cache->purge_skips = 0;
    return rc;
}

int hc_cache_make_room(HcCache *cache, double now, sqlite3_int64 keep) {
    int rc = SQLITE_OK, removed = PURGE_PER_WRITE;
    while (rc == SQLITE_OK && is_over(cache) && cache->options.clock == HC_CLOCK_LOCAL && removed == PURGE_PER_WRITE)
        rc = purge_some(cache, now, keep, &removed);
    return rc == SQLITE_OK ? sweep(cache, keep) : rc;
}

/* Step 6 of the write path. */
int hc_cache_keep_house(HcCache *cache, double now, double deadline, sqlite3_int64 keep) {
    int removed;
    double grace = cache->options.grace;
    int rc = write_uses(cache);
    if (deadline + grace < cache->purge_after)
        cache->purge_after = deadline + grace;
    if (rc == SQLITE_OK && cache->options.clock == HC_CLOCK_LOCAL && !is_over(cache) &&
        (now >= cache->purge_after || ++cache->purge_skips >= PURGE_SKIPS))
        rc = purge_some(cache, now, keep, &removed);
    return rc == SQLITE_OK ? hc_cache_make_room(cache, now, keep) : rc;
}
