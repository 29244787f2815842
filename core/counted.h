/* SPDX-License-Identifier: MIT */
#ifndef SJ_CORE_COUNTED_H
#define SJ_CORE_COUNTED_H
/* Counted references: the member of an object that begins with 1.  Any thread. */
#include <stdbool.h>
#include <stdint.h>
#include "core/pr.h"

/* By somebody who has one: it orders nothing. */
static inline void sj_counted_acquire(uint64_t *references)
{
    ck_pr_inc_64(references);
}

/* True: that was the last one.  The decrements of all others come before the one that reaches zero,
 * and so do their uses: the release fence pairs with the acquire fence of the last. */
static inline bool sj_counted_release(uint64_t *references)
{
    ck_pr_fence_release();
    if (ck_pr_faa_64(references, (uint64_t)-1) != 1)
        return false;
    ck_pr_fence_acquire();
    return true;
}

#endif
