/* SPDX-License-Identifier: MIT */
#include "http/conditional.h"

#include "core/clock.h"
#include "http/octet.h"

enum comparison { COMPARE_STRONG, COMPARE_WEAK }; /* RFC 9110 section 8.8.3.2 */

/* An entity-tag that begins here: its end, or NULL; `*tag` with its quotes, without W/. */
static const char *parse_tag(const char *at, const char *end, struct sj_text *tag)
{
    const char *quote;

    if (at == end || *at != '"')
        return NULL;
    quote = sj_octets_skip(at + 1, end, SJ_OCTET_TAG);
    if (quote == end || *quote != '"')
        return NULL;
    *tag = (struct sj_text){at, (size_t)(quote + 1 - at)};
    return quote + 1;
}

/* Not sj_list_next: in an entity-tag a backslash escapes nothing.  False: off the grammar. */
static bool find_tag(struct sj_text line, struct sj_text etag, enum comparison comparison,
                     bool *is_found)
{
    const char *at = line.at, *end = line.at + line.length;
    struct sj_text tag;
    bool is_weak;

    for (;;) {
        while (at < end && (*at == ',' || sj_octet_is_blank(*at)))
            at++;
        if (at == end)
            return true;
        is_weak = end - at > 2 && memcmp(at, "W/", 2) == 0;
        at = parse_tag(is_weak ? at + 2 : at, end, &tag);
        if (at == NULL)
            return false;
        if ((!is_weak || comparison == COMPARE_WEAK) && sj_text_equals(tag, etag))
            *is_found = true;
        at = sj_octets_skip_blanks(at, end);
        if (at < end && *at != ',')
            return false;
    }
}

/* "*" or #entity-tag, on all lines of the field; what is off that grammar matches nothing. */
static bool matches(const struct sj_request *request, const char *head, enum sj_field_id id,
                    struct sj_text etag, enum comparison comparison)
{
    struct sj_text line;
    bool is_found = false;
    uint32_t at = 0;

    if (sj_request_single(request, head, id, &line) && sj_text_equals(line, SJ_TEXT("*")))
        return true;
    while (sj_request_next(request, head, id, &at, &line))
        if (!find_tag(line, etag, comparison, &is_found))
            return false;
    return is_found;
}

/* False unless there is one line with one valid date. */
static bool find_date(const struct sj_request *request, const char *head, enum sj_field_id id,
                      time_t now, time_t *date)
{
    struct sj_text line;

    return sj_request_single(request, head, id, &line) &&
           sj_date_parse(line.at, line.length, now, date) == 0;
}

int sj_conditional_check(const struct sj_request *request, const char *head,
                         const struct sj_validators *validators, time_t now)
{
    const uint32_t conditions = 1u << SJ_FIELD_IF_MATCH | 1u << SJ_FIELD_IF_UNMODIFIED_SINCE |
                                1u << SJ_FIELD_IF_NONE_MATCH | 1u << SJ_FIELD_IF_MODIFIED_SINCE;
    struct sj_text etag = validators->etag;
    time_t modified = validators->modified, date;

    if ((request->seen & conditions) == 0)
        return 200;
    if (sj_request_has(request, SJ_FIELD_IF_MATCH)) {
        if (!matches(request, head, SJ_FIELD_IF_MATCH, etag, COMPARE_STRONG))
            return 412;
    } else if (modified != 0 &&
               find_date(request, head, SJ_FIELD_IF_UNMODIFIED_SINCE, now, &date) &&
               modified > date) {
        return 412;
    }
    if (sj_request_has(request, SJ_FIELD_IF_NONE_MATCH))
        return matches(request, head, SJ_FIELD_IF_NONE_MATCH, etag, COMPARE_WEAK) ? 304 : 200;
    return modified != 0 && find_date(request, head, SJ_FIELD_IF_MODIFIED_SINCE, now, &date) &&
                   modified <= date
               ? 304
               : 200;
}

bool sj_conditional_allows_range(const struct sj_request *request, const char *head,
                                 const struct sj_validators *validators, time_t now)
{
    struct sj_text line;
    time_t date;

    if (!sj_request_has(request, SJ_FIELD_IF_RANGE))
        return true;
    if (!sj_request_single(request, head, SJ_FIELD_IF_RANGE, &line))
        return false;
    if (validators->etag.length > 0 && sj_text_equals(line, validators->etag))
        return true;
    return validators->modified != 0 && validators->modified < now &&
           sj_date_parse(line.at, line.length, now, &date) == 0 && date == validators->modified;
}
