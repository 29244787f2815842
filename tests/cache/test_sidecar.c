/* SPDX-License-Identifier: MIT */
#include "cache/sidecar.h"

#include <brotli/encode.h>
#include <xxhash.h>
#include <zstd.h>
#include "tests/cache/tree.h"

#define TEXT_LENGTH 300000

struct fixture {
    struct sj_reader *reader;
    char *text; /* neither trivial nor incompressible */
    char *packed;
    size_t packed_length;
    size_t room;
    uint8_t digest[16];
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    XXH128_canonical_t canonical;
    uint32_t seed = 1;
    fixture->reader = sj_reader_new();
    fixture->text = malloc(TEXT_LENGTH);
    fixture->room = 2 * TEXT_LENGTH;
    fixture->packed = malloc(fixture->room);
    for (size_t i = 0; i < TEXT_LENGTH; i++) {
        seed = seed * 1664525 + 1013904223;
        fixture->text[i] = (char)('a' + (seed >> 28));
    }
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(fixture->text, TEXT_LENGTH));
    memcpy(fixture->digest, canonical.digest, sizeof(fixture->digest));
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    sj_reader_free(fixture->reader);
    free(fixture->text);
    free(fixture->packed);
    free(fixture);
    return 0;
}

static void pack(struct fixture *fixture, enum sj_coding coding)
{
    size_t length = fixture->room;
    if (coding == SJ_GZIP)
        length = gzip(fixture->text, TEXT_LENGTH, fixture->packed, length);
    else if (coding == SJ_BR)
        assert_int_equal(BrotliEncoderCompress(5, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_GENERIC,
                                               TEXT_LENGTH, (uint8_t *)fixture->text, &length,
                                               (uint8_t *)fixture->packed),
                         BROTLI_TRUE);
    else
        length = ZSTD_compress(fixture->packed, length, fixture->text, TEXT_LENGTH, 3);
    fixture->packed_length = length;
}

static struct sj_expansion expand(struct fixture *fixture, enum sj_coding coding, uint64_t limit)
{
    struct sj_sidecar sidecar = {.bytes = fixture->packed,
                                 .descriptor = -1,
                                 .size = fixture->packed_length,
                                 .coding = coding,
                                 .limit = limit};
    struct sj_expansion expansion;
    assert_int_equal(sj_sidecar_expand(&sidecar, fixture->reader, &expansion), 0);
    return expansion;
}

static void assert_whole(const struct fixture *fixture, const struct sj_expansion *expansion)
{
    assert_int_equal(expansion->outcome, SJ_EXPANDED);
    assert_int_equal(expansion->size, TEXT_LENGTH);
    assert_memory_equal(expansion->digest, fixture->digest, 16);
}

static void each_coding_expands_to_its_file(void **state)
{
    struct fixture *fixture = *state;
    for (int coding = SJ_GZIP; coding < SJ_CODINGS; coding++) {
        pack(fixture, coding);
        struct sj_expansion expansion = expand(fixture, coding, TEXT_LENGTH);
        assert_whole(fixture, &expansion);
        assert_int_equal(expansion.coding, coding);
    }
}

static void a_file_is_expanded_as_well_as_memory(void **state)
{
    struct fixture *fixture = *state;
    struct tree *tree = tree_new();
    for (int coding = SJ_GZIP; coding < SJ_CODINGS; coding++) {
        struct sj_expansion expansion;
        pack(fixture, coding);
        tree_write_bytes(tree, "x", fixture->packed, fixture->packed_length);
        struct sj_sidecar sidecar = {.descriptor = open(tree_path(tree, "x"), O_RDONLY),
                                     .size = fixture->packed_length,
                                     .coding = coding,
                                     .limit = TEXT_LENGTH};
        assert_int_equal(sj_sidecar_expand(&sidecar, fixture->reader, &expansion), 0);
        close(sidecar.descriptor);
        assert_whole(fixture, &expansion);
    }
    tree_free(tree);
}

static void all_members_of_gzip_count(void **state)
{
    struct fixture *fixture = *state;
    size_t half = TEXT_LENGTH / 2;
    size_t first = gzip(fixture->text, half, fixture->packed, fixture->room);
    fixture->packed_length = first + gzip(fixture->text + half, TEXT_LENGTH - half,
                                          fixture->packed + first, fixture->room - first);
    struct sj_expansion expansion = expand(fixture, SJ_GZIP, TEXT_LENGTH);
    assert_whole(fixture, &expansion);
}

static void what_is_cut_off_does_not_expand(void **state)
{
    struct fixture *fixture = *state;
    for (int coding = SJ_GZIP; coding < SJ_CODINGS; coding++) {
        pack(fixture, coding);
        size_t whole = fixture->packed_length;
        static const size_t missing[] = {1, 4, 9, 1000};
        for (size_t i = 0; i < sizeof(missing) / sizeof(*missing); i++) {
            fixture->packed_length = whole - missing[i];
            assert_int_equal(expand(fixture, coding, TEXT_LENGTH).outcome, SJ_EXPANDS_NOT);
        }
    }
}

static void nothing_may_follow(void **state)
{
    struct fixture *fixture = *state;
    for (int coding = SJ_GZIP; coding < SJ_CODINGS; coding++) {
        pack(fixture, coding);
        fixture->packed[fixture->packed_length++] = 'x';
        assert_int_equal(expand(fixture, coding, TEXT_LENGTH).outcome, SJ_EXPANDS_NOT);
    }
}

static void an_empty_file_expands_to_nothing_at_all(void **state)
{
    struct fixture *fixture = *state;
    for (int coding = SJ_GZIP; coding < SJ_CODINGS; coding++)
        assert_int_equal(expand(fixture, coding, TEXT_LENGTH).outcome, SJ_EXPANDS_NOT);
}

static void one_coding_is_not_another(void **state)
{
    struct fixture *fixture = *state;
    pack(fixture, SJ_GZIP);
    assert_int_equal(expand(fixture, SJ_ZSTD, TEXT_LENGTH).outcome, SJ_EXPANDS_NOT);
    pack(fixture, SJ_ZSTD);
    assert_int_equal(expand(fixture, SJ_GZIP, TEXT_LENGTH).outcome, SJ_EXPANDS_NOT);
}

static void expanding_stops_at_the_limit(void **state)
{
    struct fixture *fixture = *state;
    for (int coding = SJ_GZIP; coding < SJ_CODINGS; coding++) {
        pack(fixture, coding);
        struct sj_expansion expansion = expand(fixture, coding, TEXT_LENGTH - 1);
        assert_int_equal(expansion.outcome, SJ_EXPANDS_TOO_LARGE);
        assert_int_equal(expansion.size, TEXT_LENGTH - 1);
    }
}

static void a_damaged_octet_never_passes(void **state)
{
    struct fixture *fixture = *state;
    for (int coding = SJ_GZIP; coding < SJ_CODINGS; coding++) {
        pack(fixture, coding);
        for (size_t at = 10; at < fixture->packed_length; at += fixture->packed_length / 7) {
            fixture->packed[at] ^= 0x55;
            struct sj_expansion expansion = expand(fixture, coding, TEXT_LENGTH);
            fixture->packed[at] ^= 0x55;
            assert_false(expansion.outcome == SJ_EXPANDED && expansion.size == TEXT_LENGTH &&
                         memcmp(expansion.digest, fixture->digest, 16) == 0);
        }
    }
}

static void a_read_error_is_reported(void **state)
{
    struct fixture *fixture = *state;
    struct sj_sidecar sidecar = {
        .descriptor = -1, .size = 100, .coding = SJ_GZIP, .limit = TEXT_LENGTH};
    struct sj_expansion expansion;
    assert_int_equal(sj_sidecar_expand(&sidecar, fixture->reader, &expansion), -EBADF);
}

static void a_cancelled_reader_ends_each_coding(void **state)
{
    struct fixture *fixture = *state;
    uint32_t is_cancelled = 1;
    fixture->reader->is_cancelled = &is_cancelled;
    for (int coding = SJ_GZIP; coding < SJ_CODINGS; coding++) {
        struct sj_expansion expansion;
        pack(fixture, coding);
        struct sj_sidecar sidecar = {.bytes = fixture->packed,
                                     .size = fixture->packed_length,
                                     .coding = coding,
                                     .limit = TEXT_LENGTH};
        assert_int_equal(sj_sidecar_expand(&sidecar, fixture->reader, &expansion), -ECANCELED);
    }
}

static void too_large_is_known_only_up_to_the_limit_tried(void **state)
{
    struct sj_expansion expansion = {.coding = SJ_BR, .outcome = SJ_EXPANDS_TOO_LARGE, .size = 100};
    (void)state;
    assert_true(sj_expansion_is_known(&expansion, SJ_BR, 100));
    assert_false(sj_expansion_is_known(&expansion, SJ_BR, 101));
    assert_false(sj_expansion_is_known(&expansion, SJ_GZIP, 100));
    expansion.outcome = SJ_EXPANDED;
    assert_true(sj_expansion_is_known(&expansion, SJ_BR, 101));
}

static void freshness_goes_by_the_second(void **state)
{
    struct sj_identity file = {.modified_ns = 5500000000};
    struct sj_identity variant = {.modified_ns = 5000000000};
    (void)state;
    assert_true(sj_sidecar_is_fresh(&variant, &file));
    variant.modified_ns--;
    assert_false(sj_sidecar_is_fresh(&variant, &file));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_coding_expands_to_its_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_is_expanded_as_well_as_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_members_of_gzip_count, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_cut_off_does_not_expand, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_may_follow, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_empty_file_expands_to_nothing_at_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_coding_is_not_another, set_up, tear_down),
        cmocka_unit_test_setup_teardown(expanding_stops_at_the_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_octet_never_passes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_read_error_is_reported, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cancelled_reader_ends_each_coding, set_up, tear_down),
        cmocka_unit_test(too_large_is_known_only_up_to_the_limit_tried),
        cmocka_unit_test(freshness_goes_by_the_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
