/* SPDX-License-Identifier: MIT */
#ifndef SJ_BENCH_TASKS_TASKS_H
#define SJ_BENCH_TASKS_TASKS_H
/* The module of tasks that need no library but those of the server itself. */
#include "bench/tasks/common.h"

/* The module's context: written by start only. */
struct tasks {
    struct settings settings;
    double rounds_per_us; /* of the arithmetic of cpu */
};

/* One at a time, at the start: how many rounds the cpu task needs for a microsecond. */
double tasks_calibrate(void);

int tasks_sleep_sync(struct sj_call *call);
int tasks_sleep_async(struct sj_call *call);
int tasks_sleep_async_split(struct sj_call *call);
int tasks_cpu(struct sj_call *call);
int tasks_spin(struct sj_call *call);
int tasks_fork(struct sj_call *call);
int tasks_file_sync(struct sj_call *call);
int tasks_file_async(struct sj_call *call);

#endif
