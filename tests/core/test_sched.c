/* SPDX-License-Identifier: MIT */
#include "core/sched.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "core/blocking.h"
#include "core/clock.h"
#include "core/loop.h"
#include "core/pr.h"

static struct sj_sched_config config_of(unsigned n_loops, unsigned n_workers)
{
    return (struct sj_sched_config){.n_loops = n_loops,
                                    .n_workers = n_workers,
                                    .n_spares = 1,
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

/* --- which thread runs what */

struct probe {
    struct sj_task task;
    struct sj_message message;
    sem_t done;
    char name[16];
    int nice_value;
    bool is_blocking_signals;
    struct sj_loop *loop;
};

static void look_around(struct probe *probe)
{
    sigset_t blocked;

    pthread_getname_np(pthread_self(), probe->name, sizeof(probe->name));
    probe->nice_value = getpriority(PRIO_PROCESS, (id_t)gettid());
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    probe->is_blocking_signals = sigismember(&blocked, SIGTERM) && sigismember(&blocked, SIGHUP);
    probe->loop = sj_loop_self();
    sem_post(&probe->done);
}

static void run_probe(struct sj_task *task)
{
    look_around((struct probe *)task);
}

static void deliver_probe(struct sj_message *message)
{
    look_around((struct probe *)((char *)message - offsetof(struct probe, message)));
}

static void a_heavy_task_runs_on_a_worker_at_low_priority(void **state)
{
    struct probe probe = {.task.run = run_probe};
    int nice_value = getpriority(PRIO_PROCESS, 0) + 3;

    (void)state;
    sem_init(&probe.done, 0, 0);
    start_sched(1, 1);
    assert_int_equal(sj_sched_nice_error(sched), 0);
    assert_int_equal(sj_sched_submit(sched, &probe.task), 0);
    sem_wait(&probe.done);
    assert_string_equal(probe.name, "sj-worker-0");
    assert_int_equal(probe.nice_value, nice_value < 19 ? nice_value : 19);
    assert_true(probe.is_blocking_signals);
    assert_null(probe.loop);
    end_sched();
    sem_destroy(&probe.done);
}

static void a_message_is_delivered_on_its_own_loop(void **state)
{
    struct probe probe = {.message.deliver = deliver_probe};

    (void)state;
    sem_init(&probe.done, 0, 0);
    start_sched(2, 1);
    sj_loop_post(sj_sched_loop(sched, 1), &probe.message);
    sem_wait(&probe.done);
    assert_string_equal(probe.name, "sj-loop-1");
    assert_int_equal(probe.nice_value, getpriority(PRIO_PROCESS, 0));
    assert_true(probe.is_blocking_signals);
    assert_ptr_equal(probe.loop, sj_sched_loop(sched, 1));
    end_sched();
    sem_destroy(&probe.done);
}

/* --- queues */

struct log {
    unsigned n;
    unsigned order[64];
};

struct entry {
    struct sj_task task;
    struct log *log;
    unsigned number;
};

static void run_entry(struct sj_task *task)
{
    struct entry *entry = (struct entry *)task;

    entry->log->order[entry->log->n++] = entry->number;
}

static void a_full_heavy_queue_refuses_and_every_accepted_task_runs(void **state)
{
    struct entry entries[17];
    struct log log = {0};

    (void)state;
    new_sched(1, 1);
    for (unsigned i = 0; i < 17; i++) {
        entries[i] = (struct entry){.task.run = run_entry, .log = &log, .number = i};
        assert_int_equal(sj_sched_submit(sched, &entries[i].task), i < 16 ? 0 : -EAGAIN);
    }
    assert_int_equal(sj_sched_start(sched), 0);
    end_sched();
    assert_int_equal(log.n, 16);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(log.order[i], i);
}

struct push {
    struct sj_message message;
    struct entry entries[20];
    struct log log;
    unsigned n_accepted;
};

static void deliver_push(struct sj_message *message)
{
    struct push *push = (struct push *)message;

    for (unsigned i = 0; i < 20; i++) {
        push->entries[i] = (struct entry){.task.run = run_entry, .log = &push->log, .number = i};
        push->n_accepted += sj_loop_push(sj_loop_self(), &push->entries[i].task);
    }
}

static void quick_tasks_run_oldest_first_and_a_full_deque_refuses(void **state)
{
    struct push push = {.message.deliver = deliver_push};

    (void)state;
    new_sched(1, 1);
    sj_loop_post(sj_sched_loop(sched, 0), &push.message);
    assert_int_equal(sj_sched_start(sched), 0);
    while (ck_pr_load_64(&sj_sched_counters(sched, 0)->tasks) < 16)
        sched_yield();
    sj_sched_stop(sched);
    assert_int_equal(push.n_accepted, 16);
    assert_int_equal(push.log.n, 16);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(push.log.order[i], i);
    assert_int_equal(sj_sched_counters(sched, 0)->rejected, 4);
    sj_sched_free(sched);
}

/* --- stealing and waking */

struct rendezvous {
    struct sj_message message;
    struct sj_task waits, comes;
    sem_t other, done;
    struct sj_loop *waiter, *comer;
};

static void run_waits(struct sj_task *task)
{
    struct rendezvous *both =
        (struct rendezvous *)((char *)task - offsetof(struct rendezvous, waits));

    both->waiter = sj_loop_self();
    sem_wait(&both->other); /* hangs unless another loop runs the task behind this one */
    sem_post(&both->done);
}

static void run_comes(struct sj_task *task)
{
    struct rendezvous *both =
        (struct rendezvous *)((char *)task - offsetof(struct rendezvous, comes));

    both->comer = sj_loop_self();
    sem_post(&both->other);
}

static void push_both(struct sj_message *message)
{
    struct rendezvous *both = (struct rendezvous *)message;

    if (!sj_loop_push(sj_loop_self(), &both->waits) || !sj_loop_push(sj_loop_self(), &both->comes))
        abort();
}

static void a_parked_loop_is_woken_and_steals_what_waits_behind_a_task(void **state)
{
    struct rendezvous both = {
        .message.deliver = push_both, .waits.run = run_waits, .comes.run = run_comes};

    (void)state;
    sem_init(&both.other, 0, 0);
    sem_init(&both.done, 0, 0);
    start_sched(2, 1);
    sj_loop_post(sj_sched_loop(sched, 0), &both.message);
    sem_wait(&both.done);
    assert_ptr_not_equal(both.waiter, both.comer);
    sj_sched_stop(sched);
    assert_true(sj_sched_counters(sched, 0)->steals_ok + sj_sched_counters(sched, 1)->steals_ok >
                0);
    sj_sched_free(sched);
    sem_destroy(&both.other);
    sem_destroy(&both.done);
}

/* --- hooks */

struct turn {
    struct sj_message message, later;
    struct sj_task tasks[4];
    char order[16];
    unsigned n;
    uint64_t polls[2]; /* before each time that there was something */
    sem_t done;
};

static void note_in(struct turn *turn, char what)
{
    if (turn->n < sizeof(turn->order) - 1)
        turn->order[turn->n++] = what;
}

static bool on_before(void *context)
{
    struct turn *turn = context;
    unsigned again = turn->n == 8; /* behind the tasks, and a message */

    if (turn->n != 1 && !again) /* only of the turn that has the message */
        return false;
    note_in(turn, 'b');
    turn->polls[again] = sj_sched_counters(sched, 0)->polls;
    sj_loop_push(sj_loop_self(), &turn->tasks[2 + again]);
    return true;
}

static void on_after(void *context)
{
    struct turn *turn = context;

    note_in(turn, 'a');
    if (turn->n == 11)
        sem_post(&turn->done);
}

static void deliver_later(struct sj_message *message)
{
    (void)message;
    note_in(sj_loop_context(sj_loop_self()), 'l');
}

static void run_in_turn(struct sj_task *task)
{
    struct turn *turn = sj_loop_context(sj_loop_self());

    note_in(turn, (char)('0' + (task - turn->tasks)));
    if (task == &turn->tasks[2])
        sj_loop_post(sj_loop_self(), &turn->later);
}

static void push_in_turn(struct sj_message *message)
{
    struct turn *turn = (struct turn *)(void *)message;

    note_in(turn, 'm');
    for (unsigned i = 0; i < 2; i++)
        sj_loop_push(sj_loop_self(), &turn->tasks[i]);
}

static void hooks_run_around_the_tasks(void **state)
{
    struct turn turn = {.message.deliver = push_in_turn, .later.deliver = deliver_later};
    struct sj_loop *loop;

    (void)state;
    sem_init(&turn.done, 0, 0);
    for (unsigned i = 0; i < 4; i++)
        turn.tasks[i].run = run_in_turn;
    loop = sj_sched_loop(new_sched(1, 1), 0);
    sj_loop_set_context(loop, &turn);
    sj_loop_set_hooks(loop, on_before, on_after, 2);
    assert_int_equal(sj_sched_start(sched), 0);
    sj_loop_post(loop, &turn.message);
    sem_wait(&turn.done);
    end_sched();
    sem_destroy(&turn.done);
    assert_string_equal(turn.order, "mb01a2alb3a");
    assert_int_equal(turn.polls[0], turn.polls[1]);
}

static void nothing(void *context)
{
    (void)context;
}

#define PORTIONS 3

struct gathered {
    struct sj_message message;
    struct sj_task tasks[PORTIONS];
    unsigned n_out;
    bool is_there;
    uint64_t n_run[PORTIONS]; /* by the loop, before each portion */
    sem_t done;
};

static bool hand_out(void *context)
{
    struct gathered *gathered = context;

    if (!gathered->is_there || gathered->n_out == PORTIONS)
        return false;
    gathered->n_run[gathered->n_out] = sj_sched_counters(sched, 0)->tasks;
    sj_loop_push(sj_loop_self(), &gathered->tasks[gathered->n_out++]);
    return true;
}

static void gather(struct sj_message *message)
{
    ((struct gathered *)(void *)message)->is_there = true;
}

static void run_gathered(struct sj_task *task)
{
    (void)task;
    sem_post(&((struct gathered *)sj_loop_context(sj_sched_loop(sched, 0)))->done);
}

static void while_another_loop_sleeps_all_is_handed_out_at_once(void **state)
{
    struct gathered gathered = {.message.deliver = gather};
    struct sj_loop *loop;

    (void)state;
    sem_init(&gathered.done, 0, 0);
    for (unsigned i = 0; i < PORTIONS; i++)
        gathered.tasks[i].run = run_gathered;
    loop = sj_sched_loop(new_sched(2, 1), 0);
    sj_loop_set_context(loop, &gathered);
    sj_loop_set_hooks(loop, hand_out, nothing, 1);
    assert_int_equal(sj_sched_start(sched), 0);
    while (ck_pr_load_64(&sj_sched_counters(sched, 1)->parks) == 0)
        sched_yield();
    sj_loop_post(loop, &gathered.message);
    for (unsigned i = 0; i < PORTIONS; i++)
        sem_wait(&gathered.done);
    end_sched();
    sem_destroy(&gathered.done);
    for (unsigned i = 1; i < PORTIONS; i++)
        assert_int_equal(gathered.n_run[i], gathered.n_run[0]);
}

/* --- a turn ends */

struct flood {
    sem_t done;
    bool is_over;
    struct event *event;
    int fd;
};

static bool on_flood(void *context)
{
    return !((struct flood *)context)->is_over;
}

static void on_ebb(evutil_socket_t fd, short what, void *context)
{
    struct flood *flood = context;

    (void)fd;
    (void)what;
    flood->is_over = true;
    event_del(flood->event);
    sem_post(&flood->done);
}

/* Hangs unless the loop polls. */
static void a_turn_ends_however_much_is_gathered(void **state)
{
    struct flood flood = {.fd = eventfd(0, EFD_NONBLOCK)};
    struct sj_loop *loop;

    (void)state;
    sem_init(&flood.done, 0, 0);
    loop = sj_sched_loop(new_sched(1, 1), 0);
    flood.event = event_new(sj_loop_base(loop), flood.fd, EV_READ | EV_PERSIST, on_ebb, &flood);
    assert_int_equal(event_add(flood.event, NULL), 0);
    sj_loop_set_context(loop, &flood);
    sj_loop_set_hooks(loop, on_flood, nothing, 1);
    assert_int_equal(sj_sched_start(sched), 0);
    eventfd_write(flood.fd, 1);
    sem_wait(&flood.done);
    sj_sched_stop(sched);
    event_free(flood.event);
    sj_sched_free(sched);
    close(flood.fd);
    sem_destroy(&flood.done);
}

struct lone {
    struct sj_message message;
    struct sj_task task;
    sem_t done;
};

static void run_lone(struct sj_task *task)
{
    sem_post(&((struct lone *)((char *)task - offsetof(struct lone, task)))->done);
}

static void push_lone(struct sj_message *message)
{
    if (!sj_loop_push(sj_loop_self(), &((struct lone *)message)->task))
        abort();
}

static void one_quick_task_wakes_nobody(void **state)
{
    struct lone lone = {.message.deliver = push_lone, .task.run = run_lone};

    (void)state;
    sem_init(&lone.done, 0, 0);
    start_sched(2, 1);
    for (unsigned i = 0; i < 50; i++) {
        sj_loop_post(sj_sched_loop(sched, 0), &lone.message);
        sem_wait(&lone.done);
    }
    sj_sched_stop(sched);
    assert_int_equal(sj_sched_counters(sched, 0)->wakeups_sent, 0);
    assert_int_equal(sj_sched_counters(sched, 1)->wakeups_sent, 0);
    sj_sched_free(sched);
    sem_destroy(&lone.done);
}

/* --- yielding */

struct hog {
    struct sj_task task;
    sem_t runs, may_end;
    bool blocks;
    uint64_t parks; /* of the place, before */
};

static void run_hog(struct sj_task *task)
{
    struct hog *hog = (struct hog *)task;

    hog->parks = ck_pr_load_64(&sj_sched_counters(sched, 1)->parks);
    if (hog->blocks)
        sj_blocking_enter();
    sem_post(&hog->runs);
    sem_wait(&hog->may_end);
}

struct asked {
    struct sj_message message;
    uint64_t n_yields;
    sem_t done;
};

static void deliver_asked(struct sj_message *message)
{
    struct asked *asked = (struct asked *)message;

    asked->n_yields = sj_sched_counters(sched, 0)->yields;
    sem_post(&asked->done);
}

/* How often loop 0 has, when it is dry again after some tasks. */
static uint64_t yields_after_tasks(void)
{
    struct push push = {.message.deliver = deliver_push};
    struct asked asked = {.message.deliver = deliver_asked};
    const struct sj_counters *counters = sj_sched_counters(sched, 0);
    uint64_t before = ck_pr_load_64(&counters->tasks);

    sem_init(&asked.done, 0, 0);
    sj_loop_post(sj_sched_loop(sched, 0), &push.message);
    while (ck_pr_load_64(&counters->tasks) < before + 16)
        sched_yield();
    sj_loop_post(sj_sched_loop(sched, 0), &asked.message); /* delivered in a turn after that */
    sem_wait(&asked.done);
    sem_destroy(&asked.done);
    return asked.n_yields;
}

/* In a section, too, when a spare sleeps on the place. */
static void test_yields(bool blocks)
{
    struct hog hog = {.task.run = run_hog, .blocks = blocks};

    sem_init(&hog.runs, 0, 0);
    sem_init(&hog.may_end, 0, 0);
    start_sched(1, 1);
    assert_int_equal(sj_sched_submit(sched, &hog.task), 0);
    sem_wait(&hog.runs);
    while (blocks && ck_pr_load_64(&sj_sched_counters(sched, 1)->parks) == hog.parks)
        sched_yield();
    assert_int_equal(yields_after_tasks(), 0);
    sem_post(&hog.may_end);
    while (yields_after_tasks() == 0) /* hangs if it never does */
        ;
    end_sched();
    sem_destroy(&hog.runs);
    sem_destroy(&hog.may_end);
}

static void a_dry_loop_yields_but_not_beside_a_worker_that_runs(void **state)
{
    (void)state;
    test_yields(false);
}

static void a_dry_loop_does_not_yield_beside_a_blocking_section(void **state)
{
    (void)state;
    test_yields(true);
}

/* --- time */

struct pulse {
    int fd;
    uint64_t sent_ns;
    sem_t done;
    bool is_fresh;
    struct event *event;
};

static void on_pulse(evutil_socket_t fd, short what, void *context)
{
    struct pulse *pulse = context;
    eventfd_t value;

    (void)what;
    eventfd_read(fd, &value);
    pulse->is_fresh = sj_loop_now_ns(sj_loop_self()) >= pulse->sent_ns;
    sem_post(&pulse->done);
}

static void a_callback_after_a_long_sleep_is_told_the_time_of_now(void **state)
{
    struct pulse pulse = {.fd = eventfd(0, EFD_NONBLOCK)};

    (void)state;
    sem_init(&pulse.done, 0, 0);
    new_sched(1, 1);
    pulse.event = event_new(sj_loop_base(sj_sched_loop(sched, 0)), pulse.fd, EV_READ | EV_PERSIST,
                            on_pulse, &pulse);
    assert_int_equal(event_add(pulse.event, NULL), 0);
    assert_int_equal(sj_sched_start(sched), 0);
    for (unsigned i = 0; i < 20; i++) {
        pulse.sent_ns = sj_clock_ns();
        eventfd_write(pulse.fd, 1);
        sem_wait(&pulse.done);
        assert_true(pulse.is_fresh);
    }
    sj_sched_stop(sched);
    event_free(pulse.event);
    sj_sched_free(sched);
    close(pulse.fd);
    sem_destroy(&pulse.done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_heavy_task_runs_on_a_worker_at_low_priority),
        cmocka_unit_test(a_message_is_delivered_on_its_own_loop),
        cmocka_unit_test(a_full_heavy_queue_refuses_and_every_accepted_task_runs),
        cmocka_unit_test(quick_tasks_run_oldest_first_and_a_full_deque_refuses),
        cmocka_unit_test(a_parked_loop_is_woken_and_steals_what_waits_behind_a_task),
        cmocka_unit_test(hooks_run_around_the_tasks),
        cmocka_unit_test(while_another_loop_sleeps_all_is_handed_out_at_once),
        cmocka_unit_test(a_turn_ends_however_much_is_gathered),
        cmocka_unit_test(one_quick_task_wakes_nobody),
        cmocka_unit_test(a_dry_loop_yields_but_not_beside_a_worker_that_runs),
        cmocka_unit_test(a_dry_loop_does_not_yield_beside_a_blocking_section),
        cmocka_unit_test(a_callback_after_a_long_sleep_is_told_the_time_of_now),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
