/* SPDX-License-Identifier: MIT */
/* Conditions under which the index refuses a new generation. */
#include "cache/index.h"

#include "tests/cache/site.h"

#define FILES 10

static int set_up(void **state)
{
    struct site *site = site_new();
    char name[16];
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof(name), "f%d", i);
        tree_write(site->tree, name, "some text");
    }
    site->config.retained_generations = 2;
    site->config.retained_ms = 3600000;
    site->config.retained_bytes = 1 << 20;
    *state = site;
    return 0;
}

static int tear_down(void **state)
{
    site_free(*state);
    return 0;
}

static void remove_some(const struct site *site, int first, int end)
{
    char name[16];
    for (; first < end; first++) {
        snprintf(name, sizeof(name), "f%d", first);
        assert_int_equal(unlink(tree_path(site->tree, name)), 0);
    }
}

static void refuse_if(struct site *site, const char *const *conditions, size_t n)
{
    site->config.refusals = conditions;
    site->config.n_refusals = n;
}

static const char *const removed[] = {"faults>=3", "removed>20%"};

static void a_refused_generation_is_not_served(void **state)
{
    struct site *site = *state;
    refuse_if(site, removed, 2);
    site_start(site);
    assert_int_equal(site->result.summary.number, 1);
    remove_some(site, 0, 3);
    assert_int_equal(site_reload(site), -EPERM);
    assert_true(site->result.is_refused);
    assert_string_equal(site->result.text,
                        "refused: removed 3 of 10 URLs (30%), --refuse-if removed>20%");
    assert_int_equal(site->result.summary.number, 1);
    assert_int_equal(site->result.summary.n_urls, FILES);
    assert_non_null(site_find(site, "/f0"));
}

static void what_no_condition_minds_is_served(void **state)
{
    struct site *site = *state;
    refuse_if(site, removed, 2);
    site_start(site);
    remove_some(site, 0, 2);
    assert_int_equal(site_reload(site), 0);
    assert_false(site->result.is_refused);
    assert_null(site_find(site, "/f0"));
}

static void each_generation_is_compared_with_the_one_that_is_served(void **state)
{
    struct site *site = *state;
    refuse_if(site, removed, 2);
    site_start(site);
    remove_some(site, 0, 2);
    assert_int_equal(site_reload(site), 0);
    remove_some(site, 2, 4);
    assert_int_equal(site_reload(site), -EPERM);
    assert_non_null(strstr(site->result.text, "removed 2 of 8 URLs (25%)"));
    assert_int_equal(site_reload(site), -EPERM);
    assert_non_null(strstr(site->result.text, "removed 2 of 8 URLs (25%)"));
}

static void what_was_refused_is_not_read_again(void **state)
{
    struct site *site = *state;
    refuse_if(site, removed, 2);
    site_start(site);
    remove_some(site, 0, 3);
    tree_write(site->tree, "new", "new");
    site_settle();
    assert_int_equal(site_reload(site), -EPERM);
    for (int i = 0; i < 2; i++)
        tree_write(site->tree, i == 0 ? "f0" : "f1", "other text");
    site_settle();
    assert_int_equal(site_reload(site), 0);
    assert_int_equal(site->result.summary.n_files_read, 2);
    assert_int_equal(site->result.summary.n_added, 1);
    assert_int_equal(site->result.summary.n_changed, 2);
    assert_int_equal(site->result.summary.n_removed, 1);
    assert_int_equal(site->result.summary.n_unchanged, 7);
}

static void force_overrides_once(void **state)
{
    struct site *site = *state;
    refuse_if(site, removed, 2);
    site_start(site);
    remove_some(site, 0, 5);
    assert_int_equal(site_reload(site), -EPERM);
    sj_index_force_reload(site->index);
    assert_int_equal(site_wait(site), 0);
    assert_null(site_find(site, "/f0"));
    remove_some(site, 5, 8);
    assert_int_equal(site_reload(site), -EPERM);
    assert_non_null(site_find(site, "/f5"));
}

static void force_wins_where_requests_fold(void **state)
{
    struct site *site = *state;
    refuse_if(site, removed, 2);
    site_start(site);
    remove_some(site, 0, 5);
    sj_index_reload(site->index);
    sj_index_force_reload(site->index);
    sj_index_reload(site->index);
    assert_int_equal(site_wait(site), -EPERM);
    assert_int_equal(site_wait(site), 0);
    assert_null(site_find(site, "/f0"));
}

/* What the first build says. */
static int start_with(struct site *site, const char *condition)
{
    char error[256];
    refuse_if(site, &condition, 1);
    assert_int_equal(sj_index_new(&site->config, site->sched, site->log, site->base, &site->index,
                                  error, sizeof(error)),
                     0);
    sj_index_set_done(site->index, site_done, site);
    assert_int_equal(sj_sched_start(site->sched), 0);
    return site_reload(site);
}

static void the_first_generation_is_refused_by_numbers(void **state)
{
    struct site *site = *state;
    assert_int_equal(start_with(site, "added>5"), -EPERM);
    assert_string_equal(site->result.text, "refused: added 10, --refuse-if added>5");
    assert_int_equal(site->result.summary.number, 0);
}

static void the_first_generation_is_not_refused_by_percentages(void **state)
{
    assert_int_equal(start_with(*state, "added>5%"), 0);
}

static void a_page_without_its_asset_is_refused(void **state)
{
    struct site *site = *state;
    static const char *const missing[] = {"missing-assets>0"};
    refuse_if(site, missing, 1);
    tree_write(site->tree, "app.27e20196a850.js", "1");
    tree_write(site->tree, "index.html", "<script src=app.27e20196a850.js></script>");
    site_start(site);
    tree_write(site->tree, "index.html", "<script src=app.35fb19a6c921.js></script>");
    assert_int_equal(site_reload(site), -EPERM);
    tree_write(site->tree, "app.35fb19a6c921.js", "2");
    assert_int_equal(site_reload(site), 0);
    assert_non_null(site_find(site, "/app.35fb19a6c921.js"));
}

/* Turns the base for long enough that a reload which were to come would have come. */
static unsigned builds_meanwhile(struct site *site)
{
    struct timeval wait = {.tv_usec = 300000};
    unsigned before = site->n_builds;
    event_base_loopexit(site->base, &wait);
    event_base_dispatch(site->base);
    return site->n_builds - before;
}

static void what_was_refused_is_not_tried_again_for_a_suggestion(void **state)
{
    struct site *site = *state;
    refuse_if(site, removed, 2);
    site_start(site);
    remove_some(site, 0, 3);
    assert_int_equal(site_reload(site), -EPERM);
    sj_index_suggest_reload(site->index);
    assert_int_equal(builds_meanwhile(site), 0);
    tree_write(site->tree, "f0", "some text");
    assert_int_equal(site_reload(site), 0);
    sj_index_suggest_reload(site->index);
    assert_int_equal(site_wait(site), 0);
}

static void a_watched_tree_is_tried_again_when_it_changes(void **state)
{
    struct site *site = *state;
    refuse_if(site, removed, 2);
    site->config.watches = true;
    site_start(site);
    remove_some(site, 0, 3);
    assert_int_equal(site_wait(site), -EPERM);
    assert_int_equal(builds_meanwhile(site), 0);
    tree_write(site->tree, "f0", "some text");
    int error = site_wait(site);
    if (error == -EPERM) /* it came in two pieces */
        error = site_wait(site);
    assert_int_equal(error, 0);
    assert_null(site_find(site, "/f1"));
    assert_non_null(site_find(site, "/f0"));
}

static void a_rollback_is_not_refused(void **state)
{
    struct site *site = *state;
    char error[256];
    refuse_if(site, removed, 2);
    site_start(site);
    remove_some(site, 0, 5);
    sj_index_force_reload(site->index);
    assert_int_equal(site_wait(site), 0);
    assert_int_equal(sj_index_rollback(site->index, error, sizeof(error)), 0);
    assert_non_null(site_find(site, "/f0"));
    assert_int_equal(site_reload(site), -EPERM);
    assert_non_null(site_find(site, "/f0"));
}

static void a_wrong_condition_is_told_at_the_start(void **state)
{
    struct site *site = *state;
    static const char *const wrong[] = {"removed>20%", "removd>20%"};
    char error[256];
    refuse_if(site, wrong, 2);
    assert_int_equal(sj_index_new(&site->config, site->sched, site->log, site->base, &site->index,
                                  error, sizeof(error)),
                     -EINVAL);
    assert_non_null(strstr(error, "--refuse-if removd>20%"));
    assert_int_equal(sj_sched_start(site->sched), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_refused_generation_is_not_served),
        TEST(what_no_condition_minds_is_served),
        TEST(each_generation_is_compared_with_the_one_that_is_served),
        TEST(what_was_refused_is_not_read_again),
        TEST(force_overrides_once),
        TEST(force_wins_where_requests_fold),
        TEST(the_first_generation_is_refused_by_numbers),
        TEST(the_first_generation_is_not_refused_by_percentages),
        TEST(a_page_without_its_asset_is_refused),
        TEST(what_was_refused_is_not_tried_again_for_a_suggestion),
        TEST(a_watched_tree_is_tried_again_when_it_changes),
        TEST(a_rollback_is_not_refused),
        TEST(a_wrong_condition_is_told_at_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
