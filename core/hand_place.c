/* SPDX-License-Identifier: MIT */
/* Which hand has which place.  See core/blocking.h and the notes in core/sched_private.h. */
#include "core/sched_private.h"

void sj_hand_wait(struct sj_hand *hand)
{
    while (sem_wait(&hand->wake) != 0)
        ; /* EINTR: a debugger, as all signals are blocked */
}

void sj_hand_settle(struct sj_worker *worker)
{
    struct sj_hands *hands = &worker->sched->hands;

    pthread_mutex_lock(&hands->lock);
    worker->hand = sj_self()->hand;
    worker->n_handed++;
    pthread_mutex_unlock(&hands->lock);
    sj_self()->worker = worker;
}

/* All under the lock. */
static void add(struct sj_hand_list *list, unsigned *n, struct sj_hand *hand)
{
    TAILQ_INSERT_TAIL(list, hand, link);
    ck_pr_store_uint(n, *n + 1);
}

static void remove_from(struct sj_hand_list *list, unsigned *n, struct sj_hand *hand)
{
    TAILQ_REMOVE(list, hand, link);
    ck_pr_store_uint(n, *n - 1);
}

void sj_hand_set_away(struct sj_hand *hand, bool is_away)
{
    struct sj_hands *hands = &hand->sched->hands;

    ck_pr_store_uint(&hands->n_away, hands->n_away - hand->is_away + is_away);
    hand->is_away = is_away;
}

/* The first who wants that place, or any, has it as soon as it is woken; NULL: nobody does. */
static struct sj_hand *take_returning(struct sj_worker *worker)
{
    struct sj_hands *hands = &worker->sched->hands;
    struct sj_hand *hand = TAILQ_FIRST(&worker->returning);

    if (hand != NULL)
        remove_from(&worker->returning, &worker->n_returning, hand);
    else if ((hand = TAILQ_FIRST(&hands->returning)) != NULL)
        remove_from(&hands->returning, &hands->n_returning, hand);
    if (hand == NULL)
        return NULL;
    hand->left->n_away--;
    if (hand->left != worker && sj_worker_shall_leave(worker))
        sem_post(&hand->left->wake); /* see may_leave in worker.c */
    hand->place = worker;
    return hand;
}

bool sj_hand_give_back(struct sj_worker *worker)
{
    struct sj_hands *hands = &worker->sched->hands;
    struct sj_hand *first;

    pthread_mutex_lock(&hands->lock);
    first = take_returning(worker);
    pthread_mutex_unlock(&hands->lock);
    if (first != NULL)
        sem_post(&first->wake);
    return first != NULL;
}

/* True: who has that place will look again. */
static bool wake_place(struct sj_worker *worker)
{
    struct sj_sched *sched = worker->sched;
    bool is_asleep;

    ck_pr_fence_memory(); /* Dekker: n_returning or n_away before the claims and the load */
    is_asleep = sj_idle_claim(&sched->idle_workers, worker->index) ||
                sj_idle_claim(&sched->idle_joiners, worker->index) || sj_worker_shall_leave(worker);
    if (is_asleep)
        sem_post(&worker->wake);
    return is_asleep;
}

/* Waits for a place, and takes it. */
static void wait_for_place(struct sj_hand *hand)
{
    sj_hand_wait(hand);
    sj_hand_settle(hand->place);
}

void sj_hand_come_back(struct sj_worker *left)
{
    struct sj_hand *hand = sj_self()->hand;
    struct sj_sched *sched = left->sched;
    struct sj_hands *hands = &sched->hands;
    bool is_bound = sj_self()->is_bound;

    pthread_mutex_lock(&hands->lock);
    hand->left = left;
    sj_hand_set_away(hand, false);
    if (is_bound)
        add(&left->returning, &left->n_returning, hand);
    else
        add(&hands->returning, &hands->n_returning, hand);
    pthread_mutex_unlock(&hands->lock);
    if (!wake_place(left) && !is_bound && !sj_worker_wake_one(sched, &sched->idle_workers))
        sj_worker_wake_one(sched, &sched->idle_joiners);
    wait_for_place(hand);
}

void sj_hands_joined(struct sj_worker *worker)
{
    struct sj_hands *hands = &worker->sched->hands;
    struct sj_hand *hand, *next;

    pthread_mutex_lock(&hands->lock);
    for (hand = TAILQ_FIRST(&worker->joining); hand != NULL; hand = next) {
        next = TAILQ_NEXT(hand, link);
        if (!sj_group_is_done(hand->group))
            continue;
        remove_from(&worker->joining, &worker->n_joining, hand);
        add(&worker->returning, &worker->n_returning, hand);
    }
    pthread_mutex_unlock(&hands->lock);
    wake_place(worker);
}

/* The calling hand's place is somebody's who returns: that one, not woken yet; NULL: nobody does.
 */
static struct sj_hand *leave_to_one(struct sj_worker *worker, const struct sj_group *group)
{
    struct sj_hands *hands = &worker->sched->hands;
    struct sj_hand *hand = sj_self()->hand, *next;

    pthread_mutex_lock(&hands->lock);
    next = take_returning(worker);
    if (next != NULL) {
        sj_self()->worker = NULL;
        hand->place = NULL;
        hand->left = worker;
        hand->group = group;
        worker->n_away++;
        add(&worker->joining, &worker->n_joining, hand);
    }
    pthread_mutex_unlock(&hands->lock);
    return next;
}

bool sj_hand_make_way(struct sj_worker *worker, const struct sj_group *group)
{
    struct sj_hand *next = sj_worker_is_wanted(worker) ? leave_to_one(worker, group) : NULL;

    if (next == NULL)
        return false;
    sem_post(&next->wake);
    ck_pr_fence_memory(); /* Dekker: n_joining before the look; pairs with leave in group.c */
    if (sj_group_is_done(group))
        sj_hands_joined(worker);
    wait_for_place(sj_self()->hand);
    return true;
}

struct sj_hand *sj_hand_take(struct sj_worker *worker, bool *may_start)
{
    struct sj_sched *sched = worker->sched;
    struct sj_hands *hands = &sched->hands;
    struct sj_hand *self = sj_self()->hand, *hand;

    pthread_mutex_lock(&hands->lock);
    hand = take_returning(worker);
    if (hand == NULL && (hand = TAILQ_FIRST(&hands->resting)) != NULL) {
        TAILQ_REMOVE(&hands->resting, hand, link);
        hand->place = worker;
    }
    *may_start = hand == NULL && hands->n_alive < sched->config.n_workers + sched->config.n_spares;
    hands->n_alive += *may_start;
    sj_hand_set_away(self, hand != NULL || *may_start);
    self->n_left += self->is_away;
    worker->n_away += self->is_away;
    sj_count(&worker->counters.blocked, self->is_away);
    pthread_mutex_unlock(&hands->lock);
    return hand;
}
