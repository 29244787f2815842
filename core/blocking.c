/* SPDX-License-Identifier: MIT */
#include "core/blocking.h"

#include <assert.h>
#include <stddef.h>
#include "core/sched_private.h"

/* Whoever comes later has the place when the semaphore is posted: nothing of it is touched here
 * from then on. */
void sj_blocking_enter(void)
{
    struct sj_thread *self = sj_self();
    struct sj_worker *worker = self != NULL ? self->worker : NULL;
    struct sj_hand *hand;
    bool may_start;

    if (self == NULL)
        return;
    self->n_blocked++;
    if (self->n_blocking++ > 0 || worker == NULL || self->hand == NULL)
        return;
    hand = sj_hand_take(worker, &may_start);
    if (hand == NULL && !may_start)
        return;
    sj_count(&worker->counters.blocked, 1);
    self->left = worker;
    self->worker = NULL;
    self->hand->place = NULL;
    if (hand != NULL) {
        sem_post(&hand->wake);
    } else if (sj_hand_start_spare(worker) != 0) {
        self->left = NULL;
        self->worker = worker;
        self->hand->place = worker;
    }
}

/* The calling hand, which has no place, waits for that one. */
static void wait_for_place(struct sj_worker *worker)
{
    struct sj_hand *hand = sj_self()->hand;

    sj_hand_wait(hand);
    assert(hand->place == worker);
    sj_hand_settle(worker);
}

static void queue_up(struct sj_worker *worker)
{
    TAILQ_INSERT_TAIL(&worker->returning, sj_self()->hand, link);
    ck_pr_store_uint(&worker->n_returning, worker->n_returning + 1);
}

static void wake_place(struct sj_worker *worker)
{
    struct sj_sched *sched = worker->sched;

    ck_pr_fence_memory(); /* Dekker: n_returning or n_away before the claims and the load */
    if (sj_idle_claim(&sched->idle_workers, worker->index) ||
        sj_idle_claim(&sched->idle_joiners, worker->index) || sj_worker_shall_leave(worker))
        sem_post(&worker->wake);
}

static void come_back(struct sj_thread *self)
{
    struct sj_worker *worker = self->left;
    struct sj_hands *hands;

    self->n_blocking = 0;
    self->left = NULL;
    if (worker == NULL)
        return;
    hands = &worker->sched->hands;
    pthread_mutex_lock(&hands->lock);
    queue_up(worker);
    pthread_mutex_unlock(&hands->lock);
    wake_place(worker);
    wait_for_place(worker);
}

void sj_blocking_leave(void)
{
    struct sj_thread *self = sj_self();

    if (self == NULL)
        return;
    assert(self->n_blocking > 0);
    if (self->n_blocking > 1)
        self->n_blocking--;
    else
        come_back(self);
}

void sj_blocking_come_back(void)
{
    struct sj_thread *self = sj_self();

    if (self != NULL)
        come_back(self);
}

unsigned sj_blocking_count(void)
{
    struct sj_thread *self = sj_self();

    return self != NULL ? self->n_blocked : 0;
}

bool sj_hand_make_way(struct sj_worker *worker)
{
    struct sj_hands *hands = &worker->sched->hands;

    if (ck_pr_load_uint(&worker->n_returning) == 0)
        return false;
    sj_self()->worker = NULL;
    sj_self()->hand->place = NULL;
    pthread_mutex_lock(&hands->lock);
    worker->n_away++;
    queue_up(worker);
    pthread_mutex_unlock(&hands->lock);
    sj_hand_give_back(worker);
    wait_for_place(worker);
    return true;
}
