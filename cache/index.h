/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_INDEX_H
#define SJ_CACHE_INDEX_H
/*
 * The index: the current generation, and its exchange while it is being read (RCU).
 *
 *   build new, exchange one pointer, wait for the readers, free the old
 *
 * A build runs as a heavy task with subtasks on the scheduler's workers.  It reuses by reference
 * every entry whose files have not changed (nothing of them is read again).  It is a transaction:
 * when it fails, or one of the conditions under which new generations are refused holds, the
 * current generation goes on serving.  At most one build runs; requests that arrive meanwhile fold
 * into one more.  A plan is a build that is not served: it says what one would change.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "cache/deploys.h"
#include "cache/generation.h"
#include "cache/variants.h"
#include "core/log.h"
#include "core/sched.h"

struct sj_index;
struct event_base;

struct sj_index_config {
    const char *const
        *roots; /* "[PREFIX=]DIR", see cache/settings.h; on the same URL the last one wins */
    size_t n_roots;
    const char *const *types; /* ".EXT=TYPE" */
    size_t n_types;
    const char *index_file;     /* "index.html"; NULL: off */
    const char *immutable;      /* extended regular expression on URL paths; NULL: built-in names */
    const char *fallback;       /* --spa: URL path of the file, or NULL */
    const char *headers;        /* --headers: a file in _headers form, or NULL */
    uint64_t max_age_s;         /* Cache-Control; UINT64_MAX: no such field */
    uint64_t memory_limit;      /* bytes of bodies held in one generation */
    uint64_t memory_file_limit; /* larger files always go by sendfile */
    uint64_t linked_files_limit; /* files reached through linked directories, of each root; 0: a
                                  * default that real icon themes do not reach */
    uint64_t open_files_limit;   /* files not held in memory that are kept open, so that they can be
                                  * served when they are gone; 0: a sixteenth of the descriptors that
                                  * the process may have, at most 1024 */
    unsigned retained_generations; /* with the served one, up to SJ_DEPLOYS_MAX; 1: none */
    uint64_t retained_ms;          /* for how long */
    uint64_t retained_bytes;       /* of bodies that only the kept ones hold */
    const char *const *refusals;   /* conditions, see cache/conditions.h */
    size_t n_refusals;
    bool serves_dotfiles;
    bool follows_symlinks;
    bool watches; /* inotify */
};

#define SJ_INDEX_TEXT 512

/* Where what outlives the process is kept, and whether variants are made. */
struct sj_cache_config {
    const char *directory; /* NULL: nothing is kept */
    uint64_t byte_limit;   /* of the directory */
    bool compresses;
};

/* What a finished build says.  `error` 0: published, and `summary` is its own; else -errno,
 * `text` says which root or option and why, and the generation of `summary` serves on. */
struct sj_index_result {
    int error;
    enum sj_deploy_kind kind;
    bool is_refused; /* by a condition */
    char text[SJ_INDEX_TEXT];
    struct sj_generation_summary summary;
};

/* Called on the controlling thread's event base. */
typedef void sj_index_done(void *argument, const struct sj_index_result *result);

/* Checks the configuration and opens each root.  0 and `*index` (with an empty generation 0), or
 * -errno and one line in `error`.  `base` is the controlling thread's event base: watching and
 * completion run on it.  `log` and `sched` outlive the index. */
int sj_index_new(const struct sj_index_config *config, struct sj_sched *sched, struct sj_log *log,
                 struct event_base *base, struct sj_index **index, char *error, size_t error_size);

/* The controlling thread, at most once, before the first reload: keeps variants and a ledger of the
 * files (cache/upkeep.h).  A directory that cannot be used is said in the log, and done without.  0
 * or -ENOMEM. */
int sj_index_open_cache(struct sj_index *index, const struct sj_cache_config *config);

/* The controlling thread, until the first build has ended: files that are known from the last run,
 * so that sj_index_find_early may find them. */
size_t sj_index_known_files(const struct sj_index *index);

/* After sj_sched_stop; no reader is left.  References that responses hold must be gone. */
void sj_index_free(struct sj_index *index);

/* The controlling thread: asks for a build; `done` is called for each one that ends, whoever asked.
 */
void sj_index_set_done(struct sj_index *index, sj_index_done *done, void *argument);
void sj_index_reload(struct sj_index *index);

/* The same, whatever conditions say of it. */
void sj_index_force_reload(struct sj_index *index);

enum sj_plan_form {
    SJ_PLAN_SHORT, /* text, with the beginning of each list */
    SJ_PLAN_WHOLE, /* text */
    SJ_PLAN_JSON
};

enum sj_plan_outcome {
    SJ_PLAN_ACCEPTED, /* a reload would be served */
    SJ_PLAN_REFUSED,  /* by a condition, which the plan names */
    SJ_PLAN_FAILED    /* there is none, and a line says why */
};

/* On the controlling thread; `text` is good during the call. */
typedef void sj_index_planned(void *argument, enum sj_plan_outcome outcome, const char *text);

/* The controlling thread: what would a reload change?  With a `root`, "[PREFIX=]DIR": with that
 * directory in the place of the (last) root with that prefix.  `planned` is called once, unless the
 * index is freed before; after the build in work, before a reload that is asked for later.  0 or
 * -ENOMEM. */
int sj_index_plan(struct sj_index *index, const char *root, enum sj_plan_form form,
                  sj_index_planned *planned, void *argument);

/* The controlling thread: serves the deploy before this one again; changes on disk are left alone
 * until the next sj_index_reload.  0; or -ENOENT, none is kept, or -ENOMEM, and one line in
 * `error`. */
int sj_index_rollback(struct sj_index *index, char *error, size_t error_size);

/* A deploy: what one build made of the tree, with the variants that were added to it since. */
struct sj_deploy_status {
    uint64_t number; /* of its latest generation */
    uint64_t n_urls;
    uint64_t n_bytes;
    uint64_t n_own_bytes; /* of those that are kept: held for it alone */
    uint64_t age_ms;      /* since it was published; of those that are kept: since replaced */
};

struct sj_index_status {
    struct sj_generation_summary summary;            /* of the generation that is served */
    struct sj_deploy_status deploys[SJ_DEPLOYS_MAX]; /* the served one, then those kept */
    unsigned n_deploys;
    bool is_building;      /* what `done` will be called for; plans do not count */
    bool is_rolled_back;   /* changes on disk wait for a reload */
    uint64_t n_files_read; /* by all builds that were published */
    struct sj_variants_status variants;
    uint64_t store_bytes; /* of the cache directory */
};

/* The controlling thread. */
void sj_index_status(struct sj_index *index, struct sj_index_status *status);

/* The controlling thread, when the program ends: a running build fails soon, later ones at once,
 * with -ECANCELED and "stopping".  There is no way back. */
void sj_index_cancel(struct sj_index *index);

/* Any thread: the same as a reload, from a loop that met a file that is no longer as indexed.
 * Folds; counts for nothing while what is on disk has been refused. */
void sj_index_suggest_reload(struct sj_index *index);

/* Any registered thread.  Between the two: the current generation and all of its entries. */
const struct sj_generation *sj_index_begin(struct sj_index *index);
void sj_index_end(struct sj_index *index);

/* Between the two, for a path that the current generation does not have: the immutable entry that
 * a deploy before it had there, as long as that is kept; or NULL. */
const struct sj_entry *sj_index_find_vanished(struct sj_index *index, const char *path,
                                              size_t length);

/* Between the two, with an empty generation (sj_generation_is_built): the entry that a file has if
 * it is in the state in which the last run has read it, see cache/early.h; the caller's reference.
 * NULL: the first build will say. */
struct sj_entry *sj_index_find_early(const struct sj_index *index,
                                     const struct sj_generation *generation, const char *path,
                                     size_t length);

/* The controlling thread.  Prints what the current generation holds: one line a URL, then totals.
 */
void sj_index_print(struct sj_index *index, FILE *to);

#endif
