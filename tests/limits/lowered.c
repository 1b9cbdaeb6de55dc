/*
** lowered.c: SQLite's run-time limits (sqlite3_limit) lowered, from the least value up to where everything works.
**
**     HC_EXTENSION=dist/hybrid_cache build/limits/lowered
**
** A statement that succeeds has done all of it, one that fails nothing: a twin without limits repeats what has
** succeeded, and both have to hold the same after every step. What is refused is refused with the words of the limit:
** nothing is damaged, so nothing may say so (and send somebody to `rebuild`).
*/
#include "limits.h"

static const struct Limit {
    const char *name;
    int id;
    int from, to, step;
} limits[] = {
    {"LENGTH", SQLITE_LIMIT_LENGTH, 0, 4000, 20},
    {"SQL_LENGTH", SQLITE_LIMIT_SQL_LENGTH, 1, 1200, 9},
    {"COLUMN", SQLITE_LIMIT_COLUMN, 1, 28, 1},
    {"EXPR_DEPTH", SQLITE_LIMIT_EXPR_DEPTH, 1, 14, 1},
    {"COMPOUND_SELECT", SQLITE_LIMIT_COMPOUND_SELECT, 1, 8, 1},
    {"VDBE_OP", SQLITE_LIMIT_VDBE_OP, 1, 450, 13},
    {"FUNCTION_ARG", SQLITE_LIMIT_FUNCTION_ARG, 0, 6, 1},
    {"ATTACHED", SQLITE_LIMIT_ATTACHED, 0, 1, 1},
    {"LIKE_PATTERN_LENGTH", SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1, 60, 3},
    {"VARIABLE_NUMBER", SQLITE_LIMIT_VARIABLE_NUMBER, 1, 9, 1},
    {"TRIGGER_DEPTH", SQLITE_LIMIT_TRIGGER_DEPTH, 0, 4, 1},
    {"WORKER_THREADS", SQLITE_LIMIT_WORKER_THREADS, 0, 2, 1},
};
enum { LIMITS = sizeof limits / sizeof limits[0], MOST_IDS = 16 };

/* What sqlite.org/security.html advises for SQL of others, but for the length of a value: all of it works below these. */
static const int advised[][2] = {
    {SQLITE_LIMIT_LENGTH, 1000000},     {SQLITE_LIMIT_SQL_LENGTH, 100000}, {SQLITE_LIMIT_COLUMN, 100},
    {SQLITE_LIMIT_EXPR_DEPTH, 10},      {SQLITE_LIMIT_COMPOUND_SELECT, 3}, {SQLITE_LIMIT_VDBE_OP, 25000},
    {SQLITE_LIMIT_FUNCTION_ARG, 8},     {SQLITE_LIMIT_ATTACHED, 0},        {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50},
    {SQLITE_LIMIT_VARIABLE_NUMBER, 10}, {SQLITE_LIMIT_TRIGGER_DEPTH, 10},
};

static const char setup[] =
    "CREATE VIRTUAL TABLE c USING hybrid_cache(ttl=0, l2_entries=1000);"
    "INSERT INTO c(key, value, tag) VALUES('a', 'A', NULL), ('b', 'B', 't'), ('gone', 1, 't'), ('long', zeroblob(900), "
    "NULL);"
    "INSERT INTO c(key, value, expires) VALUES('old', 1, 5);"
    "CREATE TABLE t(n); CREATE TRIGGER r AFTER INSERT ON t BEGIN REPLACE INTO c(key, value) VALUES(new.n, new.n); END;";

static const char *const steps[] = {
    "SELECT hybrid_cache_get('c', 'a')",
    "SELECT value FROM c WHERE key = 'a'",
    "INSERT INTO c(key, value, tag) VALUES('x', 1, 't')",
    "SELECT hybrid_cache_get('c', 'x')",
    "REPLACE INTO c(key, value) VALUES('a', 'AA')",
    "SELECT hybrid_cache_get('c', 'a')",
    "REPLACE INTO c(key, value, tag) VALUES('b', 'BB', 'u')",
    "INSERT INTO c(key, value) VALUES('b', 'again')",
    "INSERT OR IGNORE INTO c(key, value) VALUES('b', 'again'), ('i', 'I')",
    "UPDATE c SET value = 'new' WHERE key = 'a'",
    "UPDATE c SET expires = 4000000000 WHERE key = 'b'",
    "UPDATE c SET key = 'z' WHERE key = 'x'",
    "UPDATE OR REPLACE c SET key = 'z' WHERE key = 'i'",
    "UPDATE c SET tag = 'another tag' WHERE tag = 't'",
    "SELECT count(*) FROM c",
    "SELECT max(value) FROM c WHERE tag = 'another tag'",
    "SELECT count(*) FROM c WHERE key LIKE 'a%'",
    "SELECT count(*) FROM c WHERE key BETWEEN 'a' AND 'y' AND expires > 7",
    "SELECT l2_count FROM hybrid_cache_stats",
    "SELECT json_extract(hybrid_cache_stats('c'), '$.l2_count')",
    "SELECT hybrid_cache_option('c', 'ttl')",
    "INSERT INTO t VALUES('by trigger')",
    "INSERT INTO c(key, value) VALUES(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6), (7, 7)",
    "UPDATE c SET value = value + 1 WHERE key < 5",
    "SELECT sum(hybrid_cache_get('c', key)) FROM c WHERE key < 8",
    "INSERT INTO c(c, value) VALUES('ttl', 60)",
    "INSERT INTO c(c) VALUES('purge')",
    "INSERT INTO c(c) VALUES('check')",
    "INSERT INTO c(c) VALUES('rebuild')",
    "DELETE FROM c WHERE key = 'a'",
    "DELETE FROM c WHERE tag = 'another tag'",
    "CREATE VIRTUAL TABLE n USING hybrid_cache(ttl=0)",
    "INSERT INTO n(key, value) VALUES('in', 'n')",
    "SELECT value FROM n",
    "ALTER TABLE n RENAME TO m",
    "INSERT INTO m(key, value) VALUES('in', 'm')",
    "DROP TABLE m",
    "INSERT INTO c(c) VALUES('clear')",
    "INSERT INTO c(key, value) VALUES('last', 1)",
};
enum { STEPS = sizeof steps / sizeof steps[0] };

/* In a transaction of its own, in one of the application's, in a savepoint, or all in one. */
enum { ALONE, IN_BEGIN, IN_SAVEPOINT, IN_ONE, WAYS };
static const char *const way_names[] = {"alone", "in BEGIN", "in SAVEPOINT", "in one BEGIN"};

/* What runs just now, for messages. */
static struct {
    const struct Limit *limit; /* NULL: those advised */
    int value, way, warm;
    const char *step;
    char refusal[200]; /* what the last statement that failed said */
} now;

static void tell(const char *what) {
    printf("  %s=%d, %s, %s, %s: %s\n", now.limit ? now.limit->name : "advised", now.value, way_names[now.way],
           now.warm ? "warm" : "cold", now.step, what);
}

typedef struct Counts {
    long ok, refused, missed; /* missed: a function found nothing where there is something */
} Counts;

/* All limits as SQLite has them, or as `limits` says. */
static int usual[MOST_IDS];

static void raise_all(sqlite3 *db) {
    for (int i = 0; i < MOST_IDS; i++)
        sqlite3_limit(db, i, usual[i]);
}

typedef struct Result {
    int rc;
    char *text;    /* the first column of the first row, or NULL */
    char *message; /* of a failure */
} Result;

static Result ask(sqlite3 *db, const char *sql) {
    Result result = {0};
    sqlite3_stmt *stmt = NULL;
    result.rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    if (result.rc == SQLITE_OK) {
        int rc = sqlite3_step(stmt);
        if (rc == SQLITE_ROW && sqlite3_column_text(stmt, 0))
            result.text = sqlite3_mprintf("%s", sqlite3_column_text(stmt, 0));
        while (rc == SQLITE_ROW)
            rc = sqlite3_step(stmt);
        result.rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
    }
    if (result.rc != SQLITE_OK)
        result.message = sqlite3_mprintf("%s", sqlite3_errmsg(db));
    sqlite3_finalize(stmt);
    return result;
}

static void forget(Result *result) {
    sqlite3_free(result->text);
    sqlite3_free(result->message);
}

/* Everything that a connection without limits sees, as one text. */
static char *dump(sqlite3 *db) {
    static const char *const names[] = {"c", "n", "m"};
    sqlite3_str *all = sqlite3_str_new(NULL);
    Result schema =
        ask(db, "SELECT group_concat(type || ' ' || name) FROM (SELECT * FROM sqlite_master ORDER BY name)");
    sqlite3_str_appendf(all, "%s\n", schema.text);
    for (int i = 0; i < 3; i++) {
        char *sql = sqlite3_mprintf(
            "SELECT coalesce(group_concat(quote(key) || quote(value) || iif(expires < 3e9, 'soon', expires) || "
            "coalesce(tag, '')), '') || ' ttl ' || hybrid_cache_option('%s', 'ttl') FROM "
            "(SELECT key, value, expires, tag FROM %s ORDER BY key)",
            names[i], names[i]);
        char *wrong =
            sqlite3_mprintf("SELECT count(*) FROM %s WHERE expires > 5 AND hybrid_cache_get('%s', key) IS NOT value",
                            names[i], names[i]);
        Result rows = ask(db, sql), lies = ask(db, wrong);
        sqlite3_str_appendf(all, "%s: %s %s %s\n", names[i], rows.text, lies.text, rows.message);
        forget(&rows);
        forget(&lies);
        sqlite3_free(sql);
        sqlite3_free(wrong);
    }
    forget(&schema);
    return sqlite3_str_finish(all);
}

static void lower(sqlite3 *db) {
    if (now.limit) {
        sqlite3_limit(db, now.limit->id, now.value);
        return;
    }
    for (size_t i = 0; i < sizeof advised / sizeof advised[0]; i++)
        sqlite3_limit(db, advised[i][0], advised[i][1]);
}

/* One step under the limit; the twin repeats it if it succeeded. */
static void step(sqlite3 *db, sqlite3 *twin, const char *sql, Counts *counts) {
    lower(db);
    Result got = ask(db, sql);
    raise_all(db);
    if (got.rc == SQLITE_OK) {
        Result right = ask(twin, sql);
        counts->ok++;
        /* Where L2 cannot be read a look-up is a miss, and the counters are those last known. */
        int lenient = (strncmp(sql, "SELECT hybrid_cache_get", 23) == 0 && !got.text) || strstr(sql, "l2_count");
        if (lenient && (got.text ? !right.text || strcmp(got.text, right.text) != 0 : right.text != NULL))
            counts->missed++;
        else if (!CHECK_TEXT(got.text ? got.text : "NULL", right.text ? right.text : "NULL"))
            tell("another answer");
        forget(&right);
    } else if (strstr(got.message, "UNIQUE constraint failed")) {
        counts->ok++; /* as the twin would say */
    } else {
        counts->refused++;
        snprintf(now.refusal, sizeof now.refusal, "%s", got.message);
        int clean = !strstr(got.message, "damaged") && !strstr(got.message, "_data") && !strstr(got.message, "_meta") &&
                    (got.rc & 0xff) != SQLITE_CORRUPT && !strstr(got.message, "constructor failed");
        if (!CHECK(clean))
            tell(got.message);
    }
    forget(&got);
    if (sqlite3_get_autocommit(db) && !sqlite3_get_autocommit(twin))
        must(twin, "ROLLBACK");
}

static void compare(sqlite3 *db, sqlite3 *twin) {
    char *here = dump(db), *there = dump(twin);
    if (!CHECK(strcmp(here, there) == 0)) {
        tell(now.refusal);
        tell(here);
        tell(there);
    }
    if (!CHECK_EQ(run(db, "INSERT INTO c(c) VALUES('check')"), SQLITE_OK))
        tell(sqlite3_errmsg(db));
    sqlite3_free(here);
    sqlite3_free(there);
}

static void session(const struct Limit *limit, int value, int way, int warm, Counts *counts) {
    sqlite3 *db = open_db(":memory:"), *twin = open_db(":memory:");
    now.limit = limit;
    now.value = value;
    now.way = way;
    now.warm = warm;
    now.step = "CREATE";
    must(db, "%s", setup);
    must(twin, "%s", setup);
    /* Cold: no statement is prepared and nothing known of the cache when the limit falls. */
    if (!warm) {
        must(db, "CREATE TABLE forget(a)");
        must(twin, "CREATE TABLE forget(a)");
    } else {
        char *text = dump(db);
        sqlite3_free(text);
    }
    if (way == IN_ONE) {
        must(db, "BEGIN");
        must(twin, "BEGIN");
    }
    for (int i = 0; i < STEPS; i++) {
        now.step = steps[i];
        if (way == IN_BEGIN || way == IN_SAVEPOINT) {
            must(db, way == IN_BEGIN ? "BEGIN" : "BEGIN; SAVEPOINT s");
            must(twin, way == IN_BEGIN ? "BEGIN" : "BEGIN; SAVEPOINT s");
        }
        step(db, twin, steps[i], counts);
        if (way == IN_SAVEPOINT && i % 3 == 0 && !sqlite3_get_autocommit(db)) {
            must(db, "ROLLBACK TO s");
            must(twin, "ROLLBACK TO s");
        }
        if (way == IN_BEGIN || way == IN_SAVEPOINT || i == STEPS - 1) {
            if (!sqlite3_get_autocommit(db))
                step(db, twin, "COMMIT", counts);
            if (!sqlite3_get_autocommit(db)) { /* refused, and it can be tried again */
                must(db, "COMMIT");
                must(twin, "COMMIT");
            }
        }
        compare(db, twin);
    }
    CHECK_EQ(sqlite3_close(db), SQLITE_OK);
    CHECK_EQ(sqlite3_close(twin), SQLITE_OK);
}

static const struct Limit *tested;

static void test_limit(void) {
    Counts counts = {0};
    int stride = tested->step > 1 && !limits_soak ? tested->step * 5 : tested->step;
    int values = 0, enough = tested->from; /* from here on nothing was refused */
    for (int value = tested->from; value <= tested->to; value += stride, values++) {
        Counts before = counts;
        for (int way = 0; way < WAYS; way++) {
            for (int warm = 0; warm < 2; warm++) {
                if (limits_soak || warm == (values + way) % 2)
                    session(tested, value, way, warm, &counts);
            }
        }
        if (counts.refused + counts.missed > before.refused + before.missed)
            enough = value + 1;
    }
    printf("%-20s %4d values from %d: %ld statements done, %ld refused, %ld look-ups missed; none from %d on\n",
           tested->name, values, tested->from, counts.ok, counts.refused, counts.missed, enough);
    CHECK(enough <= tested->to - stride + 1); /* else `to` is too low to show that everything works */
}

static void test_advised(void) {
    Counts counts = {0};
    for (int way = 0; way < WAYS; way++) {
        session(NULL, 0, way, 0, &counts);
        session(NULL, 0, way, 1, &counts);
    }
    printf("%-20s %4d limits at once: %ld statements done, %ld refused, %ld look-ups missed\n", "advised",
           (int)(sizeof advised / sizeof advised[0]), counts.ok, counts.refused, counts.missed);
    CHECK_EQ(counts.refused + counts.missed, 0);
}

int main(int argc, char **argv) {
    (void)argc;
    limits_begin(argv);
    sqlite3 *db = unit_open(":memory:");
    for (int i = 0; i < MOST_IDS; i++)
        usual[i] = sqlite3_limit(db, i, -1);
    sqlite3_close(db);
    for (tested = limits; tested < limits + LIMITS; tested++)
        limits_run(tested->name, test_limit);
    TIMED(test_advised);
    return unit_end();
}
