/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_GENERATION_MAKE_H
#define SJ_CACHE_GENERATION_MAKE_H
/*
 * Making a generation: for the builder, on one thread, before it is published; and taking it apart
 * when no reader is left.
 */
#include <stdio.h>
#include "cache/fault.h"
#include "cache/generation.h"
#include "cache/ledger.h"
#include "cache/rules.h"
#include "cache/set.h"
#include "cache/sheaf.h"

struct sj_generation {
    uint64_t references;
    ck_hs_t entries;           /* struct sj_entry, of the sheaves */
    struct sj_sheaf **sheaves; /* a reference each */
    size_t n_sheaves, room;
    uint64_t n_hidden; /* entries that a later root's stand before */
    uint64_t serial;   /* counts the builds that succeeded: it shares the sheaves of the one before,
                        * and of no other need it */
    ck_hs_t faults;    /* struct sj_fault, of `fault_list` */
    struct sj_fault *fault_list;
    struct sj_rules *rules; /* or NULL */
    struct sj_root **roots;
    size_t n_roots;
    struct sj_ledger *ledger; /* of the empty one alone: what was known before (cache/early.h) */
    const struct sj_entry *not_found;
    const struct sj_entry *fallback;
    struct sj_generation_summary summary;
};

/* Room for `n_roots` roots, all NULL.  The number of entries is a guess; `seed` is that of their
 * hashes.  With one reference; NULL: no memory. */
struct sj_generation *sj_generation_new(size_t n_roots, size_t n_entries, unsigned long seed);

/* Any thread.  NULL is allowed in release. */
void sj_generation_acquire(struct sj_generation *generation);
void sj_generation_release(struct sj_generation *generation);

/* Makes room for so many entries in all.  0 or -ENOMEM. */
int sj_generation_reserve(struct sj_generation *generation, size_t n_entries);

/* Acquires a sheaf, in the order of the roots: an entry stands before that of an earlier root with
 * the same path.  0, or -ENOMEM and the generation is good for nothing. */
int sj_generation_put_sheaf(struct sj_generation *generation, struct sj_sheaf *sheaf);

/* Takes over the list; with -ENOMEM it stays the caller's. */
int sj_generation_put_faults(struct sj_generation *generation, struct sj_fault *list);

/* When all is in: counts, against the one before. */
void sj_generation_sum_up(struct sj_generation *generation, const struct sj_generation *before);

/* The file that a path leads to, if need be over a redirect to its directory; or NULL. */
const struct sj_entry *sj_generation_find_page(const struct sj_generation *generation,
                                               const char *path);

/* One line a URL, sorted by path; then totals and faults.  0 or -ENOMEM. */
int sj_generation_print(const struct sj_generation *generation, FILE *to);

#endif
