/* SPDX-License-Identifier: MIT */
#include "bench/tasks/rules.h"
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include "bench/tasks/pool.h"

/* A search that needs more is given up: some 0.1 ms.  What the rules find in log lines takes at
 * most a hundredth of it. */
enum { MATCH_LIMIT = 50000, STACK = 32768, STACK_MOST = 262144 };
enum { MESSAGE = 128 };

struct rule {
    pcre2_code *code;
    uint32_t number;
    int score;
};

struct rules {
    uint64_t n_references; /* atomic */
    struct rule *rules;
    size_t n;
};

struct matcher {
    struct pooled link;
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
};

/* A line of the file: score, tab, pattern. */
static int compile(struct rule *rule, char *text, char *error, size_t error_size)
{
    char *pattern, message[MESSAGE];
    long score = strtol(text, &pattern, 10);
    PCRE2_SIZE at;
    int code;

    if (pattern == text || *pattern != '\t' || score < INT_MIN || score > INT_MAX) {
        snprintf(error, error_size, "line %" PRIu32 ": no score and tab", rule->number);
        return -EINVAL;
    }
    rule->score = (int)score;
    rule->code = pcre2_compile((PCRE2_SPTR)pattern + 1, PCRE2_ZERO_TERMINATED, 0, &code, &at, NULL);
    if (rule->code == NULL) {
        pcre2_get_error_message(code, (PCRE2_UCHAR *)message, sizeof message);
        snprintf(error, error_size, "line %" PRIu32 ", octet %zu of the pattern: %s", rule->number,
                 at, message);
        return -EINVAL;
    }
    pcre2_jit_compile(rule->code, PCRE2_JIT_COMPLETE); /* without it, it is slower */
    return 0;
}

static int add(struct rules *rules, uint32_t number, char *text, char *error, size_t error_size)
{
    struct rule *more, rule = {.number = number};
    int got;

    if (*text == '\0' || *text == '#')
        return 0;
    got = compile(&rule, text, error, error_size);
    if (got != 0)
        return got;
    more = reallocarray(rules->rules, rules->n + 1, sizeof *more);
    if (more == NULL) {
        pcre2_code_free(rule.code);
        snprintf(error, error_size, "no memory");
        return -ENOMEM;
    }
    rules->rules = more;
    rules->rules[rules->n++] = rule;
    return 0;
}

static int read_lines(struct rules *rules, FILE *file, char *error, size_t error_size)
{
    char *text = NULL;
    size_t room = 0;
    uint32_t number = 0;
    int got = 0;

    while (got == 0 && getline(&text, &room, file) >= 0) {
        text[strcspn(text, "\n")] = '\0';
        got = add(rules, ++number, text, error, error_size);
    }
    free(text);
    if (got == 0 && ferror(file)) {
        snprintf(error, error_size, "the rules cannot be read");
        got = -EIO;
    }
    return got;
}

int rules_read(struct rules **rules, const char *path, char *error, size_t error_size)
{
    FILE *file = path != NULL ? fopen(path, "re") : NULL;
    int got;

    if (file == NULL) {
        snprintf(error, error_size, "BENCH_RULES, %s: %s", path != NULL ? path : "not set",
                 strerror(path != NULL ? errno : ENOENT));
        return path != NULL ? -errno : -ENOENT;
    }
    *rules = calloc(1, sizeof **rules);
    if (*rules == NULL) {
        fclose(file);
        return -ENOMEM;
    }
    (*rules)->n_references = 1;
    got = read_lines(*rules, file, error, error_size);
    fclose(file);
    if (got != 0)
        rules_release(*rules);
    return got;
}

void rules_acquire(struct rules *rules)
{
    /* Whoever hands the rules on has a reference: nothing to order. */
    __atomic_fetch_add(&rules->n_references, 1, __ATOMIC_RELAXED);
}

void rules_release(struct rules *rules)
{
    /* Each release pairs with the last one, which frees what the others have read. */
    if (__atomic_sub_fetch(&rules->n_references, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    for (size_t i = 0; i < rules->n; i++)
        pcre2_code_free(rules->rules[i].code);
    free(rules->rules);
    free(rules);
}

struct matcher *matcher_new(void)
{
    struct matcher *matcher = calloc(1, sizeof *matcher);

    if (matcher == NULL)
        return NULL;
    matcher->data = pcre2_match_data_create(1, NULL); /* only where the match begins */
    matcher->context = pcre2_match_context_create(NULL);
    matcher->stack = pcre2_jit_stack_create(STACK, STACK_MOST, NULL);
    if (matcher->data == NULL || matcher->context == NULL) {
        matcher_free(matcher);
        return NULL;
    }
    pcre2_set_match_limit(matcher->context, MATCH_LIMIT);
    if (matcher->stack != NULL) /* there is none without JIT */
        pcre2_jit_stack_assign(matcher->context, NULL, matcher->stack);
    return matcher;
}

void matcher_free(struct matcher *matcher)
{
    pcre2_match_data_free(matcher->data);
    pcre2_match_context_free(matcher->context);
    pcre2_jit_stack_free(matcher->stack);
    free(matcher);
}

static int keep(struct found *found, struct match match)
{
    if (found->n == found->room) {
        size_t room = found->room > 0 ? 2 * found->room : 64;
        struct match *more = reallocarray(found->matches, room, sizeof *more);
        if (more == NULL)
            return -ENOMEM;
        found->matches = more;
        found->room = room;
    }
    found->matches[found->n++] = match;
    return 0;
}

int rules_search(const struct rules *rules, struct matcher *matcher, const struct line *line,
                 uint32_t point, struct found *found)
{
    int got = 0;

    for (size_t i = 0; i < rules->n && got == 0; i++) {
        const struct rule *rule = &rules->rules[i];
        int n = pcre2_match(rule->code, (PCRE2_SPTR)line->text, line->length, 0, 0, matcher->data,
                            matcher->context);
        if (n >= 0) {
            found->score += rule->score;
            got = keep(found, (struct match){point, rule->number,
                                             pcre2_get_ovector_pointer(matcher->data)[0]});
        } else if (n != PCRE2_ERROR_NOMATCH) {
            found->n_bounded++;
        }
    }
    return got;
}
