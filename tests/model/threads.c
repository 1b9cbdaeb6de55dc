/*
** Threads: one connection used by several threads in serialized mode, and a connection per thread on one WAL file, both
*with
** a cache small enough to evict all the time. Each thread checks what it knows: its own keys hold what it committed
*last, and
** any value is whole. Built with -fsanitize=thread, together with an extension built so, it looks for races. README.md
*tells how.
*/
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define THREADS 4
#define KEYS 16     /* of each thread */
#define REOPEN 1000 /* operations between two openings, with a connection per thread */

static const char *extension = "./dist/hybrid_cache";
static bool plain;
static long operations = 20000; /* of each thread */
static char path[600];
static atomic_int failures;

/* A value tells whose it is and repeats its number to the end: one that was freed or overwritten shows. */
typedef struct Value {
    uint64_t words[13]; /* key, then the same number 12 times */
} Value;

typedef struct Thread {
    int rank;
    uint64_t random;
    sqlite3 *db;
    bool own_connection;
    sqlite3_stmt *put, *delete_row, *get, *select, *has, *scan;
    uint64_t committed[KEYS], pending[KEYS]; /* 0: not there */
} Thread;

static uint64_t next_random(uint64_t *state) { /* splitmix64 */
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static void complain(const Thread *t, const char *what, int rc) {
    if (atomic_fetch_add(&failures, 1) < 10)
        printf("threads: thread %d: %s (%d: %s)\n", t->rank, what, rc, sqlite3_errstr(rc));
}

static int on_busy(void *unused, int times) {
    (void)unused;
    sched_yield();
    return times < 20000000;
}

static sqlite3 *open_database(void) {
    sqlite3 *db;
    char *message = NULL;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX, NULL) !=
        SQLITE_OK)
        exit(2);
    sqlite3_busy_handler(db, on_busy, NULL);
    if (!plain) {
        sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
        if (sqlite3_load_extension(db, extension, NULL, &message) != SQLITE_OK) {
            fprintf(stderr, "threads: %s\n", message);
            exit(2);
        }
    }
    sqlite3_exec(db, "PRAGMA synchronous=OFF; PRAGMA wal_autocheckpoint=100", NULL, NULL, NULL);
    return db;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql) {
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
    if (rc) {
        fprintf(stderr, "threads: %s: %s\n", sql, sqlite3_errmsg(db));
        exit(2);
    }
    return stmt;
}

static void prepare_all(Thread *t) {
    t->put = prepare(t->db, "INSERT OR REPLACE INTO cache(key, value) VALUES(?1, ?2)");
    t->delete_row = prepare(t->db, "DELETE FROM cache WHERE key=?1");
    t->select = prepare(t->db, "SELECT value FROM cache WHERE key=?1");
    t->scan = prepare(t->db, "SELECT value FROM cache");
    t->get = prepare(t->db,
                     plain ? "SELECT (SELECT value FROM cache WHERE key=?1)" : "SELECT hybrid_cache_get('cache', ?1)");
    t->has = prepare(t->db, plain ? "SELECT EXISTS(SELECT 1 FROM cache WHERE key=?1)"
                                  : "SELECT hybrid_cache_has('cache', ?1)");
}

static void finalize_all(Thread *t) {
    sqlite3_stmt *all[] = {t->put, t->delete_row, t->select, t->scan, t->get, t->has};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        sqlite3_finalize(all[i]);
}

static void execute(Thread *t, const char *sql) {
    int rc = sqlite3_exec(t->db, sql, NULL, NULL, NULL);
    if (rc)
        complain(t, sql, rc);
}

/* The number in a value, after a look at all of its bytes; while another thread may be replacing or evicting that
 * entry. */
static uint64_t number_of(const Thread *t, sqlite3_stmt *stmt, uint64_t key, bool any_key) {
    Value v;
    if (sqlite3_column_type(stmt, 0) == SQLITE_NULL)
        return 0;
    const void *p = sqlite3_column_blob(stmt, 0);
    if (sqlite3_column_bytes(stmt, 0) != sizeof v) {
        complain(t, "a value of another size", 0);
        return 0;
    }
    sched_yield();
    memcpy(&v, p, sizeof v);
    if (!any_key && v.words[0] != key)
        complain(t, "a value of another key", 0);
    for (int i = 2; i < 13; i++) {
        if (v.words[i] != v.words[1])
            complain(t, "a broken value", 0);
    }
    return v.words[1];
}

static uint64_t look_up(Thread *t, sqlite3_stmt *stmt, uint64_t key) {
    uint64_t n = 0;
    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)key);
    int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        n = number_of(t, stmt, key, false);
    else if (rc != SQLITE_DONE)
        complain(t, "read", rc);
    sqlite3_reset(stmt);
    return n;
}

/* True once the write is done; on an error the statement is undone, and counted as a failure. */
static void write_key(Thread *t, uint64_t slot) {
    uint64_t key = slot * THREADS + (uint64_t)t->rank, n = next_random(&t->random) | 1;
    bool remove = n % 8 == 3;
    Value v = {.words = {key}};
    sqlite3_stmt *stmt = remove ? t->delete_row : t->put;
    for (int i = 1; i < 13; i++)
        v.words[i] = n;
    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)key);
    if (!remove)
        sqlite3_bind_blob(stmt, 2, &v, sizeof v, SQLITE_TRANSIENT);
    int rc = sqlite3_step(stmt);
    if (rc != SQLITE_DONE)
        complain(t, "write", rc);
    else
        t->pending[slot] = remove ? 0 : n;
    sqlite3_reset(stmt);
}

static void check_own(Thread *t, uint64_t slot) {
    uint64_t key = slot * THREADS + (uint64_t)t->rank, r = next_random(&t->random);
    if (r % 4 == 0) {
        sqlite3_bind_int64(t->has, 1, (sqlite3_int64)key);
        bool has = sqlite3_step(t->has) == SQLITE_ROW && sqlite3_column_int(t->has, 0);
        sqlite3_reset(t->has);
        if (has != (t->pending[slot] != 0))
            complain(t, "has() is wrong about an own key", 0);
        return;
    }
    if (look_up(t, r % 4 == 1 ? t->select : t->get, key) != t->pending[slot])
        complain(t, "an own key does not hold what was written", 0);
}

/* With a connection of its own: some writes and reads in a transaction, and either end. */
static void transaction(Thread *t) {
    uint64_t r = next_random(&t->random);
    bool keep = r % 3 > 0;
    execute(t, r & 64 ? "BEGIN IMMEDIATE" : "BEGIN; DELETE FROM gate");
    for (int i = 0; i < 4; i++) {
        uint64_t slot = next_random(&t->random) % KEYS;
        write_key(t, slot);
        if (i == 1)
            execute(t, "SAVEPOINT s");
        check_own(t, slot);
    }
    if (r & 128) {
        execute(t, "ROLLBACK TO s");
        keep = false; /* (which of the four stay is of no interest) */
    }
    execute(t, keep ? "COMMIT" : "ROLLBACK");
    if (keep)
        memcpy(t->committed, t->pending, sizeof t->committed);
    else
        memcpy(t->pending, t->committed, sizeof t->committed);
}

static void reopen(Thread *t) {
    finalize_all(t);
    if (sqlite3_close(t->db) != SQLITE_OK)
        complain(t, "close", SQLITE_BUSY);
    t->db = open_database();
    prepare_all(t);
}

static void *thread_main(void *argument) {
    Thread *t = argument;
    for (long i = 0; i < operations; i++) {
        uint64_t r = next_random(&t->random), slot = (r >> 8) % KEYS;
        switch (r % 32) {
        case 0:
        case 1:
        case 2:
        case 3:
            write_key(t, slot);
            memcpy(t->committed, t->pending, sizeof t->committed);
            break;
        case 4:
            if (t->own_connection)
                transaction(t);
            break;
        case 5:
            while (sqlite3_step(t->scan) == SQLITE_ROW)
                number_of(t, t->scan, 0, true);
            sqlite3_reset(t->scan);
            break;
        case 6:
            if (!plain)
                execute(t, r & 64 ? "SELECT hybrid_cache_stats('cache')" : "SELECT hybrid_cache_clear_l1('cache')");
            break;
        case 7:
            if (r % 1024 == 7)
                sqlite3_wal_checkpoint_v2(t->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL,
                                          NULL); /* (locked is no error) */
            break;
        case 8:
        case 9:
        case 10:
        case 11: /* another thread's key: what it holds is that one's business, but it has to be whole */
            look_up(t, r & 64 ? t->get : t->select, (r >> 16) % (KEYS * THREADS));
            break;
        default:
            check_own(t, slot);
        }
        if (t->own_connection && i % REOPEN == REOPEN - 1)
            reopen(t);
    }
    return NULL;
}

static bool run(bool shared) {
    static const char *const ends[] = {"", "-wal", "-shm"};
    Thread threads[THREADS] = {0};
    pthread_t ids[THREADS];
    sqlite3 *db = open_database(); /* open to the end, so that the extension stays loaded */
    atomic_store(&failures, 0);
    const char *create = plain ? "CREATE TABLE cache(key PRIMARY KEY, value)"
                               : "CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=0, l1_entries=24)";
    if (sqlite3_exec(db, "PRAGMA journal_mode=WAL; CREATE TABLE gate(x)", NULL, NULL, NULL) ||
        sqlite3_exec(db, create, NULL, NULL, NULL)) {
        fprintf(stderr, "threads: %s\n", sqlite3_errmsg(db));
        exit(2);
    }
    for (int i = 0; i < THREADS; i++) {
        threads[i].rank = i;
        threads[i].random = (uint64_t)i + 1;
        threads[i].own_connection = !shared;
        threads[i].db = shared ? db : open_database();
        prepare_all(&threads[i]);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_create(&ids[i], NULL, thread_main, &threads[i]);
    for (int i = 0; i < THREADS; i++)
        pthread_join(ids[i], NULL);
    for (int i = 0; i < THREADS; i++) {
        finalize_all(&threads[i]);
        if (!shared && sqlite3_close(threads[i].db) != SQLITE_OK)
            complain(&threads[i], "close", SQLITE_BUSY);
    }
    if (sqlite3_close(db) != SQLITE_OK)
        complain(&threads[0], "close", SQLITE_BUSY);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char name[620];
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        unlink(name);
    }
    int wrong = atomic_load(&failures);
    printf("threads: %s, %d threads, %ld operations each, %d wrong\n", shared ? "one connection" : "a connection each",
           THREADS, operations, wrong);
    return wrong == 0;
}

int main(int argc, char **argv) {
    char dir[512];
    int passed = 0;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--plain"))
            plain = true;
        else if (!strcmp(argv[i], "--extension") && i + 1 < argc)
            extension = argv[++i];
        else if (!strcmp(argv[i], "--ops") && i + 1 < argc)
            operations = atol(argv[++i]);
        else {
            fputs("usage: threads [--ops N (of each thread)] [--plain] [--extension PATH]\n", stderr);
            return 2;
        }
    }
    const char *base = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/threads.XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(dir))
        return 2;
    snprintf(path, sizeof path, "%s/threads.db", dir);
    setvbuf(stdout, NULL, _IOLBF, 0);
    passed += run(true);
    passed += run(false);
    rmdir(dir);
    printf("%d passed, %d failed\n", passed, 2 - passed);
    return passed != 2;
}
