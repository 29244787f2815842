/* SPDX-License-Identifier: MIT */
/*
 * ring_note: a ring belongs to a thread's number, not to the thread: who gets the number later
 * goes on where the leaver stopped (sj_thread_enter makes visible what that one wrote).
 *
 * wake_note: the writer announces that it parks, then looks at every ring once more; a thread
 * pushes its line, then looks at the writer's state; between the two stands a full fence on
 * either side, so one of them sees the other.  While there is something to write the writer
 * naps instead, and is woken early only for a ring that is half full.  The one who takes the
 * state back to AWAKE posts `wake`; a post that comes after the writer went on by itself costs
 * one look in vain.
 */
#include "core/log.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log_file.h"
#include "core/pr.h"
#include "core/ring.h"
#include "core/thread.h"

#define BATCH_SIZE (64 * 1024)
#define NAP_NS     (30 * 1000 * 1000)
#define SECOND_NS  (1000 * 1000 * 1000)

enum state { AWAKE, NAPPING, PARKED };

struct batch {
    size_t length;
    char lines[BATCH_SIZE];
};

struct sj_log {
    enum sj_log_level level;
    bool has_access;
    unsigned is_running;
    unsigned state;
    uint64_t dropped;
    sem_t wake;
    pthread_t writer;
    pthread_mutex_t lock; /* of the files */
    struct sj_log_file files[SJ_LOG_SINKS];
    struct sj_ring *rings[SJ_THREADS_MAX]; /* by thread number; made by such a thread */

    /* The writer's, and its stopper's afterwards. */
    uint64_t told; /* of `dropped`, at `told_ns` */
    uint64_t told_ns;
    struct batch batches[SJ_LOG_SINKS];
};

static const char *const level_names[] = {"error", "warning", "info", "debug"};

static size_t escape(char *to, size_t room, const char *from, size_t length, const char *also)
{
    static const char digits[] = "0123456789abcdef";
    size_t done = 0;

    for (size_t i = 0; i < length; i++) {
        unsigned char octet = (unsigned char)from[i];
        bool is_plain = octet >= 0x20 && octet < 0x7f && strchr(also, octet) == NULL;
        size_t width = is_plain ? 1 : 4;

        if (room - done < width)
            break;
        if (is_plain)
            to[done] = from[i];
        else
            memcpy(to + done, (char[]){'\\', 'x', digits[octet >> 4], digits[octet & 15]}, width);
        done += width;
    }
    return done;
}

/* Without the newline, for which it leaves room. */
static size_t format_line(char line[SJ_LOG_LINE_MAX], enum sj_log_level level, const char *format,
                          va_list arguments)
{
    char text[SJ_LOG_LINE_MAX] = "", *to = line;
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    sj_stamp_format(to, &now);
    to = stpcpy(to + SJ_STAMP_LENGTH, " ");
    to = stpcpy(to, level_names[level]);
    *to++ = ' ';
    vsnprintf(text, sizeof(text), format, arguments);
    to += escape(to, (size_t)(line + SJ_LOG_LINE_MAX - 1 - to), text, strlen(text), "");
    return (size_t)(to - line);
}

static void write_lines(struct sj_log *log, enum sj_log_sink sink, const char *lines, size_t length)
{
    size_t n_lost;

    pthread_mutex_lock(&log->lock);
    n_lost = sj_log_file_write(&log->files[sink], lines, length);
    pthread_mutex_unlock(&log->lock);
    if (n_lost != 0)
        ck_pr_add_64(&log->dropped, n_lost);
}

static void flush(struct sj_log *log, enum sj_log_sink sink)
{
    struct batch *batch = &log->batches[sink];

    if (batch->length > 0)
        write_lines(log, sink, batch->lines, batch->length);
    batch->length = 0;
}

/* No more than is in it now, so that one busy thread does not keep the others' lines waiting. */
static bool drain_ring(struct sj_log *log, struct sj_ring *ring)
{
    size_t used = sj_ring_used(ring);

    for (size_t popped = 0; popped < used;) {
        struct sj_record record = sj_ring_peek(ring);
        struct batch *batch = &log->batches[record.kind];

        if (BATCH_SIZE - batch->length < record.length)
            flush(log, record.kind);
        popped += sj_ring_pop(ring, batch->lines + batch->length);
        batch->length += record.length;
    }
    return used > 0;
}

__attribute__((format(printf, 2, 3))) static void write_warning(struct sj_log *log,
                                                                const char *format, ...)
{
    char line[SJ_LOG_LINE_MAX];
    va_list arguments;
    size_t length;

    va_start(arguments, format);
    length = format_line(line, SJ_LOG_WARNING, format, arguments);
    va_end(arguments);
    line[length] = '\n';
    write_lines(log, SJ_LOG_ERRORS, line, length + 1);
}

/* Not again before `interval_ns`.  True: there is something left to tell. */
static bool tell_dropped(struct sj_log *log, uint64_t interval_ns)
{
    uint64_t dropped = ck_pr_load_64(&log->dropped), now = sj_clock_coarse_ns();

    if (dropped == log->told)
        return false;
    if (log->told_ns != 0 && now - log->told_ns < interval_ns)
        return true;
    write_warning(log, "log: %" PRIu64 " lines dropped so far", dropped);
    log->told_ns = now;
    /* Loaded again: that line itself may have been dropped, which must not call for another. */
    log->told = ck_pr_load_64(&log->dropped);
    return false;
}

/* False: there was nothing to do, and nothing is left to do. */
static bool drain(struct sj_log *log, uint64_t interval_ns)
{
    bool has_found = false;

    for (unsigned i = 0; i < SJ_THREADS_MAX; i++) {
        struct sj_ring *ring =
            ck_pr_load_ptr(&log->rings[i]); /* pairs with the store in own_ring */

        if (ring != NULL && drain_ring(log, ring))
            has_found = true;
    }
    for (unsigned sink = 0; sink < SJ_LOG_SINKS; sink++)
        flush(log, sink);
    return tell_dropped(log, interval_ns) || has_found;
}

static bool has_lines(struct sj_log *log)
{
    for (unsigned i = 0; i < SJ_THREADS_MAX; i++) {
        struct sj_ring *ring = ck_pr_load_ptr(&log->rings[i]);

        if (ring != NULL && sj_ring_used(ring) > 0)
            return true;
    }
    return false;
}

static void park(struct sj_log *log)
{
    ck_pr_fas_uint(&log->state, PARKED); /* wake_note */
    ck_pr_fence_atomic_load();
    if (ck_pr_load_uint(&log->is_running) && !has_lines(log))
        while (sem_wait(&log->wake) != 0)
            ; /* EINTR */
    ck_pr_store_uint(&log->state, AWAKE);
}

static void nap(struct sj_log *log)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += NAP_NS;
    until.tv_sec += until.tv_nsec / SECOND_NS;
    until.tv_nsec %= SECOND_NS;
    ck_pr_fas_uint(&log->state, NAPPING); /* wake_note */
    sem_clockwait(&log->wake, CLOCK_MONOTONIC, &until);
    ck_pr_store_uint(&log->state, AWAKE);
}

static void *write_rings(void *argument)
{
    struct sj_log *log = argument;

    /* Cleared by sj_log_stop, which then drains what came meanwhile. */
    while (ck_pr_load_uint(&log->is_running))
        if (drain(log, SECOND_NS))
            nap(log);
        else
            park(log);
    return NULL;
}

static struct sj_ring *own_ring(struct sj_log *log, unsigned number)
{
    struct sj_ring *ring = log->rings[number]; /* ring_note */

    if (ring == NULL && (ring = sj_ring_new()) != NULL) {
        ck_pr_fence_store();
        ck_pr_store_ptr(&log->rings[number], ring); /* pairs with the loads of the writer */
    }
    return ring;
}

static void wake_writer(struct sj_log *log, const struct sj_ring *ring)
{
    unsigned state = ck_pr_load_uint(&log->state); /* wake_note */

    if ((state == PARKED || (state == NAPPING && sj_ring_used(ring) > SJ_RING_SIZE / 2)) &&
        ck_pr_cas_uint(&log->state, state, AWAKE))
        sem_post(&log->wake);
}

/* Puts a newline behind the line, for which there must be room. */
static void put_line(struct sj_log *log, enum sj_log_sink sink, char *line, size_t length)
{
    const struct sj_thread *self = sj_self();
    struct sj_ring *ring;

    line[length++] = '\n';
    if (self == NULL || !ck_pr_load_uint(&log->is_running)) {
        write_lines(log, sink, line, length);
        return;
    }
    ring = own_ring(log, self->number);
    if (ring == NULL || !sj_ring_push(ring, (struct sj_record){sink, (uint16_t)length}, line))
        ck_pr_inc_64(&log->dropped);
    else
        wake_writer(log, ring);
}

/* `path`, or the sink's own meaning of none. */
static int open_sink(struct sj_log_file *file, enum sj_log_sink sink, const char *path)
{
    *file = (struct sj_log_file){.fd = -1};
    if (path != NULL && strcmp(path, "-") != 0)
        return sj_log_file_open(file, path);
    if (path != NULL)
        sj_log_file_attach(file, STDOUT_FILENO);
    else if (sink == SJ_LOG_ERRORS)
        sj_log_file_attach(file, STDERR_FILENO);
    return 0;
}

int sj_log_new(const char *const paths[SJ_LOG_SINKS], enum sj_log_level level, struct sj_log **log,
               const char **failed)
{
    struct sj_log *made = calloc(1, sizeof(*made));
    int error = 0;

    *failed = NULL;
    if (made == NULL)
        return -ENOMEM;
    made->level = level;
    made->has_access = paths[SJ_LOG_ACCESS] != NULL;
    pthread_mutex_init(&made->lock, NULL);
    sem_init(&made->wake, 0, 0);
    for (unsigned i = 0; error == 0 && i < SJ_LOG_SINKS; i++) {
        error = open_sink(&made->files[i], i, paths[i]);
        if (error != 0)
            *failed = paths[i];
    }
    if (error == 0)
        *log = made;
    else
        sj_log_free(made);
    return error;
}

int sj_log_start(struct sj_log *log)
{
    sigset_t all, before;
    int error;

    ck_pr_store_uint(&log->is_running, 1);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&log->writer, NULL, write_rings, log);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0)
        ck_pr_store_uint(&log->is_running, 0);
    return -error;
}

void sj_log_stop(struct sj_log *log)
{
    if (!ck_pr_load_uint(&log->is_running))
        return;
    ck_pr_fas_uint(&log->is_running, 0);
    sem_post(&log->wake);
    pthread_join(log->writer, NULL);
    drain(log, 0);
}

void sj_log_free(struct sj_log *log)
{
    sj_log_stop(log);
    drain(log, 0); /* what a thread was about to put while stop drained */
    for (unsigned i = 0; i < SJ_LOG_SINKS; i++)
        sj_log_file_close(&log->files[i]);
    for (unsigned i = 0; i < SJ_THREADS_MAX; i++)
        sj_ring_free(log->rings[i]);
    sem_destroy(&log->wake);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

void sj_log_reopen(struct sj_log *log)
{
    for (unsigned i = 0; i < SJ_LOG_SINKS; i++) {
        int error;

        pthread_mutex_lock(&log->lock);
        error = sj_log_file_reopen(&log->files[i]);
        pthread_mutex_unlock(&log->lock);
        if (error != 0)
            sj_log(log, SJ_LOG_ERROR, "%s: cannot be opened again, the old file stays: %s",
                   log->files[i].path, strerrordesc_np(-error));
    }
}

bool sj_log_has_access(const struct sj_log *log)
{
    return log->has_access;
}

bool sj_log_has_level(const struct sj_log *log, enum sj_log_level level)
{
    return level <= log->level;
}

static void put_text(struct sj_log *log, enum sj_log_level level, const char *format,
                     va_list arguments)
{
    char line[SJ_LOG_LINE_MAX];
    int error = errno;

    put_line(log, SJ_LOG_ERRORS, line, format_line(line, level, format, arguments));
    errno = error; /* a log line must not change what its caller is about to report */
}

void sj_log(struct sj_log *log, enum sj_log_level level, const char *format, ...)
{
    va_list arguments;

    if (!sj_log_has_level(log, level))
        return;
    va_start(arguments, format);
    put_text(log, level, format, arguments);
    va_end(arguments);
}

void sj_log_limited(struct sj_log *log, uint64_t *last_ns, enum sj_log_level level,
                    const char *format, ...)
{
    uint64_t last = ck_pr_load_64(last_ns), now = sj_clock_coarse_ns();
    va_list arguments;

    if (!sj_log_has_level(log, level) || (last != 0 && now - last < SECOND_NS) ||
        !ck_pr_cas_64(last_ns, last, now))
        return;
    va_start(arguments, format);
    put_text(log, level, format, arguments);
    va_end(arguments);
}

void sj_log_access(struct sj_log *log, const char *line, size_t length)
{
    char copy[SJ_LOG_LINE_MAX];

    if (!sj_log_has_access(log))
        return;
    if (length > sizeof(copy) - 1)
        length = sizeof(copy) - 1;
    memcpy(copy, line, length);
    put_line(log, SJ_LOG_ACCESS, copy, length);
}

size_t sj_log_escape(char *to, size_t room, const char *from, size_t length)
{
    return escape(to, room, from, length, "\"\\");
}

uint64_t sj_log_dropped(const struct sj_log *log)
{
    return ck_pr_load_64(&log->dropped);
}
