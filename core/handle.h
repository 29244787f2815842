/* SPDX-License-Identifier: MIT */
#ifndef SJ_CORE_HANDLE_H
#define SJ_CORE_HANDLE_H
/*
 * Handles: how a heavy task names a connection without a pointer to it.
 *
 * A loop owns one table of slots.  A handle names loop, slot, the slot's
 * generation (64 bits: never the same twice) and the request's number.  Only the
 * loop's own thread calls these; other threads carry handles about and post
 * them back.  A handle whose connection has gone, or is at a later request,
 * resolves to NULL: the result is dropped and counted.
 */
#include <stdint.h>

struct sj_handle {
    uint32_t loop;
    uint32_t slot;
    uint64_t generation;
    uint64_t request; /* counts up within one connection */
};

struct sj_handle_table;

/* NULL: no memory. */
struct sj_handle_table *sj_handle_table_new(uint32_t loop);
void sj_handle_table_free(struct sj_handle_table *table);

/* 0, and `*handle` (request 0) names `object`; -ENOMEM. */
int sj_handle_open(struct sj_handle_table *table, void *object, struct sj_handle *handle);

/* From now on no handle resolves to that object; its slot may be used again. */
void sj_handle_close(struct sj_handle_table *table, const struct sj_handle *handle);

/* The object, or NULL when it has gone.  `request` is the caller's to compare. */
void *sj_handle_resolve(const struct sj_handle_table *table, const struct sj_handle *handle);

#endif
