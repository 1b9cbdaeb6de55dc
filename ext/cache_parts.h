/*
** cache_parts.h: what the files of the cache share among themselves (and maintenance.c with them).
*/
#ifndef HC_CACHE_PARTS_H
#define HC_CACHE_PARTS_H

#include "cache.h"

/* Earlier than any deadline, later than any: what entries are judged against where time must not count. */
#define HC_BEFORE_ALL (-1e300)
#define HC_AFTER_ALL 1e300
/* Below all ids: a negative one can only have been written by hand, but counts. */
#define HC_BELOW_ALL_IDS (-9223372036854775807LL - 1)

/* The L1's entry of that key if it may be served at all; one that others changed is dropped. Borrowed. */
HcEntry *hc_cache_candidate(HcCache *cache, const HcKey *key, uint32_t hash, double now);
/* 1 if nobody has written to the data table past the cache since the L1 was last compared with it. */
int hc_cache_is_alone(HcCache *cache);
/* A new entry, known good as of now; NULL when out of memory. */
HcEntry *hc_cache_make_entry(HcCache *cache, const HcKey *key, const HcValue *value, const HcValue *tag,
                             double deadline, double now, uint32_t hash);
/* Into the L1, if it is not too large for it; 1 if it is in. */
int hc_cache_promote(HcCache *cache, HcEntry *entry);

/*
** The transaction's version and the key's bucket move, and the L1 forgets the key.
** `hash` is that of the buckets, `l1_hash` that of the L1; `what` is a digest of
** what was written, or one of HC_REMOVED and so on. Each write of a row ends here.
*/
void hc_cache_changed(HcCache *cache, uint64_t hash, uint32_t l1_hash, uint64_t what);
/* Digests of what has no checksum. */
enum { HC_REMOVED = 1, HC_CLEARED = 2, HC_OPTIONS_SET = 3, HC_REBUILT = 4 };
/* Deletes a row of L2 and takes it off the counters. */
int hc_cache_remove(HcCache *cache, sqlite3_int64 id, sqlite3_int64 size, uint64_t hash, uint32_t l1_hash);
/* The size of a row as it is counted, whatever damage says. */
sqlite3_int64 hc_cache_counted_size(const HcRow *row);

/* A row that was read for its removal: its statement is closed before it is written to. */
typedef struct HcVictim {
    sqlite3_int64 id, size;
    uint64_t hash;
    uint32_t l1_hash;
} HcVictim;
void hc_cache_choose_victim(HcCache *cache, const HcRow *row, HcVictim *victim);
int hc_cache_remove_victim(HcCache *cache, const HcVictim *victim);

/* Step 6 of the write path. `deadline` is that of the entry just written, `keep` its id: it is not taken. */
int hc_cache_keep_house(HcCache *cache, double now, double deadline, sqlite3_int64 keep);
/* Brings L2 within its limits: expired rows go first. */
int hc_cache_make_room(HcCache *cache, double now, sqlite3_int64 keep);

void hc_cache_lineup_free(HcLineup *lineup);

#endif
