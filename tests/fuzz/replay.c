/* SPDX-License-Identifier: MIT */
/* Runs the fuzz target that it is linked with over all files of the folders named as arguments. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define INPUT_MAX 1048576

/* Octets read into memory of exactly that length, or -1. */
static long read_file(const char *path, uint8_t **data)
{
    FILE *file = fopen(path, "rb");
    long size = -1;

    *data = NULL;
    if (file == NULL)
        return -1;
    if (fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0 && size <= INPUT_MAX) {
        rewind(file);
        *data = malloc((size_t)size);
        if ((*data == NULL && size > 0) || fread(*data, 1, (size_t)size, file) != (size_t)size)
            size = -1;
    }
    fclose(file);
    return size;
}

static bool replay_file(const char *path)
{
    uint8_t *data;
    long size = read_file(path, &data);

    if (size < 0)
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
    else
        LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
    return size >= 0;
}

/* The number of files, or -1. */
static int replay_folder(const char *path)
{
    DIR *folder = opendir(path);
    const struct dirent *item;
    int n_files = 0;

    if (folder == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }
    while (n_files >= 0 && (item = readdir(folder)) != NULL) {
        char name[4096];

        if (item->d_name[0] == '.')
            continue;
        snprintf(name, sizeof(name), "%s/%s", path, item->d_name);
        fprintf(stderr, "%s\n", name); /* the last one, when an assertion fails */
        n_files = replay_file(name) ? n_files + 1 : -1;
    }
    closedir(folder);
    return n_files;
}

int main(int argc, char **argv)
{
    int n_files = 0;

    for (int i = 1; i < argc; i++) {
        int n = replay_folder(argv[i]);

        if (n < 0)
            return 1;
        n_files += n;
    }
    printf("%d inputs\n", n_files);
    return n_files > 0 ? 0 : 1;
}
