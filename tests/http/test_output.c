/* SPDX-License-Identifier: MIT */
/* Linked with: -Wl,--wrap=send -Wl,--wrap=sendmsg -Wl,--wrap=sendfile -Wl,--wrap=fstat
 * -Wl,--wrap=malloc */
#include "http/output.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <cmocka.h>

#define TURN (512 * 1024)

/* A socket in a test's hands: it takes `room` octets and is full then. */
static struct {
    char taken[1 << 16]; /* the first octets that it took */
    size_t n_taken;
    size_t room;
    int error; /* of the next call, once */
    int flags; /* of the last send */
    unsigned n_calls;
    unsigned n_pieces; /* of the last sendmsg */
} wire;

static int fstat_error;
static bool is_touched; /* its inode has changed, though not its content */
static bool malloc_fails;

ssize_t __wrap_send(int socket, const void *from, size_t length, int flags);
ssize_t __wrap_sendmsg(int socket, const struct msghdr *message, int flags);
ssize_t __wrap_sendfile(int socket, int file, off_t *first, size_t length);
int __real_fstat(int file, struct stat *status);
int __wrap_fstat(int file, struct stat *status);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

static ssize_t take(const void *from, size_t length)
{
    size_t kept = sizeof(wire.taken) - wire.n_taken;

    wire.n_calls++;
    if (wire.error != 0 || wire.room == 0) {
        errno = wire.error != 0 ? wire.error : EAGAIN;
        wire.error = 0;
        return -1;
    }
    if (length > wire.room)
        length = wire.room;
    if (kept > length)
        kept = length;
    memcpy(wire.taken + wire.n_taken, from, kept);
    wire.n_taken += kept;
    wire.room -= length;
    return (ssize_t)length;
}

ssize_t __wrap_send(int socket, const void *from, size_t length, int flags)
{
    (void)socket;
    wire.flags = flags;
    return take(from, length);
}

ssize_t __wrap_sendmsg(int socket, const struct msghdr *message, int flags)
{
    size_t length = 0;
    char *all, *at;
    ssize_t taken;

    (void)socket;
    wire.flags = flags;
    wire.n_pieces = (unsigned)message->msg_iovlen;
    for (size_t i = 0; i < message->msg_iovlen; i++)
        length += message->msg_iov[i].iov_len;
    at = all = __real_malloc(length);
    for (size_t i = 0; i < message->msg_iovlen; i++)
        at = mempcpy(at, message->msg_iov[i].iov_base, message->msg_iov[i].iov_len);
    taken = take(all, length);
    free(all);
    return taken;
}

ssize_t __wrap_sendfile(int socket, int file, off_t *first, size_t length)
{
    char *bytes = __real_malloc(length);
    ssize_t got = pread(file, bytes, length, *first), taken;

    (void)socket;
    assert_true(got >= 0);
    taken = got > 0 ? take(bytes, (size_t)got) : 0;
    free(bytes);
    return taken;
}

int __wrap_fstat(int file, struct stat *status)
{
    if (fstat_error != 0) {
        errno = fstat_error;
        return -1;
    }
    if (__real_fstat(file, status) != 0)
        return -1;
    status->st_ctim.tv_sec += is_touched;
    return 0;
}

void *__wrap_malloc(size_t size)
{
    return malloc_fails ? NULL : __real_malloc(size);
}

static struct sj_output output;
static char path[64];

static int begin(void **state)
{
    (void)state;
    memset(&wire, 0, sizeof(wire));
    wire.room = SIZE_MAX;
    fstat_error = 0;
    is_touched = false;
    malloc_fails = false;
    sj_output_init(&output);
    strcpy(path, "/tmp/sj-output-XXXXXX");
    close(mkstemp(path));
    return 0;
}

static int end(void **state)
{
    (void)state;
    malloc_fails = false;
    sj_output_fini(&output);
    unlink(path);
    return 0;
}

static void add(const char *text)
{
    sj_output_add(&output, (struct sj_part){.bytes = text, .length = strlen(text)});
}

/* The file, `length` octets long, with a promise; and a part of it all. */
static void add_file(size_t length)
{
    struct stat status;

    assert_int_equal(truncate(path, (off_t)length), 0);
    output.descriptor = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(__real_fstat(output.descriptor, &status), 0);
    sj_identity_of(&status, &output.promise);
    sj_output_add(&output, (struct sj_part){.length = length});
}

static void assert_pump(enum sj_output_state expected)
{
    assert_int_equal(sj_output_pump(&output, 1), expected);
}

static void one_part_is_one_send(void **state)
{
    (void)state;
    add("head");
    assert_pump(SJ_OUTPUT_DONE);
    assert_memory_equal(wire.taken, "head", 4);
    assert_int_equal(wire.n_calls, 1);
    assert_int_equal(wire.flags, MSG_NOSIGNAL);
    assert_int_equal(output.sent, 4);
}

static void parts_in_memory_are_one_call(void **state)
{
    (void)state;
    add("head");
    add("body");
    assert_pump(SJ_OUTPUT_DONE);
    assert_memory_equal(wire.taken, "headbody", 8);
    assert_int_equal(wire.n_calls, 1);
    assert_int_equal(wire.flags, MSG_NOSIGNAL);
}

static void a_head_before_a_file_says_that_more_follows(void **state)
{
    (void)state;
    add("head");
    add_file(100);
    wire.room = 4;
    assert_pump(SJ_OUTPUT_WAITS);
    assert_int_equal(wire.flags, MSG_NOSIGNAL | MSG_MORE);
    wire.room = SIZE_MAX;
    assert_pump(SJ_OUTPUT_DONE);
    assert_int_equal(output.sent, 104);
}

/* The kernel would keep the head back for 200 ms, in vain. */
static void a_head_before_an_empty_part_says_that_nothing_follows(void **state)
{
    (void)state;
    add("head");
    sj_output_add(&output, (struct sj_part){.bytes = NULL, .length = 0});
    assert_pump(SJ_OUTPUT_DONE);
    assert_int_equal(wire.flags, MSG_NOSIGNAL);
}

static void a_full_socket_waits_and_goes_on_where_it_was(void **state)
{
    (void)state;
    add("0123");
    add("4567");
    for (unsigned i = 0; i < 8; i++) {
        wire.room = 1;
        if (i < 7)
            assert_pump(SJ_OUTPUT_WAITS);
        else
            assert_pump(SJ_OUTPUT_DONE);
    }
    assert_memory_equal(wire.taken, "01234567", 8);
}

static void many_parts_are_sent_sixteen_at_a_time(void **state)
{
    static const char digits[] = "0123456789";
    struct sj_part parts[40];

    (void)state;
    for (unsigned i = 0; i < 40; i++)
        parts[i] = (struct sj_part){.bytes = &digits[i % 10], .length = 1};
    output.parts = parts;
    output.n_parts = 40;
    assert_pump(SJ_OUTPUT_DONE);
    assert_int_equal(wire.n_calls, 3);
    assert_int_equal(wire.n_pieces, 8);
    assert_int_equal(wire.flags, MSG_NOSIGNAL);
    assert_memory_equal(wire.taken, "0123456789012345678901234567890123456789", 40);
}

static void an_interrupted_call_is_made_again(void **state)
{
    (void)state;
    add("head");
    wire.error = EINTR;
    assert_pump(SJ_OUTPUT_DONE);
    assert_int_equal(wire.n_calls, 2);
}

static void a_client_that_has_gone_is_a_failure(void **state)
{
    static const int errors[] = {EPIPE, ECONNRESET, ETIMEDOUT, ENOBUFS};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        sj_output_fini(&output);
        add("head");
        wire.error = errors[i];
        assert_pump(SJ_OUTPUT_FAILED);
        assert_int_equal(output.sent, 0);
    }
}

static void a_long_response_gives_others_their_turn(void **state)
{
    (void)state;
    add_file(3 * TURN + 5);
    for (unsigned i = 1; i <= 3; i++) {
        assert_pump(SJ_OUTPUT_WAITS);
        assert_int_equal(output.sent, i * TURN);
    }
    assert_pump(SJ_OUTPUT_DONE);
}

static void what_lies_in_memory_can_be_offered(void **state)
{
    struct sj_transfer transfer;

    (void)state;
    add("head");
    add("body");
    assert_true(sj_output_offer(&output, 7, &transfer));
    assert_int_equal(transfer.socket, 7);
    assert_true(transfer.is_send);
    assert_int_equal(transfer.flags, MSG_NOSIGNAL);
    assert_int_equal(transfer.n_pieces, 2);
    assert_memory_equal(transfer.pieces[0].iov_base, "head", transfer.pieces[0].iov_len);
    assert_memory_equal(transfer.pieces[1].iov_base, "body", transfer.pieces[1].iov_len);
    output.is_last = true;
    assert_true(sj_output_offer(&output, 7, &transfer));
    assert_int_equal(transfer.flags, MSG_NOSIGNAL | MSG_MORE);
    assert_int_equal(wire.n_calls, 0);
}

static void what_was_taken_is_not_sent_again(void **state)
{
    struct sj_transfer transfer;

    (void)state;
    add("head");
    add("body");
    sj_output_took(&output, 6);
    assert_true(sj_output_offer(&output, 7, &transfer));
    assert_int_equal(transfer.n_pieces, 1);
    assert_memory_equal(transfer.pieces[0].iov_base, "dy", 2);
    assert_pump(SJ_OUTPUT_DONE);
    assert_int_equal(output.sent, 8);
    assert_int_equal(wire.n_taken, 2);
    assert_memory_equal(wire.taken, "dy", 2);
    assert_false(sj_output_offer(&output, 7, &transfer));
}

static void what_is_of_a_file_or_in_many_parts_is_not_offered(void **state)
{
    struct sj_part parts[3] = {{"a", 0, 1}, {"b", 0, 1}, {"c", 0, 1}};
    struct sj_transfer transfer;

    (void)state;
    add("head");
    add_file(10);
    assert_false(sj_output_offer(&output, 7, &transfer));
    output.parts = parts;
    output.n_parts = 3;
    assert_false(sj_output_offer(&output, 7, &transfer));
}

static void a_file_that_ends_early_is_a_failure(void **state)
{
    (void)state;
    add_file(3 * TURN);
    assert_pump(SJ_OUTPUT_WAITS);
    assert_int_equal(truncate(path, TURN), 0);
    assert_pump(SJ_OUTPUT_FAILED);
    assert_int_equal(output.sent, TURN);
}

static void a_file_without_a_promise_that_ends_early_is_one_too(void **state)
{
    (void)state;
    add_file(100);
    output.promise.inode = 0;
    assert_int_equal(truncate(path, 50), 0);
    assert_pump(SJ_OUTPUT_FAILED);
    assert_int_equal(output.sent, 50);
}

static void what_was_written_meanwhile_is_cut_off_at_the_end(void **state)
{
    (void)state;
    add_file(2 * TURN);
    assert_pump(SJ_OUTPUT_WAITS);
    assert_int_equal(pwrite(output.descriptor, "x", 1, TURN + 7), 1);
    assert_int_equal(futimens(output.descriptor, (struct timespec[2]){{1, 0}, {1, 0}}), 0);
    assert_pump(SJ_OUTPUT_FAILED);
    assert_int_equal(output.sent, TURN);
}

/* A link less: another file was renamed over it, or it was removed.  That is how files are
 * replaced, and what is open stays as it was. */
static void a_file_that_is_replaced_meanwhile_is_sent_to_its_end(void **state)
{
    (void)state;
    add_file(2 * TURN);
    assert_pump(SJ_OUTPUT_WAITS);
    unlink(path);
    is_touched = true;
    assert_pump(SJ_OUTPUT_DONE);
}

static void a_promise_that_cannot_be_checked_is_not_kept(void **state)
{
    (void)state;
    add_file(100);
    fstat_error = EIO;
    assert_pump(SJ_OUTPUT_FAILED);
    assert_int_equal(output.sent, 0);
}

static void a_part_of_a_file_begins_where_it_says(void **state)
{
    (void)state;
    add_file(100);
    assert_int_equal(pwrite(output.descriptor, "range", 5, 40), 5);
    output.promise.inode = 0;
    output.parts[0].first = 40;
    output.parts[0].length = 5;
    assert_pump(SJ_OUTPUT_DONE);
    assert_memory_equal(wire.taken, "range", 5);
}

static void what_is_kept_needs_no_scratch_memory(void **state)
{
    char scratch[] = "head";

    (void)state;
    add(scratch);
    add("body");
    wire.room = 2;
    assert_pump(SJ_OUTPUT_WAITS);
    assert_int_equal(sj_output_keep(&output), 0);
    memset(scratch, 'x', sizeof(scratch));
    wire.room = SIZE_MAX;
    assert_pump(SJ_OUTPUT_DONE);
    assert_memory_equal(wire.taken, "headbody", 8);
}

static void what_is_kept_holds_its_entry_once(void **state)
{
    struct sj_entry entry = {.references = 1};

    (void)state;
    add("head");
    output.entry = &entry;
    assert_int_equal(sj_output_keep(&output), 0);
    assert_int_equal(sj_output_keep(&output), 0);
    assert_int_equal(entry.references, 2);
    sj_output_fini(&output);
    assert_int_equal(entry.references, 1);
}

static void without_memory_nothing_is_kept(void **state)
{
    struct sj_entry entry = {.references = 1};

    (void)state;
    add("head");
    output.entry = &entry;
    malloc_fails = true;
    assert_int_equal(sj_output_keep(&output), -ENOMEM);
    sj_output_fini(&output);
    assert_int_equal(entry.references, 1);
}

static void a_head_that_has_gone_needs_no_memory(void **state)
{
    (void)state;
    add("head");
    add("body");
    wire.room = 4;
    assert_pump(SJ_OUTPUT_WAITS);
    malloc_fails = true;
    assert_int_equal(sj_output_keep(&output), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_part_is_one_send),
        TEST(parts_in_memory_are_one_call),
        TEST(a_head_before_a_file_says_that_more_follows),
        TEST(a_head_before_an_empty_part_says_that_nothing_follows),
        TEST(a_full_socket_waits_and_goes_on_where_it_was),
        TEST(many_parts_are_sent_sixteen_at_a_time),
        TEST(an_interrupted_call_is_made_again),
        TEST(a_client_that_has_gone_is_a_failure),
        TEST(a_long_response_gives_others_their_turn),
        TEST(what_lies_in_memory_can_be_offered),
        TEST(what_was_taken_is_not_sent_again),
        TEST(what_is_of_a_file_or_in_many_parts_is_not_offered),
        TEST(a_file_that_ends_early_is_a_failure),
        TEST(a_file_without_a_promise_that_ends_early_is_one_too),
        TEST(what_was_written_meanwhile_is_cut_off_at_the_end),
        TEST(a_file_that_is_replaced_meanwhile_is_sent_to_its_end),
        TEST(a_promise_that_cannot_be_checked_is_not_kept),
        TEST(a_part_of_a_file_begins_where_it_says),
        TEST(what_is_kept_needs_no_scratch_memory),
        TEST(what_is_kept_holds_its_entry_once),
        TEST(without_memory_nothing_is_kept),
        TEST(a_head_that_has_gone_needs_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
