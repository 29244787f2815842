/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_ACCESSLOG_H
#define SJ_HTTP_ACCESSLOG_H
/*
 * The access log's line, in the combined form:
 *
 *   192.0.2.1 - - [21/Nov/2026:09:00:00 +0000] "GET / HTTP/1.1" 200 1234 "referer" "user agent"
 *
 * The count is of body octets that were given to the kernel, not of those that were promised.
 */
#include <sys/socket.h>
#include "core/log.h"
#include "http/exchange.h"

/* The host part of a peer's address, "unix:" for a local socket; `room` gets at most 64 octets. */
struct sj_text sj_peer_text(const struct sockaddr *peer, char *room);

/* Any registered thread; does not block. */
void sj_accesslog_write(struct sj_log *log, const struct sockaddr *peer,
                        const struct sj_exchange *exchange);

#endif
