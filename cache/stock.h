/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_STOCK_H
#define SJ_CACHE_STOCK_H
/*
 * What builds keep from one to the next: the trees as they were scanned, each directory with the
 * sheaf of entries made of it; and all files that were read, by identity.
 *
 * A file is in use once for each name in the trees that it was read for.  Files that lose their
 * last use stay until the end of the next build that succeeds: it may find them under other names.
 *
 * One build at a time, on one thread of it at a time.
 */
#include "cache/rules.h"
#include "cache/scan.h"
#include "cache/set.h"

/* A file that is served before it is read: what is to be done for it in the background. */
struct sj_awaited {
    struct sj_file *file; /* one reference: held: to be filled; else: to get its descriptor */
    struct sj_root *root; /* one reference */
    char *path;           /* below the root; of malloc */
};

struct sj_stock {
    unsigned long seed;    /* of the hashes of paths */
    ck_hs_t files;         /* struct sj_disk_file, a reference each */
    uint64_t n_held_bytes; /* of the files in use */
    uint64_t n_left_bytes; /* held, of the files that have left the set */
    uint64_t n_open;       /* of the files in the set: descriptors */
    uint64_t n_taken_out;  /* of the set, since it was last put in order */
    uint64_t serial;       /* of the last build that succeeded */
    struct sj_scan *scans; /* one for each root; `n_scans` 0: none are kept */
    size_t n_scans;
    struct sj_rules *rules;              /* by which the sheaves were made, or NULL */
    struct sj_scan_directory *graveyard; /* by `next`: states that are not in use any more */
    bool is_complete; /* the trees are those of the last build, which succeeded */
    struct sj_awaited *awaited;
    size_t n_awaited;
};

/* NULL: no memory. */
struct sj_stock *sj_stock_new(void);
void sj_stock_free(struct sj_stock *stock);

/* Between builds: a file known from elsewhere (cache/ledger.h), of which the stock takes a
 * reference; it goes unless the next build that succeeds uses it.  0 or -ENOMEM. */
int sj_stock_put(struct sj_stock *stock, struct sj_file *file);

/* The file read in exactly that state, or NULL. */
struct sj_disk_file *sj_stock_find(const struct sj_stock *stock,
                                   const struct sj_identity *identity);

/* All files, without references: valid until the next build.  NULL: no memory. */
const struct sj_file **sj_stock_list(const struct sj_stock *stock, size_t *n_files);

/* Between builds: hands over what the builds since have found to be awaited; `*n` may be 0.  For
 * sj_awaited_free. */
struct sj_awaited *sj_stock_take_awaited(struct sj_stock *stock, size_t *n);
void sj_awaited_free(struct sj_awaited *awaited, size_t n);

/* Between builds: bytes held by files that builds have had no use for since the last call; who is
 * still served from an older generation keeps them in memory. */
uint64_t sj_stock_take_left(struct sj_stock *stock);

/* For the builder.  The next directory without a sheaf; the first after NULL; NULL after the last.
 */
struct sj_scan_directory *sj_stock_next_unmade(const struct sj_stock *stock,
                                               struct sj_scan_directory *directory);

/* Use: one more name of that file, with a reference; 0 or -ENOMEM. */
int sj_stock_use(struct sj_stock *stock, struct sj_file *file);

/* The directory and all below it hang on nothing any more: their files lose these uses.  They stay
 * as they are until the sweep, marked as buried. */
void sj_stock_bury(struct sj_stock *stock, struct sj_scan_directory *directory);
void sj_stock_bury_trees(struct sj_stock *stock);

/* At the end of a build that has succeeded: what has lost its last use goes; or whatever has
 * none. */
void sj_stock_sweep(struct sj_stock *stock);
void sj_stock_sweep_all(struct sj_stock *stock);

#endif
