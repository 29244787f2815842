/* SPDX-License-Identifier: MIT */
/* Fork-join, and what it takes to wake a thread that sleeps. */
#include "bench/micro.h"
#include <semaphore.h>
#include <stdlib.h>
#include <unistd.h>
#include "core/clock.h"
#include "core/group.h"
#include "core/loop.h"
#include "core/sched.h"

enum { SUBTASKS = 256, SETTLE_US = 1000, WAKEUPS = 200 };

struct fork {
    struct sj_task task;
    struct sj_task subtasks[SUBTASKS];
    uint64_t n, took_ns;
    sem_t done;
};

static void do_nothing(struct sj_task *task)
{
    (void)task;
}

static void fork_and_join(struct sj_task *task)
{
    struct fork *fork = (struct fork *)task;
    struct sj_group group;

    uint64_t began = sj_clock_ns();
    for (uint64_t i = 0; i < fork->n; i += SUBTASKS) {
        sj_group_init(&group);
        for (size_t j = 0; j < SUBTASKS; j++) {
            fork->subtasks[j] = (struct sj_task){.run = do_nothing};
            sj_spawn(&group, &fork->subtasks[j]);
        }
        sj_join(&group);
    }
    fork->took_ns = sj_clock_ns() - began;
    sem_post(&fork->done);
}

static uint64_t spawn_join(struct micro *micro, uint64_t n)
{
    struct fork *fork = calloc(1, sizeof *fork);
    micro_must(fork != NULL, "memory");
    fork->task.run = fork_and_join;
    fork->n = n;
    sem_init(&fork->done, 0, 0);
    micro_must(sj_sched_submit(micro->sched, &fork->task) == 0, "submit");
    sem_wait(&fork->done);
    uint64_t took = fork->took_ns;
    free(fork);
    return took;
}

struct call {
    struct sj_message message;
    struct sj_task task;
    uint64_t arrived_ns;
    sem_t arrived;
};

static void arrive(struct call *call)
{
    call->arrived_ns = sj_clock_ns();
    sem_post(&call->arrived);
}

static void deliver_call(struct sj_message *message)
{
    arrive((struct call *)message);
}

static void run_call(struct sj_task *task)
{
    arrive((struct call *)((char *)task - offsetof(struct call, task)));
}

enum part { SENDER, LATENCY };

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Sends n calls, each to a thread that has had time to go to sleep; n times the median. */
static uint64_t wake(struct micro *micro, uint64_t n, enum part part,
                     void (*send)(struct micro *micro, struct call *call))
{
    uint64_t times[WAKEUPS];
    struct call call;

    sem_init(&call.arrived, 0, 0);
    for (uint64_t i = 0; i < n; i++) {
        usleep(SETTLE_US);
        uint64_t began = sj_clock_ns();
        send(micro, &call);
        uint64_t sent = sj_clock_ns();
        sem_wait(&call.arrived);
        times[i] = (part == SENDER ? sent : call.arrived_ns) - began;
    }
    qsort(times, n, sizeof *times, compare);
    return times[n / 2] * n;
}

static void send_to_loop(struct micro *micro, struct call *call)
{
    call->message = (struct sj_message){.deliver = deliver_call};
    sj_loop_post(sj_sched_loop(micro->sched, 0), &call->message);
}

static void send_to_worker(struct micro *micro, struct call *call)
{
    call->task = (struct sj_task){.run = run_call};
    micro_must(sj_sched_submit(micro->sched, &call->task) == 0, "submit");
}

static uint64_t wake_loop_sender(struct micro *micro, uint64_t n)
{
    return wake(micro, n, SENDER, send_to_loop);
}

static uint64_t wake_loop_latency(struct micro *micro, uint64_t n)
{
    return wake(micro, n, LATENCY, send_to_loop);
}

static uint64_t wake_worker_sender(struct micro *micro, uint64_t n)
{
    return wake(micro, n, SENDER, send_to_worker);
}

static uint64_t wake_worker_latency(struct micro *micro, uint64_t n)
{
    return wake(micro, n, LATENCY, send_to_worker);
}

const struct micro_row micro_sched_rows[] = {
    {"spawn and join of an empty subtask, 256 a group", 1 << 18, spawn_join},
    {"message to a sleeping loop: the sender's cost", WAKEUPS, wake_loop_sender},
    {"message to a sleeping loop: until delivered", WAKEUPS, wake_loop_latency},
    {"task for a sleeping worker: the sender's cost", WAKEUPS, wake_worker_sender},
    {"task for a sleeping worker: until it runs", WAKEUPS, wake_worker_latency},
    {NULL, 0, NULL},
};
