/*
** node.c: the nodes of node.h.
**
** What a node does besides the log is drawn from (seed, kind, number of the statement): the same again when a log is shortened.
*/
#include "node.h"

#include "testclock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const node_names[NODES] = {"quiet", "reader", "forgetful", "restarting", "crowded"};

typedef struct Kind {
    int connections;
    const char *journal;
    const char *pragmas;
    int reads;           /* at most so many before a statement */
    unsigned clear_odds; /* one in so many statements empties the L1 first; 0 = none */
    unsigned reopen_odds;
    unsigned restart_odds; /* from a snapshot of its own file */
} Kind;

static const Kind kinds[NODES] = {
    {1, "wal", "", 0, 0, 0, 0},
    {3, "wal", "PRAGMA cache_size = 10", 4, 0, 0, 0},
    {1, "delete", "", 2, 1, 10, 0},
    {2, "truncate", "PRAGMA cache_size = 5", 2, 5, 20, 25},
    {4, "wal", "PRAGMA wal_autocheckpoint = 3", 2, 20, 15, 0},
};

_Noreturn void node_die(sqlite3 *db, const char *what) {
    fprintf(stderr, "replay: %s: %s\n", what, db ? sqlite3_errmsg(db) : "out of memory");
    exit(2);
}

static void must(sqlite3 *db, const char *sql) {
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        node_die(db, sql);
}

sqlite3 *node_connect(const char *path, const char *extension) {
    sqlite3 *db = NULL;
    char *message = NULL;
    if (sqlite3_open(path, &db) != SQLITE_OK)
        node_die(db, path);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
    if (sqlite3_load_extension(db, extension, "sqlite3_hybridcache_init", &message) != SQLITE_OK)
        node_die(db, message ? message : extension);
    return db;
}

/* ---- connections */

static void connect_all(Node *node) {
    const Kind *kind = &kinds[node->kind];
    for (int i = 0; i < kind->connections; i++) {
        if (node->connections[i])
            continue;
        sqlite3 *db = node->connections[i] = node_connect(node->path, node->extension);
        char *journal =
            sqlite3_mprintf("PRAGMA synchronous = off; PRAGMA journal_mode = %s; %s", kind->journal, kind->pragmas);
        must(db, journal);
        sqlite3_free(journal);
    }
}

/* Rule R3: closing never meets a statement that the extension forgot. */
static void close_one(Node *node, int i) {
    static const char *const sql =
        "SELECT total(l1_hits), total(l2_evicted), total(expired), total(gets) FROM hybrid_cache_stats";
    sqlite3_stmt *stmt = NULL;
    sqlite3 *db = node->connections[i];
    if (!db)
        return;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        node->counts.l1_hits += sqlite3_column_int64(stmt, 0);
        node->counts.evicted += sqlite3_column_int64(stmt, 1);
        node->counts.purged += sqlite3_column_int64(stmt, 2);
        node->counts.reads += sqlite3_column_int64(stmt, 3);
    }
    sqlite3_finalize(stmt);
    if (sqlite3_close(db) != SQLITE_OK)
        node_die(db, "sqlite3_close");
    node->connections[i] = NULL;
}

static void close_all(Node *node) {
    for (int i = 0; i < MOST_CONNECTIONS; i++)
        close_one(node, i);
}

static void remove_files(const char *path) {
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    for (int i = 0; i < 4; i++) {
        char *name = sqlite3_mprintf("%s%s", path, suffixes[i]);
        remove(name);
        sqlite3_free(name);
    }
}

void node_open(Node *node, int kind, uint64_t seed, const char *directory, const char *extension, int own_clock) {
    *node = (Node){.kind = kind, .seed = seed, .extension = extension, .own_clock = own_clock};
    snprintf(node->path, sizeof node->path, "%s/%s.db", directory, node_names[kind]);
    remove_files(node->path);
    connect_all(node);
}

void node_close(Node *node) {
    close_all(node);
    remove_files(node->path);
}

/* ---- what a node does besides */

static void set_clock(Node *node, uint64_t *random) {
    double part = random_below(random, 1000) / 1000.0;
    if (!node->own_clock)
        return;
    switch (node->kind) {
    case 0:
        testclock_set(LOG_TIME - 1e6);
        break; /* nothing has expired */
    case 1:
        testclock_set(LOG_TIME + random_below(random, 3000) + part);
        break; /* some has */
    case 2:
        testclock_set(LOG_TIME + 1e9);
        break; /* everything has */
    case 3:
        testclock_set(LOG_TIME - 5000.0 + random_below(random, 10000) + part);
        break; /* jumps, backwards too */
    default:
        testclock_release();
        break;
    }
}

/* Errors of these are the node's own affair: busy, or no such cache. */
static void run_aside(sqlite3 *db, char *sql) {
    sqlite3_exec(db, sql, NULL, NULL, NULL);
    sqlite3_free(sql);
}

/* Every function, and reads of the table that fill the L1. */
static void read_aside(sqlite3 *db, uint64_t *random) {
    static const char *const formats[] = {
        "SELECT hybrid_cache_get(name, 'k%02u') FROM hybrid_cache_stats",
        "SELECT hybrid_cache_get('cache', 'k%02u', 'none'), hybrid_cache_stale('cache', 7)",
        "SELECT hybrid_cache_has('cache', 'k%02u'), hybrid_cache_ttl('cache', 'k01'), hybrid_cache_tier('cache', "
        "'k02')",
        "SELECT value FROM cache WHERE key = 'k%02u'",
        "SELECT value FROM cache WHERE key IN ('k%02u', 'k03', 4, x'05')",
        "SELECT k, c.value FROM app JOIN cache c ON c.key = k AND k <> 'k%02u'",
        "SELECT hybrid_cache_stats(name), hybrid_cache_option(name, 'clock'), %u FROM hybrid_cache_stats",
        "SELECT *, %u FROM hybrid_cache_mrc('cache')",
        "SELECT hybrid_cache_reset_stats(name), hybrid_cache_version(), %u FROM hybrid_cache_stats",
        "SELECT *, ttl, tag FROM cache WHERE key > 'k%02u' ORDER BY expires",
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 60 + %u %% 2) "
        "SELECT count(hybrid_cache_get('cache', 'k' || substr('0' || i, -2))) FROM n",
    };
    unsigned which = random_below(random, sizeof formats / sizeof formats[0]);
    run_aside(db, sqlite3_mprintf(formats[which], random_below(random, 60)));
}

/*
** As a node of a cluster starts again from its snapshot: the content is the same, its pages are not. SQLite's own schema
** cookie, which VACUUM INTO raises, is put back.
*/
static void restart(Node *node) {
    sqlite3_stmt *stmt = NULL;
    char *copy = sqlite3_mprintf("%s.new", node->path);
    char *vacuum = sqlite3_mprintf("VACUUM INTO '%s'", copy);
    sqlite3 *db = node->connections[0];
    if (sqlite3_prepare_v2(db, "PRAGMA schema_version", -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_ROW)
        node_die(db, "schema_version");
    int cookie = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    remove(copy);
    must(db, vacuum);
    close_all(node);
    remove_files(node->path);
    if (rename(copy, node->path) != 0)
        node_die(NULL, copy);
    connect_all(node);
    char *put_back = sqlite3_mprintf("PRAGMA schema_version = %d", cookie);
    must(node->connections[0], put_back);
    close_all(node); /* or this connection would go by the old cookie */
    connect_all(node);
    sqlite3_free(put_back);
    sqlite3_free(vacuum);
    sqlite3_free(copy);
    node->counts.restarts++;
}

static int happens(uint64_t *random, unsigned odds) {
    return odds && random_below(random, odds) == 0;
}

/* The connection that is to run the statement. */
static sqlite3 *disturb(Node *node, unsigned number) {
    const Kind *kind = &kinds[node->kind];
    uint64_t random = (node->seed * 31 + (uint64_t)node->kind) * 1000003 + number;
    unsigned count = (unsigned)kind->connections;
    random_next(&random);
    set_clock(node, &random);
    unsigned reads = kind->reads ? random_below(&random, (unsigned)kind->reads + 1) : 0;
    for (unsigned i = 0; i < reads; i++)
        read_aside(node->connections[random_below(&random, count)], &random);
    if (happens(&random, kind->clear_odds)) {
        for (unsigned i = 0; i < count; i++)
            run_aside(node->connections[i],
                      sqlite3_mprintf("SELECT hybrid_cache_clear_l1(name) FROM hybrid_cache_stats"));
    }
    unsigned chosen = random_below(&random, count);
    /* With a rollback journal a transaction may keep others from opening the file at all. */
    if (happens(&random, kind->reopen_odds) &&
        (!node->transaction || (strcmp(kind->journal, "wal") == 0 && node->transaction != node->connections[chosen]))) {
        close_one(node, (int)chosen);
        connect_all(node);
    }
    if (happens(&random, kind->restart_odds) && !node->transaction)
        restart(node);
    return node->transaction ? node->transaction : node->connections[chosen];
}

/* ---- the log */

/* Adds one row to the text of a result. */
static int add_row(void *text, int columns, char **values, char **names) {
    (void)names;
    for (int i = 0; i < columns; i++)
        sqlite3_str_appendf(text, "%s%Q", i ? "," : "|", values[i]);
    return 0;
}

char *node_apply(Node *node, const Statement *statement) {
    sqlite3 *db = disturb(node, statement->number);
    sqlite3_str *text = sqlite3_str_new(NULL);
    char *message = NULL;
    int rc = sqlite3_exec(db, statement->sql, add_row, text, &message);
    if (rc != SQLITE_OK)
        sqlite3_str_appendf(text, "error %d: %s", sqlite3_extended_errcode(db), message ? message : "");
    else if (statement->kind == STATEMENT_WRITE)
        sqlite3_str_appendf(text, "%d changes", sqlite3_changes(db));
    else
        sqlite3_str_appendall(text, "ok");
    sqlite3_free(message);
    rc == SQLITE_OK ? node->counts.applied++ : node->counts.failed++;
    node->transaction = sqlite3_get_autocommit(db) ? NULL : db;
    return sqlite3_str_finish(text);
}

static char *dump_query(sqlite3 *db, const char *sql) {
    sqlite3_str *text = sqlite3_str_new(NULL);
    char *message = NULL;
    if (sqlite3_exec(db, sql, add_row, text, &message) != SQLITE_OK)
        node_die(db, sql);
    return sqlite3_str_finish(text);
}

/* The names of the caches, as text for a loop: each row calls `with` with a name. */
static int for_each_cache(sqlite3 *db, int (*with)(void *, int, char **, char **), void *context) {
    return sqlite3_exec(db, "SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL TABLE%' ORDER BY name", with,
                        context, NULL);
}

typedef struct Dump {
    sqlite3 *db;
    sqlite3_str *text;
    int entries_only;
} Dump;

static int dump_cache(void *context, int columns, char **values, char **names) {
    Dump *dump = context;
    (void)columns;
    (void)names;
    char *rows =
        sqlite3_mprintf("SELECT %s, quote(key), quote(expires), quote(tag), quote(value) FROM \"%w_data\" ORDER BY id",
                        dump->entries_only ? "1" : "id, size, used, sum", values[0]);
    char *meta = sqlite3_mprintf("SELECT format, store, seed, options, hex(state) FROM \"%w_meta\" WHERE %d", values[0],
                                 !dump->entries_only);
    char *a = dump_query(dump->db, rows), *b = dump_query(dump->db, meta);
    sqlite3_str_appendf(dump->text, "%s\n%s\n%s\n", values[0], a ? a : "", b ? b : "");
    sqlite3_free(rows);
    sqlite3_free(meta);
    sqlite3_free(a);
    sqlite3_free(b);
    return 0;
}

char *node_dump(Node *node, int entries_only) {
    Dump dump = {node->connections[0], sqlite3_str_new(NULL), entries_only};
    if (for_each_cache(dump.db, dump_cache, &dump) != SQLITE_OK)
        node_die(dump.db, "dump");
    return sqlite3_str_finish(dump.text);
}

static int check_cache(void *context, int columns, char **values, char **names) {
    Dump *dump = context;
    (void)columns;
    (void)names;
    char *message = NULL;
    char *sql = sqlite3_mprintf("INSERT INTO \"%w\"(\"%w\") VALUES('check')", values[0], values[0]);
    if (sqlite3_exec(dump->db, sql, NULL, NULL, &message) != SQLITE_OK)
        sqlite3_str_appendf(dump->text, "%s; ", message);
    sqlite3_free(message);
    sqlite3_free(sql);
    return 0;
}

char *node_finish(Node *node, const char *into) {
    Dump dump = {node->connections[0], sqlite3_str_new(NULL), 0};
    char *vacuum = sqlite3_mprintf("VACUUM INTO '%s'", into);
    if (node->transaction)
        sqlite3_exec(node->transaction, "ROLLBACK", NULL, NULL, NULL);
    node->transaction = NULL;
    remove(into);
    /* What ANALYZE found is in the order in which SQLite met the tables: its own affair, and no part of L2. */
    sqlite3_exec(dump.db, "DELETE FROM sqlite_stat1", NULL, NULL, NULL);
    must(dump.db, vacuum);
    sqlite3_free(vacuum);
    if (for_each_cache(dump.db, check_cache, &dump) != SQLITE_OK)
        sqlite3_str_appendall(dump.text, "the caches cannot be listed");
    return sqlite3_str_finish(dump.text);
}
