/* SPDX-License-Identifier: MIT */
/*
 * Blocking calls, one connection at a time: it is served until it ends, and keeps all others
 * waiting.
 */
#include "bench/models/common.h"

#include <poll.h>
#include <unistd.h>

static void serve(struct place *place)
{
    struct pollfd waits = {.fd = place->listener, .events = POLLIN};

    while (poll(&waits, 1, -1) >= 0) {
        struct connection c = {.socket = model_accept(place, 0)};
        if (c.socket < 0)
            continue;
        while (model_step(place->model, &c) != MODEL_FOR_NOTHING)
            ;
        close(c.socket);
    }
}

int main(int argc, char **argv)
{
    model_main(argc, argv, serve);
}
