/* SPDX-License-Identifier: MIT */
#include "tests/core/stress_server.h"

#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "core/clock.h"
#include "core/group.h"
#include "core/handle.h"
#include "core/lend.h"
#include "core/loop.h"
#include "core/pr.h"

#define N_PARTS 3 /* subtasks of a heavy task */

struct connection {
    struct sj_task task;
    struct sj_message message; /* the right comes back */
    struct sj_lend lend;       /* of fd for writing, current and the rest */
    struct stress_server *server;
    struct sj_loop *loop;
    struct sj_handle handle;
    struct event *readable, *writable;
    int fd;
    bool is_closing, is_waiting; /* for a heavy task */
    unsigned char input[STRESS_PIPELINE * sizeof(struct stress_request)];
    size_t input_length;
    struct stress_request current;
    size_t written, length; /* of the current response */
};

struct job {
    struct sj_task task;
    struct sj_message message;
    struct sj_handle handle;
    struct stress_request request;
    struct stress_server *server;
    uint64_t n_parts_run;
};

struct part {
    struct sj_task task;
    struct job *job;
};

struct arrival {
    struct sj_message message;
    struct stress_server *server;
    int fd;
};

/* cmocka's assertions are for the main thread. */
static void must(bool is_right)
{
    if (!is_right)
        abort();
}

unsigned char stress_octet(const struct stress_request *request, size_t at)
{
    if (at < 4)
        return (unsigned char)(request->number >> at * 8);
    if (at < STRESS_HEADER)
        return (unsigned char)(request->length >> (at - 4) * 8);
    return (unsigned char)(request->number * 31 + at);
}

static void spend(unsigned us)
{
    uint64_t end_ns = sj_clock_ns() + us * UINT64_C(1000);

    while (us > 0 && sj_clock_ns() < end_ns)
        ;
}

/* Whoever holds the right. */
static void write_response(struct connection *c)
{
    unsigned char response[STRESS_HEADER + STRESS_LENGTH_MAX];
    ssize_t n;

    for (size_t i = c->written; i < c->length; i++)
        response[i] = stress_octet(&c->current, i);
    n = send(c->fd, response + c->written, c->length - c->written, MSG_NOSIGNAL);
    if (n > 0)
        c->written += (size_t)n;
    else if (n < 0 && errno != EAGAIN)
        c->written = c->length; /* the client has left */
}

static void respond(struct connection *c)
{
    ck_pr_inc_uint(&c->server->n_run[c->current.id]);
    c->written = 0;
    c->length = STRESS_HEADER + c->current.length;
    write_response(c);
}

static void close_connection(struct connection *c)
{
    sj_handle_close(sj_loop_context(c->loop), &c->handle);
    event_free(c->readable);
    event_free(c->writable);
    close(c->fd);
    sem_post(&c->server->closed);
    free(c);
}

static void run_heavy(struct sj_task *task);
static void deliver_result(struct sj_message *message);

static bool start_heavy(struct connection *c)
{
    struct job *job = malloc(sizeof(*job));

    must(job != NULL);
    c->handle.request++;
    *job = (struct job){.task.run = run_heavy,
                        .message.deliver = deliver_result,
                        .handle = c->handle,
                        .request = c->current,
                        .server = c->server};
    if (sj_sched_submit(job->server->sched, &job->task) != 0) {
        free(job);
        return false;
    }
    ck_pr_inc_64(&c->server->totals.submitted);
    c->is_waiting = true;
    return true;
}

static bool start_quick(struct connection *c)
{
    sj_lend_begin(&c->lend, c->input_length >= sizeof(c->current) ? SJ_WANTED : SJ_LENT);
    if (!sj_loop_push(c->loop, &c->task)) {
        sj_lend_end(&c->lend);
        return false;
    }
    ck_pr_inc_64(&c->server->totals.pushed);
    return true;
}

static bool take_request(struct connection *c)
{
    if (c->input_length < sizeof(c->current))
        return false;
    memcpy(&c->current, c->input, sizeof(c->current));
    c->input_length -= sizeof(c->current);
    memmove(c->input, c->input + sizeof(c->current), c->input_length);
    return true;
}

/* The owner, holding the right. */
static void go_on(struct connection *c)
{
    while (!c->is_closing && !c->is_waiting) {
        if (c->written < c->length) {
            event_add(c->writable, NULL);
            return;
        }
        if (!take_request(c))
            return;
        if (c->current.is_heavy ? start_heavy(c) : start_quick(c))
            return;
        ck_pr_inc_64(&c->server->totals.at_once);
        respond(c);
    }
    if (c->is_closing)
        close_connection(c); /* what a heavy task brings will be dropped */
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    struct connection *c = context;
    ssize_t n = recv(fd, c->input + c->input_length, sizeof(c->input) - c->input_length, 0);

    (void)what;
    if (n <= 0) {
        c->is_closing = true;
        event_del(c->readable);
    } else {
        c->input_length += (size_t)n;
    }
    if (!sj_lend_want(&c->lend))
        go_on(c);
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
    struct connection *c = context;

    (void)fd;
    (void)what;
    write_response(c);
    go_on(c);
}

static void run_quick(struct sj_task *task)
{
    struct connection *c = (struct connection *)task;
    struct sj_loop *loop = c->loop;

    spend(c->current.run_us);
    ck_pr_inc_64(&c->server->totals.quick_run);
    respond(c);
    if (sj_loop_self() == loop) {
        sj_lend_end(&c->lend);
        go_on(c);
    } else if (c->written < c->length || !sj_lend_give_back(&c->lend)) {
        sj_loop_post(loop, &c->message);
    }
}

static void deliver_right(struct sj_message *message)
{
    struct connection *c =
        (struct connection *)((char *)message - offsetof(struct connection, message));

    sj_lend_end(&c->lend);
    go_on(c);
}

static void run_part(struct sj_task *task)
{
    ck_pr_inc_64(&((struct part *)task)->job->n_parts_run);
}

static void run_heavy(struct sj_task *task)
{
    struct job *job = (struct job *)task;
    struct part parts[N_PARTS];
    struct sj_group group;

    ck_pr_inc_64(&job->server->totals.heavy_run);
    sj_group_init(&group);
    for (unsigned i = 0; i < N_PARTS; i++) {
        parts[i] = (struct part){.task.run = run_part, .job = job};
        sj_spawn(&group, &parts[i].task);
    }
    spend(job->request.run_us);
    sj_join(&group);
    sj_loop_post(sj_sched_loop(job->server->sched, job->handle.loop), &job->message);
}

static void deliver_result(struct sj_message *message)
{
    struct job *job = (struct job *)((char *)message - offsetof(struct job, message));
    struct connection *c = sj_handle_resolve(sj_loop_context(sj_loop_self()), &job->handle);

    if (c != NULL && c->handle.request == job->handle.request && job->n_parts_run == N_PARTS) {
        ck_pr_inc_64(&job->server->totals.delivered);
        c->is_waiting = false;
        respond(c);
        go_on(c);
    } else {
        ck_pr_inc_64(&job->server->totals.dropped);
        ck_pr_inc_uint(&job->server->n_run[job->request.id]);
    }
    free(job);
}

static void deliver_arrival(struct sj_message *message)
{
    struct arrival *arrival = (struct arrival *)message;
    struct connection *c = calloc(1, sizeof(*c));

    must(c != NULL);
    c->server = arrival->server;
    c->task.run = run_quick;
    c->message.deliver = deliver_right;
    c->loop = sj_loop_self();
    c->fd = arrival->fd;
    must(sj_handle_open(sj_loop_context(c->loop), c, &c->handle) == 0);
    c->readable = event_new(sj_loop_base(c->loop), c->fd, EV_READ | EV_PERSIST, on_readable, c);
    c->writable = event_new(sj_loop_base(c->loop), c->fd, EV_WRITE, on_writable, c);
    must(event_add(c->readable, NULL) == 0);
    free(arrival);
}

void stress_accept(struct stress_server *server, struct sj_loop *loop, int fd)
{
    struct arrival *arrival = malloc(sizeof(*arrival));

    must(arrival != NULL);
    *arrival = (struct arrival){.message.deliver = deliver_arrival, .server = server, .fd = fd};
    sj_loop_post(loop, &arrival->message);
}
