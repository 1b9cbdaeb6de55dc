/*
** options.c: what CREATE VIRTUAL TABLE and the commands can set.
*/
#include "clock.h"
#include "options.h"

static const char *const eviction_words[] = {"lru", "s3fifo", NULL};
static const char *const coherence_words[] = {"strict", "relaxed", NULL};
static const char *const on_error_words[] = {"fail", "degrade", NULL};
static const char *const clock_words[] = {"local", "caller", NULL};

/* The bounds of counts and sizes are far from what fits anywhere: they keep sums of two inside 64 bits. */
#define SECONDS_MAX HC_NEVER
#define ENTRIES_MAX 1e12
#define BYTES_MAX 1125899906842624.0 /* 1 PiB */

#define SECONDS "a number of seconds from 0 to 253402300799"
#define ENTRIES "a whole number from 0 to 1000000000000"
#define BYTES "a number of bytes from 0 to 1125899906842624, or a quoted size such as '32M' (K, M, G)"

#define AT(member) offsetof(HcOptions, member)

const HcOption hc_option_list[] = {
    {"ttl", HC_OPTION_REAL, AT(ttl), 0, SECONDS_MAX, "300", NULL, SECONDS ", 0 = never expires"},
    {"l1_ttl", HC_OPTION_REAL, AT(l1_ttl), 0, SECONDS_MAX, "30", NULL, SECONDS ", 0 = as long as the entry lives"},
    {"l1_entries", HC_OPTION_COUNT, AT(l1_entries), 0, ENTRIES_MAX, "1000", NULL, ENTRIES ", 0 = no L1"},
    {"l1_bytes", HC_OPTION_SIZE, AT(l1_bytes), 0, BYTES_MAX, "32M", NULL, BYTES},
    {"l2_entries", HC_OPTION_COUNT, AT(l2_entries), 0, ENTRIES_MAX, "0", NULL, ENTRIES ", 0 = no limit"},
    {"l2_bytes", HC_OPTION_SIZE, AT(l2_bytes), 0, BYTES_MAX, "0", NULL, BYTES ", 0 = no limit"},
    {"eviction", HC_OPTION_CHOICE, AT(eviction), 0, 0, "lru", eviction_words, "lru or s3fifo"},
    {"coherence", HC_OPTION_CHOICE, AT(coherence), 0, 0, "strict", coherence_words, "strict or relaxed"},
    {"jitter", HC_OPTION_REAL, AT(jitter), 0, 0.5, "0", NULL, "a fraction from 0 to 0.5"},
    {"grace", HC_OPTION_REAL, AT(grace), 0, SECONDS_MAX, "0", NULL, SECONDS},
    {"on_error", HC_OPTION_CHOICE, AT(on_error), 0, 0, "fail", on_error_words, "fail or degrade"},
    {"clock", HC_OPTION_CHOICE, AT(clock), 0, 0, "local", clock_words, "local or caller"},
};
const int hc_option_count = (int)(sizeof hc_option_list / sizeof hc_option_list[0]);

static double *real_member(HcOptions *options, const HcOption *option) {
    return (double *)(void *)((char *)options + option->offset);
}

static sqlite3_int64 *whole_member(HcOptions *options, const HcOption *option) {
    return (sqlite3_int64 *)(void *)((char *)options + option->offset);
}

const HcOption *hc_option_find(const char *name) {
    for (int i = 0; i < hc_option_count; i++) {
        if (sqlite3_stricmp(name, hc_option_list[i].name) == 0)
            return &hc_option_list[i];
    }
    return NULL;
}

static int is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static int is_whole(double number) {
    return number > -9e18 && number < 9e18 && (double)(sqlite3_int64)number == number;
}

/* The smallest number but 0 that is accepted, far below what the clock tells apart. */
#define LEAST 1e-10

static int is_digit(char c) {
    return c >= '0' && c <= '9';
}

/*
** A number as people write it in SQL: sign, digits, point, exponent. strtod
** follows the locale ("0,5"), and takes "0x10" and "nan" besides. Up to 15
** digits the result is exact: both operands of the last step are.
*/
static int parse_number(const char *text, size_t n, double *number) {
    size_t i = 0, figures = 0;
    double mantissa = 0;
    sqlite3_int64 exponent = 0; /* a text can have 2^31 digits */
    int negative = 0;
    if (i < n && (text[i] == '+' || text[i] == '-'))
        negative = text[i++] == '-';
    for (int fraction = 0; i < n && (is_digit(text[i]) || (text[i] == '.' && !fraction)); i++) {
        if (text[i] == '.') {
            fraction = 1;
            continue;
        }
        figures++;
        if (mantissa < 1e18) {
            mantissa = mantissa * 10 + (text[i] - '0');
            exponent -= fraction;
        } else {
            exponent += !fraction; /* beyond what a double tells apart */
        }
    }
    if (!figures)
        return 0;
    if (i < n && (text[i] == 'e' || text[i] == 'E')) {
        int sign = 1, written = 0;
        i++;
        if (i < n && (text[i] == '+' || text[i] == '-'))
            sign = text[i++] == '-' ? -1 : 1;
        size_t first = i;
        for (; i < n && is_digit(text[i]) && written < 1000; i++)
            written = written * 10 + (text[i] - '0');
        if (i == first)
            return 0;
        exponent += sign * written;
    }
    double scale = 1;
    for (sqlite3_int64 e = exponent < 0 ? -exponent : exponent; e > 0 && scale < 1e300; e--)
        scale *= 10;
    *number = exponent < 0 ? mantissa / scale : mantissa * scale;
    if (negative)
        *number = -*number;
    /* The powers of ten get less exact: nearer to 0 a number would be another one each time it is stored. */
    return i == n && (mantissa == 0 || exponent >= 0 || mantissa / scale >= LEAST);
}

/* Sets a number or a size given as text. 0 = not accepted. */
static int set_from_text(HcOptions *options, const HcOption *option, const char *text, size_t n) {
    double number, unit = 1;
    while (n && is_space(text[0]))
        text++, n--;
    while (n && is_space(text[n - 1]))
        n--;
    if (option->kind == HC_OPTION_CHOICE) {
        for (int i = 0; option->choices[i]; i++) {
            if (strlen(option->choices[i]) == n && sqlite3_strnicmp(option->choices[i], text, (int)n) == 0) {
                *whole_member(options, option) = i;
                return 1;
            }
        }
        return 0;
    }
    if (option->kind == HC_OPTION_SIZE && n) {
        switch (text[n - 1]) {
        case 'k':
        case 'K':
            unit = 1024, n--;
            break;
        case 'm':
        case 'M':
            unit = 1024 * 1024, n--;
            break;
        case 'g':
        case 'G':
            unit = 1024 * 1024 * 1024, n--;
            break;
        default:
            break;
        }
    }
    if (!parse_number(text, n, &number))
        return 0;
    number *= unit;
    if (!(number >= option->low && number <= option->high))
        return 0;
    if (option->kind == HC_OPTION_REAL) {
        *real_member(options, option) = number;
    } else {
        if (!is_whole(number))
            return 0;
        *whole_member(options, option) = (sqlite3_int64)number;
    }
    return 1;
}

void hc_options_preset(HcOptions *options) {
    memset(options, 0, sizeof *options);
    for (int i = 0; i < hc_option_count; i++)
        set_from_text(options, &hc_option_list[i], hc_option_list[i].preset, strlen(hc_option_list[i].preset));
}

/* The option whose name is closest to a misspelt one, NULL if none is near: one letter too few, too many or wrong. */
static const HcOption *nearest(const char *name) {
    size_t n = strlen(name);
    for (int i = 0; i < hc_option_count; i++) {
        const char *known = hc_option_list[i].name;
        size_t m = strlen(known);
        size_t head = 0, tail = 0;
        if (n > m + 2 || m > n + 2)
            continue;
        while (head < n && head < m && sqlite3_strnicmp(name + head, known + head, 1) == 0)
            head++;
        while (tail < n - head && tail < m - head &&
               sqlite3_strnicmp(name + n - 1 - tail, known + m - 1 - tail, 1) == 0)
            tail++;
        if (n - head - tail <= 1 && m - head - tail <= 1)
            return &hc_option_list[i];
    }
    return NULL;
}

static char *names_text(void) {
    sqlite3_str *list = sqlite3_str_new(NULL);
    for (int i = 0; i < hc_option_count; i++)
        sqlite3_str_appendf(list, "%s%s", i ? ", " : "", hc_option_list[i].name);
    return sqlite3_str_finish(list);
}

static int fail_unknown(const char *name, char **message) {
    const HcOption *near = nearest(name);
    if (near) {
        *message = sqlite3_mprintf("hybrid_cache: unknown option \"%s\" (did you mean %s?)", name, near->name);
    } else {
        char *names = names_text();
        *message =
            names ? sqlite3_mprintf("hybrid_cache: unknown option \"%s\", the options are %s", name, names) : NULL;
        sqlite3_free(names);
    }
    return *message ? SQLITE_ERROR : SQLITE_NOMEM;
}

static int fail_value(const HcOption *option, const char *text, char **message) {
    *message =
        sqlite3_mprintf("hybrid_cache: option %s cannot be \"%s\", it is %s", option->name, text, option->accepts);
    return *message ? SQLITE_ERROR : SQLITE_NOMEM;
}

/* A copy of text[0..n) without surrounding space and SQL quotes ('' "" [] ``), doubled quotes undone. */
static char *unquoted(const char *text, size_t n) {
    while (n && is_space(text[0]))
        text++, n--;
    while (n && is_space(text[n - 1]))
        n--;
    char *copy = sqlite3_malloc64(n + 1);
    if (!copy)
        return NULL;
    char open = n >= 2 ? text[0] : 0;
    char close = open == '[' ? ']' : open;
    size_t m = 0;
    if ((open == '\'' || open == '"' || open == '`' || open == '[') && text[n - 1] == close) {
        for (size_t i = 1; i + 1 < n; i++) {
            copy[m++] = text[i];
            if (text[i] == close && i + 2 < n && text[i + 1] == close)
                i++;
        }
    } else {
        memcpy(copy, text, n);
        m = n;
    }
    copy[m] = 0;
    return copy;
}

int hc_options_parse(HcOptions *options, const char *argument, int *which, char **message) {
    int rc = SQLITE_OK;
    const char *equal = strchr(argument, '=');
    char *name = unquoted(argument, equal ? (size_t)(equal - argument) : strlen(argument));
    char *value = unquoted(equal ? equal + 1 : "", equal ? strlen(equal + 1) : 0);
    if (!name || !value) {
        rc = SQLITE_NOMEM;
        goto done;
    }
    const HcOption *option = hc_option_find(name);
    if (!option) {
        rc = fail_unknown(name, message);
        goto done;
    }
    if (!equal) {
        *message = sqlite3_mprintf("hybrid_cache: option %s needs a value: %s=..., %s", option->name, option->name,
                                   option->accepts);
        rc = *message ? SQLITE_ERROR : SQLITE_NOMEM;
        goto done;
    }
    if (!set_from_text(options, option, value, strlen(value))) {
        rc = fail_value(option, value, message);
        goto done;
    }
    *which = (int)(option - hc_option_list);
done:
    sqlite3_free(name);
    sqlite3_free(value);
    return rc;
}

int hc_option_set(HcOptions *options, const HcOption *option, sqlite3_value *value, char **message) {
    /* Asked first: a blob that was read as text says that it is text. */
    int is_blob = sqlite3_value_type(value) == SQLITE_BLOB;
    /* A NUL inside would hide what follows it: the whole length counts. */
    const char *text = (const char *)sqlite3_value_text(value);
    size_t n = text ? (size_t)sqlite3_value_bytes(value) : 0;
    if (!text && sqlite3_value_type(value) != SQLITE_NULL)
        return SQLITE_NOMEM;
    if (is_blob || !text || !set_from_text(options, option, text, n))
        return fail_value(option, text ? text : "NULL", message);
    return SQLITE_OK;
}

void hc_option_result(const HcOptions *options, const HcOption *option, sqlite3_context *context) {
    const char *member = (const char *)options + option->offset;
    if (option->kind == HC_OPTION_REAL) {
        double number;
        memcpy(&number, member, sizeof number);
        if (is_whole(number))
            sqlite3_result_int64(context, (sqlite3_int64)number);
        else
            sqlite3_result_double(context, number);
    } else {
        sqlite3_int64 number;
        memcpy(&number, member, sizeof number);
        if (option->kind == HC_OPTION_CHOICE)
            sqlite3_result_text(context, option->choices[number], -1, SQLITE_STATIC);
        else
            sqlite3_result_int64(context, number);
    }
}

char *hc_options_text(const HcOptions *options) {
    sqlite3_str *text = sqlite3_str_new(NULL);
    for (int i = 0; i < hc_option_count; i++) {
        const HcOption *option = &hc_option_list[i];
        const char *member = (const char *)options + option->offset;
        double real;
        sqlite3_int64 whole;
        memcpy(&real, member, sizeof real);
        memcpy(&whole, member, sizeof whole);
        sqlite3_str_appendf(text, "%s%s=", i ? ", " : "", option->name);
        if (option->kind == HC_OPTION_REAL && is_whole(real))
            sqlite3_str_appendf(text, "%lld", (sqlite3_int64)real);
        else if (option->kind == HC_OPTION_REAL)
            sqlite3_str_appendf(text, "%!.15g", real);
        else if (option->kind == HC_OPTION_CHOICE)
            sqlite3_str_appendf(text, "%s", option->choices[whole]);
        else
            sqlite3_str_appendf(text, "%lld", whole);
    }
    return sqlite3_str_finish(text);
}

int hc_options_from_text(HcOptions *options, const char *text, char **message) {
    HcOptions parsed;
    int rc = SQLITE_OK;
    hc_options_preset(&parsed);
    while (rc == SQLITE_OK && *text) {
        const char *comma = strchr(text, ',');
        size_t n = comma ? (size_t)(comma - text) : strlen(text);
        int which;
        char *argument = sqlite3_mprintf("%.*s", (int)n, text);
        rc = argument ? hc_options_parse(&parsed, argument, &which, message) : SQLITE_NOMEM;
        sqlite3_free(argument);
        text += n + (comma != NULL);
    }
    if (rc == SQLITE_OK)
        *options = parsed;
    return rc;
}
