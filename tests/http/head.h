/* SPDX-License-Identifier: MIT */
#ifndef SJ_TESTS_HTTP_HEAD_H
#define SJ_TESTS_HTTP_HEAD_H
/* What the tests and fuzz targets of the parsers share: input in memory of exactly its length, so
 * that a sanitizer sees every octet read beyond it, and the head of a request in it. */
#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "http/request.h"

#define HEAD_FIELDS 64

struct head {
    char *text;
    struct sj_request request;
    struct sj_field fields[HEAD_FIELDS];
};

static inline char *copy_exactly(const char *from, size_t length)
{
    char *copy = calloc(length, 1);

    assert(copy != NULL || length == 0);
    if (length > 0)
        memcpy(copy, from, length);
    return copy;
}

/* 0, or what sj_request_parse says; in any case head_fini is due. */
static inline int head_init(struct head *head, const char *text, size_t length)
{
    static const struct sj_request_limits limits = {8192, HEAD_FIELDS, 32768};

    head->text = copy_exactly(text, length);
    head->request.fields = head->fields;
    sj_request_reset(&head->request);
    return sj_request_parse(&head->request, &limits, head->text, length);
}

static inline void head_fini(struct head *head)
{
    free(head->text);
}

#endif
