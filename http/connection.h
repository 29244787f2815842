/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_CONNECTION_H
#define SJ_HTTP_CONNECTION_H
/*
 * A connection, from accept to close.
 *
 *   phase    waits for                      at most              then
 *   OPEN     a request; or is lent to its   keepalive-timeout    closes silently
 *            quick task                     (lent: no limit)
 *   HEAD     the rest of a request's head   header-timeout       408, closes
 *   BODY     the rest of its body           header-timeout       408, closes
 *   HELD     the first build, as nothing is  (as long as that     asks again
 *            known of the path before         takes)
 *   CALLED   its handler's answer, or more  the route's time       504
 *            of it
 *   SENDING  room in the socket             write-timeout        closes, unless min-rate is met
 *   LINGER   the client's end, after ours   2 s                  closes
 *
 * HELD and CALLED end, too, when the client has gone entirely; they are looked at each second for
 * that (http/input.h).
 *
 * A request that is complete becomes the connection's quick task, and with it the right to write
 * is lent to whatever loop runs it (core/lend.h).  Until it is back, only `lend`, the deadline, and
 * the input side below are the owner's; exchange and outcome are the runner's.
 *
 * Everything by the owning loop's thread, unless it says "runner".
 */
#include <stdbool.h>
#include <netinet/in.h>
#include <sys/queue.h>
#include <event2/bufferevent.h>
#include "core/handle.h"
#include "core/lend.h"
#include "http/service.h"

enum sj_phase {
    SJ_PHASE_OPEN,
    SJ_PHASE_HEAD,
    SJ_PHASE_BODY,
    SJ_PHASE_HELD,
    SJ_PHASE_CALLED,
    SJ_PHASE_SENDING,
    SJ_PHASE_LINGER,
    SJ_PHASES
};

enum sj_outcome { /* of a quick task */
                  SJ_OUTCOME_DONE,
                  SJ_OUTCOME_CLOSE,  /* done, and the connection is to be closed */
                  SJ_OUTCOME_WAITS,  /* the rest is to be sent by the owner */
                  SJ_OUTCOME_HELD,   /* cannot be answered before the first build has ended */
                  SJ_OUTCOME_CALLED, /* the rest is to be given by the handler */
                  SJ_OUTCOME_LATER,  /* the same, and its next step is to be started */
                  SJ_OUTCOME_FAILED
};

enum sj_reading {
    SJ_READS_NOT,     /* what comes waits in the kernel */
    SJ_READS_DIRECT,  /* `readable`: straight into an exchange */
    SJ_READS_BUFFERED /* `input`: reads and holds what is not one whole request */
};

TAILQ_HEAD(sj_connection_list, sj_connection);

struct sj_connection {
    struct sj_task task;         /* first */
    struct sj_message message;   /* the runner's, when the owner wants the right back */
    struct sj_deadline deadline; /* its queue is the phase */
    struct sj_lend lend;
    enum sj_outcome outcome;
    struct sj_shard *shard;
    struct sj_exchange *exchange; /* of the request in work, or of a head that is incomplete */
    enum sj_reading reading;
    struct bufferevent *input; /* or NULL: nothing has come in pieces yet */
    struct event readable;
    struct event writable;
    int socket;
    bool has_ended;  /* the client has sent all that it will */
    bool lingers;    /* octets may be unread when it closes */
    bool is_dropped; /* to be freed as soon as the right is back */
    bool has_handle; /* a call has been made */
    bool is_noted;   /* to be received from: http/batch.h */
    bool is_probed;  /* the kernel asks whether the client is there yet */
    TAILQ_ENTRY(sj_connection) noted;
    struct sj_handle handle;
    uint64_t sent; /* octets acknowledged, SENDING, or received, BODY, at the last look */
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } peer;
};

/* Takes over `socket` (also on failure: closed) and its place in the counts (http/listener.c). */
void sj_connection_open(struct sj_shard *shard, int socket, const struct sockaddr *peer);

/* Sets up the shard's deadlines by the table above. */
void sj_connections_init(struct sj_shard *shard);

/* The first build has been published: asks again what was held. */
void sj_connections_resume(struct sj_shard *shard);

/* Closes idle connections now and the others after their response. */
void sj_connections_drain(struct sj_shard *shard);

/* Closes all now; lent ones as soon as they are back, held ones with 503. */
void sj_connections_drop(struct sj_shard *shard);

/* For http/batch.c, input.c, body.c, calls.c and connections.c.  free: not while lent.  ask: the
 * exchange is complete, or has a status to answer with; it becomes the connection's task.  enter:
 * goes into a phase, its time beginning now.  cut_off: frees; of a response on its way is counted
 * and logged what has gone.  has_unread: have octets come that were not read, or has their end?
 * Empty lines before a request are no such octets: an open connection has an exchange only for
 * them.  send: what its call has.  close: in stages, after the response.  sent: the runner, within
 * a section; what the batch's send has given, octets or -errno. */
void sj_connection_free(struct sj_connection *connection);
void sj_connection_ask(struct sj_connection *connection, struct sj_exchange *exchange);
void sj_connection_enter(struct sj_connection *connection, enum sj_phase phase);
void sj_connection_cut_off(struct sj_connection *connection);
void sj_connection_close(struct sj_connection *connection);
void sj_connection_sent(struct sj_connection *connection, struct sj_shard *runner, ssize_t result);
void sj_connection_send(struct sj_connection *connection);
bool sj_connection_has_unread(const struct sj_connection *connection);

#endif
