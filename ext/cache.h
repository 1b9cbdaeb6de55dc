/*
** cache.h: the two tiers as one. Only the files of the cache know both.
**
** How a key is read, step by step, and what each step can fail with:
**
**   1. L1 has it, and coherence says without a lock that nothing was committed
**      since: a hit. Cannot fail.
**   2. L1 has it, but something was committed: the meta row is read; if the key's
**      bucket did not move, a hit. An L2 failure here is a miss or an error.
**   3. L2 has it: the row is copied into an entry, the statement is reset, and
**      the entry is promoted. Out of memory for the promotion is "not cached".
**   4. Otherwise a miss. An expired or damaged entry is one.
**
** How a key is written, always inside xUpdate (so a write lock is held):
**
**   1. The first write of the transaction reads the meta row ("joins").
**   2. Conflicts and limits are checked, before anything is changed.
**   3. The row is written; a failure leaves nothing of it.
**   4. Counters, version and bucket of the transaction move; the key is noted.
**   5. L1 gets the new value, or forgets the key.
**   6. What was read since goes with it as use bits, a few expired rows are purged,
**      and L2 is brought within its limits.
*/
#ifndef HC_CACHE_H
#define HC_CACHE_H

#include "coherence.h"
#include "connection.h"
#include "l1.h"
#include "l2.h"
#include "mrc.h"
#include "options.h"
#include "stats.h"
#include "transaction.h"
#include "uses.h"

/* Rows that the purges to come look at first, see cache_purge.c. */
typedef struct HcLineup {
    sqlite3_int64 *ids;
    int count, next;
} HcLineup;

struct HcCache {
    HcConnection *connection;
    HcCache *next; /* of the connection's list */
    char *schema;
    char *name;
    int users;          /* virtual-table objects */
    int dropped;        /* the table is gone: freed when users and operations are */
    int busy;           /* operations under way, which xDisconnect must not pull the statements from */
    int in_transaction; /* of the application, when it was entered last, or a cursor moved on */
    HcL2 l2;
    HcL1 l1;
    HcCoherence coherence;
    HcTransaction transaction;
    HcOptions options;
    char *options_text; /* as in the meta row; NULL: not read yet */
    HcStats stats;
    HcMrc mrc;
    HcUses uses;
    HcLineup lineup;
    char *last_error;   /* of the last l2_error, NULL if there was none */
    double purge_after; /* Unix time before which no row is known to expire */
    int dirty_reads;    /* PRAGMA read_uncommitted is on: what L2 shows may never be committed */
    int purge_skips;    /* writes since that was last looked up */
};

/* What a look-up is for. */
typedef enum HcPurpose {
    HC_GET,   /* counts, is a use, promotes */
    HC_STALE, /* the same, and an entry that is expired less than `grace` ago counts as there */
    HC_PEEK   /* neither counts nor promotes */
} HcPurpose;

typedef struct HcLook {
    HcPurpose purpose;
    int reading;    /* 1 = the calling statement has a read transaction open: xFilter */
    double now;     /* Unix time */
    HcEntry *entry; /* out: a reference of the caller's, or NULL: not there */
    int tier;       /* out: 1 or 2 */
} HcLook;

/* What one INSERT or UPDATE asks for. */
enum { HC_SET_KEY = 1, HC_SET_VALUE = 2, HC_SET_DEADLINE = 4, HC_SET_TAG = 8 };
typedef struct HcWrite {
    HcKey key;
    HcValue value;
    HcValue tag; /* TEXT or NULL */
    double deadline;
    int replace; /* a live entry in the way is removed; otherwise it is SQLITE_CONSTRAINT_UNIQUE */
    double now;
} HcWrite;

int hc_cache_new(HcConnection *connection, const char *schema, const char *name, HcCache **cache);
void hc_cache_free(HcCache *cache);
/* The table is gone; frees now or later. */
void hc_cache_drop(HcCache *cache);

/*
** Brackets every operation: options and encoding are known inside, and the
** statements stay when a schema reload disconnects the virtual table meanwhile.
** *message is set where a failure has a text of its own: a newer format.
*/
int hc_cache_enter(HcCache *cache, char **message);
void hc_cache_leave(HcCache *cache);
/* A virtual-table object comes or goes. */
void hc_cache_connected(HcCache *cache);
void hc_cache_disconnected(HcCache *cache);

/* The limits of the L1 as the options say, and the connection's budget allows. */
void hc_cache_apply_limits(HcCache *cache);

double hc_cache_now(const HcCache *cache);
/* The time against which entries are judged live: never expired under clock=caller. */
double hc_cache_judge(const HcCache *cache, double now);
/* now + ttl, shortened by the jitter of the key. ttl 0 = never. */
double hc_cache_deadline(const HcCache *cache, const HcKey *key, double now, double ttl);
/* Seconds left as SQL shows them: 0 = never expires. */
double hc_cache_ttl_left(double deadline, double now);

/*
** SQLITE_OK with look->entry, or an L2 failure. Entries are judged live as of `judge`: the
** functions say look->now, the table hc_cache_judge(), which differs under clock=caller.
*/
int hc_cache_look(HcCache *cache, const HcKey *key, double judge, HcLook *look);

/*
** The writes. *message is set where the failure has a text of its own. Each is
** whole or nothing as far as the entry is concerned.
*/
int hc_cache_insert(HcCache *cache, const HcWrite *write, char **message);
int hc_cache_update(HcCache *cache, const HcKey *key, const HcWrite *write, int set, char **message);
int hc_cache_delete(HcCache *cache, const HcKey *key, double now, char **message);
/* Removes rows that expired at or before `until`, at most `limit` of them; *removed counts. */
int hc_cache_purge(HcCache *cache, double until, sqlite3_int64 limit, sqlite3_int64 *removed, char **message);
int hc_cache_clear(HcCache *cache, char **message);
/* Makes the new options hold, limits at once. */
int hc_cache_set_options(HcCache *cache, const HcOptions *options, char **message);
/* Reads a row of the entry for an UPDATE FROM to compare with; SQLITE_NOTFOUND, or the row with its statement open. */
int hc_cache_row(HcCache *cache, const HcKey *key, HcRow *row);
void hc_cache_row_close(HcCache *cache);
/* The first write of a transaction: afterwards cache->transaction.state is current. */
int hc_cache_join(HcCache *cache, char **message);

/* Transactions, from the virtual table. */
int hc_cache_sync(HcCache *cache);
void hc_cache_commit(HcCache *cache);
int hc_cache_savepoint(HcCache *cache, int savepoint);
void hc_cache_rollback_to(HcCache *cache, int savepoint);
void hc_cache_rollback(HcCache *cache);

/* The counters of L2 as this connection sees them now; from memory where L2 cannot be read. */
void hc_cache_l2_counters(HcCache *cache, sqlite3_int64 *entries, sqlite3_int64 *bytes);

/*
** A failure of L2 that must not fail the statement is counted and logged: 1 =
** go on without L2. Look-up functions always go on, tables under on_error=degrade;
** but nobody, if it has ended the transaction that was open at hc_cache_enter().
*/
int hc_cache_tolerates(HcCache *cache, int rc, int always);
int hc_cache_lost_transaction(const HcCache *cache);
/* The text of a failure. Free with sqlite3_free. */
char *hc_cache_message(HcCache *cache, int rc);

#endif
