/*
** eviction.h: who leaves the L1 when it is full.
**
** A policy is told what happens to the entries and names the victim. It owns
** the links `older` and `newer` and the count `uses` of the entries, and the
** queues and the ghost in the L1.
*/
#ifndef HC_EVICTION_H
#define HC_EVICTION_H

#include "l1.h"

struct HcPolicy {
    const char *name;
    void (*insert)(HcL1 *l1, HcEntry *entry); /* the entry was put in */
    void (*touch)(HcL1 *l1, HcEntry *entry);  /* it was read */
    void (*remove)(HcL1 *l1, HcEntry *entry); /* it leaves, for whatever reason */
    HcEntry *(*victim)(HcL1 *l1);             /* who is evicted now, that is, removed at once; NULL if there is none */
    HcEntry *(*drain)(HcL1 *l1);              /* gives up all entries, linked by `newer`, and frees what it holds */
    int (*verify)(const HcL1 *l1);            /* 1 = the queues and the L1 agree */
};

extern const HcPolicy hc_eviction_lru;
extern const HcPolicy hc_eviction_s3fifo;

/* What policies share. */

static inline void hc_queue_append(HcQueue *queue, HcEntry *entry) {
    entry->older = queue->newest;
    entry->newer = NULL;
    if (queue->newest)
        queue->newest->newer = entry;
    else
        queue->oldest = entry;
    queue->newest = entry;
    queue->count++;
}

static inline void hc_queue_unlink(HcQueue *queue, HcEntry *entry) {
    if (entry->older)
        entry->older->newer = entry->newer;
    else
        queue->oldest = entry->newer;
    if (entry->newer)
        entry->newer->older = entry->older;
    else
        queue->newest = entry->older;
    queue->count--;
}

/* 1 if links and count are right. */
static inline int hc_queue_verify(const HcQueue *queue) {
    sqlite3_int64 count = 0;
    const HcEntry *older = NULL;
    for (const HcEntry *entry = queue->oldest; entry; entry = entry->newer) {
        if (entry->older != older || ++count > queue->count)
            return 0;
        older = entry;
    }
    return count == queue->count && queue->newest == older;
}

/*
** A set of the ghost is two cache lines of marks, the newest first; 0 = free. There
** are `ghost_sets` for keys that left `small`, and behind them twice as many for those
** that left the main queue.
*/
#define HC_GHOST_WAYS 32

static inline sqlite3_int64 hc_ghost_bytes(const HcL1 *l1) {
    return 3 * (sqlite3_int64)l1->ghost_sets * HC_GHOST_WAYS * (sqlite3_int64)sizeof *l1->ghost;
}

#endif
