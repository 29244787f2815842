/* SPDX-License-Identifier: MIT */
#include "cache/index.h"

#include <pthread.h>
#include <sys/resource.h>
#include "tests/cache/site.h"

static int set_up(void **state)
{
    *state = site_new();
    return 0;
}

static int tear_down(void **state)
{
    site_free(*state);
    return 0;
}

static void a_fault_is_logged_once(void **state)
{
    struct site *site = *state;
    tree_link(site->tree, "nothing", "dangling");
    site_start(site);
    assert_int_equal(truncate(site->log_path, 0), 0);
    tree_link(site->tree, "nothing", "second");
    assert_int_equal(site_reload(site), 0);
    assert_int_equal(site->result.summary.n_faults, 2);
    assert_false(has_logged(site, "/dangling", ""));
    assert_true(has_logged(site, "/second", "dangling link"));
}

static void a_false_sidecar_is_a_fault_and_not_read_again(void **state)
{
    struct site *site = *state;
    tree_write(site->tree, "a.css", "body {}");
    tree_write_gzip(site->tree, "a.css.gz", "other");
    tree_write(site->tree, "a.css.br", "no brotli");
    site_settle();
    site_start(site);
    assert_null(site_find(site, "/a.css")->representations[SJ_GZIP].file);
    assert_true(has_logged(site, "/a.css.gz", "does not decompress to its file"));
    assert_true(has_logged(site, "/a.css.br", "does not decompress to its file"));
    assert_int_equal(site_reload(site), 0);
    assert_int_equal(site->result.summary.n_files_read, 0);
    assert_int_equal(site->result.summary.n_faults, 2);
}

static void unchanged_entries_are_shared(void **state)
{
    struct site *site = *state;
    tree_write(site->tree, "a.css", "body {}");
    tree_write_gzip(site->tree, "a.css.gz", "body {}");
    tree_write(site->tree, "d/index.html", "x");
    site_settle();
    site_start(site);
    const struct sj_entry *file = site_find(site, "/a.css");
    const struct sj_entry *redirect = site_find(site, "/d");
    assert_int_equal(site_reload(site), 0);
    assert_ptr_equal(site_find(site, "/a.css"), file);
    assert_ptr_equal(site_find(site, "/d"), redirect);
    assert_int_equal(site->result.summary.n_files_read, 0);
    assert_int_equal(site->result.summary.n_unchanged, 2);
    assert_int_equal(site->result.summary.number, 2);
}

static void changes_are_counted_and_only_they_are_read(void **state)
{
    struct site *site = *state;
    tree_write(site->tree, "stays", "1");
    tree_write(site->tree, "changes", "1");
    tree_write(site->tree, "goes", "1");
    tree_write(site->tree, "moves", "123");
    site_settle();
    site_start(site);
    tree_write(site->tree, "changes", "2");
    tree_write(site->tree, "comes", "1");
    unlink(tree_path(site->tree, "goes"));
    site_settle();
    assert_int_equal(site_reload(site), 0);
    const struct sj_generation_summary *summary = &site->result.summary;
    assert_int_equal(summary->n_added, 1);
    assert_int_equal(summary->n_changed, 1);
    assert_int_equal(summary->n_removed, 1);
    assert_int_equal(summary->n_unchanged, 2);
    assert_int_equal(summary->n_files_read, 2);
    assert_memory_equal(site_find(site, "/changes")->representations[0].file->bytes, "2", 1);
}

/* Renaming a file changes its change time; renaming its directory does not. */
static void files_of_a_renamed_directory_are_not_read_again(void **state)
{
    struct site *site = *state;
    tree_write(site->tree, "d/a", "1");
    tree_write(site->tree, "d/a.gz", "");
    tree_write_gzip(site->tree, "d/a.gz", "1");
    site_settle();
    site_start(site);
    assert_int_equal(rename(tree_path(site->tree, "d"), tree_path(site->tree, "e")), 0);
    assert_int_equal(site_reload(site), 0);
    assert_non_null(site_find(site, "/e/a")->representations[SJ_GZIP].file);
    assert_null(site_find(site, "/d/a"));
    assert_int_equal(site->result.summary.n_files_read, 0);
}

/* A file is racy or not by how fast this test runs: what is read follows from it. */
static void a_racy_file_is_read_again(void **state)
{
    struct site *site = *state;
    tree_write(site->tree, "a", "1");
    site_start(site);
    bool was_racy = sj_on_disk(site_find(site, "/a")->representations[0].file)->is_racy;
    assert_int_equal(site_reload(site), 0);
    assert_int_equal(site->result.summary.n_files_read, was_racy);
    assert_int_equal(site->result.summary.n_unchanged, 1);
    site_settle();
    assert_int_equal(site_reload(site), 0);
    assert_int_equal(site_reload(site), 0);
    assert_int_equal(site->result.summary.n_files_read, 0);
}

static void a_held_entry_outlives_its_generation(void **state)
{
    struct site *site = *state;
    tree_write(site->tree, "a", "first");
    site_start(site);
    struct sj_entry *held = (struct sj_entry *)(uintptr_t)site_find(site, "/a");
    sj_entry_acquire(held);
    tree_write(site->tree, "a", "second, and longer");
    assert_int_equal(site_reload(site), 0);
    assert_ptr_not_equal(site_find(site, "/a"), held);
    assert_memory_equal(held->representations[0].file->bytes, "first", 5);
    sj_entry_release(held);
}

static void rules_add_and_replace_fields(void **state)
{
    struct site *site = *state;
    tree_write(site->tree, "a.html", "x");
    tree_write(site->tree, ".headers",
               "/*\n  X-A: 1\n  Cache-Control: no-store\n"
               "/a.html\n  Content-Type: a/b\n");
    site->config.headers = strdup(tree_path(site->tree, ".headers"));
    site_settle();
    site_start(site);
    const struct sj_entry *entry = site_find(site, "/a.html");
    assert_text(entry->type, "a/b");
    assert_fields_have(entry, "X-A: 1\r\n");
    assert_fields_have(entry, "Cache-Control: no-store\r\n");
    assert_fields_lack(entry, "max-age");
    tree_write(site->tree, ".headers", "/*\n  X-A: 2\n");
    assert_int_equal(site_reload(site), 0);
    assert_fields_have(site_find(site, "/a.html"), "X-A: 2\r\n");
    assert_text(site_find(site, "/a.html")->type, "text/html; charset=utf-8");
    assert_int_equal(site->result.summary.n_changed, 1);
    tree_write(site->tree, ".headers", "/*\n  Date: 2\n");
    assert_int_equal(site_reload(site), -EINVAL);
    assert_non_null(strstr(site->result.text, "line 2"));
    assert_fields_have(site_find(site, "/a.html"), "X-A: 2\r\n");
    free((char *)(uintptr_t)site->config.headers);
}

static void a_reload_without_its_root_fails_and_changes_nothing(void **state)
{
    struct site *site = *state;
    char root[128];
    const char *list[1] = {root};
    tree_write(site->tree, "r/a", "x");
    snprintf(root, sizeof(root), "%s/r", site->tree->path);
    site->config.roots = list;
    site_start(site);
    assert_int_equal(rename(tree_path(site->tree, "r"), tree_path(site->tree, "s")), 0);
    assert_int_equal(site_reload(site), -ENOENT);
    assert_non_null(strstr(site->result.text, root));
    assert_non_null(site_find(site, "/a"));
    assert_int_equal(rename(tree_path(site->tree, "s"), tree_path(site->tree, "r")), 0);
    assert_int_equal(site_reload(site), 0);
    assert_int_equal(site->result.summary.number, 2);
}

static void a_fallback_that_goes_fails_the_reload(void **state)
{
    struct site *site = *state;
    site->config.fallback = "/app.html";
    tree_write(site->tree, "app.html", "app");
    site_start(site);
    unlink(tree_path(site->tree, "app.html"));
    assert_int_equal(site_reload(site), -ENOENT);
    assert_non_null(strstr(site->result.text, "--spa /app.html"));
    assert_non_null(site_find(site, "/app.html"));
}

static void a_switched_link_is_a_new_root(void **state)
{
    struct site *site = *state;
    char root[128];
    const char *list[1] = {root};
    tree_write(site->tree, "v1/a", "1");
    tree_write(site->tree, "v2/b", "2");
    tree_link(site->tree, "v1", "current");
    snprintf(root, sizeof(root), "%s/current", site->tree->path);
    site->config.roots = list;
    site_start(site);
    tree_link(site->tree, "v2", "next");
    assert_int_equal(rename(tree_path(site->tree, "next"), tree_path(site->tree, "current")), 0);
    assert_int_equal(site_reload(site), 0);
    assert_null(site_find(site, "/a"));
    assert_non_null(site_find(site, "/b"));
}

static void requests_for_a_build_fold(void **state)
{
    struct site *site = *state;
    tree_write(site->tree, "a", "x");
    site_start(site);
    for (int i = 0; i < 100; i++)
        sj_index_reload(site->index);
    assert_int_equal(site_wait(site), 0);
    assert_int_equal(site_wait(site), 0);
    assert_int_equal(site->n_builds, 3);
    assert_int_equal(site_reload(site), 0);
    assert_int_equal(site->n_builds, 4);
}

static void *suggest(void *index)
{
    for (int i = 0; i < 1000; i++)
        sj_index_suggest_reload(index);
    return NULL;
}

static void suggestions_of_any_thread_fold(void **state)
{
    struct site *site = *state;
    pthread_t thread;
    tree_write(site->tree, "a", "x");
    site_start(site);
    assert_int_equal(pthread_create(&thread, NULL, suggest, site->index), 0);
    pthread_join(thread, NULL);
    assert_int_equal(site_wait(site), 0);
    assert_int_equal(site->n_builds, 2);
}

static void without_descriptors_a_build_fails_cleanly(void **state)
{
    struct site *site = *state;
    struct rlimit before;
    tree_write(site->tree, "a", "x");
    site_start(site);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit none = {.rlim_cur = 3, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int error = site_reload(site);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(error, -EMFILE);
    assert_non_null(site_find(site, "/a"));
}

static void print_shows_urls_totals_and_faults(void **state)
{
    struct site *site = *state;
    char *text = NULL;
    size_t length = 0;
    tree_write(site->tree, "b.css", "body {}");
    tree_write_gzip(site->tree, "b.css.gz", "body {}");
    tree_write(site->tree, "d/index.html", "x");
    tree_link(site->tree, "nothing", "dangling");
    site_start(site);
    FILE *to = open_memstream(&text, &length);
    sj_index_print(site->index, to);
    fclose(to);
    assert_non_null(strstr(text, "/b.css  7  text/css; charset=utf-8  \""));
    assert_non_null(strstr(text, "  identity,gzip  memory\n"));
    assert_non_null(strstr(text, "redirect d/\n"));
    assert_non_null(strstr(text, "2 files, 8 bytes"));
    assert_non_null(strstr(text, "/dangling: dangling link\n"));
    free(text);
}

static void assert_refused(struct site *site, int code, const char *what)
{
    char error[256] = "";
    struct sj_index *index = NULL;
    assert_int_equal(sj_index_new(&site->config, site->sched, site->log, site->base, &index, error,
                                  sizeof(error)),
                     code);
    if (strstr(error, what) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error, what);
}

static void a_wrong_configuration_is_refused_with_a_reason(void **state)
{
    struct site *site = *state;
    struct sj_index_config good = site->config;
    const char *const types[] = {"html"};
    const char *const roots[] = {"a/../b=/tmp", "/nonexistent/root", "x="};
    site->config.types = types;
    site->config.n_types = 1;
    assert_refused(site, -EINVAL, "--type html");
    site->config = good;
    site->config.immutable = "(";
    assert_refused(site, -EINVAL, "--immutable (");
    site->config = good;
    site->config.index_file = "a/b";
    assert_refused(site, -EINVAL, "--index-file a/b");
    site->config = good;
    site->config.headers = "/nonexistent/headers";
    assert_refused(site, -ENOENT, "/nonexistent/headers");
    site->config = good;
    site->config.roots = roots;
    assert_refused(site, -EINVAL, "--root a/../b=/tmp");
    site->config.roots = roots + 1;
    assert_refused(site, -ENOENT, "/nonexistent/root");
    site->config.roots = roots + 2;
    assert_refused(site, -EINVAL, "--root x=");
    site->config = good;
    assert_int_equal(sj_sched_start(site->sched), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_fault_is_logged_once),
        TEST(a_false_sidecar_is_a_fault_and_not_read_again),
        TEST(unchanged_entries_are_shared),
        TEST(changes_are_counted_and_only_they_are_read),
        TEST(files_of_a_renamed_directory_are_not_read_again),
        TEST(a_racy_file_is_read_again),
        TEST(a_held_entry_outlives_its_generation),
        TEST(rules_add_and_replace_fields),
        TEST(a_reload_without_its_root_fails_and_changes_nothing),
        TEST(a_fallback_that_goes_fails_the_reload),
        TEST(a_switched_link_is_a_new_root),
        TEST(requests_for_a_build_fold),
        TEST(suggestions_of_any_thread_fold),
        TEST(without_descriptors_a_build_fails_cleanly),
        TEST(print_shows_urls_totals_and_faults),
        TEST(a_wrong_configuration_is_refused_with_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
