/*
** plan.h - the writes of a crash test: transaction n of a seed, and what is there after it.
**
** Nothing but the seed and n decides, so that whoever looks at the wreck knows what every
** key has to hold. Keys below KEYS_APP are written through the table `app`, whose triggers
** repeat it in `cache`; the others go to `cache` alone. `small` evicts.
*/
#ifndef PLAN_H
#define PLAN_H

#include <sqlite3.h>
#include <stdint.h>

#define KEYS 48
#define KEYS_APP 16
#define VALUE_MOST 4096

/* For each key the transaction that wrote it last; 0: it is not there. */
typedef struct {
    unsigned main[KEYS], small[KEYS];
} PlanState;

/* What the database of a plan begins with; statements ended by a NULL. */
extern const char *const plan_setup[];

/* The value that transaction n gives a key, into `out`. */
void plan_value(uint64_t seed, unsigned key, unsigned n, char out[VALUE_MOST]);
/* What transaction n makes of the state. */
void plan_apply(uint64_t seed, unsigned n, PlanState *state);
/* Does it. SQLITE_OK: it is committed (or was to be rolled back and is). */
int plan_run(sqlite3 *db, uint64_t seed, unsigned n);

/* A number that follows from the seed and two others. */
uint64_t plan_random(uint64_t seed, uint64_t a, uint64_t b);

#endif
