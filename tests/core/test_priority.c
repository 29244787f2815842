/* SPDX-License-Identifier: MIT */
#include "core/priority.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <cmocka.h>

#define NOBODY     65534
#define UNRAISABLE 77 /* exit status: the limit is not ours to raise */

static int nice_value_of(pid_t thread)
{
    return getpriority(PRIO_PROCESS, (id_t)thread);
}

static int lowered_by(int by)
{
    int nice_value = nice_value_of(0) + by;

    return nice_value < 19 ? nice_value : 19;
}

struct steps {
    int lowered, nice_lowered;
    int yielded, policy_yielding, nice_yielding;
};

static void *take_steps(void *argument)
{
    struct steps *steps = argument;

    steps->lowered = sj_priority_lower(4);
    steps->nice_lowered = nice_value_of(gettid());
    steps->yielded = sj_priority_yield(pthread_self());
    steps->policy_yielding = sched_getscheduler(0);
    steps->nice_yielding = nice_value_of(gettid());
    return NULL;
}

static void a_thread_that_yields_keeps_its_nice_value(void **state)
{
    struct steps steps;
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, take_steps, &steps), 0);
    pthread_join(thread, NULL);
    assert_int_equal(steps.lowered, 0);
    assert_int_equal(steps.nice_lowered, lowered_by(4));
    assert_int_equal(steps.yielded, 0);
    assert_int_equal(steps.policy_yielding, SCHED_IDLE);
    assert_int_equal(steps.nice_yielding, lowered_by(4));
}

static void trying_changes_nothing_for_the_caller(void **state)
{
    int nice_value = nice_value_of(0);

    (void)state;
    sj_priority_try(4);
    assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
    assert_int_equal(nice_value_of(0), nice_value);
}

static void *yield_and_return(void *argument)
{
    int *error = argument;

    *error = sj_priority_lower(4);
    if (*error == 0)
        *error = sj_priority_yield(pthread_self());
    if (*error == 0)
        *error = sj_priority_entitle(pthread_self());
    if (*error == 0 && sched_getscheduler(0) != SCHED_OTHER)
        *error = -EINVAL;
    return NULL;
}

static void what_was_tried_is_what_happens(void **state)
{
    pthread_t thread;
    int error = 1;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, yield_and_return, &error), 0);
    pthread_join(thread, NULL);
    assert_int_equal(sj_priority_try(4), error);
}

/* What a process without privileges is told under that limit. */
static int tried_as_nobody(rlim_t nice_limit)
{
    struct rlimit limit = {nice_limit, nice_limit};
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        if (setrlimit(RLIMIT_NICE, &limit) != 0 ||
            (geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) != 0))
            _exit(UNRAISABLE);
        _exit(-sj_priority_try(4));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == UNRAISABLE)
        skip();
    return -WEXITSTATUS(status);
}

static void without_privilege_or_limit_there_is_no_way_back(void **state)
{
    (void)state;
    assert_int_equal(tried_as_nobody(0), -EPERM);
}

static void a_limit_that_allows_the_nice_value_is_enough(void **state)
{
    (void)state;
    assert_int_equal(tried_as_nobody((rlim_t)(20 - lowered_by(4))), 0);
}

static void a_limit_below_the_nice_value_is_not(void **state)
{
    (void)state;
    assert_int_equal(tried_as_nobody((rlim_t)(20 - lowered_by(4) - 1)), -EPERM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_that_yields_keeps_its_nice_value),
        cmocka_unit_test(trying_changes_nothing_for_the_caller),
        cmocka_unit_test(what_was_tried_is_what_happens),
        cmocka_unit_test(without_privilege_or_limit_there_is_no_way_back),
        cmocka_unit_test(a_limit_that_allows_the_nice_value_is_enough),
        cmocka_unit_test(a_limit_below_the_nice_value_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
