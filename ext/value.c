/*
** value.c: one SQL value as bytes, and the identity of a key.
*/
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "value.h"

/* The bytes that are hashed are little-endian everywhere: checksums travel with the file. */
static uint64_t little_endian(uint64_t word) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static uint64_t hash_word(uint64_t word, uint64_t seed) {
    word = little_endian(word);
    return XXH3_64bits_withSeed(&word, sizeof word, seed);
}

int hc_value_read(sqlite3_value *from, int utf16, HcValue *to) {
    memset(to, 0, sizeof *to);
    to->type = sqlite3_value_type(from);
    switch (to->type) {
    case SQLITE_INTEGER:
        to->i = sqlite3_value_int64(from);
        to->n = 8;
        break;
    case SQLITE_FLOAT:
        to->r = sqlite3_value_double(from);
        to->n = 8;
        break;
    case SQLITE_TEXT:
        to->utf16 = utf16;
        if (utf16) {
            to->data = sqlite3_value_text16le(from);
            if (!to->data)
                return SQLITE_NOMEM;
            to->n = (uint32_t)sqlite3_value_bytes16(from);
            break;
        }
        /* Of a text the blob is its bytes as they are; sqlite3_value_text() would copy a bound one to terminate it. */
        /* fall through */
    case SQLITE_BLOB:
        to->data = sqlite3_value_blob(from);
        to->n = (uint32_t)sqlite3_value_bytes(from);
        if (!to->data) {
            /* An empty blob has no address, and neither has one that did not fit into memory. */
            if (to->n)
                return SQLITE_NOMEM;
            to->data = "";
        }
        break;
    default:
        break;
    }
    return SQLITE_OK;
}

static unsigned char text_encoding(const HcValue *value) {
    return (unsigned char)(value->utf16 ? SQLITE_UTF16LE : SQLITE_UTF8);
}

/*
** SQLite takes U+FEFF at the beginning of a UTF-16 text for a byte-order mark and
** drops it. With one more in front, it drops that.
*/
static int begins_with_mark(const HcValue *value) {
    const unsigned char *bytes = value->data;
    return value->utf16 && value->n >= 2 &&
           ((bytes[0] == 0xff && bytes[1] == 0xfe) || (bytes[0] == 0xfe && bytes[1] == 0xff));
}

/* NULL when out of memory. */
static char *marked_copy(const HcValue *value) {
    char *copy = sqlite3_malloc64((sqlite3_uint64)value->n + 2);
    if (copy) {
        copy[0] = (char)0xff;
        copy[1] = (char)0xfe;
        memcpy(copy + 2, value->data, value->n);
    }
    return copy;
}

int hc_value_bind(sqlite3_stmt *stmt, int index, const HcValue *value) {
    switch (value->type) {
    case SQLITE_INTEGER:
        return sqlite3_bind_int64(stmt, index, value->i);
    case SQLITE_FLOAT:
        return sqlite3_bind_double(stmt, index, value->r);
    case SQLITE_TEXT:
        if (begins_with_mark(value)) {
            char *copy = marked_copy(value);
            return copy ? sqlite3_bind_text64(stmt, index, copy, value->n + 2, sqlite3_free, SQLITE_UTF16LE)
                        : SQLITE_NOMEM;
        }
        return sqlite3_bind_text64(stmt, index, value->data, value->n, SQLITE_STATIC, text_encoding(value));
    case SQLITE_BLOB:
        return sqlite3_bind_blob64(stmt, index, value->data, value->n, SQLITE_STATIC);
    default:
        return sqlite3_bind_null(stmt, index);
    }
}

int hc_value_equal(const HcValue *a, const HcValue *b) {
    return a->type == b->type && a->n == b->n &&
           (a->type == SQLITE_INTEGER ? a->i == b->i
            : a->type == SQLITE_FLOAT ? memcmp(&a->r, &b->r, sizeof a->r) == 0
                                      : a->n == 0 || memcmp(a->data, b->data, a->n) == 0);
}

void hc_value_result(sqlite3_context *context, const HcValue *value) {
    switch (value->type) {
    case SQLITE_INTEGER:
        sqlite3_result_int64(context, value->i);
        break;
    case SQLITE_FLOAT:
        sqlite3_result_double(context, value->r);
        break;
    case SQLITE_TEXT:
        if (begins_with_mark(value)) {
            char *copy = marked_copy(value);
            if (copy)
                sqlite3_result_text64(context, copy, value->n + 2, sqlite3_free, SQLITE_UTF16LE);
            else
                sqlite3_result_error_nomem(context);
            break;
        }
        sqlite3_result_text64(context, value->data, value->n, SQLITE_TRANSIENT, text_encoding(value));
        break;
    case SQLITE_BLOB:
        sqlite3_result_blob64(context, value->data, value->n, SQLITE_TRANSIENT);
        break;
    default:
        sqlite3_result_null(context);
        break;
    }
}

void hc_key_make(const HcValue *value, HcKey *key) {
    key->form = *value;
    key->class = value->type;
    key->data = value->data;
    key->n = value->n;
    key->number = 0;
    if (value->type == SQLITE_INTEGER) {
        key->number = value->i;
        key->data = &key->number;
    } else if (value->type == SQLITE_FLOAT) {
        /* 1.0 is the key 1. The bounds are exact doubles, so that the cast is defined. */
        double r = value->r;
        if (r >= -9223372036854775808.0 && r < 9223372036854775808.0 && (double)(sqlite3_int64)r == r) {
            key->class = SQLITE_INTEGER;
            key->number = (sqlite3_int64)r;
        } else {
            memcpy(&key->number, &r, sizeof r);
        }
        key->data = &key->number;
    }
}

int hc_key_equal(const HcKey *a, int class, const void *data, uint32_t n) {
    return a->class == class && a->n == n && memcmp(a->data, data, n) == 0;
}

uint64_t hc_key_hash(const HcKey *key, uint64_t seed) {
    seed += (uint64_t)key->class;
    if (key->class == SQLITE_INTEGER || key->class == SQLITE_FLOAT)
        return hash_word((uint64_t)key->number, seed);
    return XXH3_64bits_withSeed(key->data, key->n, seed);
}

uint64_t hc_value_hash(const HcValue *value, uint64_t seed) {
    uint64_t word;
    seed += (uint64_t)value->type;
    switch (value->type) {
    case SQLITE_INTEGER:
        return hash_word((uint64_t)value->i, seed);
    case SQLITE_FLOAT:
        memcpy(&word, &value->r, sizeof word);
        return hash_word(word, seed);
    case SQLITE_NULL:
        return XXH3_64bits_withSeed("", 0, seed);
    default:
        return XXH3_64bits_withSeed(value->data, value->n, seed);
    }
}

uint64_t hc_mix(uint64_t a, uint64_t b) {
    return hash_word(a, hash_word(b, 0));
}
