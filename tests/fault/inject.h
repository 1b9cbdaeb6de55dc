/*
** inject.h - makes SQLite's allocator, its VFS and its progress handler fail on request.
**
** At most one fault is armed at a time. It names a class of calls (all allocations, all
** xWrite, ...), counts them, and fails the Nth, or every one from the Nth on.
*/
#ifndef INJECT_H
#define INJECT_H

#include <sqlite3.h>

typedef struct {
    const char *name; /* a '+' at its end: every call from the Nth on */
    unsigned calls;   /* which calls are counted: a set of 1u << InjectCall */
    int rc;           /* what they return; 0: the error that suits the call */
} InjectFault;

/* All faults there are, ended by a NULL name. */
extern const InjectFault inject_faults[];
#define INJECT_FAULTS_MOST 48

/*
** Installs everything, before any other call of SQLite: the allocator; the default VFS,
** changed in place so that its name stays; and a second VFS, "faulty", which is not one
** of SQLite's own. The clock stands, nobody sleeps, random numbers are always the same ones:
** runs are quick and repeat.
*/
int inject_install(void);

/* Starts counting; the Nth call fails. n = 0: none does. Steps are those of `db`. */
void inject_arm(const InjectFault *fault, long n, sqlite3 *db);
/* Goes on with the steps of this connection, which has taken the place of that of inject_arm(); NULL: of none. */
void inject_follow(sqlite3 *db);
/* Nothing fails or is counted meanwhile: 1; goes on where it was: 0. */
void inject_pause(int on);
/* Stops. */
void inject_disarm(void);
long inject_counted(const InjectFault *fault); /* its calls since inject_arm */
long inject_failed(void);                      /* the calls that failed */

/* The random numbers of SQLite begin anew. */
void inject_reseed(void);

#endif
