/*
** stats.h: the counters, and the table that names them.
*/
#ifndef HC_STATS_H
#define HC_STATS_H

#include "host.h"

/* One number an event: the activity of this connection. */
typedef struct HcStats {
    sqlite3_int64 gets; /* look-ups by key = l1_hits + l2_hits + misses */
    sqlite3_int64 l1_hits;
    sqlite3_int64 l2_hits;
    sqlite3_int64 misses;
    sqlite3_int64 puts;        /* entries stored by INSERT or changed by UPDATE */
    sqlite3_int64 deletes;     /* entries removed by DELETE */
    sqlite3_int64 promotions;  /* L2 hits that went into L1 */
    sqlite3_int64 expired;     /* expired rows purged, by writes and by command */
    sqlite3_int64 last_purge;  /* rows removed by the last purge command */
    sqlite3_int64 l2_evicted;  /* rows that l2_entries and l2_bytes pushed out */
    sqlite3_int64 invalidated; /* L1 entries dropped because another connection changed them */
    sqlite3_int64 rolled_back; /* writes whose keys the L1 forgot by a rollback */
    sqlite3_int64 validations; /* looks at the meta row */
    sqlite3_int64 l2_errors;   /* failures of L2 that became a miss or an L1-only write */
    sqlite3_int64 corrupt;     /* damaged rows met */
    sqlite3_int64 oversize;    /* entries too large for L1 */
} HcStats;

/* What is not a member of HcStats. */
typedef enum HcGauge {
    HC_GAUGE_NONE,
    HC_GAUGE_L1_COUNT,
    HC_GAUGE_L2_COUNT,
    HC_GAUGE_L1_BYTES,
    HC_GAUGE_L2_BYTES,
    HC_GAUGE_HIT_RATIO,
    HC_GAUGE_L1_EVICTED,
    HC_GAUGE_LAST_ERROR
} HcGauge;

typedef struct HcFigure {
    const char *name;
    HcGauge gauge;
    size_t offset; /* of the member of HcStats, where gauge is NONE */
} HcFigure;

/* In the order in which the JSON object and the table-valued function show them. */
extern const HcFigure hc_figure_list[];
extern const int hc_figure_count;

static inline sqlite3_int64 hc_figure_counter(const HcStats *stats, const HcFigure *figure) {
    return *(const sqlite3_int64 *)(const void *)((const char *)stats + figure->offset);
}

#endif
