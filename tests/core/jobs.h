/* SPDX-License-Identifier: MIT */
#ifndef SJ_TESTS_CORE_JOBS_H
#define SJ_TESTS_CORE_JOBS_H
/* A scheduler of its own for each test, and tasks that block when they are told.  For cmocka tests.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include "core/blocking.h"
#include "core/sched_private.h" /* to see who rests */
#include "core/thread.h"

/* Tasks and what they tell each other; they run in the order of their submission. */
struct job {
    struct sj_task task; /* first */
    sem_t begun, go, ended;
    struct sj_worker *before, *after;
    bool is_done;
    struct job *other;
};

static struct sj_sched *sched;

static inline void start(unsigned n_workers, unsigned n_spares)
{
    struct sj_sched_config config = {.n_loops = 1,
                                     .n_workers = n_workers,
                                     .quick_length = 2,
                                     .heavy_length = 64,
                                     .n_spares = n_spares};

    assert_int_equal(sj_sched_new(&config, &sched), 0);
    assert_int_equal(sj_sched_start(sched), 0);
}

static inline void stop(void)
{
    sj_sched_stop(sched);
    sj_sched_free(sched);
}

static inline void init(struct job *job, void (*run)(struct sj_task *task))
{
    *job = (struct job){.task.run = run};
    sem_init(&job->begun, 0, 0);
    sem_init(&job->go, 0, 0);
    sem_init(&job->ended, 0, 0);
}

static inline struct job *submit(struct job *job, void (*run)(struct sj_task *task),
                                 struct job *other)
{
    init(job, run);
    job->other = other;
    assert_int_equal(sj_sched_submit(sched, &job->task), 0);
    return job;
}

static inline void run_blocking(struct sj_task *task)
{
    struct job *job = (struct job *)task;

    job->before = sj_self()->worker;
    sj_blocking_enter();
    sem_post(&job->begun);
    sem_wait(&job->go);
    sj_blocking_leave();
    job->after = sj_self()->worker;
    job->is_done = true;
    sem_post(&job->ended);
}

/* Ends within the section. */
static inline void run_away(struct sj_task *task)
{
    struct job *job = (struct job *)task;

    sj_blocking_enter();
    sem_post(&job->begun);
    sem_wait(&job->go);
    job->is_done = true;
}

static inline bool has_resting(void)
{
    bool has;

    pthread_mutex_lock(&sched->hands.lock);
    has = !TAILQ_EMPTY(&sched->hands.resting);
    pthread_mutex_unlock(&sched->hands.lock);
    return has;
}

#endif
