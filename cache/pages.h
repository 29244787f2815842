/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_PAGES_H
#define SJ_CACHE_PAGES_H
/*
 * Which fingerprinted assets the HTML pages of a generation name (cache/references.h) that it does
 * not have.  A fingerprinted name that is not there is a deploy's error, mostly; other names may
 * be served by somebody else.
 */
#include <stddef.h>
#include <stdint.h>
#include "cache/generation_make.h"
#include "cache/settings.h"

/* Larger pages are not read; bytes. */
#define SJ_PAGE_MAX 4194304

struct sj_missing {
    struct sj_text asset;  /* decoded URL path; NUL-terminated */
    struct sj_entry *page; /* referenced */
    struct sj_missing *next;
};

struct sj_pages {
    const struct sj_settings *settings;
    const struct sj_generation *generation;
    const uint32_t *is_cancelled;
    struct sj_entry *const *pages;
    size_t n_pages;
};

struct sj_pages_result {
    struct sj_missing *missing; /* in no order; the same may come twice */
    uint64_t n_unread;          /* pages: too large, or not to be read in the state of the index */
};

/* Is its type text/html? */
bool sj_page_is(const struct sj_entry *entry);

/* In a task on a worker; pages are read in batches by subtasks.  0 and `*result`, -ENOMEM or
 * -ECANCELED. */
int sj_pages_check(const struct sj_pages *pages, struct sj_pages_result *result);

void sj_missing_free(struct sj_missing *missing);

#endif
