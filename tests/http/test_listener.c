/* SPDX-License-Identifier: MIT */
/* Linked with: -Wl,--wrap=realloc -Wl,--wrap=listen -Wl,--wrap=socket */
#include "http/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <cmocka.h>

static bool realloc_fails;
static int listen_error, family_refused;

void *__real_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size);
int __real_listen(int socket, int backlog);
int __wrap_listen(int socket, int backlog);
int __real_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol);

void *__wrap_realloc(void *block, size_t size)
{
    return realloc_fails ? NULL : __real_realloc(block, size);
}

int __wrap_listen(int socket, int backlog)
{
    errno = listen_error;
    return listen_error != 0 ? -1 : __real_listen(socket, backlog);
}

int __wrap_socket(int family, int type, int protocol)
{
    errno = EAFNOSUPPORT;
    return family == family_refused ? -1 : __real_socket(family, type, protocol);
}

static struct sj_listeners listeners;
static char error[256];
static char folder[32], path[64];

static int begin(void **state)
{
    (void)state;
    realloc_fails = false;
    listen_error = 0;
    family_refused = -1;
    error[0] = '\0';
    strcpy(folder, "/tmp/sj-listen-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/socket", folder);
    return 0;
}

static int end(void **state)
{
    (void)state;
    realloc_fails = false;
    sj_listeners_close(&listeners);
    unlink(path);
    return rmdir(folder);
}

static int open_at(const char *spec)
{
    const char *items[] = {spec};
    struct sj_option_list specs = {items, 1};

    return sj_listeners_open(&listeners, &(struct sj_listen_config){&specs, 5, 1, NULL}, error,
                             sizeof(error));
}

static void assert_refused(const char *spec, int result)
{
    if (open_at(spec) != result)
        fail_msg("%s: not %s", spec, strerror(-result));
    assert_non_null(strstr(error, spec));
    assert_non_null(strstr(error, strerror(-result)));
    assert_int_equal(listeners.n_items, 0);
}

static uint16_t port_of(int socket)
{
    struct sockaddr_in6 address = {0};
    socklen_t length = sizeof(address);

    assert_int_equal(getsockname(socket, (struct sockaddr *)&address, &length), 0);
    return ntohs(address.sin6_port); /* where that of an IPv4 address is, too */
}

/* Something can connect to it. */
static void assert_connects(const struct sj_listener *listener)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof(address);
    int client;

    assert_int_equal(getsockname(listener->socket, (struct sockaddr *)&address, &length), 0);
    client = __real_socket(address.ss_family, SOCK_STREAM, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, length), 0);
    close(client);
}

static void host_and_port_listen(void **state)
{
    char name[64];
    int on = 0;
    socklen_t length = sizeof(on);

    (void)state;
    assert_int_equal(open_at("127.0.0.1:0"), 0);
    assert_int_equal(listeners.n_items, 1);
    snprintf(name, sizeof(name), "http://127.0.0.1:%u", port_of(listeners.items[0].socket));
    assert_string_equal(listeners.items[0].address, name);
    assert_null(listeners.items[0].unix_path);
    assert_connects(&listeners.items[0]);
    assert_int_equal(getsockopt(listeners.items[0].socket, IPPROTO_TCP, TCP_NODELAY, &on, &length),
                     0);
    assert_int_equal(on, 1);
    assert_true(fcntl(listeners.items[0].socket, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(listeners.items[0].socket, F_GETFL) & O_NONBLOCK);
}

static void an_ipv6_address_is_in_brackets(void **state)
{
    char name[64];

    (void)state;
    if (open_at("[::1]:0") == -EADDRNOTAVAIL)
        skip(); /* no IPv6 here */
    snprintf(name, sizeof(name), "http://[::1]:%u", port_of(listeners.items[0].socket));
    assert_string_equal(listeners.items[0].address, name);
    assert_connects(&listeners.items[0]);
}

static void an_asterisk_is_every_address(void **state)
{
    (void)state;
    assert_int_equal(open_at("*:0"), 0);
    assert_true(listeners.n_items >= 1);
    assert_true(strncmp(listeners.items[0].address, "http://0.0.0.0:", 15) == 0 ||
                strncmp(listeners.items[0].address, "http://[::]:", 12) == 0);
}

static void without_ipv6_every_address_is_those_of_ipv4(void **state)
{
    (void)state;
    family_refused = AF_INET6;
    assert_int_equal(open_at("*:0"), 0);
    assert_int_equal(listeners.n_items, 1);
}

static void a_port_that_is_taken_is_refused_with_a_remedy(void **state)
{
    struct sj_listeners first;
    char spec[64];

    (void)state;
    assert_int_equal(open_at("127.0.0.1:0"), 0);
    first = listeners;
    snprintf(spec, sizeof(spec), "127.0.0.1:%u", port_of(first.items[0].socket));
    assert_refused(spec, -EADDRINUSE);
    assert_non_null(strstr(error, "choose another port"));
    sj_listeners_close(&first);
}

static void what_is_no_address_is_refused(void **state)
{
    static const char *const specs[] = {"8080",  "127.0.0.1", "127.0.0.1:", "::1:8080", "",
                                        "fd://", "fd://x",    "fd://-1",    "fd://3x",  "unix:"};

    (void)state;
    for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
        assert_refused(specs[i], -EINVAL);
        assert_non_null(strstr(error, "HOST:PORT"));
    }
}

static void a_port_is_a_number_of_16_bits(void **state)
{
    static const char *const specs[] = {"127.0.0.1:65536", "127.0.0.1:99999", "127.0.0.1:-1",
                                        "127.0.0.1:80x", "127.0.0.1:http"};

    (void)state;
    for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
        if (open_at(specs[i]) == 0)
            fail_msg("%s: listens at %s", specs[i], listeners.items[0].address);
        assert_int_equal(listeners.n_items, 0);
    }
}

static void a_host_that_is_not_here_is_refused(void **state)
{
    (void)state;
    assert_refused("192.0.2.1:0", -EADDRNOTAVAIL);
}

static void a_local_socket_listens_and_is_removed_at_the_end(void **state)
{
    char spec[80];

    (void)state;
    snprintf(spec, sizeof(spec), "unix:%s", path);
    assert_int_equal(open_at(spec), 0);
    assert_string_equal(listeners.items[0].address, spec);
    assert_connects(&listeners.items[0]);
    sj_listeners_close(&listeners);
    assert_int_equal(access(path, F_OK), -1);
}

static void a_stale_local_socket_is_replaced(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int stale = __real_socket(AF_UNIX, SOCK_STREAM, 0);
    char spec[80];

    (void)state;
    strcpy(address.sun_path, path);
    assert_int_equal(bind(stale, (struct sockaddr *)&address, sizeof(address)), 0);
    close(stale); /* its file stays */
    snprintf(spec, sizeof(spec), "unix:%s", path);
    assert_int_equal(open_at(spec), 0);
    assert_connects(&listeners.items[0]);
}

static void a_local_socket_in_use_is_left_alone(void **state)
{
    struct sj_listeners first;
    char spec[80];

    (void)state;
    snprintf(spec, sizeof(spec), "unix:%s", path);
    assert_int_equal(open_at(spec), 0);
    first = listeners;
    assert_refused(spec, -EADDRINUSE);
    assert_connects(&first.items[0]);
    sj_listeners_close(&first);
}

static void a_file_at_the_path_is_left_alone(void **state)
{
    char spec[80];
    int file = open(path, O_CREAT | O_WRONLY, 0600);

    (void)state;
    assert_int_equal(write(file, "mine", 4), 4);
    close(file);
    snprintf(spec, sizeof(spec), "unix:%s", path);
    assert_refused(spec, -EADDRINUSE);
    assert_int_equal(access(path, F_OK), 0);
}

static void a_long_path_is_refused(void **state)
{
    char spec[200] = "unix:/tmp/";

    (void)state;
    memset(spec + 10, 'x', sizeof(spec) - 11);
    assert_int_equal(open_at(spec), -ENAMETOOLONG);
}

static void a_listening_descriptor_is_adopted(void **state)
{
    struct sj_listeners first;
    char spec[80];
    int copy;

    (void)state;
    assert_int_equal(open_at("127.0.0.1:0"), 0);
    first = listeners;
    copy = dup(first.items[0].socket);
    snprintf(spec, sizeof(spec), "fd://%d", copy);
    assert_int_equal(open_at(spec), 0);
    assert_int_equal(listeners.items[0].socket, copy);
    assert_string_equal(listeners.items[0].address, first.items[0].address);
    assert_true(fcntl(copy, F_GETFD) & FD_CLOEXEC);
    sj_listeners_close(&first);
}

static void a_descriptor_that_does_not_listen_is_refused(void **state)
{
    char spec[32];
    int pair[2], file = open("/dev/null", O_RDONLY);

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    snprintf(spec, sizeof(spec), "fd://%d", pair[0]);
    assert_refused(spec, -EINVAL);
    snprintf(spec, sizeof(spec), "fd://%d", file);
    assert_refused(spec, -ENOTSOCK);
    close(file);
    assert_refused(spec, -EBADF);
    close(pair[0]);
    close(pair[1]);
}

static void one_that_fails_closes_all(void **state)
{
    const char *items[] = {"127.0.0.1:0", "127.0.0.1:0", "nonsense"};
    struct sj_option_list specs = {items, 3};
    int next = dup(0);

    (void)state;
    close(next);
    assert_int_equal(sj_listeners_open(&listeners, &(struct sj_listen_config){&specs, 5, 1, NULL},
                                       error, sizeof(error)),
                     -EINVAL);
    assert_int_equal(dup(0), next); /* no descriptor is left open */
    close(next);
}

static void without_memory_nothing_is_left_open(void **state)
{
    int next = dup(0);

    (void)state;
    close(next);
    realloc_fails = true;
    assert_refused("127.0.0.1:0", -ENOMEM);
    realloc_fails = false;
    listen_error = EADDRINUSE;
    assert_refused("127.0.0.1:0", -EADDRINUSE);
    assert_int_equal(dup(0), next);
    close(next);
}

static int open_passed(const char *pid, const char *count)
{
    struct sj_option_list none = {NULL, 0};

    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", count, 1);
    setenv("LISTEN_FDNAMES", "a:b", 1);
    return sj_listeners_open(&listeners, &(struct sj_listen_config){&none, 5, 1, NULL}, error,
                             sizeof(error));
}

static void sockets_from_systemd_are_adopted(void **state)
{
    int saved = dup(3), passed = __real_socket(AF_INET, SOCK_STREAM, 0);
    char pid[16];

    (void)state;
    assert_int_equal(__real_listen(passed, 5), 0);
    if (passed != 3)
        assert_int_equal(dup2(passed, 3), 3);
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    assert_int_equal(open_passed(pid, "1"), 0);
    assert_int_equal(listeners.n_items, 1);
    assert_int_equal(listeners.items[0].socket, 3);
    assert_null(getenv("LISTEN_PID"));
    assert_null(getenv("LISTEN_FDS"));
    assert_null(getenv("LISTEN_FDNAMES"));
    sj_listeners_close(&listeners);
    if (saved >= 0)
        dup2(saved, 3);
    close(saved);
    if (passed != 3)
        close(passed);
}

static void sockets_for_another_process_are_not(void **state)
{
    int result = open_passed("1", "1");

    (void)state;
    if (result != 0) { /* the default port can be in use */
        assert_int_equal(result, -EADDRINUSE);
        assert_non_null(strstr(error, "127.0.0.1:8080"));
    } else {
        assert_string_equal(listeners.items[0].address, "http://127.0.0.1:8080");
    }
}

static void expect_congestion_control(const char *expected)
{
    char name[16] = "";
    socklen_t length = sizeof(name);

    assert_int_equal(
        getsockopt(listeners.items[0].socket, IPPROTO_TCP, TCP_CONGESTION, name, &length), 0);
    assert_string_equal(name, expected);
}

static void on_the_loopback_nothing_is_paced(void **state)
{
    (void)state;
    assert_int_equal(open_at("127.0.0.2:0"), 0);
    expect_congestion_control("reno");
    sj_listeners_close(&listeners);
    assert_int_equal(open_at("[::1]:0"), 0);
    expect_congestion_control("reno");
}

static void elsewhere_the_machine_decides(void **state)
{
    char name[16] = "";
    socklen_t length = sizeof(name);
    int other = socket(AF_INET, SOCK_STREAM, 0);

    (void)state;
    assert_int_equal(getsockopt(other, IPPROTO_TCP, TCP_CONGESTION, name, &length), 0);
    close(other);
    assert_int_equal(open_at("0.0.0.0:0"), 0);
    expect_congestion_control(name);
}

static void a_connection_is_handed_over_with_its_first_octets(void **state)
{
    int seconds = 0;
    socklen_t length = sizeof(seconds);

    (void)state;
    assert_int_equal(open_at("127.0.0.1:0"), 0);
    assert_int_equal(
        getsockopt(listeners.items[0].socket, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, &length), 0);
    assert_int_equal(seconds, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(host_and_port_listen),
        TEST(an_ipv6_address_is_in_brackets),
        TEST(an_asterisk_is_every_address),
        TEST(without_ipv6_every_address_is_those_of_ipv4),
        TEST(a_port_that_is_taken_is_refused_with_a_remedy),
        TEST(what_is_no_address_is_refused),
        TEST(a_port_is_a_number_of_16_bits),
        TEST(a_host_that_is_not_here_is_refused),
        TEST(a_local_socket_listens_and_is_removed_at_the_end),
        TEST(a_stale_local_socket_is_replaced),
        TEST(a_local_socket_in_use_is_left_alone),
        TEST(a_file_at_the_path_is_left_alone),
        TEST(a_long_path_is_refused),
        TEST(a_listening_descriptor_is_adopted),
        TEST(a_descriptor_that_does_not_listen_is_refused),
        TEST(one_that_fails_closes_all),
        TEST(without_memory_nothing_is_left_open),
        TEST(sockets_from_systemd_are_adopted),
        TEST(sockets_for_another_process_are_not),
        TEST(on_the_loopback_nothing_is_paced),
        TEST(elsewhere_the_machine_decides),
        TEST(a_connection_is_handed_over_with_its_first_octets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
