/* SPDX-License-Identifier: MIT */
#ifndef SJ_BENCH_MICRO_H
#define SJ_BENCH_MICRO_H
/*
 * Micro benchmarks: tables of rows, one row an operation.
 *
 * A row's `run` does its operation `n` times and returns the nanoseconds that took; preparation is
 * not timed.  micro.c repeats each row and prints median and spread.  The programs that it measures
 * are correct elsewhere (tests/): here a failure ends the process.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sj_sched;
struct sj_index;

struct micro {
    struct sj_sched *sched; /* running: one loop, one worker a core */
    struct sj_index *index; /* MICRO_FILES small files, of paths made by micro_path */
};

struct micro_row {
    const char *name;
    uint64_t n;
    uint64_t (*run)(struct micro *micro, uint64_t n);
};

/* Each ends with a row without a name. */
extern const struct micro_row micro_queue_rows[];
extern const struct micro_row micro_sched_rows[];
extern const struct micro_row micro_request_rows[];

enum { MICRO_FILES = 10000, MICRO_PATH = 32 };

/* The URL path of a file; its length. */
size_t micro_path(char to[MICRO_PATH], unsigned number);

_Noreturn void micro_fail(const char *what);

static inline void micro_must(bool is_true, const char *what)
{
    if (!is_true)
        micro_fail(what);
}

#endif
