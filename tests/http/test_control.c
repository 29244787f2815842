/* SPDX-License-Identifier: MIT */
/* Linked with: -Wl,--wrap=accept4 -Wl,--wrap=calloc -Wl,--wrap=getsockopt -Wl,--wrap=sj_log */
#include "http/control.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <event2/event.h>
#include <cmocka.h>

#define BIG (1 << 20) /* more than a socket takes at once */

static struct event_base *base;
static struct sj_control *control;
static struct sj_control_request *held[SJ_CONTROL_CLIENTS];
static unsigned n_held, n_logged;
static uid_t peer; /* who connects */
static int accept_error;
static bool calloc_fails;
static char folder[32], path[64], got[BIG + 64];

int __real_accept4(int listener, struct sockaddr *address, socklen_t *length, int flags);
int __wrap_accept4(int listener, struct sockaddr *address, socklen_t *length, int flags);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
int __wrap_getsockopt(int socket, int level, int option, void *to, socklen_t *length);
void __wrap_sj_log(struct sj_log *log, enum sj_log_level level, const char *format, ...);

int __wrap_accept4(int listener, struct sockaddr *address, socklen_t *length, int flags)
{
    errno = accept_error;
    return accept_error != 0 ? -1 : __real_accept4(listener, address, length, flags);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return calloc_fails ? NULL : __real_calloc(n, size);
}

int __wrap_getsockopt(int socket, int level, int option, void *to, socklen_t *length)
{
    assert_true(socket >= 0 && level == SOL_SOCKET && option == SO_PEERCRED);
    assert_int_equal(*length, sizeof(struct ucred));
    *(struct ucred *)to = (struct ucred){.uid = peer};
    return 0;
}

void __wrap_sj_log(struct sj_log *log, enum sj_log_level level, const char *format, ...)
{
    (void)log;
    (void)level;
    (void)format;
    n_logged++;
}

static void echo(void *argument, struct sj_control_request *request)
{
    char text[256] = "";

    assert_ptr_equal(argument, &base);
    for (unsigned i = 0; sj_control_word(request, i) != NULL; i++)
        sprintf(text + strlen(text), "[%s]", sj_control_word(request, i));
    sj_control_answer(request, SJ_CONTROL_OK, text);
}

static void echo_rest(void *argument, struct sj_control_request *request)
{
    char text[512];
    const char *rest = sj_control_rest(request, 2);

    assert_ptr_equal(argument, &base);
    snprintf(text, sizeof(text), "[%s][%s]", sj_control_word(request, 1),
             rest == NULL ? "none" : rest);
    assert_true(rest == NULL || sj_control_word(request, 3) == NULL);
    sj_control_answer(request, SJ_CONTROL_REFUSED, text);
}

static void hold(void *argument, struct sj_control_request *request)
{
    (void)argument;
    held[n_held++] = request;
}

static void answer_much(void *argument, struct sj_control_request *request)
{
    char *text = malloc(BIG + 1);

    (void)argument;
    memset(text, 'x', BIG);
    text[BIG] = '\0';
    sj_control_answer(request, SJ_CONTROL_ERROR, text);
    free(text);
}

static const struct sj_control_command commands[] = {
    {"echo", echo}, {"rest", echo_rest}, {"hold", hold}, {"much", answer_much}, {0}};

static void answer_http(void *argument, struct sj_control_request *request)
{
    char text[256];

    (void)argument;
    snprintf(text, sizeof(text), "HTTP/1.1 200 OK [%s][%s]", sj_control_word(request, 0),
             sj_control_word(request, 1));
    sj_control_answer_bare(request, text);
}

static int open_it(unsigned idle_ms)
{
    struct sj_control_config config = {
        .path = path,
        .commands = commands,
        .http = answer_http,
        .argument = &base,
        .base = base,
        .user = geteuid(),
        .group = getegid(),
        .idle_ms = idle_ms,
    };

    return sj_control_new(&config, &control);
}

static int begin(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    n_held = n_logged = 0;
    peer = geteuid();
    accept_error = 0;
    calloc_fails = false;
    strcpy(folder, "/tmp/sj-control-XXXXXX");
    base = event_base_new();
    if (mkdtemp(folder) == NULL || base == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/socket", folder);
    return open_it(60000);
}

static int end(void **state)
{
    (void)state;
    calloc_fails = false;
    sj_control_free(control);
    control = NULL;
    event_base_free(base);
    unlink(path);
    return rmdir(folder);
}

static int connect_to(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    strcpy(address.sun_path, path);
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
    return client;
}

static void turn(void)
{
    for (unsigned i = 0; i < 4; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
}

static int say(const char *text)
{
    int client = connect_to();

    assert_int_equal(send(client, text, strlen(text), 0), (ssize_t)strlen(text));
    turn();
    return client;
}

/* All that comes until the server closes; the server's turns are in between. */
static const char *hear(int client)
{
    size_t length = 0;

    for (;;) {
        ssize_t n = recv(client, got + length, sizeof(got) - 1 - length, 0);

        if (n == 0 || (n < 0 && errno == ECONNRESET))
            break;
        if (n < 0)
            event_base_loop(base, EVLOOP_ONCE);
        else
            length += (size_t)n;
    }
    got[length] = '\0';
    close(client);
    return got;
}

static bool is_silent(int client)
{
    char octet;

    turn();
    return recv(client, &octet, 1, 0) < 0 && errno == EAGAIN;
}

static void a_request_is_words_and_the_answer_text(void **state)
{
    (void)state;
    assert_string_equal(hear(say("echo one  two \r\nthree\n")), "ok\n[echo][one][two]\n");
}

static void the_rest_of_a_line_keeps_its_spaces(void **state)
{
    (void)state;
    assert_string_equal(hear(say("rest a  /b  c d \r\n")), "refused\n[a][/b  c d ]\n");
    assert_string_equal(hear(say("rest a /b\n")), "refused\n[a][/b]\n");
    assert_string_equal(hear(say("rest a \r\n")), "refused\n[a][none]\n");
    assert_string_equal(hear(say("rest a /b\rc\n")), "refused\n[a][/b\rc]\n");
}

static void a_line_may_come_in_pieces(void **state)
{
    int client = say("ec");

    (void)state;
    assert_true(is_silent(client));
    send(client, "ho x", 4, 0);
    assert_true(is_silent(client));
    send(client, "\n", 1, 0);
    assert_string_equal(hear(client), "ok\n[echo][x]\n");
}

static void an_http_request_is_answered_behind_its_fields(void **state)
{
    int client = say("GET /a HTTP/1.1\r\nHost: b\r\n");

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(send(client, "Field: value\r\n", 14, 0), 14);
        turn();
    }
    assert_true(is_silent(client));
    send(client, "\r\n", 2, 0);
    assert_string_equal(hear(client), "HTTP/1.1 200 OK [GET][/a]");
}

static void an_empty_line_may_come_in_pieces_or_at_once(void **state)
{
    int client = say("GET /a HTTP/1.0\r\n\r");

    (void)state;
    assert_true(is_silent(client));
    send(client, "\n", 1, 0);
    assert_string_equal(hear(client), "HTTP/1.1 200 OK [GET][/a]");
    assert_string_equal(hear(say("GET /a HTTP/1.1\n\n")), "HTTP/1.1 200 OK [GET][/a]");
    assert_string_equal(hear(say("GET /a HTTP/1.1\r\nHost: b\r\n\r\n")),
                        "HTTP/1.1 200 OK [GET][/a]");
}

static void what_has_no_version_is_a_command(void **state)
{
    (void)state;
    assert_string_equal(hear(say("GET /a\n")), "error\nthis server does not know that command\n");
    assert_string_equal(hear(say("echo HTTP/1.1\n")), "ok\n[echo][HTTP/1.1]\n");
}

static int n_events(void)
{
    return event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED);
}

/* Else it could lose the answer by a reset. */
static void an_http_client_may_go_on_sending(void **state)
{
    int client = say("POST /a HTTP/1.1\r\n\r\n");

    (void)state;
    assert_true(recv(client, got, sizeof(got), 0) > 0);
    assert_int_equal(recv(client, got, sizeof(got), 0), 0);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(send(client, "body", 4, MSG_NOSIGNAL), 4);
        turn();
    }
    assert_true(n_events() > 1);
    close(client);
    turn();
    assert_int_equal(n_events(), 1);
}

static void what_is_not_in_the_table_is_refused(void **state)
{
    (void)state;
    assert_string_equal(hear(say("ech\n")), "error\nthis server does not know that command\n");
    assert_string_equal(hear(say(" \n")), "error\nthis server does not know that command\n");
}

static void the_longest_line_has_its_newline_within_the_limit(void **state)
{
    char line[SJ_CONTROL_LINE + 1] = "echo x";

    (void)state;
    memset(line + 6, ' ', sizeof(line) - 6);
    line[SJ_CONTROL_LINE - 1] = '\n';
    line[SJ_CONTROL_LINE] = '\0';
    assert_string_equal(hear(say(line)), "ok\n[echo][x]\n");
    line[SJ_CONTROL_LINE - 1] = ' ';
    assert_string_equal(hear(say(line)), "error\nthe request is too long\n");
}

static void a_long_answer_comes_whole(void **state)
{
    (void)state;
    hear(say("much\n"));
    assert_int_equal(strlen(got), strlen("error\n") + BIG + 1);
    assert_int_equal(strspn(got + 6, "x"), BIG);
}

static void a_command_may_answer_later(void **state)
{
    int client = say("hold\n");

    (void)state;
    assert_true(is_silent(client));
    sj_control_answer(held[0], SJ_CONTROL_OK, "now\n");
    assert_string_equal(hear(client), "ok\nnow\n");
}

static void a_client_that_has_said_all_is_answered_all_the_same(void **state)
{
    int client = say("hold\n");

    (void)state;
    shutdown(client, SHUT_WR);
    turn();
    sj_control_answer(held[0], SJ_CONTROL_OK, "now");
    assert_string_equal(hear(client), "ok\nnow\n");
}

static void a_request_outlives_its_client(void **state)
{
    (void)state;
    close(say("hold\n"));
    turn();
    assert_string_equal(sj_control_word(held[0], 0), "hold");
    sj_control_answer(held[0], SJ_CONTROL_OK, "nobody listens");
    assert_string_equal(hear(say("echo\n")), "ok\n[echo]\n");
}

static void a_client_that_leaves_in_mid_answer_is_forgotten(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2 * SJ_CONTROL_CLIENTS; i++) {
        close(say("much\n"));
        turn();
    }
    assert_string_equal(hear(say("echo\n")), "ok\n[echo]\n");
}

static void clients_that_wait_take_places_even_when_they_have_gone(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SJ_CONTROL_CLIENTS; i++)
        close(say("hold\n"));
    hear(connect_to());
    assert_non_null(strstr(got, "error\ntoo many clients"));
    sj_control_answer(held[3], SJ_CONTROL_OK, "");
    assert_string_equal(hear(say("echo\n")), "ok\n[echo]\n");
}

static void who_says_nothing_is_let_go(void **state)
{
    int client;

    (void)state;
    sj_control_free(control);
    assert_int_equal(open_it(1), 0);
    client = connect_to();
    assert_string_equal(hear(client), "error\nno request came\n");
}

static void who_says_little_now_and_then_is_let_go(void **state)
{
    int client;

    (void)state;
    sj_control_free(control);
    assert_int_equal(open_it(20), 0);
    client = connect_to();
    while (recv(client, got, sizeof(got), MSG_PEEK) < 0) {
        send(client, "x", 1, MSG_NOSIGNAL);
        turn();
        usleep(1000);
    }
    assert_string_equal(hear(client), "error\nno request came\n");
}

static void who_takes_nothing_is_let_go(void **state)
{
    int client;

    (void)state;
    sj_control_free(control);
    assert_int_equal(open_it(1), 0);
    client = say("much\n");
    while (event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED) > 1)
        event_base_loop(base, EVLOOP_ONCE);
    hear(client);
    assert_true(strlen(got) < BIG);
}

static void stopping_refuses_those_that_wait(void **state)
{
    int waiting = say("hold\n"), silent = connect_to();

    (void)state;
    turn();
    sj_control_free(control);
    control = NULL;
    assert_string_equal(hear(waiting), "error\nthe server is stopping\n");
    assert_string_equal(hear(silent), "error\nthe server is stopping\n");
}

static void only_root_and_the_own_user_are_answered(void **state)
{
    (void)state;
    peer = geteuid() + 1;
    hear(connect_to());
    assert_string_equal(got, "error\nonly root and the server's own user may control it\n");
    peer = 0;
    assert_string_equal(hear(say("echo\n")), "ok\n[echo]\n");
}

/* One complaint, not one for every turn of the loop; and the client is not forgotten. */
static void without_descriptors_it_tries_again_later(void **state)
{
    int client;

    (void)state;
    accept_error = EMFILE;
    client = say("echo\n");
    turn();
    assert_int_equal(n_logged, 1);
    accept_error = 0;
    assert_string_equal(hear(client), "ok\n[echo]\n");
}

static void without_memory_one_client_is_turned_away(void **state)
{
    (void)state;
    calloc_fails = true;
    hear(connect_to());
    assert_non_null(strstr(got, "error\ntoo many clients"));
    assert_int_equal(open_it(1000), -ENOMEM);
    calloc_fails = false;
    assert_string_equal(hear(say("echo\n")), "ok\n[echo]\n");
}

static void the_file_is_its_owners_alone_whatever_the_umask(void **state)
{
    mode_t before = umask(0);
    struct stat status;

    (void)state;
    sj_control_free(control);
    assert_int_equal(open_it(1000), 0);
    umask(before);
    assert_int_equal(lstat(path, &status), 0);
    assert_int_equal(status.st_mode, S_IFSOCK | 0600);
}

static void a_live_socket_is_left_alone(void **state)
{
    struct sj_control *first = control;

    (void)state;
    assert_int_equal(open_it(1000), -EADDRINUSE);
    assert_ptr_equal(control, first);
    assert_string_equal(hear(say("echo\n")), "ok\n[echo]\n");
}

static void a_socket_that_nobody_listens_at_is_replaced(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int dead = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)state;
    sj_control_free(control);
    control = NULL;
    strcpy(address.sun_path, path);
    assert_int_equal(bind(dead, (struct sockaddr *)&address, sizeof(address)), 0);
    close(dead);
    assert_int_equal(open_it(1000), 0);
    assert_string_equal(hear(say("echo\n")), "ok\n[echo]\n");
}

static void what_is_no_socket_stays(void **state)
{
    (void)state;
    sj_control_free(control);
    control = NULL;
    close(open(path, O_WRONLY | O_CREAT, 0644));
    assert_int_equal(open_it(1000), -EEXIST);
    assert_int_equal(access(path, F_OK), 0);
}

static void a_path_that_no_socket_can_have_is_an_error(void **state)
{
    (void)state;
    sj_control_free(control);
    control = NULL;
    strcpy(path, "");
    assert_int_equal(open_it(1000), -EINVAL);
    strcpy(path, "/nonexistent/socket");
    assert_int_equal(open_it(1000), -ENOENT);
}

static void the_end_removes_only_its_own_file(void **state)
{
    (void)state;
    unlink(path);
    close(open(path, O_WRONLY | O_CREAT, 0644));
    sj_control_free(control);
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
    control = NULL;
    assert_int_equal(open_it(1000), 0);
    sj_control_free(control);
    control = NULL;
    assert_int_equal(access(path, F_OK), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_words_and_the_answer_text),
        TEST(the_rest_of_a_line_keeps_its_spaces),
        TEST(a_line_may_come_in_pieces),
        TEST(an_http_request_is_answered_behind_its_fields),
        TEST(an_empty_line_may_come_in_pieces_or_at_once),
        TEST(what_has_no_version_is_a_command),
        TEST(an_http_client_may_go_on_sending),
        TEST(what_is_not_in_the_table_is_refused),
        TEST(the_longest_line_has_its_newline_within_the_limit),
        TEST(a_long_answer_comes_whole),
        TEST(a_command_may_answer_later),
        TEST(a_client_that_has_said_all_is_answered_all_the_same),
        TEST(a_request_outlives_its_client),
        TEST(a_client_that_leaves_in_mid_answer_is_forgotten),
        TEST(clients_that_wait_take_places_even_when_they_have_gone),
        TEST(who_says_nothing_is_let_go),
        TEST(who_says_little_now_and_then_is_let_go),
        TEST(who_takes_nothing_is_let_go),
        TEST(stopping_refuses_those_that_wait),
        TEST(only_root_and_the_own_user_are_answered),
        TEST(without_descriptors_it_tries_again_later),
        TEST(without_memory_one_client_is_turned_away),
        TEST(the_file_is_its_owners_alone_whatever_the_umask),
        TEST(a_live_socket_is_left_alone),
        TEST(a_socket_that_nobody_listens_at_is_replaced),
        TEST(what_is_no_socket_stays),
        TEST(a_path_that_no_socket_can_have_is_an_error),
        TEST(the_end_removes_only_its_own_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
