/* SPDX-License-Identifier: MIT */
/* Accepting (http/accept.c), over the loopback interface.
 * Linked with: -Wl,--wrap=sj_clock_ns -Wl,--wrap=accept4 -Wl,--wrap=calloc */
#include "http/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "tests/http/client.h"
#include "tests/http/plug.h"

static int accept_error; /* of the next call, once */
static unsigned n_accepts;
static bool calloc_fails;

int __real_accept4(int socket, struct sockaddr *address, socklen_t *length, int flags);
int __wrap_accept4(int socket, struct sockaddr *address, socklen_t *length, int flags);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

int __wrap_accept4(int socket, struct sockaddr *address, socklen_t *length, int flags)
{
    n_accepts++;
    if (accept_error == 0)
        return __real_accept4(socket, address, length, flags);
    errno = accept_error;
    accept_error = 0;
    return -1;
}

void *__wrap_calloc(size_t n, size_t size)
{
    return calloc_fails ? NULL : __real_calloc(n, size);
}

static struct plug plug;
static struct sj_listeners listeners;
static struct client clients[64];
static unsigned n_clients;

static int make_plug(void **state)
{
    const char *specs[] = {"127.0.0.1:0"};
    struct sj_option_list list = {specs, 1};
    char error[256];

    (void)state;
    accept_error = 0;
    calloc_fails = false;
    n_clients = n_accepts = 0;
    plug_init(&plug);
    site_add(&plug.site, "/ten.txt", "0123456789", SITE_HELD);
    plug_start(&plug);
    if (sj_listeners_open(&listeners, &(struct sj_listen_config){&list, 100, 1, NULL}, error,
                          sizeof(error)) != 0)
        return -1;
    return sj_accept_start(plug.shards[0], &listeners);
}

static int remove_plug(void **state)
{
    (void)state;
    sj_accept_stop(plug.shards[0]);
    sj_listeners_close(&listeners);
    for (unsigned i = 0; i < n_clients; i++)
        client_fini(&clients[i]);
    plug_fini(&plug);
    return 0;
}

/* One more in the listener's queue. */
static struct client *join(void)
{
    struct sockaddr_in address;
    socklen_t length = sizeof(address);
    struct client *client = &clients[n_clients++];

    getsockname(listeners.items[0].socket, (struct sockaddr *)&address, &length);
    client_init(client, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    assert_int_equal(connect(client->socket, (struct sockaddr *)&address, length), 0);
    fcntl(client->socket, F_SETFL, O_NONBLOCK);
    tell(client, "\r\n"); /* a silent one would stay with the kernel for a second */
    return client;
}

static void what_is_accepted_is_served(void **state)
{
    struct client *client = join();

    (void)state;
    tell(client, "GET /ten.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    plug_settle(&plug);
    assert_true(hear(client));
    assert_int_equal(count(client, "HTTP/1.1 200"), 1);
    assert_int_equal(plug.shards[0]->n_accepted, 1);
    assert_int_equal(plug.shards[0]->n_most, 1);
}

/* Clients that come one by one. */
static void accept_each(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        join();
        plug_settle(&plug);
    }
}

static void few_connections_are_spread_evenly(void **state)
{
    (void)state;
    accept_each(20);
    assert_int_equal(plug.shards[0]->n_assigned + plug.shards[1]->n_assigned, 20);
    assert_in_range(plug.shards[1]->n_assigned, 8, 10); /* the busiest: 1.2 times the mean */
    assert_int_equal(plug_open_connections(&plug), 20);
}

static void a_loop_with_as_many_as_others_keeps_its_own(void **state)
{
    (void)state;
    plug.shards[1]->n_assigned = 10;
    accept_each(10);
    assert_int_equal(plug.shards[0]->n_assigned, 10);
    plug.shards[1]->n_assigned = 0;
}

static void many_connections_need_a_larger_difference(void **state)
{
    (void)state;
    plug.shards[1]->n_assigned = 160;
    plug.shards[0]->n_assigned = 183; /* 160 + 4 + 160 / 8 = 184 */
    join();
    plug_settle(&plug);
    assert_int_equal(plug.shards[0]->n_assigned, 184);
    join();
    join();
    plug_settle(&plug);
    assert_int_equal(plug.shards[0]->n_assigned, 185);
    assert_int_equal(plug.shards[1]->n_assigned, 161);
    plug.shards[0]->n_assigned -= 183;
    plug.shards[1]->n_assigned -= 160;
}

static void one_turn_accepts_one(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        join();
    for (unsigned i = 1; i <= 3; i++) {
        plug_poll(&plug, 0);
        assert_int_equal(plug_open_connections(&plug), i);
    }
}

static void at_the_limit_of_connections_others_wait(void **state)
{
    struct client *waiting;

    (void)state;
    plug.service.max_connections = 2;
    join();
    join();
    waiting = join();
    plug_settle(&plug);
    assert_int_equal(plug_open_connections(&plug), 2);
    n_accepts = 0;
    plug_settle(&plug);
    assert_int_equal(n_accepts, 0); /* nor does it spin */
    assert_false(hear(waiting));
    shutdown(clients[0].socket, SHUT_WR);
    plug_settle(&plug);
    event_active(&plug.shards[0]->accept_again, EV_TIMEOUT, 0);
    plug_settle(&plug);
    assert_int_equal(plug_open_connections(&plug), 2);
    assert_int_equal(plug.shards[0]->n_accepted + plug.shards[1]->n_accepted, 3);
}

static void without_descriptors_it_pauses_and_tries_again(void **state)
{
    static const int errors[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        accept_error = errors[i];
        join();
        plug_settle(&plug);
        assert_int_equal(plug_open_connections(&plug), i);
        event_active(&plug.shards[0]->accept_again, EV_TIMEOUT, 0);
        plug_settle(&plug);
        assert_int_equal(plug_open_connections(&plug), i + 1);
    }
}

static void a_client_that_has_gone_already_is_passed_over(void **state)
{
    (void)state;
    accept_error = ECONNABORTED;
    join();
    plug_settle(&plug);
    assert_int_equal(plug_open_connections(&plug), 1);
}

static void an_address_has_its_share(void **state)
{
    (void)state;
    plug.service.addresses = sj_addresses_new(2);
    for (unsigned i = 0; i < 3; i++)
        join();
    plug_settle(&plug);
    assert_int_equal(plug_open_connections(&plug), 2);
    assert_true(hear(&clients[2]));
    shutdown(clients[0].socket, SHUT_WR);
    plug_settle(&plug);
    join();
    plug_settle(&plug);
    assert_int_equal(plug_open_connections(&plug), 2);
}

static void without_memory_a_connection_is_closed(void **state)
{
    struct client *client = join();

    (void)state;
    calloc_fails = true;
    plug_poll(&plug, 0);
    calloc_fails = false;
    assert_true(hear(client));
    assert_int_equal(plug_open_connections(&plug), 0);
    assert_int_equal(plug.shards[0]->n_assigned, 0);
}

static void without_memory_accepting_does_not_begin(void **state)
{
    (void)state;
    calloc_fails = true;
    assert_int_equal(sj_accept_start(plug.shards[1], &listeners), -ENOMEM);
    calloc_fails = false;
    sj_accept_stop(plug.shards[1]);
}

static void when_it_has_stopped_nothing_is_accepted(void **state)
{
    (void)state;
    sj_accept_stop(plug.shards[0]);
    join();
    plug_settle(&plug);
    assert_int_equal(n_accepts, 0);
    sj_accept_stop(plug.shards[0]); /* twice is once */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_plug, remove_plug)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_accepted_is_served),
        TEST(few_connections_are_spread_evenly),
        TEST(a_loop_with_as_many_as_others_keeps_its_own),
        TEST(many_connections_need_a_larger_difference),
        TEST(one_turn_accepts_one),
        TEST(at_the_limit_of_connections_others_wait),
        TEST(without_descriptors_it_pauses_and_tries_again),
        TEST(a_client_that_has_gone_already_is_passed_over),
        TEST(an_address_has_its_share),
        TEST(without_memory_a_connection_is_closed),
        TEST(without_memory_accepting_does_not_begin),
        TEST(when_it_has_stopped_nothing_is_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
