/* SPDX-License-Identifier: MIT */
#include "cache/ledger.h"

#include <signal.h>
#include <sys/resource.h>
#include <xxhash.h>
#include "tests/cache/tree.h"

#define N_FILES 3

static const struct sj_text name = {"/srv/www", 8};

/* The n-th allocation from now on fails; 0: none. */
static unsigned failing;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    return failing != 0 && --failing == 0 ? NULL : __real_malloc(size);
}

struct fixture {
    struct tree *tree;
    struct sj_disk_file files[N_FILES];
    struct sj_expansion expansions[N_FILES - 1]; /* the last file has none */
    const struct sj_file *written[N_FILES];
    struct sj_ledger *ledger; /* that was read */
    struct sj_file *files_read[N_FILES];
};

/* Every field differs from every other. */
static void make_file(struct sj_disk_file *file, uint64_t seed)
{
    seed *= 1000;
    *file =
        (struct sj_disk_file){.identity = {seed + 1, seed + 2, seed + 3, -(int64_t)seed - 4,
                                           (int64_t)seed + (INT64_C(1) << 60)},
                              .file = {.length = seed + 3, .descriptor = -1, .is_on_disk = true}};
    memset(file->file.digest, (int)(seed / 1000), sizeof(file->file.digest));
}

static void make_expansion(struct sj_expansion *expansion, uint64_t seed)
{
    *expansion =
        (struct sj_expansion){.size = 1000 * seed + 6, .coding = 2, .outcome = SJ_EXPANDED};
    memset(expansion->digest, (int)seed + 100, sizeof(expansion->digest));
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->tree = tree_new();
    for (size_t i = 0; i < N_FILES; i++) {
        make_file(&fixture->files[i], i + 1);
        fixture->written[i] = &fixture->files[i].file;
    }
    for (size_t i = 0; i < N_FILES - 1; i++) {
        make_expansion(&fixture->expansions[i], i + 1);
        fixture->files[i].expansion = &fixture->expansions[i];
    }
    *state = fixture;
    return 0;
}

static void forget(struct fixture *fixture)
{
    for (size_t i = 0; i < N_FILES; i++) {
        sj_file_release(fixture->files_read[i]);
        fixture->files_read[i] = NULL;
    }
    sj_ledger_release(fixture->ledger);
    fixture->ledger = NULL;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    forget(fixture);
    tree_free(fixture->tree);
    free(fixture);
    return 0;
}

static int write_ledger(struct fixture *fixture, size_t n_files)
{
    return sj_ledger_write(fixture->tree->path, name, fixture->written, n_files);
}

static size_t read_from(struct fixture *fixture, const char *directory, struct sj_text which)
{
    forget(fixture);
    assert_int_equal(sj_ledger_read(directory, which, &fixture->ledger), 0);
    if (fixture->ledger == NULL)
        return 0;
    size_t n = sj_ledger_size(fixture->ledger);
    assert_in_range(n, 1, N_FILES);
    for (size_t i = 0; i < n; i++) {
        fixture->files_read[i] = sj_ledger_get(fixture->ledger, i);
        assert_non_null(fixture->files_read[i]);
    }
    return n;
}

static size_t read_named(struct fixture *fixture, struct sj_text which)
{
    return read_from(fixture, fixture->tree->path, which);
}

static size_t read_ledger(struct fixture *fixture)
{
    return read_named(fixture, name);
}

static const char *ledger_path(struct fixture *fixture)
{
    char file[40];
    snprintf(file, sizeof(file), "ledger-%016llx",
             (unsigned long long)XXH3_64bits(name.at, name.length));
    return tree_path(fixture->tree, file);
}

static void assert_same_expansion(const struct sj_expansion *a, const struct sj_expansion *b)
{
    assert_non_null(a);
    assert_int_equal(a->size, b->size);
    assert_memory_equal(a->digest, b->digest, 16);
    assert_int_equal(a->coding, b->coding);
    assert_int_equal(a->outcome, b->outcome);
}

static void what_was_written_is_read(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(write_ledger(fixture, N_FILES), 0);
    assert_int_equal(read_ledger(fixture), N_FILES);
    for (size_t i = 0; i < N_FILES; i++) {
        const struct sj_disk_file *file = sj_on_disk(fixture->files_read[i]);
        const struct sj_disk_file *wanted = &fixture->files[i];
        assert_true(sj_identity_equals(&file->identity, &wanted->identity));
        assert_memory_equal(file->file.digest, wanted->file.digest, 16);
        assert_int_equal(file->file.length, wanted->identity.size);
        if (i < N_FILES - 1)
            assert_same_expansion(file->expansion, wanted->expansion);
        else
            assert_null(file->expansion);
    }
}

static void files_that_are_read_are_awaited(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(write_ledger(fixture, N_FILES), 0);
    assert_int_equal(read_ledger(fixture), N_FILES);
    for (size_t i = 0; i < N_FILES; i++) {
        assert_int_equal(fixture->files_read[i]->references, 1);
        assert_null(fixture->files_read[i]->bytes);
        assert_int_equal(fixture->files_read[i]->descriptor, -1);
        assert_true(sj_on_disk(fixture->files_read[i])->is_awaited);
        assert_false(sj_on_disk(fixture->files_read[i])->is_racy);
    }
}

static void racy_files_are_left_out(void **state)
{
    struct fixture *fixture = *state;
    fixture->files[1].is_racy = true;
    assert_int_equal(write_ledger(fixture, N_FILES), 0);
    assert_int_equal(read_ledger(fixture), 2);
    assert_int_equal(sj_on_disk(fixture->files_read[1])->identity.device,
                     fixture->files[2].identity.device);
}

static void the_last_write_counts(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(write_ledger(fixture, N_FILES), 0);
    assert_int_equal(write_ledger(fixture, 1), 0);
    assert_int_equal(read_ledger(fixture), 1);
}

static void names_have_ledgers_of_their_own(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(write_ledger(fixture, N_FILES), 0);
    assert_int_equal(sj_ledger_write(fixture->tree->path, SJ_TEXT("/other"), fixture->written, 1),
                     0);
    assert_int_equal(read_named(fixture, name), N_FILES);
    assert_int_equal(read_named(fixture, SJ_TEXT("/other")), 1);
    assert_int_equal(read_named(fixture, SJ_TEXT("/third")), 0);
}

static void no_files_and_no_directory_are_fine(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(write_ledger(fixture, 0), 0);
    assert_int_equal(read_ledger(fixture), 0);
    assert_int_equal(sj_ledger_write(NULL, name, fixture->written, N_FILES), 0);
    assert_int_equal(read_from(fixture, NULL, name), 0);
}

static void the_directory_is_made(void **state)
{
    struct fixture *fixture = *state;
    char path[100];
    struct stat status;
    snprintf(path, sizeof(path), "%s/a/b", fixture->tree->path);
    assert_int_equal(sj_ledger_write(path, name, fixture->written, N_FILES), 0);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    assert_int_equal(read_from(fixture, path, name), N_FILES);
}

struct bytes {
    char at[1024];
    size_t length;
};

static struct bytes load(struct fixture *fixture)
{
    struct bytes bytes;
    int descriptor = open(ledger_path(fixture), O_RDONLY);
    bytes.length = (size_t)read(descriptor, bytes.at, sizeof(bytes.at));
    assert_true(bytes.length > 64 && bytes.length < sizeof(bytes.at));
    close(descriptor);
    return bytes;
}

static void a_flipped_bit_anywhere_makes_it_absent(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(write_ledger(fixture, N_FILES), 0);
    struct bytes bytes = load(fixture);
    for (size_t i = 0; i < 8 * bytes.length; i++) {
        bytes.at[i / 8] ^= (char)(1 << i % 8);
        int descriptor = open(ledger_path(fixture), O_WRONLY);
        assert_int_equal(pwrite(descriptor, bytes.at, bytes.length, 0), bytes.length);
        close(descriptor);
        assert_int_equal(read_ledger(fixture), 0);
        bytes.at[i / 8] ^= (char)(1 << i % 8);
    }
}

static void another_length_makes_it_absent(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(write_ledger(fixture, N_FILES), 0);
    struct bytes bytes = load(fixture);
    for (size_t length = 0; length < sizeof(bytes.at); length++) {
        int descriptor = open(ledger_path(fixture), O_WRONLY | O_TRUNC);
        assert_int_equal(pwrite(descriptor, bytes.at, length, 0), length);
        close(descriptor);
        assert_int_equal(read_ledger(fixture), length == bytes.length ? N_FILES : 0);
    }
}

static void a_file_in_place_of_the_directory_is_an_error_and_absent(void **state)
{
    struct fixture *fixture = *state;
    char path[100];
    tree_write(fixture->tree, "a", "");
    snprintf(path, sizeof(path), "%s/a", fixture->tree->path);
    assert_int_equal(sj_ledger_write(path, name, fixture->written, N_FILES), -ENOTDIR);
    assert_int_equal(read_from(fixture, path, name), 0);
}

static void limit_file_size(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void where_writing_fails_the_ledger_of_before_stays(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(write_ledger(fixture, 1), 0);
    signal(SIGXFSZ, SIG_IGN);
    limit_file_size(200);
    int error = write_ledger(fixture, N_FILES);
    limit_file_size(RLIM_INFINITY);
    assert_int_equal(error, -EFBIG);
    assert_int_equal(read_ledger(fixture), 1);
    assert_int_equal(unlink(ledger_path(fixture)), 0);
    assert_int_equal(rmdir(fixture->tree->path), 0); /* nothing is left over */
}

static void without_memory_it_is_enomem(void **state)
{
    struct fixture *fixture = *state;
    failing = 1;
    assert_int_equal(write_ledger(fixture, N_FILES), -ENOMEM);
    assert_int_equal(write_ledger(fixture, N_FILES), 0);
    failing = 1;
    assert_int_equal(sj_ledger_read(fixture->tree->path, name, &fixture->ledger), -ENOMEM);
    assert_null(fixture->ledger);
    assert_int_equal(read_ledger(fixture), N_FILES);
    for (unsigned nth = 1; nth <= 2; nth++) {
        failing = nth;
        assert_null(sj_ledger_get(fixture->ledger, 0));
    }
    failing = 1;
    assert_null(sj_ledger_find(fixture->ledger, &fixture->files[0].identity));
}

/* Whatever the order in which they were written. */
static void a_file_is_found_by_its_state(void **state)
{
    struct fixture *fixture = *state;
    fixture->written[0] = &fixture->files[2].file;
    fixture->written[2] = &fixture->files[0].file;
    assert_int_equal(write_ledger(fixture, N_FILES), 0);
    assert_int_equal(read_ledger(fixture), N_FILES);
    for (size_t i = 0; i < N_FILES; i++) {
        struct sj_file *found = sj_ledger_find(fixture->ledger, &fixture->files[i].identity);
        assert_non_null(found);
        assert_true(sj_identity_equals(&sj_on_disk(found)->identity, &fixture->files[i].identity));
        assert_memory_equal(found->digest, fixture->files[i].file.digest, 16);
        assert_int_equal(found->references, 1);
        sj_file_release(found);
    }
}

static void states_of_one_inode_are_told_apart(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < N_FILES; i++) {
        fixture->files[i].identity = fixture->files[0].identity;
        fixture->files[i].identity.changed_ns -= (int64_t)i;
    }
    assert_int_equal(write_ledger(fixture, N_FILES), 0);
    assert_int_equal(read_ledger(fixture), N_FILES);
    for (size_t i = 0; i < N_FILES; i++) {
        struct sj_file *found = sj_ledger_find(fixture->ledger, &fixture->files[i].identity);
        assert_non_null(found);
        assert_memory_equal(found->digest, fixture->files[i].file.digest, 16);
        sj_file_release(found);
    }
}

static void a_file_in_another_state_is_not_found(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(write_ledger(fixture, N_FILES), 0);
    assert_int_equal(read_ledger(fixture), N_FILES);
    for (size_t i = 0; i < 2 * 5 * N_FILES; i++) {
        struct sj_identity other = fixture->files[i % N_FILES].identity;
        int64_t more = i < 5 * N_FILES ? 1 : -1;
        other.device += i / N_FILES % 5 == 0 ? (uint64_t)more : 0;
        other.inode += i / N_FILES % 5 == 1 ? (uint64_t)more : 0;
        other.size += i / N_FILES % 5 == 2 ? (uint64_t)more : 0;
        other.modified_ns += i / N_FILES % 5 == 3 ? more : 0;
        other.changed_ns += i / N_FILES % 5 == 4 ? more : 0;
        assert_null(sj_ledger_find(fixture->ledger, &other));
    }
}

static void it_lasts_until_its_last_reference(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(write_ledger(fixture, N_FILES), 0);
    assert_int_equal(read_ledger(fixture), N_FILES);
    sj_ledger_acquire(fixture->ledger);
    sj_ledger_release(fixture->ledger);
    assert_int_equal(sj_ledger_size(fixture->ledger), N_FILES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_written_is_read),
        TEST(files_that_are_read_are_awaited),
        TEST(racy_files_are_left_out),
        TEST(the_last_write_counts),
        TEST(names_have_ledgers_of_their_own),
        TEST(no_files_and_no_directory_are_fine),
        TEST(the_directory_is_made),
        TEST(a_flipped_bit_anywhere_makes_it_absent),
        TEST(another_length_makes_it_absent),
        TEST(a_file_in_place_of_the_directory_is_an_error_and_absent),
        TEST(where_writing_fails_the_ledger_of_before_stays),
        TEST(without_memory_it_is_enomem),
        TEST(a_file_is_found_by_its_state),
        TEST(states_of_one_inode_are_told_apart),
        TEST(a_file_in_another_state_is_not_found),
        TEST(it_lasts_until_its_last_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
