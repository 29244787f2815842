/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_RULES_H
#define SJ_CACHE_RULES_H
/*
 * Extra header fields by path: a file in the _headers form of Netlify and Cloudflare Pages.
 *
 *     # a comment
 *     /assets/:name                 a pattern, from the first column
 *       Cache-Control: max-age=600  indented: fields of the paths that it matches
 *       ! X-Frame-Options           takes back what lines before have set
 *
 * In a pattern "*" stands for any octets, ":name" for one path segment.  It is matched against the
 * whole decoded URL path.  All patterns that match apply, in order: a field named twice is sent
 * twice.  Cache-Control replaces the server's own, Content-Type too (there the last one wins).
 * What the server itself must say (framing, Date, validators, ranges, Content-Encoding, Location,
 * Connection and its kind) is refused.
 *
 * Rules are counted references, and immutable.
 */
#include <stdbool.h>
#include <stddef.h>
#include "core/text.h"

struct sj_rules;

/* 0 and `*rules`; -EINVAL, and one line in `error` that names the line and what is wrong; -ENOMEM.
 */
int sj_rules_parse(struct sj_text content, struct sj_rules **rules, char *error, size_t error_size);

/* The same for a file; unless its content is that of `before` (or NULL), of which `*rules` is then
 * another reference.  -errno of the file as well. */
int sj_rules_read(const char *path, struct sj_rules *before, struct sj_rules **rules, char *error,
                  size_t error_size);

void sj_rules_acquire(struct sj_rules *rules);
void sj_rules_release(struct sj_rules *rules); /* NULL is allowed */

/* An upper bound of what sj_rules_apply writes. */
size_t sj_rules_size(const struct sj_rules *rules);

struct sj_rules_result {
    struct sj_text type;    /* Content-Type, or empty */
    bool has_cache_control; /* set, or taken back */
    bool has_origin;        /* Access-Control-Allow-Origin */
};

/* Writes the fields for a path as whole lines.  `result->type` lives as long as the rules. */
void sj_rules_apply(const struct sj_rules *rules, struct sj_text path, struct sj_writer *writer,
                    struct sj_rules_result *result);

#endif
