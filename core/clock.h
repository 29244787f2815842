/* SPDX-License-Identifier: MIT */
#ifndef SJ_CORE_CLOCK_H
#define SJ_CORE_CLOCK_H
/* Clocks, and the dates of RFC 9110 section 5.6.7.  Pure but for the two clocks; any thread. */
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define SJ_DATE_LENGTH  29 /* "Sun, 06 Nov 1994 08:49:37 GMT" */
#define SJ_STAMP_LENGTH 24 /* "1994-11-06T08:49:37.000Z" */

/* CLOCK_MONOTONIC, and its coarse form (a tick of 1 to 10 ms, cheaper). */
uint64_t sj_clock_ns(void);
uint64_t sj_clock_coarse_ns(void);

/* Writes SJ_DATE_LENGTH octets, IMF-fixdate, no NUL.  A time outside the years 0 to 9999 becomes
 * the nearest inside. */
void sj_date_format(char *to, time_t seconds);

/* The same for log lines: SJ_STAMP_LENGTH octets, RFC 3339 with milliseconds, no NUL. */
void sj_stamp_format(char *to, const struct timespec *at);

/* Reads one of the three forms (IMF-fixdate, RFC 850, asctime); surrounding white space is
 * not allowed.  0 and `*seconds`, or -EINVAL.  A two-digit year that appears to be
 * more than 50 years after `now` is one of the past. */
int sj_date_parse(const char *text, size_t length, time_t now, time_t *seconds);

#endif
