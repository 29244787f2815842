/* SPDX-License-Identifier: MIT */
#include "http/deadline.h"

#include "core/clock.h"

/* What becomes due within this time of another is left to the same turn of the timer. */
#define SJ_SLACK_NS (50 * 1000000ull)

static void arm(struct sj_deadlines *deadlines, uint64_t now_ns)
{
    uint64_t earliest = UINT64_MAX;

    for (unsigned i = 0; i < SJ_DEADLINE_QUEUES; i++) {
        const struct sj_deadline *head = TAILQ_FIRST(&deadlines->queues[i]);

        if (head != NULL && head->since_ns + deadlines->durations_ns[i] < earliest)
            earliest = head->since_ns + deadlines->durations_ns[i];
    }
    deadlines->armed_ns = earliest;
    if (earliest != UINT64_MAX) {
        uint64_t wait_us = earliest > now_ns ? (earliest - now_ns + SJ_SLACK_NS) / 1000 : 0;
        struct timeval wait = {.tv_sec = (time_t)(wait_us / 1000000),
                               .tv_usec = (suseconds_t)(wait_us % 1000000)};
        if (event_add(&deadlines->timer, &wait) != 0)
            deadlines->armed_ns = UINT64_MAX; /* no memory: the next one tries again */
    }
}

static void on_timer(evutil_socket_t none, short what, void *argument)
{
    struct sj_deadlines *deadlines = argument;
    uint64_t now_ns = sj_clock_ns();

    (void)none;
    (void)what;
    deadlines->armed_ns = 0; /* adding must not arm the timer meanwhile */
    for (unsigned i = 0; i < SJ_DEADLINE_QUEUES; i++) {
        struct sj_deadline *head = TAILQ_FIRST(&deadlines->queues[i]);

        while (head != NULL && head->since_ns + deadlines->durations_ns[i] <= now_ns) {
            deadlines->expire(head, now_ns);
            head = TAILQ_FIRST(&deadlines->queues[i]);
        }
    }
    arm(deadlines, now_ns);
}

void sj_deadlines_init(struct sj_deadlines *deadlines, struct event_base *base,
                       void (*expire)(struct sj_deadline *deadline, uint64_t now_ns))
{
    for (unsigned i = 0; i < SJ_DEADLINE_QUEUES; i++)
        TAILQ_INIT(&deadlines->queues[i]);
    deadlines->armed_ns = UINT64_MAX;
    deadlines->expire = expire;
    evtimer_assign(&deadlines->timer, base, on_timer, deadlines);
}

void sj_deadlines_fini(struct sj_deadlines *deadlines)
{
    event_del(&deadlines->timer);
}

void sj_deadline_add(struct sj_deadlines *deadlines, struct sj_deadline *deadline, unsigned queue,
                     uint64_t now_ns)
{
    deadline->queue = queue;
    deadline->since_ns = now_ns;
    TAILQ_INSERT_TAIL(&deadlines->queues[queue], deadline, link);
    if (now_ns + deadlines->durations_ns[queue] < deadlines->armed_ns)
        arm(deadlines, now_ns);
}

void sj_deadline_move(struct sj_deadlines *deadlines, struct sj_deadline *deadline, unsigned queue,
                      uint64_t now_ns)
{
    sj_deadline_remove(deadlines, deadline);
    sj_deadline_add(deadlines, deadline, queue, now_ns);
}

void sj_deadline_remove(struct sj_deadlines *deadlines, struct sj_deadline *deadline)
{
    TAILQ_REMOVE(&deadlines->queues[deadline->queue], deadline, link);
}
