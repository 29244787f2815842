/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_ARENA_H
#define SJ_CACHE_ARENA_H
/*
 * Large bodies in a memory file (memfd_create): each has pages of its own there, mapped to be
 * filled and read as any memory, and sent by sendfile, which does not copy them.
 *
 * What sendfile has given to a socket are the pages themselves, and they may lie there long after
 * the body is gone.  So no page ever gets another content: a range of the file is used once, and
 * given back as a hole, which takes pages out of the file and leaves them as they are.  For that
 * they must not be huge ones: punching a hole into one zeroes the part.
 *
 * An arena is a counted reference, of its owner and of each room in it: it goes with the last.  Any
 * thread may make any call at any time.
 */
#include <stddef.h>
#include <stdint.h>

/* Smaller bodies lie in the heap: they fill their pages badly, and to copy them costs little. */
#define SJ_ARENA_MIN 65536

struct sj_arena;

/* A range of the memory file. */
struct sj_room {
    struct sj_arena *arena;
    char *bytes;
    size_t length;
    uint64_t first; /* the offset in the file */
    int descriptor; /* of the file: the arena's */
};

/* 0 and `*arena`, with one reference; or -errno: no memory, no descriptor, not allowed, -EFBIG
 * (RLIMIT_FSIZE), -EINVAL (Linux before 5.14). */
int sj_arena_new(struct sj_arena **arena);
void sj_arena_release(struct sj_arena *arena); /* or NULL */

/* Zeroed memory, all of it there: to touch it cannot fail later.  NULL: no room, the body is to lie
 * in the heap: there is no arena (NULL), it has less than SJ_ARENA_MIN bytes, or the memory, the
 * address space or the mappings do not suffice. */
struct sj_room *sj_room_new(struct sj_arena *arena, size_t length);

/* Gives the pages back to the system; sockets may still hold some. */
void sj_room_free(struct sj_room *room); /* or NULL */

#endif
