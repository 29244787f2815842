/* SPDX-License-Identifier: MIT */
#include "core/lend.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "core/pr.h"

static void a_silent_return_gives_the_right_back(void **state)
{
    struct sj_lend lend = {SJ_OWNED};

    (void)state;
    sj_lend_begin(&lend, SJ_LENT);
    assert_true(sj_lend_is_lent(&lend));
    assert_true(sj_lend_give_back(&lend));
    assert_false(sj_lend_is_lent(&lend));
}

static void who_wants_before_the_return_gets_a_message(void **state)
{
    struct sj_lend lend = {SJ_OWNED};

    (void)state;
    sj_lend_begin(&lend, SJ_LENT);
    assert_true(sj_lend_want(&lend));
    assert_false(sj_lend_give_back(&lend));
    assert_true(sj_lend_is_lent(&lend));
    sj_lend_end(&lend);
    assert_false(sj_lend_is_lent(&lend));
}

static void who_wants_after_the_return_has_it_already(void **state)
{
    struct sj_lend lend = {SJ_OWNED};

    (void)state;
    sj_lend_begin(&lend, SJ_LENT);
    assert_true(sj_lend_give_back(&lend));
    assert_false(sj_lend_want(&lend));
    assert_false(sj_lend_is_lent(&lend));
}

static void wanting_twice_is_wanting_once(void **state)
{
    struct sj_lend lend = {SJ_OWNED};

    (void)state;
    sj_lend_begin(&lend, SJ_LENT);
    assert_true(sj_lend_want(&lend));
    assert_true(sj_lend_want(&lend));
    assert_false(sj_lend_give_back(&lend));
}

static void what_is_lent_as_wanted_comes_back_by_message(void **state)
{
    struct sj_lend lend = {SJ_OWNED};

    (void)state;
    sj_lend_begin(&lend, SJ_WANTED);
    assert_false(sj_lend_give_back(&lend));
}

#define N_ROUNDS 20000

struct pair {
    struct sj_lend lend;
    sem_t lent, message;
    unsigned written; /* plain: only the right orders it */
};

static void *runner(void *argument)
{
    struct pair *pair = argument;

    for (unsigned i = 0; i < N_ROUNDS; i++) {
        sem_wait(&pair->lent);
        pair->written++;
        if (!sj_lend_give_back(&pair->lend))
            sem_post(&pair->message);
    }
    return NULL;
}

static void either_the_owner_sees_the_return_or_a_message_comes(void **state)
{
    static struct pair pair;
    pthread_t thread;

    (void)state;
    sem_init(&pair.lent, 0, 0);
    sem_init(&pair.message, 0, 0);
    assert_int_equal(pthread_create(&thread, NULL, runner, &pair), 0);
    for (unsigned i = 0; i < N_ROUNDS; i++) {
        sj_lend_begin(&pair.lend, i % 5 == 0 ? SJ_WANTED : SJ_LENT);
        sem_post(&pair.lent);
        if (sj_lend_want(&pair.lend)) {
            sem_wait(&pair.message); /* a lost one would hang here */
            sj_lend_end(&pair.lend);
        }
        assert_int_equal(pair.written, i + 1);
    }
    pthread_join(thread, NULL);
    sem_destroy(&pair.lent);
    sem_destroy(&pair.message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_silent_return_gives_the_right_back),
        cmocka_unit_test(who_wants_before_the_return_gets_a_message),
        cmocka_unit_test(who_wants_after_the_return_has_it_already),
        cmocka_unit_test(wanting_twice_is_wanting_once),
        cmocka_unit_test(what_is_lent_as_wanted_comes_back_by_message),
        cmocka_unit_test(either_the_owner_sees_the_return_or_a_message_comes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
