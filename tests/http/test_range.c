/* SPDX-License-Identifier: MIT */
#include "http/range.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/http/head.h"

#define IGNORED 0

static int parse(const char *value, size_t length, uint64_t size, struct sj_range *ranges)
{
    char *copy = copy_exactly(value, length);
    int n_ranges = sj_ranges_parse((struct sj_text){copy, length}, size, ranges);

    free(copy);
    return n_ranges;
}

/* What holds of every answer. */
static void check_prefixes(const char *value, uint64_t size)
{
    for (size_t length = 0; length <= strlen(value); length++) {
        struct sj_range ranges[SJ_RANGES_MAX];
        int n_ranges = parse(value, length, size, ranges);
        uint64_t end = 0;

        assert_true(n_ranges <= SJ_RANGES_MAX && (n_ranges >= 0 || n_ranges == -ERANGE));
        for (int i = 0; i < n_ranges; i++) {
            assert_true(ranges[i].first >= end && ranges[i].length > 0);
            assert_true(ranges[i].first < size && ranges[i].length <= size - ranges[i].first);
            end = ranges[i].first + ranges[i].length;
        }
    }
}

static void assert_result(const char *value, uint64_t size, int expected)
{
    struct sj_range ranges[SJ_RANGES_MAX];
    int n_ranges = parse(value, strlen(value), size, ranges);

    if (n_ranges != expected)
        fail_msg("%d: %s of %llu", n_ranges, value, (unsigned long long)size);
    check_prefixes(value, size);
}

static void assert_one(const char *value, uint64_t size, uint64_t first, uint64_t length)
{
    struct sj_range ranges[SJ_RANGES_MAX];

    assert_result(value, size, 1);
    parse(value, strlen(value), size, ranges);
    if (ranges[0].first != first || ranges[0].length != length)
        fail_msg("%llu + %llu: %s", (unsigned long long)ranges[0].first,
                 (unsigned long long)ranges[0].length, value);
}

static void one_range_is_clipped_to_the_size(void **state)
{
    (void)state;
    assert_one("bytes=0-0", 10, 0, 1);
    assert_one("bytes=0-4", 10, 0, 5);
    assert_one("bytes=3-", 10, 3, 7);
    assert_one("bytes=9-9", 10, 9, 1);
    assert_one("bytes=9-10", 10, 9, 1);
    assert_one("bytes=0-99", 10, 0, 10);
    assert_one("bytes=-1", 10, 9, 1);
    assert_one("bytes=-10", 10, 0, 10);
    assert_one("bytes=-11", 10, 0, 10);
    assert_one("bytes=007-0000000000000000000000000000008", 10, 7, 2);
}

static void the_unit_is_known_in_any_case(void **state)
{
    (void)state;
    assert_one("BYTES=0-4", 10, 0, 5);
    assert_one("bYtEs=-4", 10, 6, 4);
}

static void other_units_and_other_grammars_are_ignored(void **state)
{
    static const char *const values[] = {
        "",           "bytes",      "bytes=",      "bytes=,",       "bytes= ",
        "byte=0-4",   "bytess=0-4", "bytes 0-4",   "bytes:0-4",     "bytes =0-4",
        " bytes=0-4", "items=0-4",  "0-4",         "bytes=0",       "bytes=-",
        "bytes=--1",  "bytes=a-b",  "bytes=0-b",   "bytes=0x0-4",   "bytes=0-4-5",
        "bytes=+0-4", "bytes=0 -4", "bytes=0- 4",  "bytes=0-4;",    "bytes=0-4 5-6",
        "bytes=0-4x", "bytes==0-4", "bytes=0.5-4", "bytes=\"0-4\"", "bytes=*"};

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
        assert_result(values[i], 10, IGNORED);
}

static void a_range_that_ends_before_it_begins_spoils_all(void **state)
{
    (void)state;
    assert_result("bytes=5-3", 10, IGNORED);
    assert_result("bytes=0-1,5-3", 10, IGNORED);
    assert_result("bytes=50-30", 10, IGNORED);
    assert_result("bytes=1-0", 0, IGNORED);
}

static void ranges_beyond_the_size_cannot_be_satisfied(void **state)
{
    (void)state;
    assert_result("bytes=10-", 10, -ERANGE);
    assert_result("bytes=10-10", 10, -ERANGE);
    assert_result("bytes=10-,20-30,-0", 10, -ERANGE);
}

static void the_last_no_octets_cannot_be_satisfied(void **state)
{
    (void)state;
    assert_result("bytes=-0", 10, -ERANGE);
    assert_result("bytes=-000", 10, -ERANGE);
    assert_result("bytes=-0", 0, -ERANGE);
}

/* RFC 9110 section 14.1.2 calls the last one of nothing satisfiable, but no Content-Range says it.
 */
static void of_nothing_only_its_last_octets_are_the_whole(void **state)
{
    (void)state;
    assert_result("bytes=0-", 0, -ERANGE);
    assert_result("bytes=0-0", 0, -ERANGE);
    assert_result("bytes=-1", 0, IGNORED);
    assert_result("bytes=0-0,-1", 0, IGNORED);
}

static void those_beyond_are_left_out_beside_others(void **state)
{
    (void)state;
    assert_one("bytes=100-200,5-6", 10, 5, 2);
    assert_one("bytes=5-6,100-200", 10, 5, 2);
    assert_one("bytes=-0,5-6", 10, 5, 2);
}

static void numerals_saturate(void **state)
{
    (void)state;
    assert_one("bytes=0-99999999999999999999999999999", 10, 0, 10);
    assert_one("bytes=-99999999999999999999999999999", 10, 0, 10);
    assert_one("bytes=0-18446744073709551615", UINT64_MAX, 0, UINT64_MAX);
    assert_one("bytes=18446744073709551614-", UINT64_MAX, UINT64_MAX - 1, 1);
    assert_result("bytes=18446744073709551616-", 10, -ERANGE);
    assert_result("bytes=18446744073709551621-18446744073709551622", 10, -ERANGE);
    assert_result("bytes=-18446744073709551616", 10, 1);
}

static void several_ranges_come_in_their_order(void **state)
{
    struct sj_range ranges[SJ_RANGES_MAX];
    static const char value[] = "bytes=0-1,3-3,-2";

    (void)state;
    assert_result(value, 10, 3);
    parse(value, sizeof(value) - 1, 10, ranges);
    assert_int_equal(ranges[0].first, 0);
    assert_int_equal(ranges[0].length, 2);
    assert_int_equal(ranges[1].first, 3);
    assert_int_equal(ranges[1].length, 1);
    assert_int_equal(ranges[2].first, 8);
    assert_int_equal(ranges[2].length, 2);
}

static void ranges_out_of_order_or_overlapping_are_ignored(void **state)
{
    (void)state;
    assert_result("bytes=0-1,2-3", 10, 2);
    assert_result("bytes=5-6,0-1", 10, IGNORED);
    assert_result("bytes=0-5,5-6", 10, IGNORED);
    assert_result("bytes=0-5,-5", 10, IGNORED);
    assert_result("bytes=0-,0-", 10, IGNORED);
    assert_result("bytes=0-0,0-0", 10, IGNORED);
}

static void more_than_sixteen_are_ignored(void **state)
{
    (void)state;
    assert_result("bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,26-26,"
                  "28-28,30-30",
                  99, 16);
    assert_result("bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,26-26,"
                  "28-28,30-30,32-32",
                  99, IGNORED);
    assert_result("bytes=99-,99-,99-,99-,99-,99-,99-,99-,99-,99-,99-,99-,99-,99-,99-,99-,0-0", 9,
                  IGNORED);
}

static void white_space_and_empty_elements_are_as_in_any_list(void **state)
{
    (void)state;
    assert_result("bytes=0-1 ,\t3-4", 10, 2);
    assert_result("bytes=,0-1,,3-4,", 10, 2);
    assert_result("bytes= ,0-1, ,3-4, ", 10, 2);
    assert_result("bytes= 0-1", 10, IGNORED);
    assert_result("bytes=0-1 ", 10, IGNORED);
    assert_result("bytes=0-1\n,3-4", 10, IGNORED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_range_is_clipped_to_the_size),
        cmocka_unit_test(the_unit_is_known_in_any_case),
        cmocka_unit_test(other_units_and_other_grammars_are_ignored),
        cmocka_unit_test(a_range_that_ends_before_it_begins_spoils_all),
        cmocka_unit_test(ranges_beyond_the_size_cannot_be_satisfied),
        cmocka_unit_test(the_last_no_octets_cannot_be_satisfied),
        cmocka_unit_test(of_nothing_only_its_last_octets_are_the_whole),
        cmocka_unit_test(those_beyond_are_left_out_beside_others),
        cmocka_unit_test(numerals_saturate),
        cmocka_unit_test(several_ranges_come_in_their_order),
        cmocka_unit_test(ranges_out_of_order_or_overlapping_are_ignored),
        cmocka_unit_test(more_than_sixteen_are_ignored),
        cmocka_unit_test(white_space_and_empty_elements_are_as_in_any_list)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
