/*
** The policy lru: sequences worked out by hand, and random traces against a simulator of exact LRU that knows nothing of
** queues: it keeps a time for every key.
*/
#include "value.c"
#include "l1.c"
#include "eviction_lru.c"

#include "l1_tools.h"

static HcL1 new_lru(sqlite3_int64 entries) {
    HcL1 l1;
    hc_l1_init(&l1, &hc_eviction_lru, 99);
    hc_l1_limit(&l1, entries, (sqlite3_int64)1 << 40);
    return l1;
}

/* The keys from the one used longest ago to the one used last, as letters. */
static const char *order(const HcL1 *l1) {
    static char letters[64];
    int n = 0;
    for (const HcEntry *entry = l1->queue.oldest; entry && n < 63; entry = entry->newer) {
        HcValue key;
        hc_entry_key(entry, &key);
        letters[n++] = (char)('A' + key.i);
    }
    letters[n] = 0;
    return letters;
}

/*
** A script: an upper-case letter puts it, a lower-case letter reads it, "-X" removes it, "?X" looks without a use, a
** digit is a new limit. After each step the order is checked against the next word of `orders`.
*/
static void play(int limit, const char *script, const char *orders) {
    HcL1 l1 = new_lru(limit);
    for (const char *at = script; *at; at++) {
        if (*at >= 'A' && *at <= 'Z')
            put_number(&l1, *at - 'A', 0, 4);
        else if (*at >= 'a' && *at <= 'z')
            get_number(&l1, *at - 'a');
        else if (*at >= '0' && *at <= '9')
            hc_l1_limit(&l1, *at - '0', (sqlite3_int64)1 << 40);
        else if (*at == '?')
            find_number(&l1, *++at - 'A');
        else if (*at == '-') {
            HcEntry *entry = find_number(&l1, *++at - 'A');
            if (entry)
                hc_l1_remove(&l1, entry);
        }
        sound(&l1);
        size_t n = strcspn(orders, " ");
        const char *got = order(&l1);
        if (!CHECK(strlen(got) == n && strncmp(got, orders, n) == 0)) {
            printf("  %s after \"%.*s\" with room for %d, expected %.*s\n", got, (int)(at - script + 1), script, limit,
                   (int)n, orders);
            break;
        }
        orders += n;
        orders += *orders == ' ';
    }
    hc_l1_clear(&l1);
}

static void test_by_hand(void) {
    play(3, "ABCD", "A AB ABC BCD");
    play(3, "ABCaD", "A AB ABC BCA CAD");                 /* a read saves A, B goes */
    play(3, "ABCbDcE", "A AB ABC ACB CBD BDC DCE");       /* from the middle, then from the old end */
    play(3, "ABCcD", "A AB ABC ABC BCD");                 /* reading the newest changes nothing */
    play(3, "ABCA", "A AB ABC BCA");                      /* a put is a use */
    play(3, "ABC?AD", "A AB ABC ABC BCD");                /* a look is none */
    play(3, "ABCzD", "A AB ABC ABC BCD");                 /* neither is a miss */
    play(3, "ABC-BDE", "A AB ABC AC ACD CDE");            /* a gap is filled before anyone goes */
    play(3, "ABC-ADE", "A AB ABC BC BCD CDE");            /* removed at the old end */
    play(3, "ABC-CDE", "A AB ABC AB ABD BDE");            /* and at the new one */
    play(1, "ABbaA", "A B B B A");                        /* room for one */
    play(2, "ABaCbAcB", "A AB BA AC AC CA AC CB");        /* two that take turns */
    play(4, "ABCDaa2E", "A AB ABC ABCD BCDA BCDA DA AE"); /* less room takes the oldest */
    play(2, "AB4CDE", "A AB AB ABC ABCD BCDE");           /* more room */
    play(3, "ABC0D3E", "A AB ABC    E");                  /* off and on again */
    play(3, "A-A-AB", "A   B");
}

/* 1000 entries; the 1001st pushes out the one that was used longest ago, and no other. */
static void test_the_1001st(void) {
    HcL1 l1 = new_lru(1000);
    for (int i = 0; i < 1000; i++)
        put_number(&l1, i, 0, 4);
    CHECK_EQ(l1.evicted, 0);
    get_number(&l1, 0);
    put_number(&l1, 1000, 0, 4);
    CHECK_EQ(l1.evicted, 1);
    CHECK(find_number(&l1, 1) == NULL);
    for (int i = 0; i <= 1000; i++)
        CHECK_EQ(find_number(&l1, i) != NULL, i != 1);
    hc_l1_clear(&l1);
}

/* ---- the simulator */

enum { KEYS = 5000 };

typedef struct Simulator {
    int capacity, count;
    int used[KEYS]; /* when last, from 1 on; 0 = not cached */
    int now;
} Simulator;

/* A look-up that stores what it misses; 1 = hit. */
static int simulate(Simulator *simulator, int number) {
    int hit = simulator->used[number] != 0;
    simulator->now++;
    if (!hit) {
        if (simulator->count == simulator->capacity) {
            int oldest = -1;
            for (int i = 0; i < KEYS; i++) {
                if (simulator->used[i] && (oldest < 0 || simulator->used[i] < simulator->used[oldest]))
                    oldest = i;
            }
            simulator->used[oldest] = 0;
            simulator->count--;
        }
        simulator->count++;
    }
    simulator->used[number] = simulator->now;
    return hit;
}

/* Traces of different kinds: a few hot keys, scans through them, loops that just do not fit. */
static int next_number(int kind, int step, int capacity) {
    switch (kind) {
    case 0: /* about Zipf: each octave of keys is as likely as the one before */
        return unit_below(KEYS >> unit_below(12)) % KEYS;
    case 1: /* hot keys, and every now and then a scan */
        return step % 1000 < 300 ? (step * 7) % KEYS : unit_below(capacity + capacity / 4 + 1) % KEYS;
    case 2: /* a loop one larger than the cache: LRU never hits */
        return step % (capacity + 1);
    default:
        return unit_below(KEYS);
    }
}

static void test_traces(void) {
    static const int capacities[] = {1, 2, 3, 7, 64, 65, 200, 1000};
    static Simulator simulator;
    for (int kind = 0; kind < 4; kind++) {
        for (size_t c = 0; c < sizeof capacities / sizeof capacities[0]; c++) {
            HcL1 l1 = new_lru(capacities[c]);
            int steps = unit_rounds(6000), hits = 0, wrong = unit.wrong;
            memset(&simulator, 0, sizeof simulator);
            simulator.capacity = capacities[c];
            for (int step = 0; step < steps && unit.wrong == wrong; step++) {
                int number = next_number(kind, step, capacities[c]);
                int hit = simulate(&simulator, number);
                HcEntry *entry = find_number(&l1, number);
                CHECK_EQ(entry != NULL, hit);
                hits += hit;
                if (entry) {
                    hc_l1_touch(&l1, entry);
                } else {
                    entry = new_entry(&l1, number, 0, 1);
                    CHECK_EQ(hc_l1_insert(&l1, entry), 1);
                    hc_entry_release(entry);
                }
                if (step % 97 == 0)
                    sound(&l1);
            }
            sound(&l1);
            /* To the entry, and in its order. */
            int last = 0, count = 0;
            for (const HcEntry *entry = l1.queue.oldest; entry && count <= simulator.count;
                 entry = entry->newer, count++) {
                HcValue key;
                hc_entry_key(entry, &key);
                CHECK(simulator.used[key.i] > last);
                last = simulator.used[key.i];
            }
            CHECK_EQ(count, simulator.count);
            CHECK(kind != 2 || hits == 0);
            if (unit.wrong != wrong)
                printf("  trace of kind %d, room for %d\n", kind, capacities[c]);
            hc_l1_clear(&l1);
        }
    }
}

int main(void) {
    unit_begin();
    RUN(test_by_hand);
    RUN(test_the_1001st);
    RUN(test_traces);
    return unit_end();
}
