/* SPDX-License-Identifier: MIT */
#include "cache/deploys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include "tests/cache/site.h"

/* Names as a bundler writes them; the second is another build of the same file. */
#define OLD   "app.5af1c2d3.js"
#define NEW   "app.0b77e9aa.js"
#define NEWER "app.91c0de42.js"

static const struct sj_entry *find_vanished(struct site *site, const char *path)
{
    sj_index_begin(site->index);
    const struct sj_entry *entry = sj_index_find_vanished(site->index, path, strlen(path));
    sj_index_end(site->index);
    return entry;
}

static bool has_bytes(const struct sj_entry *entry, const char *expected)
{
    const struct sj_file *file = entry->representations[SJ_IDENTITY].file;
    return file->length == strlen(expected) &&
           memcmp(sj_file_bytes(file), expected, file->length) == 0;
}

static struct sj_index_status status(struct site *site)
{
    struct sj_index_status status;
    sj_index_status(site->index, &status);
    return status;
}

/* The tree has one fingerprinted file, of that name, and a plain one. */
static void write_deploy(struct site *site, const char *before, const char *name)
{
    if (before != NULL)
        unlink(tree_path(site->tree, before));
    tree_write(site->tree, name, name);
    tree_write(site->tree, "index.html", name);
}

static void deploy(struct site *site, const char *before, const char *name)
{
    write_deploy(site, before, name);
    assert_int_equal(site_reload(site), 0);
}

static struct site *serve(unsigned n_generations)
{
    struct site *site = site_new();
    site->config.retained_generations = n_generations;
    site->config.retained_ms = 3600000;
    site->config.retained_bytes = 1 << 20;
    write_deploy(site, NULL, OLD);
    site_start(site);
    return site;
}

static void what_a_deploy_has_removed_is_answered_by_the_one_before(void **state)
{
    struct site *site = serve(2);
    (void)state;
    deploy(site, OLD, NEW);
    assert_null(site_find(site, "/" OLD));
    const struct sj_entry *entry = find_vanished(site, "/" OLD);
    assert_non_null(entry);
    assert_true(has_bytes(entry, OLD));
    assert_non_null(site_find(site, "/" NEW));
    site_free(site);
}

static void one_deploy_later_it_is_gone(void **state)
{
    struct site *site = serve(2);
    (void)state;
    deploy(site, OLD, NEW);
    deploy(site, NEW, NEWER);
    assert_null(find_vanished(site, "/" OLD));
    assert_non_null(find_vanished(site, "/" NEW));
    site_free(site);
}

static void more_are_kept_when_asked_for(void **state)
{
    struct site *site = serve(3);
    (void)state;
    deploy(site, OLD, NEW);
    deploy(site, NEW, NEWER);
    assert_non_null(find_vanished(site, "/" OLD));
    assert_non_null(find_vanished(site, "/" NEW));
    site_free(site);
}

static void none_is_kept_when_one_is_all(void **state)
{
    struct site *site = serve(1);
    (void)state;
    deploy(site, OLD, NEW);
    assert_null(find_vanished(site, "/" OLD));
    assert_int_equal(status(site).n_deploys, 1);
    site_free(site);
}

static void plain_names_do_not_outlive_their_deploy(void **state)
{
    struct site *site = serve(2);
    (void)state;
    tree_write(site->tree, "page.html", "page");
    assert_int_equal(site_reload(site), 0);
    unlink(tree_path(site->tree, "page.html"));
    assert_int_equal(site_reload(site), 0);
    assert_null(find_vanished(site, "/page.html"));
    site_free(site);
}

static void a_reload_without_changes_pushes_nothing_out(void **state)
{
    struct site *site = serve(2);
    (void)state;
    deploy(site, OLD, NEW);
    for (int i = 0; i < 5; i++)
        assert_int_equal(site_reload(site), 0);
    assert_non_null(find_vanished(site, "/" OLD));
    site_free(site);
}

static void too_many_bytes_are_not_kept(void **state)
{
    struct site *site = site_new();
    char large[4096] = "";
    (void)state;
    memset(large, 'x', sizeof(large) - 1);
    site->config.retained_generations = 2;
    site->config.retained_ms = 3600000;
    site->config.retained_bytes = sizeof(large) - 2;
    tree_write(site->tree, OLD, large);
    site_start(site);
    deploy(site, OLD, NEW);
    assert_null(find_vanished(site, "/" OLD));
    site_free(site);
}

static void what_only_a_kept_deploy_holds_is_counted(void **state)
{
    struct site *site = serve(2);
    (void)state;
    tree_write(site->tree, "same.txt", "the same in both");
    assert_int_equal(site_reload(site), 0);
    deploy(site, OLD, NEW);
    assert_int_equal(status(site).n_deploys, 2);
    assert_int_equal(status(site).deploys[1].n_own_bytes, 2 * strlen(OLD));
    site_free(site);
}

static void time_ends_it(void **state)
{
    struct site *site = site_new();
    (void)state;
    site->config.retained_generations = 2;
    site->config.retained_ms = 100;
    site->config.retained_bytes = 1 << 20;
    write_deploy(site, NULL, OLD);
    site_start(site);
    deploy(site, OLD, NEW);
    while (status(site).n_deploys > 1)
        event_base_loop(site->base, EVLOOP_ONCE);
    assert_null(find_vanished(site, "/" OLD));
    site_free(site);
}

static void rollback_serves_the_deploy_before(void **state)
{
    struct site *site = serve(2);
    char error[256];
    (void)state;
    deploy(site, OLD, NEW);
    assert_int_equal(sj_index_rollback(site->index, error, sizeof(error)), 0);
    assert_true(has_bytes(site_find(site, "/"), OLD));
    assert_true(has_bytes(site_find(site, "/" OLD), OLD));
    assert_int_equal(status(site).summary.number, 1);
    assert_true(status(site).is_rolled_back);
    site_free(site);
}

static void what_was_rolled_back_is_answered_too(void **state)
{
    struct site *site = serve(2);
    char error[256];
    (void)state;
    deploy(site, OLD, NEW);
    assert_int_equal(sj_index_rollback(site->index, error, sizeof(error)), 0);
    assert_non_null(find_vanished(site, "/" NEW));
    site_free(site);
}

static void rollback_goes_back_one_deploy_at_a_time(void **state)
{
    struct site *site = serve(3);
    char error[256];
    (void)state;
    deploy(site, OLD, NEW);
    deploy(site, NEW, NEWER);
    assert_int_equal(sj_index_rollback(site->index, error, sizeof(error)), 0);
    assert_true(has_bytes(site_find(site, "/"), NEW));
    assert_int_equal(sj_index_rollback(site->index, error, sizeof(error)), 0);
    assert_true(has_bytes(site_find(site, "/"), OLD));
    assert_int_equal(sj_index_rollback(site->index, error, sizeof(error)), -ENOENT);
    assert_non_null(strstr(error, "--retain-generations"));
    assert_true(has_bytes(site_find(site, "/"), OLD));
    site_free(site);
}

static void a_reload_after_a_rollback_serves_what_is_on_disk(void **state)
{
    struct site *site = serve(2);
    char error[256];
    (void)state;
    deploy(site, OLD, NEW);
    assert_int_equal(sj_index_rollback(site->index, error, sizeof(error)), 0);
    assert_int_equal(site_reload(site), 0);
    assert_true(has_bytes(site_find(site, "/"), NEW));
    assert_int_equal(status(site).summary.number, 3);
    assert_false(status(site).is_rolled_back);
    assert_non_null(find_vanished(site, "/" OLD));
    site_free(site);
}

static void a_rollback_overtakes_a_build(void **state)
{
    struct site *site = serve(3);
    char error[256];
    (void)state;
    deploy(site, OLD, NEW);
    write_deploy(site, NEW, NEWER);
    sj_index_reload(site->index);
    assert_int_equal(sj_index_rollback(site->index, error, sizeof(error)), 0);
    assert_int_equal(site_wait(site), -ECANCELED);
    assert_true(has_bytes(site_find(site, "/"), OLD));
    assert_int_equal(site_reload(site), 0);
    assert_true(has_bytes(site_find(site, "/"), NEWER));
    site_free(site);
}

static void the_first_deploy_has_none_before_it(void **state)
{
    struct site *site = serve(2);
    char error[256];
    (void)state;
    assert_int_equal(sj_index_rollback(site->index, error, sizeof(error)), -ENOENT);
    assert_int_equal(status(site).summary.number, 1);
    site_free(site);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_deploy_has_removed_is_answered_by_the_one_before),
        cmocka_unit_test(one_deploy_later_it_is_gone),
        cmocka_unit_test(more_are_kept_when_asked_for),
        cmocka_unit_test(none_is_kept_when_one_is_all),
        cmocka_unit_test(plain_names_do_not_outlive_their_deploy),
        cmocka_unit_test(a_reload_without_changes_pushes_nothing_out),
        cmocka_unit_test(too_many_bytes_are_not_kept),
        cmocka_unit_test(what_only_a_kept_deploy_holds_is_counted),
        cmocka_unit_test(time_ends_it),
        cmocka_unit_test(rollback_serves_the_deploy_before),
        cmocka_unit_test(what_was_rolled_back_is_answered_too),
        cmocka_unit_test(rollback_goes_back_one_deploy_at_a_time),
        cmocka_unit_test(a_reload_after_a_rollback_serves_what_is_on_disk),
        cmocka_unit_test(a_rollback_overtakes_a_build),
        cmocka_unit_test(the_first_deploy_has_none_before_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
