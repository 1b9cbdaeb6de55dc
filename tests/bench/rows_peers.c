/*
** rows_peers.c: against other caches, where they are installed.
*/
#define _POSIX_C_SOURCE 200809L

#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOT 1000
#define HINT "`make deps DEPS=peers` installs it"

static const Shape wal = {0};

/* ------------------------------------------------------ servers on loopback */

static void against_server(Protocol protocol, const char *program, const char *tcp_name, const char *unix_name) {
    enum { OURS, TCP, UNIX, SIDES };
    Keys keys;
    Store ours;
    keys_make(&keys, HOT, 1);
    store_create(&ours, KIND_FUNCTION, "cache.db", &wal, &keys);
    Remote *tcp = remote_open(protocol, TRANSPORT_TCP, &keys, ours.value, ours.value_n);
    if (tcp) {
        Remote *local = remote_open(protocol, TRANSPORT_UNIX, &keys, ours.value, ours.value_n);
        store_warm(&ours);
        Side gets[] = {{.name = "", .context = &ours, .op = store_get},
                       {.name = tcp_name, .context = tcp, .op = remote_get},
                       {.name = unix_name, .context = local, .op = remote_get}};
        measure(gets, SIDES);
        report_sides("get", gets, TCP, RULE_NONE, 0, 1);
        report_sides("get", gets, UNIX, RULE_NONE, 0, 1);
        Side puts[] = {{.name = "", .context = &ours, .op = store_put},
                       {.name = tcp_name, .context = tcp, .op = remote_put},
                       {.name = unix_name, .context = local, .op = remote_put}};
        measure_writes(puts, SIDES);
        report_sides("put (theirs: in memory)", puts, TCP, RULE_NONE, 0, 1);
        report_sides("put (theirs: in memory)", puts, UNIX, RULE_NONE, 0, 0);
        remote_close(local);
        remote_close(tcp);
    } else {
        output_note("no %s here: " HINT, program);
    }
    store_close(&ours);
    keys_free(&keys);
}

static void row_redis(void) {
    against_server(PROTOCOL_REDIS, "redis-server", "Redis, TCP", "Redis, Unix socket");
}

static void row_memcached(void) {
    against_server(PROTOCOL_MEMCACHED, "memcached", "memcached, TCP", "memcached, Unix socket");
}

/* ---------------------------------------------------------------- diskcache */

/* In Python, both sides: the script measures, and says a line of numbers for each comparison. */
static void row_diskcache(void) {
    char command[4000], line[400];
    int status;
    snprintf(command, sizeof command, "exec '%s' '%s' --extension '%s' --dir '%s' --rounds %d", settings.python,
             settings.script, settings.extension, settings.directory, settings.quick ? 7 : 31);
    if (access(settings.script, R_OK) != 0 || access(settings.python, X_OK) != 0) {
        output_note("no %s or no %s here", settings.script, settings.python);
        return;
    }
    fflush(NULL);
    FILE *script = popen(command, "r");
    if (!script)
        die("cannot run %s", settings.script);
    while (fgets(line, sizeof line, script)) {
        char what[80], peer_name[32];
        double target;
        Figure ours, peer;
        Line result = {.what = what, .unit = "us", .peer_name = peer_name, .peer = &peer, .rule = RULE_FASTER};
        if (sscanf(line, "%79[^\t]\t%31[^\t]\t%lf\t%lf\t%lf\t%lf\t%lf\t%lf\t%lf\t%lf", what, peer_name, &ours.median,
                   &ours.low, &ours.high, &peer.median, &peer.low, &peer.high, &result.ratio, &target) == 10) {
            result.ours = ours;
            result.target = target;
            result.charted = 1;
            report(&result);
        } else {
            line[strcspn(line, "\n")] = 0;
            output_note("%s", line);
        }
    }
    status = pclose(script);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        die("%s failed", settings.script);
}

const Row rows_peers[] = {
    {"redis", "get and put against Redis on loopback", row_redis},
    {"memcached", "get and put against memcached on loopback", row_memcached},
    {"diskcache", "get and put through Python, against diskcache", row_diskcache},
    {NULL, NULL, NULL},
};
