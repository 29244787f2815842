/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_SIDECAR_H
#define SJ_CACHE_SIDECAR_H
/*
 * Pre-compressed variants beside a file (f.gz, f.br, f.zst): are they what they claim to be?
 *
 *   gzip  RFC 1952, all members     br  RFC 7932     zstd  RFC 8878, windows to 8 MiB (RFC 9659)
 *
 * A variant is expanded to its end, and the digest of what comes out is compared with the
 * file's.  Nothing may follow the compressed data.  Output is never kept, and expanding stops
 * beyond `limit` bytes: a bomb costs no more than the file itself would.
 */
#include <stddef.h>
#include "cache/entry.h"
#include "cache/scratch.h"
#include "core/pr.h"

#define SJ_READER_SIZE 131072

/* What one thread reads, expands and compresses with; on the heap, it is large. */
struct sj_reader {
    const uint32_t *is_cancelled; /* 1 ends the reading and expanding soon; NULL: nothing does */
    struct XXH3_state_s *state;
    struct sj_scratch scratch;
    struct ZSTD_CCtx_s *zstd; /* NULL: not needed yet; cache/encode.c */
    char buffer[SJ_READER_SIZE];
};

/* NULL: no memory. */
struct sj_reader *sj_reader_new(void);
void sj_reader_free(struct sj_reader *reader);

/* The load pairs with the store in sj_index_cancel: without order, as nothing follows from it but
 * the end. */
static inline bool sj_reader_is_cancelled(const struct sj_reader *reader)
{
    return reader->is_cancelled != NULL && ck_pr_load_32(reader->is_cancelled) != 0;
}

struct sj_sidecar {
    const char *bytes; /* or NULL: read from `descriptor`, from offset 0 */
    int descriptor;
    uint64_t size;
    enum sj_coding coding;
    uint64_t limit;
};

/* Any thread; blocks on the file.  0 and `*expansion`, or -errno (-ENOMEM, -EIO, -ECANCELED
 * ...). */
int sj_sidecar_expand(const struct sj_sidecar *sidecar, struct sj_reader *reader,
                      struct sj_expansion *expansion);

/* Does the result of an earlier expansion (NULL: there was none) answer for this limit as well? */
bool sj_expansion_is_known(const struct sj_expansion *expansion, enum sj_coding coding,
                           uint64_t limit);

/* Does `variant`, which is on the disk, expand to exactly the content of `file`? */
bool sj_sidecar_is_true(const struct sj_file *variant, enum sj_coding coding,
                        const struct sj_file *file);

/* Is the variant no older than its file?  Compared in seconds, as many tools copy no more. */
bool sj_sidecar_is_fresh(const struct sj_identity *variant, const struct sj_identity *file);

#endif
