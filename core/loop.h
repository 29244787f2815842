/* SPDX-License-Identifier: MIT */
#ifndef SJ_CORE_LOOP_H
#define SJ_CORE_LOOP_H
/*
 * A loop: a thread, its libevent base (EVENT_BASE_FLAG_NOLOCK), its quick deque, its mailbox.
 *
 * One turn: the event base polls and its callbacks gather or push; the mailbox is drained; what was
 * gathered becomes tasks (set_hooks); the quick tasks run, oldest first, at most a batch of them.
 * From the mailbox on this is done again while something is gathered, for a millisecond at most.
 * When no task is left one steal is tried from each other loop.  Only then does it park, in epoll,
 * or yield before that (core/yield.h).  Callbacks never run a task, so a poll is never nested in a
 * response.
 *
 * All calls by the loop's own thread, unless they say "any thread".
 */
#include <stdbool.h>
#include <stdint.h>
#include <event2/event.h>
#include "core/counters.h"
#include "core/mailbox.h"
#include "core/task.h"

struct sj_loop;

/* True: the task will run once, on this loop or on one that steals it.  False: the deque is
 * full, or the scheduler is stopping; nothing changed. */
bool sj_loop_push(struct sj_loop *loop, struct sj_task *task);

/* Any thread.  Delivered on the loop's own thread; wakes it when it is parked. */
void sj_loop_post(struct sj_loop *loop, struct sj_message *message);

/* Any thread: constant after new. */
struct event_base *sj_loop_base(const struct sj_loop *loop);
unsigned sj_loop_index(const struct sj_loop *loop);

/* Monotonic time, read once a turn (by the first call in it), after each task and each hook. */
uint64_t sj_loop_now_ns(struct sj_loop *loop);

/* Whatever the layer above keeps for each loop.  Set before start. */
void sj_loop_set_context(struct sj_loop *loop, void *context);
void *sj_loop_context(const struct sj_loop *loop);

/* For who gathers work over a turn (http/batch.h).  `before` runs behind the callbacks and messages
 * of a turn, and says whether it had anything to do; if so it is called again, in this turn or the
 * next, behind the tasks that it may have pushed and what messages have come.  `after` runs behind
 * each `every` tasks, and behind the last; it may push, too.  Both get the context.  Before start.
 */
void sj_loop_set_hooks(struct sj_loop *loop, bool (*before)(void *context),
                       void (*after)(void *context), unsigned every);

/* The loop that the calling thread runs; NULL on any other thread. */
struct sj_loop *sj_loop_self(void);

#endif
