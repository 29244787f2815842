/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_VARIANTS_PRIVATE_H
#define SJ_CACHE_VARIANTS_PRIVATE_H
/*
 * What the files of the variants share.
 *
 * Who touches what: the register's set and each content's files and done, settle alone writes, and
 * builds and work read; the rest of a content is the work's;  Of the plan the work's, and of a unit
 * its runner's; then settle's.
 */
#include "core/pr.h" /* before any other header of ck */
#include "cache/set.h"
#include "cache/store.h"
#include "cache/variants.h"

#define SJ_VARIANTS (SJ_CODINGS - 1)

/* Larger contents stay as they are; from so many bytes on they are not worth hours at the best. */
#define SJ_VARIANT_MAX (256U << 20)
#define SJ_BEST_MAX    (16U << 20)

/* What has been done for a variant. */
enum sj_done { SJ_DONE_NOTHING, SJ_DONE_FAST, SJ_DONE_BEST };

struct sj_content {
    uint8_t digest[16];                 /* first: the key */
    struct sj_file *files[SJ_VARIANTS]; /* by coding - 1; NULL: not made, does not pay, no room */
    uint8_t done[SJ_VARIANTS];          /* enum sj_done */
    uint8_t wanted;                     /* bits by coding - 1, by the last plan */
    uint32_t round;                     /* of the last plan that wanted it */
    struct sj_entry *entry;             /* where it can be read; a reference while units need it */
};

/* One variant to be made. */
struct sj_unit {
    struct sj_content *content;
    struct sj_file *file; /* made, or NULL; goes to the content when it is settled */
    uint8_t coding;
    uint8_t done; /* enum sj_done */
    bool has_news;
    bool is_closed; /* it cannot be had, until the next plan */
    bool is_wrong;  /* the content is not that of the entry's file */
};

struct sj_plan {
    struct sj_unit *units; /* the smallest contents first */
    size_t n_units;
    uint64_t first;               /* that may be open */
    uint64_t next;                /* to be taken; by ck_pr */
    enum sj_done wanted;          /* what all are to reach now */
    bool is_over;                 /* all have */
    uint32_t *news;               /* units to be settled, n_news of them */
    struct sj_content **contents; /* of the units: those with `entry` */
    size_t n_contents;
    struct sj_content **fresh; /* not yet in the register */
    size_t n_fresh;
    struct sj_content **stale; /* in the register, and not wanted any more */
    size_t n_stale;
};

/* What a build serves: sheaves, a reference each. */
struct sj_noted {
    size_t n_sheaves;
    struct sj_sheaf *sheaves[];
};

struct sj_variants {
    struct sj_variants_config config;
    ck_hs_t set; /* struct sj_content: the register */
    size_t n_taken_out;
    struct sj_noted *noted; /* to be planned, or NULL; exchanged, as a build may come beside work */
    struct sj_plan plan;
    uint64_t n_news; /* by ck_pr */
    uint32_t round;
    bool was_cut_back;    /* it has to be planned again, though no file has changed */
    uint32_t is_planning; /* or the first build has yet to come; this and the next four by ck_pr */
    uint32_t is_unserved; /* settled, but not yet published */
    uint64_t n_first;     /* made for the first time, not yet settled; then not yet published */
    uint64_t n_settled;
    uint32_t has_doubts;
    uint64_t slice_ns;
    uint64_t n_files_held; /* bytes of files that the last build held */
    uint64_t n_files_open;
    uint64_t hold_left; /* signed, as all of them are added to: bytes */
    uint64_t open_left;
    uint64_t n_held;                  /* variants in the register, settle's */
    struct sj_variants_status status; /* all by ck_pr, without order: they are counts */
};

/* A held or open file is given back. */
void sj_variants_drop(struct sj_variants *variants, struct sj_file *file);

/* cache/variants_plan.c.  From what was noted, in place of the plan before, which has no news. */
void sj_variants_plan(struct sj_variants *variants);
void sj_variants_drop_plan(struct sj_variants *variants);
void sj_variants_drop_noted(struct sj_noted *noted); /* or NULL */

/* cache/variants_make.c.  Looks for it, or makes it; what became of it is in the unit.  True: it
 * has become another.  It stays open when the reader says that it is cancelled. */
bool sj_variants_make(struct sj_variants *variants, struct sj_unit *unit, struct sj_reader *reader);

/* Of a content that units need. */
static inline uint64_t sj_content_length(const struct sj_content *content)
{
    return content->entry->representations[SJ_IDENTITY].file->length;
}

/* Is that unit still to be made? */
static inline bool sj_unit_is_open(const struct sj_unit *unit, enum sj_done wanted)
{
    return !unit->is_closed && unit->done < wanted;
}

#endif
