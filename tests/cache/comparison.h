/* SPDX-License-Identifier: MIT */
#ifndef SJ_TESTS_CACHE_COMPARISON_H
#define SJ_TESTS_CACHE_COMPARISON_H
/* Two generations made by hand, and what changes from one to the other; allocations can be made to
 * fail (-Wl,--wrap=calloc,malloc,realloc,reallocarray). */
#include "cache/changes.h"

#include <xxhash.h>
#include "cache/recipe.h"
#include "core/pr.h"
#include "core/sched.h"
#include "tests/cache/tree.h"

#define SEED 1 /* of the hashes of paths */

enum holding { HELD, BY_NAME, BY_DESCRIPTOR };

struct fixture {
    struct tree *tree;
    struct sj_settings *settings;
    struct sj_root *root;
    char *room;
    struct sj_generation *before;
    struct sj_generation *after;
    uint32_t is_cancelled;
    bool skips_pages;
    int64_t modified_ns; /* of the files to come */
    struct sj_changes *changes;
};

static inline int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct sj_index_config config = {.max_age_s = 60};
    char error[128];
    fixture->tree = tree_new();
    struct sj_root_spec spec = {.prefix = "/", .path = fixture->tree->path};
    assert_int_equal(sj_settings_new(&config, &fixture->settings, error, sizeof(error)), 0);
    assert_int_equal(sj_root_new(&spec, &fixture->root), 0);
    fixture->room = malloc(sj_recipe_room(NULL));
    fixture->before = sj_generation_new(0, 8, SEED);
    fixture->after = sj_generation_new(0, 8, SEED);
    fixture->modified_ns = 1000000000000000000;
    *state = fixture;
    return 0;
}

static inline void free_generations(struct fixture *fixture)
{
    sj_generation_release(fixture->before);
    sj_generation_release(fixture->after);
    fixture->before = fixture->after = NULL;
}

static inline int tear_down(void **state)
{
    struct fixture *fixture = *state;
    free_generations(fixture);
    sj_changes_free(fixture->changes);
    sj_settings_free(fixture->settings);
    sj_root_release(fixture->root);
    free(fixture->room);
    tree_free(fixture->tree);
    free(fixture);
    return 0;
}

/* --- generations made by hand */

static inline struct sj_file *make_file(const struct fixture *fixture, const char *content)
{
    struct sj_disk_file *made = sj_disk_file_new(NULL, 0);
    XXH128_canonical_t canonical;
    assert_non_null(made);
    struct sj_file *file = &made->file;
    file->length = strlen(content);
    file->bytes = strdup(content);
    made->identity =
        (struct sj_identity){.size = file->length, .modified_ns = fixture->modified_ns};
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(content, file->length));
    memcpy(file->digest, canonical.digest, sizeof(file->digest));
    return file;
}

/* An entry with one reference; its name is below the root, and a page's path its directory's. */
static inline struct sj_entry *make(const struct fixture *fixture, const char *name,
                                    struct sj_file *const files[SJ_CODINGS])
{
    char whole[256];
    struct sj_recipe recipe = {
        .settings = fixture->settings, .root = fixture->root, .whole = whole, .now = INT32_MAX};
    size_t length = (size_t)snprintf(whole, sizeof(whole), "/%s", name);
    recipe.path_length = length;
    if (length > 10 && strcmp(whole + length - 10, "index.html") == 0)
        recipe.path_length = length - 10;
    memcpy(recipe.files, files, sizeof(recipe.files));
    struct sj_entry *entry = sj_recipe_make(&recipe, fixture->room);
    assert_non_null(entry);
    return entry;
}

/* Takes over the reference. */
static inline void put_entry(struct sj_generation *generation, struct sj_entry *entry)
{
    struct sj_sheaf *sheaf = sj_sheaf_new(1, 0);
    assert_non_null(sheaf);
    sj_sheaf_put(sheaf, entry, sj_text_hash(entry->path, SEED));
    assert_int_equal(sj_generation_put_sheaf(generation, sheaf), 0);
    sj_sheaf_release(sheaf);
}

static inline struct sj_entry *put(const struct fixture *fixture, struct sj_generation *generation,
                                   const char *name, const char *content)
{
    struct sj_file *files[SJ_CODINGS] = {make_file(fixture, content)};
    struct sj_entry *entry = make(fixture, name, files);
    sj_file_release(files[SJ_IDENTITY]);
    put_entry(generation, entry);
    return entry;
}

/* The same entry in both. */
static inline struct sj_entry *put_both(const struct fixture *fixture, const char *name,
                                        const char *content)
{
    struct sj_entry *entry = put(fixture, fixture->before, name, content);
    sj_entry_acquire(entry);
    put_entry(fixture->after, entry);
    return entry;
}

static inline void put_redirect(const struct fixture *fixture, struct sj_generation *generation,
                                const char *path)
{
    char *whole = strdup(path);
    struct sj_recipe recipe = {.kind = SJ_RECIPE_TO_DIRECTORY,
                               .settings = fixture->settings,
                               .root = fixture->root,
                               .whole = whole,
                               .path_length = strlen(path)};
    struct sj_entry *entry = sj_recipe_make(&recipe, fixture->room);
    put_entry(generation, entry);
    free(whole);
}

static inline void put_fault(struct sj_generation *generation, const char *name, const char *reason)
{
    const char *const path[3] = {"/srv", "", name};
    struct sj_fault *list = NULL;
    assert_int_equal(sj_fault_push(&list, path, reason), 0);
    assert_int_equal(sj_generation_put_faults(generation, list), 0);
}

/* Moves the content to a file in the tree. */
static inline void unhold(const struct fixture *fixture, struct sj_entry *entry,
                          enum holding holding)
{
    struct sj_file *file = entry->representations[SJ_IDENTITY].file;
    const char *source = entry->representations[SJ_IDENTITY].source;
    tree_write_bytes(fixture->tree, source, file->bytes, file->length);
    int descriptor = sj_root_open(fixture->root, source, &sj_on_disk(file)->identity);
    assert_true(descriptor >= 0);
    free((char *)(uintptr_t)file->bytes);
    file->bytes = NULL;
    if (holding == BY_DESCRIPTOR)
        file->descriptor = descriptor;
    else
        close(descriptor);
}

/* --- the comparison, in a task of its own */

static int64_t allocations_left = INT64_MAX; /* before one fails, for as long as it lasts */

struct run {
    struct sj_task task; /* first */
    struct fixture *fixture;
    int64_t allocations;
    int error;
};

static inline bool may_allocate(void)
{
    return __atomic_fetch_sub(&allocations_left, 1, __ATOMIC_RELAXED) != 0;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    return may_allocate() ? __real_malloc(size) : NULL;
}

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
    return may_allocate() ? __real_calloc(n, size) : NULL;
}

void *__real_realloc(void *from, size_t size);
void *__wrap_realloc(void *from, size_t size);
void *__wrap_realloc(void *from, size_t size)
{
    return may_allocate() ? __real_realloc(from, size) : NULL;
}

void *__real_reallocarray(void *from, size_t n, size_t size);
void *__wrap_reallocarray(void *from, size_t n, size_t size);
void *__wrap_reallocarray(void *from, size_t n, size_t size)
{
    return may_allocate() ? __real_reallocarray(from, n, size) : NULL;
}

static inline void run_comparison(struct sj_task *task)
{
    struct run *run = (struct run *)task;
    struct sj_changes_request request = {.settings = run->fixture->settings,
                                         .before = run->fixture->before,
                                         .after = run->fixture->after,
                                         .is_cancelled = &run->fixture->is_cancelled,
                                         .skips_pages = run->fixture->skips_pages};
    __atomic_store_n(&allocations_left, run->allocations, __ATOMIC_RELAXED);
    run->error = sj_changes_new(&request, &run->fixture->changes);
    __atomic_store_n(&allocations_left, INT64_MAX, __ATOMIC_RELAXED);
}

/* With all but that many allocations to succeed. */
static inline int compare_with(struct fixture *fixture, int64_t allocations)
{
    struct run run = {
        .task = {.run = run_comparison}, .fixture = fixture, .allocations = allocations};
    struct sj_sched_config config = {
        .n_loops = 1, .n_workers = 2, .quick_length = 2, .heavy_length = 4};
    struct sj_sched *sched;
    assert_int_equal(sj_sched_new(&config, &sched), 0);
    assert_int_equal(sj_sched_start(sched), 0);
    assert_int_equal(sj_sched_submit(sched, &run.task), 0);
    sj_sched_stop(sched);
    sj_sched_free(sched);
    return run.error;
}

/* Afterwards the generations are gone: nothing of the changes may need them. */
static inline const struct sj_change_counts *compare(struct fixture *fixture)
{
    assert_int_equal(compare_with(fixture, INT64_MAX), 0);
    free_generations(fixture);
    return &fixture->changes->counts;
}

/* The paths of a list, each followed by a blank. */
static inline void assert_list(const struct fixture *fixture, enum sj_change_kind kind,
                               const char *expected)
{
    char text[1024] = "";
    for (size_t i = 0; i < fixture->changes->lists[kind].n; i++) {
        struct sj_text path = fixture->changes->lists[kind].items[i].entry->path;
        strncat(text, path.at, path.length);
        strcat(text, " ");
    }
    assert_string_equal(text, expected);
}

/* "asset<page" each, and a blank. */
static inline void assert_missing(const struct fixture *fixture, const char *expected)
{
    char text[4096] = "";
    for (size_t i = 0; i < fixture->changes->n_missing; i++) {
        const struct sj_missing *missing = fixture->changes->missing[i];
        size_t length = strlen(text);
        snprintf(text + length, sizeof(text) - length, "%s<%.*s ", missing->asset.at,
                 (int)missing->page->path.length, missing->page->path.at);
    }
    assert_string_equal(text, expected);
}

/* At least one of each kind of change. */
static inline void put_some_of_all(const struct fixture *fixture)
{
    put(fixture, fixture->before, "gone-1.css", "1");
    put(fixture, fixture->before, "gone-2.css", "12");
    put(fixture, fixture->before, "gone-3.css", "123");
    put(fixture, fixture->before, "app.27e20196a850.js", "1");
    put(fixture, fixture->after, "app.27e20196a850.js", "22");
    unhold(fixture, put(fixture, fixture->after, "a\xff.html", "<script src=a.5af1c2d3e4f5.js>"),
           BY_NAME);
    put_fault(fixture->before, "old", "reason");
    put_fault(fixture->after, "z", "Permission denied");
    put_fault(fixture->after, "y\n", "No such file or directory");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
