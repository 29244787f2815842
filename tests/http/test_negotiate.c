/* SPDX-License-Identifier: MIT */
#include "http/negotiate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/http/head.h"

static void parse(struct head *head, const char *fields)
{
    char text[1024];

    snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", fields);
    if (head_init(head, text, strlen(text)) != 0)
        fail_msg("not a request: %s", fields);
}

static void codings_of(const char *fields, struct sj_codings *codings)
{
    struct head head;

    parse(&head, fields);
    sj_negotiate_codings(&head.request, head.text, codings);
    head_fini(&head);
    for (unsigned i = 0; i < SJ_CODINGS; i++)
        assert_in_range(codings->quality[i], 0, 1000);
}

static void assert_codings(const char *fields, int identity, int gzip, int br, int zstd)
{
    struct sj_codings codings;

    codings_of(fields, &codings);
    if (codings.quality[SJ_IDENTITY] != identity || codings.quality[SJ_GZIP] != gzip ||
        codings.quality[SJ_BR] != br || codings.quality[SJ_ZSTD] != zstd)
        fail_msg("%d %d %d %d: %s", codings.quality[SJ_IDENTITY], codings.quality[SJ_GZIP],
                 codings.quality[SJ_BR], codings.quality[SJ_ZSTD], fields);
}

static void assert_value(const char *value, int identity, int gzip, int br, int zstd)
{
    char fields[256];

    for (size_t length = 0; length <= strlen(value); length++) {
        struct sj_codings codings;

        snprintf(fields, sizeof(fields), "Accept-Encoding: %.*s\r\n", (int)length, value);
        codings_of(fields, &codings);
    }
    assert_codings(fields, identity, gzip, br, zstd);
}

static void without_the_field_only_identity_is_sent(void **state)
{
    (void)state;
    assert_codings("", 1000, 0, 0, 0);
}

static void listed_codings_have_their_quality(void **state)
{
    (void)state;
    assert_value("gzip, deflate, br, zstd", 1, 1000, 1000, 1000);
    assert_value("gzip;q=0.5,br;q=1.000,zstd;q=0.001", 1, 500, 1000, 1);
    assert_value("gzip;q=0., br;q=1., zstd;q=0.12", 1, 0, 1000, 120);
    assert_value("identity;q=0.5, gzip", 500, 1000, 0, 0);
    assert_value("gzip;q=0", 1, 0, 0, 0);
    assert_codings("Accept-Encoding: gzip\r\nA: b\r\nAccept-Encoding: br;q=0.9\r\n", 1, 1000, 900,
                   0);
}

static void an_empty_field_wants_no_coding(void **state)
{
    (void)state;
    assert_value("", 1, 0, 0, 0);
    assert_value(", ,", 1, 0, 0, 0);
    assert_value("deflate", 1, 0, 0, 0);
}

static void the_asterisk_covers_what_is_not_listed(void **state)
{
    (void)state;
    assert_value("*", 1000, 1000, 1000, 1000);
    assert_value("*;q=0.1, br", 100, 100, 1000, 100);
    assert_value("br;q=0, *", 1000, 1000, 0, 1000);
    assert_value("gzip, *;q=0", 0, 1000, 0, 0);
    assert_value("identity;q=0.2, *;q=0", 200, 0, 0, 0);
}

static void identity_goes_only_when_it_is_excluded(void **state)
{
    (void)state;
    assert_value("identity;q=0", 0, 0, 0, 0);
    assert_value("*;q=0", 0, 0, 0, 0);
    assert_value("identity;q=0, br", 0, 0, 1000, 0);
}

static void names_and_q_are_known_in_any_case(void **state)
{
    (void)state;
    assert_value("GZip;Q=0.5, BR", 1, 500, 1000, 0);
    assert_value("x-gzip", 1, 1000, 0, 0);
}

static void white_space_may_stand_around_the_semicolon(void **state)
{
    (void)state;
    assert_value("gzip \t;\t q=0.5 , br", 1, 500, 1000, 0);
}

static void elements_off_the_grammar_are_left_out(void **state)
{
    static const char *const elements[] = {
        "gzip;q=",      "gzip;q=2",     "gzip;q=1.001", "gzip;q=0.1234", "gzip;q=.5",
        "gzip;q=-1",    "gzip;q=00",    "gzip;q=0,5",   "gzip;q =1",     "gzip;q= 1",
        "gzip;q=1;q=1", "gzip;q=1;a=b", "gzip;a=b",     "gzip;a",        "gzip;",
        "gzip q=1",     "gz ip",        "\"gzip\"",     "gzip;q=\"1\"",  "=gzip",
        ";gzip",        "gzip;q=1x",    "gzip;q=0.5.5", "gzip;q=a",      "gzip\xa0",
        "gzip;a=\"",    "gzip;a=\"\\",  "gzip2",        "xgzip",         "gzi"};

    (void)state;
    for (size_t i = 0; i < sizeof(elements) / sizeof(*elements); i++) {
        char value[128];

        snprintf(value, sizeof(value), "br;q=0.9, %s", elements[i]);
        assert_value(value, 1, 0, 900, 0);
    }
}

/* An entry whose representations have these sizes; 0: it does not exist. */
static enum sj_coding choose(struct sj_codings codings, const uint64_t sizes[SJ_CODINGS])
{
    struct sj_file files[SJ_CODINGS];
    struct sj_entry entry;

    memset(files, 0, sizeof(files));
    memset(&entry, 0, sizeof(entry));
    for (unsigned i = 0; i < SJ_CODINGS; i++)
        if (sizes[i] != 0) {
            files[i].length = sizes[i];
            entry.representations[i].file = &files[i];
        }
    return sj_negotiate_choose(&codings, &entry);
}

#define CODINGS(...) ((struct sj_codings){{__VA_ARGS__}})
#define SIZES(...)   ((const uint64_t[SJ_CODINGS]){__VA_ARGS__})

static void the_highest_quality_wins(void **state)
{
    (void)state;
    assert_int_equal(choose(CODINGS(1, 1000, 500, 500), SIZES(9, 8, 7, 6)), SJ_GZIP);
    assert_int_equal(choose(CODINGS(1000, 999, 999, 999), SIZES(9, 8, 7, 6)), SJ_IDENTITY);
    assert_int_equal(choose(CODINGS(200, 500, 0, 0), SIZES(9, 10, 7, 6)), SJ_GZIP);
}

static void identity_that_is_not_mentioned_loses_only_to_what_is_smaller(void **state)
{
    (void)state;
    assert_int_equal(choose(CODINGS(1, 500, 0, 0), SIZES(9, 10, 7, 6)), SJ_IDENTITY);
    assert_int_equal(choose(CODINGS(1, 500, 0, 0), SIZES(10, 9, 7, 6)), SJ_GZIP);
}

static void of_the_same_quality_the_smallest_wins(void **state)
{
    (void)state;
    assert_int_equal(choose(CODINGS(1, 1000, 1000, 1000), SIZES(9, 6, 5, 7)), SJ_BR);
    assert_int_equal(choose(CODINGS(1000, 1000, 1000, 1000), SIZES(9, 6, 5, 4)), SJ_ZSTD);
    assert_int_equal(choose(CODINGS(1000, 1000, 1000, 1000), SIZES(3, 6, 5, 4)), SJ_IDENTITY);
}

static void identity_wins_a_tie(void **state)
{
    (void)state;
    assert_int_equal(choose(CODINGS(1000, 1000, 1000, 1000), SIZES(5, 5, 5, 5)), SJ_IDENTITY);
}

static void what_does_not_exist_is_not_chosen(void **state)
{
    (void)state;
    assert_int_equal(choose(CODINGS(1, 1000, 1000, 1000), SIZES(9, 8, 0, 0)), SJ_GZIP);
    assert_int_equal(choose(CODINGS(1, 1000, 1000, 1000), SIZES(9, 0, 0, 0)), SJ_IDENTITY);
}

static void identity_is_sent_when_nothing_is_acceptable(void **state)
{
    (void)state;
    assert_int_equal(choose(CODINGS(0, 0, 0, 0), SIZES(9, 8, 7, 6)), SJ_IDENTITY);
    assert_int_equal(choose(CODINGS(0, 1000, 0, 0), SIZES(9, 0, 7, 6)), SJ_IDENTITY);
}

static void assert_html(const char *fields, bool expected)
{
    struct head head;
    bool wants;

    parse(&head, fields);
    wants = sj_negotiate_wants_html(&head.request, head.text);
    if (wants != expected)
        fail_msg("%d: %s", wants, fields);
    head_fini(&head);
}

static void html_is_wanted_by_name_or_wildcard(void **state)
{
    (void)state;
    assert_html("Accept: text/html\r\n", true);
    assert_html("Accept: TEXT/Html;level=1;q=0.1\r\n", true);
    assert_html("Accept: text/*\r\n", true);
    assert_html("Accept: */*\r\n", true);
    assert_html("Accept: image/png, */*;q=0.8\r\n", true);
    assert_html("Accept: image/png\r\nAccept: text/html;\r\n", true);
    assert_html("Accept: application/json;p=\"a,b;q=0\", text/html\r\n", true);
}

static void html_is_not_wanted_otherwise(void **state)
{
    (void)state;
    assert_html("", false);
    assert_html("Accept:\r\n", false);
    assert_html("Accept: image/*, application/json\r\n", false);
    assert_html("Accept: text/html;q=0\r\n", false);
    assert_html("Accept: text/htmlx, xtext/html, html, */html\r\n", false);
    assert_html("Accept: text/html;q=5\r\n", false);
}

static void the_closest_range_decides(void **state)
{
    (void)state;
    assert_html("Accept: text/html;q=0, */*\r\n", false);
    assert_html("Accept: */*, text/*;q=0\r\n", false);
    assert_html("Accept: text/*;q=0, text/html;q=0.001\r\n", true);
    assert_html("Accept: */*;q=0, text/html\r\n", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_the_field_only_identity_is_sent),
        cmocka_unit_test(listed_codings_have_their_quality),
        cmocka_unit_test(an_empty_field_wants_no_coding),
        cmocka_unit_test(the_asterisk_covers_what_is_not_listed),
        cmocka_unit_test(identity_goes_only_when_it_is_excluded),
        cmocka_unit_test(names_and_q_are_known_in_any_case),
        cmocka_unit_test(white_space_may_stand_around_the_semicolon),
        cmocka_unit_test(elements_off_the_grammar_are_left_out),
        cmocka_unit_test(the_highest_quality_wins),
        cmocka_unit_test(identity_that_is_not_mentioned_loses_only_to_what_is_smaller),
        cmocka_unit_test(of_the_same_quality_the_smallest_wins),
        cmocka_unit_test(identity_wins_a_tie),
        cmocka_unit_test(what_does_not_exist_is_not_chosen),
        cmocka_unit_test(identity_is_sent_when_nothing_is_acceptable),
        cmocka_unit_test(html_is_wanted_by_name_or_wildcard),
        cmocka_unit_test(html_is_not_wanted_otherwise),
        cmocka_unit_test(the_closest_range_decides)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
