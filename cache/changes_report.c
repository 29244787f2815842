/* SPDX-License-Identifier: MIT */
#include "cache/changes.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "core/log.h"

static const struct {
    const char *name;
    const char *key;
} kinds[SJ_CHANGE_KINDS] = {
    [SJ_ADDED] = {"added", "added"},
    [SJ_CHANGED] = {"changed", "changed"},
    [SJ_REMOVED] = {"removed", "removed"},
    [SJ_CHANGED_FINGERPRINT] = {"changed fingerprint", "changed_fingerprints"},
};

/* The counts as they are called in JSON. */
static const struct {
    const char *key;
    size_t offset;
} count_keys[] = {
    {"urls_before", offsetof(struct sj_change_counts, n_urls_before)},
    {"urls", offsetof(struct sj_change_counts, n_urls)},
    {"bytes_before", offsetof(struct sj_change_counts, n_bytes_before)},
    {"bytes", offsetof(struct sj_change_counts, n_bytes)},
    {"added", offsetof(struct sj_change_counts, n_added)},
    {"changed", offsetof(struct sj_change_counts, n_changed)},
    {"removed", offsetof(struct sj_change_counts, n_removed)},
    {"unchanged", offsetof(struct sj_change_counts, n_unchanged)},
    {"changed_fingerprints", offsetof(struct sj_change_counts, n_changed_fingerprints)},
    {"missing_assets", offsetof(struct sj_change_counts, n_missing_assets)},
    {"faults", offsetof(struct sj_change_counts, n_faults)},
    {"pages", offsetof(struct sj_change_counts, n_pages)},
    {"pages_unread", offsetof(struct sj_change_counts, n_pages_unread)},
    {"variants_wanted", offsetof(struct sj_change_counts, n_variants_wanted)},
    {"variant_bytes", offsetof(struct sj_change_counts, n_variant_bytes)},
};

static void print_text(struct sj_text text, FILE *to)
{
    char escaped[512];
    for (size_t at = 0; at < text.length; at += 128) {
        size_t piece = text.length - at < 128 ? text.length - at : 128;
        fwrite(escaped, 1, sj_log_escape(escaped, sizeof(escaped), text.at + at, piece), to);
    }
}

static void print_change(enum sj_change_kind kind, const struct sj_change *change, FILE *to)
{
    fprintf(to, "%s: ", kinds[kind].name);
    print_text(change->entry->path, to);
    if (kind == SJ_ADDED)
        fprintf(to, "  %" PRIu64 "\n", change->n_bytes);
    else if (kind == SJ_REMOVED)
        fprintf(to, "  %" PRIu64 "\n", change->n_bytes_before);
    else
        fprintf(to, "  %" PRIu64 " -> %" PRIu64 "\n", change->n_bytes_before, change->n_bytes);
}

static void print_more(size_t n, size_t n_lines, const char *what, FILE *to)
{
    if (n > n_lines)
        fprintf(to, "... and %zu more: %s\n", n - n_lines, what);
}

static void print_lists(const struct sj_changes *changes, size_t n_lines, FILE *to)
{
    for (int kind = 0; kind < SJ_CHANGE_KINDS; kind++) {
        const struct sj_change_list *list = &changes->lists[kind];
        for (size_t i = 0; i < list->n && i < n_lines; i++)
            print_change(kind, &list->items[i], to);
        print_more(list->n, n_lines, kinds[kind].name, to);
    }
    for (size_t i = 0; i < changes->n_missing && i < n_lines; i++) {
        fputs("missing asset: ", to);
        print_text(changes->missing[i]->asset, to);
        fputs(", named in ", to);
        print_text(changes->missing[i]->page->path, to);
        fputc('\n', to);
    }
    print_more(changes->n_missing, n_lines, "missing asset", to);
    for (size_t i = 0; i < changes->n_faults && i < n_lines; i++) {
        fputs("fault: ", to);
        print_text(changes->faults[i]->path, to);
        fprintf(to, ": %s\n", changes->faults[i]->reason);
    }
    print_more(changes->n_faults, n_lines, "fault", to);
}

static uint64_t bytes_added(const struct sj_change_list *list)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < list->n; i++)
        sum += list->items[i].n_bytes;
    return sum;
}

static uint64_t bytes_before(const struct sj_change_list *list)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < list->n; i++)
        sum += list->items[i].n_bytes_before;
    return sum;
}

static void print_totals(const struct sj_changes *changes, FILE *to)
{
    const struct sj_change_counts *counts = &changes->counts;
    const struct sj_change_list *changed = &changes->lists[SJ_CHANGED];
    fprintf(to,
            "%" PRIu64 " URLs, %" PRIu64 " bytes; before: %" PRIu64 " URLs, %" PRIu64 " bytes\n",
            counts->n_urls, counts->n_bytes, counts->n_urls_before, counts->n_bytes_before);
    fprintf(to,
            "%" PRIu64 " added (%" PRIu64 " bytes), %" PRIu64 " changed (%" PRIu64 " -> %" PRIu64
            " bytes), "
            "%" PRIu64 " removed (%" PRIu64 " bytes), %" PRIu64 " unchanged\n",
            counts->n_added, bytes_added(&changes->lists[SJ_ADDED]), counts->n_changed,
            bytes_before(changed), bytes_added(changed), counts->n_removed,
            bytes_before(&changes->lists[SJ_REMOVED]), counts->n_unchanged);
    fprintf(to,
            "%" PRIu64 " faults, %" PRIu64 " changed fingerprints, %" PRIu64 " missing assets, "
            "%" PRIu64 " variants to be made of %" PRIu64 " bytes\n",
            counts->n_faults, counts->n_changed_fingerprints, counts->n_missing_assets,
            counts->n_variants_wanted, counts->n_variant_bytes);
    if (counts->n_pages_unread > 0)
        fprintf(to, "%" PRIu64 " of %" PRIu64 " pages not read\n", counts->n_pages_unread,
                counts->n_pages);
}

void sj_changes_print(const struct sj_changes *changes, size_t n_lines, FILE *to)
{
    print_totals(changes, to);
    print_lists(changes, n_lines, to);
}

/* NULL: no memory. */
static json_t *json_text(struct sj_text text)
{
    json_t *made = json_stringn(text.at, text.length);
    char *escaped = made == NULL ? malloc(4 * text.length + 1) : NULL;
    if (escaped == NULL)
        return made;
    made = json_stringn(escaped, sj_log_escape(escaped, 4 * text.length + 1, text.at, text.length));
    free(escaped);
    return made;
}

/* Takes over `item`, NULL included; false: no memory. */
static bool append(json_t *array, json_t *item)
{
    return json_array_append_new(array, item) == 0;
}

static json_t *json_change(enum sj_change_kind kind, const struct sj_change *change)
{
    json_t *made = json_pack("{s:o}", "path", json_text(change->entry->path));
    bool is_whole = made != NULL;
    if (kind != SJ_ADDED)
        is_whole = is_whole && json_object_set_new(made, "bytes_before",
                                                   json_integer(change->n_bytes_before)) == 0;
    if (kind != SJ_REMOVED)
        is_whole =
            is_whole && json_object_set_new(made, "bytes", json_integer(change->n_bytes)) == 0;
    if (is_whole)
        return made;
    json_decref(made);
    return NULL;
}

static bool put_lists(json_t *object, const struct sj_changes *changes)
{
    for (int kind = 0; kind < SJ_CHANGE_KINDS; kind++) {
        const struct sj_change_list *list = &changes->lists[kind];
        json_t *array = json_array();
        if (json_object_set_new(object, kinds[kind].key, array) != 0)
            return false;
        for (size_t i = 0; i < list->n; i++)
            if (!append(array, json_change(kind, &list->items[i])))
                return false;
    }
    return true;
}

static bool put_missing(json_t *object, const struct sj_changes *changes)
{
    json_t *array = json_array();
    if (json_object_set_new(object, "missing_assets", array) != 0)
        return false;
    for (size_t i = 0; i < changes->n_missing; i++) {
        const struct sj_missing *missing = changes->missing[i];
        if (!append(array, json_pack("{s:o, s:o}", "asset", json_text(missing->asset), "page",
                                     json_text(missing->page->path))))
            return false;
    }
    return true;
}

static bool put_faults(json_t *object, const struct sj_changes *changes)
{
    json_t *array = json_array();
    if (json_object_set_new(object, "faults", array) != 0)
        return false;
    for (size_t i = 0; i < changes->n_faults; i++) {
        const struct sj_fault *fault = changes->faults[i];
        if (!append(array, json_pack("{s:o, s:s}", "path", json_text(fault->path), "reason",
                                     fault->reason)))
            return false;
    }
    return true;
}

static bool put_counts(json_t *object, const struct sj_change_counts *counts)
{
    json_t *made = json_object();
    if (json_object_set_new(object, "counts", made) != 0)
        return false;
    for (size_t i = 0; i < sizeof(count_keys) / sizeof(*count_keys); i++) {
        uint64_t value;
        memcpy(&value, (const char *)counts + count_keys[i].offset, sizeof(value));
        if (json_object_set_new(made, count_keys[i].key, json_integer((json_int_t)value)) != 0)
            return false;
    }
    return true;
}

json_t *sj_changes_json(const struct sj_changes *changes)
{
    json_t *made = json_object();
    if (made != NULL && put_counts(made, &changes->counts) && put_lists(made, changes) &&
        put_missing(made, changes) && put_faults(made, changes))
        return made;
    json_decref(made);
    return NULL;
}
