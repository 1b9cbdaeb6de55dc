/*
** disk.h - what may be left of files after a power failure.
**
** A disk is told what memfs.h observes. Of each file it knows what was synced, and what was
** written or cut since: after the failure every sector of that may be there or not, whatever
** its neighbours are. Names follow their own order: a file is safely there after its first
** sync, and gone for good after a deletion that syncs the directory; of what happened to
** names since, the first few may have survived.
*/
#ifndef DISK_H
#define DISK_H

#include "memfs.h"

#include <stdint.h>

typedef struct Disk Disk;

/* Begins with one file, safely there. NULL: no memory. */
Disk *disk_new(const char *name, const void *bytes, size_t size);
void disk_free(Disk *disk);
/* Takes the next change. 0: no memory. */
int disk_change(Disk *disk, const MemfsEvent *event);

typedef enum {
    DISK_ALL,  /* nothing is lost: the process died, not the machine */
    DISK_NONE, /* what was not synced is */
    DISK_SOME, /* about half of the sectors */
    DISK_MOST, /* nine of ten */
    DISK_WAYS
} DiskWay;

/*
** Writes what is left into files whose names begin with `prefix` where those of the disk begin with
** `name`. `lot` decides what. 0: it could not be written.
*/
int disk_fail(const Disk *disk, DiskWay way, uint64_t lot, const char *name, const char *prefix);

#endif
