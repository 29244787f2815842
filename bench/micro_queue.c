/* SPDX-License-Identifier: MIT */
/* Deque and mailbox, beside ck_ring as a baseline. */
#include "bench/micro.h"
#include <pthread.h>
#include <stdlib.h>
#include <ck_ring.h>
#include "core/clock.h"
#include "core/deque.h"
#include "core/mailbox.h"
#include "core/task.h"

enum { CAPACITY = 1024, BATCH = 64 };

/* One of the structures under test, filled by one thread and emptied by another. */
struct channel {
    struct sj_deque *deque;
    ck_ring_t ring;
    ck_ring_buffer_t *buffer;
    struct sj_mailbox mailbox;
    uint64_t taken; /* by the consumer; read by the producer of messages */
    uint64_t n;
};

struct counted_message {
    struct sj_message message;
    struct channel *channel;
};

static void channel_init(struct channel *channel, uint64_t n)
{
    *channel = (struct channel){.n = n, .deque = sj_deque_new(CAPACITY)};
    channel->buffer = calloc(CAPACITY, sizeof *channel->buffer);
    micro_must(channel->deque != NULL && channel->buffer != NULL, "memory");
    ck_ring_init(&channel->ring, CAPACITY);
    sj_mailbox_init(&channel->mailbox);
}

static void channel_fini(struct channel *channel)
{
    sj_deque_free(channel->deque);
    free(channel->buffer);
}

static uint64_t deque_push_pop(struct micro *micro, uint64_t n)
{
    struct channel c;
    struct sj_task task;
    (void)micro;

    channel_init(&c, n);
    uint64_t began = sj_clock_ns();
    for (uint64_t i = 0; i < n; i++) {
        sj_deque_push(c.deque, &task);
        micro_must(sj_deque_pop(c.deque) == &task, "pop");
    }
    uint64_t took = sj_clock_ns() - began;
    channel_fini(&c);
    return took;
}

static uint64_t deque_push_take(struct micro *micro, uint64_t n)
{
    struct channel c;
    struct sj_task task, *taken;
    (void)micro;

    channel_init(&c, n);
    uint64_t began = sj_clock_ns();
    for (uint64_t i = 0; i < n; i++) {
        sj_deque_push(c.deque, &task);
        micro_must(sj_deque_steal(c.deque, &taken) == SJ_STEAL_OK, "steal");
    }
    uint64_t took = sj_clock_ns() - began;
    channel_fini(&c);
    return took;
}

static uint64_t ring_push_take(struct micro *micro, uint64_t n)
{
    struct channel c;
    struct sj_task task;
    void *taken;
    (void)micro;

    channel_init(&c, n);
    uint64_t began = sj_clock_ns();
    for (uint64_t i = 0; i < n; i++) {
        ck_ring_enqueue_spmc(&c.ring, c.buffer, &task);
        micro_must(ck_ring_dequeue_spmc(&c.ring, c.buffer, &taken), "dequeue");
    }
    uint64_t took = sj_clock_ns() - began;
    channel_fini(&c);
    return took;
}

static void *steal_all(void *argument)
{
    struct channel *c = argument;
    struct sj_task *task;

    for (uint64_t taken = 0; taken < c->n;) {
        if (sj_deque_steal(c->deque, &task) == SJ_STEAL_OK)
            taken++;
        else
            ck_pr_stall();
    }
    return NULL;
}

static void *dequeue_all(void *argument)
{
    struct channel *c = argument;
    void *task;

    for (uint64_t taken = 0; taken < c->n;) {
        if (ck_ring_dequeue_spmc(&c->ring, c->buffer, &task))
            taken++;
        else
            ck_pr_stall();
    }
    return NULL;
}

static void *drain_all(void *argument)
{
    struct channel *c = argument;

    while (c->taken < c->n) {
        if (sj_mailbox_drain(&c->mailbox) == 0)
            ck_pr_stall();
    }
    return NULL;
}

static uint64_t deque_across(struct micro *micro, uint64_t n)
{
    struct channel c;
    struct sj_task task;
    pthread_t thief;
    (void)micro;

    channel_init(&c, n);
    micro_must(pthread_create(&thief, NULL, steal_all, &c) == 0, "thread");
    uint64_t began = sj_clock_ns();
    for (uint64_t i = 0; i < n;) {
        if (sj_deque_push(c.deque, &task))
            i++;
        else
            ck_pr_stall();
    }
    pthread_join(thief, NULL);
    uint64_t took = sj_clock_ns() - began;
    channel_fini(&c);
    return took;
}

static uint64_t ring_across(struct micro *micro, uint64_t n)
{
    struct channel c;
    struct sj_task task;
    pthread_t taker;
    (void)micro;

    channel_init(&c, n);
    micro_must(pthread_create(&taker, NULL, dequeue_all, &c) == 0, "thread");
    uint64_t began = sj_clock_ns();
    for (uint64_t i = 0; i < n;) {
        if (ck_ring_enqueue_spmc(&c.ring, c.buffer, &task))
            i++;
        else
            ck_pr_stall();
    }
    pthread_join(taker, NULL);
    uint64_t took = sj_clock_ns() - began;
    channel_fini(&c);
    return took;
}

/* Pairs with the load in mailbox_across, which may use a delivered message again. */
static void count_delivered(struct sj_message *message)
{
    struct channel *c = ((struct counted_message *)message)->channel;
    ck_pr_fence_release();
    ck_pr_store_64(&c->taken, c->taken + 1);
}

static struct counted_message *make_messages(struct channel *channel)
{
    struct counted_message *messages = calloc(CAPACITY, sizeof *messages);
    micro_must(messages != NULL, "memory");
    for (size_t i = 0; i < CAPACITY; i++)
        messages[i] = (struct counted_message){{.deliver = count_delivered}, channel};
    return messages;
}

static uint64_t mailbox_post_drain(struct micro *micro, uint64_t n)
{
    struct channel c;
    (void)micro;

    channel_init(&c, n);
    struct counted_message *messages = make_messages(&c);
    uint64_t began = sj_clock_ns();
    for (uint64_t i = 0; i < n; i += BATCH) {
        for (size_t j = 0; j < BATCH; j++)
            sj_mailbox_post(&c.mailbox, &messages[j].message);
        sj_mailbox_drain(&c.mailbox);
    }
    uint64_t took = sj_clock_ns() - began;
    free(messages);
    channel_fini(&c);
    return took;
}

static uint64_t mailbox_across(struct micro *micro, uint64_t n)
{
    struct channel c;
    pthread_t reader;
    (void)micro;

    channel_init(&c, n);
    struct counted_message *messages = make_messages(&c);
    micro_must(pthread_create(&reader, NULL, drain_all, &c) == 0, "thread");
    uint64_t began = sj_clock_ns();
    for (uint64_t i = 0; i < n; i++) {
        while (i - ck_pr_load_64(&c.taken) >= CAPACITY)
            ck_pr_stall();
        ck_pr_fence_acquire();
        sj_mailbox_post(&c.mailbox, &messages[i % CAPACITY].message);
    }
    pthread_join(reader, NULL);
    uint64_t took = sj_clock_ns() - began;
    free(messages);
    channel_fini(&c);
    return took;
}

const struct micro_row micro_queue_rows[] = {
    {"deque: push, then the owner's pop", 2000000, deque_push_pop},
    {"deque: push, then the owner's take of the oldest", 2000000, deque_push_take},
    {"ck_ring spmc: enqueue, then dequeue", 2000000, ring_push_take},
    {"deque: push, stolen by another thread", 1000000, deque_across},
    {"ck_ring spmc: enqueue, dequeued by another thread", 1000000, ring_across},
    {"mailbox: post, then drain, 64 at a time", 2000000, mailbox_post_drain},
    {"mailbox: post, drained by another thread", 1000000, mailbox_across},
    {NULL, 0, NULL},
};
