/*
** inject.c - the faults of inject.h.
*/
#include "inject.h"

#include "memfs.h"

#include <string.h>

typedef enum {
    CALL_ALLOCATE,
    CALL_STEP, /* of the virtual machine: a failure is an interrupt */
    CALL_READ,
    CALL_WRITE,
    CALL_TRUNCATE,
    CALL_SYNC,
    CALL_SIZE,
    CALL_LOCK,
    CALL_SHM_MAP,
    CALL_SHM_LOCK,
    CALL_OPEN,
    CALL_DELETE,
    CALL_ACCESS,
    CALL_SPACE, /* a sector that a file grows by */
    CALLS
} InjectCall;

static const int natural_error[] = {
    [CALL_ALLOCATE] = SQLITE_NOMEM,          [CALL_STEP] = SQLITE_INTERRUPT,
    [CALL_READ] = SQLITE_IOERR_READ,         [CALL_WRITE] = SQLITE_IOERR_WRITE,
    [CALL_TRUNCATE] = SQLITE_IOERR_TRUNCATE, [CALL_SYNC] = SQLITE_IOERR_FSYNC,
    [CALL_SIZE] = SQLITE_IOERR_FSTAT,        [CALL_LOCK] = SQLITE_IOERR_LOCK,
    [CALL_SHM_MAP] = SQLITE_IOERR_SHMMAP,    [CALL_SHM_LOCK] = SQLITE_IOERR_SHMLOCK,
    [CALL_OPEN] = SQLITE_CANTOPEN,           [CALL_DELETE] = SQLITE_IOERR_DELETE,
    [CALL_ACCESS] = SQLITE_IOERR_ACCESS,     [CALL_SPACE] = SQLITE_FULL,
};
#define SECTOR 512

#define SET(call) (1u << (call))
#define ANY_FILE_CALL (SET(CALL_SPACE) - SET(CALL_READ))
#define BOTH(name, calls, rc)                                                                                          \
    {name, calls, rc}, {                                                                                               \
        name "+", calls, rc                                                                                            \
    }

const InjectFault inject_faults[] = {
    BOTH("oom", SET(CALL_ALLOCATE), 0),
    BOTH("interrupt", SET(CALL_STEP), 0),
    {"stop", SET(CALL_ALLOCATE), SQLITE_INTERRUPT},
    BOTH("io", ANY_FILE_CALL, 0),
    BOTH("read", SET(CALL_READ), 0),
    BOTH("short", SET(CALL_READ), SQLITE_IOERR_SHORT_READ),
    BOTH("write", SET(CALL_WRITE), 0),
    BOTH("full", SET(CALL_WRITE), SQLITE_FULL),
    BOTH("space", SET(CALL_SPACE), 0),
    BOTH("sync", SET(CALL_SYNC), 0),
    BOTH("truncate", SET(CALL_TRUNCATE), 0),
    BOTH("size", SET(CALL_SIZE), 0),
    BOTH("lock", SET(CALL_LOCK), 0),
    BOTH("shmmap", SET(CALL_SHM_MAP), 0),
    BOTH("shmlock", SET(CALL_SHM_LOCK), 0),
    BOTH("busy", SET(CALL_LOCK) | SET(CALL_SHM_LOCK), SQLITE_BUSY),
    BOTH("open", SET(CALL_OPEN), 0),
    BOTH("delete", SET(CALL_DELETE), 0),
    BOTH("access", SET(CALL_ACCESS), 0),
    {NULL, 0, 0},
};

static struct {
    const InjectFault *fault; /* NULL: disarmed */
    sqlite3 *db;
    long n;
    int lasting;
    int paused;
    long counted; /* of the armed fault's calls */
    long calls[CALLS];
    long failed;
} armed;

/* What a call of that kind has to return now; SQLITE_OK: do the real thing. */
static int injected(InjectCall call) {
    if (armed.fault == NULL || armed.paused)
        return SQLITE_OK;
    armed.calls[call]++;
    if ((armed.fault->calls & SET(call)) == 0)
        return SQLITE_OK;
    armed.counted++;
    if (armed.n == 0 || armed.counted < armed.n || (armed.counted > armed.n && !armed.lasting))
        return SQLITE_OK;
    armed.failed++;
    return armed.fault->rc != 0 ? armed.fault->rc : natural_error[call];
}

static int on_progress(void *unused) {
    (void)unused;
    return injected(CALL_STEP) != SQLITE_OK;
}

void inject_arm(const InjectFault *fault, long n, sqlite3 *db) {
    memset(&armed, 0, sizeof armed);
    armed.n = n;
    armed.lasting = strchr(fault->name, '+') != NULL;
    armed.fault = fault;
    inject_follow(db);
}

void inject_follow(sqlite3 *db) {
    /* Where nothing is to fail, the steps are counted with the rest. */
    if (db != NULL && (armed.n == 0 || (armed.fault->calls & SET(CALL_STEP)) != 0))
        sqlite3_progress_handler(db, 1, on_progress, NULL);
    armed.db = db;
}

void inject_pause(int on) {
    armed.paused = on;
}

void inject_disarm(void) {
    armed.fault = NULL;
    if (armed.db != NULL)
        sqlite3_progress_handler(armed.db, 0, NULL, NULL);
    armed.db = NULL;
}

long inject_counted(const InjectFault *fault) {
    long sum = 0;
    for (int call = 0; call < CALLS; call++)
        sum += (fault->calls & SET(call)) != 0 ? armed.calls[call] : 0;
    return sum;
}
long inject_failed(void) {
    return armed.failed;
}

/* -------------------------------------------------------------- allocator */

static sqlite3_mem_methods real_memory;

/* Is there memory? Where the fault is somebody who calls sqlite3_interrupt() at that moment, there is. */
static int has_memory(void) {
    int rc = injected(CALL_ALLOCATE);
    if (rc == SQLITE_INTERRUPT && armed.db != NULL)
        sqlite3_interrupt(armed.db);
    return rc == SQLITE_OK || rc == SQLITE_INTERRUPT;
}

static void *faulty_malloc(int n) {
    return has_memory() ? real_memory.xMalloc(n) : NULL;
}
static void *faulty_realloc(void *old, int n) {
    return has_memory() ? real_memory.xRealloc(old, n) : NULL;
}

static int install_memory(void) {
    sqlite3_mem_methods methods;
    int rc = sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory);
    methods = real_memory;
    methods.xMalloc = faulty_malloc;
    methods.xRealloc = faulty_realloc;
    if (rc == SQLITE_OK)
        rc = sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
    /* Without lookaside, and without memory set aside for pages, every allocation comes by. */
    if (rc == SQLITE_OK)
        rc = sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
    if (rc == SQLITE_OK)
        rc = sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
    return rc;
}

/* ------------------------------------------------------------------ files */

typedef struct {
    sqlite3_file base;
    sqlite3_file *real; /* in the same allocation, right behind */
} FaultyFile;

static sqlite3_vfs real_vfs; /* of files in memory */
static sqlite3_vfs faulty_vfs;
static void *(*default_dlopen)(sqlite3_vfs *vfs, const char *name);

static sqlite3_file *real_of(sqlite3_file *file) {
    return ((FaultyFile *)file)->real;
}

#define REAL(file, method) real_of(file)->pMethods->method

static int faulty_close(sqlite3_file *f) {
    return REAL(f, xClose)(real_of(f));
}
static int faulty_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at) {
    int rc = injected(CALL_READ);
    if (rc != SQLITE_OK && rc != SQLITE_IOERR_SHORT_READ)
        return rc;
    int read = REAL(f, xRead)(real_of(f), to, n, at);
    if (rc == SQLITE_OK)
        return read;
    memset((char *)to + n / 2, 0, (size_t)(n - n / 2));
    return SQLITE_IOERR_SHORT_READ;
}

/* A disk that is full takes what still fits. */
static int faulty_write(sqlite3_file *f, const void *from, int n, sqlite3_int64 at) {
    sqlite3_int64 size = 0, end = at + n;
    int rc = injected(CALL_WRITE);
    if (rc == SQLITE_OK)
        rc = REAL(f, xFileSize)(real_of(f), &size);
    for (sqlite3_int64 sector = (size + SECTOR - 1) / SECTOR; rc == SQLITE_OK && sector * SECTOR < end; sector++) {
        rc = injected(CALL_SPACE);
        if (rc != SQLITE_OK && sector * SECTOR > at)
            REAL(f, xWrite)(real_of(f), from, (int)(sector * SECTOR - at), at);
    }
    return rc != SQLITE_OK ? rc : REAL(f, xWrite)(real_of(f), from, n, at);
}
static int faulty_truncate(sqlite3_file *f, sqlite3_int64 size) {
    int rc = injected(CALL_TRUNCATE);
    return rc != SQLITE_OK ? rc : REAL(f, xTruncate)(real_of(f), size);
}
static int faulty_sync(sqlite3_file *f, int flags) {
    int rc = injected(CALL_SYNC);
    return rc != SQLITE_OK ? rc : REAL(f, xSync)(real_of(f), flags);
}
static int faulty_size(sqlite3_file *f, sqlite3_int64 *size) {
    int rc = injected(CALL_SIZE);
    return rc != SQLITE_OK ? rc : REAL(f, xFileSize)(real_of(f), size);
}
static int faulty_lock(sqlite3_file *f, int level) {
    int rc = injected(CALL_LOCK);
    return rc != SQLITE_OK ? rc : REAL(f, xLock)(real_of(f), level);
}
static int faulty_unlock(sqlite3_file *f, int level) {
    return REAL(f, xUnlock)(real_of(f), level);
}
static int faulty_check_lock(sqlite3_file *f, int *reserved) {
    return REAL(f, xCheckReservedLock)(real_of(f), reserved);
}
static int faulty_file_control(sqlite3_file *f, int op, void *arg) {
    return REAL(f, xFileControl)(real_of(f), op, arg);
}
static int faulty_sector_size(sqlite3_file *f) {
    return REAL(f, xSectorSize)(real_of(f));
}
static int faulty_characteristics(sqlite3_file *f) {
    return REAL(f, xDeviceCharacteristics)(real_of(f));
}
static int faulty_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **map) {
    int rc = injected(CALL_SHM_MAP);
    if (rc != SQLITE_OK)
        *map = NULL;
    return rc != SQLITE_OK ? rc : REAL(f, xShmMap)(real_of(f), page, size, extend, map);
}
static int faulty_shm_lock(sqlite3_file *f, int offset, int n, int flags) {
    /* Giving a lock back cannot fail on a real system: the process would keep it. */
    int rc = (flags & SQLITE_SHM_UNLOCK) != 0 ? SQLITE_OK : injected(CALL_SHM_LOCK);
    return rc != SQLITE_OK ? rc : REAL(f, xShmLock)(real_of(f), offset, n, flags);
}
static void faulty_shm_barrier(sqlite3_file *f) {
    REAL(f, xShmBarrier)(real_of(f));
}
static int faulty_shm_unmap(sqlite3_file *f, int remove) {
    return REAL(f, xShmUnmap)(real_of(f), remove);
}

/* Version 2: the WAL works, memory-mapped reads, which cannot be made to fail, are left out. */
static const sqlite3_io_methods faulty_methods = {
    .iVersion = 2,
    .xClose = faulty_close,
    .xRead = faulty_read,
    .xWrite = faulty_write,
    .xTruncate = faulty_truncate,
    .xSync = faulty_sync,
    .xFileSize = faulty_size,
    .xLock = faulty_lock,
    .xUnlock = faulty_unlock,
    .xCheckReservedLock = faulty_check_lock,
    .xFileControl = faulty_file_control,
    .xSectorSize = faulty_sector_size,
    .xDeviceCharacteristics = faulty_characteristics,
    .xShmMap = faulty_shm_map,
    .xShmLock = faulty_shm_lock,
    .xShmBarrier = faulty_shm_barrier,
    .xShmUnmap = faulty_shm_unmap,
};

static int faulty_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags) {
    FaultyFile *opened = (FaultyFile *)file;
    int rc = injected(CALL_OPEN);
    (void)vfs;
    opened->base.pMethods = NULL;
    if (rc != SQLITE_OK)
        return rc;
    opened->real = (sqlite3_file *)(opened + 1);
    rc = real_vfs.xOpen(&real_vfs, name, opened->real, flags, out_flags);
    /* Where the file below wants a close after a failed open, so do we. */
    opened->base.pMethods = opened->real->pMethods != NULL ? &faulty_methods : NULL;
    return rc;
}
static int faulty_delete(sqlite3_vfs *vfs, const char *name, int sync) {
    int rc = injected(CALL_DELETE);
    (void)vfs;
    return rc != SQLITE_OK ? rc : real_vfs.xDelete(&real_vfs, name, sync);
}
static int faulty_access(sqlite3_vfs *vfs, const char *name, int flags, int *result) {
    int rc = injected(CALL_ACCESS);
    (void)vfs;
    return rc != SQLITE_OK ? rc : real_vfs.xAccess(&real_vfs, name, flags, result);
}
static int faulty_randomness(sqlite3_vfs *vfs, int n, char *out) {
    (void)vfs;
    for (int i = 0; i < n; i++)
        out[i] = (char)(i * 151 + 7);
    return n;
}
static int faulty_sleep(sqlite3_vfs *vfs, int microseconds) {
    (void)vfs;
    return microseconds;
}

/* In the year 2033; deadlines that are over are given as such. */
static int faulty_now(sqlite3_vfs *vfs, sqlite3_int64 *ms) {
    (void)vfs;
    *ms = 210866760000000LL + 2000000000000LL;
    return SQLITE_OK;
}

/* The library stays mapped: dlopen() costs more than the rest of a run. */
static void *faulty_dlopen(sqlite3_vfs *vfs, const char *name) {
    static void *library;
    (void)vfs;
    if (library == NULL)
        library = default_dlopen(&real_vfs, name);
    return library;
}
static void faulty_dlclose(sqlite3_vfs *vfs, void *library) {
    (void)vfs;
    (void)library;
}

/* The rest of the default VFS stays; files are those of memfs. */
static int install_vfs(void) {
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    int rc = memfs_register("files");
    if (vfs == NULL || rc != SQLITE_OK)
        return SQLITE_ERROR;
    real_vfs = *sqlite3_vfs_find("files");
    default_dlopen = vfs->xDlOpen;
    vfs->szOsFile = real_vfs.szOsFile + (int)sizeof(FaultyFile);
    vfs->xOpen = faulty_open;
    vfs->xDelete = faulty_delete;
    vfs->xAccess = faulty_access;
    vfs->xDlOpen = faulty_dlopen;
    vfs->xDlClose = faulty_dlclose;
    vfs->xRandomness = faulty_randomness;
    vfs->xSleep = faulty_sleep;
    vfs->xCurrentTimeInt64 = faulty_now;
    faulty_vfs = *vfs;
    faulty_vfs.zName = "faulty";
    faulty_vfs.pNext = NULL;
    return sqlite3_vfs_register(&faulty_vfs, 0);
}

int inject_install(void) {
    int rc = install_memory();
    if (rc == SQLITE_OK)
        rc = sqlite3_initialize();
    if (rc == SQLITE_OK)
        rc = install_vfs();
    return rc;
}

void inject_reseed(void) {
    sqlite3_randomness(0, NULL);
}
