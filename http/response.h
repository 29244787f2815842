/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_RESPONSE_H
#define SJ_HTTP_RESPONSE_H
/*
 * Response heads: RFC 9110 sections 6 and 8, RFC 9112 section 4.
 *
 * A head is put together in the calling thread's scratch memory: status line, what all responses
 * share (with a Date that is formatted once a second), what was prepared in the index, what only
 * this response has.  A writer that is full turns the response into a 500.
 */
#include <stdbool.h>
#include "cache/entry.h"
#include "http/exchange.h"

#define SJ_SCRATCH 32768 /* octets: the largest head, and small bodies beside it */

/* What a thread needs to compose responses; never shared between threads. */
struct sj_composer {
    char scratch[3 * SJ_SCRATCH];
    size_t n_held; /* of scratch, at its beginning: what waits to be sent; up to two thirds */
    struct sj_writer head;
    time_t now;         /* of `date` */
    uint64_t n_written; /* responses composed: part of multipart boundaries */
    char date[128];     /* "Date: ...\r\n" and the fields that all responses have */
    size_t date_length;
};

void sj_composer_init(struct sj_composer *composer);

/* What is composed from now on lies behind what was composed last, until let_go.  False: no further
 * response has room before that. */
bool sj_composer_hold(struct sj_composer *composer);
void sj_composer_let_go(struct sj_composer *composer);

/* The present, in seconds, for this response's dates. */
time_t sj_composer_now(struct sj_composer *composer);

/* Status line, Date, Server, X-Content-Type-Options, Connection. */
void sj_response_begin(struct sj_composer *composer, struct sj_exchange *exchange, int status);

/* One whole field. */
void sj_response_field(struct sj_composer *composer, struct sj_text name, struct sj_text value);
void sj_response_length(struct sj_composer *composer, uint64_t length);

/* The empty line; the head becomes the output's first part.  False: it did not fit. */
bool sj_response_end(struct sj_composer *composer, struct sj_exchange *exchange);

/* A complete small response with a body of its own, in text/html or text/plain as the client wants
 * it; nothing of the request is reflected.  404s are never to be
 * stored (a deploy may bring the file); 405 and 503 carry their fields. */
void sj_response_error(struct sj_composer *composer, struct sj_exchange *exchange, int status);

/* The methods of a static resource. */
#define SJ_ALLOW "Allow: GET, HEAD, OPTIONS\r\n"

#endif
