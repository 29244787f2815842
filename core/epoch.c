/* SPDX-License-Identifier: MIT */
#include "core/epoch.h"

#include <assert.h>
#include <time.h>
#include "core/lines.h" /* before any header of ck */
#include <ck_epoch.h>

/*
 * ck cannot release a record, so every thread number has one from the start; that of a
 * thread that has left is never active, and a later owner of the number goes on with it.
 *
 * Sanitizer note: waiting is done inside libck, which ThreadSanitizer does not see.  The end of a
 * section releases to the epoch and the wait acquires from it: just that order, that of
 * the last read before the free, is what a grace period promises.
 */
#ifdef SJ_TSAN
void __tsan_acquire(void *at);
void __tsan_release(void *at);
#else
#define __tsan_acquire(at) ((void)(at))
#define __tsan_release(at) ((void)(at))
#endif

#define WAIT_NS 50000

struct sj_epoch {
    ck_epoch_t global;
    ck_epoch_record_t records[SJ_THREADS_MAX];
};

static ck_epoch_record_t *own_record(struct sj_epoch *epoch)
{
    struct sj_thread *self = sj_self();

    assert(self != NULL);
    return &epoch->records[self->number];
}

static void sleep_a_little(ck_epoch_t *global, ck_epoch_record_t *record, void *context)
{
    struct timespec nap = {.tv_nsec = WAIT_NS};

    (void)global;
    (void)record;
    (void)context;
    nanosleep(&nap, NULL);
}

struct sj_epoch *sj_epoch_new(void)
{
    struct sj_epoch *epoch = sj_lines_new(sizeof(*epoch));

    if (epoch == NULL)
        return NULL;
    ck_epoch_init(&epoch->global);
    for (unsigned i = 0; i < SJ_THREADS_MAX; i++)
        ck_epoch_register(&epoch->global, &epoch->records[i], NULL);
    return epoch;
}

void sj_epoch_free(struct sj_epoch *epoch)
{
    free(epoch);
}

void sj_epoch_begin(struct sj_epoch *epoch)
{
    ck_epoch_begin(own_record(epoch), NULL);
}

void sj_epoch_end(struct sj_epoch *epoch)
{
    __tsan_release(epoch); /* see the sanitizer note */
    ck_epoch_end(own_record(epoch), NULL);
}

void sj_epoch_wait(struct sj_epoch *epoch)
{
    assert(own_record(epoch)->active == 0);
    ck_epoch_synchronize_wait(&epoch->global, sleep_a_little, NULL);
    __tsan_acquire(epoch); /* see the sanitizer note */
}
