/* SPDX-License-Identifier: MIT */
/* What handlers see of the scheduler: http/handler.h. */
#include "http/call.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/blocking.h"
#include "core/thread.h"
#include "http/calls.h"
#include "http/service.h"

void sj_blocking_begin(void)
{
    sj_blocking_enter();
}

void sj_blocking_end(void)
{
    sj_blocking_leave();
}

/* A handler's own types stand for the scheduler's, so that its header needs no other. */
static_assert(sizeof(struct sj_fork) == sizeof(struct sj_group), "see http/handler.h");
static_assert(sizeof(struct sj_subtask) == sizeof(struct sj_task), "see http/handler.h");
static_assert(offsetof(struct sj_task, run) == 0, "see http/handler.h");
static_assert(sizeof(struct sj_ticket) >= sizeof(struct sj_shard *) + sizeof(struct sj_handle),
              "see http/handler.h");

static struct sj_group *group_of(struct sj_fork *fork)
{
    return (struct sj_group *)(void *)fork;
}

/* Not on a loop, nor in a blocking section. */
static bool has_place(void)
{
    const struct sj_thread *self = sj_self();

    return self != NULL && self->worker != NULL;
}

void sj_fork_begin(struct sj_fork *fork)
{
    *fork = (struct sj_fork){{0}};
    if (has_place())
        sj_group_init(group_of(fork));
}

/* One that has begun without a place has no joiner. */
void sj_fork_spawn(struct sj_fork *fork, struct sj_subtask *subtask)
{
    if (has_place() && group_of(fork)->joiner != NULL)
        sj_spawn(group_of(fork), (struct sj_task *)(void *)subtask);
    else
        subtask->run(subtask);
}

void sj_fork_join(struct sj_fork *fork)
{
    unsigned n_sections = 0;

    if (group_of(fork)->joiner == NULL)
        return;
    if (!has_place()) {
        n_sections = sj_self()->n_blocking;
        sj_blocking_come_back();
    }
    sj_join(group_of(fork));
    while (n_sections-- > 0)
        sj_blocking_enter();
}

struct ticket {
    struct sj_shard *owner;
    struct sj_handle handle;
};

struct sj_ticket sj_call_ticket(const struct sj_call *call)
{
    const struct ticket ticket = {call->owner, call->handle};
    struct sj_ticket result = {{0}};

    memcpy(&result, &ticket, sizeof(ticket));
    return result;
}

struct letter {
    struct sj_message message; /* first */
    struct ticket to;
    void (*run)(struct sj_call *call, void *argument);
    void *argument;
};

static void on_letter(struct sj_message *message)
{
    struct letter *letter = (struct letter *)(void *)message;
    struct sj_connection *connection = sj_calls_find(letter->to.owner, &letter->to.handle);
    struct sj_call *call = connection != NULL ? connection->exchange->call : NULL;

    letter->run(call != NULL && call->is_pending ? call : NULL, letter->argument);
    free(letter);
}

int sj_call_post(struct sj_ticket ticket, void (*run)(struct sj_call *call, void *argument),
                 void *argument)
{
    struct letter *letter = malloc(sizeof(*letter));

    if (letter == NULL)
        return -ENOMEM;
    *letter = (struct letter){.message = {.deliver = on_letter}, .run = run, .argument = argument};
    memcpy(&letter->to, &ticket, sizeof(letter->to));
    sj_loop_post(letter->to.owner->loop, &letter->message);
    return 0;
}
