/* SPDX-License-Identifier: MIT */
#include "core/group.h"

#include <assert.h>
#include "core/clock.h"
#include "core/sched_private.h"

static struct sj_worker *own_worker(void)
{
    struct sj_thread *self = sj_self();

    assert(self != NULL && self->worker != NULL);
    return self->worker;
}

void sj_group_init(struct sj_group *group)
{
    *group = (struct sj_group){.joiner = own_worker()};
    sj_self()->is_bound = true;
}

void sj_spawn(struct sj_group *group, struct sj_task *task)
{
    struct sj_worker *worker = own_worker();
    struct sj_sched *sched = worker->sched;

    task->group = group;
    task->queued_ns = sj_clock_ns();
    ck_pr_inc_64(&group->pending); /* before anybody can finish it */
    if (!sj_deque_push(worker->subtasks, task)) {
        sj_count(&worker->counters.inlined, 1);
        sj_worker_do(worker, task);
        return;
    }
    ck_pr_fence_memory(); /* Dekker: the push before the claim; pairs with sj_idle_announce */
    if (!sj_worker_wake_one(sched, &sched->idle_workers))
        sj_worker_wake_one(sched, &sched->idle_joiners);
}

/* The joiner may return, and the group on its stack vanish, as soon as it sees 0: so the joiner is
 * read before, and workers outlive every group. */
void sj_group_leave(struct sj_group *group, struct sj_worker *worker)
{
    struct sj_worker *joiner = group->joiner;

    /* A full fence: all that the subtask wrote, for the load of sj_group_is_done; and Dekker with
     * the announcement of wait_for and with sj_hand_make_way. */
    if (ck_pr_faa_64(&group->pending, UINT64_MAX) != 1)
        return;
    if (joiner != worker)
        sj_worker_wake_joiner(joiner);
    if (ck_pr_load_uint(&joiner->n_joining) != 0)
        sj_hands_joined(joiner);
}

bool sj_group_is_done(const struct sj_group *group)
{
    bool is_zero = ck_pr_load_64(&group->pending) == 0; /* pairs with sj_group_leave */

    ck_pr_fence_acquire();
    return is_zero;
}

static void wait_for(struct sj_group *group, struct sj_worker *worker)
{
    struct sj_idle *idle = &worker->sched->idle_joiners;

    sj_idle_announce(idle, worker->index);
    if (!sj_group_is_done(group) && !sj_worker_has_subtask(worker) &&
        !sj_worker_is_wanted(worker)) /* the re-check */
        sj_worker_sleep(worker);
    sj_idle_retract(idle, worker->index);
}

void sj_join(struct sj_group *group)
{
    struct sj_worker *worker = own_worker();

    assert(group->joiner == worker);
    while (!sj_group_is_done(group)) {
        struct sj_task *task = sj_worker_find_subtask(worker);

        if (task != NULL)
            sj_worker_do(worker, task);
        else if (!sj_hand_make_way(worker, group))
            wait_for(group, worker);
    }
}
