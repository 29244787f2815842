/* SPDX-License-Identifier: MIT */
#include "http/server_private.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>

#include "core/clock.h"
#include "core/image.h"
#include "core/thread.h"
#include "http/batch.h"
#include "http/cache_path.h"
#include "http/calls.h"
#include "http/connection.h"

/* Descriptors that are not for connections: logs, roots, event queues, files that are being sent.
 */
#define SJ_OWN_FILES 128

#define SJ_HEAVY_LENGTH 4096

/* Tasks a loop has ready at a time; what is more waits in its mailbox.  A ring that fits into the
 * cache is faster than one that holds a task for every connection. */
#define SJ_QUICK_LENGTH 4096

void sj_server_fail(struct sj_server *server, int error, const char *format, ...)
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

static int open_log(struct sj_server *server)
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
            sj_server_fail(server, error == -EINVAL ? -EIO : error, "cannot open the log %s: %s",
                           failed, strerror(-error));
        return error;
    }
    sj_server_fail(server, -EINVAL, "--log-level: '%s' is not error, warning, info or debug",
                   server->config->log_level);
    return -EINVAL;
}

static int make_sched(struct sj_server *server)
{
    const struct sj_config *config = server->config;
    struct sj_sched_config sched = {
        .n_loops = sj_process_threads(config->loops),
        .n_workers = sj_process_threads(config->workers),
        .quick_length = SJ_QUICK_LENGTH,
        .heavy_length = SJ_HEAVY_LENGTH,
        .n_spares = (unsigned)config->spares,
        .worker_nice = (int)config->worker_nice,
        .wake_worth_ns = config->wake_worth_us * 1000,
    };

    int error = sj_sched_new(&sched, &server->sched);

    server->service.sched = server->sched;
    return error;
}

/* Without a ring its calls are made one by one, and requests cost more; so they do without memory
 * for it. */
static void make_batch(struct sj_server *server, struct sj_shard *shard)
{
    struct sj_transfers *transfers = NULL;
    int error = server->config->io_uring ? sj_transfers_new(SJ_BATCH, &transfers) : 0;

    if (error != 0 && sj_loop_index(shard->loop) == 0)
        sj_log(server->service.log, SJ_LOG_INFO,
               "no io_uring (%s): each receive and each send is a system call of its own",
               strerror(-error));
    (void)sj_batch_new(shard, transfers);
}

static struct sj_shard *shard_new(struct sj_server *server, unsigned index)
{
    struct sj_shard *shard = aligned_alloc(SJ_CACHE_LINE, sizeof(*shard));
    size_t composer = offsetof(struct sj_shard, composer),
           behind = composer + sizeof(shard->composer);

    if (shard == NULL)
        return NULL;
    /* not the composer, most of whose scratch memory is never used, and so never resident */
    memset(shard, 0, composer);
    memset((char *)shard + behind, 0, sizeof(*shard) - behind);
    shard->service = &server->service;
    shard->loop = sj_sched_loop(server->sched, index);
    sj_exchange_pool_init(&shard->exchanges, server->service.limits.fields, &server->service.depot);
    sj_composer_init(&shard->composer);
    sj_connections_init(shard);
    sj_loop_set_context(shard->loop, shard);
    if (sj_calls_init(shard) != 0) {
        free(shard);
        return NULL;
    }
    make_batch(server, shard);
    return shard;
}

static int make_shards(struct sj_server *server)
{
    struct sj_service *service = &server->service;
    unsigned n_shards = sj_sched_loops(server->sched);

    service->shards = calloc(n_shards, sizeof(struct sj_shard *));
    server->orders = calloc((size_t)n_shards * SJ_ORDERS, sizeof(struct sj_order));
    if (service->shards == NULL || server->orders == NULL)
        return -ENOMEM;
    for (; service->n_shards < n_shards; service->n_shards++) {
        service->shards[service->n_shards] = shard_new(server, service->n_shards);
        if (service->shards[service->n_shards] == NULL)
            return -ENOMEM;
    }
    return 0;
}

/* By the user that serves, as modules are that one's affair. */
static int make_handlers(struct sj_server *server)
{
    const struct sj_config *config = server->config;
    struct sj_service *service = &server->service;
    char error[1024] = "out of memory or descriptors";
    struct sj_route_setup routes = {.modules = &service->modules,
                                    .options = &config->route,
                                    .body_most = config->body_limit,
                                    .n_loops = sj_sched_loops(server->sched),
                                    .n_spares = (unsigned)config->spares,
                                    .log = service->log};
    int result = sj_modules_open(&service->modules, &config->module, error, sizeof(error));

    if (result == 0)
        result = sj_routes_make(&service->routes, &routes, error, sizeof(error));
    if (result == 0)
        result = make_shards(server);
    if (result == 0)
        result = sj_modules_start(&service->modules, server->sched, error, sizeof(error));
    if (result != 0)
        sj_server_fail(server, result, "%s", error);
    return result;
}

static int make_index(struct sj_server *server, const char *const *roots, size_t n_roots)
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
        .refusals = config->refuse_if.items,
        .n_refusals = config->refuse_if.n_items,
        .retained_generations = (unsigned)config->retain_generations,
        .retained_ms = config->retain_s * 1000,
        .retained_bytes = config->retain_limit,
        .memory_file_limit = config->memory_file_limit,
        .serves_dotfiles = config->dotfiles,
        .follows_symlinks = config->follow_symlinks,
        .watches = config->watch,
    };
    int result = sj_index_new(&index, server->sched, server->service.log, server->base,
                              &server->service.site.index, error, sizeof(error));

    if (result != 0)
        sj_server_fail(server, result, "%s", error);
    return result;
}

static int set_limits(struct sj_server *server)
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
            files > 4 * SJ_OWN_FILES ? (files - SJ_OWN_FILES) / 4 * 3 : files / 2;
    service->max_body_files = files / 8; /* a half of what connections leave */
    if (config->connections_per_address == 0)
        return 0;
    service->addresses = sj_addresses_new(config->connections_per_address);
    return service->addresses != NULL ? 0 : -ENOMEM;
}

static int take_identity(struct sj_server *server)
{
    const struct sj_config *config = server->config;
    int error = 0;

    if (config->pid_file != NULL)
        error = sj_process_write_pid(config->pid_file);
    if (error != 0) {
        sj_server_fail(server, -EIO, "--pid-file: cannot write %s: %s", config->pid_file,
                       strerror(-error));
        return error;
    }
    server->has_pid_file = config->pid_file != NULL;
    server->image = sj_image_open();
    sj_process_raise_nice((int)config->worker_nice);
    error = sj_process_become(&server->user);
    if (error != 0)
        sj_server_fail(server, -EIO, "cannot become user %u, group %u: %s",
                       (unsigned)server->user.user, (unsigned)server->user.group, strerror(-error));
    else if (geteuid() == 0)
        sj_log(server->service.log, SJ_LOG_WARNING,
               "running as root: give --user NAME, so that a fault cannot reach the whole machine");
    return error;
}

/* By the user that serves, as the directory is to be that one's. */
static int open_cache(struct sj_server *server)
{
    const struct sj_config *config = server->config;
    char path[PATH_MAX];
    struct sj_cache_config cache = {.byte_limit = config->cache_limit,
                                    .compresses = config->compress};
    int error;

    if (sj_cache_path(config->cache_dir, path))
        cache.directory = path;
    error = sj_index_open_cache(server->service.site.index, &cache);
    if (error != 0)
        sj_server_fail(server, error, "out of memory");
    return error;
}

static int make_base(struct sj_server *server)
{
    server->service.drained = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    server->base = event_base_new();
    return server->signals < 0 || server->service.drained < 0 || server->base == NULL ? -ENOMEM : 0;
}

int sj_server_make_index(struct sj_server *server, const char *const *roots, size_t n_roots)
{
    server->started_ns = sj_clock_ns();
    sj_exchange_depot_init(&server->service.depot, sj_process_threads(server->config->loops));
    server->signals = sj_process_signals();
    if (sj_thread_enter() != 0 || open_log(server) != 0)
        return -EINVAL;
    if (make_base(server) != 0 || set_limits(server) != 0 || make_sched(server) != 0) {
        sj_server_fail(server, -ENOMEM, "out of memory or descriptors");
        return -ENOMEM;
    }
    return make_index(server, roots, n_roots);
}

int sj_server_make(struct sj_server *server, const char *const *roots, size_t n_roots)
{
    const struct sj_config *config = server->config;
    struct sj_listen_config listen = {.specs = &config->listen, .backlog = (int)config->backlog};
    char error[1024] = "out of memory";
    int result = sj_server_make_index(server, roots, n_roots);

    if (result != 0)
        return result;
    listen.n_loops = sj_sched_loops(server->sched);
    result = sj_process_find(config->user, config->group, &server->user, error, sizeof(error));
    if (result == 0)
        result = sj_listeners_open(&server->listeners, &listen, error, sizeof(error));
    if (result != 0) {
        sj_server_fail(server, result, "%s", error);
        return result;
    }
    result = sj_commands_start(server);
    if (result == 0)
        result = take_identity(server);
    if (result == 0)
        result = make_handlers(server);
    return result != 0 ? result : open_cache(server);
}

static void free_shards(struct sj_server *server)
{
    struct sj_service *service = &server->service;

    for (unsigned i = 0; i < service->n_shards; i++) {
        struct sj_shard *shard = service->shards[i];

        sj_accept_stop(shard);
        sj_calls_fini(shard);
        sj_deadlines_fini(&shard->deadlines);
        /* bufferevents that were freed last end in one more turn of their loop */
        event_base_loop(sj_loop_base(shard->loop), EVLOOP_NONBLOCK);
        sj_batch_free(shard);
        sj_exchange_pool_fini(&shard->exchanges);
        free(shard);
    }
    sj_exchange_depot_fini(&service->depot);
    free(service->shards);
    free(server->orders);
}

void sj_server_unmake(struct sj_server *server)
{
    sj_commands_stop(server);
    sj_modules_stop(&server->service.modules);
    if (server->sched != NULL)
        sj_sched_flush(server->sched); /* what their threads have posted last */
    free_shards(server);
    sj_routes_free(&server->service.routes);
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
    if (server->image >= 0)
        close(server->image);
    sj_addresses_free(server->service.addresses);
    if (server->service.log != NULL) {
        sj_log_stop(server->service.log);
        sj_log_free(server->service.log);
    }
    sj_modules_close(&server->service.modules);
    sj_thread_leave();
}
