/*
** sockets.c: Redis and memcached, started here and spoken to over a socket.
**
** The client does as little as a client can: it knows what the reply has to be, reads that many bytes and compares them.
** What a real client does beside (parsing, allocating) would only slow the peer down.
*/
#define _DEFAULT_SOURCE

#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#define TTL "86400"
/* How long a server may take to listen. */
#define START_NS 10e9

struct Remote {
    Protocol protocol;
    Transport transport;
    pid_t server;
    int port, fd;
    char path[100]; /* of the Unix socket */
    const Keys *keys;
    const char *value;
    int value_n;
    char *request, *reply, *buffer; /* reply: the one that is wanted; buffer: the one that came */
    size_t room;
};

static const char *const programs[] = {[PROTOCOL_REDIS] = "redis-server", [PROTOCOL_MEMCACHED] = "memcached"};

/* ------------------------------------------------------------------ servers */

/* Where the program is, in a buffer of ours, or NULL. */
static const char *find_program(const char *program) {
    static char path[1200];
    const char *part = getenv("PATH");
    while (part) {
        const char *end = strchr(part, ':');
        int n = end ? (int)(end - part) : (int)strlen(part);
        snprintf(path, sizeof path, "%.*s/%s", n, part, program);
        if (access(path, X_OK) == 0)
            return path;
        part = end ? end + 1 : NULL;
    }
    return NULL;
}

/* A port that nobody listens on. */
static int free_port(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, n) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &n) != 0)
        die("no free port: %s", strerror(errno));
    close(fd);
    return ntohs(address.sin_port);
}

/* Does not return. Nothing is saved to disk, nobody outside this machine is let in. */
static void run_server(const Remote *remote, const char *program) {
    int is_unix = remote->transport == TRANSPORT_UNIX;
    char port[16];
    int null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    snprintf(port, sizeof port, "%d", is_unix ? 0 : remote->port);
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* whatever ends the benchmark ends its servers */
#endif
    if (remote->protocol == PROTOCOL_REDIS)
        execl(program, program, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
              is_unix ? "--unixsocket" : (char *)NULL, remote->path, (char *)NULL);
    else if (is_unix)
        execl(program, program, "-u", "root", "-s", remote->path, (char *)NULL); /* -u: obeyed for root only */
    else
        execl(program, program, "-u", "root", "-l", "127.0.0.1", "-p", port, "-U", "0", (char *)NULL);
    _exit(127);
}

static int try_to_connect(const Remote *remote) {
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int is_unix = remote->transport == TRANSPORT_UNIX, rc, on = 1;
    int fd = socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM, 0);
    snprintf(local.sun_path, sizeof local.sun_path, "%s", remote->path);
    address.sin_port = htons((uint16_t)remote->port);
    if (is_unix)
        rc = connect(fd, (struct sockaddr *)&local, sizeof local);
    else
        rc = connect(fd, (struct sockaddr *)&address, sizeof address);
    if (rc != 0) {
        close(fd);
        return -1;
    }
    if (!is_unix)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/* The socket of a server that listens; a server that ended instead is an error. */
static int wait_to_connect(const Remote *remote) {
    double start = clock_ns();
    do {
        struct timespec pause = {.tv_nsec = 1000000};
        int status, fd = try_to_connect(remote);
        if (fd >= 0)
            return fd;
        if (waitpid(remote->server, &status, WNOHANG) != 0)
            die("%s ended at once", programs[remote->protocol]);
        nanosleep(&pause, NULL);
    } while (clock_ns() - start < START_NS);
    kill(remote->server, SIGKILL);
    die("%s does not listen", programs[remote->protocol]);
}

Remote *remote_open(Protocol protocol, Transport transport, const Keys *keys, const char *value, int value_n) {
    const char *program = find_program(programs[protocol]);
    if (!program)
        return NULL;
    Remote *remote = need(sizeof *remote);
    *remote = (Remote){.protocol = protocol, .transport = transport, .keys = keys, .value = value, .value_n = value_n};
    remote->room = (size_t)value_n + 200;
    remote->request = need(remote->room);
    remote->reply = need(remote->room);
    remote->buffer = need(remote->room);
    const char *path = file_path("peer.sock");
    if (strlen(path) >= sizeof remote->path)
        die("the path %s is too long for a socket", path);
    memcpy(remote->path, path, strlen(path) + 1);
    remove(path);
    remote->port = free_port();
    fflush(NULL);
    remote->server = fork();
    if (remote->server < 0)
        die("fork failed");
    if (remote->server == 0)
        run_server(remote, program);
    remote->fd = wait_to_connect(remote);
    for (size_t i = 0; i < keys->count; i++)
        remote_put(remote, i);
    return remote;
}

void remote_close(Remote *remote) {
    int status;
    close(remote->fd);
    kill(remote->server, SIGTERM);
    waitpid(remote->server, &status, 0);
    remove(remote->path);
    free(remote->request);
    free(remote->reply);
    free(remote->buffer);
    free(remote);
}

/* --------------------------------------------------------------- operations */

/* Sends the request and wants the reply, both as they are in the buffers. */
static void exchange(Remote *remote, int request_n, int reply_n) {
    size_t sent = 0, got = 0;
    while (sent < (size_t)request_n) {
        ssize_t n = write(remote->fd, remote->request + sent, (size_t)request_n - sent);
        if (n <= 0)
            die("%s: cannot write: %s", programs[remote->protocol], strerror(errno));
        sent += (size_t)n;
    }
    while (got < (size_t)reply_n) {
        ssize_t n = read(remote->fd, remote->buffer + got, (size_t)reply_n - got);
        if (n <= 0 || memcmp(remote->buffer + got, remote->reply + got, (size_t)n) != 0)
            die("%s: not the reply that was wanted: %.*s", programs[remote->protocol], n > 0 ? (int)n : 0,
                remote->buffer + got);
        got += (size_t)n;
    }
}

void remote_get(void *context, size_t i) {
    Remote *remote = context;
    const char *key = remote->keys->text[i % remote->keys->count];
    int request_n, reply_n;
    if (remote->protocol == PROTOCOL_REDIS) {
        request_n = snprintf(remote->request, remote->room, "*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n", KEY_N, key);
        reply_n = snprintf(remote->reply, remote->room, "$%d\r\n%s\r\n", remote->value_n, remote->value);
    } else {
        request_n = snprintf(remote->request, remote->room, "get %s\r\n", key);
        reply_n = snprintf(remote->reply, remote->room, "VALUE %s 0 %d\r\n%s\r\nEND\r\n", key, remote->value_n,
                           remote->value);
    }
    exchange(remote, request_n, reply_n);
}

void remote_put(void *context, size_t i) {
    Remote *remote = context;
    const char *key = remote->keys->text[i % remote->keys->count];
    int request_n, reply_n;
    if (remote->protocol == PROTOCOL_REDIS) {
        request_n = snprintf(remote->request, remote->room,
                             "*5\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n$2\r\nEX\r\n$%d\r\n%s\r\n", KEY_N, key,
                             remote->value_n, remote->value, (int)strlen(TTL), TTL);
        reply_n = snprintf(remote->reply, remote->room, "+OK\r\n");
    } else {
        request_n = snprintf(remote->request, remote->room, "set %s 0 %s %d\r\n%s\r\n", key, TTL, remote->value_n,
                             remote->value);
        reply_n = snprintf(remote->reply, remote->room, "STORED\r\n");
    }
    exchange(remote, request_n, reply_n);
}
