/* SPDX-License-Identifier: MIT */
#include "http/listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "http/connection.h"

/* How long a loop leaves new connections in the kernel when it can take none. */
static const struct timeval pause_time = {.tv_usec = 100000};

/* A connection on its way to another loop. */
struct arrival {
    struct sj_message message;
    struct sj_shard *shard;
    int socket;
    struct sockaddr_storage peer;
};

static void on_arrival(struct sj_message *message)
{
    struct arrival *arrival = (struct arrival *)(void *)message;

    sj_connection_open(arrival->shard, arrival->socket, (const struct sockaddr *)&arrival->peer);
    free(arrival);
}

/* The shard that is to have the next connection: this one, unless it has noticeably more than
 * the one that has fewest.  To hand on costs a wake-up, so short connections, whose numbers go up
 * and down by themselves, shall mostly stay; at 64 connections the busiest still has no more than
 * 1.2 times the mean. */
static struct sj_shard *choose(struct sj_shard *own)
{
    const struct sj_service *service = own->service;
    uint64_t n_own = ck_pr_load_64(&own->n_assigned);
    uint64_t n_least = n_own;
    struct sj_shard *least = own;

    for (unsigned i = 0; i < service->n_shards; i++) {
        uint64_t n = ck_pr_load_64(&service->shards[i]->n_assigned);

        if (n < n_least) {
            n_least = n;
            least = service->shards[i];
        }
    }
    return n_own > n_least + 4 + n_least / 8 ? least : own;
}

static void place(struct sj_shard *own, int socket, const struct sockaddr_storage *peer)
{
    struct sj_shard *shard = choose(own);
    struct arrival *arrival = shard != own ? malloc(sizeof(*arrival)) : NULL;

    if (arrival == NULL) {
        ck_pr_inc_64(&own->n_assigned);
        sj_connection_open(own, socket, (const struct sockaddr *)peer);
        return;
    }
    ck_pr_inc_64(&shard->n_assigned);
    *arrival = (struct arrival){{.deliver = on_arrival}, shard, socket, *peer};
    sj_loop_post(shard->loop, &arrival->message);
}

/* Leaves new connections in the kernel's queue for a while.  With the event left in place, one that
 * cannot be accepted would be reported again at once, and again: a loop that spins. */
static void pause_accepting(struct sj_shard *shard)
{
    for (unsigned i = 0; i < shard->n_accepting; i++)
        event_del(&shard->accepting[i]);
    evtimer_add(&shard->accept_again, &pause_time);
}

static void on_accept_again(evutil_socket_t none, short what, void *argument)
{
    struct sj_shard *shard = argument;

    (void)none;
    (void)what;
    for (unsigned i = 0; i < shard->n_accepting; i++)
        if (event_add(&shard->accepting[i], NULL) != 0)
            evtimer_add(&shard->accept_again, &pause_time);
}

static bool has_room(struct sj_shard *shard)
{
    struct sj_service *service = shard->service;

    if (ck_pr_load_64(&service->n_open) < service->max_connections)
        return true;
    sj_log_limited(service->log, &shard->limited_ns, SJ_LOG_WARNING,
                   "%llu connections are open, as many as --connections allows: others wait",
                   (unsigned long long)service->max_connections);
    return false;
}

/* False: there is none for now. */
static bool accept_one(struct sj_shard *shard, int listener)
{
    struct sj_service *service = shard->service;
    struct sockaddr_storage peer = {0};
    socklen_t length = sizeof(peer);
    int socket = accept4(listener, (struct sockaddr *)&peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (socket < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (socket < 0 && (errno == ECONNABORTED || errno == EPROTO)) /* that one only */
        return true;
    if (socket < 0) {
        sj_log_limited(service->log, &shard->limited_ns, SJ_LOG_ERROR,
                       "cannot accept a connection: %s; trying again in 100 ms%s", strerror(errno),
                       errno == EMFILE ? "; raise the limit of open files (LimitNOFILE)" : "");
        pause_accepting(shard);
        return false;
    }
    if (service->addresses != NULL &&
        !sj_addresses_enter(service->addresses, (const struct sockaddr *)&peer)) {
        close(socket);
        return true;
    }
    ck_pr_inc_64(&service->n_open);
    place(shard, socket, &peer);
    return true;
}

/* One connection a turn: more wait for the next, after the requests of this one.  Taking all at
 * once costs more: the loop then finds their requests not yet there, and sleeps more often. */
static void on_acceptable(evutil_socket_t listener, short what, void *argument)
{
    struct sj_shard *shard = argument;

    (void)what;
    if (has_room(shard))
        accept_one(shard, listener);
    else
        pause_accepting(shard);
}

int sj_accept_start(struct sj_shard *shard, const struct sj_listeners *listeners)
{
    struct event_base *base = sj_loop_base(shard->loop);

    shard->accepting = calloc(listeners->n_items, sizeof(struct event));
    if (shard->accepting == NULL)
        return -ENOMEM;
    evtimer_assign(&shard->accept_again, base, on_accept_again, shard);
    for (size_t i = 0; i < listeners->n_items; i++) {
        const struct sj_listener *listener = &listeners->items[i];
        struct event *event = &shard->accepting[shard->n_accepting];

        if (listener->loop != SJ_ALL_LOOPS && listener->loop != sj_loop_index(shard->loop))
            continue;
        event_assign(event, base, listener->socket, EV_READ | EV_PERSIST, on_acceptable, shard);
        if (event_add(event, NULL) != 0)
            return -ENOMEM;
        shard->n_accepting++;
    }
    return 0;
}

void sj_accept_stop(struct sj_shard *shard)
{
    if (shard->accepting == NULL)
        return;
    event_del(&shard->accept_again);
    for (unsigned i = 0; i < shard->n_accepting; i++)
        event_del(&shard->accepting[i]);
    free(shard->accepting);
    shard->accepting = NULL;
    shard->n_accepting = 0;
}

void sj_accept_finish(struct sj_shard *shard)
{
    for (unsigned i = 0; i < shard->n_accepting; i++)
        while (has_room(shard) && accept_one(shard, event_get_fd(&shard->accepting[i])))
            ;
    sj_accept_stop(shard);
}
