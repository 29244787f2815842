/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_VARIANTS_H
#define SJ_CACHE_VARIANTS_H
/*
 * The compressed variants of our own: a register of them by content, and the work that makes them.
 *
 *   begin of a build   settle   what was made goes into the register; its task
 *   there              find     what an entry gets; its tasks
 *   end of a build     note     what is to be planned for; or
 *                      served   the same files, with what was settled; the controlling thread
 *   else               work     a plan of what is missing; then some of it; a heavy task
 *
 * Contents that may be compressed (cache/encode.h) and have no true sidecar under some name are
 * wanted in gz, br and zst: from the store when it has them, else they are made and stored.  First
 * all fast ones, then the best ones, which replace them; small files first.  A content is one,
 * under however many names; and one that does not pay is not tried again.
 *
 * Variants are held in memory as far as the files leave room there; others keep a record of the
 * store open; and what would take too much of both is not served.
 */
#include <stdbool.h>
#include "cache/entry.h"

struct sj_generation;
struct sj_store;
struct sj_stock;
struct sj_variants;

struct sj_variants_config {
    struct sj_store *store; /* outlives the variants */
    unsigned n_workers;
    uint64_t memory_limit;      /* bytes held, of files and variants */
    uint64_t memory_file_limit; /* of one variant */
    uint64_t open_files_limit;  /* of files and variants */
};

/* NULL: no memory. */
struct sj_variants *sj_variants_new(const struct sj_variants_config *config);

/* When no other call is under way. */
void sj_variants_free(struct sj_variants *variants);

/* Any thread, while a build runs, after settle.  Borrowed; or NULL. */
struct sj_file *sj_variants_find(const struct sj_variants *variants, const struct sj_file *identity,
                                 enum sj_coding coding);

/* No work is under way.  True: there are others now than before. */
bool sj_variants_settle(struct sj_variants *variants);

/* After a build that succeeded; it may be beside work of before.  Note: what is to be planned for,
 * and what it takes of the memory; without memory for that nothing is planned.  Served: a build for
 * variants alone. */
void sj_variants_note(struct sj_variants *variants, const struct sj_generation *generation,
                      const struct sj_stock *stock);
void sj_variants_served(struct sj_variants *variants, const struct sj_generation *generation,
                        const struct sj_stock *stock);

struct sj_variants_orders {
    const uint32_t *is_paused;    /* 1: a build waits for a worker */
    const uint32_t *is_cancelled; /* 1: the program ends; then is_paused is, too */
};

/* In a heavy task, one at a time: works for half a second, later longer, or until it is paused.
 * With more than one worker, one of them is free for a build soon, whatever is being made. */
void sj_variants_work(struct sj_variants *variants, const struct sj_variants_orders *orders);

/* Where no work is under way.  Is there work left?  Is there something to settle?  Has some file
 * turned out not to be as indexed since the last call? */
bool sj_variants_has_work(const struct sj_variants *variants);
bool sj_variants_has_news(const struct sj_variants *variants);
bool sj_variants_has_doubts(struct sj_variants *variants);

struct sj_variants_status {
    uint64_t n_served; /* in the register */
    uint64_t n_bytes;
    uint64_t n_pending;    /* wanted, and not served or found not to pay; 0: all are there */
    uint64_t n_improving;  /* not yet at their best; 0: nothing is left to do */
    uint64_t n_compressed; /* by this process, at either effort, with those that do not pay */
    uint64_t n_found;      /* in the store, with those */
};

/* Any thread; a moment's values. */
void sj_variants_status(const struct sj_variants *variants, struct sj_variants_status *status);

#endif
