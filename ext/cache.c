/*
** cache.c: the two tiers as one. The only unit that knows both.
*/
#include "cache.h"
#include "clock.h"
#include "eviction.h"

/* A write purges at most so many expired rows: enough to keep up, too few to be felt. */
#define PURGE_PER_WRITE 4
/* And looks for them at least every so many writes, since other processes add rows too. */
#define PURGE_SKIPS 16
/* Rows that a purge or a sweep reads before it writes. */
#define BATCH 64
/* Rows with a use bit that one write's sweep spares at most: what bounds the work of a write. */
#define CHANCES 32
/* A touch copies values of up to so many bytes inside the L1. */
#define COPIED_TOUCH 4096

/* Earlier than any deadline, later than any: what entries are judged against where time must not count. */
#define HC_BEFORE_ALL (-1e300)
#define HC_AFTER_ALL 1e300

/* ------------------------------------------------------------ life cycle */

int hc_cache_new(HcConnection *connection, const char *schema, const char *name, HcCache **out) {
    uint64_t seed;
    HcCache *cache = sqlite3_malloc64(sizeof *cache);
    *out = NULL;
    if (!cache)
        return SQLITE_NOMEM;
    memset(cache, 0, sizeof *cache);
    cache->connection = connection;
    cache->schema = sqlite3_mprintf("%s", schema);
    cache->name = sqlite3_mprintf("%s", name);
    cache->purge_after = HC_BEFORE_ALL;
    hc_options_preset(&cache->options);
    sqlite3_randomness((int)sizeof seed, &seed);
    hc_l1_init(&cache->l1, &hc_eviction_lru, seed);
    int rc = hc_l2_init(&cache->l2, connection->db, schema, name);
    if (rc == SQLITE_OK && (!cache->schema || !cache->name))
        rc = SQLITE_NOMEM;
    if (rc != SQLITE_OK) {
        hc_cache_free(cache);
        return rc;
    }
    hc_coherence_init(&cache->coherence, connection->db, cache->l2.schema);
    *out = cache;
    return SQLITE_OK;
}

void hc_cache_free(HcCache *cache) {
    if (!cache)
        return;
    hc_l1_clear(&cache->l1);
    hc_mrc_clear(&cache->mrc);
    hc_transaction_end(&cache->transaction);
    hc_l2_free(&cache->l2);
    sqlite3_free(cache->options_text);
    sqlite3_free(cache->last_error);
    sqlite3_free(cache->schema);
    sqlite3_free(cache->name);
    sqlite3_free(cache);
}

/*
** A table of that name may be another one than before, in another file: DETACH and
** ATTACH, a rename rolled back, a foreign DROP and CREATE. The L1 stays, but has to
** be compared first; its store id tells.
*/
static void relearn(HcCache *cache) {
    hc_coherence_unknow(&cache->coherence);
    hc_coherence_doubt(&cache->coherence);
    sqlite3_free(cache->options_text);
    cache->options_text = NULL;
    cache->purge_after = HC_BEFORE_ALL;
}

void hc_cache_connected(HcCache *cache) {
    cache->users++;
    relearn(cache);
}

/* With the last virtual-table object goes what belongs to it; L1 and statistics wait for the next one. */
static void settle(HcCache *cache) {
    if (cache->users == 0 && cache->busy == 0 && cache->dropped) {
        hc_cache_free(cache);
    } else if (cache->users == 0 && cache->busy == 0) {
        hc_l2_finalize(&cache->l2);
        relearn(cache);
    }
}

void hc_cache_drop(HcCache *cache) {
    cache->dropped = 1;
    hc_transaction_end(&cache->transaction);
    settle(cache);
}

void hc_cache_disconnected(HcCache *cache) {
    cache->users--;
    settle(cache);
}

void hc_cache_leave(HcCache *cache) {
    cache->busy--;
    settle(cache);
}

double hc_cache_now(const HcCache *cache) {
    return hc_clock_now(cache->connection->vfs);
}

double hc_cache_judge(const HcCache *cache, double now) {
    return cache->options.clock == HC_CLOCK_CALLER ? HC_BEFORE_ALL : now;
}

/* ---------------------------------------------------------------- failures */

char *hc_cache_message(HcCache *cache, int rc) {
    return hc_l2_message(&cache->l2, rc);
}

static void note_error(HcCache *cache, int rc) {
    char *text = hc_l2_message(&cache->l2, rc);
    cache->stats.l2_errors++;
    if (text) {
        sqlite3_free(cache->last_error);
        cache->last_error = text;
    }
}

int hc_cache_tolerates(HcCache *cache, int rc, int always) {
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_NOMEM:
    case SQLITE_INTERRUPT:
    case SQLITE_CONSTRAINT:
    case SQLITE_TOOBIG:
        return 0;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_SCHEMA:
    case SQLITE_ABORT:
    case SQLITE_AUTH:
        /* Not damage: a table's user has to see it and try again. */
        if (!always)
            return 0;
        break;
    default:
        if (!always && cache->options.on_error != HC_ON_ERROR_DEGRADE)
            return 0;
        break;
    }
    note_error(cache, rc);
    if (!always)
        sqlite3_log(rc, "%s", cache->last_error ? cache->last_error : "hybrid_cache: L2 failed");
    return 1;
}

/* --------------------------------------------------------------- meta row */

static void apply_limits(HcCache *cache) {
    hc_l1_policy(&cache->l1, cache->options.eviction == HC_EVICTION_S3FIFO ? &hc_eviction_s3fifo : &hc_eviction_lru);
    hc_l1_limit(&cache->l1, cache->options.l1_entries, cache->options.l1_bytes);
}

/* The options of the meta row, where they are not those that we know. */
static int apply_options(HcCache *cache, const char *text) {
    char *message = NULL;
    if (cache->options_text && strcmp(cache->options_text, text) == 0)
        return SQLITE_OK;
    HcOptions options;
    int rc = hc_options_from_text(&options, text, &message);
    sqlite3_free(message);
    if (rc != SQLITE_OK)
        return rc == SQLITE_NOMEM ? rc : SQLITE_CORRUPT_VTAB;
    char *copy = sqlite3_mprintf("%s", text);
    if (!copy)
        return SQLITE_NOMEM;
    sqlite3_free(cache->options_text);
    cache->options_text = copy;
    cache->options = options;
    apply_limits(cache);
    return SQLITE_OK;
}

/*
** Reads the meta row and brings L1 and options in line with it. The statement,
** and with it the read transaction, stays open: close HC_L2_META afterwards.
*/
static int compare(HcCache *cache, HcMeta *meta, char **message) {
    int rc = hc_l2_meta(&cache->l2, meta, message);
    if (rc != SQLITE_OK)
        return rc;
    if (hc_coherence_adopt(&cache->coherence, meta) == HC_OTHER)
        cache->stats.invalidated += hc_l1_clear(&cache->l1);
    rc = apply_options(cache, meta->options);
    if (rc != SQLITE_OK)
        hc_l2_close(&cache->l2, HC_L2_META);
    return rc;
}

/* The same for the sake of a look-up or a write: that is what the statistics count. */
static int validate(HcCache *cache, HcMeta *meta, char **message) {
    cache->stats.validations++;
    return compare(cache, meta, message);
}

/* The first letters of what a PRAGMA says. */
static int read_pragma(HcCache *cache, const char *sql, char *word, int room) {
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(cache->connection->db, sql, -1, &stmt, NULL);
    word[0] = 0;
    if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(stmt, 0);
        sqlite3_snprintf(room, word, "%s", text ? text : "");
    }
    int finalized = sqlite3_finalize(stmt);
    return rc == SQLITE_OK ? finalized : rc;
}

/*
** Texts are kept in the encoding of the database, see value.h. And where this
** connection shares its cache with others and reads what they have not committed,
** the L1 must not keep it.
*/
static int read_settings(HcCache *cache) {
    char word[8];
    int rc = read_pragma(cache, "PRAGMA encoding", word, sizeof word);
    cache->l2.utf16 = strncmp(word, "UTF-16", 6) == 0;
    if (rc == SQLITE_OK)
        rc = read_pragma(cache, "PRAGMA read_uncommitted", word, sizeof word);
    cache->dirty_reads = word[0] == '1';
    return rc;
}

int hc_cache_enter(HcCache *cache) {
    int rc = SQLITE_OK;
    cache->busy++;
    if (hc_l2_expired(&cache->l2))
        relearn(cache);
    if (!cache->options_text) {
        HcMeta meta;
        char *message = NULL;
        rc = read_settings(cache);
        if (rc == SQLITE_OK)
            hc_coherence_before(&cache->coherence);
        if (rc == SQLITE_OK)
            rc = compare(cache, &meta, &message);
        if (rc == SQLITE_OK)
            hc_l2_close(&cache->l2, HC_L2_META);
        sqlite3_free(message);
    }
    return rc;
}

/* ---------------------------------------------------------------- reading */

double hc_cache_ttl_left(double deadline, double now) {
    if (deadline >= HC_NEVER)
        return 0;
    /* To the millisecond, the step of the clock. A live entry never shows 0: that means "never expires". */
    double ms = (deadline - now) * 1000.0;
    ms = ms < 9e15 ? (double)(sqlite3_int64)(ms + (ms < 0 ? -0.5 : 0.5)) : ms;
    if (ms <= 0 && deadline > now)
        ms = 1;
    return ms / 1000.0;
}

/* Until when an entry may be read: past its deadline only by hybrid_cache_stale(). */
static double readable_until(const HcCache *cache, HcPurpose purpose, double deadline) {
    return purpose == HC_STALE && deadline < HC_NEVER ? deadline + cache->options.grace : deadline;
}

/* The L1's entry of that key if it may be served at all; one that others changed is dropped. */
static HcEntry *l1_candidate(HcCache *cache, const HcKey *key, uint32_t hash, double now) {
    HcEntry *entry = hc_l1_find(&cache->l1, key, hash);
    if (!entry)
        return NULL;
    if (!hc_coherence_good(&cache->coherence, entry->bucket, entry->stamp)) {
        hc_l1_remove(&cache->l1, entry);
        cache->stats.invalidated++;
        return NULL;
    }
    if (cache->options.l1_ttl > 0 && now - entry->filled >= cache->options.l1_ttl && !(entry->flags & HC_ENTRY_L1_ONLY))
        return NULL;
    return entry;
}

static HcEntry *make_entry(HcCache *cache, const HcKey *key, const HcValue *value, const HcValue *tag, double deadline,
                           double now, uint32_t hash) {
    HcEntry *entry = hc_entry_new(key, value, tag->type == SQLITE_TEXT ? tag : NULL, hash);
    if (entry) {
        entry->deadline = deadline;
        entry->filled = now;
        entry->stamp = cache->coherence.moment;
        entry->bucket = (uint16_t)hc_coherence_bucket(hc_key_hash(key, cache->coherence.seed));
    }
    return entry;
}

static int promote(HcCache *cache, HcEntry *entry) {
    if (cache->options.l1_entries > 0 && !hc_l1_accepts(&cache->l1, hc_entry_bytes(entry)))
        cache->stats.oversize++;
    return hc_l1_insert(&cache->l1, entry);
}

/* Step 3 of the read path: the row, as an entry of our own. */
static int look_in_l2(HcCache *cache, const HcKey *key, uint32_t hash, double judge, int blind, HcLook *look) {
    HcRow row;
    HcMeta meta;
    char *message = NULL;
    HcKey stored;
    hc_coherence_before(&cache->coherence);
    int rc = hc_l2_find(&cache->l2, HC_L2_FIND, key, &row);
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
    rc = SQLITE_OK;
    if (row.damaged) {
        cache->stats.corrupt++;
        goto done;
    }
    if (readable_until(cache, look->purpose, row.expires) <= judge)
        goto done;
    /* In the same snapshot: an entry of an older one than the L1 was compared with must not get in. */
    if (!hc_coherence_same(&cache->coherence)) {
        rc = validate(cache, &meta, &message);
        if (rc != SQLITE_OK)
            goto done;
        hc_l2_close(&cache->l2, HC_L2_META);
    }
    hc_key_make(&row.key, &stored);
    look->entry = make_entry(cache, &stored, &row.value, &row.tag, row.expires, look->now, hash);
    if (!look->entry) {
        rc = SQLITE_NOMEM;
        goto done;
    }
    look->tier = 2;
    if (look->purpose != HC_PEEK && !blind && promote(cache, look->entry))
        cache->stats.promotions++;
done:
    hc_l2_close(&cache->l2, HC_L2_FIND);
    sqlite3_free(message);
    return rc;
}

int hc_cache_look(HcCache *cache, const HcKey *key, double judge, HcLook *look) {
    int rc = SQLITE_OK;
    uint32_t hash = hc_l1_hash(&cache->l1, key);
    int blind = hc_coherence_blind(&cache->coherence, cache->transaction.open) || cache->dirty_reads;
    HcEntry *entry = blind ? NULL : l1_candidate(cache, key, hash, look->now);
    look->entry = NULL;
    look->tier = 0;
    /* Here and not where gets are counted: its memory is on the way while coherence asks. */
    if (look->purpose != HC_PEEK)
        hc_mrc_read(&cache->mrc, hash, cache->options.l1_entries);
    if (entry && cache->options.coherence == HC_COHERENCE_STRICT && !hc_coherence_fresh(&cache->coherence)) {
        HcMeta meta;
        char *message = NULL;
        hc_coherence_before(&cache->coherence);
        rc = validate(cache, &meta, &message);
        sqlite3_free(message);
        if (rc != SQLITE_OK)
            goto done;
        entry = l1_candidate(cache, key, hash, look->now);
        if (!entry) /* in the same snapshot */
            rc = look_in_l2(cache, key, hash, judge, blind, look);
        hc_l2_close(&cache->l2, HC_L2_META);
    } else if (!entry) {
        rc = look_in_l2(cache, key, hash, judge, blind, look);
    }
    if (entry) {
        if (readable_until(cache, look->purpose, entry->deadline) > judge) {
            look->entry = hc_entry_retain(entry);
            look->tier = 1;
            if (look->purpose != HC_PEEK)
                hc_l1_touch(&cache->l1, entry);
        } else if (readable_until(cache, HC_STALE, entry->deadline) <= judge) {
            hc_l1_remove(&cache->l1, entry);
        }
    }
done:
    if (look->purpose != HC_PEEK) {
        cache->stats.gets++;
        if (!look->entry)
            cache->stats.misses++;
        else if (look->tier == 1)
            cache->stats.l1_hits++;
        else
            cache->stats.l2_hits++;
    }
    return rc;
}

void hc_cache_l2_counters(HcCache *cache, sqlite3_int64 *entries, sqlite3_int64 *bytes) {
    const HcState *state = &cache->coherence.state;
    if (cache->transaction.joined) {
        state = &cache->transaction.state;
    } else {
        HcMeta meta;
        char *message = NULL;
        hc_coherence_before(&cache->coherence);
        int rc = compare(cache, &meta, &message);
        if (rc == SQLITE_OK)
            hc_l2_close(&cache->l2, HC_L2_META);
        else
            note_error(cache, rc);
        sqlite3_free(message);
    }
    *entries = state->entries;
    *bytes = state->bytes;
}

/* ---------------------------------------------------------------- writing */

int hc_cache_join(HcCache *cache, char **message) {
    HcMeta meta;
    HcTransaction *transaction = &cache->transaction;
    if (transaction->joined)
        return SQLITE_OK;
    int rc = validate(cache, &meta, message);
    if (rc != SQLITE_OK)
        return rc;
    hc_l2_close(&cache->l2, HC_L2_META);
    transaction->state = meta.state;
    transaction->joined = 1;
    return SQLITE_OK;
}

/* Steps 4 and 5 of the write path, for the part that all writes share. `what` is a digest of what was written. */
static void changed(HcCache *cache, const HcKey *key, uint64_t what) {
    HcState *state = &cache->transaction.state;
    uint64_t hash = hc_key_hash(key, cache->coherence.seed);
    uint32_t l1_hash = hc_l1_hash(&cache->l1, key);
    state->version = hc_mix(state->version, hash ^ what);
    state->bucket[hc_coherence_bucket(hash)] = state->version;
    cache->transaction.dirty = 1;
    hc_transaction_note(&cache->transaction, l1_hash);
    hc_l1_remove_hash(&cache->l1, l1_hash);
}

/* A row counts as absent where it is damaged or expired. */
static int is_live(const HcCache *cache, const HcRow *row, double now) {
    return !row->damaged && row->expires > hc_cache_judge(cache, now);
}

static sqlite3_int64 counted_size(const HcRow *row) {
    return row->size > 0 ? row->size : 0;
}

static int remove_row(HcCache *cache, const HcKey *key, sqlite3_int64 id, sqlite3_int64 size) {
    int rc = hc_l2_delete(&cache->l2, id);
    if (rc == SQLITE_OK) {
        cache->transaction.state.entries--;
        cache->transaction.state.bytes -= size;
        changed(cache, key, 1);
    }
    return rc;
}

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
    victim->size = counted_size(row);
    victim->hash = hc_key_hash(&key, cache->coherence.seed);
    victim->l1_hash = hc_l1_hash(&cache->l1, &key);
}

static int remove_victim(HcCache *cache, const HcVictim *victim) {
    HcState *state = &cache->transaction.state;
    int rc = hc_l2_delete(&cache->l2, victim->id);
    if (rc == SQLITE_OK) {
        state->entries--;
        state->bytes -= victim->size;
        state->version = hc_mix(state->version, victim->hash ^ 1);
        state->bucket[hc_coherence_bucket(victim->hash)] = state->version;
        cache->transaction.dirty = 1;
        hc_transaction_note(&cache->transaction, victim->l1_hash);
        hc_l1_remove_hash(&cache->l1, victim->l1_hash);
    }
    return rc;
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
    /* One row more than is wanted, of any deadline: it tells when to look again. */
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

/* Step 6 of the write path. */
static int keep_house(HcCache *cache, double now, double deadline, sqlite3_int64 keep) {
    int rc = SQLITE_OK, removed = 0;
    double grace = cache->options.grace, next;
    if (deadline + grace < cache->purge_after)
        cache->purge_after = deadline + grace;
    if (cache->options.clock == HC_CLOCK_LOCAL &&
        (now >= cache->purge_after || ++cache->purge_skips >= PURGE_SKIPS || is_over(cache))) {
        rc = purge_batch(cache, now - grace, PURGE_PER_WRITE, keep, &removed, &next);
        cache->purge_after = next + grace;
        cache->purge_skips = 0;
    }
    if (rc == SQLITE_OK && is_over(cache))
        rc = sweep(cache, keep);
    return rc;
}

double hc_cache_deadline(const HcCache *cache, const HcKey *key, double now, double ttl) {
    if (ttl == 0)
        return HC_NEVER;
    if (ttl > 0 && cache->options.jitter > 0) {
        double part = (double)(hc_key_hash(key, cache->coherence.seed) >> 11) / 9007199254740992.0;
        ttl -= ttl * cache->options.jitter * part;
    }
    double deadline = now + ttl;
    return deadline < HC_NEVER ? deadline : HC_NEVER;
}

/* Step 5 for a value that is at hand. */
static void write_through(HcCache *cache, const HcWrite *write, int l1_only) {
    if (write->deadline <= write->now || cache->options.l1_entries == 0)
        return;
    HcEntry *entry = make_entry(cache, &write->key, &write->value, &write->tag, write->deadline, write->now,
                                hc_l1_hash(&cache->l1, &write->key));
    if (entry) {
        if (l1_only)
            entry->flags |= HC_ENTRY_L1_ONLY;
        promote(cache, entry);
        hc_entry_release(entry);
    }
}

static void fill_row(const HcWrite *write, HcRow *row) {
    row->key = write->key.form;
    row->tag = write->tag;
    row->value = write->value;
    row->expires = write->deadline;
    row->size = hc_row_size(row);
    row->has_sum = 1;
    row->sum = hc_row_sum(row);
}

static int fail_unique(HcCache *cache, char **message) {
    *message = sqlite3_mprintf("UNIQUE constraint failed: %s.key", cache->name);
    return SQLITE_CONSTRAINT_UNIQUE;
}

static int check_size(HcCache *cache, sqlite3_int64 size, char **message) {
    if (!cache->options.l2_bytes || size <= cache->options.l2_bytes)
        return SQLITE_OK;
    *message = sqlite3_mprintf("hybrid_cache: the entry takes %lld bytes, more than l2_bytes=%lld of \"%w\" allows", size,
                               cache->options.l2_bytes, cache->name);
    return SQLITE_TOOBIG;
}

/*
** What is in the way of a key: *id = 0 if nothing is. Where a conflict matters the
** value is read as well, since a damaged row counts as absent.
*/
static int find_obstacle(HcCache *cache, const HcKey *key, int replace, double now, sqlite3_int64 *id,
                         sqlite3_int64 *size, char **message) {
    HcRow row;
    HcStatement statement = replace ? HC_L2_HEAD : HC_L2_FIND;
    int rc = hc_l2_find(&cache->l2, statement, key, &row);
    *id = 0;
    *size = 0;
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
    *id = row.id;
    *size = counted_size(&row);
    rc = !replace && is_live(cache, &row, now) ? fail_unique(cache, message) : SQLITE_OK;
    hc_l2_close(&cache->l2, statement);
    return rc;
}

static int insert_entry(HcCache *cache, const HcWrite *write, char **message) {
    HcRow row;
    sqlite3_int64 size;
    HcState *state = &cache->transaction.state;
    memset(&row, 0, sizeof row);
    fill_row(write, &row);
    int rc = hc_cache_join(cache, message);
    if (rc == SQLITE_OK)
        rc = find_obstacle(cache, &write->key, write->replace, write->now, &row.id, &size, message);
    if (rc == SQLITE_OK)
        rc = check_size(cache, row.size, message);
    if (rc != SQLITE_OK)
        return rc;
    rc = row.id ? hc_l2_replace(&cache->l2, &row) : hc_l2_insert(&cache->l2, &row);
    if (rc != SQLITE_OK) {
        hc_l1_remove_hash(&cache->l1, hc_l1_hash(&cache->l1, &write->key));
        return rc;
    }
    if (!row.id) {
        row.id = sqlite3_last_insert_rowid(cache->connection->db);
        state->entries++;
    }
    state->bytes += row.size - size;
    changed(cache, &write->key, row.sum);
    write_through(cache, write, 0);
    cache->stats.puts++;
    return keep_house(cache, write->now, write->deadline, row.id);
}

/* on_error=degrade: L2 failed, the L1 alone takes the write. What it may have of the key is no longer true. */
static int degraded(HcCache *cache, int rc, const HcKey *key) {
    if (rc == SQLITE_OK || !hc_cache_tolerates(cache, rc, 0))
        return 0;
    uint32_t hash = hc_l1_hash(&cache->l1, key);
    hc_transaction_note(&cache->transaction, hash);
    hc_l1_remove_hash(&cache->l1, hash);
    return 1;
}

int hc_cache_insert(HcCache *cache, const HcWrite *write, char **message) {
    int rc = insert_entry(cache, write, message);
    if (degraded(cache, rc, &write->key)) {
        write_through(cache, write, 1);
        cache->stats.puts++;
        rc = SQLITE_OK;
    }
    return rc;
}

/*
** Step 5 for a touch: the L1 keeps the value under the new deadline. A copy, since
** whoever reads the old entry must not see it change; a large value is read from
** L2 again instead.
*/
static HcEntry *touched_copy(HcCache *cache, const HcKey *key, const HcWrite *write) {
    HcValue value;
    uint32_t hash = hc_l1_hash(&cache->l1, key);
    HcEntry *entry = l1_candidate(cache, key, hash, write->now);
    if (!entry || entry->value_n > COPIED_TOUCH || write->deadline <= write->now)
        return NULL;
    hc_entry_value(entry, &value);
    HcEntry *copy = make_entry(cache, &write->key, &value, &write->tag, write->deadline, entry->filled, hash);
    if (copy)
        copy->flags |= entry->flags & HC_ENTRY_L1_ONLY;
    return copy;
}

static int update_entry(HcCache *cache, const HcKey *key, const HcWrite *write, int set, char **message) {
    HcRow row;
    HcKey old;
    HcWrite full = *write;
    sqlite3_int64 obstacle = 0, obstacle_size = 0, old_size;
    int rc = hc_cache_join(cache, message);
    if (rc != SQLITE_OK)
        return rc;
    int renamed = (set & HC_SET_KEY) && !hc_key_equal(&write->key, key->class, key->data, key->n);
    if (renamed)
        rc = find_obstacle(cache, &write->key, write->replace, write->now, &obstacle, &obstacle_size, message);
    if (rc == SQLITE_OK)
        rc = hc_l2_find(&cache->l2, HC_L2_HEAD, key, &row);
    if (rc != SQLITE_ROW)
        /* DONE: purged by an earlier row of the same statement. */
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
    uint64_t sum = row.sum ^ hc_row_sum_head(&row);
    sqlite3_int64 value_n = row.size - hc_row_size(&row); /* HEAD reads no value: what is missing is its size */
    old_size = counted_size(&row);
    hc_key_make(&row.key, &old);
    if (!(set & HC_SET_KEY))
        full.key = old;
    if (!(set & HC_SET_TAG))
        full.tag = row.tag;
    if (!(set & HC_SET_DEADLINE))
        full.deadline = row.expires;
    if (set & HC_SET_VALUE) {
        sqlite3_int64 id = row.id;
        fill_row(&full, &row);
        row.id = id;
    } else {
        /* The value stays where it is: its part of the checksum is kept, the other is made anew. */
        row.key = full.key.form;
        row.tag = full.tag;
        row.expires = full.deadline;
        row.size = hc_row_size(&row) + (value_n > 0 ? value_n : 0);
        row.sum = sum ^ hc_row_sum_head(&row);
    }
    rc = check_size(cache, row.size, message);
    HcEntry *touched = renamed || (set & HC_SET_VALUE) ? NULL : touched_copy(cache, key, &full);
    if (rc == SQLITE_OK && obstacle)
        rc = remove_row(cache, &write->key, obstacle, obstacle_size);
    if (rc == SQLITE_OK)
        rc = set & HC_SET_VALUE ? hc_l2_replace(&cache->l2, &row) : hc_l2_touch(&cache->l2, &row);
    if (rc == SQLITE_OK) {
        cache->transaction.state.bytes += row.size - old_size;
        changed(cache, key, row.sum);
        if (renamed)
            changed(cache, &write->key, row.sum);
        if (set & HC_SET_VALUE)
            write_through(cache, &full, 0);
        if (touched)
            promote(cache, touched);
        cache->stats.puts++;
    }
    hc_entry_release(touched);
    /* The old key and tag were borrowed from this statement until here. */
    hc_l2_close(&cache->l2, HC_L2_HEAD);
    return rc == SQLITE_OK ? keep_house(cache, write->now, row.expires, row.id) : rc;
}

int hc_cache_update(HcCache *cache, const HcKey *key, const HcWrite *write, int set, char **message) {
    HcWrite full = *write;
    HcValue value, tag, form;
    HcEntry *entry = hc_l1_find(&cache->l1, key, hc_l1_hash(&cache->l1, key));
    /* The L1's entry, in case that L2 fails. */
    if (entry)
        hc_entry_retain(entry);
    int rc = update_entry(cache, key, write, set, message);
    if (degraded(cache, rc, key)) {
        if (entry) {
            hc_entry_key(entry, &form);
            hc_entry_value(entry, &value);
            hc_entry_tag(entry, &tag);
            if (!(set & HC_SET_KEY))
                hc_key_make(&form, &full.key);
            if (!(set & HC_SET_VALUE))
                full.value = value;
            if (!(set & HC_SET_TAG))
                full.tag = tag;
            if (!(set & HC_SET_DEADLINE))
                full.deadline = entry->deadline;
            degraded(cache, rc, &full.key);
            write_through(cache, &full, 1);
            cache->stats.puts++;
        }
        rc = SQLITE_OK;
    }
    hc_entry_release(entry);
    return rc;
}

static int delete_entry(HcCache *cache, const HcKey *key, char **message) {
    HcRow row;
    int rc = hc_cache_join(cache, message);
    if (rc == SQLITE_OK)
        rc = hc_l2_find(&cache->l2, HC_L2_HEAD, key, &row);
    if (rc == SQLITE_ROW) {
        sqlite3_int64 id = row.id, size = counted_size(&row);
        hc_l2_close(&cache->l2, HC_L2_HEAD);
        rc = remove_row(cache, key, id, size);
    } else if (rc == SQLITE_DONE) {
        /* on_error=degrade: L1 alone may have it. */
        hc_transaction_note(&cache->transaction, hc_l1_hash(&cache->l1, key));
        hc_l1_remove_hash(&cache->l1, hc_l1_hash(&cache->l1, key));
        rc = SQLITE_OK;
    }
    return rc;
}

int hc_cache_delete(HcCache *cache, const HcKey *key, char **message) {
    int rc = delete_entry(cache, key, message);
    if (degraded(cache, rc, key))
        rc = SQLITE_OK;
    if (rc == SQLITE_OK)
        cache->stats.deletes++;
    return rc;
}

int hc_cache_row(HcCache *cache, const HcKey *key, HcRow *row) {
    int rc = hc_l2_find(&cache->l2, HC_L2_FIND, key, row);
    return rc == SQLITE_ROW ? SQLITE_OK : rc == SQLITE_DONE ? SQLITE_NOTFOUND : rc;
}

void hc_cache_row_close(HcCache *cache) {
    hc_l2_close(&cache->l2, HC_L2_FIND);
}

int hc_cache_clear(HcCache *cache) {
    char *message = NULL;
    sqlite3_stmt *stmt;
    HcState *state = &cache->transaction.state;
    int rc = hc_cache_join(cache, &message);
    sqlite3_free(message);
    if (rc == SQLITE_OK)
        rc = hc_l2_open(&cache->l2, HC_L2_CLEAR, &stmt);
    if (rc == SQLITE_OK)
        rc = hc_l2_run(&cache->l2, HC_L2_CLEAR);
    if (rc == SQLITE_OK) {
        state->version = hc_mix(state->version, 2);
        state->entries = state->bytes = state->hand = 0;
        for (int i = 0; i < HC_BUCKETS; i++)
            state->bucket[i] = state->version;
        cache->transaction.dirty = 1;
        hc_l1_clear(&cache->l1);
    }
    return rc;
}

int hc_cache_set_options(HcCache *cache, const HcOptions *options) {
    char *message = NULL;
    int rc = hc_cache_join(cache, &message);
    sqlite3_free(message);
    char *text = rc == SQLITE_OK ? hc_options_text(options) : NULL;
    if (rc == SQLITE_OK && !text)
        rc = SQLITE_NOMEM;
    if (rc == SQLITE_OK)
        rc = hc_l2_write_options(&cache->l2, text);
    if (rc == SQLITE_OK)
        rc = apply_options(cache, text);
    sqlite3_free(text);
    if (rc == SQLITE_OK) {
        HcState *state = &cache->transaction.state;
        state->version = hc_mix(state->version, 3);
        cache->transaction.dirty = 1;
        cache->purge_after = HC_BEFORE_ALL;
        rc = sweep(cache, 0);
    }
    return rc;
}

/* ----------------------------------------------------------- transactions */

int hc_cache_sync(HcCache *cache) {
    HcTransaction *transaction = &cache->transaction;
    int rc = SQLITE_OK;
    if (transaction->dirty) {
        rc = hc_l2_write_state(&cache->l2, &transaction->state);
        /*
        ** BEGIN; SAVEPOINT s; CREATE VIRTUAL TABLE c ...; INSERT INTO c ...; ROLLBACK TO s; COMMIT;
        **
        ** calls xSync and nothing before it that would tell that the table is gone.
        */
        if (rc != SQLITE_OK && hc_l2_is_gone(&cache->l2)) {
            transaction->dirty = 0;
            return SQLITE_OK;
        }
        if (rc == SQLITE_OK) {
            transaction->dirty = 0;
            transaction->synced = 1;
        }
    }
    return rc;
}

int hc_cache_savepoint(HcCache *cache, int savepoint) {
    int rc = hc_cache_sync(cache);
    if (rc == SQLITE_OK)
        hc_transaction_savepoint(&cache->transaction, savepoint);
    return rc;
}

void hc_cache_rollback_to(HcCache *cache, int savepoint) {
    cache->stats.rolled_back += hc_transaction_rollback_to(&cache->transaction, savepoint, &cache->l1);
    /* What was learnt since may be undone as well, the options among it. */
    relearn(cache);
}

void hc_cache_commit(HcCache *cache) {
    if (cache->transaction.synced)
        hc_coherence_committed(&cache->coherence, &cache->transaction.state);
    hc_transaction_end(&cache->transaction);
}

void hc_cache_rollback(HcCache *cache) {
    cache->stats.rolled_back += hc_transaction_rollback(&cache->transaction, &cache->l1);
    relearn(cache);
}
