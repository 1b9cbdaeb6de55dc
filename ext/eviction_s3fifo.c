/*
** eviction_s3fifo.c: keeps scans and one-off keys from pushing out what is in use.
**
** After S3-FIFO (Yang, Zhang, Qiu, Yue, Rashmi: FIFO queues are all you need for
** cache eviction, SOSP 2023). Queues, first in first out, and two ghosts that hold
** a mark for each key that left one:
**
**              read since it came                  read: once more around
**     new --> small ---------------------> main <-----------------------.
**               | not read                 |  |________________________|
**               v                          v not read
**             ghost of small             ghost of main
**               | soon back: main          | back: small, as one that was read
**
** So a hit is a count in the entry and moves nothing. What differs from the paper:
**
** - How long `small` is follows the ghosts, as in ARC (Megiddo, Modha, FAST 2003). A
**   key that comes back soon after it left `small` would have been a hit had `small`
**   been longer, and one that left `main` had `main` been: each moves the border its
**   way. The paper's tenth loses 11 points to LRU at 86 entries on one of the traces
**   and everything where a key is read twice, a little later than `small` is long.
**   Only who comes back soon counts: of a loop through more keys than fit, all do.
** - One read is enough for `main`; the paper asks for two.
** - A ghost is no queue but sets of 32 marks; the oldest of a set makes room.
**   The place in the set says how long ago a key left.
**   Six bytes an entry in all.
** - An entry that was read and leaves unasked (a new value, a foreign commit, the
**   l1_ttl) gets such a mark as well, and is back in `main` if it comes back.
*/
#include "eviction.h"

/* What `uses` holds: a count of reads, saturated, and where the entry is. */
#define READS 0x07
#define READS_MOST 5
#define IN_MAIN 0x40
#define EVICTED 0x80 /* by victim(): no other reason to leave */

/* `small` has a tenth of the entries to begin with and at least, and nine tenths at most. */
#define SHARE_LEAST 0.1
#define SHARE_MOST 0.9
/* So many entries the border moves, at least. */
#define LONGER 1.5
#define SHORTER 3.0
/* Soon is within a quarter of the size of the L1: so many places of a set. */
#define SOON_SMALL (HC_GHOST_WAYS / 2)
#define SOON_MAIN (HC_GHOST_WAYS / 4)
/* The ghosts are no more than this part of the byte limit. */
#define GHOST_SHARE 16

/* -------------------------------------------------------------- the ghosts */

enum { OF_SMALL, OF_MAIN };

/*
** A mark is the hash, at least 2; the last bit says that the entry
** left unasked. What was recalled keeps its place, so that a place is an age.
*/
#define UNASKED 1
#define RECALLED 1

static uint32_t mark_of(uint32_t hash) {
    uint32_t mark = hash & ~(uint32_t)UNASKED;
    return mark ? mark : 2;
}

static uint32_t *ghost_set(const HcL1 *l1, int whose, uint32_t hash) {
    uint64_t sets = (uint64_t)l1->ghost_sets << (whose == OF_MAIN);
    return l1->ghost + ((whose == OF_MAIN ? l1->ghost_sets : 0) + (hash * sets >> 32)) * HC_GHOST_WAYS;
}

static void ghost_free(HcL1 *l1) {
    sqlite3_free(l1->ghost);
    hc_l1_account(l1, -hc_ghost_bytes(l1));
    l1->ghost = NULL;
    l1->ghost_sets = 0;
    l1->ghost_count[OF_SMALL] = l1->ghost_count[OF_MAIN] = 0;
}

/*
** Half as many marks of `small` as entries and as many of `main`; made at the first
** eviction, so that an L1 that never fills has none, and anew when the number of
** entries is no longer near. What they knew is lost then, which costs a few misses.
** Without memory there are no ghosts.
*/
static void ghost_fit(HcL1 *l1) {
    sqlite3_int64 sets = (l1->count + 2 * HC_GHOST_WAYS - 1) / (2 * HC_GHOST_WAYS);
    sqlite3_int64 most = l1->limit_bytes / GHOST_SHARE / (3 * HC_GHOST_WAYS * (sqlite3_int64)sizeof *l1->ghost);
    if (sets > most)
        sets = most;
    if (l1->ghost && sets <= 2 * (sqlite3_int64)l1->ghost_sets && 4 * (sqlite3_int64)l1->ghost_sets <= 5 * sets)
        return;
    ghost_free(l1);
    if (sets == 0 || sets > UINT32_MAX / 4)
        return;
    l1->ghost_sets = (uint32_t)sets;
    size_t size = (size_t)hc_ghost_bytes(l1);
    l1->ghost = sqlite3_malloc64(size);
    if (l1->ghost) {
        memset(l1->ghost, 0, size);
        hc_l1_account(l1, (sqlite3_int64)size);
    } else {
        l1->ghost_sets = 0;
    }
}

static void ghost_remember(HcL1 *l1, int whose, uint32_t hash, int unasked) {
    if (l1->ghost) {
        uint32_t *set = ghost_set(l1, whose, hash);
        l1->ghost_count[whose] += set[HC_GHOST_WAYS - 1] <= RECALLED;
        memmove(set + 1, set, (HC_GHOST_WAYS - 1) * sizeof *set);
        set[0] = mark_of(hash) | (uint32_t)unasked;
    }
}

/* Its place in the set, 0 the newest, or -1; it is recalled only once. */
static int ghost_recall(HcL1 *l1, int whose, uint32_t hash, int *unasked) {
    if (!l1->ghost)
        return -1;
    uint32_t *set = ghost_set(l1, whose, hash);
    for (int i = 0; i < HC_GHOST_WAYS; i++) {
        if ((set[i] & ~(uint32_t)UNASKED) == mark_of(hash)) {
            *unasked = (int)(set[i] & UNASKED);
            set[i] = RECALLED;
            l1->ghost_count[whose]--;
            return i;
        }
    }
    return -1;
}

/* -------------------------------------------------------------- the policy */

static void move_border(HcL1 *l1, double entries) {
    double least = (double)l1->count * SHARE_LEAST, most = (double)l1->count * SHARE_MOST;
    l1->share += entries;
    l1->share = l1->share < least ? least : l1->share > most ? most : l1->share;
}

/* How much more often the other ghost is right by chance: it has more marks. */
static double weight(const HcL1 *l1, int whose) {
    double others = (double)l1->ghost_count[!whose], own = (double)l1->ghost_count[whose] + 1;
    return others > own ? others / own : 1;
}

static void s3fifo_insert(HcL1 *l1, HcEntry *entry) {
    int unasked = 0, place = ghost_recall(l1, OF_SMALL, entry->hash, &unasked);
    entry->uses = 0;
    if (unasked || (place >= 0 && place < SOON_SMALL)) {
        entry->uses = IN_MAIN;
        if (!unasked)
            move_border(l1, LONGER * weight(l1, OF_SMALL));
    } else if (place < 0) {
        place = ghost_recall(l1, OF_MAIN, entry->hash, &unasked);
        entry->uses = place >= 0;
        if (place >= 0 && place < SOON_MAIN)
            move_border(l1, -SHORTER * weight(l1, OF_MAIN));
    }
    hc_queue_append(entry->uses & IN_MAIN ? &l1->queue : &l1->small, entry);
}

static void s3fifo_touch(HcL1 *l1, HcEntry *entry) {
    (void)l1;
    if ((entry->uses & READS) < READS_MOST)
        entry->uses++;
}

static void s3fifo_remove(HcL1 *l1, HcEntry *entry) {
    hc_queue_unlink(entry->uses & IN_MAIN ? &l1->queue : &l1->small, entry);
    if (entry->uses && !(entry->uses & EVICTED))
        ghost_remember(l1, OF_SMALL, entry->hash, UNASKED);
}

/* Each turn of the loop evicts an entry or takes a read from one, so hits have paid for it. */
static HcEntry *s3fifo_victim(HcL1 *l1) {
    if (l1->count == 0)
        return NULL;
    ghost_fit(l1);
    move_border(l1, 0);
    for (;;) {
        int from_small = l1->small.count > 0 && ((double)l1->small.count >= l1->share || l1->queue.count == 0);
        HcQueue *queue = from_small ? &l1->small : &l1->queue;
        HcEntry *entry = queue->oldest;
        if (!(entry->uses & READS)) {
            ghost_remember(l1, from_small ? OF_SMALL : OF_MAIN, entry->hash, 0);
            entry->uses |= EVICTED;
            return entry;
        }
        hc_queue_unlink(queue, entry);
        entry->uses = (uint8_t)(from_small ? IN_MAIN : entry->uses - 1);
        hc_queue_append(&l1->queue, entry);
    }
}

static HcEntry *s3fifo_drain(HcL1 *l1) {
    HcEntry *first = l1->small.oldest;
    if (first)
        l1->small.newest->newer = l1->queue.oldest;
    else
        first = l1->queue.oldest;
    memset(&l1->small, 0, sizeof l1->small);
    memset(&l1->queue, 0, sizeof l1->queue);
    ghost_free(l1);
    l1->share = 0;
    return first;
}

static int all_in(const HcQueue *queue, int where) {
    if (!hc_queue_verify(queue))
        return 0;
    for (const HcEntry *entry = queue->oldest; entry; entry = entry->newer) {
        if ((entry->uses & ~READS) != where)
            return 0;
    }
    return 1;
}

static int ghosts_counted(const HcL1 *l1) {
    sqlite3_int64 count[2] = {0, 0};
    size_t small_marks = (size_t)l1->ghost_sets * HC_GHOST_WAYS;
    for (size_t i = 0; i < 3 * small_marks; i++)
        count[i >= small_marks] += l1->ghost[i] > RECALLED;
    return count[OF_SMALL] == l1->ghost_count[OF_SMALL] && count[OF_MAIN] == l1->ghost_count[OF_MAIN];
}

static int s3fifo_verify(const HcL1 *l1) {
    return ghosts_counted(l1) && all_in(&l1->small, 0) && all_in(&l1->queue, IN_MAIN) &&
           l1->small.count + l1->queue.count == l1->count && (l1->ghost != NULL) == (l1->ghost_sets > 0) &&
           hc_ghost_bytes(l1) <= l1->limit_bytes;
}

const HcPolicy hc_eviction_s3fifo = {"s3fifo",      s3fifo_insert, s3fifo_touch, s3fifo_remove,
                                     s3fifo_victim, s3fifo_drain,  s3fifo_verify};
