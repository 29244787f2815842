/* SPDX-License-Identifier: MIT */
#ifndef SJ_BENCH_TASKS_COMMON_H
#define SJ_BENCH_TASKS_COMMON_H
/*
 * What the modules of long tasks share.  Each of them has handlers that need the same libraries, so
 * that nobody loads a library for another one's.  What each handler does and answers stands in
 * bench/peers/README.md, and so do the settings, which are the environment's.
 */
#include <stdint.h>
#include "http/handler.h"

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

struct settings {
    uint64_t sleep_ms, sleep_parts, attempts;
    const char *file, *temporary, *authority, *dns;
    const char *urls[N_PAGES]; /* NULL: not set, which is said by 502 */
};

enum { TIMEOUT_S = 60 };

/* What a fetch does with its page. */
enum use { ANSWER_IT, PARSE_IT };

/* At the start of a module. */
void settings_read(struct settings *settings);

/* Of the query, or the other one: 0, or 400. */
int tasks_number(struct sj_call *call, const char *name, uint64_t otherwise, uint64_t *number);

/* Text, as all tasks answer; 0 or -errno, for the handler to return. */
int tasks_answer(struct sj_call *call, const char *text);
int tasks_answer_number(struct sj_call *call, const char *format, uint64_t number);

#endif
