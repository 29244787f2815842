/* SPDX-License-Identifier: MIT */
/* Linked with: -Wl,--wrap=malloc */
#include "http/exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static bool malloc_fails;
static unsigned n_mallocs;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size)
{
    n_mallocs++;
    return malloc_fails ? NULL : __real_malloc(size);
}

static struct sj_exchange_depot depot; /* for two */
static struct sj_exchange_pool pool, other;

static int begin(void **state)
{
    (void)state;
    malloc_fails = false;
    sj_exchange_depot_init(&depot, 2);
    sj_exchange_pool_init(&pool, 20, &depot);
    sj_exchange_pool_init(&other, 20, &depot);
    return 0;
}

static int end(void **state)
{
    (void)state;
    sj_exchange_pool_fini(&pool);
    sj_exchange_pool_fini(&other);
    sj_exchange_depot_fini(&depot);
    return 0;
}

static void an_exchange_that_was_freed_is_used_again(void **state)
{
    struct sj_exchange *first = sj_exchange_new(&pool);

    (void)state;
    sj_exchange_free(&pool, first);
    n_mallocs = 0;
    malloc_fails = true;
    assert_ptr_equal(sj_exchange_new(&pool), first);
    assert_int_equal(n_mallocs, 0);
    sj_exchange_free(&pool, first);
}

static void it_begins_as_if_it_were_new(void **state)
{
    struct sj_exchange *exchange = sj_exchange_new(&pool);

    (void)state;
    exchange->status = 404;
    exchange->closes = true;
    exchange->drained = exchange->response_head = 7;
    exchange->request.state = SJ_REQUEST_DONE;
    exchange->request.seen = 1;
    sj_exchange_free(&pool, exchange);
    exchange = sj_exchange_new(&pool);
    assert_int_equal(exchange->status, 0);
    assert_false(exchange->closes);
    assert_int_equal(exchange->drained + exchange->response_head, 0);
    assert_int_equal(exchange->request.state, SJ_REQUEST_LINE);
    assert_int_equal(exchange->request.seen, 0);
    assert_int_equal(exchange->output.n_parts, 0);
    sj_exchange_free(&pool, exchange);
}

static void all_of_its_room_can_be_used(void **state)
{
    struct sj_exchange *exchange = sj_exchange_new(&pool);

    (void)state;
    assert_true(exchange->capacity >= sj_exchange_size(SJ_EXCHANGE_READ));
    memset(exchange->buffer, 'x', exchange->capacity);
    memset(exchange->request.fields, 0, 20 * sizeof(struct sj_field));
    sj_exchange_free(&pool, exchange);
}

static void one_of_another_size_is_not_pooled(void **state)
{
    struct sj_exchange *exchange = sj_exchange_new_sized(&pool, 100000);

    (void)state;
    memset(exchange->buffer, 'x', 100000);
    sj_exchange_free(&pool, exchange);
    assert_int_equal(pool.n_free, 0);
}

static void pool_and_depot_are_bounded(void **state)
{
    static struct sj_exchange *exchanges[1000];

    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        exchanges[i] = sj_exchange_new(&pool);
    for (unsigned i = 0; i < 1000; i++)
        sj_exchange_free(&pool, exchanges[i]);
    assert_in_range(pool.n_free, 1, SJ_POOL_MAX);
    assert_in_range(depot.n_free, 1, 2 * SJ_POOL_MAX);
    sj_exchange_free(&pool, sj_exchange_new(&pool));
    assert_in_range(pool.n_free, 1, SJ_POOL_MAX);
    n_mallocs = 0;
    for (unsigned i = 0; i < 2 * SJ_POOL_MAX; i++)
        exchanges[i] = sj_exchange_new(&other);
    assert_int_equal(n_mallocs, 0);
    for (unsigned i = 0; i < 2 * SJ_POOL_MAX; i++)
        sj_exchange_free(&other, exchanges[i]);
}

/* As when one loop steals what the other one has read. */
static void what_wanders_to_another_pool_comes_back(void **state)
{
    (void)state;
    n_mallocs = 0;
    for (unsigned i = 0; i < 10000; i++)
        sj_exchange_free(&other, sj_exchange_new(&pool));
    assert_in_range(n_mallocs, 1, SJ_POOL_MAX + 1);
}

static void without_a_depot_a_pool_is_bounded_by_itself(void **state)
{
    (void)state;
    pool.depot = NULL;
    for (unsigned i = 0; i < 2 * SJ_POOL_MAX; i++)
        sj_exchange_free(&pool, sj_exchange_new(&other));
    assert_int_equal(pool.n_free, SJ_POOL_MAX);
}

static void without_memory_there_is_none(void **state)
{
    (void)state;
    malloc_fails = true;
    assert_null(sj_exchange_new(&pool));
    assert_null(sj_exchange_new_sized(&pool, 10));
    sj_exchange_free(&pool, NULL);
}

static const struct sj_request_limits limits = {8192, 20, 32768};

/* What preparing says; the exchange lives until the next call. */
static struct sj_exchange *prepared(const char *head)
{
    static struct sj_exchange *exchange;

    sj_exchange_free(&pool, exchange);
    exchange = NULL;
    if (head == NULL)
        return NULL;
    exchange = sj_exchange_new(&pool);
    strcpy(exchange->buffer, head);
    assert_int_equal(sj_request_parse(&exchange->request, &limits, exchange->buffer, strlen(head)),
                     0);
    sj_exchange_prepare(exchange, 1000);
    return exchange;
}

static void assert_prepared(const char *head, int status, bool closes)
{
    struct sj_exchange *exchange = prepared(head);

    if (exchange->status != status || exchange->closes != closes)
        fail_msg("%d %d: %s", exchange->status, exchange->closes, head);
    prepared(NULL);
}

#define HOST "HTTP/1.1\r\nHost: a\r\n"

static void preparing_finds_status_and_persistence(void **state)
{
    (void)state;
    assert_prepared("GET / " HOST "\r\n", 0, false);
    assert_prepared("GET / " HOST "Connection: close\r\n\r\n", 0, true);
    assert_prepared("GET / HTTP/1.0\r\n\r\n", 0, true);
    assert_prepared("GET /%2f " HOST "\r\n", 404, false);
    assert_prepared("GET /%00 " HOST "\r\n", 400, true);
    assert_prepared("POST / " HOST "Content-Length: x\r\n\r\n", 400, true);
    assert_prepared("POST / " HOST "Transfer-Encoding: gzip\r\n\r\n", 400, true);
    assert_prepared("POST / " HOST "Expect: more\r\n\r\n", 417, true);
    assert_prepared("POST / " HOST "Content-Length: 1000\r\n\r\n", 0, false);
    assert_prepared("POST / " HOST "Content-Length: 1001\r\n\r\n", 413, false);
}

static void preparing_leaves_the_head_as_it_was(void **state)
{
    static const char head[] = "GET /%61/../b%20?q " HOST "\r\n";
    struct sj_exchange *exchange = prepared(head);

    (void)state;
    assert_memory_equal(exchange->buffer, head, strlen(head));
    assert_int_equal(exchange->target.path.length, 3);
    assert_memory_equal(exchange->target.path.at, "/b ", 3);
    assert_memory_equal(exchange->target.query.at, "q", 1);
    prepared(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_exchange_that_was_freed_is_used_again),
        TEST(it_begins_as_if_it_were_new),
        TEST(all_of_its_room_can_be_used),
        TEST(one_of_another_size_is_not_pooled),
        TEST(pool_and_depot_are_bounded),
        TEST(what_wanders_to_another_pool_comes_back),
        TEST(without_a_depot_a_pool_is_bounded_by_itself),
        TEST(without_memory_there_is_none),
        TEST(preparing_finds_status_and_persistence),
        TEST(preparing_leaves_the_head_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
