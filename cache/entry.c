/* SPDX-License-Identifier: MIT */
#include "cache/entry.h"

#include <endian.h>
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

static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Ten characters of the highest 60 of `bits`. */
static char *write_ten(char *to, uint64_t bits)
{
    for (int i = 0; i < 10; i++, bits <<= 6)
        to[i] = base64url[bits >> 58];
    return to + 10;
}

struct sj_text sj_etag(char room[SJ_ETAG_MAX], const uint8_t digest[16], enum sj_coding coding)
{
    struct sj_text ending = sj_coding_endings[coding];
    uint64_t halves[2];
    char *to = room;
    memcpy(halves, digest, sizeof(halves));
    uint64_t high = be64toh(halves[0]);
    uint64_t low = be64toh(halves[1]);
    *to++ = '"';
    to = write_ten(to, high);
    *to++ = base64url[(high & 15) << 2 | low >> 62];
    to = write_ten(to, low << 2);
    *to++ = base64url[(low & 3) << 4];
    to = mempcpy(to, ending.at, ending.length);
    *to++ = '"';
    return (struct sj_text){room, (size_t)(to - room)};
}

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

/* A tree that was checked out anew has other times. */
static struct sj_text lasting_fields(const struct sj_entry *entry)
{
    return without(entry->fields, SJ_TEXT("Last-Modified: "));
}

bool sj_entry_is_unchanged(const struct sj_entry *a, const struct sj_entry *b)
{
    return a == b || (sj_entry_has_same_content(a, b) && sj_text_equals(a->type, b->type) &&
                      sj_text_equals(lasting_fields(a), lasting_fields(b)));
}
