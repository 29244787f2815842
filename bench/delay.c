/* SPDX-License-Identifier: MIT */
/*
 * A server that is far away: passes TCP connections on, each octet half a round trip late.
 *
 *     delay PORT TO_PORT ROUND_TRIP_MS
 *
 * Loopback's own handshake is done at once, so what a client sends in the first round trip is held
 * as if the client had waited for it: a request over a new connection is answered after two round
 * trips.  There is no loss, no slow start and no limit to what is on the way.  When one side
 * closes, the other is closed as soon as it has what was sent before.
 */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

enum { BACKLOG = 1024, READ = 65536 };

struct delay {
    struct event_base *base;
    struct sockaddr_in to;
    uint64_t round_trip_us;
};

struct chunk {
    STAILQ_ENTRY(chunk) link;
    uint64_t due_us;
    struct evbuffer *data; /* NULL: the end */
};

struct direction {
    struct connection *connection;
    struct bufferevent *in, *out;
    struct event *timer; /* pending while there are chunks */
    uint64_t open_us;    /* what comes before came when the connection was not there yet */
    STAILQ_HEAD(chunks, chunk) chunks;
};

struct connection {
    const struct delay *delay;
    struct bufferevent *client, *server;
    struct direction there, back;
};

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void free_first(struct direction *d)
{
    struct chunk *chunk = STAILQ_FIRST(&d->chunks);
    STAILQ_REMOVE_HEAD(&d->chunks, link);
    if (chunk->data != NULL)
        evbuffer_free(chunk->data);
    free(chunk);
}

static void fini_direction(struct direction *d)
{
    while (!STAILQ_EMPTY(&d->chunks))
        free_first(d);
    if (d->timer != NULL)
        event_free(d->timer);
}

static void free_connection(struct connection *c)
{
    fini_direction(&c->there);
    fini_direction(&c->back);
    if (c->client != NULL)
        bufferevent_free(c->client);
    if (c->server != NULL)
        bufferevent_free(c->server);
    free(c);
}

static void on_sent(struct bufferevent *out, void *connection)
{
    (void)out; /* nothing is left in it */
    free_connection(connection);
}

static void on_gone(struct bufferevent *out, short what, void *connection)
{
    (void)out;
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
        free_connection(connection);
}

static void end(struct direction *d)
{
    struct connection *c = d->connection;
    if (evbuffer_get_length(bufferevent_get_output(d->out)) == 0) {
        free_connection(c);
        return;
    }
    bufferevent_disable(d->in, EV_READ | EV_WRITE);
    bufferevent_setcb(d->out, NULL, on_sent, on_gone, c);
}

static void arm(struct direction *d, uint64_t now)
{
    struct chunk *first = STAILQ_FIRST(&d->chunks);
    uint64_t wait_us = first->due_us > now ? first->due_us - now : 0;
    struct timeval wait = {(time_t)(wait_us / 1000000), (suseconds_t)(wait_us % 1000000)};
    event_add(d->timer, &wait);
}

static void on_due(evutil_socket_t unused, short what, void *direction)
{
    struct direction *d = direction;
    uint64_t now = now_us();

    (void)unused, (void)what;
    while (!STAILQ_EMPTY(&d->chunks)) {
        struct chunk *chunk = STAILQ_FIRST(&d->chunks);
        if (chunk->due_us > now) {
            arm(d, now);
            return;
        }
        if (chunk->data == NULL) {
            end(d);
            return;
        }
        bufferevent_write_buffer(d->out, chunk->data);
        free_first(d);
    }
}

/* Takes `data`, NULL for the end. */
static void append(struct direction *d, struct evbuffer *data)
{
    uint64_t now = now_us();
    struct chunk *chunk = malloc(sizeof *chunk);
    if (chunk == NULL)
        die("malloc");
    chunk->data = data;
    chunk->due_us = (now > d->open_us ? now : d->open_us) + d->connection->delay->round_trip_us / 2;
    STAILQ_INSERT_TAIL(&d->chunks, chunk, link);
    if (!event_pending(d->timer, EV_TIMEOUT, NULL))
        arm(d, now);
}

static void on_read(struct bufferevent *in, void *direction)
{
    struct evbuffer *data = evbuffer_new();
    if (data == NULL || bufferevent_read_buffer(in, data) != 0)
        die("evbuffer");
    append(direction, data);
}

static void on_event(struct bufferevent *in, short what, void *direction)
{
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) {
        bufferevent_disable(in, EV_READ);
        append(direction, NULL);
    }
}

static bool init_direction(struct direction *d, struct connection *c, struct bufferevent *in,
                           struct bufferevent *out)
{
    d->connection = c;
    d->in = in;
    d->out = out;
    d->timer = evtimer_new(c->delay->base, on_due, d);
    if (d->timer == NULL)
        return false;
    bufferevent_set_max_single_read(in, READ);
    bufferevent_setcb(in, on_read, NULL, on_event, d);
    return true;
}

static struct bufferevent *new_end(const struct delay *delay, evutil_socket_t socket)
{
    struct bufferevent *end = bufferevent_socket_new(delay->base, socket, BEV_OPT_CLOSE_ON_FREE);
    if (end == NULL && socket >= 0)
        evutil_closesocket(socket);
    return end;
}

static void no_delay(struct bufferevent *end)
{
    int on = 1;
    setsockopt(bufferevent_getfd(end), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t socket,
                      struct sockaddr *from, int length, void *delay)
{
    struct connection *c = calloc(1, sizeof *c);

    (void)listener, (void)from, (void)length;
    if (c == NULL)
        die("calloc");
    c->delay = delay;
    STAILQ_INIT(&c->there.chunks);
    STAILQ_INIT(&c->back.chunks);
    c->client = new_end(delay, socket);
    c->server = new_end(delay, -1);
    if (c->client == NULL || c->server == NULL ||
        !init_direction(&c->there, c, c->client, c->server) ||
        !init_direction(&c->back, c, c->server, c->client) ||
        bufferevent_socket_connect(c->server, (const struct sockaddr *)&c->delay->to,
                                   sizeof c->delay->to) != 0) {
        free_connection(c);
        return;
    }
    no_delay(c->client);
    no_delay(c->server);
    c->there.open_us = now_us() + c->delay->round_trip_us;
    bufferevent_enable(c->client, EV_READ | EV_WRITE);
    bufferevent_enable(c->server, EV_READ | EV_WRITE);
}

static struct sockaddr_in loopback(const char *port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)atoi(port)),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: delay PORT TO_PORT ROUND_TRIP_MS\n");
        return 2;
    }
    struct sockaddr_in address = loopback(argv[1]);
    struct delay delay = {.base = event_base_new(),
                          .to = loopback(argv[2]),
                          .round_trip_us = strtoul(argv[3], NULL, 10) * 1000};
    if (delay.base == NULL)
        die("event_base_new");
    signal(SIGPIPE, SIG_IGN);
    if (evconnlistener_new_bind(delay.base, on_accept, &delay,
                                LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_FREE, BACKLOG,
                                (struct sockaddr *)&address, sizeof address) == NULL)
        die("bind");
    event_base_dispatch(delay.base);
    return 1;
}
