/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_REFERENCES_H
#define SJ_CACHE_REFERENCES_H
/*
 * What an HTML document refers to: the URLs of scripts, styles, images, media and frames; and which
 * URL path of this site such a URL means.  Pure, any thread.
 *
 * Tags are found as WHATWG HTML section 13.2.5 tokenizes: not in comments, not in the text of
 * scripts, styles, titles and the like; attributes quoted or not, the first of a name counts; a
 * tag that the document's end cuts off is none.  The text of <noscript> is read as markup.
 * Not looked into: style sheets and scripts in the document, links to other pages (<a>).
 */
#include <stdbool.h>
#include "core/text.h"

/* Of an attribute's value, in octets; longer ones (only data: gets there) are passed over. */
#define SJ_REFERENCE_MAX 32768

enum sj_reference_kind {
    SJ_REFERENCE_ASSET,
    SJ_REFERENCE_BASE /* <base href>, at most once: what follows is relative to it */
};

/* `url` is as written, but for character references; no white space around it, never empty; good
 * during the call. */
typedef void sj_reference_found(void *argument, enum sj_reference_kind kind, struct sj_text url);

/* Calls `found` for each reference, tag by tag in document order; each candidate of a srcset is
 * one.  Decoded are numeric character references, and &amp; &lt; &gt; &quot; &apos;. */
void sj_references_find(struct sj_text html, sj_reference_found *found, void *argument);

/* RFC 3986 section 5.2, and as browsers do it: "\" is "/", tabs and line ends vanish.  `base` is a
 * decoded URL path, of the page or of its <base>; or empty when that is elsewhere.  `room` must
 * hold base.length + url.length + 2 octets.  True: `*path` in it is the decoded path,
 * NUL-terminated, as http/target.h would have it, without query and fragment.  False: elsewhere (a
 * scheme, a host, a fragment alone, nothing) or no path that this site could have (a bad escape, an
 * escaped slash or NUL). */
bool sj_reference_resolve(struct sj_text url, struct sj_text base, char *room,
                          struct sj_text *path);

#endif
