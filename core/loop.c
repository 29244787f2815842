/* SPDX-License-Identifier: MIT */
#include "core/loop.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "core/clock.h"
#include "core/lines.h"
#include "core/sched_private.h"

#define BATCH      64         /* quick tasks in a row */
#define TURN_NS    1000000ull /* then it polls again, whatever is left */
#define WAKE_TRIES 8          /* the kernel has no reason to refuse */

/*
 * The arrival note.  libevent says nothing between the end of epoll_wait and the first callback, so
 * a loop that comes back is still announced as idle, and its clock is that of the last turn. The
 * first call that needs either (sj_loop_now_ns, sj_loop_push), or else the end of event_base_loop,
 * retracts and reads the clock.  Who claims the loop before that writes an eventfd in vain: the
 * next poll returns at once and, if nothing was there, counts a needless wake-up.  None is lost,
 * because the mailbox is drained after the retraction.
 */
static void arrive(struct sj_loop *loop)
{
    if (!loop->is_polling)
        return;
    loop->is_polling = false;
    if (loop->is_announced)
        sj_idle_retract(&loop->sched->idle_loops, loop->index);
    loop->is_announced = false;
    loop->now_ns = sj_clock_ns();
}

static void on_wake(evutil_socket_t fd, short what, void *context)
{
    struct sj_loop *loop = context;
    eventfd_t value;

    (void)what;
    (void)eventfd_read(fd, &value); /* level-triggered: if this fails it will be called again */
    loop->was_woken = true;
}

void sj_loop_wake(struct sj_loop *loop)
{
    /* A refused wake-up would be a lost one, as the loop has been claimed. */
    for (unsigned i = 0; i < WAKE_TRIES; i++)
        if (eventfd_write(loop->wake_fd, 1) == 0)
            return;
}

/* A thief that is awake costs nothing, one that sleeps 7-10 us here and 20-28 us until it starts:
 * so one is woken only for a backlog worth more.  No fence before the claim: the backlog has an
 * owner who is awake and will run it in any case. */
static void wake_for(struct sj_loop *loop, size_t backlog)
{
    struct sj_sched *sched = loop->sched;
    int index;

    if (backlog < 2 ||
        backlog * (loop->mean_run_ns + loop->mean_after_ns) < sched->config.wake_worth_ns)
        return;
    index = sj_idle_claim_any(&sched->idle_loops, loop->index);
    if (index < 0)
        return;
    sj_loop_wake(sched->loops[index]);
    sj_count(&loop->counters.wakeups_sent, 1);
}

static void run_task(struct sj_loop *loop, struct sj_task *task)
{
    uint64_t start_ns = loop->now_ns, run_ns;

    /* Another loop's clock may be a little ahead of this one's last reading. */
    sj_histogram_record(&loop->counters.queue_delay,
                        start_ns > task->queued_ns ? start_ns - task->queued_ns : 0);
    task->run(task);
    loop->now_ns = sj_clock_ns();
    run_ns = loop->now_ns - start_ns;
    loop->mean_run_ns += run_ns / 8 - loop->mean_run_ns / 8;
    sj_histogram_record(&loop->counters.run_time, run_ns);
    sj_count(&loop->counters.tasks, 1);
}

/* What gathers work from the callbacks hands out a portion of it; all of it while another loop
 * sleeps, which may steal it.  False: there was none. */
static bool run_before(struct sj_loop *loop)
{
    if (loop->before == NULL || !loop->before(loop->context))
        return false;
    while (!sj_idle_is_empty(&loop->sched->idle_loops) && loop->before(loop->context))
        ;
    loop->now_ns = sj_clock_ns();
    return true;
}

/* And does what so many tasks have left behind. */
static void run_after(struct sj_loop *loop, unsigned n_tasks)
{
    uint64_t start_ns = loop->now_ns;

    if (loop->after == NULL || n_tasks == 0)
        return;
    loop->after(loop->context);
    loop->now_ns = sj_clock_ns();
    loop->mean_after_ns += (loop->now_ns - start_ns) / n_tasks / 8 - loop->mean_after_ns / 8;
}

static unsigned run_some(struct sj_loop *loop, unsigned most)
{
    struct sj_task *task;
    unsigned n = 0;
    enum sj_steal got;

    while (n < most && (got = sj_deque_steal(loop->quick, &task)) != SJ_STEAL_EMPTY) {
        if (got == SJ_STEAL_OK) {
            run_task(loop, task);
            n++;
        }
    }
    return n;
}

/* Its own tasks, oldest first: requests are served in the order of their coming. */
static unsigned run_batch(struct sj_loop *loop)
{
    unsigned every = loop->after != NULL ? loop->every : BATCH, n = 0;

    wake_for(loop, sj_deque_length(loop->quick));
    do {
        unsigned n_run = run_some(loop, every);

        run_after(loop, n_run); /* which may push */
        n += n_run;
    } while (n < BATCH && sj_deque_length(loop->quick) > 0);
    return n;
}

/* One from each other loop.  The woken wakes the next, while the backlog is worth it. */
static unsigned run_stolen(struct sj_loop *loop)
{
    struct sj_sched *sched = loop->sched;
    unsigned n = 0;

    for (unsigned i = 1; i < sched->config.n_loops; i++) {
        unsigned victim = (loop->index + i) % sched->config.n_loops;
        struct sj_deque *deque = sched->loops[victim]->quick;
        struct sj_task *task;

        switch (sj_deque_steal(deque, &task)) {
        case SJ_STEAL_OK:
            sj_count(&loop->counters.steals_ok, 1);
            wake_for(loop, sj_deque_length(deque));
            run_task(loop, task);
            n++;
            break;
        case SJ_STEAL_LOST:
            sj_count(&loop->counters.steals_lost, 1);
            break;
        case SJ_STEAL_EMPTY:
            break;
        }
    }
    if (n == 0)
        sj_count(&loop->counters.steals_empty, 1);
    return n;
}

static bool is_stopping(const struct sj_loop *loop)
{
    return loop->round != 0;
}

static bool has_work(const struct sj_loop *loop)
{
    if (!sj_mailbox_is_empty(&loop->mailbox))
        return true;
    for (unsigned i = 0; i < loop->sched->config.n_loops && !is_stopping(loop); i++)
        if (sj_deque_length(loop->sched->loops[i]->quick) > 0)
            return true;
    return false;
}

/* True: the loop may sleep; whoever gives it work from now on will wake it (core/idle.h). */
static bool may_park(struct sj_loop *loop)
{
    if (!loop->is_dry)
        return false;
    sj_idle_announce(&loop->sched->idle_loops, loop->index);
    if (has_work(loop)) { /* the re-check */
        sj_idle_retract(&loop->sched->idle_loops, loop->index);
        return false;
    }
    loop->is_announced = true;
    loop->yield.n_tasks = 0;
    sj_count(&loop->counters.parks, 1);
    return true;
}

/* No task of theirs is in work, not even in a blocking section, where it may compute. */
static bool workers_rest(struct sj_sched *sched)
{
    return sj_idle_is_full(&sched->idle_workers, sched->config.n_workers) &&
           ck_pr_load_uint(&sched->hands.n_away) == 0;
}

/* Before it sleeps, see core/yield.h.  Not beside a worker: that stands back for whatever wakes the
 * loop, but does not give a time slice back. */
static void yield(struct sj_loop *loop)
{
    uint64_t start_ns;

    if (!loop->is_dry || !sj_yield_may(&loop->yield, loop->now_ns) || !workers_rest(loop->sched) ||
        has_work(loop))
        return;
    start_ns = sj_clock_ns();
    sched_yield();
    loop->now_ns = sj_clock_ns();
    sj_yield_took(&loop->yield, loop->now_ns, loop->now_ns - start_ns);
    sj_count(&loop->counters.yields, 1);
}

static void poll_events(struct sj_loop *loop)
{
    int flags;

    yield(loop);
    flags = may_park(loop) ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK;
    sj_count(&loop->counters.polls, 1);
    loop->is_polling = true;
    event_base_loop(loop->base, flags);
    arrive(loop);
}

/* Answers a round of stop, see core/sched_private.h. */
static void answer(struct sj_loop *loop)
{
    unsigned round = ck_pr_load_uint(&loop->sched->round); /* pairs with ask_loops in sched.c */
    uint64_t n_done = loop->counters.tasks + loop->counters.messages;

    if (round == loop->round)
        return;
    loop->is_busy = n_done != loop->n_done || sj_deque_length(loop->quick) > 0 ||
                    !sj_mailbox_is_empty(&loop->mailbox);
    loop->n_done = n_done;
    loop->round = round;
    sem_post(&loop->sched->answers);
}

static void turn(struct sj_loop *loop)
{
    unsigned n_run = 0;
    size_t n_delivered = 0;
    uint64_t start_ns;
    bool had_some;

    poll_events(loop);
    start_ns = loop->now_ns;
    do { /* in small portions, which stay in the core's cache; and messages between them */
        n_delivered += sj_mailbox_drain(&loop->mailbox);
        had_some = run_before(loop);
        n_run += run_batch(loop);
    } while (had_some && loop->now_ns - start_ns < TURN_NS);
    sj_count(&loop->counters.messages, n_delivered);
    loop->is_dry = !had_some && sj_deque_length(loop->quick) == 0;
    if (loop->is_dry && !is_stopping(loop) && loop->sched->config.n_loops > 1) {
        unsigned n_stolen = run_stolen(loop);

        run_after(loop, n_stolen);
        loop->is_dry = n_stolen == 0;
        n_run += n_stolen;
    }
    loop->yield.n_tasks += n_run;
    if (loop->was_woken && n_run == 0 && n_delivered == 0)
        sj_count(&loop->counters.wakeups_needless, 1);
    loop->was_woken = false;
    answer(loop);
}

static int enter(struct sj_loop *loop)
{
    char name[16];
    int error = sj_thread_enter();

    if (error != 0)
        return error;
    sj_self()->loop = loop;
    snprintf(name, sizeof(name), "sj-loop-%u", loop->index);
    pthread_setname_np(pthread_self(), name);
    loop->now_ns = sj_clock_ns();
    return 0;
}

void *sj_loop_run(void *argument)
{
    struct sj_loop *loop = argument;
    int error = enter(loop);

    loop->error = error;
    sem_post(&loop->sched->answers);
    if (error != 0)
        return NULL;
    while (loop->round != SJ_ROUND_LEAVE)
        turn(loop);
    sj_thread_leave();
    return NULL;
}

static int open_base(struct sj_loop *loop)
{
    struct event_config *config = event_config_new();

    if (config == NULL)
        return -ENOMEM;
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    errno = 0;
    loop->base = event_base_new_with_config(config);
    event_config_free(config);
    if (loop->base == NULL)
        return errno != 0 ? -errno : -ENOMEM;
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->wake_fd < 0)
        return -errno;
    loop->wake_event = event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
    if (loop->wake_event == NULL || event_add(loop->wake_event, NULL) != 0)
        return -ENOMEM;
    return 0;
}

int sj_loop_new(struct sj_sched *sched, unsigned index, struct sj_loop **result)
{
    struct sj_loop *loop = sj_lines_new(sizeof(*loop));
    int error;

    if (loop == NULL)
        return -ENOMEM;
    loop->sched = sched;
    loop->index = index;
    loop->wake_fd = -1;
    sj_mailbox_init(&loop->mailbox);
    loop->quick = sj_deque_new(sched->config.quick_length);
    loop->heavy = sj_deque_new(sched->config.heavy_length);
    error = loop->quick == NULL || loop->heavy == NULL ? -ENOMEM : open_base(loop);
    if (error != 0) {
        sj_loop_free(loop);
        return error;
    }
    *result = loop;
    return 0;
}

void sj_loop_free(struct sj_loop *loop)
{
    if (loop == NULL)
        return;
    if (loop->wake_event != NULL)
        event_free(loop->wake_event);
    if (loop->base != NULL)
        event_base_free(loop->base);
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    sj_deque_free(loop->quick);
    sj_deque_free(loop->heavy);
    free(loop);
}

bool sj_loop_push(struct sj_loop *loop, struct sj_task *task)
{
    assert(sj_loop_self() == loop);
    arrive(loop);
    task->queued_ns = loop->now_ns;
    task->group = NULL;
    if (!is_stopping(loop) && sj_deque_push(loop->quick, task))
        return true;
    sj_count(&loop->counters.rejected, 1);
    return false;
}

void sj_loop_post(struct sj_loop *loop, struct sj_message *message)
{
    sj_mailbox_post(&loop->mailbox, message);
    if (sj_loop_self() == loop) /* it will look before it parks */
        return;
    if (sj_idle_claim(&loop->sched->idle_loops, loop->index)) {
        sj_loop_wake(loop);
        SJ_COUNT_OWN(wakeups_sent);
    }
}

struct event_base *sj_loop_base(const struct sj_loop *loop)
{
    return loop->base;
}

unsigned sj_loop_index(const struct sj_loop *loop)
{
    return loop->index;
}

uint64_t sj_loop_now_ns(struct sj_loop *loop)
{
    arrive(loop);
    return loop->now_ns;
}

void sj_loop_set_context(struct sj_loop *loop, void *context)
{
    loop->context = context;
}

void *sj_loop_context(const struct sj_loop *loop)
{
    return loop->context;
}

void sj_loop_set_hooks(struct sj_loop *loop, bool (*before)(void *context),
                       void (*after)(void *context), unsigned every)
{
    loop->before = before;
    loop->after = after;
    loop->every = every;
}

struct sj_loop *sj_loop_self(void)
{
    struct sj_thread *self = sj_self();

    return self != NULL ? self->loop : NULL;
}
