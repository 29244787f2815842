/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_INDEX_PRIVATE_H
#define SJ_CACHE_INDEX_PRIVATE_H
/* The index, for index.c, which runs it, index_task.c, what workers do for it, and index_setup.c,
 * which makes it and takes it apart. */
#include "cache/build.h"
#include "cache/conditions.h"
#include "cache/deploys.h"
#include "cache/index.h"
#include "cache/quiet.h"
#include "cache/upkeep.h"

/* What the next build is to be: the lesser value of each goes before the greater. */
struct order {
    enum sj_build_extent extent;
    enum sj_deploy_kind kind;
    enum order_check { ORDER_CHECKED, ORDER_FORCED } check; /* forced goes before */
};

/* Who waits for a plan. */
struct sj_plan {
    struct sj_plan *next;
    enum sj_plan_form form;
    sj_index_planned *planned;
    void *argument;
    int error;
    char line[SJ_INDEX_TEXT]; /* why there is no plan, or why a reload would be refused */
    char *text;               /* of malloc; NULL: there is no plan */
    char root[];              /* empty: the index's own */
};

/*
 * Who touches what: `made`, `result` and is_other, or what the first plan says, are the task's
 * until it sets is_finished, and the controlling thread's after it has seen that; is_finished,
 * is_suggested and has_upkept are exchanged by both sides, and the eventfd follows each;
 * is_cancelled is set by the controlling thread, and looked at by the task and its subtasks;
 * `order`, `before` and the stock are left to the task while there is one; the rest belongs to the
 * controlling thread, but for what never changes.
 */
struct sj_index {
    struct sj_task task; /* first: the build, or the first plan */
    struct sj_settings *settings;
    struct sj_conditions *conditions; /* or NULL: none */
    struct sj_sched *sched;
    struct sj_log *log;
    struct sj_deploys *deploys;
    struct sj_watch *watch; /* or NULL */
    struct sj_stock *stock;
    struct sj_upkeep *upkeep;     /* or NULL */
    struct sj_generation *before; /* of the build: what was served when it began; a reference */
    struct sj_generation *made;
    struct sj_index_result result;
    uint32_t is_finished;
    uint32_t is_suggested;
    uint32_t has_upkept;
    uint32_t is_cancelled;
    int wake;
    struct event *wake_event;
    struct event *timer;
    struct sj_quiet quiet;
    struct sj_plan *plans; /* asked for and not answered, in that order */
    bool is_busy;          /* the task is in work: a plan if is_planning, else a build */
    bool is_planning;
    bool is_pending; /* one more build */
    bool is_refused; /* what is on disk: no use in trying that again */
    bool is_other;   /* the task's: what it has left in the stock differs from what was served */
    bool is_ahead;   /* the stock differs from what is served */
    bool has_doubts; /* something has changed, but the watch may not know it */
    bool is_rolled_back; /* what is on disk is not wanted, until somebody asks for it */
    struct order order, pending;
    uint64_t n_files_read;
    sj_index_done *done;
    void *argument;
};

/* Callbacks on the controlling thread: of the eventfd, of the timer, of the watch; and the task. */
void sj_index_on_wake(evutil_socket_t descriptor, short what, void *argument);
void sj_index_on_timer(evutil_socket_t descriptor, short what, void *argument);
void sj_index_on_change(void *argument);

/* The tasks; and for any thread: sets one of the flags that are exchanged, and wakes the
 * controlling thread. */
void sj_index_run_build(struct sj_task *task);
void sj_index_run_plan(struct sj_task *task);
void sj_index_raise(struct sj_index *index, uint32_t *flag);

/* A worker: a piece of upkeep has ended. */
void sj_index_on_upkept(void *argument);

#endif
