/* SPDX-License-Identifier: MIT */
#include "core/transfer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void fill_message(struct sj_transfer *item)
{
    memset(&item->message, 0, sizeof(item->message));
    item->message.msg_iov = item->pieces;
    item->message.msg_iovlen = item->n_pieces;
}

static void make_one(struct sj_transfer *item)
{
    int flags = item->flags | MSG_DONTWAIT;

    if (!item->is_send) {
        item->result = recv(item->socket, item->pieces[0].iov_base, item->pieces[0].iov_len, flags);
    } else if (item->n_pieces == 1) {
        item->result = send(item->socket, item->pieces[0].iov_base, item->pieces[0].iov_len, flags);
    } else {
        fill_message(item);
        item->result = sendmsg(item->socket, &item->message, flags);
    }
    if (item->result < 0)
        item->result = -errno;
}

#ifdef SJ_URING
#include <liburing.h>

struct sj_transfers {
    struct io_uring ring;
};

int sj_transfers_new(unsigned n_most, struct sj_transfers **result)
{
    struct sj_transfers *transfers = calloc(1, sizeof(*transfers));
    int error;

    if (transfers == NULL)
        return -ENOMEM;
    /* the flag, so that one that fails does not keep those behind it back */
    error = io_uring_queue_init(n_most, &transfers->ring, IORING_SETUP_SUBMIT_ALL);
    if (error != 0) {
        free(transfers);
        return error;
    }
    *result = transfers;
    return 0;
}

void sj_transfers_free(struct sj_transfers *transfers)
{
    if (transfers != NULL)
        io_uring_queue_exit(&transfers->ring);
    free(transfers);
}

static void submit(struct io_uring *ring, struct sj_transfer *item)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(ring); /* there is one for each */
    unsigned flags = (unsigned)item->flags | MSG_DONTWAIT;
    const struct iovec *piece = item->pieces;

    if (!item->is_send) {
        io_uring_prep_recv(entry, item->socket, piece->iov_base, piece->iov_len, (int)flags);
    } else if (item->n_pieces == 1) {
        io_uring_prep_send(entry, item->socket, piece->iov_base, piece->iov_len, (int)flags);
    } else {
        fill_message(item);
        io_uring_prep_sendmsg(entry, item->socket, &item->message, flags);
    }
    io_uring_sqe_set_data(entry, item);
}

/* What is over now. */
static unsigned collect(struct io_uring *ring)
{
    struct io_uring_cqe *completion;
    unsigned head, n = 0;

    io_uring_for_each_cqe(ring, head, completion)
    {
        struct sj_transfer *item = io_uring_cqe_get_data(completion);

        item->result = completion->res;
        n++;
    }
    io_uring_cq_advance(ring, n);
    return n;
}

/* 0, or -errno.  An error is one that the kernel has never given (no memory for requests, say).
 * What it had taken is over, as nothing waits; its other entries would be found by the next call,
 * so there must be none. */
static int run_ring(struct io_uring *ring, struct sj_transfer *items, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        items[i].result = -ECANCELED;
        submit(ring, &items[i]);
    }
    for (unsigned n_over = 0; n_over < n;) {
        int submitted = io_uring_submit_and_wait(ring, n - n_over);

        n_over += collect(ring);
        if (submitted < 0 && submitted != -EINTR)
            return submitted;
    }
    return 0;
}

/* What the ring had no memory for can do without. */
int sj_transfers_run(struct sj_transfers *transfers, struct sj_transfer *items, unsigned n)
{
    bool is_plain = transfers == NULL || n < 2;
    int error = is_plain ? 0 : run_ring(&transfers->ring, items, n);

    for (unsigned i = 0; i < n; i++)
        if (is_plain || items[i].result == -ECANCELED || items[i].result == -ENOMEM)
            make_one(&items[i]);
    return error;
}

#else

int sj_transfers_new(unsigned n_most, struct sj_transfers **result)
{
    (void)n_most;
    (void)result;
    return -ENOSYS;
}

void sj_transfers_free(struct sj_transfers *transfers)
{
    (void)transfers;
}

int sj_transfers_run(struct sj_transfers *transfers, struct sj_transfer *items, unsigned n)
{
    (void)transfers;
    for (unsigned i = 0; i < n; i++)
        make_one(&items[i]);
    return 0;
}

#endif
