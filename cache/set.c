/* SPDX-License-Identifier: MIT */
#include "cache/set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>
#include "cache/file.h"
#include "core/text.h"

static void *allocate(size_t size)
{
    return malloc(size);
}

static void *reallocate(void *at, size_t old_size, size_t size, bool may_move)
{
    (void)old_size;
    return may_move ? realloc(at, size) : NULL;
}

/* Only the filling thread frees, and nobody reads yet: there is nothing to defer. */
static void deallocate(void *at, size_t size, bool is_deferred)
{
    (void)size;
    (void)is_deferred;
    free(at);
}

static const struct ck_malloc allocator = {
    .malloc = allocate, .realloc = reallocate, .free = deallocate};

static unsigned long hash_text(const void *key, unsigned long seed)
{
    const struct sj_text *text = key;
    return XXH3_64bits_withSeed(text->at, text->length, seed);
}

static bool equal_texts(const void *a, const void *b)
{
    return sj_text_equals(*(const struct sj_text *)a, *(const struct sj_text *)b);
}

static unsigned long hash_identity(const void *key, unsigned long seed)
{
    return XXH3_64bits_withSeed(key, sizeof(struct sj_identity), seed);
}

static bool equal_identities(const void *a, const void *b)
{
    return sj_identity_equals(a, b);
}

/* Device and inode come first, without a gap. */
static unsigned long hash_inode(const void *key, unsigned long seed)
{
    return XXH3_64bits_withSeed(key, 2 * sizeof(uint64_t), seed);
}

static bool equal_inodes(const void *a, const void *b)
{
    const struct sj_identity *x = a;
    const struct sj_identity *y = b;
    return x->device == y->device && x->inode == y->inode;
}

/* A digest is a hash already. */
static unsigned long hash_digest(const void *key, unsigned long seed)
{
    uint64_t hash;
    memcpy(&hash, key, sizeof(hash));
    return hash ^ seed;
}

static bool equal_digests(const void *a, const void *b)
{
    return memcmp(a, b, 16) == 0;
}

/* A hostile tree may choose its names: the seed is random. */
unsigned long sj_set_new_seed(void)
{
    unsigned long seed = 0;
    (void)!getrandom(&seed, sizeof(seed), GRND_NONBLOCK);
    return seed;
}

/* ck does not write to the allocator. */
static int init(ck_hs_t *set, ck_hs_hash_cb_t *hash, ck_hs_compare_cb_t *compare, size_t capacity,
                unsigned long seed)
{
    bool is_made = ck_hs_init(set, CK_HS_MODE_SPMC | CK_HS_MODE_OBJECT, hash, compare,
                              (struct ck_malloc *)(uintptr_t)&allocator, 2 * capacity + 16, seed);
    return is_made ? 0 : -ENOMEM;
}

int sj_text_set_init(ck_hs_t *set, size_t capacity)
{
    return init(set, hash_text, equal_texts, capacity, sj_set_new_seed());
}

int sj_text_set_init_seeded(ck_hs_t *set, size_t capacity, unsigned long seed)
{
    return init(set, hash_text, equal_texts, capacity, seed);
}

int sj_inode_set_init(ck_hs_t *set, size_t capacity)
{
    return init(set, hash_inode, equal_inodes, capacity, sj_set_new_seed());
}

int sj_identity_set_init(ck_hs_t *set, size_t capacity)
{
    return init(set, hash_identity, equal_identities, capacity, sj_set_new_seed());
}

int sj_digest_set_init(ck_hs_t *set, size_t capacity)
{
    return init(set, hash_digest, equal_digests, capacity, sj_set_new_seed());
}

int sj_set_reserve(ck_hs_t *set, size_t capacity)
{
    return ck_hs_grow(set, 2 * capacity + 16) ? 0 : -ENOMEM;
}

void sj_set_fini(ck_hs_t *set)
{
    if (set->map != NULL)
        ck_hs_destroy(set);
}

unsigned long sj_text_hash(struct sj_text text, unsigned long seed)
{
    return hash_text(&text, seed);
}

void *sj_set_find(const ck_hs_t *set, const void *key)
{
    return ck_hs_get((ck_hs_t *)set, set->hf(key, set->seed), key);
}

int sj_set_put(ck_hs_t *set, void *object, void **previous)
{
    return sj_set_put_hashed(set, object, set->hf(object, set->seed), previous);
}

int sj_set_put_hashed(ck_hs_t *set, void *object, unsigned long hash, void **previous)
{
    *previous = NULL;
    return ck_hs_set(set, hash, object, previous) ? 0 : -ENOMEM;
}

int sj_set_put_unique(ck_hs_t *set, void *object, unsigned long hash)
{
    return ck_hs_put_unique(set, hash, object) ? 0 : -ENOMEM;
}

void sj_set_remove(ck_hs_t *set, const void *key)
{
    ck_hs_remove(set, set->hf(key, set->seed), key);
}

void *sj_set_next(const ck_hs_t *set, ck_hs_iterator_t *iterator)
{
    void *object = NULL;
    return set->map != NULL && ck_hs_next((ck_hs_t *)set, iterator, &object) ? object : NULL;
}
