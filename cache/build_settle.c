/* SPDX-License-Identifier: MIT */
#include "cache/build_private.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The file is not in use yet, so it may still change. */
static int await(struct sj_stock *stock, const struct sj_want *want)
{
    char path[PATH_MAX];
    struct sj_root *root = want->directory->scan->root;
    snprintf(path, sizeof(path), "%s%s", want->directory->path,
             sj_scan_name(want->directory, want->at));
    char *copy = strdup(path);
    if (copy == NULL)
        return -ENOMEM;
    want->file->is_held = want->is_held;
    want->file->is_open = want->keeps_open;
    stock->n_open += want->keeps_open;
    sj_file_acquire(want->file);
    sj_root_acquire(root);
    stock->awaited[stock->n_awaited++] = (struct sj_awaited){want->file, root, copy};
    return 0;
}

int sj_work_await(struct sj_work *work)
{
    const struct sj_gathered *gathered = &work->gathered;
    struct sj_stock *stock = work->stock;
    int error = 0;
    if (gathered->n_awaited == 0)
        return 0;
    struct sj_awaited *larger = reallocarray(stock->awaited, stock->n_awaited + gathered->n_awaited,
                                             sizeof(*stock->awaited));
    if (larger == NULL)
        return -ENOMEM;
    stock->awaited = larger;
    for (size_t i = 0; error == 0 && i < gathered->n_awaited; i++) {
        const struct sj_want *want = gathered->awaited[i];
        if (want->is_held || want->keeps_open)
            error = await(stock, want);
    }
    return error;
}

static void append_faults(struct sj_fault **list, struct sj_fault **more)
{
    while (*list != NULL)
        list = &(*list)->next;
    *list = *more;
    *more = NULL;
}

/* Instead of what is wanted of each file: what was read.  The directory is whole in any case. */
static int use_files(struct sj_work *work, struct sj_scan_directory *directory)
{
    int error = 0;
    for (size_t i = 0; i < directory->n_files; i++) {
        struct sj_want *want = directory->files[i].want;
        struct sj_file *file = want == NULL ? NULL : want->file;
        int code = file == NULL ? 0 : sj_stock_use(work->stock, file);
        directory->files[i].file = code == 0 ? file : NULL;
        error = code != 0 ? code : error;
    }
    return error;
}

/* `*at`: of the jobs, the directory's first; then the next one's. */
static int settle_directory(struct sj_work *work, struct sj_scan_directory *directory, size_t *at)
{
    const struct sj_gathered *gathered = &work->gathered;
    size_t end = *at;
    while (end < gathered->n_jobs && gathered->jobs[end].directory == directory)
        end++;
    struct sj_sheaf *sheaf = sj_sheaf_new(end - *at, work->made->serial);
    if (sheaf == NULL)
        return -ENOMEM;
    for (; *at < end; ++*at) {
        struct sj_job *job = &gathered->jobs[*at];
        append_faults(&directory->faults, &job->faults);
        if (job->entry != NULL)
            sj_sheaf_put(sheaf, job->entry, job->hash);
        job->entry = NULL;
    }
    directory->sheaf = sheaf;
    return use_files(work, directory);
}

int sj_work_settle(struct sj_work *work)
{
    size_t at = 0;
    int error = 0;
    struct sj_scan_directory *directory = sj_stock_next_unmade(work->stock, NULL);
    for (; error == 0 && directory != NULL;
         directory = sj_stock_next_unmade(work->stock, directory))
        error = settle_directory(work, directory, &at);
    return error;
}

static int collect_faults(struct sj_work *work, const struct sj_scan_directory *directory)
{
    struct sj_fault *faults = NULL;
    int error = sj_faults_copy(directory->faults, &faults);
    if (error == 0)
        error = sj_generation_put_faults(work->made, faults);
    if (error != 0)
        sj_faults_free(faults);
    return error;
}

int sj_work_collect(struct sj_work *work)
{
    const struct sj_stock *stock = work->stock;
    size_t n_entries = 0;
    int error = 0;
    for (size_t i = 0; i < stock->n_scans; i++) {
        struct sj_scan_directory *at = stock->scans[i].top;
        for (; at != NULL; at = sj_scan_next(at, stock->scans[i].top))
            n_entries += at->sheaf->n_items;
    }
    error = sj_generation_reserve(work->made, n_entries);
    for (size_t i = 0; error == 0 && i < stock->n_scans; i++) {
        struct sj_scan_directory *at = stock->scans[i].top;
        for (; error == 0 && at != NULL; at = sj_scan_next(at, stock->scans[i].top)) {
            error = sj_generation_put_sheaf(work->made, at->sheaf);
            if (error == 0 && at->faults != NULL)
                error = collect_faults(work, at);
        }
    }
    return error;
}
