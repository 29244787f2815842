/* SPDX-License-Identifier: MIT */
#include "core/kind.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const struct sj_kind sj_kinds[] = {
    [SJ_OPTION_NUMBER] = {"number", "", {{"", 1}}},
    [SJ_OPTION_SIZE] = {"size",
                        " (in bytes, or with unit K, M, G)",
                        {{"", 1}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}}},
    [SJ_OPTION_DURATION] = {"time",
                            " (in seconds, or with unit ms, s, m, h, d)",
                            {{"", 1000},
                             {"ms", 1},
                             {"s", 1000},
                             {"m", 60 * 1000},
                             {"h", 60 * 60 * 1000},
                             {"d", 24 * 60 * 60 * 1000}}},
};

bool sj_kind_read(const struct sj_kind *kind, const char *text, uint64_t *number)
{
    const struct sj_unit *unit = kind->units;

    if (*text < '0' || *text > '9')
        return false;
    for (*number = 0; *text >= '0' && *text <= '9'; text++)
        if (__builtin_mul_overflow(*number, 10, number) ||
            __builtin_add_overflow(*number, (uint64_t)(*text - '0'), number))
            return false;
    while (unit->name != NULL && strcmp(unit->name, text) != 0)
        unit++;
    return unit->name != NULL && !__builtin_mul_overflow(*number, unit->factor, number);
}

void sj_kind_print(const struct sj_kind *kind, uint64_t number, char *to, size_t size)
{
    const struct sj_unit *best = NULL;

    for (const struct sj_unit *unit = kind->units; number != 0 && unit->name != NULL; unit++)
        if (unit->name[0] != '\0' && number % unit->factor == 0)
            best = unit;
    if (best != NULL)
        snprintf(to, size, "%" PRIu64 "%s", number / best->factor, best->name);
    else
        snprintf(to, size, "%" PRIu64, number);
}
