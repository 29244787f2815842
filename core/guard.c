/* SPDX-License-Identifier: MIT */
#include "core/guard.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include "core/clock.h"
#include "core/priority.h"
#include "core/sched_private.h"

#define LOOK_MS 100

/* So many who are away and use no core are looked at each time: most of them sleep, which only
 * /proc says. */
#define LOOKS_MOST 8

/* For how long they are entitled: the longer, the sooner they starve again after it. */
#define ENTITLED_MIN_NS 500000000U
#define ENTITLED_MAX_NS 8000000000U

bool sj_guard_is_short(const struct sj_guard_look *before, const struct sj_guard_look *after)
{
    bool had_task = !before->is_parked && !after->is_parked && before->parks == after->parks;

    return had_task && after->cpu_ns - before->cpu_ns < (after->at_ns - before->at_ns) / 10;
}

/* All with the hands' lock. */
static uint64_t cpu_ns_of(const struct sj_hand *hand)
{
    struct timespec used;
    clockid_t clock;

    if (hand == NULL || pthread_getcpuclockid(hand->self, &clock) != 0 ||
        clock_gettime(clock, &used) != 0)
        return 0;
    return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

/* A worker that waits in a join has nothing to do either; and one whose place has changed hands
 * has got on. */
static struct sj_guard_look look_at(const struct sj_sched *sched, const struct sj_worker *worker)
{
    return (struct sj_guard_look){
        .at_ns = sj_clock_ns(),
        .cpu_ns = cpu_ns_of(worker->hand),
        .parks = ck_pr_load_64(&worker->counters.parks) + worker->n_handed,
        .is_parked = sj_idle_is_announced(&sched->idle_workers, worker->index) ||
                     sj_idle_is_announced(&sched->idle_joiners, worker->index),
    };
}

bool sj_guard_wants_core(const char *stat)
{
    const char *behind_name = strrchr(stat, ')');

    return behind_name == NULL || behind_name[1] == '\0' || behind_name[2] == '\0' ||
           behind_name[2] == 'R';
}

static bool wants_core(const struct sj_hand *hand)
{
    char path[64], text[64];
    ssize_t length = -1;
    int file;

    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)(hand != NULL ? hand->tid : 0));
    file = open(path, O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        length = read(file, text, sizeof(text) - 1);
        close(file);
    }
    text[length > 0 ? length : 0] = '\0';
    return sj_guard_wants_core(text);
}

/* True: it has used too little for one that had a task. */
static bool look_away(struct sj_hand *hand)
{
    struct sj_guard_look before = hand->look;

    hand->look = (struct sj_guard_look){
        .at_ns = sj_clock_ns(),
        .cpu_ns = hand->is_away ? cpu_ns_of(hand) : 0,
        .parks = hand->n_left,
        .is_parked = !hand->is_away,
    };
    return sj_guard_is_short(&before, &hand->look);
}

/* One after the other, from where the last look has ended. */
static bool look_at_away(struct sj_hands *hands)
{
    struct sj_hand *first = TAILQ_FIRST(&hands->all), *hand = first;
    bool is_starved = false;
    unsigned n = 0;

    while (hand != NULL && n < LOOKS_MOST && !is_starved) {
        TAILQ_REMOVE(&hands->all, hand, other);
        TAILQ_INSERT_TAIL(&hands->all, hand, other);
        if (look_away(hand)) {
            is_starved = wants_core(hand);
            n++;
        }
        hand = TAILQ_FIRST(&hands->all);
        if (hand == first)
            break;
    }
    return is_starved;
}

/* True: one of them starves. */
static bool look_at_all(struct sj_sched *sched)
{
    bool is_starved;

    pthread_mutex_lock(&sched->hands.lock);
    is_starved = look_at_away(&sched->hands);
    for (unsigned i = 0; i < sched->config.n_workers; i++) {
        struct sj_guard_look *before = &sched->guard.looks[i];
        struct sj_guard_look after = look_at(sched, sched->workers[i]);

        is_starved = is_starved ||
                     (sj_guard_is_short(before, &after) && wants_core(sched->workers[i]->hand));
        *before = after;
    }
    pthread_mutex_unlock(&sched->hands.lock);
    return is_starved;
}

static void entitle(struct sj_guard *guard, uint64_t now_ns)
{
    uint64_t yielded_ns = now_ns - (guard->entitled_ns + guard->entitled_for_ns);

    if (yielded_ns > guard->entitled_for_ns)
        guard->entitled_for_ns = ENTITLED_MIN_NS;
    else if (guard->entitled_for_ns < ENTITLED_MAX_NS)
        guard->entitled_for_ns *= 2;
    guard->is_yielding = false;
    guard->entitled_ns = now_ns;
}

static void look(struct sj_sched *sched)
{
    struct sj_guard *guard = &sched->guard;
    bool is_starved = look_at_all(sched);
    uint64_t now_ns = sj_clock_ns();

    if (guard->is_yielding && is_starved) {
        entitle(guard, now_ns);
        sj_hands_set_priority(sched, sj_priority_entitle);
    } else if (!guard->is_yielding && now_ns - guard->entitled_ns >= guard->entitled_for_ns) {
        guard->is_yielding = true;
        sj_hands_set_priority(sched, sj_priority_yield);
    }
}

/* A worker retracts its announcement before it takes a task: so the queues come first. */
static bool has_heavy(struct sj_sched *sched)
{
    bool is_any = sj_sched_has_heavy(sched);

    ck_pr_fence_load();
    return is_any || sj_sched_in_work(sched) > 0;
}

static bool claim(struct sj_guard *guard)
{
    return ck_pr_load_uint(&guard->is_called) == 0 && ck_pr_cas_uint(&guard->is_called, 0, 1);
}

/* True: whoever submits the next heavy task calls. */
static bool may_rest(struct sj_sched *sched)
{
    if (has_heavy(sched))
        return false;
    ck_pr_store_uint(&sched->guard.is_called, 0);
    ck_pr_fence_memory(); /* Dekker: before the re-check; pairs with the fence of sj_sched_submit */
    return !has_heavy(sched) || !claim(&sched->guard);
}

static const struct timeval interval = {.tv_usec = LOOK_MS * 1000};

static void on_event(evutil_socket_t descriptor, short what, void *argument)
{
    struct sj_sched *sched = argument;
    eventfd_t count;

    if ((what & EV_READ) != 0)
        eventfd_read(descriptor, &count);
    look(sched);
    if (!may_rest(sched) && event_add(sched->guard.timer, &interval) != 0)
        sj_guard_stop(sched); /* out of memory: better in the way of others than starved */
}

void sj_guard_init(struct sj_guard *guard)
{
    guard->fd = -1;
    guard->entitled_for_ns = ENTITLED_MIN_NS;
    guard->is_called = 1; /* nobody would come */
}

void sj_guard_fini(struct sj_guard *guard)
{
    if (guard->fd >= 0)
        close(guard->fd);
    guard->fd = -1;
}

void sj_guard_call(struct sj_sched *sched)
{
    if (claim(&sched->guard) && eventfd_write(sched->guard.fd, 1) != 0)
        ck_pr_store_uint(&sched->guard.is_called, 0); /* the next one tries again */
}

static int add_events(struct sj_sched *sched, struct event_base *base)
{
    struct sj_guard *guard = &sched->guard;

    guard->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (guard->fd < 0)
        return -errno;
    guard->call = event_new(base, guard->fd, EV_READ | EV_PERSIST, on_event, sched);
    guard->timer = evtimer_new(base, on_event, sched);
    if (guard->call == NULL || guard->timer == NULL || event_add(guard->call, NULL) != 0 ||
        event_add(guard->timer, &interval) != 0) /* a heavy task may be in work */
        return -ENOMEM;
    return 0;
}

int sj_guard_start(struct sj_sched *sched, struct event_base *base)
{
    int error;

    if (sched->config.worker_nice == 0)
        return 0;
    error = sj_priority_try(sched->config.worker_nice);
    if (error == 0)
        error = add_events(sched, base);
    if (error != 0) {
        sj_guard_stop(sched);
        sj_guard_fini(&sched->guard);
        return error;
    }
    sched->guard.is_yielding = true;
    sj_hands_set_priority(sched, sj_priority_yield);
    return 0;
}

void sj_guard_stop(struct sj_sched *sched)
{
    struct sj_guard *guard = &sched->guard;

    ck_pr_store_uint(&guard->is_called, 1); /* who has claimed it before writes in vain */
    if (guard->is_yielding)
        sj_hands_set_priority(sched, sj_priority_entitle);
    guard->is_yielding = false;
    if (guard->call != NULL)
        event_free(guard->call);
    if (guard->timer != NULL)
        event_free(guard->timer);
    guard->call = guard->timer = NULL;
}
