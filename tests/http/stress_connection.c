/* SPDX-License-Identifier: MIT */
/*
 * Connections on two loops that steal whatever they can, as fast as clients can ask: for the thread
 * sanitizer, which sees here what tests/http/sim_connection.c cannot, the memory between threads.
 *
 *     stress_connection [ROUNDS]
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/thread.h"
#include "core/lines.h"
#include "core/thread.h"
#include "http/batch.h"
#include "http/connection.h"
#include "tests/http/site.h"

#define LOOPS   2
#define CLIENTS 40 /* more than a batch on each loop */
#define LARGE   300000

/* Sent at once; the last one of a client's half-closes. */
#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
static const char *const scripts[] = {
    GET("/ten"),
    (GET("/ten") GET("/none") GET("/ten") "GET /ten HTTP/1.1\r\nHo"),
    (GET("/large") GET("/disk")),
    "POST /ten HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab",
    "GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /ten HTTP/1.1\r\n",
};
#define SCRIPTS (sizeof(scripts) / sizeof(scripts[0]))

struct arrival {
    struct sj_message message;
    struct sj_shard *shard;
    int socket;
};

struct command {
    struct sj_message message;
    struct sj_shard *shard;
    void (*act)(struct sj_shard *shard);
};

static struct site site;
static struct sj_config config;
static struct sj_service service;
static struct sj_sched *sched;
static struct sj_shard *shards[LOOPS];

static void check(bool is_true, const char *what)
{
    if (is_true)
        return;
    fprintf(stderr, "stress_connection: %s: %s\n", what, strerror(errno));
    abort();
}

static void on_arrival(struct sj_message *message)
{
    struct arrival *arrival = (struct arrival *)(void *)message;
    struct sockaddr peer = {.sa_family = AF_UNIX};

    sj_connection_open(arrival->shard, arrival->socket, &peer);
    free(arrival);
}

static void on_command(struct sj_message *message)
{
    struct command *command = (struct command *)(void *)message;

    command->act(command->shard);
}

/* All that is sent goes through loop 0, so that loop 1 lives on what it steals; some of 1's own. */
static int join(unsigned client)
{
    struct sj_shard *shard = shards[client % 4 == 3];
    struct arrival *arrival = malloc(sizeof(*arrival));
    int ends[2];

    check(arrival != NULL && socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0,
          "join");
    ck_pr_inc_64(&service.n_open);
    ck_pr_inc_64(&shard->n_assigned);
    *arrival = (struct arrival){{.deliver = on_arrival}, shard, ends[1]};
    sj_loop_post(shard->loop, &arrival->message);
    return ends[0];
}

/* Reads for at most that time; true: the end was there. */
static bool hear(int client, int wait_ms)
{
    static char room[65536];
    struct pollfd poller = {.fd = client, .events = POLLIN};
    ssize_t got = 1;

    while (got > 0 && poll(&poller, 1, wait_ms) > 0)
        got = recv(client, room, sizeof(room), 0);
    return got == 0 || (got < 0 && errno != EAGAIN);
}

static void live(unsigned round)
{
    int clients[CLIENTS];

    for (unsigned i = 0; i < CLIENTS; i++)
        clients[i] = join(i);
    for (unsigned turn = 0; turn < 8; turn++)
        for (unsigned i = 0; i < CLIENTS; i++) {
            const char *script = turn < 6 ? scripts[0] : scripts[(round + i + turn) % SCRIPTS];

            send(clients[i], script, strlen(script), MSG_NOSIGNAL);
            hear(clients[i], (i + turn) % 5 == 0);
        }
    for (unsigned i = 0; i < CLIENTS; i++) {
        if ((round + i) % 4 != 0) { /* the others go without a word */
            shutdown(clients[i], SHUT_WR);
            check(hear(clients[i], 60000), "no end");
        }
        close(clients[i]);
    }
}

static void make_shards(void)
{
    sj_exchange_depot_init(&service.depot, LOOPS);
    for (unsigned i = 0; i < LOOPS; i++) {
        struct sj_shard *shard = sj_lines_new(sizeof(*shard));
        struct sj_transfers *transfers = NULL;

        (void)sj_transfers_new(SJ_BATCH, &transfers); /* where the kernel has them */
        check(shard != NULL, "shard");
        shard->service = &service;
        shard->loop = sj_sched_loop(sched, i);
        sj_exchange_pool_init(&shard->exchanges, service.limits.fields, &service.depot);
        sj_composer_init(&shard->composer);
        sj_connections_init(shard);
        sj_loop_set_context(shard->loop, shard);
        check(sj_batch_new(shard, transfers) == 0, "batch");
        shards[i] = shard;
    }
}

static void make(void)
{
    struct sj_sched_config sched_config = {
        .n_loops = LOOPS, .n_workers = 1, .quick_length = 64, .heavy_length = 8};
    const char *const paths[SJ_LOG_SINKS] = {"/dev/null", "/dev/null"};
    char *arguments[] = {(char[]){"stress"}, NULL};
    const char *failed;
    char error[256];
    int first;

    signal(SIGPIPE, SIG_IGN);
    check(sj_thread_enter() == 0 && sj_sched_new(&sched_config, &sched) == 0 &&
              sj_log_new(paths, SJ_LOG_INFO, &service.log, &failed) == 0 &&
              sj_options_parse(sj_config_table, 1, arguments, &config, &first, error,
                               sizeof(error)) == 0,
          "make");
    site_init(&site);
    site_add(&site, "/ten", "0123456789", SITE_HELD);
    site_add_large(&site, "/large", LARGE, SITE_HELD);
    site_add_large(&site, "/disk", LARGE, SITE_ON_DISK);
    service.config = &config;
    service.limits = (struct sj_request_limits){8192, 100, 32768};
    service.site = (struct sj_static){site.index, true};
    service.shards = shards;
    service.n_shards = LOOPS;
    service.drained = eventfd(0, EFD_NONBLOCK);
    make_shards();
    check(sj_log_start(service.log) == 0 && sj_sched_start(sched) == 0, "start");
}

static void command_all(struct command *commands, enum sj_service_state state,
                        void (*act)(struct sj_shard *))
{
    ck_pr_store_uint(&service.state, state);
    for (unsigned i = 0; i < LOOPS; i++) {
        commands[i] = (struct command){{.deliver = on_command}, shards[i], act};
        sj_loop_post(shards[i]->loop, &commands[i].message);
    }
}

/* As http/server.c ends, with some connections still there. */
static void end(void)
{
    struct command drain[LOOPS], drop[LOOPS];
    int clients[CLIENTS];

    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = join(i);
        send(clients[i], scripts[i % SCRIPTS], strlen(scripts[i % SCRIPTS]), MSG_NOSIGNAL);
    }
    command_all(drain, SJ_SERVICE_DRAINING, sj_connections_drain);
    command_all(drop, SJ_SERVICE_DROPPING, sj_connections_drop);
    sj_sched_stop(sched);
    check(ck_pr_load_64(&service.n_open) == 0, "connections are left");
    for (unsigned i = 0; i < CLIENTS; i++)
        close(clients[i]);
    for (unsigned i = 0; i < LOOPS; i++) {
        check(ck_pr_load_64(&shards[i]->n_assigned) == 0, "places are left");
        sj_deadlines_fini(&shards[i]->deadlines);
        event_base_loop(sj_loop_base(shards[i]->loop), EVLOOP_NONBLOCK);
        sj_batch_free(shards[i]);
        sj_exchange_pool_fini(&shards[i]->exchanges);
        free(shards[i]);
    }
    sj_exchange_depot_fini(&service.depot);
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 30;

    make();
    for (unsigned i = 0; i < rounds; i++)
        live(i);
    end();
    printf("%llu stolen of %llu\n",
           (unsigned long long)(sj_sched_counters(sched, 0)->steals_ok +
                                sj_sched_counters(sched, 1)->steals_ok),
           (unsigned long long)(sj_sched_counters(sched, 0)->tasks +
                                sj_sched_counters(sched, 1)->tasks));
    sj_sched_free(sched);
    sj_log_stop(service.log);
    sj_log_free(service.log);
    close(service.drained);
    sj_options_fini(sj_config_table, &config);
    site_fini(&site);
    sj_thread_leave();
    return 0;
}
