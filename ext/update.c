/*
** update.c: INSERT, UPDATE and DELETE on the virtual table.
**
** SQLite hands over, as argv: [0] the old key or NULL, [1] the new key, [2...] the
** columns of the declaration. Constraints are SQLite's words, so that programs see
** what they know: "UNIQUE constraint failed: cache.key".
*/
#include "clock.h"
#include "commands.h"
#include "module.h"

/* One statement's request, while its parts are gathered. */
typedef struct Request {
    HcTable *table;
    HcCache *cache;
    sqlite3_value **columns; /* argv + 2 */
    char *message;
    HcWrite write;
} Request;

static int fail(Request *request, int rc, char *message) {
    request->message = message;
    return message ? rc : SQLITE_NOMEM;
}

static int is_null(const Request *request, int column) {
    return sqlite3_value_type(request->columns[column]) == SQLITE_NULL;
}

/* ------------------------------------------------------------------ parts */

static int take_key(Request *request) {
    HcValue value;
    if (is_null(request, HC_COLUMN_KEY))
        return fail(request, SQLITE_CONSTRAINT_NOTNULL,
                    sqlite3_mprintf("NOT NULL constraint failed: %s.key", request->cache->name));
    int rc = hc_value_read(request->columns[HC_COLUMN_KEY], request->cache->l2.utf16, &value);
    if (rc == SQLITE_OK)
        hc_key_make(&value, &request->write.key);
    return rc;
}

static int take_value(Request *request) {
    return hc_value_read(request->columns[HC_COLUMN_VALUE], request->cache->l2.utf16, &request->write.value);
}

static int take_tag(Request *request) {
    int type = sqlite3_value_type(request->columns[HC_COLUMN_TAG]);
    if (type != SQLITE_TEXT && type != SQLITE_NULL)
        return fail(request, SQLITE_MISMATCH,
                    sqlite3_mprintf("hybrid_cache: %s.tag is text or NULL", request->cache->name));
    return hc_value_read(request->columns[HC_COLUMN_TAG], request->cache->l2.utf16, &request->write.tag);
}

/* expires: a Unix time, kept to the letter. */
static int take_expires(Request *request) {
    sqlite3_value *expires = request->columns[HC_COLUMN_EXPIRES];
    int type = sqlite3_value_type(expires);
    if (type != SQLITE_INTEGER && type != SQLITE_FLOAT)
        return fail(request, SQLITE_MISMATCH,
                    sqlite3_mprintf(
                        "hybrid_cache: %s.expires is a Unix time in seconds; for a date write unixepoch('%s')",
                        request->cache->name, type == SQLITE_TEXT ? (const char *)sqlite3_value_text(expires) : "..."));
    double deadline = sqlite3_value_double(expires);
    /* As far below as above: -Inf is over as well, and stays later than "before everything". */
    request->write.deadline = deadline >= HC_NEVER ? HC_NEVER : deadline > -HC_NEVER ? deadline : -HC_NEVER;
    return SQLITE_OK;
}

/* ttl: seconds from now, shortened by the jitter. */
static int take_ttl(Request *request) {
    HcCache *cache = request->cache;
    sqlite3_value *ttl = request->columns[HC_COLUMN_TTL];
    int type = sqlite3_value_numeric_type(ttl);
    if (type != SQLITE_INTEGER && type != SQLITE_FLOAT)
        return fail(request, SQLITE_MISMATCH,
                    sqlite3_mprintf("hybrid_cache: %s.ttl is a number of seconds", cache->name));
    if (cache->options.clock == HC_CLOCK_CALLER)
        return fail(request, SQLITE_ERROR,
                    sqlite3_mprintf("hybrid_cache: under clock=caller a deadline is absolute: set expires to "
                                    "unixepoch('now') + 60 or to a bound number, not %s.ttl",
                                    cache->name));
    request->write.deadline =
        hc_cache_deadline(cache, &request->write.key, request->write.now, sqlite3_value_double(ttl));
    return SQLITE_OK;
}

static void take_default(Request *request) {
    HcCache *cache = request->cache;
    request->write.deadline =
        cache->options.clock == HC_CLOCK_CALLER
            ? HC_NEVER
            : hc_cache_deadline(cache, &request->write.key, request->write.now, cache->options.ttl);
}

/* The deadline from expires, ttl or neither; `expires` and `ttl` say which were given. */
static int take_deadline(Request *request, int expires, int ttl) {
    if (expires && ttl)
        return fail(request, SQLITE_ERROR,
                    sqlite3_mprintf("hybrid_cache: %s: give expires or ttl, not both", request->cache->name));
    if (expires)
        return take_expires(request);
    if (ttl)
        return take_ttl(request);
    take_default(request);
    return SQLITE_OK;
}

/* ------------------------------------------------------------- statements */

static int insert_row(Request *request) {
    int rc = take_key(request);
    if (rc == SQLITE_OK)
        rc = take_value(request);
    if (rc == SQLITE_OK)
        rc = take_tag(request);
    if (rc == SQLITE_OK)
        rc = take_deadline(request, !is_null(request, HC_COLUMN_EXPIRES), !is_null(request, HC_COLUMN_TTL));
    if (rc == SQLITE_OK)
        rc = hc_cache_insert(request->cache, &request->write, &request->message);
    return rc;
}

static int command(Request *request) {
    static const int idle[] = {HC_COLUMN_KEY, HC_COLUMN_TTL, HC_COLUMN_TAG};
    static const char *const names[] = {"key", "ttl", "tag"};
    for (int i = 0; i < 3; i++) {
        if (!is_null(request, idle[i]))
            return fail(request, SQLITE_ERROR,
                        sqlite3_mprintf("hybrid_cache: a command takes value and expires, not %s", names[i]));
    }
    return hc_command_run(request->cache, request->columns[HC_COLUMN_COMMAND], request->columns[HC_COLUMN_VALUE],
                          request->columns[HC_COLUMN_EXPIRES], &request->message);
}

/* Was this number of seconds what a cursor of this statement read for that deadline? */
static int is_read_ttl(const Request *request, double deadline) {
    double ttl = sqlite3_value_double(request->columns[HC_COLUMN_TTL]);
    for (const HcCursor *cursor = request->table->cursors; cursor; cursor = cursor->next) {
        if (cursor->started && hc_cache_ttl_left(deadline, cursor->now) == ttl)
            return 1;
    }
    return 0;
}

static int is_number(const Request *request, int column) {
    int type = sqlite3_value_type(request->columns[column]);
    return type == SQLITE_INTEGER || type == SQLITE_FLOAT;
}

/*
** UPDATE cache SET value = m.value FROM m WHERE ...
**
** hands every column over as if it were set, so what differs from the row is
** what was set. The time left is compared under the clock reading with which the
** row was read.
*/
static int changed_columns(Request *request, const HcKey *old, int *set, int *expires, int *ttl) {
    HcRow row;
    HcValue given;
    HcCache *cache = request->cache;
    int rc = hc_cache_row(cache, old, &row);
    *set = HC_SET_KEY;
    *expires = *ttl = 0;
    if (rc != SQLITE_OK)
        return rc == SQLITE_NOTFOUND ? SQLITE_OK : rc;
    rc = hc_value_read(request->columns[HC_COLUMN_VALUE], cache->l2.utf16, &given);
    if (rc == SQLITE_OK && !hc_value_equal(&given, &row.value))
        *set |= HC_SET_VALUE;
    if (rc == SQLITE_OK)
        rc = hc_value_read(request->columns[HC_COLUMN_TAG], cache->l2.utf16, &given);
    if (rc == SQLITE_OK && !hc_value_equal(&given, &row.tag))
        *set |= HC_SET_TAG;
    *expires = !is_number(request, HC_COLUMN_EXPIRES) ||
               sqlite3_value_double(request->columns[HC_COLUMN_EXPIRES]) != row.expires;
    *ttl = !is_number(request, HC_COLUMN_TTL) || !is_read_ttl(request, row.expires);
    hc_cache_row_close(cache);
    return rc;
}

static int update_row(Request *request, sqlite3_value *old_key) {
    HcCache *cache = request->cache;
    HcValue value;
    HcKey old;
    int set = 0, expires = 0, ttl = 0;
    int rc = hc_value_read(old_key, cache->l2.utf16, &value);
    if (rc != SQLITE_OK)
        return rc;
    hc_key_make(&value, &old);
    if (!is_null(request, HC_COLUMN_COMMAND))
        return fail(request, SQLITE_ERROR,
                    sqlite3_mprintf("hybrid_cache: commands are given by INSERT INTO \"%w\"(\"%w\") VALUES(...)",
                                    cache->name, cache->name));
    if (sqlite3_value_nochange(request->columns[HC_COLUMN_COMMAND])) {
        static const int bits[] = {HC_SET_KEY, HC_SET_VALUE, 0, 0, HC_SET_TAG};
        for (int i = 0; i < HC_COLUMN_COMMAND; i++) {
            if (!sqlite3_value_nochange(request->columns[i]))
                set |= bits[i];
        }
        expires = !sqlite3_value_nochange(request->columns[HC_COLUMN_EXPIRES]);
        ttl = !sqlite3_value_nochange(request->columns[HC_COLUMN_TTL]);
    } else {
        rc = changed_columns(request, &old, &set, &expires, &ttl);
    }
    request->write.key = old;
    if (rc == SQLITE_OK && (set & HC_SET_KEY))
        rc = take_key(request);
    if (rc == SQLITE_OK && (set & HC_SET_VALUE))
        rc = take_value(request);
    if (rc == SQLITE_OK && (set & HC_SET_TAG))
        rc = take_tag(request);
    if (rc == SQLITE_OK && (expires || ttl)) {
        set |= HC_SET_DEADLINE;
        rc = take_deadline(request, expires && !is_null(request, HC_COLUMN_EXPIRES),
                           ttl && !is_null(request, HC_COLUMN_TTL));
    }
    return rc == SQLITE_OK ? hc_cache_update(cache, &old, &request->write, set, &request->message) : rc;
}

static int delete_row(Request *request, sqlite3_value *old_key) {
    HcValue value;
    HcKey old;
    int rc = hc_value_read(old_key, request->cache->l2.utf16, &value);
    if (rc != SQLITE_OK)
        return rc;
    hc_key_make(&value, &old);
    return hc_cache_delete(request->cache, &old, request->write.now, &request->message);
}

int hc_table_update(sqlite3_vtab *vtab, int argc, sqlite3_value **argv, sqlite3_int64 *rowid) {
    HcTable *table = (HcTable *)vtab;
    HcCache *cache = table->cache;
    sqlite3 *db = cache->connection->db;
    Request request = {.table = table, .cache = cache, .columns = argv + 2};
    /* Our own inserts into the shadow table would leave their rowid behind. */
    sqlite3_int64 last_rowid = sqlite3_last_insert_rowid(db);
    int is_insert = argc > 1 && sqlite3_value_type(argv[0]) == SQLITE_NULL;
    int is_command = is_insert && sqlite3_value_type(argv[2 + HC_COLUMN_COMMAND]) != SQLITE_NULL;
    int rc = hc_cache_enter(cache, &request.message);
    /* 'rebuild' mends what stops the others. */
    if (rc == SQLITE_OK || (is_command && (rc & 0xff) == SQLITE_CORRUPT)) {
        sqlite3_free(request.message);
        request.message = NULL;
        request.write.replace = argc > 1 && sqlite3_vtab_on_conflict(db) == SQLITE_REPLACE;
        request.write.tag.type = request.write.value.type = SQLITE_NULL;
        /*
        ** An UPDATE or DELETE goes by the time at which it found its row. Its cursor may be
        ** closed already, and another statement's open, so the table remembers the time.
        */
        request.write.now = is_insert ? hc_cache_now(cache) : table->now;
        /*
        ** The options of the moment count: another connection may have changed the ttl, or one
        ** that this command leaves alone. A command tells itself what it cannot do without.
        */
        if (rc == SQLITE_OK)
            rc = hc_cache_join(cache, &request.message);
        if (rc != SQLITE_OK && !is_command && !hc_cache_tolerates(cache, rc, 0))
            goto done;
        sqlite3_free(request.message);
        request.message = NULL;
        rc = is_command  ? command(&request)
             : is_insert ? insert_row(&request)
             : argc == 1 ? delete_row(&request, argv[0])
                         : update_row(&request, argv[0]);
    }
    /* What is kept in memory of a table that may be undone without a word would outlive it. */
    if (rc == SQLITE_OK && cache->transaction.unguarded) {
        rc = hc_cache_sync(cache);
        cache->transaction.joined = 0;
    }
done:
    sqlite3_set_last_insert_rowid(db, last_rowid);
    *rowid = last_rowid;
    if (rc != SQLITE_OK)
        hc_table_fail(table, rc, request.message);
    else
        sqlite3_free(request.message);
    hc_cache_leave(cache);
    return rc;
}
