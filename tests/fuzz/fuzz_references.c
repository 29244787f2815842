/* SPDX-License-Identifier: MIT */
/*
 * Input: "/PAGE URL", to be resolved: expected is what RFC 3986 section 5.2 gives, by way of a list
 * of segments.  Anything else is HTML, of which must hold: what is found does not depend on what
 * follows or on the case of letters, every state can be left, and nothing is found in comments and
 * scripts.
 */
#include "tests/fuzz/fuzz.h"

#include "cache/references.h"
#include "tests/http/head.h"

/* --- resolving */

static struct pattern scheme = {.text = "^[A-Za-z][-A-Za-z0-9+.]*:"};
static struct pattern host = {.text = "^[/\\][/\\]"};
static struct pattern well_formed = {.text = "^([^%]|%[0-9A-Fa-f]{2})*$"};
static struct pattern unusable = {.text = "%00|%2[Ff]"};
static struct pattern dots = {.text = "/\\.\\.?(/|$)"};

struct segments {
    char *at[4096];
    size_t n;
};

/* Decoded, without what vanishes. */
static char *decode_segment(const char *at, size_t length)
{
    char *made = calloc(length + 1, 1), *to = made;

    assert(made != NULL);
    for (size_t i = 0; i < length; i++) {
        char digits[3] = {0};

        if (strchr("\t\r\n", at[i]) != NULL)
            continue;
        if (at[i] != '%') {
            *to++ = at[i];
            continue;
        }
        memcpy(digits, at + i + 1, 2);
        *to++ = (char)strtoul(digits, NULL, 16);
        i += 2;
    }
    return made;
}

static void pop(struct segments *segments)
{
    if (segments->n > 0)
        free(segments->at[--segments->n]);
}

/* A last segment of dots leaves an empty one, which is a slash at the end. */
static void push(struct segments *segments, char *segment, bool is_last)
{
    bool is_up = strcmp(segment, "..") == 0, is_dots = is_up || strcmp(segment, ".") == 0;

    if (is_up)
        pop(segments);
    if (is_dots)
        *segment = '\0';
    if (is_dots && !is_last)
        free(segment);
    else
        segments->at[segments->n++] = segment;
}

static char *join(struct segments *segments, size_t room)
{
    char *path = calloc(room, 1), *to = path;

    assert(path != NULL);
    for (size_t i = 0; i < segments->n; i++) {
        *to++ = '/';
        to = stpcpy(to, segments->at[i]);
    }
    while (segments->n > 0)
        pop(segments);
    return path;
}

/* The path, or NULL: elsewhere.  Both are strings. */
static char *expect_path(const char *base, const char *url)
{
    struct segments segments = {.n = 0};
    size_t length = strcspn(url, "?#");
    const char *slash = strrchr(base, '/');
    regmatch_t match;

    if (*url == '\0' || *url == '#' || find(&scheme, url, strlen(url), &match) ||
        find(&host, url, length, &match) || !matches(&well_formed, url, length) ||
        find(&unusable, url, length, &match))
        return NULL;
    if (length == 0)
        return strdup(base);
    if (strchr("/\\", *url) == NULL)
        for (const char *at = base; at < slash; at += strcspn(at + 1, "/") + 1)
            segments.at[segments.n++] = strndup(at + 1, strcspn(at + 1, "/"));
    else
        url++, length--;
    for (size_t at = 0, part; at <= length; at += part + 1) {
        part = strcspn(url + at, "/\\");
        if (part > length - at)
            part = length - at;
        push(&segments, decode_segment(url + at, part), at + part == length);
    }
    return join(&segments, strlen(base) + strlen(url) + 3);
}

/* `base` and `url` are strings; the latter gets cut to what lies between blanks. */
static void check_resolve(char *base, char *url, size_t url_length)
{
    size_t base_length = strlen(base), first = 0, room_length = base_length + url_length + 2;
    char *room = malloc(room_length), *exact = copy_exactly(url, url_length), *expected;
    struct sj_text path;
    regmatch_t match;
    bool is_here = sj_reference_resolve((struct sj_text){exact, url_length},
                                        (struct sj_text){base, base_length}, room, &path);

    while (url_length > 0 && (uint8_t)url[url_length - 1] <= ' ')
        url_length--;
    while (first < url_length && (uint8_t)url[first] <= ' ')
        first++;
    url[url_length] = '\0';
    expected = expect_path(base, url + first);
    assert(is_here == (expected != NULL));
    if (is_here) {
        assert(path.at == room && strlen(room) == path.length);
        assert(strcmp(room, expected) == 0);
        assert(!find(&dots, room, path.length, &match));
    }
    free(expected);
    free(exact);
    free(room);
}

static void try_resolve(char *text, size_t size)
{
    char *blank = memchr(text, ' ', size);
    regmatch_t match;

    if (blank == NULL || size > 4000 || memchr(text, '\0', size) != NULL)
        return;
    *blank = '\0';
    if (!find(&dots, text, strlen(text), &match))
        check_resolve(text, blank + 1, size - (size_t)(blank + 1 - text));
}

/* --- finding */

struct found {
    char *text; /* a line each */
    size_t length;
    size_t n;
};

static void take(void *argument, enum sj_reference_kind kind, struct sj_text url)
{
    struct found *found = argument;
    char *more = realloc(found->text, found->length + url.length + 2);

    assert(more != NULL && url.length > 0 && url.length <= SJ_REFERENCE_MAX);
    assert((uint8_t)url.at[0] > ' ' && (uint8_t)url.at[url.length - 1] > ' ');
    found->text = more;
    more[found->length++] = kind == SJ_REFERENCE_BASE ? 'b' : 'a';
    memcpy(more + found->length, url.at, url.length);
    found->length += url.length;
    more[found->length++] = '\n';
    found->n++;
}

/* In `before`, `html` and `after` as one. */
static struct found find_in(const char *before, const char *html, size_t size, const char *after)
{
    size_t length = strlen(before) + size + strlen(after);
    char *whole = malloc(length);
    struct found found = {.text = NULL};

    assert(whole != NULL || length == 0);
    if (length > 0)
        memcpy(mempcpy(mempcpy(whole, before, strlen(before)), html, size), after, strlen(after));
    sj_references_find((struct sj_text){whole, length}, take, &found);
    free(whole);
    return found;
}

/* Leaves whatever state there is, then an image. */
#define WAY_OUT                                                                               \
    "\"'>\"'>--></script></style></title></textarea></xmp></iframe></noembed></noframes></x>" \
    "<img src=/end>"

static void check_order(const char *html, size_t size)
{
    struct found alone = find_in("", html, size, ""), half = find_in("", html, size / 2, "");
    struct found more = find_in("", html, size, WAY_OUT);

    assert(half.n <= alone.n && alone.n < more.n);
    assert(half.length == 0 || memcmp(half.text, alone.text, half.length) == 0);
    assert(alone.length == 0 || memcmp(alone.text, more.text, alone.length) == 0);
    assert(more.length >= 6 && memcmp(more.text + more.length - 6, "a/end\n", 6) == 0);
    free(alone.text);
    free(half.text);
    free(more.text);
}

static void check_case(const char *html, size_t size)
{
    char *upper = copy_exactly(html, size);
    struct found found = find_in("", html, size, ""), other;

    for (size_t i = 0; i < size; i++)
        if (upper[i] >= 'a' && upper[i] <= 'z')
            upper[i] -= 0x20;
    other = find_in("", upper, size, "");
    assert(other.n == found.n);
    free(upper);
    free(found.text);
    free(other.text);
}

/* Changes each `octet`, so that what stands around the document cannot end in it. */
static void check_hidden(const char *before, const char *html, size_t size, char octet)
{
    char *harmless = copy_exactly(html, size);
    struct found found;

    for (size_t i = 0; i < size; i++)
        if (harmless[i] == octet)
            harmless[i] = '_';
    found = find_in(before, harmless, size, "");
    assert(found.n == 0);
    free(harmless);
    free(found.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    assert(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    if (size > 0 && *text == '/') {
        try_resolve(text, size);
    } else if (size < 65536) {
        check_order(text, size);
        check_case(text, size);
        check_hidden("<!--", text, size, '>');
        check_hidden("<!doctype ", text, size, '>');
        check_hidden("<script>", text, size, '/');
        check_hidden("<title>", text, size, '/');
        check_hidden("<img alt='", text, size, '\'');
        check_hidden("", text, size, '<');
    }
    free(text);
    return 0;
}
