/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_LOCAL_H
#define SJ_HTTP_LOCAL_H
/* Unix sockets by the path of their file.  Any thread; nothing here waits for the other side. */
#include <sys/un.h>

/* 0; -EINVAL: an empty path; -ENAMETOOLONG. */
int sj_local_address(const char *path, struct sockaddr_un *address);

/* Makes room for bind: a socket file that nobody listens at any more is left over from a crash, and
 * removed.  0: nothing is there now.  -EADDRINUSE: somebody listens; -EEXIST: it is no socket; or
 * another -errno. */
int sj_local_clear(const struct sockaddr_un *address);

#endif
