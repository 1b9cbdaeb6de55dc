/*
** cache.c: the two tiers as one: life cycle, reading, the whole cache, transactions.
*/
#include "cache_parts.h"
#include "clock.h"
#include "eviction.h"

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
    cache->l1.budget = cache->mrc.budget = &connection->budget;
    int rc = hc_l2_init(&cache->l2, connection->db, &connection->tally, schema, name);
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
    hc_l1_clear(&cache->l1);
    hc_mrc_clear(&cache->mrc);
    hc_transaction_end(&cache->transaction);
    hc_cache_lineup_free(&cache->lineup);
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
    hc_uses_next_round(&cache->uses);
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
    hc_l1_clear(&cache->l1);
    hc_mrc_clear(&cache->mrc);
    hc_transaction_end(&cache->transaction);
    settle(cache);
}

void hc_cache_disconnected(HcCache *cache) {
    cache->coherence.reloaded = 1;
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

int hc_cache_lost_transaction(const HcCache *cache) {
    sqlite3 *db = cache->connection->db;
    return hc_host_lost_transaction(db, cache->in_transaction) || hc_host_lost_statement(db);
}

int hc_cache_tolerates(HcCache *cache, int rc, int always) {
    if (always ? hc_cache_lost_transaction(cache)
               : hc_host_lost_transaction(cache->connection->db, cache->in_transaction))
        return 0;
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

void hc_cache_apply_limits(HcCache *cache) {
    sqlite3_int64 granted = cache->connection->budget.limit;
    hc_l1_policy(&cache->l1, cache->options.eviction == HC_EVICTION_S3FIFO ? &hc_eviction_s3fifo : &hc_eviction_lru);
    hc_l1_limit(&cache->l1, cache->options.l1_entries,
                cache->options.l1_bytes < granted ? cache->options.l1_bytes : granted);
    /* Under clock=caller what was read here must not steer a write that other nodes repeat. */
    hc_uses_want(&cache->uses, cache->options.clock == HC_CLOCK_LOCAL &&
                                   (cache->options.l2_entries > 0 || cache->options.l2_bytes > 0));
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
    hc_cache_apply_limits(cache);
    return SQLITE_OK;
}

/* Is a transaction open that may write to the file? A host before 3.34 does not say. */
static int is_writing(const HcCache *cache) {
    sqlite3 *db = cache->connection->db;
    int state = hc_host_txn_state(db, cache->schema);
    return state >= 0 ? state == 2 : !sqlite3_get_autocommit(db) || hc_host_statement_writing(db);
}

/* And has it changed anything? An older host cannot tell inside of a statement by itself. */
static int has_written(const HcCache *cache) {
    sqlite3 *db = cache->connection->db;
    return is_writing(cache) && (sqlite3_get_autocommit(db) || sqlite3_total_changes(db) != cache->coherence.changes);
}

/*
** Is a statement that this cache has no part in writing to the file just now? What it has
** done so far shows in every read, and nothing tells us if it fails and is undone.
**
**     UPDATE cache_data SET value = hybrid_cache_get('cache', key) ...;
*/
static int amid_write(const HcCache *cache) {
    return !cache->transaction.open && is_writing(cache) && hc_host_statement_writing(cache->connection->db);
}

/*
** Reads the meta row and brings L1 and options in line with it. The statement,
** and with it the read transaction, stays open: close HC_L2_META afterwards.
*/
static int compare(HcCache *cache, HcMeta *meta, char **message) {
    HcCoherence *coherence = &cache->coherence;
    unsigned others = hc_tally_others(&cache->connection->tally, cache->connection->db);
    int rc = hc_l2_meta(&cache->l2, meta, message);
    if (rc != SQLITE_OK)
        return rc;
    /* What this transaction has changed is counted there already, but not yet said to be ours. */
    if (cache->transaction.joined)
        meta->outside -= cache->l2.changes - cache->transaction.counted;
    cache->transaction.others = others;
    /*
    ** Changes of others are a count, which a rollback takes back and the next change repeats:
    **
    **     BEGIN; UPDATE cache_data ...; SELECT hybrid_cache_get(...); ROLLBACK; UPDATE cache_data ...;
    */
    if (coherence->tentative && !cache->transaction.open)
        hc_coherence_forget(coherence);
    if (hc_l2_schema_changed(&cache->l2))
        coherence->reloaded = 1;
    int moved = coherence->known ? coherence->outside != meta->outside : others != 0;
    if (hc_coherence_adopt(coherence, meta) == HC_OTHER)
        cache->stats.invalidated += hc_l1_clear(&cache->l1);
    if (moved && has_written(cache))
        coherence->tentative = 1;
    /* Where the cache takes no part, nobody tells of the end. */
    if (amid_write(cache) || (coherence->tentative && !cache->transaction.open))
        hc_coherence_doubt(coherence);
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

/* The one value that a query has, as a number; `wanted` finds it. Left alone where there is no row. */
static int ask(HcCache *cache, const char *sql, int (*wanted)(sqlite3_stmt *, int), int *number) {
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(cache->connection->db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
        *number = wanted(stmt, 0);
    int finalized = sqlite3_finalize(stmt);
    return rc == SQLITE_OK ? finalized : rc;
}

/*
** Texts are kept in the encoding of the database, see value.h: 'a' has two bytes in
** UTF-16. (Asked without a function, which an authorizer may make NULL.) And where this
** connection shares its cache with others and reads what they have not committed, the L1
** must not keep it; an authorizer that denies the question makes no difference, since it
** denies to set it as well.
*/
static int read_settings(HcCache *cache) {
    int letter = 1, dirty = 0;
    int rc = ask(cache, "SELECT CAST('a' AS BLOB)", sqlite3_column_bytes, &letter);
    cache->l2.utf16 = letter == 2;
    if (rc != SQLITE_OK)
        return rc;
    rc = ask(cache, "PRAGMA read_uncommitted", sqlite3_column_int, &dirty);
    cache->dirty_reads = dirty;
    return rc == SQLITE_AUTH ? SQLITE_OK : rc;
}

/*
** The storage can have been replaced by a view, or have a trigger, that calls back:
**
**     CREATE VIEW cache_meta AS SELECT 1 AS id, ..., hybrid_cache_get('cache', 'k') AS options, ...
**
** Inside, our statements would be bound and reset while they are being stepped. So nobody enters twice.
*/
int hc_cache_enter(HcCache *cache, char **message) {
    int rc = SQLITE_OK;
    if (cache->busy++) {
        sqlite3_free(*message);
        *message = sqlite3_mprintf("hybrid_cache: the storage of \"%w\" uses the cache itself", cache->name);
        return SQLITE_LOCKED;
    }
    cache->in_transaction = !sqlite3_get_autocommit(cache->connection->db);
    if (cache->l2.write_enabled)
        rc = hc_l2_put_back(&cache->l2);
    if (hc_l2_expired(&cache->l2))
        relearn(cache);
    if (rc == SQLITE_OK && !cache->options_text) {
        HcMeta meta;
        rc = read_settings(cache);
        if (rc == SQLITE_OK)
            hc_coherence_before(&cache->coherence);
        if (rc == SQLITE_OK)
            rc = compare(cache, &meta, message);
        if (rc == SQLITE_OK)
            hc_l2_close(&cache->l2, HC_L2_META);
    }
    return rc;
}

/* ---------------------------------------------------------------- reading */

double hc_cache_ttl_left(double deadline, double now) {
    if (deadline >= HC_NEVER)
        return 0;
    /* To the millisecond, the step of the clock. A live entry never shows 0: that means "never expires". */
    double ms = (deadline - now) * 1000.0;
    if (ms > -9e15 && ms < 9e15) /* else written past the cache */
        ms = (double)(sqlite3_int64)(ms + (ms < 0 ? -0.5 : 0.5));
    if (ms <= 0 && deadline > now)
        ms = 1;
    return ms / 1000.0;
}

/* Until when an entry may be read: past its deadline only by hybrid_cache_stale(). */
static double readable_until(const HcCache *cache, HcPurpose purpose, double deadline) {
    return purpose == HC_STALE && deadline < HC_NEVER ? deadline + cache->options.grace : deadline;
}

/* The L1's entry of that key if it may be served at all; one that others changed is dropped. */
HcEntry *hc_cache_candidate(HcCache *cache, const HcKey *key, uint32_t hash, double now) {
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

HcEntry *hc_cache_make_entry(HcCache *cache, const HcKey *key, const HcValue *value, const HcValue *tag,
                             double deadline, double now, uint32_t hash) {
    HcEntry *entry = hc_entry_new(key, value, tag->type == SQLITE_TEXT ? tag : NULL, hash);
    if (entry) {
        entry->deadline = deadline;
        entry->filled = now;
        entry->stamp = cache->coherence.moment;
        entry->bucket = (uint16_t)hc_coherence_bucket(hc_key_hash(key, cache->coherence.seed));
    }
    return entry;
}

int hc_cache_promote(HcCache *cache, HcEntry *entry) {
    if (cache->transaction.unguarded)
        return 0;
    sqlite3_int64 bytes = hc_entry_bytes(entry);
    if (cache->options.l1_entries > 0 && !hc_l1_accepts(&cache->l1, bytes)) {
        cache->stats.oversize++;
    } else if (!hc_connection_make_room(cache->connection, cache, bytes)) {
        hc_l1_remove_hash(&cache->l1, entry->hash);
        return 0;
    }
    return hc_l1_insert(&cache->l1, entry);
}

/* Step 3 of the read path: the row, as an entry of our own. `compared`: in this snapshot, and the meta row is open. */
static int look_in_l2(HcCache *cache, const HcKey *key, uint32_t hash, double judge, int blind, int compared,
                      HcLook *look) {
    HcRow row;
    HcMeta meta;
    char *message = NULL;
    HcKey stored;
    /* The curve that this look-up may have begun counts as well. */
    hc_connection_make_room(cache->connection, cache, 0);
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
    if (!compared && !hc_coherence_same(&cache->coherence)) {
        rc = validate(cache, &meta, &message);
        if (rc != SQLITE_OK)
            goto done;
        hc_l2_close(&cache->l2, HC_L2_META);
    }
    hc_key_make(&row.key, &stored);
    look->entry = hc_cache_make_entry(cache, &stored, &row.value, &row.tag, row.expires, look->now, hash);
    if (!look->entry) {
        rc = SQLITE_NOMEM;
        goto done;
    }
    look->tier = 2;
    if (look->purpose != HC_PEEK && !blind && !amid_write(cache) && hc_cache_promote(cache, look->entry))
        cache->stats.promotions++;
    if (look->purpose != HC_PEEK)
        hc_uses_row(&cache->uses, look->entry, row.id);
done:
    hc_l2_close(&cache->l2, HC_L2_FIND);
    sqlite3_free(message);
    return rc;
}

int hc_cache_is_alone(HcCache *cache) {
    uint64_t changes = 0;
    const HcTransaction *transaction = &cache->transaction;
    return transaction->joined && hc_l2_changes(&cache->l2, &changes) == SQLITE_OK &&
           changes == cache->coherence.outside + transaction->state.changes + cache->l2.changes - transaction->counted;
}

/*
** In our own write transaction the application may have written to the data table past us:
** then the meta row has counted more changes than ours, and the L1 must be compared with it.
**
**     BEGIN; INSERT INTO cache ...; UPDATE cache_data ...; SELECT hybrid_cache_get('cache', 'a');
*/
static void notice_others(HcCache *cache) {
    HcTransaction *transaction = &cache->transaction;
    unsigned others = hc_tally_others(&cache->connection->tally, cache->connection->db);
    if (!transaction->open || others == transaction->others)
        return;
    if (hc_cache_is_alone(cache))
        transaction->others = others;
    else
        hc_coherence_doubt(&cache->coherence);
}

int hc_cache_look(HcCache *cache, const HcKey *key, double judge, HcLook *look) {
    int rc = SQLITE_OK;
    uint32_t hash = hc_l1_hash(&cache->l1, key);
    notice_others(cache);
    int blind = hc_coherence_blind(&cache->coherence, cache->transaction.open) || cache->dirty_reads;
    HcEntry *entry = blind ? NULL : hc_cache_candidate(cache, key, hash, look->now);
    look->entry = NULL;
    look->tier = 0;
    /* Here and not where gets are counted: its memory is on the way while coherence asks. */
    if (look->purpose != HC_PEEK)
        hc_mrc_read(&cache->mrc, hash, cache->options.l1_entries);
    /* coherence=relaxed is for reads: what an UPDATE finds is what it writes, and others write the same (clock=caller). */
    int strict = cache->options.coherence == HC_COHERENCE_STRICT || cache->transaction.open;
    if (entry && strict && !hc_coherence_fresh(&cache->coherence, look->reading)) {
        HcMeta meta;
        char *message = NULL;
        hc_coherence_before(&cache->coherence);
        rc = validate(cache, &meta, &message);
        sqlite3_free(message);
        if (rc != SQLITE_OK)
            goto done;
        entry = hc_cache_candidate(cache, key, hash, look->now);
        if (!entry) /* in the same snapshot */
            rc = look_in_l2(cache, key, hash, judge, blind, 1, look);
        hc_l2_close(&cache->l2, HC_L2_META);
    } else if (!entry) {
        rc = look_in_l2(cache, key, hash, judge, blind, 0, look);
    }
    if (entry) {
        if (readable_until(cache, look->purpose, entry->deadline) > judge) {
            look->entry = hc_entry_retain(entry);
            look->tier = 1;
            if (look->purpose != HC_PEEK) {
                hc_l1_touch(&cache->l1, entry);
                hc_uses_entry(&cache->uses, entry);
            }
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
    } else if (cache->busy == 1) { /* else it was not entered: see there */
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

/* ------------------------------------------------------ the whole cache */

int hc_cache_join(HcCache *cache, char **message) {
    HcMeta meta;
    HcTransaction *transaction = &cache->transaction;
    if (transaction->joined)
        return SQLITE_OK;
    /* An earlier row of this statement met a full disk: SQLite has ended the transaction, and would not call xSync. */
    if (!transaction->open)
        return SQLITE_FULL;
    int rc = validate(cache, &meta, message);
    if (rc != SQLITE_OK)
        return rc;
    hc_l2_close(&cache->l2, HC_L2_META);
    transaction->state = meta.state;
    transaction->counted = cache->l2.changes;
    transaction->joined = 1;
    hc_uses_swept(&cache->uses, meta.state.swept, meta.state.entries);
    return SQLITE_OK;
}

/* The counters from the rows; where these cannot be read, what was counted stays. */
static void recount(HcCache *cache) {
    HcRow row;
    sqlite3_stmt *stmt;
    sqlite3_int64 entries = 0, bytes = 0;
    int rc = hc_l2_open(&cache->l2, HC_L2_WALK, &stmt);
    if (rc != SQLITE_OK)
        return;
    sqlite3_bind_int64(stmt, 1, HC_BELOW_ALL_IDS);
    sqlite3_bind_int(stmt, 2, -1);
    while ((rc = hc_l2_next(&cache->l2, HC_L2_WALK, &row)) == SQLITE_ROW) {
        entries++;
        bytes += hc_cache_counted_size(&row);
    }
    if (rc == SQLITE_DONE) {
        cache->transaction.state.entries = entries;
        cache->transaction.state.bytes = bytes;
    }
}

/*
** The DELETE has no statement journal: where it fails half-way, in a transaction that goes on, some rows may be gone.
** So the L1 forgets everything whatever comes of it, and the counters follow the rows. One failure can be in the middle
** of a row: what a savepoint keeps goes to a temporary file that cannot be opened. That transaction must not be
** committed, and SQLite ends it at an I/O error.
**
**     BEGIN; SAVEPOINT s; INSERT INTO cache(cache) VALUES('clear');  -- no directory for temporary files
*/
int hc_cache_clear(HcCache *cache, char **message) {
    HcState *state = &cache->transaction.state;
    int rc = hc_cache_join(cache, message);
    if (rc != SQLITE_OK)
        return rc;
    state->version = hc_mix(state->version, HC_CLEARED);
    for (int i = 0; i < HC_BUCKETS; i++)
        state->bucket[i] = state->version;
    cache->transaction.dirty = 1;
    hc_l1_clear(&cache->l1);
    rc = hc_l2_clear(&cache->l2, state->entries);
    if (rc == SQLITE_OK)
        state->entries = state->bytes = state->hand = 0;
    if ((rc & 0xff) == SQLITE_CANTOPEN) {
        *message = sqlite3_mprintf("hybrid_cache: clearing \"%w\": %s; the transaction is rolled back", cache->name,
                                   sqlite3_errstr(rc));
        rc = SQLITE_IOERR;
    } else if (rc != SQLITE_OK && cache->transaction.open) {
        recount(cache);
    }
    return rc;
}

int hc_cache_set_options(HcCache *cache, const HcOptions *options, char **message) {
    int rc = hc_cache_join(cache, message);
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
        state->version = hc_mix(state->version, HC_OPTIONS_SET);
        cache->transaction.dirty = 1;
        cache->purge_after = HC_BEFORE_ALL;
        rc = hc_cache_make_room(cache, hc_cache_now(cache), 0);
    }
    return rc;
}

/* ----------------------------------------------------------- transactions */

int hc_cache_sync(HcCache *cache) {
    HcTransaction *transaction = &cache->transaction;
    int rc = SQLITE_OK;
    if (transaction->dirty) {
        /* Counters that damage made too small must not become impossible ones. */
        if (transaction->state.entries < 0)
            transaction->state.entries = 0;
        if (transaction->state.bytes < 0)
            transaction->state.bytes = 0;
        transaction->state.changes += cache->l2.changes - transaction->counted;
        transaction->counted = cache->l2.changes;
        rc = hc_l2_write_state(&cache->l2, &transaction->state);
        /*
        ** BEGIN; SAVEPOINT s; CREATE VIRTUAL TABLE c ...; INSERT INTO c ...; ROLLBACK TO s; COMMIT;
        **
        ** calls xSync and nothing before it that would tell that the table is gone. (An error that has ended the
        ** transaction, such as an interrupt, has undone the CREATE as well, and has to be told.)
        */
        if ((rc & 0xff) == SQLITE_CORRUPT && hc_l2_is_gone(&cache->l2)) {
            transaction->dirty = 0;
            return SQLITE_OK;
        }
        if (rc == SQLITE_OK) {
            transaction->dirty = 0;
            transaction->synced = transaction->written = 1;
        }
    }
    return rc;
}

int hc_cache_savepoint(HcCache *cache, int savepoint) {
    int rc = hc_cache_sync(cache);
    cache->transaction.unsaved = rc == SQLITE_OK ? 0 : savepoint + 1;
    if (rc == SQLITE_OK)
        hc_transaction_savepoint(&cache->transaction, savepoint);
    return rc;
}

void hc_cache_rollback_to(HcCache *cache, int savepoint) {
    cache->stats.rolled_back += hc_transaction_rollback_to(&cache->transaction, savepoint, &cache->l1);
    /* What was learnt since may be undone as well, the options among it. */
    if (cache->coherence.tentative)
        hc_coherence_forget(&cache->coherence);
    relearn(cache);
}

void hc_cache_commit(HcCache *cache) {
    HcTransaction *transaction = &cache->transaction;
    if (transaction->synced) {
        hc_coherence_committed(&cache->coherence, &transaction->state);
        if (transaction->others != hc_tally_others(&cache->connection->tally, cache->connection->db))
            hc_coherence_doubt(&cache->coherence);
    } else if (transaction->written) {
        /*
        ** BEGIN; INSERT INTO cache ...; SAVEPOINT s; ROLLBACK TO s; COMMIT;
        **
        ** The L1 has what was written before `s`, but is compared with what was there before
        ** BEGIN: a restored backup would then look unchanged.
        */
        hc_transaction_forget(transaction, &cache->l1);
        hc_coherence_doubt(&cache->coherence);
    }
    cache->coherence.tentative = 0;
    hc_transaction_end(transaction);
}

void hc_cache_rollback(HcCache *cache) {
    cache->stats.rolled_back += hc_transaction_rollback(&cache->transaction, &cache->l1);
    if (cache->coherence.tentative)
        hc_coherence_forget(&cache->coherence);
    relearn(cache);
}
