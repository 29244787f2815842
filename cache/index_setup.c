/* SPDX-License-Identifier: MIT */
#include "cache/index_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "cache/early.h"
#include "core/thread.h"

static int open_roots(const struct sj_settings *settings, struct sj_generation *first, char *error,
                      size_t error_size)
{
    for (size_t i = 0; i < settings->n_roots; i++) {
        int code = sj_root_new(&settings->roots[i], &first->roots[i]);
        if (code != 0) {
            snprintf(error, error_size, "root %s: %s", settings->roots[i].path,
                     strerrordesc_np(-code));
            return code;
        }
    }
    return 0;
}

static int read_rules(const struct sj_settings *settings, struct sj_generation *first, char *error,
                      size_t error_size)
{
    char why[256] = "not enough memory";
    if (settings->headers == NULL)
        return 0;
    int code = sj_rules_read(settings->headers, NULL, &first->rules, why, sizeof(why));
    if (code != 0)
        snprintf(error, error_size, "--headers %s: %s", settings->headers, why);
    return code;
}

/* Not to be able to watch is no reason not to serve. */
static void start_watch(struct sj_index *index, const struct sj_index_config *config,
                        struct event_base *base)
{
    struct sj_watch_config watch = {.base = base,
                                    .log = index->log,
                                    .serves_dotfiles = config->serves_dotfiles,
                                    .changed = sj_index_on_change,
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
    index->wake_event = event_new(base, index->wake, EV_READ | EV_PERSIST, sj_index_on_wake, index);
    index->timer = evtimer_new(base, sj_index_on_timer, index);
    if (index->wake_event == NULL || index->timer == NULL ||
        event_add(index->wake_event, NULL) != 0)
        return -ENOMEM;
    return 0;
}

/* Generation 0: no entries, but the roots and rules that the first build compares with. */
static int make_first(const struct sj_settings *settings, const struct sj_stock *stock,
                      struct sj_generation **first, char *error, size_t error_size)
{
    struct sj_generation *made = sj_generation_new(settings->n_roots, 0, stock->seed);
    if (made == NULL)
        return -ENOMEM;
    int code = open_roots(settings, made, error, error_size);
    if (code == 0)
        code = read_rules(settings, made, error, error_size);
    if (code == 0)
        *first = made;
    else
        sj_generation_release(made);
    return code;
}

/* Without one large bodies lie in the heap, as small ones do. */
static void start_arena(struct sj_index *index)
{
    int code = sj_arena_new(&index->settings->arena);
    if (code != 0)
        sj_log(index->log, SJ_LOG_WARNING, "no memory file for large bodies, they are copied: %s",
               strerrordesc_np(-code));
}

static int fill(struct sj_index *index, const struct sj_index_config *config,
                struct event_base *base, char *error, size_t error_size)
{
    struct sj_deploys_config deploys = {.sched = index->sched,
                                        .base = base,
                                        .n_max = config->retained_generations,
                                        .keep_ms = config->retained_ms,
                                        .bytes_max = config->retained_bytes};
    struct sj_generation *first = NULL;
    int code = sj_settings_new(config, &index->settings, error, error_size);
    if (code != 0)
        return code;
    start_arena(index);
    if (config->n_refusals > 0)
        code = sj_conditions_new(config->refusals, config->n_refusals, &index->conditions, error,
                                 error_size);
    if (code != 0)
        return code;
    index->stock = sj_stock_new();
    if (index->stock == NULL)
        return -ENOMEM;
    code = make_first(index->settings, index->stock, &first, error, error_size);
    if (code != 0)
        return code;
    index->deploys = sj_deploys_new(&deploys, first);
    if (index->deploys == NULL)
        sj_generation_release(first);
    return index->deploys == NULL ? -ENOMEM : 0;
}

int sj_index_new(const struct sj_index_config *config, struct sj_sched *sched, struct sj_log *log,
                 struct event_base *base, struct sj_index **index, char *error, size_t error_size)
{
    struct sj_index *made = calloc(1, sizeof(*made));
    snprintf(error, error_size, "not enough memory");
    if (made == NULL)
        return -ENOMEM;
    made->sched = sched;
    made->log = log;
    made->wake = -1;
    int code = sj_thread_enter();
    if (code == 0)
        code = fill(made, config, base, error, error_size);
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

static void free_plans(struct sj_plan *plan)
{
    while (plan != NULL) {
        struct sj_plan *next = plan->next;
        free(plan->text);
        free(plan);
        plan = next;
    }
}

static struct sj_generation *served(const struct sj_index *index)
{
    unsigned n;
    return sj_deploys_list(index->deploys, &n)[0].generation;
}

/* The empty generation goes by it, as long as readers have that. */
static void remember(struct sj_index *index)
{
    struct sj_ledger *ledger = sj_upkeep_ledger(index->upkeep);
    if (ledger != NULL)
        sj_ledger_acquire(ledger);
    served(index)->ledger = ledger;
}

int sj_index_open_cache(struct sj_index *index, const struct sj_cache_config *config)
{
    struct sj_upkeep_config upkeep = {.cache = config,
                                      .settings = index->settings,
                                      .sched = index->sched,
                                      .log = index->log,
                                      .base = event_get_base(index->timer),
                                      .stock = index->stock,
                                      .ended = sj_index_on_upkept,
                                      .argument = index};
    bool has_use = config->compresses || config->directory != NULL;
    int code = has_use ? sj_upkeep_new(&upkeep, &index->upkeep) : 0;
    if (code == 0 && has_use)
        remember(index);
    return code;
}

size_t sj_index_known_files(const struct sj_index *index)
{
    const struct sj_ledger *ledger = served(index)->ledger;
    return ledger == NULL ? 0 : sj_ledger_size(ledger);
}

struct sj_entry *sj_index_find_early(const struct sj_index *index,
                                     const struct sj_generation *generation, const char *path,
                                     size_t length)
{
    return sj_early_find(generation, index->settings, (struct sj_text){path, length});
}

void sj_index_free(struct sj_index *index)
{
    if (index == NULL)
        return;
    sj_upkeep_free(index->upkeep);
    sj_watch_free(index->watch);
    if (index->wake_event != NULL)
        event_free(index->wake_event);
    if (index->timer != NULL)
        event_free(index->timer);
    if (index->wake >= 0)
        close(index->wake);
    sj_generation_release(index->made); /* of a build whose end nobody has seen */
    if (index->is_busy)
        sj_generation_release(index->before);
    sj_deploys_free(index->deploys);
    sj_stock_free(index->stock);
    sj_conditions_free(index->conditions);
    sj_settings_free(index->settings);
    free_plans(index->plans);
    free(index);
}
