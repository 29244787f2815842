/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_SCAN_H
#define SJ_CACHE_SCAN_H
/*
 * The walk over one root: every regular file that may be served, with its state, and which files
 * beside it are its pre-compressed variants.  No content is read.
 *
 * One subtask for each directory.  It holds one descriptor, which is closed before its children
 * are spawned: a wide or deep tree needs no more descriptors than there are workers.
 * Files are sorted by name within their directory.
 *
 * A tree is not trusted.  Whatever is not a regular file or a directory, cannot be read, leaves the
 * root or cannot be named in a URL is skipped as a fault; loops end where a directory is its own
 * ancestor; and the directories reached through links are bounded, and the files in them, as a few
 * links can span a tree without end.  Dot names are passed over in silence, unless they are to be
 * served.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cache/entry.h"
#include "cache/fault.h"
#include "cache/file.h"
#include "core/group.h"

struct sj_watch;
struct sj_want;

#define SJ_SCAN_LINKED_MAX 65536 /* directories at or below links */

struct sj_scan_file {
    struct sj_identity identity;
    size_t name;                 /* offset in the directory's names; NUL-terminated */
    size_t sidecars[SJ_CODINGS]; /* 1 + index in `files`; 0: none */
    bool is_sidecar;
    struct sj_want *want; /* the builder's own */
};

struct sj_scan_directory {
    struct sj_task task; /* first */
    struct sj_scan *scan;
    struct sj_scan_directory *parent, *children, *next;
    uint64_t device, inode;
    bool is_linked; /* reached through a link, or below such a one */
    struct sj_scan_file *files;
    size_t n_files;
    char *names;
    size_t names_length, names_room;
    struct sj_fault *faults;
    size_t path_length;
    char path[]; /* below the root: "" or "a/b/" */
};

struct sj_scan {
    struct sj_root *root;
    struct sj_watch *watch; /* or NULL; told of each directory before it is read */
    struct sj_group *group;
    const uint32_t *is_cancelled; /* 1 ends the walk soon: error is -ECANCELED */
    uint64_t linked_files_limit;  /* files in directories that are reached through links */
    bool serves_dotfiles;
    int error; /* -ENOMEM, -EMFILE, -ENFILE, -ECANCELED, the root's own: the walk is not complete */
    uint32_t n_linked;
    uint64_t n_linked_files;
    struct sj_scan_directory *top;
};

/* Spawns the walk into scan->group; the first seven members are set, the rest zero.  After the join
 * `top` and `error` may be read.  0 or -ENOMEM. */
int sj_scan_start(struct sj_scan *scan);

/* After the join, whatever start and the walk have said. */
void sj_scan_fini(struct sj_scan *scan);

/* Preorder: the first is scan->top; NULL after the last. */
struct sj_scan_directory *sj_scan_next(const struct sj_scan_directory *directory);

static inline const char *sj_scan_name(const struct sj_scan_directory *directory,
                                       const struct sj_scan_file *file)
{
    return directory->names + file->name;
}

#endif
