/* SPDX-License-Identifier: MIT */
#include "http/request.h"

#include <errno.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "http/octet.h"
#include "http/target.h"

#define EMPTY_LINES_MAX 4 /* before the request line: RFC 9112 section 2.2 wants one at least */
#define EMPTY_LINE      2 /* octets */
#define METHOD_MAX      32
#define VERSION         8 /* octets of "HTTP/1.1" */
#define NAME_MAX_LENGTH 30
#define NAMES_OF_LENGTH 3

static const struct sj_text method_names[SJ_METHOD_UNKNOWN] = {
    [SJ_GET] = SJ_TEXT("GET"),         [SJ_HEAD] = SJ_TEXT("HEAD"),
    [SJ_POST] = SJ_TEXT("POST"),       [SJ_PUT] = SJ_TEXT("PUT"),
    [SJ_DELETE] = SJ_TEXT("DELETE"),   [SJ_CONNECT] = SJ_TEXT("CONNECT"),
    [SJ_OPTIONS] = SJ_TEXT("OPTIONS"), [SJ_TRACE] = SJ_TEXT("TRACE"),
    [SJ_PATCH] = SJ_TEXT("PATCH"),
};

static const struct sj_text field_names[SJ_FIELDS] = {
    [SJ_FIELD_ACCEPT] = SJ_TEXT("accept"),
    [SJ_FIELD_ACCEPT_ENCODING] = SJ_TEXT("accept-encoding"),
    [SJ_FIELD_CONNECTION] = SJ_TEXT("connection"),
    [SJ_FIELD_CONTENT_ENCODING] = SJ_TEXT("content-encoding"),
    [SJ_FIELD_CONTENT_LENGTH] = SJ_TEXT("content-length"),
    [SJ_FIELD_EXPECT] = SJ_TEXT("expect"),
    [SJ_FIELD_HOST] = SJ_TEXT("host"),
    [SJ_FIELD_IF_MATCH] = SJ_TEXT("if-match"),
    [SJ_FIELD_IF_MODIFIED_SINCE] = SJ_TEXT("if-modified-since"),
    [SJ_FIELD_IF_NONE_MATCH] = SJ_TEXT("if-none-match"),
    [SJ_FIELD_IF_RANGE] = SJ_TEXT("if-range"),
    [SJ_FIELD_IF_UNMODIFIED_SINCE] = SJ_TEXT("if-unmodified-since"),
    [SJ_FIELD_ORIGIN] = SJ_TEXT("origin"),
    [SJ_FIELD_RANGE] = SJ_TEXT("range"),
    [SJ_FIELD_REFERER] = SJ_TEXT("referer"),
    [SJ_FIELD_TRANSFER_ENCODING] = SJ_TEXT("transfer-encoding"),
    [SJ_FIELD_USER_AGENT] = SJ_TEXT("user-agent"),
    [SJ_FIELD_ACCESS_CONTROL_REQUEST_METHOD] = SJ_TEXT("access-control-request-method"),
    [SJ_FIELD_ACCESS_CONTROL_REQUEST_HEADERS] = SJ_TEXT("access-control-request-headers"),
};

/* Which of them a name of that length can be. */
static const uint8_t fields_of_length[NAME_MAX_LENGTH + 1][NAMES_OF_LENGTH] = {
    [4] = {SJ_FIELD_HOST},
    [5] = {SJ_FIELD_RANGE},
    [6] = {SJ_FIELD_ACCEPT, SJ_FIELD_ORIGIN, SJ_FIELD_EXPECT},
    [7] = {SJ_FIELD_REFERER},
    [8] = {SJ_FIELD_IF_RANGE, SJ_FIELD_IF_MATCH},
    [10] = {SJ_FIELD_USER_AGENT, SJ_FIELD_CONNECTION},
    [13] = {SJ_FIELD_IF_NONE_MATCH},
    [14] = {SJ_FIELD_CONTENT_LENGTH},
    [15] = {SJ_FIELD_ACCEPT_ENCODING},
    [16] = {SJ_FIELD_CONTENT_ENCODING},
    [17] = {SJ_FIELD_IF_MODIFIED_SINCE, SJ_FIELD_TRANSFER_ENCODING},
    [19] = {SJ_FIELD_IF_UNMODIFIED_SINCE},
    [29] = {SJ_FIELD_ACCESS_CONTROL_REQUEST_METHOD},
    [30] = {SJ_FIELD_ACCESS_CONTROL_REQUEST_HEADERS},
};

void sj_request_reset(struct sj_request *request)
{
    *request = (struct sj_request){.method = SJ_METHOD_UNKNOWN, .fields = request->fields};
}

static struct sj_span span_of(const char *head, const char *first, const char *end)
{
    return (struct sj_span){(uint32_t)(first - head), (uint32_t)(end - first)};
}

static enum sj_method method_of(struct sj_text name)
{
    enum sj_method method = SJ_GET;

    while (method < SJ_METHOD_UNKNOWN && !sj_text_equals(name, method_names[method]))
        method++;
    return method;
}

/* `name` is a token: of its octets only a letter, or "-", becomes one of ours by setting that bit.
 */
static bool is_name(const char *name, const char *lower, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((name[i] | 0x20) != lower[i])
            return false;
    return true;
}

static enum sj_field_id field_of(const char *name, size_t length)
{
    if (length > NAME_MAX_LENGTH)
        return SJ_FIELD_OTHER;
    for (unsigned i = 0; i < NAMES_OF_LENGTH; i++) {
        enum sj_field_id id = fields_of_length[length][i];

        if (id == SJ_FIELD_OTHER)
            break;
        if (is_name(name, field_names[id].at, length))
            return id;
    }
    return SJ_FIELD_OTHER;
}

static int parse_version(struct sj_request *request, const char *at, const char *end)
{
    if (end - at != VERSION || memcmp(at, "HTTP/", 5) != 0 || !sj_octet_is_digit(at[5]) ||
        at[6] != '.' || !sj_octet_is_digit(at[7]))
        return 400;
    if (at[5] != '1')
        return 505;
    request->minor = at[7] != '0';
    return 0;
}

static int parse_request_line(struct sj_request *request, const char *head, const char *at,
                              const char *end)
{
    const char *space = sj_octets_skip(at, end, SJ_OCTET_TOKEN);
    const char *target, *target_end;

    int status;

    request->line = span_of(head, at, end);
    if (space - at > METHOD_MAX)
        return 501;
    if (space == at || space == end || *space != ' ')
        return 400;
    target = space + 1;
    target_end = sj_octets_skip(target, end, SJ_OCTET_VISIBLE);
    if (target_end == target || target_end == end || *target_end != ' ')
        return 400;
    request->method_name = span_of(head, at, space);
    request->method = method_of(sj_request_text(head, request->method_name));
    request->target = span_of(head, target, target_end);
    status = parse_version(request, target_end + 1, end);
    if (status != 0)
        return status;
    request->state = SJ_REQUEST_FIELDS;
    request->fields_start = (uint32_t)(end + EMPTY_LINE - head);
    return 0;
}

#ifdef __SSE2__
/* Of sixteen octets: is none a control character other than HTAB? */
static bool is_value_block(const char *at)
{
    const __m128i highest = _mm_set1_epi8(0x1f), tab = _mm_set1_epi8('\t');
    const __m128i block = _mm_loadu_si128((const __m128i *)(const void *)at);
    const __m128i is_low = _mm_cmpeq_epi8(_mm_min_epu8(block, highest), block);
    const __m128i is_delete = _mm_cmpeq_epi8(block, _mm_set1_epi8(0x7f));

    return _mm_movemask_epi8(
               _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(block, tab), is_low), is_delete)) == 0;
}

static bool is_value(const char *at, const char *end)
{
    if (end - at < 16)
        return sj_octets_skip(at, end, SJ_OCTET_VALUE) == end;
    for (; end - at > 16; at += 16)
        if (!is_value_block(at))
            return false;
    return is_value_block(end - 16); /* overlaps the one before */
}
#else
static bool is_value(const char *at, const char *end)
{
    return sj_octets_skip(at, end, SJ_OCTET_VALUE) == end;
}
#endif

static int parse_field(struct sj_request *request, const char *head, const char *at,
                       const char *end)
{
    const char *colon = sj_octets_skip(at, end, SJ_OCTET_TOKEN);
    struct sj_field *field = &request->fields[request->n_fields];
    const char *value;

    if (colon == at || colon == end || *colon != ':')
        return 400;
    value = sj_octets_skip_blanks(colon + 1, end);
    while (end > value && sj_octet_is_blank(end[-1]))
        end--;
    if (!is_value(value, end))
        return 400;
    field->id = field_of(at, (size_t)(colon - at));
    field->name = span_of(head, at, colon);
    field->value = span_of(head, value, end);
    request->seen |= 1u << field->id;
    request->n_fields++;
    return 0;
}

/* RFC 9112 section 3.2 asks that of HTTP/1.1; in 1.0 the field may be left out. */
static int check_host(const struct sj_request *request, const char *head)
{
    struct sj_text host;

    if (!sj_request_has(request, SJ_FIELD_HOST))
        return request->minor == 0 ? 0 : 400;
    return sj_request_single(request, head, SJ_FIELD_HOST, &host) && sj_authority_is_valid(host)
               ? 0
               : 400;
}

static int parse_empty_line(struct sj_request *request, const char *head)
{
    int status;

    if (request->state == SJ_REQUEST_LINE) /* only empty lines have been parsed */
        return request->parsed < EMPTY_LINES_MAX * EMPTY_LINE ? 0 : 400;
    status = check_host(request, head);
    if (status != 0)
        return status;
    request->head_length = request->parsed + EMPTY_LINE;
    request->state = SJ_REQUEST_DONE;
    return 0;
}

static int parse_line(struct sj_request *request, const char *head, const char *at, const char *end)
{
    if (at == end)
        return parse_empty_line(request, head);
    if (request->state == SJ_REQUEST_LINE)
        return parse_request_line(request, head, at, end);
    return parse_field(request, head, at, end);
}

/* The two checks below see the octets of a line that have come so far, without LF.  Their answer
 * must not depend on whether its end is among what has come, so they go before the grammar. */
static int check_line_limit(struct sj_request *request, const struct sj_request_limits *limits,
                            const char *head, size_t length)
{
    const char *at = head + request->parsed;
    size_t limit = limits->line, method = METHOD_MAX < limit ? METHOD_MAX : limit;

    if (length <= limit || (length == limit + 1 && at[limit] == '\r'))
        return 0;
    request->line = span_of(head, at, at + limit);
    return sj_octets_skip(at, at + method + 1, SJ_OCTET_TOKEN) == at + method + 1 ? 501 : 414;
}

static int check_fields_limits(const struct sj_request *request,
                               const struct sj_request_limits *limits, const char *head,
                               size_t length)
{
    size_t bytes = request->parsed - request->fields_start + length + 1; /* its LF at least */

    if (length == 0 || (length == 1 && head[request->parsed] == '\r')) /* the last, empty line */
        return 0;
    return request->n_fields == limits->fields || bytes > limits->fields_bytes ? 431 : 0;
}

static int check_limits(struct sj_request *request, const struct sj_request_limits *limits,
                        const char *head, size_t length)
{
    return request->state == SJ_REQUEST_LINE ? check_line_limit(request, limits, head, length)
                                             : check_fields_limits(request, limits, head, length);
}

int sj_request_parse(struct sj_request *request, const struct sj_request_limits *limits,
                     const char *head, size_t length)
{
    while (request->state != SJ_REQUEST_DONE) {
        const char *at = head + request->parsed;
        const char *lf = memchr(head + request->scanned, '\n', length - request->scanned);
        const char *end = lf != NULL ? lf : head + length;
        int status = check_limits(request, limits, head, (size_t)(end - at));

        if (status != 0)
            return status;
        if (lf == NULL) {
            request->scanned = (uint32_t)length;
            return -EAGAIN;
        }
        if (lf == at || lf[-1] != '\r')
            return 400;
        status = parse_line(request, head, at, lf - 1);
        if (status != 0)
            return status;
        request->parsed = request->scanned = (uint32_t)(lf + 1 - head);
    }
    return 0;
}

bool sj_request_next(const struct sj_request *request, const char *head, enum sj_field_id id,
                     uint32_t *at, struct sj_text *value)
{
    if (!sj_request_has(request, id))
        return false;
    while (*at < request->n_fields) {
        const struct sj_field *field = &request->fields[(*at)++];

        if (field->id == id) {
            *value = sj_request_text(head, field->value);
            return true;
        }
    }
    return false;
}

bool sj_request_single(const struct sj_request *request, const char *head, enum sj_field_id id,
                       struct sj_text *value)
{
    struct sj_text second;
    uint32_t at = 0;

    return sj_request_next(request, head, id, &at, value) &&
           !sj_request_next(request, head, id, &at, &second);
}

/* The comma that ends an element, or the end. */
static const char *skip_element(const char *at, const char *end)
{
    bool is_quoted = false;

    for (; at < end && (is_quoted || *at != ','); at++) {
        if (*at == '"')
            is_quoted = !is_quoted;
        else if (*at == '\\' && is_quoted && end - at > 1)
            at++;
    }
    return at;
}

bool sj_list_next(struct sj_text *rest, struct sj_text *element)
{
    const char *at = rest->at, *end = rest->at + rest->length, *comma;

    while (at < end && (*at == ',' || sj_octet_is_blank(*at)))
        at++;
    comma = skip_element(at, end);
    *rest = (struct sj_text){comma, (size_t)(end - comma)};
    while (comma > at && sj_octet_is_blank(comma[-1]))
        comma--;
    *element = (struct sj_text){at, (size_t)(comma - at)};
    return element->length > 0;
}
