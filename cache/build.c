/* SPDX-License-Identifier: MIT */
#include "cache/build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "cache/build_private.h"
#include "cache/delta.h"

static int explain(struct sj_work *work, int error, const char *what)
{
    snprintf(work->text, work->text_size, "%s: %s", what, strerrordesc_np(-error));
    return error;
}

/* The root's directory of the last build, if it is still the same; else that of the generation. */
static void keep_root(struct sj_work *work, size_t i)
{
    const struct sj_generation *before = work->build->before;
    if (work->has_trees)
        sj_root_keep(&work->made->roots[i], work->stock->scans[i].root);
    if (i < before->n_roots)
        sj_root_keep(&work->made->roots[i], before->roots[i]);
}

static int open_roots(struct sj_work *work)
{
    const struct sj_settings *settings = work->build->settings;
    int error = 0;
    for (size_t i = 0; work->build->watch != NULL && i < settings->n_roots; i++)
        sj_watch_add_root(work->build->watch, settings->roots[i].path);
    for (size_t i = 0; i < settings->n_roots; i++) {
        error = sj_root_new(&settings->roots[i], &work->made->roots[i]);
        if (error != 0)
            return explain(work, error, settings->roots[i].path);
        keep_root(work, i);
    }
    return 0;
}

static int read_rules(struct sj_work *work)
{
    char why[256] = "";
    const char *path = work->build->settings->headers;
    struct sj_rules *before = work->has_trees ? work->stock->rules : work->build->before->rules;
    if (path == NULL)
        return 0;
    int error = sj_rules_read(path, before, &work->made->rules, why, sizeof(why));
    if (error != 0)
        snprintf(work->text, work->text_size, "--headers %s: %s", path, why);
    return error;
}

/* The same roots and rules as the last build. */
static void take_roots(struct sj_work *work)
{
    for (size_t i = 0; i < work->stock->n_scans; i++) {
        work->made->roots[i] = work->stock->scans[i].root;
        sj_root_acquire(work->made->roots[i]);
    }
    work->made->rules = work->stock->rules;
    if (work->made->rules != NULL)
        sj_rules_acquire(work->made->rules);
}

/* May what has changed be all that is scanned? */
static bool is_delta(const struct sj_work *work)
{
    const struct sj_stock *stock = work->stock;
    bool is_same = work->has_trees && stock->rules == work->made->rules;
    for (size_t i = 0; is_same && i < stock->n_scans; i++)
        is_same = stock->scans[i].root == work->made->roots[i] && stock->scans[i].is_limited == 0;
    return is_same && work->build->extent == SJ_BUILD_CHANGES && work->build->watch != NULL &&
           !work->changes.is_all;
}

/* Empty trees for the new roots. */
static int plant(struct sj_work *work)
{
    struct sj_stock *stock = work->stock;
    size_t n_roots = work->made->n_roots;
    sj_stock_bury_trees(stock);
    stock->scans = calloc(n_roots + 1, sizeof(*stock->scans));
    if (stock->scans == NULL)
        return -ENOMEM;
    for (; stock->n_scans < n_roots; stock->n_scans++) {
        stock->scans[stock->n_scans] =
            (struct sj_scan){.root = work->made->roots[stock->n_scans],
                             .watch = work->build->watch,
                             .group = &work->group,
                             .is_cancelled = work->build->is_cancelled,
                             .linked_files_limit = work->build->settings->linked_files_limit,
                             .serves_dotfiles = work->build->settings->serves_dotfiles};
        sj_root_acquire(work->made->roots[stock->n_scans]);
    }
    stock->rules = work->made->rules;
    if (stock->rules != NULL)
        sj_rules_acquire(stock->rules);
    return 0;
}

static int scan_all(struct sj_work *work)
{
    struct sj_stock *stock = work->stock;
    int error = plant(work);
    sj_group_init(&work->group);
    for (size_t i = 0; error == 0 && i < stock->n_scans; i++)
        error = sj_scan_start(&stock->scans[i]);
    sj_join(&work->group);
    return error;
}

static int scan_changes(struct sj_work *work)
{
    struct sj_stock *stock = work->stock;
    for (size_t i = 0; i < stock->n_scans; i++) {
        stock->scans[i].group = &work->group;
        stock->scans[i].error = 0;
    }
    int error = sj_delta_scan(stock, &work->changes);
    for (size_t i = 0; error == 0 && i < stock->n_scans; i++) {
        struct sj_scan_directory *at = stock->scans[i].top;
        for (; at != NULL; at = sj_scan_next(at, stock->scans[i].top))
            if (at->watch >= 0)
                sj_watch_keep(work->build->watch, at->watch);
    }
    return error;
}

static int scan(struct sj_work *work)
{
    struct sj_stock *stock = work->stock;
    work->is_partial = is_delta(work);
    int error = work->is_partial ? scan_changes(work) : -EAGAIN;
    if (error == -EAGAIN) {
        work->is_partial = false;
        error = scan_all(work);
    }
    for (size_t i = 0; i < stock->n_scans; i++)
        if (stock->scans[i].error != 0)
            return explain(work, stock->scans[i].error, stock->scans[i].root->path);
    return error;
}

static int finish(struct sj_work *work)
{
    const char *fallback = work->build->settings->fallback;
    work->made->not_found = sj_generation_find_page(work->made, "/404.html");
    if (fallback != NULL) {
        work->made->fallback = sj_generation_find_page(work->made, fallback);
        if (work->made->fallback == NULL) {
            snprintf(work->text, work->text_size, "--spa %s: no such file in the index", fallback);
            return -ENOENT;
        }
    }
    sj_generation_sum_up(work->made, work->build->before);
    return 0;
}

/* Not of the coarse clock that time(2) has: a file written just now would be in the future. */
static time_t now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec;
}

/* From the trees to the generation. */
static int make(struct sj_work *work)
{
    work->maker = (struct sj_maker){work->build, work->made->rules, now_s()};
    int error = sj_gather(&work->gathered, work->stock, work->build->settings);
    if (error == 0)
        error = sj_work_read(work);
    if (error == 0)
        error = sj_work_make(work);
    if (error == 0 && work->build->has_new_variants)
        error = sj_work_make_kept(work);
    if (error == 0)
        error = sj_work_await(work);
    if (error == 0)
        error = sj_work_settle(work);
    if (error == 0)
        error = sj_work_collect(work);
    return error == 0 ? finish(work) : error;
}

/* Partial from the start: nothing is scanned. */
static int run(struct sj_work *work)
{
    int error = sj_work_goes_on(work) ? 0 : work->error;
    if (error == 0 && work->is_partial) {
        take_roots(work);
        return make(work);
    }
    if (error == 0)
        error = open_roots(work);
    if (error == 0)
        error = read_rules(work);
    if (error == 0)
        error = scan(work);
    return error == 0 ? make(work) : error;
}

static void end(struct sj_work *work, int error)
{
    struct sj_stock *stock = work->stock;
    if (error == 0) {
        if (work->is_partial)
            sj_stock_sweep(stock);
        else
            sj_stock_sweep_all(stock);
        work->made->summary.n_held_bytes = stock->n_held_bytes;
        stock->serial = work->made->serial;
        stock->is_complete = true;
    } else if (error == -ECANCELED) {
        snprintf(work->text, work->text_size, "stopping");
    } else if (work->text[0] == '\0') {
        explain(work, error, "index");
    }
    sj_gathered_fini(&work->gathered);
    sj_watch_changes_fini(&work->changes);
    free(work->kept);
}

int sj_build_run(const struct sj_build *build, struct sj_generation **made, char *error,
                 size_t error_size)
{
    struct sj_work work = {.build = build,
                           .stock = build->stock,
                           .has_trees = build->stock->is_complete,
                           .text = error,
                           .text_size = error_size};
    bool is_kept = build->extent == SJ_BUILD_KEPT && work.has_trees;
    struct sj_watch *watch = is_kept ? NULL : build->watch;
    error[0] = '\0';
    build->stock->is_complete = false; /* until it has succeeded: what has changed is taken now */
    work.is_partial = is_kept;
    work.made = sj_generation_new(build->settings->n_roots, 0, build->stock->seed);
    if (watch != NULL)
        sj_watch_begin(watch, &work.changes);
    int code = -ENOMEM;
    if (work.made != NULL) {
        work.made->serial = build->stock->serial + 1;
        code = run(&work);
    }
    if (watch != NULL)
        sj_watch_end(watch, code == 0 ? SJ_WATCH_COMPLETE : SJ_WATCH_PARTIAL);
    end(&work, code);
    if (code == 0)
        *made = work.made;
    else
        sj_generation_release(work.made);
    return code;
}
