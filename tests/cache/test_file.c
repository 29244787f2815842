/* SPDX-License-Identifier: MIT */
#include "cache/file.h"

#include <sys/resource.h>
#include "tests/cache/tree.h"

struct fixture {
    struct tree *tree;
    struct sj_root *root;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->tree = tree_new();
    struct sj_root_spec spec = {.prefix = "/", .path = fixture->tree->path};
    assert_int_equal(sj_root_new(&spec, &fixture->root), 0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    sj_root_release(fixture->root);
    tree_free(fixture->tree);
    free(fixture);
    return 0;
}

static int open_result(void **state, const char *path)
{
    struct fixture *fixture = *state;
    struct sj_identity identity;
    int descriptor = sj_root_open(fixture->root, path, &identity);
    if (descriptor < 0)
        return descriptor;
    close(descriptor);
    return 0;
}

static void a_regular_file_opens_with_its_identity(void **state)
{
    struct fixture *fixture = *state;
    struct sj_identity identity;
    struct sj_identity same;
    struct stat status;
    tree_write(fixture->tree, "a/b.txt", "hello");
    int descriptor = sj_root_open(fixture->root, "a/b.txt", &identity);
    assert_true(descriptor >= 0);
    assert_int_equal(fcntl(descriptor, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    close(descriptor);
    assert_int_equal(stat(tree_path(fixture->tree, "a/b.txt"), &status), 0);
    sj_identity_of(&status, &same);
    assert_true(sj_identity_equals(&identity, &same));
    assert_int_equal(identity.size, 5);
}

static void every_member_makes_an_identity_differ(void **state)
{
    struct sj_identity a = {1, 2, 3, 4, 5};
    (void)state;
    for (size_t i = 0; i < sizeof(a) / sizeof(uint64_t); i++) {
        struct sj_identity b = a;
        ((uint64_t *)&b)[i]++;
        assert_false(sj_identity_equals(&a, &b));
    }
}

static void a_missing_file_is_enoent(void **state)
{
    assert_int_equal(open_result(state, "nothing"), -ENOENT);
}

static void a_path_out_of_the_root_is_exdev(void **state)
{
    assert_int_equal(open_result(state, "../etc/passwd"), -EXDEV);
    assert_int_equal(open_result(state, "/etc/passwd"), -EXDEV);
}

static void a_link_out_of_the_root_is_exdev(void **state)
{
    struct fixture *fixture = *state;
    tree_link(fixture->tree, "/etc/passwd", "out");
    assert_int_equal(open_result(state, "out"), -EXDEV);
}

static void a_link_out_of_a_root_that_follows_opens(void **state)
{
    struct fixture *fixture = *state;
    tree_link(fixture->tree, "/etc/passwd", "out");
    fixture->root->follows_symlinks = true;
    assert_int_equal(open_result(state, "out"), 0);
}

static void a_link_within_the_root_opens(void **state)
{
    struct fixture *fixture = *state;
    tree_write(fixture->tree, "a", "x");
    tree_link(fixture->tree, "../a", "b/in");
    assert_int_equal(open_result(state, "b/in"), 0);
}

static void a_link_to_itself_is_eloop(void **state)
{
    struct fixture *fixture = *state;
    tree_link(fixture->tree, "self", "self");
    assert_int_equal(open_result(state, "self"), -ELOOP);
}

static void a_fifo_is_refused_and_does_not_block(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(mkfifo(tree_path(fixture->tree, "fifo"), 0644), 0);
    assert_int_equal(open_result(state, "fifo"), -EINVAL);
}

static void a_directory_is_refused(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(mkdir(tree_path(fixture->tree, "d"), 0755), 0);
    assert_int_equal(open_result(state, "d"), -EINVAL);
}

static void an_unreadable_file_is_eacces(void **state)
{
    struct fixture *fixture = *state;
    skip_as_root();
    tree_write(fixture->tree, "secret", "x");
    assert_int_equal(chmod(tree_path(fixture->tree, "secret"), 0), 0);
    assert_int_equal(open_result(state, "secret"), -EACCES);
}

static void without_descriptors_it_is_emfile(void **state)
{
    struct fixture *fixture = *state;
    struct rlimit before;
    tree_write(fixture->tree, "a", "x");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int code = open_result(state, "a");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(code, -EMFILE);
}

static void a_root_that_is_missing_is_enoent(void **state)
{
    struct sj_root_spec spec = {.prefix = "/", .path = "/nonexistent/root"};
    struct sj_root *root;
    (void)state;
    assert_int_equal(sj_root_new(&spec, &root), -ENOENT);
}

static void a_root_that_is_a_file_is_enotdir(void **state)
{
    struct sj_root_spec spec = {.prefix = "/", .path = "/etc/passwd"};
    struct sj_root *root;
    (void)state;
    assert_int_equal(sj_root_new(&spec, &root), -ENOTDIR);
}

static void the_last_release_closes_the_root(void **state)
{
    struct fixture *fixture = *state;
    struct sj_root_spec spec = {.prefix = "/", .path = fixture->tree->path};
    struct sj_root *root;
    assert_int_equal(sj_root_new(&spec, &root), 0);
    int descriptor = root->descriptor;
    sj_root_acquire(root);
    sj_root_release(root);
    assert_true(fcntl(descriptor, F_GETFD) >= 0);
    sj_root_release(root);
    assert_int_equal(fcntl(descriptor, F_GETFD), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_regular_file_opens_with_its_identity, set_up, tear_down),
        cmocka_unit_test(every_member_makes_an_identity_differ),
        cmocka_unit_test_setup_teardown(a_missing_file_is_enoent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_path_out_of_the_root_is_exdev, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_link_out_of_the_root_is_exdev, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_link_out_of_a_root_that_follows_opens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_link_within_the_root_opens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_link_to_itself_is_eloop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_fifo_is_refused_and_does_not_block, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_directory_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_unreadable_file_is_eacces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_descriptors_it_is_emfile, set_up, tear_down),
        cmocka_unit_test(a_root_that_is_missing_is_enoent),
        cmocka_unit_test(a_root_that_is_a_file_is_enotdir),
        cmocka_unit_test_setup_teardown(the_last_release_closes_the_root, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
