/*
** stats_table.c: hybrid_cache_stats as a table-valued function.
**
**     SELECT * FROM hybrid_cache_stats;            -- a row for each cache
**     SELECT l1_hits FROM hybrid_cache_stats('cache');
**
** Eponymous and read-only. Columns: schema, name, the figures of stats.c, and
** hidden the argument. Reading it writes nothing.
*/
#include "functions.h"

enum { COLUMN_SCHEMA, COLUMN_NAME, COLUMN_FIRST_FIGURE };

typedef struct StatsTable {
    sqlite3_vtab base;
    HcConnection *connection;
} StatsTable;

typedef struct StatsCursor {
    sqlite3_vtab_cursor base;
    HcCache *cache; /* the present row */
    int only;       /* it is the only one: the argument named it */
    sqlite3_int64 entries, bytes;
    char *argument;
} StatsCursor;

static int stats_connect(sqlite3 *db, void *context, int argc, const char *const *argv, sqlite3_vtab **out,
                         char **message) {
    (void)argc;
    (void)argv;
    sqlite3_str *sql = sqlite3_str_new(NULL);
    sqlite3_str_appendall(sql, "CREATE TABLE x(schema, name");
    for (int i = 0; i < hc_figure_count; i++)
        sqlite3_str_appendf(sql, ", %s", hc_figure_list[i].name);
    sqlite3_str_appendall(sql, ", cache HIDDEN)");
    char *text = sqlite3_str_finish(sql);
    int rc = text ? sqlite3_declare_vtab(db, text) : SQLITE_NOMEM;
    sqlite3_free(text);
    if (rc == SQLITE_ERROR || rc == SQLITE_TOOBIG)
        *message = sqlite3_mprintf("hybrid_cache_stats: a limit of this connection is too low: %s", sqlite3_errmsg(db));
    if (rc == SQLITE_OK)
        rc = sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
    StatsTable *table = rc == SQLITE_OK ? sqlite3_malloc64(sizeof *table) : NULL;
    if (table) {
        memset(table, 0, sizeof *table);
        table->connection = context;
    }
    *out = table ? &table->base : NULL;
    return rc == SQLITE_OK && !table ? SQLITE_NOMEM : rc;
}

static int stats_disconnect(sqlite3_vtab *vtab) {
    sqlite3_free(vtab);
    return SQLITE_OK;
}

static int stats_best_index(sqlite3_vtab *vtab, sqlite3_index_info *info) {
    (void)vtab;
    info->estimatedCost = 100;
    info->estimatedRows = 10;
    info->idxNum = 0;
    for (int i = 0; i < info->nConstraint; i++) {
        if (info->aConstraint[i].iColumn != COLUMN_FIRST_FIGURE + hc_figure_count ||
            info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ)
            continue;
        /* hybrid_cache_stats(t.name) before t is read: SQLite has to try another order. */
        if (!info->aConstraint[i].usable)
            return SQLITE_CONSTRAINT;
        info->aConstraintUsage[i].argvIndex = 1;
        info->aConstraintUsage[i].omit = 1;
        info->idxNum = 1;
        info->estimatedCost = 1;
        info->estimatedRows = 1;
        break;
    }
    return SQLITE_OK;
}

static int stats_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out) {
    StatsCursor *cursor = sqlite3_malloc64(sizeof *cursor);
    (void)vtab;
    if (!cursor)
        return SQLITE_NOMEM;
    memset(cursor, 0, sizeof *cursor);
    *out = &cursor->base;
    return SQLITE_OK;
}

static int stats_close(sqlite3_vtab_cursor *base) {
    sqlite3_free(((StatsCursor *)base)->argument);
    sqlite3_free(base);
    return SQLITE_OK;
}

/* Goes on to the first cache from `cache` on that has a table, and reads its counters. */
static int settle(StatsCursor *cursor, HcCache *cache) {
    int rc = SQLITE_OK;
    while (cache && !cache->users)
        cache = cache->next;
    cursor->cache = cache;
    if (cache) {
        char *message = NULL;
        hc_cache_tolerates(cache, hc_cache_enter(cache, &message), 1);
        sqlite3_free(message);
        hc_cache_l2_counters(cache, &cursor->entries, &cursor->bytes);
        rc = hc_cache_lost_transaction(cache) ? SQLITE_ABORT_ROLLBACK : SQLITE_OK;
        hc_cache_leave(cache);
    }
    return rc;
}

static int stats_filter(sqlite3_vtab_cursor *base, int plan, const char *plan_name, int argc, sqlite3_value **argv) {
    StatsCursor *cursor = (StatsCursor *)base;
    StatsTable *table = (StatsTable *)base->pVtab;
    (void)plan_name;
    (void)argc;
    sqlite3_free(cursor->argument);
    cursor->argument = NULL;
    cursor->cache = NULL;
    cursor->only = plan;
    if (!plan) {
        int rc = hc_connection_find_all(table->connection);
        int settled = settle(cursor, table->connection->caches);
        return rc == SQLITE_OK ? settled : rc;
    }
    char *message = NULL;
    HcCache *cache = NULL;
    const char *name = (const char *)sqlite3_value_text(argv[0]);
    cursor->argument = sqlite3_mprintf("%s", name ? name : "NULL");
    if (!cursor->argument)
        return SQLITE_NOMEM;
    int rc =
        hc_connection_resolve(table->connection, cursor->argument, (int)strlen(cursor->argument), &cache, &message);
    if (rc == SQLITE_OK) {
        rc = settle(cursor, cache);
    } else {
        sqlite3_free(base->pVtab->zErrMsg);
        base->pVtab->zErrMsg = message;
    }
    return rc;
}

static int stats_next(sqlite3_vtab_cursor *base) {
    StatsCursor *cursor = (StatsCursor *)base;
    return settle(cursor, cursor->only ? NULL : cursor->cache->next);
}

static int stats_eof(sqlite3_vtab_cursor *base) {
    return ((StatsCursor *)base)->cache == NULL;
}

static int stats_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column) {
    StatsCursor *cursor = (StatsCursor *)base;
    HcCache *cache = cursor->cache;
    if (column == COLUMN_SCHEMA)
        sqlite3_result_text(context, cache->schema, -1, SQLITE_TRANSIENT);
    else if (column == COLUMN_NAME)
        sqlite3_result_text(context, cache->name, -1, SQLITE_TRANSIENT);
    else if (column < COLUMN_FIRST_FIGURE + hc_figure_count)
        hc_figure_result(cache, column - COLUMN_FIRST_FIGURE, cursor->entries, cursor->bytes, context);
    else if (cursor->argument)
        sqlite3_result_text(context, cursor->argument, -1, SQLITE_TRANSIENT);
    return SQLITE_OK;
}

static int stats_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid) {
    (void)base;
    *rowid = 0;
    return SQLITE_OK;
}

/* No xCreate: eponymous only. */
static const sqlite3_module stats_module = {
    .iVersion = 0,
    .xConnect = stats_connect,
    .xBestIndex = stats_best_index,
    .xDisconnect = stats_disconnect,
    .xOpen = stats_open,
    .xClose = stats_close,
    .xFilter = stats_filter,
    .xNext = stats_next,
    .xEof = stats_eof,
    .xColumn = stats_column,
    .xRowid = stats_rowid,
};

int hc_stats_table_register(HcConnection *connection) {
    return sqlite3_create_module_v2(connection->db, "hybrid_cache_stats", &stats_module,
                                    hc_connection_retain(connection), hc_connection_release);
}
