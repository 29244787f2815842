/* SPDX-License-Identifier: MIT */
#include "core/lend.h"

#include <assert.h>
#include "core/pr.h"

/* The owner's writes go to the runner with the task, by way of the deque; the runner's come
 * back by the compare-and-swap of give_back, which is_lent and want read, or by the mailbox. */

void sj_lend_begin(struct sj_lend *lend, enum sj_lend_state state)
{
    assert(state != SJ_OWNED && ck_pr_load_uint(&lend->state) == SJ_OWNED);
    ck_pr_store_uint(&lend->state, state);
}

bool sj_lend_want(struct sj_lend *lend)
{
    unsigned int seen;

    ck_pr_cas_uint_value(&lend->state, SJ_LENT, SJ_WANTED, &seen); /* pairs with give_back's */
    ck_pr_fence_acquire();
    return seen != SJ_OWNED;
}

bool sj_lend_is_lent(const struct sj_lend *lend)
{
    bool is_lent = ck_pr_load_uint(&lend->state) != SJ_OWNED; /* pairs with give_back's */

    ck_pr_fence_acquire();
    return is_lent;
}

bool sj_lend_give_back(struct sj_lend *lend)
{
    ck_pr_fence_release();
    return ck_pr_cas_uint(&lend->state, SJ_LENT, SJ_OWNED); /* pairs with want's and is_lent */
}

void sj_lend_end(struct sj_lend *lend)
{
    assert(sj_lend_is_lent(lend));
    ck_pr_store_uint(&lend->state, SJ_OWNED);
}
