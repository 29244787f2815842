/* SPDX-License-Identifier: MIT */
#ifndef SJ_CORE_OPTION_H
#define SJ_CORE_OPTION_H
/*
 * Command-line options from a table: one row an option.  From the table come the parsing
 * (getopt_long), the checks of range and unit, the defaults and --help.
 *
 * Values are written into a plain struct of the caller at `offset`, by type:
 *   FLAG      bool; the row's name sets true.  A row whose default is "yes" is given as --no-NAME
 *   NUMBER    uint64_t; decimal
 *   SIZE      uint64_t bytes; K, M, G (1024)
 *   DURATION  uint64_t milliseconds; ms, s, m, h, d; without a unit: seconds
 *   TEXT      const char *, pointing into argv or the default
 *   LIST      struct sj_option_list: every occurrence, in order; without any, the default
 *
 * Where a scalar is given twice the last one counts.  A table ends with a row of zeros.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum sj_option_type {
    SJ_OPTION_FLAG,
    SJ_OPTION_NUMBER,
    SJ_OPTION_SIZE,
    SJ_OPTION_DURATION,
    SJ_OPTION_TEXT,
    SJ_OPTION_LIST
};

struct sj_option_list {
    const char **items; /* the array is the list's own, the texts argv's */
    size_t n_items;
};

struct sj_option {
    const char *name; /* long, without dashes; NULL: `help` is a heading of --help */
    char letter;      /* short, or 0 */
    enum sj_option_type type;
    size_t offset;
    uint64_t min, max; /* NUMBER, SIZE, DURATION: in the stored unit; max 0: no upper limit */
    const char *value; /* default, as a user would write it; NULL: none */
    const char *argument;
    const char *help;
    const char *none; /* a word that stores UINT64_MAX (numbers) or NULL (TEXT), or NULL */
};

/* Parses argv[1..] into `values`, defaults first.  Options and operands may be mixed; "--" ends
 * options.  0 and the index of the first operand in `*first` (operands are permuted to the
 * end); or -EINVAL and one line without newline in `error` that names the option, what is
 * wrong and what is right; -ENOMEM.  After a failure there is nothing to free.  May be called
 * again, but not by two threads at once (getopt). */
int sj_options_parse(const struct sj_option *table, int argc, char **argv, void *values, int *first,
                     char *error, size_t error_size);

/* Frees the lists. */
void sj_options_fini(const struct sj_option *table, void *values);

/* The options of --help, wrapped at 80 columns, each with its default. */
void sj_options_help(const struct sj_option *table, FILE *to);

#endif
