/* SPDX-License-Identifier: MIT */
#ifndef SJ_TESTS_CACHE_TREE_H
#define SJ_TESTS_CACHE_TREE_H
/* Trees of files for tests, below a folder of their own that is removed at the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

struct tree {
    char path[64];
};

static inline struct tree *tree_new(void)
{
    struct tree *tree = calloc(1, sizeof(*tree));
    assert_non_null(tree);
    strcpy(tree->path, "/tmp/sj-test-XXXXXX");
    assert_non_null(mkdtemp(tree->path));
    return tree;
}

static inline int tree_remove_one(const char *path, const struct stat *status, int what,
                                  struct FTW *where)
{
    (void)status;
    (void)where;
    if (what == FTW_DP || what == FTW_D || what == FTW_DNR)
        return rmdir(path);
    return unlink(path);
}

static inline void tree_free(struct tree *tree)
{
    nftw(tree->path, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(tree);
}

/* A full path; valid until the call after the next. */
static inline const char *tree_path(const struct tree *tree, const char *name)
{
    static char paths[2][8192];
    static unsigned turn;
    char *path = paths[turn++ % 2];
    snprintf(path, sizeof(paths[0]), "%s/%s", tree->path, name);
    return path;
}

/* Makes the directories that `name` lies in. */
static inline void tree_make_parents(const struct tree *tree, const char *name)
{
    char path[8192];
    snprintf(path, sizeof(path), "%s/%s", tree->path, name);
    for (char *at = path + strlen(tree->path) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        mkdir(path, 0755);
        *at = '/';
    }
}

static inline void tree_write_bytes(const struct tree *tree, const char *name, const void *from,
                                    size_t length)
{
    tree_make_parents(tree, name);
    FILE *file = fopen(tree_path(tree, name), "w");
    assert_non_null(file);
    assert_int_equal(fwrite(from, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static inline void tree_write(const struct tree *tree, const char *name, const char *text)
{
    tree_write_bytes(tree, name, text, strlen(text));
}

static inline void tree_link(const struct tree *tree, const char *target, const char *name)
{
    tree_make_parents(tree, name);
    assert_int_equal(symlink(target, tree_path(tree, name)), 0);
}

static inline void tree_touch(const struct tree *tree, const char *name, time_t seconds)
{
    struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
    assert_int_equal(utimensat(AT_FDCWD, tree_path(tree, name), times, 0), 0);
}

/* One gzip member; its length. */
static inline size_t gzip(const char *text, size_t length, void *to, size_t room)
{
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)text, .avail_in = (uInt)length};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_out = to;
    stream.avail_out = (uInt)room;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    return room - stream.avail_out;
}

static inline void tree_write_gzip(const struct tree *tree, const char *name, const char *text)
{
    char room[4096];
    tree_write_bytes(tree, name, room, gzip(text, strlen(text), room, sizeof(room)));
}

/* Tests that need somebody to whom permissions apply. */
static inline void skip_as_root(void)
{
    if (geteuid() == 0)
        skip();
}

#endif
