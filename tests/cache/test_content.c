/* SPDX-License-Identifier: MIT */
#include "cache/content.h"

#include <time.h>
#include <xxhash.h>
#include "tests/cache/tree.h"

/* What the next calls of fstat add to the truth, for a file that changes while it is read. */
static struct {
    unsigned n_calls;
    unsigned first_changed; /* from this call on the size differs from call to call; 0: never */
    unsigned last_changed;
    bool sets_changed_time;
    time_t changed_time;
} hook;

/* Stands before the C library's. */
int fstat(int descriptor, struct stat *status)
{
    int code = fstatat(descriptor, "", status, AT_EMPTY_PATH);
    hook.n_calls++;
    if (hook.first_changed != 0 && hook.n_calls >= hook.first_changed &&
        hook.n_calls <= hook.last_changed)
        status->st_mtim.tv_nsec = (long)hook.n_calls;
    if (hook.sets_changed_time)
        status->st_ctim.tv_sec = hook.changed_time;
    return code;
}

struct fixture {
    struct tree *tree;
    struct sj_root *root;
    struct sj_reader *reader;
    struct sj_file *file;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    memset(&hook, 0, sizeof(hook));
    fixture->tree = tree_new();
    fixture->reader = sj_reader_new();
    struct sj_root_spec spec = {.prefix = "/", .path = fixture->tree->path};
    assert_int_equal(sj_root_new(&spec, &fixture->root), 0);
    hook.n_calls = 0;
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    sj_file_release(fixture->file);
    sj_reader_free(fixture->reader);
    sj_root_release(fixture->root);
    tree_free(fixture->tree);
    free(fixture);
    return 0;
}

static int read_file(struct fixture *fixture, uint64_t hold_limit)
{
    struct sj_content_request request = {
        .root = fixture->root, .path = "a", .hold_limit = hold_limit};
    sj_file_release(fixture->file);
    fixture->file = NULL;
    return sj_content_read(&request, fixture->reader, &fixture->file);
}

static void bytes_and_digest_are_those_of_the_file(void **state)
{
    struct fixture *fixture = *state;
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits("hello", 5));
    tree_write(fixture->tree, "a", "hello");
    assert_int_equal(read_file(fixture, 5), 0);
    assert_memory_equal(fixture->file->bytes, "hello", 5);
    assert_memory_equal(fixture->file->digest, canonical.digest, 16);
    assert_int_equal(sj_on_disk(fixture->file)->identity.size, 5);
}

static void above_the_limit_only_the_digest_is_kept(void **state)
{
    struct fixture *fixture = *state;
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits("hello", 5));
    tree_write(fixture->tree, "a", "hello");
    assert_int_equal(read_file(fixture, 4), 0);
    assert_null(fixture->file->bytes);
    assert_memory_equal(fixture->file->digest, canonical.digest, 16);
}

static void large_bytes_that_are_held_lie_in_the_arena(void **state)
{
    struct fixture *fixture = *state;
    static char content[SJ_ARENA_MIN];
    struct sj_arena *arena = NULL;
    assert_int_equal(sj_arena_new(&arena), 0);
    for (size_t length = SJ_ARENA_MIN - 1; length <= SJ_ARENA_MIN; length++) {
        memset(content, 'a', length);
        tree_write_bytes(fixture->tree, "a", content, length);
        for (uint64_t hold_limit = 0; hold_limit <= length; hold_limit += length) {
            struct sj_content_request request = {
                .root = fixture->root, .path = "a", .arena = arena, .hold_limit = hold_limit};
            struct sj_file *file = NULL;
            assert_int_equal(sj_content_read(&request, fixture->reader, &file), 0);
            assert_int_equal(file->room != NULL, hold_limit >= SJ_ARENA_MIN);
            assert_int_equal(file->bytes != NULL, hold_limit > 0);
            if (file->room != NULL)
                assert_ptr_equal(file->bytes, file->room->bytes);
            if (file->bytes != NULL)
                assert_memory_equal(file->bytes, content, length);
            sj_file_release(file);
        }
    }
    sj_arena_release(arena);
}

static void an_empty_file_always_has_bytes(void **state)
{
    struct fixture *fixture = *state;
    tree_write(fixture->tree, "a", "");
    assert_int_equal(read_file(fixture, 0), 0);
    assert_non_null(fixture->file->bytes);
}

/* The first call is at opening, the second after reading. */
static void a_file_that_changes_once_is_read_again(void **state)
{
    struct fixture *fixture = *state;
    tree_write(fixture->tree, "a", "hello");
    hook.first_changed = hook.last_changed = 2;
    assert_int_equal(read_file(fixture, 5), 0);
    assert_int_equal(hook.n_calls, 4);
}

static void a_file_that_keeps_changing_is_estale(void **state)
{
    struct fixture *fixture = *state;
    tree_write(fixture->tree, "a", "hello");
    hook.first_changed = 1;
    hook.last_changed = 1000;
    assert_int_equal(read_file(fixture, 5), -ESTALE);
    assert_null(fixture->file);
}

static void a_change_just_before_reading_is_racy(void **state)
{
    struct fixture *fixture = *state;
    tree_write(fixture->tree, "a", "hello");
    hook.sets_changed_time = true;
    hook.changed_time = time(NULL) + 10;
    assert_int_equal(read_file(fixture, 5), 0);
    assert_true(sj_on_disk(fixture->file)->is_racy);
    hook.changed_time = time(NULL) - 10;
    assert_int_equal(read_file(fixture, 5), 0);
    assert_false(sj_on_disk(fixture->file)->is_racy);
}

static void a_missing_file_is_enoent(void **state)
{
    assert_int_equal(read_file(*state, 5), -ENOENT);
}

static void a_variant_is_expanded_held_or_not(void **state)
{
    struct fixture *fixture = *state;
    tree_write_gzip(fixture->tree, "a", "hello");
    for (uint64_t hold_limit = 0; hold_limit <= 1000; hold_limit += 1000) {
        struct sj_content_request request = {.root = fixture->root,
                                             .path = "a",
                                             .hold_limit = hold_limit,
                                             .coding = SJ_GZIP,
                                             .expansion_limit = 5};
        struct sj_file *file = NULL;
        assert_int_equal(sj_content_read(&request, fixture->reader, &file), 0);
        assert_int_equal(file->bytes != NULL, hold_limit > 0);
        assert_int_equal(sj_on_disk(file)->expansion->outcome, SJ_EXPANDED);
        assert_int_equal(sj_on_disk(file)->expansion->size, 5);
        sj_file_release(file);
    }
}

static void a_cancelled_reader_streams_nothing(void **state)
{
    struct fixture *fixture = *state;
    uint32_t is_cancelled = 1;
    fixture->reader->is_cancelled = &is_cancelled;
    tree_write(fixture->tree, "a", "hello");
    assert_int_equal(read_file(fixture, 4), -ECANCELED);
    assert_null(fixture->file);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_and_digest_are_those_of_the_file),
        TEST(above_the_limit_only_the_digest_is_kept),
        TEST(large_bytes_that_are_held_lie_in_the_arena),
        TEST(an_empty_file_always_has_bytes),
        TEST(a_file_that_changes_once_is_read_again),
        TEST(a_file_that_keeps_changing_is_estale),
        TEST(a_change_just_before_reading_is_racy),
        TEST(a_missing_file_is_enoent),
        TEST(a_variant_is_expanded_held_or_not),
        TEST(a_cancelled_reader_streams_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
