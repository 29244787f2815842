/* SPDX-License-Identifier: MIT */
#include "http/framing.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/http/head.h"

/* Each prefix of the field lines that makes a head must be survived. */
static void check_prefixes(const char *version, const char *fields)
{
    for (size_t length = 0; length < strlen(fields); length++) {
        char text[1024];
        struct head head;
        struct sj_framing framing;

        snprintf(text, sizeof(text), "POST / HTTP/%s\r\nHost: a\r\n%.*s\r\n\r\n", version,
                 (int)length, fields);
        if (head_init(&head, text, strlen(text)) == 0)
            assert_in_range(sj_framing_of(&head.request, head.text, &framing), 0, 501);
        head_fini(&head);
    }
}

/* The framing of a request of that version with these field lines. */
static int framing_of(const char *version, const char *fields, struct sj_framing *framing)
{
    char text[1024];
    struct head head;
    int status;

    check_prefixes(version, fields);
    snprintf(text, sizeof(text), "POST / HTTP/%s\r\nHost: a\r\n%s\r\n", version, fields);
    assert_int_equal(head_init(&head, text, strlen(text)), 0);
    status = sj_framing_of(&head.request, head.text, framing);
    head_fini(&head);
    return status;
}

static void assert_status(const char *fields, int status)
{
    struct sj_framing framing;

    if (framing_of("1.1", fields, &framing) != status)
        fail_msg("not %d: %s", status, fields);
}

static void assert_length(const char *fields, enum sj_body_kind kind, uint64_t length)
{
    struct sj_framing framing;

    assert_int_equal(framing_of("1.1", fields, &framing), 0);
    assert_int_equal(framing.kind, kind);
    assert_int_equal(framing.length, length);
}

static void a_body_without_either_field_is_none(void **state)
{
    (void)state;
    assert_length("", SJ_BODY_NONE, 0);
}

static void content_length_is_decimal(void **state)
{
    (void)state;
    assert_length("Content-Length: 5\r\n", SJ_BODY_LENGTH, 5);
    assert_length("content-length:\t42 \r\n", SJ_BODY_LENGTH, 42);
    assert_length("Content-Length: 0\r\n", SJ_BODY_NONE, 0);
    assert_length("Content-Length: 010\r\n", SJ_BODY_LENGTH, 10);
    assert_length("Content-Length: 00000000000000000000000000000000000000000005\r\n",
                  SJ_BODY_LENGTH, 5);
    assert_length("Content-Length: 9223372036854775807\r\n", SJ_BODY_LENGTH, INT64_MAX);
}

static void any_other_content_length_is_400(void **state)
{
    static const char *const values[] = {"",
                                         "+5",
                                         "-5",
                                         "5 5",
                                         "0x5",
                                         "5,5",
                                         "5, 5",
                                         "5,",
                                         ",5",
                                         "5.0",
                                         "5e1",
                                         "\"5\"",
                                         "a",
                                         "5a",
                                         "a5",
                                         "\xb2",
                                         "9223372036854775808",
                                         "18446744073709551616",
                                         "18446744073709551621",
                                         "99999999999999999999999999999999"};

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
        char fields[128];

        snprintf(fields, sizeof(fields), "Content-Length: %s\r\n", values[i]);
        assert_status(fields, 400);
    }
}

static void content_length_comes_once(void **state)
{
    (void)state;
    assert_status("Content-Length: 5\r\nContent-Length: 5\r\n", 400);
    assert_status("Content-Length: 5\r\nX: y\r\ncontent-length: 6\r\n", 400);
}

static void chunked_alone_is_chunked(void **state)
{
    (void)state;
    assert_length("Transfer-Encoding: chunked\r\n", SJ_BODY_CHUNKED, 0);
    assert_length("transfer-encoding: CHUNked\r\n", SJ_BODY_CHUNKED, 0);
    assert_length("Transfer-Encoding: ,, chunked ,\r\n", SJ_BODY_CHUNKED, 0);
}

static void codings_that_do_not_end_in_chunked_once_are_400(void **state)
{
    static const char *const fields[] = {
        "Transfer-Encoding:\r\n",
        "Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: ,\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked2\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked, gzip, chunked\r\n",
        "Transfer-Encoding: chunked;a=b\r\n",
        "Transfer-Encoding: chunked;\r\n",
        "Transfer-Encoding: chunked ; q=1\r\n",
        "Transfer-Encoding: chunked gzip\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: =, chunked\r\n",
        "Transfer-Encoding: chunked\xa0\r\n"};

    (void)state;
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
        assert_status(fields[i], 400);
}

static void an_unknown_coding_before_chunked_is_501(void **state)
{
    (void)state;
    assert_status("Transfer-Encoding: gzip, chunked\r\n", 501);
    assert_status("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", 501);
    assert_status("Transfer-Encoding: identity, chunked\r\n", 501);
    assert_status("Transfer-Encoding: x;a=\"b,c\", chunked\r\n", 501);
}

static void both_fields_are_400(void **state)
{
    (void)state;
    assert_status("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400);
    assert_status("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400);
    assert_status("Transfer-Encoding: gzip, chunked\r\nContent-Length: 0\r\n", 400);
    assert_status("Transfer-Encoding:\r\nContent-Length: 5\r\n", 400);
}

static void transfer_codings_of_1_0_are_400(void **state)
{
    struct sj_framing framing;

    (void)state;
    assert_int_equal(framing_of("1.0", "Transfer-Encoding: chunked\r\n", &framing), 400);
    assert_int_equal(framing_of("1.0", "Transfer-Encoding: gzip, chunked\r\n", &framing), 400);
}

static void assert_persistence(const char *version, const char *fields, bool is_persistent)
{
    struct sj_framing framing;

    assert_int_equal(framing_of(version, fields, &framing), 0);
    if (framing.is_persistent != is_persistent)
        fail_msg("not %d: %s %s", is_persistent, version, fields);
}

static void persistence_is_by_version_and_connection(void **state)
{
    (void)state;
    assert_persistence("1.1", "", true);
    assert_persistence("1.5", "", true);
    assert_persistence("1.0", "", false);
    assert_persistence("1.1", "Connection: keep-alive\r\n", true);
    assert_persistence("1.0", "Connection: Keep-Alive\r\n", true);
    assert_persistence("1.0", "Connection: x, keep-alive\r\n", true);
    assert_persistence("1.0", "Connection: keep-alives\r\n", false);
    assert_persistence("1.1", "Connection:\r\n", true);
    assert_persistence("1.1", "Connection: upgrade\r\n", true);
    assert_persistence("1.1", "Connection: closed\r\n", true);
}

static void close_wins_wherever_it_stands(void **state)
{
    (void)state;
    assert_persistence("1.1", "Connection: close\r\n", false);
    assert_persistence("1.1", "connection: CLOSE\r\n", false);
    assert_persistence("1.1", "Connection: keep-alive, , Close\r\n", false);
    assert_persistence("1.1", "Connection: close,keep-alive\r\n", false);
    assert_persistence("1.1", "Connection: keep-alive\r\nConnection: close\r\n", false);
    assert_persistence("1.0", "Connection: close\r\nConnection: keep-alive\r\n", false);
}

static void only_1_1_expects_100_continue(void **state)
{
    struct sj_framing framing;

    (void)state;
    assert_int_equal(framing_of("1.1", "Expect: 100-Continue\r\n", &framing), 0);
    assert_true(framing.expects_continue);
    assert_int_equal(framing_of("1.0", "Expect: 100-continue\r\n", &framing), 0);
    assert_false(framing.expects_continue);
    assert_int_equal(framing_of("1.0", "Expect: x\r\n", &framing), 0);
    assert_int_equal(framing_of("1.1", "", &framing), 0);
    assert_false(framing.expects_continue);
}

static void other_expectations_are_417(void **state)
{
    (void)state;
    assert_status("Expect: x\r\n", 417);
    assert_status("Expect: 100-continue, x\r\n", 417);
    assert_status("Expect: 100-continue\r\nExpect: 200-ok\r\n", 417);
    assert_status("Expect: 100-continue;a=b\r\n", 417);
}

static void bad_framing_comes_before_expectations(void **state)
{
    (void)state;
    assert_status("Expect: x\r\nContent-Length: a\r\n", 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_without_either_field_is_none),
        cmocka_unit_test(content_length_is_decimal),
        cmocka_unit_test(any_other_content_length_is_400),
        cmocka_unit_test(content_length_comes_once),
        cmocka_unit_test(chunked_alone_is_chunked),
        cmocka_unit_test(codings_that_do_not_end_in_chunked_once_are_400),
        cmocka_unit_test(an_unknown_coding_before_chunked_is_501),
        cmocka_unit_test(both_fields_are_400),
        cmocka_unit_test(transfer_codings_of_1_0_are_400),
        cmocka_unit_test(persistence_is_by_version_and_connection),
        cmocka_unit_test(close_wins_wherever_it_stands),
        cmocka_unit_test(only_1_1_expects_100_continue),
        cmocka_unit_test(other_expectations_are_417),
        cmocka_unit_test(bad_framing_comes_before_expectations)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
