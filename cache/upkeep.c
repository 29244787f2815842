/* SPDX-License-Identifier: MIT */
#include "cache/upkeep.h"

#include <errno.h>
#include <stdlib.h>
#include "cache/generation_make.h"
#include "cache/store.h"
#include "cache/warm.h"
#include "core/clock.h"
#include "core/pr.h"

#define LEDGER_INTERVAL_NS 5000000000U

/*
 * Who touches what: the flags by ck_pr the controlling thread sets and the work looks at;
 * may_settle is set before a build is submitted and read by that; is_ledger_old is the
 * builds', and the controlling thread's between them; the rest is the controlling thread's.
 */
struct sj_upkeep {
    struct sj_task task; /* first: the work */
    struct sj_sched *sched;
    struct sj_stock *stock;
    struct sj_store *store;
    struct sj_variants *variants; /* or NULL */
    struct sj_warm *warm;         /* or NULL */
    struct event *timer;          /* of the next ledger */
    void (*ended)(void *argument);
    void *argument;
    uint64_t byte_limit;
    uint32_t is_paused;    /* by ck_pr */
    uint32_t is_cancelled; /* by ck_pr */
    bool has_resumed;      /* no build is under way */
    bool is_working;
    bool may_settle;
    bool has_trimmed;
    bool is_ledger_old;
    uint64_t ledger_ns; /* when the last one was listed */
};

/* Trimmed once at the start, and whenever it has grown beyond its limit. */
static void trim(struct sj_upkeep *upkeep)
{
    if (upkeep->has_trimmed && sj_store_bytes(upkeep->store) <= upkeep->byte_limit)
        return;
    (void)!sj_store_trim(upkeep->store);
    upkeep->has_trimmed = true;
}

static void run_work(struct sj_task *task)
{
    struct sj_upkeep *upkeep = (struct sj_upkeep *)task;
    struct sj_variants_orders orders = {&upkeep->is_paused, &upkeep->is_cancelled};
    if (upkeep->warm != NULL) {
        sj_warm_fill(upkeep->warm, &upkeep->is_paused);
        sj_warm_write(upkeep->warm);
    }
    if (upkeep->variants != NULL)
        sj_variants_work(upkeep->variants, &orders);
    if (ck_pr_load_32(&upkeep->is_paused) == 0)
        trim(upkeep);
    upkeep->ended(upkeep->argument);
}

/* True: a ledger is to be written.  Not more often than every few seconds: else later. */
static bool list_ledger(struct sj_upkeep *upkeep)
{
    uint64_t now_ns = sj_clock_ns();
    uint64_t due_ns = upkeep->ledger_ns == 0 ? 0 : upkeep->ledger_ns + LEDGER_INTERVAL_NS;
    if (!upkeep->is_ledger_old)
        return false;
    if (now_ns < due_ns) {
        struct timeval wait = {.tv_sec = (time_t)((due_ns - now_ns) / 1000000000 + 1)};
        evtimer_add(upkeep->timer, &wait);
        return false;
    }
    upkeep->ledger_ns = now_ns;
    upkeep->is_ledger_old = false;
    return sj_warm_list(upkeep->warm, upkeep->stock) == 0;
}

/* A full queue: after the next build, or the next ledger. */
void sj_upkeep_resume(struct sj_upkeep *upkeep)
{
    upkeep->has_resumed = true;
    if (upkeep->is_working || ck_pr_load_32(&upkeep->is_cancelled) != 0)
        return;
    bool has_work = !upkeep->has_trimmed;
    if (upkeep->variants != NULL)
        has_work = sj_variants_has_work(upkeep->variants) || has_work;
    if (upkeep->warm != NULL) {
        has_work = sj_warm_has_work(upkeep->warm) || has_work;
        has_work = list_ledger(upkeep) || has_work;
    }
    if (!has_work)
        return;
    ck_pr_store_32(&upkeep->is_paused, 0);
    upkeep->is_working = sj_sched_submit(upkeep->sched, &upkeep->task) == 0;
}

static void on_timer(evutil_socket_t descriptor, short what, void *argument)
{
    struct sj_upkeep *upkeep = argument;
    (void)descriptor;
    (void)what;
    if (upkeep->has_resumed)
        sj_upkeep_resume(upkeep);
}

static int open_store(struct sj_upkeep *upkeep, const struct sj_upkeep_config *config)
{
    struct sj_store_settings store = {.path = config->cache->directory,
                                      .byte_limit = config->cache->byte_limit,
                                      .memory_limit = config->settings->memory_limit,
                                      .arena = config->settings->arena,
                                      .log = config->log};
    upkeep->byte_limit = config->cache->byte_limit;
    return sj_store_open(&store, &upkeep->store);
}

static int start_variants(struct sj_upkeep *upkeep, const struct sj_upkeep_config *config)
{
    struct sj_variants_config variants = {.store = upkeep->store,
                                          .n_workers = sj_sched_workers(config->sched),
                                          .memory_limit = config->settings->memory_limit,
                                          .memory_file_limit = config->settings->memory_file_limit,
                                          .open_files_limit = config->settings->open_files_limit};
    if (!config->cache->compresses)
        return 0;
    upkeep->variants = sj_variants_new(&variants);
    return upkeep->variants != NULL ? 0 : -ENOMEM;
}

static int start_warm(struct sj_upkeep *upkeep, const struct sj_upkeep_config *config)
{
    struct sj_warm_config warm = {.directory = sj_store_path(upkeep->store),
                                  .settings = config->settings,
                                  .log = config->log,
                                  .n_workers = sj_sched_workers(config->sched)};
    if (warm.directory == NULL)
        return 0;
    upkeep->warm = sj_warm_new(&warm);
    return upkeep->warm != NULL ? 0 : -ENOMEM;
}

int sj_upkeep_new(const struct sj_upkeep_config *config, struct sj_upkeep **upkeep)
{
    struct sj_upkeep *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return -ENOMEM;
    made->task.run = run_work;
    made->sched = config->sched;
    made->stock = config->stock;
    made->ended = config->ended;
    made->argument = config->argument;
    made->is_paused = 1;
    made->timer = evtimer_new(config->base, on_timer, made);
    int error = made->timer == NULL ? -ENOMEM : open_store(made, config);
    if (error == 0)
        error = start_variants(made, config);
    if (error == 0)
        error = start_warm(made, config);
    if (error != 0)
        sj_upkeep_free(made);
    else
        *upkeep = made;
    return error;
}

struct sj_ledger *sj_upkeep_ledger(const struct sj_upkeep *upkeep)
{
    return upkeep->warm != NULL ? sj_warm_ledger(upkeep->warm) : NULL;
}

void sj_upkeep_free(struct sj_upkeep *upkeep)
{
    if (upkeep == NULL)
        return;
    if (upkeep->warm != NULL) {
        sj_warm_write(upkeep->warm);
        if (upkeep->is_ledger_old && sj_warm_list(upkeep->warm, upkeep->stock) == 0)
            sj_warm_write(upkeep->warm);
    }
    sj_warm_free(upkeep->warm);
    sj_variants_free(upkeep->variants);
    sj_store_close(upkeep->store);
    if (upkeep->timer != NULL)
        event_free(upkeep->timer);
    free(upkeep);
}

/* The stores pair with the loads of the work: without order, as nothing follows from them but the
 * end. */
void sj_upkeep_pause(struct sj_upkeep *upkeep)
{
    ck_pr_store_32(&upkeep->is_paused, 1);
    upkeep->has_resumed = false;
    upkeep->may_settle = !upkeep->is_working;
}

void sj_upkeep_cancel(struct sj_upkeep *upkeep)
{
    ck_pr_store_32(&upkeep->is_cancelled, 1);
    ck_pr_store_32(&upkeep->is_paused, 1);
}

enum sj_upkeep_wish sj_upkeep_take(struct sj_upkeep *upkeep)
{
    bool has_doubts = upkeep->warm != NULL && sj_warm_has_doubts(upkeep->warm);
    upkeep->is_working = false;
    if (upkeep->variants != NULL && sj_variants_has_doubts(upkeep->variants))
        has_doubts = true;
    if (has_doubts)
        return SJ_WISH_ALL;
    return upkeep->variants != NULL && sj_variants_has_news(upkeep->variants) ? SJ_WISH_KEPT
                                                                              : SJ_WISH_NOTHING;
}

void sj_upkeep_lend(const struct sj_upkeep *upkeep, struct sj_build *build)
{
    build->variants = upkeep->variants;
}

void sj_upkeep_begin(struct sj_upkeep *upkeep, struct sj_build *build)
{
    build->variants = upkeep->variants;
    if (upkeep->may_settle && upkeep->variants != NULL)
        build->has_new_variants = sj_variants_settle(upkeep->variants);
    if (upkeep->may_settle && upkeep->warm != NULL)
        sj_warm_settle(upkeep->warm);
    if (upkeep->warm != NULL)
        sj_warm_take(upkeep->warm, build->stock);
}

void sj_upkeep_end(struct sj_upkeep *upkeep, enum sj_deploy_kind kind,
                   const struct sj_generation *made)
{
    if (upkeep->warm != NULL) {
        sj_warm_note(upkeep->warm, upkeep->stock);
        upkeep->is_ledger_old = upkeep->is_ledger_old || made->summary.n_files_read > 0;
    }
    if (upkeep->variants == NULL)
        return;
    if (kind == SJ_DEPLOY_COMPLETED)
        sj_variants_served(upkeep->variants, made, upkeep->stock);
    else
        sj_variants_note(upkeep->variants, made, upkeep->stock);
}

void sj_upkeep_status(const struct sj_upkeep *upkeep, struct sj_index_status *status)
{
    if (upkeep->variants != NULL)
        sj_variants_status(upkeep->variants, &status->variants);
    status->store_bytes = sj_store_bytes(upkeep->store);
}
