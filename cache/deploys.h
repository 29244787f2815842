/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_DEPLOYS_H
#define SJ_CACHE_DEPLOYS_H
/*
 * The generation that is served, and those that were served before it, which are kept for a while.
 *
 * Kept for two reasons.  Pages that are still open, and caches, ask for assets that a deploy has
 * removed: names that carry a hash of their content go on answering with their own bytes.  And a
 * deploy that turns out to be wrong is taken back in one exchange, without reading a file.
 *
 * Readers see one pointer, to a view of all of them.  A new view is published by exchanging it;
 * the old one, and the generations that only it held, are freed by a task on a worker after a
 * grace period (RCU, core/epoch.h): neither readers nor the controlling thread ever wait.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <event2/event.h>
#include "cache/generation.h"
#include "core/sched.h"

#define SJ_DEPLOYS_MAX 16

struct sj_deploys;

struct sj_deploys_config {
    struct sj_sched *sched;
    struct event_base *base; /* of the controlling thread */
    unsigned n_max;          /* generations, the served one among them; 1: none is kept */
    uint64_t keep_ms;        /* after they were replaced; 0: none is kept */
    uint64_t bytes_max;      /* of bodies in memory that only kept ones have */
};

/* One deploy, as it stands in a view. */
struct sj_deploy {
    struct sj_generation *generation;
    uint64_t since_ns;  /* the served one: since when; a kept one: when it was replaced */
    uint64_t own_bytes; /* of a kept one: bodies in memory that the served one did not need */
    bool is_settled;    /* somebody asked for it, or it was served for a while: worth keeping */
};

/* The controlling thread, and a thread that has entered (core/thread.h).  Takes over the reference
 * on `first`.  NULL: no memory. */
struct sj_deploys *sj_deploys_new(const struct sj_deploys_config *config,
                                  struct sj_generation *first);

/* After sj_sched_stop: no reader is left. */
void sj_deploys_free(struct sj_deploys *deploys);

/* Any registered thread.  Between the two: the served generation and all of its entries. */
const struct sj_generation *sj_deploys_begin(struct sj_deploys *deploys);
void sj_deploys_end(struct sj_deploys *deploys);

/* Between the two, for a path that the served generation does not have: the entry of the newest
 * kept one that has it under an immutable name; or NULL. */
const struct sj_entry *sj_deploys_find_vanished(const struct sj_deploys *deploys, const char *path,
                                                size_t length);

/* The rest: the controlling thread. */

enum sj_deploy_kind {
    SJ_DEPLOY_ASKED_FOR, /* somebody said that now is the time */
    SJ_DEPLOY_NOTICED,   /* files have changed; perhaps not all of them yet */
    SJ_DEPLOY_COMPLETED  /* the served one, with more variants: takes its place */
};

/* Serves `made`, whose reference it takes over, under the next number.  What was served is kept if
 * that is settled, `made` is another deploy, and there is a difference between them; `left_bytes`:
 * bodies in memory that `made` has no use for.  0; or -ENOMEM, and nothing has changed. */
int sj_deploys_publish(struct sj_deploys *deploys, struct sj_generation *made,
                       enum sj_deploy_kind kind, uint64_t left_bytes);

/* Serves the newest kept one that is older than the served one.  0; -ENOENT: none; -ENOMEM. */
int sj_deploys_roll_back(struct sj_deploys *deploys);

/* The served one first, then those kept, newest first; until the next call of one of these. */
const struct sj_deploy *sj_deploys_list(const struct sj_deploys *deploys, unsigned *n);

#endif
