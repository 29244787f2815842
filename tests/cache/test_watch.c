/* SPDX-License-Identifier: MIT */
#include "cache/watch.h"

#include "tests/cache/site.h"

static int set_up(void **state)
{
    struct site *site = site_new();
    site->config.watches = true;
    *state = site;
    return 0;
}

static int tear_down(void **state)
{
    site_free(*state);
    return 0;
}

static void a_new_file_is_noticed(void **state)
{
    struct site *site = *state;
    site_start(site);
    tree_write(site->tree, "a", "x");
    assert_int_equal(site_wait(site), 0);
    assert_non_null(site_find(site, "/a"));
}

static void a_change_in_place_is_noticed(void **state)
{
    struct site *site = *state;
    tree_write(site->tree, "d/a", "x");
    site_start(site);
    tree_write(site->tree, "d/a", "xyz");
    assert_int_equal(site_wait(site), 0);
    assert_int_equal(site_find(site, "/d/a")->representations[0].file->length, 3);
}

static void new_directories_are_watched_too(void **state)
{
    struct site *site = *state;
    site_start(site);
    assert_int_equal(mkdir(tree_path(site->tree, "d"), 0755), 0);
    assert_int_equal(site_wait(site), 0);
    tree_write(site->tree, "d/a", "x");
    assert_int_equal(site_wait(site), 0);
    assert_non_null(site_find(site, "/d/a"));
}

static void a_removed_file_is_noticed(void **state)
{
    struct site *site = *state;
    tree_write(site->tree, "a", "x");
    site_start(site);
    unlink(tree_path(site->tree, "a"));
    assert_int_equal(site_wait(site), 0);
    assert_null(site_find(site, "/a"));
}

static void a_switch_of_the_root_link_is_noticed(void **state)
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
    assert_int_equal(site_wait(site), 0);
    assert_non_null(site_find(site, "/b"));
}

static void a_root_that_comes_back_is_noticed(void **state)
{
    struct site *site = *state;
    char root[128];
    const char *list[1] = {root};
    tree_write(site->tree, "r/a", "1");
    snprintf(root, sizeof(root), "%s/r", site->tree->path);
    site->config.roots = list;
    site_start(site);
    assert_int_equal(rename(tree_path(site->tree, "r"), tree_path(site->tree, "s")), 0);
    assert_int_equal(site_wait(site), -ENOENT);
    assert_non_null(site_find(site, "/a"));
    tree_write(site->tree, "s/b", "1");
    assert_int_equal(rename(tree_path(site->tree, "s"), tree_path(site->tree, "r")), 0);
    while (site_find(site, "/b") == NULL)
        site_wait(site);
}

/* Longer than the quiet period: what counted would have been built by then. */
static void dot_names_and_reading_cause_no_build(void **state)
{
    struct site *site = *state;
    char room[4];
    tree_write(site->tree, "a", "x");
    site_start(site);
    tree_write(site->tree, ".a.swp", "x");
    int descriptor = open(tree_path(site->tree, "a"), O_RDONLY);
    assert_int_equal(read(descriptor, room, sizeof(room)), 1);
    close(descriptor);
    struct timeval wait = {.tv_usec = 400000};
    event_base_loopexit(site->base, &wait);
    event_base_dispatch(site->base);
    assert_int_equal(site->n_builds, 1);
}

static void a_burst_of_changes_is_one_build(void **state)
{
    struct site *site = *state;
    site_start(site);
    for (int i = 0; i < 50; i++) {
        char name[16];
        snprintf(name, sizeof(name), "f%d", i);
        tree_write(site->tree, name, "x");
    }
    assert_int_equal(site_wait(site), 0);
    assert_int_equal(site->result.summary.n_urls, 50);
    assert_int_equal(site->n_builds, 2);
}

static void a_tree_that_is_no_longer_served_is_not_watched(void **state)
{
    struct site *site = *state;
    char root[128];
    const char *list[1] = {root};
    tree_write(site->tree, "v1/d/a", "1");
    tree_write(site->tree, "v2/b", "2");
    tree_link(site->tree, "v1", "current");
    snprintf(root, sizeof(root), "%s/current", site->tree->path);
    site->config.roots = list;
    site_start(site);
    tree_link(site->tree, "v2", "next");
    assert_int_equal(rename(tree_path(site->tree, "next"), tree_path(site->tree, "current")), 0);
    assert_int_equal(site_wait(site), 0);
    tree_write(site->tree, "v1/d/b", "1");
    struct timeval wait = {.tv_usec = 400000};
    event_base_loopexit(site->base, &wait);
    event_base_dispatch(site->base);
    assert_int_equal(site->n_builds, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_file_is_noticed),
        TEST(a_change_in_place_is_noticed),
        TEST(new_directories_are_watched_too),
        TEST(a_removed_file_is_noticed),
        TEST(a_switch_of_the_root_link_is_noticed),
        TEST(a_root_that_comes_back_is_noticed),
        TEST(dot_names_and_reading_cause_no_build),
        TEST(a_burst_of_changes_is_one_build),
        TEST(a_tree_that_is_no_longer_served_is_not_watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
