/* SPDX-License-Identifier: MIT */
#ifndef SJ_CORE_TASK_H
#define SJ_CORE_TASK_H
/*
 * A task: one piece of work that runs once, to its end, on one thread.
 *
 * It is embedded in what it works on (a connection, a build); the scheduler
 * owns it from the moment it is accepted until `run` is called, and never
 * touches it after that: `run` may free or reuse it.
 */
#include <stdint.h>

struct sj_group;

struct sj_task {
    void (*run)(struct sj_task *task);
    uint64_t queued_ns;     /* monotonic; set by the scheduler, but not of a subtask */
    struct sj_group *group; /* of spawn and join; else NULL */
};

#endif
