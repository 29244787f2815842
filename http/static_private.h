/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_STATIC_PRIVATE_H
#define SJ_HTTP_STATIC_PRIVATE_H
/* The static handler: static.c decides what an exchange is answered with, static_send.c writes it.
 */
#include "http/conditional.h"
#include "http/static.h"

/* One response on its way through the steps below. */
struct sj_step {
    const struct sj_static *site;
    struct sj_composer *composer;
    struct sj_exchange *exchange;
    const struct sj_generation *generation;
    const struct sj_entry *entry;
    const struct sj_representation *representation;
    enum sj_coding coding;
    char etag[SJ_ETAG_MAX];
    struct sj_validators validators;
    const char *bytes; /* of the body, or NULL: its file is open in the output */
    bool is_vanished;  /* the entry is of a deploy before this one */
    bool is_early;     /* the entry is this response's own */
};

void sj_step_fail(const struct sj_step *step, int status);

/* A head without a body, whose fields have been written, is complete. */
void sj_step_end(const struct sj_step *step);

/* The representation: 304; or, its body being at hand, the parts of it that are wanted. */
void sj_step_send_not_modified(const struct sj_step *step);
void sj_step_send_content(const struct sj_step *step);

/* The file was edited in place since it was indexed, and the next index is on its way: what there
 * is now goes out under what is known of it now, without an ETag, ranges or caching. */
void sj_step_send_changed(const struct sj_step *step, const struct sj_identity *identity);

/* A page in the place of what was asked for, whole, without validators. */
void sj_step_send_page(const struct sj_step *step, int status, uint64_t length);

#endif
