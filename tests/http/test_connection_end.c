/* SPDX-License-Identifier: MIT */
/* How connections end: time limits, draining, dropping.
 * Linked with: -Wl,--wrap=sj_clock_ns -Wl,--wrap=ioctl */
#include "http/connection.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <linux/sockios.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "tests/http/client.h"
#include "tests/http/plug.h"

#define HOST  "Host: a\r\n"
#define GET   "GET /ten.txt HTTP/1.1\r\n" HOST "\r\n"
#define LARGE "GET /large.bin HTTP/1.1\r\n" HOST "\r\n"

#define LARGE_LENGTH (4 * 1024 * 1024)

static struct plug plug;
static struct client client;
static int queued; /* octets that the kernel claims to hold unsent; below 0: it is asked */

int __real_ioctl(int descriptor, unsigned long request, ...);
int __wrap_ioctl(int descriptor, unsigned long request, ...);

int __wrap_ioctl(int descriptor, unsigned long request, ...)
{
    va_list arguments;
    int *value;

    va_start(arguments, request);
    value = va_arg(arguments, int *);
    va_end(arguments);
    assert_int_equal(request, SIOCOUTQ);
    if (queued < 0)
        return __real_ioctl(descriptor, request, value);
    *value = queued;
    return 0;
}

static int make_plug(void **state)
{
    (void)state;
    queued = -1;
    plug_init(&plug);
    site_add(&plug.site, "/ten.txt", "0123456789", SITE_HELD);
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

static bool is_in(enum sj_phase phase)
{
    return !TAILQ_EMPTY(&plug.shards[0]->deadlines.queues[phase]);
}

static void say(const char *text)
{
    tell(&client, text);
    plug_settle(&plug);
}

static void hear_all(void)
{
    size_t before;

    do {
        before = client.length;
        hear(&client);
        plug_settle(&plug);
    } while (client.length > before);
}

static void an_idle_connection_is_closed_without_a_word(void **state)
{
    (void)state;
    plug_pass(&plug, 64900);
    assert_false(hear(&client));
    plug_pass(&plug, 200);
    assert_true(hear(&client));
    assert_int_equal(client.length, 0);
    assert_int_equal(plug_open_connections(&plug), 0);
}

static void each_request_begins_the_idle_time_anew(void **state)
{
    (void)state;
    plug_pass(&plug, 60000);
    say(GET);
    plug_pass(&plug, 60000);
    assert_false(hear(&client));
    plug_pass(&plug, 6000);
    assert_true(hear(&client));
    assert_int_equal(count(&client, "HTTP/1.1"), 1);
}

static void a_lent_connection_has_no_time_limit(void **state)
{
    (void)state;
    tell(&client, GET);
    plug_poll(&plug, 0);
    plug_expire(&plug, 65100); /* nobody runs the task meanwhile */
    assert_int_equal(plug_open_connections(&plug), 1);
    assert_true(plug_steal_one(&plug, 1, 0));
    hear(&client);
    assert_int_equal(count(&client, "HTTP/1.1 200"), 1);
}

static void a_head_that_stops_is_408(void **state)
{
    (void)state;
    say("GET / HTTP/1.1\r\n");
    plug_pass(&plug, 9000);
    say("X: y\r\n"); /* does not begin the time anew */
    assert_int_equal(client.length, 0);
    plug_pass(&plug, 1100);
    assert_true(hear(&client));
    assert_int_equal(count(&client, "HTTP/1.1 408 Request Timeout\r\n"), 1);
    assert_int_equal(count(&client, "Connection: close\r\n"), 1);
}

static void a_body_that_stops_is_408(void **state)
{
    (void)state;
    say("POST /ten.txt HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\nabc");
    plug_pass(&plug, 9000);
    say("d");
    plug_pass(&plug, 1100);
    assert_true(hear(&client));
    assert_int_equal(count(&client, "HTTP/1.1 408"), 1);
    assert_int_equal(count(&client, "HTTP/1.1"), 1);
}

static void who_does_not_hang_up_is_left_after_two_seconds(void **state)
{
    (void)state;
    say("bad\r\n\r\n");
    assert_true(hear(&client));
    plug_pass(&plug, 1900);
    assert_int_equal(plug_open_connections(&plug), 1);
    plug_pass(&plug, 200);
    assert_int_equal(plug_open_connections(&plug), 0);
}

static void who_takes_nothing_is_cut_off(void **state)
{
    (void)state;
    say(LARGE);
    assert_true(is_in(SJ_PHASE_SENDING));
    plug_pass(&plug, 30100);
    plug_pass(&plug, 30100); /* the first look may count what went before */
    assert_int_equal(plug_open_connections(&plug), 0);
}

static void who_takes_enough_is_waited_for(void **state)
{
    (void)state;
    say(LARGE);
    for (unsigned i = 0; i < 8; i++) {
        hear_some(&client, 400000); /* 500 octets a second are 15000 */
        plug_settle(&plug);
        plug_pass(&plug, 30100);
        assert_int_equal(plug_open_connections(&plug), 1);
    }
    hear_all();
    assert_int_equal(count(&client, "HTTP/1.1 200"), 1);
    assert_true(client.length > LARGE_LENGTH);
}

/* The kernel's queue can hold octets of the response before; they are not this one's. */
static void what_is_left_of_the_response_before_does_not_count(void **state)
{
    (void)state;
    say(LARGE);
    queued = LARGE_LENGTH;
    plug_pass(&plug, 30100);
    assert_int_equal(plug_open_connections(&plug), 0); /* nothing of this one was taken */
}

static void draining_ends_idle_connections(void **state)
{
    (void)state;
    say(GET);
    plug_drain(&plug);
    assert_true(hear(&client));
    assert_int_equal(count(&client, "HTTP/1.1 200"), 1);
    assert_int_equal(plug_open_connections(&plug), 0);
}

static void draining_ends_connections_with_empty_lines_alone(void **state)
{
    (void)state;
    say("\r\n");
    plug_drain(&plug);
    assert_int_equal(plug_open_connections(&plug), 0);
}

static void a_request_behind_empty_lines_is_answered_before(void **state)
{
    (void)state;
    say("\r\n");
    tell(&client, GET);
    plug_drain(&plug);
    plug_settle(&plug);
    assert_true(hear(&client));
    assert_int_equal(count(&client, "HTTP/1.1 200"), 1);
}

static void a_request_that_has_come_already_is_answered_before(void **state)
{
    (void)state;
    tell(&client, GET);
    plug_drain(&plug);
    plug_settle(&plug);
    assert_true(hear(&client));
    assert_int_equal(count(&client, "HTTP/1.1 200"), 1);
    assert_int_equal(count(&client, "Connection: close\r\n"), 1);
}

static void a_response_that_is_made_while_draining_says_so(void **state)
{
    (void)state;
    tell(&client, GET);
    plug_poll(&plug, 0);
    plug_drain(&plug);
    assert_true(plug_steal_one(&plug, 1, 0));
    plug_settle(&plug);
    assert_true(hear(&client));
    assert_int_equal(count(&client, "HTTP/1.1 200"), 1);
    assert_int_equal(count(&client, "Connection: close\r\n"), 1);
}

static void a_response_that_is_being_sent_ends_before_its_connection_does(void **state)
{
    (void)state;
    say(LARGE);
    plug_drain(&plug);
    assert_true(is_in(SJ_PHASE_SENDING));
    hear_all();
    assert_true(client.length > LARGE_LENGTH);
    assert_true(hear(&client));
}

/* The response said nothing of closing, so the next request is in its right: in the kernel, unread,
 * when the last octets go. */
static void a_request_that_comes_with_the_last_octets_is_answered(void **state)
{
    bool is_told = false;

    (void)state;
    say(LARGE);
    plug_drain(&plug);
    for (unsigned i = 0; i < 1000 && plug_open_connections(&plug) > 0; i++) {
        hear(&client);
        if (!is_told && client.length > LARGE_LENGTH - 100000) {
            tell(&client, GET);
            is_told = true;
        }
        plug_poll(&plug, 0);
        while (plug_run_one(&plug, 0))
            ;
    }
    hear(&client);
    assert_true(is_told);
    assert_int_equal(count(&client, "Connection: close\r\n"), 1);
}

static void a_request_that_has_begun_is_answered_while_draining(void **state)
{
    (void)state;
    say("GET /ten.txt HTTP/1.1\r\n");
    plug_drain(&plug);
    say(HOST "\r\n");
    assert_true(hear(&client));
    assert_int_equal(count(&client, "HTTP/1.1 200"), 1);
    assert_int_equal(count(&client, "Connection: close\r\n"), 1);
}

static void one_request_after_another_ends_when_draining_begins(void **state)
{
    (void)state;
    tell(&client, GET GET);
    plug_poll(&plug, 0);
    assert_true(plug_steal_one(&plug, 1, 0));
    plug_drain(&plug);
    plug_settle(&plug);
    assert_true(hear(&client));
    assert_int_equal(count(&client, "HTTP/1.1 200"), 2);
    assert_int_equal(count(&client, "Connection: close\r\n"), 1);
}

static void the_last_connection_of_a_draining_server_says_so(void **state)
{
    eventfd_t value = 0;

    (void)state;
    say("GET / ");
    plug_drain(&plug);
    assert_int_equal(eventfd_read(plug.service.drained, &value), -1);
    shutdown(client.socket, SHUT_WR);
    plug_settle(&plug);
    assert_int_equal(eventfd_read(plug.service.drained, &value), 0);
    assert_int_equal(value, 1);
}

static void a_connection_that_comes_while_draining_has_the_time_of_a_head(void **state)
{
    struct client late;

    (void)state;
    plug_drain(&plug);
    client_init(&late, plug_connect(&plug, 1));
    tell(&late, GET);
    plug_settle(&plug);
    assert_true(hear(&late));
    assert_int_equal(count(&late, "HTTP/1.1 200"), 1);
    client_fini(&late);
    client_init(&late, plug_connect(&plug, 1));
    plug_pass(&plug, 10100);
    assert_true(hear(&late));
    client_fini(&late);
}

static void dropping_ends_all_at_once(void **state)
{
    struct client others[3];

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        client_init(&others[i], plug_connect(&plug, i % 2));
    tell(&others[0], LARGE);
    tell(&others[1], "GET /");
    tell(&others[2], "bad\r\n\r\n");
    plug_settle(&plug);
    plug_drop(&plug);
    assert_int_equal(plug_open_connections(&plug), 0);
    for (unsigned i = 0; i < 3; i++)
        client_fini(&others[i]);
}

static void dropping_waits_for_what_is_lent(void **state)
{
    (void)state;
    tell(&client, LARGE);
    plug_poll(&plug, 0);
    plug_drop(&plug);
    assert_int_equal(plug_open_connections(&plug), 1);
    assert_true(plug_steal_one(&plug, 1, 0));
    assert_int_equal(plug_open_connections(&plug), 1);
    assert_true(plug_deliver(&plug, 0));
    assert_int_equal(plug_open_connections(&plug), 0);
}

static void a_connection_that_comes_while_dropping_is_closed(void **state)
{
    struct client late;

    (void)state;
    plug_drop(&plug);
    client_init(&late, plug_connect(&plug, 1));
    assert_true(hear(&late));
    assert_int_equal(plug_open_connections(&plug), 0);
    client_fini(&late);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_plug, remove_plug)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_idle_connection_is_closed_without_a_word),
        TEST(each_request_begins_the_idle_time_anew),
        TEST(a_lent_connection_has_no_time_limit),
        TEST(a_head_that_stops_is_408),
        TEST(a_body_that_stops_is_408),
        TEST(who_does_not_hang_up_is_left_after_two_seconds),
        TEST(who_takes_nothing_is_cut_off),
        TEST(who_takes_enough_is_waited_for),
        TEST(what_is_left_of_the_response_before_does_not_count),
        TEST(draining_ends_idle_connections),
        TEST(draining_ends_connections_with_empty_lines_alone),
        TEST(a_request_behind_empty_lines_is_answered_before),
        TEST(a_request_that_has_come_already_is_answered_before),
        TEST(a_response_that_is_made_while_draining_says_so),
        TEST(a_response_that_is_being_sent_ends_before_its_connection_does),
        TEST(a_request_that_comes_with_the_last_octets_is_answered),
        TEST(a_request_that_has_begun_is_answered_while_draining),
        TEST(one_request_after_another_ends_when_draining_begins),
        TEST(the_last_connection_of_a_draining_server_says_so),
        TEST(a_connection_that_comes_while_draining_has_the_time_of_a_head),
        TEST(dropping_ends_all_at_once),
        TEST(dropping_waits_for_what_is_lent),
        TEST(a_connection_that_comes_while_dropping_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
