/*
** cache_purge.c: the command 'purge': expired rows leave, in an order that touches few pages.
**
** A commit writes each page that it touches, and in the order in which rows are due each of them is on a page of its own
** of the key index: 500 rows, 430 pages. So a purge lines up several times the rows that it may remove, sorts
** them by their keys, and takes them from the front; what is left of this line-up is there for the next purge of this
** connection. The line-up is a hint: each row is read again and removed only if it is there and has expired.
**
** Under clock=caller all nodes must remove the same rows, whatever each has done before: there each purge begins a line-up of its
** own, no longer than what it may remove.
*/
#include "cache_parts.h"

#include <stdlib.h>

/* So many times the limit are lined up: more would save pages of the index and cost pages of the data (ext/README.md). */
#define LOOK_AHEAD 4
/* Rows lined up at most. */
#define LINEUP_MOST 4096

/* A row that is due; `order` sorts like its key as far as it goes. */
typedef struct Due {
    unsigned char order[56];
    sqlite3_int64 id;
} Due;

static void make_order(const HcValue *key, unsigned char order[sizeof((Due *)0)->order]) {
    memset(order, 0, sizeof((Due *)0)->order);
    if (key->type == SQLITE_TEXT || key->type == SQLITE_BLOB) {
        size_t n = key->n < sizeof((Due *)0)->order - 1 ? key->n : sizeof((Due *)0)->order - 1;
        order[0] = (unsigned char)key->type;
        memcpy(order + 1, key->data, n);
    } else {
        /* Doubles sort like their bits, negative ones backwards. */
        double number = key->type == SQLITE_INTEGER ? (double)key->i : key->r;
        uint64_t bits;
        memcpy(&bits, &number, sizeof bits);
        bits = bits >> 63 ? ~bits : bits | 1ULL << 63;
        for (int i = 0; i < 8; i++)
            order[1 + i] = (unsigned char)(bits >> (56 - 8 * i));
    }
}

/* A total order: what qsort() does with equals differs from one libc to the next, and nodes may have several. */
static int compare_due(const void *a, const void *b) {
    const Due *x = a, *y = b;
    int order = memcmp(x->order, y->order, sizeof x->order);
    return order ? order : (x->id > y->id) - (x->id < y->id);
}

void hc_cache_lineup_free(HcLineup *lineup) {
    sqlite3_free(lineup->ids);
    memset(lineup, 0, sizeof *lineup);
}

/*
** Lines up those of the next `want` due rows that have expired; those whose deadline was moved away since are put off until
** then, and counted. *read is how many there were of both.
*/
static int line_up(HcCache *cache, double until, int want, sqlite3_int64 *postponed, int *read) {
    HcLineup *lineup = &cache->lineup;
    sqlite3_stmt *stmt;
    HcRow row;
    int expired = 0, put_off = 0;
    Due *due = sqlite3_malloc64((sqlite3_uint64)want * sizeof *due);
    hc_cache_lineup_free(lineup);
    *read = 0;
    int rc = due ? hc_l2_open(&cache->l2, HC_L2_DUE, &stmt) : SQLITE_NOMEM;
    if (rc != SQLITE_OK)
        goto done;
    sqlite3_bind_double(stmt, 1, until);
    sqlite3_bind_int(stmt, 2, want);
    while (expired + put_off < want && (rc = hc_l2_next(&cache->l2, HC_L2_DUE, &row)) == SQLITE_ROW) {
        if (row.expires > until) {
            due[want - ++put_off].id = row.id;
        } else {
            make_order(&row.key, due[expired].order);
            due[expired++].id = row.id;
        }
    }
    hc_l2_close(&cache->l2, HC_L2_DUE);
    rc = rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
    for (int i = 1; rc == SQLITE_OK && i <= put_off; i++)
        rc = hc_l2_run_id(&cache->l2, HC_L2_POSTPONE, due[want - i].id);
    if (rc == SQLITE_OK && expired) {
        qsort(due, (size_t)expired, sizeof *due, compare_due);
        lineup->ids = sqlite3_malloc64((sqlite3_uint64)expired * sizeof *lineup->ids);
        rc = lineup->ids ? SQLITE_OK : SQLITE_NOMEM;
    }
    if (rc == SQLITE_OK) {
        for (; lineup->count < expired; lineup->count++)
            lineup->ids[lineup->count] = due[lineup->count].id;
        *postponed += put_off;
        *read = expired + put_off;
    }
done:
    sqlite3_free(due);
    return rc;
}

/* The first row lined up leaves L2 if it is still there and has expired; *removed is 1 then. */
static int remove_first(HcCache *cache, double until, int *removed) {
    HcRow row;
    HcVictim victim;
    int rc = hc_l2_find_id(&cache->l2, cache->lineup.ids[cache->lineup.next++], &row);
    *removed = rc == SQLITE_ROW && row.expires <= until;
    if (*removed)
        hc_cache_choose_victim(cache, &row, &victim);
    hc_l2_close(&cache->l2, HC_L2_ROW);
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
    return *removed ? hc_cache_remove_victim(cache, &victim) : SQLITE_OK;
}

/* To put a row off costs about a quarter of removing it, and counts as that much of the limit. */
int hc_cache_purge(HcCache *cache, double until, sqlite3_int64 limit, sqlite3_int64 *removed, char **message) {
    HcLineup *lineup = &cache->lineup;
    sqlite3_int64 postponed = 0;
    int common = cache->options.clock == HC_CLOCK_CALLER, at_end = 0;
    int rc = hc_cache_join(cache, message);
    *removed = 0;
    if (common)
        hc_cache_lineup_free(lineup);
    while (rc == SQLITE_OK && *removed < limit) {
        sqlite3_int64 left = limit - *removed;
        int gone;
        if (hc_host_interrupted(cache->connection->db)) {
            rc = SQLITE_INTERRUPT;
        } else if (lineup->next < lineup->count) {
            rc = remove_first(cache, until, &gone);
            if (rc == SQLITE_OK) {
                *removed += gone;
                cache->stats.expired += gone;
            }
        } else if (at_end || (*removed > 0 && postponed / 4 >= left)) {
            break;
        } else {
            int read, times = common ? 1 : LOOK_AHEAD;
            int want = left < LINEUP_MOST / times ? (int)left * times : LINEUP_MOST;
            rc = line_up(cache, until, want, &postponed, &read);
            at_end = read < want;
        }
    }
    if (lineup->next == lineup->count)
        hc_cache_lineup_free(lineup);
    return rc;
}
