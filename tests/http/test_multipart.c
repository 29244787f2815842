/* SPDX-License-Identifier: MIT */
/* Linked with: -Wl,--wrap=malloc -Wl,--wrap=sj_clock_ns */
#include "http/multipart.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static bool malloc_fails;
static uint64_t now_ns;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
uint64_t __wrap_sj_clock_ns(void);

void *__wrap_malloc(size_t size)
{
    return malloc_fails ? NULL : __real_malloc(size);
}

uint64_t __wrap_sj_clock_ns(void)
{
    return now_ns;
}

static struct sj_composer composer;
static struct sj_exchange_pool pool;
static struct sj_exchange *exchange;
static char bytes[4096];

static int begin(void **state)
{
    (void)state;
    malloc_fails = false;
    sj_exchange_pool_init(&pool, 10, NULL);
    sj_composer_init(&composer);
    exchange = sj_exchange_new(&pool);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)('a' + i % 26);
    return exchange == NULL;
}

static int end(void **state)
{
    (void)state;
    sj_exchange_free(&pool, exchange);
    sj_exchange_pool_fini(&pool);
    return 0;
}

static const struct sj_range ranges[] = {{0, 1}, {10, 5}, {4000, 96}};

static struct sj_multipart make(const char *type)
{
    struct sj_multipart multipart = {
        .type = {type, strlen(type)}, .size = sizeof(bytes), .ranges = ranges, .n_ranges = 3};

    sj_multipart_init(&multipart, &composer);
    sj_response_begin(&composer, exchange, 206);
    assert_true(sj_response_end(&composer, exchange));
    return multipart;
}

/* Octets of all parts but the response's head. */
static uint64_t body_length(void)
{
    uint64_t length = 0;

    for (unsigned i = 1; i < exchange->output.n_parts; i++)
        length += exchange->output.parts[i].length;
    return length;
}

static void the_body_is_that_of_the_rfc(void **state)
{
    struct sj_multipart multipart = make("text/plain");
    char expected[512], *body, *at;
    int length = snprintf(expected, sizeof(expected),
                          "\r\n--%.24s\r\nContent-Type: text/plain\r\n"
                          "Content-Range: bytes 0-0/4096\r\n\r\na"
                          "\r\n--%.24s\r\nContent-Type: text/plain\r\n"
                          "Content-Range: bytes 10-14/4096\r\n\r\nklmno"
                          "\r\n--%.24s\r\nContent-Type: text/plain\r\n"
                          "Content-Range: bytes 4000-4095/4096\r\n\r\n%.96s"
                          "\r\n--%.24s--\r\n",
                          multipart.boundary, multipart.boundary, multipart.boundary, bytes + 4000,
                          multipart.boundary);

    (void)state;
    assert_int_equal(sj_multipart_add(&multipart, exchange, bytes), 0);
    assert_int_equal(body_length(), length);
    at = body = malloc((size_t)length);
    for (unsigned i = 1; i < exchange->output.n_parts; i++)
        at = mempcpy(at, exchange->output.parts[i].bytes, exchange->output.parts[i].length);
    assert_memory_equal(body, expected, length);
    free(body);
}

static void its_length_is_known_before(void **state)
{
    struct sj_multipart multipart = make("text/plain");

    (void)state;
    assert_int_equal(sj_multipart_add(&multipart, exchange, bytes), 0);
    assert_int_equal(sj_multipart_length(&multipart), body_length());
}

/* --type and --headers can say anything. */
static void its_length_is_known_before_whatever_the_type(void **state)
{
    char type[1001] = "text/";

    (void)state;
    memset(type + 5, 'x', 995);
    for (size_t length = 300; length <= 1000; length += 50) {
        struct sj_multipart multipart;
        uint64_t promised;

        sj_output_fini(&exchange->output);
        type[length] = '\0';
        multipart = make(type);
        promised = sj_multipart_length(&multipart);
        assert_int_equal(sj_multipart_add(&multipart, exchange, bytes), 0);
        assert_int_equal(promised, body_length());
        type[length] = 'x';
    }
}

static void ranges_of_a_file_stay_in_the_file(void **state)
{
    struct sj_multipart multipart = make("text/plain");

    (void)state;
    assert_int_equal(sj_multipart_add(&multipart, exchange, NULL), 0);
    for (unsigned i = 0; i < 3; i++) {
        const struct sj_part *part = &exchange->output.parts[2 + 2 * i];

        assert_null(part->bytes);
        assert_int_equal(part->first, ranges[i].first);
        assert_int_equal(part->length, ranges[i].length);
    }
}

static void nothing_of_it_lies_in_scratch_memory(void **state)
{
    struct sj_multipart multipart = make("text/plain");

    (void)state;
    assert_int_equal(sj_multipart_add(&multipart, exchange, bytes), 0);
    for (unsigned i = 0; i < exchange->output.n_parts; i++) {
        const char *at = exchange->output.parts[i].bytes;

        assert_false(at >= composer.scratch && at < composer.scratch + SJ_SCRATCH);
    }
}

static void without_memory_it_says_so(void **state)
{
    struct sj_multipart multipart = make("text/plain");

    (void)state;
    malloc_fails = true;
    assert_int_equal(sj_multipart_add(&multipart, exchange, bytes), -ENOMEM);
}

static void boundaries_differ_from_response_to_response(void **state)
{
    struct sj_multipart a = make("text/plain"), b, c;

    (void)state;
    sj_output_fini(&exchange->output);
    b = make("text/plain");
    sj_output_fini(&exchange->output);
    now_ns++;
    c = make("text/plain");
    assert_memory_not_equal(a.boundary, b.boundary, SJ_BOUNDARY_LENGTH);
    assert_memory_not_equal(b.boundary, c.boundary, SJ_BOUNDARY_LENGTH);
    sj_output_fini(&exchange->output);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_body_is_that_of_the_rfc),
        TEST(its_length_is_known_before),
        TEST(its_length_is_known_before_whatever_the_type),
        TEST(ranges_of_a_file_stay_in_the_file),
        TEST(nothing_of_it_lies_in_scratch_memory),
        TEST(without_memory_it_says_so),
        TEST(boundaries_differ_from_response_to_response),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
