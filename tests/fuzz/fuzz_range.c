/* SPDX-License-Identifier: MIT */
/* Input: "SIZE VALUE".  The grammar as an expression; for sizes up to SIZE_MAX_ the octets that are
 * asked for are marked one by one. */
#include "tests/fuzz/fuzz.h"

#include <errno.h>

#include "http/range.h"
#include "tests/http/head.h"

#define SMALL 4096
#define SPEC  "([0-9]+-[0-9]*|-[0-9]+)"

static struct pattern field = {.text = "^[Bb][Yy][Tt][Ee][Ss]=" SPEC "?(" OWS "," OWS SPEC "?)*$"};
static struct pattern spec = {.text = SPEC};

/* The octets of a small representation, by the number of the range that wants them. */
struct map {
    unsigned size;
    unsigned char range[SMALL];
};

struct expected {
    unsigned n_specs;
    unsigned n_ranges;
    bool is_suffix_of_nothing;
    bool is_invalid;
    struct map map;
};

/* SMALL for all that is larger: no position of a small representation. */
static unsigned number(const char *digits, size_t length)
{
    unsigned value = 0;

    for (size_t i = 0; i < length; i++) {
        value = value * 10 + (unsigned)(digits[i] - '0');
        if (value > SMALL)
            value = SMALL;
    }
    return value;
}

/* By their digits, because no type holds all of them. */
static int compare(const char *a, size_t a_length, const char *b, size_t b_length)
{
    for (; a_length > 0 && *a == '0'; a++)
        a_length--;
    for (; b_length > 0 && *b == '0'; b++)
        b_length--;
    if (a_length != b_length)
        return a_length < b_length ? -1 : 1;
    return memcmp(a, b, a_length);
}

static void mark(struct expected *expected, unsigned first, unsigned last)
{
    unsigned at;

    if (first >= expected->map.size)
        return;
    expected->n_ranges++;
    for (at = first; at < SMALL; at++) /* nothing from here on may be marked: ascending */
        if (expected->map.range[at] != 0)
            expected->is_invalid = true;
    for (at = first; at <= last && at < expected->map.size; at++)
        expected->map.range[at] = (unsigned char)expected->n_ranges;
}

static void expect_spec(struct expected *expected, const char *text, size_t length, bool *is_huge)
{
    const char *dash = memchr(text, '-', length);
    size_t first = (size_t)(dash - text), last = length - first - 1;

    expected->n_specs++;
    if (first == 0) {
        unsigned n = number(dash + 1, last), size = expected->map.size;

        if (n > 0 && size == 0)
            expected->is_suffix_of_nothing = true;
        else if (n > 0)
            mark(expected, n > size ? 0 : size - n, size - 1);
        return;
    }
    *is_huge |= first > 19 || last > 19;
    if (last > 0 && compare(dash + 1, last, text, first) < 0)
        expected->is_invalid = true;
    mark(expected, number(text, first), last > 0 ? number(dash + 1, last) : SMALL);
}

/* The number of ranges; SMALL: two answers are right (what saturates cannot be compared). */
static int expect(struct expected *expected, const char *value, size_t length)
{
    regmatch_t match;
    bool is_huge = false;

    if (!matches(&field, value, length))
        return 0;
    for (size_t at = 6; find(&spec, value + at, length - at, &match); at += (size_t)match.rm_eo)
        expect_spec(expected, value + at + match.rm_so, (size_t)(match.rm_eo - match.rm_so),
                    &is_huge);
    if (is_huge && expected->is_invalid)
        return SMALL;
    if (expected->is_invalid || expected->n_specs == 0 || expected->n_specs > SJ_RANGES_MAX ||
        expected->is_suffix_of_nothing)
        return 0;
    return expected->n_ranges > 0 ? (int)expected->n_ranges : -ERANGE;
}

static void check_small(const char *value, size_t length, unsigned size)
{
    static struct expected expected;
    struct sj_range ranges[SJ_RANGES_MAX];
    int n_ranges = sj_ranges_parse((struct sj_text){value, length}, size, ranges), n;
    unsigned char map[SMALL] = {0};

    memset(&expected, 0, sizeof(expected));
    expected.map.size = size;
    n = expect(&expected, value, length);
    if (n == SMALL)
        return;
    assert(n_ranges == n);
    for (int i = 0; i < n_ranges; i++)
        for (uint64_t at = 0; at < ranges[i].length; at++)
            map[ranges[i].first + at] = (unsigned char)(i + 1);
    assert(n_ranges <= 0 || memcmp(map, expected.map.range, sizeof(map)) == 0);
}

static void check_any(const char *value, size_t length, uint64_t size)
{
    struct sj_range ranges[SJ_RANGES_MAX];
    int n_ranges = sj_ranges_parse((struct sj_text){value, length}, size, ranges);
    uint64_t end = 0;

    assert(n_ranges == -ERANGE || (n_ranges >= 0 && n_ranges <= SJ_RANGES_MAX));
    for (int i = 0; i < n_ranges; i++) {
        assert(ranges[i].length > 0 && ranges[i].first >= end && ranges[i].first < size);
        assert(ranges[i].length <= size - ranges[i].first);
        end = ranges[i].first + ranges[i].length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *space = size > 0 ? memchr(text, ' ', size) : NULL;
    size_t rest = space != NULL ? size - (size_t)(space + 1 - text) : 0;
    uint64_t of = 0;
    char *value;

    if (space == NULL)
        return 0;
    for (const char *at = text; at < space; at++)
        of = of * 10 + (unsigned char)*at - '0';
    value = copy_exactly(space + 1, rest);
    check_any(value, rest, of);
    check_small(value, rest, (unsigned)(of % SMALL));
    free(value);
    return 0;
}
