/* SPDX-License-Identifier: MIT */
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "core/clock.h"
#include "core/thread.h"

#define PREFIX    "2026-11-21T09:00:00.123Z " /* what stands before the level, by length */
#define N_THREADS 4
#define N_LINES   2000 /* all threads' lines fit into one ring: they may run one after the other */

static char folder[32];
static char paths[SJ_LOG_SINKS][64];
static struct sj_log *the_log;
static char *content;

static int make_with(const char *errors, const char *access)
{
    const char *const both[SJ_LOG_SINKS] = {errors, access}, *failed;

    return sj_log_new(both, SJ_LOG_INFO, &the_log, &failed);
}

static int make(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/sj-log-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(paths[SJ_LOG_ERRORS], sizeof(*paths), "%s/errors", folder);
    snprintf(paths[SJ_LOG_ACCESS], sizeof(*paths), "%s/access", folder);
    the_log = NULL;
    return 0;
}

static int done(void **state)
{
    (void)state;
    if (the_log != NULL)
        sj_log_free(the_log);
    free(content);
    content = NULL;
    for (int i = 0; i < SJ_LOG_SINKS; i++)
        unlink(paths[i]);
    return rmdir(folder);
}

static void make_both(void)
{
    assert_int_equal(make_with(paths[SJ_LOG_ERRORS], paths[SJ_LOG_ACCESS]), 0);
}

static const char *content_of(enum sj_log_sink sink)
{
    int fd = open(paths[sink], O_RDONLY);
    struct stat status;

    free(content);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &status), 0);
    content = calloc(1, (size_t)status.st_size + 1);
    assert_int_equal(read(fd, content, (size_t)status.st_size), status.st_size);
    close(fd);
    return content;
}

static unsigned count_lines(const char *text)
{
    unsigned n_lines = 0;

    for (; *text != '\0'; text++)
        n_lines += *text == '\n';
    return n_lines;
}

static void a_line_has_its_time_and_level(void **state)
{
    int year, month, day, hour, minute, second, ms, length = 0;

    (void)state;
    make_both();
    sj_log(the_log, SJ_LOG_WARNING, "%d files", 3);
    assert_int_equal(sscanf(content_of(SJ_LOG_ERRORS), "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &year,
                            &month, &day, &hour, &minute, &second, &ms, &length),
                     7);
    assert_int_equal(length, SJ_STAMP_LENGTH);
    assert_string_equal(content + length, " warning 3 files\n");
}

static void lower_levels_are_left_out(void **state)
{
    (void)state;
    make_both();
    sj_log(the_log, SJ_LOG_DEBUG, "no");
    assert_string_equal(content_of(SJ_LOG_ERRORS), "");
    sj_log(the_log, SJ_LOG_INFO, "yes");
    assert_int_equal(count_lines(content_of(SJ_LOG_ERRORS)), 1);
    assert_false(sj_log_has_level(the_log, SJ_LOG_DEBUG));
    assert_true(sj_log_has_level(the_log, SJ_LOG_INFO));
}

static void a_text_cannot_begin_a_line_of_its_own(void **state)
{
    (void)state;
    make_both();
    sj_log(the_log, SJ_LOG_ERROR, "a '%s' b", "\r\n\x1b[31m\x7f\xc3\xa4\"\\");
    assert_string_equal(content_of(SJ_LOG_ERRORS) + strlen(PREFIX),
                        "error a '\\x0d\\x0a\\x1b[31m\\x7f\\xc3\\xa4\"\\' b\n");
}

static void a_long_line_is_cut(void **state)
{
    static char text[3 * SJ_LOG_LINE_MAX];

    (void)state;
    make_both();
    memset(text, 'x', sizeof(text) - 1);
    sj_log(the_log, SJ_LOG_ERROR, "%s", text);
    assert_int_equal(strlen(content_of(SJ_LOG_ERRORS)), SJ_LOG_LINE_MAX);
    assert_int_equal(count_lines(content), 1);
    sj_log_access(the_log, text, sizeof(text));
    assert_int_equal(strlen(content_of(SJ_LOG_ACCESS)), SJ_LOG_LINE_MAX);
    assert_int_equal(count_lines(content), 1);
}

static void errno_stays(void **state)
{
    (void)state;
    assert_int_equal(make_with("/dev/full", NULL), 0);
    errno = ECHILD;
    sj_log(the_log, SJ_LOG_ERROR, "lost");
    assert_int_equal(errno, ECHILD);
}

static void quotes_and_backslashes_are_escaped_for_access_lines(void **state)
{
    char to[40];
    size_t length = sj_log_escape(to, sizeof(to), "GET \"\\\n\0\xff~", 10);

    (void)state;
    assert_int_equal(length, strlen("GET \\x22\\x5c\\x0a\\x00\\xff~"));
    assert_memory_equal(to, "GET \\x22\\x5c\\x0a\\x00\\xff~", length);
}

static void an_escape_that_does_not_fit_is_left_out_whole(void **state)
{
    char to[5] = "-----";

    (void)state;
    assert_int_equal(sj_log_escape(to, sizeof(to), "ab\ncd", 5), 2);
    assert_memory_equal(to, "ab---", 5);
    assert_int_equal(sj_log_escape(to, sizeof(to), "a\nb", 3), 5);
    assert_memory_equal(to, "a\\x0a", 5);
}

static void a_file_that_cannot_be_opened_is_named(void **state)
{
    const char *const wrong[SJ_LOG_SINKS] = {paths[SJ_LOG_ERRORS], "/tmp/sj-log-none/access"};
    const char *failed = NULL;

    (void)state;
    assert_int_equal(sj_log_new(wrong, SJ_LOG_INFO, &the_log, &failed), -ENOENT);
    assert_string_equal(failed, wrong[SJ_LOG_ACCESS]);
}

static void access_lines_are_off_without_a_path(void **state)
{
    (void)state;
    assert_int_equal(make_with(paths[SJ_LOG_ERRORS], NULL), 0);
    assert_false(sj_log_has_access(the_log));
    sj_log_access(the_log, "line", 4);
    assert_string_equal(content_of(SJ_LOG_ERRORS), "");
}

static void stop_writes_what_is_left(void **state)
{
    (void)state;
    make_both();
    assert_int_equal(sj_log_start(the_log), 0);
    sj_log_access(the_log, "one", 3);
    sj_log_access(the_log, "two", 3);
    sj_log(the_log, SJ_LOG_INFO, "three");
    sj_log_stop(the_log);
    sj_log_access(the_log, "four", 4);
    assert_string_equal(content_of(SJ_LOG_ACCESS), "one\ntwo\nfour\n");
    assert_string_equal(content_of(SJ_LOG_ERRORS) + strlen(PREFIX), "info three\n");
}

/* A wake-up that gets lost leaves this waiting for ever.  The pause lets the writer park, as a
 * rule; it has no part in what is asserted. */
static void a_line_arrives_while_nothing_follows(void **state)
{
    char line[8];
    int reader;

    (void)state;
    assert_int_equal(mkfifo(paths[SJ_LOG_ACCESS], 0600), 0);
    reader = open(paths[SJ_LOG_ACCESS], O_RDONLY | O_NONBLOCK);
    make_both();
    assert_int_equal(fcntl(reader, F_SETFL, 0), 0);
    assert_int_equal(sj_log_start(the_log), 0);
    for (int i = 0; i < 10; i++) {
        usleep(i % 2 * 50000);
        sj_log_access(the_log, "line", 4);
        assert_int_equal(read(reader, line, sizeof(line)), 5);
    }
    close(reader);
}

static void a_stopped_log_can_be_started_again(void **state)
{
    (void)state;
    make_both();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sj_log_start(the_log), 0);
        sj_log_access(the_log, "line", 4);
        sj_log_stop(the_log);
    }
    assert_string_equal(content_of(SJ_LOG_ACCESS), "line\nline\nline\n");
}

static void *put_outside(void *argument)
{
    (void)argument;
    sj_log_access(the_log, "outside", 7);
    return argument;
}

static void a_thread_without_a_number_writes_directly(void **state)
{
    pthread_t outside;

    (void)state;
    make_both();
    assert_int_equal(sj_log_start(the_log), 0);
    assert_int_equal(pthread_create(&outside, NULL, put_outside, NULL), 0);
    pthread_join(outside, NULL);
    assert_string_equal(content_of(SJ_LOG_ACCESS), "outside\n");
}

static void *put_many(void *argument)
{
    char line[40];

    sj_thread_enter();
    for (int i = 0; i < N_LINES; i++)
        sj_log_access(the_log, line,
                      (size_t)snprintf(line, sizeof(line), "%d %d -----", *(int *)argument, i));
    sj_thread_leave();
    return NULL;
}

/* Of each thread, all lines, whole and in order; `n_expected` in all. */
static void assert_lines_in_order(unsigned n_expected)
{
    int next[N_THREADS] = {0}, thread, number, length;
    const char *at = content_of(SJ_LOG_ACCESS);
    unsigned n_wrong = 0;

    assert_int_equal(count_lines(at), n_expected);
    for (; *at != '\0'; at += length) {
        length = 0;
        assert_int_equal(sscanf(at, "%d %d -----%n", &thread, &number, &length), 2);
        assert_int_equal(at[length++], '\n');
        n_wrong += number != next[thread];
        next[thread] = (number + 1) % N_LINES;
    }
    assert_int_equal(n_wrong, 0);
}

static void each_line_of_many_threads_is_written_once(void **state)
{
    pthread_t threads[N_THREADS];
    int names[N_THREADS];

    (void)state;
    make_both();
    assert_int_equal(sj_log_start(the_log), 0);
    for (int i = 0; i < N_THREADS; i++) {
        names[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, put_many, &names[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    sj_log_stop(the_log);
    assert_int_equal(sj_log_dropped(the_log), 0);
    assert_lines_in_order(N_THREADS * N_LINES);
}

/* One after the other: each takes over the number of the one before. */
static void who_takes_a_number_over_goes_on_in_its_ring(void **state)
{
    pthread_t thread;
    int name = 0;

    (void)state;
    make_both();
    assert_int_equal(sj_log_start(the_log), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&thread, NULL, put_many, &name), 0);
        pthread_join(thread, NULL);
    }
    sj_log_stop(the_log);
    assert_int_equal(sj_log_dropped(the_log), 0);
    assert_lines_in_order(3 * N_LINES);
}

/* Nobody reads the pipe: its buffer and the ring fill up, and what was written and what was
 * dropped make up the whole. */
static void a_full_ring_drops_and_counts(void **state)
{
    static char line[999], rest[1 << 20];
    ssize_t length;
    int reader;

    (void)state;
    assert_int_equal(mkfifo(paths[SJ_LOG_ACCESS], 0600), 0);
    reader = open(paths[SJ_LOG_ACCESS], O_RDONLY | O_NONBLOCK);
    make_both();
    memset(line, 'x', sizeof(line));
    assert_int_equal(sj_log_start(the_log), 0);
    for (int i = 0; i < 2000; i++)
        sj_log_access(the_log, line, sizeof(line));
    sj_log_stop(the_log);
    length = read(reader, rest, sizeof(rest));
    assert_true(length > 0 && sj_log_dropped(the_log) > 0);
    assert_int_equal((uint64_t)length / (sizeof(line) + 1) + sj_log_dropped(the_log), 2000);
    close(reader);
}

static void dropped_lines_are_told(void **state)
{
    (void)state;
    assert_int_equal(make_with(paths[SJ_LOG_ERRORS], "/dev/full"), 0);
    assert_int_equal(sj_log_start(the_log), 0);
    sj_log_access(the_log, "one", 3);
    sj_log_access(the_log, "two", 3);
    sj_log_stop(the_log);
    assert_int_equal(sj_log_dropped(the_log), 2);
    assert_non_null(strstr(content_of(SJ_LOG_ERRORS), "warning log: 2 lines dropped so far\n"));
}

static void open_again_leaves_the_old_file_alone(void **state)
{
    char moved[80];

    (void)state;
    make_both();
    assert_int_equal(sj_log_start(the_log), 0);
    snprintf(moved, sizeof(moved), "%s.1", paths[SJ_LOG_ACCESS]);
    assert_int_equal(rename(paths[SJ_LOG_ACCESS], moved), 0);
    sj_log_reopen(the_log);
    sj_log_access(the_log, "new", 3);
    sj_log_stop(the_log);
    assert_string_equal(content_of(SJ_LOG_ACCESS), "new\n");
    assert_int_equal(unlink(moved), 0);
}

static void what_cannot_be_opened_again_is_told(void **state)
{
    (void)state;
    make_both();
    unlink(paths[SJ_LOG_ACCESS]);
    assert_int_equal(mkdir(paths[SJ_LOG_ACCESS], 0700), 0);
    sj_log_reopen(the_log);
    rmdir(paths[SJ_LOG_ACCESS]);
    assert_non_null(strstr(content_of(SJ_LOG_ERRORS),
                           "access: cannot be opened again, the old file stays: Is a directory"));
}

static void a_limited_line_comes_once_a_second(void **state)
{
    uint64_t last_ns = 0, started_ns;

    (void)state;
    make_both();
    started_ns = sj_clock_ns();
    for (int i = 0; i < 100; i++)
        sj_log_limited(the_log, &last_ns, SJ_LOG_ERROR, "again");
    if (sj_clock_ns() - started_ns < 1000000000)
        assert_int_equal(count_lines(content_of(SJ_LOG_ERRORS)), 1);
    last_ns -= 2000000000;
    sj_log_limited(the_log, &last_ns, SJ_LOG_ERROR, "later");
    assert_non_null(strstr(content_of(SJ_LOG_ERRORS), "error later\n"));
}

static void each_place_has_a_limit_of_its_own(void **state)
{
    uint64_t last_ns = 0, other_last_ns = 0;

    (void)state;
    make_both();
    sj_log_limited(the_log, &last_ns, SJ_LOG_ERROR, "one");
    sj_log_limited(the_log, &other_last_ns, SJ_LOG_ERROR, "two");
    assert_int_equal(count_lines(content_of(SJ_LOG_ERRORS)), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_line_has_its_time_and_level),
        TEST(lower_levels_are_left_out),
        TEST(a_text_cannot_begin_a_line_of_its_own),
        TEST(a_long_line_is_cut),
        TEST(errno_stays),
        TEST(quotes_and_backslashes_are_escaped_for_access_lines),
        TEST(an_escape_that_does_not_fit_is_left_out_whole),
        TEST(a_file_that_cannot_be_opened_is_named),
        TEST(access_lines_are_off_without_a_path),
        TEST(stop_writes_what_is_left),
        TEST(a_line_arrives_while_nothing_follows),
        TEST(a_stopped_log_can_be_started_again),
        TEST(a_thread_without_a_number_writes_directly),
        TEST(each_line_of_many_threads_is_written_once),
        TEST(who_takes_a_number_over_goes_on_in_its_ring),
        TEST(a_full_ring_drops_and_counts),
        TEST(dropped_lines_are_told),
        TEST(open_again_leaves_the_old_file_alone),
        TEST(what_cannot_be_opened_again_is_told),
        TEST(a_limited_line_comes_once_a_second),
        TEST(each_place_has_a_limit_of_its_own),
    };

    if (sj_thread_enter() != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
