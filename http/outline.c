/* SPDX-License-Identifier: MIT */
#include "http/outline.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SJ_LABEL  64
#define SJ_SCALAR 512

/* A whole number, a word, or what has none: a value that stands in a line. */
static void format_scalar(char to[SJ_SCALAR], const json_t *value)
{
    if (json_is_integer(value))
        snprintf(to, SJ_SCALAR, "%lld", (long long)json_integer_value(value));
    else if (json_is_string(value))
        snprintf(to, SJ_SCALAR, "%s", json_string_value(value));
    else if (json_is_boolean(value))
        snprintf(to, SJ_SCALAR, "%s", json_is_true(value) ? "yes" : "no");
    else
        snprintf(to, SJ_SCALAR, "unknown");
}

static bool is_unit(const char *word)
{
    return strcmp(word, "bytes") == 0 || strcmp(word, "s") == 0 || strcmp(word, "ms") == 0 ||
           strcmp(word, "ns") == 0;
}

/* "sent_bytes": "sent, bytes"; `to`. */
static const char *label(char to[SJ_LABEL], const char *name)
{
    const char *last = strrchr(name, '_');
    char *at;

    if (last != NULL && is_unit(last + 1))
        snprintf(to, SJ_LABEL, "%.*s, %s", (int)(last - name), name, last + 1);
    else
        snprintf(to, SJ_LABEL, "%s", name);
    while ((at = strchr(to, '_')) != NULL)
        *at = ' ';
    return to;
}

static bool is_table(const json_t *value)
{
    return json_is_array(value) && json_is_object(json_array_get(value, 0));
}

/* Of the labels of those members that stand in lines of their own. */
static int width_of(json_t *object)
{
    const char *name;
    json_t *value;
    char text[SJ_LABEL];
    int width = 0;

    json_object_foreach(object, name, value)
    {
        int length = (int)strlen(label(text, name));

        if (!json_is_object(value) && !is_table(value) && length > width)
            width = length;
    }
    return width;
}

/* A scalar, or a list of them. */
static void print_value(FILE *to, const json_t *value)
{
    char text[SJ_SCALAR];
    size_t n = json_is_array(value) ? json_array_size(value) : 1;

    if (n == 0)
        fputs("none", to);
    for (size_t i = 0; i < n; i++) {
        format_scalar(text, json_is_array(value) ? json_array_get(value, i) : value);
        fprintf(to, "%s%s", i > 0 ? ", " : "", text);
    }
}

/* As wide as the widest value of `object`, in the rows of `first`. */
static int column_width(json_t *first, const json_t *object)
{
    const char *name;
    json_t *unused;
    char text[SJ_SCALAR];
    int width = 0;

    json_object_foreach(first, name, unused)
    {
        format_scalar(text, json_object_get(object, name));
        width = (int)strlen(text) > width ? (int)strlen(text) : width;
    }
    return width;
}

static void print_table(FILE *to, json_t *table, int indent)
{
    json_t *first = json_array_get(table, 0);
    int width = width_of(first);
    const char *name;
    json_t *unused;
    char text[SJ_SCALAR];

    json_object_foreach(first, name, unused)
    {
        fprintf(to, "%*s%-*s", indent, "", width, label(text, name));
        for (size_t i = 0; i < json_array_size(table); i++) {
            const json_t *object = json_array_get(table, i);

            format_scalar(text, json_object_get(object, name));
            fprintf(to, "  %*s", column_width(first, object), text);
        }
        fputc('\n', to);
    }
}

static void print_object(FILE *to, json_t *object, int indent)
{
    int width = width_of(object);
    const char *name;
    json_t *value;
    char text[SJ_LABEL];

    json_object_foreach(object, name, value)
    {
        label(text, name);
        if (json_is_object(value)) {
            fprintf(to, "%*s%s\n", indent, "", text);
            print_object(to, value, indent + 2);
        } else if (is_table(value)) {
            fprintf(to, "%*s%s\n", indent, "", text);
            print_table(to, value, indent + 2);
        } else {
            fprintf(to, "%*s%-*s  ", indent, "", width, text);
            print_value(to, value);
            fputc('\n', to);
        }
    }
}

char *sj_outline(json_t *object)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    int error;

    if (to == NULL)
        return NULL;
    print_object(to, object, 0);
    error = ferror(to);
    if (fclose(to) != 0 || error != 0) {
        free(text);
        return NULL;
    }
    return text;
}
