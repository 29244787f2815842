/* SPDX-License-Identifier: MIT */
/* Connections without memory: each allocation fails once, and from there on all do.  What a client
 * gets is a part of what it would have got, and nothing is left.
 * Linked with: -Wl,--wrap=sj_clock_ns -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=evbuffer_add
 * -Wl,--wrap=evbuffer_pullup -Wl,--wrap=bufferevent_socket_new -Wl,--wrap=event_add */
#include "http/connection.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <event2/buffer.h>

#include "tests/http/client.h"
#include "tests/http/plug.h"

#define HOST "Host: a\r\n"
#define GET  "GET /ten.txt HTTP/1.1\r\n" HOST "\r\n"

static unsigned n_calls;     /* that could have failed */
static unsigned fails_first; /* the number of the first that does; 0: none */
static unsigned fails_last;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
int __real_evbuffer_add(struct evbuffer *buffer, const void *from, size_t length);
int __wrap_evbuffer_add(struct evbuffer *buffer, const void *from, size_t length);
unsigned char *__real_evbuffer_pullup(struct evbuffer *buffer, ev_ssize_t size);
unsigned char *__wrap_evbuffer_pullup(struct evbuffer *buffer, ev_ssize_t size);
struct bufferevent *__real_bufferevent_socket_new(struct event_base *base, evutil_socket_t socket,
                                                  int options);
struct bufferevent *__wrap_bufferevent_socket_new(struct event_base *base, evutil_socket_t socket,
                                                  int options);
int __real_event_add(struct event *event, const struct timeval *timeout);
int __wrap_event_add(struct event *event, const struct timeval *timeout);

static bool fails(void)
{
    if (fails_first == 0)
        return false;
    n_calls++;
    return n_calls >= fails_first && n_calls <= fails_last;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

int __wrap_evbuffer_add(struct evbuffer *buffer, const void *from, size_t length)
{
    return fails() ? -1 : __real_evbuffer_add(buffer, from, length);
}

unsigned char *__wrap_evbuffer_pullup(struct evbuffer *buffer, ev_ssize_t size)
{
    return fails() ? NULL : __real_evbuffer_pullup(buffer, size);
}

struct bufferevent *__wrap_bufferevent_socket_new(struct event_base *base, evutil_socket_t socket,
                                                  int options)
{
    return fails() ? NULL : __real_bufferevent_socket_new(base, socket, options);
}

int __wrap_event_add(struct event *event, const struct timeval *timeout)
{
    return fails() ? -1 : __real_event_add(event, timeout);
}

static struct plug plug;

static int make_plug(void **state)
{
    (void)state;
    fails_first = 0;
    plug_init(&plug);
    site_add(&plug.site, "/ten.txt", "0123456789", SITE_HELD);
    site_add_large(&plug.site, "/large.bin", 1000000, SITE_HELD);
    site_add_large(&plug.site, "/disk.bin", 1000000, SITE_ON_DISK);
    plug_start(&plug);
    return 0;
}

static int remove_plug(void **state)
{
    (void)state;
    fails_first = 0;
    plug_fini(&plug);
    return 0;
}

/* A client's life, with failures as the statics above say; what it got is in `client`. */
static void live(struct client *client, const char *const *texts)
{
    bool has_ended = false;

    n_calls = 0;
    for (unsigned i = 0; i < PLUG_LOOPS; i++) { /* the pools give no memory back */
        sj_exchange_pool_fini(&plug.shards[i]->exchanges);
        sj_exchange_pool_init(&plug.shards[i]->exchanges, plug.service.limits.fields, NULL);
    }
    client->socket = plug_connect(&plug, 0);
    for (; *texts != NULL && !has_ended; texts++) {
        send(client->socket, *texts, strlen(*texts), MSG_NOSIGNAL);
        plug_settle(&plug);
    }
    shutdown(client->socket, SHUT_WR);
    for (unsigned i = 0; i < 1000 && !has_ended; i++) {
        unsigned first = fails_first;

        fails_first = 0; /* the client's own memory */
        has_ended = hear(client);
        fails_first = first;
        plug_settle(&plug);
    }
    plug_pass(&plug, 70000); /* one that cannot read any more is ended by its time limit */
    plug_pass(&plug, 70000);
    assert_int_equal(plug_open_connections(&plug), 0);
    fails_first = 0;
    assert_true(hear(client));
}

/* Each failure ends one connection: the next is served. */
static void sweep(const char *const *texts)
{
    struct client whole, client;
    unsigned n;

    client_init(&whole, -1);
    fails_first = fails_last = UINT32_MAX;
    live(&whole, texts);
    n = n_calls;
    assert_true(n > 2);
    for (unsigned i = 0; i < 2 * n; i++) {
        client_init(&client, -1);
        fails_first = i / 2 + 1;
        fails_last = i % 2 == 0 ? fails_first : UINT32_MAX;
        live(&client, texts);
        fails_first = 0;
        client_fini(&client);
    }
    client_init(&client, -1);
    live(&client, texts);
    assert_int_equal(client.length, whole.length);
    client_fini(&client);
    fails_first = 0;
    client_fini(&whole);
}

static void a_request_in_one_piece(void **state)
{
    static const char *const texts[] = {GET, GET, NULL};

    (void)state;
    sweep(texts);
}

static void a_head_in_pieces_and_pipelined_requests(void **state)
{
    static const char *const texts[] = {"GET /ten.txt ", "HTTP/1.1\r\n" HOST, "\r\n" GET GET, NULL};

    (void)state;
    sweep(texts);
}

static void bodies(void **state)
{
    static const char *const texts[] = {
        "POST /ten.txt HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nab", "cde",
        "POST /ten.txt HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\na",
        "bc\r\n0\r\n\r\n", NULL};

    (void)state;
    sweep(texts);
}

static void responses_that_wait_for_the_socket(void **state)
{
    static const char *const texts[] = {
        "GET /large.bin HTTP/1.1\r\n" HOST "\r\n", "GET /disk.bin HTTP/1.1\r\n" HOST "\r\n",
        "GET /disk.bin HTTP/1.1\r\n" HOST "Range: bytes=0-9,20-500000\r\n\r\n", NULL};

    (void)state;
    sweep(texts);
}

static void bad_requests(void **state)
{
    static const char *const texts[] = {"GET / ", "bad\r\n\r\n", NULL};

    (void)state;
    sweep(texts);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_plug, remove_plug)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_in_one_piece),
        TEST(a_head_in_pieces_and_pipelined_requests),
        TEST(bodies),
        TEST(responses_that_wait_for_the_socket),
        TEST(bad_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
