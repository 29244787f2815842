/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_RANGE_H
#define SJ_HTTP_RANGE_H
/* Byte ranges: RFC 9110 section 14.  Pure. */
#include <stddef.h>
#include <stdint.h>
#include "core/text.h"

#define SJ_RANGES_MAX 16

struct sj_range {
    uint64_t first;
    uint64_t length; /* above 0 */
};

/* The Range field's value, against a representation of `size` octets.  The number of ranges in
 * `ranges`, in ascending order as sent, clipped to size, without overlap, those beyond it left out;
 * 0: ignore the field (another unit, off the grammar, more than SJ_RANGES_MAX, not ascending,
 * overlapping, or satisfied by the last octets of nothing); -ERANGE: none can be satisfied, answer
 * 416. Whether several ranges are worth a multipart response is for the caller to judge. */
int sj_ranges_parse(struct sj_text value, uint64_t size, struct sj_range ranges[SJ_RANGES_MAX]);

#endif
