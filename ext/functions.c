/*
** functions.c: the SQL functions hybrid_cache_...().
*/
#include "functions.h"

#ifndef HC_VERSION
#define HC_VERSION "unknown"
#endif

/* Newer hosts want to be told that a result may carry a subtype. */
#ifndef SQLITE_RESULT_SUBTYPE
#define SQLITE_RESULT_SUBTYPE 0x001000000
#endif

static void fail(sqlite3_context *context, int rc, char *message) {
    if (rc == SQLITE_NOMEM)
        sqlite3_result_error_nomem(context);
    else if (message)
        sqlite3_result_error(context, message, -1);
    else
        sqlite3_result_error_code(context, rc);
    sqlite3_free(message);
}

/* ------------------------------------------------------------ the arguments */

/* The cache that the first argument names. *message has the text of SQLITE_ERROR. */
static int resolve(sqlite3_context *context, sqlite3_value *name, HcCache **cache, char **message) {
    *cache = NULL;
    if (sqlite3_value_type(name) != SQLITE_TEXT) {
        *message = sqlite3_mprintf("hybrid_cache: the first argument is the name of a cache, such as 'cache'");
        return SQLITE_ERROR;
    }
    const char *text = (const char *)sqlite3_value_text(name);
    if (!text)
        return SQLITE_NOMEM;
    return hc_connection_resolve(sqlite3_user_data(context), text, sqlite3_value_bytes(name), cache, message);
}

/* The same for functions that cannot do without: NULL after an error was given. */
static HcCache *enter(sqlite3_context *context, sqlite3_value *name) {
    HcCache *cache;
    char *message = NULL;
    int rc = resolve(context, name, &cache, &message);
    if (rc != SQLITE_OK)
        fail(context, rc, message);
    return cache;
}

/*
** What a function does with its cache and key. A failure of L2 is a miss, counted;
** out of memory, an interrupt, and what has ended the transaction are errors.
*/
static int look(sqlite3_context *context, sqlite3_value **argv, HcPurpose purpose, HcLook *found) {
    for (int attempt = 0;; attempt++) {
        HcValue value;
        HcKey key;
        HcCache *cache;
        char *message = NULL;
        int rc = resolve(context, argv[0], &cache, &message);
        found->entry = NULL;
        found->tier = 0;
        if (rc == SQLITE_ERROR || rc == SQLITE_NOMEM || rc == SQLITE_INTERRUPT || rc == SQLITE_ABORT_ROLLBACK) {
            fail(context, rc, message);
            return rc;
        }
        if (rc != SQLITE_OK)
            /* Not even the schema can be read: a miss, and no cache yet to count it in. */
            return SQLITE_OK;
        if (sqlite3_value_type(argv[1]) == SQLITE_NULL) {
            fail(context, SQLITE_ERROR, sqlite3_mprintf("hybrid_cache: the key of %s is NULL", cache->name));
            return SQLITE_ERROR;
        }
        rc = hc_cache_enter(cache, &message);
        sqlite3_free(message);
        if (rc == SQLITE_OK)
            rc = hc_value_read(argv[1], cache->l2.utf16, &value);
        if (rc == SQLITE_OK) {
            hc_key_make(&value, &key);
            found->purpose = purpose;
            found->reading = 0;
            found->now = hc_cache_now(cache);
            rc = hc_cache_look(cache, &key, found->now, found);
        } else if (purpose != HC_PEEK) {
            cache->stats.gets++;
            cache->stats.misses++;
        }
        /*
        ** Storage that is gone may be a table that another connection has dropped and
        ** perhaps created anew: what the name means is looked up once more.
        */
        int gone = (rc & 0xff) == SQLITE_CORRUPT && attempt == 0 && !hc_cache_lost_transaction(cache);
        if (gone && purpose != HC_PEEK) {
            cache->stats.gets--;
            cache->stats.misses--;
        }
        if (rc != SQLITE_OK && !gone && hc_cache_tolerates(cache, rc, 1))
            rc = SQLITE_OK;
        if (gone)
            hc_connection_forget_aliases(cache->connection);
        hc_cache_leave(cache);
        if (gone)
            continue;
        if (rc != SQLITE_OK)
            fail(context, rc, NULL);
        return rc;
    }
}

/* ------------------------------------------------------------- the look-ups */

/* hybrid_cache_get(cache, key [, default]): the live value, or the default, or NULL. */
static void function_get(sqlite3_context *context, int argc, sqlite3_value **argv) {
    HcLook found;
    if (look(context, argv, HC_GET, &found) != SQLITE_OK)
        return;
    if (found.entry)
        hc_entry_result(found.entry, context);
    else if (argc > 2)
        sqlite3_result_value(context, argv[2]);
    hc_entry_release(found.entry);
}

/* hybrid_cache_stale(cache, key): the value, also if it expired less than `grace` seconds ago. */
static void function_stale(sqlite3_context *context, int argc, sqlite3_value **argv) {
    HcLook found;
    (void)argc;
    if (look(context, argv, HC_STALE, &found) != SQLITE_OK)
        return;
    if (found.entry)
        hc_entry_result(found.entry, context);
    hc_entry_release(found.entry);
}

/* hybrid_cache_has(cache, key): 1 or 0. */
static void function_has(sqlite3_context *context, int argc, sqlite3_value **argv) {
    HcLook found;
    (void)argc;
    if (look(context, argv, HC_PEEK, &found) != SQLITE_OK)
        return;
    sqlite3_result_int(context, found.entry != NULL);
    hc_entry_release(found.entry);
}

/* hybrid_cache_ttl(cache, key): seconds left, 0 = never expires, NULL = not there. */
static void function_ttl(sqlite3_context *context, int argc, sqlite3_value **argv) {
    HcLook found;
    (void)argc;
    if (look(context, argv, HC_PEEK, &found) != SQLITE_OK)
        return;
    if (found.entry)
        sqlite3_result_double(context, hc_cache_ttl_left(found.entry->deadline, found.now));
    hc_entry_release(found.entry);
}

/* hybrid_cache_tier(cache, key): 1 in memory, 2 on disk only, NULL = not there. */
static void function_tier(sqlite3_context *context, int argc, sqlite3_value **argv) {
    HcLook found;
    (void)argc;
    if (look(context, argv, HC_PEEK, &found) != SQLITE_OK)
        return;
    if (found.entry)
        sqlite3_result_int(context, found.tier);
    hc_entry_release(found.entry);
}

/* ----------------------------------------------------------- the statistics */

static double hit_ratio(const HcStats *stats) {
    return stats->gets ? (double)(stats->l1_hits + stats->l2_hits) / (double)stats->gets : 0;
}

/* The whole number of a figure that is one. */
static sqlite3_int64 whole_figure(const HcCache *cache, const HcFigure *figure, sqlite3_int64 entries,
                                  sqlite3_int64 bytes) {
    switch (figure->gauge) {
    case HC_GAUGE_L1_COUNT:
        return cache->l1.count;
    case HC_GAUGE_L1_BYTES:
        return cache->l1.bytes;
    case HC_GAUGE_L1_EVICTED:
        return cache->l1.evicted;
    case HC_GAUGE_L2_COUNT:
        return entries;
    case HC_GAUGE_L2_BYTES:
        return bytes;
    default:
        return hc_figure_counter(&cache->stats, figure);
    }
}

void hc_figure_result(HcCache *cache, int index, sqlite3_int64 entries, sqlite3_int64 bytes, sqlite3_context *context) {
    const HcFigure *figure = &hc_figure_list[index];
    if (figure->gauge == HC_GAUGE_HIT_RATIO)
        sqlite3_result_double(context, hit_ratio(&cache->stats));
    else if (figure->gauge != HC_GAUGE_LAST_ERROR)
        sqlite3_result_int64(context, whole_figure(cache, figure, entries, bytes));
    else if (cache->last_error)
        sqlite3_result_text(context, cache->last_error, -1, SQLITE_TRANSIENT);
}

static void append_json_text(sqlite3_str *json, const char *text) {
    sqlite3_str_appendchar(json, 1, '"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20)
            sqlite3_str_appendf(json, "\\u%04x", c);
        else
            sqlite3_str_appendf(json, "%s%c", c == '"' || c == '\\' ? "\\" : "", c);
    }
    sqlite3_str_appendchar(json, 1, '"');
}

/* hybrid_cache_stats(cache): all figures as a JSON object. */
static void function_stats(sqlite3_context *context, int argc, sqlite3_value **argv) {
    sqlite3_int64 entries, bytes;
    HcCache *cache = enter(context, argv[0]);
    (void)argc;
    if (!cache)
        return;
    /* A failure shows as the counters last known, and in last_error. */
    char *message = NULL;
    hc_cache_tolerates(cache, hc_cache_enter(cache, &message), 1);
    sqlite3_free(message);
    hc_cache_l2_counters(cache, &entries, &bytes);
    if (hc_cache_lost_transaction(cache)) {
        hc_cache_leave(cache);
        fail(context, SQLITE_ABORT_ROLLBACK, NULL);
        return;
    }
    sqlite3_str *json = sqlite3_str_new(NULL);
    for (int i = 0; i < hc_figure_count; i++) {
        const HcFigure *figure = &hc_figure_list[i];
        sqlite3_str_appendf(json, "%s\"%s\":", i ? "," : "{", figure->name);
        if (figure->gauge == HC_GAUGE_HIT_RATIO)
            sqlite3_str_appendf(json, "%!.15g", hit_ratio(&cache->stats));
        else if (figure->gauge != HC_GAUGE_LAST_ERROR)
            sqlite3_str_appendf(json, "%lld", whole_figure(cache, figure, entries, bytes));
        else if (cache->last_error)
            append_json_text(json, cache->last_error);
        else
            sqlite3_str_appendall(json, "null");
    }
    sqlite3_str_appendall(json, "}");
    hc_cache_leave(cache);
    char *text = sqlite3_str_finish(json);
    if (text) {
        sqlite3_result_text(context, text, -1, sqlite3_free);
        sqlite3_result_subtype(context, 'J');
    } else {
        sqlite3_result_error_nomem(context);
    }
}

/* hybrid_cache_reset_stats(cache): NULL. */
static void function_reset_stats(sqlite3_context *context, int argc, sqlite3_value **argv) {
    HcCache *cache = enter(context, argv[0]);
    (void)argc;
    if (cache) {
        memset(&cache->stats, 0, sizeof cache->stats);
        cache->l1.evicted = 0;
        hc_mrc_clear(&cache->mrc);
        sqlite3_free(cache->last_error);
        cache->last_error = NULL;
    }
}

/* hybrid_cache_clear_l1(cache): the number of entries dropped. */
static void function_clear_l1(sqlite3_context *context, int argc, sqlite3_value **argv) {
    HcCache *cache = enter(context, argv[0]);
    (void)argc;
    if (cache)
        sqlite3_result_int64(context, hc_l1_clear(&cache->l1));
}

/* hybrid_cache_option(cache, name): the present value. */
static void function_option(sqlite3_context *context, int argc, sqlite3_value **argv) {
    HcCache *cache = enter(context, argv[0]);
    (void)argc;
    if (!cache)
        return;
    const char *name = (const char *)sqlite3_value_text(argv[1]);
    const HcOption *option = name ? hc_option_find(name) : NULL;
    if (!option) {
        fail(context, SQLITE_ERROR, sqlite3_mprintf("hybrid_cache: unknown option \"%s\"", name ? name : "NULL"));
        return;
    }
    char *message = NULL;
    int rc = hc_cache_enter(cache, &message);
    sqlite3_int64 entries, bytes;
    if (rc == SQLITE_OK)
        /* Looks at the meta row: another connection may have changed it. */
        hc_cache_l2_counters(cache, &entries, &bytes);
    if (hc_cache_lost_transaction(cache))
        rc = SQLITE_ABORT_ROLLBACK;
    if (rc == SQLITE_OK)
        hc_option_result(&cache->options, option, context);
    else
        fail(context, rc, message ? message : hc_cache_message(cache, rc));
    hc_cache_leave(cache);
}

/*
** hybrid_cache_memory_limit([bytes]): what the caches of this connection may hold in memory together. For the
** application alone: no view, trigger or CHECK of a file may call it.
*/
static void function_memory_limit(sqlite3_context *context, int argc, sqlite3_value **argv) {
    HcConnection *connection = sqlite3_user_data(context);
    if (argc > 0) {
        HcOptions options;
        char *message = NULL;
        const HcOption *size = hc_option_find("l1_bytes");
        int rc = hc_option_set(&options, size, argv[0], &message);
        sqlite3_free(message);
        if (rc != SQLITE_OK) {
            fail(context, rc,
                 rc == SQLITE_NOMEM
                     ? NULL
                     : sqlite3_mprintf("hybrid_cache: the memory limit of a connection is %s", size->accepts));
            return;
        }
        hc_connection_limit(connection, options.l1_bytes);
    }
    sqlite3_result_int64(context, connection->budget.limit);
}

/* hybrid_cache_version(): text. */
static void function_version(sqlite3_context *context, int argc, sqlite3_value **argv) {
    (void)argc;
    (void)argv;
    sqlite3_result_text(context, HC_VERSION, -1, SQLITE_STATIC);
}

/* --------------------------------------------------------------- the table */

/* SQLite (3.40) lets a CHECK call a function that is DIRECTONLY if it is not deterministic as well. */
#define DIRECT (SQLITE_DIRECTONLY | SQLITE_DETERMINISTIC)

static const struct {
    const char *name;
    int arguments;
    int flags;
    void (*function)(sqlite3_context *, int, sqlite3_value **);
} function_list[] = {
    {"hybrid_cache_get", 2, 0, function_get},
    {"hybrid_cache_get", 3, 0, function_get},
    {"hybrid_cache_has", 2, 0, function_has},
    {"hybrid_cache_ttl", 2, 0, function_ttl},
    {"hybrid_cache_stale", 2, 0, function_stale},
    {"hybrid_cache_tier", 2, 0, function_tier},
    {"hybrid_cache_stats", 1, SQLITE_RESULT_SUBTYPE, function_stats},
    {"hybrid_cache_option", 2, 0, function_option},
    {"hybrid_cache_clear_l1", 1, 0, function_clear_l1},
    {"hybrid_cache_reset_stats", 1, 0, function_reset_stats},
    {"hybrid_cache_memory_limit", 0, DIRECT, function_memory_limit},
    {"hybrid_cache_memory_limit", 1, DIRECT, function_memory_limit},
    {"hybrid_cache_version", 0, SQLITE_DETERMINISTIC, function_version},
};

int hc_functions_register(HcConnection *connection) {
    int rc = SQLITE_OK;
    for (size_t i = 0; rc == SQLITE_OK && i < sizeof function_list / sizeof function_list[0]; i++) {
        int trust = function_list[i].flags & SQLITE_DIRECTONLY ? 0 : SQLITE_INNOCUOUS;
        rc = sqlite3_create_function_v2(connection->db, function_list[i].name, function_list[i].arguments,
                                        SQLITE_UTF8 | trust | function_list[i].flags, hc_connection_retain(connection),
                                        function_list[i].function, NULL, NULL, hc_connection_release);
    }
    return rc;
}

void hc_functions_unregister(sqlite3 *db) {
    for (size_t i = 0; i < sizeof function_list / sizeof function_list[0]; i++)
        sqlite3_create_function_v2(db, function_list[i].name, function_list[i].arguments, SQLITE_UTF8, NULL, NULL, NULL,
                                   NULL, NULL);
}
