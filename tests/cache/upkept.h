/* SPDX-License-Identifier: MIT */
#ifndef SJ_TESTS_CACHE_UPKEPT_H
#define SJ_TESTS_CACHE_UPKEPT_H
/* An index with a cache directory, over a tree of its own that outlives it: it can be started
 * again. */
#include "tests/cache/site.h"

#include <time.h>
#include "cache/encode.h"
#include "tests/cache/contents.h"

struct upkept {
    struct tree *files; /* what is served */
    struct tree *disk;  /* of the cache directory */
    char directory[100];
    struct sj_cache_config cache;
    struct site *site; /* or NULL: not running */
    uint64_t memory_limit;
    uint64_t memory_file_limit;
    struct sj_entry *entries[4]; /* the last ones that were looked up: builds go on meanwhile */
    unsigned n_looked_up;
};

static inline int set_up(void **state)
{
    struct upkept *upkept = calloc(1, sizeof(*upkept));
    upkept->files = tree_new();
    upkept->disk = tree_new();
    snprintf(upkept->directory, sizeof(upkept->directory), "%s/cache", upkept->disk->path);
    upkept->cache = (struct sj_cache_config){
        .directory = upkept->directory, .byte_limit = 1 << 30, .compresses = true};
    upkept->memory_limit = 1 << 24;
    upkept->memory_file_limit = 1 << 20;
    *state = upkept;
    return 0;
}

/* What a test changes of the configuration, it changes before site_open. */
static inline void configure(struct upkept *upkept)
{
    upkept->site = site_new();
    upkept->site->root = upkept->files->path;
    upkept->site->cache = &upkept->cache;
    upkept->site->config.memory_limit = upkept->memory_limit;
    upkept->site->config.memory_file_limit = upkept->memory_file_limit;
}

static inline void start(struct upkept *upkept)
{
    configure(upkept);
    site_start(upkept->site);
}

static inline void stop(struct upkept *upkept)
{
    for (int i = 0; i < 4; i++) {
        sj_entry_release(upkept->entries[i]);
        upkept->entries[i] = NULL;
    }
    sj_index_cancel(upkept->site->index);
    site_free(upkept->site);
    upkept->site = NULL;
}

static inline int tear_down(void **state)
{
    struct upkept *upkept = *state;
    if (upkept->site != NULL)
        stop(upkept);
    tree_free(upkept->files);
    tree_free(upkept->disk);
    free(upkept);
    return 0;
}

static inline struct sj_index_status status_of(struct upkept *upkept)
{
    struct sj_index_status status;
    sj_index_status(upkept->site->index, &status);
    return status;
}

/* One turn of the base at the least, without waiting for long. */
static inline void turn(struct upkept *upkept)
{
    struct timeval wait = {.tv_usec = 5000};
    event_base_loopexit(upkept->site->base, &wait);
    event_base_loop(upkept->site->base, 0);
}

/* Until a build that looked at the files has ended; others may have come before it. */
static inline void reload(struct upkept *upkept)
{
    sj_index_reload(upkept->site->index);
    do
        assert_int_equal(site_wait(upkept->site), 0);
    while (upkept->site->result.kind == SJ_DEPLOY_COMPLETED);
}

/* Until every variant is at its best, and is served. */
static inline void finish(struct upkept *upkept)
{
    while (status_of(upkept).variants.n_improving != 0 || status_of(upkept).is_building)
        turn(upkept);
}

static inline void write_content(struct upkept *upkept, const char *name,
                                 const struct content *content)
{
    tree_write_bytes(upkept->files, name, content->bytes, content->length);
}

/* A content of words under that name; its seed is of no matter but to differ. */
static inline struct content put_words(struct upkept *upkept, const char *name, size_t length,
                                       uint32_t seed)
{
    struct content content = words(length, seed);
    write_content(upkept, name, &content);
    return content;
}

/* It stays good for the next three calls. */
static inline struct sj_entry *find_entry(struct upkept *upkept, const char *path)
{
    struct sj_entry **place = &upkept->entries[upkept->n_looked_up++ % 4];
    const struct sj_generation *generation = sj_index_begin(upkept->site->index);
    sj_entry_release(*place);
    *place = (struct sj_entry *)(uintptr_t)sj_generation_find(generation, path, strlen(path));
    assert_non_null(*place);
    sj_entry_acquire(*place);
    sj_index_end(upkept->site->index);
    return *place;
}

static inline const struct sj_representation *find_form(struct upkept *upkept, const char *path,
                                                        enum sj_coding coding)
{
    return &find_entry(upkept, path)->representations[coding];
}

/* Has the path a variant in that coding which expands to the content? */
static inline void assert_form(struct upkept *upkept, const char *path, enum sj_coding coding,
                               const struct content *content)
{
    const struct sj_file *file = find_form(upkept, path, coding)->file;
    assert_non_null(file);
    char *room = malloc(file->length);
    if (sj_file_bytes(file) != NULL)
        memcpy(room, sj_file_bytes(file), file->length);
    else
        assert_int_equal(pread(file->descriptor, room, file->length, 0), file->length);
    assert_expands(room, file->length, coding, content);
    free(room);
}

static inline void assert_forms(struct upkept *upkept, const char *path,
                                const struct content *content)
{
    for (int i = SJ_GZIP; i < SJ_CODINGS; i++)
        assert_form(upkept, path, i, content);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
