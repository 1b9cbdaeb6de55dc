/*
** dqlite_host.c: one node of a dqlite cluster in which every connection has hybrid_cache.
**
**     dqlite_host ID ADDRESS DIRECTORY [LATENCY]        dqlite_host 1 127.0.0.1:9001 /var/lib/cache
**
** The node with ID 1 begins a cluster of its own in an empty directory; the others are added to it through its
** leader (dqlite_client.py add). All nodes run the same version of this program. SIGTERM or SIGINT ends it cleanly.
** LATENCY, in milliseconds, is how long a message between nodes may take: the smaller, the sooner a dead leader is
** noticed, and the sooner a busy one is taken for dead.
*/
#define _POSIX_C_SOURCE 200809L
#include <dqlite.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "hybrid_cache.h"

#define LATENCY 20

static int fail(const char *what, const char *why) {
    fprintf(stderr, "dqlite_host: %s: %s\n", what, why);
    return 1;
}

int main(int argc, char **argv) {
    dqlite_node *node = NULL;
    sigset_t ending;
    int signal_number;

    unsigned long long id = argc >= 4 ? strtoull(argv[1], NULL, 10) : 0;
    unsigned latency = argc == 5 ? (unsigned)strtoul(argv[4], NULL, 10) : LATENCY;
    if (id == 0 || latency == 0 || argc > 5) {
        fprintf(stderr, "usage: dqlite_host ID ADDRESS DIRECTORY [LATENCY]\n");
        return 2;
    }
    const char *address = argv[2], *directory = argv[3];
    if (mkdir(directory, 0700) != 0 && errno != EEXIST)
        return fail(directory, strerror(errno));

    /* Blocked before the first thread begins, so that they reach sigwait() below and nobody else. */
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ending, NULL);
    signal(SIGPIPE, SIG_IGN); /* a client that hangs up is no reason to end */

    /* Before the node opens its first connection: all that it opens from here on have the cache. */
    int rc = sqlite3_auto_extension((void (*)(void))sqlite3_hybridcache_init);
    if (rc != SQLITE_OK)
        return fail("sqlite3_auto_extension", sqlite3_errstr(rc));

    /* A node that could not be created still tells why, and is destroyed all the same. */
    rc = dqlite_node_create(id, address, directory, &node);
    if (rc == 0)
        rc = dqlite_node_set_bind_address(node, address);
    if (rc == 0)
        rc = dqlite_node_set_network_latency_ms(node, latency);
    if (rc == 0)
        rc = dqlite_node_start(node);
    if (rc != 0) {
        fail(address, node ? dqlite_node_errmsg(node) : "out of memory");
        if (node)
            dqlite_node_destroy(node);
        return 1;
    }
    printf("dqlite_host: node %llu serves at %s\n", id, address);
    fflush(stdout);

    sigwait(&ending, &signal_number);
    rc = dqlite_node_stop(node);
    dqlite_node_destroy(node);
    return rc == 0 ? 0 : fail("dqlite_node_stop", "the node did not stop cleanly");
}
