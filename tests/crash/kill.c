/*
** kill.c - a writer process dies by SIGKILL at a random moment; what is left is looked at.
**
**     kill --extension dist/hybrid_cache [--rounds N] [--journal wal|delete|truncate|persist] [--seed S]
**
** The writer runs the transactions of plan.h and acknowledges each through a pipe. It is
** killed from outside after a random time, or dies by its own hand at a random system call
** that changes a file or a lock, in every other case after half of a write. This process has
** a connection open all the time, with a warm L1, and reads with it while the writer lives:
** what it gets was committed then. After the death the same connection reads first, in half
** of the rounds; the answer has to be the state after the last acknowledged transaction or
** after the one that was being made, for all keys the same one.
*/
#define _GNU_SOURCE
#include "wreck.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_EACH 20  /* of one database file */
#define READS_MOST 2000 /* while one writer lives */
#define BUSY_MS 10000

static const char *const journals[] = {"wal", "delete", "truncate", "persist"};
#define JOURNALS 4

/* ------------------------------------------------------------- the writer */

/* Its last system call is that one; before: calls still to be made. */
static long calls_left;
enum { WHOLE_WRITES, HALF_WRITES, LOCKS_TOO, WAYS };
static int way;
/* Which of the three writes SQLite was compiled to use is its own business. */
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_pwrite64)(int, const void *, size_t, off_t);
static int (*real_truncate)(int, off_t);
static int (*real_unlink)(const char *);
static int (*real_fcntl)(int, int, ...);

static int is_last(void) {
    return --calls_left == 0;
}

static void die(void) {
    kill(getpid(), SIGKILL);
}

/* How much of a write is made: all, and the writer lives, or what is written when it dies. */
static size_t part(size_t n) {
    return way == HALF_WRITES && n > 512 ? n / 1024 * 512 : 0;
}

static ssize_t mortal_write(int fd, const void *from, size_t n) {
    if (is_last()) {
        real_write(fd, from, part(n));
        die();
    }
    return real_write(fd, from, n);
}
static ssize_t mortal_pwrite(int fd, const void *from, size_t n, off_t at) {
    if (is_last()) {
        real_pwrite(fd, from, part(n), at);
        die();
    }
    return real_pwrite(fd, from, n, at);
}
static ssize_t mortal_pwrite64(int fd, const void *from, size_t n, off_t at) {
    if (is_last()) {
        real_pwrite64(fd, from, part(n), at);
        die();
    }
    return real_pwrite64(fd, from, n, at);
}
static int mortal_truncate(int fd, off_t size) {
    if (is_last())
        die();
    return real_truncate(fd, size);
}
static int mortal_unlink(const char *name) {
    if (is_last())
        die();
    return real_unlink(name);
}
static int mortal_fcntl(int fd, int command, void *argument) {
    if (way == LOCKS_TOO && is_last())
        die();
    return real_fcntl(fd, command, argument);
}

typedef void (*Call)(void);

/* NULL: this SQLite does without. */
static Call replace(sqlite3_vfs *vfs, const char *name, Call call) {
    Call real = vfs->xGetSystemCall(vfs, name);
    if (real != NULL)
        vfs->xSetSystemCall(vfs, name, call);
    return real;
}

static void become_mortal(void) {
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    real_write = (ssize_t(*)(int, const void *, size_t))replace(vfs, "write", (Call)mortal_write);
    real_pwrite = (ssize_t(*)(int, const void *, size_t, off_t))replace(vfs, "pwrite", (Call)mortal_pwrite);
    real_pwrite64 = (ssize_t(*)(int, const void *, size_t, off_t))replace(vfs, "pwrite64", (Call)mortal_pwrite64);
    real_truncate = (int (*)(int, off_t))replace(vfs, "ftruncate", (Call)mortal_truncate);
    real_unlink = (int (*)(const char *))replace(vfs, "unlink", (Call)mortal_unlink);
    real_fcntl = (int (*)(int, int, ...))replace(vfs, "fcntl", (Call)mortal_fcntl);
}

static sqlite3 *open_loaded(const char *file, const char *extension) {
    sqlite3 *db = NULL;
    char *message = NULL;
    if (sqlite3_open(file, &db) != SQLITE_OK)
        complain("open: %s", sqlite3_errmsg(db));
    sqlite3_busy_timeout(db, BUSY_MS);
    sqlite3_enable_load_extension(db, 1);
    if (sqlite3_load_extension(db, extension, NULL, &message) != SQLITE_OK)
        complain("load: %s", message != NULL ? message : "");
    sqlite3_free(message);
    return db;
}

/* Arguments: file, extension, journal, seed, transactions done so far, calls to live (0: no limit), way, pages. */
static int be_writer(char **argument) {
    uint64_t seed = strtoull(argument[3], NULL, 10);
    unsigned n = (unsigned)strtoul(argument[4], NULL, 10);
    long calls = strtol(argument[5], NULL, 10);
    char sql[200];
    way = argument[6][0] - '0';
    if (calls > 0)
        become_mortal();
    sqlite3 *db = open_loaded(argument[0], argument[1]);
    snprintf(sql, sizeof sql, "PRAGMA journal_mode = %s; PRAGMA cache_size = %s; PRAGMA wal_autocheckpoint = 30",
             argument[2], argument[7]);
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    calls_left = calls;
    while (rc == SQLITE_OK) {
        n++;
        rc = plan_run(db, seed, n);
        if (rc == SQLITE_OK && write(STDOUT_FILENO, &n, sizeof n) != (ssize_t)sizeof n)
            return 0;
    }
    fprintf(stderr, "writer: transaction %u: error %d, %s\n", n, rc, sqlite3_errmsg(db));
    return 3;
}

/* ----------------------------------------------------------- the survivor */

static struct {
    const char *extension, *program;
    char file[400];
    uint64_t seed;
    uint64_t lots; /* drawn so far */
} bench;

static struct { long rounds, transactions, reads, missed, hits, hot, finished; } seen[JOURNALS];

static unsigned draw(unsigned below) {
    return (unsigned)(plan_random(bench.seed, 77, ++bench.lots) % below);
}

static void remove_files(void) {
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char name[420];
        snprintf(name, sizeof name, "%s%s", bench.file, suffixes[i]);
        unlink(name);
    }
}

/* Is there a rollback journal that asks for recovery? */
static int is_hot(void) {
    char name[420];
    unsigned char first = 0;
    snprintf(name, sizeof name, "%s-journal", bench.file);
    FILE *file = fopen(name, "rb");
    if (file == NULL)
        return 0;
    if (fread(&first, 1, 1, file) != 1)
        first = 0;
    fclose(file);
    return first != 0;
}

static sqlite3 *make_database(const char *journal) {
    char sql[80];
    remove_files();
    sqlite3 *db = open_loaded(bench.file, bench.extension);
    snprintf(sql, sizeof sql, "PRAGMA journal_mode = %s", journal);
    must_run(db, "setup", sql);
    for (int i = 0; plan_setup[i] != NULL; i++)
        must_run(db, "setup", plan_setup[i]);
    return db;
}

typedef struct {
    pid_t pid;
    int acks;
    unsigned acknowledged;
} Writer;

static Writer start_writer(const char *journal, uint64_t seed, unsigned done, long calls, int how, int pages) {
    Writer writer = {.pid = -1, .acknowledged = done};
    char texts[5][32];
    int ends[2];
    snprintf(texts[0], 32, "%llu", (unsigned long long)seed);
    snprintf(texts[1], 32, "%u", done);
    snprintf(texts[2], 32, "%ld", calls);
    snprintf(texts[3], 32, "%d", how);
    snprintf(texts[4], 32, "%d", pages);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return writer;
    writer.pid = vfork();
    if (writer.pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execl(bench.program, bench.program, "--writer", bench.file, bench.extension, journal, texts[0], texts[1],
              texts[2], texts[3], texts[4], (char *)NULL);
        _exit(5);
    }
    close(ends[1]);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    writer.acks = ends[0];
    return writer;
}

/* Takes what has been acknowledged; 0: the writer is gone. */
static int take_acks(Writer *writer) {
    unsigned n;
    ssize_t got;
    while ((got = read(writer->acks, &n, sizeof n)) == (ssize_t)sizeof n)
        writer->acknowledged = n;
    return got < 0 && errno == EAGAIN;
}

/* One look-up beside the living writer: what it gives was there at some time between the two acknowledgements. */
static void read_beside(sqlite3_stmt *get, Writer *writer, uint64_t seed, PlanState *state, unsigned *at, int which) {
    unsigned key = draw(KEYS);
    char value[VALUE_MOST];
    take_acks(writer);
    for (; *at < writer->acknowledged; ++*at)
        plan_apply(seed, *at + 1, state);
    sqlite3_bind_int(get, 1, (int)key);
    const char *text = sqlite3_step(get) == SQLITE_ROW ? (const char *)sqlite3_column_text(get, 0) : NULL;
    take_acks(writer);
    PlanState later = *state;
    unsigned n = *at;
    int right = 0;
    for (;;) {
        plan_value(seed, key, later.main[key], value);
        right |= text == NULL ? later.main[key] == 0 : later.main[key] != 0 && strcmp(text, value) == 0;
        if (n > writer->acknowledged)
            break;
        plan_apply(seed, ++n, &later);
    }
    seen[which].reads++;
    /* A look-up that finds the file locked is a miss, counted by the cache. */
    seen[which].missed += !right && text == NULL;
    if (!right && text != NULL)
        complain("beside the writer: key %u has %.20s between transactions %u and %u", key, text, *at,
                 writer->acknowledged);
    sqlite3_reset(get);
}

static int figure(sqlite3 *db, const char *name) {
    sqlite3_stmt *stmt = NULL;
    char *sql = sqlite3_mprintf("SELECT %s FROM hybrid_cache_stats('cache')", name);
    int value = -1;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
        value = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_free(sql);
    return value;
}

/* One death. Gives the number of transactions that the file then has. */
static unsigned run_round(sqlite3 *survivor, int which, uint64_t seed, unsigned done, const PlanState *before) {
    int suicide = draw(3) != 0;
    long calls = suicide ? 1 + (long)draw(draw(2) ? 60 : 600) : 0;
    unsigned acks = draw(30), reads = 0, at = done;
    Writer writer = start_writer(journals[which], seed, done, calls, (int)draw(WAYS), draw(2) ? 5 : 2000);
    PlanState state = *before, found;
    sqlite3_stmt *get = NULL;
    struct timespec begin, now;
    long delay = (long)draw(1500) * 1000;
    int status = 0;
    if (writer.pid < 0 ||
        sqlite3_prepare_v2(survivor, "SELECT hybrid_cache_get('cache', ?1)", -1, &get, NULL) != SQLITE_OK) {
        complain("cannot start the writer, or read");
        return done;
    }
    /* A reader that waited for its lock would be starved by this writer. */
    sqlite3_busy_timeout(survivor, 0);
    /* Reads until the writer has died, or has done enough to be killed a little later. */
    while (take_acks(&writer) && (suicide || writer.acknowledged < done + acks)) {
        struct pollfd acks_or_end = {.fd = writer.acks, .events = POLLIN};
        if (reads++ < READS_MOST)
            read_beside(get, &writer, seed, &state, &at, which);
        else
            poll(&acks_or_end, 1, -1);
    }
    if (!suicide) {
        clock_gettime(CLOCK_MONOTONIC, &begin);
        do {
            read_beside(get, &writer, seed, &state, &at, which);
            clock_gettime(CLOCK_MONOTONIC, &now);
        } while ((now.tv_sec - begin.tv_sec) * 1000000000L + now.tv_nsec - begin.tv_nsec < delay);
        kill(writer.pid, SIGKILL);
    }
    /* Only its death ends the wait: acknowledgements are read to the end. */
    waitpid(writer.pid, &status, 0);
    take_acks(&writer);
    close(writer.acks);
    sqlite3_finalize(get);
    sqlite3_busy_timeout(survivor, BUSY_MS);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        complain("the writer ended by itself: status %d", status);

    /*
    ** In two of three rounds the survivor is the one who recovers: its L1 must know what that has
    ** undone. In one of them it asks for a single key, and the next thing that happens is a commit: what
    ** the survivor took for the number of the state that it saw may be the number of this one.
    */
    enum { FRESH_FIRST, SURVIVOR_FIRST, ONE_LOOK };
    unsigned order = draw(3);
    int hot = is_hot();
    unsigned heard[KEYS], high = writer.acknowledged + 1;
    if (order == SURVIVOR_FIRST)
        wreck_listen(survivor, "survivor first", seed, "SELECT hybrid_cache_get('cache', ?1)", heard);
    else if (order == ONE_LOOK)
        sqlite3_exec(survivor, "SELECT hybrid_cache_get('cache', 20)", NULL, NULL, NULL);
    sqlite3 *fresh = open_loaded(bench.file, bench.extension);
    unsigned last = wreck_state(fresh, "fresh", seed, writer.acknowledged, high, &found);
    seen[which].finished += last == high;
    if (order == SURVIVOR_FIRST && memcmp(heard, found.main, sizeof heard) != 0)
        complain("survivor first: what it said is not what is there");
    if (order == ONE_LOOK && problem[0] == 0) {
        last++;
        if (plan_run(fresh, seed, last) != SQLITE_OK)
            complain("the next transaction: %s", sqlite3_errmsg(fresh));
        wreck_state(fresh, "next", seed, last, last, &found);
    }
    /* To ask for the statistics is a look as well. */
    int hits = order == ONE_LOOK ? -1 : figure(survivor, "l1_hits");
    wreck_answers(survivor, "survivor", seed, &found);
    hits = hits < 0 ? 0 : figure(survivor, "l1_hits") - hits;
    wreck_answers(fresh, "fresh", seed, &found);
    wreck_sound(fresh, "fresh");
    wreck_sound(survivor, "survivor");
    if (sqlite3_close(fresh) != SQLITE_OK)
        complain("close");
    seen[which].rounds++;
    seen[which].transactions += (long)(last - done);
    seen[which].hits += hits;
    seen[which].hot += hot;
    return last;
}

/* ---------------------------------------------------------------- driving */

static long passed, failed;

/* Some deaths over one file. */
static void run_file(int which, long rounds) {
    uint64_t seed = plan_random(bench.seed, (uint64_t)which, ++bench.lots);
    unsigned done = 0;
    PlanState state = {{0}, {0}};
    problem[0] = 0;
    sqlite3 *survivor = make_database(journals[which]);
    for (long i = 0; i < rounds; i++) {
        unsigned last = run_round(survivor, which, seed, done, &state);
        for (; done < last; done++)
            plan_apply(seed, done + 1, &state);
        if (problem[0] != 0) {
            failed++;
            printf("FAILED %s, round %ld of its file, seed %llu: %s\n", journals[which], i + 1,
                   (unsigned long long)bench.seed, problem);
            fflush(stdout);
            break;
        }
        passed++;
    }
    if (sqlite3_close(survivor) != SQLITE_OK)
        printf("FAILED close of the survivor\n"), failed++;
    remove_files();
}

int main(int argc, char **argv) {
    const char *directory = getenv("TMPDIR"), *soak = getenv("SOAK"), *journal = NULL;
    long rounds = soak != NULL && soak[0] != 0 ? 4000 : 60;
    bench.program = argv[0];
    bench.extension = "dist/hybrid_cache";
    bench.seed = 1;
    if (argc == 10 && strcmp(argv[1], "--writer") == 0)
        return be_writer(argv + 2);
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--extension") == 0)
            bench.extension = value;
        else if (strcmp(argv[i], "--journal") == 0)
            journal = value;
        else if (strcmp(argv[i], "--rounds") == 0)
            rounds = strtol(value, NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0)
            bench.seed = strtoull(value, NULL, 10);
        else
            return fprintf(stderr, "kill: unknown argument %s\n", argv[i]), 2;
    }
    snprintf(bench.file, sizeof bench.file, "%s/hc-kill-%d.db",
             directory != NULL && directory[0] != 0 ? directory : "/tmp", (int)getpid());
    long each = (rounds + JOURNALS - 1) / JOURNALS;
    for (int which = 0; which < JOURNALS; which++) {
        if (journal != NULL && strcmp(journal, journals[which]) != 0)
            continue;
        for (long left = journal != NULL ? rounds : each; left > 0 && failed < 10; left -= ROUNDS_EACH)
            run_file(which, left < ROUNDS_EACH ? left : ROUNDS_EACH);
    }
    printf("%-9s %6s %12s %11s %12s %15s %9s %12s\n", "journal", "kills", "commits", "hot journal", "in flight: in",
           "reads alongside", "of these missed", "L1 hits after");
    for (int i = 0; i < JOURNALS; i++) {
        if (seen[i].rounds > 0)
            printf("%-9s %6ld %12ld %11ld %13ld %15ld %15ld %13ld\n", journals[i], seen[i].rounds, seen[i].transactions,
                   seen[i].hot, seen[i].finished, seen[i].reads, seen[i].missed, seen[i].hits);
    }
    printf("%ld passed, %ld failed\n", passed, failed);
    return failed != 0;
}
