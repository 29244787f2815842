/* SPDX-License-Identifier: MIT */
/* The threads that take places: how they begin, rest and end.
 * Linked with: -Wl,--wrap=sem_clockwait -Wl,--wrap=sem_wait */
#include "core/blocking.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <cmocka.h>
#include "tests/core/jobs.h"

/* How a rest ends; of which clock it was. */
enum { AT_ONCE, AS_IT_IS_WOKEN };
static unsigned rest_ends;  /* ck_pr; one of them */
static unsigned rest_clock; /* ck_pr */

int __real_sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *until);
int __wrap_sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *until);
int __wrap_sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *until)
{
    ck_pr_store_uint(&rest_clock, (unsigned)clock);
    if (ck_pr_load_uint(&rest_ends) == AS_IT_IS_WOKEN) {
        while (__real_sem_clockwait(semaphore, clock, until) != 0)
            ;
        sem_post(semaphore);
    }
    errno = ETIMEDOUT;
    return -1;
}

/* The next wait of a thread that sets it ends only when that one is posted. */
static _Thread_local sem_t *held_up;

int __real_sem_wait(sem_t *semaphore);
int __wrap_sem_wait(sem_t *semaphore);
int __wrap_sem_wait(sem_t *semaphore)
{
    int result = __real_sem_wait(semaphore);
    sem_t *until = held_up;

    held_up = NULL;
    if (until != NULL)
        __real_sem_wait(until);
    return result;
}

static void set_rest(unsigned ends)
{
    ck_pr_store_uint(&rest_ends, ends);
}

static unsigned n_alive(void)
{
    unsigned n;

    pthread_mutex_lock(&sched->hands.lock);
    n = sched->hands.n_alive;
    pthread_mutex_unlock(&sched->hands.lock);
    return n;
}

/* By a clock that nobody sets. */
static void who_has_rested_long_ends(void **state)
{
    struct job away;

    (void)state;
    set_rest(AT_ONCE);
    start(1, 1);
    submit(&away, run_away, NULL);
    sem_wait(&away.begun);
    assert_int_equal(n_alive(), 2);
    sem_post(&away.go);
    while (n_alive() > 1)
        sched_yield();
    stop();
    assert_int_equal(ck_pr_load_uint(&rest_clock), CLOCK_MONOTONIC);
}

static void who_is_taken_as_its_rest_ends_goes_on(void **state)
{
    struct job away[4];

    (void)state;
    set_rest(AS_IT_IS_WOKEN);
    start(1, 1);
    for (unsigned i = 0; i < 4; i++) {
        submit(&away[i], run_away, NULL);
        sem_wait(&away[i].begun);
        sem_post(&away[i].go);
        while (!has_resting())
            sched_yield();
    }
    assert_int_equal(n_alive(), 2);
    stop();
}

/* The first one's spare starts while nobody else needs it, and its starter is held up. */
static void run_held_up(struct sj_task *task)
{
    struct job *job = (struct job *)task;

    held_up = &job->go;
    sj_blocking_enter();
    job->is_done = true;
}

static bool has_ended(void)
{
    bool has;

    pthread_mutex_lock(&sched->hands.lock);
    has = !TAILQ_EMPTY(&sched->hands.ended);
    pthread_mutex_unlock(&sched->hands.lock);
    return has;
}

/* Its place goes to who returns, it rests, ends, and the next one who starts one frees it. */
static void a_spare_may_be_gone_before_its_starter_looks(void **state)
{
    struct job first, starter, next;

    (void)state;
    set_rest(AT_ONCE);
    start(1, 2);
    submit(&first, run_blocking, NULL);
    sem_wait(&first.begun);
    submit(&starter, run_held_up, NULL);
    while (n_alive() < 3)
        sched_yield();
    sem_post(&first.go);
    sem_wait(&first.ended);
    while (!has_ended())
        sched_yield();
    submit(&next, run_away, NULL);
    sem_wait(&next.begun);
    assert_false(has_ended());
    sem_post(&starter.go);
    sem_post(&next.go);
    stop();
    assert_true(starter.is_done && next.is_done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_has_rested_long_ends),
        cmocka_unit_test(who_is_taken_as_its_rest_ends_goes_on),
        cmocka_unit_test(a_spare_may_be_gone_before_its_starter_looks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
