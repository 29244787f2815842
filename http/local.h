/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_LOCAL_H
#define SJ_HTTP_LOCAL_H
/* Unix sockets by the path of their file.  Any thread; nothing here waits for the other side. */
#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

/* A listening socket of the process's own. */
struct sj_local {
    struct sockaddr_un address;
    int socket; /* or -1 */
    bool is_bound;
    dev_t device; /* of the file */
    ino_t inode;
};

/* 0; -EINVAL: an empty path; -ENAMETOOLONG. */
int sj_local_address(const char *path, struct sockaddr_un *address);

/* Makes room for bind: a socket file that nobody listens at any more is left over from a crash, and
 * removed.  0: nothing is there now.  -EADDRINUSE: somebody listens; -EEXIST: it is no socket; or
 * another -errno. */
int sj_local_clear(const struct sockaddr_un *address);

/* Listens at a file of mode 0600 that belongs to those two.  0 or -errno, as the two above say;
 * close follows in any case, and removes the file if it is still this socket's. */
int sj_local_listen(struct sj_local *local, const char *path, uid_t user, gid_t group);
void sj_local_close(struct sj_local *local);

/* Is its client, as the kernel says, root or this process's own user?  Who could become that one
 * may do what it may. */
bool sj_local_may_control(int socket);

#endif
