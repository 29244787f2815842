/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_SHEAF_H
#define SJ_CACHE_SHEAF_H
/*
 * A sheaf: the entries made of one directory, with the hashes of their paths.
 *
 * Generations share the sheaves of directories that stay as they are: taking over a hundred
 * thousand entries touches none of them.  Immutable, a counted reference; any thread.
 */
#include <stddef.h>
#include "cache/entry.h"

struct sj_sheaf_item {
    uint64_t hash; /* of the path, as cache/set.h hashes it */
    struct sj_entry *entry;
};

struct sj_sheaf {
    uint64_t references;
    uint64_t serial;  /* of the build that made it: see struct sj_generation */
    uint64_t n_urls;  /* entries that are files */
    uint64_t n_bytes; /* of their identity representations */
    size_t n_items;
    struct sj_sheaf_item items[];
};

/* With one reference and room for `n_room` entries; NULL: no memory. */
struct sj_sheaf *sj_sheaf_new(size_t n_room, uint64_t serial);

/* Before it is shared.  Takes over a reference on the entry. */
void sj_sheaf_put(struct sj_sheaf *sheaf, struct sj_entry *entry, uint64_t hash);

void sj_sheaf_acquire(struct sj_sheaf *sheaf);
void sj_sheaf_release(struct sj_sheaf *sheaf); /* NULL is allowed */

#endif
