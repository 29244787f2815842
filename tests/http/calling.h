/* SPDX-License-Identifier: MIT */
#ifndef SJ_TESTS_HTTP_CALLING_H
#define SJ_TESTS_HTTP_CALLING_H
/* A plug (tests/http/plug.h) with a module "m" whose handlers are the test's.  For cmocka tests. */
#include "core/blocking.h"
#include "core/sched_private.h" /* to be the worker */
#include "core/thread.h"
#include "http/calls.h"
#include "tests/http/plug.h"

struct calling {
    struct sj_module module;
    struct sj_loaded loaded;
    struct sj_modules modules;
};

/* `options` are those of --route. */
static inline void calling_init(struct calling *calling, struct plug *plug,
                                const struct sj_handler *handlers,
                                const struct sj_option_list *options)
{
    struct sj_route_setup setup = {
        .modules = &calling->modules, .options = options, .n_loops = PLUG_LOOPS};
    char error[256];

    calling->module = (struct sj_module){.abi = SJ_ABI, .name = "m", .handlers = handlers};
    calling->loaded = (struct sj_loaded){.module = &calling->module};
    calling->modules = (struct sj_modules){&calling->loaded, 1};
    plug_init(plug);
    plug->service.sched = plug->sched;
    setup.body_most = plug->config.body_limit;
    setup.n_spares = (unsigned)plug->config.spares;
    setup.log = plug->service.log;
    assert_int_equal(sj_routes_make(&plug->service.routes, &setup, error, sizeof(error)), 0);
    plug_start(plug);
}

/* All heavy tasks that wait, on the worker. */
static inline unsigned calling_work(struct plug *plug)
{
    struct sj_thread *self = sj_self();
    struct sj_task *task;
    unsigned n = 0;

    self->loop = NULL;
    self->worker = plug->sched->workers[0];
    for (unsigned i = 0; i <= PLUG_LOOPS; i++) {
        while (sj_deque_steal(plug->sched->heavy[i], &task) == SJ_STEAL_OK) {
            task->run(task);
            sj_blocking_come_back();
            n++;
        }
    }
    self->worker = NULL;
    return n;
}

/* Drops what is under way, and checks that nobody has a place or waits for one any more. */
static inline void calling_fini(struct plug *plug)
{
    plug_drop(plug);
    plug_settle(plug);
    calling_work(plug);
    plug_settle(plug);
    for (size_t i = 0; i < plug->service.routes.n_items; i++) {
        assert_int_equal(plug->service.routes.items[i].n_queued, 0);
        assert_int_equal(plug->service.routes.items[i].n_running, 0);
        assert_int_equal(sj_route_running(&plug->service.routes.items[i]), 0);
    }
    plug_fini(plug);
    sj_routes_free(&plug->service.routes);
}

/* Time passes, and the routes' time limits are looked at. */
static inline void calling_pass(struct plug *plug, uint64_t ms)
{
    plug_expire(plug, ms);
    for (size_t i = 0; i < plug->service.routes.n_items; i++)
        for (unsigned loop = 0; loop < PLUG_LOOPS; loop++)
            event_active(&plug->service.routes.items[i].cells[loop].deadlines.timer, EV_TIMEOUT, 0);
    plug_settle(plug);
}

#endif
