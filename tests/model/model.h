/*
** The model test: what the coordinator (model.c) and its workers (worker.c) share.
**
** An operation is a small record that says which connection does what at which time, with a random word from which
*every
** detail follows. It depends on the seed alone and never on what an earlier operation returned, so any subset of a
*failing
** run can be replayed, and that is all the shrinking there is.
*/
#ifndef HC_TEST_MODEL_H
#define HC_TEST_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#define MAX_CONNS 8
#define MAX_PROCS 4
#define CACHES 3 /* main.cache, main.cache2, aux.cache3 */

/* Name and weight of every kind of operation; weight 0 is only ever sent on purpose. */
/* clang-format off */
#define OPERATIONS(X) \
    X(SETUP, 0) X(CLOSE, 0) X(SWITCH, 0) X(FINISH, 0) \
    /* reads, each compared with the oracle */ \
    X(GET, 1500) X(GET_DEFAULT, 150) X(HAS, 250) X(TTL, 250) X(STALE, 200) X(TIER, 200) X(LAG, 250) X(GET_ALL, 50) \
    X(SELECT_KEY, 900) X(SELECT_IN, 250) X(SELECT_RANGE, 120) X(SELECT_TAG, 120) X(SELECT_LIKE, 80) \
    X(SELECT_EXPIRES, 60) X(SCAN, 120) X(COUNT, 120) X(JOIN, 60) X(JSON_JOIN, 80) X(STATISTICS, 100) \
    X(OPTION_READ, 20) \
    /* writes, each mirrored in the oracle */ \
    X(PUT, 800) X(ADD, 350) X(INSERT, 350) X(MULTI, 400) X(MULTI_BAD, 80) X(BAD, 60) X(COPY, 50) \
    X(UPDATE_VALUE, 250) X(UPDATE_DEADLINE, 250) X(UPDATE_TAG, 100) X(UPDATE_COLUMNS, 100) X(UPDATE_KEY, 200) \
    X(UPDATE_FROM, 80) X(UPDATE_GROUP, 80) X(DELETE_KEY, 250) X(DELETE_GROUP, 120) X(DELETE_ALL, 8) \
    X(TRIGGER_PUT, 80) X(TRIGGER_DELETE, 80) X(PURGE, 40) X(CLEAR, 8) X(OPTION, 25) X(CHECK, 20) X(REBUILD, 5) \
    X(DIRECT, 300) X(DIRECT_AGAIN, 60) X(TRIGGER_DIRECT, 60) \
    /* transactions */ \
    X(BEGIN, 350) X(COMMIT, 700) X(ROLLBACK, 250) X(SAVEPOINT, 400) X(RELEASE, 200) X(ROLLBACK_TO, 250) \
    X(CURSOR_OPEN, 60) X(CURSOR_CLOSE, 150) \
    /* the rest of the file's life */ \
    X(CLEAR_L1, 20) X(NEIGHBOUR, 150) X(NEIGHBOUR_DDL, 12) X(SWAP, 3) X(RECREATE, 5) X(VACUUM, 3) X(REOPEN, 12) \
    X(CHECKPOINT, 40) X(JOURNAL, 10) X(BACKUP, 8) X(RESTORE, 6) X(EXCLUSIVE, 6)
/* clang-format on */

typedef enum Kind {
#define X(name, weight) OP_##name,
    OPERATIONS(X)
#undef X
        KINDS
} Kind;

typedef struct Op {
    uint64_t random; /* every detail of the operation comes from here */
    int64_t now;     /* the clock, milliseconds since 1970 */
    uint32_t index;  /* position in the run of this seed */
    uint8_t kind, conn, cache, unused;
} Op;

/* The faults that --plant can put into the stand-in cache of --plain; each has to be found. */
typedef enum Plant { PLANT_NONE, PLANT_FOREIGN, PLANT_ROLLBACK, PLANT_TTL, PLANT_RELAXED } Plant;

typedef struct Config {
    uint64_t seed;
    int64_t ops;
    int conns, procs;
    bool wal;   /* journal mode at the start: WAL or DELETE */
    bool plain; /* the "cache" is a plain table too: a test of this harness */
    bool trace; /* print every statement */
    bool lag;   /* let a look-up inside a transaction be compared one operation later */
    Plant plant;
    int grace;      /* seconds */
    int l2_entries; /* 0 or the limit: then evicted entries leave the oracle too */
    const char *eviction, *extension, *dir;
} Config;

/* One per worker, in memory shared with the coordinator. */
typedef struct Report {
    uint32_t index; /* operation in progress */
    bool failed;
    bool difference; /* ... by a read that differed */
    char message[4000];
    uint64_t done[KINDS];    /* carried out in full */
    uint64_t busy[KINDS];    /* ended by SQLITE_BUSY or SQLITE_LOCKED, on both sides */
    uint64_t skipped[KINDS]; /* no sense in the connection's state, such as COMMIT outside a transaction */
    uint64_t compared, interrupted;
    uint64_t found, l1_hits /* look-ups that found something, and how many of them in memory */;
} Report;

extern const char *const kind_names[KINDS];

/* The life of a worker process: operations from `in`, one byte of acknowledgement per batch to `out`; 0 at end of
 * input. */
int worker_main(const Config *config, Report *report, int rank, int in, int out);

static inline uint64_t next_random(uint64_t *state) { /* splitmix64 */
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

#endif
