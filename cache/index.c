/* SPDX-License-Identifier: MIT */
#include "cache/index.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <event2/event.h>
#include "cache/build.h"
#include "cache/quiet.h"
#include "core/clock.h"
#include "core/pr.h"

#define FAULTS_LOGGED_MAX 100 /* by one build */

/*
 * Who touches what: `current` is written by the build alone, of which there is at most one;
 * `result` by the build until it sets is_finished, and by the controlling thread after it has seen
 * that; is_finished and is_suggested are exchanged by both sides, and the eventfd follows each;
 * is_cancelled is set by the controlling thread, and looked at by the build and its subtasks; the
 * stock and extent belong to the build while there is one; the rest to the controlling thread.
 */
struct sj_index {
    struct sj_task task; /* first: the build */
    struct sj_settings *settings;
    struct sj_sched *sched;
    struct sj_log *log;
    struct sj_epoch *epoch;
    struct sj_watch *watch; /* or NULL */
    struct sj_stock *stock;
    struct sj_generation *current;
    struct sj_index_result result;
    uint64_t published_ns; /* when the controlling thread heard of the current one */
    uint32_t is_finished;
    uint32_t is_suggested;
    uint32_t is_cancelled;
    int wake;
    struct event *wake_event;
    struct event *timer;
    struct sj_quiet quiet;
    bool is_building;
    bool is_pending; /* one more build, when this one has ended */
    bool has_doubts; /* something has changed, but the watch may not know it */
    enum sj_build_extent extent, pending_extent;
    sj_index_done *done;
    void *argument;
};

static bool was_known(const struct sj_fault *fault, const struct sj_generation *before)
{
    const struct sj_fault *known = sj_set_find(&before->faults, &fault->path);
    return known != NULL && strcmp(known->reason, fault->reason) == 0;
}

/* What the generation before had as well has been said. */
static void log_faults(struct sj_log *log, const struct sj_generation *made,
                       const struct sj_generation *before)
{
    size_t n = 0;
    for (const struct sj_fault *fault = made->fault_list; fault != NULL; fault = fault->next) {
        if (was_known(fault, before))
            continue;
        if (n++ < FAULTS_LOGGED_MAX)
            sj_log(log, SJ_LOG_WARNING, "skipped %s: %s", fault->path.at, fault->reason);
    }
    if (n > FAULTS_LOGGED_MAX)
        sj_log(log, SJ_LOG_WARNING, "skipped %zu more", n - FAULTS_LOGGED_MAX);
}

/* The fence and the store pair with the load in sj_index_begin: who sees the pointer sees all
 * behind it.  After the wait nobody has the old one, but for references to single entries. */
static void publish(struct sj_index *index, struct sj_generation *made)
{
    struct sj_generation *before = index->current;
    ck_pr_fence_store();
    ck_pr_store_ptr(&index->current, made);
    sj_epoch_wait(index->epoch);
    log_faults(index->log, made, before);
    sj_generation_free(before);
    malloc_trim(0); /* two generations lay side by side: the room of one goes back to the system */
}

/* Sets a flag of the two and wakes the controlling thread, unless it is to wake already. */
static void raise_flag(struct sj_index *index, uint32_t *flag)
{
    if (ck_pr_fas_32(flag, 1) == 0)
        (void)!eventfd_write(index->wake, 1);
}

static void run_build(struct sj_task *task)
{
    struct sj_index *index = (struct sj_index *)task;
    struct sj_build build = {.settings = index->settings,
                             .before = index->current,
                             .stock = index->stock,
                             .watch = index->watch,
                             .is_cancelled = &index->is_cancelled,
                             .extent = index->extent};
    struct sj_index_result *result = &index->result;
    struct sj_generation *made = NULL;
    uint64_t started_ns = sj_clock_ns();
    *result = (struct sj_index_result){.error = 0};
    result->error = sj_build_run(&build, &made, result->text, sizeof(result->text));
    if (result->error == 0) {
        made->summary.build_ns = sj_clock_ns() - started_ns;
        result->summary = made->summary;
        publish(index, made);
    } else {
        result->summary = index->current->summary;
    }
    raise_flag(index, &index->is_finished);
}

/* Puts the timer to `due_ns`. */
static void set_timer(struct sj_index *index, uint64_t now_ns, uint64_t due_ns)
{
    uint64_t wait_us = due_ns > now_ns ? (due_ns - now_ns + 999) / 1000 : 0;
    struct timeval wait = {.tv_sec = (time_t)(wait_us / 1000000),
                           .tv_usec = (suseconds_t)(wait_us % 1000000)};
    evtimer_add(index->timer, &wait);
}

/* Something is no longer as indexed: a build follows when it has become quiet. */
static void note_change(void *argument)
{
    struct sj_index *index = argument;
    uint64_t now_ns = sj_clock_ns();
    set_timer(index, now_ns, sj_quiet_event(&index->quiet, now_ns));
}

/* Folds; the larger extent wins.  A full queue: later. */
static void ask(struct sj_index *index, enum sj_build_extent extent)
{
    if (!index->is_pending || extent < index->pending_extent)
        index->pending_extent = extent;
    index->is_pending = index->is_building;
    if (index->is_building)
        return;
    index->extent = index->pending_extent;
    index->has_doubts = index->has_doubts && index->extent != SJ_BUILD_ALL;
    index->is_building = sj_sched_submit(index->sched, &index->task) == 0;
    index->is_pending = !index->is_building;
    if (index->is_pending)
        note_change(index);
}

static void on_timer(evutil_socket_t descriptor, short what, void *argument)
{
    struct sj_index *index = argument;
    (void)descriptor;
    (void)what;
    if (sj_quiet_is_due(&index->quiet, sj_clock_ns()))
        ask(index, index->has_doubts ? SJ_BUILD_ALL : SJ_BUILD_CHANGES);
    else
        set_timer(index, 0, 1000000); /* the clocks differ by a little */
}

/* Lack of memory or descriptors passes; nothing else would bring the next build about. */
static bool is_passing(int error)
{
    return error == -ENOMEM || error == -EMFILE || error == -ENFILE;
}

static void finish(struct sj_index *index)
{
    struct sj_index_result result = index->result;
    index->is_building = false;
    if (result.error == 0)
        index->published_ns = sj_clock_ns();
    if (index->watch != NULL)
        sj_watch_settle(index->watch);
    if (index->is_pending)
        ask(index, index->pending_extent);
    else if (is_passing(result.error) && index->watch != NULL)
        note_change(index);
    if (index->done != NULL)
        index->done(index->argument, &result);
}

/* The exchanges pair with those in raise_flag. */
static void on_wake(evutil_socket_t descriptor, short what, void *argument)
{
    struct sj_index *index = argument;
    eventfd_t count;
    (void)what;
    (void)!eventfd_read(descriptor, &count);
    if (ck_pr_fas_32(&index->is_suggested, 0) != 0) {
        index->has_doubts = true;
        note_change(index);
    }
    if (ck_pr_fas_32(&index->is_finished, 0) != 0)
        finish(index);
}

static int open_roots(struct sj_index *index, char *error, size_t error_size)
{
    const struct sj_settings *settings = index->settings;
    for (size_t i = 0; i < settings->n_roots; i++) {
        int code = sj_root_new(&settings->roots[i], &index->current->roots[i]);
        if (code != 0) {
            snprintf(error, error_size, "root %s: %s", settings->roots[i].path,
                     strerrordesc_np(-code));
            return code;
        }
    }
    return 0;
}

static int read_rules(struct sj_index *index, char *error, size_t error_size)
{
    char why[256] = "not enough memory";
    if (index->settings->headers == NULL)
        return 0;
    int code =
        sj_rules_read(index->settings->headers, NULL, &index->current->rules, why, sizeof(why));
    if (code != 0)
        snprintf(error, error_size, "--headers %s: %s", index->settings->headers, why);
    return code;
}

/* Not to be able to watch is no reason not to serve. */
static void start_watch(struct sj_index *index, const struct sj_index_config *config,
                        struct event_base *base)
{
    struct sj_watch_config watch = {.base = base,
                                    .log = index->log,
                                    .serves_dotfiles = config->serves_dotfiles,
                                    .changed = note_change,
                                    .argument = index};
    int code = config->watches ? sj_watch_new(&watch, &index->watch) : 0;
    if (code != 0)
        sj_log(index->log, SJ_LOG_WARNING, "files are not watched for changes: %s",
               strerrordesc_np(-code));
}

static int start_events(struct sj_index *index, struct event_base *base)
{
    index->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (index->wake < 0)
        return -errno;
    index->wake_event = event_new(base, index->wake, EV_READ | EV_PERSIST, on_wake, index);
    index->timer = evtimer_new(base, on_timer, index);
    if (index->wake_event == NULL || index->timer == NULL ||
        event_add(index->wake_event, NULL) != 0)
        return -ENOMEM;
    return 0;
}

static int fill(struct sj_index *index, const struct sj_index_config *config, char *error,
                size_t error_size)
{
    int code = sj_settings_new(config, &index->settings, error, error_size);
    if (code != 0)
        return code;
    index->epoch = sj_epoch_new();
    index->stock = sj_stock_new();
    index->current = sj_generation_new(index->settings->n_roots, 0, 0);
    if (index->epoch == NULL || index->stock == NULL || index->current == NULL)
        return -ENOMEM;
    code = open_roots(index, error, error_size);
    return code != 0 ? code : read_rules(index, error, error_size);
}

int sj_index_new(const struct sj_index_config *config, struct sj_sched *sched, struct sj_log *log,
                 struct event_base *base, struct sj_index **index, char *error, size_t error_size)
{
    struct sj_index *made = calloc(1, sizeof(*made));
    snprintf(error, error_size, "not enough memory");
    if (made == NULL)
        return -ENOMEM;
    made->task.run = run_build;
    made->sched = sched;
    made->log = log;
    made->wake = -1;
    int code = sj_thread_enter();
    if (code == 0)
        code = fill(made, config, error, error_size);
    if (code == 0) {
        code = start_events(made, base);
        if (code != 0)
            snprintf(error, error_size, "index: %s", strerrordesc_np(-code));
    }
    if (code != 0) {
        sj_index_free(made);
        return code;
    }
    start_watch(made, config, base);
    *index = made;
    return 0;
}

void sj_index_free(struct sj_index *index)
{
    if (index == NULL)
        return;
    sj_watch_free(index->watch);
    if (index->wake_event != NULL)
        event_free(index->wake_event);
    if (index->timer != NULL)
        event_free(index->timer);
    if (index->wake >= 0)
        close(index->wake);
    sj_generation_free(index->current);
    sj_stock_free(index->stock);
    if (index->epoch != NULL)
        sj_epoch_free(index->epoch);
    sj_settings_free(index->settings);
    free(index);
}

void sj_index_set_done(struct sj_index *index, sj_index_done *done, void *argument)
{
    index->done = done;
    index->argument = argument;
}

void sj_index_reload(struct sj_index *index)
{
    ask(index, SJ_BUILD_ALL);
}

void sj_index_status(struct sj_index *index, struct sj_index_status *status)
{
    uint64_t now_ns = sj_clock_ns();
    *status = (struct sj_index_status){
        .summary = *sj_generation_summary(sj_index_begin(index)),
        .age_ms = index->published_ns == 0 ? 0 : (now_ns - index->published_ns) / 1000000,
        .is_building = index->is_building};
    sj_index_end(index);
}

/* The store pairs with the loads in cache/build.c, cache/scan.c and cache/sidecar.h. */
void sj_index_cancel(struct sj_index *index)
{
    ck_pr_store_32(&index->is_cancelled, 1);
}

void sj_index_suggest_reload(struct sj_index *index)
{
    raise_flag(index, &index->is_suggested);
}

const struct sj_generation *sj_index_begin(struct sj_index *index)
{
    sj_epoch_begin(index->epoch);
    return ck_pr_load_ptr(&index->current);
}

void sj_index_end(struct sj_index *index)
{
    sj_epoch_end(index->epoch);
}

void sj_index_print(struct sj_index *index, FILE *to)
{
    const struct sj_generation *current = sj_index_begin(index);
    if (sj_generation_print(current, to) != 0)
        fputs("not enough memory to print the index\n", to);
    sj_index_end(index);
}
