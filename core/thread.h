/* SPDX-License-Identifier: MIT */
#ifndef SJ_CORE_THREAD_H
#define SJ_CORE_THREAD_H
/*
 * Who am I: the calling thread's number and, for a loop or a worker, its object.
 * The numbers are process-wide and dense: 0 <= number < SJ_THREADS_MAX.  Whoever
 * keeps something for each thread (epoch records, log channels) indexes by it.
 */
#include <stdbool.h>
#include <stdint.h>

#define SJ_THREADS_MAX 512 /* loops, workers and as many spares as core/blocking.h allows */

struct sj_loop;
struct sj_worker;
struct sj_hand;

struct sj_thread {
    unsigned number;
    struct sj_loop *loop;     /* set on a loop's thread, else NULL */
    struct sj_worker *worker; /* set on a thread that has a worker's place, else NULL */
    struct sj_hand *hand;     /* set on a thread that takes workers' places, else NULL */
    struct sj_worker *left;   /* whose place it left in order to block, else NULL */
    bool is_bound;            /* its task has begun a group, and goes on in the same place */
    unsigned n_blocking;      /* depth of blocking sections (core/blocking.h) */
    unsigned n_blocked;       /* how many there have been */
    unsigned *blocks;         /* ck_pr: becomes 1 with the next one; NULL: nobody wants to know */
};

/* The calling thread takes the lowest free number: 0; or -EAGAIN when all are taken.
 * Entering twice is allowed and counts as one. */
int sj_thread_enter(void);

/* Gives the number back. */
void sj_thread_leave(void);

/* The calling thread's own; NULL when it has not entered. */
struct sj_thread *sj_self(void);

#endif
