/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_SCAN_PRIVATE_H
#define SJ_CACHE_SCAN_PRIVATE_H
/* Between the walk (cache/scan.c) and the tree that it makes (cache/scan_tree.c). */
#include <sys/stat.h>
#include "cache/scan.h"

enum sj_scan_reach { SJ_BY_NAME, SJ_BY_LINK, SJ_AS_ODD };

/* The subtask of a directory: reads it, and spawns its children.  A child may run, to its end,
 * within sj_spawn. */
void sj_scan_run(struct sj_task *task);

/* The directory called `name` in `parent`; or the root's with NULL and "".  It hangs on nothing.
 * NULL: no memory. */
struct sj_scan_directory *sj_scan_directory_new(struct sj_scan *scan,
                                                struct sj_scan_directory *parent, const char *name);

/* Is this the child of that name which the directory had before, still the same?  Then that stays,
 * with all below it. */
bool sj_scan_keep_child(struct sj_scan_directory *directory, const char *name,
                        enum sj_scan_reach reach, const struct stat *status);

#endif
