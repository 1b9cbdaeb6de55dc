/*
** l1.c: the memory tier of one cache on one connection.
*/
#include "eviction.h"
#include "l1.h"

/* The hash table starts with so many slots; it doubles at three entries to two slots, and halves at two to three. */
#define FIRST_SLOTS 64
#define MOST_SLOTS (1u << 28)

/*
** What an entry costs beside its bytes: its share of the slots (about a pointer)
** and what the allocator keeps in front of a block.
*/
#define ENTRY_OVERHEAD ((int)sizeof(HcEntry *) + 8)

/* The terminator of a text value, in either encoding. */
#define TERMINATOR 2

_Static_assert(sizeof(void *) != 8 || sizeof(HcEntry) == 72, "the header of an entry has grown");
_Static_assert(sizeof(HcEntry) % 8 == 0, "the value is aligned");

void hc_l1_init(HcL1 *l1, const HcPolicy *policy, uint64_t seed) {
    memset(l1, 0, sizeof *l1);
    l1->policy = policy;
    l1->seed = seed;
}

uint32_t hc_l1_hash(const HcL1 *l1, const HcKey *key) {
    return (uint32_t)hc_key_hash(key, l1->seed);
}

HcEntry *hc_l1_find(const HcL1 *l1, const HcKey *key, uint32_t hash) {
    if (!l1->slots)
        return NULL;
    HcEntry *entry = l1->slots[hash & (l1->slot_count - 1)];
    while (entry) {
        if (entry->hash == hash &&
            hc_key_equal(key, entry->key_class, (const char *)(entry + 1) + entry->value_n + TERMINATOR, entry->key_n))
            break;
        entry = entry->chain;
    }
    return entry;
}

HcEntry *hc_l1_find_hash(const HcL1 *l1, uint32_t hash) {
    HcEntry *entry = l1->slots ? l1->slots[hash & (l1->slot_count - 1)] : NULL;
    while (entry && entry->hash != hash)
        entry = entry->chain;
    return entry;
}

void hc_l1_touch(HcL1 *l1, HcEntry *entry) {
    l1->policy->touch(l1, entry);
}

/* Out of memory is benign: the chains are just longer, or shorter than they need be. */
static void resize(HcL1 *l1, uint32_t slot_count) {
    if (slot_count < FIRST_SLOTS || slot_count > MOST_SLOTS)
        return;
    HcEntry **slots = sqlite3_malloc64(slot_count * sizeof *slots);
    if (!slots)
        return;
    memset(slots, 0, slot_count * sizeof *slots);
    for (uint32_t i = 0; l1->slots && i < l1->slot_count; i++) {
        HcEntry *entry = l1->slots[i];
        while (entry) {
            HcEntry *chain = entry->chain;
            entry->chain = slots[entry->hash & (slot_count - 1)];
            slots[entry->hash & (slot_count - 1)] = entry;
            entry = chain;
        }
    }
    sqlite3_free(l1->slots);
    l1->slots = slots;
    l1->slot_count = slot_count;
}

/* Slots for one entry more: not too few, and not those of many that have left. */
static void fit_slots(HcL1 *l1) {
    if (!l1->slots)
        resize(l1, FIRST_SLOTS);
    else if (l1->count * 2 >= (sqlite3_int64)l1->slot_count * 3)
        resize(l1, l1->slot_count * 2);
    else if (l1->count * 3 < (sqlite3_int64)l1->slot_count * 2)
        resize(l1, l1->slot_count / 2);
}

void hc_l1_remove(HcL1 *l1, HcEntry *entry) {
    HcEntry **link = &l1->slots[entry->hash & (l1->slot_count - 1)];
    while (*link != entry)
        link = &(*link)->chain;
    *link = entry->chain;
    entry->chain = NULL;
    l1->policy->remove(l1, entry);
    l1->count--;
    hc_l1_account(l1, -hc_entry_bytes(entry));
    hc_entry_release(entry);
}

int hc_l1_remove_hash(HcL1 *l1, uint32_t hash) {
    int removed = 0;
    if (!l1->slots)
        return 0;
    HcEntry *entry = l1->slots[hash & (l1->slot_count - 1)];
    while (entry) {
        HcEntry *chain = entry->chain;
        if (entry->hash == hash) {
            hc_l1_remove(l1, entry);
            removed++;
        }
        entry = chain;
    }
    return removed;
}

/* The one place that evicts. */
static void evict(HcL1 *l1, sqlite3_int64 entries, sqlite3_int64 bytes) {
    while (l1->count > entries || l1->bytes > bytes) {
        HcEntry *victim = l1->policy->victim(l1);
        if (!victim) {
            l1->policy->drain(l1);
            break;
        }
        hc_l1_remove(l1, victim);
        l1->evicted++;
    }
}

int hc_l1_shrink(HcL1 *l1) {
    sqlite3_int64 count = l1->count, bytes = l1->bytes;
    evict(l1, count - 1, bytes);
    if (l1->count == 0)
        hc_l1_clear(l1);
    return l1->count < count || l1->bytes < bytes;
}

int hc_l1_accepts(const HcL1 *l1, sqlite3_int64 bytes) {
    return l1->limit_entries > 0 && bytes <= l1->limit_bytes / 10;
}

int hc_l1_insert(HcL1 *l1, HcEntry *entry) {
    sqlite3_int64 bytes = hc_entry_bytes(entry);
    HcKey key;
    HcValue form;
    hc_entry_key(entry, &form);
    hc_key_make(&form, &key);
    HcEntry *present = hc_l1_find(l1, &key, entry->hash);
    if (present)
        hc_l1_remove(l1, present);
    if (!hc_l1_accepts(l1, bytes))
        return 0;
    /* Room first: the limits hold at every moment. */
    evict(l1, l1->limit_entries - 1, l1->limit_bytes - bytes);
    fit_slots(l1);
    if (!l1->slots)
        return 0;
    HcEntry **slot = &l1->slots[entry->hash & (l1->slot_count - 1)];
    entry->chain = *slot;
    *slot = hc_entry_retain(entry);
    l1->policy->insert(l1, entry);
    l1->count++;
    hc_l1_account(l1, bytes);
    return 1;
}

void hc_l1_policy(HcL1 *l1, const HcPolicy *policy) {
    if (policy == l1->policy)
        return;
    HcEntry *entry = l1->policy->drain(l1);
    l1->policy = policy;
    while (entry) {
        HcEntry *newer = entry->newer;
        policy->insert(l1, entry);
        entry = newer;
    }
}

void hc_l1_limit(HcL1 *l1, sqlite3_int64 entries, sqlite3_int64 bytes) {
    int smaller = bytes < l1->limit_bytes;
    l1->limit_entries = entries;
    l1->limit_bytes = bytes;
    evict(l1, entries, bytes);
    /* What is larger than a tenth of the new limit belongs into L2 only. */
    for (uint32_t i = 0; smaller && l1->slots && i < l1->slot_count; i++) {
        for (HcEntry *entry = l1->slots[i], *chain; entry; entry = chain) {
            chain = entry->chain;
            if (!hc_l1_accepts(l1, hc_entry_bytes(entry))) {
                hc_l1_remove(l1, entry);
                l1->evicted++;
            }
        }
    }
    for (uint32_t before = 0; l1->slots && before != l1->slot_count;) {
        before = l1->slot_count;
        fit_slots(l1);
    }
}

sqlite3_int64 hc_l1_clear(HcL1 *l1) {
    sqlite3_int64 count = l1->count;
    for (uint32_t i = 0; l1->slots && i < l1->slot_count; i++) {
        while (l1->slots[i])
            hc_l1_remove(l1, l1->slots[i]);
    }
    l1->policy->drain(l1);
    sqlite3_free(l1->slots);
    l1->slots = NULL;
    l1->slot_count = 0;
    return count;
}

int hc_l1_verify(const HcL1 *l1) {
    sqlite3_int64 count = 0, bytes = hc_ghost_bytes(l1);
    for (uint32_t i = 0; l1->slots && i < l1->slot_count; i++) {
        for (const HcEntry *entry = l1->slots[i]; entry; entry = entry->chain) {
            if ((entry->hash & (l1->slot_count - 1)) != i || entry->references == 0)
                return 0;
            count++;
            bytes += hc_entry_bytes(entry);
        }
    }
    return count == l1->count && bytes == l1->bytes && (count == 0 || count <= l1->limit_entries) &&
           bytes <= l1->limit_bytes && l1->policy->verify(l1);
}

sqlite3_int64 hc_entry_cost(uint32_t key_n, uint32_t value_n, uint32_t tag_n) {
    sqlite3_int64 size = (sqlite3_int64)sizeof(HcEntry) + key_n + value_n + TERMINATOR + tag_n;
    return ((size + 7) & ~(sqlite3_int64)7) + ENTRY_OVERHEAD;
}

sqlite3_int64 hc_entry_bytes(const HcEntry *entry) {
    return hc_entry_cost(entry->key_n, entry->value_n, entry->tag_n);
}

static void write_value(void *to, const HcValue *value) {
    if (value->type == SQLITE_INTEGER)
        memcpy(to, &value->i, sizeof value->i);
    else if (value->type == SQLITE_FLOAT)
        memcpy(to, &value->r, sizeof value->r);
    else if (value->n)
        memcpy(to, value->data, value->n);
}

static void read_value(const void *from, int type, uint32_t n, int flags, HcValue *value) {
    memset(value, 0, sizeof *value);
    value->type = type;
    value->n = n;
    value->utf16 = (flags & HC_ENTRY_UTF16) != 0;
    value->data = from;
    if (type == SQLITE_INTEGER)
        memcpy(&value->i, from, sizeof value->i);
    else if (type == SQLITE_FLOAT)
        memcpy(&value->r, from, sizeof value->r);
}

HcEntry *hc_entry_new(const HcKey *key, const HcValue *value, const HcValue *tag, uint32_t hash) {
    uint32_t tag_n = tag ? tag->n : 0;
    HcEntry *entry = sqlite3_malloc64((sqlite3_uint64)sizeof *entry + value->n + TERMINATOR + key->n + tag_n);
    if (!entry)
        return NULL;
    memset(entry, 0, sizeof *entry);
    entry->hash = hash;
    entry->references = 1;
    entry->value_n = value->n;
    entry->value_type = (uint8_t)value->type;
    entry->key_n = key->n;
    entry->key_type = (uint8_t)key->form.type;
    entry->key_class = (uint8_t)key->class;
    entry->tag_n = tag_n;
    entry->tag_type = (uint8_t)(tag ? tag->type : SQLITE_NULL);
    if (value->type == SQLITE_TEXT && !value->utf16 && (value->n == 0 || !memchr(value->data, 0, value->n)))
        entry->flags |= HC_ENTRY_NO_NUL;
    if (key->form.utf16 || value->utf16 || (tag && tag->utf16))
        entry->flags |= HC_ENTRY_UTF16;
    char *bytes = (char *)(entry + 1);
    write_value(bytes, value);
    memset(bytes + value->n, 0, TERMINATOR);
    bytes += value->n + TERMINATOR;
    memcpy(bytes, key->data, key->n);
    if (tag_n)
        memcpy(bytes + key->n, tag->data, tag_n);
    return entry;
}

HcEntry *hc_entry_retain(HcEntry *entry) {
    entry->references++;
    return entry;
}

void hc_entry_release(HcEntry *entry) {
    if (entry && --entry->references == 0)
        sqlite3_free(entry);
}

static void release_value(void *value) {
    hc_entry_release((HcEntry *)value - 1);
}

void hc_entry_value(const HcEntry *entry, HcValue *value) {
    read_value(entry + 1, entry->value_type, entry->value_n, entry->flags, value);
}

void hc_entry_key(const HcEntry *entry, HcValue *key) {
    const char *bytes = (const char *)(entry + 1) + entry->value_n + TERMINATOR;
    if (entry->key_type == SQLITE_FLOAT && entry->key_class == SQLITE_INTEGER) {
        /* Stored as the identity 1, read back as the form 1.0. */
        read_value(bytes, SQLITE_INTEGER, entry->key_n, entry->flags, key);
        key->type = SQLITE_FLOAT;
        key->r = (double)key->i;
    } else {
        read_value(bytes, entry->key_type, entry->key_n, entry->flags, key);
    }
}

void hc_entry_tag(const HcEntry *entry, HcValue *tag) {
    read_value((const char *)(entry + 1) + entry->value_n + TERMINATOR + entry->key_n, entry->tag_type, entry->tag_n,
               entry->flags, tag);
}

void hc_entry_result(HcEntry *entry, sqlite3_context *context) {
    HcValue value;
    /* UTF-16 goes the longer way, for the sake of U+FEFF: see hc_value_result(). */
    if ((entry->value_type == SQLITE_TEXT && !(entry->flags & HC_ENTRY_UTF16)) || entry->value_type == SQLITE_BLOB) {
        void *bytes = entry + 1;
        hc_entry_retain(entry);
        if (entry->value_type == SQLITE_BLOB)
            sqlite3_result_blob64(context, bytes, entry->value_n, release_value);
        else if (entry->flags & HC_ENTRY_NO_NUL)
            /*
            ** Without a length SQLite looks for the end itself, and then knows that a NUL is there.
            ** With one, sqlite3_column_text() would copy the text to put a NUL behind it.
            */
            sqlite3_result_text(context, bytes, -1, release_value);
        else
            sqlite3_result_text64(context, bytes, entry->value_n, release_value, SQLITE_UTF8);
        return;
    }
    hc_entry_value(entry, &value);
    hc_value_result(context, &value);
}
