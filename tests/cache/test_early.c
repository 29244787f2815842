/* SPDX-License-Identifier: MIT */
#include "cache/early.h"

#include "tests/cache/upkept.h"

/* What is served when the ledger is written; an edit follows, and the start that tests look at. */
static const char *const names[] = {"a.css",    "index.html", "d/index.html", "d/b.txt",
                                    "d/e/c.js", "empty",      "x.5f3a9c1b.js"};
#define N_NAMES (sizeof(names) / sizeof(names[0]))

/* The roots of a test with two of them. */
static char specs[2][200];
static const char *const two_roots[] = {specs[0], specs[1]};

static void put(struct upkept *upkept, const char *name)
{
    if (strcmp(name, "empty") == 0)
        tree_write(upkept->files, name, "");
    else
        free(put_words(upkept, name, 300, 1).bytes);
}

/* Has the server know the tree as it is now; then it does not run. */
static void learn(struct upkept *upkept)
{
    site_settle();
    upkept->cache.compresses = false;
    configure(upkept);
    upkept->site->config.serves_dotfiles = true;
    upkept->site->config.follows_symlinks = true;
    site_start(upkept->site);
    stop(upkept);
}

static void prepare(struct upkept *upkept)
{
    for (size_t i = 0; i < N_NAMES; i++)
        put(upkept, names[i]);
    learn(upkept);
}

static void open_site(struct upkept *upkept)
{
    configure(upkept);
    site_open(upkept->site);
}

/* The entry of before the first build, for sj_entry_release; or NULL. */
static struct sj_entry *find_early(struct upkept *upkept, const char *path)
{
    struct sj_index *index = upkept->site->index;
    const struct sj_generation *generation = sj_index_begin(index);
    assert_false(sj_generation_is_built(generation));
    struct sj_entry *entry = sj_index_find_early(index, generation, path, strlen(path));
    sj_index_end(index);
    return entry;
}

static void assert_known(struct upkept *upkept, const char *path)
{
    struct sj_entry *entry = find_early(upkept, path);
    if (entry == NULL)
        fail_msg("%s is not known", path);
    sj_entry_release(entry);
}

static void assert_unknown(struct upkept *upkept, const char *path)
{
    if (find_early(upkept, path) != NULL)
        fail_msg("%s is known", path);
}

static void assert_same_text(struct sj_text a, struct sj_text b)
{
    assert_int_equal(a.length, b.length);
    assert_memory_equal(a.at, b.at, a.length);
}

static void assert_same(const struct sj_entry *early, const struct sj_entry *built)
{
    const struct sj_representation *a = &early->representations[SJ_IDENTITY];
    const struct sj_representation *b = &built->representations[SJ_IDENTITY];
    assert_same_text(early->path, built->path);
    assert_same_text(early->fields, built->fields);
    assert_same_text(early->type, built->type);
    assert_memory_equal(a->file->digest, b->file->digest, 16);
    assert_string_equal(a->source, b->source);
    assert_int_equal(a->file->length, b->file->length);
    assert_int_equal(early->kind, built->kind);
    assert_int_equal(early->modified, built->modified);
    assert_int_equal(early->is_immutable, built->is_immutable);
    assert_int_equal(early->has_origin, built->has_origin);
    for (int i = SJ_GZIP; i < SJ_CODINGS; i++)
        assert_true(early->representations[i].file == NULL &&
                    built->representations[i].file == NULL);
}

/* Finds all paths early, builds, and compares. */
static void compare(struct upkept *upkept, const char *const *paths, size_t n)
{
    struct sj_entry *early[10];
    assert_in_range(n, 1, 10);
    for (size_t i = 0; i < n; i++) {
        early[i] = find_early(upkept, paths[i]);
        if (early[i] == NULL)
            fail_msg("%s is not known", paths[i]);
    }
    assert_int_equal(site_reload(upkept->site), 0);
    for (size_t i = 0; i < n; i++) {
        assert_same(early[i], site_find(upkept->site, paths[i]));
        sj_entry_release(early[i]);
    }
}

static const char *const paths[] = {"/a.css",    "/",      "/d/",           "/d/b.txt",
                                    "/d/e/c.js", "/empty", "/x.5f3a9c1b.js"};

static void what_is_found_is_as_in_the_first_generation(void **state)
{
    struct upkept *upkept = *state;
    prepare(upkept);
    open_site(upkept);
    assert_int_equal(sj_index_known_files(upkept->site->index), N_NAMES);
    compare(upkept, paths, sizeof(paths) / sizeof(paths[0]));
}

static void the_settings_of_this_run_count(void **state)
{
    struct upkept *upkept = *state;
    const char *const types[] = {".css=text/x-other"};
    prepare(upkept);
    tree_write(upkept->disk, "headers", "/d/*\n  X-Mine: 1\n  Cache-Control: no-cache\n");
    char headers[200];
    strcpy(headers, tree_path(upkept->disk, "headers"));
    configure(upkept);
    upkept->site->config.max_age_s = 5;
    upkept->site->config.immutable = "^/a";
    upkept->site->config.index_file = "b.txt";
    upkept->site->config.types = types;
    upkept->site->config.n_types = 1;
    upkept->site->config.headers = headers;
    site_open(upkept->site);
    struct sj_entry *entry = find_early(upkept, "/d/e/c.js");
    assert_fields_have(entry, "X-Mine: 1\r\nCache-Control: no-cache\r\n");
    sj_entry_release(entry);
    const char *const now[] = {"/a.css", "/d/", "/d/index.html", "/d/e/c.js", "/x.5f3a9c1b.js"};
    compare(upkept, now, 5);
}

static void its_file_is_open(void **state)
{
    struct upkept *upkept = *state;
    char bytes[300];
    prepare(upkept);
    open_site(upkept);
    struct content words = put_words(upkept, "elsewhere", 300, 1);
    struct sj_entry *entry = find_early(upkept, "/a.css");
    const struct sj_file *file = entry->representations[SJ_IDENTITY].file;
    assert_int_equal(unlink(tree_path(upkept->files, "a.css")), 0);
    assert_int_equal(pread(sj_file_descriptor(file), bytes, 300, 0), 300);
    assert_memory_equal(bytes, words.bytes, 300);
    sj_entry_release(entry);
    free(words.bytes);
}

static void without_a_ledger_nothing_is_known(void **state)
{
    struct upkept *upkept = *state;
    put(upkept, "a.css");
    open_site(upkept);
    assert_int_equal(sj_index_known_files(upkept->site->index), 0);
    assert_unknown(upkept, "/a.css");
}

static void what_has_changed_is_not_known(void **state)
{
    struct upkept *upkept = *state;
    prepare(upkept);
    free(put_words(upkept, "a.css", 300, 2).bytes);                           /* in place */
    tree_touch(upkept->files, "d/b.txt", 1000000000);                         /* a time */
    assert_int_equal(chmod(tree_path(upkept->files, "empty"), 0600), 0);      /* the state's only */
    assert_int_equal(truncate(tree_path(upkept->files, "index.html"), 1), 0); /* the length */
    assert_int_equal(unlink(tree_path(upkept->files, "d/e/c.js")), 0);
    open_site(upkept);
    assert_unknown(upkept, "/a.css");
    assert_unknown(upkept, "/d/b.txt");
    assert_unknown(upkept, "/empty");
    assert_unknown(upkept, "/");
    assert_unknown(upkept, "/d/e/c.js");
    assert_known(upkept, "/d/");
}

static void what_is_replaced_is_not_known(void **state)
{
    struct upkept *upkept = *state;
    prepare(upkept);
    put(upkept, "new");
    tree_touch(upkept->files, "new", 1000000000);
    assert_int_equal(rename(tree_path(upkept->files, "new"), tree_path(upkept->files, "a.css")), 0);
    put(upkept, "d/new");
    open_site(upkept);
    assert_unknown(upkept, "/a.css");
    assert_unknown(upkept, "/d/new");
}

static void a_tree_in_the_place_of_the_known_one_is_not_known(void **state)
{
    struct upkept *upkept = *state;
    char aside[100];
    prepare(upkept);
    snprintf(aside, sizeof(aside), "%s/aside", upkept->disk->path);
    assert_int_equal(rename(upkept->files->path, aside), 0);
    assert_int_equal(mkdir(upkept->files->path, 0755), 0);
    for (size_t i = 0; i < N_NAMES; i++)
        put(upkept, names[i]);
    open_site(upkept);
    for (size_t i = 0; i < N_NAMES; i++)
        assert_unknown(upkept, paths[i]);
}

static void what_is_no_plain_file_is_left_to_the_build(void **state)
{
    struct upkept *upkept = *state;
    prepare(upkept);
    assert_int_equal(unlink(tree_path(upkept->files, "a.css")), 0);
    assert_int_equal(mkfifo(tree_path(upkept->files, "a.css"), 0644), 0);
    open_site(upkept);
    assert_unknown(upkept, "/d");            /* to be redirected */
    assert_unknown(upkept, "/d/index.html"); /* the same */
    assert_unknown(upkept, "/d/e");          /* neither */
    assert_unknown(upkept, "/d/e/");
    assert_unknown(upkept, "/a.css");
    assert_unknown(upkept, "/a.css/");
    assert_unknown(upkept, "/d/b.txt/");
    assert_unknown(upkept, "/d/b.txt/c");
}

static void dot_names_are_known_if_they_are_served(void **state)
{
    static const char *const hidden[] = {"/.a", "/.d/a", "/d/.a", "/d/.well-known/a"};
    struct upkept *upkept = *state;
    for (size_t i = 0; i < 4; i++)
        put(upkept, hidden[i] + 1);
    put(upkept, ".well-known/a");
    put(upkept, ".well-known/.a");
    learn(upkept);
    open_site(upkept);
    for (size_t i = 0; i < 4; i++)
        assert_unknown(upkept, hidden[i]);
    assert_known(upkept, "/.well-known/a");
    assert_unknown(upkept, "/.well-known/.a");
    stop(upkept);
    configure(upkept);
    upkept->site->config.serves_dotfiles = true;
    site_open(upkept->site);
    for (size_t i = 0; i < 4; i++)
        assert_known(upkept, hidden[i]);
}

static void segments_of_dots_and_of_nothing_are_not_gone_through(void **state)
{
    struct upkept *upkept = *state;
    prepare(upkept);
    configure(upkept);
    upkept->site->config.serves_dotfiles = true;
    site_open(upkept->site);
    assert_unknown(upkept, "/d/../a.css");
    assert_unknown(upkept, "/./a.css");
    assert_unknown(upkept, "//a.css");
    assert_unknown(upkept, "/d//b.txt");
    assert_unknown(upkept, "/d/..");
    assert_unknown(upkept, "/../a.css");
}

static void links_are_left_to_the_build(void **state)
{
    struct upkept *upkept = *state;
    put(upkept, "a.css");
    put(upkept, "d/b.txt");
    tree_link(upkept->files, "a.css", "link.css");
    tree_link(upkept->files, "d", "e");
    learn(upkept);
    configure(upkept);
    upkept->site->config.follows_symlinks = true;
    site_open(upkept->site);
    assert_known(upkept, "/d/b.txt");
    assert_unknown(upkept, "/link.css");
    assert_unknown(upkept, "/e/b.txt");
}

static void files_with_sidecars_and_sidecars_are_left_to_the_build(void **state)
{
    struct upkept *upkept = *state;
    prepare(upkept);
    tree_write_gzip(upkept->files, "a.css.gz", "other");
    tree_write(upkept->files, "d/b.txt.zst", "not even that");
    tree_write(upkept->files, "alone.br", "a");
    learn(upkept);
    open_site(upkept);
    assert_unknown(upkept, "/a.css");
    assert_unknown(upkept, "/a.css.gz");
    assert_unknown(upkept, "/d/b.txt");
    assert_unknown(upkept, "/alone.br");
    assert_known(upkept, "/d/e/c.js");
}

static void a_time_to_come_is_left_to_the_build(void **state)
{
    struct upkept *upkept = *state;
    put(upkept, "a.css");
    put(upkept, "b.css");
    tree_touch(upkept->files, "a.css", time(NULL) + 100000);
    learn(upkept);
    open_site(upkept);
    assert_unknown(upkept, "/a.css");
    assert_known(upkept, "/b.css");
}

static void a_directory_that_cannot_be_listed_hides_its_files(void **state)
{
    struct upkept *upkept = *state;
    skip_as_root();
    prepare(upkept);
    assert_int_equal(chmod(tree_path(upkept->files, "d"), 0300), 0);
    open_site(upkept);
    assert_unknown(upkept, "/d/b.txt");
    assert_unknown(upkept, "/d/e/c.js");
    assert_known(upkept, "/a.css");
    assert_int_equal(chmod(tree_path(upkept->files, "d"), 0700), 0);
}

static void a_file_that_cannot_be_read_is_not_known(void **state)
{
    struct upkept *upkept = *state;
    skip_as_root();
    prepare(upkept);
    assert_int_equal(chmod(tree_path(upkept->files, "a.css"), 0), 0);
    open_site(upkept);
    assert_unknown(upkept, "/a.css");
}

static void names_that_are_too_long_are_left_to_the_build(void **state)
{
    struct upkept *upkept = *state;
    char path[9000];
    prepare(upkept);
    open_site(upkept);
    for (size_t length = 200; length < sizeof(path); length += 97) {
        memset(path, 'a', length);
        for (size_t i = 0; i < length; i += 100)
            path[i] = '/';
        path[length] = '\0';
        assert_unknown(upkept, path);
        path[length - 1] = '/';
        assert_unknown(upkept, path);
    }
    assert_unknown(upkept, "/a\n.css");
}

/* upkept->files at "/", its directory `d` under the prefix. */
static void configure_two(struct upkept *upkept, const char *prefix)
{
    snprintf(specs[0], sizeof(specs[0]), "%s", upkept->files->path);
    snprintf(specs[1], sizeof(specs[1]), "%s=%s/d", prefix, upkept->files->path);
    upkept->cache.compresses = false;
    configure(upkept);
    upkept->site->config.roots = two_roots;
    upkept->site->config.n_roots = 2;
}

static void prepare_two(struct upkept *upkept, const char *prefix)
{
    site_settle();
    configure_two(upkept, prefix);
    site_start(upkept->site);
    stop(upkept);
    configure_two(upkept, prefix);
    site_open(upkept->site);
}

static void the_last_root_that_has_it_counts(void **state)
{
    static const char *const of_both[] = {"/same", "/first", "/second", "/"};
    struct upkept *upkept = *state;
    free(put_words(upkept, "same", 300, 1).bytes);
    free(put_words(upkept, "d/same", 300, 2).bytes);
    put(upkept, "first");
    put(upkept, "d/second");
    put(upkept, "index.html");
    prepare_two(upkept, "");
    struct sj_entry *entry = find_early(upkept, "/same");
    assert_string_equal(entry->root->path, strchr(specs[1], '=') + 1);
    sj_entry_release(entry);
    compare(upkept, of_both, 4);
}

static void what_the_last_root_may_have_is_left_to_the_build(void **state)
{
    struct upkept *upkept = *state;
    put(upkept, "a");
    put(upkept, "b/c");
    put(upkept, "e");
    tree_link(upkept->files, "../e", "d/a");
    tree_link(upkept->files, "../b", "d/b");
    put(upkept, "d/e/index.html");
    prepare_two(upkept, "");
    assert_unknown(upkept, "/a");
    assert_unknown(upkept, "/b/c");
    assert_unknown(upkept, "/e");
}

static void a_prefix_is_part_of_the_path(void **state)
{
    static const char *const of_both[] = {"/p/q/b.txt", "/p/q/", "/p/q/e/c.js", "/a.css", "/p/qq"};
    struct upkept *upkept = *state;
    for (size_t i = 0; i < N_NAMES; i++)
        put(upkept, names[i]);
    put(upkept, "p/qq");
    put(upkept, "d/.well-known/a");
    prepare_two(upkept, "/p/q");
    assert_unknown(upkept, "/p/b.txt");
    assert_unknown(upkept, "/p/q/.well-known/a");
    compare(upkept, of_both, 5);
}

/* A file of the first root is hidden by the redirect to the second one's page. */
static void the_top_of_a_prefix_without_its_slash_is_left_to_the_build(void **state)
{
    struct upkept *upkept = *state;
    put(upkept, "p");
    put(upkept, "d/index.html");
    prepare_two(upkept, "/p");
    assert_unknown(upkept, "/p");
    assert_known(upkept, "/p/");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_found_is_as_in_the_first_generation),
        TEST(the_settings_of_this_run_count),
        TEST(its_file_is_open),
        TEST(without_a_ledger_nothing_is_known),
        TEST(what_has_changed_is_not_known),
        TEST(what_is_replaced_is_not_known),
        TEST(a_tree_in_the_place_of_the_known_one_is_not_known),
        TEST(what_is_no_plain_file_is_left_to_the_build),
        TEST(dot_names_are_known_if_they_are_served),
        TEST(segments_of_dots_and_of_nothing_are_not_gone_through),
        TEST(links_are_left_to_the_build),
        TEST(files_with_sidecars_and_sidecars_are_left_to_the_build),
        TEST(a_time_to_come_is_left_to_the_build),
        TEST(a_directory_that_cannot_be_listed_hides_its_files),
        TEST(a_file_that_cannot_be_read_is_not_known),
        TEST(names_that_are_too_long_are_left_to_the_build),
        TEST(the_last_root_that_has_it_counts),
        TEST(what_the_last_root_may_have_is_left_to_the_build),
        TEST(a_prefix_is_part_of_the_path),
        TEST(the_top_of_a_prefix_without_its_slash_is_left_to_the_build),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
