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

#endif
