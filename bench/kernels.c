/* SPDX-License-Identifier: MIT */
/*
 * The trees of peers/kernels.h, and other operations of a scheduler, on ours: kernels WORKERS.
 */
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <unistd.h>
#include "bench/peers/kernels.h"
#include "core/deque.h"
#include "core/group.h"
#include "core/pr.h"
#include "core/sched.h"
#include "core/thread.h"

struct visit {
    struct sj_task task;
    const struct kernel *kernel;
    struct node node;
    struct sum sum;
};

struct run {
    struct sj_task task;
    const struct kernel *kernel;
    struct sum sum;
    uint64_t took_ns, arrived_ns;
    sem_t done;
};

static void visit(struct visit *visit)
{
    struct node children[CHILDREN];
    struct visit visits[CHILDREN];
    struct sj_group group;

    visit->sum = (struct sum){0, 1};
    unsigned n = visit->kernel->expand(&visit->node, children, &visit->sum.value);
    if (n == 0)
        return;
    visit->sum.value = 0;
    sj_group_init(&group);
    for (unsigned i = 0; i < n; i++) {
        visits[i].task = (struct sj_task){.run = visit->task.run};
        visits[i].kernel = visit->kernel;
        visits[i].node = children[i];
        sj_spawn(&group, &visits[i].task);
    }
    sj_join(&group);
    for (unsigned i = 0; i < n; i++) {
        visit->sum.value += visits[i].sum.value;
        visit->sum.tasks += visits[i].sum.tasks;
    }
}

static void run_visit(struct sj_task *task)
{
    visit((struct visit *)task);
}

static void run_kernel(struct sj_task *task)
{
    struct run *run = (struct run *)task;
    struct visit root = {
        .task = {.run = run_visit}, .kernel = run->kernel, .node = run->kernel->root};

    uint64_t began = now_ns();
    visit(&root);
    run->took_ns = now_ns() - began;
    run->sum = root.sum;
    sem_post(&run->done);
}

static void do_nothing(struct sj_task *task)
{
    (void)task;
}

static void run_spawn(struct sj_task *task)
{
    struct run *run = (struct run *)task;
    static _Thread_local struct sj_task tasks[GROUP];
    struct sj_group group;

    uint64_t began = now_ns();
    for (unsigned i = 0; i < SPAWNED; i += GROUP) {
        sj_group_init(&group);
        for (unsigned j = 0; j < GROUP; j++) {
            tasks[j] = (struct sj_task){.run = do_nothing};
            sj_spawn(&group, &tasks[j]);
        }
        sj_join(&group);
    }
    run->took_ns = now_ns() - began;
    sem_post(&run->done);
}

static void run_arrival(struct sj_task *task)
{
    struct run *run = (struct run *)task;

    run->arrived_ns = now_ns();
    sem_post(&run->done);
}

static void must(int error, const char *what)
{
    if (error != 0) {
        fprintf(stderr, "kernels: failed: %s\n", what);
        exit(1);
    }
}

static void run_one(struct sj_sched *sched, struct run *run)
{
    must(sj_sched_submit(sched, &run->task), "submit");
    sem_wait(&run->done);
}

static void time_trees(struct sj_sched *sched, struct run *run)
{
    for (unsigned i = 0; i < KERNELS; i++) {
        run->kernel = &kernels[i];
        run->task = (struct sj_task){.run = run_kernel};
        run_one(sched, run);
        print_figure(run->kernel->name, run->took_ns, run->sum.tasks, run->sum.value);
    }
}

static void time_wake(struct sj_sched *sched, struct run *run)
{
    uint64_t times[WAKEUPS];

    for (unsigned i = 0; i < WAKEUPS; i++) {
        usleep(SETTLE_US);
        uint64_t began = now_ns();
        run->task = (struct sj_task){.run = run_arrival};
        run_one(sched, run);
        times[i] = run->arrived_ns - began;
    }
    print_wake(times);
}

static void *steal_all(void *argument)
{
    struct sj_task *task;

    for (unsigned taken = 0; taken < STREAMED;) {
        if (sj_deque_steal(argument, &task) == SJ_STEAL_OK)
            taken++;
        else
            ck_pr_stall();
    }
    return NULL;
}

static void time_stream(void)
{
    struct sj_deque *deque = sj_deque_new(QUEUE);
    struct sj_task task;
    pthread_t thief;

    must(deque == NULL, "memory");
    must(pthread_create(&thief, NULL, steal_all, deque), "thread");
    uint64_t began = now_ns();
    for (unsigned i = 0; i < STREAMED;) {
        if (sj_deque_push(deque, &task))
            i++;
        else
            ck_pr_stall();
    }
    pthread_join(thief, NULL);
    print_figure("stream", now_ns() - began, STREAMED, 0);
    sj_deque_free(deque);
}

int main(int argc, char **argv)
{
    const struct sj_sched_config config = {.n_loops = 1,
                                           .n_workers = workers_of(argc, argv),
                                           .quick_length = 1024,
                                           .heavy_length = 1024,
                                           .wake_worth_ns = 30000};
    struct sj_sched *sched;
    struct run run = {.task = {.run = run_spawn}};

    sem_init(&run.done, 0, 0);
    must(sj_thread_enter(), "thread");
    must(sj_sched_new(&config, &sched), "scheduler");
    must(sj_sched_start(sched), "scheduler's start");
    usleep(SETTLE_US);
    run_one(sched, &run);
    print_figure("spawn", run.took_ns, SPAWNED, 0);
    time_trees(sched, &run);
    time_wake(sched, &run);
    time_stream();
    sj_sched_stop(sched);
    sj_sched_free(sched);
    return 0;
}
