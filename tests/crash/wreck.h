/*
** wreck.h - what has to be true of a database that somebody has died over.
*/
#ifndef WRECK_H
#define WRECK_H

#include "plan.h"

#define PROBLEM_ROOM 800
extern char problem[PROBLEM_ROOM]; /* the first; empty: none yet */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);

/* Runs a statement of which every row must begin with something that is not 0. */
void must_run(sqlite3 *db, const char *where, const char *sql);

/*
** Which of the states, `low` to `high` transactions after the beginning, the database is in:
** by the rows of the shadow tables and of `app`. It has to be one of them, wholly.
*/
unsigned wreck_state(sqlite3 *db, const char *where, uint64_t seed, unsigned low, unsigned high, PlanState *found);
/* What a query of the value of ?1 gives of each key. */
void wreck_listen(sqlite3 *db, const char *where, uint64_t seed, const char *sql, unsigned versions[KEYS]);
/* Both caches answer that state, by function and by SELECT; a key that is there must not be missed. */
void wreck_answers(sqlite3 *db, const char *where, uint64_t seed, const PlanState *state);
/* `check`, integrity_check, counters, limits. */
void wreck_sound(sqlite3 *db, const char *where);

#endif
