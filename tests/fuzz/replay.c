/*
** replay.c: runs a fuzz target without libFuzzer: the files that are named, then mutations of them.
**
**     fuzz_sql [--mutate N] [--seed S] [--dictionary FILE] [--keep FILE] FILE-OR-DIRECTORY...
**
** The mutations are the same in every run with the same seed. The input that runs is kept in FILE, so that what ended
** the process is there afterwards; it is removed at the end.
*/
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INPUT_MOST 65536

typedef struct Input {
    uint8_t *bytes;
    size_t size;
} Input;

typedef struct Inputs {
    Input *list;
    size_t count, room;
} Inputs;

static Inputs inputs, words;
static const char *keep_name;

static _Noreturn void die(const char *what, const char *name) {
    fprintf(stderr, "replay: %s%s%s\n", what, name ? ": " : "", name ? name : "");
    exit(2);
}

static void add(Inputs *to, const uint8_t *bytes, size_t size) {
    if (to->count == to->room) {
        to->room = to->room ? to->room * 2 : 64;
        to->list = realloc(to->list, to->room * sizeof *to->list);
        if (!to->list)
            die("out of memory", NULL);
    }
    Input *input = &to->list[to->count++];
    input->size = size;
    input->bytes = malloc(size + 1);
    if (!input->bytes)
        die("out of memory", NULL);
    memcpy(input->bytes, bytes, size);
}

static void run(const uint8_t *bytes, size_t size) {
    if (keep_name) {
        FILE *file = fopen(keep_name, "wb");
        if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0)
            die("cannot write", keep_name);
    }
    /* A block of just that size, so that AddressSanitizer sees a read past its end. */
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        die("out of memory", NULL);
    memcpy(copy, bytes, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

/* ------------------------------------------------------------------ files */

static void add_file(const char *name) {
    static uint8_t bytes[INPUT_MOST];
    FILE *file = fopen(name, "rb");
    if (!file)
        die("cannot read", name);
    add(&inputs, bytes, fread(bytes, 1, sizeof bytes, file));
    fclose(file);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_path(const char *path) {
    struct stat status;
    if (stat(path, &status) != 0)
        die("no such file", path);
    if (!S_ISDIR(status.st_mode)) {
        add_file(path);
        return;
    }
    /* By name: the mutations depend on the order. */
    char *names[10000];
    size_t count = 0;
    DIR *directory = opendir(path);
    if (!directory)
        die("cannot read", path);
    for (struct dirent *entry; count < 10000 && (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        size_t n = strlen(path) + strlen(entry->d_name) + 2;
        names[count] = malloc(n);
        if (!names[count])
            die("out of memory", NULL);
        snprintf(names[count++], n, "%s/%s", path, entry->d_name);
    }
    closedir(directory);
    qsort(names, count, sizeof *names, by_name);
    for (size_t i = 0; i < count; i++) {
        add_file(names[i]);
        free(names[i]);
    }
}

static int hex(char c) {
    return c >= 'a' ? c - 'a' + 10 : c >= 'A' ? c - 'A' + 10 : c - '0';
}

/* libFuzzer's form: a line is "..." or name="...", with \\ \" and \xAB inside. */
static void add_dictionary(const char *name) {
    char line[512];
    FILE *file = fopen(name, "r");
    if (!file)
        die("cannot read", name);
    while (fgets(line, sizeof line, file)) {
        uint8_t word[sizeof line];
        size_t n = 0;
        char *at = strchr(line, '"'), *end = strrchr(line, '"');
        if (line[0] == '#' || !at || at == end)
            continue;
        for (at++; at < end; at++) {
            if (*at != '\\')
                word[n++] = (uint8_t)*at;
            else if (at[1] == 'x')
                word[n++] = (uint8_t)(hex(at[2]) * 16 + hex(at[3])), at += 3;
            else
                word[n++] = (uint8_t) * ++at;
        }
        add(&words, word, n);
    }
    fclose(file);
}

/* -------------------------------------------------------------- mutations */

static uint64_t random_state;

static uint64_t draw(void) { /* splitmix64 */
    uint64_t x = random_state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static size_t below(size_t limit) {
    return limit ? (size_t)(draw() % limit) : 0;
}

/* Puts `n` bytes in place of `gone` bytes at `at`; 0 if that does not fit. */
static int splice(uint8_t *bytes, size_t *size, size_t at, size_t gone, const uint8_t *with, size_t n) {
    uint8_t piece[4096];
    if (n > sizeof piece || *size - gone + n > INPUT_MOST)
        return 0;
    memcpy(piece, with, n); /* may lie in `bytes` */
    memmove(bytes + at + n, bytes + at + gone, *size - at - gone);
    memcpy(bytes + at, piece, n);
    *size = *size - gone + n;
    return 1;
}

static void mutate_once(uint8_t *bytes, size_t *size) {
    static const uint8_t borders[] = {0, 1, 2, 0x7f, 0x80, 0xff, ' ', '\'', '"', '0', '9', '-'};
    size_t at = below(*size), length = below(*size - at < 64 ? *size - at : 64) + (*size > at);
    const Input *other = &inputs.list[below(inputs.count)];
    switch (below(words.count ? 9 : 7)) {
    case 0: /* a bit */
        if (*size)
            bytes[at] ^= (uint8_t)(1u << below(8));
        break;
    case 1: /* a byte */
        if (*size)
            bytes[at] = (uint8_t)draw();
        break;
    case 2:
        if (*size)
            bytes[at] = borders[below(sizeof borders)];
        break;
    case 3: /* a piece goes */
        splice(bytes, size, at, length, bytes, 0);
        break;
    case 4: /* a piece comes twice */
        splice(bytes, size, at, 0, bytes + at, length);
        break;
    case 5: { /* a piece of another input */
        size_t from = below(other->size), most = other->size - from < 256 ? other->size - from : 256;
        splice(bytes, size, at, 0, other->bytes + from, below(most + 1));
        break;
    }
    case 6: { /* it replaces one */
        size_t from = below(other->size), most = other->size - from < length ? other->size - from : length;
        splice(bytes, size, at, most, other->bytes + from, most);
        break;
    }
    default: { /* a word */
        const Input *word = &words.list[below(words.count)];
        splice(bytes, size, at, below(2) ? length : 0, word->bytes, word->size);
    }
    }
}

int main(int argc, char **argv) {
    long mutations = 0;
    random_state = 1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--mutate") == 0 && i + 1 < argc)
            mutations = atol(argv[++i]);
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            random_state = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--dictionary") == 0 && i + 1 < argc)
            add_dictionary(argv[++i]);
        else if (strcmp(argv[i], "--keep") == 0 && i + 1 < argc)
            keep_name = argv[++i];
        else if (argv[i][0] == '-')
            die("unknown argument", argv[i]);
        else
            add_path(argv[i]);
    }
    if (!inputs.count)
        die("no input", NULL);
    for (size_t i = 0; i < inputs.count; i++)
        run(inputs.list[i].bytes, inputs.list[i].size);
    for (long i = 0; i < mutations; i++) {
        static uint8_t bytes[INPUT_MOST];
        const Input *input = &inputs.list[below(inputs.count)];
        size_t size = input->size;
        memcpy(bytes, input->bytes, size);
        for (size_t n = 1 + below(4); n > 0; n--)
            mutate_once(bytes, &size);
        run(bytes, size);
    }
    if (keep_name)
        unlink(keep_name);
    printf("%zu files, %ld mutations\n", inputs.count, mutations);
    return 0;
}
