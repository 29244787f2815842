/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_HTML_H
#define SJ_CACHE_HTML_H
/* Values of HTML attributes (WHATWG HTML).  Pure, any thread. */
#include <stdbool.h>
#include "core/text.h"

static inline bool sj_html_is_space(char octet)
{
    return octet == ' ' || octet == '\t' || octet == '\n' || octet == '\f' || octet == '\r';
}

/* Of a digit or an ASCII letter, in either case; what is none in this radix (up to 36) is 36. */
unsigned sj_html_digit(char octet, unsigned radix);

/* Without control characters and spaces on either side, as the URL standard has it. */
struct sj_text sj_html_strip(struct sj_text text);

/* The value with its character references decoded: the numeric ones, and those that URLs are
 * written with (&amp; &lt; &gt; &quot; &apos;).  `room` must hold value.length octets. */
struct sj_text sj_html_decode(struct sj_text value, char *room);

/* The URL of the next candidate of a srcset, which is cut off at the front.  False: no more. */
bool sj_html_next_candidate(struct sj_text *srcset, struct sj_text *url);

#endif
