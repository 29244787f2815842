/* SPDX-License-Identifier: MIT */
/* Requests that come before the first build: what is known is answered, the rest waits for it.
 * Linked with: -Wl,--wrap=sj_clock_ns */
#include "http/connection.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>

#include "tests/http/client.h"
#include "tests/http/plug.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static struct plug plug;
static struct client client;
static struct sj_entry *known;

static int make_plug(void **state)
{
    (void)state;
    plug_init(&plug);
    known = site_add(&plug.site, "/known", "0123456789", SITE_HELD);
    site_add(&plug.site, "/other", "abc", SITE_HELD);
    site_set_unbuilt(&plug.site, known);
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

static void say(const char *text)
{
    tell(&client, text);
    plug_settle(&plug);
}

static void end_build(void)
{
    site_set_built(&plug.site);
    for (unsigned i = 0; i < PLUG_LOOPS; i++)
        plug_resume(&plug, i);
    plug_settle(&plug);
}

static bool is_held(void)
{
    return !TAILQ_EMPTY(&plug.shards[0]->deadlines.queues[SJ_PHASE_HELD]);
}

static void what_is_known_is_answered(void **state)
{
    (void)state;
    say(GET("/known"));
    assert_false(hear(&client));
    assert_int_equal(count(&client, "HTTP/1.1 200"), 1);
    assert_int_equal(count(&client, "\r\n\r\n0123456789"), 1);
}

static void an_entry_for_one_response_is_let_go_of(void **state)
{
    (void)state;
    say(GET("/known"));
    assert_int_equal(known->references, 1);
    assert_int_equal(plug.shards[0]->n_pinned, plug.shards[0]->n_unpinned);
}

static void what_is_not_known_waits_for_the_build(void **state)
{
    (void)state;
    say(GET("/other"));
    assert_false(hear(&client));
    assert_int_equal(client.length, 0);
    assert_true(is_held());
    end_build();
    hear(&client);
    assert_int_equal(count(&client, "HTTP/1.1 200"), 1);
    assert_int_equal(count(&client, "\r\n\r\nabc"), 1);
    assert_false(is_held());
}

static void what_is_not_there_either_is_404_then(void **state)
{
    (void)state;
    say(GET("/none"));
    assert_false(hear(&client));
    assert_int_equal(client.length, 0);
    end_build();
    hear(&client);
    assert_int_equal(count(&client, "HTTP/1.1 404"), 1);
}

static void what_needs_no_entry_does_not_wait(void **state)
{
    (void)state;
    say("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    say("TRACE /other HTTP/1.1\r\nHost: a\r\n\r\n");
    hear(&client);
    assert_int_equal(count(&client, "HTTP/1.1 204"), 1);
    assert_int_equal(count(&client, "HTTP/1.1 405"), 1);
}

static void a_connection_goes_on_after_it_was_held(void **state)
{
    (void)state;
    say(GET("/other"));
    end_build();
    say(GET("/known"));
    hear(&client);
    assert_int_equal(count(&client, "HTTP/1.1 200"), 2);
}

static void requests_behind_a_held_one_wait_for_their_turn(void **state)
{
    (void)state;
    say(GET("/other") GET("/known"));
    say(GET("/none"));
    assert_false(hear(&client));
    assert_int_equal(client.length, 0);
    end_build();
    hear(&client);
    const char *first = strstr(client.input, "\r\n\r\nabc");
    const char *second = strstr(client.input, "\r\n\r\n0123456789");
    const char *third = strstr(client.input, "HTTP/1.1 404");
    assert_true(first != NULL && second != NULL && third != NULL);
    assert_true(first < second && second < third);
}

static void the_build_has_no_time_limit(void **state)
{
    (void)state;
    say(GET("/other"));
    for (unsigned i = 0; i < 5; i++)
        plug_pass(&plug, 100000);
    assert_true(is_held());
    end_build();
    hear(&client);
    assert_int_equal(count(&client, "HTTP/1.1 200"), 1);
}

static void a_stolen_request_is_held_by_its_owner(void **state)
{
    (void)state;
    tell(&client, GET("/other"));
    plug_poll(&plug, 0);
    assert_true(plug_steal_one(&plug, 1, 0));
    assert_false(is_held());
    assert_true(plug_deliver(&plug, 0));
    assert_true(is_held());
    end_build();
    hear(&client);
    assert_int_equal(count(&client, "HTTP/1.1 200"), 1);
}

static void a_build_that_ends_before_the_request_is_held_is_noticed(void **state)
{
    (void)state;
    tell(&client, GET("/other"));
    plug_poll(&plug, 0);
    assert_true(plug_steal_one(&plug, 1, 0)); /* not known; and its owner has not heard of that */
    end_build();
    hear(&client);
    assert_int_equal(count(&client, "HTTP/1.1 200"), 1);
    assert_false(is_held());
}

static void draining_waits_for_the_build(void **state)
{
    (void)state;
    say(GET("/other") GET("/known"));
    plug_drain(&plug);
    plug_settle(&plug);
    assert_false(hear(&client));
    assert_int_equal(plug_open_connections(&plug), 1);
    end_build();
    assert_true(hear(&client));
    assert_int_equal(count(&client, "HTTP/1.1 200"), 1);
    assert_int_equal(count(&client, "Connection: close\r\n"), 1);
}

static void dropping_says_503(void **state)
{
    (void)state;
    say(GET("/other"));
    plug_drop(&plug);
    plug_settle(&plug);
    assert_true(hear(&client));
    assert_int_equal(count(&client, "HTTP/1.1 503"), 1);
    assert_int_equal(count(&client, "Retry-After: "), 1);
    assert_int_equal(plug_open_connections(&plug), 0);
}

static void who_has_only_ended_its_side_gets_the_answer(void **state)
{
    (void)state;
    say(GET("/other"));
    shutdown(client.socket, SHUT_WR);
    plug_settle(&plug);
    assert_int_equal(plug_open_connections(&plug), 1);
    end_build();
    assert_true(hear(&client));
    assert_int_equal(count(&client, "HTTP/1.1 200"), 1);
}

/* Both ends of a TCP connection; the server's is returned. */
static int connect_tcp(struct client *peer)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int end;

    client_init(peer, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    assert_int_equal(bind(listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(connect(peer->socket, (struct sockaddr *)&address, length), 0);
    end = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(end >= 0);
    close(listener);
    return end;
}

static void reset_while_held(const char *requests)
{
    struct linger at_once = {.l_onoff = 1};
    struct client other;

    plug_open(&plug, 1, connect_tcp(&other));
    tell(&other, requests);
    plug_settle(&plug);
    assert_int_equal(plug_open_connections(&plug), 2);
    setsockopt(other.socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    client_fini(&other);
    plug_settle(&plug);
    assert_int_equal(plug_open_connections(&plug), 1);
}

static void who_has_gone_is_not_held(void **state)
{
    (void)state;
    reset_while_held(GET("/other"));
}

static void who_has_gone_leaving_requests_behind_is_not_held(void **state)
{
    (void)state;
    reset_while_held(GET("/other") GET("/known"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_plug, remove_plug)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_known_is_answered),
        TEST(an_entry_for_one_response_is_let_go_of),
        TEST(what_is_not_known_waits_for_the_build),
        TEST(what_is_not_there_either_is_404_then),
        TEST(what_needs_no_entry_does_not_wait),
        TEST(a_connection_goes_on_after_it_was_held),
        TEST(requests_behind_a_held_one_wait_for_their_turn),
        TEST(the_build_has_no_time_limit),
        TEST(a_stolen_request_is_held_by_its_owner),
        TEST(a_build_that_ends_before_the_request_is_held_is_noticed),
        TEST(draining_waits_for_the_build),
        TEST(dropping_says_503),
        TEST(who_has_only_ended_its_side_gets_the_answer),
        TEST(who_has_gone_is_not_held),
        TEST(who_has_gone_leaving_requests_behind_is_not_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
