/*
** wreck.c - the questions of wreck.h.
*/
#include "wreck.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char problem[PROBLEM_ROOM];

void complain(const char *format, ...) {
    va_list arguments;
    if (problem[0] != 0)
        return;
    va_start(arguments, format);
    vsnprintf(problem, sizeof problem, format, arguments);
    va_end(arguments);
}

void must_run(sqlite3 *db, const char *where, const char *sql) {
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        if (sqlite3_column_type(stmt, 0) == SQLITE_INTEGER && sqlite3_column_int(stmt, 0) == 0)
            complain("%s: %.200s: not true", where, sql);
        rc = SQLITE_OK;
    }
    if (rc != SQLITE_DONE)
        complain("%s: %.200s: error %d, %.200s", where, sql, sqlite3_extended_errcode(db), sqlite3_errmsg(db));
    sqlite3_finalize(stmt);
}

/* The transaction that a value names, if it is that value to the last byte; otherwise a problem. */
static unsigned version_of(const char *where, uint64_t seed, unsigned key, const char *text) {
    char expected[VALUE_MOST];
    unsigned of_key = 0, n = 0;
    if (key >= KEYS || sscanf(text, "%u:%u:", &of_key, &n) != 2 || of_key != key) {
        complain("%s: key %u has the value %.40s", where, key, text);
        return 0;
    }
    plan_value(seed, key, n, expected);
    if (strcmp(text, expected) != 0)
        complain("%s: key %u has not the whole value %.40s", where, key, text);
    return n;
}

/* The versions that a query of key and value gives. */
static void read_versions(sqlite3 *db, const char *where, uint64_t seed, const char *sql, unsigned versions[KEYS]) {
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    memset(versions, 0, KEYS * sizeof *versions);
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        unsigned key = (unsigned)sqlite3_column_int(stmt, 0);
        const char *text = (const char *)sqlite3_column_text(stmt, 1);
        if (key < KEYS)
            versions[key] = version_of(where, seed, key, text != NULL ? text : "");
        rc = SQLITE_OK;
    }
    if (rc != SQLITE_DONE)
        complain("%s: %.100s: %s", where, sql, sqlite3_errmsg(db));
    sqlite3_finalize(stmt);
}

/* `small` may have lost what it evicted, and must have nothing else. */
static int same(const PlanState *state, const PlanState *found) {
    if (memcmp(state->main, found->main, sizeof state->main) != 0)
        return 0;
    for (unsigned key = 0; key < KEYS; key++) {
        if (found->small[key] != 0 && found->small[key] != state->small[key])
            return 0;
    }
    return 1;
}

unsigned wreck_state(sqlite3 *db, const char *where, uint64_t seed, unsigned low, unsigned high, PlanState *found) {
    PlanState state = {{0}, {0}};
    unsigned app[KEYS];
    must_run(db, where, "BEGIN");
    read_versions(db, where, seed, "SELECT key, value FROM cache_data WHERE expires > 1000", found->main);
    read_versions(db, where, seed, "SELECT key, value FROM small_data", found->small);
    read_versions(db, where, seed, "SELECT key, value FROM app", app);
    must_run(db, where, "COMMIT");
    if (memcmp(app, found->main, KEYS_APP * sizeof *app) != 0)
        complain("%s: cache and app have come apart", where);
    for (unsigned n = 1; n <= high; n++) {
        if (n > low && same(&state, found))
            return n - 1;
        plan_apply(seed, n, &state);
    }
    if (same(&state, found))
        return high;
    complain("%s: in none of the states after %u to %u transactions", where, low, high);
    return low;
}

void wreck_listen(sqlite3 *db, const char *where, uint64_t seed, const char *sql, unsigned versions[KEYS]) {
    sqlite3_stmt *stmt = NULL;
    memset(versions, 0, KEYS * sizeof *versions);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        complain("%s: %s: %s", where, sql, sqlite3_errmsg(db));
    for (unsigned key = 0; stmt != NULL && key < KEYS; key++) {
        sqlite3_bind_int(stmt, 1, (int)key);
        int rc = sqlite3_step(stmt);
        const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
        versions[key] = text != NULL ? version_of(where, seed, key, text) : 0;
        if (rc != SQLITE_ROW && rc != SQLITE_DONE)
            complain("%s: %s: %s", where, sql, sqlite3_errmsg(db));
        sqlite3_reset(stmt);
    }
    sqlite3_finalize(stmt);
}

static void compare(sqlite3 *db, const char *where, uint64_t seed, const char *sql, const unsigned *versions) {
    unsigned heard[KEYS];
    wreck_listen(db, where, seed, sql, heard);
    for (unsigned key = 0; key < KEYS; key++) {
        if (heard[key] != versions[key])
            complain("%s: %s of key %u is that of transaction %u, not %u", where, sql, key, heard[key], versions[key]);
    }
}

void wreck_answers(sqlite3 *db, const char *where, uint64_t seed, const PlanState *state) {
    compare(db, where, seed, "SELECT hybrid_cache_get('cache', ?1)", state->main);
    compare(db, where, seed, "SELECT value FROM cache WHERE key = ?1", state->main);
    compare(db, where, seed, "SELECT hybrid_cache_get('small', ?1)", state->small);
}

void wreck_sound(sqlite3 *db, const char *where) {
    must_run(db, where, "INSERT INTO cache(cache) VALUES('check')");
    must_run(db, where, "INSERT INTO small(small) VALUES('check')");
    must_run(db, where, "SELECT integrity_check = 'ok' FROM pragma_integrity_check");
    must_run(db, where, "SELECT count(*) <= 20 FROM small_data");
    must_run(db, where,
             "SELECT count(*) = json_extract(hybrid_cache_stats('cache'), '$.l2_count') AND"
             " ifnull(sum(size), 0) = json_extract(hybrid_cache_stats('cache'), '$.l2_bytes') FROM cache_data");
}
