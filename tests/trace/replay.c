/*
** replay: access traces through the real extension, against simulators that know nothing of it.
**
**     replay --extension dist/hybrid_cache [--csv sql/data/apache10k.csv] [TRACE.txt.gz ...]
**
** A request is a get through hybrid_cache_get(), and a put if that says NULL; what counts are the l1_hits of the
** statistics. L2 has no limit here: what L1 lost and L2 still has comes back by a get that is no L1 hit, so that to the L1
** it is the same whether a get or a put brings the key in.
**
** Three tables: the hit ratio of lru and s3fifo, how well hybrid_cache_mrc() foretells lru, and what the checks say.
*/
#define _POSIX_C_SOURCE 200809L /* popen() */

#include <sqlite3.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The targets: points that s3fifo may lose to LRU from so many entries on, and the mean error of the miss-ratio curve. */
#define MANY_ENTRIES 200
#define WORST_LOSS (-2.0)
#define MRC_ERROR 0.02
/* Points that the extension's s3fifo, whose ghost is made of sets, may be away from one with a queue. */
#define GHOST_TOLERANCE 1.5
/* No limit of bytes. */
#define PLENTY ((sqlite3_int64)1 << 40)

static int passed, failed;

static void check(int right, const char *trace, int entries, const char *what, double got, double expected) {
    if (right) {
        passed++;
    } else {
        failed++;
        printf("FAILED %s, %d entries: %s is %.4f, expected %.4f\n", trace, entries, what, got, expected);
    }
}

static void *allocate(size_t n) {
    void *memory = calloc(1, n ? n : 1);
    if (!memory) {
        fprintf(stderr, "out of memory\n");
        exit(2);
    }
    return memory;
}

/* ---- traces: requests are numbers of keys, from 0 in the order in which they first appear */

typedef struct Trace {
    char name[40];
    int real;
    int count, keys;
    int *requests;
    int *sizes; /* of each request, in bytes; 0 where the trace does not say */
} Trace;

static int *longer(int *numbers, int count) {
    int *more = allocate((size_t)(count ? count * 2 : 1) * sizeof *more);
    if (count)
        memcpy(more, numbers, (size_t)count * sizeof *more);
    free(numbers);
    return more;
}

static void append(Trace *trace, int request, int size) {
    if ((trace->count & (trace->count - 1)) == 0) {
        trace->requests = longer(trace->requests, trace->count);
        trace->sizes = longer(trace->sizes, trace->count);
    }
    trace->sizes[trace->count] = size;
    trace->requests[trace->count++] = request;
}

static int compare_words(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* From the keys as they were read: key in the upper half of a word, request in the lower one. */
static void number_keys(Trace *trace, uint64_t *words) {
    int *first = allocate((size_t)trace->count * sizeof *first);
    int *number = allocate((size_t)trace->count * sizeof *number);
    qsort(words, (size_t)trace->count, sizeof *words, compare_words);
    for (int i = 0; i < trace->count; i++) {
        int same = i > 0 && words[i] >> 32 == words[i - 1] >> 32;
        first[words[i] & UINT32_MAX] = same ? first[words[i - 1] & UINT32_MAX] : (int)(words[i] & UINT32_MAX);
    }
    for (int i = 0; i < trace->count; i++) {
        if (first[i] == i)
            number[i] = trace->keys++;
        trace->requests[i] = number[first[i]];
    }
    free(first);
    free(number);
}

static int read_trace(FILE *file, Trace *trace) {
    char line[256];
    uint64_t *words = NULL;
    size_t room = 0;
    while (fgets(line, sizeof line, file)) {
        char *end;
        unsigned long long key = strtoull(line, &end, 10);
        if (end == line || key > UINT32_MAX)
            continue; /* a title */
        if ((size_t)trace->count == room) {
            room = room ? room * 2 : 4096;
            uint64_t *more = realloc(words, room * sizeof *words);
            if (!more)
                exit(2);
            words = more;
        }
        words[trace->count] = (uint64_t)key << 32 | (uint32_t)trace->count;
        append(trace, 0, *end == ' ' || *end == ',' ? atoi(end + 1) : 0);
    }
    if (trace->count)
        number_keys(trace, words);
    free(words);
    return trace->count > 0;
}

static int load_trace(const char *path, int packed, Trace *trace) {
    const char *base = strrchr(path, '/');
    char command[600];
    memset(trace, 0, sizeof *trace);
    trace->real = 1;
    snprintf(trace->name, sizeof trace->name, "%s", base ? base + 1 : path);
    trace->name[strcspn(trace->name, ".")] = 0;
    FILE *file = fopen(path, "r");
    if (file && packed) {
        fclose(file);
        if (strchr(path, '\''))
            return 0;
        snprintf(command, sizeof command, "zcat '%s'", path);
        file = popen(command, "r");
    }
    if (!file)
        return 0;
    int right = read_trace(file, trace);
    if (packed)
        pclose(file);
    else
        fclose(file);
    return right;
}

static uint64_t random_state;

static double random_fraction(void) { /* splitmix64 */
    uint64_t x = random_state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return (double)((x ^ x >> 31) >> 11) / 9007199254740992.0;
}

/* About Zipf with exponent 1: each octave of keys is as likely as the one before. */
static int popular(int keys) {
    return (int)pow(keys, random_fraction()) - 1;
}

enum { SCAN, LOOP, SHIFT, ONE_HIT, ZIPF, KINDS };
static const char *const kind_names[] = {"scan", "loop", "shift", "one-hit", "zipf"};

static void make_trace(int kind, Trace *trace) {
    enum { REQUESTS = 120000 };
    memset(trace, 0, sizeof *trace);
    snprintf(trace->name, sizeof trace->name, "%s", kind_names[kind]);
    random_state = (uint64_t)kind;
    int fresh = 10000;
    for (int i = 0; i < REQUESTS; i++) {
        switch (kind) {
        case SCAN: /* popular keys, and every now and then a walk through 3000 others */
            append(trace, i % 10000 >= 7000 ? 10000 + i % 10000 - 7000 : popular(10000), 0);
            break;
        case LOOP: /* again and again through more keys than fit */
            append(trace, i % 1100, 0);
            break;
        case SHIFT: /* what is popular moves on */
            append(trace, i / 6000 * 400 + popular(1000), 0);
            break;
        case ONE_HIT: /* half of the requests are for keys that never come again */
            append(trace, i % 2 ? fresh++ : popular(5000), 0);
            break;
        default:
            append(trace, popular(20000), 0);
            break;
        }
    }
    for (int i = 0; i < trace->count; i++) {
        if (trace->requests[i] >= trace->keys)
            trace->keys = trace->requests[i] + 1;
    }
}

/* ---- exact LRU of all sizes at once: hits[C] with room for C */

static int *simulate_lru(const Trace *trace) {
    int *tree = allocate((size_t)(trace->count + 2) * sizeof *tree); /* Fenwick: 1 at the last request of each key */
    int *last = allocate((size_t)trace->keys * sizeof *last);
    int *hits = allocate((size_t)(trace->keys + 1) * sizeof *hits);
    int known = 0;
    for (int i = 1; i <= trace->count; i++) {
        int key = trace->requests[i - 1];
        if (last[key]) {
            int older = 0; /* keys used no later than this one */
            for (int at = last[key]; at > 0; at -= at & -at)
                older += tree[at];
            hits[known - older + 1]++;
            for (int at = last[key]; at <= trace->count; at += at & -at)
                tree[at]--;
        } else {
            known++;
        }
        for (int at = i; at <= trace->count; at += at & -at)
            tree[at]++;
        last[key] = i;
    }
    for (int i = 1; i <= trace->keys; i++)
        hits[i] += hits[i - 1];
    free(tree);
    free(last);
    return hits;
}

static int lru_hits(const Trace *trace, const int *hits, sqlite3_int64 entries) {
    return hits[entries < trace->keys ? entries : trace->keys];
}

/* ---- exact LRU by bytes, as README.md has it: all memory of an entry counts, one larger than a tenth stays out */

enum { BYTES_SCALE = 100 }; /* the real sizes are up to 69 MB */

static int value_size(const Trace *trace, int request) {
    return trace->sizes[request] / BYTES_SCALE;
}

/* An integer key: 8 bytes. The rest is what an entry costs beside key and value, whole words, and its slot and block. */
static sqlite3_int64 entry_cost(int value) {
    return (72 + 8 + value + 2 + 7) / 8 * 8 + 16;
}

static int simulate_bytes(const Trace *trace, sqlite3_int64 limit, sqlite3_int64 *bytes) {
    int *last = allocate((size_t)trace->keys * sizeof *last); /* number of its last use + 1; 0: not in */
    sqlite3_int64 *cost = allocate((size_t)trace->keys * sizeof *cost);
    int hits = 0, oldest = 0; /* of the uses, in their order, the first that may still be a last one */
    *bytes = 0;
    for (int i = 0; i < trace->count; i++) {
        int key = trace->requests[i];
        if (last[key]) {
            hits++;
            last[key] = i + 1;
            continue;
        }
        sqlite3_int64 more = entry_cost(value_size(trace, i));
        if (more > limit / 10)
            continue;
        for (; *bytes + more > limit; oldest++) {
            int victim = trace->requests[oldest];
            if (last[victim] == oldest + 1) {
                last[victim] = 0;
                *bytes -= cost[victim];
            }
        }
        last[key] = i + 1;
        cost[key] = more;
        *bytes += more;
    }
    free(last);
    free(cost);
    return hits;
}

/* ---- S3-FIFO, with queues for all three */

typedef struct Fifo {
    int *keys;
    long first, count, room;
} Fifo;

static void fifo_push(Fifo *fifo, int key) {
    fifo->keys[(fifo->first + fifo->count++) % fifo->room] = key;
}

static int fifo_pop(Fifo *fifo) {
    int key = fifo->keys[fifo->first];
    fifo->first = (fifo->first + 1) % fifo->room;
    fifo->count--;
    return key;
}

enum { OUT, IN_SMALL, IN_MAIN };

/* As published: a tenth of the entries in small, two reads to get from there to main, a ghost as large as the cache. */
static int simulate_published(const Trace *trace, int entries) {
    Fifo small = {.room = entries + 1}, main = {.room = entries + 1}, ghost = {.room = trace->count + 1};
    char *where = allocate((size_t)trace->keys), *uses = allocate((size_t)trace->keys);
    int *ghosts = allocate((size_t)trace->keys * sizeof *ghosts); /* in the ghost so many times, the last one counts */
    char *known = allocate((size_t)trace->keys);
    int hits = 0, share = entries / 10;
    small.keys = allocate((size_t)small.room * sizeof *small.keys);
    main.keys = allocate((size_t)main.room * sizeof *main.keys);
    ghost.keys = allocate((size_t)ghost.room * sizeof *ghost.keys);
    for (int i = 0; i < trace->count; i++) {
        int key = trace->requests[i];
        if (where[key]) {
            hits++;
            uses[key] = (char)(uses[key] < 3 ? uses[key] + 1 : 3);
            continue;
        }
        while (small.count + main.count >= entries) {
            if (small.count && (small.count >= share || !main.count)) {
                int victim = fifo_pop(&small);
                if (uses[victim] >= 2) {
                    where[victim] = IN_MAIN;
                    uses[victim] = 0;
                    fifo_push(&main, victim);
                } else {
                    where[victim] = OUT;
                    while (ghost.count >= entries) {
                        int forgotten = fifo_pop(&ghost);
                        if (--ghosts[forgotten] == 0)
                            known[forgotten] = 0;
                    }
                    fifo_push(&ghost, victim);
                    ghosts[victim]++;
                    known[victim] = 1;
                }
            } else {
                int victim = fifo_pop(&main);
                if (uses[victim]) {
                    uses[victim]--;
                    fifo_push(&main, victim);
                } else {
                    where[victim] = OUT;
                }
            }
        }
        uses[key] = 0;
        where[key] = known[key] ? IN_MAIN : IN_SMALL;
        fifo_push(known[key] ? &main : &small, key);
        known[key] = 0;
    }
    free(small.keys);
    free(main.keys);
    free(ghost.keys);
    free(where);
    free(uses);
    free(ghosts);
    free(known);
    return hits;
}

/*
** The extension's: the border between small and main follows two ghosts. These are queues here, whose keys are found by
** their place in the order of leaving: a key that left as number `left` of its ghost is still there if no more than
** `room` left later.
*/
typedef struct Ghost {
    int *left; /* by key; 0 = not there */
    int count; /* that ever left */
    int room;
    int present;
    int *order; /* the keys in the order of leaving */
} Ghost;

static Ghost new_ghost(const Trace *trace, int room) {
    Ghost ghost = {.room = room};
    ghost.left = allocate((size_t)trace->keys * sizeof *ghost.left);
    ghost.order = allocate((size_t)(trace->count + 1) * sizeof *ghost.order);
    return ghost;
}

static void ghost_add(Ghost *ghost, int key) {
    ghost->order[++ghost->count] = key;
    ghost->left[key] = ghost->count;
    ghost->present++;
    int oldest = ghost->count - ghost->room;
    if (oldest > 0 && ghost->left[ghost->order[oldest]] == oldest) {
        ghost->left[ghost->order[oldest]] = 0;
        ghost->present--;
    }
}

/* How many left since that key did, or -1; it is no longer there. */
static int ghost_take(Ghost *ghost, int key) {
    int left = ghost->left[key];
    if (!left)
        return -1;
    ghost->left[key] = 0;
    ghost->present--;
    return ghost->count - left;
}

static double advantage(const Ghost *ghost, const Ghost *other) {
    return other->present > ghost->present + 1 ? (double)other->present / (ghost->present + 1) : 1;
}

static int simulate_s3fifo(const Trace *trace, int entries) {
    Fifo small = {.room = entries + 1}, main = {.room = entries + 1};
    Ghost of_small = new_ghost(trace, entries / 2), of_main = new_ghost(trace, entries);
    char *where = allocate((size_t)trace->keys), *uses = allocate((size_t)trace->keys);
    double least = entries / 10.0, most = entries * 0.9, share = least;
    int hits = 0;
    small.keys = allocate((size_t)small.room * sizeof *small.keys);
    main.keys = allocate((size_t)main.room * sizeof *main.keys);
    for (int i = 0; i < trace->count; i++) {
        int key = trace->requests[i], again;
        if (where[key]) {
            hits++;
            uses[key] = (char)(uses[key] < 5 ? uses[key] + 1 : 5);
            continue;
        }
        while (small.count + main.count >= entries) {
            int from_small = small.count && ((double)small.count >= share || !main.count);
            int victim = fifo_pop(from_small ? &small : &main);
            if (uses[victim]) {
                uses[victim] = (char)(from_small ? 0 : uses[victim] - 1);
                where[victim] = IN_MAIN;
                fifo_push(&main, victim);
            } else {
                where[victim] = OUT;
                ghost_add(from_small ? &of_small : &of_main, victim);
            }
        }
        where[key] = IN_SMALL;
        uses[key] = 0;
        if ((again = ghost_take(&of_small, key)) >= 0) {
            if (again < entries / 4) {
                where[key] = IN_MAIN;
                share += 1.5 * advantage(&of_small, &of_main);
            }
        } else if ((again = ghost_take(&of_main, key)) >= 0) {
            uses[key] = 1;
            if (again < entries / 4)
                share -= 3 * advantage(&of_main, &of_small);
        }
        share = share < least ? least : share > most ? most : share;
        fifo_push(where[key] == IN_MAIN ? &main : &small, key);
    }
    free(small.keys);
    free(main.keys);
    free(of_small.left);
    free(of_small.order);
    free(of_main.left);
    free(of_main.order);
    free(where);
    free(uses);
    return hits;
}

/* ---- the extension */

static const char *extension = "dist/hybrid_cache";

static void fail(sqlite3 *db, const char *what) {
    fprintf(stderr, "%s: %s\n", what, sqlite3_errmsg(db));
    exit(2);
}

static void run(sqlite3 *db, const char *sql) {
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail(db, sql);
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql) {
    sqlite3_stmt *stmt;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        fail(db, sql);
    return stmt;
}

/* Runs the trace; the connection stays open for questions. */
static sqlite3 *replay(const Trace *trace, sqlite3_int64 entries, sqlite3_int64 bytes, const char *eviction) {
    sqlite3 *db;
    char *message = NULL;
    char sql[200];
    if (sqlite3_open(":memory:", &db) != SQLITE_OK)
        fail(db, ":memory:");
    sqlite3_enable_load_extension(db, 1);
    if (sqlite3_load_extension(db, extension, "sqlite3_hybridcache_init", &message) != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", extension, message);
        exit(2);
    }
    snprintf(
        sql, sizeof sql,
        "CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=0, l1_ttl=0, l1_entries=%lld, l1_bytes=%lld, eviction=%s)",
        entries, bytes, eviction);
    run(db, sql);
    sqlite3_stmt *get = prepare(db, "SELECT hybrid_cache_get('cache', ?1)");
    sqlite3_stmt *put = prepare(db, "INSERT OR REPLACE INTO cache(key, value) VALUES(?1, ?2)");
    for (int i = 0; i < trace->count; i++) {
        sqlite3_bind_int(get, 1, trace->requests[i]);
        if (sqlite3_step(get) != SQLITE_ROW)
            fail(db, "get");
        int missed = sqlite3_column_type(get, 0) == SQLITE_NULL;
        sqlite3_reset(get);
        if (missed) {
            sqlite3_bind_int(put, 1, trace->requests[i]);
            sqlite3_bind_zeroblob(put, 2, value_size(trace, i));
            if (sqlite3_step(put) != SQLITE_DONE)
                fail(db, "put");
            sqlite3_reset(put);
        }
    }
    sqlite3_finalize(get);
    sqlite3_finalize(put);
    return db;
}

static int l1_hits(sqlite3 *db, sqlite3_int64 *bytes) {
    sqlite3_stmt *stmt = prepare(db, "SELECT l1_hits, l1_bytes FROM hybrid_cache_stats('cache')");
    sqlite3_step(stmt);
    int hits = sqlite3_column_int(stmt, 0);
    if (bytes)
        *bytes = sqlite3_column_int64(stmt, 1);
    sqlite3_finalize(stmt);
    return hits;
}

/* ---- the cases */

/* From the README of the traces: hit ratio of LRU in percent. */
static const struct {
    const char *trace;
    int entries;
    double percent;
} known_ratios[] = {
    {"web07", 205, 39.166},        {"web07", 1000, 50.406},        {"web07", 4097, 61.035},
    {"orm-busy-dev", 442, 63.909}, {"orm-busy-dev", 1000, 79.573}, {"orm-busy-dev", 8836, 89.432},
    {"corda", 905, 33.333},        {"apache10k", 67, 58.648},      {"apache10k", 268, 74.438},
};

static const int generated_sizes[] = {100, 200, 1000, 0};
static const struct {
    const char *trace;
    int entries[10];
} real_sizes[] = {
    {"web07", {50, 86, 205, 442, 1000, 4097}},
    {"orm-busy-dev", {50, 86, 205, 442, 1000, 8836}},
    {"corda", {50, 86, 205, 905}},
    {"apache10k", {32, 67, 86, 134, 268}},
};

static const int *sizes_of(const Trace *trace) {
    for (size_t i = 0; i < sizeof real_sizes / sizeof real_sizes[0]; i++) {
        if (strcmp(trace->name, real_sizes[i].trace) == 0)
            return real_sizes[i].entries;
    }
    return generated_sizes;
}

typedef struct Sum {
    double total, worst;
    int count;
} Sum;

static void add(Sum *sum, double figure) {
    if (sum->count++ == 0 || figure < sum->worst)
        sum->worst = figure;
    sum->total += figure;
}

static Sum real_gain, generated_gain, small_gain;

typedef struct MrcRow {
    char trace[40];
    int real, entries, sizes;
    double mean, most;
} MrcRow;
static MrcRow mrc_rows[100];
static int mrc_count;

static void compare_mrc(sqlite3 *db, const Trace *trace, int entries, const int *hits) {
    sqlite3_stmt *stmt = prepare(db, "SELECT entries, hit_ratio FROM hybrid_cache_mrc('cache')");
    MrcRow *row = &mrc_rows[mrc_count++];
    snprintf(row->trace, sizeof row->trace, "%s", trace->name);
    row->real = trace->real;
    row->entries = entries;
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        double exact = (double)lru_hits(trace, hits, sqlite3_column_int64(stmt, 0)) / trace->count;
        double error = fabs(sqlite3_column_double(stmt, 1) - exact);
        row->mean += error;
        row->most = error > row->most ? error : row->most;
        row->sizes++;
    }
    sqlite3_finalize(stmt);
    row->mean /= row->sizes ? row->sizes : 1;
}

static void run_case(const Trace *trace, int entries, const int *hits) {
    double percent = 100.0 / trace->count;
    double exact = percent * lru_hits(trace, hits, entries);
    sqlite3 *db = replay(trace, entries, PLENTY, "lru");
    double lru = percent * l1_hits(db, NULL);
    compare_mrc(db, trace, entries, hits);
    sqlite3_close(db);
    db = replay(trace, entries, PLENTY, "s3fifo");
    double s3fifo = percent * l1_hits(db, NULL);
    sqlite3_close(db);
    double simulated = percent * simulate_s3fifo(trace, entries);
    double published = percent * simulate_published(trace, entries);
    printf("%-13s %8d %8.3f %8.3f %+8.2f %+10.2f %+10.2f\n", trace->name, entries, lru, s3fifo, s3fifo - lru,
           simulated - lru, published - lru);
    fflush(stdout);
    check(lru == exact, trace->name, entries, "lru against the simulator", lru, exact);
    for (size_t i = 0; i < sizeof known_ratios / sizeof known_ratios[0]; i++) {
        if (strcmp(trace->name, known_ratios[i].trace) == 0 && entries == known_ratios[i].entries)
            check(fabs(lru - known_ratios[i].percent) < 0.00051, trace->name, entries,
                  "lru against the README of the traces", lru, known_ratios[i].percent);
    }
    check(fabs(s3fifo - simulated) <= GHOST_TOLERANCE, trace->name, entries, "s3fifo against the simulator", s3fifo,
          simulated);
    if (trace->real)
        check(s3fifo - lru >= WORST_LOSS, trace->name, entries, "s3fifo against lru", s3fifo, lru);
    add(entries < MANY_ENTRIES ? &small_gain : trace->real ? &real_gain : &generated_gain, s3fifo - lru);
}

/* Limits of the README of the traces, with what LRU without the rule of a tenth would hit. */
static void run_bytes(const Trace *trace) {
    static const sqlite3_int64 limits[] = {5612777, 28063886, 112255543};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        sqlite3_int64 bytes, expected_bytes, limit = limits[i] / BYTES_SCALE;
        int expected = simulate_bytes(trace, limit, &expected_bytes);
        sqlite3 *db = replay(trace, 1000000, limit, "lru");
        int lru = l1_hits(db, &bytes);
        sqlite3_close(db);
        db = replay(trace, 1000000, limit, "s3fifo");
        int s3fifo = l1_hits(db, NULL);
        sqlite3_close(db);
        double percent = 100.0 / trace->count;
        printf("%-13s %7lldB %8.3f %8.3f %+8.2f\n", trace->name, limit, percent * lru, percent * s3fifo,
               percent * (s3fifo - lru));
        check(lru == expected, trace->name, (int)limit, "lru by bytes against the simulator", lru, expected);
        check(bytes == expected_bytes, trace->name, (int)limit, "bytes against the simulator", (double)bytes,
              (double)expected_bytes);
        check(percent * (s3fifo - lru) >= WORST_LOSS, trace->name, (int)limit, "s3fifo by bytes against lru", s3fifo,
              lru);
    }
}

static void run_trace(Trace *trace) {
    int *hits = simulate_lru(trace);
    for (const int *entries = sizes_of(trace); *entries; entries++)
        run_case(trace, *entries, hits);
    free(hits);
    if (trace->sizes[0])
        run_bytes(trace);
    free(trace->requests);
    free(trace->sizes);
}

static void print_sum(const char *what, const Sum *sum) {
    if (sum->count)
        printf("%-44s %3d cases, mean %+.2f, worst %+.2f\n", what, sum->count, sum->total / sum->count, sum->worst);
}

/*
** What a sample says depends on chance, on which keys are in it. So checked is the mean over the sizes of a real trace,
** and over all generated patterns, with their cliffs, together.
*/
static void print_mrc(void) {
    double total = 0;
    int cases = 0;
    puts("\nhybrid_cache_mrc: error of the hit ratio (0 to 1) at 1/8 to 16 times the size, against exact LRU");
    printf("%-13s %8s %8s %8s %8s\n", "trace", "entries", "sizes", "mean", "largest");
    for (int i = 0; i < mrc_count; i++) {
        const MrcRow *row = &mrc_rows[i];
        printf("%-13s %8d %8d %8.4f %8.4f\n", row->trace, row->entries, row->sizes, row->mean, row->most);
        check(row->sizes > 10, row->trace, row->entries, "number of sizes", row->sizes, 22);
        total += row->mean;
        cases++;
        if (i + 1 == mrc_count || (row->real && strcmp(row->trace, row[1].trace) != 0)) {
            check(total / cases <= MRC_ERROR, row->real ? row->trace : "generated", 0, "mean error of mrc",
                  total / cases, MRC_ERROR);
            total = 0;
            cases = 0;
        }
    }
}

int main(int argc, char **argv) {
    Trace trace;
    int skipped = 0;
    puts("L1 hit ratio in %; s3fifo against lru in points: the extension's, the same simulated, S3-FIFO as published");
    printf("%-13s %8s %8s %8s %8s %10s %10s\n", "trace", "entries", "lru", "s3fifo", "gain", "simulated", "published");
    for (int i = 1; i < argc; i++) {
        int option = strcmp(argv[i], "--extension") == 0 ? 1 : strcmp(argv[i], "--csv") == 0 ? 2 : 0;
        if (option && ++i == argc) {
            fprintf(stderr, "usage: replay --extension FILE [--csv FILE] [TRACE.txt.gz ...]\n");
            return 2;
        }
        if (option == 1) {
            extension = argv[i];
        } else if (load_trace(argv[i], option == 0, &trace)) {
            run_trace(&trace);
        } else {
            printf("%s: not there, skipped\n", argv[i]);
            skipped++;
        }
    }
    for (int kind = 0; kind < KINDS; kind++) {
        make_trace(kind, &trace);
        run_trace(&trace);
    }
    print_sum("real traces, 200 entries and more", &real_gain);
    print_sum("generated patterns, 200 entries and more", &generated_gain);
    print_sum("both, fewer entries", &small_gain);
    print_mrc();
    printf("%d passed, %d failed", passed, failed);
    printf(skipped ? ", %d skipped\n" : "\n", skipped);
    return failed != 0;
}
