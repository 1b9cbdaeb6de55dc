/*
** connection.c: what one database connection has of us: its caches.
*/
#include "cache.h"
#include "clock.h"
#include "connection.h"

/*
** All connections of the process, so that a second load on one finds the first:
** two objects on one connection would each know half of the caches. Guarded by
** hc_host_lock().
*/
static HcConnection *connections;

HcConnection *hc_connection_acquire(sqlite3 *db) {
    hc_host_lock();
    HcConnection *connection = connections;
    while (connection && connection->db != db)
        connection = connection->next;
    if (connection) {
        connection->references++;
    } else {
        connection = sqlite3_malloc64(sizeof *connection);
        if (connection) {
            memset(connection, 0, sizeof *connection);
            connection->db = db;
            connection->references = 1;
            connection->vfs = hc_clock_vfs(db);
            connection->budget.limit = HC_MEMORY_LIMIT;
            connection->next = connections;
            connections = connection;
        }
    }
    hc_host_unlock();
    return connection;
}

HcConnection *hc_connection_retain(HcConnection *connection) {
    connection->references++;
    return connection;
}

void hc_connection_release(void *pointer) {
    HcConnection *connection = pointer;
    if (--connection->references)
        return;
    hc_host_lock();
    HcConnection **link = &connections;
    while (*link != connection)
        link = &(*link)->next;
    *link = connection->next;
    hc_host_unlock();
    while (connection->caches)
        hc_connection_drop(connection, connection->caches);
    hc_connection_forget_aliases(connection);
    sqlite3_free(connection);
}

/* ------------------------------------------------------------- the caches */

static HcCache *find_cache(HcConnection *connection, const char *schema, const char *name) {
    HcCache *cache = connection->caches;
    while (cache && (sqlite3_stricmp(cache->schema, schema) != 0 || sqlite3_stricmp(cache->name, name) != 0))
        cache = cache->next;
    return cache;
}

int hc_connection_cache(HcConnection *connection, const char *schema, const char *name, HcCache **cache) {
    int rc = SQLITE_OK;
    *cache = find_cache(connection, schema, name);
    if (!*cache) {
        rc = hc_cache_new(connection, schema, name, cache);
        if (rc == SQLITE_OK) {
            (*cache)->next = connection->caches;
            connection->caches = *cache;
        }
    }
    return rc;
}

void hc_connection_drop(HcConnection *connection, HcCache *cache) {
    HcCache **link = &connection->caches;
    while (*link != cache)
        link = &(*link)->next;
    *link = cache->next;
    hc_connection_forget_aliases(connection);
    hc_cache_drop(cache);
}

void hc_connection_forget(HcConnection *connection, const char *schema, const char *name) {
    HcCache *cache = find_cache(connection, schema, name);
    if (cache)
        hc_connection_drop(connection, cache);
}

void hc_connection_rename(HcConnection *connection, HcCache *cache, char *name) {
    /* A cache of that name that has gone may have left its statistics behind. */
    if (find_cache(connection, cache->schema, name) != cache)
        hc_connection_forget(connection, cache->schema, name);
    sqlite3_free(cache->name);
    cache->name = name;
    hc_connection_forget_aliases(connection);
}

void hc_connection_forget_aliases(HcConnection *connection) {
    for (int i = 0; i < HC_ALIASES; i++) {
        sqlite3_free(connection->aliases[i].text);
        memset(&connection->aliases[i], 0, sizeof connection->aliases[i]);
    }
}

static void remember_alias(HcConnection *connection, const char *text, int n, HcCache *cache) {
    HcAlias *alias = &connection->aliases[connection->next_alias];
    sqlite3_free(alias->text);
    memset(alias, 0, sizeof *alias);
    alias->text = sqlite3_mprintf("%.*s", n, text);
    if (alias->text) {
        alias->n = n;
        alias->cache = cache;
        connection->next_alias = (connection->next_alias + 1) % HC_ALIASES;
    }
}

/* ----------------------------------------------------------------- memory */

/* There is one, where any memory is used. */
static HcCache *largest(const HcConnection *connection) {
    HcCache *found = connection->caches;
    for (HcCache *cache = found; cache; cache = cache->next) {
        if (cache->l1.bytes > found->l1.bytes)
            found = cache;
    }
    return found;
}

int hc_connection_make_room(HcConnection *connection, HcCache *cache, sqlite3_int64 bytes) {
    const HcBudget *budget = &connection->budget;
    while (budget->used + bytes > budget->limit) {
        /* One that has less than a quarter need not pay for others; asking exactly would mean to count them. */
        HcCache *from = cache->l1.bytes < budget->limit / 4 ? largest(connection) : cache;
        if (!hc_l1_shrink(&from->l1))
            return 0;
    }
    return 1;
}

void hc_connection_limit(HcConnection *connection, sqlite3_int64 bytes) {
    connection->budget.limit = bytes;
    for (HcCache *cache = connection->caches; cache; cache = cache->next)
        hc_cache_apply_limits(cache);
    while (connection->budget.used > bytes && hc_l1_shrink(&largest(connection)->l1))
        ;
    /* What is left is curves. */
    for (HcCache *cache = connection->caches; cache && connection->budget.curves > bytes / HC_BUDGET_CURVES;
         cache = cache->next)
        hc_mrc_clear(&cache->mrc);
}

/* -------------------------------------------------------------- resolving */

/*
** Is there a table of that name, with a column of that one? (NULL: with any.)
** SQLITE_OK, SQLITE_NOTFOUND, or what kept the schema from being read.
*/
static int find_column(HcConnection *connection, const char *schema, const char *name, const char *column) {
    int rc = sqlite3_table_column_metadata(connection->db, schema, name, column, NULL, NULL, NULL, NULL, NULL);
    return rc == SQLITE_ERROR ? SQLITE_NOTFOUND : rc;
}

/* Preparing a SELECT makes SQLite connect the virtual table, which registers its cache here. */
static int connect_table(HcConnection *connection, const char *schema, const char *name, HcCache **cache) {
    sqlite3_stmt *stmt = NULL;
    char *sql = sqlite3_mprintf("SELECT 1 FROM \"%w\".\"%w\"", schema, name);
    int rc = sql ? sqlite3_prepare_v2(connection->db, sql, -1, &stmt, NULL) : SQLITE_NOMEM;
    sqlite3_free(sql);
    sqlite3_finalize(stmt);
    *cache = rc == SQLITE_OK ? find_cache(connection, schema, name) : NULL;
    /* A statement that is not yet prepared anew can keep a virtual table that is gone from the schema. */
    if (*cache && (!(*cache)->users || find_column(connection, schema, name, "ttl") != SQLITE_OK))
        *cache = NULL;
    return rc;
}

typedef struct NameList {
    char **names;
    int count;
} NameList;

static void free_names(NameList *list) {
    for (int i = 0; i < list->count; i++)
        sqlite3_free(list->names[i]);
    sqlite3_free(list->names);
}

static int add_name(NameList *list, const char *text) {
    char **names = sqlite3_realloc64(list->names, ((sqlite3_uint64)list->count + 1) * sizeof *names);
    if (names)
        list->names = names;
    if (!names || !text || !(names[list->count] = sqlite3_mprintf("%s", text)))
        return SQLITE_NOMEM;
    list->count++;
    return SQLITE_OK;
}

/* The texts in column `column` of a query. Takes `sql`. */
static int list_names(sqlite3 *db, char *sql, int column, NameList *list) {
    sqlite3_stmt *stmt = NULL;
    int rc = sql ? sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) : SQLITE_NOMEM;
    sqlite3_free(sql);
    list->names = NULL;
    list->count = 0;
    while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
        rc = add_name(list, (const char *)sqlite3_column_text(stmt, column));
    int finalized = sqlite3_finalize(stmt);
    return rc == SQLITE_OK ? finalized : rc;
}

/* Names of the databases in the order in which SQLite looks for a table. */
static int list_schemas(HcConnection *connection, NameList *list) {
    int rc = SQLITE_OK;
    const char *known;
    list->names = NULL;
    list->count = 0;
    /* Without SQL where that can be done: an authorizer may deny the PRAGMA. */
    while (rc == SQLITE_OK && (known = hc_host_db_name(connection->db, list->count)) != NULL)
        rc = add_name(list, known);
    if (rc == SQLITE_OK && list->count == 0)
        rc = list_names(connection->db, sqlite3_mprintf("PRAGMA database_list"), 1, list);
    for (int i = 1; rc == SQLITE_OK && i < list->count; i++) {
        if (sqlite3_stricmp(list->names[i], "temp") == 0) {
            char *temp = list->names[i];
            memmove(list->names + 1, list->names, (size_t)i * sizeof *list->names);
            list->names[0] = temp;
            break;
        }
    }
    return rc;
}

/* Where 'name' or 'schema.name' is: sets *schema (borrowed from the list) and *name (from text). As find_column. */
static int locate(HcConnection *connection, const char *text, const NameList *schemas, const char **schema,
                  const char **name) {
    for (int qualified = 0; qualified < 2; qualified++) {
        for (int i = 0; i < schemas->count; i++) {
            size_t n = qualified ? strlen(schemas->names[i]) : 0;
            if (qualified && (sqlite3_strnicmp(text, schemas->names[i], (int)n) != 0 || text[n] != '.'))
                continue;
            *schema = schemas->names[i];
            *name = text + n + qualified;
            int rc = find_column(connection, *schema, *name, NULL);
            if (rc != SQLITE_NOTFOUND)
                return rc;
        }
    }
    return SQLITE_NOTFOUND;
}

/* The cache that has answered to this name before, if its table is still connected. */
static HcCache *known_cache(HcConnection *connection, const char *text) {
    for (HcCache *cache = connection->caches; cache; cache = cache->next) {
        size_t n = strlen(cache->schema);
        if (cache->users && (sqlite3_stricmp(cache->name, text) == 0 ||
                             (sqlite3_strnicmp(cache->schema, text, (int)n) == 0 && text[n] == '.' &&
                              sqlite3_stricmp(cache->name, text + n + 1) == 0)))
            return cache;
    }
    return NULL;
}

/*
** The schema in memory may be older than the file: a SELECT compares the two.
**
**     SELECT hybrid_cache_get('cache', 'k');  -- another connection has just created it
*/
static int refresh_schemas(HcConnection *connection, const NameList *schemas) {
    int rc = SQLITE_OK;
    for (int i = 0; rc == SQLITE_OK && i < schemas->count; i++) {
        char *sql = sqlite3_mprintf("SELECT 1 FROM \"%w\".sqlite_master LIMIT 0", schemas->names[i]);
        rc = sql ? sqlite3_exec(connection->db, sql, NULL, NULL, NULL) : SQLITE_NOMEM;
        sqlite3_free(sql);
    }
    return rc;
}

int hc_connection_resolve(HcConnection *connection, const char *text, int n, HcCache **cache, char **message) {
    for (int i = 0; i < HC_ALIASES; i++) {
        HcAlias *alias = &connection->aliases[i];
        if (alias->n == n && alias->text && memcmp(alias->text, text, (size_t)n) == 0) {
            if (hc_l2_expired(&alias->cache->l2)) {
                /* CREATE TEMP TABLE cache(...); SELECT hybrid_cache_get('cache', 'k'); */
                hc_connection_forget_aliases(connection);
                break;
            }
            *cache = alias->cache;
            return SQLITE_OK;
        }
    }
    NameList schemas;
    const char *schema = NULL, *name = NULL;
    int in_transaction = !sqlite3_get_autocommit(connection->db);
    char *copy = sqlite3_mprintf("%.*s", n, text);
    int rc = list_schemas(connection, &schemas);
    *cache = NULL;
    if (rc == SQLITE_OK && !copy)
        rc = SQLITE_NOMEM;
    if (rc == SQLITE_OK)
        rc = (int)strlen(copy) == n ? locate(connection, copy, &schemas, &schema, &name) : SQLITE_NOTFOUND;
    if (rc == SQLITE_NOTFOUND && (int)strlen(copy) == n) {
        /* Where that cannot be read now, the schema in memory has the last word. */
        rc = refresh_schemas(connection, &schemas);
        rc = rc == SQLITE_OK ? locate(connection, copy, &schemas, &schema, &name) : SQLITE_NOTFOUND;
    }
    if (rc == SQLITE_OK)
        rc = connect_table(connection, schema, name, cache);
    if (rc == SQLITE_OK && *cache) {
        remember_alias(connection, text, n, *cache);
    } else if (rc == SQLITE_OK || rc == SQLITE_NOTFOUND) {
        *message = sqlite3_mprintf(
            rc == SQLITE_OK ? "hybrid_cache: %s is not a hybrid_cache table" : "hybrid_cache: no such cache: %s", copy);
        rc = SQLITE_ERROR;
    } else if (rc == SQLITE_ERROR) {
        *message = sqlite3_mprintf("hybrid_cache: %s: %s", copy, sqlite3_errmsg(connection->db));
    } else if (rc != SQLITE_NOMEM && rc != SQLITE_INTERRUPT && copy) {
        /* The schema cannot be read now, such as while somebody holds the file alone. Look-ups miss then. */
        *cache = known_cache(connection, copy);
        rc = *cache ? SQLITE_OK : rc;
        if (hc_host_lost_transaction(connection->db, in_transaction) || hc_host_lost_statement(connection->db))
            rc = SQLITE_ABORT_ROLLBACK;
    }
    free_names(&schemas);
    sqlite3_free(copy);
    return rc;
}

int hc_connection_find_all(HcConnection *connection) {
    NameList schemas, tables;
    int rc = list_schemas(connection, &schemas);
    for (int i = 0; rc == SQLITE_OK && i < schemas.count; i++) {
        rc = list_names(connection->db,
                        sqlite3_mprintf("SELECT name FROM \"%w\".sqlite_master WHERE type = 'table' AND "
                                        "sql LIKE 'CREATE VIRTUAL TABLE%%hybrid_cache%%'",
                                        schemas.names[i]),
                        0, &tables);
        for (int j = 0; rc == SQLITE_OK && j < tables.count; j++) {
            HcCache *cache;
            /* One that cannot be connected is not listed; a SELECT from it tells why. */
            if (connect_table(connection, schemas.names[i], tables.names[j], &cache) == SQLITE_NOMEM)
                rc = SQLITE_NOMEM;
        }
        free_names(&tables);
    }
    free_names(&schemas);
    return rc;
}
