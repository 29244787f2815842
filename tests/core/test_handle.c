/* SPDX-License-Identifier: MIT */
#include "core/handle.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* Linked with -Wl,--wrap=realloc. */
static bool is_memory_gone;

void *__real_realloc(void *from, size_t size);
void *__wrap_realloc(void *from, size_t size);
void *__wrap_realloc(void *from, size_t size)
{
    return is_memory_gone ? NULL : __real_realloc(from, size);
}

static struct sj_handle_table *table;

static int set_up(void **state)
{
    (void)state;
    table = sj_handle_table_new(7);
    return table == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    sj_handle_table_free(table);
    return 0;
}

static void an_open_handle_resolves_to_its_object(void **state)
{
    struct sj_handle a, b;
    int x, y;

    (void)state;
    assert_int_equal(sj_handle_open(table, &x, &a), 0);
    assert_int_equal(sj_handle_open(table, &y, &b), 0);
    assert_int_equal(a.loop, 7);
    assert_int_equal(a.request, 0);
    assert_ptr_equal(sj_handle_resolve(table, &a), &x);
    assert_ptr_equal(sj_handle_resolve(table, &b), &y);
}

static void a_closed_handle_resolves_to_nothing(void **state)
{
    struct sj_handle handle;
    int x;

    (void)state;
    assert_int_equal(sj_handle_open(table, &x, &handle), 0);
    sj_handle_close(table, &handle);
    assert_null(sj_handle_resolve(table, &handle));
}

static void an_old_handle_does_not_find_the_slot_s_next_object(void **state)
{
    struct sj_handle before, after;
    int x, y;

    (void)state;
    assert_int_equal(sj_handle_open(table, &x, &before), 0);
    sj_handle_close(table, &before);
    assert_int_equal(sj_handle_open(table, &y, &after), 0);
    assert_int_equal(after.slot, before.slot);
    assert_null(sj_handle_resolve(table, &before));
    assert_ptr_equal(sj_handle_resolve(table, &after), &y);
}

static void the_request_number_is_not_looked_at(void **state)
{
    struct sj_handle handle;
    int x;

    (void)state;
    assert_int_equal(sj_handle_open(table, &x, &handle), 0);
    handle.request = 99;
    assert_ptr_equal(sj_handle_resolve(table, &handle), &x);
}

static void handles_stay_right_while_the_table_grows(void **state)
{
    static struct sj_handle handles[1000];
    static int objects[1000];

    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(sj_handle_open(table, &objects[i], &handles[i]), 0);
    for (unsigned i = 0; i < 1000; i += 2)
        sj_handle_close(table, &handles[i]);
    for (unsigned i = 0; i < 1000; i++)
        assert_ptr_equal(sj_handle_resolve(table, &handles[i]), i % 2 ? &objects[i] : NULL);
}

static void without_memory_opening_fails_and_the_rest_stays(void **state)
{
    struct sj_handle first, handle = {0};
    int x, error = 0;

    (void)state;
    assert_int_equal(sj_handle_open(table, &x, &first), 0);
    is_memory_gone = true;
    for (unsigned i = 0; i < 100000 && error == 0; i++)
        error = sj_handle_open(table, &x, &handle);
    is_memory_gone = false;
    assert_int_equal(error, -ENOMEM);
    assert_ptr_equal(sj_handle_resolve(table, &first), &x);
    assert_int_equal(sj_handle_open(table, &x, &handle), 0);
    assert_ptr_equal(sj_handle_resolve(table, &handle), &x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_open_handle_resolves_to_its_object, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_closed_handle_resolves_to_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_old_handle_does_not_find_the_slot_s_next_object, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_request_number_is_not_looked_at, set_up, tear_down),
        cmocka_unit_test_setup_teardown(handles_stay_right_while_the_table_grows, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(without_memory_opening_fails_and_the_rest_stays, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
