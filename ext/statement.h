/*
** statement.h: what the statement that is being run was written to do.
*/
#ifndef HC_STATEMENT_H
#define HC_STATEMENT_H

#include "host.h"

/*
** 1 if the connection is running one statement that writes, and its text is an
** INSERT, REPLACE, UPDATE or DELETE on the table `name` itself: not one on another
** table whose trigger writes to `name`. In doubt 0.
*/
int hc_statement_writes_only(sqlite3 *db, const char *name);

#endif
