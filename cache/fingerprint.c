/* SPDX-License-Identifier: MIT */
#include "cache/fingerprint.h"

#define TAIL     8 /* Vite's */
#define EVIDENCE 2

/* Pairs of letters in the words of Debian's documentation: bit b of row a stands for the pair ab.
 * `known` make up at least 1 in 10,000 of all pairs, `common` 3. */
static const uint32_t common[26] = {
    0x1febd7f, 0x11ecb1f, 0x11eddbd, 0x11ef97f, 0x1fffdff, 0x11ee939, 0x01ef9d5,
    0x11e5911, 0x2aefc7f, 0x0144019, 0x01c4911, 0x13cfd3d, 0x014dd1f, 0x13efdff,
    0x1fefd7f, 0x11efd9d, 0x0100000, 0x13efd7f, 0x17ffdfd, 0x15efdbf, 0x00ef97f,
    0x0004111, 0x0066191, 0x0089114, 0x00cf911, 0x0000111,
};
static const uint32_t known[26] = {
    0x3feffff, 0x31efb7f, 0x17efdff, 0x17effff, 0x3ffffff, 0x11ef97d, 0x17ef9ff,
    0x15efd59, 0x2bfff7f, 0x014c11f, 0x15efdfb, 0x1beffff, 0x11efd7f, 0x37fffff,
    0x3feffff, 0x15efdff, 0x0140800, 0x17efdff, 0x1fffdff, 0x3feffff, 0x28efd7f,
    0x00e7155, 0x00e699d, 0x18cd99f, 0x05ef97f, 0x0004911,
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_letter(char c)
{
    return is_lower(c) || is_upper(c);
}

static bool is_hexadecimal(struct sj_text text)
{
    for (size_t i = 0; i < text.length; i++)
        if (!is_digit(text.at[i]) && !(text.at[i] >= 'a' && text.at[i] <= 'f'))
            return false;
    return true;
}

/* An even number of hexadecimal digits in which letters and figures alternate: once, or when
 * there are few of them twice. */
static bool is_hex_hash(struct sj_text text)
{
    unsigned turns = 0;
    if (text.length < 8 || text.length > 64 || text.length % 2 != 0 || !is_hexadecimal(text))
        return false;
    for (size_t i = 1; i < text.length; i++)
        turns += is_digit(text.at[i]) != is_digit(text.at[i - 1]);
    return turns >= (text.length < 12 ? 2 : 1);
}

/* Does `text` end like a UUID, which names a thing and not its content? */
static bool ends_in_uuid(struct sj_text text)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    size_t length = sizeof(form) - 1;
    if (text.length < length)
        return false;
    const char *at = text.at + text.length - length;
    for (size_t i = 0; i < length; i++)
        if ((form[i] == '-') != (at[i] == '-'))
            return false;
    return true;
}

/* The letters at `at` that belong together: a word, capitalised or not, or an acronym. */
static size_t segment_length(struct sj_text text, size_t at)
{
    size_t end = at + 1;
    if (is_upper(text.at[at]))
        while (end < text.length && is_upper(text.at[end]))
            end++;
    if (end - at > 1 && end < text.length && is_lower(text.at[end]))
        return end - at - 1;
    while (end < text.length && is_lower(text.at[end]))
        end++;
    return end - at;
}

static unsigned oddness(char a, char b)
{
    unsigned row = (unsigned)((a | 0x20) - 'a');
    unsigned bit = (unsigned)((b | 0x20) - 'a');
    return !(common[row] >> bit & 1) + !(known[row] >> bit & 1);
}

/* How much speaks against these letters being a word. */
static unsigned segment_evidence(struct sj_text text, size_t first, size_t length)
{
    unsigned evidence = 0;
    if (length == 1)
        return first > 0;
    if (is_upper(text.at[first + 1]))
        return 0; /* an acronym may be anything */
    for (size_t i = first + 1; i < first + length; i++)
        evidence += oddness(text.at[i - 1], text.at[i]);
    return evidence;
}

/* Letters, perhaps a dash, figures: as in Chapter1 or Img_1234. */
static bool is_numbered(struct sj_text text)
{
    size_t i = 0;
    while (i < text.length && is_letter(text.at[i]))
        i++;
    if (i < text.length && (text.at[i] == '-' || text.at[i] == '_'))
        i++;
    while (i < text.length && is_digit(text.at[i]))
        i++;
    return i == text.length && is_digit(text.at[i - 1]);
}

static bool is_base64_hash(struct sj_text text)
{
    unsigned evidence = 0;
    bool has_upper = false;
    bool has_lower = false;
    for (size_t i = 0; i < text.length; i++) {
        char c = text.at[i];
        if (!is_letter(c) && !is_digit(c) && c != '-' && c != '_')
            return false;
        has_upper = has_upper || is_upper(c);
        has_lower = has_lower || is_lower(c);
    }
    if (!has_upper || !has_lower || is_numbered(text))
        return false;
    for (size_t i = 0; i < text.length;) {
        size_t length = is_letter(text.at[i]) ? segment_length(text, i) : 1;
        if (is_letter(text.at[i]))
            evidence += segment_evidence(text, i, length);
        i += length;
    }
    return evidence >= EVIDENCE;
}

/* One part of a name between dots, not the last. */
static bool has_hash(struct sj_text part)
{
    const char *dash = part.length > 0 ? memrchr(part.at, '-', part.length) : NULL;
    if (dash != NULL && dash > part.at) {
        size_t before = (size_t)(dash - part.at) + 1;
        struct sj_text tail = {part.at + before, part.length - before};
        if (is_hex_hash(tail) && !ends_in_uuid(part))
            return true;
    }
    if (part.length < TAIL + 2 || part.at[part.length - TAIL - 1] != '-')
        return false;
    return is_base64_hash((struct sj_text){part.at + part.length - TAIL, TAIL});
}

bool sj_fingerprint_is_in(struct sj_text path)
{
    const char *slash = path.length > 0 ? memrchr(path.at, '/', path.length) : NULL;
    const char *at = slash == NULL ? path.at : slash + 1;
    const char *end = path.at + path.length;
    for (bool is_first = true; at < end; is_first = false) {
        const char *dot = memchr(at, '.', (size_t)(end - at));
        if (dot == NULL)
            return false;
        struct sj_text part = {at, (size_t)(dot - at)};
        if (has_hash(part) || ((!is_first || part.length == 20) && is_hex_hash(part)))
            return true;
        at = dot + 1;
    }
    return false;
}
