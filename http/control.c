/* SPDX-License-Identifier: MIT */
#include "http/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/event_struct.h>

#include "core/clock.h"
#include "http/local.h"

#define SJ_ACCEPT_AGAIN_S 1     /* after accept failed for lack of something */
#define SJ_HEAD_MAX       65536 /* octets of HTTP fields that are waited for */

struct sj_control_request {
    TAILQ_ENTRY(sj_control_request) link;
    struct sj_control *control;
    struct event event; /* readable, later writable; not pending while a command has the request */
    struct evbuffer *answer; /* NULL: not answered yet */
    int socket;
    uint64_t since_ns;          /* when it was accepted */
    size_t n_head;              /* octets of HTTP fields so far */
    bool reads_head;            /* the line has come, the empty one has not */
    bool is_at_line_start;      /* of the fields */
    bool lingers;               /* its client may still be sending fields */
    size_t length;              /* of `line` */
    char line[SJ_CONTROL_LINE]; /* once it is complete, with a NUL behind each word */
};

struct sj_control {
    struct sj_control_config config;
    struct sj_local own; /* with a path */
    int socket;          /* that one, or somebody's */
    bool is_local;
    struct event *acceptable;
    struct event *again;
    TAILQ_HEAD(, sj_control_request) requests;
    unsigned n_requests;
};

static void request_free(struct sj_control_request *request)
{
    struct sj_control *control = request->control;

    TAILQ_REMOVE(&control->requests, request, link);
    control->n_requests--;
    event_del(&request->event);
    if (request->answer != NULL)
        evbuffer_free(request->answer);
    close(request->socket);
    free(request);
}

/* Waits for the socket, as long as an idle client may. */
static void wait_for(struct sj_control_request *request)
{
    unsigned idle_ms = request->control->config.idle_ms;
    struct timeval limit = {.tv_sec = (time_t)(idle_ms / 1000),
                            .tv_usec = (suseconds_t)(idle_ms % 1000 * 1000)};

    if (event_add(&request->event, &limit) != 0)
        request_free(request);
}

static bool has_ended(ssize_t got)
{
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

/* One that sends an octet now and then would have its place for ever. */
static bool is_late(const struct sj_control_request *request)
{
    return sj_clock_ns() - request->since_ns >= request->control->config.idle_ms * 1000000ull;
}

static void on_discarded(evutil_socket_t socket, short what, void *argument)
{
    struct sj_control_request *request = argument;
    char octets[4096];

    if (has_ended(recv(socket, octets, sizeof(octets), 0)) || (what & EV_TIMEOUT) != 0 ||
        is_late(request))
        request_free(request);
    else
        wait_for(request);
}

/* RFC 9112 section 9.6: with octets unread, close would reset the connection, and the answer could
 * be lost. */
static void linger(struct sj_control_request *request)
{
    if (!request->lingers || shutdown(request->socket, SHUT_WR) != 0) {
        request_free(request);
        return;
    }
    request->since_ns = sj_clock_ns();
    event_assign(&request->event, request->control->config.base, request->socket, EV_READ,
                 on_discarded, request);
    wait_for(request);
}

static void on_writable(evutil_socket_t socket, short what, void *argument)
{
    struct sj_control_request *request = argument;
    int sent = evbuffer_write(request->answer, socket);

    if ((what & EV_TIMEOUT) != 0 || (sent < 0 && errno != EAGAIN && errno != EINTR))
        request_free(request);
    else if (evbuffer_get_length(request->answer) == 0)
        linger(request);
    else
        wait_for(request);
}

const char *sj_control_word(const struct sj_control_request *request, unsigned index)
{
    const char *end = request->line + request->length, *at = request->line;

    for (;; index--) {
        while (at < end && *at == '\0')
            at++;
        if (index == 0 || at >= end)
            return at < end ? at : NULL;
        at += strlen(at);
    }
}

const char *sj_control_rest(struct sj_control_request *request, unsigned index)
{
    const char *rest = sj_control_word(request, index);

    for (char *at = request->line + request->length - 1; rest != NULL && --at > rest;)
        if (*at == '\0')
            *at = ' ';
    return rest;
}

static void send_answer(struct sj_control_request *request)
{
    event_del(&request->event);
    event_assign(&request->event, request->control->config.base, request->socket, EV_WRITE,
                 on_writable, request);
    on_writable(request->socket, EV_WRITE, request);
}

void sj_control_answer(struct sj_control_request *request, enum sj_control_outcome outcome,
                       const char *text)
{
    static const char *const outcomes[] = {"ok", "refused", "error"};
    size_t length = strlen(text);
    const char *end = length > 0 && text[length - 1] != '\n' ? "\n" : "";

    request->answer = evbuffer_new();
    if (request->answer == NULL ||
        evbuffer_add_printf(request->answer, "%s\n%s%s", outcomes[outcome], text, end) < 0)
        request_free(request);
    else
        send_answer(request);
}

void sj_control_answer_bare(struct sj_control_request *request, const char *text)
{
    request->answer = evbuffer_new();
    request->lingers = true;
    if (request->answer == NULL || evbuffer_add(request->answer, text, strlen(text)) != 0)
        request_free(request);
    else
        send_answer(request);
}

/* Into words, at the line's `end`; what came behind it does not count. */
static void split(struct sj_control_request *request, char *end)
{
    if (end > request->line && end[-1] == '\r')
        end--;
    *end = '\0';
    request->length = (size_t)(end + 1 - request->line);
    for (char *at = request->line; at < end; at++)
        if (*at == ' ')
            *at = '\0';
}

static void run(struct sj_control_request *request)
{
    const struct sj_control *control = request->control;
    const struct sj_control_command *command = control->config.commands;
    const char *name = sj_control_word(request, 0);

    while (command->name != NULL && (name == NULL || strcmp(command->name, name) != 0))
        command++;
    if (command->name != NULL)
        command->run(control->config.argument, request);
    else
        sj_control_answer(request, SJ_CONTROL_ERROR, "this server does not know that command");
}

static bool is_http(const struct sj_control_request *request)
{
    const char *version = sj_control_word(request, 2);

    return request->control->config.http != NULL && version != NULL &&
           strncmp(version, "HTTP/1.", 7) == 0 && sj_control_word(request, 3) == NULL;
}

/* Of an HTTP request come its fields, which do not matter, and an empty line. */
static void take_fields(struct sj_control_request *request, const char *at, const char *end)
{
    const struct sj_control_config *config = &request->control->config;

    request->n_head += (size_t)(end - at);
    for (; at < end && request->reads_head; at++) {
        request->reads_head = *at != '\n' || !request->is_at_line_start;
        request->is_at_line_start = *at == '\n' || (*at == '\r' && request->is_at_line_start);
    }
    if (!request->reads_head || request->n_head > SJ_HEAD_MAX)
        config->http(config->argument, request);
    else
        wait_for(request);
}

/* From `from` on `got` octets have come. */
static void take(struct sj_control_request *request, char *from, size_t got)
{
    char *end = memchr(from, '\n', got);

    request->length += got;
    if (end == NULL && request->length == sizeof(request->line)) {
        sj_control_answer(request, SJ_CONTROL_ERROR, "the request is too long");
    } else if (end == NULL) {
        wait_for(request);
    } else {
        split(request, end);
        request->reads_head = request->is_at_line_start = is_http(request);
        if (request->reads_head)
            take_fields(request, end + 1, from + got);
        else
            run(request);
    }
}

static void on_readable(evutil_socket_t socket, short what, void *argument)
{
    struct sj_control_request *request = argument;
    char fields[4096], *to = request->line + request->length;
    size_t room = sizeof(request->line) - request->length;
    ssize_t got;

    if ((what & EV_TIMEOUT) != 0 || is_late(request)) {
        sj_control_answer(request, SJ_CONTROL_ERROR, "no request came");
        return;
    }
    got = request->reads_head ? recv(socket, fields, sizeof(fields), 0) : recv(socket, to, room, 0);
    if (has_ended(got))
        request_free(request);
    else if (got < 0)
        wait_for(request);
    else if (request->reads_head)
        take_fields(request, fields, fields + got);
    else
        take(request, to, (size_t)got);
}

/* Whoever does not get as far as a request.  A client that does not take so much at once has more
 * than one problem. */
static void turn_away(int socket, const char *why)
{
    char text[128];
    int length = snprintf(text, sizeof(text), "error\n%s\n", why);

    (void)!send(socket, text, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(socket);
}

static void welcome(struct sj_control *control, int socket)
{
    struct sj_control_request *request = NULL;

    if (control->is_local && !sj_local_may_control(socket)) {
        turn_away(socket, "only root and the server's own user may control it");
        return;
    }
    if (control->n_requests < SJ_CONTROL_CLIENTS)
        request = calloc(1, sizeof(*request));
    if (request == NULL) {
        turn_away(socket, "too many clients wait at the control socket: try again later");
        return;
    }
    request->control = control;
    request->socket = socket;
    request->since_ns = sj_clock_ns();
    TAILQ_INSERT_TAIL(&control->requests, request, link);
    control->n_requests++;
    event_assign(&request->event, control->config.base, socket, EV_READ, on_readable, request);
    wait_for(request);
}

/* Without descriptors the next client would wake the loop again at once, for as long as it waits:
 * the socket is looked at later. */
static void accept_again(struct sj_control *control, int error)
{
    struct timeval wait = {.tv_sec = SJ_ACCEPT_AGAIN_S};

    sj_log(control->config.log, SJ_LOG_WARNING, "control socket: cannot accept: %s",
           strerror(error));
    event_del(control->acceptable);
    event_add(control->again, &wait);
}

static void on_acceptable(evutil_socket_t listener, short what, void *argument)
{
    struct sj_control *control = argument;
    int socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    (void)what;
    if (socket >= 0)
        welcome(control, socket);
    else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
        accept_again(control, errno);
}

static void on_again(evutil_socket_t none, short what, void *argument)
{
    struct sj_control *control = argument;

    (void)none;
    (void)what;
    event_add(control->acceptable, NULL);
}

static int make_events(struct sj_control *control)
{
    struct event_base *base = control->config.base;

    control->acceptable =
        event_new(base, control->socket, EV_READ | EV_PERSIST, on_acceptable, control);
    control->again = evtimer_new(base, on_again, control);
    if (control->acceptable == NULL || control->again == NULL ||
        event_add(control->acceptable, NULL) != 0)
        return -ENOMEM;
    return 0;
}

int sj_control_new(const struct sj_control_config *config, struct sj_control **control)
{
    struct sj_control *made = calloc(1, sizeof(*made));
    int error = 0;

    if (made == NULL)
        return -ENOMEM;
    made->config = *config;
    made->socket = config->listener;
    TAILQ_INIT(&made->requests);
    made->is_local = config->path != NULL;
    if (made->is_local) {
        error = sj_local_listen(&made->own, config->path, config->user, config->group);
        made->socket = made->own.socket;
    }
    if (error == 0)
        error = make_events(made);
    if (error != 0) {
        sj_control_free(made);
        return error;
    }
    made->config.path = NULL; /* the caller's; `own` has it */
    *control = made;
    return 0;
}

static void refuse_all(struct sj_control *control)
{
    struct sj_control_request *request = TAILQ_FIRST(&control->requests), *next;

    for (; request != NULL; request = next) {
        next = TAILQ_NEXT(request, link);
        if (request->answer == NULL)
            sj_control_answer(request, SJ_CONTROL_ERROR, "the server is stopping");
    }
    while ((request = TAILQ_FIRST(&control->requests)) != NULL)
        request_free(request);
}

void sj_control_free(struct sj_control *control)
{
    if (control == NULL)
        return;
    refuse_all(control);
    if (control->acceptable != NULL)
        event_free(control->acceptable);
    if (control->again != NULL)
        event_free(control->again);
    if (control->is_local)
        sj_local_close(&control->own);
    free(control);
}
