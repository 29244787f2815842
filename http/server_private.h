/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_SERVER_PRIVATE_H
#define SJ_HTTP_SERVER_PRIVATE_H
/*
 * What setup.c, which makes a server and takes it down, server.c, which controls it, and commands.c
 * and report.c, which answer its control socket, share; nobody else includes it.  All by the
 * controlling thread, unless a member says otherwise.
 */
#include <event2/event.h>
#include "core/sched.h"
#include "http/commands.h"
#include "http/listener.h"
#include "http/process.h"
#include "http/server.h"

/* What a shard's loop is told to do. */
enum sj_order_kind { SJ_ORDER_ACCEPT, SJ_ORDER_RESUME, SJ_ORDER_DRAIN, SJ_ORDER_DROP, SJ_ORDERS };

/* A message to a shard's loop; each kind is sent at most once. */
struct sj_order {
    struct sj_message message;
    struct sj_shard *shard;
    struct sj_server *server;
};

struct sj_server {
    const struct sj_config *config;
    struct sj_service service;
    struct sj_listeners listeners; /* by the last loop that accepts, when draining */
    struct sj_sched *sched;
    struct event_base *base;
    struct sj_order *orders;  /* SJ_ORDERS for each shard */
    int signals;              /* signalfd, or -1 */
    int image;                /* core/image.h; below 0: none, or used */
    struct event *events[2];  /* signals, drained */
    struct event *deadline;   /* of draining */
    unsigned int n_accepting; /* ck_pr; loops that may still accept */
    struct sj_process_user user;
    struct sj_commands commands;
    uint64_t started_ns;
    bool is_ready;
    bool has_pid_file;
    int exit_status;
    enum sj_service_state state;
};

/* A server to make: nothing is open. */
#define SJ_SERVER(settings)                                                           \
    {                                                                                 \
        .config = (settings), .signals = -1, .image = -1, .service = {.drained = -1}, \
    }

/* It will not start.  That is said to whoever started it, and to the error log if it is a file. */
void sj_server_fail(struct sj_server *server, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Makes everything that does not listen: what plan and serve have in common.  make: with that,
 * everything; with privileges what needs them, then without.  No thread runs yet.  0, or -errno,
 * and why has been said; sj_server_unmake follows in any case. */
int sj_server_make_index(struct sj_server *server, const char *const *roots, size_t n_roots);
int sj_server_make(struct sj_server *server, const char *const *roots, size_t n_roots);

/* After sj_sched_stop, or before start. */
void sj_server_unmake(struct sj_server *server);

/* As SIGHUP and SIGTERM do; force: whatever --refuse-if says. */
void sj_server_reload(struct sj_server *server);
void sj_server_force_reload(struct sj_server *server);
void sj_server_drain(struct sj_server *server);

#endif
