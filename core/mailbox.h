/* SPDX-License-Identifier: MIT */
#ifndef SJ_CORE_MAILBOX_H
#define SJ_CORE_MAILBOX_H
/*
 * Mailbox: many threads post, one thread drains, in the order of posting.
 *
 * On ck_stack (push_upmc, batch_pop_upmc; reversed on drain).  Messages are
 * embedded in what they are about; a posted message belongs to the mailbox
 * until it is delivered, and one message can be in one mailbox once.
 */
#include <stdbool.h>
#include <stddef.h>
#include "core/pr.h" /* before any header of ck */
#include <ck_stack.h>

struct sj_message {
    ck_stack_entry_t link;
    void (*deliver)(struct sj_message *message);
};

struct sj_mailbox {
    ck_stack_t stack;
};

void sj_mailbox_init(struct sj_mailbox *mailbox);

/* Any thread; does not block or fail.  A full fence follows the push, so that
 * the caller may then look whether the reader is parked (core/idle.h). */
void sj_mailbox_post(struct sj_mailbox *mailbox, struct sj_message *message);

/* Any thread. */
bool sj_mailbox_is_empty(const struct sj_mailbox *mailbox);

/* Reader only.  Calls `deliver` of each message, oldest first; a message may
 * be freed or posted again by its own `deliver`.  The number delivered. */
size_t sj_mailbox_drain(struct sj_mailbox *mailbox);

#endif
