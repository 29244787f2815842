/* SPDX-License-Identifier: MIT */
#include "cache/changes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "cache/encode.h"
#include "core/pr.h"

struct comparison {
    const struct sj_changes_request *request;
    struct sj_changes *changes;
    struct sj_entry **pages;
    size_t n_pages;
};

static struct sj_entry *next_entry(const struct sj_generation *generation,
                                   ck_hs_iterator_t *iterator)
{
    const ck_hs_t *set = &generation->entries;
    void *object = NULL;
    return set->map != NULL && ck_hs_next((ck_hs_t *)set, iterator, &object) ? object : NULL;
}

static int order_of(struct sj_text a, struct sj_text b)
{
    int order = memcmp(a.at, b.at, a.length < b.length ? a.length : b.length);
    return order != 0 ? order : (a.length > b.length) - (a.length < b.length);
}

static int compare_changes(const void *a, const void *b)
{
    const struct sj_change *x = a;
    const struct sj_change *y = b;
    return order_of(x->entry->path, y->entry->path);
}

static int compare_faults(const void *a, const void *b)
{
    const struct sj_fault *x = *(struct sj_fault *const *)a;
    const struct sj_fault *y = *(struct sj_fault *const *)b;
    return order_of(x->path, y->path);
}

static int compare_missing(const void *a, const void *b)
{
    const struct sj_missing *x = *(struct sj_missing *const *)a;
    const struct sj_missing *y = *(struct sj_missing *const *)b;
    int order = order_of(x->asset, y->asset);
    return order != 0 ? order : order_of(x->page->path, y->page->path);
}

/* Makes room for one more after `n`, which grows by ones. */
static int grow(void **items, size_t n, size_t size)
{
    if ((n & (n - 1)) != 0)
        return 0;
    void *more = reallocarray(*items, n == 0 ? 1 : 2 * n, size);
    if (more == NULL)
        return -ENOMEM;
    *items = more;
    return 0;
}

static int push_change(struct comparison *comparison, enum sj_change_kind kind,
                       struct sj_change change)
{
    struct sj_change_list *list = &comparison->changes->lists[kind];
    if (grow((void **)&list->items, list->n, sizeof(change)) != 0)
        return -ENOMEM;
    sj_entry_acquire(change.entry);
    list->items[list->n++] = change;
    return 0;
}

static int push_page(struct comparison *comparison, struct sj_entry *entry)
{
    if (grow((void **)&comparison->pages, comparison->n_pages, sizeof(struct sj_entry *)) != 0)
        return -ENOMEM;
    comparison->pages[comparison->n_pages++] = entry;
    return 0;
}

static uint64_t bytes_of(const struct sj_entry *entry)
{
    return entry->representations[SJ_IDENTITY].file->length;
}

static void count_variants(struct sj_change_counts *counts, const struct sj_entry *entry)
{
    const char *source = entry->representations[SJ_IDENTITY].source;
    uint64_t n_lacking = 0;
    if (!sj_encode_is_wanted((struct sj_text){source, strlen(source)}))
        return;
    for (int i = SJ_GZIP; i < SJ_CODINGS; i++)
        n_lacking += entry->representations[i].file == NULL;
    counts->n_variants_wanted += n_lacking;
    counts->n_variant_bytes += n_lacking > 0 ? bytes_of(entry) : 0;
}

static int compare_new(struct comparison *comparison, struct sj_entry *entry)
{
    struct sj_change_counts *counts = &comparison->changes->counts;
    const struct sj_entry *before =
        sj_generation_find(comparison->request->before, entry->path.at, entry->path.length);
    struct sj_change change = {.entry = entry, .n_bytes = bytes_of(entry)};
    counts->n_urls++;
    counts->n_bytes += change.n_bytes;
    count_variants(counts, entry);
    if (!comparison->request->skips_pages && sj_page_is(entry) && push_page(comparison, entry) != 0)
        return -ENOMEM;
    if (before == NULL || before->kind != SJ_ENTRY_FILE)
        return push_change(comparison, SJ_ADDED, change);
    if (sj_entry_is_unchanged(before, entry)) {
        counts->n_unchanged++;
        return 0;
    }
    change.n_bytes_before = bytes_of(before);
    int error = push_change(comparison, SJ_CHANGED, change);
    if (error == 0 && before->is_immutable && entry->is_immutable &&
        !sj_entry_has_same_content(before, entry))
        error = push_change(comparison, SJ_CHANGED_FINGERPRINT, change);
    return error;
}

static int compare_old(struct comparison *comparison, struct sj_entry *entry)
{
    struct sj_change_counts *counts = &comparison->changes->counts;
    const struct sj_entry *after =
        sj_generation_find(comparison->request->after, entry->path.at, entry->path.length);
    struct sj_change change = {.entry = entry, .n_bytes_before = bytes_of(entry)};
    counts->n_urls_before++;
    counts->n_bytes_before += change.n_bytes_before;
    if (after != NULL && after->kind == SJ_ENTRY_FILE)
        return 0;
    return push_change(comparison, SJ_REMOVED, change);
}

static int compare_all(struct comparison *comparison, const struct sj_generation *generation,
                       int (*compare)(struct comparison *comparison, struct sj_entry *entry))
{
    ck_hs_iterator_t iterator = CK_HS_ITERATOR_INITIALIZER;
    struct sj_entry *entry;
    int error = 0;
    while (error == 0 && (entry = next_entry(generation, &iterator)) != NULL)
        if (entry->kind == SJ_ENTRY_FILE)
            error = compare(comparison, entry);
    return error;
}

/* Sorted, the second of two that are the same left out; counts the assets. */
static void settle_missing(struct sj_changes *changes)
{
    size_t n = 0;
    if (changes->n_missing > 0)
        qsort(changes->missing, changes->n_missing, sizeof(*changes->missing), compare_missing);
    for (size_t i = 0; i < changes->n_missing; i++) {
        struct sj_missing *missing = changes->missing[i];
        if (n > 0 && compare_missing(&changes->missing[n - 1], &missing) == 0) {
            sj_missing_free(missing);
            continue;
        }
        if (n == 0 || !sj_text_equals(changes->missing[n - 1]->asset, missing->asset))
            changes->counts.n_missing_assets++;
        changes->missing[n++] = missing;
    }
    changes->n_missing = n;
}

static int find_missing(struct comparison *comparison)
{
    struct sj_changes *changes = comparison->changes;
    struct sj_pages pages = {.settings = comparison->request->settings,
                             .generation = comparison->request->after,
                             .is_cancelled = comparison->request->is_cancelled,
                             .pages = comparison->pages,
                             .n_pages = comparison->n_pages};
    struct sj_pages_result result;
    int error = sj_pages_check(&pages, &result);
    while (error == 0 && result.missing != NULL) {
        error = grow((void **)&changes->missing, changes->n_missing, sizeof(result.missing));
        if (error != 0)
            break;
        changes->missing[changes->n_missing++] = result.missing;
        result.missing = result.missing->next;
        changes->missing[changes->n_missing - 1]->next = NULL;
    }
    sj_missing_free(result.missing);
    changes->counts.n_pages = pages.n_pages;
    changes->counts.n_pages_unread = result.n_unread;
    settle_missing(changes);
    return error;
}

static int copy_fault(struct sj_changes *changes, const struct sj_fault *fault)
{
    struct sj_fault *copy = malloc(sizeof(*copy) + fault->path.length + 1);
    if (copy == NULL || grow((void **)&changes->faults, changes->n_faults, sizeof(copy)) != 0) {
        free(copy);
        return -ENOMEM;
    }
    char *path = memcpy(copy + 1, fault->path.at, fault->path.length + 1);
    *copy = (struct sj_fault){.path = {path, fault->path.length}, .reason = fault->reason};
    changes->faults[changes->n_faults++] = copy;
    return 0;
}

static int compare_generations(struct comparison *comparison)
{
    const struct sj_changes_request *request = comparison->request;
    struct sj_changes *changes = comparison->changes;
    int error = compare_all(comparison, request->after, compare_new);
    if (error == 0)
        error = compare_all(comparison, request->before, compare_old);
    for (const struct sj_fault *fault = request->after->fault_list; error == 0 && fault != NULL;
         fault = fault->next)
        error = copy_fault(changes, fault);
    if (error == 0)
        error = find_missing(comparison);
    if (error != 0)
        return error;
    for (int i = 0; i < SJ_CHANGE_KINDS; i++)
        if (changes->lists[i].n > 0)
            qsort(changes->lists[i].items, changes->lists[i].n, sizeof(struct sj_change),
                  compare_changes);
    if (changes->n_faults > 0)
        qsort(changes->faults, changes->n_faults, sizeof(*changes->faults), compare_faults);
    changes->counts.n_added = changes->lists[SJ_ADDED].n;
    changes->counts.n_changed = changes->lists[SJ_CHANGED].n;
    changes->counts.n_removed = changes->lists[SJ_REMOVED].n;
    changes->counts.n_changed_fingerprints = changes->lists[SJ_CHANGED_FINGERPRINT].n;
    changes->counts.n_faults = changes->n_faults;
    return 0;
}

int sj_changes_new(const struct sj_changes_request *request, struct sj_changes **changes)
{
    struct comparison comparison = {.request = request, .changes = calloc(1, sizeof(**changes))};
    if (comparison.changes == NULL)
        return -ENOMEM;
    int error = compare_generations(&comparison);
    free(comparison.pages);
    if (error == 0)
        *changes = comparison.changes;
    else
        sj_changes_free(comparison.changes);
    return error;
}

void sj_changes_free(struct sj_changes *changes)
{
    if (changes == NULL)
        return;
    for (int kind = 0; kind < SJ_CHANGE_KINDS; kind++) {
        for (size_t i = 0; i < changes->lists[kind].n; i++)
            sj_entry_release(changes->lists[kind].items[i].entry);
        free(changes->lists[kind].items);
    }
    for (size_t i = 0; i < changes->n_missing; i++)
        sj_missing_free(changes->missing[i]);
    for (size_t i = 0; i < changes->n_faults; i++)
        free(changes->faults[i]);
    free(changes->missing);
    free(changes->faults);
    free(changes);
}
