/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_DELTA_H
#define SJ_CACHE_DELTA_H
/*
 * Bringing the kept trees up to date: only directories in which something has changed are read
 * again, and what is new below them.
 *
 * A directory can also change from afar: what its symbolic and hard links lead to is written, moved
 * or removed elsewhere.  So reading goes in rounds; what those of one round have lost and gained
 * decides which others the next one reads.  A directory is read at most once: what changes after
 * that is reported, and belongs to the next build.
 *
 * Which others:
 *  - An inode has lost a name, got one, or has changed: all that name it.  So a link to a file,
 *    whatever it goes through, is found when the file at its end is another.
 *  - Names were added or removed, or are of another kind: links that lead nowhere.
 *  - A directory or a link to one is gone or another: all links, for they may have gone through it.
 *
 * This compares with what was read before.  Something that changed while that build was reading may
 * have been read early in one place and late in another, so that it shows no difference now: after
 * such a build all links are read, and each inode in the changed directories counts as changed.
 */
#include "cache/stock.h"
#include "cache/watch.h"

/* In a task on a worker; `stock` is complete, with the scans' group and is_cancelled set.  0: each
 * directory without a sheaf is to be made.  -EAGAIN: it cannot be done, everything has to be
 * scanned; or -errno as for scans, with that in their `error`. */
int sj_delta_scan(struct sj_stock *stock, const struct sj_watch_changes *changes);

#endif
