/* SPDX-License-Identifier: MIT */
#include "http/server.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

#include "http/connection.h"
#include "http/listener.h"
#include "http/notify.h"
#include "http/process.h"

/* Descriptors that are not for connections: logs, roots, event queues, files that are being sent.
 */
#define SJ_OWN_FILES 128

#define SJ_HEAVY_LENGTH 4096

/* Tasks a loop has ready at a time; what is more waits in its mailbox.  A ring that fits into the
 * cache is faster than one that holds a task for every connection. */
#define SJ_QUICK_LENGTH 4096

enum command_kind { COMMAND_ACCEPT, COMMAND_DRAIN, COMMAND_DROP, COMMANDS };

/* A message to a shard's loop; each kind is sent at most once. */
struct command {
    struct sj_message message;
    struct sj_shard *shard;
    struct server *server;
};

struct server {
    const struct sj_config *config;
    struct sj_service service;
    struct sj_listeners listeners;
    struct sj_sched *sched;
    struct event_base *base;
    struct command *commands; /* COMMANDS for each shard */
    int signals;
    struct event *events[2];  /* signals, drained */
    struct event *deadline;   /* of draining */
    unsigned int n_accepting; /* ck_pr; loops that may still accept */
    struct sj_process_user user;
    bool is_ready;
    bool has_pid_file;
    int exit_status;
    enum sj_service_state state;
};

static void fail(struct server *server, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* It will not start.  That is said to whoever started it, and to the error log if it is a file. */
static void fail(struct server *server, int error, const char *format, ...)
{
    char text[1024], line[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    server->exit_status = error == -EINVAL ? SJ_EXIT_USAGE : EXIT_FAILURE;
    fprintf(stderr, "scrubjay: %.*s\n", (int)sj_log_escape(line, sizeof(line), text, strlen(text)),
            line);
    if (server->service.log != NULL && server->config->error_log != NULL)
        sj_log(server->service.log, SJ_LOG_ERROR, "%s", text);
}

static void on_command_accept(struct sj_message *message)
{
    struct command *command = (struct command *)(void *)message;

    if (sj_accept_start(command->shard, &command->server->listeners) != 0)
        sj_log(command->shard->service->log, SJ_LOG_ERROR,
               "loop %u accepts no connections: out of memory",
               sj_loop_index(command->shard->loop));
}

/* The last loop that has stopped accepting closes the sockets: from then on clients are refused.
 * The exchange pairs with the one of n_open in http/connection.c: whoever is last tells. */
static void close_listeners(struct server *server)
{
    if (ck_pr_faa_uint(&server->n_accepting, (unsigned)-1) != 1)
        return;
    sj_listeners_close(&server->listeners);
    if (ck_pr_load_64(&server->service.n_open) == 0)
        eventfd_write(server->service.drained, 1);
}

static void on_command_drain(struct sj_message *message)
{
    struct command *command = (struct command *)(void *)message;

    sj_accept_finish(command->shard);
    close_listeners(command->server);
    sj_connections_drain(command->shard);
}

static void on_command_drop(struct sj_message *message)
{
    struct command *command = (struct command *)(void *)message;

    sj_accept_stop(command->shard);
    sj_connections_drop(command->shard);
}

static void command_all(struct server *server, enum command_kind kind)
{
    static void (*const deliver[COMMANDS])(struct sj_message *) = {
        on_command_accept, on_command_drain, on_command_drop};

    for (unsigned i = 0; i < server->service.n_shards; i++) {
        struct command *command = &server->commands[i * COMMANDS + kind];

        *command = (struct command){{.deliver = deliver[kind]}, server->service.shards[i], server};
        sj_loop_post(command->shard->loop, &command->message);
    }
}

static void enter(struct server *server, enum sj_service_state state)
{
    server->state = state;
    /* a full barrier follows: connections that end from now on report to `drained` */
    ck_pr_store_uint(&server->service.state, state);
    ck_pr_fence_memory();
}

/* Every connection is dropped, and the dispatching ends; sj_sched_stop waits for the rest. */
static void stop(struct server *server)
{
    if (server->state >= SJ_SERVICE_DROPPING)
        return;
    enter(server, SJ_SERVICE_DROPPING);
    sj_notify_stopping();
    sj_index_cancel(server->service.site.index);
    command_all(server, COMMAND_DROP);
    event_base_loopbreak(server->base);
}

static void drain(struct server *server)
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
    command_all(server, COMMAND_DRAIN);
    event_add(server->deadline, &timeout);
}

static void on_drained(evutil_socket_t descriptor, short what, void *argument)
{
    struct server *server = argument;
    eventfd_t count;

    (void)what;
    eventfd_read(descriptor, &count);
    if (ck_pr_load_uint(&server->n_accepting) == 0 && ck_pr_load_64(&server->service.n_open) == 0)
        stop(server);
}

static void on_drain_timeout(evutil_socket_t none, short what, void *argument)
{
    struct server *server = argument;

    (void)none;
    (void)what;
    sj_log(server->service.log, SJ_LOG_WARNING, "drain-timeout: %llu connections are cut off",
           (unsigned long long)ck_pr_load_64(&server->service.n_open));
    stop(server);
}

static void act_on(struct server *server, unsigned signal_number)
{
    switch (signal_number) {
    case SIGHUP:
        sj_notify_reloading();
        sj_index_reload(server->service.site.index);
        break;
    case SIGUSR1:
        sj_log_reopen(server->service.log);
        break;
    case SIGTERM:
        drain(server);
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

static void describe_listeners(const struct server *server, char *text, size_t size)
{
    int used = 0;

    for (size_t i = 0; i < server->listeners.n_items && used >= 0 && (size_t)used < size; i++)
        if (server->listeners.items[i].loop == 0 || server->listeners.items[i].loop == SJ_ALL_LOOPS)
            used += snprintf(text + used, size - (size_t)used, "%s%s", used > 0 ? ", " : "",
                             server->listeners.items[i].address);
}

static void begin_serving(struct server *server, const struct sj_generation_summary *summary)
{
    char addresses[512] = "", line[800];

    describe_listeners(server, addresses, sizeof(addresses));
    server->n_accepting = server->service.n_shards;
    command_all(server, COMMAND_ACCEPT);
    server->is_ready = true;
    snprintf(line, sizeof(line),
             "scrubjay %s listening on %s; %llu files, %llu bytes, %llu faults, indexed in %llu ms",
             PACKAGE_VERSION, addresses, (unsigned long long)summary->n_urls,
             (unsigned long long)summary->n_bytes, (unsigned long long)summary->n_faults,
             (unsigned long long)(summary->build_ns / 1000000));
    sj_log(server->service.log, SJ_LOG_INFO, "%s", line);
    sj_notify_ready(line);
}

static void say_reloaded(struct server *server, const struct sj_generation_summary *summary)
{
    char line[300];

    snprintf(line, sizeof(line),
             "generation %llu: %llu added, %llu changed, %llu removed, %llu unchanged, %llu "
             "faults; %llu ms",
             (unsigned long long)summary->number, (unsigned long long)summary->n_added,
             (unsigned long long)summary->n_changed, (unsigned long long)summary->n_removed,
             (unsigned long long)summary->n_unchanged, (unsigned long long)summary->n_faults,
             (unsigned long long)(summary->build_ns / 1000000));
    sj_log(server->service.log, SJ_LOG_INFO, "%s", line);
    sj_notify_ready(line);
}

static void on_built(void *argument, const struct sj_index_result *result)
{
    struct server *server = argument;

    if (result->error == 0 && server->is_ready) {
        say_reloaded(server, &result->summary);
    } else if (result->error == 0) {
        begin_serving(server, &result->summary);
    } else if (server->is_ready) {
        sj_log(server->service.log, SJ_LOG_ERROR, "not reloaded, generation %llu serves on: %s",
               (unsigned long long)result->summary.number, result->text);
        sj_notify_ready(result->text);
    } else {
        fail(server, result->error, "%s", result->text);
        stop(server);
    }
}

static int open_log(struct server *server)
{
    static const char *const levels[] = {"error", "warning", "info", "debug"};
    const char *paths[SJ_LOG_SINKS] = {server->config->error_log, server->config->access_log};
    const char *failed = NULL;
    int error;

    for (unsigned level = 0; level < 4; level++) {
        if (strcmp(server->config->log_level, levels[level]) != 0)
            continue;
        error = sj_log_new(paths, level, &server->service.log, &failed);
        if (error != 0)
            fail(server, error == -EINVAL ? -EIO : error, "cannot open the log %s: %s", failed,
                 strerror(-error));
        return error;
    }
    fail(server, -EINVAL, "--log-level: '%s' is not error, warning, info or debug",
         server->config->log_level);
    return -EINVAL;
}

static unsigned or_cores(uint64_t number)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (number > 0)
        return (unsigned)number;
    return cores < 1 ? 1 : cores > 64 ? 64 : (unsigned)cores;
}

static int make_sched(struct server *server)
{
    const struct sj_config *config = server->config;
    struct sj_sched_config sched = {
        .n_loops = or_cores(config->loops),
        .n_workers = or_cores(config->workers),
        .quick_length = SJ_QUICK_LENGTH,
        .heavy_length = SJ_HEAVY_LENGTH,
        .worker_nice = (int)config->worker_nice,
        .wake_worth_ns = config->wake_worth_us * 1000,
    };

    return sj_sched_new(&sched, &server->sched);
}

static struct sj_shard *shard_new(struct server *server, unsigned index)
{
    struct sj_shard *shard = aligned_alloc(SJ_CACHE_LINE, sizeof(*shard));

    if (shard == NULL)
        return NULL;
    memset(shard, 0, sizeof(*shard));
    shard->service = &server->service;
    shard->loop = sj_sched_loop(server->sched, index);
    sj_exchange_pool_init(&shard->exchanges, server->service.limits.fields);
    sj_composer_init(&shard->composer);
    sj_connections_init(shard);
    sj_loop_set_context(shard->loop, shard);
    return shard;
}

static int make_shards(struct server *server)
{
    struct sj_service *service = &server->service;
    unsigned n_shards = sj_sched_loops(server->sched);

    service->shards = calloc(n_shards, sizeof(struct sj_shard *));
    server->commands = calloc((size_t)n_shards * COMMANDS, sizeof(struct command));
    if (service->shards == NULL || server->commands == NULL)
        return -ENOMEM;
    for (; service->n_shards < n_shards; service->n_shards++) {
        service->shards[service->n_shards] = shard_new(server, service->n_shards);
        if (service->shards[service->n_shards] == NULL)
            return -ENOMEM;
    }
    return 0;
}

static int make_index(struct server *server, const char *const *roots, size_t n_roots)
{
    const struct sj_config *config = server->config;
    char error[1024] = "out of memory";
    struct sj_index_config index = {
        .roots = roots,
        .n_roots = n_roots,
        .types = config->type.items,
        .n_types = config->type.n_items,
        .index_file = config->index_file,
        .immutable = config->immutable,
        .fallback = config->spa,
        .headers = config->headers,
        .max_age_s = config->max_age_ms == UINT64_MAX ? UINT64_MAX : config->max_age_ms / 1000,
        .memory_limit = config->memory_limit,
        .memory_file_limit = config->memory_file_limit,
        .serves_dotfiles = config->dotfiles,
        .follows_symlinks = config->follow_symlinks,
        .watches = config->watch,
    };
    int result = sj_index_new(&index, server->sched, server->service.log, server->base,
                              &server->service.site.index, error, sizeof(error));

    if (result != 0)
        fail(server, result, "%s", error);
    else
        sj_index_set_done(server->service.site.index, on_built, server);
    return result;
}

static int make_events(struct server *server)
{
    server->service.drained = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    server->base = event_base_new();
    if (server->signals < 0 || server->service.drained < 0 || server->base == NULL)
        return -ENOMEM;
    server->events[0] =
        event_new(server->base, server->signals, EV_READ | EV_PERSIST, on_signal, server);
    server->events[1] =
        event_new(server->base, server->service.drained, EV_READ | EV_PERSIST, on_drained, server);
    server->deadline = evtimer_new(server->base, on_drain_timeout, server);
    if (server->events[0] == NULL || server->events[1] == NULL || server->deadline == NULL)
        return -ENOMEM;
    if (event_add(server->events[0], NULL) != 0 || event_add(server->events[1], NULL) != 0)
        return -ENOMEM;
    return 0;
}

static int set_limits(struct server *server)
{
    const struct sj_config *config = server->config;
    struct sj_service *service = &server->service;
    uint64_t files = sj_process_raise_files();

    service->config = config;
    service->site.has_cors = config->cors;
    service->limits = (struct sj_request_limits){
        .line = (uint32_t)config->request_line_limit,
        .fields = (uint32_t)config->fields_limit,
        .fields_bytes = (uint32_t)config->fields_size_limit,
    };
    service->max_connections = config->connections;
    if (config->connections == 0)
        service->max_connections =
            files > 2 * SJ_OWN_FILES ? (files - SJ_OWN_FILES) / 2 : files / 2;
    if (config->connections_per_address == 0)
        return 0;
    service->addresses = sj_addresses_new(config->connections_per_address);
    return service->addresses != NULL ? 0 : -ENOMEM;
}

static int take_identity(struct server *server)
{
    const struct sj_config *config = server->config;
    int error = 0;

    if (config->pid_file != NULL)
        error = sj_process_write_pid(config->pid_file);
    if (error != 0) {
        fail(server, -EIO, "--pid-file: cannot write %s: %s", config->pid_file, strerror(-error));
        return error;
    }
    server->has_pid_file = config->pid_file != NULL;
    error = sj_process_become(&server->user);
    if (error != 0)
        fail(server, -EIO, "cannot become user %u, group %u: %s", (unsigned)server->user.user,
             (unsigned)server->user.group, strerror(-error));
    else if (geteuid() == 0)
        sj_log(server->service.log, SJ_LOG_WARNING,
               "running as root: give --user NAME, so that a fault cannot reach the whole machine");
    return error;
}

/* Everything that does not listen: what plan and serve have in common. */
static int make_common(struct server *server, const char *const *roots, size_t n_roots)
{
    server->signals = sj_process_signals();
    if (sj_thread_enter() != 0 || open_log(server) != 0)
        return -EINVAL;
    if (make_events(server) != 0 || set_limits(server) != 0 || make_sched(server) != 0) {
        fail(server, -ENOMEM, "out of memory or descriptors");
        return -ENOMEM;
    }
    return make_index(server, roots, n_roots);
}

/* With privileges, what needs them; then without. */
static int make_server(struct server *server, const char *const *roots, size_t n_roots)
{
    const struct sj_config *config = server->config;
    struct sj_listen_config listen = {.specs = &config->listen, .backlog = (int)config->backlog};
    char error[1024] = "out of memory";
    int result = make_common(server, roots, n_roots);

    if (result != 0)
        return result;
    listen.n_loops = sj_sched_loops(server->sched);
    result = sj_process_find(config->user, config->group, &server->user, error, sizeof(error));
    if (result == 0)
        result = sj_listeners_open(&server->listeners, &listen, error, sizeof(error));
    if (result == 0)
        result = make_shards(server);
    if (result != 0) {
        fail(server, result, "%s", error);
        return result;
    }
    return take_identity(server);
}

static int start(struct server *server)
{
    int error = sj_log_start(server->service.log);

    if (error == 0)
        error = sj_sched_start(server->sched);
    if (error != 0) {
        fail(server, error == -EINVAL ? -EIO : error, "cannot start threads: %s", strerror(-error));
        return error;
    }
    sj_index_reload(server->service.site.index);
    event_base_dispatch(server->base);
    sj_sched_stop(server->sched);
    return 0;
}

static void say_counters(const struct server *server)
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

static void free_shards(struct server *server)
{
    struct sj_service *service = &server->service;

    for (unsigned i = 0; i < service->n_shards; i++) {
        struct sj_shard *shard = service->shards[i];

        sj_accept_stop(shard);
        sj_deadlines_fini(&shard->deadlines);
        /* bufferevents that were freed last end in one more turn of their loop */
        event_base_loop(sj_loop_base(shard->loop), EVLOOP_NONBLOCK);
        sj_exchange_pool_fini(&shard->exchanges);
        free(shard);
    }
    free(service->shards);
    free(server->commands);
}

static void free_server(struct server *server)
{
    free_shards(server);
    sj_listeners_close(&server->listeners);
    if (server->service.site.index != NULL)
        sj_index_free(server->service.site.index);
    if (server->sched != NULL)
        sj_sched_free(server->sched);
    for (size_t i = 0; i < 2; i++)
        if (server->events[i] != NULL)
            event_free(server->events[i]);
    if (server->deadline != NULL)
        event_free(server->deadline);
    if (server->base != NULL)
        event_base_free(server->base);
    if (server->signals >= 0)
        close(server->signals);
    if (server->service.drained >= 0)
        close(server->service.drained);
    sj_addresses_free(server->service.addresses);
    if (server->service.log != NULL) {
        sj_log_stop(server->service.log);
        sj_log_free(server->service.log);
    }
    sj_thread_leave();
}

int sj_server_run(const struct sj_config *config, const char *const *roots, size_t n_roots)
{
    struct server server = {.config = config, .signals = -1, .service.drained = -1};

    if (make_server(&server, roots, n_roots) == 0 && start(&server) == 0 && server.is_ready)
        say_counters(&server);
    if (server.has_pid_file)
        unlink(config->pid_file);
    free_server(&server);
    return server.exit_status;
}

static void on_planned(void *argument, const struct sj_index_result *result)
{
    struct server *server = argument;

    if (result->error != 0)
        fail(server, result->error, "%s", result->text);
    else
        sj_index_print(server->service.site.index, stdout);
    event_base_loopbreak(server->base);
}

int sj_server_plan(const struct sj_config *config, const char *const *roots, size_t n_roots)
{
    struct sj_config quiet = *config;
    struct server server = {.config = &quiet, .signals = -1, .service.drained = -1};

    quiet.watch = false;
    if (make_common(&server, roots, n_roots) == 0) {
        sj_index_set_done(server.service.site.index, on_planned, &server);
        start(&server);
    }
    free_server(&server);
    return server.exit_status;
}
