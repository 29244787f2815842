/* SPDX-License-Identifier: MIT */
#include "cache/encode.h"

#include <zstd.h>
#include "tests/cache/contents.h"

struct fixture {
    struct tree *tree;
    struct sj_reader *reader;
    struct content content;
    struct collected collected;
    struct sj_sink sink;
    enum sj_encode_outcome outcome;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->tree = tree_new();
    fixture->reader = sj_reader_new();
    fixture->sink = (struct sj_sink){collect, &fixture->collected};
    *state = fixture;
    return 0;
}

static void forget(struct fixture *fixture)
{
    free(fixture->content.bytes);
    free(fixture->collected.bytes);
    fixture->content = (struct content){.bytes = NULL};
    fixture->collected = (struct collected){.bytes = NULL};
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    forget(fixture);
    sj_reader_free(fixture->reader);
    tree_free(fixture->tree);
    free(fixture);
    return 0;
}

static int encode(struct fixture *fixture, const struct sj_encode_request *request)
{
    return sj_encode(request, fixture->reader, &fixture->sink, &fixture->outcome);
}

static int encode_as(struct fixture *fixture, enum sj_coding coding, enum sj_effort effort)
{
    struct sj_encode_request request = request_for(&fixture->content, coding, effort);
    return encode(fixture, &request);
}

/* The content in a file of its own, opened. */
static int open_content(struct fixture *fixture)
{
    tree_write_bytes(fixture->tree, "a", fixture->content.bytes, fixture->content.length);
    int descriptor = open(tree_path(fixture->tree, "a"), O_RDONLY);
    assert_true(descriptor >= 0);
    return descriptor;
}

static void what_comes_out_expands_to_the_content(void **state)
{
    struct fixture *fixture = *state;
    static const size_t lengths[] = {200, 65535, 65536, 65537, 131072, 400000};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)
        for (int coding = SJ_GZIP; coding <= SJ_ZSTD; coding++)
            for (int effort = SJ_EFFORT_FAST; effort < SJ_EFFORTS; effort++) {
                fixture->content = words(lengths[i], (uint32_t)i);
                assert_int_equal(encode_as(fixture, coding, effort), 0);
                assert_int_equal(fixture->outcome, SJ_ENCODED);
                assert_expands(fixture->collected.bytes, fixture->collected.length, coding,
                               &fixture->content);
                forget(fixture);
            }
}

static void output_larger_than_the_room_for_it_is_whole(void **state)
{
    struct fixture *fixture = *state;
    for (int coding = SJ_GZIP; coding <= SJ_ZSTD; coding++) {
        fixture->content = noise(1500000, 1000000, 1);
        assert_int_equal(encode_as(fixture, coding, SJ_EFFORT_FAST), 0);
        assert_int_equal(fixture->outcome, SJ_ENCODED);
        assert_true(fixture->collected.length > 900000);
        assert_expands(fixture->collected.bytes, fixture->collected.length, coding,
                       &fixture->content);
        forget(fixture);
    }
}

static void a_file_gives_the_same_octets_as_memory(void **state)
{
    struct fixture *fixture = *state;
    fixture->content = words(300000, 5);
    int descriptor = open_content(fixture);
    for (int coding = SJ_GZIP; coding <= SJ_ZSTD; coding++) {
        struct sj_encode_request request = request_for(&fixture->content, coding, SJ_EFFORT_FAST);
        assert_int_equal(encode(fixture, &request), 0);
        struct collected first = fixture->collected;
        fixture->collected = (struct collected){.bytes = NULL};
        request.bytes = NULL;
        request.descriptor = descriptor;
        assert_int_equal(encode(fixture, &request), 0);
        assert_int_equal(fixture->collected.length, first.length);
        assert_memory_equal(fixture->collected.bytes, first.bytes, first.length);
        free(first.bytes);
        free(fixture->collected.bytes);
        fixture->collected = (struct collected){.bytes = NULL};
    }
    close(descriptor);
}

static void best_is_smaller_than_fast(void **state)
{
    struct fixture *fixture = *state;
    for (int coding = SJ_GZIP; coding <= SJ_ZSTD; coding++) {
        size_t lengths[SJ_EFFORTS];
        for (int effort = SJ_EFFORT_FAST; effort < SJ_EFFORTS; effort++) {
            fixture->content = words(100000, 9);
            assert_int_equal(encode_as(fixture, coding, effort), 0);
            lengths[effort] = fixture->collected.length;
            forget(fixture);
        }
        assert_true(lengths[SJ_EFFORT_BEST] < lengths[SJ_EFFORT_FAST]);
    }
}

static void gzip_has_neither_name_nor_time(void **state)
{
    static const uint8_t start[8] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0};
    struct fixture *fixture = *state;
    fixture->content = words(1000, 1);
    assert_int_equal(encode_as(fixture, SJ_GZIP, SJ_EFFORT_BEST), 0);
    assert_memory_equal(fixture->collected.bytes, start, sizeof(start));
}

static void zstd_says_how_long_the_content_is(void **state)
{
    struct fixture *fixture = *state;
    for (int effort = SJ_EFFORT_FAST; effort < SJ_EFFORTS; effort++) {
        fixture->content = words(200000, 1);
        assert_int_equal(encode_as(fixture, SJ_ZSTD, effort), 0);
        assert_int_equal(
            ZSTD_getFrameContentSize(fixture->collected.bytes, fixture->collected.length), 200000);
        assert_int_equal(ZSTD_getDictID_fromFrame(fixture->collected.bytes, 18), 0);
        forget(fixture);
    }
}

/* Expanding refuses larger windows. */
static void a_long_content_has_a_window_of_8_mib(void **state)
{
    struct fixture *fixture = *state;
    for (int effort = SJ_EFFORT_FAST; effort < SJ_EFFORTS; effort++) {
        fixture->content = noise(20 << 20, 1000, 1);
        assert_int_equal(encode_as(fixture, SJ_ZSTD, effort), 0);
        assert_expands(fixture->collected.bytes, fixture->collected.length, SJ_ZSTD,
                       &fixture->content);
        forget(fixture);
    }
}

static size_t deflated(const struct content *content)
{
    z_stream stream = {.next_in = (Bytef *)content->bytes, .avail_in = (uInt)content->length};
    static Bytef room[65536];
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_out = room;
    stream.avail_out = sizeof(room);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    return stream.total_out;
}

static void more_than_95_percent_does_not_pay(void **state)
{
    struct fixture *fixture = *state;
    unsigned n[2] = {0, 0};
    for (size_t n_random = 18700; n_random < 19050; n_random++) {
        fixture->content = noise(20011, n_random, 3);
        size_t length = deflated(&fixture->content);
        assert_int_equal(encode_as(fixture, SJ_GZIP, SJ_EFFORT_BEST), 0);
        assert_int_equal(fixture->outcome, length <= 19010 ? SJ_ENCODED : SJ_DOES_NOT_PAY);
        assert_true(fixture->collected.length <= 19010);
        n[fixture->outcome]++;
        forget(fixture);
    }
    assert_true(n[SJ_ENCODED] > 0 && n[SJ_DOES_NOT_PAY] > 0);
}

static void noise_and_nothing_do_not_pay(void **state)
{
    struct fixture *fixture = *state;
    static const size_t lengths[] = {0, 1, 19, 20, 300000};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)
        for (int coding = SJ_GZIP; coding <= SJ_ZSTD; coding++) {
            fixture->content = noise(lengths[i], lengths[i], 1);
            assert_int_equal(encode_as(fixture, coding, SJ_EFFORT_FAST), 0);
            assert_int_equal(fixture->outcome, SJ_DOES_NOT_PAY);
            forget(fixture);
        }
}

static void what_the_sink_says_ends_the_encoding(void **state)
{
    struct fixture *fixture = *state;
    fixture->content = words(100000, 1);
    fixture->collected.error = -ENOSPC;
    for (int coding = SJ_GZIP; coding <= SJ_ZSTD; coding++)
        assert_int_equal(encode_as(fixture, coding, SJ_EFFORT_FAST), -ENOSPC);
}

static void another_digest_is_estale_whether_it_pays_or_not(void **state)
{
    struct fixture *fixture = *state;
    for (size_t n_random = 0; n_random <= 200000; n_random += 200000)
        for (int coding = SJ_GZIP; coding <= SJ_ZSTD; coding++) {
            fixture->content = noise(200000, n_random, 1);
            fixture->content.digest[15] ^= 1;
            assert_int_equal(encode_as(fixture, coding, SJ_EFFORT_FAST), -ESTALE);
            forget(fixture);
        }
}

/* One octet in the last piece differs, long after it was clear that it does not pay. */
static void a_changed_end_of_what_does_not_pay_is_estale(void **state)
{
    struct fixture *fixture = *state;
    fixture->content = noise(400000, 400000, 1);
    fixture->content.bytes[399999] ^= 1;
    assert_int_equal(encode_as(fixture, SJ_GZIP, SJ_EFFORT_FAST), -ESTALE);
}

static void without_a_digest_none_is_compared(void **state)
{
    struct fixture *fixture = *state;
    fixture->content = words(1000, 1);
    struct sj_encode_request request = request_for(&fixture->content, SJ_BR, SJ_EFFORT_FAST);
    request.digest = NULL;
    assert_int_equal(encode(fixture, &request), 0);
    assert_int_equal(fixture->outcome, SJ_ENCODED);
}

static void a_file_of_another_length_is_estale(void **state)
{
    struct fixture *fixture = *state;
    fixture->content = words(100000, 1);
    int descriptor = open_content(fixture);
    for (int difference = -1; difference <= 1; difference += 2) {
        struct sj_encode_request request = request_for(&fixture->content, SJ_GZIP, SJ_EFFORT_FAST);
        request.bytes = NULL;
        request.digest = NULL;
        request.descriptor = descriptor;
        request.length += (uint64_t)difference;
        assert_int_equal(encode(fixture, &request), -ESTALE);
    }
    close(descriptor);
}

static void a_descriptor_that_cannot_be_read_is_an_error(void **state)
{
    struct fixture *fixture = *state;
    fixture->content = words(1000, 1);
    struct sj_encode_request request = request_for(&fixture->content, SJ_GZIP, SJ_EFFORT_FAST);
    request.bytes = NULL;
    assert_int_equal(encode(fixture, &request), -EBADF);
}

static void a_cancelled_reader_encodes_nothing(void **state)
{
    struct fixture *fixture = *state;
    uint32_t is_cancelled = 1;
    fixture->reader->is_cancelled = &is_cancelled;
    fixture->content = words(1000, 1);
    for (int coding = SJ_GZIP; coding <= SJ_ZSTD; coding++)
        assert_int_equal(encode_as(fixture, coding, SJ_EFFORT_BEST), -ECANCELED);
    assert_int_equal(fixture->collected.length, 0);
}

static uint32_t cancelled_by_sink;

static int cancel(void *argument, const void *bytes, size_t length)
{
    cancelled_by_sink = 1;
    return collect(argument, bytes, length);
}

static void cancelling_ends_it_between_two_pieces(void **state)
{
    struct fixture *fixture = *state;
    fixture->sink.write = cancel;
    fixture->reader->is_cancelled = &cancelled_by_sink;
    for (int coding = SJ_GZIP; coding <= SJ_ZSTD; coding++) {
        cancelled_by_sink = 0;
        fixture->content = noise(4000000, 3000000, 1);
        assert_int_equal(encode_as(fixture, coding, SJ_EFFORT_FAST), -ECANCELED);
        assert_true(fixture->collected.length < 1000000);
        forget(fixture);
    }
}

static void settings_differ_and_fit_into_a_file_name(void **state)
{
    char texts[SJ_CODINGS * SJ_EFFORTS][SJ_SETTINGS_SIZE];
    int n = 0;
    (void)state;
    for (int coding = SJ_GZIP; coding <= SJ_ZSTD; coding++)
        for (int effort = SJ_EFFORT_FAST; effort < SJ_EFFORTS; effort++) {
            sj_encode_settings(coding, effort, texts[n]);
            assert_true(strlen(texts[n]) > 8 && strlen(texts[n]) < SJ_SETTINGS_SIZE - 1);
            assert_null(strchr(texts[n], '/'));
            for (int i = 0; i < n; i++)
                assert_string_not_equal(texts[i], texts[n]);
            n++;
        }
}

static void settings_name_level_and_version(void **state)
{
    char text[SJ_SETTINGS_SIZE];
    char wanted[SJ_SETTINGS_SIZE];
    (void)state;
    snprintf(wanted, sizeof(wanted), "zst19-w23-%s", ZSTD_versionString());
    sj_encode_settings(SJ_ZSTD, SJ_EFFORT_BEST, text);
    assert_string_equal(text, wanted);
    snprintf(wanted, sizeof(wanted), "gz9-m8-%s", zlibVersion());
    sj_encode_settings(SJ_GZIP, SJ_EFFORT_BEST, text);
    assert_string_equal(text, wanted);
}

static bool is_wanted(const char *name)
{
    return sj_encode_is_wanted((struct sj_text){name, strlen(name)});
}

static void what_is_compressed_already_is_not_wanted(void **state)
{
    static const char *const names[] = {
        "a.jpg",        "b/c.PNG", "x.tar.gz", "f.wOFf2",      "a.3gp", "a.3gpp", "a.zst",
        "a.b.c.d.heic", "a.7z",    "i.min.br", "film.MKV.mp4", "a.pdf", "a.deb"};
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        assert_false(is_wanted(names[i]));
}

static void all_other_names_are_wanted(void **state)
{
    static const char *const names[] = {"a.css",  "jpg",    "",       "a.", "png/a",
                                        "a.gz/b", "a.jpgx", "a.pjpg", ".",  "a.svg"};
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        assert_true(is_wanted(names[i]));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_comes_out_expands_to_the_content),
        TEST(output_larger_than_the_room_for_it_is_whole),
        TEST(a_file_gives_the_same_octets_as_memory),
        TEST(best_is_smaller_than_fast),
        TEST(gzip_has_neither_name_nor_time),
        TEST(zstd_says_how_long_the_content_is),
        TEST(a_long_content_has_a_window_of_8_mib),
        TEST(more_than_95_percent_does_not_pay),
        TEST(noise_and_nothing_do_not_pay),
        TEST(what_the_sink_says_ends_the_encoding),
        TEST(another_digest_is_estale_whether_it_pays_or_not),
        TEST(a_changed_end_of_what_does_not_pay_is_estale),
        TEST(without_a_digest_none_is_compared),
        TEST(a_file_of_another_length_is_estale),
        TEST(a_descriptor_that_cannot_be_read_is_an_error),
        TEST(a_cancelled_reader_encodes_nothing),
        TEST(cancelling_ends_it_between_two_pieces),
        cmocka_unit_test(settings_differ_and_fit_into_a_file_name),
        cmocka_unit_test(settings_name_level_and_version),
        cmocka_unit_test(what_is_compressed_already_is_not_wanted),
        cmocka_unit_test(all_other_names_are_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
