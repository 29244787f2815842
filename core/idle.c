/* SPDX-License-Identifier: MIT */
#include "core/idle.h"

#include <assert.h>

void sj_idle_announce(struct sj_idle *idle, unsigned number)
{
    assert(number < SJ_IDLE_MAX);
    ck_pr_bts_64(&idle->parked, number);
    /* Dekker: orders the bit before the re-check; pairs with the fence between push and claim. */
    ck_pr_fence_atomic_load();
}

bool sj_idle_retract(struct sj_idle *idle, unsigned number)
{
    return sj_idle_claim(idle, number);
}

bool sj_idle_is_announced(const struct sj_idle *idle, unsigned number)
{
    return (ck_pr_load_64(&idle->parked) >> number & 1) != 0;
}

bool sj_idle_claim(struct sj_idle *idle, unsigned number)
{
    /* The load saves the locked instruction in the usual case.  Of several that try, the
     * one whose btr finds the bit set has won. */
    return sj_idle_is_announced(idle, number) && ck_pr_btr_64(&idle->parked, number);
}

int sj_idle_claim_any(struct sj_idle *idle, unsigned self)
{
    uint64_t self_bit = self < SJ_IDLE_MAX ? (uint64_t)1 << self : 0, others;

    while ((others = ck_pr_load_64(&idle->parked) & ~self_bit) != 0) {
        unsigned number = (unsigned)__builtin_ctzll(others);

        if (ck_pr_btr_64(&idle->parked, number))
            return (int)number;
    }
    return -1;
}
