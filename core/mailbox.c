/* SPDX-License-Identifier: MIT */
#include "core/mailbox.h"

CK_STACK_CONTAINER(struct sj_message, link, message_of)

void sj_mailbox_init(struct sj_mailbox *mailbox)
{
    ck_stack_init(&mailbox->stack);
}

void sj_mailbox_post(struct sj_mailbox *mailbox, struct sj_message *message)
{
    ck_stack_push_upmc(&mailbox->stack, &message->link); /* pairs with the batch pop of drain */
    ck_pr_fence_atomic_load();                           /* the push is an atomic operation */
}

bool sj_mailbox_is_empty(const struct sj_mailbox *mailbox)
{
    return ck_pr_load_ptr(&mailbox->stack.head) == NULL;
}

static ck_stack_entry_t *reverse(ck_stack_entry_t *newest)
{
    ck_stack_entry_t *oldest = NULL;

    while (newest != NULL) {
        ck_stack_entry_t *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

size_t sj_mailbox_drain(struct sj_mailbox *mailbox)
{
    ck_stack_entry_t *link;
    size_t n = 0;

    if (sj_mailbox_is_empty(mailbox))
        return 0;
    link = reverse(ck_stack_batch_pop_upmc(&mailbox->stack)); /* pairs with post */
    while (link != NULL) {
        struct sj_message *message = message_of(link);

        link = link->next;
        message->deliver(message);
        n++;
    }
    return n;
}
