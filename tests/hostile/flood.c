/*
** flood.c: keys that were chosen to collide do not make the L1 slow.
**
** What counts is how many entries a look-up compares with, and not time: the sum over all chains of the hash table.
** Two attackers: one who knows that the hash is XXH3 and takes it to be without a seed, and one who can read the seed
** of the buckets in the file. Against the seed of the connection, which nobody but the process has, both fail. To see
** that the measure measures: an attacker who had that seed, too.
**
** Keys of text are searched for, 8 bits at a time. Of eight bytes XXH3 makes eight bytes, and all of its steps can be
** undone: so whole numbers are made to order, 10^5 of them with one and the same hash under the attacker's seed.
*/
#include "value.c"

#include "l1.c"

#include "eviction_lru.c"

#include "../unit/unit.h"

#define FLOOD 100000

/* Keys of text whose hashes under `seed` agree in the lowest bits, which choose the slot. */
static void make_key(uint64_t *next, uint64_t seed, unsigned bits, char *text, HcKey *key) {
    HcValue value = {.type = SQLITE_TEXT, .data = text};
    do {
        value.n = (uint32_t)snprintf(text, 24, "%llx", (unsigned long long)(*next)++);
        hc_key_make(&value, key);
    } while (hc_key_hash(key, seed) & ((1u << bits) - 1));
}

/* The longest chain and the average number of entries that a hit compares with, in hundredths. */
static void chains(const HcL1 *l1, long *longest, long *average) {
    double sum = 0;
    *longest = 0;
    for (uint32_t i = 0; i < l1->slot_count; i++) {
        long n = 0;
        for (const HcEntry *entry = l1->slots[i]; entry; entry = entry->chain)
            sum += (double)++n;
        if (n > *longest)
            *longest = n;
    }
    *average = (long)(sum / (double)l1->count * 100);
}

static uint64_t rotate(uint64_t word, int bits) {
    return bits ? word << bits | word >> (64 - bits) : word;
}

/* The number whose hash under `seed` is `hash`: XXH3 of eight bytes, backwards. */
static sqlite3_int64 number_of_hash(uint64_t hash, uint64_t seed) {
    const uint64_t prime = 0x9fb21c651e98df25u;
    uint64_t inverse = prime;
    for (int i = 0; i < 6; i++) /* Newton: each step doubles the bits that are right */
        inverse *= 2 - prime * inverse;
    seed += SQLITE_INTEGER; /* see hc_key_hash() */
    seed ^= (uint64_t)__builtin_bswap32((uint32_t)seed) << 32;
    hash ^= hash >> 28 ^ hash >> 56;
    hash *= inverse;
    hash ^= (hash >> 35) + 8;
    hash *= inverse;
    /* x ^ rotate(x, 49) ^ rotate(x, 24) applied 64 times is x again: so 63 times is backwards. */
    for (int i = 0; i < 63; i++)
        hash ^= rotate(hash, 49) ^ rotate(hash, 24);
    uint64_t secret[2];
    memcpy(secret, XXH3_kSecret + 8, sizeof secret);
    return (sqlite3_int64)rotate(hash ^ ((secret[0] ^ secret[1]) - seed), 32);
}

/* An L1 of 100,000 entries; keys that collide in `bits` bits under `seed` of the attacker. */
static void flood(uint64_t l1_seed, uint64_t seed, unsigned bits, int count, long *longest, long *average) {
    HcL1 l1;
    uint64_t next = 0;
    hc_l1_init(&l1, &hc_eviction_lru, l1_seed);
    hc_l1_limit(&l1, count, 1 << 30);
    for (int i = 0; i < count; i++) {
        char text[24];
        HcKey key;
        HcValue value = {.type = SQLITE_INTEGER, .n = 8, .i = i};
        make_key(&next, seed, bits, text, &key);
        HcEntry *entry = hc_entry_new(&key, &value, NULL, hc_l1_hash(&l1, &key));
        hc_l1_insert(&l1, entry);
        hc_entry_release(entry);
    }
    CHECK_EQ(l1.count, count);
    chains(&l1, longest, average);
    hc_l1_clear(&l1);
}

/* The same with whole numbers that have one hash under the attacker's seed, as the L1 keeps it (32 bits). */
static void flood_numbers(uint64_t l1_seed, uint64_t seed, int count, long *longest, long *average) {
    HcL1 l1;
    hc_l1_init(&l1, &hc_eviction_lru, l1_seed);
    hc_l1_limit(&l1, count, 1 << 30);
    for (int i = 0; i < count; i++) {
        HcKey key;
        HcValue value = {.type = SQLITE_INTEGER, .n = 8, .i = number_of_hash((uint64_t)i << 32, seed)};
        hc_key_make(&value, &key);
        CHECK((uint32_t)hc_key_hash(&key, seed) == 0);
        HcEntry *entry = hc_entry_new(&key, &value, NULL, hc_l1_hash(&l1, &key));
        hc_l1_insert(&l1, entry);
        hc_entry_release(entry);
    }
    CHECK_EQ(l1.count, count);
    chains(&l1, longest, average);
    hc_l1_clear(&l1);
}

static const uint64_t own_seed = 0x5eed0fc0de000001u, file_seed = 0xf11e5eed00000002u;
static long usual_longest, usual_average;

static void test_usual_keys(void) {
    flood(own_seed, 0, 0, FLOOD, &usual_longest, &usual_average);
    printf("usual keys:                  longest chain %ld, %ld.%02ld compared on average\n", usual_longest,
           usual_average / 100, usual_average % 100);
    CHECK(usual_longest < 12 && usual_average < 160);
}

static void expect_usual(const char *who, uint64_t seed) {
    long longest, average;
    /* 8 bits: each key of the flood is one of 256 tried. If the seed were that one, 256 times as many would share a slot. */
    flood(own_seed, seed, 8, FLOOD, &longest, &average);
    printf("%s longest chain %ld, %ld.%02ld compared on average\n", who, longest, average / 100, average % 100);
    CHECK(longest < 12 && average < 160);
}

static void test_unseeded(void) {
    expect_usual("chosen for XXH3 unseeded:   ", 0);
}

static void test_seed_of_the_file(void) {
    expect_usual("chosen for the file's seed: ", file_seed);
}

static void test_numbers(void) {
    long longest, average;
    static const uint64_t seeds[] = {0, 0xf11e5eed00000002u};
    for (int i = 0; i < 2; i++) {
        flood_numbers(own_seed, seeds[i], FLOOD, &longest, &average);
        printf("numbers of one hash, seed %d: longest chain %ld, %ld.%02ld compared on average\n", i, longest,
               average / 100, average % 100);
        CHECK(longest < 12 && average < 160);
    }
}

static void test_the_measure_measures(void) {
    long longest, average;
    flood_numbers(own_seed, own_seed, 5000, &longest, &average);
    printf("the same with the L1's seed: longest chain %ld, %ld.%02ld compared on average (5,000 keys)\n", longest,
           average / 100, average % 100);
    CHECK_EQ(longest, 5000);
    flood(own_seed, own_seed, 12, 2000, &longest, &average);
    printf("who had the L1's own seed:   longest chain %ld, %ld.%02ld compared on average (2,000 keys)\n", longest,
           average / 100, average % 100);
    CHECK(longest >= 2000);
}

int main(void) {
    unit_begin();
    RUN(test_usual_keys);
    RUN(test_unseeded);
    RUN(test_seed_of_the_file);
    RUN(test_numbers);
    RUN(test_the_measure_measures);
    return unit_end();
}
