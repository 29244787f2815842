/* SPDX-License-Identifier: MIT */
/* Tasks that do nothing but compute. */
#include "bench/tasks/tasks.h"
#include <errno.h>
#include <inttypes.h>
#include <time.h>

enum { CPU_US = 800, SPIN_MS = 1000, FORK_N = 1000000, LEAF = 1000 };
enum { TRIES = 50, TRY_ROUNDS = 100000 };

static uint64_t clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The same arithmetic as in peers/tasks.go; never 0. */
static uint64_t compute(uint64_t rounds)
{
    uint64_t x = 88172645463325252;

    for (uint64_t i = 0; i < rounds; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    return x;
}

/* By the quickest of many runs, as what else the machine does only ever makes one longer. */
double tasks_calibrate(void)
{
    uint64_t least_ns = UINT64_MAX;

    for (unsigned i = 0; i < TRIES; i++) {
        uint64_t began = clock_ns(), took;
        if (compute(TRY_ROUNDS) == 0)
            return 0;
        took = clock_ns() - began;
        least_ns = took < least_ns ? took : least_ns;
    }
    return TRY_ROUNDS * 1e3 / (double)least_ns;
}

int tasks_cpu(struct sj_call *call)
{
    const struct tasks *tasks = sj_call_context(call);
    uint64_t us;
    int got = tasks_number(call, "us", CPU_US, &us);

    if (got != 0)
        return got;
    if (compute((uint64_t)(tasks->rounds_per_us * (double)us)) == 0)
        return -EDOM;
    return tasks_answer_number(call, "burned %" PRIu64 " us\n", us);
}

int tasks_spin(struct sj_call *call)
{
    uint64_t ms, began = clock_ns();
    int got = tasks_number(call, "ms", SPIN_MS, &ms);

    if (got != 0)
        return got;
    while (clock_ns() - began < ms * 1000000)
        continue;
    return tasks_answer_number(call, "spun %" PRIu64 " ms\n", ms);
}

struct part {
    struct sj_subtask subtask;
    uint64_t first, count, sum;
};

/* Of first, first + 1 ...: by halves, one of which anybody may take. */
static void add_up(struct sj_subtask *subtask)
{
    struct part *part = (struct part *)subtask;

    part->sum = 0;
    if (part->count <= LEAF) {
        for (uint64_t i = 0; i < part->count; i++)
            part->sum += part->first + i;
        return;
    }
    uint64_t half = part->count / 2;
    struct part left = {{.run = add_up}, part->first, half, 0};
    struct part right = {{.run = add_up}, part->first + half, part->count - half, 0};
    struct sj_fork fork;
    sj_fork_begin(&fork);
    sj_fork_spawn(&fork, &left.subtask);
    add_up(&right.subtask);
    sj_fork_join(&fork);
    part->sum = left.sum + right.sum;
}

int tasks_fork(struct sj_call *call)
{
    struct part all = {{.run = add_up}, 1, 0, 0};
    int got = tasks_number(call, "n", FORK_N, &all.count);

    if (got != 0)
        return got;
    add_up(&all.subtask);
    return tasks_answer_number(call, "sum %" PRIu64 "\n", all.sum);
}
