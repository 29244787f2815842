/* SPDX-License-Identifier: MIT */
#include "core/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MODE 0640
#define STALL_MS  1000

static bool is_regular(int fd)
{
    struct stat status;

    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

/* The descriptor or -errno. */
static int open_path(const char *path)
{
    /* NONBLOCK: not to wait for the reader of a named pipe, now or later. */
    int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int fd = open(path, flags, FILE_MODE);

    return fd < 0 ? -errno : fd;
}

int sj_log_file_open(struct sj_log_file *file, const char *path)
{
    char *copy = strdup(path);
    int fd;

    if (copy == NULL)
        return -ENOMEM;
    fd = open_path(path);
    if (fd < 0) {
        free(copy);
        return fd;
    }
    *file = (struct sj_log_file){.path = copy, .fd = fd, .is_regular = is_regular(fd)};
    return 0;
}

int sj_log_file_reopen(struct sj_log_file *file)
{
    int fd;

    if (file->path == NULL)
        return 0;
    fd = open_path(file->path);
    if (fd < 0)
        return fd;
    close(file->fd);
    *file = (struct sj_log_file){.path = file->path, .fd = fd, .is_regular = is_regular(fd)};
    return 0;
}

void sj_log_file_attach(struct sj_log_file *file, int fd)
{
    *file = (struct sj_log_file){.fd = fd, .is_regular = is_regular(fd)};
}

void sj_log_file_close(struct sj_log_file *file)
{
    if (file->path != NULL)
        close(file->fd);
    free(file->path);
    *file = (struct sj_log_file){.fd = -1};
}

/* What a pipe that is ready takes without blocking and in one piece, up to a line's end. */
static size_t pipe_chunk(const char *octets, size_t length)
{
    const char *end;

    if (length <= PIPE_BUF)
        return length;
    end = memrchr(octets, '\n', PIPE_BUF);
    return end != NULL ? (size_t)(end + 1 - octets) : PIPE_BUF;
}

/* 1: ready; 0: stalled; -1 and errno. */
static int wait_until_ready(struct sj_log_file *file)
{
    struct pollfd ready = {file->fd, POLLOUT, 0};
    int n_ready;

    if (file->is_regular)
        return 1;
    n_ready = poll(&ready, 1, file->is_stalled ? 0 : STALL_MS);
    file->is_stalled = n_ready == 0;
    return n_ready;
}

/* The octets written before something went wrong. */
static size_t write_octets(struct sj_log_file *file, const char *octets, size_t length)
{
    size_t done = 0;
    int n_ready;

    while (done < length && (n_ready = wait_until_ready(file)) != 0) {
        size_t left = length - done;
        ssize_t written = n_ready;

        if (n_ready > 0)
            written = write(file->fd, octets + done,
                            file->is_regular ? left : pipe_chunk(octets + done, left));
        if (written < 0 && errno != EINTR && errno != EAGAIN)
            break;
        if (written > 0)
            done += (size_t)written;
    }
    return done;
}

size_t sj_log_file_write(struct sj_log_file *file, const char *lines, size_t length)
{
    const char *rest = lines, *end = lines + length;
    size_t n_lost = 0;

    if (!file->is_cut || write_octets(file, "\n", 1) == 1) {
        rest += write_octets(file, lines, length);
        file->is_cut = rest != lines && rest[-1] != '\n';
    }
    for (; rest < end; rest = (const char *)memchr(rest, '\n', (size_t)(end - rest)) + 1)
        n_lost++;
    return n_lost;
}
