/* SPDX-License-Identifier: MIT */
#include "cache/variants_private.h"

#include <assert.h>
#include "core/blocking.h"
#include "core/clock.h"
#include "core/group.h"
#include "core/sched.h"

#define SLICE_FIRST_NS 500000000U
#define SLICE_MOST_NS  8000000000U

/* What may take a second or more: brotli's best does 1 MB/s, all three fast ones together 27.  And
 * what may not be broken off for so long. */
#define LONG_BEST    262144
#define LONG_FAST    8388608
#define LONGEST_BEST 2097152

/* Work for a while, on up to all workers. */
struct slice {
    struct sj_variants *variants;
    const struct sj_variants_orders *orders;
    uint64_t until_ns;
    unsigned n_runners;
};

struct runner {
    struct sj_task task; /* first */
    struct slice *slice;
    bool gives_way; /* to a build: at once, but for moments */
};

static bool is_long(const struct sj_unit *unit, enum sj_done wanted)
{
    return sj_content_length(unit->content) > (wanted == SJ_DONE_BEST ? LONG_BEST : LONG_FAST);
}

static bool is_longest(const struct sj_unit *unit, enum sj_done wanted)
{
    return wanted == SJ_DONE_BEST && sj_content_length(unit->content) > LONGEST_BEST;
}

/* The flags are looked at without order, only to end early. */
static bool goes_on(const struct slice *slice)
{
    return ck_pr_load_32(slice->orders->is_paused) == 0 && sj_clock_ns() < slice->until_ns;
}

static void add_news(struct sj_variants *variants, struct sj_unit *unit)
{
    struct sj_plan *plan = &variants->plan;
    if (unit->has_news)
        return;
    unit->has_news = true;
    plan->news[ck_pr_faa_64(&variants->n_news, 1)] = (uint32_t)(unit - plan->units);
}

/* Long ones are not broken off for a build where another runner gives way to it.  Without memory to
 * read with, none can be had. */
static void run_unit(const struct runner *runner, struct sj_unit *unit, struct sj_reader *reader)
{
    const struct slice *slice = runner->slice;
    struct sj_variants *variants = slice->variants;
    struct sj_plan *plan = &variants->plan;
    bool was_pending = unit->done == SJ_DONE_NOTHING;
    bool lasts = is_long(unit, plan->wanted) && slice->n_runners > 1 && !runner->gives_way;
    if (reader == NULL) {
        unit->is_closed = true;
    } else {
        reader->is_cancelled = lasts ? slice->orders->is_cancelled : slice->orders->is_paused;
        if (sj_variants_make(variants, unit, reader))
            add_news(variants, unit);
    }
    if (was_pending && unit->file != NULL)
        ck_pr_inc_64(&variants->n_first);
    if (was_pending && (unit->is_closed || unit->done != SJ_DONE_NOTHING))
        ck_pr_dec_64(&variants->status.n_pending);
    if (unit->is_closed || unit->done == SJ_DONE_BEST)
        ck_pr_dec_64(&variants->status.n_improving);
}

/* The exchange of `next` gives each unit to one runner.  A unit can take seconds, and requests may
 * wait for a worker: a spare thread has its place meanwhile. */
static void run_units(struct sj_task *task)
{
    const struct runner *runner = (struct runner *)task;
    const struct slice *slice = runner->slice;
    struct sj_plan *plan = &slice->variants->plan;
    struct sj_reader *reader = sj_reader_new();
    sj_blocking_enter();
    while (goes_on(slice)) {
        uint64_t at = ck_pr_load_64(&plan->next);
        if (at >= plan->n_units ||
            (runner->gives_way && is_longest(&plan->units[at], plan->wanted)))
            break;
        if (ck_pr_cas_64(&plan->next, at, at + 1) &&
            sj_unit_is_open(&plan->units[at], plan->wanted))
            run_unit(runner, &plan->units[at], reader);
    }
    sj_blocking_leave();
    sj_reader_free(reader);
}

/* Whoever joins runs the newest first, and is of no use to a build: the oldest one
 * gives way to it. */
static void run_slice(struct slice *slice)
{
    struct runner runners[SJ_WORKERS_MAX];
    struct sj_group group;
    sj_group_init(&group);
    for (unsigned i = 0; i < slice->n_runners; i++) {
        runners[i] = (struct runner){.task = {.run = run_units}, .slice = slice};
        runners[i].gives_way = i == 0 && slice->n_runners > 1;
        sj_spawn(&group, &runners[i].task);
    }
    sj_join(&group);
}

/* What was broken off is taken up again; when all are done fast, they are to be done best. */
static void advance(struct sj_plan *plan)
{
    while (plan->first < plan->n_units && !sj_unit_is_open(&plan->units[plan->first], plan->wanted))
        plan->first++;
    if (plan->first == plan->n_units && plan->wanted == SJ_DONE_FAST) {
        plan->wanted = SJ_DONE_BEST;
        plan->first = 0;
        advance(plan);
        return;
    }
    plan->next = plan->first;
    plan->is_over = plan->first == plan->n_units;
}

void sj_variants_work(struct sj_variants *variants, const struct sj_variants_orders *orders)
{
    if (ck_pr_load_ptr(&variants->noted) != NULL && ck_pr_load_64(&variants->n_news) == 0) {
        sj_variants_plan(variants);
        variants->slice_ns = SLICE_FIRST_NS;
    }
    struct slice slice = {.variants = variants,
                          .orders = orders,
                          .until_ns = sj_clock_ns() + variants->slice_ns,
                          .n_runners = variants->config.n_workers};
    assert(slice.n_runners <= SJ_WORKERS_MAX);
    if (variants->plan.n_units > 0 && !variants->plan.is_over) {
        run_slice(&slice);
        advance(&variants->plan);
    }
    if (ck_pr_load_32(orders->is_paused) == 0 && variants->slice_ns < SLICE_MOST_NS)
        variants->slice_ns *= 2;
}
