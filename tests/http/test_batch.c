/* SPDX-License-Identifier: MIT */
/* Batches, step by step: what is received and sent when.
 * Linked with: -Wl,--wrap=sj_clock_ns */
#include "http/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/http/calling.h"
#include "tests/http/client.h"

#define ASK(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

#define CLIENTS      (SJ_BATCH + 3)
#define LARGE_LENGTH (4 * 1024 * 1024)

static struct plug plug;
static struct calling calling;
static struct client clients[CLIENTS];
static unsigned n_heard; /* by the handler: answers that were on their way before it */

static int look(struct sj_call *call)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        hear(&clients[i]);
    n_heard = 0;
    for (unsigned i = 0; i < CLIENTS; i++)
        n_heard += count(&clients[i], "HTTP/1.1 200");
    return sj_answer_text(call, "seen");
}

static const struct sj_handler handlers[] = {{"look", look, SJ_SYNC}, {0}};

static void make(bool has_ring)
{
    static const char *options[] = {"/look=m:look,class=quick"};
    static char page[4000 + 1]; /* as long as it is copied behind its head */
    const struct sj_option_list list = {options, 1};

    calling_init(&calling, &plug, handlers, &list);
    site_add(&plug.site, "/ten.txt", "0123456789", SITE_HELD);
    memset(page, 'a', sizeof(page) - 1);
    site_add(&plug.site, "/page.txt", page, SITE_HELD);
    site_add_large(&plug.site, "/large.bin", LARGE_LENGTH, SITE_HELD);
    site_add(&plug.site, "/disk.bin", "of a file", SITE_ON_DISK);
    plug_batch(&plug, has_ring);
    for (unsigned i = 0; i < CLIENTS; i++)
        client_init(&clients[i], plug_connect(&plug, 0));
    plug_settle(&plug);
}

static int one_by_one(void **state)
{
    (void)state;
    make(false);
    return 0;
}

static int by_ring(void **state)
{
    (void)state;
    make(true);
    return 0;
}

static int done(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CLIENTS; i++)
        client_fini(&clients[i]);
    assert_int_equal(site_sections(&plug.site), 0);
    calling_fini(&plug);
    return 0;
}

static unsigned n_answers(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < CLIENTS; i++) {
        hear(&clients[i]);
        n += count(&clients[i], "HTTP/1.1 200");
    }
    return n;
}

static void ask(unsigned n, const char *text)
{
    for (unsigned i = 0; i < n; i++)
        tell(&clients[i], text);
}

static void answers_leave_together(void **state)
{
    (void)state;
    ask(5, ASK("/ten.txt"));
    plug_poll(&plug, 0);
    for (unsigned i = 0; i < 5; i++)
        assert_true(plug_run_one(&plug, 0));
    assert_false(plug_run_one(&plug, 0));
    assert_int_equal(n_answers(), 0);
    assert_int_equal(site_sections(&plug.site), 1);
    plug_poll(&plug, 0);
    assert_int_equal(n_answers(), 5);
    assert_int_equal(site_sections(&plug.site), 0);
    assert_int_equal(plug.shards[0]->n_requests, 5);
    for (unsigned i = 0; i < 5; i++)
        assert_non_null(strstr(clients[i].input, "\r\n\r\n0123456789"));
}

static void so_many_are_received_from_at_a_time(void **state)
{
    struct sj_loop *loop = plug.shards[0]->loop;

    (void)state;
    ask(CLIENTS, ASK("/ten.txt"));
    plug_poll(&plug, 0);
    assert_int_equal(sj_deque_length(loop->quick), 0);
    assert_true(loop->before(loop->context));
    assert_int_equal(sj_deque_length(loop->quick), SJ_BATCH);
    assert_true(loop->before(loop->context));
    assert_int_equal(sj_deque_length(loop->quick), CLIENTS);
    assert_false(loop->before(loop->context));
    plug_settle(&plug);
    assert_int_equal(n_answers(), CLIENTS);
}

static void a_full_batch_does_not_wait(void **state)
{
    (void)state;
    ask(CLIENTS, ASK("/ten.txt"));
    plug_poll(&plug, 0);
    for (unsigned i = 0; i < CLIENTS; i++) {
        assert_true(plug_run_one(&plug, 0));
        assert_int_equal(n_answers(), i / SJ_BATCH * SJ_BATCH);
    }
    plug_poll(&plug, 0);
    assert_int_equal(n_answers(), CLIENTS);
}

/* Heads and small bodies are held in scratch memory, of which there is so much. */
static void no_answer_overwrites_another(void **state)
{
    (void)state;
    ask(CLIENTS, ASK("/page.txt"));
    plug_settle(&plug);
    assert_int_equal(n_answers(), CLIENTS);
    for (unsigned i = 0; i < CLIENTS; i++) {
        const char *body = strstr(clients[i].input, "\r\n\r\n");

        assert_non_null(body);
        assert_int_equal(strspn(body + 4, "a"), 4000);
        assert_int_equal(count(&clients[i], "HTTP/1.1"), 1);
    }
}

static void a_handler_runs_when_nothing_is_held(void **state)
{
    (void)state;
    ask(3, ASK("/ten.txt"));
    tell(&clients[3], ASK("/look"));
    tell(&clients[4], ASK("/ten.txt"));
    plug_poll(&plug, 0);
    while (plug_run_one(&plug, 0))
        ;
    assert_int_equal(n_heard, 3);
    plug_poll(&plug, 0);
    assert_int_equal(n_answers(), 5);
}

static void what_the_socket_does_not_take_is_sent_later(void **state)
{
    size_t length = 0;

    (void)state;
    ask(3, ASK("/large.bin"));
    plug_settle(&plug);
    for (unsigned turn = 0; turn < 1000 && length < 3 * LARGE_LENGTH; turn++) {
        length = 0;
        for (unsigned i = 0; i < 3; i++) {
            hear_some(&clients[i], 100000);
            length += clients[i].length;
        }
        plug_settle(&plug);
    }
    for (unsigned i = 0; i < 3; i++) {
        const char *body;

        hear(&clients[i]);
        body = strstr(clients[i].input, "\r\n\r\n") + 4;
        assert_int_equal(clients[i].input + clients[i].length - body, LARGE_LENGTH);
        for (size_t at = 0; at < LARGE_LENGTH; at++)
            if (body[at] != site_octet(at))
                fail_msg("another octet at %zu", at);
    }
}

/* The thief's loop holds it, the owner is told that more has come. */
static void a_right_that_is_wanted_meanwhile_comes_back(void **state)
{
    (void)state;
    ask(3, ASK("/ten.txt"));
    plug_poll(&plug, 0);
    assert_true(plug_run_one(&plug, 0));
    assert_true(plug_steal_one(&plug, 1, 0));
    assert_true(plug_steal_one(&plug, 1, 0));
    ask(3, ASK("/ten.txt"));
    plug_poll(&plug, 0);
    while (plug_run_one(&plug, 0))
        ;
    plug_poll(&plug, 0);
    assert_int_equal(n_answers(), 2); /* of the first, whose right has never left */
    plug_poll(&plug, 1);
    assert_int_equal(n_answers(), 4);
    plug_settle(&plug);
    assert_int_equal(n_answers(), 6);
}

/* libevent polls twice in one turn where it has many deferred callbacks. */
static void who_is_noted_twice_is_received_from_once(void **state)
{
    (void)state;
    ask(4, ASK("/ten.txt"));
    plug_poll(&plug, 0);
    event_base_loop(sj_loop_base(plug.shards[0]->loop), EVLOOP_ONCE | EVLOOP_NONBLOCK);
    plug_settle(&plug);
    assert_int_equal(n_answers(), 4);
    assert_int_equal(plug_open_connections(&plug), CLIENTS);
}

static void expire_first(void)
{
    struct sj_deadlines *deadlines = &plug.shards[0]->deadlines;
    struct sj_deadline *first = TAILQ_FIRST(&deadlines->queues[SJ_PHASE_OPEN]);

    deadlines->expire(first, first->since_ns + plug.config.keepalive_timeout_ms * 1000000);
}

/* The time of an idle connection is over in the very turn in which its request has come. */
static void who_is_noted_is_not_idle(void **state)
{
    (void)state;
    ask(4, ASK("/ten.txt"));
    plug_poll(&plug, 0);
    for (unsigned i = 0; i < CLIENTS; i++)
        expire_first();
    plug_settle(&plug);
    assert_int_equal(n_answers(), 4);
    assert_int_equal(plug_open_connections(&plug), 4);
}

static void a_file_is_sent_behind_what_came_before(void **state)
{
    (void)state;
    ask(3, ASK("/ten.txt"));
    tell(&clients[3], ASK("/disk.bin"));
    plug_poll(&plug, 0);
    while (plug_run_one(&plug, 0))
        ;
    assert_int_equal(n_answers(), 4);
}

/* In the order of a turn: the poll notes, a message drops, and then there is nobody to receive
 * from. */
static void who_is_dropped_is_not_received_from(void **state)
{
    (void)state;
    ask(4, ASK("/ten.txt"));
    plug_poll(&plug, 0);
    plug_drop(&plug);
    assert_int_equal(plug_open_connections(&plug), 0);
    plug_settle(&plug);
    assert_int_equal(n_answers(), 0);
}

/* Between two portions of a turn: of the first one's tasks some have run. */
static void who_is_dropped_between_portions_is_not_received_from(void **state)
{
    struct sj_loop *loop = plug.shards[0]->loop;
    struct sj_task *task;

    (void)state;
    ask(CLIENTS, ASK("/ten.txt"));
    plug_poll(&plug, 0);
    assert_true(loop->before(loop->context));
    for (unsigned i = 0; i < SJ_BATCH / 2; i++) {
        assert_int_equal(sj_deque_steal(loop->quick, &task), SJ_STEAL_OK);
        task->run(task);
    }
    loop->after(loop->context);
    plug_drop(&plug);
    assert_false(loop->before(loop->context));
    plug_settle(&plug);
    assert_int_equal(plug_open_connections(&plug), 0);
    assert_int_equal(plug.shards[0]->n_requests, SJ_BATCH);
}

static void a_client_that_leaves_takes_nobody_along(void **state)
{
    (void)state;
    ask(6, ASK("/ten.txt"));
    plug_poll(&plug, 0);
    for (unsigned i = 0; i < 3; i++)
        assert_true(plug_run_one(&plug, 0));
    close(clients[1].socket);
    close(clients[4].socket);
    clients[1].socket = clients[4].socket = -1;
    plug_settle(&plug);
    assert_int_equal(n_answers(), 4);
    assert_int_equal(plug_open_connections(&plug), CLIENTS - 2);
}

static void the_last_answer_ends_its_connection(void **state)
{
    (void)state;
    ask(3, "GET /ten.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    plug_settle(&plug);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(hear(&clients[i]));
        assert_int_equal(count(&clients[i], "HTTP/1.1 200"), 1);
    }
    assert_int_equal(plug_open_connections(&plug), CLIENTS - 3);
}

#define BOTH_WAYS(test)                                      \
    cmocka_unit_test_setup_teardown(test, one_by_one, done), \
        cmocka_unit_test_setup_teardown(test, by_ring, done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH_WAYS(answers_leave_together),
        BOTH_WAYS(so_many_are_received_from_at_a_time),
        BOTH_WAYS(a_full_batch_does_not_wait),
        BOTH_WAYS(no_answer_overwrites_another),
        BOTH_WAYS(a_handler_runs_when_nothing_is_held),
        BOTH_WAYS(what_the_socket_does_not_take_is_sent_later),
        BOTH_WAYS(a_right_that_is_wanted_meanwhile_comes_back),
        BOTH_WAYS(who_is_noted_twice_is_received_from_once),
        BOTH_WAYS(who_is_noted_is_not_idle),
        BOTH_WAYS(a_file_is_sent_behind_what_came_before),
        BOTH_WAYS(who_is_dropped_is_not_received_from),
        BOTH_WAYS(who_is_dropped_between_portions_is_not_received_from),
        BOTH_WAYS(a_client_that_leaves_takes_nobody_along),
        BOTH_WAYS(the_last_answer_ends_its_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
