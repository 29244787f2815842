/* SPDX-License-Identifier: MIT */
/* The connections of the open loop: each carries one request at a time. */
#include "bench/rate.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256 };

#define RETRY_NS    (RATE_SECOND_NS / 100) /* after a refused connection */
#define PATIENCE_NS (10 * RATE_SECOND_NS)  /* for answers, after the last request was due */

/* Closed or refused, as the counter says; what it carried, if anything, is lost. */
static void drop(struct rate_run *run, struct rate_connection *c, uint64_t *counter)
{
    ++*counter;
    if (c->state == RATE_IDLE)
        TAILQ_REMOVE(&run->idle, c, link);
    run->n_busy -= c->state == RATE_BUSY;
    if (c->state == RATE_BUSY)
        c->class->n_lost++;
    close(c->socket);
    c->state = RATE_DOWN;
    c->retry_ns = counter == &run->n_refused ? rate_now_ns() + RETRY_NS : 0;
    TAILQ_INSERT_TAIL(&run->down, c, link);
}

static void open_one(struct rate_run *run, struct rate_connection *c)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(run->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    int on = 1;

    TAILQ_REMOVE(&run->down, c, link);
    c->state = RATE_CONNECTING;
    c->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->socket < 0)
        rate_die("socket");
    setsockopt(c->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(c->socket, (struct sockaddr *)&to, sizeof(to)) != 0 && errno != EINPROGRESS) {
        drop(run, c, &run->n_refused);
    } else if (epoll_ctl(run->epoll, EPOLL_CTL_ADD, c->socket, &event) != 0) {
        rate_die("epoll_ctl");
    }
}

static void open_due(struct rate_run *run, uint64_t now)
{
    struct rate_connection *next;

    for (struct rate_connection *c = TAILQ_FIRST(&run->down); c != NULL; c = next) {
        next = TAILQ_NEXT(c, link);
        if (c->retry_ns <= now)
            open_one(run, c);
    }
}

static void become_idle(struct rate_run *run, struct rate_connection *c)
{
    c->state = RATE_IDLE;
    TAILQ_INSERT_TAIL(&run->idle, c, link);
}

static void send_one(struct rate_run *run, struct rate_class *class, uint64_t now, bool was_waiting)
{
    struct rate_connection *c = TAILQ_FIRST(&run->idle);
    const char *request = class->requests[class->n_sent % class->n_requests];
    size_t length = strlen(request);

    TAILQ_REMOVE(&run->idle, c, link);
    c->state = RATE_BUSY;
    c->class = class;
    c->due_ns = class->due_ns;
    c->n_head = 0;
    c->has_head = false;
    run->n_busy++;
    rate_advance(run, class);
    if (!was_waiting)
        rate_record(&run->late, now - c->due_ns);
    if (send(c->socket, request, length, MSG_NOSIGNAL) != (ssize_t)length)
        drop(run, c, &run->n_closed);
}

/* Requests that were due before `waiting_ns` had no connection then. */
static void send_due(struct rate_run *run, uint64_t waiting_ns)
{
    uint64_t now = rate_now_ns();
    struct rate_class *class;

    while (!TAILQ_EMPTY(&run->idle) && (class = rate_first_due(run)) != NULL &&
           class->due_ns <= now) {
        send_one(run, class, now, class->due_ns < waiting_ns);
        now = rate_now_ns();
    }
}

static bool parse_head(struct rate_connection *c)
{
    const char *length = strcasestr(c->head, "\r\ncontent-length:");

    c->has_head = true;
    c->is_ok = strncmp(c->head, "HTTP/1.1 200 ", 13) == 0;
    c->closes = strcasestr(c->head, "\r\nconnection: close") != NULL;
    c->body_left = length != NULL ? strtoull(length + 17, NULL, 10) : 0;
    return length != NULL;
}

/* How much of the input the head took; 0: it cannot be one. */
static size_t take_head(struct rate_connection *c, const char *input, size_t n)
{
    size_t before = c->n_head, room = RATE_HEAD - 1 - before;
    char *end;

    memcpy(c->head + before, input, n < room ? n : room);
    c->n_head += n < room ? n : room;
    c->head[c->n_head] = '\0';
    end = strstr(c->head, "\r\n\r\n");
    if (end == NULL)
        return n < room ? n : 0;
    end[2] = '\0';
    return parse_head(c) ? (size_t)(end + 4 - c->head) - before : 0;
}

static void finish(struct rate_run *run, struct rate_connection *c)
{
    uint64_t now = rate_now_ns();

    rate_record(&c->class->latency, now - c->due_ns);
    c->class->n_answered++;
    c->class->n_in_time += now < run->end_ns;
    c->class->n_not_200 += !c->is_ok;
    run->n_busy--;
    c->state = RATE_DOWN; /* neither busy nor idle: it is on no list */
    if (c->closes)
        drop(run, c, &run->n_closed);
    else
        become_idle(run, c);
}

static bool take(struct rate_run *run, struct rate_connection *c, size_t n)
{
    size_t used = 0;

    if (c->state != RATE_BUSY)
        return false;
    if (!c->has_head) {
        used = take_head(c, run->input, n);
        if (used == 0)
            return false;
    }
    if (c->has_head) {
        if (n - used > c->body_left)
            return false;
        c->body_left -= n - used;
        if (c->body_left == 0)
            finish(run, c);
    }
    return true;
}

static void read_all(struct rate_run *run, struct rate_connection *c)
{
    while (c->state != RATE_DOWN) {
        ssize_t n = recv(c->socket, run->input, RATE_INPUT, 0);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0 || !take(run, c, (size_t)n))
            drop(run, c, &run->n_closed);
    }
}

static void handle(struct rate_run *run, struct rate_connection *c, uint32_t events)
{
    if (c->state == RATE_CONNECTING && (events & (EPOLLERR | EPOLLHUP)) != 0) {
        drop(run, c, &run->n_refused);
        return;
    }
    if (c->state == RATE_CONNECTING && (events & EPOLLOUT) != 0)
        become_idle(run, c);
    if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0)
        read_all(run, c);
}

/* Sleeps until something comes, or a request is due that has a connection. */
static void wait_for_events(struct rate_run *run)
{
    const struct rate_class *class = TAILQ_EMPTY(&run->idle) ? NULL : rate_first_due(run);
    struct epoll_event events[EVENTS];
    struct timespec timeout = {.tv_nsec = RETRY_NS};
    uint64_t now = rate_now_ns();

    if (class != NULL) {
        uint64_t left = class->due_ns > now ? class->due_ns - now : 0;
        timeout.tv_nsec = (long)(left < RETRY_NS ? left : RETRY_NS);
    }
    int n = epoll_pwait2(run->epoll, events, EVENTS, &timeout, NULL);
    for (int i = 0; i < n; i++)
        handle(run, events[i].data.ptr, events[i].events);
}

void rate_send_all(struct rate_run *run)
{
    uint64_t now = rate_now_ns(), give_up_ns = run->end_ns + PATIENCE_NS;

    run->epoll = epoll_create1(0);
    if (run->epoll < 0)
        rate_die("epoll_create1");
    while ((rate_first_due(run) != NULL || run->n_busy > 0) && now < give_up_ns) {
        bool had_none = TAILQ_EMPTY(&run->idle);
        open_due(run, now);
        wait_for_events(run);
        now = rate_now_ns();
        send_due(run, had_none ? now : 0);
    }
}
