/* SPDX-License-Identifier: MIT */
#include "cache/refresh.h"

#include <dirent.h>
#include "cache/content.h"
#include "tests/cache/contents.h"

#define MODIFIED 1600000000

static unsigned failing_malloc; /* the n-th from now on; 0: none */
static bool times_fail;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    return failing_malloc != 0 && --failing_malloc == 0 ? NULL : __real_malloc(size);
}

static int refuse(void)
{
    errno = EPERM;
    return -1;
}

/* Changes the content of a file, but none of its times, once it has been encoded. */
static const struct tree *changing;

int __real_sj_encode(const struct sj_encode_request *request, struct sj_reader *reader,
                     const struct sj_sink *sink, enum sj_encode_outcome *outcome);
int __wrap_sj_encode(const struct sj_encode_request *request, struct sj_reader *reader,
                     const struct sj_sink *sink, enum sj_encode_outcome *outcome);
int __wrap_sj_encode(const struct sj_encode_request *request, struct sj_reader *reader,
                     const struct sj_sink *sink, enum sj_encode_outcome *outcome)
{
    int error = __real_sj_encode(request, reader, sink, outcome);
    if (changing != NULL) {
        usleep(20000); /* a tick of the clock that gives the change time */
        tree_write(changing, "a.css", "body {}");
        assert_int_equal(truncate(tree_path(changing, "a.css"), (off_t)request->length), 0);
        tree_touch(changing, "a.css", MODIFIED);
    }
    return error;
}

/* The owner can never be given: that must not matter. */
int __wrap_fchown(int descriptor, uid_t user, gid_t group);
int __wrap_fchown(int descriptor, uid_t user, gid_t group)
{
    (void)descriptor;
    (void)user;
    (void)group;
    return refuse();
}

int __real_futimens(int descriptor, const struct timespec times[2]);
int __wrap_futimens(int descriptor, const struct timespec times[2]);
int __wrap_futimens(int descriptor, const struct timespec times[2])
{
    return times_fail ? refuse() : __real_futimens(descriptor, times);
}

int __real_utimensat(int directory, const char *path, const struct timespec times[2], int flags);
int __wrap_utimensat(int directory, const char *path, const struct timespec times[2], int flags);
int __wrap_utimensat(int directory, const char *path, const struct timespec times[2], int flags)
{
    return times_fail ? refuse() : __real_utimensat(directory, path, times, flags);
}

/* One file and what stands beside it, as a scan would have found them. */
struct fixture {
    struct tree *tree;
    struct sj_root *root;
    struct sj_scan scan;
    struct sj_scan_directory *directory;
    struct sj_scan_file files[SJ_CODINGS];
    char names[64];
    bool codings[SJ_CODINGS];
    uint32_t is_cancelled;
    struct sj_refresher refresher;
    struct sj_refresh_count counts[SJ_CODINGS];
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->tree = tree_new();
    struct sj_root_spec spec = {.prefix = "/", .path = fixture->tree->path};
    assert_int_equal(sj_root_new(&spec, &fixture->root), 0);
    fixture->scan.root = fixture->root;
    fixture->directory = calloc(1, sizeof(*fixture->directory) + 1);
    *fixture->directory = (struct sj_scan_directory){
        .scan = &fixture->scan, .files = fixture->files, .names = fixture->names};
    for (int i = 0; i < SJ_CODINGS; i++)
        fixture->codings[i] = i != SJ_IDENTITY;
    assert_int_equal(
        sj_refresher_init(&fixture->refresher, fixture->codings, &fixture->is_cancelled), 0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    times_fail = false;
    changing = NULL;
    sj_refresher_fini(&fixture->refresher);
    sj_root_release(fixture->root);
    tree_free(fixture->tree);
    free(fixture->directory);
    free(fixture);
    return 0;
}

static const char *name_of(enum sj_coding coding)
{
    static const char *const names[] = {"a.css", "a.css.gz", "a.css.br", "a.css.zst"};
    return names[coding];
}

/* Looks at what there is. */
static void find_files(struct fixture *fixture)
{
    size_t at = 0;
    for (int i = 0; i < SJ_CODINGS; i++) {
        struct stat status;
        struct sj_scan_file *file = &fixture->files[fixture->directory->n_files];
        if (stat(tree_path(fixture->tree, name_of(i)), &status) != 0)
            continue;
        *file = (struct sj_scan_file){.name = at, .is_sidecar = i != SJ_IDENTITY};
        sj_identity_of(&status, &file->identity);
        at += strlen(strcpy(fixture->names + at, name_of(i))) + 1;
        fixture->directory->n_files++;
        if (i != SJ_IDENTITY)
            fixture->files[0].sidecars[i] = fixture->directory->n_files;
    }
}

static int refresh(struct fixture *fixture)
{
    memset(fixture->counts, 0, sizeof(fixture->counts));
    fixture->directory->n_files = 0;
    find_files(fixture);
    return sj_refresh(&fixture->refresher, fixture->directory, &fixture->files[0], fixture->counts);
}

static void write_content(struct fixture *fixture, const struct content *content)
{
    tree_write_bytes(fixture->tree, "a.css", content->bytes, content->length);
    tree_touch(fixture->tree, "a.css", MODIFIED);
}

static void only(struct fixture *fixture, enum sj_coding coding)
{
    for (int i = 0; i < SJ_CODINGS; i++)
        fixture->codings[i] = i == (int)coding;
}

static unsigned names_there(const struct fixture *fixture)
{
    unsigned n = 0;
    DIR *directory = opendir(fixture->tree->path);
    while (readdir(directory) != NULL)
        n++;
    closedir(directory);
    return n - 2;
}

static struct stat status_of(const struct fixture *fixture, enum sj_coding coding)
{
    struct stat status;
    assert_int_equal(stat(tree_path(fixture->tree, name_of(coding)), &status), 0);
    return status;
}

static void assert_true_sidecar(const struct fixture *fixture, enum sj_coding coding,
                                const struct content *content)
{
    struct stat status = status_of(fixture, coding);
    char *bytes = malloc((size_t)status.st_size);
    FILE *file = fopen(tree_path(fixture->tree, name_of(coding)), "r");
    assert_non_null(bytes);
    assert_non_null(file);
    assert_int_equal(fread(bytes, 1, (size_t)status.st_size, file), status.st_size);
    fclose(file);
    assert_expands(bytes, (size_t)status.st_size, coding, content);
    assert_int_equal(status.st_mtim.tv_sec, MODIFIED);
    free(bytes);
}

static void all_sidecars_are_made_and_expand_to_the_file(void **state)
{
    struct fixture *fixture = *state;
    struct content content = words(20000, 1);
    write_content(fixture, &content);
    assert_int_equal(refresh(fixture), 0);
    for (int i = SJ_GZIP; i < SJ_CODINGS; i++) {
        assert_true_sidecar(fixture, i, &content);
        assert_int_equal(fixture->counts[i].n_written, 1);
        assert_int_equal(fixture->counts[i].n_bytes, status_of(fixture, i).st_size);
    }
    assert_int_equal(names_there(fixture), 4);
    free(content.bytes);
}

static void a_sidecar_has_the_time_and_the_permissions_of_its_file(void **state)
{
    struct fixture *fixture = *state;
    struct content content = words(5000, 1);
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = -5, .tv_nsec = 123456789}};
    write_content(fixture, &content);
    assert_int_equal(chmod(tree_path(fixture->tree, "a.css"), 0750), 0);
    assert_int_equal(utimensat(AT_FDCWD, tree_path(fixture->tree, "a.css"), times, 0), 0);
    assert_int_equal(refresh(fixture), 0);
    struct stat file = status_of(fixture, SJ_IDENTITY);
    struct stat sidecar = status_of(fixture, SJ_BR);
    assert_int_equal(sidecar.st_mode & 07777, 0640);
    assert_memory_equal(&sidecar.st_mtim, &file.st_mtim, sizeof(file.st_mtim));
    free(content.bytes);
}

static void what_does_not_pay_touches_no_directory(void **state)
{
    struct fixture *fixture = *state;
    struct content content = noise(30000, 30000, 1);
    struct stat before, after;
    write_content(fixture, &content);
    assert_int_equal(stat(fixture->tree->path, &before), 0);
    assert_int_equal(refresh(fixture), 0);
    assert_int_equal(stat(fixture->tree->path, &after), 0);
    assert_memory_equal(&after.st_mtim, &before.st_mtim, sizeof(before.st_mtim));
    for (int i = SJ_GZIP; i < SJ_CODINGS; i++)
        assert_int_equal(fixture->counts[i].n_unpaid, 1);
    free(content.bytes);
}

static void an_output_larger_than_memory_is_written_whole(void **state)
{
    struct fixture *fixture = *state;
    struct content content = noise(5000000, 2500000, 1);
    only(fixture, SJ_GZIP);
    write_content(fixture, &content);
    assert_int_equal(refresh(fixture), 0);
    assert_true_sidecar(fixture, SJ_GZIP, &content);
    assert_true(fixture->counts[SJ_GZIP].n_bytes > 2500000);
    assert_int_equal(names_there(fixture), 2);
    free(content.bytes);
}

/* Repeated so far back that zstd sees it, which tries the file out, but gzip does not: by then a
 * temporary file has been begun. */
static void a_large_file_that_does_not_pay_leaves_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct content content = noise(2400000, 1200000, 1);
    memcpy(content.bytes + 1200000, content.bytes, 1200000);
    only(fixture, SJ_GZIP);
    write_content(fixture, &content);
    assert_int_equal(refresh(fixture), 0);
    assert_int_equal(fixture->counts[SJ_GZIP].n_unpaid, 1);
    assert_int_equal(names_there(fixture), 1);
    free(content.bytes);
}

static void codings_that_are_not_wanted_are_left_alone(void **state)
{
    struct fixture *fixture = *state;
    struct content content = words(5000, 1);
    only(fixture, SJ_ZSTD);
    write_content(fixture, &content);
    tree_write(fixture->tree, "a.css.gz", "wrong");
    assert_int_equal(refresh(fixture), 0);
    assert_int_equal(status_of(fixture, SJ_GZIP).st_size, 5);
    assert_int_equal(names_there(fixture), 3);
    free(content.bytes);
}

static void a_true_sidecar_stays_and_gets_the_time(void **state)
{
    struct fixture *fixture = *state;
    only(fixture, SJ_GZIP);
    tree_write(fixture->tree, "a.css", "body {}");
    tree_touch(fixture->tree, "a.css", MODIFIED);
    tree_write_gzip(fixture->tree, "a.css.gz", "body {}");
    tree_touch(fixture->tree, "a.css.gz", MODIFIED - 1000);
    struct stat before = status_of(fixture, SJ_GZIP);
    assert_int_equal(refresh(fixture), 0);
    struct stat after = status_of(fixture, SJ_GZIP);
    assert_int_equal(after.st_ino, before.st_ino);
    assert_int_equal(after.st_mtim.tv_sec, MODIFIED);
    assert_int_equal(fixture->counts[SJ_GZIP].n_kept, 1);
    assert_int_equal(fixture->counts[SJ_GZIP].n_bytes, before.st_size);
}

static void a_true_sidecar_that_may_not_be_touched_stays_if_it_is_fresh(void **state)
{
    struct fixture *fixture = *state;
    only(fixture, SJ_GZIP);
    tree_write(fixture->tree, "a.css", "body {}");
    tree_touch(fixture->tree, "a.css", MODIFIED);
    tree_write_gzip(fixture->tree, "a.css.gz", "body {}");
    tree_touch(fixture->tree, "a.css.gz", MODIFIED + 1000);
    times_fail = true;
    assert_int_equal(refresh(fixture), 0);
    assert_int_equal(fixture->counts[SJ_GZIP].n_kept, 1);
    assert_int_equal(status_of(fixture, SJ_GZIP).st_mtim.tv_sec, MODIFIED + 1000);
}

static void a_wrong_sidecar_is_made_anew_however_fresh(void **state)
{
    struct fixture *fixture = *state;
    struct content content = words(5000, 1);
    only(fixture, SJ_GZIP);
    write_content(fixture, &content);
    tree_write_gzip(fixture->tree, "a.css.gz", "something else");
    tree_touch(fixture->tree, "a.css.gz", MODIFIED + 1000);
    assert_int_equal(refresh(fixture), 0);
    assert_true_sidecar(fixture, SJ_GZIP, &content);
    assert_int_equal(fixture->counts[SJ_GZIP].n_written, 1);
    free(content.bytes);
}

static void a_wrong_sidecar_of_what_does_not_pay_is_removed(void **state)
{
    struct fixture *fixture = *state;
    tree_write(fixture->tree, "a.css", "x");
    tree_write(fixture->tree, "a.css.br", "wrong");
    assert_int_equal(refresh(fixture), 0);
    assert_int_equal(fixture->counts[SJ_BR].n_removed, 1);
    assert_int_equal(fixture->counts[SJ_GZIP].n_unpaid, 1);
    assert_int_equal(names_there(fixture), 1);
}

static void a_file_that_has_gone_is_no_fault(void **state)
{
    struct fixture *fixture = *state;
    struct content content = words(5000, 1);
    write_content(fixture, &content);
    find_files(fixture);
    assert_int_equal(unlink(tree_path(fixture->tree, "a.css")), 0);
    assert_int_equal(
        sj_refresh(&fixture->refresher, fixture->directory, &fixture->files[0], fixture->counts),
        0);
    assert_int_equal(names_there(fixture), 0);
    free(content.bytes);
}

static void what_cannot_be_written_is_told_and_leaves_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct content content = words(5000, 1);
    only(fixture, SJ_GZIP);
    write_content(fixture, &content);
    find_files(fixture);
    assert_int_equal(mkdir(tree_path(fixture->tree, "a.css.gz"), 0755), 0);
    assert_int_equal(
        sj_refresh(&fixture->refresher, fixture->directory, &fixture->files[0], fixture->counts),
        -EISDIR);
    assert_int_equal(names_there(fixture), 2);
    free(content.bytes);
}

static void a_file_that_changes_meanwhile_gets_no_sidecar(void **state)
{
    struct fixture *fixture = *state;
    struct content content = words(5000, 1);
    write_content(fixture, &content);
    changing = fixture->tree;
    assert_int_equal(refresh(fixture), -ESTALE);
    assert_int_equal(names_there(fixture), 1);
    free(content.bytes);
}

static void without_its_time_no_sidecar_is_left(void **state)
{
    struct fixture *fixture = *state;
    struct content content = words(5000, 1);
    write_content(fixture, &content);
    times_fail = true;
    assert_int_equal(refresh(fixture), -EPERM);
    assert_int_equal(names_there(fixture), 1);
    free(content.bytes);
}

static void cancelled_it_leaves_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct content content = words(200000, 1);
    write_content(fixture, &content);
    fixture->is_cancelled = 1;
    assert_int_equal(refresh(fixture), -ECANCELED);
    assert_int_equal(names_there(fixture), 1);
    free(content.bytes);
}

static void without_memory_there_is_no_refresher(void **state)
{
    struct fixture *fixture = *state;
    struct sj_refresher refresher;
    for (unsigned i = 1; i <= 2; i++) {
        failing_malloc = i;
        assert_int_equal(sj_refresher_init(&refresher, fixture->codings, NULL), -ENOMEM);
    }
}

/* One file and its .gz, with these times. */
static bool is_settled(int64_t modified_ns, int64_t changed_ns)
{
    static const bool codings[SJ_CODINGS] = {[SJ_GZIP] = true};
    struct sj_scan_file files[2] = {
        {.identity = {.modified_ns = 1000, .changed_ns = 5000}, .sidecars = {[SJ_GZIP] = 2}},
        {.identity = {.modified_ns = modified_ns, .changed_ns = changed_ns}}};
    struct sj_scan_directory directory = {.files = files, .n_files = 2};
    return sj_refresh_is_settled(&directory, &files[0], codings);
}

static void a_sidecar_is_settled_by_its_times(void **state)
{
    (void)state;
    assert_true(is_settled(1000, 5001 + SJ_RACY_NS));
    assert_false(is_settled(1000, 5000 + SJ_RACY_NS));
    assert_false(is_settled(1001, 5001 + SJ_RACY_NS));
    assert_false(is_settled(999, 5001 + SJ_RACY_NS));
}

static void a_file_without_a_sidecar_is_not_settled(void **state)
{
    struct fixture *fixture = *state;
    tree_write(fixture->tree, "a.css", "x");
    find_files(fixture);
    assert_false(sj_refresh_is_settled(fixture->directory, &fixture->files[0], fixture->codings));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_sidecars_are_made_and_expand_to_the_file),
        TEST(a_sidecar_has_the_time_and_the_permissions_of_its_file),
        TEST(what_does_not_pay_touches_no_directory),
        TEST(an_output_larger_than_memory_is_written_whole),
        TEST(a_large_file_that_does_not_pay_leaves_nothing),
        TEST(codings_that_are_not_wanted_are_left_alone),
        TEST(a_true_sidecar_stays_and_gets_the_time),
        TEST(a_true_sidecar_that_may_not_be_touched_stays_if_it_is_fresh),
        TEST(a_wrong_sidecar_is_made_anew_however_fresh),
        TEST(a_wrong_sidecar_of_what_does_not_pay_is_removed),
        TEST(a_file_that_has_gone_is_no_fault),
        TEST(what_cannot_be_written_is_told_and_leaves_nothing),
        TEST(a_file_that_changes_meanwhile_gets_no_sidecar),
        TEST(without_its_time_no_sidecar_is_left),
        TEST(cancelled_it_leaves_nothing),
        TEST(without_memory_there_is_no_refresher),
        TEST(a_sidecar_is_settled_by_its_times),
        TEST(a_file_without_a_sidecar_is_not_settled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
