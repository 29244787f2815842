/* SPDX-License-Identifier: MIT */
#include "cache/entry.h"

#include <stdlib.h>
#include <string.h>
#include "core/counted.h"

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
    sj_counted_acquire(&entry->references);
}

void sj_entry_release(struct sj_entry *entry)
{
    if (entry == NULL || !sj_counted_release(&entry->references))
        return;
    for (int i = 0; i < SJ_CODINGS; i++)
        sj_file_release(entry->representations[i].file);
    sj_root_release(entry->root);
    free(entry);
}

bool sj_entry_has_same_content(const struct sj_entry *a, const struct sj_entry *b)
{
    const struct sj_file *x = a->representations[SJ_IDENTITY].file;
    const struct sj_file *y = b->representations[SJ_IDENTITY].file;
    return x == y ||
           (x->length == y->length && memcmp(x->digest, y->digest, sizeof(x->digest)) == 0);
}

/* Without its last line, when that is the field `name`. */
static struct sj_text without(struct sj_text fields, struct sj_text name)
{
    if (fields.length == 0)
        return fields;
    const char *end = memrchr(fields.at, '\n', fields.length - 1);
    size_t kept = end == NULL ? 0 : (size_t)(end - fields.at) + 1;
    if (fields.length - kept < name.length || memcmp(fields.at + kept, name.at, name.length) != 0)
        return fields;
    return (struct sj_text){fields.at, kept};
}

/* Vary comes and goes with variants; a tree that was checked out anew has other times. */
static struct sj_text lasting_fields(const struct sj_entry *entry)
{
    struct sj_text fields = without(entry->fields, SJ_TEXT("Vary: Accept-Encoding\r\n"));
    return without(fields, SJ_TEXT("Last-Modified: "));
}

bool sj_entry_is_unchanged(const struct sj_entry *a, const struct sj_entry *b)
{
    return a == b || (sj_entry_has_same_content(a, b) && sj_text_equals(a->type, b->type) &&
                      sj_text_equals(lasting_fields(a), lasting_fields(b)));
}
