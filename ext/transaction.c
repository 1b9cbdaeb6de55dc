/*
** transaction.c: what the open write transaction of one cache has done so far.
*/
#include "transaction.h"

/* A transaction that writes more keys than this forgets the whole L1 when it is rolled back. */
#define JOURNAL_MOST (1u << 16)

void hc_transaction_begin(HcTransaction *transaction) {
    transaction->open = 1;
    transaction->joined = transaction->dirty = transaction->synced = 0;
    transaction->written = transaction->unguarded = transaction->unsaved = 0;
    transaction->frame_count = 0;
    transaction->journal_count = 0;
    transaction->journal_lost = 0;
}

void hc_transaction_end(HcTransaction *transaction) {
    sqlite3_free(transaction->frames);
    sqlite3_free(transaction->journal);
    memset(transaction, 0, sizeof *transaction);
}

void hc_transaction_note(HcTransaction *transaction, uint32_t hash) {
    if (!transaction->open)
        return;
    /* Noted already, since the last savepoint: one write after it has to be undone without the one before. */
    size_t since = transaction->frame_count ? transaction->frames[transaction->frame_count - 1].journal_count : 0;
    if (transaction->journal_count > since && transaction->journal[transaction->journal_count - 1] == hash)
        return;
    if (transaction->journal_count == transaction->journal_room) {
        size_t room = transaction->journal_room ? transaction->journal_room * 2 : 64;
        uint32_t *journal =
            room > JOURNAL_MOST ? NULL : sqlite3_realloc64(transaction->journal, room * sizeof *transaction->journal);
        if (!journal) {
            transaction->journal_lost = 1;
            return;
        }
        transaction->journal = journal;
        transaction->journal_room = room;
    }
    transaction->journal[transaction->journal_count++] = hash;
}

/* The number of frames below a savepoint. */
static int frames_below(const HcTransaction *transaction, int savepoint) {
    int at = transaction->frame_count;
    while (at > 0 && transaction->frames[at - 1].savepoint >= savepoint)
        at--;
    return at;
}

/*
** Two virtual-table objects of one cache can take part in one transaction (DDL
** in the middle makes a second one), so a number may come twice: the first one counts.
*/
void hc_transaction_savepoint(HcTransaction *transaction, int savepoint) {
    int at = frames_below(transaction, savepoint);
    if (at < transaction->frame_count && transaction->frames[at].savepoint == savepoint)
        return;
    if (at == transaction->frame_room) {
        int room = transaction->frame_room ? transaction->frame_room * 2 : 8;
        HcFrame *frames = sqlite3_realloc64(transaction->frames, (sqlite3_uint64)room * sizeof *frames);
        if (!frames) {
            transaction->journal_lost = 1;
            return;
        }
        transaction->frames = frames;
        transaction->frame_room = room;
    }
    transaction->frames[at].savepoint = savepoint;
    transaction->frames[at].journal_count = transaction->journal_count;
    transaction->frame_count = at + 1;
}

/*
** xSavepoint is not called for savepoints that were open before the first write:
**
**     BEGIN; SAVEPOINT a; SAVEPOINT b; INSERT INTO cache ...; RELEASE b; ROLLBACK TO a;
**
** calls xSavepoint(b), xRelease(b), xRollbackTo(a). So a frame whose enclosing
** savepoint was not seen passes to that one.
*/
void hc_transaction_release(HcTransaction *transaction, int savepoint) {
    int at = frames_below(transaction, savepoint);
    if (at == transaction->frame_count)
        return;
    transaction->frame_count = at;
    if (savepoint > 0 && (at == 0 || transaction->frames[at - 1].savepoint < savepoint - 1)) {
        transaction->frames[at].savepoint = savepoint - 1;
        transaction->frame_count = at + 1;
    }
}

static sqlite3_int64 forget(HcTransaction *transaction, size_t from, HcL1 *l1) {
    sqlite3_int64 forgotten = 0;
    if (transaction->journal_lost)
        forgotten = hc_l1_clear(l1);
    while (transaction->journal_count > from) {
        hc_l1_remove_hash(l1, transaction->journal[--transaction->journal_count]);
        forgotten++;
    }
    return forgotten;
}

/*
** For the same reason the number may be one that was never seen: the oldest frame
** at or above it tells how long the journal was. It stays, under that number,
** since the savepoint does. A savepoint that is the transaction has the number -1:
**
**     SAVEPOINT a; INSERT INTO cache ...; ROLLBACK TO a;  -- all is undone, `a` stays open
*/
sqlite3_int64 hc_transaction_rollback_to(HcTransaction *transaction, int savepoint, HcL1 *l1) {
    size_t from = transaction->journal_count;
    int at = frames_below(transaction, savepoint);
    if (transaction->unsaved && transaction->unsaved == savepoint + 1) {
        /* xSavepoint failed: nothing was written since, and what is in `state` is still to be. */
        transaction->unsaved = 0;
        return 0;
    }
    if (savepoint < 0) {
        from = 0;
        transaction->frame_count = 0;
    } else if (at < transaction->frame_count) {
        from = transaction->frames[at].journal_count;
        transaction->frames[at].savepoint = savepoint;
        transaction->frame_count = at + 1;
    }
    /* `state` may hold what was undone: xCommit must not take it for what is committed. */
    transaction->joined = transaction->dirty = transaction->synced = 0;
    return forget(transaction, from, l1);
}

sqlite3_int64 hc_transaction_forget(HcTransaction *transaction, HcL1 *l1) {
    return forget(transaction, 0, l1);
}

sqlite3_int64 hc_transaction_rollback(HcTransaction *transaction, HcL1 *l1) {
    sqlite3_int64 forgotten = forget(transaction, 0, l1);
    hc_transaction_end(transaction);
    return forgotten;
}
