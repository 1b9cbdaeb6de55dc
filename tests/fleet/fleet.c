/*
** fleet.c: what a fleet of application nodes asks of one replicated L2: a simulation, with the costs measured on a real cache.
**
**     fleet --extension dist/hybrid_cache --csv sql/data/apache10k.csv [--l1 1000] [--limit N] [TRACE.txt.gz ...]
**
** N nodes, each with an L1 of its own (LRU, --l1 entries) in front of one L2. Every node brings the traffic of the trace: the
** requests of the fleet are N copies of the trace, each begun at a random place, taken in turns. A request goes to a random
** node, or to the node that its key's hash names. A share of the requests, 0, 0.1 % or 1 %, changes its key: a put. A request
** that finds its key nowhere is computed and put by the node that asked.
**
** A put of another node drops 1/256 of a node's L1: the entries of the key's bucket, as in ext/coherence.h. Entries do not
** expire here; with a TTL every key is put once more each TTL.
**
** Output: markdown, the same on every run: what a put and an entry cost, then a table for each trace.
*/
#define _POSIX_C_SOURCE 200809L /* popen() */
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUCKETS 256

static void *allocate(size_t n) {
    void *memory = calloc(1, n ? n : 1);
    if (!memory) {
        fprintf(stderr, "fleet: out of memory\n");
        exit(2);
    }
    return memory;
}

static uint64_t mix(uint64_t x) { /* splitmix64's finish */
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static uint64_t state;
static uint64_t random_next(void) {
    return mix(state += 0x9e3779b97f4a7c15u);
}

/* ---- traces: requests are keys, numbered from 0 by first appearance */

typedef struct Trace {
    char name[40];
    size_t count, keys;
    uint32_t *requests;
} Trace;

static int load(const char *path, int packed, size_t limit, Trace *trace) {
    char command[600], line[256];
    const char *base = strrchr(path, '/');
    size_t room = 0, slots = 1 << 22;
    uint64_t *known = allocate(slots * sizeof *known); /* key + 1, and in the upper half its number */
    uint32_t *number = allocate(slots * sizeof *number);
    *trace = (Trace){0};
    snprintf(trace->name, sizeof trace->name, "%s", base ? base + 1 : path);
    trace->name[strcspn(trace->name, ".")] = 0;
    snprintf(command, sizeof command, packed ? "zcat '%s'" : "cat '%s'", path);
    FILE *file = strchr(path, '\'') ? NULL : popen(command, "r");
    while (file && trace->count < limit && fgets(line, sizeof line, file)) {
        char *end;
        uint64_t key = strtoull(line, &end, 10);
        if (end == line)
            continue; /* a title */
        size_t slot = mix(key) % slots;
        while (known[slot] && known[slot] != key + 1)
            slot = (slot + 1) % slots;
        if (!known[slot]) {
            known[slot] = key + 1;
            number[slot] = (uint32_t)trace->keys++;
        }
        if (trace->count == room) {
            room = room ? room * 2 : 4096;
            trace->requests = realloc(trace->requests, room * sizeof *trace->requests);
            if (!trace->requests)
                exit(2);
        }
        trace->requests[trace->count++] = number[slot];
    }
    if (file) {
        while (fgets(line, sizeof line, file)) /* or zcat complains */
            ;
        pclose(file);
    }
    free(known);
    free(number);
    return trace->count > 0;
}

/* ---- one node's L1: exact LRU over an array of entries, found by an open hash table */

typedef struct Entry {
    uint32_t key, older, newer; /* places + 1 in `entries`, 0 = none */
    uint32_t filled;            /* the put of the fleet after which it was filled */
} Entry;

typedef struct Cache {
    uint32_t room, count, oldest, newest, slot_mask;
    Entry *entries; /* from 1 */
    uint32_t *slots;
    uint32_t validated; /* the put of the fleet that it last looked at */
} Cache;

static void cache_init(Cache *cache, uint32_t room) {
    uint32_t slots = 16;
    while (slots < room * 2)
        slots *= 2;
    *cache = (Cache){.room = room, .slot_mask = slots - 1};
    cache->entries = allocate((room + 1) * sizeof *cache->entries);
    cache->slots = allocate(slots * sizeof *cache->slots);
}

static void cache_free(Cache *cache) {
    free(cache->entries);
    free(cache->slots);
}

static uint32_t home(const Cache *cache, uint32_t key) {
    return (uint32_t)mix(key) & cache->slot_mask;
}

static uint32_t find_slot(const Cache *cache, uint32_t key) {
    uint32_t slot = home(cache, key);
    while (cache->slots[slot] && cache->entries[cache->slots[slot]].key != key)
        slot = (slot + 1) & cache->slot_mask;
    return slot;
}

static void unlink_entry(Cache *cache, uint32_t at) {
    Entry *entry = &cache->entries[at];
    *(entry->older ? &cache->entries[entry->older].newer : &cache->oldest) = entry->newer;
    *(entry->newer ? &cache->entries[entry->newer].older : &cache->newest) = entry->older;
}

static void link_newest(Cache *cache, uint32_t at) {
    Entry *entry = &cache->entries[at];
    entry->older = cache->newest;
    entry->newer = 0;
    *(cache->newest ? &cache->entries[cache->newest].newer : &cache->oldest) = at;
    cache->newest = at;
}

/* Backward shift: no marks are left behind. */
static void clear_slot(Cache *cache, uint32_t slot) {
    uint32_t next = slot;
    for (;;) {
        next = (next + 1) & cache->slot_mask;
        if (!cache->slots[next])
            break;
        uint32_t wants = home(cache, cache->entries[cache->slots[next]].key);
        if (((next - wants) & cache->slot_mask) >= ((next - slot) & cache->slot_mask)) {
            cache->slots[slot] = cache->slots[next];
            slot = next;
        }
    }
    cache->slots[slot] = 0;
}

/* The entry of the key, made newest; or NULL. */
static Entry *touch(Cache *cache, uint32_t key) {
    uint32_t at = cache->slots[find_slot(cache, key)];
    if (!at)
        return NULL;
    unlink_entry(cache, at);
    link_newest(cache, at);
    return &cache->entries[at];
}

static void insert(Cache *cache, uint32_t key, uint32_t now) {
    uint32_t at;
    Entry *entry = touch(cache, key);
    if (!entry) {
        if (cache->count < cache->room) {
            at = ++cache->count;
        } else {
            at = cache->oldest;
            clear_slot(cache, find_slot(cache, cache->entries[at].key));
            unlink_entry(cache, at);
        }
        entry = &cache->entries[at];
        entry->key = key;
        cache->slots[find_slot(cache, key)] = at;
        link_newest(cache, at);
    }
    entry->filled = now;
}

/* ---- the fleet */

typedef struct Outcome {
    uint64_t requests, gets, l1_hits, l2_gets, l2_hits, puts, validations, dropped;
    double l1_entries; /* per node, at the end */
} Outcome;

/* Of each bucket: the last put, who made it, and the last one by anybody else. */
typedef struct Bucket {
    uint32_t put, node, foreign;
} Bucket;

static Outcome simulate(const Trace *trace, unsigned nodes, int by_hash, unsigned writes_per_10000, uint32_t room) {
    Outcome out = {0};
    Cache *caches = allocate(nodes * sizeof *caches);
    size_t *at = allocate(nodes * sizeof *at);
    unsigned char *stored = allocate(trace->keys);
    Bucket buckets[BUCKETS];
    uint32_t put = 0;
    memset(buckets, 0, sizeof buckets);
    state = 1;
    for (unsigned i = 0; i < nodes; i++) {
        cache_init(&caches[i], room);
        at[i] = random_next() % trace->count;
    }
    for (size_t step = 0; step < trace->count; step++) {
        for (unsigned copy = 0; copy < nodes; copy++) {
            uint32_t key = trace->requests[at[copy]];
            at[copy] = at[copy] + 1 < trace->count ? at[copy] + 1 : 0;
            uint64_t hash = mix(key + 0x9e3779b97f4a7c15u), dice = random_next();
            unsigned node = by_hash ? (unsigned)(hash % nodes) : (unsigned)((dice >> 20) % nodes);
            Cache *cache = &caches[node];
            Bucket *bucket = &buckets[hash >> 56];
            int write = dice % 10000 < writes_per_10000;
            out.requests++;
            if (!write) {
                Entry *entry = touch(cache, key);
                out.gets++;
                if (entry && cache->validated != put) {
                    cache->validated = put;
                    out.validations++;
                }
                uint32_t foreign = bucket->node == node ? bucket->foreign : bucket->put;
                if (entry && entry->filled >= foreign) {
                    out.l1_hits++;
                    continue;
                }
                out.dropped += entry != NULL;
                out.l2_gets++;
                if (stored[key]) {
                    out.l2_hits++;
                    insert(cache, key, put);
                    continue;
                }
            }
            put++;
            out.puts++;
            stored[key] = 1;
            if (bucket->node != node)
                bucket->foreign = bucket->put;
            bucket->put = put;
            bucket->node = node;
            insert(cache, key, put);
        }
    }
    for (unsigned i = 0; i < nodes; i++) {
        out.l1_entries += (double)caches[i].count / nodes;
        cache_free(&caches[i]);
    }
    free(caches);
    free(at);
    free(stored);
    return out;
}

/* ---- the costs, measured */

static const char *extension;
static char path[400], wal[410];

static sqlite3 *connect_to(void) {
    sqlite3 *db = NULL;
    if (sqlite3_open(path, &db) != SQLITE_OK)
        exit(2);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
    if (sqlite3_load_extension(db, extension, "sqlite3_hybridcache_init", NULL) != SQLITE_OK) {
        fprintf(stderr, "fleet: %s: %s\n", extension, sqlite3_errmsg(db));
        exit(2);
    }
    return db;
}

static void run(sqlite3 *db, const char *sql) {
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        fprintf(stderr, "fleet: %s: %s\n", sql, sqlite3_errmsg(db));
        exit(2);
    }
}

static double query(sqlite3 *db, const char *sql) {
    sqlite3_stmt *stmt = NULL;
    double number = -1;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
        number = sqlite3_column_double(stmt, 0);
    sqlite3_finalize(stmt);
    return number;
}

static long file_size(const char *name) {
    FILE *file = fopen(name, "rb");
    long size = 0;
    if (file && fseek(file, 0, SEEK_END) == 0)
        size = ftell(file);
    if (file)
        fclose(file);
    return size;
}

/* Every byte of a value differs from round to round: SQLite leaves pages alone that an UPDATE does not change. */
static void put_keys(sqlite3 *db, int count, int value_bytes, int batch, int round) {
    for (int i = 0; i < count; i += batch) {
        char *sql =
            sqlite3_mprintf("WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n LIMIT %d) "
                            "REPLACE INTO cache(key, value, expires) SELECT printf('key:%%012d', i * %d %% 10000), "
                            "replace(hex(zeroblob(%d)), '0', '%c'), 4000000000 + %d + i FROM n",
                            i, batch, round ? 7919 : 1, value_bytes / 2, 'a' + round, round * 10000);
        run(db, sql);
        sqlite3_free(sql);
    }
}

/* WAL bytes of a put with a new value and deadline, keys at random among 10,000 rows; L1 bytes per entry. */
static void measure(int value_bytes, double *single, double *batched, double *l1_entry) {
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    sqlite3 *db = connect_to();
    run(db,
        "PRAGMA page_size = 4096; PRAGMA journal_mode = wal; PRAGMA synchronous = off; PRAGMA wal_autocheckpoint = 0;"
        "CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=0)");
    put_keys(db, 10000, value_bytes, 10000, 0);
    *l1_entry = query(db, "SELECT 1.0 * l1_bytes / l1_count FROM hybrid_cache_stats");
    run(db, "PRAGMA wal_checkpoint(TRUNCATE)");
    put_keys(db, 1000, value_bytes, 1, 1);
    *single = (double)file_size(wal) / 1000;
    run(db, "PRAGMA wal_checkpoint(TRUNCATE)");
    put_keys(db, 1000, value_bytes, 100, 2);
    *batched = (double)file_size(wal) / 1000;
    sqlite3_close(db);
    for (int i = 0; i < 3; i++) {
        char name[450];
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        remove(name);
    }
}

static double print_costs(void) {
    static const int sizes[] = {100, 1000, 10000};
    double entry_100 = 0;
    printf(
        "| value | WAL per put | WAL per put, 100 in a transaction | L1 memory per entry |\n|---:|---:|---:|---:|\n");
    for (int i = 0; i < 3; i++) {
        double single, batched, entry;
        measure(sizes[i], &single, &batched, &entry);
        printf("| %d B | %.0f KB | %.0f KB | %.0f B |\n", sizes[i], single / 1000, batched / 1000, entry);
        if (i == 0)
            entry_100 = entry;
    }
    return entry_100;
}

/* ---- */

#define RATES 3

static void print_three(const char *format, const double *numbers, const char *unit) {
    for (int i = 0; i < RATES; i++) {
        printf("%s", i ? " / " : " ");
        printf(format, numbers[i]);
    }
    printf("%s |", unit);
}

static void print_fleet(const Trace *trace, uint32_t room, double entry_bytes) {
    static const unsigned fleets[] = {1, 10, 100, 1000};
    static const unsigned writes[RATES] = {0, 10, 100};
    printf("\n%s: each node brings %zu requests for %zu keys; L1 of %u entries of 100 B; of the requests 0 / 0.1 / 1 "
           "%% are "
           "changes.\n\n",
           trace->name, trace->count, trace->keys, room);
    printf("| nodes | routing | L1 hits | gets that reach L2, of 1000 | found in L2 | L1 looks that validate | "
           "puts, of 1000 requests | L1 in all |\n|---:|---|---:|---:|---:|---:|---:|---:|\n");
    for (int f = 0; f < 4; f++) {
        for (int by_hash = 0; by_hash < (fleets[f] > 1 ? 2 : 1); by_hash++) {
            double hits[RATES], reach[RATES], found[RATES], validating[RATES], puts[RATES], memory = 0;
            for (int w = 0; w < RATES; w++) {
                Outcome o = simulate(trace, fleets[f], by_hash, writes[w], room);
                hits[w] = 100.0 * (double)o.l1_hits / (double)o.gets;
                reach[w] = 1000.0 * (double)o.l2_gets / (double)o.gets;
                found[w] = 100.0 * (double)o.l2_hits / (double)(o.l2_gets ? o.l2_gets : 1);
                validating[w] = 100.0 * (double)o.validations / (double)(o.l1_hits + o.dropped + !o.gets);
                puts[w] = 1000.0 * (double)o.puts / (double)o.requests;
                memory = o.l1_entries * fleets[f] * entry_bytes / 1e6;
            }
            printf("| %u | %s |", fleets[f], fleets[f] == 1 ? "-" : by_hash ? "by key" : "random");
            print_three("%.0f", hits, " %");
            print_three("%.0f", reach, "");
            print_three("%.0f", found, " %");
            print_three("%.0f", validating, " %");
            print_three("%.1f", puts, "");
            printf(" %.1f MB |\n", memory);
            fflush(stdout);
        }
    }
}

int main(int argc, char **argv) {
    const char *temporary = getenv("TMPDIR"), *csv = NULL;
    uint32_t room = 1000;
    size_t limit = SIZE_MAX;
    int first = argc;
    for (int i = 1; i < argc; i++) {
        if (i + 1 < argc && strcmp(argv[i], "--extension") == 0) {
            extension = argv[++i];
        } else if (i + 1 < argc && strcmp(argv[i], "--csv") == 0) {
            csv = argv[++i];
        } else if (i + 1 < argc && strcmp(argv[i], "--l1") == 0) {
            room = (uint32_t)atoi(argv[++i]);
        } else if (i + 1 < argc && strcmp(argv[i], "--limit") == 0) {
            limit = strtoull(argv[++i], NULL, 10);
        } else {
            first = i;
            break;
        }
    }
    if (!extension || room < 1) {
        fprintf(stderr, "usage: fleet --extension FILE [--csv FILE] [--l1 N] [--limit N] [TRACE.txt.gz ...]\n");
        return 2;
    }
    snprintf(path, sizeof path, "%s/fleet-%ld.db", temporary && *temporary ? temporary : "/tmp", (long)getpid());
    snprintf(wal, sizeof wal, "%s-wal", path);
    double entry_bytes = print_costs();
    for (int i = csv ? first - 1 : first; i < argc; i++) {
        Trace trace;
        int packed = i >= first;
        if (!load(packed ? argv[i] : csv, packed, limit, &trace)) {
            fprintf(stderr, "fleet: cannot read %s\n", packed ? argv[i] : csv);
            return 2;
        }
        print_fleet(&trace, room, entry_bytes);
        free(trace.requests);
    }
    return 0;
}
