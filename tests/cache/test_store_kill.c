/* SPDX-License-Identifier: MIT */
/* Processes that share a cache directory and are killed while they write. */
#include "cache/store.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include "cache/ledger.h"
#include "core/log.h"
#include "tests/cache/contents.h"

#define N_CONTENTS 12
#define N_LEDGER   2000
#define N_KILLS    20

static const struct sj_text name = {"tree", 4};

struct fixture {
    struct tree *tree;
    struct sj_log *log;
    struct sj_store *store;
    struct sj_reader *reader;
    struct content contents[N_CONTENTS];
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    const char *paths[SJ_LOG_SINKS] = {NULL, NULL};
    const char *failed;
    fixture->tree = tree_new();
    assert_int_equal(sj_log_new(paths, SJ_LOG_WARNING, &fixture->log, &failed), 0);
    struct sj_store_settings settings = {.path = fixture->tree->path,
                                         .byte_limit = 1 << 30,
                                         .memory_limit = 1 << 30,
                                         .log = fixture->log};
    assert_int_equal(sj_store_open(&settings, &fixture->store), 0);
    fixture->reader = sj_reader_new();
    /* The last two: a payload that goes to the disk in pieces, and one that does not pay. */
    for (uint32_t i = 0; i < N_CONTENTS - 2; i++)
        fixture->contents[i] = words(1000 + 20000 * i, i);
    fixture->contents[N_CONTENTS - 2] = noise(1800000, 1500000, 1);
    fixture->contents[N_CONTENTS - 1] = noise(100000, 100000, 1);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < N_CONTENTS; i++)
        free(fixture->contents[i].bytes);
    sj_reader_free(fixture->reader);
    sj_store_close(fixture->store);
    sj_log_free(fixture->log);
    tree_free(fixture->tree);
    free(fixture);
    return 0;
}

static struct sj_store_key key_of(const struct content *content, enum sj_coding coding)
{
    struct sj_store_key key = {
        .length = content->length, .coding = coding, .effort = SJ_EFFORT_FAST};
    memcpy(key.digest, content->digest, sizeof(key.digest));
    return key;
}

/* What runs in the children: no assertion, as they have nobody to tell. */
static void make_record(struct fixture *fixture, const struct content *content,
                        enum sj_coding coding)
{
    struct sj_store_key key = key_of(content, coding);
    struct sj_encode_request request = request_for(content, coding, SJ_EFFORT_FAST);
    enum sj_encode_outcome outcome;
    struct sj_store_writer *writer;
    struct sj_file *file = NULL;
    if (sj_store_begin(fixture->store, &key, &writer) != 0)
        _exit(1);
    struct sj_sink sink = {sj_store_write, writer};
    if (sj_encode(&request, fixture->reader, &sink, &outcome) != 0)
        _exit(2);
    if (outcome == SJ_DOES_NOT_PAY)
        sj_store_refuse(writer);
    else if (sj_store_commit(writer, 0, &file) != 0)
        _exit(3);
    sj_file_release(file);
}

/* All files of one ledger have the same size, so that a mixture would show. */
static void make_ledger(struct fixture *fixture, uint64_t turn)
{
    struct sj_disk_file *files = calloc(N_LEDGER, sizeof(*files));
    const struct sj_file **list = calloc(N_LEDGER, sizeof(struct sj_file *));
    for (size_t i = 0; i < N_LEDGER; i++) {
        files[i].identity.size = turn;
        files[i].file.is_on_disk = true;
        list[i] = &files[i].file;
    }
    if (sj_ledger_write(fixture->tree->path, name, list, N_LEDGER) != 0)
        _exit(4);
    free(files);
    free(list);
}

static pid_t start_child(struct fixture *fixture, uint32_t seed)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child != 0)
        return child;
    for (uint32_t turn = seed;; turn++) {
        uint32_t number = next_random(&seed);
        make_record(fixture, &fixture->contents[number % N_CONTENTS], SJ_GZIP + number / 64 % 3);
        make_ledger(fixture, turn);
    }
}

/* Each record that is found is right; the number found. */
static unsigned check_records(struct fixture *fixture)
{
    unsigned n = 0;
    for (size_t i = 0; i < N_CONTENTS; i++)
        for (int coding = SJ_GZIP; coding <= SJ_ZSTD; coding++) {
            struct sj_store_key key = key_of(&fixture->contents[i], coding);
            struct sj_file *file = NULL;
            int outcome = sj_store_find(fixture->store, &key, 1 << 30, fixture->reader, &file);
            n += outcome != SJ_STORE_ABSENT;
            if (outcome == SJ_STORE_FOUND)
                assert_expands(file->bytes, file->length, coding, &fixture->contents[i]);
            if (outcome == SJ_STORE_DOES_NOT_PAY)
                assert_int_equal(i, N_CONTENTS - 1);
            sj_file_release(file);
        }
    return n;
}

static size_t check_ledger(struct fixture *fixture)
{
    struct sj_ledger *ledger;
    uint64_t length = 0;
    assert_int_equal(sj_ledger_read(fixture->tree->path, name, &ledger), 0);
    size_t n_files = ledger == NULL ? 0 : sj_ledger_size(ledger);
    for (size_t i = 0; i < n_files; i++) {
        struct sj_file *file = sj_ledger_get(ledger, i);
        assert_true(i == 0 || file->length == length);
        length = file->length;
        sj_file_release(file);
    }
    sj_ledger_release(ledger);
    return n_files;
}

static void sleep_ms(uint32_t ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    nanosleep(&time, NULL);
}

static void end_child(pid_t child)
{
    int status;
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status)); /* not by itself, with an error */
}

static void a_killed_writer_leaves_no_wrong_record(void **state)
{
    struct fixture *fixture = *state;
    uint32_t seed = 11;
    for (int i = 0; i < N_KILLS; i++) {
        pid_t child = start_child(fixture, seed);
        sleep_ms(next_random(&seed) % 60);
        end_child(child);
        check_records(fixture);
        assert_true(check_ledger(fixture) % N_LEDGER == 0);
    }
    /* Whatever the children came to: it works on. */
    for (size_t i = 0; i < N_CONTENTS; i++)
        for (int coding = SJ_GZIP; coding <= SJ_ZSTD; coding++)
            make_record(fixture, &fixture->contents[i], coding);
    assert_int_equal(check_records(fixture), 3 * N_CONTENTS);
}

static void two_processes_share_the_directory(void **state)
{
    struct fixture *fixture = *state;
    uint32_t seed = 12;
    pid_t children[2];
    for (int i = 0; i < 2; i++)
        children[i] = start_child(fixture, next_random(&seed));
    for (int i = 0; i < N_KILLS; i++) {
        check_records(fixture);
        assert_true(check_ledger(fixture) % N_LEDGER == 0);
        sleep_ms(next_random(&seed) % 20);
        end_child(children[i % 2]);
        children[i % 2] = start_child(fixture, next_random(&seed));
    }
    /* They get somewhere nevertheless. */
    while (check_ledger(fixture) == 0 || check_records(fixture) == 0)
        sleep_ms(10);
    for (int i = 0; i < 2; i++)
        end_child(children[i]);
    check_records(fixture);
    assert_int_equal(check_ledger(fixture), N_LEDGER);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_killed_writer_leaves_no_wrong_record),
        TEST(two_processes_share_the_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
