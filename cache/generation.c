/* SPDX-License-Identifier: MIT */
#include "cache/generation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "cache/generation_make.h"
#include "core/log.h"
#include "core/counted.h"

static void take_apart(struct sj_generation *generation)
{
    for (size_t i = 0; i < generation->n_sheaves; i++)
        sj_sheaf_release(generation->sheaves[i]);
    for (size_t i = 0; i < generation->n_roots; i++)
        sj_root_release(generation->roots[i]);
    sj_set_fini(&generation->entries);
    sj_set_fini(&generation->faults);
    sj_faults_free(generation->fault_list);
    sj_rules_release(generation->rules);
    sj_ledger_release(generation->ledger);
    free(generation->sheaves);
    free(generation->roots);
    free(generation);
}

struct sj_generation *sj_generation_new(size_t n_roots, size_t n_entries, unsigned long seed)
{
    struct sj_generation *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return NULL;
    made->references = 1;
    made->roots = calloc(n_roots + 1, sizeof(struct sj_root *));
    made->n_roots = made->roots == NULL ? 0 : n_roots;
    if (made->roots == NULL || sj_text_set_init_seeded(&made->entries, n_entries, seed) != 0 ||
        sj_text_set_init(&made->faults, 0) != 0) {
        take_apart(made);
        return NULL;
    }
    return made;
}

void sj_generation_acquire(struct sj_generation *generation)
{
    sj_counted_acquire(&generation->references);
}

void sj_generation_release(struct sj_generation *generation)
{
    if (generation == NULL || !sj_counted_release(&generation->references))
        return;
    take_apart(generation);
}

int sj_generation_reserve(struct sj_generation *generation, size_t n_entries)
{
    return sj_set_reserve(&generation->entries, n_entries);
}

static int add_sheaf(struct sj_generation *generation, struct sj_sheaf *sheaf)
{
    if (generation->n_sheaves == generation->room) {
        size_t room = 2 * generation->room + 64;
        struct sj_sheaf **larger =
            reallocarray(generation->sheaves, room, sizeof(struct sj_sheaf *));
        if (larger == NULL)
            return -ENOMEM;
        generation->sheaves = larger;
        generation->room = room;
    }
    sj_sheaf_acquire(sheaf);
    generation->sheaves[generation->n_sheaves++] = sheaf;
    return 0;
}

/* Paths of one root differ. */
static int put_entry(struct sj_generation *generation, const struct sj_sheaf_item *item)
{
    void *previous = NULL;
    if (generation->n_roots == 1)
        return sj_set_put_unique(&generation->entries, item->entry, item->hash);
    if (sj_set_put_hashed(&generation->entries, item->entry, item->hash, &previous) != 0)
        return -ENOMEM;
    const struct sj_entry *hidden = previous;
    generation->n_hidden += hidden != NULL;
    if (hidden != NULL && hidden->kind == SJ_ENTRY_FILE) {
        generation->summary.n_urls--;
        generation->summary.n_bytes -= hidden->representations[SJ_IDENTITY].file->length;
    }
    return 0;
}

int sj_generation_put_sheaf(struct sj_generation *generation, struct sj_sheaf *sheaf)
{
    int error = add_sheaf(generation, sheaf);
    for (size_t i = 0; error == 0 && i < sheaf->n_items; i++)
        error = put_entry(generation, &sheaf->items[i]);
    generation->summary.n_urls += sheaf->n_urls;
    generation->summary.n_bytes += sheaf->n_bytes;
    return error;
}

int sj_generation_put_faults(struct sj_generation *generation, struct sj_fault *list)
{
    void *previous;
    for (struct sj_fault *fault = list; fault != NULL; fault = fault->next)
        if (sj_set_put(&generation->faults, fault, &previous) != 0)
            return -ENOMEM;
    for (; list != NULL; generation->summary.n_faults++) {
        struct sj_fault *rest = list->next;
        list->next = generation->fault_list;
        generation->fault_list = list;
        list = rest;
    }
    return 0;
}

static void count_entry(struct sj_generation_summary *summary, const struct sj_entry *entry,
                        const struct sj_entry *before)
{
    if (before == NULL || before->kind != SJ_ENTRY_FILE)
        summary->n_added++;
    else if (sj_entry_is_unchanged(before, entry))
        summary->n_unchanged++;
    else
        summary->n_changed++;
}

static void count_all(struct sj_generation *generation, const struct sj_generation *before)
{
    ck_hs_iterator_t iterator = CK_HS_ITERATOR_INITIALIZER;
    const struct sj_entry *entry;
    while ((entry = sj_set_next(&generation->entries, &iterator)) != NULL)
        if (entry->kind == SJ_ENTRY_FILE)
            count_entry(&generation->summary, entry, sj_set_find(&before->entries, &entry->path));
}

/* What is in a sheaf of before is there as it was. */
static void count_new(struct sj_generation *generation, const struct sj_generation *before)
{
    for (size_t i = 0; i < generation->n_sheaves; i++) {
        const struct sj_sheaf *sheaf = generation->sheaves[i];
        if (sheaf->serial != generation->serial) {
            generation->summary.n_unchanged += sheaf->n_urls;
            continue;
        }
        for (size_t k = 0; k < sheaf->n_items; k++) {
            const struct sj_entry *entry = sheaf->items[k].entry;
            if (entry->kind == SJ_ENTRY_FILE)
                count_entry(&generation->summary, entry,
                            sj_set_find(&before->entries, &entry->path));
        }
    }
}

void sj_generation_sum_up(struct sj_generation *generation, const struct sj_generation *before)
{
    struct sj_generation_summary *summary = &generation->summary;
    bool is_next = before->serial + 1 == generation->serial;
    if (is_next && generation->n_hidden == 0 && before->n_hidden == 0)
        count_new(generation, before);
    else
        count_all(generation, before);
    summary->n_removed = before->summary.n_urls - summary->n_changed - summary->n_unchanged;
}

const struct sj_entry *sj_generation_find(const struct sj_generation *generation, const char *path,
                                          size_t length)
{
    struct sj_text key = {path, length};
    return sj_set_find(&generation->entries, &key);
}

const struct sj_entry *sj_generation_find_page(const struct sj_generation *generation,
                                               const char *path)
{
    const struct sj_entry *entry = sj_generation_find(generation, path, strlen(path));
    if (entry != NULL && entry->kind == SJ_ENTRY_REDIRECT) {
        const char *slash = strrchr(path, '/');
        entry = sj_generation_find(generation, path, (size_t)(slash - path) + 1);
    }
    return entry != NULL && entry->kind == SJ_ENTRY_FILE ? entry : NULL;
}

const struct sj_generation_summary *sj_generation_summary(const struct sj_generation *generation)
{
    return &generation->summary;
}

bool sj_generation_is_built(const struct sj_generation *generation)
{
    return generation->summary.number > 0;
}

const struct sj_entry *sj_generation_not_found(const struct sj_generation *generation)
{
    return generation->not_found;
}

const struct sj_entry *sj_generation_fallback(const struct sj_generation *generation)
{
    return generation->fallback;
}

static int compare_paths(const void *a, const void *b)
{
    const struct sj_text *x = *(const struct sj_text *const *)a;
    const struct sj_text *y = *(const struct sj_text *const *)b;
    size_t least = x->length < y->length ? x->length : y->length;
    int order = memcmp(x->at, y->at, least);
    return order != 0 ? order : (x->length > y->length) - (x->length < y->length);
}

/* The set's objects sorted by the text that is their key; `*n` of them.  NULL: no memory. */
static const struct sj_text **sorted(const ck_hs_t *set, size_t *n)
{
    ck_hs_iterator_t iterator = CK_HS_ITERATOR_INITIALIZER;
    const struct sj_text **items = calloc(ck_hs_count((ck_hs_t *)set) + 1, sizeof(*items));
    if (items == NULL)
        return NULL;
    for (*n = 0; (items[*n] = sj_set_next(set, &iterator)) != NULL; ++*n)
        ;
    qsort(items, *n, sizeof(*items), compare_paths);
    return items;
}

static void print_text(struct sj_text text, FILE *to)
{
    char escaped[512];
    for (size_t at = 0; at < text.length; at += 128) {
        size_t piece = text.length - at < 128 ? text.length - at : 128;
        fwrite(escaped, 1, sj_log_escape(escaped, sizeof(escaped), text.at + at, piece), to);
    }
}

static void print_codings(const struct sj_entry *entry, FILE *to)
{
    const char *comma = "";
    for (int i = 0; i < SJ_CODINGS; i++) {
        if (entry->representations[i].file == NULL)
            continue;
        fprintf(to, "%s%.*s", comma, (int)sj_coding_names[i].length, sj_coding_names[i].at);
        comma = ",";
    }
}

static void print_entry(const struct sj_entry *entry, FILE *to)
{
    const struct sj_file *file = entry->representations[SJ_IDENTITY].file;
    char room[SJ_ETAG_MAX];
    print_text(entry->path, to);
    if (entry->kind == SJ_ENTRY_REDIRECT) {
        fprintf(to, "  -  -  -  -  redirect %.*s\n", (int)entry->location.length,
                entry->location.at);
        return;
    }
    struct sj_text etag = sj_etag(room, file->digest, SJ_IDENTITY);
    fprintf(to, "  %llu  %.*s  %.*s  ", (unsigned long long)file->length, (int)entry->type.length,
            entry->type.at, (int)etag.length, etag.at);
    print_codings(entry, to);
    fprintf(to, "  %s%s\n", sj_file_bytes(file) != NULL ? "memory" : "sendfile",
            entry->is_immutable ? " immutable" : "");
}

static void print_totals(const struct sj_generation_summary *summary, FILE *to)
{
    fprintf(to, "%llu files, %llu bytes, %llu bytes held in memory, %llu faults\n",
            (unsigned long long)summary->n_urls, (unsigned long long)summary->n_bytes,
            (unsigned long long)summary->n_held_bytes, (unsigned long long)summary->n_faults);
}

int sj_generation_print(const struct sj_generation *generation, FILE *to)
{
    size_t n_entries = 0;
    size_t n_faults = 0;
    const struct sj_text **entries = sorted(&generation->entries, &n_entries);
    const struct sj_text **faults = sorted(&generation->faults, &n_faults);
    int error = entries == NULL || faults == NULL ? -ENOMEM : 0;
    for (size_t i = 0; error == 0 && i < n_entries; i++)
        print_entry((const struct sj_entry *)entries[i], to);
    if (error == 0)
        print_totals(&generation->summary, to);
    for (size_t i = 0; error == 0 && i < n_faults; i++) {
        const struct sj_fault *fault = (const struct sj_fault *)faults[i];
        fputs("fault: ", to);
        print_text(fault->path, to);
        fprintf(to, ": %s\n", fault->reason);
    }
    free(entries);
    free(faults);
    return error;
}
