/* SPDX-License-Identifier: MIT */
#include "http/conditional.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/http/head.h"

#define MODIFIED 784111777 /* Sun, 06 Nov 1994 08:49:37 GMT */
#define NOW      1795251600

#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define SAME   "Sun, 06 Nov 1994 08:49:37 GMT"
#define AFTER  "Sun, 06 Nov 1994 08:49:38 GMT"

static const struct sj_validators usual = {SJ_TEXT("\"abc\""), MODIFIED};
static const struct sj_validators unknown = {{"", 0}, 0};

static void parse(struct head *head, const char *fields)
{
    char text[1024];

    snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", fields);
    if (head_init(head, text, strlen(text)) != 0)
        fail_msg("not a request: %s", fields);
}

static void assert_status_with(const struct sj_validators *validators, const char *fields,
                               int expected)
{
    struct head head;
    int status;

    parse(&head, fields);
    status = sj_conditional_check(&head.request, head.text, validators, NOW);
    if (status != expected)
        fail_msg("%d: %s", status, fields);
    head_fini(&head);
}

static void assert_status(const char *fields, int expected)
{
    assert_status_with(&usual, fields, expected);
}

/* One line with that value, and with each prefix of it: they must be survived. */
static void assert_value(const char *name, const char *value, int expected)
{
    char fields[512];

    for (size_t length = 0; length < strlen(value); length++) {
        struct head head;

        snprintf(fields, sizeof(fields), "%s: %.*s\r\n", name, (int)length, value);
        parse(&head, fields);
        assert_in_range(sj_conditional_check(&head.request, head.text, &usual, NOW), 200, 412);
        head_fini(&head);
    }
    snprintf(fields, sizeof(fields), "%s: %s\r\n", name, value);
    assert_status(fields, expected);
}

static void no_condition_holds(void **state)
{
    (void)state;
    assert_status("", 200);
    assert_status("Range: bytes=0-1\r\nIf-Range: \"abc\"\r\n", 200);
}

static void if_none_match_compares_weakly(void **state)
{
    (void)state;
    assert_value("If-None-Match", "\"abc\"", 304);
    assert_value("If-None-Match", "W/\"abc\"", 304);
    assert_value("If-None-Match", "\"x\", W/\"abc\"", 304);
    assert_value("If-None-Match", "\"x\"", 200);
    assert_value("If-None-Match", "\"ABC\"", 200);
    assert_value("If-None-Match", "\"ab\", \"abcd\", \"\"", 200);
}

static void if_match_compares_strongly(void **state)
{
    (void)state;
    assert_value("If-Match", "\"abc\"", 200);
    assert_value("If-Match", "\"x\" , \"abc\"", 200);
    assert_value("If-Match", "W/\"abc\"", 412);
    assert_value("If-Match", "W/\"abc\", \"x\"", 412);
    assert_value("If-Match", "\"x\"", 412);
}

static void the_asterisk_matches_whatever_there_is(void **state)
{
    (void)state;
    assert_value("If-None-Match", "*", 304);
    assert_value("If-Match", "*", 200);
    assert_status_with(&unknown, "If-None-Match: *\r\n", 304);
    assert_status_with(&unknown, "If-Match: *\r\n", 200);
}

static void entity_tags_may_hold_commas_backslashes_and_obs_text(void **state)
{
    static const struct sj_validators odd = {SJ_TEXT("\"a,\\\xe9!\""), MODIFIED};

    (void)state;
    assert_status_with(&odd, "If-None-Match: \"x\\\", \"a,\\\xe9!\"\r\n", 304);
    assert_status_with(&odd, "If-None-Match: \"a\", \"\\\xe9!\"\r\n", 200);
}

static void lines_and_empty_elements_make_one_list(void **state)
{
    (void)state;
    assert_status("If-None-Match: \"x\"\r\nA: b\r\nIf-None-Match: \"abc\"\r\n", 304);
    assert_status("If-Match: \"x\"\r\nIf-Match: \"abc\"\r\n", 200);
    assert_value("If-None-Match", ",, \"x\",\t,\"abc\" ,", 304);
}

static void a_list_off_the_grammar_matches_nothing(void **state)
{
    static const char *const values[] = {"",
                                         ",",
                                         "abc",
                                         "abc\"",
                                         "\"abc",
                                         "'abc'",
                                         "\"abc\" \"x\"",
                                         "\"abc\"x",
                                         "\"abc\", x",
                                         "x, \"abc\"",
                                         "w/\"abc\"",
                                         "W\"abc\"",
                                         "W/ \"abc\"",
                                         "W/abc",
                                         "W/",
                                         "W",
                                         "*, \"abc\"",
                                         "\"abc\", *",
                                         "**",
                                         "\"*\"",
                                         "\"a b\", \"abc\""};

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
        assert_value("If-None-Match", values[i], 200);
        assert_value("If-Match", values[i], 412);
    }
    assert_status("If-None-Match: *\r\nIf-None-Match: *\r\n", 200);
    assert_status("If-None-Match: \"abc\"\r\nIf-None-Match: x\r\n", 200);
}

static void if_modified_since_knows_three_forms(void **state)
{
    (void)state;
    assert_value("If-Modified-Since", SAME, 304);
    assert_value("If-Modified-Since", "Sunday, 06-Nov-94 08:49:37 GMT", 304);
    assert_value("If-Modified-Since", "Sun Nov  6 08:49:37 1994", 304);
    assert_value("If-Modified-Since", AFTER, 304);
    assert_value("If-Modified-Since", "Fri, 31 Dec 9999 23:59:59 GMT", 304);
    assert_value("If-Modified-Since", BEFORE, 200);
    assert_value("If-Modified-Since", "Sun Nov  6 08:49:36 1994", 200);
}

static void if_unmodified_since_fails_for_what_is_newer(void **state)
{
    (void)state;
    assert_value("If-Unmodified-Since", BEFORE, 412);
    assert_value("If-Unmodified-Since", SAME, 200);
    assert_value("If-Unmodified-Since", AFTER, 200);
}

static void what_is_not_one_date_is_ignored(void **state)
{
    static const char *const values[] = {"",
                                         "x",
                                         "0",
                                         "-1",
                                         SAME ", " SAME,
                                         "Sun, 06 Nov 1994",
                                         "784111778",
                                         "Sun, 32 Nov 1994 08:49:37 GMT"};

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
        assert_value("If-Modified-Since", values[i], 200);
        assert_value("If-Unmodified-Since", values[i], 200);
    }
    assert_status("If-Modified-Since: " SAME "\r\nIf-Modified-Since: " SAME "\r\n", 200);
    assert_status("If-Unmodified-Since: " BEFORE "\r\nIf-Unmodified-Since: " BEFORE "\r\n", 200);
}

static void dates_say_nothing_of_what_has_none(void **state)
{
    static const struct sj_validators dateless = {SJ_TEXT("\"abc\""), 0};

    (void)state;
    assert_status_with(&dateless, "If-Modified-Since: " SAME "\r\n", 200);
    assert_status_with(&dateless, "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n", 200);
    assert_status_with(&dateless, "If-Unmodified-Since: Wed, 31 Dec 1969 00:00:00 GMT\r\n", 200);
}

static void if_match_suppresses_if_unmodified_since(void **state)
{
    (void)state;
    assert_status("If-Match: \"abc\"\r\nIf-Unmodified-Since: " BEFORE "\r\n", 200);
    assert_status("If-Match: \"x\"\r\nIf-Unmodified-Since: " AFTER "\r\n", 412);
}

static void if_none_match_suppresses_if_modified_since(void **state)
{
    (void)state;
    assert_status("If-None-Match: \"x\"\r\nIf-Modified-Since: " SAME "\r\n", 200);
    assert_status("If-None-Match: off\r\nIf-Modified-Since: " SAME "\r\n", 200);
    assert_status("If-None-Match:\r\nIf-Modified-Since: " SAME "\r\n", 200);
    assert_status("If-None-Match: \"abc\"\r\nIf-Modified-Since: " BEFORE "\r\n", 304);
}

static void the_match_comes_before_the_none_match(void **state)
{
    (void)state;
    assert_status("If-None-Match: \"abc\"\r\nIf-Match: \"x\"\r\n", 412);
    assert_status("If-None-Match: \"abc\"\r\nIf-Match: \"abc\"\r\n", 304);
    assert_status("If-Modified-Since: " SAME "\r\nIf-Unmodified-Since: " BEFORE "\r\n", 412);
    assert_status("If-Modified-Since: " SAME "\r\nIf-Unmodified-Since: " SAME "\r\n", 304);
}

static void assert_range(const struct sj_validators *validators, const char *value, time_t now,
                         bool expected)
{
    for (size_t length = 0; length <= strlen(value); length++) {
        char fields[256];
        struct head head;
        bool allows;

        snprintf(fields, sizeof(fields), "If-Range: %.*s\r\n", (int)length, value);
        parse(&head, fields);
        allows = sj_conditional_allows_range(&head.request, head.text, validators, now);
        if (allows != (expected && length == strlen(value)))
            fail_msg("%d: %s", allows, fields);
        head_fini(&head);
    }
}

static void if_range_takes_the_same_strong_tag(void **state)
{
    (void)state;
    assert_range(&usual, "\"abc\"", NOW, true);
    assert_range(&usual, "W/\"abc\"", NOW, false);
    assert_range(&usual, "\"x\"", NOW, false);
    assert_range(&usual, "\"x\", \"abc\"", NOW, false);
    assert_range(&usual, "abc", NOW, false);
    assert_range(&usual, "*", NOW, false);
    assert_range(&unknown, "", NOW, false);
}

static void if_range_takes_the_exact_date(void **state)
{
    (void)state;
    assert_range(&usual, SAME, NOW, true);
    assert_range(&usual, "Sun Nov  6 08:49:37 1994", NOW, true);
    assert_range(&usual, AFTER, NOW, false);
    assert_range(&usual, BEFORE, NOW, false);
    assert_range(&unknown, "Thu, 01 Jan 1970 00:00:00 GMT", NOW, false);
}

static void a_date_is_strong_a_second_later(void **state)
{
    (void)state;
    assert_range(&usual, SAME, MODIFIED + 1, true);
    assert_range(&usual, SAME, MODIFIED, false);
}

static void range_without_if_range_is_allowed(void **state)
{
    struct head head;

    (void)state;
    parse(&head, "Range: bytes=0-1\r\n");
    assert_true(sj_conditional_allows_range(&head.request, head.text, &unknown, NOW));
    head_fini(&head);
}

static void two_lines_of_if_range_allow_nothing(void **state)
{
    struct head head;

    (void)state;
    parse(&head, "If-Range: \"abc\"\r\nIf-Range: \"abc\"\r\n");
    assert_false(sj_conditional_allows_range(&head.request, head.text, &usual, NOW));
    head_fini(&head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_condition_holds),
        cmocka_unit_test(if_none_match_compares_weakly),
        cmocka_unit_test(if_match_compares_strongly),
        cmocka_unit_test(the_asterisk_matches_whatever_there_is),
        cmocka_unit_test(entity_tags_may_hold_commas_backslashes_and_obs_text),
        cmocka_unit_test(lines_and_empty_elements_make_one_list),
        cmocka_unit_test(a_list_off_the_grammar_matches_nothing),
        cmocka_unit_test(if_modified_since_knows_three_forms),
        cmocka_unit_test(if_unmodified_since_fails_for_what_is_newer),
        cmocka_unit_test(what_is_not_one_date_is_ignored),
        cmocka_unit_test(dates_say_nothing_of_what_has_none),
        cmocka_unit_test(if_match_suppresses_if_unmodified_since),
        cmocka_unit_test(if_none_match_suppresses_if_modified_since),
        cmocka_unit_test(the_match_comes_before_the_none_match),
        cmocka_unit_test(if_range_takes_the_same_strong_tag),
        cmocka_unit_test(if_range_takes_the_exact_date),
        cmocka_unit_test(a_date_is_strong_a_second_later),
        cmocka_unit_test(range_without_if_range_is_allowed),
        cmocka_unit_test(two_lines_of_if_range_allow_nothing)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
