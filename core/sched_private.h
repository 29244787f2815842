/* SPDX-License-Identifier: MIT */
#ifndef SJ_CORE_SCHED_PRIVATE_H
#define SJ_CORE_SCHED_PRIVATE_H
/*
 * What sched.c, loop.c, worker.c, hand.c, blocking.c, group.c and guard.c share; nobody else
 * includes it.
 *
 * Who sleeps where, and who wakes it (core/idle.h):
 *
 *   idle_loops     a loop in epoll           its eventfd     post; a backlog worth it
 *   idle_workers   a worker without work     its semaphore   submit, spawn
 *   idle_joiners   a worker in sj_join       its semaphore   spawn; the last to finish
 *
 * A worker that waits in a join is not in idle_workers: it may not take a heavy task, so a submit
 * that woke it would have woken nobody.
 *
 * A worker is a place with its deque, counters and semaphore; what runs is a hand, the thread that
 * has the place.  A hand whose task blocks leaves its place to another one, and when it is to go on
 * waits in a list of those that return: in the hands', for any place, or, if its task has begun a
 * group, which knows the place, in that place's.  Who has a place gives it to them between two
 * tasks, or in a join that has nothing to do.  That one then waits in `joining`, and returns when
 * its group is done: two that join have no reason to hand a place to each other.
 *
 * The way to stop, in rounds that every loop answers at the end of a turn:
 *
 *   round 1        from its answer on a loop accepts no task and steals none
 *   workers leave  all heavy tasks have run, all their results are posted
 *   round 2, 3 ..  until no loop has run or delivered anything since its last answer, and none has
 *                  anything queued: no loop can then give another one work
 *   SJ_ROUND_LEAVE every loop leaves
 */
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <sys/queue.h>
#include "core/deque.h"
#include "core/guard.h"
#include "core/idle.h"
#include "core/loop.h"
#include "core/pr.h"
#include "core/sched.h"
#include "core/thread.h"
#include "core/yield.h"

#define SJ_ROUND_LEAVE UINT_MAX

struct sj_loop {
    struct sj_sched *sched;
    unsigned index;
    int wake_fd; /* eventfd; written only by who has claimed the loop, and to stop */
    struct event_base *base;
    struct event *wake_event;
    struct sj_deque *quick;
    struct sj_deque *heavy; /* submitted by this loop */
    void *context;
    bool (*before)(void *context); /* the hooks, both or none */
    void (*after)(void *context);
    unsigned every; /* tasks before `after` */
    pthread_t thread;
    int error; /* of the thread's start; read after its answer */

    /* The loop's thread only. */
    _Alignas(SJ_CACHE_LINE) uint64_t now_ns;
    uint64_t mean_run_ns;   /* of quick tasks, moving: the last eight count most */
    uint64_t mean_after_ns; /* the same: each task's share of `after` */
    uint64_t n_done;        /* tasks and messages, at the last answer */
    unsigned round;         /* answered last */
    bool is_polling;        /* in event_base_loop, and no callback has asked for the time yet */
    bool is_announced;      /* in idle_loops */
    bool was_woken;
    bool is_dry;  /* the last turn ended with nothing to run, here or elsewhere */
    bool is_busy; /* the answer; read by the controlling thread after it */
    struct sj_yield yield;
    struct sj_counters counters;

    _Alignas(SJ_CACHE_LINE) struct sj_mailbox mailbox;
};

TAILQ_HEAD(sj_hand_list, sj_hand);

struct sj_worker {
    struct sj_sched *sched;
    unsigned index;
    struct sj_deque *subtasks;
    sem_t wake;
    unsigned next_victim;          /* whose heavy tasks come first next time */
    struct sj_hand_list returning; /* under the hands' lock: who wants this very place */
    struct sj_hand_list joining;   /* the same: who left it and waits for its group */
    unsigned n_away;               /* the same: hands that left the place, in a task yet */
    unsigned n_handed;             /* the same: times the place has changed hands */
    struct sj_hand *hand;          /* the same: who has it, or had it last; NULL: nobody yet */
    unsigned n_returning;          /* ck_pr: of `returning`, to be looked at without the lock */
    unsigned n_joining;            /* the same of `joining` */
    _Alignas(SJ_CACHE_LINE) struct sj_counters counters;
};

struct sj_hand {
    struct sj_sched *sched;
    TAILQ_ENTRY(sj_hand) link;    /* resting, returning, joining or ended */
    TAILQ_ENTRY(sj_hand) other;   /* all */
    struct sj_worker *place;      /* that it has been given; NULL: none */
    struct sj_worker *left;       /* of one that returns or joins: where it counts as away */
    const struct sj_group *group; /* of one that joins */
    sem_t wake;
    pthread_t thread; /* for who joins it */
    pthread_t self;   /* its own, with `tid`: of one that is in `all` */
    pid_t tid;
    unsigned n_small; /* its own: stolen subtasks in a row that were over at once */
    bool is_spare;
    bool is_away;    /* under the lock: left a place, and is in its blocking section yet */
    unsigned n_left; /* the same: times it has left one */
    struct sj_guard_look look; /* the guard's last one at it when it was away */
};

struct sj_hands {
    pthread_mutex_t lock;
    pthread_cond_t changed;       /* n_places, n_alive */
    struct sj_hand_list all;      /* that have not ended; the guard turns it round */
    int (*set)(pthread_t thread); /* their priority, as the guard wants it; NULL: as it is */
    struct sj_hand_list resting;
    struct sj_hand_list returning; /* to any place */
    struct sj_hand_list ended;     /* to be joined */
    unsigned n_returning;          /* ck_pr: of `returning`, to be looked at without the lock */
    unsigned n_away;               /* the same: hands that are away */
    unsigned n_places;             /* that somebody has */
    unsigned n_alive;              /* hands that have not ended */
    bool is_stopping;
};

/* See core/guard.h.  The controlling thread's, but for `is_called` and, once that is 0, `fd`. */
struct sj_guard {
    struct event *call;   /* on `fd`; NULL: not started, or stopped */
    struct event *timer;  /* of the looks */
    int fd;               /* eventfd, or -1 */
    bool is_yielding;     /* the workers are; else they are entitled */
    uint64_t entitled_ns; /* since when; 0: never */
    uint64_t entitled_for_ns;
    struct sj_guard_look looks[SJ_WORKERS_MAX]; /* the last ones */
    _Alignas(SJ_CACHE_LINE) unsigned is_called; /* 0: the submitter of a heavy task calls */
};

struct sj_sched {
    struct sj_sched_config config;
    struct sj_loop *loops[SJ_LOOPS_MAX];
    struct sj_worker *workers[SJ_WORKERS_MAX];
    struct sj_deque *heavy[SJ_LOOPS_MAX + 1]; /* the loops' own, then the controlling thread's */
    struct sj_deque *subtasks[SJ_WORKERS_MAX];
    struct sj_hands hands;
    unsigned n_loops_running;
    int nice_error;
    struct sj_guard guard;
    sem_t answers; /* a thread has started, or a loop has answered a round */

    _Alignas(SJ_CACHE_LINE) unsigned round; /* of stop; 0: not stopping */
    unsigned workers_leave;                 /* 1: as soon as nothing is left */
    _Alignas(SJ_CACHE_LINE) struct sj_idle idle_loops;
    _Alignas(SJ_CACHE_LINE) struct sj_idle idle_workers;
    _Alignas(SJ_CACHE_LINE) struct sj_idle idle_joiners;
};

/* new: 0 and the object, or -errno.  free: NULL is allowed.  run: the thread. */
int sj_loop_new(struct sj_sched *sched, unsigned index, struct sj_loop **loop);
void sj_loop_free(struct sj_loop *loop);
void *sj_loop_run(void *loop);
int sj_worker_new(struct sj_sched *sched, unsigned index, struct sj_worker **worker);
void sj_worker_free(struct sj_worker *worker);

/* On the thread that has the place: works until the order to leave (SJ_WORK_LEFT), until a hand
 * that returns wants the place (WANTED), or until a task has ended without having come back from a
 * blocking section (AWAY: the place is somebody else's) or has come back to another place (MOVED).
 */
enum sj_work_end { SJ_WORK_LEFT, SJ_WORK_WANTED, SJ_WORK_AWAY, SJ_WORK_MOVED };
enum sj_work_end sj_worker_work(struct sj_worker *worker);

/* start: a new hand takes the place; 0, or -errno and it runs nowhere.  stop: after the order to
 * leave, until all have ended. */
void sj_hands_init(struct sj_hands *hands);
void sj_hands_fini(struct sj_hands *hands);
int sj_hands_start(struct sj_sched *sched, struct sj_worker *worker);
void sj_hands_stop(struct sj_sched *sched);

/* take: one that returns or rests has the place from now on, as soon as it is woken; NULL: there is
 * none, and `*may_start` says whether there may be another one, which is counted then. start_spare:
 * makes that one; 0: it has the place; or -errno. */
struct sj_hand *sj_hand_take(struct sj_worker *worker, bool *may_start);
int sj_hand_start_spare(struct sj_worker *worker);

/* Under the lock.  A hand goes into a blocking section whose place another one has, or is out of
 * it. */
void sj_hand_set_away(struct sj_hand *hand, bool is_away);

/* The calling hand has been given that place, and takes it. */
void sj_hand_settle(struct sj_worker *worker);

/* Any thread: `set` of all hands, and of those that come, before they work. */
void sj_hands_set_priority(struct sj_sched *sched, int (*set)(pthread_t thread));

/* Any thread; a moment's answer: does a hand wait to return to that place, or to any? */
static inline bool sj_worker_is_wanted(const struct sj_worker *worker)
{
    return ck_pr_load_uint(&worker->n_returning) != 0 ||
           ck_pr_load_uint(&worker->sched->hands.n_returning) != 0;
}

/* give_back: on the thread that has the place, which is then the first one's that returns; false:
 * nobody does any more.  come_back: on one that has left that place; it has one again on return.
 * wait: until it is given one. */
bool sj_hand_give_back(struct sj_worker *worker);
void sj_hand_come_back(struct sj_worker *left);
void sj_hand_wait(struct sj_hand *hand);

/* In a join, on the thread that has the place: lets one that returns have it, and comes back to it
 * when the group is done.  False: none returns. */
bool sj_hand_make_way(struct sj_worker *worker, const struct sj_group *group);

/* Any thread: a group that knows the place is done, perhaps one that a hand in `joining` waits for.
 */
void sj_hands_joined(struct sj_worker *worker);

/* Any thread.  Has the order to leave been given? */
bool sj_worker_shall_leave(const struct sj_worker *worker);

/* Any thread.  Whether or not the loop sleeps, one more turn will come. */
void sj_loop_wake(struct sj_loop *loop);

/* Any thread, after a push and a full fence: wakes one parked worker.  False: none is. */
bool sj_worker_wake_one(struct sj_sched *sched, struct sj_idle *idle);

/* Any thread, after what it waits for.  Wakes it when it waits in a join. */
void sj_worker_wake_joiner(struct sj_worker *worker);

/* On the worker's thread. */
struct sj_task *sj_worker_find_subtask(struct sj_worker *worker);
bool sj_worker_has_subtask(const struct sj_worker *worker);

/* Sleeps until somebody wakes it; it may have been for nothing. */
void sj_worker_sleep(struct sj_worker *worker);

/* Any thread, as long as the group is there.  All that its subtasks wrote is visible then. */
bool sj_group_is_done(const struct sj_group *group);

/* On the worker's thread: runs a subtask. */
void sj_group_do(struct sj_worker *worker, struct sj_task *task);

/* Any thread; a moment's answer: heavy tasks wait that nobody has taken. */
bool sj_sched_has_heavy(const struct sj_sched *sched);

/* call: whoever has submitted a heavy task, after the push and a full fence.  stop: when nobody
 * will look any more; allowed if it was not started.  fini: when all threads have ended. */
void sj_guard_init(struct sj_guard *guard);
void sj_guard_call(struct sj_sched *sched);
void sj_guard_stop(struct sj_sched *sched);
void sj_guard_fini(struct sj_guard *guard);

/* Adds to a counter of the calling thread, if it has counters. */
#define SJ_COUNT_OWN(name)                               \
    do {                                                 \
        struct sj_thread *self_ = sj_self();             \
        if (self_ != NULL && self_->loop != NULL)        \
            sj_count(&self_->loop->counters.name, 1);    \
        else if (self_ != NULL && self_->worker != NULL) \
            sj_count(&self_->worker->counters.name, 1);  \
    } while (0)

#endif
