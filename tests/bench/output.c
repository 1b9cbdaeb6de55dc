/*
** output.c: the lines of the benchmark as a table, as CSV and as a chart.
*/
#define _POSIX_C_SOURCE 200809L

#include "bench.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define MOST_LINES 256
#define MOST_NOTES 16

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
static char notes[MOST_NOTES][200];
static int note_count;

void output_row(const char *name) {
    row_now = name;
}

void output_note(const char *format, ...) {
    char *note = notes[note_count < MOST_NOTES ? note_count++ : MOST_NOTES - 1];
    int n = snprintf(note, sizeof notes[0], "%s: ", row_now);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(note + n, sizeof notes[0] - (size_t)n, format, arguments);
    va_end(arguments);
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

/* Where and when. */
static void describe_run(char *machine, size_t machine_room, char *date, size_t date_room) {
    char line[200], model[100] = "";
    struct utsname system;
    time_t now = time(NULL);
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file && !*model && fgets(line, sizeof line, file))
        sscanf(line, "model name : %99[^\n]", model);
    if (file)
        fclose(file);
    if (uname(&system) != 0)
        die("uname failed");
    snprintf(machine, machine_room, "%s, %ld cores, %s", *model ? model : system.machine, sysconf(_SC_NPROCESSORS_ONLN),
             system.sysname);
    strftime(date, date_room, "%Y-%m-%d", gmtime(&now));
}

void output_table(void) {
    const char *row = "";
    char machine[200], date[32];
    describe_run(machine, sizeof machine, date, sizeof date);
    printf("\n%s, SQLite %s, %s\n", machine, sqlite3_libversion(), date);
    printf("Medians of %d rounds that take turns (%d where it writes), quartiles in brackets; the ratio is the median "
           "of the rounds' ratios.\n\n",
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
    if (note_count)
        printf("\n");
    for (int i = 0; i < note_count; i++)
        printf("%s\n", notes[i]);
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

/*
** One bar a line: how many times as fast as the peer, on a logarithmic scale, from the line at 1 to the right or, where
** we are slower, to the left. The tick is where it has to reach. First the lines against the
** plain table, then those against others.
*/
#define CHART_WIDTH 860
#define PLOT_LEFT 290
#define PLOT_RIGHT 620
#define OURS_RIGHT 735 /* the columns of figures: where they end */
#define PEER_RIGHT 845
#define HEAD_HEIGHT 62
#define LINE_HEIGHT 22
#define BAR_HEIGHT 12
#define SECTION_HEIGHT 34
#define FOOT_HEIGHT 44

/* What the scale shows. */
static const double steps[] = {0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 1000, 10000};
#define STEPS (sizeof steps / sizeof steps[0])

static double chart_low, chart_high;

static double chart_x(double speed) {
    return PLOT_LEFT + (PLOT_RIGHT - PLOT_LEFT) * log(speed / chart_low) / log(chart_high / chart_low);
}

/* How many times as fast as the peer we are, or have to be. */
static double speed_of(const Stored *line) {
    return line->rule == RULE_MORE ? line->ratio : 1 / line->ratio;
}

static double speed_wanted(const Stored *line) {
    switch (line->rule) {
    case RULE_FASTER:
    case RULE_MORE:
        return line->target;
    case RULE_COST:
        return 1 / line->target;
    default:
        return 0;
    }
}

static int is_charted(const Stored *line, int others) {
    return line->charted && line->has_peer && line->ratio > 0 &&
           (strcmp(line->peer_name, "plain table") != 0) == others;
}

static void chart_text(FILE *file, const char *class, double x, double y, const char *text) {
    fprintf(file, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", class, x, y, text);
}

static void chart_grid(FILE *file, int top, int bottom) {
    for (size_t i = 0; i < STEPS; i++) {
        if (steps[i] >= chart_low && steps[i] <= chart_high)
            fprintf(file, "<path class=\"%s\" d=\"M%.1f %dV%d\"/>\n", steps[i] > 1 || steps[i] < 1 ? "grid" : "one",
                    chart_x(steps[i]), top, bottom);
    }
}

static void chart_figure(FILE *file, double x, double y, double number, const char *unit) {
    static const char *const thousands[] = {"", "k", "M", "G"};
    char digits[32], text[64];
    int power = 0;
    /* Rates are large. */
    for (; strcmp(unit, "/s") == 0 && number >= 1000 && power < 3; power++)
        number /= 1000;
    print_number(digits, sizeof digits, number);
    snprintf(text, sizeof text, "%s %s%s", digits, thousands[power], strcmp(unit, "us") == 0 ? "\u00b5s" : unit);
    chart_text(file, "figure", x, y, text);
}

static void chart_line(FILE *file, const Stored *line, double y, int others) {
    double speed = speed_of(line), wanted = speed_wanted(line), one = chart_x(1), end = chart_x(speed);
    double left = end < one ? end : one, right = end < one ? one : end;
    char text[140];
    if (others)
        snprintf(text, sizeof text, "%s: %s", line->peer_name, line->what);
    else
        snprintf(text, sizeof text, "%s", line->what);
    chart_text(file, "what", PLOT_LEFT - 12, y + 14, text);
    fprintf(file, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\"/>\n",
            wanted > speed ? "short"
            : speed < 1    ? "slower"
                           : "bar",
            left, y + 4, right - left < 1 ? 1 : right - left, BAR_HEIGHT);
    if (wanted > 0) {
        fprintf(file, "<path class=\"target\" d=\"M%.1f %.1fv%d\"/>\n", chart_x(wanted), y + 1, BAR_HEIGHT + 6);
        if (chart_x(wanted) > right)
            right = chart_x(wanted);
    }
    snprintf(text, sizeof text, "%.*f\u00d7", speed >= 20 ? 0 : speed >= 2 ? 1 : 2, speed);
    chart_text(file, "speed", right + 6, y + 14, text);
    chart_figure(file, OURS_RIGHT, y + 14, line->ours.median, line->unit);
    chart_figure(file, PEER_RIGHT, y + 14, line->peer.median, line->unit);
}

void output_svg(const char *path) {
    static const char *const titles[] = {"against a key-value table written by hand", "against other caches"};
    FILE *file = open_output(path);
    char text[400], machine[200], date[32];
    int counts[2] = {0, 0}, height = HEAD_HEIGHT + FOOT_HEIGHT;
    chart_low = 0.5;
    chart_high = 20;
    for (int i = 0; i < line_count; i++) {
        for (int others = 0; others < 2; others++) {
            if (!is_charted(&lines[i], others))
                continue;
            counts[others]++;
            while (speed_of(&lines[i]) < chart_low)
                chart_low /= 2;
            while (speed_of(&lines[i]) * 1.6 > chart_high) /* with room for the number behind it */
                chart_high *= 2;
        }
    }
    for (int others = 0; others < 2; others++)
        height += counts[others] ? SECTION_HEIGHT + counts[others] * LINE_HEIGHT : 0;
    fprintf(file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\">\n"
            "<title>How many times as fast hybrid_cache is</title>\n"
            "<style>\n"
            "text { font: 12px sans-serif; fill: #24292f }\n"
            ".title { font-size: 15px; font-weight: bold } .section { font-weight: bold } .note { fill: #57606a }\n"
            ".what, .figure, .column { text-anchor: end } .tick { text-anchor: middle; fill: #57606a }\n"
            ".figure { font-size: 11px } .speed { font-weight: bold } .column { fill: #57606a; font-size: 11px }\n"
            ".bar { fill: #1f8a5f } .slower { fill: #9aa5b1 } .short { fill: #c9510c } .target { stroke: #24292f; "
            "stroke-width: 2 }\n"
            ".grid { stroke: #d8dee4 } .one { stroke: #57606a }\n"
            "@media (prefers-color-scheme: dark) { text { fill: #d0d7de } .note, .tick, .column { fill: #8b949e }\n"
            ".bar { fill: #3fb984 } .slower { fill: #6e7781 } .short { fill: #e8803c } .target { stroke: #f0f6fc } "
            ".grid { stroke: #30363d }\n"
            ".one { stroke: #8b949e } }\n"
            "</style>\n",
            CHART_WIDTH, height, CHART_WIDTH, height);
    chart_text(file, "title", 8, 22, "How many times as fast hybrid_cache is");
    chart_text(file, "note", 8, 42, "the peer is 1\u00d7, grey is slower; logarithmic");
    fprintf(file, "<path class=\"target\" d=\"M%d 29v17\"/>\n", PLOT_LEFT + 2);
    chart_text(file, "note", PLOT_LEFT + 9, 42, "where the target is; orange falls short of it");
    chart_text(file, "column", OURS_RIGHT, 42, "hybrid_cache");
    chart_text(file, "column", PEER_RIGHT, 42, "peer");
    for (size_t i = 0; i < STEPS; i++) {
        if (steps[i] < chart_low || steps[i] > chart_high)
            continue;
        snprintf(text, sizeof text, "%g\u00d7", steps[i]);
        chart_text(file, "tick", chart_x(steps[i]), HEAD_HEIGHT - 4, text);
    }
    int y = HEAD_HEIGHT;
    for (int others = 0; others < 2; others++) {
        if (!counts[others])
            continue;
        chart_text(file, "section", 8, y + 20, titles[others]);
        y += SECTION_HEIGHT;
        chart_grid(file, y, y + counts[others] * LINE_HEIGHT);
        for (int i = 0; i < line_count; i++) {
            if (!is_charted(&lines[i], others))
                continue;
            chart_line(file, &lines[i], y, others);
            y += LINE_HEIGHT;
        }
    }
    describe_run(machine, sizeof machine, date, sizeof date);
    snprintf(text, sizeof text,
             "%s; SQLite %s, %s. Autocommit unless said; 1000 hot keys of 16 B, values of 100 B unless said.", machine,
             sqlite3_libversion(), date);
    chart_text(file, "note", 8, height - 12, text);
    fprintf(file, "</svg>\n");
    fclose(file);
}
