/*
** The estimator of mrc.c: by hand, exact for a loop while every read is sampled, near enough otherwise, and within its
** bounds.
*/
#include "mrc.c"

#include "unit.h"

static uint32_t hash_of(int key) {
    uint64_t x = ((uint64_t)key + 1) * 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return (uint32_t)(x ^ x >> 31);
}

/* Chains, free watches and the sum of what the samples stand for. */
static int sound(const HcMrc *mrc) {
    const HcMrcSamples *samples = mrc->samples;
    int used = 0, chained = 0, free = 0;
    double all = 0;
    if (!samples)
        return mrc->slots == NULL;
    for (int i = 0; i < WATCHES; i++) {
        const HcMrcWatch *watch = &samples->watches[i];
        if (!is_used(watch))
            continue;
        used++;
        all += weight_of(watch);
        if (watch->level > samples->level || watch->start > mrc->reads)
            return 0;
    }
    for (uint32_t i = 0; i < HC_MRC_SLOTS; i++) {
        for (uint16_t link = samples->slots[i]; link; link = samples->watches[link - 1].chain) {
            if (++chained > WATCHES || (samples->watches[link - 1].hash & (HC_MRC_SLOTS - 1)) != i)
                return 0;
        }
    }
    for (uint16_t link = samples->free; link; link = samples->watches[link - 1].chain) {
        if (++free > WATCHES || is_used(&samples->watches[link - 1]))
            return 0;
    }
    for (int i = 0; i < BINS; i++)
        all += samples->again[i] + samples->lost[i];
    double reads = (double)mrc->reads;
    return chained == used && free == WATCHES - used && mrc->slots == samples->slots &&
           (mrc->reads < 10000 || (all > reads * 0.9 && all < reads * 1.1));
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
    /* A loop of 5, 8 times: with room for 5 all but the first round are hits, with less none. */
    for (int i = 0; i < 40; i++)
        hc_mrc_read(&mrc, hash_of(i % 5), 4);
    CHECK(hc_mrc_ratio(&mrc, 0) == 0);
    CHECK(hc_mrc_ratio(&mrc, 4) == 0);
    CHECK(hc_mrc_ratio(&mrc, 5) == 35 / 40.0);
    CHECK(hc_mrc_ratio(&mrc, 1000000) == 35 / 40.0);
    CHECK(sound(&mrc));
    hc_mrc_clear(&mrc);
    CHECK(hc_mrc_ratio(&mrc, 1) < 0);
    /* The same key again and again: one entry is enough. */
    for (int i = 0; i < 100; i++)
        hc_mrc_read(&mrc, hash_of(7), 4);
    CHECK(hc_mrc_ratio(&mrc, 1) == 99 / 100.0);
    hc_mrc_clear(&mrc);
}

static void test_bins(void) {
    int last = -1;
    for (uint64_t time = 0; time < 100000; time++) {
        int bin = bin_of(time);
        CHECK(bin == last || bin == last + 1);
        CHECK(bin_begin(bin) <= (double)time && (double)time < bin_begin(bin + 1));
        last = bin;
    }
    CHECK_EQ(bin_of(UINT64_MAX), BINS - 1);
}

/* Three keys have a fifth of the reads. Traces are tests/trace. */
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
        CHECK(mrc.samples->level >= LEVEL);
        for (double entries = sizes[s] / 8.0; entries <= sizes[s] * 16.0; entries *= 1.26, points++)
            error +=
                difference(hc_mrc_ratio(&mrc, (sqlite3_int64)entries), stack_ratio(&stack, (sqlite3_int64)entries));
        if (!CHECK(error / points <= 0.01))
            printf("  error %.4f at size %d\n", error / points, sizes[s]);
        hc_mrc_clear(&mrc);
    }
}

/* What a hit pays: few reads go beyond the line in the header. */
static void test_cost(void) {
    HcMrc mrc = {0};
    int slow = 0;
    for (int i = 0; i < 100000; i++) {
        uint32_t hash = hash_of(unit_below(1000));
        slow += mrc.reads + 1 >= mrc.next || mrc.slots[hash & (HC_MRC_SLOTS - 1)];
        hc_mrc_read(&mrc, hash, 1000);
    }
    CHECK(slow < 50000);
    hc_mrc_clear(&mrc);
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
        hc_mrc_read(&mrc, 0, 100);
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
        CHECK(ratio >= last - 1e-9);
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
    mrc.next = 0;
    hc_mrc_read(&mrc, 5, 100);
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
    CHECK(hc_mrc_ratio(&mrc, 1000000) < 0.01);
    hc_mrc_clear(&mrc);
}

/* No key comes again, and the largest size asked for keeps an entry about as long as the first watches have waited: few of
   them go because of that, and then every second one of those that are left. */
static void test_few_too_old(void) {
    for (sqlite3_int64 entries = 300; entries < 500; entries += 4) {
        HcMrc mrc = {0};
        int reads = 0;
        for (; reads < 20000 && (!mrc.samples || mrc.samples->level <= LEVEL); reads++)
            hc_mrc_read(&mrc, hash_of(reads), entries);
        CHECK(sound(&mrc));
        /* Half are left, and this one. */
        int used = 0;
        for (int i = 0; i < WATCHES; i++)
            used += is_used(&mrc.samples->watches[i]);
        if (reads < 20000)
            CHECK(used > WATCHES / 3 && used < WATCHES * 2 / 3);
        for (int i = 0; i < 1000; i++)
            hc_mrc_read(&mrc, hash_of(reads + i), entries);
        CHECK(sound(&mrc));
        CHECK(hc_mrc_ratio(&mrc, entries) == 0);
        hc_mrc_clear(&mrc);
    }
}

/* After 2^40 reads or so no fewer are sampled any more: what a watch stands for has its bounds. */
static void test_last_level(void) {
    HcMrc mrc = {0};
    for (int i = 0; i < 1000; i++)
        hc_mrc_read(&mrc, hash_of(i), 1000000);
    mrc.samples->level = LEVEL_MOST;
    for (int i = 0; i < WATCHES; i++) {
        if (is_used(&mrc.samples->watches[i]))
            mrc.samples->watches[i].level = LEVEL_MOST;
    }
    for (int i = 0; i < 5000; i++) {
        mrc.next = 0; /* not that long */
        hc_mrc_read(&mrc, hash_of(1000 + i), 1000000);
    }
    CHECK_EQ(mrc.samples->level, LEVEL_MOST);
    CHECK(mrc.samples->free || is_used(&mrc.samples->watches[WATCHES - 1]));
    for (int i = 0; i < WATCHES; i++)
        CHECK(mrc.samples->watches[i].level <= LEVEL_MOST + 1);
    CHECK(hc_mrc_ratio(&mrc, 1000000) == 0);
    hc_mrc_read(&mrc, hash_of(5999), 1000000); /* read a moment ago */
    CHECK(hc_mrc_ratio(&mrc, 1000000) > 0);
    hc_mrc_clear(&mrc);
}

int main(void) {
    unit_begin();
    RUN(test_few_too_old);
    RUN(test_last_level);
    RUN(test_by_hand);
    RUN(test_bins);
    RUN(test_near);
    RUN(test_cost);
    RUN(test_extremes);
    RUN(test_sizes);
    RUN(test_no_memory);
    RUN(test_memory);
    return unit_end();
}
