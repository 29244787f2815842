/* SPDX-License-Identifier: MIT */
#include "cache/html.h"

unsigned sj_html_digit(char octet, unsigned radix)
{
    unsigned value = 36;
    if (octet >= '0' && octet <= '9')
        value = (unsigned)(octet - '0');
    else if ((octet | 0x20) >= 'a' && (octet | 0x20) <= 'z')
        value = (unsigned)((octet | 0x20) - 'a') + 10;
    return value < radix ? value : 36;
}

struct sj_text sj_html_strip(struct sj_text text)
{
    while (text.length > 0 && (unsigned char)text.at[0] <= ' ')
        text = (struct sj_text){text.at + 1, text.length - 1};
    while (text.length > 0 && (unsigned char)text.at[text.length - 1] <= ' ')
        text.length--;
    return text;
}

static char *put_code_point(char *to, uint32_t code)
{
    if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        code = 0xfffd;
    if (code < 0x80) {
        *to++ = (char)code;
        return to;
    }
    unsigned more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    *to++ = (char)((0xff00 >> (more + 1) & 0xff) | code >> 6 * more);
    while (more-- > 0)
        *to++ = (char)(0x80 | (code >> 6 * more & 0x3f));
    return to;
}

/* At "&#": past the reference, or `at` when it is none. */
static const char *decode_number(const char *at, const char *end, char **to)
{
    unsigned radix = end - at > 2 && (at[2] | 0x20) == 'x' ? 16 : 10;
    const char *digits = at + (radix == 16 ? 3 : 2);
    const char *rest = digits;
    uint32_t code = 0;
    for (; rest < end && sj_html_digit(*rest, radix) < radix; rest++)
        if (code <= 0x10ffff)
            code = code * radix + sj_html_digit(*rest, radix);
    if (rest == digits)
        return at;
    *to = put_code_point(*to, code);
    return rest < end && *rest == ';' ? rest + 1 : rest;
}

/* At "&".  Those that old pages write without ";" are none before "=", a letter or a digit. */
static const char *decode_name(const char *at, const char *end, char **to)
{
    static const struct {
        struct sj_text name;
        char octet;
    } names[] = {{SJ_TEXT("amp"), '&'},  {SJ_TEXT("AMP"), '&'},  {SJ_TEXT("lt"), '<'},
                 {SJ_TEXT("LT"), '<'},   {SJ_TEXT("gt"), '>'},   {SJ_TEXT("GT"), '>'},
                 {SJ_TEXT("quot"), '"'}, {SJ_TEXT("QUOT"), '"'}, {SJ_TEXT("apos;"), '\''}};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        const char *rest = at + 1 + names[i].name.length;
        if (rest > end || memcmp(at + 1, names[i].name.at, names[i].name.length) != 0)
            continue;
        bool goes_on = rest < end && (*rest == '=' || sj_html_digit(*rest, 36) < 36);
        if (goes_on && rest[-1] != ';')
            return at;
        *(*to)++ = names[i].octet;
        return rest < end && *rest == ';' && rest[-1] != ';' ? rest + 1 : rest;
    }
    return at;
}

/* In place of a reference comes never more than it is long. */
struct sj_text sj_html_decode(struct sj_text value, char *room)
{
    const char *at = value.at;
    const char *end = at + value.length;
    char *to = room;
    while (at < end) {
        const char *first = at;
        if (*at == '&')
            at = end - at > 1 && at[1] == '#' ? decode_number(at, end, &to)
                                              : decode_name(at, end, &to);
        if (at == first)
            *to++ = *at++;
    }
    return (struct sj_text){room, (size_t)(to - room)};
}

/* Past the comma that ends a candidate: one that no parenthesis holds. */
static const char *skip_descriptors(const char *at, const char *end)
{
    bool is_inside = false;
    for (; at < end && (is_inside || *at != ','); at++)
        is_inside = *at == '(' || (is_inside && *at != ')');
    return at;
}

/* HTML section 4.8.4.3.10. */
bool sj_html_next_candidate(struct sj_text *srcset, struct sj_text *url)
{
    const char *at = srcset->at;
    const char *end = at + srcset->length;
    while (at < end && (sj_html_is_space(*at) || *at == ','))
        at++;
    *url = (struct sj_text){at, 0};
    while (at < end && !sj_html_is_space(*at))
        at++;
    url->length = (size_t)(at - url->at);
    if (url->length == 0)
        return false;
    if (at[-1] != ',')
        at = skip_descriptors(at, end);
    while (url->at[url->length - 1] == ',')
        url->length--;
    *srcset = (struct sj_text){at, (size_t)(end - at)};
    return true;
}
