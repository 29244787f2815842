/* SPDX-License-Identifier: MIT */
#ifndef SJ_CORE_PR_H
#define SJ_CORE_PR_H
/*
 * ConcurrencyKit's atomic operations, as this program includes them.
 *
 * ThreadSanitizer does not understand ck_pr's inline assembly: correct code is
 * reported.  A build with --with-sanitizer=thread therefore takes the handful
 * of operations that we use from core/pr_tsan.h, as compiler builtins; that
 * header must come first, so that ck's own definitions are skipped: include this one
 * before any other header of ck.  Such a build checks ownership, not fences: for
 * those see tests/models/.
 */
#ifdef SJ_TSAN
#include "core/pr_tsan.h"
#endif
#include <ck_pr.h>

#define SJ_CACHE_LINE 64

#endif
