/*
** connection.h: what one database connection has of us: its caches.
**
** Shared by the module and the functions. Outlives the virtual-table objects,
** which come and go with every schema reload, so that L1 and statistics do not.
*/
#ifndef HC_CONNECTION_H
#define HC_CONNECTION_H

#include "tally.h"

typedef struct HcCache HcCache;
typedef struct HcConnection HcConnection;

/* A name that was resolved before: looking it up again is one comparison. */
typedef struct HcAlias {
    char *text;
    int n;
    HcCache *cache;
} HcAlias;

#define HC_ALIASES 4

struct HcConnection {
    sqlite3 *db;
    HcConnection *next; /* of the process-wide list */
    HcTally tally;
    int references;   /* the module and each function have one */
    int registered;   /* module and functions are there, all of them */
    sqlite3_vfs *vfs; /* the clock */
    HcCache *caches;
    HcAlias aliases[HC_ALIASES];
    int next_alias;
};

/*
** The connection's object, made when first asked for. The caller gets a reference.
** NULL when out of memory.
*/
HcConnection *hc_connection_acquire(sqlite3 *db);
HcConnection *hc_connection_retain(HcConnection *connection);
/* Signature of SQLite's destructors. */
void hc_connection_release(void *connection);

/* The cache of that schema and table, made when first asked for. */
int hc_connection_cache(HcConnection *connection, const char *schema, const char *name, HcCache **cache);
/* The table is gone (xDestroy): so are its L1 and statistics. */
void hc_connection_drop(HcConnection *connection, HcCache *cache);
/* The same for the cache of that name, if there is one. */
void hc_connection_forget(HcConnection *connection, const char *schema, const char *name);
void hc_connection_rename(HcConnection *connection, HcCache *cache, char *name);
/* Names may mean something else from now on. */
void hc_connection_forget_aliases(HcConnection *connection);

/*
** The cache that `text` names: 'cache' is looked for in temp, main and the
** attached databases in turn, as SQLite looks for tables; 'schema.cache' in one.
** SQLITE_OK, or SQLITE_ERROR with a message that names the culprit, or SQLITE_NOMEM.
*/
int hc_connection_resolve(HcConnection *connection, const char *text, int n, HcCache **cache, char **message);

/* Connects all caches there are, so that the list is complete (the statistics table). */
int hc_connection_find_all(HcConnection *connection);

#endif
