/*
** mrc.h: what the hit ratio of an LRU cache of another size would have been.
**
** An estimate from sampled reuse times. Knows no SQL and no cache: it is told the
** hash of each key that is read, and how many entries the cache may hold.
*/
#ifndef HC_MRC_H
#define HC_MRC_H

#include "budget.h"

/* Sizes can be asked for up to so many times the present one. */
#define HC_MRC_LARGEST 16

/* Of the table of watched keys; a power of two. */
#define HC_MRC_SLOTS 4096

typedef struct HcMrcSamples HcMrcSamples;

typedef struct HcMrc {
    uint64_t reads;        /* since `samples` began */
    uint64_t next;         /* the read that is sampled next */
    const uint16_t *slots; /* of `samples`; 0 = nobody with such a hash is watched */
    HcMrcSamples *samples; /* less than 64 KiB, made by the first read */
    HcBudget *budget;      /* of the connection, which may not have room for them; NULL = none */
} HcMrc;

/* Forgets everything but the budget and frees the memory. All zero is also a good beginning. */
void hc_mrc_clear(HcMrc *mrc);

void hc_mrc_sample(HcMrc *mrc, uint32_t hash, sqlite3_int64 entries);

/* A key was read from a cache of so many entries. */
static inline void hc_mrc_read(HcMrc *mrc, uint32_t hash, sqlite3_int64 entries) {
    mrc->reads++;
    if (mrc->reads >= mrc->next || (mrc->slots && mrc->slots[hash & (HC_MRC_SLOTS - 1)]))
        hc_mrc_sample(mrc, hash, entries);
}

/* The hit ratio that an LRU cache of so many entries would have had; negative if nothing was read yet. */
double hc_mrc_ratio(const HcMrc *mrc, sqlite3_int64 entries);

#endif
