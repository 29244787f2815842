/* SPDX-License-Identifier: MIT */
/*
 * echo: sends the request's body back, piece by piece.  As octets, whatever it came as: under the
 * request's media type another site's form could have its page shown as one of this site.  The
 * server adds that browsers shall not guess another type (nosniff).
 *
 *     cc -shared -fPIC $(pkg-config --cflags scrubjay) -o echo.so echo.c
 *     scrubjay serve --module ./echo.so --route /echo=echo:echo,body=100M
 *     curl --data-binary @FILE http://localhost:8080/echo
 */
#include <errno.h>
#include <string.h>
#include <scrubjay/handler.h>

static int echo(struct sj_call *call)
{
    uint64_t length = sj_call_body_length(call);
    char piece[65536];
    int error = 0;

    if (strcmp(sj_call_method(call), "POST") != 0 && strcmp(sj_call_method(call), "PUT") != 0) {
        sj_answer_field(call, "Allow", "POST, PUT");
        sj_answer_status(call, 405);
        return sj_answer_text(call, "echo takes POST and PUT\n");
    }
    sj_answer_field(call, "Content-Type", "application/octet-stream");
    for (uint64_t first = 0; first < length && error == 0;) {
        ssize_t got = sj_call_body_read(call, first, piece, sizeof(piece));

        if (got <= 0)
            return got < 0 ? (int)got : -EIO;
        error = sj_answer_chunk(call, piece, (size_t)got); /* waits while the client is slow */
        first += (uint64_t)got;
    }
    return error;
}

static const struct sj_handler handlers[] = {{"echo", echo, SJ_SYNC}, {0}};

SJ_MODULE = {.abi = SJ_ABI, .name = "echo", .handlers = handlers};
