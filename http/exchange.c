/* SPDX-License-Identifier: MIT */
#include "http/exchange.h"

#include <stdlib.h>

#define MAGAZINE (SJ_POOL_MAX / 2) /* exchanges that go to the depot at a time, or come from it */

static void free_all(struct sj_exchange *first)
{
    while (first != NULL) {
        struct sj_exchange *next = first->next;

        free(first);
        first = next;
    }
}

void sj_exchange_depot_init(struct sj_exchange_depot *depot, unsigned n_pools)
{
    pthread_mutex_init(&depot->lock, NULL);
    depot->free = NULL;
    depot->n_free = 0;
    depot->n_most = n_pools * SJ_POOL_MAX;
}

void sj_exchange_depot_fini(struct sj_exchange_depot *depot)
{
    free_all(depot->free);
    pthread_mutex_destroy(&depot->lock);
}

void sj_exchange_pool_init(struct sj_exchange_pool *pool, uint32_t n_fields,
                           struct sj_exchange_depot *depot)
{
    *pool = (struct sj_exchange_pool){.n_fields = n_fields, .depot = depot};
}

void sj_exchange_pool_fini(struct sj_exchange_pool *pool)
{
    free_all(pool->free);
}

/* Takes up to so many from the front of one list to that of another. */
static unsigned move(struct sj_exchange **from, struct sj_exchange **to, unsigned most)
{
    unsigned n = 0;

    for (; n < most && *from != NULL; n++) {
        struct sj_exchange *exchange = *from;

        *from = exchange->next;
        exchange->next = *to;
        *to = exchange;
    }
    return n;
}

static void fill_from_depot(struct sj_exchange_pool *pool)
{
    struct sj_exchange_depot *depot = pool->depot;
    unsigned n;

    pthread_mutex_lock(&depot->lock);
    n = move(&depot->free, &pool->free, MAGAZINE);
    depot->n_free -= n;
    pthread_mutex_unlock(&depot->lock);
    pool->n_free += n;
}

/* Nothing changes when the depot is full. */
static void empty_into_depot(struct sj_exchange_pool *pool)
{
    struct sj_exchange_depot *depot = pool->depot;
    unsigned n = 0;

    pthread_mutex_lock(&depot->lock);
    if (depot->n_free + MAGAZINE <= depot->n_most)
        n = move(&pool->free, &depot->free, MAGAZINE);
    depot->n_free += n;
    pthread_mutex_unlock(&depot->lock);
    pool->n_free -= n;
}

static struct sj_exchange *reset(struct sj_exchange *exchange)
{
    sj_request_reset(&exchange->request);
    sj_output_init(&exchange->output);
    exchange->status = 0;
    exchange->closes = false;
    exchange->route = NULL;
    exchange->call = NULL;
    exchange->response_head = 0;
    exchange->drained = 0;
    return exchange;
}

/* One block: the struct, its fields, its buffer. */
struct sj_exchange *sj_exchange_new_sized(struct sj_exchange_pool *pool, size_t capacity)
{
    size_t fields = pool->n_fields * sizeof(struct sj_field);
    struct sj_exchange *exchange = malloc(sizeof(*exchange) + fields + capacity);

    if (exchange == NULL)
        return NULL;
    exchange->request.fields = (struct sj_field *)(exchange + 1);
    exchange->buffer = (char *)(exchange + 1) + fields;
    exchange->capacity = capacity;
    exchange->is_pooled = false;
    return reset(exchange);
}

struct sj_exchange *sj_exchange_new(struct sj_exchange_pool *pool)
{
    struct sj_exchange *exchange;

    if (pool->free == NULL && pool->depot != NULL)
        fill_from_depot(pool);
    exchange = pool->free;
    if (exchange != NULL) {
        pool->free = exchange->next;
        pool->n_free--;
        return reset(exchange);
    }
    exchange = sj_exchange_new_sized(pool, sj_exchange_size(SJ_EXCHANGE_READ));
    if (exchange != NULL)
        exchange->is_pooled = true;
    return exchange;
}

void sj_exchange_free(struct sj_exchange_pool *pool, struct sj_exchange *exchange)
{
    if (exchange == NULL)
        return;
    sj_output_fini(&exchange->output);
    if (pool->n_free == SJ_POOL_MAX && exchange->is_pooled && pool->depot != NULL)
        empty_into_depot(pool);
    if (!exchange->is_pooled || pool->n_free >= SJ_POOL_MAX) {
        free(exchange);
        return;
    }
    exchange->next = pool->free;
    pool->free = exchange;
    pool->n_free++;
}

void sj_exchange_prepare(struct sj_exchange *exchange, uint64_t body_limit)
{
    struct sj_request *request = &exchange->request;
    char *room = exchange->buffer + request->head_length;
    struct sj_text target = sj_request_text(exchange->buffer, request->target);

    exchange->target = (struct sj_target){.form = SJ_TARGET_ORIGIN};
    exchange->status = sj_framing_of(request, exchange->buffer, &exchange->framing);
    if (exchange->status != 0) {
        exchange->closes = true;
        return;
    }
    exchange->closes = !exchange->framing.is_persistent;
    exchange->status = sj_target_parse(request->method, target, room, &exchange->target);
    if (exchange->status == 400)
        exchange->closes = true;
    if (exchange->status == 0 && exchange->framing.kind == SJ_BODY_LENGTH &&
        exchange->framing.length > body_limit)
        exchange->status = 413;
}
