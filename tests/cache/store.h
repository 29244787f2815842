/* SPDX-License-Identifier: MIT */
#ifndef SJ_TESTS_CACHE_STORE_H
#define SJ_TESTS_CACHE_STORE_H
/* A store in a tree of its own, and one key to put records under. */
#include "cache/store.h"

#include <dirent.h>
#include <limits.h>
#include "core/log.h"
#include "tests/cache/contents.h"

#define MEMORY_LIMIT 3000000
#define HOLD         65536

struct fixture {
    struct tree *tree;
    char directory[100];
    char log_path[100];
    struct sj_log *log;
    struct sj_arena *arena;
    struct sj_store *store;
    struct sj_reader *reader;
    struct sj_store_key key;
    struct content content;
    struct sj_file *file;
};

static inline void open_store(struct fixture *fixture, const char *path, uint64_t byte_limit)
{
    struct sj_store_settings settings = {.path = path,
                                         .byte_limit = byte_limit,
                                         .memory_limit = MEMORY_LIMIT,
                                         .arena = fixture->arena,
                                         .log = fixture->log};
    sj_store_close(fixture->store);
    assert_int_equal(sj_store_open(&settings, &fixture->store), 0);
}

static inline int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    const char *failed;
    fixture->tree = tree_new();
    snprintf(fixture->directory, sizeof(fixture->directory), "%s/over/cache", fixture->tree->path);
    snprintf(fixture->log_path, sizeof(fixture->log_path), "%s/log", fixture->tree->path);
    const char *paths[SJ_LOG_SINKS] = {fixture->log_path, NULL};
    assert_int_equal(sj_log_new(paths, SJ_LOG_WARNING, &fixture->log, &failed), 0);
    assert_int_equal(sj_arena_new(&fixture->arena), 0);
    fixture->reader = sj_reader_new();
    fixture->content = words(20000, 1);
    fixture->key = (struct sj_store_key){
        .length = fixture->content.length, .coding = SJ_GZIP, .effort = SJ_EFFORT_FAST};
    memcpy(fixture->key.digest, fixture->content.digest, 16);
    open_store(fixture, fixture->directory, 1 << 30);
    *state = fixture;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *fixture = *state;
    sj_file_release(fixture->file);
    free(fixture->content.bytes);
    sj_reader_free(fixture->reader);
    sj_store_close(fixture->store);
    sj_arena_release(fixture->arena);
    sj_log_free(fixture->log);
    tree_free(fixture->tree);
    free(fixture);
    return 0;
}

static inline unsigned warnings(const struct fixture *fixture)
{
    unsigned n = 0;
    int c;
    FILE *log = fopen(fixture->log_path, "r");
    while (log != NULL && (c = getc(log)) != EOF)
        n += c == '\n';
    if (log != NULL)
        fclose(log);
    return n;
}

static inline int find(struct fixture *fixture, uint64_t hold_limit)
{
    sj_file_release(fixture->file);
    fixture->file = NULL;
    return sj_store_find(fixture->store, &fixture->key, hold_limit, fixture->reader,
                         &fixture->file);
}

static inline struct sj_store_writer *begin(struct fixture *fixture)
{
    struct sj_store_writer *writer = NULL;
    assert_int_equal(sj_store_begin(fixture->store, &fixture->key, &writer), 0);
    return writer;
}

static inline int commit(struct fixture *fixture, struct sj_store_writer *writer,
                         uint64_t hold_limit)
{
    sj_file_release(fixture->file);
    fixture->file = NULL;
    return sj_store_commit(writer, hold_limit, &fixture->file);
}

/* Puts a payload of that many octets under the fixture's key, in pieces. */
static inline int put(struct fixture *fixture, size_t length, uint64_t hold_limit)
{
    struct content payload = noise(length, length, 77);
    struct sj_store_writer *writer = begin(fixture);
    int error = 0;
    for (size_t done = 0; error == 0 && done < length; done += 50000) {
        size_t piece = length - done < 50000 ? length - done : 50000;
        error = sj_store_write(writer, payload.bytes + done, piece);
    }
    free(payload.bytes);
    if (error != 0)
        sj_store_abort(writer);
    return error != 0 ? error : commit(fixture, writer, hold_limit);
}

/* Has the fixture's file the payload of put? */
static inline void assert_payload(struct fixture *fixture, size_t length, bool is_held)
{
    struct content payload = noise(length, length, 77);
    struct sj_file *file = fixture->file;
    char *bytes = malloc(length + 1);
    assert_non_null(file);
    assert_int_equal(file->references, 1);
    assert_int_equal(file->length, length);
    assert_memory_equal(file->digest, payload.digest, 16);
    assert_int_equal(file->bytes != NULL, is_held);
    assert_int_equal(file->descriptor < 0, is_held);
    if (is_held)
        memcpy(bytes, file->bytes, length);
    else
        assert_int_equal(pread(file->descriptor, bytes, length, 0), length);
    assert_memory_equal(bytes, payload.bytes, length);
    assert_int_equal(file->is_on_disk, !is_held);
    free(bytes);
    free(payload.bytes);
}

static inline void name_folder(const struct fixture *fixture, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/variants/%02x", fixture->directory, fixture->key.digest[0]);
}

/* The one file in the key's folder whose name begins so; counts them. */
static inline unsigned scan(const struct fixture *fixture, const char *prefix, char path[PATH_MAX])
{
    char folder[PATH_MAX];
    unsigned n = 0;
    struct dirent *entry;
    name_folder(fixture, folder);
    DIR *directory = opendir(folder);
    while (directory != NULL && (entry = readdir(directory)) != NULL)
        if (entry->d_name[0] != '.' && strncmp(entry->d_name, prefix, strlen(prefix)) == 0) {
            n++;
            assert_true(strlen(folder) + strlen(entry->d_name) + 2 < PATH_MAX);
            strcpy(path, folder);
            strcat(path, "/");
            strcat(path, entry->d_name);
        }
    if (directory != NULL)
        closedir(directory);
    return n;
}

static inline void record_path(const struct fixture *fixture, char path[PATH_MAX])
{
    assert_int_equal(scan(fixture, "", path), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
