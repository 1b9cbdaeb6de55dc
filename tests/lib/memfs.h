/*
** memfs.h - a file system in memory, as a SQLite VFS for the connections of one thread.
**
** It has what SQLite asks of a disk: names, locks, shared memory for the WAL-index,
** files that live on while open after they were deleted. So a test can begin with the
** same files a hundred thousand times without a system call, and be told of each change.
*/
#ifndef MEMFS_H
#define MEMFS_H

#include <sqlite3.h>
#include <stddef.h>

/* Registers the VFS `name`, not as the default one. What is no file comes from the default VFS. */
int memfs_register(const char *name);

/* Nobody has a file open: forgets them all. */
void memfs_clear(void);
/* The file has these bytes. 0: no memory. */
int memfs_put(const char *name, const void *bytes, size_t size);
/* A hash of all that a new connection could tell apart: names, bytes, shared memory, locks. */
unsigned long long memfs_digest(void);
/* The bytes of a file; NULL: there is none of that name. */
const unsigned char *memfs_get(const char *name, size_t *size);

typedef enum { MEMFS_CREATE, MEMFS_WRITE, MEMFS_TRUNCATE, MEMFS_SYNC, MEMFS_DELETE } MemfsChange;

typedef struct {
    MemfsChange change;
    const char *name;  /* "" for a file without one */
    sqlite3_int64 at;  /* of a write; the new size, of a truncation */
    const void *bytes; /* of a write */
    int n;             /* of a write; of a deletion, 1: the directory is synced */
} MemfsEvent;

/* Is told of each change before it is made; NULL: nobody. */
void memfs_observe(void (*observer)(const MemfsEvent *event));

#endif
