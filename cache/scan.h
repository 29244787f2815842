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
 *
 * A tree is kept from build to build (cache/stock.h), and single directories in it are read again
 * (cache/delta.h).  What is made of a directory hangs on it as long as it stays as it is.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cache/entry.h"
#include "cache/fault.h"
#include "cache/file.h"
#include "core/group.h"

struct sj_sheaf;
struct sj_watch;
struct sj_want;

#define SJ_SCAN_LINKED_MAX 65536 /* directories at or below links */

struct sj_scan_file {
    struct sj_identity identity;   /* first: a key of cache/set.h */
    uint32_t name;                 /* offset in the directory's names; NUL-terminated */
    uint32_t sidecars[SJ_CODINGS]; /* 1 + index in `files`; 0: none */
    bool is_sidecar;
    bool is_link;
    bool is_odd; /* not to be served: a dot name, or one that cannot be in a URL */
    union {
        struct sj_want *want; /* until the directory has its sheaf: the builder's own */
        struct sj_file *file; /* then: what was read, in use (cache/stock.h); or NULL */
    };
};

struct sj_scan_directory {
    struct sj_task task; /* first */
    struct sj_scan *scan;
    struct sj_scan_directory *parent, *children, *next;
    struct sj_identity identity;      /* device and inode alone; zero until it is open */
    int watch;                        /* of cache/watch.h; -1: not watched */
    bool is_linked;                   /* reached through a link, or below such a one */
    bool is_link;                     /* itself a link */
    bool is_loop;                     /* its own ancestor: neither read nor watched */
    bool is_kept;                     /* by the new state of its parent */
    bool is_marked;                   /* by cache/delta.c: to be read again */
    bool is_buried;                   /* see cache/stock.h */
    bool has_links;                   /* symbolic ones; */
    bool has_bad_links;               /* which may lead somewhere once something else has changed */
    bool has_odd_names;               /* which are not told apart */
    struct sj_scan_directory **known; /* its children before, by path, while it is read again */
    size_t n_known;
    struct sj_scan_file *files;
    uint32_t n_files;
    uint32_t names_length, names_room;
    char *names;
    struct sj_fault *faults;
    uint64_t faults_digest; /* of those that the walk has found */
    struct sj_sheaf *sheaf; /* the entries made of it; NULL: not made yet */
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
    uint32_t is_limited; /* one of the limits was met */
    struct sj_scan_directory *top;
};

/* Spawns the walk into scan->group; the first seven members are set, the rest zero.  After the join
 * `top` and `error` may be read.  0 or -ENOMEM. */
int sj_scan_start(struct sj_scan *scan);

/* Spawns the reading of one directory's new state, with the walk over what is new below it; old
 * children that are still there are marked as kept.  Nothing else is changed.  The new state, to
 * be exchanged or freed after the join; NULL: no memory. */
struct sj_scan_directory *sj_scan_again(struct sj_scan_directory *directory);

/* After the join: `directory` gets the new state, with the children that it keeps, and `*again`
 * the old one, with those that are gone. */
void sj_scan_exchange(struct sj_scan_directory *directory, struct sj_scan_directory *again);

/* With all below it; it hangs on nothing any more. */
void sj_scan_free(struct sj_scan_directory *directory);

/* After the join, whatever start and the walk have said. */
void sj_scan_fini(struct sj_scan *scan);

/* Preorder: the first is `top` (scan->top, or where a part begins); NULL after the last. */
struct sj_scan_directory *sj_scan_next(const struct sj_scan_directory *directory,
                                       const struct sj_scan_directory *top);

static inline const char *sj_scan_name(const struct sj_scan_directory *directory,
                                       const struct sj_scan_file *file)
{
    return directory->names + file->name;
}

#endif
