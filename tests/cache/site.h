/* SPDX-License-Identifier: MIT */
#ifndef SJ_TESTS_CACHE_SITE_H
#define SJ_TESTS_CACHE_SITE_H
/* An index over a tree, with a scheduler of its own, for tests. */
#include "cache/index.h"

#include <event2/event.h>
#include "tests/cache/tree.h"

struct site {
    struct tree *tree;
    char log_path[96];
    const char *root;
    struct sj_index_config config;
    const struct sj_cache_config *cache; /* NULL: no upkeep */
    struct event_base *base;
    struct sj_log *log;
    struct sj_sched *sched;
    struct sj_index *index;
    struct sj_index_result result;
    unsigned n_builds;
};

static inline void site_done(void *argument, const struct sj_index_result *result)
{
    struct site *site = argument;
    site->result = *result;
    site->n_builds++;
    event_base_loopbreak(site->base);
}

/* A tree and a configuration, which the test may change before it starts. */
static inline struct site *site_new(void)
{
    struct site *site = calloc(1, sizeof(*site));
    const char *paths[SJ_LOG_SINKS] = {site->log_path, NULL};
    const char *failed;
    struct sj_sched_config sched = {.n_loops = 1,
                                    .n_workers = 2,
                                    .quick_length = 64,
                                    .heavy_length = 64,
                                    .wake_worth_ns = 30000};
    site->tree = tree_new();
    snprintf(site->log_path, sizeof(site->log_path), "%s.log", site->tree->path);
    assert_int_equal(sj_log_new(paths, SJ_LOG_INFO, &site->log, &failed), 0);
    site->root = site->tree->path;
    site->config = (struct sj_index_config){.roots = &site->root,
                                            .n_roots = 1,
                                            .index_file = "index.html",
                                            .max_age_s = 60,
                                            .memory_limit = 1 << 20,
                                            .retained_generations = 1,
                                            .memory_file_limit = 1 << 16};
    site->base = event_base_new();
    assert_int_equal(sj_sched_new(&sched, &site->sched), 0);
    return site;
}

static inline void site_free(struct site *site)
{
    sj_sched_stop(site->sched);
    sj_index_free(site->index);
    sj_sched_free(site->sched);
    sj_log_free(site->log);
    event_base_free(site->base);
    unlink(site->log_path);
    tree_free(site->tree);
    free(site);
}

/* Until one more build has ended; its error. */
static inline int site_wait(struct site *site)
{
    unsigned before = site->n_builds;
    while (site->n_builds == before)
        event_base_loop(site->base, EVLOOP_ONCE);
    return site->result.error;
}

static inline int site_reload(struct site *site)
{
    sj_index_reload(site->index);
    return site_wait(site);
}

/* Before its first build. */
static inline void site_open(struct site *site)
{
    char error[256];
    if (sj_index_new(&site->config, site->sched, site->log, site->base, &site->index, error,
                     sizeof(error)) != 0)
        fail_msg("%s", error);
    if (site->cache != NULL)
        assert_int_equal(sj_index_open_cache(site->index, site->cache), 0);
    sj_index_set_done(site->index, site_done, site);
    assert_int_equal(sj_sched_start(site->sched), 0);
}

static inline void site_start(struct site *site)
{
    site_open(site);
    assert_int_equal(site_reload(site), 0);
}

/* The entry under a path, or NULL.  It stays good as no build runs between a test's steps. */
static inline const struct sj_entry *site_find(struct site *site, const char *path)
{
    const struct sj_generation *generation = sj_index_begin(site->index);
    const struct sj_entry *entry = sj_generation_find(generation, path, strlen(path));
    sj_index_end(site->index);
    return entry;
}

/* Time stamps so old that no state of a file is racy. */
static inline void site_settle(void)
{
    usleep(40000);
}

static inline void assert_text(struct sj_text text, const char *expected)
{
    if (text.length != strlen(expected) || memcmp(text.at, expected, text.length) != 0)
        fail_msg("\"%.*s\", expected \"%s\"", (int)text.length, text.at, expected);
}

static inline void assert_fields_have(const struct sj_entry *entry, const char *line)
{
    char *fields = strndup(entry->fields.at, entry->fields.length);
    if (strstr(fields, line) == NULL)
        fail_msg("no \"%s\" in \"%s\"", line, fields);
    free(fields);
}

static inline void assert_fields_lack(const struct sj_entry *entry, const char *name)
{
    char *fields = strndup(entry->fields.at, entry->fields.length);
    if (strstr(fields, name) != NULL)
        fail_msg("\"%s\" in \"%s\"", name, fields);
    free(fields);
}

/* Is a line in the log that has both parts? */
static inline bool has_logged(struct site *site, const char *first, const char *second)
{
    char line[SJ_LOG_LINE_MAX];
    bool has = false;
    FILE *log = fopen(site->log_path, "r");
    assert_non_null(log);
    while (fgets(line, sizeof(line), log) != NULL)
        has = has || (strstr(line, first) != NULL && strstr(line, second) != NULL);
    fclose(log);
    return has;
}

#endif
