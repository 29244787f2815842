/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_GATHER_H
#define SJ_CACHE_GATHER_H
/*
 * Between the scan and the reading: of the directories without a sheaf, which files are wanted and
 * which URLs there will be; what has been read already; which bodies are held in memory, and which
 * files stay open.  One thread; memory only.
 */
#include "cache/recipe.h"
#include "cache/stock.h"

/* One file, under whatever names it was found. */
struct sj_want {
    struct sj_identity identity; /* first: the key.  As the scan saw it */
    const struct sj_scan_directory *directory;
    const struct sj_scan_file *at;
    struct sj_file *file; /* one reference; NULL: to be read, or `error` says why not */
    int error;
    enum sj_coding coding; /* of what it is a variant, or identity */
    uint64_t expansion_limit;
    bool is_held;    /* to be, in memory */
    bool keeps_open; /* its descriptor, when it is not held */
};

/* One URL. */
struct sj_job {
    struct sj_scan_directory *directory;
    const struct sj_scan_file *file; /* redirects: that of the page */
    enum sj_recipe_kind kind;
    struct sj_entry *entry; /* made, one reference */
    uint64_t hash;          /* of its path */
    struct sj_fault *faults;
};

struct sj_gathered {
    struct sj_want *wants;
    size_t n_wants;
    struct sj_want **reads; /* of the wants, those to be read */
    size_t n_reads;
    struct sj_want **awaited; /* of the wants, those that are served before they are read */
    size_t n_awaited;
    struct sj_job *jobs; /* those of a directory follow each other */
    size_t n_jobs;
    uint64_t hold_left; /* bytes that may still be held */
    uint64_t open_left; /* files that may still stay open */
    ck_hs_t set;        /* of the wants */
};

/* Zeroed before.  0 or -ENOMEM; to be ended with fini in either case. */
int sj_gather(struct sj_gathered *gathered, const struct sj_stock *stock,
              const struct sj_settings *settings);

/* After the reading.  What was read under one name and is not as it was scanned (or is gone) says
 * nothing about the other names: each of them gets a want of its own, at the end of `reads`, and
 * those are to be read as well.  Not to be called again then.  0 or -ENOMEM. */
int sj_gather_strays(struct sj_gathered *gathered, const struct sj_stock *stock,
                     const struct sj_settings *settings);

void sj_gathered_fini(struct sj_gathered *gathered);

#endif
