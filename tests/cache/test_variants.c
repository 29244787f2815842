/* SPDX-License-Identifier: MIT */
#include "tests/cache/upkept.h"

#include <glob.h>
#include <limits.h>

static void each_content_gets_all_codings(void **state)
{
    struct upkept *upkept = *state;
    struct content a = put_words(upkept, "a.txt", 20000, 1);
    struct content b = put_words(upkept, "d/b.html", 300, 2);
    start(upkept);
    finish(upkept);
    assert_forms(upkept, "/a.txt", &a);
    assert_forms(upkept, "/d/b.html", &b);
    assert_int_equal(status_of(upkept).variants.n_served, 6);
    free(a.bytes);
    free(b.bytes);
}

static void a_variant_has_a_digest_of_its_own(void **state)
{
    struct upkept *upkept = *state;
    struct content a = put_words(upkept, "a.txt", 20000, 1);
    start(upkept);
    finish(upkept);
    const struct sj_entry *entry = find_entry(upkept, "/a.txt");
    for (int i = 0; i < SJ_CODINGS; i++)
        for (int k = i + 1; k < SJ_CODINGS; k++)
            assert_memory_not_equal(entry->representations[i].file->digest,
                                    entry->representations[k].file->digest, 16);
    assert_null(entry->representations[SJ_BR].source);
    free(a.bytes);
}

/* Both efforts, in three codings. */
static void one_content_under_two_names_is_compressed_once(void **state)
{
    struct upkept *upkept = *state;
    struct content a = put_words(upkept, "a.txt", 20000, 1);
    write_content(upkept, "b.txt", &a);
    start(upkept);
    finish(upkept);
    assert_int_equal(status_of(upkept).variants.n_compressed, 6);
    assert_forms(upkept, "/a.txt", &a);
    assert_ptr_equal(find_form(upkept, "/a.txt", SJ_BR)->file,
                     find_form(upkept, "/b.txt", SJ_BR)->file);
    free(a.bytes);
}

static void after_one_file_is_changed_one_content_is_compressed(void **state)
{
    struct upkept *upkept = *state;
    char name[32];
    for (uint32_t i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "%u.txt", i);
        free(put_words(upkept, name, 2000, i + 1).bytes);
    }
    start(upkept);
    finish(upkept);
    uint64_t before = status_of(upkept).variants.n_compressed;
    struct content other = put_words(upkept, "7.txt", 2100, 99);
    reload(upkept);
    finish(upkept);
    assert_int_equal(before, 20 * 6);
    assert_int_equal(status_of(upkept).variants.n_compressed, before + 6);
    assert_int_equal(status_of(upkept).variants.n_found, 0);
    assert_int_equal(status_of(upkept).variants.n_served, 60);
    assert_forms(upkept, "/7.txt", &other);
    free(other.bytes);
}

static void what_no_file_has_any_more_goes(void **state)
{
    struct upkept *upkept = *state;
    struct content a = put_words(upkept, "a.txt", 20000, 1);
    struct content b = put_words(upkept, "b.txt", 20000, 2);
    start(upkept);
    finish(upkept);
    assert_int_equal(status_of(upkept).variants.n_served, 6);
    assert_int_equal(unlink(tree_path(upkept->files, "b.txt")), 0);
    reload(upkept);
    finish(upkept);
    for (int n = 1; status_of(upkept).variants.n_served != 3; n++) {
        for (int i = 0; i < n; i++) /* each build breaks off the work that would find it out */
            turn(upkept);
        reload(upkept);
    }
    assert_forms(upkept, "/a.txt", &a);
    free(a.bytes);
    free(b.bytes);
}

static void a_true_sidecar_wins(void **state)
{
    struct upkept *upkept = *state;
    tree_write(upkept->files, "a.txt",
               "the same again, the same again, the same again, the same again");
    tree_write_gzip(upkept->files, "a.txt.gz",
                    "the same again, the same again, the same again, the same again");
    start(upkept);
    finish(upkept);
    assert_non_null(find_form(upkept, "/a.txt", SJ_GZIP)->source);
    assert_null(find_form(upkept, "/a.txt", SJ_BR)->source);
    assert_non_null(find_form(upkept, "/a.txt", SJ_BR)->file);
    assert_int_equal(status_of(upkept).variants.n_compressed, 4);
}

static void a_sidecar_that_comes_replaces_ours(void **state)
{
    struct upkept *upkept = *state;
    tree_write(upkept->files, "a.txt",
               "the same again, the same again, the same again, the same again");
    start(upkept);
    finish(upkept);
    assert_null(find_form(upkept, "/a.txt", SJ_GZIP)->source);
    tree_write_gzip(upkept->files, "a.txt.gz",
                    "the same again, the same again, the same again, the same again");
    reload(upkept);
    assert_non_null(find_form(upkept, "/a.txt", SJ_GZIP)->source);
    finish(upkept);
    assert_non_null(find_form(upkept, "/a.txt", SJ_GZIP)->source);
}

static void a_false_sidecar_gives_way_to_ours(void **state)
{
    struct upkept *upkept = *state;
    struct content a = put_words(upkept, "a.txt", 20000, 1);
    tree_write_gzip(upkept->files, "a.txt.gz", "something else");
    start(upkept);
    finish(upkept);
    assert_null(find_form(upkept, "/a.txt", SJ_GZIP)->source);
    assert_forms(upkept, "/a.txt", &a);
    free(a.bytes);
}

static void the_best_replaces_the_fast(void **state)
{
    struct upkept *upkept = *state;
    struct content a = put_words(upkept, "a.txt", 200000, 1);
    struct collected fast = {0};
    struct collected best = {0};
    struct sj_reader *reader = sj_reader_new();
    enum sj_encode_outcome outcome;
    struct sj_encode_request request = request_for(&a, SJ_BR, SJ_EFFORT_FAST);
    assert_int_equal(sj_encode(&request, reader, &(struct sj_sink){collect, &fast}, &outcome), 0);
    request.effort = SJ_EFFORT_BEST;
    assert_int_equal(sj_encode(&request, reader, &(struct sj_sink){collect, &best}, &outcome), 0);
    start(upkept);
    while (status_of(upkept).variants.n_pending != 0)
        turn(upkept);
    uint64_t length = find_form(upkept, "/a.txt", SJ_BR)->file->length;
    assert_true(length == fast.length || length == best.length);
    finish(upkept);
    assert_int_equal(find_form(upkept, "/a.txt", SJ_BR)->file->length, best.length);
    assert_true(best.length < fast.length);
    sj_reader_free(reader);
    free(fast.bytes);
    free(best.bytes);
    free(a.bytes);
}

static void what_does_not_pay_is_not_served(void **state)
{
    struct upkept *upkept = *state;
    struct content a = noise(20000, 20000, 1);
    write_content(upkept, "a.bin", &a);
    start(upkept);
    finish(upkept);
    assert_int_equal(status_of(upkept).variants.n_served, 0);
    assert_null(find_form(upkept, "/a.bin", SJ_GZIP)->file);
    free(a.bytes);
}

static void what_does_not_pay_is_not_tried_again(void **state)
{
    struct upkept *upkept = *state;
    struct content a = noise(20000, 20000, 1);
    write_content(upkept, "a.bin", &a);
    start(upkept);
    finish(upkept);
    assert_int_equal(status_of(upkept).variants.n_compressed, 3);
    reload(upkept);
    finish(upkept);
    assert_int_equal(status_of(upkept).variants.n_compressed, 3);
    stop(upkept);
    start(upkept);
    finish(upkept);
    assert_int_equal(status_of(upkept).variants.n_compressed, 0);
    free(a.bytes);
}

static void compressed_types_are_left_alone(void **state)
{
    struct upkept *upkept = *state;
    struct content a = put_words(upkept, "a.png", 20000, 1);
    start(upkept);
    finish(upkept);
    assert_int_equal(status_of(upkept).variants.n_compressed, 0);
    assert_null(find_form(upkept, "/a.png", SJ_GZIP)->file);
    free(a.bytes);
}

static void without_compression_none_is_made(void **state)
{
    struct upkept *upkept = *state;
    struct content a = put_words(upkept, "a.txt", 20000, 1);
    upkept->cache.compresses = false;
    start(upkept);
    finish(upkept);
    assert_int_equal(status_of(upkept).variants.n_compressed, 0);
    assert_null(find_form(upkept, "/a.txt", SJ_GZIP)->file);
    free(a.bytes);
}

static void after_a_restart_nothing_is_compressed(void **state)
{
    struct upkept *upkept = *state;
    struct content a = put_words(upkept, "a.txt", 20000, 1);
    start(upkept);
    finish(upkept);
    stop(upkept);
    start(upkept);
    finish(upkept);
    assert_int_equal(status_of(upkept).variants.n_compressed, 0);
    assert_int_equal(status_of(upkept).variants.n_found, 3);
    assert_forms(upkept, "/a.txt", &a);
    free(a.bytes);
}

/* The last octet of the payload, or all of the file, of each record. */
static void damage(struct upkept *upkept, bool is_cut)
{
    char pattern[PATH_MAX];
    glob_t found;
    snprintf(pattern, sizeof(pattern), "%s/variants/*/*", upkept->directory);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        int descriptor = open(found.gl_pathv[i], O_RDWR);
        assert_true(descriptor >= 0);
        if (is_cut)
            assert_int_equal(ftruncate(descriptor, 3), 0);
        else
            assert_int_equal(pwrite(descriptor, "#", 1, 20), 1);
        close(descriptor);
    }
    globfree(&found);
}

static void damaged_records_are_made_again(void **state)
{
    struct upkept *upkept = *state;
    struct content a = put_words(upkept, "a.txt", 20000, 1);
    start(upkept);
    finish(upkept);
    for (int is_cut = 0; is_cut < 2; is_cut++) {
        stop(upkept);
        damage(upkept, is_cut != 0);
        start(upkept);
        finish(upkept);
        assert_int_equal(status_of(upkept).variants.n_compressed, 6);
        assert_forms(upkept, "/a.txt", &a);
    }
    free(a.bytes);
}

static void without_a_directory_variants_live_in_memory(void **state)
{
    struct upkept *upkept = *state;
    struct content a = put_words(upkept, "a.txt", 20000, 1);
    upkept->cache.directory = NULL;
    start(upkept);
    finish(upkept);
    assert_forms(upkept, "/a.txt", &a);
    assert_int_equal(status_of(upkept).store_bytes, 0);
    free(a.bytes);
}

static void a_directory_that_cannot_be_is_said_and_done_without(void **state)
{
    struct upkept *upkept = *state;
    struct content a = put_words(upkept, "a.txt", 20000, 1);
    tree_write(upkept->disk, "cache", "a file");
    start(upkept);
    finish(upkept);
    assert_forms(upkept, "/a.txt", &a);
    assert_true(has_logged(upkept->site, "warning", upkept->directory));
    free(a.bytes);
}

static void a_file_too_large_for_memory_is_compressed_from_the_disk(void **state)
{
    struct upkept *upkept = *state;
    struct content a = put_words(upkept, "a.txt", 200000, 1);
    upkept->memory_file_limit = 100000;
    start(upkept);
    finish(upkept);
    assert_null(sj_file_bytes(find_form(upkept, "/a.txt", SJ_IDENTITY)->file));
    assert_forms(upkept, "/a.txt", &a);
    free(a.bytes);
}

/* Twelve records, each of which could be held, but not all of them. */
static void what_the_memory_has_no_room_for_is_sent_from_the_store(void **state)
{
    struct upkept *upkept = *state;
    struct content contents[4];
    char name[32];
    uint64_t n_held = 0;
    unsigned n_open = 0;
    upkept->memory_limit = 4 * 20000 + 12000;
    for (uint32_t i = 0; i < 4; i++) {
        snprintf(name, sizeof(name), "%u.txt", i);
        contents[i] = put_words(upkept, name, 20000, i + 1);
    }
    start(upkept);
    finish(upkept);
    for (uint32_t i = 0; i < 4; i++) {
        snprintf(name, sizeof(name), "/%u.txt", i);
        assert_forms(upkept, name, &contents[i]);
        for (int k = SJ_GZIP; k < SJ_CODINGS; k++) {
            const struct sj_file *file = find_form(upkept, name, k)->file;
            n_held += file->bytes != NULL ? file->length : 0;
            n_open += file->descriptor >= 0;
        }
        free(contents[i].bytes);
    }
    assert_in_range(n_held, 1, 12000 + 2 * 6000); /* two workers may take the last room both */
    assert_true(n_open > 0);
}

static void files_take_the_memory_back_from_variants(void **state)
{
    struct upkept *upkept = *state;
    struct content a = put_words(upkept, "a.txt", 20000, 1);
    upkept->memory_limit = 70000;
    start(upkept);
    finish(upkept);
    assert_non_null(sj_file_bytes(find_form(upkept, "/a.txt", SJ_GZIP)->file));
    struct content b = put_words(upkept, "b.png", 49990, 2);
    reload(upkept);
    while (find_form(upkept, "/a.txt", SJ_GZIP)->file != NULL &&
           sj_file_bytes(find_form(upkept, "/a.txt", SJ_GZIP)->file) != NULL)
        turn(upkept);
    finish(upkept);
    assert_forms(upkept, "/a.txt", &a);
    assert_null(sj_file_bytes(find_form(upkept, "/a.txt", SJ_GZIP)->file));
    free(a.bytes);
    free(b.bytes);
}

static void reloads_meanwhile_lose_nothing(void **state)
{
    struct upkept *upkept = *state;
    struct content contents[30];
    char name[32];
    for (uint32_t i = 0; i < 30; i++) {
        snprintf(name, sizeof(name), "%u.txt", i);
        contents[i] = put_words(upkept, name, 30000, i + 1);
    }
    start(upkept);
    for (int i = 0; i < 20; i++)
        reload(upkept);
    finish(upkept);
    for (uint32_t i = 0; i < 30; i++) {
        snprintf(name, sizeof(name), "/%u.txt", i);
        assert_forms(upkept, name, &contents[i]);
        free(contents[i].bytes);
    }
}

static void ending_does_not_wait_for_variants(void **state)
{
    struct upkept *upkept = *state;
    char name[32];
    for (uint32_t i = 0; i < 30; i++) {
        snprintf(name, sizeof(name), "%u.txt", i);
        free(put_words(upkept, name, 30000, i + 1).bytes);
    }
    start(upkept);
    stop(upkept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_content_gets_all_codings),
        TEST(a_variant_has_a_digest_of_its_own),
        TEST(one_content_under_two_names_is_compressed_once),
        TEST(after_one_file_is_changed_one_content_is_compressed),
        TEST(what_no_file_has_any_more_goes),
        TEST(a_true_sidecar_wins),
        TEST(a_sidecar_that_comes_replaces_ours),
        TEST(a_false_sidecar_gives_way_to_ours),
        TEST(the_best_replaces_the_fast),
        TEST(what_does_not_pay_is_not_served),
        TEST(what_does_not_pay_is_not_tried_again),
        TEST(compressed_types_are_left_alone),
        TEST(without_compression_none_is_made),
        TEST(after_a_restart_nothing_is_compressed),
        TEST(damaged_records_are_made_again),
        TEST(without_a_directory_variants_live_in_memory),
        TEST(a_directory_that_cannot_be_is_said_and_done_without),
        TEST(a_file_too_large_for_memory_is_compressed_from_the_disk),
        TEST(what_the_memory_has_no_room_for_is_sent_from_the_store),
        TEST(files_take_the_memory_back_from_variants),
        TEST(reloads_meanwhile_lose_nothing),
        TEST(ending_does_not_wait_for_variants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
