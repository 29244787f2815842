/* SPDX-License-Identifier: MIT */
#ifndef SJ_CORE_IDLE_H
#define SJ_CORE_IDLE_H
/*
 * Who is parked: one bit a thread, and the protocol that loses no wake-up.
 *
 *   a thread that parks                    a thread that hands out work
 *     announce(me)   (atomic or, a fence)    push the work
 *     re-check every queue                   full fence
 *     found some: retract(me), go on         claim(any or one)  (atomic and)
 *     else block until woken                 won: write to its wake-up fd
 *     retract(me)
 *
 * The fence between push and claim and the re-check after announce form
 * Dekker's pattern: one of the two sees the other.  Without either, a wake-up
 * is lost; tests/models/park.pml shows it.  The one who clears a bit is the
 * only one who writes that thread's wake-up.
 */
#include <stdbool.h>
#include <stdint.h>
#include "core/pr.h"

#define SJ_IDLE_MAX 64 /* threads */

struct sj_idle {
    uint64_t parked; /* bit set */
};

/* The thread with that number.  A full fence follows the announcement.  retract: false when
 * somebody has claimed the number since: a wake-up has come or will come. */
void sj_idle_announce(struct sj_idle *idle, unsigned number);
bool sj_idle_retract(struct sj_idle *idle, unsigned number);

/* Any thread; a moment's answer: that one, nobody, or all of so many. */
bool sj_idle_is_announced(const struct sj_idle *idle, unsigned number);
static inline bool sj_idle_is_empty(const struct sj_idle *idle)
{
    return ck_pr_load_64(&idle->parked) == 0;
}
static inline bool sj_idle_is_full(const struct sj_idle *idle, unsigned n_threads)
{
    return (unsigned)__builtin_popcountll(ck_pr_load_64(&idle->parked)) == n_threads;
}

/* Any thread, after its push and a full fence.  claim: true if `number` was
 * parked and the caller is now the one to wake it.  claim_any: the lowest such number that is
 * not `self` (SJ_IDLE_MAX: anyone), or -1. */
bool sj_idle_claim(struct sj_idle *idle, unsigned number);
int sj_idle_claim_any(struct sj_idle *idle, unsigned self);

#endif
