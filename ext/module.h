/*
** module.h: the virtual table hybrid_cache.
*/
#ifndef HC_MODULE_H
#define HC_MODULE_H

#include "cache.h"

typedef struct HcCursor HcCursor;

typedef struct HcTable {
    sqlite3_vtab base;
    HcCache *cache;
    HcCursor *cursors; /* open ones, the newest first */
    HcCursor *spare;   /* a closed one, kept for the next xOpen */
    double now;        /* the clock of the cursor that was filtered last */
} HcTable;

/* The columns, in the order of the declaration. */
enum { HC_COLUMN_KEY, HC_COLUMN_VALUE, HC_COLUMN_EXPIRES, HC_COLUMN_TTL, HC_COLUMN_TAG, HC_COLUMN_COMMAND };

struct HcCursor {
    sqlite3_vtab_cursor base;
    HcCursor *next;
    double now;  /* the clock, read once in the life of the cursor: once per statement */
    int started; /* `now` is set */
    int eof;
    HcEntry *entry;      /* a look-up by key: its result */
    int shape;           /* a scan: its statement, see l2.h */
    unsigned generation; /* of the L2 when it was prepared */
    sqlite3_stmt *scan;
    int phase;    /* a prefix scan: which part of the key order it is in */
    char *prefix; /* of LIKE in lower case; then the letter L or G, which prefix_n does not count */
    int prefix_n;
    HcRow row; /* a scan: the present row, borrowed from the statement */
};

int hc_module_register(HcConnection *connection);

/* cursor.c */
int hc_best_index(sqlite3_vtab *vtab, sqlite3_index_info *info);
int hc_cursor_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out);
int hc_cursor_close(sqlite3_vtab_cursor *base);
int hc_cursor_filter(sqlite3_vtab_cursor *base, int plan, const char *plan_name, int argc, sqlite3_value **argv);
int hc_cursor_next(sqlite3_vtab_cursor *base);
int hc_cursor_eof(sqlite3_vtab_cursor *base);
int hc_cursor_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column);

/* update.c */
int hc_table_update(sqlite3_vtab *vtab, int argc, sqlite3_value **argv, sqlite3_int64 *rowid);

/* Sets the error text of the virtual table, taking `message`; without one, that of the failure. Returns rc. */
int hc_table_fail(HcTable *table, int rc, char *message);

#endif
