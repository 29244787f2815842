/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_LISTENER_H
#define SJ_HTTP_LISTENER_H
/*
 * Listening sockets: made from --listen, fd://N or systemd, and shared by all loops.
 *
 * Every loop accepts from every listener, and hands a connection on to the loop that has
 * fewest when it has noticeably more itself, so that few long connections are spread evenly and
 * many short ones stay where they came in.
 */
#include <stddef.h>
#include <stdint.h>
#include "http/service.h"

struct sj_listener {
    int socket;
    char *address;   /* as a client would write it: http://127.0.0.1:8080 or unix:/run/x */
    char *unix_path; /* to be removed at the end, or NULL */
};

struct sj_listeners {
    struct sj_listener *items;
    size_t n_items;
};

/* The controlling thread, before privileges are dropped.  `specs` is --listen's; with none of them
 * the sockets that systemd passes (sd_listen_fds(3)), or else 127.0.0.1:8080.  0, or -errno and one
 * line in `error`. */
int sj_listeners_open(struct sj_listeners *listeners, const struct sj_option_list *specs,
                      int backlog, char *error, size_t error_size);
void sj_listeners_close(struct sj_listeners *listeners);

/* Before the scheduler starts, or on the shard's own loop.  start: 0 or -ENOMEM. */
int sj_accept_start(struct sj_shard *shard, const struct sj_listeners *listeners);
void sj_accept_stop(struct sj_shard *shard);

/* On the shard's own loop: takes the connections that have come already, then stops. */
void sj_accept_finish(struct sj_shard *shard);

#endif
