/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_STORE_PRIVATE_H
#define SJ_CACHE_STORE_PRIVATE_H
/* What the files of the store share: names and form of a record. */
#include <limits.h>
#include "cache/store.h"

struct sj_store {
    char *path; /* absolute; NULL: no directory */
    struct sj_log *log;
    struct sj_arena *arena;
    uint64_t byte_limit;
    uint64_t memory_limit;
    uint64_t bytes; /* any thread adds, without order: it is a count */
    uint32_t has_warned;
};

#define SJ_RECORD_VERSION 1

/* What stands behind the payload; all numbers little-endian. */
struct sj_record_footer {
    uint8_t magic[8];
    uint32_t version;
    uint32_t does_not_pay; /* 0 or 1 */
    uint8_t content_digest[16];
    uint64_t content_length;
    uint64_t payload_length;
    uint8_t payload_digest[16];
    char settings[SJ_SETTINGS_SIZE]; /* padded with NUL */
    uint64_t checksum;               /* XXH3-64 of all before */
};

struct sj_record_name {
    char settings[SJ_SETTINGS_SIZE];
    char path[PATH_MAX];
};

/* False: the path is too long; then it is empty. */
bool sj_record_name(const struct sj_store *store, const struct sj_store_key *key,
                    struct sj_record_name *name);

/* All but the payload's part and the checksum, which seal adds. */
void sj_record_describe(const struct sj_store_key *key, const char *settings,
                        struct sj_record_footer *footer);

/* Has it a right checksum, and what describe has set in `wanted`? */
bool sj_record_is_it(const struct sj_record_footer *footer, const struct sj_record_footer *wanted);

void sj_record_seal(struct sj_record_footer *footer, uint64_t length, const uint8_t digest[16]);

/* The disk failed: says so, the first time. */
void sj_store_warn(struct sj_store *store, const char *path, int error);

/* For a payload that is sent from its record, in that state; NULL: no memory. */
struct sj_file *sj_record_file(const struct stat *status);

/* Reads the whole of a record's payload, of which `file` says length and digest; into its space,
 * or through the reader.  0; -EBADMSG: it is shorter, or another; -ECANCELED; or what pread
 * said. */
int sj_record_read(const struct sj_file *file, int descriptor, char *room,
                   struct sj_reader *reader);

/* What a file of that size takes. */
static inline uint64_t sj_record_room(uint64_t size)
{
    return (size + 4095) / 4096 * 4096;
}

#endif
