/* SPDX-License-Identifier: MIT */
#include "http/local.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/stat.h>

int sj_local_address(const char *path, struct sockaddr_un *address)
{
    if (*path == '\0')
        return -EINVAL;
    if (strlen(path) >= sizeof(address->sun_path))
        return -ENAMETOOLONG;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    strcpy(address->sun_path, path);
    return 0;
}

/* 0, or -errno of connecting; -EAGAIN: its queue is full. */
static int probe(const struct sockaddr_un *address)
{
    int end = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error = 0;

    if (end < 0)
        return -errno;
    if (connect(end, (const struct sockaddr *)address, sizeof(*address)) != 0)
        error = -errno;
    close(end);
    return error;
}

int sj_local_clear(const struct sockaddr_un *address)
{
    struct stat status;
    int error;

    if (lstat(address->sun_path, &status) != 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(status.st_mode))
        return -EEXIST;
    error = probe(address);
    if (error == -ECONNREFUSED)
        return unlink(address->sun_path) == 0 ? 0 : -errno;
    return error == 0 || error == -EAGAIN ? -EADDRINUSE : error;
}
