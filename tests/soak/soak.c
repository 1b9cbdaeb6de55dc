/*
** soak: two processes with two connections each change one cache at random, its limits among it, and look from outside
** after every committed transaction whether what is promised holds.
**
**     soak --extension dist/hybrid_cache [--seconds 5] [--reads 100000] [--seed 1] [--dir DIR]
**
** Sizes, deadlines, limits, policies and the clock (shared by both, and moved) are random. Each check is a sum over the
** shadow tables in one snapshot, or of what SQLite says it has allocated: nothing is asked of the extension that it could
** have forgotten itself, but the statistics that are to be compared. At the end nothing but reads: the file must not grow.
*/
#define _GNU_SOURCE /* MAP_ANONYMOUS */

#include "testclock.c"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PROCESSES = 2, CONNECTIONS = 2, KEYS = 600 };

/* The widest limits that are set: the file may take what these need, however long it runs. */
enum { MOST_ENTRIES = 400, MOST_BYTES = 1500000, LARGEST_VALUE = 150000 };
/* What SQLite allocates for two connections beside the L1: page caches, schemas, statements, look-up statistics. */
#define MEMORY_BESIDE (3 << 19)

typedef enum Check {
    L2_COUNT,   /* the counters are COUNT(*) and SUM(size) */
    L2_LIMITS,  /* and within the limits that stand beside them */
    STATISTICS, /* hybrid_cache_stats() says the same */
    L1_LIMITS,
    L1_EXACT,  /* what SQLite gets back when the L1 is cleared is no more than l1_bytes said */
    L1_MEMORY, /* sqlite3_memory_used() without l1_bytes is bounded */
    FILE_SIZE,
    VALUES_RIGHT, /* what a get returns was put under that key */
    GETS,         /* gets = l1_hits + l2_hits + misses, hits are some */
    CLEAN,        /* the command `check` finds nothing */
    GROWTH,       /* reads alone change no byte of the file */
    CHECKS
} Check;
static const char *const check_names[] = {
    "counters of L2 are COUNT(*) and SUM(size)",
    "limits of L2 hold",
    "statistics are COUNT(*) and SUM(size)",
    "limits of L1 hold",
    "memory of the L1 is within l1_bytes",
    "memory beside l1_bytes is bounded",
    "file size is bounded",
    "values are those of their keys",
    "gets = l1_hits + l2_hits + misses",
    "the command check finds nothing",
    "a cache that is only read does not grow",
};

/* What the processes share. */
typedef struct Shared {
    int64_t clock; /* Unix time */
    int64_t operations, transactions, busy, expired, evicted, rolled_back, l1_evicted;
    int64_t done[CHECKS], violated[CHECKS];
    int64_t most_file, most_memory;
} Shared;
static Shared *shared;

static const char *extension = "dist/hybrid_cache";
static char path[600];
static uint64_t random_state;
static int process;

static uint64_t draw(void) { /* splitmix64 */
    uint64_t x = random_state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static int below(int n) {
    return (int)(draw() % (uint64_t)n);
}

static void tally(int64_t *counter, int64_t more) {
    __atomic_add_fetch(counter, more, __ATOMIC_RELAXED);
}

static void highest(int64_t *counter, int64_t value) {
    int64_t old = __atomic_load_n(counter, __ATOMIC_RELAXED);
    while (value > old && !__atomic_compare_exchange_n(counter, &old, value, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
}

static void check(Check which, int right, const char *what, int64_t got, int64_t expected) {
    tally(&shared->done[which], 1);
    if (!right && __atomic_add_fetch(&shared->violated[which], 1, __ATOMIC_RELAXED) <= 5) {
        printf("FAILED %s: %s is %lld, against %lld (process %d, transaction %lld)\n", check_names[which], what,
               (long long)got, (long long)expected, process, (long long)shared->transactions);
        fflush(stdout);
    }
}

static void fail(sqlite3 *db, const char *what) {
    fprintf(stderr, "soak: %s: %s\n", what, sqlite3_errmsg(db));
    exit(2);
}

/* ---- a connection and its statements */

typedef enum Name {
    BEGIN,
    COMMIT,
    ROLLBACK,
    SAVEPOINT,
    BACK,
    PUT,
    ADD,
    TOUCH,
    REMOVE,
    RENAME,
    GET,
    SELECT,
    SCAN,
    PURGE,
    SET,
    FORGET,
    ROWS,
    META,
    STATS,
    PAGES,
    NAMES
} Name;
static const char *const texts[NAMES] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [SAVEPOINT] = "SAVEPOINT s",
    [BACK] = "ROLLBACK TO s",
    /* A value begins with its key. */
    [PUT] = "REPLACE INTO cache(key, value, ttl) VALUES(?1, CAST(printf('%06d', ?1) AS BLOB) || zeroblob(?2), ?3)",
    [ADD] = "INSERT OR IGNORE INTO cache(key, value, ttl) "
            "VALUES(?1, CAST(printf('%06d', ?1) AS BLOB) || zeroblob(?2), ?3)",
    [TOUCH] = "UPDATE cache SET ttl = ?3 WHERE key = ?1",
    [REMOVE] = "DELETE FROM cache WHERE key = ?1",
    [RENAME] = "UPDATE OR REPLACE cache SET key = ?1, value = CAST(printf('%06d', ?1) AS BLOB) WHERE key = ?2",
    [GET] = "SELECT hybrid_cache_get('cache', ?1)",
    [SELECT] = "SELECT value FROM cache WHERE key = ?1",
    [SCAN] = "SELECT count(*) FROM cache",
    [PURGE] = "INSERT INTO cache(cache, value) VALUES('purge', 20)",
    [SET] = "INSERT INTO cache(cache, value) VALUES(?1, ?2)",
    [FORGET] = "SELECT hybrid_cache_clear_l1('cache')",
    [ROWS] = "SELECT count(*), total(size) FROM cache_data",
    [META] = "SELECT options, state FROM cache_meta",
    [STATS] = "SELECT l1_count, l1_bytes, l2_count, l2_bytes, gets, l1_hits, l2_hits, misses, expired, l2_evicted, "
              "rolled_back, l1_evicted, l2_errors, corrupt FROM hybrid_cache_stats('cache')",
    [PAGES] = "SELECT page_count, freelist_count FROM pragma_page_count, pragma_freelist_count",
};

typedef struct Connection {
    sqlite3 *db;
    sqlite3_stmt *statements[NAMES];
} Connection;

static int run(sqlite3 *db, const char *sql) {
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static void open_connection(Connection *connection) {
    char *message = NULL;
    if (sqlite3_open(path, &connection->db) != SQLITE_OK)
        fail(connection->db, path);
    sqlite3_busy_timeout(connection->db, 30000);
    sqlite3_enable_load_extension(connection->db, 1);
    if (sqlite3_load_extension(connection->db, extension, "sqlite3_hybridcache_init", &message) != SQLITE_OK) {
        fprintf(stderr, "soak: %s: %s\n", extension, message);
        exit(2);
    }
    if (run(connection->db, "PRAGMA synchronous = OFF; PRAGMA cache_size = -300;") != SQLITE_OK)
        fail(connection->db, "pragmas");
}

static void close_connection(Connection *connection) {
    for (int i = 0; i < NAMES; i++)
        sqlite3_finalize(connection->statements[i]);
    if (sqlite3_close(connection->db) != SQLITE_OK)
        fail(connection->db, "close");
    memset(connection, 0, sizeof *connection);
}

static sqlite3_stmt *statement(Connection *connection, Name name) {
    sqlite3_stmt **stmt = &connection->statements[name];
    if (!*stmt && sqlite3_prepare_v2(connection->db, texts[name], -1, stmt, NULL) != SQLITE_OK)
        fail(connection->db, texts[name]);
    return *stmt;
}

/* Runs it to the end; refused for a reason that is none of ours to check is all right. */
static int finish(Connection *connection, Name name) {
    sqlite3_stmt *stmt = statement(connection, name);
    int rc;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
        ;
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    tally(&shared->operations, 1);
    if ((rc & 0xff) == SQLITE_BUSY)
        tally(&shared->busy, 1);
    else if (rc != SQLITE_DONE && rc != SQLITE_TOOBIG)
        fail(connection->db, texts[name]);
    return rc;
}

/* ---- what is done */

static int random_key(void) {
    return below(KEYS >> below(6));
}

static int random_size(void) {
    int kind = below(100);
    return kind < 70 ? below(300) : kind < 95 ? below(5000) : kind < 99 ? below(30000) : below(LARGEST_VALUE);
}

static void get(Connection *connection) {
    int key = random_key();
    Name name = below(4) ? GET : SELECT;
    sqlite3_stmt *stmt = statement(connection, name);
    sqlite3_bind_int(stmt, 1, key);
    int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW && sqlite3_column_type(stmt, 0) != SQLITE_NULL) {
        char expected[8];
        snprintf(expected, sizeof expected, "%06d", key);
        const void *value = sqlite3_column_blob(stmt, 0);
        int right = sqlite3_column_bytes(stmt, 0) >= 6 && memcmp(value, expected, 6) == 0;
        check(VALUES_RIGHT, right, "value", key, 0);
    }
    sqlite3_reset(stmt);
    tally(&shared->operations, 1);
}

static void write_one(Connection *connection) {
    static const Name kinds[] = {PUT, PUT, PUT, PUT, PUT, ADD, ADD, TOUCH, REMOVE, RENAME};
    Name name = kinds[below(sizeof kinds / sizeof kinds[0])];
    sqlite3_stmt *stmt = statement(connection, name);
    sqlite3_bind_int(stmt, 1, random_key());
    if (name == PUT || name == ADD)
        sqlite3_bind_int(stmt, 2, random_size());
    else if (name == RENAME)
        sqlite3_bind_int(stmt, 2, random_key());
    if (name == PUT || name == ADD || name == TOUCH)
        sqlite3_bind_int(stmt, 3, below(5) ? 1 + below(100) : 0);
    finish(connection, name);
}

/* No limit (0) for one of L2's at most, so that the file is bounded. */
static void set_option(Connection *connection) {
    static const char *const names[] = {"l1_entries", "l1_bytes", "l2_entries", "l2_bytes",
                                        "eviction",   "l1_ttl",   "grace"};
    int which = below(sizeof names / sizeof names[0]);
    sqlite3_stmt *stmt = statement(connection, SET);
    sqlite3_bind_text(stmt, 1, names[which], -1, SQLITE_STATIC);
    if (which == 4) {
        sqlite3_bind_text(stmt, 2, below(2) ? "lru" : "s3fifo", -1, SQLITE_STATIC);
    } else {
        int values[] = {below(8) ? below(300) : 0,
                        below(8) ? below(1000000) : 0,
                        1 + below(MOST_ENTRIES),
                        1000 + below(MOST_BYTES - 1000),
                        0,
                        below(3) * 5,
                        below(3) * 5};
        sqlite3_bind_int(stmt, 2, values[which]);
    }
    finish(connection, SET);
}

/* ---- what must hold */

static int64_t option(const char *options, const char *name) {
    char key[40];
    snprintf(key, sizeof key, "%s=", name);
    const char *at = strstr(options, key);
    return at ? atoll(at + strlen(key)) : -1;
}

/* One snapshot, in which a look-up has just been made: this connection knows what options hold. */
static void look(Connection *connection, Connection *all) {
    sqlite3_stmt *rows = statement(connection, ROWS), *meta = statement(connection, META);
    sqlite3_stmt *stats = statement(connection, STATS), *pages = statement(connection, PAGES);
    if (run(connection->db, "BEGIN; SELECT value FROM cache WHERE key = -1") != SQLITE_OK)
        fail(connection->db, "snapshot");
    if (sqlite3_step(rows) != SQLITE_ROW || sqlite3_step(meta) != SQLITE_ROW || sqlite3_step(stats) != SQLITE_ROW ||
        sqlite3_step(pages) != SQLITE_ROW)
        fail(connection->db, "snapshot");
    int64_t count = sqlite3_column_int64(rows, 0), bytes = (int64_t)sqlite3_column_double(rows, 1), state[3];
    char options[500];
    snprintf(options, sizeof options, ", %s", (const char *)sqlite3_column_text(meta, 0));
    memcpy(state, sqlite3_column_blob(meta, 1),
           sizeof state); /* version, entries, bytes; this machine is little-endian */
    check(L2_COUNT, state[1] == count, "entries", state[1], count);
    check(L2_COUNT, state[2] == bytes, "bytes", state[2], bytes);
    int64_t most_entries = option(options, " l2_entries"), most_bytes = option(options, " l2_bytes");
    check(L2_LIMITS, count <= most_entries, "COUNT(*)", count, most_entries);
    check(L2_LIMITS, bytes <= most_bytes, "SUM(size)", bytes, most_bytes);
    check(STATISTICS, sqlite3_column_int64(stats, 2) == count, "l2_count", sqlite3_column_int64(stats, 2), count);
    check(STATISTICS, sqlite3_column_int64(stats, 3) == bytes, "l2_bytes", sqlite3_column_int64(stats, 3), bytes);
    int64_t l1_count = sqlite3_column_int64(stats, 0), l1_bytes = sqlite3_column_int64(stats, 1);
    most_entries = option(options, " l1_entries");
    most_bytes = option(options, " l1_bytes");
    check(L1_LIMITS, l1_count <= most_entries, "l1_count", l1_count, most_entries);
    check(L1_LIMITS, l1_bytes <= most_bytes, "l1_bytes", l1_bytes, most_bytes);
    int64_t hits = sqlite3_column_int64(stats, 5) + sqlite3_column_int64(stats, 6) + sqlite3_column_int64(stats, 7);
    check(GETS, sqlite3_column_int64(stats, 4) == hits, "gets", sqlite3_column_int64(stats, 4), hits);
    int64_t file = sqlite3_column_int64(pages, 0) * 4096, live = file - sqlite3_column_int64(pages, 1) * 4096;
    /* Pages may be a third full, and a row may leave one page of overflow nearly empty. */
    check(FILE_SIZE, live <= 3 * bytes + 4096 * count + (256 << 10), "size without free pages", live, bytes);
    check(FILE_SIZE, file <= 3 * (int64_t)MOST_BYTES + 4096 * MOST_ENTRIES + (512 << 10), "size", file, MOST_BYTES);
    highest(&shared->most_file, file);
    sqlite3_reset(rows);
    sqlite3_reset(meta);
    sqlite3_reset(stats);
    sqlite3_reset(pages);
    if (run(connection->db, "COMMIT") != SQLITE_OK)
        fail(connection->db, "end of snapshot");

    int64_t memory = sqlite3_memory_used(), l1 = 0;
    for (int i = 0; i < CONNECTIONS; i++) {
        if (!all[i].db)
            continue;
        stats = statement(&all[i], STATS);
        if (sqlite3_step(stats) == SQLITE_ROW)
            l1 += sqlite3_column_int64(stats, 1);
        sqlite3_reset(stats);
    }
    check(L1_MEMORY, memory - l1 <= MEMORY_BESIDE, "sqlite3_memory_used() - l1_bytes", memory - l1, MEMORY_BESIDE);
    highest(&shared->most_memory, memory);
}

static void take_statistics(Connection *connection) {
    sqlite3_stmt *stats = statement(connection, STATS);
    if (sqlite3_step(stats) == SQLITE_ROW) {
        tally(&shared->expired, sqlite3_column_int64(stats, 8));
        tally(&shared->evicted, sqlite3_column_int64(stats, 9));
        tally(&shared->rolled_back, sqlite3_column_int64(stats, 10));
        tally(&shared->l1_evicted, sqlite3_column_int64(stats, 11));
        check(GETS, sqlite3_column_int64(stats, 12) == 0, "l2_errors", sqlite3_column_int64(stats, 12), 0);
        check(CLEAN, sqlite3_column_int64(stats, 13) == 0, "corrupt", sqlite3_column_int64(stats, 13), 0);
    }
    sqlite3_reset(stats);
}

/* ---- the course of things */

static void transaction(Connection *connection) {
    if (below(20) == 0)
        tally(&shared->clock, below(20));
    testclock_set((double)shared->clock);
    for (int i = below(30); i > 0; i--)
        get(connection);
    int kind = below(100);
    if (kind < 40) {
        write_one(connection);
    } else if (kind < 45) {
        set_option(connection);
    } else if (kind < 47) {
        finish(connection, below(2) ? PURGE : FORGET);
    } else if (finish(connection, BEGIN) == SQLITE_DONE) {
        for (int i = 1 + below(12); i > 0; i--) {
            switch (below(20)) {
            case 0:
                set_option(connection);
                break;
            case 1:
                finish(connection, SAVEPOINT);
                write_one(connection);
                get(connection);
                finish(connection, BACK);
                break;
            case 2:
            case 3:
            case 4:
                get(connection);
                break;
            case 5:
                finish(connection, SCAN);
                break;
            default:
                write_one(connection);
            }
        }
        finish(connection, below(10) ? COMMIT : ROLLBACK);
    }
    tally(&shared->transactions, 1);
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void work(int number, uint64_t seed, double length) {
    Connection connections[CONNECTIONS] = {{0}};
    process = number;
    random_state = seed * 1000 + (uint64_t)number;
    if (testclock_install() != SQLITE_OK)
        exit(2);
    testclock_set((double)shared->clock);
    double end = seconds() + length;
    for (int i = 0; i < CONNECTIONS; i++)
        open_connection(&connections[i]);
    while (seconds() < end) {
        Connection *connection = &connections[below(CONNECTIONS)];
        transaction(connection);
        look(connection, connections);
        if (below(5000) == 0) {
            take_statistics(connection);
            close_connection(connection);
            open_connection(connection);
        }
        if (below(500) == 0)
            check(CLEAN, run(connection->db, "INSERT INTO cache(cache) VALUES('check')") == SQLITE_OK, "check", 0, 0);
    }
    for (int i = 0; i < CONNECTIONS; i++) {
        take_statistics(&connections[i]);
        close_connection(&connections[i]);
    }
}

/*
** Fills the L1 with values of one size, and measures what its clearing gives back. Beside key (8 bytes) and value that
** are at most 100 bytes an entry.
*/
static void measure(Connection *connection, int limit_entries, int limit_bytes, const char *eviction, int entries,
                    int size) {
    char sql[400];
    sqlite3_stmt *stats = statement(connection, STATS);
    snprintf(sql, sizeof sql,
             "INSERT INTO cache(cache, value) VALUES('l1_entries', %d);"
             "INSERT INTO cache(cache, value) VALUES('l1_bytes', %d);"
             "INSERT INTO cache(cache, value) VALUES('eviction', '%s');"
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
             "REPLACE INTO cache(key, value) SELECT i, zeroblob(%d) FROM n",
             limit_entries, limit_bytes, eviction, entries, size);
    if (run(connection->db, sql) != SQLITE_OK)
        fail(connection->db, sql);
    sqlite3_step(stats);
    int64_t count = sqlite3_column_int64(stats, 0), bytes = sqlite3_column_int64(stats, 1);
    sqlite3_reset(stats);
    check(L1_EXACT, count <= limit_entries && bytes <= limit_bytes, "l1_bytes", bytes, limit_bytes);
    int64_t before = sqlite3_memory_used();
    finish(connection, FORGET);
    int64_t memory = before - sqlite3_memory_used();
    check(L1_EXACT, memory <= bytes && memory >= bytes - 16 * count, "memory of the L1", memory, bytes);
    check(L1_EXACT, count < 100 || memory - count * (8 + size) <= 100 * count, "bookkeeping of an entry",
          count ? memory / count - 8 - size : 0, 100);
}

static void measure_memory(void) {
    Connection connection = {0};
    static const int sizes[] = {0, 7, 100, 1000, 20000};
    open_connection(&connection);
    if (run(connection.db, "CREATE VIRTUAL TABLE temp.cache USING hybrid_cache(ttl=0, l1_ttl=0)") != SQLITE_OK)
        fail(connection.db, "temp.cache");
    finish(&connection, FORGET);
    for (int i = 0; i < 5; i++) {
        for (int policy = 0; policy < 2; policy++) {
            const char *eviction = policy ? "s3fifo" : "lru";
            /* Limits by number and by bytes; just above and below a power of two; few after many. */
            static const int entries[] = {97, 98, 100, 192, 193, 385, 1000, 1537, 3000};
            for (int j = 0; j < 9; j++)
                measure(&connection, entries[j], 900000000, eviction, entries[j] + 50, sizes[i]);
            if (run(connection.db, "INSERT INTO cache(cache, value) VALUES('l1_entries', 3000);"
                                   "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) "
                                   "REPLACE INTO cache(key, value) SELECT i, '' FROM n") != SQLITE_OK)
                fail(connection.db, "many");
            measure(&connection, 100, 900000000, eviction, 150, sizes[i]);
            measure(&connection, 100000, 1000000, eviction, 6000, sizes[i]);
            measure(&connection, 100000, 200000, eviction, 300, sizes[i]);
        }
    }
    close_connection(&connection);
}

/* A digest of the file and of what stands beside it. */
static uint64_t digest(void) {
    static const char *const suffixes[] = {"", "-wal"};
    uint64_t sum = 0;
    for (int i = 0; i < 2; i++) {
        char name[620];
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        FILE *file = fopen(name, "rb");
        int c;
        while (file && (c = getc_unlocked(file)) != EOF)
            sum = (sum ^ (uint64_t)c) * 0x100000001b3u;
        if (file)
            fclose(file);
    }
    return sum;
}

static void only_read(int reads) {
    Connection connection = {0};
    process = -1;
    if (testclock_install() != SQLITE_OK)
        exit(2);
    testclock_set((double)shared->clock);
    open_connection(&connection);
    get(&connection);
    uint64_t before = digest();
    for (int i = 0; i < reads; i++) {
        if (i % 1000 == 0)
            testclock_advance(1); /* entries expire meanwhile */
        get(&connection);
        if (i % 100 == 0)
            finish(&connection, SCAN);
    }
    check(GROWTH, digest() == before, "a digest of the file, equal", digest() == before, 1);
    take_statistics(&connection);
    close_connection(&connection);
}

int main(int argc, char **argv) {
    double length = 5;
    int reads = 100000;
    uint64_t seed = 1;
    const char *dir = "/tmp";
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--extension") == 0)
            extension = argv[i + 1];
        else if (strcmp(argv[i], "--seconds") == 0)
            length = atof(argv[i + 1]);
        else if (strcmp(argv[i], "--reads") == 0)
            reads = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--dir") == 0)
            dir = argv[i + 1];
    }
    snprintf(path, sizeof path, "%s/soak.db", dir);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("soak");
        return 2;
    }
    shared->clock = 1700000000;
    /* Nothing of SQLite in this process before the fork. */
    pid_t workers[PROCESSES + 1];
    int broken = 0;
    for (int i = 0; i <= PROCESSES; i++) {
        fflush(stdout);
        workers[i] = fork();
        if (workers[i] == 0 && i == 0) {
            Connection connection = {0};
            open_connection(&connection);
            if (run(connection.db,
                    "PRAGMA journal_mode = WAL; CREATE VIRTUAL TABLE cache USING "
                    "hybrid_cache(l2_entries=200, l2_bytes=500000, l1_entries=100, l1_bytes=300000)") != SQLITE_OK)
                fail(connection.db, "CREATE");
            close_connection(&connection);
            exit(0);
        } else if (workers[i] == 0) {
            work(i, seed, length);
            exit(0);
        } else if (i == 0) {
            int status;
            waitpid(workers[0], &status, 0);
            broken += status != 0;
        }
    }
    for (int i = 1; i <= PROCESSES; i++) {
        int status;
        waitpid(workers[i], &status, 0);
        broken += status != 0;
    }
    if (!broken)
        only_read(reads);
    if (!broken)
        measure_memory();
    int passed = 0, failed = broken;
    int64_t checks = 0, violations = 0;
    for (int i = 0; i < CHECKS; i++) {
        printf("%-44s %10lld checks %6lld violations\n", check_names[i], (long long)shared->done[i],
               (long long)shared->violated[i]);
        checks += shared->done[i];
        violations += shared->violated[i];
        if (shared->violated[i] || !shared->done[i])
            failed++;
        else
            passed++;
    }
    printf("seed %llu, %.0f s: %lld operations, %lld transactions, %lld checks, %lld violations; %lld rows expired, "
           "%lld evicted from L2, %lld from L1, %lld writes rolled back, %lld busy; file at most %lld bytes, memory "
           "%lld\n",
           (unsigned long long)seed, length, (long long)shared->operations, (long long)shared->transactions,
           (long long)checks, (long long)violations, (long long)shared->expired, (long long)shared->evicted,
           (long long)shared->l1_evicted, (long long)shared->rolled_back, (long long)shared->busy,
           (long long)shared->most_file, (long long)shared->most_memory);
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
