/*
** log.h: a random log of SQL statements, as a statement-replicating engine would hand it to its nodes.
**
** Statements are text alone: no clock, no random(), no function of this extension decides about what they write. Everything
** else that a program may do to a cache is in it: options, failing statements, nested savepoints, triggers, renames.
*/
#ifndef REPLAY_LOG_H
#define REPLAY_LOG_H

#include <stddef.h>
#include <stdint.h>

/* The deadlines of the log lie around this Unix time; so do some of the clocks. */
#define LOG_TIME 1700000000

typedef enum StatementKind {
    STATEMENT_WRITE, /* its changes() counts */
    STATEMENT_READ,  /* the same rows on every node */
    STATEMENT_OTHER  /* transactions, DDL */
} StatementKind;

typedef struct Statement {
    char *sql;
    unsigned number; /* place in the log as it was made: shortening keeps it */
    StatementKind kind;
} Statement;

typedef struct Log {
    uint64_t seed;
    Statement *list;
    size_t count;
} Log;

/* splitmix64 */
uint64_t random_next(uint64_t *state);
/* 0 <= result < n */
unsigned random_below(uint64_t *state, unsigned n);

/* `clock`: the word that stands behind clock= where a cache is created. */
void log_make(Log *log, uint64_t seed, unsigned length, const char *clock);
void log_free(Log *log);

#endif
