/*
** scripts.h - what is done to a cache while something fails.
*/
#ifndef SCRIPTS_H
#define SCRIPTS_H

#include <sqlite3.h>

typedef struct {
    const char *sql;         /* a row whose first column is 0: a wrong answer; or see below */
    const char *acknowledge; /* if `sql` succeeds, this is true at the end: no later step takes it back */
    int error;               /* what `sql` has to fail with, where there is no fault */
} Step;

enum {
    TRANSACTION = 1, /* a failed step ends the script: what follows presumes it */
    LOSSY = 2,       /* the cache may drop what `app` has */
    RENAMING = 4,    /* the cache may have another name meanwhile */
    COLD = 8,        /* loading the extension and the first reading belong to the script */
    LOOSE = 16,      /* the L1 may have what L2 has not */
    ROLLBACK = 32,   /* not in WAL mode */
    ALONE = 64,      /* nobody else has the file open: who closes it has work to do */
    SEALED = 128,    /* the last step but one turns query_only on: if it succeeds, that stays on */
    /* In the bounded form as well, every N is tried in one mode: */
    DENSE = 256, /* of interrupts */
    BASIC = 512  /* of allocations and, in another mode, of file calls */
};

/* In front of SQL that another connection runs, without a fault; what it has written is what is read from then on. */
#define BY_OTHER "@"
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
