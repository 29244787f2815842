/* SPDX-License-Identifier: MIT */
#include "cache/scratch.h"

#include <stdint.h>
#include <stdlib.h>

#define SMALLEST  1024
#define MOST_KEPT (32U << 20)

/* Before each block. */
union header {
    union header *next; /* while it is kept */
    size_t size;        /* of the whole, else */
    max_align_t aligned;
};

/* The class whose blocks have `size` bytes or more; SJ_SCRATCH_CLASSES: none has. */
static unsigned class_of(size_t size)
{
    unsigned class = 0;
    while (class < SJ_SCRATCH_CLASSES && (size_t)SMALLEST << class < size)
        class ++;
    return class;
}

void *sj_scratch_take(void *scratch, size_t size)
{
    struct sj_scratch *own = scratch;
    union header *block = NULL;
    if (size > SIZE_MAX - sizeof(*block))
        return NULL;
    size += sizeof(*block);
    unsigned class = class_of(size);
    if (class < SJ_SCRATCH_CLASSES) {
        size = (size_t)SMALLEST << class;
        block = own->kept[class];
    }
    if (block != NULL) {
        own->kept[class] = block->next;
        own->n_kept -= size;
    } else {
        block = malloc(size);
    }
    if (block == NULL)
        return NULL;
    block->size = size;
    return block + 1;
}

void sj_scratch_give(void *scratch, void *block)
{
    struct sj_scratch *own = scratch;
    if (block == NULL)
        return;
    union header *header = (union header *)block - 1;
    unsigned class = class_of(header->size);
    if (class == SJ_SCRATCH_CLASSES || own->n_kept + header->size > MOST_KEPT) {
        free(header);
        return;
    }
    own->n_kept += header->size;
    header->next = own->kept[class];
    own->kept[class] = header;
}

void sj_scratch_fini(struct sj_scratch *scratch)
{
    for (unsigned class = 0; class < SJ_SCRATCH_CLASSES; class ++) {
        for (union header *at = scratch->kept[class], *next; at != NULL; at = next) {
            next = at->next;
            free(at);
        }
    }
    *scratch = (struct sj_scratch){.n_kept = 0};
}
