/* SPDX-License-Identifier: MIT */
#ifndef SJ_BENCH_TASKS_CLIENT_H
#define SJ_BENCH_TASKS_CLIENT_H
/*
 * What all asynchronous fetches share: where pages are, what is trusted, and a resolver for each
 * loop.  Written at the start only, but for the resolvers, which belong to their loops.
 */
#include <stdbool.h>
#include <stdint.h>
#include "bench/tasks/common.h"

struct bufferevent;
struct evdns_base;
struct evhttp_connection;
struct ssl_ctx_st;

struct target {
    char *host, *path; /* host NULL: there is no such page */
    char *authority;   /* host and port, as the Host field has them */
    uint16_t port;
    bool is_tls, is_name;
};

/* The module's context. */
struct fetch_async {
    struct settings settings;
    struct target targets[N_PAGES];
    struct ssl_ctx_st *tls;
    unsigned n_loops;
    struct evdns_base *resolvers[]; /* by loop; all NULL without BENCH_DNS */
};

/* On the loop: a connection for one fetch, not yet opened.  NULL: no memory. */
struct evhttp_connection *client_connection_new(struct fetch_async *async, enum page page,
                                                struct event_base *base, unsigned loop);

/* At the start.  NULL: no memory, or what is trusted or the name server cannot be used. */
struct fetch_async *fetch_async_new(const struct sj_setup *setup);
void fetch_async_free(struct fetch_async *async);

#endif
