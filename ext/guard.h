/*
** guard.h: who writes to the data tables of this connection: the cache, or somebody else?
**
** Triggers on each data table compare two constants under a collation of ours
** (sql/schema.sql). It calls them equal while the cache itself writes, and the
** trigger then does nothing. Otherwise the trigger counts the change in the meta
** row, in the writer's own transaction, and every L1 forgets what it has.
*/
#ifndef HC_GUARD_H
#define HC_GUARD_H

#include "host.h"

/* The error text of a program without the extension is "no such collation sequence: " and this. */
#define HC_GUARD_COLLATION "hybrid_cache, the extension: load it, or write to the cache instead"

typedef struct HcGuard {
    int own;          /* statements of the cache that are writing */
    unsigned outside; /* rises with every change of a data table that is not the cache's */
} HcGuard;

/* The guard has to live as long as the connection, or until it is unregistered. */
int hc_guard_register(sqlite3 *db, HcGuard *guard);
void hc_guard_unregister(sqlite3 *db);

#endif
