/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_FAULT_H
#define SJ_CACHE_FAULT_H
/* Faults: what a build skipped, and why.  A list, newest first; one thread at a time. */
#include <stddef.h>
#include "core/text.h"

struct sj_fault {
    struct sj_text path; /* first: the key.  As configured and found, NUL-terminated */
    struct sj_fault *next;
    const char *reason; /* constant text */
};

/* The path is `root`, a slash, `directory` (empty or ending in a slash) and `name`.  0 or -ENOMEM.
 */
int sj_fault_push(struct sj_fault **list, const char *const path[3], const char *reason);

/* Puts a copy of all of them before `*copy`.  0 or -ENOMEM. */
int sj_faults_copy(const struct sj_fault *list, struct sj_fault **copy);

void sj_faults_free(struct sj_fault *list);

/* A constant text for an errno value (positive or negative). */
const char *sj_fault_reason(int error);

#endif
