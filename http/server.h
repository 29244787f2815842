/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_SERVER_H
#define SJ_HTTP_SERVER_H
/*
 * A server, from its settings to its exit status.  The calling thread is the controlling one: it
 * waits for signals and for finished builds; requests never come near it.
 *
 *   TERM  drains: no new connections, responses end, at most --drain-timeout; a second one forces
 *   INT, QUIT  stops at once
 *   HUP   reloads the index        USR1  reopens the logs
 */
#include "cache/index.h"
#include "http/config.h"

#define SJ_EXIT_USAGE 2 /* a setting is wrong in itself; 1 is for what the system refuses */

/* Serves `roots` until a signal ends it.  The exit status; when it is not 0, a line on standard
 * error or in the error log has said why. */
int sj_server_run(const struct sj_config *config, const char *const *roots, size_t n_roots);

/* Builds the index once and prints it on standard output; the exit status, as above. */
int sj_server_print(const struct sj_config *config, const char *const *roots, size_t n_roots);

/* The same as a plan, against an index of nothing; 1, too, when --refuse-if would refuse it. */
int sj_server_plan(const struct sj_config *config, const char *const *roots, size_t n_roots,
                   enum sj_plan_form form);

#endif
