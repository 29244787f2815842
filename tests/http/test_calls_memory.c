/* SPDX-License-Identifier: MIT */
/* Calls without memory: each allocation of a call's life fails once, and from there on all do.  One
 * request is refused, by 500 or 503, or its connection is closed; what was answered before is
 * whole, every state is released, and the next client is served. Linked with:
 * -Wl,--wrap=sj_clock_ns -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc
 * -Wl,--wrap=aligned_alloc -Wl,--wrap=evbuffer_add -Wl,--wrap=evbuffer_pullup
 * -Wl,--wrap=bufferevent_socket_new -Wl,--wrap=event_add */
#include "http/calls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <event2/buffer.h>

#include "tests/http/calling.h"
#include "tests/http/client.h"

#define HOST "Host: a\r\n"

static struct plug plug;
static struct calling calling;
static struct sj_call *pending;
static unsigned n_run, n_released, n_blocks, n_blocks_released;
static unsigned n_calls;     /* that could have failed */
static unsigned fails_first; /* the number of the first that does; 0: none */
static unsigned fails_last;

static bool fails(void)
{
    if (fails_first == 0)
        return false;
    n_calls++;
    return n_calls >= fails_first && n_calls <= fails_last;
}

#define WRAP(type, name, parameters, arguments, failure)    \
    type __real_##name parameters;                          \
    type __wrap_##name parameters;                          \
    type __wrap_##name parameters                           \
    {                                                       \
        return fails() ? failure : __real_##name arguments; \
    }

WRAP(void *, malloc, (size_t size), (size), NULL)
WRAP(void *, calloc, (size_t n, size_t size), (n, size), NULL)
WRAP(void *, realloc, (void *old, size_t size), (old, size), NULL)
WRAP(void *, aligned_alloc, (size_t line, size_t size), (line, size), NULL)
WRAP(int, evbuffer_add, (struct evbuffer * buffer, const void *from, size_t length),
     (buffer, from, length), -1)
WRAP(unsigned char *, evbuffer_pullup, (struct evbuffer * buffer, ev_ssize_t size), (buffer, size),
     NULL)
WRAP(struct bufferevent *, bufferevent_socket_new,
     (struct event_base * base, evutil_socket_t socket, int options), (base, socket, options), NULL)
WRAP(int, event_add, (struct event * event, const struct timeval *timeout), (event, timeout), -1)

static void release(void *state)
{
    (void)state;
    n_released++;
}

static void release_block(void *argument)
{
    (void)argument;
    n_blocks_released++;
}

/* Uses whatever allocates. */
static int answer(struct sj_call *call)
{
    int error;

    n_run++;
    sj_call_set_state(call, &n_run, release);
    if (sj_call_parameter(call, "a") == NULL)
        return -ENOMEM;
    error = sj_answer_field(call, "Content-Type", "text/plain");
    if (error == 0)
        error = sj_answer_text(call, "one ");
    n_blocks++;
    if (error == 0)
        error = sj_answer_memory(call, "two ", 4, release_block, NULL);
    else
        n_blocks_released++;
    return error != 0 ? error : sj_answer_text(call, "three");
}

static int stream(struct sj_call *call)
{
    char large[9000];
    int error;

    memset(large, 'x', sizeof(large));
    n_run++;
    sj_call_set_state(call, &n_run, release);
    error = sj_answer_text(call, "one ");
    for (unsigned i = 0; i < 3 && error == 0; i++)
        error = sj_answer_chunk(call, large, sizeof(large));
    return error;
}

static int answer_later(struct sj_call *call)
{
    n_run++;
    sj_call_set_state(call, &n_run, release);
    pending = call;
    return SJ_LATER;
}

static int answer_elsewhere(struct sj_call *call)
{
    return sj_call_then(call, SJ_ON_WORKER, answer);
}

static const struct sj_handler handlers[] = {{"answer", answer, SJ_SYNC},
                                             {"stream", stream, SJ_SYNC},
                                             {"later", answer_later, SJ_ASYNC},
                                             {"elsewhere", answer_elsewhere, SJ_SYNC},
                                             {0}};

static int make_plug(void **state)
{
    static const char *options[] = {"/heavy=m:answer",
                                    "/quick=m:answer,class=quick",
                                    "/narrow=m:answer,running=1",
                                    "/stream=m:stream",
                                    "/quick-stream=m:stream,class=quick",
                                    "/later=m:later",
                                    "/elsewhere=m:elsewhere,class=quick"};
    const struct sj_option_list list = {options, sizeof(options) / sizeof(*options)};

    (void)state;
    fails_first = n_run = n_released = n_blocks = n_blocks_released = 0;
    pending = NULL;
    calling_init(&calling, &plug, handlers, &list);
    return 0;
}

static int remove_plug(void **state)
{
    (void)state;
    fails_first = 0;
    calling_fini(&plug);
    assert_int_equal(n_released, n_run);
    assert_int_equal(n_blocks_released, n_blocks);
    return 0;
}

/* Until nothing is left to do, on loops and the worker. */
static void settle(void)
{
    do {
        plug_settle(&plug);
        if (pending != NULL && n_released < n_run) {
            sj_self()->loop = sj_sched_loop(plug.sched, 0);
            sj_answer_text(pending, "later");
            sj_call_end(pending, 0);
        }
        pending = NULL;
        plug_settle(&plug);
    } while (calling_work(&plug) > 0);
    plug_settle(&plug);
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
        unsigned first = fails_first;

        send(client->socket, *texts, strlen(*texts), MSG_NOSIGNAL);
        settle();
        fails_first = 0; /* the client's own memory */
        has_ended = hear(client);
        fails_first = first;
    }
    fails_first = 0;
    shutdown(client->socket, SHUT_WR);
    settle();
    calling_pass(&plug, 70000); /* what could not read any more is ended by its time limit */
    settle();
    hear(client);
    assert_int_equal(plug_open_connections(&plug), 0);
    assert_int_equal(n_released, n_run);
}

static unsigned n_refused(const struct client *client)
{
    return count(client, "HTTP/1.1 500") + count(client, "HTTP/1.1 503");
}

static void sweep(const char *const *texts)
{
    struct client whole, client;
    unsigned n, n_whole;

    client_init(&whole, -1);
    fails_first = fails_last = UINT32_MAX;
    live(&whole, texts);
    n = n_calls;
    n_whole = count(&whole, "HTTP/1.1 200");
    assert_int_equal(n_refused(&whole), 0);
    assert_true(n > 2);
    for (unsigned i = 0; i < 2 * n; i++) {
        client_init(&client, -1);
        fails_first = i / 2 + 1;
        fails_last = i % 2 == 0 ? fails_first : UINT32_MAX;
        live(&client, texts);
        if (i % 2 == 0)
            assert_true(n_refused(&client) <= 1);
        assert_true(count(&client, "HTTP/1.1 200") + n_refused(&client) <= n_whole);
        client_fini(&client);
    }
    client_init(&client, -1);
    live(&client, texts);
    assert_int_equal(client.length, whole.length);
    client_fini(&client);
    client_fini(&whole);
}

#define GET(path) "GET " path "?a=b%20c HTTP/1.1\r\n" HOST "\r\n"

static void answers_of_workers_and_loops(void **state)
{
    static const char *const texts[] = {GET("/heavy"), GET("/quick"), GET("/narrow"), NULL};

    (void)state;
    sweep(texts);
}

static void streams(void **state)
{
    static const char *const texts[] = {GET("/stream"), GET("/quick-stream"), NULL};

    (void)state;
    sweep(texts);
}

static void answers_that_come_later_or_from_elsewhere(void **state)
{
    static const char *const texts[] = {GET("/later"), GET("/elsewhere"), NULL};

    (void)state;
    sweep(texts);
}

static void bodies(void **state)
{
    static const char *const texts[] = {
        "POST /heavy?a=b HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nab", "cde",
        "POST /quick?a=b HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\na",
        "bc\r\n0\r\n\r\n", NULL};

    (void)state;
    sweep(texts);
}

static void requests_behind_each_other(void **state)
{
    static const char *const texts[] = {GET("/heavy") GET("/quick") GET("/stream"), NULL};

    (void)state;
    sweep(texts);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_plug, remove_plug)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answers_of_workers_and_loops),
        TEST(streams),
        TEST(answers_that_come_later_or_from_elsewhere),
        TEST(bodies),
        TEST(requests_behind_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
