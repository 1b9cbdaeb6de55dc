/*
** mrc_table.c: hybrid_cache_mrc as a table-valued function.
**
**     SELECT entries, hit_ratio FROM hybrid_cache_mrc('cache');
**
** A row for each third of a power of two from 1/8 to 16 times the present
** l1_entries, 22 of them; fewer where that is so small that sizes coincide, none
** where the L1 is off. Eponymous and read-only; hidden: the argument.
*/
#include "functions.h"

enum { COLUMN_ENTRIES, COLUMN_HIT_RATIO, COLUMN_CACHE };

#define STEPS 22

typedef struct MrcTable {
    sqlite3_vtab base;
    HcConnection *connection;
} MrcTable;

typedef struct MrcCursor {
    sqlite3_vtab_cursor base;
    struct {
        sqlite3_int64 entries;
        double ratio;
    } rows[STEPS];
    int count;
    int row;
    char *argument;
} MrcCursor;

static int mrc_connect(sqlite3 *db, void *context, int argc, const char *const *argv, sqlite3_vtab **out,
                       char **message) {
    (void)argc;
    (void)argv;
    (void)message;
    int rc = sqlite3_declare_vtab(db, "CREATE TABLE x(entries INTEGER, hit_ratio REAL, cache HIDDEN)");
    if (rc == SQLITE_OK)
        rc = sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
    MrcTable *table = rc == SQLITE_OK ? sqlite3_malloc64(sizeof *table) : NULL;
    if (table) {
        memset(table, 0, sizeof *table);
        table->connection = context;
    }
    *out = table ? &table->base : NULL;
    return rc == SQLITE_OK && !table ? SQLITE_NOMEM : rc;
}

static int mrc_disconnect(sqlite3_vtab *vtab) {
    sqlite3_free(vtab);
    return SQLITE_OK;
}

static int mrc_best_index(sqlite3_vtab *vtab, sqlite3_index_info *info) {
    (void)vtab;
    info->estimatedCost = 1000;
    info->estimatedRows = STEPS;
    info->idxNum = 0;
    for (int i = 0; i < info->nConstraint; i++) {
        if (info->aConstraint[i].iColumn != COLUMN_CACHE || info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ)
            continue;
        /* hybrid_cache_mrc(s.name) before s is read: SQLite has to try another order. */
        if (!info->aConstraint[i].usable)
            return SQLITE_CONSTRAINT;
        info->aConstraintUsage[i].argvIndex = 1;
        info->aConstraintUsage[i].omit = 1;
        info->idxNum = 1;
        info->estimatedCost = 10;
        break;
    }
    return SQLITE_OK;
}

static int mrc_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out) {
    MrcCursor *cursor = sqlite3_malloc64(sizeof *cursor);
    (void)vtab;
    if (!cursor)
        return SQLITE_NOMEM;
    memset(cursor, 0, sizeof *cursor);
    *out = &cursor->base;
    return SQLITE_OK;
}

static int mrc_close(sqlite3_vtab_cursor *base) {
    sqlite3_free(((MrcCursor *)base)->argument);
    sqlite3_free(base);
    return SQLITE_OK;
}

/* The whole curve at once: it stays of one piece if the statement itself reads the cache. */
static int fill(MrcCursor *cursor, HcCache *cache) {
    static const double thirds[] = {1, 1.2599210498948732, 1.5874010519681994};
    sqlite3_int64 entries, bytes, last = 0;
    char *message = NULL;
    hc_cache_tolerates(cache, hc_cache_enter(cache, &message), 1);
    sqlite3_free(message);
    /* Looks at the meta row: another connection may have changed the options. */
    hc_cache_l2_counters(cache, &entries, &bytes);
    for (int i = 0; i < STEPS; i++) {
        entries = (sqlite3_int64)((double)cache->options.l1_entries / 8 * (1 << i / 3) * thirds[i % 3] + 0.5);
        if (entries <= last)
            continue;
        cursor->rows[cursor->count].entries = entries;
        cursor->rows[cursor->count++].ratio = hc_mrc_ratio(&cache->mrc, entries);
        last = entries;
    }
    int rc = hc_cache_lost_transaction(cache) ? SQLITE_ABORT_ROLLBACK : SQLITE_OK;
    hc_cache_leave(cache);
    return rc;
}

static int mrc_filter(sqlite3_vtab_cursor *base, int plan, const char *plan_name, int argc, sqlite3_value **argv) {
    MrcCursor *cursor = (MrcCursor *)base;
    char *message = NULL;
    HcCache *cache = NULL;
    (void)plan_name;
    (void)argc;
    sqlite3_free(cursor->argument);
    cursor->argument = NULL;
    cursor->count = cursor->row = 0;
    int rc = SQLITE_ERROR;
    if (plan) {
        const char *name = (const char *)sqlite3_value_text(argv[0]);
        cursor->argument = sqlite3_mprintf("%s", name ? name : "NULL");
        if (!cursor->argument)
            return SQLITE_NOMEM;
        rc = hc_connection_resolve(((MrcTable *)base->pVtab)->connection, cursor->argument,
                                   (int)strlen(cursor->argument), &cache, &message);
    } else {
        message = sqlite3_mprintf("hybrid_cache: the argument of hybrid_cache_mrc is the name of a cache, such as "
                                  "'cache'");
    }
    if (rc == SQLITE_OK) {
        rc = fill(cursor, cache);
    } else {
        sqlite3_free(base->pVtab->zErrMsg);
        base->pVtab->zErrMsg = message;
    }
    return rc;
}

static int mrc_next(sqlite3_vtab_cursor *base) {
    ((MrcCursor *)base)->row++;
    return SQLITE_OK;
}

static int mrc_eof(sqlite3_vtab_cursor *base) {
    return ((MrcCursor *)base)->row >= ((MrcCursor *)base)->count;
}

static int mrc_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column) {
    MrcCursor *cursor = (MrcCursor *)base;
    if (column == COLUMN_ENTRIES)
        sqlite3_result_int64(context, cursor->rows[cursor->row].entries);
    else if (column == COLUMN_CACHE)
        sqlite3_result_text(context, cursor->argument, -1, SQLITE_TRANSIENT);
    else if (cursor->rows[cursor->row].ratio >= 0) /* else NULL: nothing was read yet */
        sqlite3_result_double(context, cursor->rows[cursor->row].ratio);
    return SQLITE_OK;
}

static int mrc_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid) {
    *rowid = ((MrcCursor *)base)->row;
    return SQLITE_OK;
}

/* No xCreate: eponymous only. */
static const sqlite3_module mrc_module = {
    .iVersion = 0,
    .xConnect = mrc_connect,
    .xBestIndex = mrc_best_index,
    .xDisconnect = mrc_disconnect,
    .xOpen = mrc_open,
    .xClose = mrc_close,
    .xFilter = mrc_filter,
    .xNext = mrc_next,
    .xEof = mrc_eof,
    .xColumn = mrc_column,
    .xRowid = mrc_rowid,
};

int hc_mrc_table_register(HcConnection *connection) {
    return sqlite3_create_module_v2(connection->db, "hybrid_cache_mrc", &mrc_module, hc_connection_retain(connection),
                                    hc_connection_release);
}
