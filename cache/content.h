/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_CONTENT_H
#define SJ_CACHE_CONTENT_H
/*
 * Reading a file's content for the index: one state of it, whole.
 *
 * The file is looked at (fstat) before and after it is read.  Where the two differ it is read once
 * more, a few times; so identity, digest and bytes always belong together.  Only a change within
 * the clock tick in which the file was read can hide: then `is_racy` is set, and such a file is
 * read again by the next build.
 */
#include <stdint.h>
#include "cache/file.h"
#include "cache/sidecar.h"

/* Time stamps advance in ticks of up to 10 ms; this leaves some room. */
#define SJ_RACY_NS 20000000

struct sj_content_request {
    const struct sj_root *root;
    const char *path;
    struct sj_arena *arena;   /* for large bodies that are held, or NULL */
    uint64_t hold_limit;      /* bytes are kept unless there are more */
    bool keeps_open;          /* then the descriptor is */
    enum sj_coding coding;    /* unless identity: expanded as well */
    uint64_t expansion_limit; /* bytes */
};

/* Any thread; blocks.  0 and `*file` with one reference, or -errno: as sj_root_open, -EIO,
 * -ENOMEM; -ESTALE: it kept changing; -ECANCELED: the reader says so. */
int sj_content_read(const struct sj_content_request *request, struct sj_reader *reader,
                    struct sj_file **file);

#endif
