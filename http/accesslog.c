/* SPDX-License-Identifier: MIT */
#include "http/accesslog.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Octets kept of each text that the client sent. */
#define SJ_REQUEST_LINE_LOGGED 4096
#define SJ_FIELD_LOGGED        1024

#define SJ_PEER_MAX 64

struct sj_text sj_peer_text(const struct sockaddr *peer, char *room)
{
    const void *address = NULL;

    if (peer->sa_family == AF_INET)
        address = &((const struct sockaddr_in *)(const void *)peer)->sin_addr;
    else if (peer->sa_family == AF_INET6)
        address = &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr;
    if (address == NULL || inet_ntop(peer->sa_family, address, room, SJ_PEER_MAX) == NULL)
        return SJ_TEXT("unix:");
    return (struct sj_text){room, strlen(room)};
}

/* Local time, without strftime: month names must not depend on the locale. */
static void write_time(struct sj_writer *line)
{
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t now = time(NULL);
    struct tm tm;
    char text[64];
    long minutes;
    int length;

    localtime_r(&now, &tm);
    minutes = tm.tm_gmtoff / 60;
    length = snprintf(text, sizeof(text), "[%02d/%s/%04d:%02d:%02d:%02d %c%02ld%02ld]", tm.tm_mday,
                      months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec,
                      minutes < 0 ? '-' : '+', labs(minutes) / 60, labs(minutes) % 60);
    sj_write(line, text, (size_t)length);
}

static void write_escaped(struct sj_writer *line, struct sj_text text, size_t most)
{
    sj_write_literal(line, "\"");
    if (text.length == 0)
        sj_write_literal(line, "-");
    else
        line->at += sj_log_escape(
            line->at, (size_t)(line->end - line->at) < most ? (size_t)(line->end - line->at) : most,
            text.at, text.length);
    sj_write_literal(line, "\"");
}

static void write_field(struct sj_writer *line, const struct sj_exchange *exchange,
                        enum sj_field_id id)
{
    struct sj_text value = {NULL, 0};
    uint32_t at = 0;

    if (exchange->request.state == SJ_REQUEST_DONE)
        sj_request_next(&exchange->request, exchange->buffer, id, &at, &value);
    sj_write_literal(line, " ");
    write_escaped(line, value, SJ_FIELD_LOGGED);
}

void sj_accesslog_write(struct sj_log *log, const struct sockaddr *peer,
                        const struct sj_exchange *exchange)
{
    char room[SJ_LOG_LINE_MAX], host[SJ_PEER_MAX];
    struct sj_writer line = {room, room + sizeof(room) - 1, false};
    uint64_t sent = exchange->output.sent;
    struct sj_text request = sj_request_text(exchange->buffer, exchange->request.line);

    sj_write_text(&line, sj_peer_text(peer, host));
    sj_write_literal(&line, " - - ");
    write_time(&line);
    sj_write_literal(&line, " ");
    write_escaped(&line, request, SJ_REQUEST_LINE_LOGGED);
    sj_write_literal(&line, " ");
    sj_write_number(&line, (uint64_t)exchange->status);
    sj_write_literal(&line, " ");
    sj_write_number(&line, sent > exchange->response_head ? sent - exchange->response_head : 0);
    write_field(&line, exchange, SJ_FIELD_REFERER);
    write_field(&line, exchange, SJ_FIELD_USER_AGENT);
    sj_log_access(log, room, (size_t)(line.at - room));
}
