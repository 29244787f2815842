/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_CHANGES_H
#define SJ_CACHE_CHANGES_H
/*
 * What a new generation would change for clients: the URLs that come, go and answer otherwise, and
 * what looks like a broken deploy.
 *
 * Only files count; a URL that becomes a redirect, or was one, is removed or added.  A URL has
 * changed when its content, its type or its header fields have; variants are not looked at.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "cache/generation_make.h"
#include "cache/pages.h"
#include "cache/settings.h"

struct sj_change_counts {
    uint64_t n_urls_before, n_urls;
    uint64_t n_bytes_before, n_bytes; /* of content */
    uint64_t n_added, n_changed, n_removed, n_unchanged;
    uint64_t n_changed_fingerprints; /* fingerprinted URLs among the changed, with other content */
    uint64_t n_missing_assets;       /* fingerprinted URLs that pages name and that are not there */
    uint64_t n_faults;               /* of the new one */
    uint64_t n_pages, n_pages_unread; /* HTML; unread: over the limit, changed or not to be read */
    uint64_t n_variants_wanted;       /* representations that compressible files lack */
    uint64_t n_variant_bytes;         /* content of those files */
};

/* `entry` is referenced: of the new generation, or the removed one. */
struct sj_change {
    struct sj_entry *entry;
    uint64_t n_bytes_before; /* of content: 0 of what is added */
    uint64_t n_bytes;        /* 0 of what is removed */
};

enum sj_change_kind {
    SJ_ADDED,
    SJ_CHANGED,
    SJ_REMOVED,
    SJ_CHANGED_FINGERPRINT, /* among the changed, too */
    SJ_CHANGE_KINDS
};

struct sj_change_list {
    struct sj_change *items; /* sorted by path */
    size_t n;
};

/* Plain data, and independent of the generations, which may be freed. */
struct sj_changes {
    struct sj_change_counts counts;
    struct sj_change_list lists[SJ_CHANGE_KINDS];
    struct sj_missing **missing; /* sorted by asset, then page; none twice */
    size_t n_missing;
    struct sj_fault **faults; /* copies, sorted by path */
    size_t n_faults;
};

struct sj_changes_request {
    const struct sj_settings *settings;
    const struct sj_generation *before; /* may be an empty one */
    const struct sj_generation *after;
    const uint32_t *is_cancelled; /* 1 ends it soon: -ECANCELED */
    bool skips_pages;             /* no page is read, so that no asset is missing */
};

/* In a task on a worker, which holds both generations; HTML is read by subtasks.  0 and `*changes`,
 * -ENOMEM or -ECANCELED. */
int sj_changes_new(const struct sj_changes_request *request, struct sj_changes **changes);
void sj_changes_free(struct sj_changes *changes);

/* Totals, then the lists, each cut off after `n_lines` with "... and 123 more".  Any thread, as
 * the next. */
void sj_changes_print(const struct sj_changes *changes, size_t n_lines, FILE *to);

/* The same, whole, as a new JSON object; NULL: no memory.  Text that is not UTF-8 is escaped as in
 * the log. */
json_t *sj_changes_json(const struct sj_changes *changes);

#endif
