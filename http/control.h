/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_CONTROL_H
#define SJ_HTTP_CONTROL_H
/*
 * The control socket, server side: a Unix stream socket on the controlling thread's event base.
 *
 *   client   one line of words, with a space between two
 *   server   "ok", "refused" or "error" in a line of its own, then text; then it closes
 *
 * Its file has mode 0600, and only root and the server's own user are answered (SO_PEERCRED).  At
 * most SJ_CONTROL_CLIENTS at the same time; one that sends or takes nothing for the idle limit is
 * let go.  Nothing here blocks.
 *
 * A command may answer at once or later.  Its request stays valid until then, whether or not its
 * client is still there, and keeps its place among the clients; sj_control_free refuses what is
 * left.  So whatever a heavy task is to answer needs no more than the request's address, used by
 * the controlling thread alone.
 *
 * Everything by the controlling thread.
 */
#include <stddef.h>
#include <sys/types.h>
#include "core/log.h"

#define SJ_CONTROL_CLIENTS 16
#define SJ_CONTROL_LINE    4096 /* octets of a request, its newline included */
#define SJ_CONTROL_IDLE_MS 10000

struct sj_control;
struct sj_control_request;
struct event_base;

enum sj_control_outcome {
    SJ_CONTROL_OK,
    SJ_CONTROL_REFUSED, /* what was asked is answered, and the answer is no */
    SJ_CONTROL_ERROR
};

/* One row a command; a table ends with a row of zeros. */
struct sj_control_command {
    const char *name; /* the request's first word */
    void (*run)(void *argument, struct sj_control_request *request);
};

struct sj_control_config {
    const char *path; /* NULL: `listener`, whose clients may be anybody */
    int listener;     /* listens already, and stays the caller's */
    const struct sj_control_command *commands;
    /* Of requests METHOD TARGET HTTP/1.x, whose fields have been read; NULL: such are none. */
    void (*http)(void *argument, struct sj_control_request *request);
    void *argument; /* of each command */
    struct event_base *base;
    struct sj_log *log;
    uid_t user; /* the file's owner: who the server becomes */
    gid_t group;
    unsigned idle_ms;
};

/* Listens.  0; -EADDRINUSE: another server does, at this path; -EEXIST: something is there that is
 * no socket; or another -errno. */
int sj_control_new(const struct sj_control_config *config, struct sj_control **control);

/* Answers those that wait with an error, and removes the file if it is still this socket's.  NULL:
 * nothing. */
void sj_control_free(struct sj_control *control);

/* A word of the request, the command's own is 0; NULL: it has no more. */
const char *sj_control_word(const struct sj_control_request *request, unsigned index);

/* The same, with all that follows it on the line, spaces too: for a path.  After that there are no
 * more words. */
const char *sj_control_rest(struct sj_control_request *request, unsigned index);

/* Ends the request.  `text` is copied; without a newline at its end it gets one. */
void sj_control_answer(struct sj_control_request *request, enum sj_control_outcome outcome,
                       const char *text);

/* The same with nothing but `text`, and closes in stages: of an HTTP request. */
void sj_control_answer_bare(struct sj_control_request *request, const char *text);

#endif
