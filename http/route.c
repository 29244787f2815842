/* SPDX-License-Identifier: MIT */
#include "http/route.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/counters.h"
#include "core/kind.h"
#include "core/lines.h"

#define SJ_TIME_MS    30000
#define SJ_QUEUE_MOST 1000
#define SJ_WORD_MAX   32

static const char *const classes[] = {
    [SJ_CLASS_HEAVY] = "heavy", [SJ_CLASS_QUICK] = "quick", [SJ_CLASS_BLOCKING] = "blocking"};

const char *sj_route_class_name(enum sj_route_class route_class)
{
    return classes[route_class];
}

struct parse {
    const struct sj_route_setup *setup;
    const struct sj_routes *routes; /* so far, `route` the last of them */
    struct sj_route *route;
    char *error;
    size_t error_size;
};

__attribute__((format(printf, 2, 3))) static int refuse(const struct parse *parse,
                                                        const char *format, ...)
{
    va_list arguments;
    char why[384];

    va_start(arguments, format);
    vsnprintf(why, sizeof(why), format, arguments);
    va_end(arguments);
    snprintf(parse->error, parse->error_size, "--route %s: %s", parse->route->option, why);
    return -EINVAL;
}

static int set_class(const struct parse *parse, const char *value)
{
    struct sj_route *route = parse->route;

    route->is_learned = strcmp(value, "learned") == 0 || strcmp(value, "quick") == 0;
    route->route_class = SJ_CLASS_HEAVY;
    if (strcmp(value, "learned") == 0)
        return 0;
    if (route->handler->kind == SJ_ASYNC)
        return refuse(parse, "%s is asynchronous, so it has no class: leave class= out",
                      route->handler->name);
    for (unsigned i = 0; i < sizeof(classes) / sizeof(*classes); i++) {
        if (strcmp(value, classes[i]) == 0) {
            route->route_class = i;
            return 0;
        }
    }
    return refuse(parse, "class= is heavy, quick, blocking or learned, not '%s'", value);
}

/* The settings that are numbers. */
static int set_number(const struct parse *parse, const char *name, const char *value)
{
    const struct {
        const char *name;
        enum sj_option_type type;
        uint64_t *number;
        uint64_t least;
    } settings[] = {{"time", SJ_OPTION_DURATION, &parse->route->time_ms, 1},
                    {"running", SJ_OPTION_NUMBER, &parse->route->running_most, 1},
                    {"queue", SJ_OPTION_NUMBER, &parse->route->queue_most, 1},
                    {"body", SJ_OPTION_SIZE, &parse->route->body_most, 0}};
    uint64_t number;

    for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++) {
        if (strcmp(name, settings[i].name) != 0)
            continue;
        if (settings[i].least == 1 && strcmp(value, "none") == 0) {
            *settings[i].number = UINT64_MAX;
            return 0;
        }
        if (!sj_kind_read(&sj_kinds[settings[i].type], value, &number) ||
            number < settings[i].least || number > INT64_MAX / 1000000)
            return refuse(parse, "%s= takes a %s%s%s, not '%s'", name,
                          sj_kinds[settings[i].type].noun, sj_kinds[settings[i].type].hint,
                          settings[i].least == 1 ? " above 0, or none" : "", value);
        *settings[i].number = number;
        return 0;
    }
    return refuse(parse, "there is no setting '%s': class, time, running, queue or body", name);
}

static int parse_setting(const struct parse *parse, struct sj_text setting)
{
    const char *equals = memchr(setting.at, '=', setting.length);
    char name[SJ_WORD_MAX], value[SJ_WORD_MAX];
    size_t name_length, value_length;

    if (equals == NULL)
        return refuse(parse, "'%.*s' is no NAME=VALUE", (int)setting.length, setting.at);
    name_length = (size_t)(equals - setting.at);
    value_length = setting.length - name_length - 1;
    if (name_length >= sizeof(name) || value_length >= sizeof(value))
        return refuse(parse, "'%.*s' is too long", (int)setting.length, setting.at);
    snprintf(name, sizeof(name), "%.*s", (int)name_length, setting.at);
    snprintf(value, sizeof(value), "%.*s", (int)value_length, equals + 1);
    return strcmp(name, "class") == 0 ? set_class(parse, value) : set_number(parse, name, value);
}

static int parse_settings(const struct parse *parse, const char *at)
{
    int error = 0;

    while (*at == ',' && error == 0) {
        size_t length = strcspn(++at, ",");

        error = parse_setting(parse, (struct sj_text){at, length});
        at += length;
    }
    return error;
}

/* MODULE:HANDLER; `*end` is behind it. */
static int parse_handler(const struct parse *parse, const char *at, const char **end)
{
    struct sj_route *route = parse->route;
    size_t name = strcspn(at, ":,"), length;

    if (at[name] != ':')
        return refuse(parse, "it is PREFIX=MODULE:HANDLER[,NAME=VALUE]...");
    route->module = sj_modules_find(parse->setup->modules, at, name);
    if (route->module == NULL)
        return refuse(parse, "no module is called '%.*s'; load its file by --module", (int)name,
                      at);
    at += name + 1;
    length = strcspn(at, ",");
    *end = at + length;
    for (const struct sj_handler *row = route->module->module->handlers; row->name != NULL; row++) {
        if (strlen(row->name) == length && memcmp(row->name, at, length) == 0) {
            route->handler = row;
            return 0;
        }
    }
    return refuse(parse, "the module %s has no handler '%.*s'", route->module->module->name,
                  (int)length, at);
}

/* Paths are compared when they have been decoded and their dot segments resolved. */
static bool can_match(struct sj_text prefix)
{
    const char *end = prefix.at + prefix.length;

    for (const char *at = prefix.at; at < end; at++) {
        if ((unsigned char)*at < ' ' || *at == '\x7f' || strchr("%?#", *at) != NULL)
            return false;
        if (*at == '/') {
            size_t length = strcspn(at + 1, "/=");

            if (length == 0 || (at[1] == '.' && (length == 1 || (length == 2 && at[2] == '.'))))
                return false;
        }
    }
    return true;
}

static int parse_prefix(const struct parse *parse, const char **end)
{
    struct sj_route *route = parse->route;
    size_t length = strcspn(route->option, "=");

    if (route->option[0] != '/' || route->option[length] != '=')
        return refuse(parse, "it is PREFIX=MODULE:HANDLER, and the prefix begins with /");
    *end = route->option + length + 1;
    while (length > 0 && route->option[length - 1] == '/')
        length--;
    route->prefix = (struct sj_text){route->option, length};
    if (!can_match(route->prefix))
        return refuse(parse, "no path has that prefix: write it decoded, without empty or dot "
                             "segments");
    for (const struct sj_route *other = parse->routes->items; other < route; other++)
        if (sj_text_equals(other->prefix, route->prefix))
            return refuse(parse, "%s has the same prefix", other->option);
    return 0;
}

/* `running_most` is 0 as long as nobody has said it. */
static int set_limits(const struct parse *parse)
{
    struct sj_route *route = parse->route;

    if (route->running_most != 0)
        route->spares_most = UINT64_MAX;
    else
        route->running_most = UINT64_MAX;
    if (route->running_most == UINT64_MAX)
        return 0;
    if (route->route_class == SJ_CLASS_QUICK)
        return refuse(parse, "running= is for tasks of workers, and of class=quick there are none");
    route->is_learned = false;
    return 0;
}

static int make_cells(struct sj_route *route, unsigned n_loops)
{
    route->n_cells = n_loops;
    route->cells = sj_lines_new(n_loops * sizeof(*route->cells));
    return route->cells != NULL ? 0 : -ENOMEM;
}

static int parse_route(const struct parse *parse)
{
    const char *at = NULL;
    int error = parse_prefix(parse, &at);

    if (error == 0)
        error = parse_handler(parse, at, &at);
    if (error == 0)
        error = parse_settings(parse, at);
    if (error == 0)
        error = set_limits(parse);
    return error != 0 ? error : make_cells(parse->route, parse->setup->n_loops);
}

static int by_length(const void *a, const void *b)
{
    const struct sj_route *one = a, *other = b;

    return (one->prefix.length < other->prefix.length) -
           (one->prefix.length > other->prefix.length);
}

static void init(struct sj_route *route)
{
    pthread_mutex_init(&route->lock, NULL);
    TAILQ_INIT(&route->waiting);
}

int sj_routes_make(struct sj_routes *routes, const struct sj_route_setup *setup, char *error,
                   size_t error_size)
{
    const struct sj_option_list *options = setup->options;
    uint64_t n = setup->n_spares, share = n == 0 ? UINT64_MAX : n == 1 ? 1 : n * 3 / 4;
    int result = 0;

    *routes =
        (struct sj_routes){.items = sj_lines_new((options->n_items + 1) * sizeof(struct sj_route))};
    if (routes->items == NULL)
        result = -ENOMEM;
    for (size_t i = 0; i < options->n_items && result == 0; i++) {
        struct sj_route *route = &routes->items[routes->n_items++];
        struct parse parse = {setup, routes, route, error, error_size};

        *route = (struct sj_route){.option = options->items[i],
                                   .is_learned = true,
                                   .time_ms = SJ_TIME_MS,
                                   .spares_most = share,
                                   .queue_most = SJ_QUEUE_MOST,
                                   .body_most = setup->body_most,
                                   .log = setup->log,
                                   .n_needed = SJ_SHORT_RUNS};
        result = parse_route(&parse);
    }
    if (result == -ENOMEM)
        snprintf(error, error_size, "out of memory");
    if (result == 0) {
        qsort(routes->items, routes->n_items, sizeof(*routes->items), by_length);
        for (size_t i = 0; i < routes->n_items; i++)
            init(&routes->items[i]); /* where it stays */
    }
    return result;
}

void sj_routes_free(struct sj_routes *routes)
{
    for (size_t i = 0; i < routes->n_items; i++)
        free(routes->items[i].cells);
    free(routes->items);
    *routes = (struct sj_routes){0};
}

struct sj_route *sj_routes_find(const struct sj_routes *routes, struct sj_text path)
{
    for (size_t i = 0; i < routes->n_items; i++) {
        struct sj_route *route = &routes->items[i];
        size_t length = route->prefix.length;

        if (path.length >= length && memcmp(path.at, route->prefix.at, length) == 0 &&
            (path.length == length || path.at[length] == '/'))
            return route;
    }
    return NULL;
}

/* 12.3 ms */
#define MS(ns) ((double)(ns) / 1e6)

static void send_back(struct sj_route *route, uint64_t ns, bool has_blocked)
{
    unsigned needed = ck_pr_load_uint(&route->n_needed);

    if (!ck_pr_cas_uint(&route->route_class, SJ_CLASS_QUICK, SJ_CLASS_HEAVY))
        return; /* another run was first */
    ck_pr_store_uint(&route->n_needed, has_blocked            ? UINT_MAX
                                       : needed < SJ_RUNS_MAX ? needed * 2
                                                              : needed);
    ck_pr_store_uint(&route->n_short, 0);
    ck_pr_inc_uint(&route->n_sent_back);
    sj_log(route->log, SJ_LOG_WARNING,
           "route %s: %s:%s %s a loop for %.1f ms; it runs on workers from now on", route->option,
           route->module->module->name, route->handler->name, has_blocked ? "blocked" : "held up",
           MS(ns));
}

static void promote(struct sj_route *route)
{
    if (!ck_pr_cas_uint(&route->route_class, SJ_CLASS_HEAVY, SJ_CLASS_QUICK))
        return;
    ck_pr_store_uint(&route->n_short, 0);
    ck_pr_inc_uint(&route->n_promoted);
    sj_log(route->log, SJ_LOG_INFO, "route %s: %s:%s is quick and runs on loops from now on",
           route->option, route->module->module->name, route->handler->name);
}

/* The counts need not be exact: a lost one is one run more. */
static void count_run(struct sj_route *route, uint64_t ns)
{
    unsigned n_short = ck_pr_load_uint(&route->n_short);

    if (ns < SJ_SHORT_NS)
        n_short++;
    else
        n_short =
            ns > SJ_LONG_NS || n_short < SJ_SHORT_RUNS / 16 ? 0 : n_short - SJ_SHORT_RUNS / 16;
    ck_pr_store_uint(&route->n_short, n_short);
    if (n_short >= ck_pr_load_uint(&route->n_needed))
        promote(route);
}

void sj_route_learn(struct sj_route *route, enum sj_run where, uint64_t ns, bool has_blocked)
{
    if (!route->is_learned)
        return;
    if (where == SJ_RUN_ON_LOOP) {
        if (ns > SJ_LONG_NS || has_blocked)
            send_back(route, ns, has_blocked);
    } else if (has_blocked) {
        ck_pr_store_uint(&route->n_needed, UINT_MAX);
    } else {
        count_run(route, ns);
    }
}

void sj_route_count(struct sj_route *route, unsigned loop, int status)
{
    unsigned digit = (unsigned)status / 100;

    sj_count(&route->cells[loop].n_statuses[digit < 6 ? digit : 0], 1);
}

static const void *member_of(const struct sj_route *route, unsigned cell, size_t offset)
{
    return (const char *)&route->cells[cell] + offset;
}

uint64_t sj_route_sum(const struct sj_route *route, size_t offset)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < route->n_cells; i++)
        sum += ck_pr_load_64(member_of(route, i, offset));
    return sum;
}

void sj_route_merge(const struct sj_route *route, size_t offset, struct sj_histogram *into)
{
    *into = (struct sj_histogram){0};
    for (unsigned i = 0; i < route->n_cells; i++)
        sj_histogram_merge(into, member_of(route, i, offset));
}

/* The others are read first: they had entered before. */
uint64_t sj_route_running(const struct sj_route *route)
{
    uint64_t n_others = sj_route_sum(route, offsetof(struct sj_route_cell, n_left)), n_entered;

    n_others += ck_pr_load_64(&route->n_queued);
    ck_pr_fence_load();
    n_entered = sj_route_sum(route, offsetof(struct sj_route_cell, n_entered));
    return n_entered > n_others ? n_entered - n_others : 0;
}
