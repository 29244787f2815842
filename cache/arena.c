/* SPDX-License-Identifier: MIT */
#include "cache/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include "core/counted.h"
#include "core/pr.h"

#define PAGE 4096

/* The file has all its length from the start, as a hole, so that threads need not grow it in turn.
 * At 10 GB a second it lasts for three years. */
#define SIZE (UINT64_C(1) << 60)

/* A room is a mapping.  The kernel gives a process 65,530; the C library and threads need some. */
#define ROOMS_MAX 32768

struct sj_arena {
    uint64_t references;
    uint64_t next; /* offset that no room has had; by ck_pr */
    int descriptor;
};

/* Beyond the limit the kernel would send a signal. */
static int set_size(int descriptor)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < SIZE)
        return -EFBIG;
    return ftruncate(descriptor, (off_t)SIZE) == 0 ? 0 : -errno;
}

static size_t whole_pages(size_t length)
{
    return (length + PAGE - 1) / PAGE * PAGE;
}

static void give_back(const struct sj_room *room)
{
    size_t size = whole_pages(room->length);
    munmap(room->bytes, size);
    (void)!fallocate(room->descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                     (off_t)room->first, (off_t)size);
}

/* 0 or -errno.  The pages are made through the mapping, since that can be kept from huge ones;
 * where the kernel has none the advice is refused, for good. */
static int map(struct sj_room *room)
{
    size_t size = whole_pages(room->length);
    if (room->first > SIZE - size)
        return -ENOSPC;
    room->bytes =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, room->descriptor, (off_t)room->first);
    if (room->bytes == MAP_FAILED)
        return -errno;
    (void)!madvise(room->bytes, size, MADV_NOHUGEPAGE);
    if (madvise(room->bytes, size, MADV_POPULATE_WRITE) == 0)
        return 0;
    int error = -errno;
    give_back(room);
    return error;
}

/* The addition gives each range to one thread; it orders nothing. */
static int take_room(struct sj_arena *arena, size_t length, struct sj_room *room)
{
    *room = (struct sj_room){.arena = arena,
                             .length = length,
                             .first = ck_pr_faa_64(&arena->next, whole_pages(length)),
                             .descriptor = arena->descriptor};
    return map(room);
}

/* Can it be done here at all?  Else each body would have to try. */
static int try_out(struct sj_arena *arena)
{
    struct sj_room room;
    int error = take_room(arena, PAGE, &room);
    if (error == 0)
        give_back(&room);
    return error;
}

int sj_arena_new(struct sj_arena **arena)
{
    struct sj_arena *made = malloc(sizeof(*made));
    if (made == NULL)
        return -ENOMEM;
    *made = (struct sj_arena){.references = 1};
    made->descriptor = memfd_create("bodies", MFD_CLOEXEC);
    int error = made->descriptor < 0 ? -errno : set_size(made->descriptor);
    if (error == 0)
        error = try_out(made);
    if (error == 0)
        *arena = made;
    else
        sj_arena_release(made);
    return error;
}

void sj_arena_release(struct sj_arena *arena)
{
    if (arena == NULL || !sj_counted_release(&arena->references))
        return;
    if (arena->descriptor >= 0)
        close(arena->descriptor);
    free(arena);
}

/* A few too many, when threads look at the number at once, are no harm. */
struct sj_room *sj_room_new(struct sj_arena *arena, size_t length)
{
    if (arena == NULL || length < SJ_ARENA_MIN || length > SIZE ||
        ck_pr_load_64(&arena->references) > ROOMS_MAX)
        return NULL;
    struct sj_room *made = malloc(sizeof(*made));
    if (made == NULL)
        return NULL;
    if (take_room(arena, length, made) != 0) {
        free(made);
        return NULL;
    }
    sj_counted_acquire(&arena->references);
    return made;
}

void sj_room_free(struct sj_room *room)
{
    if (room == NULL)
        return;
    give_back(room);
    sj_arena_release(room->arena);
    free(room);
}
