/* SPDX-License-Identifier: MIT */
/* What handlers ask of their calls, and what they may answer.
 * Linked with: -Wl,--wrap=sj_clock_ns */
#include "http/call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/http/calling.h"
#include "tests/http/client.h"

#define ASK(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static struct plug plug;
static struct calling calling;
static struct client client;

static int ask_much(struct sj_call *call)
{
    static const struct {
        const char *name, *value;
    } wrongs[] = {{"", "a"},
                  {"a b", "c"},
                  {"a", "b\r\nc: d"},
                  {"a", "\1"},
                  {"Date", "today"},
                  {"a:", "b"},
                  {"Content-Length", "1"},
                  {"connection", "a"},
                  {"Transfer-Encoding", "chunked"}};

    for (size_t i = 0; i < sizeof(wrongs) / sizeof(*wrongs); i++)
        assert_int_equal(sj_answer_field(call, wrongs[i].name, wrongs[i].value), -EINVAL);
    assert_int_equal(sj_answer_status(call, 199), -EINVAL);
    assert_int_equal(sj_answer_status(call, 600), -EINVAL);
    assert_int_equal(sj_answer_field(call, "A", ""), 0);
    for (int error = 0; error != -E2BIG;)
        error = sj_answer_field(call, "X-Much", "0123456789012345678901234567890123456789");
    return 0;
}

static int give_no_file(struct sj_call *call)
{
    assert_int_equal(sj_answer_file(call, -1, 0, 100), -EBADF);
    return sj_answer_text(call, "no file");
}

static int ask_parameters(struct sj_call *call)
{
    uint64_t number = 7;

    assert_string_equal(sj_call_parameter(call, "a b"), "c d");
    assert_null(sj_call_parameter(call, "nul")); /* what follows it would be lost */
    assert_int_equal(sj_call_number(call, "nul", 100, &number), -ENOENT);
    assert_int_equal(sj_call_number(call, "large", UINT64_MAX, &number), -ERANGE);
    assert_int_equal(sj_call_number(call, "empty", 100, &number), -EINVAL);
    assert_int_equal(number, 7);
    assert_int_equal(sj_call_number(call, "most", UINT64_MAX, &number), 0);
    assert_true(number == UINT64_MAX);
    return sj_answer_text(call, "asked");
}

static int give_nothing(struct sj_call *call)
{
    assert_int_equal(sj_answer_memory(call, NULL, 0, NULL, NULL), 0);
    assert_int_equal(sj_answer_bytes(call, NULL, 0), 0);
    return 0;
}

static int give_205(struct sj_call *call)
{
    sj_answer_status(call, 205);
    return sj_answer_text(call, "content");
}

static int stream_205(struct sj_call *call)
{
    sj_answer_status(call, 205);
    sj_answer_text(call, "before");
    assert_int_equal(sj_answer_chunk(call, "content", 7), 0);
    return 0;
}

static int give_405(struct sj_call *call)
{
    (void)call;
    return 405;
}

static const struct sj_handler handlers[] = {
    {"much", ask_much, SJ_SYNC},      {"file", give_no_file, SJ_SYNC},
    {"ask", ask_parameters, SJ_SYNC}, {"nothing", give_nothing, SJ_SYNC},
    {"405", give_405, SJ_SYNC},       {"205", give_205, SJ_SYNC},
    {"stream", stream_205, SJ_SYNC},  {0}};

static int make_plug(void **state)
{
    static const char *options[] = {"/much=m:much,class=quick",    "/file=m:file,class=quick",
                                    "/ask=m:ask,class=quick",      "/nothing=m:nothing,class=quick",
                                    "/405=m:405,class=quick",      "/205=m:205,class=quick",
                                    "/stream=m:stream,class=quick"};
    const struct sj_option_list list = {options, sizeof(options) / sizeof(*options)};

    (void)state;
    calling_init(&calling, &plug, handlers, &list);
    client_init(&client, plug_connect(&plug, 0));
    return 0;
}

static int remove_plug(void **state)
{
    (void)state;
    client_fini(&client);
    calling_fini(&plug);
    return 0;
}

static void say(const char *text)
{
    tell(&client, text);
    plug_settle(&plug);
}

static void answered(const char *text, unsigned times)
{
    assert_false(hear(&client));
    assert_int_equal(count(&client, text), times);
}

static void fields_that_are_the_servers_are_refused(void **state)
{
    (void)state;
    say(ASK("/much"));
    answered("HTTP/1.1 200", 1);
    answered("\r\nA: \r\n", 1);
}

static void a_descriptor_that_is_none_is_refused(void **state)
{
    (void)state;
    say(ASK("/file"));
    answered("\r\n\r\nno file", 1);
}

static void parameters_are_decoded_and_checked(void **state)
{
    (void)state;
    say(ASK(
        "/ask?a%20b=c+d&nul=12%003&empty=&large=18446744073709551616&most=18446744073709551615"));
    answered("\r\n\r\nasked", 1);
}

static void no_bytes_are_an_empty_body(void **state)
{
    (void)state;
    say(ASK("/nothing"));
    answered("HTTP/1.1 200", 1);
    answered("\r\nContent-Length: 0\r\n", 1);
}

static void a_405_without_its_field_is_no_result(void **state)
{
    (void)state;
    say(ASK("/405"));
    answered("HTTP/1.1 500", 1);
    answered("Allow", 0);
}

/* RFC 9110 section 15.3.6; its end is where a length says. */
static void a_205_has_no_content(void **state)
{
    static const char *const asks[] = {ASK("/205"), ASK("/stream")};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        say(asks[i]);
        answered("HTTP/1.1 205 Reset Content\r\n", i + 1);
        answered("\r\nContent-Length: 0\r\n\r\n", i + 1);
        answered("chunked", 0);
        answered("content", 0);
        answered("before", 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_plug, remove_plug)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(fields_that_are_the_servers_are_refused), TEST(a_descriptor_that_is_none_is_refused),
        TEST(parameters_are_decoded_and_checked),      TEST(no_bytes_are_an_empty_body),
        TEST(a_405_without_its_field_is_no_result),    TEST(a_205_has_no_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
