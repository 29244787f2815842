/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_OUTLINE_H
#define SJ_HTTP_OUTLINE_H
/*
 * JSON as aligned text for people, so that the two are never of two minds.  Pure.
 *
 *   {"state": "serving", "sent_bytes": 12,           state        serving
 *    "addresses": ["a", "b"],                        sent, bytes  12
 *    "index": {"urls": 3},                           addresses    a, b
 *    "loops": [{"polls": 1}, {"polls": 22}]}         index
 *                                                      urls  3
 *                                                    loops
 *                                                      polls  1  22
 *
 * A list of objects is a table, one column an object; its rows are the members of the first.  In
 * names "_" becomes a space, and a unit at the end (bytes, s, ms, ns) follows a comma.
 */
#include <jansson.h>

/* From malloc; NULL: no memory.  `object` stays as it is. */
char *sj_outline(json_t *object);

#endif
