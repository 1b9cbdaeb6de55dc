/*
** node.h: one node that applies a log: a database of its own with its own clock, connections, journal and reads in between.
*/
#ifndef REPLAY_NODE_H
#define REPLAY_NODE_H

#include "log.h"

#include <sqlite3.h>

#define NODES 5
#define MOST_CONNECTIONS 4

extern const char *const node_names[NODES];

typedef struct NodeCounts {
    sqlite3_int64 applied, failed, l1_hits, evicted, purged, reads, restarts;
} NodeCounts;

typedef struct Node {
    int kind;      /* of node_names */
    int own_clock; /* 1 = the clock is moved as the kind says, 0 = the process's clock stays as it is */
    uint64_t seed;
    const char *extension;
    char path[400];
    sqlite3 *connections[MOST_CONNECTIONS];
    sqlite3 *transaction; /* the connection whose transaction is open, or NULL */
    NodeCounts counts;
} Node;

void node_open(Node *node, int kind, uint64_t seed, const char *directory, const char *extension, int own_clock);
/* Applies one statement, after what this node does besides. What came of it, the same text on every node; sqlite3_free() it. */
char *node_apply(Node *node, const Statement *statement);
/* The shadow tables of all caches as text, or only the entries in them; sqlite3_free() it. */
char *node_dump(Node *node, int entries_only);
/* VACUUM INTO that file, then the command `check` on each cache. NULL, or what is wrong; sqlite3_free() it. */
char *node_finish(Node *node, const char *into);
void node_close(Node *node);

_Noreturn void node_die(sqlite3 *db, const char *what);
sqlite3 *node_connect(const char *path, const char *extension);

#endif
