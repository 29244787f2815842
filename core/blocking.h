/* SPDX-License-Identifier: MIT */
#ifndef SJ_CORE_BLOCKING_H
#define SJ_CORE_BLOCKING_H
/*
 * Blocking sections: a task on a worker says that it will sleep, wait for the network or the disk.
 *
 *     sj_blocking_enter();
 *     ... block ...
 *     sj_blocking_leave();
 *
 * Meanwhile a spare thread has the worker's place and runs its tasks, so that as many threads as
 * there are workers stay runnable.  Spares are made when they are first needed, at most
 * `n_spares` (core/sched.h), and end when they have had nothing to do for some seconds.  Beyond
 * that the worker simply blocks, and tasks wait.
 *
 * A computation of seconds may be one as well, so that other tasks have the place meanwhile; the
 * two then share the cores.
 *
 * Within a section a task has no place: it may post and log, but not spawn or join.
 */

/* On any thread; on one that has no worker's place nothing happens.  Sections nest. */
void sj_blocking_enter(void);

/* Waits for a place: the first whose task ends, or, when the task has begun a group, the one that
 * it left.  A task that was submitted (not spawned) may leave this out when it has nothing else to
 * do: it ends within its section. */
void sj_blocking_leave(void);

/* Ends all sections that the calling thread is in. */
void sj_blocking_come_back(void);

/* From now on `*blocks` (ck_pr) becomes 1 when the calling thread begins a section, in whatever
 * subtask; NULL: nobody wants to know any more. */
void sj_blocking_watch(unsigned *blocks);

/* How many sections the calling thread has begun since it started; 0 on one that is nobody's. */
unsigned sj_blocking_count(void);

#endif
