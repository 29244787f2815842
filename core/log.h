/* SPDX-License-Identifier: MIT */
#ifndef SJ_CORE_LOG_H
#define SJ_CORE_LOG_H
/*
 * Log files that never block the thread that logs.
 *
 * Each registered thread (core/thread.h) has a bounded ring of its own; one
 * writer thread drains all rings and writes whole lines.  A full ring drops the
 * line and counts it; the writer says so in the error log.  Threads that are not
 * registered, and every thread before sj_log_start and after sj_log_stop, write directly.
 * The writer sleeps while there is nothing to write, and looks at most some dozens of times a
 * second, so that lines of different threads may stand a moment out of order.
 *
 * Whatever came from outside is escaped: below 0x20, 0x7f and above, the quote and the
 * backslash as \xHH; one record is one line; the length is capped.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sj_log_level { SJ_LOG_ERROR, SJ_LOG_WARNING, SJ_LOG_INFO, SJ_LOG_DEBUG };

enum sj_log_sink { SJ_LOG_ERRORS, SJ_LOG_ACCESS, SJ_LOG_SINKS };

#define SJ_LOG_LINE_MAX 8192 /* octets, the newline included; longer ones are cut */

struct sj_log;

/* `paths`: for each sink a file (opened for appending, mode 0640), "-" for standard output, or
 * NULL for standard error (errors) or off (access).  0 and `*log`; -errno of the file that
 * cannot be opened, its path in `*failed`; or -ENOMEM, `*failed` then NULL or not. */
int sj_log_new(const char *const paths[SJ_LOG_SINKS], enum sj_log_level level, struct sj_log **log,
               const char **failed);

/* Starts and stops the writer thread; stop writes all that is left.  Start: 0 or -EAGAIN.  Free
 * stops, too; no other thread may be in a call then. */
int sj_log_start(struct sj_log *log);
void sj_log_stop(struct sj_log *log);
void sj_log_free(struct sj_log *log);

/* Any thread; blocks as open does.  Opens the files again, under their paths; where that fails the
 * old file stays, and the error log says so. */
void sj_log_reopen(struct sj_log *log);

bool sj_log_has_access(const struct sj_log *log);
bool sj_log_has_level(const struct sj_log *log, enum sj_log_level level);

/* Any thread; never blocks on a registered one; errno stays.  The text is printf's, without
 * newline; a time stamp and the level come before it, and every octet outside 0x20-0x7e is
 * escaped. */
void sj_log(struct sj_log *log, enum sj_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same at most once a second for each `*last_ns`, which starts as 0 (any thread). */
void sj_log_limited(struct sj_log *log, uint64_t *last_ns, enum sj_log_level level,
                    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Any thread.  One access line, complete but for its newline, escaped already. */
void sj_log_access(struct sj_log *log, const char *line, size_t length);

/* Appends `from` escaped to `to`, at most `room` octets; the number written.  No NUL. */
size_t sj_log_escape(char *to, size_t room, const char *from, size_t length);

uint64_t sj_log_dropped(const struct sj_log *log);

#endif
