/*
** replay.c: the same log on several nodes must give the same file to the byte (clock=caller).
**
**     replay --extension dist/hybrid_cache --seeds 100           nodes in one process, each under a clock of its own
**     replay --extension ... --seed 7 --print                    the log of that seed as SQL
**     replay --extension ... --seeds 100 --plant                 a fault is planted: ends at the first seed that differs
**     replay --extension ... --seeds 20 --clock local --plant    so does the same log with clock=local
**     replay --extension ... --seeds 20 --apply DIR --node 3     one node, under the clock of this process: DIR/SEED.db, .txt
**
** Compared are: what came of each statement (error, changes, rows read), the file that VACUUM INTO makes, `check`. A log that
** tells nodes apart is shortened and printed.
*/
#define _GNU_SOURCE /* mkdtemp() */
#include "node.h"

#include "testclock.c"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct Run {
    const char *extension, *clock, *apply;
    char directory[300];
    int plant, node, entries_only;
    unsigned length;
    uint64_t found; /* the last seed that told nodes apart */
    NodeCounts counts[NODES];
} Run;

/* What a log came to on one node. */
typedef struct Result {
    char **outcomes;
    char *findings; /* of `check` */
    unsigned char *bytes;
    size_t size;
} Result;

static void *allocate(size_t n) {
    void *memory = calloc(1, n ? n : 1);
    if (!memory)
        node_die(NULL, "allocate");
    return memory;
}

static void read_file(const char *path, Result *result) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        node_die(NULL, path);
    result->size = (size_t)ftell(file);
    result->bytes = allocate(result->size);
    rewind(file);
    if (fread(result->bytes, 1, result->size, file) != result->size)
        node_die(NULL, path);
    fclose(file);
}

static void add_counts(NodeCounts *sum, const NodeCounts *counts) {
    sum->applied += counts->applied;
    sum->failed += counts->failed;
    sum->l1_hits += counts->l1_hits;
    sum->evicted += counts->evicted;
    sum->purged += counts->purged;
    sum->reads += counts->reads;
    sum->restarts += counts->restarts;
}

static void apply_log(Run *run, const Log *log, int kind, Result *result) {
    Node node;
    char *into = sqlite3_mprintf("%s/%s.into", run->directory, node_names[kind]);
    *result = (Result){.outcomes = allocate(log->count * sizeof *result->outcomes)};
    node_open(&node, kind, log->seed, run->directory, run->extension, run->apply == NULL);
    for (size_t i = 0; i < log->count; i++)
        result->outcomes[i] = node_apply(&node, &log->list[i]);
    result->findings = node_finish(&node, into);
    if (run->entries_only) {
        result->bytes = (unsigned char *)node_dump(&node, 1);
        result->size = strlen((char *)result->bytes);
    } else {
        read_file(into, result);
    }
    remove(into);
    node_close(&node);
    add_counts(&run->counts[kind], &node.counts);
    sqlite3_free(into);
}

static void free_result(const Run *run, const Log *log, Result *result) {
    for (size_t i = 0; i < log->count; i++)
        sqlite3_free(result->outcomes[i]);
    free(result->outcomes);
    sqlite3_free(result->findings);
    if (run->entries_only)
        sqlite3_free(result->bytes);
    else
        free(result->bytes);
}

/* NULL, or in what the two differ; sqlite3_free() it. */
static char *compare(const Run *run, const Log *log, const Result *a, const Result *b, const char *name) {
    for (size_t i = 0; i < log->count && !run->entries_only; i++) {
        if (strcmp(a->outcomes[i], b->outcomes[i]) != 0)
            return sqlite3_mprintf("statement %u:\n  %s: %.300s\n  %s: %.300s", log->list[i].number, node_names[0],
                                   a->outcomes[i], name, b->outcomes[i]);
    }
    if (b->findings)
        return sqlite3_mprintf("%s: check: %s", name, b->findings);
    size_t n = a->size < b->size ? a->size : b->size;
    for (size_t i = 0; i < n; i++) {
        if (a->bytes[i] != b->bytes[i])
            return sqlite3_mprintf("byte %lld of the file: %d on %s, %d on %s", (long long)i, a->bytes[i],
                                   node_names[0], b->bytes[i], name);
    }
    if (a->size != b->size)
        return sqlite3_mprintf("%lld bytes on %s, %lld on %s", (long long)a->size, node_names[0], (long long)b->size,
                               name);
    return NULL;
}

static char *difference(Run *run, const Log *log) {
    Result first, other;
    char *found = NULL;
    apply_log(run, log, 0, &first);
    if (first.findings)
        found = sqlite3_mprintf("%s: check: %s", node_names[0], first.findings);
    for (int kind = 1; kind < NODES && !found; kind++) {
        apply_log(run, log, kind, &other);
        found = compare(run, log, &first, &other, node_names[kind]);
        free_result(run, log, &other);
    }
    free_result(run, log, &first);
    return found;
}

/* Leaves out what is not needed: chunks, then ever smaller ones. The log shares its statements with the one it came from. */
static void shorten(Run *run, Log *log) {
    NodeCounts saved[NODES];
    memcpy(saved, run->counts, sizeof saved);
    for (size_t chunk = log->count / 2; chunk > 0; chunk /= 2) {
        for (size_t from = 0; from < log->count;) {
            Log less = {.seed = log->seed, .list = allocate(log->count * sizeof *less.list)};
            for (size_t i = 0; i < log->count; i++) {
                if (i < from || i >= from + chunk)
                    less.list[less.count++] = log->list[i];
            }
            char *found = less.count ? difference(run, &less) : NULL;
            if (found) {
                memcpy(log->list, less.list, less.count * sizeof *less.list);
                log->count = less.count;
            } else {
                from += chunk;
            }
            free(less.list);
            sqlite3_free(found);
        }
    }
    memcpy(run->counts, saved, sizeof saved);
}

static void print_log(const Log *log) {
    for (size_t i = 0; i < log->count; i++)
        printf("%s; -- %u\n", log->list[i].sql, log->list[i].number);
}

/* 1 = all nodes agree. */
static int run_seed(Run *run, uint64_t seed) {
    Log log;
    log_make(&log, seed, run->length, run->clock);
    char *found = difference(run, &log);
    int equal = found == NULL;
    if (!equal && !run->plant) {
        Log less = {.seed = seed, .list = allocate(log.count * sizeof *less.list), .count = log.count};
        printf("FAILED seed %llu: %s\n", (unsigned long long)seed, found);
        memcpy(less.list, log.list, log.count * sizeof *less.list);
        shorten(run, &less);
        sqlite3_free(found);
        found = difference(run, &less);
        printf("shortened to %llu statements; %s\n", (unsigned long long)less.count,
               found ? found : "no difference left");
        print_log(&less);
        free(less.list);
    }
    sqlite3_free(found);
    log_free(&log);
    return equal;
}

/* One node under the clock of this process: its file, and what came of each statement. */
static void apply_seed(Run *run, uint64_t seed) {
    Log log;
    Node node;
    log_make(&log, seed, run->length, run->clock);
    char *into = sqlite3_mprintf("%s/%llu.db", run->apply, (unsigned long long)seed);
    char *text = sqlite3_mprintf("%s/%llu.txt", run->apply, (unsigned long long)seed);
    FILE *file = fopen(text, "w");
    if (!file)
        node_die(NULL, text);
    node_open(&node, run->node, seed, run->directory, run->extension, 0);
    for (size_t i = 0; i < log.count; i++) {
        char *outcome = node_apply(&node, &log.list[i]);
        fprintf(file, "%s\n", run->entries_only && strncmp(outcome, "error", 5) == 0 ? "error" : outcome);
        sqlite3_free(outcome);
    }
    char *findings = node_finish(&node, into);
    char *dump = node_dump(&node, 0);
    fprintf(file, "check: %s\n%s", findings ? findings : "ok", dump);
    fclose(file);
    node_close(&node);
    sqlite3_free(findings);
    sqlite3_free(dump);
    sqlite3_free(into);
    sqlite3_free(text);
    log_free(&log);
}

static void print_counts(const Run *run) {
    printf("node         statements   failed  look-ups  L1 hits  evicted   purged  restarts\n");
    for (int i = 0; i < NODES; i++) {
        const NodeCounts *c = &run->counts[i];
        printf("%-12s %10lld %8lld %9lld %8lld %8lld %8lld %9lld\n", node_names[i], c->applied, c->failed, c->reads,
               c->l1_hits, c->evicted, c->purged, c->restarts);
    }
}

static _Noreturn void usage(void) {
    fprintf(stderr,
            "usage: replay --extension FILE [--seed N] [--seeds N] [--length N] [--clock caller|local] [--plant] "
            "[--print] [--apply DIR --node N [--portable]]\n");
    exit(2);
}

int main(int argc, char **argv) {
    Run run = {.clock = "caller", .length = 150};
    uint64_t seed = 1, seeds = 1, different = 0;
    int print = 0;
    const char *temporary = getenv("TMPDIR");
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(word, "--plant") == 0) {
            run.plant = 1;
            continue;
        }
        if (strcmp(word, "--print") == 0) {
            print = 1;
            continue;
        }
        if (strcmp(word, "--portable") == 0) { /* the texts of SQLite's own errors differ from version to version */
            run.entries_only = 1;
            continue;
        }
        if (!next)
            usage();
        i++;
        if (strcmp(word, "--extension") == 0)
            run.extension = next;
        else if (strcmp(word, "--seed") == 0)
            seed = strtoull(next, NULL, 10);
        else if (strcmp(word, "--seeds") == 0)
            seeds = strtoull(next, NULL, 10);
        else if (strcmp(word, "--length") == 0)
            run.length = (unsigned)strtoul(next, NULL, 10);
        else if (strcmp(word, "--clock") == 0)
            run.clock = next;
        else if (strcmp(word, "--apply") == 0)
            run.apply = next;
        else if (strcmp(word, "--node") == 0)
            run.node = atoi(next);
        else
            usage();
    }
    if (!run.extension || run.node < 0 || run.node >= NODES)
        usage();
    if (strcmp(run.clock, "local") == 0)
        run.entries_only = 1; /* store id and seed are drawn there and differ in any case */
    snprintf(run.directory, sizeof run.directory, "%s/replay.XXXXXX", temporary && *temporary ? temporary : "/tmp");
    if (!mkdtemp(run.directory))
        node_die(NULL, run.directory);
    if (!run.apply && testclock_install() != SQLITE_OK)
        node_die(NULL, "the test clock needs a VFS with xCurrentTimeInt64");
    for (uint64_t i = seed; i < seed + seeds && !(run.plant && different); i++) {
        if (print) {
            Log log;
            log_make(&log, i, run.length, run.clock);
            print_log(&log);
            log_free(&log);
        } else if (run.apply) {
            apply_seed(&run, i);
        } else {
            if (!run_seed(&run, i)) {
                different++;
                run.found = i;
            }
        }
    }
    rmdir(run.directory);
    if (print || run.apply)
        return 0;
    if (run.plant) {
        if (different)
            printf("planted: found by seed %llu\n", (unsigned long long)run.found);
        else
            printf("FAILED planted: none of %llu logs differs\n", (unsigned long long)seeds);
        printf("%d passed, %d failed\n", different > 0, different == 0);
        return different == 0;
    }
    print_counts(&run);
    printf("%llu passed, %llu failed\n", (unsigned long long)(seeds - different), (unsigned long long)different);
    return different > 0;
}
