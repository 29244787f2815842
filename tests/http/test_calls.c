/* SPDX-License-Identifier: MIT */
/* Calls of handlers, step by step: loops and the worker do what the test says.
 * Linked with: -Wl,--wrap=sj_clock_ns */
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
static struct sj_call *pending; /* asynchronous, of the last request */
static unsigned n_run, n_released, n_posted;
static struct sj_call *posted_to;

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

static int wait_for_end(struct sj_call *call)
{
    n_run++;
    sj_call_set_state(call, &n_run, release);
    pending = call;
    return SJ_LATER;
}

static int give_more(struct sj_call *call)
{
    return sj_answer_text(call, "more");
}

static int two_steps(struct sj_call *call)
{
    return sj_call_then(call, SJ_ON_WORKER, give);
}

static int begin_here(struct sj_call *call)
{
    sj_answer_text(call, "begun and ");
    return sj_call_then(call, SJ_ON_WORKER, give);
}

static int stream(struct sj_call *call)
{
    return sj_answer_chunk(call, "abc", 3);
}

static int forget(struct sj_call *call)
{
    (void)call;
    return SJ_LATER;
}

static const struct sj_handler handlers[] = {{"give", give, SJ_SYNC},
                                             {"wait", wait_for_end, SJ_ASYNC},
                                             {"two", two_steps, SJ_SYNC},
                                             {"begin", begin_here, SJ_SYNC},
                                             {"stream", stream, SJ_SYNC},
                                             {"forget", forget, SJ_SYNC},
                                             {0}};

static int make_plug(void **state)
{
    static const char *options[] = {"/heavy=m:give,class=heavy",
                                    "/quick=m:give,class=quick",
                                    "/wait=m:wait,time=5",
                                    "/narrow=m:wait,time=5,running=1",
                                    "/two=m:two,class=quick",
                                    "/begin=m:begin,class=quick",
                                    "/stream=m:stream,class=heavy",
                                    "/forget=m:forget,class=quick",
                                    "/learned=m:give",
                                    "/few=m:give,class=heavy,queue=2",
                                    "/blocking=m:give,class=blocking"};
    const struct sj_option_list list = {options, sizeof(options) / sizeof(*options)};

    (void)state;
    n_run = n_released = n_posted = 0;
    calling_init(&calling, &plug, handlers, &list);
    client_init(&client, plug_connect(&plug, 0));
    return 0;
}

static unsigned work(void)
{
    return calling_work(&plug);
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

static struct sj_route *route_of(const char *prefix)
{
    return sj_routes_find(&plug.service.routes, (struct sj_text){prefix, strlen(prefix)});
}

static uint64_t n_dropped(const char *prefix)
{
    return sj_route_sum(route_of(prefix), offsetof(struct sj_route_cell, n_dropped));
}

static void pass(uint64_t ms)
{
    calling_pass(&plug, ms);
}

static void answered(const char *text, unsigned times)
{
    assert_false(hear(&client));
    assert_int_equal(count(&client, text), times);
}

static void a_heavy_handler_is_run_by_a_worker(void **state)
{
    (void)state;
    say(ASK("/heavy"));
    answered("HTTP/1.1", 0);
    assert_int_equal(n_run, 0);
    assert_int_equal(work(), 1);
    assert_int_equal(n_run, 1);
    answered("HTTP/1.1", 0); /* a worker touches no socket */
    plug_settle(&plug);
    answered("\r\n\r\ngiven", 1);
    assert_int_equal(n_released, 1);
}

static void a_quick_handler_is_run_and_answered_by_a_thief(void **state)
{
    (void)state;
    tell(&client, ASK("/quick"));
    plug_poll(&plug, 0);
    assert_true(plug_steal_one(&plug, 1, 0));
    answered("\r\n\r\ngiven", 1);
    assert_int_equal(sj_route_sum(route_of("/quick"), offsetof(struct sj_route_cell, n_stolen)), 1);
    say(ASK("/quick"));
    answered("\r\n\r\ngiven", 2);
}

static void an_asynchronous_handler_ends_its_call_itself(void **state)
{
    (void)state;
    say(ASK("/wait") ASK("/quick"));
    answered("HTTP/1.1", 0);
    sj_answer_text(pending, "ended");
    sj_call_end(pending, 0);
    assert_int_equal(n_released, 0);
    plug_settle(&plug);
    answered("\r\n\r\nended", 1);
    answered("given", 1); /* and only then the next */
}

static void a_step_can_follow_elsewhere(void **state)
{
    (void)state;
    say(ASK("/two"));
    answered("HTTP/1.1", 0);
    assert_int_equal(work(), 1);
    plug_settle(&plug);
    answered("\r\n\r\ngiven", 1);
    say(ASK("/wait"));
    sj_call_then(pending, SJ_ON_WORKER, give);
    plug_settle(&plug);
    work();
    plug_settle(&plug);
    answered("\r\n\r\ngiven", 2);
}

static void what_a_step_has_said_waits_for_the_last_one(void **state)
{
    (void)state;
    say(ASK("/begin"));
    answered("HTTP/1.1", 0);
    work();
    plug_settle(&plug);
    answered("HTTP/1.1 200 OK\r\n", 1);
    answered("\r\n\r\nbegun and given", 1);
}

static enum sj_route_class class_of(const char *prefix)
{
    return sj_route_class_of(route_of(prefix));
}

/* Time stands still here: every run is short. */
static void only_the_handler_itself_is_learned_from(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SJ_SHORT_RUNS; i++) {
        say(ASK("/wait"));
        sj_call_then(pending, SJ_ON_WORKER, give_more);
        plug_settle(&plug);
        work();
        plug_settle(&plug);
        assert_int_equal(class_of("/learned"), SJ_CLASS_HEAVY);
        say(ASK("/learned"));
        work();
        plug_settle(&plug);
        hear(&client);
    }
    assert_int_equal(class_of("/learned"), SJ_CLASS_QUICK);
    assert_int_equal(class_of("/wait"), SJ_CLASS_HEAVY);
}

static void chunks_end_with_the_handler(void **state)
{
    (void)state;
    say(ASK("/stream"));
    work();
    plug_settle(&plug);
    answered("\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 1);
}

static void to_put_off_without_a_step_is_an_error(void **state)
{
    (void)state;
    say(ASK("/forget"));
    answered("HTTP/1.1 500", 1);
}

static void a_result_after_its_time_is_dropped_and_counted(void **state)
{
    (void)state;
    say(ASK("/heavy"));
    pass(31000);
    answered("HTTP/1.1 504", 1);
    work();
    plug_settle(&plug);
    answered("HTTP/1.1", 1);
    assert_int_equal(n_run, 0); /* nobody waited any more when its turn came */
    assert_int_equal(n_dropped("/heavy"), 1);
    say(ASK("/quick"));
    answered("\r\n\r\ngiven", 1);
}

static void an_asynchronous_call_is_released_when_its_time_is_up(void **state)
{
    (void)state;
    say(ASK("/wait"));
    pass(6000);
    answered("HTTP/1.1 504", 1);
    assert_int_equal(n_released, 1);
    assert_int_equal(n_dropped("/wait"), 1);
}

static void dropping_releases_what_is_pending(void **state)
{
    (void)state;
    say(ASK("/wait"));
    assert_int_equal(n_released, 0);
    plug_drop(&plug);
    plug_settle(&plug);
    assert_int_equal(n_released, 1);
}

static void who_waits_for_its_turn_has_it_when_another_ends(void **state)
{
    struct client second;
    struct sj_call *first;

    (void)state;
    client_init(&second, plug_connect(&plug, 1));
    say(ASK("/narrow"));
    first = pending;
    tell(&second, ASK("/narrow"));
    plug_settle(&plug);
    assert_int_equal(n_run, 1);
    sj_self()->loop = sj_sched_loop(plug.sched, 0);
    sj_call_end(first, 0);
    plug_settle(&plug);
    assert_int_equal(n_run, 2);
    sj_self()->loop = sj_sched_loop(plug.sched, 1);
    sj_call_end(pending, 0);
    plug_settle(&plug);
    hear(&second);
    assert_int_equal(count(&second, "HTTP/1.1 200"), 1);
    client_fini(&second);
}

static void who_waits_for_its_turn_may_leave(void **state)
{
    struct client second;

    (void)state;
    client_init(&second, plug_connect(&plug, 0));
    say(ASK("/narrow"));
    tell(&second, ASK("/narrow"));
    plug_settle(&plug);
    pass(6000);
    answered("HTTP/1.1 504", 1);
    hear(&second);
    assert_int_equal(count(&second, "HTTP/1.1 504"), 1);
    assert_int_equal(ck_pr_load_64(&route_of("/narrow")->n_queued), 0);
    /* of the two the first one's place went to the second, or to nobody: it is free again */
    say(ASK("/narrow"));
    assert_int_equal(route_of("/narrow")->n_running, 1);
    client_fini(&second);
}

static uint64_t n_running(const char *prefix)
{
    return sj_route_running(route_of(prefix));
}

static void calls_that_have_begun_and_not_ended_are_running(void **state)
{
    (void)state;
    say(ASK("/heavy"));
    assert_int_equal(n_running("/heavy"), 0); /* it is queued */
    work();
    assert_int_equal(n_running("/heavy"), 1); /* nobody has told its loop yet */
    plug_settle(&plug);
    assert_int_equal(n_running("/heavy"), 0);
    say(ASK("/wait"));
    assert_int_equal(n_running("/wait"), 1);
    sj_self()->loop = sj_sched_loop(plug.sched, 0);
    sj_call_end(pending, 0);
    plug_settle(&plug);
    assert_int_equal(n_running("/wait"), 0);
}

static void what_a_thief_has_run_is_not_running(void **state)
{
    (void)state;
    tell(&client, ASK("/quick"));
    plug_poll(&plug, 0);
    assert_int_equal(n_running("/quick"), 1);
    assert_true(plug_steal_one(&plug, 1, 0));
    assert_int_equal(n_running("/quick"), 0);
}

static void a_full_queue_is_503(void **state)
{
    struct client others[3];
    unsigned n_refused = 0;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        client_init(&others[i], plug_connect(&plug, i % PLUG_LOOPS));
        tell(&others[i], ASK("/few"));
    }
    plug_settle(&plug);
    assert_int_equal(work(), 2);
    plug_settle(&plug);
    for (unsigned i = 0; i < 3; i++) {
        hear(&others[i]);
        n_refused += count(&others[i], "HTTP/1.1 503");
        n_refused += 10 * count(&others[i], "given");
        client_fini(&others[i]);
    }
    assert_int_equal(n_refused, 21);
    assert_int_equal(sj_route_sum(route_of("/few"), offsetof(struct sj_route_cell, n_refused)), 1);
}

static void while_the_queue_is_full_no_body_is_asked_for(void **state)
{
    struct client others[2];

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        client_init(&others[i], plug_connect(&plug, i));
        tell(&others[i], ASK("/few"));
    }
    plug_settle(&plug);
    say("POST /few HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    hear(&client);
    assert_int_equal(count(&client, "HTTP/1.1 503"), 1);
    assert_int_equal(count(&client, "HTTP/1.1 100"), 0);
    assert_int_equal(sj_route_sum(route_of("/few"), offsetof(struct sj_route_cell, n_refused)), 1);
    for (unsigned i = 0; i < 2; i++)
        client_fini(&others[i]);
}

static void draining_waits_and_dropping_refuses(void **state)
{
    (void)state;
    say(ASK("/heavy"));
    plug_drain(&plug);
    plug_settle(&plug);
    answered("HTTP/1.1", 0);
    plug_drop(&plug);
    plug_settle(&plug);
    assert_true(hear(&client));
    assert_int_equal(count(&client, "HTTP/1.1 503"), 1);
    assert_int_equal(count(&client, "Connection: close"), 1);
}

static void what_is_answered_while_draining_is_the_last(void **state)
{
    (void)state;
    say(ASK("/blocking"));
    plug_drain(&plug);
    work();
    plug_settle(&plug);
    assert_true(hear(&client));
    assert_int_equal(count(&client, "given"), 1);
    assert_int_equal(count(&client, "Connection: close"), 1);
}

static void on_post(struct sj_call *call, void *argument)
{
    assert_ptr_equal(argument, &n_posted);
    n_posted++;
    posted_to = call;
}

static void a_post_finds_its_call_or_nobody(void **state)
{
    struct sj_ticket ticket;

    (void)state;
    say(ASK("/wait"));
    ticket = sj_call_ticket(pending);
    assert_int_equal(sj_call_post(ticket, on_post, &n_posted), 0);
    plug_settle(&plug);
    assert_int_equal(n_posted, 1);
    assert_ptr_equal(posted_to, pending);
    sj_self()->loop = sj_sched_loop(plug.sched, 0);
    sj_call_end(pending, 404);
    plug_settle(&plug);
    say(ASK("/wait")); /* the same connection, and another request */
    assert_int_equal(sj_call_post(ticket, on_post, &n_posted), 0);
    plug_settle(&plug);
    assert_int_equal(n_posted, 2);
    assert_null(posted_to);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_plug, remove_plug)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_heavy_handler_is_run_by_a_worker),
        TEST(a_quick_handler_is_run_and_answered_by_a_thief),
        TEST(an_asynchronous_handler_ends_its_call_itself),
        TEST(a_step_can_follow_elsewhere),
        TEST(what_a_step_has_said_waits_for_the_last_one),
        TEST(only_the_handler_itself_is_learned_from),
        TEST(chunks_end_with_the_handler),
        TEST(to_put_off_without_a_step_is_an_error),
        TEST(a_result_after_its_time_is_dropped_and_counted),
        TEST(an_asynchronous_call_is_released_when_its_time_is_up),
        TEST(dropping_releases_what_is_pending),
        TEST(who_waits_for_its_turn_has_it_when_another_ends),
        TEST(who_waits_for_its_turn_may_leave),
        TEST(calls_that_have_begun_and_not_ended_are_running),
        TEST(what_a_thief_has_run_is_not_running),
        TEST(a_full_queue_is_503),
        TEST(while_the_queue_is_full_no_body_is_asked_for),
        TEST(draining_waits_and_dropping_refuses),
        TEST(what_is_answered_while_draining_is_the_last),
        TEST(a_post_finds_its_call_or_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
