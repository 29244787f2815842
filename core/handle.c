/* SPDX-License-Identifier: MIT */
#include "core/handle.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define FIRST_SLOTS 64
#define NO_SLOT     UINT32_MAX

struct slot {
    void *object;        /* NULL: free */
    uint64_t generation; /* of the object's handle, or of the last one's */
    uint32_t next_free;
};

struct sj_handle_table {
    struct slot *slots;
    uint32_t loop;
    uint32_t n_slots;
    uint32_t first_free;
    uint64_t generation; /* the last one given out in this table */
};

struct sj_handle_table *sj_handle_table_new(uint32_t loop)
{
    struct sj_handle_table *table = calloc(1, sizeof(*table));

    if (table == NULL)
        return NULL;
    table->loop = loop;
    table->first_free = NO_SLOT;
    return table;
}

void sj_handle_table_free(struct sj_handle_table *table)
{
    if (table == NULL)
        return;
    free(table->slots);
    free(table);
}

static int grow(struct sj_handle_table *table)
{
    uint32_t n_slots = table->n_slots == 0 ? FIRST_SLOTS : table->n_slots * 2;
    struct slot *slots;

    if (table->n_slots > NO_SLOT / 2)
        return -ENOMEM;
    slots = realloc(table->slots, n_slots * sizeof(*slots));
    if (slots == NULL)
        return -ENOMEM;
    for (uint32_t i = table->n_slots; i < n_slots; i++)
        slots[i] = (struct slot){.next_free = i + 1 < n_slots ? i + 1 : NO_SLOT};
    table->first_free = table->n_slots;
    table->slots = slots;
    table->n_slots = n_slots;
    return 0;
}

int sj_handle_open(struct sj_handle_table *table, void *object, struct sj_handle *handle)
{
    struct slot *slot;

    assert(object != NULL);
    if (table->first_free == NO_SLOT && grow(table) != 0)
        return -ENOMEM;
    *handle = (struct sj_handle){
        .loop = table->loop, .slot = table->first_free, .generation = ++table->generation};
    slot = &table->slots[handle->slot];
    table->first_free = slot->next_free;
    slot->object = object;
    slot->generation = handle->generation;
    return 0;
}

void sj_handle_close(struct sj_handle_table *table, const struct sj_handle *handle)
{
    assert(sj_handle_resolve(table, handle) != NULL);
    table->slots[handle->slot].object = NULL;
    table->slots[handle->slot].next_free = table->first_free;
    table->first_free = handle->slot;
}

void *sj_handle_resolve(const struct sj_handle_table *table, const struct sj_handle *handle)
{
    const struct slot *slot;

    assert(handle->loop == table->loop && handle->slot < table->n_slots);
    slot = &table->slots[handle->slot];
    return slot->generation == handle->generation ? slot->object : NULL;
}
