/*
** scripts.h - what is done to a cache while something fails.
*/
#ifndef SCRIPTS_H
#define SCRIPTS_H

#include <sqlite3.h>

typedef struct {
    const char *sql;         /* a row whose first column is 0: a wrong answer; or REOPEN */
    const char *acknowledge; /* if `sql` succeeds, this is true at the end: no later step takes it back */
    int error;               /* what `sql` has to fail with, where there is no fault */
} Step;

enum {
    TRANSACTION = 1, /* a failed step ends the script: what follows presumes it */
    LOSSY = 2,       /* the cache may drop what `app` has */
    RENAMING = 4,    /* the cache may have another name meanwhile */
    COLD = 8,        /* loading the extension and the first reading belong to the script */
    LOOSE = 16,      /* the L1 may have what L2 has not */
    DENSE = 32,      /* in one mode every interrupt is tried in the bounded form as well */
    ROLLBACK = 64,   /* not in WAL mode */
    ALONE = 256,     /* nobody else has the file open: who closes it has work to do */
    SEALED = 128     /* the last step but one turns query_only on: if it succeeds, that stays on */
};

/* No SQL: the connection is closed, another one opened and the extension loaded. If that fails, the script ends. */
#define REOPEN "(reopen)"

typedef struct {
    const char *name;
    int flags;
    const char *prepare; /* a statement that comes before the fault; NULL: none */
    Step steps[20];
} Script;

/* Conditions and statements that the checks use as well. */
#define GET(key, value) "hybrid_cache_get('cache', '" key "') IS '" value "'"
#define APP(key, value) "INSERT OR REPLACE INTO app VALUES('" key "', '" value "')"

extern const char *const setup[]; /* of the database that every run begins with, ended by NULL */
extern const Script scripts[];
extern const int script_count;

#endif
