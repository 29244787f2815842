/* SPDX-License-Identifier: MIT */
#ifndef SJ_BENCH_RATE_H
#define SJ_BENCH_RATE_H
/* The open loop of rate.c: what is to be sent when, and what became of it. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

enum { RATE_CLASSES = 2, RATE_HEAD = 4096, RATE_INPUT = 65536, RATE_SUB_BITS = 6 };

#define RATE_SECOND_NS 1000000000ULL

struct rate_histogram {
    uint64_t
        buckets[64 << RATE_SUB_BITS]; /* linear below 2^SUB_BITS ns, then 2^SUB_BITS an octave */
    uint64_t n, max_ns;
};

/* Requests of one kind. */
struct rate_class {
    double rate; /* a second */
    char **requests;
    size_t n_requests;
    uint64_t n_sent, due_ns; /* of the next one; not before run.end_ns: there is none */
    unsigned short seed[3];
    uint64_t n_answered, n_in_time, n_not_200, n_lost; /* in time: before run.end_ns */
    struct rate_histogram latency;
};

enum rate_state { RATE_DOWN, RATE_CONNECTING, RATE_IDLE, RATE_BUSY };

struct rate_connection {
    TAILQ_ENTRY(rate_connection) link; /* in `idle` or `down`, by its state */
    enum rate_state state;
    int socket;
    struct rate_class *class; /* of the request that it carries, */
    uint64_t due_ns;          /* and when that was due */
    uint64_t retry_ns;        /* not before, when it is down */
    char head[RATE_HEAD];
    size_t n_head;
    bool has_head, is_ok, closes;
    uint64_t body_left;
};

TAILQ_HEAD(rate_connections, rate_connection);

struct rate_run {
    uint16_t port;
    bool is_poisson; /* gaps between requests are exponential */
    bool is_first;   /* before all that the server has: see rate.c */
    int epoll;
    uint64_t start_ns, end_ns, n_busy, n_refused, n_closed;
    struct rate_class classes[RATE_CLASSES];
    struct rate_connections idle, down;
    struct rate_histogram late;
    char input[RATE_INPUT];
};

uint64_t rate_now_ns(void);
void rate_record(struct rate_histogram *h, uint64_t ns);

/* Moves the class to its next request. */
void rate_advance(const struct rate_run *run, struct rate_class *class);

/* The class whose next request is due first; NULL: none has one any more. */
struct rate_class *rate_first_due(struct rate_run *run);

/* Sends what is due until the end, and waits for the answers, though not for ever. */
void rate_send_all(struct rate_run *run);

static inline _Noreturn void rate_die(const char *what)
{
    perror(what);
    exit(1);
}

#endif
