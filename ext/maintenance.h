/*
** maintenance.h: looking for damage in L2, and mending it.
*/
#ifndef HC_MAINTENANCE_H
#define HC_MAINTENANCE_H

#include "cache.h"

/*
** Compares rows, counters and checksums. SQLITE_OK; SQLITE_CORRUPT_VTAB with the
** findings (the first ten) in *message; or another failure to look.
*/
int hc_maintenance_check(HcCache *cache, char **message);

/*
** Makes counters and indexes anew from the rows, drops damaged ones, and a new
** meta row where that is damaged (options are then what they were last known to
** be here, or the defaults). Inside a write transaction. A newer format is refused, with
** its *message.
*/
int hc_maintenance_rebuild(HcCache *cache, char **message);

#endif
