/* SPDX-License-Identifier: MIT */
#include "http/commands.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/control_path.h"
#include "http/metrics.h"
#include "http/outline.h"
#include "http/report.h"
#include "http/server_private.h"

static void reload(void *argument, struct sj_control_request *request)
{
    struct sj_server *server = argument;
    struct sj_commands *commands = &server->commands;
    const char *how = sj_control_word(request, 1);
    struct sj_index_status status;

    if (how != NULL && strcmp(how, "force") != 0) {
        sj_control_answer(request, SJ_CONTROL_ERROR, "reload takes only force");
        return;
    }
    sj_index_status(server->service.site.index, &status);
    assert(commands->n_reloads < SJ_CONTROL_CLIENTS); /* each is a client that waits */
    commands->reloads[commands->n_reloads++] =
        (struct sj_reload){request, status.is_building ? 1 : 0};
    if (how != NULL)
        sj_server_force_reload(server);
    else
        sj_server_reload(server);
}

static void answer_reload(struct sj_control_request *request, const struct sj_index_result *result)
{
    char line[SJ_REPORT_LINE], refusal[sizeof(result->text) + 80];

    if (result->error == 0) {
        sj_report_generation(line, &result->summary, ",");
        sj_control_answer(request, SJ_CONTROL_OK, line);
    } else {
        snprintf(refusal, sizeof(refusal), "not reloaded, generation %" PRIu64 " serves on: %s",
                 result->summary.number, result->text);
        sj_control_answer(request, SJ_CONTROL_ERROR, refusal);
    }
}

void sj_commands_built(struct sj_server *server, const struct sj_index_result *result)
{
    struct sj_commands *commands = &server->commands;
    unsigned n_left = 0;

    for (unsigned i = 0; i < commands->n_reloads; i++) {
        struct sj_reload one = commands->reloads[i];

        if (one.n_before-- == 0)
            answer_reload(one.request, result);
        else
            commands->reloads[n_left++] = one;
    }
    commands->n_reloads = n_left;
}

static void answer_plan(void *argument, enum sj_plan_outcome outcome, const char *text)
{
    static const enum sj_control_outcome outcomes[] = {
        [SJ_PLAN_ACCEPTED] = SJ_CONTROL_OK,
        [SJ_PLAN_REFUSED] = SJ_CONTROL_REFUSED,
        [SJ_PLAN_FAILED] = SJ_CONTROL_ERROR,
    };

    sj_control_answer(argument, outcomes[outcome], text);
}

static void plan(void *argument, struct sj_control_request *request)
{
    static const char *const forms[] = {
        [SJ_PLAN_SHORT] = "text", [SJ_PLAN_WHOLE] = "whole", [SJ_PLAN_JSON] = "json"};
    struct sj_server *server = argument;
    const char *name = sj_control_word(request, 1);
    unsigned form = 0;

    while (form < 3 && (name == NULL || strcmp(forms[form], name) != 0))
        form++;
    if (form == 3)
        sj_control_answer(request, SJ_CONTROL_ERROR, "a plan is given as text, whole or json");
    else if (sj_index_plan(server->service.site.index, sj_control_rest(request, 2), form,
                           answer_plan, request) != 0)
        sj_control_answer(request, SJ_CONTROL_ERROR, "out of memory");
}

static void status(void *argument, struct sj_control_request *request)
{
    const struct sj_server *server = argument;
    const char *form = sj_control_word(request, 1);
    json_t *report;
    char *text;

    if (form != NULL && strcmp(form, "json") != 0) {
        sj_control_answer(request, SJ_CONTROL_ERROR, "status is given as text or as json");
        return;
    }
    report = sj_report_status(server);
    text = report == NULL ? NULL
           : form != NULL ? json_dumps(report, JSON_INDENT(2))
                          : sj_outline(report);
    if (text != NULL)
        sj_control_answer(request, SJ_CONTROL_OK, text);
    else
        sj_control_answer(request, SJ_CONTROL_ERROR, "out of memory");
    free(text);
    json_decref(report);
}

static void rollback(void *argument, struct sj_control_request *request)
{
    struct sj_server *server = argument;
    struct sj_index *index = server->service.site.index;
    struct sj_index_status now;
    char text[512];

    if (sj_index_rollback(index, text, sizeof(text)) != 0) {
        sj_control_answer(request, SJ_CONTROL_ERROR, text);
        return;
    }
    sj_index_status(index, &now);
    snprintf(text, sizeof(text),
             "generation %" PRIu64 ": rolled back, %" PRIu64
             " URLs; changes on disk wait for the next reload",
             now.summary.number, now.summary.n_urls);
    sj_log(server->service.log, SJ_LOG_INFO, "%s", text);
    sj_control_answer(request, SJ_CONTROL_OK, text);
}

/* The answer comes first: a server that has nothing to drain ends at once. */
static void stop(void *argument, struct sj_control_request *request)
{
    struct sj_server *server = argument;
    char text[128] = "stopping at once";

    if (server->is_ready && server->state == SJ_SERVICE_SERVING)
        snprintf(text, sizeof(text), "draining %" PRIu64 " connections, at most %" PRIu64 " ms",
                 ck_pr_load_64(&server->service.n_open), server->config->drain_timeout_ms);
    sj_control_answer(request, SJ_CONTROL_OK, text);
    sj_server_drain(server);
}

/* An HTTP client, as collectors and curl --unix-socket are. */
static void http(void *argument, struct sj_control_request *request)
{
    char *answer =
        sj_metrics_answer(argument, sj_control_word(request, 0), sj_control_word(request, 1));

    if (answer != NULL)
        sj_control_answer_bare(request, answer);
    else
        sj_control_answer(request, SJ_CONTROL_ERROR, "out of memory");
    free(answer);
}

static const struct sj_control_command table[] = {
    {"reload", reload},     {"plan", plan}, {"status", status},
    {"rollback", rollback}, {"stop", stop}, {0},
};

/* What can be had is worth more than what cannot: only a path that was asked for, and that no
 * server has, is a reason not to start. */
static int do_without(struct sj_server *server, const char *path, int error)
{
    if (error == -EADDRINUSE) {
        sj_log(server->service.log, SJ_LOG_WARNING,
               "no control socket: another server has %s; give this one its own by --control PATH, "
               "or none by --control none",
               path);
        return 0;
    }
    if (server->config->control == NULL) {
        sj_log(server->service.log, SJ_LOG_WARNING,
               "no control socket at %s: %s; --control PATH puts it elsewhere, --control none is "
               "without",
               path, strerror(-error));
        return 0;
    }
    sj_server_fail(server, -EIO, "--control %s: %s", path, strerror(-error));
    return error;
}

static int start_control(struct sj_server *server)
{
    char path[SJ_CONTROL_PATH];
    struct sj_control_config config = {
        .path = path,
        .commands = table,
        .http = http,
        .argument = server,
        .base = server->base,
        .log = server->service.log,
        .user = server->user.user,
        .group = server->user.group,
        .idle_ms = SJ_CONTROL_IDLE_MS,
    };
    int error;

    if (!sj_control_path(server->config->control, path))
        return 0;
    error = sj_control_new(&config, &server->commands.control);
    return error == 0 ? 0 : do_without(server, path, error);
}

/* At each address that --metrics has. */
static int answer_metrics(struct sj_server *server)
{
    static const struct sj_control_command none[] = {{0}};
    struct sj_commands *own = &server->commands;
    struct sj_control_config config = {.commands = none,
                                       .http = http,
                                       .argument = server,
                                       .base = server->base,
                                       .log = server->service.log,
                                       .idle_ms = SJ_CONTROL_IDLE_MS};
    int error = 0;

    own->metrics = calloc(own->metrics_listeners.n_items, sizeof(struct sj_control *));
    if (own->metrics == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < own->metrics_listeners.n_items && error == 0; i++) {
        const struct sj_listener *listener = &own->metrics_listeners.items[i];

        config.listener = listener->socket;
        error = sj_control_new(&config, &own->metrics[i]);
        if (error == 0)
            sj_log(server->service.log, SJ_LOG_INFO, "metrics at %s", listener->address);
    }
    return error;
}

static int start_metrics(struct sj_server *server)
{
    struct sj_option_list specs = {(const char *[]){server->config->metrics}, 1};
    struct sj_listen_config listen = {&specs, SJ_CONTROL_CLIENTS, 1, "--metrics"};
    char text[512];
    int error;

    if (server->config->metrics == NULL)
        return 0;
    error = sj_listeners_open(&server->commands.metrics_listeners, &listen, text, sizeof(text));
    if (error == 0) {
        error = answer_metrics(server);
        snprintf(text, sizeof(text), "out of memory");
    }
    if (error != 0)
        sj_server_fail(server, error, "%s", text);
    return error;
}

int sj_commands_start(struct sj_server *server)
{
    int error;

    server->commands.addresses = sj_report_addresses(server);
    error = start_control(server);
    return error != 0 ? error : start_metrics(server);
}

void sj_commands_stop(struct sj_server *server)
{
    struct sj_commands *own = &server->commands;

    sj_control_free(own->control);
    for (size_t i = 0; i < own->metrics_listeners.n_items && own->metrics != NULL; i++)
        sj_control_free(own->metrics[i]);
    free(own->metrics);
    sj_listeners_close(&own->metrics_listeners);
    json_decref(server->commands.addresses);
    server->commands = (struct sj_commands){0};
}
