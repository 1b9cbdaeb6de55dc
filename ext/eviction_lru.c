/*
** eviction_lru.c: exact LRU, one queue in the order of the last use.
*/
#include "eviction.h"

static void lru_insert(HcL1 *l1, HcEntry *entry) {
    hc_queue_append(&l1->queue, entry);
}

static void lru_touch(HcL1 *l1, HcEntry *entry) {
    if (l1->queue.newest != entry) {
        hc_queue_unlink(&l1->queue, entry);
        hc_queue_append(&l1->queue, entry);
    }
}

static void lru_remove(HcL1 *l1, HcEntry *entry) {
    hc_queue_unlink(&l1->queue, entry);
}

static HcEntry *lru_victim(HcL1 *l1) {
    return l1->queue.oldest;
}

static HcEntry *lru_drain(HcL1 *l1) {
    HcEntry *oldest = l1->queue.oldest;
    memset(&l1->queue, 0, sizeof l1->queue);
    return oldest;
}

static int lru_verify(const HcL1 *l1) {
    return hc_queue_verify(&l1->queue) && l1->queue.count == l1->count;
}

const HcPolicy hc_eviction_lru = {"lru", lru_insert, lru_touch, lru_remove, lru_victim, lru_drain, lru_verify};
