/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_FILE_H
#define SJ_CACHE_FILE_H
/*
 * Files below a root: how they are opened, what tells that they have not changed, and what the
 * index keeps of their content.
 *
 * Roots and files are counted references: acquire and release from any thread; everything
 * else in them never changes once they are shared.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include "cache/arena.h"
#include "core/text.h"

/* One state of one file. */
struct sj_identity {
    uint64_t device;
    uint64_t inode;
    uint64_t size; /* bytes */
    int64_t modified_ns;
    int64_t changed_ns;
};

void sj_identity_of(const struct stat *status, struct sj_identity *identity);
bool sj_identity_equals(const struct sj_identity *a, const struct sj_identity *b);

/* Of one open file: is the content as it was?  The change time does not count: a file that is
 * unlinked, or that another is renamed over, gets a new one. */
bool sj_identity_keeps_content(const struct sj_identity *a, const struct sj_identity *b);

/* A directory that is served, opened once for each build, so that a switch of a symbolic link
 * in its path is one consistent change. */
struct sj_root {
    uint64_t references;
    int descriptor;        /* of the directory */
    bool follows_symlinks; /* out of the root, too */
    uint64_t device;
    uint64_t inode;
    char *prefix; /* of URL paths: "/" or "/a/b/" */
    char *path;   /* as configured, for messages */
};

/* What a root is made of; both texts are copied. */
struct sj_root_spec {
    const char *prefix; /* "/" or "/a/b/" */
    const char *path;
    bool follows_symlinks;
};

/* Opens a directory that can be read: 0 and `*root`, with one reference; or -errno. */
int sj_root_new(const struct sj_root_spec *spec, struct sj_root **root);

void sj_root_acquire(struct sj_root *root);
void sj_root_release(struct sj_root *root);

/* Exchanges `*root` for the one of before (or NULL), when that is the same directory. */
void sj_root_keep(struct sj_root **root, struct sj_root *before);

/* openat2 below `root` with RESOLVE_NO_MAGICLINKS, and RESOLVE_BENEATH unless the root follows
 * symlinks; O_CLOEXEC is added to `flags`.  The descriptor, of whatever the path names, or
 * -errno: -EXDEV when it leaves the root (an absolute link always does). */
int sj_root_resolve(const struct sj_root *root, const char *path, int flags);

/* The state of what the path names below `root`, found over no link at all: 0, or -errno: -ELOOP
 * when there is one. */
int sj_root_look(const struct sj_root *root, const char *path, struct stat *status);

/* Opens a regular file for reading below `root` by its relative path, as sj_root_resolve does, with
 * O_NONBLOCK and O_NOCTTY; then fstat.  The descriptor, and `*identity`; or -errno: -EXDEV when the
 * path leaves the root, -ELOOP, -ENOENT, -EACCES, -EMFILE..., -EINVAL for anything but a regular
 * file. */
int sj_root_open(const struct sj_root *root, const char *path, struct sj_identity *identity);

/* Is it the one dot name that is served in any case (RFC 8615), at the top of the site? */
bool sj_root_is_well_known(const struct sj_root *root, const char *path);

/* Has it no control characters, so that a URL can name it? */
bool sj_is_nameable(const char *path);

/* What a pre-compressed file expands to; found when it is read as a variant of another. */
enum sj_expansion_outcome {
    SJ_NOT_EXPANDED,
    SJ_EXPANDED,          /* to `size` bytes with this digest */
    SJ_EXPANDS_TOO_LARGE, /* to more than `size` bytes: not gone into */
    SJ_EXPANDS_NOT        /* not of this coding, damaged, cut off or with something after it */
};

struct sj_expansion {
    uint64_t size;
    uint8_t digest[16];
    uint8_t coding;  /* enum sj_coding */
    uint8_t outcome; /* enum sj_expansion_outcome */
};

/* The content of one file: its digest, and its bytes when they are held in memory. */
struct sj_file {
    uint64_t references;
    uint64_t length;
    uint8_t digest[16];   /* XXH3-128 of the content, canonical (big-endian) form */
    const char *bytes;    /* `length` of them; NULL: not held, sent with sendfile.  Once the file is
                           * shared: read by sj_file_bytes, set at most once by sj_file_fill */
    struct sj_room *room; /* of an arena, in which the bytes lie, or NULL.  Once the file is shared:
                           * only looked at when sj_file_bytes has given some */
    int descriptor;       /* open as long as the file is referenced, read with offsets only; or -1.
                           * Once the file is shared: by sj_file_descriptor and sj_file_keep */
    bool is_held;         /* its bytes are there, or are to come: set before it is shared */
    bool is_open;         /* the same for its descriptor */
    bool is_on_disk;      /* it is that of a struct sj_disk_file */
};

/* A file that is also on the disk: all but our own variants in memory, of which there may be three
 * for each of the others. */
struct sj_disk_file {
    struct sj_identity identity;    /* first: the key of the index's set of files */
    struct sj_expansion *expansion; /* of a sidecar, from malloc; or NULL */
    uint32_t n_uses;                /* the builder's own: see cache/stock.h */
    bool is_racy;    /* changed so shortly before it was read that one more change may not show */
    bool is_awaited; /* known from the ledger alone; to be filled once it is served */
    struct sj_file file; /* last: its bytes may follow */
};

/* With one reference, no descriptor, and space for so many bytes: in the arena (or NULL) if it has
 * room for them, else in one block with the file.  NULL: no memory. */
struct sj_file *sj_file_new(struct sj_arena *arena, size_t length);
struct sj_disk_file *sj_disk_file_new(struct sj_arena *arena, size_t length);

/* The whole of a file that is on the disk. */
struct sj_disk_file *sj_on_disk(const struct sj_file *file);

/* That space, before the file is shared. */
char *sj_file_space(struct sj_file *file);

/* Any thread.  NULL: not held.  The load pairs with the store in sj_file_fill. */
const char *sj_file_bytes(const struct sj_file *file);

/* One thread at a time: hands over bytes, those of a room or (NULL) from malloc. */
void sj_file_fill(struct sj_file *file, char *bytes, struct sj_room *room);

/* The same for the descriptor, which is the file's from then on. */
int sj_file_descriptor(const struct sj_file *file);
void sj_file_keep(struct sj_file *file, int descriptor);

void sj_file_acquire(struct sj_file *file);
void sj_file_release(struct sj_file *file);

#endif
