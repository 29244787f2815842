/* SPDX-License-Identifier: MIT */
#include "cache/store.h"

#include <time.h>
#include "tests/cache/store.h"

static unsigned n_notes;

/* Stands before the C library's. */
int futimens(int descriptor, const struct timespec times[2])
{
    n_notes++;
    return utimensat(descriptor, "", times, AT_EMPTY_PATH);
}

static void set_times(const char *path, time_t used, time_t modified)
{
    struct timespec times[2] = {{.tv_sec = used}, {.tv_sec = modified}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void a_use_is_noted_and_not_as_a_modification(void **state)
{
    struct fixture *fixture = *state;
    struct stat status;
    char path[PATH_MAX];
    time_t now = time(NULL);
    assert_int_equal(put(fixture, 5000, HOLD), 0);
    record_path(fixture, path);
    set_times(path, now - 90000, now - 200000);
    assert_int_equal(find(fixture, HOLD), SJ_STORE_FOUND);
    assert_int_equal(stat(path, &status), 0);
    assert_true(status.st_atim.tv_sec >= now);
    assert_int_equal(status.st_mtim.tv_sec, now - 200000);
}

static void uses_within_a_day_are_noted_once(void **state)
{
    struct fixture *fixture = *state;
    char path[PATH_MAX];
    assert_int_equal(put(fixture, 5000, HOLD), 0);
    record_path(fixture, path);
    set_times(path, time(NULL) - 90000, 1);
    n_notes = 0;
    for (int i = 0; i < 3; i++)
        assert_int_equal(find(fixture, HOLD), SJ_STORE_FOUND);
    assert_int_equal(n_notes, 1);
}

/* Puts records 0 to n - 1 of 10,000 octets (three blocks), the first used longest ago. */
static void put_many(struct fixture *fixture, int n)
{
    char path[PATH_MAX];
    for (int i = 0; i < n; i++) {
        fixture->key.digest[0] = (uint8_t)(i * 7);
        assert_int_equal(put(fixture, 10000, HOLD), 0);
        record_path(fixture, path);
        set_times(path, 1000000 + 100 * i, 2000000);
    }
}

static bool is_there(struct fixture *fixture, int i)
{
    char path[PATH_MAX];
    fixture->key.digest[0] = (uint8_t)(i * 7);
    return scan(fixture, "", path) == 1;
}

static void trim_removes_the_least_recently_used_down_to_90_percent(void **state)
{
    struct fixture *fixture = *state;
    open_store(fixture, fixture->directory, 200000);
    put_many(fixture, 20);
    assert_int_equal(sj_store_bytes(fixture->store), 20 * 12288);
    assert_int_equal(sj_store_trim(fixture->store), 0);
    /* 14 records take 172,032 bytes, 15 would take 184,320. */
    assert_int_equal(sj_store_bytes(fixture->store), 14 * 12288);
    for (int i = 0; i < 20; i++)
        assert_int_equal(is_there(fixture, i), i >= 6);
}

static void trim_removes_nothing_within_the_limit(void **state)
{
    struct fixture *fixture = *state;
    open_store(fixture, fixture->directory, 20 * 12288);
    put_many(fixture, 20);
    assert_int_equal(sj_store_trim(fixture->store), 0);
    for (int i = 0; i < 20; i++)
        assert_true(is_there(fixture, i));
}

static void trim_counts_what_other_stores_have_put(void **state)
{
    struct fixture *fixture = *state;
    put_many(fixture, 5);
    open_store(fixture, fixture->directory, 1 << 30);
    assert_int_equal(sj_store_bytes(fixture->store), 0);
    assert_int_equal(sj_store_trim(fixture->store), 0);
    assert_int_equal(sj_store_bytes(fixture->store), 5 * 12288);
}

static void trim_of_records_used_at_the_same_time_stops_at_90_percent(void **state)
{
    struct fixture *fixture = *state;
    char path[PATH_MAX];
    int n = 0;
    open_store(fixture, fixture->directory, 100000);
    put_many(fixture, 10);
    for (int i = 0; i < 10; i++) {
        fixture->key.digest[0] = (uint8_t)(i * 7);
        record_path(fixture, path);
        set_times(path, 5000, 5000);
    }
    assert_int_equal(sj_store_trim(fixture->store), 0);
    for (int i = 0; i < 10; i++)
        n += is_there(fixture, i);
    assert_int_equal(n, 7);
}

static void trim_removes_temporary_files_older_than_an_hour(void **state)
{
    struct fixture *fixture = *state;
    time_t now = time(NULL);
    static const char *const names[] = {"over/cache/.tmp-1",
                                        "over/cache/.tmp-2",
                                        "over/cache/variants/00/.tmp-3",
                                        "over/cache/variants/ff/.tmp-4",
                                        "over/cache/ledger-1",
                                        "over/cache/variants/ff/README"};
    static const bool stays[] = {false, true, false, true, true, true};
    for (size_t i = 0; i < 6; i++) {
        tree_write(fixture->tree, names[i], "x");
        set_times(tree_path(fixture->tree, names[i]), now,
                  i == 1 || i == 3 ? now - 3500 : now - 3700);
    }
    assert_int_equal(sj_store_trim(fixture->store), 0);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(access(tree_path(fixture->tree, names[i]), F_OK) == 0, stays[i]);
    assert_int_equal(sj_store_bytes(fixture->store), 0);
}

static void a_record_that_is_trimmed_can_still_be_read(void **state)
{
    struct fixture *fixture = *state;
    char path[PATH_MAX];
    open_store(fixture, fixture->directory, 100);
    assert_int_equal(put(fixture, 5000, 0), 0);
    assert_int_equal(sj_store_trim(fixture->store), 0);
    assert_int_equal(scan(fixture, "", path), 0);
    assert_payload(fixture, 5000, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_use_is_noted_and_not_as_a_modification),
        TEST(uses_within_a_day_are_noted_once),
        TEST(trim_removes_the_least_recently_used_down_to_90_percent),
        TEST(trim_removes_nothing_within_the_limit),
        TEST(trim_counts_what_other_stores_have_put),
        TEST(trim_of_records_used_at_the_same_time_stops_at_90_percent),
        TEST(trim_removes_temporary_files_older_than_an_hour),
        TEST(a_record_that_is_trimmed_can_still_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
