/* SPDX-License-Identifier: MIT */
#include "cache/entry.h"

#include <stdlib.h>
#include "core/pr.h"

#define TEXT(literal)                \
    {                                \
        literal, sizeof(literal) - 1 \
    }

const struct sj_text sj_coding_names[SJ_CODINGS] = {
    [SJ_IDENTITY] = TEXT("identity"),
    [SJ_GZIP] = TEXT("gzip"),
    [SJ_BR] = TEXT("br"),
    [SJ_ZSTD] = TEXT("zstd"),
};

const struct sj_text sj_coding_endings[SJ_CODINGS] = {
    [SJ_IDENTITY] = TEXT(""),
    [SJ_GZIP] = TEXT(".gz"),
    [SJ_BR] = TEXT(".br"),
    [SJ_ZSTD] = TEXT(".zst"),
};

void sj_entry_acquire(struct sj_entry *entry)
{
    ck_pr_inc_64(&entry->references);
}

/* The order is that of roots and files: see cache/file.c. */
void sj_entry_release(struct sj_entry *entry)
{
    if (entry == NULL)
        return;
    ck_pr_fence_release();
    if (ck_pr_faa_64(&entry->references, (uint64_t)-1) != 1)
        return;
    ck_pr_fence_acquire();
    for (int i = 0; i < SJ_CODINGS; i++)
        sj_file_release(entry->representations[i].file);
    sj_root_release(entry->root);
    free(entry);
}
