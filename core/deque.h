/* SPDX-License-Identifier: MIT */
#ifndef SJ_CORE_DEQUE_H
#define SJ_CORE_DEQUE_H
/*
 * Bounded work-stealing deque of task pointers.
 *
 * One owner thread pushes and pops at the bottom (newest first); any thread,
 * the owner too, steals at the top (oldest first).  No call blocks or
 * allocates, except new and free.
 *
 * Algorithm: D. Chase, Y. Lev, "Dynamic circular work-stealing deque",
 * SPAA 2005; orderings after N. M. Le, A. Pop, A. Cohen, F. Zappa Nardelli,
 * "Correct and efficient work-stealing for weak memory models", PPoPP 2013.
 * One difference: the ring never grows, so nothing has to be reclaimed under
 * a running thief.
 */
#include <stdbool.h>
#include <stddef.h>

struct sj_deque;
struct sj_task;

enum sj_steal { SJ_STEAL_OK, SJ_STEAL_EMPTY, SJ_STEAL_LOST };

/* NULL: no memory.  `capacity` is rounded up to a power of two. */
struct sj_deque *sj_deque_new(size_t capacity);

/* No other thread may use `deque` any more.  NULL is allowed. */
void sj_deque_free(struct sj_deque *deque);

/* Owner only.  True: `task` now belongs to whoever pops or steals it.
 * False: full, nothing changed, and `task` is still the caller's. */
bool sj_deque_push(struct sj_deque *deque, struct sj_task *task);

/* The same, and a full fence follows: for an owner that then looks who sleeps (core/idle.h). */
bool sj_deque_push_fenced(struct sj_deque *deque, struct sj_task *task);

/* Owner only.  The newest task, now the caller's; NULL if empty. */
struct sj_task *sj_deque_pop(struct sj_deque *deque);

/* Any thread.  SJ_STEAL_OK: the oldest task is in `*task`, now the caller's.
 * SJ_STEAL_LOST: another thread took it first; try the next victim, do not
 * spin here. */
enum sj_steal sj_deque_steal(struct sj_deque *deque, struct sj_task **task);

/* Any thread.  How many tasks wait: exact for the owner while nobody steals,
 * else a moment's estimate. */
size_t sj_deque_length(const struct sj_deque *deque);

#endif
