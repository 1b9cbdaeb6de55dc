/*
** The order test: writers commit ever higher versions of each key and announce a version in shared memory once its
*COMMIT has
** returned; readers in other processes note the announced version first, then read through the cache, and must never be
*given
** an older one, nor one that no writer has begun, nor one older than they saw before. Nothing is in lockstep here: it
*is
** a race on purpose, in real time. README.md tells how to run it.
**
** A version that is a multiple of DELETE_EVERY is a DELETE: the key is not there. POISON marks versions that are rolled
*back.
*/
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KEYS 64
#define WRITERS 2
#define READERS 3
#define HELPERS (WRITERS + 1) /* and the checkpointer */
#define CONNECTIONS 2         /* of each reader */
#define DELETE_EVERY 16
#define POISON ((uint64_t)1 << 62)

typedef struct Value {
    uint64_t key, version, check;
    char padding[76];
} Value;

typedef struct Counts {
    uint64_t reads, commits, stale, ahead, unrepeatable, missing, gets, l1_hits, l2_errors;
} Counts;

/* In memory that all processes share. */
typedef struct Shared {
    _Atomic uint64_t announced[KEYS]; /* the COMMIT of this version has returned */
    _Atomic uint64_t attempted[KEYS]; /* no higher version than this has been begun */
    _Atomic uint64_t hot;             /* the key announced last: the one to look at */
    Counts counts[WRITERS + READERS];
    char complaint[400]; /* the first stale read, in words */
} Shared;

typedef struct Mode {
    const char *name, *journal;
    bool checkpoints; /* forced ones, beside the automatic ones */
} Mode;

static const Mode modes[] = {{"wal", "WAL", false},
                             {"wal-checkpoint", "WAL", true},
                             {"delete", "DELETE", false},
                             {"truncate", "TRUNCATE", false}};

static struct {
    uint64_t reads, seed;
    int pace; /* a commit per so many reads */
    bool plain, plant;
    const char *mode, *extension;
} config = {.reads = 400000, .pace = 40, .mode = "all", .extension = "./dist/hybrid_cache"};

static Shared *shared;
static char path[600];

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t next_random(uint64_t *state) { /* splitmix64 */
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static _Noreturn void die(sqlite3 *db, const char *what) {
    fprintf(stderr, "order: %s: %s\n", what, db ? sqlite3_errmsg(db) : strerror(errno));
    _exit(2);
}

/* Waits without sleeping, and not for ever. */
static int on_busy(void *unused, int times) {
    static double since;
    (void)unused;
    if (times == 0)
        since = seconds();
    sched_yield();
    return seconds() - since < 30;
}

static void execute(sqlite3 *db, const char *sql) {
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        die(db, sql);
}

static sqlite3 *open_database(const Mode *mode) {
    sqlite3 *db;
    char *message = NULL, sql[80];
    if (sqlite3_open(path, &db) != SQLITE_OK)
        die(db, path);
    sqlite3_busy_handler(db, on_busy, NULL);
    if (!config.plain) {
        sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
        if (sqlite3_load_extension(db, config.extension, NULL, &message) != SQLITE_OK) {
            fprintf(stderr, "order: %s\n", message);
            _exit(2);
        }
    }
    snprintf(sql, sizeof sql, "PRAGMA journal_mode=%s; PRAGMA synchronous=OFF", mode->journal);
    execute(db, sql);
    execute(db, "PRAGMA wal_autocheckpoint=200");
    return db;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql) {
    sqlite3_stmt *stmt;
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) != SQLITE_OK)
        die(db, sql);
    return stmt;
}

static Value make_value(uint64_t key, uint64_t version) {
    Value v = {.key = key, .version = version, .check = key * 31 + version * 17};
    memset(v.padding, 'x', sizeof v.padding);
    return v;
}

static bool deleted(uint64_t version) {
    return version % DELETE_EVERY == 0;
}

/* ---- writers ---- */

typedef struct Writer {
    sqlite3 *db;
    sqlite3_stmt *put, *update, *delete_row;
    Counts *counts;
} Writer;

static void write_version(Writer *w, uint64_t key, uint64_t version, bool update) {
    Value v = make_value(key, version);
    sqlite3_stmt *stmt = deleted(version) ? w->delete_row : update && !deleted(version - 1) ? w->update : w->put;
    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)key);
    if (!deleted(version))
        sqlite3_bind_blob(stmt, 2, &v, sizeof v, SQLITE_STATIC);
    if (sqlite3_step(stmt) != SQLITE_DONE)
        die(w->db, "write");
    sqlite3_reset(stmt);
}

/* One transaction, on one key or three of this writer's own; then the announcement. */
static void commit_something(Writer *w, int rank, uint64_t *random) {
    uint64_t r = next_random(random), first = r % (KEYS / WRITERS), n = (r >> 32) % 8 == 0 ? 3 : 1;
    bool poison = (r >> 40) % 8 == 0, own = poison || n > 1, update = (r >> 48) % 4 == 0;
    if (own)
        execute(w->db, "BEGIN IMMEDIATE");
    if (poison) { /* seen by nobody, ever */
        write_version(w, first * WRITERS + (uint64_t)rank, POISON + 1, false);
        execute(w->db, "ROLLBACK");
        return;
    }
    for (uint64_t i = 0; i < n; i++) {
        uint64_t key = (first + i) % (KEYS / WRITERS) * WRITERS + (uint64_t)rank,
                 version = atomic_load(&shared->announced[key]) + 1;
        atomic_store(&shared->attempted[key], version);
        write_version(w, key, version, update);
    }
    if (own)
        execute(w->db, "COMMIT");
    for (uint64_t i = 0; i < n; i++) {
        uint64_t key = (first + i) % (KEYS / WRITERS) * WRITERS + (uint64_t)rank;
        atomic_store(&shared->announced[key], atomic_load(&shared->attempted[key]));
        atomic_store(&shared->hot, key);
    }
    w->counts->commits++;
}

static void writer_main(const Mode *mode, int rank, int ticks) {
    uint64_t random = config.seed * 100 + (uint64_t)rank;
    char tick;
    Writer w = {.db = open_database(mode), .counts = &shared->counts[rank]};
    w.put = prepare(w.db, "INSERT OR REPLACE INTO cache(key, value) VALUES(?1, ?2)");
    w.update = prepare(w.db, "UPDATE cache SET value=?2 WHERE key=?1");
    w.delete_row = prepare(w.db, "DELETE FROM cache WHERE key=?1");
    while (read(ticks, &tick, 1) == 1)
        commit_something(&w, rank, &random);
    sqlite3_finalize(w.put);
    sqlite3_finalize(w.update);
    sqlite3_finalize(w.delete_row);
    sqlite3_close(w.db);
}

static void checkpointer_main(const Mode *mode, int ticks) {
    static const int kinds[] = {SQLITE_CHECKPOINT_PASSIVE, SQLITE_CHECKPOINT_RESTART, SQLITE_CHECKPOINT_TRUNCATE,
                                SQLITE_CHECKPOINT_FULL};
    sqlite3 *db = open_database(mode);
    char tick;
    for (int i = 0; read(ticks, &tick, 1) == 1; i++) {
        if (!mode->checkpoints || i % 8 != 0)
            continue;
        int rc = sqlite3_wal_checkpoint_v2(db, "main", kinds[i / 8 % 4], NULL, NULL);
        if (rc != SQLITE_OK && rc != SQLITE_BUSY)
            die(db, "checkpoint");
    }
    sqlite3_close(db);
}

/* ---- readers ---- */

typedef struct Reader {
    sqlite3 *db[CONNECTIONS];
    sqlite3_stmt *get[CONNECTIONS], *select[CONNECTIONS];
    uint64_t seen[KEYS]; /* the lowest version that may still be shown */
    uint64_t memo[KEYS]; /* for --plain --plant: a memory that is never refreshed */
    Counts *counts;
} Reader;

/* The version that a statement shows; 0 when the key is not there. */
static uint64_t read_version(const Reader *r, int connection, uint64_t key, bool select) {
    sqlite3_stmt *stmt = select ? r->select[connection] : r->get[connection];
    uint64_t version = 0;
    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)key);
    int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW && sqlite3_column_type(stmt, 0) != SQLITE_NULL) {
        Value v;
        if (sqlite3_column_bytes(stmt, 0) != sizeof v)
            die(NULL, "a value of another size");
        memcpy(&v, sqlite3_column_blob(stmt, 0), sizeof v);
        if (v.key != key || v.check != key * 31 + v.version * 17)
            die(NULL, "a value of another key");
        version = v.version;
    } else if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        die(r->db[connection], "read");
    }
    sqlite3_reset(stmt);
    return version;
}

static void check(Reader *r, uint64_t key, uint64_t announced, uint64_t version) {
    uint64_t least = announced > r->seen[key] ? announced : r->seen[key], most = atomic_load(&shared->attempted[key]);
    if (version == 0) { /* is there a DELETE that it can be? */
        version = (least + DELETE_EVERY - 1) / DELETE_EVERY * DELETE_EVERY;
        if (version > most) {
            r->counts->missing++;
            return;
        }
    } else if (version > most) {
        r->counts->ahead++;
        return;
    } else if (version < least) {
        if (r->counts->stale++ == 0) {
            snprintf(shared->complaint, sizeof shared->complaint,
                     "key %llu: version %llu was announced, %llu seen before, the read gave %llu",
                     (unsigned long long)key, (unsigned long long)announced, (unsigned long long)r->seen[key],
                     (unsigned long long)version);
        }
        return;
    }
    r->seen[key] = version;
}

static void read_something(Reader *r, uint64_t *random) {
    uint64_t x = next_random(random), key = x % 2 ? (x >> 8) % KEYS : atomic_load(&shared->hot);
    int connection = (int)((x >> 32) % CONNECTIONS), kind = (int)((x >> 40) % 16);
    uint64_t announced = atomic_load(&shared->announced[key]);
    if (kind == 0) { /* a transaction sees one state of the file */
        execute(r->db[connection], "BEGIN");
        uint64_t version = read_version(r, connection, key, x >> 60 & 1);
        for (int i = 0; i < 4; i++)
            read_version(r, connection, (key + (uint64_t)i) % KEYS, false);
        if (read_version(r, connection, key, x >> 61 & 1) != version)
            r->counts->unrepeatable++;
        execute(r->db[connection], "COMMIT");
        check(r, key, announced, version);
        r->counts->reads += 6;
        return;
    }
    if (config.plain && config.plant && r->memo[key]) {
        check(r, key, announced, r->memo[key]);
    } else {
        uint64_t version = read_version(r, connection, key, kind == 1);
        r->memo[key] = version;
        check(r, key, announced, version);
    }
    r->counts->reads++;
}

static uint64_t statistic(sqlite3 *db, const char *name) {
    char sql[120];
    snprintf(sql, sizeof sql, "SELECT json_extract(hybrid_cache_stats('cache'), '$.%s')", name);
    sqlite3_stmt *stmt = prepare(db, sql);
    uint64_t n = sqlite3_step(stmt) == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_finalize(stmt);
    return n;
}

/* Reads its share; every so many reads gives one of the helpers its tick, so the mix is the same on any machine. */
static void reader_main(const Mode *mode, int rank, const int *ticks) {
    uint64_t random = config.seed * 100 + 50 + (uint64_t)rank, next = 0;
    Reader r = {.counts = &shared->counts[WRITERS + rank]};
    for (int i = 0; i < CONNECTIONS; i++) {
        r.db[i] = open_database(mode);
        r.get[i] = prepare(r.db[i], config.plain ? "SELECT value FROM cache WHERE key=?1"
                                                 : "SELECT hybrid_cache_get('cache', ?1)");
        r.select[i] = prepare(r.db[i], "SELECT value FROM cache WHERE key=?1");
    }
    for (int helper = rank; r.counts->reads < config.reads / READERS;) {
        if (r.counts->reads >= next) {
            ssize_t ignored = write(ticks[helper++ % HELPERS], "t", 1); /* full: it has enough to do */
            (void)ignored;
            next += (uint64_t)config.pace;
        }
        read_something(&r, &random);
    }
    for (int i = 0; i < CONNECTIONS; i++) {
        if (!config.plain) {
            r.counts->gets += statistic(r.db[i], "gets");
            r.counts->l1_hits += statistic(r.db[i], "l1_hits");
            r.counts->l2_errors += statistic(r.db[i], "l2_errors");
        }
        sqlite3_finalize(r.get[i]);
        sqlite3_finalize(r.select[i]);
        sqlite3_close(r.db[i]);
    }
}

/* ---- a mode ---- */

static void remove_files(void) {
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char name[620];
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        unlink(name);
    }
}

static void set_up(const Mode *mode) {
    sqlite3 *db = open_database(mode);
    Writer w = {.db = db};
    execute(db, config.plain   ? "CREATE TABLE cache(key PRIMARY KEY, value)"
                : config.plant ? "CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=0, coherence=relaxed, l1_ttl=3600)"
                               : "CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=0)");
    w.put = prepare(db, "INSERT OR REPLACE INTO cache(key, value) VALUES(?1, ?2)");
    for (uint64_t key = 0; key < KEYS; key++) {
        write_version(&w, key, 1, false);
        atomic_store(&shared->announced[key], 1);
        atomic_store(&shared->attempted[key], 1);
    }
    sqlite3_finalize(w.put);
    sqlite3_close(db);
}

/* Forks; SQLite is used in children only. `kind`: -1 sets up, below HELPERS a helper, above a reader. */
static pid_t spawn(const Mode *mode, int kind, int ticks[HELPERS][2]) {
    pid_t pid = fork();
    if (pid < 0)
        die(NULL, "fork");
    if (pid > 0)
        return pid;
    if (kind < 0) {
        set_up(mode);
    } else if (kind < HELPERS) {
        for (int i = 0; i < HELPERS; i++)
            close(ticks[i][1]); /* so that it sees the end when the readers are gone */
        if (kind < WRITERS)
            writer_main(mode, kind, ticks[kind][0]);
        else
            checkpointer_main(mode, ticks[kind][0]);
    } else {
        int ends[HELPERS];
        for (int i = 0; i < HELPERS; i++)
            ends[i] = ticks[i][1];
        reader_main(mode, kind - HELPERS, ends);
    }
    _exit(0);
}

static bool joined(pid_t pid) {
    int status;
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool run(const Mode *mode) {
    int ticks[HELPERS][2];
    pid_t pids[HELPERS + READERS];
    Counts sum = {0};
    memset(shared, 0, sizeof *shared);
    remove_files();
    bool ok = joined(spawn(mode, -1, ticks));
    for (int i = 0; i < HELPERS; i++) {
        if (pipe(ticks[i]))
            die(NULL, "pipe");
        fcntl(ticks[i][1], F_SETFL, O_NONBLOCK);
    }
    double begin = seconds();
    for (int i = 0; ok && i < HELPERS + READERS; i++)
        pids[i] = spawn(mode, i, ticks);
    for (int i = 0; i < HELPERS; i++) {
        close(ticks[i][0]);
        close(ticks[i][1]);
    }
    for (int i = HELPERS + READERS - 1; ok && i >= 0; i--) {
        if (!joined(pids[i]))
            ok = false, i = 0;
    }
    while (wait(NULL) > 0) {
    }
    double took = seconds() - begin;
    for (int i = 0; i < WRITERS + READERS; i++) {
        const Counts *c = &shared->counts[i];
        sum.reads += c->reads, sum.commits += c->commits, sum.stale += c->stale, sum.ahead += c->ahead,
            sum.unrepeatable += c->unrepeatable;
        sum.missing += c->missing, sum.gets += c->gets, sum.l1_hits += c->l1_hits, sum.l2_errors += c->l2_errors;
    }
    printf("order %s: %llu reads (%.0f a second), %llu commits, %.1f %% from L1; %llu stale, %llu ahead, %llu "
           "unrepeatable, %llu missing (%llu busy)\n",
           mode->name, (unsigned long long)sum.reads, (double)sum.reads / took, (unsigned long long)sum.commits,
           sum.gets ? 100.0 * (double)sum.l1_hits / (double)sum.gets : 0.0, (unsigned long long)sum.stale,
           (unsigned long long)sum.ahead, (unsigned long long)sum.unrepeatable, (unsigned long long)sum.missing,
           (unsigned long long)sum.l2_errors);
    if (!ok)
        printf("order %s: a process failed\n", mode->name);
    if (shared->complaint[0])
        printf("order %s: %s\n", mode->name, shared->complaint);
    fflush(stdout);
    remove_files();
    if (config.plant)
        return ok && sum.stale > 0;
    /* A busy L2 is a miss by contract, and is counted by the cache as well; no other read may come back empty. */
    return ok && !sum.stale && !sum.ahead && !sum.unrepeatable && sum.missing <= sum.l2_errors && sum.commits > 0;
}

static const char usage[] =
    "usage: order [options]\n"
    "  --reads N     reads per mode (default 400000)\n"
    "  --mode NAME   wal, wal-checkpoint, delete, truncate or all (default)\n"
    "  --pace N      reads per commit (default 40)\n"
    "  --seed N\n"
    "  --plant       coherence=relaxed and a long l1_ttl, that is no freshness check: passes if stale reads are seen\n"
    "  --plain       a plain table in place of the cache: tests this harness (with --plant: behind a memory nobody "
    "clears)\n"
    "  --extension PATH    the extension (default ./dist/hybrid_cache)\n";

int main(int argc, char **argv) {
    char dir[512];
    int passed = 0, failed = 0;
    bool ok = true;
    for (int i = 1; i < argc && ok; i++) {
        const char *a = argv[i], *v = i + 1 < argc ? argv[i + 1] : NULL;
        if (!strcmp(a, "--plain"))
            config.plain = true;
        else if (!strcmp(a, "--plant"))
            config.plant = true;
        else if (!v)
            ok = false;
        else {
            i++;
            if (!strcmp(a, "--reads"))
                config.reads = strtoull(v, NULL, 10);
            else if (!strcmp(a, "--mode"))
                config.mode = v;
            else if (!strcmp(a, "--pace"))
                ok = (config.pace = atoi(v)) > 0;
            else if (!strcmp(a, "--seed"))
                config.seed = strtoull(v, NULL, 10);
            else if (!strcmp(a, "--extension"))
                config.extension = v;
            else
                ok = false;
        }
    }
    const char *base = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/order.XXXXXX", base && *base ? base : "/tmp");
    if (!ok) {
        fputs(usage, stderr);
        return 2;
    }
    if (!mkdtemp(dir))
        die(NULL, dir);
    snprintf(path, sizeof path, "%s/order.db", dir);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        die(NULL, "mmap");
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (strcmp(config.mode, "all") != 0 && strcmp(config.mode, modes[i].name) != 0)
            continue;
        if (run(&modes[i]))
            passed++;
        else
            failed++;
    }
    rmdir(dir);
    if (passed + failed == 0)
        fputs(usage, stderr);
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0 || passed == 0;
}
