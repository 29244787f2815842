/* SPDX-License-Identifier: MIT */
#include "core/guard.h"

#include <event2/event.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <cmocka.h>
#include "core/blocking.h"
#include "core/pr.h"
#include "core/priority.h"
#include "core/sched.h"

#define MS       1000000
#define WORKER   3 /* its worker_nice */
#define N_HOGS   4
#define PAUSE_MS 400 /* several looks */

#define N_WORKERS  2
#define N_BLOCKING 6 /* tasks */

/* --- pure */

static void less_than_a_tenth_of_a_core_is_short(void **state)
{
    struct sj_guard_look before = {.at_ns = 100 * MS, .cpu_ns = 7 * MS, .parks = 5};
    struct sj_guard_look after = {.at_ns = 150 * MS, .cpu_ns = 12 * MS - 1, .parks = 5};

    (void)state;
    assert_true(sj_guard_is_short(&before, &after));
    after.cpu_ns++;
    assert_false(sj_guard_is_short(&before, &after));
}

static void who_was_parked_in_between_is_not_short(void **state)
{
    struct sj_guard_look look = {.at_ns = 100 * MS, .parks = 5};
    struct sj_guard_look later = {.at_ns = 150 * MS, .parks = 5};
    struct sj_guard_look parked = look, parked_later = later, parked_between = later;

    (void)state;
    parked.is_parked = parked_later.is_parked = true;
    parked_between.parks++;
    assert_true(sj_guard_is_short(&look, &later));
    assert_false(sj_guard_is_short(&parked, &later));
    assert_false(sj_guard_is_short(&look, &parked_later));
    assert_false(sj_guard_is_short(&look, &parked_between));
}

static void only_who_can_run_wants_a_core(void **state)
{
    (void)state;
    assert_true(sj_guard_wants_core("12 (sj-worker-0) R 1 12"));
    assert_false(sj_guard_wants_core("12 (sj-worker-0) S 1 12"));
    assert_false(sj_guard_wants_core("12 (sj-worker-0) D 1 12"));
    assert_false(sj_guard_wants_core("12 (a) R) S 1 12"));
}

static void what_proc_does_not_say_is_taken_for_want(void **state)
{
    static const char *const texts[] = {"", "12 (", "12 (a)", "12 (a) "};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_true(sj_guard_wants_core(texts[i]));
}

/* --- with a worker */

static struct sj_sched *sched;
static struct event_base *base;

static int start_with(unsigned n_workers, unsigned n_spares)
{
    struct sj_sched_config config = {.n_loops = 1,
                                     .n_workers = n_workers,
                                     .quick_length = 16,
                                     .heavy_length = 16,
                                     .n_spares = n_spares,
                                     .worker_nice = WORKER};

    base = event_base_new();
    return base == NULL || sj_sched_new(&config, &sched) != 0 || sj_sched_start(sched) != 0;
}

static int start(void **state)
{
    (void)state;
    return start_with(1, 0);
}

static int end(void **state)
{
    (void)state;
    sj_sched_free(sched);
    event_base_free(base);
    return 0;
}

/* No task has been submitted yet. */
static void skip_unless_allowed(void)
{
    if (sj_priority_try(WORKER) == 0)
        return;
    sj_sched_stop(sched);
    skip();
}

static void start_guard(void)
{
    assert_int_equal(sj_guard_start(sched, base), 0);
}

struct look_around {
    struct sj_task task;
    sem_t begun, goes_on, done;
    pid_t thread;
    int policy;
    struct look_around *other; /* NULL, or who is to have done before */
};

static void init(struct look_around *around, void (*run)(struct sj_task *task))
{
    *around = (struct look_around){.task.run = run};
    sem_init(&around->begun, 0, 0);
    sem_init(&around->goes_on, 0, 0);
    sem_init(&around->done, 0, 0);
}

static void fini(struct look_around *around)
{
    sem_destroy(&around->begun);
    sem_destroy(&around->goes_on);
    sem_destroy(&around->done);
}

static void run_when_told(struct sj_task *task)
{
    struct look_around *around = (struct look_around *)task;

    around->thread = gettid();
    sem_post(&around->begun);
    sem_wait(&around->goes_on);
    around->policy = sched_getscheduler(0);
    sem_post(&around->done);
}

static void workers_yield_once_there_is_a_guard(void **state)
{
    struct look_around around;

    (void)state;
    skip_unless_allowed();
    init(&around, run_when_told);
    assert_int_equal(sj_sched_submit(sched, &around.task), 0);
    sem_wait(&around.begun);
    assert_int_equal(sched_getscheduler(around.thread), SCHED_OTHER);
    start_guard();
    sem_post(&around.goes_on);
    sem_wait(&around.done);
    assert_int_equal(around.policy, SCHED_IDLE);
    sj_sched_stop(sched);
    fini(&around);
}

static bool has_done(struct look_around *around)
{
    int n = 0;

    return around == NULL || (sem_getvalue(&around->done, &n) == 0 && n > 0);
}

static void run_until_entitled(struct sj_task *task)
{
    struct look_around *around = (struct look_around *)task;

    around->policy = sched_getscheduler(0);
    sem_post(&around->begun);
    while (!has_done(around->other) || sched_getscheduler(0) != SCHED_OTHER)
        ; /* for ever, unless somebody sees it starve */
    sem_post(&around->done);
}

static void stopping_entitles(void **state)
{
    struct look_around around;

    (void)state;
    skip_unless_allowed();
    init(&around, run_until_entitled);
    start_guard();
    assert_int_equal(sj_sched_submit(sched, &around.task), 0);
    sem_wait(&around.begun);
    assert_int_equal(around.policy, SCHED_IDLE);
    sj_sched_stop(sched);
    assert_int_equal(sem_trywait(&around.done), 0);
    fini(&around);
}

static unsigned n_added(void)
{
    return (unsigned)event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED);
}

/* The call is always awaited; a look only while there is a heavy task. */
static void nothing_ticks_without_heavy_tasks(void **state)
{
    struct look_around around;

    (void)state;
    skip_unless_allowed();
    init(&around, run_when_told);
    start_guard();
    while (n_added() > 1)
        event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(sj_sched_submit(sched, &around.task), 0);
    event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(n_added(), 2);
    event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(n_added(), 2);
    sem_post(&around.goes_on);
    while (n_added() > 1)
        event_base_loop(base, EVLOOP_ONCE);
    sj_sched_stop(sched);
    fini(&around);
}

/* --- starvation */

struct crowd {
    cpu_set_t before;
    pthread_t hogs[N_HOGS];
    unsigned leaves;
};

static void *hog(void *argument)
{
    struct crowd *crowd = argument;

    while (ck_pr_load_uint(&crowd->leaves) == 0)
        ck_pr_stall();
    return NULL;
}

/* All threads from now on, and this one, on one core. */
static void crowd_begin(struct crowd *crowd)
{
    cpu_set_t one;
    int core = 0;

    assert_int_equal(sched_getaffinity(0, sizeof(crowd->before), &crowd->before), 0);
    while (!CPU_ISSET(core, &crowd->before))
        core++;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    crowd->leaves = 0;
}

static void crowd_fill(struct crowd *crowd)
{
    for (size_t i = 0; i < N_HOGS; i++)
        assert_int_equal(pthread_create(&crowd->hogs[i], NULL, hog, crowd), 0);
}

static void crowd_end(struct crowd *crowd)
{
    ck_pr_store_uint(&crowd->leaves, 1);
    for (size_t i = 0; i < N_HOGS; i++)
        pthread_join(crowd->hogs[i], NULL);
    sched_setaffinity(0, sizeof(crowd->before), &crowd->before);
}

static void run_blocking_until_entitled(struct sj_task *task)
{
    sj_blocking_enter();
    run_until_entitled(task);
}

/* The first starves until the second one has been entitled, too. */
static void all_are_entitled(void (*const runs[])(struct sj_task *), unsigned n_tasks)
{
    struct look_around around[2];
    struct crowd crowd;

    crowd_begin(&crowd);
    assert_int_equal(start_with(1, 1), 0);
    if (sj_priority_try(WORKER) != 0)
        sched_setaffinity(0, sizeof(crowd.before), &crowd.before);
    skip_unless_allowed();
    start_guard();
    for (unsigned i = n_tasks; i-- > 0;) {
        init(&around[i], runs[i]);
        around[i].other = i + 1 < n_tasks ? &around[i + 1] : NULL;
        assert_int_equal(sj_sched_submit(sched, &around[i].task), 0);
        sem_wait(&around[i].begun);
    }
    crowd_fill(&crowd);
    while (sem_trywait(&around[0].done) != 0)
        event_base_loop(base, EVLOOP_ONCE);
    crowd_end(&crowd);
    sj_sched_stop(sched);
    for (unsigned i = 0; i < n_tasks; i++)
        fini(&around[i]);
    end(NULL);
}

static void who_starves_is_entitled(void **state)
{
    (void)state;
    all_are_entitled((void (*const[])(struct sj_task *)){run_until_entitled}, 1);
}

/* As encoders compute: another has the place. */
static void who_starves_in_a_blocking_section_is_entitled(void **state)
{
    (void)state;
    all_are_entitled((void (*const[])(struct sj_task *)){run_blocking_until_entitled}, 1);
}

static void so_is_who_is_in_a_blocking_section_meanwhile(void **state)
{
    (void)state;
    all_are_entitled(
        (void (*const[])(struct sj_task *)){run_until_entitled, run_blocking_until_entitled}, 2);
}

/* As /proc says. */
static bool sleeps(pid_t thread)
{
    char path[64], text[64] = "";
    FILE *file;

    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)thread);
    file = fopen(path, "re");
    assert_non_null(file);
    if (fgets(text, sizeof(text), file) == NULL)
        text[0] = '\0';
    fclose(file);
    return strstr(text, ") S ") != NULL;
}

static void who_sleeps_in_its_task_goes_on_yielding(void **state)
{
    struct timeval pause = {.tv_usec = PAUSE_MS * 1000};
    struct look_around around;

    (void)state;
    skip_unless_allowed();
    init(&around, run_when_told);
    assert_int_equal(sj_sched_submit(sched, &around.task), 0);
    sem_wait(&around.begun);
    while (!sleeps(around.thread))
        sched_yield();
    start_guard();
    event_base_loopexit(base, &pause);
    event_base_dispatch(base);
    assert_int_equal(sched_getscheduler(around.thread), SCHED_IDLE);
    sem_post(&around.goes_on);
    sj_sched_stop(sched);
    fini(&around);
}

static void run_blocking(struct sj_task *task)
{
    sj_blocking_enter();
    run_when_told(task);
}

/* As many tasks as there are workers block, or more; with or without spares in their places.
 * Sleeping takes no core, and is no starvation. */
static void while_all_block_they_go_on_yielding(unsigned n_spares)
{
    struct timeval pause = {.tv_usec = PAUSE_MS * 1000};
    struct look_around around[N_BLOCKING];
    unsigned n = n_spares == 0 ? N_WORKERS : N_BLOCKING;

    assert_int_equal(start_with(N_WORKERS, n_spares), 0);
    skip_unless_allowed();
    start_guard();
    for (unsigned i = 0; i < n; i++) {
        init(&around[i], run_blocking);
        assert_int_equal(sj_sched_submit(sched, &around[i].task), 0);
        sem_wait(&around[i].begun);
    }
    for (unsigned i = 0; i < n; i++)
        while (!sleeps(around[i].thread))
            sched_yield();
    event_base_loopexit(base, &pause);
    event_base_dispatch(base);
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(sched_getscheduler(around[i].thread), SCHED_IDLE);
        sem_post(&around[i].goes_on);
    }
    sj_sched_stop(sched);
    for (unsigned i = 0; i < n; i++)
        fini(&around[i]);
}

static void who_blocks_beside_spares_goes_on_yielding(void **state)
{
    (void)state;
    while_all_block_they_go_on_yielding(N_BLOCKING);
}

static void who_blocks_without_spares_goes_on_yielding(void **state)
{
    (void)state;
    while_all_block_they_go_on_yielding(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(less_than_a_tenth_of_a_core_is_short),
        cmocka_unit_test(who_was_parked_in_between_is_not_short),
        cmocka_unit_test(only_who_can_run_wants_a_core),
        cmocka_unit_test(what_proc_does_not_say_is_taken_for_want),
        cmocka_unit_test_setup_teardown(workers_yield_once_there_is_a_guard, start, end),
        cmocka_unit_test_setup_teardown(stopping_entitles, start, end),
        cmocka_unit_test_setup_teardown(nothing_ticks_without_heavy_tasks, start, end),
        cmocka_unit_test_setup_teardown(who_sleeps_in_its_task_goes_on_yielding, start, end),
        cmocka_unit_test_teardown(who_blocks_beside_spares_goes_on_yielding, end),
        cmocka_unit_test_teardown(who_blocks_without_spares_goes_on_yielding, end),
        cmocka_unit_test(who_starves_is_entitled),
        cmocka_unit_test(who_starves_in_a_blocking_section_is_entitled),
        cmocka_unit_test(so_is_who_is_in_a_blocking_section_meanwhile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
