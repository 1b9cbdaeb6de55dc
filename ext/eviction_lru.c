/*
** eviction_lru.c: exact LRU, one queue in the order of the last use.
*/
#include "eviction.h"

static void unlink_entry(HcL1 *l1, HcEntry *entry) {
    if (entry->older)
        entry->older->newer = entry->newer;
    else
        l1->oldest = entry->newer;
    if (entry->newer)
        entry->newer->older = entry->older;
    else
        l1->newest = entry->older;
}

static void link_newest(HcL1 *l1, HcEntry *entry) {
    entry->older = l1->newest;
    entry->newer = NULL;
    if (l1->newest)
        l1->newest->newer = entry;
    else
        l1->oldest = entry;
    l1->newest = entry;
}

static void lru_touch(HcL1 *l1, HcEntry *entry) {
    if (l1->newest != entry) {
        unlink_entry(l1, entry);
        link_newest(l1, entry);
    }
}

static HcEntry *lru_victim(HcL1 *l1) {
    return l1->oldest;
}

static int lru_verify(const HcL1 *l1) {
    sqlite3_int64 count = 0;
    const HcEntry *older = NULL;
    for (const HcEntry *entry = l1->oldest; entry; entry = entry->newer) {
        if (entry->older != older || ++count > l1->count)
            return 0;
        older = entry;
    }
    return count == l1->count && l1->newest == older;
}

const HcPolicy hc_eviction_lru = {"lru", link_newest, lru_touch, unlink_entry, lru_victim, lru_verify};
