/* SPDX-License-Identifier: MIT */
#include "cache/ledger.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include "cache/replace.h"

#define VERSION 1

/* All numbers are little-endian; digests are in their canonical form. */
struct header {
    uint8_t magic[8];
    uint32_t version;
    uint32_t record_size;
    uint64_t n_records;
    uint64_t name_length;
    uint8_t name_digest[16];
    uint8_t checksum[16]; /* XXH3-128 of the records */
};

struct record {
    uint64_t device;
    uint64_t inode;
    uint64_t size;
    int64_t modified_ns;
    int64_t changed_ns;
    uint8_t digest[16];
    uint64_t expansion_size;
    uint8_t expansion_digest[16];
    uint8_t expansion_coding;
    uint8_t expansion_outcome;
    uint8_t zeros[6];
};

_Static_assert(sizeof(struct header) == 64 && sizeof(struct record) == 88,
               "the form of the file is fixed");

static const uint8_t magic[8] = "sjledger";

/* Header and records in one block, as they are in the file. */
struct image {
    struct header header;
    struct record records[];
};

static size_t image_size(size_t n_records)
{
    return sizeof(struct image) + n_records * sizeof(struct record);
}

static int make_path(char path[PATH_MAX], const char *directory, struct sj_text name)
{
    int n = snprintf(path, PATH_MAX, "%s/ledger-%016" PRIx64, directory,
                     (uint64_t)XXH3_64bits(name.at, name.length));
    return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static void put_hash(uint8_t to[16], XXH128_hash_t hash)
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, hash);
    memcpy(to, canonical.digest, 16);
}

static void describe(struct header *header, struct sj_text name, size_t n_records)
{
    *header = (struct header){.version = htole32(VERSION),
                              .record_size = htole32(sizeof(struct record)),
                              .n_records = htole64(n_records),
                              .name_length = htole64(name.length)};
    memcpy(header->magic, magic, sizeof(magic));
    put_hash(header->name_digest, XXH3_128bits(name.at, name.length));
}

static void put(const struct sj_file *file, struct record *record)
{
    *record = (struct record){.device = htole64(file->identity.device),
                              .inode = htole64(file->identity.inode),
                              .size = htole64(file->identity.size),
                              .modified_ns = (int64_t)htole64(file->identity.modified_ns),
                              .changed_ns = (int64_t)htole64(file->identity.changed_ns),
                              .expansion_size = htole64(file->expansion.size),
                              .expansion_coding = file->expansion.coding,
                              .expansion_outcome = file->expansion.outcome};
    memcpy(record->digest, file->digest, sizeof(record->digest));
    memcpy(record->expansion_digest, file->expansion.digest, sizeof(record->expansion_digest));
}

static struct sj_file *get(const struct record *record)
{
    struct sj_file *file = malloc(sizeof(*file));
    if (file == NULL)
        return NULL;
    *file = (struct sj_file){.identity = {.device = le64toh(record->device),
                                          .inode = le64toh(record->inode),
                                          .size = le64toh(record->size),
                                          .modified_ns = (int64_t)le64toh(record->modified_ns),
                                          .changed_ns = (int64_t)le64toh(record->changed_ns)},
                             .references = 1,
                             .length = le64toh(record->size),
                             .descriptor = -1,
                             .is_awaited = true,
                             .expansion = {.size = le64toh(record->expansion_size),
                                           .coding = record->expansion_coding,
                                           .outcome = record->expansion_outcome}};
    memcpy(file->digest, record->digest, sizeof(file->digest));
    memcpy(file->expansion.digest, record->expansion_digest, sizeof(file->expansion.digest));
    return file;
}

static int replace(const char *path, const struct image *image, size_t size)
{
    struct sj_replacement *replacement = malloc(sizeof(*replacement));
    if (replacement == NULL)
        return -ENOMEM;
    int error = sj_replacement_begin(replacement, path);
    if (error != 0) {
        free(replacement);
        return error;
    }
    error = sj_replacement_write(replacement, image, size);
    if (error == 0) {
        error = sj_replacement_commit(replacement, path);
        close(replacement->descriptor);
    } else {
        sj_replacement_abort(replacement);
    }
    free(replacement);
    return error;
}

int sj_ledger_write(const char *directory, struct sj_text name, const struct sj_file *const *files,
                    size_t n_files)
{
    char path[PATH_MAX];
    size_t n_records = 0;
    int error = directory == NULL ? 0 : make_path(path, directory, name);
    if (directory == NULL || error != 0)
        return error;
    struct image *image = malloc(image_size(n_files));
    if (image == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < n_files; i++)
        if (!files[i]->is_racy)
            put(files[i], &image->records[n_records++]);
    describe(&image->header, name, n_records);
    put_hash(image->header.checksum,
             XXH3_128bits(image->records, n_records * sizeof(struct record)));
    error = replace(path, image, image_size(n_records));
    free(image);
    return error;
}

static bool read_fully(int descriptor, void *to, size_t length)
{
    size_t done = 0;
    while (done < length) {
        ssize_t n = read(descriptor, (char *)to + done, length - done);
        if (n == 0 || (n < 0 && errno != EINTR))
            return false;
        done += n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* Reads the header: is it of this name, and of as many records as the file has room for? */
static bool has_header(int descriptor, struct sj_text name, struct header *header)
{
    struct stat status;
    struct header wanted;
    if (fstat(descriptor, &status) < 0 || !S_ISREG(status.st_mode) ||
        !read_fully(descriptor, header, sizeof(*header)))
        return false;
    size_t n_records = ((size_t)status.st_size - sizeof(*header)) / sizeof(struct record);
    describe(&wanted, name, n_records);
    return (size_t)status.st_size == image_size(n_records) &&
           memcmp(header, &wanted, offsetof(struct header, checksum)) == 0;
}

/* 0 and the image, or NULL if it is not right; -ENOMEM. */
static int read_image(int descriptor, struct sj_text name, struct image **image)
{
    struct header header;
    uint8_t checksum[16];
    if (!has_header(descriptor, name, &header))
        return 0;
    size_t length = le64toh(header.n_records) * sizeof(struct record);
    struct image *made = malloc(sizeof(*made) + length);
    if (made == NULL)
        return -ENOMEM;
    made->header = header;
    bool is_read = read_fully(descriptor, made->records, length);
    if (is_read)
        put_hash(checksum, XXH3_128bits(made->records, length));
    if (is_read && memcmp(checksum, header.checksum, sizeof(checksum)) == 0)
        *image = made;
    else
        free(made);
    return 0;
}

static int make_files(const struct image *image, struct sj_file ***files)
{
    size_t n_records = le64toh(image->header.n_records);
    struct sj_file **made = malloc(n_records * sizeof(struct sj_file *));
    if (made == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < n_records; i++) {
        made[i] = get(&image->records[i]);
        if (made[i] == NULL) {
            while (i-- > 0)
                sj_file_release(made[i]);
            free(made);
            return -ENOMEM;
        }
    }
    *files = made;
    return 0;
}

int sj_ledger_read(const char *directory, struct sj_text name, struct sj_file ***files,
                   size_t *n_files)
{
    char path[PATH_MAX];
    struct image *image = NULL;
    *files = NULL;
    *n_files = 0;
    if (directory == NULL || make_path(path, directory, name) != 0)
        return 0;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (descriptor < 0)
        return 0;
    int error = read_image(descriptor, name, &image);
    close(descriptor);
    if (error == 0 && image != NULL && image->header.n_records != 0)
        error = make_files(image, files);
    if (*files != NULL)
        *n_files = le64toh(image->header.n_records);
    free(image);
    return error;
}
