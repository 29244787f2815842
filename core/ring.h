/* SPDX-License-Identifier: MIT */
#ifndef SJ_CORE_RING_H
#define SJ_CORE_RING_H
/*
 * Bounded ring of records, short runs of octets, from one thread to one other.
 *
 * One producer pushes, one consumer pops, oldest first; neither ever waits.  Another thread may
 * take over as producer or consumer once something else has told it that the former one is
 * done.  No call but new allocates.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SJ_RING_SIZE (256 * 1024) /* octets, four of them for each record */

struct sj_ring;

struct sj_record {
    uint16_t kind; /* the caller's */
    uint16_t length;
};

/* NULL: no memory. */
struct sj_ring *sj_ring_new(void);
void sj_ring_free(struct sj_ring *ring);

/* Producer.  False: no room, nothing changed.  True: the consumer has it, and a full fence
 * follows. */
bool sj_ring_push(struct sj_ring *ring, struct sj_record record, const void *octets);

/* Either of the two: how many octets are taken.  The consumer may pop until it has popped that
 * many. */
size_t sj_ring_used(const struct sj_ring *ring);

/* Consumer, not on an empty ring.  The oldest record, which stays. */
struct sj_record sj_ring_peek(const struct sj_ring *ring);

/* Consumer, not on an empty ring.  Copies the oldest record's octets and takes it out; the
 * octets that it had taken of the ring. */
size_t sj_ring_pop(struct sj_ring *ring, void *to);

#endif
