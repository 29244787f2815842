/* SPDX-License-Identifier: MIT */
#include "bench/tasks/tasks.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>
#include <event2/event.h>

#define SLEPT "slept %" PRIu64 " ms\n"

static int how_long(struct sj_call *call, uint64_t *ms)
{
    const struct tasks *tasks = sj_call_context(call);

    return tasks_number(call, "ms", tasks->settings.sleep_ms, ms);
}

int tasks_sleep_sync(struct sj_call *call)
{
    uint64_t ms;
    int got = how_long(call, &ms);
    struct timespec left = {(time_t)(ms / 1000), (long)(ms % 1000 * 1000000)};

    if (got != 0)
        return got;
    sj_blocking_begin();
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
    sj_blocking_end();
    return tasks_answer_number(call, SLEPT, ms);
}

/* Sleeps one after the other.  Each ends at its time after the start, so that what a timer is late
 * does not add up. */
struct nap {
    struct sj_call *call;
    struct event *timer;
    uint64_t ms, n_parts, n_done, start_us;
};

static uint64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void release_nap(void *state)
{
    struct nap *nap = state;

    if (nap->timer != NULL)
        event_free(nap->timer);
    free(nap);
}

static int lie_down(struct nap *nap)
{
    uint64_t end_us = nap->start_us + nap->ms * 1000 * (nap->n_done + 1) / nap->n_parts;
    uint64_t now = now_us(), us = end_us > now ? end_us - now : 0;

    return event_add(nap->timer,
                     &(struct timeval){(time_t)(us / 1000000), (suseconds_t)(us % 1000000)});
}

static void on_time(evutil_socket_t none, short what, void *state)
{
    struct nap *nap = state;

    (void)none, (void)what;
    if (++nap->n_done == nap->n_parts)
        sj_call_end(nap->call, tasks_answer_number(nap->call, SLEPT, nap->ms));
    else if (lie_down(nap) != 0)
        sj_call_end(nap->call, -ENOMEM);
}

static int sleep_in_parts(struct sj_call *call, uint64_t n_parts)
{
    uint64_t ms;
    int got = how_long(call, &ms);
    struct nap *nap;

    if (got != 0)
        return got;
    nap = malloc(sizeof *nap);
    if (nap == NULL)
        return -ENOMEM;
    *nap = (struct nap){.call = call, .ms = ms, .n_parts = n_parts, .start_us = now_us()};
    sj_call_set_state(call, nap, release_nap);
    nap->timer = evtimer_new(sj_call_base(call), on_time, nap);
    return nap->timer != NULL && lie_down(nap) == 0 ? SJ_LATER : -ENOMEM;
}

int tasks_sleep_async(struct sj_call *call)
{
    return sleep_in_parts(call, 1);
}

int tasks_sleep_async_split(struct sj_call *call)
{
    const struct tasks *tasks = sj_call_context(call);

    return sleep_in_parts(call, tasks->settings.sleep_parts);
}
