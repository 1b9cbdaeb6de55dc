/*
** mrc.h: what the hit ratio of an LRU cache of another size would have been.
**
** An estimate from sampled reuse distances, after SHARDS (Waldspurger, Park,
** Garthwaite, Ahmad: Efficient MRC Construction with SHARDS, FAST 2015). Knows no
** SQL and no cache: it is told the hash of each key that is read, and how many
** entries the cache may hold.
*/
#ifndef HC_MRC_H
#define HC_MRC_H

#include "budget.h"

/* Sizes can be asked for up to so many times the present one. */
#define HC_MRC_LARGEST 16

typedef struct HcMrcSamples HcMrcSamples;

typedef struct HcMrc {
    uint32_t skipped;      /* a key is sampled if its hash is at least this; so it starts with all keys */
    sqlite3_int64 reads;   /* since `samples` began */
    HcMrcSamples *samples; /* less than 64 KiB, made by the first read */
    HcBudget *budget;      /* of the connection, which may not have room for them; NULL = none */
} HcMrc;

/* Forgets everything but the budget and frees the memory. All zero is also a good beginning. */
void hc_mrc_clear(HcMrc *mrc);

void hc_mrc_sample(HcMrc *mrc, uint32_t hash, sqlite3_int64 entries);

/* A key was read from a cache of so many entries. */
static inline void hc_mrc_read(HcMrc *mrc, uint32_t hash, sqlite3_int64 entries) {
    mrc->reads++;
    if (hash >= mrc->skipped)
        hc_mrc_sample(mrc, hash, entries);
}

/* The hit ratio that an LRU cache of so many entries would have had; negative if nothing was read yet. */
double hc_mrc_ratio(const HcMrc *mrc, sqlite3_int64 entries);

#endif
