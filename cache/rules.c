/* SPDX-License-Identifier: MIT */
#include "cache/rules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "core/counted.h"

#define FILE_MAX  1048576
#define RULES_MAX 4096 /* lines with fields */

/* One field of one pattern.  `value.at` NULL: takes the field back. */
struct rule {
    struct sj_text pattern;
    struct sj_text name;
    struct sj_text value;
};

struct sj_rules {
    uint64_t references;
    struct rule *rules;
    size_t n_rules;
    size_t size;
    struct sj_text content; /* own copy; the texts of the rules point into it */
};

/* What the parser knows of the line it is at. */
struct parser {
    struct sj_rules *rules;
    struct sj_text pattern; /* empty: none yet */
    unsigned line;
    char *error;
    size_t error_size;
};

static const struct sj_text refused[] = {
    SJ_TEXT("Accept-Ranges"),
    SJ_TEXT("Age"),
    SJ_TEXT("Allow"),
    SJ_TEXT("Connection"),
    SJ_TEXT("Content-Encoding"),
    SJ_TEXT("Content-Length"),
    SJ_TEXT("Content-Range"),
    SJ_TEXT("Date"),
    SJ_TEXT("ETag"),
    SJ_TEXT("Keep-Alive"),
    SJ_TEXT("Last-Modified"),
    SJ_TEXT("Location"),
    SJ_TEXT("Proxy-Connection"),
    SJ_TEXT("Server"),
    SJ_TEXT("TE"),
    SJ_TEXT("Trailer"),
    SJ_TEXT("Transfer-Encoding"),
    SJ_TEXT("Upgrade"),
};

static int fail(const struct parser *parser, const char *what, struct sj_text name)
{
    snprintf(parser->error, parser->error_size, "line %u: %s%s%.*s%s", parser->line, what,
             name.length > 0 ? " \"" : "", (int)name.length, name.length > 0 ? name.at : "",
             name.length > 0 ? "\"" : "");
    return -EINVAL;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct sj_text trim(struct sj_text text)
{
    while (text.length > 0 && is_space(text.at[text.length - 1]))
        text.length--;
    while (text.length > 0 && is_space(*text.at)) {
        text.at++;
        text.length--;
    }
    return text;
}

/* RFC 9110 section 5.6.2. */
static bool is_token(struct sj_text text)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < text.length; i++) {
        char c = text.at[i];
        bool is_alnum = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        if (!is_alnum && memchr(others, c, sizeof(others) - 1) == NULL)
            return false;
    }
    return text.length > 0;
}

/* RFC 9110 section 5.5: no control characters but the tab. */
static bool is_value(struct sj_text text)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static bool is_refused(struct sj_text name)
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
        if (sj_text_equals_nocase(name, refused[i]))
            return true;
    return false;
}

static int add_rule(struct parser *parser, struct sj_text name, struct sj_text value)
{
    struct sj_rules *rules = parser->rules;
    if (parser->pattern.length == 0)
        return fail(parser, "a field before the first path", name);
    if (!is_token(name))
        return fail(parser, "not a field name:", name);
    if (is_refused(name))
        return fail(parser, "the server sets this field itself:", name);
    if (!is_value(value))
        return fail(parser, "control characters in the value of", name);
    if (rules->n_rules == RULES_MAX)
        return fail(parser, "too many fields", SJ_TEXT(""));
    if ((rules->n_rules & (rules->n_rules - 1)) == 0) {
        size_t room = rules->n_rules == 0 ? 1 : 2 * rules->n_rules;
        struct rule *larger = reallocarray(rules->rules, room, sizeof(*larger));
        if (larger == NULL)
            return -ENOMEM;
        rules->rules = larger;
    }
    rules->rules[rules->n_rules++] = (struct rule){parser->pattern, name, value};
    rules->size += name.length + value.length + 4;
    return 0;
}

static int parse_field(struct parser *parser, struct sj_text text)
{
    if (*text.at == '!') {
        struct sj_text name = trim((struct sj_text){text.at + 1, text.length - 1});
        return add_rule(parser, name, (struct sj_text){NULL, 0});
    }
    const char *colon = memchr(text.at, ':', text.length);
    if (colon == NULL)
        return fail(parser, "expected \"Name: value\":", text);
    size_t length = (size_t)(colon - text.at);
    struct sj_text name = {text.at, length};
    return add_rule(parser, name, trim((struct sj_text){colon + 1, text.length - length - 1}));
}

static int parse_line(struct parser *parser, struct sj_text line)
{
    struct sj_text text = trim(line);
    if (text.length == 0 || *text.at == '#')
        return 0;
    if (is_space(*line.at))
        return parse_field(parser, text);
    if (*text.at != '/')
        return fail(parser, "a path begins with \"/\", and its fields are indented:", text);
    if (!is_value(text))
        return fail(parser, "control characters in a path", SJ_TEXT(""));
    parser->pattern = text;
    return 0;
}

static int parse_lines(struct parser *parser)
{
    const char *at = parser->rules->content.at;
    const char *end = at + parser->rules->content.length;
    int error = 0;
    while (error == 0 && at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline == NULL ? end : newline;
        parser->line++;
        error = parse_line(parser, (struct sj_text){at, (size_t)(stop - at)});
        at = newline == NULL ? end : newline + 1;
    }
    return error;
}

int sj_rules_parse(struct sj_text content, struct sj_rules **rules, char *error, size_t error_size)
{
    struct sj_rules *made = malloc(sizeof(*made) + content.length);
    struct parser parser = {.rules = made, .error = error, .error_size = error_size};
    if (made == NULL)
        return -ENOMEM;
    *made = (struct sj_rules){.references = 1, .content = {(char *)(made + 1), content.length}};
    memcpy(made + 1, content.at, content.length);
    int code = parse_lines(&parser);
    if (code == 0)
        *rules = made;
    else
        sj_rules_release(made);
    return code;
}

/* The whole file into `room` of FILE_MAX + 1 bytes: its length, or -errno. */
static ssize_t read_file(const char *path, char *room)
{
    size_t length = 0;
    ssize_t n = 1;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (descriptor < 0)
        return -errno;
    while (n > 0 && length <= FILE_MAX) {
        n = read(descriptor, room + length, FILE_MAX + 1 - length);
        length += n > 0 ? (size_t)n : 0;
    }
    int error = n < 0 ? -errno : length > FILE_MAX ? -EFBIG : 0;
    close(descriptor);
    return error != 0 ? error : (ssize_t)length;
}

int sj_rules_read(const char *path, struct sj_rules *before, struct sj_rules **rules, char *error,
                  size_t error_size)
{
    char *room = malloc(FILE_MAX + 1);
    if (room == NULL)
        return -ENOMEM;
    ssize_t length = read_file(path, room);
    int code = length < 0 ? (int)length : 0;
    struct sj_text content = {room, code == 0 ? (size_t)length : 0};
    if (code < 0) {
        snprintf(error, error_size, "%s", strerrordesc_np(-code));
    } else if (before != NULL && sj_text_equals(content, before->content)) {
        sj_rules_acquire(before);
        *rules = before;
    } else {
        code = sj_rules_parse(content, rules, error, error_size);
    }
    free(room);
    return code;
}

void sj_rules_acquire(struct sj_rules *rules)
{
    sj_counted_acquire(&rules->references);
}

void sj_rules_release(struct sj_rules *rules)
{
    if (rules == NULL || !sj_counted_release(&rules->references))
        return;
    free(rules->rules);
    free(rules);
}

size_t sj_rules_size(const struct sj_rules *rules)
{
    return rules == NULL ? 0 : rules->size;
}

/* The length of what a ":name" at `at` of a pattern spells, or 0 when it is no such thing. */
static size_t placeholder_length(struct sj_text pattern, size_t at)
{
    size_t end = at + 1;
    if (pattern.at[at] != ':' || at == 0 || pattern.at[at - 1] != '/')
        return 0;
    while (end < pattern.length && pattern.at[end] != '/')
        end++;
    return end - at > 1 ? end - at : 0;
}

/* A star takes as little as it can; when what follows fails, the last star takes one octet more. So
 * the time is bounded by the product of the lengths. */
static bool matches(struct sj_text pattern, struct sj_text path)
{
    size_t p = 0;
    size_t s = 0;
    size_t star = SIZE_MAX;
    size_t mark = 0;
    while (s < path.length || p < pattern.length) {
        size_t name = p < pattern.length ? placeholder_length(pattern, p) : 0;
        size_t segment = s;
        while (name > 0 && segment < path.length && path.at[segment] != '/')
            segment++;
        if (p < pattern.length && pattern.at[p] == '*') {
            star = ++p;
            mark = s;
        } else if (segment > s) {
            p += name;
            s = segment;
        } else if (name == 0 && p < pattern.length && s < path.length &&
                   pattern.at[p] == path.at[s]) {
            p++;
            s++;
        } else if (star != SIZE_MAX && mark < path.length) {
            p = star;
            s = ++mark;
        } else {
            return false;
        }
    }
    return true;
}

/* Has a later line that matches taken the field back? */
static bool is_taken_back(const struct sj_rules *rules, size_t index, struct sj_text path)
{
    for (size_t i = index + 1; i < rules->n_rules; i++) {
        const struct rule *later = &rules->rules[i];
        if (later->value.at == NULL &&
            sj_text_equals_nocase(later->name, rules->rules[index].name) &&
            matches(later->pattern, path))
            return true;
    }
    return false;
}

static void apply(const struct rule *rule, struct sj_writer *writer, struct sj_rules_result *result)
{
    if (sj_text_equals_nocase(rule->name, SJ_TEXT("Content-Type"))) {
        result->type = rule->value;
        return;
    }
    if (sj_text_equals_nocase(rule->name, SJ_TEXT("Access-Control-Allow-Origin")))
        result->has_origin = true;
    sj_write_text(writer, rule->name);
    sj_write_literal(writer, ": ");
    sj_write_text(writer, rule->value);
    sj_write_literal(writer, "\r\n");
}

void sj_rules_apply(const struct sj_rules *rules, struct sj_text path, struct sj_writer *writer,
                    struct sj_rules_result *result)
{
    *result = (struct sj_rules_result){.has_origin = false};
    for (size_t i = 0; rules != NULL && i < rules->n_rules; i++) {
        const struct rule *rule = &rules->rules[i];
        if (!matches(rule->pattern, path))
            continue;
        if (sj_text_equals_nocase(rule->name, SJ_TEXT("Cache-Control")))
            result->has_cache_control = true;
        if (rule->value.at != NULL && !is_taken_back(rules, i, path))
            apply(rule, writer, result);
    }
}
