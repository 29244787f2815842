/* SPDX-License-Identifier: MIT */
#ifndef SJ_TESTS_HTTP_PLUG_H
#define SJ_TESTS_HTTP_PLUG_H
/*
 * Loops with their shards, run step by step on the test's own thread: what a scheduler would do
 * whenever it likes happens here when the test says so.  Polls, deliveries, tasks and thefts can
 * come in any order, and time passes only by plug_pass.
 *
 * Linked with: -Wl,--wrap=sj_clock_ns
 */
#include "http/connection.h"
#include "tests/http/site.h"

#define PLUG_LOOPS 2

struct plug {
    struct site site;
    struct sj_config config; /* the defaults */
    struct sj_service service;
    struct sj_sched *sched;
    struct sj_shard *shards[PLUG_LOOPS];
};

/* An empty site, loops that have not begun; a test may then change config and service. */
void plug_init(struct plug *plug);

/* Makes the shards by what the config says now. */
void plug_start(struct plug *plug);

/* Batches for all shards, if wanted with a ring where the kernel has one.  What a loop's tasks hold
 * is then sent when it polls the next time. */
void plug_batch(struct plug *plug, bool has_ring);

/* Drops all connections, runs what is left, checks that nothing is left over. */
void plug_fini(struct plug *plug);

/* A connection of that loop, over a socket pair; the client's end, which does not block. */
int plug_connect(struct plug *plug, unsigned loop);

/* The same, over a given socket. */
void plug_open(struct plug *plug, unsigned loop, int socket);

/* Each is one step of that loop's turn; true: there was something to do. */
void plug_poll(struct plug *plug, unsigned loop);
bool plug_deliver(struct plug *plug, unsigned loop);
bool plug_run_one(struct plug *plug, unsigned loop);

/* One task of the other's. */
bool plug_steal_one(struct plug *plug, unsigned thief, unsigned victim);

/* Turns of both loops until nothing is left to do. */
void plug_settle(struct plug *plug);

/* Time passes, and what is due by then expires; pass: and what follows from that is done. */
void plug_expire(struct plug *plug, uint64_t ms);
void plug_pass(struct plug *plug, uint64_t ms);

/* What http/server.c does after the first build, and on signals. */
void plug_resume(struct plug *plug, unsigned loop);
void plug_drain(struct plug *plug);
void plug_drop(struct plug *plug);

/* Connections that are open. */
uint64_t plug_open_connections(const struct plug *plug);

#endif
