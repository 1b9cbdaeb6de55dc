/*
** Options: what CREATE VIRTUAL TABLE accepts, what it refuses and how it says so, and the stored form.
*/
#include "options.c"

#include "unit.h"

static void test_presets(void) {
    HcOptions options;
    hc_options_preset(&options);
    CHECK(options.ttl == 300);
    CHECK(options.l1_ttl == 30);
    CHECK_EQ(options.l1_entries, 1000);
    CHECK_EQ(options.l1_bytes, 32 * 1024 * 1024);
    CHECK_EQ(options.l2_entries, 0);
    CHECK_EQ(options.l2_bytes, 0);
    CHECK_EQ(options.eviction, HC_EVICTION_LRU);
    CHECK_EQ(options.coherence, HC_COHERENCE_STRICT);
    CHECK(options.jitter == 0);
    CHECK(options.grace == 0);
    CHECK_EQ(options.on_error, HC_ON_ERROR_FAIL);
    CHECK_EQ(options.clock, HC_CLOCK_LOCAL);
    CHECK_EQ(hc_option_count, 12);
}

/* One argument; the value of the option it sets afterwards, as it is stored. */
static const struct {
    const char *argument, *stored; /* stored NULL: refused */
} arguments[] = {
    {"ttl=60", "60"},
    {"ttl = 60", "60"},
    {"\n\tttl\r=\f 60 ", "60"},
    {"TTL=60", "60"},
    {"\"ttl\"=60", "60"},
    {"[ttl]='60'", "60"},
    {"`ttl`=\"60\"", "60"},
    {"ttl=' 60 '", "60"},
    {"ttl=[60]", "60"},
    {"ttl=0", "0"},
    {"ttl=-0", "0"},
    {"ttl=+5", "5"},
    {"ttl=0.25", "0.25"},
    {"ttl=.5", "0.5"},
    {"ttl=5.", "5"},
    {"ttl=1e3", "1000"},
    {"ttl=1E+3", "1000"},
    {"ttl=25e-1", "2.5"},
    {"ttl=0.000e5", "0"},
    {"ttl=253402300799", "253402300799"},
    {"ttl=253402300799.5", NULL},
    {"ttl=253402300800", NULL},
    {"ttl=-1", NULL},
    {"ttl=-0.001", NULL},
    {"ttl=1e400", NULL},
    {"ttl=1e99999999999", NULL},
    {"ttl=", NULL},
    {"ttl=''", NULL},
    {"ttl", NULL},
    {"ttl=x", NULL},
    {"ttl=5s", NULL},
    {"ttl=5 5", NULL},
    {"ttl=1.2.3", NULL},
    {"ttl=1e", NULL},
    {"ttl=1e+", NULL},
    {"ttl=e5", NULL},
    {"ttl=.", NULL},
    {"ttl=+", NULL},
    {"ttl=--5", NULL},
    {"ttl=0x10", NULL},
    {"ttl=0,5", NULL},
    {"ttl=nan", NULL},
    {"ttl=inf", NULL},
    {"ttl=1K", NULL},
    {"ttl='60", NULL},
    {"ttl=60'", NULL},
    {"ttl=''60''", NULL},
    {"ttl==60", NULL},
    {"l1_ttl=0", "0"},
    {"l1_ttl=0.001", "0.001"},
    {"l1_ttl=-1", NULL},
    {"l1_entries=0", "0"},
    {"l1_entries=1000.0", "1000"},
    {"l1_entries=1e3", "1000"},
    {"l1_entries=1.5", NULL},
    {"l1_entries=1K", NULL},
    {"l1_entries=1000000000000", "1000000000000"},
    {"l1_entries=1000000000001", NULL},
    {"l1_entries=-1", NULL},
    {"l1_bytes=0", "0"},
    {"l1_bytes=4096", "4096"},
    {"l1_bytes='1K'", "1024"},
    {"l1_bytes=1k", "1024"},
    {"l1_bytes='2m'", "2097152"},
    {"l1_bytes='3G'", "3221225472"},
    {"l1_bytes='1.5K'", "1536"},
    {"l1_bytes='2 M'", NULL},
    {"l1_bytes='0.1K'", NULL},
    {"l1_bytes='K'", NULL},
    {"l1_bytes='1KB'", NULL},
    {"l1_bytes='1T'", NULL},
    {"l1_bytes='-1K'", NULL},
    {"l1_bytes='1048576G'", "1125899906842624"},
    {"l1_bytes='1048577G'", NULL},
    {"l1_bytes=1125899906842625", NULL},
    {"l2_entries=7", "7"},
    {"l2_bytes='1M'", "1048576"},
    {"eviction=lru", "lru"},
    {"eviction='LRU'", "lru"},
    {"eviction=s3fifo", "s3fifo"},
    {"eviction=fifo", NULL},
    {"eviction=lruu", NULL},
    {"eviction=lr", NULL},
    {"eviction=", NULL},
    {"coherence=strict", "strict"},
    {"coherence=relaxed", "relaxed"},
    {"coherence=strictrelaxed", NULL},
    {"coherence=0", NULL},
    {"jitter=0", "0"},
    {"jitter=0.5", "0.5"},
    {"jitter=0.51", NULL},
    {"jitter=-0.1", NULL},
    {"grace=10", "10"},
    {"on_error=fail", "fail"},
    {"on_error=Degrade", "degrade"},
    {"on_error=ignore", NULL},
    {"clock=local", "local"},
    {"clock=caller", "caller"},
    {"clock=remote", NULL},
    {"", NULL},
    {"=", NULL},
    {"=5", NULL},
    {"key", NULL},
    {"ttll=5", NULL},
    {"l1 bytes=5", NULL},
};

/* The stored value of one option, cut out of hc_options_text(). */
static void stored_value(const HcOptions *options, const char *name, char *value, size_t room) {
    char *text = hc_options_text(options);
    char *pattern = sqlite3_mprintf("%s=", name);
    const char *at = text;
    while (at && strncmp(at, pattern, strlen(pattern)) != 0) {
        at = strstr(at, ", ");
        at = at ? at + 2 : NULL;
    }
    value[0] = 0;
    if (CHECK(at != NULL)) {
        at += strlen(pattern);
        sqlite3_snprintf((int)room, value, "%.*s", (int)strcspn(at, ","), at);
    }
    sqlite3_free(pattern);
    sqlite3_free(text);
}

static void test_arguments(void) {
    for (size_t i = 0; i < sizeof arguments / sizeof arguments[0]; i++) {
        HcOptions options, before;
        char *message = NULL, stored[64];
        int which = -1;
        int wrong = unit.wrong;
        memset(&options, 0x5a, sizeof options); /* bytes of padding too */
        hc_options_preset(&options);
        before = options;
        int rc = hc_options_parse(&options, arguments[i].argument, &which, &message);
        if (arguments[i].stored) {
            CHECK_EQ(rc, SQLITE_OK);
            CHECK(message == NULL);
            if (CHECK(which >= 0 && which < hc_option_count)) {
                stored_value(&options, hc_option_list[which].name, stored, sizeof stored);
                CHECK_TEXT(stored, arguments[i].stored);
            }
        } else {
            CHECK_EQ(rc, SQLITE_ERROR);
            CHECK(message != NULL && strncmp(message, "hybrid_cache: ", 14) == 0);
            CHECK(memcmp(&options, &before, sizeof options) == 0);
        }
        sqlite3_free(message);
        if (unit.wrong != wrong)
            printf("  argument %s\n", arguments[i].argument);
    }
}

/* Every option can be set to either bound of what it accepts, and no further. */
static void test_bounds(void) {
    for (int i = 0; i < hc_option_count; i++) {
        const HcOption *option = &hc_option_list[i];
        CHECK(hc_option_find(option->name) == option);
        CHECK(strstr(option->name, "=") == NULL);
        if (option->kind == HC_OPTION_CHOICE) {
            for (int word = 0; option->choices[word]; word++) {
                HcOptions options;
                char *argument = sqlite3_mprintf("%s=%s", option->name, option->choices[word]), *message = NULL;
                int which = -1;
                hc_options_preset(&options);
                CHECK_EQ(hc_options_parse(&options, argument, &which, &message), SQLITE_OK);
                CHECK_EQ(which, i);
                CHECK_EQ(*whole_member(&options, option), word);
                CHECK(strstr(option->accepts, option->choices[word]) != NULL);
                sqlite3_free(argument);
            }
            continue;
        }
        double step = option->kind == HC_OPTION_REAL ? 0.001 : 1;
        double tries[] = {option->low, option->high, option->low - step, option->high + step};
        for (int t = 0; t < 4; t++) {
            HcOptions options;
            char *argument = sqlite3_mprintf("%s=%!.17g", option->name, tries[t]), *message = NULL;
            int which = -1;
            hc_options_preset(&options);
            if (!CHECK_EQ(hc_options_parse(&options, argument, &which, &message), t < 2 ? SQLITE_OK : SQLITE_ERROR))
                printf("  %s\n", argument);
            sqlite3_free(argument);
            sqlite3_free(message);
        }
    }
    CHECK(hc_option_find("nothing") == NULL);
    CHECK(hc_option_find("") == NULL);
}

/* What a user reads: the culprit, and what is accepted. */
static void test_messages(void) {
    static const struct {
        const char *argument, *message;
    } cases[] = {
        {"l1_byte=5", "hybrid_cache: unknown option \"l1_byte\" (did you mean l1_bytes?)"},
        {"tll=5", "hybrid_cache: unknown option \"tll\" (did you mean ttl?)"},
        {"cohherence=strict", "hybrid_cache: unknown option \"cohherence\" (did you mean coherence?)"},
        {"color=red", "hybrid_cache: unknown option \"color\", the options are ttl, l1_ttl, l1_entries, l1_bytes, "
                      "l2_entries, l2_bytes, eviction, coherence, jitter, grace, on_error, clock"},
        {"ttabc=5", "hybrid_cache: unknown option \"ttabc\", the options are ttl, l1_ttl, l1_entries, l1_bytes, "
                    "l2_entries, l2_bytes, eviction, coherence, jitter, grace, on_error, clock"},
        {"ttl",
         "hybrid_cache: option ttl needs a value: ttl=..., a number of seconds from 0 to 253402300799, 0 = never "
         "expires"},
        {"ttl=soon",
         "hybrid_cache: option ttl cannot be \"soon\", it is a number of seconds from 0 to 253402300799, 0 = "
         "never expires"},
        {"l1_bytes='1T'", "hybrid_cache: option l1_bytes cannot be \"1T\", it is a number of bytes from 0 to "
                          "1125899906842624, or a quoted size such as '32M' (K, M, G)"},
        {"jitter=1", "hybrid_cache: option jitter cannot be \"1\", it is a fraction from 0 to 0.5"},
        {"coherence='it''s'", "hybrid_cache: option coherence cannot be \"it's\", it is strict or relaxed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        HcOptions options;
        char *message = NULL;
        int which;
        hc_options_preset(&options);
        CHECK_EQ(hc_options_parse(&options, cases[i].argument, &which, &message), SQLITE_ERROR);
        CHECK_TEXT(message, cases[i].message);
        sqlite3_free(message);
    }
}

/* Numbers mean what SQLite and strtod say they mean, to the bit up to 15 digits and moderate exponents. */
static void test_numbers(void) {
    for (int i = unit_rounds(100000); i > 0; i--) {
        char text[64];
        double got = -1;
        int digits = 1 + unit_below(15);
        sqlite3_int64 figures = 0;
        for (int d = 0; d < digits; d++)
            figures = figures * 10 + unit_below(10);
        int scale = unit_below(16);
        if (unit_below(2))
            sqlite3_snprintf(sizeof text, text, "%s%llde%d", unit_below(2) ? "-" : "", figures, scale - 8);
        else if (scale < 10)
            sqlite3_snprintf(sizeof text, text, "%d.%0*d", unit_below(10000), scale + 1, unit_below(10));
        else
            sqlite3_snprintf(sizeof text, text, "%lld", figures);
        CHECK(parse_number(text, strlen(text), &got));
        if (!CHECK(got == strtod(text, NULL)))
            printf("  %s\n", text);
    }
}

/* Exponents beyond all bounds, and numbers that no integer holds. */
static void test_far_numbers(void) {
    static const char *const refused[] = {"1e10000", "1e-10000", "0e10000", "1e", "1e+", "1e-11"};
    double number;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        if (!CHECK_EQ(parse_number(refused[i], strlen(refused[i]), &number), 0))
            printf("  %s\n", refused[i]);
    }
    CHECK(parse_number("1e0000000000002", 15, &number) && number == 100);
    CHECK(parse_number("-25e+1", 6, &number) && number == -250);
    CHECK(parse_number("1e999", 5, &number) && number >= 1e300);
    CHECK_EQ(is_whole(8e18), 1);
    CHECK_EQ(is_whole(-8e18), 1);
    CHECK_EQ(is_whole(1e19), 0);
    CHECK_EQ(is_whole(-1e19), 0);
    CHECK_EQ(is_whole(0.5), 0);
}

static double random_real(double high) {
    /* At most 15 digits in all, so that the text is exact. */
    double number = (double)unit_below(1000000) / 1000.0;
    return number <= high ? number : high;
}

static void test_stored_form(void) {
    HcOptions options, again;
    char *message = NULL;
    memset(&options, 0, sizeof options);
    memset(&again, 0, sizeof again);
    hc_options_preset(&options);
    char *text = hc_options_text(&options);
    CHECK_TEXT(text, "ttl=300, l1_ttl=30, l1_entries=1000, l1_bytes=33554432, l2_entries=0, l2_bytes=0, eviction=lru, "
                     "coherence=strict, jitter=0, grace=0, on_error=fail, clock=local");
    sqlite3_free(text);
    for (int i = unit_rounds(2000); i > 0; i--) {
        options.ttl = random_real(SECONDS_MAX);
        options.l1_ttl = random_real(SECONDS_MAX);
        options.grace = random_real(SECONDS_MAX);
        options.jitter = random_real(0.5);
        options.l1_entries = unit_below(1000000000);
        options.l1_bytes = (sqlite3_int64)(unit_random() % 1125899906842625u);
        options.l2_entries = unit_below(1000000000);
        options.l2_bytes = (sqlite3_int64)(unit_random() % 1125899906842625u);
        options.coherence = unit_below(2);
        options.on_error = unit_below(2);
        options.clock = unit_below(2);
        text = hc_options_text(&options);
        CHECK_EQ(hc_options_from_text(&again, text, &message), SQLITE_OK);
        CHECK(memcmp(&options, &again, sizeof options) == 0);
        sqlite3_free(text);
    }
    /* What is not there has its preset. */
    CHECK_EQ(hc_options_from_text(&again, "ttl=7", &message), SQLITE_OK);
    CHECK(again.ttl == 7 && again.l1_ttl == 30 && again.l1_entries == 1000);
    CHECK_EQ(hc_options_from_text(&again, "", &message), SQLITE_OK);
    CHECK(again.ttl == 300);
    /* Damage changes nothing. */
    static const char *const damaged[] = {"ttl=7, nonsense=1", "ttl=-1", "ttl", ",", "ttl=7,,grace=1"};
    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        HcOptions before = again;
        CHECK_EQ(hc_options_from_text(&again, damaged[i], &message), SQLITE_ERROR);
        CHECK(message != NULL);
        CHECK(memcmp(&before, &again, sizeof again) == 0);
        sqlite3_free(message);
        message = NULL;
    }
}

/* set(name, value): the option afterwards; an error where it is refused. Options start from the presets. */
static void set_function(sqlite3_context *context, int count, sqlite3_value **values) {
    HcOptions options;
    char *message = NULL;
    const HcOption *option = hc_option_find((const char *)sqlite3_value_text(values[0]));
    (void)count;
    hc_options_preset(&options);
    if (hc_option_set(&options, option, values[1], &message) == SQLITE_OK)
        hc_option_result(&options, option, context);
    else
        sqlite3_result_error(context, message, -1);
    sqlite3_free(message);
}

static void test_sql_values(void) {
    static const struct {
        const char *arguments, *result; /* result NULL: refused */
    } cases[] = {
        {"'ttl', 60", "60"},
        {"'ttl', 60.0", "60"},
        {"'ttl', 60.25", "60.25"},
        {"'ttl', '60'", "60"},
        {"'ttl', ' 6e1 '", "60"},
        {"'ttl', 1e11", "100000000000"},
        {"'ttl', 1e15", NULL},
        {"'ttl', 9e999", NULL},
        {"'ttl', -9e999", NULL},
        {"'ttl', NULL", NULL},
        {"'ttl', x'3630'", NULL}, /* a BLOB is no number, whatever its bytes spell */
        {"'ttl', x''", NULL},
        {"'ttl', zeroblob(5)", NULL},
        {"'ttl', '60' || char(0)", NULL},
        {"'ttl', '60' || char(0) || 'x'", NULL},
        {"'ttl', '''60'''", NULL},
        {"'l1_entries', 10.0", "10"},
        {"'l1_entries', 10.5", NULL},
        {"'l1_bytes', '1M'", "1048576"},
        {"'l1_bytes', 1125899906842624", "1125899906842624"},
        {"'l1_bytes', 1125899906842625", NULL},
        {"'l1_bytes', -9223372036854775808", NULL},
        {"'eviction', 'lru'", "lru"},
        {"'coherence', 'Relaxed'", "relaxed"},
        {"'coherence', 'relaxed' || char(0)", NULL},
        {"'coherence', x'72656c61786564'", NULL},
        {"'coherence', 1", NULL},
    };
    static const char *const encodings[] = {"UTF-8", "UTF-16le", "UTF-16be"};
    for (int e = 0; e < 3; e++) {
        char sql[64];
        sqlite3 *db = unit_open(":memory:");
        sqlite3_snprintf(sizeof sql, sql, "PRAGMA encoding = '%s'; CREATE TABLE t(x)", encodings[e]);
        unit_exec(db, sql);
        sqlite3_create_function_v2(db, "set_option", 2, SQLITE_UTF8, NULL, set_function, NULL, NULL, NULL);
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            sqlite3_stmt *stmt = NULL;
            char *select = sqlite3_mprintf("SELECT set_option(%s)", cases[i].arguments);
            CHECK_EQ(sqlite3_prepare_v2(db, select, -1, &stmt, NULL), SQLITE_OK);
            int rc = sqlite3_step(stmt);
            if (!CHECK_EQ(rc, cases[i].result ? SQLITE_ROW : SQLITE_ERROR) ||
                (cases[i].result && !CHECK_TEXT((const char *)sqlite3_column_text(stmt, 0), cases[i].result)))
                printf("  %s in %s\n", select, encodings[e]);
            sqlite3_finalize(stmt);
            sqlite3_free(select);
        }
        sqlite3_close(db);
    }
}

/* Every allocation fails in turn: SQLITE_NOMEM or the right answer, and nothing half done. */
static void test_no_memory(void) {
    static const char *const cases[] = {"ttl=60", "ttl", "ttl=x", "l1_byte=5", "color=red"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        HcOptions options, before;
        char *message = NULL;
        int which;
        hc_options_preset(&options);
        before = options;
        int expected = i == 0 ? SQLITE_OK : SQLITE_ERROR;
        for (long n = 0;; n++) {
            message = NULL;
            unit_memory_fail(n, n % 2 == 0);
            int rc = hc_options_parse(&options, cases[i], &which, &message);
            long refused = unit_memory_restore();
            CHECK(rc == (refused ? SQLITE_NOMEM : expected) || rc == expected);
            CHECK(rc != SQLITE_ERROR || message != NULL);
            if (rc != SQLITE_OK)
                CHECK(memcmp(&options, &before, sizeof options) == 0);
            sqlite3_free(message);
            if (!refused)
                break;
        }
    }
    HcOptions options;
    hc_options_preset(&options);
    for (long n = 0;; n++) {
        unit_memory_fail(n, 0);
        char *text = hc_options_text(&options);
        long refused = unit_memory_restore();
        CHECK((text == NULL) == (refused > 0));
        sqlite3_free(text);
        if (!refused)
            break;
    }
    for (long n = 0;; n++) {
        char *message = NULL;
        HcOptions before = options;
        unit_memory_fail(n, 0);
        int rc = hc_options_from_text(&options, "ttl=7, grace=5", &message);
        long refused = unit_memory_restore();
        CHECK_EQ(rc, refused ? SQLITE_NOMEM : SQLITE_OK);
        if (rc != SQLITE_OK)
            CHECK(memcmp(&options, &before, sizeof options) == 0);
        sqlite3_free(message);
        if (!refused)
            break;
    }
    CHECK(options.ttl == 7 && options.grace == 5);
}

int main(void) {
    unit_begin();
    RUN(test_presets);
    RUN(test_arguments);
    RUN(test_bounds);
    RUN(test_messages);
    RUN(test_numbers);
    RUN(test_far_numbers);
    RUN(test_stored_form);
    RUN(test_sql_values);
    RUN(test_no_memory);
    return unit_end();
}
