/* SPDX-License-Identifier: MIT */
/* Handlers for the end-to-end tests: one for each thing that a handler may do. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <scrubjay/handler.h>

static unsigned n_made, n_released; /* states; __atomic */
static unsigned n_threads;          /* that have not posted yet; __atomic */

static uint64_t number(struct sj_call *call, const char *name, uint64_t otherwise)
{
    sj_call_number(call, name, 1000000000, &otherwise);
    return otherwise;
}

static void release_state(void *state)
{
    free(state);
    __atomic_add_fetch(&n_released, 1, __ATOMIC_RELAXED);
}

static void *make_state(struct sj_call *call, size_t size)
{
    void *state = calloc(1, size);

    if (state != NULL) {
        __atomic_add_fetch(&n_made, 1, __ATOMIC_RELAXED);
        sj_call_set_state(call, state, release_state);
    }
    return state;
}

static void sleep_ms(uint64_t ms)
{
    struct timespec time = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000 * 1000000)};

    nanosleep(&time, NULL);
}

static void spin_us(uint64_t us)
{
    struct timespec start, now;

    clock_gettime(CLOCK_MONOTONIC, &start);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((uint64_t)(now.tv_sec - start.tv_sec) * 1000000 + (uint64_t)now.tv_nsec / 1000 <
           (uint64_t)start.tv_nsec / 1000 + us);
}

/* What was asked, line by line. */
static int show(struct sj_call *call)
{
    const char *name, *value;
    char line[512];

    sj_answer_field(call, "Content-Type", "text/plain; charset=utf-8");
    snprintf(line, sizeof(line), "%s %s rest=%s query=%s body=%llu\n", sj_call_method(call),
             sj_call_path(call), sj_call_rest(call),
             sj_call_query(call) != NULL ? sj_call_query(call) : "-",
             (unsigned long long)sj_call_body_length(call));
    sj_answer_text(call, line);
    for (unsigned i = 0; sj_call_field_at(call, i, &name, &value); i++) {
        snprintf(line, sizeof(line), "%s: %s\n", name, value);
        sj_answer_text(call, line);
    }
    value = sj_call_parameter(call, "a b");
    snprintf(line, sizeof(line), "a b=%s\n", value != NULL ? value : "none");
    return sj_answer_text(call, line);
}

/* ?us= of computing, ?n= times "x", ?status= */
static int spin(struct sj_call *call)
{
    uint64_t n = number(call, "n", 5), status = number(call, "status", 200);

    spin_us(number(call, "us", 0));
    for (uint64_t i = 0; i < n; i++)
        if (sj_answer_bytes(call, "x", 1) != 0)
            return -ENOMEM;
    return sj_answer_status(call, (int)status);
}

/* ?us= as a result, ?errno= or ?result= */
static int fail(struct sj_call *call)
{
    sj_answer_text(call, "never to be seen");
    if (sj_call_parameter(call, "errno") != NULL)
        return -(int)number(call, "errno", 0);
    return (int)number(call, "result", 418);
}

/* ?ms= of sleep that is not said; with ?say= it is. */
static int block(struct sj_call *call)
{
    bool says = sj_call_parameter(call, "say") != NULL;

    if (make_state(call, 1) == NULL)
        return -ENOMEM;
    if (says)
        sj_blocking_begin();
    sleep_ms(number(call, "ms", 10));
    if (says)
        sj_blocking_end();
    return sj_answer_text(call, "slept\n");
}

struct fib {
    struct sj_subtask subtask;
    unsigned n;
    uint64_t result;
};

static void fib(struct sj_subtask *subtask)
{
    struct fib *self = (struct fib *)subtask;
    struct fib parts[2] = {{{fib, {0}}, self->n - 1, 0}, {{fib, {0}}, self->n - 2, 0}};
    struct sj_fork fork;

    self->result = self->n;
    if (self->n < 2)
        return;
    sj_fork_begin(&fork);
    sj_fork_spawn(&fork, &parts[0].subtask);
    sj_fork_spawn(&fork, &parts[1].subtask);
    sj_fork_join(&fork);
    self->result = parts[0].result + parts[1].result;
}

/* ?n=; with ?within= the second half is spawned in a blocking section, and both are joined there.
 */
static int fork_join(struct sj_call *call)
{
    unsigned n = (unsigned)number(call, "n", 10);
    struct fib halves[2] = {{{fib, {0}}, n - 1, 0}, {{fib, {0}}, n - 2, 0}};
    bool is_within = sj_call_parameter(call, "within") != NULL;
    struct sj_fork fork;
    char line[32];

    sj_fork_begin(&fork);
    sj_fork_spawn(&fork, &halves[0].subtask);
    if (is_within)
        sj_blocking_begin();
    sj_fork_spawn(&fork, &halves[1].subtask);
    sj_fork_join(&fork);
    if (is_within)
        sj_blocking_end();
    snprintf(line, sizeof(line), "%llu\n",
             (unsigned long long)(halves[0].result + halves[1].result));
    return sj_answer_text(call, line);
}

struct nap {
    struct sj_subtask subtask;
    uint64_t ms;
};

static void nap(struct sj_subtask *subtask)
{
    sj_blocking_begin();
    sleep_ms(((struct nap *)subtask)->ms);
    sj_blocking_end();
}

/* ?n= subtasks that sleep for 0, 1, 2 .. ?ms= ms. */
static int split(struct sj_call *call)
{
    struct nap naps[64];
    uint64_t n = number(call, "n", 8), ms = number(call, "ms", 10);
    struct sj_fork fork;

    if (make_state(call, 1) == NULL)
        return -ENOMEM;
    sj_fork_begin(&fork);
    for (uint64_t i = 0; i < n && i < 64; i++) {
        naps[i] = (struct nap){{nap, {0}}, i % (ms + 1)};
        sj_fork_spawn(&fork, &naps[i].subtask);
    }
    sj_fork_join(&fork);
    return sj_answer_text(call, "joined\n");
}

/* ?n= chunks of ?size= octets, ?ms= apart; ?fail= after them. */
static int chunks(struct sj_call *call)
{
    uint64_t n = number(call, "n", 3), size = number(call, "size", 5), ms = number(call, "ms", 0);
    char *bytes = make_state(call, size + 1);

    if (bytes == NULL)
        return -ENOMEM;
    sj_answer_text(call, "first\n");
    for (uint64_t i = 0; i < n; i++) {
        memset(bytes, (int)('a' + i % 26), size);
        if (sj_answer_chunk(call, bytes, size) != 0)
            return -EPIPE;
        if (ms > 0) {
            sj_blocking_begin();
            sleep_ms(ms);
            sj_blocking_end();
        }
    }
    return sj_call_parameter(call, "fail") != NULL ? -EIO : 0;
}

/* This file's own text, from ?first= on, ?length= long, between two pieces of memory. */
static int file(struct sj_call *call)
{
    static const char end[] = "end\n";
    int descriptor = open((const char *)sj_call_context(call), O_RDONLY | O_CLOEXEC);

    if (descriptor < 0)
        return 404;
    sj_answer_text(call, "begin\n");
    sj_answer_file(call, descriptor, number(call, "first", 0), number(call, "length", 10));
    __atomic_add_fetch(&n_made, 1, __ATOMIC_RELAXED);
    return sj_answer_memory(call, end, sizeof(end) - 1, release_state, NULL);
}

struct timer {
    struct event event;
    struct sj_call *call;
    bool then;
};

static void release_timer(void *state)
{
    struct timer *timer = state;

    event_del(&timer->event);
    release_state(timer);
}

static int finish(struct sj_call *call)
{
    return sj_answer_text(call, "on a worker\n");
}

static void on_timer(evutil_socket_t none, short what, void *argument)
{
    struct timer *timer = argument;

    (void)none;
    (void)what;
    if (timer->then) {
        sj_call_then(timer->call, SJ_ON_WORKER, finish);
        return;
    }
    sj_answer_text(timer->call, "later\n");
    sj_call_end(timer->call, 0);
}

/* Answers after ?ms=; with ?then= from a worker. */
static int later(struct sj_call *call)
{
    struct timer *timer = calloc(1, sizeof(*timer));
    uint64_t ms = number(call, "ms", 10);
    struct timeval time = {.tv_sec = (time_t)(ms / 1000),
                           .tv_usec = (suseconds_t)(ms % 1000 * 1000)};

    if (timer == NULL)
        return -ENOMEM;
    __atomic_add_fetch(&n_made, 1, __ATOMIC_RELAXED);
    timer->call = call;
    timer->then = sj_call_parameter(call, "then") != NULL;
    evtimer_assign(&timer->event, sj_call_base(call), on_timer, timer);
    sj_call_set_state(call, timer, release_timer);
    return event_add(&timer->event, &time) == 0 ? SJ_LATER : -ENOMEM;
}

struct post {
    struct sj_ticket ticket;
};

static void stop(void *context)
{
    while (__atomic_load_n(&n_threads, __ATOMIC_ACQUIRE) > 0)
        sleep_ms(1);
    free(context);
}

static void on_post(struct sj_call *call, void *argument)
{
    (void)argument;
    __atomic_add_fetch(&n_released, 1, __ATOMIC_RELAXED);
    if (call == NULL)
        return;
    sj_answer_text(call, "posted\n");
    sj_call_end(call, 0);
}

static void *post_later(void *argument)
{
    struct post *post = argument;

    pthread_detach(pthread_self());
    sleep_ms(20);
    if (sj_call_post(post->ticket, on_post, NULL) != 0)
        abort();
    free(post);
    __atomic_sub_fetch(&n_threads, 1, __ATOMIC_RELEASE);
    return NULL;
}

/* A thread of its own brings the answer. */
static int posted(struct sj_call *call)
{
    struct post *post = malloc(sizeof(*post));
    pthread_t thread;

    if (post == NULL)
        return -ENOMEM;
    post->ticket = sj_call_ticket(call);
    __atomic_add_fetch(&n_threads, 1, __ATOMIC_RELAXED);
    if (pthread_create(&thread, NULL, post_later, post) != 0) {
        __atomic_sub_fetch(&n_threads, 1, __ATOMIC_RELAXED);
        free(post);
        return -EAGAIN;
    }
    __atomic_add_fetch(&n_made, 1, __ATOMIC_RELAXED);
    return SJ_LATER;
}

/* ?n= chunks of 64 KiB, as fast as the client takes them. */
struct flow {
    uint64_t n_left;
};

static void flow_on(struct sj_call *call)
{
    static const char bytes[65536];
    struct flow *flow = sj_call_state(call);
    int error = 0;

    while (flow->n_left > 0 && (error = sj_answer_chunk(call, bytes, sizeof(bytes))) == 0)
        flow->n_left--;
    if (error == -EAGAIN)
        sj_answer_when_room(call, flow_on);
    else
        sj_call_end(call, error);
}

static int flow(struct sj_call *call)
{
    struct flow *state = make_state(call, sizeof(*state));

    if (state == NULL)
        return -ENOMEM;
    state->n_left = number(call, "n", 10);
    flow_on(call);
    return SJ_LATER;
}

/* How many states there have been, and how many of them have been released. */
static int states(struct sj_call *call)
{
    char line[64];

    snprintf(line, sizeof(line), "%u %u\n", __atomic_load_n(&n_made, __ATOMIC_RELAXED),
             __atomic_load_n(&n_released, __ATOMIC_RELAXED));
    return sj_answer_text(call, line);
}

/* The settings are the path of the file that `file` sends. */
static int start(const struct sj_setup *setup, void **context)
{
    if (strcmp(setup->settings, "fail") == 0) {
        snprintf(setup->error, setup->error_size, "asked to");
        return -EINVAL;
    }
    *context = strdup(setup->settings);
    return *context != NULL ? 0 : -ENOMEM;
}

static const struct sj_handler handlers[] = {
    {"show", show, SJ_SYNC},
    {"spin", spin, SJ_SYNC},
    {"fail", fail, SJ_SYNC},
    {"block", block, SJ_SYNC},
    {"fork", fork_join, SJ_SYNC},
    {"chunks", chunks, SJ_SYNC},
    {"file", file, SJ_SYNC},
    {"states", states, SJ_SYNC},
    {"later", later, SJ_ASYNC},
    {"posted", posted, SJ_ASYNC},
    {"flow", flow, SJ_ASYNC},
    {"split", split, SJ_SYNC},
    {0},
};

SJ_MODULE = {.abi = SJ_ABI, .name = "tasks", .handlers = handlers, .start = start, .stop = stop};
