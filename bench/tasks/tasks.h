/* SPDX-License-Identifier: MIT */
#ifndef SJ_BENCH_TASKS_TASKS_H
#define SJ_BENCH_TASKS_TASKS_H
/*
 * The module of long tasks: what its handlers share.  What each of them does and answers stands in
 * bench/README.md, and so do the settings, which are the environment's.
 */
#include <stdint.h>
#include "http/handler.h"

struct fetch_async;
struct fetch_sync;

enum page {
    PAGE_LOCAL,
    PAGE_EXTERNAL,
    PAGE_EXTERNAL_RETRY,
    PAGE_EXTERNAL_DNS,
    PAGE_EXTERNAL_DNS_RETRY,
    PAGE_HTTPS,
    PAGE_HTTPS_RETRY,
    PAGE_HTTPS_DNS,
    PAGE_HTTPS_DNS_RETRY,
    PAGE_HTTPS_XML,
    N_PAGES
};

/* The module's context: written by start only. */
struct tasks {
    uint64_t sleep_ms, sleep_parts, attempts;
    const char *file, *temporary, *authority, *dns;
    const char *urls[N_PAGES]; /* NULL: not set, which is said by 502 */
    double rounds_per_us;      /* of arithmetic_spin */
    struct fetch_async *async;
    struct fetch_sync *sync;
};

enum { TIMEOUT_S = 60, TEXT = 64 };

/* Of the query, or the other one: 0, or 400. */
int tasks_number(struct sj_call *call, const char *name, uint64_t otherwise, uint64_t *number);

/* Text, as all tasks answer; 0 or -errno, for the handler to return. */
int tasks_answer(struct sj_call *call, const char *text);
int tasks_answer_number(struct sj_call *call, const char *format, uint64_t number);

/* One at a time, at the start: how many rounds the cpu task needs for a microsecond. */
double tasks_calibrate(void);

int tasks_sleep_sync(struct sj_call *call);
int tasks_sleep_async(struct sj_call *call);
int tasks_sleep_async_split(struct sj_call *call);
int tasks_cpu(struct sj_call *call);
int tasks_spin(struct sj_call *call);
int tasks_fork(struct sj_call *call);
int tasks_file_sync(struct sj_call *call);
int tasks_file_async(struct sj_call *call);

/* Fetches: `what` is done with the page. */
enum use { ANSWER_IT, PARSE_IT };

/* NULL: no memory, or what is trusted cannot be read; `error` says so. */
struct fetch_sync *fetch_sync_new(const struct tasks *tasks);
void fetch_sync_free(struct fetch_sync *sync);
int fetch_sync_run(struct sj_call *call, enum page page, enum use what);

struct fetch_async *fetch_async_new(const struct tasks *tasks, const struct sj_setup *setup);
void fetch_async_free(struct fetch_async *async);
int fetch_async_run(struct sj_call *call, enum page page, enum use what);

#endif
