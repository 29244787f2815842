/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_FINGERPRINT_H
#define SJ_CACHE_FINGERPRINT_H
/*
 * Does a file's name carry a hash of its content, as build tools write it?  Pure.
 *
 *   Django    name.5af1c2d3e4f5.ext                  12 hexadecimal digits
 *   webpack   name.5af1c2d3.ext, name-5af1c2d3.ext   8 to 64, an even number; or 20 alone
 *   Vite      name-BqX2f_9a.ext                      8 of base64url
 *
 * To be wrong here costs a client a file that it does not ask for again in ten years, to miss one
 * costs a revalidation.  So a hash has to look like one: hexadecimal with letters and
 * digits that alternate (no date, version, "deadbeef" or "cafe2024"); base64url in
 * both cases and with pairs of letters that words hardly have.  That leaves out one in four of
 * Vite's and one in ten of webpack's shortest; --immutable is for those who know their names.
 */
#include <stdbool.h>
#include "core/text.h"

/* `path` is a URL path or a file name; its last segment counts. */
bool sj_fingerprint_is_in(struct sj_text path);

#endif
