/*
** memfs.c - the file system of memfs.h.
**
** Locks follow SQLite's own rules (unix VFS): any number of SHARED, one RESERVED beside
** them, PENDING keeps new readers out, EXCLUSIVE waits for the old ones to leave. One
** thread, so nothing here is guarded.
*/
#include "memfs.h"

#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define NAME_MOST 512
#define SHM_REGIONS 16

typedef struct MemFile MemFile;

typedef struct Node {
    struct Node *next; /* in the directory */
    char name[NAME_MOST];
    unsigned char *bytes;
    sqlite3_int64 size, room;
    int users; /* open files, and 1 for its name */
    int shared;
    const MemFile *reserved, *pending, *exclusive;
    void *regions[SHM_REGIONS];
    int region_size, shm_users;
    int shm_shared[SQLITE_SHM_NLOCK];
    const MemFile *shm_exclusive[SQLITE_SHM_NLOCK];
} Node;

struct MemFile {
    sqlite3_file base;
    Node *node;
    int level;
    int delete_on_close;
    int shm;
    unsigned shm_shared, shm_exclusive;
};

static Node *directory;
static void (*observer_now)(const MemfsEvent *event);

static void tell(MemfsChange change, const char *name, sqlite3_int64 at, const void *bytes, int n) {
    MemfsEvent event = {change, name, at, bytes, n};
    if (observer_now != NULL)
        observer_now(&event);
}

void memfs_observe(void (*observer)(const MemfsEvent *event)) {
    observer_now = observer;
}

/* ------------------------------------------------------------------ nodes */

static Node *find(const char *name) {
    Node *node = directory;
    while (node != NULL && strcmp(node->name, name) != 0)
        node = node->next;
    return node;
}

static Node *create(const char *name) {
    Node *node = calloc(1, sizeof *node);
    if (node == NULL)
        return NULL;
    if (name != NULL) {
        sqlite3_snprintf(NAME_MOST, node->name, "%s", name);
        node->users = 1;
        node->next = directory;
        directory = node;
    }
    return node;
}

static void drop_regions(Node *node) {
    for (int i = 0; i < SHM_REGIONS; i++) {
        free(node->regions[i]);
        node->regions[i] = NULL;
    }
}

static void leave(Node *node) {
    if (--node->users > 0)
        return;
    drop_regions(node);
    free(node->bytes);
    free(node);
}

static void unlink_node(Node *node) {
    for (Node **link = &directory; *link != NULL; link = &(*link)->next) {
        if (*link == node) {
            *link = node->next;
            leave(node);
            return;
        }
    }
}

void memfs_clear(void) {
    while (directory != NULL)
        unlink_node(directory);
}

/* Makes room for `size` bytes; those between the end and there are 0. */
static int grow(Node *node, sqlite3_int64 size) {
    if (size > node->room) {
        sqlite3_int64 room = size + size / 2 + 4096;
        unsigned char *bytes = realloc(node->bytes, (size_t)room);
        if (bytes == NULL)
            return 0;
        node->bytes = bytes;
        node->room = room;
    }
    if (size > node->size) {
        memset(node->bytes + node->size, 0, (size_t)(size - node->size));
        node->size = size;
    }
    return 1;
}

int memfs_put(const char *name, const void *bytes, size_t size) {
    Node *node = find(name);
    if (node == NULL)
        node = create(name);
    if (node == NULL || !grow(node, (sqlite3_int64)size))
        return 0;
    node->size = (sqlite3_int64)size;
    if (size > 0)
        memcpy(node->bytes, bytes, size);
    return 1;
}

const unsigned char *memfs_get(const char *name, size_t *size) {
    static const unsigned char nothing[1];
    Node *node = find(name);
    if (node == NULL)
        return NULL;
    *size = (size_t)node->size;
    return node->bytes != NULL ? node->bytes : nothing;
}

unsigned long long memfs_digest(void) {
    XXH64_hash_t hash = 0;
    for (const Node *node = directory; node != NULL; node = node->next) {
        int locks[4] = {node->shared, node->reserved != NULL, node->pending != NULL, node->exclusive != NULL};
        hash = XXH3_64bits_withSeed(node->name, strlen(node->name), hash);
        hash = XXH3_64bits_withSeed(node->bytes, (size_t)node->size, hash);
        hash = XXH3_64bits_withSeed(locks, sizeof locks, hash);
        hash = XXH3_64bits_withSeed(node->shm_shared, sizeof node->shm_shared, hash);
        for (int i = 0; i < SQLITE_SHM_NLOCK; i++)
            hash = hash * 2 + (node->shm_exclusive[i] != NULL);
        for (int i = 0; i < SHM_REGIONS; i++) {
            if (node->regions[i] != NULL)
                hash = XXH3_64bits_withSeed(node->regions[i], (size_t)node->region_size, hash + (XXH64_hash_t)i);
        }
    }
    return hash;
}

/* ------------------------------------------------------------------ files */

#define FILE_OF(f) ((MemFile *)(f))
#define NODE_OF(f) (FILE_OF(f)->node)

static int mem_unlock(sqlite3_file *f, int level) {
    MemFile *file = FILE_OF(f);
    Node *node = file->node;
    if (file->level <= level)
        return SQLITE_OK;
    if (node->reserved == file)
        node->reserved = NULL;
    if (node->pending == file)
        node->pending = NULL;
    if (node->exclusive == file)
        node->exclusive = NULL;
    if (level == SQLITE_LOCK_NONE)
        node->shared--;
    file->level = level;
    return SQLITE_OK;
}

static int mem_lock(sqlite3_file *f, int level) {
    MemFile *file = FILE_OF(f);
    Node *node = file->node;
    if (level <= file->level)
        return SQLITE_OK;
    if (level == SQLITE_LOCK_SHARED) {
        if (node->pending != NULL || node->exclusive != NULL)
            return SQLITE_BUSY;
        node->shared++;
    } else if (level == SQLITE_LOCK_RESERVED) {
        if (node->reserved != NULL || node->pending != NULL)
            return SQLITE_BUSY;
        node->reserved = file;
    } else {
        if (node->pending != NULL && node->pending != file)
            return SQLITE_BUSY;
        if (node->reserved != NULL && node->reserved != file)
            return SQLITE_BUSY;
        node->pending = file;
        if (level == SQLITE_LOCK_EXCLUSIVE && node->shared > 1) {
            file->level = SQLITE_LOCK_PENDING;
            return SQLITE_BUSY;
        }
        if (level == SQLITE_LOCK_EXCLUSIVE)
            node->exclusive = file;
    }
    file->level = level;
    return SQLITE_OK;
}

static int mem_check_lock(sqlite3_file *f, int *reserved) {
    const Node *node = NODE_OF(f);
    *reserved = node->reserved != NULL || node->pending != NULL || node->exclusive != NULL;
    return SQLITE_OK;
}

static int mem_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at) {
    const Node *node = NODE_OF(f);
    sqlite3_int64 here = at >= node->size ? 0 : node->size - at < n ? node->size - at : n;
    if (here > 0)
        memcpy(to, node->bytes + at, (size_t)here);
    if (here == n)
        return SQLITE_OK;
    memset((char *)to + here, 0, (size_t)(n - here));
    return SQLITE_IOERR_SHORT_READ;
}

static int mem_write(sqlite3_file *f, const void *from, int n, sqlite3_int64 at) {
    Node *node = NODE_OF(f);
    tell(MEMFS_WRITE, node->name, at, from, n);
    if (!grow(node, at + n))
        return SQLITE_FULL;
    memcpy(node->bytes + at, from, (size_t)n);
    return SQLITE_OK;
}

static int mem_truncate(sqlite3_file *f, sqlite3_int64 size) {
    Node *node = NODE_OF(f);
    tell(MEMFS_TRUNCATE, node->name, size, NULL, 0);
    if (!grow(node, size))
        return SQLITE_FULL;
    node->size = size;
    return SQLITE_OK;
}

static int mem_sync(sqlite3_file *f, int flags) {
    (void)flags;
    tell(MEMFS_SYNC, NODE_OF(f)->name, 0, NULL, 0);
    return SQLITE_OK;
}

static int mem_size(sqlite3_file *f, sqlite3_int64 *size) {
    *size = NODE_OF(f)->size;
    return SQLITE_OK;
}

static int mem_file_control(sqlite3_file *f, int op, void *argument) {
    (void)f;
    (void)op;
    (void)argument;
    return SQLITE_NOTFOUND;
}
static int mem_sector_size(sqlite3_file *f) {
    (void)f;
    return 512;
}
static int mem_characteristics(sqlite3_file *f) {
    (void)f;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* ---------------------------------------------------------- shared memory */

static int mem_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **map) {
    MemFile *file = FILE_OF(f);
    Node *node = file->node;
    *map = NULL;
    if (page >= SHM_REGIONS)
        return SQLITE_FULL;
    if (!file->shm) {
        file->shm = 1;
        node->shm_users++;
    }
    if (node->regions[page] == NULL && extend) {
        node->regions[page] = calloc(1, (size_t)size);
        if (node->regions[page] == NULL)
            return SQLITE_NOMEM;
        node->region_size = size;
    }
    *map = node->regions[page];
    return SQLITE_OK;
}

static int mem_shm_lock(sqlite3_file *f, int offset, int n, int flags) {
    MemFile *file = FILE_OF(f);
    Node *node = file->node;
    for (int i = offset; i < offset + n && (flags & SQLITE_SHM_LOCK) != 0; i++) {
        int others = node->shm_shared[i] - (int)(file->shm_shared >> i & 1u);
        if (node->shm_exclusive[i] != NULL && node->shm_exclusive[i] != file)
            return SQLITE_BUSY;
        if ((flags & SQLITE_SHM_EXCLUSIVE) != 0 && others > 0)
            return SQLITE_BUSY;
    }
    for (int i = offset; i < offset + n; i++) {
        unsigned bit = 1u << i;
        if ((flags & SQLITE_SHM_UNLOCK) != 0) {
            node->shm_shared[i] -= (file->shm_shared & bit) != 0;
            if ((file->shm_exclusive & bit) != 0)
                node->shm_exclusive[i] = NULL;
            file->shm_shared &= ~bit;
            file->shm_exclusive &= ~bit;
        } else if ((flags & SQLITE_SHM_EXCLUSIVE) != 0) {
            node->shm_exclusive[i] = file;
            file->shm_exclusive |= bit;
        } else if ((file->shm_shared & bit) == 0) {
            node->shm_shared[i]++;
            file->shm_shared |= bit;
        }
    }
    return SQLITE_OK;
}

static void mem_shm_barrier(sqlite3_file *f) {
    (void)f;
}

/* As a disk does, forgets the WAL-index when its last user leaves: the next one makes it anew. */
static int mem_shm_unmap(sqlite3_file *f, int remove) {
    MemFile *file = FILE_OF(f);
    (void)remove;
    if (!file->shm)
        return SQLITE_OK;
    file->shm = 0;
    mem_shm_lock(f, 0, SQLITE_SHM_NLOCK, SQLITE_SHM_UNLOCK);
    if (--file->node->shm_users == 0)
        drop_regions(file->node);
    return SQLITE_OK;
}

static int mem_close(sqlite3_file *f) {
    MemFile *file = FILE_OF(f);
    Node *node = file->node;
    mem_shm_unmap(f, 0);
    mem_unlock(f, SQLITE_LOCK_NONE);
    if (file->delete_on_close)
        unlink_node(node);
    leave(node);
    f->pMethods = NULL;
    return SQLITE_OK;
}

/* Version 2: the WAL works, memory-mapped reads are left out. */
static const sqlite3_io_methods mem_methods = {
    .iVersion = 2,
    .xClose = mem_close,
    .xRead = mem_read,
    .xWrite = mem_write,
    .xTruncate = mem_truncate,
    .xSync = mem_sync,
    .xFileSize = mem_size,
    .xLock = mem_lock,
    .xUnlock = mem_unlock,
    .xCheckReservedLock = mem_check_lock,
    .xFileControl = mem_file_control,
    .xSectorSize = mem_sector_size,
    .xDeviceCharacteristics = mem_characteristics,
    .xShmMap = mem_shm_map,
    .xShmLock = mem_shm_lock,
    .xShmBarrier = mem_shm_barrier,
    .xShmUnmap = mem_shm_unmap,
};

/* -------------------------------------------------------------- directory */

static int mem_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out_flags) {
    MemFile *file = FILE_OF(f);
    Node *node = name != NULL ? find(name) : NULL;
    (void)vfs;
    memset(file, 0, sizeof *file);
    if (node == NULL && (flags & SQLITE_OPEN_CREATE) == 0)
        return SQLITE_CANTOPEN;
    if (node == NULL) {
        if (name != NULL)
            tell(MEMFS_CREATE, name, 0, NULL, 0);
        node = create(name);
    }
    if (node == NULL)
        return SQLITE_NOMEM;
    node->users++;
    file->node = node;
    file->delete_on_close = name != NULL && (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
    file->base.pMethods = &mem_methods;
    if (out_flags != NULL)
        *out_flags = flags;
    return SQLITE_OK;
}

static int mem_delete(sqlite3_vfs *vfs, const char *name, int sync) {
    Node *node = find(name);
    (void)vfs;
    if (node == NULL)
        return SQLITE_IOERR_DELETE_NOENT;
    tell(MEMFS_DELETE, name, 0, NULL, sync);
    unlink_node(node);
    return SQLITE_OK;
}

static int mem_access(sqlite3_vfs *vfs, const char *name, int flags, int *result) {
    const Node *node = find(name);
    (void)vfs;
    /* For SQLite an empty file is none where it asks for existence. */
    *result = node != NULL && (flags != SQLITE_ACCESS_EXISTS || node->size > 0);
    return SQLITE_OK;
}

int memfs_register(const char *name) {
    static sqlite3_vfs vfs;
    const sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    if (real == NULL || real->iVersion < 2)
        return SQLITE_ERROR;
    vfs = *real;
    vfs.zName = name;
    vfs.pNext = NULL;
    vfs.szOsFile = (int)sizeof(MemFile);
    vfs.xOpen = mem_open;
    vfs.xDelete = mem_delete;
    vfs.xAccess = mem_access;
    return sqlite3_vfs_register(&vfs, 0);
}
