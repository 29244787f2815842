/* SPDX-License-Identifier: MIT */
#include "core/deque.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "core/pr.h"
#include "core/task.h"

#define N_THIEVES 3
#define N_TASKS   200000

static struct sj_task tasks[N_TASKS];

static void pop_takes_the_newest(void **state)
{
    struct sj_deque *deque = sj_deque_new(4);

    (void)state;
    assert_true(sj_deque_push(deque, &tasks[0]));
    assert_true(sj_deque_push(deque, &tasks[1]));
    assert_ptr_equal(sj_deque_pop(deque), &tasks[1]);
    assert_ptr_equal(sj_deque_pop(deque), &tasks[0]);
    sj_deque_free(deque);
}

static void steal_takes_the_oldest(void **state)
{
    struct sj_deque *deque = sj_deque_new(4);
    struct sj_task *task = NULL;

    (void)state;
    assert_true(sj_deque_push(deque, &tasks[0]));
    assert_true(sj_deque_push(deque, &tasks[1]));
    assert_int_equal(sj_deque_steal(deque, &task), SJ_STEAL_OK);
    assert_ptr_equal(task, &tasks[0]);
    assert_int_equal(sj_deque_steal(deque, &task), SJ_STEAL_OK);
    assert_ptr_equal(task, &tasks[1]);
    sj_deque_free(deque);
}

static void an_empty_deque_gives_nothing(void **state)
{
    struct sj_deque *deque = sj_deque_new(4);
    struct sj_task *task = NULL;

    (void)state;
    assert_null(sj_deque_pop(deque));
    assert_int_equal(sj_deque_steal(deque, &task), SJ_STEAL_EMPTY);
    assert_null(sj_deque_pop(deque));
    assert_int_equal(sj_deque_length(deque), 0);
    sj_deque_free(deque);
}

static void a_pop_that_failed_leaves_the_deque_usable(void **state)
{
    struct sj_deque *deque = sj_deque_new(4);

    (void)state;
    assert_null(sj_deque_pop(deque));
    assert_true(sj_deque_push(deque, &tasks[0]));
    assert_ptr_equal(sj_deque_pop(deque), &tasks[0]);
    assert_null(sj_deque_pop(deque));
    sj_deque_free(deque);
}

static void a_full_deque_refuses(void **state)
{
    struct sj_deque *deque = sj_deque_new(4);

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        assert_true(sj_deque_push(deque, &tasks[i]));
    assert_false(sj_deque_push(deque, &tasks[4]));
    assert_int_equal(sj_deque_length(deque), 4);
    assert_ptr_equal(sj_deque_pop(deque), &tasks[3]);
    assert_true(sj_deque_push(deque, &tasks[4]));
    sj_deque_free(deque);
}

static void a_fenced_push_is_a_push(void **state)
{
    struct sj_deque *deque = sj_deque_new(2);

    (void)state;
    assert_true(sj_deque_push_fenced(deque, &tasks[0]));
    assert_true(sj_deque_push_fenced(deque, &tasks[1]));
    assert_false(sj_deque_push_fenced(deque, &tasks[2]));
    assert_ptr_equal(sj_deque_pop(deque), &tasks[1]);
    assert_int_equal(sj_deque_length(deque), 1);
    sj_deque_free(deque);
}

static void the_capacity_is_rounded_up_to_a_power_of_two(void **state)
{
    struct sj_deque *deque = sj_deque_new(5);
    unsigned n = 0;

    (void)state;
    while (n < 100 && sj_deque_push(deque, &tasks[n]))
        n++;
    assert_int_equal(n, 8);
    sj_deque_free(deque);
}

static void the_ring_goes_round_many_times_in_order(void **state)
{
    struct sj_deque *deque = sj_deque_new(4);
    struct sj_task *task = NULL;

    (void)state;
    for (unsigned i = 0; i + 2 < N_TASKS; i++) {
        assert_true(sj_deque_push(deque, &tasks[i]));
        if (i < 2)
            continue;
        assert_int_equal(sj_deque_steal(deque, &task), SJ_STEAL_OK);
        assert_ptr_equal(task, &tasks[i - 2]);
    }
    assert_int_equal(sj_deque_length(deque), 2);
    sj_deque_free(deque);
}

struct contest {
    struct sj_deque *deque;
    unsigned is_over;
    unsigned taken[N_TASKS];
};

static void take(struct contest *contest, const struct sj_task *task)
{
    ck_pr_inc_uint(&contest->taken[task - tasks]);
}

static void *thief(void *argument)
{
    struct contest *contest = argument;
    struct sj_task *task;
    enum sj_steal got;

    do {
        unsigned is_over = ck_pr_load_uint(&contest->is_over);

        got = sj_deque_steal(contest->deque, &task);
        if (got == SJ_STEAL_OK)
            take(contest, task);
        else if (got == SJ_STEAL_EMPTY && is_over)
            return NULL;
    } while (1);
}

static void each_task_goes_to_exactly_one_of_owner_and_thieves(void **state)
{
    static struct contest contest;
    pthread_t thieves[N_THIEVES];
    struct sj_task *task;

    (void)state;
    contest.deque = sj_deque_new(8);
    for (unsigned i = 0; i < N_THIEVES; i++)
        assert_int_equal(pthread_create(&thieves[i], NULL, thief, &contest), 0);
    for (unsigned i = 0; i < N_TASKS;) {
        if (sj_deque_push(contest.deque, &tasks[i]))
            i++;
        if (i % 4 != 0 && (task = sj_deque_pop(contest.deque)) != NULL)
            take(&contest, task);
    }
    ck_pr_store_uint(&contest.is_over, 1);
    for (unsigned i = 0; i < N_THIEVES; i++)
        pthread_join(thieves[i], NULL);
    for (unsigned i = 0; i < N_TASKS; i++)
        assert_int_equal(contest.taken[i], 1);
    sj_deque_free(contest.deque);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pop_takes_the_newest),
        cmocka_unit_test(steal_takes_the_oldest),
        cmocka_unit_test(an_empty_deque_gives_nothing),
        cmocka_unit_test(a_pop_that_failed_leaves_the_deque_usable),
        cmocka_unit_test(a_full_deque_refuses),
        cmocka_unit_test(a_fenced_push_is_a_push),
        cmocka_unit_test(the_capacity_is_rounded_up_to_a_power_of_two),
        cmocka_unit_test(the_ring_goes_round_many_times_in_order),
        cmocka_unit_test(each_task_goes_to_exactly_one_of_owner_and_thieves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
