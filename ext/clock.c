/*
** clock.c: the time, as the connection's VFS tells it.
*/
#include "clock.h"

/* Julian day 2440587.5 is 1970-01-01 00:00:00; a day has 86,400,000 ms. */
#define UNIX_EPOCH_MS 210866760000000LL

double hc_clock_now(sqlite3_vfs *vfs) {
    if (vfs->iVersion >= 2 && vfs->xCurrentTimeInt64) {
        sqlite3_int64 ms = UNIX_EPOCH_MS;
        vfs->xCurrentTimeInt64(vfs, &ms);
        return (double)(ms - UNIX_EPOCH_MS) / 1000.0;
    }
    double days = 2440587.5;
    vfs->xCurrentTime(vfs, &days);
    return (days - 2440587.5) * 86400.0;
}

sqlite3_vfs *hc_clock_vfs(sqlite3 *db) {
    sqlite3_vfs *vfs = NULL;
    sqlite3_file_control(db, "main", SQLITE_FCNTL_VFS_POINTER, &vfs);
    return vfs ? vfs : sqlite3_vfs_find(NULL);
}
