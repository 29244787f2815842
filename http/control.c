/* SPDX-License-Identifier: MIT */
#include "http/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/event_struct.h>

#include "http/local.h"

#define SJ_ACCEPT_AGAIN_S 1 /* after accept failed for lack of something */

struct sj_control_request {
    TAILQ_ENTRY(sj_control_request) link;
    struct sj_control *control;
    struct event event; /* readable, later writable; not pending while a command has the request */
    struct evbuffer *answer; /* NULL: not answered yet */
    int socket;
    size_t length;              /* of `line` */
    char line[SJ_CONTROL_LINE]; /* once it is complete, with a NUL behind each word */
};

struct sj_control {
    struct sj_control_config config;
    struct sockaddr_un address;
    int socket;
    bool is_local; /* a socket of its own, at `address`; else somebody's */
    bool is_bound;
    dev_t device; /* of the file */
    ino_t inode;
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

static void on_writable(evutil_socket_t socket, short what, void *argument)
{
    struct sj_control_request *request = argument;
    int sent = evbuffer_write(request->answer, socket);
    bool is_over = (what & EV_TIMEOUT) != 0 || (sent < 0 && errno != EAGAIN && errno != EINTR);

    if (is_over || evbuffer_get_length(request->answer) == 0)
        request_free(request);
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
        evbuffer_add_printf(request->answer, "%s\n", outcomes[outcome]) < 0 ||
        evbuffer_add(request->answer, text, length) != 0 ||
        evbuffer_add(request->answer, end, strlen(end)) != 0)
        request_free(request);
    else
        send_answer(request);
}

void sj_control_answer_bare(struct sj_control_request *request, const char *text)
{
    request->answer = evbuffer_new();
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

static void on_readable(evutil_socket_t socket, short what, void *argument)
{
    struct sj_control_request *request = argument;
    char *at = request->line + request->length, *end;
    ssize_t got;

    if ((what & EV_TIMEOUT) != 0) {
        sj_control_answer(request, SJ_CONTROL_ERROR, "no request came");
        return;
    }
    got = recv(socket, at, sizeof(request->line) - request->length, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        request_free(request);
        return;
    }
    end = got > 0 ? memchr(at, '\n', (size_t)got) : NULL;
    if (got > 0)
        request->length += (size_t)got;
    if (end != NULL) {
        split(request, end);
        run(request);
    } else if (request->length == sizeof(request->line)) {
        sj_control_answer(request, SJ_CONTROL_ERROR, "the request is too long");
    } else {
        wait_for(request);
    }
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

/* The kernel says who connected; who could become this user anyway may. */
static bool may_control(int socket)
{
    struct ucred peer;
    socklen_t length = sizeof(peer);

    return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

static void welcome(struct sj_control *control, int socket)
{
    struct sj_control_request *request = NULL;

    if (control->is_local && !may_control(socket)) {
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

/* What was bound, by a descriptor: whoever can write to the folder could have put something else
 * there meanwhile, and had it given away. */
static int give(struct sj_control *control)
{
    const struct sj_control_config *config = &control->config;
    int file = open(config->path, O_PATH | O_NOFOLLOW | O_CLOEXEC), error = 0;
    struct stat status = {0};

    if (file < 0)
        return -errno;
    if (fstat(file, &status) != 0 || !S_ISSOCK(status.st_mode)) {
        close(file);
        return -EEXIST;
    }
    control->device = status.st_dev;
    control->inode = status.st_ino;
    control->is_bound = true;
    if ((status.st_uid != config->user || status.st_gid != config->group) &&
        fchownat(file, "", config->user, config->group, AT_EMPTY_PATH) != 0)
        error = -errno;
    close(file);
    return error;
}

/* The mode that a socket has before bind is its file's: nobody else can ever open it. */
static int bind_and_listen(struct sj_control *control)
{
    const struct sockaddr *address = (const struct sockaddr *)&control->address;
    int error = sj_local_clear(&control->address);

    if (error != 0)
        return error;
    control->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (control->socket < 0 || fchmod(control->socket, 0600) != 0 ||
        bind(control->socket, address, sizeof(control->address)) != 0)
        return -errno;
    error = give(control);
    if (error == 0 && listen(control->socket, SJ_CONTROL_CLIENTS) != 0)
        error = -errno;
    return error;
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
    made->socket = -1;
    TAILQ_INIT(&made->requests);
    made->is_local = config->path != NULL;
    if (made->is_local)
        error = sj_local_address(config->path, &made->address);
    else
        made->socket = config->listener;
    if (error == 0 && made->is_local)
        error = bind_and_listen(made);
    if (error == 0)
        error = make_events(made);
    if (error != 0) {
        sj_control_free(made);
        return error;
    }
    made->config.path = NULL; /* the caller's; `address` has it */
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
    struct stat status;

    if (control == NULL)
        return;
    refuse_all(control);
    if (control->acceptable != NULL)
        event_free(control->acceptable);
    if (control->again != NULL)
        event_free(control->again);
    if (control->is_bound && lstat(control->address.sun_path, &status) == 0 &&
        status.st_dev == control->device && status.st_ino == control->inode)
        unlink(control->address.sun_path);
    if (control->socket >= 0 && control->is_local)
        close(control->socket);
    free(control);
}
