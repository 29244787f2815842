/* SPDX-License-Identifier: MIT */
#include "cache/references.h"

#include <assert.h>
#include "cache/html.h"

/* RFC 3986 section 3.1, with its colon. */
static bool has_scheme(struct sj_text url)
{
    size_t i = 0;
    if (url.length == 0 || sj_html_digit(url.at[0], 36) - 10 > 25)
        return false;
    while (i < url.length &&
           (sj_html_digit(url.at[i], 36) < 36 || strchr("+-.", url.at[i]) != NULL) &&
           url.at[i] != '\0')
        i++;
    return i < url.length && url.at[i] == ':';
}

static bool is_slash(char octet)
{
    return octet == '/' || octet == '\\';
}

/* Decodes up to a slash or the end: the end of what was written, and `*at` has moved; or NULL. */
static char *decode_segment(const char **at, const char *end, char *to)
{
    for (; *at < end && !is_slash(**at); ++*at) {
        char octet = **at;
        if (octet == '\t' || octet == '\n' || octet == '\r')
            continue;
        if (octet == '%') {
            if (end - *at < 3 || sj_html_digit((*at)[1], 16) > 15 ||
                sj_html_digit((*at)[2], 16) > 15)
                return NULL;
            octet = (char)(sj_html_digit((*at)[1], 16) << 4 | sj_html_digit((*at)[2], 16));
            *at += 2;
            if (octet == '/')
                return NULL;
        }
        if (octet == '\0')
            return NULL;
        *to++ = octet;
    }
    return to;
}

/* Appends the segments [at, end) to the path [room, to), which has no slash at its end. */
static char *append_segments(const char *at, const char *end, char *room, char *to)
{
    for (;;) {
        char *slash = to;
        *to++ = '/';
        to = decode_segment(&at, end, to);
        if (to == NULL)
            return NULL;
        size_t length = (size_t)(to - slash);
        bool is_dot = length == 2 && slash[1] == '.';
        bool is_up = length == 3 && memcmp(slash, "/..", 3) == 0;
        if (is_dot || is_up)
            to = slash;
        if (is_up && to > room)
            to = memrchr(room, '/', (size_t)(to - room));
        if (at == end) {
            if (is_dot || is_up)
                *to++ = '/';
            return to;
        }
        at++;
    }
}

/* Where the query or the fragment begins. */
static const char *path_end(struct sj_text url)
{
    size_t i = 0;
    while (i < url.length && url.at[i] != '?' && url.at[i] != '#')
        i++;
    return url.at + i;
}

/* Of the directory that a path lies in, without the slash at its end. */
static size_t directory_length(struct sj_text path)
{
    size_t length = path.length - 1;
    while (length > 0 && path.at[length] != '/')
        length--;
    return length;
}

bool sj_reference_resolve(struct sj_text url, struct sj_text base, char *room, struct sj_text *path)
{
    char *to = room;
    url = sj_html_strip(url);
    const char *at = url.at;
    const char *end = path_end(url);
    if (url.length == 0 || *at == '#' || base.length == 0 || has_scheme(url) ||
        (end - at > 1 && is_slash(at[0]) && is_slash(at[1])))
        return false;
    assert(base.at[0] == '/');
    if (at == end) {
        to = mempcpy(to, base.at, base.length);
    } else if (is_slash(*at)) {
        to = append_segments(at + 1, end, room, to);
    } else {
        to = mempcpy(to, base.at, directory_length(base));
        to = append_segments(at, end, room, to);
    }
    if (to == NULL)
        return false;
    *to = '\0';
    *path = (struct sj_text){room, (size_t)(to - room)};
    return true;
}
