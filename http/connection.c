/* SPDX-License-Identifier: MIT */
#include "http/connection.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/sockios.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "core/clock.h"
#include "http/accesslog.h"
#include "http/input.h"

/* A response of so many octets reaches the client before anything that it may still send. */
#define SJ_SMALL (16 * 1024)

static struct sj_connection *of_message(struct sj_message *message)
{
    return (struct sj_connection *)(void *)((char *)message -
                                            offsetof(struct sj_connection, message));
}

static bool is_draining(const struct sj_service *service)
{
    return ck_pr_load_uint(&service->state) != SJ_SERVICE_SERVING;
}

void sj_connection_enter(struct sj_connection *connection, enum sj_phase phase)
{
    struct sj_shard *shard = connection->shard;

    sj_deadline_move(&shard->deadlines, &connection->deadline, phase, sj_loop_now_ns(shard->loop));
}

/* Gives the place in the counts back; the last one to leave a draining server says so. */
static void leave(struct sj_shard *shard, const struct sockaddr *peer)
{
    struct sj_service *service = shard->service;

    if (service->addresses != NULL)
        sj_addresses_leave(service->addresses, peer);
    ck_pr_dec_64(&shard->n_assigned);
    /* the decrement is a full barrier: pairs with the one in http/server.c's enter */
    if (ck_pr_faa_64(&service->n_open, (uint64_t)-1) == 1 && is_draining(service))
        eventfd_write(service->drained, 1);
}

static void free_exchange(struct sj_shard *by, struct sj_exchange *exchange)
{
    if (exchange != NULL && exchange->output.holds_entry)
        sj_count(&by->n_unpinned, 1);
    sj_exchange_free(&by->exchanges, exchange);
}

void sj_connection_free(struct sj_connection *connection)
{
    struct sj_shard *shard = connection->shard;

    sj_deadline_remove(&shard->deadlines, &connection->deadline);
    event_del(&connection->writable);
    sj_input_fini(connection);
    close(connection->socket);
    free_exchange(shard, connection->exchange);
    leave(shard, &connection->peer.any);
    free(connection);
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
static void close_connection(struct sj_connection *connection)
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

/* Whoever sent the last octet of a response, or gave up: counts, logs, frees the exchange. */
static void end_exchange(struct sj_connection *connection, struct sj_shard *by)
{
    struct sj_exchange *exchange = connection->exchange;
    struct sj_log *log = by->service->log;

    sj_count(&by->n_requests, 1);
    sj_count(&by->n_octets_sent, exchange->output.sent);
    if (exchange->output.sent > SJ_SMALL)
        connection->lingers = true;
    if (sj_log_has_access(log))
        sj_accesslog_write(log, &connection->peer.any, exchange);
    connection->exchange = NULL;
    free_exchange(by, exchange);
}

void sj_connection_cut_off(struct sj_connection *connection)
{
    if (connection->deadline.queue == SJ_PHASE_SENDING)
        end_exchange(connection, connection->shard);
    sj_connection_free(connection);
}

static enum sj_outcome outcome_of(struct sj_connection *connection, enum sj_output_state state)
{
    switch (state) {
    case SJ_OUTPUT_DONE:
        return connection->exchange->closes ? SJ_OUTCOME_CLOSE : SJ_OUTCOME_DONE;
    case SJ_OUTPUT_WAITS:
        return SJ_OUTCOME_WAITS;
    default:
        return SJ_OUTCOME_FAILED;
    }
}

/* Runner.  The section lasts until the octets are in the kernel or a reference is held. */
static void answer(struct sj_connection *connection, struct sj_shard *runner)
{
    struct sj_exchange *exchange = connection->exchange;
    struct sj_index *index = runner->service->site.index;
    const struct sj_generation *generation = sj_index_begin(index);
    enum sj_output_state state;

    if (is_draining(runner->service) && !exchange->closes) {
        exchange->closes = true;
        connection->lingers = true;
    }
    if (sj_static_answer(&runner->service->site, generation, &runner->composer, exchange) != 0) {
        sj_index_end(index);
        connection->outcome = SJ_OUTCOME_HELD;
        return;
    }
    /* a thief does not close: the owner's turn may be a while away */
    exchange->output.is_last = exchange->closes && runner == connection->shard;
    state = sj_output_pump(&exchange->output, connection->socket);
    if (state == SJ_OUTPUT_WAITS && sj_output_keep(&exchange->output) != 0)
        state = SJ_OUTPUT_FAILED;
    if (exchange->output.holds_entry)
        sj_count(&runner->n_pinned, 1);
    sj_index_end(index);
    connection->outcome = outcome_of(connection, state);
    if (connection->outcome != SJ_OUTCOME_WAITS)
        end_exchange(connection, runner);
}

bool sj_connection_has_unread(const struct sj_connection *connection)
{
    bool is_empty = connection->deadline.queue == SJ_PHASE_OPEN && connection->exchange != NULL;
    char octet;

    return (sj_input_is_pending(connection) && !is_empty) ||
           recv(connection->socket, &octet, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* Asks again at once if the build was published meanwhile: sj_connections_resume may have been here
 * before.  If it was not, the message that makes that happen is not yet posted, or not delivered.
 */
static void hold(struct sj_connection *connection)
{
    struct sj_index *index = connection->shard->service->site.index;
    bool is_built = sj_generation_is_built(sj_index_begin(index));

    sj_index_end(index);
    if (is_built)
        sj_connection_ask(connection, connection->exchange);
    else
        sj_connection_enter(connection, SJ_PHASE_HELD);
}

/* Owner, with the right back. */
static void finish(struct sj_connection *connection)
{
    if (connection->is_dropped) {
        sj_connection_free(connection);
        return;
    }
    switch (connection->outcome) {
    case SJ_OUTCOME_DONE:
        /* not over a request that has come: the last response did not say that it was the last */
        if (is_draining(connection->shard->service) && !sj_connection_has_unread(connection))
            sj_connection_free(connection);
        else
            sj_input_resume(connection);
        break;
    case SJ_OUTCOME_CLOSE:
        close_connection(connection);
        break;
    case SJ_OUTCOME_HELD:
        hold(connection);
        break;
    case SJ_OUTCOME_WAITS:
        connection->sent = 0;
        sj_connection_enter(connection, SJ_PHASE_SENDING);
        if (event_add(&connection->writable, NULL) != 0)
            sj_connection_free(connection);
        break;
    default:
        sj_connection_free(connection);
    }
}

static void on_returned(struct sj_message *message)
{
    struct sj_connection *connection = of_message(message);

    sj_lend_end(&connection->lend);
    finish(connection);
}

/* The quick task, on the loop that took it. */
static void run(struct sj_task *task)
{
    struct sj_connection *connection = (struct sj_connection *)(void *)task;
    struct sj_shard *runner = sj_loop_context(sj_loop_self());
    struct sj_shard *owner = connection->shard;

    answer(connection, runner);
    if (runner == owner) {
        sj_lend_end(&connection->lend);
        finish(connection);
    } else if (connection->outcome != SJ_OUTCOME_DONE || !sj_lend_give_back(&connection->lend)) {
        sj_loop_post(owner->loop, &connection->message);
    }
}

/* The queue was full, and nobody else has the task. */
static void on_postponed(struct sj_message *message)
{
    message->deliver = on_returned;
    run(&of_message(message)->task);
}

void sj_connection_ask(struct sj_connection *connection, struct sj_exchange *exchange)
{
    struct sj_shard *shard = connection->shard;

    connection->exchange = exchange;
    sj_connection_enter(connection, SJ_PHASE_OPEN);
    sj_lend_begin(&connection->lend, sj_input_needs_owner(connection) ? SJ_WANTED : SJ_LENT);
    if (!sj_loop_push(shard->loop, &connection->task)) {
        connection->message.deliver = on_postponed;
        sj_loop_post(shard->loop, &connection->message);
    }
}

static void on_writable(evutil_socket_t socket, short what, void *argument)
{
    struct sj_connection *connection = argument;
    enum sj_output_state state = sj_output_pump(&connection->exchange->output, socket);

    (void)what;
    if (state == SJ_OUTPUT_WAITS)
        return;
    event_del(&connection->writable);
    connection->outcome = outcome_of(connection, state);
    end_exchange(connection, connection->shard);
    if (connection->outcome == SJ_OUTCOME_DONE)
        sj_connection_enter(connection, SJ_PHASE_OPEN);
    finish(connection);
}

static void copy_peer(struct sj_connection *connection, const struct sockaddr *peer)
{
    if (peer->sa_family == AF_INET)
        memcpy(&connection->peer, peer, sizeof(struct sockaddr_in));
    else if (peer->sa_family == AF_INET6)
        memcpy(&connection->peer, peer, sizeof(struct sockaddr_in6));
    else
        connection->peer.any.sa_family = peer->sa_family;
}

void sj_connection_open(struct sj_shard *shard, int socket, const struct sockaddr *peer)
{
    struct sj_connection *connection = calloc(1, sizeof(*connection));
    uint64_t n_assigned = ck_pr_load_64(&shard->n_assigned);

    if (connection != NULL) {
        connection->shard = shard;
        connection->socket = socket;
        connection->task.run = run;
        connection->message.deliver = on_returned;
        copy_peer(connection, peer);
    }
    if (connection == NULL || ck_pr_load_uint(&shard->service->state) == SJ_SERVICE_DROPPING) {
        free(connection);
        close(socket);
        leave(shard, peer);
        return;
    }
    event_assign(&connection->writable, sj_loop_base(shard->loop), socket, EV_WRITE | EV_PERSIST,
                 on_writable, connection);
    sj_deadline_add(&shard->deadlines, &connection->deadline, SJ_PHASE_OPEN,
                    sj_loop_now_ns(shard->loop));
    sj_count(&shard->n_accepted, 1);
    if (n_assigned > shard->n_most)
        ck_pr_store_64(&shard->n_most, n_assigned);
    if (is_draining(shard->service)) /* accepted just before: it has the time of one request */
        sj_connection_enter(connection, SJ_PHASE_HEAD);
    sj_input_start(connection);
}
