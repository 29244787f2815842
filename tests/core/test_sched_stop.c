/* SPDX-License-Identifier: MIT */
/* sj_sched_stop: what was accepted is done, and nothing new is accepted. */
#include "core/sched.h"

#include <sched.h>
#include <semaphore.h>
#include <stdbool.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "core/loop.h"
#include "core/pr.h"

static struct sj_sched_config config_of(unsigned n_loops, unsigned n_workers)
{
    return (struct sj_sched_config){.n_loops = n_loops,
                                    .n_workers = n_workers,
                                    .quick_length = 16,
                                    .heavy_length = 16,
                                    .worker_nice = 3};
}

static struct sj_sched *sched;

static struct sj_sched *new_sched(unsigned n_loops, unsigned n_workers)
{
    struct sj_sched_config config = config_of(n_loops, n_workers);

    assert_int_equal(sj_sched_new(&config, &sched), 0);
    return sched;
}

static void start_sched(unsigned n_loops, unsigned n_workers)
{
    assert_int_equal(sj_sched_start(new_sched(n_loops, n_workers)), 0);
}

static void end_sched(void)
{
    sj_sched_stop(sched);
    sj_sched_free(sched);
}

#define N_RESULTS 16

struct result {
    struct sj_task task;
    struct sj_message message;
    unsigned *n_delivered; /* loop 0's thread only */
};

static void deliver_result(struct sj_message *message)
{
    struct result *result = (struct result *)((char *)message - offsetof(struct result, message));

    ++*result->n_delivered;
}

static void post_result(struct sj_task *task)
{
    struct result *result = (struct result *)task;

    result->message.deliver = deliver_result;
    sj_loop_post(sj_sched_loop(sched, 0), &result->message);
}

static void stop_runs_every_task_and_delivers_every_result(void **state)
{
    struct result results[N_RESULTS];
    unsigned n_delivered = 0;

    (void)state;
    start_sched(2, 2);
    for (unsigned i = 0; i < N_RESULTS; i++) {
        results[i] = (struct result){.task.run = post_result, .n_delivered = &n_delivered};
        assert_int_equal(sj_sched_submit(sched, &results[i].task), 0);
    }
    end_sched();
    assert_int_equal(n_delivered, N_RESULTS);
}

/* A message that goes round between the loops so many times. */
struct traveller {
    struct sj_message message;
    unsigned n_left;
};

static void travel_on(struct sj_message *message)
{
    struct traveller *traveller = (struct traveller *)message;
    unsigned next = (sj_loop_index(sj_loop_self()) + 1) % sj_sched_loops(sched);

    if (--traveller->n_left > 0)
        sj_loop_post(sj_sched_loop(sched, next), message);
}

static void stop_waits_for_messages_between_loops(void **state)
{
    struct traveller traveller = {.message.deliver = travel_on, .n_left = 1000};

    (void)state;
    start_sched(3, 1);
    sj_loop_post(sj_sched_loop(sched, 0), &traveller.message);
    end_sched();
    assert_int_equal(traveller.n_left, 0);
}

/* On a worker: asks the loop for as long as it takes tasks, which ends only by stop. */
struct asker {
    struct sj_task task;
    struct sj_message message;
    struct sj_task quick, heavy;
    sem_t started, answered;
    bool is_quick_taken, is_heavy_taken;
};

static void do_nothing(struct sj_task *task)
{
    (void)task;
}

static void try_both(struct sj_message *message)
{
    struct asker *asker = (struct asker *)((char *)message - offsetof(struct asker, message));

    asker->quick.run = asker->heavy.run = do_nothing;
    asker->is_quick_taken = sj_loop_push(sj_loop_self(), &asker->quick);
    asker->is_heavy_taken = !asker->is_quick_taken && sj_sched_submit(sched, &asker->heavy) == 0;
    sem_post(&asker->answered);
}

static void ask_until_refused(struct sj_task *task)
{
    struct asker *asker = (struct asker *)task;

    sem_post(&asker->started);
    do {
        uint64_t n_before = ck_pr_load_64(&sj_sched_counters(sched, 0)->tasks);

        sj_loop_post(sj_sched_loop(sched, 0), &asker->message);
        sem_wait(&asker->answered);
        while (asker->is_quick_taken &&
               ck_pr_load_64(&sj_sched_counters(sched, 0)->tasks) == n_before)
            sched_yield(); /* the task is used again */
    } while (asker->is_quick_taken);
}

static void while_stopping_a_loop_accepts_nothing_new(void **state)
{
    struct asker asker = {.task.run = ask_until_refused, .message.deliver = try_both};

    (void)state;
    sem_init(&asker.started, 0, 0);
    sem_init(&asker.answered, 0, 0);
    start_sched(1, 1);
    assert_int_equal(sj_sched_submit(sched, &asker.task), 0);
    sem_wait(&asker.started);
    end_sched();
    assert_false(asker.is_heavy_taken);
    sem_destroy(&asker.started);
    sem_destroy(&asker.answered);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stop_runs_every_task_and_delivers_every_result),
        cmocka_unit_test(stop_waits_for_messages_between_loops),
        cmocka_unit_test(while_stopping_a_loop_accepts_nothing_new),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
