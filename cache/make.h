/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_MAKE_H
#define SJ_CACHE_MAKE_H
/*
 * Entries: from jobs whose files have been read, and from entries for which there are variants now
 * that there were not.  Any thread; memory only.
 */
#include "cache/build.h"
#include "cache/gather.h"

struct sj_maker {
    const struct sj_build *build;
    const struct sj_rules *rules; /* of the generation that is made; or NULL */
    time_t now;
};

/* Room for the calls below. */
size_t sj_maker_room(const struct sj_maker *maker);

/* Makes the job's entry, or takes over that of before; there may be none, and faults say why.  0 or
 * -ENOMEM. */
int sj_make_entry(const struct sj_maker *maker, struct sj_job *job, char *room);

/* `*made`: an entry with the variants that there are now, or another reference on `entry`.  0 or
 * -ENOMEM. */
int sj_make_again(const struct sj_maker *maker, struct sj_entry *entry, char *room,
                  struct sj_entry **made);

#endif
