/* SPDX-License-Identifier: MIT */
/* Linked with: -Wl,--wrap=clock_gettime */
#include "http/response.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static time_t now;

int __wrap_clock_gettime(clockid_t clock, struct timespec *at);

int __wrap_clock_gettime(clockid_t clock, struct timespec *at)
{
    (void)clock;
    *at = (struct timespec){.tv_sec = now};
    return 0;
}

static struct sj_composer composer;
static struct sj_exchange_pool pool;
static struct sj_exchange *exchange;

static int begin(void **state)
{
    (void)state;
    now = 784111777;
    sj_composer_init(&composer);
    sj_exchange_pool_init(&pool, 10, NULL);
    exchange = sj_exchange_new(&pool);
    exchange->request.minor = 1;
    return 0;
}

static int end(void **state)
{
    (void)state;
    sj_exchange_free(&pool, exchange);
    sj_exchange_pool_fini(&pool);
    return 0;
}

/* A complete head, as if it had been read. */
static void read_head(const char *head)
{
    struct sj_request_limits limits = {8192, 10, 32768};

    strcpy(exchange->buffer, head);
    assert_int_equal(sj_request_parse(&exchange->request, &limits, exchange->buffer, strlen(head)),
                     0);
}

/* The output, which is one part, is that text. */
static void assert_output(const char *expected)
{
    const struct sj_part *part = &exchange->output.parts[0];

    assert_int_equal(exchange->output.n_parts, 1);
    assert_int_equal(part->length, strlen(expected));
    assert_memory_equal(part->bytes, expected, part->length);
}

static bool has(const char *text)
{
    const struct sj_part *part = &exchange->output.parts[0];

    return memmem(part->bytes, part->length, text, strlen(text)) != NULL;
}

#define COMMON(date) "Date: " date "\r\nServer: scrubjay\r\nX-Content-Type-Options: nosniff\r\n"
#define FIRST        COMMON("Sun, 06 Nov 1994 08:49:37 GMT")

static void a_head_has_status_date_and_its_fields(void **state)
{
    (void)state;
    sj_response_begin(&composer, exchange, 206);
    sj_response_field(&composer, SJ_TEXT("A"), SJ_TEXT("b"));
    sj_response_length(&composer, UINT64_MAX);
    assert_true(sj_response_end(&composer, exchange));
    assert_output("HTTP/1.1 206 Partial Content\r\n" FIRST
                  "A: b\r\nContent-Length: 18446744073709551615\r\n\r\n");
    assert_int_equal(exchange->status, 206);
    assert_int_equal(exchange->response_head, exchange->output.parts[0].length);
}

static void the_date_follows_the_clock(void **state)
{
    (void)state;
    sj_response_begin(&composer, exchange, 204);
    now++;
    sj_response_begin(&composer, exchange, 204);
    sj_response_end(&composer, exchange);
    assert_output("HTTP/1.1 204 No Content\r\n" COMMON("Sun, 06 Nov 1994 08:49:38 GMT") "\r\n");
    assert_int_equal(sj_composer_now(&composer), now);
}

static void the_end_of_the_connection_is_announced(void **state)
{
    (void)state;
    exchange->closes = true;
    sj_response_begin(&composer, exchange, 204);
    sj_response_end(&composer, exchange);
    assert_output("HTTP/1.1 204 No Content\r\n" FIRST "Connection: close\r\n\r\n");
}

static void to_http_1_0_going_on_is_announced(void **state)
{
    (void)state;
    exchange->request.minor = 0;
    sj_response_begin(&composer, exchange, 204);
    sj_response_end(&composer, exchange);
    assert_output("HTTP/1.1 204 No Content\r\n" FIRST "Connection: keep-alive\r\n\r\n");
}

static void what_does_not_fit_is_said_at_the_end(void **state)
{
    char *long_text = malloc(SJ_SCRATCH);

    (void)state;
    memset(long_text, 'x', SJ_SCRATCH);
    sj_response_begin(&composer, exchange, 200);
    sj_response_field(&composer, SJ_TEXT("A"), (struct sj_text){long_text, SJ_SCRATCH});
    assert_false(sj_response_end(&composer, exchange));
    free(long_text);
}

static void an_error_before_the_head_is_complete_is_plain_text(void **state)
{
    (void)state;
    exchange->closes = true;
    sj_response_error(&composer, exchange, 400);
    assert_output("HTTP/1.1 400 Bad Request\r\n" FIRST
                  "Connection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"
                  "Content-Length: 12\r\n\r\nBad Request\n");
}

static void an_error_is_html_for_who_wants_it(void **state)
{
    (void)state;
    read_head("GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n");
    sj_response_error(&composer, exchange, 404);
    assert_true(has("Content-Type: text/html; charset=utf-8\r\n"));
    assert_true(has("<h1>Not Found</h1>"));
}

static void an_errors_length_is_that_of_its_body(void **state)
{
    static const char *const accepts[] = {"text/html", "text/plain"};
    static const int statuses[] = {400, 403, 404, 405, 408, 412, 413, 414,
                                   417, 431, 500, 501, 503, 505, 999};

    (void)state;
    for (unsigned i = 0; i < 2 * sizeof(statuses) / sizeof(statuses[0]); i++) {
        char head[128], length[64];

        snprintf(head, sizeof(head), "GET / HTTP/1.1\r\nHost: a\r\nAccept: %s\r\n\r\n",
                 accepts[i % 2]);
        sj_request_reset(&exchange->request);
        read_head(head);
        sj_response_error(&composer, exchange, statuses[i / 2]);
        snprintf(length, sizeof(length), "\r\nContent-Length: %zu\r\n",
                 (size_t)exchange->output.parts[0].length - exchange->response_head);
        assert_true(has(length));
    }
}

static void an_error_to_head_has_no_body(void **state)
{
    (void)state;
    read_head("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    sj_response_error(&composer, exchange, 404);
    assert_int_equal(exchange->output.parts[0].length, exchange->response_head);
    assert_true(has("Content-Length: 10\r\n"));
}

static void an_error_replaces_what_was_begun(void **state)
{
    (void)state;
    sj_response_begin(&composer, exchange, 200);
    sj_response_end(&composer, exchange);
    sj_output_add(&exchange->output, (struct sj_part){.bytes = "body", .length = 4});
    exchange->output.memory = malloc(1);
    sj_response_error(&composer, exchange, 500);
    assert_int_equal(exchange->output.n_parts, 1);
    assert_int_equal(exchange->status, 500);
    assert_null(exchange->output.memory);
}

static void some_errors_have_fields_of_their_own(void **state)
{
    (void)state;
    sj_response_error(&composer, exchange, 405);
    assert_true(has("Allow: GET, HEAD, OPTIONS\r\n"));
    assert_false(has("Cache-Control"));
    sj_response_error(&composer, exchange, 503);
    assert_true(has("Retry-After: 1\r\n"));
    assert_true(has("Cache-Control: no-store\r\n"));
    sj_response_error(&composer, exchange, 404);
    assert_true(has("Cache-Control: no-store\r\n"));
}

static void what_is_held_is_not_overwritten(void **state)
{
    struct sj_exchange *held[128];
    unsigned n = 0;
    bool has_room = true;

    (void)state;
    while (has_room) {
        held[n] = sj_exchange_new(&pool);
        sj_response_begin(&composer, held[n], 200);
        sj_response_length(&composer, n);
        assert_true(sj_response_end(&composer, held[n]));
        sj_write(&composer.head, (char[1000]){0}, 1000);
        held[n++]->output.parts[0].length += 1000;
        has_room = sj_composer_hold(&composer);
    }
    assert_in_range(n, 2 * SJ_SCRATCH / 1200, 2 * SJ_SCRATCH / 1000);
    for (unsigned i = 0; i < n; i++) {
        char length[40];

        snprintf(length, sizeof(length), "Content-Length: %u\r\n\r\n", i);
        assert_non_null(memmem(held[i]->output.parts[0].bytes, 1000, length, strlen(length)));
        sj_exchange_free(&pool, held[i]);
    }
    sj_composer_let_go(&composer);
    sj_response_begin(&composer, exchange, 200);
    assert_ptr_equal(composer.head.end - SJ_SCRATCH, composer.scratch);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_head_has_status_date_and_its_fields),
        TEST(the_date_follows_the_clock),
        TEST(the_end_of_the_connection_is_announced),
        TEST(to_http_1_0_going_on_is_announced),
        TEST(what_does_not_fit_is_said_at_the_end),
        TEST(an_error_before_the_head_is_complete_is_plain_text),
        TEST(an_error_is_html_for_who_wants_it),
        TEST(an_errors_length_is_that_of_its_body),
        TEST(an_error_to_head_has_no_body),
        TEST(an_error_replaces_what_was_begun),
        TEST(what_is_held_is_not_overwritten),
        TEST(some_errors_have_fields_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
