/* SPDX-License-Identifier: MIT */
#include "cache/sheaf.h"

#include <stdlib.h>
#include "core/counted.h"

struct sj_sheaf *sj_sheaf_new(size_t n_room, uint64_t serial)
{
    struct sj_sheaf *made = malloc(sizeof(*made) + n_room * sizeof(made->items[0]));
    if (made != NULL)
        *made = (struct sj_sheaf){.references = 1, .serial = serial};
    return made;
}

void sj_sheaf_put(struct sj_sheaf *sheaf, struct sj_entry *entry, uint64_t hash)
{
    sheaf->items[sheaf->n_items++] = (struct sj_sheaf_item){hash, entry};
    if (entry->kind != SJ_ENTRY_FILE)
        return;
    sheaf->n_urls++;
    sheaf->n_bytes += entry->representations[SJ_IDENTITY].file->length;
}

void sj_sheaf_acquire(struct sj_sheaf *sheaf)
{
    sj_counted_acquire(&sheaf->references);
}

void sj_sheaf_release(struct sj_sheaf *sheaf)
{
    if (sheaf == NULL || !sj_counted_release(&sheaf->references))
        return;
    for (size_t i = 0; i < sheaf->n_items; i++)
        sj_entry_release(sheaf->items[i].entry);
    free(sheaf);
}
