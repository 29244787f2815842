/* SPDX-License-Identifier: MIT */
/* Linked with: -Wl,--wrap=calloc */
#include "http/addresses.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <cmocka.h>

static bool calloc_fails;

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

void *__wrap_calloc(size_t n, size_t size)
{
    return calloc_fails ? NULL : __real_calloc(n, size);
}

static struct sj_addresses *addresses;

static int begin(void **state)
{
    (void)state;
    calloc_fails = false;
    addresses = sj_addresses_new(2);
    return addresses == NULL;
}

static int end(void **state)
{
    (void)state;
    sj_addresses_free(addresses);
    return 0;
}

union peer {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static union peer peer_of(const char *text)
{
    union peer peer = {.v4.sin_family = AF_INET};

    if (inet_pton(AF_INET, text, &peer.v4.sin_addr) == 1)
        return peer;
    peer = (union peer){.v6.sin6_family = AF_INET6};
    assert_int_equal(inet_pton(AF_INET6, text, &peer.v6.sin6_addr), 1);
    return peer;
}

static bool enter(const char *text)
{
    union peer peer = peer_of(text);
    return sj_addresses_enter(addresses, &peer.any);
}

static void leave(const char *text)
{
    union peer peer = peer_of(text);
    sj_addresses_leave(addresses, &peer.any);
}

static void each_address_has_its_own_share(void **state)
{
    (void)state;
    assert_true(enter("192.0.2.1"));
    assert_true(enter("192.0.2.1"));
    assert_false(enter("192.0.2.1"));
    assert_true(enter("192.0.2.2"));
}

static void who_leaves_makes_room(void **state)
{
    (void)state;
    enter("192.0.2.1");
    enter("192.0.2.1");
    leave("192.0.2.1");
    assert_true(enter("192.0.2.1"));
    assert_false(enter("192.0.2.1"));
}

static void ipv6_counts_by_its_network(void **state)
{
    (void)state;
    assert_true(enter("2001:db8:0:1::1"));
    assert_true(enter("2001:db8:0:1:ffff::2"));
    assert_false(enter("2001:db8:0:1::3"));
    assert_true(enter("2001:db8:0:2::1"));
}

static void a_mapped_address_is_that_of_ipv4(void **state)
{
    (void)state;
    assert_true(enter("192.0.2.1"));
    assert_true(enter("::ffff:192.0.2.1"));
    assert_false(enter("192.0.2.1"));
    assert_true(enter("::ffff:192.0.2.2"));
}

static void local_sockets_are_not_counted(void **state)
{
    struct sockaddr local = {.sa_family = AF_UNIX};

    (void)state;
    for (unsigned i = 0; i < 5; i++)
        assert_true(sj_addresses_enter(addresses, &local));
    sj_addresses_leave(addresses, &local);
}

static void many_addresses_have_their_shares(void **state)
{
    char text[32];

    (void)state;
    for (unsigned round = 0; round < 3; round++)
        for (unsigned i = 0; i < 20000; i++) {
            snprintf(text, sizeof(text), "10.1.%u.%u", i / 256, i % 256);
            if (enter(text) != (round < 2))
                fail_msg("%s in round %u", text, round);
        }
    for (unsigned i = 0; i < 20000; i += 2) {
        snprintf(text, sizeof(text), "10.1.%u.%u", i / 256, i % 256);
        leave(text);
        assert_true(enter(text));
    }
}

static void without_memory_it_refuses(void **state)
{
    (void)state;
    calloc_fails = true;
    assert_null(sj_addresses_new(2));
    assert_false(enter("192.0.2.1"));
    calloc_fails = false;
    assert_true(enter("192.0.2.1"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_address_has_its_own_share), TEST(who_leaves_makes_room),
        TEST(ipv6_counts_by_its_network),     TEST(a_mapped_address_is_that_of_ipv4),
        TEST(local_sockets_are_not_counted),  TEST(many_addresses_have_their_shares),
        TEST(without_memory_it_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
