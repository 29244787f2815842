/* SPDX-License-Identifier: MIT */
#ifndef SJ_CORE_HISTOGRAM_H
#define SJ_CORE_HISTOGRAM_H
/*
 * Log-linear histogram of durations in nanoseconds: four buckets for each
 * power of two, so a quantile is right to 25 % (below 4 ns: one bucket a nanosecond).
 *
 * One thread records, with plain relaxed stores; any thread may read or merge
 * at any time and gets a moment's estimate.
 */
#include <stddef.h>
#include <stdint.h>

#define SJ_HISTOGRAM_BUCKETS 160 /* up to 2^41 ns, 36 minutes; longer ones count there */

struct sj_histogram {
    uint64_t buckets[SJ_HISTOGRAM_BUCKETS];
    uint64_t sum_ns;
};

void sj_histogram_record(struct sj_histogram *histogram, uint64_t ns);

/* Adds `from` to `into`, which is the caller's own. */
void sj_histogram_merge(struct sj_histogram *into, const struct sj_histogram *from);

uint64_t sj_histogram_count(const struct sj_histogram *histogram);

/* How many were below `ns`: exact where a bucket ends, as at powers of two; else fewer. */
uint64_t sj_histogram_below(const struct sj_histogram *histogram, uint64_t ns);

/* The upper edge in ns of the bucket that holds quantile `q` (0 to 1); 0 if empty. */
uint64_t sj_histogram_quantile(const struct sj_histogram *histogram, double q);

#endif
