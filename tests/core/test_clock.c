/* SPDX-License-Identifier: MIT */
#include "core/clock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define EXAMPLE 784111777  /* the time of every example in RFC 9110 section 5.6.7 */
#define NOW     1795251600 /* 2026-11-21 09:00:00 */

static void assert_formats(time_t seconds, const char *text)
{
    char date[SJ_DATE_LENGTH + 1] = {0};

    sj_date_format(date, seconds);
    assert_string_equal(date, text);
}

static int parse(const char *text, time_t *seconds)
{
    return sj_date_parse(text, strlen(text), NOW, seconds);
}

static void assert_parses(const char *text, time_t seconds)
{
    time_t found = -1;

    assert_int_equal(parse(text, &found), 0);
    assert_int_equal(found, seconds);
}

static void assert_refuses(const char *text)
{
    time_t found = 42;

    if (parse(text, &found) != -EINVAL)
        fail_msg("accepted: %s", text);
    assert_int_equal(found, 42);
}

static void dates_are_written_as_imf_fixdate(void **state)
{
    (void)state;
    assert_formats(EXAMPLE, "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_formats(0, "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_formats(951782399, "Mon, 28 Feb 2000 23:59:59 GMT");
    assert_formats(951782400, "Tue, 29 Feb 2000 00:00:00 GMT");
    assert_formats(-1, "Wed, 31 Dec 1969 23:59:59 GMT");
}

static void times_that_no_date_can_name_become_the_nearest(void **state)
{
    (void)state;
    assert_formats(INT64_MAX, "Fri, 31 Dec 9999 23:59:59 GMT");
    assert_formats(INT64_MIN, "Sat, 01 Jan 0000 00:00:00 GMT");
}

/* Steps of about 11 days over the years 0 to 9999, at changing times of day. */
static void dates_agree_with_the_calendar_of_the_c_library(void **state)
{
    (void)state;
    for (int64_t seconds = -62167219200; seconds <= 253402300799; seconds += 950033) {
        char ours[SJ_DATE_LENGTH + 1] = {0}, theirs[64];
        time_t time = seconds, back;
        struct tm tm;

        sj_date_format(ours, time);
        gmtime_r(&time, &tm);
        tm.tm_year += 1900;
        strftime(theirs, sizeof(theirs), "%a, %d %b ", &tm);
        snprintf(theirs + 12, sizeof(theirs) - 12, "%04d %02d:%02d:%02d GMT", tm.tm_year,
                 tm.tm_hour, tm.tm_min, tm.tm_sec);
        assert_string_equal(ours, theirs);
        assert_int_equal(parse(ours, &back), 0);
        assert_int_equal(back, seconds);
    }
}

static void stamps_have_milliseconds(void **state)
{
    (void)state;
    char stamp[SJ_STAMP_LENGTH + 1] = {0};

    sj_stamp_format(stamp, &(struct timespec){NOW, 123999999});
    assert_string_equal(stamp, "2026-11-21T09:00:00.123Z");
}

static void the_three_forms_are_read(void **state)
{
    (void)state;
    assert_parses("Sun, 06 Nov 1994 08:49:37 GMT", EXAMPLE);
    assert_parses("Sunday, 06-Nov-94 08:49:37 GMT", EXAMPLE);
    assert_parses("Sun Nov  6 08:49:37 1994", EXAMPLE);
    assert_parses("Wed Nov 16 08:49:37 1994", EXAMPLE + 10 * 86400);
}

/* A wrong day name is as good as any other: only its syntax counts. */
static void a_day_name_need_not_fit_the_date(void **state)
{
    (void)state;
    assert_parses("Mon, 06 Nov 1994 08:49:37 GMT", EXAMPLE);
    assert_refuses("Son, 06 Nov 1994 08:49:37 GMT");
    assert_refuses("Sunday, 06 Nov 1994 08:49:37 GMT");
    assert_refuses("Sun, 06-Nov-94 08:49:37 GMT");
}

static void letters_have_their_case(void **state)
{
    (void)state;
    assert_refuses("sun, 06 Nov 1994 08:49:37 GMT");
    assert_refuses("Sun, 06 NOV 1994 08:49:37 GMT");
    assert_refuses("Sun, 06 Nov 1994 08:49:37 gmt");
}

static void other_zones_are_refused(void **state)
{
    (void)state;
    assert_refuses("Sun, 06 Nov 1994 08:49:37 UTC");
    assert_refuses("Sun, 06 Nov 1994 08:49:37 +0000");
    assert_refuses("Sun, 06 Nov 1994 08:49:37");
}

static void white_space_is_fixed(void **state)
{
    (void)state;
    assert_refuses(" Sun, 06 Nov 1994 08:49:37 GMT");
    assert_refuses("Sun, 06 Nov 1994 08:49:37 GMT ");
    assert_refuses("Sun,  06 Nov 1994 08:49:37 GMT");
    assert_refuses("Sun,06 Nov 1994 08:49:37 GMT");
    assert_refuses("Sun,\t06 Nov 1994 08:49:37 GMT");
    assert_refuses("Sun Nov 6 08:49:37 1994");
}

static void numbers_have_their_digits(void **state)
{
    (void)state;
    assert_refuses("Sun, 6 Nov 1994 08:49:37 GMT");
    assert_refuses("Sun, 06 Nov 94 08:49:37 GMT");
    assert_refuses("Sun, 06 Nov 1994 8:49:37 GMT");
    assert_refuses("Sun, 06 Nov 1994 08:49 GMT");
    assert_refuses("Sun, +6 Nov 1994 08:49:37 GMT");
    assert_refuses("Sun, 06 Nov -994 08:49:37 GMT");
}

static void days_that_a_month_does_not_have_are_refused(void **state)
{
    (void)state;
    assert_refuses("Sun, 00 Nov 1994 08:49:37 GMT");
    assert_refuses("Sun, 31 Nov 1994 08:49:37 GMT");
    assert_refuses("Sun, 32 Dec 1994 08:49:37 GMT");
    assert_refuses("Sun, 29 Feb 1900 08:49:37 GMT");
    assert_refuses("Sun, 29 Feb 2023 08:49:37 GMT");
    assert_parses("Tue, 29 Feb 2000 00:00:00 GMT", 951782400);
    assert_refuses("Monday, 29-Feb-23 08:49:37 GMT");
}

static void times_of_day_end_at_24_00(void **state)
{
    (void)state;
    assert_refuses("Sun, 06 Nov 1994 24:00:00 GMT");
    assert_refuses("Sun, 06 Nov 1994 08:60:00 GMT");
    assert_refuses("Sun, 06 Nov 1994 08:00:61 GMT");
}

static void a_leap_second_is_the_next_minutes_first(void **state)
{
    (void)state;
    assert_parses("Sat, 31 Dec 2016 23:59:60 GMT", 1483228800);
}

static void a_two_digit_year_lies_at_most_50_years_ahead(void **state)
{
    (void)state;
    assert_parses("Saturday, 21-Nov-76 09:00:00 GMT", 3373174800);
    assert_parses("Saturday, 21-Nov-76 09:00:01 GMT", 217414801);
    assert_parses("Sunday, 06-Nov-94 08:49:37 GMT", EXAMPLE);
}

/* Room of exactly each length, so that a sanitizer sees an octet read too many. */
static void every_prefix_is_refused(void **state)
{
    static const char *const forms[] = {"Sun, 06 Nov 1994 08:49:37 GMT",
                                        "Wednesday, 06-Nov-94 08:49:37 GMT",
                                        "Sun Nov  6 08:49:37 1994"};
    time_t seconds;

    (void)state;
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
        for (size_t length = 0; length < strlen(forms[i]); length++) {
            char *copy = test_malloc(length + 1);

            memcpy(copy + 1, forms[i], length);
            assert_int_equal(sj_date_parse(copy + 1, length, NOW, &seconds), -EINVAL);
            test_free(copy);
        }
}

static void the_clocks_do_not_run_backwards(void **state)
{
    (void)state;
    uint64_t coarse = sj_clock_coarse_ns(), fine = sj_clock_ns();

    assert_true(coarse > 0);
    assert_true(fine >= coarse);
    assert_true(sj_clock_ns() >= fine);
    assert_true(sj_clock_coarse_ns() >= coarse);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_are_written_as_imf_fixdate),
        cmocka_unit_test(times_that_no_date_can_name_become_the_nearest),
        cmocka_unit_test(dates_agree_with_the_calendar_of_the_c_library),
        cmocka_unit_test(stamps_have_milliseconds),
        cmocka_unit_test(the_three_forms_are_read),
        cmocka_unit_test(a_day_name_need_not_fit_the_date),
        cmocka_unit_test(letters_have_their_case),
        cmocka_unit_test(other_zones_are_refused),
        cmocka_unit_test(white_space_is_fixed),
        cmocka_unit_test(numbers_have_their_digits),
        cmocka_unit_test(days_that_a_month_does_not_have_are_refused),
        cmocka_unit_test(times_of_day_end_at_24_00),
        cmocka_unit_test(a_leap_second_is_the_next_minutes_first),
        cmocka_unit_test(a_two_digit_year_lies_at_most_50_years_ahead),
        cmocka_unit_test(every_prefix_is_refused),
        cmocka_unit_test(the_clocks_do_not_run_backwards),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
