/* SPDX-License-Identifier: MIT */
#include "core/group.h"

#include <assert.h>
#include "core/blocking.h"
#include "core/sched_private.h"

/*
 * The counting note.  What is pending is `own` plus `others`, modulo 2^32.  Most subtasks begin and
 * end in the joiner's place, so whoever has that place counts them in `own`, without a locked
 * instruction; a place changes hands under a lock or by a semaphore, which orders the two.  All
 * others count in `others`, which can be negative.  The sum that the joiner reads is exact, for
 * nobody else changes `own`, and 0 is final: what could add to it is itself counted.
 *
 * Who finishes elsewhere cannot see `own`.  So before the joiner sleeps, or lets another hand have
 * its place, it adds `own` to `others`: from then on the last one takes `others` to 0, and wakes
 * it.  While a hand waits in `joining` (n_joining) all that finish count in `others`, also in that
 * place, because sj_hands_joined reads the sum on any thread.  A 0 at another time means nothing
 * and costs a look.
 */

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

/* Who has the joiner's place counts plainly: see the note on top. */
static bool counts_plainly(const struct sj_group *group, const struct sj_worker *worker)
{
    return group->joiner == worker && ck_pr_load_uint(&worker->n_joining) == 0;
}

static void enter(struct sj_group *group, const struct sj_worker *worker)
{
    if (counts_plainly(group, worker))
        group->own++;
    else
        ck_pr_inc_32(&group->others);
}

/* The joiner may return, and the group on its stack vanish, as soon as it sees 0: so the joiner is
 * read before, and workers outlive every group. */
static void leave(struct sj_group *group, struct sj_worker *worker)
{
    struct sj_worker *joiner = group->joiner;

    if (counts_plainly(group, worker)) {
        group->own--;
        return;
    }
    /* A full fence: all that the subtask wrote, for the load of sj_group_is_done; and Dekker with
     * the announcement of wait_for and with sj_hand_make_way. */
    if (ck_pr_faa_32(&group->others, UINT32_MAX) != 1)
        return;
    if (joiner != worker)
        sj_worker_wake_joiner(joiner);
    if (ck_pr_load_uint(&joiner->n_joining) != 0)
        sj_hands_joined(joiner);
}

static void run_subtask(struct sj_worker *worker, struct sj_task *task)
{
    struct sj_thread *self = sj_self();
    struct sj_group *group = task->group;
    bool was_bound = self->is_bound;

    sj_count(&worker->counters.tasks, 1);
    task->run(task);
    if (self->n_blocking > 0)
        sj_blocking_come_back(); /* whoever joins goes on in this place */
    self->is_bound = was_bound;
    leave(group, self->worker);
}

void sj_group_do(struct sj_worker *worker, struct sj_task *task)
{
    run_subtask(worker, task);
}

static void wake_another(struct sj_sched *sched)
{
    if (!sj_worker_wake_one(sched, &sched->idle_workers))
        sj_worker_wake_one(sched, &sched->idle_joiners);
}

void sj_spawn(struct sj_group *group, struct sj_task *task)
{
    struct sj_worker *worker = own_worker();
    struct sj_sched *sched = worker->sched;

    task->group = group;
    enter(group, worker); /* before anybody can finish it */
    /* Dekker: the push and its fence before the looks; pairs with sj_idle_announce. */
    if (!sj_deque_push_fenced(worker->subtasks, task)) {
        sj_count(&worker->counters.inlined, 1);
        run_subtask(worker, task);
    } else if (!sj_idle_is_empty(&sched->idle_workers) || !sj_idle_is_empty(&sched->idle_joiners)) {
        wake_another(sched);
    }
}

bool sj_group_is_done(const struct sj_group *group)
{
    bool is_zero = group->own + ck_pr_load_32(&group->others) == 0; /* pairs with leave */

    ck_pr_fence_acquire();
    return is_zero;
}

/* From now on whoever takes `others` to 0 is the last. */
static void fold(struct sj_group *group)
{
    ck_pr_add_32(&group->others, group->own);
    group->own = 0;
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

        if (task != NULL) {
            run_subtask(worker, task);
            continue;
        }
        fold(group);
        if (!sj_hand_make_way(worker, group))
            wait_for(group, worker);
    }
}
