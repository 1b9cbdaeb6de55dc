/*
** l2_schema.c: the DDL of the shadow tables: made, renamed, mended, dropped.
*/
#include "l2.h"
#include "schema.h"

const char *const hc_l2_suffixes[] = {"data", "meta", NULL};

/* What belongs to the data table, in the order of schema.sql. By its text it is found under whatever name. */
static const struct {
    const char *type;
    const char *name; /* what follows NAME_data_ in its own name */
    const char *pattern;
    const char *what;
} parts[] = {
    {"index", "due", "%(due)", "the index on due"},
    {"index", "tag", "%(tag)%", "the index on tag"},
    {"trigger", "insert", "%AFTER INSERT ON%SET changes = changes + 1%", "the trigger on INSERT"},
    {"trigger", "update", "%AFTER UPDATE OF%SET changes = changes + 1%", "the trigger on UPDATE"},
    {"trigger", "delete", "%AFTER DELETE ON%SET changes = changes + 1%", "the trigger on DELETE"},
};
#define PARTS (int)(sizeof parts / sizeof parts[0])

/* Emptying more rows than this row by row would be felt. */
#define CLEARED_ROW_BY_ROW 10000

static int execute(HcL2 *l2, char *sql, char **error) {
    int rc = SQLITE_NOMEM;
    if (sql) {
        unsigned begin = hc_tally_begin(l2->db);
        rc = sqlite3_exec(l2->db, sql, NULL, NULL, error);
        hc_tally_end(l2->tally, l2->db, begin);
    }
    sqlite3_free(sql);
    return rc;
}

/* The first text of a query in *text, NULL if it has no row. Takes `sql`. Free *text with sqlite3_free. */
static int read_text(HcL2 *l2, char *sql, char **text) {
    sqlite3_stmt *stmt = NULL;
    int rc = sql ? sqlite3_prepare_v2(l2->db, sql, -1, &stmt, NULL) : SQLITE_NOMEM;
    *text = NULL;
    sqlite3_free(sql);
    if (rc == SQLITE_OK) {
        if (sqlite3_step(stmt) == SQLITE_ROW && !(*text = sqlite3_mprintf("%s", sqlite3_column_text(stmt, 0))))
            rc = SQLITE_NOMEM;
        int finalized = sqlite3_finalize(stmt);
        rc = rc == SQLITE_OK ? finalized : rc;
    }
    return rc;
}

/* ------------------------------------------------------------------ parts */

/* The name of a part of the data table, NULL if it is not there. */
static int find_part(HcL2 *l2, int part, char **name) {
    return read_text(l2,
                     sqlite3_mprintf("SELECT name FROM \"%w\".sqlite_master WHERE type = '%s' AND "
                                     "tbl_name = '%q_data' COLLATE NOCASE AND sql LIKE '%q'",
                                     l2->schema, parts[part].type, l2->name, parts[part].pattern),
                     name);
}

/*
** The number under which no part's name is taken: an index keeps its name when its table is
** renamed. The same answer on every node.
*/
static int free_number(HcL2 *l2, int *number) {
    int rc = SQLITE_OK;
    for (*number = 0; rc == SQLITE_OK; *number = *number ? *number + 1 : 2) {
        char *taken = NULL, digits[16] = "";
        if (*number)
            sqlite3_snprintf(sizeof digits, digits, "%d", *number);
        /* One look for all: without an index on names, each reads the whole schema. */
        sqlite3_str *sql = sqlite3_str_new(NULL);
        sqlite3_str_appendf(sql, "SELECT 1 FROM \"%w\".sqlite_master WHERE name COLLATE NOCASE IN (", l2->schema);
        for (int i = 0; i < PARTS; i++)
            sqlite3_str_appendf(sql, "%s'%q_data_%s%s'", i ? ", " : "", l2->name, parts[i].name, digits);
        sqlite3_str_appendall(sql, ")");
        rc = read_text(l2, sqlite3_str_finish(sql), &taken);
        sqlite3_free(taken);
        if (!taken)
            break;
    }
    return rc;
}

int hc_l2_missing(HcL2 *l2, const char **what) {
    int rc = SQLITE_OK;
    *what = NULL;
    for (int i = 0; rc == SQLITE_OK && !*what && i < PARTS; i++) {
        char *name;
        rc = find_part(l2, i, &name);
        if (rc == SQLITE_OK && !name)
            *what = parts[i].what;
        sqlite3_free(name);
    }
    return rc;
}

/* The statement of schema.sql that makes what is called `word` there, and ends with `last`; it is there. */
static char *statement_of(HcL2 *l2, const char *word, const char *last, int number) {
    const char *begin = strstr(hc_schema_sql, word), *end = strstr(begin, last);
    while (strncmp(begin, "CREATE ", 7) != 0)
        begin--;
    char *text = sqlite3_mprintf("%.*s", (int)(end - begin) + (int)strlen(last), begin);
    char *sql = text ? hc_l2_expand(l2, text, number) : NULL;
    sqlite3_free(text);
    return sql;
}

static char *part_sql(HcL2 *l2, int part, int number) {
    char word[64];
    sqlite3_snprintf(sizeof word, word, "_data_%s{n}", parts[part].name);
    /* A trigger has a semicolon inside. */
    return statement_of(l2, word, parts[part].type[0] == 't' ? "END;" : ";", number);
}

int hc_l2_mend(HcL2 *l2) {
    int number = 0;
    int rc = free_number(l2, &number);
    for (int i = 0; rc == SQLITE_OK && i < PARTS; i++) {
        char *name;
        rc = find_part(l2, i, &name);
        if (rc == SQLITE_OK && !name)
            rc = execute(l2, part_sql(l2, i, number), NULL);
        sqlite3_free(name);
    }
    return rc;
}

/* `which`: the name of one in parts[], "" for all of them. */
static int drop_triggers(HcL2 *l2, const char *which) {
    int rc = SQLITE_OK;
    for (int i = 0; rc == SQLITE_OK && i < PARTS; i++) {
        char *name = NULL;
        if (parts[i].type[0] == 't' && (!*which || strcmp(which, parts[i].name) == 0))
            rc = find_part(l2, i, &name);
        if (name)
            rc = execute(l2, sqlite3_mprintf("DROP TRIGGER \"%w\".\"%w\"", l2->schema, name), NULL);
        sqlite3_free(name);
    }
    return rc;
}

/* ----------------------------------------------------------------- tables */

/*
** `draw`: store id and seed are drawn at random. Otherwise (clock=caller) they
** follow from what every node of a statement-replicating engine knows.
*/
int hc_l2_create(HcL2 *l2, const char *options, int draw, char **message) {
    HcMeta meta;
    int n = 0;
    char *error = NULL;
    memset(&meta, 0, sizeof meta);
    if (draw) {
        sqlite3_randomness((int)sizeof meta.store, &meta.store);
        sqlite3_randomness((int)sizeof meta.seed, &meta.seed);
    } else {
        HcValue text = {.type = SQLITE_TEXT, .data = l2->name, .n = (uint32_t)strlen(l2->name)};
        meta.seed = hc_value_hash(&text, 1);
        meta.store = (sqlite3_int64)hc_value_hash(&text, 2);
    }
    meta.state.version = hc_mix((uint64_t)meta.store, meta.seed);
    meta.options = options;
    int rc = free_number(l2, &n);
    if (rc == SQLITE_OK)
        rc = execute(l2, hc_l2_expand(l2, hc_schema_sql, n), &error);
    if (rc == SQLITE_OK)
        rc = hc_l2_write_meta(l2, &meta);
    if (rc == SQLITE_ERROR && error && strstr(error, "already"))
        /* Such as: table "cache_data" already exists. The one message that has to name a shadow table. */
        *message = sqlite3_mprintf("%s: the cache \"%w\" needs this name for itself", error, l2->name);
    else if (rc == SQLITE_ERROR || rc == SQLITE_TOOBIG)
        /* Without a text of ours SQLite says: vtable constructor failed. */
        *message = hc_l2_message(l2, rc);
    sqlite3_free(error);
    return rc;
}

int hc_l2_drop(HcL2 *l2) {
    int rc = SQLITE_OK;
    hc_l2_finalize(l2);
    for (int i = 0; rc == SQLITE_OK && hc_l2_suffixes[i]; i++) {
        rc = execute(l2,
                     sqlite3_mprintf("DROP TABLE IF EXISTS \"%w\".\"%w_%s\"", l2->schema, l2->name, hc_l2_suffixes[i]),
                     NULL);
    }
    return rc;
}

static int is_gone(HcL2 *l2, const char *suffix) {
    char *table = sqlite3_mprintf("%s_%s", l2->name, suffix);
    int gone = table && sqlite3_table_column_metadata(l2->db, l2->schema, table, NULL, NULL, NULL, NULL, NULL, NULL) ==
                            SQLITE_ERROR;
    sqlite3_free(table);
    return gone;
}

int hc_l2_is_gone(HcL2 *l2) {
    return is_gone(l2, hc_l2_suffixes[1]);
}

int hc_l2_restore(HcL2 *l2) {
    int rc = SQLITE_OK;
    for (int i = 0; rc == SQLITE_OK && hc_l2_suffixes[i]; i++) {
        char word[64];
        sqlite3_snprintf(sizeof word, word, "{name}_%s\"(", hc_l2_suffixes[i]);
        if (is_gone(l2, hc_l2_suffixes[i]))
            rc = execute(l2, statement_of(l2, word, "\n);", 0), NULL);
    }
    return hc_l2_failure(l2, rc);
}

int hc_l2_rename(HcL2 *l2, const char *name, char **message) {
    int rc = SQLITE_OK;
    char *error = NULL;
    char *copy = sqlite3_mprintf("%s", name);
    hc_l2_finalize(l2);
    /*
    ** The triggers name the tables; whether a rename changes that depends on the connection:
    **
    **     PRAGMA legacy_alter_table = 1; ALTER TABLE old RENAME TO new;
    */
    if (copy)
        rc = drop_triggers(l2, "");
    for (int i = 0; copy && rc == SQLITE_OK && hc_l2_suffixes[i]; i++) {
        rc = execute(l2,
                     sqlite3_mprintf("ALTER TABLE \"%w\".\"%w_%s\" RENAME TO \"%w_%s\"", l2->schema, l2->name,
                                     hc_l2_suffixes[i], name, hc_l2_suffixes[i]),
                     &error);
    }
    if (!copy)
        rc = SQLITE_NOMEM;
    if (rc == SQLITE_ERROR && error)
        /* Such as: there is already another table with this name: taken_data */
        *message = sqlite3_mprintf("hybrid_cache: cannot rename \"%w\" to \"%w\": %s", l2->name, name, error);
    sqlite3_free(error);
    if (rc == SQLITE_OK) {
        char *before = l2->name;
        l2->name = copy;
        rc = hc_l2_mend(l2);
        /* SQLite undoes what a failed ALTER has done to the tables; the name is ours to undo. */
        l2->name = rc == SQLITE_OK ? copy : before;
        copy = rc == SQLITE_OK ? before : copy;
    }
    sqlite3_free(copy);
    return rc;
}

int hc_l2_upgrade(HcL2 *l2) {
    int rc = SQLITE_OK;
    static const char *const columns[][2] = {{"data", "due DEFAULT 0"}, {"meta", "changes INTEGER"}};
    hc_l2_finalize(l2);
    for (int i = 0; rc == SQLITE_OK && i < 2; i++) {
        char *there, *table = sqlite3_mprintf("%s_%s", l2->name, columns[i][0]);
        rc = read_text(l2,
                       sqlite3_mprintf("SELECT 1 FROM pragma_table_info(%Q, %Q) WHERE name = '%.*s'", table, l2->schema,
                                       (int)strcspn(columns[i][1], " "), columns[i][1]),
                       &there);
        if (rc == SQLITE_OK && !there)
            rc = execute(
                l2, sqlite3_mprintf("ALTER TABLE \"%w\".\"%w\" ADD COLUMN %s", l2->schema, table, columns[i][1]), NULL);
        sqlite3_free(there);
        sqlite3_free(table);
    }
    /* An index in the place of the old one, which only costs now; DROP INDEX would need that nothing is being read. */
    if (rc == SQLITE_OK)
        rc = execute(l2,
                     hc_l2_expand(l2,
                                  "UPDATE %1 SET due = expires; UPDATE %2 SET format = 2 WHERE id = 1; "
                                  "REPLACE INTO %2(id, changes) VALUES(2, 0)",
                                  0),
                     NULL);
    return rc == SQLITE_OK ? hc_l2_mend(l2) : rc;
}

/* After such a failure SQLite may have ended the transaction: what was put aside is back, and nothing must be written. */
static int may_have_ended(int rc) {
    rc &= 0xff;
    return rc == SQLITE_NOMEM || rc == SQLITE_IOERR || rc == SQLITE_INTERRUPT || rc == SQLITE_FULL;
}

/* May the trigger that is put aside be made anew? What an authorizer denies has to show while it is there. */
static int may_mend(HcL2 *l2) {
    int number = 0;
    sqlite3_stmt *stmt = NULL;
    int rc = free_number(l2, &number);
    char *sql = rc == SQLITE_OK ? part_sql(l2, PARTS - 1, number) : NULL;
    rc = sql ? sqlite3_prepare_v2(l2->db, sql, -1, &stmt, NULL) : SQLITE_NOMEM;
    sqlite3_finalize(stmt);
    sqlite3_free(sql);
    return rc == SQLITE_OK;
}

/*
** A DELETE without a WHERE takes pages at a time, but goes row by row where there is a trigger on it. That one
** is put aside meanwhile, unless the schema cannot be written (shared cache), or it is not worth it: other
** connections have to read the schema anew.
*/
int hc_l2_clear(HcL2 *l2, sqlite3_int64 rows) {
    sqlite3_stmt *stmt;
    int aside = rows > CLEARED_ROW_BY_ROW && may_mend(l2);
    uint64_t changes = l2->changes;
    int rc = aside ? drop_triggers(l2, "delete") : SQLITE_OK;
    if ((rc & 0xff) == SQLITE_LOCKED || (rc & 0xff) == SQLITE_AUTH)
        aside = 0;
    else if (rc != SQLITE_OK)
        return rc;
    rc = hc_l2_open(l2, HC_L2_CLEAR, &stmt);
    if (rc == SQLITE_OK)
        rc = hc_l2_run(l2, HC_L2_CLEAR);
    if (aside) {
        l2->changes = changes; /* nobody has counted */
        if (!may_have_ended(rc)) {
            int mended = hc_l2_mend(l2);
            rc = rc == SQLITE_OK ? mended : rc;
        }
    }
    return rc;
}
