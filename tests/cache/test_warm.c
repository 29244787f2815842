/* SPDX-License-Identifier: MIT */
#include "tests/cache/upkept.h"

#include <limits.h>
#include "cache/ledger.h"

static uint64_t n_read(struct upkept *upkept)
{
    return status_of(upkept).n_files_read;
}

static const struct sj_file *file_of(struct upkept *upkept, const char *path)
{
    return find_form(upkept, path, SJ_IDENTITY)->file;
}

/* A tree of `n` files, old enough to be known, and a ledger of it. */
static struct content prepare_more(struct upkept *upkept, uint64_t n)
{
    struct content a = put_words(upkept, "a.txt", 20000, 1);
    free(put_words(upkept, "d/b.html", 3000, 2).bytes);
    site_settle();
    upkept->cache.compresses = false;
    start(upkept);
    assert_int_equal(n_read(upkept), n);
    stop(upkept);
    return a;
}

static struct content prepare(struct upkept *upkept)
{
    return prepare_more(upkept, 2);
}

static void wait_for_bytes(struct upkept *upkept, const char *path)
{
    while (sj_file_bytes(file_of(upkept, path)) == NULL)
        turn(upkept);
}

static void a_restart_reads_no_content_before_it_serves(void **state)
{
    struct upkept *upkept = *state;
    struct content a = prepare(upkept);
    start(upkept);
    assert_int_equal(n_read(upkept), 0);
    assert_int_equal(status_of(upkept).summary.n_urls, 2);
    assert_memory_equal(file_of(upkept, "/a.txt")->digest, a.digest, 16);
    free(a.bytes);
}

static void what_is_to_be_held_is_read_in_the_background(void **state)
{
    struct upkept *upkept = *state;
    struct content a = prepare(upkept);
    start(upkept);
    wait_for_bytes(upkept, "/a.txt");
    assert_memory_equal(sj_file_bytes(file_of(upkept, "/a.txt")), a.bytes, a.length);
    wait_for_bytes(upkept, "/d/b.html");
    free(a.bytes);
}

static void large_bytes_are_read_into_the_arena(void **state)
{
    struct upkept *upkept = *state;
    struct content large = put_words(upkept, "large.txt", 200000, 3);
    struct content a = prepare_more(upkept, 3);
    start(upkept);
    wait_for_bytes(upkept, "/large.txt");
    const struct sj_file *file = file_of(upkept, "/large.txt");
    assert_memory_equal(sj_file_bytes(file), large.bytes, large.length);
    assert_ptr_equal(file->bytes, file->room->bytes);
    wait_for_bytes(upkept, "/a.txt");
    assert_null(file_of(upkept, "/a.txt")->room);
    free(large.bytes);
    free(a.bytes);
}

static void what_is_not_to_be_held_is_kept_open(void **state)
{
    struct upkept *upkept = *state;
    struct content a = prepare(upkept);
    upkept->memory_file_limit = 10000;
    start(upkept);
    while (sj_file_descriptor(file_of(upkept, "/a.txt")) < 0)
        turn(upkept);
    assert_null(sj_file_bytes(file_of(upkept, "/a.txt")));
    assert_int_equal(n_read(upkept), 0);
    free(a.bytes);
}

static void what_has_changed_is_read(void **state)
{
    struct upkept *upkept = *state;
    struct content a = prepare(upkept);
    struct content other = put_words(upkept, "a.txt", 20000, 7);
    start(upkept);
    assert_int_equal(n_read(upkept), 1);
    assert_memory_equal(file_of(upkept, "/a.txt")->digest, other.digest, 16);
    free(a.bytes);
    free(other.bytes);
}

static void every_restart_is_warm(void **state)
{
    struct upkept *upkept = *state;
    struct content a = prepare(upkept);
    for (int i = 0; i < 3; i++) {
        start(upkept);
        assert_int_equal(n_read(upkept), 0);
        stop(upkept);
    }
    free(a.bytes);
}

/* The last build found a.txt in a state that changed before it could be trusted. */
static void a_file_that_changed_just_now_is_not_noted(void **state)
{
    struct upkept *upkept = *state;
    struct content a = prepare(upkept);
    start(upkept);
    struct content other = put_words(upkept, "a.txt", 20000, 7);
    reload(upkept);
    bool was_racy = sj_on_disk(file_of(upkept, "/a.txt"))->is_racy;
    stop(upkept);
    start(upkept);
    assert_int_equal(n_read(upkept), was_racy ? 1 : 0);
    assert_memory_equal(file_of(upkept, "/a.txt")->digest, other.digest, 16);
    free(a.bytes);
    free(other.bytes);
}

/* Puts into the ledger of the tree another digest for each file. */
static void falsify(struct upkept *upkept)
{
    char name[PATH_MAX];
    struct sj_ledger *ledger;
    struct sj_file *files[2];
    snprintf(name, sizeof(name), "/=%s%s\n", "/", upkept->files->path);
    struct sj_text text = {name, strlen(name)};
    assert_int_equal(sj_ledger_read(upkept->directory, text, &ledger), 0);
    assert_int_equal(sj_ledger_size(ledger), 2);
    for (size_t i = 0; i < 2; i++) {
        files[i] = sj_ledger_get(ledger, i);
        files[i]->digest[3] ^= 1;
    }
    assert_int_equal(
        sj_ledger_write(upkept->directory, text, (const struct sj_file *const *)files, 2), 0);
    for (size_t i = 0; i < 2; i++)
        sj_file_release(files[i]);
    sj_ledger_release(ledger);
}

static void a_wrong_ledger_is_found_out(void **state)
{
    struct upkept *upkept = *state;
    struct content a = prepare(upkept);
    falsify(upkept);
    start(upkept);
    assert_int_equal(n_read(upkept), 0);
    while (memcmp(file_of(upkept, "/a.txt")->digest, a.digest, 16) != 0)
        turn(upkept);
    assert_memory_equal(sj_file_bytes(file_of(upkept, "/a.txt")), a.bytes, a.length);
    stop(upkept);
    start(upkept);
    assert_memory_equal(file_of(upkept, "/a.txt")->digest, a.digest, 16);
    free(a.bytes);
}

static void a_wrong_ledger_is_found_out_by_compressing(void **state)
{
    struct upkept *upkept = *state;
    struct content a = prepare(upkept);
    falsify(upkept);
    upkept->memory_file_limit = 10000;
    upkept->cache.compresses = true;
    start(upkept);
    finish(upkept);
    while (memcmp(file_of(upkept, "/a.txt")->digest, a.digest, 16) != 0)
        turn(upkept);
    finish(upkept);
    assert_forms(upkept, "/a.txt", &a);
    free(a.bytes);
}

static void a_sidecar_is_not_expanded_again(void **state)
{
    struct upkept *upkept = *state;
    tree_write(upkept->files, "a.txt", "the same again, the same again, the same again");
    tree_write_gzip(upkept->files, "a.txt.gz", "the same again, the same again, the same again");
    site_settle();
    start(upkept);
    stop(upkept);
    start(upkept);
    assert_int_equal(n_read(upkept), 0);
    assert_non_null(find_form(upkept, "/a.txt", SJ_GZIP)->source);
}

static void two_servers_share_one_directory(void **state)
{
    struct upkept *upkept = *state;
    struct content a = prepare(upkept);
    struct upkept other = *upkept;
    upkept->cache.compresses = true;
    other.cache.compresses = true;
    start(upkept);
    start(&other);
    finish(upkept);
    finish(&other);
    assert_forms(upkept, "/a.txt", &a);
    assert_forms(&other, "/a.txt", &a);
    stop(&other);
    stop(upkept);
    start(upkept);
    finish(upkept);
    assert_int_equal(n_read(upkept), 0);
    assert_int_equal(status_of(upkept).variants.n_compressed, 0);
    free(a.bytes);
}

static void without_a_directory_every_start_reads(void **state)
{
    struct upkept *upkept = *state;
    struct content a = prepare(upkept);
    upkept->cache.directory = NULL;
    start(upkept);
    assert_int_equal(n_read(upkept), 2);
    free(a.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_restart_reads_no_content_before_it_serves),
        TEST(what_is_to_be_held_is_read_in_the_background),
        TEST(large_bytes_are_read_into_the_arena),
        TEST(what_is_not_to_be_held_is_kept_open),
        TEST(what_has_changed_is_read),
        TEST(every_restart_is_warm),
        TEST(a_file_that_changed_just_now_is_not_noted),
        TEST(a_wrong_ledger_is_found_out),
        TEST(a_wrong_ledger_is_found_out_by_compressing),
        TEST(a_sidecar_is_not_expanded_again),
        TEST(two_servers_share_one_directory),
        TEST(without_a_directory_every_start_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
