/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_SET_H
#define SJ_CACHE_SET_H
/*
 * Hash sets (ck_hs, XXH3) of objects whose first member is their key: a struct sj_text or a struct
 * sj_identity.  One thread fills a set; after that any number read it.
 */
#include <stddef.h>
#include "core/pr.h" /* before any other header of ck */
#include <ck_hs.h>

/* 0 or -ENOMEM.  `capacity` is a guess. */
int sj_text_set_init(ck_hs_t *set, size_t capacity);
int sj_identity_set_init(ck_hs_t *set, size_t capacity);
void sj_set_fini(ck_hs_t *set);

/* The object with that key, or NULL. */
void *sj_set_find(const ck_hs_t *set, const void *key);

/* Puts an object in, in the place of one with the same key, if any: 0 and `*previous` (or NULL);
 * or -ENOMEM, and nothing has changed. */
int sj_set_put(ck_hs_t *set, void *object, void **previous);

#endif
