/*
** fuzz_shadow.c: shadow tables that anything can have happened to.
**
** The input is a program of one-byte operations with arguments: reads, writes and commands on two caches, by two
** connections, and between them edits of the shadow tables by plain SQL: any value of any type in any column, bits
** flipped, rows and tables gone, swapped, replaced by views, virtual tables and tables of another shape, triggers
** on them, a meta row that lies.
**
** Whatever happened: nothing crashes; no value is ever returned that was not once stored under that key (unless the
** input took the checksum away, which the format allows: "not checked"); no error names a shadow table or says that
** we misused SQLite; statements are handed back; a `rebuild` that succeeds leaves nothing for `check` to find.
*/
#include "fuzz.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "l2.h"
#include "testclock.h"

static const char *const caches[] = {"c", "d"};
static const char *const keys[] = {
    "1",    "'a'", "2.5",   "x'61'",
    "'ab'", "''",  "-9e18", "'a very long key, longer than what the header of a record can hold in one byte'"};
enum { KEYS = sizeof keys / sizeof keys[0] };
static const char *const data_columns[] = {"key", "expires", "tag", "size", "used", "sum", "value", "id"};
static const char *const meta_columns[] = {"format", "store", "seed", "options", "state", "id"};

/* ------------------------------------------------------------- the program */

typedef struct Program {
    const uint8_t *at, *end;
    sqlite3 *db[2];
    int now;       /* index of the connection that works */
    int unchecked; /* a checksum was taken away, or a table computes what it likes: values prove nothing */
    int meddled;   /* a trigger on the storage undoes what is done to it: nobody can rebuild that */
    int values;    /* values made so far; each contains its number */
    uint8_t *may;  /* [number]: keys, as bits, under which the value may be */
    int may_room;
} Program;

static unsigned take(Program *program) {
    return program->at < program->end ? *program->at++ : 0;
}

/* ------------------------------------------------------ what was ever stored */

/* A value with its number in it, of one of several types and sizes; as an SQL expression. Free with sqlite3_free. */
static char *make_value(Program *program, unsigned key) {
    int n = ++program->values;
    if (n >= program->may_room) {
        int room = program->may_room * 2 + 64;
        program->may = realloc(program->may, (size_t)room);
        memset(program->may + program->may_room, 0, (size_t)(room - program->may_room));
        program->may_room = room;
    }
    program->may[n] = (uint8_t)(1u << key);
    switch (n % 5) {
    case 0:
        return sqlite3_mprintf("%d", n);
    case 1:
        return sqlite3_mprintf("%d.25", n);
    case 2:
        return sqlite3_mprintf("'%d'", n);
    case 3:
        return sqlite3_mprintf("CAST('%d' AS BLOB)", n);
    default:
        return sqlite3_mprintf("'%d%.*c'", n, 700, 'x');
    }
}

/* The number of such a value, or 0 where it is none. */
static int value_number(sqlite3_value *value) {
    int type = sqlite3_value_type(value);
    if (type == SQLITE_INTEGER)
        return sqlite3_value_int64(value) % 5 == 0 ? (int)sqlite3_value_int64(value) : 0;
    if (type == SQLITE_FLOAT) {
        double real = sqlite3_value_double(value);
        int n = real > 0 && real < 1e9 ? (int)real : 0;
        return n % 5 == 1 && real == n + 0.25 ? n : 0;
    }
    const unsigned char *bytes = sqlite3_value_blob(value);
    int n = 0, length = sqlite3_value_bytes(value), i = 0;
    for (; i < length && bytes[i] >= '0' && bytes[i] <= '9' && n < 100000000; i++)
        n = n * 10 + (bytes[i] - '0');
    if (type == SQLITE_TEXT && n % 5 == 4 && length == i + 700) {
        while (i < length && bytes[i] == 'x')
            i++;
        return i == length ? n : 0;
    }
    return i == length && n % 5 == (type == SQLITE_TEXT ? 2 : 3) ? n : 0;
}

static void judge(Program *program, sqlite3_stmt *stmt, unsigned key, const char *how) {
    sqlite3_value *value = sqlite3_column_value(stmt, 0);
    int n = value_number(value);
    if (program->unchecked)
        return;
    if (n <= 0 || n > program->values || !(program->may[n] >> key & 1))
        fuzz_wrong("%s: the key %s has a value of type %d that was never stored under it: %s", how, keys[key],
                   sqlite3_value_type(value), (const char *)sqlite3_value_text(value));
}

/* ----------------------------------------------------------- running things */

static void judge_error(int rc, const char *message) {
    if (rc == SQLITE_MISUSE || rc == SQLITE_INTERNAL || rc == SQLITE_NOMEM || rc == SQLITE_FORMAT)
        fuzz_wrong("result code %d: %s", rc, message);
    /* A message about options quotes what the input has stored. */
    if (message && strncmp(message, "hybrid_cache: ", 14) == 0 && !strstr(message, " option \"") &&
        (strstr(message, "_data") || strstr(message, "_meta")))
        fuzz_wrong("a message names a shadow table: %s", message);
}

/* A statement of the application on the cache: it may fail, with a decent message. */
static int run(Program *program, const char *format, ...) {
    va_list arguments;
    char *message = NULL;
    va_start(arguments, format);
    char *sql = sqlite3_vmprintf(format, arguments);
    va_end(arguments);
    int rc = sqlite3_exec(program->db[program->now], sql, NULL, NULL, &message);
    judge_error(rc, message);
    sqlite3_free(message);
    sqlite3_free(sql);
    return rc;
}

/* An edit behind the cache's back: whatever SQLite says to it. */
static void edit(Program *program, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *sql = sqlite3_vmprintf(format, arguments);
    va_end(arguments);
    sqlite3_exec(program->db[program->now], sql, NULL, NULL, NULL);
    sqlite3_free(sql);
}

/* The value that a query returns, if it returns one, has to be one that was stored under the key. */
static void look(Program *program, unsigned key, const char *format, ...) {
    va_list arguments;
    sqlite3_stmt *stmt = NULL;
    sqlite3 *db = program->db[program->now];
    va_start(arguments, format);
    char *sql = sqlite3_vmprintf(format, arguments);
    va_end(arguments);
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        rc = SQLITE_OK;
        unsigned of = key < KEYS ? key : (unsigned)sqlite3_column_int(stmt, 1);
        if (sqlite3_column_type(stmt, 0) == SQLITE_TEXT && sqlite3_column_bytes(stmt, 0) == 4 &&
            memcmp(sqlite3_column_text(stmt, 0), "miss", 4) == 0)
            continue;
        if (of >= KEYS && !program->unchecked)
            fuzz_wrong("a scan shows a key that was never stored");
        if (of < KEYS)
            judge(program, stmt, of, sql);
    }
    if (rc != SQLITE_OK && rc != SQLITE_DONE)
        judge_error(rc, sqlite3_errmsg(db));
    sqlite3_finalize(stmt);
    sqlite3_free(sql);
}

/* The number of a key, as an SQL expression of it. */
static char *key_number(void) {
    sqlite3_str *text = sqlite3_str_new(NULL);
    sqlite3_str_appendall(text, "CASE");
    for (int i = 0; i < KEYS; i++)
        sqlite3_str_appendf(text, " WHEN key = %s THEN %d", keys[i], i);
    sqlite3_str_appendall(text, " ELSE 99 END");
    return sqlite3_str_finish(text);
}

/* ------------------------------------------------------------------ edits */

/* A value of any type. It may mention other columns of the row. Free with sqlite3_free. */
static char *any_value(Program *program, const char *column) {
    static const char *const borders[] = {"0",
                                          "-1",
                                          "9223372036854775807",
                                          "-9223372036854775808",
                                          "9e999",
                                          "-9e999",
                                          "1e19",
                                          "253402300799",
                                          "1800000005",
                                          "1799999999.5",
                                          "''",
                                          "'a'",
                                          "x''",
                                          "x'00'",
                                          "'ttl=1'",
                                          "zeroblob(2112)"};
    unsigned kind = take(program), argument = take(program);
    switch (kind % 8) {
    case 0:
        return sqlite3_mprintf("NULL");
    case 1:
        return sqlite3_mprintf("%d", (int)argument - 128);
    case 2:
        return sqlite3_mprintf("%s", borders[argument % (sizeof borders / sizeof borders[0])]);
    case 3: /* what another column holds */
        return sqlite3_mprintf("%s", data_columns[argument % 8]);
    case 4: /* the same of another type */
        return sqlite3_mprintf("CAST(%s AS %s)", column,
                               argument % 4 == 0   ? "TEXT"
                               : argument % 4 == 1 ? "BLOB"
                               : argument % 4 == 2 ? "INTEGER"
                                                   : "REAL");
    case 5: /* one bit of a number */
        return sqlite3_mprintf("(%s | %lld) - (%s & %lld)", column, 1LL << argument % 63, column, 1LL << argument % 63);
    case 6: /* one byte of a text or blob */
        return sqlite3_mprintf("CAST(substr(CAST(%s AS BLOB), 1, %u) || char(%u) || "
                               "substr(CAST(%s AS BLOB), %u) AS %s)",
                               column, argument % 8, argument % 96 + 32, column, argument % 8 + 2,
                               argument & 64 ? "TEXT" : "BLOB");
    default: { /* bytes of the program */
        unsigned n = argument % 32;
        sqlite3_str *text = sqlite3_str_new(NULL);
        sqlite3_str_appendall(text, "x'");
        for (unsigned i = 0; i < n; i++)
            sqlite3_str_appendf(text, "%02x", take(program));
        sqlite3_str_appendall(text, "'");
        if (argument & 64) {
            char *blob = sqlite3_str_finish(text);
            char *cast = sqlite3_mprintf("CAST(%s AS TEXT)", blob);
            sqlite3_free(blob);
            return cast;
        }
        return sqlite3_str_finish(text);
    }
    }
}

static void edit_row(Program *program, const char *cache) {
    unsigned which = take(program), rank = take(program);
    const char *column = data_columns[which % 8];
    char *value = any_value(program, column);
    /* A sum of NULL means "not checked": from there on a value proves nothing. */
    if (strcmp(column, "sum") == 0)
        program->unchecked |= strcmp(value, "NULL") == 0 || strstr(value, "tag") || strstr(value, "value") ||
                              strstr(value, "key") || strstr(value, "sum");
    edit(program, "UPDATE OR %s %s_data SET %s = %s WHERE id = (SELECT id FROM %s_data LIMIT 1 OFFSET %u)",
         rank & 16 ? "REPLACE" : "IGNORE", cache, column, value, cache, rank % 16);
    sqlite3_free(value);
}

static void edit_meta(Program *program, const char *cache) {
    const char *column = meta_columns[take(program) % 6];
    char *value = any_value(program, strcmp(column, "state") == 0 ? "state" : column);
    edit(program, "UPDATE %s_meta SET %s = %s", cache, column, value);
    sqlite3_free(value);
}

/* A word of the state: version, counters, hand, buckets. */
static void edit_state(Program *program, const char *cache) {
    sqlite3_blob *blob = NULL;
    char *table = sqlite3_mprintf("%s_meta", cache);
    unsigned word = take(program);
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)take(program);
    if (sqlite3_blob_open(program->db[program->now], "main", table, "state", 1, 1, &blob) == SQLITE_OK &&
        sqlite3_blob_bytes(blob) >= 2112)
        sqlite3_blob_write(blob, bytes, 8, (int)(word * 8));
    sqlite3_blob_close(blob);
    sqlite3_free(table);
}

/* What the shadow tables are. What can return any value, or a NULL sum, makes the rest of the run "unchecked". */
static void edit_schema(Program *program, const char *cache) {
    static const char *const stable[] = {
        "DROP TABLE %s_data",
        "DROP TABLE %s_meta",
        "DROP INDEX %s_data_expires",
        "DROP INDEX %s_data_tag",
        "DELETE FROM %s_meta",
        "ALTER TABLE %s_data RENAME COLUMN value TO v",
        "ALTER TABLE %s_data RENAME COLUMN sum TO s",
        "ALTER TABLE %s_meta DROP COLUMN seed",
        "ALTER TABLE %s_data ADD COLUMN more DEFAULT 5",
        "CREATE TRIGGER r%1$s BEFORE INSERT ON %s_data BEGIN SELECT raise(ABORT, 'no'); END",
        "CREATE TRIGGER r%1$s AFTER UPDATE ON %s_data BEGIN SELECT raise(IGNORE); END",
        "CREATE TRIGGER r%1$s AFTER INSERT ON %s_data BEGIN DELETE FROM %s_data; END",
        "CREATE TRIGGER r%1$s BEFORE DELETE ON %s_data BEGIN DELETE FROM %s_data WHERE id > old.id; END",
        "CREATE TRIGGER r%1$s AFTER UPDATE ON %s_meta BEGIN DELETE FROM %s_meta; END",
        "CREATE TRIGGER r%1$s AFTER INSERT ON %s_data BEGIN SELECT raise(ROLLBACK, 'all'); END",
        "CREATE TRIGGER r%1$s AFTER UPDATE ON %s_data BEGIN SELECT hybrid_cache_clear_l1('%s'); END",
        "ALTER TABLE %s_meta RENAME TO lost",
        "ALTER TABLE lost RENAME TO %s_meta",
        "ALTER TABLE %s_data RENAME TO lost",
        "ALTER TABLE lost RENAME TO %s_data",
    };
    static const char *const loose[] = {
        "DROP TABLE %s_data; CREATE VIEW %s_data AS SELECT 1 AS id, 'a' AS key, 253402300799 AS expires, NULL AS tag, "
        "65 AS size, 0 AS used, NULL AS sum, 'wrong' AS value",
        "DROP TABLE %s_data; CREATE VIEW %s_data AS SELECT 1 AS id, 'a' AS key, 253402300799 AS expires, NULL AS tag, "
        "65 AS size, 0 AS used, NULL AS sum, hybrid_cache_get('%s', 1) || hybrid_cache_get('d', 'a') AS value",
        "DROP TABLE %s_meta; CREATE VIEW %s_meta AS SELECT 1 AS id, 1 AS format, 5 AS store, 6 AS seed, 'ttl=' || "
        "(hybrid_cache_has('%s', 'a') + hybrid_cache_has('d', 1)) AS options, zeroblob(2112) AS state",
        "DROP TABLE %s_meta; CREATE VIEW %s_meta AS SELECT 1 AS id, 1 AS format, "
        "json_extract(hybrid_cache_stats('%s'), "
        "'$.gets') AS store, 6 AS seed, 'ttl=' || hybrid_cache_option('%s', 'ttl') AS options, zeroblob(2112) AS state",
        "DROP TABLE %s_data; CREATE TABLE %s_data(id, key, expires, tag, size, used, sum, value)",
        "DROP TABLE %s_data; CREATE VIRTUAL TABLE %s_data USING hybrid_cache",
        "DROP TABLE %s_data; CREATE VIRTUAL TABLE %s_data USING fts5(id, key, expires, tag, size, used, sum, value)",
        "DROP TABLE %s_meta; CREATE VIEW %s_meta AS SELECT 1 AS id, 1 AS format, 5 AS store, 6 AS seed, 'ttl=0' AS "
        "options, zeroblob(2112) AS state",
        "DROP TABLE %s_meta; CREATE TABLE %s_meta(id, format, store, seed, options, state); INSERT INTO %s_meta "
        "VALUES(1, 1, 1, 1, 'ttl=1', zeroblob(2112))",
        "DROP TABLE %s_data; CREATE TABLE %s_data(id INTEGER PRIMARY KEY, key TEXT, expires TEXT, tag INT, size REAL, "
        "used, sum TEXT, value INT) ",
        "CREATE TRIGGER r%1$s AFTER INSERT ON %s_data BEGIN REPLACE INTO %s(key, value) VALUES('a', 'trigger'); END",
        "CREATE TRIGGER r%1$s AFTER INSERT ON %s_data BEGIN UPDATE %s_data SET sum = NULL, value = 7; END",
        "CREATE TRIGGER r%1$s AFTER UPDATE ON %s_data BEGIN INSERT INTO %s(%s) VALUES('clear'); END",
        "CREATE TRIGGER r%1$s AFTER DELETE ON %s_data BEGIN INSERT INTO %s(%s) VALUES('rebuild'); END",
        "CREATE TABLE x(a); DROP TABLE %s_data; CREATE TABLE %s_data(id INTEGER PRIMARY KEY, key UNIQUE, expires AS "
        "(253402300799), tag, size, used, sum, value AS (hybrid_cache_get('d', 1)))",
        "INSERT OR IGNORE INTO %s_data(key, expires, size, value) SELECT 'a', 253402300799, 5, 'raw'",
    };
    unsigned n = take(program);
    unsigned stables = sizeof stable / sizeof stable[0], looses = sizeof loose / sizeof loose[0];
    n %= stables + looses;
    const char *text = n < stables ? stable[n] : loose[n - stables];
    program->meddled |= strncmp(text, "CREATE TRIGGER", 14) == 0;
    if (n >= stables)
        program->unchecked = 1;
    /* The name wherever a %s is. */
    sqlite3_str *sql = sqlite3_str_new(NULL);
    for (; *text; text++) {
        int numbered = strncmp(text, "%1$s", 4) == 0;
        if (numbered || strncmp(text, "%s", 2) == 0) {
            sqlite3_str_appendall(sql, cache);
            text += numbered ? 3 : 1;
        } else {
            sqlite3_str_appendchar(sql, 1, *text);
        }
    }
    char *made = sqlite3_str_finish(sql);
    sqlite3_exec(program->db[program->now], made, NULL, NULL, NULL);
    sqlite3_free(made);
}

/* ------------------------------------------------------------- operations */

static void put(Program *program, const char *cache, const char *how) {
    unsigned key = take(program) % KEYS, more = take(program);
    char *value = make_value(program, key);
    run(program, "%s INTO %s(key, value, ttl, tag) VALUES(%s, %s, %s, %s)", how, cache, keys[key], value,
        more & 1   ? "NULL"
        : more & 2 ? "0"
                   : "3",
        more & 4 ? "'t'" : "NULL");
    sqlite3_free(value);
}

static void update(Program *program, const char *cache) {
    unsigned key = take(program) % KEYS, how = take(program);
    char *value;
    switch (how % 4) {
    case 0:
        value = make_value(program, key);
        run(program, "UPDATE %s SET value = %s WHERE key = %s", cache, value, keys[key]);
        sqlite3_free(value);
        break;
    case 1:
        run(program, "UPDATE %s SET ttl = %u WHERE key = %s", cache, how, keys[key]);
        break;
    case 2:
        run(program, "UPDATE %s SET tag = 'u' WHERE key >= %s", cache, keys[key]);
        break;
    default: {
        unsigned to = how / 4 % KEYS;
        /* What may be under the one may be under the other from now on. */
        for (int i = 1; i <= program->values; i++) {
            if (program->may[i] >> key & 1)
                program->may[i] |= (uint8_t)(1u << to);
        }
        run(program, "UPDATE OR %s %s SET key = %s WHERE key = %s", how & 64 ? "REPLACE" : "ABORT", cache, keys[to],
            keys[key]);
    }
    }
}

static void command(Program *program, const char *cache) {
    static const char *const commands[] = {"check",      "rebuild",    "clear",    "purge",    "ttl",
                                           "l1_entries", "l2_entries", "l2_bytes", "on_error", "eviction",
                                           "coherence",  "clock",      "grace",    "l1_bytes"};
    static const char *const arguments[] = {"NULL",     "0",         "1",        "5",   "'degrade'",
                                            "'s3fifo'", "'relaxed'", "'caller'", "100", "'fail'"};
    const char *name = commands[take(program) % (sizeof commands / sizeof commands[0])];
    unsigned argument = take(program);
    if (strcmp(name, "rebuild") == 0) {
        if (run(program, "INSERT INTO %s(%s) VALUES('rebuild')", cache, cache) == SQLITE_OK && !program->unchecked &&
            !program->meddled) {
            char *message = NULL;
            int rc = fuzz_exec(program->db[program->now], &message, "INSERT INTO %s(%s) VALUES('check')", cache, cache);
            if ((rc & 0xff) == SQLITE_CORRUPT)
                fuzz_wrong("check after rebuild: %s", message);
            sqlite3_free(message);
        }
        return;
    }
    run(program, "INSERT INTO %s(%s, value) VALUES('%s', %s)", cache, cache, name,
        strcmp(name, "check") == 0 || strcmp(name, "clear") == 0 ? "NULL" : arguments[argument % 10]);
}

static void query(Program *program, const char *cache) {
    static const char *const where[] = {"key LIKE 'a%%'",
                                        "key GLOB 'a*'",
                                        "tag = 't'",
                                        "expires < 1e10",
                                        "key > 'a'",
                                        "key <= x'62'",
                                        "1",
                                        "key IN (1, 'a', 2.5)",
                                        "value > 5",
                                        "expires > 1.8e9 ORDER BY key",
                                        "key < 5 ORDER BY key DESC"};
    char *number = key_number();
    look(program, KEYS, "SELECT value, %s FROM %s WHERE %s", number, cache,
         where[take(program) % (sizeof where / sizeof where[0])]);
    sqlite3_free(number);
}

static void transaction(Program *program) {
    static const char *const verbs[] = {"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT s", "RELEASE s", "ROLLBACK TO s"};
    run(program, "%s", verbs[take(program) % 6]);
}

static void reconnect(Program *program) {
    fuzz_close(program->db[program->now]);
    program->db[program->now] = fuzz_open("shadow");
    fuzz_patience(program->db[program->now], 20);
}

static void step(Program *program) {
    unsigned op = take(program);
    const char *cache = caches[op >> 7];
    unsigned key;
    program->now = op >> 6 & 1;
    switch (op % 22) {
    case 0:
    case 1:
        key = take(program) % KEYS;
        look(program, key, "SELECT hybrid_cache_get('%s', %s, 'miss')", cache, keys[key]);
        break;
    case 2:
        key = take(program) % KEYS;
        look(program, key, "SELECT coalesce(hybrid_cache_stale('%s', %s), 'miss')", cache, keys[key]);
        break;
    case 3:
        key = take(program) % KEYS;
        run(program, "SELECT hybrid_cache_has('%s', %s), hybrid_cache_ttl('%s', %s), hybrid_cache_tier('%s', %s)",
            cache, keys[key], cache, keys[key], cache, keys[key]);
        break;
    case 4:
        key = take(program) % KEYS;
        look(program, key, "SELECT value FROM %s WHERE key = %s", cache, keys[key]);
        break;
    case 5:
        query(program, cache);
        break;
    case 6:
    case 7:
        put(program, cache, "REPLACE");
        break;
    case 8:
        put(program, cache, take(program) & 1 ? "INSERT" : "INSERT OR IGNORE");
        break;
    case 9:
        update(program, cache);
        break;
    case 10:
        key = take(program);
        if (key & 128)
            run(program, "DELETE FROM %s WHERE tag = 't'", cache);
        else
            run(program, "DELETE FROM %s WHERE key = %s", cache, keys[key % KEYS]);
        break;
    case 11:
        command(program, cache);
        break;
    case 12:
        transaction(program);
        break;
    case 13:
    case 14:
    case 15:
        edit_row(program, cache);
        break;
    case 16:
        edit_meta(program, cache);
        break;
    case 17:
        edit_state(program, cache);
        break;
    case 18:
        edit_schema(program, cache);
        break;
    case 19:
        run(program,
            "SELECT hybrid_cache_stats('%s'), hybrid_cache_option('%s', 'ttl'), "
            "(SELECT count(*) FROM hybrid_cache_mrc('%s'))",
            cache, cache, cache);
        break;
    case 20:
        testclock_advance(take(program) % 8);
        break;
    default:
        switch (take(program) % 6) {
        case 0:
            reconnect(program);
            break;
        case 1:
            edit(program, "VACUUM");
            break;
        case 2:
            edit(program, "ALTER TABLE %s RENAME TO e", cache);
            edit(program, "ALTER TABLE e RENAME TO %s", cache);
            break;
        case 3: /* the two caches change their storage */
            edit(program, "ALTER TABLE c_data RENAME TO x; ALTER TABLE d_data RENAME TO c_data; "
                          "ALTER TABLE x RENAME TO d_data");
            break;
        case 4:
            edit(program, "UPDATE sqlite_master SET sql = replace(sql, ' UNIQUE', '') WHERE name = '%s_data'", cache);
            break;
        default:
            edit(program, "DROP TABLE %s", cache);
            edit(program, "CREATE VIRTUAL TABLE %s USING hybrid_cache(ttl=0)", cache);
        }
    }
    fuzz_verify(program->db[program->now]);
}

static sqlite3 *template_database(void) {
    static sqlite3 *db;
    if (!db) {
        db = fuzz_open("template");
        if (fuzz_exec(db, NULL,
                      "PRAGMA page_size = 512;"
                      "CREATE VIRTUAL TABLE c USING hybrid_cache(ttl=0);"
                      "CREATE VIRTUAL TABLE d USING hybrid_cache(ttl=5, eviction=s3fifo, l1_entries=4, l2_entries=6, "
                      "grace=3)") != SQLITE_OK)
            fuzz_wrong("template: %s", sqlite3_errmsg(db));
    }
    return db;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 2000)
        return 0;
    fuzz_start();
    Program program = {.at = data, .end = data + size};
    sqlite3 *keep = fuzz_open("shadow");
    fuzz_copy(keep, template_database());
    for (int i = 0; i < 2; i++) {
        program.db[i] = fuzz_open("shadow");
        fuzz_patience(program.db[i], 20);
    }
    /* Something to damage, and a warm L1. */
    for (unsigned key = 0; key < 5; key++) {
        char *value = make_value(&program, key);
        run(&program, "INSERT INTO %s(key, value, tag) VALUES(%s, %s, 't')", caches[key & 1], keys[key], value);
        look(&program, key, "SELECT hybrid_cache_get('%s', %s, 'miss')", caches[key & 1], keys[key]);
        sqlite3_free(value);
    }
    for (int steps = 0; program.at < program.end && steps < 80; steps++)
        step(&program);
    /* Whatever was done, a cache can be dropped while its name is what it was. */
    for (int i = 0; i < 2; i++) {
        program.now = i;
        for (unsigned key = 0; key < KEYS; key++)
            look(&program, key, "SELECT hybrid_cache_get('%s', %s, 'miss')", caches[i], keys[key]);
        fuzz_close(program.db[i]);
    }
    fuzz_close(keep);
    free(program.may);
    return 0;
}
