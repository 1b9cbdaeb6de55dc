/*
** functions.h: the SQL functions hybrid_cache_...().
**
** None writes the database. All are innocuous, so that triggers and views may use
** them under trusted_schema=OFF.
*/
#ifndef HC_FUNCTIONS_H
#define HC_FUNCTIONS_H

#include "cache.h"

int hc_functions_register(HcConnection *connection);
void hc_functions_unregister(sqlite3 *db);

/* A figure of the statistics, as a value of SQL. `entries` and `bytes` are those of L2. */
void hc_figure_result(HcCache *cache, int figure, sqlite3_int64 entries, sqlite3_int64 bytes, sqlite3_context *context);

/* stats_table.c */
int hc_stats_table_register(HcConnection *connection);

/* mrc_table.c */
int hc_mrc_table_register(HcConnection *connection);

#endif
