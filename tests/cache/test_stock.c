/* SPDX-License-Identifier: MIT */
#include "cache/stock.h"

#include <sys/stat.h>
#include "tests/cache/builder.h"

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

/* A file as a ledger knows it. */
static struct sj_file *put_known(struct builder *builder, const char *name)
{
    struct stat status;
    struct sj_disk_file *made = sj_disk_file_new(NULL, 0);
    assert_non_null(made);
    assert_int_equal(stat(tree_path(builder->site->tree, name), &status), 0);
    sj_identity_of(&status, &made->identity);
    made->file.length = made->identity.size;
    made->is_awaited = true;
    assert_int_equal(sj_stock_put(builder->stock, &made->file), 0);
    return &made->file;
}

static const struct sj_file *find(struct builder *builder, const char *path)
{
    const struct sj_entry *entry = sj_generation_find(builder->current, path, strlen(path));
    return entry == NULL ? NULL : entry->representations[SJ_IDENTITY].file;
}

static void what_is_known_is_served_without_being_read(void **state)
{
    struct site *site = *state;
    tree_write(site->tree, "d/a", "x");
    struct builder *builder = builder_new(site);
    struct sj_file *known = put_known(builder, "d/a");
    assert_int_equal(builder_go_on(builder, SJ_BUILD_ALL), 0);
    assert_ptr_equal(find(builder, "/d/a"), known);
    assert_int_equal(builder->current->summary.n_files_read, 0);
    sj_file_release(known);
    builder_free(builder);
}

static void what_is_to_be_held_is_awaited_once(void **state)
{
    struct site *site = *state;
    size_t n;
    tree_write(site->tree, "d/a", "x");
    struct builder *builder = builder_new(site);
    struct sj_file *known = put_known(builder, "d/a");
    assert_int_equal(builder_go_on(builder, SJ_BUILD_ALL), 0);
    struct sj_awaited *awaited = sj_stock_take_awaited(builder->stock, &n);
    assert_int_equal(n, 1);
    assert_ptr_equal(awaited->file, known);
    assert_string_equal(awaited->path, "d/a");
    assert_true(known->is_held);
    assert_int_equal(builder->current->summary.n_held_bytes, 1);
    sj_awaited_free(awaited, n);
    tree_write(site->tree, "d/b", "x");
    assert_int_equal(builder_go_on(builder, SJ_BUILD_ALL), 0);
    awaited = sj_stock_take_awaited(builder->stock, &n);
    assert_int_equal(n, 0);
    sj_awaited_free(awaited, n);
    sj_file_release(known);
    builder_free(builder);
}

static void what_is_too_large_to_be_held_is_awaited_open(void **state)
{
    struct site *site = *state;
    size_t n;
    site->config.memory_file_limit = 1;
    tree_write(site->tree, "a", "xx");
    struct builder *builder = builder_new(site);
    struct sj_file *known = put_known(builder, "a");
    assert_int_equal(builder_go_on(builder, SJ_BUILD_ALL), 0);
    struct sj_awaited *awaited = sj_stock_take_awaited(builder->stock, &n);
    assert_int_equal(n, 1);
    assert_false(known->is_held);
    assert_true(known->is_open);
    assert_int_equal(builder->stock->n_open, 1);
    sj_awaited_free(awaited, n);
    sj_file_release(known);
    builder_free(builder);
}

static void what_is_known_but_not_there_goes(void **state)
{
    struct site *site = *state;
    size_t n;
    tree_write(site->tree, "a", "x");
    struct builder *builder = builder_new(site);
    struct sj_file *known = put_known(builder, "a");
    unlink(tree_path(site->tree, "a"));
    assert_int_equal(builder_go_on(builder, SJ_BUILD_ALL), 0);
    assert_int_equal(known->references, 1);
    free(sj_stock_list(builder->stock, &n));
    assert_int_equal(n, 0);
    sj_file_release(known);
    builder_free(builder);
}

static void no_more_files_stay_open_than_may(void **state)
{
    struct site *site = *state;
    site->config.memory_file_limit = 1;
    site->config.open_files_limit = 2;
    for (int i = 0; i < 4; i++) {
        char name[16];
        snprintf(name, sizeof(name), "f%d", i);
        tree_write(site->tree, name, "xx");
    }
    site_settle();
    struct builder *builder = builder_new(site);
    assert_int_equal(builder_go_on(builder, SJ_BUILD_ALL), 0);
    assert_int_equal(builder->stock->n_open, 2);
    assert_int_equal(builder_go_on(builder, SJ_BUILD_ALL), 0);
    assert_int_equal(builder->stock->n_open, 2);
    builder_free(builder);
}

static void content_survives_a_move_within_the_tree(void **state)
{
    struct site *site = *state;
    tree_write(site->tree, "d/a", "x");
    site_settle();
    struct builder *builder = builder_new(site);
    assert_int_equal(builder_go_on(builder, SJ_BUILD_CHANGES), 0);
    const struct sj_file *before = find(builder, "/d/a");
    assert_int_equal(rename(tree_path(site->tree, "d"), tree_path(site->tree, "e")), 0);
    assert_int_equal(builder_go_on(builder, SJ_BUILD_CHANGES), 0);
    assert_ptr_equal(find(builder, "/e/a"), before);
    assert_int_equal(builder->current->summary.n_files_read, 0);
    builder_free(builder);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_known_is_served_without_being_read),
        TEST(what_is_to_be_held_is_awaited_once),
        TEST(what_is_too_large_to_be_held_is_awaited_open),
        TEST(what_is_known_but_not_there_goes),
        TEST(no_more_files_stay_open_than_may),
        TEST(content_survives_a_move_within_the_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
