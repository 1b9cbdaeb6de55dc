/*
** clock.h: the time, as the connection's VFS tells it.
**
** Time is a parameter everywhere else: it is read once per statement entry and
** passed down. Tests move it by patching the VFS, so no test sleeps.
*/
#ifndef HC_CLOCK_H
#define HC_CLOCK_H

#include "host.h"

/*
** Unix time 253402300799 is 9999-12-31 23:59:59, the end of SQLite's calendar:
** a deadline there or later means "never", and is shown as this number.
*/
#define HC_NEVER 253402300799.0

/* Seconds since 1970, in steps of the VFS (milliseconds). */
double hc_clock_now(sqlite3_vfs *vfs);

/* The VFS of the main database of `db`. */
sqlite3_vfs *hc_clock_vfs(sqlite3 *db);

#endif
