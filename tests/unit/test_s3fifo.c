/*
** The policy s3fifo: sequences worked out by hand, its ghost, and random operations with verify after each, also while
** policies and limits change.
*/
#include "value.c"
#include "l1.c"
#include "eviction_lru.c"
#include "eviction_s3fifo.c"

#include "l1_tools.h"

#define PLENTY ((sqlite3_int64)1 << 40)

static HcL1 new_s3fifo(sqlite3_int64 entries) {
    HcL1 l1;
    hc_l1_init(&l1, &hc_eviction_s3fifo, 99);
    hc_l1_limit(&l1, entries, PLENTY);
    return l1;
}

static int letters_of(const HcQueue *queue, char *letters) {
    int n = 0;
    for (const HcEntry *entry = queue->oldest; entry && n < 30; entry = entry->newer) {
        HcValue key;
        hc_entry_key(entry, &key);
        letters[n++] = (char)('A' + key.i);
    }
    letters[n] = 0;
    return n;
}

/* small, a bar, main; each with the oldest first. */
static const char *order(const HcL1 *l1) {
    static char letters[64];
    int n = letters_of(&l1->small, letters);
    letters[n++] = '|';
    letters_of(&l1->queue, letters + n);
    return letters;
}

/* An upper-case letter puts it, a lower-case letter reads it, "-X" removes it. */
static void play(int limit, const char *script, const char *orders) {
    HcL1 l1 = new_s3fifo(limit);
    for (const char *at = script; *at; at++) {
        if (*at >= 'A' && *at <= 'Z')
            put_number(&l1, *at - 'A', 0, 4);
        else if (*at >= 'a' && *at <= 'z')
            get_number(&l1, *at - 'a');
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
    CHECK_EQ(l1.bytes, 0);
}

/* Room for 5: to begin with small gives before main does. */
static void test_by_hand(void) {
    play(5, "ABCDEF", "A| AB| ABC| ABCD| ABCDE| BCDEF|");         /* nothing read: first in, first out */
    play(5, "ABCDEaF", "A| AB| ABC| ABCD| ABCDE| ABCDE| CDEF|A"); /* a read goes to main, the next goes */
    play(5, "ABCDEFA", "A| AB| ABC| ABCD| ABCDE| BCDEF| CDEF|A"); /* back from the ghost: main at once */
    play(5, "ABCDEFAG", "A| AB| ABC| ABCD| ABCDE| BCDEF| CDEF|A DEFG|A");
    play(5, "ABCDE-CF", "A| AB| ABC| ABCD| ABCDE| ABDE| ABDEF|"); /* a gap is filled before anyone goes */
    play(5, "ABCDEaF-DG", "A| AB| ABC| ABCD| ABCDE| ABCDE| CDEF|A CEF|A CEFG|A");
    play(5, "ABCDEaFA", "A| AB| ABC| ABCD| ABCDE| ABCDE| CDEF|A CDEF|A"); /* a new value keeps its queue */
    play(5, "ABCDEA", "A| AB| ABC| ABCD| ABCDE| BCDEA|");                 /* unread: it starts anew */
    play(1, "ABbC", "A| B| B| C|");                                       /* room for one: read or not */
    play(5, "ABCDEabF", "A| AB| ABC| ABCD| ABCDE| ABCDE| ABCDE| DEF|AB"); /* both are safe */
    /* A and B come back soon after they left small, which gets longer: then main gives, A. That one comes back soon as
       well, so main gets longer, and A starts in small as one that was read. */
    play(5, "ABCDEFABGAHIJK",
         "A| AB| ABC| ABCD| ABCDE| BCDEF| CDEF|A DEF|AB DEFG|B EFGA|B FGAH|B GAHI|B AHIJ|B IJK|BA");
    /* Read in main: once more around. */
    play(5, "ABCDEFABaG", "A| AB| ABC| ABCD| ABCDE| BCDEF| CDEF|A DEF|AB DEF|AB DEFG|A");
}

/* A scan through ten times the room leaves those alone that were in use. */
static void test_scan(void) {
    HcL1 l1 = new_s3fifo(500);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 300; i++) {
            if (!get_number(&l1, i))
                put_number(&l1, i, 0, 4);
        }
    }
    for (int i = 1000; i < 6000; i++)
        put_number(&l1, i, 0, 4);
    int left = 0;
    for (int i = 0; i < 300; i++)
        left += find_number(&l1, i) != NULL;
    CHECK_EQ(left, 300);
    CHECK(l1.small.count >= 195); /* a mark may be mistaken for another */
    hc_l1_clear(&l1);
}

/* Each key is read once more, 300 keys later: small grows until it is long enough. */
static void test_pairs(void) {
    HcL1 l1 = new_s3fifo(500);
    int hits = 0;
    for (int i = 0; i < 20000; i++) {
        put_number(&l1, i, 0, 4);
        if (i >= 10000)
            hits += get_number(&l1, i - 300);
        else if (i >= 300 && !get_number(&l1, i - 300))
            put_number(&l1, i - 300, 0, 4);
    }
    CHECK(hits > 9900);
    hc_l1_clear(&l1);
}

/* Memory for the ghost: none before the first eviction, counted, within a part of the limit, and not needed. */
static void test_ghost_memory(void) {
    HcL1 l1 = new_s3fifo(1000);
    for (int i = 0; i < 1000; i++)
        put_number(&l1, i, 0, 4);
    CHECK(l1.ghost == NULL);
    sqlite3_int64 bytes = l1.bytes;
    put_number(&l1, 1000, 0, 4);
    CHECK(l1.ghost != NULL);
    CHECK(l1.bytes > bytes && l1.bytes - bytes <= 6 * 1000 + 200);
    CHECK_EQ(l1.bytes - bytes, hc_ghost_bytes(&l1));
    hc_l1_limit(&l1, 20, PLENTY);
    put_number(&l1, 5000, 0, 4);
    CHECK(hc_ghost_bytes(&l1) <= 20 * 5 * 8 + 64);
    hc_l1_limit(&l1, 20, 0);
    CHECK_EQ(l1.bytes, 0);
    hc_l1_limit(&l1, 1000, 2000);
    for (int i = 0; i < 100; i++)
        put_number(&l1, i, 0, 4);
    CHECK(hc_ghost_bytes(&l1) <= 2000 / 16);
    hc_l1_clear(&l1);
}

static void test_no_memory(void) {
    HcL1 l1 = new_s3fifo(100);
    for (int i = 0; i < 100; i++)
        put_number(&l1, i, 0, 4);
    for (int i = 100; i < 200; i++) {
        HcEntry *entry = new_entry(&l1, i, 0, 4);
        unit_memory_fail(0, 0);
        CHECK_EQ(hc_l1_insert(&l1, entry), 1);
        CHECK(unit_memory_restore() > 0);
        hc_entry_release(entry);
        sound(&l1);
    }
    CHECK(l1.ghost == NULL);
    CHECK_EQ(l1.count, 100);
    put_number(&l1, 200, 0, 4);
    CHECK(l1.ghost != NULL);
    hc_l1_clear(&l1);
}

/* Every entry survives; the next to go stays the next to go. */
static void test_switch(void) {
    HcL1 l1 = new_s3fifo(5);
    for (const char *at = "ABCDE"; *at; at++)
        put_number(&l1, *at - 'A', 0, 4);
    get_number(&l1, 0);
    put_number(&l1, 5, 0, 4);
    CHECK_TEXT(order(&l1), "CDEF|A");
    hc_l1_policy(&l1, &hc_eviction_lru);
    sound(&l1);
    CHECK_TEXT(order(&l1), "|CDEFA");
    CHECK(l1.ghost == NULL);
    put_number(&l1, 6, 0, 4);
    CHECK_TEXT(order(&l1), "|DEFAG");
    hc_l1_policy(&l1, &hc_eviction_lru);
    CHECK_TEXT(order(&l1), "|DEFAG");
    hc_l1_policy(&l1, &hc_eviction_s3fifo);
    sound(&l1);
    CHECK_TEXT(order(&l1), "DEFAG|");
    put_number(&l1, 7, 0, 4);
    CHECK_TEXT(order(&l1), "EFAGH|");
    hc_l1_clear(&l1);
    hc_l1_policy(&l1, &hc_eviction_lru);
    sound(&l1);
}

static void test_random(void) {
    enum { KEYS = 300 };
    HcL1 l1 = new_s3fifo(50);
    int version[KEYS] = {0}, rounds = unit_rounds(60000);
    uint32_t size[KEYS] = {0};
    for (int round = 0; round < rounds && !unit.wrong; round++) {
        int key = unit_below(KEYS >> unit_below(5));
        HcEntry *entry = find_number(&l1, key);
        if (entry)
            CHECK(entry_holds(entry, key, version[key], size[key]));
        switch (unit_below(20)) {
        case 0:
            if (entry)
                hc_l1_remove(&l1, entry);
            break;
        case 1:
            if (unit_below(50) == 0)
                hc_l1_limit(&l1, unit_below(120), unit_below(2) ? PLENTY : unit_below(40000));
            break;
        case 2:
            if (unit_below(100) == 0)
                hc_l1_policy(&l1, unit_below(3) ? &hc_eviction_s3fifo : &hc_eviction_lru);
            break;
        case 3:
            if (unit_below(500) == 0)
                hc_l1_clear(&l1);
            break;
        case 4:
            if (entry && unit_below(10) == 0)
                CHECK(hc_l1_remove_hash(&l1, entry->hash) > 0);
            break;
        case 5:
        case 6:
        case 7:
        case 8:
        case 9:
        case 10:
            version[key]++;
            size[key] = (uint32_t)unit_below(unit_below(10) ? 100 : 3000);
            put_number(&l1, key, version[key], size[key]);
            break;
        default:
            get_number(&l1, key);
            break;
        }
        sound(&l1);
    }
    hc_l1_policy(&l1, &hc_eviction_s3fifo);
    hc_l1_clear(&l1);
    CHECK_EQ(l1.bytes, 0);
}

/* verify finds what is wrong. */
static void test_verify(void) {
    HcL1 l1 = new_s3fifo(5);
    for (const char *at = "ABCDE"; *at; at++)
        put_number(&l1, *at - 'A', 0, 4);
    get_number(&l1, 0);
    put_number(&l1, 5, 0, 4);
    CHECK(hc_l1_verify(&l1));
    HcEntry *entry = l1.queue.oldest;
    entry->uses ^= IN_MAIN;
    CHECK(!hc_l1_verify(&l1));
    entry->uses ^= IN_MAIN;
    l1.small.oldest->uses |= EVICTED;
    CHECK(!hc_l1_verify(&l1));
    l1.small.oldest->uses &= READS;
    l1.small.count--;
    CHECK(!hc_l1_verify(&l1));
    l1.small.count++;
    l1.bytes--;
    CHECK(!hc_l1_verify(&l1));
    l1.bytes++;
    l1.ghost_count[OF_SMALL]++;
    CHECK(!hc_l1_verify(&l1));
    l1.ghost_count[OF_SMALL]--;
    l1.ghost_count[OF_MAIN]--;
    CHECK(!hc_l1_verify(&l1));
    l1.ghost_count[OF_MAIN]++;
    CHECK(hc_l1_verify(&l1));
    /* More in the queues than there are, and a ghost that takes all. */
    l1.count++;
    CHECK(!s3fifo_verify(&l1));
    l1.count--;
    sqlite3_int64 limit = l1.limit_bytes;
    l1.limit_bytes = hc_ghost_bytes(&l1) - 1;
    CHECK(!s3fifo_verify(&l1));
    l1.limit_bytes = limit;
    CHECK(s3fifo_verify(&l1));
    hc_l1_clear(&l1);
    uint32_t nothing = 0;
    l1.ghost = &nothing;
    CHECK(!s3fifo_verify(&l1));
    l1.ghost = NULL;
    CHECK(s3fifo_verify(&l1));
}

/* A mark is never one of the two small numbers that mean something else, whatever the hash. */
static void test_marks(void) {
    for (uint32_t hash = 0; hash < 100; hash++) {
        CHECK(mark_of(hash) > RECALLED && !(mark_of(hash) & UNASKED));
        CHECK(mark_of(UINT32_MAX - hash) > RECALLED && !(mark_of(UINT32_MAX - hash) & UNASKED));
    }
}

int main(void) {
    unit_begin();
    RUN(test_by_hand);
    RUN(test_scan);
    RUN(test_pairs);
    RUN(test_ghost_memory);
    RUN(test_no_memory);
    RUN(test_switch);
    RUN(test_random);
    RUN(test_verify);
    RUN(test_marks);
    return unit_end();
}
