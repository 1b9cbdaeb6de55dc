/*
** checks.h - what has to be true of a cache once the fault is gone.
**
** The first thing that is not is kept in `problem`. `where` says at which point of the
** run the question was asked.
*/
#ifndef CHECKS_H
#define CHECKS_H

#include "scripts.h"

#define TEXT 400
#define PROBLEM_ROOM 800
extern char problem[PROBLEM_ROOM]; /* empty: none yet */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);

/* Runs a statement to its end. *wrong: one of its rows began with 0. */
int run_sql(sqlite3 *db, const char *sql, int *wrong);
void must_run(sqlite3 *db, const char *where, const char *sql);
void must_hold(sqlite3 *db, const char *where, const char *condition);

/* Look-up function, SELECT by key and shadow row say the same of every key. */
void check_keys(sqlite3 *db, const char *where);
/* The cache and `app` have not come apart. */
void check_mirror(sqlite3 *db, const char *where, const Script *script);
/* Every cache has its two tables and passes `check`; there are no others. */
void check_tables(sqlite3 *db, const char *where);
void check_file(sqlite3 *db, const char *where);
/* What the steps in `succeeded`, a set of 1u << index, have acknowledged. */
void check_acknowledged(sqlite3 *db, const char *where, const Script *script, unsigned succeeded);

#endif
