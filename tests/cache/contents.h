/* SPDX-License-Identifier: MIT */
#ifndef SJ_TESTS_CACHE_CONTENTS_H
#define SJ_TESTS_CACHE_CONTENTS_H
/* Contents for tests of compressing and storing; the same for the same seed. */
#include "tests/cache/tree.h"

#include <xxhash.h>
#include "cache/encode.h"

struct content {
    char *bytes;
    size_t length;
    uint8_t digest[16];
};

static inline uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static inline void digest_of(const void *bytes, size_t length, uint8_t digest[16])
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes, length));
    memcpy(digest, canonical.digest, sizeof(canonical.digest));
}

/* Words of two to nine letters out of 512. */
static inline struct content words(size_t length, uint32_t seed)
{
    struct content content = {.bytes = malloc(length + 16), .length = length};
    assert_non_null(content.bytes);
    for (size_t done = 0; done < length;) {
        uint32_t word = next_random(&seed) % 512;
        for (uint32_t i = 0; i < 2 + word % 8; i++)
            content.bytes[done++] = (char)('a' + (word * 7 + i * i * (word + 3)) % 26);
        content.bytes[done++] = ' ';
    }
    digest_of(content.bytes, length, content.digest);
    return content;
}

/* Octets that do not compress, then zeros that do. */
static inline struct content noise(size_t length, size_t n_random, uint32_t seed)
{
    struct content content = {.bytes = calloc(1, length + 1), .length = length};
    assert_non_null(content.bytes);
    for (size_t i = 0; i < n_random; i++)
        content.bytes[i] = (char)(next_random(&seed) >> 4);
    digest_of(content.bytes, length, content.digest);
    return content;
}

/* A sink in memory. */
struct collected {
    char *bytes;
    size_t length;
    int error; /* what the next write says */
};

static inline int collect(void *argument, const void *bytes, size_t length)
{
    struct collected *collected = argument;
    if (collected->error != 0)
        return collected->error;
    collected->bytes = realloc(collected->bytes, collected->length + length);
    assert_non_null(collected->bytes);
    memcpy(collected->bytes + collected->length, bytes, length);
    collected->length += length;
    return 0;
}

static inline struct sj_encode_request request_for(const struct content *content,
                                                   enum sj_coding coding, enum sj_effort effort)
{
    return (struct sj_encode_request){.bytes = content->bytes,
                                      .descriptor = -1,
                                      .length = content->length,
                                      .digest = content->digest,
                                      .coding = coding,
                                      .effort = effort};
}

/* Do these octets expand to that content? */
static inline void assert_expands(const char *bytes, size_t length, enum sj_coding coding,
                                  const struct content *content)
{
    struct sj_reader *reader = sj_reader_new();
    struct sj_expansion expansion;
    struct sj_sidecar sidecar = {
        .bytes = bytes, .size = length, .coding = coding, .limit = content->length};
    assert_int_equal(sj_sidecar_expand(&sidecar, reader, &expansion), 0);
    assert_int_equal(expansion.outcome, SJ_EXPANDED);
    assert_int_equal(expansion.size, content->length);
    assert_memory_equal(expansion.digest, content->digest, 16);
    sj_reader_free(reader);
}

#endif
