/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_CONDITIONAL_H
#define SJ_HTTP_CONDITIONAL_H
/* Preconditions: RFC 9110 section 13, in the order of 13.2.2.  Pure. */
#include <stdbool.h>
#include <time.h>
#include "core/text.h"
#include "http/request.h"

struct sj_validators {
    struct sj_text etag; /* strong, with quotes; empty: none */
    time_t modified;     /* 0: none */
};

/* 200: go on; 304 or 412.  For GET and HEAD; `now` is for two-digit years. */
int sj_conditional_check(const struct sj_request *request, const char *head,
                         const struct sj_validators *validators, time_t now);

/* If-Range (13.1.5): shall Range be honoured?  True when there is no If-Range.  A date counts only
 * when it is exactly Last-Modified and that is a strong validator (at least a second before `now`).
 */
bool sj_conditional_allows_range(const struct sj_request *request, const char *head,
                                 const struct sj_validators *validators, time_t now);

#endif
