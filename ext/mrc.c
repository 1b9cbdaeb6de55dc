/*
** mrc.c: what the hit ratio of an LRU cache of another size would have been.
**
** A read hits in an LRU cache of C entries if fewer than C other keys were read
** since the key was read last: its reuse distance is less than C. Of all keys
** only a part is followed, those whose hash is in the upper part R of its range;
** the distance among these, divided by R, is the distance among all.
**
** The followed keys lie on a time line in the order of their last reads:
**
**     position   0 ..............................................  POSITIONS
**     taken      .1..11.1....1.11..111.1...11.1111.1111111|  next read here
**     in words   (   3   )(   2   )(   6   )( ...             )
**
** The distance is the number of taken positions behind that of the key: whole
** words by their counts, the first by its bits. A read takes a new position and
** frees the old one. At the end of the line everything is moved to its begin.
**
** What keeps memory and time bounded:
**
** - A key that was not read for HC_MRC_LARGEST times the size of the cache is
**   dropped: its next read misses in all sizes that are asked about. So R
**   depends on the size of the cache and not on the number of keys that ever were.
** - Where that is not enough, R goes down by a quarter and keys leave by hash.
** - After FULL_READS sampled reads R is PART at most: a small cache is known well
**   then, and what a hit costs is measured in nanoseconds.
**
** Each sampled read counts 1/R, R as it then was. What all of them miss to the
** number of all reads, or are too many, is put down to one key, read very often,
** that is not in the sample, or is: if it has the part p of the reads, it is read
** again after 1/p others or so; 2/p fits better, as it often is more keys than one.
*/
#include "mrc.h"

#define SAMPLES 4096
#define POSITIONS 8192
#define SLOTS 1024 /* power of two; few, to stay in the processor's cache */
#define WORDS (POSITIONS / 64)
#define GROUP 16 /* words */
#define GROUPS (WORDS / GROUP)
#define NONE UINT16_MAX

#define FULL_READS 65536
#define PART (1 / 6.0)
#define MEASURED 8

/* The histogram is exact up to 16, then has 16 bins for each power of two. */
#define BINS_LOG 4
#define BINS (1 << BINS_LOG)
#define OCTAVES 40

/* A followed key; small, so that a read touches one cache line of it. */
typedef struct HcMrcKey {
    uint32_t hash;
    uint16_t chain; /* next one of the same slot, or free one */
    uint16_t position;
} HcMrcKey;

struct HcMrcSamples {
    sqlite3_int64 entries; /* the size of the cache that `horizon` belongs to */
    sqlite3_int64 reads;   /* sampled */
    double rate;           /* R */
    double weight;         /* 1/R */
    double counted;        /* sum of the histogram and of the reads without a distance */
    double bins[BINS * OCTAVES];
    uint32_t horizon; /* followed keys with more others behind them are dropped */
    uint32_t count;   /* followed keys */
    uint32_t next;    /* position */
    uint32_t oldest;  /* no position before this one is taken */
    uint32_t random;
    uint16_t free;             /* chain of free samples */
    uint16_t in_group[GROUPS]; /* taken positions */
    uint16_t in_word[WORDS];
    uint64_t taken[WORDS];
    uint16_t slots[SLOTS]; /* first sample of the chain */
    HcMrcKey keys[SAMPLES];
    uint16_t owner[POSITIONS]; /* sample, where the position is taken */
};

_Static_assert(sizeof(HcMrcSamples) <= 65536, "the memory promised to be enough");
_Static_assert(SAMPLES < NONE && POSITIONS <= NONE, "numbers of samples and positions have 16 bits");

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

/* ---------------------------------------------------------- the time line */

/* Set bits, counted in pairs, fours, eights; the product adds up the eights. */
static uint32_t bits(uint64_t word) {
    word -= word >> 1 & 0x5555555555555555u;
    word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
    word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (uint32_t)(word * 0x0101010101010101u >> 56);
}

static void take(HcMrcSamples *samples, uint32_t position, uint16_t sample) {
    samples->taken[position / 64] |= (uint64_t)1 << position % 64;
    samples->in_word[position / 64]++;
    samples->in_group[position / 64 / GROUP]++;
    samples->owner[position] = sample;
    samples->keys[sample].position = (uint16_t)position;
}

static void untake(HcMrcSamples *samples, uint32_t position) {
    samples->taken[position / 64] &= ~((uint64_t)1 << position % 64);
    samples->in_word[position / 64]--;
    samples->in_group[position / 64 / GROUP]--;
}

static int is_taken(const HcMrcSamples *samples, uint32_t position) {
    return (int)(samples->taken[position / 64] >> position % 64 & 1);
}

/* Taken positions behind that one. */
static uint32_t behind(const HcMrcSamples *samples, uint32_t position) {
    uint32_t word = position / 64, group = word / GROUP;
    /* Shifted twice: by 64 is undefined. */
    uint32_t count = bits(samples->taken[word] >> position % 64 >> 1);
    while (++word % GROUP)
        count += samples->in_word[word];
    while (++group < GROUPS)
        count += samples->in_group[group];
    return count;
}

static void close_ranks(HcMrcSamples *samples) {
    uint32_t end = samples->next;
    samples->next = 0;
    for (uint32_t position = samples->oldest; position < end; position++) {
        if (is_taken(samples, position)) {
            untake(samples, position);
            take(samples, samples->next++, samples->owner[position]);
        }
    }
    samples->oldest = 0;
}

/* ------------------------------------------------------ the followed keys */

static uint16_t *slot_of(HcMrcSamples *samples, uint32_t hash) {
    return &samples->slots[hash & (SLOTS - 1)];
}

static uint16_t find(HcMrcSamples *samples, uint32_t hash) {
    uint16_t sample = *slot_of(samples, hash);
    while (sample != NONE && samples->keys[sample].hash != hash)
        sample = samples->keys[sample].chain;
    return sample;
}

static void link_in(HcMrcSamples *samples, uint16_t sample) {
    uint16_t *slot = slot_of(samples, samples->keys[sample].hash);
    samples->keys[sample].chain = *slot;
    *slot = sample;
}

static uint16_t add(HcMrcSamples *samples, uint32_t hash) {
    uint16_t sample = samples->free;
    samples->free = samples->keys[sample].chain;
    samples->keys[sample].hash = hash;
    link_in(samples, sample);
    samples->count++;
    return sample;
}

/* All from number `first` on are free. */
static void make_free(HcMrcSamples *samples, uint16_t first) {
    samples->free = first;
    for (uint16_t i = first; i < SAMPLES; i++)
        samples->keys[i].chain = (uint16_t)(i + 1);
}

static void drop(HcMrcSamples *samples, uint16_t sample) {
    uint16_t *link = slot_of(samples, samples->keys[sample].hash);
    while (*link != sample)
        link = &samples->keys[*link].chain;
    *link = samples->keys[sample].chain;
    samples->keys[sample].chain = samples->free;
    samples->free = sample;
    samples->count--;
    untake(samples, samples->keys[sample].position);
}

static void drop_oldest(HcMrcSamples *samples) {
    while (!is_taken(samples, samples->oldest))
        samples->oldest++;
    drop(samples, samples->owner[samples->oldest]);
}

static void set_horizon(HcMrcSamples *samples, sqlite3_int64 entries) {
    double horizon = (double)entries * HC_MRC_LARGEST * samples->rate + 1;
    samples->entries = entries;
    samples->horizon = horizon < SAMPLES ? (uint32_t)horizon : SAMPLES;
    while (samples->count > samples->horizon)
        drop_oldest(samples);
}

/* Those that stay move together: few cache lines for few keys. */
static void set_rate(HcMrc *mrc, double rate) {
    HcMrcSamples *samples = mrc->samples;
    samples->rate = rate;
    samples->weight = 1 / rate;
    mrc->skipped = (uint32_t)((1 - rate) * 4294967296.0);
    memset(samples->slots, 0xff, sizeof samples->slots);
    uint16_t kept = 0;
    for (uint16_t sample = 0; sample < SAMPLES; sample++) {
        HcMrcKey key = samples->keys[sample];
        if (!is_taken(samples, key.position) || samples->owner[key.position] != sample)
            continue; /* a free one */
        untake(samples, key.position);
        if (key.hash >= mrc->skipped) {
            samples->keys[kept].hash = key.hash;
            take(samples, key.position, kept);
            link_in(samples, kept++);
        }
    }
    samples->count = kept;
    make_free(samples, kept);
    set_horizon(samples, samples->entries);
}

/* ---------------------------------------------------------- the histogram */

static int bin_of(uint64_t distance) {
    int shift = 0;
    while (distance >> shift >= 2 * BINS)
        shift++;
    return shift * BINS + (int)(distance >> shift);
}

/* The least distance in a bin. */
static double bin_begin(int bin) {
    int shift = bin < 2 * BINS ? 0 : bin / BINS - 1;
    return (double)((uint64_t)(bin - shift * BINS) << shift);
}

/*
** A read with so many others behind it, among the followed. It counts as any of
** the distances that are as likely, not always as the least. While not all keys
** are followed only one read of MEASURED is counted, for that many: to look for
** the distance is most of the work.
*/
static void count_distance(HcMrcSamples *samples, uint16_t sample) {
    double weight = samples->weight;
    samples->random = samples->random * 1664525 + 1013904223; /* Knuth and Lewis; the upper bits are random */
    if (samples->reads >= FULL_READS) {
        if (samples->random >> 16 & (MEASURED - 1))
            return;
        weight *= MEASURED;
    }
    double fraction = (double)samples->random / 4294967296.0;
    int bin = bin_of((uint64_t)((behind(samples, samples->keys[sample].position) + fraction) * samples->weight));
    samples->bins[bin < BINS * OCTAVES ? bin : BINS * OCTAVES - 1] += weight;
}

/* ------------------------------------------------------------------ reads */

static int has_room(const HcBudget *budget) {
    return !budget || budget->curves + (sqlite3_int64)sizeof(HcMrcSamples) <= budget->limit / HC_BUDGET_CURVES;
}

static int begin(HcMrc *mrc, sqlite3_int64 entries) {
    HcMrcSamples *samples = mrc->samples;
    if (samples)
        account(mrc, -(sqlite3_int64)sizeof *samples);
    else if (has_room(mrc->budget))
        samples = sqlite3_malloc64(sizeof *samples);
    mrc->samples = NULL;
    hc_mrc_clear(mrc);
    if (!samples) {
        /* Hardly any key is sampled, so hardly ever is it tried again. */
        mrc->skipped = UINT32_MAX;
        return 0;
    }
    memset(samples, 0, sizeof *samples);
    memset(samples->slots, 0xff, sizeof samples->slots);
    make_free(samples, 0);
    mrc->samples = samples;
    account(mrc, (sqlite3_int64)sizeof *samples);
    mrc->reads = 1; /* the present one */
    samples->rate = samples->weight = 1;
    set_horizon(samples, entries);
    return 1;
}

void hc_mrc_sample(HcMrc *mrc, uint32_t hash, sqlite3_int64 entries) {
    if (entries <= 0)
        return;
    /* A larger cache asks about distances of which nothing was kept. */
    if ((!mrc->samples || entries > mrc->samples->entries) && !begin(mrc, entries))
        return;
    HcMrcSamples *samples = mrc->samples;
    if (entries < samples->entries)
        set_horizon(samples, entries);
    if (samples->next == POSITIONS)
        close_ranks(samples);
    uint16_t sample = find(samples, hash);
    samples->counted += samples->weight;
    if (sample != NONE) {
        count_distance(samples, sample);
        untake(samples, samples->keys[sample].position);
    } else {
        if (samples->count == samples->horizon && samples->horizon < SAMPLES)
            drop_oldest(samples);
        while (samples->count == SAMPLES)
            set_rate(mrc, samples->rate * 0.75);
        sample = hash >= mrc->skipped ? add(samples, hash) : NONE;
    }
    if (sample != NONE)
        take(samples, samples->next++, sample);
    if (++samples->reads == FULL_READS && samples->rate > PART)
        set_rate(mrc, PART);
}

double hc_mrc_ratio(const HcMrc *mrc, sqlite3_int64 entries) {
    const HcMrcSamples *samples = mrc->samples;
    if (!samples)
        return -1;
    double room = (double)entries, reads = (double)mrc->reads, missed = reads - samples->counted;
    double expected = (missed < 0 ? -missed : missed) / reads * room / 2;
    double hits = missed * expected / (1 + expected);
    for (int i = 0; i < BINS * OCTAVES && bin_begin(i) < room; i++) {
        double from = bin_begin(i), to = bin_begin(i + 1);
        hits += samples->bins[i] * (room >= to ? 1 : (room - from) / (to - from));
    }
    double ratio = hits / reads;
    return ratio < 0 ? 0 : ratio > 1 ? 1 : ratio;
}
