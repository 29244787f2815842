/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_SERVICE_H
#define SJ_HTTP_SERVICE_H
/*
 * What all connections of one server share, and what each loop keeps for its own.
 *
 * The service is filled before the scheduler starts and then read-only, except where a member says
 * otherwise.  A shard belongs to its loop's thread.
 */
#include "core/handle.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/pr.h"
#include "http/addresses.h"
#include "http/config.h"
#include "http/deadline.h"
#include "http/exchange.h"
#include "http/response.h"
#include "http/route.h"
#include "http/static.h"

enum sj_service_state {
    SJ_SERVICE_SERVING,
    SJ_SERVICE_DRAINING, /* responses end, then their connections */
    SJ_SERVICE_DROPPING  /* connections end */
};

struct sj_service {
    const struct sj_config *config;
    struct sj_request_limits limits;
    struct sj_static site;
    struct sj_modules modules;
    struct sj_routes routes;
    struct sj_sched *sched;
    struct sj_log *log;
    struct sj_addresses *addresses; /* NULL: no limit for each client address */
    uint64_t max_connections;
    uint64_t max_body_files;        /* descriptors that requests' bodies may take */
    struct sj_exchange_depot depot; /* of the shards' pools */
    struct sj_shard **shards;
    unsigned n_shards;
    int drained;           /* eventfd: look whether draining has ended */
    unsigned int state;    /* enum sj_service_state; ck_pr, only ever rises */
    uint64_t n_open;       /* ck_pr; connections, from accept to close */
    uint64_t n_body_files; /* ck_pr */
};

struct sj_shard {
    struct sj_service *service;
    struct sj_loop *loop;
    struct sj_deadlines deadlines;
    struct sj_exchange_pool exchanges;
    struct sj_composer composer;
    struct sj_batch *batch;          /* or NULL */
    struct sj_handle_table *handles; /* of connections that have made calls; NULL: no routes */
    uint64_t complained_ns;          /* when the last failure of a handler was logged */
    struct event *accepting;         /* an array, one for each listener: http/accept.c */
    struct event accept_again;
    unsigned n_accepting;
    uint64_t limited_ns; /* when the last complaint about accepting was logged */
    uint64_t n_accepted; /* the loop's own counts: relaxed stores, any thread reads */
    uint64_t n_most;     /* connections at the same time */
    uint64_t n_requests;
    uint64_t n_octets_sent;
    uint64_t n_pinned; /* references on entries that responses took, and gave back */
    uint64_t n_unpinned;
    /* ck_pr; connections that were given to this loop and have not ended; other loops write it */
    _Alignas(SJ_CACHE_LINE) uint64_t n_assigned;
};

#endif
