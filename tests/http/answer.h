/* SPDX-License-Identifier: MIT */
#ifndef SJ_TESTS_HTTP_ANSWER_H
#define SJ_TESTS_HTTP_ANSWER_H
/* What the static handler answers to a request in text: the whole response, put together from its
 * parts without a socket.  For cmocka tests. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "http/static.h"
#include "tests/http/site.h"

struct answer {
    struct sj_exchange_pool pool;
    struct sj_composer composer;
    struct sj_exchange *exchange;
    int status;
    char *text; /* head and body, and a NUL */
    size_t length;
    const char *body;
    size_t body_length;
};

/* Appends a part; true: all of it was there. */
static inline bool answer_take(struct answer *answer, const struct sj_part *part)
{
    char *to = answer->text + answer->length;
    ssize_t got = (ssize_t)part->length;

    if (part->bytes != NULL)
        memcpy(to, part->bytes, part->length);
    else
        got = pread(answer->exchange->output.descriptor, to, part->length, (off_t)part->first);
    answer->length += got > 0 ? (size_t)got : 0;
    return got == (ssize_t)part->length;
}

static inline void answer_collect(struct answer *answer)
{
    struct sj_output *output = &answer->exchange->output;
    size_t length = 0;

    for (unsigned i = 0; i < output->n_parts; i++)
        length += output->parts[i].length;
    answer->text = malloc(length + 1);
    assert_non_null(answer->text);
    for (unsigned i = 0; i < output->n_parts; i++)
        assert_true(answer_take(answer, &output->parts[i]));
    answer->text[answer->length] = '\0';
    answer->body = strstr(answer->text, "\r\n\r\n");
    assert_non_null(answer->body);
    answer->body += 4;
    answer->body_length = answer->length - (size_t)(answer->body - answer->text);
    assert_int_equal(answer->exchange->response_head, answer->body - answer->text);
    assert_int_equal(strtol(answer->text + strlen("HTTP/1.1 "), NULL, 10), answer->status);
}

/* `head`: a whole request head.  answer_free is due. */
static inline struct answer *answer_to(const struct site *site, const char *head)
{
    struct sj_request_limits limits = {65536, 100, 65536};
    struct sj_static handler = {site->index, true};
    struct answer *answer = calloc(1, sizeof(*answer));
    struct sj_exchange *exchange;
    size_t length = strlen(head);

    assert_non_null(answer);
    sj_exchange_pool_init(&answer->pool, limits.fields, NULL);
    sj_composer_init(&answer->composer);
    exchange = sj_exchange_new_sized(&answer->pool, sj_exchange_size(length));
    assert_non_null(exchange);
    memcpy(exchange->buffer, head, length);
    exchange->status = sj_request_parse(&exchange->request, &limits, exchange->buffer, length);
    if (exchange->status == 0)
        sj_exchange_prepare(exchange, 1000);
    assert_int_equal(sj_static_answer(&handler, site_generation(site), &answer->composer, exchange),
                     0);
    answer->exchange = exchange;
    answer->status = exchange->status;
    answer_collect(answer);
    return answer;
}

static inline void answer_free(struct answer *answer)
{
    sj_exchange_free(&answer->pool, answer->exchange);
    sj_exchange_pool_fini(&answer->pool);
    free(answer->text);
    free(answer);
}

/* A line of the head, from its first octet and with its CRLF or not. */
static inline bool answer_has(const struct answer *answer, const char *line)
{
    const char *at = strstr(answer->text, line);

    return at != NULL && at < answer->body && (at == answer->text || at[-1] == '\n');
}

#endif
