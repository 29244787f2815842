/* SPDX-License-Identifier: MIT */
#include "cache/quiet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define MS 1000000ULL
#define T0 (1000 * MS)

static void a_single_event_is_due_after_the_quiet_period(void **state)
{
    struct sj_quiet quiet = {0};
    (void)state;
    assert_int_equal(sj_quiet_event(&quiet, T0), T0 + SJ_QUIET_NS);
    assert_false(sj_quiet_is_due(&quiet, T0 + SJ_QUIET_NS - 1));
    assert_true(sj_quiet_is_due(&quiet, T0 + SJ_QUIET_NS));
}

static void without_events_nothing_is_due(void **state)
{
    struct sj_quiet quiet = {0};
    (void)state;
    assert_false(sj_quiet_is_due(&quiet, T0));
    sj_quiet_event(&quiet, T0);
    assert_true(sj_quiet_is_due(&quiet, T0 + SJ_QUIET_NS));
    assert_false(sj_quiet_is_due(&quiet, T0 + 10 * SJ_QUIET_NS));
}

static void further_events_put_it_off(void **state)
{
    struct sj_quiet quiet = {0};
    (void)state;
    sj_quiet_event(&quiet, T0);
    assert_int_equal(sj_quiet_event(&quiet, T0 + 50 * MS), T0 + 50 * MS + SJ_QUIET_NS);
    assert_false(sj_quiet_is_due(&quiet, T0 + SJ_QUIET_NS));
}

static void but_not_beyond_the_limit(void **state)
{
    struct sj_quiet quiet = {0};
    uint64_t due = 0;
    (void)state;
    for (uint64_t now = T0; now <= T0 + 1990 * MS; now += 10 * MS)
        due = sj_quiet_event(&quiet, now);
    assert_int_equal(due, T0 + SJ_QUIET_MAX_NS);
}

/* Counts the actions in a minute of events every `step`. */
static unsigned actions(uint64_t step)
{
    struct sj_quiet quiet = {0};
    unsigned n = 0;
    for (uint64_t now = T0; now < T0 + 60000 * MS; now += 10 * MS) {
        if ((now - T0) % step == 0)
            sj_quiet_event(&quiet, now);
        n += sj_quiet_is_due(&quiet, now);
    }
    return n;
}

static void endless_events_cost_little(void **state)
{
    (void)state;
    assert_in_range(actions(10 * MS), 28, 32);
    assert_in_range(actions(150 * MS), 25, 36);
    assert_in_range(actions(500 * MS), 25, 36);
}

static void after_a_rest_the_period_is_short_again(void **state)
{
    struct sj_quiet quiet = {0};
    (void)state;
    sj_quiet_event(&quiet, T0);
    assert_true(sj_quiet_is_due(&quiet, T0 + 100 * MS));
    assert_int_equal(sj_quiet_event(&quiet, T0 + 200 * MS), T0 + 400 * MS);
    assert_true(sj_quiet_is_due(&quiet, T0 + 400 * MS));
    assert_int_equal(sj_quiet_event(&quiet, T0 + 5000 * MS), T0 + 5100 * MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_single_event_is_due_after_the_quiet_period),
        cmocka_unit_test(without_events_nothing_is_due),
        cmocka_unit_test(further_events_put_it_off),
        cmocka_unit_test(but_not_beyond_the_limit),
        cmocka_unit_test(endless_events_cost_little),
        cmocka_unit_test(after_a_rest_the_period_is_short_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
