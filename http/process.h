/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_PROCESS_H
#define SJ_HTTP_PROCESS_H
/* What the process asks of the system before it serves.  The controlling thread, before others
 * start. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Ignores SIGPIPE, blocks the signals that the server acts on, and returns a signalfd of them; or
 * -errno. */
int sj_process_signals(void);

/* Raises the limit of open files as far as allowed; that limit. */
uint64_t sj_process_raise_files(void);

/* Raises the limit of what its threads may take back of their priority, as far as allowed and
 * needed by those that are lowered by `by` (core/priority.h). */
void sj_process_raise_nice(int by);

/* Who the process shall become. */
struct sj_process_user {
    const char *name; /* of the user; NULL: stays who it is */
    uid_t user;
    gid_t group;
    bool is_asked; /* something was given */
};

/* Looks up --user and --group (by default the user's own); each may be NULL.  0, or -EINVAL and one
 * line in `error`. */
int sj_process_find(const char *user, const char *group, struct sj_process_user *who, char *error,
                    size_t error_size);

/* Becomes that, for good.  0 or -errno. */
int sj_process_become(const struct sj_process_user *who);

/* That number; for 0 one for each core that the process may use (CPU affinity), up to as many as a
 * scheduler can have. */
unsigned sj_process_threads(uint64_t number);

/* Writes the pid file by rename.  0 or -errno. */
int sj_process_write_pid(const char *path);

#endif
