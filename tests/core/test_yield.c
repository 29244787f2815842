/* SPDX-License-Identifier: MIT */
#include "core/yield.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define US 1000ull
#define MS (1000 * US)
#define S  (1000 * MS)

/* One that took so long, after tasks enough. */
static void take(struct sj_yield *yield, uint64_t now_ns, uint64_t ns)
{
    yield->n_tasks = SJ_YIELD_TASKS;
    assert_true(sj_yield_may(yield, now_ns));
    sj_yield_took(yield, now_ns, ns);
    assert_false(sj_yield_may(yield, now_ns)); /* for want of tasks */
    yield->n_tasks = SJ_YIELD_TASKS;
}

/* How long the pause is that has just begun; 0: none. */
static uint64_t pause_of(const struct sj_yield *yield, uint64_t now_ns)
{
    uint64_t till_ns = yield->paused_till_ns;

    if (till_ns <= now_ns)
        return 0;
    assert_false(sj_yield_may(yield, till_ns - 1));
    assert_true(sj_yield_may(yield, till_ns));
    return till_ns - now_ns;
}

static void it_takes_some_tasks(void **state)
{
    struct sj_yield yield = {0};

    (void)state;
    for (; yield.n_tasks < SJ_YIELD_TASKS; yield.n_tasks++)
        assert_false(sj_yield_may(&yield, S));
    assert_true(sj_yield_may(&yield, S));
}

static void those_that_are_worth_it_go_on(void **state)
{
    struct sj_yield yield = {0};

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        take(&yield, i * MS, 2 * US);
        take(&yield, i * MS, 1 * MS - 1);
        assert_int_equal(pause_of(&yield, i * MS), 0);
    }
}

static void eight_in_vain_pause_for_10_ms(void **state)
{
    struct sj_yield yield = {0};

    (void)state;
    for (unsigned i = 0; i < 7; i++)
        take(&yield, S, 2 * US - 1);
    assert_int_equal(pause_of(&yield, S), 0);
    take(&yield, S, 300 * US); /* that one was not: they are counted anew */
    for (unsigned i = 0; i < 7; i++)
        take(&yield, S, 400);
    assert_int_equal(pause_of(&yield, S), 0);
    take(&yield, S, 400);
    assert_int_equal(pause_of(&yield, S), 10 * MS);
}

static void three_long_ones_are_forgiven(void **state)
{
    struct sj_yield yield = {0};

    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        for (unsigned n = 0; n < 3; n++)
            take(&yield, S, 3 * MS - 1);
        assert_int_equal(pause_of(&yield, S), 0);
        take(&yield, S, 100 * US);
    }
}

/* A vain one between them tells nothing: nobody else was ready at that moment. */
static void four_long_ones_pause(void **state)
{
    struct sj_yield yield = {0};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        take(&yield, S, 1 * MS);
        take(&yield, S, 400);
    }
    assert_int_equal(pause_of(&yield, S), 0);
    take(&yield, S, 1 * MS);
    assert_int_equal(pause_of(&yield, S), 64 * MS);
}

static void a_whole_slice_pauses_longer_each_time(void **state)
{
    static const uint64_t pauses[] = {64, 128, 256, 512, 1024, 2048, 2048};
    struct sj_yield yield = {0};
    uint64_t now_ns = S;

    (void)state;
    for (unsigned i = 0; i < sizeof(pauses) / sizeof(*pauses); i++) {
        take(&yield, now_ns, 3 * MS);
        assert_int_equal(pause_of(&yield, now_ns), pauses[i] * MS);
        now_ns = yield.paused_till_ns;
    }
}

static void those_that_are_worth_it_shorten_the_next_pause(void **state)
{
    struct sj_yield yield = {0};
    uint64_t now_ns = S;

    (void)state;
    take(&yield, now_ns, 4 * MS); /* the next one would be 128 ms */
    now_ns = yield.paused_till_ns;
    for (unsigned i = 0; i < 10; i++) /* the first; then it is too soon */
        take(&yield, now_ns + i * 6 * MS, 100 * US);
    take(&yield, now_ns, 4 * MS);
    assert_int_equal(pause_of(&yield, now_ns), 96 * MS);
    now_ns = yield.paused_till_ns;
    for (unsigned i = 0; i < 40; i++, now_ns += 64 * MS)
        take(&yield, now_ns, 100 * US);
    take(&yield, now_ns, 4 * MS);
    assert_int_equal(pause_of(&yield, now_ns), 64 * MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_takes_some_tasks),
        cmocka_unit_test(those_that_are_worth_it_go_on),
        cmocka_unit_test(eight_in_vain_pause_for_10_ms),
        cmocka_unit_test(three_long_ones_are_forgiven),
        cmocka_unit_test(four_long_ones_pause),
        cmocka_unit_test(a_whole_slice_pauses_longer_each_time),
        cmocka_unit_test(those_that_are_worth_it_shorten_the_next_pause),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
