/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_TARGET_H
#define SJ_HTTP_TARGET_H
/*
 * Request target to path: RFC 9112 section 3.2, RFC 3986 sections 2, 5.2.4 and 6.2.2.  Pure.
 *
 * Decoding happens once, here; routing and files use the same result.  A path that this returns
 * begins with "/", has no dot segment and no NUL, and no "/" in it was ever an escape.
 */
#include <stddef.h>
#include "core/text.h"
#include "http/request.h"

enum sj_target_form {
    SJ_TARGET_ORIGIN,
    SJ_TARGET_ABSOLUTE,
    SJ_TARGET_AUTHORITY,
    SJ_TARGET_ASTERISK
};

struct sj_target {
    enum sj_target_form form;
    struct sj_text path;      /* decoded, in the caller's room; "*" for the asterisk form */
    struct sj_text query;     /* raw, without "?"; at is NULL when there is no "?" */
    struct sj_text authority; /* of the absolute and authority forms, raw; else empty */
};

/* `room` must hold raw.length + 1 octets.  0, or the status to answer with: 400 (grammar, bad
 * escape, NUL, fragment, user information, empty host of an http URI), 404 (an escaped slash: names
 * no resource here). A 404 leaves the connection usable.  OPTIONS for an absolute URI without path
 * and query is of the asterisk form (RFC 9112 section 3.2.4), with its authority.  The path ends in
 * a NUL that its length leaves out. */
int sj_target_parse(enum sj_method method, struct sj_text raw, char *room,
                    struct sj_target *target);

/* Is it host [":" port] (RFC 3986 section 3.2.2) with a host that is not empty? */
bool sj_authority_is_valid(struct sj_text authority);

#endif
