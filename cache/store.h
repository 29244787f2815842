/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_STORE_H
#define SJ_CACHE_STORE_H
/*
 * The cache directory: compressed variants, found again by what they were made of.
 *
 *   PATH/variants/ab/abcdef...-LENGTH.br11-w24-1.0.9     one record each, mode 0600
 *   PATH/ledger-*                                        see cache/ledger.h
 *
 * A record is the payload, so that it can be sent from offset 0, and a footer: key, length and
 * XXH3-128 of the payload, "does not pay", and a checksum over itself.  Records are written to a
 * temporary name and renamed, and never changed after that.  They are not synced to the disk, since
 * each is verified whole whenever it is found: what a crash has damaged counts as not there, and
 * is removed.  Any number of processes may share the directory, and be killed at any moment.
 *
 * The directory is a help, never a condition.  When something fails there (full, read-only, no
 * permission, no descriptors, removed), the log says so once, what is made lives in memory,
 * in the file that commit gives, and the next record tries again.
 *
 * Any thread may make any call at any time, but for open and close; a writer belongs to one thread.
 * All but bytes and path block on the disk.
 */
#include <stddef.h>
#include <stdint.h>
#include "cache/encode.h"
#include "cache/file.h"
#include "cache/sidecar.h"

struct sj_log;
struct sj_store;
struct sj_store_writer;

struct sj_store_settings {
    const char *path;       /* copied; made when it is missing, 0700; NULL: no directory, nothing is
                             * ever found */
    uint64_t byte_limit;    /* of the directory, for sj_store_trim */
    uint64_t memory_limit;  /* bytes of one record that has to live in memory */
    struct sj_arena *arena; /* for large records that are held, or NULL; outlives the store */
    struct sj_log *log;     /* outlives the store */
};

/* What a variant is made of.  The codec's settings (sj_encode_settings) follow from it. */
struct sj_store_key {
    uint8_t digest[16]; /* XXH3-128 of the content */
    uint64_t length;    /* of the content */
    enum sj_coding coding;
    enum sj_effort effort;
};

/* 0 or -ENOMEM; a directory that cannot be made is no error, but said. */
int sj_store_open(const struct sj_store_settings *settings, struct sj_store **store);

/* After all writers; files that it gave stay. */
void sj_store_close(struct sj_store *store);

/* The directory's absolute path, or NULL. */
const char *sj_store_path(const struct sj_store *store);

enum sj_store_outcome { SJ_STORE_ABSENT, SJ_STORE_FOUND, SJ_STORE_DOES_NOT_PAY };

/* An outcome; or -ENOMEM, -ECANCELED (the reader says so).  FOUND: `*file`, verified, with one
 * reference.  `length` and `digest` are the payload's; `bytes` are held up to `hold_limit` of them,
 * else `descriptor` stays open, and the file is on the disk, as the record.
 * Reads the payload once.  Uses are noted in the record's access time, once a day: the time of
 * modification stays, as those who send from a descriptor compare it. */
int sj_store_find(struct sj_store *store, const struct sj_store_key *key, uint64_t hold_limit,
                  struct sj_reader *reader, struct sj_file **file);

/* Begins a record: 0 and `*writer`, or -ENOMEM.  Nobody finds it before commit. */
int sj_store_begin(struct sj_store *store, const struct sj_store_key *key,
                   struct sj_store_writer **writer);

/* Appends to the payload; a sink for sj_encode, whose argument is the writer.  0; -ENOMEM; -EFBIG:
 * it has to live in memory, and is too large for that; -EIO: cannot be read back into memory. */
int sj_store_write(void *writer, const void *bytes, size_t length);

/* These three end the writer.  Commit: 0 and `*file` as from sj_store_find, or as sj_store_write
 * says.  Refuse: the record says that compressing does not pay. */
int sj_store_commit(struct sj_store_writer *writer, uint64_t hold_limit, struct sj_file **file);
void sj_store_refuse(struct sj_store_writer *writer);
void sj_store_abort(struct sj_store_writer *writer);

/* Counts the directory, and when it holds more than its limit removes what was used least recently,
 * down to 90 %; also temporary files older than an hour.  0, -ENOMEM, or -errno of a directory
 * that cannot be read (the rest is done).  Takes some microseconds for each record. */
int sj_store_trim(struct sj_store *store);

/* About what the records take on the disk, in blocks of 4 KiB: as counted by the last trim
 * (before it: 0), and what this process did since. */
uint64_t sj_store_bytes(const struct sj_store *store);

#endif
