/* SPDX-License-Identifier: MIT */
/* Linked with: -Wl,--wrap=sj_clock_ns -Wl,--wrap=open -Wl,--wrap=mkostemp -Wl,--wrap=pwrite */
#include "http/body.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/http/calling.h"
#include "tests/http/client.h"

#define HOST "Host: a\r\n"
#define MANY 40 /* clients at the same time */

static struct plug plug;
static struct calling calling;
static struct client client;
static char pattern[SJ_BODY_IN_MEMORY + 2];
static int open_error, mkostemp_error, write_error;
static unsigned n_opened, n_named, n_run;
static uint64_t seen; /* length of the last body */
static bool was_in_file;
static size_t write_most; /* octets at a time */

int __real_open(const char *path, int flags, mode_t mode);
int __wrap_open(const char *path, int flags, mode_t mode);
int __real_mkostemp(char *path, int flags);
int __wrap_mkostemp(char *path, int flags);
ssize_t __real_pwrite(int file, const void *from, size_t length, off_t first);
ssize_t __wrap_pwrite(int file, const void *from, size_t length, off_t first);

int __wrap_open(const char *path, int flags, mode_t mode)
{
    if ((flags & O_TMPFILE) == O_TMPFILE) {
        n_opened++;
        errno = open_error;
        if (open_error != 0)
            return -1;
    }
    return __real_open(path, flags, mode);
}

int __wrap_mkostemp(char *path, int flags)
{
    n_named++;
    errno = mkostemp_error;
    return mkostemp_error != 0 ? -1 : __real_mkostemp(path, flags);
}

ssize_t __wrap_pwrite(int file, const void *from, size_t length, off_t first)
{
    static unsigned n_calls;

    errno = write_error;
    if (write_error == EINTR && n_calls++ % 2 == 0)
        return -1;
    if (write_error == ENOSPC)
        return -1;
    return __real_pwrite(file, from, length < write_most ? length : write_most, first);
}

/* Says whether it is the pattern. */
static int check(struct sj_call *call)
{
    uint64_t length = sj_call_body_length(call), first = 0;
    const char *memory = sj_call_body_memory(call);
    char octets[5000];
    ssize_t got;

    n_run++;
    seen = length;
    was_in_file = sj_call_body_file(call) >= 0;
    if (was_in_file != (memory == NULL) || (memory != NULL && memory[length] != '\0'))
        return 500;
    while ((got = sj_call_body_read(call, first, octets, sizeof(octets))) > 0) {
        if (memcmp(octets, pattern + first, (size_t)got) != 0)
            return 500;
        first += (uint64_t)got;
    }
    return first == length ? sj_answer_text(call, "whole") : 500;
}

static const struct sj_handler handlers[] = {{"check", check, SJ_SYNC}, {0}};

static int setup(void **state)
{
    static const char *options[] = {"/a=m:check,class=quick,body=1M",
                                    "/small=m:check,class=quick,body=10"};
    const struct sj_option_list list = {options, 2};

    (void)state;
    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = (char)('a' + i % 23);
    open_error = mkostemp_error = write_error = 0;
    n_opened = n_named = n_run = 0;
    seen = 0;
    write_most = SIZE_MAX;
    calling_init(&calling, &plug, handlers, &list);
    client_init(&client, plug_connect(&plug, 0));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    client_fini(&client);
    calling_fini(&plug);
    return 0;
}

static void say_octets(struct client *to, const char *from, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(to->socket, from, length, MSG_NOSIGNAL);

        plug_settle(&plug);
        if (sent < 0 && errno != EAGAIN)
            return; /* it has been refused and closed */
        from += sent > 0 ? sent : 0;
        length -= sent > 0 ? (size_t)sent : 0;
    }
}

static void say(const char *text)
{
    say_octets(&client, text, strlen(text));
}

/* All but the last octets. */
static void post_but(struct client *by, const char *path, size_t length, size_t last)
{
    char head[128];

    snprintf(head, sizeof(head), "POST %s HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n", path,
             length);
    say_octets(by, head, strlen(head));
    say_octets(by, pattern, length - last);
    for (size_t i = 0; i < length / 16384; i++) /* a turn reads so much */
        plug_settle(&plug);
    hear(by);
}

static void post(struct client *by, const char *path, size_t length)
{
    post_but(by, path, length, 0);
}

static void a_body_may_come_in_pieces(void **state)
{
    (void)state;
    say("POST /a HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nab");
    say("c");
    assert_int_equal(n_run, 0);
    say("de");
    hear(&client);
    assert_int_equal(seen, 5);
    assert_int_equal(count(&client, "\r\n\r\nwhole"), 1);
}

static void no_body_is_an_empty_one(void **state)
{
    (void)state;
    say("GET /a HTTP/1.1\r\n" HOST "\r\n"
        "POST /a HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n"
        "POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    hear(&client);
    assert_int_equal(count(&client, "\r\n\r\nwhole"), 3);
    assert_int_equal(seen, 0);
    assert_false(was_in_file);
}

static void what_does_not_fit_into_memory_is_in_a_file(void **state)
{
    (void)state;
    post(&client, "/a", SJ_BODY_IN_MEMORY);
    assert_false(was_in_file);
    assert_int_equal(n_opened, 0);
    post(&client, "/a", SJ_BODY_IN_MEMORY + 1);
    assert_true(was_in_file);
    assert_int_equal(n_opened, 1);
    assert_int_equal(seen, SJ_BODY_IN_MEMORY + 1);
    assert_int_equal(count(&client, "\r\n\r\nwhole"), 2);
}

static void chunks_are_joined(void **state)
{
    char head[16];

    (void)state;
    say("POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    for (size_t first = 0, length = 1; first < sizeof(pattern); first += length, length *= 3) {
        if (length > sizeof(pattern) - first)
            length = sizeof(pattern) - first;
        snprintf(head, sizeof(head), "%zx\r\n", length);
        say(head);
        say_octets(&client, pattern + first, length);
        for (size_t i = 0; i < length / 16384; i++)
            plug_settle(&plug);
        say("\r\n");
    }
    say("0\r\n\r\n");
    hear(&client);
    assert_int_equal(seen, sizeof(pattern));
    assert_true(was_in_file);
    assert_int_equal(count(&client, "\r\n\r\nwhole"), 1);
}

static void the_next_request_follows_the_body(void **state)
{
    (void)state;
    say("POST /a HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabcGET /a HTTP/1.1\r\n" HOST "\r\n");
    hear(&client);
    assert_int_equal(count(&client, "\r\n\r\nwhole"), 2);
    assert_int_equal(seen, 0);
}

static void one_that_is_announced_too_long_is_not_read(void **state)
{
    (void)state;
    say("POST /small HTTP/1.1\r\n" HOST "Content-Length: 11\r\nExpect: 100-continue\r\n\r\n");
    hear(&client);
    assert_int_equal(count(&client, "HTTP/1.1 413"), 1);
    assert_int_equal(count(&client, "HTTP/1.1 100"), 0);
}

static void one_that_grows_too_long_is_refused(void **state)
{
    (void)state;
    say("POST /small HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
        "8\r\nabcdefgh\r\n");
    assert_false(hear(&client));
    say("3\r\n");
    assert_true(hear(&client));
    assert_int_equal(count(&client, "HTTP/1.1 413"), 1);
    assert_int_equal(n_run, 0);
}

static void a_file_system_without_nameless_files_will_do(void **state)
{
    (void)state;
    open_error = EOPNOTSUPP;
    post(&client, "/a", SJ_BODY_IN_MEMORY + 1);
    assert_int_equal(n_named, 1);
    assert_int_equal(count(&client, "\r\n\r\nwhole"), 1);
}

static void writes_may_be_interrupted_and_short(void **state)
{
    (void)state;
    write_error = EINTR;
    write_most = 1000;
    post(&client, "/a", SJ_BODY_IN_MEMORY + 2);
    assert_int_equal(count(&client, "\r\n\r\nwhole"), 1);
}

static void on_a_full_disk_it_is_500(void **state)
{
    (void)state;
    write_error = ENOSPC;
    post(&client, "/a", SJ_BODY_IN_MEMORY + 1);
    assert_int_equal(count(&client, "HTTP/1.1 500"), 1);
    assert_int_equal(n_run, 0);
}

/* Each of many is refused by itself, and nothing of it is left; small ones need no file. */
static void without_descriptors_long_ones_are_503(void **state)
{
    struct client many[MANY];

    (void)state;
    open_error = mkostemp_error = EMFILE;
    for (unsigned i = 0; i < MANY; i++) {
        client_init(&many[i], plug_connect(&plug, i % PLUG_LOOPS));
        post(&many[i], "/a", SJ_BODY_IN_MEMORY + 1);
    }
    assert_int_equal(n_run, 0);
    post(&client, "/a", SJ_BODY_IN_MEMORY);
    assert_int_equal(count(&client, "\r\n\r\nwhole"), 1);
    open_error = mkostemp_error = 0;
    post(&client, "/a", SJ_BODY_IN_MEMORY + 1);
    assert_int_equal(count(&client, "\r\n\r\nwhole"), 2);
    for (unsigned i = 0; i < MANY; i++) {
        hear(&many[i]);
        assert_int_equal(count(&many[i], "HTTP/1.1 503"), 1);
        client_fini(&many[i]);
    }
}

static void uploads_leave_descriptors_to_others(void **state)
{
    unsigned n_first = (unsigned)plug.service.max_body_files, n_whole = 0, n_refused = 0;
    struct client many[MANY];

    (void)state;
    assert_true(n_first < MANY);
    for (unsigned i = 0; i < MANY; i++) {
        client_init(&many[i], plug_connect(&plug, i % PLUG_LOOPS));
        post_but(&many[i], "/a", SJ_BODY_IN_MEMORY + 2, 1);
    }
    for (unsigned i = 0; i < MANY; i++) {
        say_octets(&many[i], pattern + SJ_BODY_IN_MEMORY + 1, 1);
        plug_settle(&plug);
        hear(&many[i]);
        n_whole += count(&many[i], "\r\n\r\nwhole");
        n_refused += count(&many[i], "HTTP/1.1 503");
        client_fini(&many[i]);
    }
    assert_int_equal(n_whole, n_first);
    assert_int_equal(n_refused, MANY - n_first);
    assert_int_equal(n_opened, n_first);
    post(&client, "/a", SJ_BODY_IN_MEMORY + 1);
    assert_int_equal(count(&client, "\r\n\r\nwhole"), 1);
}

static void one_that_ends_too_early_is_nobodys(void **state)
{
    (void)state;
    say("POST /a HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nab");
    shutdown(client.socket, SHUT_WR);
    plug_settle(&plug);
    assert_true(hear(&client));
    assert_int_equal(client.length, 0);
    assert_int_equal(n_run, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_body_may_come_in_pieces),
        TEST(no_body_is_an_empty_one),
        TEST(what_does_not_fit_into_memory_is_in_a_file),
        TEST(chunks_are_joined),
        TEST(the_next_request_follows_the_body),
        TEST(one_that_is_announced_too_long_is_not_read),
        TEST(one_that_grows_too_long_is_refused),
        TEST(a_file_system_without_nameless_files_will_do),
        TEST(writes_may_be_interrupted_and_short),
        TEST(on_a_full_disk_it_is_500),
        TEST(without_descriptors_long_ones_are_503),
        TEST(uploads_leave_descriptors_to_others),
        TEST(one_that_ends_too_early_is_nobodys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
