/* SPDX-License-Identifier: MIT */
/* What can fail when a scheduler is made and started. */
#include "core/sched.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "core/guard.h"
#include "core/thread.h"

/*
 * Linked with -Wl,--wrap= of every call below; of those counted, number `fails_at` fails.
 */
static unsigned n_calls, fails_at;
static bool is_nice_forbidden;

static bool shall_fail(void)
{
    return ++n_calls == fails_at;
}

void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return shall_fail() ? NULL : __real_aligned_alloc(alignment, size);
}

struct event_config *__real_event_config_new(void);
struct event_config *__wrap_event_config_new(void);
struct event_config *__wrap_event_config_new(void)
{
    return shall_fail() ? NULL : __real_event_config_new();
}

struct event_base *__real_event_base_new_with_config(const struct event_config *config);
struct event_base *__wrap_event_base_new_with_config(const struct event_config *config);
struct event_base *__wrap_event_base_new_with_config(const struct event_config *config)
{
    return shall_fail() ? NULL : __real_event_base_new_with_config(config);
}

struct event *__real_event_new(struct event_base *base, evutil_socket_t fd, short what,
                               event_callback_fn callback, void *context);
struct event *__wrap_event_new(struct event_base *base, evutil_socket_t fd, short what,
                               event_callback_fn callback, void *context);
struct event *__wrap_event_new(struct event_base *base, evutil_socket_t fd, short what,
                               event_callback_fn callback, void *context)
{
    return shall_fail() ? NULL : __real_event_new(base, fd, what, callback, context);
}

int __real_event_add(struct event *event, const struct timeval *timeout);
int __wrap_event_add(struct event *event, const struct timeval *timeout);
int __wrap_event_add(struct event *event, const struct timeval *timeout)
{
    return shall_fail() ? -1 : __real_event_add(event, timeout);
}

int __real_eventfd(unsigned int value, int flags);
int __wrap_eventfd(unsigned int value, int flags);
int __wrap_eventfd(unsigned int value, int flags)
{
    errno = EMFILE;
    return shall_fail() ? -1 : __real_eventfd(value, flags);
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument)
{
    return shall_fail() ? EAGAIN : __real_pthread_create(thread, attributes, run, argument);
}

int __real_setpriority(int which, id_t who, int value);
int __wrap_setpriority(int which, id_t who, int value);
int __wrap_setpriority(int which, id_t who, int value)
{
    errno = EPERM;
    return is_nice_forbidden ? -1 : __real_setpriority(which, who, value);
}

static struct sj_sched_config config_of(unsigned n_loops, unsigned n_workers)
{
    return (struct sj_sched_config){.n_loops = n_loops,
                                    .n_workers = n_workers,
                                    .quick_length = 16,
                                    .heavy_length = 16,
                                    .worker_nice = 3};
}

static struct sj_sched *sched;

static struct sj_sched *new_sched(unsigned n_loops, unsigned n_workers)
{
    struct sj_sched_config config = config_of(n_loops, n_workers);

    assert_int_equal(sj_sched_new(&config, &sched), 0);
    return sched;
}

static void a_value_out_of_range_is_refused(void **state)
{
    struct sj_sched_config config = config_of(0, 1);
    struct sj_sched *none = NULL;

    (void)state;
    assert_int_equal(sj_sched_new(&config, &none), -EINVAL);
    config = config_of(1, 65);
    assert_int_equal(sj_sched_new(&config, &none), -EINVAL);
    config = config_of(1, 1);
    config.worker_nice = 20;
    assert_int_equal(sj_sched_new(&config, &none), -EINVAL);
    assert_null(none);
}

static void new_cleans_up_whichever_step_fails(void **state)
{
    struct sj_sched_config config = config_of(2, 2);
    unsigned n_failures = 0;
    int error;

    (void)state;
    for (fails_at = 1;; fails_at++) {
        struct sj_sched *made = NULL;

        n_calls = 0;
        error = sj_sched_new(&config, &made);
        if (error == 0) {
            sj_sched_free(made);
            break;
        }
        assert_true(error == -ENOMEM || error == -EMFILE);
        assert_null(made);
        n_failures++;
    }
    fails_at = 0;
    /* sched and its deque; a loop, two deques, config, base, eventfd, event, its addition;
     * a worker, its deque */
    assert_int_equal(n_failures, 2 + 2 * 8 + 2 * 2);
}

static void start_ends_every_thread_when_one_cannot_be_created(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 4; i++) {
        new_sched(2, 2);
        n_calls = 0;
        fails_at = i;
        assert_int_equal(sj_sched_start(sched), -EAGAIN);
        fails_at = 0;
        sj_sched_free(sched); /* asserts that none runs */
    }
}

static void *take_number_until_told(void *argument)
{
    pthread_barrier_t *barriers = argument;

    if (sj_thread_enter() != 0)
        abort();
    pthread_barrier_wait(&barriers[0]);
    pthread_barrier_wait(&barriers[1]);
    sj_thread_leave();
    return NULL;
}

static void start_fails_when_the_thread_numbers_are_used_up(void **state)
{
    pthread_t threads[SJ_THREADS_MAX - 2];
    pthread_barrier_t barriers[2];

    (void)state;
    for (unsigned i = 0; i < 2; i++)
        pthread_barrier_init(&barriers[i], NULL, SJ_THREADS_MAX - 1);
    for (unsigned i = 0; i < SJ_THREADS_MAX - 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_number_until_told, barriers), 0);
    pthread_barrier_wait(&barriers[0]);
    new_sched(1, 2);
    assert_int_equal(sj_sched_start(sched), -EAGAIN);
    sj_sched_free(sched);
    pthread_barrier_wait(&barriers[1]);
    for (unsigned i = 0; i < SJ_THREADS_MAX - 2; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < 2; i++)
        pthread_barrier_destroy(&barriers[i]);
}

static void a_forbidden_priority_is_told_and_does_no_harm(void **state)
{
    (void)state;
    is_nice_forbidden = true;
    assert_int_equal(sj_sched_start(new_sched(1, 1)), 0);
    is_nice_forbidden = false;
    assert_int_equal(sj_sched_nice_error(sched), -EPERM);
    sj_sched_stop(sched);
    sj_sched_free(sched);
}

static void a_guard_that_cannot_start_leaves_the_workers_as_they_were(void **state)
{
    struct event_base *base = event_base_new();
    unsigned n_failures = 0;

    (void)state;
    assert_non_null(base);
    assert_int_equal(sj_sched_start(new_sched(1, 2)), 0);
    for (fails_at = 1;; fails_at++) {
        int error;

        n_calls = 0;
        error = sj_guard_start(sched, base);
        if (error == 0 || error == -EPERM)
            break;
        assert_true(error == -EAGAIN || error == -EMFILE || error == -ENOMEM);
        assert_int_equal(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED), 0);
        n_failures++;
    }
    fails_at = 0;
    /* the thread that tries; where it may not yield, that is all */
    assert_true(n_failures == 1 || n_failures == 1 + 5);
    sj_sched_stop(sched);
    sj_sched_free(sched);
    event_base_free(base);
}

static void at_no_distance_workers_do_not_yield(void **state)
{
    struct sj_sched_config config = config_of(1, 1);

    (void)state;
    config.worker_nice = 0;
    assert_int_equal(sj_sched_new(&config, &sched), 0);
    assert_int_equal(sj_sched_start(sched), 0);
    n_calls = 0;
    assert_int_equal(sj_guard_start(sched, NULL), 0);
    assert_int_equal(n_calls, 0);
    sj_sched_stop(sched);
    sj_sched_free(sched);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_out_of_range_is_refused),
        cmocka_unit_test(new_cleans_up_whichever_step_fails),
        cmocka_unit_test(start_ends_every_thread_when_one_cannot_be_created),
        cmocka_unit_test(start_fails_when_the_thread_numbers_are_used_up),
        cmocka_unit_test(a_forbidden_priority_is_told_and_does_no_harm),
        cmocka_unit_test(a_guard_that_cannot_start_leaves_the_workers_as_they_were),
        cmocka_unit_test(at_no_distance_workers_do_not_yield),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
