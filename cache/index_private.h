/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_INDEX_PRIVATE_H
#define SJ_CACHE_INDEX_PRIVATE_H
/* The index, for index.c, which runs it, and index_setup.c, which makes it and takes it apart. */
#include "cache/build.h"
#include "cache/deploys.h"
#include "cache/index.h"
#include "cache/quiet.h"

/* What the next build is to be: the lesser value of each goes before the greater. */
struct order {
    enum sj_build_extent extent;
    enum sj_deploy_kind kind;
};

/*
 * Who touches what: `made` and `result` are the build's until it sets is_finished, and the
 * controlling thread's after it has seen that; is_finished and is_suggested are exchanged by both
 * sides, and the eventfd follows each; is_cancelled is set by the controlling thread, and looked at
 * by the build and its subtasks; `order`, `before` and the stock are left to the build while there
 * is one; the rest belongs to the controlling thread.
 */
struct sj_index {
    struct sj_task task; /* first: the build */
    struct sj_settings *settings;
    struct sj_sched *sched;
    struct sj_log *log;
    struct sj_deploys *deploys;
    struct sj_watch *watch; /* or NULL */
    struct sj_stock *stock;
    struct sj_generation *before; /* of the build: what was served when it began; a reference */
    struct sj_generation *made;
    struct sj_index_result result;
    uint32_t is_finished;
    uint32_t is_suggested;
    uint32_t is_cancelled;
    int wake;
    struct event *wake_event;
    struct event *timer;
    struct sj_quiet quiet;
    bool is_building;
    bool is_pending;     /* one more build, when this one has ended */
    bool has_doubts;     /* something has changed, but the watch may not know it */
    bool is_rolled_back; /* what is on disk is not wanted, until somebody asks for it */
    struct order order, pending;
    sj_index_done *done;
    void *argument;
};

/* Callbacks on the controlling thread: of the eventfd, of the timer, of the watch; and the task. */
void sj_index_on_wake(evutil_socket_t descriptor, short what, void *argument);
void sj_index_on_timer(evutil_socket_t descriptor, short what, void *argument);
void sj_index_on_change(void *argument);
void sj_index_run_build(struct sj_task *task);

#endif
