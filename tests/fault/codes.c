/*
** codes.c - every condition that makes a statement fail, on a cache and on a plain table.
**
**     codes --extension dist/hybrid_cache [--condition C] [--verbose yes]
**
** The twins go through the same steps: a context (autocommit, a transaction that has written, one
** that has read, a savepoint), then the condition, a statement, a look at the rows, COMMIT, the
** condition gone, COMMIT again if that is still to do, and the rows as a fresh connection
** sees them. After each step the result code, whether a transaction is open, and the rows have
** to be those of the plain table. Beside that a cache has its L1 in line with its rows, its look-up
** functions have given no error, and no message names a shadow table.
**
** Then an authorizer denies each question that SQLite asks it, in turn, and each action that there is.
** SOAK=1, or --condition: all pairs of contexts and statements; otherwise one in seven.
*/
#include "inject.h"
#include "memfs.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_NAME "/codes.db"
#define STORY 4000
#define ONE_OF 7 /* in the bounded form */

typedef struct {
    const char *name;
    const char *journal; /* the only mode in which it can be met; NULL: any */
    int flags;           /* of sqlite3_open_v2() */
    const char *before;  /* by another connection, before the context */
    const char *between; /* by another connection, after it */
    const char *mine;    /* by this connection, after it */
    const char *undo;    /* by this connection, in the end */
    const char *gone;    /* by the other connection: the condition is gone */
    const char *fault;   /* from now on; gone with the condition */
    int limit;           /* on the length of a value; 0: none */
    int code;            /* that must show somewhere; 0: none need */
} Condition;

#define OPEN_ORDINARY (SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)
#define OPEN_SHARED (OPEN_ORDINARY | SQLITE_OPEN_SHAREDCACHE)
#define WRITE "REPLACE INTO %t(key, value) VALUES('other', 'new')"

static const Condition conditions[] = {
    {"none", NULL, OPEN_ORDINARY, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0},
    {"BUSY: a writer", NULL, OPEN_ORDINARY, "BEGIN IMMEDIATE", NULL, NULL, NULL, "ROLLBACK", NULL, 0, SQLITE_BUSY},
    {"BUSY: a writer later", NULL, OPEN_ORDINARY, NULL, "BEGIN IMMEDIATE;" WRITE, NULL, NULL, "COMMIT", NULL, 0,
     SQLITE_BUSY},
    {"BUSY: exclusive", "delete", OPEN_ORDINARY, "BEGIN EXCLUSIVE", NULL, NULL, NULL, "ROLLBACK", NULL, 0, SQLITE_BUSY},
    {"BUSY: a reader", "delete", OPEN_ORDINARY, "BEGIN; SELECT count(*) FROM %t", NULL, NULL, NULL, "COMMIT", NULL, 0,
     SQLITE_BUSY},
    {"BUSY_SNAPSHOT", "wal", OPEN_ORDINARY, NULL, WRITE, NULL, NULL, NULL, NULL, 0, SQLITE_BUSY_SNAPSHOT},
    {"BUSY: every lock", NULL, OPEN_ORDINARY, NULL, NULL, NULL, NULL, NULL, "busy+", 0, SQLITE_BUSY},
    {"LOCKED: a writer", NULL, OPEN_SHARED, "BEGIN;" WRITE, NULL, NULL, NULL, "ROLLBACK", NULL, 0, SQLITE_LOCKED},
    {"LOCKED: the schema", NULL, OPEN_SHARED, "BEGIN; CREATE TABLE more(x)", NULL, NULL, NULL, "ROLLBACK", NULL, 0,
     SQLITE_LOCKED},
    {"READONLY", NULL, SQLITE_OPEN_READONLY, NULL, NULL, NULL, NULL, NULL, NULL, 0, SQLITE_READONLY},
    {"READONLY: query_only", NULL, OPEN_ORDINARY, NULL, NULL, "PRAGMA query_only = 1", "PRAGMA query_only = 0", NULL,
     NULL, 0, SQLITE_READONLY},
    {"SCHEMA: a new table", NULL, OPEN_ORDINARY, NULL, "CREATE TABLE more(x)", NULL, NULL, NULL, NULL, 0, 0},
    {"SCHEMA: our own", NULL, OPEN_ORDINARY, NULL, NULL, "CREATE TABLE IF NOT EXISTS more(x)", NULL, NULL, NULL, 0, 0},
    {"TOOBIG", NULL, OPEN_ORDINARY, NULL, NULL, NULL, NULL, NULL, NULL, 5000, SQLITE_TOOBIG},
    {"FULL", NULL, OPEN_ORDINARY, NULL, NULL, NULL, NULL, NULL, "full+", 0, SQLITE_FULL},
    {"IOERR: write", NULL, OPEN_ORDINARY, NULL, NULL, NULL, NULL, NULL, "write+", 0, SQLITE_IOERR},
    {"IOERR: sync", NULL, OPEN_ORDINARY, NULL, NULL, NULL, NULL, NULL, "sync+", 0, SQLITE_IOERR},
    {"IOERR: lock", NULL, OPEN_ORDINARY, NULL, NULL, NULL, NULL, NULL, "lock+", 0, 0},
    {"CANTOPEN", "delete", OPEN_ORDINARY, NULL, NULL, NULL, NULL, NULL, "open+", 0, SQLITE_CANTOPEN},
    {"INTERRUPT", NULL, OPEN_ORDINARY, NULL, NULL, NULL, NULL, NULL, "interrupt+", 0, SQLITE_INTERRUPT},
};
#define CONDITIONS ((int)(sizeof conditions / sizeof conditions[0]))

/* What is open when the condition comes. */
static const char *const contexts[] = {NULL, "BEGIN", "BEGIN; INSERT INTO %t(key, value) VALUES('first', 'new')",
                                       "BEGIN; SELECT count(*) FROM %t",
                                       "SAVEPOINT s; INSERT INTO %t(key, value) VALUES('first', 'new'); SAVEPOINT t"};
#define CONTEXTS ((int)(sizeof contexts / sizeof contexts[0]))

static const char *const statements[] = {
    "INSERT INTO %t(key, value) VALUES('new', 'new')",
    "INSERT INTO %t(key, value) VALUES('new', 'new'), ('new2', 'new'), ('k2', 'bad')",
    "INSERT OR IGNORE INTO %t(key, value) VALUES('k1', 'bad'), ('new', 'new')",
    "REPLACE INTO %t(key, value) VALUES('k1', 'new')",
    ("REPLACE INTO %t(key, value) VALUES('k1', printf('%%.*c', 4900, 'x') || 'k'), (printf('%%.*c', 4990, 'y'), 'z' || "
     "printf('%%.*c', 4900, 'x'))"),
    "UPDATE %t SET value = 'new' WHERE key = 'k2'",
    "UPDATE %t SET value = value || '+'",
    "UPDATE %t SET key = 'moved' WHERE key = 'k3'",
    "UPDATE OR REPLACE %t SET key = 'k2' WHERE key = 'k3'",
    "DELETE FROM %t WHERE key = 'k1'",
    "DELETE FROM %t",
    "SELECT value FROM %t WHERE key = 'k1'",
    "SELECT length(value) FROM %t WHERE key = 'large'",
    "SELECT value FROM %t WHERE key = 'large'",
    "SELECT count(*) FROM %t"};
#define STATEMENTS ((int)(sizeof statements / sizeof statements[0]))

static struct {
    const char *extension;
    int verbose, all;
} bench;

static char problem[2 * STORY];

__attribute__((format(printf, 1, 2))) static void complain(const char *format, ...) {
    va_list arguments;
    if (problem[0] != 0)
        return;
    va_start(arguments, format);
    vsnprintf(problem, sizeof problem, format, arguments);
    va_end(arguments);
}

static sqlite3 *open_database(int flags) {
    sqlite3 *db = NULL;
    char *message = NULL;
    if (sqlite3_open_v2(FILE_NAME, &db, flags, NULL) != SQLITE_OK)
        complain("open: %s", sqlite3_errmsg(db));
    sqlite3_extended_result_codes(db, 1);
    sqlite3_enable_load_extension(db, 1);
    if (sqlite3_load_extension(db, bench.extension, NULL, &message) != SQLITE_OK)
        complain("load: %s", message != NULL ? message : "");
    sqlite3_free(message);
    return db;
}

/* `sql` with the name of the table for %t, and % for %%. */
static void expand(const char *sql, const char *table, char *out, size_t room) {
    size_t n = 0;
    for (; *sql != 0 && n + strlen(table) + 1 < room; sql++) {
        if (sql[0] == '%' && sql[1] == 't') {
            memcpy(out + n, table, strlen(table));
            n += strlen(table);
            sql++;
        } else {
            out[n++] = *sql;
            sql += sql[0] == '%' && sql[1] == '%';
        }
    }
    out[n] = 0;
}

static int run(sqlite3 *db, const char *sql, const char *table) {
    char text[1000];
    if (sql == NULL)
        return SQLITE_OK;
    expand(sql, table, text, sizeof text);
    int rc = sqlite3_exec(db, text, NULL, NULL, NULL);
    const char *message = sqlite3_errmsg(db);
    if (rc != SQLITE_OK && (strstr(message, "_data") != NULL || strstr(message, "_meta") != NULL || message[0] == 0))
        complain("%s: the message is \"%s\"", text, message);
    return rc;
}

static void tell(char *story, const char *format, ...) {
    va_list arguments;
    size_t n = strlen(story);
    va_start(arguments, format);
    vsnprintf(story + n, STORY - n, format, arguments);
    va_end(arguments);
}

static void tell_rows(char *story, sqlite3 *db, const char *table) {
    char text[200];
    sqlite3_stmt *stmt = NULL;
    expand("SELECT group_concat(key || '=' || substr(value, 1, 5), ' ') FROM (SELECT * FROM %t ORDER BY key)", table,
           text, sizeof text);
    int rc = sqlite3_prepare_v2(db, text, -1, &stmt, NULL);
    if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
        tell(story, " [%.300s]", (const char *)sqlite3_column_text(stmt, 0));
    rc = sqlite3_finalize(stmt);
    if (rc != SQLITE_OK)
        tell(story, " [error %d]", sqlite3_errcode(db) & 0xff);
}

/* A look-up function fails for no condition but an interrupt. What SQLite refuses to prepare is its own affair. */
static void look_up(sqlite3 *db) {
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(db, "SELECT hybrid_cache_get('cache', 'k1'), hybrid_cache_has('cache', 'none')", -1, &stmt,
                           NULL) != SQLITE_OK)
        return;
    int rc = sqlite3_step(stmt);
    if (rc != SQLITE_ROW && rc != SQLITE_INTERRUPT)
        complain("a look-up failed: error %d, %s", rc, sqlite3_errmsg(db));
    sqlite3_finalize(stmt);
}

/* The L1 says what the rows say. */
static void check_cache(sqlite3 *db, const char *where) {
    sqlite3_stmt *stmt = NULL;
    int wrong = 0;
    int rc = sqlite3_prepare_v2(db, "SELECT d.key, hybrid_cache_get('cache', d.key) IS d.value FROM cache_data d", -1,
                                &stmt, NULL);
    while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
        wrong += !sqlite3_column_int(stmt, 1);
    sqlite3_finalize(stmt);
    if (rc != SQLITE_OK || wrong > 0)
        complain("%s: the L1 is not in line with the rows (%d, error %d)", where, wrong, rc);
    static const char *const keys[] = {"k1", "k2", "k3", "new", "new2", "first", "other", "moved"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        char *sql = sqlite3_mprintf("SELECT hybrid_cache_get('cache', %Q) IS (SELECT value FROM cache_data"
                                    " WHERE key = %Q)",
                                    keys[i], keys[i]);
        if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK || sqlite3_step(stmt) != SQLITE_ROW ||
            sqlite3_column_int(stmt, 0) != 1)
            complain("%s: the L1 is not in line with the row of %s: %s", where, keys[i], sqlite3_errmsg(db));
        sqlite3_finalize(stmt);
        sqlite3_free(sql);
    }
}

static void make_database(const char *journal) {
    char sql[100];
    memfs_clear();
    sqlite3 *db = open_database(OPEN_ORDINARY);
    snprintf(sql, sizeof sql, "PRAGMA journal_mode = %s", journal);
    if (run(db, sql, "") != SQLITE_OK || run(db, "CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=0)", "") ||
        run(db, "CREATE TABLE plain(key NOT NULL UNIQUE, value)", "") ||
        run(db,
            "INSERT INTO cache(key, value) VALUES('k1', 'old'), ('k2', 'old'), ('k3', 'old'), ('large', 'l' || "
            "hex(zeroblob(800)))",
            "") ||
        run(db, "INSERT INTO plain SELECT key, value FROM cache", ""))
        complain("setup: %s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

static const InjectFault *fault_of(const char *name) {
    const InjectFault *fault = inject_faults;
    while (fault->name != NULL && strcmp(fault->name, name) != 0)
        fault++;
    return fault;
}

/* What one of the twins has to tell. */
static void live(const Condition *condition, const char *journal, int context, int statement, const char *table,
                 char *story) {
    int is_cache = strcmp(table, "cache") == 0;
    sqlite3_int64 memory = sqlite3_memory_used();
    story[0] = 0;
    make_database(journal);
    /* In WAL mode somebody has to keep the WAL open, for who may only read. */
    sqlite3 *other = open_database(condition->flags == SQLITE_OPEN_READONLY ? OPEN_ORDINARY : condition->flags);
    run(other, "SELECT count(*) FROM %t", table);
    sqlite3 *db = open_database(condition->flags);
    sqlite3_exec(db, "SELECT hybrid_cache_get('cache', key) FROM plain", NULL, NULL, NULL);
    run(db, "SELECT count(*) FROM %t WHERE key = 'k1'", table);
    if (run(other, condition->before, table) != SQLITE_OK)
        complain("before: %s", sqlite3_errmsg(other));
    tell(story, "begin %d", run(db, contexts[context], table) & 0xff);
    run(other, condition->between, table);
    tell(story, ", mine %d", run(db, condition->mine, table) & 0xff);
    if (condition->limit > 0)
        sqlite3_limit(db, SQLITE_LIMIT_LENGTH, condition->limit);
    if (condition->fault != NULL)
        inject_arm(fault_of(condition->fault), 1, db);

    int rc = run(db, statements[statement], table);
    tell(story, ", statement %d, autocommit %d, changes %d", rc, sqlite3_get_autocommit(db),
         rc == SQLITE_OK ? sqlite3_changes(db) : 0);
    if (is_cache)
        look_up(db);
    if (condition->limit > 0)
        sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 1000000000);
    if (condition->fault == NULL)
        tell_rows(story, db, table);
    if (!sqlite3_get_autocommit(db))
        tell(story, ", commit %d", run(db, "COMMIT", table) & 0xff);
    tell(story, ", autocommit %d", sqlite3_get_autocommit(db));
    inject_disarm();
    run(other, condition->gone, table);
    run(db, condition->undo, table);
    tell_rows(story, db, table);
    if (!sqlite3_get_autocommit(db)) {
        if (is_cache)
            check_cache(db, "inside");
        tell(story, ", commit %d", run(db, "COMMIT", table) & 0xff);
        tell(story, ", rollback %d", run(db, sqlite3_get_autocommit(db) ? NULL : "ROLLBACK", table));
    }
    tell_rows(story, db, table);
    sqlite3 *fresh = open_database(OPEN_ORDINARY);
    tell_rows(story, fresh, table);
    if (is_cache) {
        check_cache(db, "after");
        check_cache(other, "other");
        check_cache(fresh, "fresh");
        if (run(fresh, "INSERT INTO cache(cache) VALUES('check')", table) != SQLITE_OK)
            complain("check: %s", sqlite3_errmsg(fresh));
    }
    tell(story, ", later %d", run(db, "REPLACE INTO %t(key, value) VALUES('later', 'new')", table));
    if (sqlite3_close(db) != SQLITE_OK || sqlite3_close(other) != SQLITE_OK || sqlite3_close(fresh) != SQLITE_OK)
        complain("close");
    if (sqlite3_memory_used() != memory)
        complain("%lld bytes leaked", sqlite3_memory_used() - memory);
}

static long passed, failed;

static void judge(const char *what, const char *journal, int context, const char *statement) {
    if (problem[0] == 0) {
        passed++;
        return;
    }
    if (failed++ < 40)
        printf("FAILED %s, %s, context \"%s\", %.70s\n       %s\n", what, journal,
               contexts[context] ? contexts[context] : "", statement, problem);
}

/*
** Where the cache may differ. A disk that fails in a statement of a virtual table ends the whole
** transaction, since the statement inside has no journal of its own, and it can fail there where a plain
** table meets it in COMMIT: then nothing of the transaction may be left. And what the L1 has, it
** gives while others hold locks.
*/
static int excused(const Condition *condition, int statement, const char *cache, const char *plain) {
    const char *rows = strrchr(cache, '['), *first = strstr(cache, "first=");
    int disk = condition->code == SQLITE_FULL || condition->code == SQLITE_IOERR;
    if (condition->code == SQLITE_LOCKED)
        return strncmp(statements[statement], "SELECT", 6) == 0 && strstr(cache, "statement 0,") != NULL;
    return disk && strstr(plain, "autocommit 0") != NULL && strstr(cache, "autocommit 0") == NULL && first == NULL &&
           rows != NULL && strncmp(rows, "[k1=old k2=old k3=old large=l0000]", 34) == 0;
}

static void run_condition(const Condition *condition) {
    static const char *const journals[] = {"wal", "delete"};
    long met = 0, pairs = 0;
    for (int mode = 0; mode < 2; mode++) {
        if (condition->journal != NULL && strcmp(condition->journal, journals[mode]) != 0)
            continue;
        for (int context = 0; context < CONTEXTS; context++) {
            for (int statement = 0; statement < STATEMENTS; statement++) {
                static int turn;
                if (!bench.all && turn++ % ONE_OF != 0)
                    continue;
                char cache[STORY], plain[STORY];
                problem[0] = 0;
                live(condition, journals[mode], context, statement, "cache", cache);
                live(condition, journals[mode], context, statement, "plain", plain);
                if (strcmp(cache, plain) != 0 && !excused(condition, statement, cache, plain))
                    complain("cache: %s\n       plain: %s", cache, plain);
                pairs++;
                met += strstr(cache, "statement 0,") == NULL || strstr(cache, "commit 0") != strstr(cache, "commit");
                if (bench.verbose)
                    printf("%s | %d | %s | %s\n", condition->name, context, statements[statement], cache);
                judge(condition->name, journals[mode], context, statements[statement]);
            }
        }
    }
    printf("%-22s %5ld twins, %5ld in which a step failed\n", condition->name, pairs, met);
    if (condition->code != 0 && met == 0) {
        printf("FAILED %s was not met\n", condition->name);
        failed++;
    }
}

/* ------------------------------------------------------------- authorizer */

static struct {
    long n, asked; /* the nth question is denied */
    int code;      /* all questions of that action are; 0: none */
    int answer;    /* SQLITE_DENY or SQLITE_IGNORE */
} guard;

static int on_question(void *unused, int action, const char *a, const char *b, const char *c, const char *d) {
    (void)unused, (void)a, (void)b, (void)c, (void)d;
    guard.asked++;
    return guard.asked == guard.n || (guard.code != 0 && action == guard.code) ? guard.answer : SQLITE_OK;
}

/* A denied statement has done nothing, has left the transaction alone, and the next one works. */
static void run_denied(int context, int statement, const char *sql) {
    char text[1000], message[400], before[STORY] = "", after[STORY] = "", fresh_rows[STORY] = "";
    sqlite3_int64 memory = sqlite3_memory_used();
    problem[0] = 0;
    make_database(statement % 2 ? "wal" : "delete");
    sqlite3 *db = open_database(OPEN_ORDINARY);
    if (context == 0)
        sqlite3_exec(db, "SELECT hybrid_cache_get('cache', key) FROM plain", NULL, NULL, NULL);
    run(db, contexts[context], "cache");
    tell_rows(before, db, "cache");
    int autocommit = sqlite3_get_autocommit(db);
    guard.asked = 0;
    sqlite3_set_authorizer(db, on_question, NULL);
    expand(sql, "cache", text, sizeof text);
    int rc = run(db, text, "cache");
    snprintf(message, sizeof message, "%s", sqlite3_errmsg(db));
    sqlite3_set_authorizer(db, NULL, NULL);
    tell_rows(after, db, "cache");
    if (rc != SQLITE_OK && rc != SQLITE_AUTH && rc != SQLITE_ERROR && rc != SQLITE_CONSTRAINT_UNIQUE)
        complain("question %ld, action %d: error %d, %s", guard.n, guard.code, rc, message);
    if (rc != SQLITE_OK && strcmp(before, after) != 0)
        complain("denied (%d), and yet: %s became %s", rc, before, after);
    if (sqlite3_get_autocommit(db) != autocommit)
        complain("the transaction has gone");
    check_cache(db, "after a denial");
    if (!autocommit && run(db, "COMMIT", "cache") != SQLITE_OK)
        complain("commit: %s", sqlite3_errmsg(db));
    sqlite3 *fresh = open_database(OPEN_ORDINARY);
    tell_rows(fresh_rows, fresh, "cache");
    if (strcmp(after, fresh_rows) != 0)
        complain("%s was committed as %s", after, fresh_rows);
    check_cache(fresh, "fresh");
    if (run(fresh, "INSERT INTO cache(cache) VALUES('check')", "") != SQLITE_OK ||
        run(db, "REPLACE INTO cache(key, value) VALUES('k1', 'later')", "") != SQLITE_OK)
        complain("later: %s; %s", sqlite3_errmsg(fresh), sqlite3_errmsg(db));
    if (sqlite3_close(db) != SQLITE_OK || sqlite3_close(fresh) != SQLITE_OK)
        complain("close");
    if (sqlite3_memory_used() != memory)
        complain("%lld bytes leaked", sqlite3_memory_used() - memory);
    judge("AUTH", guard.answer == SQLITE_DENY ? "deny" : "ignore", context, text);
}

static void run_authorizer(void) {
    static const char *const more[] = {
        "INSERT INTO cache(cache) VALUES('purge')",   "INSERT INTO cache(cache) VALUES('check')",
        "INSERT INTO cache(cache) VALUES('rebuild')", "INSERT INTO cache(cache, value) VALUES('ttl', 9)",
        "SELECT hybrid_cache_get('cache', 'k1')",     "SELECT * FROM hybrid_cache_stats",
        "SELECT * FROM hybrid_cache_mrc('cache')",    "SELECT hybrid_cache_option('cache', 'ttl')"};
    long denials = 0, most = 0;
    for (int context = 0; context < CONTEXTS; context += 2) {
        for (int i = 0; i < STATEMENTS + (int)(sizeof more / sizeof more[0]); i++) {
            const char *sql = i < STATEMENTS ? statements[i] : more[i - STATEMENTS];
            static int turn;
            int all = bench.all || strstr(sql, "rebuild") != NULL; /* which asks a question of every kind */
            guard.answer = SQLITE_DENY;
            guard.code = 0;
            for (guard.n = 1;; guard.n++) {
                if (!all && guard.n > 1 && turn++ % ONE_OF != 0)
                    continue;
                run_denied(context, i, sql);
                if (guard.asked < guard.n)
                    break;
                denials++;
                most = guard.n > most ? guard.n : most;
            }
            guard.n = 0;
            for (guard.code = 1; guard.code <= SQLITE_RECURSIVE; guard.code++) {
                if (!all && turn++ % ONE_OF != 0)
                    continue;
                run_denied(context, i, sql);
                denials++;
            }
        }
    }
    printf("%-22s %5ld denials, of up to %ld questions of a statement\n", "AUTH", denials, most);
}

int main(int argc, char **argv) {
    const char *wanted = NULL, *soak = getenv("SOAK");
    bench.all = soak != NULL && soak[0] != 0;
    bench.extension = "dist/hybrid_cache";
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--extension") == 0)
            bench.extension = value;
        else if (strcmp(argv[i], "--condition") == 0)
            wanted = value, bench.all = 1;
        else if (strcmp(argv[i], "--verbose") == 0)
            bench.verbose = 1;
        else
            return fprintf(stderr, "codes: unknown argument %s\n", argv[i]), 2;
    }
    if (inject_install() != SQLITE_OK)
        return fprintf(stderr, "codes: cannot install the faults\n"), 2;
    make_database("delete");
    sqlite3 *holder = open_database(OPEN_ORDINARY);
    for (int i = 0; i < CONDITIONS; i++) {
        if (wanted == NULL || strncmp(wanted, conditions[i].name, strlen(wanted)) == 0)
            run_condition(&conditions[i]);
    }
    if (wanted == NULL || strcmp(wanted, "AUTH") == 0)
        run_authorizer();
    sqlite3_close(holder);
    memfs_clear();
    printf("%ld passed, %ld failed\n", passed, failed);
    return failed != 0;
}
