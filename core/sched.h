/* SPDX-License-Identifier: MIT */
#ifndef SJ_CORE_SCHED_H
#define SJ_CORE_SCHED_H
/*
 * The scheduler: loops that run quick tasks, workers that run heavy ones.
 *
 *   quick   a few microseconds (a static hit).  Pushed by a loop on its own quick deque and
 *           drained by it, oldest first, after each turn of its event loop; an idle loop steals
 *           the oldest.  A peer is woken only for a backlog worth more than `wake_worth_ns`,
 *           by the measured mean run time: a wake-up costs 7-10 us and starts 20-28 us later.
 *   heavy   anything else.  Submitted by a loop or by the controlling thread on the submitter's
 *           heavy deque; any worker takes the oldest.  Workers run at low priority, or yield
 *           (core/guard.h), so that loops preempt them; a loop never runs a heavy task.
 *   subtask sj_spawn, by a task that runs on a worker; see core/group.h.
 *
 * Every queue is bounded: a full one refuses (-EAGAIN) and never drops.  Idle threads sleep
 * (core/idle.h); nothing spins or ticks.
 *
 * The controlling thread is the one that calls new, start, stop and free.  Threads: one a loop,
 * one a worker; all signals are blocked in them.
 */
#include <stdint.h>
#include "core/counters.h"
#include "core/task.h"

struct sj_sched;
struct sj_loop;

#define SJ_LOOPS_MAX   64
#define SJ_WORKERS_MAX 64
#define SJ_SPARES_MAX  256

struct sj_sched_config {
    unsigned n_loops;      /* 1 to SJ_LOOPS_MAX */
    unsigned n_workers;    /* 1 to SJ_WORKERS_MAX */
    unsigned quick_length; /* tasks a loop can queue */
    unsigned heavy_length; /* tasks a submitter can queue, and subtasks a worker */
    unsigned n_spares;     /* threads for workers that block, at most (core/blocking.h) */
    int worker_nice;       /* added to the process's own nice value, 0 to 19 */
    uint64_t wake_worth_ns;
};

/* 0 and `*sched`; -EINVAL: a value out of range; or another -errno.  No thread runs yet: event
 * bases may be used by the caller. */
int sj_sched_new(const struct sj_sched_config *config, struct sj_sched **sched);

/* Starts all threads: 0, or -errno and none runs. */
int sj_sched_start(struct sj_sched *sched);

/* Orderly: from now on loops accept no task, quick or heavy; every accepted task runs; every
 * message is delivered; event callbacks go on until then.  Blocks until all threads have
 * ended.  Whoever wants connections to end first sees to that before (http/server.c does). */
void sj_sched_stop(struct sj_sched *sched);

/* Any thread; a moment's answer: the heavy tasks that stop would wait for. */
unsigned sj_sched_in_work(struct sj_sched *sched);

/* After stop: delivers, on the calling thread, what other threads have posted to loops since. */
void sj_sched_flush(struct sj_sched *sched);

/* After stop, or instead of start. */
void sj_sched_free(struct sj_sched *sched);

/* The controlling thread, or a loop's.  0: `task` will run once, on some worker.  -EAGAIN: the
 * submitter's queue is full, or the scheduler is stopping; nothing changed. */
int sj_sched_submit(struct sj_sched *sched, struct sj_task *task);

unsigned sj_sched_loops(const struct sj_sched *sched);
unsigned sj_sched_workers(const struct sj_sched *sched);
struct sj_loop *sj_sched_loop(const struct sj_sched *sched, unsigned index);

/* After start: 0, or -errno of the system call that should have given some worker its lower
 * priority (a system-call filter can forbid it); it then runs at the process's own. */
int sj_sched_nice_error(const struct sj_sched *sched);

/* Any thread; a moment's values.  Loops first, then workers: 0 <= index < loops + workers. */
const struct sj_counters *sj_sched_counters(const struct sj_sched *sched, unsigned index);

#endif
