/* SPDX-License-Identifier: MIT */
#include "cache/delta.h"

#include <sys/inotify.h>
#include <sys/syscall.h>
#include "core/pr.h"
#include "tests/cache/builder.h"

/* How many names were looked at. */
static unsigned n_looks;

/* Stands before the C library's. */
int fstatat(int directory, const char *name, struct stat *status, int flags)
{
    ck_pr_inc_uint(&n_looks);
    return (int)syscall(SYS_newfstatat, directory, name, status, flags);
}

static bool refuses_watches;

int inotify_add_watch(int descriptor, const char *path, uint32_t mask)
{
    if (!refuses_watches)
        return (int)syscall(SYS_inotify_add_watch, descriptor, path, mask);
    errno = ENOSPC;
    return -1;
}

static int set_up(void **state)
{
    struct site *site = site_new();
    assert_int_equal(sj_sched_start(site->sched), 0);
    *state = site;
    return 0;
}

static int tear_down(void **state)
{
    site_free(*state);
    return 0;
}

/* --- what is looked at */

static void only_the_changed_directory_is_looked_at(void **state)
{
    struct site *site = *state;
    for (int i = 0; i < 60; i++) {
        char name[32];
        snprintf(name, sizeof(name), "d%d/f%d", i % 3, i);
        tree_write(site->tree, name, "x");
    }
    site_settle();
    struct builder *builder = builder_new(site);
    assert_int_equal(builder_go_on(builder, SJ_BUILD_CHANGES), 0);
    tree_write(site->tree, "d1/f1", "other");
    n_looks = 0;
    assert_int_equal(builder_go_on(builder, SJ_BUILD_CHANGES), 0);
    assert_int_equal(n_looks, 20);
    assert_int_equal(builder->current->summary.n_files_read, 1);
    assert_int_equal(builder->current->summary.n_changed, 1);
    assert_int_equal(builder->current->summary.n_unchanged, 59);
    builder_free(builder);
}

static void without_a_change_nothing_is_looked_at(void **state)
{
    struct site *site = *state;
    tree_write(site->tree, "d/a", "x");
    struct builder *builder = builder_new(site);
    assert_int_equal(builder_go_on(builder, SJ_BUILD_CHANGES), 0);
    n_looks = 0;
    assert_int_equal(builder_go_on(builder, SJ_BUILD_CHANGES), 0);
    assert_int_equal(builder_go_on(builder, SJ_BUILD_KEPT), 0);
    assert_int_equal(n_looks, 0);
    assert_int_equal(builder->current->summary.n_unchanged, 1);
    builder_free(builder);
}

static void all_is_looked_at_on_request_and_after_a_failure(void **state)
{
    struct site *site = *state;
    tree_write(site->tree, "a", "x");
    tree_write(site->tree, "b", "x");
    site_settle();
    struct builder *builder = builder_new(site);
    assert_int_equal(builder_go_on(builder, SJ_BUILD_CHANGES), 0);
    n_looks = 0;
    assert_int_equal(builder_go_on(builder, SJ_BUILD_ALL), 0);
    assert_int_equal(n_looks, 2);
    builder->is_cancelled = 1;
    assert_int_equal(builder_go_on(builder, SJ_BUILD_CHANGES), -ECANCELED);
    builder->is_cancelled = 0;
    n_looks = 0;
    assert_int_equal(builder_go_on(builder, SJ_BUILD_CHANGES), 0);
    assert_int_equal(builder->current->summary.n_files_read, 0);
    builder_free(builder);
}

static void without_kept_trees_a_build_for_variants_looks_at_all(void **state)
{
    struct site *site = *state;
    tree_write(site->tree, "a", "x");
    struct builder *builder = builder_new(site);
    assert_int_equal(builder_go_on(builder, SJ_BUILD_KEPT), 0);
    assert_int_equal(builder->current->summary.n_urls, 1);
    builder_free(builder);
}

static void without_watches_all_is_looked_at(void **state)
{
    struct site *site = *state;
    tree_write(site->tree, "a", "x");
    refuses_watches = true;
    struct builder *builder = builder_new(site);
    assert_int_equal(builder_go_on(builder, SJ_BUILD_CHANGES), 0);
    tree_write(site->tree, "b", "x");
    assert_int_equal(builder_go_on(builder, SJ_BUILD_CHANGES), 0);
    refuses_watches = false;
    assert_int_equal(builder->current->summary.n_added, 1);
    assert_true(has_logged(site, "not all directories are watched", "max_user_watches"));
    assert_int_equal(builder_go_on(builder, SJ_BUILD_CHANGES), 0);
    n_looks = 0;
    assert_int_equal(builder_go_on(builder, SJ_BUILD_CHANGES), 0);
    assert_int_equal(n_looks, 0);
    builder_free(builder);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_the_changed_directory_is_looked_at),
        TEST(without_a_change_nothing_is_looked_at),
        TEST(all_is_looked_at_on_request_and_after_a_failure),
        TEST(without_kept_trees_a_build_for_variants_looks_at_all),
        TEST(without_watches_all_is_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
