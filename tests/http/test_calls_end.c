/* SPDX-License-Identifier: MIT */
/* How calls end when nobody waits for their answer: clients that leave, time limits, the end of the
 * server.  Linked with: -Wl,--wrap=sj_clock_ns */
#include "http/calls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/http/calling.h"
#include "tests/http/client.h"

#define ASK(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static struct plug plug;
static struct calling calling;
static struct client client;
static struct sj_call *pending; /* the last one */
static unsigned n_run, n_released;
static const struct sj_loop *released_on;

static void release(void *state)
{
    (void)state;
    n_released++;
    released_on = sj_loop_self();
}

static int wait_for_end(struct sj_call *call)
{
    n_run++;
    sj_call_set_state(call, &n_run, release);
    pending = call;
    return SJ_LATER;
}

static int end(struct sj_call *call)
{
    (void)call;
    return 0;
}

static int go_on_elsewhere(struct sj_call *call)
{
    n_run++;
    sj_call_set_state(call, &n_run, release);
    return sj_call_then(call, SJ_ON_WORKER, end);
}

static const struct sj_handler handlers[] = {{"wait", wait_for_end, SJ_ASYNC},
                                             {"end", end, SJ_SYNC},
                                             {"elsewhere", go_on_elsewhere, SJ_SYNC},
                                             {0}};

static int make_plug(void **state)
{
    static const char *options[] = {"/wait=m:wait,time=5", "/quick=m:end,class=quick",
                                    "/heavy=m:end", "/elsewhere=m:elsewhere,class=quick"};
    const struct sj_option_list list = {options, sizeof(options) / sizeof(*options)};

    (void)state;
    n_run = n_released = 0;
    calling_init(&calling, &plug, handlers, &list);
    client_init(&client, plug_connect(&plug, 0));
    return 0;
}

static int remove_plug(void **state)
{
    (void)state;
    client_fini(&client);
    calling_fini(&plug);
    assert_int_equal(n_released, n_run);
    return 0;
}

static void say(const char *text)
{
    tell(&client, text);
    plug_settle(&plug);
}

static uint64_t n_dropped(struct sj_text path)
{
    return sj_route_sum(sj_routes_find(&plug.service.routes, path),
                        offsetof(struct sj_route_cell, n_dropped));
}

static void be_loop(unsigned loop)
{
    sj_self()->loop = sj_sched_loop(plug.sched, loop);
}

static void who_has_ended_its_side_still_gets_its_answer(void **state)
{
    (void)state;
    say(ASK("/wait"));
    shutdown(client.socket, SHUT_WR);
    calling_pass(&plug, 3000);
    assert_int_equal(n_released, 0);
    be_loop(0);
    sj_answer_text(pending, "ended");
    sj_call_end(pending, 0);
    plug_settle(&plug);
    assert_true(hear(&client));
    assert_int_equal(count(&client, "\r\n\r\nended"), 1);
}

static void leave(void)
{
    close(client.socket);
    client.socket = -1;
    plug_settle(&plug);
}

static void who_leaves_while_it_waits_is_noticed_at_once(void **state)
{
    (void)state;
    say(ASK("/wait"));
    leave();
    assert_int_equal(n_released, 1);
    assert_int_equal(n_dropped(SJ_TEXT("/wait")), 1);
}

static void who_leaves_after_ending_its_side_is_noticed(void **state)
{
    (void)state;
    say(ASK("/wait"));
    shutdown(client.socket, SHUT_WR);
    plug_settle(&plug);
    leave();
    calling_pass(&plug, 1000);
    assert_int_equal(n_released, 1);
}

static void who_leaves_behind_a_request_that_waits_is_noticed(void **state)
{
    (void)state;
    say(ASK("/wait"));
    say(ASK("/quick"));
    leave();
    calling_pass(&plug, 1000);
    assert_int_equal(n_released, 1);
    assert_int_equal(n_run, 1);
}

static void who_leaves_behind_a_body_is_noticed(void **state)
{
    (void)state;
    say("POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na");
    say("bc");
    shutdown(client.socket, SHUT_WR);
    plug_settle(&plug);
    assert_int_equal(n_run, 1);
    leave();
    calling_pass(&plug, 1000);
    assert_int_equal(n_released, 1);
}

static void answer_it(void)
{
    be_loop(1);
    sj_call_end(pending, 0);
    plug_settle(&plug);
}

static void send_it_to_a_worker(void)
{
    be_loop(1);
    sj_call_then(pending, SJ_ON_WORKER, end);
    plug_settle(&plug);
    calling_work(&plug);
    plug_settle(&plug);
}

static void let_its_time_pass(void)
{
    calling_pass(&plug, 6000);
}

static void let_its_time_pass_on_a_worker(void)
{
    be_loop(1);
    sj_call_then(pending, SJ_ON_WORKER, end);
    plug_settle(&plug);
    calling_pass(&plug, 6000);
    assert_int_equal(n_released, 0);
    calling_work(&plug);
    plug_settle(&plug);
}

static void stop_serving(void)
{
    plug_drop(&plug);
    plug_settle(&plug);
}

/* However it ends. */
static void an_asynchronous_calls_state_is_released_on_its_loop(void **state)
{
    static void (*const ends[])(void) = {
        answer_it, send_it_to_a_worker, let_its_time_pass, let_its_time_pass_on_a_worker,
        leave,     stop_serving};

    (void)state;
    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
        client_fini(&client);
        client_init(&client, plug_connect(&plug, 1));
        n_run = n_released = 0;
        released_on = NULL;
        say(ASK("/wait"));
        assert_int_equal(n_run, 1);
        ends[i]();
        assert_int_equal(n_released, 1);
        assert_ptr_equal(released_on, sj_sched_loop(plug.sched, 1));
    }
}

static void a_late_result_is_not_the_next_requests(void **state)
{
    (void)state;
    say(ASK("/heavy"));
    calling_pass(&plug, 31000);
    say("POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na");
    calling_work(&plug);
    plug_settle(&plug);
    assert_int_equal(n_dropped(SJ_TEXT("/heavy")), 1);
    say("bc");
    hear(&client);
    assert_int_equal(count(&client, "HTTP/1.1"), 1);
    assert_int_equal(count(&client, "HTTP/1.1 504"), 1);
    be_loop(0);
    sj_call_end(pending, 0);
    plug_settle(&plug);
    hear(&client);
    assert_int_equal(count(&client, "HTTP/1.1 200"), 1);
}

/* Its step has run on a thief, and nobody has its next one yet. */
static void one_that_is_dropped_on_its_way_back_is_released(void **state)
{
    (void)state;
    tell(&client, ASK("/elsewhere"));
    plug_poll(&plug, 0);
    assert_true(plug_steal_one(&plug, 1, 0));
    assert_int_equal(n_run, 1);
    plug_drop(&plug);
    plug_settle(&plug);
    assert_int_equal(n_released, 1);
    assert_int_equal(calling_work(&plug), 0);
}

static void one_that_was_sent_back_meanwhile_is_released(void **state)
{
    (void)state;
    tell(&client, ASK("/elsewhere"));
    plug_poll(&plug, 0);
    for (size_t i = 0; i < plug.service.routes.n_items; i++)
        plug.service.routes.items[i].route_class = SJ_CLASS_HEAVY;
    assert_true(plug_steal_one(&plug, 1, 0));
    plug_drop(&plug);
    plug_settle(&plug);
    assert_int_equal(n_run, 0);
    assert_int_equal(calling_work(&plug), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_plug, remove_plug)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_has_ended_its_side_still_gets_its_answer),
        TEST(who_leaves_while_it_waits_is_noticed_at_once),
        TEST(who_leaves_after_ending_its_side_is_noticed),
        TEST(who_leaves_behind_a_request_that_waits_is_noticed),
        TEST(who_leaves_behind_a_body_is_noticed),
        TEST(a_late_result_is_not_the_next_requests),
        TEST(one_that_is_dropped_on_its_way_back_is_released),
        TEST(one_that_was_sent_back_meanwhile_is_released),
        TEST(an_asynchronous_calls_state_is_released_on_its_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
