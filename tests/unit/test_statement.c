/*
** What the statement that is being run writes to: its text, and the other statements of the connection.
*/
#include "statement.c"

#include "unit.h"

static void test_texts(void) {
    static const struct {
        const char *sql;
        int writes;
    } texts[] = {
        {"INSERT INTO cache VALUES(1)", 1},
        {"insert into CACHE(key, value) values(1, 2)", 1},
        {"REPLACE INTO cache VALUES(1)", 1},
        {"INSERT OR REPLACE INTO cache VALUES(1)", 1},
        {"INSERT OR ROLLBACK INTO cache VALUES(1)", 1},
        {" \t\r\n\f INSERT OR IGNORE INTO cache(key) VALUES(1)", 1},
        {"UPDATE cache SET value = 1", 1},
        {"UPDATE OR FAIL cache SET value = 1", 1},
        {"DELETE FROM cache", 1},
        {"DELETE FROM cache;", 1},
        {"DELETE FROM main.cache WHERE key = 1", 1},
        {"DELETE FROM \"main\".\"cache\"", 1},
        {"DELETE FROM [main].[cache]", 1},
        {"DELETE FROM `cache`", 1},
        {"DELETE FROM 'cache'", 1},
        {"DELETE FROM main . cache", 0}, /* too careful: no harm */
        {"DELETE FROM other", 0},
        {"DELETE FROM cache2", 0},
        {"DELETE FROM cach", 0},
        {"DELETE FROM cache.other", 0},
        {"DELETE FROM \"cache", 1}, /* does not compile */
        {"DELETE FROM \"ca\"\"che\"", 0},
        {"DELETE FROM [ca]]che]", 0},
        {"SELECT * FROM cache", 0},
        {"WITH x AS (SELECT 1) DELETE FROM cache", 0},
        {"/* a comment */ DELETE FROM cache", 0},
        {"CREATE TABLE cache(x)", 0},
        {"INSERT", 0},
        {"INSERT INTO", 0},
        {"", 0},
        {"   ", 0},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (!CHECK_EQ(writes_to(texts[i].sql, "cache"), texts[i].writes))
            printf("  %s\n", texts[i].sql);
    }
    CHECK_EQ(writes_to("DELETE FROM \"ca\"\"che\"", "ca\"che"), 1);
    CHECK_EQ(writes_to("DELETE FROM [ca]]che]", "ca]che"), 1);
    CHECK_EQ(writes_to("DELETE FROM \"a b\"", "a b"), 1);
}

/* A name that does not fit is no name that is known, and nothing is written behind the word. */
static void test_long_names(void) {
    char name[3 * WORD], sql[4 * WORD];
    for (int n = WORD - 3; n < WORD + 3; n++) {
        for (int quoted = 0; quoted <= 1; quoted++) {
            memset(name, 'n', (size_t)n);
            name[n] = 0;
            sqlite3_snprintf(sizeof sql, sql, quoted ? "DELETE FROM \"%s\"" : "DELETE FROM %s", name);
            CHECK_EQ(writes_to(sql, name), n < WORD);
        }
    }
}

static sqlite3_stmt *begun(sqlite3 *db, const char *sql) {
    sqlite3_stmt *stmt = NULL;
    CHECK_EQ(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    CHECK_EQ(sqlite3_step(stmt), SQLITE_ROW);
    return stmt;
}

/* Of the statements that are under way, one writes. */
static void test_statements(void) {
    sqlite3 *db = unit_open(":memory:");
    unit_exec(db, "CREATE TABLE cache(x); CREATE TABLE other(x); INSERT INTO other VALUES(1), (2)");
    CHECK_EQ(hc_statement_writes_only(db, "cache"), 0); /* none at all */
    sqlite3_stmt *reading = begun(db, "SELECT x FROM other");
    CHECK_EQ(hc_statement_writes_only(db, "cache"), 0);
    sqlite3_stmt *idle = NULL;
    CHECK_EQ(sqlite3_prepare_v2(db, "DELETE FROM cache", -1, &idle, NULL), SQLITE_OK);
    CHECK_EQ(hc_statement_writes_only(db, "cache"), 0);
    if (sqlite3_libversion_number() >= 3035000) {
        sqlite3_stmt *writing = begun(db, "INSERT INTO cache VALUES(1), (2) RETURNING x");
        CHECK_EQ(hc_statement_writes_only(db, "cache"), 1);
        CHECK_EQ(hc_statement_writes_only(db, "other"), 0);
        sqlite3_stmt *second = begun(db, "INSERT INTO cache VALUES(3), (4) RETURNING x");
        CHECK_EQ(hc_statement_writes_only(db, "cache"), 0); /* which of the two? */
        sqlite3_finalize(second);
        CHECK_EQ(hc_statement_writes_only(db, "cache"), 1);
        sqlite3_finalize(writing);
    }
    sqlite3_finalize(idle);
    sqlite3_finalize(reading);
    sqlite3_close(db);
}

int main(void) {
    unit_begin();
    RUN(test_texts);
    RUN(test_long_names);
    RUN(test_statements);
    return unit_end();
}
