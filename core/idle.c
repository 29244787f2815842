/* SPDX-License-Identifier: MIT */
#include "core/idle.h"

#include <assert.h>
#include "core/pr.h"

#define N_WORDS (SJ_IDLE_MAX / 64)

void sj_idle_announce(struct sj_idle *idle, unsigned number)
{
    assert(number < SJ_IDLE_MAX);
    ck_pr_bts_64(&idle->words[number / 64], number % 64);
    /* Dekker: orders the bit before the re-check; pairs with the fence between push and claim. */
    ck_pr_fence_atomic_load();
}

bool sj_idle_retract(struct sj_idle *idle, unsigned number)
{
    return sj_idle_claim(idle, number);
}

bool sj_idle_is_announced(const struct sj_idle *idle, unsigned number)
{
    return (ck_pr_load_64(&idle->words[number / 64]) >> number % 64 & 1) != 0;
}

bool sj_idle_claim(struct sj_idle *idle, unsigned number)
{
    /* The load saves the locked instruction in the usual case.  Of several that try, the
     * one whose btr finds the bit set has won. */
    return sj_idle_is_announced(idle, number) &&
           ck_pr_btr_64(&idle->words[number / 64], number % 64);
}

static uint64_t others(const struct sj_idle *idle, unsigned word, unsigned self)
{
    uint64_t parked = ck_pr_load_64(&idle->words[word]);

    return self / 64 == word ? parked & ~((uint64_t)1 << self % 64) : parked;
}

int sj_idle_claim_any(struct sj_idle *idle, unsigned self)
{
    for (unsigned word = 0; word < N_WORDS; word++) {
        uint64_t parked;

        while ((parked = others(idle, word, self)) != 0) {
            unsigned bit = (unsigned)__builtin_ctzll(parked);

            if (ck_pr_btr_64(&idle->words[word], bit))
                return (int)(word * 64 + bit);
        }
    }
    return -1;
}
