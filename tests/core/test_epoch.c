/* SPDX-License-Identifier: MIT */
#include "core/epoch.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "core/pr.h"

static struct sj_epoch *epoch;

static int set_up(void **state)
{
    (void)state;
    epoch = sj_epoch_new();
    return epoch == NULL || sj_thread_enter() != 0;
}

static int tear_down(void **state)
{
    (void)state;
    sj_thread_leave();
    sj_epoch_free(epoch);
    return 0;
}

static void without_readers_a_wait_returns(void **state)
{
    (void)state;
    sj_epoch_begin(epoch);
    sj_epoch_end(epoch);
    sj_epoch_wait(epoch);
}

struct writer {
    sem_t has_begun;
    unsigned is_over;
};

static void *wait_once(void *argument)
{
    struct writer *writer = argument;

    if (sj_thread_enter() != 0)
        abort();
    sem_post(&writer->has_begun);
    sj_epoch_wait(epoch);
    ck_pr_store_uint(&writer->is_over, 1);
    sj_thread_leave();
    return NULL;
}

static void a_wait_does_not_end_before_the_section(void **state)
{
    struct writer writer = {.is_over = 0};
    pthread_t thread;

    (void)state;
    sem_init(&writer.has_begun, 0, 0);
    sj_epoch_begin(epoch);
    sj_epoch_begin(epoch);
    sj_epoch_end(epoch); /* an inner one */
    assert_int_equal(pthread_create(&thread, NULL, wait_once, &writer), 0);
    sem_wait(&writer.has_begun);
    for (unsigned i = 0; i < 1000; i++) {
        sched_yield();
        assert_int_equal(ck_pr_load_uint(&writer.is_over), 0);
    }
    sj_epoch_end(epoch);
    pthread_join(thread, NULL);
    assert_int_equal(writer.is_over, 1);
    sem_destroy(&writer.has_begun);
}

#define N_READERS   3
#define N_EXCHANGES 200

struct published {
    struct value *current;
    unsigned is_over;
    uint64_t n_wrong;
};

struct value {
    unsigned a, b; /* always the same, until it is freed */
};

static void *read_many(void *argument)
{
    struct published *published = argument;

    if (sj_thread_enter() != 0)
        abort();
    while (!ck_pr_load_uint(&published->is_over)) {
        struct value *value;

        sj_epoch_begin(epoch);
        value = ck_pr_load_ptr(&published->current);
        if (value->a != value->b)
            ck_pr_inc_64(&published->n_wrong);
        sj_epoch_end(epoch);
    }
    sj_thread_leave();
    return NULL;
}

static struct value *new_value(unsigned number)
{
    struct value *value = malloc(sizeof(*value));

    if (value == NULL)
        abort();
    *value = (struct value){number, number};
    return value;
}

static void no_reader_sees_what_was_freed_after_a_wait(void **state)
{
    struct published published = {.current = new_value(0)};
    pthread_t readers[N_READERS];

    (void)state;
    for (unsigned i = 0; i < N_READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_many, &published), 0);
    for (unsigned i = 1; i <= N_EXCHANGES; i++) {
        struct value *old = ck_pr_fas_ptr(&published.current, new_value(i));

        sj_epoch_wait(epoch);
        old->b = ~old->a; /* what a reader would see; the sanitizers see the free */
        free(old);
    }
    ck_pr_store_uint(&published.is_over, 1);
    for (unsigned i = 0; i < N_READERS; i++)
        pthread_join(readers[i], NULL);
    assert_int_equal(published.n_wrong, 0);
    free(published.current);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_readers_a_wait_returns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_wait_does_not_end_before_the_section, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_reader_sees_what_was_freed_after_a_wait, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
