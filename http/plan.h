/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_PLAN_H
#define SJ_HTTP_PLAN_H
/*
 * scrubjay plan: asks a running server what a reload would change.  With options of serve, with
 * --local, or where no server answers: what an index of the ROOT would hold.
 */
#include <stdio.h>

/* `argv[0]` is the command.  The exit status: 0; 1 failed, nobody there, or --refuse-if would
 * refuse it; 2 wrong use. */
int sj_plan_run(int argc, char **argv);

/* Its own options. */
void sj_plan_help(FILE *to);

#endif
