/* SPDX-License-Identifier: MIT */
#include "http/compress_command.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cache/compress.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/option.h"
#include "core/pr.h"
#include "core/sched.h"
#include "http/process.h"
#include "http/server.h"

#define PROGRESS_MS 250
#define NS_PER_S    1e9
#define MEGA        1e6

struct options {
    bool codings[SJ_CODINGS];
    bool dotfiles;
    bool follow_symlinks;
    bool help;
    uint64_t workers;
};

#define CODING(NAME, CODING, HELP)                                                             \
    {                                                                                          \
        .name = NAME, .type = SJ_OPTION_FLAG,                                                  \
        .offset = offsetof(struct options, codings) + (CODING) * sizeof(bool), .value = "yes", \
        .help = HELP                                                                           \
    }

/* clang-format off */
static const struct sj_option table[] = {
    CODING("gzip", SJ_GZIP, "make no .gz, and leave those that are there alone"),
    CODING("br", SJ_BR, "the same of .br"),
    CODING("zstd", SJ_ZSTD, "the same of .zst"),
    {.name = "dotfiles", .type = SJ_OPTION_FLAG, .offset = offsetof(struct options, dotfiles), .help = "names that begin with a dot, too (/.well-known/ always is)"},
    {.name = "follow-symlinks", .type = SJ_OPTION_FLAG, .offset = offsetof(struct options, follow_symlinks), .help = "follow symbolic links that leave DIR"},
    {.name = "workers", .type = SJ_OPTION_NUMBER, .offset = offsetof(struct options, workers), .max = SJ_WORKERS_MAX, .value = "0", .argument = "N", .help = "threads that compress; 0: one for each core it may use"},
    {.name = "help", .letter = 'h', .type = SJ_OPTION_FLAG, .offset = offsetof(struct options, help), .help = "print this and exit"},
    {0},
};
/* clang-format on */

struct job {
    struct sj_task task; /* first */
    struct sj_compress compress;
    struct sj_compress_result result;
    struct sj_compress_progress progress;
    uint64_t start_ns;
    uint32_t is_cancelled;
    int finished; /* eventfd: the task writes it last, which orders what it has left here */
    int error;
};

static void run_job(struct sj_task *task)
{
    struct job *job = (struct job *)task;

    job->error = sj_compress_run(&job->compress, &job->result);
    eventfd_write(job->finished, 1);
}

/* The loads pair with nothing: each is a value of some moment. */
static void show_progress(struct job *job)
{
    struct sj_compress_progress *progress = &job->progress;
    double seconds = (double)(sj_clock_ns() - job->start_ns) / NS_PER_S;
    uint64_t n_files = ck_pr_load_64(&progress->n_files);
    double done = (double)ck_pr_load_64(&progress->n_bytes_done);
    double all = (double)ck_pr_load_64(&progress->n_bytes);

    if (n_files == 0)
        return;
    fprintf(stderr, "\r\033[K%" PRIu64 " of %" PRIu64 " files, %.1f of %.1f MB, %.2f MB/s",
            ck_pr_load_64(&progress->n_files_done), n_files, done / MEGA, all / MEGA,
            done / MEGA / seconds);
    if (done > 0 && done <= all) {
        uint64_t left = (uint64_t)((all - done) * seconds / done);

        fprintf(stderr, ", %" PRIu64 ":%02u left", left / 60, (unsigned)(left % 60));
    }
    fflush(stderr);
}

/* The store pairs with the loads of the workers (cache/compress.c): without order. */
static void take_signal(struct job *job, int signals)
{
    struct signalfd_siginfo info;

    if (read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info) && info.ssi_signo != SIGUSR1)
        ck_pr_store_32(&job->is_cancelled, 1);
}

static void wait_for(struct job *job, int signals)
{
    struct pollfd polled[2] = {{.fd = signals, .events = POLLIN},
                               {.fd = job->finished, .events = POLLIN}};
    bool is_shown = isatty(STDERR_FILENO) == 1;

    while (polled[1].revents == 0) {
        if (poll(polled, 2, is_shown ? PROGRESS_MS : -1) < 0)
            continue;
        if (polled[0].revents != 0)
            take_signal(job, signals);
        if (is_shown)
            show_progress(job);
    }
    if (is_shown)
        fputs("\r\033[K", stderr);
}

/* 0; or -errno: it has not been run. */
static int run_threads(struct job *job, int signals)
{
    struct sj_sched_config config = {
        .n_loops = 1, .n_workers = job->compress.n_lanes, .quick_length = 1, .heavy_length = 4096};
    struct sj_sched *sched;
    int error = sj_sched_new(&config, &sched);

    if (error != 0)
        return error;
    error = sj_sched_start(sched);
    if (error == 0) {
        error = sj_sched_submit(sched, &job->task);
        if (error == 0)
            wait_for(job, signals);
        sj_sched_stop(sched);
    }
    sj_sched_free(sched);
    return error;
}

static void say(const char *path, const char *reason)
{
    char line[4 * PATH_MAX];
    size_t length = sj_log_escape(line, sizeof(line), path, strlen(path));

    fprintf(stderr, "scrubjay: %.*s: %s\n", (int)length, line, reason);
}

static void print_coding(const char *name, const struct sj_refresh_count *count)
{
    printf("%-4s  %" PRIu64 " written, %" PRIu64 " kept, %" PRIu64 " removed, %" PRIu64
           " do not pay; %" PRIu64 " bytes\n",
           name, count->n_written, count->n_kept, count->n_removed, count->n_unpaid,
           count->n_bytes);
}

static void print_result(const struct job *job)
{
    const struct sj_compress_result *result = &job->result;

    for (const struct sj_fault *fault = result->faults; fault != NULL; fault = fault->next)
        say(fault->path.at, fault->reason);
    printf("%" PRIu64 " files, %" PRIu64 " bytes; %" PRIu64 " unchanged, %zu faults; %.2f s\n",
           result->n_files, result->n_bytes, result->n_unchanged, result->n_faults,
           (double)(sj_clock_ns() - job->start_ns) / NS_PER_S);
    for (int i = SJ_GZIP; i < SJ_CODINGS; i++)
        if (job->compress.codings[i])
            print_coding(sj_coding_names[i].at, &result->counts[i]);
}

/* The exit status. */
static int finish(const struct job *job, int error)
{
    bool is_over = error == 0 && (job->error == 0 || job->error == -ECANCELED);

    if (error == 0)
        error = job->error;
    if (is_over)
        print_result(job);
    if (error == -ECANCELED)
        fputs("scrubjay: interrupted; run it again for the rest\n", stderr);
    else if (error != 0)
        say(job->compress.path, strerror(-error));
    sj_faults_free(job->result.faults);
    return fflush(stdout) == 0 && error == 0 && job->result.n_faults == 0 ? EXIT_SUCCESS
                                                                          : EXIT_FAILURE;
}

static int compress(const struct options *options, const char *path)
{
    struct job job = {.task = {.run = run_job},
                      .compress = {.path = path,
                                   .follows_symlinks = options->follow_symlinks,
                                   .serves_dotfiles = options->dotfiles,
                                   .n_lanes = sj_process_threads(options->workers)},
                      .start_ns = sj_clock_ns()};
    int signals = sj_process_signals();
    int error = signals < 0 ? signals : 0;

    memcpy(job.compress.codings, options->codings, sizeof(job.compress.codings));
    job.compress.is_cancelled = &job.is_cancelled;
    job.compress.progress = &job.progress;
    job.finished = eventfd(0, EFD_CLOEXEC);
    if (error == 0 && job.finished < 0)
        error = -errno;
    if (error == 0)
        error = run_threads(&job, signals);
    if (job.finished >= 0)
        close(job.finished);
    if (signals >= 0)
        close(signals);
    return finish(&job, error);
}

void sj_compress_command_help(FILE *to)
{
    sj_options_help(table, to);
}

static int print_help(void)
{
    puts("Usage: scrubjay compress [OPTION]... DIR   write .gz, .br and .zst beside DIR's files\n");
    sj_options_help(table, stdout);
    puts("\nExit status: 0 done, 1 with faults or interrupted, 2 wrong use.  See scrubjay(8).");
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int sj_compress_command_run(int argc, char **argv)
{
    struct options options = {.help = false};
    char error[512];
    int first;

    if (sj_options_parse(table, argc, argv, &options, &first, error, sizeof(error)) != 0)
        ;
    else if (options.help)
        return print_help();
    else if (argc - first != 1)
        snprintf(error, sizeof(error), "compress needs one DIR: scrubjay compress DIR");
    else if (!options.codings[SJ_GZIP] && !options.codings[SJ_BR] && !options.codings[SJ_ZSTD])
        snprintf(error, sizeof(error), "--no-gzip --no-br --no-zstd: nothing is left to do");
    else
        return compress(&options, argv[first]);
    fprintf(stderr, "scrubjay: %s\n", error);
    return SJ_EXIT_USAGE;
}
