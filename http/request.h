/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_REQUEST_H
#define SJ_HTTP_REQUEST_H
/*
 * Request head parser: RFC 9112 sections 2, 3 and 5, RFC 9110 section 5.  Pure.
 *
 * Strict, without switches: what is off the grammar is 400, so that no other parser on the way can
 * read a message differently.  Lines are parsed as they complete: each octet is looked at a
 * bounded number of times, however the head is cut into segments.  Everything is kept as
 * offsets from the head's first octet, so the buffer may move between calls.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/text.h"

enum sj_method {
    SJ_GET,
    SJ_HEAD,
    SJ_POST,
    SJ_PUT,
    SJ_DELETE,
    SJ_CONNECT,
    SJ_OPTIONS,
    SJ_TRACE,
    SJ_PATCH,
    SJ_METHOD_UNKNOWN
};

/* Fields that this server looks at; the rest is SJ_FIELD_OTHER. */
enum sj_field_id {
    SJ_FIELD_OTHER,
    SJ_FIELD_ACCEPT,
    SJ_FIELD_ACCEPT_ENCODING,
    SJ_FIELD_CONNECTION,
    SJ_FIELD_CONTENT_ENCODING,
    SJ_FIELD_CONTENT_LENGTH,
    SJ_FIELD_EXPECT,
    SJ_FIELD_HOST,
    SJ_FIELD_IF_MATCH,
    SJ_FIELD_IF_MODIFIED_SINCE,
    SJ_FIELD_IF_NONE_MATCH,
    SJ_FIELD_IF_RANGE,
    SJ_FIELD_IF_UNMODIFIED_SINCE,
    SJ_FIELD_ORIGIN,
    SJ_FIELD_RANGE,
    SJ_FIELD_REFERER,
    SJ_FIELD_TRANSFER_ENCODING,
    SJ_FIELD_USER_AGENT,
    SJ_FIELD_ACCESS_CONTROL_REQUEST_METHOD,
    SJ_FIELD_ACCESS_CONTROL_REQUEST_HEADERS,
    SJ_FIELDS
};

struct sj_span { /* of the head */
    uint32_t first;
    uint32_t length;
};

struct sj_field {
    enum sj_field_id id;
    struct sj_span name;
    struct sj_span value; /* without the white space around it */
};

/* Each below 2^30. */
struct sj_request_limits {
    uint32_t line;         /* octets of the request line: 414 beyond */
    uint32_t fields;       /* number of field lines: 431 beyond */
    uint32_t fields_bytes; /* octets of all field lines: 431 beyond */
};

enum sj_request_state { SJ_REQUEST_LINE, SJ_REQUEST_FIELDS, SJ_REQUEST_DONE };

struct sj_request {
    enum sj_request_state state;
    enum sj_method method;
    unsigned minor;       /* HTTP/1.minor; above 1 is treated as 1 */
    uint32_t seen;        /* field ids: a bit each, 1 << id */
    uint32_t head_length; /* octets, with the empty lines before and the one at the end */
    struct sj_span line;  /* the request line, without CRLF: for the log */
    struct sj_span method_name;
    struct sj_span target; /* as sent */
    uint32_t n_fields;
    uint32_t parsed;  /* offset of the first line not parsed yet */
    uint32_t scanned; /* offset up to which the end of that line was looked for */
    uint32_t fields_start;
    struct sj_field *fields; /* the caller's: limits->fields of them */
};

/* For a new head: everything but `fields` is set to its start. */
void sj_request_reset(struct sj_request *request);

/* `head` is the message from its first octet, `length` what has come so far; the same octets again,
 * and more, at each call.  0: complete, head_length octets are consumed.  -EAGAIN: more is
 * needed.  Above 0: the status to answer with, after which the connection must close: 400, 414,
 * 431, 505, 501 (method too long).
 * Host is checked here (9112 3.2), the framing fields by http/framing.h. */
int sj_request_parse(struct sj_request *request, const struct sj_request_limits *limits,
                     const char *head, size_t length);

static inline struct sj_text sj_request_text(const char *head, struct sj_span span)
{
    return (struct sj_text){head + span.first, span.length};
}

static inline bool sj_request_has(const struct sj_request *request, enum sj_field_id id)
{
    return (request->seen >> id) & 1;
}

/* Goes over the lines of one field: start with *at = 0.  False: no more. */
bool sj_request_next(const struct sj_request *request, const char *head, enum sj_field_id id,
                     uint32_t *at, struct sj_text *value);

/* The only line of a field; false when there is none or more than one. */
bool sj_request_single(const struct sj_request *request, const char *head, enum sj_field_id id,
                       struct sj_text *value);

/* Goes over the elements of a comma-separated list (RFC 9110 section 5.6.1), quoted strings kept
 * whole, white space around elements removed, empty elements left out.  Always advances.  False:
 * no more. */
bool sj_list_next(struct sj_text *rest, struct sj_text *element);

#endif
