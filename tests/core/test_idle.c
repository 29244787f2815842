/* SPDX-License-Identifier: MIT */
#include "core/idle.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "core/pr.h"

static void a_number_is_claimed_once(void **state)
{
    struct sj_idle idle = {0};

    (void)state;
    sj_idle_announce(&idle, 42);
    assert_true(sj_idle_claim(&idle, 42));
    assert_false(sj_idle_claim(&idle, 42));
}

static void who_is_not_parked_cannot_be_claimed(void **state)
{
    struct sj_idle idle = {0};

    (void)state;
    sj_idle_announce(&idle, 3);
    assert_false(sj_idle_claim(&idle, 4));
    assert_true(sj_idle_retract(&idle, 3));
    assert_false(sj_idle_claim(&idle, 3));
}

static void retract_tells_whether_somebody_has_claimed(void **state)
{
    struct sj_idle idle = {0};

    (void)state;
    sj_idle_announce(&idle, 63);
    assert_true(sj_idle_claim(&idle, 63));
    assert_false(sj_idle_retract(&idle, 63));
}

static void an_announcement_is_seen_until_somebody_claims(void **state)
{
    struct sj_idle idle = {0};

    (void)state;
    sj_idle_announce(&idle, 42);
    assert_true(sj_idle_is_announced(&idle, 42));
    assert_false(sj_idle_is_announced(&idle, 41));
    sj_idle_claim(&idle, 42);
    assert_false(sj_idle_is_announced(&idle, 42));
}

static void a_set_is_empty_until_somebody_is_announced(void **state)
{
    struct sj_idle idle = {0};

    (void)state;
    assert_true(sj_idle_is_empty(&idle));
    sj_idle_announce(&idle, 63);
    assert_false(sj_idle_is_empty(&idle));
}

static void a_set_is_full_when_all_are_announced(void **state)
{
    struct sj_idle idle = {0};

    (void)state;
    sj_idle_announce(&idle, 1);
    assert_false(sj_idle_is_full(&idle, 2));
    sj_idle_announce(&idle, 0);
    assert_true(sj_idle_is_full(&idle, 2));
    sj_idle_claim(&idle, 1);
    assert_false(sj_idle_is_full(&idle, 2));
}

static void claim_any_takes_the_lowest_but_not_oneself(void **state)
{
    struct sj_idle idle = {0};

    (void)state;
    sj_idle_announce(&idle, 5);
    sj_idle_announce(&idle, 31);
    sj_idle_announce(&idle, 63);
    assert_int_equal(sj_idle_claim_any(&idle, 5), 31);
    assert_int_equal(sj_idle_claim_any(&idle, 5), 63);
    assert_int_equal(sj_idle_claim_any(&idle, 5), -1);
    assert_int_equal(sj_idle_claim_any(&idle, SJ_IDLE_MAX), 5);
}

#define N_ROUNDS 20000

/* One word of work, one sleeper: the protocol of core/idle.h, word for word. */
struct pair {
    struct sj_idle idle;
    uint64_t work;
    sem_t wake;
};

static void *sleeper(void *argument)
{
    struct pair *pair = argument;
    uint64_t n_done = 0;

    while (n_done < N_ROUNDS) {
        uint64_t work = ck_pr_fas_64(&pair->work, 0);

        n_done += work;
        if (work > 0 || n_done == N_ROUNDS)
            continue;
        sj_idle_announce(&pair->idle, 0);
        if (ck_pr_load_64(&pair->work) == 0)
            sem_wait(&pair->wake);
        sj_idle_retract(&pair->idle, 0);
    }
    return NULL;
}

static void no_wake_up_is_lost(void **state)
{
    static struct pair pair;
    pthread_t thread;

    (void)state;
    sem_init(&pair.wake, 0, 0);
    assert_int_equal(pthread_create(&thread, NULL, sleeper, &pair), 0);
    for (unsigned i = 0; i < N_ROUNDS; i++) {
        ck_pr_faa_64(&pair.work, 1); /* a full fence */
        if (sj_idle_claim(&pair.idle, 0))
            sem_post(&pair.wake);
    }
    assert_int_equal(pthread_join(thread, NULL), 0); /* a lost one would hang here */
    sem_destroy(&pair.wake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_is_claimed_once),
        cmocka_unit_test(who_is_not_parked_cannot_be_claimed),
        cmocka_unit_test(retract_tells_whether_somebody_has_claimed),
        cmocka_unit_test(an_announcement_is_seen_until_somebody_claims),
        cmocka_unit_test(a_set_is_empty_until_somebody_is_announced),
        cmocka_unit_test(a_set_is_full_when_all_are_announced),
        cmocka_unit_test(claim_any_takes_the_lowest_but_not_oneself),
        cmocka_unit_test(no_wake_up_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
