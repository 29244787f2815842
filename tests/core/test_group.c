/* SPDX-License-Identifier: MIT */
#include "core/group.h"

#include <sched.h>
#include <semaphore.h>
#include <stdbool.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <cmocka.h>
#include "core/pr.h"
#include "core/sched.h"

static struct sj_sched *sched;
static uint64_t clock_ns, step_ns; /* that each reading takes */
static uint64_t n_naps;

uint64_t __wrap_sj_clock_ns(void);
uint64_t __wrap_sj_clock_ns(void)
{
    return ck_pr_faa_64(&clock_ns, step_ns);
}

int __wrap_nanosleep(const struct timespec *wish, struct timespec *rest);
int __wrap_nanosleep(const struct timespec *wish, struct timespec *rest)
{
    (void)wish, (void)rest;
    ck_pr_inc_64(&n_naps);
    return 0;
}

static void start_on(unsigned n_workers, unsigned heavy_length, struct sj_task *task)
{
    struct sj_sched_config config = {
        .n_loops = 1, .n_workers = n_workers, .quick_length = 2, .heavy_length = heavy_length};

    assert_int_equal(sj_sched_new(&config, &sched), 0);
    assert_int_equal(sj_sched_submit(sched, task), 0);
    assert_int_equal(sj_sched_start(sched), 0);
}

/* Runs `task` on a worker of a new scheduler, and all that comes of it. */
static void run_on(unsigned n_workers, unsigned heavy_length, struct sj_task *task)
{
    start_on(n_workers, heavy_length, task);
    sj_sched_stop(sched);
}

static sem_t parent_ended;

/* The same on two workers, neither of which leaves before `task` has posted parent_ended. */
static void run_on_both(struct sj_task *task)
{
    sem_init(&parent_ended, 0, 0);
    start_on(2, 4, task);
    sem_wait(&parent_ended);
    sj_sched_stop(sched);
    sem_destroy(&parent_ended);
}

static uint64_t sum_of_inlined(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < sj_sched_workers(sched); i++)
        sum += sj_sched_counters(sched, 1 + i)->inlined;
    return sum;
}

/* --- a tree: every node spawns two and joins them */

struct node {
    struct sj_task task;
    unsigned depth;
    unsigned leaves; /* plain: join makes it visible */
};

static void run_node(struct sj_task *task)
{
    struct node *node = (struct node *)task;
    struct node children[2];
    struct sj_group group; /* on the stack, to be gone as soon as join returns */

    node->leaves = node->depth == 0;
    if (node->depth == 0)
        return;
    sj_group_init(&group);
    for (unsigned i = 0; i < 2; i++) {
        children[i] = (struct node){.task.run = run_node, .depth = node->depth - 1};
        sj_spawn(&group, &children[i].task);
    }
    sj_join(&group);
    node->leaves = children[0].leaves + children[1].leaves;
}

static void groups_nest_on_one_worker(void **state)
{
    struct node root = {.task.run = run_node, .depth = 10};

    (void)state;
    run_on(1, 64, &root.task);
    assert_int_equal(root.leaves, 1024);
    sj_sched_free(sched);
}

static void groups_nest_on_many_workers(void **state)
{
    struct node root = {.task.run = run_node, .depth = 13};

    (void)state;
    run_on(8, 64, &root.task);
    assert_int_equal(root.leaves, 8192);
    sj_sched_free(sched);
}

static void a_full_deque_makes_spawn_run_the_subtask_at_once(void **state)
{
    struct node root = {.task.run = run_node, .depth = 8};

    (void)state;
    run_on(1, 2, &root.task);
    assert_int_equal(root.leaves, 256);
    assert_true(sum_of_inlined() > 0);
    sj_sched_free(sched);
}

/* --- a group into which its own subtasks spawn */

#define N_CHAIN 500

struct chain {
    struct sj_task tasks[N_CHAIN];
    struct sj_task parent;
    uint64_t n_run;
    uint64_t n_run_at_join;
};

static struct chain chain;

static void run_link(struct sj_task *task)
{
    ck_pr_inc_64(&chain.n_run);
    if (task + 2 < chain.tasks + N_CHAIN && (task - chain.tasks) % 2 == 0) {
        task[2].run = run_link;
        sj_spawn(task->group, &task[2]);
    }
}

static void run_chain(struct sj_task *task)
{
    struct sj_group group;

    (void)task;
    sj_group_init(&group);
    for (unsigned i = 0; i < 2; i++) {
        chain.tasks[i].run = run_link;
        sj_spawn(&group, &chain.tasks[i]);
    }
    sj_join(&group);
    chain.n_run_at_join = ck_pr_load_64(&chain.n_run);
}

static void a_subtask_may_spawn_into_its_own_group(void **state)
{
    (void)state;
    chain = (struct chain){.parent.run = run_chain};
    run_on(3, 64, &chain.parent);
    assert_int_equal(chain.n_run_at_join, N_CHAIN / 2 + 1);
    sj_sched_free(sched);
}

/* --- who runs what while a join waits */

struct order {
    struct sj_task first, second, subtask;
    bool has_first_ended, is_second_late;
};

static struct order order;

static void note_second(struct sj_task *task)
{
    (void)task;
    order.is_second_late = order.has_first_ended;
}

static void do_nothing(struct sj_task *task)
{
    (void)task;
}

static void submit_is_not_for_joiners(struct sj_task *task)
{
    struct sj_group group;

    (void)task;
    sj_group_init(&group);
    sj_spawn(&group, &order.subtask);
    sj_join(&group); /* the second heavy task waits in the queue all the time */
    order.has_first_ended = true;
}

static void a_join_takes_no_heavy_task(void **state)
{
    struct sj_sched_config config = {
        .n_loops = 1, .n_workers = 1, .quick_length = 2, .heavy_length = 4};

    (void)state;
    order = (struct order){.first.run = submit_is_not_for_joiners,
                           .second.run = note_second,
                           .subtask.run = do_nothing};
    assert_int_equal(sj_sched_new(&config, &sched), 0);
    assert_int_equal(sj_sched_submit(sched, &order.first), 0);
    assert_int_equal(sj_sched_submit(sched, &order.second), 0);
    assert_int_equal(sj_sched_start(sched), 0);
    sj_sched_stop(sched);
    assert_true(order.is_second_late);
    sj_sched_free(sched);
}

struct sleepers {
    struct sj_task parent, child;
    sem_t child_runs;
    uint64_t parks_before; /* of all workers */
    bool has_child_ended, was_right;
};

static struct sleepers sleepers;

static uint64_t parks_of_all(void)
{
    return ck_pr_load_64(&sj_sched_counters(sched, 1)->parks) +
           ck_pr_load_64(&sj_sched_counters(sched, 2)->parks);
}

static void run_child(struct sj_task *task)
{
    (void)task;
    sleepers.parks_before = parks_of_all();
    sem_post(&sleepers.child_runs);
    while (parks_of_all() == sleepers.parks_before)
        sched_yield(); /* until the joiner, the only other worker, has gone to sleep */
    sleepers.has_child_ended = true;
}

static void run_parent(struct sj_task *task)
{
    struct sj_group group;

    (void)task;
    sj_group_init(&group);
    sj_spawn(&group, &sleepers.child);
    sem_wait(&sleepers.child_runs); /* hangs unless the other worker is woken and steals it */
    sj_join(&group);                /* hangs unless the child wakes this one */
    sleepers.was_right = sleepers.has_child_ended;
    sem_post(&parent_ended);
}

static void the_last_subtask_wakes_the_sleeping_joiner(void **state)
{
    (void)state;
    sleepers = (struct sleepers){.parent.run = run_parent, .child.run = run_child};
    sem_init(&sleepers.child_runs, 0, 0);
    run_on_both(&sleepers.parent);
    assert_true(sleepers.was_right);
    sj_sched_free(sched);
    sem_destroy(&sleepers.child_runs);
}

/* --- many short groups: a finisher that touched its group too late would show */

#define N_ROUNDS 3000

static unsigned n_wrong;

static void count_up(struct sj_task *task)
{
    struct node *node = (struct node *)task;

    node->leaves++;
}

static void run_rounds(struct sj_task *task)
{
    (void)task;
    for (unsigned i = 0; i < N_ROUNDS; i++) {
        struct node nodes[3] = {{.depth = 0}};
        struct sj_group group;

        sj_group_init(&group);
        for (unsigned j = 0; j < 3; j++) {
            nodes[j].task.run = count_up;
            sj_spawn(&group, &nodes[j].task);
        }
        sj_join(&group);
        for (unsigned j = 0; j < 3; j++)
            n_wrong += nodes[j].leaves != 1;
        n_wrong += group.own + group.others != 0;
        group.others = 1000; /* nobody may read or write it any more */
    }
}

static void after_the_join_nobody_touches_the_group(void **state)
{
    struct sj_task task = {.run = run_rounds};

    (void)state;
    n_wrong = 0;
    run_on(4, 16, &task);
    assert_int_equal(n_wrong, 0);
    sj_sched_free(sched);
}

/* --- what a worker makes of what it steals */

#define N_STOLEN 40

static uint64_t n_stolen;

static void note_stolen(struct sj_task *task)
{
    (void)task;
    ck_pr_inc_64(&n_stolen);
}

static void give_away(struct sj_task *task)
{
    struct sj_task parts[N_STOLEN];
    struct sj_group group;

    (void)task;
    sj_group_init(&group);
    for (unsigned i = 0; i < N_STOLEN; i++) {
        parts[i] = (struct sj_task){.run = note_stolen};
        sj_spawn(&group, &parts[i]);
        while (ck_pr_load_64(&n_stolen) == i)
            sched_yield(); /* until the other worker has run it */
    }
    sj_join(&group);
    sem_post(&parent_ended);
}

static void steal_from_another(uint64_t step)
{
    struct sj_task parent = {.run = give_away};

    n_stolen = n_naps = 0;
    step_ns = step;
    run_on_both(&parent);
}

static void a_thief_of_tiny_subtasks_naps_after_a_row_of_them(void **state)
{
    (void)state;
    steal_from_another(0);
    assert_int_equal(n_naps, N_STOLEN - 31); /* N_SMALL in core/worker.c */
    sj_sched_free(sched);
}

static void a_thief_of_longer_subtasks_does_not_nap(void **state)
{
    (void)state;
    steal_from_another(1000000);
    assert_int_equal(n_naps, 0);
    sj_sched_free(sched);
}

static void subtasks_are_counted_and_only_what_was_submitted_is_timed(void **state)
{
    uint64_t n_tasks = 0, n_timed = 0;

    (void)state;
    steal_from_another(0);
    for (unsigned i = 1; i <= 2; i++) {
        const struct sj_counters *counters = sj_sched_counters(sched, i);

        n_tasks += counters->tasks;
        n_timed += sj_histogram_count(&counters->run_time);
        n_timed += sj_histogram_count(&counters->queue_delay);
    }
    assert_int_equal(n_tasks, 1 + N_STOLEN);
    assert_int_equal(n_timed, 2); /* how long it waited and how long it ran */
    sj_sched_free(sched);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_nest_on_one_worker),
        cmocka_unit_test(groups_nest_on_many_workers),
        cmocka_unit_test(a_full_deque_makes_spawn_run_the_subtask_at_once),
        cmocka_unit_test(a_subtask_may_spawn_into_its_own_group),
        cmocka_unit_test(a_join_takes_no_heavy_task),
        cmocka_unit_test(the_last_subtask_wakes_the_sleeping_joiner),
        cmocka_unit_test(after_the_join_nobody_touches_the_group),
        cmocka_unit_test(a_thief_of_tiny_subtasks_naps_after_a_row_of_them),
        cmocka_unit_test(a_thief_of_longer_subtasks_does_not_nap),
        cmocka_unit_test(subtasks_are_counted_and_only_what_was_submitted_is_timed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
