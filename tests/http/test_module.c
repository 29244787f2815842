/* SPDX-License-Identifier: MIT */
/* Modules, whose files are the test's own.
 * Linked with: -Wl,--wrap=dlopen -Wl,--wrap=dlsym -Wl,--wrap=dlclose -Wl,--wrap=dlerror
 * -Wl,--wrap=calloc -Wl,--wrap=sj_log */
#include "http/module.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "core/loop.h"

static struct sj_modules modules;
static struct sj_sched *sched;
static const struct sj_module *files[3]; /* of a, b and c; NULL: no symbol */
static char opened[256], calls[256], error[512], logged[512];
static unsigned n_open;
static bool calloc_fails;

void *__wrap_dlopen(const char *path, int flags);
void *__wrap_dlsym(void *library, const char *name);
int __wrap_dlclose(void *library);
char *__wrap_dlerror(void);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void __wrap_sj_log(struct sj_log *log, enum sj_log_level level, const char *format, ...);

/* The file's last letter says which it is. */
void *__wrap_dlopen(const char *path, int flags)
{
    unsigned file = (unsigned)(path[strlen(path) - 1] - 'a');

    (void)flags;
    sprintf(opened + strlen(opened), "%s ", path);
    if (file > 2)
        return NULL;
    n_open++;
    return &files[file];
}

void *__wrap_dlsym(void *library, const char *name)
{
    assert_string_equal(name, "scrubjay_module");
    return (void *)(uintptr_t) * (const struct sj_module **)library;
}

int __wrap_dlclose(void *library)
{
    (void)library;
    n_open--;
    return 0;
}

char *__wrap_dlerror(void)
{
    static char text[] = "no such file";

    return text;
}

void *__wrap_calloc(size_t n, size_t size)
{
    return calloc_fails ? NULL : __real_calloc(n, size);
}

void __wrap_sj_log(struct sj_log *log, enum sj_log_level level, const char *format, ...)
{
    va_list arguments;

    (void)log;
    (void)level;
    va_start(arguments, format);
    vsnprintf(logged, sizeof(logged), format, arguments);
    va_end(arguments);
}

static const struct sj_handler handlers[] = {{0}};

static int start(const struct sj_setup *setup, void **context)
{
    assert_int_equal(setup->n_loops, 2);
    assert_int_equal(setup->n_workers, 3);
    assert_ptr_equal(setup->bases[1], sj_loop_base(sj_sched_loop(sched, 1)));
    sprintf(calls + strlen(calls), "start(%s) ", setup->settings);
    *context = (void *)(uintptr_t)setup->settings;
    if (strcmp(setup->settings, "fails") == 0)
        return -EPERM;
    snprintf(setup->error, setup->error_size, "bad settings");
    return strcmp(setup->settings, "says why") == 0 ? -EINVAL : 0;
}

static int reload(void *context, char *text, size_t size)
{
    sprintf(calls + strlen(calls), "reload(%s) ", (const char *)context);
    if (strcmp(context, "1") == 0)
        snprintf(text, size, "no rules");
    return strcmp(context, "2") == 0 ? 0 : -ENOENT;
}

static void stop(void *context)
{
    sprintf(calls + strlen(calls), "stop(%s) ", (const char *)context);
}

static const struct sj_module a = {SJ_ABI, "a", handlers, start, reload, stop};
static const struct sj_module b = {SJ_ABI, "b", handlers, start, reload, stop};
static const struct sj_module c = {SJ_ABI, "c", handlers, NULL, NULL, NULL};

static int setup(void **state)
{
    struct sj_sched_config config = {
        .n_loops = 2, .n_workers = 3, .quick_length = 2, .heavy_length = 2};

    (void)state;
    files[0] = &a;
    files[1] = &b;
    files[2] = &c;
    *opened = *calls = *error = *logged = '\0';
    calloc_fails = false;
    return sj_sched_new(&config, &sched);
}

static int teardown(void **state)
{
    (void)state;
    sj_modules_close(&modules);
    assert_int_equal(n_open, 0);
    sj_sched_free(sched);
    return 0;
}

static int open_all(const char **options, size_t n)
{
    const struct sj_option_list list = {options, n};

    return sj_modules_open(&modules, &list, error, sizeof(error));
}

static int open_one(const char *option)
{
    return open_all(&option, 1);
}

static int start_all(void)
{
    return sj_modules_start(&modules, sched, error, sizeof(error));
}

static void a_name_without_a_slash_is_a_file_here(void **state)
{
    const char *options[] = {"a", "../b,x/y", "/c"};

    (void)state;
    assert_int_equal(open_all(options, 3), 0);
    assert_string_equal(opened, "./a ../b /c ");
}

static void settings_follow_the_first_comma(void **state)
{
    const char *options[] = {"a,one,two", "b", "c,"};

    (void)state;
    assert_int_equal(open_all(options, 3), 0);
    assert_string_equal(modules.items[0].settings, "one,two");
    assert_string_equal(modules.items[1].settings, "");
    assert_string_equal(modules.items[2].settings, "");
}

static void a_file_that_cannot_be_opened_is_named(void **state)
{
    (void)state;
    assert_int_equal(open_one("x"), -EIO);
    assert_string_equal(error, "--module: cannot load no such file");
}

static void a_path_is_not_empty_nor_too_long(void **state)
{
    char option[5001];

    (void)state;
    memset(option, 'a', 5000);
    option[5000] = '\0';
    assert_int_equal(open_one(option), -EINVAL);
    assert_non_null(strstr(error, "too long"));
}

static void what_is_no_module_for_this_server_is_refused(void **state)
{
    static const struct sj_handler no_function[] = {{"x", NULL, SJ_SYNC}, {0}};
    static const struct sj_module wrongs[] = {
        {SJ_ABI + 1, "a", handlers, NULL, NULL, NULL}, {SJ_ABI, NULL, handlers, NULL, NULL, NULL},
        {SJ_ABI, "", handlers, NULL, NULL, NULL},      {SJ_ABI, "a:b", handlers, NULL, NULL, NULL},
        {SJ_ABI, "a", NULL, NULL, NULL, NULL},         {SJ_ABI, "a", no_function, NULL, NULL, NULL},
    };
    static const char *const whys[] = {"build it again", "a name of",      "a name of",
                                       "a name of",      "needs handlers", "needs handlers"};

    (void)state;
    for (size_t i = 0; i < sizeof(wrongs) / sizeof(*wrongs); i++) {
        files[0] = &wrongs[i];
        assert_int_equal(open_one("a"), -EINVAL);
        assert_non_null(strstr(error, whys[i]));
        sj_modules_close(&modules);
    }
    files[0] = NULL;
    assert_int_equal(open_one("a"), -EINVAL);
    assert_non_null(strstr(error, "no symbol scrubjay_module"));
    assert_int_equal(n_open, 0);
}

static void two_of_one_name_are_refused(void **state)
{
    const char *options[] = {"a", "b"};

    (void)state;
    files[1] = &a;
    assert_int_equal(open_all(options, 2), -EINVAL);
    assert_string_equal(error, "--module b: another module is called a; give it once");
}

static void without_memory_none_is_opened(void **state)
{
    (void)state;
    calloc_fails = true;
    assert_int_equal(open_one("a"), -ENOMEM);
    assert_string_equal(opened, "");
}

static void a_name_is_found_by_its_length(void **state)
{
    const char *options[] = {"a", "b"};

    (void)state;
    assert_int_equal(open_all(options, 2), 0);
    assert_ptr_equal(sj_modules_find(&modules, "b:x", 1), &modules.items[1]);
    assert_null(sj_modules_find(&modules, "b:x", 2));
    assert_null(sj_modules_find(&modules, "b", 0));
    assert_null(sj_modules_find(&modules, "c", 1));
}

static void they_start_in_order_and_stop_the_other_way(void **state)
{
    const char *options[] = {"a,1", "c", "b,2"};

    (void)state;
    assert_int_equal(open_all(options, 3), 0);
    assert_int_equal(start_all(), 0);
    sj_modules_stop(&modules);
    sj_modules_close(&modules);
    assert_string_equal(calls, "start(1) start(2) stop(2) stop(1) ");
}

static void one_that_does_not_start_says_why(void **state)
{
    (void)state;
    assert_int_equal(open_one("a,says why"), 0);
    assert_int_equal(start_all(), -EIO);
    assert_string_equal(error, "module a does not start: bad settings");
    sj_modules_close(&modules);
    assert_int_equal(open_one("a,fails"), 0);
    assert_int_equal(start_all(), -EIO);
    assert_string_equal(error, "module a does not start: Operation not permitted");
}

static void only_those_that_started_are_stopped(void **state)
{
    const char *options[] = {"a,1", "b,fails"};

    (void)state;
    assert_int_equal(open_all(options, 2), 0);
    assert_int_equal(start_all(), -EIO);
    sj_modules_close(&modules);
    assert_string_equal(calls, "start(1) start(fails) stop(1) ");
}

static void each_is_reloaded_whatever_the_others_say(void **state)
{
    const char *options[] = {"a,1", "c", "b,2"};

    (void)state;
    assert_int_equal(open_all(options, 3), 0);
    assert_int_equal(start_all(), 0);
    *calls = '\0';
    sj_modules_reload(&modules, NULL);
    assert_string_equal(calls, "reload(1) reload(2) ");
    assert_string_equal(logged, "module a is not reloaded and goes on as it was: no rules");
}

static void a_reload_that_does_not_say_why_is_told_by_its_error(void **state)
{
    (void)state;
    assert_int_equal(open_one("a,3"), 0);
    assert_int_equal(start_all(), 0);
    sj_modules_reload(&modules, NULL);
    assert_non_null(strstr(logged, "No such file or directory"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_name_without_a_slash_is_a_file_here),
        TEST(settings_follow_the_first_comma),
        TEST(a_file_that_cannot_be_opened_is_named),
        TEST(a_path_is_not_empty_nor_too_long),
        TEST(what_is_no_module_for_this_server_is_refused),
        TEST(two_of_one_name_are_refused),
        TEST(without_memory_none_is_opened),
        TEST(a_name_is_found_by_its_length),
        TEST(they_start_in_order_and_stop_the_other_way),
        TEST(one_that_does_not_start_says_why),
        TEST(only_those_that_started_are_stopped),
        TEST(each_is_reloaded_whatever_the_others_say),
        TEST(a_reload_that_does_not_say_why_is_told_by_its_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
