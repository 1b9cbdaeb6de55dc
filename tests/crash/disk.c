/*
** disk.c - the disk of disk.h.
*/
#include "disk.h"

#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECTOR 512
#define NAME_MOST 200
#define NAMES_MOST 8 /* of files at one time */

typedef struct {
    unsigned char *bytes;
    size_t size, room;
} Bytes;

typedef struct Change {
    struct Change *next;
    MemfsChange change; /* a write or a truncation */
    sqlite3_int64 at;
    size_t n;
    unsigned char bytes[]; /* of a write */
} Change;

/* A file with or without a name: as on a real disk, a name that is gone leaves it in place. */
typedef struct File {
    struct File *next;
    char name[NAME_MOST];
    Bytes safe;
    Change *first, *last; /* since the last sync */
} File;

/* What happened to a name: it means that file now, or nothing. */
typedef struct NameChange {
    struct NameChange *next;
    char name[NAME_MOST];
    File *file;
} NameChange;

typedef struct {
    char name[NAME_MOST];
    File *file;
} Name;

struct Disk {
    File *files;
    Name safe[NAMES_MOST], now[NAMES_MOST]; /* a NULL file: the place is free */
    NameChange *first, *last;               /* since the directory was synced */
};

/* ------------------------------------------------------------------ bytes */

static int resize(Bytes *bytes, size_t size) {
    if (size > bytes->room) {
        size_t room = size + size / 2 + 4096;
        unsigned char *grown = realloc(bytes->bytes, room);
        if (grown == NULL)
            return 0;
        bytes->bytes = grown;
        bytes->room = room;
    }
    if (size > bytes->size)
        memset(bytes->bytes + bytes->size, 0, size - bytes->size);
    bytes->size = size;
    return 1;
}

static int put(Bytes *bytes, size_t at, const void *from, size_t n) {
    if (at + n > bytes->size && !resize(bytes, at + n))
        return 0;
    if (n > 0)
        memcpy(bytes->bytes + at, from, n);
    return 1;
}

static int survives(DiskWay way, uint64_t lot, uint64_t a, uint64_t b) {
    switch (way) {
    case DISK_ALL:
        return 1;
    case DISK_NONE:
        return 0;
    case DISK_SOME:
        return plan_random(lot, a, b) % 2 == 0;
    default:
        return plan_random(lot, a, b) % 10 != 0;
    }
}

/* Makes a change, or those sectors of it that survive. */
static int make(Bytes *bytes, const Change *change, DiskWay way, uint64_t lot, uint64_t number) {
    size_t at = (size_t)change->at, end = at + change->n;
    if (change->change == MEMFS_TRUNCATE)
        return !survives(way, lot, number, 0) || resize(bytes, at);
    while (at < end) {
        size_t next = (at / SECTOR + 1) * SECTOR < end ? (at / SECTOR + 1) * SECTOR : end;
        if (survives(way, lot, number, at) && !put(bytes, at, change->bytes + (at - (size_t)change->at), next - at))
            return 0;
        at = next;
    }
    return 1;
}

/* ------------------------------------------------------------------ names */

static Name *find(Name *names, const char *name) {
    for (int i = 0; i < NAMES_MOST; i++) {
        if (names[i].file != NULL && strcmp(names[i].name, name) == 0)
            return &names[i];
    }
    return NULL;
}

static int set_name(Name *names, const char *name, File *file) {
    Name *place = find(names, name);
    for (int i = 0; place == NULL && file != NULL && i < NAMES_MOST; i++) {
        if (names[i].file == NULL)
            place = &names[i];
    }
    if (place == NULL)
        return file == NULL;
    snprintf(place->name, NAME_MOST, "%s", name);
    place->file = file;
    return 1;
}

static int note_name(Disk *disk, const char *name, File *file) {
    NameChange *change = calloc(1, sizeof *change);
    if (change == NULL || !set_name(disk->now, name, file)) {
        free(change);
        return 0;
    }
    snprintf(change->name, NAME_MOST, "%s", name);
    change->file = file;
    if (disk->last != NULL)
        disk->last->next = change;
    else
        disk->first = change;
    disk->last = change;
    return 1;
}

static void sync_names(Disk *disk) {
    while (disk->first != NULL) {
        NameChange *change = disk->first;
        set_name(disk->safe, change->name, change->file);
        disk->first = change->next;
        free(change);
    }
    disk->last = NULL;
}

/* ---------------------------------------------------------------- changes */

static File *new_file(Disk *disk, const char *name) {
    File *file = calloc(1, sizeof *file);
    if (file != NULL) {
        snprintf(file->name, NAME_MOST, "%s", name);
        file->next = disk->files;
        disk->files = file;
    }
    return file;
}

static int sync_file(File *file) {
    int made = 1;
    while (file->first != NULL) {
        Change *change = file->first;
        made &= make(&file->safe, change, DISK_ALL, 0, 0);
        file->first = change->next;
        free(change);
    }
    file->last = NULL;
    return made;
}

static int note_change(File *file, const MemfsEvent *event) {
    size_t n = event->change == MEMFS_WRITE ? (size_t)event->n : 0;
    Change *change = malloc(sizeof *change + n);
    if (change == NULL)
        return 0;
    change->next = NULL;
    change->change = event->change;
    change->at = event->at;
    change->n = n;
    if (n > 0)
        memcpy(change->bytes, event->bytes, n);
    if (file->last != NULL)
        file->last->next = change;
    else
        file->first = change;
    file->last = change;
    return 1;
}

int disk_change(Disk *disk, const MemfsEvent *event) {
    const Name *name = find(disk->now, event->name);
    if (event->name[0] == 0)
        return 1; /* temporary */
    if (event->change == MEMFS_CREATE) {
        File *file = new_file(disk, event->name);
        return file != NULL && note_name(disk, event->name, file);
    }
    if (name == NULL)
        return 0;
    switch (event->change) {
    case MEMFS_DELETE:
        if (!note_name(disk, event->name, NULL))
            return 0;
        if (event->n)
            sync_names(disk);
        return 1;
    case MEMFS_SYNC: {
        /* SQLite's unix VFS syncs the directory with the first sync of a new file. */
        const Name *safe = find(disk->safe, event->name);
        File *file = name->file;
        if (safe == NULL || safe->file != file)
            sync_names(disk);
        return sync_file(file);
    }
    default:
        return note_change(name->file, event);
    }
}

Disk *disk_new(const char *name, const void *bytes, size_t size) {
    Disk *disk = calloc(1, sizeof *disk);
    File *file = disk != NULL ? new_file(disk, name) : NULL;
    if (file == NULL || !put(&file->safe, 0, bytes, size) || !note_name(disk, name, file)) {
        disk_free(disk);
        return NULL;
    }
    sync_names(disk);
    return disk;
}

void disk_free(Disk *disk) {
    if (disk == NULL)
        return;
    sync_names(disk);
    while (disk->files != NULL) {
        File *file = disk->files;
        disk->files = file->next;
        sync_file(file);
        free(file->safe.bytes);
        free(file);
    }
    free(disk);
}

/* ---------------------------------------------------------------- failing */

static int write_file(const File *file, DiskWay way, uint64_t lot, const char *to) {
    Bytes bytes = {0};
    uint64_t number = 0;
    int made = put(&bytes, 0, file->safe.bytes, file->safe.size);
    for (const Change *change = file->first; change != NULL; change = change->next)
        made &= make(&bytes, change, way, lot, ++number);
    FILE *out = made ? fopen(to, "wb") : NULL;
    made = out != NULL && (bytes.size == 0 || fwrite(bytes.bytes, 1, bytes.size, out) == bytes.size);
    if (out != NULL)
        made &= fclose(out) == 0;
    free(bytes.bytes);
    return made;
}

int disk_fail(const Disk *disk, DiskWay way, uint64_t lot, const char *name, const char *prefix) {
    Name names[NAMES_MOST];
    int made = 1;
    uint64_t pending = 0, kept = 0;
    memcpy(names, disk->safe, sizeof names);
    for (const NameChange *change = disk->first; change != NULL; change = change->next)
        pending++;
    kept = way == DISK_ALL ? pending : way == DISK_NONE ? 0 : plan_random(lot, 5, 5) % (pending + 1);
    for (const NameChange *change = disk->first; change != NULL && kept > 0; change = change->next, kept--)
        made &= set_name(names, change->name, change->file);
    for (int i = 0; i < NAMES_MOST; i++) {
        char to[2 * NAME_MOST];
        size_t n = strlen(name);
        if (names[i].file == NULL || strncmp(names[i].name, name, n) != 0)
            continue;
        snprintf(to, sizeof to, "%s%s", prefix, names[i].name + n);
        made &= write_file(names[i].file, way, lot + (uint64_t)i, to);
    }
    return made;
}
