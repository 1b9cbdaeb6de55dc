/*
** eviction_s3fifo.c: keeps scans and one-off keys from pushing out what is in use.
**
** After S3-FIFO (Yang, Zhang, Qiu, Yue, Rashmi: FIFO queues are all you need for
** cache eviction, SOSP 2023). Three queues, first in first out:
**
**              read since it came                  read: once more around
**     new --> small (a tenth) ----------> main <-----------------------.
**               | not read                 |  |________________________|
**               v                          v not read
**             ghost: only the hash        gone
**               | comes back
**               `-----------------------> main
**
** So a hit is a count in the entry and moves nothing. What differs from the paper:
**
** - One read is enough for `main`; the paper asks for two. Better by 0.3 points
**   on the traces, because an entry is in `small` for a short time only.
** - `small` has SMALL_LEAST entries at least, four fifths of the L1 at most.
**   A tenth of a small L1 is so short that nothing is read again in it, and LRU
**   was up to 33 points better (tests/trace has the table).
** - The ghost is no queue but sets of sixteen hashes; the oldest of a set makes
**   room. Four bytes an entry and one cache line a look, instead of a second
**   hash table. 32 bits can mistake one key for another: it goes to `main` then.
** - An entry that was read and leaves unasked (a new value, a foreign commit, the
**   l1_ttl) is remembered by the ghost as well: it is back soon.
*/
#include "eviction.h"

/* What `uses` holds: a count of reads, saturated, and where the entry is. */
#define READS 0x03
#define IN_MAIN 0x40
#define EVICTED 0x80 /* by victim(): no other reason to leave */

#define SMALL_SHARE 10 /* small is a tenth */
#define SMALL_LEAST 40
/* The ghost is no more than this part of the byte limit. */
#define GHOST_SHARE 16

/* --------------------------------------------------------------- the ghost */

static uint32_t *ghost_set(const HcL1 *l1, uint32_t hash) {
    return l1->ghost + ((uint64_t)hash * l1->ghost_sets >> 32) * HC_GHOST_WAYS;
}

static uint32_t ghost_mark(uint32_t hash) {
    return hash ? hash : 1;
}

static void ghost_free(HcL1 *l1) {
    sqlite3_free(l1->ghost);
    hc_l1_account(l1, -hc_ghost_bytes(l1));
    l1->ghost = NULL;
    l1->ghost_sets = 0;
}

/*
** As many hashes as entries; made at the first eviction, so that an L1 that never
** fills has none, and anew when the number of entries is no longer near. What it
** knew is lost then, which costs a few misses. Without memory there is no ghost.
*/
static void ghost_fit(HcL1 *l1) {
    sqlite3_int64 sets = (l1->count + HC_GHOST_WAYS - 1) / HC_GHOST_WAYS;
    if (l1->ghost && sets <= 2 * (sqlite3_int64)l1->ghost_sets && (sqlite3_int64)l1->ghost_sets <= 8 * sets)
        return;
    ghost_free(l1);
    size_t size = (size_t)sets * HC_GHOST_WAYS * sizeof *l1->ghost;
    if (sets > UINT32_MAX || (sqlite3_int64)size > l1->limit_bytes / GHOST_SHARE)
        return;
    l1->ghost = sqlite3_malloc64(size);
    if (l1->ghost) {
        memset(l1->ghost, 0, size);
        l1->ghost_sets = (uint32_t)sets;
        hc_l1_account(l1, hc_ghost_bytes(l1));
    }
}

static void ghost_remember(const HcL1 *l1, uint32_t hash) {
    if (l1->ghost) {
        uint32_t *set = ghost_set(l1, hash);
        memmove(set + 1, set, (HC_GHOST_WAYS - 1) * sizeof *set);
        set[0] = ghost_mark(hash);
    }
}

/* 1 if it was there; it no longer is. */
static int ghost_recall(const HcL1 *l1, uint32_t hash) {
    if (!l1->ghost)
        return 0;
    uint32_t *set = ghost_set(l1, hash);
    for (int i = 0; i < HC_GHOST_WAYS; i++) {
        if (set[i] == ghost_mark(hash)) {
            memmove(set + i, set + i + 1, (size_t)(HC_GHOST_WAYS - 1 - i) * sizeof *set);
            set[HC_GHOST_WAYS - 1] = 0;
            return 1;
        }
    }
    return 0;
}

/* -------------------------------------------------------------- the policy */

static void s3fifo_insert(HcL1 *l1, HcEntry *entry) {
    entry->uses = ghost_recall(l1, entry->hash) ? IN_MAIN : 0;
    hc_queue_append(entry->uses ? &l1->queue : &l1->small, entry);
}

static void s3fifo_touch(HcL1 *l1, HcEntry *entry) {
    (void)l1;
    if ((entry->uses & READS) != READS)
        entry->uses++;
}

static void s3fifo_remove(HcL1 *l1, HcEntry *entry) {
    hc_queue_unlink(entry->uses & IN_MAIN ? &l1->queue : &l1->small, entry);
    if (entry->uses && !(entry->uses & EVICTED))
        ghost_remember(l1, entry->hash);
}

/* So many entries `small` keeps when the L1 is full. */
static sqlite3_int64 small_share(const HcL1 *l1) {
    sqlite3_int64 share = l1->count / SMALL_SHARE, most = l1->count * 4 / 5;
    if (share >= SMALL_LEAST)
        return share;
    return most < SMALL_LEAST ? most : SMALL_LEAST;
}

/* Each turn of the loop evicts an entry or takes a read from one, so hits have paid for it. */
static HcEntry *s3fifo_victim(HcL1 *l1) {
    if (l1->count == 0)
        return NULL;
    ghost_fit(l1);
    sqlite3_int64 share = small_share(l1);
    for (;;) {
        int from_small = l1->small.count > 0 && (l1->small.count >= share || l1->queue.count == 0);
        HcQueue *queue = from_small ? &l1->small : &l1->queue;
        HcEntry *entry = queue->oldest;
        if (!(entry->uses & READS)) {
            if (from_small)
                ghost_remember(l1, entry->hash);
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

static int s3fifo_verify(const HcL1 *l1) {
    return all_in(&l1->small, 0) && all_in(&l1->queue, IN_MAIN) && l1->small.count + l1->queue.count == l1->count &&
           (l1->ghost != NULL) == (l1->ghost_sets > 0) && hc_ghost_bytes(l1) <= l1->limit_bytes;
}

const HcPolicy hc_eviction_s3fifo = {"s3fifo",      s3fifo_insert, s3fifo_touch, s3fifo_remove,
                                     s3fifo_victim, s3fifo_drain,  s3fifo_verify};
