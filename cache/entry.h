/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_ENTRY_H
#define SJ_CACHE_ENTRY_H
/*
 * An entry: what one URL path answers.  Immutable once published, counted references.
 *
 * Header fields are prepared when the entry is made, as whole lines, each with its CRLF.  Those
 * that come of its representations (ETag, Content-Encoding, Vary) are written for each response:
 * that takes less time than to fetch them from memory, where they would be half of the entry.
 */
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include "cache/file.h"
#include "core/text.h"

enum sj_coding { SJ_IDENTITY, SJ_GZIP, SJ_BR, SJ_ZSTD, SJ_CODINGS };

/* "identity", "gzip", "br", "zstd"; and the file name endings "", ".gz", ".br", ".zst". */
extern const struct sj_text sj_coding_names[SJ_CODINGS];
extern const struct sj_text sj_coding_endings[SJ_CODINGS];

enum sj_entry_kind { SJ_ENTRY_FILE, SJ_ENTRY_REDIRECT };

struct sj_representation {
    struct sj_file *file; /* NULL: this coding does not exist */
    const char *source;   /* path below the root, NUL-terminated; NULL: a variant of our own */
};

#define SJ_ETAG_MAX 28 /* quotes, 22 characters for 128 bits, the ending of a coding */

/* The entity-tag of a content in a coding, with its quotes, in `room`; it is strong, and differs
 * even between codings with the same octets. */
struct sj_text sj_etag(char room[SJ_ETAG_MAX], const uint8_t digest[16], enum sj_coding coding);

struct sj_entry {
    struct sj_text path; /* decoded URL path, from "/": the key; first, see cache/generation.c */
    uint64_t references;
    enum sj_entry_kind kind;
    bool is_immutable; /* its name carries a hash of its content */
    bool has_origin;   /* `fields` has Access-Control-Allow-Origin: send no other */
    time_t modified;   /* of the identity representation; 0: unknown, no Last-Modified */
    union {
        struct sj_text type;     /* FILE: "text/css; charset=utf-8" */
        struct sj_text location; /* REDIRECT: percent-encoded relative reference, without query */
    };
    struct sj_text fields; /* Cache-Control, Last-Modified, --headers' own; not Content-Type */
    struct sj_root *root;
    struct sj_representation representations[SJ_CODINGS];
};

/* Any thread.  A response that is not finished within the epoch section in which it found its entry
 * (cache/index.h) holds a reference until its last octet has gone to the kernel: a slow client
 * keeps alive that entry, not a generation. */
void sj_entry_acquire(struct sj_entry *entry);
void sj_entry_release(struct sj_entry *entry);

/* Of files: the same octets, without a coding; and also the same type and header fields.  Variants
 * and times do not count: they come and go while nothing has changed. */
bool sj_entry_has_same_content(const struct sj_entry *a, const struct sj_entry *b);
bool sj_entry_is_unchanged(const struct sj_entry *a, const struct sj_entry *b);

#endif
