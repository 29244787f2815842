/* SPDX-License-Identifier: MIT */
#include "tests/http/plug.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include "core/lines.h"
#include "core/sched_private.h" /* only here: to be the loops' thread */
#include "core/thread.h"
#include "http/batch.h"
#include "http/calls.h"

#define SETTLE_MAX 100000 /* turns; whoever needs more spins */

static _Thread_local uint64_t now_ns = 1000000000;

uint64_t __wrap_sj_clock_ns(void);
uint64_t __wrap_sj_clock_ns(void)
{
    return now_ns;
}

static struct sj_loop *be(struct plug *plug, unsigned loop)
{
    struct sj_loop *self = sj_sched_loop(plug->sched, loop);

    sj_self()->loop = self;
    self->now_ns = now_ns;
    return self;
}

void plug_init(struct plug *plug)
{
    struct sj_sched_config sched = {
        .n_loops = PLUG_LOOPS, .n_workers = 1, .quick_length = 64, .heavy_length = 8};
    char *arguments[] = {(char[]){"plug"}, NULL};
    const char *const paths[SJ_LOG_SINKS] = {"/dev/null", NULL};
    const char *failed;
    char error[256];
    int first;

    signal(SIGPIPE, SIG_IGN); /* as http/process.c does */
    memset(plug, 0, sizeof(*plug));
    if (sj_thread_enter() != 0 || sj_sched_new(&sched, &plug->sched) != 0 ||
        sj_log_new(paths, SJ_LOG_DEBUG, &plug->service.log, &failed) != 0 ||
        sj_options_parse(sj_config_table, 1, arguments, &plug->config, &first, error,
                         sizeof(error)) != 0)
        abort();
    site_init(&plug->site);
    plug->service.config = &plug->config;
    plug->service.limits = (struct sj_request_limits){8192, 100, 32768};
    plug->service.site = (struct sj_static){plug->site.index, true};
    plug->service.max_connections = 1000;
    plug->service.max_body_files = 10;
    plug->service.shards = plug->shards;
    plug->service.n_shards = PLUG_LOOPS;
    plug->service.drained = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

void plug_start(struct plug *plug)
{
    sj_exchange_depot_init(&plug->service.depot, PLUG_LOOPS);
    for (unsigned i = 0; i < PLUG_LOOPS; i++) {
        struct sj_shard *shard = sj_lines_new(sizeof(*shard));

        if (shard == NULL)
            abort();
        shard->service = &plug->service;
        shard->loop = sj_sched_loop(plug->sched, i);
        sj_exchange_pool_init(&shard->exchanges, plug->service.limits.fields, &plug->service.depot);
        sj_composer_init(&shard->composer);
        sj_connections_init(shard);
        if (sj_calls_init(shard) != 0)
            abort();
        sj_loop_set_context(shard->loop, shard);
        plug->shards[i] = shard;
    }
}

void plug_batch(struct plug *plug, bool has_ring)
{
    for (unsigned i = 0; i < PLUG_LOOPS; i++) {
        struct sj_transfers *transfers = NULL;

        if (has_ring)
            (void)sj_transfers_new(SJ_BATCH, &transfers);
        if (sj_batch_new(plug->shards[i], transfers) != 0)
            abort();
    }
}

/* Callbacks and messages have run. */
static struct sj_loop *before_tasks(struct plug *plug, unsigned loop)
{
    struct sj_loop *self = be(plug, loop);

    if (self->before != NULL)
        (void)self->before(self->context);
    return self;
}

/* A turn ends: whatever follows is of the next one. */
static struct sj_loop *end_turn(struct plug *plug, unsigned loop)
{
    struct sj_loop *self = before_tasks(plug, loop);

    if (self->after != NULL)
        self->after(self->context);
    return self;
}

void plug_fini(struct plug *plug)
{
    plug_drop(plug);
    plug_settle(plug);
    assert(plug_open_connections(plug) == 0);
    for (unsigned i = 0; i < PLUG_LOOPS; i++) {
        struct sj_shard *shard = plug->shards[i];

        assert(shard->n_assigned == 0);
        for (unsigned phase = 0; phase < SJ_PHASES; phase++)
            assert(TAILQ_EMPTY(&shard->deadlines.queues[phase]));
        sj_deadlines_fini(&shard->deadlines);
        sj_calls_fini(shard);
        sj_batch_free(shard);
        sj_exchange_pool_fini(&shard->exchanges);
        free(shard);
    }
    sj_exchange_depot_fini(&plug->service.depot);
    sj_self()->loop = NULL;
    sj_sched_free(plug->sched);
    sj_addresses_free(plug->service.addresses);
    sj_options_fini(sj_config_table, &plug->config);
    sj_log_free(plug->service.log);
    close(plug->service.drained);
    site_fini(&plug->site);
    sj_thread_leave();
}

void plug_open(struct plug *plug, unsigned loop, int socket)
{
    struct sockaddr peer = {.sa_family = AF_UNIX};

    be(plug, loop);
    ck_pr_inc_64(&plug->service.n_open);
    ck_pr_inc_64(&plug->shards[loop]->n_assigned);
    sj_connection_open(plug->shards[loop], socket, &peer);
}

int plug_connect(struct plug *plug, unsigned loop)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
        abort();
    plug_open(plug, loop, ends[1]);
    return ends[0];
}

void plug_poll(struct plug *plug, unsigned loop)
{
    event_base_loop(end_turn(plug, loop)->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

bool plug_deliver(struct plug *plug, unsigned loop)
{
    return sj_mailbox_drain(&be(plug, loop)->mailbox) > 0;
}

bool plug_steal_one(struct plug *plug, unsigned thief, unsigned victim)
{
    struct sj_task *task;

    before_tasks(plug, thief);
    if (sj_deque_steal(sj_sched_loop(plug->sched, victim)->quick, &task) != SJ_STEAL_OK)
        return false;
    task->run(task);
    return true;
}

bool plug_run_one(struct plug *plug, unsigned loop)
{
    return plug_steal_one(plug, loop, loop);
}

/* One turn; true: something was done that the loop itself can tell. */
static bool turn(struct plug *plug, unsigned loop)
{
    bool is_busy;

    plug_poll(plug, loop);
    is_busy = plug_deliver(plug, loop);
    while (plug_run_one(plug, loop))
        is_busy = true;
    end_turn(plug, loop);
    return is_busy;
}

void plug_settle(struct plug *plug)
{
    unsigned n_quiet = 0;

    /* Something can follow from a callback alone: a connection that goes on in the next poll. */
    for (unsigned i = 0; n_quiet < 4 * PLUG_LOOPS; i++) {
        assert(i < SETTLE_MAX);
        n_quiet = turn(plug, i % PLUG_LOOPS) ? 0 : n_quiet + 1;
    }
}

void plug_expire(struct plug *plug, uint64_t ms)
{
    now_ns += ms * 1000000;
    for (unsigned i = 0; i < PLUG_LOOPS; i++) {
        be(plug, i);
        event_active(&plug->shards[i]->deadlines.timer, EV_TIMEOUT, 0);
        plug_poll(plug, i);
    }
}

void plug_pass(struct plug *plug, uint64_t ms)
{
    plug_expire(plug, ms);
    plug_settle(plug);
}

void plug_resume(struct plug *plug, unsigned loop)
{
    be(plug, loop);
    sj_connections_resume(plug->shards[loop]);
}

static void command(struct plug *plug, enum sj_service_state state, void (*act)(struct sj_shard *))
{
    ck_pr_store_uint(&plug->service.state, state);
    for (unsigned i = 0; i < PLUG_LOOPS; i++) {
        be(plug, i);
        act(plug->shards[i]);
    }
}

void plug_drain(struct plug *plug)
{
    command(plug, SJ_SERVICE_DRAINING, sj_connections_drain);
}

void plug_drop(struct plug *plug)
{
    command(plug, SJ_SERVICE_DROPPING, sj_connections_drop);
}

uint64_t plug_open_connections(const struct plug *plug)
{
    return ck_pr_load_64(&plug->service.n_open);
}
