/* SPDX-License-Identifier: MIT */
#include "core/mailbox.h"

#include <pthread.h>
#include <stdlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define N_POSTERS  4
#define N_MESSAGES 5000

struct letter {
    struct sj_message message;
    unsigned poster;
    unsigned number;
    struct sj_mailbox *again; /* where to post it once more, or NULL */
};

static unsigned delivered[16];
static unsigned n_delivered;

static void note(struct sj_message *message)
{
    struct letter *letter = (struct letter *)message;

    delivered[n_delivered++] = letter->number;
    if (letter->again != NULL) {
        sj_mailbox_post(letter->again, message);
        letter->again = NULL;
    }
}

static void messages_are_delivered_in_the_order_of_posting(void **state)
{
    struct letter letters[3];
    struct sj_mailbox mailbox;

    (void)state;
    n_delivered = 0;
    sj_mailbox_init(&mailbox);
    for (unsigned i = 0; i < 3; i++) {
        letters[i] = (struct letter){.message.deliver = note, .number = i};
        sj_mailbox_post(&mailbox, &letters[i].message);
    }
    assert_int_equal(sj_mailbox_drain(&mailbox), 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(delivered[i], i);
}

static void a_mailbox_is_empty_until_somebody_posts(void **state)
{
    struct letter letter = {.message.deliver = note};
    struct sj_mailbox mailbox;

    (void)state;
    n_delivered = 0;
    sj_mailbox_init(&mailbox);
    assert_true(sj_mailbox_is_empty(&mailbox));
    assert_int_equal(sj_mailbox_drain(&mailbox), 0);
    sj_mailbox_post(&mailbox, &letter.message);
    assert_false(sj_mailbox_is_empty(&mailbox));
    sj_mailbox_drain(&mailbox);
    assert_true(sj_mailbox_is_empty(&mailbox));
}

static void a_message_may_be_posted_again_by_its_own_delivery(void **state)
{
    struct sj_mailbox mailbox;
    struct letter letter = {.message.deliver = note, .again = &mailbox};

    (void)state;
    n_delivered = 0;
    sj_mailbox_init(&mailbox);
    sj_mailbox_post(&mailbox, &letter.message);
    assert_int_equal(sj_mailbox_drain(&mailbox), 1);
    assert_int_equal(sj_mailbox_drain(&mailbox), 1);
    assert_true(sj_mailbox_is_empty(&mailbox));
}

static unsigned n_from[N_POSTERS];
static bool is_in_order;

static void note_and_free(struct sj_message *message)
{
    struct letter *letter = (struct letter *)message;

    if (letter->number != n_from[letter->poster]++)
        is_in_order = false;
    free(letter);
}

struct poster {
    pthread_t thread;
    struct sj_mailbox *mailbox;
    unsigned number;
};

static void *post_many(void *argument)
{
    struct poster *poster = argument;

    for (unsigned i = 0; i < N_MESSAGES; i++) {
        struct letter *letter = malloc(sizeof(*letter));

        if (letter == NULL)
            abort();
        *letter = (struct letter){
            .message.deliver = note_and_free, .poster = poster->number, .number = i};
        sj_mailbox_post(poster->mailbox, &letter->message);
    }
    return NULL;
}

static void each_poster_s_messages_arrive_once_and_in_order(void **state)
{
    struct poster posters[N_POSTERS];
    struct sj_mailbox mailbox;
    size_t n = 0;

    (void)state;
    is_in_order = true;
    sj_mailbox_init(&mailbox);
    for (unsigned i = 0; i < N_POSTERS; i++) {
        posters[i] = (struct poster){.mailbox = &mailbox, .number = i};
        assert_int_equal(pthread_create(&posters[i].thread, NULL, post_many, &posters[i]), 0);
    }
    while (n < N_POSTERS * N_MESSAGES)
        n += sj_mailbox_drain(&mailbox);
    for (unsigned i = 0; i < N_POSTERS; i++)
        pthread_join(posters[i].thread, NULL);
    assert_true(is_in_order);
    assert_true(sj_mailbox_is_empty(&mailbox));
    for (unsigned i = 0; i < N_POSTERS; i++)
        assert_int_equal(n_from[i], N_MESSAGES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_delivered_in_the_order_of_posting),
        cmocka_unit_test(a_mailbox_is_empty_until_somebody_posts),
        cmocka_unit_test(a_message_may_be_posted_again_by_its_own_delivery),
        cmocka_unit_test(each_poster_s_messages_arrive_once_and_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
