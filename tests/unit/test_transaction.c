/*
** What a transaction notes, and what a rollback makes the L1 forget. The calls are those that SQLite makes; the numbers
** of the savepoints are its own, from 0 on, and -1 is a savepoint that is the transaction itself.
*/
#include "value.c"
#include "l1.c"
#include "eviction_lru.c"
#include "transaction.c"

#include "l1_tools.h"

static HcL1 new_l1(void) {
    HcL1 l1;
    hc_l1_init(&l1, &hc_eviction_lru, 4711);
    hc_l1_limit(&l1, 1000000, (sqlite3_int64)1 << 40);
    return l1;
}

/* A put, as the cache makes it: noted, forgotten, filled anew. */
static void write_number(HcTransaction *transaction, HcL1 *l1, int number, int version) {
    HcKey key;
    number_key(number, &key);
    uint32_t hash = hc_l1_hash(l1, &key);
    hc_transaction_note(transaction, hash);
    hc_l1_remove_hash(l1, hash);
    HcEntry *entry = new_entry(l1, number, version, 4);
    hc_l1_insert(l1, entry);
    hc_entry_release(entry);
}

/* The letters of the keys that are in the L1: A is key 0. */
static const char *cached(const HcL1 *l1) {
    static char letters[27];
    int n = 0;
    for (int i = 0; i < 26; i++) {
        if (find_number(l1, i))
            letters[n++] = (char)('A' + i);
    }
    letters[n] = 0;
    return letters;
}

/*
** A script of one transaction: a letter writes its key, "(2" is xSavepoint(2), ")2" xRelease(2), "<2" xRollbackTo(2)
** ("<-" is xRollbackTo(-1)), "!" rolls all back. At the end these keys have to be in the L1; the ones of `before` were.
*/
static void play(const char *before, const char *script, const char *after) {
    HcTransaction transaction;
    HcL1 l1 = new_l1();
    memset(&transaction, 0, sizeof transaction);
    for (; *before; before++)
        put_number(&l1, *before - 'A', 0, 4);
    hc_transaction_begin(&transaction);
    for (const char *at = script; *at; at++) {
        if (*at == '(')
            hc_transaction_savepoint(&transaction, *++at - '0');
        else if (*at == ')')
            hc_transaction_release(&transaction, *++at - '0');
        else if (*at == '<')
            hc_transaction_rollback_to(&transaction, at[1] == '-' ? -1 : at[1] - '0', &l1), at++;
        else if (*at == '!')
            hc_transaction_rollback(&transaction, &l1);
        else
            write_number(&transaction, &l1, *at - 'A', (int)(at - script) + 1);
    }
    if (!CHECK_TEXT(cached(&l1), after))
        printf("  after %s\n", script);
    sound(&l1);
    hc_transaction_end(&transaction);
    hc_l1_clear(&l1);
}

static void test_by_hand(void) {
    play("XY", "AB", "ABXY");
    play("XY", "AX!", "Y");
    play("XY", "A(0BX<0", "AY");         /* what was written since the savepoint */
    play("XY", "A(0B)0X<-", "Y");        /* the transaction's own savepoint */
    play("", "A(0B(1C(2D<1", "AB");      /* nested: to the middle one */
    play("", "A(0B(1C(2D<0", "A");       /* to the first */
    play("", "A(0B(1C)1D<0", "A");       /* what a release hands to its parent */
    play("", "A(0B(1C)1D<0E<0", "A");    /* twice to the same */
    play("", "A(0B<0C<0D", "AD");        /* it is still open after the first time */
    play("", "A(0B)0C(0D<0", "ABC");     /* a number that is used again */
    play("", "A(0B(1C)0D(0E<0", "ABCD"); /* a release takes the inner ones with it */
    play("", "(1A)1B<0", "");            /* savepoint 0 was open before the first write */
    play("", "(1A)1B(1C<1", "AB");       /* the same, and a new one in it */
    play("", "(1A<0B<0", "");            /* rolled back to without a release */
    play("", "(3A)3B)2C)1D<0", "");      /* three that were not seen */
    play("", "(3A)3B(3C)3D<2E", "E");    /* the frame of 3 passes to 2 */
    play("", "(2A(3B)2C(2D<1", "");      /* and goes further down with the next release */
    play("", "(0A(2B)2C<1", "A");        /* 1 was not seen, 0 was */
    play("", "(0A)0B!", "");             /* a released one, all rolled back */
    play("", "A(0<0B", "AB");            /* nothing to undo */
    play("", "A(0A<0", "");              /* one key on both sides of a savepoint */
    play("", "A(0A(1A<1", "");           /* on three */
    play("", "AB(0B(1)1A<0", "");        /* not in a row */
    play("", "A(0)0A(0A<0", "");         /* the last one counts, whatever was released */
    play("", "A(0(1A<1", "");            /* savepoints with nothing in between */
    play("", "A(0B(0<0", "A");           /* the number comes twice, with a write in between: see below */
    play("", "(0A(0B<0", "");            /* the first time counts */
    play("", "(0A(1B(1C<1", "A");
    play("", "(0A(1B(1C)1)1D<0", ""); /* both objects release */
    play("", "(0A(0B)0)0C", "ABC");
    play("", "(0A<0<0B<0<0", ""); /* both objects roll back */
    play("", "A(2B(1C<1", "AB"); /* the second object begins further out: what is deeper has ended */
    play("", "A(1B(2C(1D<1", "A");
}

/*
** The number comes twice when DDL in the middle of a transaction makes a second object of one cache: SQLite tells the
** new one, at its first write, of the savepoint that is open, which the old one has known for long.
**
**     BEGIN; INSERT INTO cache ...; SAVEPOINT s;            -- the first object: xSavepoint(0)
**     REPLACE INTO cache(key, value) VALUES('k', 11);
**     ALTER TABLE other RENAME TO other2;
**     REPLACE INTO cache(key, value) VALUES('y', 11);       -- the second: xBegin, xSavepoint(0)
**     ROLLBACK TO s;                                        -- 'k' has to be forgotten too
*/
static void test_second_object(void) {
    HcTransaction transaction;
    HcL1 l1 = new_l1();
    memset(&transaction, 0, sizeof transaction);
    hc_transaction_begin(&transaction);
    write_number(&transaction, &l1, 0, 1);
    hc_transaction_savepoint(&transaction, 0);
    write_number(&transaction, &l1, 1, 2);
    hc_transaction_savepoint(&transaction, 0);
    write_number(&transaction, &l1, 2, 3);
    CHECK_EQ(hc_transaction_rollback_to(&transaction, 0, &l1), 2);
    CHECK_TEXT(cached(&l1), "A");
    hc_transaction_end(&transaction);
    hc_l1_clear(&l1);
}

/* What was counted and read before a rollback is read again after it. */
static void test_state(void) {
    HcTransaction transaction;
    HcL1 l1 = new_l1();
    memset(&transaction, 0, sizeof transaction);
    hc_transaction_begin(&transaction);
    CHECK(transaction.open && !transaction.joined && !transaction.dirty && !transaction.synced);
    hc_transaction_savepoint(&transaction, 0);
    /* As after a write and another savepoint: the state was written, and is undone with the row that holds it. A
       commit must not take it for the one that was committed. */
    transaction.joined = transaction.dirty = transaction.synced = 1;
    CHECK_EQ(hc_transaction_rollback_to(&transaction, 0, &l1), 0);
    CHECK(transaction.open && !transaction.joined && !transaction.dirty);
    CHECK(!transaction.synced);
    transaction.joined = transaction.dirty = 1;
    write_number(&transaction, &l1, 1, 1);
    write_number(&transaction, &l1, 1, 2); /* one key in a row is noted once */
    write_number(&transaction, &l1, 2, 3);
    CHECK_EQ(hc_transaction_rollback(&transaction, &l1), 2);
    CHECK(!transaction.open && !transaction.joined && !transaction.journal);
    hc_transaction_end(&transaction); /* harmless */
    hc_l1_clear(&l1);
}

/* ---- limits */

static void test_overflow(void) {
    for (int more = 0; more <= 1; more++) {
        HcTransaction transaction;
        HcL1 l1 = new_l1();
        memset(&transaction, 0, sizeof transaction);
        put_number(&l1, 0, 0, 4);
        put_number(&l1, 1, 0, 4);
        hc_transaction_begin(&transaction);
        write_number(&transaction, &l1, 0, 1);
        hc_transaction_savepoint(&transaction, 0);
        for (uint32_t i = 1; i < JOURNAL_MOST + (uint32_t)more; i++)
            hc_transaction_note(&transaction, i << 8 | 1); /* none of these keys is cached */
        CHECK_EQ(transaction.journal_lost, more);
        hc_transaction_rollback_to(&transaction, 0, &l1);
        /* To the letter as long as all was noted; after that, everything goes. */
        CHECK_TEXT(cached(&l1), more ? "" : "AB");
        write_number(&transaction, &l1, 2, 2);
        put_number(&l1, 3, 0, 4);
        hc_transaction_rollback(&transaction, &l1);
        CHECK_TEXT(cached(&l1), more ? "" : "BD");
        hc_transaction_begin(&transaction); /* forgiven with the next transaction */
        put_number(&l1, 4, 0, 4);
        write_number(&transaction, &l1, 5, 3);
        CHECK_EQ(transaction.journal_lost, 0);
        hc_transaction_rollback(&transaction, &l1);
        CHECK(strchr(cached(&l1), 'E') != NULL && strchr(cached(&l1), 'F') == NULL);
        hc_l1_clear(&l1);
    }
}

/* Without memory a rollback may forget too much, never too little. */
static void test_no_memory(void) {
    for (long n = 0;; n++) {
        HcTransaction transaction;
        HcL1 l1 = new_l1();
        HcKey key;
        uint32_t hashes[200];
        memset(&transaction, 0, sizeof transaction);
        for (int i = 0; i < 200; i++) {
            put_number(&l1, i, 0, 4); /* stands for what is written below */
            number_key(i, &key);
            hashes[i] = hc_l1_hash(&l1, &key);
        }
        hc_transaction_begin(&transaction);
        unit_memory_fail(n, n % 2 == 0);
        for (int i = 0; i < 100; i++)
            hc_transaction_note(&transaction, hashes[i]);
        for (int savepoint = 0; savepoint < 20; savepoint++)
            hc_transaction_savepoint(&transaction, savepoint);
        for (int i = 100; i < 200; i++)
            hc_transaction_note(&transaction, hashes[i]);
        long refused = unit_memory_restore();
        hc_transaction_rollback_to(&transaction, 10, &l1);
        for (int i = 0; i < 200; i++)
            CHECK(i < 100 ? refused || find_number(&l1, i) != NULL : find_number(&l1, i) == NULL);
        hc_transaction_rollback(&transaction, &l1);
        CHECK_EQ(l1.count, 0);
        sound(&l1);
        hc_l1_clear(&l1);
        if (!refused)
            break;
    }
}

/* ---- random transactions, with the calls that SQLite makes */

enum { KEYS = 12, DEPTH = 6 };

/* One virtual-table object as SQLite sees it. */
typedef struct Object {
    int begun;
    int savepoint; /* one more than the highest number it was told, as sqlite3_vtab's own counter */
} Object;

typedef struct World {
    HcTransaction transaction;
    HcL1 l1;
    int truth[KEYS]; /* the version that L2 has */
    int committed[KEYS];
    int saved[DEPTH][KEYS]; /* when each savepoint was opened */
    int depth;
    Object objects[2];
    int now; /* the object that new statements use */
} World;

static void open_savepoint(World *world) {
    memcpy(world->saved[world->depth], world->truth, sizeof world->truth);
    for (int i = 0; i < 2; i++) {
        if (world->objects[i].begun) {
            hc_transaction_savepoint(&world->transaction, world->depth);
            world->objects[i].savepoint = world->depth + 1;
        }
    }
    world->depth++;
}

static void release(World *world, int savepoint) {
    for (int i = 0; i < 2; i++) {
        if (world->objects[i].begun && world->objects[i].savepoint > savepoint)
            hc_transaction_release(&world->transaction, savepoint);
    }
    world->depth = savepoint;
}

static void roll_back_to(World *world, int savepoint) {
    memcpy(world->truth, savepoint < 0 ? world->committed : world->saved[savepoint], sizeof world->truth);
    for (int i = 0; i < 2; i++) {
        if (world->objects[i].begun && world->objects[i].savepoint > savepoint)
            hc_transaction_rollback_to(&world->transaction, savepoint, &world->l1);
    }
    world->depth = savepoint + 1;
}

static void write_key(World *world, int number, int version) {
    Object *object = &world->objects[world->now];
    if (!object->begun) {
        object->begun = 1;
        if (!world->transaction.open)
            hc_transaction_begin(&world->transaction);
        if (world->depth > 0) {
            object->savepoint = world->depth;
            hc_transaction_savepoint(&world->transaction, world->depth - 1);
        }
    }
    write_number(&world->transaction, &world->l1, number, version);
    world->truth[number] = version;
}

static void finish(World *world, int commit) {
    if (commit) {
        memcpy(world->committed, world->truth, sizeof world->truth);
        hc_transaction_end(&world->transaction);
    } else {
        memcpy(world->truth, world->committed, sizeof world->truth);
        hc_transaction_rollback(&world->transaction, &world->l1);
    }
    world->depth = 0;
    memset(world->objects, 0, sizeof world->objects);
}

static void test_random(void) {
    for (int objects = 1; objects <= 2; objects++) {
        World world;
        char story[4096];
        size_t told = 0;
        memset(&world, 0, sizeof world);
        world.l1 = new_l1();
        for (int step = 1; step <= unit_rounds(100000); step++) {
            int what = unit_below(100), number = unit_below(KEYS);
            char event[32] = "";
            if (what < 40) {
                write_key(&world, number, step);
                sqlite3_snprintf(sizeof event, event, "write %d", number);
            } else if (what < 50) { /* a read that promotes */
                if (!find_number(&world.l1, number))
                    put_number(&world.l1, number, world.truth[number], 4);
            } else if (what < 65) {
                if (world.depth < DEPTH)
                    open_savepoint(&world), sqlite3_snprintf(sizeof event, event, "savepoint %d", world.depth - 1);
            } else if (what < 78) {
                if (world.depth) {
                    int savepoint = unit_below(world.depth);
                    release(&world, savepoint);
                    sqlite3_snprintf(sizeof event, event, "release %d", savepoint);
                }
            } else if (what < 92) {
                int savepoint = unit_below(world.depth + 1) - (unit_below(4) == 0);
                if (savepoint < world.depth) {
                    roll_back_to(&world, savepoint);
                    sqlite3_snprintf(sizeof event, event, "rollback to %d", savepoint);
                }
            } else if (what < 96) {
                world.now = unit_below(objects);
                sqlite3_snprintf(sizeof event, event, "object %d", world.now);
            } else {
                finish(&world, unit_below(2));
                told = 0;
            }
            if (*event && told < sizeof story - 64)
                told += strlen(sqlite3_snprintf((int)(sizeof story - told), story + told, "%s; ", event));
            story[told] = 0;
            for (int i = 0; i < KEYS; i++) {
                const HcEntry *entry = find_number(&world.l1, i);
                CHECK(!entry || entry_holds(entry, i, world.truth[i], 4));
            }
            if (unit.wrong) {
                printf("  the L1 is behind after: %s\n", story);
                break;
            }
        }
        finish(&world, 0);
        hc_l1_clear(&world.l1);
    }
}

int main(void) {
    unit_begin();
    RUN(test_by_hand);
    RUN(test_second_object);
    RUN(test_state);
    RUN(test_overflow);
    RUN(test_no_memory);
    RUN(test_random);
    return unit_end();
}
