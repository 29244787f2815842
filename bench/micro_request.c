/* SPDX-License-Identifier: MIT */
/* From the octets of a request to its entry. */
#include "bench/micro.h"
#include <string.h>
#include "cache/index.h"
#include "core/clock.h"
#include "http/negotiate.h"
#include "http/request.h"
#include "http/target.h"

enum { FIELDS = 100 };

static const char curl_head[] = "GET /static/css/site.css HTTP/1.1\r\n"
                                "Host: 127.0.0.1:8080\r\n"
                                "User-Agent: curl/7.88.1\r\n"
                                "Accept: */*\r\n\r\n";

static const char browser_head[] =
    "GET /static/css/site.5af1c2d3e4f5.css?v=3 HTTP/1.1\r\n"
    "Host: www.example.org\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/css,*/*;q=0.1\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Referer: https://www.example.org/articles/2024/a-long-title-of-an-article/\r\n"
    "DNT: 1\r\n"
    "Connection: keep-alive\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=yes\r\n"
    "Sec-Fetch-Dest: style\r\n"
    "Sec-Fetch-Mode: no-cors\r\n"
    "Sec-Fetch-Site: same-origin\r\n"
    "If-None-Match: \"0123456789abcdef0123456789abcdef\"\r\n"
    "Priority: u=2\r\n"
    "Pragma: no-cache\r\n"
    "Cache-Control: no-cache\r\n\r\n";

static void parse_one(struct sj_request *request, const char *head, size_t length)
{
    static const struct sj_request_limits limits = {8192, FIELDS, 32768};

    sj_request_reset(request);
    micro_must(sj_request_parse(request, &limits, head, length) == 0, "parse");
}

static uint64_t parse(const char *head, size_t length, uint64_t n)
{
    struct sj_field fields[FIELDS];
    struct sj_request request = {.fields = fields};

    uint64_t began = sj_clock_ns();
    for (uint64_t i = 0; i < n; i++)
        parse_one(&request, head, length);
    return sj_clock_ns() - began;
}

static uint64_t parse_curl(struct micro *micro, uint64_t n)
{
    (void)micro;
    return parse(curl_head, sizeof curl_head - 1, n);
}

static uint64_t parse_browser(struct micro *micro, uint64_t n)
{
    (void)micro;
    return parse(browser_head, sizeof browser_head - 1, n);
}

static uint64_t target(struct micro *micro, uint64_t n)
{
    static const struct sj_text raw = {"/static/css/site.5af1c2d3e4f5.css?v=3", 37};
    char room[64];
    struct sj_target parsed;
    (void)micro;

    uint64_t began = sj_clock_ns();
    for (uint64_t i = 0; i < n; i++)
        micro_must(sj_target_parse(SJ_GET, raw, room, &parsed) == 0, "target");
    return sj_clock_ns() - began;
}

static uint64_t codings(struct micro *micro, uint64_t n)
{
    struct sj_field fields[FIELDS];
    struct sj_request request = {.fields = fields};
    struct sj_codings accepted;
    (void)micro;

    parse_one(&request, browser_head, sizeof browser_head - 1);
    uint64_t began = sj_clock_ns();
    for (uint64_t i = 0; i < n; i++) {
        sj_negotiate_codings(&request, browser_head, &accepted);
        micro_must(accepted.quality[SJ_BR] > 0, "codings");
    }
    return sj_clock_ns() - began;
}

static uint64_t lookup(struct micro *micro, uint64_t n)
{
    enum { PATHS = 1024, STEP = 7 };
    char paths[PATHS][MICRO_PATH];
    size_t lengths[PATHS];

    for (unsigned i = 0; i < PATHS; i++)
        lengths[i] = micro_path(paths[i], i * STEP % MICRO_FILES);
    uint64_t began = sj_clock_ns();
    for (uint64_t i = 0; i < n; i++) {
        const struct sj_generation *generation = sj_index_begin(micro->index);
        const char *path = paths[i % PATHS];
        micro_must(sj_generation_find(generation, path, lengths[i % PATHS]) != NULL, path);
        sj_index_end(micro->index);
    }
    return sj_clock_ns() - began;
}

const struct micro_row micro_request_rows[] = {
    {"parse a request head as of curl, 3 fields", 1000000, parse_curl},
    {"parse a request head as of a browser, 17 fields", 200000, parse_browser},
    {"decode a target", 1000000, target},
    {"read Accept-Encoding: gzip, deflate, br, zstd", 1000000, codings},
    {"find an entry among 10,000, within its section", 1000000, lookup},
    {NULL, 0, NULL},
};
