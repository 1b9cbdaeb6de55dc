/*
** l1_tools.h: entries for the tests of the L1. Keys are the integers from 0 on; a value is a blob whose bytes follow from
** its key and number, so that a mix-up shows.
*/
#ifndef L1_TOOLS_H
#define L1_TOOLS_H

#include "unit.h"

#include "eviction.h"
#include "l1.h"

static inline void number_key(sqlite3_int64 number, HcKey *key) {
    HcValue value = {.type = SQLITE_INTEGER, .i = number, .n = 8};
    hc_key_make(&value, key);
}

static inline unsigned char value_byte(int number, int version, uint32_t at) {
    return (unsigned char)((uint32_t)number * 31 + (uint32_t)version * 7 + at);
}

/* An entry with a value of `size` bytes and one reference. */
static inline HcEntry *new_entry(const HcL1 *l1, int number, int version, uint32_t size) {
    HcKey key;
    unsigned char *bytes = malloc(size + 1);
    if (!bytes)
        exit(2);
    for (uint32_t i = 0; i < size; i++)
        bytes[i] = value_byte(number, version, i);
    HcValue value = {.type = SQLITE_BLOB, .data = bytes, .n = size};
    number_key(number, &key);
    HcEntry *entry = hc_entry_new(&key, &value, NULL, hc_l1_hash(l1, &key));
    free(bytes);
    return entry;
}

static inline int entry_holds(const HcEntry *entry, int number, int version, uint32_t size) {
    HcValue key, value;
    hc_entry_key(entry, &key);
    hc_entry_value(entry, &value);
    if (key.type != SQLITE_INTEGER || key.i != number || value.type != SQLITE_BLOB || value.n != size)
        return 0;
    for (uint32_t i = 0; i < size; i++) {
        if (((const unsigned char *)value.data)[i] != value_byte(number, version, i))
            return 0;
    }
    return 1;
}

static inline HcEntry *find_number(const HcL1 *l1, int number) {
    HcKey key;
    number_key(number, &key);
    return hc_l1_find(l1, &key, hc_l1_hash(l1, &key));
}

/* The limits hold, and everything in there agrees with everything else. */
static inline int sound(const HcL1 *l1) {
    return CHECK(hc_l1_verify(l1)) && CHECK(l1->count <= l1->limit_entries) && CHECK(l1->bytes <= l1->limit_bytes) &&
           CHECK(l1->count >= 0) && CHECK(l1->bytes >= 0);
}

/* Puts an entry in and keeps no reference. Returns 1 if it is in. */
static inline int put_number(HcL1 *l1, int number, int version, uint32_t size) {
    HcEntry *entry = new_entry(l1, number, version, size);
    int in = entry ? hc_l1_insert(l1, entry) : 0;
    hc_entry_release(entry);
    sound(l1);
    return in;
}

/* A read: find and use. */
static inline int get_number(HcL1 *l1, int number) {
    HcEntry *entry = find_number(l1, number);
    if (entry)
        hc_l1_touch(l1, entry);
    sound(l1);
    return entry != NULL;
}

#endif
