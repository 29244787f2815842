/* SPDX-License-Identifier: MIT */
/* What a reload of the index would change. */
#include "cache/index.h"

#include <jansson.h>
#include "tests/cache/planning.h"

static void a_plan_says_what_would_change_and_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct site *site = fixture->site;
    site_start(site);
    tree_write(site->tree, "a", "two");
    tree_write(site->tree, "c", "1");
    assert_int_equal(unlink(tree_path(site->tree, "b")), 0);
    assert_int_equal(plan(fixture, NULL, SJ_PLAN_SHORT), SJ_PLAN_ACCEPTED);
    assert_says(fixture, "2 URLs, 4 bytes; before: 2 URLs, 2 bytes\n");
    assert_says(fixture, "\nadded: /c  1\nchanged: /a  1 -> 3\nremoved: /b  1\n");
    assert_int_equal(status(fixture).summary.number, 1);
    assert_non_null(site_find(site, "/b"));
    assert_null(site_find(site, "/c"));
    assert_int_equal(site->n_builds, 1);
}

static void the_reload_after_a_plan_has_nothing_to_read(void **state)
{
    struct fixture *fixture = *state;
    struct site *site = fixture->site;
    site_start(site);
    tree_write(site->tree, "a", "two");
    tree_write(site->tree, "c", "1");
    site_settle();
    assert_int_equal(plan(fixture, NULL, SJ_PLAN_SHORT), SJ_PLAN_ACCEPTED);
    assert_int_equal(site_reload(site), 0);
    assert_int_equal(site->result.summary.n_files_read, 0);
    assert_int_equal(site->result.summary.n_added, 1);
    assert_int_equal(site->result.summary.n_changed, 1);
    assert_int_equal(site->result.summary.n_unchanged, 1);
    assert_memory_equal(site_find(site, "/a")->representations[0].file->bytes, "two", 3);
}

static void a_plan_takes_no_change_away_from_the_watch(void **state)
{
    struct fixture *fixture = *state;
    struct site *site = fixture->site;
    site->config.watches = true;
    site_start(site);
    tree_write(site->tree, "c", "1");
    assert_int_equal(plan(fixture, NULL, SJ_PLAN_SHORT), SJ_PLAN_ACCEPTED);
    while (site_find(site, "/c") == NULL)
        assert_int_equal(site_wait(site), 0);
}

static void a_short_plan_has_the_beginning_of_each_list(void **state)
{
    struct fixture *fixture = *state;
    struct site *site = fixture->site;
    char name[16];
    site_start(site);
    for (int i = 100; i < 125; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        tree_write(site->tree, name, "1");
    }
    plan(fixture, NULL, SJ_PLAN_SHORT);
    assert_says(fixture, "added: /n119  1\n... and 5 more: added\n");
    plan(fixture, NULL, SJ_PLAN_WHOLE);
    assert_says(fixture, "added: /n124  1\n");
    assert_null(strstr(fixture->text, "more"));
}

static void a_plan_in_json_is_whole(void **state)
{
    struct fixture *fixture = *state;
    json_t *json;
    site_start(fixture->site);
    assert_int_equal(plan(fixture, NULL, SJ_PLAN_JSON), SJ_PLAN_ACCEPTED);
    json = json_loads(fixture->text, 0, NULL);
    assert_true(json_is_null(json_object_get(json, "refused")));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "counts"), "urls")),
                     2);
    assert_int_equal(json_array_size(json_object_get(json, "added")), 0);
    json_decref(json);
}

static void a_plan_says_whether_it_would_be_refused(void **state)
{
    static const char *const conditions[] = {"removed>20%"};
    struct fixture *fixture = *state;
    struct site *site = fixture->site;
    site->config.refusals = conditions;
    site->config.n_refusals = 1;
    site_start(site);
    assert_int_equal(plan(fixture, NULL, SJ_PLAN_SHORT), SJ_PLAN_ACCEPTED);
    assert_null(strstr(fixture->text, "refused"));
    assert_int_equal(unlink(tree_path(site->tree, "b")), 0);
    assert_int_equal(plan(fixture, NULL, SJ_PLAN_SHORT), SJ_PLAN_REFUSED);
    assert_says(fixture, "removed: /b  1\na reload would be refused: removed 1 of 2 URLs (50%), "
                         "--refuse-if removed>20%\n");
    assert_int_equal(plan(fixture, NULL, SJ_PLAN_JSON), SJ_PLAN_REFUSED);
    assert_says(fixture, "\"refused\": \"refused: removed 1 of 2 URLs (50%), ");
}

static const char *elsewhere(const struct site *site, const char *prefix, const char *name)
{
    static char text[160];
    snprintf(text, sizeof(text), "%s=%s/%s", prefix, site->tree->path, name);
    return text;
}

/* Two roots: d/one at "/", d/two at "/x/". */
static void start_with_two(struct fixture *fixture)
{
    static char one[128], two[128];
    static const char *const roots[] = {one, two};
    struct site *site = fixture->site;
    tree_write(site->tree, "one/1", "1");
    tree_write(site->tree, "two/2", "2");
    tree_write(site->tree, "a release/3", "three");
    snprintf(one, sizeof(one), "%s/one", site->tree->path);
    strcpy(two, elsewhere(site, "/x", "two"));
    site->config.roots = roots;
    site->config.n_roots = 2;
    site_start(site);
}

static void a_root_can_be_exchanged_for_the_plan(void **state)
{
    struct fixture *fixture = *state;
    start_with_two(fixture);
    plan(fixture, elsewhere(fixture->site, "", "a release"), SJ_PLAN_SHORT);
    assert_int_equal(fixture->outcome, SJ_PLAN_ACCEPTED);
    assert_says(fixture, "added: /3  5\nremoved: /1  1\n");
    assert_says(fixture, " 1 unchanged\n");
    plan(fixture, elsewhere(fixture->site, "x/", "a release"), SJ_PLAN_SHORT);
    assert_says(fixture, "added: /x/3  5\nremoved: /x/2  1\n");
    plan(fixture, NULL, SJ_PLAN_SHORT);
    assert_says(fixture, "0 added (0 bytes), 0 changed (0 -> 0 bytes), 0 removed (0 bytes), 2 un");
    assert_int_equal(site_reload(fixture->site), 0);
    assert_int_equal(fixture->site->result.summary.n_unchanged, 2);
}

static void a_root_that_cannot_be_planned_is_told(void **state)
{
    struct fixture *fixture = *state;
    start_with_two(fixture);
    assert_int_equal(plan(fixture, elsewhere(fixture->site, "/y", "a release"), SJ_PLAN_SHORT),
                     SJ_PLAN_FAILED);
    assert_says(fixture, "/y/=");
    assert_says(fixture, "no root has that prefix");
    assert_int_equal(plan(fixture, "=", SJ_PLAN_SHORT), SJ_PLAN_FAILED);
    assert_string_equal(fixture->text, "=: expected [PREFIX=]DIR");
    assert_int_equal(plan(fixture, "=/nonexistent", SJ_PLAN_JSON), SJ_PLAN_FAILED);
    assert_string_equal(fixture->text, "/nonexistent: No such file or directory");
    assert_int_equal(site_reload(fixture->site), 0);
}

static void a_plan_that_fails_leaves_the_next_build_whole(void **state)
{
    struct fixture *fixture = *state;
    struct site *site = fixture->site;
    char away[128];
    site_start(site);
    snprintf(away, sizeof(away), "%s-away", site->tree->path);
    assert_int_equal(rename(site->tree->path, away), 0);
    assert_int_equal(plan(fixture, NULL, SJ_PLAN_SHORT), SJ_PLAN_FAILED);
    assert_says(fixture, site->tree->path);
    assert_int_equal(rename(away, site->tree->path), 0);
    assert_int_equal(site_reload(site), 0);
    assert_int_equal(site->result.summary.n_unchanged, 2);
}

static void a_plan_after_a_rollback_is_of_what_is_on_disk(void **state)
{
    struct fixture *fixture = *state;
    struct site *site = fixture->site;
    char error[256];
    site->config.retained_generations = 2;
    site->config.retained_ms = 3600000;
    site->config.retained_bytes = 1 << 20;
    site_start(site);
    tree_write(site->tree, "c", "1");
    assert_int_equal(site_reload(site), 0);
    assert_int_equal(sj_index_rollback(site->index, error, sizeof(error)), 0);
    assert_int_equal(plan(fixture, NULL, SJ_PLAN_SHORT), SJ_PLAN_ACCEPTED);
    assert_says(fixture, "added: /c  1\n");
    assert_true(status(fixture).is_rolled_back);
    assert_null(site_find(site, "/c"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_plan_says_what_would_change_and_changes_nothing),
        TEST(the_reload_after_a_plan_has_nothing_to_read),
        TEST(a_plan_takes_no_change_away_from_the_watch),
        TEST(a_short_plan_has_the_beginning_of_each_list),
        TEST(a_plan_in_json_is_whole),
        TEST(a_plan_says_whether_it_would_be_refused),
        TEST(a_root_can_be_exchanged_for_the_plan),
        TEST(a_root_that_cannot_be_planned_is_told),
        TEST(a_plan_that_fails_leaves_the_next_build_whole),
        TEST(a_plan_after_a_rollback_is_of_what_is_on_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
