/* SPDX-License-Identifier: MIT */
#include "http/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "http/server_private.h"

/* Histogram edges: powers of four nanoseconds, where buckets end (core/histogram.h). */
#define SJ_EDGE_FIRST 10
#define SJ_EDGE_LAST  36
#define SJ_EDGE_STEP  2

#define SJ_NOT_FOUND "there is only /metrics\n"

static void begin(FILE *to, const char *name, const char *type, const char *help)
{
    fprintf(to, "# HELP scrubjay_%s %s\n# TYPE scrubjay_%s %s\n", name, help, name, type);
}

static uint64_t sum_of(const struct sj_server *server, size_t offset)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < server->service.n_shards; i++)
        sum += ck_pr_load_64(
            (const uint64_t *)(const void *)((const char *)server->service.shards[i] + offset));
    return sum;
}

static void write_server(FILE *to, const struct sj_server *server)
{
    static const struct {
        const char *name, *help;
        size_t offset;
    } rows[] = {
        {"accepted_total", "connections accepted", offsetof(struct sj_shard, n_accepted)},
        {"requests_total", "responses sent", offsetof(struct sj_shard, n_requests)},
        {"sent_bytes_total", "octets sent", offsetof(struct sj_shard, n_octets_sent)},
    };

    begin(to, "connections", "gauge", "connections that are open");
    fprintf(to, "scrubjay_connections %" PRIu64 "\n", ck_pr_load_64(&server->service.n_open));
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        begin(to, rows[i].name, "counter", rows[i].help);
        fprintf(to, "scrubjay_%s %" PRIu64 "\n", rows[i].name, sum_of(server, rows[i].offset));
    }
}

/* Loops come first (core/sched.h). */
static void write_thread(FILE *to, const struct sj_server *server, const char *name, size_t offset)
{
    unsigned n_loops = sj_sched_loops(server->sched);

    for (unsigned i = 0; i < n_loops + sj_sched_workers(server->sched); i++) {
        const char *counters = (const char *)sj_sched_counters(server->sched, i);

        fprintf(to, "scrubjay_%s_total{thread=\"%s-%u\"} %" PRIu64 "\n", name,
                i < n_loops ? "loop" : "worker", i < n_loops ? i : i - n_loops,
                ck_pr_load_64((const uint64_t *)(const void *)(counters + offset)));
    }
}

static void write_sched(FILE *to, const struct sj_server *server)
{
#define COUNTER(name, help)                     \
    begin(to, #name "_total", "counter", help); \
    write_thread(to, server, #name, offsetof(struct sj_counters, name));
    SJ_COUNTERS(COUNTER)
#undef COUNTER
}

/* The labels of a route, without the braces. */
static void write_labels(FILE *to, const struct sj_route *route)
{
    fputs("route=\"", to);
    for (size_t i = 0; i < route->prefix.length; i++) {
        char octet = route->prefix.at[i];

        if (octet == '"' || octet == '\\')
            fputc('\\', to);
        fputc(octet, to);
    }
    fprintf(to, "%s\",handler=\"%s:%s\"", route->prefix.length == 0 ? "/" : "",
            route->module->module->name, route->handler->name);
}

static void write_count(FILE *to, const char *name, const struct sj_route *route, uint64_t count)
{
    fprintf(to, "scrubjay_route_%s{", name);
    write_labels(to, route);
    fprintf(to, "} %" PRIu64 "\n", count);
}

static void write_statuses(FILE *to, const struct sj_routes *routes)
{
    begin(to, "route_responses_total", "counter", "responses, by the class of their status");
    for (size_t i = 0; i < routes->n_items; i++) {
        for (unsigned digit = 2; digit < 6; digit++) {
            fputs("scrubjay_route_responses_total{", to);
            write_labels(to, &routes->items[i]);
            fprintf(to, ",code=\"%uxx\"} %" PRIu64 "\n", digit,
                    sj_route_sum(&routes->items[i], offsetof(struct sj_route_cell, n_statuses) +
                                                        digit * sizeof(uint64_t)));
        }
    }
}

static void write_sums(FILE *to, const struct sj_routes *routes)
{
    static const struct {
        const char *name, *help;
        size_t offset;
    } rows[] = {
#define ROW(member, name, help) \
    {"route_" name "_total", help, offsetof(struct sj_route_cell, member)},
        SJ_ROUTE_COUNTERS(ROW)
#undef ROW
    };

    for (size_t row = 0; row < sizeof(rows) / sizeof(*rows); row++) {
        begin(to, rows[row].name, "counter", rows[row].help);
        for (size_t i = 0; i < routes->n_items; i++)
            write_count(to, rows[row].name + strlen("route_"), &routes->items[i],
                        sj_route_sum(&routes->items[i], rows[row].offset));
    }
}

static void write_classes(FILE *to, const struct sj_routes *routes)
{
    begin(to, "route_queued", "gauge", "calls that wait for their turn");
    for (size_t i = 0; i < routes->n_items; i++)
        write_count(to, "queued", &routes->items[i], ck_pr_load_64(&routes->items[i].n_queued));
    begin(to, "route_running", "gauge", "calls at work: begun, and not ended");
    for (size_t i = 0; i < routes->n_items; i++)
        write_count(to, "running", &routes->items[i], sj_route_running(&routes->items[i]));
    begin(to, "route_quick", "gauge", "1: the handler runs on loops");
    for (size_t i = 0; i < routes->n_items; i++)
        write_count(to, "quick", &routes->items[i],
                    sj_route_class_of(&routes->items[i]) == SJ_CLASS_QUICK);
    begin(to, "route_promoted_total", "counter", "times the handler became quick");
    for (size_t i = 0; i < routes->n_items; i++)
        write_count(to, "promoted_total", &routes->items[i],
                    ck_pr_load_uint(&routes->items[i].n_promoted));
    begin(to, "route_sent_back_total", "counter", "times it was sent back to the workers");
    for (size_t i = 0; i < routes->n_items; i++)
        write_count(to, "sent_back_total", &routes->items[i],
                    ck_pr_load_uint(&routes->items[i].n_sent_back));
}

static void write_histogram(FILE *to, const char *name, const struct sj_route *route,
                            const struct sj_histogram *histogram)
{
    for (unsigned edge = SJ_EDGE_FIRST; edge <= SJ_EDGE_LAST; edge += SJ_EDGE_STEP) {
        fprintf(to, "scrubjay_route_%s_seconds_bucket{", name);
        write_labels(to, route);
        fprintf(to, ",le=\"%.12g\"} %" PRIu64 "\n", (double)(1ull << edge) / 1e9,
                sj_histogram_below(histogram, 1ull << edge));
    }
    fprintf(to, "scrubjay_route_%s_seconds_bucket{", name);
    write_labels(to, route);
    fprintf(to, ",le=\"+Inf\"} %" PRIu64 "\n", sj_histogram_count(histogram));
    fprintf(to, "scrubjay_route_%s_seconds_sum{", name);
    write_labels(to, route);
    fprintf(to, "} %.9f\nscrubjay_route_%s_seconds_count{", (double)histogram->sum_ns / 1e9, name);
    write_labels(to, route);
    fprintf(to, "} %" PRIu64 "\n", sj_histogram_count(histogram));
}

static void write_times(FILE *to, const struct sj_routes *routes)
{
    struct sj_histogram histogram;

    begin(to, "route_queue_seconds", "histogram", "from the whole request to its handler");
    for (size_t i = 0; i < routes->n_items; i++) {
        sj_route_merge(&routes->items[i], offsetof(struct sj_route_cell, queue_delay), &histogram);
        write_histogram(to, "queue", &routes->items[i], &histogram);
    }
    begin(to, "route_run_seconds", "histogram", "of a handler on its thread");
    for (size_t i = 0; i < routes->n_items; i++) {
        sj_route_merge(&routes->items[i], offsetof(struct sj_route_cell, run_time), &histogram);
        write_histogram(to, "run", &routes->items[i], &histogram);
    }
}

static void write_all(FILE *to, const struct sj_server *server)
{
    const struct sj_routes *routes = &server->service.routes;

    write_server(to, server);
    write_sched(to, server);
    write_statuses(to, routes);
    write_sums(to, routes);
    write_classes(to, routes);
    write_times(to, routes);
}

/* From malloc; NULL: no memory. */
static char *body_of(const struct sj_server *server)
{
    char *body = NULL;
    size_t length;
    FILE *to = open_memstream(&body, &length);

    if (to == NULL)
        return NULL;
    write_all(to, server);
    if (fclose(to) == 0)
        return body;
    free(body);
    return NULL;
}

static char *compose(const char *status, const char *body, const char *shown)
{
    char date[SJ_DATE_LENGTH], *answer = NULL;

    sj_date_format(date, time(NULL));
    if (asprintf(&answer,
                 "HTTP/1.1 %s\r\nDate: %.*s\r\n"
                 "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                 "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                 status, SJ_DATE_LENGTH, date, strlen(body), shown) < 0)
        return NULL;
    return answer;
}

char *sj_metrics_answer(const struct sj_server *server, const char *method, const char *target)
{
    bool is_head = strcmp(method, "HEAD") == 0;
    char *body, *answer;

    if (!is_head && strcmp(method, "GET") != 0)
        return compose("405 Method Not Allowed\r\nAllow: GET, HEAD", "", "");
    if (strcspn(target, "?") != strlen("/metrics") || strncmp(target, "/metrics", 8) != 0)
        return compose("404 Not Found", SJ_NOT_FOUND, is_head ? "" : SJ_NOT_FOUND);
    body = body_of(server);
    if (body == NULL)
        return NULL;
    answer = compose("200 OK", body, is_head ? "" : body);
    free(body);
    return answer;
}
