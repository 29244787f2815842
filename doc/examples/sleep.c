/* SPDX-License-Identifier: MIT */
/*
 * sleep: answers after ?ms= milliseconds.  No thread sleeps meanwhile: the handler sets a timer on
 * the loop that has the connection, and the answer comes from the timer's callback.
 *
 *     cc -shared -fPIC $(pkg-config --cflags scrubjay) -o sleep.so sleep.c
 *     scrubjay serve --module ./sleep.so --route /sleep=sleep:sleep,time=2m
 *     curl http://localhost:8080/sleep?ms=500
 */
#include <errno.h>
#include <stdlib.h>
#include <event2/event.h>
#include <scrubjay/handler.h>

#define LONGEST_MS 60000

/* The call's state: it is released when the answer has been sent, and as soon as the client has
 * left, so whatever is pending must be taken back here. */
static void release(void *timer)
{
    event_free(timer);
}

static void on_timer(evutil_socket_t none, short what, void *call)
{
    (void)none;
    (void)what;
    sj_answer_field(call, "Content-Type", "text/plain; charset=utf-8");
    sj_answer_text(call, "good morning\n");
    sj_call_end(call, 0);
}

static int sleep_for(struct sj_call *call)
{
    struct event *timer = evtimer_new(sj_call_base(call), on_timer, call);
    struct timeval wait;
    uint64_t ms;

    if (timer == NULL)
        return -ENOMEM;
    sj_call_set_state(call, timer, release);
    if (sj_call_number(call, "ms", LONGEST_MS, &ms) != 0)
        return 400;
    wait.tv_sec = (time_t)(ms / 1000);
    wait.tv_usec = (suseconds_t)(ms % 1000 * 1000);
    return event_add(timer, &wait) == 0 ? SJ_LATER : -ENOMEM;
}

static const struct sj_handler handlers[] = {{"sleep", sleep_for, SJ_ASYNC}, {0}};

SJ_MODULE = {.abi = SJ_ABI, .name = "sleep", .handlers = handlers};
