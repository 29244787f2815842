/* SPDX-License-Identifier: MIT */
/*
 * The null server: what the kernel's TCP path alone costs, and so the limit of every server here.
 *
 *     null PORT BYTES THREADS [close]
 *
 * Raw epoll; each thread has a listener of its own (SO_REUSEPORT).  It parses nothing: whatever is
 * received and ends in an empty line is answered with one fixed block, of fields like scrubjay's
 * and BYTES octets of content.  With "close", each connection gets one answer.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, BACKLOG = 2048, INPUT = 16384, FIELDS = 512 };

struct null {
    char *block;
    size_t length;
    uint16_t port;
    bool closes;
};

struct connection {
    int socket;
    size_t left; /* octets of the block still to be sent */
    bool is_full;
};

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on,
               sizeof on); /* accepted sockets inherit it */
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, BACKLOG) != 0)
        die("bind");
    return listener;
}

static void accept_one(int epoll, int listener)
{
    int socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (socket < 0)
        return;
    struct connection *c = calloc(1, sizeof *c);
    if (c == NULL) {
        close(socket);
        return;
    }
    c->socket = socket;
    epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &(struct epoll_event){EPOLLIN, {.ptr = c}});
}

/* False: the connection ends. */
static bool send_left(const struct null *null, int epoll, struct connection *c)
{
    ssize_t n = send(c->socket, null->block + null->length - c->left, c->left, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN)
        return false;
    c->left -= n > 0 ? (size_t)n : 0;
    bool is_full = c->left > 0;
    if (is_full != c->is_full) {
        struct epoll_event event = {is_full ? EPOLLOUT : EPOLLIN, {.ptr = c}};
        epoll_ctl(epoll, EPOLL_CTL_MOD, c->socket, &event);
        c->is_full = is_full;
    }
    return is_full || !null->closes;
}

static bool receive(const struct null *null, int epoll, struct connection *c)
{
    char input[INPUT];
    ssize_t n = recv(c->socket, input, sizeof input, 0);
    if (n <= 0)
        return n < 0 && errno == EAGAIN;
    if (n < 4 || memcmp(input + n - 4, "\r\n\r\n", 4) != 0)
        return true;
    c->left = null->length;
    return send_left(null, epoll, c);
}

static void *run(void *argument)
{
    const struct null *null = argument;
    struct epoll_event events[EVENTS];
    int epoll = epoll_create1(0);
    int listener = listen_on(null->port);

    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &(struct epoll_event){EPOLLIN, {.ptr = NULL}});
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (c == NULL) {
                accept_one(epoll, listener);
            } else if (!(c->is_full ? send_left : receive)(null, epoll, c)) {
                close(c->socket);
                free(c);
            }
        }
    }
    return NULL;
}

static void make_block(struct null *null, size_t bytes)
{
    null->block = malloc(FIELDS + bytes);
    if (null->block == NULL)
        die("malloc");
    int fields = snprintf(null->block, FIELDS,
                          "HTTP/1.1 200 OK\r\n"
                          "Server: null\r\n"
                          "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                          "%s"
                          "Content-Type: text/plain; charset=utf-8\r\n"
                          "Content-Length: %zu\r\n"
                          "Accept-Ranges: bytes\r\n"
                          "Access-Control-Allow-Origin: *\r\n"
                          "Cache-Control: max-age=60, public\r\n"
                          "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                          "ETag: \"0123456789abcdef0123456789abcdef\"\r\n\r\n",
                          null->closes ? "Connection: close\r\n" : "", bytes);
    memset(null->block + fields, 'x', bytes);
    null->length = (size_t)fields + bytes;
}

int main(int argc, char **argv)
{
    if (argc < 4 || argc > 5) {
        fprintf(stderr, "usage: null PORT BYTES THREADS [close]\n");
        return 2;
    }
    struct null null = {.port = (uint16_t)atoi(argv[1]), .closes = argc == 5};
    make_block(&null, strtoul(argv[2], NULL, 10));
    int n_threads = atoi(argv[3]);
    pthread_t thread;
    for (int i = 1; i < n_threads; i++) {
        if (pthread_create(&thread, NULL, run, &null) != 0)
            die("pthread_create");
    }
    run(&null);
    return 0;
}
