/* SPDX-License-Identifier: MIT */
/*
 * Long tasks inside scrubjay: rows of bench/workloads.py, by their names.
 *
 *     scrubjay serve --module tasks.so --route /sleep_sync=tasks:sleep_sync DIRECTORY
 */
#include "bench/tasks/tasks.h"
#include <errno.h>
#include <stdlib.h>

static const struct sj_handler handlers[] = {
    {"sleep_sync", tasks_sleep_sync, SJ_SYNC},
    {"sleep_async", tasks_sleep_async, SJ_ASYNC},
    {"sleep_async_split", tasks_sleep_async_split, SJ_ASYNC},
    {"cpu", tasks_cpu, SJ_SYNC},
    {"spin", tasks_spin, SJ_SYNC},
    {"fork", tasks_fork, SJ_SYNC},
    {"file_sync", tasks_file_sync, SJ_SYNC},
    {"file_async", tasks_file_async, SJ_ASYNC},
    {0}};

static int start(const struct sj_setup *setup, void **context)
{
    struct tasks *tasks = malloc(sizeof *tasks);

    (void)setup;
    if (tasks == NULL)
        return -ENOMEM;
    settings_read(&tasks->settings);
    tasks->rounds_per_us = tasks_calibrate();
    *context = tasks;
    return 0;
}

SJ_MODULE = {.abi = SJ_ABI, .name = "tasks", .handlers = handlers, .start = start, .stop = free};
