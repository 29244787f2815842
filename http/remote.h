/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_REMOTE_H
#define SJ_HTTP_REMOTE_H
/* The program as a client of a running server's control socket: reload, status, rollback, stop. */
#include <stdbool.h>
#include <stdio.h>

bool sj_remote_has(const char *command);

/* `argv[0]` is the command, the rest its options.  The exit status: 0 done, 1 refused, failed or
 * nobody there, 2 wrong use; when it is not 0, a line on standard error has said why. */
int sj_remote_run(int argc, char **argv);

void sj_remote_help(FILE *to);

#define SJ_REMOTE_NOBODY (-1)

/* Sends one request to the server at `control` (NULL: wherever one may be) and relays its answer.
 * The exit status, as above; or SJ_REMOTE_NOBODY, which has not been said. */
int sj_remote_ask(const char *request, const char *control);
void sj_remote_say_nobody(const char *control);

#endif
