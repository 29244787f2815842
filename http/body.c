/* SPDX-License-Identifier: MIT */
#include "http/body.h"

#include <errno.h>
#include <string.h>
#include <event2/buffer.h>

#include "http/calls.h"
#include "http/input.h"

/* A request's body that nobody wants is read up to here; a longer one ends the connection. */
#define SJ_DRAINED_MAX (64 * 1024)

static uint64_t limit_of(const struct sj_connection *connection)
{
    const struct sj_exchange *exchange = connection->exchange;

    return exchange->call != NULL ? exchange->route->body_most
                                  : connection->shard->service->config->body_limit;
}

/* 0, or the status to refuse with. */
static int keep(struct sj_exchange *exchange, const char *from, size_t length)
{
    struct sj_call *call = exchange->call;
    int error = 0;

    if (call != NULL && length > 0)
        error = sj_call_add_body(call, from, length);
    exchange->drained += length;
    if (error == 0)
        return 0;
    sj_log_limited(call->route->log, &call->owner->complained_ns, SJ_LOG_ERROR,
                   "route %s: cannot keep a request's body: %s", call->route->option,
                   strerror(-error));
    return error == -ENOMEM || error == -EMFILE || error == -ENFILE ? 503 : 500;
}

/* 1: all read, or too much to go on; 0: more is to come; or the status to refuse with. */
static int take_chunks(struct sj_exchange *exchange, struct evbuffer *buffer, uint64_t limit)
{
    while (evbuffer_get_length(buffer) > 0) {
        const char *from = (const char *)evbuffer_pullup(buffer, -1);
        struct sj_chunked_step step;
        uint64_t announced;
        int status = 500;

        if (from != NULL)
            status = sj_chunked_feed(&exchange->chunked, from, evbuffer_get_length(buffer), &step);
        if (status != 0)
            return status;
        announced = exchange->drained + step.data.length + exchange->chunked.left;
        if (announced > limit)
            return 413;
        status = keep(exchange, step.data.at, step.data.length);
        evbuffer_drain(buffer, step.used);
        if (status != 0)
            return status;
        if (step.is_done)
            return 1;
        if (exchange->call == NULL && announced > SJ_DRAINED_MAX) {
            exchange->closes = true;
            return 1;
        }
    }
    return 0;
}

static int take_length(struct sj_exchange *exchange, struct evbuffer *buffer)
{
    uint64_t left = exchange->framing.length - exchange->drained;
    int status = 0;

    while (left > 0 && status == 0 && evbuffer_get_length(buffer) > 0) {
        struct evbuffer_iovec piece = {0};
        size_t length;

        evbuffer_peek(buffer, 1, NULL, &piece, 1); /* the first one; nothing is moved */
        length = piece.iov_len < left ? piece.iov_len : (size_t)left;
        status = keep(exchange, piece.iov_base, length);
        left -= length;
        evbuffer_drain(buffer, length);
    }
    return status != 0 ? status : left == 0;
}

void sj_body_go_on(struct sj_connection *connection)
{
    struct sj_exchange *exchange = connection->exchange;
    struct evbuffer *buffer = bufferevent_get_input(connection->input);
    int result = exchange->framing.kind == SJ_BODY_CHUNKED
                     ? take_chunks(exchange, buffer, limit_of(connection))
                     : take_length(exchange, buffer);

    if (result == 0 && connection->has_ended) {
        sj_connection_free(connection);
    } else if (result == 0) {
        if (connection->deadline.queue != SJ_PHASE_BODY) {
            connection->sent = 0;
            sj_connection_enter(connection, SJ_PHASE_BODY);
        }
        sj_input_read_on(connection);
    } else if (result == 1) {
        connection->lingers |= exchange->closes;
        sj_connection_ask(connection, exchange);
    } else {
        sj_calls_let_go(exchange);
        sj_input_refuse(connection, exchange, result);
    }
}

/* Is the body worth being waited for?  Where the answer does not depend on it, it is not asked for
 * (RFC 9110 section 10.1.1), and no long one is read. */
static bool is_wanted(const struct sj_exchange *exchange)
{
    const struct sj_framing *framing = &exchange->framing;

    return exchange->call != NULL ||
           (!framing->expects_continue &&
            (framing->kind != SJ_BODY_LENGTH || framing->length <= SJ_DRAINED_MAX));
}

/* Nothing waits to be sent, so so little goes at once or never will. */
static bool invite(struct sj_connection *connection)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

    return send(connection->socket, text, sizeof(text) - 1, MSG_NOSIGNAL) ==
           (ssize_t)sizeof(text) - 1;
}

void sj_body_begin(struct sj_connection *connection, struct sj_exchange *exchange)
{
    if (!is_wanted(exchange)) {
        exchange->closes = true;
        connection->lingers = true;
        sj_connection_ask(connection, exchange);
    } else if (sj_input_read_buffered(connection) != 0 ||
               (exchange->framing.expects_continue && !invite(connection))) {
        sj_connection_free(connection);
    } else {
        if (exchange->framing.kind == SJ_BODY_CHUNKED)
            sj_chunked_init(&exchange->chunked);
        sj_body_go_on(connection);
    }
}
