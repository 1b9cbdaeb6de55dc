/*
** module.c: the virtual table hybrid_cache: its life cycle and its transactions.
**
**     CREATE VIRTUAL TABLE cache USING hybrid_cache;
**     CREATE VIRTUAL TABLE cache USING hybrid_cache(key, value, expires, ttl=300, l1_bytes='32M');
**
** declares
**
**     CREATE TABLE x(key NOT NULL PRIMARY KEY, value, expires,
**                    ttl REAL HIDDEN, tag BLOB HIDDEN, "cache" BLOB HIDDEN) WITHOUT ROWID
**
** xConnect reads no row, so that a damaged cache can still be dropped. Each
** transaction method does its work on the cache, which a second virtual-table
** object may share after DDL in the middle of a transaction; doing it twice is
** harmless.
*/
#include "maintenance.h"
#include "module.h"

/*
** Innocuous: reads and writes nothing but its own shadow tables, like FTS5. So it
** works in triggers and views under trusted_schema=OFF.
*/
#define CONFIGURE(db)                                                                                                  \
    (sqlite3_vtab_config((db), SQLITE_VTAB_CONSTRAINT_SUPPORT, 1) | sqlite3_vtab_config((db), SQLITE_VTAB_INNOCUOUS))

static const char *const columns[] = {"key", "value", "expires", "ttl", "tag"};
/* Those that may be written in the CREATE statement. */
#define SPOKEN_COLUMNS 3

int hc_table_fail(HcTable *table, int rc, char *message) {
    if (!message && (rc & 0xff) != SQLITE_NOMEM && (rc & 0xff) != SQLITE_INTERRUPT)
        message = hc_cache_message(table->cache, rc);
    if (message) {
        sqlite3_free(table->base.zErrMsg);
        table->base.zErrMsg = message;
    }
    return rc;
}

/* ------------------------------------------------------- create and connect */

static int is_blank(const char *text) {
    return text[strspn(text, " \t\r\n\f")] == 0;
}

/* Is `argument` the word `name`, in whatever quotes? */
static int is_word(const char *argument, const char *name) {
    size_t n = strlen(name);
    argument += strspn(argument, " \t\r\n\f");
    int quoted = *argument && strchr("'\"`[", *argument) != NULL;
    argument += quoted;
    if (sqlite3_strnicmp(argument, name, (int)n) != 0)
        return 0;
    argument += n + (size_t)quoted * (argument[n] != 0);
    return is_blank(argument);
}

/* The arguments of CREATE, none of which SQLite hands over empty: key, value, expires in this order or none; each option once. */
static int parse_arguments(HcOptions *options, int argc, const char *const *argv, char **message) {
    int rc = SQLITE_OK, spoken = 0;
    unsigned seen = 0;
    hc_options_preset(options);
    for (int i = 3; rc == SQLITE_OK && i < argc; i++) {
        int which = -1;
        if (!strchr(argv[i], '=')) {
            int column = 0;
            while (column < SPOKEN_COLUMNS && !is_word(argv[i], columns[column]))
                column++;
            if (column < SPOKEN_COLUMNS && column == spoken) {
                spoken++;
                continue;
            }
            if (column < SPOKEN_COLUMNS) {
                *message =
                    sqlite3_mprintf("hybrid_cache: unexpected \"%s\": the columns are key, value, expires, all three "
                                    "in this order or none",
                                    argv[i]);
                rc = SQLITE_ERROR;
                break;
            }
        }
        rc = hc_options_parse(options, argv[i], &which, message);
        if (rc == SQLITE_OK && (seen >> which & 1)) {
            *message = sqlite3_mprintf("hybrid_cache: option %s is given twice", hc_option_list[which].name);
            rc = SQLITE_ERROR;
        }
        if (rc == SQLITE_OK)
            seen |= 1u << which;
    }
    if (rc == SQLITE_OK && spoken != 0 && spoken != SPOKEN_COLUMNS) {
        *message =
            sqlite3_mprintf("hybrid_cache: column %s is missing: the columns are key, value, expires, all three in "
                            "this order or none",
                            columns[spoken]);
        rc = SQLITE_ERROR;
    }
    return rc;
}

static int check_name(const char *name, char **message) {
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
        if (sqlite3_stricmp(name, columns[i]) == 0) {
            *message =
                sqlite3_mprintf("hybrid_cache: a cache cannot be called \"%s\", that is one of its columns", name);
            return SQLITE_ERROR;
        }
    }
    return SQLITE_OK;
}

/*
** HIDDEN alone would be a type name of its own, with the affinity NUMERIC:
**
**     SELECT * FROM cache WHERE tag IN ('007', 'b');  -- would look for the number 7
*/
static int declare(sqlite3 *db, const char *name, char **message) {
    char *sql = sqlite3_mprintf("CREATE TABLE x(key NOT NULL PRIMARY KEY, value, expires, ttl REAL HIDDEN, tag BLOB "
                                "HIDDEN, \"%w\" BLOB HIDDEN) "
                                "WITHOUT ROWID",
                                name);
    int rc = sql ? sqlite3_declare_vtab(db, sql) : SQLITE_NOMEM;
    sqlite3_free(sql);
    if (rc == SQLITE_ERROR || rc == SQLITE_TOOBIG)
        *message = sqlite3_mprintf("hybrid_cache: \"%w\": a limit of this connection is too low: %s", name,
                                   sqlite3_errmsg(db));
    return rc == SQLITE_OK ? CONFIGURE(db) : rc;
}

static int table_new(HcConnection *connection, const char *const *argv, HcTable **out) {
    HcTable *table = sqlite3_malloc64(sizeof *table);
    if (!table)
        return SQLITE_NOMEM;
    memset(table, 0, sizeof *table);
    int rc = hc_connection_cache(connection, argv[1], argv[2], &table->cache);
    if (rc == SQLITE_OK) {
        hc_cache_connected(table->cache);
        hc_connection_forget_aliases(connection);
        *out = table;
    } else {
        sqlite3_free(table);
    }
    return rc;
}

static int table_connect(sqlite3 *db, void *context, int argc, const char *const *argv, sqlite3_vtab **out,
                         char **message) {
    HcTable *table = NULL;
    (void)argc;
    int rc = declare(db, argv[2], message);
    if (rc == SQLITE_OK)
        rc = table_new(context, argv, &table);
    *out = table ? &table->base : NULL;
    return rc;
}

static int table_create(sqlite3 *db, void *context, int argc, const char *const *argv, sqlite3_vtab **out,
                        char **message) {
    HcOptions options;
    HcTable *table = NULL;
    char *text = NULL;
    int rc = check_name(argv[2], message);
    if (rc == SQLITE_OK)
        rc = parse_arguments(&options, argc, argv, message);
    if (rc == SQLITE_OK)
        rc = declare(db, argv[2], message);
    if (rc == SQLITE_OK && !(text = hc_options_text(&options)))
        rc = SQLITE_NOMEM;
    /* One of that name may have been dropped by another connection, or by a rollback. This is a new one. */
    hc_connection_forget(context, argv[1], argv[2]);
    if (rc == SQLITE_OK)
        rc = table_new(context, argv, &table);
    if (rc == SQLITE_OK)
        rc = hc_l2_create(&table->cache->l2, text, options.clock == HC_CLOCK_LOCAL, message);
    sqlite3_free(text);
    /* SQLite takes a table as part of the transaction that creates it, and does not call xBegin. */
    if (rc == SQLITE_OK) {
        hc_transaction_begin(&table->cache->transaction);
        table->cache->transaction.unguarded = 1;
    }
    if (rc != SQLITE_OK && table) {
        table->cache->users--;
        hc_connection_drop(context, table->cache);
        sqlite3_free(table);
        table = NULL;
    }
    *out = table ? &table->base : NULL;
    return *message && rc == SQLITE_OK ? SQLITE_NOMEM : rc;
}

static void table_free(HcTable *table) {
    sqlite3_free(table->spare);
    sqlite3_free(table->base.zErrMsg); /* of a failed xSavepoint, which SQLite does not ask for its text */
    sqlite3_free(table);
}

static int table_disconnect(sqlite3_vtab *vtab) {
    HcTable *table = (HcTable *)vtab;
    hc_connection_forget_aliases(table->cache->connection);
    hc_cache_disconnected(table->cache);
    table_free(table);
    return SQLITE_OK;
}

static int table_destroy(sqlite3_vtab *vtab) {
    HcTable *table = (HcTable *)vtab;
    HcCache *cache = table->cache;
    int rc = hc_l2_drop(&cache->l2);
    if (rc == SQLITE_OK) {
        cache->users--;
        hc_connection_drop(cache->connection, cache);
        table_free(table);
    }
    return rc;
}

static int table_rename(sqlite3_vtab *vtab, const char *name) {
    HcTable *table = (HcTable *)vtab;
    char *message = NULL;
    /* Beforehand: once the tables have their new names, nothing may fail here. */
    char *copy = sqlite3_mprintf("%s", name);
    int rc = check_name(name, &message);
    if (rc == SQLITE_OK)
        rc = copy ? hc_l2_rename(&table->cache->l2, name, &message) : SQLITE_NOMEM;
    if (rc == SQLITE_OK)
        hc_connection_rename(table->cache->connection, table->cache, copy);
    else
        sqlite3_free(copy);
    return rc == SQLITE_OK ? rc : hc_table_fail(table, rc, message);
}

/*
** The data table has triggers (sql/schema.sql), which newer hosts refuse on shadow tables under
** SQLITE_DBCONFIG_DEFENSIVE: there it passes for an ordinary table, whose rows are checked like any
** that somebody else has written.
*/
static int table_shadow_name(const char *suffix) {
    for (int i = hc_host_has(HC_HOST_NO_SHADOW_TRIGGERS); hc_l2_suffixes[i]; i++) {
        if (sqlite3_stricmp(suffix, hc_l2_suffixes[i]) == 0)
            return 1;
    }
    return 0;
}

/* ------------------------------------------------------------- transactions */

static int table_begin(sqlite3_vtab *vtab) {
    HcCache *cache = ((HcTable *)vtab)->cache;
    if (!cache->transaction.open)
        hc_transaction_begin(&cache->transaction);
    return SQLITE_OK;
}

static int table_sync(sqlite3_vtab *vtab) {
    HcTable *table = (HcTable *)vtab;
    int rc = hc_cache_sync(table->cache);
    return rc == SQLITE_OK ? rc : hc_table_fail(table, rc, NULL);
}

static int table_commit(sqlite3_vtab *vtab) {
    HcCache *cache = ((HcTable *)vtab)->cache;
    if (cache->transaction.open)
        hc_cache_commit(cache);
    return SQLITE_OK;
}

static int table_rollback(sqlite3_vtab *vtab) {
    HcCache *cache = ((HcTable *)vtab)->cache;
    if (cache->transaction.open)
        hc_cache_rollback(cache);
    return SQLITE_OK;
}

static int table_savepoint(sqlite3_vtab *vtab, int savepoint) {
    HcTable *table = (HcTable *)vtab;
    int rc = hc_cache_savepoint(table->cache, savepoint);
    return rc == SQLITE_OK ? rc : hc_table_fail(table, rc, NULL);
}

static int table_release(sqlite3_vtab *vtab, int savepoint) {
    hc_transaction_release(&((HcTable *)vtab)->cache->transaction, savepoint);
    return SQLITE_OK;
}

static int table_rollback_to(sqlite3_vtab *vtab, int savepoint) {
    hc_cache_rollback_to(((HcTable *)vtab)->cache, savepoint);
    return SQLITE_OK;
}

/* PRAGMA integrity_check, from SQLite 3.44 on. quick_check (bit 0 of flags) does not read the rows. */
static int table_integrity(sqlite3_vtab *vtab, const char *schema, const char *name, int flags, char **message) {
    HcTable *table = (HcTable *)vtab;
    (void)schema;
    (void)name;
    if (flags & 1)
        return SQLITE_OK;
    int rc = hc_cache_enter(table->cache, message);
    if (rc == SQLITE_OK)
        rc = hc_maintenance_check(table->cache, message);
    hc_cache_leave(table->cache);
    if ((rc & 0xff) == SQLITE_CORRUPT) {
        /* A finding, not a failure to look. */
        if (!*message)
            *message = hc_cache_message(table->cache, rc);
        rc = SQLITE_OK;
    }
    return rc;
}

/*
** The module structure as of SQLite 3.44, whatever the header that this is
** compiled with: an older host reads version 4 as "3 and more", a newer one
** finds xIntegrity behind xShadowName, where its own header has it.
*/
typedef struct HcModule {
    sqlite3_module base;
#if SQLITE_VERSION_NUMBER < 3044000
    int (*xIntegrity)(sqlite3_vtab *, const char *, const char *, int, char **);
#endif
} HcModule;

/* No xRowid: the table is declared WITHOUT ROWID. */
static const HcModule module = {
    .base =
        {
            .iVersion = 4,
            .xCreate = table_create,
            .xConnect = table_connect,
            .xBestIndex = hc_best_index,
            .xDisconnect = table_disconnect,
            .xDestroy = table_destroy,
            .xOpen = hc_cursor_open,
            .xClose = hc_cursor_close,
            .xFilter = hc_cursor_filter,
            .xNext = hc_cursor_next,
            .xEof = hc_cursor_eof,
            .xColumn = hc_cursor_column,
            .xUpdate = hc_table_update,
            .xBegin = table_begin,
            .xSync = table_sync,
            .xCommit = table_commit,
            .xRollback = table_rollback,
            .xRename = table_rename,
            .xSavepoint = table_savepoint,
            .xRelease = table_release,
            .xRollbackTo = table_rollback_to,
            .xShadowName = table_shadow_name,
#if SQLITE_VERSION_NUMBER >= 3044000
            .xIntegrity = table_integrity,
#endif
        },
#if SQLITE_VERSION_NUMBER < 3044000
    .xIntegrity = table_integrity,
#endif
};

int hc_module_register(HcConnection *connection) {
    return sqlite3_create_module_v2(connection->db, "hybrid_cache", &module.base, hc_connection_retain(connection),
                                    hc_connection_release);
}
