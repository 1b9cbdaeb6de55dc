/*
** extension.c: the entry point: version gate and registration, nothing else.
**
** Registration is cheap and silent: no SQL, no I/O, no L1. Some hosts open a
** connection for every request, or one after every replicated write.
*/
#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT1

#include "functions.h"
#include "hybrid_cache.h"
#include "module.h"

/* SQLite unloads a library whose init has failed: nothing of the connection may point into it then. */
static void unregister(sqlite3 *db) {
    static const char *const modules[] = {"hybrid_cache", "hybrid_cache_stats", "hybrid_cache_mrc"};
    for (size_t i = 0; i < sizeof modules / sizeof modules[0]; i++)
        sqlite3_create_module_v2(db, modules[i], NULL, NULL, NULL);
    hc_functions_unregister(db);
}

int sqlite3_hybridcache_init(sqlite3 *db, char **message, const sqlite3_api_routines *api) {
    (void)api;
#ifndef SQLITE_CORE
    /*
    ** Threads that load at the same time write the same address: under a mutex, and only the first time.
    ** A host built without threads has no mutexes.
    */
    sqlite3_mutex *mutex = api->mutex_alloc ? api->mutex_alloc(SQLITE_MUTEX_STATIC_APP1) : NULL;
    if (mutex)
        api->mutex_enter(mutex);
    if (sqlite3_api != api)
        SQLITE_EXTENSION_INIT2(api);
    if (mutex)
        api->mutex_leave(mutex);
#endif
    if (sqlite3_libversion_number() < HC_HOST_FLOOR) {
        if (message)
            *message = sqlite3_mprintf("hybrid_cache needs SQLite 3.31.0 or later, this is %s", sqlite3_libversion());
        return SQLITE_ERROR;
    }
    HcConnection *connection = hc_connection_acquire(db);
    if (!connection)
        return SQLITE_NOMEM;
    int rc = SQLITE_OK;
    if (!connection->registered) {
        rc = hc_module_register(connection);
        if (rc == SQLITE_OK)
            rc = hc_stats_table_register(connection);
        if (rc == SQLITE_OK)
            rc = hc_mrc_table_register(connection);
        if (rc == SQLITE_OK)
            rc = hc_functions_register(connection);
        if (rc == SQLITE_OK)
            connection->registered = 1;
        else
            unregister(db);
    }
    hc_connection_release(connection);
    return rc;
}
