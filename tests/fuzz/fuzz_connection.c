/* SPDX-License-Identifier: MIT */
/*
 * Input: an octet that says how to cut, and all that a client sends before it closes its side.
 * However that is cut, and whoever runs the tasks, the responses are those to the whole in one
 * piece; all of them are responses; and nothing of the connection is left.
 *
 * Linked with: -Wl,--wrap=sj_clock_ns
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/http/plug.h"

#define INPUT_MAX 16384

struct text {
    char *at;
    size_t length;
};

static struct plug plug;
static uint64_t state; /* of the cuts */

static void remove_plug(void)
{
    plug_fini(&plug);
}

static void make_plug(void)
{
    struct sj_entry *entry;

    plug_init(&plug);
    entry = site_add(&plug.site, "/t", "0123456789", SITE_HELD);
    site_add_variant(&plug.site, entry, SJ_GZIP, "01234567");
    site_add_large(&plug.site, "/d", 1000, SITE_ON_DISK);
    site_add_redirect(&plug.site, "/r", "r/");
    plug_start(&plug);
    plug_batch(&plug, false);
    atexit(remove_plug);
}

/* S. Vigna's splitmix64 */
static uint64_t below(uint64_t limit)
{
    uint64_t mix = state += 0x9e3779b97f4a7c15u;

    mix = (mix ^ mix >> 30) * 0xbf58476d1ce4e5b9u;
    mix = (mix ^ mix >> 27) * 0x94d049bb133111ebu;
    return (mix ^ mix >> 31) % limit;
}

static void receive(int client, struct text *got)
{
    ssize_t n;

    do {
        got->at = realloc(got->at, got->length + 65536);
        assert(got->at != NULL);
        n = recv(client, got->at + got->length, 65536, 0);
        got->length += n > 0 ? (size_t)n : 0;
    } while (n > 0);
}

static void step(void)
{
    unsigned loop = (unsigned)below(PLUG_LOOPS);

    switch (below(3)) {
    case 0:
        plug_poll(&plug, loop);
        break;
    case 1:
        plug_deliver(&plug, loop);
        break;
    default:
        plug_steal_one(&plug, loop, (unsigned)below(PLUG_LOOPS));
    }
}

/* In pieces of at most `piece` octets. */
static struct text converse(const char *from, size_t length, size_t piece)
{
    struct text got = {NULL, 0};
    int client = plug_connect(&plug, 0);

    while (length > 0) {
        size_t n = 1 + below(piece < length ? piece : length);
        ssize_t sent;

        if (piece > INPUT_MAX)
            n = length;
        sent = send(client, from, n, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            break; /* the server has closed */
        from += sent > 0 ? sent : 0;
        length -= sent > 0 ? (size_t)sent : 0;
        for (uint64_t left = below(4); piece <= INPUT_MAX && left > 0; left--)
            step();
        if (sent < 0)
            plug_settle(&plug);
        receive(client, &got);
    }
    shutdown(client, SHUT_WR);
    plug_settle(&plug);
    receive(client, &got);
    plug_settle(&plug);
    receive(client, &got);
    assert(plug_open_connections(&plug) == 0);
    close(client);
    return got;
}

/* Dates tick, boundaries are random. */
static void mask(struct text *text)
{
    char *end = text->at + text->length, *at = text->at;

    while ((at = memmem(at, (size_t)(end - at), "\r\nDate: ", 8)) != NULL) {
        assert(end - at > 37);
        memset(at + 8, '-', 29);
        at += 37;
    }
    for (at = text->at; (at = memmem(at, (size_t)(end - at), "scrubjay", 8)) != NULL;) {
        at += 8;
        for (unsigned i = 0; i < 16 && at < end && *at != '\r'; i++)
            *at++ = '-';
    }
}

/* Each begins with a status line and says where it ends; of a HEAD's that is not seen here. */
static void check(const struct text *text)
{
    static struct pattern status_line = {.text = "^HTTP/1\\.1 [2-5][0-9][0-9] [A-Za-z ]+\r$"};
    const char *end;

    if (text->length == 0)
        return;
    end = memchr(text->at, '\n', text->length);
    assert(end != NULL && matches(&status_line, text->at, (size_t)(end - text->at)));
    assert(memmem(text->at, text->length, "\r\n\r\n", 4) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text whole, cut;

    if (size < 1 || size > INPUT_MAX)
        return 0;
    if (plug.sched == NULL)
        make_plug();
    state = data[0];
    whole = converse((const char *)data + 1, size - 1, SIZE_MAX);
    cut = converse((const char *)data + 1, size - 1, 1u << data[0] % 12);
    check(&whole);
    mask(&whole);
    mask(&cut);
    assert(whole.length == cut.length && memcmp(whole.at, cut.at, whole.length) == 0);
    free(whole.at);
    free(cut.at);
    return 0;
}
