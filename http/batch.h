/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_BATCH_H
#define SJ_HTTP_BATCH_H
/*
 * A batch: what sixteen connections receive, and what their tasks send, each in one system call
 * instead of one for each connection (core/transfer.h).
 *
 *   callbacks   note who is readable
 *   receive     from sixteen of them at once; whole requests become tasks
 *   tasks       compose; responses that lie in memory are gathered
 *   send        all of these at once; then the rights to write return
 *
 * Receive and send are hooks of the loop's turn, which goes round from receive to send while
 * somebody is noted, for a time; who is left then keeps his place.  So few exchanges are in work
 * that they stay in the core's cache, and in the pool.  While another loop sleeps all are received
 * from first: what has been read can be stolen, what is noted cannot.  What has been gathered keeps
 * an epoch section open and its heads in the composer's scratch memory, for as long as it takes to
 * compose the others.  Before a handler runs, and before a response is sent by itself, all is sent.
 *
 * A shard without a batch receives and sends one by one.  The loop's own thread.
 */
#include <stdbool.h>

struct sj_connection;
struct sj_shard;
struct sj_transfers;

#define SJ_BATCH 16 /* receives, and sends */

struct sj_batch;

/* Takes over `transfers`, for SJ_BATCH at once, or NULL; sets the loop's hooks.  Before the loop
 * starts.  0 or -ENOMEM. */
int sj_batch_new(struct sj_shard *shard, struct sj_transfers *transfers);
void sj_batch_free(struct sj_shard *shard);

/* The owner, with the right to write: sj_input_received will be called, in this turn or in one that
 * follows at once.  False: there is no batch. */
bool sj_batch_note(struct sj_connection *connection);

/* One that has been noted is about to be freed. */
void sj_batch_forget(struct sj_connection *connection);

/* The runner, who composed last for this connection, in an epoch section: sj_connection_sent will
 * be called, in this turn or before this returns.  False: the response is to be sent by itself. */
bool sj_batch_gather(struct sj_shard *runner, struct sj_connection *connection);

/* Sends what has been gathered. */
void sj_batch_send(struct sj_shard *runner);

#endif
