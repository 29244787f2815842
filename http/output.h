/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_OUTPUT_H
#define SJ_HTTP_OUTPUT_H
/*
 * Output: the octets of one response on their way to a socket, as parts in memory and parts
 * of one file.  Whatever is written to a connection is written by this, or offered by it to
 * http/batch.c.
 *
 * Memory goes by send and sendmsg, files by sendfile.  libevent is left out on purpose: its
 * buffers take "try again" and "the file ended early" for the same thing.  Here they are three: all
 * sent, the socket is full, and the file is no longer what its headers promised.
 *
 * Used by one thread at a time: whoever holds the connection's write right.
 */
#include <stdbool.h>
#include <stdint.h>
#include "cache/entry.h"
#include "core/transfer.h"

struct sj_part {
    const char *bytes; /* NULL: of the file */
    uint64_t first;    /* offset in the file */
    uint64_t length;
};

enum sj_output_state {
    SJ_OUTPUT_DONE,
    SJ_OUTPUT_WAITS, /* for the socket, or for its turn */
    SJ_OUTPUT_FAILED /* the client has gone, or the body cannot be completed: close */
};

struct sj_output {
    struct sj_part *parts; /* own_parts, or in `memory` */
    unsigned n_parts;
    unsigned at; /* the part that is being sent */
    struct sj_part own_parts[2];
    uint64_t sent;              /* octets given to the kernel */
    int descriptor;             /* of the file, or -1 */
    bool borrows_descriptor;    /* of the entry's file or its arena: it is not closed */
    bool is_last;               /* the connection is shut down as soon as all is sent */
    struct sj_identity promise; /* the file's state that the ETag speaks of; inode 0: no ETag */
    struct sj_entry *entry;     /* whose bytes the parts point into, or NULL */
    bool holds_entry;
    char *memory; /* from malloc, or NULL: what the parts need for as long as they live */
};

/* The empty output; then the caller adds parts. */
void sj_output_init(struct sj_output *output);
void sj_output_fini(struct sj_output *output);

/* At most two parts; more need an array of the caller's in `memory`. */
void sj_output_add(struct sj_output *output, struct sj_part part);

/* Sends as much as the socket takes and as is fair towards other connections.  Never blocks. */
enum sj_output_state sj_output_pump(struct sj_output *output, int socket);

/* For many at once: all that is left as one transfer, unless some of it is of a file or it is in
 * too many parts; false then.  took: so many octets of it were sent; pump does what is left. */
bool sj_output_offer(const struct sj_output *output, int socket, struct sj_transfer *transfer);
void sj_output_took(struct sj_output *output, size_t octets);

/* After SJ_OUTPUT_WAITS, still within the epoch section and before the composer lets its
 * scratch memory go: takes a reference on the entry, and a copy of what is left of part 0 (the
 * head). 0, or -ENOMEM: the connection must be closed. */
int sj_output_keep(struct sj_output *output);

#endif
