/* SPDX-License-Identifier: MIT */
#include "cache/sidecar.h"

#include <brotli/decode.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>
#include <zlib.h>
#include <zstd.h>

#define HALF             (SJ_READER_SIZE / 2)
#define ZSTD_WINDOW_LOG  23
#define GZIP_WINDOW_BITS (16 + MAX_WBITS) /* gzip only, neither zlib nor raw */

/* Compressed bytes in, a digest out.  `in` is what is left of the current piece. */
struct pump {
    const struct sj_sidecar *sidecar;
    struct sj_reader *reader;
    const uint8_t *in;
    size_t in_length;
    uint64_t n_read;
    uint64_t n_written;
};

struct sj_reader *sj_reader_new(void)
{
    struct sj_reader *reader = malloc(sizeof(*reader));
    if (reader == NULL)
        return NULL;
    reader->is_cancelled = NULL;
    reader->scratch = (struct sj_scratch){.n_kept = 0};
    reader->zstd = NULL;
    reader->state = XXH3_createState();
    if (reader->state == NULL) {
        free(reader);
        return NULL;
    }
    return reader;
}

void sj_reader_free(struct sj_reader *reader)
{
    if (reader == NULL)
        return;
    XXH3_freeState(reader->state);
    ZSTD_freeCCtx(reader->zstd);
    sj_scratch_fini(&reader->scratch);
    free(reader);
}

/* Sees to input: 1, there is some; 0, the end; or -errno. */
static int fill(struct pump *pump)
{
    const struct sj_sidecar *sidecar = pump->sidecar;
    uint64_t left = sidecar->size - pump->n_read;
    if (pump->in_length > 0)
        return 1;
    if (left == 0)
        return 0;
    if (sidecar->bytes != NULL) {
        pump->in = (const uint8_t *)sidecar->bytes + pump->n_read;
        pump->in_length = left < HALF ? left : HALF;
    } else {
        char *room = pump->reader->buffer;
        ssize_t n = pread(sidecar->descriptor, room, HALF, (off_t)pump->n_read);
        if (n < 0)
            return -errno;
        pump->in = (const uint8_t *)room;
        pump->in_length = (uint64_t)n < left ? (size_t)n : left;
    }
    pump->n_read += pump->in_length;
    return pump->in_length > 0;
}

static uint8_t *output(const struct pump *pump)
{
    return (uint8_t *)pump->reader->buffer + HALF;
}

/* Takes `length` bytes from the output room.  False: beyond the limit, or cancelled. */
static bool emit(struct pump *pump, size_t length)
{
    XXH3_128bits_update(pump->reader->state, output(pump), length);
    pump->n_written += length;
    return pump->n_written <= pump->sidecar->limit && !sj_reader_is_cancelled(pump->reader);
}

static void consume(struct pump *pump, size_t left)
{
    pump->in += pump->in_length - left;
    pump->in_length = left;
}

/* One call of inflate: SJ_NOT_EXPANDED means go on. */
static enum sj_expansion_outcome inflate_piece(struct pump *pump, z_stream *stream, bool *is_inside)
{
    stream->next_in = (Bytef *)(uintptr_t)pump->in;
    stream->avail_in = (uInt)pump->in_length;
    stream->next_out = output(pump);
    stream->avail_out = HALF;
    int code = inflate(stream, Z_NO_FLUSH);
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
        return SJ_EXPANDS_NOT;
    consume(pump, stream->avail_in);
    if (!emit(pump, HALF - stream->avail_out))
        return SJ_EXPANDS_TOO_LARGE;
    *is_inside = code != Z_STREAM_END;
    if (code == Z_STREAM_END && inflateReset(stream) != Z_OK)
        return SJ_EXPANDS_NOT;
    return SJ_NOT_EXPANDED;
}

static int expand_gzip(struct pump *pump, enum sj_expansion_outcome *outcome)
{
    z_stream stream = {.next_in = NULL};
    bool is_inside = true;
    int filled = 1;
    if (inflateInit2(&stream, GZIP_WINDOW_BITS) != Z_OK)
        return -ENOMEM;
    while (*outcome == SJ_NOT_EXPANDED && (filled = fill(pump)) > 0)
        *outcome = inflate_piece(pump, &stream, &is_inside);
    /* What the last piece of input still has to give, when it filled the output room. */
    while (filled == 0 && *outcome == SJ_NOT_EXPANDED && is_inside) {
        uint64_t before = pump->n_written;
        *outcome = inflate_piece(pump, &stream, &is_inside);
        if (is_inside && *outcome == SJ_NOT_EXPANDED && pump->n_written == before)
            *outcome = SJ_EXPANDS_NOT;
    }
    inflateEnd(&stream);
    if (filled == 0 && *outcome == SJ_NOT_EXPANDED)
        *outcome = SJ_EXPANDED;
    return filled < 0 ? filled : 0;
}

static int expand_brotli(struct pump *pump, enum sj_expansion_outcome *outcome)
{
    BrotliDecoderResult result = BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT;
    BrotliDecoderState *state = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    int filled = 0;
    if (state == NULL)
        return -ENOMEM;
    while (*outcome == SJ_NOT_EXPANDED && result != BROTLI_DECODER_RESULT_SUCCESS) {
        if (result == BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT && (filled = fill(pump)) <= 0)
            break;
        uint8_t *out = output(pump);
        size_t room = HALF;
        result =
            BrotliDecoderDecompressStream(state, &pump->in_length, &pump->in, &room, &out, NULL);
        if (result == BROTLI_DECODER_RESULT_ERROR)
            *outcome = SJ_EXPANDS_NOT;
        else if (!emit(pump, HALF - room))
            *outcome = SJ_EXPANDS_TOO_LARGE;
    }
    BrotliDecoderDestroyInstance(state);
    if (filled < 0)
        return filled;
    if (*outcome == SJ_NOT_EXPANDED) {
        bool is_whole = result == BROTLI_DECODER_RESULT_SUCCESS && fill(pump) == 0;
        *outcome = is_whole ? SJ_EXPANDED : SJ_EXPANDS_NOT;
    }
    return 0;
}

/* One call of the decoder; `*wanted` is 0 at the end of a frame. */
static enum sj_expansion_outcome zstd_piece(struct pump *pump, ZSTD_DStream *stream, size_t *wanted)
{
    ZSTD_inBuffer in = {pump->in, pump->in_length, 0};
    ZSTD_outBuffer out = {output(pump), HALF, 0};
    *wanted = ZSTD_decompressStream(stream, &out, &in);
    if (ZSTD_isError(*wanted))
        return SJ_EXPANDS_NOT;
    consume(pump, in.size - in.pos);
    return emit(pump, out.pos) ? SJ_NOT_EXPANDED : SJ_EXPANDS_TOO_LARGE;
}

static int expand_zstd(struct pump *pump, enum sj_expansion_outcome *outcome)
{
    size_t wanted = 1;
    int filled = 1;
    ZSTD_DStream *stream = ZSTD_createDStream();
    if (stream == NULL)
        return -ENOMEM;
    ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
    while (*outcome == SJ_NOT_EXPANDED && (filled = fill(pump)) > 0)
        *outcome = zstd_piece(pump, stream, &wanted);
    while (filled == 0 && *outcome == SJ_NOT_EXPANDED && wanted != 0) {
        uint64_t before = pump->n_written;
        *outcome = zstd_piece(pump, stream, &wanted);
        if (*outcome == SJ_NOT_EXPANDED && wanted != 0 && pump->n_written == before)
            *outcome = SJ_EXPANDS_NOT;
    }
    ZSTD_freeDStream(stream);
    if (filled == 0 && *outcome == SJ_NOT_EXPANDED)
        *outcome = SJ_EXPANDED;
    return filled < 0 ? filled : 0;
}

static int expand(struct pump *pump, enum sj_expansion_outcome *outcome)
{
    switch (pump->sidecar->coding) {
    case SJ_GZIP:
        return expand_gzip(pump, outcome);
    case SJ_BR:
        return expand_brotli(pump, outcome);
    case SJ_ZSTD:
        return expand_zstd(pump, outcome);
    default:
        return -EINVAL;
    }
}

int sj_sidecar_expand(const struct sj_sidecar *sidecar, struct sj_reader *reader,
                      struct sj_expansion *expansion)
{
    struct pump pump = {.sidecar = sidecar, .reader = reader};
    enum sj_expansion_outcome outcome = SJ_NOT_EXPANDED;
    XXH128_canonical_t digest;
    XXH3_128bits_reset(reader->state);
    int error = expand(&pump, &outcome);
    if (error == 0 && sj_reader_is_cancelled(reader))
        error = -ECANCELED;
    if (error != 0)
        return error;
    XXH128_canonicalFromHash(&digest, XXH3_128bits_digest(reader->state));
    *expansion = (struct sj_expansion){
        .coding = (uint8_t)sidecar->coding, .outcome = (uint8_t)outcome, .size = pump.n_written};
    if (outcome == SJ_EXPANDS_TOO_LARGE)
        expansion->size = sidecar->limit;
    memcpy(expansion->digest, digest.digest, sizeof(expansion->digest));
    return 0;
}

bool sj_expansion_is_known(const struct sj_expansion *expansion, enum sj_coding coding,
                           uint64_t limit)
{
    return expansion != NULL && expansion->coding == coding &&
           expansion->outcome != SJ_NOT_EXPANDED &&
           (expansion->outcome != SJ_EXPANDS_TOO_LARGE || expansion->size >= limit);
}

bool sj_sidecar_is_true(const struct sj_file *variant, enum sj_coding coding,
                        const struct sj_file *file)
{
    const struct sj_expansion *expansion = sj_on_disk(variant)->expansion;
    return expansion != NULL && expansion->coding == coding && expansion->outcome == SJ_EXPANDED &&
           expansion->size == file->length &&
           memcmp(expansion->digest, file->digest, sizeof(file->digest)) == 0;
}

bool sj_sidecar_is_fresh(const struct sj_identity *variant, const struct sj_identity *file)
{
    return variant->modified_ns / 1000000000 >= file->modified_ns / 1000000000;
}
