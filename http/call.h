/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_CALL_H
#define SJ_HTTP_CALL_H
/*
 * A call: one request to a handler, and its answer (http/handler.h is what the handler sees of it).
 *
 * A call owns a copy of its request and whatever the answer is made of.  It never knows its
 * connection, only a handle, which the owning loop resolves; so a client can leave at any time.  It
 * is shared by two, who each hold a reference:
 *
 *   the exchange   from the head on; until the answer has been sent, the client has left, or the
 *                  time is up
 *   the handler    from the first step until the result is there: while a step runs somewhere, or
 * is queued, or an asynchronous call is between two callbacks
 *
 * Whoever is last frees it and releases the handler's state.  Steps are run in four places:
 *
 *   on the connection's quick task (lent)  a quick route; whoever runs it sends the answer
 *   on the owning loop, from its mailbox   an asynchronous one
 *   on a worker; the same in a blocking section
 *
 * and the last two tell the owner by a message, which finds the connection or drops the result.
 */
#include <pthread.h>
#include "core/group.h"
#include "core/handle.h"
#include "core/mailbox.h"
#include "core/sched.h"
#include "http/exchange.h"
#include "http/handler.h"
#include "http/response.h"
#include "http/route.h"

#define SJ_BODY_IN_MEMORY (256 * 1024) /* octets; a longer body goes to a file */
#define SJ_CHUNKS_MOST    (256 * 1024) /* octets of chunks that wait for the client */
#define SJ_FIELDS_MOST    16384        /* octets of the answer's fields */

struct sj_shard;

/* A piece of an answer's body. */
struct sj_block {
    struct sj_block *next;
    const char *bytes; /* NULL: of the answer's file */
    uint64_t first;    /* offset in the file */
    uint64_t length;
    void (*release)(void *argument);
    void *argument;
    char own[]; /* what was copied */
};

struct sj_blocks {
    struct sj_block *first, *last;
    unsigned n_blocks;
    uint64_t length;
};

struct sj_parameter {
    struct sj_parameter *next;
    char value[];
};

struct sj_body {
    char *bytes; /* NULL: in the file, or empty */
    size_t capacity;
    uint64_t length;
    int file; /* or -1 */
};

struct sj_call {
    struct sj_task task;       /* first */
    struct sj_message message; /* to the owner: a step to run or one that has ended */
    struct sj_message notice;  /* to the owner: chunks have come */
    uint64_t references;
    struct sj_shard *owner;
    struct sj_route *route;
    struct sj_handle handle;

    struct sj_request request;
    struct sj_target target;
    char *head; /* of the request; names and values end in a NUL */
    struct sj_parameter *parameters;
    struct sj_body body;

    void *state;
    void (*release)(void *state);

    /* Of whoever runs the step; the owner's when it has ended. */
    int (*step)(struct sj_call *call);
    enum sj_where where; /* that it runs, or is to run next */
    bool has_next;       /* `step` has been named and has not run */
    bool has_blocked;
    bool is_lesson; /* the next step is the handler itself, whose time says whether it is quick */
    int result;
    uint64_t queue_ns, run_ns; /* of the last step */
    int status;
    char *fields;
    size_t n_field_octets;
    int file; /* of the answer, or -1 */

    /* The owner's alone. */
    TAILQ_ENTRY(sj_call) waiting; /* for a place: under the route's lock */
    bool is_waiting;              /* the same */
    bool has_place;               /* counted in n_running; a worker's while it has the step */
    bool is_pending;  /* nothing has the handler's side: asynchronous, between two callbacks; or on
                       * the way back from a quick task, before its next step */
    bool has_started; /* the handler has its side of it */
    bool is_ended;    /* `result` is final */
    bool has_deadline;
    struct sj_deadline deadline;
    void (*room)(struct sj_call *call);
    uint64_t accepted_ns;

    /* The answer's body on its way.  Under the lock once it streams. */
    pthread_mutex_t lock;
    pthread_cond_t drained;
    struct sj_blocks fresh; /* given by the handler */
    uint64_t n_waiting;     /* octets of chunks that have not been sent */
    bool streams;           /* its length is not known before */
    bool is_noticed;        /* `notice` is in the mailbox */

    /* Of whoever sends. */
    struct sj_blocks sending;
    struct sj_part *parts;
    unsigned n_parts_room;
    bool has_begun; /* the head is in the output */
    bool has_last;  /* so is the end of the body */

    _Alignas(64) unsigned is_over; /* ck_pr; nobody waits for the answer */
};

/* --- call.c: making and freeing */

/* The exchange has been prepared and its target is the route's.  NULL: no memory. */
struct sj_call *sj_call_new(struct sj_shard *owner, struct sj_route *route,
                            const struct sj_exchange *exchange);

void sj_call_acquire(struct sj_call *call);
void sj_call_release(struct sj_call *call);

/* Adds to the request's body.  0, or -errno of the file or -ENOMEM. */
int sj_call_add_body(struct sj_call *call, const char *from, size_t length);

/* --- answer.c */

/* Body of the answer that is left out. */
bool sj_call_has_no_body(const struct sj_call *call);
void sj_blocks_free(struct sj_blocks *blocks);

/* --- call_step.c: where and when steps run */

/* Owner: the request is complete.  ELSEWHERE: the first step is queued.  HERE: the connection's
 * quick task shall run it, by sj_call_run.  REFUSED: the queue is full. */
enum sj_call_start { SJ_CALL_ELSEWHERE, SJ_CALL_HERE, SJ_CALL_REFUSED };
enum sj_call_start sj_call_start(struct sj_call *call);

/* Runner of the quick task.  True: it has ended.  False: the owner shall sj_call_go_on. */
bool sj_call_run(struct sj_call *call, struct sj_shard *runner);
void sj_call_go_on(struct sj_call *call);

/* Owner: nobody waits for the answer any more, which has not ended. */
void sj_call_abandon(struct sj_call *call);

/* --- call_send.c: answers to outputs */

/* Whoever has the right to write, when the call has ended or streams: head and body, as far as they
 * are there, or an error's page, into the exchange's output. */
void sj_call_compose(struct sj_call *call, struct sj_composer *composer,
                     struct sj_exchange *exchange);

/* The same, when the output has sent what it had.  WAITS: it has more to send; DONE: it has not,
 * for now or, with has_last, at all; FAILED: the body cannot be completed. */
enum sj_output_state sj_call_compose_more(struct sj_call *call, struct sj_exchange *exchange);

/* Owner: has something come that can be sent? */
bool sj_call_has_news(struct sj_call *call);

#endif
