/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_REPLACE_H
#define SJ_CACHE_REPLACE_H
/*
 * Files that are replaced whole: written under a temporary name in the same directory, and renamed.
 *
 * Whoever opens the final name sees the file of before or the new one, also while other processes
 * replace it.  Nothing is synced: after a crash of the machine a file may be empty or have holes,
 * so whoever reads it has to verify it.  A process that is killed leaves its temporary file.
 *
 * One thread at a time for each replacement; blocks.  Directories that are missing are made, 0700.
 */
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* Names of temporary files begin so; what follows is random, so that processes do not meet.  The
 * dot: where a tree is served that is being written to, the server passes them over. */
#define SJ_TEMPORARY_PREFIX ".tmp-"

struct sj_replacement {
    int descriptor; /* for reading and writing */
    char temporary[PATH_MAX];
};

/* Makes a temporary file beside `path`, mode 0600: 0 or -errno. */
int sj_replacement_begin(struct sj_replacement *replacement, const char *path);

/* Appends: 0 or -errno; then part of it may have been written. */
int sj_replacement_write(struct sj_replacement *replacement, const void *bytes, size_t length);

/* 0; or -errno, the temporary name then is gone.  In any case the descriptor stays open, and is
 * the caller's. */
int sj_replacement_commit(struct sj_replacement *replacement, const char *path);

/* Closes and removes. */
void sj_replacement_abort(struct sj_replacement *replacement);

/* Makes a directory and those above it: 0 (also when it is there) or -errno. */
int sj_make_directories(const char *path);

#endif
