/* SPDX-License-Identifier: MIT */
#include "core/deque.h"

#include <assert.h>
#include <stdint.h>
#include "core/lines.h"

/*
 * Indices only grow (64 bits: never twice the same), so a thief's compare-and-swap on `top`
 * cannot mistake a later round of the ring for an earlier one.  Signed differences, because
 * pop lets `bottom` fall below `top` for a moment.
 *
 * The fence note.  On the machines this runs on (TSO) loads keep their order, stores keep theirs,
 * and only a store followed by a load may change places.  The one place where that matters is
 * pop: its store to `bottom` must be seen before it reads `top`, or owner and thief both take
 * the last task.  An exchange does that at a quarter of the cost of store and mfence.  The other
 * fences cost nothing here and name the order that is needed; where loads may change places, the
 * fence in steal has to be a full one (Le et al.).  tests/models/deque.cpp checks these very
 * orders.
 */
struct sj_deque {
    _Alignas(SJ_CACHE_LINE) uint64_t top;    /* the oldest task; thieves and pop compete for it */
    _Alignas(SJ_CACHE_LINE) uint64_t bottom; /* where the next task goes; the owner's */
    uint64_t mask;
    struct sj_task *ring[];
};

struct sj_deque *sj_deque_new(size_t capacity)
{
    struct sj_deque *deque;
    size_t n = 2;

    assert(capacity <= SIZE_MAX / 4 / sizeof(deque->ring[0]));
    while (n < capacity)
        n *= 2;
    deque = sj_lines_new(sizeof(*deque) + n * sizeof(deque->ring[0]));
    if (deque != NULL)
        deque->mask = n - 1;
    return deque;
}

void sj_deque_free(struct sj_deque *deque)
{
    free(deque);
}

/* False: full.  Else the task is where `bottom` is about to show it. */
static bool fill_slot(struct sj_deque *deque, uint64_t bottom, struct sj_task *task)
{
    /* Never behind the thieves' `top`: a slot is written again only after every thief that
     * has read it is sure to lose its compare-and-swap. */
    if (bottom - ck_pr_load_64(&deque->top) > deque->mask)
        return false;
    ck_pr_store_ptr(&deque->ring[bottom & deque->mask], task);
    return true;
}

bool sj_deque_push(struct sj_deque *deque, struct sj_task *task)
{
    uint64_t bottom = deque->bottom;

    if (!fill_slot(deque, bottom, task))
        return false;
    ck_pr_fence_store(); /* the task before `bottom`; pairs with steal's second fence */
    ck_pr_store_64(&deque->bottom, bottom + 1);
    return true;
}

bool sj_deque_push_fenced(struct sj_deque *deque, struct sj_task *task)
{
    uint64_t bottom = deque->bottom;

    if (!fill_slot(deque, bottom, task))
        return false;
    ck_pr_fas_64(&deque->bottom, bottom + 1); /* full fence; pairs with steal's second, and
                                                 with what the caller looks at next */
    return true;
}

struct sj_task *sj_deque_pop(struct sj_deque *deque)
{
    uint64_t bottom = deque->bottom - 1, top;
    struct sj_task *task = NULL;

    ck_pr_fas_64(&deque->bottom, bottom); /* full fence; pairs with steal's first: fence note */
    top = ck_pr_load_64(&deque->top);
    if ((int64_t)(bottom - top) > 0)
        return ck_pr_load_ptr(&deque->ring[bottom & deque->mask]);
    if (bottom == top) {
        task = ck_pr_load_ptr(&deque->ring[bottom & deque->mask]);
        if (!ck_pr_cas_64(&deque->top, top, top + 1)) /* against the thieves */
            task = NULL;
    }
    ck_pr_store_64(&deque->bottom, bottom + 1);
    return task;
}

enum sj_steal sj_deque_steal(struct sj_deque *deque, struct sj_task **task)
{
    uint64_t top = ck_pr_load_64(&deque->top), bottom;

    ck_pr_fence_load(); /* `top` before `bottom`; pairs with pop's exchange */
    bottom = ck_pr_load_64(&deque->bottom);
    if ((int64_t)(bottom - top) <= 0)
        return SJ_STEAL_EMPTY;
    ck_pr_fence_load(); /* `bottom` before the task; pairs with push's fence */
    *task = ck_pr_load_ptr(&deque->ring[top & deque->mask]);
    return ck_pr_cas_64(&deque->top, top, top + 1) ? SJ_STEAL_OK : SJ_STEAL_LOST;
}

size_t sj_deque_length(const struct sj_deque *deque)
{
    uint64_t top = ck_pr_load_64(&deque->top);
    int64_t length = (int64_t)(ck_pr_load_64(&deque->bottom) - top);

    return length > 0 ? (size_t)length : 0;
}
