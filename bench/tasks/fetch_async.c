/* SPDX-License-Identifier: MIT */
/*
 * The module of fetches on the loop, with libevent's HTTP client.
 *
 * The client's callbacks only note what has come; what follows from it is done by an event of the
 * fetch, after they have returned, because it may end the call and, with it, the client.
 *
 * A page that is to be parsed is taken by a worker in pieces, while the loop receives the next.  A
 * connection whose pieces are not taken is not read from, so that a page need not fit into memory.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include "bench/tasks/client.h"
#include "bench/tasks/records.h"

enum { PIECE = 1 << 16 };
enum { NO_ANSWER = 1 }; /* as a status; 0: none yet */

struct fetch {
    struct sj_call *call;
    enum page page;
    uint64_t attempts_left;
    struct evhttp_connection *connection;
    struct event *next;
    struct evbuffer *arrived; /* the loop's */
    int status;               /* the loop's, too */
    bool is_paused, is_torn;  /* torn: no memory for a part of it */
    bool is_parsing;          /* by a step of the call on a worker, which has what follows: */
    struct evbuffer *piece;
    struct records *records; /* NULL: the page is answered */
    int error;
};

static void release(void *state)
{
    struct fetch *fetch = state;

    if (fetch->connection != NULL)
        evhttp_connection_free(fetch->connection);
    if (fetch->next != NULL)
        event_free(fetch->next);
    if (fetch->arrived != NULL)
        evbuffer_free(fetch->arrived);
    if (fetch->piece != NULL)
        evbuffer_free(fetch->piece);
    records_free(fetch->records);
    free(fetch);
}

static void pause_or_go_on(struct fetch *fetch)
{
    struct bufferevent *stream = evhttp_connection_get_bufferevent(fetch->connection);
    bool is_paused = evbuffer_get_length(fetch->arrived) > PIECE;

    if (is_paused == fetch->is_paused || fetch->status != 0)
        return;
    fetch->is_paused = is_paused;
    if (is_paused)
        bufferevent_disable(stream, EV_READ);
    else
        bufferevent_enable(stream, EV_READ);
}

static void on_data(struct evhttp_request *request, void *context)
{
    struct fetch *fetch = context;

    if (evhttp_request_get_response_code(request) != 200)
        return;
    if (evbuffer_add_buffer(fetch->arrived, evhttp_request_get_input_buffer(request)) != 0)
        fetch->is_torn = true;
    if (fetch->records == NULL)
        return;
    pause_or_go_on(fetch);
    event_active(fetch->next, EV_TIMEOUT, 0);
}

static void on_done(struct evhttp_request *request, void *context)
{
    struct fetch *fetch = context;
    int status = request != NULL ? evhttp_request_get_response_code(request) : 0;

    fetch->status = status != 0 ? status : NO_ANSWER;
    event_active(fetch->next, EV_TIMEOUT, 0);
}

static int send_request(struct fetch *fetch, const struct target *target)
{
    struct evhttp_request *request = evhttp_request_new(on_done, fetch);
    struct evkeyvalq *fields;

    if (request == NULL)
        return -ENOMEM;
    fields = evhttp_request_get_output_headers(request);
    evhttp_request_set_chunked_cb(request, on_data);
    if (evhttp_add_header(fields, "Host", target->authority) != 0 ||
        evhttp_add_header(fields, "Connection", "close") != 0) {
        evhttp_request_free(request);
        return -ENOMEM;
    }
    return evhttp_make_request(fetch->connection, request, EVHTTP_REQ_GET, target->path) == 0
               ? SJ_LATER
               : -ENOMEM;
}

static int begin_attempt(struct fetch *fetch)
{
    struct fetch_async *async = sj_call_context(fetch->call);
    const struct target *target = &async->targets[fetch->page];

    fetch->attempts_left--;
    fetch->status = 0;
    if (fetch->connection != NULL)
        evhttp_connection_free(fetch->connection);
    fetch->connection = client_connection_new(async, fetch->page, sj_call_base(fetch->call),
                                              sj_call_loop(fetch->call));
    return fetch->connection != NULL ? send_request(fetch, target) : -ENOMEM;
}

static int answer_page(struct fetch *fetch)
{
    int got = sj_answer_field(fetch->call, "Content-Type", "text/plain");
    struct evbuffer_iovec part;

    while (got == 0 && evbuffer_peek(fetch->arrived, -1, NULL, &part, 1) > 0) {
        got = sj_answer_bytes(fetch->call, part.iov_base, part.iov_len);
        evbuffer_drain(fetch->arrived, part.iov_len);
    }
    return got;
}

static int answer_records(struct fetch *fetch)
{
    char text[RECORDS_TEXT];

    return records_end(fetch->records, text) == 0 ? tasks_answer(fetch->call, text) : 502;
}

static int parse(struct sj_call *call);

static int parse_piece(struct fetch *fetch)
{
    struct evbuffer *piece = fetch->arrived;

    fetch->arrived = fetch->piece;
    fetch->piece = piece;
    pause_or_go_on(fetch);
    fetch->is_parsing = true;
    return sj_call_then(fetch->call, SJ_ON_WORKER, parse);
}

/* What a handler returns. */
static int go_on(struct fetch *fetch)
{
    size_t n_arrived = evbuffer_get_length(fetch->arrived);

    if (fetch->is_torn || fetch->error == -ENOMEM)
        return -ENOMEM;
    if (fetch->error != 0)
        return 502;
    if (fetch->records != NULL && n_arrived >= (fetch->status != 0 ? 1 : PIECE))
        return parse_piece(fetch);
    if (fetch->status == 0)
        return SJ_LATER;
    if (fetch->status == 200)
        return fetch->records != NULL ? answer_records(fetch) : answer_page(fetch);
    return fetch->status == 500 && fetch->attempts_left > 0 ? begin_attempt(fetch) : 502;
}

static int parsed(struct sj_call *call)
{
    struct fetch *fetch = sj_call_state(call);

    fetch->is_parsing = false;
    return go_on(fetch);
}

/* On a worker. */
static int parse(struct sj_call *call)
{
    struct fetch *fetch = sj_call_state(call);
    struct evbuffer_iovec part;

    while (fetch->error == 0 && evbuffer_peek(fetch->piece, -1, NULL, &part, 1) > 0) {
        fetch->error = records_take(fetch->records, part.iov_base, part.iov_len);
        evbuffer_drain(fetch->piece, part.iov_len);
    }
    return sj_call_then(call, SJ_ON_LOOP, parsed);
}

static void on_next(evutil_socket_t none, short what, void *context)
{
    struct fetch *fetch = context;
    struct sj_call *call = fetch->call;
    int result;

    (void)none, (void)what;
    if (fetch->is_parsing)
        return;
    result = go_on(fetch);
    if (result != SJ_LATER)
        sj_call_end(call, result);
}

static int init(struct fetch *fetch, enum use what)
{
    fetch->next = event_new(sj_call_base(fetch->call), -1, 0, on_next, fetch);
    fetch->arrived = evbuffer_new();
    if (fetch->next == NULL || fetch->arrived == NULL)
        return -ENOMEM;
    if (what == ANSWER_IT)
        return 0;
    fetch->piece = evbuffer_new();
    fetch->records = records_new();
    return fetch->piece != NULL && fetch->records != NULL ? 0 : -ENOMEM;
}

static int run(struct sj_call *call, enum page page, enum use what)
{
    const struct fetch_async *async = sj_call_context(call);
    const struct settings *settings = &async->settings;
    const struct target *target = &async->targets[page];
    struct fetch *fetch;
    int got;

    if (target->host == NULL || (target->is_name && settings->dns == NULL))
        return 502;
    fetch = calloc(1, sizeof *fetch);
    if (fetch == NULL)
        return -ENOMEM;
    *fetch = (struct fetch){.call = call, .page = page, .attempts_left = settings->attempts};
    sj_call_set_state(call, fetch, release);
    got = init(fetch, what);
    return got != 0 ? got : begin_attempt(fetch);
}

/* A handler for each page, and what is done with it. */
#define FETCHES(X)                                                     \
    X(network_async_local, LOCAL, ANSWER_IT)                           \
    X(network_async_external, EXTERNAL, ANSWER_IT)                     \
    X(network_async_external_retry, EXTERNAL_RETRY, ANSWER_IT)         \
    X(network_async_dns_external, EXTERNAL_DNS, ANSWER_IT)             \
    X(network_async_dns_external_retry, EXTERNAL_DNS_RETRY, ANSWER_IT) \
    X(network_https_async, HTTPS, ANSWER_IT)                           \
    X(network_https_async_retry, HTTPS_RETRY, ANSWER_IT)               \
    X(network_https_dns_async, HTTPS_DNS, ANSWER_IT)                   \
    X(network_https_dns_async_retry, HTTPS_DNS_RETRY, ANSWER_IT)       \
    X(network_https_cpu_bound_async, HTTPS_XML, PARSE_IT)

#define FETCH(name, page, what)              \
    static int name(struct sj_call *call)    \
    {                                        \
        return run(call, PAGE_##page, what); \
    }
FETCHES(FETCH)

#define ROW(name, page, what) {#name, name, SJ_ASYNC},
static const struct sj_handler handlers[] = {FETCHES(ROW){0}};

static int start(const struct sj_setup *setup, void **context)
{
    struct fetch_async *async = fetch_async_new(setup);

    if (async == NULL) {
        snprintf(setup->error, setup->error_size, "no memory, or BENCH_CA, BENCH_DNS are wrong");
        return -EINVAL;
    }
    *context = async;
    return 0;
}

static void stop(void *context)
{
    fetch_async_free(context);
}

SJ_MODULE = {
    .abi = SJ_ABI, .name = "fetch_async", .handlers = handlers, .start = start, .stop = stop};
