/* SPDX-License-Identifier: MIT */
#include "core/ring.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define N_RECORDS 20000

static struct sj_ring *ring;

static int make(void **state)
{
    (void)state;
    ring = sj_ring_new();
    return ring == NULL;
}

static int done(void **state)
{
    (void)state;
    sj_ring_free(ring);
    return 0;
}

static void the_oldest_comes_first(void **state)
{
    char to[8];

    (void)state;
    assert_true(sj_ring_push(ring, (struct sj_record){0, 3}, "one"));
    assert_true(sj_ring_push(ring, (struct sj_record){1, 5}, "three"));
    assert_int_equal(sj_ring_peek(ring).kind, 0);
    assert_int_equal(sj_ring_pop(ring, to), 7);
    assert_memory_equal(to, "one", 3);
    assert_int_equal(sj_ring_peek(ring).kind, 1);
    assert_int_equal(sj_ring_peek(ring).length, 5);
    assert_int_equal(sj_ring_pop(ring, to), 9);
    assert_memory_equal(to, "three", 5);
}

static void used_counts_what_is_in_it(void **state)
{
    char to[8];

    (void)state;
    assert_int_equal(sj_ring_used(ring), 0);
    sj_ring_push(ring, (struct sj_record){0, 0}, "");
    sj_ring_push(ring, (struct sj_record){0, 4}, "four");
    assert_int_equal(sj_ring_used(ring), 12);
    sj_ring_pop(ring, to);
    sj_ring_pop(ring, to);
    assert_int_equal(sj_ring_used(ring), 0);
}

/* 1020 octets and the record's own four: 256 of them fill the ring to the last octet. */
static void a_full_ring_refuses_and_keeps_what_it_has(void **state)
{
    static char octets[1020];

    (void)state;
    for (int i = 0; i < SJ_RING_SIZE / 1024; i++) {
        memset(octets, i, sizeof(octets));
        assert_true(sj_ring_push(ring, (struct sj_record){0, sizeof(octets)}, octets));
    }
    assert_false(sj_ring_push(ring, (struct sj_record){0, 0}, octets));
    assert_int_equal(sj_ring_used(ring), SJ_RING_SIZE);
    sj_ring_pop(ring, octets);
    assert_int_equal(octets[1019], 0);
    assert_true(sj_ring_push(ring, (struct sj_record){0, 0}, octets));
}

static void one_octet_too_little_is_no_room(void **state)
{
    static char octets[1020];

    (void)state;
    for (int i = 0; i < SJ_RING_SIZE / 1024 - 1; i++)
        assert_true(sj_ring_push(ring, (struct sj_record){0, sizeof(octets)}, octets));
    assert_false(sj_ring_push(ring, (struct sj_record){0, sizeof(octets) + 1}, octets));
    assert_true(sj_ring_push(ring, (struct sj_record){0, sizeof(octets)}, octets));
}

/* Lengths that have no factor in common with the ring's put its end at every place of a record. */
static void records_survive_the_rings_end(void **state)
{
    char from[1021], to[1021];

    (void)state;
    for (int i = 0; i < 3000; i++) {
        memset(from, i % 251, sizeof(from));
        assert_true(sj_ring_push(ring, (struct sj_record){i % 7, 1021 - i % 2}, from));
        assert_int_equal(sj_ring_peek(ring).kind, i % 7);
        assert_int_equal(sj_ring_peek(ring).length, 1021 - i % 2);
        sj_ring_pop(ring, to);
        assert_memory_equal(to, from, 1021 - i % 2);
    }
}

static void *push_numbers(void *argument)
{
    (void)argument;
    for (int i = 0; i < N_RECORDS; i++) {
        int numbers[50];

        for (int k = 0; k < 50; k++)
            numbers[k] = i;
        while (!sj_ring_push(ring, (struct sj_record){0, sizeof(numbers)}, numbers))
            sched_yield();
    }
    return NULL;
}

static void two_threads_lose_nothing(void **state)
{
    pthread_t producer;
    int wrong = 0;

    (void)state;
    assert_int_equal(pthread_create(&producer, NULL, push_numbers, NULL), 0);
    for (int i = 0; i < N_RECORDS; i++) {
        int numbers[50];

        while (sj_ring_used(ring) == 0)
            sched_yield();
        sj_ring_pop(ring, numbers);
        wrong += numbers[0] != i || numbers[49] != i;
    }
    pthread_join(producer, NULL);
    assert_int_equal(wrong, 0);
    assert_int_equal(sj_ring_used(ring), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_oldest_comes_first, make, done),
        cmocka_unit_test_setup_teardown(used_counts_what_is_in_it, make, done),
        cmocka_unit_test_setup_teardown(a_full_ring_refuses_and_keeps_what_it_has, make, done),
        cmocka_unit_test_setup_teardown(one_octet_too_little_is_no_room, make, done),
        cmocka_unit_test_setup_teardown(records_survive_the_rings_end, make, done),
        cmocka_unit_test_setup_teardown(two_threads_lose_nothing, make, done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
