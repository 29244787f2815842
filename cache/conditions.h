/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_CONDITIONS_H
#define SJ_CACHE_CONDITIONS_H
/*
 * Conditions under which a new generation is refused (--refuse-if), on what sj_changes_new counts:
 *
 *     NAME OPERATOR NUMBER[%]      "removed>20%", "missing-assets>0", "urls < 100"
 *
 * NAME is one of the table in conditions.c; OPERATOR one of > >= < <= ==; white space is free.  A
 * percentage is one of the URLs of the generation before, and never holds when that had none: the
 * first generation is refused by plain numbers only.  Pure but for memory; immutable, any thread.
 */
#include <stdbool.h>
#include <stddef.h>

struct sj_conditions;
struct sj_change_counts;

/* 0 and `*conditions` (none of them is fine); -EINVAL, and one line in `error` that names the
 * option and what it takes; -ENOMEM. */
int sj_conditions_new(const char *const *texts, size_t n, struct sj_conditions **conditions,
                      char *error, size_t error_size);
void sj_conditions_free(struct sj_conditions *conditions);

/* Is one of them about missing assets?  Counting these is the larger part of the work. */
bool sj_conditions_need_pages(const struct sj_conditions *conditions);

/* 0: none holds.  -EPERM, and in `text` one line about the first that does: "refused: removed 31 of
 * 100 URLs (31%), --refuse-if removed>20%". */
int sj_conditions_check(const struct sj_conditions *conditions,
                        const struct sj_change_counts *counts, char *text, size_t text_size);

#endif
