/* SPDX-License-Identifier: MIT */
#include "cache/make.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include "cache/sidecar.h"
#include "cache/variants.h"

#define WHOLE_MAX (PATH_MAX + 2048) /* a prefix and a path */

/* The room: a path, then what a recipe writes. */
size_t sj_maker_room(const struct sj_maker *maker)
{
    return WHOLE_MAX + sj_recipe_room(maker->rules);
}

static int add_fault(struct sj_job *job, const struct sj_scan_file *file, const char *reason)
{
    const char *const path[3] = {job->directory->scan->root->path, job->directory->path,
                                 sj_scan_name(job->directory, file)};
    return sj_fault_push(&job->faults, path, reason);
}

/* The sidecar of a job's file, if there is one and it is good. */
static int pick_sidecar(struct sj_job *job, enum sj_coding coding, struct sj_file **picked)
{
    const struct sj_file *file = job->file->want->file;
    if (job->file->sidecars[coding] == 0)
        return 0;
    const struct sj_scan_file *sidecar = &job->directory->files[job->file->sidecars[coding] - 1];
    if (sidecar->want == NULL)
        return 0; /* stale */
    struct sj_file *variant = sidecar->want->file;
    if (variant == NULL && sidecar->want->error == -ENOENT)
        return 0;
    if (variant == NULL)
        return add_fault(job, sidecar, sj_fault_reason(sidecar->want->error));
    if (!sj_sidecar_is_true(variant, coding, file))
        return add_fault(job, sidecar, "does not decompress to its file");
    *picked = variant;
    return 0;
}

static int pick_sidecars(struct sj_job *job, struct sj_recipe *recipe)
{
    int error = 0;
    for (int i = SJ_GZIP; error == 0 && i < SJ_CODINGS; i++)
        error = pick_sidecar(job, i, &recipe->files[i]);
    return error;
}

/* Our own, where there is no sidecar. */
static void pick_variants(const struct sj_maker *maker, struct sj_recipe *recipe)
{
    const struct sj_variants *variants = maker->build->variants;
    for (int i = SJ_GZIP; variants != NULL && i < SJ_CODINGS; i++) {
        if (recipe->files[i] != NULL)
            continue;
        recipe->files[i] = sj_variants_find(variants, recipe->files[SJ_IDENTITY], i);
        recipe->is_own[i] = recipe->files[i] != NULL;
    }
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

/* That of before under the same path, or NULL. */
static struct sj_entry *find_before(const struct sj_maker *maker, const struct sj_recipe *recipe)
{
    const struct sj_entry *entry =
        sj_generation_find(maker->build->before, recipe->whole, recipe->path_length);
    return (struct sj_entry *)(uintptr_t)entry;
}

/* Takes the entry of before, or makes one. */
static int follow(const struct sj_maker *maker, struct sj_job *job, const struct sj_recipe *recipe,
                  char *room)
{
    struct sj_entry *old =
        maker->rules == maker->build->before->rules ? find_before(maker, recipe) : NULL;
    if (old != NULL && sj_recipe_fits(recipe, old)) {
        sj_entry_acquire(old);
        job->entry = old;
    } else {
        job->entry = sj_recipe_make(recipe, room);
    }
    return job->entry == NULL ? -ENOMEM : 0;
}

/* A file that is written all the time keeps the entry it has, and is sent as it then is. */
static bool keep_entry(const struct sj_maker *maker, struct sj_job *job,
                       const struct sj_recipe *recipe)
{
    struct sj_entry *old = find_before(maker, recipe);
    if (old == NULL || job->kind != SJ_RECIPE_FILE || old->kind != SJ_ENTRY_FILE)
        return false;
    sj_entry_acquire(old);
    job->entry = old;
    return true;
}

static int do_without(const struct sj_maker *maker, struct sj_job *job,
                      const struct sj_recipe *recipe)
{
    int error = job->file->want->error;
    if (error == -ESTALE && keep_entry(maker, job, recipe))
        return 0;
    if (error == -ENOENT || job->kind != SJ_RECIPE_FILE)
        return 0;
    return add_fault(job, job->file, sj_fault_reason(error));
}

int sj_make_entry(const struct sj_maker *maker, struct sj_job *job, char *room)
{
    struct sj_recipe recipe = {.kind = job->kind,
                               .settings = maker->build->settings,
                               .rules = maker->rules,
                               .root = job->directory->scan->root,
                               .whole = room,
                               .now = maker->now};
    int error = 0;
    set_path(&recipe, job);
    job->hash =
        sj_text_hash((struct sj_text){recipe.whole, recipe.path_length}, maker->build->stock->seed);
    if (job->file->want->file == NULL)
        return do_without(maker, job, &recipe);
    if (job->kind == SJ_RECIPE_FILE) {
        recipe.files[SJ_IDENTITY] = job->file->want->file;
        error = pick_sidecars(job, &recipe);
        pick_variants(maker, &recipe);
    }
    return error != 0 ? error : follow(maker, job, &recipe, room + WHOLE_MAX);
}

int sj_make_again(const struct sj_maker *maker, struct sj_entry *entry, char *room,
                  struct sj_entry **made)
{
    struct sj_recipe recipe = {.kind = SJ_RECIPE_FILE,
                               .settings = maker->build->settings,
                               .rules = maker->rules,
                               .root = entry->root,
                               .whole = room,
                               .path_length = entry->path.length,
                               .now = maker->now};
    for (int i = 0; i < SJ_CODINGS; i++)
        if (entry->representations[i].source != NULL)
            recipe.files[i] = entry->representations[i].file;
    *made = entry;
    if (entry->kind == SJ_ENTRY_FILE) {
        strcpy(room, entry->path.at); /* beyond path.length, too: see cache/recipe.h */
        pick_variants(maker, &recipe);
        if (!sj_recipe_fits(&recipe, entry))
            *made = sj_recipe_make(&recipe, room + WHOLE_MAX);
    }
    if (*made == entry)
        sj_entry_acquire(entry);
    return *made == NULL ? -ENOMEM : 0;
}
