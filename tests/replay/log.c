/*
** log.c: the generator of log.h.
*/
#include "log.h"

#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define KEYS 60
#define SAVEPOINTS 3
#define RING 64

uint64_t random_next(uint64_t *state) {
    uint64_t x = *state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

unsigned random_below(uint64_t *state, unsigned n) {
    return (unsigned)(random_next(state) % n);
}

/* The second cache comes, goes and changes its name; the first one stays, and a trigger of `app` writes to it. */
typedef struct Schema {
    int exists;
    int name;
} Schema;

typedef struct Maker {
    Log *log;
    const char *clock;
    uint64_t random;
    size_t room;
    int relaxed; /* coherence=relaxed is among the options: a look-up by key may then read what is over */
    Schema second;
    int depth;                     /* 0 = no transaction; otherwise 1 + savepoints */
    Schema before[SAVEPOINTS + 1]; /* what a rollback to that depth brings back */
} Maker;

static unsigned below(Maker *maker, unsigned n) {
    return random_below(&maker->random, n);
}

static int one_in(Maker *maker, unsigned n) {
    return below(maker, n) == 0;
}

static void add(Maker *maker, StatementKind kind, const char *format, ...) {
    Log *log = maker->log;
    va_list arguments;
    if (log->count == maker->room) {
        maker->room = maker->room ? maker->room * 2 : 256;
        Statement *list = realloc(log->list, maker->room * sizeof *list);
        if (!list)
            abort();
        log->list = list;
    }
    va_start(arguments, format);
    char *sql = sqlite3_vmprintf(format, arguments);
    va_end(arguments);
    if (!sql)
        abort();
    log->list[log->count] = (Statement){.sql = sql, .number = (unsigned)log->count, .kind = kind};
    log->count++;
}

/* ---- parts of statements. Each is a short text in a buffer that lives for RING calls more. */

static char *buffer(void) {
    static char ring[RING][700];
    static int at;
    at = (at + 1) % RING;
    return ring[at];
}

static const char *table(Maker *maker) {
    char *text = buffer();
    if (maker->second.exists && one_in(maker, 3))
        snprintf(text, 40, "second%d", maker->second.name);
    else
        snprintf(text, 40, "cache");
    return text;
}

/* Mostly text; the other types, and 7 and 7.0, which are one key, now and then. */
static const char *key(Maker *maker) {
    char *text = buffer();
    /* Few under relaxed coherence, so that what one connection remembers is soon changed by another. */
    unsigned number = below(maker, maker->relaxed ? KEYS / 8 : KEYS);
    switch (below(maker, 12)) {
    case 0:
        snprintf(text, 40, "%u", number % 10);
        break;
    case 1:
        snprintf(text, 40, "%u.0", number % 10);
        break;
    case 2:
        snprintf(text, 40, "x'%02x'", number);
        break;
    case 3:
        snprintf(text, 40, "%u.5", number % 10);
        break;
    default:
        snprintf(text, 40, "'k%02u'", number);
        break;
    }
    return text;
}

static const char *value(Maker *maker) {
    char *text = buffer();
    unsigned number = below(maker, 100000);
    switch (below(maker, 12)) {
    case 0:
        snprintf(text, 40, "NULL");
        break;
    case 1:
        snprintf(text, 40, "%u", number);
        break;
    case 2:
        snprintf(text, 40, "-%u.25", number);
        break;
    case 3:
        snprintf(text, 40, "zeroblob(%u)", number % 300);
        break;
    case 4:
        snprintf(text, 60, "printf('%%0%ud', %u)", number % 6000, number);
        break; /* overflow pages */
    case 5:
        snprintf(text, 40, "''");
        break;
    default:
        snprintf(text, 60, "printf('%%0%ud', %u)", number % 200, number);
        break;
    }
    return text;
}

static const char *deadline(Maker *maker) {
    char *text = buffer();
    switch (below(maker, 8)) {
    case 0:
        snprintf(text, 40, "NULL");
        break;
    case 1:
        snprintf(text, 40, "9e18");
        break; /* never */
    case 2:
        snprintf(text, 40, "%u.5", LOG_TIME - 3000 + below(maker, 6000));
        break;
    default:
        snprintf(text, 40, "%u", LOG_TIME - 3000 + below(maker, 6000));
        break;
    }
    return text;
}

static const char *tag(Maker *maker) {
    static const char *const tags[] = {"NULL", "NULL", "'red'", "'green'", "'blue'", "''"};
    return tags[below(maker, 6)];
}

static const char *row(Maker *maker) {
    char *text = buffer();
    const char *k = key(maker), *v = value(maker), *d = deadline(maker), *t = tag(maker);
    snprintf(text, 700, "(%s, %s, %s, %s)", k, v, d, t);
    return text;
}

static const char *conflict(Maker *maker) {
    static const char *const words[] = {"", "", "OR REPLACE ", "OR REPLACE ", "OR IGNORE ", "OR FAIL ", "OR ABORT "};
    /* OR ROLLBACK ends the transaction where it meets a conflict, which the maker does not know: later BEGINs and COMMITs
    ** fail, on every node alike. */
    return one_in(maker, 60) ? "OR ROLLBACK " : words[below(maker, 7)];
}

/* What an UPDATE or DELETE is about. */
static const char *which(Maker *maker) {
    char *text = buffer();
    const char *a = key(maker), *b = key(maker);
    switch (below(maker, 9)) {
    case 0:
        snprintf(text, 200, "key BETWEEN %s AND %s", a, b);
        break;
    case 1:
        snprintf(text, 200, "key > %s", a);
        break;
    case 2:
        snprintf(text, 200, "key IN (%s, %s, 'none')", a, b);
        break;
    case 3:
        snprintf(text, 200, "tag = %s", tag(maker));
        break;
    case 4:
        snprintf(text, 200, "expires <= %u", LOG_TIME - 3000 + below(maker, 3000));
        break;
    case 5:
        snprintf(text, 200, "key GLOB 'k%u*'", below(maker, KEYS / 10));
        break;
    default:
        snprintf(text, 200, "key = %s", a);
        break;
    }
    return text;
}

/* ---- statements */

static void insert(Maker *maker) {
    const char *name = table(maker), *how = conflict(maker);
    switch (below(maker, 8)) {
    case 0:
        add(maker, STATEMENT_WRITE, "INSERT %sINTO %s(key, value) VALUES(%s, %s)", how, name, key(maker), value(maker));
        break;
    case 1: {
        const char *a = row(maker), *b = row(maker), *c = row(maker);
        add(maker, STATEMENT_WRITE, "INSERT %sINTO %s(key, value, expires, tag) VALUES%s, %s, %s", how, name, a, b, c);
        break;
    }
    case 2: /* many at once: what limits evict in one statement */
        add(maker, STATEMENT_WRITE,
            "WITH RECURSIVE n(i) AS (SELECT %u UNION ALL SELECT i + 7 FROM n LIMIT %u) "
            "INSERT %sINTO %s(key, value, expires) SELECT 'k' || substr('0' || i %% %d, -2), i, %d + i * 13 FROM n",
            below(maker, 50), 10 + below(maker, 60), how, name, KEYS, LOG_TIME - 1000);
        break;
    case 3: /* from one cache into another; the order is the statement's (rule D9) */
        add(maker, STATEMENT_WRITE,
            "INSERT %sINTO %s(key, value, expires, tag) SELECT key || 'c', value, expires, tag FROM %s "
            "WHERE typeof(key) = 'text' AND length(key) < 6 ORDER BY key LIMIT %u",
            how, name, table(maker), below(maker, 8));
        break;
    default:
        add(maker, STATEMENT_WRITE, "INSERT %sINTO %s(key, value, expires, tag) VALUES%s", how, name, row(maker));
        break;
    }
}

static void update(Maker *maker) {
    const char *name = table(maker), *where = which(maker), *how = conflict(maker);
    switch (below(maker, 8)) {
    case 0:
        add(maker, STATEMENT_WRITE, "UPDATE %s SET expires = %s WHERE %s", name, deadline(maker), where);
        break;
    case 1:
        add(maker, STATEMENT_WRITE, "UPDATE %s SET tag = %s WHERE %s", name, tag(maker), where);
        break;
    case 2:
        add(maker, STATEMENT_WRITE, "UPDATE %s%s SET key = %s WHERE %s", how, name, key(maker), where);
        break;
    case 3:
        add(maker, STATEMENT_WRITE, "UPDATE %s SET value = value || 'u', expires = expires + 1 WHERE %s", name, where);
        break;
    case 4:
        /* One row: of many the order would be the planner's, by the statistics that this connection has of `app`. */
        add(maker, STATEMENT_WRITE, "UPDATE %s SET value = app.v FROM app WHERE app.k = %s.key AND app.k = 'k%02u'",
            name, name, below(maker, KEYS));
        break;
    default:
        add(maker, STATEMENT_WRITE, "UPDATE %s SET value = %s WHERE %s", name, value(maker), where);
        break;
    }
}

static void command(Maker *maker) {
    static const char *const settings[] = {"'l1_entries', 0",   "'l1_entries', 5",       "'l1_entries', 1000",
                                           "'l1_bytes', '1K'",  "'l1_ttl', 0",           "'eviction', 's3fifo'",
                                           "'eviction', 'lru'", "'on_error', 'fail'",    "'coherence', 'strict'",
                                           "'ttl', 60",         "'jitter', 0.25",        "'grace', 500",
                                           "'grace', 0",        "'on_error', 'degrade'", "'coherence', 'relaxed'"};
    const char *name = table(maker);
    unsigned time = LOG_TIME - 3000 + below(maker, 3000);
    switch (below(maker, 11)) {
    case 0:
    case 1:
        add(maker, STATEMENT_WRITE, "INSERT INTO %s(%s, expires) VALUES('purge', %u)", name, name, time);
        break;
    case 2:
        add(maker, STATEMENT_WRITE, "INSERT INTO %s(%s, value, expires) VALUES('purge', %u, %u)", name, name,
            below(maker, 6), time);
        break;
    case 3:
        add(maker, STATEMENT_WRITE, "INSERT INTO %s(%s, value) VALUES('l2_entries', %u)", name, name,
            one_in(maker, 3) ? 0 : 10 + below(maker, 40));
        break;
    case 4:
        add(maker, STATEMENT_WRITE, "INSERT INTO %s(%s, value) VALUES('l2_bytes', %u)", name, name,
            one_in(maker, 3) ? 0 : 3000 + below(maker, 9000));
        break;
    case 5:
        add(maker, STATEMENT_WRITE, "INSERT INTO %s(%s) VALUES('%s')", name, name,
            one_in(maker, 4)   ? "clear"
            : one_in(maker, 2) ? "rebuild"
                               : "check");
        break;
    case 6:
        add(maker, STATEMENT_WRITE, "INSERT INTO %s(%s, value) VALUES('clock', '%s')", name, name, maker->clock);
        break;
    default:
        add(maker, STATEMENT_WRITE, "INSERT INTO %s(%s, value) VALUES(%s)", name, name,
            settings[below(maker, sizeof settings / sizeof settings[0] - !maker->relaxed)]);
        break;
    }
}

static void failing(Maker *maker) {
    static const char *const formats[] = {
        "INSERT INTO %s(key, value, ttl) VALUES('t', 1, 60)",
        "UPDATE %s SET ttl = 60 WHERE key GLOB 'k*'",
        "INSERT INTO %s(key, value, expires) VALUES('a', 1, '2030-01-01')",
        "INSERT INTO %s(key, value, tag) VALUES('a', 1, 5)",
        "INSERT INTO %s(key, value) VALUES(NULL, 1)",
        "INSERT INTO %s(key, value, expires, ttl) VALUES('a', 1, 1700000000, 5)",
        "REPLACE INTO %s(key, value) VALUES('f1', 1), ('f2', zeroblob(20000)), (NULL, 3)",
        "INSERT INTO %s(key, value) VALUES('g1', 1), ('g1', 2)",
        "INSERT OR FAIL INTO %s(key, value) VALUES('h1', 1), ('h2', 2), ('h1', 3)",
        "REPLACE INTO %s(key, value) VALUES('big', zeroblob(20000))",
        "INSERT INTO %s(nothing) VALUES(1)",
        "INSERT INTO %s(key, value) VALUES('x'",
        "INSERT INTO %s(key, value) VALUES('j', abs(-9223372036854775808))",
        "CREATE VIRTUAL TABLE cache USING hybrid_cache(clock=caller) -- not %s",
        "CREATE VIRTUAL TABLE %s_more USING hybrid_cache(no_such_option=1)",
    };
    const char *name = table(maker);
    if (one_in(maker, 8))
        add(maker, STATEMENT_OTHER, "INSERT INTO %s(%s) VALUES('%s')", name, name,
            one_in(maker, 2) ? "purge" : "nonsense");
    else
        add(maker, STATEMENT_WRITE, formats[below(maker, sizeof formats / sizeof formats[0])], name);
}

static void read(Maker *maker) {
    const char *name = table(maker), *where = which(maker);
    switch (maker->relaxed ? 0 : below(maker, 3)) {
    case 0:
        add(maker, STATEMENT_READ, "SELECT key, value, expires, tag FROM %s ORDER BY key", name);
        break;
    case 1:
        add(maker, STATEMENT_READ, "SELECT count(*), sum(length(value)) FROM %s WHERE %s", name, where);
        break;
    default:
        add(maker, STATEMENT_READ, "SELECT value, expires FROM %s WHERE %s ORDER BY key", name, where);
        break;
    }
}

static void transaction(Maker *maker) {
    if (maker->depth == 0) {
        maker->before[0] = maker->second;
        maker->depth = 1;
        add(maker, STATEMENT_OTHER, one_in(maker, 2) ? "BEGIN" : "BEGIN IMMEDIATE");
    } else if (maker->depth <= SAVEPOINTS && one_in(maker, 3)) {
        maker->before[maker->depth] = maker->second;
        add(maker, STATEMENT_OTHER, "SAVEPOINT s%d", maker->depth);
        maker->depth++;
    } else if (maker->depth > 1 && !one_in(maker, 3)) {
        if (one_in(maker, 2)) { /* stays open, and may be rolled back to again */
            add(maker, STATEMENT_OTHER, "ROLLBACK TO s%d", maker->depth - 1);
            maker->second = maker->before[maker->depth - 1];
        } else {
            maker->depth--;
            add(maker, STATEMENT_OTHER, "RELEASE s%d", maker->depth);
        }
    } else if (one_in(maker, 4)) {
        add(maker, STATEMENT_OTHER, "ROLLBACK");
        maker->second = maker->before[0];
        maker->depth = 0;
    } else {
        add(maker, STATEMENT_OTHER, "COMMIT");
        maker->depth = 0;
    }
}

static void schema(Maker *maker) {
    static const char *const options[] = {"", ", l2_entries=20", ", l2_bytes=6000, eviction=s3fifo",
                                          ", l1_entries=3, l1_ttl=0", ", l2_entries=15, grace=1000, on_error=degrade"};
    switch (below(maker, 6)) {
    case 0:
        if (maker->second.exists) {
            add(maker, STATEMENT_OTHER, "ALTER TABLE second%d RENAME TO second%d", maker->second.name,
                maker->second.name + 1);
            maker->second.name++;
            break;
        } /* fall through */
    case 1:
        if (maker->second.exists)
            add(maker, STATEMENT_OTHER, "DROP TABLE second%d", maker->second.name);
        else
            add(maker, STATEMENT_OTHER, "CREATE VIRTUAL TABLE second%d USING hybrid_cache(clock=%s%s)",
                maker->second.name, maker->clock, options[below(maker, 5)]);
        maker->second.exists = !maker->second.exists;
        break;
    case 2:
        add(maker, STATEMENT_OTHER, maker->depth || one_in(maker, 2) ? "ANALYZE" : "VACUUM");
        break;
    default: /* the trigger deletes from the cache */
        add(maker, STATEMENT_WRITE, "REPLACE INTO app(k, v) VALUES('k%02u', %s)", below(maker, KEYS), value(maker));
        break;
    }
}

void log_make(Log *log, uint64_t seed, unsigned length, const char *clock) {
    Maker maker = {.log = log, .clock = clock, .random = seed * 7919 + 1, .relaxed = seed % 4 == 0};
    *log = (Log){.seed = seed};
    random_next(&maker.random);
    add(&maker, STATEMENT_OTHER, "CREATE TABLE app(k TEXT PRIMARY KEY, v)");
    add(&maker, STATEMENT_OTHER, "CREATE VIRTUAL TABLE cache USING hybrid_cache(clock=%s%s)", clock,
        one_in(&maker, 2) ? ", l2_entries=40" : "");
    add(&maker, STATEMENT_OTHER,
        "CREATE TRIGGER app_changed AFTER INSERT ON app BEGIN DELETE FROM cache WHERE key = new.k; END");
    if (maker.relaxed)
        add(&maker, STATEMENT_WRITE, "INSERT INTO cache(cache, value) VALUES('coherence', 'relaxed')");
    if (one_in(&maker, 3)) { /* statistics of a small table, which only some connections will know */
        insert(&maker);
        add(&maker, STATEMENT_OTHER, "ANALYZE");
    }
    while (log->count < length) {
        unsigned kind = below(&maker, 100);
        if (kind < 40)
            insert(&maker);
        else if (kind < 56)
            update(&maker);
        else if (kind < 64)
            add(&maker, STATEMENT_WRITE, "DELETE FROM %s WHERE %s", table(&maker), which(&maker));
        else if (kind < 72)
            command(&maker);
        else if (kind < 77)
            failing(&maker);
        else if (kind < 81)
            read(&maker);
        else if (kind < 95)
            transaction(&maker);
        else
            schema(&maker);
    }
    if (maker.depth)
        add(&maker, STATEMENT_OTHER, "COMMIT");
}

void log_free(Log *log) {
    for (size_t i = 0; i < log->count; i++)
        sqlite3_free(log->list[i].sql);
    free(log->list);
    *log = (Log){0};
}
