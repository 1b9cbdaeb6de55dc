/*
** support.c: what the fuzz targets share.
*/
#include "fuzz.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "hybrid_cache.h"
#include "testclock.h"

_Noreturn void fuzz_wrong(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("WRONG: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    abort();
}

/* ------------------------------------------------------------- the process */

/* Read by AddressSanitizer. Runs are short: what was freed long ago need not be kept, nor long traces of who did it. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "quarantine_size_mb=2:malloc_context_size=3:max_malloc_fill_size=64:detect_odr_violation=0";
}

static int no_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out) {
    (void)vfs, (void)name, (void)flags, (void)out;
    file->pMethods = NULL;
    return SQLITE_CANTOPEN;
}

static int no_randomness(sqlite3_vfs *vfs, int n, char *bytes) {
    (void)vfs;
    memset(bytes, 7, (size_t)n);
    return n;
}

void fuzz_start(void) {
    static int installed;
    if (!installed) {
        installed = 1;
        sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
        sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0); /* so that AddressSanitizer sees each block */
        sqlite3_initialize();
        if (testclock_install() != SQLITE_OK)
            fuzz_wrong("no clock");
        sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
        vfs->xOpen = no_file;
        vfs->xRandomness = no_randomness;
        sqlite3_hard_heap_limit64(256 << 20);
    }
    testclock_set(FUZZ_TIME);
    sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, 1, NULL);
}

/* ---------------------------------------------------------- the connections */

static int is_one_of(const char *word, const char *const *words) {
    while (*words && (!word || sqlite3_stricmp(word, *words) != 0))
        words++;
    return *words != NULL;
}

/* What would reach out of the run: other files, limits of the process. */
static int authorize(void *context, int action, const char *a, const char *b, const char *c, const char *d) {
    static const char *const files[] = {"", "x", ":memory:", "file:/side?vfs=memdb", NULL};
    static const char *const pragmas[] = {"hard_heap_limit", "soft_heap_limit", "temp_store_directory",
                                          "data_store_directory", NULL};
    (void)context, (void)b, (void)c, (void)d;
    if ((action == SQLITE_ATTACH && !is_one_of(a, files)) || (action == SQLITE_PRAGMA && is_one_of(a, pragmas)))
        return SQLITE_DENY;
    return SQLITE_OK;
}

sqlite3 *fuzz_open(const char *name) {
    sqlite3 *db = NULL;
    char *uri = sqlite3_mprintf("file:/%s?vfs=memdb", name);
    if (sqlite3_open_v2(uri, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI, NULL) != SQLITE_OK)
        fuzz_wrong("cannot open %s: %s", uri, sqlite3_errmsg(db));
    sqlite3_free(uri);
    if (sqlite3_hybridcache_init(db, NULL, NULL) != SQLITE_OK)
        fuzz_wrong("cannot load: %s", sqlite3_errmsg(db));
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 1 << 20);
    sqlite3_limit(db, SQLITE_LIMIT_VDBE_OP, 100000);
    sqlite3_limit(db, SQLITE_LIMIT_EXPR_DEPTH, 50);
    sqlite3_limit(db, SQLITE_LIMIT_COMPOUND_SELECT, 10);
    sqlite3_limit(db, SQLITE_LIMIT_TRIGGER_DEPTH, 20);
    sqlite3_limit(db, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 100);
    sqlite3_exec(db, "PRAGMA temp_store = 2", NULL, NULL, NULL);
    sqlite3_set_authorizer(db, authorize, NULL);
    return db;
}

void fuzz_close(sqlite3 *db) {
    sqlite3_stmt *stmt = sqlite3_next_stmt(db, NULL);
    if (sqlite3_close(db) != SQLITE_OK)
        fuzz_wrong("a statement is left behind: %s", stmt ? sqlite3_sql(stmt) : "?");
}

static int out_of_patience(void *context) {
    (void)context;
    return 1;
}

/* The handler is called once in so many steps of the virtual machine, and stops it then. */
void fuzz_patience(sqlite3 *db, int thousands) {
    sqlite3_progress_handler(db, thousands * 1000, thousands ? out_of_patience : NULL, NULL);
}

int fuzz_exec(sqlite3 *db, char **message, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *sql = sqlite3_vmprintf(format, arguments);
    va_end(arguments);
    int rc = sql ? sqlite3_exec(db, sql, NULL, NULL, message) : SQLITE_NOMEM;
    sqlite3_free(sql);
    return rc;
}

void fuzz_copy(sqlite3 *to, sqlite3 *from) {
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    int rc = backup ? sqlite3_backup_step(backup, -1) : SQLITE_ERROR;
    if (rc != SQLITE_DONE || sqlite3_backup_finish(backup) != SQLITE_OK)
        fuzz_wrong("backup: %s", sqlite3_errmsg(to));
}

void fuzz_verify(sqlite3 *db) {
    HcConnection *connection = hc_connection_acquire(db);
    sqlite3_int64 used = 0;
    for (const HcCache *cache = connection->caches; cache; cache = cache->next) {
        if (!hc_l1_verify(&cache->l1))
            fuzz_wrong("the L1 of %s contradicts itself", cache->name);
        if (cache->busy)
            fuzz_wrong("%s was entered and not left", cache->name);
        used += cache->l1.bytes;
    }
    if (used + connection->budget.curves != connection->budget.used)
        fuzz_wrong("%lld bytes are held, %lld are counted", (long long)(used + connection->budget.curves),
                   (long long)connection->budget.used);
    if (used > connection->budget.limit)
        fuzz_wrong("%lld bytes are held, the limit is %lld", (long long)used, (long long)connection->budget.limit);
    hc_connection_release(connection);
}
