/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_EXCHANGE_H
#define SJ_HTTP_EXCHANGE_H
/*
 * An exchange: one request and its response, from the octets of the head to the last octet sent.
 *
 * Sockets are read straight into an exchange's buffer, so that a request that comes in one piece
 * is never copied.  The head stays there, unchanged, until the response has been sent: the
 * parsed request and the access log refer to it.  A connection has at most one exchange.
 *
 * Exchanges are pooled for each loop; whoever ends one puts it into its own loop's pool.  So they
 * wander to the loops that steal, and come back, sixteen at a time, through a depot that all pools
 * share (after J. Bonwick and J. Adams, "Magazines and Vmem", 2001): without it one loop allocates
 * what the other one frees, and memory comes and goes.
 */
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include "http/framing.h"
#include "http/output.h"
#include "http/request.h"
#include "http/target.h"

struct sj_call;
struct sj_route;

#define SJ_EXCHANGE_READ 8192 /* octets that can be read into a pooled exchange's buffer */

struct sj_exchange {
    struct sj_exchange *next; /* in the pool */
    struct sj_request request;
    struct sj_framing framing;
    struct sj_chunked chunked;
    struct sj_target target;
    struct sj_output output;
    int status;  /* what the head deserves without looking further (4xx, 5xx), or 0;
                  * then that of the response */
    bool closes; /* the connection closes after the response */
    bool is_pooled;
    struct sj_route *route; /* of a handler, or NULL */
    struct sj_call *call;   /* of that route, or NULL; a reference: http/calls.h */
    uint32_t response_head; /* octets of the response's head */
    uint64_t drained;       /* octets of the request's body so far */
    size_t capacity;        /* of buffer */
    char *buffer;           /* the head; after it, room for the decoded target */
};

#define SJ_POOL_MAX 32 /* exchanges in a pool; as many for each pool in its depot */

/* Any thread. */
struct sj_exchange_depot {
    pthread_mutex_t lock;
    struct sj_exchange *free;
    unsigned n_free;
    unsigned n_most;
};

struct sj_exchange_pool {
    struct sj_exchange *free;
    unsigned n_free;
    uint32_t n_fields;               /* of each exchange's request */
    struct sj_exchange_depot *depot; /* or NULL */
};

/* For so many pools, all with the same `n_fields`. */
void sj_exchange_depot_init(struct sj_exchange_depot *depot, unsigned n_pools);
void sj_exchange_depot_fini(struct sj_exchange_depot *depot);

/* `depot` outlives the pool; NULL: there is none. */
void sj_exchange_pool_init(struct sj_exchange_pool *pool, uint32_t n_fields,
                           struct sj_exchange_depot *depot);
void sj_exchange_pool_fini(struct sj_exchange_pool *pool);

/* Ready to be read into; NULL: no memory. */
struct sj_exchange *sj_exchange_new(struct sj_exchange_pool *pool);

/* One whose buffer holds `capacity` octets, for long heads; not pooled. */
struct sj_exchange *sj_exchange_new_sized(struct sj_exchange_pool *pool, size_t capacity);

/* Ends the output too. */
void sj_exchange_free(struct sj_exchange_pool *pool, struct sj_exchange *exchange);

/* After request and head are complete: framing and target, as far as the head allows; sets status,
 * closes.  `body_limit` in octets. */
void sj_exchange_prepare(struct sj_exchange *exchange, uint64_t body_limit);

/* The buffer's octets that a head of that length takes, with the room for its target. */
static inline size_t sj_exchange_size(size_t head_length)
{
    return 2 * head_length + 1;
}

#endif
