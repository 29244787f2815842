/* SPDX-License-Identifier: MIT */
/* Input: a chunked body and what follows it.  However it is cut, the content is what a decoder of
 * whole bodies finds, one expression a line. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "http/framing.h"
#include "tests/http/head.h"

#define OPEN 1 /* more would be needed */

#define QUOTED_STRING "\"([]\t !#-[^-~\x80-\xff]|\\\\" VALUE_OCTET ")*\""

static struct pattern size_line = {.text = "^[0-9A-Fa-f]+(" OWS ";" OWS TOKEN_OCTET "+(" OWS "=" OWS
                                           "(" TOKEN_OCTET "+|" QUOTED_STRING "))?)*$"};
static struct pattern trailer_line = {.text = "^" TOKEN_OCTET "+:" VALUE_OCTET "*$"};

struct body {
    int status; /* 0: complete */
    size_t used;
    size_t length;
    char *content;
};

/* One CRLF-terminated line from `*at`: its length without CRLF, or OPEN in `*status`; a bare CR or
 * LF is 400. */
static size_t take_line(const char *text, size_t length, size_t *at, int *status)
{
    size_t n = 0;

    while (*at + n < length && text[*at + n] != '\r' && text[*at + n] != '\n')
        n++;
    *status = 0;
    if (*at + n < length && text[*at + n] == '\n')
        *status = 400;
    else if (*at + n + 1 < length && text[*at + n + 1] != '\n')
        *status = 400;
    else if (*at + n + 1 >= length)
        *status = OPEN;
    *at += n + 2;
    return n;
}

static void decode_trailers(const char *text, size_t length, size_t at, struct body *body)
{
    size_t first = at, n;

    do {
        size_t line = at;

        n = take_line(text, length, &at, &body->status);
        if (body->status == 0 && at - first > 8192)
            body->status = 431;
        if (body->status == 0 && n > 0 && !matches(&trailer_line, text + line, n))
            body->status = 400;
    } while (body->status == 0 && n > 0);
    body->used = at;
}

/* Knows nothing of input that is not there yet: that is OPEN, even if it is bad already. */
static void decode(const char *text, size_t length, struct body *body)
{
    size_t at = 0, extensions = 0;

    for (;;) {
        size_t line = at, n = take_line(text, length, &at, &body->status), digits = 0;
        unsigned __int128 size = 0;

        if (body->status != 0)
            return;
        body->status = 400;
        if (n > 256 || !matches(&size_line, text + line, n))
            return;
        for (; digits < n && strchr("0123456789abcdefABCDEF", text[line + digits]); digits++) {
            char digit[2] = {text[line + digits], '\0'};

            size = size * 16 + strtoul(digit, NULL, 16);
            if (size > INT64_MAX)
                return;
        }
        extensions += n - digits;
        if (extensions > 8192)
            return;
        if (size == 0) {
            decode_trailers(text, length, at, body);
            return;
        }
        body->status = OPEN;
        if (size > length - at)
            return;
        memcpy(body->content + body->length, text + at, (size_t)size);
        body->length += (size_t)size;
        at += (size_t)size;
        if (take_line(text, length, &at, &body->status) != 0 && body->status == 0)
            body->status = 400;
        if (body->status != 0)
            return;
    }
}

/* In pieces of `piece` octets, each in memory of its own. */
static void feed(const char *text, size_t length, size_t piece, struct body *body)
{
    struct sj_chunked chunked;
    struct sj_chunked_step step = {.is_done = false};

    sj_chunked_init(&chunked);
    body->status = OPEN;
    while (body->used < length && body->status == OPEN) {
        size_t n = length - body->used < piece ? length - body->used : piece;
        char *copy = copy_exactly(text + body->used, n);
        int status = sj_chunked_feed(&chunked, copy, n, &step);

        if (status == 0) {
            assert(step.used > 0 && step.used <= n && step.data.length <= step.used);
            memcpy(body->content + body->length, step.data.at, step.data.length);
            body->length += step.data.length;
            body->used += step.used;
        }
        body->status = status != 0 ? status : step.is_done ? 0 : OPEN;
        free(copy);
    }
}

static void check(const char *text, size_t length, size_t piece, const struct body *expected)
{
    struct body body = {.content = malloc(length + 1)};

    assert(body.content != NULL);
    feed(text, length, piece, &body);
    /* The oracle gives up at the end of the input or of a line, the decoder at the first octet. */
    assert(expected->status == OPEN
               ? body.status != 0
               : body.status == expected->status ||
                     (body.status != 0 && body.status != OPEN && expected->status != 0));
    if (expected->status == 0)
        assert(body.used == expected->used && body.length == expected->length);
    assert(body.length >= expected->length);
    assert(memcmp(body.content, expected->content, expected->length) == 0);
    free(body.content);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct body expected = {.content = malloc(size + 1)};

    assert(expected.content != NULL);
    decode(text, size, &expected);
    check(text, size, 1, &expected);
    check(text, size, 7, &expected);
    check(text, size, size + 1, &expected);
    free(expected.content);
    return 0;
}
