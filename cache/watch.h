/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_WATCH_H
#define SJ_CACHE_WATCH_H
/*
 * Watching the served trees with inotify(7).
 *
 * Each directory gets its watch before it is read: a change is either seen by the scan or
 * reported, never missed.  The directory above each root, and above where it leads when
 * it is a symbolic link, is watched for that one name, so that a switch of the link is seen.
 * Watches that the last complete build did not ask for again are dropped.
 *
 * When the kernel grants no more watches, one warning names the limit and the rest goes unwatched.
 * Not watched: what a link outside of the scanned directories leads to, if it is a file.
 */
#include <event2/event.h>
#include "core/log.h"

struct sj_watch;

struct sj_watch_config {
    struct event_base *base;
    struct sj_log *log;
    bool serves_dotfiles;            /* else changes of dot names count for nothing */
    void (*changed)(void *argument); /* on the base's thread: something has changed */
    void *argument;
};

/* On the base's thread.  0, or -errno. */
int sj_watch_new(const struct sj_watch_config *config, struct sj_watch **watch);
void sj_watch_free(struct sj_watch *watch);

/* One build at a time, any thread. */
void sj_watch_begin(struct sj_watch *watch);

/* Any thread, between begin and end: a root by its configured path, whether it exists or not;
 * and a directory by its descriptor. */
void sj_watch_add_root(struct sj_watch *watch, const char *path);
void sj_watch_add(struct sj_watch *watch, int descriptor);

/* COMPLETE: what was not added since begin is watched no longer.  PARTIAL: nothing is dropped. */
enum sj_watch_outcome { SJ_WATCH_PARTIAL, SJ_WATCH_COMPLETE };
void sj_watch_end(struct sj_watch *watch, enum sj_watch_outcome outcome);

#endif
