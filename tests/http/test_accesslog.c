/* SPDX-License-Identifier: MIT */
/* Linked with: -Wl,--wrap=sj_log_access -Wl,--wrap=time */
#include "http/accesslog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <cmocka.h>

static char line[SJ_LOG_LINE_MAX + 1];
static time_t now;

void __wrap_sj_log_access(struct sj_log *log, const char *text, size_t length);
time_t __wrap_time(time_t *at);

void __wrap_sj_log_access(struct sj_log *log, const char *text, size_t length)
{
    (void)log;
    assert_true(length < SJ_LOG_LINE_MAX);
    memcpy(line, text, length);
    line[length] = '\0';
}

time_t __wrap_time(time_t *at)
{
    assert_null(at);
    return now;
}

static struct sj_exchange_pool pool;
static struct sj_exchange *exchange;
static struct sockaddr_in peer;

static void set_zone(const char *zone)
{
    setenv("TZ", zone, 1);
    tzset();
}

static int begin(void **state)
{
    (void)state;
    set_zone("UTC0");
    now = 1795251600; /* 21 November 2026, 09:00 */
    sj_exchange_pool_init(&pool, 10, NULL);
    exchange = sj_exchange_new_sized(&pool, 20000);
    exchange->status = 200;
    peer = (struct sockaddr_in){.sin_family = AF_INET};
    inet_pton(AF_INET, "192.0.2.1", &peer.sin_addr);
    return 0;
}

static int end(void **state)
{
    (void)state;
    sj_exchange_free(&pool, exchange);
    sj_exchange_pool_fini(&pool);
    return 0;
}

static void read_head(const char *head)
{
    struct sj_request_limits limits = {8192, 10, 32768};

    strcpy(exchange->buffer, head);
    sj_request_parse(&exchange->request, &limits, exchange->buffer, strlen(head));
}

static void write_line(void)
{
    sj_accesslog_write(NULL, (const struct sockaddr *)&peer, exchange);
}

static void a_line_is_in_the_combined_form(void **state)
{
    (void)state;
    read_head("GET /a?b HTTP/1.1\r\nHost: a\r\nUser-Agent: agent/1\r\nReferer: http://r/\r\n\r\n");
    exchange->response_head = 100;
    exchange->output.sent = 150;
    write_line();
    assert_string_equal(line, "192.0.2.1 - - [21/Nov/2026:09:00:00 +0000] \"GET /a?b HTTP/1.1\" "
                              "200 50 \"http://r/\" \"agent/1\"");
}

static void only_octets_of_the_body_count(void **state)
{
    (void)state;
    read_head("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    exchange->response_head = 100;
    exchange->output.sent = 60; /* the client went away within the head */
    write_line();
    assert_non_null(strstr(line, "\" 200 0 \"-\" \"-\""));
}

static void what_was_not_sent_is_a_dash(void **state)
{
    (void)state;
    exchange->status = 408;
    write_line();
    assert_string_equal(line, "192.0.2.1 - - [21/Nov/2026:09:00:00 +0000] \"-\" 408 0 \"-\" \"-\"");
}

static void fields_of_an_incomplete_head_are_not_looked_at(void **state)
{
    (void)state;
    read_head("GET / HTTP/1.1\r\nUser-Agent: agent\r\nbad\r\n");
    exchange->status = 400;
    write_line();
    assert_non_null(strstr(line, "\"GET / HTTP/1.1\" 400 0 \"-\" \"-\""));
}

static void what_a_client_sends_cannot_forge_a_line(void **state)
{
    (void)state;
    read_head("GET /%22 HTTP/1.1\r\nHost: a\r\nUser-Agent: \"\\\t\xff\r\n\r\n");
    write_line();
    assert_non_null(strcasestr(line, "\"\\x22\\x5c\\x09\\xff\""));
}

static void long_texts_are_cut_and_the_line_is_whole(void **state)
{
    char *head = malloc(20000), path[7001] = "", field[5001] = "";

    (void)state;
    memset(path, '~', sizeof(path) - 1);
    memset(field, '"', sizeof(field) - 1);
    snprintf(head, 20000, "GET /%s HTTP/1.1\r\nHost: a\r\nReferer: %s\r\nUser-Agent: %s\r\n\r\n",
             path, field, field);
    read_head(head);
    assert_int_equal(exchange->request.state, SJ_REQUEST_DONE);
    write_line();
    assert_int_equal(line[strlen(line) - 1], '"');
    assert_int_equal(strlen(line), strlen("192.0.2.1 - - [21/Nov/2026:09:00:00 +0000] ") + 4096 +
                                       1024 + 1024 + strlen("\"\" 200 0 \"\" \"\""));
    free(head);
}

static void time_is_local_with_its_offset(void **state)
{
    (void)state;
    set_zone("XXX-5:30");
    write_line();
    assert_non_null(strstr(line, "[21/Nov/2026:14:30:00 +0530]"));
    set_zone("XXX3:30");
    write_line();
    assert_non_null(strstr(line, "[21/Nov/2026:05:30:00 -0330]"));
}

static void peers_are_written_as_addresses(void **state)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct sockaddr local = {.sa_family = AF_UNIX};
    char room[64];
    struct sj_text text = sj_peer_text((const struct sockaddr *)&peer, room);

    (void)state;
    assert_true(sj_text_equals(text, SJ_TEXT("192.0.2.1")));
    inet_pton(AF_INET6, "2001:db8::1", &v6.sin6_addr);
    text = sj_peer_text((const struct sockaddr *)&v6, room);
    assert_true(sj_text_equals(text, SJ_TEXT("2001:db8::1")));
    text = sj_peer_text(&local, room);
    assert_true(sj_text_equals(text, SJ_TEXT("unix:")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_line_is_in_the_combined_form),
        TEST(only_octets_of_the_body_count),
        TEST(what_was_not_sent_is_a_dash),
        TEST(fields_of_an_incomplete_head_are_not_looked_at),
        TEST(what_a_client_sends_cannot_forge_a_line),
        TEST(long_texts_are_cut_and_the_line_is_whole),
        TEST(time_is_local_with_its_offset),
        TEST(peers_are_written_as_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
