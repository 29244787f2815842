/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_ROUTE_H
#define SJ_HTTP_ROUTE_H
/*
 * Routes: which paths handlers answer, within which limits, and what is known of them.
 *
 * A route's class says where its handler runs.  It is learned from run times, unless the option
 * settles it: a run that takes less than SJ_SHORT_NS counts for it, a longer one against it, and
 * with enough in a row the route is quick: its handler runs on loops.  One run there of
 * more than SJ_LONG_NS sends it back to the workers, and the next time it must be short twice as
 * often.  class=quick begins as quick and goes on by the same rules.
 *
 * Whoever reads slowly keeps a handler that streams in a blocking section.  So that the readers of
 * one route do not hold all spares, a route that blocks and has no limit of its own (running=) has
 * at most three quarters of them at the same time.
 *
 * The table is made before the scheduler starts and then read-only, except where a member says
 * otherwise.
 */
#include <pthread.h>
#include <sys/queue.h>
#include "core/histogram.h"
#include "core/log.h"
#include "core/text.h"
#include "http/deadline.h"
#include "http/module.h"

#define SJ_SHORT_NS   20000
#define SJ_LONG_NS    500000
#define SJ_SHORT_RUNS 256     /* in a row, the first time */
#define SJ_RUNS_MAX   1048576 /* the most that is ever asked for */

struct sj_call;

enum sj_route_class { SJ_CLASS_HEAVY, SJ_CLASS_QUICK, SJ_CLASS_BLOCKING };

/* What one loop counts, one row a counter: relaxed stores of its thread, any thread reads. */
#define SJ_ROUTE_COUNTERS(ROW)                                                    \
    ROW(n_dropped, "dropped", "results for which no client was there any more")   \
    ROW(n_late, "late", "calls whose time was up")                                \
    ROW(n_refused, "refused", "calls for which the queue was full, or no memory") \
    ROW(n_stolen, "stolen", "calls run by another loop than the connection's")

struct sj_route_cell {
    uint64_t n_statuses[6]; /* answers, by the first digit of their status */
    uint64_t n_entered;     /* calls that the handler has had to do with */
    uint64_t n_left;        /* of which it has nothing more to do with */
#define ROW(member, name, help) uint64_t member;
    SJ_ROUTE_COUNTERS(ROW)
#undef ROW
    struct sj_histogram queue_delay;
    struct sj_histogram run_time;  /* of each step on its thread */
    struct sj_deadlines deadlines; /* of its calls, in queue 0; the loop's own */
} __attribute__((aligned(64)));

struct sj_route {
    const char *option; /* as it was given */
    struct sj_text prefix;
    const struct sj_loaded *module;
    const struct sj_handler *handler;
    bool is_learned;             /* the class may change */
    uint64_t time_ms;            /* UINT64_MAX: no limit */
    uint64_t running_most;       /* calls at work at the same time; UINT64_MAX: no limit */
    uint64_t spares_most;        /* without that, once it blocks: steps on workers; the same */
    uint64_t queue_most;         /* calls that wait for that, or for a worker */
    uint64_t body_most;          /* octets */
    struct sj_route_cell *cells; /* one for each loop */
    unsigned n_cells;
    struct sj_log *log;

    _Alignas(64) unsigned route_class; /* enum sj_route_class; ck_pr */
    unsigned n_short;                  /* ck_pr; runs in a row */
    unsigned n_needed;                 /* ck_pr */
    unsigned n_promoted;               /* ck_pr; changes of class */
    unsigned n_sent_back;              /* ck_pr */
    unsigned blocks;                   /* ck_pr; a step of it has begun a blocking section */

    _Alignas(64) uint64_t n_queued; /* ck_pr */
    pthread_mutex_t lock;           /* of what follows */
    uint64_t n_running;             /* places taken: running_most's or spares_most's */
    TAILQ_HEAD(, sj_call) waiting;
};

struct sj_routes {
    struct sj_route *items; /* the longest prefix first */
    size_t n_items;
};

/* From the options PREFIX=MODULE:HANDLER[,NAME=VALUE]..., for so many loops.  `body_most` is that
 * of routes that do not say.  0; -EINVAL and one line in `error`; -ENOMEM and the same. */
struct sj_route_setup {
    const struct sj_modules *modules;
    const struct sj_option_list *options;
    uint64_t body_most;
    unsigned n_loops;
    unsigned n_spares; /* of the scheduler */
    struct sj_log *log;
};
int sj_routes_make(struct sj_routes *routes, const struct sj_route_setup *setup, char *error,
                   size_t error_size);
void sj_routes_free(struct sj_routes *routes);

/* Any thread.  The route with the longest prefix of the path; NULL: none.  A prefix ends where a
 * segment of the path does. */
struct sj_route *sj_routes_find(const struct sj_routes *routes, struct sj_text path);

static inline enum sj_route_class sj_route_class_of(const struct sj_route *route)
{
    return ck_pr_load_uint(&route->route_class); /* alone: it orders nothing */
}

/* Any thread, after a run of the handler: `ns` long; on_loop: as a quick task; has_blocked: it has
 * said that it blocks.  Changes the class, and logs that. */
enum sj_run { SJ_RUN_ON_WORKER, SJ_RUN_ON_LOOP };
void sj_route_learn(struct sj_route *route, enum sj_run where, uint64_t ns, bool has_blocked);

/* That loop's thread: an answer has been sent, or cut off. */
void sj_route_count(struct sj_route *route, unsigned loop, int status);

/* Any thread; a moment's values, of all loops: of the counter and the histogram at that offset of a
 * cell. */
uint64_t sj_route_sum(const struct sj_route *route, size_t offset);
void sj_route_merge(const struct sj_route *route, size_t offset, struct sj_histogram *into);

/* The same: calls at work, which are those that have begun and have not ended. */
uint64_t sj_route_running(const struct sj_route *route);

/* "heavy" */
const char *sj_route_class_name(enum sj_route_class route_class);

#endif
