/* SPDX-License-Identifier: MIT */
#include "http/input.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <event2/buffer.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "http/batch.h"
#include "http/body.h"
#include "http/calls.h"

/*
 * So much may wait for its turn, in octets; then the bufferevent stops reading until more is
 * needed. Not by its own high watermark: beyond that libevent 2.1 calls the read callback again and
 * again within one turn, until somebody consumes, and the one who would is the task after the turn.
 */
#define SJ_WAITING_MAX (64 * 1024)

#define SJ_PROBE_S 5 /* between two questions to a silent client's kernel */

static struct evbuffer *buffer_of(const struct sj_connection *connection)
{
    return bufferevent_get_input(connection->input);
}

static void on_buffered(struct bufferevent *input, void *argument);
static void on_event(struct bufferevent *input, short what, void *argument);

static int make_buffer(struct sj_connection *connection)
{
    struct event_base *base = sj_loop_base(connection->shard->loop);
    struct bufferevent *input = bufferevent_socket_new(base, connection->socket, 0);

    if (input == NULL)
        return -ENOMEM;
    connection->input = input;
    bufferevent_disable(input, EV_READ | EV_WRITE); /* writing is http/output.c's alone */
    bufferevent_setcb(input, on_buffered, NULL, on_event, connection);
    return 0;
}

bool sj_input_is_pending(const struct sj_connection *connection)
{
    return connection->has_ended || (connection->reading == SJ_READS_BUFFERED &&
                                     evbuffer_get_length(buffer_of(connection)) > 0);
}

bool sj_input_needs_owner(const struct sj_connection *connection)
{
    return connection->reading == SJ_READS_NOT || sj_input_is_pending(connection);
}

/* Adding one event before the other is removed spares two system calls: libevent sees no change. */
int sj_input_read_buffered(struct sj_connection *connection)
{
    if (connection->reading == SJ_READS_BUFFERED)
        return 0;
    if (connection->input == NULL && make_buffer(connection) != 0)
        return -ENOMEM;
    if (bufferevent_enable(connection->input, EV_READ) != 0)
        return -ENOMEM;
    if (connection->reading == SJ_READS_DIRECT)
        event_del(&connection->readable);
    connection->reading = SJ_READS_BUFFERED;
    return 0;
}

/* May free the connection. */
static void read_direct(struct sj_connection *connection)
{
    if (connection->reading == SJ_READS_DIRECT)
        return;
    if (event_add(&connection->readable, NULL) != 0) {
        sj_connection_free(connection);
        return;
    }
    if (connection->reading == SJ_READS_BUFFERED)
        bufferevent_disable(connection->input, EV_READ);
    connection->reading = SJ_READS_DIRECT;
}

void sj_input_read_on(struct sj_connection *connection)
{
    if ((bufferevent_get_enabled(connection->input) & EV_READ) == 0)
        bufferevent_enable(connection->input, EV_READ);
}

/* Puts aside what was read but not used.  0 or -ENOMEM. */
static int put_aside(struct sj_connection *connection, const char *from, size_t length)
{
    struct evbuffer *buffer;
    int error;

    if (sj_input_read_buffered(connection) != 0)
        return -ENOMEM;
    buffer = buffer_of(connection);
    evbuffer_unfreeze(buffer, 0); /* a bufferevent lets nobody else add to its input */
    error = evbuffer_add(buffer, from, length);
    evbuffer_freeze(buffer, 0);
    return error == 0 ? 0 : -ENOMEM;
}

void sj_input_refuse(struct sj_connection *connection, struct sj_exchange *exchange, int status)
{
    exchange->status = status;
    exchange->closes = true;
    connection->lingers = true;
    sj_connection_ask(connection, exchange);
}

/* A complete head: the exchange's buffer holds it. */
static void take_request(struct sj_connection *connection, struct sj_exchange *exchange)
{
    sj_exchange_prepare(exchange, connection->shard->service->config->body_limit);
    sj_calls_match(connection->shard, exchange);
    connection->exchange = exchange;
    if (exchange->status != 0 && exchange->closes) {
        sj_input_refuse(connection, exchange, exchange->status);
    } else if (exchange->framing.kind == SJ_BODY_NONE) {
        sj_connection_ask(connection, exchange);
    } else {
        sj_body_begin(connection, exchange);
    }
}

/* What was parsed so far, without the octets: they stay in the bufferevent. */
static struct sj_exchange *copy_of(struct sj_shard *shard, const struct sj_exchange *from,
                                   size_t capacity)
{
    struct sj_exchange *to = capacity > 0 && capacity <= sj_exchange_size(SJ_EXCHANGE_READ)
                                 ? sj_exchange_new(&shard->exchanges)
                                 : sj_exchange_new_sized(&shard->exchanges, capacity);
    struct sj_field *fields;

    if (to == NULL)
        return NULL;
    fields = to->request.fields;
    memcpy(fields, from->request.fields, from->request.n_fields * sizeof(*fields));
    to->request = from->request;
    to->request.fields = fields;
    return to;
}

/* Takes the head of `length` octets at the front of the bufferevent into an exchange of its own. */
static struct sj_exchange *take_head(struct sj_connection *connection, const char *head,
                                     size_t length)
{
    struct sj_shard *shard = connection->shard;
    struct sj_exchange *exchange = copy_of(shard, connection->exchange, sj_exchange_size(length));

    if (exchange == NULL)
        return NULL;
    memcpy(exchange->buffer, head, length);
    evbuffer_drain(buffer_of(connection), length);
    sj_exchange_free(&shard->exchanges, connection->exchange);
    connection->exchange = NULL;
    return exchange;
}

/* Empty lines alone are not the beginning of a request: the connection is still idle. */
static void wait_for_head(struct sj_connection *connection, size_t length)
{
    const struct sj_request *request = &connection->exchange->request;
    bool has_begun = request->state != SJ_REQUEST_LINE || request->parsed < length;

    if (connection->has_ended) {
        sj_connection_free(connection);
        return;
    }
    if (has_begun && connection->deadline.queue != SJ_PHASE_HEAD)
        sj_connection_enter(connection, SJ_PHASE_HEAD);
    sj_input_read_on(connection);
}

/* The next request out of the bufferevent. */
static void parse_buffered(struct sj_connection *connection)
{
    struct sj_shard *shard = connection->shard;
    struct evbuffer *buffer = buffer_of(connection);
    size_t length = evbuffer_get_length(buffer);
    struct sj_exchange *exchange;
    const char *head;
    int status;

    if (connection->exchange == NULL)
        connection->exchange = sj_exchange_new_sized(&shard->exchanges, 0);
    head = (const char *)evbuffer_pullup(buffer, -1);
    if (connection->exchange == NULL || head == NULL) {
        sj_connection_free(connection);
        return;
    }
    status =
        sj_request_parse(&connection->exchange->request, &shard->service->limits, head, length);
    if (status == -EAGAIN) {
        wait_for_head(connection, length);
        return;
    }
    exchange = take_head(connection, head,
                         status == 0 ? connection->exchange->request.head_length : length);
    if (exchange == NULL)
        sj_connection_free(connection);
    else if (status == 0)
        take_request(connection, exchange);
    else
        sj_input_refuse(connection, exchange, status);
}

void sj_input_resume(struct sj_connection *connection)
{
    if (connection->deadline.queue == SJ_PHASE_BODY)
        sj_body_go_on(connection);
    else if (connection->reading == SJ_READS_BUFFERED &&
             evbuffer_get_length(buffer_of(connection)) > 0)
        parse_buffered(connection);
    else if (connection->has_ended)
        sj_connection_free(connection);
    else
        read_direct(connection);
}

/* It waits for its answer, and the owner has the right to write. */
static bool is_unanswered(const struct sj_connection *connection)
{
    return connection->deadline.queue == SJ_PHASE_HELD ||
           connection->deadline.queue == SJ_PHASE_CALLED;
}

/* Is this the moment to parse?  If not, the input waits and the runner or the end of sending will
 * call sj_input_resume. */
static bool may_parse(struct sj_connection *connection)
{
    return !sj_lend_want(&connection->lend) && !is_unanswered(connection) &&
           connection->deadline.queue != SJ_PHASE_SENDING &&
           connection->deadline.queue != SJ_PHASE_LINGER;
}

static void on_buffered(struct bufferevent *input, void *argument)
{
    struct sj_connection *connection = argument;

    if (may_parse(connection))
        sj_input_resume(connection);
    else if (evbuffer_get_length(buffer_of(connection)) >= SJ_WAITING_MAX)
        bufferevent_disable(input, EV_READ);
}

static short look_at(int socket)
{
    struct pollfd look = {.fd = socket, .events = POLLRDHUP};

    return poll(&look, 1, 0) > 0 ? look.revents : 0;
}

/* Both directions are closed.  A client that has only ended its own side (RFC 9112 section 9.6)
 * may still want its answer. */
static bool has_gone(short seen)
{
    return (seen & (POLLHUP | POLLERR)) != 0;
}

static void on_event(struct bufferevent *input, short what, void *argument)
{
    struct sj_connection *connection = argument;

    (void)input; /* end of file or an error: either way no more will come */
    connection->has_ended = true;
    if (may_parse(connection))
        sj_input_resume(connection);
    else if (is_unanswered(connection) &&
             ((what & BEV_EVENT_ERROR) != 0 || has_gone(look_at(connection->socket))))
        sj_connection_cut_off(connection);
}

/* The whole of a request in one piece goes on from here; anything else is put aside. */
static void parse_direct(struct sj_connection *connection, struct sj_exchange *exchange,
                         size_t length)
{
    struct sj_shard *shard = connection->shard;
    int status =
        sj_request_parse(&exchange->request, &shard->service->limits, exchange->buffer, length);
    size_t used = status == 0 ? exchange->request.head_length : 0;
    int error = 0;

    if (status == -EAGAIN || (status == 0 && used < length))
        error = put_aside(connection, exchange->buffer + used, length - used);
    if (status == -EAGAIN)
        connection->exchange = copy_of(shard, exchange, 0);
    if (error != 0 || (status == -EAGAIN && connection->exchange == NULL)) {
        sj_exchange_free(&shard->exchanges, exchange);
        sj_connection_free(connection);
    } else if (status == -EAGAIN) {
        sj_exchange_free(&shard->exchanges, exchange);
        wait_for_head(connection, length);
    } else if (status == 0) {
        take_request(connection, exchange);
    } else {
        sj_input_refuse(connection, exchange, status);
    }
}

void sj_input_received(struct sj_connection *connection, struct sj_exchange *exchange,
                       ssize_t result)
{
    if (result > 0) {
        connection->lingers = result == SJ_EXCHANGE_READ; /* there may be more in the kernel */
        parse_direct(connection, exchange, (size_t)result);
        return;
    }
    sj_exchange_free(&connection->shard->exchanges, exchange);
    if (result == -EAGAIN || result == -EINTR)
        read_direct(connection);
    else
        sj_connection_free(connection);
}

/* Now or with others, but in this turn.  May free the connection. */
static void receive(struct sj_connection *connection)
{
    struct sj_exchange *exchange;
    ssize_t result;

    if (sj_batch_note(connection))
        return;
    exchange = sj_exchange_new(&connection->shard->exchanges);
    if (exchange == NULL) {
        sj_connection_free(connection);
        return;
    }
    result = recv(connection->socket, exchange->buffer, SJ_EXCHANGE_READ, 0);
    sj_input_received(connection, exchange, result < 0 ? -errno : result);
}

/* A request that comes while another is in work stays in the kernel. */
static void on_readable(evutil_socket_t socket, short what, void *argument)
{
    struct sj_connection *connection = argument;

    (void)what;
    if (may_parse(connection)) {
        receive(connection);
    } else if (is_unanswered(connection) && has_gone(look_at(socket))) {
        sj_connection_cut_off(connection);
    } else {
        event_del(&connection->readable);
        connection->reading = SJ_READS_NOT;
    }
}

static bool is_watched(const struct sj_connection *connection)
{
    return connection->reading == SJ_READS_DIRECT ||
           (connection->reading == SJ_READS_BUFFERED &&
            (bufferevent_get_enabled(connection->input) & EV_READ) != 0);
}

/* A client that has closed looks like one that has only ended its side, until its kernel has
 * forgotten the connection and says so to whoever asks. */
static void probe(struct sj_connection *connection)
{
    int one = 1, seconds = SJ_PROBE_S;

    if (connection->is_probed)
        return;
    connection->is_probed = true;
    setsockopt(connection->socket, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds));
    setsockopt(connection->socket, IPPROTO_TCP, TCP_KEEPINTVL, &seconds, sizeof(seconds));
    setsockopt(connection->socket, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
}

bool sj_input_has_lost_client(struct sj_connection *connection)
{
    short seen = is_watched(connection) ? 0 : look_at(connection->socket);

    if ((seen & POLLRDHUP) != 0)
        probe(connection);
    return has_gone(seen);
}

void sj_input_start(struct sj_connection *connection)
{
    event_assign(&connection->readable, sj_loop_base(connection->shard->loop), connection->socket,
                 EV_READ | EV_PERSIST, on_readable, connection);
    receive(connection);
}

void sj_input_fini(struct sj_connection *connection)
{
    event_del(&connection->readable);
    if (connection->input != NULL)
        bufferevent_free(connection->input);
}
