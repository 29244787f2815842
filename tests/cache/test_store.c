/* SPDX-License-Identifier: MIT */
#include "cache/store.h"

#include <pthread.h>
#include "tests/cache/store.h"

static void what_is_committed_is_given_and_found(void **state)
{
    struct fixture *fixture = *state;
    static const size_t lengths[] = {0, 1, 5000, 300000, 1048576, 1048577, 2500000};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)
        for (uint64_t hold_limit = 0; hold_limit <= 4000000; hold_limit += 4000000) {
            bool is_held = lengths[i] <= hold_limit;
            assert_int_equal(put(fixture, lengths[i], hold_limit), 0);
            assert_payload(fixture, lengths[i], is_held);
            assert_int_equal(find(fixture, hold_limit), SJ_STORE_FOUND);
            assert_payload(fixture, lengths[i], is_held);
        }
    assert_int_equal(warnings(fixture), 0);
}

static void large_payloads_that_are_held_lie_in_the_arena(void **state)
{
    struct fixture *fixture = *state;
    static const size_t lengths[] = {SJ_ARENA_MIN - 1, SJ_ARENA_MIN, 2500000};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)
        for (uint64_t hold_limit = 0; hold_limit <= 4000000; hold_limit += 4000000) {
            bool has_room = hold_limit > 0 && lengths[i] >= SJ_ARENA_MIN;
            assert_int_equal(put(fixture, lengths[i], hold_limit), 0);
            assert_int_equal(fixture->file->room != NULL, has_room);
            assert_int_equal(find(fixture, hold_limit), SJ_STORE_FOUND);
            assert_int_equal(fixture->file->room != NULL, has_room);
        }
}

static void an_encoded_content_expands_again(void **state)
{
    struct fixture *fixture = *state;
    struct sj_encode_request request = request_for(&fixture->content, SJ_BR, SJ_EFFORT_BEST);
    enum sj_encode_outcome outcome;
    fixture->key.coding = SJ_BR;
    fixture->key.effort = SJ_EFFORT_BEST;
    struct sj_store_writer *writer = begin(fixture);
    struct sj_sink sink = {sj_store_write, writer};
    assert_int_equal(sj_encode(&request, fixture->reader, &sink, &outcome), 0);
    assert_int_equal(commit(fixture, writer, HOLD), 0);
    assert_int_equal(find(fixture, HOLD), SJ_STORE_FOUND);
    assert_expands(fixture->file->bytes, fixture->file->length, SJ_BR, &fixture->content);
}

static void identity_is_that_of_the_record(void **state)
{
    struct fixture *fixture = *state;
    struct stat status;
    struct sj_identity identity;
    char path[PATH_MAX];
    assert_int_equal(put(fixture, 5000, 0), 0);
    record_path(fixture, path);
    assert_int_equal(stat(path, &status), 0);
    sj_identity_of(&status, &identity);
    assert_true(sj_identity_keeps_content(&identity, &sj_on_disk(fixture->file)->identity));
    assert_int_equal(find(fixture, 0), SJ_STORE_FOUND);
    assert_true(sj_identity_equals(&identity, &sj_on_disk(fixture->file)->identity));
}

static void every_part_of_the_key_counts(void **state)
{
    struct fixture *fixture = *state;
    struct sj_store_key key = fixture->key;
    assert_int_equal(put(fixture, 5000, HOLD), 0);
    fixture->key.digest[15] ^= 1;
    assert_int_equal(find(fixture, HOLD), SJ_STORE_ABSENT);
    fixture->key = key;
    fixture->key.length++;
    assert_int_equal(find(fixture, HOLD), SJ_STORE_ABSENT);
    fixture->key = key;
    fixture->key.coding = SJ_ZSTD;
    assert_int_equal(find(fixture, HOLD), SJ_STORE_ABSENT);
    fixture->key = key;
    fixture->key.effort = SJ_EFFORT_BEST;
    assert_int_equal(find(fixture, HOLD), SJ_STORE_ABSENT);
    fixture->key = key;
    assert_int_equal(find(fixture, HOLD), SJ_STORE_FOUND);
}

static void what_does_not_pay_is_known(void **state)
{
    struct fixture *fixture = *state;
    struct sj_store_writer *writer = begin(fixture);
    assert_int_equal(sj_store_write(writer, "abc", 3), 0);
    sj_store_refuse(writer);
    assert_int_equal(find(fixture, HOLD), SJ_STORE_DOES_NOT_PAY);
    assert_null(fixture->file);
}

static void a_large_payload_is_refused_as_well(void **state)
{
    struct fixture *fixture = *state;
    struct content payload = noise(1200000, 0, 1);
    char path[PATH_MAX];
    struct sj_store_writer *writer = begin(fixture);
    for (int i = 0; i < 2; i++)
        assert_int_equal(sj_store_write(writer, payload.bytes, payload.length), 0);
    sj_store_refuse(writer);
    assert_int_equal(find(fixture, HOLD), SJ_STORE_DOES_NOT_PAY);
    assert_int_equal(scan(fixture, ".tmp-", path), 0);
    free(payload.bytes);
}

static void what_is_aborted_leaves_nothing(void **state)
{
    struct fixture *fixture = *state;
    char path[PATH_MAX];
    for (size_t length = 1000; length <= 2000000; length += 1999000) {
        struct content payload = noise(length, 0, 1);
        struct sj_store_writer *writer = begin(fixture);
        assert_int_equal(sj_store_write(writer, payload.bytes, length), 0);
        assert_int_equal(sj_store_write(writer, payload.bytes, 1), 0);
        sj_store_abort(writer);
        assert_int_equal(find(fixture, HOLD), SJ_STORE_ABSENT);
        assert_int_equal(scan(fixture, "", path), 0);
        free(payload.bytes);
    }
}

static void nothing_is_found_before_commit(void **state)
{
    struct fixture *fixture = *state;
    struct content payload = noise(2000000, 0, 1);
    struct sj_store_writer *writer = begin(fixture);
    assert_int_equal(sj_store_write(writer, payload.bytes, payload.length), 0);
    assert_int_equal(find(fixture, HOLD), SJ_STORE_ABSENT);
    assert_int_equal(commit(fixture, writer, 0), 0);
    assert_int_equal(find(fixture, 0), SJ_STORE_FOUND);
    free(payload.bytes);
}

static void another_store_finds_it_as_well(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(put(fixture, 5000, HOLD), 0);
    open_store(fixture, fixture->directory, 1 << 30);
    assert_int_equal(find(fixture, HOLD), SJ_STORE_FOUND);
    assert_payload(fixture, 5000, true);
}

static void the_directory_is_for_its_owner_alone(void **state)
{
    struct fixture *fixture = *state;
    struct stat status;
    char path[PATH_MAX];
    assert_int_equal(stat(fixture->directory, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    assert_int_equal(put(fixture, 5000, HOLD), 0);
    record_path(fixture, path);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

static void a_relative_path_survives_a_change_of_directory(void **state)
{
    struct fixture *fixture = *state;
    char here[PATH_MAX];
    assert_non_null(getcwd(here, sizeof(here)));
    assert_int_equal(chdir(fixture->tree->path), 0);
    open_store(fixture, "over/cache", 1 << 30);
    assert_int_equal(chdir(here), 0);
    assert_string_equal(sj_store_path(fixture->store), fixture->directory);
    assert_int_equal(put(fixture, 5000, HOLD), 0);
    assert_int_equal(find(fixture, HOLD), SJ_STORE_FOUND);
}

/* Writes over a record in place, as only damage does. */
static void overwrite(const char *path, const char *bytes, size_t length)
{
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, bytes, length), length);
    close(descriptor);
}

static size_t slurp(const char *path, char *to, size_t room)
{
    int descriptor = open(path, O_RDONLY);
    ssize_t n = read(descriptor, to, room);
    close(descriptor);
    assert_true(n > 0 && (size_t)n < room);
    return (size_t)n;
}

static void a_flipped_bit_anywhere_removes_the_record(void **state)
{
    struct fixture *fixture = *state;
    char path[PATH_MAX];
    char bytes[1000];
    assert_int_equal(put(fixture, 50, HOLD), 0);
    record_path(fixture, path);
    size_t length = slurp(path, bytes, sizeof(bytes));
    for (size_t i = 0; i < 8 * length; i++) {
        bytes[i / 8] ^= (char)(1 << i % 8);
        overwrite(path, bytes, length);
        assert_int_equal(find(fixture, i % 2 * HOLD), SJ_STORE_ABSENT);
        assert_int_equal(access(path, F_OK), -1);
        bytes[i / 8] ^= (char)(1 << i % 8);
    }
    overwrite(path, bytes, length);
    assert_int_equal(find(fixture, HOLD), SJ_STORE_FOUND);
    assert_int_equal(warnings(fixture), 0);
}

static void flipped_bits_of_a_large_record_remove_it(void **state)
{
    struct fixture *fixture = *state;
    static char bytes[400000];
    char path[PATH_MAX];
    uint32_t seed = 4;
    assert_int_equal(put(fixture, 300000, HOLD), 0);
    record_path(fixture, path);
    size_t length = slurp(path, bytes, sizeof(bytes));
    for (int i = 0; i < 50; i++) {
        size_t at = next_random(&seed) % length;
        bytes[at] ^= 0x20;
        overwrite(path, bytes, length);
        assert_int_equal(find(fixture, i % 2 == 0 ? 0 : 400000), SJ_STORE_ABSENT);
        bytes[at] ^= 0x20;
    }
}

static void another_length_removes_the_record(void **state)
{
    struct fixture *fixture = *state;
    char path[PATH_MAX];
    char bytes[1000] = "";
    assert_int_equal(put(fixture, 50, HOLD), 0);
    record_path(fixture, path);
    size_t right = slurp(path, bytes, sizeof(bytes));
    for (size_t length = 0; length < 400; length++) {
        overwrite(path, bytes, length);
        assert_int_equal(find(fixture, HOLD), length == right ? SJ_STORE_FOUND : SJ_STORE_ABSENT);
        assert_int_equal(access(path, F_OK), length == right ? 0 : -1);
    }
}

/* Also that of "does not pay", which has no payload to tell. */
static void the_record_of_another_key_is_removed(void **state)
{
    struct fixture *fixture = *state;
    char path[PATH_MAX];
    char bytes[1000];
    sj_store_refuse(begin(fixture));
    record_path(fixture, path);
    size_t length = slurp(path, bytes, sizeof(bytes));
    assert_int_equal(unlink(path), 0);
    fixture->key.coding = SJ_BR;
    assert_int_equal(put(fixture, 50, HOLD), 0);
    record_path(fixture, path);
    overwrite(path, bytes, length);
    assert_int_equal(find(fixture, HOLD), SJ_STORE_ABSENT);
    assert_int_equal(access(path, F_OK), -1);
}

static void what_is_no_file_is_absent(void **state)
{
    struct fixture *fixture = *state;
    char path[PATH_MAX];
    assert_int_equal(put(fixture, 50, HOLD), 0);
    record_path(fixture, path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(find(fixture, HOLD), SJ_STORE_ABSENT);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(find(fixture, HOLD), SJ_STORE_ABSENT);
}

static void a_cancelled_reader_finds_nothing_and_removes_nothing(void **state)
{
    struct fixture *fixture = *state;
    uint32_t is_cancelled = 1;
    assert_int_equal(put(fixture, 5000, HOLD), 0);
    fixture->reader->is_cancelled = &is_cancelled;
    assert_int_equal(find(fixture, HOLD), -ECANCELED);
    is_cancelled = 0;
    assert_int_equal(find(fixture, HOLD), SJ_STORE_FOUND);
}

struct racer {
    struct fixture *fixture;
    uint32_t seed;
};

/* Some keys, all threads: each finds them whole, or makes them, or trims. */
static void *race(void *argument)
{
    struct racer *racer = argument;
    struct fixture own = *racer->fixture;
    own.file = NULL;
    own.reader = sj_reader_new();
    for (int i = 0; i < 300; i++) {
        uint32_t turn = next_random(&racer->seed);
        own.key.digest[0] = (uint8_t)(turn % 5);
        size_t length = 1000 + 1000 * (turn % 5);
        if (find(&own, turn % 2 * HOLD) == SJ_STORE_FOUND)
            assert_payload(&own, length, turn % 2 == 1);
        else
            assert_int_equal(put(&own, length, HOLD), 0);
        if (turn % 10 == 0)
            assert_int_equal(sj_store_trim(own.store), 0);
    }
    sj_file_release(own.file);
    sj_reader_free(own.reader);
    return NULL;
}

static void threads_share_a_store(void **state)
{
    struct fixture *fixture = *state;
    pthread_t threads[4];
    struct racer racers[4];
    open_store(fixture, fixture->directory, 24000);
    for (uint32_t i = 0; i < 4; i++) {
        racers[i] = (struct racer){fixture, i};
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(warnings(fixture), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_committed_is_given_and_found),
        TEST(large_payloads_that_are_held_lie_in_the_arena),
        TEST(an_encoded_content_expands_again),
        TEST(identity_is_that_of_the_record),
        TEST(every_part_of_the_key_counts),
        TEST(what_does_not_pay_is_known),
        TEST(a_large_payload_is_refused_as_well),
        TEST(what_is_aborted_leaves_nothing),
        TEST(nothing_is_found_before_commit),
        TEST(another_store_finds_it_as_well),
        TEST(the_directory_is_for_its_owner_alone),
        TEST(a_relative_path_survives_a_change_of_directory),
        TEST(a_flipped_bit_anywhere_removes_the_record),
        TEST(flipped_bits_of_a_large_record_remove_it),
        TEST(another_length_removes_the_record),
        TEST(the_record_of_another_key_is_removed),
        TEST(what_is_no_file_is_absent),
        TEST(a_cancelled_reader_finds_nothing_and_removes_nothing),
        TEST(threads_share_a_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
