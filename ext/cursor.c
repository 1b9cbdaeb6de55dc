/*
** cursor.c: planning a SELECT on the virtual table, and reading its rows.
**
** The index number holds the bits of a scan (HC_SCAN_... in l2.h) or one of the
** plans below; the index string says the same to a reader of EXPLAIN QUERY PLAN.
**
** | plan          | constraints                      | cost     | served by         |
** |---------------|----------------------------------|----------|-------------------|
** | key=          | key = ?, key IS ?, key IN        | 1        | L1, then L2       |
** | key prefix    | key LIKE 'a%', key GLOB 'a*'     | 200      | L2, index on key  |
** | key range     | key < <= > >=; both ends         | 4000; 400 | L2, index on key |
** | tag=          | tag = ?                          | 150      | L2, index on tag  |
** | expires range | expires < <= > >=                | 6000     | L2, index         |
** | scan          | none of them                     | 1000000  | L2                |
**
** A constraint is taken only under the collation BINARY: key = 'A' COLLATE NOCASE
** arrives as a plain equality, and a look-up would silently miss 'a'. All but the
** equality are checked once more by SQLite.
*/
#include "module.h"
#include "statement.h"

enum {
    HC_PLAN_LOOKUP = HC_SCANS,   /* the key is the argument */
    HC_PLAN_LIKE = 2 * HC_SCANS, /* the pattern is the argument */
    HC_PLAN_GLOB = 4 * HC_SCANS,
    HC_PLAN_PREFIX = HC_PLAN_LIKE | HC_PLAN_GLOB
};

/* Operators that headers of older hosts lack. */
#ifndef SQLITE_INDEX_CONSTRAINT_IS
#define SQLITE_INDEX_CONSTRAINT_IS 72
#endif

/* --------------------------------------------------------------- planning */

typedef struct Candidates {
    int key_equal, key_like, key_glob, key_low, key_high, tag_equal, expires_low, expires_high;
} Candidates;

static int is_binary(sqlite3_index_info *info, int i) {
    return sqlite3_stricmp(sqlite3_vtab_collation(info, i), "BINARY") == 0;
}

/* The usable constraints, -1 where there is none. */
static void collect(sqlite3_index_info *info, Candidates *found) {
    memset(found, -1, sizeof *found);
    for (int i = 0; i < info->nConstraint; i++) {
        const struct sqlite3_index_constraint *constraint = &info->aConstraint[i];
        if (!constraint->usable)
            continue;
        int low = constraint->op == SQLITE_INDEX_CONSTRAINT_GT || constraint->op == SQLITE_INDEX_CONSTRAINT_GE;
        int high = constraint->op == SQLITE_INDEX_CONSTRAINT_LT || constraint->op == SQLITE_INDEX_CONSTRAINT_LE;
        if (constraint->iColumn == HC_COLUMN_KEY && constraint->op == SQLITE_INDEX_CONSTRAINT_LIKE) {
            found->key_like = i;
        } else if (constraint->iColumn == HC_COLUMN_KEY && constraint->op == SQLITE_INDEX_CONSTRAINT_GLOB) {
            found->key_glob = i;
        } else if (!low && !high && constraint->op != SQLITE_INDEX_CONSTRAINT_EQ &&
                   constraint->op != SQLITE_INDEX_CONSTRAINT_IS) {
            continue;
        } else if (!is_binary(info, i)) {
            continue;
        } else if (constraint->iColumn == HC_COLUMN_KEY) {
            *(low ? &found->key_low : high ? &found->key_high : &found->key_equal) = i;
        } else if (constraint->iColumn == HC_COLUMN_EXPIRES && (low || high)) {
            *(low ? &found->expires_low : &found->expires_high) = i;
        } else if (constraint->iColumn == HC_COLUMN_TAG && constraint->op == SQLITE_INDEX_CONSTRAINT_EQ) {
            found->tag_equal = i;
        }
    }
}

static int bound_bit(const sqlite3_index_info *info, int i) {
    switch (info->aConstraint[i].op) {
    case SQLITE_INDEX_CONSTRAINT_GT:
        return HC_SCAN_GT;
    case SQLITE_INDEX_CONSTRAINT_GE:
        return HC_SCAN_GE;
    case SQLITE_INDEX_CONSTRAINT_LT:
        return HC_SCAN_LT;
    default:
        return HC_SCAN_LE;
    }
}

static int plan_range(sqlite3_index_info *info, int by, int low, int high) {
    int argument = 0, plan = by;
    if (low >= 0) {
        plan |= bound_bit(info, low);
        info->aConstraintUsage[low].argvIndex = ++argument;
    }
    if (high >= 0) {
        plan |= bound_bit(info, high);
        info->aConstraintUsage[high].argvIndex = ++argument;
    }
    return plan;
}

static void estimate(sqlite3_index_info *info, double cost, sqlite3_int64 rows) {
    info->estimatedCost = cost;
    info->estimatedRows = rows;
}

int hc_best_index(sqlite3_vtab *vtab, sqlite3_index_info *info) {
    Candidates found;
    int plan, orderable = 0;
    const char *name;
    (void)vtab;
    collect(info, &found);
    if (found.key_equal >= 0) {
        plan = HC_PLAN_LOOKUP;
        name = "key=";
        info->aConstraintUsage[found.key_equal].argvIndex = 1;
        info->aConstraintUsage[found.key_equal].omit = 1;
        info->idxFlags = SQLITE_INDEX_SCAN_UNIQUE;
        info->orderByConsumed = 1;
        estimate(info, 1, 1);
    } else if (found.key_glob >= 0 || found.key_like >= 0) {
        int i = found.key_glob >= 0 ? found.key_glob : found.key_like;
        plan = HC_SCAN_KEY | (found.key_glob >= 0 ? HC_PLAN_GLOB : HC_PLAN_LIKE);
        name = "key prefix";
        info->aConstraintUsage[i].argvIndex = 1;
        orderable = 1;
        estimate(info, 200, 100);
    } else if (found.tag_equal >= 0) {
        plan = HC_SCAN_TAG;
        name = "tag=";
        info->aConstraintUsage[found.tag_equal].argvIndex = 1;
        estimate(info, 150, 50);
    } else if (found.key_low >= 0 || found.key_high >= 0) {
        int both = found.key_low >= 0 && found.key_high >= 0;
        plan = plan_range(info, HC_SCAN_KEY, found.key_low, found.key_high);
        name = "key range";
        orderable = 1;
        estimate(info, both ? 400 : 4000, both ? 200 : 2000);
    } else if (found.expires_low >= 0 || found.expires_high >= 0) {
        plan = plan_range(info, HC_SCAN_EXPIRES, found.expires_low, found.expires_high);
        name = "expires range";
        estimate(info, 6000, 2000);
    } else {
        plan = HC_SCAN_ALL;
        name = "scan";
        orderable = 1;
        estimate(info, 1000000, 100000);
    }
    if (orderable && info->nOrderBy == 1 && info->aOrderBy[0].iColumn == HC_COLUMN_KEY &&
        (!info->aOrderBy[0].desc || !(plan & HC_PLAN_PREFIX))) {
        plan |= HC_SCAN_ORDER | (info->aOrderBy[0].desc ? HC_SCAN_DESC : 0);
        info->orderByConsumed = 1;
        name = plan & HC_PLAN_PREFIX      ? "key prefix order by key"
               : (plan & HC_SCAN_BY) == 0 ? "scan order by key"
                                          : "key range order by key";
    }
    info->idxNum = plan;
    info->idxStr = (char *)(uintptr_t)name; /* static: needToFreeIdxStr stays 0 */
    return SQLITE_OK;
}

/* ---------------------------------------------------------------- cursors */

int hc_cursor_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out) {
    HcTable *table = (HcTable *)vtab;
    HcCursor *cursor = table->spare ? table->spare : sqlite3_malloc64(sizeof *cursor);
    if (!cursor)
        return SQLITE_NOMEM;
    table->spare = NULL;
    /* Not `row`, which is most of it and has no say before a scan fills it. */
    memset(cursor, 0, offsetof(HcCursor, row));
    cursor->next = table->cursors;
    table->cursors = cursor;
    *out = &cursor->base;
    return SQLITE_OK;
}

static HcCache *cache_of(HcCursor *cursor) {
    return ((HcTable *)cursor->base.pVtab)->cache;
}

static void cursor_reset(HcCursor *cursor) {
    hc_entry_release(cursor->entry);
    if (cursor->scan)
        hc_l2_scan_close(&cache_of(cursor)->l2, cursor->shape, cursor->generation, cursor->scan);
    if (cursor->prefix)
        sqlite3_free(cursor->prefix);
    cursor->entry = NULL;
    cursor->scan = NULL;
    cursor->prefix = NULL;
    cursor->phase = 0;
    cursor->eof = 1;
}

int hc_cursor_close(sqlite3_vtab_cursor *base) {
    HcCursor *cursor = (HcCursor *)base;
    HcCursor **link = &((HcTable *)base->pVtab)->cursors;
    cursor_reset(cursor);
    while (*link != cursor)
        link = &(*link)->next;
    *link = cursor->next;
    sqlite3_free(((HcTable *)base->pVtab)->spare);
    ((HcTable *)base->pVtab)->spare = cursor;
    return SQLITE_OK;
}

/* A failure of L2: the end of the rows where it is tolerated, an error with text elsewhere. */
static int cursor_fail(HcCursor *cursor, int rc, char *message) {
    HcTable *table = (HcTable *)cursor->base.pVtab;
    cursor->eof = 1;
    /* A statement that writes to this cache alone loses no more than that. */
    int lost = hc_cache_lost_transaction(table->cache) &&
               !hc_statement_writes_only(table->cache->connection->db, table->cache->name);
    if (lost || !hc_cache_tolerates(table->cache, rc, 0))
        return hc_table_fail(table, rc, message);
    sqlite3_free(message);
    return SQLITE_OK;
}

static int look_up(HcCursor *cursor, sqlite3_value *argument) {
    HcCache *cache = cache_of(cursor);
    HcValue value;
    HcKey key;
    HcLook look = {.purpose = HC_GET, .reading = 1, .now = cursor->now};
    if (sqlite3_value_type(argument) == SQLITE_NULL)
        return SQLITE_OK;
    int rc = hc_value_read(argument, cache->l2.utf16, &value);
    if (rc == SQLITE_OK) {
        hc_key_make(&value, &key);
        rc = hc_cache_look(cache, &key, hc_cache_judge(cache, cursor->now), &look);
    }
    cursor->entry = look.entry;
    cursor->eof = look.entry == NULL;
    return rc;
}

/* --------------------------------------------------------------- scanning */

/*
** A pattern can match keys of every type, since LIKE and GLOB turn what they get
** into text. In the order of the key index come numbers, texts, blobs: numbers
** are read where the prefix could begin one, texts from the prefix to its end,
** blobs all. What is read in vain, SQLite's own check sorts out.
*/
enum { PHASE_NONE, PHASE_NUMBERS, PHASE_TEXTS, PHASE_BLOBS };

/* The bytes of a pattern before its first wildcard. LIKE folds ASCII letters, so there only ASCII counts. */
static int prefix_length(const HcValue *pattern, int glob) {
    const unsigned char *text = pattern->data;
    int n = 0;
    while (n < (int)pattern->n && text[n] && !strchr(glob ? "*?[" : "%_", text[n]) && (glob || text[n] < 0x80))
        n++;
    return n;
}

static int begins_number(char c) {
    return (c >= '0' && c <= '9') || c == '-' || c == 'I' || c == 'i' || c == 'N' || c == 'n';
}

static int scan_start(HcCursor *cursor, int shape) {
    HcCache *cache = cache_of(cursor);
    hc_l2_scan_close(&cache->l2, cursor->shape, cursor->generation, cursor->scan);
    cursor->scan = NULL;
    cursor->shape = shape;
    cursor->generation = cache->l2.generation;
    int rc = hc_l2_scan_open(&cache->l2, shape, &cursor->scan);
    if (rc == SQLITE_OK && (shape & HC_SCAN_LIVE))
        rc = sqlite3_bind_double(cursor->scan, 3, cursor->now);
    return rc;
}

static int phase_start(HcCursor *cursor, int phase) {
    /* In order, whether the plan asks for it or not: that is what ends at the prefix. */
    int common = (cursor->shape & HC_SCAN_LIVE) | HC_SCAN_ORDER;
    int rc = scan_start(cursor, common | HC_SCAN_KEY | (phase == PHASE_NUMBERS ? HC_SCAN_LT : HC_SCAN_GE));
    cursor->phase = phase;
    if (rc != SQLITE_OK)
        return rc;
    if (phase == PHASE_NUMBERS)
        return sqlite3_bind_text(cursor->scan, 2, "", 0, SQLITE_STATIC);
    if (phase == PHASE_BLOBS)
        return sqlite3_bind_zeroblob(cursor->scan, 1, 0);
    /* The smallest text that matches: letters of LIKE in upper case, which sorts first. */
    char *low = sqlite3_mprintf("%.*s", cursor->prefix_n, cursor->prefix);
    for (int i = 0; low && cursor->prefix[cursor->prefix_n] == 'L' && low[i]; i++)
        low[i] = (char)(low[i] >= 'a' && low[i] <= 'z' ? low[i] - 32 : low[i]);
    return low ? sqlite3_bind_text(cursor->scan, 1, low, cursor->prefix_n, sqlite3_free) : SQLITE_NOMEM;
}

/* Is the present row past every text with the prefix? */
static int past_prefix(const HcCursor *cursor) {
    const HcValue *key = &cursor->row.key;
    if (cursor->phase != PHASE_TEXTS || key->type != SQLITE_TEXT)
        return 0;
    int n = (int)key->n < cursor->prefix_n ? (int)key->n : cursor->prefix_n;
    return memcmp(key->data, cursor->prefix, (size_t)n) > 0;
}

/*
** The next live, undamaged row, or the end. The value is read even where only the
** key is wanted: its checksum tells whether the row may be shown at all.
*/
static int scan_step(HcCursor *cursor) {
    HcCache *cache = cache_of(cursor);
    for (;;) {
        int past = 0;
        int rc = sqlite3_step(cursor->scan);
        if (rc == SQLITE_ROW) {
            rc = hc_l2_read_row(cursor->scan, cache->l2.utf16, 1, &cursor->row);
            if (rc != SQLITE_OK)
                return rc;
            if (cursor->row.damaged) {
                cache->stats.corrupt++;
                continue;
            }
            past = past_prefix(cursor);
            if (!past)
                return SQLITE_OK;
        } else if (rc != SQLITE_DONE) {
            return hc_l2_failure(&cache->l2, rc);
        }
        /* Texts that ran to their end, and not just past the prefix, went on into the blobs already. */
        if (cursor->phase != PHASE_NUMBERS && !past)
            break;
        rc = phase_start(cursor, cursor->phase == PHASE_NUMBERS ? PHASE_TEXTS : PHASE_BLOBS);
        if (rc != SQLITE_OK)
            return rc;
    }
    /* Reset at the end of the rows, not at xClose: an open read would hold the WAL. */
    hc_l2_scan_close(&cache->l2, cursor->shape, cursor->generation, cursor->scan);
    cursor->scan = NULL;
    cursor->eof = 1;
    return SQLITE_OK;
}

/* 1 if the pattern has a prefix that the key index can serve; the phases are set up then. */
static int prefix_start(HcCursor *cursor, int plan, sqlite3_value *argument, int *rc) {
    HcCache *cache = cache_of(cursor);
    HcValue pattern;
    int glob = (plan & HC_PLAN_GLOB) != 0;
    /* In UTF-16 databases the order of bytes is not that of prefixes. */
    if (cache->l2.utf16 || sqlite3_value_type(argument) != SQLITE_TEXT)
        return 0;
    *rc = hc_value_read(argument, 0, &pattern);
    if (*rc != SQLITE_OK)
        return 1;
    int n = prefix_length(&pattern, glob);
    if (n == 0)
        return 0;
    cursor->prefix = sqlite3_mprintf("%.*s%s", n, pattern.data, glob ? "G" : "L");
    cursor->prefix_n = n;
    if (!cursor->prefix) {
        *rc = SQLITE_NOMEM;
        return 1;
    }
    for (int i = 0; !glob && i < n; i++) {
        char c = cursor->prefix[i];
        cursor->prefix[i] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    *rc = phase_start(cursor, begins_number(cursor->prefix[0]) ? PHASE_NUMBERS : PHASE_TEXTS);
    return 1;
}

static int scan_filter(HcCursor *cursor, int plan, int argc, sqlite3_value **argv) {
    HcCache *cache = cache_of(cursor);
    int rc = SQLITE_OK, argument = 0;
    int shape = plan & (HC_SCANS - 1);
    if (cache->options.clock == HC_CLOCK_LOCAL)
        shape |= HC_SCAN_LIVE;
    cursor->eof = 0;
    if (plan & HC_PLAN_PREFIX) {
        cursor->shape = shape;
        if (prefix_start(cursor, plan, argv[0], &rc))
            return rc == SQLITE_OK ? scan_step(cursor) : rc;
        argc = 0;
    }
    rc = scan_start(cursor, shape);
    if (rc == SQLITE_OK && argument < argc &&
        ((shape & (HC_SCAN_GT | HC_SCAN_GE)) || (shape & HC_SCAN_BY) == HC_SCAN_TAG))
        rc = sqlite3_bind_value(cursor->scan, 1, argv[argument++]);
    if (rc == SQLITE_OK && argument < argc)
        rc = sqlite3_bind_value(cursor->scan, 2, argv[argument]);
    return rc == SQLITE_OK ? scan_step(cursor) : rc;
}

int hc_cursor_filter(sqlite3_vtab_cursor *base, int plan, const char *plan_name, int argc, sqlite3_value **argv) {
    HcCursor *cursor = (HcCursor *)base;
    HcCache *cache = cache_of(cursor);
    char *message = NULL;
    (void)plan_name;
    cursor_reset(cursor);
    if (!cursor->started) {
        cursor->now = hc_cache_now(cache);
        cursor->started = 1;
    }
    ((HcTable *)base->pVtab)->now = cursor->now;
    int rc = hc_cache_enter(cache, &message);
    if (rc == SQLITE_OK)
        rc = plan & HC_PLAN_LOOKUP ? look_up(cursor, argv[0]) : scan_filter(cursor, plan, argc, argv);
    if (rc != SQLITE_OK)
        rc = cursor_fail(cursor, rc, message);
    else
        sqlite3_free(message);
    hc_cache_leave(cache);
    return rc;
}

int hc_cursor_next(sqlite3_vtab_cursor *base) {
    HcCursor *cursor = (HcCursor *)base;
    if (!cursor->scan) {
        cursor->eof = 1;
        return SQLITE_OK;
    }
    /* Between two rows: BEGIN, COMMIT. */
    HcCache *cache = cache_of(cursor);
    cache->in_transaction = !sqlite3_get_autocommit(cache->connection->db);
    int rc = scan_step(cursor);
    return rc == SQLITE_OK ? rc : cursor_fail(cursor, rc, NULL);
}

int hc_cursor_eof(sqlite3_vtab_cursor *base) {
    return ((HcCursor *)base)->eof;
}

/* ---------------------------------------------------------------- columns */

static void result_seconds(sqlite3_context *context, double seconds) {
    if (seconds > -9e15 && seconds < 9e15 && (double)(sqlite3_int64)seconds == seconds)
        sqlite3_result_int64(context, (sqlite3_int64)seconds);
    else
        sqlite3_result_double(context, seconds);
}

int hc_cursor_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column) {
    HcCursor *cursor = (HcCursor *)base;
    HcValue value;
    double deadline = cursor->entry ? cursor->entry->deadline : cursor->row.expires;
    /* UPDATE cache SET ttl = 60: the value stays where it is, so it is not fetched. */
    if (sqlite3_vtab_nochange(context))
        return SQLITE_OK;
    switch (column) {
    case HC_COLUMN_KEY:
        if (cursor->entry)
            hc_entry_key(cursor->entry, &value);
        hc_value_result(context, cursor->entry ? &value : &cursor->row.key);
        break;
    case HC_COLUMN_VALUE:
        if (cursor->entry)
            hc_entry_result(cursor->entry, context);
        else
            hc_value_result(context, &cursor->row.value);
        break;
    case HC_COLUMN_EXPIRES:
        result_seconds(context, deadline);
        break;
    case HC_COLUMN_TTL:
        result_seconds(context, hc_cache_ttl_left(deadline, cursor->now));
        break;
    case HC_COLUMN_TAG:
        if (cursor->entry)
            hc_entry_tag(cursor->entry, &value);
        hc_value_result(context, cursor->entry ? &value : &cursor->row.tag);
        break;
    default:
        break; /* the command column reads as NULL */
    }
    return SQLITE_OK;
}
