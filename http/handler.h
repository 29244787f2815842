/* SPDX-License-Identifier: MIT */
#ifndef SCRUBJAY_HANDLER_H
#define SCRUBJAY_HANDLER_H
/*
 * scrubjay/handler.h: request handlers, in modules that scrubjay loads.
 *
 *     static int hello(struct sj_call *call)
 *     {
 *         sj_answer_field(call, "Content-Type", "text/plain; charset=utf-8");
 *         sj_answer_text(call, "hello\n");
 *         return 0;
 *     }
 *
 *     static const struct sj_handler handlers[] = {{"hello", hello, SJ_SYNC}, {0}};
 *     SJ_MODULE = {.abi = SJ_ABI, .name = "demo", .handlers = handlers};
 *
 *     cc -shared -fPIC $(pkg-config --cflags scrubjay) -o demo.so demo.c
 *     scrubjay serve --module ./demo.so --route /hello=demo:hello
 *
 * A call is one request and its answer.  A handler is called once for each, when the whole request
 * is there, its body too, and returns what has become of it:
 *
 *     0             answered, by the sj_answer_ calls made until then (200 without any)
 *     400 to 599    answered by the server's own page for that status, whatever was set before;
 *                   but not 405, which the handler has to answer itself, with the field Allow
 *     below 0       -errno: 500, and the log has the reason
 *     SJ_LATER      not yet; see "Later"
 *
 * Where it runs.  An SJ_SYNC handler runs on a worker, at low priority, and may take its time; it
 * may fork (below), and block if it says so.  One that is always done within some microseconds is
 * soon called on the loop itself, which saves two wake-ups, until it once takes longer; the
 * route's option class= can settle that.  So the thread is another each time, and calls of one
 * route run at the same time.  An SJ_ASYNC handler runs on the loop that has the client's
 * connection, always, and must not block or compute for long: every client of that loop waits.
 *
 * A call belongs to whoever runs it: use it only from the handler, its later steps and, of an
 * asynchronous one, callbacks on its loop.  Texts that calls return live as long as the call and
 * end in a NUL.  Calls that can fail return 0 or -errno; out of memory is -ENOMEM, and a handler
 * that just returns it refuses that one request.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SJ_API __attribute__((visibility("default")))

struct event_base;
struct sj_call;

/* --- Modules */

#define SJ_ABI   1
#define SJ_LATER 1

enum sj_handler_kind {
    SJ_SYNC, /* on a worker or, as long as it is quick, on a loop */
    SJ_ASYNC /* on the call's loop, from where it may answer later */
};

struct sj_handler {
    const char *name; /* in --route PREFIX=MODULE:NAME */
    int (*handle)(struct sj_call *call);
    enum sj_handler_kind kind;
};

/* What a module is told at the start. */
struct sj_setup {
    const char *settings; /* what follows the comma in --module FILE,SETTINGS; "" without */
    unsigned n_loops;     /* sj_call_loop is below that */
    unsigned n_workers;
    struct event_base *const *bases; /* of each loop: to add events before the loops run */
    char *error;                     /* room for one line that says why start failed */
    size_t error_size;
};

struct sj_module {
    unsigned abi;                      /* SJ_ABI */
    const char *name;                  /* in --route: letters, digits, "-" and "_" */
    const struct sj_handler *handlers; /* ends with a row of zeros */

    /* All may be NULL; all by the controlling thread.  start: before any thread runs; 0 and, if
     * it likes, `*context`, or -errno: the server does not start.  reload: with the index, while
     * handlers run; -errno and a line in `error`: the module goes on with what it had.  stop: after
     * all calls have ended, for which the server waits, and the loops have stopped; their bases
     * still exist. */
    int (*start)(const struct sj_setup *setup, void **context);
    int (*reload)(void *context, char *error, size_t error_size);
    void (*stop)(void *context);
};

/* The one symbol that a module exports. */
#define SJ_MODULE const struct sj_module scrubjay_module
extern SJ_API SJ_MODULE;

/* --- What was asked */

SJ_API const char *sj_call_method(const struct sj_call *call); /* "GET"; HEAD is seen, too */
SJ_API const char *sj_call_path(const struct sj_call *call);   /* decoded; begins with "/" */
SJ_API const char *sj_call_rest(const struct sj_call *call);   /* the path behind the prefix */
SJ_API const char *sj_call_query(const struct sj_call *call);  /* raw; NULL: there was no "?" */

/* A parameter of the query, decoded ("+" is a space): the first of that name, "" when it has no
 * value; NULL: there is none, or no memory, or it has a NUL (%00) in it. */
SJ_API const char *sj_call_parameter(struct sj_call *call, const char *name);

/* The same as a decimal number of at most `most`: 0; -ENOENT: there is none; -EINVAL: it is no such
 * number; -ERANGE: too large; *number is left alone. */
SJ_API int sj_call_number(struct sj_call *call, const char *name, uint64_t most, uint64_t *number);

/* The first field line of that name, in any case; NULL: there is none. */
SJ_API const char *sj_call_field(const struct sj_call *call, const char *name);

/* All field lines: index from 0; false: no more. */
SJ_API bool sj_call_field_at(const struct sj_call *call, unsigned index, const char **name,
                             const char **value);

/* The body.  A small one is in memory, a larger one in an unlinked temporary file.  memory: its
 * bytes, or NULL when it is in a file (the empty body is in memory).  file: a descriptor of the
 * call's, whose position means nothing, or -1.  read: either of them, as pread does: the bytes
 * read, 0 at the end, or -errno. */
SJ_API uint64_t sj_call_body_length(const struct sj_call *call);
SJ_API const char *sj_call_body_memory(const struct sj_call *call);
SJ_API int sj_call_body_file(const struct sj_call *call);
SJ_API ssize_t sj_call_body_read(const struct sj_call *call, uint64_t first, void *to, size_t room);

/* What start put into `*context`. */
SJ_API void *sj_call_context(const struct sj_call *call);

/* True: nobody waits for the answer any more: the client has left, the time is up, or the server
 * stops.  A long computation may look at it now and then, and return early.  Any thread that
 * runs a part of the call.
 *
 * A client has left when its connection is reset or, a Unix socket, closed; that is noticed within
 * a second.  One that has only ended its own side (as nc -N does) still waits and gets its answer.
 * Over TCP a client that has closed looks the same, until something is sent to it or its kernel has
 * forgotten the connection, about a minute later; one whose machine is gone waits for the route's
 * time limit. */
SJ_API bool sj_call_is_over(const struct sj_call *call);

/* --- The handler's own */

/* One pointer that goes with the call.  `release` (or NULL) is called exactly once with it, however
 * the request ends: when the answer has been sent, or as soon as the client has left, the time is
 * up or the server stops; never while a step of the call runs or one of its subtasks.  It is called
 * on a loop, of a call that is or has been asynchronous always on its own, so it must not take
 * long; and what such a call has pending must be taken back there: the call is gone after it.
 * Setting another state releases the one before, then and there. */
SJ_API void sj_call_set_state(struct sj_call *call, void *state, void (*release)(void *state));
SJ_API void *sj_call_state(const struct sj_call *call);

/* --- The answer
 *
 * Date, Server, Connection, and Content-Length or chunked framing are the server's.  The body of an
 * answer to HEAD, and of 204, 205 and 304, is left out by the server; conditions and ranges are the
 * handler's own.
 */

/* 200 to 599; else -EINVAL. */
SJ_API int sj_answer_status(struct sj_call *call, int status);

/* Appends a field line.  -EINVAL: not a name, a control octet in the value, or one of the fields
 * that are the server's (Connection, Content-Length, Date, Keep-Alive, Server, Trailer,
 * Transfer-Encoding, Upgrade); -E2BIG: more than 16 KiB of fields; -EALREADY: the head has gone. */
SJ_API int sj_answer_field(struct sj_call *call, const char *name, const char *value);

/* Appends to the body.  bytes and text are copied; of memory the bytes stay where they are until
 * `release` (or NULL) is called with `argument`, once, on any thread, also when this fails.  file:
 * `length` bytes from offset `first`; the descriptor is the server's from now on, also when
 * this fails (dup a descriptor of the call's); -EBADF: it is none, as open's or dup's failure; one
 * file an answer, else -EBUSY. */
SJ_API int sj_answer_bytes(struct sj_call *call, const void *bytes, size_t length);
SJ_API int sj_answer_text(struct sj_call *call, const char *text);
SJ_API int sj_answer_memory(struct sj_call *call, const void *bytes, size_t length,
                            void (*release)(void *argument), void *argument);
SJ_API int sj_answer_file(struct sj_call *call, int descriptor, uint64_t first, uint64_t length);

/* Sends the head and what the body has so far, and goes on sending while the handler does: the
 * body's length is not known before.  Each call copies and sends `length` bytes (0: only the head).
 * -EPIPE: nobody takes them any more; return.  While the client is slow it blocks on a worker (as a
 * blocking section) and on a loop returns -EAGAIN, with nothing taken: see sj_answer_when_room.  If
 * the handler fails after it, the connection is cut off, so that nobody takes the body for whole.
 */
SJ_API int sj_answer_chunk(struct sj_call *call, const void *bytes, size_t length);

/* Asynchronous calls, after -EAGAIN: calls `room` once, on the loop, when the client has taken
 * most of what waits. */
SJ_API void sj_answer_when_room(struct sj_call *call, void (*room)(struct sj_call *call));

/* --- Blocking: sleeping, waiting for the network or the disk
 *
 * Between the two a spare thread takes the worker's place, so that the machine stays busy.  end can
 * wait a little, for its turn.  They nest, and end with the handler or subtask at the latest. Where
 * no spare is left (there are at most 256) and on a loop they have no effect but one: a handler
 * that uses them is never called on a loop again. The route's option class=blocking puts them
 * around the whole handler.  Of a route that blocks, or waits in sj_answer_chunk for slow clients,
 * three quarters as many calls as there are spares are on workers and spares at the same time, and
 * the next wait, unless the route's option running= says otherwise.
 */
SJ_API void sj_blocking_begin(void);
SJ_API void sj_blocking_end(void);

/* --- Fork and join, on all workers
 *
 *     struct sj_fork fork;
 *     sj_fork_begin(&fork);
 *     for each part: sj_fork_spawn(&fork, &part->subtask);
 *     sj_fork_join(&fork);
 *
 * join runs subtasks while it waits.  Forks nest; a subtask may spawn into its own fork.  The
 * memory is the caller's, a subtask's until it has run.  On a loop, and in a blocking section,
 * spawn runs the subtask at once; a join of what was spawned before the section interrupts that.
 */
struct sj_subtask {
    void (*run)(struct sj_subtask *subtask);
    uint64_t reserved[2];
};

struct sj_fork {
    uint64_t reserved[2];
};

SJ_API void sj_fork_begin(struct sj_fork *fork);
SJ_API void sj_fork_spawn(struct sj_fork *fork, struct sj_subtask *subtask);
SJ_API void sj_fork_join(struct sj_fork *fork);

/* --- Later
 *
 * A handler that returns SJ_LATER has either named the next step, or is asynchronous and will
 * end the call from a timer, a descriptor or a client on its loop:
 *
 *     static void on_timer(evutil_socket_t none, short what, void *call)
 *     {
 *         sj_answer_text(call, "good morning\n");
 *         sj_call_end(call, 0);
 *     }
 */

/* Asynchronous calls only: the base of the call's loop, made for one thread (no locks), and the
 * loop's number.  What was added to it for the call is taken back in the state's release. */
SJ_API struct event_base *sj_call_base(const struct sj_call *call);
SJ_API unsigned sj_call_loop(const struct sj_call *call);

/* Asynchronous calls only, on their loop: `result` is what a handler returns, but for SJ_LATER.
 * On return the call is no longer the handler's; its state is released when the answer has been
 * sent. */
SJ_API void sj_call_end(struct sj_call *call, int result);

enum sj_where {
    SJ_ON_LOOP,   /* asynchronous from then on */
    SJ_ON_WORKER, /* as an SJ_SYNC handler, never on the loop */
    SJ_ON_SPARE   /* the same, and it will block */
};

/* The call goes on with `step`, there: from a handler or a step when it returns SJ_LATER, so that
 * `return sj_call_then(call, SJ_ON_WORKER, parse);` is how it ends; from a callback on the loop at
 * once, and the call is no longer the callback's.  Always SJ_LATER.  If the workers' queue is
 * full the call ends with 503. */
SJ_API int sj_call_then(struct sj_call *call, enum sj_where where,
                        int (*step)(struct sj_call *call));

/* A name of an asynchronous call that any thread may keep, whatever becomes of the call. */
struct sj_ticket {
    uint64_t reserved[4];
};
SJ_API struct sj_ticket sj_call_ticket(const struct sj_call *call);

/* Any thread: calls `run` once, on the call's loop; with NULL if the call has gone meanwhile, as
 * when the server stops.  0; -ENOMEM: it will not be called.  A module that has threads of its own
 * ends them in its `stop`, and posts nothing after that.  What was posted when the loops had
 * stopped is called after `stop`, by the controlling thread: `argument` must live without the
 * context. */
SJ_API int sj_call_post(struct sj_ticket ticket, void (*run)(struct sj_call *call, void *argument),
                        void *argument);

#ifdef __cplusplus
}
#endif

#endif
