/*
** statement.c: what the statement that is being run was written to do.
*/
#include "statement.h"

#define WORD 128

/* The next word or quoted name of `sql`, as text in word[WORD]; the rest of `sql`. Comments are not skipped. */
static const char *next_word(const char *sql, char *word) {
    size_t n = 0;
    sql += strspn(sql, " \t\r\n\f");
    char close = *sql == '[' ? ']' : *sql;
    if (*sql && strchr("\"`['", *sql)) {
        for (sql++; *sql && (*sql != close || sql[1] == close); sql++) {
            if (*sql == close)
                sql++;
            if (n < WORD - 1)
                word[n++] = *sql;
        }
        sql += *sql != 0;
    } else {
        size_t length = strcspn(sql, " \t\r\n\f(.,;\"'`[");
        for (; n < length && n < WORD - 1; n++)
            word[n] = sql[n];
        sql += length;
    }
    word[n] = 0;
    return sql;
}

static int is_one_of(const char *word, const char *const *words) {
    while (*words && sqlite3_stricmp(word, *words) != 0)
        words++;
    return *words != NULL;
}

static int writes_to(const char *sql, const char *name) {
    static const char *const verbs[] = {"INSERT", "REPLACE", "UPDATE", "DELETE", NULL};
    static const char *const fillers[] = {"OR", "ROLLBACK", "ABORT", "FAIL", "IGNORE", "INTO", "FROM", "REPLACE", NULL};
    char word[WORD];
    sql = next_word(sql, word);
    if (!is_one_of(word, verbs))
        return 0;
    do
        sql = next_word(sql, word);
    while (is_one_of(word, fillers));
    if (*sql == '.')
        next_word(sql + 1, word);
    return sqlite3_stricmp(word, name) == 0;
}

int hc_statement_writes_only(sqlite3 *db, const char *name) {
    const char *sql = NULL;
    for (sqlite3_stmt *stmt = sqlite3_next_stmt(db, NULL); stmt; stmt = sqlite3_next_stmt(db, stmt)) {
        if (!sqlite3_stmt_busy(stmt) || sqlite3_stmt_readonly(stmt))
            continue;
        if (sql)
            return 0;
        sql = sqlite3_sql(stmt);
    }
    return sql && writes_to(sql, name);
}
