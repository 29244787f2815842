/* SPDX-License-Identifier: MIT */
/*
 * io_uring, a ring in each thread: connections and sockets belong to threads as in epoll.c.
 *
 * A connection has one multishot receive, which takes a buffer of the ring's when octets come, and
 * at most one send; what a turn asks for is submitted as it waits for the next.  Accepting is a
 * poll and a call, as in the other models: without descriptors a multishot accept would fail
 * without end.
 *
 * It needs Linux 6.1.  Where the kernel is older, or refuses io_uring, it says so and exits
 * with 77.
 */
#include "bench/models/common.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ENTRIES = 1024, BUFFERS = 1024, INPUT = 2048, IS_SEND = 1, IS_REFUSED = 77 };

struct engine {
    struct io_uring ring;
    struct io_uring_buf_ring *buffers;
    char (*data)[INPUT]; /* of the buffers */
    struct place *place;
};

struct client {
    struct connection c;
    bool is_receiving; /* the kernel knows of a receive */
    bool is_over;      /* nothing more comes */
};

/* For `client`, NULL is the listener; with IS_SEND or 0. */
static struct io_uring_sqe *new_entry(struct engine *engine, struct client *client, int what)
{
    struct io_uring_sqe *sqe;

    while ((sqe = io_uring_get_sqe(&engine->ring)) == NULL)
        io_uring_submit(&engine->ring);
    io_uring_sqe_set_data64(sqe, (uintptr_t)client | (unsigned)what);
    return sqe;
}

static void watch_listener(struct engine *engine)
{
    io_uring_prep_poll_add(new_entry(engine, NULL, 0), engine->place->listener, POLLIN);
}

static void start_receive(struct engine *engine, struct client *client)
{
    struct io_uring_sqe *sqe = new_entry(engine, client, 0);

    io_uring_prep_recv_multishot(sqe, client->c.socket, NULL, 0, 0);
    io_uring_sqe_set_flags(sqe, IOSQE_BUFFER_SELECT);
    client->is_receiving = true;
}

static void start_send(struct engine *engine, struct client *client)
{
    struct block next = model_next(engine->place->model, &client->c);

    io_uring_prep_send(new_entry(engine, client, IS_SEND), client->c.socket, next.data, next.length,
                       MSG_NOSIGNAL);
}

static void give_buffer(struct engine *engine, unsigned short id)
{
    io_uring_buf_ring_add(engine->buffers, engine->data[id], INPUT, id,
                          io_uring_buf_ring_mask(BUFFERS), 0);
    io_uring_buf_ring_advance(engine->buffers, 1);
}

static void admit(struct engine *engine)
{
    int socket = model_accept(engine->place, 0);

    watch_listener(engine);
    if (socket < 0)
        return;
    struct client *client = malloc(sizeof *client);
    if (client == NULL) {
        close(socket);
        return;
    }
    *client = (struct client){.c.socket = socket};
    start_receive(engine, client);
}

/* Nothing is being sent. */
static void go_on(struct engine *engine, struct client *client)
{
    if (client->c.n_owed > 0) {
        start_send(engine, client);
    } else if (!client->is_over && !client->c.is_last) {
        if (!client->is_receiving)
            start_receive(engine, client);
    } else if (client->is_receiving) {
        shutdown(client->c.socket, SHUT_RDWR); /* which ends that */
    } else {
        close(client->c.socket);
        free(client);
    }
}

static void received(struct engine *engine, struct client *client, const struct io_uring_cqe *cqe)
{
    bool is_sending = client->c.n_owed > 0;

    if (cqe->flags & IORING_CQE_F_BUFFER) {
        unsigned short id = (unsigned short)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
        if (cqe->res > 0)
            model_take(&client->c, engine->data[id], (size_t)cqe->res);
        give_buffer(engine, id);
    }
    client->is_receiving = (cqe->flags & IORING_CQE_F_MORE) != 0;
    if (cqe->res <= 0 && cqe->res != -ENOBUFS)
        client->is_over = true;
    if (!is_sending)
        go_on(engine, client);
}

static void sent(struct engine *engine, struct client *client, int result)
{
    if (result > 0) {
        model_sent(engine->place->model, &client->c, (size_t)result);
    } else {
        client->c.n_owed = 0;
        client->is_over = true;
    }
    go_on(engine, client);
}

static void handle(struct engine *engine, const struct io_uring_cqe *cqe)
{
    struct client *client = (struct client *)(uintptr_t)(cqe->user_data & ~(uint64_t)IS_SEND);

    if (client == NULL)
        admit(engine);
    else if (cqe->user_data & IS_SEND)
        sent(engine, client, cqe->res);
    else
        received(engine, client, cqe);
}

static void set_up(struct engine *engine)
{
    unsigned flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    errno = -io_uring_queue_init(ENTRIES, &engine->ring, flags);
    if (errno != 0)
        model_die("the kernel refuses io_uring", IS_REFUSED);

    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    engine->buffers = aligned_alloc(page, BUFFERS * sizeof(struct io_uring_buf));
    engine->data = malloc(BUFFERS * sizeof *engine->data);
    if (engine->buffers == NULL || engine->data == NULL)
        model_die("malloc", 1);
    struct io_uring_buf_reg reg = {.ring_addr = (uintptr_t)engine->buffers,
                                   .ring_entries = BUFFERS};
    errno = -io_uring_register_buf_ring(&engine->ring, &reg, 0);
    if (errno != 0)
        model_die("the kernel is too old for io_uring with rings of buffers", IS_REFUSED);
    io_uring_buf_ring_init(engine->buffers);
    for (unsigned short id = 0; id < BUFFERS; id++)
        give_buffer(engine, id);
}

static void serve(struct place *place)
{
    struct engine engine = {.place = place};
    struct io_uring_cqe *cqe;
    unsigned head;

    set_up(&engine);
    watch_listener(&engine);
    for (;;) {
        unsigned n = 0;
        io_uring_submit_and_wait(&engine.ring, 1);
        io_uring_for_each_cqe(&engine.ring, head, cqe)
        {
            handle(&engine, cqe);
            n++;
        }
        io_uring_cq_advance(&engine.ring, n);
    }
}

/* Where the kernel refuses, this says so before anybody is told a port. */
static void probe(void)
{
    struct engine engine = {.place = NULL};

    set_up(&engine);
    io_uring_queue_exit(&engine.ring);
    free(engine.buffers);
    free(engine.data);
}

int main(int argc, char **argv)
{
    probe();
    model_main(argc, argv, serve);
}
