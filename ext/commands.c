/*
** commands.c: INSERT INTO cache(cache) VALUES('purge'), FTS5 style.
*/
#include "commands.h"
#include "clock.h"
#include "maintenance.h"

static int is_null(sqlite3_value *value) {
    return sqlite3_value_type(value) == SQLITE_NULL;
}

static int fail(char **message, char *text) {
    *message = text;
    return text ? SQLITE_ERROR : SQLITE_NOMEM;
}

/* purge: `value` = at most so many rows, `expires` = as of that time. */
static int purge(HcCache *cache, sqlite3_value *value, sqlite3_value *expires, char **message) {
    sqlite3_int64 limit = 9223372036854775807LL, removed = 0;
    double until;
    if (!is_null(value)) {
        int type = sqlite3_value_numeric_type(value);
        double number = sqlite3_value_double(value);
        if ((type != SQLITE_INTEGER && type != SQLITE_FLOAT) || !(number >= 0 && number < 9e18) ||
            (double)(sqlite3_int64)number != number)
            return fail(message,
                        sqlite3_mprintf("hybrid_cache: the value of 'purge' is the number of rows to remove at "
                                        "most, a whole number of 0 or more"));
        limit = sqlite3_value_int64(value);
    }
    if (is_null(expires)) {
        if (cache->options.clock == HC_CLOCK_CALLER)
            return fail(message, sqlite3_mprintf("hybrid_cache: under clock=caller 'purge' needs the time: INSERT INTO "
                                                 "\"%w\"(\"%w\", expires) VALUES('purge', unixepoch('now'))",
                                                 cache->name, cache->name));
        until = hc_cache_now(cache);
    } else {
        int type = sqlite3_value_type(expires);
        if (type != SQLITE_INTEGER && type != SQLITE_FLOAT)
            return fail(message, sqlite3_mprintf("hybrid_cache: expires of 'purge' is a Unix time in seconds, such as "
                                                 "unixepoch('now')"));
        until = sqlite3_value_double(expires);
        /* "Never" is later than every purge. */
        if (until >= HC_NEVER)
            until = HC_NEVER - 1;
    }
    int rc = hc_cache_purge(cache, until - cache->options.grace, limit, &removed, message);
    cache->stats.last_purge = removed;
    return rc;
}

/* What the commands without arguments share. */
static int no_arguments(const char *name, sqlite3_value *value, sqlite3_value *expires, char **message) {
    if (is_null(value) && is_null(expires))
        return SQLITE_OK;
    return fail(message, sqlite3_mprintf("hybrid_cache: '%s' takes no value", name));
}

static int clear(HcCache *cache, sqlite3_value *value, sqlite3_value *expires, char **message) {
    int rc = no_arguments("clear", value, expires, message);
    return rc == SQLITE_OK ? hc_cache_clear(cache, message) : rc;
}

static int check(HcCache *cache, sqlite3_value *value, sqlite3_value *expires, char **message) {
    int rc = no_arguments("check", value, expires, message);
    return rc == SQLITE_OK ? hc_maintenance_check(cache, message) : rc;
}

static int rebuild(HcCache *cache, sqlite3_value *value, sqlite3_value *expires, char **message) {
    int rc = no_arguments("rebuild", value, expires, message);
    return rc == SQLITE_OK ? hc_maintenance_rebuild(cache, message) : rc;
}

const HcCommand hc_command_list[] = {
    {"purge", purge},
    {"clear", clear},
    {"check", check},
    {"rebuild", rebuild},
};
const int hc_command_count = (int)(sizeof hc_command_list / sizeof hc_command_list[0]);

static int set_option(HcCache *cache, const HcOption *option, sqlite3_value *value, sqlite3_value *expires,
                      char **message) {
    HcOptions options = cache->options;
    if (!is_null(expires))
        return fail(message, sqlite3_mprintf("hybrid_cache: option %s takes a value and no expires", option->name));
    int rc = hc_option_set(&options, option, value, message);
    return rc == SQLITE_OK ? hc_cache_set_options(cache, &options, message) : rc;
}

static int fail_unknown(const char *name, char **message) {
    sqlite3_str *list = sqlite3_str_new(NULL);
    for (int i = 0; i < hc_command_count; i++)
        sqlite3_str_appendf(list, "%s%s", i ? ", " : "", hc_command_list[i].name);
    for (int i = 0; i < hc_option_count; i++)
        sqlite3_str_appendf(list, ", %s", hc_option_list[i].name);
    char *names = sqlite3_str_finish(list);
    char *text =
        names ? sqlite3_mprintf("hybrid_cache: unknown command \"%s\", the commands are %s", name, names) : NULL;
    sqlite3_free(names);
    return fail(message, text);
}

int hc_command_run(HcCache *cache, sqlite3_value *name, sqlite3_value *value, sqlite3_value *expires, char **message) {
    if (sqlite3_value_type(name) != SQLITE_TEXT)
        return fail(message, sqlite3_mprintf("hybrid_cache: a command is a text, such as 'purge'"));
    const char *text = (const char *)sqlite3_value_text(name);
    if (!text)
        return SQLITE_NOMEM;
    for (int i = 0; i < hc_command_count; i++) {
        if (sqlite3_stricmp(text, hc_command_list[i].name) == 0)
            return hc_command_list[i].run(cache, value, expires, message);
    }
    const HcOption *option = hc_option_find(text);
    return option ? set_option(cache, option, value, expires, message) : fail_unknown(text, message);
}
