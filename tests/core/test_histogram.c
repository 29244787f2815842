/* SPDX-License-Identifier: MIT */
#include "core/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void an_empty_histogram_has_no_quantile(void **state)
{
    struct sj_histogram histogram = {0};

    (void)state;
    assert_int_equal(sj_histogram_count(&histogram), 0);
    assert_int_equal(sj_histogram_quantile(&histogram, 0.5), 0);
}

static void a_quantile_is_never_below_and_at_most_a_quarter_above(void **state)
{
    (void)state;
    for (uint64_t ns = 4; ns < (uint64_t)1 << 41; ns += ns / 7 + 1) {
        struct sj_histogram histogram = {0};
        uint64_t edge;

        sj_histogram_record(&histogram, ns);
        edge = sj_histogram_quantile(&histogram, 0.5);
        assert_true(edge > ns);
        assert_true(edge <= ns + ns / 4 + 1);
    }
}

static void quantiles_split_the_recorded_values(void **state)
{
    struct sj_histogram histogram = {0};

    (void)state;
    for (unsigned i = 0; i < 99; i++)
        sj_histogram_record(&histogram, 1000);
    sj_histogram_record(&histogram, 1000000);
    assert_int_equal(sj_histogram_quantile(&histogram, 0.99), 1024);
    assert_int_equal(sj_histogram_quantile(&histogram, 0), 1024);
    assert_true(sj_histogram_quantile(&histogram, 1) > 1000000);
}

static void values_beyond_the_end_count_in_the_last_bucket(void **state)
{
    struct sj_histogram histogram = {0};

    (void)state;
    sj_histogram_record(&histogram, UINT64_MAX / 2);
    assert_int_equal(histogram.buckets[SJ_HISTOGRAM_BUCKETS - 1], 1);
    assert_int_equal(sj_histogram_quantile(&histogram, 1), (uint64_t)1 << 41);
}

static void zero_counts_in_the_first_bucket(void **state)
{
    struct sj_histogram histogram = {0};

    (void)state;
    sj_histogram_record(&histogram, 0);
    assert_int_equal(histogram.buckets[0], 1);
    assert_int_equal(sj_histogram_quantile(&histogram, 0.5), 1);
}

static void merging_adds_counts_and_sums(void **state)
{
    struct sj_histogram a = {0}, b = {0};

    (void)state;
    sj_histogram_record(&a, 10);
    sj_histogram_record(&b, 10);
    sj_histogram_record(&b, 5000);
    sj_histogram_merge(&a, &b);
    assert_int_equal(sj_histogram_count(&a), 3);
    assert_int_equal(a.sum_ns, 5020);
}

static void those_below_a_power_of_two_are_counted_exactly(void **state)
{
    struct sj_histogram histogram = {0};

    (void)state;
    sj_histogram_record(&histogram, 1023);
    sj_histogram_record(&histogram, 1024);
    sj_histogram_record(&histogram, 5000);
    assert_int_equal(sj_histogram_below(&histogram, 1024), 1);
    assert_int_equal(sj_histogram_below(&histogram, 4096), 2);
    assert_int_equal(sj_histogram_below(&histogram, 8192), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_histogram_has_no_quantile),
        cmocka_unit_test(a_quantile_is_never_below_and_at_most_a_quarter_above),
        cmocka_unit_test(quantiles_split_the_recorded_values),
        cmocka_unit_test(values_beyond_the_end_count_in_the_last_bucket),
        cmocka_unit_test(zero_counts_in_the_first_bucket),
        cmocka_unit_test(merging_adds_counts_and_sums),
        cmocka_unit_test(those_below_a_power_of_two_are_counted_exactly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
