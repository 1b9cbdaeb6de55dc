/*
** The model test's coordinator: makes up operations from a seed, hands them to worker processes one batch at a time (so
** nothing ever runs at the same time and a seed replays exactly), and when a worker finds a difference between cache
*and oracle,
** cuts the run down to few operations and prints them as SQL. README.md tells how to run it.
*/
#define _GNU_SOURCE
#include "model.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define SHRINK_KEEP 400000 /* a run longer than this is shrunk from its last operations only */
#define START_MS 1700000000000

const char *const kind_names[KINDS] = {
#define X(name, weight) #name,
    OPERATIONS(X)
#undef X
};

static const unsigned weights[KINDS] = {
#define X(name, weight) weight,
    OPERATIONS(X)
#undef X
};

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static _Noreturn void die(const char *what) {
    fprintf(stderr, "model: %s: %s\n", what, strerror(errno));
    exit(2);
}

/* ---- where operations come from ---- */

/* Either the generator of a seed, or (list set) a fixed list. */
typedef struct Source {
    const Config *config;
    uint64_t state;
    int64_t now;
    uint32_t made;
    int conn, run;         /* the connection at work and how many more operations it gets in a row */
    int closing;           /* connections still to be closed before a change of journal mode */
    int until_switch_back; /* operations until the run's own journal mode returns, -1: it is in force */
    unsigned total;
    const Op *list;
    size_t length, position;
} Source;

static Source generator(const Config *config) {
    Source s = {.config = config, .state = config->seed, .now = START_MS, .closing = -1, .until_switch_back = -1};
    for (int i = 0; i < KINDS; i++)
        s.total += weights[i];
    return s;
}

static void choose(Source *s, Op *op) {
    if (s->closing < 0) {
        bool back = s->until_switch_back == 0;
        if (s->until_switch_back > 0)
            s->until_switch_back--;
        if (back || (s->until_switch_back < 0 && next_random(&s->state) % 6000 == 0))
            s->closing = 0;
    }
    if (s->closing >=
        0) { /* a change of journal mode needs the file for itself: close the others, then let one do it */
        op->conn = (uint8_t)s->closing++;
        op->kind = OP_CLOSE;
        if (s->closing == s->config->conns) {
            bool back = s->until_switch_back == 0;
            s->closing = -1;
            op->kind = OP_SWITCH;
            op->random = (op->random << 1) | (s->config->wal == back); /* bit 0: to WAL */
            s->until_switch_back = back ? -1 : 20 + (int)(next_random(&s->state) % 200);
        }
        return;
    }
    if (s->run-- <= 0) {
        uint64_t r = next_random(&s->state);
        s->conn = (int)(r % (unsigned)s->config->conns);
        s->run = (r >> 32) % 2 ? (int)((r >> 40) % 24) : 0;
    }
    op->conn = (uint8_t)s->conn;
    unsigned pick = (unsigned)(next_random(&s->state) % s->total), kind = 0;
    while (pick >= weights[kind])
        pick -= weights[kind++];
    op->kind = (uint8_t)kind;
    unsigned cache = (unsigned)(next_random(&s->state) % 5);
    op->cache = (uint8_t)(cache < 3 ? 0 : cache - 2);
    uint64_t move = next_random(&s->state);
    if (move % 20 == 0) { /* a quarter of a second is exact in binary: no rounding to argue about */
        move >>= 8;
        s->now += move % 400 == 0 ? 400000 : move % 40 == 0 ? 20000 : 250 * (int64_t)(1 + move % 8);
    }
}

static bool next_op(Source *s, Op *op) {
    if (s->list) {
        if (s->position == s->length)
            return false;
        *op = s->list[s->position++];
        return true;
    }
    if ((int64_t)s->made == s->config->ops)
        return false;
    *op = (Op){.index = s->made++, .random = next_random(&s->state)};
    choose(s, op);
    op->now = s->now;
    return true;
}

/* ---- the workers ---- */

typedef struct Fleet {
    const Config *config;
    Report *reports; /* shared memory */
    pid_t pid[MAX_PROCS];
    int to[MAX_PROCS], from[MAX_PROCS];
} Fleet;

/* Empties the directory of the run; the files have few and known names. */
static void clean(const Config *config) {
    static const char *const names[] = {"main.db", "aux.db", "copy.db"};
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (size_t j = 0; j < sizeof ends / sizeof *ends; j++) {
            char path[600];
            snprintf(path, sizeof path, "%s/%s%s", config->dir, names[i], ends[j]);
            unlink(path);
        }
    }
}

static void start(Fleet *f, const Config *config) {
    f->config = config;
    clean(config);
    memset(f->reports, 0, sizeof *f->reports * MAX_PROCS);
    fflush(NULL);
    for (int i = 0; i < config->procs; i++) {
        int down[2], up[2];
        if (pipe(down) || pipe(up))
            die("pipe");
        f->pid[i] = fork();
        if (f->pid[i] < 0)
            die("fork");
        if (f->pid[i] == 0) {
            for (int j = 0; j < i; j++) { /* an end held open here would hide a sibling's death */
                close(f->to[j]);
                close(f->from[j]);
            }
            close(down[1]);
            close(up[0]);
            exit(worker_main(config, &f->reports[i], i, down[0], up[1]));
        }
        close(down[0]);
        close(up[1]);
        f->to[i] = down[1];
        f->from[i] = up[0];
    }
}

/* Sends a batch and waits until it is done; false when the worker is gone. */
static bool carry_out(const Fleet *f, int worker, const Op *ops, size_t n) {
    char reply;
    ssize_t size = (ssize_t)(n * sizeof *ops);
    if (write(f->to[worker], ops, (size_t)size) != size)
        return false;
    return read(f->from[worker], &reply, 1) == 1;
}

/* Ends all workers; how the given one died, if it left no message, becomes its message. */
static void stop(Fleet *f, int failed) {
    for (int i = 0; i < f->config->procs; i++) {
        int status = 0;
        close(f->to[i]);
        if (waitpid(f->pid[i], &status, 0) < 0)
            die("waitpid");
        close(f->from[i]);
        Report *r = &f->reports[i];
        if (i == failed && !r->failed) {
            snprintf(r->message, sizeof r->message,
                     WIFSIGNALED(status) ? "the worker died of signal %d" : "the worker left with status %d",
                     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        }
    }
}

/*
** Runs all operations of the source. Returns -1 when cache and oracle agreed to the end, else the failing worker;
** its report holds index and message. `total` (may be NULL) receives the sum of all reports.
*/
static int run(Fleet *f, const Config *config, Source *source, Report *total) {
    Op batch[BATCH + 1], op = {.kind = OP_SETUP, .now = START_MS};
    size_t n = 0;
    int worker = 0, failed = -1;
    start(f, config);
    batch[n++] = op;
    for (bool more = true; more && failed < 0;) {
        more = next_op(source, &op);
        int target = more ? op.conn % config->procs : -1;
        if (n && (target != worker || n == BATCH)) {
            if (!carry_out(f, worker, batch, n))
                failed = worker;
            n = 0;
        }
        worker = target;
        if (more)
            batch[n++] = op;
    }
    for (int i = 0; i < config->procs && failed < 0; i++) {
        op = (Op){.kind = OP_FINISH, .now = source->now, .index = UINT32_MAX};
        if (!carry_out(f, i, &op, 1))
            failed = i;
    }
    stop(f, failed);
    if (total) {
        memset(total, 0, sizeof *total);
        for (int i = 0; i < config->procs; i++) {
            for (int k = 0; k < KINDS; k++) {
                total->done[k] += f->reports[i].done[k];
                total->busy[k] += f->reports[i].busy[k];
                total->skipped[k] += f->reports[i].skipped[k];
            }
            total->compared += f->reports[i].compared;
            total->found += f->reports[i].found;
            total->l1_hits += f->reports[i].l1_hits;
            total->interrupted += f->reports[i].interrupted;
        }
    }
    return failed;
}

/* ---- shrinking ---- */

/* Runs a list; if it fails, and in the way that is looked for, cuts the list off after the failing operation. */
static bool list_fails(Fleet *f, const Config *config, Op *ops, size_t *n, bool difference) {
    Source source = {.config = config, .list = ops, .length = *n, .now = START_MS};
    int worker = run(f, config, &source, NULL);
    if (worker < 0 || f->reports[worker].difference != difference)
        return false;
    for (size_t i = 0; i < *n; i++) {
        if (ops[i].index == f->reports[worker].index) {
            *n = i + 1;
            break;
        }
    }
    return true;
}

/* Drops ever smaller pieces of the list for as long as it still fails and there is time. */
static void shrink(Fleet *f, const Config *config, Op *ops, size_t *n, bool difference, double limit) {
    double end = seconds() + limit;
    Op *trial = malloc(*n * sizeof *ops);
    if (!trial)
        return;
    for (size_t keep = 60; keep < *n; keep *= 4) { /* often the last few operations will do */
        size_t m = keep;
        memcpy(trial, ops + *n - keep, keep * sizeof *ops);
        if (list_fails(f, config, trial, &m, difference)) {
            memcpy(ops, trial, m * sizeof *ops);
            *n = m;
        }
        if (seconds() > end)
            break;
    }
    for (size_t piece = *n / 2; piece >= 1 && seconds() < end; piece /= 2) {
        for (size_t from = 0; from < *n && seconds() < end;) {
            size_t cut = piece < *n - from ? piece : *n - from, m = *n - cut;
            memcpy(trial, ops, from * sizeof *ops);
            memcpy(trial + from, ops + from + cut, (*n - from - cut) * sizeof *ops);
            if (m && list_fails(f, config, trial, &m, difference)) {
                memcpy(ops, trial, m * sizeof *ops);
                *n = m;
            } else {
                from += cut;
            }
        }
    }
    free(trial);
}

/* After a failure at `index`: replays, shrinks, and prints what is left as SQL. */
static void explain(Fleet *f, const Config *config, uint32_t index, bool difference, double limit) {
    size_t n = 0, all = (size_t)index + 1, keep = all < SHRINK_KEEP ? all : SHRINK_KEEP;
    Op *ops = malloc(keep * sizeof *ops), op;
    Config again = *config;
    if (!ops)
        return;
    again.trace = false;
    Source source = generator(config);
    while (source.made < all && next_op(&source, &op)) {
        if (op.index + keep >= all)
            ops[n++] = op;
    }
    if (list_fails(f, &again, ops, &n, difference)) {
        printf("it replays; shrinking for up to %.0f s\n", limit);
        fflush(stdout);
        shrink(f, &again, ops, &n, difference, limit);
        printf("%zu operations are left, here the last %d:\n", n, n < 40 ? (int)n : 40);
        again.trace = n <= 40;
        if (!list_fails(f, &again, ops, &n, difference))
            printf("(and now they do not fail: something else than the seed matters)\n");
        if (!again.trace) { /* too long to print whole: let the workers print, and show the end of it */
            char line[1000], path[600];
            snprintf(path, sizeof path, "%s/trace", config->dir);
            again.trace = true;
            fflush(stdout);
            int out = dup(1);
            if (out >= 0 && freopen(path, "w", stdout)) {
                list_fails(f, &again, ops, &n, difference);
                fflush(stdout);
                dup2(out, 1);
                close(out);
            }
            size_t lines = 0, seen = 0;
            FILE *in = fopen(path, "r");
            if (in) {
                while (fgets(line, sizeof line, in))
                    lines += strchr(line, '\n') != NULL;
                rewind(in);
                while (fgets(line, sizeof line, in)) {
                    if (seen + 120 >= lines)
                        fputs(line, stdout);
                    seen += strchr(line, '\n') != NULL;
                }
                fclose(in);
            }
            unlink(path);
        }
        for (int i = 0; i < config->procs; i++) {
            if (f->reports[i].failed)
                printf("-- %s\n", f->reports[i].message);
        }
    } else {
        printf("it did not fail again when replayed%s\n", keep < all ? " from its last operations" : "");
    }
    free(ops);
}

/* ---- the command line ---- */

static const char usage[] =
    "usage: model [options]\n"
    "  --seed N          (default: from the clock; always printed)\n"
    "  --ops N           operations (default 20000)\n"
    "  --mode wal|delete journal mode at the start (default wal)\n"
    "  --conns N --procs N   connections (default 4) in how many processes (default 2)\n"
    "  --grace N         seconds of grace (default 0)\n"
    "  --l2-entries N    limit on L2 (default none)\n"
    "  --eviction NAME   L1 policy\n"
    "  --trace           print every statement\n"
    "  --verbose         print how often each operation was carried out\n"
    "  --no-lag          do not test that a look-up opens the transaction's snapshot\n"
    "  --shrink SECONDS  time for making a failing run smaller (default 30)\n"
    "  --plain           a plain table in place of the cache: tests this harness\n"
    "  --plant FAULT     foreign, rollback, ttl (with --plain), relaxed: the run passes if the fault is found\n"
    "  --extension PATH        the extension (default ./dist/hybrid_cache)\n"
    "  --dir PATH        where to keep the files (default: a new directory under $TMPDIR or /tmp)\n";

static void print_counts(const Report *total) {
    printf("%-16s %10s %10s %10s\n", "operation", "done", "busy", "skipped");
    for (int k = 0; k < KINDS; k++) {
        printf("%-16s %10llu %10llu %10llu\n", kind_names[k], (unsigned long long)total->done[k],
               (unsigned long long)total->busy[k], (unsigned long long)total->skipped[k]);
    }
}

int main(int argc, char **argv) {
    static const char *const plants[] = {"none", "foreign", "rollback", "ttl", "relaxed"};
    static char dir[512];
    Config config = {
        .ops = 20000, .conns = 4, .procs = 2, .wal = true, .lag = true, .extension = "./dist/hybrid_cache"};
    bool verbose = false, ok = true;
    double limit = 30;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    config.seed = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
    for (int i = 1; i < argc && ok; i++) {
        const char *a = argv[i], *v = i + 1 < argc ? argv[i + 1] : NULL;
        bool takes = true;
        if (!strcmp(a, "--trace"))
            config.trace = true, takes = false;
        else if (!strcmp(a, "--verbose"))
            verbose = true, takes = false;
        else if (!strcmp(a, "--plain"))
            config.plain = true, takes = false;
        else if (!strcmp(a, "--no-lag"))
            config.lag = false, takes = false;
        else if (!v)
            ok = false;
        else if (!strcmp(a, "--seed"))
            config.seed = strtoull(v, NULL, 10);
        else if (!strcmp(a, "--ops"))
            config.ops = strtoll(v, NULL, 10);
        else if (!strcmp(a, "--conns"))
            config.conns = atoi(v);
        else if (!strcmp(a, "--procs"))
            config.procs = atoi(v);
        else if (!strcmp(a, "--grace"))
            config.grace = atoi(v);
        else if (!strcmp(a, "--l2-entries"))
            config.l2_entries = atoi(v);
        else if (!strcmp(a, "--eviction"))
            config.eviction = v;
        else if (!strcmp(a, "--shrink"))
            limit = atof(v);
        else if (!strcmp(a, "--extension"))
            config.extension = v;
        else if (!strcmp(a, "--dir"))
            config.dir = v;
        else if (!strcmp(a, "--mode"))
            config.wal = !strcmp(v, "wal"), ok = config.wal || !strcmp(v, "delete");
        else if (!strcmp(a, "--plant")) {
            for (ok = false; !ok && config.plant < PLANT_RELAXED;)
                ok = !strcmp(v, plants[++config.plant]);
        } else
            ok = false;
        i += takes;
    }
    if (!ok || config.conns < 1 || config.conns > MAX_CONNS || config.procs < 1 || config.procs > MAX_PROCS ||
        config.procs > config.conns || config.ops > UINT32_MAX - 1) {
        fputs(usage, stderr);
        return 2;
    }
    bool own_dir = !config.dir;
    if (own_dir) {
        const char *base = getenv("TMPDIR");
        snprintf(dir, sizeof dir, "%s/model.XXXXXX", base && *base ? base : "/tmp");
        if (!mkdtemp(dir))
            die(dir);
        config.dir = dir;
    }
    signal(SIGPIPE, SIG_IGN);
    Fleet fleet = {
        .reports = mmap(NULL, sizeof(Report) * MAX_PROCS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)};
    if (fleet.reports == MAP_FAILED)
        die("mmap");

    printf("model: seed %llu, %lld operations, %d connections in %d processes, %s%s%s, plant %s\n",
           (unsigned long long)config.seed, (long long)config.ops, config.conns, config.procs,
           config.wal ? "wal" : "delete", config.plain ? ", plain" : "", config.grace ? ", grace" : "",
           plants[config.plant]);
    fflush(stdout);
    double begin = seconds();
    Report total;
    Source source = generator(&config);
    int failed = run(&fleet, &config, &source, &total);
    double took = seconds() - begin;
    bool found = false;
    if (failed < 0) {
        printf("model: %lld operations, %.0f a second; %llu reads compared, %llu writes interrupted; %llu look-ups "
               "found something, %.1f "
               "%% from L1\n",
               (long long)config.ops, (double)config.ops / took, (unsigned long long)total.compared,
               (unsigned long long)total.interrupted, (unsigned long long)total.found,
               total.found ? 100.0 * (double)total.l1_hits / (double)total.found : 0.0);
        if (verbose)
            print_counts(&total);
    } else {
        uint32_t index = fleet.reports[failed].index;
        if (index >= config.ops)
            index = config.ops ? (uint32_t)config.ops - 1 : 0; /* while closing */
        found = config.plant && fleet.reports[failed].difference;
        printf("%s at operation %u: %s\n", found ? "planted fault found" : "FAILED", index,
               fleet.reports[failed].message);
        fflush(stdout);
        if (!found)
            explain(&fleet, &config, index, fleet.reports[failed].difference, limit);
    }
    clean(&config);
    if (own_dir)
        rmdir(dir);
    bool pass = config.plant ? found : failed < 0;
    printf("%d passed, %d failed\n", pass, !pass);
    return !pass;
}
