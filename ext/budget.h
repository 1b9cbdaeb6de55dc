/*
** budget.h: how much memory the caches of one connection may take together.
**
** Options are in the file, and who has written the file may not decide how much memory the process takes. So
** l1_bytes asks, and the budget grants: it is the application's, see hybrid_cache_memory_limit().
*/
#ifndef HC_BUDGET_H
#define HC_BUDGET_H

#include "host.h"

/* What a connection starts with: two caches of the default l1_bytes. */
#ifndef HC_MEMORY_LIMIT
#define HC_MEMORY_LIMIT (64 << 20)
#endif

/* Miss-ratio curves get a quarter at most: a file with thousands of caches would leave nothing for entries. */
#define HC_BUDGET_CURVES 4

typedef struct HcBudget {
    sqlite3_int64 limit;
    sqlite3_int64 used;   /* L1 entries, what the policies keep, and the curves */
    sqlite3_int64 curves; /* the curves' part of it */
} HcBudget;

#endif
