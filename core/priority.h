/* SPDX-License-Identifier: MIT */
#ifndef SJ_CORE_PRIORITY_H
#define SJ_CORE_PRIORITY_H
/*
 * How a thread stands with the kernel's scheduler.
 *
 *   lowered    SCHED_OTHER at a higher nice value: a smaller share, yet its time slice goes on when
 *              another thread wakes
 *   yielding   SCHED_IDLE: preempted at once by any thread that wakes; next to nothing of a core
 *              that others fill
 *   entitled   SCHED_OTHER again, at its nice value
 *
 * Everybody may yield.  To be entitled again takes CAP_SYS_NICE, or an RLIMIT_NICE that allows the
 * thread's nice value; a system-call filter can forbid each step.
 */
#include <pthread.h>

/* The calling thread: `by` is added to its nice value, as far as 19.  0 or -errno. */
int sj_priority_lower(int by);

/* Any thread, of any in the process that has not ended.  0 or -errno. */
int sj_priority_yield(pthread_t thread);
int sj_priority_entitle(pthread_t thread);

/* Whether a thread that is lowered by that can yield and be entitled again: a short-lived one
 * tries.  0 or -errno; waits for it. */
int sj_priority_try(int by);

#endif
