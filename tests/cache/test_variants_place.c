/* SPDX-License-Identifier: MIT */
/* Tasks of others while variants are made, which takes seconds for a large file.
 * Linked with: -Wl,--wrap=sj_encode */
#include "tests/cache/upkept.h"

#include <semaphore.h>
#include <unistd.h>

static struct waiting {
    struct sj_task task; /* first */
    sem_t encodes;       /* an encoder has begun */
    sem_t has_run;
} waiting;

static bool waits; /* for the task, while it encodes */

int __real_sj_encode(const struct sj_encode_request *request, struct sj_reader *reader,
                     const struct sj_sink *sink, enum sj_encode_outcome *outcome);
int __wrap_sj_encode(const struct sj_encode_request *request, struct sj_reader *reader,
                     const struct sj_sink *sink, enum sj_encode_outcome *outcome);
int __wrap_sj_encode(const struct sj_encode_request *request, struct sj_reader *reader,
                     const struct sj_sink *sink, enum sj_encode_outcome *outcome)
{
    if (__atomic_exchange_n(&waits, false, __ATOMIC_RELAXED)) {
        sem_post(&waiting.encodes);
        sem_wait(&waiting.has_run);
    }
    return __real_sj_encode(request, reader, sink, outcome);
}

static void let_encode(struct sj_task *task)
{
    (void)task;
    sem_post(&waiting.has_run);
}

static void start_with_one_worker(struct upkept *upkept)
{
    struct sj_sched_config config = {
        .n_loops = 1, .n_workers = 1, .quick_length = 64, .heavy_length = 64, .n_spares = 2};

    configure(upkept);
    sj_sched_free(upkept->site->sched);
    assert_int_equal(sj_sched_new(&config, &upkept->site->sched), 0);
    site_start(upkept->site);
}

/* Else the encoder and the task would wait for each other. */
static void a_task_runs_while_a_file_is_compressed(void **state)
{
    struct upkept *upkept = *state;
    struct content a = put_words(upkept, "a.txt", 20000, 1);

    waiting.task.run = let_encode;
    sem_init(&waiting.encodes, 0, 0);
    sem_init(&waiting.has_run, 0, 0);
    waits = true;
    start_with_one_worker(upkept);
    while (sem_trywait(&waiting.encodes) != 0)
        turn(upkept);
    assert_int_equal(sj_sched_submit(upkept->site->sched, &waiting.task), 0);
    finish(upkept);
    assert_forms(upkept, "/a.txt", &a);
    free(a.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_task_runs_while_a_file_is_compressed, set_up, tear_down),
    };
    alarm(300);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
