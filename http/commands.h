/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_COMMANDS_H
#define SJ_HTTP_COMMANDS_H
/*
 * What a server does for clients of its control socket (http/control.h):
 *
 *   reload [force]    builds, and answers what the build says; the one that began after the request
 *   plan FORM [ROOT]  sj_index_plan; FORM is text, whole or json, and ROOT may have spaces in it
 *   status [json]     http/report.h
 *   rollback          sj_index_rollback
 *   stop              as SIGTERM does
 *   GET /metrics HTTP/1.1   http/metrics.h; at --metrics, too, where nothing else is known
 *
 * The controlling thread.
 */
#include <jansson.h>
#include "cache/index.h"
#include "http/control.h"
#include "http/listener.h"

struct sj_server;

/* A client that waits for a build. */
struct sj_reload {
    struct sj_control_request *request;
    unsigned n_before; /* builds that end before the one it asked for */
};

struct sj_commands {
    struct sj_control *control;            /* NULL: there is no socket */
    struct sj_listeners metrics_listeners; /* none: there is no --metrics */
    struct sj_control **metrics;           /* at each of them */
    json_t *addresses;                     /* where the server listens, for status */
    struct sj_reload reloads[SJ_CONTROL_CLIENTS];
    unsigned n_reloads;
};

/* Opens the control socket, with privileges, before threads start.  Where it cannot be had, by
 * default or because another server has it, the server runs without, and the log says so.  0, or
 * -errno, and that has been said. */
int sj_commands_start(struct sj_server *server);

/* A build has ended: answers those that waited for it. */
void sj_commands_built(struct sj_server *server, const struct sj_index_result *result);

/* Refuses who still waits, and closes the socket. */
void sj_commands_stop(struct sj_server *server);

#endif
