/* SPDX-License-Identifier: MIT */
#include "core/option.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "core/kind.h"

#define NAME_SIZE       48  /* of a long option, "no-" and the NUL included */
#define LETTERS_SIZE    64  /* of getopt's string of short options */
#define LONG_BASE       256 /* getopt's value of a row's long name: this + the row's index */
#define LEFT_SIZE       96  /* of --help's left column */
#define HELP_WIDTH      79
#define HELP_INDENT_MAX 32

struct parse {
    const struct sj_option *table;
    void *values;
    char *error;
    size_t error_size;
};

static bool is_end(const struct sj_option *row)
{
    return row->name == NULL && row->help == NULL;
}

static size_t count_rows(const struct sj_option *table)
{
    size_t n_rows = 0;

    while (!is_end(&table[n_rows]))
        n_rows++;
    return n_rows;
}

static bool is_default_yes(const struct sj_option *row)
{
    return row->type == SJ_OPTION_FLAG && row->value != NULL && strcmp(row->value, "yes") == 0;
}

/* As a user writes it, without dashes. */
static void write_name(const struct sj_option *row, char name[NAME_SIZE])
{
    int length = snprintf(name, NAME_SIZE, "%s%s", is_default_yes(row) ? "no-" : "", row->name);

    assert(length < NAME_SIZE);
}

__attribute__((format(printf, 2, 3))) static int refuse(const struct parse *parse,
                                                        const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(parse->error, parse->error_size, format, arguments);
    va_end(arguments);
    for (char *at = parse->error; parse->error_size > 0 && *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?'; /* what was wrong may have held a newline */
    return -EINVAL;
}

static int refuse_number(const struct parse *parse, const struct sj_option *row, const char *text)
{
    const struct sj_kind *kind = &sj_kinds[row->type];
    char min[32], max[32], range[80] = "", none[40] = "";

    sj_kind_print(kind, row->min, min, sizeof(min));
    sj_kind_print(kind, row->max, max, sizeof(max));
    if (row->max != 0)
        snprintf(range, sizeof(range), " between %s and %s", min, max);
    else if (row->min != 0)
        snprintf(range, sizeof(range), " of at least %s", min);
    if (row->none != NULL)
        snprintf(none, sizeof(none), ", nor '%s'", row->none);
    return refuse(parse, "--%s: '%s' is not a %s%s%s%s", row->name, text, kind->noun, range,
                  kind->hint, none);
}

static int store_number(const struct parse *parse, const struct sj_option *row, const char *text)
{
    uint64_t *number = (uint64_t *)((char *)parse->values + row->offset);
    uint64_t read;

    if (row->none != NULL && strcmp(text, row->none) == 0) {
        *number = UINT64_MAX;
        return 0;
    }
    if (!sj_kind_read(&sj_kinds[row->type], text, &read) || read == UINT64_MAX || read < row->min ||
        (row->max != 0 && read > row->max))
        return refuse_number(parse, row, text);
    *number = read;
    return 0;
}

static int store_item(const struct parse *parse, const struct sj_option *row, const char *text)
{
    struct sj_option_list *list = (void *)((char *)parse->values + row->offset);
    const char **items = realloc(list->items, (list->n_items + 1) * sizeof(*items));

    if (items == NULL) {
        refuse(parse, "--%s: out of memory", row->name);
        return -ENOMEM;
    }
    items[list->n_items++] = text;
    list->items = items;
    return 0;
}

static int store(const struct parse *parse, const struct sj_option *row, const char *text)
{
    char *field = (char *)parse->values + row->offset;

    switch (row->type) {
    case SJ_OPTION_FLAG:
        *(bool *)field = !is_default_yes(row);
        return 0;
    case SJ_OPTION_TEXT:
        *(const char **)field = row->none != NULL && strcmp(text, row->none) == 0 ? NULL : text;
        return 0;
    case SJ_OPTION_LIST:
        return store_item(parse, row, text);
    default:
        return store_number(parse, row, text);
    }
}

static void store_defaults(const struct parse *parse)
{
    static const size_t sizes[] = {
        [SJ_OPTION_FLAG] = sizeof(bool),         [SJ_OPTION_NUMBER] = sizeof(uint64_t),
        [SJ_OPTION_SIZE] = sizeof(uint64_t),     [SJ_OPTION_DURATION] = sizeof(uint64_t),
        [SJ_OPTION_TEXT] = sizeof(const char *), [SJ_OPTION_LIST] = sizeof(struct sj_option_list),
    };
    int error = 0;

    for (const struct sj_option *row = parse->table; !is_end(row); row++) {
        if (row->name == NULL)
            continue;
        memset((char *)parse->values + row->offset, 0, sizes[row->type]);
        if (row->type == SJ_OPTION_FLAG)
            *(bool *)((char *)parse->values + row->offset) = is_default_yes(row);
        else if (row->type != SJ_OPTION_LIST && row->value != NULL)
            error = store(parse, row, row->value);
        assert(error == 0); /* a row's default is within its own limits */
    }
}

static int store_list_defaults(const struct parse *parse)
{
    for (const struct sj_option *row = parse->table; !is_end(row); row++) {
        const struct sj_option_list *list = (void *)((char *)parse->values + row->offset);

        if (row->name != NULL && row->type == SJ_OPTION_LIST && row->value != NULL &&
            list->n_items == 0 && store(parse, row, row->value) != 0)
            return -ENOMEM;
    }
    return 0;
}

/* getopt's view of the table: short options in `letters`, long ones in `longs`. */
static void fill_getopt(const struct sj_option *table, char *letters, struct option *longs,
                        char (*names)[NAME_SIZE])
{
    char *letter = letters;

    *letter++ = ':'; /* a missing argument is told from an unknown option */
    for (int i = 0; !is_end(&table[i]); i++) {
        const struct sj_option *row = &table[i];

        if (row->name == NULL)
            continue;
        write_name(row, names[i]);
        *longs++ = (struct option){names[i], row->type != SJ_OPTION_FLAG, NULL, LONG_BASE + i};
        if (row->letter != 0) {
            assert(letter + 3 <= letters + LETTERS_SIZE);
            *letter++ = row->letter;
            if (row->type != SJ_OPTION_FLAG)
                *letter++ = ':';
        }
    }
    *letter = '\0';
    *longs = (struct option){0};
}

static const struct sj_option *find_row(const struct sj_option *table, int value)
{
    if (value >= LONG_BASE)
        return &table[value - LONG_BASE];
    while (!is_end(table) && (table->name == NULL || table->letter != value))
        table++;
    return is_end(table) ? NULL : table;
}

static int refuse_unknown(const struct parse *parse, const struct option *longs, const char *word)
{
    size_t length = strcspn(word, "=");

    if (optopt >= LONG_BASE)
        return refuse(parse, "%.*s: takes no argument", (int)length, word);
    if (optopt != 0)
        return refuse(parse, "-%c: no such option; see --help", optopt);
    for (; longs->name != NULL; longs++)
        if (length > 2 && strncmp(longs->name, word + 2, length - 2) == 0)
            return refuse(parse, "%.*s: short for more than one option; see --help", (int)length,
                          word);
    return refuse(parse, "%.*s: no such option; see --help", (int)length, word);
}

static int parse_words(const struct parse *parse, int argc, char **argv, const char *letters,
                       const struct option *longs)
{
    int value, error = 0;

    optind = 0; /* glibc: begin anew */
    opterr = 0;
    while (error == 0 && (value = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        const struct sj_option *row = find_row(parse->table, value == ':' ? optopt : value);

        if (value == '?')
            error = refuse_unknown(parse, longs, argv[optind - 1]);
        else if (value == ':')
            error = refuse(parse, "--%s: the argument %s is missing", row->name, row->argument);
        else
            error = store(parse, row, optarg);
    }
    return error == 0 ? store_list_defaults(parse) : error;
}

int sj_options_parse(const struct sj_option *table, int argc, char **argv, void *values, int *first,
                     char *error, size_t error_size)
{
    struct parse parse = {table, values, error, error_size};
    size_t n_rows = count_rows(table) + 1; /* the end is one of getopt's, too */
    struct option *longs = calloc(n_rows, sizeof(*longs));
    char(*names)[NAME_SIZE] = calloc(n_rows, sizeof(*names));
    char letters[LETTERS_SIZE];
    int result = -ENOMEM;

    store_defaults(&parse);
    if (longs == NULL || names == NULL) {
        refuse(&parse, "out of memory");
    } else {
        fill_getopt(table, letters, longs, names);
        result = parse_words(&parse, argc, argv, letters, longs);
    }
    free(names);
    free(longs);
    if (result == 0)
        *first = optind;
    else
        sj_options_fini(table, values);
    return result;
}

void sj_options_fini(const struct sj_option *table, void *values)
{
    for (; !is_end(table); table++) {
        struct sj_option_list *list = (void *)((char *)values + table->offset);

        if (table->name == NULL || table->type != SJ_OPTION_LIST)
            continue;
        free(list->items);
        *list = (struct sj_option_list){0};
    }
}

/* "  -l, --listen ADDR"; its width. */
static size_t format_left(const struct sj_option *row, char left[LEFT_SIZE])
{
    char name[NAME_SIZE], letter[] = "    ";

    write_name(row, name);
    if (row->letter != 0)
        snprintf(letter, sizeof(letter), "-%c, ", row->letter);
    snprintf(left, LEFT_SIZE, "  %s--%s%s%s", letter, name, row->argument != NULL ? " " : "",
             row->argument != NULL ? row->argument : "");
    return strlen(left);
}

static size_t help_indent(const struct sj_option *table)
{
    size_t indent = 0;

    for (; !is_end(table); table++) {
        char left[LEFT_SIZE];
        size_t width = table->name != NULL ? format_left(table, left) + 2 : 0;

        if (width > indent && width <= HELP_INDENT_MAX)
            indent = width;
    }
    return indent;
}

/* Writes what must not be parted, at `column` or on a new line from `indent`; the new column. */
static size_t print_piece(const char *text, size_t length, size_t column, size_t indent, FILE *to)
{
    if (column > indent && column + 1 + length > HELP_WIDTH) {
        fprintf(to, "\n%*s", (int)indent, "");
        column = indent;
    } else if (column > indent) {
        fputc(' ', to);
        column++;
    }
    fwrite(text, 1, length, to);
    return column + length;
}

static void print_row(const struct sj_option *row, size_t indent, FILE *to)
{
    char left[LEFT_SIZE], value[HELP_WIDTH];
    size_t width = format_left(row, left), column = indent;
    const char *text = row->help;

    fputs(left, to);
    if (width + 2 > indent)
        fprintf(to, "\n%*s", (int)indent, "");
    else
        fprintf(to, "%*s", (int)(indent - width), "");
    for (size_t length; *text != '\0'; text += length + strspn(text + length, " ")) {
        length = strcspn(text, " ");
        column = print_piece(text, length, column, indent, to);
    }
    if (row->value != NULL && row->type != SJ_OPTION_FLAG) {
        snprintf(value, sizeof(value), "(default %s)", row->value);
        print_piece(value, strlen(value), column, indent, to);
    }
    fputc('\n', to);
}

void sj_options_help(const struct sj_option *table, FILE *to)
{
    const struct sj_option *first = table;
    size_t indent = help_indent(table);

    for (; !is_end(table); table++)
        if (table->name != NULL)
            print_row(table, indent, to);
        else
            fprintf(to, "%s%s:\n", table == first ? "" : "\n", table->help);
}
