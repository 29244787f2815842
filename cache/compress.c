/* SPDX-License-Identifier: MIT */
#include "cache/compress.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "cache/encode.h"
#include "core/pr.h"

#define LINKED_FILES_MAX 4194304 /* as many as the server indexes */

/* A file whose sidecars are not settled. */
struct item {
    const struct sj_scan_directory *directory;
    const struct sj_scan_file *file;
};

struct work {
    const struct sj_compress *compress;
    struct sj_compress_result *result;
    struct sj_scan scan;
    struct sj_group group;
    const struct sj_scan_directory **directories; /* each once */
    size_t n_directories;
    struct item *items;
    size_t n_items;
    uint64_t next; /* the first item that nobody has taken */
};

/* A subtask that takes one item after the other. */
struct lane {
    struct sj_task task; /* first */
    struct work *work;
    struct sj_refresh_count counts[SJ_CODINGS];
    struct sj_fault *faults;
    int error;
};

static int scan(struct work *work)
{
    const struct sj_compress *compress = work->compress;
    sj_group_init(&work->group);
    work->scan.group = &work->group;
    work->scan.is_cancelled = compress->is_cancelled;
    work->scan.linked_files_limit = LINKED_FILES_MAX;
    work->scan.serves_dotfiles = compress->serves_dotfiles;
    int error = sj_scan_start(&work->scan);
    sj_join(&work->group);
    return error != 0 ? error : work->scan.error;
}

static int compare_directories(const void *a, const void *b)
{
    const struct sj_scan_directory *x = *(const struct sj_scan_directory *const *)a;
    const struct sj_scan_directory *y = *(const struct sj_scan_directory *const *)b;
    if (x->identity.device != y->identity.device)
        return x->identity.device < y->identity.device ? -1 : 1;
    return (x->identity.inode > y->identity.inode) - (x->identity.inode < y->identity.inode);
}

/* Those with files, each once. */
static int list_directories(struct work *work)
{
    const struct sj_scan_directory *at;
    size_t n = 0;
    size_t n_kept = 0;
    for (at = work->scan.top; at != NULL; at = sj_scan_next(at, work->scan.top))
        n += at->n_files > 0;
    const struct sj_scan_directory **list = calloc(n + 1, sizeof(*list));
    if (list == NULL)
        return -ENOMEM;
    n = 0;
    for (at = work->scan.top; at != NULL; at = sj_scan_next(at, work->scan.top))
        if (at->n_files > 0)
            list[n++] = at;
    qsort(list, n, sizeof(*list), compare_directories);
    for (size_t i = 0; i < n; i++)
        if (n_kept == 0 || compare_directories(&list[n_kept - 1], &list[i]) != 0)
            list[n_kept++] = list[i];
    work->directories = list;
    work->n_directories = n_kept;
    return 0;
}

static bool is_wanted(const struct sj_scan_directory *directory, const struct sj_scan_file *file)
{
    const char *name = sj_scan_name(directory, file);
    return !file->is_sidecar && !file->is_odd && file->identity.size > 0 &&
           sj_encode_is_wanted((struct sj_text){name, strlen(name)});
}

/* One whose sidecars are all there: nothing is read of it. */
static void count_settled(struct work *work, const struct item *item)
{
    work->result->n_unchanged++;
    for (int i = SJ_GZIP; i < SJ_CODINGS; i++) {
        struct sj_refresh_count *count = &work->result->counts[i];
        if (!work->compress->codings[i])
            continue;
        count->n_kept++;
        count->n_bytes += item->directory->files[item->file->sidecars[i] - 1].identity.size;
    }
}

static void select_file(struct work *work, const struct item *item)
{
    if (!is_wanted(item->directory, item->file))
        return;
    work->result->n_files++;
    work->result->n_bytes += item->file->identity.size;
    if (sj_refresh_is_settled(item->directory, item->file, work->compress->codings))
        count_settled(work, item);
    else
        work->items[work->n_items++] = *item;
}

/* Largest first, so that no worker is left with a long one when the others have ended. */
static int compare_sizes(const void *a, const void *b)
{
    uint64_t x = ((const struct item *)a)->file->identity.size;
    uint64_t y = ((const struct item *)b)->file->identity.size;
    return (x < y) - (x > y);
}

/* The stores pair with nothing: whoever watches sees them some time. */
static int select_files(struct work *work)
{
    struct sj_compress_progress *progress = work->compress->progress;
    uint64_t n_bytes = 0;
    size_t n = 0;
    for (size_t i = 0; i < work->n_directories; i++)
        n += work->directories[i]->n_files;
    work->items = calloc(n + 1, sizeof(*work->items));
    if (work->items == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < work->n_directories; i++)
        for (size_t j = 0; j < work->directories[i]->n_files; j++)
            select_file(work,
                        &(struct item){work->directories[i], &work->directories[i]->files[j]});
    qsort(work->items, work->n_items, sizeof(*work->items), compare_sizes);
    for (size_t i = 0; i < work->n_items; i++)
        n_bytes += work->items[i].file->identity.size;
    ck_pr_store_64(&progress->n_bytes, n_bytes);
    ck_pr_store_64(&progress->n_files, work->n_items);
    return 0;
}

static int refresh(struct lane *lane, struct sj_refresher *refresher, const struct item *item)
{
    const char *const path[3] = {item->directory->scan->root->path, item->directory->path,
                                 sj_scan_name(item->directory, item->file)};
    struct sj_compress_progress *progress = lane->work->compress->progress;
    int error = sj_refresh(refresher, item->directory, item->file, lane->counts);
    if (error == -ECANCELED)
        return error;
    /* Without order, as above. */
    ck_pr_faa_64(&progress->n_files_done, 1);
    ck_pr_faa_64(&progress->n_bytes_done, item->file->identity.size);
    return error == 0 ? 0 : sj_fault_push(&lane->faults, path, sj_fault_reason(error));
}

/* The load pairs with the store of whoever cancels: without order, as nothing follows from it but
 * the end.  The counter gives each item to one lane; what the items are was there before the
 * spawn. */
static void run_lane(struct sj_task *task)
{
    struct lane *lane = (struct lane *)task;
    struct work *work = lane->work;
    struct sj_refresher refresher;
    uint64_t index = 0;
    lane->error =
        sj_refresher_init(&refresher, work->compress->codings, work->compress->is_cancelled);
    if (lane->error != 0)
        return;
    while (lane->error == 0 && index < work->n_items) {
        if (ck_pr_load_32(work->compress->is_cancelled) != 0)
            lane->error = -ECANCELED;
        else if ((index = ck_pr_faa_64(&work->next, 1)) < work->n_items)
            lane->error = refresh(lane, &refresher, &work->items[index]);
    }
    sj_refresher_fini(&refresher);
}

static void add_counts(struct sj_refresh_count *to, const struct sj_refresh_count *from)
{
    for (int i = SJ_GZIP; i < SJ_CODINGS; i++) {
        to[i].n_written += from[i].n_written;
        to[i].n_kept += from[i].n_kept;
        to[i].n_removed += from[i].n_removed;
        to[i].n_unpaid += from[i].n_unpaid;
        to[i].n_bytes += from[i].n_bytes;
    }
}

/* Moves `*from` to the front of the result's list. */
static void take_faults(struct work *work, struct sj_fault **from)
{
    while (*from != NULL) {
        struct sj_fault *fault = *from;
        *from = fault->next;
        fault->next = work->result->faults;
        work->result->faults = fault;
        work->result->n_faults++;
    }
}

static int run_lanes(struct work *work)
{
    unsigned n =
        work->n_items < work->compress->n_lanes ? (unsigned)work->n_items : work->compress->n_lanes;
    struct lane *lanes = calloc(n + 1, sizeof(*lanes));
    int error = 0;
    if (lanes == NULL)
        return -ENOMEM;
    sj_group_init(&work->group);
    for (unsigned i = 0; i < n; i++) {
        lanes[i] = (struct lane){.task = {.run = run_lane}, .work = work};
        sj_spawn(&work->group, &lanes[i].task);
    }
    sj_join(&work->group);
    for (unsigned i = 0; i < n; i++) {
        add_counts(work->result->counts, lanes[i].counts);
        take_faults(work, &lanes[i].faults);
        error = error == 0 ? lanes[i].error : error;
    }
    free(lanes);
    return error;
}

static int compare_faults(const void *a, const void *b)
{
    return strcmp((*(struct sj_fault *const *)a)->path.at, (*(struct sj_fault *const *)b)->path.at);
}

/* Without memory they stay as they are. */
static void sort_faults(struct sj_compress_result *result)
{
    struct sj_fault **list = calloc(result->n_faults + 1, sizeof(struct sj_fault *));
    size_t n = 0;
    if (list == NULL)
        return;
    for (struct sj_fault *fault = result->faults; fault != NULL; fault = fault->next)
        list[n++] = fault;
    qsort(list, n, sizeof(struct sj_fault *), compare_faults);
    for (size_t i = 0; i < n; i++)
        list[i]->next = list[i + 1];
    result->faults = list[0];
    free(list);
}

int sj_compress_run(const struct sj_compress *compress, struct sj_compress_result *result)
{
    struct sj_root_spec spec = {
        .prefix = "/", .path = compress->path, .follows_symlinks = compress->follows_symlinks};
    struct work work = {.compress = compress, .result = result};
    *result = (struct sj_compress_result){.n_files = 0};
    int error = sj_root_new(&spec, &work.scan.root);
    if (error != 0)
        return error;
    error = scan(&work);
    if (error == 0)
        error = list_directories(&work);
    if (error == 0)
        error = select_files(&work);
    if (error == 0)
        error = run_lanes(&work);
    for (struct sj_scan_directory *at = work.scan.top; at != NULL;
         at = sj_scan_next(at, work.scan.top))
        take_faults(&work, &at->faults);
    sort_faults(result);
    sj_scan_fini(&work.scan);
    sj_root_release(work.scan.root);
    free(work.directories);
    free(work.items);
    return error;
}
