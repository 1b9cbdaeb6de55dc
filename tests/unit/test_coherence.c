/*
** May the L1 still speak? The verdicts of hc_coherence_adopt() on states made up here, and hc_coherence_fresh() on real
** files with several connections: it may doubt too often, it may never trust too much.
*/
#define _GNU_SOURCE /* mkdtemp */
#include "value.c"
#include "l2.c"
#include "l2_schema.c"
#include "coherence.c"

#include "unit.h"

#include <unistd.h>

static HcTally tally;

/* ---- verdicts */

static HcMeta some_meta(void) {
    HcMeta meta;
    memset(&meta, 0, sizeof meta);
    meta.store = 11;
    meta.seed = 22;
    meta.options = "";
    meta.state.version = 33;
    for (int i = 0; i < HC_BUCKETS; i++)
        meta.state.bucket[i] = (uint64_t)i;
    return meta;
}

static void move_bucket(HcMeta *meta, int bucket) {
    meta->state.version = hc_mix(meta->state.version, (uint64_t)bucket);
    meta->state.bucket[bucket] = meta->state.version;
}

static int good_buckets(const HcCoherence *coherence, uint32_t stamp) {
    int good = 0;
    for (unsigned i = 0; i < HC_BUCKETS; i++)
        good += hc_coherence_good(coherence, i, stamp);
    return good;
}

static void test_verdicts(void) {
    HcCoherence coherence;
    sqlite3 *db = unit_open(":memory:");
    HcMeta meta = some_meta(), other;
    hc_coherence_init(&coherence, db, "main");
    CHECK_EQ(hc_coherence_blind(&coherence, 0), 0);
    CHECK_EQ(hc_coherence_fresh(&coherence, 0), 0);
    CHECK_EQ(hc_coherence_same(&coherence), 0);
    CHECK_EQ(hc_coherence_adopt(&coherence, &meta), HC_OTHER); /* nothing to compare with */
    CHECK_EQ(hc_coherence_adopt(&coherence, &meta), HC_SAME);
    uint32_t first = coherence.moment;
    CHECK_EQ(good_buckets(&coherence, first), HC_BUCKETS);

    /* Counters alone are no change of any entry. */
    meta.state.entries++;
    meta.state.hand++;
    CHECK_EQ(hc_coherence_adopt(&coherence, &meta), HC_SAME);
    CHECK_EQ(coherence.state.entries, 1);

    /* One bucket moves: what was filled before is out of date in that one. */
    move_bucket(&meta, 5);
    CHECK_EQ(hc_coherence_adopt(&coherence, &meta), HC_MOVED);
    uint32_t second = coherence.moment;
    CHECK(second > first);
    CHECK_EQ(good_buckets(&coherence, first), HC_BUCKETS - 1);
    CHECK(!hc_coherence_good(&coherence, 5, first));
    CHECK_EQ(good_buckets(&coherence, second), HC_BUCKETS);

    /* Several at once, the first and the last of them too. */
    move_bucket(&meta, 0);
    move_bucket(&meta, 5);
    move_bucket(&meta, HC_BUCKETS - 1);
    CHECK_EQ(hc_coherence_adopt(&coherence, &meta), HC_MOVED);
    CHECK_EQ(good_buckets(&coherence, second), HC_BUCKETS - 3);
    CHECK_EQ(good_buckets(&coherence, first), HC_BUCKETS - 3);
    CHECK_EQ(good_buckets(&coherence, coherence.moment), HC_BUCKETS);

    /* An old snapshot is a change as well, and so is the way back. */
    HcMeta now = meta, old = some_meta();
    CHECK_EQ(hc_coherence_adopt(&coherence, &old), HC_MOVED);
    uint32_t third = coherence.moment;
    CHECK_EQ(hc_coherence_adopt(&coherence, &now), HC_MOVED);
    CHECK_EQ(good_buckets(&coherence, third), HC_BUCKETS - 3);

    /* What this connection committed itself is no change. */
    move_bucket(&meta, 9);
    hc_coherence_committed(&coherence, &meta.state);
    CHECK_EQ(hc_coherence_adopt(&coherence, &meta), HC_SAME);

    /* Dropped and created anew, or restored from elsewhere. */
    other = meta;
    other.store++;
    CHECK_EQ(hc_coherence_adopt(&coherence, &other), HC_OTHER);
    CHECK_EQ(hc_coherence_adopt(&coherence, &other), HC_SAME);
    other.seed++;
    CHECK_EQ(hc_coherence_adopt(&coherence, &other), HC_OTHER);
    CHECK_EQ(good_buckets(&coherence, coherence.moment), HC_BUCKETS);

    /* Files may have gone, the state is still known. */
    hc_coherence_unknow(&coherence);
    CHECK_EQ(hc_coherence_fresh(&coherence, 0), 0);
    CHECK_EQ(hc_coherence_adopt(&coherence, &other), HC_SAME);
    sqlite3_close(db);
}

/* A stamp has 32 bits. Before they run out everything is dropped once, and counting begins anew. */
static void test_moment_wraps(void) {
    HcCoherence coherence;
    sqlite3 *db = unit_open(":memory:");
    HcMeta meta = some_meta();
    int dropped = 0;
    hc_coherence_init(&coherence, db, "main");
    hc_coherence_adopt(&coherence, &meta);
    coherence.moment = LAST_MOMENT - 3;
    for (int i = 0; i < 10; i++) {
        uint32_t before = coherence.moment;
        move_bucket(&meta, i);
        HcVerdict verdict = hc_coherence_adopt(&coherence, &meta);
        CHECK(verdict == HC_MOVED || verdict == HC_OTHER);
        if (verdict == HC_MOVED) {
            CHECK(coherence.moment == before + 1);
            CHECK(!hc_coherence_good(&coherence, (unsigned)i, before));
        } else {
            CHECK(before >= LAST_MOMENT);
            dropped++;
        }
        CHECK_EQ(good_buckets(&coherence, coherence.moment), HC_BUCKETS);
    }
    CHECK_EQ(dropped, 1);
    CHECK(coherence.moment < 10);
    sqlite3_close(db);
}

static void test_buckets(void) {
    CHECK_EQ(hc_coherence_bucket(0), 0);
    CHECK_EQ(hc_coherence_bucket(UINT64_MAX), HC_BUCKETS - 1);
    CHECK_EQ(hc_coherence_bucket((uint64_t)1 << 56), 1);
}

/* ---- files */

static char directory[512], file[600];

static void make_directory(void) {
    const char *temporary = getenv("TMPDIR");
    sqlite3_snprintf(sizeof directory, directory, "%s/hc_coherence_XXXXXX",
                     temporary && *temporary ? temporary : "/tmp");
    if (!mkdtemp(directory)) {
        perror(directory);
        exit(2);
    }
    sqlite3_snprintf(sizeof file, file, "%s/test.db", directory);
}

static void remove_files(void) {
    static const char *const suffixes[] = {"", "-journal", "-wal", "-shm"};
    for (int i = 0; i < 4; i++) {
        char name[640];
        sqlite3_snprintf(sizeof name, name, "%s%s", file, suffixes[i]);
        unlink(name);
    }
}

/* A connection and what it knows of the cache c. */
typedef struct Side {
    sqlite3 *db;
    HcL2 l2;
    HcCoherence coherence;
    int in_transaction; /* for the random events */
    int wrote;          /* in the open transaction: `state`, which the L1 has by write-through */
    HcState state;
} Side;

static void open_side(Side *side, const char *name) {
    memset(side, 0, sizeof *side);
    side->db = unit_open(name);
    CHECK_EQ(hc_l2_init(&side->l2, side->db, &tally, "main", "c"), SQLITE_OK);
    hc_coherence_init(&side->coherence, side->db, side->l2.schema);
}

static void close_side(Side *side) {
    hc_l2_free(&side->l2);
    CHECK_EQ(sqlite3_close(side->db), SQLITE_OK);
}

static void create(Side *side, const char *journal_mode) {
    char sql[64], *message = NULL;
    sqlite3_snprintf(sizeof sql, sql, "PRAGMA journal_mode = %s", journal_mode);
    unit_exec(side->db, sql);
    unit_exec(side->db, "PRAGMA synchronous = OFF; CREATE TABLE other(x)");
    CHECK_EQ(hc_l2_create(&side->l2, "ttl=300", 1, &message), SQLITE_OK);
}

/* A validating read. SQLITE_BUSY is possible where somebody writes. */
static int try_look(Side *side, HcVerdict *verdict) {
    HcMeta meta;
    char *message = NULL;
    hc_coherence_before(&side->coherence);
    int rc = hc_l2_meta(&side->l2, &meta, &message);
    if (rc == SQLITE_OK)
        *verdict = hc_coherence_adopt(&side->coherence, &meta);
    hc_l2_close(&side->l2, HC_L2_META);
    return rc;
}

static HcVerdict look(Side *side) {
    HcVerdict verdict = HC_OTHER;
    CHECK_EQ(try_look(side, &verdict), SQLITE_OK);
    return verdict;
}

/* May the L1 answer? Asked as a look-up asks. */
static int fresh(Side *side) {
    return !hc_coherence_blind(&side->coherence, side->wrote) && hc_coherence_fresh(&side->coherence, 0);
}

/* A change of one key's bucket, as xSync writes it. */
static HcState write_bucket(Side *side, int bucket, uint64_t what) {
    HcMeta meta;
    char *message = NULL;
    memset(&meta, 0, sizeof meta);
    CHECK_EQ(hc_l2_meta(&side->l2, &meta, &message), SQLITE_OK);
    hc_l2_close(&side->l2, HC_L2_META);
    meta.state.version = hc_mix(meta.state.version, what);
    meta.state.bucket[bucket] = meta.state.version;
    CHECK_EQ(hc_l2_write_state(&side->l2, &meta.state), SQLITE_OK);
    return meta.state;
}

/* Both journals: what a reader may trust, event by event. */
static void follow(const char *journal_mode) {
    int wal = strcmp(journal_mode, "WAL") == 0;
    Side a, b;
    remove_files();
    open_side(&a, file);
    open_side(&b, file);
    create(&a, journal_mode);

    CHECK_EQ(fresh(&b), 0);
    CHECK_EQ(look(&b), HC_OTHER);
    look(&b); /* in WAL mode the first look only finds out how to look */
    CHECK_EQ(b.coherence.signal, wal ? HC_SIGNAL_WALINDEX : HC_SIGNAL_COUNTER);
    CHECK_EQ(fresh(&b), 1);
    CHECK_EQ(fresh(&b), 1);

    /* Another table: doubt, one look, trust again. */
    unit_exec(a.db, "INSERT INTO other VALUES(1)");
    CHECK_EQ(fresh(&b), 0);
    CHECK_EQ(fresh(&b), 0); /* asking is not looking */
    CHECK_EQ(look(&b), HC_SAME);
    CHECK_EQ(fresh(&b), 1);

    /* One key of the cache. */
    write_bucket(&a, 3, 1);
    CHECK_EQ(fresh(&b), 0);
    CHECK_EQ(look(&b), HC_MOVED);
    CHECK_EQ(fresh(&b), 1);

    /* Begun and not committed, or rolled back, is nothing that others see. */
    unit_exec(a.db, "BEGIN IMMEDIATE");
    write_bucket(&a, 4, 2);
    CHECK_EQ(fresh(&b), 1);
    unit_exec(a.db, "ROLLBACK");
    CHECK_EQ(fresh(&b), 1);
    CHECK_EQ(look(&b), HC_SAME);

    /* An own commit: somebody else's may hide behind it, so the first look comes after it. */
    unit_exec(b.db, "BEGIN IMMEDIATE");
    CHECK_EQ(fresh(&b), 1); /* the snapshot is the one that was looked at */
    HcState state = write_bucket(&b, 5, 3);
    b.wrote = 1;
    CHECK_EQ(fresh(&b), 1);
    unit_exec(b.db, "COMMIT");
    b.wrote = 0;
    hc_coherence_committed(&b.coherence, &state);
    CHECK_EQ(fresh(&b), 0);
    CHECK_EQ(look(&b), HC_SAME);
    CHECK_EQ(fresh(&b), 1);
    unit_exec(b.db, "INSERT INTO other VALUES(2)"); /* one that does not concern the cache */
    CHECK_EQ(fresh(&b), 0);
    CHECK_EQ(look(&b), HC_SAME);
    CHECK_EQ(fresh(&b), 1);

    /* A transaction: its first read opens the snapshot, nothing moves after that. */
    unit_exec(b.db, "BEGIN");
    CHECK_EQ(fresh(&b), 0);
    CHECK_EQ(look(&b), HC_SAME);
    CHECK_EQ(fresh(&b), 1);
    if (wal) {
        write_bucket(&a, 6, 4);
        CHECK_EQ(fresh(&b), 1);
        CHECK_EQ(look(&b), HC_SAME);
        unit_exec(b.db, "COMMIT");
        CHECK_EQ(fresh(&b), 0);
        CHECK_EQ(look(&b), HC_MOVED);
    } else {
        unit_exec(b.db, "COMMIT");
    }
    CHECK_EQ(look(&b), HC_SAME);
    CHECK_EQ(fresh(&b), 1);

    /* A transaction that begins after a foreign commit. */
    write_bucket(&a, 7, 5);
    unit_exec(b.db, "BEGIN; SELECT count(*) FROM other");
    CHECK_EQ(fresh(&b), 0);
    CHECK_EQ(look(&b), HC_MOVED);
    CHECK_EQ(fresh(&b), 1);
    unit_exec(b.db, "COMMIT");

    /* Rollback: the next look decides. */
    look(&b);
    CHECK_EQ(fresh(&b), 1);
    hc_coherence_doubt(&b.coherence);
    CHECK_EQ(fresh(&b), 0);
    CHECK_EQ(look(&b), HC_SAME);
    CHECK_EQ(fresh(&b), 1);
    unit_exec(b.db, "BEGIN; SELECT count(*) FROM other");
    look(&b);
    hc_coherence_doubt(&b.coherence);
    CHECK_EQ(fresh(&b), 0);
    unit_exec(b.db, "COMMIT");

    /* Reloaded: everything is asked anew. */
    hc_coherence_unknow(&b.coherence);
    CHECK_EQ(fresh(&b), 0);
    look(&b);
    look(&b);
    CHECK_EQ(fresh(&b), 1);

    /* A commit between the question and the answer must not be missed. */
    HcMeta meta;
    char *message = NULL;
    hc_coherence_before(&b.coherence);
    write_bucket(&a, 8, 6);
    CHECK_EQ(hc_l2_meta(&b.l2, &meta, &message), SQLITE_OK);
    if (wal) {
        write_bucket(&a, 9, 7); /* the snapshot is open: this one is not in it */
        CHECK_EQ(hc_coherence_adopt(&b.coherence, &meta), HC_MOVED);
        hc_l2_close(&b.l2, HC_L2_META);
        CHECK_EQ(fresh(&b), 0);
        CHECK_EQ(look(&b), HC_MOVED);
    } else {
        CHECK_EQ(hc_coherence_adopt(&b.coherence, &meta), HC_MOVED);
        hc_l2_close(&b.l2, HC_L2_META);
    }
    CHECK_EQ(fresh(&b), 1);

    /* A checkpoint changes no entry; trust may be lost by it, but comes back. */
    if (wal) {
        unit_exec(a.db, "PRAGMA wal_checkpoint(TRUNCATE)");
        look(&b);
        CHECK_EQ(look(&b), HC_SAME);
        CHECK_EQ(fresh(&b), 1);
        write_bucket(&a, 10, 8);
        CHECK_EQ(fresh(&b), 0);
        look(&b);
    }

    /* The other journal, and what is committed in it. */
    close_side(&a);
    unit_exec(b.db, wal ? "PRAGMA journal_mode = DELETE" : "PRAGMA journal_mode = WAL");
    open_side(&a, file);
    write_bucket(&a, 11, 9);
    CHECK_EQ(fresh(&b), 0);
    CHECK_EQ(look(&b), HC_MOVED);
    look(&b);
    look(&b);
    CHECK_EQ(fresh(&b), 1);
    CHECK_EQ(b.coherence.signal, wal ? HC_SIGNAL_COUNTER : HC_SIGNAL_WALINDEX);
    write_bucket(&a, 12, 10);
    CHECK_EQ(fresh(&b), 0);

    /* Dropped and created anew by the other side. */
    CHECK_EQ(look(&b), HC_MOVED);
    CHECK_EQ(hc_l2_drop(&a.l2), SQLITE_OK);
    CHECK_EQ(hc_l2_create(&a.l2, "ttl=300", 1, &message), SQLITE_OK);
    CHECK_EQ(fresh(&b), 0);
    CHECK_EQ(look(&b), HC_OTHER);
    close_side(&a);
    close_side(&b);
}

static void test_wal(void) {
    follow("WAL");
}

static void test_delete(void) {
    follow("DELETE");
}

static void test_truncate_and_persist(void) {
    follow("TRUNCATE");
    follow("PERSIST");
}

/* Databases that nobody else can change, and a lock that keeps everybody else out. */
static void test_private(void) {
    static const char *const names[] = {":memory:", ""};
    for (int i = 0; i < 2; i++) {
        Side side;
        open_side(&side, names[i]);
        create(&side, "MEMORY");
        CHECK_EQ(fresh(&side), 0);
        CHECK_EQ(look(&side), HC_OTHER);
        CHECK_EQ(look(&side), HC_SAME);
        if (side.coherence.signal == HC_SIGNAL_PRIVATE)
            CHECK_EQ(fresh(&side), 1);
        unit_exec(side.db, "INSERT INTO other VALUES(1)");
        CHECK_EQ(look(&side), HC_SAME);
        HcState state = write_bucket(&side, 1, 1);
        CHECK_EQ(fresh(&side), 0);
        hc_coherence_committed(&side.coherence, &state);
        CHECK_EQ(look(&side), HC_SAME);
        close_side(&side);
    }
    static const char *const modes[] = {"WAL", "DELETE"};
    for (int i = 0; i < 2; i++) {
        char shm[640];
        Side side;
        remove_files();
        open_side(&side, file);
        unit_exec(side.db, "PRAGMA locking_mode = EXCLUSIVE");
        create(&side, modes[i]);
        look(&side);
        look(&side);
        fresh(&side);
        /* Its WAL-index is private memory: asking for the shared one would make a file. */
        sqlite3_snprintf(sizeof shm, shm, "%s-shm", file);
        CHECK(access(shm, F_OK) != 0);
        unit_exec(side.db, "INSERT INTO other VALUES(1)");
        CHECK_EQ(look(&side), HC_SAME);
        close_side(&side);
    }
}

/* A database that cannot be read says so by its result code, and leaves doubt. */
static void test_busy(void) {
    Side a, b;
    HcVerdict verdict;
    remove_files();
    open_side(&a, file);
    open_side(&b, file);
    create(&a, "DELETE");
    look(&b);
    CHECK_EQ(fresh(&b), 1);
    write_bucket(&a, 1, 1);
    unit_exec(a.db, "BEGIN EXCLUSIVE");
    CHECK_EQ(fresh(&b), 0);
    CHECK_EQ(try_look(&b, &verdict), SQLITE_BUSY);
    CHECK_EQ(fresh(&b), 0);
    unit_exec(a.db, "COMMIT");
    CHECK_EQ(fresh(&b), 0);
    CHECK_EQ(look(&b), HC_MOVED);
    CHECK_EQ(fresh(&b), 1);
    close_side(&a);
    close_side(&b);
}

/*
** A write transaction that the cache has no part in may be undone without a word: as soon as it has changed anything,
** the L1 keeps out. The shadow table may be what was changed.
*/
static void test_blind(void) {
    static const char *const modes[] = {"WAL", "DELETE"};
    for (int i = 0; i < 2; i++) {
        Side side;
        remove_files();
        open_side(&side, file);
        create(&side, modes[i]);
        look(&side);
        look(&side);
        CHECK_EQ(fresh(&side), 1);
        unit_exec(side.db, "BEGIN IMMEDIATE");
        CHECK_EQ(fresh(&side), 1);
        unit_exec(side.db, "UPDATE c_meta SET options = 'ttl=1'");
        CHECK_EQ(hc_coherence_blind(&side.coherence, 0), 1);
        CHECK_EQ(hc_coherence_blind(&side.coherence, 1), 0); /* our own write, and our own rollback */
        CHECK_EQ(hc_coherence_blind(&side.coherence, 0), 1);
        unit_exec(side.db, "ROLLBACK");
        CHECK_EQ(hc_coherence_blind(&side.coherence, 0), 0);
        look(&side);
        CHECK_EQ(fresh(&side), 1);
        unit_exec(side.db, "BEGIN; SELECT count(*) FROM other");
        look(&side);
        CHECK_EQ(fresh(&side), 1); /* a transaction that only reads so far */
        unit_exec(side.db, "INSERT INTO other VALUES(1)");
        CHECK_EQ(fresh(&side), 0);
        unit_exec(side.db, "COMMIT");
        CHECK_EQ(fresh(&side), 0);
        CHECK_EQ(look(&side), HC_SAME);
        CHECK_EQ(fresh(&side), 1);
        close_side(&side);
    }
}

/* ---- random events: whoever says "fresh" has the state that a plain read finds */

static uint64_t version_of(sqlite3 *db) {
    sqlite3_stmt *stmt = NULL;
    uint64_t version = 0;
    sqlite3_prepare_v2(db, "SELECT substr(state, 1, 8) FROM c_meta", -1, &stmt, NULL);
    if (sqlite3_step(stmt) == SQLITE_ROW)
        memcpy(&version, sqlite3_column_blob(stmt, 0), sizeof version);
    sqlite3_finalize(stmt);
    return version;
}

/* Runs SQL that may find the file busy; 1 = done. */
static int attempt(Side *side, const char *sql) {
    int rc = sqlite3_exec(side->db, sql, NULL, NULL, NULL);
    CHECK(rc == SQLITE_OK || (rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED);
    return rc == SQLITE_OK;
}

/* COMMIT or ROLLBACK, and what the cache tells its coherence then. */
static void finish(Side *side, int commit) {
    if (commit && attempt(side, "COMMIT")) {
        if (side->wrote)
            hc_coherence_committed(&side->coherence, &side->state);
    } else {
        attempt(side, "ROLLBACK");
        hc_coherence_doubt(&side->coherence);
    }
    side->in_transaction = side->wrote = 0;
}

static void random_events(const char *journal_mode, int switching) {
    enum { SIDES = 3 };
    static Side sides[SIDES];
    int trusted = 0;
    remove_files();
    for (int i = 0; i < SIDES; i++)
        open_side(&sides[i], file);
    create(&sides[0], journal_mode);
    for (int step = 0; step < unit_rounds(4000) && !unit.wrong; step++) {
        int at = unit_below(SIDES), what = unit_below(100);
        Side *side = &sides[at];
        HcVerdict verdict;
        if (what < 35) {
            if (!side->wrote)
                try_look(side, &verdict);
        } else if (what < 50) { /* a write, in a transaction of its own or in the open one */
            int own = !side->in_transaction;
            if (own && !attempt(side, "BEGIN IMMEDIATE"))
                continue;
            if (attempt(side, "INSERT INTO other VALUES(1)") && unit_below(2)) {
                side->state = write_bucket(side, unit_below(HC_BUCKETS), unit_random());
                side->wrote = 1;
            }
            if (own)
                finish(side, unit_below(4) > 0);
        } else if (what < 62) { /* a transaction that lasts */
            if (side->in_transaction)
                finish(side, unit_below(2));
            else
                side->in_transaction = attempt(side, unit_below(3) ? "BEGIN" : "BEGIN IMMEDIATE");
        } else if (what < 64) {
            attempt(side, "PRAGMA wal_checkpoint(TRUNCATE)");
        } else if (what < 67 && switching && !side->in_transaction) {
            attempt(side, unit_below(2) ? "PRAGMA journal_mode = WAL" : "PRAGMA journal_mode = DELETE");
        } else if (what < 68 && !side->in_transaction) { /* another connection in its place */
            close_side(side);
            open_side(side, file);
        } else if (!side->wrote && fresh(side)) {
            trusted++;
            CHECK(side->coherence.state.version == version_of(side->db));
        }
        if (unit.wrong)
            printf("  %s, step %d, connection %d, signal %d\n", journal_mode, step, at, (int)side->coherence.signal);
    }
    CHECK(trusted > 100); /* otherwise nothing was tested */
    for (int i = 0; i < SIDES; i++) {
        if (sides[i].in_transaction)
            finish(&sides[i], 0);
        close_side(&sides[i]);
    }
}

static void test_random(void) {
    random_events("WAL", 0);
    random_events("DELETE", 0);
    random_events("WAL", 1);
}

/* ---- another file behind the same name */

static const sqlite3_io_methods no_methods = {.iVersion = 1};

/* The L1 was compared with a file; sqlite3_deserialize() puts another in its place, and as many commits may be counted there. */
static void test_other_file(void) {
    Side side;
    sqlite3_int64 n;
    remove_files();
    open_side(&side, file);
    create(&side, "DELETE");
    look(&side);
    look(&side);
    CHECK_EQ(fresh(&side), 1);
    /* The memory of a file object that was closed can be that of another. */
    const sqlite3_io_methods *methods = side.coherence.methods;
    side.coherence.methods = &no_methods;
    CHECK_EQ(fresh(&side), 0);
    side.coherence.methods = methods;
    CHECK_EQ(fresh(&side), 1);
    unsigned char *copy = sqlite3_serialize(side.db, "main", &n, 0);
    hc_l2_finalize(&side.l2);
    CHECK_EQ(sqlite3_deserialize(side.db, "main", copy, n, n,
                                 SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE),
             SQLITE_OK);
    side.coherence.data_version = data_version(&side.coherence);
    CHECK_EQ(side.coherence.token_known, 1);
    CHECK_EQ(fresh(&side), 0);
    CHECK_EQ(look(&side), HC_SAME);
    CHECK_EQ(look(&side), HC_SAME);
    CHECK_EQ(side.coherence.signal, HC_SIGNAL_COUNTER);
    CHECK_EQ(fresh(&side), 1);
    HcState state = write_bucket(&side, 3, 7);
    CHECK_EQ(fresh(&side), 0);
    hc_coherence_committed(&side.coherence, &state);
    CHECK_EQ(look(&side), HC_SAME);
    close_side(&side);
}

/* DETACH: nobody is left to be asked. */
static void test_detached(void) {
    Side side;
    char sql[700];
    remove_files();
    open_side(&side, file);
    create(&side, "DELETE");
    close_side(&side);
    memset(&side, 0, sizeof side);
    side.db = unit_open(":memory:");
    sqlite3_snprintf(sizeof sql, sql, "ATTACH '%q' AS side", file);
    unit_exec(side.db, sql);
    CHECK_EQ(hc_l2_init(&side.l2, side.db, &tally, "side", "c"), SQLITE_OK);
    hc_coherence_init(&side.coherence, side.db, side.l2.schema);
    look(&side);
    look(&side);
    CHECK_EQ(fresh(&side), 1);
    hc_l2_finalize(&side.l2);
    unit_exec(side.db, "DETACH side");
    CHECK_EQ(fresh(&side), 0);
    side.coherence.data_version = 0; /* what it is taken for now */
    CHECK_EQ(side.coherence.token_known, 1);
    CHECK_EQ(fresh(&side), 0);
    close_side(&side);
}

/* ---- what VFSes answer */

static struct {
    int rc;
    uint64_t *region;
} mapped;

static int map(sqlite3_file *of, int region, int size, int extend, void volatile **out) {
    (void)of;
    CHECK(region == 0 && size == 32768 && !extend);
    *out = mapped.region;
    return mapped.rc;
}

static void test_walindex(void) {
    static const sqlite3_io_methods methods = {.iVersion = 2, .xShmMap = map};
    uint64_t words[HC_WALINDEX_WORDS];
    sqlite3_file shared = {.pMethods = &methods};
    HcToken token;
    for (int i = 0; i < HC_WALINDEX_WORDS; i++)
        words[i] = (uint64_t)i * 0x0123456789abcdefu;
    mapped.rc = SQLITE_OK;
    mapped.region = words;
    memset(&token, 0, sizeof token);
    CHECK_EQ(read_walindex(&shared, &token), 1);
    CHECK(memcmp(token.words, words, sizeof words) == 0);
    mapped.rc = SQLITE_READONLY; /* file:...?readonly_shm=1: there, and enough to read it */
    memset(&token, 0, sizeof token);
    CHECK_EQ(read_walindex(&shared, &token), 1);
    CHECK(memcmp(token.words, words, sizeof words) == 0);
    mapped.rc = SQLITE_IOERR_SHMMAP;
    CHECK_EQ(read_walindex(&shared, &token), 0);
    mapped.rc = SQLITE_OK;
    mapped.region = NULL; /* smaller than that as yet */
    CHECK_EQ(read_walindex(&shared, &token), 0);
}

/* One of SQLite's own VFSes without shared memory: a WAL is private to who holds the file, and an inner read answers. */
static void test_no_shared_memory(void) {
    Side side;
    remove_files();
    memset(&side, 0, sizeof side);
    CHECK_EQ(sqlite3_open_v2(file, &side.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "unix-dotfile"), SQLITE_OK);
    CHECK_EQ(hc_l2_init(&side.l2, side.db, &tally, "main", "c"), SQLITE_OK);
    hc_coherence_init(&side.coherence, side.db, side.l2.schema);
    unit_exec(side.db, "PRAGMA locking_mode = EXCLUSIVE");
    create(&side, "WAL");
    look(&side);
    look(&side);
    CHECK_EQ(side.coherence.signal, HC_SIGNAL_READ);
    CHECK_EQ(fresh(&side), 0);
    unit_exec(side.db, "BEGIN; SELECT count(*) FROM other");
    look(&side);
    CHECK_EQ(fresh(&side), 1);
    unit_exec(side.db, "COMMIT; PRAGMA journal_mode = DELETE");
    close_side(&side);
}

static void test_names(void) {
    CHECK_EQ(is_builtin_vfs("unix"), 1);
    CHECK_EQ(is_builtin_vfs("memdb"), 1);
    CHECK_EQ(is_builtin_vfs("unix2"), 0);
    CHECK_EQ(is_builtin_vfs(""), 0);
    CHECK_EQ(is_builtin_vfs(NULL), 0);
}

int main(void) {
    unit_begin();
    make_directory();
    RUN(test_verdicts);
    RUN(test_moment_wraps);
    RUN(test_buckets);
    RUN(test_wal);
    RUN(test_delete);
    RUN(test_truncate_and_persist);
    RUN(test_private);
    RUN(test_busy);
    RUN(test_blind);
    RUN(test_random);
    RUN(test_other_file);
    RUN(test_detached);
    RUN(test_walindex);
    RUN(test_no_shared_memory);
    RUN(test_names);
    remove_files();
    rmdir(directory);
    return unit_end();
}
