/*
** power.c - the power fails at any moment; what is left is looked at.
**
**     power --extension dist/hybrid_cache [--every N] [--setting NAME] [--seed S]
**
** The transactions of plan.h run on files in memory, and every change goes to a disk (disk.h)
** that knows what was synced. After each of them, or after some, the power fails in four
** ways; what is left is opened with SQLite's own VFS. It has to be the state after one of the
** transactions, for all keys and counters the same one, and not an earlier one than the setting
** promises. SOAK=1: at every moment.
*/
#include "disk.h"
#include "memfs.h"
#include "wreck.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRANSACTIONS 60u
#define FILE_NAME "/power.db"

typedef struct {
    const char *name, *pragmas;
    enum { NONE, THE_LAST, ANY } may_lose; /* of the acknowledged transactions */
} Setting;

static const Setting settings[] = {
    {"wal-full", "PRAGMA journal_mode = wal; PRAGMA synchronous = full; PRAGMA wal_autocheckpoint = 25", NONE},
    {"wal-normal", "PRAGMA journal_mode = wal; PRAGMA synchronous = normal; PRAGMA wal_autocheckpoint = 25", ANY},
    {"delete-extra", "PRAGMA journal_mode = delete; PRAGMA synchronous = extra", NONE},
    /* Of FULL SQLite says itself that the deletion of the journal may be lost, and with it the last commit. */
    {"delete-full", "PRAGMA journal_mode = delete; PRAGMA synchronous = full", THE_LAST},
    {"truncate-full", "PRAGMA journal_mode = truncate; PRAGMA synchronous = full", NONE},
    {"persist-full", "PRAGMA journal_mode = persist; PRAGMA synchronous = full; PRAGMA cache_size = 5", NONE},
    /* Planted: a promise that is not kept. Only with --setting. */
    {"planted", "PRAGMA journal_mode = delete; PRAGMA synchronous = off", NONE},
};
#define SETTINGS ((int)(sizeof settings / sizeof settings[0]) - 1)

static struct {
    const char *extension;
    char file[400];
    uint64_t seed;
    long every; /* a failure after so many changes */
    const Setting *setting;
    Disk *disk;
    unsigned acknowledged;
    long changes;
} bench;

static struct { long changes, cuts, lost, in_flight; } seen[SETTINGS + 1];
static long passed, failed;

static sqlite3 *open_loaded(const char *file, const char *vfs) {
    sqlite3 *db = NULL;
    char *message = NULL;
    if (sqlite3_open_v2(file, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs) != SQLITE_OK)
        complain("open: %s", sqlite3_errmsg(db));
    sqlite3_enable_load_extension(db, 1);
    if (sqlite3_load_extension(db, bench.extension, NULL, &message) != SQLITE_OK)
        complain("load: %s", message != NULL ? message : "");
    sqlite3_free(message);
    return db;
}

static void remove_files(void) {
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char name[420];
        snprintf(name, sizeof name, "%s%s", bench.file, suffixes[i]);
        unlink(name);
    }
}

/* The earliest state that may be left. A transaction that changes nothing is not the last one. */
static unsigned earliest(DiskWay way) {
    PlanState states[TRANSACTIONS + 1];
    unsigned n = bench.acknowledged;
    if (way == DISK_ALL || bench.setting->may_lose == NONE)
        return n;
    if (bench.setting->may_lose == ANY)
        return 0;
    memset(&states[0], 0, sizeof states[0]);
    for (unsigned i = 1; i <= n; i++) {
        states[i] = states[i - 1];
        plan_apply(bench.seed, i, &states[i]);
    }
    while (n > 0 && memcmp(&states[n], &states[bench.acknowledged], sizeof states[n]) == 0)
        n--;
    return n;
}

/* The power fails now. */
static void fail_once(DiskWay way) {
    static const char *const ways[] = {"all", "none", "some", "most"};
    long index = bench.setting - settings;
    uint64_t lot = plan_random(bench.seed, (uint64_t)bench.changes, (uint64_t)way);
    unsigned high = bench.acknowledged + 1;
    PlanState found;
    problem[0] = 0;
    remove_files();
    if (!disk_fail(bench.disk, way, lot, FILE_NAME, bench.file))
        complain("cannot write what is left");
    sqlite3 *db = open_loaded(bench.file, NULL);
    unsigned last = wreck_state(db, "after", bench.seed, earliest(way), high, &found);
    wreck_answers(db, "after", bench.seed, &found);
    wreck_sound(db, "after");
    /* And life goes on. */
    if (problem[0] == 0 && plan_run(db, bench.seed, last + 1) != SQLITE_OK)
        complain("later: %s", sqlite3_errmsg(db));
    wreck_sound(db, "later");
    if (sqlite3_close(db) != SQLITE_OK)
        complain("close");
    seen[index].cuts++;
    seen[index].lost += last < bench.acknowledged;
    seen[index].in_flight += last == high;
    if (problem[0] == 0) {
        passed++;
        return;
    }
    failed++;
    printf("FAILED %s, after change %ld (transaction %u), sectors that survive: %s: %s\n", bench.setting->name,
           bench.changes, bench.acknowledged + 1, ways[way], problem);
    fflush(stdout);
}

static void on_change(const MemfsEvent *event) {
    bench.changes++;
    /* Before the change: what comes after it is the next one's affair. */
    if (bench.changes % bench.every == 0 && failed < 10) {
        memfs_observe(NULL);
        char kept[PROBLEM_ROOM];
        memcpy(kept, problem, sizeof kept);
        for (int way = 0; way < DISK_WAYS; way++)
            fail_once((DiskWay)way);
        memcpy(problem, kept, sizeof kept);
        memfs_observe(on_change);
    }
    if (!disk_change(bench.disk, event))
        complain("the disk does not understand a change of %s", event->name);
}

static void run_setting(int index) {
    size_t size = 0;
    bench.setting = &settings[index];
    bench.acknowledged = 0;
    bench.changes = 0;
    problem[0] = 0;
    memfs_clear();
    sqlite3 *db = open_loaded(FILE_NAME, "memory");
    for (int i = 0; plan_setup[i] != NULL; i++)
        must_run(db, "setup", plan_setup[i]);
    sqlite3_close(db);
    const unsigned char *bytes = memfs_get(FILE_NAME, &size);
    bench.disk = disk_new(FILE_NAME, bytes, size);
    memfs_observe(on_change);
    db = open_loaded(FILE_NAME, "memory");
    if (sqlite3_exec(db, bench.setting->pragmas, NULL, NULL, NULL) != SQLITE_OK)
        complain("setup: %s", sqlite3_errmsg(db));
    while (problem[0] == 0 && bench.acknowledged < TRANSACTIONS) {
        if (plan_run(db, bench.seed, bench.acknowledged + 1) != SQLITE_OK)
            complain("transaction %u: %s", bench.acknowledged + 1, sqlite3_errmsg(db));
        bench.acknowledged++;
    }
    memfs_observe(NULL);
    sqlite3_close(db);
    disk_free(bench.disk);
    seen[index].changes = bench.changes;
    if (problem[0] != 0) {
        printf("FAILED %s: %s\n", bench.setting->name, problem);
        failed++;
    }
}

int main(int argc, char **argv) {
    const char *directory = getenv("TMPDIR"), *soak = getenv("SOAK"), *setting = NULL;
    bench.extension = "dist/hybrid_cache";
    bench.seed = 1;
    bench.every = soak != NULL && soak[0] != 0 ? 1 : 97;
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--extension") == 0)
            bench.extension = value;
        else if (strcmp(argv[i], "--setting") == 0)
            setting = value;
        else if (strcmp(argv[i], "--every") == 0)
            bench.every = strtol(value, NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0)
            bench.seed = strtoull(value, NULL, 10);
        else
            return fprintf(stderr, "power: unknown argument %s\n", argv[i]), 2;
    }
    if (bench.every < 1 || memfs_register("memory") != SQLITE_OK)
        return fprintf(stderr, "power: cannot begin\n"), 2;
    snprintf(bench.file, sizeof bench.file, "%s/hc-power-%d.db",
             directory != NULL && directory[0] != 0 ? directory : "/tmp", (int)getpid());
    for (int i = 0; i <= SETTINGS; i++) {
        if (setting == NULL ? i < SETTINGS : strcmp(setting, settings[i].name) == 0)
            run_setting(i);
    }
    remove_files();
    memfs_clear();
    printf("%-14s %8s %15s %15s %16s\n", "setting", "changes", "power failures", "in flight: in", "commits undone");
    for (int i = 0; i <= SETTINGS; i++) {
        if (seen[i].cuts > 0)
            printf("%-14s %8ld %15ld %15ld %16ld\n", settings[i].name, seen[i].changes, seen[i].cuts, seen[i].in_flight,
                   seen[i].lost);
    }
    printf("%ld passed, %ld failed\n", passed, failed);
    return failed != 0;
}
