/*
** The model test's worker: owns some of the connections and carries out the operations sent to it. Every write to a
** cache is repeated on that cache's oracle, a plain table of the same file, by the same connection in the same
*transaction (or,
** outside transactions, right behind it, while the coordinator lets nobody else run); every read is made twice and
*compared.
** A difference ends the process: the report says what differed.
*/
#define _GNU_SOURCE
#include "model.h"

#include <math.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NEVER 253402300799.0
#define STATEMENTS 512 /* prepared statements kept per connection */
#define MAX_ROWS 6
#define SAVEPOINTS 4
#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

static const Config *config;
static Report *report;
static sqlite3_int64 clock_ms;
static uint64_t entropy;

/* ---- values ---- */

typedef struct Val {
    char type; /* i, r, t, b, n */
    int n;
    sqlite3_int64 i;
    double r;
    const void *p;
} Val;

typedef struct Buf {
    char *p;
    size_t n, size;
} Buf;

#define INT(x) ((Val){.type = 'i', .i = (x)})
#define REAL(x) ((Val){.type = 'r', .r = (x)})
#define NUL ((Val){.type = 'n'})
#define VALS(...) (const Val[]){__VA_ARGS__}, (int)(sizeof((const Val[]){__VA_ARGS__}) / sizeof(Val))
#define NO_VALS NULL, 0

#define LITERAL(c, s)                                                                                                  \
    { .type = c, .p = (s), .n = (int)sizeof(s) - 1 }
#define HUNDRED "----------------------------------------------------------------------------------------------------"

static Val text_value(const char *s) {
    return (Val){.type = 't', .p = s, .n = (int)strlen(s)};
}

/* Few keys, so that operations meet; and every pair that a careless comparison would confuse. The first 16 are texts.
 */
static const Val keys[] = {
    LITERAL('t', "k0"),
    LITERAL('t', "k1"),
    LITERAL('t', "k2"),
    LITERAL('t', "k3"),
    LITERAL('t', "k4"),
    LITERAL('t', "k5"),
    LITERAL('t', "k6"),
    LITERAL('t', "k7"),
    LITERAL('t', "user:1"),
    LITERAL('t', "user:2"),
    LITERAL('t', "user:3"),
    LITERAL('t', "user:10"),
    LITERAL('t', "user;"),
    LITERAL('t', "USER:1"),
    LITERAL('t', "1"),
    LITERAL('t', "a"),
    {.type = 'i', .i = 1},
    {.type = 'r', .r = 1.0},
    {.type = 'r', .r = 1.5},
    {.type = 'i', .i = 2},
    {.type = 'i', .i = -1},
    {.type = 'i', .i = 0},
    {.type = 'r', .r = -0.0},
    LITERAL('b', "a"),
    LITERAL('t', ""),
    LITERAL('b', ""),
    LITERAL('t', "a\0b"),
    LITERAL('t', "a\0c"),
    LITERAL('b', "a\0b"),
    {.type = 'i', .i = 9007199254740992},
    {.type = 'i', .i = 9007199254740993},
    {.type = 'r', .r = 9007199254740992.0},
    {.type = 'i', .i = INT64_MAX},
    {.type = 'r', .r = 9223372036854775808.0},
    {.type = 'i', .i = INT64_MIN},
    {.type = 'r', .r = -9223372036854775808.0},
    {.type = 'r', .r = INFINITY},
    LITERAL('t', "\xc3\xa9t\xc3\xa9"),
    LITERAL('t', HUNDRED HUNDRED HUNDRED),
    LITERAL('t', HUNDRED HUNDRED HUNDRED "x"),
};
#define KEYS COUNT(keys)

static const char *const tags[] = {"red", "green", "blue", ""};

/* An integer-valued real and that integer are one key, and either may come back; so both are written as the integer. */
static bool whole(double r, sqlite3_int64 *i) {
    if (!(r >= -9223372036854775808.0 && r < 9223372036854775808.0) || r != floor(r))
        return false;
    *i = (sqlite3_int64)r;
    return true;
}

static Val canonical(Val v) {
    sqlite3_int64 i;
    return v.type == 'r' && whole(v.r, &i) ? INT(i) : v;
}

static bool same_key(int a, int b) {
    Val x = canonical(keys[a]), y = canonical(keys[b]);
    if (x.type != y.type)
        return false;
    if (x.type == 'i')
        return x.i == y.i;
    if (x.type == 'r')
        return !(x.r < y.r) && !(x.r > y.r);
    return x.n == y.n && !memcmp(x.p, y.p, (size_t)x.n);
}

static void append(Buf *b, const void *p, size_t n) {
    if (b->n + n > b->size) {
        b->size = (b->n + n) * 2;
        b->p = realloc(b->p, b->size);
        if (!b->p)
            abort();
    }
    if (n)
        memcpy(b->p + b->n, p, n);
    b->n += n;
}

static bool same_bytes(const Buf *a, const Buf *b) {
    return a->n == b->n && (a->n == 0 || memcmp(a->p, b->p, a->n) == 0); /* an empty one need not point anywhere */
}

/* ---- connections ---- */

typedef struct Statement {
    char *sql;
    sqlite3_stmt *stmt;
} Statement;

/* What the planted faults of --plain get wrong: a memory of values that were read. */
typedef struct Memo {
    bool set;
    double expires;
    Buf value;
} Memo;

typedef struct Conn {
    int number;
    sqlite3 *db; /* NULL: closed */
    Statement statements[STATEMENTS];
    int depth;            /* open savepoints s0, s1, ... */
    int cache;            /* the operation's cache: what $C, $O, ... stand for */
    bool plain_target;    /* $O stands for the cache itself, a plain table */
    sqlite3_stmt *cursor; /* left open between operations */
    const void *held;     /* the bytes of its row ... */
    Buf held_copy;        /* ... as they were when it was opened */
    struct {              /* a look-up in a transaction, whose oracle is asked one operation later */
        bool set;
        int cache, key;
        sqlite3_int64 now;
        Buf got;
    } lag;
    Memo memo[CACHES][KEYS];
    sqlite3_int64 memo_version[CACHES];
} Conn;

static Conn conns[MAX_CONNS];
static const Op *current;
static const char *last_sql;

static const char *const schemas[CACHES] = {"main", "main", "aux"};
static const char *const caches[CACHES] = {"cache", "cache2", "cache3"};
static const char *const oracles[CACHES] = {"oracle", "oracle2", "oracle3"};
static const char *const function_names[CACHES] = {"'cache'", "'main.cache2'", "'aux.cache3'"};

/* Ends the process with a message. */
static _Noreturn void fail(const Conn *c, const char *format, ...) {
    char *p = report->message, *end = p + sizeof report->message;
    va_list list;
    p += snprintf(p, (size_t)(end - p), "c%d %s: ", c->number, kind_names[current->kind]);
    va_start(list, format);
    p += vsnprintf(p, (size_t)(end - p), format, list);
    va_end(list);
    if (p < end && last_sql)
        p += snprintf(p, (size_t)(end - p), "\n--   in: %s", last_sql);
    if (p < end && c->db)
        snprintf(p, (size_t)(end - p), "\n--   sqlite: %s", sqlite3_errmsg(c->db));
    report->failed = true;
    fflush(stdout);
    _exit(3);
}

static double now(void) {
    return (double)clock_ms / 1000.0;
}
static bool is_busy(int rc) {
    return (rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED;
}
static bool in_transaction(const Conn *c) {
    return !sqlite3_get_autocommit(c->db);
}
static bool quiet(const Conn *c) {
    return !in_transaction(c) && !c->cursor;
}
static bool busy(const Op *op) {
    return report->busy[op->kind]++, false;
}
static bool skip(const Op *op) {
    return report->skipped[op->kind]++, false;
}

static int interrupt_after;
static int on_progress(void *unused) {
    (void)unused;
    return --interrupt_after < 0;
}

/* $C schema.cache  $B cache  $N the name for the functions  $O schema.oracle  $S schema. The result is good until the
 * next call. */
static const char *expand(const Conn *c, const char *template) {
    static char sql[6000];
    char *p = sql, *end = sql + sizeof sql;
    int k = c->cache;
    for (const char *t = template; *t && p < end - 1; t++) {
        if (*t != '$') {
            *p++ = *t;
            continue;
        }
        size_t room = (size_t)(end - p);
        switch (*++t) {
        case 'C':
            p += snprintf(p, room, "%s.%s", schemas[k], caches[k]);
            break;
        case 'B':
            p += snprintf(p, room, "%s", caches[k]);
            break;
        case 'N':
            p += snprintf(p, room, "%s", function_names[k]);
            break;
        case 'O':
            p += snprintf(p, room, "%s.%s", schemas[k], c->plain_target ? caches[k] : oracles[k]);
            break;
        case 'S':
            p += snprintf(p, room, "%s", schemas[k]);
            break;
        case '.': /* of a JSON path */
            p += snprintf(p, room, "$.");
            break;
        default:
            abort();
        }
    }
    if (p >= end)
        abort();
    *p = 0;
    return sql;
}

static sqlite3_stmt *prepare(Conn *c, const char *sql, int *rc) {
    uint32_t hash = 2166136261u;
    for (const char *p = sql; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 16777619u;
    Statement *s = &c->statements[(hash ^ (hash >> 15)) % STATEMENTS];
    *rc = SQLITE_OK;
    if (!s->sql || strcmp(s->sql, sql) != 0) {
        sqlite3_finalize(s->stmt);
        free(s->sql);
        s->sql = strdup(sql);
        *rc = sqlite3_prepare_v3(c->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->stmt, NULL);
        if (*rc) {
            free(s->sql);
            *s = (Statement){0};
        }
    }
    last_sql = s->sql ? s->sql : sql;
    return s->stmt;
}

static void bind(sqlite3_stmt *stmt, int i, const Val *v) {
    switch (v->type) {
    case 'i':
        sqlite3_bind_int64(stmt, i, v->i);
        break;
    case 'r':
        sqlite3_bind_double(stmt, i, v->r);
        break;
    case 't':
        sqlite3_bind_text(stmt, i, v->p, v->n, SQLITE_STATIC);
        break;
    case 'b':
        sqlite3_bind_blob(stmt, i, v->n ? v->p : "", v->n, SQLITE_STATIC);
        break;
    default:
        sqlite3_bind_null(stmt, i);
    }
}

/* ?1 is the clock wherever it occurs, values follow from ?2. */
static void bind_all(sqlite3_stmt *stmt, const Val *v, int n) {
    int has = sqlite3_bind_parameter_count(stmt);
    Val t = REAL(now());
    if (has)
        bind(stmt, 1, &t);
    for (int i = 0; i < n && i + 2 <= has; i++)
        bind(stmt, i + 2, &v[i]);
}

/* Appends one column: its type, its length, its bytes. spec: v exact, k a key, e a time in milliseconds. */
static void append_column(Buf *out, sqlite3_stmt *stmt, int i, char spec) {
    char type = "?irtbn"[sqlite3_column_type(stmt, i)];
    sqlite3_int64 integer = 0;
    double real = 0;
    const void *p = NULL;
    uint32_t n = 0;
    if (type == 'i')
        integer = sqlite3_column_int64(stmt, i);
    if (type == 'r')
        real = sqlite3_column_double(stmt, i);
    if (spec == 'e' && (type == 'i' || type == 'r')) {
        integer = llround(sqlite3_column_double(stmt, i) * 1000);
        type = 'i';
    }
    if (spec == 'k' && type == 'r' && whole(real, &integer))
        type = 'i';
    switch (type) {
    case 'i':
        p = &integer, n = sizeof integer;
        break;
    case 'r':
        p = &real, n = sizeof real;
        break;
    case 't':
        p = sqlite3_column_text(stmt, i), n = (uint32_t)sqlite3_column_bytes(stmt, i);
        break;
    case 'b':
        p = sqlite3_column_blob(stmt, i), n = (uint32_t)sqlite3_column_bytes(stmt, i);
        break;
    default:
        break;
    }
    append(out, &type, 1);
    append(out, &n, sizeof n);
    append(out, p, n);
}

/* For messages: what append_column wrote. */
static const char *describe(const Buf *b, char *text, size_t size) {
    char *p = text, *end = text + size;
    *p = 0;
    for (size_t at = 0; at + 5 <= b->n && p < end - 120;) {
        uint32_t n;
        char type = b->p[at];
        const char *bytes = b->p + at + 5;
        memcpy(&n, b->p + at + 1, sizeof n);
        at += 5 + n;
        size_t room = (size_t)(end - p);
        if (type == '|')
            p += snprintf(p, room, "; ");
        else if (type == 'n')
            p += snprintf(p, room, "NULL ");
        else if (type == 'i') {
            sqlite3_int64 i;
            memcpy(&i, bytes, sizeof i);
            p += snprintf(p, room, "%lld ", (long long)i);
        } else if (type == 'r') {
            double r;
            memcpy(&r, bytes, sizeof r);
            p += snprintf(p, room, "%.17g ", r);
        } else
            p += snprintf(p, room, "%s'%.*s'(%u) ", type == 'b' ? "x" : "", (int)(n < 40 ? n : 40), bytes, n);
    }
    return text;
}

static bool untraced; /* the harness's own tables are no news */

static void trace(const Conn *c, sqlite3_stmt *stmt, int rc, const Buf *out, size_t from) {
    char text[400];
    if (untraced)
        return;
    char *sql = sqlite3_expanded_sql(stmt);
    size_t length = sql ? strlen(sql) : 0;
    printf("#%u t=%.2f c%d: %.*s%s;", current->index, now(), c->number, (int)(length < 500 ? length : 500),
           sql ? sql : "", length > 500 ? "..." : "");
    if (rc != SQLITE_OK && rc != SQLITE_DONE)
        printf(" -- error %d: %s", sqlite3_extended_errcode(c->db), sqlite3_errmsg(c->db));
    if (out) {
        Buf part = {.p = out->p ? out->p + from : NULL, .n = out->n - from};
        printf(" -- %s", describe(&part, text, sizeof text));
    }
    printf("\n");
    fflush(stdout);
    sqlite3_free(sql);
}

/* Runs one statement to its end, appending its rows to `out` as `spec` says, one letter per column. */
static int run(Conn *c, const char *template, const Val *v, int n, const char *spec, Buf *out) {
    int rc;
    sqlite3_stmt *stmt = prepare(c, expand(c, template), &rc);
    size_t from = out ? out->n : 0;
    if (rc) {
        if (config->trace)
            printf("#%u t=%.2f c%d: %s; -- error %d: %s\n", current->index, now(), c->number, last_sql, rc,
                   sqlite3_errmsg(c->db));
        return rc;
    }
    bind_all(stmt, v, n);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        if (!out)
            continue;
        append(out, "|\0\0\0\0", 5);
        for (int i = 0; spec[i]; i++)
            append_column(out, stmt, i, spec[i]);
    }
    if (config->trace)
        trace(c, stmt, rc, out, from);
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int simple(Conn *c, const char *sql) {
    return run(c, sql, NO_VALS, NULL, NULL);
}

/* A query of the harness itself for one number. */
static int number(Conn *c, const char *sql, const Val *v, int n, double *out) {
    int rc;
    sqlite3_stmt *stmt = prepare(c, expand(c, sql), &rc);
    if (rc)
        return rc;
    bind_all(stmt, v, n);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_double(stmt, 0);
    sqlite3_reset(stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static void forget_memo(Conn *c) {
    for (int i = 0; i < CACHES; i++) {
        for (int j = 0; j < KEYS; j++)
            c->memo[i][j].set = false;
    }
}

static void close_cursor(Conn *c) {
    sqlite3_finalize(c->cursor);
    c->cursor = NULL;
    c->held = NULL;
}

static void add_statistics(Conn *c) {
    double found, hits;
    for (c->cache = 0; c->cache < CACHES && !config->plain; c->cache++) {
        found = hits = 0;
        if (number(c, "SELECT json_extract(hybrid_cache_stats($N), '$.l2_hits')", NO_VALS, &found) == SQLITE_OK &&
            number(c, "SELECT json_extract(hybrid_cache_stats($N), '$.l1_hits')", NO_VALS, &hits) == SQLITE_OK) {
            report->found += (uint64_t)(found + hits);
            report->l1_hits += (uint64_t)hits;
        }
    }
}

static void close_conn(Conn *c) {
    if (!c->db)
        return;
    close_cursor(c);
    if (in_transaction(c))
        simple(c, "ROLLBACK");
    add_statistics(c);
    for (int i = 0; i < STATEMENTS; i++) {
        sqlite3_finalize(c->statements[i].stmt);
        free(c->statements[i].sql);
        c->statements[i] = (Statement){0};
    }
    if (config->trace)
        printf("#%u c%d: -- close\n", current->index, c->number);
    last_sql = "sqlite3_close";
    if (sqlite3_close(c->db) != SQLITE_OK)
        fail(c, "close: a statement is still open");
    c->db = NULL;
    c->depth = 0;
    c->lag.set = false;
    forget_memo(c);
}

/* False: another connection has the files to itself. */
static bool open_conn(Conn *c) {
    char path[600];
    char *message = NULL;
    if (c->db)
        return true;
    last_sql = "open";
    snprintf(path, sizeof path, "%s/main.db", config->dir);
    if (sqlite3_open(path, &c->db) != SQLITE_OK)
        fail(c, "cannot open %s", path);
    sqlite3_extended_result_codes(c->db, 1);
    if (!config->plain) {
        sqlite3_db_config(c->db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
        if (sqlite3_load_extension(c->db, config->extension, NULL, &message) != SQLITE_OK)
            fail(c, "%s: %s", config->extension, message);
    }
    snprintf(path, sizeof path, "ATTACH '%s/aux.db' AS aux", config->dir);
    int rc = sqlite3_exec(c->db, path, NULL, NULL, NULL);
    if (is_busy(rc)) {
        sqlite3_close(c->db);
        c->db = NULL;
        return false;
    }
    if (rc)
        fail(c, "attach: %d", rc);
    if (sqlite3_exec(c->db, "PRAGMA main.synchronous=OFF; PRAGMA aux.synchronous=OFF; PRAGMA case_sensitive_like=ON",
                     NULL, NULL, NULL) != SQLITE_OK) {
        fail(c, "pragma");
    }
    if (config->trace)
        printf("#%u c%d: -- open\n", current->index, c->number);
    return true;
}

/* ---- reading and comparing ---- */

/* Reads from the cache and from the oracle; a difference is the end. In between nobody else may run, so both see one
 * state. */
static bool compare(Conn *c, const Op *op, const char *cache_sql, const char *oracle_sql, const Val *v, int n,
                    const char *spec) {
    static Buf got, want;
    char text[2][1200];
    int rc, rc_oracle;
    got.n = want.n = 0;
    c->plain_target = config->plain;
    rc = run(c, config->plain ? oracle_sql : cache_sql, v, n, spec, &got);
    const char *sql = last_sql;
    c->plain_target = false;
    rc_oracle = run(c, oracle_sql, v, n, spec, &want);
    last_sql = sql;
    if (is_busy(rc_oracle))
        return busy(op); /* then the functions may miss and a SELECT may be busy */
    if (rc_oracle)
        fail(c, "the oracle cannot be read: %d", rc_oracle);
    if (rc)
        fail(c, "error %d", rc);
    report->compared++;
    if (!same_bytes(&got, &want)) {
        report->difference = true;
        fail(c, "at %.2f %s key %s\n--   cache:  %s\n--   oracle: %s", now(), caches[c->cache],
             n && v[0].type == 't' ? (const char *)v[0].p : "", describe(&got, text[0], sizeof text[0]),
             describe(&want, text[1], sizeof text[1]));
    }
    return true;
}

static int random_below(uint64_t *r, int n) {
    return (int)((next_random(r) >> 33) % (uint64_t)n);
}

static int random_key(uint64_t *r) {
    static const int hot[] = {3, 10, KEYS};
    return random_below(r, hot[random_below(r, COUNT(hot))]);
}

/* A value that no other operation writes, mostly small. `big` asks for one that needs new pages. */
static Val random_value(uint64_t *r, bool big) {
    static char room[MAX_ROWS + 1][60000];
    static int turn;
    char *p = room[turn++ % (MAX_ROWS + 1)];
    int kind = random_below(r, 40);
    Val v = {.p = p};
    if (big)
        kind = 38;
    v.n = snprintf(p, 40, "v%u.%d", current->index, random_below(r, 1000));
    if (kind < 2)
        return NUL;
    if (kind < 10)
        return INT((sqlite3_int64)current->index * 1000 + random_below(r, 1000));
    if (kind < 14)
        return REAL(current->index + random_below(r, 1000) / 1000.0);
    v.type = kind % 2 ? 't' : 'b';
    if (kind >= 38) { /* some pages, now and then more than a tenth of a small L1 */
        int size = 300 + random_below(r, big || random_below(r, 8) == 0 ? 50000 : 4000);
        memset(p + v.n, 'x', (size_t)(size - v.n));
        v.n = size;
    } else if (kind == 37)
        v.n = 0;
    return v;
}

static Val random_tag(uint64_t *r) {
    int i = random_below(r, 8);
    return i < COUNT(tags) ? text_value(tags[i]) : NUL;
}

static double random_ttl(uint64_t *r) {
    static const double ttl[] = {0.25, 0.5, 1, 1, 2, 2, 5, 5, 30, 30, 300, 300, 300, 0, 0, -1};
    return ttl[random_below(r, COUNT(ttl))];
}

static double random_deadline(uint64_t *r) {
    switch (random_below(r, 12)) {
    case 0:
        return NEVER;
    case 1:
        return INFINITY;
    case 2:
        return now(); /* over at this very moment */
    default: {
        double ttl = random_ttl(r);
        return ttl > 0 || ttl < 0 ? now() + ttl : now() + 1000;
    }
    }
}

static double after(double ttl) {
    return ttl > 0 || ttl < 0 ? now() + ttl : NEVER;
}
static double clamp(double deadline) {
    return deadline < NEVER ? deadline : NEVER;
}

#define ALIVE "expires>?1"

/* A look-up as the planted faults do it: from the memory that they fail to clear. */
static bool memo_get(Conn *c, const Op *op, int key) {
    static Buf got, want;
    Memo *m = &c->memo[op->cache][key];
    double version = 0, expires = 0;
    if (config->plant != PLANT_FOREIGN) {
        if (number(c, "PRAGMA $S.data_version", NO_VALS, &version) != SQLITE_OK)
            return busy(op);
        if (c->memo_version[op->cache] != (sqlite3_int64)version)
            forget_memo(c);
        c->memo_version[op->cache] = (sqlite3_int64)version;
    }
    want.n = got.n = 0;
    int rc = run(c, "SELECT value FROM $O WHERE key=?2 AND " ALIVE, VALS(keys[key]), "v", &want);
    if (is_busy(rc))
        return busy(op);
    if (m->set && (config->plant == PLANT_TTL || m->expires > now())) {
        append(&got, m->value.p, m->value.n);
    } else {
        append(&got, want.p, want.n);
        number(c, "SELECT expires FROM $O WHERE key=?2 AND " ALIVE, VALS(keys[key]), &expires);
        m->set = want.n > 0;
        m->expires = expires;
        m->value.n = 0;
        append(&m->value, want.p, want.n);
    }
    report->difference = !same_bytes(&got, &want);
    if (report->difference)
        fail(c, "the stand-in's memory differs from the table");
    return true;
}

static bool op_get(Conn *c, const Op *op, int key) {
    if (config->plain && config->plant)
        return memo_get(c, op, key);
    return compare(c, op, "SELECT hybrid_cache_get($N, ?2)", "SELECT (SELECT value FROM $O WHERE key=?2 AND " ALIVE ")",
                   VALS(keys[key]), "v");
}

/* The oracle keeps a row that is in doubt (`loose`): whether a deadline set in the past leaves something in its grace
 * is open. */
static bool op_stale(Conn *c, const Op *op, int key) {
    static Buf got, want;
    char text[2][600];
    double loose = 0;
    if (config->plain)
        return skip(op);
    got.n = want.n = 0;
    int rc = run(c, "SELECT hybrid_cache_stale($N, ?2)", VALS(keys[key]), "v", &got);
    const char *sql = last_sql;
    int rc_oracle = run(c, "SELECT (SELECT value FROM $O WHERE key=?2 AND expires>?1-?3)",
                        VALS(keys[key], INT(config->grace)), "v", &want);
    if (rc_oracle == SQLITE_OK) {
        rc_oracle = number(c, "SELECT loose FROM $O WHERE key=?2 AND expires<=?1", VALS(keys[key]), &loose);
    }
    last_sql = sql;
    if (is_busy(rc_oracle))
        return busy(op);
    if (rc || rc_oracle)
        fail(c, "error %d, oracle %d", rc, rc_oracle);
    report->compared++;
    if (loose > 0 && got.n == 10 && got.p[5] == 'n')
        return true;
    if (!same_bytes(&got, &want)) {
        report->difference = true;
        fail(c, "at %.2f\n--   cache:  %s\n--   oracle: %s", now(), describe(&got, text[0], sizeof text[0]),
             describe(&want, text[1], sizeof text[1]));
    }
    return true;
}

/* In a transaction, asks the cache now and the oracle one operation later: the look-up itself has to fix the snapshot.
 */
static bool op_lag(Conn *c, const Op *op, int key) {
    if (!in_transaction(c) || config->plain || !config->lag)
        return skip(op);
    c->lag.got.n = 0;
    if (run(c, "SELECT hybrid_cache_get($N, ?2)", VALS(keys[key]), "v", &c->lag.got))
        fail(c, "error");
    c->lag.cache = op->cache;
    c->lag.key = key;
    c->lag.now = clock_ms;
    /* Without a snapshot a NULL may be the miss of a busy file. */
    c->lag.set = sqlite3_txn_state(c->db, schemas[op->cache]) != SQLITE_TXN_NONE || c->lag.got.p[5] != 'n';
    return true;
}

static void settle_lag(Conn *c) {
    static Buf want;
    char text[2][600];
    sqlite3_int64 present = clock_ms;
    if (!c->lag.set)
        return;
    c->lag.set = false;
    if (!in_transaction(c))
        return;
    c->cache = c->lag.cache;
    clock_ms = c->lag.now;
    want.n = 0;
    int rc = run(c, "SELECT (SELECT value FROM $O WHERE key=?2 AND " ALIVE ")", VALS(keys[c->lag.key]), "v", &want);
    clock_ms = present;
    if (is_busy(rc))
        return;
    report->compared++;
    if (rc || !same_bytes(&want, &c->lag.got)) {
        report->difference = true;
        fail(c, "an earlier look-up in this transaction did not see its snapshot\n--   cache:  %s\n--   oracle: %s",
             describe(&c->lag.got, text[0], sizeof text[0]), describe(&want, text[1], sizeof text[1]));
    }
}

static bool op_range(Conn *c, const Op *op, uint64_t *r) {
    static const char *const where[] = {"key>=?2 AND key<?3",
                                        "key>?2",
                                        "key<=?2",
                                        "key BETWEEN ?2 AND ?3",
                                        "key>?2 AND key<=?3 AND tag=?4",
                                        "key=?2 COLLATE NOCASE",
                                        "key IS ?2",
                                        "key=?2 OR key=?3",
                                        "key>=?2 AND value IS NOT NULL"};
    static const char *const order[] = {"ORDER BY key", "ORDER BY key DESC", "ORDER BY key LIMIT 3",
                                        "ORDER BY expires, key"};
    char a[400], b[400];
    int i = random_below(r, COUNT(where)), j = random_below(r, COUNT(order));
    snprintf(a, sizeof a, "SELECT key, value, expires, tag FROM $C WHERE %s %s", where[i], order[j]);
    snprintf(b, sizeof b, "SELECT key, value, expires, tag FROM $O WHERE (%s) AND " ALIVE " %s", where[i], order[j]);
    return compare(c, op, a, b, VALS(keys[random_key(r)], keys[random_key(r)], random_tag(r)), "kvev");
}

/* Looks at every key through the functions, so through the L1. */
static bool sweep(Conn *c, const Op *op) {
    if (config->plain) {
        for (int key = 0; key < KEYS; key++) {
            if (!op_get(c, op, key))
                return false;
        }
        return true;
    }
    return compare(c, op, "SELECT key, hybrid_cache_get($N, key) FROM $O ORDER BY key",
                   "SELECT key, CASE WHEN " ALIVE " THEN value END FROM $O ORDER BY key", NO_VALS, "kv");
}

static bool op_read(Conn *c, const Op *op, uint64_t *r) {
    int key = random_key(r);
    Val k = keys[key];
    switch (op->kind) {
    case OP_GET:
        return op_get(c, op, key);
    case OP_STALE:
        return op_stale(c, op, key);
    case OP_LAG:
        return op_lag(c, op, key);
    case OP_GET_DEFAULT:
        return compare(c, op, "SELECT hybrid_cache_get($N, ?2, 'none')",
                       "SELECT CASE WHEN EXISTS(SELECT 1 FROM $O WHERE key=?2 AND " ALIVE
                       ") THEN (SELECT value FROM $O WHERE key=?2) ELSE 'none' END",
                       VALS(k), "v");
    case OP_HAS:
        return compare(c, op, "SELECT hybrid_cache_has($N, ?2)",
                       "SELECT EXISTS(SELECT 1 FROM $O WHERE key=?2 AND " ALIVE ")", VALS(k), "v");
    case OP_TTL:
        return compare(
            c, op, random_below(r, 4) ? "SELECT hybrid_cache_ttl($N, ?2)" : "SELECT (SELECT ttl FROM $C WHERE key=?2)",
            "SELECT (SELECT iif(expires>=253402300799, 0, expires-?1) FROM $O WHERE key=?2 AND " ALIVE ")", VALS(k),
            "e");
    case OP_TIER:
        return compare(c, op, "SELECT coalesce(hybrid_cache_tier($N, ?2) IN (1, 2), 0)",
                       "SELECT EXISTS(SELECT 1 FROM $O WHERE key=?2 AND " ALIVE ")", VALS(k), "v");
    case OP_GET_ALL:
        return sweep(c, op);
    case OP_SELECT_KEY:
        return compare(c, op, "SELECT key, value, expires, tag FROM $C WHERE key=?2",
                       "SELECT key, value, expires, tag FROM $O WHERE key=?2 AND " ALIVE, VALS(k), "kvev");
    case OP_SELECT_IN:
        return compare(c, op, "SELECT key, value FROM $C WHERE key IN (?2, ?3, ?4, ?2) ORDER BY key",
                       "SELECT key, value FROM $O WHERE key IN (?2, ?3, ?4, ?2) AND " ALIVE " ORDER BY key",
                       VALS(k, keys[random_key(r)], keys[random_key(r)]), "kv");
    case OP_SELECT_RANGE:
        return op_range(c, op, r);
    case OP_SELECT_TAG:
        return compare(c, op, "SELECT key, value FROM $C WHERE tag IS ?2 ORDER BY key",
                       "SELECT key, value FROM $O WHERE tag IS ?2 AND " ALIVE " ORDER BY key", VALS(random_tag(r)),
                       "kv");
    case OP_SELECT_LIKE:
        if (random_below(r, 2)) {
            return compare(c, op, "SELECT key, value FROM $C WHERE key GLOB 'user:*' ORDER BY key",
                           "SELECT key, value FROM $O WHERE key GLOB 'user:*' AND " ALIVE " ORDER BY key", NO_VALS,
                           "kv");
        }
        return compare(c, op, "SELECT key, value FROM $C WHERE key LIKE 'k%' ORDER BY key",
                       "SELECT key, value FROM $O WHERE key LIKE 'k%' AND " ALIVE " ORDER BY key", NO_VALS, "kv");
    case OP_SELECT_EXPIRES:
        return compare(c, op, "SELECT key, expires FROM $C WHERE expires<?2 ORDER BY expires, key",
                       "SELECT key, expires FROM $O WHERE expires<?2 AND " ALIVE " ORDER BY expires, key",
                       VALS(REAL(now() + random_ttl(r))), "ke");
    case OP_SCAN:
        return compare(c, op, "SELECT key, value, expires, tag FROM $C ORDER BY key",
                       "SELECT key, value, expires, tag FROM $O WHERE " ALIVE " ORDER BY key", NO_VALS, "kvev");
    case OP_COUNT:
        return compare(c, op, "SELECT count(*), count(value), count(tag) FROM $C",
                       "SELECT count(*), count(value), count(tag) FROM $O WHERE " ALIVE, NO_VALS, "vvv");
    case OP_JOIN:
        return compare(c, op, "SELECT o.key, c.value, c.tag FROM $O o JOIN $C c ON c.key=o.key ORDER BY o.key",
                       "SELECT key, value, tag FROM $O WHERE " ALIVE " ORDER BY key", NO_VALS, "kvv");
    case OP_JSON_JOIN:
        return compare(c, op,
                       "SELECT j.key, c.value FROM json_each('[\"k0\",\"k1\",\"user:1\",1,\"1\"]') j JOIN $C c ON "
                       "c.key=j.value ORDER BY j.key",
                       "SELECT j.key, c.value FROM json_each('[\"k0\",\"k1\",\"user:1\",1,\"1\"]') j JOIN $O c ON "
                       "c.key=j.value WHERE " ALIVE " ORDER BY j.key",
                       NO_VALS, "vv");
    case OP_STATISTICS:
        if (config->plain)
            return skip(op);
        return compare(c, op,
                       "SELECT iif(direct, 0, json_extract(s, '$.l2_count')), iif(direct, 0, json_extract(s, "
                       "'$.l2_bytes')) FROM (SELECT hybrid_cache_stats($N) AS s), $O_ttl",
                       "SELECT iif(direct, 0, (SELECT count(*) FROM $C_data)), iif(direct, 0, (SELECT "
                       "coalesce(sum(size), 0) FROM $C_data)) FROM $O_ttl",
                       NO_VALS, "vv");
    default: /* OP_OPTION_READ */
        if (config->plain)
            return skip(op);
        return compare(c, op, "SELECT hybrid_cache_option($N, 'ttl')", "SELECT ttl FROM $O_ttl", NO_VALS, "e");
    }
}

/* ---- writing ---- */

typedef struct Write {
    bool wrapped;   /* the operation has a transaction of its own */
    bool roll_back; /* ... and ends it by ROLLBACK */
    bool interrupt; /* the cache's statement is interrupted after so many steps */
    bool full;      /* the file may not grow during the cache's statement, and the values are big */
    bool unsure;    /* interrupted, but done all the same: its result means nothing */
} Write;

static int changes;          /* of the cache's last statement */
static char error_text[300]; /* its message */

/* Starts a write: by itself, or in a transaction of its own. Now and then arms a fault. */
static bool begin_write(Conn *c, const Op *op, uint64_t *r, Write *w) {
    *w = (Write){0};
    if (!in_transaction(c)) {
        int how = random_below(r, 5);
        /* With grace or a limit on L2 the oracle writes where the cache does not, and could be busy alone. */
        if (how >= 3 || config->grace || config->l2_entries) {
            int rc = simple(c, how == 3 ? "BEGIN" : "BEGIN IMMEDIATE");
            if (is_busy(rc))
                return busy(op);
            if (rc)
                fail(c, "begin: %d", rc);
            w->wrapped = true;
            w->roll_back = random_below(r, 6) == 0;
        }
    }
    int dice = random_below(r, 100);
    w->interrupt = dice == 0 && !config->grace;
    w->full = dice == 1;
    interrupt_after = random_below(r, 200);
    return true;
}

/* The cache's part of a write, under the fault that was drawn for it. */
static int run_cache(Conn *c, const Write *w, const char *sql, const Val *v, int n) {
    if (w->interrupt)
        sqlite3_progress_handler(c->db, 1, on_progress, NULL);
    if (w->full)
        simple(c, "PRAGMA $S.max_page_count=1"); /* that is: as many as there are */
    int rc = run(c, sql, v, n, NULL, NULL), code = sqlite3_extended_errcode(c->db);
    changes = sqlite3_changes(c->db);
    snprintf(error_text, sizeof error_text, "%s", rc ? sqlite3_errmsg(c->db) : "");
    const char *text = last_sql;
    if (w->interrupt)
        sqlite3_progress_handler(c->db, 0, NULL, NULL);
    if (w->full)
        simple(c, "PRAGMA $S.max_page_count=1073741823");
    last_sql = text;
    return rc ? code : rc;
}

static bool is_wal(Conn *c) {
    int rc;
    sqlite3_stmt *stmt = prepare(c, expand(c, "PRAGMA $S.journal_mode"), &rc);
    bool wal = !rc && sqlite3_step(stmt) == SQLITE_ROW && !strcmp((const char *)sqlite3_column_text(stmt, 0), "wal");
    sqlite3_reset(stmt);
    return wal;
}

/* Whether cache and oracle hold the same entries now. */
static bool equal(Conn *c) {
    static Buf got, want;
    got.n = want.n = 0;
    c->plain_target = config->plain;
    int rc = run(c,
                 config->plain ? "SELECT key, value, expires, tag FROM $O WHERE expires>?1 ORDER BY key"
                               : "SELECT key, value, expires, tag FROM $C ORDER BY key",
                 NO_VALS, "kvev", &got);
    if (!rc && !config->plain)
        rc = run(c, "SELECT hybrid_cache_option($N, 'ttl')", NO_VALS, "e", &got);
    c->plain_target = false;
    if (!rc)
        rc = run(c, "SELECT key, value, expires, tag FROM $O WHERE expires>?1 ORDER BY key", NO_VALS, "kvev", &want);
    if (!rc && !config->plain)
        rc = run(c, "SELECT ttl FROM $O_ttl", NO_VALS, "e", &want);
    if (is_busy(rc))
        return true; /* another one is about to commit, so this connection cannot have */
    if (rc)
        fail(c, "after an interrupt: %d", rc);
    return same_bytes(&got, &want);
}

/*
** After the cache's part: true if it failed in a way that leaves nothing to mirror. An interrupt is no proof of that:
*when
** SQLite asks the progress handler a last time after the statement's end (and commit), it reports SQLITE_INTERRUPT for
*what is done.
*/
static bool write_failed(Conn *c, const Op *op, Write *w, int *rc) {
    const char *sql = last_sql;
    if (*rc == SQLITE_OK || (*rc & 0xff) == SQLITE_CONSTRAINT)
        return false;
    if (w->interrupt || w->full) {
        report->interrupted++;
        if (*rc == SQLITE_INTERRUPT && !equal(c)) {
            w->unsure = true;
            *rc = SQLITE_OK;
            return false;
        }
    } else if (is_busy(*rc)) {
        busy(op);
        if (is_wal(c)) { /* in WAL mode whatever keeps the cache from writing keeps the oracle from it */
            int oracle = simple(c, "DELETE FROM $O WHERE 0");
            last_sql = sql;
            if (!is_busy(oracle))
                fail(c, "the cache is busy (%d), the oracle is not (%d)", *rc, oracle);
        }
    } else {
        fail(c, "error %d: %s", *rc, error_text);
    }
    if (w->wrapped && in_transaction(c))
        simple(c, "ROLLBACK");
    return true;
}

static void end_write(Conn *c, const Op *op, const Write *w) {
    report->done[op->kind]++;
    if (!w->wrapped || !in_transaction(c))
        return;
    int rc = simple(c, w->roll_back ? "ROLLBACK" : "COMMIT");
    if (is_busy(rc)) {
        report->busy[op->kind]++;
        rc = simple(c, "ROLLBACK");
    }
    if (rc)
        fail(c, "end of transaction: %d", rc);
}

/* The oracle's part has to succeed: the cache's just did, and nobody else ran in between. Returns the number of rows.
 */
static int mirror(Conn *c, const char *sql, const Val *v, int n) {
    int rc = run(c, sql, v, n, NULL, NULL);
    if (rc)
        fail(c, "the oracle refuses what the cache accepted: %d", rc);
    return sqlite3_changes(c->db);
}

/* Several statements of the oracle as one. */
static bool mirror_begin(Conn *c) {
    if (in_transaction(c))
        return false;
    mirror(c, "BEGIN", NO_VALS); /* (IMMEDIATE would lock the attached file as well) */
    return true;
}

static void mirror_end(Conn *c, bool begun) {
    if (begun)
        mirror(c, "COMMIT", NO_VALS);
}

static bool is_live(Conn *c, int key, int *rc) {
    double n = 0;
    *rc = number(c, "SELECT count(*) FROM $O WHERE key=?2 AND " ALIVE, VALS(keys[key]), &n);
    return n > 0;
}

static double default_ttl(Conn *c, int *rc) {
    double ttl = 0;
    *rc = number(c, "SELECT ttl FROM $O_ttl", NO_VALS, &ttl);
    return ttl;
}

typedef struct Row {
    int key;
    Val value, ttl, expires, tag;
    double deadline;
} Row;

typedef enum Policy { PLAIN_INSERT, ABORT, FAIL, IGNORE, REPLACE, ROLL_BACK } Policy;
static const char *const policies[] = {"", " OR ABORT", " OR FAIL", " OR IGNORE", " OR REPLACE", " OR ROLLBACK"};

/* What an INSERT of these rows has to do to a table: which rows arrive, and how it ends. */
typedef struct Plan {
    bool arrives[MAX_ROWS];
    int rc, changes;
} Plan;

static Plan plan_insert(Conn *c, const Row *rows, int n, Policy policy, int *rc) {
    Plan plan = {.rc = SQLITE_OK};
    for (int i = 0; i < n; i++) {
        bool live = is_live(c, rows[i].key, rc);
        if (*rc)
            return plan;
        for (int j = 0; j < i; j++) {
            if (plan.arrives[j] && same_key(rows[j].key, rows[i].key))
                live = rows[j].deadline > now();
        }
        if (live && policy == IGNORE)
            continue;
        if (live && policy != REPLACE) {
            plan.rc = SQLITE_CONSTRAINT_UNIQUE;
            if (policy != FAIL)
                memset(plan.arrives, 0, sizeof plan.arrives);
            return plan;
        }
        plan.arrives[i] = true;
        plan.changes++;
    }
    return plan;
}

static void apply_insert(Conn *c, const Row *rows, int n, const Plan *plan) {
    bool begun = mirror_begin(c);
    for (int i = 0; i < n; i++) {
        const Row *row = &rows[i];
        if (!plan->arrives[i])
            continue;
        if (row->deadline <= now() && !config->grace) {
            mirror(c, "DELETE FROM $O WHERE key=?2 AND " ALIVE, VALS(keys[row->key]));
        } else {
            mirror(c, "INSERT OR REPLACE INTO $O(key, value, expires, tag, loose) VALUES(?2, ?3, ?4, ?5, ?6)",
                   VALS(keys[row->key], row->value, REAL(row->deadline), row->tag, INT(row->deadline <= now())));
        }
    }
    mirror_end(c, begun);
}

/* With a limit on L2 the cache may have evicted: what a scan no longer shows leaves the oracle; the limit has to hold.
 */
static void follow_eviction(Conn *c, int written) {
    double rows = 0, gone;
    if (!config->l2_entries || config->plain)
        return;
    gone = mirror(c, "DELETE FROM $O WHERE " ALIVE " AND key NOT IN (SELECT key FROM $C)", NO_VALS);
    if (number(c, "SELECT count(*) FROM $C_data", NO_VALS, &rows) != SQLITE_OK)
        fail(c, "cannot count the rows");
    if (rows > config->l2_entries)
        fail(c, "%g rows, over the limit of %d", rows, config->l2_entries);
    if (written >= 0 && gone > 0 && rows < floor(0.9 * config->l2_entries))
        fail(c, "evicted down to %g rows, under 90 %% of %d", rows, config->l2_entries);
    int rc;
    if (written >= 0 && !is_live(c, written, &rc) && rc == SQLITE_OK)
        fail(c, "eviction took the entry just written");
}

/* --plain: what an INSERT into the cache would do, done to the plain table in its place. */
static int stand_in_insert(Conn *c, const Row *rows, int n, Policy policy, int *rows_changed) {
    bool own = !in_transaction(c);
    int rc = own ? simple(c, "BEGIN") : SQLITE_OK;
    c->plain_target = true;
    if (!rc)
        rc = simple(c, "DELETE FROM $O WHERE 0"); /* takes the write lock */
    if (!rc) {
        Plan plan = plan_insert(c, rows, n, policy, &rc);
        apply_insert(c, rows, n, &plan);
        *rows_changed = plan.changes;
        if (own)
            rc = simple(c, "COMMIT");
        if (!rc)
            rc = plan.rc;
    }
    if (own && in_transaction(c))
        simple(c, "ROLLBACK");
    c->plain_target = false;
    return rc;
}

static bool insert_rows(Conn *c, const Op *op, uint64_t *r, Policy policy, int n) {
    static const char *const columns[] = {"key, value", "key, value, ttl", "key, value, expires",
                                          "key, value, ttl, tag", "key, value, expires, ttl, tag"};
    int form = random_below(r, COUNT(columns)), count = 0, rc = SQLITE_OK;
    char sql[700];
    Row rows[MAX_ROWS];
    Val v[MAX_ROWS * 5];
    Write w;
    Plan plan = {0};
    if (!begin_write(c, op, r, &w))
        return false;
    double ttl = -1;
    char *p = sql + snprintf(sql, sizeof sql, "INSERT%s INTO $C(%s) VALUES", policies[policy], columns[form]);
    for (int i = 0; i < n; i++) {
        Row *row = &rows[i];
        bool relative = form == 1 || form == 3 || (form == 4 && random_below(r, 2));
        bool absolute = form == 2 || (form == 4 && !relative);
        *row = (Row){.key = random_key(r), .value = random_value(r, w.full), .ttl = NUL, .expires = NUL, .tag = NUL};
        if (random_below(r, 10) == 0)
            relative = absolute = false; /* NULL: not given */
        if (form >= 3)
            row->tag = random_tag(r);
        if (relative) {
            row->ttl = REAL(random_ttl(r));
            row->deadline = after(row->ttl.r);
            if (floor(row->ttl.r) >= row->ttl.r && random_below(r, 2))
                row->ttl = INT((sqlite3_int64)row->ttl.r);
        } else if (absolute) {
            row->expires = REAL(random_deadline(r));
            row->deadline = clamp(row->expires.r);
        } else {
            if (ttl < 0)
                ttl = default_ttl(c, &rc);
            row->deadline = after(ttl);
        }
        p += snprintf(p, (size_t)(sql + sizeof sql - p), "%s(", i ? ", " : "");
        int first = count;
        v[count++] = keys[row->key];
        v[count++] = row->value;
        if (form == 2 || form == 4)
            v[count++] = row->expires;
        if (form == 1 || form == 3 || form == 4)
            v[count++] = row->ttl;
        if (form >= 3)
            v[count++] = row->tag;
        for (int j = first; j < count; j++)
            p += snprintf(p, (size_t)(sql + sizeof sql - p), "%s?%d", j > first ? ", " : "", j + 2);
        p += snprintf(p, (size_t)(sql + sizeof sql - p), ")");
    }
    /* OR ROLLBACK leaves nothing to look at afterwards, so there the oracle is asked first. */
    if (!rc && policy == ROLL_BACK)
        plan = plan_insert(c, rows, n, policy, &rc);
    if (rc) {
        if (w.wrapped && in_transaction(c))
            simple(c, "ROLLBACK");
        if (is_busy(rc))
            return busy(op);
        fail(c, "the oracle cannot be read: %d", rc);
    }
    int got = -1;
    if (config->plain) {
        rc = stand_in_insert(c, rows, n, policy, &got);
    } else {
        rc = run_cache(c, &w, sql, v, count);
        got = changes;
    }
    if (write_failed(c, op, &w, &rc))
        return false;
    const char *text = last_sql;
    if ((rc & 0xff) == SQLITE_CONSTRAINT && !config->plain) {
        char expected[80];
        snprintf(expected, sizeof expected, "UNIQUE constraint failed: %s.key", caches[c->cache]);
        if (strcmp(error_text, expected) != 0)
            fail(c, "the message is \"%s\", should be \"%s\"", error_text, expected);
    }
    int oracle_rc = SQLITE_OK;
    if (policy != ROLL_BACK)
        plan = plan_insert(c, rows, n, policy, &oracle_rc);
    if (oracle_rc)
        fail(c, "the oracle cannot be read: %d", oracle_rc);
    last_sql = text;
    if (rc != plan.rc && !w.unsure)
        fail(c, "result %d, expected %d", rc, plan.rc);
    if (!rc && got != plan.changes && !w.unsure)
        fail(c, "changes() %d, expected %d", got, plan.changes);
    if (policy == ROLL_BACK && rc) {
        if (config->plain && in_transaction(c))
            simple(c, "ROLLBACK");
        if (in_transaction(c))
            fail(c, "OR ROLLBACK left the transaction open");
        c->depth = 0;
    } else {
        apply_insert(c, rows, n, &plan);
        if (!rc)
            follow_eviction(c, n == 1 && !rc && plan.arrives[0] && rows[0].deadline > now() ? rows[0].key : -1);
    }
    end_write(c, op, &w);
    return true;
}

/* A write that is one statement on either side, with the same count of rows. */
static bool write_both(Conn *c, const Op *op, Write *w, const char *cache_sql, const char *oracle_sql, const Val *v,
                       int n) {
    int rc;
    c->plain_target = config->plain;
    rc = run_cache(c, w, config->plain ? oracle_sql : cache_sql, v, n);
    c->plain_target = false;
    int got = changes;
    if (write_failed(c, op, w, &rc))
        return false;
    const char *sql = last_sql;
    int want = mirror(c, oracle_sql, v, n);
    last_sql = sql;
    if (got != want && !w->unsure)
        fail(c, "changes() %d, expected %d", got, want);
    return true;
}

static bool op_update(Conn *c, const Op *op, uint64_t *r) {
    Write w;
    Val key = keys[random_key(r)], ttl = REAL(random_ttl(r));
    double deadline = random_deadline(r);
    bool relative = random_below(r, 2), given = random_below(r, 8) > 0, done;
    int rc = SQLITE_OK;
    if (!begin_write(c, op, r, &w))
        return false;
    Val value = random_value(r, w.full), tag = random_tag(r), set = relative ? ttl : REAL(deadline);
    if (op->kind == OP_UPDATE_DEADLINE || op->kind == OP_UPDATE_COLUMNS || op->kind == OP_UPDATE_GROUP) {
        if (!given) {
            set = NUL;
            deadline = after(default_ttl(c, &rc));
        } else {
            deadline = relative ? after(ttl.r) : clamp(deadline);
        }
        if (rc) {
            if (w.wrapped)
                simple(c, "ROLLBACK");
            if (!is_busy(rc))
                fail(c, "the oracle cannot be read: %d", rc);
            return busy(op);
        }
    }
#define SET_DEADLINE "expires=?4, loose=(?4<=?1)"
    switch (op->kind) {
    case OP_UPDATE_VALUE:
        done = write_both(c, op, &w, "UPDATE $C SET value=?3 WHERE key=?2",
                          "UPDATE $O SET value=?3 WHERE key=?2 AND " ALIVE, VALS(key, value));
        break;
    case OP_UPDATE_DEADLINE:
        done = write_both(c, op, &w,
                          relative ? "UPDATE $C SET ttl=?3 WHERE key=?2" : "UPDATE $C SET expires=?3 WHERE key=?2",
                          "UPDATE $O SET " SET_DEADLINE " WHERE key=?2 AND " ALIVE, VALS(key, set, REAL(deadline)));
        break;
    case OP_UPDATE_TAG:
        done = write_both(c, op, &w, "UPDATE $C SET tag=?3 WHERE key=?2",
                          "UPDATE $O SET tag=?3 WHERE key=?2 AND " ALIVE, VALS(key, tag));
        break;
    case OP_UPDATE_COLUMNS:
        done = write_both(c, op, &w,
                          relative ? "UPDATE $C SET value=?5, ttl=?3, tag=?6 WHERE key=?2"
                                   : "UPDATE $C SET tag=?6, expires=?3, value=?5 WHERE key=?2",
                          "UPDATE $O SET value=?5, tag=?6, " SET_DEADLINE " WHERE key=?2 AND " ALIVE,
                          VALS(key, set, REAL(deadline), value, tag));
        break;
    case OP_UPDATE_FROM:
        done = write_both(c, op, &w, "UPDATE $C SET value=s.v FROM (SELECT ?2 AS k, ?3 AS v) AS s WHERE $B.key=s.k",
                          "UPDATE $O SET value=?3 WHERE key=?2 AND " ALIVE, VALS(key, value));
        break;
    default: /* OP_UPDATE_GROUP */
        if (random_below(r, 2)) {
            done = write_both(c, op, &w,
                              relative ? "UPDATE $C SET ttl=?3 WHERE tag=?2" : "UPDATE $C SET expires=?3 WHERE tag=?2",
                              "UPDATE $O SET " SET_DEADLINE " WHERE tag=?2 AND " ALIVE,
                              VALS(text_value(tags[random_below(r, 3)]), set, REAL(deadline)));
        } else {
            done = write_both(c, op, &w, "UPDATE $C SET value=?3, tag=?5 WHERE key>=?2 AND key<?4",
                              "UPDATE $O SET value=?3, tag=?5 WHERE key>=?2 AND key<?4 AND " ALIVE,
                              VALS(key, value, keys[random_key(r)], tag));
        }
    }
    if (done)
        end_write(c, op, &w);
    return done;
}

static bool op_update_key(Conn *c, const Op *op, uint64_t *r) {
    Write w;
    int old = random_key(r), new = random_key(r), rc = SQLITE_OK, rc2 = SQLITE_OK;
    Policy policy = (Policy)random_below(r, ROLL_BACK + 1);
    char sql[200];
    if (config->plain)
        return skip(op); /* nothing to learn: the stand-in would have to be written out by hand */
    if (!begin_write(c, op, r, &w))
        return false;
    bool live_old = false, live_new = false;
    if (policy == ROLL_BACK) {
        live_old = is_live(c, old, &rc);
        live_new = is_live(c, new, &rc2);
    }
    if (rc || rc2) {
        if (w.wrapped && in_transaction(c))
            simple(c, "ROLLBACK");
        return busy(op);
    }
    snprintf(sql, sizeof sql, "UPDATE%s $C SET key=?3 WHERE key=?2", policies[policy]);
    rc = run_cache(c, &w, sql, VALS(keys[old], keys[new]));
    int got = changes, expected;
    if (write_failed(c, op, &w, &rc))
        return false;
    const char *text = last_sql;
    if (policy != ROLL_BACK) {
        live_old = is_live(c, old, &rc2);
        live_new = is_live(c, new, &rc2);
    }
    last_sql = text;
    bool conflict = live_old && live_new && !same_key(old, new);
    int want = conflict && policy != IGNORE && policy != REPLACE ? SQLITE_CONSTRAINT_UNIQUE : SQLITE_OK;
    expected = live_old && !(conflict && policy == IGNORE);
    if (rc != want && !w.unsure)
        fail(c, "result %d, expected %d", rc, want);
    if (!rc && got != expected && !w.unsure)
        fail(c, "changes() %d, expected %d", got, expected);
    if (!rc && expected) {
        bool begun = mirror_begin(c);
        if (!same_key(old, new))
            mirror(c, "DELETE FROM $O WHERE key=?2", VALS(keys[new]));
        mirror(c, "UPDATE $O SET key=?3 WHERE key=?2", VALS(keys[old], keys[new]));
        mirror_end(c, begun);
    }
    if (policy == ROLL_BACK && rc) {
        if (in_transaction(c))
            fail(c, "OR ROLLBACK left the transaction open");
        c->depth = 0;
    }
    end_write(c, op, &w);
    return true;
}

static bool op_delete(Conn *c, const Op *op, uint64_t *r) {
    static const char *const groups[] = {"tag=?2", "key>=?3 AND key<?4", "key IN (?3, ?4, ?5)", "expires<?6",
                                         "key LIKE 'user:%'"};
    char a[200], b[200];
    Write w;
    const char *where = op->kind == OP_DELETE_KEY   ? "key=?3"
                        : op->kind == OP_DELETE_ALL ? "1"
                                                    : groups[random_below(r, COUNT(groups))];
    snprintf(a, sizeof a, op->kind == OP_DELETE_ALL ? "DELETE FROM $C" : "DELETE FROM $C WHERE %s", where);
    snprintf(b, sizeof b, "DELETE FROM $O WHERE (%s) AND " ALIVE, where);
    if (!begin_write(c, op, r, &w))
        return false;
    const Val v[] = {text_value(tags[random_below(r, 3)]), keys[random_key(r)], keys[random_key(r)],
                     keys[random_key(r)], REAL(now() + random_ttl(r))};
    if (!write_both(c, op, &w, a, b, v, COUNT(v)))
        return false;
    if (config->grace) { /* whether a DELETE takes what is in its grace along is open */
        snprintf(b, sizeof b, "UPDATE $O SET loose=1 WHERE (%s) AND expires<=?1", where);
        mirror(c, b, v, COUNT(v));
    }
    end_write(c, op, &w);
    return true;
}

static bool op_copy(Conn *c, const Op *op, uint64_t *r) {
    Write w;
    if (!begin_write(c, op, r, &w))
        return false;
    if (!write_both(c, op, &w,
                    "INSERT OR REPLACE INTO $C(key, value, expires, tag) SELECT key, value, expires, 'green' FROM $C "
                    "WHERE tag=?2",
                    "UPDATE $O SET tag='green' WHERE tag=?2 AND " ALIVE, VALS(text_value(tags[random_below(r, 3)])))) {
        return false;
    }
    follow_eviction(c, -1);
    end_write(c, op, &w);
    return true;
}

/* Cache and oracle written by one statement, in a trigger. */
static bool op_trigger(Conn *c, const Op *op, uint64_t *r) {
    Write w;
    Val key = keys[random_key(r)];
    int rc;
    c->cache = 0;
    if (op->kind == OP_TRIGGER_DIRECT && (config->plain || config->grace || config->l2_entries))
        return skip(op); /* as in op_direct */
    if (!begin_write(c, op, r, &w))
        return false;
    if (op->kind == OP_TRIGGER_DIRECT) {
        rc = run_cache(c, &w, "INSERT INTO main.base_direct VALUES(?2, ?3, ?4, ?1)",
                       VALS(key, random_value(r, w.full), keys[random_key(r)]));
    } else if (op->kind == OP_TRIGGER_PUT) {
        double deadline = clamp(random_deadline(r));
        rc = run_cache(c, &w, "INSERT INTO main.base_put(key, value, expires, tag, now) VALUES(?2, ?3, ?4, ?5, ?1)",
                       VALS(key, random_value(r, w.full), REAL(deadline), random_tag(r)));
    } else {
        rc = run_cache(c, &w, "INSERT INTO main.base_delete(key, now) VALUES(?2, ?1)", VALS(key));
    }
    if (write_failed(c, op, &w, &rc))
        return false;
    for (c->cache = 1; c->cache >= 0; c->cache--) {
        follow_eviction(c, -1); /* of either: the triggers follow an ALTER TABLE ... RENAME */
    }
    c->cache = 0;
    end_write(c, op, &w);
    return true;
}

/*
** The rows of the cache written past it, as a tool would. Some of these look into the cache while they write, and some
** fail half way.
*/
static bool op_direct(Conn *c, const Op *op, uint64_t *r) {
    static const char *const pragmas[] = {"PRAGMA recursive_triggers=0", "PRAGMA recursive_triggers=1"};
    Write w;
    int what = random_below(r, 12), rc;
    Val key = keys[random_key(r)], other = keys[random_key(r)];
    Val deadline = REAL(clamp(random_deadline(r)));
    bool done;
    /* With a grace or a limit, what is there depends on more than the oracle knows. */
    if (config->plain || config->grace || config->l2_entries)
        return skip(op);
    if (random_below(r, 4) == 0)
        simple(c, pragmas[random_below(r, 2)]);
    if (!begin_write(c, op, r, &w))
        return false;
    Val value = random_value(r, w.full), tag = random_tag(r);
    w.unsure = true; /* expired rows count on one side only */
#define BOTH(what, where, ...)                                                                                         \
    done = write_both(c, op, &w, "UPDATE $C_data SET sum=NULL, " what where,                                           \
                      "UPDATE $O SET " what where " AND " ALIVE, VALS(__VA_ARGS__))
    switch (what) {
    case 0:
    case 1:
        BOTH("value=?3", " WHERE key=?2", key, value);
        break;
    case 2:
        BOTH("tag=?3", " WHERE key=?2", key, tag);
        break;
    case 3:
        BOTH("value=?4", " WHERE key>=?2 AND key<?3", key, other, value);
        break;
    case 4:
        done =
            write_both(c, op, &w, "UPDATE $C_data SET expires=?3, due=min(due, ?3), sum=NULL WHERE key=?2 AND " ALIVE,
                       "UPDATE $O SET expires=?3 WHERE key=?2 AND " ALIVE, VALS(key, deadline));
        break;
    case 5: /* a rename; who is in the way has to go */
        done = write_both(c, op, &w, "UPDATE OR REPLACE $C_data SET key=?3, sum=NULL WHERE key=?2 AND " ALIVE,
                          "UPDATE OR REPLACE $O SET key=?3 WHERE key=?2 AND " ALIVE, VALS(key, other));
        break;
    case 6:
    case 7:
        done = write_both(
            c, op, &w, "REPLACE INTO $C_data(key, value, expires, tag, size, used) VALUES(?2, ?3, ?4, ?5, 100, 0)",
            "REPLACE INTO $O(key, value, expires, tag) VALUES(?2, ?3, ?4, ?5)", VALS(key, value, deadline, tag));
        break;
    case 8:
        done = write_both(c, op, &w, "DELETE FROM $C_data WHERE key=?2", "DELETE FROM $O WHERE key=?2", VALS(key));
        break;
    case 9: /* looks at one row while it writes to others */
        done = write_both(c, op, &w,
                          "UPDATE $C_data SET value=iif(hybrid_cache_get($N, ?4) IS NULL, ?3, ?3), sum=NULL "
                          "WHERE key>=?2",
                          "UPDATE $O SET value=?3 WHERE key>=?2 AND " ALIVE, VALS(key, value, other));
        break;
    case 10: /* the same, and fails when it comes to a third */
        rc = run_cache(c, &w,
                       "UPDATE $C_data SET value=iif(key=?4, abs(-9223372036854775807-1), iif(hybrid_cache_get($N, ?2) "
                       "IS NULL, ?3, ?3)), sum=NULL",
                       VALS(key, value, other));
        if ((rc & 0xff) == SQLITE_ERROR) {
            end_write(c, op, &w);
            return true;
        }
        if (write_failed(c, op, &w, &rc))
            return false;
        mirror(c, "UPDATE $O SET value=?3 WHERE " ALIVE, VALS(key, value));
        done = true;
        break;
    default: /* all but those of one tag */
        if (random_below(r, 4))
            done = write_both(c, op, &w, "DELETE FROM $C_data WHERE tag=?2", "DELETE FROM $O WHERE tag=?2", VALS(tag));
        else
            done = write_both(c, op, &w, "DELETE FROM $C_data", "DELETE FROM $O", NO_VALS);
    }
#undef BOTH
    if (done) {
        mirror(c, "UPDATE $O_ttl SET direct=1 WHERE NOT direct", NO_VALS);
        end_write(c, op, &w);
    }
    return done;
}

/* A row written past the cache, read, undone, and written once more: to whoever only counts, the two look alike. */
static bool op_direct_again(Conn *c, const Op *op, uint64_t *r) {
    static const char sql[] = "UPDATE $C_data SET value=?3, sum=NULL WHERE key=?2 AND " ALIVE;
    static const char oracle[] = "UPDATE $O SET value=?3 WHERE key=?2 AND " ALIVE;
    int key = random_key(r), rc = SQLITE_OK;
    Val other = keys[random_key(r)], value = random_value(r, false);
    bool joins = random_below(r, 2), savepoint = random_below(r, 2);
    if (config->plain || config->grace || config->l2_entries || !quiet(c))
        return skip(op);
    for (int round = 0; round < 2 && !rc; round++) {
        bool undone = round == 0;
        if (!undone)
            value = random_value(r, false);
        if (undone || !savepoint)
            rc = simple(c, "BEGIN IMMEDIATE");
        if (!rc && joins && undone)
            rc = run(c, "UPDATE $C SET value=?3 WHERE key=?2", VALS(other, value), NULL, NULL);
        if (!rc && joins && undone)
            mirror(c, oracle, VALS(other, value));
        if (!rc && savepoint && undone)
            rc = simple(c, "SAVEPOINT again");
        if (!rc)
            rc = run(c, sql, VALS(keys[key], value), NULL, NULL);
        if (!rc) {
            mirror(c, oracle, VALS(keys[key], value));
            mirror(c, "UPDATE $O_ttl SET direct=1 WHERE NOT direct", NO_VALS);
            op_get(c, op, key);
            if (undone)
                rc = simple(c, savepoint ? "ROLLBACK TO again" : "ROLLBACK");
        }
    }
    if (!rc)
        rc = simple(c, "COMMIT");
    if (rc && !is_busy(rc))
        fail(c, "error %d", rc);
    if (rc && in_transaction(c))
        simple(c, "ROLLBACK");
    return rc ? busy(op) : (op_get(c, op, key), report->done[op->kind]++, true);
}

/* Statements that have to fail and leave no trace; what they would have left, the later reads notice. */
static bool op_bad(Conn *c, const Op *op, uint64_t *r) {
    static const char *const bad[] = {
        "INSERT INTO $C(key, value) VALUES(NULL, 1)",
        "INSERT OR REPLACE INTO $C(key, value) VALUES(NULL, 1)",
        "INSERT OR REPLACE INTO $C(key, value, ttl, expires) VALUES(?2, ?3, 10, ?1+10)",
        "INSERT OR REPLACE INTO $C(key, value, expires) VALUES(?2, ?3, '2030-01-01')",
        "INSERT OR REPLACE INTO $C(key, value, ttl) VALUES(?2, ?3, 'soon')",
        "INSERT OR REPLACE INTO $C(key, value, tag) VALUES(?2, ?3, 5)",
        "INSERT INTO $C($B) VALUES('nonsense')",
        "INSERT INTO $C($B, value) VALUES('ttl', 'nonsense')",
        "SELECT hybrid_cache_get('nonsense', 1)",
        "SELECT hybrid_cache_get($N, NULL)",
        /* the good rows of a failing statement have to go with the bad one */
        "INSERT INTO $C(key, value, ttl) VALUES('new 1', ?3, 10), (NULL, 2, 10), ('new 2', ?3, 10)",
        "INSERT OR REPLACE INTO $C(key, value, tag) VALUES(?2, ?3, 'red'), (?4, ?3, 5), (?5, ?3, 'red')",
        "INSERT OR REPLACE INTO $C(key, value, ttl) VALUES(?2, ?3, 10), (?4, ?3, 10), (?5, ?3, 'soon')",
        "INSERT OR REPLACE INTO $C(key, value, expires) VALUES(?2, ?3, ?1+10), (?4, ?3, NULL), (?5, ?3, 'soon')",
    };
    bool was_in = in_transaction(c);
    if (config->plain)
        return skip(op);
    int i = op->kind == OP_BAD ? random_below(r, COUNT(bad)) : COUNT(bad) - 1 - random_below(r, 4);
    int rc = run(c, bad[i], VALS(keys[random_key(r)], random_value(r, false), keys[random_key(r)], keys[random_key(r)]),
                 NULL, NULL);
    /* Where not even the schema can be read, a look-up by any name is a miss. */
    if (rc == SQLITE_OK && strstr(bad[i], "_get('nonsense'") &&
        (is_busy(simple(c, "SELECT 1 FROM main.sqlite_master")) ||
         is_busy(simple(c, "SELECT 1 FROM aux.sqlite_master"))))
        return busy(op);
    if (is_busy(rc))
        return busy(op);
    if (rc == SQLITE_OK)
        fail(c, "this should be an error");
    if (was_in && !in_transaction(c))
        fail(c, "an error ended the transaction");
    report->done[op->kind]++;
    return true;
}

static bool op_command(Conn *c, const Op *op, uint64_t *r) {
    static const char *const options[][2] = {{"l1_entries", "8"}, {"l1_entries", "1000"}, {"l1_entries", "100"},
                                             {"l1_ttl", "0"},     {"l1_ttl", "20"},       {"l1_bytes", "20K"},
                                             {"l1_bytes", "32M"}, {"l1_bytes", "2M"}};
    static const char *const commands[] = {[OP_CLEAR] = "clear", [OP_CHECK] = "check", [OP_REBUILD] = "rebuild"};
    static const int times[] = {1, 5, 60, 300, 0};
    Write w;
    int rc, choice = random_below(r, 12);
    if (config->plain)
        return skip(op);
    if (!begin_write(c, op, r, &w))
        return false;
    int ttl = times[random_below(r, COUNT(times))];
    double direct = 0;
    if (op->kind == OP_CHECK && (rc = number(c, "SELECT direct FROM $O_ttl", NO_VALS, &direct)) != SQLITE_OK &&
        !is_busy(rc))
        fail(c, "the oracle cannot be read: %d", rc);
    if (op->kind == OP_CHECK && (rc || direct > 0)) {
        if (w.wrapped)
            simple(c, "ROLLBACK");
        return skip(op);
    }
    if (op->kind == OP_PURGE) {
        int what = random_below(r, 3);
        if (what == 0)
            rc = run_cache(c, &w, "INSERT INTO $C($B) VALUES('purge')", NO_VALS);
        else if (what == 1 || config->grace)
            rc = run_cache(c, &w, "INSERT INTO $C($B, value) VALUES('purge', 3)", NO_VALS);
        else
            rc = run_cache(c, &w, "INSERT INTO $C($B, value, expires) VALUES('purge', 100, ?1 - 1)", NO_VALS);
    } else if (op->kind == OP_OPTION) {
        if (choice < COUNT(options))
            rc = run_cache(c, &w, "INSERT INTO $C($B, value) VALUES(?2, ?3)",
                           VALS(text_value(options[choice][0]), text_value(options[choice][1])));
        else
            rc = run_cache(c, &w, "INSERT INTO $C($B, value) VALUES('ttl', ?2)", VALS(INT(ttl)));
    } else {
        rc = run_cache(c, &w, "INSERT INTO $C($B) VALUES(?2)", VALS(text_value(commands[op->kind])));
    }
    if (write_failed(c, op, &w, &rc))
        return false;
    if (op->kind == OP_CLEAR)
        mirror(c, "DELETE FROM $O", NO_VALS);
    if (op->kind == OP_CLEAR || op->kind == OP_REBUILD)
        mirror(c, "UPDATE $O_ttl SET direct=0 WHERE direct", NO_VALS);
    if (op->kind == OP_OPTION && choice >= COUNT(options))
        mirror(c, "UPDATE $O_ttl SET ttl=?2", VALS(INT(ttl)));
    end_write(c, op, &w);
    return true;
}

/* ---- transactions and cursors ---- */

static bool settle(Conn *c, const Op *op, int rc) {
    if (is_busy(rc))
        return busy(op);
    if (rc)
        fail(c, "error %d", rc);
    report->done[op->kind]++;
    return true;
}

static bool op_transaction(Conn *c, const Op *op, uint64_t *r) {
    static const char *const begins[] = {"BEGIN", "BEGIN", "BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"};
    char sql[40];
    bool ok;
    int level = c->depth ? random_below(r, c->depth) : 0;
    switch (op->kind) {
    case OP_BEGIN:
        if (in_transaction(c))
            return skip(op);
        return settle(c, op, simple(c, begins[random_below(r, config->wal ? 3 : 4)]));
    case OP_COMMIT:
        if (!in_transaction(c))
            return skip(op);
        ok = settle(c, op, simple(c, "COMMIT"));
        if (!ok && random_below(r, 2))
            simple(c, "ROLLBACK"); /* else the pending lock stays for a while */
        break;
    case OP_ROLLBACK:
        if (!in_transaction(c))
            return skip(op);
        ok = settle(c, op, simple(c, "ROLLBACK"));
        break;
    case OP_SAVEPOINT:
        if (c->depth == SAVEPOINTS || (!in_transaction(c) && random_below(r, 4)))
            return skip(op);
        snprintf(sql, sizeof sql, "SAVEPOINT s%d", c->depth);
        ok = settle(c, op, simple(c, sql));
        if (ok)
            c->depth++;
        return ok;
    case OP_RELEASE:
        if (!c->depth)
            return skip(op);
        snprintf(sql, sizeof sql, "RELEASE s%d", level);
        ok = settle(c, op, simple(c, sql));
        if (ok)
            c->depth = level;
        break;
    default: /* OP_ROLLBACK_TO */
        if (!c->depth)
            return skip(op);
        snprintf(sql, sizeof sql, "ROLLBACK TO s%d", level);
        ok = settle(c, op, simple(c, sql));
        if (ok)
            c->depth = level + 1;
    }
    if (!in_transaction(c))
        c->depth = 0;
    if (random_below(r, 2))
        sweep(c, op);
    return ok;
}

/* A statement left in the middle: it holds a snapshot in autocommit, and a row that others may replace meanwhile. */
static bool op_cursor(Conn *c, const Op *op, uint64_t *r) {
    static const char *const queries[] = {"SELECT value FROM $C WHERE key=?2",
                                          "SELECT value FROM $C WHERE key IN (?2, ?3, ?4)",
                                          "SELECT value FROM $C ORDER BY key", "SELECT value FROM $O ORDER BY key",
                                          "SELECT hybrid_cache_get($N, key) FROM $O"};
    int rc;
    if (op->kind == OP_CURSOR_OPEN) {
        if (c->cursor)
            return skip(op);
        const char *sql = expand(c, queries[config->plain ? 3 : random_below(r, COUNT(queries))]);
        rc = sqlite3_prepare_v2(c->db, sql, -1, &c->cursor, NULL);
        if (is_busy(rc))
            return busy(op);
        if (rc)
            fail(c, "prepare: %d", rc);
        bind_all(c->cursor, VALS(keys[random_key(r)], keys[random_key(r)], keys[random_key(r)]));
        rc = sqlite3_step(c->cursor);
        if (config->trace)
            trace(c, c->cursor, rc, NULL, 0);
        if (rc != SQLITE_ROW) {
            close_cursor(c);
            return rc == SQLITE_DONE ? skip(op) : settle(c, op, rc);
        }
        c->held = sqlite3_column_blob(c->cursor, 0);
        c->held_copy.n = 0;
        append(&c->held_copy, c->held, c->held ? (size_t)sqlite3_column_bytes(c->cursor, 0) : 0);
    } else {
        if (!c->cursor)
            return skip(op);
        if (c->held && memcmp(c->held, c->held_copy.p, c->held_copy.n) != 0)
            fail(c, "the bytes of an open row changed");
        for (int i = random_below(r, 4); i > 0; i--) {
            if (sqlite3_step(c->cursor) != SQLITE_ROW)
                break; /* an error too: a ROLLBACK aborts it */
        }
        if (config->trace)
            printf("#%u c%d: -- finalize the open statement\n", op->index, c->number);
        close_cursor(c);
    }
    report->done[op->kind]++;
    return true;
}

/* ---- the rest of the file's life ---- */

static const char *create_sql(int cache) {
    static char sql[400];
    static const char *const memory[CACHES] = {"l1_entries=20, l1_ttl=30", "l1_entries=1000, l1_ttl=4, l1_bytes='100K'",
                                               "l1_entries=30, l1_ttl=0"};
    char more[120] = "";
    if (config->plain)
        return "CREATE TABLE $C(key UNIQUE, value, expires REAL, tag, loose DEFAULT 0)";
    if (config->grace)
        snprintf(more, sizeof more, ", grace=%d", config->grace);
    if (config->l2_entries)
        snprintf(more + strlen(more), sizeof more - strlen(more), ", l2_entries=%d", config->l2_entries);
    if (config->eviction)
        snprintf(more + strlen(more), sizeof more - strlen(more), ", eviction=%s", config->eviction);
    if (config->plant == PLANT_RELAXED)
        snprintf(more + strlen(more), sizeof more - strlen(more), ", coherence=relaxed");
    snprintf(sql, sizeof sql, "CREATE VIRTUAL TABLE $C USING hybrid_cache(key, value, expires, ttl=300, %s%s)",
             config->plant == PLANT_RELAXED ? "l1_ttl=3600, l1_entries=1000" : memory[cache], more);
    return sql;
}

static void must(Conn *c, const char *sql) {
    int rc = simple(c, sql);
    if (rc)
        fail(c, "error %d", rc);
}

/* Through the cache and past it, in turns. */
static const char direct_trigger[] =
    "CREATE TRIGGER main.on_direct AFTER INSERT ON base_direct BEGIN"
    " UPDATE cache SET value=NEW.value || 'a' WHERE key=NEW.key;"
    " UPDATE cache_data SET value=NEW.value || 'b', sum=NULL WHERE key=NEW.key;"
    " UPDATE cache SET value=NEW.value || 'c' WHERE key=NEW.other;"
    " UPDATE cache2_data SET value=(SELECT value FROM cache WHERE key=NEW.key), sum=NULL WHERE key=NEW.other;"
    " UPDATE oracle SET value=NEW.value || 'b' WHERE key=NEW.key AND expires>NEW.now;"
    " UPDATE oracle SET value=NEW.value || 'c' WHERE key=NEW.other AND expires>NEW.now;"
    " UPDATE oracle2 SET value=(SELECT value FROM oracle WHERE key=NEW.key AND expires>NEW.now)"
    " WHERE key=NEW.other AND expires>NEW.now;"
    " UPDATE oracle_ttl SET direct=1; UPDATE oracle2_ttl SET direct=1;"
    " DELETE FROM base_direct; END";

static bool op_setup(Conn *c) {
    if (config->wal)
        must(c, "PRAGMA main.journal_mode=WAL"), must(c, "PRAGMA aux.journal_mode=WAL");
    for (c->cache = 0; c->cache < CACHES; c->cache++) {
        untraced = false;
        must(c, create_sql(c->cache));
        untraced = true;
        must(c, "CREATE TABLE $O(key UNIQUE, value, expires REAL, tag, loose DEFAULT 0)");
        must(c, "CREATE TABLE $O_ttl(ttl, direct)"); /* direct: rows were written past the cache, uncounted */
        must(c, "INSERT INTO $O_ttl VALUES(300, 0)");
        must(c, "CREATE TABLE IF NOT EXISTS $S.neighbour(x)");
    }
    must(c, "CREATE TABLE main.base_put(key, value, expires, tag, now)");
    must(c, "CREATE TABLE main.base_delete(key, now)");
    must(c, "CREATE TRIGGER main.on_put AFTER INSERT ON base_put BEGIN"
            " INSERT OR REPLACE INTO cache(key, value, expires, tag) VALUES(NEW.key, NEW.value, NEW.expires, NEW.tag);"
            " INSERT OR REPLACE INTO oracle VALUES(NEW.key, NEW.value, NEW.expires, NEW.tag, NEW.expires<=NEW.now);"
            " DELETE FROM base_put; END");
    must(c, "CREATE TABLE main.base_direct(key, value, other, now)");
    if (!config->plain)
        must(c, direct_trigger);
    must(c, "CREATE TRIGGER main.on_delete AFTER INSERT ON base_delete BEGIN"
            " DELETE FROM cache WHERE key=NEW.key;"
            " UPDATE oracle SET loose=1 WHERE key=NEW.key AND expires<=NEW.now;"
            " DELETE FROM oracle WHERE key=NEW.key AND expires>NEW.now;"
            " DELETE FROM base_delete; END");
    untraced = false;
    return true;
}

/* Several statements of DDL in a transaction of their own, ended either way. */
static bool ddl(Conn *c, const Op *op, uint64_t *r, const char *const *sql, int n) {
    int rc;
    if (c->cursor || in_transaction(c)) {
        if (c->cursor || c->depth)
            return skip(op);
        rc = SQLITE_OK; /* in the transaction that is open: the caches have seen writes in it, perhaps */
    } else {
        rc = simple(c, "BEGIN IMMEDIATE");
    }
    for (int i = 0; i < n && !rc; i++)
        rc = simple(c, sql[i]);
    if (rc && !is_busy(rc))
        fail(c, "error %d", rc);
    if (!rc) {
        rc = simple(c, random_below(r, 3) ? "COMMIT" : "ROLLBACK");
        if (rc && !is_busy(rc))
            fail(c, "error %d", rc);
    }
    if (rc && in_transaction(c))
        simple(c, "ROLLBACK");
    return settle(c, op, rc);
}

static bool op_neighbour_ddl(Conn *c, const Op *op, uint64_t *r) {
    static const char *const sql[] = {
        "CREATE TABLE IF NOT EXISTS $S.other(a, b)",
        "DROP TABLE IF EXISTS $S.other",
        "CREATE INDEX IF NOT EXISTS $S.by_x ON neighbour(x)",
        "DROP INDEX IF EXISTS $S.by_x",
        "CREATE TEMP TABLE IF NOT EXISTS scratch(x)",
        "DROP TABLE IF EXISTS temp.scratch",
        "DELETE FROM $S.neighbour",
        "CREATE VIEW IF NOT EXISTS $S.seen AS SELECT * FROM neighbour",
        "DROP VIEW IF EXISTS $S.seen",
    };
    if (random_below(r, 8) == 0 && !config->plain) { /* fails, and SQLite then disconnects every virtual table */
        int rc = simple(c, "CREATE VIRTUAL TABLE $S.bad USING hybrid_cache(nonsense=1)");
        if (rc == SQLITE_OK)
            fail(c, "this should be an error");
        return is_busy(rc) ? busy(op) : (report->done[op->kind]++, true);
    }
    return settle(c, op, simple(c, sql[random_below(r, COUNT(sql))]));
}

/* cache and cache2 change names, and so do their oracles. */
static bool op_swap(Conn *c, const Op *op, uint64_t *r) {
    /* SQLite renames a virtual table's shadow tables as if legacy_alter_table were on: what names them is in the way. */
    const char *const sql[] = {
        config->plain ? "SELECT 1" : "DROP TRIGGER main.on_direct",
        "ALTER TABLE main.cache RENAME TO cachex",
        "ALTER TABLE main.cache2 RENAME TO cache",
        "ALTER TABLE main.cachex RENAME TO cache2",
        "ALTER TABLE main.oracle RENAME TO oraclex",
        "ALTER TABLE main.oracle2 RENAME TO oracle",
        "ALTER TABLE main.oraclex RENAME TO oracle2",
        "ALTER TABLE main.oracle_ttl RENAME TO oraclex",
        "ALTER TABLE main.oracle2_ttl RENAME TO oracle_ttl",
        "ALTER TABLE main.oraclex RENAME TO oracle2_ttl",
        config->plain ? "SELECT 1" : direct_trigger,
    };
    return ddl(c, op, r, sql, COUNT(sql));
}

static bool op_recreate(Conn *c, const Op *op, uint64_t *r) {
    const char *const sql[] = {"DROP TABLE $C", create_sql(op->cache), "DELETE FROM $O",
                               "UPDATE $O_ttl SET ttl=300, direct=0"};
    return ddl(c, op, r, sql, COUNT(sql));
}

/* Copies pages either way, the oracle's with the cache's. */
static bool op_backup(Conn *c, const Op *op) {
    char path[600];
    sqlite3 *copy = NULL;
    if (!quiet(c))
        return skip(op);
    snprintf(path, sizeof path, "%s/copy.db", config->dir);
    if (op->kind == OP_RESTORE && access(path, F_OK) != 0)
        return skip(op);
    if (sqlite3_open(path, &copy) != SQLITE_OK)
        fail(c, "cannot open the copy");
    sqlite3_backup *b = op->kind == OP_BACKUP ? sqlite3_backup_init(copy, "main", c->db, "main")
                                              : sqlite3_backup_init(c->db, "main", copy, "main");
    int rc = SQLITE_ERROR;
    if (b) {
        sqlite3_backup_step(b, -1);
        rc = sqlite3_backup_finish(b);
    }
    if (op->kind == OP_BACKUP && rc == SQLITE_OK)
        sqlite3_exec(copy, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL); /* one file, nothing beside it */
    sqlite3_close(copy);
    if (op->kind == OP_BACKUP && rc)
        unlink(path);
    if (config->trace)
        printf("#%u c%d: -- %s: %d\n", op->index, c->number, kind_names[op->kind], rc);
    return settle(c, op, rc);
}

static void make_quiet(Conn *c) {
    close_cursor(c);
    if (in_transaction(c))
        simple(c, "ROLLBACK");
    c->depth = 0;
}

static bool op_switch(Conn *c, const Op *op) {
    bool wal = op->random & 1;
    make_quiet(c);
    /* A connection that leaves WAL mode keeps pages which commits of others have made old (SQLite 3.40.1: "malformed"
     *with plain
     ** tables); a read beforehand drops them. */
    simple(c, "SELECT count(*) FROM main.neighbour");
    simple(c, "SELECT count(*) FROM aux.neighbour");
    int rc = simple(c, wal ? "PRAGMA main.journal_mode=WAL" : "PRAGMA main.journal_mode=DELETE");
    if (!rc)
        rc = simple(c, wal ? "PRAGMA aux.journal_mode=WAL" : "PRAGMA aux.journal_mode=DELETE");
    return settle(c, op, rc);
}

static bool op_journal(Conn *c, const Op *op, uint64_t *r) {
    static const char *const sql[] = {"PRAGMA $S.journal_mode=DELETE", "PRAGMA $S.journal_mode=TRUNCATE",
                                      "PRAGMA $S.journal_mode=PERSIST", "PRAGMA $S.journal_mode=MEMORY"};
    if (!quiet(c) || is_wal(c))
        return skip(op);
    return settle(c, op, simple(c, sql[random_below(r, COUNT(sql))]));
}

static bool perform(Conn *c, const Op *op);

/* Some operations with the file all to this connection. */
static bool op_exclusive(Conn *c, const Op *op, uint64_t *r) {
    if (!quiet(c))
        return skip(op);
    must(c, "PRAGMA locking_mode=EXCLUSIVE");
    for (int i = random_below(r, 12); i > 0; i--) {
        Op inner = *op;
        inner.random = next_random(r);
        inner.cache = (uint8_t)random_below(r, CACHES);
        inner.kind = (uint8_t)(random_below(r, 2) ? OP_GET + random_below(r, OP_PUT - OP_GET)
                                                  : OP_PUT + random_below(r, OP_SAVEPOINT - OP_PUT));
        current = &inner;
        perform(c, &inner);
    }
    current = op;
    make_quiet(c);
    must(c, "PRAGMA locking_mode=NORMAL");
    simple(c, "SELECT count(*) FROM main.neighbour"); /* locks are let go at the next access */
    simple(c, "SELECT count(*) FROM aux.neighbour");
    report->done[op->kind]++;
    return true;
}

static bool op_admin(Conn *c, const Op *op, uint64_t *r) {
    static const char *const checkpoints[] = {"PRAGMA $S.wal_checkpoint(PASSIVE)", "PRAGMA $S.wal_checkpoint(FULL)",
                                              "PRAGMA $S.wal_checkpoint(RESTART)",
                                              "PRAGMA $S.wal_checkpoint(TRUNCATE)"};
    switch (op->kind) {
    case OP_CLEAR_L1:
        if (config->plain)
            return skip(op);
        return settle(c, op, simple(c, "SELECT hybrid_cache_clear_l1($N)"));
    case OP_NEIGHBOUR:
        return settle(c, op, run(c, "INSERT INTO $S.neighbour VALUES(?2)", VALS(INT(op->index)), NULL, NULL));
    case OP_NEIGHBOUR_DDL:
        return op_neighbour_ddl(c, op, r);
    case OP_SWAP:
        return op_swap(c, op, r);
    case OP_RECREATE:
        return op_recreate(c, op, r);
    case OP_VACUUM:
        return quiet(c) ? settle(c, op, simple(c, "VACUUM $S")) : skip(op);
    case OP_CHECKPOINT:
        return settle(c, op, simple(c, checkpoints[random_below(r, COUNT(checkpoints))]));
    case OP_JOURNAL:
        return op_journal(c, op, r);
    case OP_BACKUP:
    case OP_RESTORE:
        return op_backup(c, op);
    case OP_SWITCH:
        return op_switch(c, op);
    case OP_SETUP:
        return op_setup(c);
    case OP_EXCLUSIVE:
        return op_exclusive(c, op, r);
    default: /* OP_REOPEN */
        close_conn(c);
        if (!open_conn(c))
            return busy(op);
        report->done[op->kind]++;
        return true;
    }
}

static bool perform(Conn *c, const Op *op) {
    uint64_t r = op->random;
    bool done;
    c->cache = op->cache;
    if (op->kind >= OP_GET && op->kind < OP_PUT) {
        done = op_read(c, op, &r);
        report->done[op->kind] += done;
        return done;
    }
    bool rollback = op->kind == OP_ROLLBACK || op->kind == OP_ROLLBACK_TO;
    if (op->kind <= OP_TRIGGER_DIRECT || op->kind >= OP_SWAP || (rollback && config->plant != PLANT_ROLLBACK))
        forget_memo(c);
    switch (op->kind) {
    case OP_PUT:
        done = insert_rows(c, op, &r, REPLACE, 1);
        break;
    case OP_ADD:
        done = insert_rows(c, op, &r, IGNORE, 1);
        break;
    case OP_INSERT:
        done = insert_rows(c, op, &r, (Policy)random_below(&r, ROLL_BACK + 1), 1);
        break;
    case OP_MULTI: {
        Policy policy = (Policy)random_below(&r, ROLL_BACK + 1);
        int rows = 2 + random_below(&r, MAX_ROWS - 1);
        /* With a limit on L2, what one row meets depends on whom the rows before it evicted: only REPLACE does not
         * care. */
        done = insert_rows(c, op, &r, config->l2_entries ? REPLACE : policy, rows);
        break;
    }
    case OP_BAD:
    case OP_MULTI_BAD:
        done = op_bad(c, op, &r);
        break;
    case OP_COPY:
        done = op_copy(c, op, &r);
        break;
    case OP_UPDATE_KEY:
        done = op_update_key(c, op, &r);
        break;
    case OP_DELETE_KEY:
    case OP_DELETE_GROUP:
    case OP_DELETE_ALL:
        done = op_delete(c, op, &r);
        break;
    case OP_DIRECT:
        done = op_direct(c, op, &r);
        break;
    case OP_DIRECT_AGAIN:
        done = op_direct_again(c, op, &r);
        break;
    case OP_TRIGGER_PUT:
    case OP_TRIGGER_DELETE:
    case OP_TRIGGER_DIRECT:
        done = op_trigger(c, op, &r);
        break;
    case OP_CURSOR_OPEN:
    case OP_CURSOR_CLOSE:
        return op_cursor(c, op, &r);
    default:
        if (op->kind >= OP_UPDATE_VALUE && op->kind <= OP_UPDATE_GROUP)
            done = op_update(c, op, &r);
        else if (op->kind >= OP_PURGE && op->kind <= OP_REBUILD)
            done = op_command(c, op, &r);
        else if (op->kind >= OP_BEGIN && op->kind <= OP_ROLLBACK_TO)
            return op_transaction(c, op, &r);
        else
            return op_admin(c, op, &r);
    }
    if (!in_transaction(c))
        c->depth = 0;
    return done;
}

/* ---- the process ---- */

static int clock_int64(sqlite3_vfs *vfs, sqlite3_int64 *out) {
    (void)vfs;
    *out = clock_ms + 210866760000000; /* since the start of the Julian calendar */
    return SQLITE_OK;
}

static int clock_double(sqlite3_vfs *vfs, double *out) {
    sqlite3_int64 t;
    clock_int64(vfs, &t);
    *out = (double)t / 86400000.0;
    return SQLITE_OK;
}

/* Whatever draws lots in SQLite or in the cache, a seed has to replay. */
static int randomness(sqlite3_vfs *vfs, int n, char *out) {
    (void)vfs;
    for (int i = 0; i < n; i++)
        out[i] = (char)(next_random(&entropy) >> 24);
    return n;
}

static void one(const Op *op) {
    Conn *c = &conns[op->conn];
    c->number = op->conn;
    current = op;
    report->index = op->index;
    clock_ms = op->now;
    if (op->kind == OP_FINISH) {
        for (int i = 0; i < MAX_CONNS; i++)
            close_conn(&conns[i]);
    } else if (op->kind == OP_CLOSE) {
        close_conn(c);
    } else {
        if (!open_conn(c)) {
            busy(op);
            return;
        }
        settle_lag(c);
        perform(c, op);
    }
}

int worker_main(const Config *the_config, Report *the_report, int rank, int in, int out) {
    static Op batch[256];
    sqlite3_vfs *vfs;
    ssize_t n;
    config = the_config;
    report = the_report;
    entropy = config->seed * 31 + (uint64_t)rank;
    sqlite3_initialize();
    vfs =
        sqlite3_vfs_find(NULL); /* patched in place, so that it is still the "unix" VFS of which the extension knows */
    vfs->xCurrentTimeInt64 = clock_int64;
    vfs->xCurrentTime = clock_double;
    vfs->xRandomness = randomness;
    while ((n = read(in, batch, sizeof batch)) > 0) {
        for (size_t i = 0; i < (size_t)n / sizeof *batch; i++)
            one(&batch[i]);
        if (write(out, "+", 1) != 1)
            return 1;
    }
    return 0;
}
