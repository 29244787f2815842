/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_MULTIPART_H
#define SJ_HTTP_MULTIPART_H
/* multipart/byteranges: RFC 9110 section 14.6.  Used by http/static.c. */
#include "http/range.h"
#include "http/response.h"

#define SJ_BOUNDARY_LENGTH 24

struct sj_multipart {
    struct sj_text type; /* of the representation */
    uint64_t size;
    const struct sj_range *ranges;
    unsigned n_ranges;
    char boundary[SJ_BOUNDARY_LENGTH];
};

/* Chooses a boundary; the other members are the caller's, before. */
void sj_multipart_init(struct sj_multipart *multipart, const struct sj_composer *composer);

/* Of the whole body. */
uint64_t sj_multipart_length(const struct sj_multipart *multipart);

/* After sj_response_end: adds the body's parts to the output, from `bytes` or, when that is NULL,
 * from its file.  0 or -ENOMEM. */
int sj_multipart_add(const struct sj_multipart *multipart, struct sj_exchange *exchange,
                     const char *bytes);

#endif
