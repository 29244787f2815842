/* SPDX-License-Identifier: MIT */
#include "cache/store.h"

#include <signal.h>
#include <sys/resource.h>
#include "tests/cache/store.h"

/* The n-th allocation from now on fails; 0: none. */
static unsigned failing;
static bool reading_fails;

static bool fails(void)
{
    return failing != 0 && --failing == 0;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__real_realloc(void *at, size_t size);
void *__wrap_realloc(void *at, size_t size);
void *__wrap_realloc(void *at, size_t size)
{
    return fails() ? NULL : __real_realloc(at, size);
}

ssize_t __real_pread(int descriptor, void *to, size_t length, off_t first);
ssize_t __wrap_pread(int descriptor, void *to, size_t length, off_t first);
ssize_t __wrap_pread(int descriptor, void *to, size_t length, off_t first)
{
    errno = EIO;
    return reading_fails ? -1 : __real_pread(descriptor, to, length, first);
}

static void without_a_directory_records_are_in_memory(void **state)
{
    struct fixture *fixture = *state;
    open_store(fixture, NULL, 0);
    assert_null(sj_store_path(fixture->store));
    assert_int_equal(put(fixture, 2000000, 0), 0);
    assert_payload(fixture, 2000000, true);
    assert_int_equal(find(fixture, HOLD), SJ_STORE_ABSENT);
    sj_store_refuse(begin(fixture));
    assert_int_equal(sj_store_trim(fixture->store), 0);
    assert_int_equal(sj_store_bytes(fixture->store), 0);
    assert_int_equal(warnings(fixture), 0);
}

static void in_memory_a_record_has_a_limit(void **state)
{
    struct fixture *fixture = *state;
    open_store(fixture, NULL, 0);
    assert_int_equal(put(fixture, MEMORY_LIMIT, 0), 0);
    assert_int_equal(put(fixture, MEMORY_LIMIT + 1, 0), -EFBIG);
}

static void a_file_in_place_of_the_directory_is_said_once(void **state)
{
    struct fixture *fixture = *state;
    tree_write(fixture->tree, "file", "x");
    open_store(fixture, tree_path(fixture->tree, "file/cache"), 1 << 30);
    assert_int_equal(warnings(fixture), 1);
    for (size_t length = 1000; length <= 2000000; length += 1999000) {
        assert_int_equal(put(fixture, length, 0), 0);
        assert_payload(fixture, length, true);
        assert_int_equal(find(fixture, 0), SJ_STORE_ABSENT);
    }
    sj_store_refuse(begin(fixture));
    assert_int_equal(warnings(fixture), 1);
}

static void a_file_in_place_of_a_folder_leaves_records_in_memory(void **state)
{
    struct fixture *fixture = *state;
    tree_write(fixture->tree, "over/cache/variants", "x");
    assert_int_equal(put(fixture, 5000, 0), 0);
    assert_payload(fixture, 5000, true);
    assert_int_equal(sj_store_trim(fixture->store), -ENOTDIR);
    assert_int_equal(warnings(fixture), 1);
}

static void limit_file_size(rlim_t bytes)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The limit is met by the payload at once, by a later piece, or by the footer. */
static void where_the_disk_is_full_records_are_in_memory(void **state)
{
    struct fixture *fixture = *state;
    static const size_t lengths[] = {5000, 100, 1500000, 1500000, 1500000, 1500000};
    static const rlim_t limits[] = {3000, 120, 1000000, 1100000, 1500000, 1500100};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        limit_file_size(limits[i]);
        int error = put(fixture, lengths[i], 0);
        limit_file_size(RLIM_INFINITY);
        assert_int_equal(error, 0);
        assert_payload(fixture, lengths[i], true);
        assert_int_equal(scan(fixture, "", path), 0);
    }
    assert_int_equal(warnings(fixture), 1);
    assert_int_equal(put(fixture, 5000, 0), 0);
    assert_int_equal(find(fixture, 0), SJ_STORE_FOUND);
}

static void a_full_disk_does_not_fill_the_memory(void **state)
{
    struct fixture *fixture = *state;
    char path[PATH_MAX];
    limit_file_size(3500000);
    int error = put(fixture, 5000000, 0);
    limit_file_size(RLIM_INFINITY);
    assert_int_equal(error, -EFBIG);
    assert_int_equal(scan(fixture, "", path), 0);
}

static void without_descriptors_records_are_in_memory(void **state)
{
    struct fixture *fixture = *state;
    struct rlimit limit;
    assert_int_equal(put(fixture, 5000, HOLD), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    struct rlimit none = {.rlim_cur = 0, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int outcome = find(fixture, HOLD);
    int error = put(fixture, 5000, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(outcome, SJ_STORE_ABSENT);
    assert_int_equal(error, 0);
    assert_payload(fixture, 5000, true);
    assert_int_equal(find(fixture, HOLD), SJ_STORE_FOUND);
}

static void remove_all(const struct fixture *fixture, const char *name)
{
    nftw(tree_path(fixture->tree, name), tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void a_removed_directory_is_made_again(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(put(fixture, 5000, HOLD), 0);
    remove_all(fixture, "over");
    assert_int_equal(find(fixture, HOLD), SJ_STORE_ABSENT);
    assert_int_equal(sj_store_trim(fixture->store), 0);
    assert_int_equal(put(fixture, 5000, HOLD), 0);
    assert_int_equal(find(fixture, HOLD), SJ_STORE_FOUND);
    assert_int_equal(warnings(fixture), 0);
}

static void a_directory_removed_while_writing_costs_only_the_record(void **state)
{
    struct fixture *fixture = *state;
    struct content payload = noise(2000000, 2000000, 77);
    for (uint64_t hold_limit = 0; hold_limit <= 4000000; hold_limit += 4000000) {
        struct sj_store_writer *writer = begin(fixture);
        assert_int_equal(sj_store_write(writer, payload.bytes, 1500000), 0);
        remove_all(fixture, "over");
        assert_int_equal(sj_store_write(writer, payload.bytes + 1500000, 500000), 0);
        assert_int_equal(commit(fixture, writer, hold_limit), 0);
        assert_payload(fixture, 2000000, hold_limit > 0);
        assert_int_equal(find(fixture, hold_limit), SJ_STORE_ABSENT);
    }
    free(payload.bytes);
}

static void what_cannot_be_read_back_is_eio(void **state)
{
    struct fixture *fixture = *state;
    char path[PATH_MAX];
    reading_fails = true;
    limit_file_size(1300000);
    int error = put(fixture, 1500000, 0);
    limit_file_size(RLIM_INFINITY);
    reading_fails = false;
    assert_int_equal(error, -EIO);
    assert_int_equal(scan(fixture, "", path), 0);
}

static void a_record_that_cannot_be_read_is_absent_and_stays(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(put(fixture, 5000, HOLD), 0);
    reading_fails = true;
    int outcome = find(fixture, HOLD);
    reading_fails = false;
    assert_int_equal(outcome, SJ_STORE_ABSENT);
    assert_int_equal(warnings(fixture), 1);
    assert_int_equal(find(fixture, HOLD), SJ_STORE_FOUND);
}

/* Lets one allocation after the other fail, until there are no more. */
static void without_memory_a_record_is_enomem_or_whole(void **state)
{
    struct fixture *fixture = *state;
    struct content payload = noise(100000, 100000, 77);
    unsigned n_refused = 0;
    for (unsigned nth = 1; nth < 20; nth++) {
        struct sj_store_writer *writer = NULL;
        failing = nth;
        int error = sj_store_begin(fixture->store, &fixture->key, &writer);
        if (error == 0) {
            error = sj_store_write(writer, payload.bytes, payload.length);
            if (error == 0)
                error = commit(fixture, writer, 200000);
            else
                sj_store_abort(writer);
        }
        failing = 0;
        n_refused += error != 0;
        if (error != 0)
            assert_int_equal(error, -ENOMEM);
        else
            assert_payload(fixture, payload.length, true);
    }
    assert_true(n_refused >= 3 && n_refused < 10);
    free(payload.bytes);
}

static void without_memory_finding_is_enomem(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(put(fixture, 5000, HOLD), 0);
    failing = 1;
    int outcome = find(fixture, HOLD);
    failing = 0;
    assert_int_equal(outcome, -ENOMEM);
    assert_int_equal(find(fixture, HOLD), SJ_STORE_FOUND);
}

static void without_memory_trim_is_enomem_and_removes_nothing(void **state)
{
    struct fixture *fixture = *state;
    char path[PATH_MAX];
    open_store(fixture, fixture->directory, 100);
    assert_int_equal(put(fixture, 5000, HOLD), 0);
    failing = 1;
    int error = sj_store_trim(fixture->store);
    failing = 0;
    assert_int_equal(error, -ENOMEM);
    assert_int_equal(scan(fixture, "", path), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_a_directory_records_are_in_memory),
        TEST(in_memory_a_record_has_a_limit),
        TEST(a_file_in_place_of_the_directory_is_said_once),
        TEST(a_file_in_place_of_a_folder_leaves_records_in_memory),
        TEST(where_the_disk_is_full_records_are_in_memory),
        TEST(a_full_disk_does_not_fill_the_memory),
        TEST(without_descriptors_records_are_in_memory),
        TEST(a_removed_directory_is_made_again),
        TEST(a_directory_removed_while_writing_costs_only_the_record),
        TEST(what_cannot_be_read_back_is_eio),
        TEST(a_record_that_cannot_be_read_is_absent_and_stays),
        TEST(without_memory_a_record_is_enomem_or_whole),
        TEST(without_memory_finding_is_enomem),
        TEST(without_memory_trim_is_enomem_and_removes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
