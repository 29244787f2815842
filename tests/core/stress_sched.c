/* SPDX-License-Identifier: MIT */
/*
 * Stress: each task exactly once, each response whole and in order, with random run times.
 *
 * This thread plays all clients: they pipeline, check every octet that comes back, and some
 * leave in the middle.  The server is tests/core/stress_server.c.
 *
 * SJ_STRESS_SEED: another run (the seed is printed).  SJ_STRESS_ROUNDS: that many times as long.
 */
#include "tests/core/stress_server.h"

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include "core/handle.h"
#include "core/loop.h"

#define N_CLIENTS    24 /* at a time */
#define N_OPENED     1000
#define REQUESTS_MAX 40

struct client {
    struct stress_request requests[REQUESTS_MAX];
    unsigned n_requests, n_sent, n_received;
    unsigned leaves_at; /* in the middle, after so many responses; n_requests: at the end */
    size_t at;          /* octets of the current response seen */
};

struct stress {
    struct stress_server server;
    uint64_t random;
    unsigned n_opened, n_whole, n_left_early;
    struct client clients[N_CLIENTS];
    struct pollfd fds[N_CLIENTS]; /* fd -1: no client */
};

static uint64_t next_random(struct stress *stress)
{
    stress->random ^= stress->random << 13; /* xorshift; G. Marsaglia, 2003 */
    stress->random ^= stress->random >> 7;
    stress->random ^= stress->random << 17;
    return stress->random;
}

static unsigned below(struct stress *stress, unsigned end)
{
    return (unsigned)(next_random(stress) >> 20) % end;
}

static bool is_one_of(struct stress *stress, unsigned n)
{
    return below(stress, n) == 0;
}

static struct stress_request make_request(struct stress *stress, unsigned number)
{
    return (struct stress_request){
        .id = stress->n_opened * REQUESTS_MAX + number,
        .number = number,
        .length = below(stress, is_one_of(stress, 15) ? STRESS_LENGTH_MAX : 200),
        .is_heavy = is_one_of(stress, 6),
        .run_us = (uint16_t)below(stress, is_one_of(stress, 40) ? 1000 : 20)};
}

static void open_client(struct stress *stress, unsigned index)
{
    struct client *client = &stress->clients[index];
    unsigned loop = stress->n_opened % sj_sched_loops(stress->server.sched);
    int fds[2], small = 4096;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)); /* for responses in parts */
    *client = (struct client){.n_requests = 1 + below(stress, REQUESTS_MAX)};
    for (unsigned i = 0; i < client->n_requests; i++)
        client->requests[i] = make_request(stress, i);
    client->leaves_at = client->n_requests;
    if (is_one_of(stress, 4))
        client->leaves_at = below(stress, client->n_requests);
    stress->fds[index] = (struct pollfd){.fd = fds[0], .events = POLLIN | POLLOUT};
    stress->n_opened++;
    stress_accept(&stress->server, sj_sched_loop(stress->server.sched, loop), fds[1]);
}

static void close_client(struct stress *stress, unsigned index)
{
    struct client *client = &stress->clients[index];

    if (client->leaves_at < client->n_requests)
        stress->n_left_early++;
    else
        stress->n_whole++;
    for (unsigned i = 0; i < client->n_received; i++)
        assert_int_equal(stress->server.n_run[client->requests[i].id], 1);
    close(stress->fds[index].fd);
    stress->fds[index].fd = -1;
    if (stress->n_opened < N_OPENED)
        open_client(stress, index);
}

static void send_requests(struct client *client, struct pollfd *fd)
{
    while (client->n_sent < client->n_requests &&
           client->n_sent < client->n_received + STRESS_PIPELINE) {
        ssize_t n = send(fd->fd, &client->requests[client->n_sent], sizeof(struct stress_request),
                         MSG_NOSIGNAL);

        if (n < 0)
            return;
        assert_int_equal(n, sizeof(struct stress_request));
        client->n_sent++;
    }
    fd->events = POLLIN; /* until a response makes room */
}

static void check_octets(struct client *client, const unsigned char *octets, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        const struct stress_request *request = &client->requests[client->n_received];

        assert_true(client->n_received < client->n_sent);
        assert_int_equal(octets[i], stress_octet(request, client->at));
        if (++client->at == STRESS_HEADER + request->length) {
            client->at = 0;
            client->n_received++;
        }
    }
}

static void serve_client(struct stress *stress, unsigned index)
{
    struct client *client = &stress->clients[index];
    struct pollfd *fd = &stress->fds[index];
    unsigned char octets[8192];
    ssize_t n;

    if (fd->revents & POLLIN) {
        n = recv(fd->fd, octets, sizeof(octets), 0);
        assert_true(n > 0); /* the server never closes first */
        check_octets(client, octets, (size_t)n);
        fd->events = POLLIN | POLLOUT;
    }
    if (client->n_received >= client->leaves_at)
        close_client(stress, index);
    else if (fd->revents & POLLOUT)
        send_requests(client, fd);
}

static void run_clients(struct stress *stress)
{
    for (unsigned i = 0; i < N_CLIENTS; i++)
        open_client(stress, i);
    while (stress->n_whole + stress->n_left_early < N_OPENED) {
        assert_true(poll(stress->fds, N_CLIENTS, -1) > 0);
        for (unsigned i = 0; i < N_CLIENTS; i++)
            if (stress->fds[i].fd >= 0)
                serve_client(stress, i);
    }
    for (unsigned i = 0; i < N_OPENED; i++)
        while (sem_wait(&stress->server.closed) != 0)
            ;
}

static void check_totals(const struct stress *stress)
{
    const struct stress_totals *totals = &stress->server.totals;
    uint64_t n_run = 0, n_stolen = 0;

    for (unsigned i = 0; i < N_OPENED * REQUESTS_MAX; i++) {
        assert_in_range(stress->server.n_run[i], 0, 1);
        n_run += stress->server.n_run[i];
    }
    for (unsigned i = 0; i < sj_sched_loops(stress->server.sched); i++)
        n_stolen += sj_sched_counters(stress->server.sched, i)->steals_ok;
    assert_int_equal(totals->quick_run, totals->pushed);
    assert_int_equal(totals->heavy_run, totals->submitted);
    assert_int_equal(totals->delivered + totals->dropped, totals->submitted);
    assert_int_equal(n_run, totals->pushed + totals->submitted + totals->at_once);
    print_message("  quick %lu (stolen %lu), heavy %lu (dropped %lu), refused %lu\n",
                  totals->pushed, n_stolen, totals->submitted, totals->dropped, totals->at_once);
}

static void stress_once(unsigned n_loops, unsigned n_workers, uint64_t seed)
{
    struct sj_sched_config config = {.n_loops = n_loops,
                                     .n_workers = n_workers,
                                     .quick_length = 8,
                                     .heavy_length = 4,
                                     .worker_nice = 5,
                                     .wake_worth_ns = 10000};
    struct stress *stress = calloc(1, sizeof(*stress));

    assert_non_null(stress);
    stress->random = seed;
    stress->server.n_run = calloc(N_OPENED * REQUESTS_MAX, sizeof(unsigned));
    assert_non_null(stress->server.n_run);
    sem_init(&stress->server.closed, 0, 0);
    assert_int_equal(sj_sched_new(&config, &stress->server.sched), 0);
    for (unsigned i = 0; i < n_loops; i++) {
        struct sj_handle_table *table = sj_handle_table_new(i);

        assert_non_null(table);
        sj_loop_set_context(sj_sched_loop(stress->server.sched, i), table);
    }
    assert_int_equal(sj_sched_start(stress->server.sched), 0);
    run_clients(stress);
    sj_sched_stop(stress->server.sched);
    check_totals(stress);
    for (unsigned i = 0; i < n_loops; i++)
        sj_handle_table_free(sj_loop_context(sj_sched_loop(stress->server.sched, i)));
    sj_sched_free(stress->server.sched);
    sem_destroy(&stress->server.closed);
    free(stress->server.n_run);
    free(stress);
}

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    uint64_t number = text != NULL ? strtoull(text, NULL, 10) : 0;

    return number != 0 ? number : otherwise;
}

static void stress_with(unsigned n_loops, unsigned n_workers)
{
    uint64_t seed = number_from("SJ_STRESS_SEED", 20240229);

    print_message("  seed %lu\n", seed);
    for (uint64_t i = number_from("SJ_STRESS_ROUNDS", 1); i > 0; i--)
        stress_once(n_loops, n_workers, seed + i - 1);
}

static void one_loop_and_one_worker(void **state)
{
    (void)state;
    stress_with(1, 1);
}

static void two_loops_and_two_workers(void **state)
{
    (void)state;
    stress_with(2, 2);
}

static void many_more_threads_than_cores(void **state)
{
    (void)state;
    stress_with(9, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_loop_and_one_worker),
        cmocka_unit_test(two_loops_and_two_workers),
        cmocka_unit_test(many_more_threads_than_cores),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
