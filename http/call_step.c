/* SPDX-License-Identifier: MIT */
/* Where and when the steps of calls run.  See http/call.h. */
#include "http/call.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/blocking.h"
#include "core/clock.h"
#include "http/calls.h"
#include "http/service.h"

static struct sj_call *of_message(struct sj_message *message)
{
    return (struct sj_call *)(void *)((char *)message - offsetof(struct sj_call, message));
}

static struct sj_call *of_notice(struct sj_message *message)
{
    return (struct sj_call *)(void *)((char *)message - offsetof(struct sj_call, notice));
}

static struct sj_route_cell *cell_of(const struct sj_call *call, const struct sj_shard *shard)
{
    return &call->route->cells[sj_loop_index(shard->loop)];
}

/* The step's result stands in the call; its times, too. */
static void run_step(struct sj_call *call)
{
    int (*step)(struct sj_call * call) = call->step;
    unsigned n_blocked = sj_blocking_count();
    uint64_t start_ns = sj_clock_ns();
    int result;

    call->has_next = false;
    call->queue_ns = start_ns > call->accepted_ns ? start_ns - call->accepted_ns : 0;
    call->result = SJ_LATER;
    result = step(call);
    if (result != SJ_LATER) /* else sj_call_end may have said more */
        call->result = result;
    call->run_ns = sj_clock_ns() - start_ns;
    call->has_blocked = sj_blocking_count() != n_blocked;
}

/* By the loop's thread that ran the step, or that has been told of it. */
static void count_step(struct sj_call *call, struct sj_shard *shard, enum sj_run where)
{
    struct sj_route_cell *cell = cell_of(call, shard);

    sj_histogram_record(&cell->queue_delay, call->queue_ns);
    sj_histogram_record(&cell->run_time, call->run_ns);
    if (call->is_lesson)
        sj_route_learn(call->route, where, call->run_ns, call->has_blocked);
    call->is_lesson = false;
}

/* 405 has to come with a field that only the handler knows (RFC 9110 section 15.5.6). */
static bool is_result(int result)
{
    return result <= 0 || (result >= 400 && result <= 599 && result != 405);
}

/* A step may only put the end off if it has said what comes then. */
static void check_result(struct sj_call *call)
{
    const struct sj_route *route = call->route;

    if (call->result == SJ_LATER && call->has_next)
        return;
    if (!is_result(call->result)) {
        sj_log_limited(route->log, &call->owner->complained_ns, SJ_LOG_ERROR,
                       "route %s: %s:%s %s (%d)", route->option, route->module->module->name,
                       route->handler->name,
                       call->result == SJ_LATER ? "put its answer off but named no step"
                                                : "ended with what is no result",
                       call->result);
        call->result = 500;
    } else if (call->result < 0 && !sj_call_is_over(call)) {
        sj_log_limited(route->log, &call->owner->complained_ns, SJ_LOG_ERROR,
                       "route %s: %s:%s failed: %s", route->option, route->module->module->name,
                       route->handler->name, strerror(-call->result));
    }
}

static void post(struct sj_call *call, void (*deliver)(struct sj_message *message))
{
    call->message.deliver = deliver;
    sj_loop_post(call->owner->loop, &call->message);
}

static void on_step_ended(struct sj_message *message);

/* False: there is none, and the call waits for one.  It can be another loop's to dispatch as soon
 * as the lock is free; but nobody's if it is over, whose owner has looked already. */
static bool take_place(struct sj_call *call, uint64_t most)
{
    struct sj_route *route = call->route;
    bool waits;

    pthread_mutex_lock(&route->lock);
    waits = route->n_running >= most && !sj_call_is_over(call);
    if (waits)
        TAILQ_INSERT_TAIL(&route->waiting, call, waiting);
    else
        route->n_running++;
    call->has_place = !waits;
    call->is_waiting = waits;
    pthread_mutex_unlock(&route->lock);
    return !waits;
}

/* A worker, before a step.  Those that were at work when the first one blocked are not counted: as
 * many as there are workers, once. */
static bool may_block(struct sj_call *call)
{
    const struct sj_route *route = call->route;

    if (call->has_place || route->spares_most == UINT64_MAX ||
        (call->where != SJ_ON_SPARE && ck_pr_load_uint(&route->blocks) == 0))
        return true;
    return take_place(call, route->spares_most);
}

/* A worker, perhaps in a blocking section that its task leaves unended: see core/blocking.h. */
static void on_worker(struct sj_task *task)
{
    struct sj_call *call = (struct sj_call *)(void *)task;

    if (!may_block(call))
        return;
    ck_pr_dec_64(&call->route->n_queued);
    if (sj_call_is_over(call)) {
        call->result = -ECANCELED;
        call->run_ns = UINT64_MAX; /* it has not run */
    } else {
        sj_blocking_watch(&call->route->blocks);
        if (call->where == SJ_ON_SPARE)
            sj_blocking_enter();
        run_step(call);
        sj_blocking_watch(NULL);
    }
    post(call, on_step_ended);
}

static void on_loop_step(struct sj_message *message);

/* Any loop's thread. */
static void dispatch(struct sj_call *call)
{
    if (call->where == SJ_ON_LOOP) {
        post(call, on_loop_step);
        return;
    }
    call->task.run = on_worker;
    if (sj_sched_submit(call->owner->service->sched, &call->task) == 0)
        return;
    ck_pr_dec_64(&call->route->n_queued);
    sj_count(&call->route->cells[sj_loop_index(sj_loop_self())].n_refused, 1);
    call->has_next = false;
    call->result = 503;
    call->run_ns = UINT64_MAX;
    post(call, on_step_ended);
}

/* The next one that waits has the place from now on. */
static void give_place(struct sj_call *call)
{
    struct sj_route *route = call->route;
    struct sj_call *next;

    if (!call->has_place)
        return;
    call->has_place = false;
    pthread_mutex_lock(&route->lock);
    next = TAILQ_FIRST(&route->waiting);
    if (next != NULL) {
        TAILQ_REMOVE(&route->waiting, next, waiting);
        next->is_waiting = false;
        next->has_place = true;
    } else {
        route->n_running--;
    }
    pthread_mutex_unlock(&route->lock);
    if (next != NULL)
        dispatch(next);
}

/* Owner: the handler has nothing more to do with it. */
static void leave(struct sj_call *call)
{
    give_place(call);
    sj_count(&cell_of(call, call->owner)->n_left, 1);
    sj_call_release(call);
}

/* Owner.  The result stands; the connection sends it, if it is still there. */
static void deliver(struct sj_call *call)
{
    struct sj_connection *connection = sj_calls_find(call->owner, &call->handle);

    if (connection == NULL) {
        sj_count(&cell_of(call, call->owner)->n_dropped, 1);
    } else if (call->result == SJ_LATER) {
        sj_call_go_on(call);
        return;
    } else {
        call->is_ended = true;
        sj_calls_resume(connection);
    }
    leave(call);
}

static void on_step_ended(struct sj_message *message)
{
    struct sj_call *call = of_message(message);

    if (call->run_ns != UINT64_MAX) {
        count_step(call, call->owner, SJ_RUN_ON_WORKER);
        check_result(call);
    }
    if (call->route->running_most == UINT64_MAX)
        give_place(call); /* the step's, see may_block */
    deliver(call);
}

/* The end of an asynchronous call has been said. */
static void on_said(struct sj_message *message)
{
    struct sj_call *call = of_message(message);

    check_result(call);
    deliver(call);
}

static void on_loop_step(struct sj_message *message)
{
    struct sj_call *call = of_message(message);

    ck_pr_dec_64(&call->route->n_queued);
    if (sj_call_is_over(call)) {
        call->result = -ECANCELED;
        deliver(call);
        return;
    }
    call->is_pending = true;
    run_step(call);
    count_step(call, call->owner, SJ_RUN_ON_LOOP);
    if (call->result == SJ_LATER || !call->is_pending)
        return; /* it goes on, or has ended itself by sj_call_end or sj_call_then */
    call->is_pending = false;
    check_result(call);
    deliver(call);
}

static void on_notice(struct sj_message *message)
{
    struct sj_call *call = of_notice(message);
    struct sj_connection *connection = sj_calls_find(call->owner, &call->handle);

    pthread_mutex_lock(&call->lock);
    call->is_noticed = false;
    pthread_mutex_unlock(&call->lock);
    if (connection != NULL)
        sj_calls_resume(connection);
    sj_call_release(call);
}

static enum sj_where first_place(const struct sj_call *call)
{
    if (call->where == SJ_ON_LOOP)
        return SJ_ON_LOOP;
    return sj_route_class_of(call->route) == SJ_CLASS_BLOCKING ? SJ_ON_SPARE : SJ_ON_WORKER;
}

/* The handler has to do with it from now on. */
static void enter(struct sj_call *call)
{
    call->has_started = true;
    sj_count(&cell_of(call, call->owner)->n_entered, 1);
    sj_call_acquire(call);
}

enum sj_call_start sj_call_start(struct sj_call *call)
{
    struct sj_route *route = call->route;

    call->notice.deliver = on_notice;
    call->accepted_ns = sj_loop_now_ns(call->owner->loop);
    call->has_next = true;
    call->is_lesson = route->handler->kind == SJ_SYNC;
    if (call->where != SJ_ON_LOOP && sj_route_class_of(route) == SJ_CLASS_QUICK) {
        enter(call);
        return SJ_CALL_HERE;
    }
    if (ck_pr_faa_64(&route->n_queued, 1) >= route->queue_most) {
        ck_pr_dec_64(&route->n_queued);
        return SJ_CALL_REFUSED;
    }
    enter(call);
    call->where = first_place(call);
    if (route->running_most == UINT64_MAX || take_place(call, route->running_most))
        dispatch(call);
    return SJ_CALL_ELSEWHERE;
}

bool sj_call_run(struct sj_call *call, struct sj_shard *runner)
{
    /* sent back since it was queued: the loop is held up once, not once for each that waits */
    if (sj_route_class_of(call->route) != SJ_CLASS_QUICK) {
        call->where = SJ_ON_WORKER;
        call->is_pending = true;
        return false;
    }
    if (runner != call->owner)
        sj_count(&cell_of(call, runner)->n_stolen, 1);
    run_step(call);
    count_step(call, runner, SJ_RUN_ON_LOOP);
    check_result(call);
    if (call->result == SJ_LATER) {
        call->is_pending = true;
        return false;
    }
    call->is_ended = true;
    sj_count(&cell_of(call, runner)->n_left, 1);
    sj_call_release(call);
    return true;
}

/* A step later than the first is accepted already: it counts as queued, but is not refused. */
void sj_call_go_on(struct sj_call *call)
{
    call->is_pending = false;
    ck_pr_inc_64(&call->route->n_queued);
    call->accepted_ns = sj_loop_now_ns(call->owner->loop);
    dispatch(call);
}

void sj_call_abandon(struct sj_call *call)
{
    struct sj_route *route = call->route;
    bool was_waiting;

    pthread_mutex_lock(&call->lock);
    ck_pr_store_uint(&call->is_over, 1);
    pthread_cond_broadcast(&call->drained);
    pthread_mutex_unlock(&call->lock);
    pthread_mutex_lock(&route->lock);
    was_waiting = call->is_waiting;
    if (was_waiting)
        TAILQ_REMOVE(&route->waiting, call, waiting);
    call->is_waiting = false;
    pthread_mutex_unlock(&route->lock);
    if (was_waiting)
        ck_pr_dec_64(&route->n_queued);
    if (was_waiting || call->is_pending) {
        call->is_pending = false;
        sj_count(&cell_of(call, call->owner)->n_dropped, 1);
        leave(call);
    }
}

struct event_base *sj_call_base(const struct sj_call *call)
{
    return sj_loop_base(call->owner->loop);
}

unsigned sj_call_loop(const struct sj_call *call)
{
    return sj_loop_index(call->owner->loop);
}

void sj_call_end(struct sj_call *call, int result)
{
    assert(call->is_pending && sj_loop_self() == call->owner->loop);
    call->is_pending = false;
    call->has_next = false;
    call->result = result;
    post(call, on_said);
}

int sj_call_then(struct sj_call *call, enum sj_where where, int (*step)(struct sj_call *call))
{
    call->step = step;
    call->where = where;
    call->has_next = true;
    call->result = SJ_LATER;
    if (call->is_pending) { /* asynchronous: at once */
        call->is_pending = false;
        post(call, on_said);
    }
    return SJ_LATER;
}
