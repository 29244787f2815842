/* SPDX-License-Identifier: MIT */
#include "http/negotiate.h"

#include "http/octet.h"

#define QUALITY_MAX        1000
#define QUALITY_LENGTH_MAX 5 /* octets of "0.001" */
#define QUALITY_LEAST      1 /* of identity where nothing is said about it */
#define UNLISTED           (-1)

/* One element of Accept or Accept-Encoding. */
struct preference {
    struct sj_text name;
    int quality;
    unsigned n_weights;
    unsigned n_parameters; /* other ones, and empty ones */
};

/* qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] ) */
static bool parse_quality(const char *at, const char *end, int *quality)
{
    int scale = QUALITY_MAX / 10;

    if (end - at > QUALITY_LENGTH_MAX || (*at != '0' && *at != '1'))
        return false;
    *quality = (*at++ - '0') * QUALITY_MAX;
    if (at < end && *at++ != '.')
        return false;
    for (; at < end && sj_octet_is_digit(*at); at++, scale /= 10)
        *quality += (*at - '0') * scale;
    return at == end && *quality <= QUALITY_MAX;
}

/* token / quoted-string: its end, or `at`. */
static const char *skip_value(const char *at, const char *end)
{
    const char *quoted = at + 1;

    if (at == end || *at != '"')
        return sj_octets_skip(at, end, SJ_OCTET_TOKEN);
    for (; quoted < end && *quoted != '"'; quoted++)
        if (*quoted == '\\' && end - quoted > 1)
            quoted++;
    return quoted < end ? quoted + 1 : at;
}

/* [ token "=" ( token / quoted-string ) ], which begins here: its end, or NULL. */
static const char *parse_parameter(const char *at, const char *end, struct preference *preference)
{
    const char *name_end = sj_octets_skip(at, end, SJ_OCTET_TOKEN), *value, *value_end;

    preference->n_parameters++;
    if (name_end == at)
        return at;
    if (name_end == end || *name_end != '=')
        return NULL;
    value = name_end + 1;
    value_end = skip_value(value, end);
    if (value_end == value)
        return NULL;
    if (name_end - at != 1 || (*at | 0x20) != 'q')
        return value_end;
    preference->n_parameters--;
    return preference->n_weights++ == 0 && parse_quality(value, value_end, &preference->quality)
               ? value_end
               : NULL;
}

/* name *( OWS ";" OWS [ parameter ] ), the name of octets of tokens and "/".  False: off that
 * grammar. */
static bool parse_preference(struct sj_text element, struct preference *preference)
{
    const char *at = element.at, *end = element.at + element.length;

    while (at < end && (sj_octet_is(*at, SJ_OCTET_TOKEN) || *at == '/'))
        at++;
    *preference = (struct preference){.name = {element.at, (size_t)(at - element.at)},
                                      .quality = QUALITY_MAX};
    while (at != NULL && at < end) {
        at = sj_octets_skip_blanks(at, end);
        if (at == end || *at != ';')
            return false;
        at = parse_parameter(sj_octets_skip_blanks(at + 1, end), end, preference);
    }
    return at != NULL && preference->name.length > 0;
}

/* SJ_CODINGS: not one of ours. */
static enum sj_coding coding_of(struct sj_text name)
{
    enum sj_coding coding = SJ_IDENTITY;

    if (sj_text_equals_nocase(name, SJ_TEXT("x-gzip"))) /* RFC 9110 section 8.4.1.3 */
        return SJ_GZIP;
    while (coding < SJ_CODINGS && !sj_text_equals_nocase(name, sj_coding_names[coding]))
        coding++;
    return coding;
}

/* `listed` has a place more, for "*". */
static void list_coding(struct sj_text element, int listed[SJ_CODINGS + 1])
{
    struct preference preference;
    enum sj_coding coding;

    if (!parse_preference(element, &preference) || preference.n_parameters > 0)
        return;
    coding = coding_of(preference.name);
    if (coding < SJ_CODINGS || sj_text_equals(preference.name, SJ_TEXT("*")))
        listed[coding] = preference.quality;
}

void sj_negotiate_codings(const struct sj_request *request, const char *head,
                          struct sj_codings *codings)
{
    int listed[SJ_CODINGS + 1] = {[0 ... SJ_CODINGS] = UNLISTED};
    struct sj_text line, element;
    uint32_t at = 0;

    *codings = (struct sj_codings){{[SJ_IDENTITY] = QUALITY_MAX}};
    if (!sj_request_has(request, SJ_FIELD_ACCEPT_ENCODING))
        return;
    while (sj_request_next(request, head, SJ_FIELD_ACCEPT_ENCODING, &at, &line))
        while (sj_list_next(&line, &element))
            list_coding(element, listed);
    codings->quality[SJ_IDENTITY] = QUALITY_LEAST;
    for (unsigned coding = 0; coding < SJ_CODINGS; coding++)
        if (listed[coding] != UNLISTED)
            codings->quality[coding] = (uint16_t)listed[coding];
        else if (listed[SJ_CODINGS] != UNLISTED)
            codings->quality[coding] = (uint16_t)listed[SJ_CODINGS];
}

/* Is `a` to be sent rather than `b`? */
static bool is_better(const struct sj_codings *codings, const struct sj_entry *entry,
                      enum sj_coding a, enum sj_coding b)
{
    int gain = codings->quality[a] - codings->quality[b];

    /* A client that lists codings and does not mention identity has no preference against it. */
    if (b == SJ_IDENTITY && codings->quality[b] == QUALITY_LEAST)
        gain = 0;
    return gain > 0 || (gain == 0 && entry->representations[a].file->length <
                                         entry->representations[b].file->length);
}

enum sj_coding sj_negotiate_choose(const struct sj_codings *codings, const struct sj_entry *entry)
{
    enum sj_coding best = SJ_CODINGS;

    for (enum sj_coding coding = SJ_GZIP; coding < SJ_CODINGS; coding++)
        if (entry->representations[coding].file != NULL && codings->quality[coding] > 0 &&
            (best == SJ_CODINGS || is_better(codings, entry, coding, best)))
            best = coding;
    return best != SJ_CODINGS && is_better(codings, entry, best, SJ_IDENTITY) ? best : SJ_IDENTITY;
}

/* How closely a media range names text/html: 0 not at all. */
static unsigned closeness(struct sj_text range)
{
    if (sj_text_equals_nocase(range, SJ_TEXT("text/html")))
        return 3;
    if (sj_text_equals_nocase(range, SJ_TEXT("text/*")))
        return 2;
    return sj_text_equals(range, SJ_TEXT("*/*"));
}

bool sj_negotiate_wants_html(const struct sj_request *request, const char *head)
{
    struct preference preference;
    struct sj_text line, element;
    unsigned closest = 0;
    uint32_t at = 0;
    int quality = 0;

    while (sj_request_next(request, head, SJ_FIELD_ACCEPT, &at, &line))
        while (sj_list_next(&line, &element)) {
            if (!parse_preference(element, &preference))
                continue;
            unsigned close = closeness(preference.name);

            if (close > closest || (close == closest && preference.quality > quality)) {
                closest = close;
                quality = preference.quality;
            }
        }
    return closest > 0 && quality > 0;
}
