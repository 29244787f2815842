/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_CALLS_H
#define SJ_HTTP_CALLS_H
/*
 * Calls and their connections: what a connection does with a request that has a route.
 *
 * From the head on its exchange has a call.  When the body is complete the call is started; unless
 * its first step runs on the connection's own quick task, the connection waits in the phase
 * CALLED, and news of the call make it send.  The owning loop's thread, unless it says more.
 */
#include "http/call.h"
#include "http/connection.h"

/* Sets up the shard's part: the routes' deadlines, the handles.  0 or -ENOMEM. */
int sj_calls_init(struct sj_shard *shard);
void sj_calls_fini(struct sj_shard *shard);

/* The exchange has been prepared.  If it has a route it has a call from now on, or a status to be
 * refused with. */
void sj_calls_match(struct sj_shard *shard, struct sj_exchange *exchange);

/* The request is complete.  True: the connection waits for the call.  False: its quick task goes
 * on with the exchange, to run the call or to refuse. */
bool sj_calls_start(struct sj_connection *connection);

/* The connection waits for the call from now on. */
void sj_calls_wait(struct sj_connection *connection);

/* The connection that waits for the call of that handle; NULL: it has gone, or on. */
struct sj_connection *sj_calls_find(const struct sj_shard *shard, const struct sj_handle *handle);

/* The call has ended, or has chunks. */
void sj_calls_resume(struct sj_connection *connection);

/* The exchange gives its call up, ended or not.  Whoever has the exchange; only the owner while the
 * call has not ended. */
void sj_calls_let_go(struct sj_exchange *exchange);

#endif
