/*
** coherence.h: may the L1 still speak? What must it forget?
**
** Two questions, two answers:
**
** 1. Has anything been committed to the file since the L1 was last compared with
**    it? Answered without a lock where that can be had (hc_coherence_fresh).
** 2. If so: which entries changed? Answered by the meta row, read in the
**    reader's own snapshot (hc_coherence_adopt). It holds, for each of 256
**    buckets of keys, the version of the last change. A bucket whose version is
**    not what it was takes its entries with it; all others stay. So a foreign
**    commit to another table costs one look at the meta row and no entry, and a
**    foreign put of one key about 1/256 of the L1.
**
** Versions are chained hashes of what was written, not counters: a file restored
** from a backup and written again reaches the same counter, but not the same
** hash. That makes old snapshots and restored files right by construction.
**
** Which signal moves when (measured, SQLite 3.40.1):
**
** | event                             | FCNTL_DATA_VERSION           | WAL-index header, change counter |
** |-----------------------------------|------------------------------|----------------------------------|
** | commit by another connection      | once we have a read transaction | at once                       |
** | own commit                        | yes                          | yes                              |
** | ROLLBACK, ROLLBACK TO             | no                           | no: hc_transaction_* forgets     |
** | inside an open snapshot           | no (right)                   | yes: not looked at there         |
** | backup onto this connection       | yes                          | yes                              |
*/
#ifndef HC_COHERENCE_H
#define HC_COHERENCE_H

#include "l2.h"

/* How question 1 is answered outside of a transaction. */
typedef enum HcSignal {
    HC_SIGNAL_UNKNOWN,  /* not asked yet */
    HC_SIGNAL_WALINDEX, /* the header of the WAL-index in shared memory: 60-80 ns */
    HC_SIGNAL_COUNTER,  /* the change counter in the file: 0.7 us */
    HC_SIGNAL_PRIVATE,  /* a database that only this process can change: FCNTL_DATA_VERSION */
    HC_SIGNAL_READ      /* an inner read, for VFSes that are not SQLite's own: 2.5 us */
} HcSignal;

/* sizeof(WalIndexHdr) in SQLite's wal.c, the first of two copies. */
#define HC_WALINDEX_WORDS 6
/* Bytes 16 to 39 of the file: read and write version, change counter, size, freelist. */
#define HC_HEADER_OFFSET 16
#define HC_HEADER_BYTES 24

typedef union HcToken {
    uint64_t words[HC_WALINDEX_WORDS];
    unsigned char bytes[HC_HEADER_BYTES];
} HcToken;

typedef struct HcCoherence {
    sqlite3 *db;
    const char *schema;  /* borrowed from the L2 */
    const char *control; /* the same for sqlite3_file_control(), which finds "main" faster as NULL */

    int known; /* 1 = what follows was read from the meta row */
    sqlite3_int64 store;
    uint64_t seed;    /* of the buckets */
    uint64_t outside; /* as HcMeta.outside */
    int tentative; /* 1 = `outside` has moved in the open write transaction: undone and moved again, it would look the same */
    int reloaded;  /* 1 = the schema was read anew since: the file may be a restored one */
    HcState state; /* as committed, when the L1 was last compared with it */

    unsigned data_version; /* FCNTL_DATA_VERSION that belongs to `state` */
    HcSignal signal;
    int token_known; /* 1 = `token` belongs to `state` */
    HcToken token;
    const sqlite3_file *file; /* that the token was read from: to be compared, never to be used */
    const sqlite3_io_methods *methods;
    sqlite3_file *journal; /* of the token: another one means that the WAL was closed or opened */
    int pending_known;     /* a token read before the validating read */
    HcToken pending;

    int changes; /* sqlite3_total_changes() when no write transaction was open */

    uint32_t moment;            /* rises whenever entries are found changed */
    uint32_t moved[HC_BUCKETS]; /* the moment at which the bucket last moved */
} HcCoherence;

void hc_coherence_init(HcCoherence *coherence, sqlite3 *db, const char *schema);
/* Forgets what it knows of files: they may be gone (DETACH, schema reload). */
void hc_coherence_unknow(HcCoherence *coherence);
/* What the L1 has was perhaps never committed: the next comparison empties it. */
void hc_coherence_forget(HcCoherence *coherence);
/* After a rollback, a connect, a commit that nobody vouches for: the next look compares again, whatever the signals say. */
void hc_coherence_doubt(HcCoherence *coherence);

/* Asked first at every look-up: 1 if the L1 must neither answer nor learn. `joined`: the cache takes part in the write. */
int hc_coherence_blind(HcCoherence *coherence, int joined);
/*
** 1 if nothing was committed since the last adopt. 0 = a validating read has to tell.
** `reading`: the caller's statement has a read transaction open.
*/
int hc_coherence_fresh(HcCoherence *coherence, int reading);

/* To be called before the first inner read of a look-up. */
void hc_coherence_before(HcCoherence *coherence);
/* With a read transaction open: 1 if the snapshot is the one that the L1 was compared with. */
int hc_coherence_same(HcCoherence *coherence);

typedef enum HcVerdict {
    HC_SAME,  /* nothing of this cache changed */
    HC_MOVED, /* some buckets did, entries of them are no longer current */
    HC_OTHER  /* another store, or no comparison possible: the L1 has to be emptied */
} HcVerdict;
/* With a read transaction open in which `meta` was read: from now on the L1 is compared with it. */
HcVerdict hc_coherence_adopt(HcCoherence *coherence, const HcMeta *meta);
/* In xCommit: `state` is what this connection has just committed. */
void hc_coherence_committed(HcCoherence *coherence, const HcState *state);

/* Is an entry of that bucket, known good at `stamp`, still good? */
static inline int hc_coherence_good(const HcCoherence *coherence, unsigned bucket, uint32_t stamp) {
    return stamp >= coherence->moved[bucket];
}

static inline unsigned hc_coherence_bucket(uint64_t hash) {
    return (unsigned)(hash >> 56);
}

#endif
