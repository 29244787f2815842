/* SPDX-License-Identifier: MIT */
#include "cache/conditions.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cache/changes.h"

#define DIGITS_MAX 9 /* so that no product overflows */

static const struct {
    const char *name;
    size_t offset; /* in struct sj_change_counts */
} subjects[] = {
    {"added", offsetof(struct sj_change_counts, n_added)},
    {"changed", offsetof(struct sj_change_counts, n_changed)},
    {"changed-fingerprints", offsetof(struct sj_change_counts, n_changed_fingerprints)},
    {"faults", offsetof(struct sj_change_counts, n_faults)},
    {"missing-assets", offsetof(struct sj_change_counts, n_missing_assets)},
    {"removed", offsetof(struct sj_change_counts, n_removed)},
    {"urls", offsetof(struct sj_change_counts, n_urls)},
};

#define SUBJECTS (sizeof(subjects) / sizeof(*subjects))

enum { LESS = 1, EQUAL = 2, MORE = 4 };

/* The longer ones first. */
static const struct {
    const char *text;
    unsigned accepts;
} operators[] = {
    {">=", MORE | EQUAL}, {"<=", LESS | EQUAL}, {"==", EQUAL}, {">", MORE}, {"<", LESS},
};

#define OPERATORS (sizeof(operators) / sizeof(*operators))

struct condition {
    const char *text; /* as given */
    size_t subject;
    unsigned accepts;
    uint64_t number;
    bool is_percentage;
};

struct sj_conditions {
    size_t n;
    struct condition list[];
};

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t");
}

/* Past the name; NULL: none of the table. */
static const char *parse_subject(const char *at, struct condition *condition)
{
    size_t length = strspn(at, "abcdefghijklmnopqrstuvwxyz-");
    for (size_t i = 0; i < SUBJECTS; i++) {
        if (strlen(subjects[i].name) != length || memcmp(at, subjects[i].name, length) != 0)
            continue;
        condition->subject = i;
        return at + length;
    }
    return NULL;
}

static const char *parse_operator(const char *at, struct condition *condition)
{
    for (size_t i = 0; i < OPERATORS; i++) {
        size_t length = strlen(operators[i].text);
        if (strncmp(at, operators[i].text, length) != 0)
            continue;
        condition->accepts = operators[i].accepts;
        return at + length;
    }
    return NULL;
}

static const char *parse_number(const char *at, struct condition *condition)
{
    size_t length = strspn(at, "0123456789");
    if (length == 0 || length > DIGITS_MAX)
        return NULL;
    condition->number = strtoull(at, NULL, 10);
    return at + length;
}

static bool parse(const char *text, struct condition *condition)
{
    const char *at = parse_subject(skip_blanks(text), condition);
    if (at != NULL)
        at = parse_operator(skip_blanks(at), condition);
    if (at != NULL)
        at = parse_number(skip_blanks(at), condition);
    if (at == NULL)
        return false;
    at = skip_blanks(at);
    condition->is_percentage = *at == '%';
    return *skip_blanks(condition->is_percentage ? at + 1 : at) == '\0';
}

static void explain(const char *text, char *error, size_t error_size)
{
    char names[256] = "";
    for (size_t i = 0; i < SUBJECTS; i++) {
        size_t length = strlen(names);
        snprintf(names + length, sizeof(names) - length, "%s%s", i > 0 ? ", " : "",
                 subjects[i].name);
    }
    snprintf(error, error_size,
             "--refuse-if %s: expected NAME>NUMBER or NAME>NUMBER%%, with > >= < <= or ==, "
             "and a NAME of: %s",
             text, names);
}

int sj_conditions_new(const char *const *texts, size_t n, struct sj_conditions **conditions,
                      char *error, size_t error_size)
{
    size_t length = 0;
    for (size_t i = 0; i < n; i++)
        length += strlen(texts[i]) + 1;
    struct sj_conditions *made = malloc(sizeof(*made) + n * sizeof(made->list[0]) + length);
    if (made == NULL)
        return -ENOMEM;
    char *copy = (char *)&made->list[n];
    made->n = n;
    for (size_t i = 0; i < n; i++) {
        made->list[i].text = copy;
        copy = stpcpy(copy, texts[i]) + 1;
        if (!parse(texts[i], &made->list[i])) {
            explain(texts[i], error, error_size);
            free(made);
            return -EINVAL;
        }
    }
    *conditions = made;
    return 0;
}

void sj_conditions_free(struct sj_conditions *conditions)
{
    free(conditions);
}

bool sj_conditions_need_pages(const struct sj_conditions *conditions)
{
    size_t offset = offsetof(struct sj_change_counts, n_missing_assets);
    for (size_t i = 0; i < conditions->n; i++)
        if (subjects[conditions->list[i].subject].offset == offset)
            return true;
    return false;
}

static uint64_t value_of(const struct condition *condition, const struct sj_change_counts *counts)
{
    uint64_t value;
    memcpy(&value, (const char *)counts + subjects[condition->subject].offset, sizeof(value));
    return value;
}

static bool holds(const struct condition *condition, const struct sj_change_counts *counts)
{
    uint64_t value = value_of(condition, counts);
    uint64_t bound = condition->number;
    if (condition->is_percentage && counts->n_urls_before == 0)
        return false;
    if (condition->is_percentage) {
        value *= 100;
        bound *= counts->n_urls_before;
    }
    unsigned relation = value < bound ? LESS : value > bound ? MORE : EQUAL;
    return (condition->accepts & relation) != 0;
}

int sj_conditions_check(const struct sj_conditions *conditions,
                        const struct sj_change_counts *counts, char *text, size_t text_size)
{
    for (size_t i = 0; i < conditions->n; i++) {
        const struct condition *condition = &conditions->list[i];
        if (!holds(condition, counts))
            continue;
        unsigned long long value = value_of(condition, counts);
        const char *name = subjects[condition->subject].name;
        if (condition->is_percentage)
            snprintf(text, text_size, "refused: %s %llu of %llu URLs (%.4g%%), --refuse-if %s",
                     name, value, (unsigned long long)counts->n_urls_before,
                     100.0 * (double)value / (double)counts->n_urls_before, condition->text);
        else
            snprintf(text, text_size, "refused: %s %llu, --refuse-if %s", name, value,
                     condition->text);
        return -EPERM;
    }
    return 0;
}
