/*
** shell.c - a shell of one page, for SQLites that come without one and for machines that only run by emulation.
**
**   shell DATABASE EXTENSION SQL...
**
** Loads the extension (- for none), runs each SQL, prints rows with '|' between the columns and errors as
** `error: TEXT`. Exit code 1 after an error.
*/
#include <sqlite3.h>

#include <stdio.h>
#include <string.h>

static int print_row(void *unused, int columns, char **text, char **names) {
    (void)unused;
    (void)names;
    for (int i = 0; i < columns; i++)
        printf("%s%s", i ? "|" : "", text[i] ? text[i] : "NULL");
    putchar('\n');
    return 0;
}

static int report(int rc, char *message) {
    if (rc != SQLITE_OK)
        printf("error: %s\n", message ? message : sqlite3_errstr(rc));
    sqlite3_free(message);
    return rc != SQLITE_OK;
}

int main(int argc, char **argv) {
    sqlite3 *db = NULL;
    char *message = NULL;
    int failed = 0;
    if (argc < 3)
        return 2;
    failed = report(sqlite3_open(argv[1], &db), NULL);
    if (!failed && strcmp(argv[2], "-") != 0) {
        sqlite3_enable_load_extension(db, 1);
        int rc = sqlite3_load_extension(db, argv[2], NULL, &message);
        failed = report(rc, message);
    }
    for (int i = 3; i < argc && !failed; i++) {
        message = NULL;
        int rc = sqlite3_exec(db, argv[i], print_row, NULL, &message);
        failed = report(rc, message);
    }
    if (sqlite3_close(db) != SQLITE_OK) {
        printf("error: the connection cannot be closed\n");
        failed = 1;
    }
    return failed;
}
