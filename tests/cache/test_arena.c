/* SPDX-License-Identifier: MIT */
/* Linked with: -Wl,--wrap=madvise -Wl,--wrap=malloc -Wl,--wrap=mmap -Wl,--wrap=munmap */
#include "cache/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define ROOMS_MAX 32768

static struct {
    bool malloc, mmap, populate; /* these fail */
    bool pretends;               /* to map: no memory is taken */
} fault;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_mmap(void *at, size_t size, int access, int flags, int file, off_t first);
void *__wrap_mmap(void *at, size_t size, int access, int flags, int file, off_t first);
int __real_munmap(void *at, size_t size);
int __wrap_munmap(void *at, size_t size);
int __real_madvise(void *at, size_t size, int advice);
int __wrap_madvise(void *at, size_t size, int advice);

void *__wrap_malloc(size_t size)
{
    return fault.malloc ? NULL : __real_malloc(size);
}

void *__wrap_mmap(void *at, size_t size, int access, int flags, int file, off_t first)
{
    if (fault.pretends)
        return &fault;
    if (!fault.mmap)
        return __real_mmap(at, size, access, flags, file, first);
    errno = ENOMEM;
    return MAP_FAILED;
}

int __wrap_munmap(void *at, size_t size)
{
    return fault.pretends ? 0 : __real_munmap(at, size);
}

/* The first of the pages are there when the others are refused. */
int __wrap_madvise(void *at, size_t size, int advice)
{
    if (fault.pretends)
        return 0;
    if (!fault.populate || advice != MADV_POPULATE_WRITE)
        return __real_madvise(at, size, advice);
    assert_int_equal(__real_madvise(at, 4096, advice), 0);
    errno = EFAULT;
    return -1;
}

static int begin(void **state)
{
    memset(&fault, 0, sizeof(fault));
    return sj_arena_new((struct sj_arena **)state);
}

static int end(void **state)
{
    memset(&fault, 0, sizeof(fault));
    sj_arena_release(*state);
    return 0;
}

static struct sj_room *take(struct sj_arena *arena, size_t length)
{
    struct sj_room *room = sj_room_new(arena, length);
    assert_non_null(room);
    return room;
}

/* Of 512 bytes. */
static long blocks(int descriptor)
{
    struct stat status;
    assert_int_equal(fstat(descriptor, &status), 0);
    return (long)status.st_blocks;
}

static void what_is_written_to_a_room_lies_at_its_offset(void **state)
{
    char read[5];
    struct sj_room *room = take(*state, 100000), *other = take(*state, 100000);
    memcpy(room->bytes + 70000, "first", 5);
    memcpy(other->bytes + 70000, "other", 5);
    assert_int_equal(pread(room->descriptor, read, 5, (off_t)room->first + 70000), 5);
    assert_memory_equal(read, "first", 5);
    assert_int_equal(room->first % 4096, 0);
    assert_int_equal((uintptr_t)room->bytes % 4096, 0);
    assert_int_equal(room->length, 100000);
    sj_room_free(room);
    sj_room_free(other);
}

static void a_room_is_zeroed_and_all_there(void **state)
{
    static const char zeros[100000];
    struct sj_room *room = take(*state, sizeof(zeros));
    assert_int_equal(blocks(room->descriptor), 25 * 8);
    assert_memory_equal(room->bytes, zeros, sizeof(zeros));
    assert_int_equal(blocks(room->descriptor), 25 * 8);
    sj_room_free(room);
}

static void freeing_gives_the_pages_back(void **state)
{
    struct sj_room *first = take(*state, 1000001), *second = take(*state, SJ_ARENA_MIN);
    assert_int_equal(blocks(second->descriptor), (245 + 16) * 8);
    sj_room_free(first);
    assert_int_equal(blocks(second->descriptor), 16 * 8);
    int descriptor = dup(second->descriptor);
    sj_room_free(second);
    assert_int_equal(blocks(descriptor), 0);
    close(descriptor);
}

static void no_range_is_used_twice(void **state)
{
    uint64_t free_from = 0;
    for (size_t i = 0; i < 100; i++) {
        struct sj_room *room = take(*state, SJ_ARENA_MIN + i * 1000);
        assert_true(room->first >= free_from);
        free_from = room->first + room->length;
        sj_room_free(room);
    }
}

/* A pipe holds the pages themselves, as a socket does. */
static void pages_that_are_on_their_way_keep_their_content(void **state)
{
    static char read_back[SJ_ARENA_MIN], expected[SJ_ARENA_MIN];
    int pipes[2];
    struct sj_room *room = take(*state, SJ_ARENA_MIN);
    off_t first = (off_t)room->first;
    assert_int_equal(pipe(pipes), 0);
    assert_true(fcntl(pipes[0], F_SETPIPE_SZ, SJ_ARENA_MIN) >= SJ_ARENA_MIN);
    memset(room->bytes, 'x', SJ_ARENA_MIN);
    memset(expected, 'x', SJ_ARENA_MIN);
    assert_int_equal(splice(room->descriptor, &first, pipes[1], NULL, SJ_ARENA_MIN, 0),
                     SJ_ARENA_MIN);
    sj_room_free(room);
    room = take(*state, SJ_ARENA_MIN);
    memset(room->bytes, 'y', SJ_ARENA_MIN);
    for (size_t done = 0; done < SJ_ARENA_MIN;) {
        ssize_t n = read(pipes[0], read_back + done, SJ_ARENA_MIN - done);
        assert_true(n > 0);
        done += (size_t)n;
    }
    assert_memory_equal(read_back, expected, SJ_ARENA_MIN);
    sj_room_free(room);
    close(pipes[0]);
    close(pipes[1]);
}

static void an_arena_lasts_as_long_as_its_rooms(void **state)
{
    struct sj_room *room = take(*state, SJ_ARENA_MIN);
    int descriptor = room->descriptor;
    sj_arena_release(*state);
    *state = NULL;
    assert_int_equal(fcntl(descriptor, F_GETFD), FD_CLOEXEC);
    room->bytes[SJ_ARENA_MIN - 1] = 'x';
    sj_room_free(room);
    assert_int_equal(fcntl(descriptor, F_GETFD), -1);
}

static void small_bodies_get_no_room(void **state)
{
    assert_null(sj_room_new(*state, SJ_ARENA_MIN - 1));
    assert_null(sj_room_new(*state, 0));
    assert_null(sj_room_new(NULL, SJ_ARENA_MIN));
}

static void what_is_larger_than_the_memory_gets_none(void **state)
{
    assert_null(sj_room_new(*state, UINT64_C(1) << 59));
    assert_null(sj_room_new(*state, UINT64_C(1) << 61));
    assert_null(sj_room_new(*state, SIZE_MAX));
}

static void without_memory_there_is_no_room_and_nothing_stays(void **state)
{
    bool *const faults[] = {&fault.malloc, &fault.mmap, &fault.populate};
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        *faults[i] = true;
        assert_null(sj_room_new(*state, SJ_ARENA_MIN));
        *faults[i] = false;
        struct sj_room *room = take(*state, SJ_ARENA_MIN);
        assert_int_equal(blocks(room->descriptor), 16 * 8);
        sj_room_free(room);
    }
}

static void so_many_rooms_leave_mappings_for_others(void **state)
{
    static struct sj_room *rooms[ROOMS_MAX];
    fault.pretends = true;
    for (size_t i = 0; i < ROOMS_MAX; i++)
        rooms[i] = take(*state, SJ_ARENA_MIN);
    assert_null(sj_room_new(*state, SJ_ARENA_MIN));
    sj_room_free(rooms[0]);
    rooms[0] = take(*state, SJ_ARENA_MIN);
    for (size_t i = 0; i < ROOMS_MAX; i++)
        sj_room_free(rooms[i]);
}

/* What sj_arena_new says while one limit of the process is low. */
static int try_within(int resource, rlim_t low)
{
    struct sj_arena *arena = NULL;
    struct rlimit limit, lower;
    assert_int_equal(getrlimit(resource, &limit), 0);
    lower = (struct rlimit){low, limit.rlim_max};
    assert_int_equal(setrlimit(resource, &lower), 0);
    int error = sj_arena_new(&arena);
    assert_int_equal(setrlimit(resource, &limit), 0);
    sj_arena_release(arena);
    return error;
}

static void an_arena_that_cannot_be_is_an_error(void **state)
{
    struct sj_arena *arena = NULL;
    (void)state;
    assert_int_equal(try_within(RLIMIT_NOFILE, 0), -EMFILE);
    assert_int_equal(try_within(RLIMIT_FSIZE, 1 << 30), -EFBIG);
    fault.malloc = true;
    assert_int_equal(sj_arena_new(&arena), -ENOMEM);
    fault.malloc = false;
    fault.mmap = true;
    assert_int_equal(sj_arena_new(&arena), -ENOMEM);
    fault.mmap = false;
    fault.populate = true;
    assert_int_equal(sj_arena_new(&arena), -EFAULT);
    assert_null(arena);
}

struct user {
    pthread_t thread;
    struct sj_arena *arena;
    int mark;
    bool is_wrong;
};

static void *use(void *argument)
{
    struct user *user = argument;
    for (size_t i = 0; i < 200; i++) {
        struct sj_room *room = sj_room_new(user->arena, SJ_ARENA_MIN + i);
        if (room == NULL) {
            user->is_wrong = true;
            break;
        }
        memset(room->bytes, user->mark, room->length);
        for (size_t at = 0; at < room->length; at += 999)
            user->is_wrong = user->is_wrong || room->bytes[at] != user->mark;
        sj_room_free(room);
    }
    return NULL;
}

static void threads_get_rooms_of_their_own(void **state)
{
    struct user users[4];
    struct sj_room *room = take(*state, SJ_ARENA_MIN);
    for (int i = 0; i < 4; i++) {
        users[i] = (struct user){.arena = *state, .mark = 'a' + i};
        assert_int_equal(pthread_create(&users[i].thread, NULL, use, &users[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(users[i].thread, NULL);
        assert_false(users[i].is_wrong);
    }
    assert_int_equal(blocks(room->descriptor), 16 * 8);
    sj_room_free(room);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_to_a_room_lies_at_its_offset),
        TEST(a_room_is_zeroed_and_all_there),
        TEST(freeing_gives_the_pages_back),
        TEST(no_range_is_used_twice),
        TEST(pages_that_are_on_their_way_keep_their_content),
        TEST(an_arena_lasts_as_long_as_its_rooms),
        TEST(small_bodies_get_no_room),
        TEST(what_is_larger_than_the_memory_gets_none),
        TEST(without_memory_there_is_no_room_and_nothing_stays),
        TEST(so_many_rooms_leave_mappings_for_others),
        TEST(an_arena_that_cannot_be_is_an_error),
        TEST(threads_get_rooms_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
