/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_SET_H
#define SJ_CACHE_SET_H
/*
 * Hash sets (ck_hs, XXH3) of objects whose first member is their key: a struct sj_text, a struct
 * sj_identity or a digest.  One thread fills a set; after that any number read it.
 *
 * Where the hash of a text is kept, the sets that it is for have the same seed.
 */
#include <stddef.h>
#include "core/pr.h" /* before any other header of ck */
#include <ck_hs.h>
#include "core/text.h"

/* 0 or -ENOMEM.  `capacity` is a guess. */
int sj_text_set_init(ck_hs_t *set, size_t capacity);
int sj_identity_set_init(ck_hs_t *set, size_t capacity);
int sj_text_set_init_seeded(ck_hs_t *set, size_t capacity, unsigned long seed);
int sj_inode_set_init(ck_hs_t *set, size_t capacity);  /* of identities: device and inode count */
int sj_digest_set_init(ck_hs_t *set, size_t capacity); /* of 16 octets of XXH3-128 */
void sj_set_fini(ck_hs_t *set);

/* Makes room for so many objects in all.  0 or -ENOMEM. */
int sj_set_reserve(ck_hs_t *set, size_t capacity);

unsigned long sj_set_new_seed(void);
unsigned long sj_text_hash(struct sj_text text, unsigned long seed);

/* The object with that key, or NULL. */
void *sj_set_find(const ck_hs_t *set, const void *key);

/* Puts an object in, in the place of one with the same key, if any: 0 and `*previous` (or NULL);
 * or -ENOMEM, and nothing has changed. */
int sj_set_put(ck_hs_t *set, void *object, void **previous);

/* The same with the object's hash; and for one whose key is not in the set.  0 or -ENOMEM. */
int sj_set_put_hashed(ck_hs_t *set, void *object, unsigned long hash, void **previous);
int sj_set_put_unique(ck_hs_t *set, void *object, unsigned long hash);

/* Takes out the object with that key. */
void sj_set_remove(ck_hs_t *set, const void *key);

/* The next object; NULL after the last.  It may be taken out before the next one is asked for. */
void *sj_set_next(const ck_hs_t *set, ck_hs_iterator_t *iterator);

#endif
