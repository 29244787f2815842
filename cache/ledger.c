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
#include "core/counted.h"

#define VERSION 2

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

/* The records are in the order of identities.  From the header on it is as in the file. */
struct sj_ledger {
    uint64_t references;
    struct header header;
    struct record records[];
};

_Static_assert(offsetof(struct sj_ledger, records) ==
                   offsetof(struct sj_ledger, header) + sizeof(struct header),
               "header and records are written in one piece");

static size_t file_size(size_t n_records)
{
    return sizeof(struct header) + n_records * sizeof(struct record);
}

/* Room for so many records; NULL: no memory. */
static struct sj_ledger *allocate(size_t n_records)
{
    struct sj_ledger *made = malloc(sizeof(*made) + n_records * sizeof(struct record));
    if (made != NULL)
        made->references = 1;
    return made;
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
    const struct sj_identity *identity = &sj_on_disk(file)->identity;
    const struct sj_expansion *expansion = sj_on_disk(file)->expansion;
    *record = (struct record){.device = htole64(identity->device),
                              .inode = htole64(identity->inode),
                              .size = htole64(identity->size),
                              .modified_ns = (int64_t)htole64(identity->modified_ns),
                              .changed_ns = (int64_t)htole64(identity->changed_ns)};
    memcpy(record->digest, file->digest, sizeof(record->digest));
    if (expansion == NULL)
        return;
    record->expansion_size = htole64(expansion->size);
    record->expansion_coding = expansion->coding;
    record->expansion_outcome = expansion->outcome;
    memcpy(record->expansion_digest, expansion->digest, sizeof(record->expansion_digest));
}

static struct sj_identity identity_of(const struct record *record)
{
    return (struct sj_identity){.device = le64toh(record->device),
                                .inode = le64toh(record->inode),
                                .size = le64toh(record->size),
                                .modified_ns = (int64_t)le64toh(record->modified_ns),
                                .changed_ns = (int64_t)le64toh(record->changed_ns)};
}

static int get_expansion(const struct record *record, struct sj_disk_file *file)
{
    if (record->expansion_outcome == SJ_NOT_EXPANDED)
        return 0;
    file->expansion = malloc(sizeof(*file->expansion));
    if (file->expansion == NULL)
        return -ENOMEM;
    *file->expansion = (struct sj_expansion){.size = le64toh(record->expansion_size),
                                             .coding = record->expansion_coding,
                                             .outcome = record->expansion_outcome};
    memcpy(file->expansion->digest, record->expansion_digest, sizeof(file->expansion->digest));
    return 0;
}

static struct sj_file *get(const struct record *record)
{
    struct sj_disk_file *made = sj_disk_file_new(NULL, 0);
    if (made == NULL)
        return NULL;
    made->identity = identity_of(record);
    made->is_awaited = true;
    made->file.length = made->identity.size;
    memcpy(made->file.digest, record->digest, sizeof(made->file.digest));
    if (get_expansion(record, made) == 0)
        return &made->file;
    sj_file_release(&made->file);
    return NULL;
}

static int compare(const struct sj_identity *a, const struct sj_identity *b)
{
    if (a->device != b->device)
        return a->device < b->device ? -1 : 1;
    if (a->inode != b->inode)
        return a->inode < b->inode ? -1 : 1;
    if (a->size != b->size)
        return a->size < b->size ? -1 : 1;
    if (a->modified_ns != b->modified_ns)
        return a->modified_ns < b->modified_ns ? -1 : 1;
    return (a->changed_ns > b->changed_ns) - (a->changed_ns < b->changed_ns);
}

static int compare_records(const void *a, const void *b)
{
    struct sj_identity x = identity_of(a);
    struct sj_identity y = identity_of(b);
    return compare(&x, &y);
}

static int replace(const char *path, const struct header *from, size_t size)
{
    struct sj_replacement *replacement = malloc(sizeof(*replacement));
    if (replacement == NULL)
        return -ENOMEM;
    int error = sj_replacement_begin(replacement, path);
    if (error != 0) {
        free(replacement);
        return error;
    }
    error = sj_replacement_write(replacement, from, size);
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
    struct sj_ledger *made = allocate(n_files);
    if (made == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < n_files; i++)
        if (!sj_on_disk(files[i])->is_racy)
            put(files[i], &made->records[n_records++]);
    qsort(made->records, n_records, sizeof(struct record), compare_records);
    describe(&made->header, name, n_records);
    put_hash(made->header.checksum, XXH3_128bits(made->records, n_records * sizeof(struct record)));
    error = replace(path, &made->header, file_size(n_records));
    free(made);
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
    return (size_t)status.st_size == file_size(n_records) &&
           memcmp(header, &wanted, offsetof(struct header, checksum)) == 0;
}

/* 0 and the ledger, or NULL if it is not right or empty; -ENOMEM. */
static int read_open(int descriptor, struct sj_text name, struct sj_ledger **ledger)
{
    struct header header;
    uint8_t checksum[16];
    if (!has_header(descriptor, name, &header) || header.n_records == 0)
        return 0;
    size_t length = le64toh(header.n_records) * sizeof(struct record);
    struct sj_ledger *made = allocate(le64toh(header.n_records));
    if (made == NULL)
        return -ENOMEM;
    made->header = header;
    bool is_read = read_fully(descriptor, made->records, length);
    if (is_read)
        put_hash(checksum, XXH3_128bits(made->records, length));
    if (is_read && memcmp(checksum, header.checksum, sizeof(checksum)) == 0)
        *ledger = made;
    else
        free(made);
    return 0;
}

int sj_ledger_read(const char *directory, struct sj_text name, struct sj_ledger **ledger)
{
    char path[PATH_MAX];
    *ledger = NULL;
    if (directory == NULL || make_path(path, directory, name) != 0)
        return 0;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (descriptor < 0)
        return 0;
    int error = read_open(descriptor, name, ledger);
    close(descriptor);
    return error;
}

void sj_ledger_acquire(struct sj_ledger *ledger)
{
    sj_counted_acquire(&ledger->references);
}

void sj_ledger_release(struct sj_ledger *ledger)
{
    if (ledger != NULL && sj_counted_release(&ledger->references))
        free(ledger);
}

size_t sj_ledger_size(const struct sj_ledger *ledger)
{
    return le64toh(ledger->header.n_records);
}

struct sj_file *sj_ledger_get(const struct sj_ledger *ledger, size_t at)
{
    return get(&ledger->records[at]);
}

struct sj_file *sj_ledger_find(const struct sj_ledger *ledger, const struct sj_identity *identity)
{
    size_t first = 0;
    size_t end = sj_ledger_size(ledger);
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        struct sj_identity other = identity_of(&ledger->records[middle]);
        int order = compare(identity, &other);
        if (order == 0)
            return get(&ledger->records[middle]);
        if (order > 0)
            first = middle + 1;
        else
            end = middle;
    }
    return NULL;
}
