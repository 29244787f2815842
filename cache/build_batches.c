/* SPDX-License-Identifier: MIT */
#include "cache/build_private.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include "cache/content.h"
#include "core/pr.h"

#define READ_FILES   64      /* in a batch, at most */
#define READ_BYTES   2097152 /* enough for a batch */
#define MAPPED_FROM  131072  /* bytes of an allocation, as the C library begins with */
#define MAKE_JOBS    512     /* in a batch */
#define MAKE_SHEAVES 64      /* in a batch */

/* Some of the reads, of the jobs, or of the directories. */
struct batch {
    struct sj_task task; /* first */
    struct sj_work *work;
    size_t first, end;
};

static void fail(struct sj_work *work, int error)
{
    ck_pr_cas_int(&work->error, 0, error);
}

/* The load of the flag pairs with the store in sj_index_cancel.  Subtasks look at it and at the
 * error without order, only to end early; the join orders the last look. */
bool sj_work_goes_on(struct sj_work *work)
{
    if (ck_pr_load_32(work->build->is_cancelled) != 0)
        fail(work, -ECANCELED);
    return ck_pr_load_int(&work->error) == 0;
}

static void read_want(struct sj_work *work, struct sj_want *want, struct sj_reader *reader)
{
    char path[PATH_MAX];
    struct sj_content_request request = {.root = want->directory->scan->root,
                                         .path = path,
                                         .arena = work->build->settings->arena,
                                         .hold_limit = want->is_held ? want->identity.size : 0,
                                         .keeps_open = want->keeps_open,
                                         .coding = want->coding,
                                         .expansion_limit = want->expansion_limit};
    snprintf(path, sizeof(path), "%s%s", want->directory->path,
             sj_scan_name(want->directory, want->at));
    want->error = sj_content_read(&request, reader, &want->file);
    if (want->error == -ENOMEM || want->error == -ECANCELED || want->error == -EMFILE ||
        want->error == -ENFILE)
        fail(work, want->error);
}

/* The C library lets the heap of a thread grow by one allocation at a time, each by a system call
 * that locks the address space.  While the first build fills the memory, heaps grow for all files
 * of a batch, which has to be taken for a small allocation then; later that would only keep
 * memory from going back to the system. */
static void tune_heaps(size_t mapped_from, size_t kept_free)
{
    mallopt(M_MMAP_THRESHOLD, (int)mapped_from);
    mallopt(M_TRIM_THRESHOLD, (int)kept_free);
}

static void map_ahead(const struct batch *batch)
{
    size_t bytes = 0;
    for (size_t i = batch->first; i < batch->end; i++) {
        const struct sj_want *want = batch->work->gathered.reads[i];
        bytes += sizeof(struct sj_disk_file) + (want->is_held ? want->identity.size : 0);
    }
    void *volatile block = malloc(bytes);
    free(block);
}

/* A reader is large: to make one for each batch would have the kernel zero its pages each time.
 * Subtasks of one build share as many as run at once.  The exchanges pair with each other. */
static struct sj_reader *take_reader(struct sj_work *work)
{
    for (unsigned i = 0; i < SJ_WORKERS_MAX; i++) {
        struct sj_reader *reader = ck_pr_fas_ptr(&work->readers[i], NULL);
        if (reader != NULL)
            return reader;
    }
    return sj_reader_new();
}

static void give_back(struct sj_work *work, struct sj_reader *reader)
{
    for (unsigned i = 0; reader != NULL && i < SJ_WORKERS_MAX; i++)
        reader = ck_pr_fas_ptr(&work->readers[i], reader);
    sj_reader_free(reader);
}

static void run_reads(struct sj_task *task)
{
    struct batch *batch = (struct batch *)task;
    struct sj_work *work = batch->work;
    struct sj_reader *reader = take_reader(work);
    if (reader == NULL)
        fail(work, -ENOMEM);
    else
        reader->is_cancelled = work->build->is_cancelled;
    if (work->stock->serial == 0)
        map_ahead(batch);
    for (size_t i = batch->first; i < batch->end && sj_work_goes_on(work); i++)
        read_want(work, work->gathered.reads[i], reader);
    give_back(work, reader);
}

static void run_jobs(struct sj_task *task)
{
    struct batch *batch = (struct batch *)task;
    struct sj_work *work = batch->work;
    char *room = malloc(sj_maker_room(&work->maker));
    if (room == NULL)
        fail(work, -ENOMEM);
    for (size_t i = batch->first; i < batch->end && sj_work_goes_on(work); i++)
        if (sj_make_entry(&work->maker, &work->gathered.jobs[i], room) != 0)
            fail(work, -ENOMEM);
    free(room);
}

/* The directory's sheaf gives way to another when an entry does. */
static int make_again(struct sj_work *work, struct sj_scan_directory *directory, char *room)
{
    struct sj_sheaf *before = directory->sheaf;
    struct sj_sheaf *sheaf = sj_sheaf_new(before->n_items, work->made->serial);
    bool differs = false;
    int error = sheaf == NULL ? -ENOMEM : 0;
    for (size_t i = 0; error == 0 && i < before->n_items; i++) {
        struct sj_entry *entry = before->items[i].entry;
        struct sj_entry *made;
        error = sj_make_again(&work->maker, entry, room, &made);
        if (error == 0)
            sj_sheaf_put(sheaf, made, before->items[i].hash);
        differs = differs || made != entry;
    }
    if (error == 0 && differs)
        directory->sheaf = sheaf;
    sj_sheaf_release(error == 0 && differs ? before : sheaf);
    return error;
}

static void run_kept(struct sj_task *task)
{
    struct batch *batch = (struct batch *)task;
    struct sj_work *work = batch->work;
    char *room = malloc(sj_maker_room(&work->maker));
    if (room == NULL)
        fail(work, -ENOMEM);
    for (size_t i = batch->first; i < batch->end && sj_work_goes_on(work); i++)
        if (make_again(work, work->kept[i], room) != 0)
            fail(work, -ENOMEM);
    free(room);
}

/* Where a batch that begins at `first` ends. */
static size_t end_of_reads(const struct sj_work *work, size_t first)
{
    const struct sj_gathered *gathered = &work->gathered;
    uint64_t bytes = 0;
    size_t end = first;
    while (end < gathered->n_reads && end - first < READ_FILES && bytes < READ_BYTES)
        bytes += gathered->reads[end++]->identity.size;
    return end;
}

static size_t end_of_jobs(const struct sj_work *work, size_t first)
{
    size_t left = work->gathered.n_jobs - first;
    return first + (left < MAKE_JOBS ? left : MAKE_JOBS);
}

static size_t end_of_kept(const struct sj_work *work, size_t first)
{
    size_t left = work->n_kept - first;
    return first + (left < MAKE_SHEAVES ? left : MAKE_SHEAVES);
}

/* Spawns batches of what `end_of` cuts from `start` on, and joins them. */
static int run_batches(struct sj_work *work, size_t start, size_t n,
                       void (*run)(struct sj_task *task),
                       size_t (*end_of)(const struct sj_work *work, size_t first))
{
    size_t n_batches = 0;
    for (size_t first = start; first < n; first = end_of(work, first))
        n_batches++;
    struct batch *batches = calloc(n_batches + 1, sizeof(*batches));
    if (batches == NULL)
        return -ENOMEM;
    sj_group_init(&work->group);
    for (size_t i = 0, first = start; i < n_batches; first = batches[i++].end) {
        batches[i] = (struct batch){
            .task = {.run = run}, .work = work, .first = first, .end = end_of(work, first)};
        sj_spawn(&work->group, &batches[i].task);
    }
    sj_join(&work->group);
    free(batches);
    return work->error;
}

int sj_work_read(struct sj_work *work)
{
    struct sj_gathered *gathered = &work->gathered;
    bool is_first = work->stock->serial == 0;
    if (is_first)
        tune_heaps(2 * READ_BYTES, 4 * READ_BYTES);
    int error = run_batches(work, 0, gathered->n_reads, run_reads, end_of_reads);
    size_t n_before = gathered->n_reads;
    if (error == 0)
        error = sj_gather_strays(gathered, work->stock, work->build->settings);
    if (error == 0)
        error = run_batches(work, n_before, gathered->n_reads, run_reads, end_of_reads);
    if (is_first)
        tune_heaps(MAPPED_FROM, MAPPED_FROM);
    for (unsigned i = 0; i < SJ_WORKERS_MAX; i++)
        sj_reader_free(work->readers[i]);
    work->made->summary.n_files_read = gathered->n_reads;
    return error;
}

int sj_work_make(struct sj_work *work)
{
    return run_batches(work, 0, work->gathered.n_jobs, run_jobs, end_of_jobs);
}

/* Those with a sheaf; counted if there is no list yet. */
static void list_kept(struct sj_work *work)
{
    work->n_kept = 0;
    for (size_t i = 0; i < work->stock->n_scans; i++) {
        struct sj_scan_directory *top = work->stock->scans[i].top;
        for (struct sj_scan_directory *at = top; at != NULL; at = sj_scan_next(at, top)) {
            if (at->sheaf == NULL)
                continue;
            if (work->kept != NULL)
                work->kept[work->n_kept] = at;
            work->n_kept++;
        }
    }
}

int sj_work_make_kept(struct sj_work *work)
{
    list_kept(work);
    work->kept = calloc(work->n_kept + 1, sizeof(struct sj_scan_directory *));
    if (work->kept == NULL)
        return -ENOMEM;
    list_kept(work);
    return run_batches(work, 0, work->n_kept, run_kept, end_of_kept);
}
