/*
** l1.h: the memory tier of one cache on one connection.
**
** Knows no SQL and no L2, and can only make things faster: whatever fails in
** here means "not cached". So nothing returns a result code.
**
** An entry is one allocation:
**
**     +----------+----------------+-----------+-----------+
**     | HcEntry  | value, NUL NUL | key       | tag       |
**     +----------+----------------+-----------+-----------+
**
** The value comes first so that the address SQLite hands back when it is done
** with a result leads to the header (release_value in l1.c). The two NULs end
** text in either encoding, so that SQLite need not copy it to terminate it.
**
** References are counted: a hit hands its bytes to SQLite without copying, and
** they stay valid whatever happens to the entry meanwhile. The counts need no
** lock: everything here runs under the mutex of the connection.
*/
#ifndef HC_L1_H
#define HC_L1_H

#include "value.h"

typedef struct HcEntry HcEntry;
struct HcEntry {
    /* Aligned, so that what follows the header is on 32-bit machines as well. */
    _Alignas(8) HcEntry *chain; /* next entry of the same slot of the hash table */
    HcEntry *older;             /* links of the eviction policy's queue that it is in */
    HcEntry *newer;
    double deadline;     /* Unix time at which the entry expires */
    double filled;       /* Unix time at which it was read from or written to L2 */
    uint32_t hash;       /* of the key, under the connection's seed */
    uint32_t references; /* the L1's own, and one for each result in use */
    uint32_t value_n;    /* bytes */
    uint32_t key_n;      /* bytes */
    uint32_t tag_n;      /* bytes */
    uint32_t stamp;      /* the moment of coherence.h at which it was known good */
    uint16_t bucket;     /* of coherence.h */
    uint8_t value_type;  /* SQLITE_INTEGER ... SQLITE_NULL */
    uint8_t key_type;    /* the form: what is read back */
    uint8_t key_class;   /* the identity: what is compared */
    uint8_t tag_type;    /* SQLITE_TEXT, or SQLITE_NULL: no tag */
    uint8_t flags;       /* HC_ENTRY_... */
    uint8_t uses;        /* for the policy */
};

#define HC_ENTRY_UTF16 0x01   /* texts are UTF-16LE */
#define HC_ENTRY_L1_ONLY 0x02 /* on_error=degrade: L2 does not have it */
#define HC_ENTRY_NO_NUL 0x08  /* the value is a UTF-8 text without a NUL inside: its end can be found */
#define HC_ENTRY_USED 0x04    /* read since the last write: the second chance of L2's sweep */

typedef struct HcPolicy HcPolicy;

/* A queue of the eviction policy. */
typedef struct HcQueue {
    HcEntry *oldest, *newest;
    sqlite3_int64 count;
} HcQueue;

typedef struct HcL1 {
    HcEntry **slots; /* power of two of them; NULL until the first entry */
    uint32_t slot_count;
    uint64_t seed; /* of the hash: chosen keys cannot collide on purpose */
    sqlite3_int64 count;
    sqlite3_int64 bytes; /* all memory of the entries, see hc_entry_bytes(), and of the policy */
    sqlite3_int64 limit_entries;
    sqlite3_int64 limit_bytes;
    sqlite3_int64 evicted; /* entries that the limits pushed out */
    const HcPolicy *policy;
    HcQueue queue;   /* of lru; of s3fifo, the main one */
    HcQueue small;   /* of s3fifo */
    uint32_t *ghost; /* of s3fifo: hashes of keys that it evicted unread; NULL = none */
    uint32_t ghost_sets;
} HcL1;

/* Takes no memory. */
void hc_l1_init(HcL1 *l1, const HcPolicy *policy, uint64_t seed);
/* Empties the L1; returns how many entries there were. It can be used again. */
sqlite3_int64 hc_l1_clear(HcL1 *l1);
/* Another policy takes over: all entries stay, in the order in which the old one would evict them. */
void hc_l1_policy(HcL1 *l1, const HcPolicy *policy);
/* New limits hold when it returns. */
void hc_l1_limit(HcL1 *l1, sqlite3_int64 entries, sqlite3_int64 bytes);
/* Checks counts, links and slots against each other; 1 = all right. For tests. */
int hc_l1_verify(const HcL1 *l1);

uint32_t hc_l1_hash(const HcL1 *l1, const HcKey *key);

/* The entry of that key or NULL: borrowed. Not a use. */
HcEntry *hc_l1_find(const HcL1 *l1, const HcKey *key, uint32_t hash);
/* A use: the policy hears of it. */
void hc_l1_touch(HcL1 *l1, HcEntry *entry);
/*
** Puts `entry` in, in place of one of the same key, and evicts until the limits
** hold. Takes a reference of its own. An entry larger than a tenth of the byte
** limit, or any entry where the L1 is off, is not put in. Returns 1 if it is in.
*/
int hc_l1_insert(HcL1 *l1, HcEntry *entry);
void hc_l1_remove(HcL1 *l1, HcEntry *entry);
/* Removes whatever has this hash: undo is forgetting, and may forget too much. Returns how many. */
int hc_l1_remove_hash(HcL1 *l1, uint32_t hash);
/* 1 if an entry of that size may go in. */
int hc_l1_accepts(const HcL1 *l1, sqlite3_int64 bytes);

/* What an entry with so many bytes of key, value and tag costs. */
sqlite3_int64 hc_entry_cost(uint32_t key_n, uint32_t value_n, uint32_t tag_n);
sqlite3_int64 hc_entry_bytes(const HcEntry *entry);

/* A new entry with one reference, in no L1; NULL when out of memory. tag may be NULL. */
HcEntry *hc_entry_new(const HcKey *key, const HcValue *value, const HcValue *tag, uint32_t hash);
HcEntry *hc_entry_retain(HcEntry *entry);
void hc_entry_release(HcEntry *entry); /* NULL is harmless */

/* The parts, borrowed from the entry. */
void hc_entry_value(const HcEntry *entry, HcValue *value);
void hc_entry_key(const HcEntry *entry, HcValue *key);
void hc_entry_tag(const HcEntry *entry, HcValue *tag);

/* Hands the value to SQLite, large ones without a copy. */
void hc_entry_result(HcEntry *entry, sqlite3_context *context);

#endif
