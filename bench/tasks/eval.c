/* SPDX-License-Identifier: MIT */
/*
 * POST /eval: which rules match the log lines in a JSON request; see bench/README.md.
 *
 *     scrubjay serve --module eval.so --route /eval=eval:eval DIRECTORY
 *
 * The rules, the file BENCH_RULES, are read again when the server reloads; requests under way go on
 * with those that they began with.  The lines of a request are shared out to all workers.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>
#include "bench/tasks/pool.h"
#include "bench/tasks/rules.h"
#include "http/handler.h"

enum { LINES = 16 };   /* of a subtask: some 0.2 ms */
enum { NUMBERS = 80 }; /* octets of a match, with three numbers */

struct eval {
    pthread_mutex_t lock; /* of `rules` */
    struct rules *rules;
    struct pool matchers;
};

/* A part of the lines, from `first` on. */
struct part {
    struct sj_subtask subtask;
    struct eval *eval;
    const struct request *request;
    size_t first, n;
    struct found found;
    int error;
};

struct request {
    struct sj_call *call;
    struct rules *rules;
    json_t *json;
    struct line *lines;
    size_t n_lines;
    struct part *parts;
    size_t n_parts;
};

static struct rules *take_rules(struct eval *eval)
{
    struct rules *rules;

    pthread_mutex_lock(&eval->lock);
    rules = eval->rules;
    rules_acquire(rules);
    pthread_mutex_unlock(&eval->lock);
    return rules;
}

static void release_request(void *state)
{
    struct request *request = state;

    for (size_t i = 0; i < request->n_parts; i++)
        free(request->parts[i].found.matches);
    free(request->parts);
    free(request->lines);
    json_decref(request->json);
    if (request->rules != NULL)
        rules_release(request->rules);
    free(request);
}

static struct matcher *take_matcher(struct eval *eval)
{
    struct matcher *matcher = (struct matcher *)pool_take(&eval->matchers);

    return matcher != NULL ? matcher : matcher_new();
}

static void search(struct sj_subtask *subtask)
{
    struct part *part = (struct part *)subtask;
    const struct request *request = part->request;
    struct matcher *matcher = take_matcher(part->eval);

    if (matcher == NULL) {
        part->error = -ENOMEM;
        return;
    }
    for (size_t i = part->first; i < part->first + part->n && part->error == 0; i++) {
        if (sj_call_is_over(request->call))
            break;
        part->error =
            rules_search(request->rules, matcher, &request->lines[i], (uint32_t)i, &part->found);
    }
    pool_give(&part->eval->matchers, (struct pooled *)matcher);
}

/* By parts, the last of them here.  0 or -ENOMEM. */
static int search_all(struct request *request, struct eval *eval)
{
    size_t n = (request->n_lines + LINES - 1) / LINES;
    struct sj_fork fork;
    int got = 0;

    request->parts = calloc(n > 0 ? n : 1, sizeof *request->parts);
    if (request->parts == NULL)
        return -ENOMEM;
    request->n_parts = n;
    sj_fork_begin(&fork);
    for (size_t i = 0; i < n; i++) {
        size_t first = i * LINES, left = request->n_lines - first;
        struct part *part = &request->parts[i];
        *part = (struct part){.subtask.run = search,
                              .eval = eval,
                              .request = request,
                              .first = first,
                              .n = left < LINES ? left : LINES};
        if (i + 1 < n)
            sj_fork_spawn(&fork, &part->subtask);
        else
            search(&part->subtask);
    }
    sj_fork_join(&fork);
    for (size_t i = 0; i < n && got == 0; i++)
        got = request->parts[i].error;
    return got;
}

/* --- the answer */

static int begin_answer(struct sj_call *call, int status)
{
    int got = sj_answer_field(call, "Content-Type", "application/json");

    return got == 0 ? sj_answer_status(call, status) : got;
}

/* 400; `position`: -1 where JSON is right, but another is wanted. */
static int refuse(struct sj_call *call, const char *why, int position)
{
    json_t *json = json_pack("{s:s%}", "error", why, strlen(why));
    char *text;
    int got = begin_answer(call, 400);

    if (json != NULL && position >= 0 &&
        json_object_set_new(json, "position", json_integer(position)) != 0)
        got = -ENOMEM;
    text = json != NULL ? json_dumps(json, 0) : NULL;
    json_decref(json);
    if (got == 0)
        got = text != NULL ? sj_answer_text(call, text) : -ENOMEM;
    free(text);
    return got;
}

static char *put_matches(char *at, const struct found *found, const char **comma)
{
    for (size_t i = 0; i < found->n; i++) {
        const struct match *match = &found->matches[i];
        at += sprintf(at, "%s{\"point\": %" PRIu32 ", \"rule\": %" PRIu32 ", \"at\": %" PRIu64 "}",
                      *comma, match->point, match->rule, match->at);
        *comma = ", ";
    }
    return at;
}

/* "bounded" only where there is any: of rules that are not fit for these lines. */
static char *put_end(char *at, const struct request *request)
{
    uint64_t n_bounded = 0;
    int64_t score = 0;

    for (size_t i = 0; i < request->n_parts; i++) {
        score += request->parts[i].found.score;
        n_bounded += request->parts[i].found.n_bounded;
    }
    at += sprintf(at, "], \"score\": %" PRId64 ", \"points\": %zu", score, request->n_lines);
    if (n_bounded > 0)
        at += sprintf(at, ", \"bounded\": %" PRIu64, n_bounded);
    return stpcpy(at, "}\n");
}

static int answer(struct sj_call *call, const struct request *request)
{
    const char *comma = "";
    size_t n = 0;
    char *text, *at;
    int got = begin_answer(call, 200);

    for (size_t i = 0; i < request->n_parts; i++)
        n += request->parts[i].found.n;
    text = malloc(n * NUMBERS + 2 * NUMBERS);
    if (got != 0 || text == NULL) {
        free(text);
        return got != 0 ? got : -ENOMEM;
    }
    at = stpcpy(text, "{\"matches\": [");
    for (size_t i = 0; i < request->n_parts; i++)
        at = put_matches(at, &request->parts[i].found, &comma);
    at = put_end(at, request);
    return sj_answer_memory(call, text, (size_t)(at - text), free, text);
}

/* --- the request */

/* A body that is in a file.  NULL: no memory, or it cannot be read. */
static char *read_body(const struct sj_call *call, size_t length)
{
    char *body = malloc(length > 0 ? length : 1);
    size_t n = 0;

    while (body != NULL && n < length) {
        ssize_t more = sj_call_body_read(call, n, body + n, length - n);
        if (more <= 0) {
            free(body);
            return NULL;
        }
        n += (size_t)more;
    }
    return body;
}

/* 0, or -errno; NULL for the request's JSON: it is none, and `*error` says why. */
static int load(struct sj_call *call, struct request *request, json_error_t *error)
{
    size_t length = (size_t)sj_call_body_length(call);
    const char *memory = sj_call_body_memory(call);
    char *body = memory != NULL ? NULL : read_body(call, length);

    if (memory == NULL && body == NULL)
        return -ENOMEM;
    request->json =
        json_loadb(memory != NULL ? memory : body, length, JSON_DECODE_ANY | JSON_ALLOW_NUL, error);
    free(body);
    if (request->json == NULL && json_error_code(error) == json_error_out_of_memory)
        return -ENOMEM;
    return 0;
}

/* 0; -EINVAL: the JSON has another form; -ENOMEM. */
static int find_lines(struct request *request)
{
    const json_t *payload = json_object_get(request->json, "payload");
    size_t n = json_is_string(payload) ? 1 : json_array_size(payload);

    if (!json_is_string(payload) && !json_is_array(payload))
        return -EINVAL;
    request->lines = calloc(n > 0 ? n : 1, sizeof *request->lines);
    if (request->lines == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const json_t *line = json_is_string(payload) ? payload : json_array_get(payload, i);
        if (!json_is_string(line))
            return -EINVAL;
        request->lines[i] = (struct line){json_string_value(line), json_string_length(line)};
    }
    request->n_lines = n;
    return 0;
}

static int run(struct sj_call *call, struct request *request, struct eval *eval)
{
    json_error_t error;
    int got = load(call, request, &error);

    if (got != 0)
        return got;
    if (request->json == NULL)
        return refuse(call, error.text, error.position);
    got = find_lines(request);
    if (got == -EINVAL)
        return refuse(call, "payload is to be a string or a list of strings", -1);
    if (got == 0)
        got = search_all(request, eval);
    return got == 0 ? answer(call, request) : got;
}

static int evaluate(struct sj_call *call)
{
    struct eval *eval = sj_call_context(call);
    struct request *request;

    if (strcmp(sj_call_method(call), "POST") != 0) {
        int got = sj_answer_field(call, "Allow", "POST");
        return got == 0 ? sj_answer_status(call, 405) : got;
    }
    request = calloc(1, sizeof *request);
    if (request == NULL)
        return -ENOMEM;
    request->call = call;
    request->rules = take_rules(eval);
    sj_call_set_state(call, request, release_request);
    return run(call, request, eval);
}

/* --- the module */

static int start(const struct sj_setup *setup, void **context)
{
    struct eval *eval = malloc(sizeof *eval);
    int got;

    if (eval == NULL)
        return -ENOMEM;
    got = rules_read(&eval->rules, getenv("BENCH_RULES"), setup->error, setup->error_size);
    if (got != 0) {
        free(eval);
        return got;
    }
    pthread_mutex_init(&eval->lock, NULL);
    pool_init(&eval->matchers);
    *context = eval;
    return 0;
}

static int reload(void *context, char *error, size_t error_size)
{
    struct eval *eval = context;
    struct rules *old, *rules;
    int got = rules_read(&rules, getenv("BENCH_RULES"), error, error_size);

    if (got != 0)
        return got;
    pthread_mutex_lock(&eval->lock);
    old = eval->rules;
    eval->rules = rules;
    pthread_mutex_unlock(&eval->lock);
    rules_release(old);
    return 0;
}

static void free_matcher(struct pooled *item)
{
    matcher_free((struct matcher *)item);
}

static void stop(void *context)
{
    struct eval *eval = context;

    pool_fini(&eval->matchers, free_matcher);
    rules_release(eval->rules);
    pthread_mutex_destroy(&eval->lock);
    free(eval);
}

static const struct sj_handler handlers[] = {{"eval", evaluate, SJ_SYNC}, {0}};

SJ_MODULE = {.abi = SJ_ABI,
             .name = "eval",
             .handlers = handlers,
             .start = start,
             .reload = reload,
             .stop = stop};
