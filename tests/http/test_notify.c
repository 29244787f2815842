/* SPDX-License-Identifier: MIT */
/* Linked with: -Wl,--wrap=sj_clock_ns */
#include "http/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <cmocka.h>

static struct sockaddr_un address;
static int manager;
static char got[1024];

uint64_t __wrap_sj_clock_ns(void);
uint64_t __wrap_sj_clock_ns(void)
{
    return 1234567890;
}

static int bind_to(size_t length)
{
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    return bind(manager, (struct sockaddr *)&address,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
}

static int begin(void **state)
{
    (void)state;
    address = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/sj-notify-%d", (int)getpid());
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
    return bind_to(strlen(address.sun_path));
}

static int end(void **state)
{
    (void)state;
    close(manager);
    return unlink(address.sun_path);
}

static const char *receive(void)
{
    ssize_t length = recv(manager, got, sizeof(got) - 1, 0);

    got[length > 0 ? length : 0] = '\0';
    return got;
}

static void each_message_is_one_datagram(void **state)
{
    (void)state;
    sj_notify_ready("all is well");
    sj_notify_reloading();
    sj_notify_stopping();
    assert_string_equal(receive(), "READY=1\nSTATUS=all is well");
    assert_string_equal(receive(), "RELOADING=1\nMONOTONIC_USEC=1234567");
    assert_string_equal(receive(), "STOPPING=1");
    assert_string_equal(receive(), "");
}

static void a_long_status_is_cut(void **state)
{
    char status[900];

    (void)state;
    memset(status, 'x', sizeof(status) - 1);
    status[sizeof(status) - 1] = '\0';
    sj_notify_ready(status);
    assert_int_equal(strlen(receive()), strlen("READY=1\nSTATUS=") + 500);
}

static void without_an_address_nothing_is_sent(void **state)
{
    static const char *const paths[] = {"", "/", "relative", "x"};

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        setenv("NOTIFY_SOCKET", paths[i], 1);
        sj_notify_stopping();
    }
    unsetenv("NOTIFY_SOCKET");
    sj_notify_stopping();
    assert_string_equal(receive(), "");
}

static void nobody_at_the_address_is_no_error(void **state)
{
    char too_long[300] = "/";

    (void)state;
    setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1);
    sj_notify_stopping();
    memset(too_long + 1, 'x', sizeof(too_long) - 2);
    setenv("NOTIFY_SOCKET", too_long, 1);
    sj_notify_stopping();
    assert_string_equal(receive(), "");
}

static void a_manager_that_does_not_read_is_not_waited_for(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 10000; i++)
        sj_notify_stopping();
    assert_string_equal(receive(), "STOPPING=1");
}

static void an_abstract_address_begins_with_an_at(void **state)
{
    char name[64];

    (void)state;
    close(manager);
    snprintf(name, sizeof(name), "@sj-notify-%d", (int)getpid());
    setenv("NOTIFY_SOCKET", name, 1);
    unlink(address.sun_path);
    memcpy(address.sun_path, name, sizeof(name));
    address.sun_path[0] = '\0';
    assert_int_equal(bind_to(strlen(name)), 0);
    sj_notify_stopping();
    assert_string_equal(receive(), "STOPPING=1");
    close(manager);
    begin(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_message_is_one_datagram),
        TEST(a_long_status_is_cut),
        TEST(without_an_address_nothing_is_sent),
        TEST(nobody_at_the_address_is_no_error),
        TEST(a_manager_that_does_not_read_is_not_waited_for),
        TEST(an_abstract_address_begins_with_an_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
