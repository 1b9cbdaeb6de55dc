/*
** The time: of both forms in which a VFS tells it.
*/
#include "clock.c"

#include "unit.h"

static int exact(sqlite3_vfs *vfs, sqlite3_int64 *ms) {
    (void)vfs;
    *ms = UNIX_EPOCH_MS + 1700000000123LL;
    return SQLITE_OK;
}

static int in_days(sqlite3_vfs *vfs, double *days) {
    (void)vfs;
    *days = 2440587.5 + 1700000000.0 / 86400;
    return SQLITE_OK;
}

static void test_forms(void) {
    sqlite3_vfs vfs = {.iVersion = 2, .xCurrentTime = in_days, .xCurrentTimeInt64 = exact};
    CHECK(hc_clock_now(&vfs) == 1700000000.123);
    vfs.xCurrentTimeInt64 = NULL;
    CHECK_EQ(hc_clock_now(&vfs) + 0.5, 1700000000);
    vfs.xCurrentTimeInt64 = exact;
    vfs.iVersion = 1;
    CHECK_EQ(hc_clock_now(&vfs) + 0.5, 1700000000);
}

static void test_of_connection(void) {
    sqlite3 *db = unit_open(":memory:");
    CHECK(hc_clock_vfs(db) == sqlite3_vfs_find(NULL));
    sqlite3_close(db);
}

int main(void) {
    unit_begin();
    RUN(test_forms);
    RUN(test_of_connection);
    return unit_end();
}
