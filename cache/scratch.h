/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_SCRATCH_H
#define SJ_CACHE_SCRATCH_H
/*
 * Memory that codecs take and give back for each file anew.  What is given back is kept for the
 * next: from the C library it would be mapped, faulted in and unmapped each time, for which the
 * threads of a process wait in line.
 *
 * Of one thread at a time.  Zeroed it is empty.
 */
#include <stddef.h>

#define SJ_SCRATCH_CLASSES 16 /* blocks of 1 KiB, 2 KiB ... 32 MiB; larger ones are not kept */

struct sj_scratch {
    void *kept[SJ_SCRATCH_CLASSES]; /* lists */
    size_t n_kept;                  /* bytes in them, bounded */
};

/* At least `size` bytes, aligned as malloc does, of any content; NULL: no memory.  The scratch is
 * untyped for the codecs' sake. */
void *sj_scratch_take(void *scratch, size_t size);

/* NULL is allowed. */
void sj_scratch_give(void *scratch, void *block);

/* When all has been given back. */
void sj_scratch_fini(struct sj_scratch *scratch);

#endif
