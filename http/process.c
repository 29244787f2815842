/* SPDX-License-Identifier: MIT */
#include "http/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include "core/sched.h"

int sj_process_signals(void)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1};
    sigset_t set;
    int descriptor;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        sigaddset(&set, numbers[i]);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of the write */
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -errno;
    descriptor = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return descriptor >= 0 ? descriptor : -errno;
}

uint64_t sj_process_raise_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1024;
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit raised = {limit.rlim_max, limit.rlim_max};

        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            return raised.rlim_cur;
    }
    return limit.rlim_cur;
}

void sj_process_raise_nice(int by)
{
    int nice_value = getpriority(PRIO_PROCESS, 0) + by;
    rlim_t wanted = (rlim_t)(20 - (nice_value < 19 ? nice_value : 19)); /* see getrlimit(2) */
    struct rlimit limit;

    if (getrlimit(RLIMIT_NICE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted;
    if (limit.rlim_max < wanted)
        limit.rlim_max = wanted; /* a privilege, which may be given up next */
    setrlimit(RLIMIT_NICE, &limit);
}

int sj_process_find(const char *user, const char *group, struct sj_process_user *who, char *error,
                    size_t error_size)
{
    const struct passwd *password = user != NULL ? getpwnam(user) : NULL;
    const struct group *entry = group != NULL ? getgrnam(group) : NULL;

    if (user != NULL && password == NULL) {
        snprintf(error, error_size, "--user: there is no user '%s'", user);
        return -EINVAL;
    }
    if (group != NULL && entry == NULL) {
        snprintf(error, error_size, "--group: there is no group '%s'", group);
        return -EINVAL;
    }
    who->name = user;
    who->user = password != NULL ? password->pw_uid : geteuid();
    who->group = entry != NULL ? entry->gr_gid : password != NULL ? password->pw_gid : getegid();
    who->is_asked = user != NULL || group != NULL;
    return 0;
}

int sj_process_become(const struct sj_process_user *who)
{
    if (!who->is_asked)
        return 0;
    if (geteuid() == 0 &&
        (who->name != NULL ? initgroups(who->name, who->group) : setgroups(0, NULL)) != 0)
        return -errno;
    if (setresgid(who->group, who->group, who->group) != 0 ||
        setresuid(who->user, who->user, who->user) != 0)
        return -errno;
    /* a process that can become root again has not given anything up */
    if (who->user != 0 && setuid(0) == 0)
        return -EPERM;
    return 0;
}

unsigned sj_process_threads(uint64_t number)
{
    cpu_set_t allowed; /* of 1,024 at most; on a machine with more the call fails */
    long cores;

    if (number > 0)
        return (unsigned)number;
    cores = sched_getaffinity(0, sizeof(allowed), &allowed) == 0 ? CPU_COUNT(&allowed)
                                                                 : sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > SJ_WORKERS_MAX ? SJ_WORKERS_MAX : (unsigned)cores;
}

/* As root, maybe in a folder that others can write to: never through a link of theirs. */
static FILE *create(const char *path)
{
    int descriptor;

    unlink(path);
    descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    return descriptor >= 0 ? fdopen(descriptor, "w") : NULL;
}

int sj_process_write_pid(const char *path)
{
    char *temporary = NULL;
    FILE *file;
    int error = 0;

    if (asprintf(&temporary, "%s.new", path) < 0)
        return -ENOMEM;
    file = create(temporary);
    if (file == NULL || fprintf(file, "%d\n", (int)getpid()) < 0)
        error = -errno;
    if (file != NULL && fclose(file) != 0 && error == 0)
        error = -errno;
    if (error == 0 && rename(temporary, path) != 0)
        error = -errno;
    if (error != 0 && file != NULL)
        unlink(temporary);
    free(temporary);
    return error;
}
