/* SPDX-License-Identifier: MIT */
#include "cache/index_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include "core/clock.h"
#include "core/pr.h"

#define FAULTS_LOGGED_MAX 100 /* by one build */

static bool was_known(const struct sj_fault *fault, const struct sj_generation *before)
{
    const struct sj_fault *known = sj_set_find(&before->faults, &fault->path);
    return known != NULL && strcmp(known->reason, fault->reason) == 0;
}

/* What the generation before had as well has been said. */
static void log_faults(struct sj_log *log, const struct sj_generation *made,
                       const struct sj_generation *before)
{
    size_t n = 0;
    for (const struct sj_fault *fault = made->fault_list; fault != NULL; fault = fault->next) {
        if (was_known(fault, before))
            continue;
        if (n++ < FAULTS_LOGGED_MAX)
            sj_log(log, SJ_LOG_WARNING, "skipped %s: %s", fault->path.at, fault->reason);
    }
    if (n > FAULTS_LOGGED_MAX)
        sj_log(log, SJ_LOG_WARNING, "skipped %zu more", n - FAULTS_LOGGED_MAX);
}

/* The controlling thread may have to wake already. */
void sj_index_raise(struct sj_index *index, uint32_t *flag)
{
    if (ck_pr_fas_32(flag, 1) == 0)
        (void)!eventfd_write(index->wake, 1);
}

/* Puts the timer to `due_ns`. */
static void set_timer(struct sj_index *index, uint64_t now_ns, uint64_t due_ns)
{
    uint64_t wait_us = due_ns > now_ns ? (due_ns - now_ns + 999) / 1000 : 0;
    struct timeval wait = {.tv_sec = (time_t)(wait_us / 1000000),
                           .tv_usec = (suseconds_t)(wait_us % 1000000)};
    evtimer_add(index->timer, &wait);
}

/* Something is no longer as indexed: a build follows when it has become quiet. */
void sj_index_on_change(void *argument)
{
    struct sj_index *index = argument;
    uint64_t now_ns = sj_clock_ns();
    set_timer(index, now_ns, sj_quiet_event(&index->quiet, now_ns));
}

static struct sj_generation *served(const struct sj_index *index)
{
    unsigned n;
    return sj_deploys_list(index->deploys, &n)[0].generation;
}

static void fold(struct order *order, struct order more)
{
    order->extent = more.extent < order->extent ? more.extent : order->extent;
    order->kind = more.kind < order->kind ? more.kind : order->kind;
    order->check = more.check > order->check ? more.check : order->check;
}

static void submit(struct sj_index *index, void (*run)(struct sj_task *task))
{
    index->task.run = run;
    index->before = served(index);
    sj_generation_acquire(index->before);
    if (index->upkeep != NULL)
        sj_upkeep_pause(index->upkeep);
    index->is_busy = sj_sched_submit(index->sched, &index->task) == 0;
    if (!index->is_busy)
        sj_generation_release(index->before);
}

/* With a full queue: later. */
static void start_build(struct sj_index *index)
{
    index->order = index->pending;
    submit(index, sj_index_run_build);
    index->is_pending = !index->is_busy;
    index->is_planning = false;
    if (index->is_busy)
        index->has_doubts = index->has_doubts && index->order.extent != SJ_BUILD_ALL;
    else
        sj_index_on_change(index);
}

static struct sj_plan *take_plan(struct sj_index *index)
{
    struct sj_plan *plan = index->plans;
    index->plans = plan->next;
    return plan;
}

static void answer(struct sj_plan *plan)
{
    enum sj_plan_outcome outcome = plan->error == 0 ? SJ_PLAN_ACCEPTED : SJ_PLAN_REFUSED;
    plan->planned(plan->argument, plan->text != NULL ? outcome : SJ_PLAN_FAILED,
                  plan->text != NULL ? plan->text : plan->line);
    free(plan->text);
    free(plan);
}

/* With a full queue: not at all. */
static void start_plan(struct sj_index *index)
{
    submit(index, sj_index_run_plan);
    index->is_planning = index->is_busy;
    while (!index->is_busy && index->plans != NULL) {
        struct sj_plan *plan = take_plan(index);
        plan->error = -EAGAIN;
        snprintf(plan->line, sizeof(plan->line), "too much to do, try again later");
        answer(plan);
    }
}

/* Plans and builds that wait take turns. */
static void start_next(struct sj_index *index)
{
    if (index->plans != NULL && !(index->is_planning && index->is_pending))
        start_plan(index);
    if (!index->is_busy && index->is_pending)
        start_build(index);
}

/* Orders that wait fold into one. */
static void ask(struct sj_index *index, struct order order)
{
    if (index->is_pending)
        fold(&index->pending, order);
    else
        index->pending = order;
    index->is_pending = true;
    if (!index->is_busy)
        start_build(index);
}

void sj_index_on_timer(evutil_socket_t descriptor, short what, void *argument)
{
    struct sj_index *index = argument;
    (void)descriptor;
    (void)what;
    if (!sj_quiet_is_due(&index->quiet, sj_clock_ns()))
        set_timer(index, 0, 1000000); /* the clocks differ by a little */
    else if (!index->is_rolled_back || index->is_pending)
        ask(index, (struct order){index->has_doubts ? SJ_BUILD_ALL : SJ_BUILD_CHANGES,
                                  SJ_DEPLOY_NOTICED, ORDER_CHECKED});
}

/* Lack of memory or descriptors passes; nothing else would bring the next build about. */
static bool is_passing(int error)
{
    return error == -ENOMEM || error == -EMFILE || error == -ENFILE;
}

/* A build that was overtaken by a rollback is not what is wanted any more, nor are variants of
 * what is not served. */
static void publish(struct sj_index *index)
{
    struct sj_index_result *result = &index->result;
    if (index->is_rolled_back || (index->is_ahead && result->kind == SJ_DEPLOY_COMPLETED)) {
        result->error = -ECANCELED;
        snprintf(result->text, sizeof(result->text), "%s",
                 index->is_rolled_back ? "rolled back meanwhile" : "not of what is served");
        return;
    }
    result->error = sj_deploys_publish(index->deploys, index->made, result->kind,
                                       sj_stock_take_left(index->stock));
    if (result->error != 0) {
        snprintf(result->text, sizeof(result->text), "index: %s", strerrordesc_np(-result->error));
        return;
    }
    log_faults(index->log, index->made, index->before);
    index->n_files_read += index->made->summary.n_files_read;
    if (index->upkeep != NULL)
        sj_upkeep_end(index->upkeep, result->kind, index->made);
    index->made = NULL;
}

/* What was rolled back is not kept up, either. */
static void resume_upkeep(struct sj_index *index)
{
    if (index->upkeep != NULL && !index->is_busy && !index->is_rolled_back)
        sj_upkeep_resume(index->upkeep);
}

static void finish_build(struct sj_index *index)
{
    struct sj_index_result *result = &index->result;
    if (result->error == 0)
        publish(index);
    index->is_ahead = result->error != 0 && index->is_other;
    if (result->kind != SJ_DEPLOY_COMPLETED)
        index->is_refused = result->is_refused;
    result->summary = *sj_generation_summary(served(index));
    sj_generation_release(index->made);
    sj_generation_release(index->before);
    index->made = NULL;
    struct sj_index_result copy = *result;
    if (is_passing(copy.error) && index->watch != NULL && !index->is_pending)
        sj_index_on_change(index);
    start_next(index);
    if (index->done != NULL)
        index->done(index->argument, &copy);
}

/* Without a root of its own it was made with the stock. */
static void finish_plan(struct sj_index *index)
{
    struct sj_plan *plan = take_plan(index);
    sj_generation_release(index->before);
    index->is_ahead = plan->root[0] == '\0' ? index->is_other : index->is_ahead;
    start_next(index);
    answer(plan);
}

static void finish(struct sj_index *index)
{
    index->is_busy = false;
    if (index->watch != NULL)
        sj_watch_settle(index->watch);
    if (index->is_planning)
        finish_plan(index);
    else
        finish_build(index);
    resume_upkeep(index);
}

static void doubt(struct sj_index *index)
{
    index->has_doubts = true;
    sj_index_on_change(index);
}

void sj_index_on_upkept(void *argument)
{
    struct sj_index *index = argument;
    sj_index_raise(index, &index->has_upkept);
}

/* Variants of what is not served wait for the next build. */
static void end_upkeep(struct sj_index *index)
{
    enum sj_upkeep_wish wish = sj_upkeep_take(index->upkeep);
    if (wish == SJ_WISH_ALL)
        doubt(index);
    if (wish == SJ_WISH_KEPT && !index->is_rolled_back && !index->is_ahead)
        ask(index, (struct order){SJ_BUILD_KEPT, SJ_DEPLOY_COMPLETED, ORDER_CHECKED});
    else
        resume_upkeep(index);
}

/* The exchanges pair with those in sj_index_raise. */
void sj_index_on_wake(evutil_socket_t descriptor, short what, void *argument)
{
    struct sj_index *index = argument;
    eventfd_t count;
    (void)what;
    (void)!eventfd_read(descriptor, &count);
    if (ck_pr_fas_32(&index->is_suggested, 0) != 0 && !index->is_refused)
        doubt(index);
    if (ck_pr_fas_32(&index->has_upkept, 0) != 0)
        end_upkeep(index);
    if (ck_pr_fas_32(&index->is_finished, 0) != 0)
        finish(index);
}

void sj_index_set_done(struct sj_index *index, sj_index_done *done, void *argument)
{
    index->done = done;
    index->argument = argument;
}

void sj_index_reload(struct sj_index *index)
{
    index->is_rolled_back = false;
    ask(index, (struct order){SJ_BUILD_ALL, SJ_DEPLOY_ASKED_FOR, ORDER_CHECKED});
}

void sj_index_force_reload(struct sj_index *index)
{
    index->is_rolled_back = false;
    ask(index, (struct order){SJ_BUILD_ALL, SJ_DEPLOY_ASKED_FOR, ORDER_FORCED});
}

int sj_index_plan(struct sj_index *index, const char *root, enum sj_plan_form form,
                  sj_index_planned *planned, void *argument)
{
    const char *at = root != NULL ? root : "";
    struct sj_plan **end = &index->plans;
    struct sj_plan *plan = calloc(1, sizeof(*plan) + strlen(at) + 1);
    if (plan == NULL)
        return -ENOMEM;
    *plan = (struct sj_plan){.form = form, .planned = planned, .argument = argument};
    strcpy(plan->root, at);
    while (*end != NULL)
        end = &(*end)->next;
    *end = plan;
    if (!index->is_busy)
        start_plan(index);
    return 0;
}

int sj_index_rollback(struct sj_index *index, char *error, size_t error_size)
{
    int code = sj_deploys_roll_back(index->deploys);
    if (code == -ENOENT)
        snprintf(error, error_size,
                 "no older deploy is kept; --retain-generations and --retain-seconds say how many, "
                 "and for how long");
    else if (code != 0)
        snprintf(error, error_size, "%s", strerrordesc_np(-code));
    index->is_rolled_back = index->is_rolled_back || code == 0;
    return code;
}

static struct sj_deploy_status status_of(const struct sj_deploy *deploy, uint64_t now_ns)
{
    const struct sj_generation_summary *summary = sj_generation_summary(deploy->generation);
    return (struct sj_deploy_status){
        .number = summary->number,
        .n_urls = summary->n_urls,
        .n_bytes = summary->n_bytes,
        .n_own_bytes = deploy->own_bytes,
        .age_ms = deploy->since_ns == 0 ? 0 : (now_ns - deploy->since_ns) / 1000000};
}

void sj_index_status(struct sj_index *index, struct sj_index_status *status)
{
    uint64_t now_ns = sj_clock_ns();
    unsigned n;
    const struct sj_deploy *deploys = sj_deploys_list(index->deploys, &n);
    *status = (struct sj_index_status){.summary = *sj_generation_summary(deploys[0].generation),
                                       .n_deploys = n,
                                       .is_building = index->is_busy && !index->is_planning,
                                       .is_rolled_back = index->is_rolled_back,
                                       .n_files_read = index->n_files_read};
    for (unsigned i = 0; i < n; i++)
        status->deploys[i] = status_of(&deploys[i], now_ns);
    if (index->upkeep != NULL)
        sj_upkeep_status(index->upkeep, status);
}

/* The store pairs with the loads in cache/build.c, cache/scan.c and cache/sidecar.h. */
void sj_index_cancel(struct sj_index *index)
{
    ck_pr_store_32(&index->is_cancelled, 1);
    if (index->upkeep != NULL)
        sj_upkeep_cancel(index->upkeep);
}

void sj_index_suggest_reload(struct sj_index *index)
{
    sj_index_raise(index, &index->is_suggested);
}

const struct sj_generation *sj_index_begin(struct sj_index *index)
{
    return sj_deploys_begin(index->deploys);
}

void sj_index_end(struct sj_index *index)
{
    sj_deploys_end(index->deploys);
}

const struct sj_entry *sj_index_find_vanished(struct sj_index *index, const char *path,
                                              size_t length)
{
    return sj_deploys_find_vanished(index->deploys, path, length);
}

void sj_index_print(struct sj_index *index, FILE *to)
{
    const struct sj_generation *current = sj_index_begin(index);
    if (sj_generation_print(current, to) != 0)
        fputs("not enough memory to print the index\n", to);
    sj_index_end(index);
}
