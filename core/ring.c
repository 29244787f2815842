/* SPDX-License-Identifier: MIT */
#include "core/ring.h"

#include <stdlib.h>
#include <string.h>

#include "core/pr.h"

/* The producer alone moves `tail`, the consumer alone `head`; both count octets and only grow. */
struct sj_ring {
    uint64_t tail __attribute__((aligned(SJ_CACHE_LINE)));
    uint64_t head __attribute__((aligned(SJ_CACHE_LINE)));
    char octets[SJ_RING_SIZE] __attribute__((aligned(SJ_CACHE_LINE)));
};

/* How much of a copy that begins at `offset` ends before the ring does. */
static size_t first_part(size_t offset, size_t length)
{
    return length < SJ_RING_SIZE - offset ? length : SJ_RING_SIZE - offset;
}

static void copy_in(struct sj_ring *ring, uint64_t at, const void *from, size_t length)
{
    size_t offset = at % SJ_RING_SIZE, part = first_part(offset, length);

    memcpy(ring->octets + offset, from, part);
    memcpy(ring->octets, (const char *)from + part, length - part);
}

static void copy_out(const struct sj_ring *ring, uint64_t at, void *to, size_t length)
{
    size_t offset = at % SJ_RING_SIZE, part = first_part(offset, length);

    memcpy(to, ring->octets + offset, part);
    memcpy((char *)to + part, ring->octets, length - part);
}

struct sj_ring *sj_ring_new(void)
{
    struct sj_ring *ring = aligned_alloc(SJ_CACHE_LINE, sizeof(*ring));

    if (ring == NULL)
        return NULL;
    ring->head = 0;
    ring->tail = 0;
    return ring;
}

void sj_ring_free(struct sj_ring *ring)
{
    free(ring);
}

bool sj_ring_push(struct sj_ring *ring, struct sj_record record, const void *octets)
{
    uint64_t at = ring->tail;
    size_t size = sizeof(record) + record.length;

    /* Pairs with the store in pop: what was popped has been copied out. */
    if (SJ_RING_SIZE - (at - ck_pr_load_64(&ring->head)) < size)
        return false;
    ck_pr_fence_load_store();
    copy_in(ring, at, &record, sizeof(record));
    copy_in(ring, at + sizeof(record), octets, record.length);
    ck_pr_fence_store_atomic();
    ck_pr_fas_64(&ring->tail, at + size); /* pairs with the load in used */
    ck_pr_fence_atomic_load();
    return true;
}

size_t sj_ring_used(const struct sj_ring *ring)
{
    uint64_t head = ck_pr_load_64(&ring->head);
    uint64_t tail = ck_pr_load_64(&ring->tail); /* pairs with the exchange in push */

    ck_pr_fence_load();
    return tail - head;
}

struct sj_record sj_ring_peek(const struct sj_ring *ring)
{
    struct sj_record record;

    copy_out(ring, ring->head, &record, sizeof(record));
    return record;
}

size_t sj_ring_pop(struct sj_ring *ring, void *to)
{
    struct sj_record record = sj_ring_peek(ring);
    size_t size = sizeof(record) + record.length;

    copy_out(ring, ring->head + sizeof(record), to, record.length);
    ck_pr_fence_load_store();
    ck_pr_store_64(&ring->head, ring->head + size); /* pairs with the load in push */
    return size;
}
