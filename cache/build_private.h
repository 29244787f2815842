/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_BUILD_PRIVATE_H
#define SJ_CACHE_BUILD_PRIVATE_H
/* A build in work, for the files of the builder: its stages. */
#include "cache/build.h"
#include "cache/gather.h"
#include "cache/make.h"
#include "core/sched.h"

struct sj_work {
    const struct sj_build *build;
    struct sj_stock *stock;
    struct sj_generation *made;
    struct sj_watch_changes changes;
    struct sj_gathered gathered;
    struct sj_scan_directory **kept; /* to be looked through for new variants */
    size_t n_kept;
    bool has_trees;  /* those kept are whole */
    bool is_partial; /* most of the trees are kept */
    struct sj_group group;
    struct sj_reader *readers[SJ_WORKERS_MAX]; /* not in use, or NULL */
    struct sj_maker maker;
    int error; /* the first of the subtasks' that ends the build */
    char *text;
    size_t text_size;
};

/* Each: 0 or -errno.  cache/build_batches.c: subtasks, joined. */
int sj_work_read(struct sj_work *work);
int sj_work_make(struct sj_work *work);
int sj_work_make_kept(struct sj_work *work); /* the sheaves that there are */

/* Shall the build go on?  Any of its threads. */
bool sj_work_goes_on(struct sj_work *work);

/* cache/build_settle.c: what is awaited gets its place; sheaves of what was made; all sheaves and
 * faults into the generation. */
int sj_work_await(struct sj_work *work);
int sj_work_settle(struct sj_work *work);
int sj_work_collect(struct sj_work *work);

#endif
