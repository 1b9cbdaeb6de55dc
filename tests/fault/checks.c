/*
** checks.c - the questions of checks.h.
*/
#include "checks.h"

#include <stdarg.h>
#include <string.h>

#define KEYS_EACH 24

char problem[PROBLEM_ROOM];

void complain(const char *format, ...) {
    va_list arguments;
    if (problem[0] != 0)
        return;
    va_start(arguments, format);
    sqlite3_vsnprintf(PROBLEM_ROOM, problem, format, arguments);
    va_end(arguments);
}

/* Runs a statement to its end. *wrong: one of its rows began with 0. */
int run_sql(sqlite3 *db, const char *sql, int *wrong) {
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        if (sqlite3_column_type(stmt, 0) == SQLITE_INTEGER && sqlite3_column_int(stmt, 0) == 0)
            *wrong = 1;
        rc = SQLITE_OK;
    }
    int finalized = sqlite3_finalize(stmt);
    if (rc == SQLITE_DONE)
        rc = finalized;
    return rc;
}

void must_run(sqlite3 *db, const char *where, const char *sql) {
    int wrong = 0;
    int rc = run_sql(db, sql, &wrong);
    if (rc != SQLITE_OK)
        complain("%s: %s: error %d, %s", where, sql, sqlite3_extended_errcode(db), sqlite3_errmsg(db));
    else if (wrong)
        complain("%s: %s: not true", where, sql);
}

void must_hold(sqlite3 *db, const char *where, const char *condition) {
    char *sql = sqlite3_mprintf("SELECT (%s) IS 1", condition);
    must_run(db, where, sql);
    sqlite3_free(sql);
}

/* The value that a query gives of `key`, into `out`; "(none)" for none. */
static void value_of(sqlite3 *db, sqlite3_stmt *stmt, const char *key, const char *where, char *out) {
    const char *text = NULL;
    if (stmt != NULL) {
        sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
        if (sqlite3_step(stmt) == SQLITE_ROW)
            text = (const char *)sqlite3_column_text(stmt, 0);
    }
    sqlite3_snprintf(TEXT, out, "%s", text != NULL ? text : "(none)");
    if (sqlite3_reset(stmt) != SQLITE_OK || stmt == NULL)
        complain("%s: reading %s: %s", where, key, sqlite3_errmsg(db));
}

/* L1, look-up by SELECT and shadow row agree on every key. */
void check_keys(sqlite3 *db, const char *where) {
    static const char *const queries[] = {"SELECT hybrid_cache_get('cache', ?1)",
                                          "SELECT value FROM cache WHERE key = ?1",
                                          ("SELECT value FROM cache_data WHERE key = ?1 AND"
                                           " expires > (julianday('now') - 2440587.5) * 86400.0")};
    static const char *const families[] = {"a", "d", "n"};
    sqlite3_stmt *stmts[3] = {NULL, NULL, NULL};
    for (int i = 0; i < 3; i++) {
        if (sqlite3_prepare_v2(db, queries[i], -1, &stmts[i], NULL) != SQLITE_OK)
            complain("%s: %s: %s", where, queries[i], sqlite3_errmsg(db));
    }
    for (int i = 0; i <= 3 * KEYS_EACH; i++) {
        char key[16], values[3][TEXT];
        if (i < 3 * KEYS_EACH)
            sqlite3_snprintf((int)sizeof key, key, "%s%d", families[i % 3], i / 3 + 1);
        else
            sqlite3_snprintf((int)sizeof key, key, "large");
        for (int j = 0; j < 3; j++)
            value_of(db, stmts[j], key, where, values[j]);
        if (strcmp(values[0], values[2]) != 0 || strcmp(values[1], values[2]) != 0)
            complain("%s: key %s: get says %.20s, SELECT %.20s, the shadow table %.20s", where, key, values[0],
                     values[1], values[2]);
    }
    for (int i = 0; i < 3; i++)
        sqlite3_finalize(stmts[i]);
}

void check_mirror(sqlite3 *db, const char *where, const Script *script) {
    must_hold(
        db, where,
        script->flags & LOSSY
            ? "NOT EXISTS(SELECT key, value FROM cache_data WHERE key LIKE 'a%' EXCEPT SELECT key, value FROM app)"
            : "(SELECT group_concat(key || '=' || value) FROM (SELECT * FROM app ORDER BY key)) IS "
              "(SELECT group_concat(key || '=' || value) FROM"
              " (SELECT key, value FROM cache_data WHERE key LIKE 'a%' ORDER BY key))");
}

/* Every cache has its two tables and passes `check`; there are no others. */
void check_tables(sqlite3 *db, const char *where) {
    sqlite3_stmt *stmt = NULL;
    must_hold(
        db, where,
        "(SELECT count(*) FROM sqlite_master s JOIN sqlite_master v ON v.sql LIKE 'CREATE VIRTUAL%' AND"
        "   s.name IN (v.name || '_data', v.name || '_meta')) ="
        " 2 * (SELECT count(*) FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL%') AND"
        " (SELECT count(*) FROM sqlite_master WHERE name LIKE '%!_data' ESCAPE '!' OR name LIKE '%!_meta' ESCAPE '!') ="
        " 2 * (SELECT count(*) FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL%')");
    if (sqlite3_prepare_v2(db,
                           "SELECT printf('INSERT INTO \"%w\"(\"%w\") VALUES(''check'')', name, name)"
                           " FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL%'",
                           -1, &stmt, NULL) != SQLITE_OK)
        complain("%s: %s", where, sqlite3_errmsg(db));
    char commands[8][TEXT];
    int count = 0;
    while (stmt != NULL && count < 8 && sqlite3_step(stmt) == SQLITE_ROW)
        sqlite3_snprintf(TEXT, commands[count++], "%s", (const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    if (count == 0)
        complain("%s: no cache left", where);
    for (int i = 0; i < count; i++)
        must_run(db, where, commands[i]);
}

void check_file(sqlite3 *db, const char *where) {
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_ROW || strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") != 0)
        complain("%s: integrity_check: %s", where, stmt ? (const char *)sqlite3_column_text(stmt, 0) : "");
    sqlite3_finalize(stmt);
}

/* What has been acknowledged; no later step of a script takes it back. */
void check_acknowledged(sqlite3 *db, const char *where, const Script *script, unsigned succeeded) {
    for (int i = 0; script->steps[i].sql != NULL; i++) {
        if ((succeeded & 1u << i) && script->steps[i].acknowledge)
            must_hold(db, where, script->steps[i].acknowledge);
    }
}
