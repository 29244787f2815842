/* SPDX-License-Identifier: MIT */
#include "core/blocking.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "core/group.h"
#include "tests/core/jobs.h"

static void run_plain(struct sj_task *task)
{
    struct job *job = (struct job *)task;

    job->is_done = job->other == NULL || job->other->is_done;
    sem_post(&job->begun);
}

static void while_a_task_blocks_a_spare_runs_others(void **state)
{
    struct job blocking, plain;

    (void)state;
    start(1, 1);
    submit(&blocking, run_blocking, NULL);
    submit(&plain, run_plain, NULL);
    sem_wait(&plain.begun); /* for ever, if nobody ran it */
    sem_post(&blocking.go);
    stop();
    assert_true(blocking.is_done);
    assert_true(plain.is_done);
}

/* The same, with a group. */
static void run_bound(struct sj_task *task)
{
    struct sj_group group;

    sj_group_init(&group);
    run_blocking(task);
    sj_join(&group);
}

static void a_task_with_a_group_goes_on_in_the_same_place(void **state)
{
    struct job jobs[8];

    (void)state;
    start(2, 8);
    for (unsigned i = 0; i < 8; i++)
        submit(&jobs[i], run_bound, NULL);
    for (unsigned i = 0; i < 8; i++)
        sem_wait(&jobs[i].begun);
    for (unsigned i = 0; i < 8; i++)
        sem_post(&jobs[i].go);
    stop();
    for (unsigned i = 0; i < 8; i++) {
        assert_non_null(jobs[i].before);
        assert_ptr_equal(jobs[i].after, jobs[i].before);
    }
}

/* Until it is told. */
static void run_long(struct sj_task *task)
{
    struct job *job = (struct job *)task;

    job->before = sj_self()->worker;
    sem_post(&job->begun);
    while (sem_trywait(&job->go) != 0)
        sched_yield();
}

static void other_tasks_go_on_in_any_place(void **state)
{
    struct job blocking, longs[2];
    unsigned beside;

    (void)state;
    start(2, 1);
    submit(&blocking, run_blocking, NULL);
    sem_wait(&blocking.begun);
    for (unsigned i = 0; i < 2; i++) {
        submit(&longs[i], run_long, NULL);
        sem_wait(&longs[i].begun);
    }
    beside = longs[0].before == blocking.before; /* the one in the other place */
    sem_post(&blocking.go);
    sem_post(&longs[beside].go);
    sem_wait(&blocking.ended); /* for ever, if it waits for its first place */
    assert_ptr_equal(blocking.after, longs[beside].before);
    sem_post(&longs[!beside].go);
    stop();
}

/* The threads that blocked are there again for the next ones. */
static void a_task_may_end_in_its_section(void **state)
{
    struct job away[3][4], plain[3];

    (void)state;
    start(1, 12);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 4; i++)
            submit(&away[round][i], run_away, NULL);
        for (unsigned i = 0; i < 4; i++)
            sem_wait(&away[round][i].begun);
        submit(&plain[round], run_plain, NULL);
        sem_wait(&plain[round].begun);
        for (unsigned i = 0; i < 4; i++)
            sem_post(&away[round][i].go);
    }
    stop();
    for (unsigned i = 0; i < 12; i++)
        assert_true(away[i / 4][i % 4].is_done);
}

static void without_a_spare_the_next_task_waits(void **state)
{
    struct job blocking, plain;

    (void)state;
    start(1, 0);
    submit(&blocking, run_blocking, NULL);
    submit(&plain, run_plain, &blocking);
    sem_wait(&blocking.begun);
    sem_post(&blocking.go);
    stop();
    assert_true(plain.is_done); /* which says that the other one was, before */
}

/* Who finds no spare keeps its place, but only for that task. */
static void a_section_without_a_spare_ends_with_its_task(void **state)
{
    struct job away[2], second, plain;

    (void)state;
    start(1, 1);
    for (unsigned i = 0; i < 2; i++) {
        submit(&away[i], run_away, NULL);
        sem_wait(&away[i].begun);
    }
    sem_post(&away[0].go);
    while (!has_resting())
        sched_yield();
    sem_post(&away[1].go); /* it goes on in the place that it kept */
    submit(&second, run_away, NULL);
    sem_wait(&second.begun);
    submit(&plain, run_plain, NULL);
    sem_wait(&plain.begun); /* for ever, if the place is not given now */
    sem_post(&second.go);
    stop();
    assert_true(plain.is_done && second.is_done);
}

static void *stop_on(void *argument)
{
    sj_sched_stop(argument);
    return NULL;
}

static void stopping_waits_for_who_blocks(void **state)
{
    struct job away, blocking;
    pthread_t thread;

    (void)state;
    start(1, 2);
    submit(&away, run_away, NULL);
    submit(&blocking, run_blocking, NULL);
    sem_wait(&away.begun);
    sem_wait(&blocking.begun);
    assert_int_equal(pthread_create(&thread, NULL, stop_on, sched), 0);
    sem_post(&blocking.go);
    sem_post(&away.go);
    pthread_join(thread, NULL);
    assert_true(away.is_done && blocking.is_done);
    sj_sched_free(sched);
}

static void run_nested(struct sj_task *task)
{
    struct job *job = (struct job *)task;

    job->before = sj_self()->worker;
    sj_blocking_enter();
    sj_blocking_enter();
    sj_blocking_leave();
    job->is_done = sj_self()->worker == NULL;
    sj_blocking_leave();
    job->after = sj_self()->worker;
}

static void sections_nest(void **state)
{
    struct job job;

    (void)state;
    start(1, 1);
    submit(&job, run_nested, NULL);
    stop();
    assert_true(job.is_done);
    assert_ptr_equal(job.after, job.before);
}

/* A subtask that waits for the task that blocked first, which returns while this one joins. */
static void run_part(struct sj_task *task)
{
    struct job *part = (struct job *)task;

    sj_blocking_enter();
    sem_post(&part->other->go);
    sem_wait(&part->go);
    part->is_done = true;
}

static struct job part;

static void run_joining(struct sj_task *task)
{
    struct job *job = (struct job *)task;
    struct sj_group group;

    part = (struct job){.task.run = run_part, .other = job->other};
    sem_init(&part.go, 0, 0);
    sj_group_init(&group);
    sj_spawn(&group, &part.task);
    sj_join(&group);
    job->is_done = part.is_done;
}

static void run_first(struct sj_task *task)
{
    struct job *job = (struct job *)task;

    run_blocking(task);
    job->is_done = true;
    sem_post(&part.go);
}

static void who_joins_makes_way_for_who_returns(void **state)
{
    struct job first, joining;

    (void)state;
    start(1, 4);
    submit(&first, run_first, NULL);
    sem_wait(&first.begun);
    submit(&joining, run_joining, &first);
    stop();
    assert_true(first.is_done);
    assert_true(joining.is_done);
}

/* Joins two subtasks that block: the second one it runs itself. */
static void run_waiting(struct sj_task *task)
{
    struct job *job = (struct job *)task;
    struct sj_group group;

    sj_group_init(&group);
    sj_spawn(&group, &job->other[0].task);
    sj_spawn(&group, &job->other[1].task);
    sj_join(&group);
    job->is_done = job->other[0].is_done && job->other[1].is_done;
}

static unsigned n_handed(void)
{
    unsigned n;

    pthread_mutex_lock(&sched->hands.lock);
    n = sched->workers[0]->n_handed;
    pthread_mutex_unlock(&sched->hands.lock);
    return n;
}

/* They do not hand the place to each other. */
static void two_that_join_wait_for_their_groups_alone(void **state)
{
    struct job parts[2][2], waiting[2];

    (void)state;
    start(1, 8);
    for (unsigned i = 0; i < 2; i++) {
        init(&parts[i][0], run_blocking);
        init(&parts[i][1], run_blocking);
        submit(&waiting[i], run_waiting, parts[i]);
    }
    for (unsigned i = 0; i < 4; i++)
        sem_wait(&parts[i / 2][i % 2].begun);
    for (unsigned i = 0; i < 2; i++) {
        sem_post(&parts[i][1].go);
        sem_wait(&parts[i][1].ended);
    }
    for (unsigned i = 0; i < 10000; i++)
        sched_yield();
    assert_true(n_handed() < 50);
    for (unsigned i = 0; i < 2; i++)
        sem_post(&parts[i][0].go);
    stop();
    assert_true(waiting[0].is_done && waiting[1].is_done);
}

static void who_watches_sees_that_a_section_begins(void **state)
{
    unsigned blocks[2] = {0, 0};

    (void)state;
    assert_int_equal(sj_thread_enter(), 0);
    sj_blocking_watch(&blocks[0]);
    assert_int_equal(blocks[0], 0);
    sj_blocking_enter();
    sj_blocking_leave();
    assert_int_equal(blocks[0], 1);
    sj_blocking_watch(&blocks[1]);
    sj_blocking_watch(NULL);
    sj_blocking_enter();
    sj_blocking_leave();
    assert_int_equal(blocks[1], 0);
    sj_thread_leave();
}

static void elsewhere_a_section_does_nothing(void **state)
{
    (void)state;
    assert_int_equal(sj_blocking_count(), 0);
    sj_blocking_enter();
    sj_blocking_leave();
    assert_int_equal(sj_blocking_count(), 0);
    assert_int_equal(sj_thread_enter(), 0);
    sj_blocking_enter();
    sj_blocking_leave();
    assert_int_equal(sj_blocking_count(), 1);
    sj_thread_leave();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(while_a_task_blocks_a_spare_runs_others),
        cmocka_unit_test(a_task_with_a_group_goes_on_in_the_same_place),
        cmocka_unit_test(other_tasks_go_on_in_any_place),
        cmocka_unit_test(a_task_may_end_in_its_section),
        cmocka_unit_test(without_a_spare_the_next_task_waits),
        cmocka_unit_test(a_section_without_a_spare_ends_with_its_task),
        cmocka_unit_test(stopping_waits_for_who_blocks),
        cmocka_unit_test(sections_nest),
        cmocka_unit_test(who_joins_makes_way_for_who_returns),
        cmocka_unit_test(two_that_join_wait_for_their_groups_alone),
        cmocka_unit_test(who_watches_sees_that_a_section_begins),
        cmocka_unit_test(elsewhere_a_section_does_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
