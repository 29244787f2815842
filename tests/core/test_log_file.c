/* SPDX-License-Identifier: MIT */
#include "core/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[32];
static char path[64];
static struct sj_log_file file;

static int make(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/sj-log-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/log", folder);
    file = (struct sj_log_file){.fd = -1};
    return 0;
}

static int done(void **state)
{
    (void)state;
    sj_log_file_close(&file);
    unlink(path);
    return rmdir(folder);
}

static void assert_content(const char *name, const char *expected)
{
    char content[200] = "";
    int fd = open(name, O_RDONLY);

    assert_true(fd >= 0);
    assert_true(read(fd, content, sizeof(content) - 1) >= 0);
    close(fd);
    assert_string_equal(content, expected);
}

static size_t put(const char *lines)
{
    return sj_log_file_write(&file, lines, strlen(lines));
}

static void lines_are_appended(void **state)
{
    (void)state;
    assert_int_equal(sj_log_file_open(&file, path), 0);
    assert_int_equal(put("one\ntwo\n"), 0);
    sj_log_file_close(&file);
    assert_int_equal(sj_log_file_open(&file, path), 0);
    assert_int_equal(put("three\n"), 0);
    assert_content(path, "one\ntwo\nthree\n");
}

static void others_may_not_read_a_new_file(void **state)
{
    struct stat status;

    (void)state;
    umask(0);
    assert_int_equal(sj_log_file_open(&file, path), 0);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640);
}

static void what_cannot_be_opened_gives_its_errno(void **state)
{
    (void)state;
    assert_int_equal(sj_log_file_open(&file, folder), -EISDIR);
    assert_int_equal(sj_log_file_open(&file, "/tmp/sj-log-none/log"), -ENOENT);
    assert_int_equal(file.fd, -1);
}

static void a_pipe_without_a_reader_is_not_waited_for(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(sj_log_file_open(&file, path), -ENXIO);
}

static void a_full_disk_loses_lines_and_counts_them(void **state)
{
    (void)state;
    assert_int_equal(sj_log_file_open(&file, "/dev/full"), 0);
    assert_int_equal(put("one\ntwo\n"), 2);
    assert_int_equal(put("three\n"), 1);
}

/* A limit of the file's size stands for a disk that is full in the middle of a line. */
static void a_cut_line_is_ended_before_the_next(void **state)
{
    struct rlimit before, small;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 6;
    assert_int_equal(sj_log_file_open(&file, path), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    size_t n_lost = put("one\ntwo\nthree\n"), n_lost_more = put("four\n");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(n_lost, 2);
    assert_int_equal(n_lost_more, 1);
    assert_int_equal(put("five\n"), 0);
    assert_content(path, "one\ntw\nfive\n");
}

static void a_reader_that_has_gone_loses_lines(void **state)
{
    int ends[2];

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    sj_log_file_attach(&file, ends[1]);
    assert_int_equal(put("one\n"), 1);
    close(ends[1]);
}

/* The first call of all that find the pipe full waits; were it every one, this would last for
 * minutes. */
static void a_reader_that_sleeps_is_waited_for_once(void **state)
{
    static char line[1000], rest[65536];
    int ends[2];
    size_t n_lost = 0;

    (void)state;
    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\n';
    assert_int_equal(pipe(ends), 0);
    sj_log_file_attach(&file, ends[1]);
    for (int i = 0; i < 1000; i++)
        n_lost += sj_log_file_write(&file, line, sizeof(line));
    assert_true(n_lost > 900);
    assert_true(read(ends[0], rest, sizeof(rest)) > 0);
    assert_int_equal(sj_log_file_write(&file, line, sizeof(line)), 0);
    close(ends[0]);
    close(ends[1]);
}

/* A pipe takes up to PIPE_BUF octets in one piece. */
static void many_lines_go_to_a_pipe_whole(void **state)
{
    static char lines[9000], from_pipe[9000];
    int ends[2];

    (void)state;
    for (size_t i = 0; i < sizeof(lines); i++)
        lines[i] = i % 90 == 89 ? '\n' : (char)('0' + i % 10);
    assert_int_equal(pipe2(ends, O_DIRECT), 0); /* a read gives what one write gave */
    sj_log_file_attach(&file, ends[1]);
    assert_int_equal(sj_log_file_write(&file, lines, sizeof(lines)), 0);
    assert_int_equal(read(ends[0], from_pipe, sizeof(from_pipe)), 45 * 90);
    assert_int_equal(read(ends[0], from_pipe + 4050, sizeof(from_pipe) - 4050), 45 * 90);
    assert_int_equal(read(ends[0], from_pipe + 8100, sizeof(from_pipe) - 8100), 10 * 90);
    assert_memory_equal(from_pipe, lines, sizeof(lines));
    close(ends[0]);
    close(ends[1]);
}

static void open_again_makes_a_new_file(void **state)
{
    char moved[80];

    (void)state;
    snprintf(moved, sizeof(moved), "%s.1", path);
    assert_int_equal(sj_log_file_open(&file, path), 0);
    put("one\n");
    assert_int_equal(rename(path, moved), 0);
    put("two\n");
    assert_int_equal(sj_log_file_reopen(&file), 0);
    put("three\n");
    assert_content(moved, "one\ntwo\n");
    assert_content(path, "three\n");
    unlink(moved);
}

static void a_file_that_cannot_be_opened_again_stays(void **state)
{
    char moved[80];

    (void)state;
    snprintf(moved, sizeof(moved), "%s.1", path);
    assert_int_equal(sj_log_file_open(&file, path), 0);
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(sj_log_file_reopen(&file), -EISDIR);
    assert_int_equal(put("one\n"), 0);
    assert_content(moved, "one\n");
    unlink(moved);
    rmdir(path);
}

static void a_given_descriptor_is_neither_opened_again_nor_closed(void **state)
{
    int fd = open("/dev/null", O_WRONLY);

    (void)state;
    sj_log_file_attach(&file, fd);
    assert_int_equal(sj_log_file_reopen(&file), 0);
    assert_int_equal(file.fd, fd);
    sj_log_file_close(&file);
    assert_int_equal(close(fd), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_are_appended, make, done),
        cmocka_unit_test_setup_teardown(others_may_not_read_a_new_file, make, done),
        cmocka_unit_test_setup_teardown(what_cannot_be_opened_gives_its_errno, make, done),
        cmocka_unit_test_setup_teardown(a_pipe_without_a_reader_is_not_waited_for, make, done),
        cmocka_unit_test_setup_teardown(a_full_disk_loses_lines_and_counts_them, make, done),
        cmocka_unit_test_setup_teardown(a_cut_line_is_ended_before_the_next, make, done),
        cmocka_unit_test_setup_teardown(a_reader_that_has_gone_loses_lines, make, done),
        cmocka_unit_test_setup_teardown(a_reader_that_sleeps_is_waited_for_once, make, done),
        cmocka_unit_test_setup_teardown(many_lines_go_to_a_pipe_whole, make, done),
        cmocka_unit_test_setup_teardown(open_again_makes_a_new_file, make, done),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_opened_again_stays, make, done),
        cmocka_unit_test_setup_teardown(a_given_descriptor_is_neither_opened_again_nor_closed, make,
                                        done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
