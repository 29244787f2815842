/* SPDX-License-Identifier: MIT */
#include "http/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "http/server_private.h"

#define SJ_GROUPED 32 /* 20 digits and their separators */

static void group(char to[SJ_GROUPED], uint64_t number, const char *separator)
{
    char digits[SJ_GROUPED];
    int n = snprintf(digits, sizeof(digits), "%" PRIu64, number);

    for (int i = 0; i < n; i++)
        to += sprintf(to, "%s%c", i > 0 && (n - i) % 3 == 0 ? separator : "", digits[i]);
}

void sj_report_generation(char line[SJ_REPORT_LINE], const struct sj_generation_summary *summary,
                          const char *separator)
{
    const uint64_t numbers[] = {summary->n_added, summary->n_changed, summary->n_removed,
                                summary->n_unchanged, summary->n_faults};
    char texts[5][SJ_GROUPED];

    for (size_t i = 0; i < 5; i++)
        group(texts[i], numbers[i], separator);
    snprintf(line, SJ_REPORT_LINE,
             "generation %" PRIu64
             ": %s added, %s changed, %s removed, %s unchanged, %s faults; %" PRIu64 " ms",
             summary->number, texts[0], texts[1], texts[2], texts[3], texts[4],
             summary->build_ns / 1000000);
}

/* A path need not be UTF-8; JSON must. */
static json_t *text_of(const char *text)
{
    json_t *made = json_string(text);
    char escaped[600];

    if (made != NULL)
        return made;
    return json_stringn(escaped, sj_log_escape(escaped, sizeof(escaped), text, strlen(text)));
}

json_t *sj_report_addresses(const struct sj_server *server)
{
    json_t *list = json_array();

    for (size_t i = 0; i < server->listeners.n_items; i++) {
        const struct sj_listener *listener = &server->listeners.items[i];

        if ((listener->loop == 0 || listener->loop == SJ_ALL_LOOPS) &&
            json_array_append_new(list, text_of(listener->address)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* Resident, as the kernel counts it; null where it does not say. */
static json_t *resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long long pages;
    bool is_known = file != NULL && fscanf(file, "%*u %llu", &pages) == 1;

    if (file != NULL)
        fclose(file);
    return is_known ? json_integer((json_int_t)(pages * (uint64_t)sysconf(_SC_PAGESIZE)))
                    : json_null();
}

#define NUMBER(number) ((json_int_t)(number))
#define COUNT(place)   NUMBER(ck_pr_load_64(&(place)))

/* What core/counters.h counts of one thread. */
static json_t *counters_of(const struct sj_counters *counters)
{
#define FORMAT(name, help) "s:I"
#define VALUE(name, help)  #name, COUNT(counters->name),
    return json_pack(
        "{" SJ_COUNTERS(FORMAT) "s:I s:I s:I s:I}", SJ_COUNTERS(VALUE) "queue_delay_p50_ns",
        NUMBER(sj_histogram_quantile(&counters->queue_delay, 0.5)), "queue_delay_p99_ns",
        NUMBER(sj_histogram_quantile(&counters->queue_delay, 0.99)), "run_time_p50_ns",
        NUMBER(sj_histogram_quantile(&counters->run_time, 0.5)), "run_time_p99_ns",
        NUMBER(sj_histogram_quantile(&counters->run_time, 0.99)));
#undef FORMAT
#undef VALUE
}

static json_t *loop_of(const struct sj_server *server, unsigned index)
{
    const struct sj_shard *shard = server->service.shards[index];
    json_t *loop =
        json_pack("{s:I s:I s:I s:I s:I}", "connections", COUNT(shard->n_assigned),
                  "connections_most", COUNT(shard->n_most), "accepted", COUNT(shard->n_accepted),
                  "requests", COUNT(shard->n_requests), "sent_bytes", COUNT(shard->n_octets_sent));
    json_t *counters = counters_of(sj_sched_counters(server->sched, index));

    if (loop == NULL || counters == NULL || json_object_update(loop, counters) != 0) {
        json_decref(loop);
        loop = NULL;
    }
    json_decref(counters);
    return loop;
}

/* Loops come first (core/sched.h). */
static json_t *threads_of(const struct sj_server *server, unsigned first, unsigned n)
{
    json_t *list = json_array();

    for (unsigned i = first; i < first + n; i++) {
        json_t *thread =
            first == 0 ? loop_of(server, i) : counters_of(sj_sched_counters(server->sched, i));

        if (json_array_append_new(list, thread) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* One route: what its loops have counted. */
static json_t *route_of(const struct sj_route *route)
{
    struct sj_histogram queue, run;
    char prefix[256], handler[256];
    json_t *made;

    snprintf(prefix, sizeof(prefix), "%.*s%s", (int)route->prefix.length, route->prefix.at,
             route->prefix.length == 0 ? "/" : "");
    snprintf(handler, sizeof(handler), "%s:%s", route->module->module->name, route->handler->name);
    sj_route_merge(route, offsetof(struct sj_route_cell, queue_delay), &queue);
    sj_route_merge(route, offsetof(struct sj_route_cell, run_time), &run);
#define STATUS(digit)          \
    NUMBER(sj_route_sum(route, \
                        offsetof(struct sj_route_cell, n_statuses) + (digit) * sizeof(uint64_t)))
#define FORMAT(member, name, help) "s:I"
#define VALUE(member, name, help) \
    name, NUMBER(sj_route_sum(route, offsetof(struct sj_route_cell, member))),
    made = json_pack(
        "{s:o s:o s:s s:I s:I s:I s:I s:I s:I s:I s:I" SJ_ROUTE_COUNTERS(FORMAT) "s:I s:I s:I s:I}",
        "prefix", text_of(prefix), "handler", text_of(handler), "class",
        route->handler->kind == SJ_ASYNC ? "asynchronous"
                                         : sj_route_class_name(sj_route_class_of(route)),
        "2xx", STATUS(2), "3xx", STATUS(3), "4xx", STATUS(4), "5xx", STATUS(5), "queued",
        COUNT(route->n_queued), "running", NUMBER(sj_route_running(route)), "promoted",
        NUMBER(ck_pr_load_uint(&route->n_promoted)), "sent_back",
        NUMBER(ck_pr_load_uint(&route->n_sent_back)), SJ_ROUTE_COUNTERS(VALUE) "queue_delay_p50_ns",
        NUMBER(sj_histogram_quantile(&queue, 0.5)), "queue_delay_p99_ns",
        NUMBER(sj_histogram_quantile(&queue, 0.99)), "run_time_p50_ns",
        NUMBER(sj_histogram_quantile(&run, 0.5)), "run_time_p99_ns",
        NUMBER(sj_histogram_quantile(&run, 0.99)));
#undef STATUS
#undef FORMAT
#undef VALUE
    return made;
}

static json_t *routes_of(const struct sj_routes *routes)
{
    json_t *list = json_array();

    for (size_t i = 0; i < routes->n_items; i++) {
        if (json_array_append_new(list, route_of(&routes->items[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* Those before the one that is served. */
static json_t *kept_of(const struct sj_index_status *status)
{
    json_t *list = json_array();

    for (unsigned i = 1; i < status->n_deploys; i++) {
        const struct sj_deploy_status *kept = &status->deploys[i];
        json_t *deploy =
            json_pack("{s:I s:I s:I s:I s:I}", "generation", NUMBER(kept->number), "urls",
                      NUMBER(kept->n_urls), "content_bytes", NUMBER(kept->n_bytes), "own_bytes",
                      NUMBER(kept->n_own_bytes), "replaced_s", NUMBER(kept->age_ms / 1000));

        if (json_array_append_new(list, deploy) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *index_of(const struct sj_index_status *status)
{
    const struct sj_generation_summary *summary = &status->summary;

    return json_pack(
        "{s:I s:I s:I s:I s:I s:I s:I s:I s:b s:b}", "generation", NUMBER(summary->number), "urls",
        NUMBER(summary->n_urls), "content_bytes", NUMBER(summary->n_bytes), "held_bytes",
        NUMBER(summary->n_held_bytes), "faults", NUMBER(summary->n_faults), "build_ms",
        NUMBER(summary->build_ns / 1000000), "files_read", NUMBER(status->n_files_read), "age_s",
        NUMBER(status->deploys[0].age_ms / 1000), "building", (int)status->is_building,
        "rolled_back", (int)status->is_rolled_back);
}

static json_t *variants_of(const struct sj_index_status *status)
{
    const struct sj_variants_status *variants = &status->variants;

    return json_pack("{s:I s:I s:I s:I s:I s:I s:I}", "served", NUMBER(variants->n_served),
                     "served_bytes", NUMBER(variants->n_bytes), "pending",
                     NUMBER(variants->n_pending), "improving", NUMBER(variants->n_improving),
                     "compressed", NUMBER(variants->n_compressed), "found",
                     NUMBER(variants->n_found), "cache_bytes", NUMBER(status->store_bytes));
}

static const char *state_of(const struct sj_server *server)
{
    if (server->state != SJ_SERVICE_SERVING)
        return "draining";
    return server->is_ready ? "serving" : "starting";
}

struct totals {
    uint64_t accepted, requests, octets_sent, pins;
};

/* What was released is read first: its keeping came before, so there are never less than none. */
static struct totals totals_of(const struct sj_service *service)
{
    struct totals totals = {0};

    for (unsigned i = 0; i < service->n_shards; i++)
        totals.pins -= ck_pr_load_64(&service->shards[i]->n_unpinned);
    ck_pr_fence_load();
    for (unsigned i = 0; i < service->n_shards; i++) {
        const struct sj_shard *shard = service->shards[i];

        totals.pins += ck_pr_load_64(&shard->n_pinned);
        totals.accepted += ck_pr_load_64(&shard->n_accepted);
        totals.requests += ck_pr_load_64(&shard->n_requests);
        totals.octets_sent += ck_pr_load_64(&shard->n_octets_sent);
    }
    return totals;
}

json_t *sj_report_status(const struct sj_server *server)
{
    struct totals totals = totals_of(&server->service);
    unsigned n_loops = server->service.n_shards;
    struct sj_index_status status;

    sj_index_status(server->service.site.index, &status);
    return json_pack("{s:s s:s s:I s:I s:O s:I s:I s:I s:I s:I s:o s:o s:o s:o s:o s:o s:o}",
                     "version", PACKAGE_VERSION, "state", state_of(server), "pid", NUMBER(getpid()),
                     "uptime_s", NUMBER((sj_clock_ns() - server->started_ns) / 1000000000),
                     "addresses", server->commands.addresses, "connections",
                     COUNT(server->service.n_open), "accepted", NUMBER(totals.accepted), "requests",
                     NUMBER(totals.requests), "sent_bytes", NUMBER(totals.octets_sent),
                     "responses_holding_entries", NUMBER(totals.pins), "memory_bytes",
                     resident_bytes(), "index", index_of(&status), "kept", kept_of(&status),
                     "variants", variants_of(&status), "routes", routes_of(&server->service.routes),
                     "loops", threads_of(server, 0, n_loops), "workers",
                     threads_of(server, n_loops, sj_sched_workers(server->sched)));
}
