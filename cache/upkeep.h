/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_UPKEEP_H
#define SJ_CACHE_UPKEEP_H
/*
 * What goes on behind the index between its builds: files that are served before they are read get
 * their bytes, variants are made (cache/variants.h), the ledger is written (cache/warm.h), the
 * store is kept within its limit.
 *
 * All of it is one heavy task at a time, which ends soon when a build is asked for; at most what
 * cannot be broken off goes on beside one.  What it has made waits until a build begins beside
 * which no work goes on, so the register of variants never changes under a build.
 *
 * Calls are the controlling thread's, but for begin, which is a build's.
 */
#include <event2/event.h>
#include "cache/build.h"
#include "cache/index.h"
#include "cache/variants.h"

struct sj_upkeep;

struct sj_upkeep_config {
    const struct sj_cache_config *cache;
    const struct sj_settings *settings;
    struct sj_sched *sched;
    struct sj_log *log;
    struct event_base *base;
    struct sj_stock *stock;        /* this and all but the cache's configuration outlive it */
    void (*ended)(void *argument); /* a worker: a piece of work has; sj_upkeep_take follows */
    void *argument;
};

/* 0 or -ENOMEM.  A cache directory that cannot be used is said, and done without. */
int sj_upkeep_new(const struct sj_upkeep_config *config, struct sj_upkeep **upkeep);

/* Before the first build: what is known of the files from the last run; or NULL. */
struct sj_ledger *sj_upkeep_ledger(const struct sj_upkeep *upkeep);

/* After sj_sched_stop.  Writes the ledger, if there is something new to say. */
void sj_upkeep_free(struct sj_upkeep *upkeep);

/* A build is about to be submitted; or none is under way any more, nor wanted. */
void sj_upkeep_pause(struct sj_upkeep *upkeep);
void sj_upkeep_resume(struct sj_upkeep *upkeep);

/* The program ends: what goes on ends soon, and nothing more begins. */
void sj_upkeep_cancel(struct sj_upkeep *upkeep);

/* After `ended`: what the index is to build for it. */
enum sj_upkeep_wish { SJ_WISH_NOTHING, SJ_WISH_KEPT, SJ_WISH_ALL };
enum sj_upkeep_wish sj_upkeep_take(struct sj_upkeep *upkeep);

/* In a build's task, before it begins: puts into the build what it goes by. */
void sj_upkeep_begin(struct sj_upkeep *upkeep, struct sj_build *build);

/* The same for a build that will not be published: it goes by the variants that there are. */
void sj_upkeep_lend(const struct sj_upkeep *upkeep, struct sj_build *build);

/* After a build that has been published, before anything else of it: COMPLETED, or one in which
 * files may have changed. */
void sj_upkeep_end(struct sj_upkeep *upkeep, enum sj_deploy_kind kind,
                   const struct sj_generation *made);

/* `variants`: zeros, when none are made. */
void sj_upkeep_status(const struct sj_upkeep *upkeep, struct sj_index_status *status);

#endif
