/*
** guard.c: who writes to the data tables of this connection: the cache, or somebody else?
*/
#include "guard.h"

static int compare(void *context, int n1, const void *text1, int n2, const void *text2) {
    HcGuard *guard = context;
    (void)n1, (void)text1, (void)n2, (void)text2;
    if (guard->own)
        return 0;
    guard->outside++;
    return 1;
}

int hc_guard_register(sqlite3 *db, HcGuard *guard) {
    return sqlite3_create_collation_v2(db, HC_GUARD_COLLATION, SQLITE_UTF8, guard, compare, NULL);
}

void hc_guard_unregister(sqlite3 *db) {
    sqlite3_create_collation_v2(db, HC_GUARD_COLLATION, SQLITE_UTF8, NULL, NULL, NULL);
}
