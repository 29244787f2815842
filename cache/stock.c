/* SPDX-License-Identifier: MIT */
#include "cache/stock.h"

#include <errno.h>
#include <stdlib.h>
#include "cache/sheaf.h"

struct sj_stock *sj_stock_new(void)
{
    struct sj_stock *made = calloc(1, sizeof(*made));
    if (made != NULL && sj_identity_set_init(&made->files, 0) != 0) {
        free(made);
        return NULL;
    }
    if (made != NULL)
        made->seed = sj_set_new_seed();
    return made;
}

static void drop_graveyard(struct sj_stock *stock)
{
    while (stock->graveyard != NULL) {
        struct sj_scan_directory *next = stock->graveyard->next;
        sj_scan_free(stock->graveyard);
        stock->graveyard = next;
    }
}

static void drop_trees(struct sj_stock *stock)
{
    for (size_t i = 0; i < stock->n_scans; i++) {
        sj_scan_fini(&stock->scans[i]);
        sj_root_release(stock->scans[i].root);
    }
    free(stock->scans);
    stock->scans = NULL;
    stock->n_scans = 0;
    sj_rules_release(stock->rules);
    stock->rules = NULL;
    stock->is_complete = false;
}

void sj_stock_free(struct sj_stock *stock)
{
    ck_hs_iterator_t iterator = CK_HS_ITERATOR_INITIALIZER;
    struct sj_disk_file *at;
    if (stock == NULL)
        return;
    drop_trees(stock);
    drop_graveyard(stock);
    while ((at = sj_set_next(&stock->files, &iterator)) != NULL)
        sj_file_release(&at->file);
    sj_set_fini(&stock->files);
    sj_awaited_free(stock->awaited, stock->n_awaited);
    free(stock);
}

struct sj_scan_directory *sj_stock_next_unmade(const struct sj_stock *stock,
                                               struct sj_scan_directory *directory)
{
    size_t i = directory == NULL ? 0 : (size_t)(directory->scan - stock->scans);
    struct sj_scan_directory *at = directory;
    for (; i < stock->n_scans; i++, at = NULL) {
        struct sj_scan_directory *top = stock->scans[i].top;
        at = at == NULL ? top : sj_scan_next(at, top);
        while (at != NULL && at->sheaf != NULL)
            at = sj_scan_next(at, top);
        if (at != NULL)
            return at;
    }
    return NULL;
}

static void forget(struct sj_stock *stock, struct sj_file *file)
{
    stock->n_open -= file->is_open;
    sj_file_release(file);
}

int sj_stock_put(struct sj_stock *stock, struct sj_file *file)
{
    void *previous;
    if (sj_set_put(&stock->files, sj_on_disk(file), &previous) != 0)
        return -ENOMEM;
    struct sj_disk_file *before = previous;
    if (before == sj_on_disk(file))
        return 0;
    sj_file_acquire(file);
    stock->n_open += file->is_open;
    if (before != NULL)
        forget(stock, &before->file);
    return 0;
}

uint64_t sj_stock_take_left(struct sj_stock *stock)
{
    uint64_t left = stock->n_left_bytes;
    stock->n_left_bytes = 0;
    return left;
}

struct sj_disk_file *sj_stock_find(const struct sj_stock *stock, const struct sj_identity *identity)
{
    return sj_set_find(&stock->files, identity);
}

const struct sj_file **sj_stock_list(const struct sj_stock *stock, size_t *n_files)
{
    ck_hs_iterator_t iterator = CK_HS_ITERATOR_INITIALIZER;
    size_t n_room = ck_hs_count((ck_hs_t *)(uintptr_t)&stock->files) + 1;
    const struct sj_file **list = calloc(n_room, sizeof(*list));
    const struct sj_disk_file *at;
    for (*n_files = 0; list != NULL && *n_files < n_room; ++*n_files) {
        if ((at = sj_set_next(&stock->files, &iterator)) == NULL)
            break;
        list[*n_files] = &at->file;
    }
    return list;
}

struct sj_awaited *sj_stock_take_awaited(struct sj_stock *stock, size_t *n)
{
    struct sj_awaited *awaited = stock->awaited;
    *n = stock->n_awaited;
    stock->awaited = NULL;
    stock->n_awaited = 0;
    return awaited;
}

void sj_awaited_free(struct sj_awaited *awaited, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        sj_file_release(awaited[i].file);
        sj_root_release(awaited[i].root);
        free(awaited[i].path);
    }
    free(awaited);
}

int sj_stock_use(struct sj_stock *stock, struct sj_file *file)
{
    if (sj_on_disk(file)->n_uses == 0) {
        if (sj_stock_put(stock, file) != 0)
            return -ENOMEM;
        stock->n_held_bytes += file->is_held ? file->length : 0;
    }
    sj_on_disk(file)->n_uses++;
    sj_file_acquire(file);
    return 0;
}

static void unuse(struct sj_stock *stock, struct sj_file *file)
{
    if (file != NULL && --sj_on_disk(file)->n_uses == 0)
        stock->n_held_bytes -= file->is_held ? file->length : 0;
}

void sj_stock_bury(struct sj_stock *stock, struct sj_scan_directory *directory)
{
    for (struct sj_scan_directory *at = directory; at != NULL; at = sj_scan_next(at, directory)) {
        for (size_t i = 0; at->sheaf != NULL && i < at->n_files; i++)
            unuse(stock, at->files[i].file);
        at->is_buried = true;
    }
    directory->next = stock->graveyard;
    stock->graveyard = directory;
}

void sj_stock_bury_trees(struct sj_stock *stock)
{
    for (size_t i = 0; i < stock->n_scans; i++) {
        if (stock->scans[i].top != NULL)
            sj_stock_bury(stock, stock->scans[i].top);
        stock->scans[i].top = NULL;
    }
    drop_trees(stock);
}

/* Lookups pass over what was taken out as well, until the set is made anew.  Should there be no
 * memory for that, it stays as it is. */
static void take_out(struct sj_stock *stock, struct sj_disk_file *gone)
{
    sj_set_remove(&stock->files, &gone->identity);
    stock->n_left_bytes += gone->file.is_held ? gone->file.length : 0;
    forget(stock, &gone->file);
    stock->n_taken_out++;
}

static void put_in_order(struct sj_stock *stock)
{
    if (stock->n_taken_out > ck_hs_count(&stock->files) / 2 + 1024 && ck_hs_rebuild(&stock->files))
        stock->n_taken_out = 0;
}

/* One that was read again while it was racy is not the one in the set. */
static void sweep_one(struct sj_stock *stock, struct sj_disk_file *file)
{
    if (file->n_uses == 0 && sj_stock_find(stock, &file->identity) == file)
        take_out(stock, file);
}

/* A directory below the grave has its files checked as well. */
void sj_stock_sweep(struct sj_stock *stock)
{
    for (struct sj_scan_directory *grave = stock->graveyard; grave != NULL; grave = grave->next) {
        struct sj_scan_directory *at = grave;
        for (; at != NULL; at = sj_scan_next(at, grave))
            for (size_t i = 0; at->sheaf != NULL && i < at->n_files; i++)
                if (at->files[i].file != NULL)
                    sweep_one(stock, sj_on_disk(at->files[i].file));
    }
    drop_graveyard(stock);
    put_in_order(stock);
}

void sj_stock_sweep_all(struct sj_stock *stock)
{
    ck_hs_iterator_t iterator = CK_HS_ITERATOR_INITIALIZER;
    struct sj_disk_file *file;
    drop_graveyard(stock);
    while ((file = sj_set_next(&stock->files, &iterator)) != NULL)
        if (file->n_uses == 0)
            take_out(stock, file);
    put_in_order(stock);
}
