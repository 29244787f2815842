/* SPDX-License-Identifier: MIT */
#ifndef SJ_BENCH_TASKS_POOL_H
#define SJ_BENCH_TASKS_POOL_H
/*
 * Things that are dear to make, to be used by one thread at a time and then by the next: as many as
 * are in use at once, the one used last first.  Any thread.
 */
#include <pthread.h>
#include <stddef.h>

struct pooled {
    struct pooled *next;
};

struct pool {
    pthread_mutex_t lock;
    struct pooled *first;
};

static inline void pool_init(struct pool *pool)
{
    pthread_mutex_init(&pool->lock, NULL);
    pool->first = NULL;
}

/* NULL: none is there, make one. */
static inline struct pooled *pool_take(struct pool *pool)
{
    struct pooled *item;

    pthread_mutex_lock(&pool->lock);
    item = pool->first;
    if (item != NULL)
        pool->first = item->next;
    pthread_mutex_unlock(&pool->lock);
    return item;
}

static inline void pool_give(struct pool *pool, struct pooled *item)
{
    pthread_mutex_lock(&pool->lock);
    item->next = pool->first;
    pool->first = item;
    pthread_mutex_unlock(&pool->lock);
}

/* When nobody uses it or what came from it any more. */
static inline void pool_fini(struct pool *pool, void (*release)(struct pooled *item))
{
    for (struct pooled *item; (item = pool_take(pool)) != NULL;)
        release(item);
    pthread_mutex_destroy(&pool->lock);
}

#endif
