/* SPDX-License-Identifier: MIT */
#include "http/range.h"

#include <errno.h>
#include <stdbool.h>

#include "http/octet.h"

/* The ranges of one field so far. */
struct set {
    uint64_t size;
    uint64_t end; /* of the last one */
    struct sj_range *ranges;
    int n_ranges;
    unsigned n_sent;     /* with those that lie beyond the size */
    bool is_satisfiable; /* also by nothing: a suffix of an empty representation */
    bool is_ordered;
};

/* 1*DIGIT, or NULL. */
static const char *parse_number(const char *at, const char *end, uint64_t *number)
{
    const char *first = at;

    for (*number = 0; at < end && sj_octet_is_digit(*at); at++)
        if (__builtin_mul_overflow(*number, 10, number) ||
            __builtin_add_overflow(*number, (uint64_t)(*at - '0'), number))
            *number = UINT64_MAX; /* and the next digit overflows again */
    return at > first ? at : NULL;
}

static void add(struct set *set, uint64_t first, uint64_t length)
{
    if (first < set->end)
        set->is_ordered = false;
    set->ranges[set->n_ranges++] = (struct sj_range){first, length};
    set->end = first + length;
}

/* The last `length` octets. */
static void add_suffix(struct set *set, uint64_t length)
{
    if (length > set->size)
        length = set->size;
    if (length > 0)
        add(set, set->size - length, length);
}

static void add_between(struct set *set, uint64_t first, uint64_t last)
{
    if (first >= set->size)
        return;
    set->is_satisfiable = true;
    if (last >= set->size)
        last = set->size - 1;
    add(set, first, last - first + 1);
}

static const char *parse_suffix(struct set *set, const char *at, const char *end)
{
    uint64_t length;

    at = parse_number(at + 1, end, &length);
    if (at != NULL && length > 0) {
        set->is_satisfiable = true;
        add_suffix(set, length);
    }
    return at;
}

static const char *parse_between(struct set *set, const char *at, const char *end)
{
    uint64_t first, last = UINT64_MAX;

    at = parse_number(at, end, &first);
    if (at == NULL || at == end || *at != '-')
        return NULL;
    at++;
    if (at < end && sj_octet_is_digit(*at))
        at = parse_number(at, end, &last);
    if (last < first)
        return NULL;
    add_between(set, first, last);
    return at;
}

/* One range-spec that begins here: its end, or NULL. */
static const char *parse_spec(struct set *set, const char *at, const char *end)
{
    if (set->n_sent++ == SJ_RANGES_MAX)
        return NULL;
    return *at == '-' ? parse_suffix(set, at, end) : parse_between(set, at, end);
}

/* 1#range-spec, as a recipient reads it: [ element ] *( OWS "," OWS [ element ] ), one at least. */
static bool parse_set(struct set *set, const char *at, const char *end)
{
    const char *comma;

    for (;;) {
        if (at < end && *at != ',' && !sj_octet_is_blank(*at))
            at = parse_spec(set, at, end);
        if (at == NULL)
            return false;
        if (at == end)
            return set->n_sent > 0;
        comma = sj_octets_skip_blanks(at, end);
        if (comma == end || *comma != ',')
            return false;
        at = sj_octets_skip_blanks(comma + 1, end);
    }
}

int sj_ranges_parse(struct sj_text value, uint64_t size, struct sj_range ranges[SJ_RANGES_MAX])
{
    static const struct sj_text unit = SJ_TEXT("bytes=");
    struct set set = {.size = size, .ranges = ranges, .is_ordered = true};

    if (value.length < unit.length ||
        !sj_text_equals_nocase((struct sj_text){value.at, unit.length}, unit) ||
        !parse_set(&set, value.at + unit.length, value.at + value.length))
        return 0;
    if (!set.is_satisfiable)
        return -ERANGE;
    return set.is_ordered ? set.n_ranges : 0;
}
