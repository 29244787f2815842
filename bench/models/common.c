/* SPDX-License-Identifier: MIT */
#include "bench/models/common.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BACKLOG = 2048, INPUT = 4096, FIELDS = 512, THREADS_MAX = 1024 };

void model_die(const char *what, int status)
{
    perror(what);
    exit(status);
}

static void end(int signal)
{
    (void)signal;
    _exit(0);
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    /* Accepted sockets inherit these.  reno, as scrubjay on the loopback: BBR would pace. */
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(listener, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, BACKLOG) != 0)
        model_die("listen", 1);
    return listener;
}

static uint16_t port_of(int listener)
{
    struct sockaddr_in address = {0};
    socklen_t length = sizeof address;

    if (getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        model_die("getsockname", 1);
    return ntohs(address.sin_port);
}

/* Fields like scrubjay's, in number and length. */
static struct block block_of(struct block content, const char *connection)
{
    struct block block = {.data = malloc(FIELDS + content.length)};
    if (block.data == NULL)
        model_die("malloc", 1);
    int fields = snprintf(block.data, FIELDS,
                          "HTTP/1.1 200 OK\r\n"
                          "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                          "Server: model\r\n"
                          "%s"
                          "X-Content-Type-Options: nosniff\r\n"
                          "Access-Control-Allow-Origin: *\r\n"
                          "Cache-Control: max-age=60, public\r\n"
                          "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                          "ETag: \"0123456789abcdef012345\"\r\n"
                          "Accept-Ranges: bytes\r\n"
                          "Content-Type: text/plain; charset=utf-8\r\n"
                          "Content-Length: %zu\r\n\r\n",
                          connection, content.length);
    memcpy(block.data + fields, content.data, content.length);
    block.length = (size_t)fields + content.length;
    return block;
}

static struct block read_file(const char *path)
{
    struct stat state;
    int file = open(path, O_RDONLY);
    if (file < 0 || fstat(file, &state) != 0)
        model_die(path, 1);
    struct block content = {.data = malloc((size_t)state.st_size + 1),
                            .length = (size_t)state.st_size};
    if (content.data == NULL || read(file, content.data, content.length) != state.st_size)
        model_die(path, 1);
    close(file);
    return content;
}

static void load(struct model *model, const char *path)
{
    struct block content = read_file(path);

    model->keeping = block_of(content, "");
    model->closing = block_of(content, "Connection: close\r\n");
    free(content.data);
}

static void *run(void *argument)
{
    struct place *place = argument;

    place->serve(place);
    return NULL;
}

/* A whole number, or exit. */
static unsigned number(const char *text, unsigned most)
{
    char *rest;
    unsigned long value = strtoul(text, &rest, 10);

    if (!isdigit((unsigned char)*text) || *rest != '\0' || value > most) {
        fprintf(stderr, "not a number up to %u: %s\n", most, text);
        exit(2);
    }
    return (unsigned)value;
}

void model_main(int argc, char **argv, void (*serve)(struct place *place))
{
    struct place places[THREADS_MAX];
    struct model model;

    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: %s PORT FILE [THREADS]\n", argv[0]);
        exit(2);
    }
    unsigned port = number(argv[1], UINT16_MAX);
    unsigned n_threads = argc == 4 ? number(argv[3], THREADS_MAX) : 1;
    signal(SIGTERM, end);
    load(&model, argv[2]);
    for (unsigned i = 0; i < n_threads; i++) {
        places[i] = (struct place){.model = &model,
                                   .listener = listen_on((uint16_t)port),
                                   .spare = open("/dev/null", O_RDONLY),
                                   .serve = serve};
        port = port_of(places[i].listener);
    }
    printf("%u\n", port);
    fflush(stdout);
    for (unsigned i = 0; i < n_threads; i++) {
        pthread_t thread;
        errno = pthread_create(&thread, NULL, run, &places[i]);
        if (errno != 0)
            model_die("pthread_create", 1);
    }
    for (;;)
        pause();
}

int model_accept(struct place *place, int flags)
{
    int socket = accept4(place->listener, NULL, NULL, flags);
    if (socket < 0 && (errno == EMFILE || errno == ENFILE)) {
        close(place->spare);
        close(accept4(place->listener, NULL, NULL, 0));
        place->spare = open("/dev/null", O_RDONLY);
    }
    return socket;
}

/* `matched` characters of the pattern came before c: how many now.  In a pattern CR comes again
 * only where it begins anew, so nothing between matters. */
static unsigned char match(const char *pattern, unsigned char matched, char c)
{
    if (pattern[matched] == c)
        return matched + 1;
    return c == '\r';
}

void model_take(struct connection *c, const char *data, size_t length)
{
    static const char empty[] = "\r\n\r\n", asks[] = "\r\nconnection:close\r";

    for (const char *end = data + length; data < end && !c->is_last; data++) {
        if (c->empty == 0 && c->close == 0) {
            data = memchr(data, '\r', (size_t)(end - data));
            if (data == NULL)
                return;
        }
        c->empty = match(empty, c->empty, *data);
        if (*data != ' ' && *data != '\t')
            c->close = match(asks, c->close, (char)tolower((unsigned char)*data));
        if (c->close == sizeof asks - 1) {
            c->is_asked = true;
            c->close = 1;
        }
        if (c->empty == sizeof empty - 1) {
            c->n_owed++;
            c->is_last = c->is_asked;
            c->empty = c->close = 0;
        }
    }
}

struct block model_next(const struct model *model, const struct connection *c)
{
    struct block block = c->is_last && c->n_owed == 1 ? model->closing : model->keeping;

    return (struct block){block.data + c->n_sent, block.length - c->n_sent};
}

void model_sent(const struct model *model, struct connection *c, size_t length)
{
    if (length < model_next(model, c).length) {
        c->n_sent += length;
    } else {
        c->n_sent = 0;
        c->n_owed--;
    }
}

enum model_wait model_step(const struct model *model, struct connection *c)
{
    char input[INPUT];

    if (c->n_owed == 0) {
        ssize_t n = recv(c->socket, input, sizeof input, 0);
        if (n <= 0)
            return n < 0 && errno == EAGAIN ? MODEL_FOR_INPUT : MODEL_FOR_NOTHING;
        model_take(c, input, (size_t)n);
    }
    while (c->n_owed > 0) {
        struct block next = model_next(model, c);
        ssize_t n = send(c->socket, next.data, next.length, MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN ? MODEL_FOR_ROOM : MODEL_FOR_NOTHING;
        model_sent(model, c, (size_t)n);
    }
    return c->is_last ? MODEL_FOR_NOTHING : MODEL_FOR_INPUT;
}
