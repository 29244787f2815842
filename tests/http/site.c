/* SPDX-License-Identifier: MIT */
#include "tests/http/site.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "core/clock.h"
#include "core/pr.h"

#define ENTRIES 32

struct sj_generation {
    struct sj_entry *entries[ENTRIES];
    unsigned n_entries;
    const struct sj_entry *not_found;
    const struct sj_entry *fallback;
    const struct sj_entry *vanished; /* one of the entries */
    const struct sj_entry *early;    /* one of the entries, or NULL */
    bool is_unbuilt;
};

struct sj_index {
    struct sj_generation generation;
    unsigned n_sections;
    struct site *site;
};

/* An entry and its texts are one block: the last reference frees it. */
struct made {
    struct sj_entry entry;
    char path[64];
    char location[64];
    char fields[128];
    char sources[SJ_CODINGS][80];
};

static void check(int is_true, const char *what)
{
    if (is_true)
        return;
    perror(what);
    abort();
}

static struct sj_text text_of(const char *text)
{
    return (struct sj_text){text, strlen(text)};
}

void site_init(struct site *site)
{
    struct sj_root_spec spec = {.prefix = "/", .path = site->folder};

    *site = (struct site){.folder = "/tmp/sj-site-XXXXXX"};
    check(mkdtemp(site->folder) != NULL, "mkdtemp");
    check(sj_root_new(&spec, &site->root) == 0, "root");
    check(sj_arena_new(&site->arena) == 0, "arena");
    site->index = calloc(1, sizeof(*site->index));
    check(site->index != NULL, "index");
    site->index->site = site;
}

void site_fini(struct site *site)
{
    struct sj_generation *generation = &site->index->generation;

    for (unsigned i = 0; i < generation->n_entries; i++) {
        struct sj_entry *entry = generation->entries[i];

        for (int coding = 0; coding < SJ_CODINGS; coding++)
            if (entry->representations[coding].file != NULL)
                site_remove(site, entry->representations[coding].source);
        sj_entry_release(entry);
    }
    check(rmdir(site->folder) == 0, site->folder);
    sj_root_release(site->root);
    sj_arena_release(site->arena);
    free(site->index);
}

void site_write(const struct site *site, const char *name, const char *from, size_t length)
{
    int file = openat(site->root->descriptor, name, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);

    check(file >= 0 && write(file, from, length) == (ssize_t)length, name);
    close(file);
}

void site_remove(const struct site *site, const char *name)
{
    unlinkat(site->root->descriptor, name, 0); /* a test may have removed it already */
}

static struct made *add_entry(struct site *site, const char *path)
{
    struct sj_generation *generation = &site->index->generation;
    struct made *made = calloc(1, sizeof(*made));

    check(made != NULL && generation->n_entries < ENTRIES, path);
    snprintf(made->path, sizeof(made->path), "%s", path);
    made->entry.path = text_of(made->path);
    made->entry.references = 1;
    made->entry.root = site->root;
    sj_root_acquire(site->root);
    generation->entries[generation->n_entries++] = &made->entry;
    return made;
}

static struct sj_file *make_file(struct site *site, const char *name, struct sj_text content,
                                 enum site_body body)
{
    struct sj_arena *arena = body == SITE_IN_ARENA ? site->arena : NULL;
    struct sj_disk_file *made = sj_disk_file_new(arena, body != SITE_ON_DISK ? content.length : 0);
    struct sj_file *file;
    int descriptor;

    check(made != NULL, name);
    file = &made->file;
    site_write(site, name, content.at, content.length);
    descriptor = sj_root_open(site->root, name, &made->identity);
    check(descriptor >= 0, name);
    close(descriptor);
    file->length = content.length;
    if (body != SITE_ON_DISK)
        file->bytes = memcpy(sj_file_space(file), content.at, content.length);
    return file;
}

static void represent(struct site *site, struct made *made, enum sj_coding coding,
                      struct sj_text content, enum site_body body)
{
    struct sj_file *file;
    char *source = made->sources[coding];

    snprintf(source, sizeof(made->sources[0]), "%s%s", made->path + 1,
             sj_coding_endings[coding].at);
    file = make_file(site, source, content, body);
    memcpy(file->digest, made->path + 1, strnlen(made->path + 1, sizeof(file->digest)));
    made->entry.representations[coding] = (struct sj_representation){file, source};
}

static struct sj_entry *add_content(struct site *site, const char *path, struct sj_text content,
                                    enum site_body body)
{
    struct made *made = add_entry(site, path);
    char date[SJ_DATE_LENGTH];

    represent(site, made, SJ_IDENTITY, content, body);
    made->entry.modified = 1700000000;
    sj_date_format(date, made->entry.modified);
    snprintf(made->fields, sizeof(made->fields),
             "Cache-Control: max-age=60, public\r\nLast-Modified: %.*s\r\n", SJ_DATE_LENGTH, date);
    made->entry.fields = text_of(made->fields);
    made->entry.type = SJ_TEXT("text/plain; charset=utf-8");
    return &made->entry;
}

struct sj_entry *site_add(struct site *site, const char *path, const char *content,
                          enum site_body body)
{
    return add_content(site, path, text_of(content), body);
}

char site_octet(size_t at)
{
    return (char)('a' + (at ^ at >> 8 ^ at >> 16) % 26);
}

struct sj_entry *site_add_large(struct site *site, const char *path, size_t length,
                                enum site_body body)
{
    char *content = malloc(length);
    struct sj_entry *entry;

    check(content != NULL, path);
    for (size_t i = 0; i < length; i++)
        content[i] = site_octet(i);
    entry = add_content(site, path, (struct sj_text){content, length}, body);
    free(content);
    return entry;
}

void site_add_variant(struct site *site, struct sj_entry *entry, enum sj_coding coding,
                      const char *content)
{
    enum site_body body =
        entry->representations[SJ_IDENTITY].file->bytes != NULL ? SITE_HELD : SITE_ON_DISK;

    represent(site, (struct made *)(void *)entry, coding, text_of(content), body);
}

void site_add_redirect(struct site *site, const char *path, const char *location)
{
    struct made *made = add_entry(site, path);

    made->entry.kind = SJ_ENTRY_REDIRECT;
    snprintf(made->location, sizeof(made->location), "%s", location);
    made->entry.location = text_of(made->location);
}

void site_set_not_found(struct site *site, const struct sj_entry *entry)
{
    site->index->generation.not_found = entry;
}

void site_set_vanished(struct site *site, const struct sj_entry *entry)
{
    site->index->generation.vanished = entry;
}

void site_set_fallback(struct site *site, const struct sj_entry *entry)
{
    site->index->generation.fallback = entry;
}

void site_set_unbuilt(struct site *site, const struct sj_entry *early)
{
    site->index->generation.is_unbuilt = true;
    site->index->generation.early = early;
}

void site_set_built(struct site *site)
{
    site->index->generation.is_unbuilt = false;
}

const struct sj_generation *site_generation(const struct site *site)
{
    return &site->index->generation;
}

unsigned site_sections(const struct site *site)
{
    return ck_pr_load_uint(&site->index->n_sections);
}

/* In the place of cache/index.c and cache/generation.c. */

const struct sj_generation *sj_index_begin(struct sj_index *index)
{
    ck_pr_inc_uint(&index->n_sections);
    return &index->generation;
}

void sj_index_end(struct sj_index *index)
{
    ck_pr_dec_uint(&index->n_sections);
}

const struct sj_entry *sj_index_find_vanished(struct sj_index *index, const char *path,
                                              size_t length)
{
    struct sj_text wanted = {path, length};
    const struct sj_entry *vanished = index->generation.vanished;

    return vanished != NULL && sj_text_equals(vanished->path, wanted) ? vanished : NULL;
}

struct sj_entry *sj_index_find_early(const struct sj_index *index,
                                     const struct sj_generation *generation, const char *path,
                                     size_t length)
{
    struct sj_entry *early = (struct sj_entry *)(uintptr_t)generation->early;

    (void)index;
    if (early == NULL || !sj_text_equals(early->path, (struct sj_text){path, length}))
        return NULL;
    sj_entry_acquire(early);
    return early;
}

bool sj_generation_is_built(const struct sj_generation *generation)
{
    return !generation->is_unbuilt;
}

void sj_index_suggest_reload(struct sj_index *index)
{
    ck_pr_inc_uint(&index->site->n_reloads);
}

const struct sj_entry *sj_generation_find(const struct sj_generation *generation, const char *path,
                                          size_t length)
{
    struct sj_text wanted = {path, length};

    for (unsigned i = 0; i < generation->n_entries && !generation->is_unbuilt; i++)
        if (generation->entries[i] != generation->vanished &&
            sj_text_equals(generation->entries[i]->path, wanted))
            return generation->entries[i];
    return NULL;
}

const struct sj_entry *sj_generation_not_found(const struct sj_generation *generation)
{
    return generation->not_found;
}

const struct sj_entry *sj_generation_fallback(const struct sj_generation *generation)
{
    return generation->fallback;
}
