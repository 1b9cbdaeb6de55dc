/*
** transaction.h: what the open write transaction of one cache has done so far.
**
** The meta row is written when a savepoint is opened and when the transaction
** commits; between, its next contents live here. So a rollback needs no copies of
** them: SQLite restores the row, and the next write reads it again.
**
** The L1 is written through, and undo is forgetting: a journal holds the hashes of
** the keys that were written, and a rollback drops them from the L1. L2 then
** answers.
*/
#ifndef HC_TRANSACTION_H
#define HC_TRANSACTION_H

#include "l1.h"
#include "l2.h"

/* A savepoint that was seen: its number, and how long the journal was. */
typedef struct HcFrame {
    int savepoint;
    size_t journal_count;
} HcFrame;

typedef struct HcTransaction {
    int open;      /* xBegin came, neither xCommit nor xRollback yet */
    int joined;    /* `state` was read from the meta row in this transaction */
    int dirty;     /* `state` differs from the meta row */
    int synced;    /* it was written: xCommit makes `state` the committed one */
    int written;   /* `state` or an earlier one was written, even if that was undone since */
    int unsaved;   /* a savepoint's number + 1: it was refused, since `state` could not be written */
    int unguarded; /* the table was created in it: no xRollbackTo will tell when it is undone */
    HcState state;
    uint64_t counted; /* HcL2.changes that are in `state` */
    unsigned others;  /* hc_tally_others() when the L1 was last compared with the meta row */

    HcFrame *frames; /* by rising number */
    int frame_count;
    int frame_room;

    uint32_t *journal; /* L1 hashes of the keys written */
    size_t journal_count;
    size_t journal_room;
    int journal_lost; /* something could not be noted: a rollback forgets the whole L1 */
} HcTransaction;

void hc_transaction_begin(HcTransaction *transaction);
/* The transaction is over. Frees everything. */
void hc_transaction_end(HcTransaction *transaction);

/* Notes that the key of this hash is about to be written. */
void hc_transaction_note(HcTransaction *transaction, uint32_t hash);
void hc_transaction_savepoint(HcTransaction *transaction, int savepoint);
void hc_transaction_release(HcTransaction *transaction, int savepoint);

/* Each returns how many writes the L1 forgot. */
sqlite3_int64 hc_transaction_rollback_to(HcTransaction *transaction, int savepoint, HcL1 *l1);
sqlite3_int64 hc_transaction_rollback(HcTransaction *transaction, HcL1 *l1);
/* Drops from the L1 what was written since the transaction began; it goes on. */
sqlite3_int64 hc_transaction_forget(HcTransaction *transaction, HcL1 *l1);

#endif
