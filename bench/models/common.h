/* SPDX-License-Identifier: MIT */
/*
 * What the reference servers have in common: all but how they wait.
 *
 *     MODEL PORT FILE [THREADS]
 *
 * A model answers each request with one file, held in memory, on 127.0.0.1.  It looks for the end
 * of a request's head, and for "Connection: close" in it, and parses nothing else: any target, no
 * content in requests, HTTP/1.1.  It has no timeouts, no log and no limits but descriptors.  PORT 0
 * takes a free one.  The port is printed, as a line, once all threads listen.  SIGTERM ends it
 * with 0.
 */
#ifndef SJ_BENCH_MODELS_COMMON_H
#define SJ_BENCH_MODELS_COMMON_H

#include <stdbool.h>
#include <stddef.h>

struct block {
    char *data;
    size_t length;
};

struct model {
    struct block keeping;
    struct block closing; /* the same with "Connection: close" */
};

/* A thread's own.  Each listener takes its share of the connections (SO_REUSEPORT). */
struct place {
    const struct model *model;
    int listener; /* does not block */
    int spare;    /* a descriptor kept for refusing with */
    void (*serve)(struct place *place);
};

/* Plain data; all zero but the socket is a new one. */
struct connection {
    int socket;
    unsigned n_owed;     /* responses */
    size_t n_sent;       /* octets of the one that is being sent */
    unsigned char empty; /* how much of an empty line the last octets are */
    unsigned char close; /* and how much of "Connection: close" */
    bool is_asked;       /* to close, in the head that is being received */
    bool is_last;        /* that head has ended */
};

enum model_wait { MODEL_FOR_INPUT, MODEL_FOR_ROOM, MODEL_FOR_NOTHING };

/* Never returns: runs `serve`, which has no end either, in each thread. */
_Noreturn void model_main(int argc, char **argv, void (*serve)(struct place *place));

/* Prints it with errno's text, and exits. */
_Noreturn void model_die(const char *what, int status);

/* A socket with these flags (SOCK_NONBLOCK), or -1: nobody is there, or somebody was refused as
 * there are no descriptors left.  Poll before it is called again. */
int model_accept(struct place *place, int flags);

/* Counts the requests that end in these octets as owed. */
void model_take(struct connection *c, const char *data, size_t length);

/* What is to be sent next, if anything is owed. */
struct block model_next(const struct model *model, const struct connection *c);

/* So much of it was sent. */
void model_sent(const struct model *model, struct connection *c, size_t length);

/* Sends what is owed, receives first if nothing is: what to wait for then.  FOR_NOTHING: the
 * connection has ended, and its socket is to be closed.  A blocking socket has never FOR_ROOM. */
enum model_wait model_step(const struct model *model, struct connection *c);

#endif
