/* SPDX-License-Identifier: MIT */
/* Linked with: -Wl,--wrap=sj_clock_ns -Wl,--wrap=open_memstream */
#include "http/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "http/server_private.h"
#include "tests/http/calling.h"

static struct plug plug;
static struct calling calling;
static struct sj_server server;
static char *answer;
static bool memory_fails;

FILE *__real_open_memstream(char **text, size_t *length);
FILE *__wrap_open_memstream(char **text, size_t *length);

FILE *__wrap_open_memstream(char **text, size_t *length)
{
    return memory_fails ? NULL : __real_open_memstream(text, length);
}

static const struct sj_handler handlers[] = {{"one", NULL, SJ_SYNC}, {0}};

static int setup(void **state)
{
    static const char *options[] = {"/a=m:one", "/b\"\\=m:one", "/=m:one"};
    const struct sj_option_list list = {options, 3};

    (void)state;
    memory_fails = false;
    answer = NULL;
    calling_init(&calling, &plug, handlers, &list);
    server.service = plug.service;
    server.sched = plug.sched;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(answer);
    calling_fini(&plug);
    return 0;
}

static const char *ask(const char *method, const char *target)
{
    free(answer);
    answer = sj_metrics_answer(&server, method, target);
    assert_non_null(answer);
    return answer;
}

static bool says(const char *text)
{
    return strstr(ask("GET", "/metrics"), text) != NULL;
}

static struct sj_route_cell *cell(const char *path, unsigned loop)
{
    struct sj_route *route =
        sj_routes_find(&plug.service.routes, (struct sj_text){path, strlen(path)});

    return &route->cells[loop];
}

static const char *body_of(const char *text)
{
    return strstr(text, "\r\n\r\n") + 4;
}

static void the_response_is_whole_http(void **state)
{
    const char *text = ask("GET", "/metrics"), *length;

    (void)state;
    assert_ptr_equal(strstr(text, "HTTP/1.1 200 OK\r\n"), text);
    assert_non_null(strstr(text, " GMT\r\n"));
    assert_non_null(strstr(text, "\r\nConnection: close\r\n"));
    length = strstr(text, "\r\nContent-Length: ");
    assert_non_null(length);
    assert_int_equal(strtoul(length + 18, NULL, 10), strlen(body_of(text)));
}

static void head_is_the_same_without_the_body(void **state)
{
    (void)state;
    ask("HEAD", "/metrics");
    assert_ptr_equal(strstr(answer, "HTTP/1.1 200 OK\r\n"), answer);
    assert_null(strstr(answer, "\r\nContent-Length: 0\r\n"));
    assert_string_equal(body_of(answer), "");
}

static void a_query_does_not_matter(void **state)
{
    (void)state;
    assert_non_null(strstr(ask("GET", "/metrics?a=b"), " 200 OK"));
}

static void there_is_nothing_else(void **state)
{
    static const char *const targets[] = {"/", "/metric", "/metrics/", "/metricss", "", "*", "?"};

    (void)state;
    for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++)
        assert_non_null(strstr(ask("GET", targets[i]), "HTTP/1.1 404 Not Found\r\n"));
    assert_string_equal(body_of(ask("HEAD", "/")), "");
}

static void other_methods_are_not_allowed(void **state)
{
    (void)state;
    ask("POST", "/metrics");
    assert_non_null(strstr(answer, "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD\r\n"));
    assert_non_null(strstr(answer, "\r\nContent-Length: 0\r\n"));
}

static void loops_are_added_up(void **state)
{
    (void)state;
    plug.shards[0]->n_requests = 3;
    plug.shards[1]->n_requests = 4;
    assert_true(says("\nscrubjay_requests_total 7\n"));
    cell("/a", 0)->n_late = 1;
    cell("/a", 1)->n_late = 2;
    cell("/a", 0)->n_statuses[4] = 5;
    assert_true(says("\nscrubjay_route_late_total{route=\"/a\",handler=\"m:one\"} 3\n"));
    assert_true(says("_responses_total{route=\"/a\",handler=\"m:one\",code=\"4xx\"} 5\n"));
}

/* Whichever loop it ended on; one of the three is queued. */
static void what_runs_is_what_has_begun_and_not_ended(void **state)
{
    (void)state;
    cell("/a", 0)->n_entered = 7;
    cell("/a", 1)->n_left = 4;
    sj_routes_find(&plug.service.routes, SJ_TEXT("/a"))->n_queued = 1;
    assert_true(says("\nscrubjay_route_running{route=\"/a\",handler=\"m:one\"} 2\n"));
    sj_routes_find(&plug.service.routes, SJ_TEXT("/a"))->n_queued = 0;
    cell("/a", 1)->n_left = 7;
    assert_true(says("\nscrubjay_route_running{route=\"/a\",handler=\"m:one\"} 0\n"));
}

static void threads_are_told_apart(void **state)
{
    (void)state;
    sj_count(&plug.sched->loops[1]->counters.tasks, 8);
    sj_count(&plug.sched->workers[0]->counters.tasks, 9);
    assert_true(says("\nscrubjay_tasks_total{thread=\"loop-0\"} 0\n"
                     "scrubjay_tasks_total{thread=\"loop-1\"} 8\n"
                     "scrubjay_tasks_total{thread=\"worker-0\"} 9\n"));
}

static void a_prefix_is_escaped(void **state)
{
    (void)state;
    assert_true(says("\nscrubjay_route_queued{route=\"/b\\\"\\\\\",handler=\"m:one\"} 0\n"));
    assert_true(says("\nscrubjay_route_queued{route=\"/\",handler=\"m:one\"} 0\n"));
}

static void buckets_are_cumulative(void **state)
{
    (void)state;
    sj_histogram_record(&cell("/a", 0)->run_time, 1000);
    sj_histogram_record(&cell("/a", 1)->run_time, 100000);
    sj_histogram_record(&cell("/a", 1)->run_time, 1000000000000);
#define BUCKET "\nscrubjay_route_run_seconds_bucket{route=\"/a\",handler=\"m:one\",le="
    assert_true(says(BUCKET "\"1.024e-06\"} 1\n"));
    assert_true(says(BUCKET "\"6.5536e-05\"} 1\n"));
    assert_true(says(BUCKET "\"0.000262144\"} 2\n"));
    assert_true(says(BUCKET "\"68.719476736\"} 2\n"));
    assert_true(says(BUCKET "\"+Inf\"} 3\n"));
    assert_true(says("\nscrubjay_route_run_seconds_sum{route=\"/a\",handler=\"m:one\"} 1000.0001"));
    assert_true(says("\nscrubjay_route_run_seconds_count{route=\"/a\",handler=\"m:one\"} 3\n"));
}

/* As the format asks for: HELP and TYPE once, before all samples of their name. */
static void each_name_is_introduced_once(void **state)
{
    unsigned n_names = 0;

    (void)state;
    ask("GET", "/metrics");
    for (const char *at = answer; (at = strstr(at, "\n# TYPE ")) != NULL; n_names++) {
        char name[128], line[160];

        at += strlen("\n# TYPE ");
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(at, " "), at);
        snprintf(line, sizeof(line), "# TYPE %s ", name);
        assert_ptr_equal(strstr(answer, line), at - strlen("# TYPE "));
        assert_null(strstr(at, line));
        snprintf(line, sizeof(line), "# HELP %s ", name);
        assert_non_null(strstr(answer, line));
        snprintf(line, sizeof(line), "\n%s", name);
        assert_true(strstr(answer, line) > at);
    }
    assert_true(n_names > 20);
}

static void without_memory_there_is_no_answer(void **state)
{
    (void)state;
    memory_fails = true;
    assert_null(sj_metrics_answer(&server, "GET", "/metrics"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_response_is_whole_http),
        TEST(head_is_the_same_without_the_body),
        TEST(a_query_does_not_matter),
        TEST(there_is_nothing_else),
        TEST(other_methods_are_not_allowed),
        TEST(loops_are_added_up),
        TEST(what_runs_is_what_has_begun_and_not_ended),
        TEST(threads_are_told_apart),
        TEST(a_prefix_is_escaped),
        TEST(buckets_are_cumulative),
        TEST(each_name_is_introduced_once),
        TEST(without_memory_there_is_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
