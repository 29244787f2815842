/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_MEDIA_H
#define SJ_CACHE_MEDIA_H
/*
 * Media types by file name: the whole name in lower case first, then the last extension,
 * else application/octet-stream.  Immutable once made; any thread.
 */
#include <stddef.h>
#include "core/text.h"

struct sj_media;

/* The built-in table and, before it, rows of the form ".EXT=TYPE" (TYPE as it is to be sent).  0
 * and
 * `*media`; -EINVAL, and one line in `error`; -ENOMEM. */
int sj_media_new(const char *const *rows, size_t n_rows, struct sj_media **media, char *error,
                 size_t error_size);
void sj_media_free(struct sj_media *media);

/* Of a file's name without its directories.  Lives as long as `media`. */
struct sj_text sj_media_type(const struct sj_media *media, const char *name);

#endif
