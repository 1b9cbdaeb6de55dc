/*
** value.h: one SQL value as bytes, and the identity of a key.
**
** Text is kept in the encoding of the database: UTF-8, or UTF-16LE for both
** UTF-16 encodings. A conversion would merge different ill-formed texts, and a
** key would then answer for another one.
*/
#ifndef HC_VALUE_H
#define HC_VALUE_H

#include "host.h"

/* A value borrowed from its owner. */
typedef struct HcValue {
    int type;         /* SQLITE_INTEGER, _FLOAT, _TEXT, _BLOB or _NULL */
    int utf16;        /* text: 1 = UTF-16LE, 0 = UTF-8 */
    const void *data; /* text and blob: the bytes; else unused */
    uint32_t n;       /* number of bytes, 8 for numbers, 0 for NULL */
    sqlite3_int64 i;  /* SQLITE_INTEGER */
    double r;         /* SQLITE_FLOAT */
} HcValue;

/*
** A key. 1 and 1.0 are one key, 1 and '1' are two, 'a' and x'61' are two: what
** SQLite's own comparison without affinity says. `identity` is the form that is
** hashed and compared, `form` the form that is stored and read back.
*/
typedef struct HcKey {
    HcValue form;
    int class;        /* type of the identity: a whole-number REAL is SQLITE_INTEGER here */
    const void *data; /* bytes of the identity */
    uint32_t n;
    sqlite3_int64 number; /* numeric identity, data points at it unless text or blob */
} HcKey;

/* SQLITE_NOMEM if a conversion ran out of memory. */
int hc_value_read(sqlite3_value *from, int utf16, HcValue *to);
/* Binds without copying: `value` must outlive the use of the statement. */
int hc_value_bind(sqlite3_stmt *stmt, int index, const HcValue *value);
/* 1 if type and bytes are the same. */
int hc_value_equal(const HcValue *a, const HcValue *b);
/* Hands a value to SQLite as a copy. */
void hc_value_result(sqlite3_context *context, const HcValue *value);

/* Makes a key of a value that is not NULL; key->data may point into *key. */
void hc_key_make(const HcValue *value, HcKey *key);
int hc_key_equal(const HcKey *a, int class, const void *data, uint32_t n);

/* xxHash (XXH3, 64 bits) of the identity. */
uint64_t hc_key_hash(const HcKey *key, uint64_t seed);
/* Of a value's type and bytes. */
uint64_t hc_value_hash(const HcValue *value, uint64_t seed);
/* Of a few words: the chained version of coherence.h and the checksum of a row are made with it. */
uint64_t hc_mix(uint64_t a, uint64_t b);

#endif
