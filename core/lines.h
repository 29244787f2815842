/* SPDX-License-Identifier: MIT */
#ifndef SJ_CORE_LINES_H
#define SJ_CORE_LINES_H
/* Memory that begins on a cache line of its own, for what threads share. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "core/pr.h"

/* Zeroed, for free(); NULL: no memory. */
static inline void *sj_lines_new(size_t size)
{
    size_t whole = (size + SJ_CACHE_LINE - 1) / SJ_CACHE_LINE * SJ_CACHE_LINE;
    void *lines = aligned_alloc(SJ_CACHE_LINE, whole);

    if (lines != NULL)
        memset(lines, 0, whole);
    return lines;
}

#endif
