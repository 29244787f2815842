/* SPDX-License-Identifier: MIT */
#ifndef SJ_CORE_GUARD_H
#define SJ_CORE_GUARD_H
/*
 * The workers' guard: they yield to every other thread (core/priority.h), but do not starve.
 *
 * While a heavy task is queued or in work, the controlling thread looks every 100 ms at the workers
 * and at who is in a blocking section, as such may compute, too. When one had a task all the while,
 * wanted a core and got less than a tenth of one, all of them are entitled for half a second, then
 * they try again; if they starve at once, for twice as long, up to 8 s.  All, as a build waits for
 * the slowest of them.  Without heavy tasks nothing ticks: the submitter of the first one calls the
 * guard.
 */
#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct sj_sched;

/* The controlling thread, after sj_sched_start, once: from now on workers yield.  Until
 * sj_sched_stop, which entitles them, events of `base` look after them.  0, also when `worker_nice`
 * is 0: they do not yield then; or -errno, and they go on as they were: what sj_priority_try
 * says, or want of memory or descriptors. */
int sj_guard_start(struct sj_sched *sched, struct event_base *base);

/* What there is to see of a worker, or of one that has left its place. */
struct sj_guard_look {
    uint64_t at_ns;  /* monotonic */
    uint64_t cpu_ns; /* that it has used so far */
    uint64_t parks;  /* that it has begun so far; how often it has left */
    bool is_parked;  /* has no task */
};

/* Pure.  Whether it had a task all the while from one look to the next, and got less than a tenth
 * of a core.  It may have slept in its task. */
bool sj_guard_is_short(const struct sj_guard_look *before, const struct sj_guard_look *after);

/* Pure.  Whether it runs or could, by the text of its stat file in proc(5).  What is not said there
 * is taken for want. */
bool sj_guard_wants_core(const char *stat);

#endif
