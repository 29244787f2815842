/* SPDX-License-Identifier: MIT */
#ifndef SJ_TESTS_HTTP_CLIENT_H
#define SJ_TESTS_HTTP_CLIENT_H
/* The client's end of a connection, and all that has come out of it.  For cmocka tests. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct client {
    int socket;
    char *input; /* and a NUL */
    size_t length;
};

static inline void client_init(struct client *client, int socket)
{
    *client = (struct client){.socket = socket, .input = calloc(1, 1)};
    assert_non_null(client->input);
}

static inline void client_fini(struct client *client)
{
    if (client->socket >= 0)
        close(client->socket);
    free(client->input);
}

static inline void tell(struct client *client, const char *text)
{
    assert_int_equal(send(client->socket, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Reads at most that many octets; true: the server has closed its side. */
static inline bool hear_some(struct client *client, size_t most)
{
    ssize_t got;

    client->input = realloc(client->input, client->length + most + 1);
    assert_non_null(client->input);
    got = recv(client->socket, client->input + client->length, most, 0);
    if (got > 0)
        client->length += (size_t)got;
    client->input[client->length] = '\0';
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

/* All that is there. */
static inline bool hear(struct client *client)
{
    size_t before;
    bool has_ended;

    do {
        before = client->length;
        has_ended = hear_some(client, 65536);
    } while (client->length > before);
    return has_ended;
}

static inline unsigned count(const struct client *client, const char *text)
{
    unsigned n = 0;

    for (const char *at = client->input; (at = strstr(at, text)) != NULL; at++)
        n++;
    return n;
}

#endif
