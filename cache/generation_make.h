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
#include "cache/rules.h"
#include "cache/set.h"

struct sj_generation {
    ck_hs_t entries; /* struct sj_entry */
    ck_hs_t files;   /* struct sj_file: all that was read, used by an entry or not */
    ck_hs_t faults;  /* struct sj_fault, of `fault_list` */
    struct sj_fault *fault_list;
    struct sj_rules *rules; /* or NULL */
    struct sj_root **roots;
    size_t n_roots;
    const struct sj_entry *not_found;
    const struct sj_entry *fallback;
    struct sj_generation_summary summary;
};

/* Room for `n_roots` roots, all NULL.  The sizes are guesses.  NULL: no memory. */
struct sj_generation *sj_generation_new(size_t n_roots, size_t n_entries, size_t n_files);

/* Drops its references. */
void sj_generation_free(struct sj_generation *generation);

/* Each takes over one reference (the faults: the list); with -ENOMEM it stays the caller's.  An
 * entry replaces that with the same path. */
int sj_generation_put_entry(struct sj_generation *generation, struct sj_entry *entry);
int sj_generation_put_file(struct sj_generation *generation, struct sj_file *file);
int sj_generation_put_faults(struct sj_generation *generation, struct sj_fault *list);

/* When all is in: counts, against the one before. */
void sj_generation_sum_up(struct sj_generation *generation, const struct sj_generation *before);

/* Any thread, while the generation is held: the file read in exactly that state, or NULL. */
struct sj_file *sj_generation_file(const struct sj_generation *generation,
                                   const struct sj_identity *identity);

/* The file that a path leads to, if need be over a redirect to its directory; or NULL. */
const struct sj_entry *sj_generation_find_page(const struct sj_generation *generation,
                                               const char *path);

/* One line a URL, sorted by path; then totals and faults.  0 or -ENOMEM. */
int sj_generation_print(const struct sj_generation *generation, FILE *to);

#endif
