/* SPDX-License-Identifier: MIT */
#include "core/thread.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void nobody_is_anybody_before_entering(void **state)
{
    (void)state;
    assert_null(sj_self());
    assert_int_equal(sj_thread_enter(), 0);
    assert_non_null(sj_self());
    sj_thread_leave();
    assert_null(sj_self());
}

static void entering_twice_counts_as_one(void **state)
{
    (void)state;
    assert_int_equal(sj_thread_enter(), 0);
    assert_int_equal(sj_self()->number, 0);
    assert_int_equal(sj_thread_enter(), 0);
    assert_int_equal(sj_self()->number, 0);
    sj_thread_leave();
    assert_null(sj_self());
}

struct crowd {
    pthread_barrier_t entered, leave;
};

static void *enter_and_stay(void *argument)
{
    struct crowd *crowd = argument;
    long number = sj_thread_enter() == 0 ? (long)sj_self()->number : -1;

    pthread_barrier_wait(&crowd->entered);
    pthread_barrier_wait(&crowd->leave);
    if (number >= 0)
        sj_thread_leave();
    return (void *)number;
}

static void numbers_are_dense_and_different_until_all_are_taken(void **state)
{
    unsigned char is_taken[SJ_THREADS_MAX] = {0};
    pthread_t threads[SJ_THREADS_MAX];
    struct crowd crowd;

    (void)state;
    pthread_barrier_init(&crowd.entered, NULL, SJ_THREADS_MAX + 1);
    pthread_barrier_init(&crowd.leave, NULL, SJ_THREADS_MAX + 1);
    for (unsigned i = 0; i < SJ_THREADS_MAX; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, enter_and_stay, &crowd), 0);
    pthread_barrier_wait(&crowd.entered);
    assert_int_equal(sj_thread_enter(), -EAGAIN);
    pthread_barrier_wait(&crowd.leave);
    for (unsigned i = 0; i < SJ_THREADS_MAX; i++) {
        void *number;

        pthread_join(threads[i], &number);
        assert_in_range((long)number, 0, SJ_THREADS_MAX - 1);
        assert_false(is_taken[(long)number]++);
    }
    assert_int_equal(sj_thread_enter(), 0);
    assert_int_equal(sj_self()->number, 0);
    sj_thread_leave();
    pthread_barrier_destroy(&crowd.entered);
    pthread_barrier_destroy(&crowd.leave);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_anybody_before_entering),
        cmocka_unit_test(entering_twice_counts_as_one),
        cmocka_unit_test(numbers_are_dense_and_different_until_all_are_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
