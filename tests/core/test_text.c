/* SPDX-License-Identifier: MIT */
#include "core/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static void case_of_letters_does_not_count(void **state)
{
    (void)state;
    assert_true(sj_text_equals_nocase(SJ_TEXT("Keep-Alive"), SJ_TEXT("kEEP-aLIVE")));
}

static void only_letters_have_case(void **state)
{
    (void)state;
    assert_false(sj_text_equals_nocase(SJ_TEXT("@[\\]^_"), SJ_TEXT("`{|}~\x7f")));
    assert_false(sj_text_equals_nocase(SJ_TEXT("\xc4"), SJ_TEXT("\xe4")));
    assert_false(sj_text_equals_nocase(SJ_TEXT("\r"), SJ_TEXT("-")));
}

static void a_prefix_is_not_equal(void **state)
{
    (void)state;
    assert_false(sj_text_equals_nocase(SJ_TEXT("close"), SJ_TEXT("closed")));
    assert_false(sj_text_equals(SJ_TEXT("close"), SJ_TEXT("closed")));
}

static void equals_minds_case_and_takes_any_octet(void **state)
{
    (void)state;
    assert_true(sj_text_equals(SJ_TEXT("a\0b"), SJ_TEXT("a\0b")));
    assert_false(sj_text_equals(SJ_TEXT("a\0b"), SJ_TEXT("a\0c")));
    assert_false(sj_text_equals(SJ_TEXT("a"), SJ_TEXT("A")));
}

static void assert_number(uint64_t number, const char *text)
{
    char room[32];
    struct sj_writer writer = {room, room + sizeof(room), false};

    sj_write_number(&writer, number);
    assert_int_equal(writer.at - room, strlen(text));
    assert_memory_equal(room, text, strlen(text));
}

static void numbers_are_written_in_decimal(void **state)
{
    (void)state;
    assert_number(0, "0");
    assert_number(7, "7");
    assert_number(10, "10");
    assert_number(4096, "4096");
    assert_number(UINT64_MAX, "18446744073709551615");
}

static void what_does_not_fit_is_left_out_whole(void **state)
{
    (void)state;
    char room[4] = "----";
    struct sj_writer writer = {room, room + sizeof(room), false};

    sj_write_number(&writer, 12345);
    assert_true(writer.is_full);
    assert_ptr_equal(writer.at, room);
    assert_memory_equal(room, "----", 4);
}

static void what_fits_to_the_last_octet_is_written(void **state)
{
    (void)state;
    char room[4];
    struct sj_writer writer = {room, room + sizeof(room), false};

    sj_write_literal(&writer, "ab");
    sj_write_text(&writer, SJ_TEXT("c"));
    sj_write_number(&writer, 9);
    assert_false(writer.is_full);
    assert_memory_equal(room, "abc9", 4);
}

static void full_stays_set_when_something_shorter_fits(void **state)
{
    (void)state;
    char room[2];
    struct sj_writer writer = {room, room + sizeof(room), false};

    sj_write_literal(&writer, "abc");
    sj_write_literal(&writer, "d");
    assert_true(writer.is_full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_of_letters_does_not_count),
        cmocka_unit_test(only_letters_have_case),
        cmocka_unit_test(a_prefix_is_not_equal),
        cmocka_unit_test(equals_minds_case_and_takes_any_octet),
        cmocka_unit_test(numbers_are_written_in_decimal),
        cmocka_unit_test(what_does_not_fit_is_left_out_whole),
        cmocka_unit_test(what_fits_to_the_last_octet_is_written),
        cmocka_unit_test(full_stays_set_when_something_shorter_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
