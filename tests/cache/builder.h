/* SPDX-License-Identifier: MIT */
#ifndef SJ_TESTS_CACHE_BUILDER_H
#define SJ_TESTS_CACHE_BUILDER_H
/* Builds without an index: one at a time, when the test says so, with or without a watch. */
#include "cache/build.h"

#include <event2/event.h>
#include <semaphore.h>
#include "core/epoch.h"
#include "core/sched.h"
#include "tests/cache/site.h"

struct builder {
    struct site *site; /* its tree, configuration, scheduler, log */
    struct sj_settings *settings;
    struct sj_watch *watch;
    struct sj_stock *stock;
    struct sj_generation *current;
    struct sj_task task;
    struct sj_build build;
    uint32_t is_cancelled;
    int error;
    char text[256];
    struct sj_generation *made;
    sem_t ended;
};

static inline void builder_run(struct sj_task *task)
{
    struct builder *builder = (struct builder *)((char *)task - offsetof(struct builder, task));
    builder->error =
        sj_build_run(&builder->build, &builder->made, builder->text, sizeof(builder->text));
    sem_post(&builder->ended);
}

static inline void builder_ignore(void *argument)
{
    (void)argument;
}

/* After the configuration is as the test wants it. */
static inline struct builder *builder_new(struct site *site)
{
    struct builder *made = calloc(1, sizeof(*made));
    struct sj_watch_config watch = {.base = site->base,
                                    .log = site->log,
                                    .serves_dotfiles = site->config.serves_dotfiles,
                                    .changed = builder_ignore};
    char error[256];
    assert_non_null(made);
    made->site = site;
    if (sj_settings_new(&site->config, &made->settings, error, sizeof(error)) != 0)
        fail_msg("%s", error);
    assert_int_equal(sj_watch_new(&watch, &made->watch), 0);
    made->stock = sj_stock_new();
    assert_non_null(made->stock);
    made->current = sj_generation_new(made->settings->n_roots, 0, 0);
    assert_non_null(made->current);
    made->task.run = builder_run;
    sem_init(&made->ended, 0, 0);
    return made;
}

static inline void builder_free(struct builder *builder)
{
    sj_generation_release(builder->current);
    sj_stock_free(builder->stock);
    sj_watch_free(builder->watch);
    sj_settings_free(builder->settings);
    sem_destroy(&builder->ended);
    free(builder);
}

static inline void builder_begin(struct builder *builder, struct sj_build build)
{
    builder->build = build;
    builder->made = NULL;
    assert_int_equal(sj_sched_submit(builder->site->sched, &builder->task), 0);
}

/* The error; `builder->made` is the test's. */
static inline int builder_end(struct builder *builder)
{
    sem_wait(&builder->ended);
    return builder->error;
}

/* For the next generation of the kept trees. */
static inline void builder_begin_next(struct builder *builder, enum sj_build_extent extent)
{
    event_base_loop(builder->site->base, EVLOOP_NONBLOCK);
    builder_begin(builder, (struct sj_build){.settings = builder->settings,
                                             .before = builder->current,
                                             .stock = builder->stock,
                                             .watch = builder->watch,
                                             .is_cancelled = &builder->is_cancelled,
                                             .extent = extent});
}

/* It becomes the current one; that stays when the build has failed. */
static inline int builder_end_next(struct builder *builder)
{
    if (builder_end(builder) != 0)
        return builder->error;
    sj_generation_release(builder->current);
    builder->current = builder->made;
    return 0;
}

static inline int builder_go_on(struct builder *builder, enum sj_build_extent extent)
{
    builder_begin_next(builder, extent);
    return builder_end_next(builder);
}

#endif
