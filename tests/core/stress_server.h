/* SPDX-License-Identifier: MIT */
#ifndef SJ_TESTS_CORE_STRESS_SERVER_H
#define SJ_TESTS_CORE_STRESS_SERVER_H
/*
 * The server's side of stress_sched: connections on socket pairs, owned by loops.
 *
 * A loop reads requests; at most one of a connection is in flight.  A quick one is pushed, perhaps
 * stolen, answered by whoever runs it under the lent write right, and the right is returned as
 * core/lend.h says.  A heavy one carries a handle to a worker; its result comes back
 * through the mailbox, to be delivered or dropped.  What a full queue refuses is answered at once.
 */
#include <semaphore.h>
#include <stddef.h>
#include <stdint.h>
#include "core/sched.h"

#define STRESS_PIPELINE   4 /* requests that a client sends ahead */
#define STRESS_HEADER     8
#define STRESS_LENGTH_MAX 20000

struct stress_request {
    uint32_t id; /* over all connections */
    uint32_t number;
    uint32_t length; /* of the body */
    uint16_t is_heavy;
    uint16_t run_us;
};

struct stress_totals {
    uint64_t pushed, quick_run, submitted, heavy_run, delivered, dropped, at_once;
};

struct stress_server {
    struct sj_sched *sched;
    sem_t closed;    /* posted for each connection */
    unsigned *n_run; /* by request id */
    struct stress_totals totals;
};

/* Octet `at` of the right response: number, length, a pattern. */
unsigned char stress_octet(const struct stress_request *request, size_t at);

/* Any thread: `loop` now serves the other end of `fd`, until that is closed. */
void stress_accept(struct stress_server *server, struct sj_loop *loop, int fd);

#endif
