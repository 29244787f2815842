/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_EARLY_H
#define SJ_CACHE_EARLY_H
/*
 * Early answers: entries of before the first build, one for each request, of files that are in the
 * very state in which the last run has read them (cache/ledger.h).
 *
 * Such an entry has the fields that the file's will have in the first generation.  It is made only
 * where that is certain: a plain file without sidecars, found over no link, below names that are
 * served, in directories that can be listed.  Whatever else there may be, the build will say.
 */
#include "cache/generation_make.h"
#include "cache/settings.h"

/* Any thread; looks at the disk.  `first` is the empty generation, `path` a decoded URL path from
 * "/", without dot segments and NUL.  An entry with one reference, the caller's, whose file is
 * open; or NULL: that is not known yet, or there is no memory or descriptor for it. */
struct sj_entry *sj_early_find(const struct sj_generation *first,
                               const struct sj_settings *settings, struct sj_text path);

#endif
