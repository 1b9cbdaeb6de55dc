/*
** host.h: the SQLite that this code runs inside.
**
** Every unit includes this instead of sqlite3ext.h. A header newer than the
** host reads past the end of the host's routine table, so whatever is younger
** than the floor is asked for by hc_host_has() first.
*/
#ifndef HC_HOST_H
#define HC_HOST_H

#include <sqlite3ext.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
SQLITE_EXTENSION_INIT3

/* The oldest host: SQLITE_INNOCUOUS and SQLITE_DIRECTONLY came with it. */
#define HC_HOST_FLOOR 3031000

/* sqlite3_txn_state() */
#define HC_HOST_TXN_STATE 3034000
/* sqlite3_db_name() */
#define HC_HOST_DB_NAME 3039000
/* From here on a connection in defensive mode takes a schema with triggers on shadow tables for malformed. */
#define HC_HOST_NO_SHADOW_TRIGGERS 3044000
/* sqlite3_is_interrupted() */
#define HC_HOST_INTERRUPT 3041000

static inline int hc_host_has(int version) {
    return sqlite3_libversion_number() >= version;
}

/*
** One lock for what the connections of the process share: a static mutex of SQLite.
** A host built without threads (SQLITE_THREADSAFE=0) has no such routines.
*/
#if defined(SQLITE_CORE) && defined(SQLITE_THREADSAFE) && SQLITE_THREADSAFE == 0
static inline void hc_host_lock(void) {}
static inline void hc_host_unlock(void) {}
#else
#ifdef SQLITE_CORE
#define HC_HOST_HAS_MUTEX 1
#else
#define HC_HOST_HAS_MUTEX (sqlite3_api->mutex_alloc != NULL)
#endif
static inline void hc_host_lock(void) {
    if (HC_HOST_HAS_MUTEX)
        sqlite3_mutex_enter(sqlite3_mutex_alloc(SQLITE_MUTEX_STATIC_APP1));
}
static inline void hc_host_unlock(void) {
    if (HC_HOST_HAS_MUTEX)
        sqlite3_mutex_leave(sqlite3_mutex_alloc(SQLITE_MUTEX_STATIC_APP1));
}
#endif

/*
** The state of the transaction on one schema: -1 where the host cannot tell,
** else SQLITE_TXN_NONE, _READ or _WRITE (0, 1, 2).
*/
static inline int hc_host_txn_state(sqlite3 *db, const char *schema) {
#if SQLITE_VERSION_NUMBER >= HC_HOST_TXN_STATE
    if (hc_host_has(HC_HOST_TXN_STATE))
        return sqlite3_txn_state(db, schema);
#endif
    (void)db;
    (void)schema;
    return -1;
}

/*
** An I/O error in a statement of ours makes SQLite end the whole transaction of the application, which must not go
** on as if it were still there, whatever else a failure may be taken for.
*/
static inline int hc_host_lost_transaction(sqlite3 *db, int was_open) {
    return was_open && sqlite3_get_autocommit(db);
}

/* Is a statement that may write being stepped? */
static inline int hc_host_statement_writing(sqlite3 *db) {
    for (sqlite3_stmt *stmt = sqlite3_next_stmt(db, NULL); stmt; stmt = sqlite3_next_stmt(db, stmt)) {
        if (sqlite3_stmt_busy(stmt) && !sqlite3_stmt_readonly(stmt))
            return 1;
    }
    return 0;
}

/*
** The same for a statement that is a transaction by itself: it goes on, reports its rows, and none of them is there.
** (A host before 3.34 does not say.)
**
**     INSERT INTO app SELECT i FROM n WHERE hybrid_cache_has('cache', i);  -- an I/O error at the last of them
**
** Others that may write can be left half-way without having begun to: PRAGMA wal_checkpoint, EXPLAIN DELETE ...
*/
static inline int hc_host_lost_statement(sqlite3 *db) {
    int state = sqlite3_get_autocommit(db) ? hc_host_txn_state(db, NULL) : -1;
    if (state != 0 && state != 1)
        return 0;
    for (sqlite3_stmt *stmt = sqlite3_next_stmt(db, NULL); stmt; stmt = sqlite3_next_stmt(db, stmt)) {
        const char *sql = sqlite3_sql(stmt);
        if (sqlite3_stmt_busy(stmt) && !sqlite3_stmt_readonly(stmt) && !sqlite3_stmt_isexplain(stmt) &&
            (!sql || sqlite3_strnicmp(sql + strspn(sql, " \t\r\n\f"), "PRAGMA", 6) != 0))
            return 1;
    }
    return 0;
}

/*
** Was anything done on this connection since the statement was prepared that makes
** names or settings mean something else: DDL, ATTACH, DETACH, a PRAGMA that sets a
** flag? SQLite marks every prepared statement then. 0 where the host was built
** without its deprecated routines (hc_host_tells_expired() == 0): it cannot tell.
*/
static inline int hc_host_tells_expired(void) {
#if defined(SQLITE_CORE) && defined(SQLITE_OMIT_DEPRECATED)
    return 0;
#elif defined(SQLITE_CORE)
    return 1;
#else
    return sqlite3_api->expired != NULL;
#endif
}

static inline int hc_host_expired(sqlite3_stmt *stmt) {
#if !defined(SQLITE_CORE) || !defined(SQLITE_OMIT_DEPRECATED)
    if (hc_host_tells_expired())
        return sqlite3_expired(stmt);
#endif
    (void)stmt;
    return 0;
}

/* The name of the i-th database; NULL past the last, and on hosts that cannot tell. */
static inline const char *hc_host_db_name(sqlite3 *db, int i) {
#if SQLITE_VERSION_NUMBER >= HC_HOST_DB_NAME
    if (hc_host_has(HC_HOST_DB_NAME))
        return sqlite3_db_name(db, i);
#endif
    (void)db;
    (void)i;
    return NULL;
}

/* True if sqlite3_interrupt() was called: the long loops ask between rows. */
static inline int hc_host_interrupted(sqlite3 *db) {
#if SQLITE_VERSION_NUMBER >= HC_HOST_INTERRUPT
    if (hc_host_has(HC_HOST_INTERRUPT))
        return sqlite3_is_interrupted(db);
#endif
    (void)db;
    return 0;
}

#endif
