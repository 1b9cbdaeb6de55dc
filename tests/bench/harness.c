/*
** harness.c: time, samples, and sides that take turns.
*/
#define _POSIX_C_SOURCE 200809L

#include "bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

Settings settings = {
    .extension = "dist/hybrid_cache",
    .directory = "build/bench/data",
    .python = "/usr/bin/python3",
    .script = "tests/bench/peers.py",
    .rounds = 151,
    .write_rounds = 15,
    .slice_ns = 0.7e6,
    .write_slice_ns = 40e6,
};

static const char *row_name = "";

void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "\nbench: ");
    if (*row_name)
        fprintf(stderr, "%s: ", row_name);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(1);
}

double clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

void *need(size_t bytes) {
    void *memory = calloc(1, bytes ? bytes : 1);
    if (!memory)
        die("out of memory");
    return memory;
}

/* ---------------------------------------------------------------- progress */

void progress_row(const char *name, int at, int of) {
    int terminal = isatty(STDERR_FILENO);
    row_name = name ? name : "";
    if (terminal)
        fprintf(stderr, "\r\033[K");
    if (name)
        fprintf(stderr, "[%d/%d] %s%s", at, of, name, terminal ? "" : "\n");
    fflush(stderr);
}

void progress(const char *format, ...) {
    va_list arguments;
    if (!isatty(STDERR_FILENO))
        return;
    va_start(arguments, format);
    fprintf(stderr, "\r\033[K%s: ", row_name);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fflush(stderr);
}

/* -------------------------------------------------------------- statistics */

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Between the two samples that are nearest to that part of the way. */
static double quantile(const double *sorted, int count, double part) {
    double at = part * (count - 1);
    int below = (int)at;
    int above = below + 1 < count ? below + 1 : below;
    return sorted[below] + (sorted[above] - sorted[below]) * (at - below);
}

Figure figure_of(double *samples, int count) {
    qsort(samples, (size_t)count, sizeof *samples, compare);
    return (Figure){quantile(samples, count, 0.5), quantile(samples, count, 0.25), quantile(samples, count, 0.75)};
}

Figure figure_single(double value) {
    return (Figure){value, value, value};
}

/* --------------------------------------------------------------- measuring */

/* The nanoseconds of `n` calls. */
static double run_slice(Side *side, size_t n) {
    double ns = 0;
    if (side->begin)
        side->begin(side->context);
    if (side->timed) {
        for (size_t i = 0; i < n; i++)
            ns += side->timed(side->context, side->next++);
    } else {
        double start = clock_ns();
        for (size_t i = 0; i < n; i++)
            side->op(side->context, side->next++);
        ns = clock_ns() - start;
    }
    if (side->end)
        side->end(side->context);
    return ns;
}

/* Finds how many calls fill a slice. The warm-up comes with it. */
static void calibrate(Side *side, double slice_ns) {
    size_t n = 1;
    double ns = 0, warm = slice_ns > 10e6 ? slice_ns : 10e6;
    while ((ns = run_slice(side, n)) < warm / 2 && n < (size_t)1 << 30)
        n *= 2;
    side->slice = (size_t)((double)n * slice_ns / ns);
    if (side->slice < 1)
        side->slice = 1;
}

static void take_turns(Side *sides, int count, int rounds, double slice_ns) {
    double sorted[MOST_ROUNDS];
    for (int s = 0; s < count; s++)
        calibrate(&sides[s], slice_ns);
    for (int round = 0; round < rounds; round++) {
        progress("round %d of %d", round + 1, rounds);
        for (int turn = 0; turn < count; turn++) {
            /* Another one begins each time: nobody always comes after the same neighbour's cache misses. */
            Side *side = &sides[(turn + round) % count];
            double per = side->per > 0 ? side->per : 1;
            side->samples[round] = run_slice(side, side->slice) / (double)side->slice / per;
        }
    }
    for (int s = 0; s < count; s++) {
        memcpy(sorted, sides[s].samples, sizeof sorted);
        sides[s].rounds = rounds;
        sides[s].ns = figure_of(sorted, rounds);
    }
}

void measure(Side *sides, int count) {
    take_turns(sides, count, settings.rounds, settings.slice_ns);
}

void measure_writes(Side *sides, int count) {
    take_turns(sides, count, settings.write_rounds, settings.write_slice_ns);
}

double side_ratio(const Side *a, const Side *b) {
    double ratios[MOST_ROUNDS];
    for (int round = 0; round < a->rounds; round++)
        ratios[round] = a->samples[round] / b->samples[round];
    return figure_of(ratios, a->rounds).median;
}
