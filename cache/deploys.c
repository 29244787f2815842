/* SPDX-License-Identifier: MIT */
#include "cache/deploys.h"

#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include "cache/generation_make.h"
#include "core/clock.h"
#include "core/epoch.h"
#include "core/pr.h"

/* A generation that was served for less than this, and that nobody asked for, is one of those
 * that come by while a deploy is being copied. */
#define SETTLED_NS 2000000000u

/* What readers see.  Immutable but for `next`; a reference on each generation. */
struct sj_view {
    struct sj_view *next; /* of those that are retired */
    unsigned n;
    struct sj_deploy deploys[SJ_DEPLOYS_MAX]; /* served first, then by time of replacement */
};

/*
 * `view` is exchanged by the controlling thread and loaded by readers.  `retired` is a list that
 * the controlling thread adds to and the task takes from: it is NULL exactly while the task is
 * neither queued nor running, and else ends with end_of.  The rest belongs to the controlling
 * thread.
 */
struct sj_deploys {
    struct sj_task task; /* first: frees what is retired */
    struct sj_view *view;
    struct sj_view *retired;
    struct sj_epoch *epoch;
    uint64_t n_published;
    struct event *timer;
    struct sj_deploys_config config;
};

/* An address that no view has. */
static struct sj_view *end_of(struct sj_deploys *deploys)
{
    return (struct sj_view *)&deploys->retired;
}

static void free_view(struct sj_view *view)
{
    for (unsigned i = 0; i < view->n; i++)
        sj_generation_release(view->deploys[i].generation);
    free(view);
}

/* One grace period for all that is there; then whatever has come meanwhile. */
static void free_retired(struct sj_task *task)
{
    struct sj_deploys *deploys = (struct sj_deploys *)task;
    struct sj_view *end = end_of(deploys);
    do {
        struct sj_view *view = ck_pr_fas_ptr(&deploys->retired, end);
        sj_epoch_wait(deploys->epoch);
        while (view != end) {
            struct sj_view *next = view->next;
            free_view(view);
            view = next;
        }
        malloc_trim(0); /* the room of a generation goes back to the system */
    } while (!ck_pr_cas_ptr(&deploys->retired, end, NULL));
}

/* The exchanges pair with those in free_retired.  With a full queue, or when the workers have
 * ended, it is done here: a grace period is as long as a few small responses take. */
static void retire(struct sj_deploys *deploys, struct sj_view *view)
{
    struct sj_view *head;
    do {
        head = ck_pr_load_ptr(&deploys->retired);
        view->next = head == NULL ? end_of(deploys) : head;
    } while (!ck_pr_cas_ptr(&deploys->retired, head, view));
    if (head == NULL && sj_sched_submit(deploys->config.sched, &deploys->task) != 0)
        free_retired(&deploys->task);
}

/* The fence and the store pair with the loads of readers: who sees the pointer sees all behind
 * it. */
static void exchange(struct sj_deploys *deploys, struct sj_view *view)
{
    struct sj_view *before = deploys->view;
    for (unsigned i = 0; i < view->n; i++)
        sj_generation_acquire(view->deploys[i].generation);
    ck_pr_fence_store();
    ck_pr_store_ptr(&deploys->view, view);
    retire(deploys, before);
}

static bool is_kept(const struct sj_deploys *deploys, const struct sj_deploy *deploy,
                    uint64_t now_ns)
{
    return now_ns - deploy->since_ns < deploys->config.keep_ms * 1000000;
}

/* Takes out what is too old, too much or too many; the rest keeps its order. */
static void trim(const struct sj_deploys *deploys, struct sj_view *view, uint64_t now_ns)
{
    uint64_t bytes = 0;
    unsigned n = 1;
    for (unsigned i = 1; i < view->n; i++) {
        const struct sj_deploy *deploy = &view->deploys[i];
        if (n >= deploys->config.n_max || !is_kept(deploys, deploy, now_ns) ||
            deploy->own_bytes > deploys->config.bytes_max - bytes)
            continue;
        bytes += deploy->own_bytes;
        view->deploys[n++] = *deploy;
    }
    view->n = n;
}

/* Until the next one has been kept for long enough. */
static void set_timer(struct sj_deploys *deploys, uint64_t now_ns)
{
    const struct sj_view *view = deploys->view;
    uint64_t left_ns = UINT64_MAX;
    for (unsigned i = 1; i < view->n; i++) {
        uint64_t end_ns = view->deploys[i].since_ns + deploys->config.keep_ms * 1000000;
        if (end_ns - now_ns < left_ns)
            left_ns = end_ns - now_ns;
    }
    struct timeval wait = {.tv_sec = (time_t)(left_ns / 1000000000),
                           .tv_usec = (suseconds_t)(left_ns / 1000 % 1000000 + 1)};
    if (view->n > 1)
        evtimer_add(deploys->timer, &wait);
    else
        evtimer_del(deploys->timer);
}

/* Publishes a view that was put together; it takes no reference over. */
static void publish(struct sj_deploys *deploys, struct sj_view *view, uint64_t now_ns)
{
    trim(deploys, view, now_ns);
    exchange(deploys, view);
    set_timer(deploys, now_ns);
}

static void on_timer(evutil_socket_t descriptor, short what, void *argument)
{
    static const struct timeval a_second = {.tv_sec = 1};
    struct sj_deploys *deploys = argument;
    struct sj_view *view = malloc(sizeof(*view));
    (void)descriptor;
    (void)what;
    if (view == NULL) {
        evtimer_add(deploys->timer, &a_second);
        return;
    }
    *view = *deploys->view;
    publish(deploys, view, sj_clock_ns());
}

struct sj_deploys *sj_deploys_new(const struct sj_deploys_config *config,
                                  struct sj_generation *first)
{
    struct sj_deploys *made = calloc(1, sizeof(*made));
    struct sj_view *view = calloc(1, sizeof(*view));
    if (made != NULL) {
        *made = (struct sj_deploys){.task.run = free_retired, .config = *config};
        made->epoch = sj_epoch_new();
        made->timer = evtimer_new(config->base, on_timer, made);
    }
    if (made == NULL || view == NULL || made->epoch == NULL || made->timer == NULL) {
        free(view);
        sj_deploys_free(made);
        return NULL;
    }
    assert(config->n_max <= SJ_DEPLOYS_MAX);
    view->n = 1;
    view->deploys[0] = (struct sj_deploy){.generation = first};
    made->view = view;
    return made;
}

void sj_deploys_free(struct sj_deploys *deploys)
{
    if (deploys == NULL)
        return;
    if (deploys->timer != NULL)
        event_free(deploys->timer);
    if (deploys->view != NULL)
        free_view(deploys->view);
    if (deploys->epoch != NULL)
        sj_epoch_free(deploys->epoch);
    free(deploys);
}

const struct sj_generation *sj_deploys_begin(struct sj_deploys *deploys)
{
    sj_epoch_begin(deploys->epoch);
    const struct sj_view *view = ck_pr_load_ptr(&deploys->view);
    return view->deploys[0].generation;
}

void sj_deploys_end(struct sj_deploys *deploys)
{
    sj_epoch_end(deploys->epoch);
}

/* The view may be a later one than the caller's generation is of: then that one is in it, too,
 * or had nothing to keep. */
const struct sj_entry *sj_deploys_find_vanished(const struct sj_deploys *deploys, const char *path,
                                                size_t length)
{
    const struct sj_view *view = ck_pr_load_ptr(&deploys->view);
    for (unsigned i = 1; i < view->n; i++) {
        const struct sj_entry *entry =
            sj_generation_find(view->deploys[i].generation, path, length);
        if (entry != NULL && entry->is_immutable)
            return entry;
    }
    return NULL;
}

static bool differ(const struct sj_generation_summary *summary)
{
    return summary->n_added + summary->n_changed + summary->n_removed > 0;
}

/* Is what is served worth keeping when `made` replaces it? */
static bool is_to_be_kept(const struct sj_deploy *served, const struct sj_generation *made,
                          enum sj_deploy_kind kind, uint64_t now_ns)
{
    bool is_settled = served->is_settled || now_ns - served->since_ns >= SETTLED_NS;
    return kind != SJ_DEPLOY_COMPLETED && is_settled && differ(&made->summary) &&
           served->generation->summary.n_urls > 0;
}

/* Puts a deploy that has just been replaced before the kept ones; the last one may fall out. */
static void keep(struct sj_view *view, const struct sj_deploy *replaced, uint64_t own_bytes,
                 uint64_t now_ns)
{
    unsigned n_moved = view->n < SJ_DEPLOYS_MAX ? view->n - 1 : SJ_DEPLOYS_MAX - 2;
    memmove(&view->deploys[2], &view->deploys[1], n_moved * sizeof(view->deploys[0]));
    view->deploys[1] = *replaced;
    view->deploys[1].since_ns = now_ns;
    view->deploys[1].own_bytes = own_bytes;
    view->n = n_moved + 2;
}

int sj_deploys_publish(struct sj_deploys *deploys, struct sj_generation *made,
                       enum sj_deploy_kind kind, uint64_t left_bytes)
{
    uint64_t now_ns = sj_clock_ns();
    struct sj_view *view = malloc(sizeof(*view));
    if (view == NULL)
        return -ENOMEM;
    *view = *deploys->view;
    struct sj_deploy served = view->deploys[0];
    if (is_to_be_kept(&served, made, kind, now_ns))
        keep(view, &served, left_bytes, now_ns);
    made->summary.number = ++deploys->n_published;
    view->deploys[0] = (struct sj_deploy){
        .generation = made, .since_ns = now_ns, .is_settled = kind == SJ_DEPLOY_ASKED_FOR};
    if (kind == SJ_DEPLOY_COMPLETED) {
        view->deploys[0].since_ns = served.since_ns;
        view->deploys[0].is_settled = served.is_settled;
    }
    publish(deploys, view, now_ns);
    sj_generation_release(made); /* the view has its own */
    return 0;
}

/* The index of the newest kept deploy that is older than the served one; 0: none. */
static unsigned find_older(const struct sj_view *view)
{
    uint64_t served = view->deploys[0].generation->summary.number;
    uint64_t best = 0;
    unsigned found = 0;
    for (unsigned i = 1; i < view->n; i++) {
        uint64_t number = view->deploys[i].generation->summary.number;
        if (number < served && number > best) {
            best = number;
            found = i;
        }
    }
    return found;
}

/* What one of two generations has in memory and the other has not, from what the other has and the
 * first has not. */
static uint64_t other_bytes(const struct sj_deploy *one, const struct sj_deploy *other)
{
    uint64_t held = one->generation->summary.n_held_bytes;
    uint64_t shared = held > one->own_bytes ? held - one->own_bytes : 0;
    uint64_t others = other->generation->summary.n_held_bytes;
    return others > shared ? others - shared : 0;
}

int sj_deploys_roll_back(struct sj_deploys *deploys)
{
    uint64_t now_ns = sj_clock_ns();
    unsigned at = find_older(deploys->view);
    if (at == 0)
        return -ENOENT;
    struct sj_view *view = malloc(sizeof(*view));
    if (view == NULL)
        return -ENOMEM;
    *view = *deploys->view;
    struct sj_deploy served = view->deploys[0];
    struct sj_deploy older = view->deploys[at];
    memmove(&view->deploys[at], &view->deploys[at + 1],
            (view->n - at - 1) * sizeof(view->deploys[0]));
    view->n--;
    view->deploys[0] = older;
    view->deploys[0].since_ns = now_ns;
    view->deploys[0].is_settled = true;
    keep(view, &served, other_bytes(&older, &served), now_ns);
    publish(deploys, view, now_ns);
    return 0;
}

const struct sj_deploy *sj_deploys_list(const struct sj_deploys *deploys, unsigned *n)
{
    *n = deploys->view->n;
    return deploys->view->deploys;
}
