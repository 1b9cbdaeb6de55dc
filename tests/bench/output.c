/*
** output.c: the lines of the benchmark as a table, as CSV and as a chart.
*/
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_LINES 256

typedef struct Stored {
    const char *row;
    char what[80], peer_name[32], unit[12];
    Figure ours, peer;
    int has_peer, charted;
    Rule rule;
    double ratio, target;
} Stored;

static Stored lines[MOST_LINES];
static int line_count;
static const char *row_now = "";

void output_row(const char *name) {
    row_now = name;
}

static Figure scaled(Figure figure, double by) {
    return (Figure){figure.median * by, figure.low * by, figure.high * by};
}

void report(const Line *line) {
    if (line_count == MOST_LINES)
        die("more than %d lines", MOST_LINES);
    Stored *stored = &lines[line_count++];
    double by = strcmp(line->unit, "us") == 0 ? 1e-3 : 1;
    stored->row = row_now;
    snprintf(stored->what, sizeof stored->what, "%s", line->what);
    snprintf(stored->unit, sizeof stored->unit, "%s", line->unit);
    snprintf(stored->peer_name, sizeof stored->peer_name, "%s", line->peer_name ? line->peer_name : "");
    stored->ours = scaled(line->ours, by);
    stored->has_peer = line->peer != NULL;
    if (line->peer)
        stored->peer = scaled(*line->peer, by);
    stored->ratio = line->ratio;
    if (line->peer && stored->ratio == 0 && stored->peer.median != 0)
        stored->ratio = stored->ours.median / stored->peer.median;
    stored->rule = line->rule;
    stored->target = line->target;
    stored->charted = line->charted;
}

void report_sides(const char *what, const Side *sides, int i, Rule rule, double target, int charted) {
    report(&(Line){.what = what,
                   .unit = "us",
                   .ours = sides[0].ns,
                   .peer_name = sides[i].name,
                   .peer = &sides[i].ns,
                   .ratio = side_ratio(&sides[0], &sides[i]),
                   .rule = rule,
                   .target = target,
                   .charted = charted});
}

/* ----------------------------------------------------------------- verdicts */

/* In the sense of the rule: the number that is compared with the target. */
static double score(const Stored *line) {
    switch (line->rule) {
    case RULE_AT_MOST:
    case RULE_AT_LEAST:
        return line->ours.median;
    case RULE_SHARE:
    case RULE_COST:
    case RULE_MORE:
        return line->ratio;
    default:
        return line->ratio > 0 ? 1 / line->ratio : 0;
    }
}

static int has_target(const Stored *line) {
    return line->rule != RULE_NONE && line->rule != RULE_SHARE;
}

static int holds(const Stored *line) {
    switch (line->rule) {
    case RULE_FASTER:
    case RULE_AT_LEAST:
        return score(line) >= line->target;
    case RULE_MORE:
        return score(line) > line->target;
    case RULE_COST:
    case RULE_AT_MOST:
        return score(line) <= line->target;
    default:
        return 1;
    }
}

void output_count(int *targets, int *held) {
    *targets = *held = 0;
    for (int i = 0; i < line_count; i++) {
        *targets += has_target(&lines[i]);
        *held += has_target(&lines[i]) && holds(&lines[i]);
    }
}

/* -------------------------------------------------------------------- text */

/* Three digits that mean something. */
static void print_number(char *out, size_t room, double number) {
    double size = number < 0 ? -number : number;
    snprintf(out, room, "%.*f", size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 || size == 0 ? 2 : 3, number);
}

static void print_figure(char *out, size_t room, const Figure *figure) {
    char median[32], low[32], high[32];
    print_number(median, sizeof median, figure->median);
    print_number(low, sizeof low, figure->low);
    print_number(high, sizeof high, figure->high);
    if (figure->low == figure->high)
        snprintf(out, room, "%s", median);
    else
        snprintf(out, room, "%s (%s-%s)", median, low, high);
}

static void print_ratio(char *out, size_t room, const Stored *line) {
    *out = 0;
    if ((line->rule == RULE_COST || line->rule == RULE_MORE || line->rule == RULE_SHARE) && line->peer.median != 0)
        snprintf(out, room, "%.2f times", score(line));
    else if (line->has_peer && score(line) > 0)
        snprintf(out, room, "%.2fx speed", score(line));
}

static void print_target(char *out, size_t room, const Stored *line) {
    *out = 0;
    switch (line->rule) {
    case RULE_NONE:
    case RULE_SHARE:
        break;
    case RULE_FASTER:
        snprintf(out, room, ">= %gx speed", line->target);
        break;
    case RULE_COST:
        snprintf(out, room, "<= %g times", line->target);
        break;
    case RULE_MORE:
        snprintf(out, room, "> %g times", line->target);
        break;
    case RULE_AT_MOST:
        snprintf(out, room, "<= %g %s", line->target, line->unit);
        break;
    case RULE_AT_LEAST:
        snprintf(out, room, ">= %g %s", line->target, line->unit);
        break;
    }
}

static const char *verdict(const Stored *line) {
    return !has_target(line) ? "" : holds(line) ? "yes" : "NO";
}

void output_table(void) {
    const char *row = "";
    printf("\nMedians of %d rounds that take turns (%d where it writes), quartiles in brackets; the ratio is the "
           "median of "
           "the rounds' ratios.\n\n",
           settings.rounds, settings.write_rounds);
    printf("%-12s %-38s %-5s %-20s %-20s %-22s %-13s %-13s %s\n", "row", "what", "unit", "hybrid_cache", "peer", "",
           "ratio", "target", "holds");
    for (int i = 0; i < line_count; i++) {
        const Stored *line = &lines[i];
        char ours[100], peer[100] = "", ratio[32], target[32];
        print_figure(ours, sizeof ours, &line->ours);
        if (line->has_peer)
            print_figure(peer, sizeof peer, &line->peer);
        print_ratio(ratio, sizeof ratio, line);
        print_target(target, sizeof target, line);
        printf("%-12s %-38s %-5s %-20s %-20s %-22s %-13s %-13s %s\n", strcmp(row, line->row) == 0 ? "" : line->row,
               line->what, line->unit, ours, line->peer_name, peer, ratio, target, verdict(line));
        row = line->row;
    }
}

static FILE *open_output(const char *path) {
    FILE *file = fopen(path, "w");
    if (!file)
        die("cannot write %s", path);
    return file;
}

/* Every name of ours is free of quotes. */
void output_csv(const char *path) {
    static const char *const rules[] = {"", "", "faster", "cost", "more", "at most", "at least"};
    FILE *file = open_output(path);
    fprintf(file,
            "row,what,unit,ours,ours_low,ours_high,peer,peer_median,peer_low,peer_high,score,rule,target,holds\n");
    for (int i = 0; i < line_count; i++) {
        const Stored *line = &lines[i];
        fprintf(file, "%s,\"%s\",%s,%.6g,%.6g,%.6g,", line->row, line->what, line->unit, line->ours.median,
                line->ours.low, line->ours.high);
        if (line->has_peer)
            fprintf(file, "\"%s\",%.6g,%.6g,%.6g,%.4g,", line->peer_name, line->peer.median, line->peer.low,
                    line->peer.high, score(line));
        else
            fprintf(file, ",,,,,");
        if (has_target(line))
            fprintf(file, "%s,%g,%s\n", rules[line->rule], line->target, verdict(line));
        else
            fprintf(file, ",,\n");
    }
    fclose(file);
}

/* ------------------------------------------------------------------- chart */

#define CHART_WIDTH 760
#define LABEL_WIDTH 270
#define BAR_WIDTH 320
#define BAR_HEIGHT 11
#define PAIR_HEIGHT 38
#define HEAD_HEIGHT 56

static void draw_bar(FILE *file, double y, double length, const char *class, const char *label) {
    fprintf(file, "<rect class=\"%s\" x=\"%d\" y=\"%.0f\" width=\"%.1f\" height=\"%d\"/>\n", class, LABEL_WIDTH, y,
            length < 1 ? 1 : length, BAR_HEIGHT);
    fprintf(file, "<text class=\"small\" x=\"%.1f\" y=\"%.0f\">%s</text>\n", LABEL_WIDTH + length + 6, y + 9.5, label);
}

/* Two bars a line, the longer one as long as there is room: lines of microseconds and milliseconds share a chart. */
void output_svg(const char *path) {
    FILE *file = open_output(path);
    int pairs = 0, at = 0;
    for (int i = 0; i < line_count; i++)
        pairs += lines[i].charted && lines[i].has_peer;
    fprintf(file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\">\n"
            "<title>hybrid_cache against a hand-written table</title>\n"
            "<style>\n"
            "text { font: 13px sans-serif; fill: #24292f } .small { font-size: 11px } .head { font-weight: bold }\n"
            ".ours { fill: #1a7f5a } .peer { fill: #a8b1bb }\n"
            "@media (prefers-color-scheme: dark) { text { fill: #d0d7de } .ours { fill: #3fb984 } "
            ".peer { fill: #6e7781 } }\n"
            "</style>\n"
            "<text class=\"head\" x=\"8\" y=\"20\">Time of one operation; shorter is better</text>\n"
            "<rect class=\"ours\" x=\"8\" y=\"31\" width=\"11\" height=\"11\"/>"
            "<text class=\"small\" x=\"24\" y=\"41\">hybrid_cache</text>\n"
            "<rect class=\"peer\" x=\"110\" y=\"31\" width=\"11\" height=\"11\"/>"
            "<text class=\"small\" x=\"126\" y=\"41\">a key-value table with an index on expires, SQLite %s</text>\n",
            CHART_WIDTH, HEAD_HEIGHT + pairs * PAIR_HEIGHT, CHART_WIDTH, HEAD_HEIGHT + pairs * PAIR_HEIGHT,
            sqlite3_libversion());
    for (int i = 0; i < line_count; i++) {
        const Stored *line = &lines[i];
        char number[32], label[100];
        if (!line->charted || !line->has_peer)
            continue;
        double most = line->ours.median > line->peer.median ? line->ours.median : line->peer.median;
        double y = HEAD_HEIGHT + at++ * PAIR_HEIGHT;
        fprintf(file, "<text x=\"8\" y=\"%.0f\">%s</text>\n", y + 16, line->what);
        print_number(number, sizeof number, line->ours.median);
        snprintf(label, sizeof label, "%s %s", number, line->unit);
        draw_bar(file, y, line->ours.median / most * BAR_WIDTH, "ours", label);
        print_number(number, sizeof number, line->peer.median);
        double speed = 1 / line->ratio;
        snprintf(label, sizeof label, "%s %s, %.*f times ours", number, line->unit, speed >= 10 ? 0 : 1, speed);
        draw_bar(file, y + BAR_HEIGHT + 1, line->peer.median / most * BAR_WIDTH, "peer", label);
    }
    fprintf(file, "</svg>\n");
    fclose(file);
}
