/*
** commands.h: INSERT INTO cache(cache) VALUES('purge'), FTS5 style.
**
** Maintenance is a write on the table, so that transactions, replication and
** permissions treat it as one. Every option is a command of its own name.
*/
#ifndef HC_COMMANDS_H
#define HC_COMMANDS_H

#include "cache.h"

typedef struct HcCommand {
    const char *name;
    int (*run)(HcCache *cache, sqlite3_value *value, sqlite3_value *expires, char **message);
} HcCommand;

extern const HcCommand hc_command_list[];
extern const int hc_command_count;

/* Runs the command named by `name`; SQLITE_ERROR with *message if there is none or its arguments are wrong. */
int hc_command_run(HcCache *cache, sqlite3_value *name, sqlite3_value *value, sqlite3_value *expires, char **message);

#endif
