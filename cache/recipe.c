/* SPDX-License-Identifier: MIT */
#include "cache/recipe.h"

#include <stdlib.h>
#include <string.h>
#include "core/clock.h"

#define IMMUTABLE_AGE "max-age=315360000, public, immutable"

/* All fields that are not from rules, and a location of one encoded segment. */
#define ROOM (1024 + 3 * 256)

/* What the texts of an entry are before they have moved into its block. */
struct draft {
    const struct sj_recipe *recipe;
    struct sj_writer writer;
    struct sj_entry entry;
};

size_t sj_recipe_room(const struct sj_rules *rules)
{
    return ROOM + sj_rules_size(rules);
}

static struct sj_text since(const struct sj_writer *writer, const char *start)
{
    return (struct sj_text){start, (size_t)(writer->at - start)};
}

static void write_cache_control(struct draft *draft)
{
    uint64_t max_age_s = draft->recipe->settings->max_age_s;
    struct sj_writer *writer = &draft->writer;
    if (draft->entry.is_immutable) {
        sj_write_literal(writer, "Cache-Control: " IMMUTABLE_AGE "\r\n");
    } else if (max_age_s != UINT64_MAX) {
        sj_write_literal(writer, "Cache-Control: max-age=");
        sj_write_number(writer, max_age_s);
        sj_write_literal(writer, ", public\r\n");
    }
}

static void write_last_modified(struct draft *draft)
{
    char date[SJ_DATE_LENGTH];
    if (draft->entry.modified == 0)
        return;
    sj_date_format(date, draft->entry.modified);
    sj_write_literal(&draft->writer, "Last-Modified: ");
    sj_write(&draft->writer, date, sizeof(date));
    sj_write_literal(&draft->writer, "\r\n");
}

static void draft_fields(struct draft *draft)
{
    const struct sj_recipe *recipe = draft->recipe;
    struct sj_entry *entry = &draft->entry;
    struct sj_rules_result result;
    struct sj_text path = {recipe->whole, recipe->path_length};
    const char *start = draft->writer.at;
    sj_rules_apply(recipe->rules, path, &draft->writer, &result);
    if (!result.has_cache_control)
        write_cache_control(draft);
    write_last_modified(draft);
    entry->fields = since(&draft->writer, start);
    entry->has_origin = result.has_origin;
    if (result.type.at != NULL && entry->kind == SJ_ENTRY_FILE) {
        const char *type = draft->writer.at;
        sj_write_text(&draft->writer, result.type);
        entry->type = since(&draft->writer, type);
    }
}

/* RFC 3986 section 3.3, pchar. */
static bool is_plain(unsigned char c)
{
    bool is_alnum = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
    return is_alnum || (c != '\0' && strchr("-._~!$&'()*+,;=:@", c) != NULL);
}

static void write_encoded(struct sj_writer *writer, const char *at, const char *end)
{
    static const char digits[] = "0123456789ABCDEF";
    for (; at < end; at++) {
        unsigned char c = (unsigned char)*at;
        char escape[3] = {'%', digits[c >> 4], digits[c & 15]};
        if (is_plain(c))
            sj_write(writer, at, 1);
        else
            sj_write(writer, escape, sizeof(escape));
    }
}

/* The last segment and a slash.  A colon in it would make it a scheme. */
static void draft_location(struct draft *draft)
{
    const struct sj_recipe *recipe = draft->recipe;
    struct sj_writer *writer = &draft->writer;
    const char *start = writer->at;
    const char *end = recipe->whole + recipe->path_length;
    const char *segment = (const char *)memrchr(recipe->whole, '/', recipe->path_length) + 1;
    if (recipe->kind == SJ_RECIPE_TO_PAGE) {
        sj_write_literal(writer, "./");
    } else {
        if (memchr(segment, ':', (size_t)(end - segment)) != NULL)
            sj_write_literal(writer, "./");
        write_encoded(writer, segment, end);
        sj_write_literal(writer, "/");
    }
    draft->entry.location = since(writer, start);
}

/* Never negative, never in the future. */
static time_t modified_of(const struct sj_recipe *recipe)
{
    int64_t seconds = sj_on_disk(recipe->files[SJ_IDENTITY])->identity.modified_ns / 1000000000;
    if (seconds <= 0)
        return 0;
    return seconds < recipe->now ? (time_t)seconds : recipe->now;
}

static void draft_file(struct draft *draft)
{
    const struct sj_recipe *recipe = draft->recipe;
    const char *name = strrchr(recipe->whole, '/') + 1;
    char *end = recipe->whole + recipe->path_length;
    char cut = *end;
    *end = '\0';
    draft->entry.is_immutable = sj_settings_is_immutable(recipe->settings, recipe->whole);
    *end = cut;
    draft->entry.modified = modified_of(recipe);
    draft->entry.type = sj_media_type(recipe->settings->media, name);
    for (int i = 0; i < SJ_CODINGS; i++)
        draft->entry.representations[i].file = recipe->files[i];
}

static size_t sources_size(const struct sj_recipe *recipe, size_t source_length)
{
    size_t size = 0;
    for (int i = SJ_GZIP; i < SJ_CODINGS; i++)
        if (recipe->files[i] != NULL && !recipe->is_own[i])
            size += source_length + sj_coding_endings[i].length + 1;
    return size;
}

/* Writes the names of the files; returns where they end. */
static char *put_sources(const struct sj_recipe *recipe, struct sj_entry *entry, const char *source,
                         char *at)
{
    size_t length = strlen(source);
    entry->representations[SJ_IDENTITY].source = source;
    for (int i = SJ_GZIP; i < SJ_CODINGS; i++) {
        struct sj_text ending = sj_coding_endings[i];
        if (entry->representations[i].file == NULL || recipe->is_own[i])
            continue;
        entry->representations[i].source = at;
        at = mempcpy(at, source, length);
        at = mempcpy(at, ending.at, ending.length + 1);
    }
    return at;
}

/* A text that lies in the room moves along with it. */
static void move(struct sj_text *text, const char *room, size_t length, const char *to)
{
    if (text->at >= room && text->at <= room + length)
        text->at = to + (text->at - room);
}

static void acquire_all(struct sj_entry *entry)
{
    sj_root_acquire(entry->root);
    for (int i = 0; i < SJ_CODINGS; i++)
        if (entry->representations[i].file != NULL)
            sj_file_acquire(entry->representations[i].file);
}

static struct sj_entry *pack(const struct draft *draft, const char *room)
{
    const struct sj_recipe *recipe = draft->recipe;
    size_t prefix_length = strlen(recipe->root->prefix);
    size_t whole_length = strlen(recipe->whole);
    size_t texts_length = (size_t)(draft->writer.at - room);
    size_t sources =
        recipe->kind == SJ_RECIPE_FILE ? sources_size(recipe, whole_length - prefix_length) : 0;
    struct sj_entry *made = malloc(sizeof(*made) + whole_length + 1 + sources + texts_length);
    if (made == NULL)
        return NULL;
    char *at = (char *)(made + 1);
    *made = draft->entry;
    made->path = (struct sj_text){at, recipe->path_length};
    at = mempcpy(at, recipe->whole, whole_length + 1);
    if (recipe->kind == SJ_RECIPE_FILE)
        at = put_sources(recipe, made, made->path.at + prefix_length, at);
    memcpy(at, room, texts_length);
    move(&made->fields, room, texts_length, at);
    move(&made->type, room, texts_length, at); /* or the location */
    acquire_all(made);
    return made;
}

bool sj_recipe_fits(const struct sj_recipe *recipe, const struct sj_entry *entry)
{
    bool is_file = recipe->kind == SJ_RECIPE_FILE;
    if (is_file != (entry->kind == SJ_ENTRY_FILE) || entry->root != recipe->root)
        return false;
    for (int i = 0; i < SJ_CODINGS; i++)
        if (entry->representations[i].file != recipe->files[i] ||
            (recipe->is_own[i] && entry->representations[i].source != NULL))
            return false;
    if (is_file)
        return strcmp(entry->path.at, recipe->whole) == 0;
    bool is_to_page = sj_text_equals(entry->location, SJ_TEXT("./"));
    return is_to_page == (recipe->kind == SJ_RECIPE_TO_PAGE);
}

struct sj_entry *sj_recipe_make(const struct sj_recipe *recipe, char *room)
{
    struct draft draft = {.recipe = recipe,
                          .writer = {.at = room, .end = room + sj_recipe_room(recipe->rules)},
                          .entry = {.references = 1, .root = recipe->root}};
    if (recipe->kind == SJ_RECIPE_FILE) {
        draft.entry.kind = SJ_ENTRY_FILE;
        draft_file(&draft);
    } else {
        draft.entry.kind = SJ_ENTRY_REDIRECT;
        draft_location(&draft);
    }
    draft_fields(&draft);
    return pack(&draft, room);
}
