/*
** unit.h: what the unit tests share: checks, counts, random numbers, and memory that runs out on demand.
**
** A test program includes the .c files that it tests, so it sees what is static in them. It is a list of functions
**
**     static void test_something(void) { CHECK(1 + 1 == 2); CHECK_EQ(f(x), 3); }
**     int main(void) { unit_begin(); RUN(test_something); return unit_end(); }
**
** A test fails with its first failed check; the others still run, the first few are shown.
*/
#ifndef UNIT_H
#define UNIT_H

#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- checks */

static struct {
    int passed, failed;
    int wrong; /* failed checks of the running test */
} unit;

static inline int unit_check(int right, const char *file, int line, const char *what) {
    if (!right && unit.wrong++ < 10)
        printf("%s:%d: %s\n", file, line, what);
    return right;
}

static inline int unit_equal(sqlite3_int64 got, sqlite3_int64 expected, const char *file, int line, const char *what) {
    if (got != expected && unit.wrong++ < 10)
        printf("%s:%d: %s is %lld, not %lld\n", file, line, what, (long long)got, (long long)expected);
    return got == expected;
}

static inline int unit_text(const char *got, const char *expected, const char *file, int line, const char *what) {
    int right = got && expected ? strcmp(got, expected) == 0 : got == expected;
    if (!right && unit.wrong++ < 10)
        printf("%s:%d: %s is \"%s\", not \"%s\"\n", file, line, what, got ? got : "(null)",
               expected ? expected : "(null)");
    return right;
}

/* Each says whether it held, for tests that cannot go on otherwise. */
#define CHECK(condition) unit_check((condition) ? 1 : 0, __FILE__, __LINE__, #condition)
#define CHECK_EQ(got, expected) unit_equal((sqlite3_int64)(got), (sqlite3_int64)(expected), __FILE__, __LINE__, #got)
#define CHECK_TEXT(got, expected) unit_text((got), (expected), __FILE__, __LINE__, #got)

static inline void unit_run(const char *name, void (*test)(void)) {
    sqlite3_int64 used = sqlite3_memory_used();
    unit.wrong = 0;
    test();
    if (sqlite3_memory_used() != used && unit.wrong++ < 10)
        printf("%lld bytes of memory are left behind\n", (long long)(sqlite3_memory_used() - used));
    if (unit.wrong) {
        unit.failed++;
        printf("FAILED %s (%d checks)\n", name, unit.wrong);
    } else {
        unit.passed++;
    }
    fflush(stdout);
}
#define RUN(test) unit_run(#test, test)

/* ---- random numbers: the same ones in every run, more of them with SOAK=1 */

static uint64_t unit_state = 1;

static inline uint64_t unit_random(void) { /* splitmix64 */
    uint64_t x = unit_state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static inline int unit_below(int limit) {
    return (int)(unit_random() % (uint64_t)limit);
}

static inline int unit_rounds(int rounds) {
    const char *soak = getenv("SOAK");
    return soak && *soak ? rounds * 50 : rounds;
}

/* ---- memory that runs out */

static struct {
    sqlite3_mem_methods real;
    long left; /* allocations that still succeed; negative = all do */
    int once;  /* only one fails, then there is memory again */
    long refused;
} unit_memory = {.left = -1};

static inline int unit_memory_refuses(void) {
    if (unit_memory.left < 0)
        return 0;
    if (unit_memory.left > 0) {
        unit_memory.left--;
        return 0;
    }
    unit_memory.refused++;
    if (unit_memory.once)
        unit_memory.left = -1;
    return 1;
}

static inline void *unit_malloc(int n) {
    return unit_memory_refuses() ? NULL : unit_memory.real.xMalloc(n);
}

static inline void *unit_realloc(void *block, int n) {
    return unit_memory_refuses() ? NULL : unit_memory.real.xRealloc(block, n);
}

/* From now on so many allocations of SQLite's allocator succeed, then all fail, or one does. */
static inline void unit_memory_fail(long after, int once) {
    unit_memory.left = after;
    unit_memory.once = once;
    unit_memory.refused = 0;
}

/* Memory again. Returns how many allocations were refused. */
static inline long unit_memory_restore(void) {
    unit_memory.left = -1;
    return unit_memory.refused;
}

/* ---- begin and end */

static inline void unit_begin(void) {
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &unit_memory.real);
    sqlite3_mem_methods methods = unit_memory.real;
    methods.xMalloc = unit_malloc;
    methods.xRealloc = unit_realloc;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
    /* Small blocks of a connection come from a pool otherwise, which never runs out. */
    sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
    sqlite3_initialize();
}

static inline int unit_end(void) {
    sqlite3_shutdown();
    printf("%d passed, %d failed\n", unit.passed, unit.failed);
    return unit.failed != 0;
}

/* ---- databases */

static inline sqlite3 *unit_open(const char *file) {
    sqlite3 *db = NULL;
    if (!CHECK_EQ(sqlite3_open(file, &db), SQLITE_OK))
        exit(2);
    return db;
}

static inline int unit_exec(sqlite3 *db, const char *sql) {
    char *message = NULL;
    int rc = sqlite3_exec(db, sql, NULL, NULL, &message);
    if (rc != SQLITE_OK)
        printf("%s: %s\n", sql, message ? message : sqlite3_errstr(rc));
    sqlite3_free(message);
    return CHECK_EQ(rc, SQLITE_OK);
}

#endif
