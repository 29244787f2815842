/* SPDX-License-Identifier: MIT */
#include "cache/refresh.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cache/content.h"
#include "cache/encode.h"
#include "cache/replace.h"

#define ROOM       1048576 /* output that is not yet in a file; and content that is held */
#define TRIAL_SIZE 65536

/* One file, open as long as it is in work. */
struct work {
    struct sj_refresher *refresher;
    const struct sj_scan_directory *directory;
    const struct sj_scan_file *at;
    struct sj_file *file;
    int folder;     /* the directory, for writing */
    int descriptor; /* of the file when its content is not held, or -1 */
    bool is_tried;
    enum sj_encode_outcome trial;
};

/* Output in memory; in a temporary file from when there is more of it than that.  So what does not
 * pay mostly touches no directory, and a process that is killed mostly leaves nothing. */
struct output {
    char *room;
    size_t length;  /* of what is in the room */
    uint64_t total; /* of all that was put */
    char path[PATH_MAX];
    struct sj_replacement replacement;
    bool is_begun;
};

int sj_refresher_init(struct sj_refresher *refresher, const bool codings[SJ_CODINGS],
                      const uint32_t *is_cancelled)
{
    *refresher =
        (struct sj_refresher){.codings = codings, .reader = sj_reader_new(), .room = malloc(ROOM)};
    if (refresher->reader == NULL || refresher->room == NULL) {
        sj_refresher_fini(refresher);
        return -ENOMEM;
    }
    refresher->reader->is_cancelled = is_cancelled;
    return 0;
}

void sj_refresher_fini(struct sj_refresher *refresher)
{
    sj_reader_free(refresher->reader);
    free(refresher->room);
}

/* NULL: there is none. */
static const struct sj_scan_file *sidecar_of(const struct sj_scan_directory *directory,
                                             const struct sj_scan_file *file, enum sj_coding coding)
{
    size_t index = file->sidecars[coding];
    return index == 0 ? NULL : &directory->files[index - 1];
}

/* The change time tells of a content that was exchanged under the same modification time: as
 * reproducible builds do it, or within a tick of the clock. */
static bool is_settled(const struct sj_identity *sidecar, const struct sj_identity *file)
{
    return sidecar->modified_ns == file->modified_ns &&
           sidecar->changed_ns > file->changed_ns + SJ_RACY_NS;
}

bool sj_refresh_is_settled(const struct sj_scan_directory *directory,
                           const struct sj_scan_file *file, const bool codings[SJ_CODINGS])
{
    for (int i = SJ_GZIP; i < SJ_CODINGS; i++) {
        const struct sj_scan_file *sidecar = sidecar_of(directory, file, i);
        if (codings[i] && (sidecar == NULL || !is_settled(&sidecar->identity, &file->identity)))
            return false;
    }
    return true;
}

static int begin(struct output *output)
{
    int error = sj_replacement_begin(&output->replacement, output->path);
    output->is_begun = error == 0;
    return error;
}

static int flush(struct output *output)
{
    int error = output->is_begun ? 0 : begin(output);
    if (error == 0)
        error = sj_replacement_write(&output->replacement, output->room, output->length);
    output->length = 0;
    return error;
}

/* Of an encoder, whose pieces are smaller than the room. */
static int put(void *argument, const void *bytes, size_t length)
{
    struct output *output = argument;
    int error = ROOM - output->length < length ? flush(output) : 0;
    if (error != 0)
        return error;
    memcpy(output->room + output->length, bytes, length);
    output->length += length;
    output->total += length;
    return 0;
}

/* The file's modification time, for a sidecar. */
static void set_times(const struct work *work, struct timespec times[2])
{
    int64_t seconds = sj_on_disk(work->file)->identity.modified_ns / 1000000000;
    int64_t rest_ns = sj_on_disk(work->file)->identity.modified_ns % 1000000000;
    times[0] = (struct timespec){.tv_nsec = UTIME_OMIT};
    times[1] = (struct timespec){.tv_sec = rest_ns < 0 ? seconds - 1 : seconds,
                                 .tv_nsec = rest_ns < 0 ? rest_ns + 1000000000 : rest_ns};
}

/* What the sidecar shares with its file, as long as that is in the state that was read: later the
 * times would not tell.  Of the rest only the time must succeed: an owner can be given by root
 * alone, and some file systems know no permissions. */
static int dress(const struct work *work, int descriptor)
{
    struct stat status;
    struct sj_identity identity;
    struct timespec times[2];
    if (fstatat(work->folder, sj_scan_name(work->directory, work->at), &status, 0) < 0)
        return -errno;
    sj_identity_of(&status, &identity);
    if (!sj_identity_equals(&identity, &sj_on_disk(work->file)->identity))
        return -ESTALE;
    (void)!fchown(descriptor, status.st_uid, status.st_gid);
    (void)!fchmod(descriptor, status.st_mode & 0666);
    set_times(work, times);
    return futimens(descriptor, times) < 0 ? -errno : 0;
}

/* In any case nothing is left but the sidecar. */
static int finish(const struct work *work, struct output *output)
{
    int error = flush(output);
    if (!output->is_begun)
        return error;
    if (error == 0)
        error = dress(work, output->replacement.descriptor);
    if (error != 0) {
        sj_replacement_abort(&output->replacement);
        return error;
    }
    error = sj_replacement_commit(&output->replacement, output->path);
    close(output->replacement.descriptor);
    return error;
}

static struct sj_encode_request request_for(const struct work *work, enum sj_coding coding,
                                            enum sj_effort effort)
{
    return (struct sj_encode_request){.bytes = work->file->bytes,
                                      .descriptor = work->descriptor,
                                      .length = work->file->length,
                                      .digest = work->file->digest,
                                      .coding = coding,
                                      .effort = effort};
}

static int discard(void *argument, const void *bytes, size_t length)
{
    (void)argument;
    (void)bytes;
    (void)length;
    return 0;
}

/* A large file that a fast encoder with a wide window cannot make smaller is compressed already,
 * whatever its name: the best levels would take minutes to find that out, at each run. */
static int try_out(struct work *work)
{
    const struct sj_sink sink = {discard, NULL};
    struct sj_encode_request request = request_for(work, SJ_ZSTD, SJ_EFFORT_FAST);
    if (work->is_tried || work->file->length < TRIAL_SIZE)
        return 0;
    work->is_tried = true;
    return sj_encode(&request, work->refresher->reader, &sink, &work->trial);
}

static void set_path(const struct work *work, enum sj_coding coding, char path[PATH_MAX])
{
    /* Not by its name below the root: that can have come to lead elsewhere. */
    snprintf(path, PATH_MAX, "/proc/self/fd/%d/%s%s", work->folder,
             sj_scan_name(work->directory, work->at), sj_coding_endings[coding].at);
}

static int encode(struct work *work, enum sj_coding coding, struct output *output,
                  enum sj_encode_outcome *outcome)
{
    const struct sj_sink sink = {put, output};
    struct sj_encode_request request = request_for(work, coding, SJ_EFFORT_BEST);
    int error = try_out(work);
    *outcome = work->trial;
    if (error == 0 && work->trial == SJ_ENCODED)
        error = sj_encode(&request, work->refresher->reader, &sink, outcome);
    if (output->is_begun && (error != 0 || *outcome == SJ_DOES_NOT_PAY))
        sj_replacement_abort(&output->replacement);
    return error;
}

static int remove_sidecar(const char *path, struct sj_refresh_count *count)
{
    if (unlink(path) < 0 && errno != ENOENT)
        return -errno;
    count->n_removed++;
    return 0;
}

/* `sidecar`: what is there and not true, or NULL. */
static int make(struct work *work, enum sj_coding coding, const struct sj_scan_file *sidecar,
                struct sj_refresh_count *count)
{
    struct output output = {.room = work->refresher->room};
    enum sj_encode_outcome outcome;
    set_path(work, coding, output.path);
    int error = encode(work, coding, &output, &outcome);
    if (error != 0)
        return error;
    if (outcome == SJ_DOES_NOT_PAY) {
        count->n_unpaid += sidecar == NULL;
        return sidecar == NULL ? 0 : remove_sidecar(output.path, count);
    }
    error = finish(work, &output);
    if (error == 0) {
        count->n_written++;
        count->n_bytes += output.total;
    }
    return error;
}

/* Expands the sidecar: 0 and `*is_true`, or -errno. */
static int verify(struct work *work, enum sj_coding coding, const struct sj_scan_file *sidecar,
                  bool *is_true)
{
    char path[PATH_MAX];
    struct sj_file *variant;
    struct sj_content_request request = {.root = work->directory->scan->root,
                                         .path = path,
                                         .hold_limit = ROOM,
                                         .coding = coding,
                                         .expansion_limit = work->file->length};
    snprintf(path, sizeof(path), "%s%s", work->directory->path,
             sj_scan_name(work->directory, sidecar));
    int error = sj_content_read(&request, work->refresher->reader, &variant);
    *is_true = error == 0 && sj_sidecar_is_true(variant, coding, work->file);
    if (error == 0)
        sj_file_release(variant);
    /* It has gone, or is not to be read: then it is as good as a wrong one. */
    return error == -ENOENT || error == -EACCES ? 0 : error;
}

/* Gives a true sidecar its file's time: 0 or -errno. */
static int settle(const struct work *work, const struct sj_scan_file *sidecar)
{
    struct timespec times[2];
    set_times(work, times);
    return utimensat(work->folder, sj_scan_name(work->directory, sidecar), times,
                     AT_SYMLINK_NOFOLLOW) < 0
               ? -errno
               : 0;
}

static void keep(const struct sj_scan_file *sidecar, struct sj_refresh_count *count)
{
    count->n_kept++;
    count->n_bytes += sidecar->identity.size;
}

/* Of a coding that is not settled. */
static int refresh_coding(struct work *work, enum sj_coding coding, struct sj_refresh_count *count)
{
    const struct sj_scan_file *sidecar = sidecar_of(work->directory, work->at, coding);
    bool is_true = false;
    int error = sidecar == NULL ? 0 : verify(work, coding, sidecar, &is_true);
    if (error != 0)
        return error;
    /* Somebody else's, perhaps: then it can be good without ever being settled. */
    if (is_true && (settle(work, sidecar) == 0 ||
                    sj_sidecar_is_fresh(&sidecar->identity, &sj_on_disk(work->file)->identity))) {
        keep(sidecar, count);
        return 0;
    }
    return make(work, coding, sidecar, count);
}

static int refresh_all(struct work *work, struct sj_refresh_count counts[SJ_CODINGS])
{
    int error = 0;
    for (int i = SJ_GZIP; error == 0 && i < SJ_CODINGS; i++) {
        const struct sj_scan_file *sidecar = sidecar_of(work->directory, work->at, i);
        if (!work->refresher->codings[i])
            continue;
        if (sidecar != NULL && is_settled(&sidecar->identity, &sj_on_disk(work->file)->identity))
            keep(sidecar, &counts[i]);
        else
            error = refresh_coding(work, i, &counts[i]);
    }
    return error;
}

/* Reads the file and opens what is needed of it and of its directory. */
static int open_work(struct work *work)
{
    char path[PATH_MAX];
    struct sj_identity unused;
    const struct sj_root *root = work->directory->scan->root;
    const char *folder = work->directory->path_length == 0 ? "." : work->directory->path;
    struct sj_content_request request = {.root = root, .path = path, .hold_limit = ROOM};
    snprintf(path, sizeof(path), "%s%s", work->directory->path,
             sj_scan_name(work->directory, work->at));
    int error = sj_content_read(&request, work->refresher->reader, &work->file);
    if (error != 0)
        return error;
    work->folder = sj_root_resolve(root, folder, O_PATH | O_DIRECTORY);
    if (work->folder < 0)
        return work->folder;
    if (work->file->bytes == NULL) /* the encoder compares what it reads with the digest */
        work->descriptor = sj_root_open(root, path, &unused);
    return work->file->bytes == NULL && work->descriptor < 0 ? work->descriptor : 0;
}

int sj_refresh(struct sj_refresher *refresher, const struct sj_scan_directory *directory,
               const struct sj_scan_file *file, struct sj_refresh_count counts[SJ_CODINGS])
{
    struct work work = {.refresher = refresher,
                        .directory = directory,
                        .at = file,
                        .folder = -1,
                        .descriptor = -1,
                        .trial = SJ_ENCODED};
    int error = open_work(&work);
    if (error == -ENOENT)
        error = 0; /* it has just gone */
    else if (error == 0)
        error = refresh_all(&work, counts);
    if (work.folder >= 0)
        close(work.folder);
    if (work.descriptor >= 0)
        close(work.descriptor);
    sj_file_release(work.file);
    return error;
}
