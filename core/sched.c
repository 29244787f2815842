/* SPDX-License-Identifier: MIT */
#include "core/sched.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include "core/clock.h"
#include "core/lines.h"
#include "core/sched_private.h"

static_assert(SJ_LOOPS_MAX <= SJ_IDLE_MAX && SJ_WORKERS_MAX <= SJ_IDLE_MAX, "see core/idle.h");

static bool is_valid(const struct sj_sched_config *config)
{
    return config->n_loops >= 1 && config->n_loops <= SJ_LOOPS_MAX && config->n_workers >= 1 &&
           config->n_workers <= SJ_WORKERS_MAX && config->quick_length >= 1 &&
           config->heavy_length >= 1 && config->n_spares <= SJ_SPARES_MAX &&
           config->worker_nice >= 0 && config->worker_nice <= 19;
}

static int fill(struct sj_sched *sched)
{
    unsigned n_loops = sched->config.n_loops;
    int error = 0;

    sched->heavy[n_loops] = sj_deque_new(sched->config.heavy_length);
    if (sched->heavy[n_loops] == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < n_loops && error == 0; i++) {
        error = sj_loop_new(sched, i, &sched->loops[i]);
        if (error == 0)
            sched->heavy[i] = sched->loops[i]->heavy;
    }
    for (unsigned i = 0; i < sched->config.n_workers && error == 0; i++) {
        error = sj_worker_new(sched, i, &sched->workers[i]);
        if (error == 0)
            sched->subtasks[i] = sched->workers[i]->subtasks;
    }
    return error;
}

int sj_sched_new(const struct sj_sched_config *config, struct sj_sched **result)
{
    struct sj_sched *sched;
    int error;

    if (!is_valid(config))
        return -EINVAL;
    sched = sj_lines_new(sizeof(*sched));
    if (sched == NULL)
        return -ENOMEM;
    sched->config = *config;
    sem_init(&sched->answers, 0, 0);
    sj_guard_init(&sched->guard);
    sj_hands_init(&sched->hands);
    error = fill(sched);
    if (error != 0) {
        sj_sched_free(sched);
        return error;
    }
    *result = sched;
    return 0;
}

static void wait_for_answer(struct sj_sched *sched)
{
    while (sem_wait(&sched->answers) != 0)
        ; /* EINTR: a signal handler of the controlling thread's */
}

/* `*error` is the new thread's, valid after its answer. */
static int start_thread(struct sj_sched *sched, pthread_t *thread, void *(*run)(void *),
                        void *argument, const int *error)
{
    int failed = pthread_create(thread, NULL, run, argument);

    if (failed != 0)
        return -failed;
    wait_for_answer(sched);
    if (*error != 0)
        pthread_join(*thread, NULL);
    return *error;
}

static int start_threads(struct sj_sched *sched)
{
    for (unsigned i = 0; i < sched->config.n_workers; i++) {
        int error = sj_hands_start(sched, sched->workers[i]);

        if (error != 0)
            return error;
    }
    for (unsigned i = 0; i < sched->config.n_loops; i++) {
        struct sj_loop *loop = sched->loops[i];
        int error = start_thread(sched, &loop->thread, sj_loop_run, loop, &loop->error);

        if (error != 0)
            return error;
        sched->n_loops_running++;
    }
    return 0;
}

int sj_sched_start(struct sj_sched *sched)
{
    sigset_t all, before;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the new threads inherit it */
    error = start_threads(sched);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0)
        sj_sched_stop(sched);
    return error;
}

/* The steps of stopping stand in core/sched_private.h. */
static void order_loops(struct sj_sched *sched, unsigned round)
{
    ck_pr_store_uint(&sched->round, round); /* pairs with answer in loop.c */
    ck_pr_fence_memory();                   /* before the wake-ups */
    for (unsigned i = 0; i < sched->n_loops_running; i++)
        sj_loop_wake(sched->loops[i]);
}

/* True: some loop had something to do since its last answer. */
static bool ask_loops(struct sj_sched *sched, unsigned round)
{
    bool is_busy = false;

    order_loops(sched, round);
    for (unsigned i = 0; i < sched->n_loops_running; i++)
        wait_for_answer(sched);
    for (unsigned i = 0; i < sched->n_loops_running; i++)
        is_busy = is_busy || sched->loops[i]->is_busy;
    return is_busy;
}

static void stop_workers(struct sj_sched *sched)
{
    ck_pr_store_uint(&sched->workers_leave, 1); /* pairs with sj_worker_shall_leave */
    ck_pr_fence_memory();                       /* before the wake-ups */
    for (unsigned i = 0; i < sched->config.n_workers; i++)
        sem_post(&sched->workers[i]->wake);
    sj_hands_stop(sched);
}

void sj_sched_stop(struct sj_sched *sched)
{
    unsigned round = 1;

    sj_guard_stop(sched);
    ask_loops(sched, round);
    stop_workers(sched);
    while (ask_loops(sched, ++round))
        ;
    order_loops(sched, SJ_ROUND_LEAVE);
    for (unsigned i = 0; i < sched->n_loops_running; i++)
        pthread_join(sched->loops[i]->thread, NULL);
    sched->n_loops_running = 0;
}

void sj_sched_flush(struct sj_sched *sched)
{
    for (unsigned i = 0; i < sched->config.n_loops; i++)
        while (sj_mailbox_drain(&sched->loops[i]->mailbox) > 0)
            ;
}

void sj_sched_free(struct sj_sched *sched)
{
    assert(sched->n_loops_running == 0 && sched->hands.n_alive == 0);
    for (unsigned i = 0; i < sched->config.n_loops; i++)
        sj_loop_free(sched->loops[i]);
    for (unsigned i = 0; i < sched->config.n_workers; i++)
        sj_worker_free(sched->workers[i]);
    sj_deque_free(sched->heavy[sched->config.n_loops]);
    sj_guard_fini(&sched->guard);
    sj_hands_fini(&sched->hands);
    sem_destroy(&sched->answers);
    free(sched);
}

int sj_sched_submit(struct sj_sched *sched, struct sj_task *task)
{
    struct sj_loop *loop = sj_loop_self();
    struct sj_deque *heavy = sched->heavy[loop != NULL ? loop->index : sched->config.n_loops];

    assert(loop == NULL || loop->sched == sched);
    task->queued_ns = loop != NULL ? sj_loop_now_ns(loop) : sj_clock_ns();
    task->group = NULL;
    /* Dekker: the push before the claim; pairs with sj_idle_announce, may_rest. */
    if ((loop != NULL && loop->round != 0) || !sj_deque_push_fenced(heavy, task)) {
        SJ_COUNT_OWN(rejected);
        return -EAGAIN;
    }
    sj_worker_wake_one(sched, &sched->idle_workers);
    sj_guard_call(sched);
    return 0;
}

bool sj_sched_has_heavy(const struct sj_sched *sched)
{
    for (unsigned i = 0; i <= sched->config.n_loops; i++)
        if (sj_deque_length(sched->heavy[i]) > 0)
            return true;
    return false;
}

unsigned sj_sched_in_work(struct sj_sched *sched)
{
    unsigned n = 0;

    pthread_mutex_lock(&sched->hands.lock);
    for (unsigned i = 0; i < sched->config.n_workers; i++)
        n += sched->workers[i]->n_away + !sj_idle_is_announced(&sched->idle_workers, i);
    pthread_mutex_unlock(&sched->hands.lock);
    return n;
}

unsigned sj_sched_loops(const struct sj_sched *sched)
{
    return sched->config.n_loops;
}

unsigned sj_sched_workers(const struct sj_sched *sched)
{
    return sched->config.n_workers;
}

struct sj_loop *sj_sched_loop(const struct sj_sched *sched, unsigned index)
{
    assert(index < sched->config.n_loops);
    return sched->loops[index];
}

const struct sj_counters *sj_sched_counters(const struct sj_sched *sched, unsigned index)
{
    assert(index < sched->config.n_loops + sched->config.n_workers);
    if (index < sched->config.n_loops)
        return &sched->loops[index]->counters;
    return &sched->workers[index - sched->config.n_loops]->counters;
}

int sj_sched_nice_error(const struct sj_sched *sched)
{
    return sched->nice_error;
}
