/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_LEDGER_H
#define SJ_CACHE_LEDGER_H
/*
 * What is known of a tree's files, kept over a restart: identity, digest, expansion.
 *
 * One file in the cache directory (cache/store.h) for each name, say a text that names the
 * roots; it is replaced whole, and verified whole before any of it is used: one that is damaged,
 * of another version or of another name counts as absent.
 *
 * Any thread; blocks on the disk.
 */
#include <stddef.h>
#include "cache/file.h"
#include "core/text.h"

/* Writes those of the files that are not racy; `directory` is made when it is missing; NULL:
 * nothing is written.  0, -ENOMEM, or -errno of the disk: then the ledger of before stays. */
int sj_ledger_write(const char *directory, struct sj_text name, const struct sj_file *const *files,
                    size_t n_files);

/* 0, with `*n_files` files in an array for free(), each with one reference of the caller's,
 * without bytes and descriptor, awaited; none and NULL when there is no ledger.  Or -ENOMEM. */
int sj_ledger_read(const char *directory, struct sj_text name, struct sj_file ***files,
                   size_t *n_files);

#endif
