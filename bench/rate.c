/* SPDX-License-Identifier: MIT */
/*
 * An open loop: GET requests at a fixed rate, whatever the answers do.
 *
 *     rate PORT RATE SECONDS CONNECTIONS PATHS
 *
 * Request n is due at the start + n / RATE, takes the keep-alive connection that has been idle for
 * longest, and waits where none is; it asks for the targets in the file PATHS, one a line, in turn.
 * Its latency counts from when it was due, so that a stall of a second shows in the latency of all
 * requests of that second, not of one a connection.  A connection that the server closes is opened
 * again; a request that it had taken is lost, and not sent a second time.
 *
 * It takes real-time priority where it may, as clients on other machines do not wait for what runs
 * on the server's: with a server that works in the background at the lowest priority it would else
 * wait for that up to 4 ms itself, as Linux's scheduler gives all that is runnable its share.
 *
 * Prints one JSON object: counts, and quantiles in microseconds, right to 1.6 %.  "late" is by how
 * much requests left later than due although a connection was idle: the generator's own part.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, HEAD = 4096, INPUT = 65536, SUB_BITS = 6 };

#define SECOND_NS   1000000000ULL
#define LEAD_NS     (SECOND_NS / 10)  /* to connect before the first request */
#define RETRY_NS    (SECOND_NS / 100) /* after a refused connection */
#define PATIENCE_NS (10 * SECOND_NS)  /* for answers, after the last request was due */

struct histogram {
    uint64_t buckets[64 << SUB_BITS]; /* linear below 2^SUB_BITS ns, then 2^SUB_BITS an octave */
    uint64_t n, max_ns;
};

enum state { DOWN, CONNECTING, IDLE, BUSY };

struct connection {
    TAILQ_ENTRY(connection) link; /* in `idle` or `down`, by its state */
    enum state state;
    int socket;
    uint64_t due_ns;   /* of the request that it carries */
    uint64_t retry_ns; /* not before, when it is down */
    char head[HEAD];
    size_t n_head;
    bool has_head, is_ok, closes;
    uint64_t body_left;
};

TAILQ_HEAD(connections, connection);

struct run {
    uint16_t port;
    int epoll;
    uint64_t rate, n_total, n_sent, n_busy, start_ns;
    uint64_t n_answered, n_lost, n_not_200, n_refused, n_closed;
    char **requests;
    size_t n_requests;
    struct connections idle, down;
    struct histogram latency, late;
    bool is_first;
    char input[INPUT];
};

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

static void record(struct histogram *h, uint64_t ns)
{
    unsigned shift = ns >> SUB_BITS == 0 ? 0 : 63 - SUB_BITS - (unsigned)__builtin_clzll(ns);

    h->buckets[((uint64_t)shift << SUB_BITS) + (ns >> shift)]++;
    h->n++;
    h->max_ns = ns > h->max_ns ? ns : h->max_ns;
}

/* The upper edge of the bucket that holds it. */
static double quantile_us(const struct histogram *h, double q)
{
    uint64_t seen = 0, rank = (uint64_t)((double)h->n * q);

    for (uint64_t i = 0; i < 64 << SUB_BITS; i++) {
        uint64_t shift = i >> SUB_BITS <= 1 ? 0 : (i >> SUB_BITS) - 1;
        seen += h->buckets[i];
        if (seen > rank) {
            uint64_t edge = (i - (shift << SUB_BITS) + 1) << shift;
            return (double)(edge < h->max_ns ? edge : h->max_ns) / 1e3;
        }
    }
    return (double)h->max_ns / 1e3;
}

static uint64_t due_ns(const struct run *run, uint64_t n)
{
    return run->start_ns + n / run->rate * SECOND_NS + n % run->rate * SECOND_NS / run->rate;
}

/* Closed or refused, as the counter says; what it carried, if anything, is lost. */
static void drop(struct run *run, struct connection *c, uint64_t *counter)
{
    ++*counter;
    if (c->state == IDLE)
        TAILQ_REMOVE(&run->idle, c, link);
    run->n_busy -= c->state == BUSY;
    run->n_lost += c->state == BUSY;
    close(c->socket);
    c->state = DOWN;
    c->retry_ns = counter == &run->n_refused ? now_ns() + RETRY_NS : 0;
    TAILQ_INSERT_TAIL(&run->down, c, link);
}

static void open_one(struct run *run, struct connection *c)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(run->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    int on = 1;

    TAILQ_REMOVE(&run->down, c, link);
    c->state = CONNECTING;
    c->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->socket < 0)
        die("socket");
    setsockopt(c->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(c->socket, (struct sockaddr *)&to, sizeof(to)) != 0 && errno != EINPROGRESS) {
        drop(run, c, &run->n_refused);
    } else if (epoll_ctl(run->epoll, EPOLL_CTL_ADD, c->socket, &event) != 0) {
        die("epoll_ctl");
    }
}

static void open_due(struct run *run, uint64_t now)
{
    struct connection *next;

    for (struct connection *c = TAILQ_FIRST(&run->down); c != NULL; c = next) {
        next = TAILQ_NEXT(c, link);
        if (c->retry_ns <= now)
            open_one(run, c);
    }
}

static void become_idle(struct run *run, struct connection *c)
{
    c->state = IDLE;
    TAILQ_INSERT_TAIL(&run->idle, c, link);
}

static void send_one(struct run *run, struct connection *c, uint64_t now, bool was_waiting)
{
    const char *request = run->requests[run->n_sent % run->n_requests];
    size_t length = strlen(request);

    TAILQ_REMOVE(&run->idle, c, link);
    c->state = BUSY;
    c->due_ns = due_ns(run, run->n_sent++);
    c->n_head = 0;
    c->has_head = false;
    run->n_busy++;
    if (!was_waiting)
        record(&run->late, now - c->due_ns);
    if (send(c->socket, request, length, MSG_NOSIGNAL) != (ssize_t)length)
        drop(run, c, &run->n_closed);
}

/* Requests that were due before `waiting_ns` had no connection then. */
static void send_due(struct run *run, uint64_t waiting_ns)
{
    uint64_t now = now_ns();

    while (run->n_sent < run->n_total && due_ns(run, run->n_sent) <= now &&
           !TAILQ_EMPTY(&run->idle)) {
        send_one(run, TAILQ_FIRST(&run->idle), now, due_ns(run, run->n_sent) < waiting_ns);
        now = now_ns();
    }
}

static bool parse_head(struct connection *c)
{
    const char *length = strcasestr(c->head, "\r\ncontent-length:");

    c->has_head = true;
    c->is_ok = strncmp(c->head, "HTTP/1.1 200 ", 13) == 0;
    c->closes = strcasestr(c->head, "\r\nconnection: close") != NULL;
    c->body_left = length != NULL ? strtoull(length + 17, NULL, 10) : 0;
    return length != NULL;
}

/* How much of the input the head took; 0: it cannot be one. */
static size_t take_head(struct connection *c, const char *input, size_t n)
{
    size_t before = c->n_head, room = HEAD - 1 - before;
    char *end;

    memcpy(c->head + before, input, n < room ? n : room);
    c->n_head += n < room ? n : room;
    c->head[c->n_head] = '\0';
    end = strstr(c->head, "\r\n\r\n");
    if (end == NULL)
        return n < room ? n : 0;
    end[2] = '\0';
    return parse_head(c) ? (size_t)(end + 4 - c->head) - before : 0;
}

static void finish(struct run *run, struct connection *c)
{
    record(&run->latency, now_ns() - c->due_ns);
    run->n_answered++;
    run->n_not_200 += !c->is_ok;
    run->n_busy--;
    c->state = DOWN; /* neither busy nor idle: it is on no list */
    if (c->closes)
        drop(run, c, &run->n_closed);
    else
        become_idle(run, c);
}

static bool take(struct run *run, struct connection *c, size_t n)
{
    size_t used = 0;

    if (c->state != BUSY)
        return false;
    if (!c->has_head) {
        used = take_head(c, run->input, n);
        if (used == 0)
            return false;
    }
    if (c->has_head) {
        if (n - used > c->body_left)
            return false;
        c->body_left -= n - used;
        if (c->body_left == 0)
            finish(run, c);
    }
    return true;
}

static void read_all(struct run *run, struct connection *c)
{
    while (c->state != DOWN) {
        ssize_t n = recv(c->socket, run->input, INPUT, 0);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0 || !take(run, c, (size_t)n))
            drop(run, c, &run->n_closed);
    }
}

static void handle(struct run *run, struct connection *c, uint32_t events)
{
    if (c->state == CONNECTING && (events & (EPOLLERR | EPOLLHUP)) != 0) {
        drop(run, c, &run->n_refused);
        return;
    }
    if (c->state == CONNECTING && (events & EPOLLOUT) != 0)
        become_idle(run, c);
    if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0)
        read_all(run, c);
}

/* Sleeps until something comes, or a request is due that has a connection. */
static void wait_for_events(struct run *run)
{
    struct epoll_event events[EVENTS];
    struct timespec timeout = {.tv_nsec = RETRY_NS};
    uint64_t now = now_ns();

    if (run->n_sent < run->n_total && !TAILQ_EMPTY(&run->idle)) {
        uint64_t due = due_ns(run, run->n_sent);
        uint64_t left = due > now ? due - now : 0;
        timeout.tv_nsec = (long)(left < RETRY_NS ? left : RETRY_NS);
    }
    int n = epoll_pwait2(run->epoll, events, EVENTS, &timeout, NULL);
    for (int i = 0; i < n; i++)
        handle(run, events[i].data.ptr, events[i].events);
}

static void run_all(struct run *run)
{
    uint64_t now = now_ns(), end;

    run->start_ns = now + LEAD_NS;
    end = due_ns(run, run->n_total) + PATIENCE_NS;
    while ((run->n_sent < run->n_total || run->n_busy > 0) && now < end) {
        bool had_none = TAILQ_EMPTY(&run->idle);
        open_due(run, now);
        wait_for_events(run);
        now = now_ns();
        send_due(run, had_none ? now : 0);
    }
}

/* They count with how long they have waited. */
static void give_up(struct run *run, const struct connection *all, size_t n_connections)
{
    uint64_t now = now_ns();

    for (size_t i = 0; i < n_connections; i++) {
        if (all[i].state == BUSY)
            record(&run->latency, now - all[i].due_ns);
    }
    for (uint64_t n = run->n_sent; n < run->n_total; n++)
        record(&run->latency, now - due_ns(run, n));
}

static void read_paths(struct run *run, const char *path)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t size = 0;

    if (file == NULL)
        die(path);
    while (getline(&line, &size, file) > 0) {
        char **more = reallocarray(run->requests, run->n_requests + 1, sizeof(*more));
        if (more == NULL)
            die("reallocarray");
        run->requests = more;
        line[strcspn(line, "\n")] = '\0';
        if (asprintf(&more[run->n_requests++], "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", line) <
            0)
            die("asprintf");
    }
    free(line);
    fclose(file);
}

static void print(const struct run *run)
{
    const struct histogram *h = &run->latency;

    printf("{\"requests\": %" PRIu64 ", \"answered\": %" PRIu64 ", \"lost\": %" PRIu64
           ", \"not_200\": %" PRIu64 ", \"refused\": %" PRIu64 ", \"unanswered\": %" PRIu64
           ", \"closed\": %" PRIu64 ", ",
           run->n_total, run->n_answered, run->n_lost, run->n_not_200, run->n_refused,
           run->n_total - run->n_answered - run->n_lost, run->n_closed);
    printf("\"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f, "
           "\"late_p99_us\": %.1f, \"is_first\": %s}\n",
           quantile_us(h, 0.5), quantile_us(h, 0.99), quantile_us(h, 0.999),
           (double)h->max_ns / 1e3, quantile_us(&run->late, 0.99),
           run->is_first ? "true" : "false");
}

static bool go_first(void)
{
    return sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1}) == 0;
}

int main(int argc, char **argv)
{
    static struct run run;
    size_t n_connections;

    if (argc != 6) {
        fprintf(stderr, "usage: rate PORT RATE SECONDS CONNECTIONS PATHS\n");
        return 2;
    }
    run.port = (uint16_t)atoi(argv[1]);
    run.rate = strtoull(argv[2], NULL, 10);
    run.n_total = run.rate * strtoull(argv[3], NULL, 10);
    n_connections = strtoull(argv[4], NULL, 10);
    read_paths(&run, argv[5]);
    struct connection *all = calloc(n_connections, sizeof(*all));
    if (run.rate == 0 || run.n_requests == 0 || n_connections == 0 || all == NULL) {
        fprintf(stderr, "rate: nothing to do\n");
        return 2;
    }
    TAILQ_INIT(&run.idle);
    TAILQ_INIT(&run.down);
    for (size_t i = 0; i < n_connections; i++)
        TAILQ_INSERT_TAIL(&run.down, &all[i], link);
    run.is_first = go_first();
    prctl(PR_SET_TIMERSLACK, 1); /* else a sleep ends up to 50 us late */
    run.epoll = epoll_create1(0);
    if (run.epoll < 0)
        die("epoll_create1");
    run_all(&run);
    give_up(&run, all, n_connections);
    print(&run);
    free(all);
    return 0;
}
