/*
** fault.c - scripts of SQL in which every allocation, file call and step fails in turn.
**
**     fault --extension dist/hybrid_cache [--script S] [--fault F] [--journal wal|delete] [--vfs unix|faulty] [--n N]
**           [--stride N] [--jobs N]
**
** One run: a fresh database with a warm L1, one script with the Nth call of some kind
** failing, then the fault is gone and everything has to be right:
**
**   - the L1, a SELECT by key and the shadow table say the same of every key, inside the
**     transaction that is still open and after it; so do a second connection, whose L1 was
**     warm all the time, and a fresh one;
**   - `app`, whose triggers write the same into the cache, has not come apart from it;
**   - what was acknowledged is there;
**   - `check` and integrity_check pass, no cache has half of its shadow tables;
**   - the cache can be written to; close succeeds and gives back all memory.
**
** First a run without a fault counts the calls. N then goes through all of them with
** SOAK=1 in the environment (with --stride: every so many-th) or --n; otherwise through some, spread evenly. A read that is
** short in the middle of a file is a damaged file for SQLite: after those it is asked only
** that nothing crashes, leaks or is made up.
*/
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "checks.h"
#include "inject.h"
#include "memfs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUNS_EACH 2 /* of one script, fault and mode in the bounded form */
#define FILE_NAME "/fault.db"
#define SCRIPTS_MOST 32
#define STATES_MOST (1u << 20)
#define JOBS_MOST 16

static struct {
    const char *extension;
    const char *journal; /* wal, delete */
    const char *vfs;     /* NULL: the default one */
    const void *image;   /* of the database that every run begins with */
    size_t image_size;
} bench;

/* What came of the runs, in memory that the jobs share. */
enum { PASSED_OVER, UNSEEN, NOMEM, IOERR, FULL, CANTOPEN, BUSY, INTERRUPT, OTHER, WRONG, OUTCOMES };
static const char *const outcome_names[OUTCOMES] = {"(not met)", "no error", "NOMEM", "IOERR",       "FULL",
                                                    "CANTOPEN",  "BUSY",     "INTER", "other error", "WRONG"};
typedef struct {
    long calls, outcomes[OUTCOMES];
} Tally;
typedef struct {
    long passed, failed, states;
    Tally faults[INJECT_FAULTS_MOST], scripts[SCRIPTS_MOST];
} Tallies;
static Tallies *tallies; /* of this job */

/* The states of the files that were found right, of the present script and mode: an open hash table. */
static unsigned long long right_states[STATES_MOST];
static unsigned states;

static int first_code;     /* of the first step that the fault has made fail; 0: none */
static char failure[TEXT]; /* that step, and how */

/* ------------------------------------------------------------ connections */

static void remove_files(void) {
    memfs_clear();
}

static sqlite3 *open_database(void) {
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(FILE_NAME, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, bench.vfs) != SQLITE_OK)
        complain("open: %s", sqlite3_errmsg(db));
    sqlite3_enable_load_extension(db, 1);
    return db;
}

/* `must`: a failure counts. */
static int load(sqlite3 *db, int must) {
    char *message = NULL;
    int rc = sqlite3_load_extension(db, bench.extension, NULL, &message);
    if (rc != SQLITE_OK && must)
        complain("load: %s", message != NULL ? message : sqlite3_errmsg(db));
    sqlite3_free(message);
    return rc;
}

static sqlite3 *open_loaded(void) {
    sqlite3 *db = open_database();
    load(db, 1);
    return db;
}

static void warm_up(sqlite3 *db) {
    must_run(db, "warming up", "SELECT hybrid_cache_get('cache', key) IS NOT NULL FROM cache_data");
    must_run(db, "warming up", "SELECT hybrid_cache_tier('cache', key) = 1 FROM app");
}

/* -------------------------------------------------------------- one fault */

/* An error that no fault can excuse. `first`: nothing had failed before it. */
static int is_absurd(sqlite3 *db, int code, int first) {
    /* SQLite tells of an interrupt in words alone where it parses for ALTER TABLE or for a table-valued function. */
    if (code == SQLITE_ERROR && (strstr(sqlite3_errmsg(db), "interrupted") != NULL ||
                                 strstr(sqlite3_errmsg(db), "vtable constructor failed: ") != NULL))
        return 0;
    switch (code & 0xff) {
    case SQLITE_INTERNAL:
    case SQLITE_MISUSE:
    case SQLITE_CORRUPT:
    case SQLITE_SCHEMA:
    case SQLITE_NOTADB:
    case SQLITE_MISMATCH:
        return 1;
    case SQLITE_ERROR:
    case SQLITE_CONSTRAINT:
        return first && code != SQLITE_ERROR_RETRY;
    default:
        return 0;
    }
}

static int is_short(const InjectFault *fault) {
    return fault->rc == SQLITE_IOERR_SHORT_READ;
}

/* Closes *db and opens it anew, with the extension; what could be opened is in *db. */
static int reopen(sqlite3 **db) {
    inject_follow(NULL);
    if (sqlite3_close(*db) != SQLITE_OK)
        complain("reopen: close: %s", sqlite3_errmsg(*db));
    int rc = sqlite3_open_v2(FILE_NAME, db, SQLITE_OPEN_READWRITE, bench.vfs);
    inject_follow(*db);
    if (rc == SQLITE_OK) {
        sqlite3_enable_load_extension(*db, 1);
        rc = load(*db, 0);
    }
    return rc;
}

/* Runs the script under the fault; *connection is another one after REOPEN, and NULL if there is none. Gives the steps that succeeded as a set of 1u << index. */
static unsigned run_script(sqlite3 **connection, sqlite3 *neighbour, const Script *script, const InjectFault *fault,
                           int loaded) {
    sqlite3 *db = *connection;
    unsigned succeeded = 0;
    int failures = !loaded;
    for (int i = 0; script->steps[i].sql != NULL; i++) {
        const Step *step = &script->steps[i];
        int wrong = 0;
        if (step->sql[0] == BY_OTHER[0]) {
            inject_pause(1);
            must_run(neighbour, "other", step->sql + strlen(BY_OTHER));
            inject_pause(0);
            succeeded |= 1u << i;
            continue;
        }
        int reopens = strcmp(step->sql, REOPEN) == 0;
        int rc = reopens ? reopen(connection) : run_sql(db, step->sql, &wrong);
        db = *connection;
        if (wrong && !is_short(fault))
            complain("step %d: %s: a wrong answer", i + 1, step->sql);
        if (rc == SQLITE_OK && step->error != 0 && !is_short(fault))
            complain("step %d: %s: no error", i + 1, step->sql);
        if (rc == SQLITE_OK || (rc & 0xff) == step->error) {
            succeeded |= rc == SQLITE_OK ? 1u << i : 0;
            continue;
        }
        int code = reopens ? rc : sqlite3_extended_errcode(db);
        if (failure[0] == 0) {
            first_code = code;
            sqlite3_snprintf(TEXT, failure, "step %d: %.80s: error %d; then %s", i + 1, step->sql, code,
                             reopens || sqlite3_get_autocommit(db) ? "autocommit" : "in the transaction");
        }
        /* Loading says SQLITE_ERROR, whatever the reason. */
        if (inject_failed() == 0 || (!reopens && is_absurd(db, code, failures == 0) && !is_short(fault)))
            complain("step %d: %s: error %d, %s", i + 1, step->sql, code, sqlite3_errmsg(db));
        failures++;
        if (reopens) {
            sqlite3_close(db);
            *connection = NULL;
        }
        if (reopens || script->flags & TRANSACTION)
            break;
    }
    return succeeded;
}

/* Has this state of this script's files been found right before? If not, *slot is where to remember it. */
static int seen_before(unsigned long long state, unsigned long long **slot) {
    unsigned i = (unsigned)state % STATES_MOST;
    while (right_states[i] != 0 && right_states[i] != state)
        i = (i + 1) % STATES_MOST;
    *slot = &right_states[i];
    return right_states[i] == state;
}

/* Everything that has to be right once the fault is gone. */
static void check_all(sqlite3 *db, sqlite3 *neighbour, const Script *script, unsigned succeeded, long n) {
    int loose = script->flags & LOOSE;
    if (script->flags & SEALED) {
        int last = 0;
        while (script->steps[last].sql != NULL)
            last++;
        if (succeeded >> (last - 2) & 1) {
            /* What could not be put back in COMMIT is with the next look at the cache. */
            must_hold(db, "sealed", "hybrid_cache_ttl('cache', 'd2') IS NOT NULL");
            must_hold(db, "sealed", "(SELECT query_only FROM pragma_query_only)");
        }
        must_run(db, "sealed", "PRAGMA query_only = 0");
    }
    if (!sqlite3_get_autocommit(db)) {
        if (!(script->flags & RENAMING)) {
            check_keys(db, "inside");
            check_mirror(db, "inside", script);
        }
        must_run(db, "inside", n % 2 || script->flags & RENAMING ? "ROLLBACK" : "COMMIT");
        if (!sqlite3_get_autocommit(db))
            must_run(db, "inside", "ROLLBACK");
    }
    if (!loose)
        check_keys(db, "after");
    check_acknowledged(db, "after", script, succeeded);
    check_mirror(db, "after", script);

    /*
    ** What others see is a matter of the files alone: the neighbour has done nothing since it was warmed up, or
    ** what the script says, a fresh connection nothing at all. So they are asked once of each state that the files can be left in.
    */
    unsigned long long state = (memfs_digest() ^ succeeded) | 1, *slot;
    int known = seen_before(state, &slot);
    sqlite3 *fresh = open_loaded();
    if (known) {
        must_run(fresh, "fresh", "SELECT hybrid_cache_get('cache', 'a1')");
    } else {
        check_keys(neighbour, "neighbour");
        check_keys(fresh, "fresh");
        check_acknowledged(fresh, "fresh", script, succeeded);
        check_mirror(fresh, "fresh", script);
        check_tables(fresh, "fresh");
        check_file(fresh, "fresh");
        if (problem[0] == 0 && states < STATES_MOST / 2) {
            *slot = state;
            states++;
            tallies->states++;
        }
    }
    check_tables(db, "after");

    /* And life goes on. */
    must_run(db, "later", APP("a1", "later1"));
    must_hold(fresh, "later", GET("a1", "later1"));
    must_run(fresh, "later", APP("a1", "later2"));
    must_hold(db, "later", GET("a1", "later2"));
    check_mirror(db, "later", script);
    must_run(db, "later", "DROP TABLE cache");
    if (sqlite3_close(fresh) != SQLITE_OK)
        complain("close of a fresh connection");
}

/* One run; 0: something was wrong, see `problem`. */
static int run_one(const Script *script, const InjectFault *fault, long n) {
    int loaded = 1;
    sqlite3_int64 memory = sqlite3_memory_used();
    problem[0] = failure[0] = 0;
    first_code = 0;
    remove_files();
    if (!memfs_put(FILE_NAME, bench.image, bench.image_size))
        complain("setup: no memory");
    inject_reseed();
    sqlite3 *db = script->flags & COLD ? open_database() : open_loaded();
    sqlite3 *neighbour = script->flags & ALONE ? NULL : open_loaded();
    if (!(script->flags & COLD))
        warm_up(db);
    if (neighbour != NULL)
        warm_up(neighbour);
    if (script->prepare != NULL)
        must_run(db, "prepare", script->prepare);

    inject_arm(fault, n, db);
    if (script->flags & COLD)
        loaded = load(db, 0) == SQLITE_OK;
    unsigned succeeded = loaded ? run_script(&db, neighbour, script, fault, loaded) : 0;
    inject_disarm();
    if (db == NULL)
        db = open_loaded();
    else if (!loaded)
        load(db, 1);
    if (neighbour == NULL)
        neighbour = open_loaded();
    if (is_short(fault) && inject_failed() > 0)
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    else
        check_all(db, neighbour, script, succeeded, n);

    if (sqlite3_close(db) != SQLITE_OK) {
        complain("close: %s", sqlite3_errmsg(db));
        sqlite3_close_v2(db);
    }
    if (sqlite3_close(neighbour) != SQLITE_OK)
        complain("close of another connection");
    if (sqlite3_memory_used() != memory)
        complain("%lld bytes leaked", sqlite3_memory_used() - memory);
    return problem[0] == 0;
}

/* ---------------------------------------------------------------- driving */

static void make_image(void) {
    remove_files();
    problem[0] = 0;
    sqlite3 *db = open_loaded();
    char *sql = sqlite3_mprintf("PRAGMA journal_mode = %s", bench.journal);
    must_run(db, "setup", sql);
    sqlite3_free(sql);
    for (int i = 0; setup[i] != NULL; i++)
        must_run(db, "setup", setup[i]);
    sqlite3_close(db);
    const unsigned char *bytes = memfs_get(FILE_NAME, &bench.image_size);
    void *image = bytes != NULL ? malloc(bench.image_size) : NULL;
    if (image != NULL)
        memcpy(image, bytes, bench.image_size);
    else
        complain("setup: no file");
    bench.image = image;
    if (problem[0] != 0) {
        fprintf(stderr, "%s\n", problem);
        exit(2);
    }
}

static int outcome(int ok) {
    if (!ok)
        return WRONG;
    if (inject_failed() == 0)
        return PASSED_OVER;
    switch (first_code & 0xff) {
    case 0:
        return UNSEEN;
    case SQLITE_NOMEM:
        return NOMEM;
    case SQLITE_IOERR:
        return IOERR;
    case SQLITE_FULL:
        return FULL;
    case SQLITE_CANTOPEN:
        return CANTOPEN;
    case SQLITE_BUSY:
        return BUSY;
    case SQLITE_INTERRUPT:
        return INTERRUPT;
    default:
        return OTHER;
    }
}

static void judge(int ok, int script, int fault, long n) {
    int came = outcome(ok);
    tallies->faults[fault].outcomes[came]++;
    tallies->scripts[script].outcomes[came]++;
    tallies->passed += ok;
    tallies->failed += !ok;
    if (!ok) {
        printf("FAILED --script %s --fault %s --journal %s --vfs %s --n %ld\n       first %s\n       %s\n",
               scripts[script].name, inject_faults[fault].name, bench.journal, bench.vfs ? bench.vfs : "unix", n,
               failure[0] ? failure : "no step failed", problem);
        fflush(stdout);
    }
}

typedef struct {
    const char *script, *fault, *journal, *vfs;
    long n, stride;
    int every, jobs;
} Wanted;

/*
** Where every N is tried, those of allocations and steps are tried in two of the four modes: what
** fails there is SQL, to which journal and VFS make little difference.
*/
static int belongs(const InjectFault *fault, int mode) {
    static const char *const of_two[] = {"oom", "oom+", "interrupt", "interrupt+", "stop"};
    for (size_t i = 0; i < sizeof of_two / sizeof of_two[0]; i++) {
        if (strcmp(fault->name, of_two[i]) == 0)
            return mode == 0 || mode == 3;
    }
    return 1;
}

/* Is every N tried in the bounded form as well? */
static int is_dense(const Script *script, const char *fault) {
    int wal = strcmp(bench.journal, "wal") == 0;
    if (bench.vfs != NULL)
        return 0;
    return (script->flags & DENSE && wal && strcmp(fault, "interrupt") == 0) ||
           (script->flags & BASIC && wal && strcmp(fault, "oom") == 0) ||
           (script->flags & BASIC && !wal && strcmp(fault, "io") == 0);
}

/* One script and fault, of which the run without a fault has made so many calls: for every N, or some. */
static void run_fault(int script, int fault, long calls, const Wanted *wanted, int job) {
    static long phase; /* so that not every script and fault tries the same N */
    int dense = is_dense(&scripts[script], inject_faults[fault].name);
    long step = dense || calls <= RUNS_EACH || wanted->n > 0 ? 1
                : wanted->every                              ? wanted->stride
                                                             : (calls + RUNS_EACH - 1) / RUNS_EACH;
    if (job == 0) {
        tallies->faults[fault].calls += calls;
        tallies->scripts[script].calls += calls;
    }
    for (long n = 1 + phase++ * 7919 % step; n <= calls; n += step) {
        if (wanted->n > 0 ? n == wanted->n : n / step % wanted->jobs == job)
            judge(run_one(&scripts[script], &inject_faults[fault], n), script, fault, n);
    }
}

static int selected(const char *wanted, const char *name) {
    return wanted == NULL || strcmp(wanted, name) == 0;
}

/* The share of one job: every so many-th N. */
static void run_job(const Wanted *wanted, int job) {
    static const char *const journals[] = {"wal", "delete"};
    static const char *const systems[] = {"unix", "faulty"};
    /* Nothing of the first run may be allocated once and for all. */
    sqlite3 *holder = open_loaded();
    for (int mode = 0; mode < 4; mode++) {
        bench.journal = journals[mode / 2];
        bench.vfs = mode % 2 == 0 ? NULL : systems[1];
        if (!selected(wanted->journal, bench.journal) || !selected(wanted->vfs, systems[mode % 2]))
            continue;
        make_image();
        for (int s = 0; s < script_count; s++) {
            long calls[INJECT_FAULTS_MOST];
            memset(right_states, 0, sizeof right_states);
            states = 0;
            if (!selected(wanted->script, scripts[s].name) || (mode < 2 && scripts[s].flags & ROLLBACK))
                continue;
            judge(run_one(&scripts[s], inject_faults, 0), s, 0, 0);
            for (int f = 0; inject_faults[f].name != NULL; f++)
                calls[f] = inject_counted(&inject_faults[f]);
            for (int f = 0; inject_faults[f].name != NULL; f++) {
                if (selected(wanted->fault, inject_faults[f].name) &&
                    (!wanted->every || wanted->n > 0 || belongs(&inject_faults[f], mode)))
                    run_fault(s, f, calls[f], wanted, job);
            }
        }
        free((void *)(size_t)bench.image);
    }
    sqlite3_close(holder);
}

static void add(Tally *sum, const Tally *tally) {
    sum->calls += tally->calls;
    for (int i = 0; i < OUTCOMES; i++)
        sum->outcomes[i] += tally->outcomes[i];
}

static void print_row(const char *name, const Tally *tally) {
    printf("%-16s %8ld |", name, tally->calls);
    for (int i = 0; i < OUTCOMES; i++)
        printf(" %*ld", (int)strlen(outcome_names[i]) > 7 ? (int)strlen(outcome_names[i]) : 7, tally->outcomes[i]);
    printf("\n");
}

static void print_head(const char *what) {
    printf("\n%-16s %8s |", what, "calls");
    for (int i = 0; i < OUTCOMES; i++)
        printf(" %*s", (int)strlen(outcome_names[i]) > 7 ? (int)strlen(outcome_names[i]) : 7, outcome_names[i]);
    printf("\n");
}

/* What was injected, and what came of it: the first error that the application saw, everything being right after it. */
static void report(const Tallies *sum) {
    print_head("fault");
    for (int f = 0; inject_faults[f].name != NULL; f++)
        print_row(inject_faults[f].name, &sum->faults[f]);
    print_head("script");
    for (int s = 0; s < script_count; s++)
        print_row(scripts[s].name, &sum->scripts[s]);
}

int main(int argc, char **argv) {
    const char *soak = getenv("SOAK");
    Wanted wanted = {.stride = 1, .jobs = 1};
    bench.extension = "dist/hybrid_cache";
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--extension") == 0)
            bench.extension = value;
        else if (strcmp(argv[i], "--script") == 0)
            wanted.script = value;
        else if (strcmp(argv[i], "--fault") == 0)
            wanted.fault = value;
        else if (strcmp(argv[i], "--journal") == 0)
            wanted.journal = value;
        else if (strcmp(argv[i], "--vfs") == 0)
            wanted.vfs = value;
        else if (strcmp(argv[i], "--n") == 0)
            wanted.n = strtol(value, NULL, 10);
        else if (strcmp(argv[i], "--stride") == 0)
            wanted.stride = strtol(value, NULL, 10);
        else if (strcmp(argv[i], "--jobs") == 0)
            wanted.jobs = (int)strtol(value, NULL, 10);
        else
            return fprintf(stderr, "fault: unknown argument %s\n", argv[i]), 2;
    }
    wanted.every = wanted.n > 0 || (soak != NULL && soak[0] != 0);
    if (wanted.jobs < 1 || wanted.jobs > JOBS_MOST || wanted.stride < 1)
        return fprintf(stderr, "fault: 1 to %d jobs, a stride of 1 or more\n", JOBS_MOST), 2;
    size_t room = (size_t)wanted.jobs * sizeof *tallies;
    Tallies *shares = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shares == MAP_FAILED)
        return fprintf(stderr, "fault: no memory\n"), 2;
    for (int job = 0; job < wanted.jobs; job++) {
        /* A job of its own process, also where there is one: a crash is then a failure and not an end. */
        pid_t child = fork();
        if (child == 0) {
            tallies = &shares[job];
            if (inject_install() != SQLITE_OK) {
                fprintf(stderr, "fault: cannot install the faults\n");
                exit(2);
            }
            run_job(&wanted, job);
            exit(0);
        }
    }
    Tallies *sum = calloc(1, sizeof *sum);
    int status, broken = sum == NULL;
    while (wait(&status) > 0) {
        if (status != 0)
            printf("FAILED: a job has ended with status %d\n", status), broken++;
    }
    for (int job = 0; sum != NULL && job < wanted.jobs; job++) {
        sum->passed += shares[job].passed;
        sum->failed += shares[job].failed;
        sum->states += shares[job].states;
        for (int f = 0; f < INJECT_FAULTS_MOST; f++)
            add(&sum->faults[f], &shares[job].faults[f]);
        for (int s = 0; s < SCRIPTS_MOST; s++)
            add(&sum->scripts[s], &shares[job].scripts[s]);
    }
    if (sum != NULL) {
        report(sum);
        printf("%ld states of the files were asked of other connections\n", sum->states);
        printf("%ld passed, %ld failed\n", sum->passed, sum->failed + broken);
        broken += sum->failed > 0;
    }
    free(sum);
    munmap(shares, room);
    return broken != 0;
}
