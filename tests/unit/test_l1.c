/*
** The memory tier: what is put in is found, the limits hold after every operation, a result outlives its entry, and
** whatever fails is "not cached".
*/
#include "value.c"
#include "l1.c"
#include "eviction_lru.c"

#include "l1_tools.h"

#define PLENTY ((sqlite3_int64)1 << 40)

static HcL1 new_l1(sqlite3_int64 entries, sqlite3_int64 bytes) {
    HcL1 l1;
    hc_l1_init(&l1, &hc_eviction_lru, 12345);
    hc_l1_limit(&l1, entries, bytes);
    return l1;
}

static void test_find_replace_remove(void) {
    HcL1 l1 = new_l1(100, PLENTY);
    CHECK(find_number(&l1, 1) == NULL);
    CHECK_EQ(put_number(&l1, 1, 0, 10), 1);
    CHECK_EQ(put_number(&l1, 2, 0, 0), 1);
    CHECK(entry_holds(find_number(&l1, 1), 1, 0, 10));
    CHECK(entry_holds(find_number(&l1, 2), 2, 0, 0));
    CHECK(find_number(&l1, 3) == NULL);
    CHECK_EQ(l1.count, 2);
    CHECK_EQ(l1.bytes, hc_entry_cost(8, 10, 0) + hc_entry_cost(8, 0, 0));
    /* In place of the one before. */
    CHECK_EQ(put_number(&l1, 1, 1, 1000), 1);
    CHECK_EQ(l1.count, 2);
    CHECK(entry_holds(find_number(&l1, 1), 1, 1, 1000));
    CHECK_EQ(l1.bytes, hc_entry_cost(8, 1000, 0) + hc_entry_cost(8, 0, 0));
    /* The very entry that is in there. */
    HcEntry *same = hc_entry_retain(find_number(&l1, 1));
    CHECK_EQ(hc_l1_insert(&l1, same), 1);
    sound(&l1);
    CHECK_EQ(same->references, 2);
    hc_entry_release(same);
    hc_l1_remove(&l1, find_number(&l1, 1));
    sound(&l1);
    CHECK(find_number(&l1, 1) == NULL);
    CHECK_EQ(l1.count, 1);
    CHECK_EQ(l1.evicted, 0);
    CHECK_EQ(hc_l1_clear(&l1), 1);
    sound(&l1);
    CHECK_EQ(l1.bytes, 0);
    /* It can be used again. */
    CHECK_EQ(put_number(&l1, 5, 0, 5), 1);
    CHECK_EQ(hc_l1_clear(&l1), 1);
    CHECK_EQ(hc_l1_clear(&l1), 0);
}

/* Every form of key, value and tag comes back. */
static void test_parts(void) {
    static const HcValue values[] = {
        {.type = SQLITE_NULL},
        {.type = SQLITE_INTEGER, .i = -5, .n = 8},
        {.type = SQLITE_FLOAT, .r = 2.0, .n = 8},
        {.type = SQLITE_FLOAT, .r = 0.5, .n = 8},
        {.type = SQLITE_TEXT, .data = "", .n = 0},
        {.type = SQLITE_TEXT, .data = "te\0xt", .n = 5},
        {.type = SQLITE_BLOB, .data = "", .n = 0},
        {.type = SQLITE_BLOB, .data = "te\0xt", .n = 5},
    };
    static const HcValue tags[] = {
        {.type = SQLITE_NULL}, {.type = SQLITE_TEXT, .data = "", .n = 0}, {.type = SQLITE_TEXT, .data = "tag", .n = 3}};
    enum { VALUES = sizeof values / sizeof values[0] };
    HcL1 l1 = new_l1(100, PLENTY);
    for (int k = 1; k < VALUES; k++) { /* no key is NULL */
        for (int v = 0; v < VALUES; v++) {
            for (int t = 0; t < 3; t++) {
                HcKey key;
                HcValue part;
                hc_key_make(&values[k], &key);
                HcEntry *entry = hc_entry_new(&key, &values[v], t ? &tags[t] : NULL, hc_l1_hash(&l1, &key));
                CHECK_EQ(hc_l1_insert(&l1, entry), 1);
                hc_entry_release(entry);
                sound(&l1);
                entry = hc_l1_find(&l1, &key, hc_l1_hash(&l1, &key));
                if (!CHECK(entry != NULL))
                    continue;
                CHECK_EQ(hc_entry_bytes(entry), hc_entry_cost(key.n, values[v].n, tags[t].n));
                const HcValue *expected[] = {&values[k], &values[v], &tags[t]};
                for (int i = 0; i < 3; i++) {
                    if (i == 0)
                        hc_entry_key(entry, &part);
                    else if (i == 1)
                        hc_entry_value(entry, &part);
                    else
                        hc_entry_tag(entry, &part);
                    CHECK_EQ(part.type, expected[i]->type);
                    CHECK_EQ(part.n, expected[i]->n);
                    CHECK_EQ(part.utf16, 0);
                    if (part.type == SQLITE_INTEGER)
                        CHECK_EQ(part.i, expected[i]->i);
                    else if (part.type == SQLITE_FLOAT)
                        CHECK(part.r == expected[i]->r);
                    else if (part.n)
                        CHECK(memcmp(part.data, expected[i]->data, part.n) == 0);
                }
            }
        }
    }
    CHECK_EQ(l1.count, VALUES - 1); /* none of the keys stands for another */
    hc_l1_clear(&l1);
}

static void test_same_key(void) {
    HcL1 l1 = new_l1(100, PLENTY);
    HcValue whole = {.type = SQLITE_FLOAT, .r = 7.0, .n = 8}, null = {.type = SQLITE_NULL}, form;
    HcKey key;
    put_number(&l1, 7, 0, 3);
    hc_key_make(&whole, &key);
    CHECK(hc_l1_find(&l1, &key, hc_l1_hash(&l1, &key)) == find_number(&l1, 7));
    HcEntry *entry = hc_entry_new(&key, &null, NULL, hc_l1_hash(&l1, &key));
    CHECK_EQ(hc_l1_insert(&l1, entry), 1);
    hc_entry_release(entry);
    CHECK_EQ(l1.count, 1);
    hc_entry_key(find_number(&l1, 7), &form); /* reads back as it was given last */
    CHECK_EQ(form.type, SQLITE_FLOAT);
    CHECK(form.r == 7.0);
    hc_l1_clear(&l1);
}

/* Keys of one hash stay apart; forgetting by hash takes them all. */
static void test_same_hash(void) {
    HcL1 l1 = new_l1(100, PLENTY);
    HcKey key;
    for (int i = 0; i < 5; i++) {
        HcValue value = {.type = SQLITE_INTEGER, .i = i * 10, .n = 8}, read;
        number_key(i, &key);
        HcEntry *entry = hc_entry_new(&key, &value, NULL, i < 4 ? 77 : 77 + FIRST_SLOTS);
        CHECK_EQ(hc_l1_insert(&l1, entry), 1);
        hc_entry_release(entry);
        sound(&l1);
        for (int j = 0; j <= i; j++) {
            number_key(j, &key);
            entry = hc_l1_find(&l1, &key, j < 4 ? 77 : 77 + FIRST_SLOTS);
            if (CHECK(entry != NULL)) {
                hc_entry_value(entry, &read);
                CHECK_EQ(read.i, j * 10);
            }
        }
    }
    CHECK_EQ(hc_l1_remove_hash(&l1, 78), 0);
    CHECK_EQ(hc_l1_remove_hash(&l1, 77), 4);
    sound(&l1);
    CHECK_EQ(l1.count, 1);
    CHECK_EQ(hc_l1_remove_hash(&l1, 77), 0);
    CHECK_EQ(hc_l1_remove_hash(&l1, 77 + FIRST_SLOTS), 1);
    sound(&l1);
    hc_l1_clear(&l1);
}

static void test_limit_of_entries(void) {
    for (int limit = 0; limit <= 5; limit++) {
        HcL1 l1 = new_l1(limit, PLENTY);
        for (int i = 0; i < 20; i++) {
            CHECK_EQ(put_number(&l1, i, 0, 10), limit > 0);
            CHECK_EQ(l1.count, i + 1 < limit ? i + 1 : limit);
        }
        CHECK_EQ(l1.evicted, limit ? 20 - limit : 0);
        for (int i = 0; i < 20; i++)
            CHECK_EQ(find_number(&l1, i) != NULL, i >= 20 - limit);
        hc_l1_clear(&l1);
    }
}

static void test_limit_of_bytes(void) {
    sqlite3_int64 one = hc_entry_cost(8, 100, 0);
    /* To the byte: 20 fit, one byte less and it is 19. */
    for (int less = 0; less <= 1; less++) {
        HcL1 l1 = new_l1(1000, 20 * one - less);
        for (int i = 0; i < 100; i++) {
            CHECK_EQ(put_number(&l1, i, 0, 100), 1);
            CHECK_EQ(l1.count, i < 20 - less ? i + 1 : 20 - less);
        }
        hc_l1_clear(&l1);
    }
    /* A large one pushes out as many small ones as it needs, no more. */
    HcL1 l1 = new_l1(1000, 200 * one);
    for (int i = 0; i < 200; i++)
        put_number(&l1, i, 0, 100);
    uint32_t size = (uint32_t)(20 * one) - (uint32_t)hc_entry_cost(8, 0, 0);
    sqlite3_int64 cost = hc_entry_cost(8, size, 0);
    CHECK(cost <= 20 * one && cost > 19 * one);
    CHECK_EQ(put_number(&l1, 1000, 0, size), 1);
    CHECK_EQ(l1.count, 181);
    CHECK_EQ(l1.evicted, 20);
    hc_l1_clear(&l1);
}

static void test_oversize(void) {
    sqlite3_int64 cost = hc_entry_cost(8, 1000, 0);
    for (int more = -1; more <= 1; more++) {
        /* The limit whose tenth is just under, at and above the cost. */
        HcL1 l1 = new_l1(100, cost * 10 + more);
        CHECK_EQ(hc_l1_accepts(&l1, cost), more >= 0);
        put_number(&l1, 1, 0, 5);
        CHECK_EQ(put_number(&l1, 2, 0, 1000), more >= 0);
        CHECK_EQ(l1.count, more >= 0 ? 2 : 1);
        CHECK_EQ(l1.evicted, 0);
        /* Too large for its place: the one before must not stay and answer for it. */
        CHECK_EQ(put_number(&l1, 1, 1, 2000), 0);
        CHECK(find_number(&l1, 1) == NULL);
        hc_l1_clear(&l1);
    }
    HcL1 off = new_l1(0, PLENTY);
    CHECK_EQ(put_number(&off, 1, 0, 1), 0);
    CHECK(off.slots == NULL);
    HcL1 none = new_l1(100, 0);
    CHECK_EQ(put_number(&none, 1, 0, 0), 0);
    hc_l1_clear(&none);
}

static void test_new_limits(void) {
    HcL1 l1 = new_l1(100, PLENTY);
    for (int i = 0; i < 100; i++)
        put_number(&l1, i, 0, 100);
    hc_l1_limit(&l1, 60, PLENTY);
    sound(&l1);
    CHECK_EQ(l1.count, 60);
    CHECK(find_number(&l1, 39) == NULL && find_number(&l1, 40) != NULL);
    hc_l1_limit(&l1, 60, 25 * hc_entry_cost(8, 100, 0));
    sound(&l1);
    CHECK_EQ(l1.count, 25);
    CHECK_EQ(l1.evicted, 75);
    hc_l1_limit(&l1, 1000, PLENTY); /* room does not bring anything back */
    CHECK_EQ(l1.count, 25);
    hc_l1_limit(&l1, 0, PLENTY);
    sound(&l1);
    CHECK_EQ(l1.count, 0);
    CHECK_EQ(l1.evicted, 100);
    hc_l1_clear(&l1);
}

/* ---- references */

static HcL1 shared; /* what the SQL functions below work on */

/* give(n): the value of entry n, as a hit hands it over. */
static void give(sqlite3_context *context, int count, sqlite3_value **values) {
    HcEntry *entry = find_number(&shared, sqlite3_value_int(values[0]));
    (void)count;
    if (entry)
        hc_entry_result(entry, context);
}

/* evict_all(): what another key's put may do while the statement is still running. */
static void evict_all(sqlite3_context *context, int count, sqlite3_value **values) {
    (void)count;
    (void)values;
    hc_l1_limit(&shared, 0, 0);
    hc_l1_clear(&shared);
    sqlite3_result_null(context);
}

static void test_result_outlives_entry(void) {
    static const char *const encodings[] = {"UTF-8", "UTF-16le", "UTF-16be"};
    for (int e = 0; e < 3; e++) {
        char sql[64];
        sqlite3 *db = unit_open(":memory:");
        sqlite3_stmt *stmt = NULL;
        HcKey key;
        int wide = e > 0;
        sqlite3_snprintf(sizeof sql, sql, "PRAGMA encoding = '%s'; CREATE TABLE t(x)", encodings[e]);
        unit_exec(db, sql);
        sqlite3_create_function_v2(db, "give", 1, SQLITE_UTF8, NULL, give, NULL, NULL, NULL);
        sqlite3_create_function_v2(db, "evict_all", 0, SQLITE_UTF8, NULL, evict_all, NULL, NULL, NULL);
        CHECK_EQ(sqlite3_prepare_v2(db, "SELECT give(0), give(1), give(2), give(3), give(4), give(0), evict_all()", -1,
                                    &stmt, NULL),
                 SQLITE_OK);
        for (int round = 0; round < 3; round++) {
            HcEntry *entries[5];
            static const char narrow_text[] = "some text", wide_text[] = "s\0o\0m\0e\0 \0t\0e\0x\0t";
            HcValue values[5] = {
                {.type = SQLITE_BLOB, .data = "bytes\0and more", .n = 14},
                {.type = SQLITE_TEXT,
                 .utf16 = wide,
                 .data = wide ? wide_text : narrow_text,
                 .n = wide ? (uint32_t)sizeof wide_text : (uint32_t)sizeof narrow_text - 1},
                {.type = SQLITE_TEXT, .utf16 = wide, .data = "", .n = 0},
                {.type = SQLITE_INTEGER, .i = 42, .n = 8},
                {.type = SQLITE_BLOB, .data = "", .n = 0},
            };
            hc_l1_init(&shared, &hc_eviction_lru, 1);
            hc_l1_limit(&shared, 10, PLENTY);
            for (int i = 0; i < 5; i++) {
                number_key(i, &key);
                entries[i] = hc_entry_new(&key, &values[i], NULL, hc_l1_hash(&shared, &key));
                CHECK_EQ(hc_l1_insert(&shared, entries[i]), 1);
                if (round != 1) /* in round 1 the result has the only reference */
                    CHECK_EQ(entries[i]->references, 2);
                else
                    hc_entry_release(entries[i]);
            }
            CHECK_EQ(sqlite3_step(stmt), SQLITE_ROW);
            CHECK_EQ(shared.count, 0);
            CHECK_EQ(sqlite3_column_bytes(stmt, 0), 14);
            CHECK(memcmp(sqlite3_column_blob(stmt, 0), "bytes\0and more", 14) == 0);
            CHECK_EQ(sqlite3_column_type(stmt, 2), SQLITE_TEXT);
            CHECK_EQ(sqlite3_column_int(stmt, 3), 42);
            CHECK_EQ(sqlite3_column_type(stmt, 4), SQLITE_BLOB);
            CHECK_EQ(sqlite3_column_bytes(stmt, 4), 0);
            /* The same blob twice in one row: two references more. */
            CHECK(memcmp(sqlite3_column_blob(stmt, 5), "bytes\0and more", 14) == 0);
            if (round != 1)
                CHECK_EQ(entries[0]->references, 3);
            CHECK_TEXT((const char *)sqlite3_column_text(stmt, 1), "some text");
            CHECK_TEXT((const char *)sqlite3_column_text(stmt, 2), "");
            sqlite3_reset(stmt);
            /* A statement keeps its last row's memory: that of a new one lets go of it. */
            if (round == 2) {
                sqlite3_finalize(stmt);
                stmt = NULL;
            } else {
                sqlite3_step(stmt);
                sqlite3_reset(stmt);
            }
            for (int i = 0; round != 1 && i < 5; i++) {
                CHECK_EQ(entries[i]->references, 1);
                hc_entry_release(entries[i]);
            }
        }
        sqlite3_finalize(stmt);
        sqlite3_close(db);
    }
}

static void test_references(void) {
    HcL1 l1 = new_l1(2, PLENTY);
    HcEntry *held = new_entry(&l1, 1, 0, 50);
    CHECK_EQ(held->references, 1);
    CHECK_EQ(hc_l1_insert(&l1, held), 1);
    CHECK_EQ(held->references, 2);
    put_number(&l1, 1, 1, 60); /* replaced */
    CHECK_EQ(held->references, 1);
    CHECK(entry_holds(held, 1, 0, 50));
    hc_entry_release(held);
    held = hc_entry_retain(find_number(&l1, 1));
    put_number(&l1, 2, 0, 5);
    put_number(&l1, 3, 0, 5); /* evicted */
    CHECK(find_number(&l1, 1) == NULL);
    CHECK(entry_holds(held, 1, 1, 60));
    hc_entry_release(held);
    hc_entry_release(NULL);
    hc_l1_clear(&l1);
}

/* ---- memory */

/* What the entries are said to cost is what they take, as far as SQLite's allocator tells. */
static void test_cost(void) {
    HcL1 l1 = new_l1(100000, PLENTY);
    for (uint32_t size = 0; size <= 1000; size += 250) {
        sqlite3_int64 before = sqlite3_memory_used();
        for (int i = 0; i < 5000; i++)
            put_number(&l1, i, 0, size + (uint32_t)i % 7);
        sqlite3_int64 used = sqlite3_memory_used() - before;
        CHECK(used <= l1.bytes);
        CHECK(used >= l1.bytes - 5000 * 32); /* slots that are shared out, and the allocator's own part */
        hc_l1_clear(&l1);
        CHECK_EQ(sqlite3_memory_used(), before);
    }
    CHECK(sizeof(HcEntry) + TERMINATOR + ENTRY_OVERHEAD <= 100);
}

/* Every allocation of the L1 fails in turn, and in the end all of them: entries may be missing, nothing else. */
static void test_no_memory(void) {
    enum { KEYS = 1000 };
    static HcEntry *entries[KEYS];
    for (int once = 0; once <= 1; once++) {
        for (long n = 0;; n++) {
            HcL1 l1 = new_l1(KEYS, PLENTY);
            for (int i = 0; i < KEYS; i++)
                entries[i] = new_entry(&l1, i, 0, 3);
            unit_memory_fail(n, once);
            int in = 0;
            for (int i = 0; i < KEYS; i++) {
                int inserted = hc_l1_insert(&l1, entries[i]);
                CHECK_EQ(find_number(&l1, i) != NULL, inserted);
                in += inserted;
            }
            long refused = unit_memory_restore();
            sound(&l1);
            CHECK_EQ(l1.count, in);
            CHECK_EQ(l1.evicted, 0);
            /* Without any slot there is no place for an entry; with some there is, in longer chains. */
            CHECK_EQ(in, n > 0 ? KEYS : once ? KEYS - 1 : 0);
            for (int i = 0; i < KEYS; i++) {
                HcEntry *found = find_number(&l1, i);
                CHECK(found == NULL || found == entries[i]);
                hc_entry_release(entries[i]);
            }
            hc_l1_clear(&l1);
            if (!refused)
                break;
        }
    }
    HcL1 l1 = new_l1(10, PLENTY);
    unit_memory_fail(0, 0);
    CHECK(new_entry(&l1, 1, 0, 3) == NULL);
    unit_memory_restore();
}

/* ---- random operations against a model */

enum { MODEL_KEYS = 120, HELD = 16 };

/* An entry as the model knows it: in the order of its last use, from 1 on; 0 = not in there. */
typedef struct Known {
    uint64_t used;
    int version;
    uint32_t size;
} Known;

static Known known[MODEL_KEYS];
static sqlite3_int64 model_count, model_bytes, model_evicted;

static void model_drop(int number) {
    if (known[number].used) {
        model_count--;
        model_bytes -= hc_entry_cost(8, known[number].size, 0);
        known[number].used = 0;
    }
}

static void model_evict(sqlite3_int64 entries, sqlite3_int64 bytes) {
    while (model_count > entries || model_bytes > bytes) {
        int oldest = -1;
        for (int i = 0; i < MODEL_KEYS; i++) {
            if (known[i].used && (oldest < 0 || known[i].used < known[oldest].used))
                oldest = i;
        }
        if (oldest < 0)
            return;
        model_drop(oldest);
        model_evicted++;
    }
}

static void compare(const HcL1 *l1) {
    sound(l1);
    CHECK_EQ(l1->count, model_count);
    CHECK_EQ(l1->bytes, model_bytes);
    CHECK_EQ(l1->evicted, model_evicted);
    for (int i = 0; i < MODEL_KEYS; i++) {
        const HcEntry *entry = find_number(l1, i);
        CHECK_EQ(entry != NULL, known[i].used != 0);
        if (entry && known[i].used)
            CHECK(entry_holds(entry, i, known[i].version, known[i].size));
    }
}

static void test_random(void) {
    struct {
        HcEntry *entry;
        int number, version;
        uint32_t size;
    } held[HELD];
    uint64_t time = 0;
    HcL1 l1 = new_l1(50, 20000);
    HcKey key;
    memset(known, 0, sizeof known);
    memset(held, 0, sizeof held);
    model_count = model_bytes = model_evicted = 0;
    for (int step = 0; step < unit_rounds(20000) && unit.wrong == 0; step++) {
        int number = unit_below(MODEL_KEYS), what = unit_below(100);
        HcEntry *entry = find_number(&l1, number);
        number_key(number, &key);
        if (what < 45) { /* put */
            uint32_t size = (uint32_t)(unit_below(20) ? unit_below(400) : unit_below(4000));
            sqlite3_int64 cost = hc_entry_cost(8, size, 0);
            int accepted = l1.limit_entries > 0 && cost * 10 <= l1.limit_bytes;
            model_drop(number);
            if (accepted) {
                model_evict(l1.limit_entries - 1, l1.limit_bytes - cost);
                known[number] = (Known){++time, step, size};
                model_count++;
                model_bytes += cost;
            }
            CHECK_EQ(put_number(&l1, number, step, size), accepted);
        } else if (what < 75) { /* get, and half of them keep the result for a while */
            CHECK_EQ(get_number(&l1, number), known[number].used != 0);
            if (known[number].used)
                known[number].used = ++time;
            int at = unit_below(HELD);
            if (entry && unit_below(2)) {
                if (held[at].entry)
                    CHECK(entry_holds(held[at].entry, held[at].number, held[at].version, held[at].size));
                hc_entry_release(held[at].entry);
                held[at].entry = hc_entry_retain(entry);
                held[at].number = number;
                held[at].version = known[number].version;
                held[at].size = known[number].size;
            }
        } else if (what < 85) { /* remove */
            if (entry)
                hc_l1_remove(&l1, entry);
            model_drop(number);
        } else if (what < 95) { /* forget */
            CHECK_EQ(hc_l1_remove_hash(&l1, hc_l1_hash(&l1, &key)), known[number].used != 0);
            model_drop(number);
        } else if (what < 99) { /* new limits */
            sqlite3_int64 entries = unit_below(20) ? unit_below(100) : 0, bytes = unit_below(40000);
            int smaller = bytes < l1.limit_bytes;
            hc_l1_limit(&l1, entries, bytes);
            model_evict(entries, bytes);
            /* What is larger than a tenth of the new limit goes as well. */
            for (int i = 0; smaller && i < MODEL_KEYS; i++) {
                if (known[i].used && hc_entry_cost(8, known[i].size, 0) * 10 > bytes) {
                    model_drop(i);
                    model_evicted++;
                }
            }
        } else if (unit_below(10) == 0) {
            CHECK_EQ(hc_l1_clear(&l1), model_count);
            for (int i = 0; i < MODEL_KEYS; i++)
                model_drop(i);
        }
        compare(&l1);
        if (unit.wrong)
            printf("  at step %d\n", step);
    }
    for (int i = 0; i < HELD; i++) {
        if (held[i].entry)
            CHECK(entry_holds(held[i].entry, held[i].number, held[i].version, held[i].size));
        hc_entry_release(held[i].entry);
    }
    CHECK(model_evicted > 100);
    hc_l1_clear(&l1);
}

/* The checker itself: it sees what it is there to see. */
static void test_verify(void) {
    HcL1 l1 = new_l1(10, PLENTY);
    for (int i = 0; i < 3; i++)
        put_number(&l1, i, 0, 10);
    l1.count++;
    CHECK(!hc_l1_verify(&l1));
    l1.count--;
    l1.bytes--;
    CHECK(!hc_l1_verify(&l1));
    l1.bytes++;
    l1.limit_entries = 2;
    CHECK(!hc_l1_verify(&l1));
    l1.limit_entries = 10;
    l1.limit_bytes = l1.bytes - 1;
    CHECK(!hc_l1_verify(&l1));
    l1.limit_bytes = PLENTY;
    HcEntry *newest = l1.queue.newest;
    l1.queue.newest = newest->older;
    CHECK(!hc_l1_verify(&l1));
    l1.queue.newest = newest;
    newest->older->newer = NULL;
    CHECK(!hc_l1_verify(&l1));
    newest->older->newer = newest;
    newest->hash++;
    CHECK(!hc_l1_verify(&l1));
    newest->hash--;
    newest->references--;
    CHECK(!hc_l1_verify(&l1));
    newest->references++;
    /* A queue that runs in a circle, one that is too short, one that another count belongs to. */
    newest->newer = l1.queue.oldest;
    CHECK(!hc_queue_verify(&l1.queue));
    l1.queue.oldest->older = newest;
    CHECK(!hc_queue_verify(&l1.queue));
    newest->newer = l1.queue.oldest->older = NULL;
    l1.queue.count--;
    CHECK(!hc_queue_verify(&l1.queue));
    l1.queue.count++;
    l1.count++;
    CHECK(!l1.policy->verify(&l1));
    l1.count--;
    CHECK(hc_l1_verify(&l1));
    hc_l1_clear(&l1);
}

/* An L1 that never had an entry: nothing is found in it, and it has nothing to give. */
static void test_empty(void) {
    HcL1 l1 = new_l1(10, PLENTY);
    CHECK(hc_l1_find_hash(&l1, 5) == NULL);
    CHECK(find_number(&l1, 5) == NULL);
    CHECK_EQ(hc_l1_remove_hash(&l1, 5), 0);
    CHECK_EQ(hc_l1_shrink(&l1), 0);
    CHECK_EQ(hc_l1_clear(&l1), 0);
    put_number(&l1, 5, 0, 10);
    put_number(&l1, 6, 0, 10);
    CHECK_EQ(hc_l1_shrink(&l1), 1);
    CHECK(find_number(&l1, 5) == NULL && find_number(&l1, 6) != NULL);
    CHECK_EQ(hc_l1_shrink(&l1), 1);
    CHECK_EQ(l1.bytes, 0);
    CHECK_EQ(hc_l1_shrink(&l1), 0);
    CHECK_EQ(l1.evicted, 2);
}

int main(void) {
    unit_begin();
    RUN(test_find_replace_remove);
    RUN(test_parts);
    RUN(test_same_key);
    RUN(test_same_hash);
    RUN(test_limit_of_entries);
    RUN(test_limit_of_bytes);
    RUN(test_oversize);
    RUN(test_new_limits);
    RUN(test_result_outlives_entry);
    RUN(test_references);
    RUN(test_cost);
    RUN(test_no_memory);
    RUN(test_random);
    RUN(test_verify);
    RUN(test_empty);
    return unit_end();
}
