/* SPDX-License-Identifier: MIT */
/*
 * Blocking calls, a thread for each connection.
 */
#include "bench/models/common.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum { STACK = 1 << 18 };

struct guest {
    const struct model *model;
    struct connection c;
};

static void *attend(void *argument)
{
    struct guest *guest = argument;

    while (model_step(guest->model, &guest->c) != MODEL_FOR_NOTHING)
        ;
    close(guest->c.socket);
    free(guest);
    return NULL;
}

static void admit(struct place *place, const pthread_attr_t *attributes)
{
    pthread_t thread;
    int socket = model_accept(place, 0);
    if (socket < 0)
        return;
    struct guest *guest = malloc(sizeof *guest);
    if (guest != NULL) {
        *guest = (struct guest){.model = place->model, .c.socket = socket};
        if (pthread_create(&thread, attributes, attend, guest) == 0)
            return;
    }
    free(guest);
    close(socket);
}

static void serve(struct place *place)
{
    struct pollfd waits = {.fd = place->listener, .events = POLLIN};
    pthread_attr_t attributes;

    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK);
    while (poll(&waits, 1, -1) >= 0)
        admit(place, &attributes);
}

int main(int argc, char **argv)
{
    model_main(argc, argv, serve);
}
