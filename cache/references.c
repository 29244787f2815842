/* SPDX-License-Identifier: MIT */
#include "cache/references.h"

#include "cache/html.h"

enum attribute { SRC, HREF, SRCSET, IMAGESRCSET, POSTER, DATA_URL, XLINK_HREF, ATTRIBUTES };

static const struct sj_text attribute_names[ATTRIBUTES] = {
    [SRC] = SJ_TEXT("src"),
    [HREF] = SJ_TEXT("href"),
    [SRCSET] = SJ_TEXT("srcset"),
    [IMAGESRCSET] = SJ_TEXT("imagesrcset"),
    [POSTER] = SJ_TEXT("poster"),
    [DATA_URL] = SJ_TEXT("data"),
    [XLINK_HREF] = SJ_TEXT("xlink:href"),
};

enum content { MARKUP, RAW, SCRIPT };

struct element {
    struct sj_text name;
    enum content content;
    unsigned attributes; /* bits */
};

static const struct element elements[] = {
    {SJ_TEXT("audio"), MARKUP, 1 << SRC},
    {SJ_TEXT("base"), MARKUP, 1 << HREF},
    {SJ_TEXT("embed"), MARKUP, 1 << SRC},
    {SJ_TEXT("frame"), MARKUP, 1 << SRC},
    {SJ_TEXT("iframe"), RAW, 1 << SRC},
    {SJ_TEXT("image"), MARKUP, 1 << HREF | 1 << XLINK_HREF},
    {SJ_TEXT("img"), MARKUP, 1 << SRC | 1 << SRCSET},
    {SJ_TEXT("input"), MARKUP, 1 << SRC},
    {SJ_TEXT("link"), MARKUP, 1 << HREF | 1 << IMAGESRCSET},
    {SJ_TEXT("noembed"), RAW, 0},
    {SJ_TEXT("noframes"), RAW, 0},
    {SJ_TEXT("object"), MARKUP, 1 << DATA_URL},
    {SJ_TEXT("script"), SCRIPT, 1 << SRC},
    {SJ_TEXT("source"), MARKUP, 1 << SRC | 1 << SRCSET},
    {SJ_TEXT("style"), RAW, 0},
    {SJ_TEXT("textarea"), RAW, 0},
    {SJ_TEXT("title"), RAW, 0},
    {SJ_TEXT("track"), MARKUP, 1 << SRC},
    {SJ_TEXT("use"), MARKUP, 1 << HREF | 1 << XLINK_HREF},
    {SJ_TEXT("video"), MARKUP, 1 << SRC | 1 << POSTER},
    {SJ_TEXT("xmp"), RAW, 0},
};

/* Sections 13.2.5.1 to 13.2.5.56.  A document type is a bogus comment here: both end at ">". */
enum state {
    STAY,
    DATA,
    TAG_OPEN,
    END_TAG_OPEN,
    DECLARATION,      /* "<!" */
    DECLARATION_DASH, /* "<!-" */
    BOGUS,
    COMMENT_START,
    COMMENT_START_DASH,
    COMMENT,
    COMMENT_DASH,
    COMMENT_END, /* "--" */
    COMMENT_BANG,
    TAG_NAME, /* from here on: in a tag */
    BEFORE_NAME,
    NAME,
    AFTER_NAME,
    BEFORE_VALUE,
    DOUBLE_QUOTED,
    SINGLE_QUOTED,
    UNQUOTED,
    AFTER_QUOTED,
    SELF_CLOSING,
    STATES
};

enum kind {
    OTHER,
    LETTER,
    DASH,
    BANG,
    QUESTION,
    LESS,
    DOUBLE,
    SINGLE,
    EQUALS,
    SLASH,
    SPACE,
    MORE,
    KINDS
};

static const uint8_t kinds[256] = {
    ['a' ... 'z'] = LETTER, ['A' ... 'Z'] = LETTER, ['-'] = DASH,   ['!'] = BANG,
    ['?'] = QUESTION,       ['<'] = LESS,           ['"'] = DOUBLE, ['\''] = SINGLE,
    ['='] = EQUALS,         ['/'] = SLASH,          ['\t'] = SPACE, ['\n'] = SPACE,
    ['\f'] = SPACE,         ['\r'] = SPACE,         [' '] = SPACE,  ['>'] = MORE,
};

static const uint8_t next_states[STATES][KINDS] = {
    [DATA] = {[LESS] = TAG_OPEN},
    [TAG_OPEN] = {[OTHER] = DATA,
                  [LETTER] = TAG_NAME,
                  [DASH] = DATA,
                  [BANG] = DECLARATION,
                  [QUESTION] = BOGUS,
                  [DOUBLE... EQUALS] = DATA,
                  [SLASH] = END_TAG_OPEN,
                  [SPACE... MORE] = DATA},
    [END_TAG_OPEN] = {[OTHER] = BOGUS, [LETTER] = TAG_NAME, [DASH... SPACE] = BOGUS, [MORE] = DATA},
    [DECLARATION] = {[OTHER... LETTER] = BOGUS,
                     [DASH] = DECLARATION_DASH,
                     [BANG... SPACE] = BOGUS,
                     [MORE] = DATA},
    [DECLARATION_DASH] =
        {[OTHER... LETTER] = BOGUS, [DASH] = COMMENT_START, [BANG... SPACE] = BOGUS, [MORE] = DATA},
    [BOGUS] = {[MORE] = DATA},
    [COMMENT_START] = {[OTHER... LETTER] = COMMENT,
                       [DASH] = COMMENT_START_DASH,
                       [BANG... SPACE] = COMMENT,
                       [MORE] = DATA},
    [COMMENT_START_DASH] = {[OTHER... LETTER] = COMMENT,
                            [DASH] = COMMENT_END,
                            [BANG... SPACE] = COMMENT,
                            [MORE] = DATA},
    [COMMENT] = {[DASH] = COMMENT_DASH},
    [COMMENT_DASH] = {[OTHER... LETTER] = COMMENT, [DASH] = COMMENT_END, [BANG... MORE] = COMMENT},
    [COMMENT_END] = {[OTHER... LETTER] = COMMENT,
                     [BANG] = COMMENT_BANG,
                     [QUESTION... SPACE] = COMMENT,
                     [MORE] = DATA},
    [COMMENT_BANG] = {[OTHER... LETTER] = COMMENT,
                      [DASH] = COMMENT_DASH,
                      [BANG... SPACE] = COMMENT,
                      [MORE] = DATA},
    [TAG_NAME] = {[SLASH] = SELF_CLOSING, [SPACE] = BEFORE_NAME, [MORE] = DATA},
    [BEFORE_NAME] = {[OTHER... EQUALS] = NAME, [SLASH] = SELF_CLOSING, [MORE] = DATA},
    [NAME] = {[EQUALS] = BEFORE_VALUE, [SLASH] = SELF_CLOSING, [SPACE] = AFTER_NAME, [MORE] = DATA},
    [AFTER_NAME] =
        {[OTHER... SINGLE] = NAME, [EQUALS] = BEFORE_VALUE, [SLASH] = SELF_CLOSING, [MORE] = DATA},
    [BEFORE_VALUE] = {[OTHER... LESS] = UNQUOTED,
                      [DOUBLE] = DOUBLE_QUOTED,
                      [SINGLE] = SINGLE_QUOTED,
                      [EQUALS... SLASH] = UNQUOTED,
                      [MORE] = DATA},
    [DOUBLE_QUOTED] = {[DOUBLE] = AFTER_QUOTED},
    [SINGLE_QUOTED] = {[SINGLE] = AFTER_QUOTED},
    [UNQUOTED] = {[SPACE] = BEFORE_NAME, [MORE] = DATA},
    [AFTER_QUOTED] =
        {[OTHER... EQUALS] = NAME, [SLASH] = SELF_CLOSING, [SPACE] = BEFORE_NAME, [MORE] = DATA},
    [SELF_CLOSING] = {[OTHER... EQUALS] = NAME, [SPACE] = BEFORE_NAME, [MORE] = DATA},
};

struct tokenizer {
    const char *at;
    const char *end;
    const char *start; /* of the name or value that `state` is in */
    enum state state;
    bool is_end_tag;
    bool has_base;
    const struct element *element;     /* of the tag; or NULL: of no interest */
    enum attribute attribute;          /* whose value comes; ATTRIBUTES: of no interest */
    struct sj_text values[ATTRIBUTES]; /* of the tag; at is NULL: not there */
    sj_reference_found *found;
    void *argument;
    char room[SJ_REFERENCE_MAX];
};

static void report(struct tokenizer *tokenizer, struct sj_text url)
{
    bool is_base = sj_text_equals(tokenizer->element->name, SJ_TEXT("base"));
    url = sj_html_strip(url);
    if (url.length == 0 || (is_base && tokenizer->has_base))
        return;
    tokenizer->has_base = tokenizer->has_base || is_base;
    tokenizer->found(tokenizer->argument, is_base ? SJ_REFERENCE_BASE : SJ_REFERENCE_ASSET, url);
}

static void report_candidates(struct tokenizer *tokenizer, struct sj_text value)
{
    struct sj_text url;
    while (sj_html_next_candidate(&value, &url))
        report(tokenizer, url);
}

/* Does a tag's name stand at `at`, and end there? */
static bool is_name_at(const char *at, const char *end, struct sj_text name)
{
    if ((size_t)(end - at) <= name.length ||
        !sj_text_equals_nocase((struct sj_text){at, name.length}, name))
        return false;
    return sj_html_is_space(at[name.length]) || at[name.length] == '/' || at[name.length] == '>';
}

/* Sections 13.2.5.2 and 13.2.5.3: where the end tag of a raw text begins, or the end. */
static const char *skip_raw(const char *at, const char *end, struct sj_text name)
{
    while ((at = memchr(at, '<', (size_t)(end - at))) != NULL) {
        if (end - at > 2 && at[1] == '/' && is_name_at(at + 2, end, name))
            return at;
        at++;
    }
    return end;
}

/* Sections 13.2.5.15 to 13.2.5.31: within "<!--" and "-->" a script may hold another whole. */
static const char *skip_script(const char *at, const char *end)
{
    enum { PLAIN, ESCAPED, DOUBLE_ESCAPED } mode = PLAIN;
    const struct sj_text name = SJ_TEXT("script");
    for (; at < end; at++) {
        size_t left = (size_t)(end - at);
        if (*at == '-' && left > 2 && memcmp(at, "-->", 3) == 0) {
            mode = PLAIN;
        } else if (*at != '<' || left < 2) {
            continue;
        } else if (at[1] == '/' && is_name_at(at + 2, end, name)) {
            if (mode != DOUBLE_ESCAPED)
                return at;
            mode = ESCAPED;
        } else if (mode == ESCAPED && is_name_at(at + 1, end, name)) {
            mode = DOUBLE_ESCAPED;
        } else if (mode == PLAIN && left > 3 && memcmp(at, "<!--", 4) == 0) {
            mode = ESCAPED; /* its dashes may be those of "-->" */
        }
    }
    return end;
}

static void end_tag(struct tokenizer *tokenizer)
{
    const struct element *element = tokenizer->element;
    if (element == NULL || tokenizer->is_end_tag)
        return;
    for (unsigned i = 0; i < ATTRIBUTES; i++) {
        struct sj_text value = tokenizer->values[i];
        if ((element->attributes >> i & 1) == 0 || value.at == NULL ||
            value.length > SJ_REFERENCE_MAX)
            continue;
        value = sj_html_decode(value, tokenizer->room);
        if (i == SRCSET || i == IMAGESRCSET)
            report_candidates(tokenizer, value);
        else
            report(tokenizer, value);
    }
    if (element->content == RAW)
        tokenizer->at = skip_raw(tokenizer->at, tokenizer->end, element->name);
    else if (element->content == SCRIPT)
        tokenizer->at = skip_script(tokenizer->at, tokenizer->end);
}

/* What ends before `at`. */
static void leave(struct tokenizer *tokenizer, const char *at)
{
    struct sj_text text = {tokenizer->start, (size_t)(at - tokenizer->start)};
    if (tokenizer->state == TAG_NAME) {
        tokenizer->element = NULL;
        for (size_t i = 0; i < sizeof(elements) / sizeof(*elements); i++)
            if (sj_text_equals_nocase(text, elements[i].name))
                tokenizer->element = &elements[i];
    } else if (tokenizer->state == NAME) {
        unsigned i = 0;
        while (i < ATTRIBUTES && !sj_text_equals_nocase(text, attribute_names[i]))
            i++;
        if (i < ATTRIBUTES && tokenizer->values[i].at != NULL)
            i = ATTRIBUTES;
        if (i < ATTRIBUTES)
            tokenizer->values[i] = (struct sj_text){at, 0};
        tokenizer->attribute = i;
    } else if (tokenizer->state >= DOUBLE_QUOTED && tokenizer->state <= UNQUOTED &&
               tokenizer->attribute < ATTRIBUTES) {
        tokenizer->values[tokenizer->attribute] = text;
    }
}

/* What begins with the octet at `at`, or for quotes after it. */
static void enter(struct tokenizer *tokenizer, enum state state, const char *at)
{
    enum state before = tokenizer->state;
    tokenizer->state = state;
    tokenizer->start = state == DOUBLE_QUOTED || state == SINGLE_QUOTED ? at + 1 : at;
    if (state == TAG_NAME) {
        tokenizer->is_end_tag = before == END_TAG_OPEN;
        memset(tokenizer->values, 0, sizeof(tokenizer->values));
    } else if (state == DATA && before >= TAG_NAME) {
        end_tag(tokenizer);
    }
}

void sj_references_find(struct sj_text html, sj_reference_found *found, void *argument)
{
    struct tokenizer tokenizer;
    tokenizer.at = html.at;
    tokenizer.end = html.at + html.length;
    tokenizer.state = DATA;
    tokenizer.has_base = false;
    tokenizer.found = found;
    tokenizer.argument = argument;
    while (tokenizer.at < tokenizer.end) {
        const char *at = tokenizer.at++;
        enum state state = next_states[tokenizer.state][kinds[(unsigned char)*at]];
        if (state == STAY)
            continue;
        leave(&tokenizer, at);
        enter(&tokenizer, state, at);
    }
}
