/* SPDX-License-Identifier: MIT */
#include "core/priority.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>
#include <sys/resource.h>

int sj_priority_lower(int by)
{
    int nice_value = getpriority(PRIO_PROCESS, 0) + by;

    if (by == 0)
        return 0;
    if (setpriority(PRIO_PROCESS, (id_t)gettid(), nice_value < 19 ? nice_value : 19) != 0)
        return -errno;
    return 0;
}

/* The nice value is kept from one policy to the other. */
int sj_priority_yield(pthread_t thread)
{
    return -pthread_setschedparam(thread, SCHED_IDLE, &(struct sched_param){0});
}

int sj_priority_entitle(pthread_t thread)
{
    return -pthread_setschedparam(thread, SCHED_OTHER, &(struct sched_param){0});
}

static void *run_trial(void *argument)
{
    int *result = argument;

    sj_priority_lower(*result); /* an error is the workers' to tell */
    *result = sj_priority_yield(pthread_self());
    if (*result == 0)
        *result = sj_priority_entitle(pthread_self());
    return NULL;
}

int sj_priority_try(int by)
{
    pthread_t thread;
    sigset_t all, before;
    int result = by;
    int failed;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the new thread inherits it */
    failed = pthread_create(&thread, NULL, run_trial, &result);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0)
        return -failed;
    pthread_join(thread, NULL);
    return result;
}
