/* SPDX-License-Identifier: MIT */
/* When plans are made, between builds, and what is left of them.  Linked with: -Wl,--wrap=calloc */
#include "cache/index_private.h"

#include "tests/cache/planning.h"

static bool calloc_fails; /* for the test's thread, in the one call that it makes */

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
    return calloc_fails ? NULL : __real_calloc(n, size);
}

static void note_build(void *argument, const struct sj_index_result *result)
{
    struct fixture *fixture = argument;
    strcat(fixture->order, "B");
    site_done(fixture->site, result);
}

static void plans_and_builds_take_turns_and_answer_their_own(void **state)
{
    struct fixture *fixture = *state;
    struct site *site = fixture->site;
    site_start(site);
    sj_index_set_done(site->index, note_build, fixture);
    sj_index_reload(site->index);
    ask(fixture, NULL, SJ_PLAN_SHORT);
    ask(fixture, NULL, SJ_PLAN_SHORT);
    sj_index_reload(site->index);
    sj_index_reload(site->index);
    assert_true(status(fixture).is_building);
    while (strlen(fixture->order) < 4)
        event_base_loop(site->base, EVLOOP_ONCE);
    assert_string_equal(fixture->order, "BPBP");
    assert_false(status(fixture).is_building);
}

static void a_plan_in_work_is_no_build(void **state)
{
    struct fixture *fixture = *state;
    struct site *site = fixture->site;
    site_start(site);
    sj_index_set_done(site->index, note_build, fixture);
    ask(fixture, NULL, SJ_PLAN_SHORT);
    assert_false(status(fixture).is_building);
    sj_index_reload(site->index);
    assert_false(status(fixture).is_building);
    while (strlen(fixture->order) < 2)
        event_base_loop(site->base, EVLOOP_ONCE);
    assert_string_equal(fixture->order, "PB");
}

/* As the index asks for it when more variants are there: a plan of nothing goes before. */
static int complete(struct fixture *fixture)
{
    struct site *site = fixture->site;
    site->index->pending = (struct order){SJ_BUILD_KEPT, SJ_DEPLOY_COMPLETED, ORDER_CHECKED};
    site->index->is_pending = true;
    ask(fixture, "=", SJ_PLAN_SHORT);
    return site_wait(site);
}

static void variants_come_to_what_is_served_though_it_was_planned(void **state)
{
    struct fixture *fixture = *state;
    site_start(fixture->site);
    assert_int_equal(plan(fixture, NULL, SJ_PLAN_SHORT), SJ_PLAN_ACCEPTED);
    assert_int_equal(complete(fixture), 0);
    assert_int_equal(status(fixture).summary.number, 2);
}

static void variants_do_not_bring_what_was_only_planned(void **state)
{
    struct fixture *fixture = *state;
    struct site *site = fixture->site;
    site_start(site);
    tree_write(site->tree, "c", "1");
    assert_int_equal(plan(fixture, NULL, SJ_PLAN_SHORT), SJ_PLAN_ACCEPTED);
    assert_int_equal(complete(fixture), -ECANCELED);
    assert_int_equal(status(fixture).summary.number, 1);
    assert_null(site_find(site, "/c"));
    assert_int_equal(complete(fixture), -ECANCELED);
    assert_int_equal(site_reload(site), 0);
    assert_int_equal(complete(fixture), 0);
    assert_non_null(site_find(site, "/c"));
}

static void cancelling_ends_plans(void **state)
{
    struct fixture *fixture = *state;
    site_start(fixture->site);
    sj_index_cancel(fixture->site->index);
    assert_int_equal(plan(fixture, NULL, SJ_PLAN_SHORT), SJ_PLAN_FAILED);
    assert_string_equal(fixture->text, "stopping");
}

static void plans_that_nobody_waits_for_any_more_are_freed(void **state)
{
    struct fixture *fixture = *state;
    site_start(fixture->site);
    for (int i = 0; i < 3; i++)
        ask(fixture, NULL, SJ_PLAN_SHORT);
    site_free(fixture->site);
    fixture->site = NULL;
    assert_int_equal(fixture->n_plans, 0);
}

static size_t n_run;

static void count_run(struct sj_task *task)
{
    (void)task;
    __atomic_fetch_add(&n_run, 1, __ATOMIC_RELAXED);
}

static void with_a_full_queue_plans_are_put_off(void **state)
{
    struct fixture *fixture = *state;
    struct site *site = fixture->site;
    struct sj_task tasks[65] = {{0}};
    size_t n = 0;
    char error[256];
    assert_int_equal(sj_index_new(&site->config, site->sched, site->log, site->base, &site->index,
                                  error, sizeof(error)),
                     0);
    do {
        assert_true(n < 65);
        tasks[n].run = count_run;
    } while (sj_sched_submit(site->sched, &tasks[n++]) == 0);
    ask(fixture, NULL, SJ_PLAN_SHORT);
    assert_int_equal(fixture->n_plans, 1);
    assert_int_equal(fixture->outcome, SJ_PLAN_FAILED);
    assert_says(fixture, "try again later");
    assert_int_equal(sj_sched_start(site->sched), 0);
    while (__atomic_load_n(&n_run, __ATOMIC_RELAXED) < n - 1)
        usleep(1000);
    assert_int_equal(plan(fixture, NULL, SJ_PLAN_SHORT), SJ_PLAN_ACCEPTED);
    assert_says(fixture, "added: /a  1\n");
}

static void without_memory_there_is_no_plan(void **state)
{
    struct fixture *fixture = *state;
    site_start(fixture->site);
    calloc_fails = true;
    int error = sj_index_plan(fixture->site->index, NULL, SJ_PLAN_SHORT, take, fixture);
    calloc_fails = false;
    assert_int_equal(error, -ENOMEM);
    assert_int_equal(fixture->n_plans, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(plans_and_builds_take_turns_and_answer_their_own),
        TEST(a_plan_in_work_is_no_build),
        TEST(variants_come_to_what_is_served_though_it_was_planned),
        TEST(variants_do_not_bring_what_was_only_planned),
        TEST(cancelling_ends_plans),
        TEST(plans_that_nobody_waits_for_any_more_are_freed),
        TEST(with_a_full_queue_plans_are_put_off),
        TEST(without_memory_there_is_no_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
