/* SPDX-License-Identifier: MIT */
#include "bench/tasks/common.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXT = 64 };

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

void settings_read(struct settings *settings)
{
    *settings = (struct settings){
        .sleep_ms = number_setting("BENCH_SLEEP_MS", 280),
        .sleep_parts = number_setting("BENCH_SLEEP_PARTS", 10),
        .attempts = number_setting("BENCH_ATTEMPTS", 20),
        .file = getenv("BENCH_FILE"),
        .temporary = getenv("BENCH_TEMPORARY"),
        .authority = getenv("BENCH_CA"),
        .dns = getenv("BENCH_DNS"),
    };
    for (unsigned i = 0; i < N_PAGES; i++)
        settings->urls[i] = getenv(url_settings[i]);
}

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
