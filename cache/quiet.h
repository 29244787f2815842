/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_QUIET_H
#define SJ_CACHE_QUIET_H
/*
 * When to act on a stream of events: after a quiet period, but not put off for ever.  Pure.
 *
 * The first time the period is 100 ms.  Each time that events go on within 2 s of the last
 * action it doubles, up to 2 s; so a file that is written without end costs one rebuild
 * in 2 s, and somebody who saves twice in a row does not wait.
 */
#include <stdbool.h>
#include <stdint.h>

#define SJ_QUIET_NS     100000000ULL
#define SJ_QUIET_MAX_NS 2000000000ULL

struct sj_quiet {
    uint64_t first_ns;  /* of the events not acted on; 0: none */
    uint64_t last_ns;   /* of the events */
    uint64_t acted_ns;  /* 0: never */
    uint64_t period_ns; /* 0: as at first */
};

/* `now_ns` is monotonic and not 0.  The time at which to act, unless more events come. */
uint64_t sj_quiet_event(struct sj_quiet *quiet, uint64_t now_ns);

/* Is it time?  True: the events are taken as acted on. */
bool sj_quiet_is_due(struct sj_quiet *quiet, uint64_t now_ns);

#endif
