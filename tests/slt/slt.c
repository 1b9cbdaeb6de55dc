/*
** slt.c - runs test scripts in the text format of sqllogictest against SQLite
** with the extension loaded as a user would load it.
**
**   slt [--extension FILE] [--mode MODE[,MODE...]|all] [--pragma SQL]
**       [--verbose] [--keep] [--must-fail] FILE-OR-DIRECTORY...
**
** The format, with what this runner adds to it (connections, restarts, a clock
** that moves, loops), is described in README.md beside this file.
**
** Each script is run from nothing once in every mode: its own directory, its
** own database file, the clock standing at 1700000000. A failure prints where
** it was, the SQL, what was expected and what came; then the script goes on.
**
** Besides what a script asks for, every record checks two promises of the
** contract on every open connection: no statement but the script's own is left
** un-reset, no read transaction is left open. And every error message is
** searched for the names of shadow tables.
*/
#define _XOPEN_SOURCE 700
#define SQLITE_CORE 1 /* testclock.c is linked in here, not loaded */

#include <sqlite3.h>

#include <ctype.h>
#include <dirent.h>
#include <ftw.h>
#include <regex.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "md5.c"
#include "shimvfs.c"
#include "testclock.c"

/* The extension linked in, for hosts that cannot load one (tests/versions): --extension is a name then. */
#ifdef SLT_LINKED
#include "hybrid_cache.h"
#endif

#define CLOCK_START 1700000000.0
#define MAX_WORDS 128
#define MAX_MODES 64

/* ---- small things: memory, text, lists of text */

static void *need(void *memory) {
    if (memory == NULL) {
        fputs("slt: out of memory\n", stderr);
        exit(2);
    }
    return memory;
}

static char *copy(const char *text) {
    return need(strdup(text));
}

static void *zeroed(size_t size) {
    return need(calloc(1, size));
}

/* A string that grows. `data` is NUL-terminated once anything was added. */
typedef struct {
    char *data;
    size_t size;
    size_t capacity;
} Text;

static void text_add(Text *text, const char *from, size_t size) {
    if (text->size + size + 1 > text->capacity) {
        text->capacity = 2 * (text->size + size) + 64;
        text->data = need(realloc(text->data, text->capacity));
    }
    if (size > 0)
        memcpy(text->data + text->size, from, size);
    text->size += size;
    text->data[text->size] = '\0';
}

static void text_put(Text *text, const char *from) {
    text_add(text, from, strlen(from));
}

static void text_clear(Text *text) {
    text->size = 0;
    text_put(text, "");
}

static void text_free(Text *text) {
    free(text->data);
    *text = (Text){0};
}

typedef struct {
    char **item;
    size_t count;
    size_t capacity;
} List;

/* The list takes over `text`, which was allocated. */
static void list_add(List *list, char *text) {
    if (list->count == list->capacity) {
        list->capacity = 2 * list->capacity + 16;
        list->item = need(realloc(list->item, list->capacity * sizeof *list->item));
    }
    list->item[list->count++] = text;
}

static void list_free(List *list) {
    for (size_t i = 0; i < list->count; i++)
        free(list->item[i]);
    free(list->item);
    *list = (List){0};
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list_sort(List *list) {
    if (list->count > 1)
        qsort(list->item, list->count, sizeof *list->item, by_text);
}

static bool same(const char *a, const char *b) {
    return strcmp(a, b) == 0;
}

static bool starts_with(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Cut `line` into words in place; further words than fit are dropped. */
static int split_words(char *line, char **word) {
    int count = 0;
    char *state = NULL;
    for (char *at = strtok_r(line, " \t\r", &state); at != NULL && count < MAX_WORDS;
         at = strtok_r(NULL, " \t\r", &state))
        word[count++] = at;
    return count;
}

/* What follows the first `words` words of a line, without blanks around it. */
static char *rest_of_line(const char *line, int words) {
    char *rest = NULL;
    size_t size = 0;
    line += strspn(line, " \t\r");
    for (; words > 0; words--) {
        line += strcspn(line, " \t\r");
        line += strspn(line, " \t\r");
    }
    rest = copy(line);
    size = strlen(rest);
    while (size > 0 && isspace((unsigned char)rest[size - 1]))
        rest[--size] = '\0';
    return rest;
}

/* ---- modes: how a connection is opened */

typedef struct {
    const char *name; /* as on the command line: words joined by '+' */
    const char *journal;
    const char *encoding;
    bool memory;    /* ":memory:", one connection at most */
    bool memdb;     /* in memory, shared by the connections of a script */
    bool shim;      /* a VFS that is not SQLite's own */
    bool defensive; /* SQLITE_DBCONFIG_DEFENSIVE */
    bool untrusted; /* SQLITE_DBCONFIG_TRUSTED_SCHEMA off */
    bool shared;    /* shared cache */
    bool exclusive; /* PRAGMA locking_mode=EXCLUSIVE */
} Mode;

static const char *const all_modes[] = {
    "delete",      "wal",          "truncate",  "persist", "memory",   "memdb",     "utf16le",
    "utf16be",     "memjournal",   "exclusive", "shim",    "shim+wal", "defensive", "trusted_schema_off",
    "sharedcache", "wal+exclusive"};
#define ALL_MODES (sizeof all_modes / sizeof *all_modes)

static bool mode_apply(Mode *mode, const char *word) {
    bool known = true;
    if (same(word, "delete") || same(word, "wal") || same(word, "truncate") || same(word, "persist")) {
        static const char *const journals[] = {"delete", "wal", "truncate", "persist"};
        for (size_t i = 0; i < sizeof journals / sizeof *journals; i++)
            if (same(word, journals[i]))
                mode->journal = journals[i];
    } else if (same(word, "memjournal"))
        mode->journal = "memory";
    else if (same(word, "memory"))
        mode->memory = true;
    else if (same(word, "memdb"))
        mode->memdb = true;
    else if (same(word, "file"))
        mode->memory = mode->memdb = false;
    else if (same(word, "utf16le"))
        mode->encoding = "UTF-16le";
    else if (same(word, "utf16be"))
        mode->encoding = "UTF-16be";
    else if (same(word, "utf8"))
        mode->encoding = NULL;
    else if (same(word, "shim"))
        mode->shim = true;
    else if (same(word, "defensive"))
        mode->defensive = true;
    else if (same(word, "trusted_schema_off"))
        mode->untrusted = true;
    else if (same(word, "sharedcache"))
        mode->shared = true;
    else if (same(word, "exclusive"))
        mode->exclusive = true;
    else
        known = false;
    return known;
}

/* Call `word` one of those of which the mode's name is made? */
static bool mode_has(const Mode *mode, const char *word) {
    size_t size = strlen(word);
    for (const char *at = mode->name; *at != '\0';) {
        size_t part = strcspn(at, "+");
        if (part == size && memcmp(at, word, size) == 0)
            return true;
        at += part;
        at += *at == '+';
    }
    return false;
}

static bool mode_parse(const char *name, Mode *mode) {
    char *words = copy(name);
    char *state = NULL;
    bool known = true;
    *mode = (Mode){.name = name};
    for (char *word = strtok_r(words, "+", &state); word != NULL && known; word = strtok_r(NULL, "+", &state)) {
        known = mode_apply(mode, word);
        if (!known)
            fprintf(stderr, "slt: unknown mode \"%s\"\n", word);
    }
    free(words);
    return known;
}

/* ---- the state of a run */

/* A statement that the script keeps open (`prepare`). */
typedef struct Statement {
    char *name;
    sqlite3_stmt *stmt;
    struct Statement *next;
} Statement;

typedef struct Connection {
    char *name;
    sqlite3 *db;
    Text uri; /* parameters after the file name, with '&' between them */
    bool readonly;
    bool noext;
    Statement *statements;
    struct Connection *next;
} Connection;

typedef struct Variable {
    const char *name;
    const char *value;
    struct Variable *outer;
} Variable;

typedef struct {
    char *path;
    char *text;
    char **line;
    size_t count;
} Script;

/* Results of queries that carry a label: equal labels, equal results. */
typedef struct Label {
    char *name;
    char hash[33];
    struct Label *next;
} Label;

typedef struct {
    /* from the command line */
    const char *extension;
    List pragmas;
    bool verbose;
    bool keep;
    bool must_fail; /* the scripts hold planted faults: every record has to fail */
    /* of the script that is running */
    Mode mode;
    char *directory;
    char *database;
    unsigned number; /* makes the names of memdb databases unique */
    Connection *connections;
    Connection *current;
    Variable *variables;
    Label *labels;
    long hash_threshold;
    bool halted;
    bool skip_next; /* a skipif or onlyif said so */
    /* of the record that is running */
    const char *path;
    size_t line;
    bool record_failed;
    /* totals */
    long passed;
    long failed;
    long skipped;
} Runner;

static Text log_text; /* what SQLite and the extension logged, since the script began */
static char crash_note[512];

static void on_log(void *unused, int code, const char *message) {
    char number[16];
    (void)unused;
    snprintf(number, sizeof number, "%d ", code);
    text_put(&log_text, number);
    text_put(&log_text, message);
    text_put(&log_text, "\n");
}

/* test_log(TEXT): how often TEXT stands in the log of this script. */
static void log_function(sqlite3_context *context, int argc, sqlite3_value **argv) {
    const char *pattern = (const char *)sqlite3_value_text(argv[0]);
    int found = 0;
    (void)argc;
    if (pattern != NULL && *pattern != '\0' && log_text.data != NULL)
        for (const char *at = log_text.data; (at = strstr(at, pattern)) != NULL; at += strlen(pattern))
            found++;
    sqlite3_result_int(context, found);
}

#ifndef __SANITIZE_ADDRESS__ /* which reports crashes itself, and better */
static void on_crash(int number) {
    ssize_t ignored = write(STDERR_FILENO, crash_note, strlen(crash_note));
    (void)ignored;
    signal(number, SIG_DFL);
    raise(number);
}
#endif

static void failure(Runner *run, const char *sql, const char *expected, const char *format, ...) {
    va_list arguments;
    run->record_failed = true;
    if (run->must_fail)
        return;
    printf("%s:%zu: [%s] ", run->path, run->line, run->mode.name);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    if (sql != NULL)
        printf("  SQL: %s\n", sql);
    if (expected != NULL)
        printf("  expected: %s\n", expected);
    fflush(stdout);
}

/* ---- connections */

static void exec_or_fail(Runner *run, sqlite3 *db, const char *sql) {
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        failure(run, sql, NULL, "%s", message);
    sqlite3_free(message);
}

static void load_extension(Runner *run, sqlite3 *db) {
    char *message = NULL;
    int rc = SQLITE_OK;
    if (run->extension == NULL)
        return;
#ifdef SLT_LINKED
    rc = sqlite3_hybridcache_init(db, &message, NULL);
#else
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
    rc = sqlite3_load_extension(db, run->extension, NULL, &message);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
#endif
    if (rc != SQLITE_OK)
        failure(run, NULL, NULL, "cannot load the extension: %s", message);
    sqlite3_free(message);
}

static void connection_open(Runner *run, Connection *connection) {
    const Mode *mode = &run->mode;
    Text name = {0};
    char pragma[64];
    int flags = SQLITE_OPEN_URI;
    flags |= connection->readonly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    if (mode->shared)
        flags |= SQLITE_OPEN_SHAREDCACHE;

    if (mode->memory) {
        text_put(&name, ":memory:");
    } else if (mode->memdb) {
        char unique[80];
        snprintf(unique, sizeof unique, "file:/slt-%ld-%u?vfs=memdb", (long)getpid(), run->number);
        text_put(&name, unique);
    } else if (connection->uri.size > 0) {
        text_put(&name, "file:");
        text_put(&name, run->database);
        text_put(&name, "?");
        text_put(&name, connection->uri.data);
    } else {
        text_put(&name, run->database);
    }
    if (sqlite3_open_v2(name.data, &connection->db, flags, mode->shim ? "shim" : NULL) != SQLITE_OK) {
        failure(run, NULL, NULL, "cannot open %s: %s", name.data, sqlite3_errmsg(connection->db));
    } else {
        sqlite3 *db = connection->db;
        sqlite3_extended_result_codes(db, 1);
        sqlite3_create_function_v2(db, "test_log", 1, SQLITE_UTF8, NULL, log_function, NULL, NULL, NULL);
        if (mode->encoding != NULL && !connection->readonly) {
            snprintf(pragma, sizeof pragma, "PRAGMA encoding='%s'", mode->encoding);
            exec_or_fail(run, db, pragma);
        }
        if (mode->exclusive)
            exec_or_fail(run, db, "PRAGMA locking_mode=exclusive");
        if (mode->journal != NULL && !same(mode->journal, "delete") && !connection->readonly &&
            connection->uri.size == 0) {
            snprintf(pragma, sizeof pragma, "PRAGMA journal_mode=%s", mode->journal);
            exec_or_fail(run, db, pragma);
        }
        for (size_t i = 0; i < run->pragmas.count; i++)
            exec_or_fail(run, db, run->pragmas.item[i]);
        if (!connection->noext)
            load_extension(run, db);
        /* After the rest, as a careful host does. */
        if (mode->untrusted)
            sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        if (mode->defensive)
            sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    }
    text_free(&name);
}

/* With statements of the script still open, close as a careless host does: the
** plain close must refuse, the other one lets the last finalize finish it. */
static void connection_close(Runner *run, Connection *connection) {
    int rc = sqlite3_close(connection->db);
    if (connection->statements == NULL) {
        if (rc != SQLITE_OK) {
            failure(run, NULL, NULL, "close of \"%s\" refused: the extension holds a statement", connection->name);
            sqlite3_close_v2(connection->db);
        }
    } else {
        if (rc != SQLITE_BUSY)
            failure(run, NULL, NULL, "close of \"%s\" with open statements: got %d", connection->name, rc);
        sqlite3_close_v2(connection->db);
        while (connection->statements != NULL) {
            Statement *statement = connection->statements;
            connection->statements = statement->next;
            sqlite3_finalize(statement->stmt);
            free(statement->name);
            free(statement);
        }
    }
    connection->db = NULL;
}

static Connection *connection_find(Runner *run, const char *name) {
    Connection *found = run->connections;
    while (found != NULL && !same(found->name, name))
        found = found->next;
    return found;
}

static Connection *connection_new(Runner *run, const char *name) {
    Connection *made = zeroed(sizeof *made);
    made->name = copy(name);
    made->next = run->connections;
    run->connections = made;
    return made;
}

/* Forget a connection; the current one becomes none, that is "main" at next use. */
static void connection_drop(Runner *run, Connection *connection) {
    Connection **link = &run->connections;
    while (*link != connection)
        link = &(*link)->next;
    *link = connection->next;
    if (run->current == connection)
        run->current = NULL;
    connection_close(run, connection);
    text_free(&connection->uri);
    free(connection->name);
    free(connection);
}

static void close_all(Runner *run) {
    while (run->connections != NULL)
        connection_drop(run, run->connections);
}

/* The current connection, opened if it is not open yet. */
static sqlite3 *database(Runner *run) {
    if (run->current == NULL)
        run->current = connection_find(run, "main");
    if (run->current == NULL)
        run->current = connection_new(run, "main");
    if (run->current->db == NULL)
        connection_open(run, run->current);
    return run->current->db;
}

/* ---- error codes by name */

static const struct {
    const char *name;
    int code;
} codes[] = {
    {"SQLITE_OK", SQLITE_OK},
    {"SQLITE_ERROR", SQLITE_ERROR},
    {"SQLITE_INTERNAL", SQLITE_INTERNAL},
    {"SQLITE_PERM", SQLITE_PERM},
    {"SQLITE_ABORT", SQLITE_ABORT},
    {"SQLITE_BUSY", SQLITE_BUSY},
    {"SQLITE_BUSY_SNAPSHOT", SQLITE_BUSY_SNAPSHOT},
    {"SQLITE_LOCKED", SQLITE_LOCKED},
    {"SQLITE_LOCKED_SHAREDCACHE", SQLITE_LOCKED_SHAREDCACHE},
    {"SQLITE_NOMEM", SQLITE_NOMEM},
    {"SQLITE_READONLY", SQLITE_READONLY},
    {"SQLITE_INTERRUPT", SQLITE_INTERRUPT},
    {"SQLITE_IOERR", SQLITE_IOERR},
    {"SQLITE_CORRUPT", SQLITE_CORRUPT},
    {"SQLITE_CORRUPT_VTAB", SQLITE_CORRUPT_VTAB},
    {"SQLITE_FULL", SQLITE_FULL},
    {"SQLITE_CANTOPEN", SQLITE_CANTOPEN},
    {"SQLITE_SCHEMA", SQLITE_SCHEMA},
    {"SQLITE_TOOBIG", SQLITE_TOOBIG},
    {"SQLITE_CONSTRAINT", SQLITE_CONSTRAINT},
    {"SQLITE_CONSTRAINT_UNIQUE", SQLITE_CONSTRAINT_UNIQUE},
    {"SQLITE_CONSTRAINT_PRIMARYKEY", SQLITE_CONSTRAINT_PRIMARYKEY},
    {"SQLITE_CONSTRAINT_NOTNULL", SQLITE_CONSTRAINT_NOTNULL},
    {"SQLITE_CONSTRAINT_CHECK", SQLITE_CONSTRAINT_CHECK},
    {"SQLITE_CONSTRAINT_VTAB", SQLITE_CONSTRAINT_VTAB},
    {"SQLITE_MISMATCH", SQLITE_MISMATCH},
    {"SQLITE_MISUSE", SQLITE_MISUSE},
    {"SQLITE_AUTH", SQLITE_AUTH},
    {"SQLITE_RANGE", SQLITE_RANGE},
    {"SQLITE_NOTADB", SQLITE_NOTADB},
};

static const char *code_name(int code) {
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].code == code)
            return codes[i].name;
    return "another code";
}

/* A primary code stands for all its extended ones. */
static bool code_matches(const char *name, int code) {
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (same(codes[i].name, name))
            return codes[i].code == code || codes[i].code == (code & 0xff);
    return false;
}

/* ---- values as text */

static void add_real_literal(Text *text, double value) {
    char number[40];
    if (value > 1.7976931348623157e308 || value < -1.7976931348623157e308) {
        text_put(text, value > 0 ? "9e999" : "-9e999");
    } else {
        int digits = 15;
        do
            snprintf(number, sizeof number, "%.*g", digits, value);
        while (strtod(number, NULL) != value && digits++ < 17);
        text_put(text, number);
        if (strpbrk(number, ".e") == NULL)
            text_put(text, ".0");
    }
}

static void add_hex(Text *text, const unsigned char *bytes, size_t size) {
    char digits[3];
    text_put(text, "'");
    for (size_t i = 0; i < size; i++) {
        snprintf(digits, sizeof digits, "%02X", (unsigned)bytes[i]);
        text_add(text, digits, 2);
    }
    text_put(text, "'");
}

/* Type B: what quote() prints, also where quote() stops short: text with
** control characters, NUL among them, comes as TEXT and its UTF-8 bytes. */
static void add_literal(Text *text, sqlite3_stmt *stmt, int column) {
    int type = sqlite3_column_type(stmt, column);
    if (type == SQLITE_NULL) {
        text_put(text, "NULL");
    } else if (type == SQLITE_INTEGER) {
        text_put(text, (const char *)sqlite3_column_text(stmt, column));
    } else if (type == SQLITE_FLOAT) {
        add_real_literal(text, sqlite3_column_double(stmt, column));
    } else if (type == SQLITE_BLOB) {
        const unsigned char *bytes = sqlite3_column_blob(stmt, column);
        text_put(text, "X");
        add_hex(text, bytes, (size_t)sqlite3_column_bytes(stmt, column));
    } else {
        const unsigned char *bytes = sqlite3_column_text(stmt, column);
        size_t size = (size_t)sqlite3_column_bytes(stmt, column);
        bool plain = true;
        for (size_t i = 0; i < size; i++)
            plain = plain && bytes[i] >= ' ';
        if (plain) {
            text_put(text, "'");
            for (size_t i = 0; i < size; i++)
                text_add(text, bytes[i] == '\'' ? "''" : (const char *)bytes + i, bytes[i] == '\'' ? 2 : 1);
            text_put(text, "'");
        } else {
            text_put(text, "TEXT");
            add_hex(text, bytes, size);
        }
    }
}

static char *value_text(sqlite3_stmt *stmt, int column, char type) {
    Text text = {0};
    char number[400];
    text_clear(&text);
    if (type == 'B') {
        add_literal(&text, stmt, column);
    } else if (sqlite3_column_type(stmt, column) == SQLITE_NULL) {
        text_put(&text, "NULL");
    } else if (type == 'I') {
        snprintf(number, sizeof number, "%lld", (long long)sqlite3_column_int64(stmt, column));
        text_put(&text, number);
    } else if (type == 'R') {
        snprintf(number, sizeof number, "%.3f", sqlite3_column_double(stmt, column));
        text_put(&text, number);
    } else {
        const char *bytes = (const char *)sqlite3_column_text(stmt, column);
        size_t size = (size_t)sqlite3_column_bytes(stmt, column);
        for (size_t i = 0; i < size; i++)
            text_add(&text, (unsigned char)bytes[i] < ' ' ? "@" : bytes + i, 1);
        if (size == 0)
            text_put(&text, "(empty)");
    }
    return text.data;
}

/* ---- records */

/* The body of a record: SQL, then what is expected after a line "----". */
typedef struct {
    Text sql;
    List expected;
} Body;

static void body_free(Body *body) {
    text_free(&body->sql);
    list_free(&body->expected);
}

/* One line with ${NAME} replaced by the loops' variables and the run's paths. */
static char *expand(const Runner *run, const char *line) {
    Text text = {0};
    text_clear(&text);
    while (*line != '\0') {
        const char *end = starts_with(line, "${") ? strchr(line, '}') : NULL;
        const char *value = NULL;
        if (end != NULL) {
            size_t size = (size_t)(end - line) - 2;
            const Variable *variable = run->variables;
            while (variable != NULL && (strlen(variable->name) != size || memcmp(variable->name, line + 2, size) != 0))
                variable = variable->outer;
            if (variable != NULL)
                value = variable->value;
            else if (size == 3 && memcmp(line + 2, "dir", 3) == 0)
                value = run->directory;
            else if (size == 2 && memcmp(line + 2, "db", 2) == 0)
                value = run->database;
            else if (size == 3 && memcmp(line + 2, "ext", 3) == 0)
                value = run->extension;
        }
        if (value != NULL) {
            text_put(&text, value);
            line = end + 1;
        } else {
            text_add(&text, line++, 1);
        }
    }
    return text.data;
}

static bool is_blank(const char *line) {
    return line[strspn(line, " \t\r")] == '\0';
}

/* Read from line *at up to a blank line; leaves *at on that. */
static void read_body(const Runner *run, const Script *script, size_t *at, Body *body) {
    bool in_sql = true;
    text_clear(&body->sql);
    for (; *at < script->count && !is_blank(script->line[*at]); ++*at) {
        char *line = expand(run, script->line[*at]);
        if (in_sql && same(line, "----")) {
            in_sql = false;
            free(line);
        } else if (in_sql) {
            if (body->sql.size > 0)
                text_put(&body->sql, "\n");
            text_put(&body->sql, line);
            free(line);
        } else {
            list_add(&body->expected, line);
        }
    }
}

static bool is_regex(const char *pattern) {
    size_t size = strlen(pattern);
    return size > 2 && pattern[0] == '/' && pattern[size - 1] == '/';
}

/* Does `text` hold the pattern: /an extended regular expression/? */
static bool regex_matches(Runner *run, const char *pattern, const char *text) {
    regex_t compiled;
    char *inner = copy(pattern + 1);
    bool matches = false;
    inner[strlen(inner) - 1] = '\0';
    if (regcomp(&compiled, inner, REG_EXTENDED | REG_NOSUB) != 0) {
        failure(run, NULL, NULL, "not a regular expression: %s", pattern);
    } else {
        matches = regexec(&compiled, text, 0, NULL, 0) == 0;
        regfree(&compiled);
    }
    free(inner);
    return matches;
}

/* What must hold between records on every connection, whatever they did. */
static void check_rest(Runner *run, const char *sql) {
    for (Connection *connection = run->connections; connection != NULL; connection = connection->next) {
        /* A statement of the script that is under way has the extension's with it. */
        bool own_busy = false;
        if (connection->db == NULL)
            continue;
        for (const Statement *own = connection->statements; own != NULL; own = own->next)
            own_busy = own_busy || sqlite3_stmt_busy(own->stmt);
        for (sqlite3_stmt *stmt = sqlite3_next_stmt(connection->db, NULL); stmt != NULL;
             stmt = sqlite3_next_stmt(connection->db, stmt)) {
            if (!own_busy && sqlite3_stmt_busy(stmt))
                failure(run, sql, NULL, "left un-reset on \"%s\": %s", connection->name, sqlite3_sql(stmt));
        }
#if SQLITE_VERSION_NUMBER >= 3034000
        if (!own_busy && sqlite3_get_autocommit(connection->db) &&
            sqlite3_txn_state(connection->db, NULL) != SQLITE_TXN_NONE)
            failure(run, sql, NULL, "a transaction is left open on \"%s\"", connection->name);
#endif
    }
}

/* `expected` is "[CODE] [text or /regex/]". */
static void check_error(Runner *run, const char *sql, const char *expected, int code, const char *message) {
    char *pattern = copy(expected);
    if (starts_with(pattern, "SQLITE_")) {
        char *rest = rest_of_line(pattern, 1);
        pattern[strcspn(pattern, " \t")] = '\0';
        if (!code_matches(pattern, code))
            failure(run, sql, expected, "got code %d (%s): %s", code, code_name(code), message);
        free(pattern);
        pattern = rest;
    }
    if (*pattern != '\0' &&
        !(is_regex(pattern) ? regex_matches(run, pattern, message) : strstr(message, pattern) != NULL))
        failure(run, sql, expected, "got the message: %s", message);
    for (int i = 0; i < 2; i++) {
        const char *shadow = i == 0 ? "_data" : "_meta";
        if (strstr(message, shadow) != NULL && strstr(sql, shadow) == NULL && strstr(pattern, shadow) == NULL)
            failure(run, sql, NULL, "the message names a shadow table: %s", message);
    }
    free(pattern);
}

/* Run all statements of `sql`, rows ignored. On error *message is allocated. */
static int run_sql(sqlite3 *db, const char *sql, char **message) {
    int rc = SQLITE_OK;
    while (rc == SQLITE_OK && *sql != '\0') {
        sqlite3_stmt *stmt = NULL;
        rc = sqlite3_prepare_v2(db, sql, -1, &stmt, &sql);
        if (rc == SQLITE_OK && stmt != NULL) {
            do
                rc = sqlite3_step(stmt);
            while (rc == SQLITE_ROW);
            rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
        }
        if (rc != SQLITE_OK)
            *message = copy(sqlite3_errmsg(db));
        sqlite3_finalize(stmt);
    }
    return rc;
}

/* statement ok | statement count N | statement error [CODE] [text] */
static void run_statement(Runner *run, const char *header, char **word, int words, const char *sql) {
    sqlite3 *db = database(run);
    char *message = NULL;
    int rc = run_sql(db, sql, &message);
    const char *kind = words > 1 ? word[1] : "";

    if (same(kind, "error")) {
        char *expected = rest_of_line(header, 2);
        if (rc == SQLITE_OK)
            failure(run, sql, expected, "expected an error, got none");
        else
            check_error(run, sql, expected, rc, message);
        free(expected);
    } else if (same(kind, "ok") || (same(kind, "count") && words == 3)) {
        if (rc != SQLITE_OK)
            failure(run, sql, NULL, "got an error, %d (%s): %s", rc, code_name(rc), message);
        else if (same(kind, "count") && sqlite3_changes(db) != atoi(word[2]))
            failure(run, sql, word[2], "changes() is %d", sqlite3_changes(db));
    } else {
        failure(run, sql, NULL, "what is \"%s\"?", header);
    }
    free(message);
}

typedef struct {
    List values; /* row after row */
    size_t columns;
} Result;

static char *join_row(const Result *result, size_t row) {
    Text text = {0};
    text_clear(&text);
    for (size_t i = 0; i < result->columns; i++) {
        if (i > 0)
            text_put(&text, "|");
        text_put(&text, result->values.item[row * result->columns + i]);
    }
    return text.data;
}

static void result_add_row(Result *result, sqlite3_stmt *stmt, const char *types) {
    for (size_t i = 0; i < result->columns; i++)
        list_add(&result->values, value_text(stmt, (int)i, types[i]));
}

static size_t compared_columns; /* qsort() has no room for an argument */

static int by_row(const void *a, const void *b) {
    char *const *left = a;
    char *const *right = b;
    int order = 0;
    for (size_t i = 0; i < compared_columns && order == 0; i++)
        order = strcmp(left[i], right[i]);
    return order;
}

static void result_sort(Runner *run, Result *result, const char *sort) {
    size_t rows = result->columns > 0 ? result->values.count / result->columns : 0;
    if (same(sort, "rowsort")) {
        compared_columns = result->columns;
        if (rows > 1)
            qsort(result->values.item, rows, result->columns * sizeof *result->values.item, by_row);
    } else if (same(sort, "valuesort")) {
        list_sort(&result->values);
        result->columns = 1;
    } else if (!same(sort, "nosort")) {
        failure(run, NULL, NULL, "unknown sort \"%s\"", sort);
    }
}

static void hash_values(const List *values, char hash[33]) {
    Text all = {0};
    text_clear(&all);
    for (size_t i = 0; i < values->count; i++) {
        text_put(&all, values->item[i]);
        text_put(&all, "\n");
    }
    md5_hex(all.data, all.size, hash);
    text_free(&all);
}

static bool line_matches(Runner *run, const char *expected, const char *got) {
    return is_regex(expected) ? regex_matches(run, expected, got) : same(expected, got);
}

/* Expected are rows ("a|b"), or values one a line as in the original format,
** or "N values hashing to MD5". */
static bool result_matches(Runner *run, const Result *result, const List *expected) {
    size_t rows = result->columns > 0 ? result->values.count / result->columns : 0;
    bool matches = false;
    if (expected->count == 1 && strstr(expected->item[0], " values hashing to ") != NULL) {
        char hash[33];
        char line[80];
        hash_values(&result->values, hash);
        snprintf(line, sizeof line, "%zu values hashing to %s", result->values.count, hash);
        matches = same(line, expected->item[0]);
    } else if (expected->count == rows) {
        matches = true;
        for (size_t i = 0; i < rows && matches; i++) {
            char *row = join_row(result, i);
            matches = line_matches(run, expected->item[i], row);
            free(row);
        }
    } else if (expected->count == result->values.count) {
        matches = true;
        for (size_t i = 0; i < expected->count && matches; i++)
            matches = line_matches(run, expected->item[i], result->values.item[i]);
    }
    return matches;
}

static void print_mismatch(Runner *run, const char *sql, const Result *result, const List *expected) {
    size_t rows = result->columns > 0 ? result->values.count / result->columns : 0;
    failure(run, sql, NULL, "another result than expected");
    if (run->must_fail)
        return;
    printf("  expected %zu:\n", expected->count);
    for (size_t i = 0; i < expected->count; i++)
        printf("    %s\n", expected->item[i]);
    printf("  got %zu:\n", rows);
    if (run->hash_threshold > 0 && result->values.count > (size_t)run->hash_threshold) {
        char hash[33];
        hash_values(&result->values, hash);
        printf("    %zu values hashing to %s\n", result->values.count, hash);
    } else {
        for (size_t i = 0; i < rows; i++) {
            char *row = join_row(result, i);
            printf("    %s\n", row);
            free(row);
        }
    }
}

static void check_label(Runner *run, const char *name, const Result *result, const char *sql) {
    char hash[33];
    Label *label = run->labels;
    hash_values(&result->values, hash);
    while (label != NULL && !same(label->name, name))
        label = label->next;
    if (label == NULL) {
        label = zeroed(sizeof *label);
        label->name = copy(name);
        memcpy(label->hash, hash, sizeof hash);
        label->next = run->labels;
        run->labels = label;
    } else if (!same(label->hash, hash)) {
        failure(run, sql, NULL, "another result than the earlier query labelled \"%s\"", name);
    }
}

static bool good_types(Runner *run, const char *types, sqlite3_stmt *stmt, const char *sql) {
    bool good = strspn(types, "TIRB") == strlen(types) && (int)strlen(types) == sqlite3_column_count(stmt);
    if (!good)
        failure(run, sql, NULL, "types \"%s\" do not fit the %d columns", types, sqlite3_column_count(stmt));
    return good;
}

/* query TYPES [nosort|rowsort|valuesort] [label] */
static void run_query(Runner *run, char **word, int words, const Body *body) {
    sqlite3 *db = database(run);
    sqlite3_stmt *stmt = NULL;
    const char *types = words > 1 ? word[1] : "";
    const char *sql = body->sql.data;
    const char *tail = "";
    Result result = {.columns = strlen(types)};
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, &tail);

    if (rc == SQLITE_OK && (stmt == NULL || !is_blank(tail))) {
        failure(run, sql, NULL, "a query is one statement");
    } else if (rc == SQLITE_OK && good_types(run, types, stmt, sql)) {
        while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
            result_add_row(&result, stmt, types);
        if (rc == SQLITE_DONE) {
            rc = SQLITE_OK;
            result_sort(run, &result, words > 2 ? word[2] : "nosort");
            if (!result_matches(run, &result, &body->expected))
                print_mismatch(run, sql, &result, &body->expected);
            if (words > 3)
                check_label(run, word[3], &result, sql);
        }
    }
    if (rc != SQLITE_OK)
        failure(run, sql, NULL, "got an error, %d (%s): %s", rc, code_name(rc), sqlite3_errmsg(db));
    sqlite3_finalize(stmt);
    list_free(&result.values);
}

/* ---- statements that stay open: prepare, step, reset, finalize */

static Statement **statement_find(Runner *run, const char *name) {
    Statement **link = NULL;
    database(run);
    link = &run->current->statements;
    while (*link != NULL && !same((*link)->name, name))
        link = &(*link)->next;
    return link;
}

static void run_prepare(Runner *run, const char *name, const char *sql) {
    Statement **link = statement_find(run, name);
    sqlite3_stmt *stmt = NULL;
    if (*link != NULL) {
        failure(run, sql, NULL, "there is a statement \"%s\" already", name);
    } else if (sqlite3_prepare_v2(database(run), sql, -1, &stmt, NULL) != SQLITE_OK) {
        failure(run, sql, NULL, "got an error: %s", sqlite3_errmsg(database(run)));
    } else {
        *link = zeroed(sizeof **link);
        (*link)->name = copy(name);
        (*link)->stmt = stmt;
    }
}

/* step NAME TYPES: one step for every line expected, "done" for the end.
** step NAME error [CODE] [text]: one step that fails. */
static void run_step(Runner *run, const char *header, char **word, int words, const Body *body) {
    Statement *statement = *statement_find(run, words > 1 ? word[1] : "");
    const char *types = words > 2 ? word[2] : "";
    if (statement == NULL) {
        failure(run, NULL, NULL, "no such statement: %s", header);
    } else if (same(types, "error")) {
        char *expected = rest_of_line(header, 3);
        int rc = sqlite3_step(statement->stmt);
        if (rc == SQLITE_ROW || rc == SQLITE_DONE)
            failure(run, sqlite3_sql(statement->stmt), expected, "expected an error, got none");
        else
            check_error(run, sqlite3_sql(statement->stmt), expected, rc, sqlite3_errmsg(database(run)));
        free(expected);
    } else {
        for (size_t i = 0; i < body->expected.count; i++) {
            const char *expected = body->expected.item[i];
            int rc = sqlite3_step(statement->stmt);
            Result result = {.columns = strlen(types)};
            char *row = NULL;
            if (rc == SQLITE_ROW && !good_types(run, types, statement->stmt, sqlite3_sql(statement->stmt)))
                break;
            if (rc == SQLITE_ROW) {
                result_add_row(&result, statement->stmt, types);
                row = join_row(&result, 0);
            } else {
                row = copy(rc == SQLITE_DONE ? "done" : sqlite3_errmsg(database(run)));
            }
            if (!line_matches(run, expected, row))
                failure(run, sqlite3_sql(statement->stmt), expected, "got: %s", row);
            free(row);
            list_free(&result.values);
        }
    }
}

static void run_reset(Runner *run, const char *name, bool finalize) {
    Statement **link = statement_find(run, name);
    Statement *statement = *link;
    if (statement == NULL) {
        failure(run, NULL, NULL, "no such statement: %s", name);
    } else if (!finalize) {
        sqlite3_reset(statement->stmt);
    } else {
        *link = statement->next;
        sqlite3_finalize(statement->stmt);
        free(statement->name);
        free(statement);
    }
}

/* ---- control records */

static void run_connection(Runner *run, char **word, int words) {
    Connection *connection = words > 1 ? connection_find(run, word[1]) : NULL;
    if (words < 2) {
        failure(run, NULL, NULL, "which connection?");
        return;
    }
    if (connection == NULL) {
        connection = connection_new(run, word[1]);
    } else if (words > 2) {
        failure(run, NULL, NULL, "\"%s\" is open already", word[1]);
    }
    for (int i = 2; i < words; i++) {
        if (same(word[i], "readonly")) {
            connection->readonly = true;
        } else if (same(word[i], "noext")) {
            connection->noext = true;
        } else if (strchr(word[i], '=') != NULL) {
            if (connection->uri.size > 0)
                text_put(&connection->uri, "&");
            text_put(&connection->uri, word[i]);
            connection->readonly = connection->readonly || same(word[i], "mode=ro") || same(word[i], "immutable=1");
        } else {
            failure(run, NULL, NULL, "unknown word \"%s\"", word[i]);
        }
    }
    run->current = connection;
    database(run);
}

static void run_clock(Runner *run, char **word, int words) {
    if (words == 2 && same(word[1], "real"))
        testclock_release();
    else if (words == 2 && (word[1][0] == '+' || word[1][0] == '-'))
        testclock_advance(strtod(word[1], NULL));
    else if (words == 3 && same(word[1], "set"))
        testclock_set(strtod(word[2], NULL));
    else
        failure(run, NULL, NULL, "clock +SECONDS, clock set TIME or clock real");
}

static void run_journal(Runner *run, const char *name) {
    char sql[80];
    char *message = NULL;
    if (!mode_apply(&run->mode, same(name, "memory") ? "memjournal" : name)) {
        failure(run, NULL, NULL, "unknown journal \"%s\"", name);
        return;
    }
    snprintf(sql, sizeof sql, "PRAGMA journal_mode=%s", name);
    if (run_sql(database(run), sql, &message) != SQLITE_OK)
        failure(run, sql, NULL, "%s", message);
    free(message);
}

/* Valgrind computes long double with the precision of double, and so do some
** machines; SQLite up to 3.42 compares integers with reals by it. */
static bool long_double_is_short(void) {
    volatile long double sum = 1.0L; /* volatile, or the compiler answers for itself */
    sum += 0x1p-60L;
    return sum == 1.0L;
}

/* skipif and onlyif: "sqlite", a comparison like sqlite<3.44, "short-long-double",
** "linked" or a mode. */
static bool condition_holds(Runner *run, const char *condition) {
    const char *at = condition + 6;
    if (same(condition, "short-long-double"))
        return long_double_is_short();
#ifdef SLT_LINKED
    if (same(condition, "linked"))
        return true;
#endif
    if (!starts_with(condition, "sqlite") || isalpha((unsigned char)*at))
        return mode_has(&run->mode, condition);
    if (*at == '\0')
        return true;
    char operator[3] = {at[0], at[1] == '=' ? '=' : '\0', '\0'};
    int major = 0;
    int minor = 0;
    int patch = 0;
    int version = 0;
    sscanf(at + strlen(operator), "%d.%d.%d", &major, &minor, &patch);
    version = major * 1000000 + minor * 1000 + patch;
    if (same(operator, "<"))
        return sqlite3_libversion_number() < version;
    if (same(operator, "<="))
        return sqlite3_libversion_number() <= version;
    if (same(operator, ">"))
        return sqlite3_libversion_number() > version;
    if (same(operator, ">="))
        return sqlite3_libversion_number() >= version;
    failure(run, NULL, NULL, "what is the condition \"%s\"?", condition);
    return false;
}

/* ---- scripts */

static char *read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    Text text = {0};
    char chunk[4096];
    size_t size = 0;
    if (file == NULL)
        return NULL;
    text_clear(&text);
    while ((size = fread(chunk, 1, sizeof chunk, file)) > 0)
        text_add(&text, chunk, size);
    fclose(file);
    return text.data;
}

static bool script_read(const char *path, Script *script) {
    size_t capacity = 1;
    char *state = NULL;
    *script = (Script){.text = read_file(path)};
    if (script->text == NULL)
        return false;
    script->path = copy(path);
    for (const char *at = script->text; *at != '\0'; at++)
        capacity += *at == '\n';
    script->line = need(calloc(capacity, sizeof *script->line));
    for (state = script->text; state != NULL && *state != '\0';) {
        char *end = strchr(state, '\n');
        script->line[script->count++] = state;
        if (end != NULL)
            *end++ = '\0';
        state = end;
    }
    for (size_t i = 0; i < script->count; i++) {
        size_t size = strlen(script->line[i]);
        if (size > 0 && script->line[i][size - 1] == '\r')
            script->line[i][size - 1] = '\0';
    }
    return true;
}

static void script_free(Script *script) {
    free(script->path);
    free(script->text);
    free(script->line);
}

static void run_lines(Runner *run, const Script *script, size_t from, size_t to);

/* The line of the endloop that belongs to the loop before `from`. */
static size_t find_endloop(const Script *script, size_t from, size_t to) {
    int depth = 1;
    while (from < to) {
        const char *line = script->line[from];
        line += strspn(line, " \t");
        if (starts_with(line, "loop ") || starts_with(line, "foreach "))
            depth++;
        else if (starts_with(line, "endloop") && --depth == 0)
            break;
        from++;
    }
    return from;
}

/* loop NAME FROM TO (TO not included), foreach NAME WORD... */
static void run_loop(Runner *run, char **word, int words, const Script *script, size_t from, size_t to) {
    Variable variable = {.name = words > 1 ? word[1] : "", .outer = run->variables};
    run->variables = &variable;
    if (same(word[0], "foreach")) {
        for (int i = 2; i < words && !run->halted; i++) {
            variable.value = word[i];
            run_lines(run, script, from, to);
        }
    } else if (words == 4) {
        char number[24];
        for (long i = atol(word[2]); i < atol(word[3]) && !run->halted; i++) {
            snprintf(number, sizeof number, "%ld", i);
            variable.value = number;
            run_lines(run, script, from, to);
        }
    } else {
        failure(run, NULL, NULL, "loop NAME FROM TO");
    }
    run->variables = variable.outer;
}

static void run_include(Runner *run, const char *name, const Script *script) {
    Script included;
    const char *slash = strrchr(script->path, '/');
    Text path = {0};
    if (slash != NULL)
        text_add(&path, script->path, (size_t)(slash - script->path) + 1);
    text_put(&path, name);
    if (script_read(path.data, &included)) {
        run_lines(run, &included, 0, included.count);
        run->path = script->path;
        script_free(&included);
    } else {
        failure(run, NULL, NULL, "cannot read %s", path.data);
    }
    text_free(&path);
}

/* A record other than statement, query, loops and conditions. */
static void run_control(Runner *run, char **word, int words, const Script *script) {
    const char *argument = words > 1 ? word[1] : "";
    if (same(word[0], "connection")) {
        run_connection(run, word, words);
    } else if (same(word[0], "close")) {
        Connection *connection = connection_find(run, argument);
        if (connection == NULL)
            failure(run, NULL, NULL, "no such connection: \"%s\"", argument);
        else
            connection_drop(run, connection);
    } else if (same(word[0], "reopen")) {
        database(run);
        connection_close(run, run->current);
        connection_open(run, run->current);
    } else if (same(word[0], "restart")) {
        close_all(run);
    } else if (same(word[0], "clock")) {
        run_clock(run, word, words);
    } else if (same(word[0], "load")) {
        load_extension(run, database(run));
    } else if (same(word[0], "database")) {
        if (run->connections != NULL)
            failure(run, NULL, NULL, "database: a connection is open already");
        else if (!mode_apply(&run->mode, argument))
            failure(run, NULL, NULL, "unknown database \"%s\"", argument);
    } else if (same(word[0], "journal")) {
        run_journal(run, argument);
    } else if (same(word[0], "reset") || same(word[0], "finalize")) {
        run_reset(run, argument, same(word[0], "finalize"));
    } else if (same(word[0], "include")) {
        run_include(run, argument, script);
    } else if (same(word[0], "limit")) {
        /* limit length N: SQLITE_LIMIT_LENGTH of the current connection */
        sqlite3_limit(database(run), SQLITE_LIMIT_LENGTH, words > 2 ? atoi(word[2]) : -1);
    } else if (same(word[0], "hash-threshold")) {
        run->hash_threshold = atol(argument);
    } else if (same(word[0], "halt")) {
        run->halted = true;
    } else {
        failure(run, NULL, NULL, "unknown record \"%s\"", word[0]);
    }
}

static void count_record(Runner *run) {
    if (run->record_failed == run->must_fail)
        run->passed++;
    else
        run->failed++;
    if (run->must_fail && !run->record_failed)
        printf("%s:%zu: [%s] passed, but must fail\n", run->path, run->line, run->mode.name);
}

/* One record, whose first line is script->line[at]; returns where the next begins. */
static size_t run_record(Runner *run, const Script *script, size_t at, size_t to) {
    char *header = expand(run, script->line[at]);
    char *cut = copy(header);
    char *word[MAX_WORDS] = {NULL};
    int words = split_words(cut, word);
    const char *kind = word[0];
    bool has_body = same(kind, "statement") || same(kind, "query") || same(kind, "prepare") || same(kind, "step");
    bool is_test = has_body && !same(kind, "prepare");
    Body body = {0};
    size_t next = at + 1;
    bool skip = run->skip_next;

    run->path = script->path;
    run->line = at + 1;
    run->record_failed = false;
    snprintf(crash_note, sizeof crash_note, "crashed at %s:%zu: [%s]\n", run->path, run->line, run->mode.name);
    if (has_body)
        read_body(run, script, &next, &body);

    if (same(kind, "skipif") || same(kind, "onlyif")) {
        bool holds = condition_holds(run, words > 1 ? word[1] : "");
        run->skip_next = run->skip_next || holds == same(kind, "skipif");
    } else if (same(kind, "skipmode") || same(kind, "onlymode")) {
        bool found = false;
        for (int i = 1; i < words; i++)
            found = found || mode_has(&run->mode, word[i]);
        if (found == same(kind, "skipmode")) {
            run->halted = true;
            run->skipped++;
        }
    } else if (same(kind, "loop") || same(kind, "foreach")) {
        size_t end = find_endloop(script, next, to);
        if (end == to) {
            failure(run, NULL, NULL, "no endloop");
            count_record(run);
        } else if (!skip) {
            run_loop(run, word, words, script, next, end);
        }
        next = end + 1;
        run->skip_next = false;
    } else if (skip) {
        run->skip_next = false;
        run->skipped += is_test;
    } else {
        if (same(kind, "statement"))
            run_statement(run, header, word, words, body.sql.data);
        else if (same(kind, "query"))
            run_query(run, word, words, &body);
        else if (same(kind, "prepare"))
            run_prepare(run, words > 1 ? word[1] : "", body.sql.data);
        else if (same(kind, "step"))
            run_step(run, header, word, words, &body);
        else
            run_control(run, word, words, script);
        if (!same(kind, "include")) {
            check_rest(run, body.sql.data);
            if (is_test || run->record_failed)
                count_record(run);
        }
    }
    body_free(&body);
    free(cut);
    free(header);
    return next;
}

static void run_lines(Runner *run, const Script *script, size_t from, size_t to) {
    while (from < to && !run->halted) {
        const char *line = script->line[from];
        if (is_blank(line) || line[strspn(line, " \t")] == '#')
            from++;
        else
            from = run_record(run, script, from, to);
    }
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk) {
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

static bool make_directory(Runner *run) {
    const char *base = getenv("TMPDIR");
    Text path = {0};
    text_put(&path, base != NULL && *base != '\0' ? base : "/tmp");
    text_put(&path, "/slt-XXXXXX");
    if (mkdtemp(path.data) == NULL) {
        perror(path.data);
        text_free(&path);
        return false;
    }
    run->directory = copy(path.data);
    text_put(&path, "/test.db");
    run->database = path.data;
    return true;
}

/* Run one script in one mode, from nothing. */
static void run_script(Runner *run, const Script *script, const Mode *mode) {
    long passed = run->passed;
    long failed = run->failed;
    long skipped = run->skipped;
    if (!make_directory(run)) {
        run->failed++;
        return;
    }
    run->mode = *mode;
    run->number++;
    run->hash_threshold = 0;
    run->halted = run->skip_next = false;
    run->path = script->path;
    text_clear(&log_text);
    testclock_set(CLOCK_START);

    run_lines(run, script, 0, script->count);

    run->record_failed = false;
    close_all(run);
    run->failed += run->record_failed;
    while (run->labels != NULL) {
        Label *label = run->labels;
        run->labels = label->next;
        free(label->name);
        free(label);
    }
    if (run->keep)
        printf("%s: [%s] kept in %s\n", script->path, mode->name, run->directory);
    else
        nftw(run->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(run->directory);
    free(run->database);
    if (run->verbose)
        printf("%s: [%s] %ld passed, %ld failed, %ld skipped\n", script->path, mode->name, run->passed - passed,
               run->failed - failed, run->skipped - skipped);
    fflush(stdout);
}

/* ---- the command line */

static void add_path(List *files, const char *path) {
    struct stat info;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        DIR *directory = opendir(path);
        List found = {0};
        if (directory != NULL) {
            for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
                size_t size = strlen(entry->d_name);
                if (size > 4 && same(entry->d_name + size - 4, ".slt")) {
                    Text full = {0};
                    text_put(&full, path);
                    if (path[strlen(path) - 1] != '/')
                        text_put(&full, "/");
                    text_put(&full, entry->d_name);
                    list_add(&found, full.data);
                }
            }
            closedir(directory);
        }
        list_sort(&found);
        for (size_t i = 0; i < found.count; i++)
            list_add(files, found.item[i]);
        free(found.item);
    } else {
        list_add(files, copy(path));
    }
}

static int usage(void) {
    fputs("usage: slt [--extension FILE] [--mode MODE[,MODE...]|all] [--pragma SQL] [--verbose] [--keep] [--must-fail] "
          "FILE-OR-DIRECTORY...\nmodes:",
          stderr);
    for (size_t i = 0; i < ALL_MODES; i++)
        fprintf(stderr, " %s", all_modes[i]);
    fputs("\n  (and their words joined by '+')\n", stderr);
    return 2;
}

int main(int argc, char **argv) {
    Runner run = {0};
    List files = {0};
    List names = {0};
    Mode modes[MAX_MODES];
    size_t mode_count = 0;
    bool good = true;

    for (int i = 1; i < argc && good; i++) {
        if (same(argv[i], "--verbose")) {
            run.verbose = true;
        } else if (same(argv[i], "--keep")) {
            run.keep = true;
        } else if (same(argv[i], "--must-fail")) {
            run.must_fail = true;
        } else if (argv[i][0] != '-') {
            add_path(&files, argv[i]);
        } else if (i + 1 == argc) {
            good = false;
        } else if (same(argv[i], "--extension")) {
            run.extension = argv[++i];
        } else if (same(argv[i], "--pragma")) {
            list_add(&run.pragmas, copy(argv[++i]));
        } else if (same(argv[i], "--mode")) {
            char *list = copy(argv[++i]);
            char *state = NULL;
            for (char *name = strtok_r(list, ",", &state); name != NULL; name = strtok_r(NULL, ",", &state)) {
                for (size_t m = 0; same(name, "all") && m < ALL_MODES; m++)
                    list_add(&names, copy(all_modes[m]));
                if (!same(name, "all"))
                    list_add(&names, copy(name));
            }
            free(list);
        } else {
            good = false;
        }
    }
    if (names.count == 0)
        list_add(&names, copy("delete"));
    good = good && files.count > 0 && names.count <= MAX_MODES;
    for (size_t i = 0; i < names.count && good; i++)
        good = mode_parse(names.item[i], &modes[mode_count++]);

    if (good) {
        setvbuf(stdout, NULL, _IOLBF, 0);
#ifndef __SANITIZE_ADDRESS__
        signal(SIGSEGV, on_crash);
        signal(SIGABRT, on_crash);
        signal(SIGBUS, on_crash);
#endif
        sqlite3_config(SQLITE_CONFIG_LOG, on_log, NULL);
        sqlite3_config(SQLITE_CONFIG_URI, 1);
        sqlite3_initialize();
        sqlite3_auto_extension((void (*)(void))sqlite3_testclock_init);
        good = testclock_install() == SQLITE_OK && shimvfs_register() == SQLITE_OK;
        for (size_t i = 0; i < files.count && good; i++) {
            Script script;
            if (script_read(files.item[i], &script)) {
                for (size_t m = 0; m < mode_count; m++)
                    run_script(&run, &script, &modes[m]);
                script_free(&script);
            } else {
                perror(files.item[i]);
                run.failed++;
            }
        }
        sqlite3_shutdown();
    }
    list_free(&files);
    list_free(&names);
    list_free(&run.pragmas);
    text_free(&log_text);
    if (!good)
        return usage();
    printf("%ld passed, %ld failed", run.passed, run.failed);
    if (run.skipped > 0)
        printf(", %ld skipped", run.skipped);
    putchar('\n');
    return run.failed > 0;
}
