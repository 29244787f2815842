/* SPDX-License-Identifier: MIT */
#include "cache/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void what_is_given_back_is_taken_again(void **state)
{
    struct sj_scratch scratch = {.n_kept = 0};
    (void)state;
    void *a = sj_scratch_take(&scratch, 5000);
    void *b = sj_scratch_take(&scratch, 5000);
    assert_ptr_not_equal(a, b);
    sj_scratch_give(&scratch, a);
    assert_ptr_equal(sj_scratch_take(&scratch, 6000), a);
    sj_scratch_give(&scratch, a);
    sj_scratch_give(&scratch, b);
    sj_scratch_fini(&scratch);
    assert_int_equal(scratch.n_kept, 0);
}

static void blocks_have_the_size_that_was_asked_for(void **state)
{
    struct sj_scratch scratch = {.n_kept = 0};
    (void)state;
    for (int round = 0; round < 3; round++) {
        for (size_t size = 0; size < 5U << 20; size = size * 3 / 2 + 1) {
            char *block = sj_scratch_take(&scratch, size);
            assert_int_equal((uintptr_t)block % _Alignof(max_align_t), 0);
            memset(block, 0x5a, size);
            sj_scratch_give(&scratch, block);
        }
    }
    sj_scratch_fini(&scratch);
}

static void large_blocks_and_too_many_are_not_kept(void **state)
{
    struct sj_scratch scratch = {.n_kept = 0};
    void *blocks[5];
    (void)state;
    sj_scratch_give(&scratch, sj_scratch_take(&scratch, 40U << 20));
    assert_int_equal(scratch.n_kept, 0);
    for (int i = 0; i < 5; i++)
        blocks[i] = sj_scratch_take(&scratch, 7U << 20);
    for (int i = 0; i < 5; i++)
        sj_scratch_give(&scratch, blocks[i]);
    assert_int_equal(scratch.n_kept, 32U << 20);
    sj_scratch_fini(&scratch);
}

static void what_no_memory_can_hold_is_refused(void **state)
{
    struct sj_scratch scratch = {.n_kept = 0};
    (void)state;
    assert_null(sj_scratch_take(&scratch, SIZE_MAX));
    sj_scratch_give(&scratch, NULL);
    sj_scratch_fini(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_given_back_is_taken_again),
        cmocka_unit_test(blocks_have_the_size_that_was_asked_for),
        cmocka_unit_test(large_blocks_and_too_many_are_not_kept),
        cmocka_unit_test(what_no_memory_can_hold_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
