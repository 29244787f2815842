/* SPDX-License-Identifier: MIT */
#include "http/server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

#include "core/guard.h"
#include "core/image.h"
#include "http/connection.h"
#include "http/notify.h"
#include "http/report.h"
#include "http/server_private.h"

static void on_order_accept(struct sj_message *message)
{
    struct sj_order *order = (struct sj_order *)(void *)message;

    if (sj_accept_start(order->shard, &order->server->listeners) != 0)
        sj_log(order->shard->service->log, SJ_LOG_ERROR,
               "loop %u accepts no connections: out of memory", sj_loop_index(order->shard->loop));
}

/* The last loop that has stopped accepting closes the sockets: from then on clients are refused.
 * The exchange pairs with the one of n_open in http/connection.c: whoever is last tells. */
static void close_listeners(struct sj_server *server)
{
    if (ck_pr_faa_uint(&server->n_accepting, (unsigned)-1) != 1)
        return;
    sj_listeners_close(&server->listeners);
    if (ck_pr_load_64(&server->service.n_open) == 0)
        eventfd_write(server->service.drained, 1);
}

static void on_order_drain(struct sj_message *message)
{
    struct sj_order *order = (struct sj_order *)(void *)message;

    sj_accept_finish(order->shard);
    close_listeners(order->server);
    sj_connections_drain(order->shard);
}

static void on_order_resume(struct sj_message *message)
{
    struct sj_order *order = (struct sj_order *)(void *)message;

    sj_connections_resume(order->shard);
}

static void on_order_drop(struct sj_message *message)
{
    struct sj_order *order = (struct sj_order *)(void *)message;

    sj_accept_stop(order->shard);
    sj_connections_drop(order->shard);
}

static void order_all(struct sj_server *server, enum sj_order_kind kind)
{
    static void (*const deliver[SJ_ORDERS])(struct sj_message *) = {
        on_order_accept, on_order_resume, on_order_drain, on_order_drop};

    for (unsigned i = 0; i < server->service.n_shards; i++) {
        struct sj_order *order = &server->orders[i * SJ_ORDERS + kind];

        *order = (struct sj_order){{.deliver = deliver[kind]}, server->service.shards[i], server};
        sj_loop_post(order->shard->loop, &order->message);
    }
}

static void enter(struct sj_server *server, enum sj_service_state state)
{
    server->state = state;
    /* a full barrier follows: connections that end from now on report to `drained` */
    ck_pr_store_uint(&server->service.state, state);
    ck_pr_fence_memory();
}

/* Every connection is dropped, and the dispatching ends; sj_sched_stop waits for the rest. */
static void stop(struct sj_server *server)
{
    if (server->state >= SJ_SERVICE_DROPPING)
        return;
    enter(server, SJ_SERVICE_DROPPING);
    sj_notify_stopping();
    sj_index_cancel(server->service.site.index);
    order_all(server, SJ_ORDER_DROP);
    event_base_loopbreak(server->base);
}

void sj_server_drain(struct sj_server *server)
{
    uint64_t timeout_ms = server->config->drain_timeout_ms;
    struct timeval timeout = {.tv_sec = (time_t)(timeout_ms / 1000),
                              .tv_usec = (suseconds_t)(timeout_ms % 1000 * 1000)};

    if (!server->is_ready || server->state != SJ_SERVICE_SERVING) {
        stop(server);
        return;
    }
    enter(server, SJ_SERVICE_DRAINING);
    sj_notify_stopping();
    sj_log(server->service.log, SJ_LOG_INFO, "draining %llu connections, at most %llu ms",
           (unsigned long long)ck_pr_load_64(&server->service.n_open),
           (unsigned long long)timeout_ms);
    order_all(server, SJ_ORDER_DRAIN);
    event_add(server->deadline, &timeout);
}

static void on_drained(evutil_socket_t descriptor, short what, void *argument)
{
    struct sj_server *server = argument;
    eventfd_t count;

    (void)what;
    eventfd_read(descriptor, &count);
    if (ck_pr_load_uint(&server->n_accepting) == 0 && ck_pr_load_64(&server->service.n_open) == 0)
        stop(server);
}

static void on_drain_timeout(evutil_socket_t none, short what, void *argument)
{
    struct sj_server *server = argument;

    (void)none;
    (void)what;
    sj_log(server->service.log, SJ_LOG_WARNING, "drain-timeout: %llu connections are cut off",
           (unsigned long long)ck_pr_load_64(&server->service.n_open));
    stop(server);
}

void sj_server_reload(struct sj_server *server)
{
    sj_notify_reloading();
    sj_index_reload(server->service.site.index);
}

void sj_server_force_reload(struct sj_server *server)
{
    sj_notify_reloading();
    sj_index_force_reload(server->service.site.index);
}

static void act_on(struct sj_server *server, unsigned signal_number)
{
    switch (signal_number) {
    case SIGHUP:
        sj_server_reload(server);
        break;
    case SIGUSR1:
        sj_log_reopen(server->service.log);
        break;
    case SIGTERM:
        sj_server_drain(server);
        break;
    default:
        stop(server);
    }
}

static void on_signal(evutil_socket_t descriptor, short what, void *argument)
{
    struct signalfd_siginfo info;

    (void)what;
    while (read(descriptor, &info, sizeof(info)) == (ssize_t)sizeof(info))
        act_on(argument, info.ssi_signo);
}

static void describe_listeners(const struct sj_server *server, char *text, size_t size)
{
    int used = 0;

    for (size_t i = 0; i < server->listeners.n_items && used >= 0 && (size_t)used < size; i++)
        if (server->listeners.items[i].loop == 0 || server->listeners.items[i].loop == SJ_ALL_LOOPS)
            used += snprintf(text + used, size - (size_t)used, "%s%s", used > 0 ? ", " : "",
                             server->listeners.items[i].address);
}

/* Only now: while nothing is answered there is nobody to yield to. */
static void make_workers_yield(struct sj_server *server)
{
    int nice_error = sj_sched_nice_error(server->sched);
    int error = sj_guard_start(server->sched, server->base);

    if (nice_error != 0)
        sj_log(server->service.log, SJ_LOG_WARNING,
               "--worker-nice: the system refuses it (%s): workers run as loops do; a system-call "
               "filter must allow setpriority",
               strerror(-nice_error));
    else if (error != 0)
        sj_log(server->service.log, SJ_LOG_INFO,
               "workers do not yield to loops at once (%s): reloads will delay responses; it takes "
               "LimitNICE=+0 (ulimit -e 20), and a system-call filter that allows "
               "sched_setscheduler",
               strerror(-error));
}

/* `what` there is to serve, for the one line that says so. */
static void begin_serving(struct sj_server *server, const char *what)
{
    char addresses[512] = "", line[800];

    describe_listeners(server, addresses, sizeof(addresses));
    server->n_accepting = server->service.n_shards;
    order_all(server, SJ_ORDER_ACCEPT);
    server->is_ready = true;
    make_workers_yield(server);
    snprintf(line, sizeof(line), "scrubjay %s listening on %s; %s", PACKAGE_VERSION, addresses,
             what);
    sj_log(server->service.log, SJ_LOG_INFO, "%s", line);
    sj_notify_ready(line);
    sj_image_forget(server->image);
    server->image = -1;
}

static void serve_first(struct sj_server *server, const struct sj_generation_summary *summary)
{
    char what[160];

    snprintf(what, sizeof(what), "%llu files, %llu bytes, %llu faults, indexed in %llu ms",
             (unsigned long long)summary->n_urls, (unsigned long long)summary->n_bytes,
             (unsigned long long)summary->n_faults,
             (unsigned long long)(summary->build_ns / 1000000));
    begin_serving(server, what);
}

/* What the last run knew is answered while the first build goes on; the rest waits for that. */
static void serve_early(struct sj_server *server, size_t n_files)
{
    char what[80];

    snprintf(what, sizeof(what), "%zu files known from the last run, indexing", n_files);
    begin_serving(server, what);
}

static void say_reloaded(struct sj_server *server, const struct sj_generation_summary *summary)
{
    char line[SJ_REPORT_LINE];

    sj_report_generation(line, summary, "");
    sj_log(server->service.log, SJ_LOG_INFO, "%s", line);
    sj_notify_ready(line);
}

static void on_built(void *argument, const struct sj_index_result *result)
{
    struct sj_server *server = argument;

    sj_commands_built(server, result);
    if (result->kind == SJ_DEPLOY_COMPLETED) /* nobody waits for it, and nobody need know */
        return;
    if (result->error == 0 && server->is_ready) {
        sj_modules_reload(&server->service.modules, server->service.log);
        if (result->summary.number == 1)
            order_all(server, SJ_ORDER_RESUME);
        say_reloaded(server, &result->summary);
    } else if (result->error == 0) {
        serve_first(server, &result->summary);
    } else if (result->summary.number > 0) {
        /* cancelled: by somebody who knows, as with a rollback */
        sj_log(server->service.log, result->error == -ECANCELED ? SJ_LOG_INFO : SJ_LOG_ERROR,
               "not reloaded, generation %llu serves on: %s",
               (unsigned long long)result->summary.number, result->text);
        sj_notify_ready(result->text);
    } else {
        sj_server_fail(server, result->error, "%s", result->text);
        stop(server);
    }
}

/* 0, or -ENOMEM, and that has been said. */
static int add_events(struct sj_server *server)
{
    server->events[0] =
        event_new(server->base, server->signals, EV_READ | EV_PERSIST, on_signal, server);
    server->events[1] =
        event_new(server->base, server->service.drained, EV_READ | EV_PERSIST, on_drained, server);
    server->deadline = evtimer_new(server->base, on_drain_timeout, server);
    if (server->events[0] == NULL || server->events[1] == NULL || server->deadline == NULL ||
        event_add(server->events[0], NULL) != 0 || event_add(server->events[1], NULL) != 0) {
        sj_server_fail(server, -ENOMEM, "out of memory or descriptors");
        return -ENOMEM;
    }
    return 0;
}

/* Runs until the dispatching ends; what the index was asked for begins with it. */
static int run(struct sj_server *server)
{
    size_t n_known = sj_index_known_files(server->service.site.index);
    int error = add_events(server);

    if (error != 0)
        return error;
    error = sj_log_start(server->service.log);
    if (error == 0)
        error = sj_sched_start(server->sched);
    if (error != 0) {
        sj_server_fail(server, error == -EINVAL ? -EIO : error, "cannot start threads: %s",
                       strerror(-error));
        return error;
    }
    if (n_known > 0)
        serve_early(server, n_known);
    event_base_dispatch(server->base);
    if (server->is_ready)
        sj_log(server->service.log, SJ_LOG_INFO, "ending; tasks of workers that are waited for: %u",
               sj_sched_in_work(server->sched));
    sj_sched_stop(server->sched);
    return 0;
}

static void build(struct sj_server *server, sj_index_done *done)
{
    sj_index_set_done(server->service.site.index, done, server);
    sj_index_reload(server->service.site.index);
}

static void say_counters(const struct sj_server *server)
{
    for (unsigned i = 0; i < server->service.n_shards; i++) {
        const struct sj_shard *shard = server->service.shards[i];
        const struct sj_counters *counters = sj_sched_counters(server->sched, i);

        sj_log(server->service.log, SJ_LOG_INFO,
               "loop %u: %llu connections at most, %llu accepted, %llu requests, %llu bytes sent, "
               "%llu polls, %llu parks, %llu steals, %llu wake-ups sent",
               i, (unsigned long long)shard->n_most, (unsigned long long)shard->n_accepted,
               (unsigned long long)shard->n_requests, (unsigned long long)shard->n_octets_sent,
               (unsigned long long)counters->polls, (unsigned long long)counters->parks,
               (unsigned long long)counters->steals_ok, (unsigned long long)counters->wakeups_sent);
    }
}

int sj_server_run(const struct sj_config *config, const char *const *roots, size_t n_roots)
{
    struct sj_server server = SJ_SERVER(config);

    if (sj_server_make(&server, roots, n_roots) == 0) {
        build(&server, on_built);
        if (run(&server) == 0 && server.is_ready)
            say_counters(&server);
    }
    if (server.has_pid_file)
        unlink(config->pid_file);
    sj_server_unmake(&server);
    return server.exit_status;
}

static void on_printable(void *argument, const struct sj_index_result *result)
{
    struct sj_server *server = argument;

    if (result->error != 0)
        sj_server_fail(server, result->error, "%s", result->text);
    else
        sj_index_print(server->service.site.index, stdout);
    event_base_loopbreak(server->base);
}

int sj_server_print(const struct sj_config *config, const char *const *roots, size_t n_roots)
{
    struct sj_config quiet = *config;
    struct sj_server server = SJ_SERVER(&quiet);

    quiet.watch = false;
    if (sj_server_make_index(&server, roots, n_roots) == 0) {
        build(&server, on_printable);
        run(&server);
    }
    sj_server_unmake(&server);
    return server.exit_status;
}

static void on_planned(void *argument, enum sj_plan_outcome outcome, const char *text)
{
    struct sj_server *server = argument;

    if (outcome == SJ_PLAN_FAILED)
        sj_server_fail(server, -EIO, "%s", text);
    else
        printf("%s%s", text, text[strlen(text) - 1] == '\n' ? "" : "\n");
    if (outcome == SJ_PLAN_REFUSED)
        server->exit_status = EXIT_FAILURE;
    event_base_loopbreak(server->base);
}

int sj_server_plan(const struct sj_config *config, const char *const *roots, size_t n_roots,
                   enum sj_plan_form form)
{
    struct sj_config quiet = *config;
    struct sj_server server = SJ_SERVER(&quiet);
    int error;

    quiet.watch = false;
    if (sj_server_make_index(&server, roots, n_roots) == 0) {
        error = sj_index_plan(server.service.site.index, NULL, form, on_planned, &server);
        if (error != 0)
            sj_server_fail(&server, error, "out of memory");
        else
            run(&server);
    }
    sj_server_unmake(&server);
    return server.exit_status;
}
