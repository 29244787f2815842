/* SPDX-License-Identifier: MIT */
/* Connections (http/connection.c, http/input.c) over socket pairs, step by step.
 * Linked with: -Wl,--wrap=sj_clock_ns */
#include "http/connection.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "http/input.h"
#include "tests/http/client.h"
#include "tests/http/plug.h"

#define HOST  "Host: a\r\n"
#define GET   "GET /ten.txt HTTP/1.1\r\n" HOST "\r\n"
#define CLOSE "GET /ten.txt HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"
#define LARGE "GET /large.bin HTTP/1.1\r\n" HOST "\r\n"

#define LARGE_LENGTH (4 * 1024 * 1024)

static struct plug plug;
static struct client client;

static int make_plug(void **state)
{
    (void)state;
    plug_init(&plug);
    site_add(&plug.site, "/ten.txt", "0123456789", SITE_HELD);
    site_add(&plug.site, "/eleven.txt", "0123456789a", SITE_HELD);
    site_add_large(&plug.site, "/large.bin", LARGE_LENGTH, SITE_HELD);
    plug_start(&plug);
    client_init(&client, plug_connect(&plug, 0));
    return 0;
}

static int remove_plug(void **state)
{
    (void)state;
    client_fini(&client);
    plug_fini(&plug);
    return 0;
}

static struct sj_connection *newest(unsigned loop, enum sj_phase phase)
{
    struct sj_deadline *last =
        TAILQ_LAST(&plug.shards[loop]->deadlines.queues[phase], sj_deadline_queue);

    assert_non_null(last);
    return (struct sj_connection *)(void *)((char *)last -
                                            offsetof(struct sj_connection, deadline));
}

static void a_request_in_one_piece_is_answered(void **state)
{
    (void)state;
    tell(&client, GET);
    plug_settle(&plug);
    assert_false(hear(&client));
    assert_int_equal(count(&client, "HTTP/1.1 200 OK\r\n"), 1);
    assert_non_null(strstr(client.input, "\r\n\r\n0123456789"));
    assert_int_equal(plug.shards[0]->n_requests, 1);
    assert_int_equal(plug.shards[0]->n_octets_sent, client.length);
}

static void a_request_can_come_octet_by_octet(void **state)
{
    (void)state;
    for (const char *at = GET GET; *at != '\0'; at++) {
        tell(&client, (char[]){*at, '\0'});
        plug_settle(&plug);
    }
    assert_false(hear(&client));
    assert_int_equal(count(&client, "HTTP/1.1 200 OK\r\n"), 2);
}

static void pipelined_requests_are_answered_in_their_order(void **state)
{
    (void)state;
    tell(&client, GET "GET /none HTTP/1.1\r\n" HOST "\r\n" GET);
    plug_settle(&plug);
    assert_false(hear(&client));
    assert_int_equal(count(&client, "HTTP/1.1 200 OK\r\n"), 2);
    assert_true(strstr(client.input, "200 OK") < strstr(client.input, "404 Not Found"));
}

static void a_thief_answers_and_the_owner_goes_on(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 3; i++) {
        tell(&client, GET);
        plug_poll(&plug, 0);
        assert_true(plug_steal_one(&plug, 1, 0));
        assert_false(hear(&client)); /* answered, though the owner has done nothing */
        assert_int_equal(count(&client, "HTTP/1.1 200 OK\r\n"), i);
        assert_false(plug_deliver(&plug, 0)); /* silently */
    }
    assert_int_equal(plug.shards[1]->n_requests, 3);
}

static void input_that_comes_while_it_is_lent_waits_for_the_message(void **state)
{
    (void)state;
    tell(&client, GET);
    plug_poll(&plug, 0);
    tell(&client, GET);
    plug_poll(&plug, 0); /* wants the right, and leaves it in the kernel */
    plug_poll(&plug, 0);
    assert_true(plug_steal_one(&plug, 1, 0));
    assert_false(plug_run_one(&plug, 0));
    assert_true(plug_deliver(&plug, 0));
    plug_poll(&plug, 0);
    assert_true(plug_run_one(&plug, 0));
    hear(&client);
    assert_int_equal(count(&client, "HTTP/1.1 200 OK\r\n"), 2);
}

static void input_that_waits_already_makes_the_thief_say_so(void **state)
{
    (void)state;
    tell(&client, GET GET);
    plug_poll(&plug, 0);
    assert_true(plug_steal_one(&plug, 1, 0));
    assert_true(plug_deliver(&plug, 0));
    assert_true(plug_steal_one(&plug, 1, 0));
    hear(&client);
    assert_int_equal(count(&client, "HTTP/1.1 200 OK\r\n"), 2);
}

static void a_stolen_response_that_does_not_fit_is_finished_by_the_owner(void **state)
{
    (void)state;
    tell(&client, LARGE);
    plug_poll(&plug, 0);
    assert_true(plug_steal_one(&plug, 1, 0));
    assert_true(plug_deliver(&plug, 0));
    assert_int_equal(newest(0, SJ_PHASE_SENDING)->outcome, SJ_OUTCOME_WAITS);
    for (unsigned i = 0; i < 10000 && count(&client, "HTTP") * client.length < LARGE_LENGTH; i++) {
        hear(&client);
        plug_settle(&plug);
    }
    hear(&client);
    assert_int_equal(client.length,
                     strstr(client.input, "\r\n\r\n") + 4 - client.input + LARGE_LENGTH);
    assert_int_equal(plug.shards[0]->n_requests, 1);
}

static void a_client_that_goes_away_meanwhile_ends_the_connection(void **state)
{
    (void)state;
    tell(&client, LARGE);
    plug_poll(&plug, 0);
    assert_true(plug_steal_one(&plug, 1, 0));
    close(client.socket);
    client.socket = -1;
    plug_settle(&plug);
    assert_int_equal(plug_open_connections(&plug), 0);
}

static void a_client_that_goes_away_while_it_is_lent_is_waited_for(void **state)
{
    (void)state;
    tell(&client, GET);
    plug_poll(&plug, 0);
    close(client.socket);
    client.socket = -1;
    plug_poll(&plug, 0);
    plug_poll(&plug, 0);
    assert_int_equal(plug_open_connections(&plug), 1);
    assert_true(plug_steal_one(&plug, 1, 0));
    assert_true(plug_deliver(&plug, 0));
    assert_int_equal(plug_open_connections(&plug), 0);
}

static void a_half_close_does_not_end_interest_in_the_response(void **state)
{
    (void)state;
    tell(&client, GET GET);
    shutdown(client.socket, SHUT_WR);
    plug_settle(&plug);
    assert_true(hear(&client));
    assert_int_equal(count(&client, "HTTP/1.1 200 OK\r\n"), 2);
    assert_int_equal(plug_open_connections(&plug), 0);
}

static void a_half_close_within_a_head_ends_it_silently(void **state)
{
    (void)state;
    tell(&client, "GET / HT");
    shutdown(client.socket, SHUT_WR);
    plug_settle(&plug);
    assert_true(hear(&client));
    assert_int_equal(client.length, 0);
    assert_int_equal(plug_open_connections(&plug), 0);
}

static void connection_close_closes_after_the_response(void **state)
{
    (void)state;
    tell(&client, CLOSE GET);
    plug_settle(&plug);
    assert_true(hear(&client));
    assert_int_equal(count(&client, "HTTP/1.1 200 OK\r\n"), 1);
    assert_int_equal(count(&client, "Connection: close\r\n"), 1);
    close(client.socket);
    client.socket = -1;
    plug_settle(&plug);
    assert_int_equal(plug_open_connections(&plug), 0);
}

/* In the kernel, not read: a close now would be a reset, and lose the response. */
static void unread_input_is_discarded_before_the_close(void **state)
{
    char head[SJ_EXCHANGE_READ + 1];
    int n = snprintf(head, sizeof(head),
                     "%s%sConnection: close\r\nX: ", "GET /ten.txt HTTP/1.1\r\n", HOST);

    (void)state;
    memset(head + n, 'x', sizeof(head) - (size_t)n);
    strcpy(head + SJ_EXCHANGE_READ - 4, "\r\n\r\n"); /* one read takes the head and no more */
    tell(&client, head);
    tell(&client, GET);
    plug_settle(&plug);
    assert_true(hear(&client));
    assert_int_equal(count(&client, "HTTP/1.1 200 OK\r\n"), 1);
    assert_int_equal(plug_open_connections(&plug), 1); /* lingers */
}

static void a_bad_request_is_answered_and_lingers(void **state)
{
    (void)state;
    tell(&client, "GET / HTTP/1.1\r\n\r\n" GET);
    plug_settle(&plug);
    assert_true(hear(&client));
    assert_int_equal(count(&client, "HTTP/1.1 400 Bad Request\r\n"), 1);
    assert_int_equal(count(&client, "HTTP/1.1"), 1);
    newest(0, SJ_PHASE_LINGER);
    tell(&client, GET); /* is thrown away */
    plug_settle(&plug);
    plug_pass(&plug, 2000);
    assert_int_equal(plug_open_connections(&plug), 0);
}

static void a_body_is_read_before_the_answer(void **state)
{
    (void)state;
    tell(&client, "POST /ten.txt HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nab");
    plug_settle(&plug);
    hear(&client);
    assert_int_equal(client.length, 0);
    tell(&client, "cde" GET);
    plug_settle(&plug);
    hear(&client);
    assert_int_equal(count(&client, "HTTP/1.1 405"), 1);
    assert_int_equal(count(&client, "HTTP/1.1 200"), 1);
}

static void a_chunked_body_is_read_before_the_answer(void **state)
{
    (void)state;
    for (const char *at = "POST /ten.txt HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                          "5;x=y\r\nabcde\r\n0\r\nT: v\r\n\r\n" GET;
         *at != '\0'; at++) {
        tell(&client, (char[]){*at, '\0'});
        plug_settle(&plug);
    }
    hear(&client);
    assert_int_equal(count(&client, "HTTP/1.1 405"), 1);
    assert_int_equal(count(&client, "HTTP/1.1 200"), 1);
}

static void a_bad_chunk_is_400_and_the_end(void **state)
{
    (void)state;
    tell(&client, "POST /ten.txt HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                  "5\r\nabcdefg\r\n" GET);
    plug_settle(&plug);
    assert_true(hear(&client));
    assert_int_equal(count(&client, "HTTP/1.1 400"), 1);
    assert_int_equal(count(&client, "HTTP/1.1"), 1);
}

static void a_long_body_is_not_waited_for(void **state)
{
    (void)state;
    tell(&client, "POST /ten.txt HTTP/1.1\r\n" HOST "Content-Length: 70000\r\n\r\n");
    plug_settle(&plug);
    assert_true(hear(&client));
    assert_int_equal(count(&client, "HTTP/1.1 405"), 1);
    assert_int_equal(count(&client, "Connection: close\r\n"), 1);
}

static void a_long_chunked_body_ends_the_connection(void **state)
{
    char chunk[4096 + 9] = "1000\r\n";

    (void)state;
    memset(chunk + 6, 'x', 4096);
    strcpy(chunk + 6 + 4096, "\r\n");
    tell(&client, "POST /ten.txt HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    for (unsigned i = 0; i < 17; i++) {
        tell(&client, chunk);
        plug_settle(&plug);
    }
    assert_true(hear(&client));
    assert_int_equal(count(&client, "HTTP/1.1 405"), 1);
    assert_int_equal(count(&client, "Connection: close\r\n"), 1);
}

static void a_chunked_body_beyond_the_limit_is_413(void **state)
{
    (void)state;
    plug.config.body_limit = 4;
    tell(&client, "POST /ten.txt HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                  "5\r\nabcde\r\n0\r\n\r\n");
    plug_settle(&plug);
    hear(&client);
    assert_int_equal(count(&client, "HTTP/1.1 413"), 1);
}

static void expect_is_answered_at_once(void **state)
{
    (void)state;
    tell(&client,
         "POST /ten.txt HTTP/1.1\r\n" HOST "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    plug_settle(&plug);
    assert_true(hear(&client));
    assert_int_equal(count(&client, "HTTP/1.1 405"), 1);
    assert_int_equal(count(&client, "HTTP/1.1"), 1);
}

static void a_full_queue_runs_the_task_at_once(void **state)
{
    struct client clients[80];

    (void)state;
    for (unsigned i = 0; i < 80; i++) {
        client_init(&clients[i], plug_connect(&plug, 0));
        tell(&clients[i], GET GET);
    }
    plug_poll(&plug, 0); /* the queue holds 64 */
    plug_settle(&plug);
    for (unsigned i = 0; i < 80; i++) {
        hear(&clients[i]);
        assert_int_equal(count(&clients[i], "HTTP/1.1 200 OK\r\n"), 2);
        client_fini(&clients[i]);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_plug, remove_plug)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_in_one_piece_is_answered),
        TEST(a_request_can_come_octet_by_octet),
        TEST(pipelined_requests_are_answered_in_their_order),
        TEST(a_thief_answers_and_the_owner_goes_on),
        TEST(input_that_comes_while_it_is_lent_waits_for_the_message),
        TEST(input_that_waits_already_makes_the_thief_say_so),
        TEST(a_stolen_response_that_does_not_fit_is_finished_by_the_owner),
        TEST(a_client_that_goes_away_meanwhile_ends_the_connection),
        TEST(a_client_that_goes_away_while_it_is_lent_is_waited_for),
        TEST(a_half_close_does_not_end_interest_in_the_response),
        TEST(a_half_close_within_a_head_ends_it_silently),
        TEST(connection_close_closes_after_the_response),
        TEST(unread_input_is_discarded_before_the_close),
        TEST(a_bad_request_is_answered_and_lingers),
        TEST(a_body_is_read_before_the_answer),
        TEST(a_chunked_body_is_read_before_the_answer),
        TEST(a_bad_chunk_is_400_and_the_end),
        TEST(a_long_body_is_not_waited_for),
        TEST(a_long_chunked_body_ends_the_connection),
        TEST(a_chunked_body_beyond_the_limit_is_413),
        TEST(expect_is_answered_at_once),
        TEST(a_full_queue_runs_the_task_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
