/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_LISTENER_H
#define SJ_HTTP_LISTENER_H
/*
 * Listening sockets: made from --listen, fd://N or systemd.
 *
 * For an address that this process binds each loop has a socket of its own (SO_REUSEPORT): a new
 * connection wakes one loop, and loops do not meet at one queue.  Sockets that it was given, and
 * local ones, are accepted from by all loops.  Either way a loop hands a connection on to the loop
 * that has fewest when it has noticeably more itself: few long connections are spread evenly, and
 * many short ones stay where they came in.
 */
#include <stddef.h>
#include <stdint.h>
#include "http/service.h"

#define SJ_ALL_LOOPS UINT32_MAX

struct sj_listener {
    int socket;
    uint32_t loop;   /* whose it is, or SJ_ALL_LOOPS */
    char *address;   /* as a client would write it: http://127.0.0.1:8080 or unix:/run/x */
    char *unix_path; /* to be removed at the end, or NULL */
};

struct sj_listeners {
    struct sj_listener *items;
    size_t n_items;
};

struct sj_listen_config {
    const struct sj_option_list *specs; /* --listen; with none of them the sockets that systemd
                                         * passes (sd_listen_fds(3)), or else 127.0.0.1:8080 */
    int backlog;
    unsigned n_loops;
    const char *option; /* that a failure is told of; NULL: --listen */
};

/* The controlling thread, before privileges are dropped.  0, or -errno and one line in `error`. */
int sj_listeners_open(struct sj_listeners *listeners, const struct sj_listen_config *config,
                      char *error, size_t error_size);
void sj_listeners_close(struct sj_listeners *listeners);

/* Before the scheduler starts, or on the shard's own loop.  start: 0 or -ENOMEM. */
int sj_accept_start(struct sj_shard *shard, const struct sj_listeners *listeners);
void sj_accept_stop(struct sj_shard *shard);

/* On the shard's own loop: takes the connections that have come already, then stops. */
void sj_accept_finish(struct sj_shard *shard);

#endif
