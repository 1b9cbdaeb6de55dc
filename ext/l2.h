/*
** l2.h: the disk tier of one cache: its shadow tables and the statements on them.
**
** Knows no L1. Every function that reads or writes returns a result code of
** SQLite. Statements are prepared on first use, belong to the virtual table
** (sqlite3_close() would refuse if functions or the module kept them), and are
** handed back reset: whoever opens one closes it before returning to SQLite.
*/
#ifndef HC_L2_H
#define HC_L2_H

#include "tally.h"
#include "value.h"

#define HC_FORMAT 2

/* What a row costs beside key, value and tag: record headers, two index entries, their cells. */
#define HC_ROW_OVERHEAD 64

/* Keys fall into so many buckets; a changed bucket tells the others' L1 what to forget. */
#define HC_BUCKETS 256

/* The `state` of the meta row, see sql/schema.sql: the blob is these words, little-endian. */
typedef struct HcState {
    uint64_t version; /* changes with every write, chained over what was written */
    sqlite3_int64 entries;
    sqlite3_int64 bytes;
    sqlite3_int64 hand; /* the sweep of eviction continues after this id */
    uint64_t changes;   /* of the data table, made by caches */
    uint64_t swept;     /* rows that the sweep has passed */
    uint64_t reserved[2];
    uint64_t bucket[HC_BUCKETS];
} HcState;

typedef struct HcMeta {
    sqlite3_int64 store;
    uint64_t seed;
    const char *options; /* borrowed until hc_l2_close */
    uint64_t outside;    /* changes of the data table that were not the caches' */
    HcState state;
} HcMeta;

typedef struct HcRow {
    sqlite3_int64 id;
    HcValue key, tag, value;
    double expires;
    double due; /* not later than `expires`: when a purge looks at the row */
    sqlite3_int64 size;
    int has_sum;
    uint64_t sum;
    int damaged; /* a column has a type or the row a checksum that it cannot have */
} HcRow;

typedef enum HcStatement {
    HC_L2_META,
    HC_L2_META_OPTIONS,
    HC_L2_META_REPLACE,
    HC_L2_CHANGES,  /* of the data table, whoever made them */
    HC_L2_FIND,     /* a row by key, the value with it */
    HC_L2_HEAD,     /* the same without the value */
    HC_L2_ROW,      /* the same by id */
    HC_L2_INSERT,   /* from here to CLEAR: what the triggers of the data table count */
    HC_L2_REPLACE,  /* all columns of a row by id */
    HC_L2_REWRITE,  /* the same but key, due and tag, whose indexes are left alone then */
    HC_L2_TOUCH,    /* all but the value */
    HC_L2_EXTEND,   /* the same but key, due and tag */
    HC_L2_DELETE,   /* by id */
    HC_L2_CLEAR,    /* all rows */
    HC_L2_POSTPONE, /* due at the deadline, by id */
    HC_L2_USE,      /* the use bit on, by id; a row that has it is not written */
    HC_L2_USE_KEY,  /* the same by key */
    HC_L2_UNUSE,    /* the use bit off, by id */
    HC_L2_DUE,      /* in the order of `due` */
    HC_L2_SWEEP,    /* in the order of writing, after an id */
    HC_L2_WALK,     /* all rows with their values, by id */
    HC_L2_STATEMENTS
} HcStatement;

/* How a scan restricts and orders: bits of the index number of the planner. */
enum {
    HC_SCAN_ALL = 0,
    HC_SCAN_KEY = 1,     /* key between two bounds */
    HC_SCAN_TAG = 2,     /* tag = ? */
    HC_SCAN_EXPIRES = 3, /* expires between two bounds; the upper one is served by the index on due */
    HC_SCAN_BY = 3,      /* mask of the above */
    HC_SCAN_GT = 4,
    HC_SCAN_GE = 8,
    HC_SCAN_LT = 16,
    HC_SCAN_LE = 32,
    HC_SCAN_ORDER = 64, /* in the order of the key */
    HC_SCAN_DESC = 128,
    HC_SCAN_LIVE = 256, /* only rows that expire after the last parameter */
    HC_SCANS = 512
};

typedef struct HcL2 {
    sqlite3 *db;
    HcTally *tally;   /* of the connection */
    uint64_t changes; /* that our statements made in the data table, as its triggers count them */
    char *schema;
    char *name;
    int utf16;
    sqlite3_stmt *statements[HC_L2_STATEMENTS];
    /* One idle scan kept for the next cursor of the same shape. */
    sqlite3_stmt *spare;
    int spare_shape;
    int write_enabled;   /* 1 = PRAGMA query_only was taken off, and could not be put back yet */
    unsigned generation; /* rises when statements become those of another table: a rename */
} HcL2;

/* The suffixes of the shadow tables, NULL-terminated, the data table first: create, drop, rename and xShadowName go by it. */
extern const char *const hc_l2_suffixes[];

int hc_l2_init(HcL2 *l2, sqlite3 *db, HcTally *tally, const char *schema, const char *name);
void hc_l2_finalize(HcL2 *l2); /* the statements; they come back on demand */
void hc_l2_free(HcL2 *l2);

/* The columns of HEAD; what a statement reads besides comes after them. */
#define HC_L2_HEAD_COLUMNS 7

/* %1 and %2 of a statement, or {schema}, {name} and {n} of the schema, as SQL. Free with sqlite3_free. */
char *hc_l2_expand(const HcL2 *l2, const char *text, int n);

/* l2_schema.c: the DDL. *message gets the text of a failure that a user can do something about. */
int hc_l2_create(HcL2 *l2, const char *options, int draw, char **message);
int hc_l2_drop(HcL2 *l2);
/* 1 if the shadow tables do not exist. */
int hc_l2_is_gone(HcL2 *l2);
/* Makes those of the tables that do not exist, empty. */
int hc_l2_restore(HcL2 *l2);
int hc_l2_rename(HcL2 *l2, const char *name, char **message);
/* Is an index or a trigger missing? *what tells which ("the index on due"), NULL: none. */
int hc_l2_missing(HcL2 *l2, const char **what);
/* Makes what is missing. */
int hc_l2_mend(HcL2 *l2);
/* Brings the tables of the first format up to this one; harmless where that was done. */
int hc_l2_upgrade(HcL2 *l2);
/* Empties the data table. `rows`: how many there are. */
int hc_l2_clear(HcL2 *l2, sqlite3_int64 rows);

/* Opens the statement: prepared, ready to be bound. NULL stays in *stmt on failure. */
int hc_l2_open(HcL2 *l2, HcStatement id, sqlite3_stmt **stmt);
/* 1 if names or settings of the connection may mean something else than when the meta row was read last. */
static inline int hc_l2_expired(const HcL2 *l2) {
    return l2->statements[HC_L2_META] && hc_host_expired(l2->statements[HC_L2_META]);
}
/* 1 if somebody has changed the schema, or put another file in its place, between this reading of the meta row and the last. */
static inline int hc_l2_schema_changed(const HcL2 *l2) {
    return sqlite3_stmt_status(l2->statements[HC_L2_META], SQLITE_STMTSTATUS_REPREPARE, 1) != 0;
}
/* The code of a failure of one of our statements: a missing or replaced shadow table is SQLITE_CORRUPT_VTAB. */
int hc_l2_failure(HcL2 *l2, int rc);
/* Resets it and drops what it borrowed. Harmless where it is not open. */
void hc_l2_close(HcL2 *l2, HcStatement id);
/* Steps once and closes, for writes: hc_l2_open and the bindings come first. */
int hc_l2_run(HcL2 *l2, HcStatement id);

/*
** Reads the meta row and leaves the statement (and so the read transaction)
** open. SQLITE_CORRUPT_VTAB where it is missing, malformed or of another format
** (then *message tells which).
*/
int hc_l2_meta(HcL2 *l2, HcMeta *meta, char **message);
/* Changes of the data table, whoever made them. */
int hc_l2_changes(HcL2 *l2, uint64_t *changes);
/* The format that the meta row names, 0 if it cannot be read. */
sqlite3_int64 hc_l2_format(HcL2 *l2);
int hc_l2_write_state(HcL2 *l2, const HcState *state);
/* Puts query_only back where hc_l2_write_state() could not: no memory, interrupted. Before anything else. */
int hc_l2_put_back(HcL2 *l2);
int hc_l2_write_options(HcL2 *l2, const char *options);
/* A new meta row, whatever was there. */
int hc_l2_write_meta(HcL2 *l2, const HcMeta *meta);

/* SQLITE_ROW (row filled, statement open), SQLITE_DONE (closed) or an error (closed). */
int hc_l2_find(HcL2 *l2, HcStatement find_or_head, const HcKey *key, HcRow *row);
/* The same for a row without its value; the statement is HC_L2_ROW. */
int hc_l2_find_id(HcL2 *l2, sqlite3_int64 id, HcRow *row);
/* Steps a statement whose columns are those of HEAD (and value): as above. */
int hc_l2_next(HcL2 *l2, HcStatement id, HcRow *row);
/* Reads the present row of such a statement. */
int hc_l2_read_row(sqlite3_stmt *stmt, int utf16, int with_value, HcRow *row);

/* INSERT (row->id is ignored), REPLACE, REWRITE, TOUCH or EXTEND (by row->id). */
int hc_l2_write(HcL2 *l2, HcStatement how, const HcRow *row);
/* DELETE, POSTPONE, UNUSE: what needs no more than the id. */
int hc_l2_run_id(HcL2 *l2, HcStatement statement, sqlite3_int64 id);

/* A scan of its own statement, for a cursor. Bound by the caller: ?1 low or tag, ?2 high, ?3 now. */
int hc_l2_scan_open(HcL2 *l2, int shape, sqlite3_stmt **stmt);
void hc_l2_scan_close(HcL2 *l2, int shape, unsigned generation, sqlite3_stmt *stmt);

/* The checksum, and the part of it that a touch changes. */
uint64_t hc_row_sum(const HcRow *row);
uint64_t hc_row_sum_head(const HcRow *row);
sqlite3_int64 hc_row_size(const HcRow *row);

/* A text for a failure of L2 that names the cache and the remedy and no shadow table. Free with sqlite3_free. */
char *hc_l2_message(HcL2 *l2, int rc);

#endif
