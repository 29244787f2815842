/* SPDX-License-Identifier: MIT */
#include "http/framing.h"

#include "http/octet.h"

#define LENGTH_MAX     ((uint64_t)INT64_MAX)
#define SIZE_LINE_MAX  256
#define EXTENSIONS_MAX 8192
#define TRAILERS_MAX   8192

enum coding { CODING_CHUNKED, CODING_OTHER, CODING_INVALID };

/* transfer-coding = token *( OWS ";" OWS transfer-parameter ); chunked has no parameters. */
static enum coding coding_of(struct sj_text element)
{
    const char *end = element.at + element.length;
    const char *name_end = sj_octets_skip(element.at, end, SJ_OCTET_TOKEN);
    const char *rest = sj_octets_skip_blanks(name_end, end);
    struct sj_text name = {element.at, (size_t)(name_end - element.at)};

    if (name.length == 0 || (rest < end && *rest != ';'))
        return CODING_INVALID;
    if (!sj_text_equals_nocase(name, SJ_TEXT("chunked")))
        return CODING_OTHER;
    return rest == end ? CODING_CHUNKED : CODING_INVALID;
}

static int check_transfer_codings(const struct sj_request *request, const char *head)
{
    unsigned n_chunked = 0, n_others = 0;
    enum coding last = CODING_INVALID;
    struct sj_text line, element;
    uint32_t at = 0;

    while (sj_request_next(request, head, SJ_FIELD_TRANSFER_ENCODING, &at, &line)) {
        if (line.length == 0)
            return 400;
        while (sj_list_next(&line, &element)) {
            last = coding_of(element);
            if (last == CODING_INVALID)
                return 400;
            if (last == CODING_CHUNKED)
                n_chunked++;
            else
                n_others++;
        }
    }
    if (last != CODING_CHUNKED || n_chunked != 1)
        return 400;
    return n_others > 0 ? 501 : 0;
}

/* 1*DIGIT */
static int parse_length(struct sj_text text, uint64_t *length)
{
    *length = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (!sj_octet_is_digit(text.at[i]) || *length > LENGTH_MAX / 10)
            return 400;
        *length = *length * 10 + (uint64_t)(text.at[i] - '0');
    }
    return text.length > 0 && *length <= LENGTH_MAX ? 0 : 400;
}

static int find_body(const struct sj_request *request, const char *head, struct sj_framing *framing)
{
    struct sj_text length;

    if (sj_request_has(request, SJ_FIELD_TRANSFER_ENCODING)) {
        if (sj_request_has(request, SJ_FIELD_CONTENT_LENGTH) || request->minor == 0)
            return 400;
        framing->kind = SJ_BODY_CHUNKED;
        return check_transfer_codings(request, head);
    }
    if (!sj_request_has(request, SJ_FIELD_CONTENT_LENGTH))
        return 0;
    if (!sj_request_single(request, head, SJ_FIELD_CONTENT_LENGTH, &length) ||
        parse_length(length, &framing->length) != 0)
        return 400;
    if (framing->length > 0)
        framing->kind = SJ_BODY_LENGTH;
    return 0;
}

static bool is_persistent(const struct sj_request *request, const char *head)
{
    bool is_kept = request->minor > 0;
    struct sj_text line, element;
    uint32_t at = 0;

    while (sj_request_next(request, head, SJ_FIELD_CONNECTION, &at, &line))
        while (sj_list_next(&line, &element)) {
            if (sj_text_equals_nocase(element, SJ_TEXT("close")))
                return false;
            if (sj_text_equals_nocase(element, SJ_TEXT("keep-alive")))
                is_kept = true;
        }
    return is_kept;
}

static int find_expectation(const struct sj_request *request, const char *head,
                            struct sj_framing *framing)
{
    struct sj_text line, element;
    uint32_t at = 0;

    if (request->minor == 0) /* RFC 9110 section 10.1.1 */
        return 0;
    while (sj_request_next(request, head, SJ_FIELD_EXPECT, &at, &line))
        while (sj_list_next(&line, &element)) {
            if (!sj_text_equals_nocase(element, SJ_TEXT("100-continue")))
                return 417;
            framing->expects_continue = true;
        }
    return 0;
}

int sj_framing_of(const struct sj_request *request, const char *head, struct sj_framing *framing)
{
    int status;

    *framing = (struct sj_framing){.is_persistent = is_persistent(request, head)};
    status = find_body(request, head, framing);
    return status != 0 ? status : find_expectation(request, head, framing);
}

/* What the chunked decoder expects next: RFC 9112 section 7.1. */
enum state {
    FAILED,
    SIZE_FIRST,
    SIZE,
    PART_END, /* white space, then the next extension */
    NAME_FIRST,
    NAME,
    NAME_END, /* white space, then "=" or the next extension */
    VALUE_FIRST,
    VALUE,
    QUOTED,
    QUOTED_PAIR,
    QUOTED_END,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_FIRST,
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
    DONE,
    STATES
};

enum kind {
    INVALID,
    CR,
    LF,
    TEXT,
    HEX,
    TOKEN,
    BLANK,
    SEMICOLON,
    EQUALS,
    COLON,
    QUOTE,
    ESCAPE,
    KINDS
};

/* What is not here is FAILED. */
static const uint8_t next_states[STATES][KINDS] = {
    [SIZE_FIRST] = {[HEX] = SIZE},
    [SIZE] = {[HEX] = SIZE, [BLANK] = PART_END, [SEMICOLON] = NAME_FIRST, [CR] = SIZE_LF},
    [PART_END] = {[BLANK] = PART_END, [SEMICOLON] = NAME_FIRST},
    [NAME_FIRST] = {[BLANK] = NAME_FIRST, [HEX... TOKEN] = NAME},
    [NAME] = {[HEX... TOKEN] = NAME,
              [BLANK] = NAME_END,
              [EQUALS] = VALUE_FIRST,
              [SEMICOLON] = NAME_FIRST,
              [CR] = SIZE_LF},
    [NAME_END] = {[BLANK] = NAME_END, [EQUALS] = VALUE_FIRST, [SEMICOLON] = NAME_FIRST},
    [VALUE_FIRST] = {[BLANK] = VALUE_FIRST, [HEX... TOKEN] = VALUE, [QUOTE] = QUOTED},
    [VALUE] =
        {[HEX... TOKEN] = VALUE, [BLANK] = PART_END, [SEMICOLON] = NAME_FIRST, [CR] = SIZE_LF},
    [QUOTED] = {[TEXT... COLON] = QUOTED, [QUOTE] = QUOTED_END, [ESCAPE] = QUOTED_PAIR},
    [QUOTED_PAIR] = {[TEXT... ESCAPE] = QUOTED},
    [QUOTED_END] = {[BLANK] = PART_END, [SEMICOLON] = NAME_FIRST, [CR] = SIZE_LF},
    [SIZE_LF] = {[LF] = DATA}, /* or TRAILER_FIRST */
    [DATA_CR] = {[CR] = DATA_LF},
    [DATA_LF] = {[LF] = SIZE_FIRST},
    [TRAILER_FIRST] = {[HEX... TOKEN] = TRAILER_NAME, [CR] = LAST_LF},
    [TRAILER_NAME] = {[HEX... TOKEN] = TRAILER_NAME, [COLON] = TRAILER_VALUE},
    [TRAILER_VALUE] = {[TEXT... ESCAPE] = TRAILER_VALUE, [CR] = TRAILER_LF},
    [TRAILER_LF] = {[LF] = TRAILER_FIRST},
    [LAST_LF] = {[LF] = DONE},
};

static enum kind kind_of(char octet)
{
    switch (octet) {
    case '\r':
        return CR;
    case '\n':
        return LF;
    case ' ':
    case '\t':
        return BLANK;
    case ';':
        return SEMICOLON;
    case '=':
        return EQUALS;
    case ':':
        return COLON;
    case '"':
        return QUOTE;
    case '\\':
        return ESCAPE;
    default:
        if (sj_octet_is(octet, SJ_OCTET_HEX))
            return HEX;
        if (sj_octet_is(octet, SJ_OCTET_TOKEN))
            return TOKEN;
        return sj_octet_is(octet, SJ_OCTET_VALUE) ? TEXT : INVALID;
    }
}

void sj_chunked_init(struct sj_chunked *chunked)
{
    *chunked = (struct sj_chunked){.state = SIZE_FIRST};
}

/* Counts one octet that led to `state`: 0, or the status of the limit that it is beyond. */
static int count(struct sj_chunked *chunked, enum state state)
{
    if (chunked->state >= TRAILER_FIRST)
        return ++chunked->trailers > TRAILERS_MAX ? 431 : 0;
    if (state == SIZE_FIRST || state >= SIZE_LF) {
        chunked->line = 0;
        return 0;
    }
    if (state != SIZE && ++chunked->extensions > EXTENSIONS_MAX)
        return 400;
    return ++chunked->line > SIZE_LINE_MAX ? 400 : 0;
}

/* One octet that is not content. */
static int take(struct sj_chunked *chunked, char octet)
{
    enum state state = next_states[chunked->state][kind_of(octet)];
    int status = state == FAILED ? 400 : count(chunked, state);

    if (state == SIZE) {
        if (chunked->size > LENGTH_MAX >> 4)
            status = 400;
        chunked->size = chunked->size << 4 | sj_octet_hex(octet);
    } else if (state == DATA) {
        if (chunked->size == 0)
            state = TRAILER_FIRST;
        chunked->left = chunked->size;
        chunked->size = 0;
    }
    chunked->state = status == 0 ? state : FAILED;
    return status;
}

static void take_content(struct sj_chunked *chunked, const char *from, size_t length,
                         struct sj_chunked_step *step)
{
    size_t run = length < chunked->left ? length : (size_t)chunked->left;

    step->data = (struct sj_text){from, run};
    step->used += run;
    chunked->left -= run;
    if (chunked->left == 0)
        chunked->state = DATA_CR;
}

int sj_chunked_feed(struct sj_chunked *chunked, const char *from, size_t length,
                    struct sj_chunked_step *step)
{
    int status = 0;

    *step = (struct sj_chunked_step){.data = {from, 0}};
    while (status == 0 && step->used < length && chunked->state != DATA && chunked->state != DONE)
        status = take(chunked, from[step->used++]);
    if (status == 0 && step->used < length && chunked->state == DATA)
        take_content(chunked, from + step->used, length - step->used, step);
    step->is_done = chunked->state == DONE;
    return status;
}
