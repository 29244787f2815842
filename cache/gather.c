/* SPDX-License-Identifier: MIT */
#include "cache/gather.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cache/sidecar.h"

/* Room for all there can be, so that pointers into the arrays stay good. */
static int allocate(struct sj_gathered *gathered, const struct sj_stock *stock)
{
    size_t n_files = 0;
    size_t n_directories = 0;
    struct sj_scan_directory *at = sj_stock_next_unmade(stock, NULL);
    for (; at != NULL; at = sj_stock_next_unmade(stock, at)) {
        n_files += at->n_files;
        n_directories++;
    }
    gathered->wants = calloc(n_files + 1, sizeof(*gathered->wants));
    gathered->reads = calloc(n_files + 1, sizeof(*gathered->reads));
    gathered->awaited = calloc(n_files + 1, sizeof(*gathered->awaited));
    gathered->jobs = calloc(n_files + 2 * n_directories + 1, sizeof(*gathered->jobs));
    if (gathered->wants == NULL || gathered->reads == NULL || gathered->awaited == NULL ||
        gathered->jobs == NULL)
        return -ENOMEM;
    return sj_identity_set_init(&gathered->set, n_files);
}

/* The want for that file; NULL: no memory. */
static struct sj_want *want(struct sj_gathered *gathered, const struct sj_scan_directory *directory,
                            struct sj_scan_file *file)
{
    void *previous;
    if (file->want != NULL)
        return file->want;
    file->want = sj_set_find(&gathered->set, &file->identity);
    if (file->want != NULL)
        return file->want;
    struct sj_want *made = &gathered->wants[gathered->n_wants];
    *made = (struct sj_want){.identity = file->identity, .directory = directory, .at = file};
    if (sj_set_put(&gathered->set, made, &previous) != 0)
        return NULL;
    gathered->n_wants++;
    file->want = made;
    return made;
}

/* For this name alone; the arrays have room for a want for each. */
static struct sj_want *want_own(struct sj_gathered *gathered,
                                const struct sj_scan_directory *directory,
                                struct sj_scan_file *file)
{
    file->want = &gathered->wants[gathered->n_wants++];
    *file->want = (struct sj_want){.identity = file->identity, .directory = directory, .at = file};
    return file->want;
}

static int want_sidecar(struct sj_gathered *gathered, struct sj_scan_directory *directory,
                        const struct sj_scan_file *file, enum sj_coding coding)
{
    struct sj_scan_file *sidecar = &directory->files[file->sidecars[coding] - 1];
    if (!sj_sidecar_is_fresh(&sidecar->identity, &file->identity)) {
        const char *const path[3] = {directory->scan->root->path, directory->path,
                                     sj_scan_name(directory, sidecar)};
        return sj_fault_push(&directory->faults, path, "older than its file");
    }
    struct sj_want *wanted = want(gathered, directory, sidecar);
    if (wanted == NULL)
        return -ENOMEM;
    if (wanted->coding != SJ_IDENTITY && wanted->coding != coding)
        wanted = want_own(gathered, directory, sidecar); /* one file as variants of two codings */
    wanted->coding = coding;
    if (wanted->expansion_limit < file->identity.size)
        wanted->expansion_limit = file->identity.size;
    return 0;
}

static void add_job(struct sj_gathered *gathered, struct sj_scan_directory *directory,
                    const struct sj_scan_file *file, enum sj_recipe_kind kind)
{
    gathered->jobs[gathered->n_jobs++] =
        (struct sj_job){.directory = directory, .file = file, .kind = kind};
}

static int gather_file(struct sj_gathered *gathered, struct sj_scan_directory *directory,
                       struct sj_scan_file *file, const struct sj_settings *settings)
{
    const char *index_file = settings->index_file;
    int error = want(gathered, directory, file) == NULL ? -ENOMEM : 0;
    for (int i = SJ_GZIP; error == 0 && i < SJ_CODINGS; i++)
        if (file->sidecars[i] != 0)
            error = want_sidecar(gathered, directory, file, i);
    if (index_file != NULL && strcmp(sj_scan_name(directory, file), index_file) == 0) {
        bool is_site =
            directory->path_length == 0 && strcmp(directory->scan->root->prefix, "/") == 0;
        if (!is_site)
            add_job(gathered, directory, file, SJ_RECIPE_TO_DIRECTORY);
        add_job(gathered, directory, file, SJ_RECIPE_TO_PAGE);
    }
    add_job(gathered, directory, file, SJ_RECIPE_FILE);
    return error;
}

/* May what was read before stand for it? */
static bool is_reusable(const struct sj_want *want, const struct sj_disk_file *file)
{
    return file != NULL && !file->is_racy &&
           (want->coding == SJ_IDENTITY ||
            sj_expansion_is_known(file->expansion, want->coding, want->expansion_limit));
}

/* What is awaited and has no place yet gets one as if it were read now. */
static void take_over(struct sj_gathered *gathered, const struct sj_settings *settings,
                      const struct sj_stock *stock)
{
    uint64_t n_held = stock->n_held_bytes;
    for (size_t i = 0; i < gathered->n_wants; i++) {
        struct sj_want *want = &gathered->wants[i];
        struct sj_disk_file *known = sj_stock_find(stock, &want->identity);
        if (!is_reusable(want, known)) {
            gathered->reads[gathered->n_reads++] = want;
            continue;
        }
        struct sj_file *file = &known->file;
        sj_file_acquire(file);
        want->file = file;
        if (known->n_uses > 0)
            continue;
        if (known->is_awaited && !file->is_held && !file->is_open)
            gathered->awaited[gathered->n_awaited++] = want;
        else if (file->is_held)
            n_held += file->length;
    }
    gathered->hold_left = settings->memory_limit > n_held ? settings->memory_limit - n_held : 0;
    gathered->open_left =
        settings->open_files_limit > stock->n_open ? settings->open_files_limit - stock->n_open : 0;
}

static int compare_sizes(const void *a, const void *b)
{
    uint64_t x = (*(struct sj_want *const *)a)->identity.size;
    uint64_t y = (*(struct sj_want *const *)b)->identity.size;
    return (x > y) - (x < y);
}

/* Its first name's URL decides; of a variant, that of its file. */
static bool is_immutable(const struct sj_want *want, const struct sj_settings *settings)
{
    char path[PATH_MAX + 2048];
    const struct sj_scan_directory *directory = want->directory;
    int length = snprintf(path, sizeof(path), "%s%s%s", directory->scan->root->prefix,
                          directory->path, sj_scan_name(directory, want->at));
    if (want->at->is_sidecar && want->coding != SJ_IDENTITY && (size_t)length < sizeof(path))
        path[(size_t)length - sj_coding_endings[want->coding].length] = '\0';
    return sj_settings_is_immutable(settings, path);
}

/* Not held: does it stay open, so that its bytes can be sent when it is gone? */
static void choose_open(struct sj_gathered *gathered, const struct sj_settings *settings,
                        struct sj_want *want)
{
    if (gathered->open_left == 0 ||
        (want->identity.size <= settings->memory_file_limit && !is_immutable(want, settings)))
        return;
    want->keeps_open = true;
    gathered->open_left--;
}

static void choose(struct sj_gathered *gathered, const struct sj_settings *settings,
                   struct sj_want *want)
{
    uint64_t size = want->identity.size;
    want->is_held = size <= gathered->hold_left && size <= settings->memory_file_limit;
    if (want->is_held)
        gathered->hold_left -= size;
    else
        choose_open(gathered, settings, want);
}

/* Of the reads from `first` on and what is awaited: the smallest are held, as far as the memory
 * goes.  Sorts a copy: files are read in the order in which they lie in their directories. */
static int choose_held(struct sj_gathered *gathered, const struct sj_settings *settings,
                       size_t first)
{
    size_t n_reads = gathered->n_reads - first;
    size_t n_awaited = first == 0 ? gathered->n_awaited : 0;
    struct sj_want **sorted = calloc(n_reads + n_awaited + 1, sizeof(struct sj_want *));
    if (sorted == NULL)
        return -ENOMEM;
    memcpy(sorted, gathered->reads + first, n_reads * sizeof(struct sj_want *));
    memcpy(sorted + n_reads, gathered->awaited, n_awaited * sizeof(struct sj_want *));
    qsort(sorted, n_reads + n_awaited, sizeof(struct sj_want *), compare_sizes);
    for (size_t i = 0; i < n_reads + n_awaited; i++)
        choose(gathered, settings, sorted[i]);
    free(sorted);
    return 0;
}

int sj_gather(struct sj_gathered *gathered, const struct sj_stock *stock,
              const struct sj_settings *settings)
{
    int error = allocate(gathered, stock);
    struct sj_scan_directory *at = sj_stock_next_unmade(stock, NULL);
    for (; error == 0 && at != NULL; at = sj_stock_next_unmade(stock, at))
        for (size_t i = 0; error == 0 && i < at->n_files; i++)
            if (!at->files[i].is_sidecar && !at->files[i].is_odd)
                error = gather_file(gathered, at, &at->files[i], settings);
    if (error != 0)
        return error;
    take_over(gathered, settings, stock);
    return choose_held(gathered, settings, 0);
}

static bool is_stray(const struct sj_want *want)
{
    return want->file == NULL ||
           !sj_identity_equals(&sj_on_disk(want->file)->identity, &want->identity);
}

static void part_strays(struct sj_gathered *gathered, const struct sj_scan_directory *directory)
{
    for (size_t i = 0; i < directory->n_files; i++) {
        struct sj_scan_file *file = &directory->files[i];
        const struct sj_want *shared = file->want;
        if (shared == NULL || shared->at == file || !is_stray(shared))
            continue;
        want_own(gathered, directory, file);
        file->want->coding = shared->coding;
        file->want->expansion_limit = shared->expansion_limit;
        gathered->reads[gathered->n_reads++] = file->want;
    }
}

int sj_gather_strays(struct sj_gathered *gathered, const struct sj_stock *stock,
                     const struct sj_settings *settings)
{
    size_t first = gathered->n_reads;
    struct sj_scan_directory *at = sj_stock_next_unmade(stock, NULL);
    for (; at != NULL; at = sj_stock_next_unmade(stock, at))
        part_strays(gathered, at);
    return gathered->n_reads == first ? 0 : choose_held(gathered, settings, first);
}

void sj_gathered_fini(struct sj_gathered *gathered)
{
    for (size_t i = 0; i < gathered->n_wants; i++)
        sj_file_release(gathered->wants[i].file);
    for (size_t i = 0; i < gathered->n_jobs; i++)
        sj_entry_release(gathered->jobs[i].entry);
    for (size_t i = 0; i < gathered->n_jobs; i++)
        sj_faults_free(gathered->jobs[i].faults);
    sj_set_fini(&gathered->set);
    free(gathered->wants);
    free(gathered->reads);
    free(gathered->awaited);
    free(gathered->jobs);
}
