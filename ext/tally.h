/*
** tally.h: of all changes that a connection makes, those that its caches made.
**
** sqlite3_total_changes() counts what our own statements change like any other.
** What is left without them was changed by the application: perhaps one of the
** data tables, past its cache.
*/
#ifndef HC_TALLY_H
#define HC_TALLY_H

#include "host.h"

typedef struct HcTally {
    unsigned own; /* as sqlite3_total_changes() counts; both wrap */
} HcTally;

/* Around each statement of ours that writes: what begin() returned goes into end(). */
static inline unsigned hc_tally_begin(sqlite3 *db) {
    return (unsigned)sqlite3_total_changes(db);
}

static inline void hc_tally_end(HcTally *tally, sqlite3 *db, unsigned begin) {
    tally->own += (unsigned)sqlite3_total_changes(db) - begin;
}

/* Changes so far that were not ours: only a difference of two means something. */
static inline unsigned hc_tally_others(const HcTally *tally, sqlite3 *db) {
    return (unsigned)sqlite3_total_changes(db) - tally->own;
}

#endif
