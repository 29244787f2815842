/* SPDX-License-Identifier: MIT */
#include "cache/compress.h"

#include <semaphore.h>
#include "core/sched.h"
#include "tests/cache/contents.h"

#define N_LANES 2

static unsigned failing_calloc; /* the n-th from now on; 0: none */

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
    return failing_calloc != 0 && --failing_calloc == 0 ? NULL : __real_calloc(n, size);
}

struct fixture {
    struct sj_task task; /* first */
    struct tree *tree;
    struct sj_sched *sched;
    sem_t ended;
    struct sj_compress compress;
    struct sj_compress_progress progress;
    struct sj_compress_result result;
    uint32_t is_cancelled;
    int error;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct sj_sched_config sched = {
        .n_loops = 1, .n_workers = N_LANES, .quick_length = 1, .heavy_length = 64};
    fixture->tree = tree_new();
    assert_int_equal(sj_sched_new(&sched, &fixture->sched), 0);
    assert_int_equal(sj_sched_start(fixture->sched), 0);
    sem_init(&fixture->ended, 0, 0);
    fixture->compress = (struct sj_compress){.path = fixture->tree->path,
                                             .codings = {false, true, true, true},
                                             .n_lanes = N_LANES,
                                             .is_cancelled = &fixture->is_cancelled,
                                             .progress = &fixture->progress};
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    sj_sched_stop(fixture->sched);
    sj_sched_free(fixture->sched);
    sj_faults_free(fixture->result.faults);
    tree_free(fixture->tree);
    free(fixture);
    return 0;
}

static void run(struct sj_task *task)
{
    struct fixture *fixture = (struct fixture *)task;
    fixture->error = sj_compress_run(&fixture->compress, &fixture->result);
    sem_post(&fixture->ended);
}

static int run_task(struct fixture *fixture)
{
    sj_faults_free(fixture->result.faults);
    fixture->task = (struct sj_task){.run = run};
    assert_int_equal(sj_sched_submit(fixture->sched, &fixture->task), 0);
    while (sem_wait(&fixture->ended) != 0)
        ;
    return fixture->error;
}

static void write_words(const struct fixture *fixture, const char *name, uint32_t seed)
{
    struct content content = words(3000, seed);
    tree_write_bytes(fixture->tree, name, content.bytes, content.length);
    tree_touch(fixture->tree, name, 1600000000);
    free(content.bytes);
}

static bool has(const struct fixture *fixture, const char *name)
{
    return access(tree_path(fixture->tree, name), F_OK) == 0;
}

/* Files are so old that no state of theirs is racy. */
static void settle(void)
{
    usleep(40000);
}

static void every_file_gets_its_sidecars(void **state)
{
    struct fixture *fixture = *state;
    write_words(fixture, "a.css", 1);
    write_words(fixture, "b/c/d", 2);
    assert_int_equal(run_task(fixture), 0);
    assert_true(has(fixture, "a.css.gz") && has(fixture, "a.css.br") && has(fixture, "a.css.zst"));
    assert_true(has(fixture, "b/c/d.gz") && has(fixture, "b/c/d.br") && has(fixture, "b/c/d.zst"));
    assert_int_equal(fixture->result.n_files, 2);
    assert_int_equal(fixture->result.n_bytes, 6000);
    assert_int_equal(fixture->result.n_faults, 0);
}

static void files_that_are_compressed_already_are_passed_over(void **state)
{
    struct fixture *fixture = *state;
    write_words(fixture, "a.png", 1);
    write_words(fixture, "b.tar.gz", 2);
    write_words(fixture, "empty", 3);
    assert_int_equal(truncate(tree_path(fixture->tree, "empty"), 0), 0);
    assert_int_equal(run_task(fixture), 0);
    assert_int_equal(fixture->result.n_files, 0);
    assert_false(has(fixture, "a.png.gz") || has(fixture, "b.tar.gz.gz"));
}

static void dot_names_are_compressed_on_request(void **state)
{
    struct fixture *fixture = *state;
    write_words(fixture, ".a/b.css", 1);
    assert_int_equal(run_task(fixture), 0);
    assert_false(has(fixture, ".a/b.css.gz"));
    fixture->compress.serves_dotfiles = true;
    assert_int_equal(run_task(fixture), 0);
    assert_true(has(fixture, ".a/b.css.gz"));
}

static void a_second_run_looks_into_nothing(void **state)
{
    struct fixture *fixture = *state;
    write_words(fixture, "a.css", 1);
    write_words(fixture, "b.css", 2);
    settle();
    assert_int_equal(run_task(fixture), 0);
    uint64_t bytes = fixture->result.counts[SJ_BR].n_bytes;
    assert_int_equal(run_task(fixture), 0);
    assert_int_equal(fixture->result.n_unchanged, 2);
    assert_int_equal(fixture->result.counts[SJ_BR].n_written, 0);
    assert_int_equal(fixture->result.counts[SJ_BR].n_kept, 2);
    assert_int_equal(fixture->result.counts[SJ_BR].n_bytes, bytes);
}

static void only_a_file_that_has_changed_is_compressed_again(void **state)
{
    struct fixture *fixture = *state;
    write_words(fixture, "a.css", 1);
    write_words(fixture, "b.css", 2);
    settle();
    assert_int_equal(run_task(fixture), 0);
    write_words(fixture, "a.css", 3); /* of the same length and time */
    assert_int_equal(run_task(fixture), 0);
    assert_int_equal(fixture->result.n_unchanged, 1);
    for (int i = SJ_GZIP; i < SJ_CODINGS; i++) {
        assert_int_equal(fixture->result.counts[i].n_written, 1);
        assert_int_equal(fixture->result.counts[i].n_kept, 1);
    }
}

static void a_directory_that_a_link_names_too_is_worked_on_once(void **state)
{
    struct fixture *fixture = *state;
    write_words(fixture, "d/a.css", 1);
    tree_link(fixture->tree, "d", "e");
    assert_int_equal(run_task(fixture), 0);
    assert_int_equal(fixture->result.n_files, 1);
    assert_int_equal(fixture->result.counts[SJ_GZIP].n_written, 1);
}

static void nothing_is_written_through_links_that_leave_the_tree(void **state)
{
    struct fixture *fixture = *state;
    char root[128];
    write_words(fixture, "out/a.css", 1);
    write_words(fixture, "in/b.css", 2);
    tree_link(fixture->tree, "../out", "in/out");
    snprintf(root, sizeof(root), "%s/in", fixture->tree->path);
    fixture->compress.path = root;
    assert_int_equal(run_task(fixture), 0);
    assert_false(has(fixture, "out/a.css.gz"));
    assert_true(has(fixture, "in/b.css.gz"));
    fixture->compress.follows_symlinks = true;
    assert_int_equal(run_task(fixture), 0);
    assert_true(has(fixture, "out/a.css.gz"));
}

static void faults_are_named_in_order_and_the_rest_goes_on(void **state)
{
    struct fixture *fixture = *state;
    char path[128];
    write_words(fixture, "a.css", 1);
    write_words(fixture, "c.css", 2);
    tree_link(fixture->tree, "nothing", "b");
    assert_int_equal(mkdir(tree_path(fixture->tree, "a.css.gz"), 0755), 0);
    assert_int_equal(run_task(fixture), 0);
    assert_int_equal(fixture->result.n_faults, 2);
    snprintf(path, sizeof(path), "%s/a.css", fixture->tree->path);
    assert_string_equal(fixture->result.faults->path.at, path);
    assert_string_equal(fixture->result.faults->reason, "Is a directory");
    assert_string_equal(fixture->result.faults->next->reason, "dangling link");
    assert_null(fixture->result.faults->next->next);
    assert_int_equal(fixture->result.counts[SJ_GZIP].n_written, 1);
}

static void progress_reaches_the_end(void **state)
{
    struct fixture *fixture = *state;
    char name[16];
    for (uint32_t i = 0; i < 300; i++) {
        snprintf(name, sizeof(name), "%u.css", i);
        write_words(fixture, name, i);
    }
    fixture->compress.codings[SJ_BR] = false; /* for time */
    fixture->compress.codings[SJ_ZSTD] = false;
    assert_int_equal(run_task(fixture), 0);
    assert_int_equal(fixture->progress.n_files, 300);
    assert_int_equal(fixture->progress.n_files_done, 300);
    assert_int_equal(fixture->progress.n_bytes, 900000);
    assert_int_equal(fixture->progress.n_bytes_done, 900000);
    assert_int_equal(fixture->result.counts[SJ_GZIP].n_written, 300);
}

static void cancelled_it_ends(void **state)
{
    struct fixture *fixture = *state;
    write_words(fixture, "a.css", 1);
    fixture->is_cancelled = 1;
    assert_int_equal(run_task(fixture), -ECANCELED);
    assert_false(has(fixture, "a.css.gz"));
}

static void without_memory_it_ends(void **state)
{
    struct fixture *fixture = *state;
    write_words(fixture, "a.css", 1);
    for (unsigned i = 1; i <= 3; i++) {
        failing_calloc = i;
        assert_int_equal(run_task(fixture), -ENOMEM);
        assert_false(has(fixture, "a.css.gz"));
    }
    assert_int_equal(run_task(fixture), 0);
}

static void a_tree_that_is_not_there_is_an_error(void **state)
{
    struct fixture *fixture = *state;
    fixture->compress.path = "/nonexistent/tree";
    assert_int_equal(run_task(fixture), -ENOENT);
    assert_int_equal(fixture->result.n_faults, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_file_gets_its_sidecars),
        TEST(files_that_are_compressed_already_are_passed_over),
        TEST(dot_names_are_compressed_on_request),
        TEST(a_second_run_looks_into_nothing),
        TEST(only_a_file_that_has_changed_is_compressed_again),
        TEST(a_directory_that_a_link_names_too_is_worked_on_once),
        TEST(nothing_is_written_through_links_that_leave_the_tree),
        TEST(faults_are_named_in_order_and_the_rest_goes_on),
        TEST(progress_reaches_the_end),
        TEST(cancelled_it_ends),
        TEST(without_memory_it_ends),
        TEST(a_tree_that_is_not_there_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
