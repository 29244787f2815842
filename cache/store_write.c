/* SPDX-License-Identifier: MIT */
#include "cache/store_private.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include "cache/replace.h"
#include "core/pr.h"

#define FIRST_ROOM 4096

/* Payloads are put together in memory up to this many bytes, and go to the disk in one piece. */
#define SPILL 1048576

/* Where the payload is. */
enum place {
    IN_MEMORY,
    ON_DISK, /* in the temporary file alone */
    LOST     /* the disk failed, and took it along */
};

struct sj_store_writer {
    struct sj_store *store;
    struct sj_record_footer footer;
    struct sj_record_name name;
    struct sj_replacement replacement; /* open: its descriptor is not -1 */
    enum place place;
    bool wants_disk;      /* there is one, and it has not failed */
    XXH3_state_t *state;  /* of the payload */
    struct sj_file *file; /* the bytes stand behind it; its length is the payload's */
    size_t room;
};

static char *bytes_of(const struct sj_store_writer *writer)
{
    return (char *)(writer->file + 1);
}

static void free_writer(struct sj_store_writer *writer)
{
    sj_file_release(writer->file);
    XXH3_freeState(writer->state);
    free(writer);
}

int sj_store_begin(struct sj_store *store, const struct sj_store_key *key,
                   struct sj_store_writer **writer)
{
    struct sj_store_writer *made = malloc(sizeof(*made));
    if (made == NULL)
        return -ENOMEM;
    made->store = store;
    made->replacement.descriptor = -1;
    made->place = IN_MEMORY;
    made->room = FIRST_ROOM;
    made->state = XXH3_createState();
    made->file = sj_file_new(NULL, made->room);
    if (made->state == NULL || made->file == NULL) {
        free_writer(made);
        return -ENOMEM;
    }
    XXH3_128bits_reset(made->state);
    made->wants_disk = store->path != NULL && sj_record_name(store, key, &made->name);
    if (made->wants_disk)
        sj_record_describe(key, made->name.settings, &made->footer);
    *writer = made;
    return 0;
}

/* Room in memory for that many bytes. */
static int make_room(struct sj_store_writer *writer, uint64_t length)
{
    uint64_t room = writer->room;
    if (!writer->wants_disk && length > writer->store->memory_limit)
        return -EFBIG;
    while (room < length)
        room *= 2;
    struct sj_file *grown =
        room == writer->room ? writer->file : realloc(writer->file, sizeof(*grown) + room);
    if (grown == NULL)
        return -ENOMEM;
    writer->file = grown;
    writer->room = room;
    return 0;
}

/* Takes the payload back from the temporary file: is it what went there? */
static int read_back(struct sj_store_writer *writer)
{
    XXH128_hash_t digest = XXH3_128bits_digest(writer->state);
    uint64_t length = writer->file->length;
    uint64_t done = 0;
    int error = make_room(writer, length);
    while (error == 0 && done < length) {
        ssize_t n = pread(writer->replacement.descriptor, bytes_of(writer) + done, length - done,
                          (off_t)done);
        if (n == 0 || (n < 0 && errno != EINTR))
            error = -EIO;
        done += n > 0 ? (uint64_t)n : 0;
    }
    if (error == 0 && !XXH128_isEqual(digest, XXH3_128bits(bytes_of(writer), length)))
        error = -EIO;
    if (error == 0)
        writer->place = IN_MEMORY;
    return error;
}

static void drop_temporary(struct sj_store_writer *writer)
{
    if (writer->replacement.descriptor >= 0)
        sj_replacement_abort(&writer->replacement);
    writer->replacement.descriptor = -1;
}

/* The disk failed: from now on in memory, if that works. */
static int leave_disk(struct sj_store_writer *writer, int failure)
{
    int error = 0;
    sj_store_warn(writer->store, writer->name.path, failure);
    writer->wants_disk = false;
    if (writer->place == ON_DISK)
        error = read_back(writer);
    if (error != 0)
        writer->place = LOST;
    drop_temporary(writer);
    return error;
}

/* Writes to a temporary file what is in memory: 0 or -errno. */
static int write_temporary(struct sj_store_writer *writer)
{
    int error = sj_replacement_begin(&writer->replacement, writer->name.path);
    if (error != 0) {
        writer->replacement.descriptor = -1;
        return error;
    }
    return sj_replacement_write(&writer->replacement, bytes_of(writer), writer->file->length);
}

static int append(struct sj_store_writer *writer, const void *bytes, size_t length)
{
    int error = make_room(writer, writer->file->length + length);
    if (error == 0)
        memcpy(bytes_of(writer) + writer->file->length, bytes, length);
    return error;
}

/* Moves the payload to the disk, or decides that it stays in memory. */
static int spill(struct sj_store_writer *writer)
{
    int error = write_temporary(writer);
    if (error != 0)
        return leave_disk(writer, error);
    writer->place = ON_DISK;
    return 0;
}

int sj_store_write(void *argument, const void *bytes, size_t length)
{
    struct sj_store_writer *writer = argument;
    int error = writer->place == LOST ? -EIO : 0;
    if (writer->place == IN_MEMORY && writer->wants_disk && writer->file->length + length > SPILL)
        error = spill(writer);
    if (error == 0 && writer->place == ON_DISK) {
        int failure = sj_replacement_write(&writer->replacement, bytes, length);
        error = failure == 0 ? 0 : leave_disk(writer, failure);
    }
    if (error == 0 && writer->place == IN_MEMORY)
        error = append(writer, bytes, length);
    if (error != 0)
        return error;
    XXH3_128bits_update(writer->state, bytes, length);
    writer->file->length += length;
    return 0;
}

/* Adds the footer and gives the record its name.  Where the disk fails the payload is in memory
 * after that, or in a file whose name is gone. */
static int publish(struct sj_store_writer *writer)
{
    int error = writer->place == IN_MEMORY ? write_temporary(writer) : 0;
    if (error == 0)
        error = sj_replacement_write(&writer->replacement, &writer->footer, sizeof(writer->footer));
    if (error != 0)
        return leave_disk(writer, error);
    error = sj_replacement_commit(&writer->replacement, writer->name.path);
    if (error != 0)
        sj_store_warn(writer->store, writer->name.path, error);
    else
        ck_pr_add_64(&writer->store->bytes,
                     sj_record_room(writer->file->length + sizeof(writer->footer)));
    return 0;
}

/* The file with its bytes, in as much memory as it needs. */
static struct sj_file *take_bytes(struct sj_store_writer *writer)
{
    uint64_t length = writer->file->length;
    struct sj_room *room = sj_room_new(writer->store->arena, length);
    if (room != NULL)
        memcpy(room->bytes, bytes_of(writer), length);
    struct sj_file *file = realloc(writer->file, sizeof(*file) + (room == NULL ? length : 0));
    if (file == NULL)
        file = writer->file;
    file->room = room;
    file->bytes = sj_file_space(file);
    writer->file = NULL;
    return file;
}

/* The file with its descriptor alone, which it takes; NULL: no memory. */
static struct sj_file *take_record(const struct sj_store_writer *writer, int descriptor)
{
    struct stat status = {0};
    (void)!fstat(descriptor, &status);
    struct sj_file *file = sj_record_file(&status);
    if (file == NULL)
        return NULL;
    file->length = writer->file->length;
    memcpy(file->digest, writer->file->digest, sizeof(file->digest));
    file->descriptor = descriptor;
    return file;
}

static int take_file(struct sj_store_writer *writer, uint64_t hold_limit, struct sj_file **file)
{
    int descriptor = writer->replacement.descriptor;
    bool is_held =
        writer->place == IN_MEMORY && (descriptor < 0 || writer->file->length <= hold_limit);
    *file = is_held ? take_bytes(writer) : take_record(writer, descriptor);
    if (descriptor >= 0 && (is_held || *file == NULL))
        close(descriptor);
    return *file == NULL ? -ENOMEM : 0;
}

int sj_store_commit(struct sj_store_writer *writer, uint64_t hold_limit, struct sj_file **file)
{
    XXH128_canonical_t digest;
    int error = writer->place == LOST ? -EIO : 0;
    XXH128_canonicalFromHash(&digest, XXH3_128bits_digest(writer->state));
    memcpy(writer->file->digest, digest.digest, sizeof(digest.digest));
    sj_record_seal(&writer->footer, writer->file->length, digest.digest);
    if (error == 0 && writer->wants_disk)
        error = publish(writer);
    /* Failing to read it back is no harm: the descriptor is there. */
    if (error == 0 && writer->place == ON_DISK && writer->file->length <= hold_limit)
        (void)!read_back(writer);
    if (error == 0)
        error = take_file(writer, hold_limit, file);
    free_writer(writer);
    return error;
}

void sj_store_refuse(struct sj_store_writer *writer)
{
    XXH128_canonical_t digest;
    drop_temporary(writer);
    writer->place = IN_MEMORY;
    writer->file->length = 0;
    writer->footer.does_not_pay = htole32(1);
    XXH128_canonicalFromHash(&digest, XXH3_128bits("", 0));
    sj_record_seal(&writer->footer, 0, digest.digest);
    if (writer->wants_disk)
        (void)!publish(writer);
    if (writer->replacement.descriptor >= 0)
        close(writer->replacement.descriptor);
    free_writer(writer);
}

void sj_store_abort(struct sj_store_writer *writer)
{
    drop_temporary(writer);
    free_writer(writer);
}
