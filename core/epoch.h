/* SPDX-License-Identifier: MIT */
#ifndef SJ_CORE_EPOCH_H
#define SJ_CORE_EPOCH_H
/*
 * Grace periods (RCU): a reader uses what it loaded from a published pointer
 * until it leaves its section; the one writer exchanges the pointer, waits
 * until every section that was open has been left, and frees the old.
 *
 * On ck_epoch (K. Fraser, "Practical lock-freedom", 2004).  Sections are short:
 * a writer waits for the longest.  They nest.
 */
#include "core/thread.h"

struct sj_epoch;

/* NULL: no memory. */
struct sj_epoch *sj_epoch_new(void);

/* No section may be open. */
void sj_epoch_free(struct sj_epoch *epoch);

/* Any thread that has called sj_thread_enter (core/thread.h); about 6 ns the pair. */
void sj_epoch_begin(struct sj_epoch *epoch);
void sj_epoch_end(struct sj_epoch *epoch);

/* One thread at a time, registered, outside any section.  Blocks, sleeping, until
 * every section that was open at the call has ended. */
void sj_epoch_wait(struct sj_epoch *epoch);

#endif
