/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_DEADLINE_H
#define SJ_HTTP_DEADLINE_H
/*
 * Deadlines of many items, few different durations, one timer.
 *
 * Every item is in one queue; all items of a queue wait for the same duration, so each queue is in
 * the order of its deadlines by itself: setting one costs a few pointers, whatever their number.
 * The timer is armed for the earliest head and otherwise left alone: an idle server does not tick.
 *
 * The owning loop's thread only.
 */
#include <stdint.h>
#include <sys/queue.h>
#include <event2/event.h>
#include <event2/event_struct.h>

#define SJ_DEADLINE_QUEUES 8

struct sj_deadline {
    TAILQ_ENTRY(sj_deadline) link;
    uint64_t since_ns; /* when it was set */
    unsigned queue;
};

TAILQ_HEAD(sj_deadline_queue, sj_deadline);

struct sj_deadlines {
    struct sj_deadline_queue queues[SJ_DEADLINE_QUEUES];
    uint64_t durations_ns[SJ_DEADLINE_QUEUES];
    uint64_t armed_ns; /* when the timer goes off; UINT64_MAX: never */
    struct event timer;
    void (*expire)(struct sj_deadline *deadline, uint64_t now_ns);
};

/* `expire` is called for each item that is due, which must then be set again or cleared. */
void sj_deadlines_init(struct sj_deadlines *deadlines, struct event_base *base,
                       void (*expire)(struct sj_deadline *deadline, uint64_t now_ns));
void sj_deadlines_fini(struct sj_deadlines *deadlines);

/* First set of an item that is in no queue, or again of one that is: at the end of that queue. */
void sj_deadline_add(struct sj_deadlines *deadlines, struct sj_deadline *deadline, unsigned queue,
                     uint64_t now_ns);
void sj_deadline_move(struct sj_deadlines *deadlines, struct sj_deadline *deadline, unsigned queue,
                      uint64_t now_ns);
void sj_deadline_remove(struct sj_deadlines *deadlines, struct sj_deadline *deadline);

#endif
