/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_FRAMING_H
#define SJ_HTTP_FRAMING_H
/*
 * Where a request's body ends, and whether the connection goes on after it: RFC 9112 sections 6, 7
 * and 9.3.  Pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "http/request.h"

enum sj_body_kind { SJ_BODY_NONE, SJ_BODY_LENGTH, SJ_BODY_CHUNKED };

struct sj_framing {
    enum sj_body_kind kind;
    uint64_t length;       /* SJ_BODY_LENGTH: octets, above 0 */
    bool is_persistent;    /* keep-alive, by version and Connection */
    bool expects_continue; /* 100-continue, and the version is 1.1 */
};

/* 0, or the status to answer with before closing: 400, 501 (unknown coding), 417.
 * Both Content-Length and Transfer-Encoding: 400, always. */
int sj_framing_of(const struct sj_request *request, const char *head, struct sj_framing *framing);

/* Chunked decoder (section 7.1); resumable at every octet. */
struct sj_chunked {
    unsigned state;
    uint32_t line;       /* octets of the current chunk-size line */
    uint64_t size;       /* as far as its line has been read */
    uint64_t left;       /* octets of the current chunk: 0 until its line is complete */
    uint32_t extensions; /* octets of extensions so far */
    uint32_t trailers;   /* octets of the trailer section so far */
};

void sj_chunked_init(struct sj_chunked *chunked);

struct sj_chunked_step {
    size_t used;         /* octets of the input consumed */
    struct sj_text data; /* content within them, possibly empty */
    bool is_done;        /* the last CRLF was consumed; nothing after it ever is */
};

/* Consumes as far as one run of content.  0 with used > 0 unless length was 0 or it is done; or the
 * status: 400, or 431 for the trailers.  Limits: chunk-size line 256 octets, 8 KiB of extensions a
 * body, 8 KiB of trailers (parsed, dropped); a chunk of more than 2^63-1 octets is 400. */
int sj_chunked_feed(struct sj_chunked *chunked, const char *from, size_t length,
                    struct sj_chunked_step *step);

#endif
