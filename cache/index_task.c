/* SPDX-License-Identifier: MIT */
#include "cache/index_private.h"

#include <errno.h>
#include <stdlib.h>
#include "cache/changes.h"
#include "core/clock.h"

#define LINES_SHORT 20 /* of each list of a plan */

static bool differs(const struct sj_generation *made)
{
    const struct sj_generation_summary *summary = &made->summary;
    return summary->n_added + summary->n_changed + summary->n_removed > 0;
}

/* 0; -EPERM: a condition holds, and `text` names it; both with `*changes`.  Or another -errno, and
 * why. */
static int judge(const struct sj_changes_request *request, const struct sj_conditions *conditions,
                 struct sj_changes **changes, char text[SJ_INDEX_TEXT])
{
    int error = sj_changes_new(request, changes);
    if (error != 0)
        snprintf(text, SJ_INDEX_TEXT, "%s",
                 error == -ECANCELED ? "stopping" : strerrordesc_np(-error));
    else if (conditions != NULL)
        error = sj_conditions_check(conditions, &(*changes)->counts, text, SJ_INDEX_TEXT);
    return error;
}

/* Variants change nothing that conditions are about. */
static bool is_checked(const struct sj_index *index)
{
    return index->conditions != NULL && index->order.check == ORDER_CHECKED &&
           index->order.kind != SJ_DEPLOY_COMPLETED;
}

static void check(struct sj_index *index)
{
    struct sj_index_result *result = &index->result;
    struct sj_changes_request request = {.settings = index->settings,
                                         .before = index->before,
                                         .after = index->made,
                                         .is_cancelled = &index->is_cancelled,
                                         .skips_pages =
                                             !sj_conditions_need_pages(index->conditions)};
    struct sj_changes *changes = NULL;
    result->error = judge(&request, index->conditions, &changes, result->text);
    result->is_refused = result->error == -EPERM;
    sj_changes_free(changes);
    if (result->error != 0) {
        sj_generation_release(index->made);
        index->made = NULL;
    }
}

void sj_index_run_build(struct sj_task *task)
{
    struct sj_index *index = (struct sj_index *)task;
    if (index->order.extent == SJ_BUILD_KEPT && !index->stock->is_complete)
        index->order.kind = SJ_DEPLOY_NOTICED; /* everything is looked at then */
    struct sj_build build = {.settings = index->settings,
                             .before = index->before,
                             .stock = index->stock,
                             .watch = index->watch,
                             .is_cancelled = &index->is_cancelled,
                             .extent = index->order.extent};
    struct sj_index_result *result = &index->result;
    uint64_t started_ns = sj_clock_ns();
    *result = (struct sj_index_result){.kind = index->order.kind};
    if (index->upkeep != NULL)
        sj_upkeep_begin(index->upkeep, &build);
    result->error = sj_build_run(&build, &index->made, result->text, sizeof(result->text));
    index->is_other = result->error != 0 || differs(index->made);
    if (result->error == 0 && is_checked(index))
        check(index);
    if (result->error == 0)
        index->made->summary.build_ns = sj_clock_ns() - started_ns;
    sj_index_raise(index, &index->is_finished);
}

/* NULL: no memory. */
static char *print_text(const struct sj_plan *plan, const struct sj_changes *changes)
{
    char *text = NULL;
    size_t length;
    FILE *to = open_memstream(&text, &length);
    if (to == NULL)
        return NULL;
    sj_changes_print(changes, plan->form == SJ_PLAN_SHORT ? LINES_SHORT : SIZE_MAX, to);
    if (plan->error != 0)
        fprintf(to, "a reload would be %s\n", plan->line);
    if (fclose(to) == 0)
        return text;
    free(text);
    return NULL;
}

static char *print_json(const struct sj_plan *plan, const struct sj_changes *changes)
{
    json_t *object = sj_changes_json(changes);
    json_t *refused = plan->error != 0 ? json_string(plan->line) : json_null();
    char *text = NULL;
    if (json_object_set_new(object, "refused", refused) == 0)
        text = json_dumps(object, JSON_INDENT(2));
    json_decref(object);
    return text;
}

static void print(struct sj_plan *plan, const struct sj_changes *changes)
{
    plan->text = plan->form == SJ_PLAN_JSON ? print_json(plan, changes) : print_text(plan, changes);
    if (plan->text == NULL) {
        plan->error = -ENOMEM;
        snprintf(plan->line, sizeof(plan->line), "%s", strerrordesc_np(ENOMEM));
    }
}

static void make_plan(struct sj_index *index, const struct sj_build *build)
{
    struct sj_plan *plan = index->plans;
    struct sj_generation *made = NULL;
    struct sj_changes *changes = NULL;
    plan->error = sj_build_run(build, &made, plan->line, sizeof(plan->line));
    if (build->stock == index->stock)
        index->is_other = plan->error != 0 || differs(made);
    if (plan->error == 0) {
        struct sj_changes_request request = {.settings = build->settings,
                                             .before = build->before,
                                             .after = made,
                                             .is_cancelled = build->is_cancelled};
        plan->error = judge(&request, index->conditions, &changes, plan->line);
    }
    if (changes != NULL)
        print(plan, changes);
    sj_changes_free(changes);
    sj_generation_release(made);
}

/* With a root that is not the index's: nothing of it is kept, in memory neither. */
static void make_plan_elsewhere(struct sj_index *index, struct sj_build *build)
{
    struct sj_plan *plan = index->plans;
    struct sj_settings settings;
    plan->error = sj_settings_exchange_root(index->settings, plan->root, &settings, plan->line,
                                            sizeof(plan->line));
    if (plan->error != 0)
        return;
    settings.memory_limit = settings.open_files_limit = 0;
    build->settings = &settings;
    build->watch = NULL;
    build->stock = sj_stock_new();
    if (build->stock != NULL) {
        make_plan(index, build);
    } else {
        plan->error = -ENOMEM;
        snprintf(plan->line, sizeof(plan->line), "%s", strerrordesc_np(ENOMEM));
    }
    sj_stock_free(build->stock);
    sj_settings_exchange_end(&settings);
}

void sj_index_run_plan(struct sj_task *task)
{
    struct sj_index *index = (struct sj_index *)task;
    struct sj_build build = {.settings = index->settings,
                             .before = index->before,
                             .stock = index->stock,
                             .watch = index->watch,
                             .is_cancelled = &index->is_cancelled,
                             .extent = SJ_BUILD_ALL};
    if (index->upkeep != NULL)
        sj_upkeep_lend(index->upkeep, &build);
    if (index->plans->root[0] == '\0')
        make_plan(index, &build);
    else
        make_plan_elsewhere(index, &build);
    sj_index_raise(index, &index->is_finished);
}
