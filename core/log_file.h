/* SPDX-License-Identifier: MIT */
#ifndef SJ_CORE_LOG_FILE_H
#define SJ_CORE_LOG_FILE_H
/*
 * A file that whole lines are appended to: a regular file, a pipe, a terminal.
 *
 * Nothing here ends the process or waits for ever.  A disk that is full loses lines, and what
 * comes after a line that was cut begins on a line of its own.  A pipe that takes nothing for a
 * second loses lines, from then on without waiting, until it takes something again.  One thread
 * at a time.
 */
#include <stdbool.h>
#include <stddef.h>

struct sj_log_file {
    char *path; /* NULL: the descriptor was given, and is not closed */
    int fd;     /* -1: off, for which no other call is made */
    bool is_regular;
    bool is_stalled; /* waited in vain */
    bool is_cut;     /* ends within a line */
};

/* Opens for appending, makes it with mode 0640.  0 or -errno, `*file` then unchanged. */
int sj_log_file_open(struct sj_log_file *file, const char *path);

/* Lines go to a descriptor that somebody else opened and closes. */
void sj_log_file_attach(struct sj_log_file *file, int fd);

/* Opens the same path again: 0 or -errno, the file then stays as it was.  A descriptor that was
 * given stays in any case. */
int sj_log_file_reopen(struct sj_log_file *file);

void sj_log_file_close(struct sj_log_file *file);

/* `lines` ends with a newline.  The number of lines that were not written, or not whole. */
size_t sj_log_file_write(struct sj_log_file *file, const char *lines, size_t length);

#endif
