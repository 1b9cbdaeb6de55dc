/*
** testclock.c - a clock that tests can move (see testclock.h).
**
** Two builds of the same file:
**
**   cc -fPIC -shared testclock.c -o testclock.so     loadable extension
**   cc -DSQLITE_CORE -c testclock.c                  linked into a test
**
** Loaded, or given to sqlite3_auto_extension(), it also adds
**
**   test_clock_set(T)      freeze at Unix time T; NULL: real time again
**   test_clock_advance(N)  move by N seconds
**   test_clock_now()       what the time is now
**
** each of which returns the time that holds afterwards.
*/
#include "sqlite3ext.h"
SQLITE_EXTENSION_INIT1

#include <stdatomic.h>
#include <stddef.h>

#include "testclock.h"

/* SQLite counts milliseconds from noon of 24 November 4714 BC. */
#define UNIX_EPOCH_MS 210866760000000LL
#define MS_PER_DAY 86400000.0

/* The VFS's own clock, kept to answer while ours is not frozen. */
static int (*real_time_int64)(sqlite3_vfs *, sqlite3_int64 *);

/* Atomic because the contract covers connections shared by threads. `moved`
** is the frozen time where `frozen` is set, an offset to real time elsewhere;
** tests move the clock from one thread at a time. */
static atomic_bool frozen;
static _Atomic sqlite3_int64 moved;

static int clock_time_int64(sqlite3_vfs *vfs, sqlite3_int64 *now) {
    int rc = SQLITE_OK;
    if (atomic_load(&frozen)) {
        *now = atomic_load(&moved);
    } else {
        rc = real_time_int64(vfs, now);
        *now += atomic_load(&moved);
    }
    return rc;
}

static int clock_time(sqlite3_vfs *vfs, double *now) {
    sqlite3_int64 ms = 0;
    int rc = clock_time_int64(vfs, &ms);
    *now = (double)ms / MS_PER_DAY;
    return rc;
}

int testclock_install(void) {
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    if (vfs == NULL || vfs->iVersion < 2 || vfs->xCurrentTimeInt64 == NULL)
        return SQLITE_ERROR;
    if (vfs->xCurrentTimeInt64 == clock_time_int64)
        return SQLITE_OK;
    real_time_int64 = vfs->xCurrentTimeInt64;
    vfs->xCurrentTimeInt64 = clock_time_int64;
    vfs->xCurrentTime = clock_time;
    return SQLITE_OK;
}

static sqlite3_int64 to_ms(double seconds) {
    double ms = seconds * 1000.0;
    return (sqlite3_int64)(ms < 0 ? ms - 0.5 : ms + 0.5);
}

void testclock_set(double unix_seconds) {
    atomic_store(&moved, to_ms(unix_seconds) + UNIX_EPOCH_MS);
    atomic_store(&frozen, 1);
}

void testclock_advance(double seconds) {
    atomic_fetch_add(&moved, to_ms(seconds));
}

void testclock_release(void) {
    atomic_store(&frozen, 0);
    atomic_store(&moved, 0);
}

double testclock_now(void) {
    sqlite3_int64 ms = UNIX_EPOCH_MS;
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    if (vfs != NULL && vfs->xCurrentTimeInt64 != NULL)
        vfs->xCurrentTimeInt64(vfs, &ms);
    return (double)(ms - UNIX_EPOCH_MS) / 1000.0;
}

static void set_function(sqlite3_context *context, int argc, sqlite3_value **argv) {
    (void)argc;
    if (sqlite3_value_type(argv[0]) == SQLITE_NULL)
        testclock_release();
    else
        testclock_set(sqlite3_value_double(argv[0]));
    sqlite3_result_double(context, testclock_now());
}

static void advance_function(sqlite3_context *context, int argc, sqlite3_value **argv) {
    (void)argc;
    testclock_advance(sqlite3_value_double(argv[0]));
    sqlite3_result_double(context, testclock_now());
}

static void now_function(sqlite3_context *context, int argc, sqlite3_value **argv) {
    (void)argc;
    (void)argv;
    sqlite3_result_double(context, testclock_now());
}

#ifdef _WIN32
__declspec(dllexport)
#else
__attribute__((visibility("default")))
#endif
    int sqlite3_testclock_init(sqlite3 *db, char **error, const sqlite3_api_routines *api);

int sqlite3_testclock_init(sqlite3 *db, char **error, const sqlite3_api_routines *api) {
    int rc = SQLITE_OK;
    (void)error;
    (void)api;
    SQLITE_EXTENSION_INIT2(api);
    rc = testclock_install();
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function_v2(db, "test_clock_set", 1, SQLITE_UTF8, NULL, set_function, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function_v2(db, "test_clock_advance", 1, SQLITE_UTF8, NULL, advance_function, NULL, NULL,
                                        NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function_v2(db, "test_clock_now", 0, SQLITE_UTF8, NULL, now_function, NULL, NULL, NULL);
#ifndef SQLITE_CORE
    /* The VFS now points into this library, so it must outlive the connection. */
    if (rc == SQLITE_OK)
        rc = SQLITE_OK_LOAD_PERMANENTLY;
#endif
    return rc;
}
