/* SPDX-License-Identifier: MIT */
/* Linked with: -Wl,--wrap=io_uring_submit_and_wait, where there is such a thing. */
#include "core/transfer.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define PAIRS 8

static struct sj_transfers *transfers; /* NULL: one by one */
static int ends[PAIRS][2];
static char rooms[PAIRS][64];
static struct sj_transfer items[PAIRS];

#ifdef SJ_URING
#include <liburing.h>

static int enter_error; /* of the next calls */
static unsigned n_failing, n_entered;

int __real_io_uring_submit_and_wait(struct io_uring *ring, unsigned n);
int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned n);
int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned n)
{
    n_entered++;
    if (n_failing == 0)
        return __real_io_uring_submit_and_wait(ring, n);
    n_failing--;
    return -enter_error;
}
#endif

static void open_pairs(void)
{
    for (unsigned i = 0; i < PAIRS; i++)
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends[i]), 0);
}

static int one_by_one(void **state)
{
    (void)state;
    transfers = NULL;
    open_pairs();
    return 0;
}

static int by_ring(void **state)
{
    int error;

    (void)state;
    transfers = NULL;
    open_pairs();
    error = sj_transfers_new(PAIRS, &transfers);
    if (error != 0)
        print_message("no io_uring here: %s\n", strerror(-error));
    return 0;
}

static int done(void **state)
{
    (void)state;
    sj_transfers_free(transfers);
    for (unsigned i = 0; i < PAIRS; i++) {
        close(ends[i][0]);
        close(ends[i][1]);
    }
    return 0;
}

static void to_receive(unsigned i)
{
    items[i] = (struct sj_transfer){
        .socket = ends[i][0], .n_pieces = 1, .pieces = {{rooms[i], sizeof(rooms[i])}}};
}

static void to_send(unsigned i, const char *first, const char *second)
{
    items[i] = (struct sj_transfer){
        .socket = ends[i][0], .flags = MSG_NOSIGNAL, .is_send = true, .n_pieces = 1};
    items[i].pieces[0] = (struct iovec){(void *)(uintptr_t)first, strlen(first)};
    if (second == NULL)
        return;
    items[i].n_pieces = 2;
    items[i].pieces[1] = (struct iovec){(void *)(uintptr_t)second, strlen(second)};
}

static void all_are_received(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PAIRS; i++) {
        assert_int_equal(write(ends[i][1], "octets", i % 6 + 1), i % 6 + 1);
        to_receive(i);
    }
    assert_int_equal(sj_transfers_run(transfers, items, PAIRS), 0);
    for (unsigned i = 0; i < PAIRS; i++) {
        assert_int_equal(items[i].result, i % 6 + 1);
        assert_memory_equal(rooms[i], "octets", i % 6 + 1);
    }
}

static void all_are_sent(void **state)
{
    char text[64];

    (void)state;
    for (unsigned i = 0; i < PAIRS; i++)
        to_send(i, "head", i % 2 == 0 ? NULL : " and body");
    assert_int_equal(sj_transfers_run(transfers, items, PAIRS), 0);
    for (unsigned i = 0; i < PAIRS; i++) {
        size_t length = i % 2 == 0 ? 4 : 13;

        assert_int_equal(items[i].result, length);
        assert_int_equal(read(ends[i][1], text, sizeof(text)), length);
        assert_memory_equal(text, "head and body", length);
    }
}

/* Blocking sockets, too. */
static void none_waits(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PAIRS; i++)
        to_receive(i);
    assert_int_equal(write(ends[5][1], "five", 4), 4);
    assert_int_equal(sj_transfers_run(transfers, items, PAIRS), 0);
    for (unsigned i = 0; i < PAIRS; i++)
        assert_int_equal(items[i].result, i == 5 ? 4 : -EAGAIN);
}

static void a_full_socket_takes_a_part(void **state)
{
    size_t large = 16 << 20;
    char *octets = calloc(1, large);

    (void)state;
    assert_non_null(octets);
    for (unsigned i = 0; i < PAIRS; i++)
        to_send(i, "a", NULL);
    items[2].pieces[0] = (struct iovec){octets, large};
    items[4].n_pieces = 2;
    items[4].pieces[1] = (struct iovec){octets, large};
    assert_int_equal(sj_transfers_run(transfers, items, PAIRS), 0);
    assert_in_range(items[2].result, 1, large - 1);
    assert_in_range(items[4].result, 2, large);
    assert_int_equal(items[7].result, 1);
    for (unsigned i = 0; i < 2; i++)
        to_send(i == 0 ? 2 : 4, "more", NULL);
    items[0] = items[4];
    items[1] = items[2];
    assert_int_equal(sj_transfers_run(transfers, items, 2), 0);
    assert_int_equal(items[0].result, -EAGAIN);
    assert_int_equal(items[1].result, -EAGAIN);
    free(octets);
}

static void each_has_its_own_error(void **state)
{
    (void)state;
    to_receive(0); /* the client has gone */
    close(ends[0][1]);
    to_send(1, "a", NULL);
    close(ends[1][1]);
    to_send(2, "a", "b");
    close(ends[2][1]);
    to_receive(3);
    items[3].socket = -1;
    to_send(4, "a", "b");
    sj_transfers_run(transfers, items, 5);
    assert_int_equal(items[0].result, 0);
    assert_int_equal(items[1].result, -EPIPE);
    assert_int_equal(items[2].result, -EPIPE);
    assert_int_equal(items[3].result, -EBADF);
    assert_int_equal(items[4].result, 2);
    for (unsigned i = 0; i < 3; i++)
        ends[i][1] = dup(ends[4][1]); /* for `done` */
}

static void it_can_be_run_again(void **state)
{
    char text[PAIRS * 8];

    (void)state;
    for (unsigned turn = 0; turn < 1000; turn++) {
        unsigned n = turn % PAIRS + 1;

        for (unsigned i = 0; i < n; i++)
            to_send(i, "12345678", NULL);
        sj_transfers_run(transfers, items, n);
        for (unsigned i = 0; i < n; i++) {
            assert_int_equal(items[i].result, 8);
            assert_int_equal(read(ends[i][1], text, sizeof(text)), 8);
        }
    }
}

#ifdef SJ_URING
static void a_signal_changes_nothing(void **state)
{
    enter_error = EINTR;
    n_failing = 3;
    all_are_received(state);
    assert_int_equal(n_failing, transfers != NULL ? 0 : 3);
    n_failing = 0;
}

static void all_are_made_by_a_ring_that_fails(void **state)
{
    (void)state;
    enter_error = EAGAIN;
    n_failing = 1;
    for (unsigned i = 0; i < PAIRS; i++)
        to_send(i, "once", NULL);
    assert_int_equal(sj_transfers_run(transfers, items, PAIRS), transfers != NULL ? -EAGAIN : 0);
    n_failing = 0;
    for (unsigned i = 0; i < PAIRS; i++) {
        char text[64];

        assert_int_equal(items[i].result, 4);
        assert_int_equal(recv(ends[i][1], text, sizeof(text), MSG_DONTWAIT), 4);
    }
}

static void a_single_one_needs_no_ring(void **state)
{
    (void)state;
    n_entered = 0;
    to_send(0, "alone", NULL);
    sj_transfers_run(transfers, items, 1);
    assert_int_equal(items[0].result, 5);
    assert_int_equal(n_entered, 0);
    to_send(1, "not", NULL);
    assert_int_equal(sj_transfers_run(transfers, items, 2), 0);
    assert_int_equal(n_entered, transfers != NULL);
}
#else
static void without_it_there_is_no_ring(void **state)
{
    (void)state;
    assert_null(transfers);
    assert_int_equal(sj_transfers_new(PAIRS, &transfers), -ENOSYS);
}
#endif

#define BOTH_WAYS(test)                                      \
    cmocka_unit_test_setup_teardown(test, one_by_one, done), \
        cmocka_unit_test_setup_teardown(test, by_ring, done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH_WAYS(all_are_received),
        BOTH_WAYS(all_are_sent),
        BOTH_WAYS(none_waits),
        BOTH_WAYS(a_full_socket_takes_a_part),
        BOTH_WAYS(each_has_its_own_error),
        BOTH_WAYS(it_can_be_run_again),
#ifdef SJ_URING
        BOTH_WAYS(a_signal_changes_nothing),
        BOTH_WAYS(all_are_made_by_a_ring_that_fails),
        BOTH_WAYS(a_single_one_needs_no_ring),
#else
        BOTH_WAYS(without_it_there_is_no_ring),
#endif
    };

    signal(SIGPIPE, SIG_DFL); /* nothing here raises it */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
