/*
** eviction.h: who leaves the L1 when it is full.
**
** A policy is told what happens to the entries and names the victim. It owns
** the links `older` and `newer` of the entries and the ends of the queue in the
** L1; it allocates nothing.
*/
#ifndef HC_EVICTION_H
#define HC_EVICTION_H

#include "l1.h"

struct HcPolicy {
    const char *name;
    void (*insert)(HcL1 *l1, HcEntry *entry); /* the entry was put in */
    void (*touch)(HcL1 *l1, HcEntry *entry);  /* it was read */
    void (*remove)(HcL1 *l1, HcEntry *entry); /* it leaves, for whatever reason */
    HcEntry *(*victim)(HcL1 *l1);             /* the next to be evicted; NULL if there is none */
    int (*verify)(const HcL1 *l1);            /* 1 = the queue and the L1 agree */
};

extern const HcPolicy hc_eviction_lru;

#endif
