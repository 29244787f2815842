/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_GENERATION_H
#define SJ_CACHE_GENERATION_H
/*
 * A generation: an immutable set of entries by URL path (ck_hs, XXH3), built once and published.
 */
#include <stddef.h>
#include <stdint.h>
#include "cache/entry.h"

struct sj_generation;

struct sj_generation_summary {
    uint64_t number;       /* 1, 2, ... */
    uint64_t n_urls;       /* entries that are files */
    uint64_t n_bytes;      /* of their identity representations */
    uint64_t n_held_bytes; /* of bodies in memory */
    uint64_t n_faults;     /* bad entries skipped, stale variants, ... : each was logged */
    uint64_t n_added, n_changed, n_removed, n_unchanged; /* URLs, against the one before */
    uint64_t n_files_read;                               /* whose content was read for this one */
    uint64_t build_ns;
};

/* Any thread, inside an epoch section or holding the generation some other way. */
const struct sj_entry *sj_generation_find(const struct sj_generation *generation, const char *path,
                                          size_t length);

const struct sj_generation_summary *sj_generation_summary(const struct sj_generation *generation);

/* False: it is the empty one of before the first build, and what it does not have may well be
 * there. */
bool sj_generation_is_built(const struct sj_generation *generation);

/* Special entries, or NULL: the root's 404.html; the file of --spa. */
const struct sj_entry *sj_generation_not_found(const struct sj_generation *generation);
const struct sj_entry *sj_generation_fallback(const struct sj_generation *generation);

#endif
