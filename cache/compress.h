/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_COMPRESS_H
#define SJ_CACHE_COMPRESS_H
/*
 * The sidecars of a whole tree: those that are missing or wrong are made, beside every file that
 * the server would index and that is not compressed already, by its name (cache/encode.h).
 *
 *   scan     every directory                             subtasks (cache/scan.h)
 *   select   the files whose sidecars are not settled    one thread, memory only
 *   refresh  them, the largest first (cache/refresh.h)   subtasks, one for each worker
 *
 * A directory that links lead to as well is worked on under one of its names.  Sidecars whose
 * file has gone stay: they are files of their own then.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cache/fault.h"
#include "cache/refresh.h"

/* A moment's values, for whoever watches; all zero before.  The first two, what is to do, are set
 * once that is known, `n_bytes` before `n_files`. */
struct sj_compress_progress {
    uint64_t n_files;
    uint64_t n_bytes; /* of content */
    uint64_t n_files_done;
    uint64_t n_bytes_done;
};

struct sj_compress {
    const char *path;
    bool codings[SJ_CODINGS]; /* which are wanted; identity does not count */
    bool follows_symlinks;    /* out of the tree, too */
    bool serves_dotfiles;
    unsigned n_lanes;             /* subtasks that compress: as many as there are workers */
    const uint32_t *is_cancelled; /* 1 ends it soon */
    struct sj_compress_progress *progress;
};

struct sj_compress_result {
    uint64_t n_files; /* that are not compressed already */
    uint64_t n_bytes;
    uint64_t n_unchanged; /* of these: settled, not looked into */
    struct sj_refresh_count counts[SJ_CODINGS];
    struct sj_fault *faults; /* the caller's, sorted by path */
    size_t n_faults;
};

/* In a task on a worker.  0, whatever faults there were; -ECANCELED: what was begun has been
 * finished or taken back; -ENOMEM, or the tree itself cannot be read.  `*result` says in each case
 * how far it came. */
int sj_compress_run(const struct sj_compress *compress, struct sj_compress_result *result);

#endif
