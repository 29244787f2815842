/* SPDX-License-Identifier: MIT */
#include "http/framing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/http/head.h"

#define CONTENT_MAX 65536

/* What came of some input: the content, and where and how it ended. */
struct outcome {
    int status;
    bool is_done;
    size_t used;
    size_t length;
    char content[CONTENT_MAX];
};

static void feed(struct sj_chunked *chunked, const char *text, size_t length,
                 struct outcome *outcome)
{
    char *copy = copy_exactly(text, length);
    size_t at = 0;

    while (at < length && outcome->status == 0 && !outcome->is_done) {
        struct sj_chunked_step step;

        outcome->status = sj_chunked_feed(chunked, copy + at, length - at, &step);
        if (outcome->status != 0)
            break;
        assert_true(step.used > 0 && step.used <= length - at);
        assert_true(step.data.length <= step.used);
        assert_true(outcome->length + step.data.length <= CONTENT_MAX);
        memcpy(outcome->content + outcome->length, step.data.at, step.data.length);
        outcome->length += step.data.length;
        outcome->is_done = step.is_done;
        at += step.used;
    }
    outcome->used += at;
    free(copy);
}

static void decode(const char *text, size_t length, struct outcome *outcome)
{
    struct sj_chunked chunked;

    memset(outcome, 0, sizeof(*outcome));
    sj_chunked_init(&chunked);
    feed(&chunked, text, length, outcome);
}

static void assert_same(const struct outcome *a, const struct outcome *b)
{
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->is_done, b->is_done);
    assert_int_equal(a->length, b->length);
    assert_memory_equal(a->content, b->content, a->length);
    if (a->status == 0)
        assert_int_equal(a->used, b->used);
}

/* Cuts at every place, and everywhere at once; every prefix is open or has failed, too. */
static void check_pieces(const char *text, size_t length, const struct outcome *whole)
{
    static struct outcome pieces;
    struct sj_chunked chunked;

    for (size_t cut = 0; cut <= length; cut++) {
        memset(&pieces, 0, sizeof(pieces));
        sj_chunked_init(&chunked);
        feed(&chunked, text, cut, &pieces);
        if (pieces.status == 0 && !pieces.is_done)
            assert_int_equal(pieces.used, cut);
        if (pieces.is_done)
            assert_true(whole->is_done);
        feed(&chunked, text + cut, length - cut, &pieces);
        assert_same(&pieces, whole);
    }
    memset(&pieces, 0, sizeof(pieces));
    sj_chunked_init(&chunked);
    for (size_t at = 0; at < length; at++)
        feed(&chunked, text + at, 1, &pieces);
    assert_same(&pieces, whole);
}

/* `rest` octets after the body are left alone. */
static void assert_content(const char *text, const char *content, size_t rest)
{
    static struct outcome outcome;

    decode(text, strlen(text), &outcome);
    if (outcome.status != 0 || !outcome.is_done)
        fail_msg("%d: %s", outcome.status, text);
    assert_int_equal(outcome.used, strlen(text) - rest);
    assert_int_equal(outcome.length, strlen(content));
    assert_memory_equal(outcome.content, content, outcome.length);
    check_pieces(text, strlen(text), &outcome);
}

static void assert_fails(const char *text, size_t length, int status)
{
    static struct outcome outcome;

    decode(text, length, &outcome);
    if (outcome.status != status)
        fail_msg("%d: %.80s", outcome.status, text);
    check_pieces(text, length, &outcome);
}

static void assert_refused(const char *text)
{
    assert_fails(text, strlen(text), 400);
}

static void content_is_put_together(void **state)
{
    (void)state;
    assert_content("0\r\n\r\n", "", 0);
    assert_content("5\r\nhello\r\n0\r\n\r\n", "hello", 0);
    assert_content("1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", "abc", 0);
    assert_content("A\r\n0123456789\r\n00\r\n\r\n", "0123456789", 0);
    assert_content("0000b\r\n0\r\n\r\n45678\n\r\n0\r\n\r\n", "0\r\n\r\n45678\n", 0);
}

/* Else the same octets, cut elsewhere, would get another answer. */
static void a_size_counts_when_its_line_is_complete(void **state)
{
    struct sj_chunked chunked;
    struct outcome outcome = {.status = 0};

    (void)state;
    sj_chunked_init(&chunked);
    feed(&chunked, "fff;a\r", 6, &outcome);
    assert_int_equal(outcome.status, 0);
    assert_int_equal(chunked.left, 0);
    feed(&chunked, "\n", 1, &outcome);
    assert_int_equal(outcome.status, 0);
    assert_int_equal(chunked.left, 0xfff);
}

static void what_follows_is_left_alone(void **state)
{
    (void)state;
    assert_content("0\r\n\r\nGET / HTTP/1.1\r\n", "", 16);
    assert_content("1\r\na\r\n0\r\n\r\n0\r\n\r\n", "a", 5);
}

static void nothing_is_consumed_when_it_is_done(void **state)
{
    struct sj_chunked chunked;
    struct sj_chunked_step step;

    (void)state;
    sj_chunked_init(&chunked);
    assert_int_equal(sj_chunked_feed(&chunked, "0\r\n\r\n", 5, &step), 0);
    assert_int_equal(sj_chunked_feed(&chunked, "x", 1, &step), 0);
    assert_true(step.is_done);
    assert_int_equal(step.used, 0);
}

static void failure_is_for_good(void **state)
{
    struct sj_chunked chunked;
    struct sj_chunked_step step;

    (void)state;
    sj_chunked_init(&chunked);
    assert_int_equal(sj_chunked_feed(&chunked, "x", 1, &step), 400);
    assert_int_equal(sj_chunked_feed(&chunked, "0\r\n\r\n", 5, &step), 400);
    assert_false(step.is_done);
}

static void extensions_are_ignored(void **state)
{
    static const char *const lines[] = {
        "1;a",         "1;a=b",    "1 ; a = b",           "1;a;b=c;d",
        "1;a=\"b\"",   "1;a=\"\"", "1;a=\"b\\\"c;\xff\"", "1\t;\ta\t=\t\"b\" ;c",
        "1;a=\"\\\\\""};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        char text[128];

        snprintf(text, sizeof(text), "%s\r\nx\r\n0;last\r\n\r\n", lines[i]);
        assert_content(text, "x", 0);
    }
}

static void trailers_are_parsed_and_dropped(void **state)
{
    (void)state;
    assert_content("0\r\nA: b\r\n\r\n", "", 0);
    assert_content("0\r\nA:\r\nContent-Length: 5\r\nb: \xff;=\"\\\t \r\n\r\nX", "", 1);
}

static void size_lines_off_the_grammar_are_400(void **state)
{
    static const char *const lines[] = {"\r\n",
                                        "\n",
                                        " 1\r\n",
                                        "1 \r\n",
                                        "1\t\r\n",
                                        "1\n",
                                        "1\r\r\n",
                                        "0x1\r\n",
                                        "+1\r\n",
                                        "-1\r\n",
                                        "g\r\n",
                                        "1g\r\n",
                                        "1_0\r\n",
                                        "1,\r\n",
                                        ";a\r\n",
                                        "1;\r\n",
                                        "1; \r\n",
                                        "1;=b\r\n",
                                        "1;a=\r\n",
                                        "1;a= \r\n",
                                        "1;a \r\n",
                                        "1;a=b \r\n",
                                        "1;a b\r\n",
                                        "1;a=b c\r\n",
                                        "1;a=\"b\r\n",
                                        "1;a=\"b\"c\r\n",
                                        "1;a\"b\r\n",
                                        "1;a=\"\n\"\r\n",
                                        "1;a=\"\\\x01\"\r\n",
                                        "1;a\n",
                                        "1;a=b\n",
                                        "1;a=\"b\"\n",
                                        "1;a\x80\r\n",
                                        "1;\xe9\r\n",
                                        "1;a,b\r\n",
                                        "1;;a\r\n"};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
        assert_refused(lines[i]);
}

static void chunks_end_in_cr_and_lf(void **state)
{
    (void)state;
    assert_refused("1\r\na\n0\r\n\r\n");
    assert_refused("1\r\na\r0\r\n\r\n");
    assert_refused("1\r\nab\r\n");
    assert_refused("2\r\na\r\n0\r\n\r\n");
    assert_refused("1\r\na0\r\n\r\n");
}

static void trailers_off_the_grammar_are_400(void **state)
{
    static const char *const lines[] = {"\n",         "\r\r",        "A\r\n",      " A: b\r\n",
                                        "A : b\r\n",  ": b\r\n",     "A: b\n",     "A: b\rc\r\n",
                                        "A: b\r\n c", "A: \x01\r\n", "A: \x7f\r\n"};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        char text[64];

        snprintf(text, sizeof(text), "0\r\n%s\r\n", lines[i]);
        assert_refused(text);
    }
}

static void sizes_beyond_63_bits_are_400(void **state)
{
    struct sj_chunked chunked;
    struct sj_chunked_step step;

    (void)state;
    sj_chunked_init(&chunked);
    assert_int_equal(sj_chunked_feed(&chunked, "7fffffffffffffff\r\nabc", 21, &step), 0);
    assert_int_equal(step.data.length, 3);
    assert_refused("8000000000000000\r\n");
    assert_refused("ffffffffffffffff\r\n");
    assert_refused("10000000000000000\r\n");
    assert_refused("10000000000000005\r\nhello\r\n");
}

static void size_lines_are_at_most_256_octets(void **state)
{
    char text[300];

    (void)state;
    memset(text, '0', sizeof(text));
    strcpy(text + 256, "\r\n\r\n");
    assert_content(text, "", 0);
    strcpy(text + 256, "0\r\n\r\n");
    assert_refused(text);
    memset(text + 1, 'a', 256);
    text[1] = ';';
    strcpy(text + 256, "\r\n\r\n");
    assert_content(text, "", 0);
    strcpy(text + 256, "a\r\n\r\n");
    assert_refused(text);
}

/* 128 chunks with 64 octets of extensions each are 8 KiB. */
static void extensions_of_a_body_are_at_most_8_kib(void **state)
{
    static struct outcome outcome;
    char text[200 * 71], *to = text;

    (void)state;
    for (unsigned i = 0; i < 129; i++) {
        *to++ = '1';
        *to++ = ';';
        memset(to, 'a', 63);
        memcpy(to + 63, "\r\nx\r\n", 5);
        to += 68;
        decode(text, (size_t)(to - text), &outcome);
        assert_int_equal(outcome.status, i < 128 ? 0 : 400);
    }
}

static void trailers_beyond_8_kib_are_431(void **state)
{
    static struct outcome outcome;
    char text[9000] = "0\r\n";

    (void)state;
    memset(text + 3, 'a', 8192);
    memcpy(text + 4, ":", 1);
    memcpy(text + 3 + 8192 - 4, "\r\n\r\n", 4);
    decode(text, 3 + 8192, &outcome);
    assert_true(outcome.status == 0 && outcome.is_done);
    memcpy(text + 3 + 8192 - 4, "a\r\n\r\n", 5);
    decode(text, 3 + 8193, &outcome);
    assert_int_equal(outcome.status, 431);
    decode(text, 3 + 8192, &outcome);
    assert_true(outcome.status == 0 && !outcome.is_done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(content_is_put_together),
                                       cmocka_unit_test(a_size_counts_when_its_line_is_complete),
                                       cmocka_unit_test(what_follows_is_left_alone),
                                       cmocka_unit_test(nothing_is_consumed_when_it_is_done),
                                       cmocka_unit_test(failure_is_for_good),
                                       cmocka_unit_test(extensions_are_ignored),
                                       cmocka_unit_test(trailers_are_parsed_and_dropped),
                                       cmocka_unit_test(size_lines_off_the_grammar_are_400),
                                       cmocka_unit_test(chunks_end_in_cr_and_lf),
                                       cmocka_unit_test(trailers_off_the_grammar_are_400),
                                       cmocka_unit_test(sizes_beyond_63_bits_are_400),
                                       cmocka_unit_test(size_lines_are_at_most_256_octets),
                                       cmocka_unit_test(extensions_of_a_body_are_at_most_8_kib),
                                       cmocka_unit_test(trailers_beyond_8_kib_are_431)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
