/* SPDX-License-Identifier: MIT */
/*
 * epoll, in one thread or in several.  With as many as there are cores it is the limit of every
 * server here: what the kernel's TCP path alone costs.
 *
 * Each thread has its own listener, and keeps the connections that this brings.  Threads are not
 * pinned: with the clients on the same cores that makes no difference.
 */
#include "bench/models/common.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256 };

struct client {
    struct connection c;
    enum model_wait wait;
};

static void drop(struct client *client)
{
    close(client->c.socket);
    free(client);
}

static void admit(int epoll, struct place *place)
{
    int socket = model_accept(place, SOCK_NONBLOCK);
    if (socket < 0)
        return;
    struct client *client = malloc(sizeof *client);
    if (client == NULL) {
        close(socket);
        return;
    }
    *client = (struct client){.c.socket = socket, .wait = MODEL_FOR_INPUT};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &(struct epoll_event){EPOLLIN, {.ptr = client}}))
        drop(client);
}

static void attend(int epoll, const struct model *model, struct client *client)
{
    enum model_wait wait = model_step(model, &client->c);
    if (wait == client->wait)
        return;
    struct epoll_event event = {wait == MODEL_FOR_ROOM ? EPOLLOUT : EPOLLIN, {.ptr = client}};
    client->wait = wait;
    if (wait == MODEL_FOR_NOTHING || epoll_ctl(epoll, EPOLL_CTL_MOD, client->c.socket, &event) != 0)
        drop(client);
}

static void serve(struct place *place)
{
    struct epoll_event events[EVENTS];
    int epoll = epoll_create1(0);

    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, place->listener,
                               &(struct epoll_event){EPOLLIN, {.ptr = NULL}}) != 0)
        model_die("epoll", 1);
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == NULL)
                admit(epoll, place);
            else
                attend(epoll, place->model, events[i].data.ptr);
        }
    }
}

int main(int argc, char **argv)
{
    model_main(argc, argv, serve);
}
