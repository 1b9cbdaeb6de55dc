/*
** l2.c: the disk tier of one cache: its shadow tables and the statements on them.
*/
#include "l2.h"

/* The blob of the meta row: 8 words, then the buckets. */
#define STATE_BYTES ((8 + HC_BUCKETS) * 8)
_Static_assert(sizeof(HcState) == STATE_BYTES, "the state is its blob");

/* What is beyond these is damage: counters that grow still fit into 64 bits, and nobody makes us keep a gigabyte of options. */
#define COUNTER_MOST (1LL << 60)
#define OPTIONS_MOST 4096
/* The row in which the triggers count is not longer. */
#define COUNT_ROW_MOST 64

/* The columns that hc_l2_read_row() expects, in its order. */
#define HEAD_COLUMNS "id, key, expires, due, tag, size, sum"

/* %1 stands for the data table, %2 for the meta table. */
static const char *const statement_sql[HC_L2_STATEMENTS] = {
    [HC_L2_META] = "SELECT a.format, a.store, a.seed, a.options, b.changes, a.state FROM %2 AS a, %2 AS b "
                   "WHERE a.id = 1 AND b.id = 2",
    [HC_L2_META_OPTIONS] = "UPDATE %2 SET options = ?1 WHERE id = 1",
    [HC_L2_META_REPLACE] = "REPLACE INTO %2(id, format, store, seed, options, state, changes) "
                           "VALUES(1, ?1, ?2, ?3, ?4, ?5, NULL), (2, NULL, NULL, NULL, NULL, NULL, ?6)",
    [HC_L2_FIND] = "SELECT " HEAD_COLUMNS ", value FROM %1 WHERE key = ?1",
    [HC_L2_HEAD] = "SELECT " HEAD_COLUMNS " FROM %1 WHERE key = ?1",
    [HC_L2_ROW] = "SELECT " HEAD_COLUMNS " FROM %1 WHERE id = ?1",
    [HC_L2_CHANGES] = "SELECT changes FROM %2 WHERE id = 2",
    /*
    ** OR FAIL: one row has nothing to take back, and SQLite then needs no statement journal, which
    ** it would keep because of the triggers (4,000 instructions).
    */
    [HC_L2_INSERT] = "INSERT OR FAIL INTO %1(key, expires, due, tag, size, used, sum, value) "
                     "VALUES(?2, ?3, ?3, ?4, ?5, 0, ?6, ?7)",
    [HC_L2_REPLACE] = "UPDATE OR FAIL %1 SET key = ?2, expires = ?3, due = ?3, tag = ?4, size = ?5, used = 1, "
                      "sum = ?6, value = ?7 WHERE id = ?1",
    [HC_L2_REWRITE] = "UPDATE OR FAIL %1 SET expires = ?3, size = ?5, used = 1, sum = ?6, value = ?7 WHERE id = ?1",
    [HC_L2_EXTEND] = "UPDATE OR FAIL %1 SET expires = ?3, size = ?5, used = 1, sum = ?6 WHERE id = ?1",
    [HC_L2_TOUCH] = "UPDATE OR FAIL %1 SET key = ?2, expires = ?3, due = ?3, tag = ?4, size = ?5, used = 1, "
                    "sum = ?6 WHERE id = ?1",
    [HC_L2_POSTPONE] = "UPDATE %1 SET due = expires WHERE id = ?1",
    [HC_L2_USE] = "UPDATE %1 SET used = 1 WHERE id = ?1 AND used IS NOT 1",
    [HC_L2_USE_KEY] = "UPDATE %1 SET used = 1 WHERE key = ?1 AND used IS NOT 1",
    [HC_L2_UNUSE] = "UPDATE %1 SET used = 0 WHERE id = ?1",
    [HC_L2_DELETE] = "DELETE FROM %1 WHERE id = ?1",
    [HC_L2_CLEAR] = "DELETE FROM %1",
    [HC_L2_DUE] = "SELECT " HEAD_COLUMNS " FROM %1 WHERE due <= ?1 ORDER BY due, id LIMIT ?2",
    [HC_L2_SWEEP] = "SELECT " HEAD_COLUMNS ", used FROM %1 WHERE id > ?1 AND id <> ?2 ORDER BY id LIMIT ?3",
    [HC_L2_WALK] = "SELECT " HEAD_COLUMNS ", value FROM %1 WHERE id > ?1 ORDER BY id LIMIT ?2",
};

/* Expands %1 and %2 of a statement, or {schema}, {name} and {n} of the schema. */
char *hc_l2_expand(const HcL2 *l2, const char *text, int n) {
    sqlite3_str *sql = sqlite3_str_new(NULL);
    for (const char *at = text; *at; at++) {
        if (at[0] == '%' && (at[1] == '1' || at[1] == '2')) {
            sqlite3_str_appendf(sql, "\"%w\".\"%w_%s\"", l2->schema, l2->name, hc_l2_suffixes[at[1] - '1']);
            at++;
        } else if (strncmp(at, "{schema}", 8) == 0) {
            sqlite3_str_appendf(sql, "%w", l2->schema);
            at += 7;
        } else if (strncmp(at, "{name}", 6) == 0) {
            sqlite3_str_appendf(sql, "%w", l2->name);
            at += 5;
        } else if (strncmp(at, "{n}", 3) == 0) {
            if (n)
                sqlite3_str_appendf(sql, "%d", n);
            at += 2;
        } else {
            sqlite3_str_append(sql, at, 1);
        }
    }
    return sqlite3_str_finish(sql);
}

int hc_l2_init(HcL2 *l2, sqlite3 *db, HcTally *tally, const char *schema, const char *name) {
    memset(l2, 0, sizeof *l2);
    l2->db = db;
    l2->tally = tally;
    l2->schema = sqlite3_mprintf("%s", schema);
    l2->name = sqlite3_mprintf("%s", name);
    return l2->schema && l2->name ? SQLITE_OK : SQLITE_NOMEM;
}

void hc_l2_finalize(HcL2 *l2) {
    for (int i = 0; i < HC_L2_STATEMENTS; i++) {
        sqlite3_finalize(l2->statements[i]);
        l2->statements[i] = NULL;
    }
    sqlite3_finalize(l2->spare);
    l2->spare = NULL;
    l2->generation++;
}

void hc_l2_free(HcL2 *l2) {
    hc_l2_finalize(l2);
    sqlite3_free(l2->schema);
    sqlite3_free(l2->name);
    l2->schema = l2->name = NULL;
}

/* Is a table or a column missing that our statements name? `id` is not the primary key of a virtual table or a view. */
static int is_incomplete(HcL2 *l2) {
    static const char *const columns[] = {
        "id", "key",    "expires", "due",  "tag",     "size",  "used",    "sum", "value", NULL, /* of the data table */
        "id", "format", "store",   "seed", "options", "state", "changes", NULL,
    };
    int rc = SQLITE_OK;
    for (int i = 0, table = 0; rc == SQLITE_OK && hc_l2_suffixes[table]; i++) {
        int primary = 0;
        char *name = sqlite3_mprintf("%s_%s", l2->name, hc_l2_suffixes[table]);
        if (!columns[i])
            table++;
        else if (name)
            rc = sqlite3_table_column_metadata(l2->db, l2->schema, name, columns[i], NULL, NULL, NULL, &primary, NULL);
        if (rc == SQLITE_OK && columns[i] && name && strcmp(columns[i], "id") == 0 && !primary)
            rc = SQLITE_ERROR;
        sqlite3_free(name);
    }
    return rc != SQLITE_OK;
}

/*
** The code of a failure. "SQL logic error" comes from preparing one of our
** statements, at first or after a schema change: a missing or replaced shadow
** table makes them wrong, or a limit of this connection that is lower than what they
** need (sqlite3_limit()). Newer hosts (seen: 3.53) leave the read transaction open
** in which they found that out; a read that succeeds ends it.
*/
int hc_l2_failure(HcL2 *l2, int rc) {
    if (rc != SQLITE_ERROR)
        return rc;
    char *sql = sqlite3_mprintf("SELECT 1 FROM \"%w\".sqlite_master LIMIT 1", l2->schema);
    if (sql)
        sqlite3_exec(l2->db, sql, NULL, NULL, NULL);
    sqlite3_free(sql);
    return is_incomplete(l2) ? SQLITE_CORRUPT_VTAB : rc;
}

static int prepare(HcL2 *l2, char *sql, sqlite3_stmt **stmt) {
    int rc = SQLITE_NOMEM;
    if (sql)
        rc = sqlite3_prepare_v3(l2->db, sql, -1, SQLITE_PREPARE_PERSISTENT | SQLITE_PREPARE_NO_VTAB, stmt, NULL);
    sqlite3_free(sql);
    return hc_l2_failure(l2, rc);
}

int hc_l2_open(HcL2 *l2, HcStatement id, sqlite3_stmt **stmt) {
    int rc = SQLITE_OK;
    if (!l2->statements[id])
        rc = prepare(l2, hc_l2_expand(l2, statement_sql[id], 0), &l2->statements[id]);
    *stmt = l2->statements[id];
    return rc;
}

void hc_l2_close(HcL2 *l2, HcStatement id) {
    if (l2->statements[id]) {
        sqlite3_reset(l2->statements[id]);
        sqlite3_clear_bindings(l2->statements[id]);
    }
}

int hc_l2_run(HcL2 *l2, HcStatement id) {
    unsigned begin = hc_tally_begin(l2->db);
    /* A trigger that may not run fails after the row is written, which no statement journal takes back (OR FAIL). */
    if (id >= HC_L2_INSERT && id <= HC_L2_CLEAR) {
        int refused = sqlite3_limit(l2->db, SQLITE_LIMIT_TRIGGER_DEPTH, -1) < 1         ? SQLITE_ERROR
                      : sqlite3_limit(l2->db, SQLITE_LIMIT_LENGTH, -1) < COUNT_ROW_MOST ? SQLITE_TOOBIG
                                                                                        : SQLITE_OK;
        if (refused != SQLITE_OK) {
            hc_l2_close(l2, id);
            return refused;
        }
    }
    int rc = sqlite3_step(l2->statements[id]);
    unsigned changed = (unsigned)sqlite3_changes(l2->db);
    /* If triggers are switched off (SQLITE_DBCONFIG_ENABLE_TRIGGER), the meta row has not counted them, which is a change, too. */
    int counted = (unsigned)sqlite3_total_changes(l2->db) - begin > changed;
    if (rc == SQLITE_DONE && id >= HC_L2_INSERT && id <= HC_L2_CLEAR && counted)
        l2->changes += changed;
    hc_l2_close(l2, id);
    hc_tally_end(l2->tally, l2->db, begin);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : hc_l2_failure(l2, rc);
}

/* ----------------------------------------------------------- the meta row */

/* Between the words of a state and its blob, in either direction. */
static void copy_state(const void *from, void *to) {
    memcpy(to, from, STATE_BYTES);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    unsigned char *bytes = to;
    for (int i = 0; i < STATE_BYTES; i += 8) {
        uint64_t word;
        memcpy(&word, bytes + i, 8);
        word = __builtin_bswap64(word);
        memcpy(bytes + i, &word, 8);
    }
#endif
}

int hc_l2_changes(HcL2 *l2, uint64_t *changes) {
    sqlite3_stmt *stmt;
    int rc = hc_l2_open(l2, HC_L2_CHANGES, &stmt);
    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *changes = (uint64_t)sqlite3_column_int64(stmt, 0);
    hc_l2_close(l2, HC_L2_CHANGES);
    return rc == SQLITE_ROW ? SQLITE_OK : rc == SQLITE_DONE ? SQLITE_CORRUPT_VTAB : hc_l2_failure(l2, rc);
}

/* By itself: the columns of the first format were others. */
sqlite3_int64 hc_l2_format(HcL2 *l2) {
    sqlite3_int64 format = 0;
    sqlite3_stmt *stmt = NULL;
    if (prepare(l2, hc_l2_expand(l2, "SELECT format FROM %2 WHERE id = 1", 0), &stmt) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_type(stmt, 0) == SQLITE_INTEGER)
        format = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return format;
}

static void tell_format(HcL2 *l2, char **message) {
    sqlite3_int64 format = hc_l2_format(l2);
    if (format > HC_FORMAT)
        *message = sqlite3_mprintf("hybrid_cache: \"%w\" was written by a newer version (format %lld, this one knows "
                                   "up to %d): upgrade the extension",
                                   l2->name, format, HC_FORMAT);
    else if (format > 0 && format < HC_FORMAT)
        *message = sqlite3_mprintf("hybrid_cache: \"%w\" was written by an older version (format %lld, this one "
                                   "writes %d): INSERT INTO \"%w\"(\"%w\") VALUES('rebuild') upgrades it",
                                   l2->name, format, HC_FORMAT, l2->name, l2->name);
}

int hc_l2_meta(HcL2 *l2, HcMeta *meta, char **message) {
    sqlite3_stmt *stmt;
    int rc = hc_l2_open(l2, HC_L2_META, &stmt);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        int options_type = sqlite3_column_type(stmt, 3); /* before a text is made of it */
        const unsigned char *options = sqlite3_column_text(stmt, 3);
        const unsigned char *state = sqlite3_column_blob(stmt, 5);
        if (sqlite3_column_type(stmt, 0) != SQLITE_INTEGER || sqlite3_column_int64(stmt, 0) != HC_FORMAT ||
            sqlite3_column_type(stmt, 1) != SQLITE_INTEGER || sqlite3_column_type(stmt, 2) != SQLITE_INTEGER ||
            options_type != SQLITE_TEXT || sqlite3_column_type(stmt, 4) != SQLITE_INTEGER ||
            sqlite3_column_bytes(stmt, 3) > OPTIONS_MOST || sqlite3_column_type(stmt, 5) != SQLITE_BLOB ||
            sqlite3_column_bytes(stmt, 5) != STATE_BYTES) {
            rc = SQLITE_CORRUPT_VTAB;
        } else if (!options || !state) {
            rc = SQLITE_NOMEM;
        } else {
            meta->store = sqlite3_column_int64(stmt, 1);
            meta->seed = (uint64_t)sqlite3_column_int64(stmt, 2);
            meta->options = (const char *)options;
            copy_state(state, &meta->state);
            meta->outside = (uint64_t)sqlite3_column_int64(stmt, 4) - meta->state.changes;
            if (meta->state.entries >= 0 && meta->state.entries <= COUNTER_MOST && meta->state.bytes >= 0 &&
                meta->state.bytes <= COUNTER_MOST)
                return SQLITE_OK;
            rc = SQLITE_CORRUPT_VTAB;
        }
    } else if (rc == SQLITE_DONE) {
        rc = SQLITE_CORRUPT_VTAB;
    }
    hc_l2_close(l2, HC_L2_META);
    rc = hc_l2_failure(l2, rc);
    if (rc == SQLITE_CORRUPT_VTAB)
        tell_format(l2, message);
    return rc;
}

/*
** Through the incremental blob interface, not an UPDATE: this runs in xSync,
** and an UPDATE there would leave its own count behind as changes():
**
**     BEGIN; DELETE FROM cache; COMMIT; SELECT changes();  -- the rows deleted
*/
static int write_state(HcL2 *l2, const HcState *state) {
    unsigned char blob[STATE_BYTES];
    sqlite3_blob *handle = NULL;
    char *table = sqlite3_mprintf("%s_%s", l2->name, hc_l2_suffixes[1]);
    int rc = table ? sqlite3_blob_open(l2->db, l2->schema, table, "state", 1, 1, &handle) : SQLITE_NOMEM;
    copy_state(state, blob);
    if (rc == SQLITE_OK && sqlite3_blob_bytes(handle) != STATE_BYTES)
        rc = SQLITE_CORRUPT_VTAB;
    if (rc == SQLITE_OK)
        rc = sqlite3_blob_write(handle, blob, STATE_BYTES, 0);
    int closed = sqlite3_blob_close(handle);
    sqlite3_free(table);
    return rc == SQLITE_OK ? closed : rc;
}

static int is_query_only(sqlite3 *db) {
    sqlite3_stmt *stmt = NULL;
    int on = sqlite3_prepare_v2(db, "PRAGMA query_only", -1, &stmt, NULL) == SQLITE_OK &&
             sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    return on;
}

/*
** What was written before may be committed, and SQLite would roll it all back if we refused:
**
**     BEGIN; INSERT INTO cache ...; PRAGMA query_only = 1; COMMIT;
*/
int hc_l2_write_state(HcL2 *l2, const HcState *state) {
    int rc = write_state(l2, state);
    if (rc == SQLITE_READONLY && is_query_only(l2->db)) {
        rc = sqlite3_exec(l2->db, "PRAGMA query_only = 0", NULL, NULL, NULL);
        /* It may be off even where that fails (the PRAGMA has its effect when it is parsed), unless it was denied. */
        l2->write_enabled = rc != SQLITE_AUTH;
        if (rc == SQLITE_OK)
            rc = write_state(l2, state);
        hc_l2_put_back(l2);
    }
    return hc_l2_failure(l2, rc);
}

int hc_l2_put_back(HcL2 *l2) {
    int rc = SQLITE_OK;
    /* Twice: of two allocations in a row seldom both fail. */
    for (int i = 0; l2->write_enabled && i < 2; i++) {
        rc = sqlite3_exec(l2->db, "PRAGMA query_only = 1", NULL, NULL, NULL);
        l2->write_enabled = rc != SQLITE_OK && rc != SQLITE_AUTH && !is_query_only(l2->db);
    }
    return l2->write_enabled ? rc : SQLITE_OK;
}

int hc_l2_write_options(HcL2 *l2, const char *options) {
    sqlite3_stmt *stmt;
    int rc = hc_l2_open(l2, HC_L2_META_OPTIONS, &stmt);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(stmt, 1, options, -1, SQLITE_STATIC);
    return rc == SQLITE_OK ? hc_l2_run(l2, HC_L2_META_OPTIONS) : rc;
}

int hc_l2_write_meta(HcL2 *l2, const HcMeta *meta) {
    unsigned char blob[STATE_BYTES];
    sqlite3_stmt *stmt;
    int rc = hc_l2_open(l2, HC_L2_META_REPLACE, &stmt);
    uint64_t changes = meta->state.changes + meta->outside;
    copy_state(&meta->state, blob);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int(stmt, 1, HC_FORMAT);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(stmt, 2, meta->store);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(stmt, 3, (sqlite3_int64)meta->seed);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(stmt, 4, meta->options, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_blob(stmt, 5, blob, STATE_BYTES, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(stmt, 6, (sqlite3_int64)changes);
    return rc == SQLITE_OK ? hc_l2_run(l2, HC_L2_META_REPLACE) : rc;
}

/* ---------------------------------------------------------------- the rows */

uint64_t hc_row_sum_head(const HcRow *row) {
    HcKey key;
    uint64_t bits;
    double expires = row->expires + 0.0; /* -0.0 is stored as the integer 0 */
    hc_key_make(&row->key, &key);
    memcpy(&bits, &expires, sizeof bits);
    return hc_key_hash(&key, 16) ^ hc_mix(bits, hc_value_hash(&row->tag, 32));
}

uint64_t hc_row_sum(const HcRow *row) {
    return hc_row_sum_head(row) ^ hc_value_hash(&row->value, 48);
}

sqlite3_int64 hc_row_size(const HcRow *row) {
    return (sqlite3_int64)row->key.n + row->value.n + row->tag.n + HC_ROW_OVERHEAD;
}

int hc_l2_read_row(sqlite3_stmt *stmt, int utf16, int with_value, HcRow *row) {
    /* sqlite3_value_...() takes no mutex, each sqlite3_column_...() does; we are inside the connection's already. */
    sqlite3_value *expires = sqlite3_column_value(stmt, 2);
    sqlite3_value *due = sqlite3_column_value(stmt, 3);
    sqlite3_value *size = sqlite3_column_value(stmt, 5);
    sqlite3_value *sum = sqlite3_column_value(stmt, 6);
    memset(row, 0, sizeof *row);
    row->id = sqlite3_column_int64(stmt, 0);
    int rc = hc_value_read(sqlite3_column_value(stmt, 1), utf16, &row->key);
    if (rc == SQLITE_OK)
        rc = hc_value_read(sqlite3_column_value(stmt, 4), utf16, &row->tag);
    if (rc == SQLITE_OK && with_value)
        rc = hc_value_read(sqlite3_column_value(stmt, 7), utf16, &row->value);
    if (rc != SQLITE_OK)
        return rc;
    int expires_type = sqlite3_value_type(expires);
    int due_type = sqlite3_value_type(due);
    int sum_type = sqlite3_value_type(sum);
    int size_type = sqlite3_value_type(size);
    row->expires = sqlite3_value_double(expires);
    row->due = sqlite3_value_double(due);
    row->size = sqlite3_value_int64(size);
    row->sum = (uint64_t)sqlite3_value_int64(sum);
    row->has_sum = sum_type == SQLITE_INTEGER;
    row->damaged = row->key.type == SQLITE_NULL || (expires_type != SQLITE_INTEGER && expires_type != SQLITE_FLOAT) ||
                   (due_type != SQLITE_INTEGER && due_type != SQLITE_FLOAT) || row->due > row->expires ||
                   (row->tag.type != SQLITE_TEXT && row->tag.type != SQLITE_NULL) || size_type != SQLITE_INTEGER ||
                   row->size < 0 || (sum_type != SQLITE_INTEGER && sum_type != SQLITE_NULL) ||
                   (with_value && row->has_sum && row->sum != hc_row_sum(row));
    return SQLITE_OK;
}

int hc_l2_next(HcL2 *l2, HcStatement id, HcRow *row) {
    sqlite3_stmt *stmt = l2->statements[id];
    int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        int read = hc_l2_read_row(stmt, l2->utf16, id == HC_L2_FIND || id == HC_L2_WALK, row);
        if (read == SQLITE_OK)
            return SQLITE_ROW;
        rc = read;
    }
    hc_l2_close(l2, id);
    return hc_l2_failure(l2, rc);
}

int hc_l2_find(HcL2 *l2, HcStatement find_or_head, const HcKey *key, HcRow *row) {
    sqlite3_stmt *stmt;
    int rc = hc_l2_open(l2, find_or_head, &stmt);
    if (rc == SQLITE_OK)
        rc = hc_value_bind(stmt, 1, &key->form);
    if (rc == SQLITE_OK)
        return hc_l2_next(l2, find_or_head, row);
    hc_l2_close(l2, find_or_head);
    return rc;
}

int hc_l2_find_id(HcL2 *l2, sqlite3_int64 id, HcRow *row) {
    sqlite3_stmt *stmt;
    int rc = hc_l2_open(l2, HC_L2_ROW, &stmt);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(stmt, 1, id);
    return rc == SQLITE_OK ? hc_l2_next(l2, HC_L2_ROW, row) : rc;
}

static int bind_expires(sqlite3_stmt *stmt, int index, double expires) {
    /* A whole number of seconds is an INTEGER: shorter, and what unixepoch() gives. */
    if (expires > -9e15 && expires < 9e15 && (double)(sqlite3_int64)expires == expires)
        return sqlite3_bind_int64(stmt, index, (sqlite3_int64)expires);
    return sqlite3_bind_double(stmt, index, expires);
}

int hc_l2_write(HcL2 *l2, HcStatement how, const HcRow *row) {
    sqlite3_stmt *stmt;
    int head = how != HC_L2_REWRITE && how != HC_L2_EXTEND;
    int rc = hc_l2_open(l2, how, &stmt);
    if (rc == SQLITE_OK && how != HC_L2_INSERT)
        rc = sqlite3_bind_int64(stmt, 1, row->id);
    if (rc == SQLITE_OK && head)
        rc = hc_value_bind(stmt, 2, &row->key);
    if (rc == SQLITE_OK)
        rc = bind_expires(stmt, 3, row->expires);
    if (rc == SQLITE_OK && head)
        rc = hc_value_bind(stmt, 4, &row->tag);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(stmt, 5, row->size);
    if (rc == SQLITE_OK && row->has_sum)
        rc = sqlite3_bind_int64(stmt, 6, (sqlite3_int64)row->sum);
    if (rc == SQLITE_OK && how != HC_L2_TOUCH && how != HC_L2_EXTEND)
        rc = hc_value_bind(stmt, 7, &row->value);
    if (rc == SQLITE_OK)
        return hc_l2_run(l2, how);
    hc_l2_close(l2, how);
    return rc;
}

int hc_l2_run_id(HcL2 *l2, HcStatement statement, sqlite3_int64 id) {
    sqlite3_stmt *stmt;
    int rc = hc_l2_open(l2, statement, &stmt);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(stmt, 1, id);
    return rc == SQLITE_OK ? hc_l2_run(l2, statement) : rc;
}

/* --------------------------------------------------------------- the scans */

int hc_l2_scan_open(HcL2 *l2, int shape, sqlite3_stmt **stmt) {
    if (l2->spare && l2->spare_shape == shape) {
        *stmt = l2->spare;
        l2->spare = NULL;
        return SQLITE_OK;
    }
    static const char *const columns[] = {"", "key", "tag", "expires"};
    const char *column = columns[shape & HC_SCAN_BY];
    const char *glue = " WHERE ";
    sqlite3_str *sql = sqlite3_str_new(NULL);
    sqlite3_str_appendf(sql, "SELECT " HEAD_COLUMNS ", value FROM \"%w\".\"%w_%s\"", l2->schema, l2->name,
                        hc_l2_suffixes[0]);
    if ((shape & HC_SCAN_BY) == HC_SCAN_TAG) {
        sqlite3_str_appendf(sql, "%stag = ?1", glue);
        glue = " AND ";
    }
    if (shape & (HC_SCAN_GT | HC_SCAN_GE)) {
        sqlite3_str_appendf(sql, "%s%s %s ?1", glue, column, shape & HC_SCAN_GT ? ">" : ">=");
        glue = " AND ";
    }
    if (shape & (HC_SCAN_LT | HC_SCAN_LE)) {
        sqlite3_str_appendf(sql, "%s%s %s ?2", glue, column, shape & HC_SCAN_LT ? "<" : "<=");
        glue = " AND ";
        /* What expires before a moment is due before it: that is the index. */
        if ((shape & HC_SCAN_BY) == HC_SCAN_EXPIRES)
            sqlite3_str_appendf(sql, " AND due <= ?2");
    }
    if (shape & HC_SCAN_LIVE)
        sqlite3_str_appendf(sql, "%sexpires > ?3", glue);
    /*
    ** Always a total order, the one of the index where there is one. Otherwise it would follow from the statistics that
    ** this connection has of the table, which are its own, and an UPDATE of many rows would write in another order elsewhere:
    **
    **     ANALYZE; UPDATE cache SET value = value || 'x' WHERE key > 'k';
    */
    switch (shape & HC_SCAN_ORDER ? HC_SCAN_KEY : shape & HC_SCAN_BY) {
    case HC_SCAN_KEY:
        sqlite3_str_appendf(sql, " ORDER BY key%s", shape & HC_SCAN_DESC ? " DESC" : "");
        break;
    case HC_SCAN_EXPIRES:
        sqlite3_str_appendall(sql, " ORDER BY due, id");
        break;
    default:
        sqlite3_str_appendall(sql, " ORDER BY id");
        break;
    }
    return prepare(l2, sqlite3_str_finish(sql), stmt);
}

void hc_l2_scan_close(HcL2 *l2, int shape, unsigned generation, sqlite3_stmt *stmt) {
    if (!stmt)
        return;
    if (generation != l2->generation) {
        /* SELECT * FROM old (being stepped); ALTER TABLE old RENAME TO new; */
        sqlite3_finalize(stmt);
        return;
    }
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    sqlite3_finalize(l2->spare);
    l2->spare = stmt;
    l2->spare_shape = shape;
}

/* ------------------------------------------------------------------ messages */

char *hc_l2_message(HcL2 *l2, int rc) {
    char *message = NULL;
    switch (rc & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        tell_format(l2, &message);
        if (message)
            return message;
        return sqlite3_mprintf(
            "hybrid_cache: the storage of \"%w\" is missing or damaged: run INSERT INTO \"%w\"(\"%w\") "
            "VALUES('rebuild'), or DROP TABLE and create it anew",
            l2->name, l2->name, l2->name);
    case SQLITE_ERROR:
        return sqlite3_mprintf("hybrid_cache: \"%w\": %s, or a limit of this connection is too low", l2->name,
                               sqlite3_errstr(rc));
    default:
        return sqlite3_mprintf("hybrid_cache: \"%w\": %s", l2->name, sqlite3_errstr(rc));
    }
}
