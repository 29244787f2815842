/* SPDX-License-Identifier: MIT */
/* What the parser makes of names: methods, fields, and the lines and lists of a field. */
#include "http/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/http/head.h"

static void parse(struct head *head, const char *text)
{
    assert_int_equal(head_init(head, text, strlen(text)), 0);
}

static void assert_text(struct sj_text text, const char *expected)
{
    assert_int_equal(text.length, strlen(expected));
    assert_memory_equal(text.at, expected, text.length);
}

static void methods_are_known_by_their_exact_name(void **state)
{
    static const struct {
        const char *name;
        enum sj_method method;
    } cases[] = {{"GET", SJ_GET},
                 {"HEAD", SJ_HEAD},
                 {"POST", SJ_POST},
                 {"PUT", SJ_PUT},
                 {"DELETE", SJ_DELETE},
                 {"CONNECT", SJ_CONNECT},
                 {"OPTIONS", SJ_OPTIONS},
                 {"TRACE", SJ_TRACE},
                 {"PATCH", SJ_PATCH},
                 {"get", SJ_METHOD_UNKNOWN},
                 {"Get", SJ_METHOD_UNKNOWN},
                 {"GETS", SJ_METHOD_UNKNOWN},
                 {"GE", SJ_METHOD_UNKNOWN},
                 {"PROPFIND", SJ_METHOD_UNKNOWN}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char text[64];
        struct head head;

        snprintf(text, sizeof(text), "%s / HTTP/1.0\r\n\r\n", cases[i].name);
        parse(&head, text);
        assert_int_equal(head.request.method, cases[i].method);
        head_fini(&head);
    }
}

static const struct {
    const char *name;
    enum sj_field_id id;
} known_fields[] = {{"Accept", SJ_FIELD_ACCEPT},
                    {"Accept-Encoding", SJ_FIELD_ACCEPT_ENCODING},
                    {"Connection", SJ_FIELD_CONNECTION},
                    {"Content-Encoding", SJ_FIELD_CONTENT_ENCODING},
                    {"Content-Length", SJ_FIELD_CONTENT_LENGTH},
                    {"Expect", SJ_FIELD_EXPECT},
                    {"Host", SJ_FIELD_HOST},
                    {"If-Match", SJ_FIELD_IF_MATCH},
                    {"If-Modified-Since", SJ_FIELD_IF_MODIFIED_SINCE},
                    {"If-None-Match", SJ_FIELD_IF_NONE_MATCH},
                    {"If-Range", SJ_FIELD_IF_RANGE},
                    {"If-Unmodified-Since", SJ_FIELD_IF_UNMODIFIED_SINCE},
                    {"Origin", SJ_FIELD_ORIGIN},
                    {"Range", SJ_FIELD_RANGE},
                    {"Referer", SJ_FIELD_REFERER},
                    {"Transfer-Encoding", SJ_FIELD_TRANSFER_ENCODING},
                    {"User-Agent", SJ_FIELD_USER_AGENT},
                    {"Access-Control-Request-Method", SJ_FIELD_ACCESS_CONTROL_REQUEST_METHOD},
                    {"Access-Control-Request-Headers", SJ_FIELD_ACCESS_CONTROL_REQUEST_HEADERS}};

static enum sj_field_id id_of(const char *name)
{
    char text[128];
    struct head head;
    enum sj_field_id id;

    snprintf(text, sizeof(text), "GET / HTTP/1.0\r\n%s: 5\r\n\r\n", name);
    parse(&head, text);
    id = head.fields[0].id;
    assert_true(sj_request_has(&head.request, id));
    head_fini(&head);
    return id;
}

static void fields_are_known_in_any_case(void **state)
{
    (void)state;
    assert_int_equal(sizeof(known_fields) / sizeof(*known_fields), SJ_FIELDS - 1);
    for (size_t i = 0; i < sizeof(known_fields) / sizeof(*known_fields); i++) {
        char name[64];

        strcpy(name, known_fields[i].name);
        assert_int_equal(id_of(name), known_fields[i].id);
        for (char *at = name; *at != '\0'; at++)
            if (*at >= 'a' && *at <= 'z')
                *at = (char)(*at - 0x20);
        assert_int_equal(id_of(name), known_fields[i].id);
    }
}

/* Any other octet of a token, at any place of a name, makes another field of it. */
static void names_that_differ_in_one_octet_are_other_fields(void **state)
{
    static const char others[] = "!#$%&'*+.^_`|~0aZ";

    (void)state;
    for (size_t i = 0; i < sizeof(known_fields) / sizeof(*known_fields); i++)
        for (size_t at = 0; at < strlen(known_fields[i].name); at++)
            for (const char *other = others; *other != '\0'; other++) {
                char name[64];

                strcpy(name, known_fields[i].name);
                if (((name[at] ^ *other) & ~0x20) == 0)
                    continue;
                name[at] = *other;
                assert_int_equal(id_of(name), SJ_FIELD_OTHER);
            }
}

static void the_lines_of_one_field_are_gone_over_in_order(void **state)
{
    struct head head;
    struct sj_text value;
    uint32_t at = 0;

    (void)state;
    parse(&head, "GET / HTTP/1.0\r\nAccept: 1\r\nX: 2\r\naccept: 3\r\nRange: 4\r\n\r\n");
    assert_true(sj_request_next(&head.request, head.text, SJ_FIELD_ACCEPT, &at, &value));
    assert_text(value, "1");
    assert_true(sj_request_next(&head.request, head.text, SJ_FIELD_ACCEPT, &at, &value));
    assert_text(value, "3");
    assert_false(sj_request_next(&head.request, head.text, SJ_FIELD_ACCEPT, &at, &value));
    head_fini(&head);
}

static void only_a_field_of_one_line_is_single(void **state)
{
    struct head head;
    struct sj_text value;

    (void)state;
    parse(&head, "GET / HTTP/1.0\r\nAccept: 1\r\nX: 2\r\naccept: 3\r\nRange: 4\r\n\r\n");
    assert_true(sj_request_single(&head.request, head.text, SJ_FIELD_RANGE, &value));
    assert_text(value, "4");
    assert_false(sj_request_single(&head.request, head.text, SJ_FIELD_ACCEPT, &value));
    assert_false(sj_request_single(&head.request, head.text, SJ_FIELD_EXPECT, &value));
    head_fini(&head);
}

/* Joins the elements with "|"; every prefix must end, too. */
static void assert_elements(const char *list, const char *expected)
{
    for (size_t length = 0; length <= strlen(list); length++) {
        char *copy = copy_exactly(list, length), joined[128];
        struct sj_text rest = {copy, length}, element;
        size_t before = length + 1, n = 0;

        while (sj_list_next(&rest, &element)) {
            assert_true(rest.length < before && element.length > 0);
            before = rest.length;
            memcpy(joined + n, element.at, element.length);
            n += element.length;
            joined[n++] = '|';
        }
        assert_int_equal(rest.length, 0);
        if (length == strlen(list))
            assert_text((struct sj_text){joined, n}, expected);
        free(copy);
    }
}

static void lists_are_cut_at_commas(void **state)
{
    (void)state;
    assert_elements("", "");
    assert_elements(", ,\t,", "");
    assert_elements("a", "a|");
    assert_elements("a,b", "a|b|");
    assert_elements(" ,, a b\t ,\tc ,", "a b|c|");
    assert_elements("a;q=\"x,y\", b", "a;q=\"x,y\"|b|");
    assert_elements("\"a\\\",b\",c", "\"a\\\",b\"|c|");
    assert_elements("\"a,b", "\"a,b|");
    assert_elements("\"a\\", "\"a\\|");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_are_known_by_their_exact_name),
        cmocka_unit_test(fields_are_known_in_any_case),
        cmocka_unit_test(names_that_differ_in_one_octet_are_other_fields),
        cmocka_unit_test(the_lines_of_one_field_are_gone_over_in_order),
        cmocka_unit_test(only_a_field_of_one_line_is_single),
        cmocka_unit_test(lists_are_cut_at_commas),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
