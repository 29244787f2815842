/* SPDX-License-Identifier: MIT */
#include "cache/variants_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "cache/sheaf.h"

/* A list that grows. */
struct list {
    struct sj_content **items;
    size_t n, room;
};

/* What a plan is made with. */
struct planner {
    struct sj_variants *variants;
    struct sj_noted *noted;
    ck_hs_t fresh;      /* contents that are not in the register */
    struct list list;   /* those */
    struct list wanted; /* all */
};

void sj_variants_drop_noted(struct sj_noted *noted)
{
    for (size_t i = 0; noted != NULL && i < noted->n_sheaves; i++)
        sj_sheaf_release(noted->sheaves[i]);
    free(noted);
}

void sj_variants_drop_plan(struct sj_variants *variants)
{
    struct sj_plan *plan = &variants->plan;
    for (size_t i = 0; i < plan->n_units; i++)
        sj_variants_drop(variants, plan->units[i].file);
    for (size_t i = 0; i < plan->n_contents; i++) {
        sj_entry_release(plan->contents[i]->entry);
        plan->contents[i]->entry = NULL;
    }
    for (size_t i = 0; i < plan->n_fresh; i++)
        free(plan->fresh[i]);
    free(plan->units);
    free(plan->news);
    free(plan->contents);
    free(plan->fresh);
    free(plan->stale);
    *plan = (struct sj_plan){.is_over = true};
    ck_pr_store_64(&variants->n_news, 0);
    ck_pr_store_64(&variants->status.n_pending, 0);
    ck_pr_store_64(&variants->status.n_improving, 0);
}

static int append(struct list *list, struct sj_content *content)
{
    if (list->n == list->room) {
        size_t room = 2 * list->room + 64;
        struct sj_content **larger = reallocarray(list->items, room, sizeof(struct sj_content *));
        if (larger == NULL)
            return -ENOMEM;
        list->items = larger;
        list->room = room;
    }
    list->items[list->n++] = content;
    return 0;
}

/* Bits of the codings that a path has no true sidecar for; none, when it is compressed already. */
static uint8_t codings_of(const struct sj_entry *entry)
{
    const struct sj_file *file = entry->representations[SJ_IDENTITY].file;
    uint8_t wanted = 0;
    if (entry->kind != SJ_ENTRY_FILE || file->length == 0 || file->length > SJ_VARIANT_MAX)
        return 0;
    const char *name = entry->representations[SJ_IDENTITY].source;
    if (!sj_encode_is_wanted((struct sj_text){name, strlen(name)}))
        return 0;
    for (unsigned i = SJ_GZIP; i < SJ_CODINGS; i++)
        if (entry->representations[i].file == NULL || entry->representations[i].source == NULL)
            wanted = (uint8_t)(wanted | 1U << (i - 1));
    return wanted;
}

/* The content's, old or new; NULL: no memory. */
static struct sj_content *find(struct planner *planner, const struct sj_file *file)
{
    void *previous;
    struct sj_content *content = sj_set_find(&planner->variants->set, file->digest);
    if (content == NULL)
        content = sj_set_find(&planner->fresh, file->digest);
    if (content != NULL)
        return content;
    content = calloc(1, sizeof(*content));
    if (content == NULL)
        return NULL;
    memcpy(content->digest, file->digest, sizeof(content->digest));
    if (append(&planner->list, content) != 0) {
        free(content);
        return NULL;
    }
    return sj_set_put(&planner->fresh, content, &previous) == 0 ? content : NULL;
}

static int plan_entry(struct planner *planner, struct sj_entry *entry)
{
    uint8_t wanted = codings_of(entry);
    if (wanted == 0)
        return 0;
    struct sj_content *content = find(planner, entry->representations[SJ_IDENTITY].file);
    if (content == NULL)
        return -ENOMEM;
    if (content->round != planner->variants->round) {
        content->round = planner->variants->round;
        content->wanted = 0;
        content->entry = entry; /* not acquired: the sheaves are there */
        if (append(&planner->wanted, content) != 0)
            return -ENOMEM;
    }
    content->wanted |= wanted;
    return 0;
}

static bool is_missing(const struct sj_content *content, unsigned at)
{
    return (content->wanted >> at & 1U) != 0 && content->done[at] != SJ_DONE_BEST;
}

static int compare_lengths(const void *a, const void *b)
{
    uint64_t x = sj_content_length(((const struct sj_unit *)a)->content);
    uint64_t y = sj_content_length(((const struct sj_unit *)b)->content);
    return (x > y) - (x < y);
}

static void add_units(struct sj_variants *variants, struct sj_content *content)
{
    struct sj_plan *plan = &variants->plan;
    size_t n_before = plan->n_units;
    for (unsigned i = 0; i < SJ_VARIANTS; i++) {
        if (!is_missing(content, i))
            continue;
        plan->units[plan->n_units++] = (struct sj_unit){
            .content = content, .coding = (uint8_t)(i + 1), .done = content->done[i]};
        if (content->done[i] == SJ_DONE_NOTHING)
            ck_pr_inc_64(&variants->status.n_pending);
        ck_pr_inc_64(&variants->status.n_improving);
    }
    if (plan->n_units == n_before) {
        content->entry = NULL;
        return;
    }
    sj_entry_acquire(content->entry);
    plan->contents[plan->n_contents++] = content;
}

static int make_units(struct sj_variants *variants, const struct list *wanted)
{
    struct sj_plan *plan = &variants->plan;
    size_t n = 0;
    for (size_t i = 0; i < wanted->n; i++)
        for (unsigned k = 0; k < SJ_VARIANTS; k++)
            n += is_missing(wanted->items[i], k);
    plan->units = calloc(n + 1, sizeof(*plan->units));
    plan->news = calloc(n + 1, sizeof(*plan->news));
    plan->contents = calloc(wanted->n + 1, sizeof(struct sj_content *));
    if (plan->units == NULL || plan->news == NULL || plan->contents == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < wanted->n; i++)
        add_units(variants, wanted->items[i]);
    qsort(plan->units, plan->n_units, sizeof(*plan->units), compare_lengths);
    return 0;
}

/* What is in the register and was not asked for by this plan.  No memory: it stays, until the next.
 */
static void list_stale(struct sj_variants *variants)
{
    ck_hs_iterator_t iterator = CK_HS_ITERATOR_INITIALIZER;
    struct list stale = {0};
    struct sj_content *content;
    while ((content = sj_set_next(&variants->set, &iterator)) != NULL)
        if (content->round != variants->round && append(&stale, content) != 0)
            break;
    variants->plan.stale = stale.items;
    variants->plan.n_stale = stale.n;
}

/* References to entries are the units' only. */
static void forget_entries(const struct list *wanted)
{
    for (size_t i = 0; i < wanted->n; i++)
        wanted->items[i]->entry = NULL;
}

static int plan_sheaves(struct planner *planner)
{
    const struct sj_noted *noted = planner->noted;
    int error = 0;
    for (size_t i = 0; error == 0 && i < noted->n_sheaves; i++)
        for (size_t k = 0; error == 0 && k < noted->sheaves[i]->n_items; k++)
            error = plan_entry(planner, noted->sheaves[i]->items[k].entry);
    return error;
}

/* The fresh contents belong to the plan, whatever becomes of it. */
void sj_variants_plan(struct sj_variants *variants)
{
    struct planner planner = {.variants = variants};
    struct sj_plan *plan = &variants->plan;
    ck_pr_store_32(&variants->is_planning, 1);
    planner.noted = ck_pr_fas_ptr(&variants->noted, NULL);
    sj_variants_drop_plan(variants);
    variants->round++;
    int error = sj_digest_set_init(&planner.fresh, 0);
    if (error == 0)
        error = plan_sheaves(&planner);
    if (error == 0)
        error = make_units(variants, &planner.wanted);
    if (error != 0)
        forget_entries(&planner.wanted);
    plan->fresh = planner.list.items;
    plan->n_fresh = planner.list.n;
    if (error == 0)
        list_stale(variants);
    else
        sj_variants_drop_plan(variants);
    plan->is_over = plan->n_units == 0;
    plan->wanted = SJ_DONE_FAST;
    sj_set_fini(&planner.fresh);
    free(planner.wanted.items);
    sj_variants_drop_noted(planner.noted);
    ck_pr_store_32(&variants->is_planning, 0);
}
