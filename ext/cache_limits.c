/*
** cache_limits.c: what leaves L2 by itself: expired rows, and those beyond its limits.
*/
#include "cache_parts.h"

/* A write purges at most so many expired rows: enough to keep up, too few to be felt. */
#define PURGE_PER_WRITE 4
/* One that has to make room looks for more of them, so often at most. */
#define PURGE_LOOKS 16
/* And looks for them at least every so many writes, since other processes add rows too. */
#define PURGE_SKIPS 16
/* Rows that a sweep reads before it writes. */
#define BATCH 64
/* Rows that get their use bit by one write at most. */
#define USES_PER_WRITE 8
/* Rows with a use bit that one write's sweep spares at most: what bounds the work of a write. */
#define CHANCES 32

void hc_cache_choose_victim(HcCache *cache, const HcRow *row, HcVictim *victim) {
    HcKey key;
    hc_key_make(&row->key, &key);
    victim->id = row->id;
    victim->size = hc_cache_counted_size(row);
    victim->hash = hc_key_hash(&key, cache->coherence.seed);
    victim->l1_hash = hc_l1_hash(&cache->l1, &key);
}

int hc_cache_remove_victim(HcCache *cache, const HcVictim *victim) {
    return hc_cache_remove(cache, victim->id, victim->size, victim->hash, victim->l1_hash);
}

/*
** Looks at a few rows that are due at or before `until`, not at the row `keep`: those that
** have expired are removed; those whose deadline was moved away since are put off until then.
** *looked counts both. *next is when the first row that stays is due.
*/
static int purge_batch(HcCache *cache, double until, sqlite3_int64 keep, int *looked, double *next) {
    HcVictim victims[PURGE_PER_WRITE];
    sqlite3_int64 postponed[PURGE_PER_WRITE];
    HcRow row;
    sqlite3_stmt *stmt;
    int victim_count = 0, postponed_count = 0;
    double kept = HC_AFTER_ALL;
    *next = HC_AFTER_ALL;
    *looked = 0;
    int rc = hc_l2_open(&cache->l2, HC_L2_DUE, &stmt);
    if (rc != SQLITE_OK)
        return rc;
    /* Two rows more than are wanted, due whenever: `keep` may be among them, and one tells when to look again. */
    sqlite3_bind_double(stmt, 1, HC_AFTER_ALL);
    sqlite3_bind_int(stmt, 2, PURGE_PER_WRITE + 2);
    while ((rc = hc_l2_next(&cache->l2, HC_L2_DUE, &row)) == SQLITE_ROW) {
        if (row.due > until || victim_count + postponed_count == PURGE_PER_WRITE) {
            *next = row.due;
            break;
        }
        if (row.expires > until)
            postponed[postponed_count++] = row.id;
        else if (row.id != keep || !keep)
            hc_cache_choose_victim(cache, &row, &victims[victim_count++]);
        else
            kept = row.due;
    }
    if (kept < *next)
        *next = kept;
    hc_l2_close(&cache->l2, HC_L2_DUE);
    *looked = victim_count + postponed_count;
    rc = rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
    for (int i = 0; rc == SQLITE_OK && i < postponed_count; i++)
        rc = hc_l2_run_id(&cache->l2, HC_L2_POSTPONE, postponed[i]);
    for (int i = 0; rc == SQLITE_OK && i < victim_count; i++) {
        rc = hc_cache_remove_victim(cache, &victims[i]);
        if (rc == SQLITE_OK)
            cache->stats.expired++;
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
            int bit = sqlite3_column_int(stmt, HC_L2_HEAD_COLUMNS) != 0;
            if (chances > 0 && (was_used(cache, &row) | bit)) {
                chances--;
                if (bit)
                    spared[spared_count++] = row.id;
                continue;
            }
            hc_cache_choose_victim(cache, &row, &victims[victim_count]);
            entries--;
            bytes -= victims[victim_count++].size;
        }
        hc_l2_close(&cache->l2, HC_L2_SWEEP);
        rc = rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
        for (int i = 0; rc == SQLITE_OK && i < spared_count; i++)
            rc = hc_l2_run_id(&cache->l2, HC_L2_UNUSE, spared[i]);
        for (int i = 0; rc == SQLITE_OK && i < victim_count; i++) {
            rc = hc_cache_remove_victim(cache, &victims[i]);
            if (rc == SQLITE_OK)
                cache->stats.l2_evicted++;
        }
        cache->transaction.dirty = 1;
        if (!seen) {
            /* Past the newest row: once more from the oldest. Twice nothing means that only `keep` is left. */
            if (wrapped)
                break;
            wrapped = 1;
            state->hand = HC_BELOW_ALL_IDS;
        } else {
            wrapped = 0;
        }
    }
    return rc;
}

/* A few expired rows, and when to look for them again. */
static int purge_some(HcCache *cache, double now, sqlite3_int64 keep, int *looked) {
    double next;
    int rc = purge_batch(cache, now - cache->options.grace, keep, looked, &next);
    cache->purge_after = next + cache->options.grace;
    cache->purge_skips = 0;
    return rc;
}

/* Expired rows leave first, as far as a bounded number of looks finds them. */
int hc_cache_make_room(HcCache *cache, double now, sqlite3_int64 keep) {
    int rc = SQLITE_OK, looked = PURGE_PER_WRITE;
    for (int i = 0; i < PURGE_LOOKS && rc == SQLITE_OK && is_over(cache) && looked == PURGE_PER_WRITE &&
                    cache->options.clock == HC_CLOCK_LOCAL;
         i++)
        rc = purge_some(cache, now, keep, &looked);
    return rc == SQLITE_OK ? sweep(cache, keep) : rc;
}

/*
** Step 6 of the write path. The entry is written by now, and SQLite gives a statement of one row no
** journal of its own on a virtual table: an error would leave it there all the same, in a transaction
** that goes on. So what cannot be purged waits for the next write. (Where SQLite has ended the
** transaction, the error stands.)
**
**     BEGIN; INSERT INTO cache ...;  -- an authorizer denies to read cache_data.expires
*/
int hc_cache_keep_house(HcCache *cache, double now, double deadline, sqlite3_int64 keep) {
    int looked;
    double grace = cache->options.grace;
    int rc = write_uses(cache);
    if (deadline + grace < cache->purge_after)
        cache->purge_after = deadline + grace;
    if (rc == SQLITE_OK && cache->options.clock == HC_CLOCK_LOCAL && !is_over(cache) &&
        (now >= cache->purge_after || ++cache->purge_skips >= PURGE_SKIPS))
        rc = purge_some(cache, now, keep, &looked);
    if (rc == SQLITE_OK)
        rc = hc_cache_make_room(cache, now, keep);
    /* TOOBIG: a row that is longer than this connection may read now. CONSTRAINT: somebody's trigger on the table refuses. */
    int refused = (rc & 0xff) == SQLITE_TOOBIG || (rc & 0xff) == SQLITE_CONSTRAINT;
    if (rc != SQLITE_OK && cache->transaction.open && (refused || hc_cache_tolerates(cache, rc, 1)))
        rc = SQLITE_OK;
    return rc;
}
