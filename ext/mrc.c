/*
** mrc.c: what the hit ratio of an LRU cache of another size would have been.
**
** A read hits in an LRU cache of C entries if fewer than C other keys were read
** since the key was read last. To count these at each read is costly; how many
** reads there were between is not, and one follows from the other on average (AET:
** Hu, Wang, Zhou, Luo, Ding, Jiang, Wang: Kinetic modeling of data eviction in
** cache, ATC 2016). A key that was read k reads ago counts as one of those between
** if it was not read again since; let S(k) be the part of the reads after which
** that is so. Then t reads back lie, on average, S(1) + ... + S(t-1) others.
**
** So some reads are sampled: the key is watched, and when it is read again the time
** that passed, in reads, goes into a histogram. A key that is still watched says only
** that its time is longer than it has been watched so far: S is estimated as that of
** patients who are alive when the study ends (Kaplan and Meier 1958).
**
** Reads are sampled, not keys: of a hot key there are as many samples as are due.
** What keeps memory and time bounded:
**
** - All of the first reads are sampled, so that few reads give the exact answer where
**   there is one; then one in four, at random distances, since loops have a length.
** - When no watch is left, those go that have been watched for longer than the
**   largest size asked for keeps anything. Where that is not enough, every second one
**   goes by lot, and half as many reads are sampled from then on. Those that are left
**   count twice.
*/
#include "mrc.h"

#define WATCHES 2048
#define ALL_READS 512
#define LEVEL 2 /* after these one read in 1 << LEVEL is sampled */
#define LEVEL_MOST 40

/* The histogram is exact below 32, then has 16 bins for each power of two. */
#define BINS_LOG 4
#define OCTAVES 40
#define BINS (OCTAVES << BINS_LOG)

/* A read whose key is watched. */
typedef struct HcMrcWatch {
    uint64_t start; /* its number */
    uint32_t hash;
    uint16_t chain; /* number + 1 of the next one of the same slot, or free one; 0 = none */
    uint16_t level; /* it counts 1 << level */
} HcMrcWatch;

struct HcMrcSamples {
    double again[BINS]; /* reads, by the time until their key was read again */
    double lost[BINS];  /* reads, by the time for which their key was watched in vain */
    uint32_t random;
    uint16_t level; /* of the reads sampled now */
    uint16_t free;  /* chain of free watches */
    uint16_t slots[HC_MRC_SLOTS];
    HcMrcWatch watches[WATCHES];
};

_Static_assert(sizeof(HcMrcSamples) <= 65536, "the memory promised to be enough");
_Static_assert(ALL_READS < WATCHES, "until then none has had to go");

static void account(HcMrc *mrc, sqlite3_int64 bytes) {
    if (mrc->budget) {
        mrc->budget->used += bytes;
        mrc->budget->curves += bytes;
    }
}

void hc_mrc_clear(HcMrc *mrc) {
    HcBudget *budget = mrc->budget;
    if (mrc->samples)
        account(mrc, -(sqlite3_int64)sizeof *mrc->samples);
    sqlite3_free(mrc->samples);
    memset(mrc, 0, sizeof *mrc);
    mrc->budget = budget;
}

/* ---------------------------------------------------------- the histogram */

static int bin_of(uint64_t time) {
    int shift = 0;
    while (time >> shift >= 2u << BINS_LOG)
        shift++;
    int bin = (shift << BINS_LOG) + (int)(time >> shift);
    return bin < BINS ? bin : BINS - 1;
}

/* The least time in a bin. */
static double bin_begin(int bin) {
    int shift = bin < 2 << BINS_LOG ? 0 : (bin >> BINS_LOG) - 1;
    return (double)((uint64_t)(bin - (shift << BINS_LOG)) << shift);
}

static double weight_of(const HcMrcWatch *watch) {
    return (double)((uint64_t)1 << watch->level);
}

/* ------------------------------------------------------------- the watches */

static uint32_t draw(HcMrcSamples *samples) {
    samples->random = samples->random * 1664525 + 1013904223; /* Knuth and Lewis; the upper bits are random */
    return samples->random >> 8;
}

/* Each watch that is in use, in any order: for (...) if (is_used(...)). A free one has level LEVEL_MOST + 1. */
static int is_used(const HcMrcWatch *watch) {
    return watch->level <= LEVEL_MOST;
}

static void make_free(HcMrcSamples *samples, int number) {
    samples->watches[number].level = LEVEL_MOST + 1;
    samples->watches[number].chain = samples->free;
    samples->free = (uint16_t)(number + 1);
}

static uint16_t *link_of(HcMrcSamples *samples, uint32_t hash) {
    uint16_t *link = &samples->slots[hash & (HC_MRC_SLOTS - 1)];
    while (*link && samples->watches[*link - 1].hash != hash)
        link = &samples->watches[*link - 1].chain;
    return link;
}

static void drop(HcMrcSamples *samples, uint16_t *link) {
    int number = *link - 1;
    *link = samples->watches[number].chain;
    make_free(samples, number);
}

/* The time that an entry stays in an LRU cache of that size, in reads; that much of the curve's reads hit. */
static double stay(const HcMrc *mrc, double entries, double *ratio) {
    const HcMrcSamples *samples = mrc->samples;
    double gone[BINS], all = 0, survivors = 1, others = 0, hits = 0;
    int bin;
    memcpy(gone, samples->lost, sizeof gone);
    for (int i = 0; i < WATCHES; i++) {
        if (is_used(&samples->watches[i]))
            gone[bin_of(mrc->reads - samples->watches[i].start)] += weight_of(&samples->watches[i]);
    }
    for (bin = 0; bin < BINS; bin++)
        all += samples->again[bin] + gone[bin];
    double watched = all; /* for that long at least */
    for (bin = 1; bin < BINS - 1 && others < entries; bin++) {
        double again = samples->again[bin];
        /* Those that were lost in this bin were there for half of it. */
        double there = watched - gone[bin] / 2;
        double left = again < there ? survivors * (1 - again / there) : 0;
        double more = (bin_begin(bin + 1) - bin_begin(bin)) * (survivors + left) / 2;
        hits += others + more <= entries ? again : again * (entries - others) / more;
        others += more;
        survivors = left;
        watched -= again + gone[bin];
    }
    *ratio = all > 0 ? hits / all : -1;
    return others < entries ? bin_begin(BINS - 1) : bin_begin(bin);
}

/* Those that have waited longer than any size asked for keeps an entry, then every second one. */
static void make_room(HcMrc *mrc, sqlite3_int64 entries) {
    HcMrcSamples *samples = mrc->samples;
    double ratio, longest = stay(mrc, (double)entries * HC_MRC_LARGEST, &ratio);
    int dropped = 0, thin = 0;
    for (; dropped < WATCHES / 8 && thin < 2; thin++) {
        for (int i = 0; i < WATCHES; i++) {
            HcMrcWatch *watch = &samples->watches[i];
            if (!is_used(watch))
                continue;
            uint64_t time = mrc->reads - watch->start;
            if (thin ? draw(samples) >> 23 : (double)time > longest) {
                if (!thin)
                    samples->lost[bin_of(time)] += weight_of(watch);
                drop(samples, link_of(samples, watch->hash));
                dropped++;
            } else if (thin && watch->level < LEVEL_MOST) {
                watch->level++;
            }
        }
        if (thin && samples->level < LEVEL_MOST)
            samples->level++;
    }
}

/* ------------------------------------------------------------------ reads */

/* All curves of a connection together may take that part of its budget. */
static int has_room(const HcBudget *budget) {
    return !budget || budget->curves + (sqlite3_int64)sizeof(HcMrcSamples) <= budget->limit / HC_BUDGET_CURVES;
}

static int begin(HcMrc *mrc) {
    HcMrcSamples *samples = has_room(mrc->budget) ? sqlite3_malloc64(sizeof *samples) : NULL;
    if (!samples) {
        mrc->next = mrc->reads + 65536; /* then it is tried again */
        return 0;
    }
    memset(samples, 0, sizeof *samples);
    for (int i = 0; i < WATCHES; i++)
        make_free(samples, i);
    mrc->samples = samples;
    mrc->slots = samples->slots;
    account(mrc, (sqlite3_int64)sizeof *samples);
    mrc->reads = 1; /* the present one */
    mrc->next = 1;
    return 1;
}

void hc_mrc_sample(HcMrc *mrc, uint32_t hash, sqlite3_int64 entries) {
    if (entries <= 0 || (!mrc->samples && !begin(mrc)))
        return;
    HcMrcSamples *samples = mrc->samples;
    uint16_t *link = link_of(samples, hash);
    if (*link) {
        HcMrcWatch *watch = &samples->watches[*link - 1];
        samples->again[bin_of(mrc->reads - watch->start)] += weight_of(watch);
        drop(samples, link);
    }
    if (mrc->reads < mrc->next)
        return;
    if (!samples->free)
        make_room(mrc, entries);
    if (samples->free) {
        uint16_t number = (uint16_t)(samples->free - 1);
        uint16_t *slot = &samples->slots[hash & (HC_MRC_SLOTS - 1)];
        HcMrcWatch *watch = &samples->watches[number];
        samples->free = watch->chain;
        watch->start = mrc->reads;
        watch->hash = hash;
        watch->chain = *slot;
        watch->level = samples->level;
        *slot = (uint16_t)(number + 1);
    }
    if (mrc->reads == ALL_READS)
        samples->level = LEVEL;
    /* 1 << level on average, from 1 to twice that less 1. */
    uint64_t range = ((uint64_t)2 << samples->level) - 1;
    mrc->next = mrc->reads + 1 + ((uint64_t)draw(samples) * range >> 24);
}

double hc_mrc_ratio(const HcMrc *mrc, sqlite3_int64 entries) {
    double ratio = -1;
    if (mrc->samples)
        stay(mrc, (double)entries, &ratio);
    return ratio;
}
