/*
** shimvfs.c - the pass-through VFS of shimvfs.h.
**
** A shim file is our header with the real file right behind it in the same
** allocation, which SQLite makes by szOsFile.
*/
#include "shimvfs.h"

#include <sqlite3.h>
#include <string.h>

typedef struct {
    sqlite3_file base;
    sqlite3_file *real;
} ShimFile;

static sqlite3_vfs shim; /* pAppData is the default VFS */

static sqlite3_file *real_of(sqlite3_file *file) {
    return ((ShimFile *)file)->real;
}
static sqlite3_vfs *below(sqlite3_vfs *vfs) {
    return (sqlite3_vfs *)vfs->pAppData;
}

#define REAL_METHOD(file, method) real_of(file)->pMethods->method

static int shim_close(sqlite3_file *f) {
    return REAL_METHOD(f, xClose)(real_of(f));
}
static int shim_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at) {
    return REAL_METHOD(f, xRead)(real_of(f), to, n, at);
}
static int shim_write(sqlite3_file *f, const void *from, int n, sqlite3_int64 at) {
    return REAL_METHOD(f, xWrite)(real_of(f), from, n, at);
}
static int shim_truncate(sqlite3_file *f, sqlite3_int64 size) {
    return REAL_METHOD(f, xTruncate)(real_of(f), size);
}
static int shim_sync(sqlite3_file *f, int flags) {
    return REAL_METHOD(f, xSync)(real_of(f), flags);
}
static int shim_file_size(sqlite3_file *f, sqlite3_int64 *size) {
    return REAL_METHOD(f, xFileSize)(real_of(f), size);
}
static int shim_lock(sqlite3_file *f, int level) {
    return REAL_METHOD(f, xLock)(real_of(f), level);
}
static int shim_unlock(sqlite3_file *f, int level) {
    return REAL_METHOD(f, xUnlock)(real_of(f), level);
}
static int shim_check_lock(sqlite3_file *f, int *reserved) {
    return REAL_METHOD(f, xCheckReservedLock)(real_of(f), reserved);
}
static int shim_file_control(sqlite3_file *f, int op, void *arg) {
    int rc = REAL_METHOD(f, xFileControl)(real_of(f), op, arg);
    if (op == SQLITE_FCNTL_VFSNAME && rc == SQLITE_OK) {
        char *name = *(char **)arg;
        *(char **)arg = sqlite3_mprintf("shim/%z", name);
    }
    return rc;
}
static int shim_sector_size(sqlite3_file *f) {
    return REAL_METHOD(f, xSectorSize)(real_of(f));
}
static int shim_characteristics(sqlite3_file *f) {
    return REAL_METHOD(f, xDeviceCharacteristics)(real_of(f));
}
static int shim_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **map) {
    return REAL_METHOD(f, xShmMap)(real_of(f), page, size, extend, map);
}
static int shim_shm_lock(sqlite3_file *f, int offset, int n, int flags) {
    return REAL_METHOD(f, xShmLock)(real_of(f), offset, n, flags);
}
static void shim_shm_barrier(sqlite3_file *f) {
    REAL_METHOD(f, xShmBarrier)(real_of(f));
}
static int shim_shm_unmap(sqlite3_file *f, int remove) {
    return REAL_METHOD(f, xShmUnmap)(real_of(f), remove);
}

/* Version 2: the WAL works, memory-mapped reads are left out. A temporary file
** of the VFS below may be of version 1, which SQLite never asks for more. */
static const sqlite3_io_methods shim_methods = {
    .iVersion = 2,
    .xClose = shim_close,
    .xRead = shim_read,
    .xWrite = shim_write,
    .xTruncate = shim_truncate,
    .xSync = shim_sync,
    .xFileSize = shim_file_size,
    .xLock = shim_lock,
    .xUnlock = shim_unlock,
    .xCheckReservedLock = shim_check_lock,
    .xFileControl = shim_file_control,
    .xSectorSize = shim_sector_size,
    .xDeviceCharacteristics = shim_characteristics,
    .xShmMap = shim_shm_map,
    .xShmLock = shim_shm_lock,
    .xShmBarrier = shim_shm_barrier,
    .xShmUnmap = shim_shm_unmap,
};

static int shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags) {
    ShimFile *opened = (ShimFile *)file;
    int rc = SQLITE_OK;
    opened->real = (sqlite3_file *)(opened + 1);
    rc = below(vfs)->xOpen(below(vfs), name, opened->real, flags, out_flags);
    /* Where the file below wants a close after a failed open, so do we. */
    opened->base.pMethods = opened->real->pMethods != NULL ? &shim_methods : NULL;
    return rc;
}
static int shim_delete(sqlite3_vfs *vfs, const char *name, int sync) {
    return below(vfs)->xDelete(below(vfs), name, sync);
}
static int shim_access(sqlite3_vfs *vfs, const char *name, int flags, int *result) {
    return below(vfs)->xAccess(below(vfs), name, flags, result);
}
static int shim_full_pathname(sqlite3_vfs *vfs, const char *name, int size, char *out) {
    return below(vfs)->xFullPathname(below(vfs), name, size, out);
}
static void *shim_dlopen(sqlite3_vfs *vfs, const char *name) {
    return below(vfs)->xDlOpen(below(vfs), name);
}
static void shim_dlerror(sqlite3_vfs *vfs, int size, char *text) {
    below(vfs)->xDlError(below(vfs), size, text);
}
static void (*shim_dlsym(sqlite3_vfs *vfs, void *library, const char *symbol))(void) {
    return below(vfs)->xDlSym(below(vfs), library, symbol);
}
static void shim_dlclose(sqlite3_vfs *vfs, void *library) {
    below(vfs)->xDlClose(below(vfs), library);
}
static int shim_randomness(sqlite3_vfs *vfs, int size, char *out) {
    return below(vfs)->xRandomness(below(vfs), size, out);
}
static int shim_sleep(sqlite3_vfs *vfs, int microseconds) {
    return below(vfs)->xSleep(below(vfs), microseconds);
}
static int shim_current_time(sqlite3_vfs *vfs, double *now) {
    return below(vfs)->xCurrentTime(below(vfs), now);
}
static int shim_last_error(sqlite3_vfs *vfs, int size, char *text) {
    return below(vfs)->xGetLastError(below(vfs), size, text);
}
static int shim_current_time_int64(sqlite3_vfs *vfs, sqlite3_int64 *now) {
    return below(vfs)->xCurrentTimeInt64(below(vfs), now);
}

int shimvfs_register(void) {
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    if (sqlite3_vfs_find("shim") != NULL)
        return SQLITE_OK;
    if (real == NULL || real->iVersion < 2)
        return SQLITE_ERROR;
    shim = (sqlite3_vfs){
        .iVersion = 2,
        .szOsFile = (int)sizeof(ShimFile) + real->szOsFile,
        .mxPathname = real->mxPathname,
        .zName = "shim",
        .pAppData = real,
        .xOpen = shim_open,
        .xDelete = shim_delete,
        .xAccess = shim_access,
        .xFullPathname = shim_full_pathname,
        .xDlOpen = shim_dlopen,
        .xDlError = shim_dlerror,
        .xDlSym = shim_dlsym,
        .xDlClose = shim_dlclose,
        .xRandomness = shim_randomness,
        .xSleep = shim_sleep,
        .xCurrentTime = shim_current_time,
        .xGetLastError = shim_last_error,
        .xCurrentTimeInt64 = shim_current_time_int64,
    };
    return sqlite3_vfs_register(&shim, 0);
}
