/*
** uses.h: which rows were read, until the next write can say so in L2.
**
** L2's sweep gives a second chance to a row that was read since it passed last. The
** read itself must not write; so the latest reads wait here, and each write takes
** some of them along as use bits, which the sweeps of all connections respect.
**
** An entry of the L1 notes once a round that it was read, not each time: its flags
** hold the number of the round. A round is a quarter of the sweep's way around: when
** it comes back to a row whose bit it took, what was read meanwhile has a bit again.
** Round 0 is that nobody wants to know.
*/
#ifndef HC_USES_H
#define HC_USES_H

#include "l1.h"

/* So many wait at most; later ones push out the earliest. */
#define HC_USES_WAITING 64

typedef struct HcUse {
    sqlite3_int64 id; /* of the row; 0: only the hash is known */
    uint32_t hash;    /* of the L1 */
} HcUse;

typedef struct HcUses {
    uint8_t round;  /* 0, or one of the values that HC_ENTRY_USED can have */
    uint32_t next;  /* where the next one is put */
    uint32_t count; /* that wait */
    uint64_t swept; /* rows that the sweep had passed when the round began */
    HcUse waiting[HC_USES_WAITING];
} HcUses;

/* Does anybody want to know? */
static inline void hc_uses_want(HcUses *uses, int wanted) {
    if (!wanted)
        uses->count = uses->round = 0;
    else if (!uses->round)
        uses->round = HC_ENTRY_USED_STEP;
}

/* Each entry notes its next use anew. */
static inline void hc_uses_next_round(HcUses *uses) {
    if (uses->round)
        uses->round = (uint8_t)(uses->round == HC_ENTRY_USED ? HC_ENTRY_USED_STEP : uses->round + HC_ENTRY_USED_STEP);
}

/* How far the sweep has come, of how many rows. */
static inline void hc_uses_swept(HcUses *uses, uint64_t swept, sqlite3_int64 entries) {
    if (swept - uses->swept > (uint64_t)entries / 4) {
        hc_uses_next_round(uses);
        uses->swept = swept;
    }
}

static inline void hc_uses_add(HcUses *uses, sqlite3_int64 id, uint32_t hash) {
    uint32_t before = (uses->next + HC_USES_WAITING - 1) % HC_USES_WAITING;
    /* A hot key that no L1 holds: once is enough. */
    if (uses->count && uses->waiting[before].id == id && uses->waiting[before].hash == hash)
        return;
    uses->waiting[uses->next].id = id;
    uses->waiting[uses->next].hash = hash;
    uses->next = (uses->next + 1) % HC_USES_WAITING;
    if (uses->count < HC_USES_WAITING)
        uses->count++;
}

/* The row of that id was read; `entry` is what was made of it, in the L1 or not. */
static inline void hc_uses_row(HcUses *uses, HcEntry *entry, sqlite3_int64 id) {
    if (!uses->round)
        return;
    entry->flags = (uint8_t)((entry->flags & ~HC_ENTRY_USED) | uses->round);
    hc_uses_add(uses, id, entry->hash);
}

/* An entry of the L1 was read. */
static inline void hc_uses_entry(HcUses *uses, HcEntry *entry) {
    if ((entry->flags & HC_ENTRY_USED) != uses->round)
        hc_uses_row(uses, entry, 0);
}

/* Takes the earliest that waits; 0 if there is none. */
static inline int hc_uses_take(HcUses *uses, HcUse *use) {
    if (!uses->count)
        return 0;
    *use = uses->waiting[(uses->next + HC_USES_WAITING - uses->count) % HC_USES_WAITING];
    uses->count--;
    return 1;
}

#endif
