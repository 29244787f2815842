/* SPDX-License-Identifier: MIT */
/*
 * Prints nanoseconds per operation of what a request is made of, as a Markdown table.
 *
 *     micro [REPETITIONS]
 */
#include "bench/micro.h"
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <event2/event.h>
#include "cache/index.h"
#include "core/log.h"
#include "core/sched.h"
#include "core/thread.h"

enum { REPETITIONS = 9, REPETITIONS_MAX = 99, FOLDERS = 100 };

_Noreturn void micro_fail(const char *what)
{
    fprintf(stderr, "micro: failed: %s\n", what);
    exit(1);
}

size_t micro_path(char to[MICRO_PATH], unsigned number)
{
    return (size_t)snprintf(to, MICRO_PATH, "/folder-%u/file-%u.txt", number % FOLDERS, number);
}

static void make_tree(const char *root)
{
    char url[MICRO_PATH], path[256];

    for (unsigned i = 0; i < FOLDERS; i++) {
        snprintf(path, sizeof path, "%s/folder-%u", root, i);
        micro_must(mkdir(path, 0755) == 0, path);
    }
    for (unsigned i = 0; i < MICRO_FILES; i++) {
        micro_path(url, i);
        snprintf(path, sizeof path, "%s%s", root, url);
        FILE *file = fopen(path, "w");
        micro_must(file != NULL, path);
        fprintf(file, "%u\n", i);
        fclose(file);
    }
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *at)
{
    (void)status;
    (void)type;
    (void)at;
    return remove(path);
}

static void built(void *argument, const struct sj_index_result *result)
{
    micro_must(result->error == 0, result->text);
    event_base_loopbreak(argument);
}

static void build_index(struct micro *micro, struct sj_log *log, struct event_base *base,
                        const char *root)
{
    char error[512];
    const char *const roots[] = {root};
    const struct sj_index_config config = {.roots = roots,
                                           .n_roots = 1,
                                           .max_age_s = 60,
                                           .memory_limit = 1 << 28,
                                           .memory_file_limit = 1 << 20};

    micro_must(sj_index_new(&config, micro->sched, log, base, &micro->index, error, sizeof error) ==
                   0,
               "index");
    sj_index_set_done(micro->index, built, base);
    sj_index_reload(micro->index);
    event_base_dispatch(base);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_rows(struct micro *micro, const struct micro_row *row, int repetitions)
{
    double ns[REPETITIONS_MAX];

    for (; row->name != NULL; row++) {
        row->run(micro, row->n / 10); /* warms the caches */
        for (int i = 0; i < repetitions; i++)
            ns[i] = (double)row->run(micro, row->n) / (double)row->n;
        qsort(ns, (size_t)repetitions, sizeof *ns, compare);
        printf("| %s | %.1f | %.1f-%.1f |\n", row->name, ns[repetitions / 2], ns[0],
               ns[repetitions - 1]);
        fflush(stdout);
    }
}

static void print_all(struct micro *micro, int repetitions)
{
    printf("| operation | ns, median of %d | least-greatest |\n|---|--:|--:|\n", repetitions);
    print_rows(micro, micro_queue_rows, repetitions);
    print_rows(micro, micro_sched_rows, repetitions);
    print_rows(micro, micro_request_rows, repetitions);
}

int main(int argc, char **argv)
{
    int repetitions = argc > 1 ? atoi(argv[1]) : REPETITIONS;
    const char *const paths[SJ_LOG_SINKS] = {NULL, NULL};
    const char *failed;
    struct sj_log *log;
    struct micro micro;

    if (repetitions < 1 || repetitions > REPETITIONS_MAX) {
        fprintf(stderr, "usage: micro [REPETITIONS], 1 to %d\n", REPETITIONS_MAX);
        return 2;
    }
    const struct sj_sched_config config = {.n_loops = 1,
                                           .n_workers = (unsigned)sysconf(_SC_NPROCESSORS_ONLN),
                                           .quick_length = 1024,
                                           .heavy_length = 1024,
                                           .wake_worth_ns = 30000};
    struct event_base *base = event_base_new();
    char root[] = "/tmp/micro.XXXXXX";
    micro_must(base != NULL && mkdtemp(root) != NULL && sj_thread_enter() == 0, "start");
    make_tree(root);
    micro_must(sj_log_new(paths, SJ_LOG_WARNING, &log, &failed) == 0, "log");
    micro_must(sj_sched_new(&config, &micro.sched) == 0, "scheduler");
    micro_must(sj_sched_start(micro.sched) == 0, "scheduler's start");
    build_index(&micro, log, base, root);
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    print_all(&micro, repetitions);
    sj_sched_stop(micro.sched);
    sj_index_free(micro.index);
    sj_sched_free(micro.sched);
    sj_log_free(log);
    event_base_free(base);
    return 0;
}
