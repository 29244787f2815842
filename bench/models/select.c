/* SPDX-License-Identifier: MIT */
/*
 * select() in one thread.  It refuses connections beyond descriptor 1,023, which select cannot
 * name.
 */
#include "bench/models/common.h"

#include <stdlib.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

struct table {
    struct connection connections[FD_SETSIZE]; /* by socket */
    fd_set input;
    fd_set room;
    int end; /* beyond the highest descriptor of both sets */
};

static void admit(struct table *t, struct place *place)
{
    int socket = model_accept(place, SOCK_NONBLOCK);
    if (socket >= FD_SETSIZE) {
        close(socket);
    } else if (socket >= 0) {
        t->connections[socket] = (struct connection){.socket = socket};
        FD_SET(socket, &t->input);
        t->end = socket >= t->end ? socket + 1 : t->end;
    }
}

static void attend(struct table *t, const struct model *model, int socket)
{
    enum model_wait wait = model_step(model, &t->connections[socket]);

    FD_CLR(socket, &t->input);
    FD_CLR(socket, &t->room);
    if (wait == MODEL_FOR_NOTHING)
        close(socket);
    else
        FD_SET(socket, wait == MODEL_FOR_INPUT ? &t->input : &t->room);
}

static void serve(struct place *place)
{
    struct table *t = calloc(1, sizeof *t);
    if (t == NULL || place->listener >= FD_SETSIZE)
        model_die("select", 1);
    FD_SET(place->listener, &t->input);
    t->end = place->listener + 1;
    for (;;) {
        fd_set input = t->input, room = t->room;
        if (select(t->end, &input, &room, NULL, NULL) < 0)
            continue;
        for (int fd = 0, end = t->end; fd < end; fd++) {
            if (!FD_ISSET(fd, &input) && !FD_ISSET(fd, &room))
                continue;
            if (fd == place->listener)
                admit(t, place);
            else
                attend(t, place->model, fd);
        }
    }
}

int main(int argc, char **argv)
{
    model_main(argc, argv, serve);
}
