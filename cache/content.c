/* SPDX-License-Identifier: MIT */
#include "cache/content.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#define TRIES 4

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Reads until `length` bytes or the end: the number read, or -errno. */
static ssize_t read_fully(int descriptor, char *to, size_t length)
{
    size_t done = 0;
    while (done < length) {
        ssize_t n = read(descriptor, to + done, length - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

static void set_digest(struct sj_file *file, XXH128_hash_t hash)
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, hash);
    memcpy(file->digest, canonical.digest, sizeof(file->digest));
}

/* 0; -ESTALE when it is shorter than it was. */
static int read_held(int descriptor, char *room, struct sj_file *file)
{
    ssize_t n = read_fully(descriptor, room, file->length);
    if (n < 0)
        return (int)n;
    if ((uint64_t)n != file->length)
        return -ESTALE;
    file->bytes = room;
    set_digest(file, XXH3_128bits(room, file->length));
    return 0;
}

static int read_streamed(int descriptor, struct sj_reader *reader, struct sj_file *file)
{
    uint64_t left = file->length;
    XXH3_128bits_reset(reader->state);
    while (left > 0) {
        if (sj_reader_is_cancelled(reader))
            return -ECANCELED;
        size_t wanted = left < SJ_READER_SIZE ? left : SJ_READER_SIZE;
        ssize_t n = read_fully(descriptor, reader->buffer, wanted);
        if (n < 0)
            return (int)n;
        if ((size_t)n != wanted)
            return -ESTALE;
        XXH3_128bits_update(reader->state, reader->buffer, wanted);
        left -= wanted;
    }
    set_digest(file, XXH3_128bits_digest(reader->state));
    return 0;
}

static int expand(const struct sj_content_request *request, int descriptor,
                  struct sj_reader *reader, struct sj_file *file)
{
    struct sj_disk_file *whole = sj_on_disk(file);
    if (request->coding == SJ_IDENTITY)
        return 0;
    whole->expansion = malloc(sizeof(*whole->expansion));
    if (whole->expansion == NULL)
        return -ENOMEM;
    struct sj_sidecar sidecar = {.bytes = file->bytes,
                                 .descriptor = descriptor,
                                 .size = file->length,
                                 .coding = request->coding,
                                 .limit = request->expansion_limit};
    return sj_sidecar_expand(&sidecar, reader, whole->expansion);
}

/* 0, when the file is still in the state in which it was opened. */
static int check_unchanged(int descriptor, const struct sj_identity *identity)
{
    struct stat status;
    struct sj_identity after;
    if (fstat(descriptor, &status) < 0)
        return -errno;
    sj_identity_of(&status, &after);
    return sj_identity_equals(&after, identity) ? 0 : -ESTALE;
}

static int read_state(const struct sj_content_request *request, int descriptor,
                      struct sj_reader *reader, struct sj_file *file)
{
    bool is_held = file->length <= request->hold_limit;
    int error = is_held ? read_held(descriptor, sj_file_space(file), file)
                        : read_streamed(descriptor, reader, file);
    if (error == 0)
        error = expand(request, descriptor, reader, file);
    if (error == 0)
        error = check_unchanged(descriptor, &sj_on_disk(file)->identity);
    return error;
}

/* One try.  -ESTALE: it changed meanwhile. */
static int read_once(const struct sj_content_request *request, struct sj_reader *reader,
                     struct sj_file **file)
{
    struct sj_identity identity;
    int64_t started_ns = now_ns();
    int descriptor = sj_root_open(request->root, request->path, &identity);
    if (descriptor < 0)
        return descriptor;
    size_t room = identity.size <= request->hold_limit ? identity.size : 0;
    struct sj_disk_file *whole = sj_disk_file_new(request->arena, room);
    if (whole == NULL) {
        close(descriptor);
        return -ENOMEM;
    }
    struct sj_file *made = &whole->file;
    whole->identity = identity;
    whole->is_racy = identity.changed_ns > started_ns - SJ_RACY_NS;
    made->length = identity.size;
    int error = read_state(request, descriptor, reader, made);
    made->is_held = made->bytes != NULL;
    made->is_open = error == 0 && request->keeps_open && !made->is_held;
    if (made->is_open)
        made->descriptor = descriptor;
    else
        close(descriptor);
    if (error == 0)
        *file = made;
    else
        sj_file_release(made);
    return error;
}

int sj_content_read(const struct sj_content_request *request, struct sj_reader *reader,
                    struct sj_file **file)
{
    int error = -ESTALE;
    for (int tries = 0; error == -ESTALE && tries < TRIES; tries++)
        error = read_once(request, reader, file);
    return error;
}
