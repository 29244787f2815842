/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_WARM_H
#define SJ_CACHE_WARM_H
/*
 * Warm starts: an unchanged tree is served before any of its contents is read.
 *
 *   start         new      reads the ledger of the last run; early answers go by it (cache/early.h)
 *   first build   take     the ledger's files go into the stock; its task
 *   begin of one  settle   what came of the filling; its task
 *   end of one    note     which of them it has found again; the controlling thread
 *   else          fill     the bytes that are to be held, the descriptors; a heavy task
 *                 list     what the next ledger is to say; the controlling thread
 *                 write    that ledger; a heavy task
 *
 * A file is believed to have the ledger's digest as long as it is in the very state that the ledger
 * names.  Until it is filled it is sent by its path, as any file that is not held.  Bytes that do
 * not have the digest are not taken; the next build reads that file, and the ledger is without it.
 */
#include <stdbool.h>
#include <stdint.h>
#include "cache/ledger.h"
#include "cache/settings.h"
#include "cache/stock.h"
#include "core/log.h"

struct sj_warm;

struct sj_warm_config {
    const char *directory;              /* of the ledger; NULL: there is none, and nothing to do */
    const struct sj_settings *settings; /* this and the log outlive it */
    struct sj_log *log;
    unsigned n_workers;
};

/* Reads the ledger; where memory lacks for that, the start is colder, no more.  NULL: no memory. */
struct sj_warm *sj_warm_new(const struct sj_warm_config *config);

/* When no other call is under way. */
void sj_warm_free(struct sj_warm *warm);

/* The ledger of the last run, until it is taken; or NULL. */
struct sj_ledger *sj_warm_ledger(const struct sj_warm *warm);

/* In the first build; in later ones nothing is left to take. */
void sj_warm_take(struct sj_warm *warm, struct sj_stock *stock);

/* It may be beside a fill of before. */
void sj_warm_note(struct sj_warm *warm, struct sj_stock *stock);

/* In a heavy task; ends soon when `is_paused` becomes 1. */
void sj_warm_fill(struct sj_warm *warm, const uint32_t *is_paused);

/* No fill is under way. */
void sj_warm_settle(struct sj_warm *warm);

/* Where no fill is under way.  Is there something to fill?  Was some file not as it is known, since
 * the last call? */
bool sj_warm_has_work(const struct sj_warm *warm);
bool sj_warm_has_doubts(struct sj_warm *warm);

/* Takes references on the files; write gives them back.  0 or -ENOMEM. */
int sj_warm_list(struct sj_warm *warm, const struct sj_stock *stock);
void sj_warm_write(struct sj_warm *warm);

#endif
