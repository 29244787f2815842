/* SPDX-License-Identifier: MIT */
/* Reads a file and writes a temporary one, which is what is answered. */
#include "bench/tasks/tasks.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { PIECE = 1 << 16 }; /* stays in the cache between read and write */

static int write_all(int to, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t n = write(to, data, length);
        if (n < 0 && errno != EINTR)
            return -errno;
        data += n > 0 ? n : 0;
        length -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* How much it was, or -errno. */
static int64_t copy(int from, int to)
{
    char piece[PIECE];
    int64_t length = 0;

    for (;;) {
        ssize_t n = read(from, piece, sizeof piece);
        int got;
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : length;
        got = write_all(to, piece, (size_t)n);
        if (got != 0)
            return got;
        length += n;
    }
}

static int64_t copy_file(const char *path, int to)
{
    int from = open(path, O_RDONLY | O_CLOEXEC);
    int64_t length = from >= 0 ? copy(from, to) : -errno;

    if (from >= 0)
        close(from);
    return length;
}

/* The temporary file has no name: it goes with its last descriptor. */
static int work(struct sj_call *call)
{
    const struct tasks *tasks = sj_call_context(call);
    const struct settings *settings = &tasks->settings;
    int64_t length;
    int got, temporary;

    if (settings->file == NULL || settings->temporary == NULL)
        return 502;
    got = sj_answer_field(call, "Content-Type", "text/plain");
    if (got != 0)
        return got;
    temporary = open(settings->temporary, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (temporary < 0)
        return -errno;
    length = copy_file(settings->file, temporary);
    if (length < 0) {
        close(temporary);
        return (int)length;
    }
    return sj_answer_file(call, temporary, 0, (uint64_t)length);
}

int tasks_file_sync(struct sj_call *call)
{
    int got;

    sj_blocking_begin();
    got = work(call);
    sj_blocking_end();
    return got;
}

int tasks_file_async(struct sj_call *call)
{
    return sj_call_then(call, SJ_ON_WORKER, work);
}
