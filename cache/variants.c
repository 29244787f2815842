/* SPDX-License-Identifier: MIT */
#include "cache/variants_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "cache/generation_make.h"
#include "cache/stock.h"

struct sj_variants *sj_variants_new(const struct sj_variants_config *config)
{
    struct sj_variants *made = calloc(1, sizeof(*made));
    if (made == NULL || sj_digest_set_init(&made->set, 0) != 0) {
        free(made);
        return NULL;
    }
    made->config = *config;
    made->hold_left = config->memory_limit;
    made->open_left = config->open_files_limit;
    made->is_planning = 1;
    return made;
}

void sj_variants_drop(struct sj_variants *variants, struct sj_file *file)
{
    if (file == NULL)
        return;
    if (file->is_held)
        ck_pr_add_64(&variants->hold_left, file->length);
    if (file->is_open)
        ck_pr_inc_64(&variants->open_left);
    sj_file_release(file);
}

/* What is served, in numbers. */
static void count(struct sj_variants *variants, const struct sj_file *file, uint64_t by)
{
    if (file == NULL)
        return;
    ck_pr_add_64(&variants->status.n_served, by);
    ck_pr_add_64(&variants->status.n_bytes, by * file->length);
    variants->n_held += file->is_held ? by : 0;
}

/* In the content's place for that coding. */
static void put_file(struct sj_variants *variants, struct sj_content *content, size_t at,
                     struct sj_file *file)
{
    count(variants, content->files[at], UINT64_MAX);
    count(variants, file, 1);
    sj_variants_drop(variants, content->files[at]);
    content->files[at] = file;
}

static void free_content(struct sj_variants *variants, struct sj_content *content)
{
    for (size_t i = 0; i < SJ_VARIANTS; i++)
        put_file(variants, content, i, NULL);
    sj_entry_release(content->entry);
    free(content);
}

void sj_variants_free(struct sj_variants *variants)
{
    ck_hs_iterator_t iterator = CK_HS_ITERATOR_INITIALIZER;
    struct sj_content *content;
    if (variants == NULL)
        return;
    sj_variants_drop_plan(variants);
    sj_variants_drop_noted(variants->noted);
    while ((content = sj_set_next(&variants->set, &iterator)) != NULL)
        free_content(variants, content);
    sj_set_fini(&variants->set);
    free(variants);
}

struct sj_file *sj_variants_find(const struct sj_variants *variants, const struct sj_file *identity,
                                 enum sj_coding coding)
{
    const struct sj_content *content = sj_set_find(&variants->set, identity->digest);
    return content != NULL ? content->files[coding - 1] : NULL;
}

/* Without memory the plan is given up: it is made again after the next build. */
static bool register_fresh(struct sj_variants *variants)
{
    struct sj_plan *plan = &variants->plan;
    while (plan->n_fresh > 0) {
        struct sj_content *content = plan->fresh[plan->n_fresh - 1];
        void *previous;
        if (sj_set_put(&variants->set, content, &previous) != 0)
            return false;
        plan->n_fresh--;
    }
    return true;
}

/* Lookups pass over what was taken out as well, until the set is made anew.  Should there be no
 * memory for that, it stays as it is. */
static void remove_stale(struct sj_variants *variants)
{
    struct sj_plan *plan = &variants->plan;
    for (; plan->n_stale > 0; variants->n_taken_out++) {
        struct sj_content *content = plan->stale[--plan->n_stale];
        sj_set_remove(&variants->set, content->digest);
        free_content(variants, content);
    }
    if (variants->n_taken_out > ck_hs_count(&variants->set) / 2 + 1024 &&
        ck_hs_rebuild(&variants->set))
        variants->n_taken_out = 0;
}

static bool settle_units(struct sj_variants *variants)
{
    struct sj_plan *plan = &variants->plan;
    bool is_changed = false;
    for (uint64_t i = 0; i < variants->n_news; i++) {
        struct sj_unit *unit = &plan->units[plan->news[i]];
        struct sj_content *content = unit->content;
        size_t at = unit->coding - 1U;
        bool is_other = unit->file != NULL;
        if (unit->is_wrong)
            sj_on_disk(content->entry->representations[SJ_IDENTITY].file)->is_racy = true;
        if (is_other)
            put_file(variants, content, at, unit->file);
        content->done[at] = unit->done;
        unit->file = NULL;
        unit->has_news = false;
        is_changed = is_changed || is_other;
    }
    ck_pr_store_64(&variants->n_news, 0);
    return is_changed;
}

/* The files have come to need the memory themselves: what is cut back is looked for once more, to
 * be sent from the disk. */
static bool cut_back(struct sj_variants *variants)
{
    ck_hs_iterator_t iterator = CK_HS_ITERATOR_INITIALIZER;
    struct sj_content *content = NULL;
    bool is_changed = false;
    while ((int64_t)ck_pr_load_64(&variants->hold_left) < 0 &&
           (content = sj_set_next(&variants->set, &iterator)) != NULL)
        for (size_t i = 0; i < SJ_VARIANTS; i++) {
            if (content->files[i] == NULL || !content->files[i]->is_held)
                continue;
            put_file(variants, content, i, NULL);
            content->done[i] = SJ_DONE_NOTHING;
            is_changed = true;
        }
    variants->was_cut_back = variants->was_cut_back || is_changed;
    return is_changed;
}

bool sj_variants_settle(struct sj_variants *variants)
{
    bool is_registered = register_fresh(variants);
    bool is_changed = is_registered && settle_units(variants);
    remove_stale(variants);
    if (!is_registered || variants->plan.is_over)
        sj_variants_drop_plan(variants);
    is_changed = cut_back(variants) || is_changed;
    ck_pr_add_64(&variants->n_settled, ck_pr_load_64(&variants->n_first));
    ck_pr_store_64(&variants->n_first, 0);
    if (is_changed)
        ck_pr_store_32(&variants->is_unserved, 1);
    return is_changed;
}

/* The exchanges pair with each other: whoever gets it sees all of it. */
static void note_sheaves(struct sj_variants *variants, const struct sj_generation *generation)
{
    size_t n = generation->n_sheaves;
    struct sj_noted *noted = malloc(sizeof(*noted) + n * sizeof(struct sj_sheaf *));
    if (noted == NULL)
        return;
    for (noted->n_sheaves = 0; noted->n_sheaves < n; noted->n_sheaves++) {
        noted->sheaves[noted->n_sheaves] = generation->sheaves[noted->n_sheaves];
        sj_sheaf_acquire(noted->sheaves[noted->n_sheaves]);
    }
    variants->was_cut_back = false;
    sj_variants_drop_noted(ck_pr_fas_ptr(&variants->noted, noted));
}

void sj_variants_served(struct sj_variants *variants, const struct sj_generation *generation,
                        const struct sj_stock *stock)
{
    ck_pr_add_64(&variants->hold_left, variants->n_files_held - stock->n_held_bytes);
    ck_pr_add_64(&variants->open_left, variants->n_files_open - stock->n_open);
    variants->n_files_held = stock->n_held_bytes;
    variants->n_files_open = stock->n_open;
    if (variants->was_cut_back)
        note_sheaves(variants, generation);
    ck_pr_store_64(&variants->n_settled, 0);
    ck_pr_store_32(&variants->is_unserved, 0);
}

void sj_variants_note(struct sj_variants *variants, const struct sj_generation *generation,
                      const struct sj_stock *stock)
{
    variants->was_cut_back = true;
    sj_variants_served(variants, generation, stock);
}

bool sj_variants_has_work(const struct sj_variants *variants)
{
    return ck_pr_load_ptr(&variants->noted) != NULL ||
           (variants->plan.n_units > 0 && !variants->plan.is_over);
}

bool sj_variants_has_news(const struct sj_variants *variants)
{
    bool is_over = (int64_t)ck_pr_load_64(&variants->hold_left) < 0;
    return ck_pr_load_64(&variants->n_news) != 0 || (is_over && variants->n_held > 0);
}

bool sj_variants_has_doubts(struct sj_variants *variants)
{
    return ck_pr_fas_32(&variants->has_doubts, 0) != 0;
}

void sj_variants_status(const struct sj_variants *variants, struct sj_variants_status *status)
{
    const struct sj_variants_status *own = &variants->status;
    bool has_more =
        ck_pr_load_32(&variants->is_unserved) != 0 || ck_pr_load_64(&variants->n_news) != 0;
    uint64_t n_coming = ck_pr_load_64(&variants->n_first) + ck_pr_load_64(&variants->n_settled) +
                        (ck_pr_load_ptr(&variants->noted) != NULL) +
                        ck_pr_load_32(&variants->is_planning);
    *status = (struct sj_variants_status){.n_served = ck_pr_load_64(&own->n_served),
                                          .n_bytes = ck_pr_load_64(&own->n_bytes),
                                          .n_pending = ck_pr_load_64(&own->n_pending) + n_coming,
                                          .n_improving = ck_pr_load_64(&own->n_improving) +
                                                         n_coming + has_more,
                                          .n_compressed = ck_pr_load_64(&own->n_compressed),
                                          .n_found = ck_pr_load_64(&own->n_found)};
}
