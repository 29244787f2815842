/* SPDX-License-Identifier: MIT */
#include "cache/quiet.h"

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* A first event decides the period of its burst. */
static void begin_burst(struct sj_quiet *quiet, uint64_t now_ns)
{
    bool goes_on = quiet->acted_ns != 0 && now_ns - quiet->acted_ns < SJ_QUIET_MAX_NS;
    quiet->period_ns = goes_on ? least(2 * quiet->period_ns, SJ_QUIET_MAX_NS) : SJ_QUIET_NS;
    quiet->first_ns = now_ns;
}

static uint64_t due_ns(const struct sj_quiet *quiet)
{
    return least(quiet->last_ns + quiet->period_ns, quiet->first_ns + SJ_QUIET_MAX_NS);
}

uint64_t sj_quiet_event(struct sj_quiet *quiet, uint64_t now_ns)
{
    if (quiet->first_ns == 0)
        begin_burst(quiet, now_ns);
    quiet->last_ns = now_ns;
    return due_ns(quiet);
}

bool sj_quiet_is_due(struct sj_quiet *quiet, uint64_t now_ns)
{
    if (quiet->first_ns == 0 || now_ns < due_ns(quiet))
        return false;
    quiet->first_ns = 0;
    quiet->acted_ns = now_ns;
    return true;
}
