/* SPDX-License-Identifier: MIT */
/*
 * An open loop: GET requests at a fixed rate, whatever the answers do.
 *
 *     rate [-p] PORT RATE SECONDS CONNECTIONS PATHS [TASK TASK_RATE]
 *
 * Request n is due at the start + n / RATE, takes the keep-alive connection that has been idle for
 * longest, and waits where none is; it asks for the targets in the file PATHS, one a line, in turn.
 * Its latency counts from when it was due, so that a stall of a second shows in the latency of all
 * requests of that second, not of one a connection.  A connection that the server closes is opened
 * again; a request that it had taken is lost, and not sent a second time.
 *
 * With -p the gaps between requests are random and exponential (a Poisson process), the same ones
 * each time.  TASK is a target that is asked for as well, at a rate of its own, over the same
 * connections: those which wait for it are not idle.
 *
 * It takes real-time priority where it may, as clients on other machines do not wait for what runs
 * on the server's: with a server that works in the background at the lowest priority it would else
 * wait for that up to 4 ms itself, as Linux's scheduler gives all that is runnable its share.
 *
 * Prints one JSON object: counts, and quantiles in microseconds, right to 1.6 %, and the same of
 * the tasks.  "in_time": answered before the seconds were over.  "late" is by how much requests
 * left later than due although a connection was idle: the generator's own part.
 */
#include "bench/rate.h"
#include <inttypes.h>
#include <math.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define LEAD_NS (RATE_SECOND_NS / 10) /* to connect before the first request */

uint64_t rate_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * RATE_SECOND_NS + (uint64_t)now.tv_nsec;
}

void rate_record(struct rate_histogram *h, uint64_t ns)
{
    unsigned shift =
        ns >> RATE_SUB_BITS == 0 ? 0 : 63 - RATE_SUB_BITS - (unsigned)__builtin_clzll(ns);

    h->buckets[((uint64_t)shift << RATE_SUB_BITS) + (ns >> shift)]++;
    h->n++;
    h->max_ns = ns > h->max_ns ? ns : h->max_ns;
}

/* The upper edge of the bucket that holds it. */
static double quantile_us(const struct rate_histogram *h, double q)
{
    uint64_t seen = 0, rank = (uint64_t)((double)h->n * q);

    for (uint64_t i = 0; i < 64 << RATE_SUB_BITS; i++) {
        uint64_t shift = i >> RATE_SUB_BITS <= 1 ? 0 : (i >> RATE_SUB_BITS) - 1;
        seen += h->buckets[i];
        if (seen > rank) {
            uint64_t edge = (i - (shift << RATE_SUB_BITS) + 1) << shift;
            return (double)(edge < h->max_ns ? edge : h->max_ns) / 1e3;
        }
    }
    return (double)h->max_ns / 1e3;
}

void rate_advance(const struct rate_run *run, struct rate_class *class)
{
    double gap_ns = (double)RATE_SECOND_NS / class->rate;

    class->n_sent++;
    if (run->is_poisson)
        class->due_ns += (uint64_t)(-log(1 - erand48(class->seed)) * gap_ns);
    else
        class->due_ns = run->start_ns + (uint64_t)((double)class->n_sent * gap_ns);
}

struct rate_class *rate_first_due(struct rate_run *run)
{
    struct rate_class *first = NULL;

    for (unsigned i = 0; i < RATE_CLASSES; i++) {
        struct rate_class *class = &run->classes[i];
        if (class->due_ns < run->end_ns && (first == NULL || class->due_ns < first->due_ns))
            first = class;
    }
    return first;
}

/* They count with how long they have waited. */
static void give_up(struct rate_run *run, const struct rate_connection *all, size_t n_connections)
{
    uint64_t now = rate_now_ns();

    for (size_t i = 0; i < n_connections; i++) {
        if (all[i].state == RATE_BUSY)
            rate_record(&all[i].class->latency, now - all[i].due_ns);
    }
    for (struct rate_class *class; (class = rate_first_due(run)) != NULL;) {
        rate_record(&class->latency, now - class->due_ns);
        rate_advance(run, class);
    }
}

static void add_target(struct rate_class *class, const char *target)
{
    char **more = reallocarray(class->requests, class->n_requests + 1, sizeof(*more));

    if (more == NULL)
        rate_die("reallocarray");
    class->requests = more;
    if (asprintf(&more[class->n_requests++], "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", target) <
        0)
        rate_die("asprintf");
}

static void read_paths(struct rate_class *class, const char *path)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t size = 0;

    if (file == NULL)
        rate_die(path);
    while (getline(&line, &size, file) > 0) {
        line[strcspn(line, "\n")] = '\0';
        add_target(class, line);
    }
    free(line);
    fclose(file);
}

static void print_class(const struct rate_class *class)
{
    const struct rate_histogram *h = &class->latency;

    printf("\"requests\": %" PRIu64 ", \"answered\": %" PRIu64 ", \"in_time\": %" PRIu64
           ", \"lost\": %" PRIu64 ", \"not_200\": %" PRIu64 ", \"unanswered\": %" PRIu64 ", ",
           class->n_sent, class->n_answered, class->n_in_time, class->n_lost, class->n_not_200,
           class->n_sent - class->n_answered - class->n_lost);
    printf("\"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f",
           quantile_us(h, 0.5), quantile_us(h, 0.99), quantile_us(h, 0.999),
           (double)h->max_ns / 1e3);
}

static void print(const struct rate_run *run)
{
    printf("{");
    print_class(&run->classes[0]);
    printf(", \"refused\": %" PRIu64 ", \"closed\": %" PRIu64
           ", \"late_p99_us\": %.1f, \"is_first\": %s",
           run->n_refused, run->n_closed, quantile_us(&run->late, 0.99),
           run->is_first ? "true" : "false");
    if (run->classes[1].n_requests > 0) {
        printf(", \"tasks\": {");
        print_class(&run->classes[1]);
        printf("}");
    }
    printf("}\n");
}

static bool go_first(void)
{
    return sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1}) == 0;
}

/* When each class begins, by what it has to ask for. */
static void plan(struct rate_run *run, double seconds)
{
    run->start_ns = rate_now_ns() + LEAD_NS;
    run->end_ns = run->start_ns + (uint64_t)(seconds * (double)RATE_SECOND_NS);
    for (unsigned i = 0; i < RATE_CLASSES; i++) {
        struct rate_class *class = &run->classes[i];
        class->seed[0] = (unsigned short)(i + 1);
        class->due_ns = class->rate > 0 && class->n_requests > 0 ? run->start_ns : run->end_ns;
    }
}

static struct rate_connection *new_connections(struct rate_run *run, size_t n)
{
    struct rate_connection *all = calloc(n, sizeof(*all));

    if (all == NULL)
        rate_die("calloc");
    TAILQ_INIT(&run->idle);
    TAILQ_INIT(&run->down);
    for (size_t i = 0; i < n; i++)
        TAILQ_INSERT_TAIL(&run->down, &all[i], link);
    return all;
}

/* False: they are no such arguments. */
static bool read_arguments(struct rate_run *run, int argc, char **argv)
{
    if (argc != 6 && argc != 8)
        return false;
    run->port = (uint16_t)atoi(argv[1]);
    run->classes[0].rate = atof(argv[2]);
    read_paths(&run->classes[0], argv[5]);
    if (argc == 8) {
        add_target(&run->classes[1], argv[6]);
        run->classes[1].rate = atof(argv[7]);
    }
    plan(run, atof(argv[3]));
    return rate_first_due(run) != NULL && atoi(argv[4]) > 0;
}

int main(int argc, char **argv)
{
    static struct rate_run run;

    run.is_poisson = argc > 1 && strcmp(argv[1], "-p") == 0;
    argc -= run.is_poisson;
    argv += run.is_poisson;
    if (!read_arguments(&run, argc, argv)) {
        fprintf(stderr, "usage: rate [-p] PORT RATE SECONDS CONNECTIONS PATHS [TASK TASK_RATE]\n");
        return 2;
    }
    size_t n_connections = strtoull(argv[4], NULL, 10);
    struct rate_connection *all = new_connections(&run, n_connections);
    run.is_first = go_first();
    prctl(PR_SET_TIMERSLACK, 1); /* else a sleep ends up to 50 us late */
    rate_send_all(&run);
    give_up(&run, all, n_connections);
    print(&run);
    free(all);
    return 0;
}
