/* SPDX-License-Identifier: MIT */
#ifndef SJ_CORE_GROUP_H
#define SJ_CORE_GROUP_H
/*
 * Fork-join on the workers: a task that runs on a worker spawns subtasks and joins them.
 *
 *     struct sj_group group;
 *     sj_group_init(&group);
 *     for each part: sj_spawn(&group, &part->task);
 *     sj_join(&group);
 *
 * While it waits, sj_join runs subtasks: its own newest first, then stolen ones, but no new heavy
 * task, which could be long.  It sleeps when there is none.  (R. Blumofe, C. Leiserson,
 * "Scheduling multithreaded computations by work stealing", JACM 1999; child stealing.)
 * Groups nest.  A subtask may spawn into its own group.
 *
 * A subtask costs the worker that spawned it two locked instructions, some ten nanoseconds; one
 * that is stolen costs some hundred, so a subtask of less than half a microsecond is better not
 * made.  Where all are that small, workers steal less often.
 */
#include "core/task.h"

struct sj_worker;

struct sj_group {
    uint32_t own;             /* pending subtasks, counted in the joiner's place ... */
    uint32_t others;          /* ... and elsewhere; negative where they ended there */
    struct sj_worker *joiner; /* who is to be woken when the sum becomes 0 */
};

/* On a worker's thread; it is the one that will join. */
void sj_group_init(struct sj_group *group);

/* On any worker's thread, before the join has returned.  When the worker's deque is full the
 * subtask is run at once: it never fails. */
void sj_spawn(struct sj_group *group, struct sj_task *task);

/* The thread that called init.  All that the subtasks wrote is visible afterwards. */
void sj_join(struct sj_group *group);

#endif
