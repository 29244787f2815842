/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_ENCODE_H
#define SJ_CACHE_ENCODE_H
/*
 * Compressing one content in one coding, piece by piece.
 *
 *   gzip  RFC 1952, one member, without name and time     br  RFC 7932     zstd  RFC 8878, with
 *   the content's size, without dictionary, windows to 8 MiB (RFC 9659)
 *
 * Memory: the reader's buffer and what the codec takes for itself.  The same content gives the same
 * octets, from memory or from a file, as long as sj_encode_settings says the same.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cache/entry.h"
#include "cache/sidecar.h"
#include "core/text.h"

/* FAST is for having all variants soon, BEST for having small ones. */
enum sj_effort { SJ_EFFORT_FAST, SJ_EFFORT_BEST, SJ_EFFORTS };

/* Takes the output: 0; or -errno, which ends the encoding. */
struct sj_sink {
    int (*write)(void *argument, const void *bytes, size_t length);
    void *argument;
};

struct sj_encode_request {
    const char *bytes; /* or NULL: read from `descriptor` with pread, from offset 0 */
    int descriptor;
    uint64_t length;       /* of the content */
    const uint8_t *digest; /* 16 octets, XXH3-128 that the content must have; NULL: any */
    enum sj_coding coding; /* not identity */
    enum sj_effort effort;
};

enum sj_encode_outcome {
    SJ_ENCODED,
    SJ_DOES_NOT_PAY /* more than 95 % of the content: what went to the sink is of no use */
};

/* Any thread; blocks on the file.  0 and `*outcome`; -ESTALE: the content is not of that length or
 * digest, it changed meanwhile; -ECANCELED: the reader says so; -ENOMEM, -EIO; or what the sink
 * said.  Cancelling is noticed between the codec's steps, which are short but for brotli's best:
 * that works up to some MB at once, for 4 s at the most. */
int sj_encode(const struct sj_encode_request *request, struct sj_reader *reader,
              const struct sj_sink *sink, enum sj_encode_outcome *outcome);

#define SJ_SETTINGS_SIZE 48 /* the NUL included */

/* What the output depends on besides the content, library and version included: a short text such
 * as "br11-w24-1.0.9", fit for a file name. */
void sj_encode_settings(enum sj_coding coding, enum sj_effort effort, char text[SJ_SETTINGS_SIZE]);

/* By the ending of a file's name: false for what is compressed already.  Pure. */
bool sj_encode_is_wanted(struct sj_text name);

#endif
