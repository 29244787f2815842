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
 * A directory is known by its watch's number; of inotify, so two names of one directory share it.
 * The numbers of those in which something has changed are collected until a build takes them: a
 * change is in that build or in the next one.
 *
 * When the kernel grants no more watches, one warning names the limit, the rest goes unwatched, and
 * everything counts as changed every 10 s.
 * Not watched, and noticed by full scans alone: files outside of the scanned directories (or in
 * such as are passed over) that links lead to.
 */
#include <event2/event.h>
#include "core/log.h"

struct sj_watch;

struct sj_watch_config {
    struct event_base *base;
    struct sj_log *log;
    bool serves_dotfiles;            /* else changes of dot names call for no build */
    void (*changed)(void *argument); /* on the base's thread: something has changed */
    void *argument;
};

/* On the base's thread.  0, or -errno. */
int sj_watch_new(const struct sj_watch_config *config, struct sj_watch **watch);
void sj_watch_free(struct sj_watch *watch);

/* Numbers of watches, sorted once they are taken. */
struct sj_watches {
    int *numbers;
    size_t length, room;
};

struct sj_watch_changes {
    struct sj_watches changed; /* something in the directory, or it itself */
    struct sj_watches moved;   /* it itself: gone or elsewhere */
    bool is_all;               /* events were lost: anything may have changed */
    bool has_overlapped;       /* some of it while the build before was at work */
};

/* One build at a time, any thread.  Takes what has changed since the begin before. */
void sj_watch_begin(struct sj_watch *watch, struct sj_watch_changes *changes);
void sj_watch_changes_fini(struct sj_watch_changes *changes);
bool sj_watches_have(const struct sj_watches *watches, int number);

/* Any thread, between begin and end: a root by its configured path, whether it exists or not;
 * a directory by its descriptor: its watch, or -1; and one that is watched already. */
void sj_watch_add_root(struct sj_watch *watch, const char *path);
int sj_watch_add(struct sj_watch *watch, int descriptor);
void sj_watch_keep(struct sj_watch *watch, int number);

/* COMPLETE: what was not added since begin is watched no longer.  PARTIAL: nothing is dropped. */
enum sj_watch_outcome { SJ_WATCH_PARTIAL, SJ_WATCH_COMPLETE };
void sj_watch_end(struct sj_watch *watch, enum sj_watch_outcome outcome);

/* On the base's thread, after a build: sees to it that what is not watched is looked at again. */
void sj_watch_settle(struct sj_watch *watch);

#endif
