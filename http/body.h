/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_BODY_H
#define SJ_HTTP_BODY_H
/*
 * What becomes of a request's body: a call's is collected (http/call.h), any other is read and
 * dropped, so that the next request can follow, or the connection is closed because of it.
 *
 * The owning loop's thread only.
 */
#include "http/connection.h"

/* The head is complete and the exchange prepared, with a body.  May free the connection. */
void sj_body_begin(struct sj_connection *connection, struct sj_exchange *exchange);

/* More has come, or the client's end.  May free the connection. */
void sj_body_go_on(struct sj_connection *connection);

#endif
