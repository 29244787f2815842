/* SPDX-License-Identifier: MIT */
#include "http/config.h"

#include <stdlib.h>

#include "cache/deploys.h"

#define AT(member) offsetof(struct sj_config, member)
#define HEADING(text) \
    {                 \
        .help = text  \
    }
#define FLAG(NAME, MEMBER, DEFAULT, HELP)                                                          \
    {                                                                                              \
        .name = NAME, .type = SJ_OPTION_FLAG, .offset = AT(MEMBER), .value = DEFAULT, .help = HELP \
    }
#define TEXT(NAME, MEMBER, DEFAULT, NONE, ARGUMENT, HELP)                             \
    {                                                                                 \
        .name = NAME, .type = SJ_OPTION_TEXT, .offset = AT(MEMBER), .value = DEFAULT, \
        .none = NONE, .argument = ARGUMENT, .help = HELP                              \
    }
#define LIST(NAME, MEMBER, ARGUMENT, HELP)                                                \
    {                                                                                     \
        .name = NAME, .type = SJ_OPTION_LIST, .offset = AT(MEMBER), .argument = ARGUMENT, \
        .help = HELP                                                                      \
    }
#define RANGED(TYPE, NAME, MEMBER, MIN, MAX, DEFAULT, NONE, ARGUMENT, HELP)                   \
    {                                                                                         \
        .name = NAME, .type = SJ_OPTION_##TYPE, .offset = AT(MEMBER), .min = MIN, .max = MAX, \
        .value = DEFAULT, .none = NONE, .argument = ARGUMENT, .help = HELP                    \
    }

#define DAY_MS   (24 * 3600 * 1000ull)
#define YEARS_MS (3650 * DAY_MS)
#define TIB      (1ull << 40)

/* clang-format off */
const struct sj_option sj_config_table[] = {
    HEADING("Where it listens"),
    LIST("listen", listen, "ADDRESS", "HOST:PORT, [IPV6]:PORT, unix:PATH or fd://N; repeatable; default 127.0.0.1:8080, or the sockets that systemd passes"),
    RANGED(NUMBER, "backlog", backlog, 1, 65535, "2048", NULL, "N", "connections that wait to be accepted"),

    HEADING("What it serves"),
    LIST("root", root, "[PREFIX=]DIR", "a directory, under a URL prefix; repeatable, on the same URL the last one wins"),
    TEXT("index-file", index_file, "index.html", "none", "NAME", "served for its directory; none: off"),
    FLAG("dotfiles", dotfiles, NULL, "index names that begin with a dot, too (/.well-known/ always is)"),
    FLAG("follow-symlinks", follow_symlinks, NULL, "follow symbolic links that leave the root"),
    LIST("type", type, ".EXT=TYPE", "media type of a file name extension; repeatable"),
    TEXT("spa", spa, NULL, NULL, "PATH", "URL path of the page that answers unknown paths without a file extension"),
    FLAG("watch", watch, "yes", "do not reload when files change (inotify)"),
    RANGED(SIZE, "memory-limit", memory_limit, 0, TIB, "256M", NULL, "SIZE", "of file bodies held in memory; beyond it files go by sendfile"),
    RANGED(SIZE, "memory-file-limit", memory_file_limit, 0, TIB, "1M", NULL, "SIZE", "larger files always go by sendfile"),
    FLAG("compress", compress, "yes", "make no gzip, br and zstd variants; serve those beside the files"),
    TEXT("cache-dir", cache_dir, NULL, NULL, "DIR", "where variants, and what is known of the files, outlive the process; none: nowhere; default: systemd's $CACHE_DIRECTORY, else scrubjay in $XDG_CACHE_HOME, for root in /var/cache, else in ~/.cache"),
    RANGED(SIZE, "cache-limit", cache_limit, 0, TIB, "1G", NULL, "SIZE", "of that directory; beyond it what was used least recently is removed"),

    HEADING("Request handlers"),
    LIST("module", module, "FILE[,SETTINGS]", "a shared object with request handlers, see scrubjay-handler(3); repeatable"),
    LIST("route", route, "PREFIX=MODULE:HANDLER[,NAME=VALUE]...", "which handler answers the paths under PREFIX; class=learned, heavy, quick or blocking; time=TIME, else 504 (default 30s); running=N at the same time, queue=N waiting, else 503 (default none, but 3/4 of --spares once it blocks; 1000); body=SIZE, else 413 (default --body-limit); repeatable"),

    HEADING("Deploys"),
    LIST("refuse-if", refuse_if, "CONDITION", "keep the current index when the next one would have, for example, removed>20%, missing-assets>0, faults>=10 or urls<100; see scrubjay(8); repeatable"),
    RANGED(NUMBER, "retain-generations", retain_generations, 1, SJ_DEPLOYS_MAX, "2", NULL, "N", "generations, the served one among them, whose immutable URLs are answered and to which rollback returns"),
    RANGED(NUMBER, "retain-seconds", retain_s, 0, YEARS_MS / 1000, "3600", NULL, "N", "after which a generation that was replaced is dropped"),
    RANGED(SIZE, "retain-limit", retain_limit, 0, TIB, "256M", NULL, "SIZE", "of file bodies that are held in memory for replaced generations alone"),

    HEADING("Header fields"),
    RANGED(DURATION, "max-age", max_age_ms, 0, YEARS_MS, "60s", "none", "TIME", "Cache-Control of files that are not immutable; none: no such field"),
    TEXT("immutable", immutable, NULL, NULL, "REGEX", "URL paths whose content never changes; default: names with a hash, as Django, webpack and Vite write them"),
    FLAG("cors", cors, "yes", "no Access-Control-Allow-Origin: *"),
    TEXT("headers", headers, NULL, NULL, "FILE", "more fields by path pattern, in the _headers form"),

    HEADING("Limits"),
    RANGED(SIZE, "request-line-limit", request_line_limit, 64, 65536, "8K", NULL, "SIZE", "of the request line; 414 beyond"),
    RANGED(NUMBER, "fields-limit", fields_limit, 1, 1000, "100", NULL, "N", "header fields of a request; 431 beyond"),
    RANGED(SIZE, "fields-size-limit", fields_size_limit, 64, 1048576, "32K", NULL, "SIZE", "of all header fields of a request; 431 beyond"),
    RANGED(SIZE, "body-limit", body_limit, 0, TIB, "1M", NULL, "SIZE", "of a request's body; 413 beyond"),
    RANGED(DURATION, "header-timeout", header_timeout_ms, 1, DAY_MS, "10s", NULL, "TIME", "from a request's first octet to the end of its head, and for its body; 408 beyond"),
    RANGED(DURATION, "keepalive-timeout", keepalive_timeout_ms, 1, DAY_MS, "65s", NULL, "TIME", "between two requests of a connection"),
    RANGED(DURATION, "write-timeout", write_timeout_ms, 1, DAY_MS, "30s", NULL, "TIME", "in which a client must take a part of its response"),
    RANGED(SIZE, "min-rate", min_rate, 0, TIB, "500", NULL, "SIZE", "a second that it must take meanwhile"),
    RANGED(NUMBER, "connections", connections, 0, 10000000, "0", NULL, "N", "open at the same time; 0: as many as descriptors allow"),
    RANGED(NUMBER, "connections-per-address", connections_per_address, 0, 10000000, "0", NULL, "N", "open at the same time from one client address; 0: no limit"),

    HEADING("Threads"),
    RANGED(NUMBER, "loops", loops, 0, SJ_LOOPS_MAX, "0", NULL, "N", "threads that serve; 0: one for each core it may use"),
    RANGED(NUMBER, "workers", workers, 0, SJ_WORKERS_MAX, "0", NULL, "N", "threads that index and run handlers; 0: one for each core it may use"),
    RANGED(NUMBER, "spares", spares, 0, SJ_SPARES_MAX, "256", NULL, "N", "threads that take the place of workers whose handler blocks"),
    RANGED(NUMBER, "worker-nice", worker_nice, 0, 19, "10", NULL, "N", "nice value by which workers stand back behind loops, to which they yield at once where they may; 0: neither"),
    RANGED(NUMBER, "wake-worth", wake_worth_us, 0, 1000000, "30", NULL, "US", "microseconds of queued work that are worth waking another loop"),
    FLAG("io-uring", io_uring, "yes", "make each receive and each send a system call of its own"),

    HEADING("Logs and process"),
    TEXT("access-log", access_log, NULL, NULL, "FILE", "combined form; - is standard output; default: off"),
    TEXT("error-log", error_log, NULL, NULL, "FILE", "default: standard error"),
    TEXT("log-level", log_level, "info", NULL, "LEVEL", "error, warning, info or debug"),
    TEXT("user", user, NULL, NULL, "NAME", "become this user once the sockets are bound"),
    TEXT("group", group, NULL, NULL, "NAME", "and this group; default: the user's"),
    TEXT("pid-file", pid_file, NULL, NULL, "FILE", "written at the start, removed at the end"),
    TEXT("control", control, NULL, NULL, "PATH", "Unix socket for scrubjay plan, reload, status, rollback and stop; none: off; default: control.sock in systemd's $RUNTIME_DIRECTORY, else scrubjay.sock in $XDG_RUNTIME_DIR or, for root, in /run"),
    TEXT("metrics", metrics, NULL, NULL, "ADDRESS", "HOST:PORT or unix:PATH at which anybody may ask for /metrics, in Prometheus' form; the control socket answers that, too"),
    RANGED(DURATION, "drain-timeout", drain_timeout_ms, 0, DAY_MS, "30s", NULL, "TIME", "for responses to end after SIGTERM"),
    {.name = "help", .letter = 'h', .type = SJ_OPTION_FLAG, .offset = AT(help), .help = "print this and exit"},
    {0},
};
/* clang-format on */

const char **sj_config_roots(const struct sj_config *config, const char *operand, size_t *n_roots)
{
    const char **roots = calloc(config->root.n_items + 1, sizeof(*roots));

    if (roots == NULL)
        return NULL;
    *n_roots = 0;
    if (operand != NULL || config->root.n_items == 0)
        roots[(*n_roots)++] = operand != NULL ? operand : ".";
    for (size_t i = 0; i < config->root.n_items; i++)
        roots[(*n_roots)++] = config->root.items[i];
    return roots;
}
