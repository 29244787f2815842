/* SPDX-License-Identifier: MIT */
#include "cache/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "core/counted.h"
#include "core/pr.h"

/* With RESOLVE_BENEATH a rename that runs beside the call can make it say -EAGAIN. */
#define RESOLVE_TRIES 16

static int64_t nanoseconds(const struct timespec *time)
{
    return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

void sj_identity_of(const struct stat *status, struct sj_identity *identity)
{
    *identity = (struct sj_identity){.device = status->st_dev,
                                     .inode = status->st_ino,
                                     .size = (uint64_t)status->st_size,
                                     .modified_ns = nanoseconds(&status->st_mtim),
                                     .changed_ns = nanoseconds(&status->st_ctim)};
}

bool sj_identity_equals(const struct sj_identity *a, const struct sj_identity *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->modified_ns == b->modified_ns && a->changed_ns == b->changed_ns;
}

/* Copies both texts behind the struct, so that a root is one block. */
static struct sj_root *allocate_root(const struct sj_root_spec *spec)
{
    size_t prefix_size = strlen(spec->prefix) + 1;
    size_t path_size = strlen(spec->path) + 1;
    struct sj_root *root = malloc(sizeof(*root) + prefix_size + path_size);
    if (root == NULL)
        return NULL;
    *root = (struct sj_root){.references = 1, .follows_symlinks = spec->follows_symlinks};
    root->prefix = memcpy((char *)(root + 1), spec->prefix, prefix_size);
    root->path = memcpy(root->prefix + prefix_size, spec->path, path_size);
    return root;
}

int sj_root_new(const struct sj_root_spec *spec, struct sj_root **root)
{
    struct stat status;
    int descriptor = open(spec->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return -errno;
    int error = fstat(descriptor, &status) < 0 ? -errno : 0;
    struct sj_root *made = error == 0 ? allocate_root(spec) : NULL;
    if (made == NULL) {
        close(descriptor);
        return error == 0 ? -ENOMEM : error;
    }
    made->descriptor = descriptor;
    made->device = status.st_dev;
    made->inode = status.st_ino;
    *root = made;
    return 0;
}

bool sj_identity_keeps_content(const struct sj_identity *a, const struct sj_identity *b)
{
    return a->size == b->size && a->modified_ns == b->modified_ns;
}

void sj_root_acquire(struct sj_root *root)
{
    sj_counted_acquire(&root->references);
}

void sj_root_release(struct sj_root *root)
{
    if (root == NULL || !sj_counted_release(&root->references))
        return;
    close(root->descriptor);
    free(root);
}

void sj_root_keep(struct sj_root **root, struct sj_root *before)
{
    if (before == NULL || before->device != (*root)->device || before->inode != (*root)->inode)
        return;
    sj_root_release(*root);
    sj_root_acquire(before);
    *root = before;
}

static int open_below(const struct sj_root *root, const char *path, struct open_how how)
{
    long descriptor = -1;
    how.flags |= O_CLOEXEC;
    how.resolve |= RESOLVE_NO_MAGICLINKS;
    if (!root->follows_symlinks)
        how.resolve |= RESOLVE_BENEATH;
    for (int tries = 0; descriptor < 0 && tries < RESOLVE_TRIES; tries++) {
        descriptor = syscall(SYS_openat2, root->descriptor, path, &how, sizeof(how));
        if (descriptor < 0 && errno != EAGAIN && errno != EINTR)
            return -errno;
    }
    return descriptor < 0 ? -EAGAIN : (int)descriptor;
}

int sj_root_resolve(const struct sj_root *root, const char *path, int flags)
{
    return open_below(root, path, (struct open_how){.flags = (uint64_t)(unsigned)flags});
}

int sj_root_look(const struct sj_root *root, const char *path, struct stat *status)
{
    struct open_how how = {.flags = O_PATH, .resolve = RESOLVE_NO_SYMLINKS};
    int descriptor = open_below(root, path, how);
    if (descriptor < 0)
        return descriptor;
    int error = fstat(descriptor, status) < 0 ? -errno : 0;
    close(descriptor);
    return error;
}

int sj_root_open(const struct sj_root *root, const char *path, struct sj_identity *identity)
{
    struct stat status;
    int descriptor = sj_root_resolve(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (descriptor < 0)
        return descriptor;
    int error = fstat(descriptor, &status) < 0 ? -errno : 0;
    if (error == 0 && !S_ISREG(status.st_mode))
        error = -EINVAL;
    if (error != 0) {
        close(descriptor);
        return error;
    }
    sj_identity_of(&status, identity);
    return descriptor;
}

bool sj_root_is_well_known(const struct sj_root *root, const char *path)
{
    return strcmp(path, ".well-known") == 0 && strcmp(root->prefix, "/") == 0;
}

bool sj_is_nameable(const char *path)
{
    for (; *path != '\0'; path++)
        if ((unsigned char)*path < 0x20 || *path == 0x7f)
            return false;
    return true;
}

/* A block that ends with a file and, unless they are in `*room`, its bytes; NULL: no memory. */
static void *allocate_file(size_t size, struct sj_arena *arena, size_t length,
                           struct sj_room **room)
{
    *room = sj_room_new(arena, length);
    void *made = malloc(size + (*room == NULL ? length : 0));
    if (made == NULL)
        sj_room_free(*room);
    return made;
}

struct sj_file *sj_file_new(struct sj_arena *arena, size_t length)
{
    struct sj_room *room;
    struct sj_file *made = allocate_file(sizeof(*made), arena, length, &room);
    if (made != NULL)
        *made = (struct sj_file){.references = 1, .descriptor = -1, .room = room};
    return made;
}

struct sj_disk_file *sj_disk_file_new(struct sj_arena *arena, size_t length)
{
    struct sj_room *room;
    struct sj_disk_file *made = allocate_file(sizeof(*made), arena, length, &room);
    if (made != NULL)
        *made = (struct sj_disk_file){
            .file = {.references = 1, .descriptor = -1, .room = room, .is_on_disk = true}};
    return made;
}

struct sj_disk_file *sj_on_disk(const struct sj_file *file)
{
    assert(file->is_on_disk);
    return (struct sj_disk_file *)((uintptr_t)file - offsetof(struct sj_disk_file, file));
}

char *sj_file_space(struct sj_file *file)
{
    return file->room != NULL ? file->room->bytes : (char *)(file + 1);
}

void sj_file_acquire(struct sj_file *file)
{
    sj_counted_acquire(&file->references);
}

void sj_file_release(struct sj_file *file)
{
    if (file == NULL || !sj_counted_release(&file->references))
        return;
    if (file->room != NULL)
        sj_room_free(file->room);
    else if (file->bytes != (const char *)(file + 1)) /* not in one block with it: sj_file_fill */
        free((void *)(uintptr_t)file->bytes);
    if (file->descriptor >= 0)
        close(file->descriptor);
    if (file->is_on_disk)
        free(sj_on_disk(file)->expansion);
    free(file->is_on_disk ? (void *)sj_on_disk(file) : file);
}

const char *sj_file_bytes(const struct sj_file *file)
{
    const char *bytes = ck_pr_load_ptr(&file->bytes);
    ck_pr_fence_load();
    return bytes;
}

/* The fence and the store pair with the load and the fence in sj_file_bytes. */
void sj_file_fill(struct sj_file *file, char *bytes, struct sj_room *room)
{
    file->room = room;
    ck_pr_fence_store();
    ck_pr_store_ptr(&file->bytes, bytes);
}

/* The descriptor stands for itself: nothing else is read because of it. */
int sj_file_descriptor(const struct sj_file *file)
{
    return ck_pr_load_int(&file->descriptor);
}

void sj_file_keep(struct sj_file *file, int descriptor)
{
    ck_pr_store_int(&file->descriptor, descriptor);
}
