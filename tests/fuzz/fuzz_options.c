/*
** fuzz_options.c: text as the options of CREATE VIRTUAL TABLE, and as the text that is stored.
**
** The parser is called directly; one run in 4096 goes through SQL. What was accepted has to be within its range, and
** has to survive being stored: a stored text read again is the same text.
*/
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "options.h"

static void check_options(const HcOptions *options) {
    for (int i = 0; i < hc_option_count; i++) {
        const HcOption *option = &hc_option_list[i];
        const char *member = (const char *)options + option->offset;
        double real;
        sqlite3_int64 whole;
        memcpy(&real, member, sizeof real);
        memcpy(&whole, member, sizeof whole);
        double low = option->low, high = option->high;
        if (option->kind == HC_OPTION_CHOICE) {
            for (high = 0; option->choices[(int)high + 1];)
                high++;
        }
        double number = option->kind == HC_OPTION_REAL ? real : (double)whole;
        if (!(number >= low && number <= high))
            fuzz_wrong("%s is %g, outside of %g to %g", option->name, number, low, high);
    }
}

/* Stored and read again; the text is made with 15 digits, so the first time may change a number, the second must not. */
static void store(HcOptions *options) {
    char *message = NULL;
    char *text = hc_options_text(options);
    if (hc_options_from_text(options, text, &message) != SQLITE_OK)
        fuzz_wrong("what was stored cannot be read: %s (%s)", text, message ? message : "no message");
    sqlite3_free(text);
}

static void check_stored(const HcOptions *options) {
    HcOptions first = *options, second;
    store(&first);
    check_options(&first);
    second = first;
    store(&second);
    if (memcmp(&first, &second, sizeof first) != 0)
        fuzz_wrong("what was stored is read as something else: %s", hc_options_text(&first));
}

static void check_result(int rc, char *message) {
    if (rc != SQLITE_OK && rc != SQLITE_ERROR)
        fuzz_wrong("result code %d", rc);
    if ((rc != SQLITE_OK) != (message != NULL))
        fuzz_wrong("result code %d, message %s", rc, message ? message : "none");
    sqlite3_free(message);
}

/* Line by line, as the arguments of CREATE come; a failed one leaves no trace. */
static void parse_lines(char *text) {
    HcOptions options;
    hc_options_preset(&options);
    for (char *line = text, *next; line; line = next) {
        int which = -1;
        char *message = NULL;
        HcOptions before = options;
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        int rc = hc_options_parse(&options, line, &which, &message);
        check_result(rc, message);
        if (rc == SQLITE_OK && (which < 0 || which >= hc_option_count))
            fuzz_wrong("option number %d", which);
        if (rc != SQLITE_OK && memcmp(&before, &options, sizeof options) != 0)
            fuzz_wrong("a refused option has changed something");
    }
    check_options(&options);
    HcOptions preset;
    hc_options_preset(&preset);
    if (memcmp(&preset, &options, sizeof options) != 0)
        check_stored(&options);
}

static void parse_stored(const char *text) {
    HcOptions options;
    char *message = NULL;
    int rc = hc_options_from_text(&options, text, &message);
    check_result(rc, message);
    if (rc == SQLITE_OK) {
        check_options(&options);
        check_stored(&options);
    }
}

/* The parser alone is one thing, SQL around it another: what is accepted can be used. */
static void use(sqlite3 *db, int rc, char *message) {
    if (rc == SQLITE_OK && fuzz_exec(db, NULL, "INSERT INTO c(key, value) VALUES('k', 'v')") == SQLITE_OK)
        fuzz_exec(db, NULL, "SELECT hybrid_cache_get('c', 'k'), hybrid_cache_option('c', 'ttl') FROM c");
    if (rc == SQLITE_NOMEM || rc == SQLITE_MISUSE || rc == SQLITE_INTERNAL)
        fuzz_wrong("SQL: %d %s", rc, message ? message : "");
    sqlite3_free(message);
    fuzz_verify(db);
}

static void through_sql(const char *text) {
    char *message = NULL;
    sqlite3 *db = fuzz_open("options");
    fuzz_patience(db, 100);
    int rc = fuzz_exec(db, &message, "CREATE VIRTUAL TABLE c USING hybrid_cache(%s)", text);
    use(db, rc, message);
    fuzz_exec(db, NULL, "CREATE VIRTUAL TABLE IF NOT EXISTS c USING hybrid_cache");
    for (int i = 0; i < hc_option_count; i++) {
        message = NULL;
        rc = fuzz_exec(db, &message, "INSERT INTO c(c, value) VALUES('%s', %Q)", hc_option_list[i].name, text);
        use(db, rc, message);
    }
    message = NULL;
    rc = fuzz_exec(db, &message, "INSERT INTO c(c) VALUES(%Q)", text);
    use(db, rc, message);
    fuzz_close(db);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static unsigned runs;
    if (size > 1000)
        return 0;
    if (runs == 0)
        fuzz_start();
    char *text = malloc(size + 1);
    if (size)
        memcpy(text, data, size);
    text[size] = 0;
    if (runs++ % 4096 == 0)
        through_sql(text);
    if (strchr(text, ','))
        parse_stored(text);
    else
        parse_lines(text);
    free(text);
    return 0;
}
