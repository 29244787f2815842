/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_INPUT_H
#define SJ_HTTP_INPUT_H
/*
 * The reading side of a connection: octets to exchanges.
 *
 * Two ways.  While nothing is pending, the socket's read event reads straight into an exchange's
 * buffer: a request that comes whole costs one recv, no copy, no allocation.  Whatever else comes
 * (a head in pieces, a body, pipelined requests) goes through the connection's bufferevent, which
 * is made when it is first needed, reads and keeps it, and is stopped while too much waits, until
 * it has all been used and the connection is waiting for the next request.  Measured on a 1 KB
 * file: 7.5 us a request this way, 8.7 with the bufferevent alone.  Several that are readable in
 * one turn are received from together, sixteen at a time (http/batch.h).
 *
 * A new connection is read from before it is watched: often its request has come with it, and one
 * that closes after the response never costs the event queue anything.
 *
 * The owning loop's thread only.
 */
#include "http/connection.h"

/* Reads for the first time, now or later in this turn.  May free the connection. */
void sj_input_start(struct sj_connection *connection);
void sj_input_fini(struct sj_connection *connection);

/* For http/batch.c: what recv into the exchange, which this takes over, has given; octets or
 * -errno. May free the connection. */
void sj_input_received(struct sj_connection *connection, struct sj_exchange *exchange,
                       ssize_t result);

/* The right to write is back, the response has been sent: on to the next request, if there is
 * one.  May free the connection. */
void sj_input_resume(struct sj_connection *connection);

/* Does input wait, or its end, that must be looked at after the response? */
bool sj_input_is_pending(const struct sj_connection *connection);

/* Must the owner resume after the response, whether or not more comes? */
bool sj_input_needs_owner(const struct sj_connection *connection);

/* While it waits for its answer, now and then: has the client gone entirely?  That is noticed at
 * once as long as the socket is read; but not behind a client's end or pipelined requests. */
bool sj_input_has_lost_client(struct sj_connection *connection);

/* For http/body.c.  refuse: answers so and closes.  read_buffered: from now on through the
 * bufferevent; 0 or -ENOMEM.  read_on: more is needed to go on. */
void sj_input_refuse(struct sj_connection *connection, struct sj_exchange *exchange, int status);
int sj_input_read_buffered(struct sj_connection *connection);
void sj_input_read_on(struct sj_connection *connection);

#endif
