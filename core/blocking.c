/* SPDX-License-Identifier: MIT */
#include "core/blocking.h"

#include <assert.h>
#include <stddef.h>
#include "core/sched_private.h"

/* Written once only: others read the line. */
static void tell(unsigned *blocks)
{
    if (blocks != NULL && ck_pr_load_uint(blocks) == 0)
        ck_pr_store_uint(blocks, 1);
}

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
    tell(self->blocks);
    if (self->n_blocking++ > 0 || worker == NULL || self->hand == NULL)
        return;
    hand = sj_hand_take(worker, &may_start);
    if (hand == NULL && !may_start)
        return;
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

static void come_back(struct sj_thread *self)
{
    struct sj_worker *left = self->left;

    self->n_blocking = 0;
    self->left = NULL;
    if (left != NULL)
        sj_hand_come_back(left);
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

void sj_blocking_watch(unsigned *blocks)
{
    struct sj_thread *self = sj_self();

    if (self != NULL)
        self->blocks = blocks;
}

unsigned sj_blocking_count(void)
{
    struct sj_thread *self = sj_self();

    return self != NULL ? self->n_blocked : 0;
}
