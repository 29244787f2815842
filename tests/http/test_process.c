/* SPDX-License-Identifier: MIT */
/* Linked with: -Wl,--wrap=geteuid -Wl,--wrap=getpwnam -Wl,--wrap=getgrnam -Wl,--wrap=initgroups
 * -Wl,--wrap=setgroups -Wl,--wrap=setresgid -Wl,--wrap=setresuid -Wl,--wrap=setuid
 * -Wl,--wrap=signalfd -Wl,--wrap=rename -Wl,--wrap=getrlimit -Wl,--wrap=setrlimit */
#include "http/process.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <cmocka.h>

/* A process in a test's hands: who it is, and which call fails. */
static struct {
    uid_t user;
    char calls[256];   /* names of the calls that changed it */
    const char *fails; /* name of the call that does, with EPERM */
    bool returns;      /* setuid(0) succeeds afterwards */
} process;

static struct rlimit limit;
static int limited; /* the resource that is asked for */
static struct passwd www = {.pw_name = (char[]){"www"}, .pw_uid = 33, .pw_gid = 34};
static struct group logs = {.gr_name = (char[]){"logs"}, .gr_gid = 35};

uid_t __wrap_geteuid(void);
struct passwd *__wrap_getpwnam(const char *name);
struct group *__wrap_getgrnam(const char *name);
int __wrap_initgroups(const char *user, gid_t group);
int __wrap_setgroups(size_t n, const gid_t *groups);
int __wrap_setresgid(gid_t real, gid_t effective, gid_t saved);
int __wrap_setresuid(uid_t real, uid_t effective, uid_t saved);
int __wrap_setuid(uid_t user);
int __real_signalfd(int descriptor, const sigset_t *set, int flags);
int __wrap_signalfd(int descriptor, const sigset_t *set, int flags);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __wrap_getrlimit(int resource, struct rlimit *to);
int __wrap_setrlimit(int resource, const struct rlimit *from);

static int call(const char *name, unsigned argument)
{
    char text[64];

    if (process.fails != NULL && strcmp(process.fails, name) == 0) {
        errno = EPERM;
        return -1;
    }
    snprintf(text, sizeof(text), "%s %u; ", name, argument);
    strcat(process.calls, text);
    return 0;
}

uid_t __wrap_geteuid(void)
{
    return process.user;
}

struct passwd *__wrap_getpwnam(const char *name)
{
    return strcmp(name, www.pw_name) == 0 ? &www : NULL;
}

struct group *__wrap_getgrnam(const char *name)
{
    return strcmp(name, logs.gr_name) == 0 ? &logs : NULL;
}

int __wrap_initgroups(const char *user, gid_t group)
{
    assert_string_equal(user, "www");
    return call("initgroups", group);
}

int __wrap_setgroups(size_t n, const gid_t *groups)
{
    assert_null(groups);
    return call("setgroups", (unsigned)n);
}

int __wrap_setresgid(gid_t real, gid_t effective, gid_t saved)
{
    assert_true(real == effective && real == saved);
    return call("setresgid", real);
}

int __wrap_setresuid(uid_t real, uid_t effective, uid_t saved)
{
    assert_true(real == effective && real == saved);
    return call("setresuid", real);
}

int __wrap_setuid(uid_t user)
{
    assert_int_equal(user, 0);
    return process.returns ? 0 : -1;
}

int __wrap_signalfd(int descriptor, const sigset_t *set, int flags)
{
    errno = EMFILE;
    return process.fails != NULL ? -1 : __real_signalfd(descriptor, set, flags);
}

int __wrap_rename(const char *from, const char *to)
{
    if (process.fails != NULL && strcmp(process.fails, "rename") == 0) {
        errno = EPERM;
        return -1;
    }
    return __real_rename(from, to);
}

int __wrap_getrlimit(int resource, struct rlimit *to)
{
    assert_int_equal(resource, limited);
    *to = limit;
    return process.fails != NULL && strcmp(process.fails, "getrlimit") == 0 ? -1 : 0;
}

int __wrap_setrlimit(int resource, const struct rlimit *from)
{
    assert_int_equal(resource, limited);
    if (process.fails != NULL && strcmp(process.fails, "setrlimit") == 0)
        return -1;
    limit = *from;
    return 0;
}

static char error[256];
static char folder[32], path[64], beside[80];

static int begin(void **state)
{
    (void)state;
    memset(&process, 0, sizeof(process));
    error[0] = '\0';
    limit = (struct rlimit){1024, 4096};
    limited = RLIMIT_NOFILE;
    strcpy(folder, "/tmp/sj-process-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/pid", folder);
    snprintf(beside, sizeof(beside), "%s.new", path);
    return 0;
}

static int end(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void signals_are_read_from_a_descriptor(void **state)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1};
    struct signalfd_siginfo info;
    sigset_t before;
    int descriptor;

    (void)state;
    sigprocmask(SIG_SETMASK, NULL, &before);
    descriptor = sj_process_signals();
    assert_true(descriptor >= 0);
    for (size_t i = 0; i < 5; i++) {
        raise(numbers[i]);
        assert_int_equal(read(descriptor, &info, sizeof(info)), sizeof(info));
        assert_int_equal(info.ssi_signo, numbers[i]);
    }
    assert_int_equal(read(descriptor, &info, sizeof(info)), -1); /* does not block */
    raise(SIGPIPE);                                              /* is ignored */
    raise(SIGXFSZ);
    close(descriptor);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

static void without_a_descriptor_signals_are_an_error(void **state)
{
    sigset_t before;

    (void)state;
    sigprocmask(SIG_SETMASK, NULL, &before);
    process.fails = "signalfd";
    assert_int_equal(sj_process_signals(), -EMFILE);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

static void the_limit_of_files_is_raised_as_far_as_it_goes(void **state)
{
    (void)state;
    assert_int_equal(sj_process_raise_files(), 4096);
    assert_int_equal(limit.rlim_cur, 4096);
    assert_int_equal(sj_process_raise_files(), 4096);
}

static void a_limit_that_cannot_be_raised_stays(void **state)
{
    (void)state;
    process.fails = "setrlimit";
    assert_int_equal(sj_process_raise_files(), 1024);
    process.fails = "getrlimit";
    assert_int_equal(sj_process_raise_files(), 1024);
}

static void the_limit_of_nice_values_is_raised_as_far_as_needed(void **state)
{
    int nice_value = getpriority(PRIO_PROCESS, 0) + 4;
    rlim_t needed = (rlim_t)(20 - (nice_value < 19 ? nice_value : 19));

    (void)state;
    limited = RLIMIT_NICE;
    limit = (struct rlimit){0, 0};
    sj_process_raise_nice(4);
    assert_int_equal(limit.rlim_cur, needed);
    assert_int_equal(limit.rlim_max, needed);
    limit = (struct rlimit){0, 40};
    sj_process_raise_nice(4);
    assert_int_equal(limit.rlim_cur, needed);
    assert_int_equal(limit.rlim_max, 40);
    limit = (struct rlimit){40, 40};
    sj_process_raise_nice(4);
    assert_int_equal(limit.rlim_cur, 40);
}

static int drop(const char *user, const char *group)
{
    struct sj_process_user who;
    int result = sj_process_find(user, group, &who, error, sizeof(error));

    return result != 0 ? result : sj_process_become(&who);
}

static void without_names_nobody_is_become(void **state)
{
    (void)state;
    assert_int_equal(drop(NULL, NULL), 0);
    assert_string_equal(process.calls, "");
}

static void groups_are_given_up_before_the_user(void **state)
{
    (void)state;
    assert_int_equal(drop("www", NULL), 0);
    assert_string_equal(process.calls, "initgroups 34; setresgid 34; setresuid 33; ");
}

static void a_group_replaces_the_users_own(void **state)
{
    (void)state;
    assert_int_equal(drop("www", "logs"), 0);
    assert_string_equal(process.calls, "initgroups 35; setresgid 35; setresuid 33; ");
}

static void a_group_alone_leaves_the_user(void **state)
{
    (void)state;
    assert_int_equal(drop(NULL, "logs"), 0);
    assert_string_equal(process.calls, "setgroups 0; setresgid 35; setresuid 0; ");
}

static void names_that_do_not_exist_are_errors(void **state)
{
    (void)state;
    assert_int_equal(drop("nobody-here", NULL), -EINVAL);
    assert_non_null(strstr(error, "nobody-here"));
    assert_int_equal(drop("www", "no-group"), -EINVAL);
    assert_non_null(strstr(error, "no-group"));
    assert_string_equal(process.calls, "");
}

static void looking_names_up_changes_nothing(void **state)
{
    struct sj_process_user who;

    (void)state;
    assert_int_equal(sj_process_find("www", NULL, &who, error, sizeof(error)), 0);
    assert_int_equal(who.user, 33);
    assert_int_equal(who.group, 34);
    assert_string_equal(process.calls, "");
}

static void each_call_that_fails_is_an_error(void **state)
{
    static const char *const calls[] = {"initgroups", "setresgid", "setresuid"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        process.fails = calls[i];
        assert_int_equal(drop("www", NULL), -EPERM);
    }
    process.fails = "setgroups";
    assert_int_equal(drop(NULL, "logs"), -EPERM);
}

static void who_can_become_root_again_has_given_up_nothing(void **state)
{
    (void)state;
    process.returns = true;
    assert_int_equal(drop("www", NULL), -EPERM);
}

static void the_pid_file_replaces_the_one_before(void **state)
{
    char text[32] = "", expected[32];
    FILE *file = fopen(path, "w");

    (void)state;
    fputs("999999 and a long rest", file);
    fclose(file);
    assert_int_equal(sj_process_write_pid(path), 0);
    file = fopen(path, "r");
    assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
    fclose(file);
    snprintf(expected, sizeof(expected), "%d\n", (int)getpid());
    assert_string_equal(text, expected);
    assert_int_equal(access(beside, F_OK), -1);
}

static void a_folder_that_is_not_there_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(sj_process_write_pid("/nonexistent/pid"), -ENOENT);
}

static void a_pid_file_that_fails_leaves_nothing(void **state)
{
    (void)state;
    process.fails = "rename";
    assert_int_equal(sj_process_write_pid(path), -EPERM);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(unlink(beside), -1);
}

/* Who can write to the folder could have root write to any file. */
static void a_link_in_the_way_is_not_followed(void **state)
{
    (void)state;
    assert_int_equal(symlink("/dev/full", beside), 0);
    assert_int_equal(sj_process_write_pid(path), 0);
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
}

static void threads_are_as_many_as_the_cores_that_may_be_used(void **state)
{
    cpu_set_t all, one;
    int first = 0;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
    while (!CPU_ISSET(first, &all))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    assert_int_equal(sj_process_threads(0), 1);
    assert_int_equal(sj_process_threads(7), 7);
    assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
    assert_int_equal(sj_process_threads(0), CPU_COUNT(&all) < 64 ? CPU_COUNT(&all) : 64);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(signals_are_read_from_a_descriptor),
        TEST(without_a_descriptor_signals_are_an_error),
        TEST(the_limit_of_files_is_raised_as_far_as_it_goes),
        TEST(a_limit_that_cannot_be_raised_stays),
        TEST(the_limit_of_nice_values_is_raised_as_far_as_needed),
        TEST(without_names_nobody_is_become),
        TEST(groups_are_given_up_before_the_user),
        TEST(a_group_replaces_the_users_own),
        TEST(a_group_alone_leaves_the_user),
        TEST(names_that_do_not_exist_are_errors),
        TEST(looking_names_up_changes_nothing),
        TEST(each_call_that_fails_is_an_error),
        TEST(who_can_become_root_again_has_given_up_nothing),
        TEST(the_pid_file_replaces_the_one_before),
        TEST(a_folder_that_is_not_there_is_an_error),
        TEST(a_pid_file_that_fails_leaves_nothing),
        TEST(a_link_in_the_way_is_not_followed),
        TEST(threads_are_as_many_as_the_cores_that_may_be_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
