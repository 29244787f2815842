/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_VARIANTS_H
#define SJ_CACHE_VARIANTS_H
#include "cache/entry.h"
struct sj_variants;
struct sj_file *sj_variants_find(const struct sj_variants *variants, const struct sj_file *identity,
                                 enum sj_coding coding);
#endif
