/*
** The estimator of mrc.c: by hand, exact as long as it follows every key, near enough afterwards, and within its bounds.
*/
#include "mrc.c"

#include "unit.h"

static uint32_t hash_of(int key) {
    uint64_t x = ((uint64_t)key + 1) * 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return (uint32_t)(x ^ x >> 31);
}

/* Counts, links, bits and sums against each other. */
static int sound(const HcMrc *mrc) {
    const HcMrcSamples *samples = mrc->samples;
    uint32_t taken = 0, words = 0, groups = 0, chained = 0, free = 0;
    if (!samples)
        return 1;
    for (uint32_t position = 0; position < POSITIONS; position++) {
        if (!is_taken(samples, position))
            continue;
        taken++;
        if (position < samples->oldest || position >= samples->next ||
            samples->keys[samples->owner[position]].position != position)
            return 0;
    }
    for (int i = 0; i < WORDS; i++)
        words += samples->in_word[i];
    for (int i = 0; i < GROUPS; i++)
        groups += samples->in_group[i];
    for (uint32_t i = 0; i < SLOTS; i++) {
        for (uint16_t sample = samples->slots[i]; sample != NONE; sample = samples->keys[sample].chain) {
            if (++chained > SAMPLES || (samples->keys[sample].hash & (SLOTS - 1)) != i ||
                samples->keys[sample].hash < mrc->skipped)
                return 0;
        }
    }
    for (uint16_t sample = samples->free; sample != SAMPLES; sample = samples->keys[sample].chain) {
        if (++free > SAMPLES)
            return 0;
    }
    return taken == samples->count && words == taken && groups == taken && chained == taken &&
           free == SAMPLES - taken && samples->count <= samples->horizon;
}

/* ---- exact LRU, the slow way: a list of keys, the last read first */

enum { KEYS = 4000 };
typedef struct Stack {
    int keys[KEYS], count;
    int hits[KEYS + 1]; /* by distance */
    int reads;
} Stack;

static void stack_read(Stack *stack, int key) {
    int at = 0;
    while (at < stack->count && stack->keys[at] != key)
        at++;
    if (at < stack->count)
        stack->hits[at]++;
    else
        stack->count++;
    memmove(stack->keys + 1, stack->keys, (size_t)at * sizeof *stack->keys);
    stack->keys[0] = key;
    stack->reads++;
}

static double stack_ratio(const Stack *stack, sqlite3_int64 entries) {
    int hits = 0;
    for (int i = 0; i < entries && i < KEYS; i++)
        hits += stack->hits[i];
    return (double)hits / stack->reads;
}

static double difference(double a, double b) {
    return a < b ? b - a : a - b;
}

/* ---- the tests */

static void test_by_hand(void) {
    HcMrc mrc = {0};
    CHECK(hc_mrc_ratio(&mrc, 1) < 0);
    /* A B C A B C: each comes back after two others. A A: after none. */
    for (const char *at = "ABCABCCA"; *at; at++)
        hc_mrc_read(&mrc, hash_of(*at), 4);
    CHECK(hc_mrc_ratio(&mrc, 0) == 0);
    CHECK(hc_mrc_ratio(&mrc, 1) == 1 / 8.0); /* C C */
    CHECK(hc_mrc_ratio(&mrc, 2) == 1 / 8.0);
    CHECK(hc_mrc_ratio(&mrc, 3) == 5 / 8.0);
    CHECK(hc_mrc_ratio(&mrc, 1000000) == 5 / 8.0);
    CHECK(sound(&mrc));
    hc_mrc_clear(&mrc);
    CHECK(hc_mrc_ratio(&mrc, 1) < 0);
}

static void test_bins(void) {
    int last = -1;
    for (uint64_t distance = 0; distance < 100000; distance++) {
        int bin = bin_of(distance);
        CHECK(bin == last || bin == last + 1);
        CHECK(bin_begin(bin) <= (double)distance && (double)distance < bin_begin(bin + 1));
        last = bin;
    }
    CHECK(bin_of(UINT64_MAX) > BINS * OCTAVES); /* count_distance() knows that */
    for (uint64_t word = 1, i = 0; i < 64; i++, word = word << 1 | 1)
        CHECK_EQ(bits(word), i + 1);
    CHECK_EQ(bits(0), 0);
}

/* While all keys are followed the curve is exact where the histogram is: at powers of two, and below 32. */
static void test_exact(void) {
    static Stack stack;
    HcMrc mrc = {0};
    memset(&stack, 0, sizeof stack);
    for (int i = 0; i < 30000; i++) {
        int key = unit_below(KEYS >> unit_below(11)) % KEYS;
        stack_read(&stack, key);
        hc_mrc_read(&mrc, hash_of(key), 200);
        if (i % 1000 == 0)
            CHECK(sound(&mrc));
    }
    for (int entries = 1; entries <= 2048; entries *= 2)
        CHECK(difference(hc_mrc_ratio(&mrc, entries), stack_ratio(&stack, entries)) < 1e-9);
    for (int entries = 1; entries < 32; entries++)
        CHECK(difference(hc_mrc_ratio(&mrc, entries), stack_ratio(&stack, entries)) < 1e-9);
    hc_mrc_clear(&mrc);
}

/* Three keys have a fifth of the reads: as hard as it gets for a sample of keys. Traces are tests/trace. */
static void test_near(void) {
    static const int sizes[] = {20, 100, 1000, 3000};
    static Stack stack;
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        HcMrc mrc = {0};
        double error = 0;
        int points = 0;
        memset(&stack, 0, sizeof stack);
        for (int i = 0; i < 200000; i++) {
            int key = unit_below(KEYS >> unit_below(11)) % KEYS;
            stack_read(&stack, key);
            hc_mrc_read(&mrc, hash_of(key), sizes[s]);
        }
        CHECK(sound(&mrc));
        CHECK(mrc.samples->rate <= PART);
        for (double entries = sizes[s] / 8.0; entries <= sizes[s] * 16.0; entries *= 1.26, points++)
            error +=
                difference(hc_mrc_ratio(&mrc, (sqlite3_int64)entries), stack_ratio(&stack, (sqlite3_int64)entries));
        if (!CHECK(error / points <= (sizes[s] < 1000 ? 0.09 : 0.03)))
            printf("  error %.4f at size %d\n", error / points, sizes[s]);
        hc_mrc_clear(&mrc);
    }
}

/* A key that is read all the time, in the sample or not, and keys that never come again. */
static void test_extremes(void) {
    for (int hot = 0; hot < 8; hot++) {
        HcMrc mrc = {0};
        for (int i = 0; i < 300000; i++)
            hc_mrc_read(&mrc, hash_of(i % 2 ? hot : 1000 + i), 100);
        CHECK(sound(&mrc));
        CHECK(difference(hc_mrc_ratio(&mrc, 100), 0.5) < 0.02);
        CHECK(difference(hc_mrc_ratio(&mrc, 1600), 0.5) < 0.02);
        hc_mrc_clear(&mrc);
    }
    HcMrc mrc = {0};
    for (int i = 0; i < 300000; i++)
        hc_mrc_read(&mrc, 0xffffffffu, 100); /* one key */
    CHECK(sound(&mrc));
    CHECK(hc_mrc_ratio(&mrc, 16) > 0.95);
    hc_mrc_clear(&mrc);
    for (int i = 0; i < 300000; i++)
        hc_mrc_read(&mrc, 0, 100); /* one that is not followed later */
    CHECK(sound(&mrc));
    CHECK(hc_mrc_ratio(&mrc, 100) > 0.97);
    hc_mrc_clear(&mrc);
}

/* Sizes that change on the way; size 0; sizes beyond all bounds. */
static void test_sizes(void) {
    static const sqlite3_int64 sizes[] = {0, 1, 3, 10, 255, 256, 257, 1000, 100000, (sqlite3_int64)1 << 40};
    HcMrc mrc = {0};
    sqlite3_int64 size = 0;
    int rounds = unit_rounds(400000);
    for (int i = 0; i < rounds; i++) {
        if (unit_below(5000) == 0) {
            size = sizes[unit_below((int)(sizeof sizes / sizeof sizes[0]))];
            CHECK(sound(&mrc));
        }
        hc_mrc_read(&mrc, hash_of(unit_below(1 << unit_below(20))), size);
    }
    double last = 0;
    for (sqlite3_int64 entries = 0; entries < (sqlite3_int64)1 << 50; entries = entries * 2 + 1) {
        double ratio = hc_mrc_ratio(&mrc, entries);
        CHECK(ratio >= 0 && ratio <= 1);
        CHECK(ratio >= last - 1e-9 || mrc.samples->counted > (double)mrc.reads);
        last = ratio;
    }
    hc_mrc_clear(&mrc);
    hc_mrc_read(&mrc, 77, 0);
    CHECK(mrc.samples == NULL);
    hc_mrc_clear(&mrc);
}

static void test_no_memory(void) {
    HcMrc mrc = {0};
    unit_memory_fail(0, 0);
    for (int i = 0; i < 1000; i++)
        hc_mrc_read(&mrc, hash_of(i), 100);
    CHECK(unit_memory_restore() == 1);
    CHECK(hc_mrc_ratio(&mrc, 100) < 0);
    hc_mrc_read(&mrc, UINT32_MAX, 100);
    CHECK(hc_mrc_ratio(&mrc, 100) == 0);
    hc_mrc_clear(&mrc);
}

static void test_memory(void) {
    HcMrc mrc = {0};
    sqlite3_int64 before = sqlite3_memory_used();
    for (int i = 0; i < 100000; i++)
        hc_mrc_read(&mrc, hash_of(i), 1000000);
    CHECK(sqlite3_memory_used() - before <= 65536);
    CHECK(sound(&mrc));
    hc_mrc_clear(&mrc);
}

int main(void) {
    unit_begin();
    RUN(test_by_hand);
    RUN(test_bins);
    RUN(test_exact);
    RUN(test_near);
    RUN(test_extremes);
    RUN(test_sizes);
    RUN(test_no_memory);
    RUN(test_memory);
    return unit_end();
}
