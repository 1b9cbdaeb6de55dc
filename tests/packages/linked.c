/*
** linked.c - a program that links the extension, as hybrid_cache.h says. Prints what every connection of it can do.
*/
#include <hybrid_cache.h>

#include <stdio.h>

static int print_row(void *unused, int columns, char **text, char **names) {
    (void)unused;
    (void)names;
    for (int i = 0; i < columns; i++)
        printf("%s%s", i ? "|" : "", text[i] ? text[i] : "NULL");
    putchar('\n');
    return 0;
}

int main(void) {
    static const char script[] = "CREATE VIRTUAL TABLE cache USING hybrid_cache(ttl=60);"
                                 "INSERT INTO cache(key, value) VALUES('k', 'linked');"
                                 "SELECT hybrid_cache_get('cache', 'k'), hybrid_cache_tier('cache', 'k'),"
                                 "  hybrid_cache_version();";
    sqlite3_auto_extension((void (*)(void))sqlite3_hybridcache_init);
    for (int i = 0; i < 2; i++) {
        sqlite3 *db = NULL;
        char *message = NULL;
        int rc = sqlite3_open(":memory:", &db);
        if (rc == SQLITE_OK)
            rc = sqlite3_exec(db, script, print_row, NULL, &message);
        if (rc != SQLITE_OK)
            printf("error: %s\n", message ? message : sqlite3_errstr(rc));
        sqlite3_free(message);
        sqlite3_close(db);
    }
    return 0;
}
