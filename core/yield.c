/* SPDX-License-Identifier: MIT */
#include "core/yield.h"

#define US 1000ull
#define MS (1000 * US)

#define VAIN_NS       (2 * US)
#define VAIN_MOST     8
#define VAIN_PAUSE_NS (10 * MS)
#define LONG_NS       (1 * MS)
#define LONG_MOST     4
#define SLICE_NS      (3 * MS) /* of somebody who has not let go by himself */
#define PAUSE_LEAST   (64 * MS)
#define PAUSE_MOST    (2048 * MS)

static void was_vain(struct sj_yield *yield, uint64_t now_ns)
{
    if (++yield->n_vain < VAIN_MOST)
        return;
    yield->n_vain = 0;
    yield->paused_till_ns = now_ns + VAIN_PAUSE_NS;
}

static void was_long(struct sj_yield *yield, uint64_t now_ns, bool is_slice)
{
    if (++yield->n_long < LONG_MOST && !is_slice)
        return;
    yield->n_long = 0;
    if (yield->pause_ns < PAUSE_LEAST)
        yield->pause_ns = PAUSE_LEAST;
    yield->paused_till_ns = now_ns + yield->pause_ns;
    yield->pause_ns = yield->pause_ns < PAUSE_MOST / 2 ? yield->pause_ns * 2 : PAUSE_MOST;
}

static void ease(struct sj_yield *yield, uint64_t now_ns)
{
    if (now_ns - yield->eased_ns < PAUSE_LEAST)
        return;
    yield->eased_ns = now_ns;
    yield->pause_ns -= yield->pause_ns / 4;
}

void sj_yield_took(struct sj_yield *yield, uint64_t now_ns, uint64_t ns)
{
    yield->n_tasks = 0;
    if (ns < VAIN_NS) {
        was_vain(yield, now_ns);
    } else if (ns < LONG_NS) {
        yield->n_vain = yield->n_long = 0;
        ease(yield, now_ns);
    } else {
        was_long(yield, now_ns, ns >= SLICE_NS);
    }
}
