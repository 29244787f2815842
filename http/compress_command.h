/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_COMPRESS_COMMAND_H
#define SJ_HTTP_COMPRESS_COMMAND_H
/* scrubjay compress: the sidecars of a tree (cache/compress.h), from the command line. */
#include <stdio.h>

/* `argv[0]` is the command.  Blocks until all is done, or a signal has ended it; no thread and no
 * temporary file is left.  The exit status: 0, 1 (faults, each on a line of standard error, or
 * interrupted), 2 wrong use. */
int sj_compress_command_run(int argc, char **argv);

/* Its options. */
void sj_compress_command_help(FILE *to);

#endif
