/* SPDX-License-Identifier: MIT */
#include "http/local.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define SJ_BACKLOG 16

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

/* What was bound, by a descriptor: whoever can write to the folder could have put something else
 * there meanwhile, and had it given away. */
static int give(struct sj_local *local, uid_t user, gid_t group)
{
    int file = open(local->address.sun_path, O_PATH | O_NOFOLLOW | O_CLOEXEC), error = 0;
    struct stat status = {0};

    if (file < 0)
        return -errno;
    if (fstat(file, &status) != 0 || !S_ISSOCK(status.st_mode)) {
        close(file);
        return -EEXIST;
    }
    local->device = status.st_dev;
    local->inode = status.st_ino;
    local->is_bound = true;
    if ((status.st_uid != user || status.st_gid != group) &&
        fchownat(file, "", user, group, AT_EMPTY_PATH) != 0)
        error = -errno;
    close(file);
    return error;
}

/* The mode that a socket has before bind is its file's: nobody else can ever open it. */
int sj_local_listen(struct sj_local *local, const char *path, uid_t user, gid_t group)
{
    int error;

    *local = (struct sj_local){.socket = -1};
    error = sj_local_address(path, &local->address);
    if (error == 0)
        error = sj_local_clear(&local->address);
    if (error != 0)
        return error;
    local->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (local->socket < 0 || fchmod(local->socket, 0600) != 0 ||
        bind(local->socket, (const struct sockaddr *)&local->address, sizeof(local->address)) != 0)
        return -errno;
    error = give(local, user, group);
    if (error == 0 && listen(local->socket, SJ_BACKLOG) != 0)
        error = -errno;
    return error;
}

void sj_local_close(struct sj_local *local)
{
    struct stat status;

    if (local->is_bound && lstat(local->address.sun_path, &status) == 0 &&
        status.st_dev == local->device && status.st_ino == local->inode)
        unlink(local->address.sun_path);
    if (local->socket >= 0)
        close(local->socket);
}

bool sj_local_may_control(int socket)
{
    struct ucred peer;
    socklen_t length = sizeof(peer);

    return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}
