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
#include "http/batch.h"
#include "http/calls.h"
#include "http/input.h"

/* A response of so many octets reaches the client before anything that it may still send. */
#define SJ_SMALL (16 * 1024)

#define SJ_BATCHES 8 /* of chunks, in one turn */

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
    if (exchange != NULL)
        sj_calls_let_go(exchange);
    sj_exchange_free(&by->exchanges, exchange);
}

void sj_connection_free(struct sj_connection *connection)
{
    struct sj_shard *shard = connection->shard;

    sj_deadline_remove(&shard->deadlines, &connection->deadline);
    if (connection->is_noted)
        sj_batch_forget(connection);
    if (connection->has_handle)
        sj_handle_close(shard->handles, &connection->handle);
    event_del(&connection->writable);
    sj_input_fini(connection);
    close(connection->socket);
    free_exchange(shard, connection->exchange);
    leave(shard, &connection->peer.any);
    free(connection);
}

/* Whoever sent the last octet of a response, or gave up: counts, logs, frees the exchange. */
static void end_exchange(struct sj_connection *connection, struct sj_shard *by)
{
    struct sj_exchange *exchange = connection->exchange;
    struct sj_log *log = by->service->log;

    sj_count(&by->n_requests, 1);
    sj_count(&by->n_octets_sent, exchange->output.sent);
    if (exchange->route != NULL)
        sj_route_count(exchange->route, sj_loop_index(by->loop), exchange->status);
    if (exchange->output.sent > SJ_SMALL)
        connection->lingers = true;
    if (sj_log_has_access(log))
        sj_accesslog_write(log, &connection->peer.any, exchange);
    connection->exchange = NULL;
    free_exchange(by, exchange);
}

void sj_connection_cut_off(struct sj_connection *connection)
{
    enum sj_phase phase = connection->deadline.queue;

    if (phase == SJ_PHASE_SENDING ||
        (phase == SJ_PHASE_CALLED && connection->exchange->call->has_begun))
        end_exchange(connection, connection->shard);
    sj_connection_free(connection);
}

static enum sj_outcome outcome_of(struct sj_connection *connection, enum sj_output_state state)
{
    const struct sj_call *call = connection->exchange->call;

    switch (state) {
    case SJ_OUTPUT_DONE:
        if (call != NULL && !call->has_last)
            return SJ_OUTCOME_CALLED;
        return connection->exchange->closes ? SJ_OUTCOME_CLOSE : SJ_OUTCOME_DONE;
    case SJ_OUTPUT_WAITS:
        return SJ_OUTCOME_WAITS;
    default:
        return SJ_OUTCOME_FAILED;
    }
}

/* All that there is of the response, or of one that never ends as much as is fair towards other
 * connections. */
static enum sj_output_state pump(struct sj_connection *connection)
{
    struct sj_exchange *exchange = connection->exchange;
    enum sj_output_state state = SJ_OUTPUT_WAITS;

    for (unsigned i = 0; i < SJ_BATCHES && state == SJ_OUTPUT_WAITS; i++) {
        state = sj_output_pump(&exchange->output, connection->socket);
        if (state != SJ_OUTPUT_DONE || exchange->call == NULL)
            break;
        state = sj_call_compose_more(exchange->call, exchange);
    }
    return state;
}

static bool is_over(enum sj_outcome outcome)
{
    return outcome != SJ_OUTCOME_WAITS && outcome != SJ_OUTCOME_CALLED;
}

/* Whoever composed the response, whose scratch memory holds the head: sends it. */
static void send_composed(struct sj_connection *connection, struct sj_shard *by)
{
    struct sj_output *output = &connection->exchange->output;
    enum sj_output_state state = pump(connection);

    if (state == SJ_OUTPUT_WAITS && sj_output_keep(output) != 0)
        state = SJ_OUTPUT_FAILED;
    if (output->holds_entry)
        sj_count(&by->n_pinned, 1);
    connection->outcome = outcome_of(connection, state);
    if (is_over(connection->outcome))
        end_exchange(connection, by);
}

static void close_if_draining(struct sj_connection *connection)
{
    if (is_draining(connection->shard->service) && !connection->exchange->closes) {
        connection->exchange->closes = true;
        connection->lingers = true;
    }
}

/* Runner.  The section lasts until the octets are in the kernel or a reference is held.  False: the
 * batch has them, and with them the right to write and a section of its own. */
static bool answer(struct sj_connection *connection, struct sj_shard *runner)
{
    struct sj_exchange *exchange = connection->exchange;
    struct sj_index *index = runner->service->site.index;
    const struct sj_generation *generation = sj_index_begin(index);
    bool is_gathered = false;

    close_if_draining(connection);
    if (sj_static_answer(&runner->service->site, generation, &runner->composer, exchange) != 0) {
        connection->outcome = SJ_OUTCOME_HELD;
    } else {
        /* a thief does not close: the owner's turn may be a while away */
        exchange->output.is_last = exchange->closes && runner == connection->shard;
        is_gathered = sj_batch_gather(runner, connection);
        if (!is_gathered) {
            sj_batch_send(runner);
            send_composed(connection, runner);
        }
    }
    sj_index_end(index);
    return !is_gathered;
}

static void send_call(struct sj_connection *connection, struct sj_shard *by)
{
    struct sj_exchange *exchange = connection->exchange;

    close_if_draining(connection);
    sj_call_compose(exchange->call, &by->composer, exchange);
    exchange->output.is_last =
        exchange->closes && exchange->call->has_last && by == connection->shard;
    send_composed(connection, by);
}

/* Runner: the handler, here and now.  It may take its time: nobody shall wait for it. */
static void call(struct sj_connection *connection, struct sj_shard *runner)
{
    sj_batch_send(runner);
    if (sj_call_run(connection->exchange->call, runner))
        send_call(connection, runner);
    else
        connection->outcome = SJ_OUTCOME_LATER;
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
        sj_connection_close(connection);
        break;
    case SJ_OUTCOME_HELD:
        hold(connection);
        break;
    case SJ_OUTCOME_CALLED:
        sj_calls_wait(connection);
        break;
    case SJ_OUTCOME_LATER:
        sj_calls_wait(connection);
        sj_call_go_on(connection->exchange->call);
        sj_calls_resume(connection);
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

/* Runner, with an outcome: the right returns. */
static void give_back(struct sj_connection *connection, const struct sj_shard *runner)
{
    struct sj_shard *owner = connection->shard;

    if (runner == owner) {
        sj_lend_end(&connection->lend);
        finish(connection);
    } else if (connection->outcome != SJ_OUTCOME_DONE || !sj_lend_give_back(&connection->lend)) {
        sj_loop_post(owner->loop, &connection->message);
    }
}

/* The quick task, on the loop that took it. */
static void run(struct sj_task *task)
{
    struct sj_connection *connection = (struct sj_connection *)(void *)task;
    struct sj_shard *runner = sj_loop_context(sj_loop_self());

    if (connection->exchange->call != NULL)
        call(connection, runner);
    else if (!answer(connection, runner))
        return;
    give_back(connection, runner);
}

/* What was not sent, for whatever reason, is tried again by itself. */
void sj_connection_sent(struct sj_connection *connection, struct sj_shard *runner, ssize_t result)
{
    if (result > 0)
        sj_output_took(&connection->exchange->output, (size_t)result);
    send_composed(connection, runner);
    give_back(connection, runner);
}

/* The queue was full, and nobody else has the task. */
static void on_postponed(struct sj_message *message)
{
    struct sj_shard *shard = of_message(message)->shard;

    message->deliver = on_returned;
    run(&of_message(message)->task);
    sj_batch_send(shard); /* other messages may take their time */
}

void sj_connection_ask(struct sj_connection *connection, struct sj_exchange *exchange)
{
    struct sj_shard *shard = connection->shard;

    connection->exchange = exchange;
    if (exchange->call != NULL && sj_calls_start(connection))
        return;
    sj_connection_enter(connection, SJ_PHASE_OPEN);
    sj_lend_begin(&connection->lend, sj_input_needs_owner(connection) ? SJ_WANTED : SJ_LENT);
    if (!sj_loop_push(shard->loop, &connection->task)) {
        connection->message.deliver = on_postponed;
        sj_loop_post(shard->loop, &connection->message);
    }
}

/* Owner: after more has been sent.  `state` is what became of it. */
static void go_on(struct sj_connection *connection, enum sj_output_state state)
{
    connection->outcome = outcome_of(connection, state);
    if (is_over(connection->outcome))
        end_exchange(connection, connection->shard);
    if (connection->outcome == SJ_OUTCOME_DONE)
        sj_connection_enter(connection, SJ_PHASE_OPEN);
    finish(connection);
}

static void on_writable(evutil_socket_t socket, short what, void *argument)
{
    struct sj_connection *connection = argument;
    enum sj_output_state state = pump(connection);

    (void)socket;
    (void)what;
    if (state == SJ_OUTPUT_WAITS)
        return;
    event_del(&connection->writable);
    go_on(connection, state);
}

void sj_connection_send(struct sj_connection *connection)
{
    if (connection->exchange->call->has_begun) {
        go_on(connection, pump(connection));
        return;
    }
    send_call(connection, connection->shard);
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
