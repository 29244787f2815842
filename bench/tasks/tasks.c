/* SPDX-License-Identifier: MIT */
/*
 * Long tasks inside scrubjay: the rows of bench/tasks.py, by their names.
 *
 *     scrubjay serve --module tasks.so --route /sleep_sync=tasks:sleep_sync DIRECTORY
 */
#include "bench/tasks/tasks.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

int tasks_number(struct sj_call *call, const char *name, uint64_t otherwise, uint64_t *number)
{
    int got = sj_call_number(call, name, 1000000000, number);

    if (got == -ENOENT)
        *number = otherwise;
    return got == 0 || got == -ENOENT ? 0 : 400;
}

int tasks_answer(struct sj_call *call, const char *text)
{
    int got = sj_answer_field(call, "Content-Type", "text/plain");

    return got != 0 ? got : sj_answer_text(call, text);
}

int tasks_answer_number(struct sj_call *call, const char *format, uint64_t number)
{
    char text[TEXT];

    snprintf(text, sizeof text, format, number);
    return tasks_answer(call, text);
}

/* A handler for each page: what fetches it, which one, what is done with it. */
#define FETCHES(X)                                                            \
    X(network_sync_local, sync, LOCAL, ANSWER_IT)                             \
    X(network_async_local, async, LOCAL, ANSWER_IT)                           \
    X(network_sync_external, sync, EXTERNAL, ANSWER_IT)                       \
    X(network_async_external, async, EXTERNAL, ANSWER_IT)                     \
    X(network_async_external_retry, async, EXTERNAL_RETRY, ANSWER_IT)         \
    X(network_async_dns_external, async, EXTERNAL_DNS, ANSWER_IT)             \
    X(network_async_dns_external_retry, async, EXTERNAL_DNS_RETRY, ANSWER_IT) \
    X(network_https_sync, sync, HTTPS, ANSWER_IT)                             \
    X(network_https_async, async, HTTPS, ANSWER_IT)                           \
    X(network_https_async_retry, async, HTTPS_RETRY, ANSWER_IT)               \
    X(network_https_dns_async, async, HTTPS_DNS, ANSWER_IT)                   \
    X(network_https_dns_async_retry, async, HTTPS_DNS_RETRY, ANSWER_IT)       \
    X(network_https_cpu_bound_sync, sync, HTTPS_XML, PARSE_IT)                \
    X(network_https_cpu_bound_async, async, HTTPS_XML, PARSE_IT)

#define FETCH(name, how, page, what)                       \
    static int name(struct sj_call *call)                  \
    {                                                      \
        return fetch_##how##_run(call, PAGE_##page, what); \
    }
FETCHES(FETCH)

#define KIND_sync  SJ_SYNC
#define KIND_async SJ_ASYNC

#define ROW(name, how, page, what) {#name, name, KIND_##how},
static const struct sj_handler handlers[] = {
    {"sleep_sync", tasks_sleep_sync, SJ_SYNC},
    {"sleep_async", tasks_sleep_async, SJ_ASYNC},
    {"sleep_async_split", tasks_sleep_async_split, SJ_ASYNC},
    {"cpu", tasks_cpu, SJ_SYNC},
    {"spin", tasks_spin, SJ_SYNC},
    {"fork", tasks_fork, SJ_SYNC},
    {"file_sync", tasks_file_sync, SJ_SYNC},
    {"file_async", tasks_file_async, SJ_ASYNC},
    FETCHES(ROW){0}};

static const char *const url_settings[N_PAGES] = {
    [PAGE_LOCAL] = "BENCH_LOCAL_URL",
    [PAGE_EXTERNAL] = "BENCH_EXTERNAL_URL",
    [PAGE_EXTERNAL_RETRY] = "BENCH_EXTERNAL_RETRY_URL",
    [PAGE_EXTERNAL_DNS] = "BENCH_EXTERNAL_DNS_URL",
    [PAGE_EXTERNAL_DNS_RETRY] = "BENCH_EXTERNAL_DNS_RETRY_URL",
    [PAGE_HTTPS] = "BENCH_HTTPS_URL",
    [PAGE_HTTPS_RETRY] = "BENCH_HTTPS_RETRY_URL",
    [PAGE_HTTPS_DNS] = "BENCH_HTTPS_DNS_URL",
    [PAGE_HTTPS_DNS_RETRY] = "BENCH_HTTPS_DNS_RETRY_URL",
    [PAGE_HTTPS_XML] = "BENCH_HTTPS_XML_URL",
};

static uint64_t number_setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    uint64_t number = text != NULL ? strtoull(text, NULL, 10) : 0;

    return number != 0 ? number : otherwise;
}

static void read_settings(struct tasks *tasks)
{
    *tasks = (struct tasks){
        .sleep_ms = number_setting("BENCH_SLEEP_MS", 280),
        .sleep_parts = number_setting("BENCH_SLEEP_PARTS", 10),
        .attempts = number_setting("BENCH_ATTEMPTS", 20),
        .file = getenv("BENCH_FILE"),
        .temporary = getenv("BENCH_TEMPORARY"),
        .authority = getenv("BENCH_CA"),
        .dns = getenv("BENCH_DNS"),
    };
    for (unsigned i = 0; i < N_PAGES; i++)
        tasks->urls[i] = getenv(url_settings[i]);
}

static void stop(void *context)
{
    struct tasks *tasks = context;

    fetch_async_free(tasks->async);
    fetch_sync_free(tasks->sync);
    free(tasks);
}

static int start(const struct sj_setup *setup, void **context)
{
    struct tasks *tasks = malloc(sizeof *tasks);

    if (tasks == NULL)
        return -ENOMEM;
    read_settings(tasks);
    tasks->rounds_per_us = tasks_calibrate();
    tasks->sync = fetch_sync_new(tasks);
    tasks->async = fetch_async_new(tasks, setup);
    if (tasks->sync == NULL || tasks->async == NULL) {
        snprintf(setup->error, setup->error_size, "no memory, or BENCH_CA, BENCH_DNS are wrong");
        stop(tasks);
        return -EINVAL;
    }
    *context = tasks;
    return 0;
}

SJ_MODULE = {.abi = SJ_ABI, .name = "tasks", .handlers = handlers, .start = start, .stop = stop};
