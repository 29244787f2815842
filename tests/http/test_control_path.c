/* SPDX-License-Identifier: MIT */
/* Linked with: -Wl,--wrap=geteuid */
#include "http/control_path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static uid_t user;
static char path[SJ_CONTROL_PATH];
static char places[SJ_CONTROL_PLACES][SJ_CONTROL_PATH];

uid_t __wrap_geteuid(void);
uid_t __wrap_geteuid(void)
{
    return user;
}

static int begin(void **state)
{
    (void)state;
    user = 0;
    setenv("RUNTIME_DIRECTORY", "/run/first:/run/second", 1);
    setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    return 0;
}

static void the_option_comes_first(void **state)
{
    (void)state;
    assert_true(sj_control_path("here", path));
    assert_string_equal(path, "here");
}

static void none_is_no_path(void **state)
{
    (void)state;
    assert_false(sj_control_path("none", path));
    assert_true(sj_control_path("./none", path));
}

static void systemds_folder_comes_before_the_users(void **state)
{
    (void)state;
    assert_true(sj_control_path(NULL, path));
    assert_string_equal(path, "/run/first/control.sock");
    unsetenv("RUNTIME_DIRECTORY");
    assert_true(sj_control_path(NULL, path));
    assert_string_equal(path, "/run/user/7/scrubjay.sock");
}

static void an_empty_variable_is_none(void **state)
{
    (void)state;
    setenv("RUNTIME_DIRECTORY", "", 1);
    setenv("XDG_RUNTIME_DIR", "", 1);
    assert_true(sj_control_path(NULL, path));
    assert_string_equal(path, "/run/scrubjay.sock");
}

static void only_root_has_a_place_of_its_own(void **state)
{
    (void)state;
    unsetenv("RUNTIME_DIRECTORY");
    unsetenv("XDG_RUNTIME_DIR");
    user = 1000;
    assert_false(sj_control_path(NULL, path));
}

static void a_path_that_is_too_long_stays_too_long(void **state)
{
    char folder[300];

    (void)state;
    memset(folder, 'x', sizeof(folder) - 1);
    folder[sizeof(folder) - 1] = '\0';
    assert_true(sj_control_path(folder, path));
    assert_int_equal(strlen(path), SJ_CONTROL_PATH - 1);
    setenv("RUNTIME_DIRECTORY", folder, 1);
    assert_true(sj_control_path(NULL, path));
    assert_int_equal(strlen(path), SJ_CONTROL_PATH - 1);
}

static void a_client_looks_where_the_option_says_and_nowhere_else(void **state)
{
    (void)state;
    assert_int_equal(sj_control_places("here", places), 1);
    assert_string_equal(places[0], "here");
}

static void a_client_looks_wherever_a_server_may_be(void **state)
{
    static const char *const expected[] = {"/run/first/control.sock", "/run/user/7/scrubjay.sock",
                                           "/run/user/7/scrubjay/control.sock",
                                           "/run/scrubjay.sock", "/run/scrubjay/control.sock"};

    (void)state;
    assert_int_equal(sj_control_places(NULL, places), SJ_CONTROL_PLACES);
    for (unsigned i = 0; i < SJ_CONTROL_PLACES; i++)
        assert_string_equal(places[i], expected[i]);
}

/* Whatever the surroundings are. */
static void a_servers_place_is_among_a_clients(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) {
        bool is_found = false;

        begin(state);
        if ((kind & 1) != 0)
            unsetenv("RUNTIME_DIRECTORY");
        if ((kind & 2) != 0)
            unsetenv("XDG_RUNTIME_DIR");
        assert_true(sj_control_path(NULL, path));
        for (unsigned i = 0, n = sj_control_places(NULL, places); i < n; i++)
            is_found = is_found || strcmp(path, places[i]) == 0;
        assert_true(is_found);
    }
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_option_comes_first),
        TEST(none_is_no_path),
        TEST(systemds_folder_comes_before_the_users),
        TEST(an_empty_variable_is_none),
        TEST(only_root_has_a_place_of_its_own),
        TEST(a_path_that_is_too_long_stays_too_long),
        TEST(a_client_looks_where_the_option_says_and_nowhere_else),
        TEST(a_client_looks_wherever_a_server_may_be),
        TEST(a_servers_place_is_among_a_clients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
