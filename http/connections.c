/* SPDX-License-Identifier: MIT */
#include "http/connection.h"

#include <errno.h>
#include <stddef.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "http/calls.h"
#include "http/input.h"

#define SJ_LINGER_NS (2 * 1000000000ull)
#define SJ_LOOK_NS   1000000000ull

static struct sj_connection *of_deadline(struct sj_deadline *deadline)
{
    return (struct sj_connection *)(void *)((char *)deadline -
                                            offsetof(struct sj_connection, deadline));
}

static void on_discarded(evutil_socket_t socket, short what, void *argument)
{
    struct sj_connection *connection = argument;
    ssize_t length;

    (void)what;
    length = recv(socket, connection->shard->composer.scratch, SJ_SCRATCH, 0);
    if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR))
        sj_connection_free(connection);
}

/* From now on reads and throws away, until the client's end; then frees the connection. */
static void discard(struct sj_connection *connection)
{
    if (connection->input != NULL)
        bufferevent_disable(connection->input, EV_READ);
    event_del(&connection->readable);
    event_assign(&connection->readable, sj_loop_base(connection->shard->loop), connection->socket,
                 EV_READ | EV_PERSIST, on_discarded, connection);
    if (event_add(&connection->readable, NULL) != 0)
        sj_connection_free(connection);
}

/* Closes in stages (RFC 9112 section 9.6): octets that come after a close, or were not read before,
 * make the kernel send a reset, which can destroy the response before the client has read it.  At
 * once only a connection that its client asked to close, behind a small response. */
void sj_connection_close(struct sj_connection *connection)
{
    if (!connection->lingers && !sj_input_is_pending(connection)) {
        sj_connection_free(connection);
        return;
    }
    if (connection->has_ended || shutdown(connection->socket, SHUT_WR) != 0) {
        sj_connection_free(connection);
        return;
    }
    sj_connection_enter(connection, SJ_PHASE_LINGER);
    discard(connection);
}

/* A client that reads slowly is honest as long as it acknowledges at the least rate: what counts
 * is not what the kernel has taken from us but what the client has taken from the kernel. */
static bool meets_min_rate(struct sj_connection *connection, uint64_t now_ns)
{
    const struct sj_config *config = connection->shard->service->config;
    uint64_t waited_ms = (now_ns - connection->deadline.since_ns) / 1000000;
    uint64_t sent = connection->exchange->output.sent;
    int queued = 0;
    bool is_met;

    if (ioctl(connection->socket, SIOCOUTQ, &queued) == 0 && queued > 0)
        sent = (uint64_t)queued < sent ? sent - (uint64_t)queued : 0;
    is_met =
        sent > connection->sent && (sent - connection->sent) * 1000 >= config->min_rate * waited_ms;
    connection->sent = sent;
    return is_met;
}

/* A handler's body may be long: what counts is that it comes at the least rate. */
static bool brings_body(struct sj_connection *connection, uint64_t now_ns)
{
    const struct sj_config *config = connection->shard->service->config;
    uint64_t waited_ms = (now_ns - connection->deadline.since_ns) / 1000000;
    uint64_t received = connection->exchange->drained, before = connection->sent;

    connection->sent = received;
    return connection->exchange->call != NULL && received > before &&
           (received - before) * 1000 >= config->min_rate * waited_ms;
}

/* RFC 9110 section 15.5.9.  A client that has not begun has nothing to be told. */
static void time_out_request(struct sj_connection *connection)
{
    struct sj_exchange_pool *pool = &connection->shard->exchanges;
    struct sj_exchange *exchange = connection->exchange;

    if (exchange != NULL && connection->deadline.queue == SJ_PHASE_HEAD) {
        exchange = sj_exchange_new(pool); /* one with a buffer */
        if (exchange != NULL)
            exchange->request.method = connection->exchange->request.method;
        sj_exchange_free(pool, connection->exchange);
        connection->exchange = NULL;
    }
    if (exchange == NULL) {
        sj_connection_free(connection);
        return;
    }
    sj_calls_let_go(exchange);
    exchange->status = 408;
    exchange->closes = true;
    connection->lingers = true;
    sj_connection_ask(connection, exchange);
}

static void on_deadline(struct sj_deadline *deadline, uint64_t now_ns)
{
    struct sj_connection *connection = of_deadline(deadline);
    struct sj_deadlines *deadlines = &connection->shard->deadlines;

    switch (deadline->queue) {
    case SJ_PHASE_OPEN:
        if (connection->is_noted || sj_lend_is_lent(&connection->lend))
            sj_deadline_move(deadlines, deadline, SJ_PHASE_OPEN, now_ns);
        else
            sj_connection_free(connection);
        break;
    case SJ_PHASE_BODY:
        if (brings_body(connection, now_ns))
            sj_deadline_move(deadlines, deadline, SJ_PHASE_BODY, now_ns);
        else
            time_out_request(connection);
        break;
    case SJ_PHASE_HEAD:
        time_out_request(connection);
        break;
    case SJ_PHASE_HELD:   /* it ends with the build, which has no limit */
    case SJ_PHASE_CALLED: /* the call has its own */
        if (sj_input_has_lost_client(connection))
            sj_connection_cut_off(connection);
        else
            sj_deadline_move(deadlines, deadline, deadline->queue, now_ns);
        break;
    case SJ_PHASE_SENDING:
        if (meets_min_rate(connection, now_ns))
            sj_deadline_move(deadlines, deadline, SJ_PHASE_SENDING, now_ns);
        else
            sj_connection_cut_off(connection);
        break;
    default:
        sj_connection_free(connection);
    }
}

void sj_connections_init(struct sj_shard *shard)
{
    const struct sj_config *config = shard->service->config;
    uint64_t *durations_ns = shard->deadlines.durations_ns;

    sj_deadlines_init(&shard->deadlines, sj_loop_base(shard->loop), on_deadline);
    durations_ns[SJ_PHASE_OPEN] = config->keepalive_timeout_ms * 1000000;
    durations_ns[SJ_PHASE_HEAD] = config->header_timeout_ms * 1000000;
    durations_ns[SJ_PHASE_BODY] = config->header_timeout_ms * 1000000;
    durations_ns[SJ_PHASE_HELD] = SJ_LOOK_NS;
    durations_ns[SJ_PHASE_CALLED] = SJ_LOOK_NS;
    durations_ns[SJ_PHASE_SENDING] = config->write_timeout_ms * 1000000;
    durations_ns[SJ_PHASE_LINGER] = SJ_LINGER_NS;
}

/* Calls `act` on every connection of the phase that is there now. */
static void for_phase(struct sj_shard *shard, enum sj_phase phase,
                      void (*act)(struct sj_connection *connection))
{
    struct sj_deadline_queue *queue = &shard->deadlines.queues[phase];
    struct sj_deadline *deadline = TAILQ_FIRST(queue);
    const struct sj_deadline *last = TAILQ_LAST(queue, sj_deadline_queue);

    while (deadline != NULL) {
        struct sj_deadline *next = deadline == last ? NULL : TAILQ_NEXT(deadline, link);

        act(of_deadline(deadline));
        deadline = next;
    }
}

/* An idle one is closed, but not over a request that has come already: that is served first. */
static void drain(struct sj_connection *connection)
{
    if (!sj_lend_want(&connection->lend) &&
        !sj_connection_has_unread(connection)) /* if lent: finish() */
        sj_connection_free(connection);
}

void sj_connections_drain(struct sj_shard *shard)
{
    for_phase(shard, SJ_PHASE_OPEN, drain);
}

static void ask_again(struct sj_connection *connection)
{
    sj_connection_ask(connection, connection->exchange);
}

void sj_connections_resume(struct sj_shard *shard)
{
    for_phase(shard, SJ_PHASE_HELD, ask_again);
}

/* Nobody has looked for what is held, so it is not said not to be there; nor has anybody answered
 * for a handler. */
static void refuse(struct sj_connection *connection)
{
    sj_calls_let_go(connection->exchange);
    connection->exchange->status = 503;
    connection->exchange->closes = true;
    sj_connection_ask(connection, connection->exchange);
}

static bool is_unanswered(const struct sj_connection *connection)
{
    return connection->deadline.queue == SJ_PHASE_HELD ||
           (connection->deadline.queue == SJ_PHASE_CALLED &&
            !connection->exchange->call->has_begun);
}

static void drop(struct sj_connection *connection)
{
    if (is_unanswered(connection))
        refuse(connection);
    if (sj_lend_want(&connection->lend))
        connection->is_dropped = true;
    else
        sj_connection_cut_off(connection);
}

void sj_connections_drop(struct sj_shard *shard)
{
    for (enum sj_phase phase = 0; phase < SJ_PHASES; phase++)
        for_phase(shard, phase, drop);
}
