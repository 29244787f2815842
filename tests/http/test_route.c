/* SPDX-License-Identifier: MIT */
#include "http/route.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const struct sj_handler handlers[] = {
    {"one", NULL, SJ_SYNC}, {"two", NULL, SJ_SYNC}, {"later", NULL, SJ_ASYNC}, {0}};
static const struct sj_module module = {.abi = SJ_ABI, .name = "m", .handlers = handlers};
static struct sj_loaded loaded = {.module = &module};
static const struct sj_modules modules = {&loaded, 1};
static struct sj_routes routes;
static struct sj_log *log_;
static char error[512];

static unsigned n_spares;

static int make(const char **items, size_t n_items)
{
    const struct sj_option_list options = {items, n_items};
    const struct sj_route_setup setup = {.modules = &modules,
                                         .options = &options,
                                         .body_most = 100,
                                         .n_loops = 2,
                                         .n_spares = n_spares,
                                         .log = log_};

    return sj_routes_make(&routes, &setup, error, sizeof(error));
}

static struct sj_route *make_one(const char *option)
{
    assert_int_equal(make(&option, 1), 0);
    return &routes.items[0];
}

static int teardown(void **state)
{
    (void)state;
    sj_routes_free(&routes);
    return 0;
}

static const char *found(const char *path)
{
    const struct sj_route *route = sj_routes_find(&routes, (struct sj_text){path, strlen(path)});

    return route != NULL ? route->handler->name : "none";
}

static void the_longest_prefix_counts(void **state)
{
    const char *options[] = {"/a=m:one", "/a/b=m:two"};

    (void)state;
    assert_int_equal(make(options, 2), 0);
    assert_string_equal(found("/a"), "one");
    assert_string_equal(found("/a/x/b"), "one");
    assert_string_equal(found("/a/b"), "two");
    assert_string_equal(found("/a/b/"), "two");
}

static void a_prefix_ends_with_a_segment(void **state)
{
    (void)state;
    make_one("/a/=m:one");
    assert_string_equal(found("/a"), "one");
    assert_string_equal(found("/a/b"), "one");
    assert_string_equal(found("/ab"), "none");
    assert_string_equal(found("/"), "none");
}

static void the_root_is_every_path(void **state)
{
    (void)state;
    make_one("/=m:one");
    assert_string_equal(found("/"), "one");
    assert_string_equal(found("/a"), "one");
}

static void settings_have_defaults(void **state)
{
    const struct sj_route *route = make_one("/a=m:one");

    (void)state;
    assert_int_equal(route->time_ms, 30000);
    assert_int_equal(route->running_most, UINT64_MAX);
    assert_int_equal(route->queue_most, 1000);
    assert_int_equal(route->body_most, 100);
    assert_int_equal(sj_route_class_of(route), SJ_CLASS_HEAVY);
    assert_true(route->is_learned);
}

static void settings_are_read(void **state)
{
    const struct sj_route *route =
        make_one("/a=m:two,class=blocking,time=1500ms,running=2,queue=3,body=1K");

    (void)state;
    assert_int_equal(route->time_ms, 1500);
    assert_int_equal(route->running_most, 2);
    assert_int_equal(route->queue_most, 3);
    assert_int_equal(route->body_most, 1024);
    assert_int_equal(sj_route_class_of(route), SJ_CLASS_BLOCKING);
    assert_false(route->is_learned);
}

static void without_a_limit_of_its_own_a_route_leaves_some_spares(void **state)
{
    static const struct {
        unsigned n_spares;
        const char *option;
        uint64_t most;
    } rows[] = {{256, "/a=m:one", 192},
                {256, "/a=m:two,class=blocking", 192},
                {256, "/a=m:later", 192},
                {5, "/a=m:one", 3},
                {1, "/a=m:one", 1},
                {0, "/a=m:one", UINT64_MAX}, /* there is nothing to leave */
                {256, "/a=m:one,running=250,class=blocking", UINT64_MAX},
                {256, "/a=m:one,running=none", UINT64_MAX}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        n_spares = rows[i].n_spares;
        assert_int_equal(make_one(rows[i].option)->spares_most, rows[i].most);
        sj_routes_free(&routes);
    }
}

static void the_last_of_two_classes_counts(void **state)
{
    const struct sj_route *route = make_one("/a=m:one,class=quick,class=learned");

    (void)state;
    assert_int_equal(sj_route_class_of(route), SJ_CLASS_HEAVY);
    assert_true(route->is_learned);
}

static void a_prefix_may_have_dots_and_spaces(void **state)
{
    (void)state;
    make_one("/.a b/c..=m:one");
    assert_string_equal(found("/.a b/c../d"), "one");
}

static void what_is_wrong_is_refused_and_named(void **state)
{
    static const struct {
        const char *option, *why;
    } wrongs[] = {
        {"", "begins with /"},
        {"a=m:one", "begins with /"},
        {"/a", "begins with /"},
        {"/a%20b=m:one", "no path has that prefix"},
        {"/a?b=m:one", "no path has that prefix"},
        {"/a#b=m:one", "no path has that prefix"},
        {"/a\nb=m:one", "no path has that prefix"},
        {"/a//b=m:one", "no path has that prefix"},
        {"/a/../b=m:one", "no path has that prefix"},
        {"/a/.=m:one", "no path has that prefix"},
        {"/a=", "PREFIX=MODULE:HANDLER"},
        {"/a=m", "PREFIX=MODULE:HANDLER"},
        {"/a=m,x:one", "PREFIX=MODULE:HANDLER"},
        {"/a=n:one", "no module is called 'n'"},
        {"/a=m:", "no handler ''"},
        {"/a=m:on", "no handler 'on'"},
        {"/a=m:one,", "no NAME=VALUE"},
        {"/a=m:one,x", "no NAME=VALUE"},
        {"/a=m:one,x=1", "no setting 'x'"},
        {"/a=m:one,class=", "not ''"},
        {"/a=m:one,time=0", "above 0"},
        {"/a=m:one,time=1x", "not '1x'"},
        {"/a=m:one,queue=0", "above 0"},
        {"/a=m:one,queue=18446744073709551616", "queue="},
        {"/a=m:one,body=none", "body="},
        {"/a=m:one,queue=11111111111111111111111111111111111", "too long"},
        {"/a=m:later,class=heavy", "asynchronous"},
        {"/a=m:one,class=quick,running=1", "running="},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrongs) / sizeof(*wrongs); i++) {
        const char *option = wrongs[i].option;

        assert_int_equal(make(&option, 1), -EINVAL);
        assert_non_null(strstr(error, "--route "));
        if (strstr(error, wrongs[i].why) == NULL)
            fail_msg("'%s' does not say '%s'", error, wrongs[i].why);
        sj_routes_free(&routes);
    }
}

static void a_prefix_is_given_once(void **state)
{
    const char *options[] = {"/a=m:one", "/a/=m:two"};

    (void)state;
    assert_int_equal(make(options, 2), -EINVAL);
    assert_non_null(strstr(error, "same prefix"));
}

static void learn(struct sj_route *route, unsigned n, uint64_t ns)
{
    for (unsigned i = 0; i < n; i++)
        sj_route_learn(route, SJ_RUN_ON_WORKER, ns, false);
}

static void short_runs_in_a_row_make_it_quick(void **state)
{
    struct sj_route *route = make_one("/a=m:one");

    (void)state;
    learn(route, SJ_SHORT_RUNS - 1, SJ_SHORT_NS - 1);
    assert_int_equal(sj_route_class_of(route), SJ_CLASS_HEAVY);
    learn(route, 1, SJ_LONG_NS + 1);
    learn(route, SJ_SHORT_RUNS - 1, SJ_SHORT_NS - 1);
    assert_int_equal(sj_route_class_of(route), SJ_CLASS_HEAVY);
    learn(route, 1, SJ_SHORT_NS - 1);
    assert_int_equal(sj_route_class_of(route), SJ_CLASS_QUICK);
    assert_int_equal(route->n_promoted, 1);
}

static void a_run_that_is_not_short_counts_against_it(void **state)
{
    struct sj_route *route = make_one("/a=m:one");

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        learn(route, SJ_SHORT_RUNS / 16, 1);
        learn(route, 1, SJ_SHORT_NS);
    }
    assert_int_equal(sj_route_class_of(route), SJ_CLASS_HEAVY);
}

static void one_long_run_on_a_loop_sends_it_back(void **state)
{
    struct sj_route *route = make_one("/a=m:one,class=quick");

    (void)state;
    assert_int_equal(sj_route_class_of(route), SJ_CLASS_QUICK);
    sj_route_learn(route, SJ_RUN_ON_LOOP, SJ_LONG_NS, false);
    assert_int_equal(sj_route_class_of(route), SJ_CLASS_QUICK);
    sj_route_learn(route, SJ_RUN_ON_LOOP, SJ_LONG_NS + 1, false);
    assert_int_equal(sj_route_class_of(route), SJ_CLASS_HEAVY);
    sj_route_learn(route, SJ_RUN_ON_LOOP, SJ_LONG_NS + 1, false); /* one that was queued */
    assert_int_equal(route->n_sent_back, 1);
}

static void the_second_time_takes_twice_as_long(void **state)
{
    struct sj_route *route = make_one("/a=m:one,class=quick");

    (void)state;
    sj_route_learn(route, SJ_RUN_ON_LOOP, SJ_LONG_NS + 1, false);
    learn(route, 2 * SJ_SHORT_RUNS - 1, 1);
    assert_int_equal(sj_route_class_of(route), SJ_CLASS_HEAVY);
    learn(route, 1, 1);
    assert_int_equal(sj_route_class_of(route), SJ_CLASS_QUICK);
}

static void who_blocks_is_never_quick(void **state)
{
    struct sj_route *route = make_one("/a=m:one");

    (void)state;
    sj_route_learn(route, SJ_RUN_ON_WORKER, 1, true);
    learn(route, 10 * SJ_RUNS_MAX / 8, 1);
    assert_int_equal(sj_route_class_of(route), SJ_CLASS_HEAVY);
    sj_routes_free(&routes);
    route = make_one("/a=m:one,class=quick");
    sj_route_learn(route, SJ_RUN_ON_LOOP, 1, true);
    assert_int_equal(sj_route_class_of(route), SJ_CLASS_HEAVY);
}

static void a_class_that_is_settled_stays(void **state)
{
    struct sj_route *route = make_one("/a=m:one,class=heavy");

    (void)state;
    learn(route, 4 * SJ_SHORT_RUNS, 1);
    assert_int_equal(sj_route_class_of(route), SJ_CLASS_HEAVY);
}

static int open_log(void **state)
{
    const char *const paths[SJ_LOG_SINKS] = {"/dev/null", NULL};
    const char *failed;

    (void)state;
    return sj_log_new(paths, SJ_LOG_DEBUG, &log_, &failed);
}

static int close_log(void **state)
{
    (void)state;
    sj_log_free(log_);
    return 0;
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_longest_prefix_counts),
        TEST(a_prefix_ends_with_a_segment),
        TEST(the_root_is_every_path),
        TEST(settings_have_defaults),
        TEST(settings_are_read),
        TEST(without_a_limit_of_its_own_a_route_leaves_some_spares),
        TEST(the_last_of_two_classes_counts),
        TEST(a_prefix_may_have_dots_and_spaces),
        TEST(what_is_wrong_is_refused_and_named),
        TEST(a_prefix_is_given_once),
        TEST(short_runs_in_a_row_make_it_quick),
        TEST(a_run_that_is_not_short_counts_against_it),
        TEST(one_long_run_on_a_loop_sends_it_back),
        TEST(the_second_time_takes_twice_as_long),
        TEST(who_blocks_is_never_quick),
        TEST(a_class_that_is_settled_stays),
    };
    return cmocka_run_group_tests(tests, open_log, close_log);
}
