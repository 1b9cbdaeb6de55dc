/*
** stats.c: the counters, and the table that names them.
*/
#include "stats.h"

#define COUNTER(member)                                                                                                \
    { #member, HC_GAUGE_NONE, offsetof(HcStats, member) }
#define GAUGE(name, gauge)                                                                                             \
    { name, gauge, 0 }

const HcFigure hc_figure_list[] = {
    GAUGE("l1_count", HC_GAUGE_L1_COUNT),
    GAUGE("l2_count", HC_GAUGE_L2_COUNT),
    GAUGE("l1_bytes", HC_GAUGE_L1_BYTES),
    GAUGE("l2_bytes", HC_GAUGE_L2_BYTES),
    COUNTER(gets),
    COUNTER(l1_hits),
    COUNTER(l2_hits),
    COUNTER(misses),
    GAUGE("hit_ratio", HC_GAUGE_HIT_RATIO),
    COUNTER(puts),
    COUNTER(deletes),
    COUNTER(promotions),
    COUNTER(expired),
    COUNTER(last_purge),
    GAUGE("l1_evicted", HC_GAUGE_L1_EVICTED),
    COUNTER(l2_evicted),
    COUNTER(invalidated),
    COUNTER(rolled_back),
    COUNTER(validations),
    COUNTER(l2_errors),
    GAUGE("last_error", HC_GAUGE_LAST_ERROR),
    COUNTER(corrupt),
    COUNTER(oversize),
};
const int hc_figure_count = (int)(sizeof hc_figure_list / sizeof hc_figure_list[0]);
