/* SPDX-License-Identifier: MIT */
#ifndef SJ_CORE_IMAGE_H
#define SJ_CORE_IMAGE_H
/*
 * The program's image: its own file and those of its libraries, as they are mapped.
 *
 * Starting touches much of it that is never used again: the dynamic linker reads every symbol and
 * relocation, libraries and modules set themselves up.  All of it counts as the process's from then
 * on: 6 MB for a module that uses libcurl, whose libraries are thirty.
 */

/* Before the process becomes another user, who may not look at its tables: what forget needs.  A
 * descriptor, or -errno: without /proc, say. */
int sj_image_open(void);

/* Any thread; closes the descriptor, does nothing for -errno.  Takes those pages out of the
 * process's tables, as long as they are the files' own; what is used again comes back from the page
 * cache.  Pages that have been written to (relocations in text, break points, probes) stay. */
void sj_image_forget(int image);

#endif
