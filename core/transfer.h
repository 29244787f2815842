/* SPDX-License-Identifier: MIT */
#ifndef SJ_CORE_TRANSFER_H
#define SJ_CORE_TRANSFER_H
/*
 * Transfers: receives and sends on several sockets in one system call.
 *
 * They go through a ring of io_uring (Linux 5.18), which here is nothing but a way to make many
 * calls at once: none ever waits, all are over when sj_transfers_run returns, and which socket is
 * ready is epoll's matter as before.  A small request costs less CPU so: doc/ARCHITECTURE.md
 * says how much.
 *
 * One thread at a time.
 */
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

struct sj_transfer {
    int socket;
    int flags; /* of recv(2) and send(2); MSG_DONTWAIT comes to them */
    bool is_send;
    unsigned n_pieces;      /* 1, or of a send 2 */
    struct iovec pieces[2]; /* the caller's memory, until it is over */
    struct msghdr message;  /* for two pieces; run fills it in */
    ssize_t result;         /* octets, or -errno */
};

struct sj_transfers;

/* For up to `n_most` at once.  0; or -errno: -ENOSYS and -EPERM, the kernel has no io_uring or
 * refuses it (containers, the sysctl kernel.io_uring_disabled), -EINVAL, it is too old. */
int sj_transfers_new(unsigned n_most, struct sj_transfers **transfers);
void sj_transfers_free(struct sj_transfers *transfers);

/* Makes them all and sets their results.  A single one is a plain system call, as all are without a
 * ring (NULL).  0; or -errno: the ring has failed and is to be freed; they were made none the
 * less. */
int sj_transfers_run(struct sj_transfers *transfers, struct sj_transfer *items, unsigned n);

#endif
