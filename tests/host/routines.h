/*
** routines.h - the table of routines that a loadable extension gets from its host, as a test wants it to be.
**
** The extension calls SQLite through that table and in no other way. So here a host can be made whose routines fail in
** the way that they are documented to fail, are missing, or say that they are older.
*/
#ifndef ROUTINES_H
#define ROUTINES_H

#include <sqlite3.h>

/* A routine, and what it answers when it fails. With "..." behind the name of the failure: from the Nth call on. */
typedef struct {
    const char *routine;
    int rc; /* its result code; those that return a pointer return NULL */
    int on; /* 1 = every call from the Nth on */
} RoutineFault;

/* All faults there are, ended by a NULL name. */
extern const RoutineFault routine_faults[];

/* Finds SQLite's own table and the entry point in the file `extension` (without its suffix). 0 = that did not work. */
int routines_open(const char *extension);
/* Loads it into a connection, with the table as it is now. `message` may be NULL; free it with sqlite3_free. */
int routines_load(sqlite3 *db, char **message);

/* The Nth call of the routine fails from now on; NULL: none does. */
void routines_arm(const RoutineFault *fault, long n);
/* How many calls have failed since then. */
long routines_failed(void);

/* What kind of host it is. */
typedef enum {
    HOST_LIKE_THIS,
    HOST_WITHOUT_MUTEXES, /* SQLITE_THREADSAFE=0 */
    HOST_WITHOUT_EXPIRED, /* SQLITE_OMIT_DEPRECATED */
    HOST_OF_3_31,         /* to call what came later ends the program */
    HOST_OF_3_30          /* too old */
} HostKind;
/* Before anything is loaded. */
void routines_become(HostKind kind);

#endif
