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
 * Any thread; reading and writing block on the disk.
 */
#include <stddef.h>
#include "cache/file.h"
#include "core/text.h"

/* As it was read: counted references, and immutable. */
struct sj_ledger;

/* Writes those of the files that are not racy; `directory` is made when it is missing; NULL:
 * nothing is written.  0, -ENOMEM, or -errno of the disk: then the ledger of before stays. */
int sj_ledger_write(const char *directory, struct sj_text name, const struct sj_file *const *files,
                    size_t n_files);

/* 0, and NULL when there is none or no file in it; or -ENOMEM. */
int sj_ledger_read(const char *directory, struct sj_text name, struct sj_ledger **ledger);
void sj_ledger_acquire(struct sj_ledger *ledger);
void sj_ledger_release(struct sj_ledger *ledger); /* NULL is allowed */

/* Its files, by number or by their state: without bytes and descriptor, awaited, with one reference
 * of the caller's.  NULL: no memory; find: or there is none in just that state. */
size_t sj_ledger_size(const struct sj_ledger *ledger);
struct sj_file *sj_ledger_get(const struct sj_ledger *ledger, size_t at);
struct sj_file *sj_ledger_find(const struct sj_ledger *ledger, const struct sj_identity *identity);

#endif
