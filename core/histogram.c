/* SPDX-License-Identifier: MIT */
#include "core/histogram.h"

#include "core/pr.h"

static unsigned bucket_of(uint64_t ns)
{
    unsigned exponent, bucket;

    if (ns < 4)
        return (unsigned)ns;
    exponent = 63 - (unsigned)__builtin_clzll(ns);
    bucket = (exponent - 1) * 4 + (ns >> (exponent - 2) & 3);
    return bucket < SJ_HISTOGRAM_BUCKETS ? bucket : SJ_HISTOGRAM_BUCKETS - 1;
}

/* The first value beyond it. */
static uint64_t upper_edge(unsigned bucket)
{
    if (bucket < 4)
        return bucket + 1;
    return (uint64_t)(bucket % 4 + 5) << (bucket / 4 - 1);
}

void sj_histogram_record(struct sj_histogram *histogram, uint64_t ns)
{
    uint64_t *count = &histogram->buckets[bucket_of(ns)];

    /* Whole words, so that a reader sees the old or the new value; nothing else is promised. */
    ck_pr_store_64(count, *count + 1);
    ck_pr_store_64(&histogram->sum_ns, histogram->sum_ns + ns);
}

void sj_histogram_merge(struct sj_histogram *into, const struct sj_histogram *from)
{
    for (unsigned i = 0; i < SJ_HISTOGRAM_BUCKETS; i++)
        into->buckets[i] += ck_pr_load_64(&from->buckets[i]);
    into->sum_ns += ck_pr_load_64(&from->sum_ns);
}

uint64_t sj_histogram_count(const struct sj_histogram *histogram)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < SJ_HISTOGRAM_BUCKETS; i++)
        count += ck_pr_load_64(&histogram->buckets[i]);
    return count;
}

uint64_t sj_histogram_below(const struct sj_histogram *histogram, uint64_t ns)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < SJ_HISTOGRAM_BUCKETS && upper_edge(i) <= ns; i++)
        count += ck_pr_load_64(&histogram->buckets[i]);
    return count;
}

uint64_t sj_histogram_quantile(const struct sj_histogram *histogram, double q)
{
    uint64_t count = sj_histogram_count(histogram), seen = 0;
    uint64_t rank = q > 0 ? (uint64_t)((double)count * q + 0.999999) : 1;

    if (rank < 1)
        rank = 1;
    for (unsigned i = 0; i < SJ_HISTOGRAM_BUCKETS && count > 0; i++) {
        seen += ck_pr_load_64(&histogram->buckets[i]);
        if (seen >= rank)
            return upper_edge(i);
    }
    /* Empty; or recorded into while it was read. */
    return count > 0 ? upper_edge(SJ_HISTOGRAM_BUCKETS - 1) : 0;
}
