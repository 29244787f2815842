/* SPDX-License-Identifier: MIT */
/* Linked with: -Wl,--wrap=geteuid */
#include "http/cache_path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static uid_t user;
static char path[PATH_MAX];

uid_t __wrap_geteuid(void);
uid_t __wrap_geteuid(void)
{
    return user;
}

static int begin(void **state)
{
    (void)state;
    user = 0;
    setenv("CACHE_DIRECTORY", "/var/cache/first:/var/cache/second", 1);
    setenv("XDG_CACHE_HOME", "/home/jay/cache", 1);
    setenv("HOME", "/home/jay", 1);
    return 0;
}

static void the_option_comes_first(void **state)
{
    (void)state;
    assert_true(sj_cache_path("here", path));
    assert_string_equal(path, "here");
}

static void none_is_no_path(void **state)
{
    (void)state;
    assert_false(sj_cache_path("none", path));
    assert_true(sj_cache_path("./none", path));
}

static void systemds_folder_comes_before_the_users(void **state)
{
    (void)state;
    assert_true(sj_cache_path(NULL, path));
    assert_string_equal(path, "/var/cache/first");
    unsetenv("CACHE_DIRECTORY");
    assert_true(sj_cache_path(NULL, path));
    assert_string_equal(path, "/home/jay/cache/scrubjay");
}

static void root_has_the_systems_folder_and_others_their_own(void **state)
{
    (void)state;
    unsetenv("CACHE_DIRECTORY");
    setenv("XDG_CACHE_HOME", "", 1);
    assert_true(sj_cache_path(NULL, path));
    assert_string_equal(path, "/var/cache/scrubjay");
    user = 1000;
    assert_true(sj_cache_path(NULL, path));
    assert_string_equal(path, "/home/jay/.cache/scrubjay");
}

static void who_has_no_folder_has_no_path(void **state)
{
    (void)state;
    user = 1000;
    unsetenv("CACHE_DIRECTORY");
    unsetenv("XDG_CACHE_HOME");
    unsetenv("HOME");
    assert_false(sj_cache_path(NULL, path));
}

static void a_path_without_room_is_none(void **state)
{
    (void)state;
    char *longest = malloc(PATH_MAX + 1);
    assert_non_null(longest);
    memset(longest, 'a', PATH_MAX);
    longest[PATH_MAX] = '\0';
    assert_false(sj_cache_path(longest, path));
    free(longest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_option_comes_first, begin),
        cmocka_unit_test_setup(none_is_no_path, begin),
        cmocka_unit_test_setup(systemds_folder_comes_before_the_users, begin),
        cmocka_unit_test_setup(root_has_the_systems_folder_and_others_their_own, begin),
        cmocka_unit_test_setup(who_has_no_folder_has_no_path, begin),
        cmocka_unit_test_setup(a_path_without_room_is_none, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
