/* SPDX-License-Identifier: MIT */
#ifndef SJ_CORE_THREAD_H
#define SJ_CORE_THREAD_H
/*
 * Who am I: the calling thread's number and, for a loop or a worker, its object.
 * The numbers are process-wide and dense: 0 <= number < SJ_THREADS_MAX.  Whoever
 * keeps something for each thread (epoch records, log channels) indexes by it.
 */
#include "core/idle.h"

#define SJ_THREADS_MAX SJ_IDLE_MAX

struct sj_loop;
struct sj_worker;

struct sj_thread {
    unsigned number;
    struct sj_loop *loop;     /* set on a loop's thread, else NULL */
    struct sj_worker *worker; /* set on a worker's thread, else NULL */
};

/* The calling thread takes the lowest free number: 0; or -EAGAIN when all are taken.
 * Entering twice is allowed and counts as one. */
int sj_thread_enter(void);

/* Gives the number back. */
void sj_thread_leave(void);

/* The calling thread's own; NULL when it has not entered. */
struct sj_thread *sj_self(void);

#endif
