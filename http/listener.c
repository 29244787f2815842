/* SPDX-License-Identifier: MIT */
#include "http/listener.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "http/accesslog.h"
#include "http/local.h"

/* The kernel holds no more than this of a response unsent: a slow client's megabytes wait in the
 * page cache, not in socket buffers, and the socket becomes writable again in small steps. */
#define SJ_NOTSENT_LOWAT (128 * 1024)

/* The kernel hands a connection over together with its first octets, which saves a failed read and
 * two dealings with epoll; one that stays silent for so long, without them. */
#define SJ_SILENT_S 1

#define SJ_SYSTEMD_FIRST 3 /* SD_LISTEN_FDS_START */

static bool is_loopback(int socket)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {0};
    socklen_t length = sizeof(address);

    if (getsockname(socket, &address.any, &length) != 0)
        return false;
    if (address.any.sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&address.v6.sin6_addr);
    return address.any.sa_family == AF_INET &&
           ntohl(address.v4.sin_addr.s_addr) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET;
}

/* Accepted sockets inherit these; a unix socket, which has none of them, does without. */
static void tune(int socket)
{
    static const char reno[] = "reno"; /* the one that every kernel has, and allows to everybody */
    int one = 1, lowat = SJ_NOTSENT_LOWAT, silent_s = SJ_SILENT_S;

    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof(lowat));
    setsockopt(socket, IPPROTO_TCP, TCP_DEFER_ACCEPT, &silent_s, sizeof(silent_s));
    /* A proxy on the same machine: no path to find the rate of, but BBR would pace each longer
     * response with timers, for a quarter of its cost. */
    if (is_loopback(socket))
        setsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, reno, sizeof(reno) - 1);
}

static char *name_of(int socket)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
    } address = {0};
    socklen_t length = sizeof(address);
    char host[64], *name = NULL;
    struct sj_text text;

    if (getsockname(socket, &address.any, &length) != 0)
        return NULL;
    text = sj_peer_text(&address.any, host);
    if (address.any.sa_family == AF_UNIX)
        return asprintf(&name, "unix:%s", address.local.sun_path) < 0 ? NULL : name;
    if (asprintf(&name, address.any.sa_family == AF_INET6 ? "http://[%.*s]:%u" : "http://%.*s:%u",
                 (int)text.length, text.at,
                 ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port
                                                         : address.v4.sin_port)) < 0)
        return NULL;
    return name;
}

/* Takes over `socket`.  0 or -ENOMEM. */
static int add(struct sj_listeners *listeners, int socket, uint32_t loop, const char *unix_path)
{
    struct sj_listener *items =
        realloc(listeners->items, (listeners->n_items + 1) * sizeof(*items));
    struct sj_listener listener = {.socket = socket, .loop = loop};

    if (items != NULL)
        listeners->items = items;
    listener.address = name_of(socket);
    if (unix_path != NULL)
        listener.unix_path = strdup(unix_path);
    if (items == NULL || listener.address == NULL ||
        (unix_path != NULL && listener.unix_path == NULL)) {
        free(listener.address);
        free(listener.unix_path);
        close(socket);
        return -ENOMEM;
    }
    tune(socket);
    items[listeners->n_items++] = listener;
    return 0;
}

/* A bound socket, or -errno.  With SO_REUSEPORT from the start it may share its address with others
 * that have it; `loop` 0 gets it only after bind, and so finds out whether somebody else listens
 * there. */
static int bind_at(const struct sockaddr *address, socklen_t length, uint32_t loop)
{
    int one = 1, error;
    int bound = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (bound < 0)
        return -errno;
    setsockopt(bound, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (address->sa_family == AF_INET6)
        setsockopt(bound, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    if (loop != 0)
        setsockopt(bound, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
    if (bind(bound, address, length) != 0) {
        error = -errno;
        close(bound);
        return error;
    }
    setsockopt(bound, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
    return bound;
}

/* Takes over `bound`. */
static int listen_with(struct sj_listeners *listeners, int bound, int backlog, uint32_t loop,
                       const char *unix_path)
{
    int error;

    if (listen(bound, backlog) == 0)
        return add(listeners, bound, loop, unix_path);
    error = -errno;
    close(bound);
    return error;
}

/* One socket for each loop.  Port 0 is chosen by the first one. */
static int listen_at(struct sj_listeners *listeners, const struct addrinfo *at,
                     const struct sj_listen_config *config)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    int bound = bind_at(at->ai_addr, at->ai_addrlen, 0);
    int error = bound < 0 ? bound : 0;

    if (error == 0 && getsockname(bound, (struct sockaddr *)&address, &length) != 0)
        length = 0;
    if (error == 0)
        error = listen_with(listeners, bound, config->backlog, 0, NULL);
    for (uint32_t loop = 1; loop < config->n_loops && error == 0; loop++) {
        bound = bind_at((const struct sockaddr *)&address, length, loop);
        error = bound < 0 ? bound : listen_with(listeners, bound, config->backlog, loop, NULL);
    }
    return error;
}

static int open_unix(struct sj_listeners *listeners, const char *path, int backlog)
{
    struct sockaddr_un address;
    int bound = sj_local_address(path, &address);

    if (bound != 0)
        return bound;
    sj_local_clear(&address); /* where that fails, bind says why */
    bound = bind_at((const struct sockaddr *)&address, sizeof(address), 0);
    return bound < 0 ? bound : listen_with(listeners, bound, backlog, SJ_ALL_LOOPS, path);
}

static int adopt(struct sj_listeners *listeners, int socket)
{
    int is_listening = 0;
    socklen_t length = sizeof(is_listening);

    if (getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &length) != 0)
        return -errno;
    if (!is_listening)
        return -EINVAL;
    evutil_make_socket_nonblocking(socket);
    evutil_make_socket_closeonexec(socket);
    return add(listeners, socket, SJ_ALL_LOOPS, NULL);
}

/* A decimal number from 0 to `most`, or -EINVAL. */
static long number_of(const char *text, long most)
{
    char *end;
    long number = strtol(text, &end, 10);

    return *text < '0' || *text > '9' || *end != '\0' || number > most ? -EINVAL : number;
}

static int open_fd(struct sj_listeners *listeners, const char *text)
{
    long socket = number_of(text, INT32_MAX);

    return socket < 0 ? (int)socket : adopt(listeners, (int)socket);
}

/* At each of the addresses that a name has; those of a family that this machine has not are left
 * out, as long as one is left. */
static int listen_at_each(struct sj_listeners *listeners, const struct addrinfo *found,
                          const struct sj_listen_config *config)
{
    size_t n_before = listeners->n_items;
    int error = 0;

    for (; found != NULL; found = found->ai_next) {
        error = listen_at(listeners, found, config);
        if (error != 0 && error != -EAFNOSUPPORT)
            return error;
    }
    return listeners->n_items > n_before ? 0 : error;
}

/* HOST:PORT; a name with several addresses listens at each. */
static int open_tcp(struct sj_listeners *listeners, const char *spec,
                    const struct sj_listen_config *config)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    const char *colon = strrchr(spec, ':');
    struct addrinfo *found;
    char host[256];
    size_t length;
    int error;

    if (colon == NULL || number_of(colon + 1, 65535) < 0)
        return -EINVAL;
    length = (size_t)(colon - spec);
    if (length >= 2 && spec[0] == '[' && colon[-1] == ']') {
        spec++;
        length -= 2;
    } else if (memchr(spec, ':', length) != NULL) {
        return -EINVAL; /* an IPv6 address without its brackets */
    }
    if (length >= sizeof(host))
        return -ENAMETOOLONG;
    snprintf(host, sizeof(host), "%.*s", (int)length, spec);
    if (getaddrinfo(length == 0 || strcmp(host, "*") == 0 ? NULL : host, colon + 1, &hints,
                    &found) != 0)
        return -EADDRNOTAVAIL;
    error = listen_at_each(listeners, found, config);
    freeaddrinfo(found);
    return error;
}

static int open_one(struct sj_listeners *listeners, const char *spec,
                    const struct sj_listen_config *config)
{
    if (strncmp(spec, "unix:", 5) == 0)
        return open_unix(listeners, spec + 5, config->backlog);
    if (strncmp(spec, "fd://", 5) == 0)
        return open_fd(listeners, spec + 5);
    return open_tcp(listeners, spec, config);
}

/* sd_listen_fds(3), by its documented protocol; unset, so that no child takes them for its own. */
static int systemd_sockets(void)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    int n = pid != NULL && count != NULL && strtol(pid, NULL, 10) == getpid() ? atoi(count) : 0;

    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return n > 0 && n < 1024 ? n : 0;
}

static const char *remedy(int error)
{
    switch (error) {
    case -EADDRINUSE:
        return "; another process listens there: stop it, or choose another port";
    case -EACCES:
        return "; ports below 1024 need root or CAP_NET_BIND_SERVICE, a socket file a folder that "
               "can be written to";
    case -EINVAL:
        return "; write HOST:PORT, [IPV6]:PORT, unix:PATH or fd://N of a listening socket";
    default:
        return "";
    }
}

static int open_all(struct sj_listeners *listeners, const struct sj_listen_config *config,
                    const char **failed)
{
    const struct sj_option_list *specs = config->specs;
    int n_passed = systemd_sockets();
    int error = 0;

    for (size_t i = 0; i < specs->n_items && error == 0; i++) {
        *failed = specs->items[i];
        error = open_one(listeners, *failed, config);
    }
    if (specs->n_items > 0 || error != 0)
        return error;
    *failed = "socket from systemd";
    for (int i = 0; i < n_passed && error == 0; i++)
        error = adopt(listeners, SJ_SYSTEMD_FIRST + i);
    if (n_passed > 0)
        return error;
    *failed = "127.0.0.1:8080";
    return open_one(listeners, *failed, config);
}

int sj_listeners_open(struct sj_listeners *listeners, const struct sj_listen_config *config,
                      char *error, size_t error_size)
{
    const char *failed = "";
    int result;

    *listeners = (struct sj_listeners){NULL, 0};
    result = open_all(listeners, config, &failed);
    if (result != 0) {
        snprintf(error, error_size, "%s %s: %s%s",
                 config->option != NULL ? config->option : "--listen", failed, strerror(-result),
                 remedy(result));
        sj_listeners_close(listeners);
    }
    return result;
}

void sj_listeners_close(struct sj_listeners *listeners)
{
    for (size_t i = 0; i < listeners->n_items; i++) {
        struct sj_listener *listener = &listeners->items[i];

        close(listener->socket);
        if (listener->unix_path != NULL)
            unlink(listener->unix_path);
        free(listener->unix_path);
        free(listener->address);
    }
    free(listeners->items);
    *listeners = (struct sj_listeners){NULL, 0};
}
