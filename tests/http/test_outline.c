/* SPDX-License-Identifier: MIT */
#include "http/outline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* `json`, which may be written with single quotes, is outlined as `expected`. */
static void check(const char *json, const char *expected)
{
    char text[1024], *at, *outline;
    json_t *object;

    strcpy(text, json);
    while ((at = strchr(text, '\'')) != NULL)
        *at = '"';
    object = json_loads(text, 0, NULL);
    assert_non_null(object);
    outline = sj_outline(object);
    assert_string_equal(outline, expected);
    free(outline);
    json_decref(object);
}

static void members_are_lines_in_their_order(void **state)
{
    (void)state;
    check("{'b': 1, 'a': 'text', 'longer': true, 'no': false, 'n': null}", "b       1\n"
                                                                           "a       text\n"
                                                                           "longer  yes\n"
                                                                           "no      no\n"
                                                                           "n       unknown\n");
}

static void units_follow_a_comma(void **state)
{
    (void)state;
    check("{'sent_bytes': 1, 'up_time_s': 2, 'bytes': 3, 'not_a_unit': 4}", "sent, bytes  1\n"
                                                                            "up time, s   2\n"
                                                                            "bytes        3\n"
                                                                            "not a unit   4\n");
}

static void lists_of_values_are_one_line(void **state)
{
    (void)state;
    check("{'a': ['x', 'y'], 'b': []}", "a  x, y\nb  none\n");
}

static void objects_are_indented_with_a_width_of_their_own(void **state)
{
    (void)state;
    check("{'a': 1, 'inner_part': {'long_name': 1, 'x': 2}, 'b': 3}", "a  1\n"
                                                                      "inner part\n"
                                                                      "  long name  1\n"
                                                                      "  x          2\n"
                                                                      "b  3\n");
}

static void lists_of_objects_are_columns(void **state)
{
    (void)state;
    check("{'loops': [{'loop': 0, 'tasks': 1}, {'loop': 1, 'tasks': 12345}, {'loop': 2}]}",
          "loops\n"
          "  loop   0      1        2\n"
          "  tasks  1  12345  unknown\n");
}

static void the_largest_number_is_whole(void **state)
{
    (void)state;
    check("{'n': 9223372036854775807}", "n  9223372036854775807\n");
}

static void a_long_text_is_cut(void **state)
{
    char *long_text = malloc(2001), *outline;
    json_t *object;

    (void)state;
    memset(long_text, 'x', 2000);
    long_text[2000] = '\0';
    object = json_pack("{s:s, s:[{s:s}]}", "a", long_text, "table", "b", long_text);
    outline = sj_outline(object);
    assert_int_equal(strspn(outline + 3, "x"), 511);
    assert_non_null(strstr(outline, "\ntable\n  b  xxx"));
    free(outline);
    free(long_text);
    json_decref(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_lines_in_their_order),
        cmocka_unit_test(units_follow_a_comma),
        cmocka_unit_test(lists_of_values_are_one_line),
        cmocka_unit_test(objects_are_indented_with_a_width_of_their_own),
        cmocka_unit_test(lists_of_objects_are_columns),
        cmocka_unit_test(the_largest_number_is_whole),
        cmocka_unit_test(a_long_text_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
