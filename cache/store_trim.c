/* SPDX-License-Identifier: MIT */
#include "cache/store_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "cache/replace.h"
#include "core/pr.h"

#define FOLDERS     256
#define TEMPORARY_S 3600
#define DIGEST_HEX  32

struct use {
    int64_t used_ns;
    uint64_t bytes;
};

/*
 * Two passes, so that names need not be kept: the first counts and notes when each record was used,
 * from which follows the time up to which they go; the second removes.  Records that come or go
 * meanwhile, by other processes that trim as well, do no harm: what is gone already counts as
 * removed.
 */
struct trim {
    struct sj_store *store;
    struct use *uses; /* of the first pass */
    size_t n_uses;
    size_t room;
    uint64_t bytes;
    uint64_t wanted;  /* the second pass goes down to this */
    int64_t until_ns; /* and removes what was used no later */
};

typedef int visit_call(struct trim *trim, int directory, const char *name,
                       const struct stat *status);

static int64_t nanoseconds(const struct timespec *time)
{
    return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

static bool is_record(const char *name)
{
    return strspn(name, "0123456789abcdef") == DIGEST_HEX && name[DIGEST_HEX] == '-';
}

static bool is_temporary(const char *name)
{
    return strncmp(name, SJ_TEMPORARY_PREFIX, strlen(SJ_TEMPORARY_PREFIX)) == 0;
}

static int note(struct trim *trim, int directory, const char *name, const struct stat *status)
{
    uint64_t bytes = sj_record_room((uint64_t)status->st_size);
    if (is_temporary(name) && status->st_mtim.tv_sec < time(NULL) - TEMPORARY_S)
        return unlinkat(directory, name, 0) < 0 && errno != ENOENT ? -errno : 0;
    if (!is_record(name))
        return 0;
    if (trim->n_uses == trim->room) {
        size_t room = 2 * trim->room + 1024;
        struct use *grown = realloc(trim->uses, room * sizeof(*grown));
        if (grown == NULL)
            return -ENOMEM;
        trim->uses = grown;
        trim->room = room;
    }
    trim->uses[trim->n_uses++] = (struct use){nanoseconds(&status->st_atim), bytes};
    trim->bytes += bytes;
    return 0;
}

static int drop(struct trim *trim, int directory, const char *name, const struct stat *status)
{
    if (!is_record(name) || nanoseconds(&status->st_atim) > trim->until_ns ||
        trim->bytes <= trim->wanted)
        return 0;
    if (unlinkat(directory, name, 0) < 0 && errno != ENOENT)
        return -errno;
    trim->bytes -= sj_record_room((uint64_t)status->st_size);
    return 0;
}

/* 0 or the first -errno; goes on after all but -ENOMEM. */
static int visit_folder(struct trim *trim, const char *path, visit_call *visit)
{
    int error = 0;
    struct dirent *entry;
    struct stat status;
    DIR *directory = opendir(path);
    if (directory == NULL)
        return errno == ENOENT ? 0 : -errno;
    while (error != -ENOMEM && (entry = readdir(directory)) != NULL) {
        if (fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
            !S_ISREG(status.st_mode))
            continue;
        int code = visit(trim, dirfd(directory), entry->d_name, &status);
        error = error == 0 || code == -ENOMEM ? code : error;
    }
    closedir(directory);
    return error;
}

static int visit_all(struct trim *trim, visit_call *visit)
{
    char path[PATH_MAX];
    int error = visit_folder(trim, trim->store->path, visit);
    for (int i = 0; error != -ENOMEM && i < FOLDERS; i++) {
        snprintf(path, sizeof(path), "%s/variants/%02x", trim->store->path, (unsigned)i);
        int code = visit_folder(trim, path, visit);
        error = error == 0 || code == -ENOMEM ? code : error;
    }
    return error;
}

static int compare_uses(const void *a, const void *b)
{
    const struct use *left = a;
    const struct use *right = b;
    return (left->used_ns > right->used_ns) - (left->used_ns < right->used_ns);
}

static int remove_oldest(struct trim *trim)
{
    uint64_t left = trim->bytes;
    trim->wanted = trim->store->byte_limit / 10 * 9;
    qsort(trim->uses, trim->n_uses, sizeof(*trim->uses), compare_uses);
    for (size_t i = 0; i < trim->n_uses && left > trim->wanted; i++) {
        trim->until_ns = trim->uses[i].used_ns;
        left -= trim->uses[i].bytes;
    }
    return visit_all(trim, drop);
}

/* Room that other threads' records took meanwhile may be counted twice until the next trim. */
int sj_store_trim(struct sj_store *store)
{
    struct trim trim = {.store = store};
    if (store->path == NULL)
        return 0;
    uint64_t before = ck_pr_load_64(&store->bytes);
    int error = visit_all(&trim, note);
    if (error != -ENOMEM && trim.bytes > store->byte_limit) {
        int code = remove_oldest(&trim);
        error = error == 0 ? code : error;
    }
    if (error != -ENOMEM)
        ck_pr_add_64(&store->bytes, trim.bytes - before);
    free(trim.uses);
    return error;
}
