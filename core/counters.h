/* SPDX-License-Identifier: MIT */
#ifndef SJ_CORE_COUNTERS_H
#define SJ_CORE_COUNTERS_H
/*
 * What the scheduler counts: one struct a thread, written by that thread only
 * (relaxed stores, no locked instruction), read by any.  One row a counter:
 * SJ_COUNTER(name, help).
 */
#include <stdint.h>
#include "core/histogram.h"
#include "core/pr.h"

#define SJ_COUNTERS(SJ_COUNTER)                                            \
    SJ_COUNTER(polls, "turns of the event loop")                           \
    SJ_COUNTER(tasks, "tasks run")                                         \
    SJ_COUNTER(inlined, "subtasks run at once because the deque was full") \
    SJ_COUNTER(rejected, "tasks refused because a queue was full")         \
    SJ_COUNTER(blocked, "places that a spare thread has taken")            \
    SJ_COUNTER(steals_ok, "tasks stolen")                                  \
    SJ_COUNTER(steals_lost, "steals lost to another thread")               \
    SJ_COUNTER(steals_empty, "rounds over all victims that found nothing") \
    SJ_COUNTER(wakeups_sent, "other threads woken")                        \
    SJ_COUNTER(wakeups_needless, "wake-ups received that found no work")   \
    SJ_COUNTER(parks, "polls and waits that were free to sleep")           \
    SJ_COUNTER(yields, "times that others on the core were let go first")  \
    SJ_COUNTER(messages, "mailbox messages delivered")

struct sj_counters {
#define SJ_COUNTER(name, help) uint64_t name;
    SJ_COUNTERS(SJ_COUNTER)
#undef SJ_COUNTER
    /* These two: not of subtasks, which are too short. */
    struct sj_histogram queue_delay; /* of a request from when it was read */
    struct sj_histogram run_time; /* without what tasks leave to be done together (core/loop.h) */
};

/* The owning thread only. */
static inline void sj_count(uint64_t *counter, uint64_t by)
{
    ck_pr_store_64(counter, *counter + by);
}

#endif
