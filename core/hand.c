/* SPDX-License-Identifier: MIT */
/* The threads that work; which has which place is core/hand_place.c's.  See core/blocking.h and the
 * notes in core/sched_private.h. */
#include "core/sched_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "core/priority.h"

#define REST_S 10 /* then a hand that nobody needed ends */

void sj_hands_init(struct sj_hands *hands)
{
    pthread_mutex_init(&hands->lock, NULL);
    pthread_cond_init(&hands->changed, NULL);
    TAILQ_INIT(&hands->all);
    TAILQ_INIT(&hands->resting);
    TAILQ_INIT(&hands->returning);
    TAILQ_INIT(&hands->ended);
}

/* What has ended is joined by the next who starts or stops one. */
static void join_ended(struct sj_hands *hands)
{
    struct sj_hand *hand;

    for (;;) {
        pthread_mutex_lock(&hands->lock);
        hand = TAILQ_FIRST(&hands->ended);
        if (hand != NULL)
            TAILQ_REMOVE(&hands->ended, hand, link);
        pthread_mutex_unlock(&hands->lock);
        if (hand == NULL)
            return;
        pthread_join(hand->thread, NULL);
        free(hand);
    }
}

void sj_hands_fini(struct sj_hands *hands)
{
    join_ended(hands);
    pthread_cond_destroy(&hands->changed);
    pthread_mutex_destroy(&hands->lock);
}

/* Under the lock. */
static void end(struct sj_hands *hands, struct sj_hand *hand)
{
    struct sj_sched *sched = hand->sched;

    for (unsigned i = 0; i < sched->config.n_workers; i++)
        if (sched->workers[i]->hand == hand)
            sched->workers[i]->hand = NULL;
    TAILQ_REMOVE(&hands->all, hand, other);
    TAILQ_INSERT_TAIL(&hands->ended, hand, link);
    hands->n_alive--;
    pthread_cond_signal(&hands->changed);
}

static void leave_place(struct sj_hands *hands)
{
    pthread_mutex_lock(&hands->lock);
    hands->n_places--;
    pthread_cond_signal(&hands->changed);
    pthread_mutex_unlock(&hands->lock);
}

/* False: the order to stop has been given before. */
static bool lie_down(struct sj_hands *hands, struct sj_hand *hand)
{
    bool is_over;

    pthread_mutex_lock(&hands->lock);
    is_over = hands->is_stopping;
    if (is_over)
        end(hands, hand);
    else
        TAILQ_INSERT_HEAD(&hands->resting, hand, link);
    pthread_mutex_unlock(&hands->lock);
    return !is_over;
}

/* Until it is woken, or for long enough: -ETIMEDOUT. */
static int sleep_long(struct sj_hand *hand)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += REST_S;
    while (sem_clockwait(&hand->wake, CLOCK_MONOTONIC, &until) != 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

/* Until somebody gives it a place: true.  False: it has ended.  Who wakes it has written under the
 * lock what is read here under the lock: ThreadSanitizer does not know sem_clockwait. */
static bool rest(struct sj_hand *hand)
{
    struct sj_hands *hands = &hand->sched->hands;
    bool is_awaited, has_place;
    int error;

    if (!lie_down(hands, hand))
        return false;
    error = sleep_long(hand);
    pthread_mutex_lock(&hands->lock);
    has_place = hand->place != NULL;
    is_awaited = has_place || hands->is_stopping;
    if (!is_awaited) {
        TAILQ_REMOVE(&hands->resting, hand, link);
        end(hands, hand);
    }
    pthread_mutex_unlock(&hands->lock);
    if (error != 0 && is_awaited)
        sj_hand_wait(hand); /* it has been taken at the last moment */
    return has_place;
}

static void join_all(struct sj_hand *hand)
{
    struct sj_hands *hands = &hand->sched->hands;

    hand->self = pthread_self();
    hand->tid = gettid();
    pthread_mutex_lock(&hands->lock);
    TAILQ_INSERT_TAIL(&hands->all, hand, other);
    if (hands->set != NULL)
        hands->set(hand->self);
    pthread_mutex_unlock(&hands->lock);
}

void sj_hands_set_priority(struct sj_sched *sched, int (*set)(pthread_t thread))
{
    struct sj_hands *hands = &sched->hands;
    struct sj_hand *hand;

    pthread_mutex_lock(&hands->lock);
    hands->set = set;
    TAILQ_FOREACH (hand, &hands->all, other)
        set(hand->self);
    pthread_mutex_unlock(&hands->lock);
}

/* A spare is made by a hand, and has its priority by that. */
static int enter(struct sj_hand *hand)
{
    char name[16] = "sj-spare";
    int error = sj_thread_enter();

    if (error != 0)
        return error;
    sj_self()->hand = hand;
    join_all(hand);
    if (!hand->is_spare)
        snprintf(name, sizeof(name), "sj-worker-%u", hand->place->index);
    pthread_setname_np(pthread_self(), name);
    if (hand->is_spare)
        return 0;
    error = sj_priority_lower(hand->sched->config.worker_nice);
    if (error != 0)
        hand->sched->nice_error = error; /* workers start one after the other */
    return 0;
}

/* In its place, until it has none. */
static enum sj_work_end work(struct sj_hand *hand)
{
    struct sj_worker *worker = hand->place;
    enum sj_work_end end_of_work;

    sj_hand_settle(worker);
    do
        end_of_work = sj_worker_work(worker);
    while (end_of_work == SJ_WORK_WANTED && !sj_hand_give_back(worker));
    if (end_of_work != SJ_WORK_MOVED) {
        sj_self()->worker = NULL;
        hand->place = NULL;
    }
    return end_of_work;
}

/* The task has ended within its blocking section. */
static void forget_place(void)
{
    struct sj_thread *self = sj_self();
    struct sj_worker *worker = self->left;
    struct sj_hands *hands = &worker->sched->hands;

    self->n_blocking = 0;
    self->left = NULL;
    pthread_mutex_lock(&hands->lock);
    sj_hand_set_away(self->hand, false);
    worker->n_away--;
    pthread_mutex_unlock(&hands->lock);
    if (sj_worker_shall_leave(worker))
        sem_post(&worker->wake);
}

/* What the starter and the new hand tell each other: the starter's, as the hand may have ended and
 * been freed before the starter looks. */
struct beginning {
    struct sj_hand *hand;
    int error;
    sem_t is_known;
};

static void *run(void *argument)
{
    struct beginning *beginning = argument;
    struct sj_hand *hand = beginning->hand;
    enum sj_work_end end_of_work;
    int error = enter(hand);

    beginning->error = error;
    sem_post(&beginning->is_known);
    if (error != 0)
        return NULL;
    do {
        end_of_work = work(hand);
        if (end_of_work == SJ_WORK_LEFT)
            leave_place(&hand->sched->hands);
        else if (end_of_work == SJ_WORK_AWAY)
            forget_place();
    } while (end_of_work == SJ_WORK_MOVED || rest(hand));
    sj_thread_leave();
    return NULL;
}

/* It is counted already.  0: it has the place, and is its own; or -errno. */
static int start(struct sj_sched *sched, struct sj_worker *worker, struct sj_hand *hand)
{
    struct beginning beginning = {.hand = hand};
    int error;

    hand->sched = sched;
    hand->place = worker;
    sem_init(&hand->wake, 0, 0);
    sem_init(&beginning.is_known, 0, 0);
    error = -pthread_create(&hand->thread, NULL, run, &beginning);
    if (error != 0)
        return error;
    while (sem_wait(&beginning.is_known) != 0)
        ; /* EINTR: a signal handler of the controlling thread's */
    if (beginning.error != 0)
        pthread_join(hand->thread, NULL);
    return beginning.error;
}

static void count(struct sj_hands *hands, int by)
{
    pthread_mutex_lock(&hands->lock);
    hands->n_alive += (unsigned)by;
    pthread_mutex_unlock(&hands->lock);
}

int sj_hands_start(struct sj_sched *sched, struct sj_worker *worker)
{
    struct sj_hand *hand = calloc(1, sizeof(*hand));
    int error;

    if (hand == NULL)
        return -ENOMEM;
    count(&sched->hands, 1);
    error = start(sched, worker, hand);
    if (error != 0) {
        count(&sched->hands, -1);
        free(hand);
        return error;
    }
    sched->hands.n_places++; /* no hand leaves one before stop */
    return 0;
}

void sj_hands_stop(struct sj_sched *sched)
{
    struct sj_hands *hands = &sched->hands;
    struct sj_hand *hand;

    pthread_mutex_lock(&hands->lock);
    while (hands->n_places > 0)
        pthread_cond_wait(&hands->changed, &hands->lock);
    hands->is_stopping = true;
    while ((hand = TAILQ_FIRST(&hands->resting)) != NULL) {
        TAILQ_REMOVE(&hands->resting, hand, link);
        end(hands, hand);
        sem_post(&hand->wake);
    }
    while (hands->n_alive > 0)
        pthread_cond_wait(&hands->changed, &hands->lock);
    pthread_mutex_unlock(&hands->lock);
    join_ended(hands);
}

int sj_hand_start_spare(struct sj_worker *worker)
{
    struct sj_hands *hands = &worker->sched->hands;
    struct sj_hand *hand = calloc(1, sizeof(*hand));
    int error = -ENOMEM;

    join_ended(hands);
    if (hand != NULL) {
        hand->is_spare = true;
        error = start(worker->sched, worker, hand);
    }
    if (error == 0)
        return 0;
    free(hand);
    pthread_mutex_lock(&hands->lock);
    hands->n_alive--;
    sj_hand_set_away(sj_self()->hand, false);
    worker->n_away--;
    sj_count(&worker->counters.blocked, (uint64_t)-1);
    pthread_mutex_unlock(&hands->lock);
    return error;
}
