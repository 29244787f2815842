/* SPDX-License-Identifier: MIT */
#include "cache/build.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "cache/content.h"
#include "cache/gather.h"
#include "core/pr.h"

#define WHOLE_MAX  (PATH_MAX + 2048) /* a prefix and a path */
#define READ_FILES 64                /* in a batch, at most */
#define READ_BYTES 2097152           /* enough for a batch */
#define MAKE_JOBS  512               /* in a batch */

struct work {
    const struct sj_build *build;
    struct sj_generation *made;
    struct sj_scan *scans;
    struct sj_gathered gathered;
    struct sj_group group;
    time_t now;
    int error; /* the first of the subtasks' that ends the build */
    char *text;
    size_t text_size;
};

/* Some of the reads, or of the jobs. */
struct batch {
    struct sj_task task; /* first */
    struct work *work;
    size_t first, end;
    struct sj_fault *faults;
};

static int explain(struct work *work, int error, const char *what)
{
    snprintf(work->text, work->text_size, "%s: %s", what, strerrordesc_np(-error));
    return error;
}

static int open_roots(struct work *work)
{
    const struct sj_settings *settings = work->build->settings;
    int error = 0;
    for (size_t i = 0; work->build->watch != NULL && i < settings->n_roots; i++)
        sj_watch_add_root(work->build->watch, settings->roots[i].path);
    for (size_t i = 0; i < settings->n_roots; i++) {
        error = sj_root_new(&settings->roots[i], &work->made->roots[i]);
        if (error != 0)
            return explain(work, error, settings->roots[i].path);
        if (i < work->build->before->n_roots)
            sj_root_keep(&work->made->roots[i], work->build->before->roots[i]);
    }
    return 0;
}

static int read_rules(struct work *work)
{
    char why[256] = "";
    const char *path = work->build->settings->headers;
    if (path == NULL)
        return 0;
    int error =
        sj_rules_read(path, work->build->before->rules, &work->made->rules, why, sizeof(why));
    if (error != 0)
        snprintf(work->text, work->text_size, "--headers %s: %s", path, why);
    return error;
}

static int scan_all(struct work *work)
{
    size_t n_roots = work->made->n_roots;
    int error = 0;
    work->scans = calloc(n_roots + 1, sizeof(*work->scans));
    if (work->scans == NULL)
        return -ENOMEM;
    sj_group_init(&work->group);
    for (size_t i = 0; error == 0 && i < n_roots; i++) {
        work->scans[i] =
            (struct sj_scan){.root = work->made->roots[i],
                             .watch = work->build->watch,
                             .group = &work->group,
                             .is_cancelled = work->build->is_cancelled,
                             .linked_files_limit = work->build->settings->linked_files_limit,
                             .serves_dotfiles = work->build->settings->serves_dotfiles};
        error = sj_scan_start(&work->scans[i]);
    }
    sj_join(&work->group);
    for (size_t i = 0; error == 0 && i < n_roots; i++)
        if (work->scans[i].error != 0)
            error = explain(work, work->scans[i].error, work->scans[i].root->path);
    return error;
}

static void fail(struct work *work, int error)
{
    ck_pr_cas_int(&work->error, 0, error);
}

/* The load of the flag pairs with the store in sj_index_cancel.  Subtasks look at it and at the
 * error without order, only to end early; the join orders the last look. */
static bool goes_on(struct work *work)
{
    if (ck_pr_load_32(work->build->is_cancelled) != 0)
        fail(work, -ECANCELED);
    return ck_pr_load_int(&work->error) == 0;
}

static void add_fault(struct batch *batch, const struct sj_scan_directory *directory,
                      const struct sj_scan_file *file, const char *reason)
{
    const char *const path[3] = {directory->scan->root->path, directory->path,
                                 sj_scan_name(directory, file)};
    if (sj_fault_push(&batch->faults, path, reason) != 0)
        fail(batch->work, -ENOMEM);
}

static void read_want(struct work *work, struct sj_want *want, struct sj_reader *reader)
{
    char path[PATH_MAX];
    struct sj_content_request request = {.root = want->directory->scan->root,
                                         .path = path,
                                         .hold_limit = want->hold_limit,
                                         .coding = want->coding,
                                         .expansion_limit = want->expansion_limit};
    snprintf(path, sizeof(path), "%s%s", want->directory->path,
             sj_scan_name(want->directory, want->at));
    want->error = sj_content_read(&request, reader, &want->file);
    if (want->error == -ENOMEM || want->error == -ECANCELED || want->error == -EMFILE ||
        want->error == -ENFILE)
        fail(work, want->error);
}

static void run_reads(struct sj_task *task)
{
    struct batch *batch = (struct batch *)task;
    struct work *work = batch->work;
    struct sj_reader *reader = sj_reader_new();
    if (reader == NULL)
        fail(work, -ENOMEM);
    else
        reader->is_cancelled = work->build->is_cancelled;
    for (size_t i = batch->first; i < batch->end && goes_on(work); i++)
        read_want(work, work->gathered.reads[i], reader);
    sj_reader_free(reader);
}

/* The variant of a job's file, if there is one and it is good. */
static struct sj_file *pick_sidecar(struct batch *batch, const struct sj_job *job,
                                    enum sj_coding coding)
{
    const struct sj_file *file = job->file->want->file;
    const struct sj_scan_file *sidecar = &job->directory->files[job->file->sidecars[coding] - 1];
    if (sidecar->want == NULL)
        return NULL; /* stale */
    struct sj_file *variant = sidecar->want->file;
    if (variant == NULL) {
        if (sidecar->want->error != -ENOENT)
            add_fault(batch, job->directory, sidecar, sj_fault_reason(sidecar->want->error));
        return NULL;
    }
    if (sj_sidecar_is_true(variant, coding, file))
        return variant;
    add_fault(batch, job->directory, sidecar, "does not decompress to its file");
    return NULL;
}

/* Puts the URL path together: prefix, directory, and the name unless it is a page's. */
static void set_path(struct sj_recipe *recipe, const struct sj_job *job)
{
    const char *index_file = recipe->settings->index_file;
    const char *name = sj_scan_name(job->directory, job->file);
    size_t directory_length = strlen(recipe->root->prefix) + job->directory->path_length;
    snprintf(recipe->whole, WHOLE_MAX, "%s%s%s", recipe->root->prefix, job->directory->path, name);
    recipe->path_length = strlen(recipe->whole);
    if (job->kind == SJ_RECIPE_TO_DIRECTORY) {
        recipe->path_length = directory_length - 1;
        recipe->whole[directory_length - 1] = '\0';
    } else if (job->kind == SJ_RECIPE_FILE && index_file != NULL && strcmp(name, index_file) == 0) {
        recipe->path_length = directory_length;
    }
}

/* Takes the entry of before, or makes one. */
static void follow(struct work *work, struct sj_job *job, const struct sj_recipe *recipe,
                   char *room)
{
    const struct sj_generation *before = work->build->before;
    const struct sj_entry *old = NULL;
    if (work->made->rules == before->rules)
        old = sj_generation_find(before, recipe->whole, recipe->path_length);
    if (old != NULL && sj_recipe_fits(recipe, old)) {
        job->entry = (struct sj_entry *)(uintptr_t)old;
        sj_entry_acquire(job->entry);
        return;
    }
    job->entry = sj_recipe_make(recipe, room);
    if (job->entry == NULL)
        fail(work, -ENOMEM);
}

/* A file that is written all the time keeps the entry it has, and is sent as it then is. */
static bool keep_entry(struct work *work, struct sj_job *job, struct sj_recipe *recipe)
{
    set_path(recipe, job);
    const struct sj_entry *old =
        sj_generation_find(work->build->before, recipe->whole, recipe->path_length);
    if (old == NULL || job->kind != SJ_RECIPE_FILE || old->kind != SJ_ENTRY_FILE)
        return false;
    job->entry = (struct sj_entry *)(uintptr_t)old;
    sj_entry_acquire(job->entry);
    return true;
}

static void make_entry(struct batch *batch, struct sj_job *job, char *room)
{
    struct work *work = batch->work;
    char whole[WHOLE_MAX];
    struct sj_recipe recipe = {.kind = job->kind,
                               .settings = work->build->settings,
                               .rules = work->made->rules,
                               .root = job->directory->scan->root,
                               .whole = whole,
                               .now = work->now};
    const struct sj_want *want = job->file->want;
    if (want->file == NULL) {
        if (want->error == -ESTALE && keep_entry(work, job, &recipe))
            return;
        if (want->error != -ENOENT && job->kind == SJ_RECIPE_FILE)
            add_fault(batch, job->directory, job->file, sj_fault_reason(want->error));
        return;
    }
    if (job->kind == SJ_RECIPE_FILE) {
        recipe.files[SJ_IDENTITY] = want->file;
        for (int i = SJ_GZIP; i < SJ_CODINGS; i++)
            if (job->file->sidecars[i] != 0)
                recipe.files[i] = pick_sidecar(batch, job, i);
    }
    set_path(&recipe, job);
    follow(work, job, &recipe, room);
}

static void run_jobs(struct sj_task *task)
{
    struct batch *batch = (struct batch *)task;
    struct work *work = batch->work;
    char *room = malloc(sj_recipe_room(work->made->rules));
    if (room == NULL)
        fail(work, -ENOMEM);
    for (size_t i = batch->first; i < batch->end && goes_on(work); i++)
        make_entry(batch, &work->gathered.jobs[i], room);
    free(room);
}

/* Where a batch that begins at `first` ends. */
static size_t end_of_reads(const struct work *work, size_t first)
{
    const struct sj_gathered *gathered = &work->gathered;
    uint64_t bytes = 0;
    size_t end = first;
    while (end < gathered->n_reads && end - first < READ_FILES && bytes < READ_BYTES)
        bytes += gathered->reads[end++]->identity.size;
    return end;
}

static size_t end_of_jobs(const struct work *work, size_t first)
{
    size_t left = work->gathered.n_jobs - first;
    return first + (left < MAKE_JOBS ? left : MAKE_JOBS);
}

/* Spawns batches of what `end_of` cuts from `start` on, and joins them. */
static int run_batches(struct work *work, size_t start, size_t n, void (*run)(struct sj_task *task),
                       size_t (*end_of)(const struct work *work, size_t first))
{
    size_t n_batches = 0;
    int error = 0;
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
    for (size_t i = 0; i < n_batches; i++) {
        if (error == 0)
            error = sj_generation_put_faults(work->made, batches[i].faults);
        if (error != 0)
            sj_faults_free(batches[i].faults);
    }
    free(batches);
    return work->error != 0 ? work->error : error;
}

/* Moves a list of faults into the generation. */
static int take_faults(struct work *work, struct sj_fault **list)
{
    int error = sj_generation_put_faults(work->made, *list);
    if (error == 0)
        *list = NULL;
    return error;
}

static int collect(struct work *work)
{
    struct sj_gathered *gathered = &work->gathered;
    int error = take_faults(work, &gathered->faults);
    for (size_t i = 0; error == 0 && i < work->made->n_roots; i++) {
        struct sj_scan_directory *at = work->scans[i].top;
        for (; error == 0 && at != NULL; at = sj_scan_next(at))
            error = take_faults(work, &at->faults);
    }
    for (size_t i = 0; error == 0 && i < gathered->n_jobs; i++) {
        struct sj_entry *entry = gathered->jobs[i].entry;
        error = entry == NULL ? 0 : sj_generation_put_entry(work->made, entry);
        if (error == 0)
            gathered->jobs[i].entry = NULL;
    }
    for (size_t i = 0; error == 0 && i < gathered->n_wants; i++) {
        struct sj_file *file = gathered->wants[i].file;
        error = file == NULL ? 0 : sj_generation_put_file(work->made, file);
        if (error == 0)
            gathered->wants[i].file = NULL;
    }
    return error;
}

static int finish(struct work *work)
{
    const char *fallback = work->build->settings->fallback;
    work->made->not_found = sj_generation_find_page(work->made, "/404.html");
    if (fallback != NULL) {
        work->made->fallback = sj_generation_find_page(work->made, fallback);
        if (work->made->fallback == NULL) {
            snprintf(work->text, work->text_size, "--spa %s: no such file in the index", fallback);
            return -ENOENT;
        }
    }
    sj_generation_sum_up(work->made, work->build->before);
    return 0;
}

static int read_all(struct work *work)
{
    struct sj_gathered *gathered = &work->gathered;
    int error = run_batches(work, 0, gathered->n_reads, run_reads, end_of_reads);
    size_t n_before = gathered->n_reads;
    if (error == 0)
        error = sj_gather_strays(gathered, work->scans, work->made->n_roots, work->build->settings);
    if (error == 0)
        error = run_batches(work, n_before, gathered->n_reads, run_reads, end_of_reads);
    for (size_t i = 0; error == 0 && i < gathered->n_reads; i++)
        work->made->summary.n_files_read += gathered->reads[i]->file != NULL;
    return error;
}

static int run(struct work *work)
{
    int error = goes_on(work) ? open_roots(work) : work->error;
    if (error == 0)
        error = read_rules(work);
    if (error == 0)
        error = scan_all(work);
    if (error == 0)
        error = sj_gather(&work->gathered, work->scans, work->made->n_roots, work->build->settings,
                          work->build->before);
    if (error == 0)
        error = read_all(work);
    if (error == 0)
        error = run_batches(work, 0, work->gathered.n_jobs, run_jobs, end_of_jobs);
    if (error == 0)
        error = collect(work);
    if (error == 0)
        error = finish(work);
    return error;
}

int sj_build_run(const struct sj_build *build, struct sj_generation **made, char *error,
                 size_t error_size)
{
    const struct sj_generation_summary *before = &build->before->summary;
    struct work work = {.build = build, .text = error, .text_size = error_size};
    error[0] = '\0';
    work.now = time(NULL);
    work.made = sj_generation_new(build->settings->n_roots, before->n_urls, before->n_urls);
    if (build->watch != NULL)
        sj_watch_begin(build->watch);
    int code = work.made == NULL ? -ENOMEM : run(&work);
    if (build->watch != NULL)
        sj_watch_end(build->watch, code == 0 ? SJ_WATCH_COMPLETE : SJ_WATCH_PARTIAL);
    if (code == -ECANCELED)
        snprintf(error, error_size, "stopping");
    else if (code != 0 && error[0] == '\0')
        explain(&work, code, "index");
    for (size_t i = 0; work.scans != NULL && i < build->settings->n_roots; i++)
        sj_scan_fini(&work.scans[i]);
    sj_gathered_fini(&work.gathered);
    free(work.scans);
    if (code == 0)
        *made = work.made;
    else
        sj_generation_free(work.made);
    return code;
}
