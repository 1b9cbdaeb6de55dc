/*
** bench.c: measures hybrid_cache against the table it stands on.
**
**     bench [--extension PATH] [--dir DIR] [--csv FILE] [--svg FILE] [--row NAME]... [--quick] [--big]
**           [--pragma SETTING] [--list]
**     bench [--extension PATH] [--dir DIR] --single OPERATION COUNT        (instructions.sh; --singles lists them)
**
** --row takes the name of a row or the beginning of some; twice and more adds up. --quick measures fewer and shorter
** rounds, --big adds ten million rows. --pragma 'cache_size=-65536' is set on all connections, ours and the peer's. The exit code says whether it ran, not whether the targets held: a slow machine
** is no failure.
*/
#define _POSIX_C_SOURCE 200809L

#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MOST_WANTED 32

static const Row *const groups[] = {rows_hit, rows_write, rows_others, rows_scale, rows_peers};
#define GROUPS (sizeof groups / sizeof groups[0])

static int is_wanted(const char *name, char **wanted, int count) {
    for (int i = 0; i < count; i++) {
        if (strncmp(name, wanted[i], strlen(wanted[i])) == 0)
            return 1;
    }
    return count == 0;
}

static void list_rows(void) {
    for (size_t g = 0; g < GROUPS; g++) {
        for (const Row *row = groups[g]; row->name; row++)
            printf("%-16s %s\n", row->name, row->about);
    }
}

static void make_directory(const char *path) {
    char part[1024];
    for (size_t i = 1; path[i - 1]; i++) {
        if (i >= sizeof part)
            die("the path %s is too long", path);
        part[i - 1] = path[i - 1];
        part[i] = 0;
        if (path[i] == '/' || path[i] == 0)
            mkdir(part, 0777);
    }
}

int main(int argc, char **argv) {
    char *wanted[MOST_WANTED];
    const char *csv = "build/bench.csv", *svg = NULL;
    const char *single = NULL;
    size_t single_count = 0;
    int wanted_count = 0, count = 0, at = 0, targets, held;
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (strcmp(name, "--quick") == 0) {
            settings.quick = 1;
            settings.rounds = 51;
            settings.write_rounds = 7;
            settings.write_slice_ns = 15e6;
        } else if (strcmp(name, "--big") == 0) {
            settings.big = 1;
        } else if (strcmp(name, "--list") == 0) {
            list_rows();
            return 0;
        } else if (strcmp(name, "--singles") == 0) {
            single_list();
            return 0;
        } else if (i + 2 < argc && strcmp(name, "--single") == 0) {
            single = argv[++i];
            single_count = strtoul(argv[++i], NULL, 10);
        } else if (i + 1 < argc && strcmp(name, "--row") == 0 && wanted_count < MOST_WANTED) {
            for (char *word = strtok(argv[++i], " ,"); word && wanted_count < MOST_WANTED; word = strtok(NULL, " ,"))
                wanted[wanted_count++] = word;
        } else if (i + 1 < argc && strcmp(name, "--extension") == 0) {
            settings.extension = argv[++i];
        } else if (i + 1 < argc && strcmp(name, "--dir") == 0) {
            settings.directory = argv[++i];
        } else if (i + 1 < argc && strcmp(name, "--csv") == 0) {
            csv = argv[++i];
        } else if (i + 1 < argc && strcmp(name, "--svg") == 0) {
            svg = argv[++i];
        } else if (i + 1 < argc && strcmp(name, "--pragma") == 0) {
            settings.pragma = argv[++i];
        } else {
            die("unknown argument %s; known: --extension, --dir, --csv, --svg, --row, --quick, --big, --pragma, "
                "--list, --single, --singles",
                name);
        }
    }
    make_directory(settings.directory);
    if (single) {
        single_run(single, single_count);
        return 0;
    }
    for (size_t g = 0; g < GROUPS; g++) {
        for (const Row *row = groups[g]; row->name; row++)
            count += is_wanted(row->name, wanted, wanted_count);
    }
    if (!count)
        die("no row begins with %s; --list shows them", wanted[0]);
    for (size_t g = 0; g < GROUPS; g++) {
        for (const Row *row = groups[g]; row->name; row++) {
            if (!is_wanted(row->name, wanted, wanted_count))
                continue;
            progress_row(row->name, ++at, count);
            output_row(row->name);
            row->run();
        }
    }
    progress_row(NULL, at, count);
    output_table();
    output_csv(csv);
    if (svg)
        output_svg(svg);
    output_count(&targets, &held);
    printf("\n%d of %d targets held; %s\n", held, targets, csv);
    return 0;
}
