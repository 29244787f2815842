/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <time.h>
#include "core/blocking.h"
#include "core/clock.h"
#include "core/lines.h"
#include "core/sched_private.h"

static void do_submitted(struct sj_worker *worker, struct sj_task *task)
{
    struct sj_thread *self = sj_self();
    uint64_t start_ns = sj_clock_ns();

    sj_histogram_record(&worker->counters.queue_delay,
                        start_ns > task->queued_ns ? start_ns - task->queued_ns : 0);
    sj_count(&worker->counters.tasks, 1);
    task->run(task);
    if (self->left == NULL) /* a section with a spare ends with its task */
        sj_blocking_come_back();
    self->is_bound = false;
    if (self->worker != NULL)
        sj_histogram_record(&self->worker->counters.run_time, sj_clock_ns() - start_ns);
}

/*
 * The nap note.  To steal costs thief and victim some hundred nanoseconds, and to wake the thief
 * for it costs the victim microseconds.  Where one subtask after the other was not worth that, the
 * victim is better off alone: the thief sleeps for a moment before it looks again.  Nobody shall
 * wake it, so it is announced nowhere, and looks again by itself.
 */
#define WORTH_NS 500
#define N_SMALL  32
#define NAP_NS   10000 /* and what the kernel adds, some 80000 */

static void do_stolen(struct sj_worker *worker, struct sj_task *task)
{
    struct sj_hand *hand = sj_self()->hand; /* the place can be another one afterwards */
    uint64_t start_ns = sj_clock_ns();

    sj_group_do(worker, task);
    hand->n_small = sj_clock_ns() - start_ns < WORTH_NS ? hand->n_small + 1 : 0;
    if (hand->n_small >= N_SMALL)
        nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
}

/* One task from any of the victims, `first` first.  A lost steal proves that somebody else got
 * on, not that nothing is left: hence one more round. */
static struct sj_task *steal(struct sj_worker *worker, struct sj_deque *const *victims, unsigned n,
                             unsigned first)
{
    bool was_lost;

    do {
        was_lost = false;
        for (unsigned i = 0; i < n; i++) {
            struct sj_task *task;
            enum sj_steal got = sj_deque_steal(victims[(first + i) % n], &task);

            if (got == SJ_STEAL_OK) {
                sj_count(&worker->counters.steals_ok, 1);
                return task;
            }
            if (got == SJ_STEAL_LOST) {
                sj_count(&worker->counters.steals_lost, 1);
                was_lost = true;
            }
        }
    } while (was_lost);
    sj_count(&worker->counters.steals_empty, 1);
    return NULL;
}

struct sj_task *sj_worker_find_subtask(struct sj_worker *worker)
{
    struct sj_sched *sched = worker->sched;
    struct sj_task *task = sj_deque_pop(worker->subtasks);

    if (task == NULL)
        task = steal(worker, sched->subtasks, sched->config.n_workers, worker->index + 1);
    return task;
}

/* Heavy tasks before other workers' subtasks: under load a big job then uses one worker instead
 * of keeping all requests waiting. */
static struct sj_task *find(struct sj_worker *worker)
{
    struct sj_sched *sched = worker->sched;
    struct sj_task *task =
        steal(worker, sched->heavy, sched->config.n_loops + 1, worker->next_victim++);

    return task != NULL ? task : sj_worker_find_subtask(worker);
}

bool sj_worker_has_subtask(const struct sj_worker *worker)
{
    for (unsigned i = 0; i < worker->sched->config.n_workers; i++)
        if (sj_deque_length(worker->sched->subtasks[i]) > 0)
            return true;
    return false;
}

static bool has_task(const struct sj_worker *worker)
{
    return sj_sched_has_heavy(worker->sched) || sj_worker_has_subtask(worker);
}

/* Pairs with stop_workers in sched.c. */
bool sj_worker_shall_leave(const struct sj_worker *worker)
{
    return ck_pr_load_uint(&worker->sched->workers_leave) != 0;
}

void sj_worker_sleep(struct sj_worker *worker)
{
    sj_count(&worker->counters.parks, 1);
    while (sem_wait(&worker->wake) != 0)
        ; /* EINTR: a debugger, as all signals are blocked */
}

/* True: it has been woken.  See core/idle.h. */
static bool park(struct sj_worker *worker)
{
    struct sj_idle *idle = &worker->sched->idle_workers;
    bool has_slept = false;

    sj_idle_announce(idle, worker->index);
    if (!has_task(worker) && !sj_worker_shall_leave(worker) &&
        !sj_worker_is_wanted(worker)) { /* the re-check */
        sj_worker_sleep(worker);
        has_slept = true;
    }
    sj_idle_retract(idle, worker->index);
    return has_slept;
}

bool sj_worker_wake_one(struct sj_sched *sched, struct sj_idle *idle)
{
    int index = sj_idle_claim_any(idle, SJ_IDLE_MAX);

    if (index < 0)
        return false;
    sem_post(&sched->workers[index]->wake);
    SJ_COUNT_OWN(wakeups_sent);
    return true;
}

void sj_worker_wake_joiner(struct sj_worker *worker)
{
    if (sj_idle_claim(&worker->sched->idle_joiners, worker->index)) {
        sem_post(&worker->wake);
        SJ_COUNT_OWN(wakeups_sent);
    }
}

/* The order to leave has been given and there is no task; but what is away may need the place.
 * Whoever returns or ends posts the semaphore. */
static bool may_leave(struct sj_worker *worker)
{
    struct sj_hands *hands = &worker->sched->hands;
    bool is_last;

    pthread_mutex_lock(&hands->lock);
    is_last = worker->n_away == 0;
    pthread_mutex_unlock(&hands->lock);
    if (!is_last)
        sj_worker_sleep(worker);
    return is_last;
}

enum sj_work_end sj_worker_work(struct sj_worker *worker)
{
    bool was_woken = false;

    while (!sj_worker_is_wanted(worker)) {
        /* Asked before the search: no heavy task is submitted after the order to leave. */
        bool leaves = sj_worker_shall_leave(worker);
        struct sj_task *task = find(worker);

        if (task != NULL) {
            if (task->group != NULL)
                do_stolen(worker, task);
            else
                do_submitted(worker, task);
            if (sj_self()->worker != worker)
                return sj_self()->worker == NULL ? SJ_WORK_AWAY : SJ_WORK_MOVED;
            was_woken = false;
        } else if (leaves) {
            if (may_leave(worker))
                return SJ_WORK_LEFT;
        } else {
            if (was_woken)
                sj_count(&worker->counters.wakeups_needless, 1);
            was_woken = park(worker);
        }
    }
    return SJ_WORK_WANTED;
}

int sj_worker_new(struct sj_sched *sched, unsigned index, struct sj_worker **result)
{
    struct sj_worker *worker = sj_lines_new(sizeof(*worker));

    if (worker == NULL)
        return -ENOMEM;
    worker->sched = sched;
    worker->index = index;
    worker->next_victim = index;
    TAILQ_INIT(&worker->returning);
    TAILQ_INIT(&worker->joining);
    sem_init(&worker->wake, 0, 0);
    worker->subtasks = sj_deque_new(sched->config.heavy_length);
    if (worker->subtasks == NULL) {
        sj_worker_free(worker);
        return -ENOMEM;
    }
    *result = worker;
    return 0;
}

void sj_worker_free(struct sj_worker *worker)
{
    if (worker == NULL)
        return;
    sem_destroy(&worker->wake);
    sj_deque_free(worker->subtasks);
    free(worker);
}
