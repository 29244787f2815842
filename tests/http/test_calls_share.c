/* SPDX-License-Identifier: MIT */
/* What one route's calls may hold of the threads that take the place of those that block.
 * Linked with: -Wl,--wrap=sj_clock_ns */
#include "http/calls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/http/calling.h"
#include "tests/http/client.h"

#define ASK(path)  "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define N_CLIENTS  4
#define ITS_SPARES 2 /* of each route */

static struct plug plug;
static struct calling calling;
static struct client clients[N_CLIENTS];
static struct sj_call *pending; /* asynchronous, the last one */
static unsigned n_run, n_released;

static void release(void *state)
{
    (void)state;
    n_released++;
}

static int give(struct sj_call *call)
{
    n_run++;
    sj_call_set_state(call, &n_run, release);
    return sj_answer_text(call, "given");
}

static int give_blocking(struct sj_call *call)
{
    sj_blocking_begin();
    sj_blocking_end();
    return give(call);
}

static int give_on_spare(struct sj_call *call)
{
    return sj_call_then(call, SJ_ON_SPARE, give);
}

static int wait_for_end(struct sj_call *call)
{
    pending = call;
    return SJ_LATER;
}

static int wait_after_all(struct sj_call *call)
{
    give_blocking(call);
    return sj_call_then(call, SJ_ON_LOOP, wait_for_end);
}

static const struct sj_handler handlers[] = {{"give", give, SJ_SYNC},
                                             {"says", give_blocking, SJ_SYNC},
                                             {"spare", give_on_spare, SJ_SYNC},
                                             {"wait", wait_after_all, SJ_SYNC},
                                             {0}};

static int make_plug(void **state)
{
    static const char *options[] = {
        "/heavy=m:give,class=heavy",       "/says=m:says,class=heavy",
        "/blocking=m:give,class=blocking", "/spare=m:spare,class=quick",
        "/wait=m:wait,class=heavy,time=5", "/many=m:give,class=blocking,running=none"};
    const struct sj_option_list list = {options, sizeof(options) / sizeof(*options)};
    struct sj_routes *routes = &plug.service.routes;

    (void)state;
    n_run = n_released = 0;
    calling_init(&calling, &plug, handlers, &list);
    for (size_t i = 0; i < routes->n_items; i++)
        if (routes->items[i].spares_most != UINT64_MAX)
            routes->items[i].spares_most = ITS_SPARES;
    for (unsigned i = 0; i < N_CLIENTS; i++)
        client_init(&clients[i], plug_connect(&plug, i % PLUG_LOOPS));
    return 0;
}

static int remove_plug(void **state)
{
    (void)state;
    for (unsigned i = 0; i < N_CLIENTS; i++)
        client_fini(&clients[i]);
    calling_fini(&plug);
    assert_int_equal(n_released, n_run);
    return 0;
}

static struct sj_route *route_of(const char *prefix)
{
    return sj_routes_find(&plug.service.routes, (struct sj_text){prefix, strlen(prefix)});
}

static void all_say(const char *text)
{
    for (unsigned i = 0; i < N_CLIENTS; i++)
        tell(&clients[i], text);
    plug_settle(&plug);
}

/* The worker takes all tasks that wait; nothing tells of their ends. */
static unsigned work(void)
{
    unsigned before = n_run;

    calling_work(&plug);
    return n_run - before;
}

static unsigned n_answered(void)
{
    unsigned n = 0;

    plug_settle(&plug);
    for (unsigned i = 0; i < N_CLIENTS; i++) {
        hear(&clients[i]);
        n += count(&clients[i], "\r\n\r\ngiven");
    }
    return n;
}

static void only_so_many(const char *path, const char *text)
{
    all_say(text);
    assert_int_equal(work(), ITS_SPARES);
    assert_int_equal(route_of(path)->n_queued, N_CLIENTS - ITS_SPARES);
    assert_int_equal(n_answered(), ITS_SPARES);
    assert_int_equal(work(), N_CLIENTS - ITS_SPARES);
    assert_int_equal(n_answered(), N_CLIENTS);
    assert_int_equal(route_of(path)->n_running, 0);
}

static void a_blocking_route_has_its_share(void **state)
{
    (void)state;
    only_so_many("/blocking", ASK("/blocking"));
}

static void so_has_a_step_that_will_block(void **state)
{
    (void)state;
    only_so_many("/spare", ASK("/spare"));
}

static void so_has_a_route_from_its_first_section_on(void **state)
{
    (void)state;
    tell(&clients[0], ASK("/says"));
    plug_settle(&plug);
    assert_int_equal(work(), 1);
    assert_int_equal(n_answered(), 1);
    for (unsigned i = 1; i < N_CLIENTS; i++)
        tell(&clients[i], ASK("/says"));
    plug_settle(&plug);
    assert_int_equal(work(), ITS_SPARES);
    plug_settle(&plug);
    assert_int_equal(work(), N_CLIENTS - 1 - ITS_SPARES);
    assert_int_equal(n_answered(), N_CLIENTS);
}

static void others_have_no_limit(void **state)
{
    (void)state;
    all_say(ASK("/heavy"));
    assert_int_equal(work(), N_CLIENTS);
    assert_int_equal(n_answered(), N_CLIENTS);
}

static void nor_has_who_says_so(void **state)
{
    (void)state;
    all_say(ASK("/many"));
    assert_int_equal(work(), N_CLIENTS);
    assert_int_equal(n_answered(), N_CLIENTS);
}

/* Its turn is over with the step, not with the call. */
static void who_waits_on_a_loop_holds_no_place(void **state)
{
    (void)state;
    tell(&clients[0], ASK("/wait"));
    plug_settle(&plug);
    work();
    plug_settle(&plug);
    for (unsigned i = 1; i < N_CLIENTS; i++) {
        tell(&clients[i], ASK("/wait"));
        plug_settle(&plug);
        assert_int_equal(work(), 1);
        plug_settle(&plug);
    }
    assert_int_equal(route_of("/wait")->n_running, 0);
}

static void who_waits_for_a_place_may_leave(void **state)
{
    (void)state;
    all_say(ASK("/blocking"));
    assert_int_equal(work(), ITS_SPARES);
    plug_drop(&plug);
    plug_settle(&plug);
    assert_int_equal(work(), 0);
    assert_int_equal(route_of("/blocking")->n_queued, 0);
    assert_int_equal(route_of("/blocking")->n_running, 0);
}

/* Between its owner's look, which finds it queued, and the worker's. */
static void who_has_left_before_waits_for_nothing(void **state)
{
    (void)state;
    all_say(ASK("/blocking"));
    plug_drop(&plug);
    plug_settle(&plug);
    assert_int_equal(work(), 0);
    plug_settle(&plug);
    assert_int_equal(route_of("/blocking")->n_queued, 0);
    assert_int_equal(route_of("/blocking")->n_running, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_plug, remove_plug)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_blocking_route_has_its_share),
        TEST(so_has_a_step_that_will_block),
        TEST(so_has_a_route_from_its_first_section_on),
        TEST(others_have_no_limit),
        TEST(nor_has_who_says_so),
        TEST(who_waits_on_a_loop_holds_no_place),
        TEST(who_waits_for_a_place_may_leave),
        TEST(who_has_left_before_waits_for_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
