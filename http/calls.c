/* SPDX-License-Identifier: MIT */
#include "http/calls.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static struct sj_call *of_deadline(struct sj_deadline *deadline)
{
    return (struct sj_call *)(void *)((char *)deadline - offsetof(struct sj_call, deadline));
}

static struct sj_route_cell *cell_of(const struct sj_shard *shard, const struct sj_route *route)
{
    return &route->cells[sj_loop_index(shard->loop)];
}

struct sj_connection *sj_calls_find(const struct sj_shard *shard, const struct sj_handle *handle)
{
    struct sj_connection *connection = sj_handle_resolve(shard->handles, handle);

    /* lent: the exchange is the runner's, and what it runs is not what tells of itself here;
     * another call: the next request's, that has not started */
    if (connection == NULL || connection->handle.request != handle->request ||
        sj_lend_is_lent(&connection->lend) || connection->exchange == NULL ||
        connection->exchange->call == NULL ||
        connection->exchange->call->handle.request != handle->request)
        return NULL;
    return connection;
}

static void clear_deadline(struct sj_call *call)
{
    if (call->has_deadline)
        sj_deadline_remove(&cell_of(call->owner, call->route)->deadlines, &call->deadline);
    call->has_deadline = false;
}

void sj_calls_let_go(struct sj_exchange *exchange)
{
    struct sj_call *call = exchange->call;

    if (call == NULL)
        return;
    exchange->call = NULL;
    clear_deadline(call);
    if (call->has_started && !call->is_ended)
        sj_call_abandon(call);
    sj_call_release(call);
}

/* The time is up: 504.  An answer that has begun is cut off. */
static void on_time_up(struct sj_deadline *deadline, uint64_t now_ns)
{
    struct sj_call *call = of_deadline(deadline);
    struct sj_connection *connection = sj_calls_find(call->owner, &call->handle);

    (void)now_ns;
    clear_deadline(call);
    if (connection == NULL || call->is_ended)
        return;
    sj_count(&cell_of(call->owner, call->route)->n_late, 1);
    if (call->has_begun) {
        sj_connection_cut_off(connection);
        return;
    }
    sj_calls_let_go(connection->exchange);
    connection->exchange->status = 504;
    sj_connection_ask(connection, connection->exchange);
}

int sj_calls_init(struct sj_shard *shard)
{
    const struct sj_routes *routes = &shard->service->routes;

    if (routes->n_items == 0)
        return 0;
    shard->handles = sj_handle_table_new(sj_loop_index(shard->loop));
    if (shard->handles == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < routes->n_items; i++) {
        struct sj_route *route = &routes->items[i];
        struct sj_deadlines *deadlines = &cell_of(shard, route)->deadlines;

        sj_deadlines_init(deadlines, sj_loop_base(shard->loop), on_time_up);
        if (route->time_ms != UINT64_MAX)
            deadlines->durations_ns[0] = route->time_ms * 1000000;
    }
    return 0;
}

void sj_calls_fini(struct sj_shard *shard)
{
    const struct sj_routes *routes = &shard->service->routes;

    if (shard->handles == NULL)
        return;
    for (size_t i = 0; i < routes->n_items; i++)
        sj_deadlines_fini(&cell_of(shard, &routes->items[i])->deadlines);
    sj_handle_table_free(shard->handles);
}

/* RFC 9110 section 8.4: nothing is inflated here. */
static bool has_coded_body(const struct sj_exchange *exchange)
{
    struct sj_text value;
    uint32_t at = 0;

    while (sj_request_next(&exchange->request, exchange->buffer, SJ_FIELD_CONTENT_ENCODING, &at,
                           &value))
        if (value.length > 0 && !sj_text_equals_nocase(value, SJ_TEXT("identity")))
            return true;
    return false;
}

static bool is_for_handlers(const struct sj_exchange *exchange)
{
    const struct sj_request *request = &exchange->request;
    enum sj_target_form form = exchange->target.form;

    return (exchange->status == 0 || exchange->status == 413) &&
           request->method != SJ_METHOD_UNKNOWN && request->method != SJ_TRACE &&
           (form == SJ_TARGET_ORIGIN || form == SJ_TARGET_ABSOLUTE);
}

void sj_calls_match(struct sj_shard *shard, struct sj_exchange *exchange)
{
    const struct sj_routes *routes = &shard->service->routes;
    struct sj_route *route = NULL;

    if (routes->n_items > 0 && is_for_handlers(exchange))
        route = sj_routes_find(routes, exchange->target.path);
    exchange->route = route;
    if (route == NULL)
        return;
    exchange->status = 0;
    if (exchange->framing.kind == SJ_BODY_LENGTH && exchange->framing.length > route->body_most)
        exchange->status = 413;
    else if (has_coded_body(exchange))
        exchange->status = 415;
    else if (ck_pr_load_64(&route->n_queued) >= route->queue_most)
        exchange->status = 503; /* before its body is asked for; sj_call_start decides */
    if (exchange->status == 0)
        exchange->call = sj_call_new(shard, route, exchange);
    if (exchange->status == 0 && exchange->call == NULL)
        exchange->status = 503;
    if (exchange->status == 503)
        sj_count(&cell_of(shard, route)->n_refused, 1);
}

static bool has_handle(struct sj_connection *connection)
{
    if (!connection->has_handle)
        connection->has_handle =
            sj_handle_open(connection->shard->handles, connection, &connection->handle) == 0;
    return connection->has_handle;
}

bool sj_calls_start(struct sj_connection *connection)
{
    struct sj_exchange *exchange = connection->exchange;
    struct sj_call *call = exchange->call;
    enum sj_call_start start = SJ_CALL_REFUSED;

    if (has_handle(connection)) {
        connection->handle.request++;
        call->handle = connection->handle;
        start = sj_call_start(call);
    }
    if (start == SJ_CALL_REFUSED) {
        sj_calls_let_go(exchange);
        exchange->status = 503;
        sj_count(&cell_of(connection->shard, exchange->route)->n_refused, 1);
    }
    if (start == SJ_CALL_ELSEWHERE)
        sj_calls_wait(connection);
    return start == SJ_CALL_ELSEWHERE;
}

void sj_calls_wait(struct sj_connection *connection)
{
    struct sj_call *call = connection->exchange->call;

    sj_connection_enter(connection, SJ_PHASE_CALLED);
    if (call->has_deadline || call->route->time_ms == UINT64_MAX)
        return;
    call->has_deadline = true;
    sj_deadline_add(&cell_of(call->owner, call->route)->deadlines, &call->deadline, 0,
                    sj_loop_now_ns(call->owner->loop));
}

void sj_calls_resume(struct sj_connection *connection)
{
    struct sj_call *call = connection->exchange->call;

    /* while it is sending: when the socket takes more */
    if (connection->deadline.queue == SJ_PHASE_CALLED && sj_call_has_news(call))
        sj_connection_send(connection);
}
