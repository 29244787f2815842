/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_CONFIG_H
#define SJ_HTTP_CONFIG_H
/*
 * The server's settings and the one table they come from (config.c): one row an option.
 * Durations are milliseconds, sizes octets; UINT64_MAX is "none".
 */
#include <stdbool.h>
#include "core/option.h"

struct sj_config {
    struct sj_option_list listen;
    struct sj_option_list root;
    struct sj_option_list type;
    struct sj_option_list refuse_if;
    struct sj_option_list module;
    struct sj_option_list route;
    const char *index_file;
    const char *immutable;
    const char *spa;
    const char *headers;
    const char *access_log;
    const char *error_log;
    const char *log_level;
    const char *user;
    const char *group;
    const char *pid_file;
    const char *cache_dir; /* as given; NULL: http/cache_path.h says where */
    const char *control;   /* as given; NULL: http/control_path.h says where */
    const char *metrics;   /* as given; NULL: none */
    bool dotfiles;
    bool follow_symlinks;
    bool cors;
    bool watch;
    bool compress;
    bool io_uring;
    bool help;
    uint64_t max_age_ms;
    uint64_t memory_limit;
    uint64_t retain_generations;
    uint64_t retain_s;
    uint64_t retain_limit;
    uint64_t memory_file_limit;
    uint64_t cache_limit;
    uint64_t loops; /* 0: one for each core that may be used */
    uint64_t workers;
    uint64_t worker_nice;
    uint64_t spares;
    uint64_t wake_worth_us;
    uint64_t request_line_limit;
    uint64_t fields_limit;
    uint64_t fields_size_limit;
    uint64_t body_limit;
    uint64_t header_timeout_ms;
    uint64_t keepalive_timeout_ms;
    uint64_t write_timeout_ms;
    uint64_t min_rate; /* octets a second that a client must take */
    uint64_t drain_timeout_ms;
    uint64_t connections; /* 0: as many as descriptors allow */
    uint64_t connections_per_address;
    uint64_t backlog;
};

extern const struct sj_option sj_config_table[];

/* The roots to serve: `operand`, unless it is NULL, then those of --root, which so override it on
 * the same URL; "." when there is none.  For free; NULL: no memory. */
const char **sj_config_roots(const struct sj_config *config, const char *operand, size_t *n_roots);

#endif
