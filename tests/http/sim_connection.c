/* SPDX-License-Identifier: MIT */
/*
 * Simulation of connections: clients that send, cut, stop, half-close and go as a random number
 * says, and loops whose polls, deliveries, tasks and thefts come in an order that it says too; in
 * half of the runs before there is more than one entry.
 * A run is one number, and every run of a number is the same:
 *
 *     sim_connection [FIRST [COUNT]]
 *
 * Whatever happens, the octets that a client gets are the responses to its requests, in their
 * order, each whole but perhaps the last; without a reason for less it gets all of them; and in the
 * end nothing is left (plug_fini).
 *
 * Linked with: -Wl,--wrap=sj_clock_ns
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/http/plug.h"

#define CLIENTS    4
#define SCRIPT_MAX 12 /* requests of a client */
#define ROOM       (SCRIPT_MAX * 512 * 1024)
#define STEPS      600
#define LARGE      300000
#define DISK       200000

struct request {
    const char *text;
    int status;
    size_t length; /* of the response's body */
    bool is_large; /* what that body is */
    bool closes;
};

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST      "POST /ten HTTP/1.1\r\nHost: a\r\n"

static const struct request requests[] = {
    {GET("/ten"), 200, 10, false, false},
    {GET("/large"), 200, LARGE, true, false},
    {GET("/disk"), 200, DISK, true, false},
    {GET("/none"), 404, 10, false, false},
    {"\r\n" GET("http://b/ten?q"), 200, 10, false, false},
    {"HEAD /large HTTP/1.1\r\nHost: a\r\n\r\n", 200, 0, false, false},
    {"GET /ten HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\n\r\n", 304, 0, false, false},
    {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 204, 0, false, false},
    {POST "Content-Length: 7\r\n\r\nab\r\n\r\nc", 405, 19, false, false},
    {POST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\nT: v\r\n\r\n", 405, 19,
     false, false},
    {"GET /ten HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, 10, false, false},
    /* from here on the connection ends */
    {"GET /ten HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 200, 10, false, true},
    {"GET /large HTTP/1.0\r\n\r\n", 200, LARGE, true, true},
    {"GET /ten HTTP/1.1\r\n\r\n", 400, 12, false, true},
    {"GET  /ten HTTP/1.1\r\nHost: a\r\n\r\n", 400, 12, false, true},
    {"GET /ten HTTP/2.0\r\nHost: a\r\n\r\n", 505, 27, false, true},
    {"\x16\x03\x01\x02\r\n\r\n", 400, 12, false, true},
    {POST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, 12, false, true},
    {POST "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", 400, 12, false, true},
    {POST "Content-Length: 9\r\nExpect: 100-continue\r\n\r\n", 405, 19, false, true},
};
#define REQUESTS (sizeof(requests) / sizeof(requests[0]))
#define GOING_ON 11 /* so many of them leave the connection open */

struct client {
    int socket;
    const struct request *script[SCRIPT_MAX];
    unsigned n_script;
    char to_send[8192];
    size_t n_to_send, n_sent;
    char *input;
    size_t n_input;
    bool is_half_closed;
    bool has_ended;  /* the server's end was read */
    bool is_partial; /* there is a reason for fewer responses */
};

static struct plug plug;
static struct client clients[CLIENTS];
static uint64_t seed, state;
static bool waits_for_build, waits_to_resume[PLUG_LOOPS];

/* S. Vigna's splitmix64 */
static uint64_t below(uint64_t limit)
{
    uint64_t mix = state += 0x9e3779b97f4a7c15u;

    mix = (mix ^ mix >> 30) * 0xbf58476d1ce4e5b9u;
    mix = (mix ^ mix >> 27) * 0x94d049bb133111ebu;
    return (mix ^ mix >> 31) % limit;
}

static void expect(bool is_true, const char *what)
{
    if (is_true)
        return;
    fprintf(stderr, "sim_connection %llu: %s\n", (unsigned long long)seed, what);
    abort();
}

static void begin_client(struct client *client)
{
    char *input = client->input;

    *client = (struct client){.input = input, .n_script = (unsigned)below(SCRIPT_MAX) + 1};
    for (unsigned i = 0; i < client->n_script; i++) {
        size_t which = below(8) == 0 ? below(REQUESTS) : below(GOING_ON);
        size_t length = strlen(requests[which].text);

        client->script[i] = &requests[which];
        memcpy(client->to_send + client->n_to_send, requests[which].text, length);
        client->n_to_send += length;
    }
    client->socket = plug_connect(&plug, (unsigned)below(PLUG_LOOPS));
}

static void send_some(struct client *client, size_t most)
{
    size_t left = client->n_to_send - client->n_sent;
    ssize_t sent;

    if (client->socket < 0 || left == 0)
        return;
    sent = send(client->socket, client->to_send + client->n_sent, left < most ? left : most,
                MSG_NOSIGNAL);
    client->n_sent += sent > 0 ? (size_t)sent : 0;
}

static void receive_some(struct client *client, size_t most)
{
    ssize_t got;

    if (client->socket < 0 || client->has_ended)
        return;
    expect(client->n_input < ROOM, "more octets than all responses have");
    if (most > ROOM - client->n_input)
        most = ROOM - client->n_input;
    got = recv(client->socket, client->input + client->n_input, most, 0);
    client->n_input += got > 0 ? (size_t)got : 0;
    client->has_ended = got == 0 || (got < 0 && errno != EAGAIN);
}

static void half_close(struct client *client)
{
    if (client->socket < 0)
        return;
    shutdown(client->socket, SHUT_WR);
    client->is_half_closed = true;
    client->is_partial = client->is_partial || client->n_sent < client->n_to_send;
    client->n_to_send = client->n_sent;
}

static void go(struct client *client)
{
    if (client->socket >= 0)
        close(client->socket);
    client->socket = -1;
    client->is_partial = true;
}

static void all_partial(void)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        clients[i].is_partial = true;
}

static void resume(unsigned loop)
{
    if (waits_to_resume[loop])
        plug_resume(&plug, loop);
    waits_to_resume[loop] = false;
}

/* The first build ends, and some loops hear of it at once. */
static void build(void)
{
    if (!waits_for_build)
        return;
    waits_for_build = false;
    site_set_built(&plug.site);
    for (unsigned i = 0; i < PLUG_LOOPS; i++) {
        waits_to_resume[i] = true;
        if (below(2) == 0)
            resume(i);
    }
}

static void step(void)
{
    struct client *client = &clients[below(CLIENTS)];
    unsigned loop = (unsigned)below(PLUG_LOOPS), other = (unsigned)below(PLUG_LOOPS);

    switch (below(64)) {
    case 0:
        half_close(client);
        break;
    case 1:
        if (below(8) == 0)
            go(client);
        break;
    case 2:
        if (below(16) == 0) {
            all_partial();
            plug_expire(&plug, below(70000));
        }
        break;
    case 3:
        if (below(64) == 0) {
            all_partial();
            plug_drain(&plug);
        }
        break;
    case 4:
        if (below(8) == 0)
            build();
        resume(loop);
        break;
    case 5 ... 15:
        send_some(client, 1 + below(8));
        break;
    case 16 ... 19:
        send_some(client, 1 + below(1000));
        break;
    case 20 ... 25:
        receive_some(client, 1 + below(200000));
        break;
    case 26 ... 40:
        plug_poll(&plug, loop);
        break;
    case 41 ... 50:
        plug_deliver(&plug, loop);
        break;
    default:
        plug_steal_one(&plug, loop, other);
    }
}

/* All that was sent is answered, all that was answered is read. */
static void finish(void)
{
    bool is_busy = true;

    build();
    for (unsigned i = 0; i < PLUG_LOOPS; i++)
        resume(i);
    while (is_busy) {
        is_busy = false;
        for (unsigned i = 0; i < CLIENTS; i++) {
            size_t before = clients[i].n_input + clients[i].n_sent;

            send_some(&clients[i], 1 + below(10000));
            plug_settle(&plug);
            receive_some(&clients[i], ROOM);
            is_busy = is_busy || clients[i].n_input + clients[i].n_sent > before;
        }
    }
}

static bool is_body(const struct request *request, const char *body, size_t length)
{
    for (size_t at = 0; request->is_large && at < length; at++)
        if (body[at] != site_octet(at))
            return false;
    return request->status != 200 || request->is_large || memcmp(body, "0123456789", length) == 0;
}

/* One response at `at`: its octets, or 0 when the rest of the input is less. */
static size_t check_response(const struct request *request, const char *at, size_t left)
{
    const char *end = memmem(at, left, "\r\n\r\n", 4);
    size_t head = end != NULL ? (size_t)(end - at) + 4 : left, body = left - head;
    char line[16];

    snprintf(line, sizeof(line), "HTTP/1.1 %d ", request->status);
    expect(memcmp(at, line, left < strlen(line) ? left : strlen(line)) == 0, "another status");
    if (end == NULL)
        return 0;
    expect((memmem(at, head, "\r\nConnection: close\r\n", 21) != NULL) >= request->closes,
           "closes without a word");
    if (body > request->length)
        body = request->length;
    expect(is_body(request, at + head, body), "another body");
    return body == request->length ? head + body : 0;
}

static void check(const struct client *client)
{
    size_t at = 0;
    unsigned i = 0;
    bool has_closed = false;

    for (; i < client->n_script && !has_closed && at < client->n_input; i++) {
        const char *from = client->input + at;
        size_t length, left = client->n_input - at;

        if (client->is_partial && left >= 12 && memcmp(from, "HTTP/1.1 408", 12) == 0)
            return; /* time passed */
        length = check_response(client->script[i], from, left);
        expect(length > 0 || client->is_partial, "a response is cut off");
        if (length == 0)
            return;
        at += length;
        has_closed = client->script[i]->closes;
    }
    expect(at == client->n_input, "octets beyond the last response");
    expect(client->is_partial || has_closed || i == client->n_script, "a response is missing");
    expect(client->is_partial || (has_closed || client->is_half_closed) == client->has_ended,
           "the end is not where it belongs");
}

static void run(void)
{
    struct sj_entry *ten;

    state = seed;
    plug_init(&plug);
    ten = site_add(&plug.site, "/ten", "0123456789", SITE_HELD);
    site_add_large(&plug.site, "/large", LARGE, SITE_HELD);
    site_add_large(&plug.site, "/disk", DISK, SITE_ON_DISK);
    waits_for_build = below(2) == 0;
    for (unsigned i = 0; i < PLUG_LOOPS; i++)
        waits_to_resume[i] = false;
    if (waits_for_build)
        site_set_unbuilt(&plug.site, ten);
    plug_start(&plug);
    if (below(4) != 0)
        plug_batch(&plug, below(2) == 0);
    for (unsigned i = 0; i < CLIENTS; i++)
        begin_client(&clients[i]);
    for (unsigned i = 0; i < STEPS; i++)
        step();
    if (below(4) != 0)
        finish();
    else
        all_partial();
    for (unsigned i = 0; i < CLIENTS; i++) {
        check(&clients[i]);
        go(&clients[i]);
    }
    plug_fini(&plug);
}

int main(int argc, char **argv)
{
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : argc > 1 ? 1 : 200;

    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i].input = malloc(ROOM);
        if (clients[i].input == NULL)
            return 1;
    }
    for (seed = first; seed < first + count; seed++)
        run();
    for (unsigned i = 0; i < CLIENTS; i++)
        free(clients[i].input);
    printf("%llu runs\n", (unsigned long long)count);
    return 0;
}
