/* SPDX-License-Identifier: MIT */
#include "cache/variants_private.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One unit at one effort. */
struct making {
    struct sj_variants *variants;
    struct sj_unit *unit;
    struct sj_reader *reader;
    struct sj_store_key key;
    uint64_t hold_limit;
};

/* What the unit's variant of before gives back counts, as it goes. */
static uint64_t room_for(const struct making *making)
{
    const struct sj_unit *unit = making->unit;
    const struct sj_file *old =
        unit->file != NULL ? unit->file : unit->content->files[unit->coding - 1];
    uint64_t limit = making->variants->config.memory_file_limit;
    int64_t left = (int64_t)ck_pr_load_64(&making->variants->hold_left);
    if (old != NULL && old->is_held)
        left += (int64_t)old->length;
    if (left <= 0)
        return 0;
    return (uint64_t)left < limit ? (uint64_t)left : limit;
}

static int encode_from(struct making *making, const char *bytes, int descriptor,
                       struct sj_file **file)
{
    struct sj_encode_request request = {.bytes = bytes,
                                        .descriptor = descriptor,
                                        .length = making->key.length,
                                        .digest = making->key.digest,
                                        .coding = making->key.coding,
                                        .effort = making->key.effort};
    struct sj_store_writer *writer;
    enum sj_encode_outcome outcome;
    int error = sj_store_begin(making->variants->config.store, &making->key, &writer);
    if (error != 0)
        return error;
    error =
        sj_encode(&request, making->reader, &(struct sj_sink){sj_store_write, writer}, &outcome);
    if (error != 0) {
        sj_store_abort(writer);
        return error;
    }
    ck_pr_inc_64(&making->variants->status.n_compressed);
    if (outcome == SJ_DOES_NOT_PAY) {
        sj_store_refuse(writer);
        return SJ_STORE_DOES_NOT_PAY;
    }
    error = sj_store_commit(writer, making->hold_limit, file);
    return error != 0 ? error : SJ_STORE_FOUND;
}

/* Has the file another state now than when it was indexed?  Then that is the next build's. */
static bool has_changed(int descriptor, const struct sj_identity *identity)
{
    struct stat status;
    struct sj_identity now;
    if (fstat(descriptor, &status) < 0)
        return true;
    sj_identity_of(&status, &now);
    return !sj_identity_keeps_content(identity, &now);
}

/* From memory, the file's own descriptor or its path: whatever is read must have the digest.
 * -ESTALE: the very state that was indexed has another one. */
static int encode(struct making *making, struct sj_file **file)
{
    const struct sj_entry *entry = making->unit->content->entry;
    const struct sj_representation *from = &entry->representations[SJ_IDENTITY];
    struct sj_identity identity;
    const char *bytes = sj_file_bytes(from->file);
    int kept = sj_file_descriptor(from->file);
    int descriptor =
        bytes != NULL || kept >= 0 ? kept : sj_root_open(entry->root, from->source, &identity);
    if (bytes == NULL && descriptor < 0)
        return descriptor;
    int code = encode_from(making, bytes, descriptor, file);
    if (code == -ESTALE && bytes == NULL &&
        has_changed(descriptor, &sj_on_disk(from->file)->identity))
        code = -ENOENT;
    if (descriptor >= 0 && descriptor != kept)
        close(descriptor);
    return code;
}

static int look_for(struct making *making, enum sj_effort effort, struct sj_file **file)
{
    making->key.effort = effort;
    making->hold_limit = room_for(making);
    int code = sj_store_find(making->variants->config.store, &making->key, making->hold_limit,
                             making->reader, file);
    if (code == SJ_STORE_FOUND || code == SJ_STORE_DOES_NOT_PAY)
        ck_pr_inc_64(&making->variants->status.n_found);
    return code;
}

/* An outcome of the store's, or -errno; the key says at which effort. */
static int get(struct making *making, struct sj_file **file)
{
    const struct sj_unit *unit = making->unit;
    int code = look_for(making, SJ_EFFORT_BEST, file);
    if (code != SJ_STORE_ABSENT)
        return code;
    if (unit->done == SJ_DONE_FAST)
        return encode(making, file);
    code = look_for(making, SJ_EFFORT_FAST, file);
    return code != SJ_STORE_ABSENT ? code : encode(making, file);
}

/* Memory or a descriptor for it; else it goes. */
static struct sj_file *keep(const struct making *making, struct sj_file *file)
{
    struct sj_variants *variants = making->variants;
    file->is_held = file->bytes != NULL;
    file->is_open = file->descriptor >= 0;
    if (file->is_held)
        ck_pr_add_64(&variants->hold_left, UINT64_C(0) - file->length);
    if (file->is_open)
        ck_pr_dec_64(&variants->open_left);
    if ((!file->is_held || file->length <= making->hold_limit) &&
        (!file->is_open || (int64_t)ck_pr_load_64(&variants->open_left) >= 0))
        return file;
    sj_variants_drop(variants, file);
    return NULL;
}

/* How far the unit is done: what does not pay fast is not tried again, and what there is no room
 * for is not made smaller. */
static enum sj_done done_with(const struct making *making, const struct sj_file *file)
{
    if (file == NULL || making->key.effort == SJ_EFFORT_BEST || making->key.length > SJ_BEST_MAX)
        return SJ_DONE_BEST;
    return SJ_DONE_FAST;
}

/* It cannot be had now.  What was indexed wrong is to be read again. */
static bool give_up(const struct making *making, int error)
{
    if (error == -ECANCELED)
        return false;
    making->unit->is_closed = true;
    making->unit->is_wrong = error == -ESTALE;
    if (error == -ESTALE)
        ck_pr_store_32(&making->variants->has_doubts, 1);
    return error == -ESTALE;
}

bool sj_variants_make(struct sj_variants *variants, struct sj_unit *unit, struct sj_reader *reader)
{
    struct making making = {.variants = variants,
                            .unit = unit,
                            .reader = reader,
                            .key = {.length = sj_content_length(unit->content),
                                    .coding = (enum sj_coding)unit->coding}};
    struct sj_file *file = NULL;
    memcpy(making.key.digest, unit->content->digest, sizeof(making.key.digest));
    int code = get(&making, &file);
    if (code < 0)
        return give_up(&making, code);
    if (code == SJ_STORE_FOUND)
        file = keep(&making, file);
    unit->done = (uint8_t)done_with(&making, file);
    sj_variants_drop(variants, unit->file);
    unit->file = file;
    return true;
}
