/*
** rows_others.c: hits while others write, and many processes at once.
**
** Processes are forked before this one opens the files that they use: SQLite's connections do not survive a fork.
*/
#define _DEFAULT_SOURCE

#include "bench.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HOT 1000

static const Shape wal = {0};

static void *shared(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        die("no shared memory");
    memset(memory, 0, bytes);
    return memory;
}

static void pause_ns(double ns) {
    struct timespec time = {.tv_sec = 0, .tv_nsec = (long)ns};
    nanosleep(&time, NULL);
}

static pid_t fork_or_die(void) {
    fflush(NULL);
    pid_t child = fork();
    if (child < 0)
        die("fork failed");
    return child;
}

static void wait_for(pid_t child) {
    int status;
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        die("a process of the benchmark failed");
}

/* ------------------------------------------------------------ a foreign put */

/* How much of the L1 survives one key put by another connection. */
static void row_foreign_put(void) {
    enum { TRIES = 100 };
    Keys keys;
    Store reader, writer;
    double hits = 0, gets = 0;
    keys_make(&keys, HOT, 1);
    store_create(&reader, KIND_FUNCTION, "cache.db", &wal, &keys);
    store_open(&writer, KIND_FUNCTION, "cache.db", &wal, &keys);
    store_warm(&reader);
    for (size_t i = 0; i < TRIES; i++) {
        store_put(&writer, i);
        double before = statistic(&reader, "l1_hits");
        for (size_t j = 0; j < keys.count; j++) {
            if (j != i)
                store_get(&reader, j);
        }
        hits += statistic(&reader, "l1_hits") - before;
        gets += (double)(keys.count - 1);
        store_get(&reader, i);
    }
    report(&(Line){.what = "other entries that still hit",
                   .unit = "%",
                   .ours = figure_single(100 * hits / gets),
                   .rule = RULE_AT_LEAST,
                   .target = 99});
    store_close(&reader);
    store_close(&writer);
    keys_free(&keys);
}

/* --------------------------------------------------------------- validation */

typedef struct Watched {
    Store reader;
    sqlite3 *writer;
    sqlite3_stmt *write;
} Watched;

static void watched_open(Watched *watched, Kind kind, const char *file, const Keys *keys) {
    store_create(&watched->reader, kind, file, &wal, keys);
    if (sqlite3_open(file_path(file), &watched->writer) != SQLITE_OK)
        die("%s", sqlite3_errmsg(watched->writer));
    exec(watched->writer, "PRAGMA synchronous=NORMAL; CREATE TABLE other(n); INSERT INTO other VALUES(0)");
    watched->write = prepare(watched->writer, "UPDATE other SET n = n + 1");
    store_warm(&watched->reader);
}

static void watched_close(Watched *watched) {
    store_close(&watched->reader);
    sqlite3_finalize(watched->write);
    sqlite3_close(watched->writer);
}

/* The look-up that finds that another connection has committed, to another table. */
static double get_after_commit(void *context, size_t i) {
    Watched *watched = context;
    if (sqlite3_step(watched->write) != SQLITE_DONE)
        die("%s", sqlite3_errmsg(watched->writer));
    sqlite3_reset(watched->write);
    double start = clock_ns();
    store_get(&watched->reader, i);
    return clock_ns() - start;
}

static void row_validation(void) {
    Keys keys;
    Watched ours, plain;
    keys_make(&keys, HOT, 1);
    watched_open(&ours, KIND_FUNCTION, "cache.db", &keys);
    watched_open(&plain, KIND_PLAIN, "plain.db", &keys);
    Side sides[] = {{.name = "", .context = &ours, .timed = get_after_commit},
                    {.name = "plain table", .context = &plain, .timed = get_after_commit}};
    measure(sides, 2);
    report_sides("first hit after another's commit", sides, 1, RULE_NONE, 0, 1);
    watched_close(&ours);
    watched_close(&plain);
    keys_free(&keys);
}

/* ------------------------------------------------------------- a busy neighbour */

/* Which file the neighbour writes to, 1,000 times a second: 1 ours, 2 the plain one, 0 none, -1 the end. */
typedef struct Neighbour {
    atomic_int ready, active;
    atomic_int commits;
} Neighbour;

static void write_now_and_then(Neighbour *neighbour, int in_cache) {
    static const char *const files[] = {"cache.db", "plain.db"};
    Store stores[2];
    sqlite3_stmt *other[2];
    Keys keys;
    while (!atomic_load(&neighbour->ready))
        pause_ns(1e6);
    keys_make(&keys, HOT, 1);
    for (int i = 0; i < 2; i++) {
        store_open(&stores[i], i ? KIND_PLAIN : KIND_FUNCTION, files[i], &wal, &keys);
        other[i] = prepare(stores[i].db, "UPDATE other SET n = n + 1");
    }
    double next = clock_ns();
    for (size_t n = 0;; n++) {
        int active = atomic_load(&neighbour->active);
        if (active < 0)
            break;
        if (active > 0) {
            if (in_cache) {
                store_put(&stores[active - 1], n);
            } else {
                sqlite3_step(other[active - 1]);
                sqlite3_reset(other[active - 1]);
            }
            atomic_fetch_add(&neighbour->commits, 1);
        }
        next += 1e6;
        double left = next - clock_ns();
        if (left > 0)
            pause_ns(left);
        else
            next = clock_ns();
    }
    for (int i = 0; i < 2; i++) {
        sqlite3_finalize(other[i]);
        store_close(&stores[i]);
    }
    _exit(0);
}

typedef struct Disturbed {
    Store store;
    Neighbour *neighbour;
    int active; /* what the neighbour is told */
} Disturbed;

static void disturbed_get(void *context, size_t i) {
    store_get(&((Disturbed *)context)->store, i);
}

static void disturbed_begin(void *context) {
    Disturbed *disturbed = context;
    atomic_store(&disturbed->neighbour->active, disturbed->active);
}

static void disturbed_end(void *context) {
    atomic_store(&((Disturbed *)context)->neighbour->active, 0);
}

static void disturbed_by(int in_cache, const char *what) {
    Neighbour *neighbour = shared(sizeof *neighbour);
    pid_t child = fork_or_die();
    if (child == 0)
        write_now_and_then(neighbour, in_cache);
    Keys keys;
    Disturbed ours = {.neighbour = neighbour, .active = 1}, plain = {.neighbour = neighbour, .active = 2};
    keys_make(&keys, HOT, 1);
    store_create(&ours.store, KIND_FUNCTION, "cache.db", &wal, &keys);
    store_create(&plain.store, KIND_PLAIN, "plain.db", &wal, &keys);
    exec(ours.store.db, "CREATE TABLE other(n); INSERT INTO other VALUES(0)");
    exec(plain.store.db, "CREATE TABLE other(n); INSERT INTO other VALUES(0)");
    store_warm(&ours.store);
    atomic_store(&neighbour->ready, 1);
    Side sides[] = {{.name = "", .context = &ours, .op = disturbed_get, .begin = disturbed_begin, .end = disturbed_end},
                    {.name = "plain table",
                     .context = &plain,
                     .op = disturbed_get,
                     .begin = disturbed_begin,
                     .end = disturbed_end}};
    double start = clock_ns();
    measure_writes(sides, 2); /* many commits in each slice */
    double rate = atomic_load(&neighbour->commits) / (clock_ns() - start) * 1e9;
    char line[80];
    snprintf(line, sizeof line, "%s %.0f/s", what, rate);
    report_sides(line, sides, 1, RULE_NONE, 0, 0);
    atomic_store(&neighbour->active, -1);
    wait_for(child);
    store_close(&ours.store);
    store_close(&plain.store);
    keys_free(&keys);
    munmap(neighbour, sizeof *neighbour);
}

static void row_neighbour(void) {
    disturbed_by(0, "hit, commits to another table");
    disturbed_by(1, "hit, puts into the same table");
}

/* ----------------------------------------------------------- many processes */

#define MOST_WORKERS 8
/* Latencies by halving: bucket b ends at 2^(b/8) ns. */
#define BUCKETS 320
#define TIMED_EVERY 8
#define COUNTER "counter"

typedef struct Worker {
    double gets, puts, busy, errors, slowest_ns;
    uint32_t latency[BUCKETS];
} Worker;

typedef struct Crowd {
    atomic_int ready, started, stopped;
    Worker workers[MOST_WORKERS];
} Crowd;

static int bucket_of(double ns) {
    int bucket = 0;
    double end = 1;
    while (end < ns && bucket < BUCKETS - 1) {
        end *= 1.0905077326652577; /* 2^(1/8) */
        bucket++;
    }
    return bucket;
}

static double bucket_end(int bucket) {
    double end = 1;
    while (bucket-- > 0)
        end *= 1.0905077326652577;
    return end;
}

static void note_failure(Worker *worker, int rc) {
    if ((rc & 0xff) == SQLITE_BUSY)
        worker->busy++;
    else
        worker->errors++;
}

/* Unlike store_get, this one survives a failure. */
static void work(Crowd *crowd, int at, Kind kind, const char *file, int puts_in_100) {
    Worker *worker = &crowd->workers[at];
    Keys keys;
    Store store;
    uint32_t random = 2463534242u + (uint32_t)at * 7919u;
    keys_make(&keys, HOT, 1);
    store_open(&store, kind, file, &wal, &keys);
    store_warm(&store);
    atomic_fetch_add(&crowd->ready, 1);
    while (!atomic_load(&crowd->started))
        sched_yield();
    for (size_t n = 0; !atomic_load_explicit(&crowd->stopped, memory_order_relaxed); n++) {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        int is_put = (int)(random % 100) < puts_in_100;
        const char *key = keys.text[(random >> 8) % keys.count];
        sqlite3_stmt *stmt = is_put ? store.put : store.get;
        sqlite3_bind_text(stmt, 1, key, KEY_N, SQLITE_STATIC);
        if (is_put)
            sqlite3_bind_text(stmt, 2, store.value, store.value_n, SQLITE_STATIC);
        if (kind == KIND_PLAIN)
            sqlite3_bind_double(stmt, is_put ? 3 : 2, is_put ? store.now + 86400 + (double)n * 1e-3 : store.now);
        double start = n % TIMED_EVERY == 0 ? clock_ns() : 0;
        int rc = sqlite3_step(stmt);
        if (start > 0) {
            double ns = clock_ns() - start;
            worker->latency[bucket_of(ns)]++;
            if (ns > worker->slowest_ns)
                worker->slowest_ns = ns;
        }
        int reset = sqlite3_reset(stmt);
        if (rc == (is_put ? SQLITE_DONE : SQLITE_ROW))
            *(is_put ? &worker->puts : &worker->gets) += 1;
        else
            note_failure(worker, reset);
    }
    store_close(&store);
    _exit(0);
}

/*
** Counts up in transactions, half of which take the write lock only when they write: the number that they read must
** still be the newest one then. What was committed is counted; nobody else's may be missing from the sum.
*/
static void count_up(Crowd *crowd, int at, Kind kind, const char *file, int unused) {
    static const char *const begins[] = {"BEGIN", "BEGIN IMMEDIATE"};
    Worker *worker = &crowd->workers[at];
    Keys keys;
    Store store;
    (void)unused;
    keys_make(&keys, HOT, 1);
    store_open(&store, kind, file, &wal, &keys);
    sqlite3_bind_text(store.get, 1, COUNTER, -1, SQLITE_STATIC);
    sqlite3_bind_text(store.put, 1, COUNTER, -1, SQLITE_STATIC);
    if (kind == KIND_PLAIN) {
        sqlite3_bind_double(store.get, 2, store.now);
        sqlite3_bind_double(store.put, 3, store.now + 86400);
    }
    atomic_fetch_add(&crowd->ready, 1);
    while (!atomic_load(&crowd->started))
        sched_yield();
    for (size_t n = 0; !atomic_load_explicit(&crowd->stopped, memory_order_relaxed); n++) {
        int rc = sqlite3_exec(store.db, begins[n % 2], NULL, NULL, NULL);
        if (rc == SQLITE_OK && sqlite3_step(store.get) == SQLITE_ROW) {
            sqlite3_bind_int64(store.put, 2, sqlite3_column_int64(store.get, 0) + 1);
            sqlite3_reset(store.get);
            sqlite3_step(store.put);
            rc = sqlite3_reset(store.put);
        } else if (rc == SQLITE_OK) {
            rc = sqlite3_reset(store.get);
        }
        if (rc == SQLITE_OK)
            rc = sqlite3_exec(store.db, "COMMIT", NULL, NULL, NULL);
        if (rc == SQLITE_OK) {
            worker->puts++;
            continue;
        }
        note_failure(worker, rc);
        if (!sqlite3_get_autocommit(store.db))
            exec(store.db, "ROLLBACK");
    }
    store_close(&store);
    _exit(0);
}

typedef struct Throughput {
    double gets[MOST_ROUNDS], puts[MOST_ROUNDS], p50[MOST_ROUNDS], p99[MOST_ROUNDS], slowest[MOST_ROUNDS];
    double committed, busy, errors;
} Throughput;

static double latency_quantile(const Crowd *crowd, int workers, double part) {
    double total = 0, sum = 0;
    for (int w = 0; w < workers; w++) {
        for (int b = 0; b < BUCKETS; b++)
            total += crowd->workers[w].latency[b];
    }
    for (int b = 0; b < BUCKETS; b++) {
        for (int w = 0; w < workers; w++)
            sum += crowd->workers[w].latency[b];
        if (sum >= part * total)
            return bucket_end(b);
    }
    return 0;
}

typedef void Job(Crowd *crowd, int at, Kind kind, const char *file, int puts_in_100);

static void run_crowd(Throughput *throughput, int round, Job *job, int workers, Kind kind, const char *file,
                      int puts_in_100) {
    Crowd *crowd = shared(sizeof *crowd);
    pid_t children[MOST_WORKERS];
    for (int i = 0; i < workers; i++) {
        children[i] = fork_or_die();
        if (children[i] == 0)
            job(crowd, i, kind, file, puts_in_100);
    }
    while (atomic_load(&crowd->ready) < workers)
        pause_ns(1e6);
    double start = clock_ns();
    atomic_store(&crowd->started, 1);
    pause_ns(settings.quick ? 100e6 : 400e6);
    atomic_store(&crowd->stopped, 1);
    double seconds = (clock_ns() - start) / 1e9;
    throughput->gets[round] = throughput->puts[round] = throughput->slowest[round] = 0;
    for (int i = 0; i < workers; i++) {
        const Worker *worker = &crowd->workers[i];
        wait_for(children[i]);
        throughput->gets[round] += worker->gets / seconds;
        throughput->puts[round] += worker->puts / seconds;
        throughput->committed += worker->puts;
        throughput->busy += worker->busy;
        throughput->errors += worker->errors;
        if (worker->slowest_ns > throughput->slowest[round])
            throughput->slowest[round] = worker->slowest_ns;
    }
    throughput->p50[round] = latency_quantile(crowd, workers, 0.5);
    throughput->p99[round] = latency_quantile(crowd, workers, 0.99);
    munmap(crowd, sizeof *crowd);
}

static void report_crowd(const char *what, const char *unit, double *ours, double *plain, int rounds, Rule rule) {
    double ratios[MOST_ROUNDS];
    for (int i = 0; i < rounds; i++)
        ratios[i] = ours[i] / plain[i];
    Figure peer = figure_of(plain, rounds);
    report(&(Line){.what = what,
                   .unit = unit,
                   .ours = figure_of(ours, rounds),
                   .peer_name = "plain table",
                   .peer = &peer,
                   .ratio = figure_of(ratios, rounds).median,
                   .rule = rule,
                   .target = 1,
                   .charted = rule == RULE_MORE});
}

static void crowd(int workers, int puts_in_100, int has_target) {
    static Throughput ours, plain;
    int rounds = 7;
    char what[80];
    Keys keys;
    Store store;
    memset(&ours, 0, sizeof ours);
    memset(&plain, 0, sizeof plain);
    keys_make(&keys, HOT, 1);
    store_create(&store, KIND_FUNCTION, "cache.db", &wal, &keys);
    store_close(&store);
    store_create(&store, KIND_PLAIN, "plain.db", &wal, &keys);
    store_close(&store);
    keys_free(&keys);
    for (int round = 0; round < rounds; round++) {
        progress("%d processes, %d/%d, round %d of %d", workers, 100 - puts_in_100, puts_in_100, round + 1, rounds);
        run_crowd(&ours, round, work, workers, KIND_FUNCTION, "cache.db", puts_in_100);
        run_crowd(&plain, round, work, workers, KIND_PLAIN, "plain.db", puts_in_100);
    }
    snprintf(what, sizeof what, "%d process%s, %d/%d: gets", workers, workers > 1 ? "es" : "", 100 - puts_in_100,
             puts_in_100);
    report_crowd(what, "/s", ours.gets, plain.gets, rounds, has_target ? RULE_MORE : RULE_SHARE);
    if (!has_target)
        return;
    report_crowd("  puts", "/s", ours.puts, plain.puts, rounds, RULE_SHARE);
    report_crowd("  latency, p50", "us", ours.p50, plain.p50, rounds, RULE_NONE);
    report_crowd("  latency, p99", "us", ours.p99, plain.p99, rounds, RULE_NONE);
    report_crowd("  latency, longest", "us", ours.slowest, plain.slowest, rounds, RULE_NONE);
    Figure peer = figure_single(plain.busy);
    report(&(Line){.what = "  BUSY after 10 s",
                   .unit = "",
                   .ours = figure_single(ours.busy),
                   .peer_name = "plain table",
                   .peer = &peer,
                   .rule = RULE_SHARE});
    report(&(Line){.what = "  errors but BUSY", .unit = "", .ours = figure_single(ours.errors), .rule = RULE_AT_MOST});
}

/* The counter's value when all have stopped. */
static double counter_of(Kind kind, const char *file, const Keys *keys, int begin) {
    Store store;
    store_open(&store, kind, file, &wal, keys);
    if (begin)
        exec(store.db, kind == KIND_PLAIN ? "INSERT INTO kv VALUES('" COUNTER "', 0, 1e11)"
                                          : "INSERT INTO cache(key, value) VALUES('" COUNTER "', 0)");
    double count = query(store.db, kind == KIND_PLAIN ? "SELECT value FROM kv WHERE key = '" COUNTER "'"
                                                      : "SELECT hybrid_cache_get('cache', '" COUNTER "')");
    store_close(&store);
    return count;
}

/* On the files that crowd() leaves. */
static void updates(int workers) {
    enum { ROUNDS = 7 };
    static Throughput ours, plain;
    char what[80];
    Keys keys;
    memset(&ours, 0, sizeof ours);
    memset(&plain, 0, sizeof plain);
    keys_make(&keys, HOT, 1);
    counter_of(KIND_FUNCTION, "cache.db", &keys, 1);
    counter_of(KIND_PLAIN, "plain.db", &keys, 1);
    for (int round = 0; round < ROUNDS; round++) {
        progress("%d processes count up, round %d of %d", workers, round + 1, ROUNDS);
        run_crowd(&ours, round, count_up, workers, KIND_FUNCTION, "cache.db", 0);
        run_crowd(&plain, round, count_up, workers, KIND_PLAIN, "plain.db", 0);
    }
    double ours_lost = ours.committed - counter_of(KIND_FUNCTION, "cache.db", &keys, 0);
    double plain_lost = plain.committed - counter_of(KIND_PLAIN, "plain.db", &keys, 0);
    snprintf(what, sizeof what, "%d processes: get + 1, put, COMMIT", workers);
    report_crowd(what, "/s", ours.puts, plain.puts, ROUNDS, RULE_SHARE);
    Figure peer = figure_single(plain_lost);
    snprintf(what, sizeof what, "  updates lost, of %.0f", ours.committed);
    report(&(Line){.what = what,
                   .unit = "",
                   .ours = figure_single(ours_lost),
                   .peer_name = "plain table",
                   .peer = &peer,
                   .rule = RULE_AT_MOST});
    report(&(Line){.what = "  errors but BUSY", .unit = "", .ours = figure_single(ours.errors), .rule = RULE_AT_MOST});
    keys_free(&keys);
}

static void row_processes(void) {
    crowd(1, 10, 0);
    crowd(2, 10, 0);
    crowd(4, 10, 0);
    crowd(8, 50, 0);
    crowd(8, 10, 1);
    updates(8);
}

const Row rows_others[] = {
    {"foreign-put", "entries that survive a put of another connection", row_foreign_put},
    {"validation", "the hit that has to compare", row_validation},
    {"neighbour", "hits while a process commits 1,000 times a second", row_neighbour},
    {"processes", "1 to 8 processes that read and write", row_processes},
    {NULL, NULL, NULL},
};
