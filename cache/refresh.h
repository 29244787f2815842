/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_REFRESH_H
#define SJ_CACHE_REFRESH_H
/*
 * Bringing the sidecars of one file up to date: f.gz, f.br and f.zst beside f, at the best effort.
 *
 * A sidecar has its file's modification time.  One that has it, and was changed later than its file
 * was, is settled: neither of the two is read.  Any other is expanded.  Where that gives the file's
 * content the sidecar stays, whoever made it, and only gets the time; else it is made anew, or
 * removed where it does not pay.
 *
 * Sidecars are replaced whole (cache/replace.h), with the permissions and, as far as that is
 * allowed, the owner of their file.  What is written goes into the directory that was resolved
 * below the root, whatever its name has come to lead to meanwhile.
 */
#include <stdbool.h>
#include <stdint.h>
#include "cache/scan.h"
#include "cache/sidecar.h"

/* What one thread works with; on the heap. */
struct sj_refresher {
    const bool *codings; /* SJ_CODINGS of them: which are wanted; others are not looked at */
    struct sj_reader *reader;
    char *room;
};

/* What became of the sidecars of one coding. */
struct sj_refresh_count {
    uint64_t n_written;
    uint64_t n_kept;
    uint64_t n_removed; /* neither true nor worth making anew */
    uint64_t n_unpaid;  /* files without one, as it does not pay */
    uint64_t n_bytes;   /* of those written and kept */
};

/* `is_cancelled` as in struct sj_reader.  0 or -ENOMEM. */
int sj_refresher_init(struct sj_refresher *refresher, const bool codings[SJ_CODINGS],
                      const uint32_t *is_cancelled);
void sj_refresher_fini(struct sj_refresher *refresher);

/* Is all settled, or is there something to do?  Pure; no file is looked at. */
bool sj_refresh_is_settled(const struct sj_scan_directory *directory,
                           const struct sj_scan_file *file, const bool codings[SJ_CODINGS]);

/* Blocks.  Adds to `counts`, one for each coding.  0, also when the file was not there any more; or
 * -errno, the codings before then are done: -ECANCELED, as in sj_encode; of reading the file or a
 * sidecar, -ESTALE when it changes meanwhile; of writing beside it. */
int sj_refresh(struct sj_refresher *refresher, const struct sj_scan_directory *directory,
               const struct sj_scan_file *file, struct sj_refresh_count counts[SJ_CODINGS]);

#endif
