/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_BUILD_H
#define SJ_CACHE_BUILD_H
/*
 * One build: from the roots on disk, and what is kept of the builds before, to a new generation.
 *
 *   open     roots and rules                             one thread
 *   scan     every directory; or those that have changed subtasks (cache/scan.h, cache/delta.h)
 *   gather   which files, which URLs, what is unchanged  one thread, memory only
 *   read     what is new                                 subtasks, in batches (cache/content.h)
 *   make     entries, or take over those of before       subtasks, in batches (cache/make.h)
 *   settle   the entries of each directory into a sheaf  one thread, memory only
 *   collect  the sheaves into the set                    one thread, memory only
 *
 * A directory that has not changed passes all but the last: its sheaf goes on as it is.
 *
 * A file is one inode in one state: whatever names and links lead to it, it is read once,
 * and never again while that state lasts.
 */
#include "cache/generation_make.h"
#include "cache/settings.h"
#include "cache/stock.h"
#include "cache/watch.h"

struct sj_variants;

/* The largest first. */
enum sj_build_extent {
    SJ_BUILD_ALL,     /* every directory is read */
    SJ_BUILD_CHANGES, /* those in which something has changed, if a watch can say which; else all */
    SJ_BUILD_KEPT     /* none, if the build before has succeeded: only for variants; else all */
};

struct sj_build {
    const struct sj_settings *settings;
    const struct sj_generation *before;
    struct sj_stock *stock;
    struct sj_watch *watch;             /* or NULL */
    const struct sj_variants *variants; /* or NULL */
    const uint32_t *is_cancelled;       /* 1 ends the build soon: -ECANCELED, "stopping" */
    enum sj_build_extent extent;
    bool has_new_variants; /* what is kept has to be looked through for their sake */
};

/* In a task on a worker.  0 and `*made`; or -errno and one line in `error`: the next build reads
 * all directories, and watches may have changed. */
int sj_build_run(const struct sj_build *build, struct sj_generation **made, char *error,
                 size_t error_size);

#endif
