/* SPDX-License-Identifier: MIT */
#ifndef SJ_CORE_KIND_H
#define SJ_CORE_KIND_H
/* How numbers with units are written in options, one row a type.  Pure. */
#include "core/option.h"

struct sj_unit {
    const char *name;
    uint64_t factor;
};

/* The first unit counts when none is written. */
struct sj_kind {
    const char *noun;
    const char *hint;
    struct sj_unit units[7];
};

/* Of SJ_OPTION_NUMBER, SIZE and DURATION. */
extern const struct sj_kind sj_kinds[];

/* False: it is no number of that kind, or too large. */
bool sj_kind_read(const struct sj_kind *kind, const char *text, uint64_t *number);

/* In the largest unit that leaves no fraction. */
void sj_kind_print(const struct sj_kind *kind, uint64_t number, char *to, size_t size);

#endif
