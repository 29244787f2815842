/* SPDX-License-Identifier: MIT */
#ifndef SJ_CORE_LEND_H
#define SJ_CORE_LEND_H
/*
 * The lent write right: how a stolen quick task may write on a socket that
 * another loop owns, without a lock and mostly without a message.
 *
 * The owner lends when it pushes the task, and until it has the right back it
 * does not write to, close or free what it has lent.  When something happens
 * meanwhile that needs the right (input, a time limit, the end of the
 * connection) the owner wants it back; only then does the runner send a message.
 *
 *       owner                                   runner (any loop)
 *   OWNED --begin--> LENT ------------------give_back: CAS--> OWNED, silent
 *                     | want: CAS           or, if it needs the owner: posts a message
 *                     v
 *                   WANTED ---------------give_back: CAS fails--> posts a message
 *                                         owner, on the message: end --> OWNED
 *
 * want and give_back are both compare-and-swap on one word, so exactly one of
 * them comes first: either the owner sees OWNED and goes on by itself, or the
 * runner sees WANTED and posts.  With a plain store in give_back the owner can wait
 * for ever; tests/models/lend.pml shows it.
 */
#include <stdbool.h>

enum sj_lend_state { SJ_OWNED, SJ_LENT, SJ_WANTED };

struct sj_lend {
    unsigned int state; /* enum sj_lend_state */
};

/* Owner, holding the right.  `state`: SJ_LENT, or SJ_WANTED when the runner shall post
 * a message in any case (input is waiting already). */
void sj_lend_begin(struct sj_lend *lend, enum sj_lend_state state);

/* Owner.  True: lent, and a message will come.  False: the owner has the right. */
bool sj_lend_want(struct sj_lend *lend);

/* Owner: is it lent?  When false, all that the runner wrote is visible. */
bool sj_lend_is_lent(const struct sj_lend *lend);

/* Runner, when it is done and needs nothing from the owner.  True: returned,
 * nothing of the lent object may be touched any more.  False: wanted; the right
 * is still the runner's, who must now post the object to its owner. */
bool sj_lend_give_back(struct sj_lend *lend);

/* Owner, on that message, or when it ran the task itself: takes the right back. */
void sj_lend_end(struct sj_lend *lend);

#endif
