/* SPDX-License-Identifier: MIT */
#ifndef SJ_CORE_YIELD_H
#define SJ_CORE_YIELD_H
/*
 * Whether a loop that has run dry shall let others have its core (sched_yield) before it sleeps.
 *
 * Who is ready on the same core goes first then.  If that is a client (a proxy before the server,
 * an application beside it, a load generator) it asks for all that it wants before the loop looks:
 * one batch, where the first request alone would have woken it.  A file of 1 KB at 64 connections
 * of a client on the same cores takes 3.7 us of CPU instead of 5.3.
 *
 * With nobody there, or only threads of other scheduling groups (cgroups; sessions, under
 * autogroup), it is 0.4 us for nothing.  With somebody who fills the core, requests wait for the
 * rest of a time slice.  So it takes four tasks since the loop last slept or yielded, and each one
 * is timed:
 *
 *   below 2 us   nobody was there.  Eight of these: no more for 10 ms
 *   to 1 ms      worth it; the next pause below becomes a quarter shorter, once in 64 ms
 *   above        Four of these, or one of 3 ms: no more for 64 ms, for twice as long the next time,
 *                and so on up to 2 s.  Fewer may be a client that has fallen behind in a pause, and
 *                is given more to do by another loop meanwhile: with two, pauses outlived a hog
 *                by many seconds.  A whole slice may be the host's, of a virtual machine: some a
 *                second shall not keep the loop from it
 *
 * One that was worth it forgets those before it.  Pure; of one thread.
 */
#include <stdbool.h>
#include <stdint.h>

#define SJ_YIELD_TASKS 4

struct sj_yield {     /* starts as all zero */
    unsigned n_tasks; /* the loop adds what it runs, and forgets it when it sleeps */
    unsigned n_vain;
    unsigned n_long;
    uint64_t pause_ns; /* the next one for long ones, unless that is below the least */
    uint64_t eased_ns; /* when it became shorter */
    uint64_t paused_till_ns;
};

static inline bool sj_yield_may(const struct sj_yield *yield, uint64_t now_ns)
{
    return yield->n_tasks >= SJ_YIELD_TASKS && now_ns >= yield->paused_till_ns;
}

/* One has just ended, and took `ns`. */
void sj_yield_took(struct sj_yield *yield, uint64_t now_ns, uint64_t ns);

#endif
