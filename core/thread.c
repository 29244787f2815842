/* SPDX-License-Identifier: MIT */
#include "core/thread.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include "core/pr.h"

/* Process-wide, because so are the numbers: a set bit is a number in use. */
static uint64_t numbers[SJ_THREADS_MAX / 64];

static _Thread_local struct sj_thread self;
static _Thread_local bool has_entered;

static int take_number(void)
{
    for (unsigned word = 0; word < SJ_THREADS_MAX / 64; word++) {
        uint64_t taken;

        while ((taken = ck_pr_load_64(&numbers[word])) != UINT64_MAX) {
            unsigned bit = (unsigned)__builtin_ctzll(~taken);

            /* Pairs with the btr of leave: whatever the number's last owner kept
             * under it is visible. */
            if (!ck_pr_bts_64(&numbers[word], bit))
                return (int)(word * 64 + bit);
        }
    }
    return -EAGAIN;
}

int sj_thread_enter(void)
{
    int number;

    if (has_entered)
        return 0;
    number = take_number();
    if (number < 0)
        return number;
    self = (struct sj_thread){.number = (unsigned)number};
    has_entered = true;
    return 0;
}

void sj_thread_leave(void)
{
    assert(has_entered);
    has_entered = false;
    ck_pr_btr_64(&numbers[self.number / 64], self.number % 64);
}

struct sj_thread *sj_self(void)
{
    return has_entered ? &self : NULL;
}
