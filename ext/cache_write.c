/*
** cache_write.c: INSERT, UPDATE and DELETE of one entry in both tiers. cache.h has the steps.
*/
#include "cache_parts.h"
#include "clock.h"
#include "statement.h"

/* No row is larger, whatever its size column says: sums of sizes stay inside 64 bits. */
#define SIZE_MOST (1LL << 32)
/* A touch copies values of up to so many bytes inside the L1. */
#define COPIED_TOUCH 4096

void hc_cache_changed(HcCache *cache, uint64_t hash, uint32_t l1_hash, uint64_t what) {
    HcState *state = &cache->transaction.state;
    state->version = hc_mix(state->version, hash ^ what);
    state->bucket[hc_coherence_bucket(hash)] = state->version;
    cache->transaction.dirty = 1;
    hc_transaction_note(&cache->transaction, l1_hash);
    hc_l1_remove_hash(&cache->l1, l1_hash);
}

static void key_changed(HcCache *cache, const HcKey *key, uint64_t what) {
    hc_cache_changed(cache, hc_key_hash(key, cache->coherence.seed), hc_l1_hash(&cache->l1, key), what);
}

/* A row counts as absent where it is damaged or expired. */
static int is_live(const HcCache *cache, const HcRow *row, double now) {
    return !row->damaged && row->expires > hc_cache_judge(cache, now);
}

sqlite3_int64 hc_cache_counted_size(const HcRow *row) {
    return row->size < 0 ? 0 : row->size > SIZE_MOST ? SIZE_MOST : row->size;
}

int hc_cache_remove(HcCache *cache, sqlite3_int64 id, sqlite3_int64 size, uint64_t hash, uint32_t l1_hash) {
    int rc = hc_l2_run_id(&cache->l2, HC_L2_DELETE, id);
    if (rc == SQLITE_OK) {
        cache->transaction.state.entries--;
        cache->transaction.state.bytes -= size;
        hc_cache_changed(cache, hash, l1_hash, HC_REMOVED);
    }
    return rc;
}

static int remove_row(HcCache *cache, const HcKey *key, sqlite3_int64 id, sqlite3_int64 size) {
    return hc_cache_remove(cache, id, size, hc_key_hash(key, cache->coherence.seed), hc_l1_hash(&cache->l1, key));
}

double hc_cache_deadline(const HcCache *cache, const HcKey *key, double now, double ttl) {
    if (ttl == 0)
        return HC_NEVER;
    if (ttl > 0 && cache->options.jitter > 0) {
        double part = (double)(hc_key_hash(key, cache->coherence.seed) >> 11) / 9007199254740992.0;
        ttl -= ttl * cache->options.jitter * part;
    }
    double deadline = now + ttl;
    return deadline >= HC_NEVER ? HC_NEVER : deadline > -HC_NEVER ? deadline : -HC_NEVER;
}

/* Step 5 for a value that is at hand. */
static void write_through(HcCache *cache, const HcWrite *write, int l1_only) {
    if (write->deadline <= write->now || cache->options.l1_entries == 0)
        return;
    HcEntry *entry = hc_cache_make_entry(cache, &write->key, &write->value, &write->tag, write->deadline, write->now,
                                         hc_l1_hash(&cache->l1, &write->key));
    if (entry) {
        if (l1_only)
            entry->flags |= HC_ENTRY_L1_ONLY;
        hc_cache_promote(cache, entry);
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
    *message = sqlite3_mprintf("hybrid_cache: the entry takes %lld bytes, more than l2_bytes=%lld of \"%w\" allows",
                               size, cache->options.l2_bytes, cache->name);
    return SQLITE_TOOBIG;
}

/* What is in the way of a key. */
typedef struct HcObstacle {
    int found;
    sqlite3_int64 id, size;
    int same_head; /* its key, as written, and its tag are those of the write, and it is due early enough */
} HcObstacle;

/* Where a conflict matters the value is read as well, since a damaged row counts as absent. */
static int find_obstacle(HcCache *cache, const HcWrite *write, HcObstacle *obstacle, char **message) {
    HcRow row;
    HcStatement statement = write->replace ? HC_L2_HEAD : HC_L2_FIND;
    int rc = hc_l2_find(&cache->l2, statement, &write->key, &row);
    memset(obstacle, 0, sizeof *obstacle);
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
    obstacle->found = 1;
    obstacle->id = row.id;
    obstacle->size = hc_cache_counted_size(&row);
    obstacle->same_head = hc_value_equal(&row.key, &write->key.form) && hc_value_equal(&row.tag, &write->tag) &&
                          row.due <= write->deadline;
    rc = !write->replace && is_live(cache, &row, write->now) ? fail_unique(cache, message) : SQLITE_OK;
    hc_l2_close(&cache->l2, statement);
    return rc;
}

static int insert_entry(HcCache *cache, const HcWrite *write, char **message) {
    HcRow row;
    HcObstacle obstacle;
    HcState *state = &cache->transaction.state;
    memset(&row, 0, sizeof row);
    fill_row(write, &row);
    int rc = hc_cache_join(cache, message);
    if (rc == SQLITE_OK)
        rc = find_obstacle(cache, write, &obstacle, message);
    if (rc == SQLITE_OK)
        rc = check_size(cache, row.size, message);
    if (rc != SQLITE_OK)
        return rc;
    row.id = obstacle.id;
    rc = hc_l2_write(&cache->l2,
                     !obstacle.found      ? HC_L2_INSERT
                     : obstacle.same_head ? HC_L2_REWRITE
                                          : HC_L2_REPLACE,
                     &row);
    if (rc != SQLITE_OK) {
        hc_l1_remove_hash(&cache->l1, hc_l1_hash(&cache->l1, &write->key));
        return rc;
    }
    if (!obstacle.found) {
        row.id = sqlite3_last_insert_rowid(cache->connection->db);
        state->entries++;
    }
    state->bytes += row.size - obstacle.size;
    key_changed(cache, &write->key, row.sum);
    write_through(cache, write, 0);
    cache->stats.puts++;
    return hc_cache_keep_house(cache, write->now, write->deadline, row.id);
}

/* What a failure must not take with it: see degraded(). */
typedef struct HcStake {
    int explicit_transaction;
    int earlier_writes;
} HcStake;

static HcStake at_stake(const HcCache *cache) {
    HcStake stake = {!sqlite3_get_autocommit(cache->connection->db),
                     cache->transaction.open && cache->transaction.journal_count > 0};
    return stake;
}

/*
** on_error=degrade: L2 failed, the L1 alone takes the write. What it may have of the
** key is no longer true.
**
** A full disk is different: SQLite ends the whole transaction then. Going on as if
** nothing had happened would lose what else was in it without a word:
**
**     BEGIN; INSERT INTO app ...; INSERT INTO cache ...;  -- the disk is full
**
** So the error stands, unless this write was all there was: a statement on the
** cache itself, by itself.
*/
static int degraded(HcCache *cache, int rc, const HcStake *stake, const HcKey *key) {
    if (rc == SQLITE_OK)
        return 0;
    if (!cache->transaction.open && (stake->explicit_transaction || stake->earlier_writes ||
                                     !hc_statement_writes_only(cache->connection->db, cache->name)))
        return 0;
    if (!hc_cache_tolerates(cache, rc, 0))
        return 0;
    /* The end of the transaction may have made the L1 forget what it was compared with: the next look would empty it. */
    if (!cache->coherence.known && !cache->transaction.open) {
        sqlite3_int64 entries, bytes;
        hc_cache_l2_counters(cache, &entries, &bytes);
        cache->coherence.tentative = 0; /* nothing is left that could be undone */
    }
    uint32_t hash = hc_l1_hash(&cache->l1, key);
    hc_transaction_note(&cache->transaction, hash);
    hc_l1_remove_hash(&cache->l1, hash);
    return 1;
}

int hc_cache_insert(HcCache *cache, const HcWrite *write, char **message) {
    HcStake stake = at_stake(cache);
    int rc = insert_entry(cache, write, message);
    if (degraded(cache, rc, &stake, &write->key)) {
        write_through(cache, write, 1);
        cache->stats.puts++;
        rc = SQLITE_OK;
    }
    return rc;
}

/*
** An UPDATE keeps what it does not change, and reads no value to check it: the L1 has answered, or a look-up has checked
** it a moment ago. So what the L1 knows of the row is compared with it. A difference is damage, which must neither be
** served from now on nor get a new checksum: the entry is written anew, from what the L1 knows.
*/
static HcEntry *known_better(HcCache *cache, const HcKey *key, const HcRow *row, double now) {
    HcValue tag;
    if (cache->dirty_reads)
        return NULL;
    HcEntry *entry = hc_cache_candidate(cache, key, hc_l1_hash(&cache->l1, key), now);
    if (!entry || (entry->flags & HC_ENTRY_L1_ONLY))
        return NULL;
    hc_entry_tag(entry, &tag);
    if (hc_value_equal(&tag, &row->tag) && entry->deadline == row->expires)
        return NULL;
    /* BEGIN; INSERT INTO cache ...; UPDATE cache_data SET expires = ...; UPDATE cache SET value = ... WHERE key > 'a'; */
    if (!hc_cache_is_alone(cache))
        return NULL;
    cache->stats.corrupt++;
    return hc_entry_retain(entry);
}

/* The parts of `full` that `set` does not name, from the entry. Returns what is to be written then: all. */
static int complete(const HcEntry *entry, int set, HcWrite *full) {
    HcValue form;
    if (!(set & HC_SET_KEY)) {
        hc_entry_key(entry, &form);
        hc_key_make(&form, &full->key);
    }
    if (!(set & HC_SET_VALUE))
        hc_entry_value(entry, &full->value);
    if (!(set & HC_SET_TAG))
        hc_entry_tag(entry, &full->tag);
    if (!(set & HC_SET_DEADLINE))
        full->deadline = entry->deadline;
    return HC_SET_KEY | HC_SET_VALUE | HC_SET_DEADLINE | HC_SET_TAG;
}

/*
** Step 5 for a touch: the L1 keeps the value under the new deadline. A copy, since
** whoever reads the old entry must not see it change; a large value is read from
** L2 again instead.
*/
static HcEntry *touched_copy(HcCache *cache, const HcKey *key, const HcWrite *write) {
    HcValue value;
    uint32_t hash = hc_l1_hash(&cache->l1, key);
    HcEntry *entry = hc_cache_candidate(cache, key, hash, write->now);
    if (!entry || entry->value_n > COPIED_TOUCH || write->deadline <= write->now)
        return NULL;
    hc_entry_value(entry, &value);
    HcEntry *copy = hc_cache_make_entry(cache, &write->key, &value, &write->tag, write->deadline, entry->filled, hash);
    if (copy)
        copy->flags |= entry->flags & HC_ENTRY_L1_ONLY;
    return copy;
}

static int update_entry(HcCache *cache, const HcKey *key, const HcWrite *write, int set, char **message) {
    HcRow row;
    HcKey old;
    HcWrite full = *write;
    HcObstacle obstacle = {0};
    sqlite3_int64 old_size;
    int rc = hc_cache_join(cache, message);
    if (rc != SQLITE_OK)
        return rc;
    int renamed = (set & HC_SET_KEY) && !hc_key_equal(&write->key, key->class, key->data, key->n);
    if (renamed) {
        rc = find_obstacle(cache, write, &obstacle, message);
        if (rc != SQLITE_OK)
            return rc;
    }
    rc = hc_l2_find(&cache->l2, HC_L2_HEAD, key, &row);
    if (rc != SQLITE_ROW)
        /* DONE: purged by an earlier row of the same statement. */
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
    if (row.key.type == SQLITE_NULL) {
        /* Found by its key, and has none: an authorizer hides it. It must not be written back like that. */
        hc_l2_close(&cache->l2, HC_L2_HEAD);
        return SQLITE_CORRUPT_VTAB;
    }
    uint64_t sum = row.sum ^ hc_row_sum_head(&row);
    old_size = hc_cache_counted_size(&row);
    sqlite3_int64 value_n = old_size - hc_row_size(&row); /* HEAD reads no value: what is missing is its size */
    hc_key_make(&row.key, &old);
    HcEntry *known = known_better(cache, key, &row, write->now);
    if (known)
        set = complete(known, set, &full);
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
    int head = (set & (HC_SET_KEY | HC_SET_TAG)) || row.due > row.expires;
    HcStatement how = set & HC_SET_VALUE ? (head ? HC_L2_REPLACE : HC_L2_REWRITE) : (head ? HC_L2_TOUCH : HC_L2_EXTEND);
    if (rc == SQLITE_OK && obstacle.found) {
        /* What an authorizer denies has to show before the obstacle is gone: nothing would bring it back. */
        sqlite3_stmt *stmt;
        rc = hc_l2_open(&cache->l2, how, &stmt);
        if (rc == SQLITE_OK)
            rc = remove_row(cache, &write->key, obstacle.id, obstacle.size);
    }
    if (rc == SQLITE_OK)
        rc = hc_l2_write(&cache->l2, how, &row);
    if (rc == SQLITE_OK) {
        cache->transaction.state.bytes += row.size - old_size;
        key_changed(cache, key, row.sum);
        if (renamed)
            key_changed(cache, &write->key, row.sum);
        if (set & HC_SET_VALUE)
            write_through(cache, &full, 0);
        if (touched)
            hc_cache_promote(cache, touched);
        cache->stats.puts++;
    }
    hc_entry_release(touched);
    hc_entry_release(known);
    /* The old key and tag were borrowed from this statement until here. */
    hc_l2_close(&cache->l2, HC_L2_HEAD);
    return rc == SQLITE_OK ? hc_cache_keep_house(cache, write->now, row.expires, row.id) : rc;
}

int hc_cache_update(HcCache *cache, const HcKey *key, const HcWrite *write, int set, char **message) {
    HcStake stake = at_stake(cache);
    HcWrite full = *write;
    HcEntry *entry = hc_l1_find(&cache->l1, key, hc_l1_hash(&cache->l1, key));
    /* The L1's entry, in case that L2 fails. */
    if (entry)
        hc_entry_retain(entry);
    int rc = update_entry(cache, key, write, set, message);
    if (degraded(cache, rc, &stake, key)) {
        if (entry) {
            complete(entry, set, &full);
            degraded(cache, rc, &stake, &full.key);
            write_through(cache, &full, 1);
            cache->stats.puts++;
        }
        rc = SQLITE_OK;
    }
    hc_entry_release(entry);
    return rc;
}

static int delete_entry(HcCache *cache, const HcKey *key, double now, char **message) {
    HcRow row = {0};
    int rc = hc_cache_join(cache, message);
    if (rc == SQLITE_OK)
        rc = hc_l2_find(&cache->l2, HC_L2_HEAD, key, &row);
    if (rc == SQLITE_ROW) {
        sqlite3_int64 id = row.id, size = hc_cache_counted_size(&row);
        hc_l2_close(&cache->l2, HC_L2_HEAD);
        rc = remove_row(cache, key, id, size);
        if (rc == SQLITE_OK)
            rc = hc_cache_keep_house(cache, now, HC_NEVER, 0);
    } else if (rc == SQLITE_DONE) {
        /* on_error=degrade: L1 alone may have it. */
        hc_transaction_note(&cache->transaction, hc_l1_hash(&cache->l1, key));
        hc_l1_remove_hash(&cache->l1, hc_l1_hash(&cache->l1, key));
        rc = SQLITE_OK;
    }
    return rc;
}

int hc_cache_delete(HcCache *cache, const HcKey *key, double now, char **message) {
    HcStake stake = at_stake(cache);
    int rc = delete_entry(cache, key, now, message);
    if (degraded(cache, rc, &stake, key))
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
