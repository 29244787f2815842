/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_NEGOTIATE_H
#define SJ_HTTP_NEGOTIATE_H
/* Content negotiation: RFC 9110 sections 12.4.2, 12.5.1 and 12.5.3.  Pure. */
#include <stdbool.h>
#include "cache/entry.h"
#include "http/request.h"

/* Qualities in thousandths: 0 (not acceptable) to 1000. */
struct sj_codings {
    uint16_t quality[SJ_CODINGS];
};

/* From all Accept-Encoding lines.  No field: identity only (1000), the rest 0.  Identity that is
 * not listed, neither by name nor by "*", has the least quality above 0.  An element that is off
 * the grammar is left out. */
void sj_negotiate_codings(const struct sj_request *request, const char *head,
                          struct sj_codings *codings);

/* The coding of the entry's representations to send: of those with the highest quality the
 * smallest, identity on a tie of size, and identity that the client does not mention unless another
 * is smaller; identity, too, when nothing is acceptable (12.5.3 allows to send it all the same). */
enum sj_coding sj_negotiate_choose(const struct sj_codings *codings, const struct sj_entry *entry);

/* Does the client list text/html, or text's or all types' wildcard, with a quality above 0? Without
 * Accept: false. */
bool sj_negotiate_wants_html(const struct sj_request *request, const char *head);

#endif
