/* SPDX-License-Identifier: MIT */
#include "http/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static char line[SJ_REPORT_LINE];

static void thousands_are_separated(void **state)
{
    const struct sj_generation_summary summary = {.number = 1234,
                                                  .n_added = 12,
                                                  .n_changed = 123,
                                                  .n_removed = 1000,
                                                  .n_unchanged = 104233,
                                                  .n_faults = 1234567,
                                                  .build_ns = 3800000000};

    (void)state;
    sj_report_generation(line, &summary, ",");
    assert_string_equal(line, "generation 1234: 12 added, 123 changed, 1,000 removed, 104,233 "
                              "unchanged, 1,234,567 faults; 3800 ms");
    sj_report_generation(line, &summary, "");
    assert_string_equal(line, "generation 1234: 12 added, 123 changed, 1000 removed, 104233 "
                              "unchanged, 1234567 faults; 3800 ms");
}

static void the_largest_numbers_fit(void **state)
{
    struct sj_generation_summary summary;

    (void)state;
    memset(&summary, 0xff, sizeof(summary));
    sj_report_generation(line, &summary, ",");
    assert_non_null(strstr(line, " 18,446,744,073,709,551,615 faults; 18446744073709 ms"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thousands_are_separated),
        cmocka_unit_test(the_largest_numbers_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
