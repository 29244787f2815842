/* SPDX-License-Identifier: MIT */
#include "http/request.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/http/head.h"

#define HOST "Host: a\r\n"

struct test_case {
    const char *text;
    size_t length;
    int status;
};

#define CASE(text, status)                \
    {                                     \
        "" text, sizeof(text) - 1, status \
    }
#define RUN(cases)        run(cases, sizeof(cases) / sizeof(*(cases)), &usual)
#define RUN_WITHIN(cases) run(cases, sizeof(cases) / sizeof(*(cases)), &narrow)

static const struct sj_request_limits usual = {8192, HEAD_FIELDS, 32768};
static const struct sj_request_limits narrow = {40, 3, 60};

static void start(struct head *head)
{
    head->request.fields = head->fields;
    sj_request_reset(&head->request);
}

/* The buffer moves between two calls. */
static int feed(struct head *head, const struct sj_request_limits *limits, const char *text,
                size_t length)
{
    char *copy = copy_exactly(text, length);
    int status = sj_request_parse(&head->request, limits, copy, length);

    free(copy);
    return status;
}

static void assert_same(const struct head *a, const struct head *b)
{
    struct sj_request request = b->request;

    request.fields = a->request.fields;
    request.scanned = a->request.scanned; /* the only one that depends on the pieces */
    assert_memory_equal(&a->request, &request, sizeof(request));
    assert_memory_equal(a->fields, b->fields, a->request.n_fields * sizeof(*a->fields));
}

static void check_two_pieces(const struct test_case *test, const struct sj_request_limits *limits,
                             const struct head *whole)
{
    for (size_t cut = 0; cut <= test->length; cut++) {
        struct head head = {0};
        int early;

        start(&head);
        early = feed(&head, limits, test->text, cut);
        if (early == 0)
            assert_true(cut >= head.request.head_length);
        else if (early != -EAGAIN)
            assert_int_equal(early, test->status);
        assert_int_equal(feed(&head, limits, test->text, test->length), test->status);
        assert_same(whole, &head);
    }
}

static void check_every_prefix(const struct test_case *test, const struct sj_request_limits *limits,
                               const struct head *whole)
{
    struct head head = {0};
    int status = -EAGAIN;

    start(&head);
    for (size_t length = 0; length <= test->length && status == -EAGAIN; length++)
        status = feed(&head, limits, test->text, length);
    assert_int_equal(status, test->status);
    assert_same(whole, &head);
}

static void run(const struct test_case *cases, size_t n_cases,
                const struct sj_request_limits *limits)
{
    for (size_t i = 0; i < n_cases; i++) {
        struct head whole = {0};
        int status;

        start(&whole);
        status = feed(&whole, limits, cases[i].text, cases[i].length);
        if (status != cases[i].status)
            fail_msg("case %zu: %d: %s", i, status, cases[i].text);
        check_two_pieces(&cases[i], limits, &whole);
        check_every_prefix(&cases[i], limits, &whole);
    }
}

static void requests_on_the_grammar_are_taken(void **state)
{
    static const struct test_case cases[] = {
        CASE("GET / HTTP/1.1\r\n" HOST "\r\n", 0),
        CASE("GET / HTTP/1.1\r\n" HOST "\r\nGET / HTTP/1.1\r\n", 0),
        CASE("GET / HTTP/1.0\r\n\r\n", 0),
        CASE("GET / HTTP/1.9\r\n" HOST "\r\n", 0),
        CASE("OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 0),
        CASE("CONNECT a:443 HTTP/1.1\r\n" HOST "\r\n", 0),
        CASE("GET http://b/?q HTTP/1.1\r\n" HOST "\r\n", 0),
        CASE("!#$%&'*+-.^_`|~09azAZ / HTTP/1.1\r\n" HOST "\r\n", 0),
        CASE("GET / HTTP/1.1\r\nhOST:a\r\nX:\r\nY: \t \r\n!#$%&'*+-.^_`|~: \x80\xff\t\x21~\r\n\r\n",
             0),
        CASE("GET / HTTP/1.1\r\n" HOST "A: 0123456789abcde\r\nB: 0123456789abcdef\r\n"
             "C: 0123456789abcdef0\r\nD: 0123456789abcdef0123456789abcdef\tx\r\n\r\n",
             0)};

    (void)state;
    RUN(cases);
}

static void request_lines_off_the_grammar_are_400(void **state)
{
    static const struct test_case cases[] = {CASE("GET /\r\n", 400),
                                             CASE("GET\r\n", 400),
                                             CASE(" GET / HTTP/1.1\r\n", 400),
                                             CASE("GET  / HTTP/1.1\r\n", 400),
                                             CASE("GET /  HTTP/1.1\r\n", 400),
                                             CASE("GET / HTTP/1.1 \r\n", 400),
                                             CASE("GET\t/ HTTP/1.1\r\n", 400),
                                             CASE("GET /\tHTTP/1.1\r\n", 400),
                                             CASE("GET /a b HTTP/1.1\r\n", 400),
                                             CASE("GET  HTTP/1.1\r\n", 400),
                                             CASE(" / HTTP/1.1\r\n", 400),
                                             CASE("G(T / HTTP/1.1\r\n", 400),
                                             CASE("G\x80T / HTTP/1.1\r\n", 400),
                                             CASE("GET /\x01 HTTP/1.1\r\n", 400),
                                             CASE("GET /\x7f HTTP/1.1\r\n", 400),
                                             CASE("GET /\xc3\xa9 HTTP/1.1\r\n", 400),
                                             CASE("GET /\0 HTTP/1.1\r\n", 400),
                                             CASE("\0\r\n", 400),
                                             CASE("\x16\x03\x01\x02\r\n", 400)};

    (void)state;
    RUN(cases);
}

static void versions_off_the_grammar_are_400(void **state)
{
    static const struct test_case cases[] = {
        CASE("GET / http/1.1\r\n", 400),  CASE("GET / HTTP/1\r\n", 400),
        CASE("GET / HTTP/1.\r\n", 400),   CASE("GET / HTTP/1.10\r\n", 400),
        CASE("GET / HTTP/11.1\r\n", 400), CASE("GET / HTTP/1,1\r\n", 400),
        CASE("GET / HTTP/x.1\r\n", 400),  CASE("GET / HTTP/1.x\r\n", 400),
        CASE("GET / HTTP 1.1\r\n", 400),  CASE("GET / HTTPS/1.1\r\n", 400),
        CASE("GET / HTTP/ 1.1\r\n", 400), CASE("GET / HTTP/01.1\r\n", 400),
        CASE("GET / ICY/1.1\r\n", 400)};

    (void)state;
    RUN(cases);
}

static void another_major_version_is_505(void **state)
{
    static const struct test_case cases[] = {CASE("GET / HTTP/0.9\r\n\r\n", 505),
                                             CASE("GET / HTTP/2.0\r\n\r\n", 505),
                                             CASE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505)};

    (void)state;
    RUN(cases);
}

static void lines_end_in_cr_and_lf_and_nothing_else(void **state)
{
    static const struct test_case cases[] = {CASE("\n", 400),
                                             CASE("\nGET / HTTP/1.1\r\n", 400),
                                             CASE("GET / HTTP/1.1\n" HOST "\r\n", 400),
                                             CASE("GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
                                             CASE("GET / HTTP/1.1\r\n" HOST "\n", 400),
                                             CASE("GET / HTTP/1.1\r\r\n" HOST "\r\n", 400),
                                             CASE("GET / HTTP/1.1\rHost: a\r\n\r\n", 400),
                                             CASE("GET / HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n", 400),
                                             CASE("GET / HTTP/1.1\r\n" HOST "\rX: a\r\n\r\n", 400),
                                             CASE("GET / HTTP/1.1\r\n" HOST "X: a\r\r\n\r\n", 400)};

    (void)state;
    RUN(cases);
}

static void at_most_four_empty_lines_may_come_first(void **state)
{
    static const struct test_case cases[] = {
        CASE("\r\nGET / HTTP/1.0\r\n\r\n", 0), CASE("\r\n\r\n\r\n\r\nGET / HTTP/1.0\r\n\r\n", 0),
        CASE("\r\n\r\n\r\n\r\n\r\n", 400), CASE("\r\n \r\n", 400), CASE("\r\r\n", 400)};

    (void)state;
    RUN(cases);
}

static void fields_off_the_grammar_are_400(void **state)
{
    static const struct test_case cases[] = {CASE("GET / HTTP/1.0\r\nX : a\r\n", 400),
                                             CASE("GET / HTTP/1.0\r\nX\t: a\r\n", 400),
                                             CASE("GET / HTTP/1.0\r\n X: a\r\n", 400),
                                             CASE("GET / HTTP/1.0\r\n: a\r\n", 400),
                                             CASE("GET / HTTP/1.0\r\nX\r\n", 400),
                                             CASE("GET / HTTP/1.0\r\nX y: a\r\n", 400),
                                             CASE("GET / HTTP/1.0\r\nX\xe9: a\r\n", 400),
                                             CASE("GET / HTTP/1.0\r\nX: a\r\n b\r\n", 400),
                                             CASE("GET / HTTP/1.0\r\nX: a\r\n\tb\r\n", 400),
                                             CASE("GET / HTTP/1.0\r\nX: a\0b\r\n", 400),
                                             CASE("GET / HTTP/1.0\r\nX: a\x0b\r\n", 400),
                                             CASE("GET / HTTP/1.0\r\nX: \x7f\r\n", 400)};

    (void)state;
    RUN(cases);
}

/* Each control octet, at each place of values around the sixteen octets of a block. */
static void controls_are_found_anywhere_in_a_value(void **state)
{
    static const char before[] = "GET / HTTP/1.0\r\nX: ";
    char text[sizeof(before) - 1 + 40 + 4];
    struct head head = {0};

    (void)state;
    memcpy(text, before, sizeof(before) - 1);
    for (size_t length = 1; length <= 40; length++)
        for (size_t at = 0; at < length; at++)
            for (int octet = 0; octet < 256; octet++) {
                char *value = text + sizeof(before) - 1;
                bool is_control = (octet < ' ' && octet != '\t') || octet == 0x7f;

                memset(value, 'v', length);
                value[at] = (char)octet;
                memcpy(value + length, "\r\n\r\n", 4);
                start(&head);
                assert_int_equal(feed(&head, &usual, text, (size_t)(value + length + 4 - text)),
                                 is_control ? 400 : 0);
            }
}

static void host_is_required_once_and_valid_by_1_1(void **state)
{
    static const struct test_case cases[] = {
        CASE("GET / HTTP/1.1\r\n\r\n", 400),
        CASE("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
        CASE("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        CASE("GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", 400),
        CASE("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        CASE("GET / HTTP/1.1\r\nHost: a/\r\n\r\n", 400),
        CASE("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
        CASE("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400),
        CASE("GET / HTTP/1.1\r\nHost: :80\r\n\r\n", 400),
        CASE("GET http://a/ HTTP/1.1\r\n\r\n", 400),
        CASE("GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        CASE("GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", 0),
        CASE("GET / HTTP/1.1\r\nHost: A.b:\r\n\r\n", 0)};

    (void)state;
    RUN(cases);
}

static void host_is_optional_in_1_0_but_not_arbitrary(void **state)
{
    static const struct test_case cases[] = {
        CASE("GET / HTTP/1.0\r\nHost: a\r\n\r\n", 0), CASE("GET / HTTP/1.0\r\nHost:\r\n\r\n", 400),
        CASE("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        CASE("GET / HTTP/1.0\r\nHost: a b\r\n\r\n", 400)};

    (void)state;
    RUN(cases);
}

#define METHOD32 "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF"

static void a_method_of_more_than_32_octets_is_501(void **state)
{
    static const struct test_case cases[] = {CASE(METHOD32 " / HTTP/1.0\r\n\r\n", 0),
                                             CASE(METHOD32 "G / HTTP/1.0\r\n\r\n", 501),
                                             CASE(METHOD32 METHOD32 METHOD32, 501)};

    (void)state;
    run(cases, 2, &usual);
    run(cases + 2, 1, &narrow);
}

/* narrow.line is 40 */
static void a_request_line_beyond_the_limit_is_414(void **state)
{
    static const struct test_case cases[] = {
        CASE("GET /3456789012345678901234567 HTTP/1.0\r\n\r\n", 0),
        CASE("GET /34567890123456789012345678 HTTP/1.0\r\n\r\n", 0),
        CASE("GET /345678901234567890123456789 HTTP/1.0\r\n\r\n", 414),
        CASE("GET /345678901234567890123456789012345678", 414),
        CASE("GET /3456789012345678901234567 HTTP/1.0 \r", -EAGAIN),
        CASE("GET /3456789012345678901234567 HTTP/1.0 \r\r", 414),
        CASE("GET /345678901234567890123456 HTTP/1.0\n", 400),
        CASE("\x01xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 414),
        CASE("\r\n\r\nGET /34567890123456789012345678 HTTP/1.0\r\n\r\n", 0)};

    (void)state;
    RUN_WITHIN(cases);
}

/* narrow.fields is 3 */
static void more_fields_than_the_limit_are_431(void **state)
{
    static const struct test_case cases[] = {
        CASE("GET / HTTP/1.0\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n", 0),
        CASE("GET / HTTP/1.0\r\nA: 1\r\nB: 2\r\nC: 3\r\nD", 431),
        CASE("GET / HTTP/1.0\r\nA: 1\r\nB: 2\r\nC: 3\r\n\rD", 431),
        CASE("GET / HTTP/1.0\r\nA: 1\r\nB: 2\r\nC: 3\r\n\n", 400)};

    (void)state;
    RUN_WITHIN(cases);
}

/* narrow.fields_bytes is 60 */
static void more_octets_of_fields_than_the_limit_are_431(void **state)
{
#define LINE30 "A: 3456789012345678901234567\r\n"
    static const struct test_case cases[] = {
        CASE("GET / HTTP/1.0\r\n" LINE30 LINE30 "\r\n", 0),
        CASE("GET / HTTP/1.0\r\n" LINE30 "B: 34567890123456789012345678\r\n\r\n", 431),
        CASE("GET / HTTP/1.0\r\n" LINE30 "B: 345678901234567890123456789", 431),
        CASE("GET / HTTP/1.0\r\n" LINE30 "B: 34567890123456789012345678", -EAGAIN),
        CASE("GET / HTTP/1.0\r\n" LINE30 "B: 34567890123456789012345678\n", 400),
        CASE("GET / HTTP/1.0\r\n" LINE30 LINE30 "C", 431)};

    (void)state;
    RUN_WITHIN(cases);
}

static void parse(struct head *head, const char *text)
{
    assert_int_equal(head_init(head, text, strlen(text)), 0);
}

static void assert_text(struct sj_text text, const char *expected)
{
    assert_int_equal(text.length, strlen(expected));
    assert_memory_equal(text.at, expected, text.length);
}

static void the_parts_of_a_request_are_found(void **state)
{
    struct head head;
    const struct sj_request *request = &head.request;

    (void)state;
    parse(&head, "\r\nPUT /a?b HTTP/1.1\r\nHost:h\r\nX-Y: \t a b \t\r\nRange:\r\n\r\nmore");
    assert_int_equal(request->method, SJ_PUT);
    assert_int_equal(request->minor, 1);
    assert_int_equal(request->n_fields, 3);
    assert_text((struct sj_text){head.text + request->head_length, 4}, "more");
    assert_text(sj_request_text(head.text, request->line), "PUT /a?b HTTP/1.1");
    assert_text(sj_request_text(head.text, request->method_name), "PUT");
    assert_text(sj_request_text(head.text, request->target), "/a?b");
    assert_text(sj_request_text(head.text, head.fields[1].name), "X-Y");
    assert_text(sj_request_text(head.text, head.fields[1].value), "a b");
    assert_text(sj_request_text(head.text, head.fields[2].value), "");
    assert_int_equal(head.fields[0].id, SJ_FIELD_HOST);
    assert_int_equal(head.fields[1].id, SJ_FIELD_OTHER);
    assert_int_equal(head.fields[2].id, SJ_FIELD_RANGE);
    head_fini(&head);
}

static void minor_versions_above_1_are_taken_for_1(void **state)
{
    struct head head;

    (void)state;
    parse(&head, "GET / HTTP/1.7\r\n" HOST "\r\n");
    assert_int_equal(head.request.minor, 1);
    head_fini(&head);
    parse(&head, "GET / HTTP/1.0\r\n\r\n");
    assert_int_equal(head.request.minor, 0);
    head_fini(&head);
}

static void the_line_that_is_too_long_is_there_for_the_log(void **state)
{
    static const char text[] = "GET /3456789012345678901234567890123456789012345678901";
    struct head head = {0};

    (void)state;
    start(&head);
    assert_int_equal(sj_request_parse(&head.request, &narrow, text, sizeof(text) - 1), 414);
    assert_int_equal(head.request.line.length, narrow.line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_on_the_grammar_are_taken),
        cmocka_unit_test(request_lines_off_the_grammar_are_400),
        cmocka_unit_test(versions_off_the_grammar_are_400),
        cmocka_unit_test(another_major_version_is_505),
        cmocka_unit_test(lines_end_in_cr_and_lf_and_nothing_else),
        cmocka_unit_test(at_most_four_empty_lines_may_come_first),
        cmocka_unit_test(fields_off_the_grammar_are_400),
        cmocka_unit_test(controls_are_found_anywhere_in_a_value),
        cmocka_unit_test(host_is_required_once_and_valid_by_1_1),
        cmocka_unit_test(host_is_optional_in_1_0_but_not_arbitrary),
        cmocka_unit_test(a_method_of_more_than_32_octets_is_501),
        cmocka_unit_test(a_request_line_beyond_the_limit_is_414),
        cmocka_unit_test(more_fields_than_the_limit_are_431),
        cmocka_unit_test(more_octets_of_fields_than_the_limit_are_431),
        cmocka_unit_test(the_parts_of_a_request_are_found),
        cmocka_unit_test(minor_versions_above_1_are_taken_for_1),
        cmocka_unit_test(the_line_that_is_too_long_is_there_for_the_log),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
