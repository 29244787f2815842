/* SPDX-License-Identifier: MIT */
#include "cache/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* Names are 64 random bits; and a directory may be removed as soon as it was made. */
#define TRIES 4

static int make_directory(const char *path)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : -errno;
}

int sj_make_directories(const char *path)
{
    char part[PATH_MAX];
    size_t length = strlen(path);
    if (length >= sizeof(part))
        return -ENAMETOOLONG;
    int error = make_directory(path);
    if (error != -ENOENT)
        return error;
    memcpy(part, path, length + 1);
    for (char *slash = part; (slash = strchr(slash + 1, '/')) != NULL; *slash = '/') {
        *slash = '\0';
        error = make_directory(part);
        if (error != 0)
            return error;
    }
    return make_directory(path);
}

/* Of a path whose temporary name was not too long. */
static int make_parents(const char *path)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - path);
    if (length == 0)
        return 0;
    memcpy(parent, path, length);
    parent[length] = '\0';
    return sj_make_directories(parent);
}

static int name_temporary(struct sj_replacement *replacement, const char *path)
{
    uint64_t number;
    const char *slash = strrchr(path, '/');
    int length = slash == NULL ? 0 : (int)(slash - path) + 1;
    if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
        return -EIO;
    int n = snprintf(replacement->temporary, sizeof(replacement->temporary),
                     "%.*s" SJ_TEMPORARY_PREFIX "%016" PRIx64, length, path, number);
    return n < (int)sizeof(replacement->temporary) ? 0 : -ENAMETOOLONG;
}

int sj_replacement_begin(struct sj_replacement *replacement, const char *path)
{
    int error = -ENOENT;
    for (int tries = 0; (error == -ENOENT || error == -EEXIST) && tries < TRIES; tries++) {
        if (tries > 0 && (error = make_parents(path)) != 0)
            continue;
        error = name_temporary(replacement, path);
        if (error != 0)
            return error;
        replacement->descriptor =
            open(replacement->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        error = replacement->descriptor < 0 ? -errno : 0;
    }
    return error;
}

int sj_replacement_write(struct sj_replacement *replacement, const void *bytes, size_t length)
{
    size_t done = 0;
    while (done < length) {
        ssize_t n = write(replacement->descriptor, (const char *)bytes + done, length - done);
        if (n < 0 && errno != EINTR)
            return -errno;
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int sj_replacement_commit(struct sj_replacement *replacement, const char *path)
{
    if (rename(replacement->temporary, path) == 0)
        return 0;
    int error = -errno;
    unlink(replacement->temporary);
    return error;
}

void sj_replacement_abort(struct sj_replacement *replacement)
{
    close(replacement->descriptor);
    unlink(replacement->temporary);
}
