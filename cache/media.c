/* SPDX-License-Identifier: MIT */
#include "cache/media.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME_MAX_LENGTH 64 /* of names in the table and of extensions; longer ones have no row */

struct row {
    struct sj_text name;
    struct sj_text type;
};

struct sj_media {
    struct row *own; /* as given */
    size_t n_own;
};

#define SJ_MEDIA(name, type)   {{name, sizeof(name) - 1}, {type, sizeof(type) - 1}},
#define SJ_TEXTUAL(name, type) SJ_MEDIA(name, type "; charset=utf-8")
static const struct row rows[] = {
#include "cache/media_rows.h"
};

static int compare(struct sj_text a, struct sj_text b)
{
    size_t least = a.length < b.length ? a.length : b.length;
    int order = memcmp(a.at, b.at, least);
    return order != 0 ? order : (a.length > b.length) - (a.length < b.length);
}

static const struct row *find_built_in(struct sj_text name)
{
    size_t first = 0;
    size_t end = sizeof(rows) / sizeof(*rows);
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        int order = compare(name, rows[middle].name);
        if (order == 0)
            return &rows[middle];
        if (order > 0)
            first = middle + 1;
        else
            end = middle;
    }
    return NULL;
}

static const struct row *find(const struct sj_media *media, struct sj_text name)
{
    for (size_t i = media->n_own; i > 0; i--)
        if (sj_text_equals(media->own[i - 1].name, name))
            return &media->own[i - 1];
    return find_built_in(name);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool is_type(const char *type)
{
    const char *slash = strchr(type, '/');
    for (const char *at = type; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || (unsigned char)*at >= 0x7f)
            return false;
    return slash != NULL && slash != type && slash[1] != '\0';
}

/* Copies the parts of ".EXT=TYPE" into one block. */
static int parse_row(const char *text, struct row *row)
{
    const char *equals = strchr(text, '=');
    if (text[0] != '.' || equals == NULL || equals - text < 2 || equals - text > NAME_MAX_LENGTH ||
        !is_type(equals + 1))
        return -EINVAL;
    size_t length = strlen(text);
    size_t name_length = (size_t)(equals - text) - 1;
    char *copy = malloc(length);
    if (copy == NULL)
        return -ENOMEM;
    memcpy(copy, text + 1, length);
    for (size_t i = 0; i < name_length; i++)
        copy[i] = lower(copy[i]);
    row->name = (struct sj_text){copy, name_length};
    row->type = (struct sj_text){copy + name_length + 1, length - name_length - 2};
    return 0;
}

int sj_media_new(const char *const *given, size_t n_rows, struct sj_media **media, char *error,
                 size_t error_size)
{
    int code = 0;
    struct sj_media *made = calloc(1, sizeof(*made));
    if (made != NULL)
        made->own = calloc(n_rows + 1, sizeof(*made->own));
    if (made == NULL || made->own == NULL)
        code = -ENOMEM;
    for (size_t i = 0; code == 0 && i < n_rows; i++) {
        code = parse_row(given[i], &made->own[i]);
        if (code == 0)
            made->n_own++;
        else if (code == -EINVAL)
            snprintf(error, error_size,
                     "--type %s: expected .EXT=TYPE, for example .glb=model/gltf-binary", given[i]);
    }
    if (code == 0)
        *media = made;
    else
        sj_media_free(made);
    return code;
}

void sj_media_free(struct sj_media *media)
{
    if (media == NULL)
        return;
    for (size_t i = 0; i < media->n_own; i++)
        free((char *)(uintptr_t)media->own[i].name.at);
    free(media->own);
    free(media);
}

struct sj_text sj_media_type(const struct sj_media *media, const char *name)
{
    char key[NAME_MAX_LENGTH + 1] = "/";
    const struct row *row = NULL;
    const char *dot = strrchr(name, '.');
    size_t length = strlen(name);
    for (size_t i = 0; length < NAME_MAX_LENGTH && i < length; i++)
        key[i + 1] = lower(name[i]);
    if (length < NAME_MAX_LENGTH)
        row = find_built_in((struct sj_text){key, length + 1});
    length = dot == NULL ? NAME_MAX_LENGTH : strlen(dot + 1);
    for (size_t i = 0; length < NAME_MAX_LENGTH && i < length; i++)
        key[i] = lower(dot[i + 1]);
    if (row == NULL && length < NAME_MAX_LENGTH)
        row = find(media, (struct sj_text){key, length});
    return row != NULL ? row->type : SJ_TEXT("application/octet-stream");
}
