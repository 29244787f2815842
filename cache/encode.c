/* SPDX-License-Identifier: MIT */
#include "cache/encode.h"

#include <brotli/encode.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include <xxhash.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define HALF             (SJ_READER_SIZE / 2)
#define GZIP_WINDOW_BITS (16 + MAX_WBITS) /* a gzip header, not zlib's */
#define GZIP_MEMORY      8                /* 9 is no smaller, and slower for files of some KB */
#define BROTLI_MARGIN    16               /* a window of n bits reaches back 2^n less this */

/*
 * Levels by effort.  On one core (EPYC, zlib 1.2.13, brotli 1.0.9, zstd 1.5.4), 2,137 files of
 * /usr/share/doc and /usr/include with 27.6 MB, each on its own; MB/s, output/content:
 *
 *   gzip  1: 87 .272   4: 69 .243    6: 46 .234   9: 31 .231
 *   br    2: 149 .253  4: 75 .237    5: 50 .220   9: 11 .215   10: 2.5 .196   11: 0.9 .192
 *   zstd  1: 295 .260  3: 256 .249   5: 131 .236  19: 3.1 .219
 *
 * Fast: 4, 5 and 3, all three together 27 MB/s.
 */
static const int gzip_levels[SJ_EFFORTS] = {4, 9};
static const int brotli_levels[SJ_EFFORTS] = {5, 11};
static const int zstd_levels[SJ_EFFORTS] = {3, 19};
static const int zstd_windows[SJ_EFFORTS] = {21, 23};

/* Content in, compressed octets out.  `in` is what is left of the current piece. */
struct pump {
    const struct sj_encode_request *request;
    struct sj_reader *reader;
    const struct sj_sink *sink;
    const uint8_t *in;
    size_t in_length;
    uint64_t n_read;
    uint64_t n_written;
};

/* One call of a codec on what the pump holds: 0 and what it put into the output room; -errno. */
struct step {
    size_t n_made;
    bool is_last;
};
typedef int step_call(struct pump *pump, void *state, struct step *step);

static bool is_all_read(const struct pump *pump)
{
    return pump->n_read == pump->request->length;
}

static uint8_t *output(const struct pump *pump)
{
    return (uint8_t *)pump->reader->buffer + HALF;
}

/* Whole, so that the pieces, which some codecs' output depends on, are always the same. */
static int read_piece(struct pump *pump, size_t length)
{
    size_t done = 0;
    while (done < length) {
        ssize_t n = pread(pump->request->descriptor, pump->reader->buffer + done, length - done,
                          (off_t)(pump->n_read + done));
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n == 0)
            return -ESTALE;
        done += n > 0 ? (size_t)n : 0;
    }
    pump->in = (const uint8_t *)pump->reader->buffer;
    return 0;
}

/* The next piece of content, which is not over. */
static int fill(struct pump *pump)
{
    uint64_t left = pump->request->length - pump->n_read;
    size_t length = left < HALF ? (size_t)left : HALF;
    int error = 0;
    if (sj_reader_is_cancelled(pump->reader))
        return -ECANCELED;
    if (pump->request->bytes != NULL)
        pump->in = (const uint8_t *)pump->request->bytes + pump->n_read;
    else
        error = read_piece(pump, length);
    if (error != 0)
        return error;
    if (pump->request->digest != NULL)
        XXH3_128bits_update(pump->reader->state, pump->in, length);
    pump->in_length = length;
    pump->n_read += length;
    return 0;
}

static void consume(struct pump *pump, size_t left)
{
    pump->in += pump->in_length - left;
    pump->in_length = left;
}

/* Hands on `length` octets of the output room.  1: no, there are too many by now. */
static int emit(struct pump *pump, size_t length)
{
    uint64_t most = pump->request->length - (pump->request->length + 19) / 20;
    pump->n_written += length;
    if (pump->n_written > most)
        return 1;
    if (length == 0)
        return 0;
    return pump->sink->write(pump->sink->argument, output(pump), length);
}

/* 0: encoded; 1: does not pay; or -errno. */
static int run(struct pump *pump, void *state, step_call *call)
{
    struct step step = {.is_last = false};
    int code = 0;
    while (code == 0 && !step.is_last) {
        if (pump->in_length == 0 && !is_all_read(pump))
            code = fill(pump);
        else if (sj_reader_is_cancelled(pump->reader))
            code = -ECANCELED;
        if (code == 0)
            code = call(pump, state, &step);
        if (code == 0)
            code = emit(pump, step.n_made);
    }
    return code;
}

static int step_gzip(struct pump *pump, void *state, struct step *step)
{
    z_stream *stream = state;
    stream->next_in = (Bytef *)(uintptr_t)pump->in;
    stream->avail_in = (uInt)pump->in_length;
    stream->next_out = output(pump);
    stream->avail_out = HALF;
    int code = deflate(stream, is_all_read(pump) ? Z_FINISH : Z_NO_FLUSH);
    consume(pump, stream->avail_in);
    *step = (struct step){.n_made = HALF - stream->avail_out, .is_last = code == Z_STREAM_END};
    return code == Z_STREAM_ERROR ? -EIO : 0;
}

static void *take(void *scratch, unsigned n_items, unsigned size)
{
    return sj_scratch_take(scratch, (size_t)n_items * size);
}

static int encode_gzip(struct pump *pump)
{
    z_stream stream = {.zalloc = take, .zfree = sj_scratch_give, .opaque = &pump->reader->scratch};
    if (deflateInit2(&stream, gzip_levels[pump->request->effort], Z_DEFLATED, GZIP_WINDOW_BITS,
                     GZIP_MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
        return -ENOMEM;
    int code = run(pump, &stream, step_gzip);
    deflateEnd(&stream);
    return code;
}

static int step_brotli(struct pump *pump, void *state, struct step *step)
{
    uint8_t *out = output(pump);
    size_t room = HALF;
    BrotliEncoderOperation operation =
        is_all_read(pump) ? BROTLI_OPERATION_FINISH : BROTLI_OPERATION_PROCESS;
    if (!BrotliEncoderCompressStream(state, operation, &pump->in_length, &pump->in, &room, &out,
                                     NULL))
        return -ENOMEM;
    *step = (struct step){.n_made = HALF - room, .is_last = BrotliEncoderIsFinished(state)};
    return 0;
}

/* As small as the content allows, for the memory on both sides.  The header names 16 in one bit and
 * 18 to 24 in four; the others take seven, so that the file would be longer. */
static uint32_t brotli_window(uint64_t length)
{
    uint32_t bits = 16;
    while (bits < BROTLI_MAX_WINDOW_BITS && (UINT64_C(1) << bits) - BROTLI_MARGIN < length)
        bits += bits == 16 ? 2 : 1;
    return bits;
}

static int encode_brotli(struct pump *pump)
{
    uint64_t length = pump->request->length;
    uint32_t hint = length < 1U << 30 ? (uint32_t)length : 1U << 30;
    BrotliEncoderState *state =
        BrotliEncoderCreateInstance(sj_scratch_take, sj_scratch_give, &pump->reader->scratch);
    if (state == NULL)
        return -ENOMEM;
    BrotliEncoderSetParameter(state, BROTLI_PARAM_QUALITY,
                              (uint32_t)brotli_levels[pump->request->effort]);
    BrotliEncoderSetParameter(state, BROTLI_PARAM_LGWIN, brotli_window(length));
    BrotliEncoderSetParameter(state, BROTLI_PARAM_SIZE_HINT, hint);
    int code = run(pump, state, step_brotli);
    BrotliEncoderDestroyInstance(state);
    return code;
}

static int zstd_error(size_t code)
{
    if (!ZSTD_isError(code))
        return 0;
    return ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation ? -ENOMEM : -EIO;
}

static int step_zstd(struct pump *pump, void *state, struct step *step)
{
    ZSTD_inBuffer in = {pump->in, pump->in_length, 0};
    ZSTD_outBuffer out = {output(pump), HALF, 0};
    bool ends = is_all_read(pump);
    size_t left = ZSTD_compressStream2(state, &out, &in, ends ? ZSTD_e_end : ZSTD_e_continue);
    consume(pump, in.size - in.pos);
    *step = (struct step){.n_made = out.pos, .is_last = ends && left == 0};
    return zstd_error(left);
}

static int encode_zstd(struct pump *pump)
{
    enum sj_effort effort = pump->request->effort;
    if (pump->reader->zstd == NULL)
        pump->reader->zstd = ZSTD_createCCtx();
    ZSTD_CCtx *context = pump->reader->zstd;
    if (context == NULL)
        return -ENOMEM;
    ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters);
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, zstd_levels[effort]);
    ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, zstd_windows[effort]);
    ZSTD_CCtx_setPledgedSrcSize(context, pump->request->length);
    return run(pump, context, step_zstd);
}

/* Was that the content that was asked for?  What does not pay is not worth a wrong record
 * either: the rest is read for the digest. */
static int check(struct pump *pump)
{
    const struct sj_encode_request *request = pump->request;
    XXH128_canonical_t digest;
    char more;
    while (request->digest != NULL && !is_all_read(pump)) {
        int error = fill(pump);
        if (error != 0)
            return error;
    }
    if (request->bytes == NULL && pread(request->descriptor, &more, 1, (off_t)request->length) > 0)
        return -ESTALE;
    if (request->digest == NULL)
        return 0;
    XXH128_canonicalFromHash(&digest, XXH3_128bits_digest(pump->reader->state));
    return memcmp(digest.digest, request->digest, sizeof(digest.digest)) == 0 ? 0 : -ESTALE;
}

int sj_encode(const struct sj_encode_request *request, struct sj_reader *reader,
              const struct sj_sink *sink, enum sj_encode_outcome *outcome)
{
    struct pump pump = {
        .request = request, .reader = reader, .sink = sink, .in = (const uint8_t *)""};
    int code = -EINVAL;
    XXH3_128bits_reset(reader->state);
    if (request->coding == SJ_GZIP)
        code = encode_gzip(&pump);
    else if (request->coding == SJ_BR)
        code = encode_brotli(&pump);
    else if (request->coding == SJ_ZSTD)
        code = encode_zstd(&pump);
    if (code < 0)
        return code;
    *outcome = code == 0 ? SJ_ENCODED : SJ_DOES_NOT_PAY;
    return check(&pump);
}

void sj_encode_settings(enum sj_coding coding, enum sj_effort effort, char text[SJ_SETTINGS_SIZE])
{
    uint32_t brotli = BrotliEncoderVersion();
    if (coding == SJ_GZIP)
        snprintf(text, SJ_SETTINGS_SIZE, "gz%d-m%d-%s", gzip_levels[effort], GZIP_MEMORY,
                 zlibVersion());
    else if (coding == SJ_BR)
        snprintf(text, SJ_SETTINGS_SIZE, "br%d-w%d-%u.%u.%u", brotli_levels[effort],
                 BROTLI_MAX_WINDOW_BITS, brotli >> 24, brotli >> 12 & 0xfff, brotli & 0xfff);
    else if (coding == SJ_ZSTD)
        snprintf(text, SJ_SETTINGS_SIZE, "zst%d-w%d-%s", zstd_levels[effort], zstd_windows[effort],
                 ZSTD_versionString());
    else
        snprintf(text, SJ_SETTINGS_SIZE, "identity");
}

#define ENDING(literal)                 \
    {                                   \
        "" literal, sizeof(literal) - 1 \
    }
static const struct sj_text compressed_endings[] = {
    /* images */
    ENDING("jpg"), ENDING("jpeg"), ENDING("png"), ENDING("gif"), ENDING("webp"), ENDING("avif"),
    ENDING("jxl"), ENDING("heic"),
    /* archives and packages */
    ENDING("zip"), ENDING("gz"), ENDING("tgz"), ENDING("bz2"), ENDING("tbz"), ENDING("xz"),
    ENDING("br"), ENDING("zst"), ENDING("7z"), ENDING("rar"), ENDING("jar"), ENDING("apk"),
    ENDING("deb"), ENDING("rpm"),
    /* documents and fonts */
    ENDING("pdf"), ENDING("swf"), ENDING("woff"), ENDING("woff2"),
    /* sound and film */
    ENDING("mp3"), ENDING("ogg"), ENDING("opus"), ENDING("aac"), ENDING("flac"), ENDING("flv"),
    ENDING("3gp"), ENDING("3gpp"), ENDING("asf"), ENDING("avi"), ENDING("m4v"), ENDING("mov"),
    ENDING("mp4"), ENDING("mpeg"), ENDING("mpg"), ENDING("webm"), ENDING("wmv")};

bool sj_encode_is_wanted(struct sj_text name)
{
    const char *dot = name.length == 0 ? NULL : memrchr(name.at, '.', name.length);
    if (dot == NULL)
        return true;
    struct sj_text ending = {dot + 1, (size_t)(name.at + name.length - dot) - 1};
    for (size_t i = 0; i < sizeof(compressed_endings) / sizeof(*compressed_endings); i++)
        if (sj_text_equals_nocase(ending, compressed_endings[i]))
            return false;
    return true;
}
