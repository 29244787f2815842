/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_BUILD_H
#define SJ_CACHE_BUILD_H
/*
 * One build: from the roots on disk, and the generation before, to a new generation.
 *
 *   open     roots and rules                             one thread
 *   scan     every directory                             subtasks (cache/scan.h)
 *   gather   which files, which URLs, what is unchanged  one thread, memory only
 *   read     what is new                                 subtasks, in batches (cache/content.h)
 *   make     entries, or take over those of before       subtasks, in batches (cache/recipe.h)
 *   collect  into the sets                               one thread, memory only
 *
 * A file is one inode in one state: whatever names and links lead to it, it is read once,
 * and never again while that state lasts.
 */
#include "cache/generation_make.h"
#include "cache/settings.h"
#include "cache/watch.h"

struct sj_build {
    const struct sj_settings *settings;
    const struct sj_generation *before;
    struct sj_watch *watch;       /* or NULL */
    const uint32_t *is_cancelled; /* 1 ends the build soon: -ECANCELED, "stopping" */
};

/* In a task on a worker.  0 and `*made`; or -errno and one line in `error`: nothing has changed,
 * but for watches. */
int sj_build_run(const struct sj_build *build, struct sj_generation **made, char *error,
                 size_t error_size);

#endif
