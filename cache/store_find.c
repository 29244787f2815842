/* SPDX-License-Identifier: MIT */
#include "cache/store_private.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#define DAY_S 86400

/* One call of find. */
struct search {
    const struct sj_store_key *key;
    uint64_t hold_limit;
    struct sj_arena *arena;
    struct sj_reader *reader;
    int descriptor;
    struct stat status;
    struct sj_record_footer footer;
};

/* Whole: 0 or -errno; -EBADMSG when the file is shorter. */
static int read_at(int descriptor, void *to, size_t length, uint64_t first)
{
    size_t done = 0;
    while (done < length) {
        ssize_t n = pread(descriptor, (char *)to + done, length - done, (off_t)(first + done));
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n == 0)
            return -EBADMSG;
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int sj_record_read(const struct sj_file *file, int descriptor, char *room, struct sj_reader *reader)
{
    XXH128_canonical_t digest;
    XXH3_128bits_reset(reader->state);
    for (uint64_t done = 0; done < file->length; done += SJ_READER_SIZE) {
        uint64_t left = file->length - done;
        size_t length = left < SJ_READER_SIZE ? (size_t)left : SJ_READER_SIZE;
        char *to = room != NULL ? room + done : reader->buffer;
        int error =
            sj_reader_is_cancelled(reader) ? -ECANCELED : read_at(descriptor, to, length, done);
        if (error != 0)
            return error;
        XXH3_128bits_update(reader->state, to, length);
    }
    XXH128_canonicalFromHash(&digest, XXH3_128bits_digest(reader->state));
    return memcmp(digest.digest, file->digest, sizeof(file->digest)) == 0 ? 0 : -EBADMSG;
}

/* 0; -EBADMSG unless it is the record that was asked for. */
static int read_footer(struct search *search, const char *settings)
{
    struct sj_record_footer *footer = &search->footer;
    struct sj_record_footer wanted;
    if (fstat(search->descriptor, &search->status) < 0)
        return -errno;
    uint64_t size = (uint64_t)search->status.st_size;
    if (!S_ISREG(search->status.st_mode) || size < sizeof(*footer))
        return -EBADMSG;
    int error = read_at(search->descriptor, footer, sizeof(*footer), size - sizeof(*footer));
    if (error != 0)
        return error;
    sj_record_describe(search->key, settings, &wanted);
    bool is_whole = le64toh(footer->payload_length) == size - sizeof(*footer);
    return is_whole && sj_record_is_it(footer, &wanted) ? 0 : -EBADMSG;
}

struct sj_file *sj_record_file(const struct stat *status)
{
    struct sj_disk_file *made = sj_disk_file_new(NULL, 0);
    if (made == NULL)
        return NULL;
    sj_identity_of(status, &made->identity);
    return &made->file;
}

static int load(struct search *search, struct sj_file **file)
{
    uint64_t length = le64toh(search->footer.payload_length);
    bool is_held = length <= search->hold_limit;
    struct sj_file *made =
        is_held ? sj_file_new(search->arena, length) : sj_record_file(&search->status);
    if (made == NULL)
        return -ENOMEM;
    char *room = is_held ? sj_file_space(made) : NULL;
    made->length = length;
    memcpy(made->digest, search->footer.payload_digest, sizeof(made->digest));
    int error = sj_record_read(made, search->descriptor, room, search->reader);
    if (error != 0) {
        sj_file_release(made);
        return error;
    }
    made->bytes = room;
    if (!is_held) {
        made->descriptor = search->descriptor;
        search->descriptor = -1;
    }
    *file = made;
    return SJ_STORE_FOUND;
}

/* Whether the file system keeps access times or not, this is one. */
static void note_use(const struct search *search)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};
    if (search->status.st_atim.tv_sec < time(NULL) - DAY_S)
        (void)!futimens(search->descriptor, times);
}

/* An outcome or -errno. */
static int examine(struct search *search, const char *settings, struct sj_file **file)
{
    int code = read_footer(search, settings);
    if (code != 0)
        return code;
    note_use(search);
    if (search->footer.does_not_pay != 0)
        return SJ_STORE_DOES_NOT_PAY;
    return load(search, file);
}

/* What the disk has to say about a record that cannot be had. */
static int give_up(struct sj_store *store, const char *path, int error)
{
    if (error == -ENOENT || error == -ENOMEM || error == -ECANCELED)
        return error == -ENOENT ? SJ_STORE_ABSENT : error;
    if (error != -EBADMSG)
        sj_store_warn(store, path, error);
    return SJ_STORE_ABSENT;
}

int sj_store_find(struct sj_store *store, const struct sj_store_key *key, uint64_t hold_limit,
                  struct sj_reader *reader, struct sj_file **file)
{
    struct search search = {
        .key = key, .hold_limit = hold_limit, .arena = store->arena, .reader = reader};
    struct sj_record_name name;
    if (store->path == NULL || !sj_record_name(store, key, &name))
        return SJ_STORE_ABSENT;
    search.descriptor = open(name.path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (search.descriptor < 0)
        return give_up(store, name.path, -errno);
    int code = examine(&search, name.settings, file);
    if (code == -EBADMSG)
        unlink(name.path);
    if (search.descriptor >= 0)
        close(search.descriptor);
    return code < 0 ? give_up(store, name.path, code) : code;
}
